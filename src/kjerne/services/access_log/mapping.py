"""One line of the log as a FHIR R4 AuditEvent: the national trust-framework profile and IHE's basic patterns in one.

Sources: `no-domain-Trustframework-Auditevent` (HL7 Norway, hl7.fhir.no.domain.auditevent 0.9.8) and IHE BALP 1.1. A profile
is named in `meta.profile` where the line has all that it demands; what it demands and the log does not have is told as
absent. The examples of the national guide put numbers in `identifier.id`, which is an element's own id; here they stand
in `identifier.value`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kjerne.access import Coded
from kjerne.registries.identifiers import OID_PERSON, SYSTEM_BY_KIND, parse
from kjerne.store.audit import MET, MET_OPENED
from kjerne.store.log_entry import Chosen, LogEntry, Seen

Tree = dict[str, Any]

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
REST: Final = "http://hl7.org/fhir/restful-interaction"
TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem/"
BALP: Final = "https://profiles.ihe.net/ITI/BALP/"
NATIONAL: Final = "http://hl7.no/fhir/StructureDefinition/"
TRUST_FRAMEWORK: Final = NATIONAL + "no-domain-Trustframework-Auditevent"
ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
OWN: Final = "http://kjerne.example/fhir/"
ENTITIES_LIMIT: Final = 500
"""Records named one by one; a line about more says how many further ones its row in the log names."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What an action is in R4 and in BALP: AuditEvent.action, the interaction, whether data flow out, the pattern."""

    action: str
    interaction: str
    outward: bool = False
    pattern: str = ""


_READ: Final = Shape("R", "read", outward=True, pattern="PatientRead")
_DELETE: Final = Shape("D", "delete", pattern="PatientDelete")
_SHAPES: Final[Mapping[str, Shape]] = {
    "read": _READ,
    "notify": _READ,
    "history": Shape("R", "vread", outward=True, pattern="PatientRead"),
    "search": Shape("E", "search-type", pattern="PatientQuery"),
    "insight": Shape("E", "search-type", pattern="PatientQuery"),
    "erase": _DELETE,
}
_HISTORIES: Final = {
    ("", "_history"): "history-system", ("/", "_history"): "history-type", ("", "$changes"): "history-system",
}  # fmt: skip
"""What was asked for, where it is the history of many."""
_UNNAMED: Final[Mapping[str, str]] = {
    "kept": "records were seen that cannot be named to this reader now",
    "deleted": "records were seen that have been deleted since",
}
_CREATE: Final = Shape("C", "create", pattern="PatientCreate")
_UPDATE: Final = Shape("U", "update", pattern="PatientUpdate")
_OTHER: Final = Shape("E", "operation")
_CHOSEN: Final = {"seen": Shape("E", "search-type"), "made": Shape("C", "create"), "ended": Shape("U", "update")}


def shape_of(entry: LogEntry) -> Shape:
    """What the line tells of. A filing is an update where any record had a version before."""
    if entry.action == "history" and (kind := _history_of(entry)):
        return Shape("R", kind, outward=True)
    if entry.rule in (MET, MET_OPENED):
        return _OTHER
    if entry.action == "correct" and entry.seen and all(seen.gone for seen in entry.seen):
        return _DELETE
    if entry.chosen:
        return _CHOSEN[entry.chosen.deed]
    if entry.action in ("file", "write", "correct"):
        fresh = entry.action != "correct" and all(seen.version == 1 for seen in entry.seen)
        return _CREATE if fresh else _UPDATE
    return _SHAPES.get(entry.action, _OTHER)


def _history_of(entry: LogEntry) -> str:
    """Which interaction of R4 a history is; empty for one version, which is a vread."""
    asked = entry.origin.asked.partition("?")[0].rpartition("/")[1:]
    return _HISTORIES.get(asked, "history-instance" if len(entry.seen) != 1 else "")


def audit_event(entry: LogEntry, *, id_: str, number: str, base: str, to_controller: bool, consent: str = "") -> Tree:
    """The resource. `number` is the patient's own, `base` the address of this FHIR interface, `consent` the id that a choice
    which was made or ended has there.

    The access token's id is told `to_controller` alone: nobody else could look it up.
    """
    shape = shape_of(entry)
    contained = _Contained(entry)
    contained.add(_patient(number))
    pattern = _pattern(entry, shape)
    agents = _agents(entry, shape, contained, base, to_controller=to_controller)
    event: Tree = {
        "resourceType": "AuditEvent",
        "id": id_,
        "meta": _meta(entry, pattern, to_controller=to_controller),
        "extension": _extensions(entry, contained),
        "type": _coding(TERMINOLOGY + "audit-event-type", "rest", "RESTful Operation"),
        "subtype": [_coding(REST, shape.interaction), _coding(DCM, "110110", "Patient Record")],
        "action": shape.action,
        "recorded": entry.at.isoformat(timespec="microseconds"),
        "outcome": "0" if entry.given else "8",
        "outcomeDesc": entry.says,
        "purposeOfEvent": [_purpose(entry)],
        "agent": agents,
        "source": {
            "site": "kjerne",
            "observer": {"display": "kjerne"},
            "type": [_coding(TERMINOLOGY + "security-source-type", "4", "Application Server")],
        },
        "entity": _entities(entry, pattern, consent),
    }
    return event | {"contained": contained.resources}


def _pattern(entry: LogEntry, shape: Shape) -> str:
    """BALP's pattern where the line has what it asks for: success, and its one object or its search."""
    if not entry.given:
        return ""
    held = bool(entry.origin.asked) if shape.pattern == "PatientQuery" else len(entry.seen) == 1
    return shape.pattern if held else ""


def _meta(entry: LogEntry, pattern: str, *, to_controller: bool) -> Tree:
    meta: Tree = {"lastUpdated": entry.at.isoformat(timespec="microseconds")}
    profiles = [f"{BALP}StructureDefinition/IHE.BasicAudit.{pattern}"] if pattern else []
    if to_controller and entry.by != "system" and entry.origin.token:
        profiles.append(f"{BALP}StructureDefinition/IHE.BasicAudit.OAUTHaccessTokenUse.Minimal")
    if _is_attested(entry):
        profiles.append(TRUST_FRAMEWORK)
    return meta | ({"profile": profiles} if profiles else {})


def _is_attested(entry: LogEntry) -> bool:
    """A practitioner under an attestation; one who reads of herself is told as the patient, and has no role in it."""
    return entry.by == "practitioner" and entry.origin.attested_at is not None


def _coding(system: str, code: str, display: str = "") -> Tree:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def _concept(system: str, code: str, display: str = "") -> Tree:
    return {"coding": [_coding(system, code, display)]}


def _absent(why: str) -> Tree:
    return {"extension": [{"url": ABSENT, "valueCode": why}]}


class _Contained:
    """The resources inside one AuditEvent, each once."""

    def __init__(self, entry: LogEntry) -> None:
        self.resources: list[Tree] = []
        self._withheld = entry.place_withheld

    def add(self, resource: Tree) -> Tree:
        """Takes a resource in; the reference to it."""
        if resource not in self.resources:
            self.resources.append(resource)
        return {"reference": f"#{resource['id']}"}

    def organisation(self, id_: str, number: str, name: str, **more: Any) -> Tree:
        """By organisation number and name: told as masked where places are withheld, as unknown where none was given."""
        if number:
            said: Tree = {"identifier": [_identifier("101", number)], "name": name or number}
        else:
            said = {"_name": _absent("masked" if self._withheld else "unknown")}
        return self.add({"resourceType": "Organization", "id": id_, **said, **more})

    def location(self, id_: str, organisation: Tree) -> Tree:
        return self.add({"resourceType": "Location", "id": id_, "managingOrganization": organisation})


def _identifier(kind: str, value: str) -> Tree:
    return {"system": OID_PERSON + kind, "value": value}


def _patient(number: str) -> Tree:
    patient: Tree = {"resourceType": "Patient", "id": "patient"}
    if not number:
        return patient | {"identifier": [_absent("unknown")]}
    system = SYSTEM_BY_KIND.get(parse(number, strict=False).kind)
    return patient | {"identifier": [({"system": system} if system else {}) | {"value": number}]}


def _extensions(entry: LogEntry, contained: _Contained) -> list[Tree]:
    told: list[Tree] = [{"url": NATIONAL + "auditevent-patient-extension", "valueReference": {"reference": "#patient"}}]
    origin = entry.origin
    if entry.healthcare_service or origin.patient_point_of_care or origin.patient_department:
        encounter = contained.add(_encounter(entry, contained))
        told.append({"url": NATIONAL + "auditevent-encounter-extension", "valueReference": encounter})
    if origin.attested_at is not None and _is_attested(entry):
        decision: list[Tree] = [
            _text("decision-ref-id", origin.decision),
            _text("decision-ref-description", entry.reason),
            {"url": "decision-ref-user-selected", "valueBoolean": entry.self_declared},
            {"url": "toa", "valueUnsignedInt": int(origin.attested_at.timestamp())},
        ]
        told.append({"url": NATIONAL + "auditevent-carerelation-metadata-extension", "extension": decision})
    return told


def _text(url: str, text: str) -> Tree:
    """A part of an extension that must be there, also where nothing was written or it may not be told."""
    return {"url": url} | ({"valueString": text} if text.strip() else {"_valueString": _absent("unknown")})


def _encounter(entry: LogEntry, contained: _Contained) -> Tree:
    """Where the patient is treated and by which service; of the contact itself the log knows nothing."""
    origin = entry.origin
    encounter: Tree = {
        "resourceType": "Encounter",
        "id": "encounter",
        "status": "unknown",
        "class": _coding(TERMINOLOGY + "data-absent-reason", "unknown"),
    }
    if entry.healthcare_service:
        encounter["serviceType"] = {"coding": [_coded(entry.healthcare_service)]}
    if origin.patient_point_of_care:
        place = contained.organisation("treated-at", origin.patient_point_of_care, entry.patient_point_of_care)
        encounter["location"] = [{"location": contained.location("treated-there", place)}]
    if origin.patient_department:
        system, _, number = origin.patient_department.partition("|")
        department = {"resourceType": "Organization", "id": "treated-in", "name": entry.patient_department}
        encounter["serviceProvider"] = contained.add(department | {"identifier": [{"system": system, "value": number}]})
    return encounter


def _coded(code: Coded) -> Tree:
    return _coding(code.system, code.code, code.text)


def _purpose(entry: LogEntry) -> Tree:
    """Purpose of use and its details (ATT-38 to ATT-45), the declared basis, and the law in words."""
    codings = [_coding(TERMINOLOGY + "v3-ActReason", entry.purpose)] if entry.purpose else []
    if entry.purpose_details:
        codings.append(_coded(entry.purpose_details))
    if entry.basis:
        codings.append(_coding(OWN + "CodeSystem/access-basis", entry.basis))
    return ({"coding": codings} if codings else {}) | {"text": entry.law or entry.says}


def _agents(entry: LogEntry, shape: Shape, contained: _Contained, base: str, *, to_controller: bool) -> list[Tree]:
    """Client and server with the roles that BALP gives them, and the person, or the organisation whose system it was."""
    source, destination = (DCM, "110153", "Source Role ID"), (DCM, "110152", "Destination Role ID")
    client, server = (destination, source) if shape.outward else (source, destination)
    if shape.action == "D":
        client = (DCM, "110150", "Application")
        server = (TERMINOLOGY + "provenance-participant-type", "custodian", "Custodian")
    agents: list[Tree] = [
        {
            "type": _concept(*client),
            "who": {"identifier": {"value": entry.origin.client}} if entry.origin.client else {"display": "unknown"},
            "requestor": entry.by == "system",
            # The log does not keep network addresses.
            "network": _absent("unsupported"),
        },
        {
            "type": _concept(*server),
            "who": {"display": "kjerne"},
            "requestor": False,
            "network": {"address": base, "type": "5"},
        },
    ]
    if entry.by != "system":
        agents.append(_person(entry, shape, contained, to_controller=to_controller))
    elif entry.origin.organisation:
        provider = _concept(TERMINOLOGY + "v3-RoleClass", "PROV", "healthcare provider")
        who = {"identifier": _identifier("101", entry.origin.organisation), "display": entry.organisation}
        agents.append({"type": provider, "who": who, "requestor": False})
    return agents


def _person(entry: LogEntry, shape: Shape, contained: _Contained, *, to_controller: bool) -> Tree:
    reads = shape.action in ("R", "E")
    participation = ("IRCP", "information recipient") if reads else ("AUT", "author (originator)")
    kinds = [_coding(TERMINOLOGY + "v3-ParticipationType", *participation)]
    agent: Tree = {"requestor": True}
    if to_controller and entry.origin.token:
        kinds.append(_coding(BALP + "CodeSystem/UserAgentTypes", "UserOauthAgent"))
        agent["policy"] = [f"urn:ietf:params:oauth:jti:{entry.origin.token}"]
    if entry.who:
        agent["name"] = entry.who
    return {"type": {"coding": kinds}, "who": _who(entry, contained), **agent}


def _who(entry: LogEntry, contained: _Contained) -> Tree:
    """The practitioner in her role; the patient herself; or whoever stands in for her, by name alone."""
    if entry.by == "practitioner":
        return contained.add(_practitioner_role(entry, contained))
    if entry.by == "self":
        return {"reference": "#patient"}
    named: Tree = {"name": [{"text": entry.who}]} if entry.who else {"name": [_absent("unknown")]}
    related = {"resourceType": "RelatedPerson", "id": "representative", "patient": {"reference": "#patient"}}
    return contained.add(related | named)


def _practitioner_role(entry: LogEntry, contained: _Contained) -> Tree:
    """National PractitionerRole: one practitioner, one organisation (department or legal entity), one place of work."""
    origin = entry.origin
    owner = contained.organisation("legal-entity", origin.organisation, entry.organisation)
    place = owner
    if origin.point_of_care and origin.point_of_care != origin.organisation:
        place = contained.organisation("point-of-care", origin.point_of_care, entry.point_of_care)
    organisation = owner
    if origin.department:
        department: Tree = {"resourceType": "Organization", "id": "department", "partOf": owner}
        organisation = contained.add(
            department | {"identifier": [{"value": origin.department}], "name": entry.department}
        )
    return {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": contained.add(_practitioner(entry)),
        "organization": organisation,
        "location": [contained.location("location", place)],
    }


def _practitioner(entry: LogEntry) -> Tree:
    """By name and the public HPR number. Her person number is never told (ATT-8): where she has no other, as masked."""
    hpr = entry.origin.hpr
    number = _identifier("4", hpr) if hpr else {"system": OID_PERSON + "1", "_value": _absent("masked")}
    practitioner: Tree = {"resourceType": "Practitioner", "id": "practitioner", "identifier": [number]}
    if entry.who:
        practitioner["name"] = [{"text": entry.who}]
    if entry.role:
        practitioner["qualification"] = [{"code": _concept("urn:oid:2.16.578.1.12.4.1.1.9060", entry.role)}]
    return practitioner


def _entities(entry: LogEntry, pattern: str, consent: str) -> list[Tree]:
    """The patient, the request, the search, and each record by version; a choice by its Consent and its kind."""
    entities: list[Tree] = [
        {
            "what": {"reference": "#patient"},
            "type": _coding(TERMINOLOGY + "audit-entity-type", "1", "Person"),
            "role": _coding(TERMINOLOGY + "object-role", "1", "Patient"),
        }
    ]
    if entry.origin.correlation:
        entities.append(
            {
                "what": {"identifier": {"value": entry.origin.correlation}},
                "type": _coding(BALP + "CodeSystem/BasicAuditEntityType", "XrequestId"),
            }
        )
    # BALP's one data object is a System Object; beside a query, that type is the query's own.
    as_object = pattern not in ("", "PatientQuery")
    if (asked := entry.origin.asked) and not as_object:
        entities.append(
            {
                "type": _coding(TERMINOLOGY + "audit-entity-type", "2", "System Object"),
                "role": _coding(TERMINOLOGY + "object-role", "24", "Query"),
                "description": asked,
                "query": base64.b64encode(asked.encode()).decode(),
            }
        )
    entities += [_record(seen, as_object=as_object) for seen in entry.seen[:ENTITIES_LIMIT]]
    if (rest := len(entry.seen) - ENTITIES_LIMIT) > 0:
        entities.append({"name": "further records", "description": f"{rest} further records are named by the log"})
    if entry.chosen and entry.chosen.kind:
        entities.append(_choice(entry.chosen, consent))
    if entry.unnamed in _UNNAMED:
        entities.append({"name": "records without a name here", "description": _UNNAMED[entry.unnamed]})
    return entities


def _choice(chosen: Chosen, consent: str) -> Tree:
    told: Tree = {"what": {"reference": f"Consent/{consent}"}} if consent else {}
    return told | {
        "type": _coding("http://hl7.org/fhir/resource-types", "Consent"),
        "role": _coding(TERMINOLOGY + "object-role", "4", "Domain Resource"),
        "name": chosen.kind,
        "description": f"{chosen.kind} {chosen.deed}",
    }


def _record(seen: Seen, *, as_object: bool) -> Tree:
    kind = _coding(TERMINOLOGY + "audit-entity-type", "2", "System Object")
    return {
        "what": {"reference": f"{seen.type}/{seen.id}/_history/{seen.version}"},
        "type": kind if as_object else _coding("http://hl7.org/fhir/resource-types", seen.type),
        "role": _coding(TERMINOLOGY + "object-role", "4", "Domain Resource"),
    }
