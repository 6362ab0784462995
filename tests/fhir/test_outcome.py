"""A refusal in FHIR's shape is itself right FHIR."""

from __future__ import annotations

from kjerne.errors import ISSUE_BY_STATUS, Fault, Refusal
from kjerne.fhir.outcome import operation_outcome
from kjerne.fhir.validate import check
from kjerne.wire.json import parse


def test_every_status_gives_a_valid_outcome() -> None:
    for status in ISSUE_BY_STATUS:
        outcome = parse(operation_outcome(Refusal(status, "No.", where="Observation.code", todo="Send another.")))
        assert check(outcome, "OperationOutcome") == []
        assert outcome["issue"][0]["diagnostics"] == "No. Send another."
        assert outcome["issue"][0]["expression"] == ["Observation.code"]


def test_an_issue_names_the_rule_and_the_line() -> None:
    told = Fault("Empty.", "Observation.code", "invariant", "ele-1", 7)
    outcome = parse(operation_outcome(Refusal(422, "Empty.", where="Observation.code", fault=told, faults=(told,))))
    assert check(outcome, "OperationOutcome") == []
    for issue in outcome["issue"]:
        assert issue["details"]["coding"][0]["code"] == "ele-1"
        assert issue["extension"][0]["valueInteger"] == 7


def test_each_fault_is_an_issue() -> None:
    refusal = Refusal(422, "Wrong.", faults=(Fault("Missing.", "Observation.status", "required"), Fault("Odd.")))
    issues = parse(operation_outcome(refusal))["issue"]
    assert [(issue["code"], issue.get("expression")) for issue in issues] == [
        ("processing", None),
        ("required", ["Observation.status"]),
        ("processing", None),
    ]
