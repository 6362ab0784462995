"""A resource is right or its faults are named by element path; nothing sent in is repeated and nothing breaks it."""

from __future__ import annotations

import contextlib
import copy
import json
import tarfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir import definitions, vital_signs
from kjerne.fhir.from_xml import read
from kjerne.fhir.index import index
from kjerne.fhir.lengths import NAME_LIMIT_CHARACTERS
from kjerne.fhir.profiles import Profiles
from kjerne.fhir.shelf import Shelf
from kjerne.fhir.validate import FAULTS_LIMIT, check
from kjerne.wire.json import parse
from kjerne.wire.xml import parse as parse_xml

EXAMPLES = Path(__file__).parents[3] / "shared" / "data" / "fhir" / "r4-official-examples-dev.tgz"
CASES = EXAMPLES.with_name("validator-cases-dev.tgz")
PROFILES = Profiles(Shelf())

POTASSIUM: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "urn:oid:1.2", "code": "NPU03230"}]},
    "subject": {"identifier": {"value": "x"}},
    "effectiveDateTime": "2024-03-14T08:15:00+01:00",
    "valueQuantity": {
        "value": Decimal("4.10"),
        "unit": "mmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "mmol/L",
    },
    "referenceRange": [{"low": {"value": Decimal("3.5")}, "high": {"value": Decimal("4.4")}}],
}


def faults(type: str = "Observation", **changes: Any) -> list[str]:
    tree = copy.deepcopy(POTASSIUM) if type == "Observation" else {"resourceType": type}
    for name, value in changes.items():
        if value is None:
            tree.pop(name)
        else:
            tree[name] = value
    return [fault.where for fault in check(tree, type)]


def test_a_plain_result_is_right() -> None:
    assert faults() == []


def named(name: str) -> dict[str, Any]:
    coding = {"system": "urn:oid:1.2", "code": "x"}
    return {
        "code.text": {"code": {"text": name}},
        "code.coding[0].code": {"code": {"coding": [coding | {"code": name}]}},
        "code.coding[0].display": {"code": {"coding": [coding | {"display": name}]}},
        "method.text": {"method": {"text": name}},
        "valueQuantity.unit": {"valueQuantity": {"value": 1, "unit": name}},
        "valueQuantity.code": {"valueQuantity": {"value": 1, "system": "urn:oid:1.2", "code": name}},
        "component[0].code.text": {"component": [{"code": {"text": name}}]},
        "performer[0].display": {"performer": [{"display": name}]},
        "valueCodeableConcept.coding[0].display": {
            "valueQuantity": None,
            "valueCodeableConcept": {"coding": [coding | {"display": name}]},
        },
    }


@pytest.mark.parametrize("where", named(""))
def test_a_name_that_no_page_can_show_is_refused(where: str) -> None:
    assert faults(**named("x" * NAME_LIMIT_CHARACTERS)[where]) == []
    assert faults(**named("x" * (NAME_LIMIT_CHARACTERS + 1))[where]) == [f"Observation.{where}"]


def test_a_text_that_is_the_answer_may_be_long() -> None:
    assert faults(valueQuantity=None, valueCodeableConcept={"text": "Røntgen thorax. " * 5_000}) == []
    assert faults(note=[{"text": "Kommentar. " * 5_000}]) == []


@pytest.mark.parametrize("text", ["pO2 < base excess", "a < form > b", "<12", "x </ script", "<basement", "<linked>"])
def test_text_that_compares_is_no_html(text: str) -> None:
    assert faults(note=[{"text": text}]) == []


@pytest.mark.parametrize("text", ["<script>", "a<SCRIPT src=x>", "</script>", "<base/>", "<iframe\nsrc=x>", "<object"])
def test_a_tag_that_does_something_is_no_text(text: str) -> None:
    assert faults(note=[{"text": text}]) == ["Observation.note[0].text"]


def test_a_text_of_spaces_is_looked_at_once() -> None:
    before = time.process_time()
    assert faults(note=[{"text": "<" + " " * 30_000 + "x"}]) == []
    # It took over a minute where every space could begin the rest anew.
    assert time.process_time() - before < 10


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"status": None}, ".status"),
        ({"status": "finished"}, ".status"),
        ({"status": ["final"]}, ".status"),
        ({"status": {}}, ".status"),
        ({"colour": "red"}, ".colour"),
        ({"1-2": "red"}, ""),
        ({"code": {}}, ".code"),
        ({"code": {"id": "a"}}, ".code"),
        ({"code": []}, ".code"),
        ({"code": {"coding": []}}, ".code.coding"),
        ({"code": {"coding": {}}}, ".code.coding"),
        ({"code": {"coding": [{"code": " x"}]}}, ".code.coding[0].code"),
        ({"code": {"text": ""}}, ".code.text"),
        ({"code": {"text": "a\x00b"}}, ".code.text"),
        ({"code": {"text": "a\ud800b"}}, ".code.text"),
        ({"valueString": "both"}, ".valueString"),
        ({"valueColour": "red"}, ".valueColour"),
        ({"effectiveDateTime": "2024-02-30"}, ".effectiveDateTime"),
        ({"effectiveDateTime": "2023-02-29"}, ".effectiveDateTime"),
        ({"effectiveDateTime": "2024-03-14T08:15"}, ".effectiveDateTime"),
        ({"effectiveDateTime": "2024-03-14T08:15:00"}, ".effectiveDateTime"),
        ({"effectiveDateTime": "2024-03-14T24:00:00Z"}, ".effectiveDateTime"),
        ({"effectiveDateTime": "2024-03-14T08:15:00+14:30"}, ".effectiveDateTime"),
        ({"effectiveDateTime": "2024-03-14T08:15:00+05:99"}, ".effectiveDateTime"),
        ({"effectiveDateTime": "2016-12-31T23:59:60+05:60"}, ".effectiveDateTime"),
        ({"subject": {"reference": "Patient/1", "type": "Device"}}, ".subject.type"),
        ({"effectiveDateTime": "20240314"}, ".effectiveDateTime"),
        ({"issued": "2024-03-14"}, ".issued"),
        ({"valueQuantity": {"value": "4.1"}}, ".valueQuantity.value"),
        ({"valueQuantity": {"value": True}}, ".valueQuantity.value"),
        ({"valueQuantity": {"value": 4, "code": "g"}}, ".valueQuantity"),
        ({"valueQuantity": {"value": 4, "comparator": "~"}}, ".valueQuantity.comparator"),
        ({"subject": {"reference": "Specimen/1"}}, ".subject"),
        ({"subject": {"reference": "Nothing/1"}}, ".subject.reference"),
        ({"subject": {"reference": "1"}}, ".subject.reference"),
        ({"subject": {"reference": "#1"}}, ".subject.reference"),
        ({"subject": {"type": "Specimen", "display": "x"}}, ".subject"),
        ({"referenceRange": [{"appliesTo": [{"text": "x"}]}]}, ".referenceRange[0]"),
        ({"dataAbsentReason": {"text": "x"}}, ""),
        ({"component": [{"code": POTASSIUM["code"], "valueString": "x"}]}, ""),
        ({"note": [{"text": "a"}, {"time": "2024"}]}, ".note[1].text"),
        ({"id": "a b"}, ".id"),
        ({"id": "x" * 65}, ".id"),
        ({"meta": {"profile": ["a b"]}}, ".meta.profile[0]"),
        ({"extension": [{"url": "urn:x"}]}, ".extension[0]"),
        ({"extension": [{"url": "urn:x", "valueId": "a", "extension": [{"url": "y", "valueId": "b"}]}]}, ".extension[0]"),
        ({"extension": [{"valueString": "a"}]}, ".extension[0].url"),
        ({"effectiveDateTime": None, "effectivePeriod": {"start": "2025", "end": "2024"}}, ".effectivePeriod"),
        ({"text": {"status": "generated", "div": "<div><script>x</script></div>"}}, ".text.div"),
        ({"text": {"status": "generated", "div": '<div><p onclick="x">y</p></div>'}}, ".text.div"),
        ({"contained": [{"resourceType": "Nothing", "id": "d"}], "device": {"reference": "#d"}}, ".contained[0]"),
        ({"contained": [{"resourceType": "Device", "id": "d"}]}, ".contained[0]"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_element(changes: dict[str, Any], where: str) -> None:
    assert faults(**changes) == [f"Observation{where}"]


def sampled(data: Any) -> dict[str, Any]:
    return {"origin": {"value": 0}, "period": 10, "dimensions": 1, "data": data}


BAD_SAMPLES = [
    "1 ? 3", "a", "-", "1,2", "sNaN", "NaN", "Infinity", "-Infinity", "1E1000000000", "1e999999", "1  2", " 1", "1 ", "1\n2",
    "1\u00a02", "1_0", "+1", ".5", "1.", "007", "e", "\u0661", "1" * 31, "1." + "1" * 31, "1e100", 1,
]  # fmt: skip


@pytest.mark.parametrize("data", BAD_SAMPLES)
def test_samples_that_are_no_numbers_are_a_fault_wherever_they_stand(data: Any) -> None:
    value = {"valueSampledData": sampled(data)}
    assert faults(valueQuantity=None, **value) == ["Observation.valueSampledData.data"]
    part = {"code": {"text": "x"}, **value}
    assert faults(component=[part]) == ["Observation.component[0].valueSampledData.data"]
    former = [{"url": "urn:x", "extension": [{"url": "value", **value}]}]
    assert faults(extension=former) == ["Observation.extension[0].extension[0].valueSampledData.data"]


@pytest.mark.parametrize("data", ["1", "0 -0.5 12 E U L", "1e-7 2.50E+3", " ".join(["2041"] * 50_000)])
def test_samples_as_r4_writes_them_are_right(data: str) -> None:
    assert faults(valueQuantity=None, valueSampledData=sampled(data)) == []


def test_the_type_must_be_the_one_that_was_asked_for() -> None:
    assert check({"resourceType": "Patient"}, "Observation")[0].where == "resourceType"


@pytest.mark.parametrize(
    "changes",
    [
        {"effectiveDateTime": "2024"},
        {"effectiveDateTime": "2024-02-29"},
        {"effectiveDateTime": "2015-06-30T23:59:60Z"},
        {"issued": "2024-03-14T08:15:00.123+01:00"},
        {"effectiveDateTime": None, "_effectiveDateTime": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}},
        {"status": None, "_status": {"extension": [{"url": "urn:x", "valueCode": "unknown"}]}},
        {"contained": [{"resourceType": "Device", "id": "d"}], "device": {"reference": "#d"}},
        {"performer": [{"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.4", "value": "1"}, "display": "Lege"}]},
        {"effectiveDateTime": None, "effectivePeriod": {"start": "2024-03-14", "end": "2024"}},
    ],
)
def test_what_r4_allows_is_right(changes: dict[str, Any]) -> None:
    assert faults(**changes) == []


def test_a_hole_in_a_list_needs_an_extension_beside_it() -> None:
    beside = {"extension": [{"url": "urn:x", "valueCode": "masked"}]}
    assert faults("Patient", name=[{"given": ["Kari", None], "_given": [None, beside]}]) == []
    assert faults("Patient", name=[{"given": ["Kari", None]}]) == ["Patient.name[0].given[1]"]
    assert faults("Patient", name=[{"given": [None], "_given": [None, beside]}]) == ["Patient.name[0].given[0]"]


def test_a_contained_resource_contains_none_and_has_no_version() -> None:
    inner = {"resourceType": "Device", "id": "d", "meta": {"versionId": "1"}, "contained": [{"resourceType": "Device"}]}
    found = check(POTASSIUM | {"contained": [inner], "device": {"reference": "#d"}}, "Observation")
    assert {text for fault in found for text in ("dom-2", "dom-4") if text in fault.says} == {"dom-2", "dom-4"}


def test_resources_in_a_bundle_are_checked_too() -> None:
    entry = {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Observation", "status": "final"}}
    found = check({"resourceType": "Bundle", "type": "collection", "entry": [entry, entry]}, "Bundle")
    assert "Bundle.entry[1].resource.code" in [fault.where for fault in found]
    assert any("bdl-7" in fault.says for fault in found)


def test_a_fault_never_repeats_what_was_sent() -> None:
    tree = POTASSIUM | {
        "01010112345": 1,
        "id": "01010112345 ",
        "status": "01010112345",
        "device": {"reference": "#01010112345"},
    }
    assert "01010112345" not in repr(check(tree, "Observation"))


def test_a_hostile_resource_has_a_limited_number_of_faults() -> None:
    assert len(check(POTASSIUM | {"note": [{"x": 1}] * 10_000}, "Observation")) <= FAULTS_LIMIT


@pytest.mark.parametrize(
    ("held", "reference", "where"),
    [
        ("Specimen", {"reference": "#a"}, []),
        ("Specimen", {"reference": "#a", "type": "Specimen"}, []),
        ("Medication", {"reference": "#a"}, ["Observation.specimen"]),
        ("Specimen", {"reference": "#a", "type": "Medication"}, ["Observation.specimen"]),
    ],
)
def test_a_local_reference_leads_to_a_type_that_it_may_lead_to(held: str, reference: Any, where: list[str]) -> None:
    tree = {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "specimen": reference,
        "contained": [{"resourceType": held, "id": "a"}],
    }  # fmt: skip
    assert [one.where for one in check(tree, "Observation")] == where


def test_many_local_references_hide_no_fault() -> None:
    device = {"resourceType": "Device", "id": "d"}
    tree = POTASSIUM | {"contained": [device], "focus": [{"reference": "#d"}] * 300}
    assert check(tree, "Observation") == []
    assert [fault.where for fault in check(tree | {"issued": "x"}, "Observation")] == ["Observation.issued"]
    assert check(POTASSIUM | {"focus": [{"reference": "#d"}] * 300}, "Observation")


@pytest.mark.parametrize("data", ["A " * 40_000, "AAAA " * 20_000 + "!", " " * 100_000, "=" * 100_000])
def test_base64_costs_linear_time(data: str) -> None:
    started = time.process_time()
    check({"resourceType": "Binary", "contentType": "text/plain", "data": data}, "Binary")
    assert time.process_time() - started < 1


def official() -> list[tuple[str, bytes]]:
    if not EXAMPLES.exists():
        return []
    with tarfile.open(EXAMPLES) as archive:
        files = [(member.name, archive.extractfile(member)) for member in archive if member.name.endswith(".json")]
        return [(name, file.read()) for name, file in files if file]


MADE = {"known-extension", "que-1"}
"""Of questionnaires made from profiles: an extension that no package of HL7's has, and groups without items."""


def give_link_ids(node: dict[str, Any], prefix: str = "x") -> None:
    for place, item in enumerate(node.get("item", [])):
        item["linkId"] = f"{prefix}.{place}"
        give_link_ids(item, item["linkId"])


# Errors of the published examples themselves, by what they are.
PUBLISHED = {
    "a reference to a type that the element does not allow": """
        devicemetric-example.json medicationrequest0301.json observation-example-clinical-gender.json
    """,
    "a unit that UCUM does not have (mEq, month)": """
        medicationdispense0309.json medicationdispense0313.json medicationdispense0327.json medicationdispense0328.json
        medicationdispense0329.json medicationrequest0322.json visionprescription-example-1.json
    """,
    "an empty narrative": "activitydefinition-supplyrequest-example.json",
    "a hash that is not the data's": "diagnosticreport-example-pgx.json",
    "an extension that HL7's package does not have": "json-edge-cases.json",
}


@pytest.mark.skipif(not EXAMPLES.exists(), reason="../shared is not beside the checkout")
def test_the_official_examples_are_right() -> None:
    wrong = set(" ".join(PUBLISHED.values()).split())
    for name, raw in official():
        file = name.rpartition("/")[2]
        tree = parse(raw, limit_bytes=10_000_000)
        made = file.endswith("-questionnaire.json")
        if made:
            # Made from profiles, they lack the linkId that R4 requires; mended, so that it hides no other fault.
            give_link_ids(tree)
        found = [one for one in check(tree, tree["resourceType"]) if not (made and one.rule in MADE)]
        assert bool(found) == (file in wrong), (file, found)
        index(tree)


@pytest.mark.parametrize(
    ("type", "changes", "where"),
    [
        ("Observation", {"status": "zz"}, "Observation.status"),
        ("Observation", {"status": 1}, "Observation.status"),
        (
            "AllergyIntolerance",
            {"clinicalStatus": {"coding": [{"code": "active"}]}},
            "AllergyIntolerance.clinicalStatus",
        ),
        ("Bundle", {"type": "zz"}, "Bundle.type"),
        ("Organization", {"telecom": [{"system": "zz"}]}, "Organization.telecom[0].system"),
        ("Media", {"content": {"contentType": "!"}}, "Media.content.contentType"),
    ],
)
def test_a_code_beside_a_required_list_of_r4_has_the_rule_of_it(type: str, changes: dict[str, Any], where: str) -> None:
    found = check({"resourceType": type} | changes, type)
    assert (where, "code-invalid", "required-binding") in [(one.where, one.code, one.rule) for one in found]


# Where we and the reference validator differ on "has errors"; docs/validation.md has the same table.
ACCEPTED = {
    "needs the codes of CVX": "cvx",
    "needs the codes of SNOMED CT": "uk-msg",
    "a setting of the reference, as it publishes": "cs-narrative-status-pub",
    "a setting of the reference, without which it accepts the same file": "bad-markdown-no-html",
}
REFUSED = {
    "a setting of the reference, without which it refuses the same file": (
        "json-comments-1-yes contained-resource-bad-id-ignore"
    ),
}


def is_right(raw: bytes, *, xml: bool) -> bool:
    try:
        tree = read(parse_xml(raw, limit_bytes=10_000_000)).tree if xml else parse(raw, limit_bytes=10_000_000)
    except Refusal:
        return False
    name = tree["resourceType"]
    meant = [profile for profile, held in vital_signs.meant(tree, name).items() if held]
    return not check(tree, name) and not any(PROFILES.check(tree, one) for one in meant)


@pytest.mark.skipif(not CASES.exists(), reason="../shared is not beside the checkout")
def test_the_published_validator_cases_differ_only_where_it_is_written_down() -> None:
    with tarfile.open(CASES) as archive:
        files = {one.name.removeprefix("validator/"): archive.extractfile(one) for one in archive if one.isfile()}
        content = {name: file.read() for name, file in files.items() if file}
    cases = json.loads(content["cases.json"])
    wrong = {case["name"] for case in cases if case["reference_errors"] > 0}
    ours = {case["name"] for case in cases if not is_right(content[case["file"]], xml=case["file"].endswith(".xml"))}
    assert wrong - ours == set(" ".join(ACCEPTED.values()).split())
    assert ours - wrong == set(" ".join(REFUSED.values()).split())
    assert len(cases) - len(wrong ^ ours) >= 74


VALUES = st.recursive(
    st.sampled_from([None, True, 0, -1, 10**17, Decimal("1.5")])
    | st.sampled_from(["", "x", "2024", "#a", "Patient/1", "<div>x</div>", "a\x00", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("coding code value extension url reference id text entry resource resourceType x".split()),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
ELEMENTS = st.sampled_from(
    """
    id meta text contained extension identifier status code subject effectiveTiming effectivePeriod valueQuantity
    valueRange _status _issued component referenceRange entry name telecom value period
    """.split()
)
JUDGED = st.sampled_from("Observation Bundle Patient Condition Composition Questionnaire MedicationRequest".split())


@given(JUDGED, st.dictionaries(ELEMENTS, VALUES, max_size=6))
@settings(max_examples=200, deadline=None)
def test_any_tree_is_judged_and_indexed_without_an_error(type: str, elements: dict[str, Any]) -> None:
    tree = {"resourceType": type} | elements
    assert all(fault.says for fault in check(tree, type))
    with contextlib.suppress(Refusal):
        index(tree)


@pytest.mark.parametrize("junk", [None, 1, "x", [], {}, [[]], {"x": []}])
def test_what_is_no_text_where_a_type_or_id_should_be_is_a_fault(junk: Any) -> None:
    for inner in ({"resourceType": junk}, {"resourceType": "Device", "id": junk}):
        assert check(POTASSIUM | {"contained": [inner]}, "Observation")
    entry = {"resource": {"resourceType": junk}}
    assert check({"resourceType": "Bundle", "type": "collection", "entry": [entry]}, "Bundle")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_right_resource_with_one_thing_broken_is_never_taken_for_right(data: st.DataObject) -> None:
    tree = json.loads(json.dumps(POTASSIUM, default=float))
    places = [(tree, name) for name in tree if name != "resourceType"]
    for name in ("code", "valueQuantity", "subject"):
        places += [(tree[name], inner) for inner in tree[name]]
    where, name = data.draw(st.sampled_from(places))
    where[name] = data.draw(st.sampled_from([None, {}, [], "", [[]], {"x": 1}, [None]]))
    assert check(tree, "Observation")


CODINGS: dict[str, Any] = {"component": [{"code": {"coding": [[]]}}]}
INNER_BUNDLE: dict[str, Any] = {"contained": [{"resourceType": "Bundle", "id": "b", "type": {}, "entry": [{}]}]}
LISTED_LINK: dict[str, Any] = {"status": "draft", "item": [{"linkId": ["x"], "type": "string"}, {"linkId": ["x"]}]}
BRACED: dict[str, Any] = {
    "status": "draft",
    "compose": {
        "include": [
            {
                "system": "http://snomed.info/sct",
                "filter": [{"property": "constraint", "op": "=", "value": "<404684003:" + "{ " * 4_000}],
            }
        ]
    },
}


@pytest.mark.parametrize(
    ("type", "changes", "where"),
    [
        ("Observation", CODINGS, "Observation.component[0].code.coding[0]"),
        ("Observation", INNER_BUNDLE, "Observation.contained[0].type"),
        ("Questionnaire", LISTED_LINK, "Questionnaire.item[0].linkId"),
        ("ValueSet", BRACED, "ValueSet.compose.include[0].filter[0].value"),
    ],
)
def test_what_has_no_shape_is_a_fault_of_the_body_and_no_error_of_ours(
    type: str, changes: dict[str, Any], where: str
) -> None:
    assert where in faults(type, **changes)


ODD: Any = st.recursive(
    st.sampled_from([None, True, 0, -1, "", "#", "x", Decimal("1E+300"), [], {}]),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.just("coding"), inner, max_size=1)),
    max_leaves=3,
)


@given(st.sampled_from(["Observation", "Questionnaire", "Bundle", "ValueSet", "StructureDefinition"]), st.data())
@settings(max_examples=150, deadline=None)
def test_members_of_any_shape_are_faults_at_most(type: str, data: st.DataObject) -> None:
    names = sorted(element.name for element in definitions.elements(type).values())
    tree = {"resourceType": type} | data.draw(st.dictionaries(st.sampled_from(names), ODD, max_size=4))
    assert check(tree, type)
