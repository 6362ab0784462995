"""Which result of a newer version is which result of the older ones.

Laboratories number results in three ways: with an id that lasts, with an id that only counts within one message, and
not at all. So an id alone never decides: the investigation must agree too. What says the same is looked for first: so what
is repeated unchanged is no correction of its neighbour, and a withdrawal reaches the result whose value it names. The passes
go from sure to probable, each result is matched at most once, and what nothing matches is a result of its own.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from kjerne.services.results.kith.additions import Known, is_the_same
from kjerne.services.results.kith.circumstances import says_something
from kjerne.services.results.kith.codes import NATIONAL, canonical
from kjerne.services.results.kith.map_values import is_name
from kjerne.services.results.kith.model import Amount, Item, Material, Value
from kjerne.services.results.kith.sampled import NONE, Times, apart
from kjerne.services.results.kith.samples import Made, are_others

_REFERS_BACK: Final = frozenset({"M", "C", "H"})
"""Kinds of service that say themselves that an earlier result exists."""


_REPEATS: Final = frozenset({"C", "H"})
"""Kinds of service that bring no new value: what one of these says was said before."""

_SAYS_NOTHING: Final = frozenset({"N", "A"})
"""Kinds of service that do not say of a result whether it was there before."""

_LOOKED_AT: Final = 100
"""As many results with one key are compared with a newer one before it counts as another."""

_READ: Final = 10
_BEGINS: Final = 1000
_WORD: Final = re.compile(r"\w+")
"""Of as many texts with one key, and as far, words are compared."""


class Face(NamedTuple):
    """What identifies a result within its report: its place, its codes and its id.

    `taken` is when its samples were, `whose` they are where that is known; a result that `corrects` an earlier one may
    have those wrong. `adds`: it stands in an addition, and takes the place of nothing that says something else; `known_as`
    is what that is compared with, of a known result alone. `found_in` are its specimens, where they are said. `turn` counts the
    versions to the last that named a known result, and is above 0 of a newer one where it stands in an addition.
    """

    id: str
    of: int
    service: str
    parent: str
    target: str
    codes: frozenset[tuple[str, str]]
    national: str
    name: str
    item: Item
    taken: Times = NONE
    corrects: bool = True
    adds: bool = False
    whose: Material | None = None
    known_as: Known | None = None
    found_in: tuple[Made, ...] = ()
    turn: int = 0

    @property
    def place(self) -> tuple[int, str, str]:
        return self.of, self.parent, self.target


def face(
    item: Item, service: str, parent: str, target: str, taken: Times = NONE, *, corrects: bool = True, adds: bool = False,
    whose: Material | None = None, found_in: tuple[Made, ...] = (), turn: int = 0,
) -> Face:  # fmt: skip
    """`parent` and `target` are the keys of the result around it and of the one it refers to."""
    codes = frozenset((canonical(c.system), c.code) for c in item.investigations if c.code)
    national = next((code for system in NATIONAL for s, code in codes if s == system), "")
    if item.investigations:
        name = item.investigations[0].words.strip()
    else:
        heading = item.value.heading.code if item.value else ""
        name = f"{heading}:{item.value.text[:80]}" if item.value and heading == "GR" else heading
    return Face(
        item.id, item.of, service, parent, target, codes, national, name, item, taken, corrects, adds, whose,
        found_in=found_in, turn=turn,
    )  # fmt: skip


def match(old: Sequence[Face | None], new: Sequence[Face]) -> list[int]:
    """For each face of `new` the index of its face in `old`, or -1. A None in `old` is taken already."""
    found = [-1] * len(new)
    free = {index for index, known in enumerate(old) if known is not None}
    for one_pass in _PASSES:
        if not free:
            break
        one_pass(old, new, found, free)
    return found


def _unchanged(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """Same id, a code in common, and the same answer."""

    def key(known: Face) -> Hashable | None:
        return (known.of, known.id, said) if known.id and (said := _said(known)) else None

    _pair(old, new, found, free, key, _agree, rounds=_OF_THAT_SAMPLE)


def _by_what_it_says(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """Same place, codes and answer, whatever the id is, where it is repeated or taken back: those may be numbered anew. So it is
    where it has no id, and where ids are seen to count. The same specimen's first."""
    counted, whole = _counted_anew(old, new), _all_sent_again(old, new, found, free)

    def says(known: Face) -> Hashable | None:
        return (known.place, known.codes, known.name, said) if (said := _said(known)) else None

    def of_specimen(known: Face) -> Hashable | None:
        return (said, known.item.subjects) if (said := says(known)) else None

    def agree(_: Face, fresh: Face) -> bool:
        if fresh.service in _REPEATS or not fresh.id:
            return True
        again = not fresh.adds and (fresh.place, fresh.codes, fresh.name) in whole
        return fresh.service in _SAYS_NOTHING and (again or (fresh.of, fresh.adds) in counted)

    for key in (of_specimen, says):
        _pair(old, new, found, free, key, agree, rounds=_OF_THAT_SAMPLE)


def _counted_anew(old: Sequence[Face | None], new: Sequence[Face]) -> set[tuple[int, bool]]:
    """The Patient elements whose ids count within one message, for what is added or for what is not: one that says of itself
    no more than that it is new has the id of another analysis, or, added, of another answer."""
    known = {(one.of, one.id): one for one in old if one is not None and one.id}
    found: set[tuple[int, bool]] = set()
    for fresh in new:
        held = known.get((fresh.of, fresh.id)) if fresh.id and fresh.service in _SAYS_NOTHING else None
        if held is not None and _said(held) != _said(fresh) and (fresh.adds or not _agree(held, fresh)):
            found.add((fresh.of, fresh.adds))
    return found


def _all_sent_again(
    old: Sequence[Face | None], new: Sequence[Face], found: Sequence[int], free: set[int]
) -> set[tuple[Hashable, ...]]:
    """Place, codes and name of which every known answer is sent again, under whatever id: then none of them was corrected."""

    def counts(faces: Iterable[Face]) -> dict[tuple[Hashable, ...], Counter[Value | None]]:
        of: dict[tuple[Hashable, ...], Counter[Value | None]] = defaultdict(Counter)
        for one in faces:
            of[one.place, one.codes, one.name][_said(one)] += 1
        return of

    left = counts(known for index in sorted(free) if (known := old[index]) is not None)
    sent = counts(one for one, hit in zip(new, found, strict=True) if hit < 0)
    return {key for key, answers in left.items() if answers <= sent.get(key, Counter())}


def _by_id(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """Same id, and at least one code in common (or neither has codes)."""
    _pair(old, new, found, free, lambda f: (f.of, f.id) if f.id else None, _agree)


def _by_place_and_codes(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """Same place, same codes and name, and not two different ids."""
    _pair(old, new, found, free, lambda f: (f.place, f.codes, f.name), _ids_may_be_one)


def _by_place_and_national_code(
    old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]
) -> None:
    """Same place and national code: the laboratory changed its local code."""
    _pair(old, new, found, free, lambda f: (f.place, f.national) if f.national else None, _ids_may_be_one)


def _by_place_codes_and_value(
    old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]
) -> None:
    """Another id, but all else is the same, the answer and the specimen too: numbered anew. An addition is never
    that."""

    def key(known: Face) -> Hashable | None:
        item = known.item
        return None if item.value is None else (known.place, known.codes, known.name, item.value, item.subjects)

    _pair(old, new, found, free, key, lambda _, fresh: fresh.service != "A")


def _by_id_alone(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """Same id under another code, where the result says that it changes an earlier one: a corrected code.

    A withdrawal or a repetition corrects no code: it must name the same amount. Nor is the code corrected of what another one
    changes under its own.
    """
    claimed = {
        (fresh.of, fresh.codes)
        for hit, fresh in zip(found, new, strict=True)
        if hit < 0 and fresh.service in _REFERS_BACK
    }

    def agree(known: Face, fresh: Face) -> bool:
        if fresh.service in _REPEATS:
            return _amount(known) is not None and _amount(known) == _amount(fresh)
        return fresh.service in _REFERS_BACK and (known.of, known.codes) not in claimed

    _pair(old, new, found, free, lambda f: (f.of, f.id) if f.id else None, agree)


def _by_code_where_only_one(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """Another id, but it says that it changes an earlier result and one free result alone has its codes.

    A mistyped id must not leave a withdrawn result standing.
    """
    by_code: dict[Hashable, list[int]] = defaultdict(list)
    for index in free:
        known = old[index]
        if known is not None and known.codes:
            by_code[(known.of, known.codes)].append(index)
    for position, fresh in enumerate(new):
        candidates = by_code.get((fresh.of, fresh.codes), [])
        if found[position] < 0 and fresh.service in _REFERS_BACK and len(candidates) == 1 and candidates[0] in free:
            known = old[candidates[0]]
            if known is not None and (fresh.corrects or not _are_apart(known, fresh)) and _may_be(known, fresh):
                found[position] = candidates[0]
                free.discard(candidates[0])


def _by_place_of_a_text(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """The text of a group that says that it changes an earlier one, where one alone of each is left at its place.

    Such a group is the text of radiology, and has no code; a short text that is no sentence is its name, and another name
    another group.
    """

    def key(known: Face) -> Hashable | None:
        value = known.item.value
        if known.codes or value is None or value.heading.code != "GR":
            return None
        return known.place if value.text.endswith(".") or not is_name(value.text) else None

    left = [known for index in free if (known := old[index]) is not None]
    fresh = [one for position, one in enumerate(new) if found[position] < 0]
    alone = [{one for one, n in Counter(map(key, faces)).items() if n == 1} for faces in (left, fresh)]
    both = alone[0] & alone[1]

    def sole(known: Face) -> Hashable | None:
        return mine if (mine := key(known)) in both else None

    _pair(old, new, found, free, sole, lambda known, one: one.service in _REFERS_BACK and _ids_may_be_one(known, one))


def _by_code_in_a_change(old: Sequence[Face | None], new: Sequence[Face], found: list[int], free: set[int]) -> None:
    """A number under another id that a change sends as new, and leaves the only one of its analysis and sample out: a change
    holds the whole report, so it stands in its place. So it does in any full version whose ids are seen to count."""
    counted = {one for one in _counted_anew(old, new) if not one[1]}

    def key(known: Face) -> Hashable | None:
        of = known.place, known.codes, known.item.subjects, known.item.specifications
        return of if known.national and _amount(known) else None

    left = Counter(key(known) for index in free if (known := old[index]) is not None)
    fresh = Counter(key(one) for position, one in enumerate(new) if found[position] < 0)

    def sole(known: Face) -> Hashable | None:
        return mine if (mine := key(known)) and left[mine] == fresh[mine] == 1 else None

    _pair(
        old, new, found, free, sole,
        lambda _, one: one.service == "N" and (one.corrects or (one.of, one.adds) in counted), rounds=_OF_THAT_SAMPLE,
    )  # fmt: skip


_PASSES: Final = (
    _unchanged,
    _by_what_it_says,
    _by_id,
    _by_place_and_codes,
    _by_place_and_national_code,
    _by_place_codes_and_value,
    _by_id_alone,
    _by_code_where_only_one,
    _by_place_of_a_text,
    _by_code_in_a_change,
)

_OF_THAT_SAMPLE: Final = (False,)
_OF_ANY_SAMPLE: Final = (False, True)
"""Whether a correction may be of a result that is known to be of another sample: in a second round, where it is at all."""


def _pair(
    old: Sequence[Face | None],
    new: Sequence[Face],
    found: list[int],
    free: set[int],
    key: Callable[[Face], Hashable | None],
    agree: Callable[[Face, Face], bool],
    rounds: Sequence[bool] = _OF_ANY_SAMPLE,
) -> None:
    """Pair free faces with equal keys that agree, first with first, in the order of the report.

    What was sampled at another time is another result, unless a correction says so of one that has no better match. Of
    very many with one key only the first are looked at, so that the work stays in step with the size of the report.
    """
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    for index in sorted(free):
        known = old[index]
        value = key(known) if known is not None else None
        if value is not None:
            waiting[value].append(index)
    for may_be_apart in rounds:
        for position, fresh in enumerate(new):
            if found[position] >= 0 or (may_be_apart and not fresh.corrects):
                continue
            candidates = waiting.get(key(fresh), [])
            for index in _in_turn(candidates[:_LOOKED_AT], old, fresh):
                known = old[index]
                if known is None or (not may_be_apart and _are_apart(known, fresh)):
                    continue
                if agree(known, fresh) and _may_be(known, fresh):
                    found[position] = index
                    free.discard(index)
                    candidates.remove(index)
                    break


def _in_turn(candidates: list[int], old: Sequence[Face | None], fresh: Face) -> list[int]:
    """First with first; but what an addition changes or takes back is what was named last, and a changed text is the one that it
    has most words in common with."""
    if len(candidates) < 2 or fresh.adds or not (fresh.turn or fresh.service == "M"):
        return candidates
    known = [(index, one) for index in candidates if (one := old[index]) is not None]
    mine = _words(fresh) if len(known) <= _READ else frozenset()

    def turn(of: tuple[int, Face]) -> tuple[int, int]:
        return -len(mine & _words(of[1])) if mine else 0, -of[1].turn if fresh.turn else 0

    return [index for index, _ in sorted(known, key=turn)]


def _words(known: Face) -> frozenset[str]:
    value = known.item.value
    return _words_of(value.text[:_BEGINS]) if value is not None and value.kind == "text" else frozenset()


@lru_cache(maxsize=1024)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _said(known: Face) -> Value | None:
    """The answer, None where there is none that says something."""
    value = known.item.value
    return value if says_something(value) else None


def _amount(known: Face) -> tuple[Amount, str] | None:
    value = known.item.value
    return (value.amount, value.comparator) if value is not None and value.amount is not None else None


def _may_be(known: Face, fresh: Face) -> bool:
    """Whether a result may be that known one: an addition is none that says something else (`additions`), or of another
    specimen."""
    if not fresh.adds or known.known_as is None:
        return True
    if are_others(known.found_in, fresh.found_in):
        return False
    return is_the_same(known.known_as, fresh.item, same_place=known.place == fresh.place)


def _are_apart(known: Face, fresh: Face) -> bool:
    """Whether they are of other samples: taken at another time, or another being's."""
    other = known.whose is not None and fresh.whose is not None and known.whose != fresh.whose
    return other or apart(known.taken, fresh.taken)


def _agree(known: Face, fresh: Face) -> bool:
    if not known.codes or not fresh.codes:
        return True
    return not known.codes.isdisjoint(fresh.codes)


def _ids_may_be_one(known: Face, fresh: Face) -> bool:
    return not known.id or not fresh.id or known.id == fresh.id
