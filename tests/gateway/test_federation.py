"""Many sources asked at once over real sockets: our own source, and some that answer what no source should."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from documents_at_hand import HOME, PATIENT, REPOSITORY, code, entry, valid
from foreign_sources import OPEN, ORGANISATION, Listed, Reply, files_held, known, odd, served
from kjerne.access import Attestation, Caller, Coded, Grant, Label, Subject
from kjerne.clock import FixedClock
from kjerne.commands.sourcing import LAYOUT
from kjerne.gateway.breaker import FAULTS
from kjerne.gateway.federation import Federation
from kjerne.gateway.ground import ground
from kjerne.gateway.kept import FRESH
from kjerne.services.documents.model import NotGiven, Part, Place
from kjerne.services.documents.seeing import is_locked
from kjerne.store import migrate, participation
from kjerne.store.embedded import OWNER, PROGRAM
from kjerne.store.pool import Pool, open_pool
from kjerne.wire import mtom, soap
from kjerne.wire.saml_trust import trusted
from kjerne.wire.xua_signing import Signer, self_signed
from kjerne.xds import messages, names
from kjerne.xds.errors import RegistryError
from kjerne.xds.forms import CX
from kjerne.xds.messages import Response, Wanted
from kjerne.xds.names import RIM
from kjerne.xds.values import Association, DocumentEntry
from participating import a_row
from sources import NOW, TEXT, Standing, one, standing

GATEWAYS_KEY = ec.generate_private_key(ec.SECP256R1())
GATEWAY = Signer("https://kjerne.example/gateway", GATEWAYS_KEY, self_signed("gateway", GATEWAYS_KEY), FixedClock(NOW))
ATTESTED = Attestation(
    b"d", "9001", "LE", "999999901", "999999902", "", Coded("KX17", "urn:oid:2.16.578.1.12.4.1.1.8655"), "TREAT", None, "42",
    "Poliklinikk", False, (), NOW,
)  # fmt: skip
DOCTOR = Caller(
    "practitioner", "ehr", frozenset(), name="Kari Prøve", hpr="9001", authorization="LE", organisation="999999901",
    point_of_care="999999902", level=4, attestation=ATTESTED,
)  # fmt: skip


def granted(caller: Caller = DOCTOR, basis: str = "", **changes: Any) -> Grant:
    subject = Subject(7, (7,), 1, (b"",), date(1955, 9, 17), "female", "", False, (), (), None, True)
    plain = Grant(
        caller, subject, "documents", "search", "rule", "law", "says", "TREAT", basis, Label.RESTRICTED, False, NOW, "c-1"
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture(scope="module")
def addresses(clusters: Any) -> Iterator[tuple[str, str, str]]:
    cluster = clusters("18")
    cluster.create("gateway")
    cluster.create_empty("gateways_source")
    asyncio.run(migrate.upgrade(cluster.server.dsn(OWNER, "gateways_source"), LAYOUT))
    at = [cluster.server.dsn(who, "gateways_source") for who in (PROGRAM, OWNER)]
    yield cluster.server.dsn(PROGRAM, "gateway"), at[0], at[1]
    for name in ("gateway", "gateways_source"):
        cluster.drop(name)


@pytest.fixture
async def pool(addresses: tuple[str, str, str]) -> AsyncIterator[Pool]:
    opened = await open_pool(addresses[0], 2)
    async with opened.acquire() as conn:
        if await participation.is_empty(conn):
            await participation.add(conn, [a_row(ORGANISATION, "source", service="documents")])
    yield opened
    await opened.close()


@pytest.fixture
async def source(addresses: tuple[str, str, str], tmp_path: Path) -> AsyncIterator[Standing]:
    async with standing(*addresses[1:], tmp_path, issuers=trusted(GATEWAY.metadata())) as stands:
        yield stands


@dataclass
class Asked:
    """A federation over some sources, and a clock that only the test moves."""

    federation: Federation
    ticks: list[float]

    async def listed(self, grant: Grant | None = None, *numbers: CX) -> dict[str, Part]:
        parts = await self.federation.listed(grant or granted(), numbers or (PATIENT,))
        return {one.source: one for one in parts}


def federation(pool: Pool, *sources: Any) -> Asked:
    ticks = [0.0]
    made = Federation(pool, Listed(sources), lambda: GATEWAY, FixedClock(NOW))  # type: ignore[arg-type]
    OPEN.append(made.connections)
    made.breaker.ticks = lambda: ticks[0]
    return Asked(made, ticks)


def place(of: DocumentEntry, source: str = "sundvika") -> Place:
    return Place(source, HOME, of.repository, of.unique_id, PATIENT)


def told(*entries: DocumentEntry, relates: str = "") -> Callable[[bytes], Reply]:
    """A source that has these documents, whatever it is asked."""

    def answers(raw: bytes) -> Reply:
        body = messages.written_found(Response(names.SUCCESS, (), entries))
        sent = soap.opened(raw)
        answer = soap.enveloped(
            names.CROSS_QUERY + "Response", body, message_id="urn:test:1", relates=relates or sent.message_id
        )
        return soap.TYPE, answer

    return answers


def its(place_: int = 1, **changes: Any) -> DocumentEntry:
    """An entry as a registry tells it."""
    return entry(place_, home=HOME, **({"hash": sha1(TEXT).hexdigest(), "size_bytes": len(TEXT)} | changes))


def gives(of: DocumentEntry, content: bytes, cut: int = 0, **changes: str) -> Callable[[bytes], Reply]:
    """A source that gives this content for a document."""

    def answers(raw: bytes) -> Reply:
        wanted = Wanted(changes.get("unique_id", of.unique_id), REPOSITORY, changes.get("home", HOME))
        given = messages.Given(wanted, "text/plain", lambda element: mtom.included(element, "1@x"))
        body = messages.written_documents(Response(names.SUCCESS), [given])
        envelope = soap.enveloped(
            names.CROSS_RETRIEVE + "Response", body, message_id="urn:test:1", relates=soap.opened(raw).message_id
        )
        part = b"\r\n--b\r\nContent-ID: <1@x>\r\nContent-Transfer-Encoding: binary\r\n\r\n" + content + b"\r\n--b--\r\n"
        whole = b"".join(mtom.packed("b", envelope, [])).removesuffix(b"\r\n--b--\r\n") + part
        return mtom.content_type("b"), whole[: len(whole) - cut]

    return answers


async def test_the_list_of_our_own_source_comes_with_the_document_itself(pool: Pool, source: Standing) -> None:
    await source.provide(one(1), TEXT)
    async with served(source.application) as port:
        asked = federation(pool, known(port))
        part = (await asked.listed())["sundvika"]
        assert part.fault is None and part.at == NOW and [e.title for e in part.entries] == ["Epikrise & <svar>"]
        at = place(part.entries[0])
        now = await asked.federation.entry(granted(), at)
        opened = await asked.federation.opened(granted(), at, now.entries[0])
        assert b"".join([piece async for piece in opened.pieces]) == TEXT
        rows = await source.log()
        assert [(row["allowed"], row["hpr"], row["name"]) for row in rows[1:]] == [(True, "9001", "Kari Prøve")] * 3, (
            "the source knows who was given what"
        )


async def test_our_questions_keep_to_the_schema_and_name_no_person_number_of_hers(pool: Pool) -> None:
    async with odd(told()) as source:
        await federation(pool, known(source.port)).listed()
        message = soap.opened(source.asked[0])
        assert valid(message.body) and message.action == names.CROSS_QUERY
        assert message.assertion is not None
        assert message.assertion.findtext(".//{*}NameID") == "9001"


async def test_what_one_source_breaks_takes_nothing_from_the_others(pool: Pool) -> None:
    other = its(2, patient=replace(PATIENT, number="13116900216"))
    elsewhere = replace(its(3), home="urn:oid:1.2.3")
    half = told(its())
    kinds: dict[str, Callable[[bytes], Reply]] = {
        "good": told(its()),
        "garbage": lambda _: ("text/html", b"<html>Innlogging"),
        "bomb": lambda _: (soap.TYPE, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        "empty": lambda _: (soap.TYPE, b""),
        "half": lambda raw: ("half " + half(raw)[0], half(raw)[1][:200]),
        "half-package": lambda _: (mtom.content_type("b"), b"--b\r\nContent-ID: <envelope>\r\n\r\n<a"),
        "another-answer": told(its(), relates="urn:test:another"),
        "wrong-patient": told(its(), other),
        "wrong-home": told(its(), elsewhere),
        "refuses": lambda raw: (soap.TYPE, soap.fault(soap.unauthenticated("x"), message_id="urn:test:1")),
    }
    async with AsyncExitStack() as stack:
        at = {name: await stack.enter_async_context(odd(answers)) for name, answers in kinds.items()}
        parts = await federation(pool, *(known(one.port, name) for name, one in at.items())).listed()
    faults = {name: part.fault for name, part in parts.items()}
    assert faults == {
        "good": None, "garbage": "broken", "bomb": "broken", "empty": "broken", "half": "away", "half-package": "broken",
        "another-answer": "broken", "wrong-patient": None, "wrong-home": None, "refuses": "refused",
    }  # fmt: skip
    shown = {name: (len(part.entries), part.left_out) for name, part in parts.items()}
    assert shown["good"] == (1, 0) and shown["wrong-patient"] == shown["wrong-home"] == (1, 1)
    assert all(one == (0, 0) for name, one in shown.items() if faults[name])


async def test_one_entry_that_cannot_be_read_takes_no_other_with_it(pool: Pool) -> None:
    plain = told(its(1), its(2, created="20260310"))
    async with odd(lambda raw: (soap.TYPE, plain(raw)[1].replace(b"20260310<", b"in March<"))) as source:
        part = (await federation(pool, known(source.port)).listed())["sundvika"]
    assert (part.fault, len(part.entries), part.left_out) == (None, 1, 1)


async def test_a_source_that_does_not_tell_all_at_once_is_asked_for_what_holds(pool: Pool) -> None:
    def refused(code: str) -> Callable[[bytes], Reply]:
        error = Response(names.FAILURE, (RegistryError(code, "Not here."),))
        return lambda raw: (
            soap.TYPE,
            soap.enveloped(names.CROSS_QUERY + "Response", messages.written_found(error), message_id="urn:test:1",
                           relates=soap.opened(raw).message_id),
        )  # fmt: skip

    unknown, no, plain = refused("XDSUnknownStoredQuery"), refused("AuthorizationException"), told(its())
    newer = (names.GET_ALL.encode(), names.GET_DOCUMENTS_AND_ASSOCIATIONS.encode())
    async with odd(lambda raw: (unknown if any(one in raw for one in newer) else plain)(raw)) as older, odd(no) as shut:
        asked = federation(pool, known(older.port), known(shut.port, "shut"))
        parts = await asked.listed()
        assert (parts["sundvika"].fault, len(parts["sundvika"].entries)) == (None, 1)
        assert (parts["shut"].fault, len(shut.asked)) == ("refused", 1), "a no is asked once"
        one_ = await asked.federation.entry(granted(), place(its()))
        assert [each.unique_id for each in one_.entries] == [its().unique_id]
        assert all(valid(soap.opened(raw).body) for raw in older.asked) and len(older.asked) == 5


async def test_what_documents_are_to_each_other_comes_with_the_list_and_what_cannot_be_read_of_it_not(
    pool: Pool,
) -> None:
    before = its(1, status=names.DEPRECATED)
    relations = [
        Association(id="urn:uuid:1", kind=names.REPLACES, source=its(2).id, target=before.id),
        Association(id="urn:uuid:2", kind=names.HAS_MEMBER, source="urn:uuid:set", target=before.id),
        Association(id="urn:uuid:3", kind=names.APPENDS, source=its(2).id, target="urn:uuid:gone"),
    ]
    body = messages.written_found(Response(names.SUCCESS, (), (before, its(2), *relations)))
    for element in body.iter(f"{RIM}Association"):
        if element.get("id") == "urn:uuid:3":
            del element.attrib["targetObject"]

    def answers(raw: bytes) -> Reply:
        relates = soap.opened(raw).message_id
        return soap.TYPE, soap.enveloped(names.CROSS_QUERY + "Response", body, message_id="urn:t:1", relates=relates)

    async with odd(answers) as source:
        asked = federation(pool, known(source.port))
        part = (await asked.listed())["sundvika"]
        assert [(one.kind, one.source) for one in part.relations] == [(names.REPLACES, its(2).id)]
        assert len(part.entries) == 2 and part.left_out == 0
        one_ = await asked.federation.entry(granted(), place(before))
        assert len(one_.entries) == 2, "a document that was replaced is judged with what took its place"


async def test_a_source_that_hangs_holds_nobody_up_beyond_its_deadline(pool: Pool) -> None:
    async with odd(told(its())) as good, odd(lambda _: ("hangs", b"")) as hung:
        begun = time.monotonic()
        parts = await federation(pool, known(good.port, "good"), known(hung.port, "hung", seconds=0.3)).listed()
        assert time.monotonic() - begun < 5
    assert parts["hung"].fault == "late" and parts["hung"].at is None
    assert len(parts["good"].entries) == 1


async def test_an_older_list_is_shown_to_whom_it_was_given_and_says_how_old_it_is(pool: Pool) -> None:
    down: list[bool] = []
    up = told(its())
    async with odd(lambda raw: ("text/plain", b"down") if down else up(raw)) as source:
        asked = federation(pool, known(source.port))
        await asked.listed()
        down.append(True)
        later = NOW + timedelta(hours=1)
        part = (await asked.listed(granted(at=later)))["sundvika"]
        assert (part.fault, part.at, len(part.entries)) == ("broken", NOW, 1)
        for other in (
            granted(replace(DOCTOR, hpr="9002"), at=later), granted(basis="FORHOYET_SAMTYKKE", at=later),
            granted(replace(DOCTOR, organisation="999999903"), at=later),
        ):  # fmt: skip
            assert (await asked.listed(other))["sundvika"].entries == (), "what another was answered is not hers to see"
        assert (await asked.listed(granted(at=NOW + timedelta(hours=13))))["sundvika"].entries == ()


async def test_a_no_takes_away_what_was_given_before(pool: Pool) -> None:
    shut: list[bool] = []
    up = told(its())
    no = soap.fault(soap.unauthenticated("x"), message_id="urn:test:1")
    async with odd(lambda raw: (soap.TYPE, no) if shut else up(raw)) as source:
        asked = federation(pool, known(source.port))
        await asked.listed()
        shut.append(True)
        part = (await asked.listed(granted(at=NOW + FRESH)))["sundvika"]
        assert (part.fault, part.entries) == ("refused", ())


async def test_the_next_page_of_a_list_asks_nobody_again(pool: Pool) -> None:
    async with odd(told(its())) as source:
        asked = federation(pool, known(source.port))
        for seconds in (0, 29, 31):
            await asked.listed(granted(at=NOW + timedelta(seconds=seconds)))
        assert len(source.asked) == 2


async def test_a_source_that_fails_again_and_again_is_left_alone_for_a_while(pool: Pool) -> None:
    async with odd(lambda _: ("text/plain", b"down")) as source:
        asked = federation(pool, known(source.port))
        about = [granted(subject=replace(granted().subject, patient=look)) for look in range(FAULTS + 2)]
        faults = [(await asked.listed(one))["sundvika"].fault for one in about]
        assert faults == ["broken"] * FAULTS + ["resting"] * 2 and len(source.asked) == FAULTS
        asked.ticks[0] += 30
        assert (await asked.listed())["sundvika"].fault == "broken"
        assert (await asked.listed())["sundvika"].fault == "resting"


async def test_a_source_whose_organisation_takes_no_part_is_not_asked(pool: Pool) -> None:
    async with odd(told(its())) as source:
        asked = federation(pool, known(source.port, organisation="999999909"))
        assert await asked.listed() == {}
        with pytest.raises(NotGiven):
            await asked.federation.entry(granted(), place(its()))
        assert source.asked == []


async def test_each_of_her_numbers_is_asked_about_and_a_document_stands_once(pool: Pool) -> None:
    former = CX("57855599181", "2.16.578.1.12.4.1.4.2")

    def answers(raw: bytes) -> Reply:
        hers = former if former.number.encode() in raw else PATIENT
        return told(its(1, patient=hers), its(2 if hers is PATIENT else 3, patient=hers))(raw)

    async with odd(answers) as source:
        part = (await federation(pool, known(source.port)).listed(None, PATIENT, former))["sundvika"]
    assert sorted(one.unique_id[-1] for one in part.entries) == ["1", "2", "3"]


def answered(
    status: str, codes: tuple[str, ...], *entries: DocumentEntry, warns: bool = False
) -> Callable[[bytes], Reply]:
    """A source that answers with a status, errors and these documents."""

    def answers(raw: bytes) -> Reply:
        severity = names.WARNING if warns else names.ERROR
        errors = tuple(RegistryError(one, "x", severity=severity) for one in codes)
        body = messages.written_found(Response(status, errors, entries))
        relates = soap.opened(raw).message_id
        return soap.TYPE, soap.enveloped(
            names.CROSS_QUERY + "Response", body, message_id="urn:t:1", relates=relates
        )  # fmt: skip

    return answers


@pytest.mark.parametrize(
    ("status", "codes", "warns", "fault", "lacks"),
    [
        (names.SUCCESS, (), False, None, False),
        (names.SUCCESS, ("XDSExtraMetadataNotSaved",), True, None, False),
        (names.SUCCESS, ("XDSUnavailableCommunity",), False, None, True),
        (names.PARTIAL, ("XDSUnavailableCommunity",), False, None, True),
        (names.PARTIAL, ("AuthorizationException",), False, None, True),
        (names.PARTIAL, (), False, None, True),
        (names.PARTIAL, ("XDSUnknownPatientId",), False, None, False),
        (names.FAILURE, ("XDSUnknownPatientId",), False, None, False),
        (names.FAILURE, ("XDSUnknownPatientId", "XDSUnavailableCommunity"), False, "unable", True),
        (names.FAILURE, ("XDSRegistryBusy",), False, "unable", True),
        (names.FAILURE, ("XDSTooManyResults",), False, "many", True),
        (names.FAILURE, ("AuthorizationException", "XDSRegistryError"), False, "refused", True),
        (names.FAILURE, (), False, "unable", True),
        (names.FAILURE, ("XDSUnknownPatientId",), True, "unable", True),
    ],
)
async def test_a_list_is_whole_where_status_and_errors_say_so(
    pool: Pool, status: str, codes: tuple[str, ...], warns: bool, fault: str | None, lacks: bool
) -> None:
    had = () if status == names.FAILURE else (its(),)
    async with odd(answered(status, codes, *had, warns=warns)) as source:
        asked = federation(pool, known(source.port))
        part = (await asked.listed())["sundvika"]
        assert (part.fault, part.lacks, len(part.entries)) == (fault, lacks, len(had))
        assert (part.at is None) is (fault is not None)
        again = (await asked.listed())["sundvika"]
    assert again.lacks is lacks, "the next page says so too"


@pytest.mark.parametrize("code", ["XDSRegistryBusy", "XDSTooManyResults", "XDSRegistryError"])
async def test_a_registry_that_has_failed_has_not_said_no_and_takes_nothing_away(pool: Pool, code: str) -> None:
    failing: list[bool] = []
    up, down = told(its()), answered(names.FAILURE, (code,))
    async with odd(lambda raw: down(raw) if failing else up(raw)) as source:
        asked = federation(pool, known(source.port))
        await asked.listed()
        failing.append(True)
        part = (await asked.listed(granted(at=NOW + FRESH)))["sundvika"]
    assert (part.at, len(part.entries)) == (NOW, 1) and part.fault in ("unable", "many")


async def test_a_list_of_one_of_her_numbers_alone_says_that_a_part_is_not_shown(pool: Pool) -> None:
    former = CX("57855599181", "2.16.578.1.12.4.1.4.2")
    for odd_one in (lambda raw: ("hangs", b""), answered(names.FAILURE, ("AuthorizationException",))):

        def answers(raw: bytes, odd_one: Callable[[bytes], Reply] = odd_one) -> Reply:
            return odd_one(raw) if former.number.encode() in raw else told(its())(raw)

        async with odd(answers) as source:
            asked = federation(pool, known(source.port, seconds=0.4))
            part = (await asked.listed(None, PATIENT, former))["sundvika"]
        assert part.fault in ("late", "refused") and part.lacks and len(part.entries) == 1


async def test_a_source_that_has_joined_her_numbers_tells_of_nobody_else(pool: Pool) -> None:
    former = CX("57855599181", "2.16.578.1.12.4.1.4.2")
    async with odd(told(its(1), its(2, patient=replace(PATIENT, number="13116900216")))) as source:
        asked = federation(pool, known(source.port))
        part = (await asked.listed(None, former, PATIENT))["sundvika"]
        assert (len(part.entries), part.left_out) == (1, 2), "one that is another's is counted for each question"
        assert (await asked.listed(None, former))["sundvika"].entries == (), "what is hers no longer is not shown"


LOCK = code("9603", "NORS")


@pytest.mark.parametrize("locked_first", [True, False])
@pytest.mark.parametrize("numbers", [1, 2])
async def test_a_document_that_is_said_twice_is_locked_where_either_says_so(
    pool: Pool, numbers: int, locked_first: bool
) -> None:
    former = CX("57855599181", "2.16.578.1.12.4.1.4.2")
    both = [its(1, confidentiality=(LOCK,)), its(1)]
    first, second = both if locked_first else both[::-1]

    def answers(raw: bytes) -> Reply:
        if numbers == 1:
            return told(first, second)(raw)
        return told(replace(second, patient=former) if former.number.encode() in raw else first)(raw)

    async with odd(answers) as source:
        asked = federation(pool, known(source.port))
        part = (await asked.listed(None, *(PATIENT, former)[:numbers]))["sundvika"]
        (one,) = part.entries
        assert is_locked(one)
        there = replace(place(its()), others=(former,) if numbers == 2 else ())
        assert is_locked((await asked.federation.entry(granted(), there)).entries[0])


async def test_a_document_that_comes_with_a_failure_is_not_given(pool: Pool) -> None:
    plain = gives(its(), TEXT)

    def answers(raw: bytes) -> Reply:
        kind, body = plain(raw)
        return kind, body.replace(b"ResponseStatusType:Success", b"ResponseStatusType:Failure")

    async with odd(answers) as source:
        with pytest.raises(NotGiven) as caught:
            await federation(pool, known(source.port)).federation.opened(granted(), place(its()), its())
    assert caught.value.fault == "unable"


async def test_a_document_is_found_under_another_of_her_numbers_and_after_its_source_is_called_something_else(
    pool: Pool,
) -> None:
    former = CX("57855599181", "2.16.578.1.12.4.1.4.2")

    def answers(raw: bytes) -> Reply:
        return told(*(() if former.number.encode() in raw else (its(),)))(raw)

    async with odd(answers) as source:
        asked = federation(pool, known(source.port, "renamed"))
        there = replace(place(its()), patient=former, others=(PATIENT,))
        assert (await asked.federation.entry(granted(), there)).entries[0].patient == PATIENT
        with pytest.raises(NotGiven) as caught:
            await asked.federation.entry(granted(), replace(there, others=()))
    assert caught.value.fault == "gone"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"content": TEXT + b"!"}, "broken"),
        ({"content": TEXT[:-1] + b"!"}, "broken"),
        ({"content": TEXT, "cut": 8}, "broken"),
        ({"content": TEXT, "unique_id": "2.16.578.1.12.4.5.100.9.3.7"}, "broken"),
        ({"content": TEXT, "home": "urn:oid:1.2.3"}, "broken"),
    ],
)
async def test_no_byte_leaves_of_a_document_that_is_not_the_one_of_its_metadata(
    pool: Pool, given: dict[str, Any], fault: str
) -> None:
    async with odd(gives(its(), **given)) as source:
        asked = federation(pool, known(source.port))
        with pytest.raises(NotGiven) as caught:
            await asked.federation.opened(granted(), place(its()), its())
        assert caught.value.fault == fault


async def test_a_document_with_the_right_hash_comes_through(pool: Pool) -> None:
    async with odd(gives(its(), TEXT)) as source:
        opened = await federation(pool, known(source.port)).federation.opened(granted(), place(its()), its())
        assert (opened.size_bytes, b"".join([piece async for piece in opened.pieces])) == (len(TEXT), TEXT)


@pytest.mark.parametrize("reads", ["nothing", "a piece", "all", "nothing, and nobody closes it"])
async def test_a_document_leaves_no_file_open_however_much_of_it_was_read(pool: Pool, reads: str) -> None:
    before = files_held()
    async with odd(gives(its(), TEXT)) as source:
        opened = await federation(pool, known(source.port)).federation.opened(granted(), place(its()), its())
    assert files_held() == before + 1
    if reads == "all":
        assert b"".join([piece async for piece in opened.pieces]) == TEXT
    elif reads == "a piece":
        await anext(opened.pieces)
    if reads != "nothing, and nobody closes it":
        await opened.pieces.aclose()
    else:
        del opened
    assert files_held() == before


def test_the_ground_says_the_access_policy_that_stands_for_what_was_declared() -> None:
    policies = {
        basis: dict(ground(granted(basis=basis), PATIENT).parts).get("policy", "").rpartition(".")[2]
        for basis in ("", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "UNNTAK")
    }
    assert policies == {
        "": "0", "SAMTYKKE": "8", "AKUTT": "6", "FORHOYET_SAMTYKKE": "5", "FORHOYET_AKUTT": "7", "UNNTAK": "4",
    }  # fmt: skip


@pytest.mark.parametrize("basis", ["", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "UNNTAK"])
def test_who_breaks_the_glass_is_told_of_as_an_emergency_with_its_reason_whatever_she_declared(basis: str) -> None:
    said = dict(ground(granted(basis=basis, purpose="BTG"), PATIENT).parts)
    assert said["policy"].rpartition(".")[2] == "7" and "Poliklinikk" in said["decision"]
