from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.services.results.kith.nodes import (
    CODE_LIMIT_CHARACTERS,
    EXPONENT_LIMIT,
    NAME_LIMIT_CHARACTERS,
    TEXT_LIMIT_CHARACTERS,
)
from kjerne.services.results.values import decimal_of
from kjerne.wire import json


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
    "an animal in the patient": ("</Patient>", "<Animal><Name>Rex</Name></Animal></Patient>", "Animal", "X99"),
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


CODE, NAME, TEXT = CODE_LIMIT_CHARACTERS, NAME_LIMIT_CHARACTERS, TEXT_LIMIT_CHARACTERS
LONG: dict[str, tuple[str, str, int, str]] = {
    "a code": ("<Id V='NPU03429'", "<Id V='{}'", CODE, "Id"),
    "a code system": ("<Id V='NPU03429' S='[^']*'", "<Id V='NPU03429' S='{}'", NAME, "Id"),
    "a code's name": ("DN='Analyse NPU03429'", "DN='{}'", NAME, "Id"),
    "a code's original text": ("DN='Analyse NPU03429'", "OT='{}'", NAME, "Id"),
    "a unit": ("U='mmol/L'", "U='{}'", NAME, "NumResultValue"),
    "a person's name": ("<Name>Prøve, Person</Name>", "<Name>{}</Name>", NAME, "Name"),
    "a laboratory's name": ("<Name>Prøvelaboratoriet</Name>", "<Name>{}</Name>", NAME, "Name"),
    "a name in pieces": ("<Name>Prøve, Person</Name>", "<Name><b>{}</b></Name>", NAME, "Name"),
    "a result's number": ("<StatusInv", "<IdResultItem>{}</IdResultItem><StatusInv", NAME, "IdResultItem"),
    "a status": ("<StatusInvestigation V='3'", "<StatusInvestigation V='{}'", CODE, "StatusInvestigation"),
    "a comment": ("<StatusInv", "<Comment>{}</Comment><StatusInv", TEXT, "Comment"),
    "a reference range": ("<StatusInv", "<RefInterval><Descr>{}</Descr></RefInterval><StatusInv", TEXT, "Descr"),
    "a text": (
        "<NumResult>.*</NumResult>",
        "<TextResult><TextResultValue>{}</TextResultValue></TextResult>",
        TEXT,
        "TextResultValue",
    ),
    "a text in XHTML": (
        "<NumResult>.*</NumResult>",
        "<TextResult><TextResultValue><p>{}</p></TextResultValue></TextResult>",
        TEXT,
        "TextResultValue",
    ),
}


@pytest.mark.parametrize(("pattern", "instead", "limit", "element"), LONG.values(), ids=LONG)
def test_what_is_longer_than_its_limit_is_refused_with_element_and_line(
    kith: Any, pattern: str, instead: str, limit: int, element: str
) -> None:
    raw = kith.message(kith.report(kith.item()))
    longest, longer = (
        re.sub(pattern, lambda _: instead.format("x" * length), raw.decode(), flags=re.DOTALL).encode()  # noqa: B023
        for length in (limit, limit + 1)
    )
    kith.understood(longest)
    refusal = refused(kith, longer)
    assert (refusal.status, [fault.code for fault in refusal.faults]) == (422, ["T02"])
    assert re.search(rf"{element} line \d+$", refusal.where), refusal.where
    assert str(limit) in refusal.says and "xxx" not in str(refusal)


def test_no_more_items_than_the_limit(kith: Any) -> None:
    raw = kith.message(kith.report(kith.item(extra="<Comment/>") * 5_001))
    assert "5000" in refused(kith, raw).says


@pytest.mark.parametrize(
    ("sent", "read"),
    [("1 200", "1200"), ("1\u00a0200,5", "1200.5"), ("1.200,5", "1200.5"), ("12 345.60", "12345.60"), ("1,20", "1.20")],
)
def test_a_number_written_for_people_is_read_and_noted(kith: Any, sent: str, read: str) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.number(sent))))).reports
    assert str(report.items[0].value.amount.number) == read
    assert len(report.notes) in (1, 2)


@pytest.mark.parametrize("sent", ["1 20", "1.200.300", "1,2,3", "12 345 6"])
def test_a_number_that_could_mean_two_things_is_refused(kith: Any, sent: str) -> None:
    assert "NumResultValue" in refused(kith, kith.message(kith.report(kith.item(value=kith.number(sent))))).where


def test_a_number_as_text_instead_of_attribute_is_not_lost(kith: Any) -> None:
    value = "<NumResult><NumResultValue U='g'>5.0</NumResultValue></NumResult>"
    [report] = kith.understood(kith.message(kith.report(kith.item(value=value)))).reports
    assert str(report.items[0].value.amount.number) == "5.0"


@pytest.mark.parametrize(("sign", "code"), [("&lt;", "LT"), ("&gt;=", "GE"), ("=", "")])
def test_a_comparator_as_a_sign_is_the_code_it_stands_for(kith: Any, sign: str, code: str) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.number("5", comparator=sign))))).reports
    assert report.items[0].value.comparator == code


def test_a_second_value_and_a_second_comment_of_a_result_are_kept(kith: Any) -> None:
    both = kith.item(value=kith.number("5") + kith.text("hemolyse"), extra="<Comment>En</Comment><Comment>To</Comment>")
    [report] = kith.understood(kith.message(kith.report(both))).reports
    [item] = report.items
    assert (item.value.kind, [value.text for value in item.further], item.comment) == ("number", ["hemolyse"], "En\nTo")
    assert "more than one value" in report.notes[0]


def test_a_comparator_without_a_number_is_noted(kith: Any) -> None:
    value = "<NumResult><ArithmeticComp V='LT'/><NumResultValue U='mmol/L'/></NumResult>"
    [report] = kith.understood(kith.message(kith.report(kith.item(value=value)))).reports
    assert report.items[0].value.kind == "empty"
    assert "comparator" in report.notes[0]


def test_a_status_that_the_table_does_not_have_is_noted(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(state="99")))).reports
    assert "StatusInvestigation" in report.notes[0]


def test_carriage_returns_are_line_ends(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.text("En&#13;&#10;To&#13;Tre"))))).reports
    assert report.items[0].value.text == "En\nTo\nTre"


def test_markup_keeps_exponents_and_the_lines_of_what_is_formatted_already(kith: Any) -> None:
    words = (
        "<div xmlns='http://www.w3.org/1999/xhtml'>Leukocytter 10<sup>9</sup>/L, CO<sub>2</sub>,\n 1<sup>st</sup>"
        "<pre>S  0,5\nR  8</pre>slutt</div>"
    )
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.text(words))))).reports
    assert report.items[0].value.text == "Leukocytter 10^9/L, CO2, 1st\nS 0,5\nR 8\nslutt"


def test_markup_in_a_comment_loses_no_word(kith: Any) -> None:
    [report] = kith.understood(
        kith.message(kith.report(kith.item(extra="<Comment>Se <b>vedlegg</b> A</Comment>")))
    ).reports
    assert report.items[0].comment == "Se vedlegg A"


def test_a_time_that_was_never_set_is_none(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(extra="<InvDate V='0001-01-01T00:00:00'/>")))).reports
    assert report.items[0].investigated == ""


def test_a_reference_to_no_result_is_noted(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(ref="9")))).reports
    assert report.notes == ("A result refers to a result that the report does not hold.",)


def test_results_that_refer_to_each_other_in_a_circle_are_noted(kith: Any) -> None:
    inner = kith.item("NPU2", id_="2")
    circles = (
        kith.item("NPU1", id_="1", ref="2") + kith.item("NPU2", id_="2", ref="1"),
        kith.item("NPU1", id_="1", ref="1"),
        kith.item("NPU1", id_="1", ref="2", inside=inner),
    )
    for items in circles:
        [report] = kith.understood(kith.message(kith.report(items))).reports
        assert report.notes == ("Results refer to each other in a circle, or one to itself; each is shown.",)
    [report] = kith.understood(kith.message(kith.report(kith.item("NPU1", id_="1", ref="2") + inner))).reports
    assert report.notes == ()


def test_two_specimens_with_one_number_are_noted(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(), subjects=kith.SAMPLE * 2))).reports
    assert len(report.subjects) == 2
    assert "same number" in report.notes[0]


@pytest.mark.parametrize("number", ["+-5", "5.0", "x", "1" * 19])
def test_an_integer_that_is_none_is_refused(kith: Any, number: str) -> None:
    inside = f"<StructuredInfo><Type V='1'/><IntegerInfo><Integer>{number}</Integer></IntegerInfo></StructuredInfo>"
    assert "Integer line" in refused(kith, kith.message(kith.report(kith.item(inside=inside)))).where


def test_a_number_of_containers_beyond_sense_is_noted_not_refused(kith: Any) -> None:
    many = kith.SAMPLE.replace("<IdByServProvider>", "<Number>9999999999</Number><IdByServProvider>")
    [report] = kith.understood(kith.message(kith.report(kith.item(), subjects=many))).reports
    assert report.subjects[0].containers is None
    assert len(report.notes) == 1


def test_every_file_of_one_document_is_kept_and_xml_stays_xml(kith: Any) -> None:
    box = "<Base64Container xmlns='http://www.kith.no/xmlstds/base64container'>{}</Base64Container>"
    content = box.format("ZW4=") + box.format("dG8") + "<funn xmlns=''>ja</funn>"
    head = f"<RefDoc><MsgType V='A'/><Description>Svar</Description><Content>{content}</Content></RefDoc>"
    [report] = kith.understood(kith.message(kith.report(kith.item(), head=head))).reports
    assert [a.data for a in report.attachments] == [b"en", b"to", b'<funn xmlns="">ja</funn>']


def test_results_in_results_go_as_deep_as_a_sender_likes(kith: Any) -> None:
    nested = ""
    for number in range(150):
        nested = kith.item(f"NPU{number}", inside=nested)
    [report] = kith.understood(kith.message(kith.report(nested))).reports
    assert [item.parent for item in report.items] == list(range(-1, 149))


def test_a_tangle_of_references_ends_in_a_refusal(kith: Any) -> None:
    chained = "".join(kith.item("", kith.text("x"), id_=str(i), ref=str(i + 1)) for i in range(1_000))
    assert "too deeply" in refused(kith, kith.message(kith.report(chained))).says


def test_no_more_reports_than_the_limit(kith: Any) -> None:
    raw = kith.message(kith.report() * 201, version="1.3")
    assert "200" in refused(kith, raw).says


@pytest.mark.parametrize("number", ["1e300", "1e400", "1e-400", "-1E65", "1.5e-64"])
def test_a_number_beyond_all_measure_is_refused_as_by_fhir(kith: Any, number: str) -> None:
    low = f"<Interval><Low V='{number}'/></Interval>"
    for value, name in ((kith.number(number), "NumResultValue"), (low, "Low")):
        refusal = refused(kith, kith.message(kith.report(kith.item(value=value))))
        assert refusal.says == f"{name} is longer or larger than any measurement."
        assert re.search(rf"/{name} line [0-9]+$", refusal.where)
    assert EXPONENT_LIMIT == json.EXPONENT_LIMIT


@pytest.mark.parametrize("number", ["1e64", "1e-64", "9" * 30])
def test_a_number_that_is_accepted_can_be_shown(kith: Any, number: str) -> None:
    [report] = kith.understood(kith.message(kith.report(kith.item(value=kith.number(number))))).reports
    value = report.items[0].value
    assert decimal_of(value.amount.number) == Decimal(number)
