"""A laboratory's message on its way in: all that must be known before the law is asked, and all that is held to file it.

Each is one statement, since a message names one person and one report nearly always, and the way to the database and back
costs more than what is done there. Both answer the program, never a caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xxhash import xxh3_128_digest

from kjerne.access import Grant, Once
from kjerne.exchange import Stale
from kjerne.store import messages
from kjerne.store.chains import REPORT
from kjerne.store.messages import Received
from kjerne.store.pool import Connection
from kjerne.store.proofs import fetched, noting


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known about one report that came: who has the number it names, who owns its chain, and of how many versions."""

    person: int | None
    owner: int | None
    versions: int


_LOOK: Final = """
SELECT (SELECT i.patient FROM person_identifier i WHERE i.digest = n.person
        ORDER BY (i.valid_to IS NULL) DESC, i.valid_from DESC LIMIT 1),
  l.patient, (SELECT count(*) FROM report_source s WHERE s.patient = l.patient AND s.report = l.digest),
  m.status, m.receipt, m.digest, m.reports, m.observations
FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS n(person, report, place)
LEFT JOIN locator l ON l.kind = $3 AND l.digest = n.report
LEFT JOIN message_in m ON m.sender = $4 AND m.message = $5
ORDER BY n.place"""
_NOTING_LOOK: Final = f"WITH {noting(6)} SELECT EXISTS (SELECT 1 FROM note), f.* FROM ({_LOOK}) f"


async def look(
    conn: Connection, once: Once | None, sender: str, message: str, raw: bytes, named: Sequence[tuple[bytes, bytes]]
) -> tuple[Received | None, list[Arrival]]:
    """What the message was answered if it came before, and what is known about each (person's digest, report) it names.

    With `once` the request's proof is noted in the same statement, and refused where it was used before.
    """
    values = [person for person, _ in named], [report for _, report in named], REPORT, sender, message
    rows = await fetched(conn, once, _LOOK, _NOTING_LOOK, values)
    _, _, _, status, receipt, digest, reports, observations = rows[0]
    seen = None
    if status is not None:
        seen = Received(status, receipt, digest == xxh3_128_digest(raw), reports, observations)
    return seen, [Arrival(*row[:3]) for row in rows]


_CLAIM: Final = f"""
WITH claimed AS ({messages.CLAIM}), ended AS (
  DELETE FROM message_in m USING unnest($11::text[]) AS i(id)
  WHERE m.sender = $1 AND m.message > i.id || '.unread.' AND m.message < i.id || '.unread/' AND m.status = 'rejected'
), held AS (
  SELECT patient, stamp FROM person WHERE patient = ANY($12::bigint[]) ORDER BY patient FOR NO KEY UPDATE
)
SELECT EXISTS (SELECT 1 FROM claimed), (SELECT array_agg(ROW(patient, stamp)) FROM held),
  (SELECT array_agg(ROW(l.digest, l.patient)) FROM locator l WHERE l.kind = $13 AND l.digest = ANY($14::bytea[])),
  EXISTS (SELECT 1 FROM person_identifier i WHERE i.digest = ANY($15::bytea[]))"""


async def claim(
    conn: Connection, row: tuple[Any, ...], ids: Iterable[str], grants: Sequence[Grant],
    owners: Mapping[bytes, int | None], newcomers: Sequence[bytes],
) -> None:  # fmt: skip
    """Keeps the message (`row` from `messages.row`) and takes the rows of everybody it is about, until the transaction ends.

    Reports about one patient are filed one after another. What could not be read and showed one of `ids` leaves the
    sender's queue: a good message has come in its place. Call with the reports and the newcomers' numbers locked. Raises
    `Stale` where the message was taken, a chain changed owner, a number found its person, or a fact about any of
    the patients changed, since it was looked at.
    """
    keys = {key for grant in grants for key in grant.subject.keys}
    claimed, held, chains, known = await conn.fetchrow(
        _CLAIM, *row, list(ids), list(keys), REPORT, list(owners), list(newcomers)
    )  # type: ignore[misc]  # a SELECT without FROM has one row
    stamps: dict[int, int] = dict(held or ())
    if (
        not claimed
        or known
        or dict(chains or ()) != {report: owner for report, owner in owners.items() if owner is not None}
        or any(sum(stamps.get(key, 0) for key in grant.subject.keys) != grant.subject.stamp for grant in grants)
    ):
        raise Stale
