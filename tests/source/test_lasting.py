"""In whatever order documents come, replace and hang on each other, are locked, opened and taken away: what was locked and
not opened is never given, and what has been replaced is never shown as what holds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import msgspec
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from documents_at_hand import code, entry
from kjerne.source import chains
from kjerne.xds import names
from kjerne.xds.messages import Submission
from kjerne.xds.values import Association, DocumentEntry
from source.test_changes import LABEL, N, change, otherwise
from source.test_removal import remove
from sources import TEXT, Standing, citizen, codes, documents_of, one, relation, wanted

HOLDING: Final = documents_of()
ANY: Final = documents_of(**{"$XDSDocumentEntryStatus": (names.APPROVED, names.DEPRECATED)})
LOCKED: Final = (N, code(LABEL, "NORS"))
HANGING: Final = {names.APPENDS, names.TRANSFORMS}


@dataclass
class Edge:
    kind: str
    source: int
    target: int
    is_undone: bool = False


@dataclass(eq=False)
class Lock:
    """A lock that somebody put on; `owners` are the documents by which it may be taken off."""

    owners: set[int]


@dataclass
class Model:
    """What must be so. A document that went is kept as a ghost under a number of its own, with what it was to others."""

    here: set[int] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    edges: list[Edge] = field(default_factory=list)
    locks: dict[int, set[Lock]] = field(default_factory=dict)
    ghosts: int = 0
    went: bool = False

    def flows(self, place: int) -> set[int]:
        """Where a lock on this document goes, among those that are here."""
        found, left = {place}, [place]
        while left:
            at = left.pop()
            for edge in self.edges:
                if edge.is_undone or not {edge.source, edge.target} <= self.here:
                    continue
                both = edge.kind in names.REPLACING | {names.TRANSFORMS}
                ends = {edge.source} if edge.target == at else {edge.target} if both and edge.source == at else set()
                left += ends - found
                found |= ends
        return found

    def spread(self) -> None:
        for place in self.here:
            for reached in self.flows(place):
                self.locks.setdefault(reached, set()).update(self.locks.get(place, ()))

    def orphaned(self) -> None:
        """A lock whose owners no longer reach a document may be taken off by any of those that it still holds for."""
        for place in self.here:
            for lock in self.locks.get(place, set()):
                if not any(place in self.flows(owner) for owner in lock.owners & self.here):
                    lock.owners |= {other for other in self.here if lock in self.locks.get(other, set())}

    def lift(self, place: int) -> None:
        for lock in [lock for lock in self.locks.get(place, set()) if place in lock.owners]:
            for reached in self.flows(place) if self.went else list(self.locks):
                self.locks.get(reached, set()).discard(lock)

    def remove(self, place: int) -> None:
        self.ghosts -= 1
        for edge in self.edges:
            edge.source = self.ghosts if edge.source == place else edge.source
            edge.target = self.ghosts if edge.target == place else edge.target
        self.here.discard(place)
        self.gone.add(place)
        self.went = True
        self.orphaned()

    def shut(self) -> set[int]:
        return {place for place in self.here if self.locks.get(place)}

    def over(self) -> set[int]:
        """What a document that is here has replaced, through others that went too, and what hung on that."""
        left = [edge.target for edge in self.edges if self.replaces(edge) and edge.source in self.here]
        over = set[int]()
        while left:
            at = left.pop()
            if at in over:
                continue
            over.add(at)
            left += [
                edge.source for edge in self.edges if edge.target == at and edge.kind in HANGING and not edge.is_undone
            ]
            if at < 0:
                left += [edge.target for edge in self.edges if self.replaces(edge) and edge.source == at]
        return over & self.here

    def hangs_on_a_ghost(self) -> set[int]:
        return {edge.source for edge in self.edges if edge.kind in HANGING and edge.target < 0}

    @staticmethod
    def replaces(edge: Edge) -> bool:
        return edge.kind in names.REPLACING and not edge.is_undone


class Kept(Protocol):
    """What keeps documents, each by its place."""

    async def send(self, place: int, kind: str, target: int) -> bool: ...

    async def mark(self, place: int, marks: tuple[Any, ...]) -> bool:
        """Whether it is told that the document is locked all the same."""

    async def remove(self, place: int) -> None: ...

    async def undo(self, place: int) -> None: ...

    async def told(self) -> tuple[set[int], set[int]]:
        """What a doctor may see, and what holds, whoever may see it."""

    async def given(self, places: set[int]) -> int: ...


@dataclass
class InMemory:
    """By the rules alone, so that a thousand orders can be tried."""

    entries: dict[str, DocumentEntry] = field(default_factory=dict)
    associations: list[Association] = field(default_factory=list)
    shut: set[str] = field(default_factory=set)
    sent: int = 0

    async def send(self, place: int, kind: str, target: int) -> bool:
        id_, to = str(place), self.entries.get(str(target))
        if kind and (to is None or to.status != names.APPROVED):
            return False
        made = entry(id=id_, status=names.APPROVED)
        self.entries[id_] = chains.with_lock(made) if id_ in self.shut else made
        self.shut.discard(id_)
        self.stand(
            chains.superseded([str(target)], self.associations) if kind in names.REPLACING else (), names.DEPRECATED
        )
        if kind:
            self.sent += 1
            self.associations.append(Association(id=f"a{self.sent}", kind=kind, source=id_, target=str(target)))
        return True

    async def mark(self, place: int, marks: tuple[Any, ...]) -> bool:
        self.entries[str(place)] = replace(self.entries[str(place)], confidentiality=marks)
        locked = chains.locked(self.entries.values(), self.associations)
        return str(place) in locked and not chains.is_locked(self.entries[str(place)])

    async def remove(self, place: int) -> None:
        id_ = str(place)
        self.go({id_, *(one.id for one in self.associations if id_ in (one.source, one.target))})

    async def undo(self, place: int) -> None:
        self.go({one.id for one in self.associations if one.source == str(place)})

    async def told(self) -> tuple[set[int], set[int]]:
        locked = chains.locked(self.entries.values(), self.associations)
        holding = {int(id_) for id_, one in self.entries.items() if one.status == names.APPROVED}
        return {int(id_) for id_ in self.entries if id_ not in locked}, holding

    async def given(self, places: set[int]) -> int:
        return 0

    def go(self, gone: set[str]) -> None:
        left = chains.left(tuple(self.entries.values()), self.associations, gone)
        self.associations = [one for one in self.associations if one.id not in gone]
        self.entries = {id_: one for id_, one in self.entries.items() if id_ not in gone}
        for source, target in left.replaced:
            self.sent += 1
            self.associations.append(Association(id=f"a{self.sent}", kind=names.REPLACES, source=source, target=target))
        self.entries |= {id_: chains.with_lock(self.entries[id_]) for id_ in left.locked}
        self.shut |= left.shut
        self.stand(left.back, names.APPROVED)

    def stand(self, ids: Any, status: str) -> None:
        self.entries |= {id_: replace(self.entries[id_], status=status) for id_ in ids if id_ in self.entries}


@dataclass
class AtSource:
    """A whole source, asked as others ask it."""

    source: Standing
    sent: int = 0

    async def send(self, place: int, kind: str, target: int) -> bool:
        made = self.set_of(one(place))
        if kind:
            made = relation(kind, made, one(target))
        answer = await self.source.provide(made, TEXT + str(place).encode())
        assert codes(answer) in ([], ["XDSRegistryDeprecatedDocumentError"])
        return not codes(answer)

    async def mark(self, place: int, marks: tuple[Any, ...]) -> bool:
        now, status = await self.said(place)
        sent = self.set_of(otherwise(now, now.version, place, confidentiality=marks, status=status))
        answer = await change(self.source, sent)
        assert answer.status == names.SUCCESS, answer
        assert all(each.severity == names.WARNING for each in answer.errors)
        return bool(answer.errors)

    async def remove(self, place: int) -> None:
        own = (await self.said(place))[0].id
        touching = [each for each in await self.associations() if own in (each.source, each.target)]
        sets = [each.source for each in touching if each.kind == names.HAS_MEMBER]
        assert codes(await remove(self.source, own, *sets, *(each.id for each in touching))) == []

    async def undo(self, place: int) -> None:
        own = (await self.said(place))[0].id
        relations = [each.id for each in await self.associations() if each.source == own]
        assert not relations or codes(await remove(self.source, *relations)) == []

    async def told(self) -> tuple[set[int], set[int]]:
        return {*await self.places(ANY)}, {*await self.places(HOLDING, citizen())}

    async def given(self, places: set[int]) -> int:
        asked = [wanted(entry(place).unique_id) for place in places]
        return len((await self.source.get(*asked))[1]) if asked else 0

    async def places(self, *asked: Any) -> list[int]:
        return [int(each.rpartition(".")[2]) for each in await self.source.found(*asked)]

    def set_of(self, sent: Submission) -> Submission:
        """In a set that none was before."""
        self.sent += 1
        id_ = f"urn:uuid:00000000-0000-4000-a000-{self.sent:012}"
        members = tuple(replace(each, source=id_) for each in sent.associations)
        return replace(sent, sent=replace(sent.sent, id=id_, unique_id=f"1.2.3.{self.sent}"), associations=members)

    async def said(self, place: int) -> tuple[DocumentEntry, str]:
        row = await self.source.owner.fetchrow(
            "SELECT said, deprecated FROM document WHERE unique_id = $1", entry(place).unique_id
        )
        assert row is not None
        return msgspec.json.decode(row[0], type=DocumentEntry), names.DEPRECATED if row[1] else names.APPROVED

    async def associations(self) -> list[Association]:
        rows = await self.source.owner.fetch("SELECT said FROM association")
        return [msgspec.json.decode(row[0], type=Association) for row in rows]


@dataclass
class Play:
    """Steps, and what must be so after each."""

    kept: Kept
    model: Model = field(default_factory=Model)

    async def send(self, place: int, kind: str = "", target: int = 0) -> None:
        if not await self.kept.send(place, kind, target):
            assert target in self.model.over()
            return
        self.model.here.add(place)
        self.model.gone.discard(place)
        for lock in self.model.locks.get(place, set()):
            lock.owners.add(place)
        if kind:
            self.model.edges.append(Edge(kind, place, target))
        self.model.spread()

    async def lock(self, place: int) -> None:
        await self.kept.mark(place, LOCKED)
        self.model.locks.setdefault(place, set()).add(Lock({place}))
        self.model.spread()

    async def lift(self, place: int) -> None:
        is_told = await self.kept.mark(place, (N,))
        self.model.lift(place)
        assert is_told == (place not in (await self.kept.told())[0])

    async def remove(self, place: int) -> None:
        await self.kept.remove(place)
        self.model.remove(place)

    async def undo(self, place: int) -> None:
        await self.kept.undo(place)
        for edge in self.model.edges:
            edge.is_undone |= edge.source == place
        self.model.went = True
        self.model.orphaned()

    async def judged(self) -> None:
        model, shut, over = self.model, self.model.shut(), self.model.over()
        seen, holding = await self.kept.told()
        assert not seen & shut
        assert model.went or seen == model.here - shut
        assert await self.kept.given(shut) == 0
        assert not holding & over
        assert holding >= model.here - over - model.hangs_on_a_ghost()

    async def ended(self) -> None:
        """No lock is left that nobody can take off."""
        for place in sorted(self.model.here):
            await self.kept.mark(place, (N,))
        assert (await self.kept.told())[0] == self.model.here


STEP: Final = st.tuples(
    st.sampled_from(
        ["send", "relate", "relate", "relate", "lock", "lock", "lift", "remove", "remove", "undo", "again"]
    ),
    st.integers(0, 20),
    st.sampled_from([*sorted(names.RELATIONS), names.REPLACES, names.REPLACES]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEP, min_size=4, max_size=25))
async def test_a_lock_and_a_replacement_last_in_any_order(steps: list[tuple[str, int, str]]) -> None:
    play, next_ = Play(InMemory()), 1
    for step, number, kind in steps:
        here, gone = sorted(play.model.here), sorted(play.model.gone)
        if step == "send" or (step == "relate" and not here):
            await play.send(next_)
            next_ += 1
        elif step == "relate":
            await play.send(next_, kind, here[number % len(here)])
            next_ += 1
        elif step == "again" and gone:
            await play.send(gone[number % len(gone)])
        elif here and step != "again":
            await getattr(play, step)(here[number % len(here)])
        note(f"{step} {number} {kind}: {play.model}")
        await play.judged()
    await play.ended()


R, X, A = names.REPLACES, names.TRANSFORMS, names.APPENDS


@pytest.mark.parametrize(
    "steps",
    [
        [("send", 1), ("send", 2, R, 1), ("lock", 2), ("undo", 2), ("lift", 1)],
        [("send", 1), ("send", 2, R, 1), ("lock", 2), ("remove", 2), ("send", 3, A, 1), ("lift", 1), ("send", 2)],
        [("send", 1), ("send", 2, A, 1), ("lock", 1), ("remove", 1), ("send", 3, X, 2), ("lift", 2)],
        [("send", 1), ("send", 2, R, 1), ("lock", 1), ("send", 3, R, 2), ("lift", 2), ("lift", 1)],
        [("send", 1), ("send", 4, A, 1), ("send", 2, R, 1), ("send", 3, R, 2), ("lock", 3), ("remove", 2), ("undo", 3)],
        [("send", 1), ("send", 4, A, 1), ("send", 2, R, 1), ("remove", 1), ("remove", 2)],
        [("send", 1), ("lock", 1), ("remove", 1), ("send", 1), ("send", 2, R, 1), ("lift", 2), ("lift", 1)],
    ],
)
async def test_a_lock_and_a_replacement_last_at_a_source(source: Standing, steps: list[tuple[Any, ...]]) -> None:
    play = Play(AtSource(source))
    for step, *named in steps:
        await getattr(play, step)(*named)
        await play.judged()
    await play.ended()
