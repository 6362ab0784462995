"""Which includes may lead to her own Patient from a record of another that names her."""

from __future__ import annotations

import pytest

from kjerne.fhir.search import Include, Search
from kjerne.store.bringing_her import may_lead


@pytest.mark.parametrize(
    ("type_", "code", "leads"),
    [
        ("Observation", "focus", True), ("Task", "based-on", True), ("ClinicalImpression", "supporting-info", True),
        ("Communication", "part-of", True), ("Appointment", "supporting-info", True), ("List", "item", True),
        ("DetectedIssue", "implicated", True), ("Observation", "subject", True), ("Observation", "specimen", False),
        ("Task", "requester", False),
    ],
)  # fmt: skip
def test_an_include_may_lead_to_her_by_whatever_its_parameter_is_called(type_: str, code: str, leads: bool) -> None:
    assert may_lead(Search(type_, includes=(Include(type_, code),))) == leads
