"""The guides of the International Patient Summary and of the European one, where they lie beside the checkout."""

from __future__ import annotations

import json
import tarfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from guide_packages import joined
from kjerne.fhir import packages
from kjerne.fhir.core_bindings import CoreBindings
from kjerne.fhir.profiles import Profiles, without_known
from kjerne.fhir.validate import check
from kjerne.fhir.value_sets import Listed

FOLDER: Final = Path(__file__).parents[2] / "shared" / "data" / "packages"
IPS: Final = "hl7.fhir.uv.ips-2.0.1"
EPS: Final = "hl7.fhir.eu.eps-1.0.0-xtehr"
NAMES: Final = (
    IPS, EPS, "hl7.fhir.eu.base-2.0.0", "hl7.fhir.eu.extensions-1.2.1-ci-build", "hl7.fhir.uv.extensions.r4-subset",
    "hl7.fhir.uv.xver-r5.r4-subset",
)  # fmt: skip
needed = pytest.mark.skipif(not FOLDER.exists(), reason="../shared is not beside the checkout")
BY_IPS: Final = "http://hl7.org/fhir/uv/ips/StructureDefinition/"
BY_EPS: Final = "http://hl7.eu/fhir/eps/StructureDefinition/"
OWN: Final = {
    "AllergyIntolerance": ("AllergyIntolerance-uv-ips", "allergyintolerance-obl-eu-eps"),
    "Condition": ("Condition-uv-ips", "condition-obl-eu-eps"),
    "Device": ("", "device-eu-eps"),
    "DeviceUseStatement": ("DeviceUseStatement-uv-ips", "deviceUseStatement-eu-eps"),
    "DiagnosticReport": ("DiagnosticReport-uv-ips", "diagnosticReport-eu-eps"),
    "Flag": ("Flag-alert-uv-ips", "flag-alert-obl-eu-eps"),
    "Immunization": ("Immunization-uv-ips", "immunization-obl-eu-eps"),
    "Medication": ("Medication-uv-ips", "medication-obl-eu-eps"),
    "MedicationRequest": ("MedicationRequest-uv-ips", "medicationrequest-obl-eu-eps"),
    "MedicationStatement": ("MedicationStatement-uv-ips", "MedicationStatement-eu-eps"),
    "Organization": ("Organization-uv-ips", "organization-obl-eu-eps"),
    "Patient": ("Patient-uv-ips", "patient-eu-eps"),
    "Procedure": ("Procedure-uv-ips", "procedure-eu-eps"),
}
"""The profiles of both guides for a type that has one alone."""


@cache
def profiles() -> Profiles:
    library = joined(packages.read((FOLDER / f"{name}.tgz").read_bytes()) for name in NAMES)
    return Profiles(library, Listed(library))


def examples(name: str, kind: str = "Bundle") -> list[dict[str, Any]]:
    """The examples of a type in a package."""
    with tarfile.open(FOLDER / f"{name}.tgz") as archive:
        files = [archive.extractfile(one) for one in archive if "/example" in one.name and one.name.endswith(".json")]
        trees = [json.loads(one.read()) for one in files if one]
    return [one for one in trees if isinstance(one, dict) and one.get("resourceType") == kind]


def faults(bundle: dict[str, Any]) -> list[str]:
    """What is wrong with a document by R4, by the profiles that it names, and with each entry by the profiles of its type."""
    known = profiles()
    found = (
        without_known(check(bundle, "Bundle"), bundle, known)
        + CoreBindings(Listed(known._library)).judge(bundle).faults
    )
    for profile in bundle["meta"]["profile"]:
        found += known.check(bundle, profile)
    told = [f"{one.where}: {one.says} ({one.rule})" for one in found]
    for place, entry in enumerate(bundle["entry"]):
        for profile in wanted_of(entry["resource"]):
            told += [
                f"entry[{place}] {one.where}: {one.says} ({profile})" for one in known.check(entry["resource"], profile)
            ]
    return told


def wanted_of(tree: dict[str, Any]) -> list[str]:
    """The profiles that a resource in a document is held against."""
    name = tree["resourceType"]
    if name == "Observation":
        return _of_an_observation(tree)
    ips, eps = OWN.get(name, ("", ""))
    return [base + one for base, one in ((BY_IPS, ips), (BY_EPS, eps)) if one]


def _of_an_observation(tree: dict[str, Any]) -> list[str]:
    codes = {one.get("code") for one in tree["code"].get("coding", ())}
    kinds = {one.get("code") for each in tree.get("category", ()) for one in each.get("coding", ())}
    if "82810-3" in codes:
        return [BY_IPS + "Observation-pregnancy-status-uv-ips", BY_EPS + "observation-pregnancy-status-eu-ips"]
    if codes & {"11778-8", "11779-6", "11780-4"}:
        return [BY_IPS + "Observation-pregnancy-edd-uv-ips", BY_EPS + "observation-pregnancy-edd-eu-eps"]
    if "72166-2" in codes:
        return [BY_IPS + "Observation-tobaccouse-uv-ips"]
    if "vital-signs" in kinds:
        return ["http://hl7.org/fhir/StructureDefinition/vitalsigns"]
    kind = "radiology" if "imaging" in kinds else "laboratory-pathology"
    return [f"{BY_IPS}Observation-results-{kind}-uv-ips"]
