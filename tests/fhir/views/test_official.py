"""The tests that SQL on FHIR publishes: all of them come out as they want."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("judge_sql_on_fhir", ROOT / "tools" / "judge_sql_on_fhir.py")
assert _spec
assert _spec.loader
judge: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(judge)


def test_official_tests_pass() -> None:
    place = judge.folder()
    if place is None:
        pytest.skip("the official tests are not at hand (KJERNE_SQL_ON_FHIR, or shared/data/sql-on-fhir)")
    found = list(judge.judged(place))
    assert len(found) > 100
    assert [one for one in found if one.wrong] == []


def test_the_judge_notices_what_is_otherwise() -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    patients = [{"resourceType": "Patient", "id": "a"}, {"resourceType": "Observation", "id": "b"}]
    right = {"view": view, "expect": [{"id": "a"}]}
    assert judge.wrong(right, patients) == ""
    for otherwise in (
        {"expect": [{"id": "b"}]},
        {"expect": [{"id": "a"}, {"id": "a"}]},
        {"expectColumns": ["name"]},
        {"expectCount": 2},
        {"expectError": True},
        {"view": {}},
    ):
        assert judge.wrong(right | otherwise, patients)
