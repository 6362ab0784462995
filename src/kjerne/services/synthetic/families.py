"""Who of the generated people belong together: couples under one roof, and children with those who are their parents.

They are found among neighbours by number, in their order, and each looks at those before her alone. So person 7,431,112 has the
family that she has when everybody is made, and nobody leads to somebody who was not made because fewer were asked for. Nobody's
sex, age or life is changed by it: only who fits anyhow is put together, and what they share is a name and an address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from kjerne.services.synthetic.identities import YEAR, Identity

Role = Literal["MTH", "FTH", "GUARD"]
"""Mother, father and guardian, as HL7's RoleCode has them."""
DRAWS: Final = 2
ADULT: Final = 18
NEIGHBOURS: Final = 64
"""So many people in a row are looked at together: whoever looked among all of a block would cost as much as the rest of her."""
COUPLES: Final = 0.6
"""Who finds somebody of a fitting age lives with her or him so often."""
YOUNGER, OLDER = 4, 8
"""Years that a man in a couple is younger and older than the woman at most."""
COUPLE_FROM: Final = 20
MOTHER_FROM, MOTHER_BELOW = 19, 45
FATHER_FROM: Final = 19
GUARDIAN_FROM, GUARDIAN_BELOW = 30, 75
GUARDED_FROM: Final = 85
GUARDED: Final = 0.1
"""So many who are as old as that have a guardian; and every child without a parent, where a neighbour can be hers."""
CHILDREN: Final = 4
BETWEEN_DAYS: Final = 330
"""Days between two children of one mother, at least."""


@dataclass(frozen=True, repr=False)
class Relative:
    """Somebody with those who stand in for her, each with the role: a child's parents, or her guardian."""

    who: Identity
    kin: tuple[tuple[Role, Identity], ...] = ()


@dataclass
class _Mother:
    """A woman who may have children: her place, her partner's, and when her children were born."""

    place: int
    partner: int = -1
    births: list[int] = field(default_factory=list)


def together(
    people: Sequence[Identity], died: Sequence[int | None], until: str, draws: NDArray[np.float64]
) -> list[Relative]:
    """The people of a block from its first on, those who belong together under one address. `died` are days since each one's
    day 0; `draws` two numbers of each."""
    today, told, near = date.fromisoformat(until).toordinal(), list[Relative](), _Neighbours()
    for place, one in enumerate(people):
        if place % NEIGHBOURS == 0:
            near = _Neighbours()
        wish, which = (float(draw) for draw in draws[place])
        age, lives = (today - one.born) / YEAR, died[place] is None
        told.append(near.child(one, which) if age < ADULT else near.adult(one, age, wish, which, lives=lives))
    return told


class _Neighbours:
    """Those who were looked at so far."""

    def __init__(self) -> None:
        self._found = list[Identity]()
        self._mothers = dict[int, _Mother]()
        self._single = {"female": list[int](), "male": list[int]()}
        self._guardians = list[Identity]()

    def child(self, one: Identity, which: float) -> Relative:
        """With one of those who may be her mother, where there is any, and with that one's partner."""
        able = [mother for mother in self._mothers.values() if self._may_bear(mother, one.born)]
        if not able:
            self._found.append(one)
            return Relative(one, self._guarded(which))
        chosen = able[int(which * len(able))]
        mother, parents = self._found[chosen.place], list[tuple[Role, Identity]]()
        parents.append(("MTH", mother))
        if chosen.partner >= 0 and (one.born - self._found[chosen.partner].born) / YEAR >= FATHER_FROM:
            parents.append(("FTH", self._found[chosen.partner]))
        chosen.births.append(one.born)
        own = replace(_moved(one, mother), family=mother.family)
        self._found.append(own)
        return Relative(own, tuple(parents))

    def adult(self, one: Identity, age: float, wish: float, which: float, *, lives: bool) -> Relative:
        """Alone, or at the address of somebody of a fitting age who lives alone; of the oldest some with a guardian."""
        kin = self._guarded(which) if age >= GUARDED_FROM and wish >= 1 - GUARDED else ()
        place = len(self._found)
        if lives and one.sex == "female":
            self._mothers[place] = _Mother(place)
        if lives and age >= COUPLE_FROM and one.sex in self._single:
            others = self._single["male" if one.sex == "female" else "female"]
            fits = [other for other in others if _fit(one, self._found[other])]
            if fits and wish < COUPLES:
                partner = fits[int(which * len(fits))]
                others.remove(partner)
                woman, man = (place, partner) if one.sex == "female" else (partner, place)
                self._mothers[woman].partner = man
                one = _moved(one, self._found[partner])
            else:
                self._single[one.sex].append(place)
        self._found.append(one)
        if lives and GUARDIAN_FROM <= age < GUARDIAN_BELOW:
            self._guardians.append(one)
        return Relative(one, kin)

    def _guarded(self, which: float) -> tuple[tuple[Role, Identity], ...]:
        able = self._guardians
        return (("GUARD", able[int(which * len(able))]),) if able else ()

    def _may_bear(self, mother: _Mother, born: int) -> bool:
        """Whether somebody may have had a child on that day: by her age, and by the children that she has."""
        age = (born - self._found[mother.place].born) / YEAR
        apart = all(abs(born - one) >= BETWEEN_DAYS for one in mother.births)
        return MOTHER_FROM <= age < MOTHER_BELOW and apart and len(mother.births) < CHILDREN


def _fit(one: Identity, other: Identity) -> bool:
    woman, man = (one, other) if one.sex == "female" else (other, one)
    return -YOUNGER <= (woman.born - man.born) / YEAR <= OLDER


def _moved(one: Identity, to: Identity) -> Identity:
    return replace(one, street=to.street, postal_code=to.postal_code, city=to.city)
