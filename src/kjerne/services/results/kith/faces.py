"""What of a result tells whether it is another one of a newer version, and what speaks against that."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

from kjerne.services.results.kith.additions import Known
from kjerne.services.results.kith.circumstances import says_something
from kjerne.services.results.kith.codes import NATIONAL, canonical
from kjerne.services.results.kith.findings import is_name_of_a_group, is_susceptibility
from kjerne.services.results.kith.holding import Held
from kjerne.services.results.kith.model import Amount, Item, Material, Value
from kjerne.services.results.kith.sampled import NONE, Times, apart
from kjerne.services.results.kith.samples import Made

REFERS_BACK: Final = frozenset({"M", "C", "H"})
"""Kinds of service that say themselves that an earlier result exists."""

SAYS_NOTHING: Final = frozenset({"N", "A"})
"""Kinds of service that do not say of a result whether it was there before."""


class Face(NamedTuple):
    """What identifies a result within its report: its place, its codes and its id.

    `taken` is when its samples were, `whose` they are where that is known; a result that `corrects` an earlier one may
    have those wrong. `adds`: it stands in an addition, and takes the place of nothing that says something else; `known_as`
    is what that is compared with, of a known result alone. `found_in` are its specimens, where they are said. `turn` counts the
    versions to the last that named a known result, and is above 0 of a newer one where it stands in an addition. `gone`: a known
    one was taken back. `holds` are the examinations that a text of radiology is about.
    """

    id: str
    of: int
    service: str
    parent: str
    target: str
    codes: frozenset[tuple[str, str]]
    national: str
    name: str
    item: Item
    taken: Times = NONE
    corrects: bool = True
    adds: bool = False
    whose: Material | None = None
    known_as: Known | None = None
    found_in: tuple[Made, ...] = ()
    turn: int = 0
    gone: bool = False
    holds: Held = frozenset()

    @property
    def place(self) -> tuple[int, str, str]:
        return self.of, self.parent, self.target

    @property
    def owner(self) -> str:
        """The key of what it is about: an antibiotic's organism, else the result around it."""
        return self.target or self.parent


def face(
    item: Item, service: str, parent: str, target: str, taken: Times = NONE, *, corrects: bool = True, adds: bool = False,
    whose: Material | None = None, found_in: tuple[Made, ...] = (), turn: int = 0, holds: Held = frozenset(),
) -> Face:  # fmt: skip
    """`parent` and `target` are the keys of the result around it and of the one it refers to."""
    codes = frozenset((canonical(c.system), c.code) for c in item.investigations if c.code)
    national = next((code for system in NATIONAL for s, code in codes if s == system), "")
    if item.investigations:
        name = item.investigations[0].words.strip()
    else:
        heading = item.value.heading.code if item.value else ""
        name = f"{heading}:{item.value.text[:80]}" if item.value and heading == "GR" else heading
    return Face(
        item.id, item.of, service, parent, target, codes, national, name, item, taken, corrects, adds, whose,
        found_in=found_in, turn=turn, holds=holds,
    )  # fmt: skip


def kind_of(known: Face) -> tuple[Hashable, ...]:
    """Place, codes and name."""
    return known.place, known.codes, known.name


def answer_of(known: Face) -> Value | None:
    """The answer, None where there is none that says something."""
    value = known.item.value
    return value if says_something(value) else None


def says_the_same(known: Face, fresh: Face) -> bool:
    return answer_of(known) == answer_of(fresh) is not None


def is_a_text(known: Face) -> bool:
    """Whether it is the text of a group, and no name."""
    value = known.item.value
    if known.codes or value is None or value.heading.code != "GR":
        return False
    return not is_name_of_a_group(value)


def amount_of(known: Face) -> tuple[Amount, str] | None:
    value = known.item.value
    return (value.amount, value.comparator) if value is not None and value.amount is not None else None


def is_elsewhere(known: Face, fresh: Face) -> bool:
    """Whether it stands in or refers to another result. What is waited for may come in a group."""
    if not fresh.owner or fresh.owner == known.owner:
        return False
    return bool(known.owner) or not (fresh.adds and known.known_as is not None and known.known_as.waited)


def is_tested(known: Face, fresh: Face) -> bool:
    """Whether either is a susceptibility of an organism: another's was found of another."""
    return bool(known.owner) and (is_susceptibility(known.item.value) or is_susceptibility(fresh.item.value))


def is_anothers_id(held: Sequence[Face], fresh: Face) -> bool:
    """Whether all that have this id are another analysis or stand elsewhere, and say something else; of what is added, whether
    none says that very thing."""
    if fresh.adds:
        return not any(codes_agree(one, fresh) and answer_of(one) == answer_of(fresh) for one in held)
    far = [(codes_agree(one, fresh), is_elsewhere(one, fresh), answer_of(one) != answer_of(fresh)) for one in held]
    own = any(agree and not elsewhere for agree, elsewhere, _ in far)
    return not own and any(other or (elsewhere and not agree) for agree, elsewhere, other in far)


def are_apart(known: Face, fresh: Face) -> bool:
    """Whether they are of other samples: taken at another time, or another being's."""
    other = known.whose is not None and fresh.whose is not None and known.whose != fresh.whose
    return other or apart(known.taken, fresh.taken)


def codes_agree(known: Face, fresh: Face) -> bool:
    """A code in common; without codes the same name of the analysis, where both have one. Where one alone has a code, the other
    says nothing or the same."""
    if known.codes and fresh.codes:
        return not known.codes.isdisjoint(fresh.codes)
    if known.codes or fresh.codes:
        bare = fresh if known.codes else known
        return answer_of(bare) is None or answer_of(known) == answer_of(fresh)
    if known.item.investigations and fresh.item.investigations:
        return known.name.casefold() == fresh.name.casefold()
    return True


def ids_may_be_one(known: Face, fresh: Face) -> bool:
    return not known.id or not fresh.id or known.id == fresh.id
