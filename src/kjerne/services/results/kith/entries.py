"""The results of a chain while its versions are laid on each other, oldest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from kjerne.fhir.circumstances import ALL, Circumstance
from kjerne.services.results.kith import additions, sampled, samples
from kjerne.services.results.kith.additions import Known
from kjerne.services.results.kith.circumstances import (
    Around,
    Said,
    has_other_parts,
    others,
    same_content,
    says_something,
)
from kjerne.services.results.kith.faces import Face, face
from kjerne.services.results.kith.findings import another_analysis, another_finding, has_words, is_susceptibility
from kjerne.services.results.kith.holding import Held, held_by
from kjerne.services.results.kith.items import effective, targets
from kjerne.services.results.kith.laying import Counted
from kjerne.services.results.kith.map_values import is_coded
from kjerne.services.results.kith.matching import match
from kjerne.services.results.kith.model import Code, Item, Material, Report, Value
from kjerne.services.results.kith.statuses import DELETED, UNFINISHED, WAITING, observation_status
from kjerne.services.results.kith.waves import waves

ChangeKind = Literal["corrected", "replaced", "withdrawn", "not-repeated"]

_FULL: Final = frozenset({"N", "M", "H"})
"""Kinds of report that repeat everything; an addition holds only what is new, a cancellation often nothing."""

_CORRECTING: Final = frozenset({"M", "C"})
"""Kinds of report and result that may say another sample time of a result that is known."""

NOWHERE: Final = Around()

_NOT_YET: Final = "?"
"""Stands for the key of a result that no older version has, so that its neighbours match nothing by place."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """An earlier content of a result: its value and status, when it was sent, and which later version did what to
    it. `investigations` is what had been analysed, where a later version says that it was something else. `before` is
    the whole of it where what the reading hung on (`circumstances`) or further values (`parts`) were others."""

    kind: ChangeKind
    at: str
    value: Value | None
    status: str
    issued: str
    investigations: tuple[Code, ...] = ()
    before: Said | None = None
    circumstances: tuple[Circumstance, ...] = ()
    parts: bool = False


class Result(msgspec.Struct, frozen=True, array_like=True):
    """One result as it holds now. `parent` and `target` are keys; `value` is None where there is none or it is
    withdrawn. `finished`: an earlier version had said it as finished. `waited`: it was known before, or its report was, and
    only as waited for. `named` is the newest version that says something of it itself: repeats, changes or withdraws it.
    `added`: it came by an addition. `objects` are the keys of what it was found in (`samples`), by that version."""

    key: str
    item: Item
    status: str
    issued: str
    value: Value | None
    parent: str = ""
    target: str = ""
    history: bool = False
    changes: tuple[Change, ...] = ()
    finished: bool = False
    named: str = ""
    waited: bool = False
    added: bool = False
    objects: tuple[str, ...] = ()

    @property
    def gone(self) -> bool:
        """Whether it was taken back, by a cancellation or a deletion, and nothing came in its place."""
        return self.value is None and _no_more(self.status, self.changes[:1])


@dataclass(slots=True)
class _Entry:
    key: str
    face: Face
    item: Item
    status: str
    issued: str
    value: Value | None
    parent: str = ""
    target: str = ""
    history: bool = False
    changes: list[Change] = field(default_factory=list)
    around: Around = NOWHERE
    finished: bool = False
    waits: bool = False
    known: bool = False
    named: str = ""
    added: bool = False
    objects: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()

    def said(self) -> Said:
        return Said(self.item, self.value, self.status, self.issued, self.around)


@dataclass(frozen=True, slots=True)
class _Laid:
    """One version on its way: its own kind of service, its items with when, of whom and what they were sampled, what they
    effectively say, the index of the item each refers to (-1: none here), the key of an older result that it refers to instead,
    whether it is `added`, the entry that holds each so far, and the indexes of those that are only `filled`: an addition
    repeats a result that stands, and leaves it where and what it is. `holds` are the examinations that a text is about, `counted`
    whose ids have been seen to count (`matching`), `elsewhere` what was told of under another person."""

    service: str
    items: Sequence[Item]
    times: Sequence[sampled.Times]
    whose: Sequence[Material | None]
    found_in: Sequence[tuple[samples.Made, ...]]
    services: Sequence[str]
    states: Sequence[str]
    targets: Sequence[int]
    beyond: Sequence[str]
    added: Sequence[bool]
    held: list[_Entry | None]
    holds: Sequence[Held]
    counted: Counted
    elsewhere: Sequence[bool] = ()
    filled: set[int] = field(default_factory=set)

    def may_correct_its_time(self, index: int) -> bool:
        if self.added[index] or (self.elsewhere and self.elsewhere[index]):
            return False
        return self.service in _CORRECTING or self.services[index] in _CORRECTING

    def target_of(self, index: int, absent: str) -> str:
        return _key_at(self.targets[index], self.held, absent)


class Entries:
    """The results so far; `apply` lays the next version on them. `headless`: what the first version said is not known."""

    def __init__(self, *, headless: bool = False) -> None:
        self._headless = headless
        self._entries: list[_Entry] = []
        self._keys: dict[str, Face] = {}
        self._numbers: dict[str, int] = {}
        self._repeated: dict[str, tuple[Said, int] | None] = {}
        self._filled: set[str] = set()
        self._objects: dict[str, samples.Made] = {}
        self._counted: Counted = set()
        self._turn = 0

    def results(self) -> tuple[Result, ...]:
        """The results in the order of the newest full version, what it left out behind."""
        return tuple(
            Result(
                e.key, e.item, e.status, e.issued, e.value, e.parent, e.target, e.history, tuple(reversed(e.changes)),
                e.finished, e.named, e.known and not e.finished, e.added, e.objects,
            )
            for e in self._entries
        )  # fmt: skip

    def apply(self, report: Report, generated: str, told: Collection[str] = ()) -> None:
        """Lay one version on the results; versions come in the order of their GenDate. `told` are sample times of which versions
        that named somebody else told: what was taken then is no result of another time, corrected."""
        before = list(self._entries)
        for entry in before:
            entry.finished, entry.known = entry.finished or not entry.waits, True
        stood = {entry.key: entry.parent for entry in before}
        said = {entry.key: (entry.said(), len(_lasting(entry))) for entry in before}
        self._turn += 1
        found_in, self._objects = samples.of_items(report, self._objects)
        laid = _laid(report, before, found_in, self._counted, told)
        for wave in waves(report.items, laid.targets, fresh=not before):
            if before:
                _match_wave(wave, laid, before)
            for index in wave:
                self._lay(index, laid, generated)
        _settle(laid, self._turn)
        repeated = [entry for entry in laid.held if entry is not None]
        sent = {entry.key for entry in repeated}
        _leave_behind(self._entries, repeated, {key: was for key, (was, _) in said.items()}, generated)
        rest = [entry for entry in self._entries if entry.key not in sent]
        _reach_nested([*repeated, *rest], {key: at for key, at in stood.items() if at not in sent}, sent, generated)
        for entry in self._entries if report.service == "C" else repeated:
            entry.named = generated
        self._repeated = {entry.key: said.get(entry.key) for entry in repeated}
        self._filled = {one.key for index in laid.filled if (one := laid.held[index])}
        if not before:
            self._entries = repeated
        if report.service == "C":
            for entry in self._entries:
                _withdraw(entry, "withdrawn", generated)
        elif report.service in _FULL and before:
            for entry in rest:
                _leave_out(entry, report, generated)
            self._entries = repeated + rest

    def repeated(self) -> list[str]:
        """The keys of those that the newest version says something of; what it only fills stays with its objects."""
        return [e.key for e in self._entries if e.key in self._repeated and not (e.key in self._filled and e.objects)]

    def place(self, objects: Mapping[str, tuple[str, ...]]) -> None:
        """After `apply`: what the results of this version were found in. What it leaves out has what it had: the number of
        its specimen may be another's by now."""
        for entry in self._entries:
            entry.objects = objects.get(entry.key, entry.objects)

    def surround(self, known: Mapping[str, Around], generated: str) -> None:
        """After `place`: when and in what the results of this version were found; what their reading hung on before stays
        as a change."""
        for entry in self._entries:
            if entry.key in self._repeated:
                entry.around = known[entry.key]
                if was := self._repeated[entry.key]:
                    _keep_circumstances(entry, *was, generated)

    def _lay(self, index: int, laid: _Laid, generated: str) -> None:
        item, entry, service = laid.items[index], laid.held[index], laid.services[index]
        status = observation_status(laid.states[index], service)
        waits = laid.states[index] in WAITING
        if entry is not None and index in laid.filled:
            _fill(entry, item, status, generated)
            return
        if entry is not None:
            _renew(entry, item, service, status, generated, deleted=laid.states[index] == DELETED)
            entry.waits = waits
            return
        parent, target = _key_at(item.parent, laid.held, ""), laid.target_of(index, laid.beyond[index])
        known = face(
            item, service, parent, target, laid.times[index], adds=laid.added[index], whose=laid.whose[index],
            found_in=laid.found_in[index], turn=self._turn, holds=laid.holds[index],
        )  # fmt: skip
        entry = _Entry(self._new_key(known), known, item, status, generated, item.value, history=service == "H")
        entry.finished, entry.waits, entry.added = self._headless, waits, known.adds
        laid.held[index] = entry
        self._entries.append(entry)
        if service == "C" or laid.states[index] == DELETED:
            _withdraw(entry, "withdrawn", generated, status=status)

    def _new_key(self, known: Face) -> str:
        """A key that lasts: the laboratory's id, else place and codes; numbered where it is not alone. What is added beside a
        result with its key has its own from what it says, so that it is the same whatever else was added."""
        stem = f"{known.of}:" if known.of else ""
        codes = "|".join(sorted(code for _, code in known.codes))
        if known.id:
            stem += f"id:{known.id}"
            if stem in self._keys and not (known.adds and self._keys[stem].codes == known.codes):
                stem += "|" + codes
        else:
            stem += f"{known.parent}>{known.target}>{codes or known.name}"
        if known.adds and stem in self._keys:
            place = known.place if self._keys[stem].place != known.place else None
            stem = f"+{additions.name_of(known.item, known.found_in, place)}|{stem}"
        key, number = stem, self._numbers.get(stem, 1)
        while key in self._keys:
            number += 1
            key = f"{stem}#{number}"
        self._keys[key] = known
        self._numbers[stem] = number
        return key


def _laid(
    report: Report, before: Sequence[_Entry], found_in: Sequence[tuple[samples.Made, ...]], counted: Counted,
    told: Collection[str],
) -> _Laid:  # fmt: skip
    services, states = effective(report)
    referred = targets(report.items)
    beyond = [""] * len(report.items)
    if report.service == "A":
        # An addition holds only what is new: what it refers to may stand in the report that it is added to.
        older = {(entry.item.of, entry.item.id): entry.key for entry in reversed(before) if entry.item.id}
        beyond = [
            older.get((item.of, item.ref), "") if item.ref and target < 0 else ""
            for item, target in zip(report.items, referred, strict=True)
        ]
    held: list[_Entry | None] = [None] * len(report.items)
    added = [additions.adds(report.service, *one) for one in zip(services, states, strict=True)]
    if any(added):
        for entry in before:
            entry.face = entry.face._replace(known_as=_known(entry))
    times, whose = sampled.of_items(report), sampled.whose_of_items(report)
    return _Laid(
        report.service, report.items, times, whose, found_in, services, states, referred, beyond, added, held,
        held_by(report.items), counted, [not own.isdisjoint(told) for own in times] if told else (),
    )  # fmt: skip


def _match_wave(wave: Sequence[int], laid: _Laid, before: Sequence[_Entry]) -> None:
    taken = {id(entry) for entry in laid.held if entry is not None}
    old = [
        None if id(entry) in taken else entry.face._replace(gone=True) if _is_gone(entry) else entry.face
        for entry in before
    ]
    keys = {id(entry) for entry in before}
    fresh = [
        face(
            laid.items[i],
            "C" if laid.states[i] == DELETED else laid.services[i],
            _known_key(laid.items[i].parent, laid.held, keys),
            _known_key(laid.targets[i], laid.held, keys) or laid.beyond[i],
            laid.times[i],
            corrects=laid.may_correct_its_time(i),
            adds=laid.added[i],
            whose=laid.whose[i],
            found_in=laid.found_in[i],
            turn=1 if laid.service == "A" else 0,
            holds=laid.holds[i],
        )
        for i in wave
    ]  # fmt: skip
    for index, known, hit in zip(wave, fresh, match(old, fresh, laid.counted), strict=True):
        if hit >= 0:
            entry = laid.held[index] = before[hit]
            if known.adds and entry.face.known_as is not None and entry.face.known_as.stands:
                laid.filled.add(index)
            else:
                entry.face = known if known.found_in else known._replace(found_in=entry.face.found_in)


def _known_key(index: int, held: Sequence[_Entry | None], before: set[int]) -> str:
    if index < 0:
        return ""
    entry = held[index]
    return entry.key if entry is not None and id(entry) in before else _NOT_YET


def _key_at(index: int, held: Sequence[_Entry | None], absent: str) -> str:
    entry = held[index] if index >= 0 else None
    return entry.key if entry is not None else absent


def _settle(laid: _Laid, turn: int) -> None:
    """Give each result of this version its turn and its neighbours' keys, which all exist now."""
    for index, entry in enumerate(laid.held):
        if entry is None:
            continue
        known = entry.face
        parent, target = known.parent, known.target
        if index not in laid.filled:
            item = laid.items[index]
            parent = entry.parent = _key_at(item.parent, laid.held, "")
            target = entry.target = laid.target_of(index, laid.beyond[index] or (entry.target if item.ref else ""))
        if (known.parent, known.target, known.turn) != (parent, target, turn):  # nearly all new ones are so already
            entry.face = known._replace(parent=parent, target=target, turn=turn)


def _renew(entry: _Entry, item: Item, service: str, status: str, generated: str, *, deleted: bool) -> None:
    """Let a newer version of a result take its place, and keep what it replaces where the value is another."""
    was = entry.item.investigations if another_analysis(entry.item, item) else ()
    if service == "C" or deleted:
        _withdraw(entry, "withdrawn", generated, was, status)
        entry.item = item
        return
    _take_in_again(entry, item, generated)
    same_value = same_content(entry.value, item.value)
    unchanged = same_value and _content(entry.item) == _content(item)
    if service == "H" and same_value and (status == "unknown" or (unchanged and entry.status != "cancelled")):
        status = entry.status
    if (was or not same_value) and says_something(entry.value):
        kind: ChangeKind = "replaced" if entry.waits or entry.status in UNFINISHED else "corrected"
        entry.changes.append(Change(kind, generated, entry.value, entry.status, entry.issued, was))
    if not unchanged or status != entry.status:
        entry.issued = generated
    entry.item, entry.value, entry.status, entry.history = item, item.value, status, service == "H"
    entry.without = frozenset()


def _known(entry: _Entry) -> Known:
    """A result as additions are held against it."""
    gone = _is_gone(entry)
    waited = not gone and (entry.waits or entry.status in UNFINISHED)
    value = entry.changes[-1].value if gone and entry.changes else entry.value
    return Known(value, entry.item, waited, not gone and not waited)


def _fill(entry: _Entry, item: Item, status: str, generated: str) -> None:
    """An addition says again what stands: it may say more of it."""
    _take_in_again(entry, item, generated)
    filled = additions.filled(entry.item, item)
    if entry.status == "unknown":
        entry.status, entry.issued = status, generated if status != "unknown" else entry.issued
    if _content(filled) != _content(entry.item):
        entry.issued = generated
    entry.item = filled


def _keep_circumstances(entry: _Entry, was: Said, changes: int, generated: str) -> None:
    """What a version corrected beside the value, in the change that it made of the value, or in one of its own."""
    gone = "cancelled" in (was.status, entry.status) or _is_gone(entry)
    if gone or not (says_something(was.value) or was.item.structured or was.item.further):
        return
    now = entry.said()
    names, parts = others(was, now, same_value=same_content(was.value, now.value)), has_other_parts(was, now)
    if not names and not parts:
        return
    made = _lasting(entry)[changes:] and entry.changes[-1].kind in ("corrected", "replaced")
    kind: ChangeKind = "replaced" if was.status in UNFINISHED else "corrected"
    change = entry.changes.pop() if made else Change(kind, generated, was.value, was.status, was.issued)
    told = tuple(name for name in ALL if name in names)
    entry.changes.append(msgspec.structs.replace(change, before=was, circumstances=told, parts=parts))
    entry.issued = generated


def _withdraw(
    entry: _Entry, kind: ChangeKind, generated: str, was: tuple[Code, ...] = (), status: str = "cancelled"
) -> None:
    """Takes back what a result says; from then on it has this `status`, which is another where it was deleted."""
    parts = bool(entry.item.structured or entry.item.further)
    told: tuple[Circumstance, ...] = ("flag",) if is_coded(entry.item.deviation) else ()
    before = entry.said() if parts or told else None
    if _is_gone(entry) and (entry.changes or before is None):
        entry.status = status
        return
    value = entry.value if says_something(entry.value) else None
    held = "unknown" if entry.status == "cancelled" else entry.status
    entry.changes.append(Change(kind, generated, value, held, entry.issued, was, before, told, parts))
    entry.status, entry.value, entry.issued, entry.history = status, None, generated, False


def _reach_nested(
    entries: Sequence[_Entry], stood: Mapping[str, str], sent: Collection[str], generated: str
) -> None:  # fmt: skip
    """What was taken back takes all with it that stands in it or refers to it, sent again or not; a group goes with its
    examinations.

    In the national layout of radiology the group has the text, which the examinations in it are the occasion of. `stood` is
    where results were before, in what this version leaves out: it may send them in another group, or in none. `sent`: what
    the version itself says something of.
    """
    inside: dict[str, list[_Entry]] = {}
    referring: dict[str, list[_Entry]] = {}
    for entry in entries:
        referring.setdefault(entry.target, []).append(entry)
        for place in {entry.parent: None, stood.get(entry.key, ""): None}:
            inside.setdefault(place, []).append(entry)
    by_key = {entry.key: entry for entry in entries}
    reached, around = [entry for entry in entries if _is_taken_back(entry)], dict[str, None]()
    while reached or around:
        if reached:
            gone = reached.pop()
            around |= {gone.parent: None, stood.get(gone.key, ""): None}
            follow, status = [one for one in inside.get(gone.key, ()) if one.parent == gone.key], gone.status
            follow += referring.get(gone.key, ())
        else:
            group = by_key.get(around.popitem()[0])
            status = _lost_all(group, inside, said=group.key in sent) if group else ""
            follow = [group] if group and status else []
        for entry in follow:
            if not _is_gone(entry):
                _withdraw(entry, "withdrawn", generated, status=status)
                entry.named = generated
                reached.append(entry)


def _leave_behind(
    entries: Sequence[_Entry], repeated: Sequence[_Entry], before: Mapping[str, Said], generated: str
) -> None:
    """Where another finding took the place of one that something was tested on, what is not sent again of that is taken back: it
    was never tested on what stands there now."""
    others = {
        entry.key
        for entry in repeated
        if entry.key in before and another_finding(before[entry.key], entry.item, entry.value)
    }
    if not others:
        return
    sent = {entry.key for entry in repeated}
    beside: dict[str, list[_Entry]] = {}
    for entry in entries:
        for place in {entry.parent, entry.target} & others:
            beside.setdefault(place, []).append(entry)
    for found in beside.values():
        if any(is_susceptibility(one.value) for one in found):
            for one in found:
                if one.key not in sent and not _is_gone(one):
                    _withdraw(one, "withdrawn", generated)
                    one.named = generated


def _lost_all(group: _Entry, inside: Mapping[str, Sequence[_Entry]], *, said: bool) -> str:
    """Where an item that is no examination itself held some, and all of them were taken back: their status.

    A diagnosis or an organism that the version itself `said` in so many words stands without them, whatever comes later. So does
    the text of a group, but of examinations that were deleted: those were its occasion.
    """
    held = [entry for entry in inside[group.key] if entry.item.investigations or entry.key in inside]
    lost = held and not group.item.investigations and all(map(_is_taken_back, held))
    if not lost or group.without.issuperset(entry.key for entry in held):
        return ""
    is_group = group.item.value is not None and group.item.value.heading.code == "GR"
    if said and has_words(group.item) and not (is_group and any(entry.status != "cancelled" for entry in held)):
        group.without = frozenset(entry.key for entry in held)
        return ""
    return held[0].status


def _is_taken_back(entry: _Entry) -> bool:
    """Whether it is gone by its laboratory's word, and not because a newer version left it out unfinished."""
    return _is_gone(entry) and not (entry.changes and entry.changes[-1].kind == "not-repeated")


def _is_gone(entry: _Entry) -> bool:
    """Whether it was taken back, by a cancellation or a deletion, and nothing came in its place."""
    return entry.value is None and _no_more(entry.status, entry.changes[-1:])


def _no_more(status: str, newest: Sequence[Change]) -> bool:
    return status == "cancelled" or (status == "unknown" and any(change.kind == "withdrawn" for change in newest))


def _leave_out(entry: _Entry, report: Report, generated: str) -> None:
    """A newer full version does not repeat this result.

    A finished one keeps value and status, marked where the version is a change: laboratories leave out results
    without meaning to withdraw them, and no answer may vanish. An unfinished one has been superseded once the report
    is changed or final, and would otherwise wait for ever.
    """
    if entry.status == "cancelled" or _is_gone(entry):
        return
    if entry.status in UNFINISHED:
        if report.service == "M" or report.status == "F":
            _withdraw(entry, "not-repeated", generated)
    elif report.service == "M" and not any(change.kind == "not-repeated" for change in entry.changes):
        entry.changes.append(Change("not-repeated", generated, entry.value, entry.status, entry.issued))


def _take_in_again(entry: _Entry, item: Item, generated: str) -> None:
    """What a newer version repeats is no longer left out. What it said while unfinished stays, where it says another now."""
    left = next((change for change in entry.changes if change.kind == "not-repeated"), None)
    if left is None:
        return
    entry.changes = _lasting(entry)
    if left.status in UNFINISHED and says_something(left.value) and not same_content(left.value, item.value):
        entry.changes.append(msgspec.structs.replace(left, kind="replaced", at=generated))


def _lasting(entry: _Entry) -> list[Change]:
    """The changes that stay whatever comes."""
    return [change for change in entry.changes if change.kind != "not-repeated"]


def _content(item: Item) -> Item:
    """The item without what may differ between versions that say the same."""
    return msgspec.structs.replace(item, parent=-1, line=0, service="", value=None, status_changed="", ref="", id="")
