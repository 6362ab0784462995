"""FHIR's XML becomes the tree of its JSON; what the tree could not show is refused with its line."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.from_xml import read
from kjerne.fhir.validate import check
from kjerne.wire.xml import parse

OBSERVATION = b"""<?xml version="1.0"?>
<Observation xmlns="http://hl7.org/fhir">
  <id value="o"/>
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div></text>
  <contained><Patient><id value="p"/><active value="true"/></Patient></contained>
  <extension url="urn:x"><valueString value="y"/></extension>
  <status value="final"/>
  <code id="c"><coding><system value="urn:x"/><code value="a"/></coding><coding><code value="b"/></coding></code>
  <subject><reference value="#p"/></subject>
  <issued value="2024-03-14T08:15:00Z"><extension url="urn:y"><valueCode value="z"/></extension></issued>
  <valueQuantity><value value="4.10"/></valueQuantity>
</Observation>"""


def test_an_observation_is_read_as_its_json() -> None:
    found = read(parse(OBSERVATION))
    assert found.tree == {
        "resourceType": "Observation",
        "id": "o",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>x</p></div>'},
        "contained": [{"resourceType": "Patient", "id": "p", "active": True}],
        "extension": [{"url": "urn:x", "valueString": "y"}],
        "status": "final",
        "code": {"id": "c", "coding": [{"system": "urn:x", "code": "a"}, {"code": "b"}]},
        "subject": {"reference": "#p"},
        "issued": "2024-03-14T08:15:00Z",
        "_issued": {"extension": [{"url": "urn:y", "valueCode": "z"}]},
        "valueQuantity": {"value": Decimal("4.10")},
    }
    assert check(found.tree, "Observation") == []
    assert found.lines["Observation.code.coding[1].code"] == 8


def test_a_list_of_primitives_keeps_its_holes() -> None:
    text = b"""<Patient xmlns="http://hl7.org/fhir"><name><given value="A"/><given>
        <extension url="urn:x"><valueCode value="y"/></extension></given><given value="C"/></name></Patient>"""
    name = read(parse(text)).tree["name"][0]
    assert name["given"] == ["A", None, "C"]
    assert name["_given"][1] == {"extension": [{"url": "urn:x", "valueCode": "y"}]}
    assert check({"resourceType": "Patient", "name": [name]}, "Patient") == []


@pytest.mark.parametrize(
    ("inner", "where"),
    [
        ('<colour value="red"/>', "Patient"),
        ('<active value="true" colour="red"/>', "Patient.active"),
        ("text", "Patient"),
        ("<active>text</active>", "Patient.active"),
        ("<active/>", "Patient.active"),
        ('<gender value="male"/><active value="true"/>', "Patient.active"),
        ('<gender value="male"/><name/>', "Patient.name[0]"),
        ('<name><family value="x"/></name><name><colour value="red"/></name>', "Patient.name[1]"),
        ('<name><given value="x"/><family value="x"/></name>', "Patient.name[0].family"),
        ('<active value="true"><id value="x"/></active>', "Patient.active"),
        ('<active value="true"/><active value="false"/>', "Patient.active"),
        (
            '<active value="true"/><active><extension url="urn:x"><valueCode value="y"/></extension></active>',
            "Patient.active",
        ),
        ("<contained/>", "Patient.contained[0]"),
        ("<contained><Thing/></contained>", "Patient.contained[0]"),
        ("<contained><Patient/><Patient/></contained>", "Patient.contained[0]"),
        ("<contained>text<Patient/></contained>", "Patient.contained[0]"),
        ('<contained id="x"><Patient/></contained>', "Patient.contained[0]"),
        ('<x:active xmlns:x="urn:x" value="true"/>', "Patient"),
    ],
)
def test_what_r4s_xml_has_not_is_refused_with_its_element_and_line(inner: str, where: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(parse(f'<Patient xmlns="http://hl7.org/fhir">\n{inner}</Patient>'.encode()))
    assert (refused.value.status, refused.value.where) == (422, where)
    fault = refused.value.fault
    assert fault is not None
    assert (fault.where, fault.code) == (where, "structure")
    # Text before the first element is the root's own, which begins a line before.
    assert fault.line == (1 if inner == "text" else 2)


@pytest.mark.parametrize("document", ["<Patient/>", '<x xmlns="http://hl7.org/fhir"/>'])
def test_what_is_no_resource_is_refused(document: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(parse(document.encode()))
    assert (refused.value.status, refused.value.where) == (422, "line 1")


@pytest.mark.parametrize(
    "inner",
    [
        '<active value="yes"/>',
        '<multipleBirthInteger value="1_0"/>',
        '<multipleBirthInteger value="\u0661"/>',
        '<multipleBirthInteger value=" 1 "/>',
        '<extension url="urn:x"><valueDecimal value="1_0"/></extension>',
        '<extension url="urn:x"><valueDecimal value=" 1.5 "/></extension>',
    ],
)
def test_what_the_tree_shows_is_left_to_the_validator(inner: str) -> None:
    tree = read(parse(f'<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>'.encode())).tree
    assert check(tree, "Patient")
