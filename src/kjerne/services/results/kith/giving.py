"""What a version of a report gives somebody, as against what it takes back.

A laboratory that withdraws a result from a wrong patient does so in many spellings: deleted results with a line of
explanation, a group that only has its name left, a comment and nothing else. None of them says anything of her. What does
is a value of an analysis, or that one is on its way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kjerne.services.results.kith.circumstances import says_something
from kjerne.services.results.kith.codes import NCRP, canonical
from kjerne.services.results.kith.findings import is_name_of_a_group
from kjerne.services.results.kith.items import effective, targets
from kjerne.services.results.kith.model import Item, Report, Value
from kjerne.services.results.kith.statuses import DELETED, WAITING

_REMARK = "KO"
"""Heading (8244) of a comment."""

_FILE = "file"
"""Stands for the analysis of a report that is a file and nothing else."""


class Gift(NamedTuple):
    """Analyses: those `named` at all, those `given` (with a value, or one to come), those `said`, with the kind of value, and
    those `told`, with the value: the same words for the same one, whatever zeros or spaces it is written with. `gone`: of each
    item whether it is taken back, or is about one that is. `each`: the index of an item, an analysis and what is told of it; no
    words where it is taken back."""

    named: frozenset[tuple[str]]
    given: frozenset[tuple[str]]
    said: frozenset[tuple[str, str]]
    told: frozenset[tuple[str, str]] = frozenset()
    gone: tuple[bool, ...] = ()
    each: tuple[tuple[int, str, str], ...] = ()


def of(report: Report) -> Gift:
    """What the report gives. Words without an analysis of their own belong to what they stand in, refer to or hold."""
    items = report.items
    if not items:
        told = {(_FILE, hashlib.blake2b(one.data).hexdigest()) for one in report.attachments if one.data}
        files = [_FILE] if told else []
        return _gift(files, files, [(one, _FILE) for one in files], told)
    own = [_codes(item) for item in items]
    if not any(own):
        own = [_heading(item) for item in items]
    services, states = effective(report)
    near = _Near(items, targets(items), _members(items))
    gone = _gone(near, services, states)
    given, said, told = set[str](), set[tuple[str, str]](), set[tuple[str, str]]()
    each: list[tuple[int, str, str]] = []
    for i, item in enumerate(items):
        kind = "" if gone[i] else _kind(item) or _described(i, near, gone, states)
        about = (own[i] or _around(i, near, own, gone)) if kind else set[str]()
        if about:
            words = words_of(item)
            said.update((analysis, kind) for analysis in about)
            told.update((analysis, words) for analysis in about)
            each += [(i, analysis, words) for analysis in about]
        elif gone[i]:
            each += [(i, analysis, "") for analysis in own[i]]
        given |= about
        if states[i] in WAITING and not gone[i]:
            given |= own[i]
    return _gift(set[str]().union(*own), given, said, told)._replace(gone=tuple(gone), each=tuple(each))


def _gift(
    named: Iterable[str], given: Iterable[str], said: Iterable[tuple[str, str]], told: Iterable[tuple[str, str]]
) -> Gift:
    return Gift(
        frozenset((one,) for one in named), frozenset((one,) for one in given), frozenset(said), frozenset(told)
    )


def words_of(item: Item) -> str:
    """What an item says, to be compared with what another says."""
    words = _spelled(item.value) if item.value is not None and says_something(item.value) else ""
    if item.further or item.structured:
        more = [_spelled(one) for one in item.further if says_something(one)]
        words = "|".join([words, *more, *map(repr, item.structured)])
    return words


def _spelled(value: Value) -> str:
    if value.amount is not None:  # nearly all are numbers
        return f"{value.comparator} {value.amount.number.normalize()} {value.amount.unit.casefold()}"
    ends = [f"{one.number.normalize()} {one.unit.casefold()}" for one in (value.low, value.high) if one is not None]
    codes = [f"{canonical(one.system)}|{one.code}" for one in value.codes]
    return " ".join([*ends, value.date, *value.text.casefold().split(), *codes])


class _Near(NamedTuple):
    """The items with the index of what each refers to (-1: nothing here) and of what it holds."""

    items: Sequence[Item]
    referred: Sequence[int]
    members: Mapping[int, Sequence[int]]


def _members(items: Sequence[Item]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for i, item in enumerate(items):
        found.setdefault(item.parent, []).append(i)
    return found


def _codes(item: Item) -> set[str]:
    return {
        f"{canonical(one.system)}|{one.code}" if one.code else one.words.strip().casefold()
        for one in item.investigations
        if one.code or one.words.strip()
    }


def _heading(item: Item) -> set[str]:
    heading = item.value.heading.code if item.value else _REMARK
    return {f"heading|{heading}"} if heading != _REMARK else set()


def _gone(near: _Near, services: Sequence[str], states: Sequence[str]) -> list[bool]:
    """Which items are withdrawn or deleted, or are about one that is: by what they stand in, refer to, or alone hold."""
    referring: dict[int, list[int]] = {}
    for i, target in enumerate(near.referred):
        referring.setdefault(target, []).append(i)
    gone = [service == "C" or state == DELETED for service, state in zip(services, states, strict=True)]
    waiting = [i for i, withdrawn in enumerate(gone) if withdrawn]
    while waiting:
        i = waiting.pop()
        about = [j for j in (*near.members.get(i, ()), *referring.get(i, ())) if not gone[j]]
        waiting += about
        for j in about:
            gone[j] = True
    for i in reversed(range(len(gone))):
        members = () if near.items[i].investigations else near.members.get(i, ())
        gone[i] = gone[i] or (bool(members) and all(gone[j] for j in members))
    return gone


def _around(index: int, near: _Near, own: Sequence[set[str]], gone: Sequence[bool]) -> set[str]:
    above = near.items[index].parent
    while above >= 0 and not own[above]:
        above = near.items[above].parent
    if above >= 0:
        return own[above]
    if near.referred[index] >= 0:
        return own[near.referred[index]]
    return set[str]().union(*(own[j] for j in near.members.get(index, ()) if not gone[j]))


def _kind(item: Item) -> str:
    """Of what kind the value is that an item says; the name of a group is none."""
    value = item.value
    if value is not None and says_something(value):
        if is_name_of_a_group(value):
            return "words" if item.structured else ""
        return "words" if value.kind == "text" else "number"
    if item.structured or any(says_something(one) for one in item.further):
        return "words"
    return ""


def _described(index: int, near: _Near, gone: Sequence[bool], states: Sequence[str]) -> str:
    """The kind of a group's short text that is the answer to an examination of radiology in it, finished and without words of
    its own: it is no name, whether it ends with a full stop or not."""
    if not (value := near.items[index].value) or not is_name_of_a_group(value):
        return ""
    answers = any(
        not gone[j] and states[j] not in WAITING and not _kind(near.items[j])
        and any(canonical(one.system) == NCRP for one in near.items[j].investigations)
        for j in near.members.get(index, ())
    )  # fmt: skip
    return "words" if answers else ""
