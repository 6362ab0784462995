"""Half an answer is never told as a whole one, nor the answer to one question as that to another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import etree

from documents_at_hand import PATIENT, code
from foreign_sources import Reply, known, odd
from gateway.test_bounds import asking, part
from gateway.test_federation import answered, gives, granted, its, place, told
from kjerne.gateway import kept, xca
from kjerne.gateway.breaker import FAULTS, Breaker
from kjerne.gateway.kept import LONGEST, Kept, Lists
from kjerne.registries.receivers import Receiver
from kjerne.services.documents.api import told as told_of
from kjerne.services.documents.chains import judged
from kjerne.services.documents.model import NotGiven
from kjerne.services.documents.seeing import is_locked
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names
from kjerne.xds.forms import CX
from kjerne.xds.messages import Response
from kjerne.xds.names import RIM
from kjerne.xds.values import Association, Author
from sources import NOW, TEXT

LOCK = code("9603", "NORS")
FORMER = CX("57855599181", "2.16.578.1.12.4.1.4.2")


async def test_what_comes_behind_an_answer_is_not_the_answer_to_the_next_question() -> None:
    # A second answer to the first question, of which the source says nothing: an empty list, which would be another patient's.
    asked, connections = list[bytes](), list[asyncio.Task[None] | None]()

    async def source(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                raw = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                asked.append(raw)
                bodies = [told(its())(raw)[1]]
                if len(asked) == 1:
                    bodies.append(told()(raw)[1].replace(b"RelatesTo", b"RelatesNot"))
                for body in bodies:
                    length = f"content-length: {len(body)}\r\n\r\n"
                    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {soap.TYPE}\r\n{length}".encode() + body)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(source, "127.0.0.1", 0)
    federation = asking(known(server.sockets[0].getsockname()[1], seconds=20))
    seen = [await part(federation, patient=look) for look in range(3)]
    assert [(one.fault, len(one.entries)) for one in seen] == [(None, 1), ("broken", 0), (None, 1)]
    assert len(connections) == 2, "nothing more is asked by the connection that the wrong answer came by"
    await federation.connections.close()
    await asyncio.gather(*filter(None, connections))
    server.close()


async def test_a_source_that_meets_a_fault_of_our_own_takes_nothing_from_the_others() -> None:
    nowhere = known(1, "nowhere", seconds=20)
    nowhere = replace(nowhere, receiver=Receiver("nowhere", f"http://{'a' * 70}.example/x", nowhere.receiver.networks))
    unknown = replace(nowhere, name="unknown", receiver=replace(nowhere.receiver, url="http://[::1/x"))
    async with odd(told(its())) as good:
        federation = asking(known(good.port, "good", seconds=20), nowhere, unknown)
        parts = await federation.listed(granted(), (PATIENT,))
        await federation.connections.close()
    assert [(one.source, one.fault) for one in parts] == [("good", None), ("nowhere", "away"), ("unknown", "broken")]


async def test_an_entry_of_a_status_that_is_not_known_is_counted() -> None:
    plain = told(its(1), its(2))
    async with odd(lambda raw: (soap.TYPE, plain(raw)[1].replace(b"StatusType:Approved", b"StatusType:Held", 1))) as at:
        found = await part(asking(known(at.port, seconds=20)))
    assert (len(found.entries), found.left_out) == (1, 1)


@pytest.mark.parametrize("lost", [False, True])
async def test_a_mark_that_stands_beside_its_document_counts_and_one_of_nothing_says_that_something_is_lacking(
    *, lost: bool
) -> None:
    def moved(raw: bytes) -> bytes:
        body = etree.fromstring(told(its(1, confidentiality=(LOCK,)))(raw)[1])
        (mark,) = (one for one in body.iter(RIM + "Classification") if one.get("nodeRepresentation") == LOCK.code)
        if lost:
            mark.set("classifiedObject", "urn:uuid:00000000-0000-4000-8000-0000000000ff")
        next(body.iter(RIM + "RegistryObjectList")).append(mark)
        return etree.tostring(body)

    async with odd(lambda raw: (soap.TYPE, moved(raw))) as at:
        found = await part(asking(known(at.port, seconds=20)))
    assert ([is_locked(one) for one in found.entries], found.lacks) == ([not lost], lost)


@pytest.mark.parametrize(("error", "lacks"), [("XDSTooManyResults", True), ("XDSUnknownStoredQuery", False)])
async def test_what_holds_alone_is_not_all_where_the_source_would_tell_more(error: str, lacks: bool) -> None:
    no, plain = answered(names.FAILURE, (error,)), told(its())
    async with odd(lambda raw: (no if names.GET_ALL.encode() in raw else plain)(raw)) as source:
        found = await part(asking(known(source.port, seconds=20)))
    assert (found.fault, len(found.entries), found.lacks) == (None, 1, lacks)


async def test_a_document_is_not_opened_while_its_source_is_silent_under_another_of_her_numbers() -> None:
    # It may be locked under that one.
    silent: list[Reply] = [("hangs", b"")]
    answers: Callable[[bytes], Reply] = lambda raw: silent[0] if FORMER.number.encode() in raw else told(its())(raw)  # noqa: E731
    async with odd(answers) as source:
        federation = asking(known(source.port, seconds=0.5))
        there = replace(place(its()), others=(FORMER,))
        with pytest.raises(NotGiven) as caught:
            await federation.entry(granted(), there)
        assert caught.value.fault == "late"
    no = answered(names.FAILURE, ("AuthorizationException",))
    async with odd(lambda raw: no(raw) if FORMER.number.encode() in raw else told(its())(raw)) as source:
        federation = asking(known(source.port, seconds=20))
        assert len((await federation.entry(granted(), there)).entries) == 1, "a no is an answer"


async def test_a_lock_of_a_former_version_holds_on_opening_where_the_list_alone_tells_of_versions() -> None:
    former = its(1, status=names.DEPRECATED, confidentiality=(code("9603", "NORS"),))
    replaces = Association(id="urn:uuid:1", kind=names.REPLACES, source=its(2).id, target=former.id)
    unknown = answered(names.FAILURE, ("XDSUnknownStoredQuery",))

    def answers(raw: bytes) -> Reply:
        if names.GET_DOCUMENTS_AND_ASSOCIATIONS.encode() in raw:
            return unknown(raw)
        if names.GET_ALL.encode() not in raw:
            return told(its(2))(raw)
        body = messages.written_found(Response(names.SUCCESS, (), (former, its(2), replaces)))
        relates = soap.opened(raw).message_id
        return soap.TYPE, soap.enveloped(names.CROSS_QUERY + "Response", body, message_id="urn:t:1", relates=relates)

    async with odd(answers) as source:
        federation = asking(known(source.port, seconds=20))
        for of in (await part(federation), await federation.entry(granted(), place(its(2)))):
            assert "open" not in {how for _, how in judged(granted(), of)}


async def test_an_answer_in_part_says_so_also_of_one_document() -> None:
    beside = Association(id="urn:uuid:1", kind=names.APPENDS, source=its(2).id, target=its(1).id)

    def answers(raw: bytes) -> Reply:
        whole = names.GET_ALL.encode() not in raw
        found = (its(1), beside) if whole else (its(2),)
        body = messages.written_found(Response(names.SUCCESS if whole else names.PARTIAL, (), found))
        relates = soap.opened(raw).message_id
        return soap.TYPE, soap.enveloped(names.CROSS_QUERY + "Response", body, message_id="urn:t:1", relates=relates)

    async with odd(answers) as source:
        assert (await asking(known(source.port, seconds=20)).entry(granted(), place(its()))).lacks


async def test_what_is_too_long_for_a_list_and_too_large_for_a_document_is_told_as_what_it_is() -> None:
    blank = b" " * xca.ENVELOPE_LIMIT_BYTES
    package = b"--b\r\nContent-ID: <envelope>\r\n\r\n<a>" + blank + b"</a>\r\n--b--\r\n"
    async with odd(lambda _: (mtom.content_type("b"), package)) as source:
        assert (await part(asking(known(source.port, seconds=20)))).fault == "long"
    async with odd(lambda _: (soap.TYPE, b"<a>" + blank + b"</a>")) as source:
        with pytest.raises(NotGiven) as caught:
            await asking(known(source.port)).opened(granted(), place(its()), its())
        assert caught.value.fault == "large"


async def test_no_second_document_is_taken_to_the_disk() -> None:
    plain = gives(its(), TEXT)
    more = b"\r\n--b\r\nContent-ID: <2@x>\r\nContent-Transfer-Encoding: binary\r\n\r\n" + TEXT + b"\r\n--b--\r\n"
    async with odd(lambda raw: (plain(raw)[0], plain(raw)[1].removesuffix(b"\r\n--b--\r\n") + more)) as source:
        federation = asking(known(source.port))
        with pytest.raises(NotGiven) as caught:
            await federation.opened(granted(), place(its()), its())
    assert caught.value.fault == "broken" and federation.disk.held_bytes == 0


async def test_that_our_own_disk_is_full_is_no_fault_of_a_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with odd(gives(its(), TEXT)) as source:
        federation = asking(known(source.port, seconds=20))
        with monkeypatch.context() as full:
            full.setattr(xca.tempfile, "gettempdir", lambda: str(tmp_path / "gone"))
            for _ in range(FAULTS):
                with pytest.raises(NotGiven) as caught:
                    await federation.opened(granted(), place(its()), its())
                assert caught.value.fault == "busy"
        source.answers = told(its())
        assert (await part(federation)).fault is None


async def test_one_patients_list_that_cannot_be_read_does_not_take_its_source_from_others() -> None:
    plain = told(its(title="Epikrise fra i fjor"))
    async with odd(lambda raw: (soap.TYPE, plain(raw)[1].replace(b"fra i fjor", b"&#1;"))) as source:
        federation = asking(known(source.port, seconds=20))
        for look in range(FAULTS + 1):
            assert (await part(federation, decision=b"%d" % look)).fault == "broken"
        source.answers = told(its())
        assert (await part(federation, patient=8)).fault is None


def test_how_long_a_document_took_says_nothing_of_how_long_a_list_takes() -> None:
    breaker = Breaker()
    breaker.answered("sundvika", 0.25)
    breaker.answered("sundvika")
    assert breaker.would_tell("sundvika") == (None, 0.25)
    breaker.failed("sundvika", "away", 7)
    assert breaker.would_tell("sundvika") == ("away", 0.25)


def test_many_short_words_take_the_room_that_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    roles = tuple(f"{number:02}" for number in range(100))
    lists, of = Lists(), its(1, authors=(Author(roles=roles),) * 5)
    lists.put((1, "sundvika", b""), Kept(NOW, (of,), 0))
    assert lists.size_bytes > 500 * 51, "each is an object of 51 bytes"


def test_a_list_that_nobody_may_be_shown_any_more_is_kept_no_longer() -> None:
    lists = Lists()
    lists.put((1, "sundvika", b""), Kept(NOW, (its(),), 0))
    lists.put((2, "sundvika", b""), Kept(NOW + LONGEST - timedelta(seconds=1), (), 0))
    assert len(lists._kept) == 2
    lists.put((3, "sundvika", b""), Kept(NOW + LONGEST, (), 0))
    assert [key[0] for key in lists._kept] == [2, 3]
    assert lists.size_bytes == 2 * (kept.OVERHEAD_BYTES + 2 * 3)


async def test_of_a_patient_without_a_national_number_it_is_told_that_nobody_was_asked() -> None:
    async with odd(told(its())) as source:
        parts = await asking(known(source.port)).listed(granted(), ())
        assert [(one.unasked, one.fault, one.at) for one in parts] == [("number", None, None)] and not source.asked
    assert [issue["code"] for issue in told_of(parts)] == ["incomplete"]


async def test_of_documents_that_are_very_much_to_each_other_those_that_hold_are_shown_and_said_to_be_not_all() -> None:
    # To go through a hundred thousand of them takes over a second at each look, in which nobody else is answered.
    entries = [its(number, id=f"urn:uuid:{number:036}", unique_id=f"1.2.{number}") for number in range(70)]
    between = [
        Association(id=f"urn:{one.id}:{other.id}", kind=names.APPENDS, source=one.id, target=other.id)
        for one in entries
        for other in entries
    ]
    body = messages.written_found(Response(names.SUCCESS, (), (*entries, *between[: xca.RELATIONS_LIMIT + 1])))

    def answers(raw: bytes) -> Reply:
        if names.GET_ALL.encode() not in raw:
            return told(*entries)(raw)
        relates = soap.opened(raw).message_id
        return soap.TYPE, soap.enveloped(names.CROSS_QUERY + "Response", body, message_id="urn:t:1", relates=relates)

    async with odd(answers) as source:
        found = await part(asking(known(source.port, seconds=20)))
        assert (found.fault, len(found.entries), found.relations, found.lacks) == (None, 70, (), True)
        body = messages.written_found(Response(names.SUCCESS, (), (*entries, *between[: xca.RELATIONS_LIMIT])))
        found = await part(asking(known(source.port, seconds=20)))
    assert (found.fault, len(found.relations), found.lacks) == (None, xca.RELATIONS_LIMIT, False)
