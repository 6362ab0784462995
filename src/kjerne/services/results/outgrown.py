"""What an older mapping filed of a report under ids that today's mapping does not give: without this it would stand for ever.

Nothing lists what a report gave. It is found by what its records refer to, from the report on: what messages made refers to
its own report's records alone, and each result of theirs names its report. What FHIR wrote or deleted since is followed by
what messages made of it last.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir.corrections import corrects
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.services.results import renamed
from kjerne.services.results.keeping import Place, Tree, place_of, raw_of
from kjerne.store import followup, pointing
from kjerne.store.codec import DataKey
from kjerne.store.pool import Connection
from kjerne.store.records import Present, Records, TakenOut, Written
from kjerne.store.sealed_id import SealedIds

_REFERENCE: Final = re.compile(rb'"(?:reference|url)":"([A-Z][A-Za-z]+)/([0-9a-f-]{36})"')
"""In a resource as it is kept. Inside a text the quotes stand behind a backslash, so no sender's words are taken for one."""


class Outgrown(NamedTuple):
    """A record under an older id: what messages made of it last, and what stands there now (None: it was deleted)."""

    made: bytes
    stands: Present | None


async def found(
    conn: Connection, grant: Grant, records: Records, known: Collection[Place], key: DataKey | None = None,
    stands: Mapping[Place, Present] | None = None,
) -> dict[Place, Outgrown]:  # fmt: skip
    """The records of a report beside what today's mapping gives of it (`known`). `stands`: what of that stands, where the caller
    has looked for it."""
    if stands is None:
        stands = await records.present(conn, grant, known, key)
    reports = [place for place in known if place[0] == pointing.REPORT]
    own = [b'"DiagnosticReport/%s"' % str(id_).encode() for _, id_ in reports]
    beside: dict[Place, Outgrown] = {}
    seen, places = stands, [*stands, *(one for one in reports if one not in stands)]
    asked = {str(id_).encode() for _, id_ in places}
    while places:
        former = await records.as_made(conn, grant, [one for one in places if not _is_made(seen.get(one))], key)
        waiting = {}
        for place in places:
            stood = seen.get(place)
            made = stood.raw if stood and stood.mapped else former.get(place)
            if made is not None and (place in known or _is_of(place, made, own)):
                waiting[place] = made
                if place not in known:
                    beside[place] = Outgrown(made, stood)
        named = dict(_named(waiting, seen))
        places = [one for id_, name in sorted(named.items()) if id_ not in asked and (one := _place(name, id_))]
        asked |= named.keys()
        seen = await records.present(conn, grant, places, key) if places else {}
    return beside


async def make_way(
    conn: Connection, grant: Grant, records: Records, made: Mapping[Place, Tree], trees: Sequence[Tree],
    stands: Mapping[Place, Present], other: renamed.Renamed, key: DataKey,
) -> renamed.Renamed:  # fmt: skip
    """Takes out what the versions before gave and all together (`trees`) do not: what today's mapping makes of those (`made`),
    and what an older one did. `other` is what has another id from now on, and comes back with what of an older mapping's has:
    what FHIR wrote of that goes along.

    Who had read a result of an older mapping is told where none of `trees` says the same. `stands`: what stands at both's places.
    """
    places = {place_of(tree) for tree in trees}
    beside = await found(conn, grant, records, {*made, *places}, key, stands)
    missing = {place: tree for place, tree in made.items() if place not in stands}
    today = _of_today(beside, list(missing.values()))
    old = {place: one.stands for place, one in beside.items() if one.stands and (one.stands.mapped or place in today)}
    gone = await take_out(conn, grant, records, {*made, *old} - places)
    if not missing:
        return other
    reports = [one for one in missing if one[0] == pointing.REPORT]
    lost = await records.taken_out(conn, grant, [*reports, *(one for one in today if one not in old)])
    ids = {place: other.ids.get(id_, id_) for place, id_ in today.items()}
    way = renamed.renamed(ids, {place: made[place[0], id_] for place, id_ in today.items()}, old, lost, [])
    await _tell(conn, grant, gone, {place: decode(way.named(one.raw)) for place, one in old.items()}, trees)
    if void := _void(made, stands, lost):
        unknown = [one for one in missing if one[0] == pointing.OBSERVATION and one[1] not in today.values()]
        own = await records.taken_out(conn, grant, unknown)
        with_report = {(one[0], other.ids.get(one[1], one[1])): made[one] for one in unknown if one not in own}
        way = replace(way, gone=dict.fromkeys(with_report, void) | {**way.gone}, made=with_report | {**way.made})
    return other.beside(way)


def _void(
    made: Mapping[Place, Tree], stands: Mapping[Place, Present], lost: Mapping[Place, TakenOut]
) -> TakenOut | None:
    """That FHIR took the report back or deleted it: a result of it that is not known to have been there does not stand."""
    for place, tree in made.items():
        if place[0] == pointing.REPORT:
            one = stands.get(place)
            if one is None:
                return lost.get(place)
            by_fhir = not one.mapped and one.raw != raw_of(tree)
            return (
                TakenOut(one.at, one.labels, one.release_at) if by_fhir and pointing.is_void(decode(one.raw)) else None
            )
    return None


async def _tell(
    conn: Connection, grant: Grant, gone: Sequence[Written], old: Mapping[Place, Tree], trees: Sequence[Tree]
) -> None:
    """Tells who had read a result of the `old` ones of which none of `trees` says the same."""
    results = [tree for tree in trees if tree["resourceType"] == "Observation"]
    unsaid = {
        place
        for place, said in old.items()
        if place[0] == pointing.OBSERVATION and not pointing.is_void(said)
        if all(corrects(said, tree) for tree in results)
    }
    told = [(one.type, one.id, one.version) for one in gone if (one.type, one.id) in unsaid]
    await followup.tell_readers(conn, grant, "corrected", told)


async def take_out(conn: Connection, grant: Grant, records: Records, gone: Collection[Place]) -> list[Written]:
    """Takes out what messages give no more."""
    return await records.remove(conn, grant, sorted(gone, key=str), mapped=True) if gone else []


def _of_today(beside: Mapping[Place, Outgrown], trees: Sequence[Tree]) -> dict[Place, UUID]:
    """The ids that outgrown records have by today's mapping, which makes `trees` of the same versions: of the one that says the
    same in all but ids; else of the only one that is of the same result, by its number, analysis and time."""
    found: dict[Place, UUID] = {}
    for name in (_words, _result):
        old, now = dict[bytes, list[Place]](), dict[bytes, list[UUID]]()
        for place, one in beside.items():
            if place not in found:
                old.setdefault(name(decode(one.made)), []).append(place)
        for tree in trees:
            if place_of(tree)[1] not in found.values():
                now.setdefault(name(tree), []).append(place_of(tree)[1])
        for said, places in old.items():
            if said and (name is _words or len(places) == len(now.get(said, ())) == 1):
                found |= dict(zip(places, now.get(said, ()), strict=False))
    return found


def _words(tree: Mapping[str, Any]) -> bytes:
    return renamed.without_ids(raw_of(tree))


def _result(tree: Mapping[str, Any]) -> bytes:
    if tree["resourceType"] != "Observation":
        return b""
    return encode([tree.get(name) for name in ("identifier", "code", "effectiveDateTime")])


def _is_made(stood: Present | None) -> bool:
    return stood is not None and stood.mapped


def _named(made: Mapping[Place, bytes], stands: Mapping[Place, Present]) -> Iterator[tuple[bytes, bytes]]:
    """The ids, with their types, that records refer to as messages `made` them; and a report that FHIR wrote, to results alone,
    which say whose they are."""
    for raw in made.values():
        yield from ((id_, name) for name, id_ in _REFERENCE.findall(raw))
    for (type_, _), one in stands.items():
        if type_ == pointing.REPORT and not one.mapped:
            yield from ((id_, name) for name, id_ in _REFERENCE.findall(one.raw) if name == b"Observation")


def _place(name: bytes, id_: bytes) -> Place | None:
    parsed = SealedIds.parse(id_.decode())
    return (type_number(name.decode()), parsed) if parsed else None


def _is_of(place: Place, made: bytes, reports: Sequence[bytes]) -> bool:
    return place[0] != pointing.OBSERVATION or any(report in made for report in reports)
