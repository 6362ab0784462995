"""FHIR R4 (4.0.1) as data: types, elements, required code lists and search parameters, from HL7's CC0 package.

The table is made by `tools/build_definitions.py` and never committed. `TYPES` stands here in words, because rows of the
database hold its numbers.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from kjerne.errors import Refusal

PATH: Final = Path(__file__).parent / "data" / "definitions.msgpack.zst"
UNPACKED_LIMIT_BYTES: Final = 64_000_000

TYPES: Final = tuple(
    """
    Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary
    BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem
    ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest
    CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest
    CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement
    DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest
    EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
    FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization
    ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List
    Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
    MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
    MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
    MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical
    MedicinalProductUndesirableEffect MessageDefinition MessageHeader MolecularSequence NamingSystem NutritionOrder
    Observation ObservationDefinition OperationDefinition OperationOutcome Organization OrganizationAffiliation
    Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole
    Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson RequestGroup ResearchDefinition
    ResearchElementDefinition ResearchStudy ResearchSubject RiskAssessment RiskEvidenceSynthesis Schedule
    SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap Subscription
    Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
    SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task TerminologyCapabilities
    TestReport TestScript ValueSet VerificationResult VisionPrescription
    """.split()
)
"""Every R4 resource type, alphabetical. The place is the number in rows: never insert, only append."""

BESIDE: Final = 1_000
"""What is added to a type's number in rows that a second service keeps (`registries.homes.SECOND`)."""
_NUMBERS: Final = {name: number for number, name in enumerate(TYPES)}


class Element(msgspec.Struct, frozen=True, array_like=True):
    """One element of a type. `many`: a list in JSON. `choice`: `value[x]`, one JSON name per type.

    `types` are FHIR types; a nested structure has one type named by its path (`Observation.component`).
    `targets` are what a Reference or canonical may point at; `codes` names a required code list in `Table.codes`;
    `system` is the one code system of that list, when there is one; `summary` that `_summary=true` shows it.
    """

    name: str
    types: tuple[str, ...]
    required: bool
    many: bool
    choice: bool
    targets: tuple[str, ...]
    codes: str
    system: str
    summary: bool


class Component(msgspec.Struct, frozen=True, array_like=True):
    """One part of a composite search parameter: the parameter that types it, and its path from the composite's root."""

    code: str
    expression: str


class Parameter(msgspec.Struct, frozen=True, array_like=True):
    """A base SearchParameter. `kind` is its type (token, date ...); `targets` the types a reference may have."""

    code: str
    kind: str
    bases: tuple[str, ...]
    expression: str
    targets: tuple[str, ...]
    components: tuple[Component, ...]
    url: str


class Table(msgspec.Struct, frozen=True, array_like=True):
    """Everything from the package. `codes` maps a code list's address to its codes by system."""

    source_sha256: str
    elements: dict[str, tuple[Element, ...]]
    kinds: dict[str, str]
    codes: dict[str, dict[str, frozenset[str]]]
    parameters: tuple[Parameter, ...]


@cache
def table() -> Table:
    """The whole table, read once (some 20 ms)."""
    try:
        packed = PATH.read_bytes()
    except FileNotFoundError:
        raise RuntimeError("The FHIR definitions are missing: run `make setup` (tools/build_definitions.py).") from None
    unpacked = zstandard.ZstdDecompressor().decompress(packed, max_output_size=UNPACKED_LIMIT_BYTES)
    return msgspec.msgpack.decode(unpacked, type=Table)


def type_number(name: str) -> int:
    """The number of a resource type in rows. Raises `Refusal` (404) for a name that R4 does not have."""
    number = _NUMBERS.get(name)
    if number is None:
        raise Refusal(404, "FHIR R4 has no such resource type.", code="not-supported")
    return number


def type_name(number: int) -> str:
    """The reverse of `type_number`, whichever service keeps the row."""
    return TYPES[number % BESIDE]


@cache
def elements(type: str) -> dict[str, Element]:
    """The elements of a type by name (`value`, not `valueQuantity`), in the specification's order."""
    return {element.name: element for element in table().elements[type]}
