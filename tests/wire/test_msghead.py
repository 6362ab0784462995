from __future__ import annotations

import base64
from typing import Final

import pytest

from kjerne.errors import Refusal
from kjerne.services.results.kith.model import Actor, Identifier
from kjerne.wire import msghead

HEAD: Final = "http://www.kith.no/xmlstds/msghead/2006-05-24"
BOX: Final = "http://www.kith.no/xmlstds/base64container"
INNER: Final = "<Message xmlns='urn:inner'><MsgId>I-1</MsgId></Message>"


def party(name: str, number: str) -> str:
    return (
        f"<Organisation><OrganisationName>{name}</OrganisationName><Ident><Id>{number}</Id><TypeId V='HER' S='1.2' DN='HER-id'/>"
        f"</Ident><Organisation><OrganisationName>Avdeling</OrganisationName><Ident><Id>{number}9</Id><TypeId V='HER'/></Ident>"
        "</Organisation></Organisation>"
    )


def boxed(data: bytes) -> str:
    return f"<b:Base64Container xmlns:b='{BOX}'>{base64.b64encode(data).decode()}</b:Base64Container>"


def document(content: str, title: str = "", mime: str = "text/xml") -> str:
    return (
        f"<Document><DocumentConnection V='H'/><RefDoc><IssueDate V='2026-03-02'/><MsgType V='XML'/><MimeType>{mime}</MimeType>"
        f"<Description>{title}</Description><Content>{content}</Content></RefDoc></Document>"
    )


def envelope(*documents: str, patient: str = "") -> bytes:
    return (
        f"<MsgHead xmlns='{HEAD}'><MsgInfo><Type V='SVAR_LAB' DN='Svar'/><MIGversion>v1.2 2006-05-24</MIGversion>"
        "<GenDate>2026-03-02T12:00:00</GenDate><MsgId>E-1</MsgId><Ack V='J' DN='Ja'/>"
        f"<Sender>{party('Lab', '11')}</Sender><Receiver>{party('Kjerne', '22')}</Receiver>{patient}</MsgInfo>"
        f"{''.join(documents)}</MsgHead>"
    ).encode()


def test_a_message_without_envelope_is_its_own_body() -> None:
    opened = msghead.opened(INNER.encode())
    assert (opened.body.tag, opened.head, opened.attachments) == ("{urn:inner}Message", None, ())


@pytest.mark.parametrize("content", [INNER, boxed(INNER.encode())], ids=["element", "base64"])
def test_the_first_document_is_the_message(content: str) -> None:
    opened = msghead.opened(envelope(document(content)))
    assert opened.body.tag == "{urn:inner}Message"
    assert opened.head is not None
    assert (opened.head.id, opened.head.type) == ("E-1", "SVAR_LAB")
    assert opened.head.sender.organisation_ids == (Identifier("11", "HER"),)
    assert opened.head.sender.department_ids == (Identifier("119", "HER"),)
    assert opened.head.receiver.organisation == "Kjerne"


def test_other_documents_are_kept_as_attachments() -> None:
    pdf = document(boxed(b"%PDF-1.7"), "Svaret", "application/pdf")
    broken = document(f"<b:Base64Container xmlns:b='{BOX}'>***</b:Base64Container>", "Ødelagt")
    first, second = msghead.opened(envelope(document(INNER), pdf, broken)).attachments
    assert (first.title, first.mime_type, first.data, first.issued) == (
        "Svaret",
        "application/pdf",
        b"%PDF-1.7",
        "2026-03-02",
    )
    assert (second.title, second.data, second.broken) == ("Ødelagt", b"", True)


REPORT: Final = "<Message xmlns='http://www.kith.no/xmlstds/labsvar/2012-02-15'/>"
OLD_REPORT: Final = "<Message xmlns='http://www.kith.no/xmlstds/labsvar/2008-12-01'/>"


@pytest.mark.parametrize(
    "second",
    [
        REPORT,
        OLD_REPORT,
        boxed(REPORT.encode()),
        boxed(f"\ufeff<?xml version='1.0'?>\n{OLD_REPORT}".encode()),
        boxed(REPORT.encode("utf-16")),
        boxed(envelope(document(REPORT))),
        f"{boxed(b'%PDF-1.7')}{REPORT}",
    ],
    ids=["element", "older", "base64", "byte order mark", "utf-16", "envelope", "behind a file"],
)
def test_two_messages_in_one_envelope_are_refused_whole(second: str) -> None:
    with pytest.raises(Refusal) as refused:
        msghead.opened(envelope(document(boxed(REPORT.encode())), document(second)))
    assert (refused.value.status, refused.value.where) == (422, "Document line 1")


def test_a_file_beside_the_message_in_its_own_document_is_refused_and_not_dropped() -> None:
    with pytest.raises(Refusal) as refused:
        msghead.opened(envelope(document(f"{REPORT}{boxed(b'%PDF-1.7')}")))
    assert refused.value.where == "Content line 1"


@pytest.mark.parametrize("data", [b"<a", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<svg xmlns='urn:x'/>"])
def test_a_file_that_only_looks_like_xml_is_an_attachment(data: bytes) -> None:
    (kept,) = msghead.opened(envelope(document(REPORT), document(boxed(data)))).attachments
    assert kept.data == data


def test_a_report_behind_an_attachment_is_still_the_message() -> None:
    report = boxed(REPORT.encode())
    opened = msghead.opened(envelope(document(boxed(b"%PDF-1.7")), document(report)))
    assert opened.body.tag.endswith("}Message")
    assert [attachment.data for attachment in opened.attachments] == [b"%PDF-1.7"]


def test_every_file_of_a_document_is_kept_and_dated_as_fhir_writes_it() -> None:
    several = document(boxed(b"one") + boxed(b"two") + "<a xmlns=''>tre</a>").replace(
        "2026-03-02", "2026-03-02T10:00:00"
    )
    files = msghead.opened(envelope(document(INNER), several)).attachments
    assert [file.data for file in files] == [b"one", b"two", b'<a xmlns="">tre</a>']
    assert {file.issued for file in files} == {"2026-03-02T10:00:00+01:00"}


def test_the_envelopes_patient_is_told() -> None:
    patient = "<Patient><FamilyName>X</FamilyName><Ident><Id>54321</Id><TypeId V='HNR'/></Ident></Patient>"
    head = msghead.opened(envelope(document(INNER), patient=patient)).head
    assert head is not None
    assert head.patient_numbers == (Identifier("54321", "HNR"),)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (envelope(), "no document"),
        (envelope(document("")), "no content"),
        (envelope(document(boxed(b"").replace("></b:", ">***</b:"))), "no base64"),
        (envelope(*[document(INNER)] * 51), "more than 50"),
        (f"<MsgHead xmlns='{HEAD}'>{document(INNER)}</MsgHead>".encode(), "no MsgInfo"),
    ],
)
def test_an_envelope_that_holds_no_message_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(Refusal) as caught:
        msghead.opened(raw)
    assert caught.value.status == 422
    assert says in caught.value.says
    assert " line " in caught.value.where


def test_the_message_in_the_box_passes_the_same_door() -> None:
    with pytest.raises(Refusal) as caught:
        msghead.opened(envelope(document(boxed(b"<!DOCTYPE a><a/>"))))
    assert "DTD" in caught.value.says


def test_another_patient_in_the_envelope_refuses_the_message() -> None:
    from kjerne.services.results.kith.read import read

    raw = (
        "<Message xmlns='http://www.kith.no/xmlstds/labsvar/2012-02-15'><GenDate V='2026-03-02'/><MsgId>I</MsgId><ServReport>"
        "<ServType V='N'/><Patient><OffId>54321</OffId><TypeOffId V='HNR'/></Patient>"
        "<ServProvider><HCP><Inst><Name>Lab</Name></Inst></HCP></ServProvider></ServReport></Message>"
    )
    body = msghead.opened(envelope(document(raw))).body
    for same in (Identifier("54321", "HNR"), Identifier("54321"), Identifier("01417512345", "FNR")):
        assert read(body, patient_numbers=(same,)).reports[0].patient.kind == "HNR"
    with pytest.raises(Refusal) as caught:
        read(body, patient_numbers=(Identifier("12345", "HNR"),))
    assert caught.value.faults[0].code == "E31"


SERVED: Final = (
    "<Message><ServReport><ServProvider><HCP><Inst><Name>Inne</Name><Id>33</Id><TypeId V='HER'/></Inst></HCP></ServProvider>"
    "</ServReport></Message>"
)


@pytest.mark.parametrize("content", [SERVED, boxed(SERVED.encode())], ids=["element", "base64"])
def test_the_sender_of_a_refused_message_is_its_envelopes_else_its_reports(content: str) -> None:
    raw = envelope(document(content))
    assert [one.organisation_ids for one in msghead.parties(raw)] == [
        (Identifier("11", "HER"),),
        (Identifier("22", "HER"),),
    ]
    nameless = raw.replace(party("Lab", "11").encode(), b"")
    assert [one.organisation for one in msghead.parties(nameless)] == ["Inne", "Kjerne"]
    assert [one.organisation for one in msghead.parties(SERVED.encode())] == ["Inne", ""]


@pytest.mark.parametrize(
    ("sent", "name", "length"), [(b">Lab<", "OrganisationName", 1_001), (b"'HER' S='1.2'", "TypeId", 201)]
)
def test_a_name_in_the_envelope_that_is_too_long_refuses_it_and_is_in_no_receipt(
    sent: bytes, name: str, length: int
) -> None:
    long = sent.replace(b"Lab", b"x" * length).replace(b"HER", b"x" * length)
    raw = envelope(document(INNER)).replace(sent, long)
    with pytest.raises(Refusal) as caught:
        msghead.opened(raw)
    assert (caught.value.status, [fault.code for fault in caught.value.faults]) == (422, ["T02"])
    assert name in caught.value.says and "line 1" in caught.value.where
    assert not msghead.parties(raw)[0].organisation


@pytest.mark.parametrize("raw", [b"", b"<a", b"<a/>", envelope(), envelope(document("")), b"<!DOCTYPE a><a/>"])
def test_a_message_that_names_no_sender_or_is_none_has_none(raw: bytes) -> None:
    assert msghead.parties(raw.replace(party("Lab", "11").encode(), b""))[0] == Actor()
