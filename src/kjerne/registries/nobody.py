"""That a record of a registry or a space is about no patient: what would lead to one, or name one, is refused.

Such records lie open to everybody who may read anything here, so what stands in them is told to all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kjerne.errors import Fault, Refusal
from kjerne.registries import identifiers
from kjerne.registries.homes import HOMES, SHARED_TYPES
from kjerne.registries.naming import NATIONAL_SYSTEMS

PEOPLE: Final = frozenset({"Patient", "Person", "RelatedPerson", "Group", "ResearchSubject"})
_TYPE: Final = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)(?:/[A-Za-z0-9.\-]{1,64})?(?:/_history/.*)?$")
_NUMBERED: Final = NATIONAL_SYSTEMS - {""}


def check_of_nobody(tree: Mapping[str, Any]) -> None:
    """`Refusal` 422 with every place where a valid resource leads to a patient's record, or holds a person number."""
    found = [
        *(_fault(f"{tree['resourceType']}.contained[{place}]", "a record of hers is contained in it") for place, one
          in enumerate(tree.get("contained", ())) if one.get("resourceType") not in SHARED_TYPES),
        *_faults(str(tree["resourceType"]), tree),
    ]  # fmt: skip
    if found:
        first, *rest = found
        raise Refusal(
            422, first.says, where=first.where, code=first.code, fault=first, faults=tuple(rest),
            todo="A record that lies open is about no patient: file what is about one on her.",
        )  # fmt: skip


def _faults(where: str, value: Any) -> Iterator[Fault]:
    if isinstance(value, list):
        for place, one in enumerate(value):
            yield from _faults(f"{where}[{place}]", one)
    elif isinstance(value, dict):
        if _leads_to_a_patient(value):
            yield _fault(where, "it leads to a patient or to what is filed on one")
        if _is_a_number(value):
            yield _fault(where, "a person number stands in it")
        for name, one in value.items():
            if isinstance(one, (dict, list)):
                yield from _faults(f"{where}.{name}", one)


def _leads_to_a_patient(value: Mapping[str, Any]) -> bool:
    reference = value.get("reference")
    if not isinstance(reference, str):
        return False
    found = _TYPE.search(reference)
    names = [value.get("type", ""), found[1] if found else ""]
    return identifiers.stands_in(reference) or any(
        name in PEOPLE or (name in HOMES and HOMES[name].kind == "patient") for name in names
    )


def _is_a_number(value: Mapping[str, Any]) -> bool:
    """Of an identifier: in a system of person numbers, or by its digits. A long code elsewhere may look like one."""
    if "value" not in value or not isinstance(value["value"], str):
        return False
    return value.get("system") in _NUMBERED or identifiers.stands_in(value["value"])


def _fault(where: str, says: str) -> Fault:
    return Fault(f"The element is about a patient: {says}.", where, "business-rule", "about-nobody")
