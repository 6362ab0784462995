"""Whom a document names as its patient is found in whatever form and however it is wrapped."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from kjerne.errors import Refusal
from kjerne.reading.people import DEPTH_LIMIT, named
from kjerne.wire import xml

OTHER, PERSON = "15887099829", "2.16.578.1.12.4.1.4.1"


def cda(number: str = OTHER, root: str = PERSON, body: str = "") -> str:
    return (
        f'<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="{root}" extension="{number}"/>'
        f"</patientRole></recordTarget><component>{body}</component></ClinicalDocument>"
    )


FORMS = (
    cda(),
    cda(root=f"urn:oid:{PERSON}"),
    cda("158870 99829"),
    f'<m><Patient><Ident><Id>{OTHER}</Id><TypeId V="FNR"/></Ident></Patient></m>',
    f'<m xmlns="http://www.kith.no/x"><Patient><OffId>{OTHER}</OffId><TypeOffId V="DNR"/></Patient></m>',
    f"<m><Patient><OffId>{OTHER}</OffId></Patient></m>",
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
        f"<m><p>{OTHER}</p><q>{b64('Om ' + OTHER)}</q><r>{b64('<broken>')}</r><s>&lt;5 mg</s></m>",
    ):
        assert named(xml.parse(raw.encode()), xml.parse) == ()


def test_wrapping_without_end_is_not_followed() -> None:
    raw = cda()
    for _ in range(DEPTH_LIMIT + 1):
        raw = f"<a>{b64(raw)}</a>"
    assert named(xml.parse(raw.encode()), xml.parse) == ()


def test_a_document_about_too_many_is_refused() -> None:
    several = "".join(f"<Patient><OffId>{15887000000 + n}</OffId></Patient>" for n in range(30))
    with pytest.raises(Refusal):
        named(xml.parse(f"<m>{several}</m>".encode()), xml.parse)
