"""A refusal in the shape of the API that was called."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kjerne.access import Caller, Denial
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Denied, not_filed
from kjerne.wire.problems import denied_answer, refusal_answer

REFUSAL = Refusal(
    422, "two things are wrong", where="Observation.code", todo="Mend them.", faults=(Fault("the second", "Observation.status"),),
    headers=(("allow", "GET"),),
)  # fmt: skip
DENIAL = Denial(
    Caller("citizen", "app", frozenset()), None, "results", "read", "no-relation", "pasientjournalloven § 16", "Ingen tilgang.",
    "", datetime(2026, 1, 1, tzinfo=UTC), "c",
)  # fmt: skip


def test_a_fhir_api_answers_with_an_outcome_that_names_every_fault() -> None:
    answer = refusal_answer(REFUSAL, "fhir")
    tree = json.loads(answer.body)
    assert (answer.status, answer.media_type, answer.headers) == (422, "application/fhir+json", (("allow", "GET"),))
    assert tree["resourceType"] == "OperationOutcome"
    assert [issue["expression"] for issue in tree["issue"]] == [["Observation.code"], ["Observation.status"]]
    assert {issue["code"] for issue in tree["issue"]} == {"processing"}
    assert tree["issue"][0]["diagnostics"] == "two things are wrong. Mend them."


@pytest.mark.parametrize("shape", ["json", "oauth", "page", "apprec"])
def test_the_others_answer_with_plain_json(shape: str) -> None:
    answer = refusal_answer(REFUSAL, shape)  # type: ignore[arg-type]
    assert answer.media_type == "application/json"
    assert json.loads(answer.body) == {
        "error": "two things are wrong",
        "where": "Observation.code",
        "todo": "Mend them.",
        "faults": [{"error": "the second", "where": "Observation.status"}],
    }


def test_what_is_empty_is_left_out() -> None:
    assert json.loads(refusal_answer(Refusal(404, "nothing"), "json").body) == {"error": "nothing"}


def test_a_no_of_the_law_says_its_words_and_its_law() -> None:
    issue = json.loads(denied_answer(DENIAL, "fhir").body)["issue"][0]
    assert issue["code"] == "forbidden"
    assert "Ingen tilgang." in issue["diagnostics"] and "§ 16" in issue["diagnostics"]
    plain = json.loads(denied_answer(DENIAL, "json").body)
    assert "Ingen tilgang." in plain["error"]


def test_the_name_of_a_rule_is_for_the_log_alone() -> None:
    named = Refusal(403, "The attestation does not hold.", rule="ATT-11")
    for shape in ("fhir", "json"):
        assert b"ATT-11" not in refusal_answer(named, shape).body  # type: ignore[arg-type]
        assert b"no-relation" not in denied_answer(DENIAL, shape).body  # type: ignore[arg-type]


def test_a_no_about_the_organisation_says_since_when_to_caller_and_sender_alike() -> None:
    told = "Den deltok til 2026-01-01T00:00:00Z."
    denial = replace(DENIAL, rule="sender-takes-no-part", of_caller=told)
    answer = json.loads(denied_answer(denial, "json").body)
    assert answer["error"] == f"Ingen tilgang. {told} (pasientjournalloven § 16)"
    refusal = not_filed(Denied(denial), "Patient/OffId line 4")
    assert (refusal.says, refusal.where, refusal.rule) == (answer["error"], "", "sender-takes-no-part")


def test_a_no_about_the_patient_says_nothing_of_her_to_a_sender() -> None:
    refusal = not_filed(Denied(DENIAL), "Patient/OffId line 4")
    assert (refusal.says, refusal.where) == ("results about this person are not filed here", "Patient/OffId line 4")
