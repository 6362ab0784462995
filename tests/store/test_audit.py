"""What the log may not name to its reader."""

from __future__ import annotations

from kjerne.access import Label
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.store import audit
from kjerne.store.records import Change

from .conftest import Desk

RAW = b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"}}'


async def test_the_log_may_not_name_what_is_withheld_from_its_reader(desk: Desk) -> None:
    patient, other = await desk.person(), await desk.person()
    made: dict[tuple[int, Label], str] = {}
    for whose in (patient, other):
        grant = await desk.grant(whose, "file")
        for label in (Label(0), Label.WITHHELD_FROM_PARENTS, Label.WITHHELD_FROM_CITIZEN, Label.RESTRICTED):
            change = Change(
                type_number("Observation"), desk.store.ids.make(whose), RAW, index(decode(RAW)), labels=label
            )
            async with desk.store.pool.acquire() as conn:
                made[whose, label] = str((await desk.store.records.create(conn, grant, change)).id)
    as_parent = await desk.grant(patient, "insight", hides=Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS)
    async with desk.store.pool.acquire() as conn:
        hidden = await audit.hidden_from(conn, as_parent)
    assert hidden == {made[patient, Label.WITHHELD_FROM_CITIZEN], made[patient, Label.WITHHELD_FROM_PARENTS]}
