"""Writing and reading one record: bytes in, bytes out, versions, withheld rows, and the audit row that names what left."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import NO_LABEL, Choice, Grant, Label, part_label
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir.dates import EARLIEST, LATEST
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store.house import Store
from kjerne.store.reading import Reader, Record, Span
from kjerne.store.records import Change, Written

from .conftest import NOW, Desk

OBSERVATION = type_number("Observation")


def potassium(value: str, extra: str = "") -> bytes:
    return (
        '{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:oid:2.16.578.1.12.4.1.1.7280",'
        f'"code":"NPU03230"}}]}},"effectiveDateTime":"2026-11-20T08:00:00+01:00","valueQuantity":{{"value":{value}}}{extra}}}'
    ).encode()


def change(store: Store, patient: int, raw: bytes, id_: UUID | None = None, **more: Any) -> Change:
    return Change(OBSERVATION, id_ or store.ids.make(patient), raw, index(decode(raw)), **more)


async def create(desk: Desk, patient: int, raw: bytes, **more: Any) -> Written:
    async with desk.store.pool.acquire() as conn:
        grant = await desk.grant(patient, "file")
        return await desk.store.records.create(conn, grant, change(desk.store, patient, raw, **more))


async def read(desk: Desk, grant: Grant, id_: UUID) -> Record | None:
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    async with desk.store.pool.acquire() as conn:
        return await reader.read(conn, grant, OBSERVATION, id_)


async def audit_of(desk: Desk, patient: int) -> list[Any]:
    return await desk.store.pool.fetch("SELECT * FROM audit WHERE patient = $1 ORDER BY xid", patient)


async def test_the_bytes_that_went_in_come_out_with_id_and_version(desk: Desk) -> None:
    patient = await desk.person()
    raw = potassium("4.10")
    written = await create(desk, patient, raw)
    record = await read(desk, await desk.grant(patient), written.id)
    assert record is not None
    assert record.raw == raw
    assert b'"value":4.10' in record.served
    assert decode(record.served)["id"] == str(written.id)
    assert decode(record.served)["meta"]["versionId"] == "1"


async def test_every_read_has_one_audit_row_that_names_exactly_what_left(desk: Desk) -> None:
    patient = await desk.person()
    written = await create(desk, patient, potassium("4.1"))
    await read(desk, await desk.grant(patient), written.id)
    await read(desk, await desk.grant(patient), desk.store.ids.make(patient))
    rows = await audit_of(desk, patient)
    assert [(row["action"], row["ids"], row["versions"]) for row in rows] == [
        ("file", [written.id], [1]),
        ("read", [written.id], [1]),
        ("read", [], []),
    ]
    assert rows[1]["caller_hpr"] == "9144889"
    assert rows[1]["law"] == "pjl § 19"


async def test_of_many_the_newest_of_each_type_are_read_and_named_in_the_log_and_all_are_counted(desk: Desk) -> None:
    patient, specimen = await desk.person(), type_number("Specimen")
    first, newest, second = [
        (await create(desk, patient, potassium("4.1").replace(b"2026-11-20", day))).id
        for day in (b"2026-11-19", b"2026-11-21", b"2026-11-20")
    ]
    await create(desk, patient, potassium("4.1"), labels=Label.RESTRICTED)
    raw = b'{"resourceType":"Specimen"}'
    async with desk.store.pool.acquire() as conn:
        sampled = Change(specimen, desk.store.ids.make(patient), raw, index(decode(raw)))
        sample = await desk.store.records.create(conn, await desk.grant(patient, "file"), sampled)
        grant = await desk.grant(patient, "search", hides=Label.WITHDRAWN | Label.RESTRICTED)
        reader = Reader(desk.store.wrap, desk.store.dictionaries)
        found = await reader.current_of(conn, grant, [OBSERVATION, specimen], 2)
        counted = await reader.counted(conn, grant, [OBSERVATION, specimen])
    assert {one.id for one in found} == {newest, second, sample.id}
    assert first not in {one.id for one in found}
    assert counted == {OBSERVATION: 3, specimen: 1}
    assert set((await audit_of(desk, patient))[-1]["ids"]) == {one.id for one in found}


async def test_a_body_on_disk_shows_nothing(desk: Desk) -> None:
    patient = await desk.person()
    written = await create(desk, patient, potassium("4.1"))
    row = await desk.store.pool.fetchrow('SELECT tokens, "values", body FROM record WHERE id = $1', written.id)
    assert row is not None
    assert row["values"] is None
    assert b"4.1" not in row["tokens"] + row["body"]
    assert b"NPU03230" not in row["tokens"] + row["body"]


@pytest.mark.parametrize("label", [Label.RESTRICTED, Label.WITHDRAWN, Label.WITHHELD_FROM_CITIZEN])
async def test_a_withheld_record_is_as_absent_to_whom_it_is_withheld_from(desk: Desk, label: Label) -> None:
    patient = await desk.person()
    written = await create(desk, patient, potassium("4.1"), labels=label)
    assert await read(desk, await desk.grant(patient, hides=label), written.id) is None
    assert await read(desk, await desk.grant(patient, hides=Label(0)), written.id) is not None
    assert (await audit_of(desk, patient))[1]["ids"] == []


async def correct(desk: Desk, patient: int, id_: UUID, raw: bytes, **more: Any) -> None:
    async with desk.store.pool.acquire() as conn:
        grant = await desk.grant(patient, "file")
        await desk.store.records.put(conn, grant, [change(desk.store, patient, raw, id_, **more)])


async def test_a_version_that_an_update_corrected_leaves_with_the_record_and_stands_in_its_audit_row(
    desk: Desk,
) -> None:
    patient, reader = await desk.person(), Reader(desk.store.wrap, desk.store.dictionaries)
    id_ = (await create(desk, patient, potassium("4.1"))).id
    await correct(desk, patient, id_, potassium("5.1"), corrects=True)
    await correct(desk, patient, id_, potassium("5.1", ',"note":[{"text":"x"}]'))
    await correct(desk, patient, id_, potassium("6.1"), corrects=True)
    other = (await create(desk, patient, potassium("3.9"))).id
    async with desk.store.pool.acquire() as conn:
        found = await reader.all_of(conn, await desk.grant(patient, "search"), [OBSERVATION], 10)
    versions = {now.id: (now.version, [one.version for one in former]) for now, former in found}
    assert versions == {id_: (4, [3, 1]), other: (1, [])}
    row = (await audit_of(desk, patient))[-1]
    left = {(i, v) for i, v in zip(row["ids"], row["versions"], strict=True)}
    assert left == {(id_, 4), (id_, 3), (id_, 1), (other, 1)}


async def test_a_former_version_is_shut_with_its_record_and_by_what_withheld_itself(desk: Desk) -> None:
    patient, reader = await desk.person(), Reader(desk.store.wrap, desk.store.dictionaries)
    id_ = (await create(desk, patient, potassium("4.1"), release_at=NOW + timedelta(days=14))).id
    await correct(desk, patient, id_, potassium("5.1"), corrects=True)

    async def seen(**more: Any) -> tuple[list[list[int]], list[tuple[int, int | None]]]:
        grant = await desk.grant(patient, "search", **more)
        async with desk.store.pool.acquire() as conn:
            every = await reader.all_of(conn, grant, [OBSERVATION], 10)
            read = await reader.as_read(conn, grant, [(OBSERVATION, id_, 1)])
        return (
            [[now.version, *(one.version for one in former)] for now, former in every],
            [(now.version, then and then.version) for now, then in read],
        )

    assert await seen() == ([[2, 1]], [(2, 1)])
    assert await seen(released_only=True) == ([[2]], [(2, None)])
    await desk.store.pool.execute("UPDATE record SET labels = $2 WHERE id = $1", id_, int(Label.RESTRICTED))
    assert await seen(hides=Label.RESTRICTED) == ([], [])


@pytest.mark.parametrize("mark", [Label.RESTRICTED_HERE, part_label(0), part_label(15)])
async def test_a_new_version_keeps_every_mark_of_the_patients_own(desk: Desk, mark: Label) -> None:
    patient = await desk.person()
    id_ = (await create(desk, patient, potassium("4.1"))).id
    await desk.store.pool.execute("UPDATE record SET labels = $2 WHERE id = $1", id_, int(mark | Label.RESTRICTED))
    await correct(desk, patient, id_, potassium("5.1"), corrects=True)
    assert await desk.store.pool.fetchval("SELECT labels FROM record WHERE id = $1", id_) == int(mark)


async def test_the_citizen_sees_a_delayed_result_from_the_moment_of_release(desk: Desk) -> None:
    patient = await desk.person()
    written = await create(desk, patient, potassium("4.1"), release_at=NOW + timedelta(days=14))

    async def seen(at: datetime, *, released_only: bool = True) -> bool:
        return await read(desk, await desk.grant(patient, at=at, released_only=released_only), written.id) is not None

    assert not await seen(NOW + timedelta(days=13, hours=23))
    assert await seen(NOW + timedelta(days=14))
    assert await seen(NOW, released_only=False)


@pytest.mark.parametrize("end", [EARLIEST, LATEST])
async def test_a_release_at_either_end_of_time_is_read_as_it_was_written(desk: Desk, end: datetime) -> None:
    """It lies there as an infinity of PostgreSQL's, which the driver gives back without a zone."""
    patient = await desk.person()
    written = await create(desk, patient, potassium("4.1"), release_at=end)
    found = await read(desk, await desk.grant(patient), written.id)
    assert found is not None and found.release_at == end
    grant = await desk.grant(patient, "file")
    again = change(desk.store, patient, potassium("4.1"), written.id)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        assert await desk.store.records.marks(conn, grant, OBSERVATION, written.id) == (NO_LABEL, end, True)
        present = await desk.store.records.present(conn, grant, [(again.type, again.id)])
        assert present[OBSERVATION, written.id].release_at == end
        _, waiting = await Reader(desk.store.wrap, desk.store.dictionaries).shut(conn, grant, OBSERVATION)
    assert waiting == ([LATEST] if end == LATEST else [])


async def test_a_choice_made_after_the_grant_stops_the_read(desk: Desk) -> None:
    patient = await desk.person()
    written = await create(desk, patient, potassium("4.1"))
    grant = await desk.grant(patient)
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.add_choice(conn, patient, Choice("block", "", "9144889", "", NOW, None))
    with pytest.raises(Stale):
        await read(desk, grant, written.id)
    with pytest.raises(Stale):
        async with desk.store.pool.acquire() as conn:
            await desk.store.records.create(conn, grant, change(desk.store, patient, potassium("4.2")))
    assert len(await audit_of(desk, patient)) == 1


async def test_a_new_version_keeps_the_old_one_in_history(desk: Desk) -> None:
    patient = await desk.person()
    first = await create(desk, patient, potassium("4.1"))
    grant = await desk.grant(patient, "write")
    async with desk.store.pool.acquire() as conn:
        new = change(desk.store, patient, potassium("5.1"), first.id, expected=1)
        assert [w.version for w in await desk.store.records.put(conn, grant, [new])] == [2]
        found = await Reader(desk.store.wrap, desk.store.dictionaries).history(
            conn, await desk.grant(patient, "history"), OBSERVATION, first.id, Span(), 10
        )
    assert found is not None
    assert [(record.version, record.raw) for record in found.versions] == [(2, potassium("5.1")), (1, potassium("4.1"))]
    now = await read(desk, await desk.grant(patient), first.id)
    assert now is not None
    assert (now.version, now.raw) == (2, potassium("5.1"))


async def test_a_history_is_one_moments_however_many_write_meanwhile(desk: Desk) -> None:
    """Read in two statements, a version that became a former one between them came twice, and its successor never."""
    patient = await desk.person()
    first = await create(desk, patient, potassium("4.1"))
    reader = Reader(desk.store.wrap, desk.store.dictionaries)

    async def write() -> None:
        for number in range(2, 30):
            async with desk.store.pool.acquire() as conn:
                new = change(desk.store, patient, potassium(f"{number}.1"), first.id)
                await desk.store.records.put(conn, await desk.grant(patient, "write"), [new])

    async def read() -> None:
        async with desk.store.pool.acquire() as conn:
            found = await reader.history(conn, await desk.grant(patient, "history"), OBSERVATION, first.id, Span(), 100)
        assert found is not None
        versions = [record.version for record in found.versions]
        assert versions == list(range(len(versions), 0, -1))

    writing = asyncio.ensure_future(write())
    while not writing.done():
        await read()
    await writing


async def test_a_history_gives_the_versions_of_a_time_page_by_page_and_its_audit_rows_name_what_each_page_gave(
    desk: Desk,
) -> None:
    patient = await desk.person()
    first = await create(desk, patient, potassium("1.1"))
    for day in (1, 2, 3):
        async with desk.store.pool.acquire() as conn:
            new = change(desk.store, patient, potassium(f"{day}.2"), first.id)
            await desk.store.records.put(conn, await desk.grant(patient, "write", at=NOW + timedelta(days=day)), [new])
    reader = Reader(desk.store.wrap, desk.store.dictionaries)

    async def found(span: Span, limit: int = 10) -> tuple[list[int], int, bool]:
        async with desk.store.pool.acquire() as conn:
            grant = await desk.grant(patient, "history")
            page = await reader.history(conn, grant, OBSERVATION, first.id, span, limit)
        assert page is not None
        versions = [record.version for record in page.versions]
        assert (await audit_of(desk, patient))[-1]["versions"] == versions
        return versions, page.total, page.more

    day = timedelta(days=1)
    assert await found(Span(), 3) == ([4, 3, 2], 4, True)
    assert await found(Span(below=2), 3) == ([1], 4, False)
    assert await found(Span(since=NOW + day)) == ([4, 3, 2], 3, False)
    assert await found(Span(first=NOW + day / 2, last=NOW + 3 * day / 2)) == ([2, 1], 2, False)
    assert await found(Span(first=NOW + 9 * day)) == ([4], 1, False)
    assert await found(Span(since=NOW + 9 * day)) == ([], 0, False)
    assert await found(Span(), 0) == ([], 4, True)


async def test_a_change_against_an_old_version_is_refused_whole(desk: Desk) -> None:
    patient = await desk.person()
    first = await create(desk, patient, potassium("4.1"))
    changes = [
        change(desk.store, patient, potassium("9.9")),
        change(desk.store, patient, potassium("5.1"), first.id, expected=7),
    ]
    async with desk.store.pool.acquire() as conn:
        with pytest.raises(Refusal, match="version 1, not 7"):
            await desk.store.records.put(conn, await desk.grant(patient, "write"), changes)
    assert await desk.store.pool.fetchval("SELECT count(*) FROM record WHERE patient = $1", patient) == 1


async def test_of_many_writers_at_once_no_update_is_lost(desk: Desk) -> None:
    patient = await desk.person()
    first = await create(desk, patient, potassium("4.0"))
    grant = await desk.grant(patient, "write")

    async def put(place: int) -> bool:
        async with desk.store.pool.acquire() as conn:
            new = change(desk.store, patient, potassium(f"5.{place}"), first.id, expected=1)
            try:
                await desk.store.records.put(conn, grant, [new])
            except Refusal as refusal:
                assert refusal.status == 412
                return False
            return True

    assert sum(await asyncio.gather(*(put(place) for place in range(8)))) == 1
    assert await desk.store.pool.fetchval("SELECT version FROM record WHERE id = $1", first.id) == 2


async def test_records_of_a_linked_person_are_read_with_hers_and_no_longer_after_an_unlink(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    written = await create(desk, other, potassium("4.1"))
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, one, other, "register", "same", NOW)
    assert await read(desk, await desk.grant(one), written.id) is not None
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.unlink(conn, one, other, "register", NOW)
    assert await read(desk, await desk.grant(one), written.id) is None


async def test_the_program_cannot_change_or_remove_audit_rows(desk: Desk) -> None:
    for statement in ("UPDATE audit SET says = ''", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(Exception, match="permission denied"):
            await desk.store.pool.execute(statement)


async def test_a_record_that_was_taken_out_goes_on_counting_when_it_comes_again(desk: Desk) -> None:
    patient = await desk.person()
    id_ = desk.store.ids.make(patient)
    versions = []
    async with desk.store.pool.acquire() as conn:
        grant = await desk.grant(patient, "file")
        for value in ("4.1", "4.2", "", "4.3", "4.4"):
            if value:
                versions += await desk.store.records.put(
                    conn, grant, [change(desk.store, patient, potassium(value), id_)]
                )
            else:
                versions += await desk.store.records.remove(conn, grant, [(OBSERVATION, id_)])
    assert [one.version for one in versions] == [1, 2, 3, 4, 5]
    record = await read(desk, await desk.grant(patient), id_)
    assert record is not None and (record.version, record.raw) == (5, potassium("4.4"))
