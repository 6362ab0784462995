"""Where each resource type of R4 has its home: with one patient, in a registry, in a space, or nowhere, and why.

A type of a patient belongs to one service, whose law is asked and whose key seals it (`store.records`): a type in two
services would lie under two keys. docs/types.md is made from this table, and the answer about a type that is not served
(404) is read from it. The law of each service itself is `policy.services`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.definitions import BESIDE, TYPES, type_number

Kind = Literal["patient", "registry", "space", "none"]


class Home(NamedTuple):
    """`service` is whose law holds for a patient's type; `served` says that it is there under `/fhir/R4` as a record, `why` what
    it is or why it is not."""

    kind: Kind
    service: str = ""
    served: bool = False
    why: str = ""


def _of(home: Home, types: str) -> Iterator[tuple[str, Home]]:
    for name in types.split():
        yield name, home


def _table(*parts: Iterable[tuple[str, Home]]) -> dict[str, Home]:
    found: dict[str, Home] = {}
    for name, home in (pair for part in parts for pair in part):
        assert name not in found, name
        found[name] = home
    return {name: found[name] for name in TYPES}


HOMES: Final[Mapping[str, Home]] = _table(
    _of(Home("patient", "results", served=True), "DiagnosticReport Observation ServiceRequest Specimen Binary"),
    _of(
        Home("patient", "results", served=True, why="who asked, as a message said it; a register's for the test client alone"),
        "PractitionerRole",
    ),
    _of(Home("patient", "results", served=True, why="of a report that names it, and withheld with that"), "ImagingStudy Media"),
    _of(Home("patient", "results", why="genetics comes as a report so far"), "MolecularSequence"),
    _of(
        Home("patient", "critical-information", served=True),
        "AllergyIntolerance Condition DeviceUseStatement Procedure Flag",
    ),
    _of(
        Home("patient", "documents", why="the documents lie with their sources: listed at `/phr/R4/fhir` and kept nowhere here"),
        "DocumentReference DocumentManifest Composition",
    ),
    _of(Home("patient", "choices", why="a view of a choice, served by a room of its own"), "Consent"),
    _of(Home("patient", "log", why="a view of the log, served by a room of its own"), "AuditEvent"),
    _of(Home("patient", "record", why="belongs to the service of the record that it tells of"), "Provenance"),
    _of(
        Home("patient", "record", served=True),
        """AdverseEvent BodyStructure CarePlan CareTeam ClinicalImpression Communication CommunicationRequest DetectedIssue
        DeviceRequest Encounter EpisodeOfCare FamilyMemberHistory Goal GuidanceResponse Immunization ImmunizationEvaluation
        ImmunizationRecommendation List MedicationAdministration MedicationDispense MedicationRequest MedicationStatement
        NutritionOrder QuestionnaireResponse RequestGroup RiskAssessment SupplyDelivery VisionPrescription""",
    ),
    _of(Home("patient", "record", served=True, why="of the one patient among those who meet"), "Appointment"),
    _of(
        Home("patient", "record", served=True, why="the patient's own answer, as `actor`, or another's to her Appointment"),
        "AppointmentResponse",
    ),
    _of(Home("patient", "record", served=True, why="one that is in or with the patient, not the ward's"), "Device"),
    _of(Home("patient", "record", served=True, why="what is delivered to the patient, as `deliverTo`"), "SupplyRequest"),
    _of(Home("patient", "record", served=True, why="the patient is whom it is `for`"), "Task"),
    _of(
        Home("patient", "record", why="names the device that measures and never the patient, so whose it is cannot be told"),
        "DeviceMetric",
    ),
    _of(
        Home("registry", served=True, why="a person of the register: seen by whoever may see something of hers"),
        "Patient",
    ),
    _of(
        Home("registry", why="the register of persons, which is served as Patient alone"),
        "Person RelatedPerson",
    ),
    _of(
        Home("registry", served=True, why="who and where in the health service"),
        "Practitioner Organization OrganizationAffiliation Location HealthcareService Endpoint InsurancePlan Schedule Slot",
    ),
    _of(Home("registry", why="says of anything who has checked it, of a patient's record too"), "VerificationResult"),
    _of(
        Home("registry", served=True, why="what medicines, substances and devices are, not who uses them"),
        """Medication MedicationKnowledge MedicinalProduct MedicinalProductAuthorization MedicinalProductContraindication
        MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction MedicinalProductManufactured
        MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect Substance
        SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation SubstanceSourceMaterial
        SubstanceSpecification DeviceDefinition CatalogEntry""",
    ),
    _of(Home("registry", why="made of one donor"), "BiologicallyDerivedProduct"),
    _of(Home("space", served=True, why="terminology"), "CodeSystem ConceptMap NamingSystem ValueSet"),
    _of(
        Home("space", why="made from what is loaded at `/fhir/R4/metadata?mode=terminology`, and not kept"),
        "TerminologyCapabilities",
    ),
    _of(
        Home("space", served=True, why="conformance; packages are loaded by `kjerne ig add`, and lie beside these"),
        """CompartmentDefinition ExampleScenario GraphDefinition ImplementationGuide MessageDefinition OperationDefinition
        SearchParameter StructureDefinition StructureMap TestReport TestScript""",
    ),
    _of(Home("space", why="made from the route table at `/fhir/R4/metadata`, and not kept"), "CapabilityStatement"),
    _of(
        Home("space", served=True, why="a definition that many patients' records are made by"),
        """ActivityDefinition ChargeItemDefinition EventDefinition Library Measure ObservationDefinition PlanDefinition
        Questionnaire SpecimenDefinition""",
    ),
    _of(
        Home("space", served=True, why="evidence and study plans, about no patient"),
        """EffectEvidenceSynthesis Evidence EvidenceVariable ResearchDefinition ResearchElementDefinition ResearchStudy
        RiskEvidenceSynthesis""",
    ),
    _of(Home("space", why="a client's own, served by a room of its own"), "Subscription"),
    _of(Home("none", why="the form of a request or an answer, and no record"), "Bundle OperationOutcome Parameters"),
    _of(Home("none", why="the head of a message, which is taken in and not kept as a resource"), "MessageHeader"),
    _of(Home("space", why="a client's own list of patients, kept for its exports by a room of its own"), "Group"),
    _of(Home("none", why="names several patients, and a record here is about one"), "Linkage MeasureReport"),
    _of(Home("none", why="does not say what it is, so nobody can say which law holds for it"), "Basic"),
    _of(
        Home("patient", "settlement", served=True, why="of whom it is paid for: her own, and no health worker's to see"),
        """ChargeItem Claim ClaimResponse Coverage CoverageEligibilityRequest CoverageEligibilityResponse ExplanationOfBenefit
        Invoice""",
    ),
    _of(Home("patient", "settlement", served=True, why="of the one patient whose it is, as `subject`"), "Account"),
    _of(
        Home("none", why="money and contracts that bind others than a patient, or name none: there is no ground to keep them"),
        "Contract EnrollmentRequest EnrollmentResponse PaymentNotice PaymentReconciliation",
    ),
    _of(Home("none", why="research on named patients: no service here has a ground to keep it"), "ResearchSubject"),
)  # fmt: skip
"""Every type of R4 -> its one home. The abstract Resource and DomainResource are no types of records."""

SERVICE_BY_TYPE: Final[Mapping[str, str]] = {
    name: home.service for name, home in HOMES.items() if home.served and home.service
}
"""The types of a patient that are served as records -> the service whose law holds for each."""
SECOND: Final[Mapping[str, str]] = dict.fromkeys(("Condition", "Procedure"), "record")
"""The types that a second service keeps too, and which: what of them is no critical information (decision 40). The records of the
two lie apart, under numbers, keys and laws of their own, and an id says to which of them its record belongs."""
KEPT: Final = (*SERVICE_BY_TYPE.items(), *SECOND.items())
"""Every type of a patient with each service that keeps records of it."""
PERSON: Final = "Patient"
"""The type of a person in the register: about one patient, and a record of none of her services."""
SHARED_TYPES: Final = frozenset(name for name, home in HOMES.items() if home.served and not home.service) - {PERSON}
"""The types that are about no patient and served as records of a registry or a space."""
_SAYS: Final[Mapping[Kind, str]] = {
    "patient": "its home is with the patient",
    "registry": "its home is a registry",
    "space": "its home is a space",
    "none": "it has no home here",
}


def types_of(service: str) -> tuple[str, ...]:
    """The types of records that a service keeps and serves."""
    return tuple(name for name, of in KEPT if of == service)


def row_number(name: str, service: str) -> int:
    """The number of a type in the rows of a service that keeps it."""
    return type_number(name) + (BESIDE if SECOND.get(name) == service else 0)


def row_numbers(name: str) -> tuple[int, ...]:
    """The numbers of a type in rows, whichever service keeps them."""
    number = type_number(name)
    return (number, number + BESIDE) if name in SECOND else (number,)


def not_served(name: str) -> Refusal:
    """The answer about a type that is not served: 404 with its home, and why it is not there."""
    home = HOMES.get(name)
    if home is None:
        return Refusal(404, "R4 has no such type", where="path", todo=_served())
    of = f", in the service {home.service}" if home.service else ""
    return Refusal(
        404, f"{name} is not served here: {_SAYS[home.kind]}{of} ({home.why})", where="path", code="not-supported",
        todo=_served(),
    )  # fmt: skip


def _served() -> str:
    return f"Served of a patient: {', '.join(SERVICE_BY_TYPE)}; about no patient: what metadata lists."
