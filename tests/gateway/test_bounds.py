"""What one patient, one document or one wave of looks may cost a source and the others: deadlines, places, memory and faults."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from documents_at_hand import HOME, PATIENT
from foreign_sources import OPEN, Listed, Reply, files_held, known, odd
from gateway.test_federation import GATEWAY, gives, granted, its, place, told
from kjerne.clock import FixedClock
from kjerne.gateway import kept, xca
from kjerne.gateway.breaker import FAULTS
from kjerne.gateway.federation import AT_ONE_SOURCE, DOCUMENTS_AT_ONE_SOURCE, Federation
from kjerne.gateway.kept import FRESH, Kept, Lists
from kjerne.registries.document_sources import DocumentSource
from kjerne.services.documents.model import NotGiven, Part
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names, queries
from kjerne.xds.forms import XON
from kjerne.xds.messages import Response
from kjerne.xds.queries import Query
from kjerne.xds.values import Author
from sources import NOW, TEXT


class Everybody(Federation):
    """A federation over sources that all take part."""

    async def _taking_part(self, now: datetime) -> list[DocumentSource]:
        return list(self.sources.all())


def asking(*sources: DocumentSource) -> Everybody:
    made = Everybody(None, Listed(sources), lambda: GATEWAY, FixedClock(NOW))  # type: ignore[arg-type]
    made.breaker.ticks = lambda: 0.0
    OPEN.append(made.connections)
    return made


async def part(of: Federation, patient: int = 7, decision: bytes = b"d", **changes: Any) -> Part:
    """The one source's part of the list of a patient; each `decision` is a ground of its own, so a list that is asked for."""
    plain = granted(**changes)
    caller = replace(plain.caller, attestation=replace(plain.caller.attestation, decision_id=decision.decode()))  # type: ignore[type-var]
    (found,) = await of.listed(
        replace(plain, caller=caller, subject=replace(plain.subject, patient=patient)), (PATIENT,)
    )
    return found


def within(inner: bytes) -> Callable[[bytes], Reply]:
    """A source whose list has these bytes in it, in front of its one document."""
    plain = told(its())

    def answers(raw: bytes) -> Reply:
        kind, body = plain(raw)
        at = re.search(rb"<[a-z0-9]*:?RegistryObjectList[^>]*>", body)
        assert at is not None
        return kind, body[: at.end()] + inner + body[at.end() :]

    return answers


TOO_MANY = told(*(its(1, unique_id=f"1.2.{number}", authors=(), confidentiality=()) for number in range(2_001)))
TOO_LARGE: Callable[[bytes], Reply] = lambda _: (soap.TYPE, b"<a>" + b" " * xca.ENVELOPE_LIMIT_BYTES + b"</a>")  # noqa: E731
FULL = within(b"<x/>" * (xca.MARKS_LIMIT + 1))


@pytest.mark.parametrize("answers", [TOO_MANY, TOO_LARGE, FULL], ids=["many", "large", "full"])
async def test_a_patient_of_whom_a_source_has_too_much_does_not_take_it_from_others(
    answers: Callable[[bytes], Reply],
) -> None:
    async with odd(answers) as source:
        federation = asking(known(source.port, seconds=20))
        for look in range(FAULTS):
            assert (await part(federation, decision=b"%d" % look)).fault == "long"
        source.answers = told(its())
        assert (await part(federation, patient=8)).fault is None


async def test_a_document_that_is_not_what_was_said_does_not_take_its_source_from_others() -> None:
    async with odd(gives(its(), TEXT + b"!")) as source:
        federation = asking(known(source.port, seconds=20))
        for of in (its(), its(hash=""), its(size_bytes=3), its(hash="0" * 40, size_bytes=len(TEXT) + 1)):
            with pytest.raises(NotGiven) as caught:
                await federation.opened(granted(), place(its()), of)
            assert caught.value.fault == "broken"
        for _ in range(FAULTS):
            with pytest.raises(NotGiven):
                await federation.opened(granted(), place(its()), its())
        source.answers = told(its())
        assert (await part(federation)).fault is None


async def test_who_waits_for_one_patient_again_and_again_does_not_take_the_source_from_others() -> None:
    async with odd(lambda _: ("hangs", b"")) as source:
        federation = asking(known(source.port, seconds=0.05))
        for look in range(FAULTS + 1):
            assert (await part(federation, decision=b"%d" % look)).fault == "late"
        for patient in range(FAULTS - 1):
            assert (await part(federation, patient=10 + patient)).fault == "late"
        assert (await part(federation)).fault == "resting", "that it is late for five of them is its own fault"


async def test_a_wave_of_looks_is_no_fault_of_a_source_that_answers_each_in_time() -> None:
    async with odd(told(its())) as source:
        # Every place is taken when the others come, and let go when they have too little time left to be answered.
        federation = asking(known(source.port, seconds=0.6))
        until = asyncio.get_running_loop().time() + 5
        async with federation._lists.turn("other", until):
            held = [federation._lists.turn("sundvika", until) for _ in range(AT_ONE_SOURCE)]
            for one in held:
                await one.__aenter__()
            waiting = [asyncio.create_task(part(federation, decision=b"%d" % look)) for look in range(3 * FAULTS)]
            faults = {(await one).fault for one in waiting}
            assert faults == {"busy"} and not source.asked
            for one in held:
                await one.__aexit__(None, None, None)
        federation.sources = Listed((known(source.port, seconds=20),))  # type: ignore[assignment]
        assert (await part(federation)).fault is None


async def test_who_is_let_in_with_little_time_left_does_not_say_that_the_source_is_late() -> None:
    async with odd(lambda _: ("hangs", b"")) as source:
        federation = asking(known(source.port, seconds=0.5))
        turns = [federation._lists.turn("sundvika", 1e12) for _ in range(AT_ONE_SOURCE)]
        for one in turns:
            await one.__aenter__()
        waiting = [asyncio.create_task(part(federation, patient=look)) for look in range(2 * FAULTS)]
        await asyncio.sleep(0.2)
        for one in turns:
            await one.__aexit__(None, None, None)
        assert {(await one).fault for one in waiting} == {"busy"}
        source.answers = told(its())
        federation.sources = Listed((known(source.port, seconds=20),))  # type: ignore[assignment]
        assert (await part(federation)).fault is None


async def test_documents_that_come_slowly_hold_up_no_list() -> None:
    def answers(raw: bytes) -> Reply:
        return ("hangs", b"") if soap.opened(raw).action == names.CROSS_RETRIEVE else told(its())(raw)

    async with odd(answers) as source:
        federation = asking(known(source.port, seconds=20))
        opening = [
            asyncio.create_task(federation.opened(granted(), place(its()), its()))
            for _ in range(AT_ONE_SOURCE + DOCUMENTS_AT_ONE_SOURCE)
        ]
        while len(source.asked) < DOCUMENTS_AT_ONE_SOURCE:
            await asyncio.sleep(0.01)
        assert (await part(federation)).fault is None
        for one in opening:
            one.cancel()
        await asyncio.gather(*opening, return_exceptions=True)


async def test_no_more_comes_to_the_disk_than_the_limit_whatever_the_metadata_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mtom, "PART_LIMIT_BYTES", len(TEXT) - 1)
    async with odd(gives(its(), TEXT)) as source:
        federation = asking(known(source.port, seconds=20))
        with pytest.raises(NotGiven) as caught:
            await federation.opened(granted(), place(its()), its(size_bytes=1_200_000_000))
        assert caught.value.fault == "large" and not source.asked, "it is not even asked for"
        with pytest.raises(NotGiven) as unsaid:
            await federation.opened(granted(), place(its()), its(size_bytes=None))
        assert unsaid.value.fault == "broken" and len(source.asked) == 1
    assert files_held() == 0


def test_nothing_more_of_a_list_is_read_once_nobody_waits_for_it_and_it_is_read_where_it_stands() -> None:
    question = soap.enveloped(
        names.CROSS_QUERY, queries.written(Query(names.FIND_DOCUMENTS, said=())), message_id="urn:x:1"
    )
    answer = told(*(its(1, unique_id=f"1.2.{number}") for number in range(60)))(question)[1]
    body, left = soap.answered(answer, relates="urn:x:1"), [10]

    def ended() -> bool:
        left[0] -= 1
        return left[0] < 0

    assert len(xca._told(body, known(1), (PATIENT,), ended).entries) == 10
    # To take a long list out of its tree costs seconds in which nobody else is answered.
    assert len(xca._told(body, known(1), (PATIENT,), lambda: False).entries) == 60


async def test_a_document_with_more_said_of_it_than_of_all_others_is_left_out_and_counted() -> None:
    places = tuple(XON("Institusjon", "100000001", "2.16.578.1.12.4.1.4.101") for _ in range(150))
    fat = its(2, authors=tuple(Author(institutions=places) for _ in range(10)))
    async with odd(told(its(1), fat)) as source:
        found = await part(asking(known(source.port, seconds=20)))
    assert (len(found.entries), found.left_out, found.fault) == (1, 1, None)


async def test_what_could_not_be_opened_is_counted_and_not_shown() -> None:
    plain = told(its(1), its(2))
    on_demand: Callable[[bytes], Reply] = lambda raw: (  # noqa: E731
        soap.TYPE, plain(raw)[1].replace(names.STABLE.encode(), names.ON_DEMAND.encode(), 1)
    )  # fmt: skip
    async with odd(on_demand) as source:
        found = await part(asking(known(source.port, seconds=20)))
    assert (len(found.entries), found.left_out, found.fault) == (1, 1, None), "made on demand, so no hash is told of it"


async def test_references_alone_are_no_empty_list() -> None:
    def answers(raw: bytes) -> Reply:
        body = messages.written_found(Response(names.SUCCESS, references=(("urn:uuid:1", HOME), ("urn:uuid:2", HOME))))
        return soap.TYPE, soap.enveloped(
            names.CROSS_QUERY + "Response", body, message_id="urn:test:1", relates=soap.opened(raw).message_id
        )

    async with odd(answers) as source:
        found = await part(asking(known(source.port, seconds=20)))
    assert (len(found.entries), found.left_out, found.fault) == (0, 2, None)


def test_lists_are_kept_by_how_much_room_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    lists, long = Lists(), "x" * 1_000
    for number in range(3):
        lists.put((number, "sundvika", b""), Kept(NOW, (its(1, title=long),), 0))
    of_one = lists.size_bytes // 3
    monkeypatch.setattr(kept, "LIMIT_BYTES", 4 * of_one)
    lists.put((3, "sundvika", b""), Kept(NOW, (its(1, title=2 * long),), 0))
    assert [lists.get((number, "sundvika", b""), NOW) is not None for number in range(4)] == [False, True, True, True]
    for number in range(4):
        lists.drop((number, "sundvika", b""))
    assert lists.size_bytes == 0


async def test_who_may_not_be_told_of_is_answered_as_who_has_nothing_and_nobody_is_asked() -> None:
    async with odd(told()) as good, odd(lambda _: ("text/html", b"<html>")) as down:
        federation = asking(known(good.port, "good", seconds=20), known(down.port, "down", seconds=20))
        hers = await federation.listed(granted(), (PATIENT,))
        other = replace(granted(), subject=replace(granted().subject, patient=8))
        before = len(good.asked), len(down.asked)
        assert await federation.unasked(other) == hers
        later = replace(other, at=NOW + FRESH + timedelta(seconds=1))
        assert [one.at for one in await federation.unasked(later)] == [later.at, None]
        for look in range(FAULTS):
            await part_of_all(federation, look)
        assert [one.fault for one in await federation.unasked(later)] == [None, "resting"]
        assert (len(good.asked), len(down.asked)) == (before[0] + FAULTS, FAULTS)
        shut = await federation.listed(replace(other, at=later.at), (PATIENT,))
        assert len(good.asked) == before[0] + FAULTS + 1, "what nobody was asked is no answer for who has shut nothing"
        assert shut[0].fault is None


async def part_of_all(of: Federation, patient: int) -> None:
    plain = granted()
    await of.listed(replace(plain, subject=replace(plain.subject, patient=100 + patient)), (PATIENT,))
