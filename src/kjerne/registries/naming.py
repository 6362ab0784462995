"""How a request names its patient: by the header `person-id`, or in a resource's `subject.identifier`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.exchange import Call, PatientRef
from kjerne.registries import identifiers

NATIONAL_SYSTEMS: Final = frozenset({"", *identifiers.SYSTEM_BY_KIND.values()})


def number_in(tree: Mapping[str, Any]) -> str:
    """The national number by which a resource names its subject; empty where it names none."""
    identifier = tree.get("subject", {}).get("identifier", {})
    return str(identifier.get("value", "")) if identifier.get("system", "") in NATIONAL_SYSTEMS else ""


def patient_of(call: Call, identify: Callable[[str], PatientRef], *also: str) -> PatientRef:
    """The patient whom the header `person-id` and the numbers in `also` (empty ones aside) name together.

    `Refusal` 400 where there is no number, or where they differ.
    """
    named = {number for number in (call.headers.get("person-id", ""), *also) if number}
    if len(named) > 1:
        raise Refusal(400, "the request names more than one patient", where="person-id")
    if not named:
        raise Refusal(400, "the patient's number is missing", where="person-id", todo="Send it as header person-id.")
    return identify(named.pop())
