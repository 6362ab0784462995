"""A laboratory's message on its way in: all that must be known before the law is asked, and all that is held to file it.

Each is one statement, since a message names one person and one report nearly always, and the way to the database and back
costs more than what is done there. Both answer the program, never a caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from xxhash import xxh3_128_digest

from kjerne.access import Grant, Once
from kjerne.exchange import Stale
from kjerne.store import messages
from kjerne.store.chains import REPORT
from kjerne.store.messages import Received
from kjerne.store.pool import Connection, numbered_from
from kjerne.store.proofs import fetched, noting
from kjerne.store.records import Before

VERSIONS_LOOKED_AT: Final = 200
"""Versions under one number that are looked at. A number with more of them is none of a report; see `Arrival.crowded`."""


class Sent(NamedTuple):
    """One version under a laboratory's number: whom it names, the chain it is laid in, and whose that is now; or one sampling of
    it (`part`), where they lie in several."""

    made_at: datetime
    message: str
    patient: int
    chain: bytes
    owner: int
    trace: bytes
    part: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known about one report that came: who has the patient's number it names, and what came under its own. `beside`:
    who has each of the other national numbers that it gives her."""

    person: int | None
    known: tuple[Sent, ...]
    beside: tuple[int | None, ...] = ()

    @property
    def crowded(self) -> bool:
        """Whether so much came under the number that it cannot be one of a report."""
        return len(self.known) > VERSIONS_LOOKED_AT


# Each look-up by a key that comes from another table is LATERAL with a LIMIT: so it stays one look into an index, whatever
# the planner believes of the tables' size. Plans are made once, for a new database while its tables are empty.
# What was deleted after an opt-out has no owner any more, and says nothing.
_LOOKED: Final = """(SELECT i.patient FROM person_identifier i WHERE i.digest = n.person
        ORDER BY (i.valid_to IS NULL) DESC, i.valid_from DESC LIMIT 1),
  (SELECT array_agg(ROW(u.made_at, u.message, u.patient, u.chain, u.owner, u.trace, u.part)) FROM (
     SELECT v.*, l.patient AS owner FROM report_version v
     JOIN LATERAL (SELECT patient FROM locator WHERE kind = $3 AND digest = v.chain LIMIT 1) l ON true
     WHERE v.number = n.report LIMIT $6 + 1) u),
  m.status, m.receipt, m.digest, m.reports, m.observations
FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS n(person, report, place)
LEFT JOIN message_in m ON m.sender = $4 AND m.message = $5
ORDER BY n.place"""
_LOOK: Final = f"SELECT {_LOOKED}"
_LOOK_NOTING: Final = f"WITH {noting(7)} SELECT EXISTS (SELECT 1 FROM note), {_LOOKED}"


async def look(
    conn: Connection, sender: str, message: str, raw: bytes, named: Sequence[tuple[bytes, bytes]],
    once: Once | None = None,
) -> tuple[Received | None, list[Arrival]]:  # fmt: skip
    """What the message was answered if it came before, and what is known about each (person's digest, report) it names.

    Notes the request's proof (`once`), if it is not noted yet.
    """
    values = [person for person, _ in named], [report for _, report in named], REPORT, sender, message
    rows = await fetched(conn, once, _LOOK, _LOOK_NOTING, (*values, VERSIONS_LOOKED_AT))
    _, _, status, receipt, digest, reports, observations = rows[0]
    seen = None
    if status is not None:
        seen = Received(status, receipt, digest == xxh3_128_digest(raw), reports, observations)
    return seen, [Arrival(row[0], tuple(Sent(*one) for one in row[1] or ())) for row in rows]


_UNDER: Final = """SELECT v.made_at, v.message, v.patient, v.chain, l.patient, v.trace, v.part
FROM (SELECT * FROM report_version WHERE number = $1 OFFSET 0) v
JOIN LATERAL (SELECT patient FROM locator WHERE kind = $2 AND digest = v.chain LIMIT 1) l ON true"""


async def under(conn: Connection, number: bytes) -> tuple[Sent, ...]:
    """What has come under a number by now, the transaction's own work included. Call with the number locked."""
    return tuple(Sent(*row) for row in await conn.fetch(_UNDER, number, REPORT))


_SHARES: Final = "$11::bigint[] || coalesce((SELECT array_agg(n) FROM ended, unnest(ended.shares) n), '{}')"
_CLAIMING: Final = f"""ended AS (
  DELETE FROM message_in m USING unnest($13::text[]) AS i(id)
  WHERE m.sender = $1 AND m.message > i.id || '.unread.' AND m.message < i.id || '.unread/' AND m.status = 'rejected'
  RETURNING m.shares
), claimed AS ({messages.claiming(_SHARES)}), held AS (
  SELECT p.patient, p.stamp FROM (SELECT key FROM unnest($14::bigint[]) AS n(key) ORDER BY key) k
  JOIN LATERAL (SELECT patient, stamp FROM person WHERE patient = k.key FOR NO KEY UPDATE) p ON true
)"""
_SEEN: Final = """EXISTS (SELECT 1 FROM claimed), (SELECT array_agg(ROW(patient, stamp)) FROM held),
  (SELECT array_agg(ROW(v.number, v.made_at, v.message, v.patient, v.chain, l.patient, v.trace, v.part))
   FROM unnest($16::bytea[]) AS n(number)
   JOIN LATERAL (SELECT * FROM report_version WHERE number = n.number OFFSET 0) v ON true
   JOIN LATERAL (SELECT patient FROM locator WHERE kind = $15 AND digest = v.chain LIMIT 1) l ON true),
  EXISTS (SELECT 1 FROM unnest($17::bytea[]) AS n(digest)
   JOIN LATERAL (SELECT 1 FROM person_identifier WHERE digest = n.digest LIMIT 1) i ON true)"""
_CLAIM: Final = f"WITH {_CLAIMING} SELECT {_SEEN}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed for a message, and held until its transaction ends: its name (`row` from `messages.row`), and the rows of
    everybody it is about.

    What could not be read and showed one of `ids` leaves the sender's queue: a good message has come in its place. Call
    with the reports' `numbers` and the `newcomers` locked.
    """

    row: tuple[Any, ...]
    ids: Iterable[str]
    grants: Sequence[Grant]
    numbers: Sequence[bytes]
    newcomers: Sequence[bytes]

    @property
    def keys(self) -> set[int]:
        """Of everybody it is about and who is registered."""
        return {key for grant in self.grants for key in grant.subject.keys}

    @property
    def values(self) -> tuple[Any, ...]:
        return (*self.row, list(self.ids), list(self.keys), REPORT, list(self.numbers), list(self.newcomers))

    def before(self) -> Before:
        """The claim in the same statement as a write; its columns are to be `judged` behind it. The statement sees what others
        did if they had to end before it: call with the persons of `keys` locked too."""
        return Before(_claiming, _seen, 4, self.values)

    def judged(self, claimed: bool, held: Any, versions: Any, named: bool) -> dict[bytes, tuple[Sent, ...]]:
        """What has come under each number of a report by now. Raises `Stale` where the message was taken, a newcomer's number
        found its person, or a fact about any of the patients changed, since it was looked at."""
        stamps: dict[int, int] = dict(held or ())
        if (
            not claimed
            or named
            or any(sum(stamps.get(key, 0) for key in one.subject.keys) != one.subject.stamp for one in self.grants)
        ):
            raise Stale
        known: dict[bytes, tuple[Sent, ...]] = {}
        for number, *sent in versions or ():
            known[number] = (*known.get(number, ()), Sent(*sent))
        return known


_claiming: Final = partial(numbered_from, part=_CLAIMING)
_seen: Final = partial(numbered_from, part=_SEEN)


async def claim(conn: Connection, one: Claim) -> dict[bytes, tuple[Sent, ...]]:
    """Claims by itself: what has come under each number of a report by now, or `Stale`."""
    return one.judged(*await conn.fetchrow(_CLAIM, *one.values))  # type: ignore[misc]  # no FROM: one row
