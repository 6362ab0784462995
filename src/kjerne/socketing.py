"""Subscribers told over sockets: bound by a token, weighed and told as by rest-hook, by the process that has the socket.

A socket's first message is `bind-with-token` and the token of `$get-ws-binding-token`; each subscription of that token gets a
handshake, then all that it was not told. The turns are those of `kjerne.subscribing`, over what is bound to this process's own
sockets: what is new is noted by `kjerne work` for whoever is to be told, and waits in the store while no socket is bound. A
message is taken when the other side has read it (`wire.sockets`). A subscription is told here under the law of whoever asked
for the token, and no longer than that access token lives.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from kjerne.access import Caller, Denial
from kjerne.exchange import Stale
from kjerne.fhir.subscribing import message, token_in
from kjerne.jobs import AWAY
from kjerne.policy.taking_part import ROLE_BY_RULE
from kjerne.services.subscriptions import Kept, binder, digest_of
from kjerne.store import audit, sockets
from kjerne.store.pool import Connection
from kjerne.store.sockets import Token
from kjerne.store.subscriptions import Outcome, Subscription
from kjerne.subscribing import AT_ONCE, Deliverer, Turn
from kjerne.wire.hooks import NotTaken
from kjerne.wire.sockets import Socket

log = structlog.get_logger("kjerne.socketing")

BIND_SECONDS: Final = 10.0
"""How long a socket may be open before it is bound."""
TEND_EVERY: Final = timedelta(seconds=15)
"""How often the law is asked whether what is bound may be told at all, and the store whether it still is bound here."""
SAID_SECONDS: Final = 5.0
"""How long it may take until the last word about a subscription is read."""
NOT_TREATING: Final = "subscriber-does-not-treat"
# Codes of a close, from those that RFC 6455 section 7.4.2 leaves to applications: 4000 and the status of HTTP that says the like.
BAD, UNKNOWN, FORBIDDEN, SLOW, ELSEWHERE, GONE, MANY = 4400, 4401, 4403, 4408, 4409, 4410, 4429
_SAYS: Final = {
    FORBIDDEN: "the law lets nothing about this patient be told here any more",
    ELSEWHERE: "another socket was bound to it, or it was changed or deleted",
    GONE: "it is off or has ended",
    UNKNOWN: "the access token that bound it has ended",
}


class Held(NamedTuple):
    """What binds a subscription to a socket: who asked for it, until when, and the topic that it is about."""

    caller: Caller
    until: datetime
    topic: str


@dataclass(eq=False)
class Line:
    """A socket of this process, and what is bound to it."""

    socket: Socket
    held: dict[UUID, Held] = field(default_factory=dict)
    closing: set[asyncio.Task[None]] = field(default_factory=set)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Held while what is bound is changed, here and in the store: outside it the two are one."""
    saying: int = 0
    """Last words that are not read yet."""


@dataclass(frozen=True)
class SocketDeliverer(Deliverer):
    """Tells over the sockets of one process. It looks only while there is one."""

    lines: dict[UUID, Line] = field(default_factory=dict)
    tend_every: timedelta = TEND_EVERY
    running: list[asyncio.Task[None]] = field(default_factory=list)
    looking: list[asyncio.Task[None]] = field(default_factory=list)

    async def met(self, socket: Socket) -> None:
        """Serves a socket until it is closed: `wire.sockets.Met`."""
        line = self.lines[socket.id] = Line(socket)
        try:
            async with asyncio.timeout(BIND_SECONDS) as waiting:
                while (text := await socket.heard()) is not None:
                    if await self._bound(line, text):
                        waiting.reschedule(None)
                        self._run()
        except TimeoutError:
            await socket.close(SLOW, f"a socket is bound within {BIND_SECONDS:g} seconds")
        finally:
            del self.lines[socket.id]
            await self._let_go(socket.id, None)

    def close(self) -> None:
        """Ends the turns; the sockets were closed by the server."""
        for task in (*self.running, *self.looking):
            task.cancel()

    def _run(self) -> None:
        if not self.running or self.running[0].done():
            self.running[:] = [asyncio.create_task(self._rounds())]

    async def _rounds(self) -> None:
        while self.lines:
            await self.round()

    async def _bound(self, line: Line, text: str) -> bool:
        """Binds a socket by a message; one that does not hold closes it."""
        token, now = token_in(text), self.clock.now()
        if token is None:
            await line.socket.close(BAD, "a message is bind-with-token and a token, with a space between")
            return False
        digest = digest_of(token)
        try:
            async with self.pool.acquire() as conn:
                # Used from now on, whatever comes of it.
                spent = await sockets.spend(conn, digest, now)
            if spent is None:
                says = "this token is unknown, was used or is over: ask for another by $get-ws-binding-token"
                await line.socket.close(UNKNOWN, says)
                return False
            return await self._taken_on(line, spent, now)
        except AWAY as error:
            log.warning("database gone", kind=type(error).__name__)
            await line.socket.close(1013, "the database does not answer: try again in a while")
            return False

    async def _taken_on(self, line: Line, token: Token, now: datetime) -> bool:
        caller = binder(self.sealer, token.digest, token.caller)
        until = datetime.fromtimestamp(caller.until, UTC)
        taken: list[UUID] = []
        async with line.changing, self.pool.acquire() as conn, conn.transaction():
            rows = await sockets.bind(conn, line.socket.id, token.owner, token.subscriptions, until, now)
            for one in rows or ():
                # Known before anybody can claim it.
                line.held[one.id] = Held(caller, until, self.known(one)[1].topic)
                taken.append(one.id)
        if not taken:
            code, says = (
                (MANY, f"at most {sockets.SOCKETS_LIMIT} sockets for a client") if rows is None else (GONE, _SAYS[GONE])
            )
            await line.socket.close(code, says)
            return False
        for other in list(self.lines.values()):
            if other is not line:
                await self._end(other, {id_: other.held[id_] for id_ in taken if id_ in other.held}, ELSEWHERE)
        return True

    async def taken(self, now: datetime) -> tuple[bool, list[Subscription]]:
        await self._end_over(now)
        async with self.pool.acquire() as conn:
            found = await sockets.claim(conn, self.lines.keys(), now, AT_ONCE)
        return False, [one for one in found if self._held(one) is not None]

    def receiver_of(self, turn: Turn) -> str:
        return str(turn.one.bound)

    def caller_of(self, one: Subscription, kept: Kept) -> Caller:
        held = self._held(one)
        return held.caller if held is not None else kept.caller

    def _held(self, one: Subscription) -> Held | None:
        line = self.lines.get(one.bound) if one.bound else None
        return line.held.get(one.id) if line is not None else None

    async def post(self, turn: Turn, now: datetime, until: float) -> None:
        one = turn.one
        line, held = self.lines.get(one.bound) if one.bound else None, self._held(one)
        if line is None or held is None or held.caller.jti != turn.caller.jti or held.until <= self.clock.now():
            raise NotTaken("it is bound here no more")
        try:
            await line.socket.say(self._text(turn, now), turn.asked.timeout, until)
        except NotTaken as fault:
            self._closing(line, SLOW, f"{fault}: what was not read is told when it is bound again")
            raise

    def _text(self, turn: Turn, now: datetime) -> str:
        """A Bundle, or in R4's own way (subscription.html) that there is something, without what it is."""
        if turn.asked.is_plain:
            return f"{'bound' if turn.told == 'handshake' else 'ping'} {turn.one.id}"
        return self.bundle(turn, now).decode()

    def not_taken(self, one: Subscription, fault: str, now: datetime) -> Outcome:  # noqa: ARG002 - as by rest-hook
        """It waits until it is bound again: nobody is failing, who is not there."""
        return Outcome(one, one.sent, one.state, 0, None, "", True, one.beat_at, None)

    def _closing(self, line: Line, code: int, reason: str) -> None:
        """Closes a socket beside what is being done."""
        task = asyncio.create_task(line.socket.close(code, reason))
        line.closing.add(task)
        task.add_done_callback(line.closing.discard)

    async def tend(self, now: datetime) -> None:
        """Looks after what is bound, beside the turns: the law is asked about each patient, which takes a while for many."""
        if not self.looking or self.looking[0].done():
            self.looking[:] = [asyncio.create_task(self._looked(now))]

    async def _looked(self, now: datetime) -> None:
        try:
            await self.look_after(now)
        except AWAY as error:
            log.warning("database gone", kind=type(error).__name__)
        except Exception:
            # The edge of this work, as of a turn: it is done again when it is time.
            log.exception("sockets not looked after")

    async def look_after(self, now: datetime) -> None:
        """Lets go what is not to be told here any more: of what was bound before the store was asked, and is bound so still."""
        before: list[tuple[Line, dict[UUID, Held]]] = []
        for line in list(self.lines.values()):
            async with line.changing:
                before.append((line, dict(line.held)))
        async with self.pool.acquire() as conn:
            rows = {one.id: one for one in await sockets.held(conn, [line.socket.id for line, _ in before])}
        by_patient = defaultdict[int, list[tuple[Line, Held, Subscription]]](list)
        for line, held in before:
            here = {id_: rows[id_] for id_ in held if id_ in rows and rows[id_].bound == line.socket.id}
            await self._end(line, {id_: held[id_] for id_, one in here.items() if one.state == "off"}, GONE)
            await self._end(line, {id_: one for id_, one in held.items() if id_ not in here}, ELSEWHERE)
            for one in here.values():
                by_patient[one.patient].append((line, held[one.id], one))
        for patient, ones in by_patient.items():
            bound = {one.id: (line, its) for line, its, one in ones if line.held.get(one.id) is its}
            turns = [await self.turn(one) for _, _, one in ones if one.id in bound]
            for one in await self._refused(patient, turns, now) if turns else ():
                line, its = bound[one.id]
                await self._end(line, {one.id: its}, FORBIDDEN)

    async def _refused(self, patient: int, turns: Sequence[Turn], now: datetime) -> list[Subscription]:
        """Those that the law lets be told no more, for a reason that whoever is told may hear; each has its row in the log."""
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                await self.ask(conn, patient, turns, now)
                return [turn.one for turn in turns if await self._is_refused(conn, turn)]
        except Stale:
            return []  # a choice of hers was made meanwhile: it is asked again next time

    async def _is_refused(self, conn: Connection, turn: Turn) -> bool:
        if not isinstance(turn.answer, Denial) or not self._may_be_heard(turn.answer):
            return False
        await audit.insert(conn, audit.refused(turn.answer))
        return True

    def _may_be_heard(self, denial: Denial) -> bool:
        """Whether an end tells nothing of a patient's choices to who is not told of them: a system never is (law, K90)."""
        if denial.rule in ROLE_BY_RULE or denial.rule == NOT_TREATING:
            return True
        return denial.caller.kind == "practitioner" and self.settings.tells_choices

    async def _end_over(self, now: datetime) -> None:
        for line in list(self.lines.values()):
            await self._end(line, {id_: held for id_, held in line.held.items() if held.until <= now}, UNKNOWN)

    async def _end(self, line: Line, held: Mapping[UUID, Held], code: int) -> None:
        """Tells no more of these over a socket, which hears why; with the last of them it is closed. What was bound anew
        meanwhile stays."""
        if not held:
            return
        async with line.changing:
            ended = {id_: line.held.pop(id_).topic for id_, one in held.items() if line.held.get(id_) is one}
            if not ended:
                return
            line.saying += 1
            await self._let_go(line.socket.id, ended)
        task = asyncio.create_task(self._said(line, ended, code))
        line.closing.add(task)
        task.add_done_callback(line.closing.discard)

    async def _said(self, line: Line, ended: Mapping[UUID, str], code: int) -> None:
        now = self.clock.now()
        try:
            for id_, topic in ended.items():
                told = message(self.base, str(id_), "error", "query-status", topic, None, (), now, _SAYS[code])
                await line.socket.say(told.decode(), SAID_SECONDS)
        except NotTaken as fault:
            await line.socket.close(SLOW, str(fault))
        line.saying -= 1
        if not line.held and not line.saying:
            await line.socket.close(code, _SAYS[code])

    async def _let_go(self, socket: UUID, ids: Collection[UUID] | None) -> None:
        try:
            async with self.pool.acquire() as conn:
                await sockets.unbind(conn, socket, ids, self.clock.now())
        except AWAY as error:
            # The sweep does it when the binding is over, and a new binding at once.
            log.warning("database gone", kind=type(error).__name__)
