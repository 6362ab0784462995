"""R4's invariants that shape and code lists cannot say, as functions of one element; each is named by its key in R4.

A function answers whether the element is right. It runs on elements whose parts may be wrong themselves, so it looks
before it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from kjerne.fhir.dates import interval

Holds = Callable[[dict[str, Any]], bool]

_CLOSED_ERRORS: Final = "entered-in-error"
_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def _has_value(element: dict[str, Any]) -> bool:
    return any(name.startswith(("value", "_value")) for name in element)


def _extension(element: dict[str, Any]) -> bool:
    return ("extension" in element) != _has_value(element)


def _period(element: dict[str, Any]) -> bool:
    """A bound may be less precise than the other: 2024 to 2024-03 is in order."""
    start, end = element.get("start"), element.get("end")
    if not (isinstance(start, str) and isinstance(end, str)):
        return True
    try:
        return interval(start)[0] < interval(end)[1]
    except ValueError:
        return True


def _quantity(element: dict[str, Any]) -> bool:
    return "code" not in element or "system" in element


def _number(element: Any) -> Decimal | None:
    value = element.get("value") if isinstance(element, dict) else None
    return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else None


def _range(element: dict[str, Any]) -> bool:
    low, high = element.get("low"), element.get("high")
    first, last = _number(low), _number(high)
    if first is None or last is None or low.get("code") != high.get("code") or low.get("unit") != high.get("unit"):  # type: ignore[union-attr]
        return True
    return first <= last


def _ratio(element: dict[str, Any]) -> bool:
    both = ("numerator" in element) == ("denominator" in element)
    return both and ("numerator" in element or "extension" in element)


def _attachment(element: dict[str, Any]) -> bool:
    return "data" not in element or "contentType" in element


def _contact_point(element: dict[str, Any]) -> bool:
    return "value" not in element or "system" in element


def _reference(element: dict[str, Any]) -> bool:
    return bool({"reference", "identifier", "display", "extension", "_reference", "_display", "type"} & element.keys())


def _repeat(element: dict[str, Any]) -> bool:
    pairs = (
        ("duration", "durationUnit"),
        ("period", "periodUnit"),
        ("durationMax", "duration"),
        ("periodMax", "period"),
    )
    paired = all(first not in element or second in element for first, second in pairs)
    return paired and ("countMax" not in element or "count" in element)


def _repeat_sign(element: dict[str, Any]) -> bool:
    numbers = [element.get(name, 0) for name in ("duration", "period")]
    return all(number >= 0 for number in numbers if isinstance(number, (int, Decimal)))


def _codings(element: Any) -> set[tuple[Any, Any]]:
    inner = element.get("coding") if isinstance(element, dict) else None
    rows = [one for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []
    pairs = [(one.get("system"), one.get("code")) for one in rows]
    return {pair for pair in pairs if all(part is None or isinstance(part, str) for part in pair)}


def _absent_or_value(element: dict[str, Any]) -> bool:
    return "dataAbsentReason" not in element or not _has_value(element)


def _component_code(element: dict[str, Any]) -> bool:
    components = element.get("component")
    if not isinstance(components, list) or not _has_value(element):
        return True
    own = _codings(element.get("code"))
    return all(not own & _codings(one.get("code")) for one in components if isinstance(one, dict))


def _reference_range(element: dict[str, Any]) -> bool:
    return bool({"low", "high", "text", "_text"} & element.keys())


def _order_detail(element: dict[str, Any]) -> bool:
    return "orderDetail" not in element or "code" in element


def _contact(element: dict[str, Any]) -> bool:
    return bool({"name", "telecom", "address", "organization"} & element.keys())


def _has_code(element: Any, code: str) -> bool:
    return any(pair[1] == code for pair in _codings(element))


def _condition_status(element: dict[str, Any]) -> bool:
    in_error = _has_code(element.get("verificationStatus"), _CLOSED_ERRORS)
    return not (in_error and "clinicalStatus" in element)


def _condition_abated(element: dict[str, Any]) -> bool:
    if not any(name.startswith(("abatement", "_abatement")) for name in element):
        return True
    codes = {code for system, code in _codings(element.get("clinicalStatus")) if system == _CLINICAL}
    return not codes or bool(codes & {"resolved", "remission", "inactive"})


def _allergy_status(element: dict[str, Any]) -> bool:
    in_error = _has_code(element.get("verificationStatus"), _CLOSED_ERRORS)
    return in_error != ("clinicalStatus" in element)


def _section(element: dict[str, Any]) -> bool:
    return bool({"text", "entry", "section"} & element.keys())


def _empty_section(element: dict[str, Any]) -> bool:
    return not ("emptyReason" in element and "entry" in element)


def _entries(element: dict[str, Any]) -> list[dict[str, Any]]:
    entries = element.get("entry")
    return [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []


def _bundle_total(element: dict[str, Any]) -> bool:
    return "total" not in element or element.get("type") in ("searchset", "history")


def _bundle_search(element: dict[str, Any]) -> bool:
    return element.get("type") == "searchset" or not any("search" in one for one in _entries(element))


def _bundle_request(element: dict[str, Any]) -> bool:
    wanted = element.get("type") in ("batch", "transaction", "history")
    return all(("request" in one) == wanted for one in _entries(element))


def _bundle_response(element: dict[str, Any]) -> bool:
    wanted = element.get("type") in ("batch-response", "transaction-response", "history")
    return all(("response" in one) == wanted for one in _entries(element))


def _bundle_first(element: dict[str, Any]) -> bool:
    """A document starts with its Composition, a message with its MessageHeader."""
    first = {"document": "Composition", "message": "MessageHeader"}.get(str(element.get("type")))
    if first is None:
        return True
    resource = next((one.get("resource") for one in _entries(element)), None)
    return isinstance(resource, dict) and resource.get("resourceType") == first


def _bundle_document(element: dict[str, Any]) -> bool:
    identifier = element.get("identifier")
    return element.get("type") != "document" or (
        isinstance(identifier, dict) and {"system", "value"} <= identifier.keys()
    )


def _bundle_addresses(element: dict[str, Any]) -> bool:
    if element.get("type") == "history":
        return True
    seen = []
    for one in _entries(element):
        resource = one.get("resource")
        meta = resource.get("meta") if isinstance(resource, dict) else None
        if isinstance(one.get("fullUrl"), str):
            seen.append((one["fullUrl"], str(meta.get("versionId")) if isinstance(meta, dict) else ""))
    return len(seen) == len(set(seen))


def _entry(element: dict[str, Any]) -> bool:
    return bool({"resource", "request", "response"} & element.keys())


def _full_url(element: dict[str, Any]) -> bool:
    return "/_history/" not in str(element.get("fullUrl", ""))


Invariant = tuple[str, str, Holds]

INVARIANTS: Final[dict[str, tuple[Invariant, ...]]] = {
    "Extension": (("ext-1", "must have either a value or extensions, not both", _extension),),
    "Period": (("per-1", "must not end before it starts", _period),),
    "Quantity": (("qty-3", "must have a system where it has a code", _quantity),),
    "Range": (("rng-2", "must not have its low end above its high end", _range),),
    "Ratio": (("rat-1", "must have both numerator and denominator", _ratio),),
    "Attachment": (("att-1", "must have a contentType where it has data", _attachment),),
    "ContactPoint": (("cpt-2", "must have a system where it has a value", _contact_point),),
    "Reference": (("ref-2", "must have a reference, an identifier or a display", _reference),),
    "Timing.repeat": (
        ("tim-1", "must have a unit for each duration and period, and a value for each maximum", _repeat),
        ("tim-4", "must not have a negative duration or period", _repeat_sign),
    ),
    "Observation": (
        ("obs-6", "must not have both a value and a dataAbsentReason", _absent_or_value),
        ("obs-7", "must not have a value where a component has the same code", _component_code),
    ),
    "Observation.referenceRange": (("obs-3", "must have a low end, a high end or a text", _reference_range),),
    "ServiceRequest": (("prr-1", "must have a code where it has an orderDetail", _order_detail),),
    "Patient.contact": (("pat-1", "must say who or where the contact is", _contact),),
    "Condition": (
        ("con-5", "must not have a clinicalStatus when entered in error", _condition_status),
        ("con-4", "must not be abated and active", _condition_abated),
    ),
    "AllergyIntolerance": (("ait-1", "must have a clinicalStatus unless entered in error", _allergy_status),),
    "Composition.section": (
        ("cmp-1", "must have a text, an entry or a section", _section),
        ("cmp-2", "must not be empty for a reason and have entries", _empty_section),
    ),
    "Bundle": (
        ("bdl-1", "must have a total in a search or history only", _bundle_total),
        ("bdl-2", "must have entry.search in a search only", _bundle_search),
        ("bdl-3", "must have entry.request in batch, transaction and history, and only there", _bundle_request),
        ("bdl-4", "must have entry.response in answers and history, and only there", _bundle_response),
        ("bdl-7", "must not have two entries with the same fullUrl", _bundle_addresses),
        ("bdl-9", "must have an identifier with system and value in a document", _bundle_document),
        ("bdl-11", "must start with a Composition in a document, a MessageHeader in a message", _bundle_first),
    ),
    "Bundle.entry": (
        ("bdl-5", "must have a resource, a request or a response", _entry),
        ("bdl-8", "must not have a version in its fullUrl", _full_url),
    ),
}
"""By type or nested structure. (key in R4, what the element must do, the check)."""
