"""The versions of a laboratory's report as they came, and who owns the chain.

A chain is kept as its sources, so that the current state can be folded anew whatever order they arrive in. The locator
says whose the report is (`lineage`): a corrected patient number moves the chain, and the old place is withdrawn.
What came under which number of the laboratory stands in `report_version`: a number may be used again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

import zstandard

from kjerne.access import Grant, Label
from kjerne.store import audit
from kjerne.store.codec import DataKey
from kjerne.store.places import BEHIND
from kjerne.store.pool import Connection, columns, numbered_from
from kjerne.store.records import Before, Beside, Change, Records, Written
from kjerne.store.spreading import WITHHELD_AT_ALL

REPORT: Final = 1
"""Kind of locator: a report's chain. The look-up answers the program, never a caller."""

MOVED: Final = 2
"""Kind of locator: a report taken from a wrong person. Its digest is the sender's mark, the time, the message's name."""

MARKER_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""`made_at` of a row of `report_source` that holds no version: under an anchor, which chain shares it."""

MARK_BYTES: Final = 16

SOURCE_LIMIT_BYTES: Final = 64_000_000
WITHDRAWN_RULE: Final = "withdrawn-wrong-person"
WITHDRAWN_SAYS: Final = (
    "Et svar som var sendt inn på feil person, ble trukket tilbake herfra og flyttet til den det gjelder."
)
"""What she reads in her log whose record held it until then."""
NO_ID: Final = "00000000-0000-0000-0000-000000000000"

_SOURCES: Final = """
SELECT s.report, s.made_at, s.message, s.sealed FROM unnest($2::bytea[]) AS n(report)
JOIN LATERAL (SELECT * FROM report_source WHERE patient = $1 AND report = n.report OFFSET 0) s ON true
ORDER BY s.made_at, s.message"""

_KIN: Final = """
SELECT l.digest, bool_and(right(s.message, 1) = '?') AS changes FROM report_source s
JOIN LATERAL (SELECT digest, patient FROM locator WHERE kind = $4 AND digest = decode(left(s.message, 32), 'hex') LIMIT 1) l
  ON l.patient = $1
WHERE s.patient = $1 AND s.report = ANY($2::bytea[]) AND s.made_at = $3 GROUP BY l.digest"""

# The rows that keep versions; `near` are the chains that share something with theirs, and `may` says whether nothing that is
# near can concern the report: then its records are those of its own versions.
_KEPT: Final = f"""owned AS (
  INSERT INTO locator (kind, digest, patient, type, id) VALUES ($4, $5, $1, 0, $10)
  ON CONFLICT (kind, digest) DO UPDATE SET patient = excluded.patient WHERE locator.patient <> excluded.patient
), sent AS (
  INSERT INTO report_source (patient, report, made_at, message, sealed)
  SELECT $1, $5, n.* FROM unnest($6::timestamptz[], $7::text[], $8::bytea[]) AS n ON CONFLICT DO NOTHING
), shared AS (
  INSERT INTO report_source (patient, report, made_at, message, sealed)
  SELECT $1, anchor, $3, $9, '' FROM unnest($2::bytea[]) AS anchor ON CONFLICT DO NOTHING
), counted AS (
  INSERT INTO report_version (number, made_at, message, patient, chain, trace, part)
  SELECT n.number, n.made_at, n.message, n.patient, $5, n.trace, n.part
  FROM unnest($11::bytea[], $12::timestamptz[], $13::text[], $14::bigint[], $15::bytea[], $16::smallint[])
    AS n(number, made_at, message, patient, trace, part)
  ON CONFLICT (number, made_at, message, patient, part) DO UPDATE SET chain = excluded.chain
), near AS MATERIALIZED ({_KIN}), shut AS MATERIALIZED (SELECT {WITHHELD_AT_ALL} AS withheld), may AS MATERIALIZED (
  SELECT withheld, NOT withheld AND NOT EXISTS (SELECT FROM near WHERE changes AND digest <> $5) AS ok FROM shut
)"""
_FOUND: Final = "(SELECT array_agg(ROW(digest, changes)) FROM near), (SELECT withheld FROM may)"
_KEEP: Final = f"WITH {_KEPT} SELECT {_FOUND}"
_kept: Final = partial(numbered_from, part=_KEPT)
_found: Final = partial(numbered_from, part=_FOUND)

_SHRINK: Final = zstandard.ZstdCompressor(level=3)


@dataclass(frozen=True, slots=True)
class Source:
    """One version as received: `made_at` orders the chain, `raw` is the whole message that carried it."""

    made_at: datetime
    message: str
    raw: bytes


class Version(NamedTuple):
    """What is noted of a version under the laboratory's number: whom it names, and its sealed trace; or of one sampling of it
    (`part`)."""

    number: bytes
    made_at: datetime
    message: str
    patient: int
    trace: bytes
    part: int = 0


class Kept(NamedTuple):
    """Versions to be kept in a chain: what the chain shares with others (`anchors`), whether it holds nothing but changes, and
    what is noted of each version."""

    report: bytes
    sources: Sequence[Source]
    anchors: Sequence[bytes]
    orphan: bool
    versions: Sequence[Version] = ()


class Near(NamedTuple):
    """The patient's chains that share something with a report's, and whether all that each holds is changes; and whether the
    source of any report of hers withholds it."""

    chains: dict[bytes, bool]
    withheld: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A report that one message moved to another person, away from `patient`."""

    patient: int
    at: datetime
    message: str


class Chains:
    """Report sources under the patients' keys. A caller that has the service's key about whom the grant addresses gives it;
    it is made where none is given."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def sources(
        self, conn: Connection, grant: Grant, reports: Collection[bytes], key: DataKey | None = None
    ) -> dict[bytes, list[Source]]:
        """All versions of each chain in the order they were made; none where nothing lies under a name."""
        found: dict[bytes, list[Source]] = {report: [] for report in reports}
        if not found:
            return found
        rows = await conn.fetch(_SOURCES, grant.subject.patient, list(found))
        key, grow = key or self._records.key(grant), zstandard.ZstdDecompressor()
        for report, made_at, message, sealed in rows:
            raw = grow.decompress(key.open(sealed, report), max_output_size=SOURCE_LIMIT_BYTES)
            found[report].append(Source(made_at, message, raw))
        return found

    async def keep(self, conn: Connection, grant: Grant, kept: Kept, key: DataKey | None = None) -> Near:
        """Keeps versions under the patient's key, each once; the chain belongs to this patient from now on.

        Notes which versions are laid in the chain, and what it shares with other chains of hers, and gives those.
        """
        shared, withheld = await conn.fetchrow(_KEEP, *self._values(grant, kept, key))  # type: ignore[misc]  # one row
        return _near(kept, shared, withheld)

    async def keep_and_write(
        self, conn: Connection, grant: Grant, before: Sequence[Before], kept: Kept, changes: Sequence[Change],
        beside: Sequence[Beside], key: DataKey,
    ) -> tuple[list[list[Any]], Near, list[Written] | None]:  # fmt: skip
        """As `keep`, and in the same statement `Records.write` of what the versions give, behind what comes `before`.

        Nothing is written, and None given, where a change that came under another number may be one of this report, or
        where a source withholds any report of hers, which may go for this one: then more must be known first.
        """
        own = Before(_kept, _found, 2, self._values(grant, kept, key))
        (*found, (shared, withheld)), written = await self._records.write_if(
            conn, grant, [*before, own], changes, beside, key
        )
        return found, _near(kept, shared, withheld), written

    def _values(self, grant: Grant, kept: Kept, key: DataKey | None) -> tuple[Any, ...]:
        seal, shrink = (key or self._records.key(grant)).seal, _SHRINK.compress
        rows = [(source.made_at, source.message, seal(shrink(source.raw), kept.report)) for source in kept.sources]
        mark = kept.report.hex() + ("?" if kept.orphan else "")
        return (
            grant.subject.patient, list(kept.anchors), MARKER_TIME, REPORT, kept.report, *columns(rows, 3), mark, NO_ID,
            *columns(kept.versions, 6), list(grant.subject.keys),
        )  # fmt: skip

    async def take_apart(self, conn: Connection, grant: Grant, report: bytes) -> None:
        """Takes a chain of the patient's away, to be made anew from its versions, here or elsewhere."""
        mark = report.hex()
        await conn.execute(
            "WITH gone AS (DELETE FROM locator WHERE kind = $3 AND digest = $2 AND patient = $1) "
            "DELETE FROM report_source WHERE patient = $1 AND "
            "(report = $2 AND made_at <> $4 OR made_at = $4 AND message = ANY($5::text[]))",
            grant.subject.patient, report, REPORT, MARKER_TIME, [mark, f"{mark}?"],
        )  # fmt: skip

    async def set_aside(
        self, conn: Connection, grant: Grant, aside: bytes, sources: Sequence[Source], key: DataKey | None = None
    ) -> None:
        """Keeps versions that name the patient, and may be laid in another's chain, under her own key."""
        seal, shrink = (key or self._records.key(grant)).seal, _SHRINK.compress
        rows = [(source.made_at, source.message, seal(shrink(source.raw), aside)) for source in sources]
        await conn.execute(
            "INSERT INTO report_source (patient, report, made_at, message, sealed) "
            "SELECT $1, $2, n.* FROM unnest($3::timestamptz[], $4::text[], $5::bytea[]) AS n ON CONFLICT DO NOTHING",
            grant.subject.patient, aside, *columns(rows, 3),
        )  # fmt: skip

    async def let_go(self, conn: Connection, holder: int, names: Sequence[bytes], source: Source) -> None:
        """Takes a version away from under these names of somebody whom it does not name."""
        await conn.execute(
            "DELETE FROM report_source WHERE patient = $1 AND report = ANY($2::bytea[]) AND made_at = $3 AND message = $4 "
            "AND NOT EXISTS (SELECT FROM locator WHERE kind = $5 AND digest = report AND patient = $1)",
            holder, list(names), source.made_at, source.message, REPORT,
        )  # fmt: skip

    async def relatives(self, conn: Connection, grant: Grant, anchors: Sequence[bytes]) -> dict[bytes, bool]:
        """The patient's chains that share one of `anchors`, and whether all that they hold is changes."""
        rows = await conn.fetch(_KIN, grant.subject.patient, list(anchors), MARKER_TIME, REPORT)
        return {row[0]: row[1] for row in rows}

    async def note_move(self, conn: Connection, former: Grant, sender: bytes, message: str) -> None:
        """Remembers for the sender that its message took a report from a wrong person."""
        micros = (former.at - MARKER_TIME) // timedelta(microseconds=1)
        await conn.execute(
            "INSERT INTO locator (kind, digest, patient, type, id) VALUES ($1, $2, $3, 0, $4) ON CONFLICT DO NOTHING",
            MOVED, sender[:MARK_BYTES] + micros.to_bytes(8, "big") + message.encode(), former.subject.patient, NO_ID,
        )  # fmt: skip

    async def withdraw(
        self, conn: Connection, grant: Grant, named: Sequence[tuple[int, UUID]]
    ) -> list[tuple[int, UUID]]:
        """Shuts records filed on the wrong person; those (type, id) that were there and open until now.

        They stay, labelled, for insight: who had opened them must be told. Her log says that they were taken away.
        """
        rows = await conn.fetch(
            f"UPDATE record r SET labels = labels | $4, xid = pg_current_xact_id(), {BEHIND} "
            "FROM unnest($2::smallint[], $3::uuid[]) AS n(type, id) "
            "WHERE r.patient = $1 AND r.type = n.type AND r.id = n.id AND r.labels & $4 = 0 RETURNING r.type, r.id, r.version",
            grant.subject.patient,
            [type_ for type_, _ in named],
            [id_ for _, id_ in named],
            int(Label.WITHDRAWN),
        )
        told = replace(grant, rule=WITHDRAWN_RULE, says=WITHDRAWN_SAYS)
        await audit.insert(conn, audit.given(told), [(row[0], row[1], row[2]) for row in rows])
        return [(row[0], row[1]) for row in rows]


def _near(kept: Kept, shared: Sequence[tuple[bytes, bool]] | None, withheld: bool) -> Near:
    return Near({name: changes for name, changes in shared or () if name != kept.report}, withheld)


async def moved(conn: Connection, sender: bytes, limit: int = 100) -> list[Moved]:
    """The sender's reports that were taken from a wrong person, newest first."""
    mark = sender[:MARK_BYTES]
    rows = await conn.fetch(
        "SELECT patient, digest FROM locator WHERE kind = $1 AND digest >= $2 AND digest < $3 "
        "ORDER BY digest DESC LIMIT $4",
        MOVED, mark, mark + b"\xff" * 8, limit,
    )  # fmt: skip
    return [
        Moved(
            row["patient"],
            MARKER_TIME + timedelta(microseconds=int.from_bytes(row["digest"][MARK_BYTES:][:8], "big")),
            row["digest"][MARK_BYTES + 8 :].decode(),
        )
        for row in rows
    ]
