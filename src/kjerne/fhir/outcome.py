"""A refusal in FHIR's own shape (R4 operationoutcome.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kjerne.errors import ISSUE_BY_STATUS, Fault, Refusal, sentences
from kjerne.fhir.encode import encode

LINE: Final = "http://kjerne.example/fhir/StructureDefinition/line"
RULE: Final = "http://kjerne.example/fhir/CodeSystem/rule"
"""Keys of R4's invariants, and our own words for rules that have none (docs/validation.md)."""


def operation_outcome(refusal: Refusal) -> bytes:
    """The OperationOutcome of a refusal: its own issue first, then one per further fault."""
    own = _issue(refusal.says, refusal.code, refusal.where, refusal.todo) | _more(refusal.fault)
    faults = [_fault(fault, refusal) for fault in refusal.faults]
    return encode({"resourceType": "OperationOutcome", "issue": [own, *faults]})


def _fault(fault: Fault, refusal: Refusal) -> dict[str, Any]:
    code = fault.code or ISSUE_BY_STATUS.get(refusal.status, "invalid")
    return _issue(fault.says, code, fault.where, "") | _more(fault)


def judged(faults: Sequence[Fault], advice: Sequence[Fault], says: Sequence[str]) -> dict[str, Any]:
    """The OperationOutcome of a check that was made: what is wrong, what is advised against, and what is said beside."""
    told = [{"severity": "information", "code": "informational", "diagnostics": one} for one in says]
    wrong = [_issue(one.says, one.code or "invalid", one.where, "") | _more(one) for one in faults]
    return {"resourceType": "OperationOutcome", "issue": [*wrong, *map(advised, advice), *told]}


def not_listed(number: int) -> list[bytes]:
    """What a page says beside its records where records of others that name the patient answer too and are not on it."""
    if not number:
        return []
    says = f"{number} records of others that name the patient answer too and are not listed: hers are too many to lay them among"
    issue = _issue(says, "incomplete", "", "Narrow the search with a code or a date, or read Patient/$everything.")
    return [encode({"resourceType": "OperationOutcome", "issue": [issue | {"severity": "warning"}]})]


def advised(fault: Fault) -> dict[str, Any]:
    """An issue that keeps nothing out."""
    return _issue(fault.says, fault.code or "invalid", fault.where, "") | _more(fault) | {"severity": "warning"}


def _more(fault: Fault | None) -> dict[str, Any]:
    """The rule that is broken, by its key, and the line in the body."""
    more: dict[str, Any] = {}
    if fault is not None and fault.line:
        more["extension"] = [{"url": LINE, "valueInteger": fault.line}]
    if fault is not None and fault.rule:
        more["details"] = {"coding": [{"system": RULE, "code": fault.rule}]}
    return more


def _issue(says: str, code: str, where: str, todo: str) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": "error",
        "code": code,
        "diagnostics": sentences(says, todo),
    }
    # An element path or a line; a search parameter's name stands in `where` too and is as useful there.
    return issue | ({"expression": [where]} if where else {})
