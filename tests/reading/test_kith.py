"""Messages by KITH's standards are shown whole, whatever they hold, and a laboratory's answer as a table."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.reading import kith
from kjerne.reading.opening import read
from kjerne.reading.view import (
    Attached,
    Code,
    Field,
    Fields,
    Folded,
    Key,
    Note,
    Paragraph,
    Section,
    Span,
    Table,
    View,
)
from kjerne.reading.words import said
from kjerne.wire import xml
from reading.cda_papers import cda
from reading.kith_papers import BASE, ITEM, NAMESPACES, NUMBER, headed, message
from reading.papers import PDF, said_in


def opened(text: str) -> View:
    return read(text.encode(), xml.parse)


def rows(blocks: Any) -> Iterator[Field]:
    """All rows of values, however deep."""
    for one in blocks:
        if isinstance(one, Table):
            for row in one.rows:
                yield from rows(row)
        elif isinstance(one, Fields):
            yield from one.rows
        else:
            yield from rows(getattr(one, "blocks", ()))


def called(title: str) -> str:
    return said("nb", title, "") if isinstance(title, Key) else title


@pytest.mark.parametrize(("standard", "title"), NAMESPACES.items())
@pytest.mark.parametrize("in_head", [False, True])
def test_each_standard_is_read_and_called_by_its_name(standard: str, title: str, *, in_head: bool) -> None:
    told = "<InfItem><Observation><Description>Feber siden i går</Description></Observation></InfItem>"
    text = message(standard, told)
    view = opened(headed(text) if in_head else text)
    assert (view.kind, called(view.title), view.numbers) == ("kith", title, (NUMBER,))
    assert "Feber siden i går" in {one.text for one in rows(view.blocks)}


def test_a_message_calls_itself_what_it_says() -> None:
    assert opened(message(type_="Svarrapport-Patologi")).title == "Svarrapport-Patologi"
    assert called(opened(headed("<a/>")).title) == "Innpakket"


def test_the_patient_stands_by_herself_and_is_not_told_again() -> None:
    view = opened(message(told="<Comment>Ja</Comment>"))
    assert [(one.path[-1], one.text) for one in rows(view.about)] == [
        ("kith.Sex", "Kvinne"), ("kith.DateOfBirth", "1987-08-15"), ("kith.Name", "Nordvik, Kari"), ("kith.OffId", NUMBER),
        ("kith.Type", "Bosted"), ("kith.City", "Bergen"),
    ]  # fmt: skip
    assert [one.text for one in rows(view.blocks)] == ["Ny", "2026-03-11T09:05:00", "Ja"]


def test_a_number_stands_beside_what_kind_it_is() -> None:
    (number,) = [one for one in rows(opened(message()).about) if one.path[-1] == "kith.OffId"]
    assert number.codes == (Code("", "FNR", "Fødselsnummer"),)


def test_the_names_of_who_sent_it_are_gone_through_once_however_deep_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    names, depth, calls, text_of = 40, 50, list[None](), kith.text_of
    monkeypatch.setattr(kith, "text_of", lambda one: calls.append(None) or text_of(one))
    inner = "".join(f"<Name>N{place}</Name>" for place in range(names))
    view = opened(f'<M xmlns="{BASE}epikrise/2012-02-15">{"<Sender>" * depth}{inner}{"</Sender>" * depth}</M>')
    assert [one.text for one in view.lead] == [", ".join(f"N{place}" for place in range(names))]
    assert len(calls) < 3 * names


def test_who_sent_it_to_whom_stands_in_the_lead_and_below() -> None:
    view = opened(headed(message()))
    assert [(one.path[-1], one.text) for one in view.lead] == [
        ("kith.Sender", "Sykehuset"), ("kith.ServProvider", "Solbakken lab"), ("kith.Requester", "Ola Hagen"),
    ]  # fmt: skip
    assert {"m-1", "h-1", "Solbakken lab", "59", "Ola Hagen", "Hoveddokument", "v1.4"} <= {
        one.text for one in rows(view.rest)
    }
    assert view.date == "2026-03-11T09:05:00"


def test_only_numbers_of_the_patient_that_may_be_national_are_hers() -> None:
    other = "<AdditionalId><Id>15887099829</Id><Type V='{}'/></AdditionalId><Comment>15887099900</Comment>"
    assert opened(message(told=other.format("HNR"))).numbers == (NUMBER,)
    assert opened(message(told=other.format("DNR"))).numbers == (NUMBER, "15887099829")


def test_results_are_rows_of_a_table_before_all_else() -> None:
    view = opened(message(told=f"<AnalysedSubject><Number>1</Number><Type V='B'/></AnalysedSubject>{ITEM}{ITEM}"))
    fields, table, subject = view.blocks
    assert (type(fields), type(subject)) == (Fields, Section)
    assert isinstance(table, Table)
    assert [cell.blocks for cell in table.rows[0]] == [
        (Paragraph((Span(Key(f"kith.{one}")),)),)
        for one in ("Investigation", "result", "RefInterval", "DevResultInd", "more")
    ]
    assert [[one.text for one in rows((cell,))] for cell in table.rows[1]] == [
        ["P-CRP"], ["Mindre enn 5 mg/L"], ["< 5"], ["Høy"], ["Endelig"],
    ]  # fmt: skip
    assert isinstance(table.rows[1][4].blocks[0], Folded) and len(table.rows) == 3


LOOSE = (
    ("</Descr>", "</Descr>."), ("<Investigation>", "<Investigation>fritt "), ("</NumResult>", ".</NumResult>"),
    ("<RefInterval>", "<RefInterval>, "), ("</Investigation>", "ord</Investigation>"),
)  # fmt: skip


@pytest.mark.parametrize(("before", "after"), LOOSE)
def test_loose_text_within_a_result_is_shown_beside_it(before: str, after: str) -> None:
    (table,) = [one for one in opened(message(told=ITEM.replace(before, after))).blocks if isinstance(one, Table)]
    loose = after.replace(before, "").strip()
    assert loose in [one.text for one in rows((table,))]


def notes(text: str) -> list[str]:
    return [one.key for one in opened(text).notes]


ITEM_BACK = ITEM.replace("<StatusInv", '<ServType V="C"/><StatusInv')
ITEM_DELETED = ITEM.replace('V="3" DN="Endelig"', 'V="14"')


def test_a_message_that_is_taken_back_says_so_before_all_else() -> None:
    back = '<ServType V="N" DN="Ny"/>', '<ServType V="C"/>'
    assert notes(message(told=ITEM).replace(*back)) == notes(headed(message().replace(*back))) == ["note.taken-back"]
    assert notes(message(told=ITEM)) == []
    for item in (ITEM_BACK, ITEM_DELETED):
        assert notes(message(told=ITEM + item)) == ["note.partly-taken-back"]
    both = headed(message()).replace("</MsgHead>", headed(message().replace(*back)).partition("</MsgInfo>")[2])
    assert notes(both) == ["note.partly-taken-back"]


def test_a_result_that_is_no_new_and_final_one_says_so_in_its_row() -> None:
    def table(*items: str) -> list[list[str]]:
        (found,) = [one for one in opened(message(told="".join(items))).blocks if isinstance(one, Table)]
        return [
            [one.text for cell in row for one in rows((cell,)) if not isinstance(cell.blocks[0], Folded)]
            for row in found.rows[1:]
        ]

    settled = ["P-CRP", "Mindre enn 5 mg/L", "< 5", "Høy"]
    assert table(ITEM) == [settled]
    assert table(ITEM_BACK, ITEM) == [[*settled, "Kansellering", "Endelig"], [*settled, "Endelig"]]
    assert table(ITEM_DELETED) == [[*settled, "Undersøkelse slettet"]]


@pytest.mark.parametrize(
    ("element", "says"),
    [
        ('<ServType V="M"/>', "Endring"),
        ('<DevResultInd V="2"/>', "Under nedre referansegrense"),
        ('<DevResultInd V="2" S="2.16.578.1.12.4.1.1.8244"/>', "Under nedre referansegrense"),
        ('<DevResultInd V="2" S="1.2.3"/>', "2"),
        ('<DevResultInd V="99"/>', "99"),
        ('<StatusInvestigation V="15"/>', "I prosess"),
        ('<MsgDescr V="CLIN"/>', "Medisinsk biokjemi"),
        ('<NumResult><ArithmeticComp V="GE"/><NumResultValue V="5"/></NumResult>', "≥ 5"),
        ('<Status V="F"/>', "F"),
    ],
)
def test_a_code_without_a_name_is_called_by_its_table(element: str, says: str) -> None:
    assert says in [one.text for one in rows(opened(message(told=element)).blocks)]


def test_the_status_of_a_report_without_a_name_is_called_by_its_table() -> None:
    assert "Endelig rapport" in [one.text for one in rows(opened(message(report='<Status V="F"/>')).blocks)]


def test_results_within_a_group_stand_under_it() -> None:
    group = f"<ResultItem><TextResult><TextResultValue>Gruppen</TextResultValue></TextResult>{ITEM}</ResultItem>"
    first = opened(message(told=group + ITEM)).blocks[1:]
    assert [type(one) for one in first] == [Section, Table]
    assert [type(one) for one in getattr(first[0], "blocks", ())] == [Fields, Table]


def test_text_in_xhtml_keeps_its_form_and_loses_what_acts() -> None:
    inner = '<p onclick="x()">a <b>b</b></p><script>x()</script><ul><li>c</li></ul>'
    html = f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'
    (row,) = [one for one in rows(opened(message(told=f"<Comment>{html}</Comment>")).blocks) if one.blocks]
    assert row.blocks[0] == Paragraph((Span("a "), Span("b", frozenset({"strong"}))))
    assert [type(one).__name__ for one in row.blocks] == ["Paragraph", "Note", "Items"]


def test_a_piece_of_information_is_called_by_its_kind() -> None:
    told = '<InfItem><Type V="S" DN="Sykehistorie"/><Comment>Feber</Comment></InfItem>'
    (section,) = [one for one in opened(message(told=told)).blocks if isinstance(one, Section)]
    assert (section.title, [one.text for one in rows((section,))]) == ("Sykehistorie", ["Sykehistorie", "Feber"])


def test_lines_of_plain_text_are_kept() -> None:
    told = "<Comment>\n  linje 1\n  linje 2\n</Comment>"
    assert "linje 1\nlinje 2" in {one.text for one in rows(opened(message(told=told)).blocks)}


@pytest.mark.parametrize(
    ("value", "text", "codes"),
    [
        ('<Status V="F" DN="Ferdig"/>', "Ferdig", (("", "F"),)),
        ('<Status V="F" S="1.2"/>', "F", (("1.2", "F"),)),
        ('<Status V="F" DN="Ferdig" OT="helt"/>', "Ferdig – helt", (("", "F"),)),
        ('<TeleAddress V="tel:55000000"/>', "55000000", ()),
        ('<Accredited V="true"/>', "cda.true", ()),
        ('<Quantity V="2" U="tabletter"/>', "2 tabletter", ()),
        ('<Ukjent Hva="rart"/>', "rart", ()),
    ],
)
def test_a_value_is_told_by_its_attributes(value: str, text: str, codes: tuple[tuple[str, str], ...]) -> None:
    found = [one for one in rows(opened(message(told=value)).blocks) if one.text == text]
    assert [[(one.system, one.code) for one in each.codes] for each in found] == [[*codes]]


def container(data: bytes, kind: str) -> str:
    coded = base64.encodebytes(data).decode()
    inner = f'<Base64Container xmlns="{BASE}base64container">{coded}</Base64Container>'
    return f"<RefDoc><MimeType>{kind}</MimeType><Description>Bilag</Description><Content>{inner}</Content></RefDoc>"


def test_an_attachment_is_shown_as_what_it_is() -> None:
    view = opened(message(report=container(PDF, "application/pdf")))
    found = [one for one in view.blocks if isinstance(one, Section) and one.title == "kith.RefDoc"]
    (attached,) = [one for one in found[0].blocks if isinstance(one, Attached)]
    assert (attached.label, attached.framed, view.files[attached.hash].data) == ("Bilag", True, PDF)


def test_an_attachment_under_a_false_name_or_of_another_kind_is_told_of() -> None:
    found = opened(message(report=container(b"PK\x03\x04", "application/pdf"))).blocks
    notes = [one for part in found if isinstance(part, Section) for one in part.blocks if isinstance(one, Note)]
    assert [one.key for one in notes] == ["note.unknown-kind", "broken.kind"]


def test_a_message_within_a_cda_document_is_read_with_whom_it_is_about() -> None:
    coded = base64.b64encode(message(told="<Comment>Ja</Comment>").encode()).decode()
    body = f'<nonXMLBody><text mediaType="application/xml" representation="B64">{coded}</text></nonXMLBody>'
    view = read(cda(body, number="none"), xml.parse)
    (within,) = view.blocks
    assert isinstance(within, Section) and called(within.title) == "Svarrapport"
    assert "Ja" in {one.text for one in rows(view.blocks)}
    assert view.numbers == (NUMBER,)


@pytest.mark.parametrize("inner", [b"<a/>", b"<a", b"<!DOCTYPE a><a/>"])
def test_other_xml_within_is_handed_over_and_not_shown(inner: bytes) -> None:
    coded = base64.b64encode(inner).decode()
    body = f'<nonXMLBody><text mediaType="application/xml" representation="B64">{coded}</text></nonXMLBody>'
    note, kept = read(cda(body), xml.parse).blocks
    assert isinstance(note, Note) and isinstance(kept, Attached)


def test_a_message_that_names_too_many_people_is_refused() -> None:
    many = "".join(f"<AdditionalId><Id>{15887000000 + n}</Id></AdditionalId>" for n in range(30))
    with pytest.raises(Refusal) as refused:
        opened(message(told=many))
    assert refused.value.where == "document_people"


TAGS = (
    "ResultItem NumResult NumResultValue TextResult Investigation Id TypeId OffId TypeOffId Patient RefDoc Content Document "
    "Message MsgInfo Type InfItem ServReport Ident Requester Name RefInterval Descr ServType"
)
TREES = st.recursive(
    st.sampled_from(["", "tekst", "YQ==", " "]),
    lambda inner: st.builds(
        lambda tag, more, within: f"<{tag} {more}>{''.join(within)}</{tag}>etter",
        st.sampled_from(TAGS.split()), st.sampled_from(["", 'V="1"', 'DN="a"', 'V="2026-01-01"', 'U="g" S="1"']),
        st.lists(inner, max_size=4),
    ),
    max_leaves=25,
)  # fmt: skip


@given(TREES)
def test_any_elements_anywhere_are_shown_and_no_text_of_them_is_lost(tree: str) -> None:
    view = opened(message(told=tree))
    page = " ".join(
        [*said_in(view.blocks), *said_in(view.about), *said_in(view.rest), *(one.text for one in view.lead)]
    )
    assert page.count("tekst") >= tree.count("tekst")
    assert page.count("etter") >= tree.count(">etter")
