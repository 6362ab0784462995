"""The patient's log a page at a time: whatever its length, a page costs a page, and what is left out is counted.

The grant is compiled into the statement as `store.finding` does with records, so that totals, pages and the list of
organisations tell of the same rows: those `policy.insight` would let this reader see. It looks at each again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

from kjerne.access import Grant
from kjerne.store import audit
from kjerne.store.codec import Wrap
from kjerne.store.pool import Connection

Show = Literal["others", "seen", "acute", "refused", "all"]


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place in the log: its moment and its number."""

    at: datetime
    number: UUID


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for: in [since, until), of one organisation and service (empty: all), and what was done."""

    show: Show = "others"
    since: datetime | None = None
    until: datetime | None = None
    organisation: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Sorting:
    """What the law calls an emergency, a filing and a deed beside the record: sets of purposes, bases and actions."""

    purposes: Collection[str]
    bases: Collection[str]
    filing: Collection[str]
    writing: Collection[str]
    deeds: Collection[str]


@dataclass(frozen=True, slots=True)
class Part:
    """A page of the log. `newer` wanted rows lie before it, `total` there are in all; every organisation and service of the
    whole log is named, whatever was asked for."""

    rows: tuple[Mapping[str, Any], ...]
    newer: int
    total: int
    organisations: frozenset[str]
    services: frozenset[str]


# $1 keys, $2 the patient's own digests, $3 actions of filing, $4 ids kept from the reader, $5 whether other representatives
# are kept from her, $6 her own digest.
_MAY_SEE: Final = """patient = ANY($1::bigint[])
AND NOT (action = ANY($3::text[]) AND ids <> '{}' AND ids <@ $4::uuid[])
AND NOT ($5 AND caller_kind NOT IN ('system', 'practitioner') AND caller_digest <> ALL($2::bytea[]) AND caller_digest <> $6)"""

_STAFF: Final = "(caller_kind = 'practitioner' AND caller_digest <> ALL($2::bytea[]))"

# $7 since, $8 until, $9 organisation, $10 service, $11 purposes and $12 bases of an emergency, $13 writing, $14 deeds.
_SHOWN: Final[Mapping[Show, str]] = {
    "others": f"({_STAFF} OR action = ANY($14::text[]))",
    "seen": f"({_STAFF} AND outcome = 0 AND action <> ALL($13::text[]))",
    "acute": f"(purpose = ANY($11::text[]) OR basis = ANY($12::text[]) OR (self_selected AND {_STAFF}))",
    "refused": "outcome <> 0",
    "all": "true",
}
_ASKED: Final = """($7::timestamptz IS NULL OR at >= $7) AND ($8::timestamptz IS NULL OR at < $8)
AND ($9::text = '' OR organisation = $9) AND ($10::text = '' OR service = $10)"""

# Every parameter is named in both statements, so that both take the same values.
_EVERY: Final = (
    "(cardinality($11::text[]) + cardinality($12::text[]) + cardinality($13::text[]) + cardinality($14::text[])) >= 0"
)


@cache
def _page(shown: str) -> str:
    return f"""SELECT {audit.COLUMNS}, types, ids, versions, about, reason FROM audit
WHERE {_MAY_SEE} AND {_ASKED} AND {shown} AND {_EVERY}
AND ($15::timestamptz IS NULL OR (at, number) < ($15, $16::uuid)) ORDER BY at DESC, number DESC LIMIT $17"""


@cache
def _counts(shown: str) -> str:
    return f"""SELECT organisation, service, count(*) FILTER (WHERE {_ASKED} AND {shown}), count(*) FILTER (
WHERE {_ASKED} AND {shown} AND $15::timestamptz IS NOT NULL AND (at, number) >= ($15, $16::uuid))
FROM audit WHERE {_MAY_SEE} AND {_EVERY} GROUP BY organisation, service"""


async def page(
    conn: Connection,
    grant: Grant,
    wrap: Wrap,
    wanted: Wanted,
    sorting: Sorting,
    hidden: Collection[str],
    after: Place | None,
    limit: int,
) -> Part:
    """The wanted rows after a place, newest first, at most so many; reading them is itself audited (action `insight`).

    `hidden` are the records that the grant keeps from its reader (`store.audit.hidden_from`).
    """
    subject = grant.subject
    among_others = grant.purpose == "PWATRNY" and subject.caller_key not in subject.keys
    values = (
        list(subject.keys), sorted(subject.digests), sorted(sorting.filing), [UUID(one) for one in hidden], among_others,
        grant.caller.digest, wanted.since, wanted.until, wanted.organisation, wanted.service, sorted(sorting.purposes),
        sorted(sorting.bases), sorted(sorting.writing), sorted(sorting.deeds), after.at if after else None,
        after.number if after else None,
    )  # fmt: skip
    # One moment for both, so that what is shown and what is counted are of the same log.
    shown = _SHOWN[wanted.show]
    async with conn.transaction(isolation="repeatable_read"):
        rows = await conn.fetch(_page(shown), *values, limit)
        counts = await conn.fetch(_counts(shown), *values)
        await audit.insert(conn, audit.given(grant))
    return Part(
        tuple(audit.worded(grant, wrap, rows)),
        newer=sum(row[3] for row in counts),
        total=sum(row[2] for row in counts),
        organisations=frozenset(row[0] for row in counts if row[0]),
        services=frozenset(row[1] for row in counts if row[1]),
    )


_ONE: Final = f"""SELECT {audit.COLUMNS}, types, ids, versions, about, reason FROM audit
WHERE patient = ANY($1::bigint[]) AND at = $2 AND number = $3"""


async def one(conn: Connection, grant: Grant, wrap: Wrap, place: Place) -> Mapping[str, Any] | None:
    """The row of the patient's log at a place, None where there is none. Whoever asks leaves her own row with what it is for."""
    rows = await conn.fetch(_ONE, list(grant.subject.keys), place.at, place.number)
    return next(iter(audit.worded(grant, wrap, rows)), None)
