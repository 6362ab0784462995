"""Analyses made again within their interval: found when a report is filed, counted afterwards, of nobody in particular.

The note is part of the transaction that files, and sealed: beside the report's own rows it would else tell what one
person was tested for. A job adds the notes to the counts and takes them away, both in one transaction.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

import msgspec
from asyncpg.pgproto import pgproto

from kjerne.access import Grant
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection
from kjerne.store.reading import Unwrapped
from kjerne.store.records import Beside

AT_ONCE: Final = 10_000
_uuid = pgproto.UUID  # the driver's own costs a fifth of Python's


class Repeat(msgspec.Struct, frozen=True, array_like=True):
    """A repeat: which analysis, which organisation asked (kind of number, and number), and the first day of its month."""

    analysis: str
    kind: str
    number: str
    month: date


@dataclass(frozen=True, slots=True)
class Made:
    """One analysis that was made: an earlier one in (since, until) with one of the codes `hashes` makes it a repeat."""

    since: datetime
    until: datetime
    hashes: tuple[int, ...]
    repeat: Repeat


@dataclass(frozen=True, slots=True)
class Count:
    """How often in a month an organisation had an analysis made again within its interval."""

    month: date
    analysis: str
    organisation: str
    number: int


# The records that may come into question are looked at once; a record with any label is one that somebody may not see.
def _note(first: int) -> str:
    return f"""earlier AS MATERIALIZED (
  SELECT r.tokens, r.date_from FROM record r WHERE r.patient = ANY(${first}::bigint[]) AND r.type = ${first + 1}
    AND r.labels = 0
    AND r.date_from > (SELECT min(m) FROM unnest(${first + 4}::timestamptz[]) m)
    AND r.date_from < (SELECT max(m) FROM unnest(${first + 5}::timestamptz[]) m)
    AND r.tokens LIKE ANY(${first + 3}::bytea[]) AND r.tokens LIKE ANY(${first + 6}::bytea[])
    AND r.id <> ALL(${first + 7}::uuid[])
), repeated AS (
  SELECT DISTINCT n.place FROM unnest(${first + 2}::integer[], ${first + 3}::bytea[], ${first + 4}::timestamptz[],
    ${first + 5}::timestamptz[]) AS n(place, pattern, since, until)
  JOIN earlier r ON r.tokens LIKE n.pattern AND r.date_from > n.since AND r.date_from < n.until
), noted AS (
  INSERT INTO repeat_noted (number, sealed) SELECT m.number, m.sealed
  FROM unnest(${first + 8}::uuid[], ${first + 9}::bytea[]) WITH ORDINALITY AS m(number, sealed, place)
  JOIN repeated f ON f.place = m.place WHERE EXISTS (SELECT FROM known)
)"""


def note(
    grant: Grant, keys: Unwrapped, sealer: Sealer, type_: int, made: Sequence[Made], usable: Sequence[int], own: list[UUID]
) -> Beside:  # fmt: skip
    """Beside a write: notes which of `made` are repeats, by the patient's records of `type_`.

    Looked at are those without labels and other than `own`; `usable` are hashes of the statuses that count. The program
    alone compares: what is found does not leave.
    """
    # One call for all, for each of her keys in turn: a row says which analysis its pattern is of.
    rows = [(place, one) for place, one in enumerate(made, 1) for _ in one.hashes] * len(grant.subject.keys)
    patterns = keys.patterns([number for one in made for number in one.hashes])
    numbers = [_uuid(os.urandom(16)) for _ in made]
    sealed = [_sealed(sealer, number, one.repeat) for number, one in zip(numbers, made, strict=True)]
    return Beside(
        _note,
        (
            list(grant.subject.keys), type_, [place for place, _ in rows], patterns, [one.since for _, one in rows],
            [one.until for _, one in rows], keys.patterns(usable), own, numbers, sealed,
        ),
    )  # fmt: skip


def _sealed(sealer: Sealer, number: UUID, repeat: Repeat) -> bytes:
    return sealer.seal(msgspec.msgpack.encode(repeat), number.bytes)


_TAKE: Final = """
DELETE FROM repeat_noted WHERE number IN (SELECT number FROM repeat_noted LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING number, sealed"""

# A HER number is the address of a unit: the register says which organisation it is.
_ADD: Final = """
INSERT INTO repeat_count (month, analysis, organisation, number)
SELECT n.month, n.analysis, CASE n.kind WHEN 'ENH' THEN n.organisation
    WHEN 'HER' THEN coalesce((SELECT min(o.number) FROM organisation o WHERE o.her = n.organisation), '') ELSE '' END AS who,
  sum(n.number)
FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::bigint[])
  AS n(month, analysis, kind, organisation, number)
GROUP BY n.month, n.analysis, who ORDER BY n.month, n.analysis, who
ON CONFLICT (month, analysis, organisation) DO UPDATE SET number = repeat_count.number + excluded.number"""


async def count(conn: Connection, sealer: Sealer) -> int:
    """Adds what is noted to the counts; how many. Each note is counted once, however many programs count."""
    async with conn.transaction():
        rows = await conn.fetch(_TAKE, AT_ONCE)
        noted = [msgspec.msgpack.decode(sealer.open(sealed, n.bytes), type=Repeat) for n, sealed in rows]
        counts = Counter((one.month, one.analysis, one.kind, one.number) for one in noted)
        if counts:
            await conn.execute(_ADD, *map(list, zip(*counts, strict=True)), list(counts.values()))
    return len(rows)


async def counted(conn: Connection, since: date, until: date, fewest: int) -> list[Count]:
    """The counts of the months in [since, until) that are not smaller than `fewest`."""
    rows = await conn.fetch(
        "SELECT month, analysis, organisation, number FROM repeat_count WHERE month >= $1 AND month < $2 "
        "AND number >= $3 ORDER BY month, analysis, organisation",
        since,
        until,
        fewest,
    )
    return [Count(*row) for row in rows]
