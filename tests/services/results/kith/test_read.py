from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any

import pytest

from kjerne.errors import Refusal


def refused(kith: Any, raw: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        kith.understood(raw)
    return caught.value


def test_a_report_is_read_with_its_patient_and_its_results(kith: Any) -> None:
    message = kith.understood(kith.message(kith.report(kith.item(value=kith.number("140.0")))))
    [report] = message.reports
    [item] = report.items
    assert (message.id, message.version, message.generated) == ("M-1", "1.4", "2026-03-02T12:00:05+01:00")
    assert (report.patient.number, report.patient.kind, report.patient.born) == (kith.NUMBER, "FNR", "1975-01-12")
    assert str(item.value.amount.number) == "140.0"
    assert report.notes == ()


def test_version_1_3_may_hold_several_reports(kith: Any) -> None:
    raw = kith.message(kith.report(kith.item(), id_="A") + kith.report(kith.item(), id_="B"), version="1.3")
    message = kith.understood(raw)
    assert message.version == "1.3"
    assert [report.id for report in message.reports] == ["A", "B"]


def test_items_are_flat_with_their_parents_in_document_order(kith: Any) -> None:
    inner = kith.item("B1", inside=kith.item("C1"))
    [report] = kith.understood(kith.message(kith.report(kith.item("A1", inside=inner) + kith.item("A2")))).reports
    assert [(item.investigations[0].code, item.parent) for item in report.items] == [
        ("A1", -1),
        ("B1", 0),
        ("C1", 1),
        ("A2", -1),
    ]


def test_formatted_text_becomes_lines(kith: Any) -> None:
    words = '<div xmlns="http://www.w3.org/1999/xhtml"><p><b>R:</b> Normalt.</p><br/><p>Ingen  funn.<br/>Kontroll?</p></div>'
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.text(words))))).reports
    assert report.items[0].value.text == "R: Normalt.\nIngen funn.\nKontroll?"


def test_plain_text_keeps_its_own_lines(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.text("En\n\n  To &lt;5"))))).reports
    assert report.items[0].value.text == "En\n\n  To <5"


def test_a_missing_requester_is_taken_in_with_a_note(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(), requester=""))).reports
    assert report.requester is None
    assert report.notes == ("The report names no requester.",)


def test_an_element_the_schema_does_not_have_is_noted_not_lost_silently(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(extra="<Nyskapning>1</Nyskapning>")))).reports
    assert report.notes == ("ResultItem holds Nyskapning, which the schema does not have; it is not shown.",)


def test_a_decimal_comma_in_a_number_is_read_and_noted(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.number("5,4"))))).reports
    assert report.items[0].value.amount.number == Decimal("5.4")
    assert "decimal comma" in report.notes[0]


def test_the_word_null_is_no_identifier(kith: Any) -> None:
    head = "<ServReq><Id>NULL</Id><IdByServProvider>L-9</IdByServProvider></ServReq>"
    [report] = kith.understood(kith.message(kith.report(kith.item(), head=head))).reports
    assert (report.requests[0].id, report.requests[0].provider_id) == ("", "L-9")


def test_an_embedded_attachment_is_kept_and_a_broken_one_is_noted(kith: Any) -> None:
    box = "<Base64Container xmlns='http://www.kith.no/xmlstds/base64container'>{}</Base64Container>"
    good = box.format(base64.b64encode(b"%PDF-1.7 svar").decode())
    head = "".join(
        f"<RefDoc><MsgType V='A'/><MimeType>application/pdf</MimeType><Description>{name}</Description>"
        f"<Content>{content}</Content></RefDoc>"
        for name, content in (("svar", good), ("ødelagt", box.format("*****")))
    )
    [report] = kith.understood(kith.message(kith.report(kith.item(), head=head))).reports
    assert [(a.title, a.data, a.broken) for a in report.attachments] == [
        ("svar", b"%PDF-1.7 svar", False),
        ("ødelagt", b"", True),
    ]
    assert report.notes == ("An attachment could not be decoded.",)


REFUSED = {
    "an animal": ("<Patient>.*</Patient>", "<Animal><Name>Rex</Name></Animal>", "Animal", "X99"),
    "a material": ("<Patient>.*</Patient>", "<Material/>", "Material", "X99"),
    "no patient": ("<Patient>.*</Patient>", "", "Patient", "E30"),
    "no provider": ("<ServProvider>.*</ServProvider>", "", "ServProvider", "T02"),
    "an unknown kind of service": ("<ServReport><ServType V='N'/>", "<ServReport><ServType V='X'/>", "ServType", "T02"),
    "no generation time": ("<GenDate V='[^']*'/>", "", "GenDate", "T02"),
    "a generation time that is none": ("<GenDate V='[^']*'/>", "<GenDate V='2026-02-31'/>", "GenDate", "T02"),
    "no message id": ("<MsgId>M-1</MsgId>", "<MsgId/>", "MsgId", "E10"),
    "a number that is none": ("V='140'", "V='mange'", "NumResultValue", "T02"),
    "a number that is not finite": ("V='140'", "V='NaN'", "NumResultValue", "T02"),
    "an unknown comparator": ("<NumResultValue", "<ArithmeticComp V='??'/><NumResultValue", "ArithmeticComp", "T02"),
    "a time that is none": ("V='2026-03-02T08:15:00'", "V='i går'", "CollectedDate", "T02"),
    "no report": ("<ServReport>.*</ServReport>", "", "ServReport", "T02"),
    "an old version": ("labsvar/2012-02-15", "labsvar/2005-03-14", "Message", "T10"),
}


@pytest.mark.parametrize(("pattern", "instead", "element", "code"), REFUSED.values(), ids=REFUSED)
def test_refused_whole_with_element_and_line(kith: Any, pattern: str, instead: str, element: str, code: str) -> None:
    raw = kith.message(kith.report(kith.item()))
    spoiled = re.sub(pattern.encode(), instead.encode(), raw, flags=re.DOTALL)
    assert spoiled != raw
    refusal = refused(kith, spoiled)
    assert refusal.status == 422
    assert re.search(rf"{element} line \d+$", refusal.where), refusal.where
    assert [fault.code for fault in refusal.faults] == [code]
    assert kith.NUMBER not in str(refusal)


def test_no_more_items_than_the_limit(kith: Any) -> None:
    raw = kith.message(kith.report(kith.item(extra="<Comment/>") * 5_001))
    assert "5000" in refused(kith, raw).says
