"""Files of reports: which reports show one, what it was before, and opening it under the report's law with one audit row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.exchange import Stale
from kjerne.fhir import smart
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.store import files
from kjerne.store.files import BINARY, CURRENT, REPORT
from kjerne.store.reading import Reader
from kjerne.store.records import Change

from .conftest import NOW, Desk
from .test_finding import last_audit


async def put(
    desk: Desk, patient: int, id_: UUID, *, minute: int = 0, label: Label = NO_LABEL, data: str = "", url: str = "",
    corrects: bool = False,
) -> None:  # fmt: skip
    """A Binary that holds something, or a report that shows a file."""
    report = {"resourceType": "DiagnosticReport", "presentedForm": [{"url": url}]}
    raw = encode({"resourceType": "Binary", "contentType": "text/plain", "data": data} if data else report)
    change = Change(BINARY if data else REPORT, id_, raw, index(decode(raw)), labels=label, corrects=corrects)
    grant = await desk.grant(patient, "file", at=NOW + timedelta(minutes=minute))
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.put(conn, grant, [change])


class Case:
    """A report whose file was replaced a minute after it came."""

    def __init__(self, desk: Desk, patient: int) -> None:
        self.desk, self.patient = desk, patient
        self.reader = Reader(desk.store.wrap, desk.store.dictionaries)
        self.report, self.file = desk.store.ids.make(patient), desk.store.ids.make(patient)

    async def made(self, label: Label = NO_LABEL) -> Case:
        await put(self.desk, self.patient, self.file, data="ZW4=", label=label)
        await put(self.desk, self.patient, self.report, url=f"Binary/{self.file}")
        await put(self.desk, self.patient, self.file, minute=1, data="dG8=", corrects=True)
        return self

    async def opened(self, version: int, *, former: bool = True, **more: object) -> tuple[list[int], str]:
        """The report's versions and what the file held."""
        grant = await self.desk.grant(self.patient, "read", **more)  # type: ignore[arg-type]
        async with self.desk.store.pool.acquire() as conn:
            reports, file = await files.opened(conn, grant, self.reader, self.report, self.file, version, former=former)
        return [one.version for one in reports], str(decode(file.raw)["data"]) if file else ""

    async def replaced(self, grant: Grant) -> list[files.Replaced]:
        async with self.desk.store.pool.acquire() as conn:
            return await files.replaced(conn, grant, self.reader)


@pytest.fixture
async def case(desk: Desk) -> Case:
    return Case(desk, await desk.person())


async def test_a_file_is_opened_as_it_is_and_as_it_was_each_named_in_the_log(desk: Desk, case: Case) -> None:
    await case.made()
    for version, held, named in ((CURRENT, "dG8=", 2), (2, "dG8=", 2), (1, "ZW4=", 1), (3, "", 0)):
        assert await case.opened(version) == ([1], held)
        assert set(await last_audit(desk, case.patient)) == {str(case.report), *([str(case.file)] if held else [])}
        newest = "SELECT versions FROM audit WHERE patient = $1 ORDER BY xid DESC LIMIT 1"
        versions = await desk.store.pool.fetchval(newest, case.patient)
        assert sorted(versions) == sorted([1, *([named] if named else [])])


async def test_nothing_of_a_file_is_opened_through_a_report_that_is_shut(desk: Desk, case: Case) -> None:
    await case.made()
    await desk.store.pool.execute("UPDATE record SET labels = $2 WHERE id = $1", case.report, int(Label.WITHDRAWN))
    assert await case.opened(1) == ([], "")
    assert await last_audit(desk, case.patient) == []


async def test_what_a_file_was_is_told_with_the_time_to_whom_it_is_open_now_and_was_then(
    desk: Desk, case: Case
) -> None:
    await case.made(label=Label.WITHHELD_FROM_CITIZEN)
    doctor, citizen = await desk.grant(case.patient), await desk.grant(case.patient, hides=Label.WITHHELD_FROM_CITIZEN)
    assert await case.replaced(doctor) == [(str(case.file), 1, NOW + timedelta(minutes=1), False)]
    assert await case.replaced(citizen) == []
    assert await case.opened(1, hides=Label.WITHHELD_FROM_CITIZEN) == ([1], "")
    await desk.store.pool.execute("UPDATE record SET labels = $2 WHERE id = $1", case.file, int(Label.WITHDRAWN))
    assert await case.replaced(doctor) == []


async def test_a_token_that_leaves_reports_alone_opens_no_file(desk: Desk, case: Case) -> None:
    await case.made()
    grant = await desk.grant(case.patient)
    caller = replace(grant.caller, limits=smart.limits(["user/DiagnosticReport.rs"], "practitioner"))
    assert await case.replaced(replace(grant, caller=caller)) == []
    assert await case.opened(1, caller=caller) == ([1], "")


async def test_the_reports_that_show_a_file_are_found_whatever_is_hidden_of_them(desk: Desk, case: Case) -> None:
    await case.made()
    whole, pinned, other = (desk.store.ids.make(case.patient) for _ in range(3))
    await put(desk, case.patient, whole, url=f"https://here.test/fhir/R4/Binary/{case.file}", label=Label.RESTRICTED)
    await put(desk, case.patient, pinned, url=f"Binary/{case.file}/_history/1")
    await put(desk, case.patient, other, url=f"Binary/{whole}")
    async with desk.store.pool.acquire() as conn:
        found = await files.showing(conn, await desk.grant(case.patient, "file"), case.reader, case.file)
    assert {id_ for _, id_, _ in found} == {case.report, whole}


async def test_a_fact_that_changed_asks_the_law_again(desk: Desk, case: Case) -> None:
    await case.made()
    grant = await desk.grant(case.patient)
    await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", case.patient)
    async with desk.store.pool.acquire() as conn:
        with pytest.raises(Stale):
            await files.opened(conn, grant, case.reader, case.report, case.file, 1, former=True)
