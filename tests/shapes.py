"""JSON of any shape under the names that documents have, as generators of hypothesis."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

NAMES = (
    "resourceType", "entry", "resource", "fullUrl", "identifier", "system", "value", "subject", "patient", "reference", "type",
    "display", "code", "coding", "text", "div", "name", "given", "family", "section", "contained", "id", "extension", "url",
    "valueReference", "modifierExtension", "implicitRules", "status", "timestamp", "date", "title", "emptyReason", "meta",
    "practitioner", "organization", "start", "end", "birthDate", "device", "author", "custodian", "link", "other", "data",
)  # fmt: skip
TYPES = (
    "Bundle",
    "Composition",
    "Patient",
    "AllergyIntolerance",
    "Condition",
    "DeviceUseStatement",
    "Device",
    "Organization",
)
WORDS = (
    *TYPES,
    "document",
    "Patient/p",
    "#p",
    "p",
    "urn:oid:2.16.578.1.12.4.1.4.1",
    "01019012345",
    "2026-01-01",
    "",
    "<b>",
)
_ALONE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS),
)
ANYTHING = st.recursive(
    _ALONE,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=14,
)
"""Whatever JSON can say."""


@st.composite
def spoiled(draw: st.DrawFn, tree: dict[str, Any]) -> dict[str, Any]:
    """A document of which some places have become anything."""
    made: dict[str, Any] = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(made))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        holder[key] = draw(ANYTHING)
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree but that of its type."""
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if key != "resourceType":
            yield value, key
        if isinstance(one, (dict, list)):
            yield from _places(one)
