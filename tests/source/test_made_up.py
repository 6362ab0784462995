"""A source takes documents of people who are made up alone, or none of them (law, K200)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from documents_at_hand import PATIENT, code
from kjerne.registries.made_up import MadeUp
from kjerne.xds.errors import RegistryError
from kjerne.xds.forms import CX
from kjerne.xds.messages import Submission
from source.test_mhd import bundle, send
from sources import TEXT, one, standing

REAL = CX("30108299920", "2.16.578.1.12.4.1.4.1")
"""From the tax administration's published examples."""
TEST = code("2.16.840.1.113883.5.8", "HTEST", "test health data")
PRODUCTION = MadeUp(alone=False)


def of(patient: CX, **changes: object) -> Submission:
    sent = one(**changes)  # type: ignore[arg-type]
    entries = tuple(replace(each, patient=patient, source_patient=None) for each in sent.entries)
    return replace(sent, sent=replace(sent.sent, patient=patient), entries=entries)


async def test_a_source_of_production_refuses_a_made_up_number_and_the_label_and_tells_where(
    addresses: tuple[str, str], tmp_path: Path
) -> None:
    async with standing(*addresses, tmp_path, made_up=PRODUCTION) as source:
        for sent, at in ((one(), "patientId"), (of(REAL, events=(TEST,)), "eventCodeList")):
            (error,) = (await source.provide(sent, TEXT)).errors
            assert isinstance(error, RegistryError)
            assert ("production takes none" in error.says, at in error.where) == (True, True)
            assert sent.sent.patient.number not in f"{error}"
        assert source.kept() == []
        assert not (await source.provide(of(REAL), TEXT)).errors


@pytest.mark.parametrize("marked", ["", "Bundle", "Patient", "List", "DocumentReference"])
@pytest.mark.parametrize("place", ["security", "tag"])
async def test_a_bundle_about_somebody_made_up_is_refused_too(
    addresses: tuple[str, str], tmp_path: Path, marked: str, place: str
) -> None:
    tree = json.loads(bundle())
    label = {place: [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]}
    for resource in [tree, *(entry["resource"] for entry in tree["entry"])]:
        if resource["resourceType"] == marked:
            resource["meta"] = resource.get("meta", {}) | label
    raw = json.dumps(tree).encode()
    if marked:
        raw = raw.replace(PATIENT.number.encode(), REAL.number.encode())
    async with standing(*addresses, tmp_path, made_up=PRODUCTION) as source:
        status, told = await send(source, raw)
        assert status == 422
        assert "production takes none" in str(told)
        assert not marked or f"{marked}.meta.{place}" in str(told)
        assert source.kept() == []


async def test_a_source_of_tests_takes_nobody_else(addresses: tuple[str, str], tmp_path: Path) -> None:
    async with standing(*addresses, tmp_path) as source:
        (error,) = (await source.provide(of(REAL), TEXT)).errors
        assert (error.code, "synthetic" in error.says) == ("XDSUnknownPatientId", True)
