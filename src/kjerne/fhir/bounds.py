"""What a profile asks of a value that is no list, pattern or expression: what a reference leads to, how long a text is, between
which ends a value lies, and the order of slices (R4 elementdefinition.html: targetProfile, maxLength, minValue, maxValue,
slicing.ordered and slicing.rules)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from kjerne.errors import Fault
from kjerne.fhir.dates import interval
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.faults import Faults, fault
from kjerne.fhir.fhirpath.navigating import is_type
from kjerne.fhir.fhirpath.values import Node
from kjerne.fhir.slices import CORE

if TYPE_CHECKING:
    from kjerne.fhir.judging import Look, Run
    from kjerne.fhir.profiles import Profile, Slot

_TYPES: Final = frozenset(TYPES)
_DATES: Final = frozenset({"date", "dateTime", "instant"})
Value = tuple[str, int, Any, Any, str]
"""One value of an element: the member that it stands under, its place in a list or -1, it, the `_name` beside it, and its type.
A bare tuple, since it is made for each value that is looked at."""
Ordering = Callable[[list[Value], Mapping[int, list[Value]], Collection[int]], Faults]
"""What is wrong with the order of values: all of them, those of each slice by its place, and the slices that one of no slice may
be of."""


def where_of(value: Value) -> str:
    """Where a value stands, from the element around it."""
    key, place = value[:2]
    return f".{key}" if place < 0 else f".{key}[{place}]"


def as_leading(slot: Slot) -> Look:
    """A reference leads to a resource of one of the types that the profile names. What it says of none is not judged, nor is
    where one of the profiles is not at hand."""

    plain = frozenset(one.partition("|")[0].removeprefix(CORE) for one in slot.leads if one.startswith(CORE))

    def look(value: Any, beside: Any, run: Run) -> Faults:
        text = value.get("reference") if type(value) is dict else None
        if type(text) is str and text.partition("/")[0] in plain:
            return None  # as nearly all are: an address here, of a type that R4 itself has
        found, _ = run.led_to(Node(value, "Reference", beside))
        if found is None or not found.type:
            return None
        wanted = [_type_of(one.partition("|")[0], run.find) for one in slot.leads]
        if None in wanted or any(is_type(found, str(one)) for one in wanted):
            return None
        names = " or ".join(sorted({str(one) for one in wanted}))
        return fault(f"must lead to {names} by the profile, and leads to {found.type}", "", "value", "profile-target")

    return look


def _type_of(address: str, find: Callable[[str], Profile | None]) -> str | None:
    name = address.removeprefix(CORE)
    if name in _TYPES or name in ("Resource", "DomainResource"):
        return name
    profile = find(address)
    return profile.type if profile is not None else None


def as_bounded(slot: Slot, of: str) -> list[Look]:
    """A text has at most so many characters, and a value lies between the ends that the profile has for its type."""
    looks: list[Look] = []
    if slot.longest is not None:
        longest = slot.longest
        too_long = fault(f"must have at most {longest} characters by the profile", "", "too-long", "profile-length")
        looks.append(lambda value, _beside, _run: too_long if type(value) is str and len(value) > longest else None)
    for kind, end in slot.ends:
        bound = _measure(end, of)
        if bound is not None:
            looks.append(_as_ended(bound, of, is_least=kind == "min"))
    return looks


def _as_ended(bound: Any, of: str, *, is_least: bool) -> Look:
    says = f"must be {'at least' if is_least else 'at most'} what the profile has"
    wrong = fault(says, "", "value", "profile-bound")

    def look(value: Any, _beside: Any, _run: Run) -> Faults:
        found = _measure(value, of)
        if found is None or found[0] != bound[0]:
            return None  # of another unit, or of none
        beyond = found[1] < bound[1] if is_least else found[2] > bound[2]
        return wrong if beyond else None

    return look


def _measure(value: Any, of: str) -> tuple[Any, Any, Any] | None:
    """What a value is counted in, and its least and greatest; None where it is of no such type."""
    if of in _DATES:
        try:
            return ("time", *interval(str(value)))
        except ValueError:
            return None
    if type(value) is dict and isinstance(value.get("value"), (int, float, Decimal)):
        return (value.get("system"), value.get("code") or value.get("unit")), value["value"], value["value"]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return "number", value, value
    return None


def ordering(slot: Slot, *, all_told: bool) -> Ordering | None:
    """The look at the order of values; None where none is asked. What is of no slice stands behind them all where that is asked
    and every slice can be told."""
    if not slot.ordered and not (slot.at_end and all_told):
        return None

    def ordered(values: list[Value], taken: Mapping[int, list[Value]], doubtful: Collection[int]) -> Faults:
        places = {where_of(value): place for place, own in taken.items() for value in own}
        last, others, found = -1, False, list[Fault]()
        for where in map(where_of, values):
            place = places.get(where)
            if place is None:
                others = others or not doubtful
                continue
            if slot.ordered and place < last:
                found += fault("must stand in the order of the profile's slices", where, "structure", "profile-order")
            if slot.at_end and all_told and others:
                found += fault("must stand before what is of no slice", where, "structure", "profile-order")
            last = max(last, place)
        return found

    return ordered
