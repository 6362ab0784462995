"""Records as they may lie here, of every kind that a summary is drawn from, made by chance and right by R4."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from kjerne.fhir.validate import check
from kjerne.services.summary import choosing, composing
from kjerne.services.summary.document import ORGANISATIONS
from kjerne.services.summary.model import CRITICAL, OPENED, RECORD, RESULTS, Drawn, Summary

Tree = dict[str, Any]
NOW: Final = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
BASE: Final = "https://kjerne.example/fhir/R4"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
SNOMED: Final = "http://snomed.info/sct"
LOINC: Final = "http://loinc.org"
ATC: Final = "http://www.whocc.no/atc"
NLK: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
DISCIPLINES: Final = "urn:oid:2.16.578.1.12.4.1.1.8202"
NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.1"
HER: Final = {"identifier": {"system": NUMBER, "value": "30876827200"}}


def concept(system: str, code: str, display: str = "", text: str = "") -> Tree:
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]} | ({"text": text} if text else {})


def recorder(name: str = "Lege Legesen", element: str = "recorder") -> Tree:
    """Who registered it, as kjernejournal has her: contained."""
    role = {
        "resourceType": "PractitionerRole", "id": "recorder", "practitioner": {"display": name},
        "organization": {"identifier": {"system": ORGANISATIONS, "value": "100000008"}},
    }  # fmt: skip
    return {"contained": [role], element: {"reference": "#recorder"}, "recordedDate": "2026-03-04"}


class Maker:
    """Makes records by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def some(self, **elements: Any) -> Tree:
        """Each element by chance."""
        return {name: value for name, value in elements.items() if self._random.random() < 0.6}

    def one(self, *values: Any) -> Any:
        return self._random.choice(values)

    def tree(self, name: str, /, **elements: Any) -> Tree:
        id_ = str(UUID(int=self._random.getrandbits(128)))
        return {"resourceType": name, "id": id_, "meta": {"versionId": "1"}} | elements

    def text(self) -> str:
        return str(self.one("Penicillin", "Nøtter & <b>frø</b>", "Æ" * 400, "a\"b'c", "𝔘nicode"))

    def allergy(self) -> Tree:
        status = self.one("active", "active", "inactive", "resolved")
        code = self.one(concept(ATC, "J01CA04", "Amoksicillin"), {"text": self.text()}, concept(SNOMED, "91935009"), {})
        return self.tree(
            "AllergyIntolerance",
            patient=dict(HER),
            clinicalStatus=concept(f"{HL7}allergyintolerance-clinical", status),
            **self.some(
                verificationStatus=concept(
                    f"{HL7}allergyintolerance-verification", self.one("confirmed", "unconfirmed", "refuted")
                ),
                category=[self.one("medication", "food", "environment", "biologic")],
                criticality=self.one("high", "low", "unable-to-assess"),
                onsetDateTime="2019-05",
                reaction=[{"manifestation": [self.one({"text": self.text()}, concept(SNOMED, "39579001", "Anafylaksi"))],
                           "severity": self.one("mild", "severe"),
                           **self.some(substance=self.one(concept(ATC, "J01CE02", "PenV"), {"text": self.text()}))}],
                text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">fra kilden</div>'},
            ),
            **({"code": code} if code else {}),
            **self.one({}, recorder()),
        )  # fmt: skip

    def timing(self) -> Tree:
        return {"event": ["2026-11-01T08:00:00+01:00", "2025"][: self.one(1, 2)]} | self.one(
            {}, {"repeat": {"boundsPeriod": {"start": "2026-11-01"}}}, {"code": {"text": "x"}}
        )

    def condition(self) -> Tree:
        status = self.one("active", "active", "recurrence", "inactive", "resolved")
        return self.tree(
            "Condition",
            subject=dict(HER),
            clinicalStatus=concept(f"{HL7}condition-clinical", status),
            **self.some(
                code=self.one(concept("urn:oid:2.16.578.1.12.4.1.1.7110", "I10", "Hypertensjon"), {"text": self.text()}),
                verificationStatus=concept(f"{HL7}condition-ver-status", self.one("confirmed", "provisional", "refuted")),
                severity=concept(SNOMED, "24484000", "Alvorlig"),
                onsetDateTime="2020-01-01",
                bodySite=[{"text": "venstre"}],
                category=[concept("http://nhn.no/kj/fhir/CodeSystem/Category", "5", "Kritisk medisinsk tilstand")],
            ),
            **self.one({}, recorder()),
        )  # fmt: skip

    def procedure(self) -> Tree:
        return self.tree(
            "Procedure",
            subject=dict(HER),
            status=self.one("in-progress", "completed", "entered-in-error", "not-done"),
            **self.some(
                code=concept(SNOMED, "80146002", "Appendektomi"),
                category=concept("http://nhn.no/kj/fhir/CodeSystem/Category", "6", "Pågående behandling"),
                performedDateTime="2021-02-03",
                performer=[{"actor": {"display": "Kirurg Kirurgsen"}}],
            ),
        )

    def implant(self) -> Tree:
        kind = concept(SNOMED, "14106009", "Pacemaker")
        here = {"contained": [{"resourceType": "Device", "id": "d", "type": kind}], "device": {"reference": "#d"}}
        return self.tree(
            "DeviceUseStatement",
            subject=dict(HER),
            status=self.one("active", "completed", "intended"),
            **self.one(here, {"device": {"display": "Pacemaker"}}),
            **self.one({}, {"timingDateTime": "2015-06-07"}, {"timingTiming": self.timing()}),
            **self.some(bodySite={"text": "bryst"}, recordedOn="2015-06-08"),
        )

    def flag(self) -> Tree:
        return self.tree(
            "Flag",
            subject=dict(HER),
            status=self.one("active", "active", "inactive"),
            code=self.one({"text": self.text()}, concept("http://nhn.no/kj/fhir/CodeSystem/Category", "9", "Endring")),
            **self.some(period=self.one({"start": "2020-01-01"}, {"end": "2020-01-01"}), author={"display": "Lege"}),
        )

    def vaccine(self) -> Tree:
        return self.tree(
            "Immunization",
            patient=dict(HER),
            status=self.one("completed", "completed", "not-done"),
            vaccineCode=concept(ATC, "J07BB02", "Influensavaksine"),
            occurrenceDateTime="2025-10-11",
            **self.some(lotNumber="A1", performer=[{"actor": {"display": "Vaksinatør"}}]),
        )

    def medicine(self) -> Tree:
        name = self.one("MedicationStatement", "MedicationRequest")
        what = self.one(
            {"medicationCodeableConcept": concept(ATC, "C09AA02", "Enalapril")},
            {"medicationCodeableConcept": {"text": self.text()}},
            {"medicationReference": {"display": "Enalapril 10 mg"}},
        )
        dose = [{"text": "1 tablett morgen"}]
        if name == "MedicationStatement":
            return self.tree(
                name, subject=dict(HER), status=self.one("active", "completed", "on-hold"), **what,
                **self.some(dosage=dose, effectivePeriod={"start": "2024-01-01"}, dateAsserted="2026-01-01"),
            )  # fmt: skip
        return self.tree(
            name, subject=dict(HER), status=self.one("active", "stopped"), intent=self.one("order", "plan"), **what,
            **self.some(dosageInstruction=dose, authoredOn="2026-01-01", requester={"display": "Fastlege"}),
        )  # fmt: skip

    def result(self) -> Tree:
        value = self.one(
            {"valueQuantity": {"value": 41, "unit": "mmol/mol", "system": "http://unitsofmeasure.org", "code": "mmol/mol"}},
            {"valueString": self.text()}, {"valueCodeableConcept": concept(SNOMED, "260385009", "Negativ")},
            {"dataAbsentReason": concept(f"{HL7}data-absent-reason", "unknown")}, {},
        )  # fmt: skip
        return self.tree(
            "Observation",
            subject=dict(HER),
            status=self.one("final", "corrected", "preliminary", "registered", "cancelled"),
            code=concept(NLK, self.one("NPU27300", "NPU03429", "NPU01933"), "Analyse"),
            **value,
            **self.one(
                {},
                {"effectiveDateTime": self.one("2026-11-01T08:00:00+01:00", "2025-01-01")},
                {"effectiveInstant": "2026-11-01T08:00:00Z"},
                {"effectiveTiming": self.timing()},
            ),
            **self.some(
                category=[concept(DISCIPLINES, self.one("KLIN", "PAT", "RAD", "NUK"))],
                issued="2026-11-02T08:00:00+01:00",
                performer=[{"reference": "PractitionerRole/11091714-6a1e-2266-b6fc-d802df605daf", "display": "Lab"}],
                referenceRange=[{"text": "28 - 40"}],
                specimen={"reference": "Specimen/84ceb2b7-35d3-d57e-516c-3455be68f29c"},
            ),
        )

    def report(self) -> Tree:
        return self.tree(
            "DiagnosticReport", subject=dict(HER), status=self.one("final", "registered"),
            code=concept(LOINC, "18748-4", "Diagnostic imaging study"), **self.some(conclusion=self.text()),
        )  # fmt: skip

    def pregnancy(self) -> list[Tree]:
        due = self.tree(
            "Observation", subject=dict(HER), status="final", code=concept(LOINC, "11778-8", "Delivery date Estimated"),
            effectiveDateTime="2026-10-01", valueDateTime="2027-05-01",
        )  # fmt: skip
        status = self.tree(
            "Observation", subject=dict(HER), status="final", code=concept(LOINC, "82810-3", "Pregnancy status"),
            effectiveDateTime="2026-10-01", valueCodeableConcept=concept(SNOMED, "77386006", "Pregnant"),
            hasMember=[{"reference": f"Observation/{due['id']}"}],
        )  # fmt: skip
        return [status, due] if self._random.random() < 0.3 else []

    def smoking(self) -> list[Tree]:
        told = self.tree(
            "Observation", subject=dict(HER), status="final", code=concept(LOINC, "72166-2", "Tobacco smoking status"),
            effectiveDateTime="2026-10-01", valueCodeableConcept=concept(SNOMED, "266919005", "Never smoked tobacco"),
        )  # fmt: skip
        return [told] if self._random.random() < 0.3 else []

    def weight(self) -> list[Tree]:
        told = self.tree(
            "Observation", subject=dict(HER), status="final", category=[concept(f"{HL7}observation-category", "vital-signs")],
            code=concept(LOINC, "29463-7", "Body weight"), effectiveDateTime="2026-10-01",
            valueQuantity={"value": 70, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
        )  # fmt: skip
        return [told] if self._random.random() < 0.3 else []

    def plan(self) -> Tree:
        return self.tree(
            "CarePlan",
            subject=dict(HER),
            status=self.one("active", "revoked"),
            intent="plan",
            **self.some(title=self.text()),
        )

    def several(self, make: Callable[[], Tree], most: int = 3) -> list[Tree]:
        return [make() for _ in range(self._random.randint(0, most))]

    def records(self) -> dict[str, list[Tree]]:
        """What each service has of one patient."""
        return {
            CRITICAL: [
                tree for make in (self.allergy, self.condition, self.procedure, self.implant, self.flag)
                for tree in self.several(make)
            ],
            RECORD: [
                tree for make in (self.condition, self.procedure, self.vaccine, self.medicine, self.plan)
                for tree in self.several(make)
            ],
            RESULTS: [
                *self.several(self.result, 8), *self.several(self.report), *self.pregnancy(), *self.smoking(), *self.weight()
            ],
        }  # fmt: skip

    def patient(self) -> Tree:
        return self.tree(
            "Patient", gender="female",
            **self.some(
                identifier=[{"system": NUMBER, "value": "30876827200"}],
                name=[{"text": "Kari Nordmann", "family": "Nordmann", "given": ["Kari"]}],
                birthDate="1968-07-30",
                address=[{"use": "home", "text": "Veien 1, 0001 Oslo"}],
            ),
        )  # fmt: skip


def drawn(records: dict[str, list[Tree]], now: datetime = NOW) -> dict[str, Drawn]:
    """What the sources give where all of them are read."""
    found = {}
    for service in OPENED:
        trees = records.get(service, [])
        chosen = composing.shown(((key, tree) for tree in trees if (key := choosing.section_of(tree, now))), now)
        led_to = [
            ("", tree) for tree in trees if not choosing.section_of(tree, now) and tree["resourceType"] == "Observation"
        ]
        found[service] = Drawn("read", [*chosen, *led_to])
    return found


def summary(
    records: dict[str, list[Tree]] | None = None, *, patient: Tree | None = None, language: str = "nb",
    tells_choices: bool = True, without: dict[str, Drawn] | None = None,
) -> Summary:  # fmt: skip
    """A summary of these records; `without` says of a source what became of it instead."""
    sources = drawn(records or {}) | (without or {})
    her = patient or {
        "resourceType": "Patient", "id": str(UUID(int=1)), "name": [{"text": "Kari Nordmann"}], "birthDate": "1968-07-30"
    }  # fmt: skip
    return Summary(
        her, composing.sections(sources, tells_choices=tells_choices), composing.beside(sources), NOW, language, BASE, "one",
        {"100000008": "Sykehuset"},
    )  # fmt: skip


def is_right(tree: Tree) -> bool:
    return not check(tree, tree["resourceType"])
