"""The law of critical information, of the structured record and of settlement over HTTP: what leaves, and what is written,
against the oracle.

Callers and patients are those of `world`, moved into the service: with its scopes, its participation, and their choices about
it. Each patient has a record of every kind below, of one of the service's types, and everybody asks for it, registers about
her by a request or by a message (`$process-message`), and subscribes to what is new.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path as Folder
from random import Random
from typing import Any, Final, NamedTuple
from uuid import uuid4

import pytest

import seeds
from kjerne.access import Action, Caller, Wish
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.exchange import PatientRef, granted
from kjerne.fhir.subscribing import PAYLOAD
from kjerne.fhir.topics import TOPIC
from kjerne.policy.choosing import Choosing
from kjerne.policy.unsaid import SAYS
from kjerne.registries.receivers import Receiver
from kjerne.services.standards import types_by_service
from kjerne.settings import Settings
from kjerne.store.embedded import PROGRAM
from kjerne.store.house import open_store
from kjerne.store.shares import NAME, Shares
from kjerne.subscribing import Deliverer, ready
from kjerne.wire.hooks import Hooks
from services.critical import records as critical
from services.results.conftest import NOW, Ward
from settling import settled

from .asking import Anybody
from .beside import brought, carded, handed_out, on_pages_of_abroad, on_summary_pages, summed, told_of_abroad
from .rooms import (
    CRITICAL,
    KINDS,
    NATIONAL,
    RECORD,
    SETTLEMENT,
    Room,
    Tree,
    allergy,
    built,
    caller,
    drawn,
    filled,
    may_leave,
    moved,
    national,
    sign,
    without,
)
from .services_oracle import answer
from .situation import Situation, Will
from .test_paths import BASES, KEYS, TELLING, only_faults_are_noted
from .world import (
    ACTORS,
    BLOCKED,
    HOSPITAL,
    OTHER,
    OUTSIDE,
    PATIENTS,
    UNIT,
    Actor,
    Patient,
    World,
    _choose,
)  # fmt: skip

ALL: Final = "KJERNE_LAWS" in os.environ
__all__ = ["only_faults_are_noted"]
TOLD_OF: Final = ("critical-information", "record")
JSON: Final = "application/fhir+json"


@pytest.fixture
def seed() -> int:
    return seeds.seed("KJERNE_LAWS_SEED")


@pytest.fixture(params=[CRITICAL, RECORD, SETTLEMENT], ids=str)
def room(request: pytest.FixtureRequest, seed: int) -> Room:
    found: Room = replace(request.param, turned=seed)
    return found


@pytest.fixture
def dsn(clusters: Any, room: Room) -> str:
    cluster, name = clusters("18"), f"laws_registered_{room.service}"
    cluster.create(name)
    return str(cluster.server.dsn(PROGRAM, name))


@pytest.fixture
async def world(room: Room, dsn: str, tmp_path: Folder) -> AsyncIterator[World]:
    # A copy that a citizen hands out is sealed with the key of each service that it is drawn from.
    drawn_from = dict.fromkeys(("results", "critical-information", "record", room.service))
    shares = Shares.made(tmp_path / NAME, KEYS, list(drawn_from))
    store = await open_store(dsn, KEYS, shares, pool_size=4)
    try:
        settings = Settings(data=tmp_path, dsn=dsn)
        yield await built(room, Ward(House(settings, store, FixedClock(NOW))))
    finally:
        await store.close()


def body_of(room: Room, patient: Patient, what: str) -> Tree:
    if room.service != CRITICAL.service:
        return room.body(patient)
    if what == "dialysis":
        coding = {"system": "http://snomed.info/sct", "code": "265764009"}
        return {
            "resourceType": "Procedure",
            "status": "in-progress",
            "code": {"coding": [coding]},
            "subject": {"display": "-"},
        }
    return allergy("Penicillin", confirmed="verification" in what)


async def test_what_leaves_and_what_is_written_is_what_the_law_lets(room: Room, world: World, seed: int) -> None:
    """Reads first: what is registered here has no sign, and is nobody's to count."""
    chance, wrong = Random(seed), list[str]()
    looked = await reading(room, world, chance, wrong)
    if room.service == CRITICAL.service:
        assert await asking_first(room, world, chance, wrong) > 2
        await brought(room, world)
        for way in (summed, on_summary_pages, carded, told_of_abroad, on_pages_of_abroad, handed_out):
            assert await way(room, world, chance, wrong) > 2, f"{way.__name__}: {wrong[:10]}"
    written = await registering(room, world, chance, wrong)
    if room.service in TOLD_OF:
        assert await telling(room, world, chance, wrong) > 2
    if room.service == CRITICAL.service:
        await authored(room, world, wrong)
    assert not wrong, f"{len(wrong)} differ (KJERNE_LAWS_SEED={seed}):\n" + "\n".join(wrong[:20])
    assert min(looked, written) > 2


async def authored(room: Room, world: World, wrong: list[str]) -> None:
    """K84: what is registered in a restricted part is taken in, absent to its author, and opened by what opens the rest."""
    house, patient = world.ward.house, world.patients["adult"]
    herself = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=patient.digest, level=4)
    choosing = Choosing(house.store, house.reader, types_by_service())
    ref, wish = PatientRef(digest=patient.digest), Wish("restriction", service=room.service, source=HOSPITAL)
    await granted(world.ward.admit(herself), ref, room.service, "choose", lambda grant: choosing.make(grant, wish))
    doctor = next(one for one in ACTORS if one.name == "hospital doctor")
    for jurisdiction in ("NO", "EHDS"):
        settings = house.settings.model_copy(update={"jurisdiction": jurisdiction})
        client = Anybody(House(settings, house.store, house.clock))
        client.caller = caller(room, world, doctor, patient, "TREAT")
        headers, body = {"person-id": patient.number, "content-type": "application/fhir+json"}, allergy("Penicillin")
        made = await client.http.post("/fhir/R4/AllergyIntolerance", content=json.dumps(body), headers=headers)
        at = f"/fhir/R4/AllergyIntolerance/{made.json().get('id')}"
        read = [(await client.http.get(at, headers={"access-basis": one})).status_code for one in ("UNNTAK", "AKUTT")]
        if (made.status_code, read) != (201, [404, 200]):
            wrong.append(f"{jurisdiction}: registered in a restricted part: {made.status_code}, read {read}")


async def reading(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many searches, and histories of the type, opened something."""
    client, opened = Anybody(world.ward.house), 0
    ways: list[tuple[str, Action]] = [("", "search"), ("/_history", "history")]
    if room.service == CRITICAL.service:
        ways.append((NATIONAL, "search"))
    for (actor, name, purpose, basis), (at, action) in product(drawn(room, chance, *TELLING), ways):
        patient = world.patients[name]
        s = replace(moved(room, world, actor, name, purpose, basis), action=action)
        client.caller = caller(room, world, actor, patient, purpose)
        if at == NATIONAL:
            headers = national(client.caller, patient, basis)
            found = await client.http.get(f"{NATIONAL}/{room.type_of(name)}", headers=headers)
        else:
            headers = {"person-id": patient.number} | ({"access-basis": basis} if basis else {})
            found = await client.http.get(f"/fhir/R4/{room.type_of(name)}{at}", headers=headers)
        told = {kind.name for kind in KINDS if sign(kind, name) in found.text}
        law = {kind.name for kind in KINDS if may_leave(kind, s)}
        opened += bool(law)
        if told != law or (found.status_code == 200) != answer(s).given:
            wrong.append(f"{actor.name} / {name} / {purpose} {basis} {at}: law {law}, told {found.status_code} {told}")
        if at and found.status_code == 200 and found.json()["total"] != len(law):
            wrong.append(
                f"{actor.name} / {name} / {purpose} {basis}: {found.json()['total']} versions, {len(law)} by law"
            )
    return opened


async def asking_first(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """K114: what the status tells, and of how many it was that something is shut; where no choice may be told, nothing is."""
    house, shut = world.ward.house, 0
    for jurisdiction in ("NO", "EHDS"):
        settings = house.settings.model_copy(update={"jurisdiction": jurisdiction})
        client = Anybody(House(settings, house.store, house.clock))
        for actor, name, purpose, basis in drawn(room, chance, *TELLING):
            patient = world.patients[name]
            s = replace(moved(room, world, actor, name, purpose, basis), action="search")
            client.caller = caller(room, world, actor, patient, purpose)
            told = await client.http.get(f"{NATIONAL}/status", headers=national(client.caller, patient, basis))
            if not _is_right(s, jurisdiction, told.status_code, told.json()):
                wrong.append(
                    f"{jurisdiction} {actor.name} / {name} / {purpose} {basis}: {answer(s)}, {told.status_code} {told.text}"
                )
            shut += bool(answer(s).outcome)
    return shut


def _is_right(s: Situation, jurisdiction: str, code: int, status: Tree) -> bool:
    said, words = answer(s), {"Specific": "blocked", "General": "restricted", "Reservation": "reserved"}
    if jurisdiction == "EHDS" and said.outcome and s.kind == "practitioner":
        if not answer(without(s)).given:
            return code == 403
        return code == 200 and not any(status.values())
    if said.outcome:
        return code == 200 and {name for name, value in status.items() if value} == {words[said.outcome]}
    if not said.given:
        return code == 403
    undeclared = answer(replace(s, basis=""))
    is_opened = undeclared.outcome == "General" and jurisdiction == "NO"
    is_known = (
        is_opened or undeclared.given or jurisdiction == "EHDS"
    )  # else another refusal comes first without a basis
    if is_known and status["restricted"] != is_opened:
        return False
    return code == 200 and not (status["blocked"] or status["reserved"])


class Sent(NamedTuple):
    """What became of something that was sent in: taken, or refused by the law and not for its form."""

    taken: bool
    refused: bool
    text: str


async def by_request(client: Anybody, tree: Tree, headers: Mapping[str, str]) -> Sent:
    made = await client.http.post(f"/fhir/R4/{tree['resourceType']}", content=json.dumps(tree), headers=headers)
    return Sent(made.status_code == 201, made.status_code == 403, made.text)


async def by_message(client: Anybody, tree: Tree, headers: Mapping[str, str]) -> Sent:
    own = f"https://ehr.example/fhir/{tree['resourceType']}/{uuid4()}"
    header = {
        "resourceType": "MessageHeader", "id": str(uuid4()), "focus": [{"reference": own}],
        "eventCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": "R01"},
        "source": {"endpoint": "https://ehr.example/fhir/$process-message"},
    }  # fmt: skip
    entries = [
        {"fullUrl": f"urn:uuid:{header['id']}", "resource": header},
        {"fullUrl": own, "resource": tree | {"id": own.rpartition("/")[2]}},
    ]
    sent = {"resourceType": "Bundle", "type": "message", "timestamp": "2026-03-03T12:00:00Z", "entry": entries}
    made = await client.http.post("/fhir/R4/$process-message", content=json.dumps(sent), headers=headers)
    return Sent('"code":"ok"' in made.text, '"forbidden"' in made.text, made.text)


async def at_the_national_address(client: Anybody, patient: Patient, tree: Tree, basis: str) -> Sent:
    """As the profiles of kjernejournal have it."""
    of_kjernejournal = {
        "AllergyIntolerance": {
            "extension": [critical.told_by()], "criticality": "high", "reaction": critical.reaction(),
            "code": {"coding": [{"system": critical.ATC, "code": "J01CE02", "display": "Penicillin"}]},
        },
        "Procedure": {
            "category": {"coding": [{"system": "http://nhn.no/kj/fhir/CodeSystem/Category", "code": "6"}]},
            "code": {"coding": [{"system": critical.SNOMED, "code": "265764009", "display": "Dialyse"}]},
        },
    }  # fmt: skip
    body = json.dumps(tree | of_kjernejournal[tree["resourceType"]])
    headers = national(client.caller, patient, basis) | {"content-type": JSON}
    made = await client.http.post(f"{NATIONAL}/{tree['resourceType']}", content=body, headers=headers)
    return Sent(made.status_code == 201, made.status_code == 403, made.text)


async def registering(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many were let in, under the law of Norway and where no choice may be told."""
    house, let_in = world.ward.house, 0
    for jurisdiction in ("NO", "EHDS"):
        settings = house.settings.model_copy(update={"jurisdiction": jurisdiction})
        client = Anybody(House(settings, house.store, house.clock))
        for actor, name, purpose, basis in drawn(room, chance, *product(("TREAT", "ETREAT", "BTG"), BASES)):
            patient, what = world.patients[name], chance.choice(room.registered)
            s = replace(moved(room, world, actor, name, purpose, basis), action="file", what=what)
            client.caller = caller(room, world, actor, patient, purpose)
            tree = body_of(room, patient, what)
            headers = {"person-id": patient.number, "content-type": JSON} | ({"access-basis": basis} if basis else {})
            ways = (by_request, by_message, at_the_national_address)[: 3 if room.service == CRITICAL.service else 2]
            for send in ways if ALL else (chance.choice(ways),):
                if send is at_the_national_address:
                    made = await at_the_national_address(client, patient, tree, basis)
                else:
                    made = await send(client, tree, headers)
                let_in += made.taken
                if (made.taken, made.refused) != (answer(s).given, not answer(s).given):
                    wrong.append(f"{actor.name} / {name} / {what} {purpose} {basis}: {answer(s)}, {made}")
            # Who would be refused whatever she had chosen hears that, as of anybody (K5).
            by_her_choice = bool(answer(s).outcome) and answer(without(s)).given
            if jurisdiction == "EHDS" and (SAYS in made.text) != by_her_choice:
                wrong.append(f"{actor.name} / {name} / {what} {purpose} {basis}: of her choice is told {made.text}")
            if jurisdiction == "EHDS" and s.kind == "practitioner":
                # What no record answers is deleted of her as of whom has shut nothing.
                at = f"/fhir/R4/{room.type_of(name)}?_id=none"
                gone = await client.http.delete(at, headers=headers)
                law = answer(replace(without(s), action="correct", what="*"))
                if gone.status_code != (204 if law.given else 403):
                    wrong.append(
                        f"{actor.name} / {name} / delete {purpose} {basis}: {law}, {gone.status_code} {gone.text}"
                    )
    return let_in


# Told of what is new (K90, K94)

EHR: Final = Situation(
    "system", "search", NOW, scopes=frozenset({"kjerne:subscriptions"}), level=0, legal_entity=HOSPITAL, unit=UNIT
)
SYSTEMS: Final = (
    Actor("system of the ward", EHR),
    Actor("system of the ward, by its owner", replace(EHR, unit="")),
    Actor("system that treats nobody", replace(EHR, legal_entity=OTHER, unit=OTHER)),
    Actor("system of an office outside", replace(EHR, legal_entity=OUTSIDE, unit=OUTSIDE)),
    Actor("system without a subscriber's scope", replace(EHR, scopes=frozenset())),
)
SUBSCRIBED: Final = 40
"""Of so many subscriptions the suite sees what they are told."""
LATER: Final = (None, None, Will("restriction"), Will("block", hpr=BLOCKED), Will("opt-out"))
"""What she may shut between the subscription and what is new."""
AT: Final = "https://ehr.example/"


class Inbox(Hooks):
    """What was sent to each address."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, str] = {}

    async def send(self, receiver: Receiver, url: str, headers: Any, body: bytes, *_: Any, **__: Any) -> None:
        self.told[url] = self.told.get(url, "") + body.decode()


def wish(room: Room, url: str) -> Tree:
    """A subscription to all that is new in the service, whole."""
    channel = {
        "type": "rest-hook", "endpoint": url, "payload": JSON,
        "_payload": {"extension": [{"url": PAYLOAD, "valueCode": "full-resource"}]},
    }  # fmt: skip
    told = {"resourceType": "Subscription", "status": "requested", "reason": "-", "criteria": TOPIC + room.service}
    return told | {"channel": channel}


async def telling(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many were told something. First they subscribe, then some patients shut something, then a record of each kind comes."""
    house, inbox, client = world.ward.house, Inbox(), Anybody(world.ward.house)
    cells = [*product((*SYSTEMS, *(one for one in ACTORS if one.situation.kind == "practitioner")), PATIENTS)]
    # Half of them are systems that may subscribe: of the others most are told nothing.
    drawn = (
        cells
        if ALL
        else [
            *chance.sample(cells, SUBSCRIBED // 2),
            *product(SYSTEMS[:1], chance.sample([*PATIENTS], SUBSCRIBED // 2)),
        ]
    )
    clients = sorted({f"app of {actor.name}" for actor, _ in drawn})
    entries = [f"[[receiver]]\nclient = {json.dumps(one)}\nurl = {json.dumps(AT)}\n" for one in clients]
    house.settings.subscribers_file.write_text("".join(entries))
    deliverer = await ready(
        Deliverer(house.store.pool, house.clock, KEYS, house.store.wrap.shares, house.settings, inbox)  # type: ignore[arg-type]
    )
    held: list[tuple[str, Actor, str, Situation]] = []
    for place, (actor, name) in enumerate(dict.fromkeys(drawn)):
        patient, url = world.patients[name], f"{AT}{place}"
        s = moved(room, world, actor, name, "", "")
        s = replace(s, scopes=s.scopes | room.scopes if actor.situation.scopes else room.scopes)
        client.caller = replace(caller(room, world, actor, patient, ""), scopes=s.scopes)
        asks, tells = ("subscribe", "notify") if s.kind == "system" else ("search", "search")
        headers = {"person-id": patient.number, "content-type": JSON}
        made = await client.http.post("/fhir/R4/Subscription", content=json.dumps(wish(room, url)), headers=headers)
        law = answer(replace(s, action=asks))
        if made.status_code != (201 if law.given else 403):
            wrong.append(f"{actor.name} / {name}: subscribes: {law}, {made.status_code} {made.text}")
        held.append((url, actor, name, replace(s, action=tells) if law.given else replace(s, action="")))
    await deliverer.run_due()
    later = {name: chance.choice(LATER) for _, _, name, _ in held} | {"adult": None}  # `authored` asks about her
    for name, will in later.items():
        if will is not None:
            await _choose(world, world.patients[name], replace(will, service=room.service))
    inbox.told.clear()
    await filled(room, world, *(world.patients[name] for name in later))
    async with deliverer.pool.acquire() as conn:
        await settled(conn)
    await deliverer.run_due()
    for url, actor, name, asked in held:
        shut = later[name]
        s = replace(asked, wills=(*asked.wills, replace(shut, service=room.service))) if shut else asked
        text = inbox.told.get(url, "")
        told = {kind.name for kind in KINDS if sign(kind, name) in text}
        law = {kind.name for kind in KINDS if s.action and may_leave(kind, s)}
        if told != law:
            wrong.append(f"{actor.name} / {name} / {shut}: law tells {law}, told {told}")
    return len(inbox.told)
