"""What a source withholds its critical information by, over the changes that other organisations make of it (law, K131)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest

from platform_fixture import Standing, Tree
from services.critical.records import HOSPITAL, allergy, ask, faults, registered, rows

LABELS: Final = "urn:oid:2.16.578.1.12.4.1.1.9603"


def labels(codes: Iterable[str], **more: str) -> Tree:
    return {"meta": {"security": [{"system": LABELS, "code": code, **more} for code in codes]}}


def who_sees(platform: Standing, id_: str) -> dict[str, bool]:
    """Who is given a record at the national address."""
    at, as_citizen = f"AllergyIntolerance/{id_}", {"portal": True, "as_": "citizen"}
    asked = {"gp": {}, "hospital-doctor": HOSPITAL, "citizen": as_citizen}
    return {who: ask(platform, "GET", at, **more).status == 200 for who, more in asked.items()}


ALL: Final = {"gp": True, "hospital-doctor": True, "citizen": True}


@pytest.mark.parametrize(
    "label, seen",
    [
        ("NORN_ALL", ALL | {"citizen": False}), ("NORU", ALL | {"citizen": False}),
        ("NORS", ALL | {"gp": False, "hospital-doctor": False}),
    ],
)  # fmt: skip
def test_what_its_source_withholds_stays_withheld_over_another_organisations_change(
    platform: Standing, label: str, seen: dict[str, bool]
) -> None:
    tree = allergy(platform)
    id_ = registered(platform, tree | labels((label, "NORN_UNGDOM")))["id"]
    at, told = f"AllergyIntolerance/{id_}", {"prefer": "return=OperationOutcome"}
    assert who_sees(platform, id_) == seen
    opens = {"basis": "FORHOYET_SAMTYKKE"}
    changed = ask(platform, "PUT", at, {**tree, "id": id_}, version=1, headers=told, **HOSPITAL, **opens)
    assert (changed.status, who_sees(platform, id_)) == (200, seen)
    assert [one["details"]["coding"][0]["code"] for one in changed.tree["issue"] if "details" in one] == [
        "stays-withheld"
    ]
    kept = ask(platform, "GET", at, **HOSPITAL, **opens).tree
    assert [one["code"] for one in kept["meta"]["security"]] == [label, "NORN_UNGDOM"]
    # As it was read, so it may be sent; nothing else of 9603 is taken from another organisation.
    assert ask(platform, "PUT", at, kept, version=2, **HOSPITAL, **opens).status == 200
    others = (("N",), (label,), ("NORS", "NORN_ALL"), ("NORU", "NORS"))
    for other in (*map(labels, others), labels(("NORU", "NORN_UNGDOM"), display="2999-01-01")):
        refused = ask(platform, "PUT", at, {**kept, **other}, version=3, **HOSPITAL, **opens)
        assert refused.status == 422, (label, other)
    assert who_sees(platform, id_) == seen
    # Its source ends it, by silence as ever (law, K102).
    assert ask(platform, "PUT", at, {**tree, "id": id_}, version=3, **opens).status == 200
    assert who_sees(platform, id_) == ALL


@pytest.mark.parametrize("day, told", [("2026-01-01", False), ("2999-01-01", True), ("", True)])
def test_what_has_opened_is_not_told_to_stay_withheld(platform: Standing, day: str, told: bool) -> None:
    tree = allergy(platform)
    id_ = registered(platform, tree | labels(["NORU"], **({"display": day} if day else {})))["id"]
    assert who_sees(platform, id_)["citizen"] is not told
    changed = ask(
        platform, "PUT", f"AllergyIntolerance/{id_}", {**tree, "id": id_}, version=1,
        headers={"prefer": "return=OperationOutcome"}, **HOSPITAL,
    )  # fmt: skip
    assert (changed.status, "stays-withheld" in changed.response.text) == (200, told)
    assert who_sees(platform, id_)["citizen"] is not told


@pytest.mark.parametrize("label", ["NORS", "NORN_ALL", "NORN_FORANS", "NORU"])
def test_another_organisation_withholds_no_record_from_anybody(platform: Standing, label: str) -> None:
    made = registered(platform, allergy(platform))
    at = f"AllergyIntolerance/{made['id']}"
    meta = {**made["meta"], **labels([label])["meta"]}
    refused = ask(platform, "PUT", at, {**made, "meta": meta}, version=1, **HOSPITAL)
    assert (refused.status, faults(refused)) == (422, {"AllergyIntolerance.meta.security": ""})
    assert [(row[0], row[2], row[3]) for row in rows(platform, refused)] == [("correct", 1, {made["id"]})]
    assert who_sees(platform, made["id"]) == ALL
    # A word of whose the record is, or of which kind, withholds it from nobody either.
    newborn = {
        "url": "http://hl7.org/fhir/StructureDefinition/observation-focusCode",
        "valueCodeableConcept": {"text": "foster"},
    }
    more = {**made, "extension": [*made["extension"], newborn]}
    assert ask(platform, "PUT", at, more, version=1, **HOSPITAL).status == 422
    delayed = {"coding": [*made["code"]["coding"], {"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "MGEN"}]}
    assert ask(platform, "PUT", at, {**made, "code": delayed}, version=1, **HOSPITAL).status == 422
    assert who_sees(platform, made["id"]) == ALL


def test_a_token_that_leaves_no_read_hears_of_a_change_that_it_was_written_and_not_who_registered_it(
    platform: Standing,
) -> None:
    made = registered(platform, allergy(platform))
    at, tree = f"AllergyIntolerance/{made['id']}", {**allergy(platform), "id": made["id"]}
    narrow = {"narrower": "user/AllergyIntolerance.cud", "headers": {"prefer": "return=representation"}}
    changed = ask(platform, "PUT", at, tree, version=1, **HOSPITAL, **narrow)
    assert (changed.status, changed.tree["resourceType"]) == (200, "OperationOutcome")
    assert platform.persona("gp").hpr not in changed.response.text
    whole = ask(platform, "PUT", at, tree, version=2, **HOSPITAL, narrower="user/AllergyIntolerance.cruds")
    assert platform.persona("gp").hpr in whole.response.text
