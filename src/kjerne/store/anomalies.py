"""What stands out among the readings by personnel in the log: for whoever answers for the log to ask about.

Names practitioners and rows of the log, never patients: a relation is told by its kind alone, and the organisation that
answers for a reading finds it by the decision's id in its own system. None of this proves that a reading was wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal, get_args
from uuid import UUID

from kjerne.store.codec import Wrap
from kjerne.store.pool import Connection
from kjerne.store.subjects import PersonDetail, open_detail

FEWEST_PATIENTS: Final = 30
TIMES_USUAL: Final = 5
"""A day is unusual from so many patients on, and where it has so many times the median of all practitioners' days."""
Kind = Literal["break-glass", "break-glass-refused", "self-declared", "own-record", "family", "household", "colleague"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_READ: Final = (
    "a.at >= $1 AND a.at < $2 AND a.outcome = 0 AND a.caller_kind = 'practitioner' "
    "AND a.action IN ('read', 'search', 'history')"
)
# A break-glass that was refused gave nothing, and was meant to open what nothing else does.
_TRIED: Final = _READ.replace("a.outcome = 0", "(a.outcome = 0 OR a.purpose = 'BTG')")


@dataclass(frozen=True, slots=True)
class Standing:
    """One reading, or refused break-glass, that stands out, by whom, from where, on which ground, and why it does.

    `row` is its row in the log.
    """

    kinds: tuple[str, ...]
    row: UUID
    at: datetime
    name: str
    hpr: str
    role: str
    organisation: str
    point_of_care: str
    purpose: str
    basis: str
    rule: str
    decision: str
    records: int
    patient: int = field(default=0, repr=False)
    """For the one who opens the line under a grant; nothing that is listed tells it."""
    reader: bytes = field(default=b"", repr=False)
    service: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of them: of one organisation, of one kind, with this verdict (`none`: nobody has judged it), empty for all; or one
    row alone."""

    organisation: str = ""
    kind: str = ""
    verdict: str = ""
    row: UUID | None = None


EVERY: Final = Wanted()


@dataclass(frozen=True, slots=True)
class Busy:
    """A practitioner's Norwegian day with unusually many patients; `usual` is the median of all practitioners' days."""

    day: date
    name: str
    hpr: str
    role: str
    organisation: str
    patients: int
    usual: int
    reader: bytes = field(default=b"", repr=False)


# The keys of the patient, and those of the caller as a person; family is who is registered as such, on whatever day.
_STANDING = f"""
WITH staff AS (SELECT DISTINCT a.caller_digest, a.organisation FROM audit a WHERE {_READ}),
household AS (SELECT * FROM unnest($3::bytea[], $4::bigint[]) AS h(caller_digest, patient)),
-- Most readings are like others of the same day by the same reader: each is judged once.
looks AS MATERIALIZED (
  SELECT DISTINCT a.patient, a.caller_digest, a.caller_hpr, a.organisation, a.point_of_care, a.purpose, a.self_selected,
    (a.at AT TIME ZONE 'Europe/Oslo')::date AS day, a.outcome <> 0 AS refused
  FROM audit a WHERE {_TRIED} AND ($8::uuid IS NULL OR a.number = $8) AND ($6 = '' OR a.organisation = $6)),
judged AS MATERIALIZED (
SELECT CASE WHEN a.refused THEN ARRAY['break-glass-refused'] ELSE array_remove(ARRAY[
  CASE WHEN a.purpose = 'BTG' THEN 'break-glass' END,
  CASE WHEN a.self_selected AND NOT EXISTS (
    SELECT FROM person_tie t WHERE t.patient = ANY(k.keys) AND t.kind IN ('practice-list', 'care')
      AND (t.hpr = a.caller_hpr OR t.organisation IN (a.organisation, a.point_of_care)) AND (t.hpr <> '' OR t.organisation <> '')
      AND (t.since IS NULL OR t.since <= a.day) AND (t.until IS NULL OR t.until > a.day)) THEN 'self-declared' END,
  CASE WHEN me.keys && k.keys THEN 'own-record' END,
  CASE WHEN EXISTS (
    SELECT FROM person_tie t WHERE t.kind IN ('parent', 'proxy', 'guardian')
      AND (t.patient = ANY(k.keys) AND t.other = ANY(me.keys) OR t.patient = ANY(me.keys) AND t.other = ANY(k.keys)))
    OR NOT me.keys && k.keys AND EXISTS (
    SELECT FROM person_tie t JOIN person_tie u ON t.kind = 'parent' AND u.kind = 'parent'
      WHERE t.patient = ANY(k.keys) AND u.patient = ANY(me.keys) AND t.other = u.other
         OR t.other = ANY(k.keys) AND u.other = ANY(me.keys) AND t.patient = u.patient) THEN 'family' END,
  CASE WHEN (a.caller_digest, a.patient) IN (SELECT h.caller_digest, h.patient FROM household h) THEN 'household' END,
  CASE WHEN NOT coalesce(me.keys && k.keys, false) AND EXISTS (
    SELECT FROM person_identifier i JOIN practitioner r ON r.digest = i.digest
      JOIN staff s ON s.caller_digest = i.digest AND s.organisation = a.organisation
      WHERE i.patient = ANY(k.keys)) THEN 'colleague' END
], NULL) END AS kinds, a.*
FROM looks a JOIN person p ON p.patient = a.patient
CROSS JOIN LATERAL (SELECT p.patient || p.linked AS keys) k
LEFT JOIN LATERAL (
  SELECT c.patient || c.linked AS keys FROM person_identifier i JOIN person c ON c.patient = i.patient
  WHERE i.digest = a.caller_digest AND a.caller_digest <> '' LIMIT 1) me ON true)
SELECT j.kinds, a.number, a.at, a.caller_name, a.caller_hpr, a.caller_role, a.organisation, a.point_of_care, a.purpose,
a.basis, a.rule, a.decision, cardinality(a.ids), a.patient, a.caller_digest, a.service
FROM audit a JOIN judged j ON j.patient = a.patient AND j.caller_digest = a.caller_digest AND j.caller_hpr = a.caller_hpr
  AND j.organisation = a.organisation AND j.point_of_care = a.point_of_care AND j.purpose = a.purpose
  AND j.self_selected = a.self_selected AND j.day = (a.at AT TIME ZONE 'Europe/Oslo')::date
  AND j.refused = (a.outcome <> 0)
WHERE j.kinds <> '{{}}' AND {_TRIED} AND ($8::uuid IS NULL OR a.number = $8) AND ($6 = '' OR a.organisation = $6)"""
_LISTED = f"""
SELECT one.* FROM ({_STANDING}) one
WHERE kinds <> '{{}}' AND ($7 = '' OR $7 = ANY(kinds)) AND ($9 = '' OR $9 = coalesce(
  (SELECT v.verdict FROM log_verdict v WHERE v.line = one.number ORDER BY v.step DESC LIMIT 1), 'none'))
ORDER BY at DESC, number LIMIT $5 OFFSET $10"""

_PAIRS = f"""
SELECT DISTINCT a.caller_digest, p.patient, p.wrapped_key, p.detail, c.patient, c.wrapped_key, c.detail
FROM audit a JOIN person p ON p.patient = a.patient JOIN person_identifier i ON i.digest = a.caller_digest
JOIN person c ON c.patient = i.patient AND c.patient <> p.patient
WHERE {_READ} AND ($3::uuid IS NULL OR a.number = $3) AND p.wrapped_key IS NOT NULL AND c.wrapped_key IS NOT NULL"""

_BUSY = f"""
WITH days AS (
  SELECT (a.at AT TIME ZONE 'Europe/Oslo')::date AS day, max(a.caller_name) AS name, a.caller_hpr AS hpr,
    max(a.caller_role) AS role, a.organisation, count(DISTINCT a.patient) AS patients,
    (array_agg(a.caller_digest))[1] AS reader
  -- Who is named on her own list alone, and whose records are not opened, is none that she has read.
  FROM audit a WHERE {_READ} AND (cardinality(a.ids) > 0 OR a.client <> 'kjerne-pages')
  GROUP BY day, a.caller_hpr, a.organisation)
SELECT d.day, d.name, d.hpr, d.role, d.organisation, d.patients, m.usual, d.reader
FROM days d, (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY patients) AS usual FROM days) m
WHERE d.patients >= $3 AND d.patients >= $4 * m.usual AND ($6 = '' OR d.organisation = $6)
ORDER BY d.patients DESC, d.day, d.hpr LIMIT $5"""


async def standing_out(
    conn: Connection, wrap: Wrap, since: datetime, until: datetime, limit: int, wanted: Wanted = EVERY, skipped: int = 0
) -> list[Standing]:
    """Readings in [since, until) that stand out, newest first, at most `limit` behind so many `skipped`."""
    pairs = [pair async for pair in _households(conn, wrap, since, until, wanted.row)]
    digests, patients = [digest for digest, _ in pairs], [patient for _, patient in pairs]
    rows = await conn.fetch(
        _LISTED, since, until, digests, patients, limit, wanted.organisation, wanted.kind, wanted.row, wanted.verdict,
        skipped,
    )  # fmt: skip
    return [Standing(tuple(row[0]), *tuple(row)[1:]) for row in rows]


async def busy_days(
    conn: Connection, since: datetime, until: datetime, limit: int, organisation: str = ""
) -> list[Busy]:
    """Days of practitioners in [since, until) with unusually many patients, the most first; of one organisation, or all."""
    rows = await conn.fetch(_BUSY, since, until, FEWEST_PATIENTS, TIMES_USUAL, limit, organisation)
    return [Busy(*row) for row in rows]


async def organisations(conn: Connection, since: datetime, until: datetime) -> list[str]:
    """Numbers of those from whom anybody of the personnel has read in [since, until)."""
    rows = await conn.fetch(f"SELECT DISTINCT a.organisation FROM audit a WHERE {_TRIED} ORDER BY 1", since, until)
    return [row[0] for row in rows if row[0]]


async def _households(
    conn: Connection, wrap: Wrap, since: datetime, until: datetime, row: UUID | None
) -> AsyncIterator[tuple[bytes, int]]:
    """Callers and patients who share surname and address: names and addresses lie sealed, so SQL cannot compare them."""
    async with conn.transaction():
        async for digest, patient, key, sealed, other, other_key, other_sealed in conn.cursor(
            _PAIRS, since, until, row
        ):
            home = _home(open_detail(wrap, patient, key, sealed))
            if home and home == _home(open_detail(wrap, other, other_key, other_sealed)):
                yield digest, patient


def _home(detail: PersonDetail) -> tuple[str, str, str] | None:
    """Surname, address and municipality in one writing; None where one of the first two is not known."""
    surname, address = detail.name.split()[-1:], " ".join(detail.address.split())
    if not surname or not address:
        return None
    return surname[0].casefold(), address.casefold(), detail.municipality.casefold()
