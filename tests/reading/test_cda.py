"""CDA is shown whole: header, narrative, what is coded beside it, and the files within."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.reading import kinds
from kjerne.reading.cda import REPEATS_LIMIT
from kjerne.reading.opening import read
from kjerne.reading.room import ELEMENTS_LIMIT
from kjerne.reading.view import (
    Attached,
    Block,
    Cell,
    Field,
    Folded,
    Footnote,
    Group,
    Items,
    Key,
    Note,
    Paragraph,
    Picture,
    Section,
    Span,
    Table,
    View,
)
from kjerne.reading.words import LANGUAGES, said
from kjerne.wire import xml
from reading.cda_papers import NUMBER, cda, section
from reading.papers import PDF, picture, said_in


def opened(raw: bytes) -> View:
    return read(raw, xml.parse)


def told(text: str, entries: str = "") -> tuple[Block, ...]:
    (one,) = opened(cda(section(text, entries))).blocks
    assert isinstance(one, Section)
    return one.blocks


def rows(blocks: Any) -> Iterator[Field]:
    """All rows of values, however deep."""
    for one in blocks:
        yield from getattr(one, "rows", ()) if not isinstance(one, Table) else ()
        yield from rows(getattr(one, "blocks", ()))


def line(*spans: Span | str) -> Paragraph:
    return Paragraph(tuple(Span(one) if isinstance(one, str) else one for one in spans))


def test_the_header_says_whom_it_is_about_who_wrote_it_and_when() -> None:
    view = opened(cda(section("a")))
    assert (view.kind, view.title, view.date) == ("cda", "Poliklinisk notat", "2026-03-11T09:05:00+01:00")
    assert [(one.path, one.text) for one in view.lead] == [
        (("cda.author",), "Ola Hagen"),
        (("cda.custodian",), "Solbakken"),
    ]
    assert [(one.path[-1], one.text) for one in rows(view.about)] == [
        ("cda.name", "Kari Nordvik"), ("cda.id", NUMBER), ("cda.addr", "Storgata 1, Bergen"), ("cda.telecom", "+4755000000"),
        ("cda.birthTime", "1987-08-15"),
    ]  # fmt: skip
    assert view.numbers == (NUMBER,)
    assert {"A1", "2026-03-11", "null.UNK", "Consultation note"} <= {one.text for one in rows(view.rest)}


def test_numbers_are_those_of_the_patient_alone() -> None:
    number = '<id root="2.16.578.1.12.4.1.4.1" extension="15887099829"/>'
    elsewhere = f"<participant><associatedEntity>{number}</associatedEntity></participant>"
    assert opened(cda(section("15887099829"), elsewhere)).numbers == (NUMBER,)
    assert opened(cda(section("a"), number="A12")).numbers == ()


def test_it_says_that_it_replaces_another() -> None:
    parent = '<parentDocument><id root="9.9" extension="old"/></parentDocument>'
    relation = f'<relatedDocument typeCode="RPLC">{parent}</relatedDocument>'
    view = opened(cda(section("a"), relation))
    assert view.notes == (Note("note.relates-RPLC"),)
    assert "old" in {one.text for one in rows(view.rest)}


STRONG, STRUCK, UP = frozenset({"strong"}), frozenset({"struck"}), frozenset({"sup"})


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        (
            'Hun <content styleCode="Bold Italics">har\n feber</content>, <content revised="delete">38</content>.<br/>Ny',
            (line("Hun ", Span("har feber", STRONG | {"emphasis"}), ", ", Span("38", STRUCK), ".\nNy"),),
        ),
        (
            "<paragraph><caption>Funn</caption>5<sup>2</sup></paragraph>",
            (line(Span("Funn", STRONG)), line("5", Span("2", UP))),
        ),
        (
            '<list listType="ordered"><caption>C</caption><item>a</item>løs<item><list><item>b</item></list></item></list>',
            (Items("C", ((line("a"),), (Items("", ((line("b"),),)),), (line("løs"),)), ordered=True),),
        ),
        (
            '<linkHtml href="javascript:alert(1)">les mer</linkHtml> <linkHtml href="#a">her</linkHtml>',
            (line("les mer (javascript:alert(1)) her"),),
        ),
        ("a<ukjent>b</ukjent>", (line("ab"),)),
        ("<script>alert(1)</script>b", (Note("note.script"), line("b"))),
    ],
)
def test_a_narrative_is_shown_with_its_marks(text: str, blocks: tuple[Block, ...]) -> None:
    assert told(text) == blocks


def test_a_table_keeps_its_heads_spans_and_whatever_stands_between() -> None:
    (table, beside) = told(
        '<table><caption>T</caption><col/><thead><tr><th colspan="2">H</th></tr></thead><tbody><tr><th>a</th>'
        '<td rowspan="99999">b</td></tr></tbody>løs</table>'
    )
    assert table == Table("T", (
        (Cell((line("H"),), head=True, columns=2),), (Cell((line("a"),), head=True), Cell((line("b"),), rows=100)),
    ), heads=1)  # fmt: skip
    assert beside == line("løs")


def test_footnotes_are_numbered_through_and_led_to() -> None:
    text = 'a<footnote ID="f1">først</footnote> b<footnote ID="f2">så</footnote><footnoteRef IDREF="f1"/>'
    view = opened(cda(section(text) + section('c<footnote ID="f3">sist</footnote>')))
    blocks = [block for one in view.blocks if isinstance(one, Section) for block in one.blocks]
    paragraph = blocks[0]
    assert isinstance(paragraph, Paragraph)
    assert [(one.text, one.note) for one in paragraph.spans if one.note] == [("1", 1), ("2", 2), ("1", 1)]
    assert [(one.number, one.blocks) for one in blocks if isinstance(one, Footnote)] == [
        (1, (line("først"),)), (2, (line("så"),)), (3, (line("sist"),)),
    ]  # fmt: skip


def test_a_picture_stands_where_the_narrative_shows_it() -> None:
    data = base64.b64encode(picture("GIF")).decode()
    value = f'<value mediaType="image/gif" representation="B64">{data}</value>'
    media = f'<entry><observationMedia ID="M1">{value}</observationMedia></entry>'
    blocks = told('<renderMultiMedia referencedObject="M1"><caption>Hånd</caption></renderMultiMedia>', media)
    assert isinstance(blocks[0], Picture) and blocks[1] == line("Hånd")
    assert told('<renderMultiMedia referencedObject="M2"/>') == (Note("note.picture-unshown"),)


def test_a_picture_that_a_document_shows_over_and_over_does_not_make_a_page_without_end() -> None:
    """The page holds a picture as often as it is shown, and its name has two letters."""
    data = base64.b64encode(picture("GIF")).decode()
    value = f'<value mediaType="image/gif" representation="B64">{data}</value>'
    inner = f'<observationMedia ID="M1">{value}</observationMedia>'
    regions = "".join(f'<regionOfInterest ID="R{place}">' for place in range(9))
    media = f"<entry>{regions}<entryRelationship>{inner}</entryRelationship>{'</regionOfInterest>' * 9}</entry>"
    for text in (
        f'<renderMultiMedia referencedObject="{"M1 " * 5_000}"/>',
        '<renderMultiMedia referencedObject="M1"/>' * 500,
        f'<renderMultiMedia referencedObject="{" ".join(f"R{place}" for place in range(9))}"/>' * 9,
    ):
        shown = [one for one in told(text, media) if isinstance(one, Picture)]
        assert 2 <= len(shown) <= 1 + REPEATS_LIMIT
    many = opened(cda(section(f'<renderMultiMedia referencedObject="{"x " * ELEMENTS_LIMIT}"/>')))
    assert Note("note.cut") in many.notes


ENTRY = """<entry><act moodCode="INT" negationInd="true">
<code code="5" codeSystem="1.2" displayName="Allergi"><originalText>allergi</originalText>
<translation code="Z88" codeSystem="3.4" displayName="Allergy"/></code>
<effectiveTime><low value="20260301"/><high nullFlavor="UNK"/></effectiveTime>
<entryRelationship typeCode="MFST"><observation><value xsi:type="PQ" value="4.5" unit="mmol/L"/>
<text><reference value="#a"/></text></observation></entryRelationship></act></entry>"""


def test_what_is_coded_is_folded_below_the_narrative_and_open_without_one() -> None:
    _, folded = told("a", ENTRY)
    assert isinstance(folded, Folded)
    assert [type(one) for one in told("", ENTRY)] == [Group]


def test_an_entry_says_what_turns_its_meaning_and_every_code() -> None:
    found = {one.path[-1]: one for one in rows(told("", ENTRY))}
    assert (found["cda.negationInd"].text, found["cda.moodCode"].text) == (Key("cda.true"), Key("mood.INT"))
    code = found["cda.code"]
    assert code.text == "allergi"
    assert [(one.code, one.display) for one in code.codes] == [("5", "Allergi"), ("Z88", "Allergy")]
    assert (found["cda.effectiveTime"].text, found["cda.effectiveTime"].is_time) == ("2026-03-01 – ", True)
    assert found["cda.value"].text == "4.5 mmol/L"
    assert found["cda.typeCode"].text == Key("relation.MFST")


@pytest.mark.parametrize("denied", ["true", "1", " true ", "TRUE"])
def test_what_is_denied_is_told_however_it_is_written(denied: str) -> None:
    entry = (
        '<entry><observation negationInd="{}"><code code="1" displayName="Penicillinallergi"/></observation></entry>'
    )
    found = {one.path[-1]: one.text for one in rows(told("", entry.format(denied)))}
    assert found["cda.negationInd"] == Key("cda.true")
    assert "cda.negationInd" not in {one.path[-1] for one in rows(told("", entry.format("false")))}
    (unclear,) = [one for one in rows(told("", entry.format("nei"))) if one.path[-1] == "cda.negationInd"]
    assert unclear.text == "nei"


@pytest.mark.parametrize(
    ("attribute", "where"),
    [
        ('sdtc:valueNegationInd="true" xmlns:sdtc="urn:hl7-org:sdtc"', "cda.valueNegationInd"),
        ('actionNegationInd="1"', "cda.actionNegationInd"),
        ('somethingInd="true"', "cda.somethingInd"),
        ('nullFlavor="NASK"', "cda.nullFlavor"),
        ('probability="0.1"', "cda.probability"),
    ],
)
def test_what_turns_a_statement_under_another_name_is_told_too(attribute: str, where: str) -> None:
    for entry in (
        f'<entry><observation {attribute}><code code="1" displayName="Penicillin"/></observation></entry>',
        f'<entry><observation><code code="1" displayName="Penicillin" {attribute}/></observation></entry>',
    ):
        assert str(told("", entry)).count(repr(where)) == 1
    for passed in ('somethingInd="false"', 'contextConductionInd="true"', 'probability=""'):
        entry = f'<entry><observation {passed}><code code="1" displayName="Penicillin"/></observation></entry>'
        assert not [one for one in rows(told("", entry)) if str(one.path[-1]).endswith(("Ind", "probability"))]


def test_a_relation_that_is_turned_round_is_told_the_other_way() -> None:
    def of(kind: str, inverted: str) -> list[tuple[str, str]]:
        entry = f"""<entry><act><code code="1"/><entryRelationship typeCode="{kind}" inversionInd="{inverted}"><observation>
<code code="2"/></observation></entryRelationship></act></entry>"""
        found = rows(told("", entry))
        return [(one.path[-1], one.text) for one in found if one.path[-1] in ("cda.typeCode", "cda.inversionInd")]

    assert of("CAUS", "false") == [("cda.typeCode", Key("relation.CAUS"))]
    assert of("CAUS", "1") == of("CAUS", "true") == [("cda.typeCode", Key("inverse.CAUS"))]
    assert of("COMP", "true") == [("cda.inversionInd", Key("cda.true"))]
    assert of("CAUS", "x") == [("cda.typeCode", Key("relation.CAUS")), ("cda.inversionInd", "x")]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ('<value value="5" unit="mg"><translation value="0.005" code="g" displayName="gram"/></value>', "0.005 gram"),
        ('<value xsi:type="MO" value="99" currency="NOK"/>', "99 NOK"),
        ('<value xsi:type="IVL_PQ"><low value="5" unit="mg" inclusive="false"/></value>', "> 5 mg –"),
        ('<value xsi:type="IVL_PQ"><high value="5" inclusive="false"/></value>', "– < 5"),
        ('<value><low value="5" inclusive="false"/><x a="b">c</x></value>', "> 5"),
        ('<effectiveTime operator="E" value="20260105"/>', Key("operator.E")),
        ('<effectiveTime operator="A"><period value="6" unit="h"/></effectiveTime>', Key("operator.A")),
        ('<effectiveTime institutionSpecified="true"><period value="8" unit="h"/></effectiveTime>', Key("cda.true")),
        ('<effectiveTime alignment="DW"><phase><low value="20260103"/></phase></effectiveTime>', "DW"),
        ('<effectiveTime alignment="DW"><phase><low value="20260103"/></phase></effectiveTime>', "2026-01-03 –"),
        ('<effectiveTime value="20260131" nullFlavor="UNK"/>', Key("null.UNK")),
        ('<value code="1"><qualifier inverted="true"><value code="L"/></qualifier></value>', Key("cda.true")),
    ],
)
def test_what_bounds_or_binds_a_value_is_told(value: str, says: str) -> None:
    blocks = told("", f"<entry><observation><code code='c'/>{value}</observation></entry>")
    found = list(rows(blocks))
    found += rows([block for one in found for block in one.blocks])
    assert says in [one.text.strip() if not isinstance(one.text, Key) else one.text for one in found]


def test_each_word_for_what_turns_a_meaning_is_there_in_each_language() -> None:
    keys = [f"inverse.{one}" for one in "CAUS MFST RSON GEVL SPRT SAS XCRPT SUBJ".split()]
    keys += [f"operator.{one}" for one in "AEHMP"]
    keys += [
        f"cda.{one}"
        for one in (
            "inversionInd uncertaintyInd inverted institutionSpecified operator alignment valueNegationInd actionNegationInd "
            "probability"
        ).split()
    ]
    assert all(said(language, one, "") for one in keys for language in LANGUAGES)


def body(content: str, attributes: str) -> View:
    return opened(cda(f"<nonXMLBody><text {attributes}>{content}</text></nonXMLBody>"))


@pytest.mark.parametrize(
    "attributes", ['mediaType="application/pdf" representation="B64"', 'mediaType="application/pdf"']
)
def test_a_pdf_is_the_body(attributes: str) -> None:
    view = body(base64.encodebytes(PDF).decode(), attributes)
    (shown,) = view.blocks
    assert isinstance(shown, Attached) and shown.framed
    assert view.files[shown.hash].data == PDF


def test_a_text_is_the_body_as_it_stands_or_as_base64() -> None:
    assert body("a\n b", 'mediaType="text/plain"').blocks == (Paragraph((Span("a\n b"),), typed=True),)
    coded = base64.b64encode("blå".encode()).decode()
    assert body(coded, 'mediaType="text/plain" representation="B64"').blocks == (Paragraph((Span("blå"),), typed=True),)


def test_a_file_that_is_none_is_told_of_and_handed_over_where_it_can_be() -> None:
    assert body("%%%", 'representation="B64"').blocks == (Note("broken.base64"),)
    view = body(base64.b64encode(b"%PDF-1.7 half").decode(), 'mediaType="application/pdf"')
    note, kept = view.blocks
    assert note == Note("broken.pdf") and isinstance(kept, Attached) and not kept.framed
    assert view.files[kept.hash].type == kinds.UNKNOWN
    (note, _) = body(base64.b64encode(PDF).decode(), 'mediaType="image/png" representation="B64"').blocks
    assert isinstance(note, Note) and note.key == "note.other-kind"


def test_what_lies_elsewhere_is_not_fetched() -> None:
    view = body('<reference value="http://elsewhere.example/a"/>', 'mediaType="application/pdf"')
    assert view.blocks == (Note("note.elsewhere", (("address", "http://elsewhere.example/a"),)),)


def test_a_document_without_a_body_or_a_part_without_content_says_so() -> None:
    assert opened(cda("")).blocks == (Note("note.no-body"),)
    assert told("") == (Note("note.empty-section"),)


def test_no_more_is_shown_than_a_page_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kjerne.reading.room.ELEMENTS_LIMIT", 50)
    assert opened(cda(section("<br/>a" * 100))).notes == (Note("note.cut"),)


@pytest.mark.parametrize(
    "raw",
    [
        b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><ClinicalDocument xmlns="urn:hl7-org:v3">&d;</ClinicalDocument>',
        cda(section("<content>" * 300 + "</content>" * 300)),
        cda(section("a"))[:-20],
        b"<?xml version='1.0' encoding='ascii'?><a>\xe5</a>",
    ],
)
def test_xml_that_may_not_pass_is_refused_with_where(raw: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        opened(raw)
    assert (refused.value.status, refused.value.where) == (422, "document_unread")


def test_xml_of_another_kind_is_told_apart() -> None:
    with pytest.raises(Refusal) as refused:
        opened(b"<html xmlns='http://www.w3.org/1999/xhtml'/>")
    assert refused.value.where == "document_other"


TAGS = (
    "content br table tr td thead list item paragraph caption footnote footnoteRef renderMultiMedia sub linkHtml entry "
    "act observation effectiveTime low value code text originalText component section title entryRelationship id name"
)
ATTRIBUTES = (
    "", 'value="1"', 'code="a"', 'colspan="0"', 'IDREF="x" ID="x"', 'nullFlavor="NI"',
    'extension="1" root="2"',
)  # fmt: skip
TREES = st.recursive(
    st.sampled_from(["", "tekst", " "]),
    lambda inner: st.builds(
        lambda tag, more, within: f"<{tag} {more}>{''.join(within)}</{tag}>etter",
        st.sampled_from(TAGS.split()), st.sampled_from(ATTRIBUTES), st.lists(inner, max_size=4),
    ),
    max_leaves=25,
)  # fmt: skip


@given(TREES, TREES)
def test_any_elements_anywhere_are_shown_and_no_text_of_them_is_lost(narrative: str, entries: str) -> None:
    view = opened(cda(section(narrative, f"<entry>{entries}</entry>"), f"<dataEnterer>{entries}</dataEnterer>"))
    page = " ".join([*said_in(view.blocks), *said_in(view.rest)])
    for text in ("tekst", "etter"):
        assert page.count(text) >= f"{narrative}{entries}{entries}".replace(">etter", "> etter").count(text)
