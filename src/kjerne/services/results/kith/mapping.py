"""A folded report as FHIR R4 resources in the shape of the NILAR guide 1.5.0 (docs/results-mapping.md).

Pure: the same state and numbering give the same resources, so that what did not change is not stored again. Numbers
are `Decimal` with the digits as sent. No resource names the patient, whose key stands outside it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

from kjerne.services.results.kith import codes, units
from kjerne.services.results.kith.chain import State
from kjerne.services.results.kith.kept_files import Kept
from kjerne.services.results.kith.map_actors import Roles
from kjerne.services.results.kith.map_observation import Around, observation
from kjerne.services.results.kith.map_request import (
    names_requester,
    request_keys,
    service_request,
    specimen,
)
from kjerne.services.results.kith.map_values import Tree, concept, dated, extension, is_coded
from kjerne.services.results.kith.model import Actor, Attachment, Information, Request
from kjerne.services.results.kith.taken import earliest
from kjerne.services.results.kith.times import moment
from kjerne.services.results.kith.weave import Woven, weave

Numbering = Callable[[str, str], str]

_INFORMATION_TYPE: Final = codes.VOLVEN + "8233"
_MAGIC: Final = (
    (b"%PDF", "application/pdf"),
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"{\\rtf", "text/rtf"),
    (b"<", "text/xml"),
)

_OF_ANOTHER: Final = frozenset({codes.FOCUS, codes.SPECIMEN_MATERIAL_OF})


def resources(state: State, number: Numbering) -> list[Tree]:
    """The DiagnosticReport first, then Observations in the report's order, then what they refer to.

    `number(type, key)` gives the id of a resource of this chain; the key is stable over the versions that are known.
    What an earlier call gave and this one does not is gone and should be deleted.
    """
    report = state.report
    roles = Roles(number, report.provider)
    woven = weave(state)
    report_id = number("DiagnosticReport", "report")
    requests = _requests(state, number, roles)
    samples = _specimens(state, number, roles)
    files = [_file(kept.file, number("Binary", kept.key)) for kept in state.files]
    around = Around(
        woven=woven,
        report_reference={"reference": f"DiagnosticReport/{report_id}"},
        request_reference={"reference": f"ServiceRequest/{requests[0]['id']}"} if requests else None,
        discipline=report.discipline.code,
        performers=_performers(state),
        roles=roles,
        observation=_remembered(number, "Observation"),
        specimen=_remembered(number, "Specimen"),
    )
    observations = [observation(result, around) for result in state.results]
    report_tree = _diagnostic_report(state, report_id, woven, around, requests, samples, files)
    return [report_tree, *observations, *requests, *samples, *roles.resources(), *files]


def not_the_patients(resource: Tree) -> bool:
    """Whether an Observation or Specimen is about a newborn, fetus, donor or other related being
    (`Label.NOT_THE_MOTHERS`)."""
    return not _OF_ANOTHER.isdisjoint([found["url"] for found in resource.get("extension", ())])


def _remembered(number: Numbering, type_: str) -> Callable[[str], str]:
    known: dict[str, str] = {}

    def of(key: str) -> str:
        found = known.get(key)
        if found is None:
            found = known[key] = number(type_, key)
        return found

    return of


def _performers(state: State) -> tuple[Actor, ...]:
    return (state.report.related or state.report.provider,)


def _requests(state: State, number: Numbering, roles: Roles) -> list[Tree]:
    report = state.report
    sent = report.requests or ((Request(),) if names_requester(report) else ())
    return [
        service_request(request, number("ServiceRequest", key), state.status, report, roles)
        for key, request in zip(request_keys(sent), sent, strict=True)
    ]


def _specimens(state: State, number: Numbering, roles: Roles) -> list[Tree]:
    ids = {key: number("Specimen", key) for key in state.subjects}
    return [
        specimen(subject, ids[key], ids.get(state.made_of.get(key, ""), ""), roles)
        for key, subject in state.subjects.items()
    ]


def _file(attachment: Attachment, id_: str) -> Tree:
    data = base64.b64encode(attachment.data).decode()
    return {"resourceType": "Binary", "id": id_, "contentType": _mime_type(attachment), "data": data}


def _mime_type(attachment: Attachment) -> str:
    if "/" in attachment.mime_type:
        return attachment.mime_type
    return next((mime for magic, mime in _MAGIC if attachment.data.startswith(magic)), "application/octet-stream")


def _diagnostic_report(
    state: State, id_: str, woven: Woven, around: Around, requests: list[Tree], samples: list[Tree], files: list[Tree]
) -> Tree:
    report = state.report
    found: Tree = {"resourceType": "DiagnosticReport", "id": id_, "extension": _extensions(state)}
    found["identifier"] = [{"system": "ServReportId", "value": report.id}] if report.id else []
    found["identifier"].append({"use": "secondary", "system": "MsgId", "value": state.message})
    if requests:
        found["basedOn"] = [{"reference": f"ServiceRequest/{request['id']}"} for request in requests]
    found["status"] = state.status
    found["category"] = [_discipline(codes.MAIN_DISCIPLINE.get(report.discipline.code, "LAB"))]
    found["code"] = _code(state)
    first = earliest(woven.effective.values()) or report.issued or state.issued
    found |= {"effectiveDateTime": first, "issued": moment(state.issued)}
    performers = around.roles.references(*around.performers)
    if performers:
        found["performer"] = performers
    if samples:
        found["specimen"] = [{"reference": f"Specimen/{sample['id']}"} for sample in samples]
    top = [result.key for result in state.results if not result.parent]
    if top:
        found["result"] = [{"reference": f"Observation/{around.observation(key)}"} for key in top]
    kept = list(zip(state.files, files, strict=True))
    if forms := [_form(one.file, file) for one, file in kept if not one.replaced]:
        found["presentedForm"] = forms
    found["extension"] += [_former_file(one, file) for one, file in kept if one.replaced]
    return found


def _discipline(code: str) -> Tree:
    return {"coding": [{"system": codes.DISCIPLINE, "code": code, "display": codes.DISCIPLINE_NAME[code]}]}


def _code(state: State) -> Tree:
    discipline = state.report.discipline
    if not discipline.code:
        return _discipline("LAB")
    return concept(discipline, codes.DISCIPLINE)


def _extensions(state: State) -> list[Tree]:
    report = state.report
    found = dated("report-date", state.first_issued) + dated("approval-date", report.approved)
    if report.comment:
        found.append(_comment(report.comment))
    for code in (*report.comment_codes, *((report.cancellation,) if report.cancellation.code else ())):
        found.append(extension(codes.NILAR + "comment", "valueCodeableConcept", concept(code)))
    for attachment in report.attachments:
        if not attachment.data:
            found.append(_comment(_missing(attachment)))
    found += [known for information in report.information if (known := _information(information))]
    if state.status == "amended" and state.completes:
        found.append(extension(codes.COMPLETES, "valueBoolean", True))
    notes = [*state.notes, *_unit_notes(state)]
    found += [extension(codes.READING_NOTE, "valueString", note) for note in notes]
    return found


def _comment(words: str) -> Tree:
    return extension(codes.NILAR + "comment", "valueAnnotation", {"text": words})


def _missing(attachment: Attachment) -> str:
    name = attachment.title or attachment.file or attachment.id or "uten navn"
    return f"Vedlegg {'kunne ikke leses' if attachment.broken else 'følger ikke meldingen'}: {name}"


def _unit_notes(state: State) -> list[str]:
    """Units that we do not know: the result keeps them as sent and is compared with the same spelling only."""
    amounts = (result.value.amount for result in state.results if result.value is not None)
    unknown = {amount.unit for amount in amounts if amount is not None and amount.unit and not units.ucum(amount.unit)}
    return [f"The unit {unit[:40]} is not known; it is kept as sent." for unit in sorted(unknown)]


def _information(information: Information) -> Tree | None:
    """One piece of clinical information; None where it holds nothing."""
    inside: list[Tree] = []
    if is_coded(information.type):
        kind = concept(information.type, _INFORMATION_TYPE)
        inside.append(extension(codes.NILAR + "inf-item-type", "valueCodeableConcept", kind))
    if information.description:
        inside.append(extension(codes.NILAR + "inf-item-descr", "valueString", information.description))
    if information.comment:
        inside.append(_comment(information.comment))
    if information.code.code:
        inside.append(
            extension(codes.NILAR + "inf-item-coded-descr", "valueCodeableConcept", concept(information.code))
        )
    inside += dated("inf-item-start", information.started)
    inside += dated("inf-item-end", information.ended)
    inside += dated("inf-item-org-time", information.recorded)
    return {"url": codes.NILAR + "inf-item", "extension": inside} if inside else None


def _form(attachment: Attachment, file: Tree) -> Tree:
    """An embedded attachment, pointing at its Binary."""
    form: Tree = {"contentType": file["contentType"], "url": f"Binary/{file['id']}", "size": len(attachment.data)}
    if attachment.title:
        form["title"] = attachment.title
    if attachment.issued:
        form["creation"] = attachment.issued
    return form


def _former_file(kept: Kept, file: Tree) -> Tree:
    """A file that a later version put another in the place of, or left out, and when."""
    at, form = extension("at", "valueDateTime", kept.replaced), _form(kept.file, file)
    return {"url": codes.FORMER_FILE, "extension": [at, extension("file", "valueAttachment", form)]}
