"""What a conditional write finds: the writer's own, also under a number linked to the patient's, and of nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kjerne.access import NO_LABEL, Caller, Label, Limit
from kjerne.errors import Refusal
from kjerne.fhir.index import token
from kjerne.fhir.search import Search
from kjerne.store.changing import Next
from kjerne.store.finding import Finder
from kjerne.store.matching import Match, at_key, the_one
from kjerne.store.reading import Reader
from kjerne.store.records import hold
from kjerne.wire.json import parse as parse_json
from kjerne.wire.search import parse

from .conftest import CALLER, NOW, Desk
from .test_records import OBSERVATION, create, potassium

SEARCH = parse("Observation", [("code", "NPU03230")], page_size=10, page_size_limit=10)
BY_VALUE = parse("Observation", [("value-quantity", "gt5")], page_size=10, page_size_limit=10)
OTHER = replace(CALLER, organisation="888888888", digest=b"other-digest-016")


async def found(
    desk: Desk,
    patient: int,
    *,
    caller: Caller = CALLER,
    search: Search = SEARCH,
    hides: Label = NO_LABEL,
    limit: int = 100,
) -> Match | None:
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    grant = await desk.grant(patient, "file", caller=caller, hides=hides)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        await hold(conn, grant)
        return await the_one(conn, grant, Finder(reader, limit), search, "u")


async def test_what_the_organisation_filed_answers_it_and_nobody_else(desk: Desk) -> None:
    patient = await desk.person()
    assert await found(desk, patient) is None
    written = await create(desk, patient, potassium("4.1"))
    assert await found(desk, patient) == Match(patient, written.id, 1, NOW)
    assert await found(desk, patient, caller=OTHER) is None
    nameless = replace(CALLER, organisation="", client="another")
    assert await found(desk, patient, caller=nameless) is None


async def test_a_value_that_is_sealed_answers_as_a_code_does(desk: Desk) -> None:
    patient = await desk.person()
    await create(desk, patient, potassium("4.1"))
    assert await found(desk, patient, search=BY_VALUE) is None
    high = await create(desk, patient, potassium("5.1"))
    one = await found(desk, patient, search=BY_VALUE)
    assert one is not None and one.id == high.id


async def test_no_limit_counts_what_others_have_filed(desk: Desk) -> None:
    """A refusal for too much work would tell how much there is, and by words looked for what it says."""
    patient = await desk.person()
    for _ in range(4):
        await create(desk, patient, potassium("6.1"))
    with pytest.raises(Refusal, match="more than 2 records"):
        await found(desk, patient, search=BY_VALUE, limit=2)
    assert await found(desk, patient, search=BY_VALUE, limit=2, caller=OTHER) is None


async def test_two_that_answer_are_refused_and_what_is_hidden_is_not_counted(desk: Desk) -> None:
    patient = await desk.person()
    first = await create(desk, patient, potassium("4.1"))
    await create(desk, patient, potassium("4.2"), labels=Label.RESTRICTED)
    with pytest.raises(Refusal) as caught:
        await found(desk, patient)
    assert caught.value.status == 412
    one = await found(desk, patient, hides=Label.RESTRICTED)
    assert one is not None and one.id == first.id
    assert await found(desk, patient, caller=OTHER) is None


async def test_what_was_withdrawn_answers_nothing(desk: Desk) -> None:
    patient = await desk.person()
    await create(desk, patient, potassium("4.1"), labels=Label.WITHDRAWN)
    assert await found(desk, patient) is None


async def test_what_the_token_does_not_leave_answers_nothing(desk: Desk) -> None:
    patient = await desk.person()
    await create(desk, patient, potassium("4.1"))
    all_of_it = replace(CALLER, limits=(Limit("system/*.u", "", "u"),))
    assert await found(desk, patient, caller=all_of_it) is not None
    for limit in (
        Limit("system/*.c", "", "c"),
        Limit("system/Observation.u?code=x", "Observation", "u", ((token("x"),),)),
    ):
        assert await found(desk, patient, caller=replace(CALLER, limits=(limit,))) is None


async def test_a_record_under_a_linked_number_is_found_and_changed_where_it_lies(desk: Desk) -> None:
    former, patient = await desk.person(), await desk.person()
    written = await create(desk, former, potassium("4.1"))
    assert await found(desk, patient) is None
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, patient, former, "register", "one person", NOW)
    one = await found(desk, patient)
    assert one == Match(former, written.id, 1, NOW)
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    grant = at_key(await desk.grant(patient, "file", hides=NO_LABEL), former)
    raw = potassium("4.2")
    async with desk.store.pool.acquire() as conn, conn.transaction():
        changed = await desk.changer([OBSERVATION]).change(
            conn, grant, (OBSERVATION, one.id), 1, lambda _: Next.of(raw, parse_json(raw), NOW)
        )
    assert changed is not None and changed[1].version == 2
    async with desk.store.pool.acquire() as conn:
        record = await reader.read(conn, await desk.grant(patient), OBSERVATION, one.id)
    assert record is not None and (record.patient, record.raw) == (former, raw)
