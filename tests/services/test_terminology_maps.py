"""`$translate`: which maps are asked, both ways, and what a match depends on."""

from __future__ import annotations

import pytest

from platform_fixture import Standing
from services.test_shared_records import ask
from services.test_terminology import SEX, a_map, called, coding, parts, said, sending, system
from words import fresh

__all__ = ["system"]  # a fixture

SETS = (
    "http://hl7.org/fhir/ValueSet/administrative-gender",
    "http://terminology.hl7.org/ValueSet/v3-AdministrativeGender",
)
V3 = "http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"targetsystem": V3}, ["F"]), ({"target": SETS[1]}, ["F"]), ({"source": SETS[0], "target": SETS[1]}, ["F"]),
        ({"source": SETS[0]}, ["F", "F"]), ({"source": SETS[1]}, []), ({"targetsystem": "urn:x:nowhere"}, []),
        ({"url": "http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3", "source": SETS[0]}, ["F"]),
        ({"url": "http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3", "source": SETS[1]}, []),
    ],
)  # fmt: skip
def test_maps_are_picked_by_the_value_sets_and_the_system_between_which_they_are(
    platform: Standing, given: dict[str, str], expected: list[str]
) -> None:
    told = called(platform, "ConceptMap/$translate", system=SEX, code="female", **given)
    assert [one["concept"]["code"] for one in parts(told, "match")] == expected
    assert said(told, "result") is bool(expected)
    assert all(one["source"].startswith("http://hl7.org/fhir/ConceptMap/") for one in parts(told, "match"))


def test_maps_that_were_written_here_are_picked_too_and_backwards(platform: Standing, system: str) -> None:
    group = {
        "source": system,
        "target": SEX,
        "element": [{"code": "dog", "target": [{"code": "male", "equivalence": "wider"}]}],
    }
    kept = {
        "resourceType": "ConceptMap",
        "url": f"http://maps.example/{fresh()}",
        "status": "active",
        "group": [group],
    }
    ask(platform, "POST", "ConceptMap", kept)
    ask(platform, "POST", "ConceptMap", kept | {"url": f"http://maps.example/{fresh()}", "status": "retired"})
    there = called(platform, "ConceptMap/$translate", system=system, code="dog", targetsystem=SEX)
    assert [(one["concept"]["code"], one["source"]) for one in parts(there, "match")] == [("male", kept["url"])]
    back = called(platform, "ConceptMap/$translate", system=SEX, code="male", targetsystem=system, reverse="true")
    assert [(one["concept"]["code"], one["source"]) for one in parts(back, "match")] == [("dog", kept["url"])]


def test_a_translation_that_says_neither_a_map_nor_where_to_is_refused(platform: Standing) -> None:
    answer = ask(platform, "GET", f"ConceptMap/$translate?system={SEX}&code=female", as_="gp")
    assert (answer.status, answer.tree["issue"][0]["expression"]) == (400, ["url"])


def test_a_map_is_followed_both_ways_and_says_what_it_has_not(platform: Standing, system: str) -> None:
    group = {"source": system, "target": SEX, "element": [
        {"code": "dog", "target": [{"code": "male", "equivalence": "wider"}]},
        {"code": "whale", "target": [{"equivalence": "unmatched"}]},
    ], "unmapped": {"mode": "fixed", "code": "unknown"}}  # fmt: skip
    url = f"http://maps.example/{fresh()}"
    kept = {"resourceType": "ConceptMap", "url": url, "status": "active", "group": [group]}
    id_ = ask(platform, "POST", "ConceptMap", kept).tree["id"]
    there = called(platform, f"ConceptMap/{id_}/$translate", system=system, code="dog")
    assert [(one["equivalence"], one["concept"]["code"]) for one in parts(there, "match")] == [("wider", "male")]
    back = called(platform, "ConceptMap/$translate", url=url, system=SEX, code="male", reverse="true")
    assert [(one["equivalence"], one["concept"]["code"]) for one in parts(back, "match")] == [("narrower", "dog")]
    assert said(called(platform, "ConceptMap/$translate", url=url, system=system, code="whale"), "result") is False
    rest = called(platform, "ConceptMap/$translate", url=url, system=system, code="bird")
    assert [one["concept"]["code"] for one in parts(rest, "match")] == ["unknown"]


def test_a_translation_that_depends_on_other_elements_is_no_match(platform: Standing) -> None:
    depending = {"code": "b", "equivalence": "equal", "dependsOn": [{"property": "urn:sex", "value": "female"}]}
    making = {
        "code": "c",
        "equivalence": "equal",
        "product": [{"property": "urn:part", "system": "urn:p", "value": "d"}],
    }
    mapped = a_map({"code": "a", "target": [depending]}, {"code": "e", "target": [depending, making]})
    path = "ConceptMap/$translate"
    told = called(platform, path, sending(conceptMap=mapped, codeableConcept=coding("urn:s", "a")))
    assert (said(told, "result"), parts(told, "match")) == (False, [])
    told = called(platform, path, sending(conceptMap=mapped, codeableConcept=coding("urn:s", "e")))
    (match,) = parts(told, "match")
    assert (said(told, "result"), match["concept"]["code"]) == (True, "c")
    assert [one["part"] for one in next(one for one in told["parameter"] if one["name"] == "match")["part"]
            if one["name"] == "product"] == [
        [{"name": "element", "valueUri": "urn:part"}, {"name": "concept", "valueCoding": {"system": "urn:p", "code": "d"}}]
    ]  # fmt: skip
