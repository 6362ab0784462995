"""What a profile asks beyond R4 is asked: cardinality, values, types, lists, invariants, slices, extensions."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guide_packages import Held, element, joined, package, profile
from kjerne.errors import Refusal
from kjerne.fhir import packages
from kjerne.fhir.judging import EXTENSIBLE, UNTOLD
from kjerne.fhir.profiles import CORE, Judged, Profile, Profiles, without_known
from kjerne.fhir.rulebook import rules
from kjerne.fhir.validate import check
from kjerne.fhir.value_sets import Codes, Has, Listed, OutOfReach

SHARED = Path(__file__).parents[3] / "shared" / "data" / "packages"
URL = "http://example.org/profile"
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
CODE = {"coding": [{"system": "urn:s", "code": "a"}]}


def known(*resources: dict[str, Any]) -> Profiles:
    return Profiles(joined(iter([packages.read(package(*resources))])))


def broken(*elements: dict[str, Any], **members: Any) -> list[tuple[str, str]]:
    """(place, rule) of what is wrong with an Observation under a profile of these elements."""
    found = known(profile("Observation", *elements)).check(OBSERVATION | members, URL)
    return [(one.where.removeprefix("Observation."), one.rule) for one in found]


@pytest.mark.parametrize(
    ("asked", "members", "wrong"),
    [
        (element("Observation.subject", 1), {"subject": {"display": "x"}}, []),
        (element("Observation.subject", 1), {}, [("subject", "profile-cardinality")]),
        (element("Observation.category", 0, "1"), {"category": [CODE, CODE]}, [("category", "profile-cardinality")]),
        (element("Observation.note", 0, "0"), {"note": [{"text": "x"}]}, [("note", "profile-cardinality")]),
        (element("Observation.status", fixedCode="final"), {}, []),
        (element("Observation.status", fixedCode="final"), {"status": "amended"}, [("status", "profile-value")]),
        (element("Observation.code", patternCodeableConcept=CODE), {"code": CODE | {"text": "more"}}, []),
        (element("Observation.code", patternCodeableConcept=CODE), {}, [("code", "profile-value")]),
        (element("Observation.value[x]", type=[{"code": "Quantity"}]), {"valueQuantity": {"value": 1}}, []),
        (
            element("Observation.value[x]", type=[{"code": "Quantity"}]),
            {"valueString": "x"},
            [("valueString", "profile-type")],
        ),
    ],
)
def test_an_element_is_as_the_profile_has_it(
    asked: dict[str, Any], members: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    assert broken(asked, **members) == wrong


def test_what_stands_below_an_element_is_asked_where_the_element_is() -> None:
    asked = [element("Observation.subject"), element("Observation.subject.display", 1)]
    assert broken(*asked) == []
    assert broken(*asked, subject={"reference": "Patient/1"}) == [("subject.display", "profile-cardinality")]


def test_an_invariant_of_the_profile_runs() -> None:
    rule = {"key": "x-1", "severity": "error", "human": "x", "expression": "note.exists()", "source": URL}
    root = {"id": "Observation", "path": "Observation", "min": 0, "max": "*", "constraint": [rule]}
    made = profile("Observation")
    made["snapshot"]["element"] = [root]
    assert [one.rule for one in known(made).check(OBSERVATION, URL)] == ["x-1"]
    assert known(made).check(OBSERVATION | {"note": [{"text": "x"}]}, URL) == []


def test_a_code_is_of_the_profiles_value_set_and_what_is_not_listed_is_told() -> None:
    included = [{"system": "urn:s", "concept": [{"code": "a"}]}]
    listed = {"resourceType": "ValueSet", "url": "urn:v", "compose": {"include": included}}
    asked = element("Observation.code", binding={"strength": "required", "valueSet": "urn:v"})
    profiles = known(profile("Observation", asked), listed)
    assert profiles.check(OBSERVATION | {"code": CODE}, URL) == []
    assert [one.rule for one in profiles.check(OBSERVATION, URL)] == ["required-binding"]
    alone = known(profile("Observation", asked))
    assert alone.check(OBSERVATION, URL) == []
    found = alone.find(URL)
    assert found is not None
    assert found.unjudged == ("Observation.code: urn:v",)


def sliced(kind: str, path: str, *slices: dict[str, Any], rules: str = "open") -> list[dict[str, Any]]:
    by = {"discriminator": [{"type": kind, "path": path}], "rules": rules}
    return [element("Observation.component", slicing=by), *slices]


SYSTOLIC = {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, "valueQuantity": {"value": 1}}
OTHER = {"code": {"text": "x"}, "valueString": "y"}
BY_CODE = sliced(
    "value", "code",
    element("Observation.component:systolic", 1, "1"),
    element("Observation.component:systolic.code", 1, "1", patternCodeableConcept=SYSTOLIC["code"]),
    element("Observation.component:systolic.value[x]", 1, "1", type=[{"code": "Quantity"}]),
    rules="closed",
)  # fmt: skip


@pytest.mark.parametrize(
    ("components", "wrong"),
    [
        ([SYSTOLIC], []),
        ([], [("component", "profile-cardinality")]),
        ([SYSTOLIC, SYSTOLIC], [("component", "profile-cardinality")]),
        ([SYSTOLIC, OTHER], [("component[1]", "profile-slice")]),
        ([SYSTOLIC | {"valueQuantity": None, "valueString": "x"}], [("component[0].valueString", "profile-type")]),
    ],
)
def test_a_slice_by_value_or_pattern(components: list[Any], wrong: list[tuple[str, str]]) -> None:
    assert broken(*BY_CODE, component=components) == wrong


def test_a_slice_by_type() -> None:
    asked = sliced("type", "value", element("Observation.component:text", 0, "1"),
                   element("Observation.component:text.value[x]", 1, "1", type=[{"code": "string"}]))  # fmt: skip
    assert broken(*asked, component=[SYSTOLIC, OTHER]) == []
    assert broken(*asked, component=[OTHER, OTHER]) == [("component", "profile-cardinality")]


ADDRESS = profile("Address", element("Address.city", 1), url="urn:address")
BOX = profile("Address", element("Address.line", 1), url="urn:box")


@pytest.mark.parametrize(
    ("profiles", "value", "wrong"),
    [
        (["urn:address"], {"city": "x"}, []), (["urn:address"], {"text": "x"}, ["Patient.address[0].city"]),
        (["urn:address", "urn:box"], {"line": ["x"]}, []),
        (["urn:address", "urn:box"], {"text": "x"}, ["Patient.address[0]"]),
        (["urn:address", "urn:elsewhere"], {"text": "x"}, []),
    ],
)  # fmt: skip
def test_a_value_keeps_to_one_of_the_profiles_of_its_type(
    profiles: list[str], value: dict[str, Any], wrong: list[str]
) -> None:
    asked = element("Patient.address", type=[{"code": "Address", "profile": profiles}])
    patient = {"resourceType": "Patient", "address": [value]}
    assert [one.where for one in known(profile("Patient", asked), ADDRESS, BOX).check(patient, URL)] == wrong


def test_a_binding_on_what_has_no_code_is_not_judged() -> None:
    included = [{"system": "urn:s", "concept": [{"code": "a"}]}]
    listed = {"resourceType": "ValueSet", "url": "urn:v", "compose": {"include": included}}
    asked = element("Observation.extension", binding={"strength": "required", "valueSet": "urn:v"})
    tree = OBSERVATION | {"extension": [{"url": "urn:x", "valueString": "x"}]}
    assert known(profile("Observation", asked), listed).check(tree, URL) == []


def test_codes_come_from_the_terminology_that_is_given() -> None:
    class Store:
        def codes(self, canonical: str) -> Codes | None:
            return {"urn:s": frozenset("a")} if canonical == "urn:v" else None

    asked = element("Observation.code", binding={"strength": "required", "valueSet": "urn:v"})
    library = joined([packages.read(package(profile("Observation", asked)))])
    profiles = Profiles(library, Store())
    assert profiles.check(OBSERVATION | {"code": CODE}, URL) == []
    assert [one.rule for one in profiles.check(OBSERVATION, URL)] == ["required-binding"]


def test_a_slice_by_existence() -> None:
    asked = sliced("exists", "dataAbsentReason", element("Observation.component:absent", 0, "1"),
                   element("Observation.component:absent.dataAbsentReason", 1, "1"))  # fmt: skip
    missing = {"code": {"text": "x"}, "dataAbsentReason": {"text": "x"}}
    assert broken(*asked, component=[SYSTOLIC, missing]) == []
    assert broken(*asked, component=[missing, missing]) == [("component", "profile-cardinality")]


def test_a_slice_by_profile() -> None:
    by = {"discriminator": [{"type": "profile", "path": "$this"}], "rules": "open"}
    patient = {"code": "Resource", "profile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}
    asked = [element("Observation.contained", slicing=by), element("Observation.contained:who", 1, "1", type=[patient])]
    assert broken(*asked, contained=[{"resourceType": "Patient", "id": "p"}]) == []
    assert broken(*asked, contained=[{"resourceType": "Device", "id": "p"}]) == [("contained", "profile-cardinality")]


def test_a_slice_that_nothing_tells_apart_is_not_judged() -> None:
    asked = sliced("value", "code", element("Observation.component:any", 1, "1"), rules="closed")
    assert broken(*asked, component=[OTHER]) == []


EXTENSION = profile(
    "Extension",
    element("Extension.url", 1, "1", fixedUri="http://hl7.org/fhir/StructureDefinition/of-a-package"),
    element("Extension.value[x]", 1, "1", type=[{"code": "code"}]),
    url="http://hl7.org/fhir/StructureDefinition/of-a-package",
)


def test_an_extension_of_a_package_is_known_and_held_against_its_definition() -> None:
    by = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    typed = {"code": "Extension", "profile": [EXTENSION["url"]]}
    asked = [element("Observation.extension", slicing=by), element("Observation.extension:x", 1, "1", type=[typed])]
    profiles = known(profile("Observation", *asked), EXTENSION)
    right = OBSERVATION | {"extension": [{"url": EXTENSION["url"], "valueCode": "x"}]}
    assert profiles.check(right, URL) == []
    assert [one.where for one in profiles.check(OBSERVATION, URL)] == ["Observation.extension"]
    wrong = OBSERVATION | {"extension": [{"url": EXTENSION["url"], "valueString": "x"}]}
    assert "Observation.extension[0].valueString" in [one.where for one in profiles.check(wrong, URL)]
    faults = check(right, "Observation")
    assert [one.rule for one in faults] == ["known-extension"]
    assert without_known(faults, right, profiles) == []
    assert without_known(faults, right, known()) == faults


def test_an_extension_within_others_is_looked_at_once_however_deep_it_stands() -> None:
    class Counting(Profiles):
        asked = 0

        def find(self, canonical: str) -> Profile | None:
            self.asked += 1
            return super().find(canonical)

    by = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    own = element("Extension.extension:own", type=[{"code": "Extension", "profile": ["urn:deep"]}])
    deep = profile("Extension", element("Extension.extension", slicing=by), own, url="urn:deep")
    asked = [element("Observation.extension", slicing=by), element("Observation.extension:x", type=own["type"])]
    value: dict[str, Any] = {"url": "urn:deep", "valueString": "x"}
    for _ in range(3):
        value = {"url": "urn:deep", "extension": [value]}
    raw = package(profile("Observation", *asked), deep)
    profiles = Counting(joined(iter([packages.read(raw)])))
    assert profiles.check(OBSERVATION | {"extension": [value]}, URL) == []
    assert profiles.asked == 1 + 4  # the profile itself, and each extension's own


def test_a_code_beside_an_extensible_value_set_is_advised_against_and_no_fault() -> None:
    included = [{"system": "urn:s", "concept": [{"code": "a"}]}]
    listed = {"resourceType": "ValueSet", "url": "urn:v", "compose": {"include": included}}
    profiles = known(
        profile("Observation", element("Observation.code", binding={"strength": "extensible", "valueSet": "urn:v"})),
        listed,
    )
    for code, advised in (
        (CODE, []),
        ({"text": "x"}, []),
        ({"coding": [{"system": "urn:s", "code": "b"}]}, [EXTENSIBLE]),
    ):
        judged = profiles.judge(OBSERVATION | {"code": code}, URL)
        assert judged.faults == []
        assert [one.rule for one in judged.advice] == advised


def bound(strength: str) -> Held:
    """A package whose profile binds the code to a value set that nobody lists."""
    asked = element("Observation.code", binding={"strength": strength, "valueSet": "urn:unlisted"})
    return joined([packages.read(package(profile("Observation", asked)))])


@dataclass(frozen=True)
class Told(Listed):
    """Terminology that has codes behind what is listed: `a` is of each value set, `b` of none, of others nothing is known."""

    def asking(self, canonical: str) -> Has | None:
        assert canonical == "urn:unlisted"
        return lambda _system, code: {"a": True, "b": False}.get(code)


@pytest.mark.parametrize(
    ("strength", "code", "faults", "advice"),
    [
        ("required", "a", [], []), ("required", "b", ["required-binding"], []), ("required", "c", [], [UNTOLD]),
        ("extensible", "a", [], []), ("extensible", "b", [], [EXTENSIBLE]), ("extensible", "c", [], [UNTOLD]),
        ("preferred", "b", [], []),
    ],
)  # fmt: skip
def test_what_no_package_lists_is_asked_of_a_store_and_what_it_cannot_tell_is_said(
    strength: str, code: str, faults: list[str], advice: list[str]
) -> None:
    shelf = bound(strength)
    judged = Profiles(shelf, Told(shelf)).judge(
        OBSERVATION | {"code": {"coding": [{"system": "urn:s", "code": code}]}}, URL
    )
    assert ([one.rule for one in judged.faults], [one.rule for one in judged.advice]) == (faults, advice)


def test_one_coding_that_is_right_is_enough_and_a_text_alone_has_none() -> None:
    shelf = bound("required")
    profiles = Profiles(shelf, Told(shelf))
    codings = [{"system": "urn:s", "code": one} for one in ("b", "c", "a")]
    assert profiles.judge(OBSERVATION | {"code": {"coding": codings}}, URL) == Judged([], [])
    for code in ({"text": "x"}, {"coding": [{"code": "a"}]}):
        assert [one.rule for one in profiles.check(OBSERVATION | {"code": code}, URL)] == ["required-binding"]
    assert Profiles(shelf).judge(OBSERVATION | {"code": {"text": "x"}}, URL) == Judged([], [])
    found = Profiles(shelf, OutOfReach(shelf)).judge(OBSERVATION | {"code": {"coding": codings}}, URL)
    assert [one.rule for one in found.advice] == [UNTOLD]


def test_what_is_too_costly_to_hold_against_a_profile_is_refused() -> None:
    by = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
    addresses = [f"urn:{number}" for number in range(50)]
    slices = [
        element(f"Observation.extension:s{place}", 0, "1", type=[{"code": "Extension", "profile": [one]}])
        for place, one in enumerate(addresses)
    ]
    many = [{"url": "urn:other", "valueString": "x"}] * 10_000
    found = broken(element("Observation.extension", slicing=by), *slices, extension=many)
    assert found == [("Observation", "validation-steps")]


def test_a_profile_that_is_not_there_or_not_for_the_type_is_told() -> None:
    with pytest.raises(Refusal):
        known().check(OBSERVATION, URL)
    assert known(profile("Patient")).check(OBSERVATION, URL)[0].where == "resourceType"


# Examples in packages that do not keep to the profile they name, by what is wrong with them.
EXCEPTIONS = {
    "ehelse.fhir.no.grunndata-2.3.5": 5,  # gd-guardianship asks for a part that they lack, an address for an integer
    "hl7.fhir.eu.eps-1.0.0-xtehr": 1,  # a document that does not begin with its Composition
    "hl7.fhir.eu.hdr-1.0.0-ci": 3,  # the same, and an entry without a resource
    "hl7.fhir.eu.imaging-1.0.0-ballot": 1,  # a document that does not begin with its Composition
    "hl7.fhir.eu.laboratory-2.0.0": 3,  # the same
    "ihe.pharm.mpd-1.0.0-comment-3": 15,  # R5's medication, which R4 does not have
}


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside the checkout")
def test_examples_of_the_packages_keep_to_their_profiles_but_for_what_is_written_down() -> None:
    files = sorted(SHARED.glob("*.tgz"))
    profiles = Profiles(joined(packages.read(file.read_bytes()) for file in files))
    wrong: dict[str, int] = {}
    judged = 0
    for file in files:
        with tarfile.open(file) as archive:
            members = [
                archive.extractfile(one) for one in archive if "/example" in one.name and one.name.endswith(".json")
            ]
            trees = [json.loads(member.read()) for member in members if member]
        for tree in trees:
            named = tree.get("meta", {}).get("profile", []) if isinstance(tree, dict) else []
            for one in named:
                if profiles.find(one) is not None:
                    judged += 1
                    wrong[file.stem] = wrong.get(file.stem, 0) + bool(profiles.check(tree, one))
    assert {name: count for name, count in wrong.items() if count} == EXCEPTIONS
    assert judged > 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"snapshot": []},
        {"snapshot": {"element": {}}},
        {"snapshot": {"element": ["x"]}},
        {"snapshot": {"element": [{}]}},
        {"snapshot": {"element": [{"id": "Observation", "path": "Observation"}, {"id": "Observation.code"}]}},
        {"snapshot": {"element": [{"path": "Observation", "max": "many"}]}},
        {"snapshot": {"element": [{"path": "Observation", "min": "few"}]}},
        {"snapshot": {"element": [{"path": "Observation", "type": [{}]}]}},
        {"snapshot": {"element": [{"path": "Observation", "slicing": []}]}},
        {"snapshot": {"element": [{"path": "Observation", "constraint": [{"severity": "error", "expression": "1"}]}]}},
        {"type": ["Observation"]},
    ],
)
def test_what_has_not_the_form_of_a_profile_is_refused(wrong: dict[str, Any]) -> None:
    known = Profiles(joined(iter([packages.read(package(profile("Observation") | wrong))])))
    with pytest.raises(Refusal) as refused:
        known.check({"resourceType": "Observation"}, "http://example.org/profile")
    assert refused.value.status == 422


@pytest.mark.parametrize("call", ["'('", "'a', 1", "'(?<a>'", "'a', '${b}'"])
def test_an_invariant_whose_pattern_is_none_is_not_held_against_anybody(call: str) -> None:
    call = call if "," in call else f"{call}, 'b'"
    rule = {"key": "x-1", "severity": "error", "human": "x", "expression": f"'aaa'.replaceMatches({call}) = 'c'"}
    top = {"id": "Observation", "path": "Observation", "constraint": [rule]}
    made = profile("Observation") | {"snapshot": {"element": [top]}}
    known = Profiles(joined(iter([packages.read(package(made))])))
    assert known.check({"resourceType": "Observation"}, "http://example.org/profile") == []


INVARIANT = {"key": "inv-1", "severity": "error", "human": "has a note", "expression": "note.exists()"}


@pytest.mark.parametrize("source", [{}, {"source": URL}])
def test_an_invariant_that_an_author_numbers_as_r4_does_is_asked_all_the_same(source: dict[str, str]) -> None:
    asked = element("Observation", constraint=[INVARIANT | source])
    assert broken(asked) == [("Observation", "inv-1")]
    assert broken(asked, note=[{"text": "x"}]) == []


def test_an_invariant_of_r4_itself_is_not_asked_anew() -> None:
    rows = [{"key": "obs-6", "severity": "error", "human": "x", "expression": "false", "source": f"{CORE}Observation"}]
    own = [one for one in rules().constraints["Observation"] if one.key == "obs-6"]
    rows += [{"key": "obs-6", "severity": "error", "human": own[0].says, "expression": "false"}]
    assert broken(element("Observation", constraint=rows)) == []


def test_an_invariant_may_ask_of_the_value_of_a_primitive() -> None:
    rows = [{"key": "x-1", "severity": "error", "human": "is final", "expression": "status.value = 'final'"}]
    asked = element("Observation", constraint=rows)
    assert broken(asked) == []
    assert broken(asked, status="amended") == [("Observation", "x-1")]


@pytest.mark.parametrize(
    ("reference", "wrong"),
    [
        ({"reference": "Patient/1"}, False), ({"reference": "Group/1"}, True), ({"reference": "#g"}, True),
        ({"type": "Group"}, True),
        ({"display": "x"}, False), ({"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"}, False),
        ({"reference": "http://x.example/fhir/Group/1"}, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", [f"{CORE}Patient", "urn:patient", "urn:patient|1.0.0"])
def test_a_reference_leads_where_the_profile_lets_it(reference: dict[str, str], wrong: bool, address: str) -> None:
    asked = profile(
        "Observation", element("Observation.subject", type=[{"code": "Reference", "targetProfile": [address]}])
    )
    group = {"contained": [{"resourceType": "Group", "id": "g", "type": "person", "actual": True}]}
    found = known(asked, profile("Patient", url="urn:patient")).check(OBSERVATION | group | {"subject": reference}, URL)
    assert [(one.where, one.rule) for one in found] == [("Observation.subject", "profile-target")] * wrong


def test_where_a_reference_may_lead_is_not_judged_by_a_profile_that_is_not_at_hand() -> None:
    asked = element("Observation.subject", type=[{"code": "Reference", "targetProfile": ["urn:absent"]}])
    assert broken(asked, subject={"reference": "Group/1"}) == []


@pytest.mark.parametrize(
    ("slicing", "order", "wrong"),
    [
        ({"rules": "open", "ordered": True}, "ab", []), ({"rules": "open", "ordered": True}, "ba", ["category[1]"]),
        ({"rules": "open", "ordered": True}, "azb", []), ({"rules": "openAtEnd"}, "baz", []),
        ({"rules": "openAtEnd"}, "za", ["category[1]"]), ({"rules": "open"}, "zba", []),
        ({"rules": "openAtEnd", "ordered": True}, "bza", ["category[2]", "category[2]"]),
    ],
)  # fmt: skip
def test_slices_stand_in_their_order_where_the_profile_asks_it(
    slicing: dict[str, Any], order: str, wrong: list[str]
) -> None:
    by = {"discriminator": [{"type": "pattern", "path": "$this"}]}
    rows = [
        element(f"Observation.category:{one}", patternCodeableConcept={"coding": [{"system": "urn:s", "code": one}]})
        for one in "ab"
    ]
    sent = [{"coding": [{"system": "urn:s", "code": one}]} for one in order]
    found = broken(element("Observation.category", slicing=slicing | by), *rows, category=sent)
    assert found == [(where, "profile-order") for where in wrong]


NINE = {"value": 9, "code": "g"}


@pytest.mark.parametrize(
    ("asked", "members", "wrong"),
    [
        (element("Observation.value[x]", maxLength=3), {"valueString": "abc"}, []),
        (element("Observation.value[x]", maxLength=3), {"valueString": "abcd"}, [("valueString", "profile-length")]),
        (element("Observation.value[x]", minValueInteger=2), {"valueInteger": 1}, [("valueInteger", "profile-bound")]),
        (element("Observation.value[x]", minValueInteger=2, maxValueInteger=3), {"valueInteger": 3}, []),
        (element("Observation.value[x]", maxValueQuantity=NINE), {"valueQuantity": {"value": 10, "code": "kg"}}, []),
        (
            element("Observation.value[x]", maxValueQuantity=NINE),
            {"valueQuantity": {"value": 10, "code": "g"}}, [("valueQuantity", "profile-bound")],
        ),
        (
            element("Observation.effective[x]", minValueDateTime="1900"), {"effectiveDateTime": "1899-12"},
            [("effectiveDateTime", "profile-bound")],
        ),
        (element("Observation.effective[x]", minValueDateTime="1900"), {"effectiveDateTime": "1900-01-01"}, []),
    ],
)  # fmt: skip
def test_a_value_lies_between_the_ends_that_a_profile_has(
    asked: dict[str, Any], members: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    assert broken(asked, **members) == wrong


def test_a_value_set_of_a_choice_says_nothing_of_types_that_have_no_codes() -> None:
    units = {
        "resourceType": "ValueSet",
        "url": "urn:v",
        "compose": {"include": [{"system": "urn:u", "concept": [{"code": "m"}]}]},
    }
    asked = element("Observation.value[x]", binding={"strength": "required", "valueSet": "urn:v"})
    profiles = known(profile("Observation", asked), units)
    for value in ({"valueBoolean": True}, {"valueInteger": 3}, {"valueDateTime": "2024"}, {"valueTime": "10:00:00"}):
        assert profiles.check(OBSERVATION | value, URL) == []
    (wrong,) = profiles.check(OBSERVATION | {"valueQuantity": {"value": 1, "system": "urn:u", "code": "x"}}, URL)
    assert wrong.rule == "required-binding"


@pytest.mark.parametrize(
    ("context", "member", "wrong"),
    [
        ("Observation", {"extension": "here"}, []), ("Patient", {"extension": "here"}, [("extension[0]", "extension-context")]),
        ("Observation.code", {"code": {"text": "x", "extension": "here"}}, []), ("Element", {"extension": "here"}, []),
        ("Observation", {"code": {"text": "x", "extension": "here"}}, [("code.extension[0]", "extension-context")]),
        ("CodeableConcept", {"code": {"text": "x", "extension": "here"}}, []),
        ("CanonicalResource", {"extension": "here"}, []), ("http://x.example/p#Observation", {"extension": "here"}, []),
        ("Observation", {"modifierExtension": "here"}, [("modifierExtension[0]", "extension-modifier")]),
    ],
)  # fmt: skip
def test_an_extension_of_a_package_stands_where_it_may(
    context: str, member: dict[str, Any], wrong: list[tuple[str, str]]
) -> None:
    extension = profile("Extension", url="urn:extension") | {"context": [{"type": "element", "expression": context}]}

    def put(value: Any) -> Any:
        if value == "here":
            return [{"url": "urn:extension", "valueString": "x"}]
        return {name: put(one) for name, one in value.items()} if isinstance(value, dict) else value

    found = known(profile("Observation"), extension).check(OBSERVATION | put(member), URL)
    assert [(one.where.removeprefix("Observation."), one.rule) for one in found] == wrong
