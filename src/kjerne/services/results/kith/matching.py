"""Which result of a newer version is which result of the older ones.

Laboratories number results in three ways: with an id that lasts, with an id that only counts within one message, and
not at all. So an id alone never decides: the investigation must agree too. What says the same is looked for first: so what
is repeated unchanged is no correction of its neighbour, and a withdrawal reaches the result whose value it names. The passes
go from sure to probable, first among what nothing speaks against (`Near`), then among the rest. What stands comes before what
is gone, each result is matched at most once, and what nothing matches is a result of its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

from kjerne.services.results.kith.faces import (
    REFERS_BACK,
    SAYS_NOTHING,
    Face,
    amount_of,
    answer_of,
    are_apart,
    codes_agree,
    is_a_text,
    kind_of,
)
from kjerne.services.results.kith.findings import is_susceptibility
from kjerne.services.results.kith.holding import share
from kjerne.services.results.kith.laying import Counted, Laying, Near, alone, alone_of_sample, in_turn
from kjerne.services.results.kith.model import Value

_REPEATS: Final = frozenset({"C", "H"})
"""Kinds of service that bring no new value: what one of these says was said before."""


def match(old: Sequence[Face | None], new: Sequence[Face], counted: Counted | None = None) -> list[int]:
    """For each face of `new` the index of its face in `old`, or -1. A None in `old` is taken already. What is seen of ids that
    count is put in `counted`, and holds for what comes after."""
    laying = Laying(old, new, set() if counted is None else counted)
    for near in Near:
        laying.near, laying.turned_down = near, False
        for one_pass in _PASSES:
            if not laying.free or -1 not in laying.found:
                break
            one_pass(laying)
        if not laying.turned_down:
            break
    laying.look_at_ids()
    return laying.found


def _unchanged(laying: Laying) -> None:
    """Same id, a code in common, and the same answer."""

    def key(known: Face) -> Hashable | None:
        return (known.of, known.id, said) if known.id and (said := answer_of(known)) else None

    laying.pair(key, codes_agree, Near.ELSEWHERE)


def _by_what_it_says(laying: Laying) -> None:
    """Same place, codes and answer, whatever the id is, where it is repeated or taken back: those may be numbered anew. So it is
    where it has no id, and where ids are seen to count. The same specimen's first."""
    laying.look_at_ids()
    whole = _all_sent_again(laying)

    def says(known: Face) -> Hashable | None:
        return (*kind_of(known), said) if (said := answer_of(known)) else None

    def of_specimen(known: Face) -> Hashable | None:
        return (said, known.item.subjects) if (said := says(known)) else None

    def agree(_: Face, fresh: Face) -> bool:
        if fresh.service in _REPEATS or not fresh.id:
            return True
        again = not fresh.adds and kind_of(fresh) in whole
        return fresh.service in SAYS_NOTHING and (again or laying.counts(fresh))

    for key in (of_specimen, says):
        laying.pair(key, agree, Near.ELSEWHERE)


def _all_sent_again(laying: Laying) -> set[tuple[Hashable, ...]]:
    """Place, codes and name of which every known answer is sent again, under whatever id: then none of them was corrected."""

    def counts(faces: Iterable[tuple[int, Face]]) -> dict[tuple[Hashable, ...], Counter[Value | None]]:
        of: dict[tuple[Hashable, ...], Counter[Value | None]] = defaultdict(Counter)
        for _, one in faces:
            if not one.gone:
                of[kind_of(one)][answer_of(one)] += 1
        return of

    sent = counts(laying.waiting())
    return {key for key, answers in counts(laying.left()).items() if answers <= sent.get(key, Counter())}


def _by_what_it_holds(laying: Laying) -> None:
    """The text of a group with the very examination in it, by its code and id: the text goes with that. Where ids do not tell, by
    an examination that is in one group alone of each."""
    by_examination: dict[Hashable, list[int]] = defaultdict(list)
    for index, known in laying.left():
        for one in known.holds:
            if one.id and one.codes:
                by_examination[known.of, one].append(index)
    for position, fresh in laying.waiting():
        reached = dict.fromkeys(index for one in fresh.holds for index in by_examination.get((fresh.of, one), ()))
        for index in in_turn([index for index in reached if index in laying.free], laying.old, fresh):
            if (held := laying.old[index]) is not None and laying.fits(held, fresh):
                laying.take(position, index)
                break
    left = Counter(one[:2] for _, known in laying.left() if not known.gone for one in known.holds)
    sent = Counter(one[:2] for _, fresh in laying.waiting() for one in fresh.holds)
    only = {one for one, number in left.items() if number == sent.get(one) == 1}
    if not only:
        return

    def key(known: Face) -> Hashable | None:
        of = sorted((sorted(one.codes), one.made) for one in known.holds if one[:2] in only)
        return (known.of, *of[0][0], of[0][1]) if of and is_a_text(known) else None

    def may_be(known: Face, one: Face) -> bool:
        return one.service == "M" or share(known.holds, one.holds, by_id=not laying.counts(one))

    laying.pair(key, may_be)


def _by_id(laying: Laying) -> None:
    """Same id, and at least one code in common (or neither has codes)."""

    def agree(known: Face, fresh: Face) -> bool:
        if not known.codes and fresh.service == "N" and answer_of(known) and laying.counts(fresh):
            return False
        return codes_agree(known, fresh) and not laying.is_supplanted(known, fresh)

    laying.pair(lambda f: (f.of, f.id) if f.id else None, agree)


def _by_place_and_codes(laying: Laying) -> None:
    """Same place, same codes and name, and not two different ids."""
    laying.pair(kind_of, laying.ids_may_be_one)


def _by_place_and_national_code(laying: Laying) -> None:
    """Same place and national code: the laboratory changed its local code."""
    laying.pair(lambda f: (f.place, f.national) if f.national else None, laying.ids_may_be_one)


def _by_place_codes_and_value(laying: Laying) -> None:
    """Another id, but all else is the same, the answer and the specimen too: numbered anew. An addition is never
    that."""

    def says(known: Face) -> Hashable | None:
        return None if known.item.value is None else (*kind_of(known), known.item.value)

    def of_specimen(known: Face) -> Hashable | None:
        return (said, known.item.subjects) if (said := says(known)) else None

    laying.pair(of_specimen, lambda _, fresh: fresh.service != "A", Near.HERE)
    laying.pair(says, lambda known, fresh: fresh.service != "A" and laying.are_of_one(known, fresh), Near.HERE)


def _by_id_alone(laying: Laying) -> None:
    """Same id under another code, where the result says that it changes an earlier one: a corrected code.

    A withdrawal or a repetition corrects no code: it must name the same amount. Nor is the code corrected of what another one
    changes under its own, or to one that a result which is left has already.
    """
    claimed = {(one.of, one.codes) for _, one in laying.waiting() if one.service in REFERS_BACK}
    held: dict[Hashable, list[Face]] = defaultdict(list)
    for _, one in laying.left():
        if one.codes and not one.gone:
            held[one.of, one.codes].append(one)

    def agree(known: Face, fresh: Face) -> bool:
        if bool(known.item.investigations) != bool(fresh.item.investigations):
            return False
        if not all(are_apart(one, fresh) for one in held.get((fresh.of, fresh.codes), ())):
            return False
        if fresh.service in _REPEATS:
            return amount_of(known) is not None and amount_of(known) == amount_of(fresh)
        return fresh.service in REFERS_BACK and (known.of, known.codes) not in claimed

    laying.pair(lambda f: (f.of, f.id) if f.id else None, agree)


def _where_only_one(laying: Laying) -> None:
    """Another id, but it says that it changes an earlier result and one alone that is left has its codes, at its place or
    anywhere.

    A mistyped id must not leave a withdrawn result standing.
    """
    for key in (_place_and_codes, _codes):
        by_key: dict[Hashable, list[int]] = defaultdict(list)
        for index, known in laying.left():
            if known.codes:
                by_key[key(known)].append(index)
        for position, fresh in laying.waiting():
            if fresh.service not in REFERS_BACK:
                continue
            if (only := laying.sole(by_key.get(key(fresh), ()), fresh)) is not None:
                laying.take(position, only)


def _place_and_codes(known: Face) -> Hashable:
    return known.place, known.codes


def _codes(known: Face) -> Hashable:
    return known.of, known.codes


def _by_place_of_a_text(laying: Laying) -> None:
    """The text of a group that says that it changes an earlier one, where one alone of each is left at its place.

    Such a group is the text of radiology, and has no code; a short text that is no sentence is its name, and another name
    another group.
    """

    def key(known: Face) -> Hashable | None:
        return known.place if is_a_text(known) else None

    alone(laying, key, lambda known, one: one.service in REFERS_BACK and laying.ids_may_be_one(known, one))


def _by_code_in_a_change(laying: Laying) -> None:
    """A number under another id that a change sends as new, and leaves the only one of its analysis and sample out: a change
    holds the whole report, so it stands in its place. So does any answer in a full version whose ids are seen to count, and there
    an examination without words. A susceptibility is that of its organism and antibiotic, whatever its id is."""

    def key(known: Face) -> Hashable | None:
        if known.owner and known.codes and is_susceptibility(known.item.value):
            return known.place, known.codes, known.item.specifications
        number = amount_of(known) is not None
        of = known.place, known.codes, known.item.specifications, number
        return of if known.codes and (known.owner if answer_of(known) is None else known.national) else None

    def agree(known: Face, fresh: Face) -> bool:
        if fresh.service != "N":
            return False
        letter = is_susceptibility(known.item.value) and is_susceptibility(fresh.item.value)
        return letter or (fresh.of, False) in laying.counted or (fresh.corrects and amount_of(fresh) is not None)

    def in_specimen(known: Face) -> Hashable | None:
        return (of, known.item.subjects) if (of := key(known)) else None

    laying.look_at_ids()
    alone_of_sample(laying, key, agree)
    alone(laying, in_specimen, agree, Near.HERE)


def _what_waited(laying: Laying) -> None:
    """The only one of its analysis and sample that waits for its answer, where ids are seen to count: answers that are sent one
    by one are each numbered from 1."""

    def key(known: Face) -> Hashable | None:
        return (known.place, known.codes, known.item.specifications) if known.codes else None

    def agree(known: Face, fresh: Face) -> bool:
        return answer_of(known) is None and answer_of(fresh) is not None and laying.counts(fresh)

    laying.look_at_ids()
    alone_of_sample(laying, key, agree)


_PASSES: Final = (
    _unchanged,
    _by_what_it_says,
    _by_what_it_holds,
    _by_id,
    _by_place_and_codes,
    _what_waited,
    _by_place_and_national_code,
    _by_place_codes_and_value,
    _by_id_alone,
    _where_only_one,
    _by_place_of_a_text,
    _by_code_in_a_change,
)
