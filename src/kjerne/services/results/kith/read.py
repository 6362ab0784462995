"""A Svarrapport 1.3 or 1.4 as a `Message`: everything in it that is about the patient's results, or a refusal.

Taken whole or refused whole (`Refusal` 422, with element, line and a code of 8221 for the receipt). What is odd but
clear is taken and noted in `Report.notes`. The schema's order of elements is not enforced: real senders deviate from
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from lxml import etree

from kjerne.services.results.kith import once
from kjerne.services.results.kith import whose as kin
from kjerne.services.results.kith.codes import is_known
from kjerne.services.results.kith.identity import NATIONAL, NUMBER_WRONG, beside, patient
from kjerne.services.results.kith.items import circular, targets
from kjerne.services.results.kith.model import (
    Actor,
    AnalysedSubject,
    Attachment,
    Identifier,
    Information,
    Item,
    Message,
    Note,
    Report,
    Request,
)
from kjerne.services.results.kith.nodes import (
    Element,
    Notes,
    Parts,
    code,
    codes,
    date,
    first,
    joined,
    line_of,
    name_of,
    parts,
    prose,
    refuse,
    text,
    unknown,
    value,
)
from kjerne.services.results.kith.read_actors import actor
from kjerne.services.results.kith.read_files import files
from kjerne.services.results.kith.read_items import Whose, items, subjects
from kjerne.services.results.kith.statuses import OBSERVATION
from kjerne.services.results.kith.times import Stamp, is_after, stamp

NAMESPACE: Final = {
    "http://www.kith.no/xmlstds/labsvar/2012-02-15": "1.4",
    "http://www.kith.no/xmlstds/labsvar/2008-12-01": "1.3",
}
SERVICES: Final = frozenset({"N", "M", "C", "H", "A"})
MESSAGE_ID_WRONG: Final = "E10"
NOT_SUPPORTED: Final = "T10"
OTHER: Final = "X99"
PATIENT_DEPTH: Final = 3
"""A patient, a related being, and one more (twins' mother): deeper than that nobody can say whose a result is."""

REPORT_LIMIT: Final = 200
"""Reports in one message of version 1.3, which sets no limit itself."""

REACH_LIMIT: Final = 100_000
"""Pairs of a result and one that holds it, nested or referred to, over all of a report: five thousand results in groups
of groups have some ten thousand. Every code is a tag on all that holds it, so the pairs are what a report costs."""

AHEAD: Final = timedelta(days=1)
"""How far a sender's clock may be ahead of ours."""

_SYSTEMS: Final[Callable[..., Any]] = etree.XPath("descendant-or-self::*/@S", smart_strings=False)
_CHILD: Final = timedelta(days=12 * 365)
_SYSTEM_SHOWN: Final = 60
_REPORT: Final = frozenset(
    "ServType IssueDate ApprDate Status CancellationCode Ack MsgDescr ServProvId Comment CodedComment RefDoc ServReq "
    "Patient Animal Material ServProvider Requester PaymentResponsible CopyDest RelServProv".split()
)
_PATIENT: Final = frozenset(
    "BasisForHealthServices Sex DateOfBirth DateOfDeath Name IdByServProvider IdByRequester OffId TypeOffId Relation "
    "ResponsibleHcp AdmLocation AdditionalId Address InfItem AnalysedSubject ResultItem Patient".split()
)


def read(
    root: Element,
    *,
    attachments: Sequence[Attachment] = (),
    notes: Sequence[str] = (),
    patient_numbers: Sequence[Identifier] = (),
    envelope_id: str = "",
    envelope_generated: str = "",
    sender: Actor | None = None,
    addressed: Actor | None = None,
    now: datetime | None = None,
) -> Message:
    """Read the message under `root`.

    All but `now` come from the envelope (`wire.msghead`): the files go with the first report, and a number that is
    not the report's patient's refuses the message. `now` refuses a message from the future.
    """
    namespace, _, name = str(root.tag).rpartition("}")
    version = NAMESPACE.get(namespace.lstrip("{"), "")
    if name != "Message" or not version:
        refuse(
            "This is no Svarrapport 1.3 or 1.4.",
            root,
            todo="Send http://www.kith.no/xmlstds/labsvar/2012-02-15.",
            receipt=NOT_SUPPORTED,
        )
    once.check(root, Notes(), within=False)
    here = parts(root)
    generated = date(here, "GenDate")
    known = stamp(generated)
    if known is None:
        refuse("GenDate is missing; it orders the versions of a report.", root, "GenDate")
    if now is not None and known.at > now + AHEAD:
        # It would be the newest version of its report for as long as that lies ahead, whatever came after.
        refuse("GenDate lies in the future.", here["GenDate"][0], todo="Send the time when the message was made.")
    message_id = text(here, "MsgId")
    if not message_id or len(message_id) > 200:
        refuse("MsgId is missing or longer than 200 signs.", root, "MsgId", receipt=MESSAGE_ID_WRONG)
    holders = _holders(root, here)
    understood = [
        _report(holder, known, attachments if index == 0 else (), notes) for index, holder in enumerate(holders)
    ]
    reports = tuple(report for report, _ in understood)
    _same_patient(holders, reports, patient_numbers)
    return Message(
        id=message_id,
        type=code(here, "Type"),
        version=version,
        generated=generated,
        generated_at=known.at,
        test=value(here, "Status") == "TEST",
        sender=sender or reports[0].provider,
        receiver=reports[0].requester,
        reports=reports,
        envelope_id=envelope_id,
        envelope_generated=envelope_generated,
        addressed=addressed or Actor(),
        beside=tuple(others for _, others in understood),
    )


def _holders(root: Element, here: Parts) -> list[Element]:
    holders = here.get("ServReport", [])
    if not holders:
        refuse("The message holds no ServReport.", root, "ServReport")
    if len(holders) > REPORT_LIMIT:
        refuse(f"The message holds more than {REPORT_LIMIT} reports.", holders[REPORT_LIMIT])
    return holders


def _same_patient(holders: list[Element], reports: tuple[Report, ...], numbers: Sequence[Identifier]) -> None:
    """Numbers of one kind are compared: a hospital's own number says nothing against a national one."""
    for holder, report in zip(holders, reports, strict=True):
        kinds = NATIONAL if report.patient.kind in NATIONAL else {report.patient.kind}
        sent = {number.value.replace(" ", "") for number in numbers if not number.kind or number.kind.upper() in kinds}
        if sent and report.patient.number not in sent:
            refuse("The envelope's patient is another than the report's.", holder, "Patient", receipt=NUMBER_WRONG)


def _report(
    element: Element, made: Stamp, extra: Sequence[Attachment], noted: Sequence[str]
) -> tuple[Report, tuple[str, ...]]:
    """The report, and its patient's other national numbers."""
    here, notes = parts(element), Notes(list(noted))
    once.check(element, notes)
    unknown(here, _REPORT, element, notes)
    service = value(here, "ServType")
    if service not in SERVICES:
        refuse("ServType of the report is missing or none of N, M, C, H, A (7309).", element, "ServType")
    provider = _required_actor(here, element, "ServProvider", notes)
    holder = _person(here, element)
    inside = parts(holder)
    about = patient(holder, inside, provider, notes)
    others = beside(about, inside, notes)
    found_items: list[Item] = []
    found_subjects: list[AnalysedSubject] = []
    information: list[Information] = []
    issued = date(here, "IssueDate")
    child = _is_child(about.born, issued)
    _contents(holder, inside, Whose(0, "", "", child), found_items, found_subjects, information, notes)
    responsible = tuple(actor(h) for h in inside.get("ResponsibleHcp", ()))
    requester = _requester(here, responsible, notes)
    attachments = (*(file for e in here.get("RefDoc", ()) for file in files(e)), *extra)
    _not_too_entangled(holder, found_items)
    _note_oddities(here, found_items, found_subjects, attachments, notes)
    if circular(found_items):
        notes.add("Results refer to each other in a circle, or one to itself; each is shown.")
    taken = (*(sample.collected for sample in found_subjects), *(item.investigated for item in found_items))
    if any(is_after(time, made) for time in taken):
        notes.add("A sample or examination is dated after the message; the date is not used for its results.")
    _note_systems(element, notes)
    report = Report(
        line=line_of(element),
        service=service,
        status=value(here, "Status"),
        issued=issued,
        approved=date(here, "ApprDate"),
        discipline=code(here, "MsgDescr"),
        id=text(here, "ServProvId"),
        patient=about,
        provider=provider,
        requester=requester,
        responsible=responsible,
        related=_actor(here, "RelServProv"),
        comment=joined(here, "Comment"),
        comment_codes=codes(here, "CodedComment"),
        cancellation=code(here, "CancellationCode"),
        attachments=attachments,
        requests=tuple(_request(e) for e in here.get("ServReq", ())),
        information=tuple(information),
        subjects=tuple(found_subjects),
        items=tuple(found_items),
        notes=tuple(notes.texts),
    )
    return report, others


def _person(here: Parts, element: Element) -> Element:
    """The Patient; a report about an animal or a thing belongs to no person's record."""
    _no_thing(here)
    holder = first(here, "Patient")
    if holder is None:
        refuse("The report names no patient.", element, "Patient", receipt="E30")
    return holder


def _no_thing(here: Parts) -> None:
    for name, says in (("Animal", "an animal"), ("Material", "a material, not a person")):
        if name in here:
            refuse(f"The report is about {says}.", here[name][0], receipt=OTHER)


def _contents(
    holder: Element,
    here: Parts,
    whose: Whose,
    found: list[Item],
    samples: list[AnalysedSubject],
    information: list[Information],
    notes: Notes,
) -> None:
    """Everything under a Patient, and under the related beings inside it, each marked with whose it is."""
    _no_thing(here)
    unknown(here, _PATIENT, holder, notes)
    relation = code(here, "Relation")
    material = kin.by_relation(relation)
    if not material and whose.of:
        material = "related"
    if material:
        whose = whose._replace(material=material, words=relation.words or name_of(holder))
        notes.add(
            f"Results of another being ({relation.words or material}) are filed on the patient and kept out of trends."
        )
    subjects(here, whose, samples, notes)
    items(holder, here, whose, found, notes)
    information += [_information(e) for e in here.get("InfItem", ())]
    for inner in here.get("Patient", ()):
        if whose.of + 1 >= PATIENT_DEPTH:
            refuse("Patients are nested too deep to tell whose a result is.", inner, receipt=OTHER)
        _contents(inner, parts(inner), Whose(whose.of + 1, "", "", whose.child), found, samples, information, notes)


def _is_child(born: str, issued: str) -> bool:
    """Whether the patient is below twelve, or of unknown age: then a child's blood, or its cord's, may be her own."""
    birth, report = stamp(born), stamp(issued)
    if birth is None:
        return True
    return report is not None and report.at - birth.at < _CHILD


def _requester(here: Parts, responsible: tuple[Actor, ...], notes: Notes) -> Actor | None:
    known = _actor(here, "Requester")
    if known is None and not any(a.relation.code == "REK" for a in responsible):
        notes.add("The report names no requester.")
    return known


def _required_actor(here: Parts, element: Element, name: str, notes: Notes) -> Actor:
    known = _actor(here, name)
    if known is None:
        refuse(f"The report names no {name}.", element, name)
    if not known.organisation and not known.organisation_ids and not known.person:
        notes.add(f"{name} names nobody.")
    return known


def _actor(here: Parts, name: str) -> Actor | None:
    holder = first(here, name)
    return None if holder is None else actor(holder)


def _note_oddities(
    here: Parts, found: list[Item], samples: list[AnalysedSubject], attachments: Sequence[Attachment], notes: Notes
) -> None:
    if not text(here, "ServProvId"):
        notes.add("ServProvId is missing; later versions of the report may not find it.")
    if not date(here, "IssueDate"):
        notes.add("IssueDate is missing; the report is dated by its message.")
    if not value(here, "MsgDescr"):
        notes.add("MsgDescr is missing; the report is filed as laboratory medicine.")
    if value(here, "ServType") == "N" and not found:
        notes.add("The report holds no result.")
    _note_items(found, samples, notes, is_addition=value(here, "ServType") == "A")
    if any(attachment.broken for attachment in attachments):
        notes.add("An attachment could not be decoded.")


def _note_items(found: list[Item], samples: list[AnalysedSubject], notes: Notes, *, is_addition: bool) -> None:
    known = {sample.id for sample in samples}
    if len({(sample.of, sample.id) for sample in samples}) < len(samples):
        notes.add("Several specimens have the same number; a result that refers to it stands with the first.")
    ids = {(item.of, item.id) for item in found}
    for item in found:
        if item.ref and (item.of, item.ref) not in ids and not is_addition:
            notes.add("A result refers to a result that the report does not hold.")
        if any(ref not in known for ref in item.subjects):
            notes.add("A result refers to a specimen that the report does not hold.")
        if item.service and item.service not in SERVICES:
            notes.add("A result's ServType is none of N, M, C, H, A (8270); its status is unknown.")
        if item.status not in OBSERVATION:
            notes.add("A result's StatusInvestigation is none of 8245; its status is unknown.")


def _note_systems(element: Element, notes: Notes) -> None:
    for system in dict.fromkeys(sent.strip() for sent in _SYSTEMS(element)):
        if system and not is_known(system):
            notes.add(f"A code system is not known here; its codes are kept as sent: {system[:_SYSTEM_SHOWN]}")


def _request(element: Element) -> Request:
    here = parts(element)
    return Request(
        id=text(here, "Id"),
        provider_id=text(here, "IdByServProvider"),
        issued=date(here, "IssueDate"),
        received=date(here, "ReceiptDate"),
        payment=code(here, "PaymentCat"),
        priority=code(here, "RequestedPrioReport"),
        comment=text(here, "ReqComment"),
        reservations=codes(here, "Reservation"),
        reasons=tuple(_note(e) for e in here.get("ReasonAsText", ())),
        comments=tuple(_note(e) for e in here.get("Comment", ())),
        line=line_of(element),
    )


def _note(element: Element) -> Note:
    here = parts(element)
    words = first(here, "TextResultValue")
    return Note(code(here, "Heading"), prose(words) if words is not None else "", code(here, "TextCode"))


def _information(element: Element) -> Information:
    here = parts(element)
    observed = first(here, "Observation")
    inside = parts(observed) if observed is not None else {}
    words = first(inside, "Description")
    return Information(
        type=code(here, "Type"),
        description=prose(words) if words is not None else "",
        comment=text(inside, "Comment"),
        code=code(inside, "CodedDescr"),
        started=date(here, "StartDateTime"),
        ended=date(here, "EndDateTime"),
        recorded=date(here, "OrgDate"),
    )


def _not_too_entangled(holder: Element, found: list[Item]) -> None:
    """Refuse results that hold each other so deeply that naming all codes below each would never end."""
    if len(found) ** 2 <= REACH_LIMIT:
        return
    above = [[i for i in (item.parent, target) if i >= 0] for item, target in zip(found, targets(found), strict=True)]
    pairs = 0
    for index in range(len(found)):
        seen = {index}
        waiting = [index]
        while waiting:
            near = [i for i in above[waiting.pop()] if i not in seen]
            seen.update(near)
            waiting += near
            pairs += len(near)
            if pairs > REACH_LIMIT:
                refuse("The results hold and refer to each other too deeply.", holder, "ResultItem")
