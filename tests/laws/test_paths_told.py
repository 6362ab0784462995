"""Results that messages bring, change and add to, and who is told of it by rest-hook and over sockets, against the oracle.

Everybody of `world` is there. Laboratories send results of most kinds, by Svarrapport and by FHIR message, before anybody has
chosen anything. Then the patients choose, systems and personnel subscribe, some patients shut something more, and the same
laboratories change what they sent: each change is taken in as the law lets it, and told to whom the law lets hear of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, product
from pathlib import Path as Folder
from random import Random
from typing import Any, Final, Literal
from uuid import UUID, uuid4, uuid5

import pytest

import seeds
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.settings import Settings
from kjerne.socketing import Line, SocketDeliverer
from kjerne.store import sockets
from kjerne.store.house import open_store
from kjerne.store.shares import NAME, Shares
from kjerne.subscribing import Deliverer, ready
from services.results.conftest import LAB, NOW, THIRD_LAB, Ward
from services.results.kith.conftest import OID, SAMPLE, item, message, person, report, text
from settling import settled

from .asking import Anybody
from .oracle import answer
from .situation import Situation, Will
from .test_paths import KEYS, only_faults_are_noted
from .test_paths_registered import AT, JSON, LATER, SYSTEMS, Inbox, Sent, Tree
from .world import ACTORS, CODES, OTHER, OUTSIDE, PATIENTS, READ, Actor, Kind, Patient, World, about, peopled
from .world import KINDS as EVERY
from .world import _choose as choose

__all__ = ["only_faults_are_noted"]
ALL: Final = "KJERNE_LAWS" in os.environ
SHARE: Final = 10
"""Of so many patients the suite asks."""
KINDS: Final = tuple(kind for kind in EVERY if not kind.label and kind.name != "that she may restrict")
"""A mark that no source sends, and a single record that she restricts, have paths of their own (`test_paths`)."""
WRITE: Final = frozenset({"nhn:pps/provesvar-write"})
SENDING: Final = Situation("system", "file", NOW, scopes=WRITE, level=0)
SENDERS: Final = (
    *(Actor(one, replace(SENDING, legal_entity=one), "") for one in (LAB.organisation, THIRD_LAB, OTHER, OUTSIDE)),
    Actor("laboratory without the scope", replace(SENDING, legal_entity=LAB.organisation, scopes=READ), ""),
)
Channel = Literal["rest-hook", "websocket"]
CHANNELS: Final[tuple[Channel, ...]] = ("rest-hook", "websocket")
Way = Literal["svarrapport", "fhir"]
WAYS: Final[tuple[Way, ...]] = ("svarrapport", "fhir")
Change = Literal["first", "change", "addition"]


def word(stage: Change, way: Way, kind: Kind, patient: str) -> str:
    """What stands in one version of one result and nowhere else."""
    return f"{stage}-{way}-{KINDS.index(kind)}-{list(PATIENTS).index(patient)}-slutt"


def sender_of(kind: Kind) -> Actor:
    return next(one for one in SENDERS if one.name == kind.sender)


# What is sent in


def svarrapport(stage: Change, kind: Kind, patient: Patient, sender: str) -> bytes:
    number = f"{sender[-3:]}-{KINDS.index(kind)}-{patient.number[-6:]}"
    new = stage == "addition"
    service = {"first": "N", "change": "M", "addition": "N"}[stage]
    marks = "".join(
        f"<Reservation V='{one['code']}' S='{OID}9603' OT='{one.get('display', '')}'/>" for one in kind.marks
    )
    inside = person(
        SAMPLE + item(value=text(word(stage, "svarrapport", kind, patient.name)), id_="1"), number=patient.number
    )
    sent = report(
        patient=inside, service=service, discipline=kind.discipline, id_=number + ("-new" if new else ""),
        head=f"<ServReq><Id>Q-{number}{'-new' if new else ''}</Id>{marks}</ServReq>",
    )  # fmt: skip
    day = {"first": 2, "change": 3, "addition": 4}[stage]
    return message(sent, id_=f"{stage}-{number}", generated=f"2026-03-0{day}T12:00:05")


def by_fhir(stage: Change, kind: Kind, patient: Patient, sender: str) -> Tree:
    """A message whose address of the result is the same as before, unless it is an addition."""
    name = uuid5(UUID(int=1), f"{sender} {kind.name} {patient.number}" + (" new" if stage == "addition" else ""))
    own, header = f"https://lab.example/fhir/Observation/{name}", str(uuid4())
    meta = {"meta": {"security": [dict(one) for one in kind.marks]}} if kind.marks else {}
    result = {
        "resourceType": "Observation", "id": str(name), "status": "final" if stage != "change" else "amended",
        "category": about(kind.discipline), "effectiveDateTime": "2026-03-03T08:00:00+01:00",
        "code": {"coding": [{"system": CODES, "code": "NPU90000"}], "text": word(stage, "fhir", kind, patient.name)},
        "valueString": "Prøve",
    } | meta  # fmt: skip
    head = {
        "resourceType": "MessageHeader", "id": header, "focus": [{"reference": own}],
        "eventCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": "R01"},
        "source": {"endpoint": "https://lab.example/fhir/$process-message"},
    }  # fmt: skip
    entries = [{"fullUrl": f"urn:uuid:{header}", "resource": head}, {"fullUrl": own, "resource": result}]
    return {"resourceType": "Bundle", "type": "message", "timestamp": "2026-03-03T12:00:00Z", "entry": entries}


async def sent(client: Anybody, way: Way, stage: Change, kind: Kind, patient: Patient, sender: str) -> Sent:
    if way == "svarrapport":
        raw = svarrapport(stage, kind, patient, sender)
        made = await client.http.post("/pps/in", content=raw, headers={"content-type": "application/xml"})
        return Sent(made.status_code == 200, made.status_code == 403, made.text)
    headers = {"person-id": patient.number, "content-type": JSON}
    body = json.dumps(by_fhir(stage, kind, patient, sender))
    made = await client.http.post("/fhir/R4/$process-message", content=body, headers=headers)
    return Sent('"code":"ok"' in made.text, made.status_code == 403 or '"forbidden"' in made.text, made.text)


async def one_sent(
    world: World, client: Anybody, what: tuple[Actor, str, Way, Change, Kind], wills: Sequence[Will], wrong: list[str]
) -> bool:
    """Whether it was taken in; `wrong` where that is otherwise than the law lets, once she has made these choices too."""
    actor, name, way, stage, kind = what
    patient, s = world.patients[name], world.situation(actor, name, "", "")
    client.caller = world.caller(actor, patient, "")
    law = answer(replace(s, action="correct" if stage == "change" else "file", wills=(*s.wills, *wills)))
    made = await sent(client, way, stage, kind, patient, actor.name)
    if (made.taken, made.refused) != (law.given, not law.given):
        wrong.append(f"{actor.name} / {name} / {way} {stage} {kind.name}: {law}, {made}")
    return made.taken


# Who is told


@dataclass
class Ear:
    """The far end of a socket, which reads all at once."""

    id: UUID = field(default_factory=uuid4)
    told: str = ""
    code: int = 0

    async def say(self, said: str, *_: Any) -> None:
        self.told += said

    async def close(self, code: int, _: str) -> None:
        self.code = code


@dataclass(frozen=True)
class Held:
    """A subscription, with what the law says of telling it: `asked` has no action where it may not subscribe."""

    channel: Channel
    actor: Actor
    patient: str
    place: str
    asked: Situation


def subscription(channel: Channel, url: str) -> Tree:
    """To all that is new in results, whole."""
    backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"
    told: Tree = {
        "type": channel,
        "payload": JSON,
        "_payload": {"extension": [{"url": backport, "valueCode": "full-resource"}]},
    }
    told |= {"endpoint": url} if channel == "rest-hook" else {}
    topic = "http://kjerne.example/fhir/SubscriptionTopic/results"
    return {"resourceType": "Subscription", "status": "requested", "reason": "-", "criteria": topic, "channel": told}


class Telling:
    """The subscribers of one world, and what they are told."""

    def __init__(self, world: World) -> None:
        house = world.ward.house
        parts = house.store.pool, house.clock, KEYS, house.store.wrap.shares, house.settings
        self.inbox, self.ears = Inbox(), dict[str, Ear]()
        self.world, self.client, self.places = world, Anybody(house), count()
        self.hooks = Deliverer(*parts, self.inbox)  # type: ignore[arg-type]
        self.hub = SocketDeliverer(*parts)  # type: ignore[arg-type]

    async def subscribe(self, channel: Channel, actor: Actor, name: str, wrong: list[str]) -> Held:
        place = f"{AT}{next(self.places)}"
        patient, s = self.world.patients[name], self.world.situation(actor, name, "", "")
        s = replace(s, scopes=s.scopes | READ)
        ends = int(NOW.timestamp()) + 3600
        self.client.caller = replace(self.world.caller(actor, patient, ""), scopes=s.scopes, until=ends)
        headers = {"person-id": patient.number, "content-type": JSON}
        body = json.dumps(subscription(channel, place))
        made = await self.client.http.post("/fhir/R4/Subscription", content=body, headers=headers)
        asks, tells = ("subscribe", "notify") if s.kind == "system" else ("search", "search")
        law = answer(replace(s, action=asks))
        if made.status_code != (201 if law.given else 403):
            wrong.append(f"{actor.name} / {name} / {channel}: subscribes: {law}, {made.status_code} {made.text}")
        elif channel == "websocket" and law.given:
            await self._bind(made.json()["id"], place, headers)
        return Held(channel, actor, name, place, replace(s, action=tells if law.given else ""))

    async def _bind(self, id_: str, place: str, headers: Mapping[str, str]) -> None:
        got = await self.client.http.get(f"/fhir/R4/Subscription/{id_}/$get-ws-binding-token", headers=headers)
        assert got.status_code == 200, got.text
        token = next(one["valueString"] for one in got.json()["parameter"] if one["name"] == "token")
        ear = self.ears[place] = Ear()
        line = self.hub.lines[ear.id] = Line(ear)  # type: ignore[arg-type]
        assert await self.hub._bound(line, f"bind-with-token {token}"), ear.code

    async def work(self) -> None:
        async with self.hooks.pool.acquire() as conn:
            await settled(conn)
        await self.hooks.run_due()
        await self.hub.run_due()

    def forget(self) -> None:
        """What was told until now: handshakes."""
        self.inbox.told.clear()
        for ear in self.ears.values():
            ear.told = ""

    def told(self, held: Held) -> str:
        if held.channel == "rest-hook":
            return self.inbox.told.get(held.place, "")
        return self.ears[held.place].told if held.place in self.ears else ""


def may_be_told(kind: Kind, held: Held, wills: Sequence[Will]) -> bool:
    """By the law, once she has made these choices too."""
    if not held.asked.action:
        return False
    s = replace(held.asked, wills=(*held.asked.wills, *wills))
    parts = {f"part {one.mark}" for one in s.wills if one.content == kind.content or one.sent_by == kind.sender}
    law = answer(s)
    hidden = (kind.withheld | parts) & law.hidden
    return bool(law.given and not hidden and (kind.is_released or not law.only_released))


@pytest.fixture
def seed() -> int:
    return seeds.seed("KJERNE_LAWS_SEED")


@pytest.fixture
async def world(dsn_of_18: str, tmp_path: Folder) -> AsyncIterator[World]:
    store = await open_store(dsn_of_18, KEYS, Shares.made(tmp_path / NAME, KEYS, ["results"]), pool_size=4)
    try:
        yield await peopled(Ward(House(Settings(data=tmp_path, dsn=dsn_of_18), store, FixedClock(NOW))))
    finally:
        await store.close()


async def test_what_messages_change_is_taken_in_and_told_as_the_law_lets(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SOCKETS_LIMIT", 10_000)  # each cell has a socket of its own here
    chance, wrong = Random(seed), list[str]()
    patients = [*PATIENTS] if ALL else chance.sample([*PATIENTS], SHARE)
    for name in patients:  # nobody has chosen anything yet: what lies there was filed as of anybody
        await brought(world, name)
    for name in patients:
        for will in PATIENTS[name].get("wills", ()):
            if will.kind != "record":
                await choose(world, world.patients[name], will)
    telling = Telling(world)
    held = await subscribed(telling, patients, chance, wrong)
    await telling.work()
    telling.forget()
    later = {name: [replace(one, service="results") for one in [chance.choice(LATER)] if one] for name in patients}
    for name, wills in later.items():
        for will in wills:
            await choose(world, world.patients[name], will)
    taken = await changed(world, patients, later, wrong)
    await telling.work()
    told = 0
    for one in held:
        heard, wills = telling.told(one), later[one.patient]
        for kind, way in product(KINDS, WAYS):
            is_told = word("change", way, kind, one.patient) in heard
            told += is_told
            if is_told != may_be_told(kind, one, wills):
                place = f"{one.actor.name} / {one.patient} / {[will.kind for will in wills]} / {one.channel}"
                wrong.append(f"{place} / {way} {kind.name}: told {is_told}")
    print(f"{len(held) * len(KINDS) * len(WAYS)} cells told, {told} of them open; {taken} messages taken in")
    assert not wrong, f"{len(wrong)} differ (KJERNE_LAWS_SEED={seed}):\n" + "\n".join(wrong[:20])
    assert told > len(held) * len(KINDS) / 50 and taken > 20


async def brought(world: World, name: str) -> None:
    """The first version of each kind, by each way."""
    client, patient = Anybody(world.ward.house), world.patients[name]
    for kind, way in product(KINDS, WAYS):
        client.caller = world.caller(sender_of(kind), patient, "")
        made = await sent(client, way, "first", kind, patient, kind.sender)
        assert made.taken, made.text


async def subscribed(telling: Telling, patients: Sequence[str], chance: Random, wrong: list[str]) -> list[Held]:
    """Half of those that the suite asks are of systems that may subscribe: of the others most are told nothing."""
    readers = (*SYSTEMS, *(one for one in ACTORS if one.situation.kind == "practitioner"))
    every = [*product(CHANNELS, readers, patients)]
    cells = every if ALL else [*product(CHANNELS, SYSTEMS[:1], patients), *chance.sample(every, 40)]
    house = telling.world.ward.house
    clients = sorted({f"app of {actor.name}" for _, actor, _ in cells})
    entries = [f"[[receiver]]\nclient = {json.dumps(one)}\nurl = {json.dumps(AT)}\n" for one in clients]
    house.settings.subscribers_file.write_text("".join(entries))
    await ready(telling.hooks)
    await ready(telling.hub)
    return [await telling.subscribe(*cell, wrong) for cell in dict.fromkeys(cells)]


async def changed(
    world: World, patients: Sequence[str], later: Mapping[str, Sequence[Will]], wrong: list[str]
) -> int:  # fmt: skip
    """The second version of all, by who sent the first; and something new, by everybody who might send in."""
    client, taken = Anybody(world.ward.house), 0
    for name, kind, way in product(patients, KINDS, WAYS):
        taken += await one_sent(world, client, (sender_of(kind), name, way, "change", kind), later[name], wrong)
    for name, actor, way in product(patients, SENDERS, WAYS):
        taken += await one_sent(world, client, (actor, name, way, "addition", KINDS[0]), later[name], wrong)
    return taken
