"""Which results a specimen or a report belongs to: what is corrected or taken back there is so for them.

A result whose every report was withdrawn or deleted is marked, and stands no more. One live report that leads to it, whoever
sent that, keeps it, and so does it that no withdrawn report comes from the result's own source: nobody takes back another's
result. What is looked at here does not leave: the program alone reads it, and the write because of which it looks has its
audit row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.fhir.corrections import WITHDRAWN
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.store import audit, summary_links
from kjerne.store.places import KEPT
from kjerne.store.pool import Connection, columns
from kjerne.store.reading import OUTER, Reader, Record
from kjerne.store.sealed_id import SealedIds

OBSERVATION: Final = type_number("Observation")
REPORT: Final = type_number("DiagnosticReport")
SPECIMEN: Final = type_number("Specimen")
STUDY: Final = type_number("ImagingStudy")
MEDIA: Final = type_number("Media")
MARK: Final = int(Label.WITHDRAWN_WITH_REPORT)
ON_A_WRONG_PERSON: Final = int(Label.WITHDRAWN)

Tree = Mapping[str, Any]
Named = tuple[int, UUID, int]
"""Type, id and version of a record."""
Place = tuple[int, UUID]
Opened = tuple[Record, Tree]
_DELETED: Final[Tree] = {"status": "entered-in-error"}

# What was filed on a wrong person is nobody's.
_ROWS: Final = f"""
SELECT {OUTER} FROM record r
WHERE r.patient = ANY($1::bigint[]) AND r.type = ANY($2::smallint[]) AND r.labels & {ON_A_WRONG_PERSON} = 0"""
_GONE: Final = f"""
SELECT DISTINCT r.type, r.id FROM record_history r
WHERE r.patient = ANY($1::bigint[]) AND r.type = {REPORT} AND r.deleted AND r.labels & {ON_A_WRONG_PERSON} = 0
  AND NOT EXISTS (SELECT FROM record c WHERE c.patient = r.patient AND c.type = r.type AND c.id = r.id)"""
_FORMER: Final = f"""
SELECT {OUTER}, r.deleted FROM record_history r JOIN unnest($2::smallint[], $3::uuid[]) AS n(type, id) USING (type, id)
WHERE r.patient = ANY($1::bigint[]) AND r.labels & {ON_A_WRONG_PERSON} = 0"""


# Who filed the first version of each record.
_SOURCES: Final = """
SELECT n.type, n.id, a.organisation, CASE WHEN a.organisation = '' THEN a.client ELSE '' END
FROM audit a, unnest(a.types, a.ids, a.versions) AS n(type, id, version)
WHERE a.patient = ANY($1::bigint[]) AND a.action IN ('file', 'correct') AND a.outcome = $2 AND n.version = 1
  AND n.type = ANY($3::smallint[])"""
# By an index of those few alone (`record_taken_back`), which has these two numbers in it.
_MARKED: Final = f"""
SELECT EXISTS (SELECT FROM record r WHERE r.patient = ANY($1::bigint[]) AND r.type = {OBSERVATION} AND r.labels & {MARK} <> 0)"""
_SETTLE: Final = f"""
UPDATE record r SET xid = pg_current_xact_id(), {KEPT},
  labels = CASE WHEN r.id = ANY($3::uuid[]) THEN r.labels | {MARK} ELSE r.labels & ~{MARK} END
WHERE r.patient = ANY($1::bigint[]) AND r.type = {OBSERVATION} AND r.id = ANY($2::uuid[])"""


def touches(before: Tree | None, after: Tree) -> bool:
    """Whether a new version of a report or result may take results back, or let them stand again."""
    type_ = after.get("resourceType")
    if type_ not in ("DiagnosticReport", "Observation"):
        return False
    void = is_void(after)
    if before is None:
        return type_ == "DiagnosticReport" and void
    led, leads = leads_to(before), leads_to(after)
    return void != is_void(before) or not led <= leads or (void and led != leads)


async def any_marked(conn: Connection, grant: Grant, tree: Tree) -> bool:
    """Whether a report or group leads to results while one of the patient's is marked: that may stand again. Which one it leads
    to by its groups is not looked for: a patient with such a result is rare."""
    return bool(leads_to(tree)) and bool((await conn.fetch(_MARKED, list(grant.subject.keys)))[0][0])


async def settle(conn: Connection, grant: Grant, reader: Reader) -> list[Named]:
    """Marks the patient's results whose every report was withdrawn, takes the mark off others; those that this changed.

    Call after the write, in its transaction. A copy that she handed out with such a result is over (law, K151).
    """
    opened = await _opened(conn, grant, reader, [REPORT, OBSERVATION])
    results = {one.id: (one, tree) for one, tree in opened if one.type == OBSERVATION}
    former = await _former(conn, grant, reader, opened)
    void = withdrawn([*opened, *former], await sources_of(conn, grant, [REPORT, OBSERVATION]))
    changed = [one for one, _ in results.values() if bool(one.labels & MARK) != (one.id in void)]
    if changed:
        keys, ids = list(grant.subject.keys), [one.id for one in changed]
        await conn.execute(_SETTLE, keys, ids, sorted(void))
        await summary_links.void(conn, grant, [id_ for id_ in ids if id_ in void])
    return [(one.type, one.id, one.version) for one in changed]


def withdrawn(opened: Sequence[Opened], sources: Mapping[Place, tuple[str, str]]) -> set[UUID]:
    """The results that reports lead to, all of them withdrawn, one at least by the result's own source.

    A withdrawn report, or one that was deleted, leads to what it led to while it stood last, and to what it names now:
    whoever tidies up what was taken back lets nothing stand by that. So does a group.
    """
    versions = _by_place(opened)
    now = {id_: _named_now(held) for (type_, id_), held in versions.items() if type_ == OBSERVATION}
    live: set[UUID] = set()
    void: set[UUID] = set()
    for place, held in versions.items():
        if place[0] != REPORT:
            continue
        reached = _reached(_named_now(held), lambda id_: now.get(id_, set()))
        if not is_void(held[0][1]):
            live |= reached
        elif own := sources.get(place):
            reached |= _reached_then(held, versions)
            void |= {id_ for id_ in reached if sources.get((OBSERVATION, id_)) == own}
    # One that says itself that it was taken back needs no report to say it.
    said = {id_ for (type_, id_), held in versions.items() if type_ == OBSERVATION and is_void(held[0][1])}
    return void - live - said


def _by_place(opened: Sequence[Opened]) -> dict[Place, list[Opened]]:
    """The versions of each record, the newest first."""
    found: dict[Place, list[Opened]] = {}
    for one in sorted(opened, key=lambda one: one[0].version, reverse=True):
        found.setdefault((one[0].type, one[0].id), []).append(one)
    return found


def _last_live(held: Sequence[Opened]) -> int:
    """The place of the newest version that was not taken back; how many there are where none is such."""
    return next((place for place, (_, tree) in enumerate(held) if not is_void(tree)), len(held))


def _named_now(held: Sequence[Opened]) -> set[UUID]:
    """What a report or group names; one that was taken back or deleted also what it named before that."""
    return leads_to(held[0][1]).union(*(leads_to(tree) for _, tree in held[_last_live(held) :][:1]))


def _reached_then(held: Sequence[Opened], versions: Mapping[Place, Sequence[Opened]]) -> set[UUID]:
    """What a withdrawn report led to when it was withdrawn, by the groups as they stood last until then."""
    last = _last_live(held)
    if last == len(held):
        return set()
    ended = held[last - 1][0].at

    def members(id_: UUID) -> set[UUID]:
        stood = [one for one in versions.get((OBSERVATION, id_), ()) if one[0].at <= ended]
        return leads_to(stood[place][1]) if (place := _last_live(stood)) < len(stood) else set()

    return _reached(leads_to(held[last][1]), members)


def leads_to(tree: Tree) -> set[UUID]:
    """The results that a report or a group of results names."""
    named = (*tree.get("result", ()), *tree.get("hasMember", ()))
    return {id_ for one in named if (id_ := reference_of(one))}


def pictures_in(tree: Tree) -> set[Place]:
    """The studies and pictures that a report names."""
    named = [(STUDY, one) for one in tree.get("imagingStudy", ())]
    named += [(MEDIA, one.get("link")) for one in tree.get("media", ())]
    return {(type_, id_) for type_, one in named if (id_ := reference_of(one))}


def _reached(roots: set[UUID], members: Callable[[UUID], set[UUID]]) -> set[UUID]:
    found, waiting = set(roots), set(roots)
    while waiting:
        waiting = {one for id_ in waiting for one in members(id_)} - found
        found |= waiting
    return found


def is_void(tree: Tree) -> bool:
    """Whether a version says itself that it was taken back."""
    return tree.get("status") in WITHDRAWN


async def sources_of(conn: Connection, grant: Grant, types: Sequence[int]) -> dict[tuple[int, UUID], tuple[str, str]]:
    """Who filed the patient's records of these types: an organisation, or a client that has none."""
    rows = await conn.fetch(_SOURCES, list(grant.subject.keys), audit.GIVEN, list(types))
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def of_specimen(conn: Connection, grant: Grant, reader: Reader, specimen: UUID) -> list[Named]:
    """The patient's results that point to a specimen."""
    return [
        (one.type, one.id, one.version)
        for one, tree in await _opened(conn, grant, reader, [OBSERVATION])
        if reference_of(tree.get("specimen")) == specimen
    ]


def reference_of(reference: Any) -> UUID | None:
    """The id that a literal reference names, relative or whole, of a version or not; also in capitals, which lead nowhere: what a
    report was meant to show is withheld and taken back with it."""
    text = str(reference.get("reference", "")) if isinstance(reference, Mapping) else ""
    return SealedIds.parse(text.partition("/_history/")[0].rpartition("/")[2].lower())


async def _opened(conn: Connection, grant: Grant, reader: Reader, types: Sequence[int]) -> list[Opened]:
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_ROWS, list(grant.subject.keys), list(types))
    opened = (reader.open_row(keys, tuple(row)) for row in rows)
    return [(record, decode(record.raw)) for record in opened]


async def _former(conn: Connection, grant: Grant, reader: Reader, opened: Sequence[Opened]) -> list[Opened]:
    """Former versions of the reports that were withdrawn or deleted, and of those results below that are others since.

    Of nobody else's: most patients have no such report, and a result that was not touched since leads where it led.
    """
    found: list[Opened] = []
    asked: set[Place] = set()
    wanted = {(one.type, one.id) for one, tree in opened if one.type == REPORT and is_void(tree)}
    wanted |= {(row[0], row[1]) for row in await conn.fetch(_GONE, list(grant.subject.keys))}
    while wanted:
        asked |= wanted
        found += await _versions(conn, grant, reader, wanted)
        wanted = _changed_since(_by_place([*opened, *found])) - asked
    return found


def _changed_since(versions: Mapping[Place, Sequence[Opened]]) -> set[Place]:
    """Results that reports lead to and that are gone, taken back, or others than when the first report was withdrawn."""
    void = [held for (type_, _), held in versions.items() if type_ == REPORT and is_void(held[0][1])]
    ended = min(held[max(_last_live(held) - 1, 0)][0].at for held in void)
    named = {(OBSERVATION, id_) for held in versions.values() for _, tree in held for id_ in leads_to(tree)}
    every = {id_: set().union(*(leads_to(tree) for _, tree in held)) for (_, id_), held in versions.items()}
    roots: set[UUID] = set().union(*(leads_to(tree) for held in void for _, tree in held))
    below = {(OBSERVATION, id_) for id_ in _reached(roots, lambda id_: every.get(id_, set()))}
    lost = {one for one in named if one not in versions or is_void(versions[one][0][1])}
    return lost | {one for one in below & versions.keys() if versions[one][0][0].at > ended}


async def _versions(conn: Connection, grant: Grant, reader: Reader, wanted: Collection[Place]) -> list[Opened]:
    """The former versions of some records; a deletion is one that was taken back and names nothing."""
    keys = reader.unwrapped(grant)
    rows = await conn.fetch(_FORMER, list(grant.subject.keys), *columns(list(wanted), 2))
    found: list[Opened] = []
    for *outer, deleted in rows:
        if deleted:
            patient, type_, id_, version, labels, _, at, _, _ = outer
            found.append((Record(patient, type_, id_, version, Label(labels), at, None, b"", ()), _DELETED))
        else:
            record = reader.open_row(keys, tuple(outer))
            found.append((record, decode(record.raw)))
    return found
