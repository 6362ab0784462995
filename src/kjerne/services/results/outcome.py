"""What Pasientens prøvesvar answers instead of entries: the privacy outcome, or that nothing is there.

The outcome is inside the search result (code system pvk-outcome-cs), decided before any data are looked for, so that
"blocked" says nothing about whether there was something to block.
"""

from __future__ import annotations

from typing import Any, Final

from kjerne.access import Denial

PVK_SYSTEM: Final = "http://nhn.no/fhir/nilar/CodeSystem/pvk-outcome-cs"
PVK_TEXT: Final = {
    "Specific": "Pasienten har sperret for dette helsepersonellet.",
    "General": "Pasienten har sperret for alt helsepersonell.",
    "Reservation": "Pasienten har reservert seg mot tjenesten.",
}


def privacy(denial: Denial) -> dict[str, Any]:
    """OperationOutcome for a refusal by the patient's own choice."""
    return _outcome(
        "suppressed",
        {
            "coding": [{"system": PVK_SYSTEM, "code": denial.outcome, "display": PVK_TEXT[denial.outcome]}],
            "text": PVK_TEXT[denial.outcome],
        },
        denial.law,
    )


def nothing() -> dict[str, Any]:
    """OperationOutcome for a search without hits."""
    return _outcome("not-found", {"text": "Ingen prøvesvar er registrert for søket."}, "", "information")


def _outcome(code: str, details: dict[str, Any], diagnostics: str, severity: str = "warning") -> dict[str, Any]:
    issue: dict[str, Any] = {"severity": severity, "code": code, "details": details}
    if diagnostics:
        issue["diagnostics"] = diagnostics
    return {"resourceType": "OperationOutcome", "issue": [issue]}
