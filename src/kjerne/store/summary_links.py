"""Links by which a citizen hands a copy of her summary out: made, listed, opened with a passcode, ended, forgotten.

The copy is encrypted with a key that is not here, and sealed on top of that with each service's key about her: when one of them
is destroyed, nobody opens it any more, in no backup either. What is done holds her rows and then the link's, in that order on
every worker, so that many tries at once are counted one behind the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag

from kjerne.access import Caller, Choice, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir.corrections import is_taken_back
from kjerne.fhir.encode import decode
from kjerne.registries.homes import KEPT as KEPT_TYPES
from kjerne.registries.homes import row_number
from kjerne.registries.identifiers import without_numbers
from kjerne.store import audit
from kjerne.store.codec import Wrap
from kjerne.store.pool import Connection, Pool
from kjerne.store.reading import OUTER, Reader, Unwrapped
from kjerne.store.records import hold
from kjerne.store.shares import Destroyed

LIVING_MOST: Final = 10
"""Links of one patient that can be opened at the same time."""
WRONG_MOST: Final = 10
"""Wrong passcodes in all the life of a link; it is over with the last."""
HOURLY_MOST: Final = 30
"""Openings of one link in an hour."""
HOUR: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=90)
"""How long it is told of a link that is over."""
FILE_LIFE: Final = timedelta(minutes=10)
"""How long a file can be fetched after the link was opened; the specification wants an hour at most."""
OPENINGS_TOLD: Final = 100
OPENER: Final = Caller("system", "smart-health-link", frozenset(), name="SMART Health Link")
"""Whoever opens a link: nobody knows who that is."""
Why = Literal["", "revoked", "tries", "choice", "changed", "law"]
State = Literal["open", "over", "revoked", "tries", "choice", "changed", "law"]

MADE: Final = "summary-link-made"
MADE_SAYS: Final = "Det ble laget en lenke til et øyeblikksbilde av sammendraget, for å vise det til andre."
LISTED: Final = "summary-links-listed"
LISTED_SAYS: Final = "Lenkene til sammendraget ble sett, og hvem som har åpnet dem."
REVOKED: Final = "summary-link-revoked"
REVOKED_SAYS: Final = "En lenke til sammendraget ble stengt."
OPENED: Final = "summary-link-opened"
OPENED_SAYS: Final = (
    "Noen som har lenken og passordet, åpnet øyeblikksbildet av sammendraget. Ingen har kontrollert hvem det var."
)
REFUSED: Final = "summary-link-wrong-passcode"
REFUSED_SAYS: Final = "Noen prøvde å åpne en lenke til sammendraget med feil passord. Ingenting ble vist."
LAW: Final = "personvernforordningen artikkel 15 og 20"
ABOUT: Final = "summary-link"


class Content(msgspec.Struct, frozen=True, array_like=True):
    """One file of a link: its media type and the compact JWE."""

    media_type: str
    jwe: str


@dataclass(frozen=True, slots=True)
class New:
    """A link to be made. `id_digest` is of the id in its address, `passcode` a keyed digest; `expected` are the records in it;
    `lacking` are the sections of the copy that are not complete, as its maker wanted it."""

    id_digest: bytes
    number: UUID
    maker: bytes
    passcode: bytes
    label: str
    services: tuple[str, ...]
    expected: frozenset[UUID]
    files: tuple[Content, ...]
    until: datetime
    lacking: tuple[str, ...] = ()


class Opening(NamedTuple):
    """One time that it was opened, or tried with a wrong passcode. `recipient` is what that one said, which nobody checked;
    empty for who stands in for the patient."""

    at: datetime
    recipient: str
    wrong: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A link as its maker sees it; `openings` newest first, at most `OPENINGS_TOLD`."""

    number: UUID
    label: str
    made_at: datetime
    until: datetime
    opened: int
    wrong: int
    state: State
    ended_at: datetime | None
    openings: tuple[Opening, ...]
    lacking: tuple[str, ...] = ()


class Living(NamedTuple):
    """Whom a link is of and who made it: what the law is asked by before it is opened."""

    patient: int
    maker: bytes


class Wrong(NamedTuple):
    """It was not opened: how many tries are left. `busy_seconds` where it was opened too often this hour."""

    left: int
    busy_seconds: int = 0


class Opened(NamedTuple):
    """What an opened link holds, and when it was made."""

    files: tuple[Content, ...]
    made_at: datetime


_COUNT: Final = """
SELECT count(*) FROM summary_link WHERE patient = ANY($1::bigint[]) AND ended_at IS NULL AND until > $2"""
_NAMED: Final = "SELECT type, id, version FROM record WHERE patient = ANY($1::bigint[]) AND id = ANY($2::uuid[])"
_INSERT: Final = """
INSERT INTO summary_link
  (digest, patient, number, maker, passcode, label, services, types, ids, versions, content, made_at, until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"""


async def make(conn: Connection, grant: Grant, wrap: Wrap, new: New) -> None:
    """Keeps a new link, with its row in her log, in the caller's transaction. `Refusal` 409 where she has too many; `Stale` where
    a fact about her, or what is in it, changed since it was drawn."""
    await hold(conn, grant)
    if await conn.fetchval(_COUNT, list(grant.subject.keys), grant.at) >= LIVING_MOST:
        raise Refusal(
            409,
            f"There are {LIVING_MOST} links that can be opened already.",
            where="links",
            todo="End one of them first.",
        )
    rows = await conn.fetch(_NAMED, list(grant.subject.keys), list(new.expected))
    named = [tuple(row) for row in rows]
    if {row[1] for row in named} != new.expected:
        raise Stale
    patient, digest = grant.subject.patient, new.id_digest
    types, ids, versions = [row[0] for row in named], [row[1] for row in named], [row[2] for row in named]
    await conn.execute(
        _INSERT, digest, patient, new.number, new.maker, new.passcode,
        _sealed(grant, wrap, patient, new.services, _named(new).encode(), b"label" + digest),
        list(new.services), types, ids, versions,
        _sealed(grant, wrap, patient, new.services, _pack(new.files), digest), grant.at, new.until,
    )  # fmt: skip
    row = audit.given(audit.told_otherwise(grant, MADE, grant.law, MADE_SAYS))
    await audit.insert_handed(conn, row, named, f"{ABOUT}/{new.number}", "")


_APART: Final = "\x1f"
"""Between the name of a link and what its copy lacks, which are sealed together: no name has it (`exchange.CONTROL`)."""


def _named(new: New) -> str:
    return f"{new.label}{_APART}{','.join(new.lacking)}" if new.lacking else new.label


_LISTED: Final = """
SELECT digest, patient, number, label, services, made_at, until, opened, wrong, ended_at, ended_why FROM summary_link
WHERE patient = ANY($1::bigint[]) ORDER BY made_at DESC, number"""
_OPENINGS: Final = f"""
SELECT {audit.COLUMNS}, about, reason FROM audit
WHERE patient = ANY($1::bigint[]) AND about = ANY($2::text[]) AND rule = ANY($3::text[])
ORDER BY at DESC, number LIMIT $4"""


async def listed(conn: Connection, grant: Grant, wrap: Wrap) -> tuple[Kept, ...]:
    """Her links, newest first, with when they were opened; that it was seen is in her log. In the caller's transaction.

    What whoever opened one said of herself is told to the patient alone, as in the log (law, K152).
    """
    keys = list(grant.subject.keys)
    is_own = grant.subject.caller_key in keys
    rows = await conn.fetch(_LISTED, keys)
    abouts = [f"{ABOUT}/{row['number']}" for row in rows]
    told = await conn.fetch(_OPENINGS, keys, abouts, [OPENED, REFUSED], OPENINGS_TOLD * max(1, len(rows)))
    openings: dict[str, list[Opening]] = {about: [] for about in abouts}
    for one in audit.worded(grant, wrap, told):
        who = without_numbers(one["reason"]) if is_own else ""
        openings[one["about"]].append(Opening(one["at"], who, one["outcome"] != audit.GIVEN))
    row = audit.given(audit.told_otherwise(grant, LISTED, grant.law, LISTED_SAYS))
    await audit.insert_explained(conn, row, ABOUT, "")
    return tuple(_kept(grant, wrap, row, openings[about]) for row, about in zip(rows, abouts, strict=True))


def _kept(grant: Grant, wrap: Wrap, row: Any, openings: Sequence[Opening]) -> Kept:
    try:
        label = _unsealed(grant, wrap, row["patient"], row["services"], row["label"], b"label" + row["digest"]).decode()
    except (InvalidTag, Destroyed):
        label = ""
    label, _, lacking = label.partition(_APART)
    over = row["until"] <= grant.at
    return Kept(
        row["number"], label, row["made_at"], row["until"], row["opened"], row["wrong"],
        row["ended_why"] or ("over" if over else "open"), row["ended_at"], tuple(openings[:OPENINGS_TOLD]),
        tuple(filter(None, lacking.split(","))),
    )  # fmt: skip


_REVOKE: Final = """
UPDATE summary_link SET ended_at = $3, ended_why = 'revoked', content = NULL
WHERE patient = ANY($1::bigint[]) AND number = $2 AND ended_at IS NULL AND until > $3 RETURNING true"""


async def revoke(conn: Connection, grant: Grant, number: UUID) -> bool:
    """Ends a link at once, with its row in her log, in the caller's transaction; false where there is none that is open."""
    await hold(conn, grant)
    if not await conn.fetchval(_REVOKE, list(grant.subject.keys), number, grant.at):
        return False
    row = audit.given(audit.told_otherwise(grant, REVOKED, grant.law, REVOKED_SAYS))
    await audit.insert_explained(conn, row, f"{ABOUT}/{number}", "")
    return True


_END_ALL: Final = """
UPDATE summary_link SET ended_at = $3, ended_why = 'choice', content = NULL
WHERE patient = ANY($1::bigint[]) AND ($2 = '' OR $2 = ANY(services)) AND ended_at IS NULL"""
SHUTTING: Final = frozenset({"opt-out", "restriction", "block", "record"})
"""Kinds of choice that shut something: a copy that was handed out before holds what she shuts now."""


async def shut(conn: Connection, grant: Grant, choice: Choice) -> None:
    """Ends what was handed out of the service of a choice that shuts something, in the transaction that makes the choice."""
    if choice.kind in SHUTTING:
        await conn.execute(_END_ALL, list(grant.subject.keys), choice.service, grant.at)


_LIVING: Final = "SELECT patient, maker FROM summary_link WHERE digest = $1 AND ended_at IS NULL AND until > $2"
_HELD: Final = """
SELECT patient, number, passcode, services, types, ids, versions, content, made_at, wrong, hour_from, hour_count
FROM summary_link WHERE digest = $1 AND ended_at IS NULL AND until > $2 FOR UPDATE"""
_WRONG: Final = "UPDATE summary_link SET wrong = wrong + 1 WHERE digest = $1"
_END: Final = """
UPDATE summary_link SET ended_at = $2, ended_why = $3, content = NULL WHERE digest = $1 AND ended_at IS NULL"""
_USED: Final = """
UPDATE summary_link SET opened = opened + 1, hour_from = $2, hour_count = $3 WHERE digest = $1"""
# What lies no more with her, or is hidden from her now: deleted, or of a person who was linked to her wrongly.
_CHANGED: Final = """
SELECT EXISTS (SELECT FROM unnest($2::smallint[], $3::uuid[]) AS n(type, id) WHERE NOT EXISTS (
  SELECT FROM record r WHERE r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id AND r.labels & $4 = 0))"""
# Also what came between the drawing of the copy and its making: its grant is older than both.
_WRITTEN_SINCE: Final = f"""
SELECT {OUTER} FROM record r JOIN unnest($2::smallint[], $3::uuid[], $4::integer[]) AS n(type, id, version) USING (type, id)
WHERE r.patient = ANY($1::bigint[]) AND (r.version <> n.version OR r.at >= $5)"""
_SERVICE_OF_ROW: Final = {row_number(name, service): service for name, service in KEPT_TYPES}
"""The number of a type in rows -> the service whose key seals it."""
_END_VOID: Final = """
UPDATE summary_link SET ended_at = $3, ended_why = 'changed', content = NULL
WHERE patient = ANY($1::bigint[]) AND ids && $2::uuid[] AND ended_at IS NULL"""


async def void(conn: Connection, grant: Grant, results: Sequence[UUID]) -> None:
    """Ends what was handed out with results that are taken back with their report, in the transaction that does that: they get
    no version by it."""
    if results:
        await conn.execute(_END_VOID, list(grant.subject.keys), list(results), grant.at)


async def living(pool: Pool, digest: bytes, now: datetime) -> Living | None:
    """Whose a link is that can be opened now; None of one that never was, is over or was ended."""
    row = await pool.fetchrow(_LIVING, digest, now)
    return Living(row["patient"], row["maker"]) if row else None


async def end(pool: Pool, digest: bytes, now: datetime, why: Why) -> None:
    """Ends a link that the law does not let be opened any more."""
    await pool.execute(_END, digest, now, why)


@dataclass(frozen=True, slots=True)
class Try:
    """One try to open a link. `passcode` is a keyed digest, None where none was sent; `recipient` what whoever tries says of
    herself."""

    digest: bytes
    passcode: bytes | None
    recipient: str


async def open_link(conn: Connection, grant: Grant, wrap: Wrap, reader: Reader, one: Try) -> Opened | Wrong | None:
    """One try, in the caller's transaction, under a grant as of whoever made the link; its row stands in the patient's log.

    None where it cannot be opened any more. A missing passcode is no try, and is told how many are left. Raises `Stale`.
    """
    await hold(conn, grant)
    row = await conn.fetchrow(_HELD, one.digest, grant.at)
    if row is None or row["patient"] not in grant.subject.keys:
        return None
    if why := await _ended_by(conn, grant, reader, row):
        await conn.execute(_END, one.digest, grant.at, why)
        return None
    left = WRONG_MOST - row["wrong"]
    if one.passcode is None:
        return Wrong(left)
    if one.passcode != row["passcode"]:
        await _wrong(conn, grant, wrap, one, row, last=left == 1)
        return Wrong(left - 1)
    return await _right(conn, grant, wrap, one, row)


async def _wrong(conn: Connection, grant: Grant, wrap: Wrap, one: Try, row: Any, *, last: bool) -> None:
    await conn.execute(_WRONG, one.digest)
    if last:
        await conn.execute(_END, one.digest, grant.at, "tries")
    told = audit.told_otherwise(grant, REFUSED, LAW, REFUSED_SAYS, by=OPENER)
    line = audit.as_refused(audit.given(audit.saying(told, wrap, one.recipient)))
    await audit.insert_explained(conn, line, f"{ABOUT}/{row['number']}", "")


async def _right(conn: Connection, grant: Grant, wrap: Wrap, one: Try, row: Any) -> Opened | Wrong | None:
    since, count = row["hour_from"], row["hour_count"]
    if since is None or grant.at - since >= HOUR:
        since, count = grant.at, 0
    if count >= HOURLY_MOST:
        return Wrong(WRONG_MOST - row["wrong"], max(1, int((since + HOUR - grant.at).total_seconds())))
    files = _opened(grant, wrap, row, one.digest)
    if files is None:
        return None
    await conn.execute(_USED, one.digest, since, count + 1)
    named = list(zip(row["types"], row["ids"], row["versions"], strict=True))
    told = audit.saying(audit.told_otherwise(grant, OPENED, LAW, OPENED_SAYS, by=OPENER), wrap, one.recipient)
    await audit.insert_handed(conn, audit.given(told), named, f"{ABOUT}/{row['number']}", "")
    return Opened(files, row["made_at"])


async def _ended_by(conn: Connection, grant: Grant, reader: Reader, row: Any) -> Why:
    """Why a link that nobody has ended is over all the same."""
    for one in grant.subject.choices:
        if one.kind in SHUTTING and one.made_at > row["made_at"] and one.service in ("", *row["services"]):
            return "choice"
    hidden = await conn.fetchval(_CHANGED, list(grant.subject.keys), row["types"], row["ids"], int(grant.hides))
    return "changed" if hidden or await _is_taken_back(conn, grant, reader, row) else ""


async def _is_taken_back(conn: Connection, grant: Grant, reader: Reader, row: Any) -> bool:
    """Whether a later version of a record in it says that it holds no more, by whichever way that was written.

    What is read does not leave: the program alone looks at it.
    """
    keys = list(grant.subject.keys)
    opened = dict[str, Unwrapped]()
    asked = keys, row["types"], row["ids"], row["versions"], row["made_at"]
    for written in await conn.fetch(_WRITTEN_SINCE, *asked):
        service = _SERVICE_OF_ROW[written["type"]]
        if service not in opened:
            opened[service] = reader.unwrapped(replace(grant, service=service))
        try:
            record = reader.open_row(opened[service], tuple(written))
        except (InvalidTag, Destroyed):
            return True
        if is_taken_back(decode(record.raw)):
            return True
    return False


def _opened(grant: Grant, wrap: Wrap, row: Any, digest: bytes) -> tuple[Content, ...] | None:
    """The files; None where a service's key is destroyed, and its copy with it."""
    try:
        return _unpack(_unsealed(grant, wrap, row["patient"], row["services"], row["content"], digest))
    except (InvalidTag, Destroyed):
        return None


_ADD_FILE: Final = "INSERT INTO summary_link_file (digest, link, place, until) VALUES ($1, $2, $3, $4)"
_SPEND: Final = "DELETE FROM summary_link_file WHERE digest = $1 RETURNING link, place, until"
_FILE: Final = """
SELECT patient, services, types, ids, versions, content, made_at FROM summary_link
WHERE digest = $1 AND ended_at IS NULL AND until > $2"""


async def add_file(conn: Connection, file: bytes, link: bytes, place: int, now: datetime) -> None:
    """An address, by its digest, at which a file of a link that was just opened can be fetched once."""
    await conn.execute(_ADD_FILE, file, link, place, now + FILE_LIFE)


async def spend(pool: Pool, file: bytes, now: datetime) -> tuple[bytes, int] | None:
    """The link and the place of the file at an address, which is gone from now on; None where it never was, is used or over."""
    row = await pool.fetchrow(_SPEND, file)
    return (row["link"], row["place"]) if row and row["until"] > now else None


async def file_of(
    conn: Connection, grant: Grant, wrap: Wrap, reader: Reader, digest: bytes, place: int
) -> Content | None:  # fmt: skip
    """A file of a link that still stands; its opening has its row. In the caller's transaction; raises `Stale`."""
    await hold(conn, grant)
    row = await conn.fetchrow(_FILE, digest, grant.at)
    if row is None or row["patient"] not in grant.subject.keys or await _ended_by(conn, grant, reader, row):
        return None
    files = _opened(grant, wrap, row, digest) or ()
    return files[place] if place < len(files) else None


_FORGET_CONTENT: Final = "UPDATE summary_link SET content = NULL WHERE content IS NOT NULL AND until <= $1"
_FORGET: Final = "DELETE FROM summary_link WHERE until <= $1"
_FORGET_FILES: Final = "DELETE FROM summary_link_file WHERE until <= $1"


async def sweep(pool: Pool, now: datetime) -> None:
    """Deletes the copies of links that are over, and later what is told of them."""
    await pool.execute(_FORGET_FILES, now)
    await pool.execute(_FORGET_CONTENT, now)
    await pool.execute(_FORGET, now - KEPT)


def digest_of(secret: str) -> bytes:
    """By what the id in an address is kept."""
    return hashlib.sha256(secret.encode()).digest()


def _sealed(
    grant: Grant, wrap: Wrap, patient: int, services: Collection[str], plain: bytes, bound_to: bytes
) -> bytes:  # fmt: skip
    place = grant.subject.keys.index(patient)
    for service in sorted(services):
        plain = wrap.of_service(grant.subject, service, place).seal(plain, bound_to)
    return plain


def _unsealed(
    grant: Grant, wrap: Wrap, patient: int, services: Collection[str], sealed: bytes, bound_to: bytes
) -> bytes:  # fmt: skip
    place = grant.subject.keys.index(patient)
    for service in sorted(services, reverse=True):
        sealed = wrap.of_service(grant.subject, service, place).open(sealed, bound_to)
    return sealed


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(tuple[Content, ...]).decode
