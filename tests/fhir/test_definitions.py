"""R4 as data: the table is whole, its numbers stand still, and the program that makes it can be run again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kjerne.errors import Refusal
from kjerne.fhir import definitions
from kjerne.fhir.definitions import TYPES, elements, table, type_name, type_number

ROOT = Path(__file__).parents[2]


def test_the_numbers_of_types_stand_still() -> None:
    assert len(TYPES) == 146
    assert [type_number(name) for name in ("Account", "Observation", "VisionPrescription")] == [0, 95, 145]
    assert all(type_name(type_number(name)) == name for name in TYPES)
    assert list(TYPES) == sorted(TYPES)


def test_a_type_that_r4_does_not_have_is_refused() -> None:
    with pytest.raises(Refusal):
        type_number("Nothing")


def test_every_type_an_element_has_is_in_the_table() -> None:
    known = table().elements
    assert [of for rows in known.values() for element in rows for of in element.types if of not in known] == []


def test_elements_know_their_cardinality_choice_and_code_list() -> None:
    observation = elements("Observation")
    assert observation["status"].required
    assert "final" in table().codes[observation["status"].codes][observation["status"].system]
    assert observation["value"].choice
    assert observation["category"].many
    assert "Specimen" in observation["specimen"].targets
    assert elements("Observation.component")["referenceRange"].types == ("Observation.referenceRange",)


def test_making_the_table_again_leaves_it_standing() -> None:
    command = [sys.executable, ROOT / "tools" / "build_definitions.py"]
    subprocess.run(command, capture_output=True, check=True)
    before = definitions.PATH.stat().st_mtime_ns
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "stands" in again.stdout
    assert definitions.PATH.stat().st_mtime_ns == before
