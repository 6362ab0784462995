"""`kjerne ig`: packages of implementation guides kept in the data directory, and a resource held against their profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple, TypeVar

from kjerne.commands.database import opened
from kjerne.errors import Fault, Refusal
from kjerne.fhir import packages, shelf, vital_signs
from kjerne.fhir.core_bindings import CoreBindings
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.from_xml import read
from kjerne.fhir.lines import with_lines
from kjerne.fhir.profiles import CORE, Profiles, without_known
from kjerne.fhir.shelf import Shelf
from kjerne.fhir.validate import check
from kjerne.fhir.value_sets import Listed, Terminology
from kjerne.registries.guides import Guides, packages_asked
from kjerne.settings import Settings
from kjerne.store.bindings import Bindings, Stored
from kjerne.store.pool import Pool
from kjerne.wire import json, xml

T = TypeVar("T")
RESOURCE_LIMIT_BYTES: Final = 50_000_000
XML_DEPTH: Final = 64
"""As JSON: what is deeper is no resource, and is deeper than the checks can walk."""


def added(settings: Settings, path: Path) -> dict[str, Any]:
    """Keep a package, and say what it holds."""
    package = shelf.add(settings.packages, _bytes(path))
    kinds = [one["resourceType"] for one in package.resources]
    counts = {kind: kinds.count(kind) for kind in ("StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap")}
    unusable = [one["url"] for one in package.resources if shelf.constrains(one) and not shelf.has_snapshot(one)]
    return {"name": package.name, "version": package.version, "definitions": counts, "withoutSnapshot": unusable}


def kept(settings: Settings) -> list[dict[str, str]]:
    """Every package that is kept."""
    return [{"name": name, "version": version} for name, version in packages.names(settings.packages)]


def removed(settings: Settings, name: str, version: str) -> dict[str, str]:
    """A package kept no more; `Refusal` (409) where a profile set asks something of it."""
    if f"{name}#{version}" in packages_asked(Guides.of(settings)):
        raise Refusal(
            409,
            "A profile set asks a profile of this package.",
            where=str(settings.profile_sets),
            todo="Take it out there first.",
        )
    shelf.remove(settings.packages, name, version)
    return {"name": name, "version": version}


def judged(settings: Settings, path: Path, profiles: list[str]) -> dict[str, Any]:
    """A resource held against R4 and the profiles that are named, or that it names itself and that are at hand: those of
    packages and R4's own."""
    raw = _bytes(path)
    tree, lines = _tree(raw)
    type_ = tree.get("resourceType")
    if not isinstance(type_, str) or type_ not in TYPES:
        raise Refusal(422, "The file is no FHIR resource.", where=str(path))
    with _terminology(settings) as reached:
        found = _judged(Shelf(settings.packages), reached, tree, profiles)
    every = [*found.faults, *found.advice]
    placed = [_at(fault, lines) for fault in every] if lines else with_lines(every, raw, type_)
    return {
        "right": not found.faults,
        "profiles": found.profiles,
        "unknown": found.unknown,
        "unjudged": found.unjudged,
        "terminology": reached is not Listed,
        "issues": [_told(one) for one in placed[: len(found.faults)]],
        "advice": [_told(one) for one in placed[len(found.faults) :]],
    }


class _Found(NamedTuple):
    faults: list[Fault]
    advice: list[Fault]
    profiles: list[str]
    unknown: list[str]
    unjudged: list[str]


def _judged(shelf: Shelf, reached: Callable[[Shelf], Terminology], tree: dict[str, Any], profiles: list[str]) -> _Found:
    """By R4, and where that has nothing against it by R4's bindings and the profiles."""
    terminology, type_ = reached(shelf), str(tree["resourceType"])
    known = Profiles(shelf, terminology)
    faults = without_known(check(tree, type_), tree, known)
    wanted, unknown, unjudged = profiles, list[str](), list[str]()
    if not profiles:
        named = [one for one in _named(tree) if one != f"{CORE}{type_}"]
        wanted = [one for one in named if _is_there(known, one)]
        unknown = [one for one in named if one not in wanted]
    if faults:
        return _Found(faults, [], wanted, unknown, unjudged)
    faults, advice = CoreBindings(terminology).judge(tree)
    meant = vital_signs.meant(tree, type_)
    asked, wanted = len(wanted), [*wanted, *(one for one in meant if not {one, one.partition("|")[0]} & {*wanted})]
    for one in wanted:
        own = known.judge(tree, one)
        told = vital_signs.named(own.faults, one)
        (faults if one in wanted[:asked] or meant[one] else advice).extend(told)
        advice += own.advice
        profile = known.find(one)
        unjudged += profile.unjudged if profile is not None else ()
    # A profile repeats the bindings of its type: what both find is told once.
    return _Found(list(dict.fromkeys(faults)), list(dict.fromkeys(advice)), wanted, unknown, unjudged)


@contextmanager
def _terminology(settings: Settings) -> Iterator[Callable[[Shelf], Terminology]]:
    """What is loaded, asked on a loop of its own beside the check, where a database is running; else what packages list."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        pool = _done(loop, opened(settings))
    except Refusal:
        pool = None
    try:
        if pool is None:
            yield Listed
        else:
            bindings = _done(loop, _bindings(pool))
            yield lambda shelf: Stored(shelf, bindings)
    finally:
        if pool is not None:
            _done(loop, pool.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _done(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, loop).result()


async def _bindings(pool: Pool) -> Bindings:
    """Made on the loop that answers."""
    return Bindings(pool, asyncio.get_running_loop())


def _is_there(known: Profiles, canonical: str) -> bool:
    """Whether a package has it. One that is of no use is there too, and refused with the reason when it is asked."""
    try:
        return known.find(canonical) is not None
    except Refusal:
        return True


def told(found: dict[str, Any]) -> str:
    """As lines for a terminal."""
    lines = [
        f"{begin}line {one['line']}: {one['expression']}: {one['says']}{' [' + one['rule'] + ']' if one['rule'] else ''}"
        for begin, of in (("", "issues"), ("advice: ", "advice"))
        for one in found[of]
    ]
    lines += [f"not at hand: {one}" for one in found["unknown"]]
    lines += [f"not judged: {one}" for one in found["unjudged"]]
    if not found["terminology"]:
        lines.append("not asked: terminology that is loaded, since no database runs")
    return "\n".join([*lines, "right" if found["right"] else f"{len(found['issues'])} faults"])


def _told(fault: Fault) -> dict[str, Any]:
    return {"expression": fault.where, "rule": fault.rule, "line": fault.line, "says": fault.says}


def _at(fault: Fault, lines: dict[str, int]) -> Fault:
    return Fault(fault.says, fault.where, fault.code, fault.rule, lines.get(fault.where, 0))


def _named(tree: dict[str, Any]) -> list[str]:
    meta = tree.get("meta")
    named = meta.get("profile") if isinstance(meta, dict) else None
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []


def _tree(raw: bytes) -> tuple[dict[str, Any], dict[str, int]]:
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        found = read(xml.parse(raw, depth=XML_DEPTH, limit_bytes=RESOURCE_LIMIT_BYTES))
        return found.tree, found.lines
    return json.parse(raw, limit_bytes=RESOURCE_LIMIT_BYTES), {}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(400, f"The file cannot be read: {error.strerror}.", where=str(path)) from None
