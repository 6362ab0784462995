"""What is valid and refused on write, since it would be misread or unseen."""

from __future__ import annotations

import json

from platform_fixture import Answered, Standing

from .test_standards import FHIR, create, observation, update


def test_what_an_unknown_modifier_extension_turns_is_refused(platform: Standing) -> None:
    turned = observation(modifierExtension=[{"url": "http://example.org/not", "valueBoolean": True}])
    made = str(create(platform, observation()).tree["id"])
    for answer in (create(platform, turned), update(platform, made, turned | {"id": made}, "1")):
        assert (answer.status, answer.issue["expression"]) == (422, ["Observation.modifierExtension[0]"])
        assert "modifier-extension" in answer.response.text


def test_a_result_that_is_contained_in_a_report_is_refused_with_its_place(platform: Standing) -> None:
    inside = observation(id="c1")
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Svar"}, "contained": [inside]}
    body = json.dumps(report | {"result": [{"reference": "#c1"}]}).encode()
    sent = {"content-type": FHIR}
    answer = Answered(
        platform.client.call(
            "POST", "/fhir/R4/DiagnosticReport", as_="lab", patient=platform.nin("renumbered"), body=body, headers=sent
        )
    )
    assert (answer.status, answer.issue["expression"]) == (422, ["DiagnosticReport.contained[0]"])
    assert "contained-finding" in answer.response.text
