"""What a patient summary is made of: its sections, the sources that each is drawn from, and what became of each source.

Sources: IPS 2.0.1 (Composition-uv-ips) and EU EPS 1.0.0 (composition-eu-eps) for sections and their LOINC codes; IPS 1.1 for the
codes of absence (`absent-unknown-uv-ips`), which 2.0 has no code system for any more and readers abroad still ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

Tree = dict[str, Any]
CRITICAL: Final = "critical-information"
RECORD: Final = "record"
RESULTS: Final = "results"
OPENED: Final = (CRITICAL, RECORD, RESULTS)
"""The services that a summary is drawn from."""
LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
ABSENT_UNKNOWN: Final = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
EMPTY_REASON: Final = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
IPS: Final = "http://hl7.org/fhir/uv/ips/StructureDefinition/"
EPS: Final = "http://hl7.eu/fhir/eps/StructureDefinition/"

Became = Literal["read", "withheld", "unavailable"]
"""`read`: all of it was looked at. `withheld`: the law shuts it, and that may be told. `unavailable`: not reached by the token,
late, failed, or not to be told apart from that."""


class Kind(NamedTuple):
    """One kind of section. `absent` is the end of its codes of absence (`no-allergy-info`); `always`: it stands also where there
    is nothing to show."""

    key: str
    loinc: str
    display: str
    sources: tuple[tuple[str, tuple[str, ...]], ...]
    """The services that it is drawn from, with the types that it takes of each."""
    always: bool = False
    absent: str = ""


_CONDITION: Final = ((CRITICAL, ("Condition",)), (RECORD, ("Condition",)))
_FOUND: Final = ((RESULTS, ("Observation",)),)
KINDS: Final = (
    Kind(
        "allergies", "48765-2", "Allergies and adverse reactions Document", ((CRITICAL, ("AllergyIntolerance",)),), True,
        "no-allergy-info",
    ),
    Kind("alerts", "104605-1", "Alert", ((CRITICAL, ("Flag",)),), True),
    Kind("problems", "11450-4", "Problem list - Reported", _CONDITION, True, "no-problem-info"),
    Kind(
        "medications", "10160-0", "History of Medication use Narrative",
        ((RECORD, ("MedicationRequest", "MedicationStatement")),), True, "no-medication-info",
    ),
    Kind(
        "procedures", "47519-4", "History of Procedures Document", ((CRITICAL, ("Procedure",)), (RECORD, ("Procedure",))), True,
        "no-procedure-info",
    ),
    Kind(
        "devices", "46264-8", "History of medical device use", ((CRITICAL, ("DeviceUseStatement",)),), True, "no-device-info"
    ),
    Kind(
        "immunizations", "11369-6", "History of Immunization note", ((RECORD, ("Immunization",)),), True,
        "no-immunization-info",
    ),
    Kind(
        "results", "30954-2", "Relevant diagnostic tests/laboratory data note",
        ((RESULTS, ("Observation", "DiagnosticReport")),), True,
    ),
    Kind("past-problems", "11348-0", "History of Past illness note", _CONDITION),
    Kind("pregnancy", "10162-6", "History of pregnancies Narrative", _FOUND),
    Kind("social-history", "29762-2", "Social history note", _FOUND),
    Kind("vital-signs", "8716-3", "Vital signs note", _FOUND),
    Kind("plan", "18776-5", "Plan of care note", ((RECORD, ("CarePlan",)),)),
)  # fmt: skip
"""In the order in which they are read: what can kill first."""
KIND_BY_KEY: Final[Mapping[str, Kind]] = {one.key: one for one in KINDS}
KIND_BY_LOINC: Final[Mapping[str, Kind]] = {one.loinc: one for one in KINDS}


def types_from(service: str) -> tuple[str, ...]:
    """The types that the sections take of a service."""
    found = (name for kind in KINDS for source, types in kind.sources if source == service for name in types)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one source gave: its records that are to be shown, as they are served, each with the section that it stands in
    (empty: it stands in none, and another leads to it). `partly` are the types of which not all was looked at: there were too
    many, or the token leaves but a part. `others` are the sections that something was left out of because it is about another."""

    became: Became
    records: Sequence[tuple[str, Tree]] = ()
    partly: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Section:
    """One section. `is_whole`: all of its sources were read, and nothing said by the law stands between."""

    kind: Kind
    entries: Sequence[Tree]
    is_whole: bool
    is_withheld: bool = False
    is_read: bool = True
    """Whether the absence of entries may be told as `no-...-info`."""
    leaves_out_others: bool = False
    """Whether what is about another than the patient (her newborn, a fetus, a donor) was left out of it."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary before it is a document. `beside` are resources that entries lead to; `organisations` names by number."""

    patient: Tree
    sections: Sequence[Section]
    beside: Sequence[Tree]
    made_at: datetime
    language: str
    base: str
    """The address under which records have theirs, without a slash behind it."""
    number: str
    """What makes this one document another than the next about the same patient."""
    organisations: Mapping[str, str] = field(default_factory=dict)

    @property
    def incomplete(self) -> list[Section]:
        return [one for one in self.sections if not one.is_whole]
