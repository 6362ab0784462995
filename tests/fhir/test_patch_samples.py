"""HL7's own cases for patches (fhir-test-cases, r4/patch): each must come out as it says, or be refused where it says so."""

from __future__ import annotations

import io
import json
import tarfile
from copy import deepcopy
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from kjerne.errors import Refusal
from kjerne.fhir import fhirpath_patch, json_patch, xml_patch
from kjerne.fhir.from_xml import read as read_xml
from kjerne.fhir.xml_format import NAMESPACE
from kjerne.wire.xml import parse

CASES = Path(__file__).parents[3] / "shared" / "data" / "fhir" / "patch-tests.tgz"
pytestmark = pytest.mark.skipif(not CASES.exists(), reason="the patch tests of ../shared are not beside this checkout")


@cache
def held(name: str) -> bytes:
    with tarfile.open(CASES) as archive:
        found = archive.extractfile(f"patch/{name}")
        assert found is not None
        return found.read()


def xml(name: str) -> list[etree._Element]:
    return etree.parse(io.BytesIO(held(name)), etree.XMLParser(resolve_entities=False)).getroot().findall("case")


def document(case: etree._Element, name: str) -> etree._Element:
    """What stands in an element of a case as a document of its own; where nothing does, what the door for XML makes of that."""
    inner = next((child for child in case.find(name) if isinstance(child.tag, str)), None)
    if inner is None:
        return parse(b"")
    found = deepcopy(inner)
    found.tail = None
    return found


def bare(node: etree._Element) -> Any:
    """An element without the spaces between elements, in which these cases are careless."""
    texts = [(node.text or "").strip(), *((child.tail or "").strip() for child in node)]
    return (
        str(node.tag),
        sorted(node.attrib.items()),
        sorted(node.nsmap.items(), key=str),
        texts,
        [bare(one) for one in node],
    )


def test_all_cases_of_xml_patch() -> None:
    cases = xml("xml-patch-tests.xml")
    for case in cases:
        operations = case.find(f"{{{NAMESPACE}}}patch")
        if case.find("error") is not None:
            with pytest.raises(Refusal):
                xml_patch.apply(document(case, "target"), xml_patch.read(operations))
        else:
            after = xml_patch.apply(document(case, "target"), xml_patch.read(operations))
            assert bare(after) == bare(document(case, "patched")), case.get("name")
    assert len(cases) == 29


def test_all_cases_of_json_patch() -> None:
    cases = json.loads(held("json-patch-tests.json"), parse_float=Decimal)
    for case in cases:
        if "error" in case:
            with pytest.raises(Refusal):
                json_patch.apply(case["doc"], json_patch.read(case["patch"]))
        else:
            after = json_patch.apply(case["doc"], json_patch.read(case["patch"]))
            assert json_patch.same(after, case["expected"]), case["comment"]
    assert len(cases) == 16


def test_all_cases_of_fhirpath_patch() -> None:
    cases = xml("fhir-patch-tests.xml")
    for case in cases:
        before, patch = read_xml(case.find("input")[0]).tree, read_xml(case.find("diff")[0]).tree
        if case.find("error") is not None:
            with pytest.raises(Refusal):
                fhirpath_patch.apply(before, fhirpath_patch.read(patch))
        else:
            after = read_xml(case.find("output")[0]).tree
            assert fhirpath_patch.apply(before, fhirpath_patch.read(patch)) == after, case.get("name")
    assert len(cases) == 33
