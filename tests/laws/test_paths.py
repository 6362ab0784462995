"""The access matrix on every path: what leaves over HTTP is what the law, read by the oracle, lets leave; no more, no less.

A cell is one caller x purpose and basis x state of the patient x kind of record x path. Every cell is a real request
through wire, policy, services and store; only the check of the token is stood in for (`tests/storms` forges those).
`make laws` asks all cells, the suite a twentieth, drawn by a seed that replays them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path as Folder
from random import Random, randrange
from typing import Any, Final

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
from .world import ACTORS, KINDS, PATIENTS, Actor, Anybody, World, built, may_leave

KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
ALL: Final = "KJERNE_LAWS" in os.environ
SHARE: Final = 0.05
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


@pytest.fixture
def shares(tmp_path: Folder) -> Shares:
    return Shares.made(tmp_path / NAME, KEYS, ["results"])


@pytest.fixture
async def world(dsn: str, shares: Shares) -> AsyncIterator[World]:
    store = await open_store(dsn, KEYS, shares, pool_size=4)
    try:
        yield await built(Ward(House(Settings(data=Folder("unused"), dsn=dsn), store, FixedClock(NOW))))
    finally:
        await store.close()


def questions(*reasons: tuple[str, str]) -> Iterator[Question]:
    """Everybody about everybody. A purpose is the attestation's, so those without one have none."""
    for actor, patient in product(ACTORS, PATIENTS):
        bases = dict.fromkeys(basis for _, basis in reasons)
        for purpose, basis in reasons if actor.situation.attest else [("", basis) for basis in bases]:
            yield actor, patient, purpose, basis


def requests() -> list[tuple[Question, Path]]:
    """All, or a twentieth."""
    asked = [
        *product(questions(*product(PURPOSES, BASES)), WIDE),
        *product(questions(*TELLING), SEARCHED),
        *product(questions(*FEW), NAMED),
    ]
    if ALL:
        return asked
    seed = int(os.environ.get("KJERNE_LAWS_SEED", randrange(2**32)))
    print(f"KJERNE_LAWS_SEED={seed}")
    return Random(seed).sample(asked, round(SHARE * len(asked)))


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


async def test_what_leaves_is_what_the_law_lets_leave_on_every_path(world: World) -> None:
    faults: list[str] = []
    cells: Counter[str] = Counter()
    anybody = Anybody(world.ward.house)
    for (actor, patient, purpose, basis), path in requests():
        said = world.law(actor, patient, purpose, basis, path.action)
        anybody.caller = world.caller(actor, patient, purpose)
        told = await path.ask(Ask(anybody.http, world.patients[patient], basis))
        faults += [
            f"{actor.name} / {patient} / {purpose} {basis} / {path.name}: {one}"
            for one in wrong(path, patient, said, told)
        ]
        cells["asked"] += len(path.about)
        cells["open"] += len(told.kinds)
    print(f"{cells['asked']} cells, {cells['open']} of them with something open")
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:40])
    assert cells["asked"] > (250_000 if ALL else 12_500)
    assert cells["open"] > cells["asked"] / 50  # nothing but refusals would prove nothing
