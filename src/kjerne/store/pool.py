"""Connections to PostgreSQL, taken and given back without a word to the server.

asyncpg's own pool wraps each connection in a proxy, shields its release and resets the session, about 45 us of processor
time for each use (measured beside a bare list, 2026-11-23). Nothing in this program changes session state, so a list is
enough. A connection whose use was broken off is thrown away, since nobody can say what it was doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

import asyncpg
from asyncpg.protocol import protocol as driver

from kjerne.errors import Refusal

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

# Of every element of every array the driver asks whether it is an array itself, through abstract classes: some 0.3 us each,
# and a report's statements hold hundreds. What this program gives as an array is a list or a tuple.
for _name, _kinds in (("IterableABC", (list, tuple)), ("SizedABC", (list, tuple)), ("MappingABC", dict)):
    setattr(driver, _name, _kinds)

# Every statement here finds its rows by a key, so the plan made once is the plan for every value; making a new one for
# each call costs more than running it.
SESSION: Final = {
    "application_name": "kjerne",
    "timezone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}

BUSY: Final = (
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.TooManyConnectionsError,
)
"""What the server says when it had to stop a statement for others' sake: nothing was done, and it can be sent again."""

GONE: Final = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,
)
"""What a statement meets where the server cannot be reached, or stops: whether it was done is not known."""
UNREACHED: Final = (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a database that cannot be used, or an address that names none, ends in when it is first spoken to."""


@contextlib.contextmanager
def reaching(setting: str = "KJERNE_DSN") -> Iterator[None]:
    """The first word with a database: what keeps it from answering is refused with 503 and the setting that names it.

    An address can hold a password, so no text of the driver's is repeated.
    """
    try:
        yield
    except UNREACHED as error:
        why = (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
        raise Refusal(503, f"the database does not answer: {why}", where=setting) from error


@contextlib.contextmanager
def held_to(setting: str = "KJERNE_DSN") -> Iterator[None]:
    """A long reading of a database that answered: where it stops meanwhile that is refused with 503, and nothing concluded."""
    try:
        yield
    except (*GONE, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = type(error).__name__
        raise Refusal(
            503, f"the database stopped answering while it was read: {why}", where=setting,
            todo="Nothing can be said of what was read. See that it runs, and begin again.",
        ) from error  # fmt: skip


async def reached(dsn: str, patience_seconds: float) -> None:
    """Waits until the database answers, at most so long; what it ends in then is the caller's to meet when it connects."""
    until = time.monotonic() + patience_seconds
    while time.monotonic() < until:
        try:
            await (await asyncpg.connect(dsn)).close()
        except UNREACHED:
            await asyncio.sleep(1.0)
        else:
            return


@contextlib.asynccontextmanager
async def together(conn: Connection) -> AsyncIterator[None]:
    """What is done in the block is done whole or not at all; inside a transaction it is simply a part of it."""
    if conn.is_in_transaction():
        yield
        return
    async with conn.transaction():
        yield


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows turned on their side: what `unnest` takes, so that one statement writes them all."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def moment(read: datetime | None) -> datetime | None:
    """A time from a column that may hold an open end (`fhir.dates.EARLIEST`, `LATEST`).

    Those lie there as PostgreSQL's infinities, which the driver gives back without a zone: not to be compared with others.
    """
    return read if read is None or read.tzinfo else read.replace(tzinfo=UTC)


_PARAMETER: Final = re.compile(r"\$(\d+)")


def numbered_from(first: int, part: str) -> str:
    """A part of a statement as a part of a larger one, its parameters numbered from `first`."""
    return _PARAMETER.sub(lambda place: f"${first + int(place[1]) - 1}", part)


@contextlib.asynccontextmanager
async def locked(conn: Connection, digests: Iterable[bytes], persons: Iterable[int] = ()) -> AsyncIterator[None]:
    """A transaction that holds, from its first moment, whatever `digests` name, and then the rows of these `persons`: others who
    want the same wait for its end, and its next statement sees whatever they did.

    One word to the server begins it and takes the locks, all in one order, so that two never wait for each other.
    """
    numbers = sorted({int.from_bytes(digest[:8], "big", signed=True) for digest in digests})
    locks = ", ".join(f"pg_advisory_xact_lock({number})" for number in numbers)
    if keys := ", ".join(f"{key:d}" for key in sorted(set(persons))):
        locks += f"; SELECT FROM person WHERE patient IN ({keys}) ORDER BY patient FOR NO KEY UPDATE"
    try:
        await conn.execute(f"BEGIN; SELECT {locks}")
        yield
        await conn.execute("COMMIT")
    except Exception:
        # Where the work was broken off instead, the pool throws the connection away, and its transaction with it.
        if not conn.is_closed() and conn.is_in_transaction():
            await conn.execute("ROLLBACK")
        raise


Kinds = dict[tuple[int, ...], Any]
"""What the server said of types, by their numbers."""


class _Taught(Connection):
    """A connection that knows what another one of its pool has asked of types, and goes straight to a prepared statement.

    The driver asks each connection anew what an array's elements are, a recursive look through the catalog of 2 to 7 ms of
    the server's time, some four times before it has filed its first report. Types do not change while the program runs.
    """

    kinds: Kinds
    places: asyncio.Semaphore
    _check_open: Callable[[], None]
    _drop_global_statement_cache: Callable[[], None]
    _protocol: Any
    _query_loggers: Any
    _stmt_cache: Any
    _stmt_exclusive_section: Any

    async def fetch(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None) -> Any:  # noqa: ASYNC109
        """As the driver's: where it holds the statement already, without the four calls on its way to it (10 us of a read)."""
        self._check_open()
        state = self._stmt_cache.get((query, asyncpg.Record, False))
        if state is None or record_class is not None or self._query_loggers:
            return await super().fetch(query, *args, timeout=timeout, record_class=record_class)
        try:
            with self._stmt_exclusive_section:
                return await self._protocol.bind_execute(state, args, "", 0, False, timeout)
        except asyncpg.InvalidCachedStatementError:
            # A table was changed under it: it is prepared anew, save in a transaction, which the error has ended.
            self._drop_global_statement_cache()
            if self.is_in_transaction():
                raise
            return await super().fetch(query, *args, timeout=timeout)
        except asyncpg.OutdatedSchemaCacheError:
            await self.reload_schema_state()
            raise

    async def _introspect_types(self, typeoids: Iterable[int], *how: Any) -> Any:
        asked = tuple(sorted(typeoids))
        known = self.kinds.get(asked)
        if known is None:
            known = self.kinds[asked] = await super()._introspect_types(typeoids, *how)  # type: ignore[misc]
        return known


def places_of(conn: Connection) -> asyncio.Semaphore:
    """`Pool.places` of the pool that the connection is of."""
    return cast("_Taught", conn).places


class Pool:
    """At most `size` connections, used last in first out. Made by `open_pool`.

    `places` are for those that wait for another's lock with a connection in hand: as many as leave most of them to others.
    """

    def __init__(self, dsn: str, size: int, seconds: float) -> None:
        self.places = asyncio.Semaphore(max(1, size // 4))
        self._dsn = dsn
        self._size = size
        self._seconds = seconds
        self._open: set[Connection] = set()
        self._opening = 0
        self._free: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False
        self._kinds: Kinds = {}

    def acquire(self) -> Lease:
        """`async with pool.acquire() as conn:` a connection for the length of the block."""
        return Lease(self)

    async def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        async with Lease(self) as conn:
            return await conn.fetch(statement, *values)

    async def fetchrow(self, statement: str, *values: Any) -> asyncpg.Record | None:
        async with Lease(self) as conn:
            return await conn.fetchrow(statement, *values)

    async def fetchval(self, statement: str, *values: Any) -> Any:
        async with Lease(self) as conn:
            return await conn.fetchval(statement, *values)

    async def execute(self, statement: str, *values: Any) -> str:
        async with Lease(self) as conn:
            return await conn.execute(statement, *values)

    async def close(self) -> None:
        """Closes what is free at once and what is in use when it comes back."""
        self._closed = True
        for waiter in self._waiting:
            waiter.cancel()
        for conn in self._free:
            self._open.discard(conn)
            await conn.close()
        self._free.clear()

    def terminate(self) -> None:
        """Drops every connection at once, in use or not, without a word to a server that may be gone."""
        self._closed = True
        for conn in self._open:
            conn.terminate()
        self._open.clear()
        self._free.clear()

    async def take(self) -> Connection:
        """A connection to be given back by `give`."""
        while self._free:
            conn = self._free.pop()
            if not conn.is_closed():
                return conn
            self._open.discard(conn)
        if self._closed:
            raise asyncpg.InterfaceError("the pool is closed")
        if len(self._open) + self._opening < self._size:
            return await self._connect()
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            conn_or_none = await waiter
        except asyncio.CancelledError:
            self._hand_on(waiter)
            raise
        return conn_or_none or await self._connect()

    def give(self, conn: Connection, *, broken: bool) -> None:
        """Takes a connection back; one that is broken or inside a transaction is thrown away."""
        if broken or self._closed or conn.is_closed() or conn.is_in_transaction():
            self._open.discard(conn)
            conn.terminate()
            self._pass(None)
        else:
            self._pass(conn)

    def _pass(self, conn: Connection | None) -> None:
        """To whoever waits longest; None lets her open one of her own."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(conn)
                return
        if conn is not None:
            self._free.append(conn)

    def _hand_on(self, waiter: asyncio.Future[Connection | None]) -> None:
        """A waiter who was stopped in the moment she was served passes it to the next."""
        if waiter.done() and not waiter.cancelled():
            self._pass(waiter.result())

    async def _connect(self) -> Connection:
        self._opening += 1
        try:
            conn = await asyncpg.connect(
                self._dsn,
                connection_class=_Taught,
                command_timeout=self._seconds,
                server_settings=SESSION | {"statement_timeout": str(int(self._seconds * 1000))},
            )
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            # A stopped server takes its socket with it, and a name may be lost: to whoever asks it is a server that refuses.
            raise ConnectionRefusedError(error.errno, error.strerror) from error
        finally:
            self._opening -= 1
        conn.kinds = self._kinds
        conn.places = self.places
        self._open.add(conn)
        return conn


class Lease:
    """One use of one connection."""

    __slots__ = ("_conn", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._conn: Connection | None = None

    async def __aenter__(self) -> Connection:
        self._conn = await self._pool.take()
        return self._conn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            self._pool.give(conn, broken=isinstance(error, (asyncio.CancelledError, TimeoutError)))
            if isinstance(error, asyncpg.InterfaceError) and conn.is_closed():
                # The driver's word for a misuse of its own, too: here the server went away under a statement.
                raise ConnectionResetError("the database closed the connection") from error


async def open_pool(dsn: str, size: int, *, seconds: float = 30.0) -> Pool:
    """A pool of at most `size` connections; a statement that runs longer than `seconds` is stopped by the server.

    The first connection is made at once, so that a wrong address is known at the start.
    """
    pool = Pool(dsn, size, seconds)
    pool.give(await pool.take(), broken=False)
    return pool
