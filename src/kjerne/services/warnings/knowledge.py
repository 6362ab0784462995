"""What loaded terminology knows of an entry and of a medicine: substances, under every code that means the same, and how much of
what is said was understood. Nothing is guessed: a part that is not understood is said to be so (decision 73).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from kjerne.services.warnings import kin as maps
from kjerne.services.warnings import registers
from kjerne.services.warnings.kin import Kin
from kjerne.services.warnings.matching import LEAST_ATC, Meaning, Thing, are_two, over
from kjerne.services.warnings.reading import ATC, FEST, MEDICINES, SNOMED, SUBSTANCES, Allergy, Code, Medicine, Part
from kjerne.services.warnings.registers import NOTHING, WHOLE_ATC, Atc, Fest
from kjerne.services.warnings.wording import words
from kjerne.store import terminology
from kjerne.store.pool import Connection
from kjerne.store.terminology import Loaded

OF_SUBSTANCES: Final = "105590001"
OF_PRODUCTS: Final = "373873005"
ROOTS: Final = frozenset({OF_SUBSTANCES, OF_PRODUCTS, "138875005"})
MODIFICATION: Final = "738774007"
ACTIVE_INGREDIENTS: Final = frozenset({"127489000", "762949000"})
"""SNOMED CT: what stands under *substance* is one, and a salt *is modification of* one. A product is no substance: *has active
ingredient* and *has precise active ingredient* lead to what is in it, which need not be all."""


@dataclass
class _Read:
    """A part while it is read: `things` are what it names, `possible` what may be in it, `atc` the codes of it."""

    part: Part
    medicines: set[Code] = field(default_factory=set)
    atc: set[str] = field(default_factory=set)
    things: list[Thing] = field(default_factory=list)
    names: set[Code] = field(default_factory=set)
    possible: set[Code] = field(default_factory=set)
    is_known: bool = False
    is_exact: bool = False


class Knowledge:
    """What is asked over one connection, of what was loaded when it was made."""

    def __init__(self, fest: Fest, kin: Kin, snomed: Loaded | None, atc: Atc = registers.NO_ATC) -> None:
        self._fest = fest
        self._kin = kin
        self._snomed = snomed
        self._atc = atc
        self._over: dict[str, frozenset[str]] = {}
        self._relating: dict[str, tuple[tuple[str, str], ...]] = {}

    @classmethod
    async def at(cls, conn: Connection) -> Knowledge:
        """What is loaded at this moment."""
        return cls(
            await registers.fest(conn), await maps.kin(conn), await terminology.loaded(conn, SNOMED, ""),
            await registers.atc(conn),
        )  # fmt: skip

    def name_of(self, group: str) -> str:
        """What a group is called."""
        return self._kin.names.get(group, group)

    async def of_allergy(self, allergy: Allergy) -> Meaning:
        """What an entry names: of a medicine its active substances, unless it is about an excipient of that."""
        read = [await self._read(one, opens=not allergy.of_excipient, is_entry=True) for one in allergy.parts]
        things = [each for one in read for each in one.things]
        given = frozenset(code for one in read for code in one.atc)
        wide = frozenset(code for code in given if len(code) < WHOLE_ATC)
        members = {code for code in self._fest.alone if code.startswith(tuple(wide))} if wide else set()
        members |= {
            one.code for one in self._kin.groups if one.system == ATC and wide and one.code.startswith(tuple(wide))
        }
        names = frozenset(each for one in read for each in one.names)
        groups = self._groups(names, given | members)
        groups |= (names | {Code(ATC, code) for code in given}) & self._kin.every_group
        for code in members:
            groups |= self._groups(self._fest.alone.get(code, NOTHING), ())
        return Meaning(
            medicines=frozenset(each for one in read for each in one.medicines),
            substances=names,
            groups=groups,
            atc=given | _atc_of(things),
            possible=frozenset(each for one in read for each in one.possible),
            # What of an entry is known in no system is apart from nothing.
            kinds=frozenset(each.systems for one in read for each in one.things)
            | frozenset(NOTHING for one in read if not one.things and not one.atc & wide),
            is_whole=bool(things or wide) and await self._all_understood(read, things),
            wide=wide,
            is_wide_known=all(len(one) >= LEAST_ATC and one in self._atc.codes for one in wide),
        )

    async def of_medicine(self, medicine: Medicine) -> Meaning:
        """What is in a medicine, as far as the call or what is loaded says it. What its own codes name is in it too."""
        own = [await self._read(one, is_own=True) for one in medicine.own]
        active = [await self._read(one) for one in medicine.active]
        beside = [await self._read(one) for one in medicine.excipients]
        read = [*own, *active]
        things = [each for one in read for each in one.things]
        names = frozenset(await self._with_wider({each for one in read for each in one.names}))
        excipients = frozenset(await self._with_wider({each for one in beside for each in one.names}))
        given = frozenset(code for one in read for code in one.atc)
        possible = frozenset(each for one in [*read, *beside] for each in one.possible)
        every = [*things, *(each for one in beside for each in one.things)]
        return Meaning(
            medicines=frozenset(each for one in read for each in one.medicines),
            substances=names,
            excipients=excipients,
            groups=self._groups(names | excipients, given),
            atc=given | _atc_of(things),
            atc_over=over(given | _atc_of(things)),
            possible=possible,
            possible_over=over(
                self._atc.with_others({code for one in possible for code in self._fest.within.get(one, ())})
                | {code for one in things for code in self._within(one)}
            ),
            kinds=frozenset(one.systems for one in things),
            beside=frozenset(each.systems for one in beside for each in one.things),
            is_whole=bool(things) and await self._all_understood(read, every),
            is_beside_whole=await self._all_understood(beside, every),
            is_sorted=all(one.atc or self._within(one) for one in things),
        )

    def _within(self, thing: Thing) -> set[str]:
        """The codes of ATC of all medicines that have a substance, for one that no code names by itself."""
        return set() if thing.atc else {code for one in thing.names for code in self._fest.within.get(one, ())}

    async def _all_understood(self, read: Iterable[_Read], things: list[Thing]) -> bool:
        for one in read:
            if not await self._is_understood(one, things):
                return False
        return True

    async def _is_understood(self, one: _Read, things: list[Thing]) -> bool:
        """Whether nothing is said in a part that these substances do not account for."""
        if one.is_exact:
            return True
        substances = frozenset(each for thing in things for each in thing.names)
        inside = frozenset(each for each in substances if each.system == SUBSTANCES)
        given, named = words(one.part.said), words(one.part.names)
        if not one.is_known:
            # No code of it is known: its words may still be a name of what is known to be in it.
            return bool(given | named) and await self._explain(given | named, inside, substances)
        if any(self._fest.says_another(word, inside) for word in named):
            return False
        return await self._explain(given - named, inside, substances | one.part.codes)

    async def _explain(self, said: frozenset[str], inside: frozenset[Code], codes: Iterable[Code]) -> bool:
        left = {word for word in said if not self._fest.explains(word, inside)}
        return not left or left <= words(await self._called(codes))

    async def _called(self, codes: Iterable[Code]) -> list[str]:
        """What is loaded as names of codes."""
        found: list[str] = []
        for one in codes:
            if one.system == ATC:
                found += self._atc.names.get(one.code, ())
            elif one.system == SNOMED and self._snomed is not None:
                concept = await self._snomed.concept(one.code)
                found += [concept.display, *(each.value for each in concept.designations)] if concept else []
        return found

    async def _read(self, part: Part, *, opens: bool = True, is_own: bool = False, is_entry: bool = False) -> _Read:
        """A part: what its codes name. `opens`: a medicine is taken for what is in it; `is_own`: it is what a medicine is called,
        of which the code of a substance need not name all; `is_entry`: a group of ATC is what is meant."""
        codes = self._settled(part.codes)
        medicines = {one.code for one in codes if one.system == MEDICINES}
        given = {one.code for one in codes if one.system == ATC}
        named = {one for one in codes if one.system not in (ATC, MEDICINES)}
        read = _Read(part, {one for one in codes if one.system == MEDICINES}, set(given))
        inside = {one for one in named if one.system == SUBSTANCES}
        for one in medicines if opens else ():
            inside |= self._fest.medicines.get(one, NOTHING)
            read.atc |= self._fest.atc.get(one, NOTHING)
        known_atc = set[str]()
        for code in given:
            sure, possible, is_known = self._opened(code)
            inside |= {one for one in sure if one.system == SUBSTANCES}
            named |= {one for one in sure if one.system != SUBSTANCES}
            read.possible |= possible
            known_atc |= {code} if is_known else set()
        for each in [*named]:
            named |= await self._in_product(each)
        read.things = await self._things(inside, named)
        read.names = {*named, *(each for one in read.things for each in one.names)}
        read.is_exact = opens and not self._fest.whole.isdisjoint(medicines)
        if read.is_exact:
            read.possible.clear()
        read.possible = {each for one in read.possible for each in await self._closed({one})}
        groups = {code for code in given if len(code) < WHOLE_ATC} if is_entry else set[str]()
        said = {one for one in codes if one.system not in (ATC, MEDICINES)}
        known = {one for one in said if await self._is_substance(one)}
        strange = said - known
        is_bad = bool(given - known_atc - groups) or any(one.system in (SUBSTANCES, FEST) for one in strange)
        is_partly = not known_atc and bool(medicines or (is_own and strange))
        read.is_known = bool(known_atc or groups or known) and not is_bad and not is_partly
        return read

    def _settled(self, codes: Iterable[Code]) -> set[Code]:
        """With an id of FEST that may be of either kind as what the loaded FEST has it as; where it has neither, as both."""
        found = set[Code]()
        for one in codes:
            if one.system != FEST:
                found.add(one)
            elif one.code in self._fest.medicines:
                found.add(Code(MEDICINES, one.code))
            elif one.code in self._fest.forms:
                found.add(Code(SUBSTANCES, one.code))
            else:
                found |= {Code(MEDICINES, one.code), Code(SUBSTANCES, one.code)}
        return found

    def _opened(self, code: str) -> tuple[frozenset[Code], frozenset[Code], bool]:
        """What a medicine under a code of ATC has, what it may have beside, and whether that is known."""
        if len(code) != WHOLE_ATC:
            return NOTHING, NOTHING, False
        sure = frozenset(one for one in self._kin.same.get(Code(ATC, code), NOTHING) if one.system != ATC)
        if sure:
            sure |= self._fest.alone.get(code, NOTHING)
        else:
            others = self._atc.with_others({code}) - {code}
            sure = self._fest.sure(code) | {each for one in others for each in self._fest.alone.get(one, NOTHING)}
            sure |= {each for name in self._atc.names.get(code, ()) for each in self._fest.called.get(name, NOTHING)}
        return sure, self._fest.ever.get(code, NOTHING) - sure, bool(sure) and code not in self._fest.unsure

    async def _things(self, inside: set[Code], named: set[Code]) -> list[Thing]:
        """Substances of FEST each by itself; other codes are other names of the one there is, else a thing of their own."""
        closed = [await self._closed({one}) for one in sorted(inside)]
        known = {one for one in named if await self._is_substance(one)}
        known = {one for one in known if not any(one in each for each in closed)}
        if known and len(closed) == 1:
            closed[0] |= await self._closed(known)
        elif known:
            closed.append(await self._closed(known))
        return [await self._thing(each) for each in closed]

    async def _thing(self, codes: set[Code]) -> Thing:
        systems = {one.system for one in codes if one.system != ATC and await self._is_substance(one)}
        given = {one.code for one in codes if one.system == ATC}
        given |= {code for one in codes for code in self._fest.atc_of.get(one, ())}
        names = {name for one in codes for name in self._fest.names.get(one, ())}
        return Thing(
            frozenset(one for one in codes if one.system != ATC),
            frozenset(systems),
            self._atc.with_others(given, names),
        )

    async def _closed(self, codes: set[Code]) -> set[Code]:
        """With all that they are the same as, and a form of: a salt and what it is a salt of."""
        found, fresh = set(codes), set(codes)
        while fresh:
            reached = {each for one in fresh for each in self._kin.same.get(one, NOTHING)}
            reached |= {
                each for one in fresh if one.system == SUBSTANCES for each in self._fest.forms.get(one.code, NOTHING)
            }
            for one in fresh:
                reached |= await self._modified(one)
            fresh = reached - found
            found |= fresh
        return found

    async def _modified(self, one: Code) -> set[Code]:
        """What a substance of SNOMED CT is a modification of."""
        return {Code(SNOMED, code) for name, code in await self._relations(one) if name == MODIFICATION}

    async def _in_product(self, one: Code) -> set[Code]:
        """What is active in a product of SNOMED CT, as far as it says."""
        return {Code(SNOMED, code) for name, code in await self._relations(one) if name in ACTIVE_INGREDIENTS}

    async def _relations(self, one: Code) -> tuple[tuple[str, str], ...]:
        if one.system != SNOMED or self._snomed is None:
            return ()
        if one.code not in self._relating:
            concept = await self._snomed.concept(one.code)
            self._relating[one.code] = (
                tuple((name, str(value)) for name, _, value in concept.properties) if concept else ()
            )
        return self._relating[one.code]

    def _groups(self, names: Iterable[Code], atc: Iterable[str]) -> frozenset[Code]:
        """The groups that codes are of; a code of ATC is also of those that its own groups are of."""
        every = {*names, *(Code(ATC, code[:length]) for code in atc for length in (1, 3, 4, 5, 7))}
        return frozenset(each for one in every for each in self._kin.groups.get(one, NOTHING))

    async def _is_substance(self, one: Code) -> bool:
        """Whether a code is known to name a substance: another code of its system that is so too is another substance."""
        if one in self._kin.same or one in self._kin.groups:
            return True
        if one.system == SUBSTANCES:
            return one.code in self._fest.forms
        return one.system == SNOMED and OF_SUBSTANCES in await self._wider(one.code)

    async def _with_wider(self, codes: set[Code]) -> set[Code]:
        """With what they are kinds of, by SNOMED CT's hierarchy: who reacts to penicillin reacts to its kinds. The roots of it
        are no substance that somebody reacts to."""
        wider = [await self._wider(one.code) for one in codes if one.system == SNOMED]
        return codes | {Code(SNOMED, code) for one in wider for code in one - ROOTS}

    def same_as(self, codes: Iterable[Code]) -> frozenset[Code]:
        """The other codes of substances, ATC's among them, by the loaded map."""
        return frozenset(each for one in codes for each in self._kin.same.get(one, NOTHING))

    async def are_two(self, one: Collection[str], other: Collection[str]) -> bool:
        """Whether codes of ATC are known to be of two substances: by what is in them, or by the names that a loaded ATC has of
        all of them. ATC sorts by use, so that one substance has several codes: what is not known may be one."""
        if self._atc.with_others(one) & self._atc.with_others(other):
            return False
        parts = [frozenset({Part(frozenset(Code(ATC, code) for code in codes))}) for codes in (one, other)]
        first, second = [await self.of_allergy(Allergy("", "", each)) for each in parts]
        return are_two(first, second, is_named=all(self._atc.names.get(code) for code in (*one, *other)))

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


def _atc_of(things: Iterable[Thing]) -> frozenset[str]:
    return frozenset(code for one in things for code in one.atc)
