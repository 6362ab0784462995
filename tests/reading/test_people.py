"""Whom a document names as its patient is found in whatever form and however it is wrapped."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.reading import opening, people
from kjerne.reading.people import DEPTH_LIMIT, INNER_LIMIT, named
from kjerne.wire import xml

OTHER, PERSON = "17855599120", "2.16.578.1.12.4.1.4.1"


def cda(number: str = OTHER, root: str = PERSON, body: str = "") -> str:
    return (
        f'<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="{root}" extension="{number}"/>'
        f"</patientRole></recordTarget><component>{body}</component></ClinicalDocument>"
    )


FORMS = (
    cda(),
    cda(root=f"urn:oid:{PERSON}"),
    cda("178555 99120"),
    f'<m><Patient><Ident><Id>{OTHER}</Id><TypeId V="FNR"/></Ident></Patient></m>',
    f'<m xmlns="http://www.kith.no/x"><Patient><OffId>{OTHER}</OffId><TypeOffId V="DNR"/></Patient></m>',
    f"<m><Patient><OffId>{OTHER}</OffId></Patient></m>",
    f'<m><Patient><OffId>{OTHER}</OffId><TypeOffId V="fnr"/></Patient></m>',
    f'<m><Patient><Ident><Id>{OTHER}</Id><TypeId V="annet"/></Ident></Patient></m>',
    (
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="1.2.3" extension="7"/><patient>'
        f'<id root="{PERSON}" extension="{OTHER}"/></patient></patientRole></recordTarget></ClinicalDocument>'
    ),
    (
        f'<Patient xmlns="http://hl7.org/fhir"><identifier><system value="urn:oid:{PERSON}"/>'
        f'<value value="{OTHER}"/></identifier></Patient>'
    ),
)


def b64(text: str) -> str:
    return base64.encodebytes(text.encode()).decode()


WRAPPED: tuple[Callable[[str], str], ...] = (
    lambda one: one,
    lambda one: f"<x>{one}</x>",
    lambda one: f"<MsgHead><Document><Content>{one}</Content></Document></MsgHead>",
    lambda one: f'<a><text mediaType="text/xml" representation="B64">\n{b64(one)}</text></a>',
    lambda one: f"<a><b><!-- c -->{b64(one)}</b></a>",
    lambda one: f"<a><![CDATA[ {one}]]></a>",
    lambda one: f"<a><b>{b64(f'<c><d>{b64(one)}</d></c>')}</b></a>",
    lambda one: f'<a><text representation="B64">{b64(one)}<reference value="#a"/></text></a>',
    lambda one: f'<a><text representation="B64">{b64(one)[:40]}<thumbnail/>{b64(one)[40:]}</text></a>',
    lambda one: f"<a><x><Patient><b>{b64(one)}</b></Patient><c/></x></a>",
    lambda one: f"<a><b>{b64(' ' * 3_500 + one)}</b></a>",
    lambda one: f"<a><b>{' ' * 3_000}{b64(chr(10) * 340 + one)}</b></a>",
    lambda one: "<a><b>" + b64("<x>" + one + "<y/>" * 2_000 + "</x>") + "</b></a>",
    lambda one: f"<a><b>{base64.b64encode(one.encode('utf-16')).decode()}</b></a>",
    lambda one: cda("", body=f"<nonXMLBody><text representation='B64'>{b64(one)}</text></nonXMLBody>"),
)


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("form", FORMS)
def test_whom_it_is_about_is_found_however_it_is_said_and_wrapped(form: str, wrapped: Callable[[str], str]) -> None:
    assert named(xml.parse(wrapped(form).encode()), xml.parse) == (OTHER,)


def test_numbers_of_others_than_the_patient_name_nobody() -> None:
    for raw in (
        f'<ClinicalDocument xmlns="urn:hl7-org:v3"><author><id root="{PERSON}" extension="{OTHER}"/></author></ClinicalDocument>',
        f'<m><HealthcareProfessional><Ident><Id>{OTHER}</Id><TypeId V="FNR"/></Ident></HealthcareProfessional></m>',
        f'<m><Patient><Ident><Id>{OTHER}</Id><TypeId V="HPR"/></Ident></Patient></m>',
        '<m><Patient><OffId>15887099820</OffId><TypeOffId V="annet"/></Patient></m>',
        (
            '<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><patient><guardian>'
            f'<id root="{PERSON}" extension="{OTHER}"/></guardian></patient></patientRole></recordTarget></ClinicalDocument>'
        ),
        f"<m><p>{OTHER}</p><q>{b64('Om ' + OTHER)}</q><r>{b64('<broken>')}</r><s>&lt;5 mg</s></m>",
    ):
        assert named(xml.parse(raw.encode()), xml.parse) == ()


def test_wrapping_without_end_is_not_followed() -> None:
    raw = cda()
    for _ in range(DEPTH_LIMIT + 1):
        raw = f"<a>{b64(raw)}</a>"
    assert named(xml.parse(raw.encode()), xml.parse) == ()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_the_reader_shows_of_a_document_within_another_is_asked_whom_it_is_about(data: st.DataObject) -> None:
    """However base64 is parted, indented and filled up: where a page has the other's number, she is named."""
    blanks = st.text(" \t\r\n", max_size=900)
    raw = (data.draw(blanks) + cda() + data.draw(blanks)).encode(
        data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    )
    text = base64.b64encode(raw).decode()
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        part = data.draw(st.sampled_from(["<reference value='#a'/>", "<thumbnail/>", "\n", "<x>\n</x>", "<!-- c -->"]))
        text = (
            text
            if "<" in text[at:][:1] or text[:at].count("<") != text[:at].count(">")
            else text[:at] + part + text[at:]
        )
    outer = cda(
        "06866600005", body=f"<nonXMLBody><text mediaType='text/xml' representation='B64'>{text}</text></nonXMLBody>"
    )
    view = opening.read(outer.encode(), xml.parse, "text/xml")
    assert OTHER in view.numbers or OTHER not in str(view.blocks)


def test_a_document_with_more_within_it_than_is_looked_through_is_refused() -> None:
    for raw in (f"<r>{'<p>PGEvPg==</p>' * (INNER_LIMIT + 1)}</r>", f"<r>{'<p>&lt;a/></p>' * (INNER_LIMIT + 1)}</r>"):
        with pytest.raises(Refusal, match="More lies within"):
            named(xml.parse(raw.encode()), xml.parse)
    assert named(xml.parse(f"<r>{'<p>PGEvPg==</p>' * INNER_LIMIT}</r>".encode()), xml.parse) == ()


def test_wrappers_that_each_make_one_more_document_are_not_followed_without_end() -> None:
    raw = b64("<a>" + " " * 3_002 + "</a>")
    for _ in range(5):
        raw = f"<w>{raw}<v>PGEv</v></w>"
    with pytest.raises(Refusal, match="More lies within"):
        people._Search(xml.parse, left_bytes=10_000).named(xml.parse(raw.encode()), 1).__next__()


def test_a_document_about_too_many_is_refused() -> None:
    several = "".join(f"<Patient><OffId>{15887000000 + n}</OffId></Patient>" for n in range(30))
    with pytest.raises(Refusal):
        named(xml.parse(f"<m>{several}</m>".encode()), xml.parse)
