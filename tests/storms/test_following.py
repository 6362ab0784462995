"""Who follows loses nothing and counts nothing twice, however many write meanwhile, by whichever worker she asks.

Two workers over one database. Writers create, change and delete records of several people, mark and unmark them, and file
transactions about several at once; beside them readers follow everybody and one of them, with pages of any length, and now and
then wait. At the end each copy must be what a search finds, every version must have come once, and those of one record
in their order. `KJERNE_STORM` sets how much is written (a release 10,000), `KJERNE_STORM_SEED` replays a failure as far as
threads let it.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import httpx
import pytest

import seeds
import words
from kjerne.access import Label
from kjerne.client import Client
from kjerne.sandbox import platform as sandbox_platform
from kjerne.sandbox.numbers import person_number
from kjerne.store import places
from platform_fixture import Answered, Standing, Straight, Tree

DEEDS: Final = int(os.environ.get("KJERNE_STORM", "400")) // 2
SEED: Final = seeds.seed("KJERNE_STORM_SEED")
PEOPLE: Final = 4
WRITERS: Final = 4
TOO_LATE: Final = (404, 409, 410, 412, 422, 503)
"""What a writer hears where another was at the record first."""
FNR: Final = "urn:oid:2.16.578.1.12.4.1.4.1"
FHIR: Final = {"content-type": "application/fhir+json"}
Version = tuple[str, int, str]
"""Id, version and method."""


def body(patient: str, chance: random.Random, **more: Any) -> Tree:
    return {
        "resourceType": "Observation", "status": chance.choice(("final", "amended", "corrected")),
        "code": {"text": "P-Kalium"}, "subject": {"reference": patient}, **more,
    }  # fmt: skip


@dataclass
class Copy:
    """What a reader has been told."""

    versions: list[Version] = field(default_factory=list)
    stands: dict[str, int] = field(default_factory=dict)

    def take(self, entry: Tree) -> None:
        id_ = str(entry["fullUrl"].rpartition("/")[2])
        number, method = int(entry["response"]["etag"][3:-1]), str(entry["request"]["method"])
        self.versions.append((id_, number, method))
        if method == "DELETE":
            self.stands.pop(id_, None)
        else:
            self.stands[id_] = number


@dataclass
class Storm:
    platform: Standing
    workers: list[Client]
    people: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    """Their person numbers."""
    kept: dict[str, str] = field(default_factory=dict)
    """Whose each record is."""
    done: threading.Event = field(default_factory=threading.Event)
    one: threading.Lock = field(default_factory=threading.Lock)
    """The platform's own connection serves one at a time."""

    def call(self, worker: int, method: str, path: str, tree: Any = None, patient: str = "") -> Answered:
        raw = b"" if tree is None else json.dumps(tree).encode()
        headers = (FHIR if raw else {}) | ({"person-id": patient} if patient else {})
        client = self.workers[worker % len(self.workers)]
        return Answered(client.call(method, f"/fhir/R4/{path}", as_="all-patients", body=raw, headers=headers))

    def make(self, worker: int, patient: str, chance: random.Random) -> None:
        made = self.call(worker, "POST", "Observation", body(patient, chance))
        assert made.status == 201, made.response.text
        self.kept[made.tree["id"]] = patient

    def deed(self, worker: int, chance: random.Random) -> None:
        """One thing that is done to a record. Another writer may have been at it first."""
        kind, (id_, patient) = chance.random(), chance.choice(list(self.kept.items()))
        if kind < 0.25:
            self.make(worker, chance.choice(self.people), chance)
        elif kind < 0.65:
            answer = self.call(worker, "PUT", f"Observation/{id_}", body(patient, chance, id=id_))
            assert answer.status in (200, *TOO_LATE), answer.response.text
        elif kind < 0.75:
            assert self.call(worker, "DELETE", f"Observation/{id_}").status in (204, *TOO_LATE)
        elif kind < 0.85:
            self.mark(id_, chance)
        else:
            self.together(worker, chance)

    def mark(self, id_: str, chance: random.Random) -> None:
        """Puts a mark on a record that hides it from nobody who reads here, or takes it off: no news to anybody."""
        mark = int(Label.NOT_THE_MOTHERS)
        sign = chance.choice((f"| {mark}", f"& ~{mark}"))
        with self.one:
            self.platform.rows(
                f"UPDATE record r SET labels = labels {sign}, xid = pg_current_xact_id(), {places.KEPT} "
                "WHERE id = $1::uuid RETURNING 1", id_,
            )  # fmt: skip

    def together(self, worker: int, chance: random.Random) -> None:
        """A transaction about several people, in any order: it has begun before it waits for the last of them."""
        people = chance.sample(self.people, 2)
        entries = [
            {"resource": body(patient, chance), "request": {"method": "POST", "url": "Observation"}}
            for patient in people
        ]
        for id_, patient in chance.sample(list(self.kept.items()), min(2, len(self.kept))):
            tree = body(patient, chance, id=id_)
            entries.append({"resource": tree, "request": {"method": "PUT", "url": f"Observation/{id_}"}})
        answer = self.call(worker, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert answer.status in (200, *TOO_LATE), answer.response.text
        if answer.status == 200:
            made = [one["response"]["location"].split("/")[-3] for one in answer.tree["entry"][:2]]
            self.kept |= zip(made, people, strict=True)

    def writes(self, number: int) -> None:
        chance = random.Random(f"{SEED} {number}")
        for turn in range(DEEDS // WRITERS):
            self.deed(number + turn, chance)

    def follows(self, number: int, path: str, patient: str) -> Copy:
        """Follows until all is written, then to the end."""
        chance, copy, turn = random.Random(f"{SEED} reader {number}"), Copy(), number
        while True:
            over, turn = self.done.is_set(), turn + 1
            wait = "" if over else f"&_wait={chance.choice((0, 0, 1))}"
            answer = self.call(turn, "GET", f"{path}&_count={chance.randint(1, 30)}{wait}", patient=patient)
            assert answer.status == 200, answer.response.text
            for entry in answer.tree.get("entry", ()):
                copy.take(entry)
            path = answer.link("monitor").partition("/fhir/R4/")[2]
            if over and not answer.link("next") and not answer.tree.get("entry"):
                return copy


@contextmanager
def another(platform: Standing) -> Iterator[Client]:
    """A second worker over the same database, with a memory of its own."""
    settings = platform.application._edge.settings
    second = sandbox_platform.build(settings, platform.clock)
    opened = second._opened()
    application = platform.run(opened.__aenter__())
    try:
        with httpx.Client(transport=Straight(application, platform.loop)) as straight:
            yield Client(platform.url, http=straight, clock=platform.clock)
    finally:
        platform.run(opened.__aexit__(None, None, None))


@pytest.fixture
def storm(platform: Standing) -> Iterator[Storm]:
    with another(platform) as second:
        here, taken = Storm(platform, [platform.client, second]), {one.nin for one in platform.population.people}
        for number in range(PEOPLE):
            fresh = random.Random(words.fresh())
            born = date(1930, 1, 1) + timedelta(days=fresh.randrange(25_000))
            here.numbers.append(person_number(fresh, born, "male", {*taken, *here.numbers}))
            tree = {"resourceType": "Patient", "identifier": [{"system": FNR, "value": here.numbers[-1]}]}
            made = here.call(number, "POST", "Patient", tree)
            assert made.status == 201, made.response.text
            here.people.append(f"Patient/{made.tree['id']}")
        yield here


def test_of_all_that_is_written_nothing_is_lost_and_nothing_told_twice(storm: Storm) -> None:
    begun = storm.call(0, "GET", "$changes?_count=0&_type=Observation").link("monitor").partition("/fhir/R4/")[2]
    for number, patient in enumerate(storm.people):
        storm.make(number, patient, random.Random(number))
    ways = [(begun, ""), (begun, ""), ("$changes?_type=Observation", storm.numbers[0])]
    with ThreadPoolExecutor(WRITERS + len(ways)) as threads:
        readers = [threads.submit(storm.follows, number, *way) for number, way in enumerate(ways)]
        try:
            for one in [threads.submit(storm.writes, number) for number in range(WRITERS)]:
                one.result()
        finally:
            storm.done.set()
        *of_all, one_of_them = readers
        copies = [(one.result(), set(storm.kept)) for one in of_all]
        hers = {id_ for id_, patient in storm.kept.items() if patient == storm.people[0]}
        copies.append((one_of_them.result(), hers))
    for copy, kept in copies:
        held(copy, in_the_database(storm, kept))


def held(copy: Copy, written: Mapping[str, list[int]]) -> None:
    """What was told against what was written of these records."""
    mine = [one for one in copy.versions if one[0] in written]
    assert len(mine) == len(set(mine)), "told twice"
    told = defaultdict[str, list[int]](list)
    for id_, number, _ in mine:
        told[id_].append(number)
    assert all(numbers == sorted(numbers) for numbers in told.values()), "a record's versions out of order"
    standing = {id_: versions[-1] for id_, versions in written.items() if versions[-1] > 0}
    assert {id_: number for id_, number in copy.stands.items() if id_ in written} == standing
    for id_ in standing:
        last_deletion = max((-one for one in written[id_] if one < 0), default=0)
        assert {one for one in written[id_] if one > last_deletion} <= set(told[id_]), "lost"


def in_the_database(storm: Storm, kept: Collection[str]) -> dict[str, list[int]]:
    """Every version of each record in its order; of a mark of deletion the number below nought."""
    rows = storm.platform.rows(
        "SELECT id, version, false AS deleted FROM record WHERE id = ANY($1::uuid[]) UNION ALL "
        "SELECT id, version, deleted FROM record_history WHERE id = ANY($1::uuid[]) ORDER BY 1, 2", list(kept),
    )  # fmt: skip
    found = defaultdict[str, list[int]](list)
    for row in rows:
        found[str(row["id"])].append(-row["version"] if row["deleted"] else row["version"])
    assert set(found) == set(kept)
    return found
