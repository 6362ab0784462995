"""A refusal in the shape of the API that was called. The only place where errors get their bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from kjerne.access import Denial
from kjerne.errors import Refusal, sentences
from kjerne.exchange import Answer, ErrorShape
from kjerne.fhir.outcome import operation_outcome
from kjerne.services.critical.indicating import not_checked

_json = msgspec.json.Encoder().encode


def refusal_answer(refusal: Refusal, shape: ErrorShape) -> Answer:
    """FHIR APIs answer with an OperationOutcome, the others with JSON `{error, where, todo}`; the health indicator has its status
    0 beside that.

    The rule's name is for the log alone: two refusals that must not be told apart may have two rules.
    """
    if shape == "fhir":
        return Answer(refusal.status, operation_outcome(refusal), headers=refusal.headers)
    body: dict[str, Any] = {
        "error": refusal.says,
        "where": refusal.where,
        "todo": refusal.todo,
        "faults": [{"error": fault.says, "where": fault.where} for fault in refusal.faults],
    }
    body = {key: value for key, value in body.items() if value}
    if shape == "indicator":
        body |= not_checked(refusal.says, refusal.todo)
    return Answer(refusal.status, _json(body), "application/json", refusal.headers)


def denied_answer(denial: Denial, shape: ErrorShape) -> Answer:
    """A no of the law in the shape of the API that was called."""
    return refusal_answer(denied_refusal(denial), shape)


def denied_refusal(denial: Denial) -> Refusal:
    """A no of the law in its own words, with its law; one about the caller's organisation says since when."""
    says, law = sentences(denial.says or "Access is not given.", denial.of_caller), denial.law
    return Refusal(403, f"{says} ({law or denial.rule})", code="forbidden", rule=denial.rule)
