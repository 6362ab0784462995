"""The law of documents on every path: the list at `/phr`, what a source says of one now, the document itself, and the pages of
both, for health personnel and for citizens, against the oracle.

Documents lie with a source of our own, asked over a socket as any is (`shelf`): what is shown is what it gives to just this
caller, and the law here does not shut. A cell is jurisdiction x caller x right x purpose and basis x state of the patient x kind
of document. Where a choice may not be told (EHDS) an answer is compared with that about somebody of whom no source has anything.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import cycle, product
from pathlib import Path as Folder
from random import Random
from typing import Any, Final, Literal

import pytest

import seeds
from asked_sources import says
from foreign_sources import odd
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.commands.sourcing import LAYOUT
from kjerne.settings import Settings
from kjerne.store import migrate
from kjerne.store.embedded import OWNER, PROGRAM
from kjerne.store.house import open_store
from kjerne.store.shares import NAME, Shares
from services.results.conftest import NOW, Ward

from .asking import Anybody
from .documents_oracle import Paper, Place, answer, seen, source_lets_in, told_as_locked
from .outlets import Pages
from .shelf import (
    DOCUMENT,
    ENTRY,
    PAPERS,
    PARTS,
    RIGHTS,
    SECTION_45,
    SOURCE,
    STATES,
    Shelves,
    as_listed,
    built,
    filled,
    heard,
    listed,
    of_another,
    opened,
    signs_in,
    source_file,
    source_of,
)  # fmt: skip
from .situation import Answer, Situation
from .test_paths import JURISDICTIONS, KEYS, LOGGED_IN, ON_PAGES, TELLING, only_faults_are_noted
from .world import ACTORS, Actor

__all__ = ["only_faults_are_noted"]
ALL: Final = "KJERNE_LAWS" in os.environ
REASONS: Final = (
    *TELLING, ("TREAT", "FORHOYET_SAMTYKKE"), ("ETREAT", "UNNTAK"), ("BTG", "SAMTYKKE"), ("nonsense", "SAMTYKKE"),
)  # fmt: skip
"""Purposes and bases that differ in the law here or at a source."""
LISTS, ONES, ON_PAGE = 0.015, 0.006, 0.02
"""The share of the cells that the suite asks: of lists, of single documents, of pages."""
OURS, ANOTHERS = Place(SOURCE), Place(SOURCE, gives_all=True)
STRANGE: Final = (
    *(one for one in PAPERS if not one.replaced_by),
    Paper("of a mark that nobody knows", marks=frozenset({"NORN_XYZ"})),
)
"""What a stand-in has."""
AT_ANOTHERS: Final = ("gp", "hospital doctor", "doctor on herself", "citizen", "parent", "proxy", "guardian of a minor")
Question = tuple[Actor, str, str, str, frozenset[str]]


@pytest.fixture
def source_dsn(clusters: Any) -> Iterator[str]:
    """A database of the source's own."""
    cluster, name = clusters("18"), "laws_source"
    cluster.create_empty(name)
    asyncio.run(migrate.upgrade(cluster.server.dsn(OWNER, name), LAYOUT))
    yield cluster.server.dsn(PROGRAM, name)
    cluster.drop(name)


@pytest.fixture
async def shelves(dsn_of_18: str, source_dsn: str, tmp_path: Folder) -> AsyncIterator[Shelves]:
    """Everybody, whose documents lie with a source that answers."""
    store = await open_store(dsn_of_18, KEYS, Shares.made(tmp_path / NAME, KEYS, ["results", "documents"]), pool_size=4)
    house = House(Settings(data=tmp_path, dsn=dsn_of_18), store, FixedClock(NOW))
    try:
        async with source_of(house, source_dsn, tmp_path / "source") as source:
            found = await built(Ward(house))
            await filled(found, source)
            yield found
    finally:
        await house.documents.close()
        await store.close()


@asynccontextmanager
async def under(shelves: Shelves, jurisdiction: Literal["NO", "EHDS"]) -> AsyncIterator[House]:
    """The same house in a jurisdiction."""
    one = shelves.world.ward.house
    house = House(one.settings.model_copy(update={"jurisdiction": jurisdiction}), one.store, one.clock)
    try:
        yield house
    finally:
        await house.documents.close()


def questions() -> Iterator[Question]:
    """Everybody about everybody, by each right that differs in law; who has no attestation has no purpose, and one right."""
    for actor, state in product(ACTORS, STATES):
        bases = dict.fromkeys(basis for _, basis in REASONS)
        staff = actor.situation.attest is not None
        for purpose, basis in REASONS if staff else [("", basis) for basis in bases]:
            for right in RIGHTS if staff else (SECTION_45,):
                yield actor, state, purpose, basis, right


def drawn(chance: Random, share: float) -> list[Question]:
    return [one for one in questions() if ALL or chance.random() < share]


def asked_of(shelves: Shelves, question: Question, jurisdiction: str, action: str) -> Situation:
    actor, state, purpose, basis, rights = question
    s = shelves.situation(actor, state, purpose, basis, rights)
    return replace(s, action=action, jurisdiction=jurisdiction)


def shown(s: Situation, said: Answer) -> frozenset[str]:
    return frozenset(one.name for one in PAPERS if seen(one, s, said, PAPERS, OURS) == "open")


def place(question: Question, jurisdiction: str) -> str:
    actor, state, purpose, basis, rights = question
    return f"{jurisdiction} / {actor.name} / {state} / {purpose} {basis} / {sorted(one[-12:] for one in rights)}"


async def one_list(
    shelves: Shelves, client: Anybody, question: Question, jurisdiction: str, cells: Counter[str]
) -> list[str]:
    actor, state, purpose, basis, rights = question
    patient, s = shelves.world.patients[state], asked_of(shelves, question, jurisdiction, "search")
    said = answer(s)
    client.caller = shelves.caller(actor, patient, purpose, rights)
    answered = await listed(client, patient, basis)
    told, may = as_listed(answered, state), shown(s, said)
    cells[jurisdiction] += len(PAPERS)
    cells["open"] += len(told.names)
    faults = [f"leak of {one}" for one in sorted(told.names - may)]
    faults += [f"wrong denial of {one}" for one in sorted(may - told.names)]
    if (told.status == 200) != (said.looks_empty or (said.given and source_lets_in(s, said))):
        faults.append(f"{told.status} where the law says {said}: {answered.text[:300]}")
    if told.total != len(may):
        faults.append(f"{told.total} counted of {len(may)}")
    if told.status == 200 and said.given and told.locked != told_as_locked(s, said, PAPERS, OURS):
        faults.append(f"{told.locked} locked where it is {told_as_locked(s, said, PAPERS, OURS)}")
    if said.looks_empty:
        cells["as empty"] += 1
        empty = shelves.world.empty[state]
        client.caller = shelves.caller(actor, empty, purpose, rights)
        of_nothing = await listed(client, empty, basis)
        if heard([answered], patient, {}) != heard([of_nothing], empty, {}):
            faults.append(f"told from who has nothing: {answered} and {of_nothing}")
    return [f"{place(question, jurisdiction)}: {one}" for one in faults]


async def one_document(
    shelves: Shelves, client: Anybody, question: Question, jurisdiction: str, at: str, paper: Paper, cells: Counter[str]
) -> list[str]:
    actor, state, purpose, basis, rights = question
    action = "read" if at == DOCUMENT else "search"
    patient, s = shelves.world.patients[state], asked_of(shelves, question, jurisdiction, action)
    said = answer(s)
    client.caller = shelves.caller(actor, patient, purpose, rights)
    answered = await opened(client, patient, basis, at, shelves.numbers[state][paper.name])
    told = signs_in([answered], state)
    may = frozenset({paper.name}) & shown(s, said)
    cells[jurisdiction] += 1
    cells["open"] += len(told)
    faults = [] if told == may else [f"{sorted(told)} told of {paper.name}, where the law opens {sorted(may)}"]
    gives = source_lets_in(s, said) if said.given else said.looks_empty
    status = 200 if may else 404 if gives else 403
    if answered.status_code != status:
        faults.append(f"{answered.status_code} of {paper.name} where it is {status}: {answered.text[:300]}")
    if said.looks_empty:
        empty = shelves.world.empty[state]
        client.caller = shelves.caller(actor, empty, purpose, rights)
        of_nothing = await opened(client, empty, basis, at, shelves.numbers[f"{state} empty"][paper.name])
        hers, nobodys = shelves.numbers[state], shelves.numbers[f"{state} empty"]
        if heard([answered], patient, hers) != heard([of_nothing], empty, nobodys):
            faults.append(f"{paper.name} told from what is not there: {answered} and {of_nothing}")
    return [f"{place(question, jurisdiction)} {at}: {one}" for one in faults]


def page_questions() -> Iterator[tuple[Actor, str, tuple[str, str]]]:
    for actor, state in product(LOGGED_IN, STATES):
        for reason in ON_PAGES if actor.situation.attest else ON_PAGES[:1]:
            yield actor, state, reason


async def one_page(
    shelves: Shelves, pages: Pages, question: tuple[Actor, str, tuple[str, str]], jurisdiction: str, paper: Paper,
    cells: Counter[str],
) -> list[str]:  # fmt: skip
    """The list as a page and one document on a page of its own. A login for results is let in by the wider right (K128)."""
    actor, state, (purpose, basis) = question
    patient, whose = shelves.world.patients[state], f"{actor.name} / {state} / {purpose} {basis}"
    purpose, basis = (purpose, basis) if actor.situation.attest else ("", "")
    s = asked_of(shelves, (actor, state, purpose, basis, SECTION_45), jurisdiction, "search")
    said = answer(s)
    caller = shelves.world.caller(actor, patient, purpose)
    if caller.kind == "practitioner":
        await pages.registered(caller)
    tab, may = pages.tab(caller, patient, purpose, basis), shown(s, said)
    one = await tab.get(f"/documents/{shelves.numbers[state][paper.name]}")
    hers = frozenset({paper.name}) & may
    faults = [] if signs_in([one], state) == hers else [f"{signs_in([one], state)} shown where it is {sorted(hers)}"]
    whole = await tab.get("/documents")
    told = signs_in([whole], state)
    faults += [f"leak of {one}" for one in sorted(told - may)] + [
        f"wrong denial of {one}" for one in sorted(may - told)
    ]
    if max(one.status_code, whole.status_code) >= 500:
        faults.append(f"{one.status_code}, {whole.status_code}")
    if said.looks_empty and whole.status_code != 200:
        faults.append("another page than of who has nothing")
    cells[jurisdiction] += len(PAPERS) + 1
    cells["open"] += len(told)
    return [f"{jurisdiction} / {whose} on a page: {one}" for one in faults]


async def at_anothers(
    shelves: Shelves, house: House, chance: Random, jurisdiction: str, cells: Counter[str]
) -> list[str]:
    """Lists of a source that gives all it has to whoever asks: what is shown is by the law here alone."""
    faults, client, file = list[str](), Anybody(house), house.settings.document_sources_file
    before = file.read_text()
    every = [one for one in questions() if one[0].name in AT_ANOTHERS and one[1] in ("adult", "child of 8", *PARTS)]
    for question in every if ALL else chance.sample(every, min(40, len(every))):
        actor, state, purpose, basis, rights = question
        patient, s = shelves.world.patients[state], asked_of(shelves, question, jurisdiction, "search")
        said = answer(s)
        client.caller = shelves.caller(actor, patient, purpose, rights)
        async with odd(says(*(of_another(one, patient, STRANGE) for one in STRANGE))) as source:
            file.write_text(source_file(source.port))
            answered = await listed(client, patient, basis)
        told = frozenset(STRANGE[int(one)].name for one in re.findall(r"strange-(\d+)-slutt", answered.text))
        papers = [one for one in STRANGE if seen(one, s, said, STRANGE, ANOTHERS) == "open"]
        cells[jurisdiction] += len(STRANGE)
        if told != (may := frozenset(one.name for one in papers)):
            faults.append(
                f"{place(question, jurisdiction)} at another's: {sorted(told)} told, {sorted(may)} by the law"
            )
        locked = as_listed(answered, state).locked
        if said.given and locked != told_as_locked(s, said, STRANGE, ANOTHERS):
            faults.append(f"{place(question, jurisdiction)} at another's: {locked} locked")
    file.write_text(before)
    return faults


async def test_what_is_told_of_documents_is_what_their_source_gives_and_the_law_lets_be_shown(shelves: Shelves) -> None:
    seed = seeds.seed("KJERNE_LAWS_SEED")
    faults, cells = list[str](), Counter[str]()
    for jurisdiction in JURISDICTIONS:
        chance = Random(f"{seed} {jurisdiction}")
        async with under(shelves, jurisdiction) as house:
            client, pages = Anybody(house), Pages(house)
            for question in drawn(chance, LISTS):
                faults += await one_list(shelves, client, question, jurisdiction, cells)
            for question, at in zip(drawn(chance, ONES), cycle((DOCUMENT, ENTRY)), strict=False):
                faults += await one_document(shelves, client, question, jurisdiction, at, chance.choice(PAPERS), cells)
            for looked in page_questions():
                if ALL or chance.random() < ON_PAGE:
                    faults += await one_page(shelves, pages, looked, jurisdiction, chance.choice(PAPERS), cells)
            faults += await at_anothers(shelves, house, chance, jurisdiction, cells)
    print(f"{dict(cells)}")
    assert not faults, f"{len(faults)} faults (KJERNE_LAWS_SEED={seed}):\n" + "\n".join(faults[:40])
    assert all(cells[one] > (200_000 if ALL else 5_000) for one in JURISDICTIONS)
    assert cells["open"] > (cells["NO"] + cells["EHDS"]) / 50  # nothing but refusals would prove nothing
    assert cells["as empty"] > (500 if ALL else 2)
