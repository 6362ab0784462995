"""Every type of R4 has one home, the one that the law has for it, and docs/types.md says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kjerne.fhir.definitions import TYPES
from kjerne.policy.services import HERE, SERVICES
from kjerne.registries.homes import HOMES, SERVICE_BY_TYPE, not_served, types_of

BESIDE_THE_SERVICES = {"choices", "log"}


def test_every_type_has_one_home_and_what_is_not_served_says_why() -> None:
    assert list(HOMES) == list(TYPES)
    assert [name for name, home in HOMES.items() if not (home.served or home.why)] == []


def test_a_patients_type_has_a_service_and_no_other_has() -> None:
    known = SERVICES.keys() | BESIDE_THE_SERVICES
    assert all((home.service in known) if home.kind == "patient" else not home.service for home in HOMES.values())


def test_what_is_served_belongs_to_a_service_in_use_whose_law_names_the_type() -> None:
    assert {SERVICES[service].in_use for service in SERVICE_BY_TYPE.values()} == {True}
    for name, service in SERVICE_BY_TYPE.items():
        assert name in SERVICES[service].types


def test_a_service_whose_records_lie_here_serves_every_type_that_its_law_names() -> None:
    for name in HERE:
        assert set(types_of(name)) == set(SERVICES[name].types)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("DeviceMetric", "with the patient, in the service record"),
        ("Practitioner", "a registry"),
        ("ValueSet", "a space"),
        ("Contract", "no home here"),
        ("Consent", "a room of its own"),
        ("Encounters", "R4 has no such type"),
    ],
)
def test_a_type_that_is_not_served_is_refused_with_its_home(name: str, says: str) -> None:
    refusal = not_served(name)
    assert (refusal.status, refusal.where) == (404, "path")
    assert says in refusal.says


def test_the_page_of_types_is_made_from_the_table() -> None:
    tool = Path(__file__).parents[2] / "tools" / "build_types.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, "docs/types.md is stale: run tools/build_types.py\n" + done.stderr
