"""Rooms of services beside results, where everybody of `world` has a record of every kind below: who is in them, what lies
there, and who asks. Callers and patients are those of `world`, moved into the service with its scopes, its participation, and
their choices about it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from random import Random
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from kjerne.access import Caller
from kjerne.exchange import PatientRef
from kjerne.fhir.index import index
from kjerne.registries.homes import row_number
from kjerne.registries.withholding import withheld
from kjerne.services.critical.api import BASE as NATIONAL
from kjerne.store import participation, subjects
from kjerne.store.kept import is_beside
from kjerne.store.participation import Role
from kjerne.store.records import Change
from participating import a_row
from services.results.conftest import LAB, NOW, Ward
from services.test_standards_record import bodies as kept
from services.test_standards_settlement import money

from .services_oracle import answer
from .situation import Membership, Situation, Will
from .world import (
    ACTORS,
    KIN,
    MEMBERS,
    PATIENTS,
    READ,
    Actor,
    Kind,
    Patient,
    World,
    _choose,
    _detail,
    _person,
    _ties,
    mark,
    placed,
)  # fmt: skip

ALL: Final = "KJERNE_LAWS" in os.environ
KINDS: Final = (
    Kind("open"),
    Kind("restricted", frozenset({"restricted"}), marks=(mark("NORS"),)),
    Kind("withheld from the citizen", frozenset({"withheld from citizen"}), marks=(mark("NORN_FFL"),)),
    Kind("withheld from parents", frozenset({"withheld from parents"}), marks=(mark("NORN_FORANS"),)),
    Kind("not yet released", is_released=False, marks=(mark("NORU", "2026-03-20"),)),
)
__all__ = ["NATIONAL"]
ROLES: Final[tuple[Role, ...]] = ("consumer", "source")
Tree = dict[str, Any]


@cache
def _types(bodies: Callable[[Tree], Mapping[str, Tree]]) -> tuple[str, ...]:
    return tuple(bodies({}))


@dataclass(frozen=True)
class Room:
    """A service, with the least that R4 takes of each of its types (`bodies`, about one) and what is registered there.
    `share` of the cells are asked by the suite. Whose number is `turned` has records of another type in another run."""

    service: str
    scopes: frozenset[str]
    bodies: Callable[[Tree], Mapping[str, Tree]]
    registered: tuple[str, ...]
    share: float
    turned: int = 0

    def __str__(self) -> str:
        return self.service

    def type_of(self, patient: str) -> str:
        """Of which type the records of this patient are: of every type somebody's."""
        every = _types(self.bodies)
        return every[(list(PATIENTS).index(patient) + self.turned) % len(every)]

    def body(self, patient: Patient, text: str = "", marks: tuple[Mapping[str, str], ...] = ()) -> Tree:
        """A record of her type; `text` stands in its narrative, and in the name of what is critical: a card has no more of it."""
        meta = {"meta": {"security": [dict(one) for one in marks]}} if marks else {}
        told = {"text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}}
        named = {"code": {"text": f"Penicillin {text}"}} if self.service == CRITICAL.service else {}
        return self.bodies(whom(patient))[self.type_of(patient.name)] | meta | (told | named if text else {})


def whom(patient: Patient) -> Tree:
    return {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": patient.number}}


def wills_of(room: Room, patient: str) -> tuple[Will, ...]:
    """Her choices about results made about this service; those of a part or a single record have no twin here."""
    return tuple(
        replace(one, service=room.service if one.service in ("", "results") else one.service)
        for one in PATIENTS[patient].get("wills", ())
        if not (one.content or one.sent_by or one.kind in ("record", "youth-access"))
    )


def moved(room: Room, world: World, actor: Actor, patient: str, purpose: str, basis: str) -> Situation:
    s = world.situation(actor, patient, purpose, basis)
    lines: tuple[Membership, ...] = tuple(
        replace(line, service=room.service, role=role) for line in s.memberships for role in ROLES
    )
    scopes = s.scopes - READ | room.scopes
    return replace(s, service=room.service, scopes=scopes, memberships=lines, wills=wills_of(room, patient))


def sign(kind: Kind, patient: str) -> str:
    return f"merke-{KINDS.index(kind)}-{list(PATIENTS).index(patient)}-slutt"


def allergy(text: str, *, confirmed: bool = False) -> Tree:
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-"
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"system": f"{system}clinical", "code": "active"}]},
        "verificationStatus": {
            "coding": [{"system": f"{system}verification", "code": "confirmed" if confirmed else "unconfirmed"}]
        },
        "category": ["medication"],
        "code": {"text": text},
        "patient": {"display": "the one named by person-id"},
    }


CRITICAL: Final = Room(
    "critical-information", frozenset({"nhn:critical-information/api"}),
    lambda who: {"AllergyIntolerance": allergy("Penicillin") | {"patient": who}},
    ("drug-reaction", "dialysis", "drug-reaction verification"), 0.05,
)  # fmt: skip
RECORD: Final = Room("record", frozenset({"kjerne:record-read", "kjerne:record-write"}), kept, ("record",), 0.03)
SETTLEMENT: Final = Room(
    "settlement", frozenset({"kjerne:settlement-read", "kjerne:settlement-write"}), money, ("settlement",), 0.03
)


async def filled(room: Room, world: World, *patients: Patient) -> None:
    """A record of each kind of each patient, or of some, whatever the law would say of registering it."""
    store = world.ward.house.store
    adult = PatientRef(digest=world.patients["adult"].digest)
    template = await world.ward.admit(LAB)(adult, "results", "file")
    for patient in patients or world.patients.values():
        async with store.pool.acquire() as conn:
            loaded = await subjects.load(conn, PatientRef(digest=patient.digest), LAB, store.wrap)
            assert loaded is not None
            grant = replace(template, subject=loaded[0], service=room.service)
            for kind in KINDS:
                tree = room.body(patient, sign(kind, patient.name), kind.marks)
                shut, raw = withheld(tree, NOW), json.dumps(tree).encode()
                number, id_ = (
                    row_number(tree["resourceType"], room.service),
                    store.ids.make(patient.key, beside=is_beside(tree)),
                )
                await store.records.create(conn, grant, Change(number, id_, raw, index(tree), shut.labels, shut.opens))


async def built(room: Room, ward: Ward) -> World:
    world = World(ward)
    people = ward.house.store.people
    async with ward.house.store.pool.acquire() as conn:
        for name, detail in KIN.items():
            new = _person(ward, detail)
            (key,) = await people.register(conn, [new], NOW)
            world.kin[name] = (key, new.identifiers[0].digest)
        for name, facts in PATIENTS.items():
            new = _person(ward, _detail(facts), _ties(world, name))
            (key,) = await people.register(conn, [new], NOW)
            world.patients[name] = Patient(name, new.identifiers[0].value, key, new.identifiers[0].digest)
        rows = [
            a_row(organisation, role, service=room.service, since=line.begins, until=line.ends)
            for organisation, lines in MEMBERS.items()
            for line in lines
            for role in ROLES
        ]
        await participation.add(conn, [*rows, a_row(LAB.organisation, "source")])
        await placed(conn)
    await filled(room, world)
    for name, patient in world.patients.items():
        for will in wills_of(room, name):
            await _choose(world, patient, will)
    return world


def drawn(room: Room, chance: Random, *reasons: tuple[str, str]) -> Iterator[tuple[Actor, str, str, str]]:
    for actor, patient in product(ACTORS, PATIENTS):
        bases = dict.fromkeys(basis for _, basis in reasons)
        for purpose, basis in reasons if actor.situation.attest else [("", basis) for basis in bases]:
            if ALL or chance.random() < room.share:
                yield actor, patient, purpose, basis


def caller(room: Room, world: World, actor: Actor, patient: Patient, purpose: str) -> Caller:
    made = world.caller(actor, patient, purpose)
    return replace(made, scopes=made.scopes - READ | room.scopes)


def may_leave(kind: Kind, s: Situation) -> bool:
    said = answer(s)
    return said.given and not kind.withheld & said.hidden and (kind.is_released or not said.only_released)


def national(caller: Caller, patient: Patient, basis: str) -> dict[str, str]:
    """The headers of the national interface of critical information."""
    role = json.dumps({"system": "urn:oid:2.16.578.1.12.4.1.1.9060", "code": caller.authorization or "LE"})
    named = {"patient-nin": patient.number, "user-role": quote(role), "source-system": "EPJ", "event-id": str(uuid4())}
    return {f"nhn-{name}": value for name, value in (named | {"access-basis": basis}).items() if value}


def without(s: Situation) -> Situation:
    """The same, had she shut nothing."""
    return replace(s, wills=tuple(one for one in s.wills if one.kind not in ("block", "restriction", "opt-out")))
