"""The results of a version on their way to the known ones: what is free, what fits, and how near it must be."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final

from kjerne.services.results.kith.additions import is_the_same
from kjerne.services.results.kith.faces import (
    REFERS_BACK,
    SAYS_NOTHING,
    Face,
    amount_of,
    are_apart,
    ids_may_be_one,
    is_anothers_id,
    is_elsewhere,
    is_tested,
    kind_of,
    says_the_same,
)
from kjerne.services.results.kith.holding import share
from kjerne.services.results.kith.sampled import has_clock
from kjerne.services.results.kith.samples import are_others

LOOKED_AT: Final = 100
"""As many results with one key are compared with a newer one before it counts as another."""

_READ: Final = 10
_BEGINS: Final = 1000
_WORD: Final = re.compile(r"\w+")
_COUNTS: Final = re.compile(r"[0-9]{1,3}")
"""Of as many texts with one key, and as far, words are compared. And an id as those that count results in a message are."""

Counted = set[tuple[int, bool]]
"""The Patient elements whose ids are seen to count within one message, for what is added or for what is not."""


class Near(IntEnum):
    """How far a result may be from what it is matched with: of the same place and sample; at another place, or of a sample of
    which something else is said; or, where a change says so, of a sample taken at another time."""

    HERE = 0
    ELSEWHERE = 1
    OTHER_TIME = 2


class Laying:
    """The faces of a version on their way: which are matched, and which known ones are `free`. `near` is how far a pair may be
    now, `turned_down` whether one was too far."""

    def __init__(self, old: Sequence[Face | None], new: Sequence[Face], counted: Counted) -> None:
        self.old, self.new, self.counted = old, new, counted
        self.found = [-1] * len(new)
        self.free = {index for index, known in enumerate(old) if known is not None}
        self.near, self.turned_down = Near.HERE, False
        self.ids: dict[tuple[int, str], list[Face]] = defaultdict(list)
        for one in old:
            if one is not None and one.id:
                self.ids[one.of, one.id].append(one)
        self.named = {(one.of, one.id) for one in new if one.id}
        self.any_gone = any(one is not None and one.gone for one in old)
        self._standing: dict[Hashable, list[int]] = defaultdict(list)
        if self.any_gone:
            for index, one in enumerate(old):
                if one is not None and not one.gone:
                    self._standing[kind_of(one)].append(index)
        self._others: dict[tuple[tuple[int, ...], tuple[int, ...]], bool] = {}

    def left(self) -> Iterator[tuple[int, Face]]:
        """The known ones that are free, in the order of the report."""
        for index in sorted(self.free):
            if (known := self.old[index]) is not None:
                yield index, known

    def waiting(self) -> Iterator[tuple[int, Face]]:
        """The newer ones that are not matched, a withdrawal last where something is gone: what still stands is what another
        one speaks of, and the withdrawal may be said again."""
        open_ = [(position, one) for position, one in enumerate(self.new) if self.found[position] < 0]
        return iter(sorted(open_, key=lambda one: one[1].service == "C") if self.any_gone else open_)

    def take(self, position: int, index: int) -> None:
        self.found[position] = index
        self.free.discard(index)

    def fits(self, known: Face, fresh: Face) -> bool:
        """Whether a result may be that known one: an addition is none that says something else (`additions`), stands elsewhere
        or is of another specimen, and what is only sent as new none of another sample, unless all else is the same."""
        if not _may_be_added(known, fresh):
            return False
        elsewhere, apart = self._is_elsewhere(known, fresh), are_apart(known, fresh)
        other = not self.may_be_of_one(known, fresh)
        if fresh.adds or not (elsewhere or other):
            return not (elsewhere or other)
        if self.near < (Near.OTHER_TIME if apart else Near.ELSEWHERE):
            self.turned_down = True
            return False
        if (apart and not fresh.corrects) or (elsewhere and is_tested(known, fresh) and not self._lasts(known, fresh)):
            return False
        if elsewhere and self._is_about_others(known, fresh):
            return False
        return not other or self._may_be_of_another(known, fresh, apart=apart)

    def may_be_of_one(self, known: Face, fresh: Face) -> bool:
        """Whether nothing that is said of their samples tells that these are two."""
        return not are_apart(known, fresh) and not self._are_others(known, fresh)

    def are_of_one(self, known: Face, fresh: Face) -> bool:
        """Whether their samples are taken for one: by the clock or the specimen's number. Where ids are seen to count, so does
        that number, and it tells nothing."""
        if not self.may_be_of_one(known, fresh):
            return False
        clocks = known.taken & fresh.taken
        same = known.item.subjects == fresh.item.subjects or any(map(has_clock, clocks))
        return same or (fresh.of, False) in self.counted

    def _may_be_of_another(self, known: Face, fresh: Face, *, apart: bool) -> bool:
        """Whether a result that is sent as new may be that of a sample of which something else was said. Of one time, so of
        another material or place, it is where an id may last, and in a change where it is the same number: no id, or one that
        counts in its message, tells nothing of words, for the urine's answer and the wound's have the same. Of another time it
        is in a change, with the same answer, id and number of the specimen."""
        if fresh.service in REFERS_BACK:
            return True
        again = fresh.corrects and known.id == fresh.id and says_the_same(known, fresh)
        if apart:
            return again and known.item.subjects == fresh.item.subjects
        return self._may_last(known, fresh) or (again and amount_of(fresh) is not None)

    def _is_about_others(self, known: Face, fresh: Face) -> bool:
        """Whether a text that is sent as new is about other examinations, and no id that may last says that it is the known one:
        a laboratory that counts begins again with each examination."""
        if fresh.service in REFERS_BACK or not known.holds or not fresh.holds or self._may_last(known, fresh):
            return False
        return not share(known.holds, fresh.holds, by_id=False)

    def _is_elsewhere(self, known: Face, fresh: Face) -> bool:
        """Whether it stands in or refers to another result, or is about other examinations: by their ids, where those may last
        and it does not say that it was there."""
        if not known.holds or not fresh.holds or is_elsewhere(known, fresh):
            return is_elsewhere(known, fresh)
        return not share(known.holds, fresh.holds, by_id=fresh.service in SAYS_NOTHING and not self.counts(fresh))

    def counts(self, fresh: Face) -> bool:
        """Whether its ids are seen to count within one message."""
        return (fresh.of, fresh.adds) in self.counted

    def _lasts(self, known: Face, fresh: Face) -> bool:
        """Whether they have one id, and ids may last."""
        return bool(fresh.id) and known.id == fresh.id and not self.counts(fresh)

    def _may_last(self, known: Face, fresh: Face) -> bool:
        """Whether they have one id, and one that is too long to count within a message."""
        return self._lasts(known, fresh) and _COUNTS.fullmatch(fresh.id) is None

    def _are_others(self, known: Face, fresh: Face) -> bool:
        """`samples.are_others`, asked once of each two."""
        if not known.found_in or not fresh.found_in:
            return False
        key = tuple(map(id, known.found_in)), tuple(map(id, fresh.found_in))
        if key not in self._others:
            self._others[key] = are_others(known.found_in, fresh.found_in)
        return self._others[key]

    def look_at_ids(self) -> None:
        """Whether ids are seen to count: what says of itself no more than that it is new has the id of another result, or what is
        found again has the id of its neighbour."""
        for position, fresh in enumerate(self.new):
            held = self.ids.get((fresh.of, fresh.id), ())
            known = self.old[hit] if (hit := self.found[position]) >= 0 else None
            if known is not None:
                seen = bool(known.id and held) and known.id != fresh.id
            else:
                held = held[:LOOKED_AT]
                new = fresh.service in SAYS_NOTHING and bool(held)
                seen = new and (is_anothers_id(held, fresh) or self._is_of_another_sample(held, fresh))
            if seen:
                self.counted.add((fresh.of, fresh.adds))

    def _is_of_another_sample(self, held: Sequence[Face], fresh: Face) -> bool:
        """Whether all that have its short id are of other samples: laboratories that count begin again with each. A change with
        the same answer may correct what is said of the sample."""
        if fresh.adds or _COUNTS.fullmatch(fresh.id) is None:
            return False
        return not any(self.may_be_of_one(one, fresh) or (fresh.corrects and says_the_same(one, fresh)) for one in held)

    def ids_may_be_one(self, known: Face, fresh: Face) -> bool:
        """Not two different ids; the id of something that is gone is none."""
        if ids_may_be_one(known, fresh):
            return True
        gone = any(one.gone for one in self.ids.get((fresh.of, fresh.id), ())[:LOOKED_AT])
        return gone and not known.gone and (known.of, known.id) not in self.named

    def is_supplanted(self, known: Face, fresh: Face) -> bool:
        """Whether something stands in the place of a result that is gone, which no other one has the id of."""
        if not known.gone or fresh.service == "C":
            return False
        for index in self._standing.get(kind_of(fresh), ())[:LOOKED_AT]:
            one = self.old[index]
            if (
                index in self.free
                and one is not None
                and (one.of, one.id) not in self.named
                and not are_apart(one, fresh)
            ):
                return True
        return False

    def sole(self, candidates: Sequence[int], fresh: Face) -> int | None:
        """The only one of these that is free and fits; of what stands, else of what is gone."""
        free = [(index, one) for index in candidates if index in self.free and (one := self.old[index]) is not None]
        standing = [one for one in free if not one[1].gone] or free
        if len(standing) > LOOKED_AT:
            return None
        fitting = [index for index, known in standing if self.fits(known, fresh)]
        return fitting[0] if len(fitting) == 1 else None

    def pair(
        self,
        key: Callable[[Face], Hashable | None],
        agree: Callable[[Face, Face], bool],
        nearest: Near = Near.OTHER_TIME,
    ) -> None:
        """Pair free faces with equal keys that agree, first with first, in the order of the report.

        Of very many with one key only the first are looked at, so that the work stays in step with the size of the report.
        """
        if self.near > nearest:
            return
        by_key: dict[Hashable, list[int]] = defaultdict(list)
        for index, known in self.left():
            if (value := key(known)) is not None:
                by_key[value].append(index)
        if not by_key:
            return
        for position, fresh in self.waiting():
            candidates = by_key.get(key(fresh), [])
            for index in in_turn(candidates[:LOOKED_AT], self.old, fresh):
                held = self.old[index]
                if held is not None and agree(held, fresh) and self.fits(held, fresh):
                    self.take(position, index)
                    candidates.remove(index)
                    break


def _may_be_added(known: Face, fresh: Face) -> bool:
    """Whether an added result may be a known one by what it says; any other may."""
    if not fresh.adds or known.known_as is None:
        return True
    return is_the_same(known.known_as, fresh.item, same_place=known.place == fresh.place)


def alone(
    laying: Laying, key: Callable[[Face], Hashable | None], agree: Callable[[Face, Face], bool],
    nearest: Near = Near.OTHER_TIME,
) -> None:  # fmt: skip
    """Pair what is left with a key that one alone of each has."""
    left = Counter(key(known) for _, known in laying.left() if not known.gone)
    fresh = Counter(key(one) for _, one in laying.waiting())

    def sole(known: Face) -> Hashable | None:
        return mine if not known.gone and (mine := key(known)) and left[mine] == fresh[mine] == 1 else None

    laying.pair(sole, agree, nearest)


def alone_of_sample(
    laying: Laying, key: Callable[[Face], Hashable | None], agree: Callable[[Face, Face], bool]
) -> None:  # fmt: skip
    """Pair what is left with a key, and of a sample, that one alone of each has: by what is said of the sample, whatever its
    number is in each message."""
    if laying.near > Near.HERE:
        return
    left: dict[Hashable, list[tuple[int, Face]]] = defaultdict(list)
    for index, known in laying.left():
        if not known.gone and (mine := key(known)) is not None:
            left[mine].append((index, known))
    sent: dict[Hashable, list[tuple[int, Face]]] = defaultdict(list)
    for position, fresh in laying.waiting() if left else ():
        if (mine := key(fresh)) in left:
            sent[mine].append((position, fresh))
    for mine, news in sent.items():
        olds = left[mine]
        if max(len(olds), len(news)) > LOOKED_AT:
            continue
        near = [(old, new) for new in news for old in olds if laying.may_be_of_one(old[1], new[1])]
        of_old, of_new = Counter(old[0] for old, _ in near), Counter(new[0] for _, new in near)
        for (index, known), (position, fresh) in near:
            sole = of_old[index] == of_new[position] == 1 and laying.are_of_one(known, fresh)
            if sole and agree(known, fresh) and laying.fits(known, fresh):
                laying.take(position, index)


def in_turn(candidates: list[int], old: Sequence[Face | None], fresh: Face) -> list[int]:
    """What stands before what is gone, and first with first; but what an addition changes or takes back is what was named last,
    and a changed text is the one that it has most words in common with."""
    if len(candidates) < 2 or fresh.adds:
        return candidates
    known = [(index, one) for index in candidates if (one := old[index]) is not None]
    if not (fresh.turn or fresh.service == "M"):
        return [index for index, _ in sorted(known, key=lambda of: of[1].gone)]
    mine = _words(fresh) if len(known) <= _READ else frozenset()

    def turn(of: tuple[int, Face]) -> tuple[bool, int, int]:
        return of[1].gone, -len(mine & _words(of[1])) if mine else 0, -of[1].turn if fresh.turn else 0

    return [index for index, _ in sorted(known, key=turn)]


def _words(known: Face) -> frozenset[str]:
    value = known.item.value
    return _words_of(value.text[:_BEGINS]) if value is not None and value.kind == "text" else frozenset()


@lru_cache(maxsize=1024)
def _words_of(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
