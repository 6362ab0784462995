"""The access matrix on every path: what leaves over HTTP is what the law, read by the oracle, lets leave; no more, no less.

A cell is one jurisdiction x caller x purpose and basis x state of the patient x kind of record x path. Every cell is a real
request through wire, policy, services and store; only the check of the token is stood in for (`tests/storms` forges those).
Where a refusal may not be told (EHDS), the answer is compared with the one about a patient who has nothing here.
`make laws` asks all cells, the suite a share drawn by a seed that replays them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path as Folder
from random import Random, randrange
from typing import Any, Final, Literal

import pytest

from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.shares import NAME, Shares
from services.results.conftest import NOW, Ward

from .oracle import Answer
from .paths import NAMED, SEARCHED, WIDE, Ask, Path, Told
from .world import ACTORS, KINDS, PATIENTS, Actor, Anybody, Patient, World, built, may_leave

KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
ALL: Final = "KJERNE_LAWS" in os.environ
SHARE: Final = 0.025
"""Of the requests of one jurisdiction: of both it is a twentieth of what one has."""
JURISDICTIONS: Final[tuple[Literal["NO", "EHDS"], ...]] = ("NO", "EHDS")
PURPOSES: Final = ("TREAT", "ETREAT", "COC", "BTG", "nonsense")
BASES: Final = ("", "UNNTAK", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT")
TELLING: Final = (
    ("TREAT", ""), ("TREAT", "SAMTYKKE"), ("TREAT", "FORHOYET_AKUTT"), ("ETREAT", ""), ("COC", "AKUTT"), ("BTG", ""),
)  # fmt: skip
"""Purposes and bases that differ in law."""
FEW: Final = (("TREAT", ""), ("BTG", "FORHOYET_AKUTT"))

Question = tuple[Actor, str, str, str]


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


@pytest.fixture
async def world(dsn: str, shares: Shares, worlds: list[World]) -> AsyncIterator[World]:
    store = await open_store(dsn, KEYS, shares, pool_size=4)
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


def requests(jurisdiction: str) -> list[tuple[Question, Path]]:
    """All, or the share of them that the suite asks."""
    every = [
        *product(questions(*product(PURPOSES, BASES)), WIDE),
        *product(questions(*TELLING), SEARCHED),
        *product(questions(*FEW), NAMED),
    ]
    if ALL:
        return every
    seed = int(os.environ.get("KJERNE_LAWS_SEED", randrange(2**32)))
    print(f"KJERNE_LAWS_SEED={seed} ({jurisdiction})")
    return Random(seed).sample(every, round(SHARE * len(every)))


def wrong(path: Path, patient: str, said: Answer, told: Told) -> list[str]:
    """What left and may not, what may and did not, and a count that tells of either."""
    may = {kind.name for kind in path.about if may_leave(kind, path.type, patient, said)}
    leaks = [f"leak of {one}" for one in sorted(told.kinds - may)]
    more = may_leave(KINDS[0], path.type, patient, said)
    counted = told.total is None or told.total == path.count(len(may), more=more)
    is_count = path.name == "count"
    denials = [] if is_count else [f"wrong denial of {one}" for one in sorted(may - told.kinds)]
    if path.tells and told.outcome != said.outcome:
        denials.append(f"{told.outcome or 'no choice'} told where the law tells {said.outcome or 'none'}")
    return leaks + denials + ([] if counted else [f"{told.total} counted where {len(may)} may be known of"])


async def asked(
    world: World, anybody: Anybody, question: Question, path: Path, patient: Patient
) -> tuple[Told, list[Any]]:
    """What a path tells of one patient, and all that was heard on the way."""
    actor, _, purpose, basis = question
    anybody.caller = world.caller(actor, patient, purpose)
    ask = Ask(anybody.http, patient, basis)
    return await path.ask(ask), ask.heard()


async def test_what_leaves_is_what_the_law_lets_leave_on_every_path(world: World) -> None:
    faults: list[str] = []
    cells: Counter[str] = Counter()
    settings = world.ward.house.settings
    for jurisdiction in JURISDICTIONS:
        under = settings.model_copy(update={"jurisdiction": jurisdiction})
        anybody = Anybody(House(under, world.ward.house.store, world.ward.house.clock))
        for question, path in requests(jurisdiction):
            actor, patient, purpose, basis = question
            said = world.law(actor, patient, purpose, basis, path.action, jurisdiction)
            told, heard = await asked(world, anybody, question, path, world.patients[patient])
            found = wrong(path, patient, said, told)
            if said.looks_empty:
                cells["as empty"] += 1
                _, of_nothing = await asked(world, anybody, question, path, world.empty[patient])
                found += [] if heard == of_nothing else ["told from a patient of whom nothing is there"]
            place = f"{jurisdiction} / {actor.name} / {patient} / {purpose} {basis} / {path.name}"
            faults += [f"{place}: {one}" for one in found]
            cells[jurisdiction] += len(path.about)
            cells["open"] += len(told.kinds)
    print(f"{dict(cells)}")
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:40])
    assert all(cells[one] > (250_000 if ALL else 12_500) for one in JURISDICTIONS)
    assert cells["open"] > (cells["NO"] + cells["EHDS"]) / 50  # nothing but refusals would prove nothing
    assert cells["as empty"] > (2_500 if ALL else 50)
