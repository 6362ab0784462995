"""Documents about somebody else than their metadata say are neither taken nor given, however they are wrapped or called."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from documents_at_hand import PATIENT, entry
from kjerne.source import house
from kjerne.xds import names
from kjerne.xds.forms import CX
from sources import TEXT, Standing, codes, one, wanted

OTHER = "15887099829"


def cda(number: str, within: bytes = b"") -> bytes:
    body = (
        f'<text representation="B64" mediaType="text/xml">{base64.b64encode(within).decode()}</text>' if within else ""
    )
    return (
        f'<ClinicalDocument xmlns="urn:hl7-org:v3"><recordTarget><patientRole><id root="urn:oid:{PATIENT.authority}" '
        f'extension="{number}"/></patientRole></recordTarget><component><nonXMLBody>{body}</nonXMLBody></component>'
        "</ClinicalDocument>"
    ).encode()


KITH = (
    f'<m xmlns="http://www.kith.no/x"><Patient><Ident><Id>{OTHER}</Id><TypeId V="FNR"/></Ident></Patient></m>'.encode()
)


@pytest.mark.parametrize("kind", ["text/xml", "application/xml", "text/plain"])
async def test_a_document_about_another_is_refused_whatever_it_is_called(source: Standing, kind: str) -> None:
    for raw in (
        cda(OTHER),
        KITH,
        b"\xef\xbb\xbf " + cda(OTHER),
        cda(PATIENT.number, KITH),
        b"<x>" + cda(OTHER) + b"</x>",
        b"<x>" + cda(OTHER) + b"<y>ord</y>" * 500 + b"</x>",
        cda(PATIENT.number, b" " * 350 + KITH),
        cda(PATIENT.number, cda(OTHER)).replace(b"</text>", b'<reference value="#a"/></text>'),
    ):
        assert codes(await source.provide(one(mime_type=kind), raw)) == ["XDSPatientIdDoesNotMatch"]
    assert source.kept() == []
    assert codes(await source.provide(one(mime_type=kind), cda(PATIENT.number, cda(PATIENT.number)))) == []


@pytest.mark.parametrize("kind", ["text/xml", "text/plain"])
async def test_xml_that_is_too_large_to_be_looked_through_is_refused_whatever_it_is_called(
    source: Standing, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    raw = cda(OTHER) + b" " * 2_000
    monkeypatch.setattr(house.media, "LIMIT_BYTES", 2_000)
    answer = await source.provide(one(mime_type=kind), raw)
    assert (codes(answer), "2000 bytes" in answer.errors[0].says) == (["XDSRepositoryMetadataError"], True)
    assert codes(await source.provide(one(), TEXT * 200)) == []


async def test_a_text_that_is_xml_behind_many_blanks_is_asked_too(source: Standing) -> None:
    assert codes(await source.provide(one(), b"\n" * 2_000 + KITH)) == ["XDSPatientIdDoesNotMatch"]


async def test_a_text_that_begins_like_xml_is_a_text(source: Standing) -> None:
    assert codes(await source.provide(one(), b"<Hb 8,2> og stabil")) == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"source_patient": CX(OTHER, PATIENT.authority)}, "sourcePatientId"),
        ({"source_patient": CX(OTHER, "2.16.578.1.12.4.1.4.2")}, "sourcePatientId"),
        ({"source_patient_info": (f"PID-3|7^^^&1.2.3&ISO~{OTHER}^^^&{PATIENT.authority}&ISO",)}, "sourcePatientInfo"),
        ({"source_patient_info": (f"PID-3|{OTHER}^^^&urn:oid:{PATIENT.authority}&ISO^PI",)}, "sourcePatientInfo"),
        ({"source_patient": CX("7", "1.2.3"), "source_patient_info": ("PID-3|7^^^&1.2.3&ISO", "PID-5|V^G")}, ""),
        ({"source_patient_info": (f"PID-3|{PATIENT.number}^^^&{PATIENT.authority}&ISO~7",)}, ""),
    ],
)
async def test_metadata_that_name_another_beside_the_patient_are_refused(
    source: Standing, changes: dict[str, Any], where: str
) -> None:
    response = await source.provide(one(**changes), TEXT)
    expected = [("XDSPatientIdDoesNotMatch", f"{entry().id} {where}")] if where else []
    assert [(each.code, each.where) for each in response.errors] == expected
    assert OTHER not in str(response)


async def test_a_document_about_another_that_was_taken_before_is_not_given(
    source: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(house.media, "hold_patient", lambda *_: None)
        await source.provide(one(1, mime_type="text/xml"), KITH)
    await source.provide(one(2), TEXT)
    got, given = await source.get(wanted(entry(1).unique_id), wanted(entry(2).unique_id))
    assert (got.status, codes(got), given) == (names.PARTIAL, ["XDSPatientIdDoesNotMatch"], [TEXT])
    shut = (await source.log())[-1]
    assert (shut["allowed"], shut["documents"]) == (False, [entry(1).unique_id])
    assert replace(PATIENT, number=OTHER).number not in str(got)
