"""The services and their law, as data: on what ground each is opened, by whom, and what the patient's choices mean in it.

`policy.table` makes the rows of each service from here, `policy.facts` its roles and scopes, and docs/law.md begins with it.
Where the law is the same the rows are; where it differs a field here says so. A choice in one service is never one in
another: each has its own key about the patient, which its deletion destroys and no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from kjerne.access import ALL_PATIENTS, REGRET
from kjerne.registries.contents import RECORD, VERIFICATION
from kjerne.registries.homes import KEPT
from kjerne.registries.withholding import CONTENT_KINDS

STAFF_PURPOSES: Final = frozenset({"TREAT", "ETREAT", "COC", "BTG"})

Opens = Literal["declared", "weighty", "nothing"]
"""What opens a restriction: declared consent or emergency; only what is explicit or has its reason written; nothing."""
Sight = Literal["own", "parent", "representative", "youth"]


@dataclass(frozen=True, slots=True)
class Role:
    """What an authorisation (Volven 9060) may do in a service; a role that is not listed may do nothing."""

    needs_consent: bool
    breaks_glass: bool


@dataclass(frozen=True, slots=True)
class Ground:
    """The law that a service stands on, as the rows cite it.

    `looking` lets personnel look in treatment, `roles` says which of them, `part` which organisations, `filing` what is
    sent in; `address` shuts the record of a person with a protected address.
    """

    looking: str
    roles: str
    part: str
    filing: str
    address: str


@dataclass(frozen=True, slots=True)
class Closing:
    """What the patient's no to a whole service means: an opt-out, or a consent to the service withdrawn.

    It closes at once. `yields`: weighty reasons open it, since the law knows it as an objection alone. `deleted_after`
    is how long she can regret it before what lies here is deleted and its key destroyed; None: nothing is deleted by it.
    """

    law: str
    deleted_after: timedelta | None
    stays: str
    yields: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """One service. A field that is left out means that the law has nothing of the kind there.

    `scopes` open it to personnel, `filing_scopes` let something be registered or sent in; a token must hold one. `types`
    are the FHIR types that SMART scopes can narrow. `transfer_scope` lets a journal's system send in what its personnel
    registered there, where `sources` is not said of the whole service. `agreement` is the patient's consent to the
    service itself, without which nobody on the professional side sees or registers anything. `registers` says which
    kinds of content an authorisation may register, `sources` that systems send in. `windows` hold for tokens without
    `unlimited_scope`: a class of document that is not among them is shut, one with years only while it is younger than
    that. `parts` are the kinds of content that the patient can restrict by themselves.
    """

    name: str
    title: str
    in_use: bool
    ground: Ground
    roles: Mapping[str, Role]
    scopes: frozenset[str]
    opt_out: Closing
    opens: Opens
    retention: str
    types: tuple[str, ...] = ()
    filing_scopes: frozenset[str] = frozenset()
    purposes: frozenset[str] = STAFF_PURPOSES
    agreement: Closing | None = None
    sources: bool = False
    registers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sight: frozenset[Sight] = frozenset()
    opens_the_dead: bool = True
    shut_at_source: str = ""
    contact_point: str = ""
    transfer_scope: str = ""
    unlimited_scope: str = ""
    parts: tuple[str, ...] = ()
    windows: Mapping[str, int | None] = field(default_factory=dict)

    @property
    def sending_scopes(self) -> frozenset[str]:
        """By which systems send in. The test client goes on as it does where a service has no senders."""
        if self.sources:
            return self.filing_scopes
        return frozenset({self.transfer_scope, ALL_PATIENTS}) if self.transfer_scope else frozenset()


_FREE: Final = Role(needs_consent=False, breaks_glass=True)
_BY_CONSENT: Final = Role(needs_consent=True, breaks_glass=False)
_LIMITED: Final = Role(needs_consent=False, breaks_glass=False)
_KJERNEJOURNAL_ROLES: Final[Mapping[str, Role]] = {
    **dict.fromkeys(("LE", "SP", "AA", "PM"), _FREE),
    **dict.fromkeys(("FA1", "FA2", "FT", "JO", "KI", "MT", "PS", "TL", "VP"), _BY_CONSENT),
}
"""Doctors, nurses and the acute chain need no consent; the others need it."""
_ON_NEED: Final[Mapping[str, Role]] = {
    code: role if role == _FREE else _LIMITED for code, role in _KJERNEJOURNAL_ROLES.items()
}
"""The same professions where need in treatment is the ground and she can object: none asks her first."""
_EVERYBODY: Final[frozenset[Sight]] = frozenset({"own", "parent", "representative"})
"""Kjernejournal: after an opt-out the data lie closed this long, and the patient can take it back with nothing lost."""
_AT_ONCE: Final = timedelta(0)

_KJERNEJOURNAL: Final = Ground(
    looking="pasientjournalloven § 19; helsepersonelloven § 45; kjernejournalforskriften § 7",
    roles="kjernejournalforskriften § 7",
    part="pasientjournalloven § 13; kjernejournalforskriften; registeret over deltakere",
    filing="pasientjournalloven § 13; kjernejournalforskriften",
    address="kjernejournalforskriften (nhn.no om kode 6 og 7)",
)
_SECTION_45: Final = Ground(
    looking="pasientjournalloven § 19; helsepersonelloven § 45",
    roles="pasientjournalloven § 19; helsepersonelloven § 45",
    part="pasientjournalloven § 19; registeret over deltakere",
    filing="pasientjournalloven § 19; helsepersonelloven § 45",
    address="nhn.no om kode 6 og 7, brukt tilsvarende",
)
_SHARED_CARE: Final = Ground(
    looking="pasientjournalloven § 19; helsepersonelloven § 25, § 45",
    roles="pasientjournalloven § 19; helsepersonelloven § 25, § 45",
    part="pasientjournalloven § 19; registeret over deltakere",
    filing="pasientjournalloven § 19; helsepersonelloven § 39, § 45",
    address="nhn.no om kode 6 og 7, brukt tilsvarende",
)
_TRIAL: Final = Ground(
    looking="samtykke til utprøvingen av digitalt helsekort for gravide",
    roles="samtykke til utprøvingen av digitalt helsekort for gravide (DHG-0005)",
    part="samtykke til utprøvingen av digitalt helsekort for gravide; registeret over deltakere",
    filing="samtykke til utprøvingen av digitalt helsekort for gravide",
    address="samtykke til utprøvingen av digitalt helsekort for gravide (DHG-0004)",
)
_ABROAD: Final = Ground(
    looking="samtykke i tilknytningslandet (MyHealth@EU, PPD-032)",
    roles="samtykke i tilknytningslandet (MyHealth@EU, 4703)",
    part="MyHealth@EU; registeret over deltakere",
    filing="samtykke i tilknytningslandet (MyHealth@EU)",
    address="nhn.no om kode 6 og 7, brukt tilsvarende",
)
_PAYING: Final = Ground(
    looking="pasient- og brukerrettighetsloven § 5-1; personvernforordningen artikkel 15",
    roles="helsepersonelloven § 21 a; personvernforordningen artikkel 5 nr. 1 bokstav b (oppgjør er ikke helsehjelp)",
    part="folketrygdloven § 22-2; registeret over deltakere",
    filing="folketrygdloven § 22-2 (oppgjør med den som betaler)",
    address="nhn.no om kode 6 og 7, brukt tilsvarende",
)
_RESERVATION: Final = Closing(
    law="pasientjournalloven § 13; kjernejournalforskriften (retten til å reservere seg)",
    deleted_after=REGRET,
    stays="the records kept by those who treated her; the log without content",
)

_CRITICAL: Final = frozenset(
    {
        "drug-reaction", "other-allergen", "critical-condition", "infection", "intubation-problem", "anaesthesia-problem",
        "transplant", "implant", "radiotherapy", "cytostatics", "dialysis", "other-treatment", "procedure-change",
        "crisis-plan",
    }
)  # fmt: skip
_RECORD: Final = frozenset({RECORD})
_RECORD_45: Final = "nhn:phr/mhd/read-documentreferences"

_RESULTS: Final = Service(
    name="results",
    title="Results",
    in_use=True,
    ground=_KJERNEJOURNAL,
    roles=_KJERNEJOURNAL_ROLES,
    scopes=frozenset({"nhn:pps/provesvar-read"}),
    filing_scopes=frozenset({"nhn:pps/provesvar-write"}),
    types=(
        "DiagnosticReport",
        "Observation",
        "ServiceRequest",
        "Specimen",
        "PractitionerRole",
        "Binary",
        "ImagingStudy",
        "Media",
    ),
    opt_out=_RESERVATION,
    opens="declared",
    retention="until she opts out",
    sources=True,
    sight=_EVERYBODY | {"youth"},
    parts=CONTENT_KINDS,
)
_CRITICAL_INFORMATION: Final = Service(
    name="critical-information",
    title="Critical information",
    in_use=True,
    ground=_KJERNEJOURNAL,
    roles=_KJERNEJOURNAL_ROLES,
    scopes=frozenset({"nhn:critical-information/api"}),
    filing_scopes=frozenset({"nhn:critical-information/api"}),
    types=("AllergyIntolerance", "Condition", "DeviceUseStatement", "Procedure", "Flag"),
    opt_out=_RESERVATION,
    opens="declared",
    retention="until she opts out; what is taken back stays as entered in error",
    registers={
        "LE": _CRITICAL | {VERIFICATION},
        "SP": frozenset({"radiotherapy", "cytostatics", "dialysis"}),
        "PS": frozenset({"crisis-plan"}),
    },
    sight=_EVERYBODY,
    transfer_scope="kjerne:critical-information-transfer",
)
_DOCUMENTS: Final = Service(
    name="documents",
    title="Documents",
    in_use=True,
    ground=_SECTION_45,
    roles=_KJERNEJOURNAL_ROLES,
    scopes=frozenset({_RECORD_45, f"{_RECORD_45}/kjernejournalforskriften"}),
    filing_scopes=frozenset({"nhn:phr/mhd/create-documents-with-reference"}),
    types=("DocumentReference", "Binary"),
    opt_out=Closing(
        law="pasient- og brukerrettighetsloven § 5-3; pasientjournalloven § 17",
        deleted_after=None,
        stays="everything: an objection deletes nothing at the source or here",
        yields=True,
    ),
    opens="weighty",
    retention="as long as the source has it",
    sources=True,
    sight=_EVERYBODY,
    shut_at_source="restricted-at-source",
    unlimited_scope=_RECORD_45,
    windows={"A00-1": None, "C00-1": 1, "D00-1": 5, "E00-1": 5, "I00-1": 1},
)
_STRUCTURED: Final = Service(
    name="record",
    title="Structured record",
    in_use=True,
    ground=_SHARED_CARE,
    roles=_ON_NEED,
    scopes=frozenset({"kjerne:record-read"}),
    filing_scopes=frozenset({"kjerne:record-write"}),
    types=tuple(
        """AdverseEvent Appointment AppointmentResponse BodyStructure CarePlan CareTeam ClinicalImpression Communication
        CommunicationRequest Condition DetectedIssue Device DeviceRequest Encounter EpisodeOfCare FamilyMemberHistory Goal
        GuidanceResponse Immunization ImmunizationEvaluation ImmunizationRecommendation List MedicationAdministration
        MedicationDispense MedicationRequest MedicationStatement NutritionOrder Procedure QuestionnaireResponse RequestGroup
        RiskAssessment SupplyDelivery SupplyRequest Task VisionPrescription""".split()
    ),
    opt_out=Closing(
        law="pasient- og brukerrettighetsloven § 5-3; pasientjournalloven § 17",
        deleted_after=None,
        stays="everything: who treats her must keep a record, and an objection deletes nothing of it",
        yields=True,
    ),
    opens="weighty",
    retention="as long as the source has it",
    sources=True,
    registers=dict.fromkeys(_ON_NEED, _RECORD),
    sight=_EVERYBODY,
)
_SETTLEMENT: Final = Service(
    name="settlement",
    title="Settlement",
    in_use=True,
    ground=_PAYING,
    roles={},
    scopes=frozenset({"kjerne:settlement-read"}),
    filing_scopes=frozenset({"kjerne:settlement-write"}),
    types=(
        "Account",
        "ChargeItem",
        "Claim",
        "ClaimResponse",
        "Coverage",
        "CoverageEligibilityRequest",
        "CoverageEligibilityResponse",
        "ExplanationOfBenefit",
        "Invoice",
    ),
    opt_out=Closing(
        law="personvernforordningen artikkel 21",
        deleted_after=None,
        stays="everything: no health worker sees it with or without it, and who is paid must keep accounts",
    ),
    opens="nothing",
    retention="as long as the source has it",
    sources=True,
    sight=frozenset({"own", "parent"}),
)
_MEASUREMENTS: Final = Service(
    name="measurements",
    title="Measurements",
    in_use=False,
    ground=_SECTION_45,
    roles={**dict.fromkeys(("LE", "SP", "AA", "PM"), _FREE), "VP": _LIMITED},
    scopes=frozenset({"nhn:pmd/read"}),
    filing_scopes=frozenset({"nhn:pmd/write"}),
    types=("Observation",),
    opt_out=Closing(
        law="pasientjournalloven § 17; pasient- og brukerrettighetsloven § 5-3",
        deleted_after=REGRET,
        stays="what the municipality's own system and the record hold; the log without content",
    ),
    opens="weighty",
    retention="until she opts out; the follow-up's own record is not here",
    sources=True,
    sight=frozenset({"own", "parent"}),
)
_MATERNITY: Final = Service(
    name="maternity",
    title="Maternity",
    in_use=False,
    ground=_TRIAL,
    roles=dict.fromkeys(("LE", "SP", "JO"), _FREE),
    scopes=frozenset({"nhn:maternity-record/api"}),
    filing_scopes=frozenset({"nhn:maternity-record/api"}),
    opt_out=Closing(
        law="samtykke til utprøvingen av digitalt helsekort for gravide",
        deleted_after=_AT_ONCE,
        stays="the records kept by those who treated her; the log without content",
    ),
    opens="declared",
    retention="until consent is withdrawn; consent is for the whole pregnancy",
    agreement=Closing(
        law="samtykke til utprøvingen av digitalt helsekort for gravide (DHG-0003)",
        deleted_after=_AT_ONCE,
        stays="the records kept by those who treated her; the log without content",
    ),
    registers=dict.fromkeys(("LE", "SP", "JO"), _RECORD),
    sight=frozenset({"own"}),
    opens_the_dead=False,
)
_CROSS_BORDER: Final = Service(
    name="cross-border",
    title="Cross-border",
    in_use=False,
    ground=_ABROAD,
    roles={"LE": _LIMITED},
    scopes=frozenset({"kjerne:cross-border"}),
    types=("DocumentReference", "Binary"),
    opt_out=Closing(
        law="samtykke i tilknytningslandet (MyHealth@EU, 4701)",
        deleted_after=None,
        stays="what another country was given is that country's to keep by its law; the log here",
    ),
    opens="nothing",
    retention="nothing is kept: each question is asked anew",
    purposes=frozenset({"TREAT", "ETREAT"}),
    agreement=Closing(
        law="samtykke i tilknytningslandet (MyHealth@EU, 4701)",
        deleted_after=None,
        stays="what another country was given is that country's to keep by its law; the log here",
    ),
    contact_point="kjerne:contact-point",
)

_ALL: Final = (
    _RESULTS, _CRITICAL_INFORMATION, _DOCUMENTS, _STRUCTURED, _SETTLEMENT, _MEASUREMENTS, _MATERNITY, _CROSS_BORDER,
)  # fmt: skip
SERVICES: Final[Mapping[str, Service]] = {one.name: one for one in _ALL}
IN_USE: Final = frozenset(name for name, one in SERVICES.items() if one.in_use)
"""Those that are built: organisations take part in them, and a patient can choose about them."""


HERE: Final = IN_USE - {_DOCUMENTS.name}
"""Those whose records lie here. Documents lie with their sources (K169)."""
EXPORTED: Final = HERE - {_SETTLEMENT.name}
"""Those that leave in bulk: what is about money does not (K92)."""
DISCLOSED: Final = frozenset(name for name in HERE if SERVICES[name].sources)
"""Those whose sources are told to whom their records were given. A source of documents gives them itself, and knows."""


def seen_by(sight: Sight) -> frozenset[str]:
    """The services that a citizen sees: her own, her child's, of the one she stands in for, or as a youth with consent."""
    return frozenset(name for name, one in SERVICES.items() if sight in one.sight)


def service_of(scopes: frozenset[str]) -> str:
    """The one service that a token with these scopes is for; empty where it is for several, or for none."""
    found = [name for name, one in SERVICES.items() if scopes & (one.scopes | one.filing_scopes | {one.transfer_scope})]
    return found[0] if len(found) == 1 else ""


def kept_by_law() -> frozenset[str]:
    """The services whose records lie here and no opt-out deletes."""
    return frozenset(name for name in HERE if SERVICES[name].opt_out.deleted_after is None)


def deleted_after(service: str) -> timedelta | None:
    """How long after an opt-out what the service holds is deleted; None where an opt-out deletes nothing.

    One that is about every service (it has no name) is deleted from kjernejournal as one of kjernejournal.
    """
    return SERVICES.get(service, _RESULTS).opt_out.deleted_after


def needed(scopes_of: Callable[[Service], frozenset[str]]) -> Mapping[str, str]:
    """The scopes that each served type asks for (`Route.by_type`), as the law of each service that keeps it has them."""
    found: dict[str, set[str]] = {}
    for name, service in KEPT:
        found.setdefault(name, set()).update(scopes_of(SERVICES[service]))
    return {name: " ".join(sorted(scopes)) for name, scopes in found.items()}


def by_services(scopes_of: Callable[[Service], frozenset[str]]) -> Mapping[str, str]:
    """The scopes that each service of served types asks for, in the order of the table of homes."""
    return {service: " ".join(sorted(scopes_of(SERVICES[service]))) for _, service in KEPT}
