"""What happens to a result after it was read: acknowledged by its requester, or corrected, so that readers are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal, NamedTuple
from uuid import UUID, uuid4

import msgspec

from kjerne.access import Grant, Label
from kjerne.errors import Refusal
from kjerne.jobs import Job, plan
from kjerne.store import audit, feed, former_ids
from kjerne.store.chains import WITHDRAWN_RULE
from kjerne.store.codec import Wrap
from kjerne.store.people import TIED
from kjerne.store.pointing import MARK, ON_A_WRONG_PERSON
from kjerne.store.pool import Connection, Pool, columns
from kjerne.store.records import Beside


@dataclass(frozen=True, slots=True)
class Notice:
    """Tells a reader that what she saw, at `read_at` for the last time in version `read_version`, was corrected or deleted,
    or `withdrawn` from a patient whom it was not about. `version` is the new one, of a deletion the one that marks it."""

    patient: int
    number: UUID
    kind: Literal["corrected", "withdrawn"]
    type: int
    id: UUID
    version: int
    made_at: datetime
    read_at: datetime
    read_version: int
    was_withdrawn: bool = False
    """Whether the result was taken back with its reports before this change."""


_TELL: Final = f"""
INSERT INTO notice (patient, number, hpr, kind, type, id, version, made_at, read_at, read_version, was_withdrawn)
SELECT $1::bigint, gen_random_uuid(), l.hpr, $3, l.type, l.id, l.version, $4::timestamptz, l.at, l.seen,
  $8::boolean <> EXISTS (SELECT FROM record r WHERE r.patient = ANY($2::bigint[]) AND r.type = l.type AND r.labels & {MARK} <> 0
    AND r.id IN (l.id, (SELECT f.id FROM former_id f WHERE f.patient = r.patient AND f.type = l.type AND f.former = l.id)))
FROM ({{last_looks}}) l
WHERE NOT EXISTS (SELECT FROM notice o WHERE o.patient = $1 AND o.hpr = l.hpr AND o.kind = $3 AND o.made_at = $4
  AND (o.id = ANY($9::uuid[]) OR o.id IN (SELECT f.id FROM former_id f
    WHERE f.patient = ANY($2::bigint[]) AND f.type = l.type AND f.former = l.id))){{late}}"""
# Of a record under its former id: who is told of that one hears it once, and who has read the present one of that alone.
_FORMER: Final = """
AND NOT EXISTS (SELECT FROM notice o WHERE o.patient = $1 AND o.hpr = l.hpr AND o.kind = $3 AND o.made_at = $4
  AND o.type = l.type AND o.id = l.id)"""
# Of looks that were not in the log yet: what she saw is older than the change. Where a change makes no version her time says it.
_LATE: Final = """
AND (l.seen < l.version OR (($8 OR l.version = 0) AND l.at < $4::timestamptz + make_interval(secs => 1)))
AND NOT EXISTS (SELECT FROM notice o WHERE o.patient = $1 AND o.hpr = l.hpr AND o.kind = $3 AND o.made_at = $4
  AND o.type = l.type AND o.id = l.id AND o.version = l.version)"""
# A heading in a list is no reading: who saw that alone is told where it lay with a wrong patient, and not of what it says.
_LOOKS: Final = (
    "a.patient = ANY($2::bigint[]) AND a.outcome = 0 AND a.caller_hpr NOT IN ('', $10) "
    f"AND a.caller_kind = 'practitioner' AND ($3 = 'withdrawn' OR a.rule <> '{audit.LISTED}')"
)
# Of the versions in her last look the newest is what she took for the result. That look's row is opened once it is found: many
# results were looked at many times.
_OF_FEW: Final = f"""
SELECT l.hpr, l.type, l.id, l.version, l.at,
  (SELECT max(v.version) FROM unnest(a.types, a.ids, a.versions) AS v(type, id, version) WHERE v.type = l.type AND v.id = l.id)
  AS seen
FROM (
  SELECT DISTINCT ON (a.caller_hpr, n.type, n.id) a.caller_hpr AS hpr, n.type, n.id, n.version, a.patient, a.at, a.number
  FROM unnest($5::smallint[], $6::uuid[], $7::integer[]) AS n(type, id, version)
  JOIN audit a ON {_LOOKS} AND n.id = ANY(a.ids)
  ORDER BY a.caller_hpr, n.type, n.id, a.at DESC
) l JOIN audit a ON a.patient = l.patient AND a.at = l.at AND a.number = l.number"""
# Of many changes each look is opened once for all, and of looks at the same records the last one alone.
_OF_MANY: Final = f"""
SELECT DISTINCT ON (a.caller_hpr, n.type, n.id) a.caller_hpr AS hpr, n.type, n.id, n.version, a.at, v.version AS seen
FROM (
  SELECT DISTINCT ON (a.caller_hpr, hash_array_extended(a.ids, 0)) a.caller_hpr, a.at, a.types, a.ids, a.versions
  FROM audit a WHERE {_LOOKS} ORDER BY a.caller_hpr, hash_array_extended(a.ids, 0), a.at DESC
) a CROSS JOIN LATERAL unnest(a.types, a.ids, a.versions) AS v(type, id, version)
JOIN unnest($5::smallint[], $6::uuid[], $7::integer[]) AS n(type, id, version) ON n.type = v.type AND n.id = v.id
ORDER BY a.caller_hpr, n.type, n.id, a.at DESC, v.version DESC"""
_TELL_FEW: Final = _TELL.format(last_looks=_OF_FEW, late="")
_TELL_MANY: Final = _TELL.format(last_looks=_OF_MANY, late="")
_TELL_FORMER: Final = _TELL.format(last_looks=_OF_FEW, late=_FORMER)
_TELL_LATE: Final = _TELL.format(last_looks=_OF_FEW, late=_LATE)
MANY: Final = 30
"""From so many changes on it is cheaper to open every look than to search it for each change."""


async def tell_readers(
    conn: Connection,
    grant: Grant,
    kind: Literal["corrected", "withdrawn"],
    changed: Sequence[tuple[int, UUID, int]],
    *,
    with_report: bool = False,
    unless_told_of: Sequence[UUID] = (),
    but: str = "",
) -> None:
    """One notice for each reader, by the audit log, and each changed record (type, id, new version) she had opened.

    Who had opened it under an id that it had before is told of that one (`store.former_ids`), unless she has opened it since;
    `but` is the HPR number of who is not told. Who was reading just then is told a minute later (`tell_late`). `with_report`
    says that what changed is whether it stands by its reports (`store.pointing`). Who was told of one of `unless_told_of` by
    the same change hears it once.
    """
    if changed:
        told = _told(grant, kind, changed, with_report, unless_told_of, but)
        await _tell(conn, told, _TELL_FEW if len(changed) < MANY else _TELL_MANY)
        if former := await former_ids.of(conn, grant, changed):
            await _tell(conn, _told(grant, kind, former, with_report, unless_told_of, but), _TELL_FORMER)


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """What `_TELL` is asked with, as a job keeps it until the readers of that moment are in the log."""

    patient: int
    keys: list[int]
    kind: Literal["corrected", "withdrawn"]
    at: datetime
    types: list[int]
    ids: list[UUID]
    versions: list[int]
    with_report: bool
    unless: list[UUID]
    but: str = ""


def _told(
    grant: Grant, kind: Literal["corrected", "withdrawn"], changed: Sequence[tuple[int, UUID, int]], with_report: bool,
    unless_told_of: Sequence[UUID], but: str,
) -> _Told:  # fmt: skip
    types, ids, versions = columns(changed, 3)
    return _Told(
        grant.subject.patient,
        list(grant.subject.keys),
        kind,
        grant.at,
        types,
        ids,
        versions,
        with_report,
        list(unless_told_of),
        but,
    )


async def _tell(conn: Connection, told: _Told, statement: str) -> None:
    await conn.execute(statement, *msgspec.structs.astuple(told))
    await plan(conn, TELL_LATE, str(uuid4()), told.at + LATE, _PACK.encode(told))


TELL_LATE: Final = "tell-late"
LATE: Final = timedelta(minutes=1)
"""A statement that began before a change was there is over by then, or has written its row of the log: none runs for so long."""
LOOKED_AGAIN: Final = timedelta(seconds=10)
_PACK: Final = msgspec.msgpack.Encoder()
_UNPACK: Final = msgspec.msgpack.Decoder(_Told)


async def tell_late(pool: Pool, job: Job, now: datetime) -> datetime | None:
    """Tells who was reading while the change was made, and whose row of the log was not there when its readers were told.

    A job of two steps. The first notes which transactions are begun; once they all are over, the second looks again. It may
    be done again: who was told is not told twice.
    """
    name, _, until = job.key.partition("/")
    async with pool.acquire() as conn:
        if not until:
            begun = await conn.fetchval("SELECT pg_current_xact_id()::text")  # above all that are begun
            await plan(conn, TELL_LATE, f"{name}/{begun}", now, job.payload)
            return None
        if await feed.horizon(conn) < int(until):
            return now + LOOKED_AGAIN
        await conn.execute(_TELL_LATE, *msgspec.structs.astuple(_UNPACK.decode(job.payload)))
    return None


_OPENED = """
SELECT w.place, a.organisation, a.caller_role, count(DISTINCT n.hpr)
FROM unnest($1::bigint[], $2::timestamptz[]) WITH ORDINALITY AS w(patient, at, place)
JOIN notice n ON n.patient = w.patient AND n.kind = 'withdrawn' AND n.made_at = w.at
JOIN audit a ON a.patient = n.patient AND a.outcome = 0 AND a.caller_hpr = n.hpr AND n.id = ANY(a.ids)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""


async def opened_before(
    conn: Connection, moves: Sequence[tuple[int, datetime]]
) -> dict[int, list[tuple[str, str, int]]]:
    """By place in `moves` (person key, when withdrawn): organisation, role and number of those who had opened it."""
    rows = await conn.fetch(_OPENED, [patient for patient, _ in moves], [at for _, at in moves])
    found: dict[int, list[tuple[str, str, int]]] = {}
    for row in rows:
        found.setdefault(row[0] - 1, []).append((row[1], row[2], row[3]))
    return found


@dataclass(frozen=True, slots=True)
class Opened:
    """One opening of a record: by whom in which role, from where and why. The name is as the caller's system gave it."""

    at: datetime
    kind: str
    name: str
    role: str
    organisation: str
    purpose: str


_OPENED_BY = f"""
SELECT DISTINCT a.at, CASE WHEN a.caller_digest = ANY($5::bytea[]) THEN 'citizen' ELSE a.caller_kind END AS kind,
  a.caller_name, a.caller_role, a.organisation, a.purpose
FROM audit w JOIN audit a ON a.patient = ANY($1::bigint[]) AND a.outcome = 0 AND a.at <= w.at AND a.ids && (w.ids || ARRAY(
    SELECT f.former FROM former_id f WHERE f.patient = ANY($1::bigint[]) AND f.id = ANY(w.ids)))
  AND a.action IN {audit.OPENING_SQL}
WHERE w.patient = $2 AND w.at = $3 AND w.rule = $4 ORDER BY a.at, a.caller_name"""


async def opened_by(conn: Connection, grant: Grant, at: datetime) -> list[Opened]:
    """Everybody who had opened what was withdrawn from the patient at `at`, by her log, oldest first.

    Herself and whoever stands in for her come as `citizen`. The caller writes the row that says who asked.
    """
    rows = await conn.fetch(
        _OPENED_BY, list(grant.subject.keys), grant.subject.patient, at, WITHDRAWN_RULE, sorted(grant.subject.digests)
    )
    return [Opened(*row) for row in rows]


async def notices(conn: Connection, hpr: str, limit: int = 50, after: Notice | None = None) -> list[Notice]:
    """What this reader has not yet marked as seen, newest first, from the one that follows `after`. Names records; opening them
    takes a `Grant`."""
    rows = await conn.fetch(
        "SELECT patient, number, kind, type, id, version, made_at, read_at, read_version, was_withdrawn FROM notice "
        "WHERE hpr = $1 AND seen_at IS NULL AND ($3::timestamptz IS NULL OR (made_at, number) < ($3, $4::uuid)) "
        "ORDER BY made_at DESC, number DESC LIMIT $2",
        hpr, limit, after and after.made_at, after and after.number,
    )  # fmt: skip
    return [Notice(*tuple(row)) for row in rows]


async def labels_of(conn: Connection, grant: Grant, told: Sequence[Notice]) -> dict[tuple[int, UUID], Label]:
    """By type and id the labels of what these notices are about, where it stands: whether it is open, and nothing of it."""
    rows = await conn.fetch(
        "SELECT r.type, r.id, r.labels FROM unnest($2::smallint[], $3::uuid[]) AS n(type, id) "
        "JOIN record r ON r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id",
        list(grant.subject.keys), [one.type for one in told], [one.id for one in told],
    )  # fmt: skip
    return {(row[0], row[1]): Label(row[2]) for row in rows}


_SEE = """
UPDATE notice n SET seen_at = $3 FROM notice m
WHERE m.hpr = $1 AND m.number = ANY($2::uuid[]) AND m.seen_at IS NULL AND n.hpr = m.hpr AND n.patient = m.patient
  AND n.kind = m.kind AND n.type = m.type AND n.id = m.id AND n.made_at <= m.made_at AND n.seen_at IS NULL"""


async def see_notices(conn: Connection, hpr: str, numbers: Sequence[UUID], at: datetime) -> None:
    """She has seen these, and what earlier changes of the same results told her.

    Refusal 404 where none of them is hers, or all were seen before.
    """
    tag = await conn.execute(_SEE, hpr, list(numbers), at)
    if tag == "UPDATE 0":
        raise Refusal(404, "there is no such notice waiting", where="number")


async def close_notices(conn: Connection, hpr: str, numbers: Sequence[UUID], at: datetime) -> None:
    """As if she had seen these: they tell her nothing that she did not read."""
    await conn.execute(_SEE, hpr, list(numbers), at)


async def acknowledge(conn: Connection, grant: Grant, type_: int, id_: UUID, version: int) -> None:
    """The requester has read this version; a second time changes nothing."""
    await conn.execute(
        "INSERT INTO acknowledgement (patient, type, id, version, hpr, at) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT DO NOTHING",
        grant.subject.patient, type_, id_, version, grant.caller.hpr, grant.at,
    )  # fmt: skip


async def acknowledged(conn: Connection, grant: Grant) -> dict[UUID, tuple[int, datetime]]:
    """What this caller has acknowledged of the patient: id -> (version, when), the newest version of each."""
    rows = await conn.fetch(
        "SELECT id, version, at FROM acknowledgement WHERE patient = ANY($1::bigint[]) AND hpr = $2 ORDER BY version",
        list(grant.subject.keys),
        grant.caller.hpr,
    )
    return {row["id"]: (row["version"], row["at"]) for row in rows}


def put_in_inbox(hpr: str, type_: int, issued_at: datetime) -> Beside:
    """Beside a write: the new versions of its records of this type wait for their requester, since the laboratory issued
    them."""
    return Beside(_inbox, (hpr, type_, issued_at))


def _inbox(first: int) -> str:
    return f"""asked AS (
  INSERT INTO requester_inbox (patient, type, id, version, hpr, at)
  SELECT $1, type, id, reached + 1, ${first}::text, ${first + 2}::timestamptz FROM known WHERE type = ${first + 1}::smallint
  ON CONFLICT (patient, type, id, hpr) DO UPDATE SET version = excluded.version, at = excluded.at
)"""


# A report that is gone, or was filed on a wrong person, can be signed by nobody.
_UNREAD = f"""
FROM requester_inbox i JOIN record r ON r.patient = i.patient AND r.type = i.type AND r.id = i.id
  AND r.labels & {ON_A_WRONG_PERSON} = 0
WHERE i.hpr = $1 AND NOT EXISTS (SELECT 1 FROM acknowledgement a WHERE a.patient = i.patient
  AND a.type = i.type AND a.id = i.id AND a.hpr = i.hpr AND a.version >= i.version)"""


class Unread(NamedTuple):
    """A report that its requester has not acknowledged. Whether she may know of it, `labels` and the law say together."""

    patient: int
    id: UUID
    version: int
    at: datetime
    labels: Label


async def waiting(
    conn: Connection, hpr: str, places: Sequence[str], day: date, limit: int, after: int = 0
) -> list[Unread]:  # fmt: skip
    """What a requester has not acknowledged of those who are on her list that day, or in an open course where she works, newest
    first, after so many. Of others nothing is open to her, and there is no end to them."""
    rows = await conn.fetch(
        f"SELECT i.patient, i.id, i.version, i.at, r.labels {_UNREAD} AND EXISTS (SELECT 1 FROM person p "
        f"JOIN person_tie t ON t.patient = ANY(p.linked || p.patient) WHERE p.patient = i.patient AND {TIED}) "
        "ORDER BY i.at DESC, i.id LIMIT $4 OFFSET $5",
        hpr, places, day, limit, after,
    )  # fmt: skip
    return [Unread(row[0], row[1], row[2], row[3], Label(row[4])) for row in rows]


async def waiting_ids(conn: Connection, grant: Grant) -> dict[UUID, int]:
    """The reports of this patient that wait for this caller: id -> version."""
    rows = await conn.fetch(
        f"SELECT i.id, i.version {_UNREAD} AND i.patient = ANY($2::bigint[])",
        grant.caller.hpr,
        list(grant.subject.keys),
    )
    return {row[0]: row[1] for row in rows}


async def acknowledge_until(conn: Connection, until: datetime, at: datetime) -> None:
    """Signs everything issued before `until` for its requester: a synthetic past has been read by somebody."""
    await conn.execute(
        "INSERT INTO acknowledgement (patient, type, id, version, hpr, at) "
        "SELECT patient, type, id, version, hpr, $2 FROM requester_inbox WHERE at < $1 ON CONFLICT DO NOTHING",
        until,
        at,
    )


async def keep_shown(conn: Connection, grant: Grant, number: UUID, system: str, code: str) -> None:
    """Counts an "already done" answer that was shown to its reader."""
    await conn.execute(
        "INSERT INTO reuse_answer (patient, number, at, system, code, outcome, hpr) "
        "VALUES ($1, $2, $3, $4, $5, 'shown', $6)",
        grant.subject.patient, number, grant.at, system, code, grant.caller.hpr,
    )  # fmt: skip


async def keep_outcome(conn: Connection, grant: Grant, wrap: Wrap, number: UUID, outcome: str, reason: str) -> None:
    """What the reader did with the answer that was shown to her, once; why (empty: not said) is sealed about the patient.

    Where no such answer of hers waits nothing is kept, and nothing told of it.
    """
    patient = grant.subject.patient
    why = wrap.of_service(grant.subject, grant.service).seal(reason.encode(), _why_of(patient, number))
    await conn.execute(
        "INSERT INTO reuse_answer (patient, number, at, system, code, outcome, hpr, why) "
        "SELECT r.patient, r.number, $4, r.system, r.code, $5, r.hpr, $6 FROM reuse_answer r "
        "WHERE r.patient = $1 AND r.number = $2 AND r.hpr = $3 AND r.outcome = 'shown' AND NOT EXISTS "
        "(SELECT 1 FROM reuse_answer d WHERE d.patient = $1 AND d.number = $2 AND d.outcome <> 'shown') "
        "ON CONFLICT DO NOTHING",
        patient, number, grant.caller.hpr, grant.at, outcome, why,
    )  # fmt: skip


def _why_of(patient: int, number: UUID) -> bytes:
    """What a sealed reason is bound to."""
    return b"reuse-why" + patient.to_bytes(8, "big") + number.bytes


async def reuse_counts(conn: Connection, since: datetime) -> list[tuple[str, str, str, int]]:
    """(system, code, outcome, number) since a time: the measure's own figures, of nobody in particular."""
    rows = await conn.fetch(
        "SELECT system, code, outcome, count(*) FROM reuse_answer WHERE at >= $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        since,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]
