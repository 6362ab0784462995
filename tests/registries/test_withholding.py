"""What a resource says of itself about who may see it, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kjerne.access import Label
from kjerne.errors import Refusal
from kjerne.fhir.dates import LAST_DAY
from kjerne.registries.withholding import (
    UNDATED_DELAY_DAYS,
    Withheld,
    is_anothers,
    is_label_system,
    kinds_of,
    said_of_itself,
    withheld,
)

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
LABELS = "urn:oid:2.16.578.1.12.4.1.1.9603"
DISCIPLINE = {"coding": [{"system": "http://helsedir.no/fhir/CodeSystem/no-kodeverk-8202", "code": "MGEN"}]}


def marked(system: str = LABELS, code: str = "NORS", **more: Any) -> dict[str, Any]:
    security = [{"system": system, "code": code, **more}]
    return {"resourceType": "Observation", "meta": {"security": security}}


@pytest.mark.parametrize(
    "system",
    [
        LABELS,
        LABELS.removeprefix("urn:oid:"),
        LABELS.upper(),
        "http://ehelse.no/fhir/CodeSystem/no-kodeverk-9603",
        "http://helsedir.no/fhir/CodeSystem/no-kodeverk-9603",
        "https://hl7.no/fhir/codesystem/no-kodeverk-9603.codesystem",
    ],
)
def test_every_spelling_of_the_code_system_counts(system: str) -> None:
    assert is_label_system(system)
    assert withheld(marked(system), NOW).labels == Label.RESTRICTED


def test_labels_of_other_systems_that_ask_for_nothing_are_taken() -> None:
    """docs/law.md, K79."""
    for spelled in (
        "http://terminology.hl7.org/CodeSystem/v3-Confidentiality ",
        "http://hl7.org/fhir/v3/Confidentiality",
    ):
        assert withheld(marked(spelled, "N"), NOW).labels == Label(0)
    assert withheld(marked("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST"), NOW).labels == Label(0)
    assert withheld({"resourceType": "Observation"}, NOW) == Withheld()


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("", "NORS"), (LABELS + "|1.0", "NORS"), ("https://volven.no/9603", "NORS"), (LABELS[:-1] + "2", "NORS"),
        ("http://fhir.ehelse.no/CodeSystem/9603", "NORN_ALL"),
        ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "V"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "NODSCLCD"),
    ],
)  # fmt: skip
def test_a_label_that_would_not_be_kept_is_refused_and_never_dropped(system: str, code: str) -> None:
    """Its sender means to hide something: to take it in open to all would be the worst answer."""
    with pytest.raises(Refusal, match="not kept here") as refused:
        withheld(marked(system, code), NOW)
    assert (refused.value.status, refused.value.where) == (422, "Observation.meta.security")


@pytest.mark.parametrize(
    "tag",
    [
        {"system": LABELS, "code": "NORS"}, {"system": "http://ehelse.no/fhir/CodeSystem/no-kodeverk-9603", "code": "NORU"},
        {"system": LABELS}, {"code": "NORS"}, {"code": "noru"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"},
    ],
)  # fmt: skip
def test_a_label_among_the_tags_is_refused_and_not_taken_in_open(tag: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="tags withhold nothing") as refused:
        withheld({"resourceType": "Observation", "meta": {"tag": [{"system": "urn:x", "code": "y"}, tag]}}, NOW)
    assert (refused.value.status, refused.value.where) == (422, "Observation.meta.tag")


@pytest.mark.parametrize("place", ["tag", "security"])
def test_a_label_of_what_is_contained_is_refused_and_not_taken_in_open(place: str) -> None:
    specimen = {"resourceType": "Specimen", "meta": {place: [{"system": LABELS, "code": "NORS"}]}}
    with pytest.raises(Refusal, match="what is contained") as refused:
        withheld({"resourceType": "Observation", "contained": [{"resourceType": "Device"}, specimen]}, NOW)
    assert (refused.value.status, refused.value.where) == (422, "Observation.contained[1].meta")


def test_other_tags_say_nothing_of_who_may_see() -> None:
    tags = [
        {"system": "urn:x", "code": "NORS"}, {"display": "for kvalitetssikring"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"},
    ]  # fmt: skip
    assert withheld({"resourceType": "Observation", "meta": {"tag": tags}}, NOW) == Withheld()


@pytest.mark.parametrize(
    ("coding", "kind"),
    [
        ({"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "SP"}, "pathology"),
        ({"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "GE"}, "genetics"),
        ({"system": "http://hl7.org/fhir/v2/0074", "code": "GE"}, "genetics"),
        ({"system": "urn:oid:2.16.840.1.113883.12.74", "code": "SP"}, "pathology"),
        ({"system": "2.16.840.1.113883.12.74", "code": "sp"}, "pathology"),
        ({"system": " http://terminology.hl7.org/CodeSystem/v2-0074|2.9", "code": "GE"}, "genetics"),
        ({"system": "urn:oid:2.16.578.1.12.4.1.1.8202|1", "code": "MGEN"}, "genetics"),
        ({"code": "MGEN"}, "genetics"),
    ],
)
def test_a_discipline_by_hl7s_code_or_without_a_system_delays_as_the_national_one(
    coding: dict[str, str], kind: str
) -> None:
    tree = {"resourceType": "DiagnosticReport", "category": [{"coding": [coding]}]}
    assert withheld(tree, NOW).opens == NOW + timedelta(days=14)
    assert kinds_of(tree) == {kind}


def test_pictures_are_of_the_kind_that_their_modality_is() -> None:
    def dicom(code: str) -> dict[str, Any]:
        return {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": code}

    study = {"resourceType": "ImagingStudy"}
    assert kinds_of(study) == kinds_of(study | {"modality": [dicom("CT")]}) == {"radiology"}
    assert kinds_of(study | {"series": [{"uid": "1", "modality": dicom("SM")}]}) == {"pathology"}
    assert kinds_of(study | {"modality": [dicom("SM"), dicom("MR")]}) == {"radiology", "pathology"}
    media = {"resourceType": "Media", "content": {}}
    assert kinds_of(media) == frozenset()
    assert kinds_of(media | {"modality": {"coding": [dicom("US")]}}) == {"radiology"}
    assert kinds_of({"resourceType": "Observation", "modality": {"coding": [dicom("US")]}}) == frozenset()


def test_a_delay_without_a_date_waits_its_days_from_the_arrival() -> None:
    assert withheld(marked(code="NORU"), NOW).opens == NOW + timedelta(days=UNDATED_DELAY_DAYS)
    assert withheld(marked(code="NORU", display="2026-04-01"), NOW).opens == datetime(2026, 3, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dates", "from_when"),
    [
        ({"issued": "2026-03-02T10:00:00Z", "effectiveDateTime": "2026-01-01"}, datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ({"effectiveDateTime": "2026-03-02"}, datetime(2026, 3, 1, 23, tzinfo=UTC)),
        ({"effectivePeriod": {"end": "2026-03-02T10:00:00Z"}}, datetime(2026, 3, 2, 10, tzinfo=UTC)),
        ({}, NOW),
    ],
)
def test_a_discipline_delays_from_the_results_own_date(dates: dict[str, Any], from_when: datetime) -> None:
    for place in ({"category": [DISCIPLINE]}, {"code": DISCIPLINE}):
        assert withheld({"resourceType": "Observation", **place, **dates}, NOW).opens == from_when + timedelta(days=14)


@pytest.mark.parametrize("date", ["9999-12-18", "9999-12-25T10:00:00Z", "9999-12-31T23:59:59-14:00"])
def test_a_delay_ends_with_the_calendar(date: str) -> None:
    tree = {"resourceType": "Observation", "category": [DISCIPLINE], "effectiveDateTime": date}
    assert withheld(tree, NOW).opens == LAST_DAY
    assert withheld(marked(code="NORU", display=date), NOW).opens <= LAST_DAY


NUMBER = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "01825110190"}


def test_what_a_task_works_on_makes_it_nobody_elses() -> None:
    assert not is_anothers({"resourceType": "Task", "focus": {"reference": "MedicationRequest/1"}})


@pytest.mark.parametrize(
    ("focus", "subject", "anothers"),
    [
        ({"reference": "Patient/lab-77"}, {"reference": "Patient/lab-77"}, False),
        ({"identifier": NUMBER}, {"identifier": NUMBER | {"use": "official"}}, False),
        ({"reference": "Patient/lab-78"}, {"reference": "Patient/lab-77"}, True),
        ({"reference": "Patient/lab-78", "identifier": NUMBER}, {"identifier": NUMBER}, True),
        ({"identifier": NUMBER | {"system": "urn:x"}}, {"identifier": NUMBER}, True),
        ({"display": "Foster"}, {"display": "Foster"}, True),
        ({"reference": "Patient/lab-77"}, {}, True),
    ],
)
def test_a_focus_is_the_patient_where_it_is_named_as_the_subject_is(
    focus: dict[str, Any], subject: dict[str, Any], anothers: bool
) -> None:
    tree = {"resourceType": "Observation", "focus": [focus], "subject": subject}
    assert is_anothers(tree) == anothers
    assert is_anothers(tree | {"focus": [subject, focus]}) == (anothers or "display" in subject)


def test_what_is_about_somebody_else_says_so() -> None:
    focus = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/observation-focusCode"}]}
    for more in (focus, {"focus": [{"display": "Foster"}]}):
        assert withheld({"resourceType": "Observation", **more}, NOW).labels == Label.NOT_THE_MOTHERS


@pytest.mark.parametrize("date", ["24.12.2026", "20261224", "24/12-26", "2026-13-01"])
def test_a_delay_until_a_date_that_cannot_be_read_is_refused(date: str) -> None:
    with pytest.raises(Refusal) as caught:
        withheld(marked(code="NORU", display=date), NOW)
    assert caught.value.status == 422
    assert date not in str(caught.value)
    assert withheld(marked(code="NORU", display="Utsatt tilgang"), NOW).opens == NOW + timedelta(
        days=UNDATED_DELAY_DAYS
    )


def test_what_withholds_a_resource_says_of_which_kinds_it_is() -> None:
    for code, kinds in (("MGEN", {"genetics"}), ("RAD", {"radiology"}), ("LAB", {"laboratory"}), ("XYZ", set())):
        coding = {"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": code}
        tree = {"resourceType": "DiagnosticReport", "category": [{"coding": [coding]}]}
        assert withheld(tree, NOW).kinds == kinds_of(tree) == kinds


def test_of_what_was_stored_with_a_label_that_is_refused_today_nothing_is_known() -> None:
    unknown = {"resourceType": "Observation", "meta": {"security": [{"system": "urn:other", "code": "X"}]}}
    assert said_of_itself(unknown, NOW) == Withheld()
    assert said_of_itself(marked(code="NORS"), NOW).labels == Label.RESTRICTED
