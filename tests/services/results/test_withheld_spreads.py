"""What a source withholds with a report is withheld of its results and its files too, whichever door it came in by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kjerne.access import Label

from .conftest import LAB, NOW, Ward, fresh_number
from .test_withheld import DOORS, Record, resource

SHUT = [("NORN_ALL", "", (0, 1)), ("NORS", "", (1, 0)), ("", "MGEN", (0, 1))]
FILE = {"resourceType": "Binary", "contentType": "text/plain", "data": "cHLDuHZl"}


@pytest.fixture
async def record(ward: Ward) -> Record:
    number = fresh_number()
    await ward.person(number)
    return Record(ward, number)


def report(code: str, discipline: str, *results: str, **more: Any) -> dict[str, Any]:
    marks = [code] if code else []
    named = [{"reference": f"Observation/{one}"} for one in results]
    more |= {"result": named} if named else {}
    return resource("DiagnosticReport", *marks, discipline=discipline, issued=NOW.isoformat(), **more)


async def seen(record: Record, type_: str) -> tuple[int, int]:
    """How many the citizen sees, and how many her doctor."""
    return await record.seen(type_), await record.seen_by_doctor(type_)


@pytest.mark.parametrize("address", ["Binary/{}", "Binary/{}/_history/1", "http://kjerne.example/fhir/R4/Binary/{}"])
async def test_a_file_is_shut_however_it_is_addressed(record: Record, address: str) -> None:
    file = await record.file(FILE)
    await record.file(report("NORN_ALL", "", presentedForm=[{"url": address.format(file)}]))
    assert await seen(record, "Binary") == (0, 1)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("code", "discipline", "shut"), SHUT)
async def test_pictures_and_their_files_are_shut_with_the_report_that_names_them(
    record: Record, door: str, code: str, discipline: str, shut: tuple[int, int]
) -> None:
    file = await record.file(FILE)
    picture = {"resourceType": "Media", "status": "completed", "content": {"url": f"Binary/{file}"}}
    study = {"resourceType": "ImagingStudy", "status": "available", "subject": {"display": "Prøve"}}
    named = {
        "imagingStudy": [{"reference": f"ImagingStudy/{await record.file(study)}"}],
        "media": [{"comment": "Frontalt", "link": {"reference": f"Media/{await record.file(picture)}"}}],
    }
    another = await record.file(study)
    assert [await seen(record, one) for one in ("ImagingStudy", "Media", "Binary")] == [(2, 2), (1, 1), (1, 1)]
    await record.file(report(code, discipline, **named), door)
    assert [await seen(record, one) for one in ("Media", "Binary")] == [shut, shut]
    assert await seen(record, "ImagingStudy") == (1 + shut[0], 1 + shut[1])
    await record.file(report(code, discipline, imagingStudy=[{"reference": f"ImagingStudy/{another}"}]), door)
    assert await seen(record, "ImagingStudy") == (2 * shut[0], 2 * shut[1])


async def test_a_study_of_slides_waits_as_its_report_does_and_one_of_x_rays_does_not(record: Record) -> None:
    dicom = "http://dicom.nema.org/resources/ontology/DCM"
    study = {
        "resourceType": "ImagingStudy",
        "status": "available",
        "subject": {"display": "P"},
        "started": NOW.isoformat(),
    }
    series = {"uid": "1.2.3", "modality": {"system": dicom, "code": "SM"}}
    await record.file(study | {"modality": [{"system": dicom, "code": "DX"}]})
    assert await seen(record, "ImagingStudy") == (1, 1)
    await record.file(study | {"series": [series]})
    assert await seen(record, "ImagingStudy") == (1, 2)


async def test_a_specimen_that_other_results_share_stays_open(record: Record) -> None:
    specimen = await record.file({"resourceType": "Specimen", "status": "available"})
    result = await record.file(resource("Observation", specimen={"reference": f"Specimen/{specimen}"}))
    await record.file(report("NORN_ALL", "", result))
    assert (await seen(record, "Specimen"), await seen(record, "Observation")) == ((1, 1), (0, 1))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("code", "discipline", "shut"), SHUT)
async def test_results_and_files_are_shut_with_the_report_that_names_them(
    record: Record, door: str, code: str, discipline: str, shut: tuple[int, int]
) -> None:
    member = await record.file(resource("Observation"))
    group = await record.file(resource("Observation", hasMember=[{"reference": f"Observation/{member}"}]))
    file = await record.file(FILE)
    await record.file(report(code, discipline, group, presentedForm=[{"url": f"Binary/{file}"}]), door)
    assert await seen(record, "DiagnosticReport") == shut
    assert await seen(record, "Observation") == (2 * shut[0], 2 * shut[1])
    assert await seen(record, "Binary") == shut


@pytest.mark.parametrize(("code", "discipline", "shut"), SHUT)
async def test_an_update_of_the_report_shuts_what_it_names_from_then_on(
    record: Record, code: str, discipline: str, shut: tuple[int, int]
) -> None:
    result = await record.file(resource("Observation"))
    id_ = await record.file(report(code, discipline))
    assert await seen(record, "Observation") == (1, 1)
    assert await record.change(id_, report(code, discipline, result), 1) == 200
    assert await seen(record, "Observation") == shut
    assert await record.change(result, resource("Observation", valueInteger=7), 1) == 200
    assert await seen(record, "Observation") == shut


async def test_a_member_that_a_group_of_a_withheld_report_gets_later_is_shut_too(record: Record) -> None:
    group = await record.file(resource("Observation"))
    await record.file(report("NORN_ALL", "", group))
    member = await record.file(resource("Observation"))
    assert await seen(record, "Observation") == (1, 2)
    assert await record.change(group, resource("Observation", hasMember=[{"reference": f"Observation/{member}"}]), 1)
    assert await seen(record, "Observation") == (0, 2)


async def test_what_a_result_says_of_itself_is_never_less(record: Record) -> None:
    result = await record.file(resource("Observation", "NORN_FORANS", discipline="MGEN", issued=NOW.isoformat()))
    await record.file(report("NORS", "", result))
    assert Label.RESTRICTED | Label.WITHHELD_FROM_PARENTS in await record.labels()
    assert await seen(record, "Observation") == (0, 0)


async def test_nobody_withholds_what_another_source_filed(record: Record) -> None:
    result = await record.file(resource("Observation"))
    another = replace(LAB, client="other-lab", organisation="100000999")
    await record.call("POST", "/fhir/R4/{type}", report("NORN_ALL", "", result), by=another)
    assert await seen(record, "Observation") == (1, 1)


async def test_an_open_report_beside_a_withheld_one_opens_nothing(record: Record) -> None:
    result = await record.file(resource("Observation"))
    await record.file(report("NORN_ALL", "", result))
    await record.file(report("", "", result))
    assert await seen(record, "Observation") == (0, 1)
