"""How the results of a report hang together: members, specimens, times and the codes found below each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from kjerne.services.results.kith.chain import State
from kjerne.services.results.kith.codes import MAIN_DISCIPLINE, canonical
from kjerne.services.results.kith.entries import Result
from kjerne.services.results.kith.model import AnalysedSubject, Item, Material
from kjerne.services.results.kith.taken import earliest, own_time, until
from kjerne.services.results.kith.times import stamp

Tag = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Woven:
    """By result key: its members, the keys of its specimens, its time, every code in it and below it, and whose it is.

    `materials` holds only results that are not about the patient's own material, with the sender's words.
    """

    members: dict[str, list[str]]
    specimens: dict[str, list[str]]
    effective: dict[str, str]
    tags: dict[str, list[Tag]]
    materials: dict[str, tuple[Material, str]]


def weave(state: State) -> Woven:
    by_key = {result.key: result for result in state.results}
    members = _members(state.results)
    objects = {result.key: list(result.objects) for result in state.results}
    effective = _effective(state, by_key, members)
    materials = _materials(state.results, objects, state.subjects)
    return Woven(members, objects, effective, _tags(state.results, members), materials)


def _members(results: Iterable[Result]) -> dict[str, list[str]]:
    """What stands inside a result, then what refers to it (an antibiotic to its organism): hasMember, nothing else."""
    found: dict[str, list[str]] = {}
    for result in results:
        if result.parent:
            found.setdefault(result.parent, []).append(result.key)
    for result in results:
        if result.target and result.target != result.parent and result.key not in found.get(result.target, ()):
            found.setdefault(result.target, []).append(result.key)
    return found


def _materials(
    results: Iterable[Result], specimens: dict[str, list[str]], subjects: dict[str, AnalysedSubject]
) -> dict[str, tuple[Material, str]]:
    """Whose material each result is about, by the Patient it stands in, else by its specimens."""
    found: dict[str, tuple[Material, str]] = {}
    for result in results:
        if result.item.material:
            found[result.key] = (result.item.material, result.item.material_words)
            continue
        for key in specimens[result.key]:
            if subjects[key].material:
                found[result.key] = (subjects[key].material, subjects[key].material_words)
    return found


def _effective(state: State, by_key: dict[str, Result], members: dict[str, list[str]]) -> dict[str, str]:
    """Each result's time: its own, else the earliest of those inside it, else that of the one around it, else the
    report's. A time after the report was made (a slip of the keys) is none."""
    imaging = MAIN_DISCIPLINE.get(state.report.discipline.code) == "BLD"
    made = stamp(state.issued)
    found = {
        r.key: own_time(r.item, [state.collected(k) for k in r.objects], made, imaging=imaging) for r in state.results
    }
    for result in reversed(state.results):
        if not found[result.key]:
            found[result.key] = earliest(
                found[key] for key in members.get(result.key, ()) if by_key[key].parent == result.key
            )
    last = next(filter(None, until(made, [state.report.issued, state.first_issued])), state.issued)
    for result in state.results:
        if not found[result.key]:
            around = found.get(result.parent, "") or found.get(result.target, "")
            found[result.key] = around or last
    return found


_NO_TAGS: Final[list[Tag]] = []


def _tags(results: Iterable[Result], members: dict[str, list[str]]) -> dict[str, list[Tag]]:
    """All codes in each result and in everything below it, so that a search by tag finds the one that holds them."""
    own = {result.key: _codes(result.item) for result in results}
    found: dict[str, list[Tag]] = {}
    for key, tags in own.items():
        if key not in members:
            found[key] = tags
            continue
        gathered: dict[Tag, None] = {}
        for reached in _below(key, members):
            gathered |= dict.fromkeys(own.get(reached, _NO_TAGS))
        found[key] = list(gathered)
    return found


def _below(key: str, members: dict[str, list[str]]) -> Iterator[str]:
    """A result and all below it, each once: an item that is nested and refers is reached by many ways."""
    seen = {key}
    waiting = [key]
    while waiting:
        reached = waiting.pop()
        yield reached
        for member in reversed(members.get(reached, ())):
            if member not in seen:
                seen.add(member)
                waiting.append(member)


def _codes(item: Item) -> list[Tag]:
    sent = [*item.investigations, *(item.value.codes if item.value is not None else ())]
    return list(dict.fromkeys((canonical(code.system), code.code) for code in sent if code.code))
