"""What a source withholds with a report is withheld of what the report shows: its results, those of its groups, its files, its
pictures and theirs.

Labels and opening time are laid on the rows as they are filed, so that a read asks nothing more. Only what the report's own
source filed is shut by them: nobody withholds another's result (law, K66). What a report no longer withholds by is taken off
what it shows, and what it showed, unless something else withholds that by the same (K102). What is looked at here does not
leave: the program alone reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.fhir.encode import decode
from kjerne.registries.withholding import OF_SOURCE, said_of_itself
from kjerne.store import files, pointing
from kjerne.store.places import KEPT
from kjerne.store.pool import Connection, columns, moment
from kjerne.store.reading import OUTER, Reader, Record

_SOURCE_LABELS: Final = int(OF_SOURCE)
Named = tuple[int, UUID]
Shut = tuple[Label, datetime | None]
"""What withholds something, and until when."""

_ROWS: Final = f"SELECT {OUTER} FROM record r WHERE r.patient = ANY($1::bigint[]) AND r.type = ANY($2::smallint[])"
_LAY: Final = f"""
UPDATE record r SET labels = r.labels | n.labels, release_at = greatest(r.release_at, n.release_at),
  xid = pg_current_xact_id(), {KEPT}
FROM unnest($2::smallint[], $3::uuid[], $4::integer[], $5::timestamptz[]) AS n(type, id, labels, release_at)
WHERE r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id
  AND (r.labels & n.labels <> n.labels OR n.release_at > coalesce(r.release_at, '-infinity'))"""
_FORMER: Final = f"""
SELECT {OUTER} FROM record_history r JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE r.patient = ANY($1::bigint[]) AND NOT r.deleted"""
# A time is the report's where it is that of the report to the second: of another one it is later, or the row's own.
_LET_GO: Final = f"""
UPDATE record r SET labels = r.labels & ~n.labels, xid = pg_current_xact_id(), {KEPT},
  release_at = CASE WHEN r.release_at = n.until THEN n.own ELSE r.release_at END
FROM unnest($2::smallint[], $3::uuid[], $4::integer[], $5::timestamptz[], $6::timestamptz[])
  AS n(type, id, labels, until, own)
WHERE r.patient = ANY($1::bigint[]) AND r.type = n.type AND r.id = n.id
  AND (r.labels & n.labels <> 0 OR r.release_at = n.until)"""


def spreads(tree: Mapping[str, Any], labels: Label, opens: datetime | None, at: datetime) -> bool:
    """Whether what withholds a record, as it was just filed, is or may be a report's, and is to be laid on what it names."""
    return bool(labels & OF_SOURCE or _yet(opens, at)) and bool(_shown(tree))


async def settle(conn: Connection, grant: Grant, reader: Reader, types: Sequence[int]) -> None:
    """Lays what withholds each report on what it shows; call after a write, in its transaction."""
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_ROWS, list(grant.subject.keys), list(types))
    records = {(one.type, one.id): one for one in (reader.open_row(keys, tuple(row)) for row in rows)}
    sources = await pointing.sources_of(conn, grant, types)
    found: dict[Named, Shut] = {}
    leads = {name: _shown(decode(one.raw)) for name, one in records.items()}
    for name, report in records.items():
        if name[0] == pointing.REPORT and (report.labels & OF_SOURCE or _yet(report.release_at, grant.at)):
            own = sources.get(name)
            for one in _reached(name, leads):
                if own and sources.get(one) == own:
                    found[one] = _both(found.get(one), report, grant.at)
    await lay_on(conn, grant, found)


async def settle_if_any(conn: Connection, grant: Grant, reader: Reader, types: Sequence[int]) -> None:
    """As `settle`, of whom nearly always no report is withheld: then nothing is read."""
    if await conn.fetchval(_AT_ALL, list(grant.subject.keys)):
        await settle(conn, grant, reader, types)


async def let_go(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], named: Named, ended: Shut
) -> None:  # fmt: skip
    """As `settle`, after a version of a record (`named`) that something withholds no more (`ended`: labels, and the time
    until when). Of a report this is taken off what any version of it showed, by the same source."""
    if named[0] == pointing.REPORT:
        await conn.execute(
            _LET_GO, list(grant.subject.keys), *columns(await _freed(conn, grant, reader, types, named, ended), 5)
        )
    await settle(conn, grant, reader, types)


async def _freed(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], named: Named, ended: Shut
) -> list[tuple[int, UUID, int, datetime | None, datetime | None]]:  # fmt: skip
    """What a report showed, each with the labels to take off, the time that was the report's and the row's own instead."""
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_ROWS, list(grant.subject.keys), list(types))
    records = {(one.type, one.id): one for one in (reader.open_row(keys, tuple(row)) for row in rows)}
    sources = await pointing.sources_of(conn, grant, types)
    found, waiting = set[Named](), {named}
    while waiting:
        former = await conn.fetch(_FORMER, list(grant.subject.keys), *columns(sorted(waiting, key=str), 2))
        versions = [reader.open_row(keys, tuple(row)) for row in former]
        versions += [records[one] for one in waiting if one in records]
        waiting = set().union(*(_shown(decode(one.raw)) for one in versions)) - found - {named}
        found |= waiting
    freed, source = [], sources.get(named)
    for place in found:
        if source and (record := records.get(place)) and sources.get(place) == source:
            own = said_of_itself(decode(record.raw), record.at)
            labels = int(ended[0]) & ~int(own.labels)
            freed.append((*place, labels, ended[1], _sooner(own.opens, ended[1])))
    return freed


def _sooner(own: datetime | None, until: datetime | None) -> datetime | None:
    return min(own, until) if own and until else own


async def lay_on(conn: Connection, grant: Grant, found: Mapping[Named, Shut]) -> None:
    """Withholds these records no less than this, and until no sooner."""
    if found:
        rows = [(*name, int(labels), opens) for name, (labels, opens) in found.items()]
        await conn.execute(_LAY, list(grant.subject.keys), *columns(rows, 4))


_WITHHELD: Final = f"""
SELECT coalesce(bit_or(r.labels & {_SOURCE_LABELS}), 0), max(r.release_at)
FROM unnest($1::bigint[]) AS k(patient), unnest($2::smallint[], $3::uuid[]) AS n(type, id)
JOIN LATERAL (SELECT labels, release_at FROM record WHERE patient = k.patient AND type = n.type AND id = n.id LIMIT 1) r
  ON true"""
# By an index of those few alone (`record_withheld`), so that of nearly everybody it is one look into it.
_ONE: Final = f"""JOIN LATERAL (
    SELECT FROM record r WHERE r.patient = k.patient AND r.type = {pointing.REPORT}
      AND (r.labels & {_SOURCE_LABELS} <> 0 OR r.release_at IS NOT NULL) LIMIT 1) w ON true"""
_AT_ALL: Final = f"SELECT EXISTS (SELECT FROM unnest($1::bigint[]) AS k(patient) {_ONE})"
WITHHELD_AT_ALL: Final = f"EXISTS (SELECT FROM unnest($17::bigint[]) AS k(patient) {_ONE})"
"""Whether the source of any of a patient's reports withholds it, or did until a time: a part of `chains`' own statement."""


async def withheld_by(conn: Connection, grant: Grant, reports: Sequence[Named]) -> Shut:
    """What withholds any of these records, and until when."""
    labels, opens = await conn.fetchrow(_WITHHELD, list(grant.subject.keys), *columns(reports, 2))  # type: ignore[misc]
    return Label(labels), moment(opens)


def _shown(tree: Mapping[str, Any]) -> set[Named]:
    """The results, files and pictures that a report or a group of results names, and the file of a picture."""
    kept = [*tree.get("presentedForm", ()), *([tree.get("content", {})] if tree["resourceType"] == "Media" else ())]
    ids = (pointing.reference_of({"reference": one.get("url", "")}) for one in kept)
    results = {(pointing.OBSERVATION, id_) for id_ in pointing.leads_to(tree)}
    return results | pointing.pictures_in(tree) | {(files.BINARY, id_) for id_ in ids if id_}


def _reached(report: Named, leads: Mapping[Named, set[Named]]) -> set[Named]:
    found, waiting = set(leads[report]), set(leads[report])
    while waiting:
        waiting = {one for name in waiting for one in leads.get(name, ())} - found
        found |= waiting
    return found


def _both(one: tuple[Label, datetime | None] | None, report: Record, at: datetime) -> tuple[Label, datetime | None]:
    labels, opens = one or (NO_LABEL, None)
    times = [moment for moment in (opens, _yet(report.release_at, at)) if moment]
    return labels | report.labels & OF_SOURCE, max(times, default=None)


def _yet(opens: datetime | None, at: datetime) -> datetime | None:
    """An opening time that lies ahead: what has opened delays nothing, and must not stand for a result's own delay."""
    return opens if opens and opens > at else None
