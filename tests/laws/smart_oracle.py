"""SMART App Launch 2.2 a second time, without the product: scopes are what the app asked for at most (K26: beside the national
scope, never instead)."""

from __future__ import annotations

from .situation import Situation

RESULT_TYPES = {
    "DiagnosticReport", "Observation", "ServiceRequest", "Specimen", "PractitionerRole", "Binary", "ImagingStudy", "Media",
}  # fmt: skip
TYPES = {
    "results": RESULT_TYPES,
    "critical-information": {"AllergyIntolerance", "Condition", "DeviceUseStatement", "Procedure", "Flag"},
    "documents": {"DocumentReference", "Binary"},
    "record": {
        "Encounter", "EpisodeOfCare", "CarePlan", "CareTeam", "Goal", "ClinicalImpression", "DetectedIssue", "RiskAssessment",
        "FamilyMemberHistory", "AdverseEvent", "BodyStructure", "GuidanceResponse", "RequestGroup", "List",
        "MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense", "Immunization",
        "ImmunizationEvaluation", "ImmunizationRecommendation", "NutritionOrder", "VisionPrescription", "Device",
        "DeviceRequest", "SupplyRequest", "SupplyDelivery", "Appointment", "AppointmentResponse", "Task", "Communication",
        "CommunicationRequest", "QuestionnaireResponse", "Condition", "Procedure",
    },
    "settlement": {
        "Account", "ChargeItem", "Claim", "ClaimResponse", "Coverage", "CoverageEligibilityRequest",
        "CoverageEligibilityResponse", "ExplanationOfBenefit", "Invoice",
    },
    "measurements": {"Observation"},
    "cross-border": {"DocumentReference", "Binary"},
}  # fmt: skip
"""Maternity speaks no FHIR: no such scope leaves anything of it."""


def smart_scopes_leave_something(s: Situation) -> bool:
    """Of what the action needs at least one thing; of a whole message, of what a source is told of readings, of log and
    choices, everything (K26)."""
    pieces = {piece for scope in s.smart for piece in pieces_of(scope, s.kind)}
    types: set[str] = TYPES.get(s.service, set())
    if s.action == "link":
        return False
    if s.action in ("examine", "trace", "disclose"):
        return bool(types) and all((type_, "r", "whole") in pieces for type_ in types)
    if s.action in ("insight", "choose"):
        type_, letters = {"insight": ("AuditEvent", "rs"), "choose": ("Consent", "crus")}[s.action]
        return all((type_, letter, "whole") in pieces for letter in letters)
    letters = {
        "read": "r", "history": "r", "search": "s", "file": "cu", "correct": "ud", "export": "r", "recheck": "r",
        "subscribe": "rs", "notify": "rs",
    }.get(s.action, "")  # fmt: skip
    wanted = {(type_, letter) for type_ in types for letter in letters}
    return any((type_, letter) in wanted for type_, letter, _ in pieces)


def pieces_of(scope: str, kind: str) -> set[tuple[str, str, str]]:
    """(type, letter, whole or part) that a scope leaves to this kind of caller."""
    context, rest = scope.split("/", 1)
    if (context == "system") != (kind == "system"):
        return set()
    said, query, _ = rest.partition("?")
    type_, letters = said.rsplit(".", 1)
    letters = {"read": "rs", "write": "cud", "*": "cruds"}.get(letters, letters)
    types = {"AuditEvent", "Consent"}.union(*TYPES.values()) if type_ == "*" else {type_}
    return {(one, letter, "part" if query else "whole") for one in types for letter in letters}
