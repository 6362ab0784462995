"""Results that have another id since their report was taken into another: which is which, and who is told of a change.

A later version may show that two reports are one (`kith.lineage`). The results of the younger lie under the other from then
on, as records that nobody has read. What the log names is the former record, so its readers are told of that one: it was
taken back, and what stands in its place stands in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir.encode import decode
from kjerne.services.results import renamed
from kjerne.services.results.keeping import Place, Tree, raw_of
from kjerne.services.results.kith import codes
from kjerne.services.results.kith.chain import Versioned
from kjerne.store import deleted, files, followup, former_ids, pointing
from kjerne.store.codec import DataKey
from kjerne.store.pool import Connection
from kjerne.store.records import Present, Records, TakenOut

Versions = Sequence[Versioned]
Numbering = Callable[[bytes, Versions], renamed.Numbered]
"""What some versions of a report give."""

_OF_THE_WHOLE: Final = ("conclusion", "conclusionCode", "presentedForm")
"""What FHIR may have said of a whole report. What a message did the report's own note tells."""


def known(versions: Sequence[Versioned], before: Mapping[bytes, Sequence[Versioned]]) -> list[Versioned]:
    """Those of a report's versions that lay in a report before, there with all their samplings or not."""
    names = {one.name for former in before.values() for one in former}
    return [one for one in versions if one.name in names]


def ids_after(olds: Sequence[renamed.Numbered], together: renamed.Numbered, new: renamed.Numbered) -> dict[Place, UUID]:
    """As `renamed.ids_after`, of all reports that are one from now on. What the version that has come says again itself is
    found by what the versions before it, `together`, say last."""
    return {
        place: now
        for old in olds
        for place, now in (renamed.ids_after(old, together) | renamed.ids_after(old, new)).items()
        if (place[0], now) in new.trees
    }


def kept(old: renamed.Numbered, parts: Sequence[renamed.Numbered]) -> set[Place]:
    """What of a report stands under other ids in `parts` of it, where another part is somebody else's."""
    return {
        place
        for new in parts
        for place, now in renamed.ids_after(old, new).items()
        if (place[0], now) in new.trees and place[0] != pointing.REPORT
    }


async def join(
    conn: Connection, grant: Grant, records: Records, key: DataKey, numbered: Numbering,
    report: bytes, before: Mapping[bytes, Versions], after: Versions, others: Sequence[bytes],
    parted: Collection[bytes] = frozenset(),
) -> renamed.Renamed:  # fmt: skip
    """What has another id in a report from now on, read before anything is taken out: of its own where an older version came, and
    of the `others` that are taken into it. Those that are `parted` were shut a moment ago, for a part that is another patient's:
    what FHIR said of such a report is said of what stays of it."""
    own = before.get(report, [])
    if not others and not renamed.is_late(own, after):
        return renamed.NOTHING
    new = numbered(report, after)
    olds = [numbered(one, before[one]) for one in (*([report] if own else []), *others)]
    together = numbered(report, known(after, before)) if others else new
    ids = ids_after(olds, together, new)
    former = ids
    if own:  # a report that is there stays the report
        ids = {place: now for place, now in ids.items() if place[0] in (pointing.OBSERVATION, files.BINARY)}
    made = renamed.places(olds)
    current = await records.present(conn, grant, made, key)
    stays_of_it = any(one in parted for one in others)
    if stays_of_it:
        reports = [place for place in made if place[0] == pointing.REPORT]
        shut = await records.present(conn, grant, reports, key, withdrawn=True)
        by_fhir = {place: one for place, one in (current | shut).items() if not one.mapped and place in ids}
        current |= {place: without(one, {id_ for _, id_ in made.keys() - ids.keys()}) for place, one in by_fhir.items()}
    lost = await records.taken_out(conn, grant, [one for one in made if one not in current])
    said, afresh = each_for_itself(olds, current, lost) if others else ({}, [])
    gone = {place: one for place, one in lost.items() if not said or place[0] != pointing.REPORT}
    versions = [one for name in others for one in before[name]]
    found = renamed.renamed(ids, made, current | said, gone, versions, keeps_report=stays_of_it)
    stays = {place: one for place, one in said.items() if place not in ids}
    return replace(found, stood={**found.stood, **stays}, former=former, afresh=afresh)


def without(one: Present, gone: Collection[UUID]) -> Present:
    """What FHIR wrote of a report or group of which what is `gone` is another patient's: it leads there no more. A report says
    that what it concludes may be about that."""
    tree = decode(one.raw)
    lists = {name: value for name, value in tree.items() if isinstance(value, list)}
    kept = {name: [of for of in value if pointing.reference_of(of) not in gone] for name, value in lists.items()}
    if all(len(value) == len(lists[name]) for name, value in kept.items()):
        return one
    tree = {name: value for name, value in (tree | kept).items() if value or name not in kept}
    if tree["resourceType"] == "DiagnosticReport" and any(name in tree for name in _OF_THE_WHOLE):
        note = {"url": codes.READING_NOTE, "valueString": codes.PARTED}
        tree["extension"] = [note, *(of for of in tree.get("extension", ()) if of != note)]
    return one._replace(raw=raw_of(tree))


def each_for_itself(
    olds: Sequence[renamed.Numbered], current: Mapping[Place, Present], lost: Mapping[Place, TakenOut]
) -> tuple[dict[Place, Present], list[Place]]:
    """Of reports that become one, of which FHIR took some back and others not: their results, each as taken back itself from then
    on, and those reports. The one that they become says nothing of the kind: it holds what nobody took back. Where
    all were taken back it is so too, as it stands."""
    ended: dict[Place, datetime] = {}
    for old in olds:
        for place, tree in old.trees.items():
            if place[0] == pointing.REPORT and (at := _taken_back(tree, current.get(place), lost.get(place))):
                ended[place] = at
    if not ended or len(ended) == len(olds):
        return {}, []
    said = {}
    for old in olds:
        for at in (ended[place] for place in old.trees if place in ended):
            for place in old.trees:
                if (one := current.get(place)) and one.with_report:
                    raw = raw_of(decode(one.raw) | {"status": "entered-in-error"})
                    said[place] = one._replace(raw=raw, at=at, with_report=False, mapped=False)
    return said, [*ended]


def _taken_back(tree: Tree, stands: Present | None, lost: TakenOut | None) -> datetime | None:
    """When FHIR took back or deleted a report that messages say stands."""
    if stands is None:
        return lost.at if lost else None
    by_fhir = not stands.mapped and stands.raw != raw_of(tree)
    return stands.at if by_fhir and pointing.is_void(decode(stands.raw)) else None


async def tell_readers(
    conn: Connection,
    grant: Grant,
    others: Mapping[bytes, renamed.Renamed],
    trees_of: Callable[[bytes], Mapping[Place, Tree]],
) -> None:
    """Tells who had read, under another id, what the messages of its report say otherwise now (`trees_of`). Which id it has is
    kept: whoever had read the former one is told of what comes later too."""
    for report, other in others.items():
        if not other.ids:
            await former_ids.keep(conn, grant, other.former)
            continue
        former, now = {new: old for old, new in other.ids.items()}, trees_of(report)
        changed = [
            (type_, former[id_])
            for (type_, id_), tree in other.made.items()
            if _changes(now.get((type_, id_), {})) != _changes(tree)
        ]
        await followup.tell_readers(conn, grant, "corrected", await deleted.marks_of(conn, grant, changed))
        await former_ids.keep(conn, grant, other.former)


def _changes(tree: Tree) -> list[Tree]:
    return [one for one in tree.get("extension", ()) if one.get("url") == codes.CHANGE]
