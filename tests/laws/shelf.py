"""Documents of everybody of the matrix, which lie with a real source of their own, and the ways by which they are asked for.

The source is a `kjerne source` on a socket, on the loop of the test; the platform asks it as it asks any. Each patient has a
document of every kind below, with a sign in its title and its text. Numbers are of the birth dates that the register has: a
source goes by the number (K159).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from itertools import count
from pathlib import Path as Folder
from typing import Any, Final
from uuid import UUID, uuid4

from documents_at_hand import HOME, PERSON, REPOSITORY, code, entry, submission
from foreign_sources import served
from kjerne.access import Caller, Wish
from kjerne.app import House
from kjerne.commands.sourcing import ASSERTION_SECONDS
from kjerne.exchange import PatientRef, granted
from kjerne.policy.choosing import Choosing
from kjerne.registries.identifiers import control_digits
from kjerne.registries.made_up import SANDBOX
from kjerne.services.standards import types_by_service
from kjerne.source.app import Application
from kjerne.source.configured import Configured
from kjerne.source.files import Files
from kjerne.source.house import Source
from kjerne.store import document_names, participation, subjects
from kjerne.store.document_names import Named
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.pool import open_pool
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted
from kjerne.xds import names as xds
from kjerne.xds.forms import CX, XON
from kjerne.xds.messages import Submission
from kjerne.xds.values import Association, Author
from participating import a_row
from services.results.conftest import LAB, NOW, THIRD_LAB, Ward
from sources import AUDIENCE, GATEWAY, KEY, Standing

from .asking import Anybody
from .documents_oracle import Paper
from .paths import FORM
from .situation import Membership, Situation, Will
from .straight import Heard, sent
from .world import (
    KIN,
    MEMBERS,
    OTHER,
    PATIENTS,
    READ,
    SHUTTING,
    Actor,
    Patient,
    World,
    _choose,
    _detail,
    _person,
    _ties,
    placed,
)  # fmt: skip

SOURCE: Final = OTHER
"""Who answers for the source."""
WRITER: Final = THIRD_LAB
PAPERS: Final = (
    Paper("open"),
    Paper("locked", marks=frozenset({"NORS"})),
    Paper("withheld from the citizen", marks=frozenset({"NORN_FFL"})),
    Paper("withheld from parents", marks=frozenset({"NORN_FORANS"})),
    Paper("withheld from youth", marks=frozenset({"NORN_UNGDOM"})),
    Paper("delayed", marks=frozenset({"NORU"})),
    Paper("locked and withheld", marks=frozenset({"NORS", "NORN_KUT"})),
    Paper("restricted", level="R"),
    Paper("very restricted", level="V"),
    Paper("written elsewhere", written_at=WRITER),
    Paper("laboratory, a year old", "C00-1", date(2025, 3, 5)),
    Paper("laboratory, a year old tomorrow", "C00-1", date(2025, 3, 6)),
    Paper("organ function, five years old", "D00-1", date(2021, 3, 5)),
    Paper("imaging, five years old tomorrow", "E00-1", date(2021, 3, 6)),
    Paper("of a class that is not named", "S00-1"),
    Paper("what the open one replaced", replaced_by="open"),
    Paper("what the locked one replaced", replaced_by="locked"),
    Paper("what the withheld one replaced", replaced_by="withheld from the citizen"),
    Paper("a newer version that is not marked"),
    Paper("locked, and replaced since", marks=frozenset({"NORS"}), replaced_by="a newer version that is not marked"),
)  # fmt: skip
SECTION_45: Final = frozenset({"nhn:phr/mhd/read-documentreferences"})
BY_KJERNEJOURNAL: Final = frozenset({"nhn:phr/mhd/read-documentreferences/kjernejournalforskriften"})
RIGHTS: Final = (SECTION_45, BY_KJERNEJOURNAL, SECTION_45 | BY_KJERNEJOURNAL)
PARTS: Final[Mapping[str, tuple[str, tuple[Will, ...]]]] = {
    "what the source sent restricted": ("adult", (Will("restriction", sent_by=SOURCE, mark=0),)),
    "what was written elsewhere restricted for nurses": (
        "adult", (Will("restriction", sent_by=WRITER, group="nurses", mark=0),),
    ),
}  # fmt: skip
"""States that results have no twin of: as whom she is but for her choices, and these."""


def _about_documents(wills: tuple[Will, ...]) -> tuple[Will, ...]:
    """Choices about results, made about documents; those of a kind of content or a single record have no twin here."""
    return tuple(
        replace(one, service="documents" if one.service in ("", "results") else one.service)
        for one in wills
        if not (one.content or one.kind in ("record", "youth-access"))
    )


STATES: Final[Mapping[str, tuple[str, tuple[Will, ...]]]] = {
    name: (base, _about_documents(wills))
    for name, (base, wills) in ({one: (one, PATIENTS[one].get("wills", ())) for one in PATIENTS} | PARTS).items()
}


def mark(paper: Paper, state: str) -> str:
    """What stands in one document and nowhere else."""
    return f"merke-{PAPERS.index(paper)}-{list(STATES).index(state)}-slutt"


MARK: Final = re.compile(r"merke-(\d+)-(\d+)-slutt")


def signs_in(answers: list[Heard], state: str) -> frozenset[str]:
    """Which of hers came out; fails where anything of somebody else did."""
    found = {match for one in answers for match in MARK.findall(one.text)}
    assert all(int(whose) == list(STATES).index(state) for _, whose in found), f"of somebody else than {state}"
    return frozenset(PAPERS[int(paper)].name for paper, _ in found)


# The world


@dataclass
class Shelves:
    """The world with documents: `numbers` are what addresses call them, by state and by kind."""

    world: World
    numbers: dict[str, dict[str, UUID]] = field(default_factory=dict)

    def situation(self, actor: Actor, state: str, purpose: str, basis: str, rights: frozenset[str]) -> Situation:
        base, wills = STATES[state]
        s = self.world.situation(actor, base, purpose, basis)
        lines: tuple[Membership, ...] = tuple(replace(line, service="documents") for line in s.memberships)
        return replace(s, service="documents", scopes=s.scopes - READ | rights, memberships=lines, wills=wills)

    def caller(self, actor: Actor, patient: Patient, purpose: str, rights: frozenset[str]) -> Caller:
        made = self.world.caller(actor, patient, purpose)
        return replace(made, scopes=made.scopes - READ | rights)


_places: Final = count()


def number_of(born: date | None) -> str:
    """A synthetic number that tells this birth date, which nobody had before."""
    day = born or date(1976, 2, 12)  # in another year than other tests' numbers
    while True:
        individual = next(_places) % 400 + (500 if day.year >= 2000 else 50)
        nine = f"{day:%d}{day.month + 80:02}{day:%y}{individual:03}"
        if digits := control_digits(nine):
            return nine + digits


async def built(ward: Ward) -> Shelves:
    """Everybody, in an empty database: who takes part, and what she has chosen about documents."""
    shelves = Shelves(World(ward))
    world, people = shelves.world, ward.house.store.people
    async with ward.house.store.pool.acquire() as conn:
        for name, detail in KIN.items():
            new = _person(ward, detail)
            (key,) = await people.register(conn, [new], NOW)
            world.kin[name] = (key, new.identifiers[0].digest)
        for state, (base, wills) in STATES.items():
            shuts = any(will.kind in SHUTTING for will in wills)
            for among in (world.patients, world.empty) if shuts else (world.patients,):
                number = number_of(replace(Situation("", "", NOW), **PATIENTS[base]).born)
                identifier = Identifier(ward.house.digest(number), "FNR", number, date(1975, 1, 12))
                new = NewPerson(_detail(PATIENTS[base]), (identifier,), synthetic=True, ties=_ties(world, base))
                (key,) = await people.register(conn, [new], NOW)
                among[state] = Patient(state, number, key, identifier.digest)
        rows = [
            a_row(organisation, line.role, service="documents", since=line.begins, until=line.ends)  # type: ignore[arg-type]
            for organisation, lines in MEMBERS.items()
            for line in lines
            if line.role == "consumer"
        ]
        await participation.add(
            conn, [*rows, a_row(SOURCE, "source", service="documents"), a_row(LAB.organisation, "source")]
        )
        await placed(conn)
    for state, (_, wills) in STATES.items():
        for will in wills:
            await _decide(world, world.patients[state], will)
            if will.kind == "consent" and state in world.empty:
                await _decide(world, world.empty[state], will)
    return shelves


async def _decide(world: World, patient: Patient, will: Will) -> None:
    """She chooses what one place sent herself, on her own page; the rest is as of any day."""
    if not will.sent_by:
        await _choose(world, patient, will)
        return
    choosing = Choosing(world.ward.house.store, world.ward.house.reader, types_by_service())
    herself = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=patient.digest, level=4)
    wish = Wish("restriction", service="documents", organisation=will.place, role=will.group, source=will.sent_by)
    ref = PatientRef(digest=patient.digest)
    await granted(world.ward.admit(herself), ref, "documents", "choose", lambda grant: choosing.make(grant, wish))


# The source


@asynccontextmanager
async def source_of(house: House, dsn: str, folder: Folder) -> AsyncIterator[Standing]:
    """A source that believes the platform, about personnel and about citizens, and that the platform asks."""
    believed = trusted(house.documents.signer().metadata())
    submitters = {"journal": sha256(KEY.encode()).hexdigest()}
    configured = Configured(HOME, REPOSITORY, (AUDIENCE,), believed, submitters, SANDBOX, citizens=believed)
    pool = await open_pool(dsn, 4)
    files = Files(folder)
    assertions = Assertions(believed, configured.audiences, house.clock, seconds=ASSERTION_SECONDS)
    application = Application(Source(configured, files, pool, assertions, house.clock), "http://source.example")
    try:
        async with served(application) as port:
            house.settings.document_sources_file.write_text(source_file(port))
            yield Standing(application, pool, pool, folder, house.clock, files)  # type: ignore[arg-type]
    finally:
        await pool.close()


def source_file(port: int) -> str:
    """What an operator says of the source that answers there."""
    return (
        f'[[source]]\nname = "sundvika"\ntitle = "Sundvika sykehus"\norganisation = "{SOURCE}"\nhome = "{HOME}"\n'
        f'url = "http://127.0.0.1:{port}{GATEWAY}"\naudience = "{AUDIENCE}"\nseconds = 20\naddresses = ["127.0.0.0/8"]\n'
    )


def of_another(paper: Paper, patient: Patient, papers: Sequence[Paper]) -> Any:
    """The entry of a document that a stand-in has."""
    place = papers.index(paper)
    made = _entry(paper, patient, f"urn:uuid:{uuid4()}", f"2.25.{place + 1}")
    return replace(made, home=HOME, title=f"strange-{place}-slutt", size_bytes=1, hash="0" * 40)


async def filled(shelves: Shelves, source: Standing) -> None:
    """A document of each kind of each patient, those that were replaced first; all have been told of once to somebody."""
    house = shelves.world.ward.house
    template = await shelves.world.ward.admit(LAB)(
        PatientRef(digest=shelves.world.patients["adult"].digest), "results", "file"
    )
    for state, patient in shelves.world.patients.items():
        ids = {one.name: f"urn:uuid:{uuid4()}" for one in PAPERS}
        former = [one for one in PAPERS if one.replaced_by]
        for several in (former, [one for one in PAPERS if one not in former]):
            replacing = [
                Association(
                    id=f"urn:uuid:{uuid4()}", kind=xds.REPLACES, source=ids[one.replaced_by], target=ids[one.name]
                )
                for one in former
                if several is not former
            ]
            made = _submission(patient, several, ids, replacing)
            told = await source.provide(made, *(mark(one, state).encode() for one in several))
            assert told.status == xds.SUCCESS, told
        shelves.numbers[state] = await _told_of(
            shelves, patient, replace(template, service="documents", action="search")
        )
    for state, patient in shelves.world.empty.items():
        shelves.numbers[state + " empty"] = {one.name: _number(house, patient, one, state) for one in PAPERS}


def _submission(
    patient: Patient, several: list[Paper], ids: Mapping[str, str], replacing: list[Association]
) -> Submission:
    who = CX(patient.number, PERSON)
    made = submission(
        *(_entry(one, patient, ids[one.name], _unique(one, patient.name), mark(one, patient.name)) for one in several),
        more=tuple(replacing), id=f"urn:uuid:{uuid4()}", unique_id=f"2.25.{uuid4().int}", patient=who,
    )  # fmt: skip
    return replace(made, associations=tuple(replace(one, id=f"urn:uuid:{uuid4()}") for one in made.associations))


def _entry(paper: Paper, patient: Patient, id_: str, unique_id: str, title: str = "") -> Any:
    who, normal = CX(patient.number, PERSON), code("2.16.840.1.113883.5.25", paper.level)
    plain, began = entry(), f"{paper.began:%Y%m%d}"
    writer = Author(
        plain.authors[0].person, (XON("Laboratoriet", paper.written_at, "2.16.578.1.12.4.1.4.101"),), ("LE",)
    )
    return entry(
        id=id_, unique_id=unique_id, patient=who, source_patient=who, title=title,
        class_code=code("9602", paper.kind), service_start=began, service_stop="", created=began,
        confidentiality=(normal, *(code("9603", one) for one in sorted(paper.marks))),
        authors=(writer,) if paper.written_at else plain.authors,
    )  # fmt: skip


def _unique(paper: Paper, state: str) -> str:
    return f"2.16.578.1.12.4.5.100.9.8.{list(STATES).index(state)}.{PAPERS.index(paper)}"


def _number(house: House, patient: Patient, paper: Paper, state: str) -> UUID:
    return document_names.number_of(house.documents.room.key, patient.key, HOME, REPOSITORY, _unique(paper, state))


async def _told_of(shelves: Shelves, patient: Patient, template: Any) -> dict[str, UUID]:
    """The numbers of all of hers, each once told of: what was never listed is opened by nobody."""
    house = shelves.world.ward.house
    numbers = {one.name: _number(house, patient, one, patient.name) for one in PAPERS}
    names = [
        (
            numbers[one.name],
            Named("sundvika", HOME, REPOSITORY, _unique(one, patient.name), patient.number, PERSON, "", "", ""),
        )
        for one in PAPERS
    ]
    async with house.store.pool.acquire() as conn:
        loaded = await subjects.load(conn, PatientRef(digest=patient.digest), LAB, house.store.wrap)
        assert loaded is not None
        async with conn.transaction():
            await document_names.show(conn, replace(template, subject=loaded[0]), house.store.wrap, names)
    return numbers


# The ways

DOCUMENT: Final = "/phr/mhd/document/{}"
ENTRY: Final = "/phr/R4/fhir/DocumentReference/{}"


@dataclass(frozen=True)
class Listed:
    """What a list told: how it was answered, what stood in it, how many it says there are, and how many are locked."""

    status: int
    names: frozenset[str]
    total: int
    locked: int | None


def heard(answers: list[Heard], patient: Patient, numbers: Mapping[str, UUID]) -> list[Any]:
    """What the caller can compare, her own numbers aside."""
    told = []
    for one in answers:
        text = one.text
        for id_ in (patient.number, *(str(each) for each in numbers.values())):
            text = text.replace(id_, "id")
        headers = [pair for pair in one.headers if pair[0] != "content-length"]
        told.append((one.status_code, headers, re.sub(r"urn:uuid:[0-9a-f-]{36}", "urn:uuid:new", text)))
    return told


def _headers(patient: Patient, basis: str) -> dict[str, str]:
    return {"nhn-patient-nin": patient.number} | ({"nhn-access-basis": basis} if basis else {})


async def listed(client: Anybody, patient: Patient, basis: str) -> Heard:
    """The whole list, with what was replaced."""
    form = b"status=current,superseded&_count=200"
    at = "/phr/R4/fhir/DocumentReference/_search"
    return await sent(client.edge, "POST", at, _headers(patient, basis) | FORM, form)


async def opened(client: Anybody, patient: Patient, basis: str, at: str, number: UUID) -> Heard:
    """A document (`DOCUMENT`), or what its source says of it now (`ENTRY`)."""
    return await sent(client.edge, "GET", at.format(number), _headers(patient, basis))


def as_listed(answer: Heard, state: str) -> Listed:
    total = re.search(r'"total":(\d+)', answer.text)
    counts = {value for name, value in answer.headers if name.endswith("-nors-count")}
    assert len(counts) < 2, "one name of the header says another number than the other"
    return Listed(
        answer.status_code,
        signs_in([answer], state),
        int(total[1]) if total else 0,
        int(counts.pop()) if counts else None,
    )
