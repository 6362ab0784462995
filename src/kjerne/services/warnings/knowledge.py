"""What loaded terminology knows of codes: what is in a medicine (FEST), which codes mean one substance, which may cross react.

Groups and equal codes are a ConceptMap that `kjerne load terminology` loads, at `SUBSTANCE_MAP`: a target with `equal` or
`equivalent` is the same substance under another code, one with `wider` is a group that the substance is of. None is shipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from kjerne.fhir.systems import canonical
from kjerne.services.warnings.matching import WHOLE_ATC, Meaning
from kjerne.services.warnings.reading import ATC, MEDICINES, SNOMED, SUBSTANCES, Allergy, Code, Medicine
from kjerne.store import terminology
from kjerne.store.pool import Connection
from kjerne.store.terminology import Loaded

SUBSTANCE_MAP: Final = "http://kjerne.example/fhir/ConceptMap/substances-and-cross-reactivity"
SAME: Final = frozenset({"equal", "equivalent"})
KIN: Final = frozenset({"wider", "subsumes"})
OF_SUBSTANCES: Final = "105590001"
OF_PRODUCTS: Final = "373873005"
"""SNOMED CT: what stands under the first is a substance; under the second a medicine, which here is taken for one."""
NOTHING: Final[frozenset[Any]] = frozenset()


class Fest(NamedTuple):
    """The medicines of a loaded FEST: their active substances and ATC codes, and the substance that an ATC code is alone."""

    substances: Mapping[str, frozenset[Code]]
    atc: Mapping[str, frozenset[str]]
    by_atc: Mapping[str, frozenset[Code]]


class Kin(NamedTuple):
    """The loaded map: the other codes of a substance, and its groups with their names."""

    same: Mapping[Code, frozenset[Code]]
    groups: Mapping[Code, frozenset[Code]]
    names: Mapping[str, str]


_NO_FEST: Final = Fest({}, {}, {})
_NO_KIN: Final = Kin({}, {}, {})
_fest: dict[tuple[int, str, int], Fest] = {}
_kin: dict[tuple[str, Any], Kin] = {}


class Knowledge:
    """What is asked over one connection. FEST and the map are kept read, as long as they are the ones that are loaded."""

    def __init__(self, fest: Fest, kin: Kin, snomed: Loaded | None) -> None:
        self._fest = fest
        self._kin = kin
        self._snomed = snomed
        self._over: dict[str, frozenset[str]] = {}

    @classmethod
    async def at(cls, conn: Connection) -> Knowledge:
        """What is loaded at this moment."""
        return cls(await _fest_of(conn), await _kin_of(conn), await terminology.loaded(conn, SNOMED, ""))

    def name_of(self, group: str) -> str:
        """What a group is called."""
        return self._kin.names.get(group, group)

    async def of_allergy(self, allergy: Allergy) -> Meaning:
        """What an entry names: of a medicine its active substances, unless it is about an excipient of that."""
        medicines = frozenset(one for one in allergy.codes if one.system == MEDICINES)
        atc = {one.code for one in allergy.codes if one.system == ATC}
        named = {one for one in allergy.codes if one.system not in (ATC, MEDICINES)}
        for one in () if allergy.of_excipient else medicines:
            named |= self._fest.substances.get(one.code, NOTHING)
            atc |= self._fest.atc.get(one.code, NOTHING)
        for code in atc:
            named |= self._fest.by_atc.get(code, NOTHING) if len(code) == WHOLE_ATC else NOTHING
        named |= self._same({*named, *(Code(ATC, code) for code in atc)})
        substances = frozenset(one for one in named if one.system != ATC)
        systems = [one.system for one in substances if await self._is_substance(one)]
        groups = self._groups({*substances, *(Code(ATC, code) for code in atc)})
        return Meaning(medicines, substances, frozenset(), groups, frozenset(atc), frozenset(systems))

    async def of_medicine(self, medicine: Medicine) -> Meaning:
        """What is in a medicine, as far as the call or FEST says it; its own code where that names a substance."""
        medicines = frozenset(one for one in medicine.codes if one.system == MEDICINES)
        atc = {one.code for one in medicine.codes if one.system == ATC}
        active = set(medicine.active)
        for one in medicines:
            active |= self._fest.substances.get(one.code, NOTHING)
            atc |= self._fest.atc.get(one.code, NOTHING)
        if not active:
            for code in atc:
                active |= self._fest.by_atc.get(code, NOTHING)
        own = {one for one in medicine.codes if one.system not in (ATC, MEDICINES)}
        by_atc = set() if active else {Code(ATC, code) for code in atc}
        active |= self._same({*active, *own, *by_atc})
        systems = {one.system for one in active if one.system != ATC}
        systems |= {one.system for one in own if await self._is_substance(one)}
        groups = self._groups({*active, *own, *medicine.excipients, *(Code(ATC, code) for code in atc)})
        substances = frozenset(await self._with_wider({*active, *own}))
        excipients = frozenset(await self._with_wider({*medicine.excipients, *self._same(medicine.excipients)}))
        return Meaning(medicines, substances, excipients, groups, frozenset(atc), frozenset(systems))

    def _same(self, codes: Iterable[Code]) -> set[Code]:
        return {each for one in codes for each in self._kin.same.get(one, NOTHING)}

    def _groups(self, codes: Iterable[Code]) -> frozenset[Code]:
        return frozenset(each for one in codes for each in self._kin.groups.get(one, NOTHING))

    async def _is_substance(self, one: Code) -> bool:
        """Whether a code is known to name a substance: another code of its system is then another substance."""
        if one.system == SUBSTANCES or one in self._kin.same or one in self._kin.groups:
            return True
        return one.system == SNOMED and not {OF_SUBSTANCES, OF_PRODUCTS}.isdisjoint(await self._wider(one.code))

    async def _with_wider(self, codes: set[Code]) -> set[Code]:
        """With what they are kinds of, by SNOMED CT's hierarchy: who reacts to penicillin reacts to its kinds. The roots of it
        are no substance that somebody reacts to."""
        wider = [await self._wider(one.code) for one in codes if one.system == SNOMED]
        return codes | {Code(SNOMED, code) for one in wider for code in one - {OF_SUBSTANCES, OF_PRODUCTS}}

    def same_as(self, codes: Iterable[Code]) -> frozenset[Code]:
        """The other codes of substances, ATC's among them, by the loaded map."""
        return frozenset(self._same(codes))

    async def kinds_of(self, codes: Iterable[Code]) -> frozenset[Code]:
        """What codes are kinds of, by SNOMED CT's hierarchy; not themselves."""
        asked = set(codes)
        return frozenset(await self._with_wider(asked) - asked)

    async def _wider(self, code: str) -> frozenset[str]:
        if self._snomed is None:
            return frozenset()
        if code not in self._over:
            self._over[code] = await self._snomed.over(code)
        return self._over[code]


async def _fest_of(conn: Connection) -> Fest:
    loaded = await terminology.loaded(conn, MEDICINES, "")
    if loaded is None:
        return _NO_FEST
    mark = loaded.number, loaded.version, loaded.size
    if mark not in _fest:
        made = await _read_fest(loaded)
        _fest.clear()
        _fest[mark] = made
    return _fest[mark]


async def _read_fest(loaded: Loaded) -> Fest:
    substances, atc = dict[str, frozenset[Code]](), dict[str, frozenset[str]]()
    alone = defaultdict[str, set[Code]](set)
    async for one in loaded.concepts():
        held = frozenset(Code(SUBSTANCES, str(value)) for name, _, value in one.properties if name == "RefVirkestoff")
        codes = frozenset(str(value) for name, _, value in one.properties if name == "atc")
        substances[one.code], atc[one.code] = held, codes
        if len(held) == 1:
            for code in codes:
                alone[code] |= held
    return Fest(substances, atc, {code: frozenset(held) for code, held in alone.items()})


async def _kin_of(conn: Connection) -> Kin:
    mark = await terminology.newest(conn, "ConceptMap", SUBSTANCE_MAP)
    if mark is None:
        return _NO_KIN
    if mark not in _kin:
        found = await terminology.definition(conn, "ConceptMap", SUBSTANCE_MAP, mark[0])
        made = kin_of(found or {})
        _kin.clear()
        _kin[mark] = made
    return _kin[mark]


def kin_of(concept_map: Mapping[str, Any]) -> Kin:
    """The map, ready to be asked. What is the same as a third is the same; the groups of one code are those of all its names."""
    same, groups = defaultdict[Code, set[Code]](set), defaultdict[Code, set[Code]](set)
    names: dict[str, str] = {}
    for group in concept_map.get("group", ()):
        from_, to = (canonical(str(group.get(side, ""))) for side in ("source", "target"))
        for element in group.get("element", ()):
            one = Code(from_, str(element.get("code", "")))
            for target in element.get("target", ()):
                other = Code(to, str(target.get("code", "")))
                if target.get("equivalence") in SAME:
                    every = {one, other} | same[one] | same[other]
                    for each in every:
                        same[each] = every
                elif target.get("equivalence") in KIN:
                    groups[one].add(other)
                    names[other.code] = str(target.get("display") or other.code)
    of_all = {one: frozenset(group for each in every for group in groups.get(each, ())) for one, every in same.items()}
    known = {one: frozenset(found) | of_all.get(one, NOTHING) for one, found in groups.items()}
    return Kin({one: frozenset(every) for one, every in same.items()}, of_all | known, names)
