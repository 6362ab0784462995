"""Which profiles of which packages are asked of what is written: the packages of the data directory and the profile sets.

Both are looked at anew where a file has changed, so that neither a package nor a set needs a restart. A set that cannot be read
then changes nothing, and is in the log; at a start it stops the program.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import structlog

from kjerne.errors import Fault, Refusal
from kjerne.fhir import core_bindings, core_profiles, vital_signs
from kjerne.fhir.core_bindings import CoreBindings
from kjerne.fhir.profiles import Judged, Profiles, without_known
from kjerne.fhir.shelf import Shelf
from kjerne.fhir.value_sets import Listed, OutOfReach, Terminology
from kjerne.registries.contents import service_of
from kjerne.registries.homes import HOMES, SECOND, SERVICE_BY_TYPE, SHARED_TYPES
from kjerne.registries.made_up import SANDBOX, MadeUp
from kjerne.settings import Settings

Named = Literal["required", "warn", "off"]
Strength = Literal["required", "warn"]
SETTING: Final = "KJERNE_PROFILES"
STRENGTHS: Final = ("required", "warn")
NAMED_LIMIT: Final = 20
"""Profiles that a resource may name in `meta.profile`: each is asked."""
PACKAGE: Final = "package"
"""Of a profile set: `name#version` of the package whose profile is meant."""
_KEYS: Final = frozenset(("service", "type", "profile", "strength"))
_CORE: Final = "http://hl7.org/fhir/StructureDefinition/"

log = structlog.get_logger("kjerne")
Tree = Mapping[str, Any]


class Ask(NamedTuple):
    """One row of a profile set: this profile is asked of every resource of the type that is written in the service."""

    service: str
    type: str
    profile: str
    strength: Strength


class Found(NamedTuple):
    """What the profiles that were `asked` find: `faults` keep a resource out, `advice` does not."""

    faults: list[Fault]
    advice: list[Fault]
    asked: list[str]


class State(NamedTuple):
    """The packages and sets of one moment."""

    shelf: Shelf
    profiles: Profiles
    asks: tuple[Ask, ...]
    bindings: CoreBindings
    by_type: Mapping[str, list[Ask]]

    @classmethod
    def of(cls, shelf: Shelf, profiles: Profiles, asks: Sequence[Ask], bindings: CoreBindings) -> State:
        by_type: dict[str, list[Ask]] = {}
        for ask in asks:
            by_type.setdefault(ask.type, []).append(ask)
        return cls(shelf, profiles, tuple(asks), bindings, by_type)


class Guides:
    """Packages in `folder`, profile sets in the file `sets`; `named` says what becomes of a profile that a resource names,
    `made_up` whether anything about people who are made up is written.

    It can be sent to another process, which reads the same files.
    """

    def __init__(self, folder: Path, sets: Path, named: Named = "required", made_up: MadeUp = SANDBOX) -> None:
        self.made_up = made_up
        self._folder = folder
        self._sets = sets
        self._named = named
        self._stamp: tuple[int, int] = (-1, -1)
        self._state = State.of(Shelf(), Profiles(Shelf()), (), CoreBindings(Listed(Shelf())))
        self._terminology: Callable[[Shelf], Terminology] = Listed
        self._still: ContextVar[list[State] | None] = ContextVar("still", default=None)

    @classmethod
    def of(cls, settings: Settings) -> Guides:
        """Those that an installation's settings name."""
        return cls(settings.packages, settings.profile_sets, settings.named_profiles, MadeUp.of(settings))

    def reach(self, terminology: Callable[[Shelf], Terminology]) -> None:
        """From now on bindings that the packages do not list are asked of this. Another process has no such reach."""
        self._terminology = terminology
        self._stamp = (-1, -1)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self._folder, self._sets, self._named, self.made_up)

    @contextmanager
    def still(self) -> Iterator[None]:
        """In the block packages and sets are as they were at its first look: what comes together is held against the same."""
        token = self._still.set([])
        try:
            yield
        finally:
            self._still.reset(token)

    def state(self) -> State:
        """The packages and sets as they are now, or in a block of `still`. `Refusal` 422 at the first time, where they cannot be
        read."""
        still = self._still.get()
        if still is None:
            return self._looked_at()
        if not still:
            still.append(self._looked_at())
        return still[0]

    def _looked_at(self) -> State:
        stamp = _changed(self._folder), _changed(self._sets)
        if stamp != self._stamp:
            first, self._stamp = self._stamp == (-1, -1), stamp
            try:
                shelf = Shelf(self._folder)
                terminology = self._terminology(shelf)
                profiles = Profiles(shelf, terminology)
                asks = list(_read(self._sets, profiles, shelf))
                self._state = State.of(shelf, profiles, asks, CoreBindings(terminology))
            except Refusal as refusal:
                if first:
                    self._stamp = (-1, -1)
                    raise
                log.warning("profile sets", refused=str(refusal))
        return self._state

    def asked_of(self, name: str) -> list[Ask]:
        """The rows about a type."""
        return self.state().by_type.get(name, [])

    def asks_codes(self, tree: Tree, name: str) -> bool:
        """Whether a write may ask a store, which takes a thread, though the resource names no profile."""
        return name in core_bindings.requiring() or bool(self.asked_of(name)) or bool(vital_signs.meant(tree, name))

    def bound(self, tree: dict[str, Any]) -> Judged:
        """A resource that R4 has nothing against, held to R4's bindings beyond its own required lists."""
        return self.state().bindings.judge(tree)

    def supported(self) -> dict[str, list[str]]:
        """By type the profiles that are asked of it on write, or that resources are held against where they name them: those of
        packages, and R4's own."""
        state, off = self.state(), self._named == "off"
        held, own = ({}, {}) if off else (state.shelf.profiles, core_profiles.of_types())
        found = {
            name: {*held.get(name, ()), *own.get(name, ()), *(ask.profile for ask in state.asks if ask.type == name)}
            for name in (*SERVICE_BY_TYPE, *SHARED_TYPES)
        }
        return {name: sorted(listed) for name, listed in found.items() if listed}

    def settled(self, faults: list[Fault], tree: dict[str, Any]) -> list[Fault]:
        """R4's faults but those of extensions that a package defines."""
        if not faults:
            return faults
        state = self.state()
        return without_known(faults, tree, state.profiles) if len(state.shelf) else faults

    def on_write(self, tree: dict[str, Any], name: str) -> Found:
        """A resource that R4 has nothing against, held against what is asked of it on write."""
        wanted, too_many = self.wanted(tree, name), self.too_many(tree, name) if self._named != "off" else []
        found = self.judge(tree, wanted) if wanted else Found([], [], [])
        if name in core_bindings.requiring():
            found.faults.extend(self.bound(tree).faults)
        if not too_many:
            return found
        (found.faults if self._named == "required" else found.advice).extend(too_many)
        return found

    def too_many(self, tree: Tree, name: str) -> list[Fault]:
        """The fault of a resource that names more profiles than are asked."""
        if len(_named(tree)) <= NAMED_LIMIT:
            return []
        return [Fault(f"The resource must name at most {NAMED_LIMIT} profiles.", f"{name}.meta.profile", "too-costly")]

    def wanted(self, tree: Tree, name: str) -> dict[str, Strength]:
        """The profiles that are asked of a resource on write, each as strictly as the strictest that asks it."""
        wanted = self.said_by(tree, name, self._named) if self._named != "off" else {}
        for ask in self.asked_of(name):
            if name in SECOND and service_of(tree) != ask.service:
                continue
            wanted[ask.profile] = "required" if "required" in (ask.strength, wanted.get(ask.profile)) else "warn"
        return wanted

    def said_by(self, tree: Tree, name: str, strength: Strength = "required") -> dict[str, Strength]:
        """The profiles that a resource names, and those of R4's vital signs that it means by its code."""
        wanted: dict[str, Strength] = dict.fromkeys(self.named(tree)[0], strength)
        for profile, held in vital_signs.meant(tree, name).items():
            if not wanted.keys() & {profile, profile.partition("|")[0]}:
                wanted[profile] = strength if held else "warn"
        return wanted

    def judge(self, tree: dict[str, Any], wanted: Mapping[str, Strength]) -> Found:
        """A resource under profiles. `Refusal` 503 where one that is asked is not at hand any more: it was, at the start.

        One that nothing can be held against is a fault: a resource does not keep to what nobody can say.
        """
        profiles = self.state().profiles
        faults: list[Fault] = []
        advice: list[Fault] = []
        for canonical, strength in wanted.items():
            own, more = self._judged(tree, canonical, profiles)
            (faults if strength == "required" else advice).extend(own)
            advice += more
        return Found(faults, advice, list(wanted))

    def _judged(self, tree: dict[str, Any], canonical: str, profiles: Profiles) -> tuple[list[Fault], list[Fault]]:
        try:
            found = profiles.find(canonical)
        except Refusal as refusal:
            where = f"{tree.get('resourceType')}.meta.profile"
            return [
                Fault(f"{refusal.says} Nothing is held against it.", where, "not-supported", "profile-unusable")
            ], []
        if found is None:
            raise Refusal(503, "a profile that is asked here is not at hand", where=canonical)
        judged = profiles.judge(tree, canonical)
        return vital_signs.named(judged.faults, canonical), judged.advice

    def named(self, tree: Tree) -> tuple[list[str], list[int]]:
        """The profiles of `meta.profile` that are at hand, and the places of those that are not. R4's own types are none."""
        known, unknown = list[str](), list[int]()
        for place, one in enumerate(_named(tree)[:NAMED_LIMIT]):
            if one == f"{_CORE}{tree.get('resourceType')}":
                continue
            if self.has(one):
                known.append(one)
            else:
                unknown.append(place)
        return known, unknown

    def has(self, canonical: str) -> bool:
        """Whether a package has a profile. One that is of no use is there too: whoever names it is told so."""
        try:
            return self.state().profiles.find(canonical) is not None
        except Refusal:
            return True


@lru_cache(maxsize=4)
def _opened(folder: Path, sets: Path, named: Named, made_up: MadeUp) -> Guides:
    """The guides of another process, once in this one, which does not reach that one's store."""
    made = Guides(folder, sets, named, made_up)
    made.reach(OutOfReach)
    return made


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _named(tree: Tree) -> list[str]:
    meta = tree.get("meta")
    named = meta.get("profile") if isinstance(meta, dict) else None
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []


def _read(path: Path, profiles: Profiles, shelf: Shelf) -> Iterator[Ask]:
    try:
        rows = tomllib.loads(path.read_text("utf-8")).get("ask", [])
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _wrong(f"the file of profile sets cannot be read: {type(error).__name__}") from None
    if not isinstance(rows, list):
        raise _wrong("a profile set is written as [[ask]]")
    for number, row in enumerate(rows, 1):
        yield _ask(row, number, profiles, shelf)


def _ask(row: Any, number: int, profiles: Profiles, shelf: Shelf) -> Ask:
    keys = frozenset(row) - {PACKAGE} if isinstance(row, dict) else frozenset()
    if keys != _KEYS or not all(isinstance(one, str) for one in row.values()):
        raise _wrong(f"ask {number} has not service, type, profile and strength, and perhaps package, each a text")
    row = dict(row)
    if PACKAGE in row:
        row["profile"] = _in_package(row["profile"], row.pop(PACKAGE), number, shelf)
    ask = Ask(**row)
    if ask.service not in (_keeper(ask.type), SECOND.get(ask.type)):
        raise _wrong(f"ask {number}: the service {ask.service} keeps no {ask.type}")
    if ask.strength not in STRENGTHS:
        raise _wrong(f"ask {number}: strength is {' or '.join(STRENGTHS)}")
    found = profiles.find(ask.profile)
    if found is None or found.type != ask.type:
        says = "no package has its profile" if found is None else f"its profile is of {found.type}"
        raise _wrong(f"ask {number}: {says}")
    return ask


def _in_package(profile: str, package: str, number: int, shelf: Shelf) -> str:
    """A profile in the version that a package has it in."""
    version = shelf.version_in(package, profile)
    if not version:
        raise _wrong(f"ask {number}: the package {package} is not kept, or has not this profile (without a version)")
    if shelf.package_of(f"{profile}|{version}") != package:
        raise _wrong(f"ask {number}: another package has this profile in the same version")
    return f"{profile}|{version}"


def _keeper(type_: str) -> str:
    """The service that keeps a type, or `registry` or `space` for one about no patient; empty for none."""
    return SERVICE_BY_TYPE.get(type_, HOMES[type_].kind if type_ in SHARED_TYPES else "")


def _wrong(says: str) -> Refusal:
    return Refusal(422, says, where=SETTING, todo="See docs/validation.md.")


def packages_asked(guides: Guides) -> Sequence[str]:
    """`name#version` of the packages that the profile sets need."""
    state = guides.state()
    return [state.shelf.package_of(ask.profile) for ask in state.asks]
