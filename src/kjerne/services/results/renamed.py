"""Records that a late version gives other ids: what FHIR wrote of them goes along.

A result has its id from the oldest version that holds it, and from the chain in which that lies. A version that is older than
all that came, or a report that takes in a change of it, gives it another. It is the same result where the same words of
the same version say last what it is.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.services.results.given import numberer
from kjerne.services.results.keeping import Laid, Place, Tree, raw_of, shut_no_less
from kjerne.services.results.kith import mapping
from kjerne.services.results.kith.chain import State, Versioned, fold, ordered
from kjerne.store import pointing
from kjerne.store.records import Change, Present, TakenOut
from kjerne.store.sealed_id import SealedIds

_ID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Numbered(NamedTuple):
    """What some versions of a report give: their fold, the id of each type and key, and the resources."""

    state: State
    ids: Mapping[tuple[str, str], UUID]
    trees: Mapping[Place, Tree]


def numbered(ids: SealedIds, patient: int, report: bytes, versions: Sequence[Versioned]) -> Numbered:
    """What some versions of a report give, with what each id is of."""
    texts: dict[str, UUID] = {}
    known: dict[tuple[str, str], UUID] = {}
    number = numberer(ids, patient, report, texts)

    def noting(type_: str, key: str) -> str:
        text = number(type_, key)
        known[type_, key] = texts[text]
        return text

    state = fold(versions)
    trees = mapping.resources(state, noting)
    return Numbered(state, known, {(type_number(tree["resourceType"]), texts[tree["id"]]): tree for tree in trees})


@dataclass(frozen=True, slots=True)
class Renamed:
    """The former ids of records with the new ones, and by new place what stood under the former: the current version, or
    that it was deleted (`gone`), and what the versions before had made of it (`made`). `versions` are those before. `former`
    are the new ids of all that is not found under its former place, also of what is no result or file. `afresh` is what messages
    say from now on whatever FHIR said of it, since `stood` says that now (`regrouped.each_for_itself`)."""

    ids: Mapping[UUID, UUID] = field(default_factory=dict)
    stood: Mapping[Place, Present] = field(default_factory=dict)
    gone: Mapping[Place, TakenOut] = field(default_factory=dict)
    made: Mapping[Place, Tree] = field(default_factory=dict)
    versions: Sequence[Versioned] = ()
    former: Mapping[Place, UUID] = field(default_factory=dict)
    afresh: Collection[Place] = ()

    def seen(self, current: Mapping[Place, Present]) -> Mapping[Place, Present]:
        """What stands, under the ids that it has from now on. What is as messages made it stays that."""
        if not self.ids and not self.stood:
            return current
        kept = {place: one for place, one in current.items() if place[1] not in self.ids}
        return {place: one._replace(raw=self.named(one.raw)) for place, one in (kept | {**self.stood}).items()}

    def was(self, made: Mapping[Place, Tree]) -> Mapping[Place, Tree]:
        """As `seen`, of what the versions before had made."""
        if not self.ids and not self.afresh:
            return made
        named = {*self.ids, *(id_ for _, id_ in self.afresh)}
        kept = {place: one for place, one in made.items() if place[1] not in named} | {**self.made}
        return {place: decode(self.named(raw_of(tree))) | {"id": str(place[1])} for place, tree in kept.items()}

    def let_go(self, both: Sequence[Laid], laid: Sequence[Laid]) -> list[Change]:
        """What was deleted under its former id, and is to be so under the new one."""
        stands = {(change.type, change.id) for change, _ in laid}
        return [
            shut_no_less(change, (one.labels, one.release_at))
            for change, _ in both
            if (one := self.gone.get(place := (change.type, change.id))) and place not in stands
        ]

    def beside(self, more: Renamed) -> Renamed:
        """This and what has other ids for another reason."""
        return dataclasses.replace(
            self, ids={**self.ids, **more.ids}, stood={**more.stood, **self.stood}, gone={**more.gone, **self.gone},
            made={**more.made, **self.made},
        )  # fmt: skip

    def named(self, raw: bytes) -> bytes:
        """A resource as it is kept, with the new ids in it."""
        texts = {str(old).encode(): str(new).encode() for old, new in self.ids.items()}
        return _ID.sub(lambda found: texts.get(found[0], found[0]), raw)


NOTHING: Final = Renamed()


def without_ids(raw: bytes) -> bytes:
    """A resource as it is kept, without the ids in it."""
    return _ID.sub(b"", raw)


def is_late(before: Sequence[Versioned], after: Sequence[Versioned]) -> bool:
    """Whether a version came that is older than one that was there."""
    return ordered(after)[: len(before)] != ordered(before)


def ids_after(old: Numbered, new: Numbered) -> dict[Place, UUID]:
    """The new ids of what has another one now, by its former place."""
    said = {(one.named, one.item): one.key for one in new.state.results}
    sent = {one.file.data: one.key for one in new.state.files}
    keys = {("Observation", one.key): said.get((one.named, one.item)) for one in old.state.results}
    objects = {replace(one, line=0): key for key, one in new.state.subjects.items()}
    keys |= {("Specimen", key): objects.get(replace(one, line=0), key) for key, one in old.state.subjects.items()}
    keys |= {("Binary", one.key): sent.get(one.file.data) for one in old.state.files}
    found = {}
    for (type_, key), id_ in old.ids.items():
        now = new.ids.get((type_, keys.get((type_, key), key) or ""))
        if now and now != id_:
            found[type_number(type_), id_] = now
    return found


def renamed(
    ids: Mapping[Place, UUID], made: Mapping[Place, Tree], current: Mapping[Place, Present],
    gone: Mapping[Place, TakenOut], versions: Sequence[Versioned], *, keeps_report: bool = False,
) -> Renamed:  # fmt: skip
    """From the new `ids` by former place, and what stands or was deleted there. A result that was taken back with its report,
    and has that no more, since it was deleted, counts as deleted with it; not where the report goes along (`keeps_report`)."""
    reports = [one for (type_, _), one in gone.items() if type_ == pointing.REPORT]
    stood, lost = {}, {}
    for (type_, id_), now in ids.items():
        one = current.get((type_, id_))
        if one and one.with_report and reports and not keeps_report:
            lost[type_, now] = TakenOut(reports[0].at, one.labels, one.release_at)
        elif one:
            stood[type_, now] = one
        elif deleted := gone.get((type_, id_)):
            lost[type_, now] = deleted
    follows = {(type_, now): made[type_, id_] for (type_, id_), now in ids.items() if (type_, id_) in made}
    return Renamed(
        {id_: now for (_, id_), now in ids.items()}, stood, lost,
        {place: tree for place, tree in follows.items() if place in stood or place in lost}, versions,
    )  # fmt: skip


def places(found: Collection[Numbered]) -> dict[Place, Any]:
    """The resources of all of these by place."""
    return {place: tree for one in found for place, tree in one.trees.items()}
