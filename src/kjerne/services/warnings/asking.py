"""What a call asks to have compared: the medicines of its drafts or lists, and what of it cannot be compared.

Sources: https://cds-hooks.hl7.org/2.0/ (prefetch, `draftOrders`); R4 search.html (a page, and what a search says of itself).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.cds_hooks import Asked, said
from kjerne.services.warnings import reading
from kjerne.services.warnings.reading import Allergy, Code, Medicine

MEDICINES: Final = "medications"
STATEMENTS: Final = "statements"
MEDICINES_LIMIT: Final = 100
"""Different medicines that one call compares; nobody takes as many."""
PAIRS_LIMIT: Final = 10_000
"""Comparisons of one call, each of an entry with a medicine: some fifth of a second with their cards."""
CODES_LIMIT: Final = 2_000
"""Codes of all that is compared in one call, each of which may be looked up."""
HOLD_MEDICINES: Final = frozenset(
    {
        "Bundle",
        "CarePlan",
        "Immunization",
        "ImmunizationRecommendation",
        "NutritionOrder",
        "RequestGroup",
        "SupplyRequest",
    }
)
"""Types of drafts that may order what somebody reacts to, and are not compared here: it is told (law, K140)."""
Lists = Literal["whole", "part", "none"]
"""How much of the lists of medicines came: of both all, something, or of neither anything."""


class ToCompare(NamedTuple):
    """The medicines of a call, what of its drafts is not compared by type, and how much of the lists came."""

    medicines: list[Medicine]
    beside: tuple[str, ...] = ()
    lists: Lists = "whole"


def to_compare(asked: Asked) -> ToCompare:
    """What is read of a call: of the drafts, or of the lists that were fetched beforehand."""
    if asked.hook != "patient-view":
        taken = [one for one in asked.orders if reading.is_taken(one.resource)]
        beside = sorted(
            name for one in asked.orders if (name := said(one.resource.get("resourceType"))) in HOLD_MEDICINES
        )
        return ToCompare(
            [reading.medicine(one.place, one.resource, asked.around, has_id=one.has_id) for one in taken], tuple(beside)
        )
    lists = [asked.listed(key) for key in (MEDICINES, STATEMENTS)]
    held = [one for each in lists for one in each.resources if reading.is_taken(one)]
    medicines = [reading.medicine(said(one.get("resourceType")), one, asked.around) for one in held]
    came = [one.is_whole or bool(one.resources) for one in lists]
    is_whole = all(one.is_whole for one in lists)
    return ToCompare(medicines, (), "whole" if is_whole else "part" if any(came) else "none")


def once(medicines: Iterable[Medicine]) -> dict[Medicine, list[Medicine]]:
    """By the first of their places each medicine with all drafts and statements of just that one."""
    found = defaultdict[Medicine, list[Medicine]](list)
    for one in medicines:
        found[one._replace(place="", has_id=False)].append(one)
    return {min(each, key=lambda one: one.place): each for each in found.values()}


def removable(drafts: Mapping[Medicine, Sequence[Medicine]]) -> dict[Medicine, tuple[str, ...]]:
    """The drafts of each medicine, as `Type/id`, where all of them can be named so."""
    return {
        one: tuple(each.place for each in every) if all(each.has_id for each in every) else ()
        for one, every in drafts.items()
    }


def check_number(medicines: Iterable[Medicine], allergies: Sequence[Allergy] = ()) -> None:
    """`Refusal` 422 for more than one call compares; it is refused whole, since a part would look like all."""
    different = once(medicines)
    if len(different) > MEDICINES_LIMIT:
        raise _too_costly(f"more than {MEDICINES_LIMIT} medicines would be compared", "Send those that are in use.")
    if len(different) * len(allergies) > PAIRS_LIMIT:
        says = f"{len(different)} medicines would be compared with {len(allergies)} entries"
        raise _too_costly(says, f"Send at most {PAIRS_LIMIT // len(allergies)} medicines in one call.")
    if sum(map(_codes_in, (*different, *allergies))) > CODES_LIMIT:
        raise _too_costly(
            f"what would be compared has more than {CODES_LIMIT} codes", "Send fewer medicines in one call."
        )


def _too_costly(says: str, todo: str) -> Refusal:
    return Refusal(422, says, where="prefetch", code="too-costly", todo=todo)


def _codes_in(value: Any) -> int:
    if isinstance(value, Code):
        return 1
    return sum(map(_codes_in, value)) if isinstance(value, (tuple, frozenset)) else 0
