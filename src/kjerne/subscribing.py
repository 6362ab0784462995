"""Subscribers told what is new: weighed by the law when it is told, sent in order, again until it is taken.

A turn reads what has changed (`store.subscriptions.derive`), takes the subscriptions that have something to do, weighs it
patient by patient in a transaction with a row in the log for each message, sends the messages with no transaction open, and
writes what became of them. A message may come more than once, and is known by its events' numbers; of one subscription there
is never more than one on its way.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final
from uuid import UUID, uuid4

import structlog

from kjerne.access import Caller, Denial, Grant
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import ATTEMPTS, Pairs, PatientRef, Stale
from kjerne.fhir import search as searching
from kjerne.fhir import subscribing
from kjerne.fhir.dates import EARLIEST
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode
from kjerne.fhir.fitting import Weighed, fits, weighed
from kjerne.fhir.search import Plan, counted
from kjerne.fhir.subscribing import Asked, Telling, Told, content_of, message
from kjerne.jobs import AWAY
from kjerne.policy.rules import decide
from kjerne.policy.table_subscribing import TOLD_OF
from kjerne.registries.receivers import Receiver, Receivers
from kjerne.services.subscriptions import Kept, action_of, opened
from kjerne.settings import Settings
from kjerne.store import audit, sockets, subjects, subscriptions, telling
from kjerne.store.codec import Dictionaries, Wrap
from kjerne.store.house import load_dictionaries
from kjerne.store.keys import Keys, Sealer
from kjerne.store.participation import Takers
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import Reader, Record
from kjerne.store.records import hold
from kjerne.store.shares import Shares
from kjerne.store.subscriptions import Due, Event, Outcome, Subscription
from kjerne.store.telling import Named, Version
from kjerne.wire import search
from kjerne.wire.hooks import Hooks, NotTaken

log = structlog.get_logger("kjerne.subscribing")

AT_ONCE: Final = 1_000
LOOK_SECONDS: Final = 0.2
"""How late what is new may be noticed."""
SWEEP_EVERY: Final = timedelta(hours=1)
OFF_AFTER: Final = timedelta(days=3)
"""How long a receiver may take nothing before its subscription is off."""
WAIT_SECONDS: Final = 1.0
"""How long the next turn waits for receivers of this one."""
BEGUN_SECONDS: Final = 60.0
"""A message that cannot be begun in that time is left for another turn: it ends before its lease does."""
RECEIVERS_AT_ONCE: Final = 100
READ_LIMIT: Final = 10_000
CHANNEL: Final = "rest-hook"
_AUDIT_COLUMNS: Final = (*audit.COLUMNS.split(", "), "types", "ids", "versions")


@dataclass
class Turn:
    """One subscription in one turn: what it asked for, who is told, and what comes of it."""

    one: Subscription
    kept: Kept
    asked: Asked
    caller: Caller
    answer: Grant | Denial | None = None
    wider: Grant | None = None
    """Where scopes of the token that binds a socket narrow what is told: what the law opens to the same caller without them."""
    dues: list[Due] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    fresh: list[Event] = field(default_factory=list)
    aside: list[Due] = field(default_factory=list)
    """What is not told for want of scope alone: it waits for a token that opens it."""
    told: Told | None = None
    tellings: list[Telling] = field(default_factory=list)
    more: bool = False
    """Whether there is something to do again at once."""
    weighed: bool = True

    @property
    def grant(self) -> Grant | None:
        return self.answer if isinstance(self.answer, Grant) else None


@dataclass(frozen=True)
class Deliverer:
    """Tells the subscribers of one database by rest-hook. It needs two connections. (`kjerne.socketing` tells by sockets.)"""

    pool: Pool
    clock: Clock
    keys: Keys
    shares: Shares
    settings: Settings
    hooks: Hooks = field(default_factory=Hooks)
    underway: set[asyncio.Task[None]] = field(default_factory=set)
    """Messages that are being sent, a task for each receiver."""
    read: dict[tuple[UUID, int], tuple[Kept, Asked]] = field(default_factory=dict, repr=False)
    """What subscriptions say, by version: it is opened once."""
    tended: list[datetime] = field(default_factory=list)
    """When `tend` was done last."""
    tend_every: timedelta = SWEEP_EVERY

    @cached_property
    def wrap(self) -> Wrap:
        return Wrap(self.keys.derived("wrap"), self.shares)

    @cached_property
    def dictionaries(self) -> Dictionaries:
        return Dictionaries()

    @cached_property
    def reader(self) -> Reader:
        return Reader(self.wrap, self.dictionaries)

    @cached_property
    def sealer(self) -> Sealer:
        return Sealer(self.keys.derived("subscription"))

    @cached_property
    def takers(self) -> Takers:
        return Takers(self.pool)

    @cached_property
    def receivers(self) -> Receivers:
        return Receivers(self.settings.subscribers_file, sandbox=self.settings.mode == "sandbox")

    @property
    def base(self) -> str:
        own = self.settings
        return f"{own.public_url or f'http://{own.host}:{own.port}'}/fhir/R4"

    async def run_forever(self) -> None:
        """Tell until cancelled. A database that is away is waited for."""
        while True:
            await self.round()

    async def round(self) -> None:
        """One turn and, where it is time, what is done now and then; a short wait where there was nothing."""
        idle = True
        try:
            idle = not await self.work()
            now = self.clock.now()
            if not self.tended or now - self.tended[0] >= self.tend_every:
                await self.tend(now)
                self.tended[:] = [now]
        except AWAY as error:
            log.warning("database gone", kind=type(error).__name__)
        except Exception:
            # The edge of this work, as jobs.Worker is of the others: what was taken is taken up when its lease is over.
            log.exception("subscribers not told")
        if idle:
            await asyncio.sleep(LOOK_SECONDS)

    async def tend(self, now: datetime) -> None:
        """Forgets what is over."""
        async with self.pool.acquire() as conn, conn.transaction():
            await sockets.sweep(conn, now)
            await subscriptions.sweep(conn, now)

    async def run_due(self) -> None:
        """Tell what is to be told now."""
        while await self.work() or self.underway:
            if self.underway:
                await asyncio.wait(self.underway)

    async def work(self) -> bool:
        """One turn; whether there may be more to do at once. A receiver that is slow is waited for beside the next turns."""
        now = self.clock.now()
        more, taken = await self.taken(now)
        if not taken:
            return more
        by_patient = defaultdict[int, list[Turn]](list)
        for one in taken:
            try:
                by_patient[one.patient].append(await self.turn(one))
            except Exception:
                # One that cannot be read is passed by until its lease is over, and keeps no other waiting.
                log.exception("subscription not read")
        by_receiver = defaultdict[str, list[Turn]](list)
        for patient, turns in by_patient.items():
            await self._weighed(patient, turns, now)
            for turn in turns:
                by_receiver[self.receiver_of(turn)].append(turn)
        begun = [asyncio.create_task(self._told_all(turns, now)) for turns in by_receiver.values()]
        for task in begun:
            self.underway.add(task)
            task.add_done_callback(self.underway.discard)
        await asyncio.wait(begun, timeout=WAIT_SECONDS)
        return True

    async def taken(self, now: datetime) -> tuple[bool, list[Subscription]]:
        """Whether there may be more that is new, and the subscriptions that have something to do."""
        async with self.pool.acquire() as conn:
            new, due = await subscriptions.look(conn, CHANNEL, now)
            looked = await subscriptions.derive(conn, now) if new else 0
            room = len(self.underway) < RECEIVERS_AT_ONCE
            found = await subscriptions.claim(conn, CHANNEL, now, AT_ONCE) if room and (new or due) else []
        return looked >= subscriptions.ROWS_AT_ONCE, found  # fewer: what comes meanwhile is read together

    def receiver_of(self, turn: Turn) -> str:
        """Who is sent a turn's message: messages to one go together, and keep no other waiting."""
        return turn.asked.url.partition("://")[2].partition("/")[0]

    def caller_of(self, one: Subscription, kept: Kept) -> Caller:  # noqa: ARG002 - by a socket it depends on that
        """Who is told."""
        return kept.caller

    async def _told_all(self, turns: Sequence[Turn], now: datetime) -> None:
        """The messages to one receiver, and what became of them."""
        until = asyncio.get_running_loop().time() + BEGUN_SECONDS
        outcomes = await asyncio.gather(*(self._sent(turn, now, until) for turn in turns))
        try:
            async with self.pool.acquire() as conn:
                await subscriptions.settle(conn, outcomes, self.clock.now())
        except AWAY as error:
            # They are told once more when their lease is over.
            log.warning("database gone", kind=type(error).__name__)

    async def turn(self, one: Subscription) -> Turn:
        """A turn of one: what it asks for, and the caller with what the registers have of her now."""
        kept, asked = self.known(one)
        return Turn(one, kept, asked, await self.takers.told(self.caller_of(one, kept)))

    def known(self, one: Subscription) -> tuple[Kept, Asked]:
        """What one says."""
        known = self.read.get((one.id, one.version))
        if known is None:
            kept = opened(self.sealer, one.id, one.told)
            if len(self.read) >= READ_LIMIT:
                self.read.clear()
            known = self.read[one.id, one.version] = kept, subscribing.asked(decode(kept.raw), TOLD_OF, (one.service,))
        return known

    async def _weighed(self, patient: int, turns: Sequence[Turn], now: datetime) -> None:
        """What the law lets each be told now, with its row in the log: durable before anything is sent."""
        active = [turn for turn in turns if turn.one.state in ("active", "error") and not _has_ended(turn.one, now)]
        if not active:
            return
        for _ in range(ATTEMPTS):
            try:
                async with self.pool.acquire() as conn, conn.transaction():
                    await self._weigh(conn, patient, active, now)
            except Stale:
                pass  # a choice of hers was made meanwhile: the law is asked again
            except KeyError:
                # A dictionary that came into use since the last look.
                await ready(self)
            else:
                return
            for turn in active:
                turn.answer, turn.wider, turn.told = None, None, None
                turn.dues, turn.events, turn.fresh, turn.aside, turn.tellings = [], [], [], [], []
        for turn in active:
            turn.weighed = False

    async def _weigh(self, conn: Connection, patient: int, turns: Sequence[Turn], now: datetime) -> None:
        by_id = {turn.one.id: turn for turn in turns}
        for event in await subscriptions.unsent(
            conn, patient, [(one.id, one.sent) for one in _of(turns)], subscribing.MOST_EVENTS
        ):
            by_id[event.subscription].events.append(event)
        for due in await subscriptions.pending(conn, patient, list(by_id), subscribing.MOST_EVENTS):
            turn = by_id[due.subscription]
            if len(turn.events) + len(turn.dues) < turn.asked.most:
                turn.dues.append(due)
            turn.more = turn.more or len(turn.dues) == turn.asked.most or due not in turn.dues
        turns = [turn for turn in turns if turn.dues or turn.events]
        if not turns:
            return
        await self.ask(conn, patient, turns, now)
        weighing = _Weighing(conn, self.reader, now)
        told_of = await subscriptions.told_of(conn, patient, [due for turn in turns for due in turn.dues])
        narrow = [due for turn in turns if turn.wider for due in turn.dues]
        waits = await subscriptions.waiting(conn, patient, narrow) if narrow else set()
        await weighing.read(turns)
        rows = []
        for turn in turns:
            await self._number(weighing, turn, told_of, waits, now)
            if turn.grant is None or turn.events:
                rows.append(await self._told(weighing, turn))
        fresh = [event for turn in turns for event in turn.fresh]
        aside = {due for turn in turns for due in turn.aside}
        weighed = [due for turn in turns for due in turn.dues if due not in aside]
        await subscriptions.number(conn, patient, weighed, fresh)
        await subscriptions.set_aside(conn, patient, aside, now)
        await conn.copy_records_to_table("audit", records=rows, columns=_AUDIT_COLUMNS)

    async def ask(self, conn: Connection, patient: int, turns: Sequence[Turn], now: datetime) -> None:
        """Asks the law for each caller; the patient's facts are read once for all systems, and held until all is written."""
        answers: dict[tuple[Caller, str, str], Grant | Denial] = {}
        systems = [turn.caller for turn in turns if turn.caller.kind == "system"]
        places = {place for one in systems for place in (one.organisation, one.point_of_care) if place}
        shared = await self._subject(conn, patient, systems[0], places) if systems else None
        held = False
        for turn in turns:
            # By caller and not by owner: two tokens of one owner may leave different things.
            caller = turn.caller
            whose = (caller, turn.one.service, turn.kept.basis)
            if whose not in answers:
                subject = shared if caller.kind == "system" else await self._subject(conn, patient, caller, ())
                for asked in {caller, _wider(turn)}:
                    answer = decide(asked, subject, turn.one.service, action_of(asked), basis=turn.kept.basis, now=now)
                    if isinstance(answer, Grant) and not held:
                        await hold(conn, answer)
                        held = True
                    answers[asked, turn.one.service, turn.kept.basis] = answer
            turn.answer = replace(answers[whose], correlation=uuid4().hex)
            # Nothing leaves by this one, so it has no row: it says what is worth keeping.
            wider = answers.get((_wider(turn), turn.one.service, turn.kept.basis)) if _wider(turn) != caller else None
            turn.wider = wider if isinstance(wider, Grant) else None

    async def _subject(self, conn: Connection, patient: int, caller: Caller, also: Any) -> Any:
        loaded = await subjects.load(conn, PatientRef(key=patient), caller, self.wrap, also=also)
        return loaded[0] if loaded else None

    async def _number(
        self,
        weighing: _Weighing,
        turn: Turn,
        told_of: dict[tuple[UUID, int, UUID], tuple[int, bool]],
        waits: set[tuple[UUID, int, UUID]],
        now: datetime,
    ) -> None:
        """Gives what may be told, and is asked for, its numbers; the rest is as if it had not been, but for what the scopes of
        this token alone keep back. `waits`: records of which something was kept back before."""
        number = turn.one.events
        for due in turn.dues:
            before = told_of.get(due[:3])  # with what this turn has numbered
            if before is not None and before >= (due.version, due.deleted):
                continue
            if turn.grant and await weighing.passes(turn.grant, turn, due, told=before is not None):
                number += 1
                told_of[due[:3]] = due.version, due.deleted
                turn.fresh.append(Event(due.subscription, number, now, due.type, due.record, due.version, due.deleted))
            elif turn.wider and await weighing.passes(
                turn.wider, turn, due, told=before is not None or due[:3] in waits
            ):
                waits.add(due[:3])
                turn.aside.append(due)
        turn.events = [*turn.events, *turn.fresh][: turn.asked.most]

    async def _told(self, weighing: _Weighing, turn: Turn) -> tuple[Any, ...]:
        """What the message tells; the row of the log that names it, or that of a refusal."""
        named: list[tuple[int, UUID, int]] = []
        for event in turn.events:
            version = weighing.version(turn.grant, event)
            gone = event.deleted and turn.grant is not None and await weighing.is_deleted(turn.grant, event)
            url = f"{self.base}/{type_name(event.type)}/{event.record}"
            served = version.served if version else None
            focus = content_of(url, turn.asked.content, event.version, served, deleted=gone)
            turn.tellings.append(Telling(event.number, event.at, focus))
            if version is not None or gone:
                named.append(event.named)
        if turn.events:
            turn.told = "event-notification"
        row = audit.given(turn.answer) if isinstance(turn.answer, Grant) else audit.refused(_denial(turn))
        names = list(dict.fromkeys(named))
        return (*row, [one[0] for one in names], [one[1] for one in names], [one[2] for one in names])

    async def _sent(self, turn: Turn, now: datetime, until: float) -> Outcome:
        one = turn.one
        if _has_ended(one, now):
            return Outcome(one, one.sent, "off", 0, None, "the subscription has ended", False, None, None)
        if not turn.weighed:
            work_at = now + timedelta(seconds=1)
            return self._outcome(one, one, one.beat_at)._replace(work_at=work_at)
        if one.state == "requested" and turn.asked.is_plain and one.bound is None:
            # R4 knows no handshake: it is active from now on, and what has been noted is told in the next turn.
            one, turn.told, turn.more = replace(one, state="active"), None, True
        elif one.state == "requested":
            # What has been noted meanwhile comes behind it.
            turn.told, turn.more = "handshake", True
        elif turn.told is None and one.beat_at is not None and one.beat_at <= now:
            turn.told = "heartbeat"
        if turn.told is None:
            # Whether nothing was there or nothing may be told, is not to be seen: it is silent until its next beat.
            return self._outcome(one, one, one.beat_at, at_once=now if turn.more else None)
        try:
            await self.post(turn, now, until)
        except TimeoutError:
            # Others at this receiver took all the time: it is not this one that was not taken.
            return self._outcome(one, one, one.beat_at, at_once=self.clock.now())
        except NotTaken as fault:
            return self.not_taken(one, str(fault), now)
        sent = turn.events[-1].number if turn.events else one.sent
        taken = replace(one, sent=sent, state="active", failures=0, failing_since=None, fault="")
        beat = now + timedelta(seconds=turn.asked.heartbeat) if turn.asked.heartbeat else None
        return self._outcome(one, taken, beat, at_once=now if turn.more else None)

    def _outcome(
        self, one: Subscription, after: Subscription, beat_at: datetime | None, at_once: datetime | None = None
    ) -> Outcome:
        work_at = min((at for at in (at_once, beat_at, one.ends_at) if at is not None), default=None)
        return Outcome(
            one, after.sent, after.state, after.failures, after.failing_since, after.fault, True, beat_at, work_at
        )

    def not_taken(self, one: Subscription, fault: str, now: datetime) -> Outcome:
        """What comes of a message that was not taken: it is sent again, later each time, for some days."""
        since, failures = one.failing_since or now, one.failures + 1
        if now - since >= OFF_AFTER:
            log.warning("subscription off", tries=failures)
            return Outcome(one, one.sent, "off", failures, since, fault, True, None, None)
        state = "requested" if one.state == "requested" else "error"
        again = now + subscribing.after(failures)
        return Outcome(one, one.sent, state, failures, since, fault, True, one.beat_at, again)

    async def post(self, turn: Turn, now: datetime, until: float) -> None:
        """Sends a turn's message; `NotTaken` and `TimeoutError` as `wire.hooks` has them."""
        asked = turn.asked
        receiver = self.receivers.find(turn.caller.client, asked.url)
        if receiver is None:
            raise NotTaken("its address is not registered any more")
        if asked.is_plain:
            await self._put(turn, receiver, until)
            return
        headers = (("content-type", "application/fhir+json"), ("accept", "*/*"), *asked.headers)
        await self.hooks.send(receiver, asked.url, headers, self.bundle(turn, now), asked.timeout, until)

    def bundle(self, turn: Turn, now: datetime) -> bytes:
        """A turn's message."""
        assert turn.told is not None
        one = turn.one
        events = turn.events[-1].number if turn.events else one.sent
        state = "requested" if turn.told == "handshake" and not one.begun else "active"
        return message(self.base, str(one.id), state, turn.told, turn.asked.topic, events, turn.tellings, now)

    async def _put(self, turn: Turn, receiver: Receiver, until: float) -> None:
        """In R4's own way (subscription.html): the record under its own name at the endpoint, or that there is something."""
        asked, headers = turn.asked, (("accept", "*/*"), *turn.asked.headers)
        for one in turn.tellings:
            if asked.content == "empty":
                await self.hooks.send(receiver, asked.url, headers, b"", asked.timeout, until)
            elif one.focus is not None and one.focus.resource:
                url = f"{asked.url.rstrip('/')}/{one.focus.url.removeprefix(self.base + '/')}"
                headers = (("content-type", "application/fhir+json"), *headers)
                await self.hooks.send(receiver, url, headers, one.focus.resource, asked.timeout, until, method="PUT")
            # What may not be told any more has no message: here nothing has a number that could be missed.


class _Weighing:
    """What is read for one patient in one turn; what is the same for many is read once."""

    def __init__(self, conn: Connection, reader: Reader, now: datetime) -> None:
        self._conn = conn
        self._reader = reader
        self._now = now
        self._versions: dict[Any, dict[Named, Version]] = {}
        self._weighed: dict[tuple[UUID, int], Weighed] = {}
        self._plans: dict[tuple[str, Pairs], Plan | None] = {}
        self._named: dict[Any, set[Named]] = {}
        self._answers: dict[tuple[str, Pairs, UUID, int], bool] = {}
        self._deleted: dict[Any, bool] = {}

    async def read(self, turns: Sequence[Turn]) -> None:
        """The versions that are new to any, as far as each kind of grant opens them."""
        grants: dict[Any, Grant] = {}
        for turn in turns:
            for grant in (turn.grant, turn.wider):
                if grant is not None:
                    grants.setdefault(_kind(grant), grant)
                    named = self._named.setdefault(_kind(grant), set())
                    named.update(due.named for due in turn.dues if not due.deleted)
                    named.update(event.named for event in turn.events if not event.deleted)
        for kind, grant in grants.items():
            self._versions[kind] = await telling.versions(self._conn, grant, self._reader, self._named[kind])

    def version(self, grant: Grant | None, one: Due | Event) -> Version | None:
        return self._versions[_kind(grant)].get(one.named) if grant else None

    async def is_deleted(self, grant: Grant, one: Due | Event) -> bool:
        """Whether it is gone, and stood open to the grant until then."""
        key = (_kind(grant), one.type, one.record)
        if key not in self._deleted:
            self._deleted[key] = await self._reader.is_gone(self._conn, grant, one.type, one.record)
        return self._deleted[key]

    async def passes(self, grant: Grant, turn: Turn, due: Due, *, told: bool) -> bool:
        """Whether the version is open to the grant, and one of the subscription's filters asks for it as it was written; of a
        deletion, whether the record was told (`told`) and stood open until then."""
        if due.deleted:
            return told and not turn.asked.is_plain and await self.is_deleted(grant, due)
        version = self.version(grant, due)
        if version is None:
            return False
        name = type_name(due.type)
        filters = [pairs for of, pairs in turn.asked.filters if of == name]
        return (
            not turn.asked.filters
            or () in filters
            or any(self._answering(name, pairs, version.record) for pairs in filters)
        )

    def _answering(self, name: str, pairs: Pairs, record: Record) -> bool:
        """Whether a version answers a filter: in memory, once for all who have it, within the steps of a search."""
        key = (name, pairs, record.id, record.version)
        if key not in self._answers:
            try:
                plan = self._plan(name, pairs)
                with counted(asked=False):
                    self._answers[key] = plan is not None and fits(self._opened(record), plan)
            except Refusal:
                self._answers[key] = False
        return self._answers[key]

    def _plan(self, name: str, pairs: Pairs) -> Plan | None:
        """None of a filter that is taken no more: it was when it was made, and a limit that has been lowered since lets
        nothing through."""
        if (name, pairs) not in self._plans:
            # Of all that a filter may say, `ap` alone looks at the time.
            at = self._now if any("ap" in value for _, value in pairs) else EARLIEST
            try:
                self._plans[name, pairs] = _planned(name, pairs, at)
            except Refusal:
                self._plans[name, pairs] = None
        return self._plans[name, pairs]

    def _opened(self, record: Record) -> Weighed:
        key = (record.id, record.version)
        if key not in self._weighed:
            self._weighed[key] = weighed(str(record.id), record.at, decode(record.served))
        return self._weighed[key]


@lru_cache(maxsize=READ_LIMIT)
def _planned(name: str, pairs: Pairs, at: datetime) -> Plan:
    """A filter as it is asked: the same from turn to turn."""
    asked = search.parse(name, pairs, lenient=False, page_size=1, page_size_limit=1, reachable=frozenset())
    return searching.plan(asked, at=at)


def _of(turns: Sequence[Turn]) -> list[Subscription]:
    return [turn.one for turn in turns]


def _kind(grant: Grant) -> Any:
    """What of a patient two grants open alike."""
    return grant.service, grant.subject.keys, int(grant.hides), grant.released_only, grant.caller.limits


def _wider(turn: Turn) -> Caller:
    """Who might bind the socket instead: the same with a token that no SMART scope narrows. What is told by rest-hook is told to
    one caller always."""
    return replace(turn.caller, limits=None) if turn.one.channel == "websocket" else turn.caller


def _denial(turn: Turn) -> Denial:
    assert isinstance(turn.answer, Denial)
    return turn.answer


def _has_ended(one: Subscription, now: datetime) -> bool:
    return one.ends_at is not None and one.ends_at <= now


async def ready(deliverer: Deliverer) -> Deliverer:
    """Knows every dictionary that is in use; one that comes later is met when a record needs it."""
    async with deliverer.pool.acquire() as conn:
        await load_dictionaries(conn, deliverer.dictionaries)
    return deliverer
