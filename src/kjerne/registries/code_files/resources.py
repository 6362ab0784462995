"""CodeSystem, ValueSet and ConceptMap resources in JSON files, alone or in a Bundle; and the parts of such a code system."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kjerne.fhir.terminology.listed import concepts_of
from kjerne.fhir.terminology.parts import Known, Named, Part, Under, Valued
from kjerne.registries.code_files.sources import Source

TYPES: Final = frozenset({"CodeSystem", "ValueSet", "ConceptMap"})
FILE_LIMIT_BYTES: Final = 64_000_000
"""Such a file is read whole; a larger system has a form of its own."""
Tree = dict[str, Any]


def is_one(head: bytes) -> bool:
    """Whether a file is JSON with a resource."""
    return head.lstrip().startswith(b"{") and b'"resourceType"' in head


def resources(source: Source, meter: Callable[[int], None]) -> list[Tree]:
    """The resources about terminology in a file. `Refusal` 422 where it cannot be read."""
    if source.size > FILE_LIMIT_BYTES:
        raise source.refused(f"a file of resources has at most {FILE_LIMIT_BYTES} bytes")
    with source.chunks(meter) as file:
        raw = file.read()
    try:
        tree = json.loads(raw)
    except json.JSONDecodeError as error:
        raise source.refused("the file is no JSON, or is cut off", error.lineno) from None
    except (UnicodeDecodeError, RecursionError):
        raise source.refused("the file is no JSON in UTF-8") from None
    entries = tree.get("entry", []) if tree.get("resourceType") == "Bundle" else [{"resource": tree}]
    found = [one.get("resource") for one in entries if isinstance(one, dict)]
    return [one for one in found if isinstance(one, dict) and one.get("resourceType") in TYPES]


def parts(resource: Mapping[str, Any]) -> Iterator[Part]:
    """What a CodeSystem that is complete says."""
    seen = set[str]()
    for one in concepts_of(resource):
        if one.code not in seen:
            yield Known(one.code, one.display, one.definition, one.active, one.abstract)
        seen.add(one.code)
        yield from (Under(one.code, parent) for parent in one.parents)
        yield from (Valued(one.code, *each) for each in one.properties)
        yield from (Named(one.code, each.value, each.language) for each in one.designations)
