"""What a conditional write is about: the records of one patient that answer its criteria and that the writer filed itself.

Another source's record answers no condition, as it can be changed by none: so nobody learns by a condition what others have
sent in, and each source has its own record of a thing once. What shuts a record to readers does not shut it to the
organisation that filed it, which corrects it all the same; what a grant hides from its caller stays hidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.errors import Refusal
from kjerne.exchange import Joined, looking_at
from kjerne.fhir.fitting import fits, weighed
from kjerne.fhir.search import Plan, Search, counted
from kjerne.store.finding import Finder
from kjerne.store.pool import Connection, columns

_STANDS: Final = """
SELECT r.patient, r.id, r.version, r.at, r.type FROM record r
JOIN unnest($1::bigint[], $2::smallint[], $3::uuid[]) AS m(patient, type, id) USING (patient, type, id)
WHERE r.labels & $4 = 0 ORDER BY r.id LIMIT 500"""
"""As many as the row of a refusal names where several answer."""


class Match(NamedTuple):
    """A record that answers: the key that it lies under, and the version that stands."""

    patient: int
    id: UUID
    version: int
    at: datetime


async def the_one(conn: Connection, grant: Grant, finder: Finder, search: Search, letter: str) -> Match | None:
    """The one record that answers the criteria, None where there is none; `Refusal` 412 where there are several.

    `letter` is what the token's SMART scopes must leave of it. Call in a transaction that holds the patient's row (`hold`): until
    its end nothing else comes to answer, of all that is written by conditions.
    """
    matching = await finder.matching(conn, grant, search, letter, own=True)
    if not matching:
        return None
    found = await conn.fetch(_STANDS, *columns(matching, 3), int(Label.WITHDRAWN))
    if len(found) > 1:
        with looking_at(*((row["type"], row["id"], row["version"]) for row in found)):
            raise Refusal(412, "more than one record answers the criteria", todo="Add to them until one is left.")
    return Match(*tuple(found[0])[:-1]) if found else None


def check_apart(joined: Joined | None, asked: Plan, type_: int, keys: Iterable[int] = ()) -> None:
    """`Refusal` 400 where the criteria mean a record that another entry of the transaction has changed or taken away before.

    R4 lets no two entries be about one record, whichever way they name it (http.html#trules), and means what was there when
    the transaction began: a second condition would else find nothing, or another record. `type_` is the number of its rows,
    `keys` are those of the person whom the criteria are about, if any.
    """
    if joined is None:
        return
    whose = frozenset(keys)
    with counted():
        for one in joined.changed(type_):
            if one.keys.isdisjoint(whose) and (one.keys or whose):
                continue
            if fits(weighed(str(one.id), one.at, dict(one.tree)), asked):
                named = [(one.type, one.id, one.version)] if isinstance(one.id, UUID) else []
                with looking_at(*named):
                    says, todo = "two entries of a transaction write the same record", "Send one of them afterwards."
                    raise Refusal(400, says, code="duplicate", todo=todo)


def at_key(grant: Grant, patient: int) -> Grant:
    """The grant with another of the person's keys first: a record that lies under a number linked to hers is written there."""
    of = grant.subject
    order = sorted(range(len(of.keys)), key=lambda place: of.keys[place] != patient)
    return replace(
        grant,
        subject=replace(
            of,
            patient=patient,
            keys=tuple(of.keys[place] for place in order),
            wrapped=tuple(of.wrapped[place] for place in order),
            destroyed=tuple(of.destroyed[place] for place in order) if of.destroyed else (),
        ),
    )
