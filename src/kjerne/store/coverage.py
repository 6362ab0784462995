"""How many of those who are tied to an organisation have critical information registered, and how old it is: numbers alone.

Counted are humans, not numbers of one, by the ties of today; nothing is opened, since what a record says lies sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, Literal, NamedTuple

from kjerne.store.pool import Connection

Level = Literal["all", "region", "organisation"]


class Counted(NamedTuple):
    """One place: all who are tied to it, and how many of them have something registered. `region` is the county, the first two
    digits of the municipality's number; `ages` are (people, records) by age."""

    level: Level
    place: str
    region: str
    people: int
    registered: int
    ages: tuple[tuple[int, int], ...]


_PLACED: Final = """
WITH human AS (
  SELECT p.patient, (SELECT min(k) FROM unnest(p.linked || p.patient) AS k) AS one FROM person p
), tied AS (
  SELECT DISTINCT o.number, left(o.municipality, 2) AS region, h.one
  FROM person_tie t JOIN organisation o ON o.number = t.organisation JOIN human h ON h.patient = t.patient
  WHERE t.kind IN ('care', 'practice-list') AND (t.since IS NULL OR t.since <= $2::date)
    AND (t.until IS NULL OR $2::date < t.until)
), placed AS (
  SELECT 'organisation' AS level, number AS place, region, one FROM tied
  UNION SELECT 'region', region, region, one FROM tied UNION SELECT 'all', '', '', one FROM tied
), has AS (
  SELECT h.one, r.at FROM record r JOIN human h ON h.patient = r.patient WHERE r.type = ANY($1::smallint[])
)"""
_PEOPLE: Final = f"""{_PLACED}
SELECT level, place, region, count(*), count(*) FILTER (WHERE one IN (SELECT one FROM has)) FROM placed
GROUP BY 1, 2, 3 ORDER BY 1, 3, 2"""
_AGES: Final = f"""{_PLACED}
SELECT p.level, p.place, (SELECT count(*) FROM unnest($3::timestamptz[]) AS b WHERE h.at < b)::integer AS age,
  count(DISTINCT p.one), count(*)
FROM placed p JOIN has h USING (one) GROUP BY 1, 2, 3"""


async def counted(conn: Connection, types: Sequence[int], day: date, since: Sequence[datetime]) -> list[Counted]:
    """Every place, in one order. A record's age is that of its current version: `since` are the bounds between ages, the
    youngest first."""
    people = await conn.fetch(_PEOPLE, list(types), day)
    ages = await conn.fetch(_AGES, list(types), day, list(since))
    by_place = {(row[0], row[1], row[2]): (row[3], row[4]) for row in ages}
    return [
        Counted(
            level, place, region, tied, registered,
            tuple(by_place.get((level, place, age), (0, 0)) for age in range(len(since) + 1)),
        )
        for level, place, region, tied, registered in people
    ]  # fmt: skip
