"""A record that has another id is found from each that it had."""

from __future__ import annotations

from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store import former_ids
from kjerne.store.records import Change

from .conftest import Desk

OBSERVATION = type_number("Observation")
RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"},"valueString":"4"}'


async def test_each_former_id_leads_to_the_record_as_it_stands_and_none_to_one_that_stands_itself(desk: Desk) -> None:
    patient = await desk.person()
    first, second, third = (desk.store.ids.make(patient) for _ in range(3))
    change = Change(OBSERVATION, first, RAW, index(decode(RAW)))
    async with desk.store.pool.acquire() as conn, conn.transaction():
        grant = await desk.grant(patient, "file")
        for former, now in ((first, second), (second, third)):
            await desk.store.records.put(conn, grant, [change._replace(id=former)])
            await desk.store.records.remove(conn, grant, [(OBSERVATION, former)])
            await former_ids.keep(conn, grant, {(OBSERVATION, former): now})
        found = await former_ids.of(conn, grant, [(OBSERVATION, third, 1)])
        assert sorted(found) == sorted([(OBSERVATION, first, 2), (OBSERVATION, second, 2)])
        assert {version for _, _, version in await former_ids.of(conn, grant, [(OBSERVATION, third, 0)])} == {0}
        assert await former_ids.of(conn, grant, [(OBSERVATION, second, 1)]) == []
        await desk.store.records.put(conn, grant, [change])
        await former_ids.keep(conn, grant, {(OBSERVATION, third): first})
        found = await former_ids.of(conn, grant, [(OBSERVATION, first, 3)])
        assert found == [(OBSERVATION, second, 2)]
