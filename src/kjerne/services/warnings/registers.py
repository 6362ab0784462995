"""Loaded FEST and ATC, ready to be asked what is in a medicine, which substances are forms of one, and what codes of ATC it has.

Kept read in each process, as long as they are the ones that are loaded.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from kjerne.fhir.terminology.concept import Concept
from kjerne.services.warnings.reading import ATC, MEDICINES, SUBSTANCES, Code
from kjerne.services.warnings.wording import words
from kjerne.store import terminology
from kjerne.store.pool import Connection
from kjerne.store.terminology import Loaded

WHOLE_ATC: Final = 7
"""Signs in an ATC code that names what stands in a product, and no group."""
NOTHING: Final[frozenset[Any]] = frozenset()
UNKNOWN: Final = "RefVirkestoffMedStyrke"
"""What the loader says of a medicine with a substance that the file does not have."""
NO_NAMES: Final = ("combination", "kombinasjon", "various", "diverse", "other", "andre", "øvrig")
"""What ATC calls codes of several substances, or of what has no code of its own: many codes have such a name."""
_DEEPEST: Final = 10


class Fest(NamedTuple):
    """What a loaded FEST says. Substances and medicines are their ids.

    `forms`: a substance with all that it is a form of, and itself; `whole`: the medicines of which every substance is known.
    By ATC code: `alone` are substances that make up a medicine under it, `always` those that are in each, `ever` those in any;
    `unsure` the codes with a medicine that is not known whole. `atc_of`: the codes under which a substance is alone, `within`
    those under which it is in anything. By word: `saying` has the substances of each medicine and substance in whose name it
    stands, `naming` the substances whose whole name it is. `names` are those of substances, `called` the substances of a
    name.
    """

    forms: Mapping[str, frozenset[Code]]
    medicines: Mapping[str, frozenset[Code]]
    whole: frozenset[str]
    atc: Mapping[str, frozenset[str]]
    alone: Mapping[str, frozenset[Code]]
    always: Mapping[str, frozenset[Code]]
    ever: Mapping[str, frozenset[Code]]
    unsure: frozenset[str]
    atc_of: Mapping[Code, frozenset[str]]
    within: Mapping[Code, frozenset[str]]
    saying: Mapping[str, frozenset[frozenset[Code]]]
    naming: Mapping[str, frozenset[Code]]
    names: Mapping[Code, frozenset[str]]
    called: Mapping[str, frozenset[Code]]

    def sure(self, code: str) -> frozenset[Code]:
        """What a medicine under a code of ATC has, if FEST has all of them."""
        return self.alone.get(code) or self.always.get(code, NOTHING)

    def explains(self, word: str, substances: frozenset[Code]) -> bool:
        """Whether a word says no more than that these are in it: it stands in a name of nothing but them."""
        return any(each <= substances for each in self.saying.get(word, ()))

    def says_another(self, word: str, substances: frozenset[Code]) -> bool:
        """Whether a word is the name of a substance, and of none of these."""
        return word in self.naming and self.naming[word].isdisjoint(substances)


class Atc(NamedTuple):
    """A loaded ATC: its `codes`, and of those that name what is in a product the name, and the codes of a name."""

    codes: frozenset[str]
    names: Mapping[str, frozenset[str]]
    called: Mapping[str, frozenset[str]]

    def with_others(self, codes: Iterable[str], names: Iterable[str] = ()) -> frozenset[str]:
        """These codes, and the others under which the same substances stand, by their names."""
        every = {each for code in codes for each in self.names.get(code, ())} | set(names)
        return frozenset(codes) | {code for each in every for code in self.called.get(each, ())}


NO_FEST: Final = Fest({}, {}, NOTHING, {}, {}, {}, {}, NOTHING, {}, {}, {}, {}, {}, {})
NO_ATC: Final = Atc(NOTHING, {}, {})
_Mark = tuple[tuple[int, str, int] | None, ...]
_fest: dict[_Mark, Fest] = {}
_atc: dict[_Mark, Atc] = {}


def _mark(*some: Loaded | None) -> _Mark:
    return tuple(None if one is None else (one.number, one.version, one.size) for one in some)


async def fest(conn: Connection) -> Fest:
    """The FEST that is loaded at this moment."""
    medicines = await terminology.loaded(conn, MEDICINES, "")
    substances = await terminology.loaded(conn, SUBSTANCES, "")
    if medicines is None and substances is None:
        return NO_FEST
    mark = _mark(medicines, substances)
    if mark not in _fest:
        every = [[one async for one in each.concepts()] if each else [] for each in (medicines, substances)]
        made = await asyncio.to_thread(fest_of, *every)  # some tenths of a second for all of FEST
        _fest.clear()
        _fest[mark] = made
    return _fest[mark]


async def atc(conn: Connection) -> Atc:
    """The ATC that is loaded at this moment."""
    loaded = await terminology.loaded(conn, ATC, "")
    if loaded is None:
        return NO_ATC
    mark = _mark(loaded)
    if mark not in _atc:
        made = await asyncio.to_thread(atc_of, [one async for one in loaded.concepts()])
        _atc.clear()
        _atc[mark] = made
    return _atc[mark]


def atc_of(concepts: Iterable[Concept]) -> Atc:
    """Codes and names of ATC. Two codes with one name are one substance, but for names of many (*combinations*, *various*)."""
    codes, names, called = set[str](), dict[str, frozenset[str]](), defaultdict[str, set[str]](set)
    for one in concepts:
        code = one.code.upper()
        codes.add(code)
        if len(code) == WHOLE_ATC:
            names[code] = frozenset(name for name in _names(one) if not any(each in name for each in NO_NAMES))
            for name in names[code]:
                called[name].add(code)
    return Atc(frozenset(codes), names, {name: frozenset(some) for name, some in called.items()})


def fest_of(medicines: Iterable[Concept], substances: Iterable[Concept]) -> Fest:
    """What the two parts of FEST say together."""
    refers, naming = dict[str, frozenset[str]](), defaultdict[str, set[Code]](set)
    names = dict[Code, frozenset[str]]()
    saying, called = defaultdict[str, set[frozenset[Code]]](set), defaultdict[str, set[Code]](set)
    for one in substances:
        itself = Code(SUBSTANCES, one.code)
        refers[one.code], names[itself] = frozenset(_valued(one, "RefVirkestoff")), _names(one)
        for name in names[itself]:
            called[name].add(itself)
            for word in (found := words([name])):
                saying[word].add(frozenset({itself}))
                if len(found) == 1:
                    naming[word].add(itself)
    held, atc_codes, whole = dict[str, frozenset[Code]](), dict[str, frozenset[str]](), set[str]()
    for one in medicines:
        inside = frozenset(Code(SUBSTANCES, each) for each in _valued(one, "RefVirkestoff"))
        held[one.code], atc_codes[one.code] = inside, frozenset(each.upper() for each in _valued(one, "atc"))
        if inside and not _valued(one, UNKNOWN) and all(each.code in refers for each in inside):
            whole.add(one.code)
            for word in words(_names(one)):
                saying[word].add(inside)
    by_atc = defaultdict[str, list[tuple[str, frozenset[Code]]]](list)
    for medicine, codes in atc_codes.items():
        for code in codes:
            by_atc[code].append((medicine, held[medicine]))
    alone = {code: _joined(each for _, each in some if len(each) == 1) for code, some in by_atc.items()}
    ever = {code: _joined(each for _, each in some) for code, some in by_atc.items()}
    return Fest(
        forms={code: _forms(code, refers) for code in refers},
        medicines=held,
        whole=frozenset(whole),
        atc=atc_codes,
        alone=alone,
        always={code: frozenset.intersection(*(each for _, each in some)) for code, some in by_atc.items()},
        ever=ever,
        unsure=frozenset(code for code, some in by_atc.items() if not whole.issuperset(one for one, _ in some)),
        atc_of=_turned(alone),
        within=_turned(ever),
        saying={word: frozenset(some) for word, some in saying.items()},
        naming={word: frozenset(some) for word, some in naming.items()},
        names=names,
        called={name: frozenset(some) for name, some in called.items()},
    )


def _forms(code: str, refers: Mapping[str, frozenset[str]]) -> frozenset[Code]:
    """A substance with those that it is a form of, also by way of others: a salt, and what it is a salt of."""
    found, fresh = {code}, {code}
    for _ in range(_DEEPEST):
        fresh = {each for one in fresh for each in refers.get(one, ())} - found
        found |= fresh
    return frozenset(Code(SUBSTANCES, each) for each in found)


def _turned(by_atc: Mapping[str, frozenset[Code]]) -> dict[Code, frozenset[str]]:
    found = defaultdict[Code, set[str]](set)
    for code, substances in by_atc.items():
        for one in substances:
            found[one].add(code)
    return {one: frozenset(codes) for one, codes in found.items()}


def _joined(some: Iterable[frozenset[Code]]) -> frozenset[Code]:
    return frozenset[Code]().union(*some)


def _valued(concept: Concept, name: str) -> list[str]:
    return [str(value) for each, _, value in concept.properties if each == name]


def _names(concept: Concept) -> frozenset[str]:
    every = (concept.display, *(one.value for one in concept.designations))
    return frozenset(" ".join(one.casefold().split()) for one in every if one.strip())
