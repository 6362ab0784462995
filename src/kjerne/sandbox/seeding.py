"""The synthetic people put into a store: registers by COPY, results through the same door as a laboratory's messages.

The people are decided by how many, the seed and the day; all three are written down when everything is in, so that the
next start makes the same personas again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import msgspec

from kjerne.access import Caller, Tie
from kjerne.app import House
from kjerne.policy.door import Door
from kjerne.policy.services import SERVICES
from kjerne.sandbox import life, samples, substances
from kjerne.sandbox.institutions import HOME_MUNICIPALITY
from kjerne.sandbox.people import Person, Population
from kjerne.sandbox.personas import personas
from kjerne.sandbox.population import generate
from kjerne.store import followup, participation
from kjerne.store.house import train
from kjerne.store.participation import Participation, Phase, Role
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.registers import OrganisationRow, PractitionerRow, fill
from kjerne.store.subjects import PersonDetail

Progress = Callable[[int, int, str], None]
AT_ONCE = 8
SAMPLES = 250
UNREAD_DAYS = 21
OPTED_OUT = "filed-after-opt-out"
WRITE = "nhn:pps/provesvar-write"
TOOK_PART = timedelta(days=1000)
"""How long the organisations have taken part."""
REGISTERED = ("critical-information", "record")
"""The services that personnel register in themselves."""
HOSPITAL_LABORATORIES = ("biochemistry", "microbiology", "pathology")
AGREEMENTS: Mapping[Phase, str] = {
    "pilot": "Avtale om utprøving av deling av radiologisvar (oppdiktet)",
    "rollout": "Avtale om breddeinnføring i fylket (oppdiktet)",
}
"""Made up: on what ground somebody takes part before a service is national."""
REGISTER = "; registeret over deltakere"
"""Named by the law of who takes part, and no ground of a row in that register."""


class Made(msgspec.Struct, frozen=True):
    """What decides a population: written to the data directory once it is in."""

    people: int
    seed: int
    day: date

    def population(self) -> Population:
        """The same people, every time."""
        return generate(self.people, self.seed, self.day)


async def seed(house: House, made: Made, progress: Progress) -> None:
    """Puts everybody and everything in. Taken up again where it was broken off: messages that are in change nothing."""
    population = made.population()
    if not await house.store.pool.fetchval("SELECT count(*) FROM practitioner"):
        await _register(house, population)
    await take_part(house, population)
    async with house.store.pool.acquire() as conn:
        await substances.keep(conn, house.clock.now())
    progress(1, 1, "people")
    messages = list(life.messages(population, made.seed, made.day))
    await _train(house, messages[:SAMPLES])
    await _send(house, population, messages, progress)
    now = house.clock.now()
    async with house.store.pool.acquire() as conn:
        await followup.acknowledge_until(conn, now - timedelta(days=UNREAD_DAYS), now)


async def _register(house: House, population: Population) -> None:
    people = [_new(house, population, person) for person in population.people]
    store, now = house.store, house.clock.now()
    async with store.pool.acquire() as conn, conn.transaction():
        keys = dict(
            zip((one.key for one in population.people), await store.people.register(conn, people, now), strict=True)
        )
        ties = [(keys[person], _tie(tie, keys)) for person, tied in population.ties.items() for tie in tied]
        await store.people.add_ties(conn, ties)
        await fill(conn, _practitioners(house, population), _organisations(population))


async def take_part(house: House, population: Population) -> None:
    """Gives the organisations their places in an empty register of participation; one that has rows is the operator's.

    All but one: what she who works at `outside` meets is what an integrator must know.
    """
    async with house.store.pool.acquire() as conn, conn.transaction():
        if await participation.is_empty(conn):
            await participation.add(conn, participants(population, house.clock.now()))


def participants(population: Population, now: datetime) -> list[Participation]:
    """Laboratories as sources, everybody who treats as consumers; radiology is a pilot in one municipality. Of critical
    information, the structured record and documents those who treat are sources too, since they register and keep them."""

    def row(
        unit: str, part: Role, phase: Phase = "national", areas: tuple[str, ...] = (), service: str = "results"
    ) -> Participation:
        number, basis = population.units[unit].number, AGREEMENTS.get(phase) or ground(service)
        return Participation(0, number, service, part, areas, phase, now - TOOK_PART, None, basis, "kjerne up", now)

    parts: tuple[Role, ...] = ("consumer", "source")
    offices = sorted(unit for unit in population.units if unit.startswith("office-"))
    treating = ("trust", "municipality", "pharmacy-owner", *offices)
    return [
        row("private-lab-owner", "source"),
        *(row(unit, "source", "rollout", (HOME_MUNICIPALITY[:2],)) for unit in HOSPITAL_LABORATORIES),
        row("radiology", "source", "pilot", (HOME_MUNICIPALITY,)),
        *(row(unit, "consumer") for unit in treating),
        *(row(unit, part, service=one) for one in REGISTERED for unit in treating for part in parts),
        *(row(unit, "source", service="settlement") for unit in treating),
        *(row(unit, part, service="documents") for unit in treating for part in parts),
    ]


def ground(service: str) -> str:
    """The law by which organisations take part in a national service, as the rule table has it."""
    return SERVICES[service].ground.part.removesuffix(REGISTER)


def _new(house: House, population: Population, person: Person) -> NewPerson:
    address = person.address
    detail = PersonDetail(
        name=person.name,
        birth_date=person.birth_date,
        sex=person.sex,
        address=f"{address.street}, {address.postal_code} {address.city}",
        municipality=address.municipality,
        protection=person.protection,
        died_on=person.death_date,
    )
    numbers = tuple(
        Identifier(house.digest(one.value), one.kind, one.value, one.valid_from, one.valid_to) for one in person.numbers
    )
    return NewPerson(detail, numbers, synthetic=True, choices=population.choices.get(person.key, ()))


def _tie(tie: Tie, keys: dict[int, int]) -> Tie:
    return replace(tie, key=keys[tie.key]) if tie.key else tie


def _practitioners(house: House, population: Population) -> list[PractitionerRow]:
    return [
        PractitionerRow(one.hpr, house.digest(one.nin), one.name, one.authorizations, one.valid_from, one.valid_to)
        for one in population.practitioners
    ]


def _organisations(population: Population) -> list[OrganisationRow]:
    return [
        OrganisationRow(o.number, o.parent, o.name, o.kind, o.resh, o.her, o.municipality)
        for o in population.organisations
    ]


async def _train(house: House, messages: Sequence[bytes]) -> None:
    """A dictionary from generated bodies alone, before anything is stored with it."""
    if house.store.dictionaries.current:
        return
    bodies = [body for raw in messages for body in samples.bodies(house.read(raw))]
    async with house.store.pool.acquire() as conn:
        await train(conn, house.store.dictionaries, bodies, house.clock.now())


async def _send(house: House, population: Population, messages: Sequence[bytes], progress: Progress) -> None:
    lab = next(one for one in personas(population) if one.name == "lab")
    caller = Caller("system", lab.name, frozenset({WRITE}), organisation=lab.organisation, name=lab.title, level=4)
    admit = Door(house.store, house.clock).admit(caller, "seeding")
    done = 0

    async def send(raw: bytes) -> None:
        nonlocal done
        taken = await house.intake.take(raw, caller, admit)
        # Who has opted out has no results here; her laboratory's messages are refused, as they would be in production.
        if not taken.accepted and taken.rule != OPTED_OUT:
            raise RuntimeError(f"a synthetic message was refused: {taken.faults[0].says}")
        done += 1
        progress(done, len(messages), "results")

    await _all(send, messages)


async def _all(send: Callable[[bytes], Awaitable[None]], messages: Sequence[bytes]) -> None:
    """Several at once, but each chain in order: a worker takes the next message when it is free."""
    left = iter(messages)

    async def work() -> None:
        for raw in left:
            await send(raw)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
