"""Citizens told that somebody has looked: by a real mail server, once for each look, and no longer than the law allows."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as Handler

from kjerne import housekeeping, notifying
from kjerne.access import NO_LABEL, Caller, Grant, Tie
from kjerne.clock import FixedClock
from kjerne.exchange import PatientRef
from kjerne.notifying import Notifier, Post
from kjerne.policy.rules import decide
from kjerne.settings import Settings
from kjerne.store import audit, subjects
from kjerne.store import notifying as rows
from kjerne.store.house import Store, open_store
from kjerne.store.keys import Keys
from kjerne.store.notifying import LEASE, Profile, Waiting
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.shares import NAME, Shares
from kjerne.store.subjects import PersonDetail
from ports import free_port
from settling import settled

START = datetime(2026, 11, 23, 12, 10, tzinfo=UTC)
KEYS = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
DOCTOR = Caller(
    "practitioner", "ehr", frozenset(), digest=b"doctors-digest-1", name="Ola Hagen", hpr="9000001", level=4
)


class Inbox(Handler):
    """What the mail server took; `answer` is what it says to the next message instead."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Message] = []
        self.answer = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        return self.answer or str(await super().handle_DATA(server, session, envelope))

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Any, envelope: Any, address: str, rcpt_options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Message) -> None:
        self.taken.append(message)


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    handler = Inbox()
    port = free_port()
    server = Controller(handler, hostname="127.0.0.1", port=port)
    server.start()
    yield handler, port
    server.stop()


@dataclass
class World:
    """A store with a patient and her parent, a notifier over it, and a mail server."""

    store: Store
    clock: FixedClock
    inbox: Inbox
    settings: Settings
    patient: int = 0
    digest: bytes = b""
    parent: int = 0
    parents: bytes = b""
    notifier: Notifier = field(init=False)

    def __post_init__(self) -> None:
        self.notifier = Notifier(self.store.pool, self.clock, KEYS, self.settings)

    async def person(self, born: date, *ties: Tie, address: str = "Storgata 1") -> tuple[int, bytes]:
        digest = secrets.token_bytes(16)
        given = Identifier(digest, "FNR", secrets.token_hex(6), date(2000, 1, 1))
        new = NewPerson(PersonDetail("Kari", born, address=address), (given,), synthetic=True, ties=ties)
        async with self.store.pool.acquire() as conn:
            return (await self.store.people.register(conn, [new], START))[0], digest

    async def grant(self, digest: bytes, patient: int) -> Grant:
        caller = Caller("citizen", "pages", frozenset({"kjerne:citizen"}), digest=digest, level=4)
        async with self.store.pool.acquire() as conn:
            loaded = await subjects.load(conn, PatientRef(key=patient), caller, self.store.wrap)
        assert loaded
        grant = decide(caller, loaded[0], "results", "choose", now=self.clock.now())
        assert isinstance(grant, Grant)
        return grant

    async def choose(self, how: str = "at-once", *, digest: bytes = b"", patient: int = 0, **more: str) -> None:
        grant = await self.grant(digest or self.digest, patient or self.patient)
        kept = {"channel": "email", "address": "kari@example.test", "language": "nb"} | more
        async with self.store.pool.acquire() as conn, conn.transaction():
            await rows.choose(conn, grant, self.store.wrap, Profile(how, since=self.clock.now(), **kept))

    async def look(self, caller: Caller = DOCTOR, *, patient: int = 0, outcome: int = 0, **changes: Any) -> None:
        async with self.store.pool.acquire() as conn:
            loaded = await subjects.load(conn, PatientRef(key=patient or self.patient), caller, self.store.wrap)
            assert loaded
            now = self.clock.now()
            told: dict[str, Any] = {"action": "search", "rule": "gp", "purpose": "TREAT", "basis": ""} | changes
            grant = Grant(
                caller, loaded[0], "results", told["action"], told["rule"], "§ 19", "", told["purpose"], told["basis"],
                NO_LABEL, False, now, "c",
            )  # fmt: skip
            row = audit.given(grant)
            await audit.insert(conn, (*row[:3], outcome, *row[4:]))

    async def work(self) -> list[str]:
        """What was told since last time, of all that was committed: the log is read up to the oldest open transaction."""
        async with self.store.pool.acquire() as conn:
            await settled(conn)
        before = len(self.inbox.taken)
        await self.notifier.work()
        return [str(message["to"]) for message in self.inbox.taken[before:]]

    async def waiting(self, patient: int = 0) -> list[Any]:
        return list(
            await self.store.pool.fetch(
                "SELECT * FROM notify_outbox WHERE patient = $1 ORDER BY due_at", patient or self.patient
            )
        )


@pytest.fixture
async def world(dsn: str, inbox: tuple[Inbox, int], tmp_path: Path) -> AsyncIterator[World]:
    store = await open_store(dsn, KEYS, Shares.made(tmp_path / NAME, KEYS, ["results"]), pool_size=4)
    for table in ("notify_profile", "notify_outbox", "job"):
        await store.pool.execute(f"DELETE FROM {table}")
    settings = Settings(
        smtp_host="127.0.0.1", smtp_port=inbox[1], smtp_tls="none", smtp_from="kjerne@example.test",
        sms_gateway="sms.example.test", public_url="https://kjerne.example.test",
    )  # fmt: skip
    found = World(store, FixedClock(START), inbox[0], settings)
    found.patient, found.digest = await found.person(date(1980, 5, 17))
    await found.notifier.work()  # the log of other tests
    yield found
    await store.close()


async def test_a_look_is_told_at_once_and_says_nothing_of_it(world: World) -> None:
    await world.choose()
    await world.look()
    assert await world.work() == ["kari@example.test"]
    (message,) = world.inbox.taken
    body = str(message.get_payload(decode=True), "utf-8")
    assert "Noen har sett i opplysningene dine" in body
    assert "https://kjerne.example.test/me/log" in body
    for secret in ("Ola", "Hagen", "Kari", "prøve", "svar", "lege"):
        assert secret not in body + str(message["subject"]), secret
    assert message["auto-submitted"] == "auto-generated"
    assert await world.work() == [], "once"


async def test_one_visit_is_one_message_and_another_reader_or_hour_another(world: World) -> None:
    await world.choose()
    for _ in range(4):
        await world.look()
    await world.look(replace(DOCTOR, digest=b"nurses-digest-12"))
    assert len(await world.work()) == 2
    await world.look()
    assert await world.work() == []
    world.clock.move(timedelta(hours=1))
    await world.look()
    assert len(await world.work()) == 1


async def test_what_is_told_once_a_day_is_told_at_eight_the_next_morning(world: World) -> None:
    await world.choose("daily")
    await world.look()
    await world.look(replace(DOCTOR, digest=b"nurses-digest-12"))
    assert await world.work() == []
    (waiting,) = await world.waiting()
    assert waiting["due_at"] == datetime(2026, 11, 24, 7, tzinfo=UTC), "08:00 in Norway"
    world.clock.move(timedelta(hours=18, minutes=49))
    assert await world.work() == []
    world.clock.move(timedelta(minutes=1))
    assert len(await world.work()) == 1


@pytest.mark.parametrize(
    "special", [{"purpose": "ETREAT"}, {"basis": "AKUTT"}, {"rule": "break-glass"}, {"rule": "restriction-opened"}]
)
async def test_an_emergency_is_told_at_once_whatever_is_chosen(world: World, special: dict[str, str]) -> None:
    await world.choose("daily")
    await world.look(**special)
    assert len(await world.work()) == 1


async def test_refusals_own_looks_filing_and_what_was_before_the_choice_are_not_told(world: World) -> None:
    await world.look()
    world.clock.move(timedelta(minutes=1))
    await world.choose()
    await world.look(outcome=audit.REFUSED)
    await world.look(replace(DOCTOR, digest=world.digest))
    await world.look(Caller("system", "lab", frozenset()), action="file")
    await world.look(Caller("citizen", "pages", frozenset(), digest=world.digest))
    assert await world.work() == []
    assert await world.waiting() == []


async def test_turned_off_it_stops_and_the_address_is_gone(world: World) -> None:
    await world.choose("daily")
    await world.look()
    await world.work()
    async with world.store.pool.acquire() as conn, conn.transaction():
        await rows.stop(conn, await world.grant(world.digest, world.patient))
    await world.look()
    world.clock.move(timedelta(days=2))
    assert await world.work() == []
    assert await world.waiting() == []
    assert await world.store.pool.fetchval("SELECT count(*) FROM notify_profile") == 0


async def test_a_changed_choice_loses_nothing_that_waits(world: World) -> None:
    await world.choose("daily")
    await world.look()
    await world.work()
    await world.look(replace(DOCTOR, digest=b"nurses-digest-12"))
    world.clock.move(timedelta(seconds=1))
    await world.choose(address="new@example.test")
    assert await world.work() == ["new@example.test"], "a look in the moment of the change"
    world.clock.move(timedelta(days=1))
    assert await world.work() == ["new@example.test"], "what waited for the morning"


async def test_an_address_lies_sealed(world: World) -> None:
    await world.choose(address="kari.nordvik@example.test")
    row = str(await world.store.pool.fetchrow("SELECT * FROM notify_profile WHERE patient = $1", world.patient))
    assert "nordvik" not in row
    async with world.store.pool.acquire() as conn:
        held = await rows.profile(conn, await world.grant(world.digest, world.patient), world.store.wrap)
    assert held is not None
    assert held.address == "kari.nordvik@example.test"


async def test_a_server_that_is_away_is_tried_again_and_nothing_is_lost(world: World) -> None:
    await world.choose()
    world.inbox.answer = "451 not now"
    await world.look()
    assert await world.work() == []
    (row,) = await world.waiting()
    assert (row["tries"], row["due_at"], row["sent_at"]) == (1, START + timedelta(minutes=1), None)
    world.inbox.answer = ""
    assert await world.work() == [], "not before its time"
    world.clock.move(timedelta(minutes=1))
    assert await world.work() == ["kari@example.test"]


async def test_nobody_at_the_address_and_three_days_of_silence_end_it(world: World) -> None:
    await world.choose(address="nobody@example.test")
    await world.look()
    assert await world.work() == []
    (row,) = await world.waiting()
    assert row["given_up_at"] == START
    await world.choose()
    world.inbox.answer = "451 not now"
    world.clock.move(timedelta(hours=1))
    await world.look()
    await world.work()
    world.clock.move(timedelta(days=3, hours=1))
    await world.work()
    assert (await world.waiting())[-1]["given_up_at"] == world.clock.now()


async def test_a_parent_is_told_until_the_child_turns_twelve(world: World) -> None:
    world.parent, world.parents = await world.person(date(1985, 1, 1))
    child, _ = await world.person(date(2014, 11, 24), Tie("parent", key=world.parent))
    await world.choose(digest=world.parents, patient=child)
    await world.look(patient=child)
    assert len(await world.work()) == 1
    assert "en du er foreldre til" in str(world.inbox.taken[-1].get_payload(decode=True), "utf-8")
    world.clock.move(timedelta(days=1))
    await world.look(patient=child)
    assert await world.work() == []
    assert (await world.waiting(child))[-1]["given_up_at"] == world.clock.now()


async def test_a_look_under_another_key_of_the_same_person_is_told(world: World) -> None:
    await world.choose()
    other, _ = await world.person(date(1980, 5, 17))
    async with world.store.pool.acquire() as conn:
        await world.store.people.link(conn, world.patient, other, "test", "same person", START)
    await world.look(patient=other)
    assert len(await world.work()) == 1


async def test_two_workers_make_and_send_each_message_once(world: World) -> None:
    await world.choose()
    for number in range(6):
        await world.look(replace(DOCTOR, digest=f"digest-number-{number:02}".encode()))
    other = Notifier(world.store.pool, world.clock, KEYS, world.settings)
    await asyncio.gather(world.notifier.work(), other.work())
    assert len(world.inbox.taken) == 6
    assert len({message["message-id"] for message in world.inbox.taken}) == 6


async def test_no_transaction_stands_open_while_the_mail_server_thinks(world: World) -> None:
    await world.choose()
    await world.look()
    open_since = []

    class Slow(Post):
        def send(self, message: EmailMessage) -> None:
            asyncio.run_coroutine_threadsafe(self.asked(), loop).result()

        async def asked(self) -> None:
            open_since.append(
                await world.store.pool.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
                )
            )

    loop = asyncio.get_running_loop()
    notifier = Notifier(world.store.pool, world.clock, KEYS, world.settings, Slow(world.settings))
    await notifier.work()
    assert open_since == [0]
    (row,) = await world.waiting()
    assert row["sent_at"] is not None


async def test_who_dies_while_sending_leaves_the_message_to_another(world: World) -> None:
    await world.choose()
    await world.look()

    class Dying(Post):
        def send(self, message: EmailMessage) -> None:
            raise RuntimeError("the worker died")

    dying = Notifier(world.store.pool, world.clock, KEYS, world.settings, Dying(world.settings))
    with pytest.raises(RuntimeError, match="died"):
        await dying.work()
    assert await world.work() == [], "not while it may still be at it"
    world.clock.move(LEASE)
    assert await world.work() == ["kari@example.test"]


async def test_a_message_sent_twice_has_one_name(world: World) -> None:
    one = Waiting(1, 1, "k", START, 0, b"", "sms", b"", "en")
    first, again = (notifying.composed(world.settings, one, "+4798765432", own=True) for _ in range(2))
    assert first["message-id"] == again["message-id"]
    assert first["to"] == "4798765432@sms.example.test"
    assert "Somebody has looked" in first.get_content()


async def test_the_worker_tells_by_the_clock_and_without_a_mail_server_never(world: World) -> None:
    await world.choose()
    await world.look()
    silent = housekeeping.teller(world.store.pool, world.clock, KEYS, Settings())
    await silent.start()
    await silent.run_due()
    assert world.inbox.taken == []
    worker = housekeeping.teller(world.store.pool, world.clock, KEYS, world.settings)
    await worker.start()
    await worker.run_due()
    assert len(world.inbox.taken) == 1
    due = await world.store.pool.fetchval("SELECT due_at FROM job WHERE kind = 'notify'")
    assert due == START + housekeeping.TOLD_EVERY


def test_waiting_doubles_to_six_hours() -> None:
    assert [notifying.wait(tries) for tries in (0, 1, 2, 20)] == [
        timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4), timedelta(hours=6),
    ]  # fmt: skip


async def linked(world: World) -> tuple[int, bytes]:
    """Another number of hers, or of somebody who is taken for her."""
    other, digest = await world.person(date(1980, 5, 17))
    async with world.store.pool.acquire() as conn:
        await world.store.people.link(conn, world.patient, other, "test", "same person", START)
    return other, digest


async def test_what_was_chosen_under_a_former_number_is_stopped_under_the_new_one(world: World) -> None:
    await world.choose("daily")
    await world.look()
    await world.work()
    other, digest = await linked(world)
    grant = await world.grant(digest, other)
    async with world.store.pool.acquire() as conn, conn.transaction():
        held = await rows.profile(conn, grant, world.store.wrap)
        assert held is not None
        assert (held.how, held.address) == ("daily", ""), "the address is told under its own number alone"
        await rows.stop(conn, grant)
        assert await rows.profile(conn, grant, world.store.wrap) is None
    await world.look()
    await world.look(patient=other)
    world.clock.move(timedelta(days=2))
    assert await world.work() == []


async def test_what_is_chosen_under_the_new_number_stands_alone_and_loses_nothing_that_waits(world: World) -> None:
    await world.choose("daily")
    await world.look()
    await world.work()
    other, digest = await linked(world)
    await world.choose("daily", digest=digest, patient=other, address="new@example.test")
    world.clock.move(timedelta(days=1))
    assert await world.work() == ["new@example.test"]
    await world.look()
    world.clock.move(timedelta(days=1))
    assert await world.work() == ["new@example.test"]


async def test_a_link_alone_overwrites_nothing_and_an_undone_one_gives_each_back_her_own(world: World) -> None:
    other, digest = await world.person(date(1980, 5, 17))
    await world.choose("daily")
    await world.choose("daily", digest=digest, patient=other, address="other@example.test")
    async with world.store.pool.acquire() as conn:
        await world.store.people.link(conn, world.patient, other, "test", "same person", START)
    await world.look()
    await world.work()
    world.clock.move(timedelta(days=1))
    assert sorted(await world.work()) == ["kari@example.test", "other@example.test"], "who was told is told on"
    async with world.store.pool.acquire() as conn, conn.transaction():
        await rows.stop(conn, await world.grant(digest, other))
    await world.choose("daily", digest=digest, patient=other, address="other@example.test")
    async with world.store.pool.acquire() as conn:
        await world.store.people.unlink(conn, world.patient, other, "test", world.clock.now())
    await world.look()
    await world.work()
    world.clock.move(timedelta(days=1))
    assert await world.work() == ["kari@example.test"]


async def test_a_wrong_link_of_two_children_overwrites_neither_profile_of_their_parent(world: World) -> None:
    world.parent, world.parents = await world.person(date(1985, 1, 1))
    one, other = [(await world.person(date(2020, 1, 1), Tie("parent", key=world.parent)))[0] for _ in range(2)]
    await world.choose(digest=world.parents, patient=one)
    await world.choose(digest=world.parents, patient=other, address="other@example.test")
    async with world.store.pool.acquire() as conn:
        await world.store.people.link(conn, one, other, "test", "same person", START)
    await world.choose(digest=world.parents, patient=one, address="one@example.test")
    await world.look(patient=other)
    assert await world.work() == ["one@example.test"]
    async with world.store.pool.acquire() as conn:
        await world.store.people.unlink(conn, one, other, "test", START)
    world.clock.move(timedelta(hours=1))
    await world.look(patient=other)
    assert await world.work() == ["other@example.test"]
