"""JSON to XML and back: nothing is lost, digits of decimals neither."""

from __future__ import annotations

import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from kjerne.fhir.encode import decode
from kjerne.fhir.from_xml import read
from kjerne.fhir.primitives import is_string
from kjerne.fhir.xml_format import to_xml
from kjerne.wire.xml import parse

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "fhir" / "r4-official-examples-dev.tgz"
RESULT: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "r",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a &lt; <b>b</b></div>'},
    "contained": [
        {"resourceType": "Patient", "id": "p", "name": [{"given": ["Kari", None], "_given": [None, {"id": "g"}]}]}
    ],
    "extension": [{"url": "http://x", "valueBoolean": True}],
    "status": "final",
    "code": {"id": "c", "text": 'x "&" y\n z'},
    "valueQuantity": {"value": Decimal("1.10")},
    "component": [{"code": {"text": "y"}, "valueInteger": 3}],
    "_effectiveDateTime": {"extension": [{"url": "http://y", "valueCode": "unknown"}]},
}


def there_and_back(tree: dict[str, Any]) -> dict[str, Any]:
    return read(parse(etree.tostring(to_xml(tree, parse)))).tree


def test_a_resource_comes_back_as_it_was() -> None:
    after = there_and_back(RESULT)
    assert after == RESULT
    assert str(after["valueQuantity"]["value"]) == "1.10"


@given(
    st.text(min_size=1, max_size=6)
    | st.sampled_from(["x\ufffey", "\uffff", "\ufdd0", "\U0001fffe", "a\x0b", "\x85\u2028"])
)
def test_what_is_a_string_goes_to_xml_and_back_and_nothing_else_stops_an_answer(text: str) -> None:
    after = there_and_back(RESULT | {"code": {"text": text}})["code"]["text"] if is_string(text) else None
    assert after in (None, text)
    if after is None:
        assert to_xml(RESULT | {"code": {"text": text}}, parse) is not None


def test_elements_stand_in_the_order_of_the_specification() -> None:
    names = [etree.QName(child).localname for child in to_xml(RESULT, parse)]
    assert names == [
        "id",
        "text",
        "contained",
        "extension",
        "status",
        "code",
        "effectiveDateTime",
        "valueQuantity",
        "component",
    ]


@pytest.mark.skipif(not EXAMPLES.exists(), reason="../shared is not beside the checkout")
def test_the_official_examples_come_back_as_they_were() -> None:
    differing, count = [], 0
    with tarfile.open(EXAMPLES) as archive:
        for member in archive.getmembers():
            found = archive.extractfile(member) if member.name.endswith(".json") else None
            if found is None:
                continue
            tree, count = decode(found.read()), count + 1
            if _spaceless(there_and_back(tree)) != _spaceless(tree):
                differing.append(member.name)
    assert count > 100
    assert differing == []


def _spaceless(value: Any) -> Any:
    """A tree with the narratives' XML in one spelling: how a narrative is spelled is not what this is about."""
    if isinstance(value, dict):
        return {
            name: etree.canonicalize(one) if name == "div" and isinstance(one, str) else _spaceless(one)
            for name, one in value.items()
        }
    return [_spaceless(one) for one in value] if isinstance(value, list) else value
