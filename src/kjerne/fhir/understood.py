"""What a valid resource says that nobody here could act on: it is refused on write, or it would be misread or unseen.

A finding that is contained in another resource would be on no page, under no law of its own and found by no search: it must
be a record, which a Specimen, a Patient or a Practitioner need not be. An element in `modifierExtension` may turn the
meaning of what is around it ("this is not", "of another"), and whoever does not know it must not process that (R4
extensibility.html#modifierExtension). None is known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kjerne.errors import Fault

_IN_DOUBT: Final = (b"modifierExtension", b"contained", b"\\u")
"""Bytes that may name such an element; a name may be spelled by its code points."""
_FINDINGS: Final = frozenset(
    {"DiagnosticReport", "DocumentReference", "ImagingStudy", "Media", "MolecularSequence", "Observation"}
    | {"QuestionnaireResponse"}
)
"""What `result`, `hasMember`, `derivedFrom` and `media` may lead to."""


def not_understood(raw: bytes, tree: Mapping[str, Any]) -> list[Fault]:
    """The faults of a valid resource, `raw` parsed as `tree`, that keep it from being filed."""
    if not any(one in raw for one in _IN_DOUBT):
        return []
    says = "The element changes the meaning of what it stands in, by an extension that is not known here."
    found = [Fault(says, where, "extension", "modifier-extension") for where in _modifiers(tree)]
    says = "What was found must be a record of its own, and not be contained in another."
    found += [
        Fault(says, f"{tree['resourceType']}.contained[{place}]", "not-supported", "contained-finding")
        for place, one in enumerate(tree.get("contained", ()))
        if one.get("resourceType") in _FINDINGS
    ]
    return found


def turned(tree: Any, where: str) -> list[Fault]:
    """What may turn the meaning of a foreign resource of any shape, at any depth: an element of `modifierExtension`, and rules
    that a reader must know (R4 resource.html#implicitRules). `where` is what the resource is called."""
    found = list[Fault]()
    waiting: list[tuple[str, Any]] = [(where, tree)]
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{at}[{place}]", one) for place, one in enumerate(value)]
        elif isinstance(value, dict):
            if value.get("modifierExtension"):
                says = "an extension that is not known here may change what it means"
                found.append(Fault(says, f"{at}.modifierExtension", "extension", "modifier-extension"))
            if value.get("implicitRules"):
                says = "it follows rules that are not known here and may change what it means"
                found.append(Fault(says, f"{at}.implicitRules", "not-supported", "implicit-rules"))
            waiting += [(f"{at}.{name}", one) for name, one in value.items() if isinstance(one, (dict, list))]
    return found


def _modifiers(tree: Mapping[str, Any]) -> Iterator[str]:
    """The path of every modifier extension. Iterative: depth is the sender's."""
    waiting: list[tuple[str, Any]] = [(str(tree["resourceType"]), tree)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{where}[{place}]", one) for place, one in enumerate(value)]
        elif isinstance(value, dict):
            yield from (
                f"{where}.modifierExtension[{place}]" for place, _ in enumerate(value.get("modifierExtension", ()))
            )
            waiting += [(f"{where}.{name}", one) for name, one in value.items() if isinstance(one, (dict, list))]
