"""HL7's own cases for patches (fhir-test-cases, r4/patch): each must come out as it says, or be refused where it says so."""

from __future__ import annotations

import io
import json
import tarfile
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from kjerne.errors import Refusal
from kjerne.fhir import fhirpath_patch, json_patch
from kjerne.fhir.xml_format import from_xml

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
        before, patch = from_xml(case.find("input")[0]), from_xml(case.find("diff")[0])
        if case.find("error") is not None:
            with pytest.raises(Refusal):
                fhirpath_patch.apply(before, fhirpath_patch.read(patch))
        else:
            assert fhirpath_patch.apply(before, fhirpath_patch.read(patch)) == from_xml(case.find("output")[0]), (
                case.get("name")
            )
    assert len(cases) == 33
