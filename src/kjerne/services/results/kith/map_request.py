"""ServReq as ServiceRequest and AnalysedSubject as Specimen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kjerne.services.results.kith import codes
from kjerne.services.results.kith.map_actors import Roles
from kjerne.services.results.kith.map_values import Tree, concept, dated, extension, is_coded, specimen_type
from kjerne.services.results.kith.model import AnalysedSubject, Material, Note, Report, Request

STATUS: Final = {
    "registered": "active",
    "preliminary": "active",
    "final": "completed",
    "amended": "completed",
    "appended": "completed",
}
"""ServiceRequest.status by the report's; a cancelled or unknown report says nothing about its request."""

PRIORITY: Final = {"NORM": "routine", "HAST": "urgent", "OHJELP": "stat"}
"""7303 -> ServiceRequest.priority; any other code comes as a note."""

_PAYMENT: Final = codes.VOLVEN + "4101"
_RESERVATION: Final = codes.VOLVEN + "3108"
_PRETREATMENT: Final = codes.VOLVEN + "8232"
_REQUEST_COMMENT: Final = codes.VOLVEN + "8234"
_DATA_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

MATERIAL_WORDS: Final[dict[Material, str]] = {
    "newborn": "Nyfødt", "fetus": "Foster", "donor": "Giver", "related": "Nærstående",
}  # fmt: skip


def material(kind: Material, words: str) -> Tree:
    """Whose material it is, as CodeableConcept with the laboratory's own words."""
    known = {"system": codes.MATERIAL_OF, "code": kind, "display": MATERIAL_WORDS[kind]}
    return {"coding": [known], "text": words or MATERIAL_WORDS[kind]}


def request_keys(requests: Sequence[Request]) -> list[str]:
    """A key for each request that lasts over versions: its id, else the laboratory's; numbered where it is not alone."""
    keys: list[str] = []
    taken: set[str] = set()
    for index, request in enumerate(requests):
        stem = f"id:{request.id}" if request.id else f"by:{request.provider_id}" if request.provider_id else f"#{index}"
        key, number = stem, index
        while key in taken:
            key, number = f"{stem}#{number}", number + 1
        taken.add(key)
        keys.append(key)
    return keys


def service_request(request: Request, id_: str, status: str, report: Report, roles: Roles) -> Tree:
    """One request; `Request()` where the message has none but names a requester.

    R4 demands a subject; the patient is outside the resource, so only its type is said.
    """
    found: Tree = {"resourceType": "ServiceRequest", "id": id_}
    extensions = _request_extensions(request)
    if extensions:
        found["extension"] = extensions
    sent = (("ServReqId", request.id), ("ServReqIdByServProvider", request.provider_id))
    identifiers = [{"system": system, "value": value} for system, value in sent if value]
    if identifiers:
        found["identifier"] = identifiers
    found |= {"status": STATUS.get(status, "unknown"), "intent": "order", "subject": {"type": "Patient"}}
    priority = PRIORITY.get(request.priority.code)
    if priority:
        found["priority"] = priority
    if request.issued:
        found["authoredOn"] = request.issued
    requester = _requester(report, roles)
    if requester:
        found["requester"] = requester
    reasons = [reason for note in request.reasons if (reason := _reason(note))]
    if reasons:
        found["reasonCode"] = reasons
    notes = _request_notes(request, known_priority=bool(priority))
    if notes:
        found["note"] = [{"text": words} for words in notes]
    return found


def _requester(report: Report, roles: Roles) -> Tree | None:
    """ResponsibleHcp with relation REK, else Requester, which is often only where the answer was sent."""
    for responsible in report.responsible:
        if responsible.relation.code == "REK":
            known = roles.reference(responsible)
            if known:
                return known
    return roles.reference(report.requester) if report.requester is not None else None


def names_requester(report: Report) -> bool:
    return report.requester is not None or any(a.relation.code == "REK" for a in report.responsible)


def _request_extensions(request: Request) -> list[Tree]:
    found = dated("receipt-date", request.received)
    if is_coded(request.payment):
        found.append(
            extension(codes.NILAR + "payment-category", "valueCodeableConcept", concept(request.payment, _PAYMENT))
        )
    for note in request.comments:
        if is_coded(note.code):
            found.append(
                extension(codes.NILAR + "comment", "valueCodeableConcept", concept(note.code, _REQUEST_COMMENT))
            )
    for reservation in request.reservations:
        found.append(extension(codes.NILAR + "reservation", "valueCodeableConcept", concept(reservation, _RESERVATION)))
    return found


def _reason(note: Note) -> Tree:
    found = concept(note.heading, codes.TEXT_REASON) if note.heading.code else {}
    more = concept(note.code).get("coding") if is_coded(note.code) else None
    if more:
        found["coding"] = [*found.get("coding", ()), *more]
    words = note.text or note.code.words or note.heading.words
    if words:
        found["text"] = words
    return found


def _request_notes(request: Request, *, known_priority: bool) -> list[str]:
    notes = [request.comment] if request.comment else []
    notes += [": ".join(filter(None, (note.heading.words, note.text))) for note in request.comments if note.text]
    if request.priority.code and not known_priority:
        notes.append(f"Ønsket svarrapporteringsprioritet: {request.priority.words}")
    return notes


def specimen(subject: AnalysedSubject, id_: str, parent: str, roles: Roles) -> Tree:
    """One analysed object; `parent` is the id of the Specimen that it was made from, empty where it was collected."""
    found: Tree = {"resourceType": "Specimen", "id": id_}
    extensions = _specimen_extensions(subject)
    if extensions:
        found["extension"] = extensions
    sent = (("AnalysedSubjectId", subject.id), ("AnalysedSubjectIdByRequester", subject.requester_id))
    identifiers = [{"system": system, "value": value} for system, value in sent if value]
    if identifiers:
        found["identifier"] = identifiers
    if subject.id:
        found["accessionIdentifier"] = {"system": "AnalysedSubjectId", "value": subject.id}
    kind = specimen_type(subject)
    if kind:
        found["type"] = kind
    if parent:
        found["parent"] = [{"reference": f"Specimen/{parent}"}]
    found["collection"] = _collection(subject, roles)
    if subject.preservative:
        found["container"] = [{"additiveCodeableConcept": {"text": subject.preservative}}]
    notes = [words for words in (subject.comment, subject.collector_comment) if words]
    if notes:
        found["note"] = [{"text": words} for words in notes]
    return found


def _specimen_extensions(subject: AnalysedSubject) -> list[Tree]:
    found: list[Tree] = []
    if subject.material:
        found.append(
            extension(
                codes.SPECIMEN_MATERIAL_OF, "valueCodeableConcept", material(subject.material, subject.material_words)
            )
        )
    if subject.accredited is not None:
        found.append(extension(codes.NILAR + "accredited", "valueBoolean", subject.accredited))
    if subject.pretreatment.code or subject.pretreatment_text:
        treated = concept(subject.pretreatment, _PRETREATMENT) if subject.pretreatment.code else {}
        if subject.pretreatment_text:
            treated["text"] = subject.pretreatment_text
        found.append(extension(codes.NILAR + "pretreatment", "valueCodeableConcept", treated))
    if subject.containers is not None:
        found.append(extension(codes.NILAR + "container-count", "valueInteger", subject.containers))
    found += [extension(codes.NILAR + "sample-handling", "valueString", words) for words in subject.handling]
    return found


def _collection(subject: AnalysedSubject, roles: Roles) -> Tree:
    found: Tree = {}
    extensions = []
    strings = (
        ("logistics", subject.logistics),
        ("study-product-type", subject.product_type),
        ("study-product-ref", subject.product_ref),
    )
    extensions += [extension(codes.NILAR + name, "valueString", words) for name, words in strings if words]
    extensions += [
        extension(codes.NILAR + "comment", "valueCodeableConcept", concept(code)) for code in subject.collector_codes
    ]
    if extensions:
        found["extension"] = extensions
    collector = roles.reference(subject.actor) if subject.actor is not None else None
    if collector:
        found["collector"] = collector
    if subject.collected:
        found["collectedDateTime"] = subject.collected
    else:
        found["_collectedDateTime"] = {"extension": [extension(_DATA_ABSENT, "valueCode", "unknown")]}
    if is_coded(subject.procedure):
        found["method"] = concept(subject.procedure)
    if subject.origin:
        found["bodySite"] = {"text": subject.origin}
    return found
