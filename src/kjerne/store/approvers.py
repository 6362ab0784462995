"""Who asked for an export, who approved it and who reviews the log, as humans and not as numbers (docs/law.md K53, K56)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kjerne.access import Caller
from kjerne.store.pool import Connection


@dataclass(frozen=True, slots=True)
class Signature:
    """Who asked for an export or approved it: the number she was logged in with, her HPR number, and the person keys that the
    number leads to now, with all that are linked to it."""

    digest: bytes
    hpr: str
    keys: frozenset[int] = frozenset()

    def is_the_same_human(self, other: Signature) -> bool:
        return bool(
            (self.digest and self.digest == other.digest)
            or (self.hpr.lstrip("0") and self.hpr.lstrip("0") == other.hpr.lstrip("0"))
            or self.keys & other.keys
        )


def humans(signatures: Sequence[Signature]) -> list[list[Signature]]:
    """The signatures of each human; the first of them is the first one's."""
    found: list[list[Signature]] = []
    for one in signatures:
        same = [group for group in found if any(one.is_the_same_human(other) for other in group)]
        joined = [other for group in same for other in group] + [one]
        place = found.index(same[0]) if same else len(found)
        found = [group for group in found if group not in same]
        found.insert(place, joined)
    return found


_SIGNED = """
SELECT n.digest, n.hpr, (SELECT coalesce(array_agg(k.key), '{}') FROM person_identifier i JOIN person p USING (patient),
  unnest(p.patient || p.linked) AS k(key) WHERE i.digest = n.digest AND n.digest <> '') FROM (
  SELECT asked_by AS digest, asked_hpr AS hpr, false AS approves, at FROM export WHERE number = $1
  UNION ALL SELECT person, hpr, true, at FROM export_approval WHERE export = $1) n ORDER BY n.approves, n.at"""
_OF_ONE = """
SELECT coalesce(array_agg(k.key), '{}') FROM person_identifier i JOIN person p USING (patient),
  unnest(p.patient || p.linked) AS k(key) WHERE i.digest = $1"""


async def of_export(conn: Connection, number: int) -> tuple[Signature, ...]:
    """Of who asked, and then of who has approved."""
    return tuple(Signature(row[0], row[1], frozenset(row[2])) for row in await conn.fetch(_SIGNED, number))


async def of_caller(conn: Connection, caller: Caller) -> Signature:
    return await of_number(conn, caller.digest, caller.hpr)


async def of_number(conn: Connection, digest: bytes, hpr: str) -> Signature:
    """Of whoever has this number and HPR number: as they stand in a row of the log."""
    return Signature(digest, hpr, frozenset(await conn.fetchval(_OF_ONE, digest)))
