"""The analysed objects of a report over its versions: which one a number means, and which stand.

Laboratories number them within one message, so "1" of an addition may be another sample than "1" of the first version. A
number that is used again for another sample gives that a record of its own; a version that says otherwise of the very same
one, and repeats all that was found in it, corrects it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kjerne.fhir import circumstances
from kjerne.services.results.kith import sampled
from kjerne.services.results.kith.map_values import specimen_type
from kjerne.services.results.kith.model import AnalysedSubject, Report

_DIGEST_BYTES: Final = 8

_LASTING: Final = ("collected", "type", "type_code", "material", "material_words", "origin")
"""What tells a sample from another: where something stands that was found in it, and is not sent again, this is not taken
from it."""

Objects = Mapping[str, Sequence[str]]
"""By the key of a result the keys of what it was found in."""

Made = tuple[AnalysedSubject, ...]
"""An object, what it was made from, what that was made from, and so on."""

_DEEPEST: Final = 8
"""As many objects made one from the other are looked at; a slide of a block of a material is three."""


class Samples:
    """The objects so far, oldest first; `lay` takes those of the next version.

    `made_of` has for what was made from another (a slide, a block) the key of that, `named` when the newest version that
    names each was made.
    """

    def __init__(self) -> None:
        self.held: dict[str, AnalysedSubject] = {}
        self.made_of: dict[str, str] = {}
        self.named: dict[str, str] = {}
        self._numbered: dict[str, list[str]] = {}
        self._last: dict[str, str] = {}

    def meant(self, number: str) -> str:
        """The key of what an older version called so last; empty where none did."""
        return self._last.get(number, "")

    def sole(self, of: int) -> str:
        """The only one of a Patient element, where it has one."""
        found = {key for key in self._last.values() if self.held[key].of == of}
        return found.pop() if len(found) == 1 else ""

    def is_of(self, key: str, number: str) -> bool:
        """Whether an object was sent under this number."""
        return key in self._numbered.get(number, ())

    def lay(
        self, sent: Mapping[str, AnalysedSubject], service: str, generated: str, stood: Objects, now: Objects
    ) -> dict[str, str]:
        """The keys of what a version sends, by their numbers in it (`chain.keyed`). `stood` is what results were found in
        before it, `now` what those that it repeats are found in by its own numbers."""
        users = _users(stood, self.made_of)
        own = {key: f"{one.of}:{one.parent}" for key, one in sent.items() if one.parent}
        wanted = _users(now, own)
        given: dict[str, str] = {}
        for number, subject in sent.items():
            made_of = (given.get(own[number]) or self.meant(own[number])) if number in own else ""
            asking = wanted.get(number, set())
            if key := self._key(number, subject, made_of, service, users, asking):
                whole = service != "A" and users.get(key, _NOBODY) <= asking
                self._renew(key, subject, whole=whole)
            elif service == "C" and not asking and number in self._last:
                continue
            else:
                key = self._new(number, subject)
            given[number] = self._last[number] = key
            self.named[key] = generated
            if made_of and made_of != key:
                self.made_of[key] = made_of
        return given

    def standing(self, results: Objects) -> dict[str, AnalysedSubject]:
        """Those that something was found in, and what each number means by now."""
        used = _users(results, self.made_of).keys() | set(self._last.values())
        return {key: one for key, one in self.held.items() if key in used}

    def collected(self, key: str) -> str:
        return collected(key, self.held, self.made_of)

    def _key(
        self, number: str, subject: AnalysedSubject, made_of: str, service: str, users: Mapping[str, set[str]],
        asking: set[str],
    ) -> str:  # fmt: skip
        """The key of the very object that is sent, empty where none is known."""
        known = self._numbered.get(number, [])
        for key in reversed(known):
            if not self._is_other(key, subject, made_of):
                return key
        if service == "A":
            return ""
        for key in reversed(known):
            found = users.get(key, _NOBODY)
            idle = not found and key == self._last[number]
            if (idle or (found and found <= asking)) and not _is_anothers(self.held[key], subject):
                return key
        return ""

    def _is_other(self, key: str, subject: AnalysedSubject, made_of: str) -> bool:
        """Whether what is said of two objects cannot be of one: whose, when taken, of what and from where."""
        held, before = self.held[key], self.made_of.get(key, "")
        if before and made_of and before != made_of:
            return True
        return is_other(held, subject, (self.collected(key), subject.collected or self.collected(made_of)))

    def _renew(self, key: str, subject: AnalysedSubject, *, whole: bool) -> None:
        """What is said of an object now. Where it is not the `whole` of what was found in it, that keeps what it hung on."""
        held = self.held[key]
        kept: dict[str, object] = {}
        if not whole:
            kept = {name: own for name in _FIELDS if (own := getattr(held, name)) and _lasts(name, subject)}
            words = [one for one in (held.comment, subject.comment) if one]
            kept["comment"] = "\n".join(dict.fromkeys(words))
        elif held.material and not _says_what(subject):
            kept = {name: getattr(held, name) for name in _LASTING if name != "collected"}
        self.held[key] = msgspec.structs.replace(subject, **kept)

    def _new(self, number: str, subject: AnalysedSubject) -> str:
        known = self._numbered.setdefault(number, [])
        said = msgspec.msgpack.encode(msgspec.structs.replace(subject, line=0))
        digest = hashlib.blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()
        key = f"{number}@{digest}" if known else number
        while key in self.held:
            key += "+"
        known.append(key)
        self.held[key] = subject
        return key


def collected(key: str, subjects: Mapping[str, AnalysedSubject], made_of: Mapping[str, str]) -> str:
    """When an object was collected; what was made from another says it of that one only."""
    seen: set[str] = set()
    while key in subjects and key not in seen:
        seen.add(key)
        if subjects[key].collected:
            return subjects[key].collected
        key = made_of.get(key, "")
    return ""


_NOBODY: Final[set[str]] = set()
_FIELDS: Final = tuple(
    one for one in AnalysedSubject.__struct_fields__ if one not in ("id", "line", "of", "parent", "comment")
)


def _lasts(name: str, subject: AnalysedSubject) -> bool:
    return name in _LASTING or not getattr(subject, name)


def _says_what(subject: AnalysedSubject) -> bool:
    return bool(subject.material or subject.origin or specimen_type(subject))


def _is_anothers(held: AnalysedSubject, subject: AnalysedSubject) -> bool:
    """Whether it is another being's: a number never tells that. One of which nothing is said is not."""
    return held.material != subject.material and _says_what(subject)


def is_other(held: AnalysedSubject, subject: AnalysedSubject, times: tuple[str, str]) -> bool:
    """Whether what is said of two objects that were collected at these `times` cannot be of one."""
    if _is_anothers(held, subject):
        return True
    if sampled.apart(*(frozenset(filter(None, (sampled.local(time),))) for time in times)):
        return True
    pairs = ((held.origin, subject.origin), (held.requester_id, subject.requester_id))
    if any(one and other and one.casefold() != other.casefold() for one, other in pairs):
        return True
    if (held.type, held.type_code) == (subject.type, subject.type_code):
        return False
    kinds = specimen_type(held), specimen_type(subject)
    return all(kinds) and "material" in circumstances.others(*map(_beside, kinds))


def are_others(known: Sequence[Made], sent: Sequence[Made]) -> bool:
    """Whether a result that was found in `known` cannot be one that is found in `sent`: each of these is another object, or
    was made from another."""
    return bool(known and sent) and all(
        any(is_other(one, other, (one.collected, other.collected)) for one, other in zip(old, new, strict=False))
        for old in known
        for new in sent
    )


def of_items(report: Report, older: Mapping[str, Made]) -> tuple[list[tuple[Made, ...]], dict[str, Made]]:
    """For each result what it was found in: the objects that it names, by this version's numbers or as an `older` one used
    them, else those of the result around it, else the only one of its Patient element. And the objects by their numbers."""
    numbered: dict[str, Made] = {}
    alone: dict[int, tuple[Made, ...]] = {}
    by_number = {f"{one.of}:{one.id}": one for one in reversed(report.subjects) if one.id}
    for subject in report.subjects:
        made, above = [subject], subject
        while above.parent and len(made) < _DEEPEST and (inner := by_number.get(f"{above.of}:{above.parent}")):
            above = inner
            made.append(above)
        alone[subject.of] = () if subject.of in alone else (tuple(made),)
        if subject.id:
            numbered.setdefault(f"{subject.of}:{subject.id}", tuple(made))
    known = {**older, **numbered}
    found: list[tuple[Made, ...]] = []
    for item in report.items:
        if item.subjects:
            found.append(tuple(known[key] for ref in item.subjects if (key := f"{item.of}:{ref}") in known))
        else:
            found.append(found[item.parent] if item.parent >= 0 else alone.get(item.of, ()))
    return found, known


def _beside(kind: Mapping[str, object]) -> dict[str, object]:
    return {"resourceType": "Observation", "specimen": {"beside": True, "type": kind}}


def _users(objects: Objects, made_of: Mapping[str, str]) -> dict[str, set[str]]:
    """By object the results that were found in it, or in what was made of it."""
    found: dict[str, set[str]] = {}
    for result, keys in objects.items():
        for key in _with_origins(keys, made_of) if made_of else filter(None, keys):
            found.setdefault(key, set()).add(result)
    return found


def _with_origins(keys: Iterable[str], made_of: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        if (key := waiting.pop()) and key not in found:
            found.add(key)
            waiting.append(made_of.get(key, ""))
    return found
