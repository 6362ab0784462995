"""Whether a record of critical information holds at a moment: one answer for all who show it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from kjerne.fhir.dates import LATEST
from kjerne.registries.standing import last_day, standing
from kjerne.services.critical.entries import version
from kjerne.services.summary.choosing import section_of
from kjerne.services.warnings import reading

Tree = dict[str, Any]
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
KJ = "http://nhn.no/kj/fhir/StructureDefinition/"
HL7 = "http://terminology.hl7.org/CodeSystem/"
ACTIVE: dict[str, Tree] = {
    "AllergyIntolerance": {}, "Condition": {}, "DeviceUseStatement": {"status": "active"},
    "Procedure": {"status": "in-progress"}, "Flag": {"status": "active"},
}  # fmt: skip


def entry(name: str, **more: Any) -> Tree:
    return {"resourceType": name, **ACTIVE[name], "code": {"text": "noe"}} | more


def coded(*codes: str) -> Tree:
    return {"coding": [{"code": one} for one in codes]}


def until(*values: str, element: str = "valueDateTime", name: str = f"{KJ}KjValidUntil") -> Tree:
    return {"extension": [{"url": name, element: one} for one in values]}


STATUSES: list[tuple[str, str, str]] = [
    *(("DeviceUseStatement", one, "active") for one in ("active", "intended", "on-hold")),
    *(("DeviceUseStatement", one, "over") for one in ("completed", "stopped")),
    *(("Procedure", one, "active") for one in ("preparation", "in-progress", "on-hold", "unknown")),
    *(("Procedure", one, "over") for one in ("completed", "stopped")),
    ("Procedure", "not-done", "not-done"), ("Flag", "active", "active"), ("Flag", "inactive", "over"),
    *((one, "entered-in-error", "in-error") for one in ("DeviceUseStatement", "Procedure", "Flag")),
]  # fmt: skip
CLINICAL: list[tuple[str, str, str]] = [
    ("AllergyIntolerance", "active", "active"), ("AllergyIntolerance", "inactive", "over"),
    ("AllergyIntolerance", "resolved", "over"),
    *(("Condition", one, "active") for one in ("active", "recurrence", "relapse")),
    *(("Condition", one, "over") for one in ("inactive", "remission", "resolved")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "stands"), STATUSES)
def test_every_status_of_r4_means_one_thing(name: str, status: str, stands: str) -> None:
    assert standing(entry(name, status=status), NOW) == stands


@pytest.mark.parametrize(("name", "status", "stands"), CLINICAL)
def test_every_clinical_status_means_one_thing_and_the_verification_comes_first(
    name: str, status: str, stands: str
) -> None:
    tree = entry(name, clinicalStatus=coded(status))
    assert standing(tree, NOW) == stands
    assert standing(tree | {"verificationStatus": coded("unconfirmed")}, NOW) == stands
    assert standing(tree | {"verificationStatus": coded("refuted")}, NOW) == "refuted"
    assert standing(tree | {"verificationStatus": coded("entered-in-error")}, NOW) == "in-error"


def test_what_says_that_it_holds_and_that_it_does_not_is_kept_whatever_comes_first() -> None:
    for codes in permutations(("active", "resolved", "x")):
        assert standing(entry("Condition", clinicalStatus=coded(*codes)), NOW) == "active"
    for codes in permutations(("confirmed", "refuted")):
        tree = entry("AllergyIntolerance", verificationStatus=coded(*codes))
        assert standing(tree, NOW) == "active" and version(1, NOW, tree, NOW).certainty == "confirmed"


@pytest.mark.parametrize("name", ACTIVE)
@pytest.mark.parametrize(
    ("told", "holds"),
    [
        ("2026-11-26", False), ("2026-11-27", True), ("2026-10", False), ("2026-11", True), ("2026-12", True),
        ("2025", False), ("2026", True), ("2027", True), ("9999-12-31", True), ("0001", False),
        # What has a time holds until that day is over in Norway, wherever the clock was that wrote it.
        ("2026-11-27T00:00:00+01:00", True), ("2026-11-26T23:00:00Z", True), ("2026-11-26T22:59:59Z", False),
        ("2026-11-28T00:30:00+09:00", True), ("2026-11-27T00:30:00+09:00", False),
        ("2026-13", True), ("snart", True), ("", True),
    ],
)  # fmt: skip
def test_validity_ends_with_the_day_the_month_or_the_year_that_is_told(name: str, told: str, holds: bool) -> None:
    for element in ("valueDateTime", "valueDate"):
        assert (standing(entry(name) | until(told, element=element), NOW) == "active") == holds
    assert standing(entry(name) | until(told, element="valueString"), NOW) == "active"


def test_a_day_is_over_when_it_is_in_norway() -> None:
    tree = entry("Condition") | until("2026-11-27")
    assert standing(tree, datetime(2026, 11, 27, 22, 59, 59, tzinfo=UTC)) == "active"
    assert standing(tree, datetime(2026, 11, 27, 23, 0, tzinfo=UTC)) == "over"
    assert standing(entry("Condition"), LATEST.replace(microsecond=0)) == "active"


def test_of_several_validities_the_last_counts_whatever_its_place() -> None:
    for told in permutations(("2020", "2026", "snart")):
        assert standing(entry("Condition") | until(*told), NOW) == "active"
    assert standing(entry("Condition") | until("2020", "snart", "2021-05"), NOW) == "over"


@pytest.mark.parametrize(
    "address", ["https://ehr.example/validUntil", f"{KJ}kjvaliduntil", f"{KJ}KjValidUntil/x", "KjValidUntil"]
)
def test_an_extension_of_a_like_name_ends_nothing(address: str) -> None:
    assert standing(entry("Flag") | until("2020-01-01", name=address), NOW) == "active"


def test_a_flag_stands_until_its_period_has_ended() -> None:
    for period, stands in (
        ({"end": "2026-11-26"}, "over"), ({"end": "2026-11-27"}, "active"), ({"start": "2019-01-01"}, "active"),
        ("x", "active"), ({"end": "x"}, "active"), ({"start": "2019", "end": "2020"}, "over"), ({"end": "2026"}, "active"),
    ):  # fmt: skip
        assert standing(entry("Flag", period=period), NOW) == stands


def test_what_has_another_shape_stands() -> None:
    for wrong in (7, None, "x", [7], {"coding": 7}, {"coding": [{"code": 7}]}):
        tree = entry("Condition", clinicalStatus=wrong, verificationStatus=wrong, status=wrong, extension=wrong)
        assert standing(tree, NOW) == "active"


def test_box_cards_and_summary_ask_the_same_and_none_of_them_loses_what_holds() -> None:
    ends = ("2026-11-26", "2026-11-27", "2026-11", "2026", "2025")
    every = [
        *(entry(name, status=status) for name, status, _ in STATUSES),
        *(entry(name, clinicalStatus=coded(status)) for name, status, _ in CLINICAL),
        *(entry(name) | until(one) for name in ACTIVE for one in ends),
        entry("Flag", period={"end": "2026"}), entry("Condition", abatementDateTime="2020"),
        entry("AllergyIntolerance", verificationStatus=coded("refuted")),
    ]  # fmt: skip
    for tree in every:
        stands, name = standing(tree, NOW), tree["resourceType"]
        assert version(1, NOW, tree, NOW).standing == stands
        if name == "AllergyIntolerance":
            assert (reading.allergy("1", tree, NOW) is not None) == (stands == "active")
        shown = section_of(tree, NOW)
        assert bool(shown) == (stands == "active" or (stands == "over" and name in ("Condition", "Procedure")))
        assert (shown == "past-problems") == (stands == "over" and name == "Condition")


def test_a_form_shows_the_last_day_of_a_month_or_a_year() -> None:
    assert [last_day(one) for one in ("2026", "2026-02", "2026-11-27", "2026-11-26T23:00:00Z", "snart", "")] == [
        "2026-12-31", "2026-02-28", "2026-11-27", "2026-11-27", "", "",
    ]  # fmt: skip
