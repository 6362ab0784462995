"""Whose each answer is: whom the last message names it for that says it of somebody.

An answer is one analysis of one sample time and material, with its value. A report may be laid with one person by one of its
answers while another of them was sent again for somebody else: so each is asked by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from kjerne.services.results.kith.marks import Mark, naming, order
from kjerne.services.results.kith.traces import HASH_BYTES, Hashes, Trace

Answers = Mapping[bytes, Hashes]
"""By analysis with sample time and material what it was found to be: several where many samples are of one time."""

_OF: Final = 2 * HASH_BYTES


def standing(person: int, reports: Iterable[Iterable[Mark]]) -> Answers:
    """The answers that versions which name a person say last, and none of them took back."""
    found: dict[bytes, Hashes] = {}
    for report in reports:
        own: dict[bytes, Hashes] = {}
        for mark in naming(person, sorted(report, key=order)):
            if mark.trace.service == "C":  # withdraws every result of what it is laid on
                own = {}
                continue
            for key, values in said(mark.trace).items():
                own[key] = own.get(key, Hashes()) | values if mark.trace.service == "A" else values
        for key, values in own.items():
            found[key] = found.get(key, Hashes()) | values
    return found


def said(of: Trace) -> Answers:
    """The answers of one version; nothing for what it takes back alone."""
    found: dict[bytes, Hashes] = {}
    for one in of.answers:
        found[one[:_OF]] = found.get(one[:_OF], Hashes()) | ({one[_OF:]} if one[_OF:] else Hashes())
    return found


def claims(fresh: Trace, others: Answers, hers: Answers) -> bool:
    """Whether a version says an answer of whom it names that is another's now, and that she has not, by its value. What she has
    already it repeats or corrects for her, whatever the other has of the same time; so too where the other has another value of
    what she has: all of that would be taken along."""
    if any(theirs and hers.get(key) and theirs.isdisjoint(hers[key]) for key, theirs in others.items()):
        return False
    for key, values in said(fresh).items():
        theirs, own = others.get(key, Hashes()), hers.get(key, Hashes())
        if len(values) > len(own) and (values - own) & theirs:
            return True
    return False


def meet(one: Answers, other: Answers) -> bool:
    """Whether both have an answer in common."""
    return any(values & other.get(key, Hashes()) for key, values in one.items())


def sent_to(person: int, known: Iterable[Mark]) -> set[bytes]:
    """The answers, of whatever value, that versions which name a person said."""
    return {key for mark in known if mark.person == person for key in _given(mark)}


def meet_anew(fresh: Trace, others: Answers, own: Collection[bytes]) -> bool:
    """Whether a version says an answer, of whatever value, that another has, and that she was not sent before (`own`)."""
    return any(values and key not in own and others.get(key) for key, values in said(fresh).items())


def of_other_materials(fresh: Trace, others: Answers) -> bool:
    """Whether all that a version says of analyses and sample times which another has an answer of is of other materials."""
    known: dict[bytes, set[bytes]] = {}
    for key in (one for one, values in others.items() if values):
        known.setdefault(key[:HASH_BYTES], set()).add(key[HASH_BYTES:])
    told = [key for key, values in said(fresh).items() if values and key[:HASH_BYTES] in known]
    return bool(told) and all(key[HASH_BYTES:] not in known[key[:HASH_BYTES]] for key in told)


def went_along(fresh: Mark, known: Iterable[Mark]) -> bool:
    """Whether all answers of a version were said of whom it names before, lie in the reports of others, and are said of none of
    those: so they are nobody's, and she is sent them again."""
    told, gone, others = _given(fresh), set[bytes](), set[bytes]()
    for mark in known:
        for one in mark.pieces() if mark.laid else (mark,):
            if one.owner not in (0, fresh.person):
                if one.person == fresh.person:
                    gone |= _given(one)
                elif one.person == one.owner:
                    others |= _given(one)
    return bool(told) and told <= gone and told.isdisjoint(others)


def _given(one: Mark) -> set[bytes]:
    return {key for key, values in said(one.trace).items() if values}
