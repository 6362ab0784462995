"""The access matrix on every path: what leaves over HTTP is what the law, read by the oracle, lets leave; no more, no less.

A cell is one jurisdiction x caller x purpose and basis x state of the patient x kind of record x path. Every cell is a real
request through wire, policy, services and store; only the check of the token is stood in for (`tests/storms` forges those).
Where a refusal may not be told (EHDS), the answer is compared with the one about a patient who has nothing here.
`make laws` asks all cells, the suite a share drawn by a seed that replays them.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from pathlib import Path as Folder
from random import Random
from typing import Any, Final, Literal, TypeVar

import pytest
import structlog

import seeds
from kjerne.access import Caller
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.policy.people import norwegian_day
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.shares import NAME, Shares
from kjerne.wire import journal
from services.results.conftest import LAB, NOW, THIRD_LAB, Ward

from .asking import Anybody
from .oracle import treats
from .outlets import (
    CITIZENS,
    CLINICIANS,
    OF_ONE,
    OVERVIEW,
    OWN_TRENDS,
    STAFF_TRENDS,
    TYPES,
    Pages,
    copied,
    events,
    exported,
    named_in,
)
from .paths import NAMED, SEARCHED, WIDE, Ask, Path, Told
from .situation import Answer, Attest, Situation
from .told import address, asked_for, heard_by_source, own_list, sent_of_a_look, waiting_for
from .world import ACTORS, KINDS, OTHER, PATIENTS, SELF, Actor, Patient, World, built, may_leave

KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
ALL: Final = "KJERNE_LAWS" in os.environ
AT_ONCE: Final = 4
"""Clients."""
SHARE: Final = 0.05
"""Of the requests in each jurisdiction."""
JURISDICTIONS: Final[tuple[Literal["NO", "EHDS"], ...]] = ("NO", "EHDS")
PURPOSES: Final = ("TREAT", "ETREAT", "COC", "BTG", "nonsense")
BASES: Final = ("", "UNNTAK", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT")
TELLING: Final = (
    ("TREAT", ""), ("TREAT", "SAMTYKKE"), ("TREAT", "FORHOYET_AKUTT"), ("ETREAT", ""), ("COC", "AKUTT"), ("BTG", ""),
)  # fmt: skip
"""Purposes and bases that differ in law."""
FEW: Final = (("TREAT", ""), ("BTG", "FORHOYET_AKUTT"))
ON_PAGES: Final = (("TREAT", ""), ("ETREAT", "SAMTYKKE"), ("TREAT", "FORHOYET_SAMTYKKE"), ("BTG", "AKUTT"))

Question = tuple[Actor, str, str, str]
T = TypeVar("T")


@pytest.fixture(scope="module")
def dsn(clusters: Any) -> str:
    cluster = clusters("18")
    cluster.create("laws")
    return str(cluster.server.dsn(PROGRAM, "laws"))


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Shares:
    """As long as the database is."""
    return Shares.made(tmp_path_factory.mktemp("shares") / NAME, KEYS, ["results"])


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    """The world, once a test has built it."""
    return []


@pytest.fixture(autouse=True)
def only_faults_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each of so many answers costs time, and nobody reads them."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    monkeypatch.setattr(journal, "log", structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=quiet))


@pytest.fixture
async def world(dsn: str, shares: Shares, worlds: list[World]) -> AsyncIterator[World]:
    store = await open_store(dsn, KEYS, shares, pool_size=2 * AT_ONCE)
    ward = Ward(House(Settings(data=Folder("unused"), dsn=dsn), store, FixedClock(NOW)))
    try:
        if not worlds:
            worlds.append(await built(ward))
        yield replace(worlds[0], ward=ward)
    finally:
        await store.close()


def questions(*reasons: tuple[str, str]) -> Iterator[Question]:
    """Everybody about everybody. A purpose is the attestation's, so those without one have none."""
    for actor, patient in product(ACTORS, PATIENTS):
        bases = dict.fromkeys(basis for _, basis in reasons)
        for purpose, basis in reasons if actor.situation.attest else [("", basis) for basis in bases]:
            yield actor, patient, purpose, basis


@dataclass(frozen=True)
class Every(Sequence[tuple[Question, Path]]):
    """All requests of one jurisdiction, by number: to draw some of them needs no list of all."""

    blocks: tuple[tuple[Sequence[Question], Sequence[Path]], ...]

    def __len__(self) -> int:
        return sum(len(several) * len(paths) for several, paths in self.blocks)

    def __getitem__(self, number: Any) -> Any:
        for several, paths in self.blocks:
            if number < len(several) * len(paths):
                question, path = divmod(number, len(paths))
                return several[question], paths[path]
            number -= len(several) * len(paths)
        raise IndexError


EVERY: Final = Every((
    ([*questions(*product(PURPOSES, BASES))], WIDE), ([*questions(*TELLING)], SEARCHED), ([*questions(*FEW)], NAMED),
))  # fmt: skip


def requests(jurisdiction: str) -> Sequence[tuple[Question, Path]]:
    """All, or the share of them that the suite asks."""
    if ALL:
        return EVERY
    drawn = seeds.seed("KJERNE_LAWS_SEED")
    return Random(f"{drawn} {jurisdiction}").sample(EVERY, round(SHARE * len(EVERY)))


def wrong(path: Path, patient: str, said: Answer, told: Told) -> list[str]:
    """What left and may not, what may and did not, and a count that tells of either."""
    may = {kind.name for kind in path.about if may_leave(kind, patient, said)}
    shown = {kind.name for kind in KINDS if may_leave(kind, patient, said)} if path.beside else may
    leaks = [f"leak of {one}" for one in sorted(told.kinds - shown)]
    more = may_leave(KINDS[0], patient, said)
    known = path.count(len(may), more=more)
    counted = told.total == known if told.total is not None else not (path.counts and said.given)
    is_count = path.name == "count"
    denials = [] if is_count else [f"wrong denial of {one}" for one in sorted(may - told.kinds)]
    if path.tells and told.outcome != said.outcome:
        denials.append(f"{told.outcome or 'no choice'} told where the law tells {said.outcome or 'none'}")
    return leaks + denials + ([] if counted else [f"{told.total} counted where {len(may)} may be known of"])


BY_NAME: Final = {kind.name: kind for kind in KINDS}
CHANCE: Final = Random(seeds.seed("KJERNE_LAWS_SEED"))
SOURCE: Final = frozenset({"kjerne:disclosures"})
SOME: Final = 25
"""Of the further ways out (`outlets`) so many of each are asked where not all are."""
LOOKED_AT: Final = 2_000
"""Of how many questions the law is asked before some are drawn."""
INSIGHT: Final = frozenset({"kjerne:insight"})
CONTROLLER: Final = Actor(
    "data controller", Situation("system", "search", NOW, scopes=frozenset({"kjerne:audit"}), level=0)
)
EXPORTER: Final = Actor(
    "exporter", Situation("system", "search", NOW, scopes=frozenset({"kjerne:operations"}), level=0)
)
LOGGED_IN: Final = tuple(
    actor
    for actor in ACTORS
    if actor.situation.kind == "citizen"
    # What a page attests is of the one logged in, about whom she has open, and of this hour.
    or (actor.situation.attest and replace(actor.situation.attest, reason="", self_authorised=False) == Attest())
)


def drawn(every: Sequence[T], is_open: Callable[[T], bool] | None = None) -> Sequence[T]:
    """All, or some by a seed that replays them; half of them such as the law opens, where few are (`is_open`)."""
    if ALL:
        return every
    chance = Random(seeds.seed("KJERNE_LAWS_SEED"))
    if is_open is None:
        return chance.sample(every, SOME)
    if len(every) > LOOKED_AT:  # the law is asked of each
        every = chance.sample(every, LOOKED_AT)
    shut = [one for one in every if not is_open(one)]
    return chance.sample([one for one in every if is_open(one)], SOME // 2) + chance.sample(shut, SOME - SOME // 2)


def some(every: Sequence[T], number: int) -> Sequence[T]:
    """So many of them, by the seed of the run."""
    return CHANCE.sample(every, number)


def all_right(faults: list[str], opened: int, asked: int) -> None:
    print(f"{asked} cells, {opened} of them open")
    assert not faults, f"{len(faults)} of {asked} cells:\n" + "\n".join(faults[:40])
    assert opened > asked / 50  # nothing but refusals would prove nothing


async def _nothing(_: Ask) -> Told:
    return Told(frozenset())


def by_type(type_: str, action: str) -> Path:
    """A way out that names records of every kind of one type, for `wrong`."""
    return Path(type_, action, _nothing, KINDS, type_)


def faults_in(action: str, told: Mapping[str, str], world: World, patient: str, said: Answer) -> tuple[list[str], int]:
    """What by type was named and may not be, or may and was not; and how many were."""
    faults, opened = list[str](), 0
    for type_ in TYPES:
        named = named_in(told.get(type_, ""), world.patients[patient], type_)
        faults += [f"{type_}: {one}" for one in wrong(by_type(type_, action), patient, said, Told(named))]
        opened += len(named)
    return faults, opened


def page_questions(jurisdiction: str) -> Iterator[tuple[Actor, str, tuple[str, str], Path]]:
    """Whole pages by every reason. What does not depend on where we are is asked once."""
    for actor, patient in product(LOGGED_IN, PATIENTS):
        staff = actor.situation.attest is not None
        if staff:
            for reason, path in product(ON_PAGES, CLINICIANS):
                yield actor, patient, reason, path
        if jurisdiction == "NO":
            for path in (STAFF_TRENDS, *OF_ONE) if staff else (*CITIZENS, OVERVIEW, OWN_TRENDS, *OF_ONE):
                yield actor, patient, ON_PAGES[0], path


@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
async def test_what_stands_on_a_page_is_what_the_law_lets_stand_there(
    world: World, jurisdiction: Literal["NO", "EHDS"]
) -> None:
    house = world.ward.house
    pages = Pages(House(house.settings.model_copy(update={"jurisdiction": jurisdiction}), house.store, house.clock))
    faults, opened, cells = list[str](), 0, 0

    def answered(actor: Actor, patient: str, why: tuple[str, str], path: Any) -> Answer:
        purpose = why[0] if actor.situation.attest else ""
        return world.law(actor, patient, purpose, why[1], path.action, jurisdiction=jurisdiction)

    for question in drawn([*page_questions(jurisdiction)], lambda one: answered(*one).given):
        actor, patient, (purpose, basis), path = question
        said = answered(*question)
        caller = world.caller(actor, world.patients[patient], purpose)
        if caller.kind == "practitioner":
            await pages.registered(caller)
        tab = pages.tab(caller, world.patients[patient], purpose, basis)
        told = await path.ask(tab)
        place = f"{actor.name} / {patient} / {purpose} {basis} / {path.name}"
        faults += [f"{place}: {one}" for one in wrong(path, patient, said, told)]
        if tab.answers[-1].status_code >= 500:
            faults.append(f"{place}: {tab.answers[-1].status_code}")
        if said.looks_empty and path.about == KINDS and tab.answers[-1].status_code != 200:
            faults.append(f"{place}: another page than of a patient with nothing")
        opened, cells = opened + len(told.kinds), cells + len(path.about)
    all_right(faults, opened, cells)


async def test_no_page_opens_to_one_whose_authorisation_ended_today(world: World) -> None:
    pages, house = Pages(world.ward.house), world.ward.house
    staff = next(actor for actor in LOGGED_IN if actor.name == "gp")
    patient = world.patients["adult"]
    caller = world.caller(staff, patient, "TREAT")
    for until in (None, norwegian_day(house.clock.now())):
        await pages.registered(caller, until)
        answers, kinds = set[int](), set[str]()
        for purpose, path in product(("TREAT", "BTG"), (*CLINICIANS, *OF_ONE)):
            tab = pages.tab(caller, patient, purpose, "")
            kinds |= (await path.ask(tab)).kinds
            answers |= {tab.answers[-1].status_code}
        assert (200 in answers and bool(kinds)) if until is None else (answers, kinds) == ({403}, set())


async def test_an_event_of_the_log_names_what_its_reader_may_know_of(world: World) -> None:
    house = world.ward.house
    # What happens this moment is not yet in the log.
    anybody = Anybody(House(house.settings, house.store, FixedClock(NOW + timedelta(seconds=1))))
    readers = [
        replace(actor, situation=replace(actor.situation, scopes=actor.situation.scopes | INSIGHT))
        for actor in ACTORS
        if actor.situation.kind == "citizen"
    ]
    faults, opened, cells = list[str](), 0, 0
    for actor, patient in drawn([*product([*readers, CONTROLLER], PATIENTS)]):
        # The log is asked for as a whole: of every service.
        said = world.law(actor, patient, "", "", "insight", service="")
        anybody.caller = world.caller(actor, world.patients[patient], "")
        text = await events(anybody.http, world.patients[patient])
        found, named = faults_in("insight", dict.fromkeys(TYPES, text), world, patient, said)
        faults += [f"{actor.name} / {patient}: {one}" for one in found]
        opened, cells = opened + named, cells + len(TYPES) * len(KINDS)
    all_right(faults, opened, cells)


async def test_a_copy_holds_what_the_law_lets_her_take(world: World) -> None:
    pages = Pages(world.ward.house)
    citizens = [actor for actor in ACTORS if actor.situation.kind == "citizen"]
    faults, opened, cells = list[str](), 0, 0

    def is_open(pair: tuple[Actor, str]) -> bool:
        return world.law(*pair, "", "", "download").given

    for actor, patient in drawn([*product(citizens, PATIENTS)], is_open):
        said = world.law(actor, patient, "", "", "download")
        one = world.patients[patient]
        told = await copied(pages.tab(world.caller(actor, one, ""), one, "", ""))
        found, named = faults_in("download", told, world, patient, said)
        faults += [f"{actor.name} / {patient}: {fault}" for fault in found]
        opened, cells = opened + named, cells + len(TYPES) * len(KINDS)
    all_right(faults, opened, cells)


async def test_an_export_holds_what_the_law_lets_out_in_bulk(world: World) -> None:
    anybody = Anybody(world.ward.house)
    first, second = (
        Caller("practitioner", "ops", EXPORTER.situation.scopes, name.encode(), name, level=4) for name in ("Ada", "Bo")
    )

    async def call(caller: Caller, method: str, path: str, **more: Any) -> Any:
        anybody.caller = caller
        return await anybody.http.request(method, path, **more)

    told = await exported(call, world.caller(EXPORTER, world.patients["adult"], ""), first, second)
    faults, opened = list[str](), 0
    for patient in PATIENTS:
        found, named = faults_in("export", told, world, patient, world.law(EXPORTER, patient, "", "", "export"))
        faults += [f"{patient}: {one}" for one in found]
        opened += named
    all_right(faults, opened, len(PATIENTS) * len(TYPES) * len(KINDS))


STAFF: Final = tuple(actor for actor in LOGGED_IN if actor.situation.attest and not actor.person)
"""Who sits at the desk is one and the same, whoever the patient is."""


def at_the_desk(world: World, actor: Actor, patient: str, jurisdiction: str) -> tuple[Answer, bool]:
    """What the law says of a look from the desk, by planned care and no course named; and whether a register ties the two."""
    plain = replace(actor, situation=replace(actor.situation, attest=Attest(treatment="")))
    said = world.law(plain, patient, "TREAT", "", "search", jurisdiction=jurisdiction)
    return said, treats(world.situation(plain, patient, "TREAT", ""))


@pytest.mark.parametrize("jurisdiction", JURISDICTIONS)
async def test_the_desk_names_whom_the_law_opens_and_counts_nobody_else(
    world: World, jurisdiction: Literal["NO", "EHDS"]
) -> None:
    house = world.ward.house
    under = House(house.settings.model_copy(update={"jurisdiction": jurisdiction}), house.store, house.clock)
    pages, faults, opened = Pages(under), list[str](), 0
    those = {actor: at_the_desk(world, actor, "adult", jurisdiction) for actor in STAFF}
    at_work = [actor for actor, (said, tied) in those.items() if said.given and tied]
    readers = STAFF if ALL else [*some(at_work, 2), *some([one for one in STAFF if one not in at_work], 1)]
    for actor in readers:
        caller = world.caller(actor, world.patients["adult"], "TREAT")
        await pages.registered(caller)
        wanted = [(one, kind.name) for one in world.patients.values() for kind in some(KINDS, 2)]
        await asked_for(house, caller.hpr, wanted)
        listed = await own_list(pages.live, pages.who(caller))
        waits, counted = await waiting_for(pages.live, pages.who(caller))
        reports = 0
        for patient, one in world.patients.items():
            place = f"{jurisdiction} / {actor.name} / {patient}"
            said, tied = at_the_desk(world, actor, patient, jurisdiction)
            may = tied and (said.given or said.looks_empty)
            faults += [] if (one.key in listed) == may else [f"{place}: on her own list, {may} by the law"]
            if said.looks_empty and (world.empty[patient].key in listed) != may:
                faults.append(f"{place}: listed otherwise than who has nothing")
            open_ = [kind for whose, kind in wanted if whose is one and may_leave(BY_NAME[kind], patient, said)]
            if waits.count(one.key) != len(open_):
                faults.append(f"{place}: {waits.count(one.key)} reports wait, {len(open_)} by the law")
            reports, opened = reports + len(open_), opened + may + len(open_)
        faults += [] if counted == reports else [f"{actor.name}: {counted} counted of {reports}"]
    all_right(faults, opened, len(readers) * len(PATIENTS) * 3)


async def test_a_message_about_a_look_goes_to_whom_the_law_lets_be_told(world: World) -> None:
    every = [*product(PATIENTS, ("the patient", *world.kin))]
    receivers = await sent_of_a_look(world, KEYS, every)
    faults, opened = list[str](), 0
    for patient, person in every:
        said = world.law(Actor(person, SELF, person), patient, "", "", "choose")
        may = said.given and said.purpose in ("PATRQT", "FAMRQT")  # K64: a representative has no such profile
        opened += may
        if (address(patient, person) in receivers) != may:
            faults.append(f"{person} / {patient}: {'not ' if may else ''}sent")
    all_right(faults, opened, len(every))


async def test_a_source_hears_of_every_reading_of_its_own_records_and_of_no_other(world: World) -> None:
    anybody, doctor = Anybody(world.ward.house), next(actor for actor in ACTORS if actor.name == "gp")
    sources = [
        Actor(one, Situation("system", "disclose", NOW, scopes=SOURCE, level=0, legal_entity=one), "")
        for one in (LAB.organisation, THIRD_LAB, OTHER)
    ]
    nobody = world.patients["adult"]
    reached = [(await heard_by_source(anybody, world.caller(one, nobody, ""), ""))[1] for one in sources]
    given = dict[str, frozenset[str]]()
    for patient, one in world.patients.items():
        told, _ = await asked(world, anybody, (doctor, patient, "BTG", "FORHOYET_AKUTT"), WIDE[0], one)
        given[patient] = told.kinds
    faults, opened = list[str](), 0
    for source, cursor in zip(sources, reached, strict=True):
        ids, _ = await heard_by_source(anybody, world.caller(source, nobody, ""), cursor)
        for patient, one in world.patients.items():
            said = world.law(source, patient, "", "", "disclose")
            for kind in KINDS:
                own = kind.sender == source.name and kind.name in given[patient]
                heard = one.ids["Observation"][kind.name] in ids
                opened += heard
                if heard != (said.given and own):
                    faults.append(f"{source.name} / {patient} / {kind.name}: {'' if heard else 'not '}told")
    all_right(faults, opened, len(sources) * len(PATIENTS) * len(KINDS))


async def asked(world: World, anybody: Anybody, question: Question, path: Path, patient: Patient) -> tuple[Told, Ask]:
    """What a path tells of one patient, and what was asked and heard on the way."""
    actor, _, purpose, basis = question
    anybody.caller = world.caller(actor, patient, purpose)
    ask = Ask(anybody.edge, patient, basis)
    return await path.ask(ask), ask


async def one_by_one(
    world: World, anybody: Anybody, left: Iterator[tuple[Question, Path]], jurisdiction: str, cells: Counter[str]
) -> list[str]:
    """The faults of what one client asks, while there is something left to ask."""
    faults = list[str]()
    for question, path in left:
        actor, patient, purpose, basis = question
        said = world.law(actor, patient, purpose, basis, path.action, jurisdiction=jurisdiction)
        told, ask = await asked(world, anybody, question, path, world.patients[patient])
        found = wrong(path, patient, said, told)
        if said.looks_empty:
            cells["as empty"] += 1
            _, of_nothing = await asked(world, anybody, question, path, world.empty[patient])
            found += [] if ask.heard() == of_nothing.heard() else ["told from a patient of whom nothing is there"]
        place = f"{jurisdiction} / {actor.name} / {patient} / {purpose} {basis} / {path.name}"
        faults += [f"{place}: {one}" for one in found]
        cells[jurisdiction] += len(path.about)
        cells["open"] += len(told.kinds)
    return faults


async def test_what_leaves_is_what_the_law_lets_leave_on_every_path(world: World) -> None:
    """Some clients ask at once: while the database looks for one, another's answer is made."""
    faults: list[str] = []
    cells: Counter[str] = Counter()
    settings = world.ward.house.settings
    for jurisdiction in JURISDICTIONS:
        under = settings.model_copy(update={"jurisdiction": jurisdiction})
        house, left = House(under, world.ward.house.store, world.ward.house.clock), iter(requests(jurisdiction))
        async with asyncio.TaskGroup() as group:
            asking = [
                group.create_task(one_by_one(world, Anybody(house), left, jurisdiction, cells)) for _ in range(AT_ONCE)
            ]
        faults += [fault for one in asking for fault in one.result()]
    print(f"{dict(cells)}")
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:40])
    assert all(cells[one] > (2_000_000 if ALL else 100_000) for one in JURISDICTIONS)
    assert cells["open"] > (cells["NO"] + cells["EHDS"]) / 50  # nothing but refusals would prove nothing
    assert cells["as empty"] > (2_500 if ALL else 100)
