"""What a patient has chosen, lived by: on two workers, over parts, single reports and their corrections, over any history."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from kjerne.access import SHUT_BY_PATIENT, Caller, Grant, Held, Tie, Wish
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef, granted
from kjerne.jobs import Job
from kjerne.services.standards import types_by_service
from kjerne.store.erasing import KIND, Eraser
from kjerne.store.reading import Span

from .conftest import (
    ANOTHER_UNIT,
    CLINIC,
    CLINIC_WARD,
    DOCTORS,
    LAB,
    LAB_UNIT,
    NOW,
    OTHERS,
    THIRD_LAB,
    TYPES,
    Worker,
    fresh_number,
    message,
)  # fmt: skip

REGRET = timedelta(days=30)


async def test_a_change_holds_on_the_next_request_of_every_worker(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    for wish, refused in (
        (Wish("block", hpr=DOCTORS[0]), "blocked-by-name"),
        (Wish("restriction"), "restricted"),
        (Wish("restriction", role="doctors"), "restricted"),
        (Wish("restriction", organisation="100000008"), "restricted"),
        (Wish("opt-out"), "opted-out"),
    ):
        assert await one.sees(number) == await other.sees(number) == ["4.1"]
        held = await one.choose(number, wish)
        assert await other.sees(number) == await one.sees(number) == refused
        await other.lift(number, held)
    assert await one.sees(number) == await other.sees(number) == ["4.1"]


async def test_a_restricted_kind_is_hidden_and_the_rest_is_open(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    await one.take(message(number, "7.7", "PAT"))
    held = await one.choose(number, Wish("restriction", part="pathology"))
    assert await other.sees(number) == await one.sees(number) == ["4.1"]
    await other.take(message(number, "8.8", "HIST"))
    await other.take(message(number, "4.2"))
    assert await one.sees(number) == ["4.1", "4.2"]
    assert await one.sees(number, basis="AKUTT") == ["4.1", "4.2", "7.7", "8.8"]
    await one.lift(number, held)
    assert await other.sees(number) == ["4.1", "4.2", "7.7", "8.8"]


async def test_what_one_laboratory_sent_is_restricted_against_one_profession(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    await one.take(message(number, "5.5"), OTHERS)
    await one.choose(number, Wish("restriction", source=OTHERS.organisation, role="nurses"))
    await other.take(message(number, "5.6"), OTHERS)
    assert await one.sees(number) == ["4.1", "5.5", "5.6"]
    assert await one.sees(number, authorization="SP") == ["4.1"]


async def test_a_restriction_against_a_unit_is_against_those_who_work_below_it(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    held = await one.choose(number, Wish("restriction", organisation=CLINIC))
    assert (
        await other.sees(number, point_of_care=CLINIC_WARD)
        == await one.sees(number, point_of_care=CLINIC)
        == "restricted"
    )
    assert await one.sees(number, point_of_care=ANOTHER_UNIT) == ["4.1"]
    assert await one.sees(number) == "restricted", "who names the whole hospital may work in the unit (K80)"
    await one.lift(number, held)
    assert await other.sees(number, point_of_care=CLINIC_WARD) == await one.sees(number) == ["4.1"]


# the source she names, and which is shut of what was sent by a unit, by its owner without a unit, by another unit of
# the owner's and by another laboratory
SOURCES = [(THIRD_LAB, {"4.1", "4.2", "4.3"}), (LAB_UNIT, {"4.1", "4.2"}), (CLINIC, set())]


@pytest.mark.parametrize(("source", "shut"), SOURCES)
async def test_what_a_source_and_its_units_sent_is_restricted_before_and_after(
    workers: tuple[Worker, Worker], number: str, source: str, shut: set[str]
) -> None:
    one, other = workers
    await one.person(number)

    async def sent() -> None:
        await one.take(message(number, "4.1"), replace(OTHERS, point_of_care=LAB_UNIT))
        await one.take(message(number, "4.2"), OTHERS)
        await one.take(message(number, "4.3"), replace(OTHERS, point_of_care=ANOTHER_UNIT))
        await one.take(message(number, "5.5"))

    await sent()
    await one.choose(number, Wish("restriction", source=source))
    left = sorted({"4.1", "4.2", "4.3", "5.5"} - shut)
    assert await other.sees(number) == left
    await sent()
    assert await other.sees(number) == sorted([*left, *left])


@pytest.mark.parametrize("name", ["organisation", "source"])
async def test_a_place_that_nobody_registered_is_not_restricted(
    workers: tuple[Worker, Worker], number: str, name: str
) -> None:
    one, _ = workers
    await one.person(number)
    with pytest.raises(Refusal) as refusal:
        await one.choose(number, Wish("restriction", **{name: "123456785"}))
    assert (refusal.value.status, refusal.value.where) == (422, name)


async def test_a_restricted_report_stays_so_over_corrections_and_new_results(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1", id_="31"))
    await one.take(message(number, "6.6"))
    held = await one.choose(number, Wish("record", record=await one.report_of(number, "4.1")))
    assert await other.sees(number) == ["6.6"]
    await other.take(message(number, "4.9", id_="31", service="M"))
    assert await one.sees(number) == ["6.6"]
    assert await one.sees(number, basis="AKUTT") == ["6.6"]
    assert await one.sees(number, basis="FORHOYET_SAMTYKKE") == ["4.9", "6.6"]
    await one.lift(number, held)
    assert await other.sees(number) == ["4.9", "6.6"]


async def test_lifting_it_leaves_what_the_source_restricted(workers: tuple[Worker, Worker], number: str) -> None:
    one, _ = workers
    key = await one.person(number)
    await one.take(message(number, "4.1"))
    held = await one.choose(number, Wish("record", record=await one.report_of(number, "4.1")))
    await one.house.store.pool.execute("UPDATE record SET labels = labels | 1 WHERE patient = $1", key)
    await one.lift(number, held)
    assert await one.sees(number) == []


@pytest.mark.parametrize(("kind", "by_source", "left"), [("record", 0, 2), ("part", 0, 2), ("record", 1, 0)])
async def test_lifting_it_opens_the_former_versions_too_save_what_the_source_restricted(
    workers: tuple[Worker, Worker], number: str, kind: str, by_source: int, left: int
) -> None:
    one, _ = workers
    own = secrets.token_hex(6)
    key = await one.person(number)
    discipline = "CLIN" if kind == "record" else "PAT"  # tissue is not yet released, and so not hers to restrict alone
    await one.take(message(number, "4.1", discipline, id_=own))
    report = await one.report_of(number, "4.1")
    held = await one.choose(
        number, Wish("record", record=report) if kind == "record" else Wish("restriction", part="pathology")
    )
    await one.house.store.pool.execute("UPDATE record SET labels = labels | $2 WHERE patient = $1", key, by_source)
    await one.take(message(number, "4.9", discipline, id_=own, service="M"))
    id_ = await one.house.store.pool.fetchval("SELECT id FROM record WHERE patient = $1 AND type = $2", key, TYPES[1])

    async def known() -> int:
        grant = replace(await one.grant(number), hides=SHUT_BY_PATIENT)
        async with one.house.store.pool.acquire() as conn:
            found = await one.house.reader.history(conn, grant, TYPES[1], id_, Span(), 10)
        return found.total if found else 0

    assert await known() == 0
    await one.lift(number, held)
    assert await known() == left


async def test_what_is_lifted_is_not_lifted_again(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    held = await one.choose(number, Wish("restriction"))
    lifted = await other.lift(number, held)
    assert (lifted.number, lifted.ended_by) == (held.number, "own-choices")
    assert lifted.choice.ended_at is not None
    with pytest.raises(Refusal) as refusal:
        await one.lift(number, held)
    assert (refusal.value.status, refusal.value.where, refusal.value.rule) == (404, "number", "choice-not-in-force")


async def test_her_own_restriction_stands_when_the_proxy_lifts_the_same_of_hers(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, other = workers
    proxy = fresh_number()
    key, acting = await one.person(number), await one.person(proxy)
    tie = Tie("proxy", key=acting, areas=("innsyn", "digitaleHelsetjenester"))
    async with one.house.store.pool.acquire() as conn:
        await one.house.store.people.add_ties(conn, [(key, tie)])
    caller = Caller("citizen", "app", frozenset({"kjerne:citizen"}), digest=one.house.digest(proxy), level=4)
    ref = PatientRef(digest=one.house.digest(number))

    async def as_proxy(use: Callable[[Grant], Awaitable[Held]]) -> Held:
        return await granted(one.admit(caller), ref, "results", "choose", use)

    theirs = await as_proxy(lambda grant: one.choosing.make(grant, Wish("restriction")))
    own = await other.choose(number, Wish("restriction"))
    await as_proxy(lambda grant: one.choosing.lift(grant, theirs.number))
    assert await one.sees(number) == "restricted"
    await other.lift(number, own)
    assert await one.sees(number) == []


async def test_a_record_of_nobody_or_of_another_cannot_be_restricted(
    workers: tuple[Worker, Worker], number: str
) -> None:
    one, _ = workers
    others = fresh_number()
    for who in (number, others):
        await one.person(who)
        await one.take(message(who, "4.1"))
    for id_ in (await one.report_of(others, "4.1"), str(one.house.store.ids.make(7))):
        with pytest.raises(Refusal) as refusal:
            await one.choose(number, Wish("record", record=id_))
        assert (refusal.value.status, refusal.value.where, refusal.value.rule) == (404, "record", "choice-invalid")


async def test_while_another_key_of_hers_is_not_marked_all_is_shut(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    former = fresh_number()
    keys = [await one.person(number), await one.person(former)]
    await one.take(message(number, "4.1"))
    await one.choose(number, Wish("restriction", part="pathology"))
    assert await other.sees(number) == ["4.1"]
    async with one.house.store.pool.acquire() as conn:
        await one.house.store.people.link(conn, *keys, "register", "same", NOW)
    assert await other.sees(number) == await one.sees(number) == "restricted"
    assert await one.sees(number, basis="SAMTYKKE") == ["4.1"]


async def test_a_consent_withdrawn_is_over_at_once(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    await one.person(number)
    await one.take(message(number, "4.1"))
    midwife = {"authorization": "JO", "purpose": "TREAT"}
    assert await one.sees(number, **midwife) == "consent-missing"
    held = await one.choose(number, Wish("consent", organisation="100000008", course="decision-1"))
    assert await other.sees(number, **midwife) == ["4.1"]
    assert await other.sees(number, **midwife, decision_id="decision-2") == "consent-missing"
    await other.lift(number, held)
    assert await one.sees(number, **midwife) == "consent-missing"


async def test_every_change_is_kept_with_who_and_when(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    key = await one.person(number)
    held = await one.choose(number, Wish("restriction"))
    await other.lift(number, held)
    await one.choose(number, Wish("restriction", part="genetics"))
    found = await one.as_herself(number, lambda grant: one.choosing.held(grant, ended=True))
    assert {(one.choice.part, one.set_by, one.ended_by) for one in found} == {
        ("genetics", "own-choices", ""),
        ("", "own-choices", "own-choices"),
    }
    rows = await one.house.store.pool.fetch("SELECT set_by, ended_by FROM privacy_choice WHERE patient = $1", key)
    assert {row["set_by"] for row in rows} == {key}
    # Three changes, and that they were read.
    assert await one.house.store.pool.fetchval(
        "SELECT count(*) FROM audit WHERE patient = $1 AND action = 'choose' AND outcome = 0", key
    ) == 4  # fmt: skip


async def test_regretted_within_thirty_days_all_is_back_whole(workers: tuple[Worker, Worker], number: str) -> None:
    one, other = workers
    key = await one.person(number)
    await one.take(message(number, "4.1", id_="31"))
    await one.take(message(number, "4.2", id_="31", service="M"))
    before = await one.house.store.pool.fetch("SELECT * FROM record WHERE patient = $1 ORDER BY type, id", key)
    held = await one.choose(number, Wish("opt-out"))
    due = "SELECT due_at FROM job WHERE kind = $1 AND key = $2"
    job = KIND, f"{key}:{held.number}"
    assert await one.house.store.pool.fetchval(due, *job) == NOW + REGRET
    await other.lift(number, held)
    assert await one.house.store.pool.fetchval(due, *job) is None
    assert await one.house.store.pool.fetch("SELECT * FROM record WHERE patient = $1 ORDER BY type, id", key) == before
    assert await one.sees(number) == await other.sees(number) == ["4.2"]


async def test_deletion_while_others_read_and_a_message_arrives(workers: tuple[Worker, Worker], number: str) -> None:
    """Readers see all or nothing, the message is in before or not kept at all, and nothing of hers is left."""
    one, other = workers
    key = await one.person(number)
    for value in ("4.1", "4.2", "4.3"):
        await one.take(message(number, value))
    held = await one.choose(number, Wish("opt-out"))
    clock = FixedClock(NOW + REGRET)
    eraser = Eraser(one.house.store.pool, clock, types_by_service(), one.house.store.wrap.shares)
    citizen = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=one.house.digest(number), level=4)

    async def read(worker: Worker) -> set[int]:
        async def use(grant: Grant) -> int:
            async with worker.house.store.pool.acquire() as conn:
                return len(await worker.house.reader.current_of(conn, grant, TYPES, 1000))

        counts = set()
        for _ in range(20):
            try:
                ref = PatientRef(digest=worker.house.digest(number))
                counts.add(await granted(worker.admit(citizen), ref, "results", "search", use))
            except Refusal as refusal:
                assert refusal.status == 503
        return counts

    async def send(worker: Worker) -> list[bool]:
        return [
            (await worker.house.intake.take(message(number, f"9.{n}"), LAB, worker.admit(LAB))).accepted
            for n in range(5)
        ]

    job = Job(KIND, f"{key}:{held.number}", NOW + REGRET)
    read_one, read_other, sent, *_ = await asyncio.gather(
        read(one), read(other), send(other), eraser.erase(job), eraser.erase(job)
    )
    assert read_one | read_other <= {0, 6}
    assert sent == [False] * 5
    for table in ("record", "record_history", "report_source", "report_version"):
        assert await one.house.store.pool.fetchval(f"SELECT count(*) FROM {table} WHERE patient = $1", key) == 0
    kept = await one.house.store.pool.fetch(
        "SELECT sealed FROM message_in WHERE about && $1::bytea[] AND sealed <> ''", [one.house.digest(number)]
    )
    assert kept == []
    assert await one.house.store.pool.fetchval("SELECT destroyed FROM person WHERE patient = $1", key) == ["results"]


SEED = 20261126


class Model:
    """What is in force, written down the plainest way, and what a doctor, a nurse and a second doctor then see."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.filed: dict[str, str] = {}

    def sees(self, hpr: str, role: str) -> list[str] | str:
        def against(choice: Any) -> bool:
            return choice.role in ("", {"LE": "doctors", "SP": "nurses"}[role])

        choices = [one.choice for one in self.held]
        if any(choice.kind == "block" and choice.hpr == hpr for choice in choices):
            return "blocked-by-name"
        if any(choice.kind == "opt-out" for choice in choices):
            return "opted-out"
        restricted = [choice for choice in choices if choice.kind == "restriction" and against(choice)]
        if any(not choice.part for choice in restricted):
            return "restricted"
        shut = {choice.part for choice in restricted}
        return sorted(value for value, kind in self.filed.items() if kind not in shut)


WISHES = (
    *(Wish("block", hpr=hpr) for hpr in DOCTORS),
    Wish("restriction"), Wish("opt-out"),
    *(Wish("restriction", role=role) for role in ("doctors", "nurses")),
    *(Wish("restriction", part=part, role=role) for part in ("laboratory", "pathology") for role in ("", "nurses")),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
async def test_any_history_of_choices_is_lived_by(workers: tuple[Worker, Worker], number: str, seed: int) -> None:
    chance, model = Random(SEED + seed), Model()
    await workers[0].person(number)
    for step in range(25):
        worker = chance.choice(workers)
        deed = chance.choice(("choose", "choose", "lift", "lift", "file"))
        if deed == "file" and not any(one.choice.kind == "opt-out" for one in model.held):
            kind = chance.choice(("laboratory", "pathology"))
            value = f"{step + 1}.5"
            await worker.take(message(number, value, {"laboratory": "CLIN", "pathology": "PAT"}[kind]))
            model.filed[value] = kind
        elif deed == "choose":
            wish = chance.choice(WISHES)
            try:
                model.held.append(await worker.choose(number, wish))
            except Refusal as refusal:
                assert refusal.rule == "choice-in-force"
        elif deed == "lift" and model.held:
            held = model.held.pop(chance.randrange(len(model.held)))
            await worker.lift(number, held)
        for hpr, role in ((DOCTORS[0], "LE"), (DOCTORS[1], "LE"), (DOCTORS[0], "SP")):
            reader = chance.choice(workers)
            assert await reader.sees(number, hpr, authorization=role) == model.sees(hpr, role), (step, deed)
