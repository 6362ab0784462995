"""The views that are shipped hold against R4, and can be joined."""

from __future__ import annotations

import pytest

from kjerne.fhir.views.shelf import definition, names, shipped


@pytest.mark.parametrize("name", names())
def test_shipped_view_is_whole(name: str) -> None:
    view = shipped(name)
    assert (view.name, view.notes) == (name, ())
    assert view.title
    assert view.description
    assert definition(name)["fhirVersion"] == ["4.0.1"]
    assert all(one.type and not one.collection for one in view.columns)
    assert view.columns[0].name.endswith("id")


def test_what_a_data_scientist_would_start_with_is_there() -> None:
    resources = {shipped(name).resource for name in names()}
    assert resources >= set(
        """
        Patient Observation DiagnosticReport Specimen ServiceRequest AllergyIntolerance Condition DeviceUseStatement Procedure
        Flag Encounter EpisodeOfCare MedicationRequest MedicationStatement Immunization Appointment CarePlan Task
        QuestionnaireResponse
        """.split()
    )
