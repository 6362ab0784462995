"""Further ways out of the same world that name somebody, or tell that somebody was read: the clinician's desk, what a source
hears of who was given its records, and to whom it is sent that somebody has looked.

Each says what came out; what the law lets come out is for `test_paths` to compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from typing import Final

from kjerne.access import NO_LABEL, Action, Caller, Grant
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.exchange import PatientRef
from kjerne.fhir.definitions import type_number
from kjerne.notifying import Notifier, Post
from kjerne.pages.house import Identity
from kjerne.pages.live_operator import OperatorPages
from kjerne.store import audit, notifying, subjects
from kjerne.store.keys import Keys
from kjerne.store.notifying import Profile
from kjerne.store.pool import Connection
from services.results.conftest import NOW

from .asking import Anybody
from .world import Patient, World

REPORT: Final = type_number("DiagnosticReport")
LOOK: Final = NOW + timedelta(minutes=10)
"""Later than what other tests read."""


# The desk


async def own_list(live: OperatorPages, who: Identity) -> list[int]:
    """The keys of those on the reader's own list, to its end."""
    found, after = list[int](), 0
    while True:
        one = await live.own_patients(who, after)
        found += [row.key for row in one.rows]
        if not one.last:
            return found
        after = one.last


async def asked_for(house: House, hpr: str, wanted: Iterable[tuple[Patient, str]]) -> None:
    """Reports of these kinds wait for this requester, and nothing else does."""
    rows = [(one.key, REPORT, one.ids["DiagnosticReport"][kind], hpr, 1, NOW) for one, kind in wanted]
    async with house.store.pool.acquire() as conn:
        await conn.execute("DELETE FROM requester_inbox WHERE hpr = $1", hpr)
        await conn.executemany("INSERT INTO requester_inbox VALUES ($1, $2, $3, $4, $5, $6)", rows)


async def waiting_for(live: OperatorPages, who: Identity) -> tuple[list[int], int]:
    """The patients of what waits for the reader, to its end, and how many it says there are."""
    found, number = list[int](), 1
    while True:
        one = await live.waiting(who, str(number))
        found += [row.patient for row in one.rows]
        if not one.part.after:
            return found, one.part.whole
        number = one.part.after


# What a source hears


async def heard_by_source(anybody: Anybody, source: Caller, cursor: str) -> tuple[set[str], str]:
    """The ids of all records of whose reading it is told since the cursor, and where it has come to."""
    anybody.caller, ids = source, set[str]()
    while True:
        answer = await anybody.http.get("/disclosures", params={"cursor": cursor} if cursor else {})
        assert answer.status_code == 200, answer.text
        ids |= set(re.findall(r'"reference":"\w+/([0-9a-f-]+)/_history/\d+"', answer.text))
        cursor = answer.json()["cursor"]
        if not answer.json()["further"]:
            return ids, cursor


# Messages that somebody has looked


@dataclass(frozen=True)
class Taken(Post):
    """A mail server that takes everything."""

    receivers: set[str] = field(default_factory=set)

    def send(self, message: EmailMessage) -> None:
        self.receivers.add(str(message["To"]))


def address(patient: str, person: str) -> str:
    return f"{'-'.join(re.findall('[a-z0-9]+', f'{patient} {person}'.lower()))}@example.test"


async def sent_of_a_look(world: World, keys: Keys, wanted: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Each of these persons has once chosen to be told about this patient, whatever the law says today; then somebody looks at
    every patient. The addresses to which a message goes."""
    house, looked_at = world.ward.house, set[str]()
    async with house.store.pool.acquire() as conn:
        for patient, person in wanted:
            one = world.patients[patient]
            digest = one.digest if person == "the patient" else world.kin[person][1]
            grant = await _grant(house, conn, one, Caller("citizen", "app", frozenset(), digest, level=4), "choose")
            profile = Profile("at-once", "email", address(patient, person), "nb", LOOK)
            await notifying.choose(conn, grant, house.store.wrap, profile)
            looked_at.add(patient)
        for patient in looked_at:
            doctor = Caller("practitioner", "ehr", frozenset(), b"somebody", hpr="9144943", level=4)
            await audit.insert(conn, audit.given(await _grant(house, conn, world.patients[patient], doctor, "search")))
    post = Taken(house.settings)
    settings = house.settings.model_copy(update={"smtp_host": "mail.example.test", "smtp_from": "kjerne@example.test"})
    notifier = Notifier(house.store.pool, FixedClock(LOOK), keys, settings, post)
    while await notifier.work():
        pass
    return frozenset(post.receivers)


async def _grant(house: House, conn: Connection, patient: Patient, caller: Caller, action: Action) -> Grant:
    loaded = await subjects.load(conn, PatientRef(key=patient.key), caller, house.store.wrap)
    assert loaded
    return Grant(caller, loaded[0], "results", action, "gp", "", "", "TREAT", "", NO_LABEL, False, LOOK, "c")
