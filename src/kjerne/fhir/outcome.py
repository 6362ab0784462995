"""A refusal in FHIR's own shape (R4 operationoutcome.html)."""

from __future__ import annotations

from typing import Any

from kjerne.errors import ISSUE_BY_STATUS, Fault, Refusal, sentences
from kjerne.fhir.encode import encode


def operation_outcome(refusal: Refusal) -> bytes:
    """The OperationOutcome of a refusal: its own issue first, then one per further fault."""
    own = _issue(refusal.says, refusal.code, refusal.where, refusal.todo)
    faults = [_fault(fault, refusal) for fault in refusal.faults]
    return encode({"resourceType": "OperationOutcome", "issue": [own, *faults]})


def _fault(fault: Fault, refusal: Refusal) -> dict[str, Any]:
    return _issue(fault.says, fault.code or ISSUE_BY_STATUS.get(refusal.status, "invalid"), fault.where, "")


def _issue(says: str, code: str, where: str, todo: str) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": "error",
        "code": code,
        "diagnostics": sentences(says, todo),
    }
    # An element path or a line; a search parameter's name stands in `where` too and is as useful there.
    return issue | ({"expression": [where]} if where else {})
