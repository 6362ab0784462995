"""One record under many hands: what was acknowledged is all there, each version made of the one before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.access import NO_LABEL, Grant, Label, Limit
from kjerne.errors import Refusal
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.fhir.json_patch import apply, read
from kjerne.registries.guides import Guides
from kjerne.store import audit
from kjerne.store.changing import Changer, Next, check_valid
from kjerne.store.reading import Reader
from kjerne.store.records import Change, Current, Written

from .conftest import CALLER, NOW, Desk
from .test_records import OBSERVATION, create, potassium

Make = Callable[[Current], Next]
GUIDES = Guides(Path("none"), Path("none"))
RACES = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def changer(desk: Desk) -> Changer:
    return desk.changer([OBSERVATION])


def noted(text: str) -> Make:
    """The version before with one more note, as a patch makes it."""

    def make(current: Current) -> Next:
        tree = decode(current.raw)
        patch: list[Any] = [] if "note" in tree else [{"op": "add", "path": "/note", "value": []}]
        after = apply(tree, read([*patch, {"op": "add", "path": "/note/-", "value": {"text": text}}]))
        raw = encode(after)
        check_valid(raw, after, "Observation", GUIDES)
        return Next.of(raw, after, NOW)

    return make


async def change(desk: Desk, patient: int, id_: UUID, expected: int | None, make: Make) -> Written | None:
    grant = await desk.grant(patient, "file", hides=NO_LABEL)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        changed = await changer(desk).change(conn, grant, (OBSERVATION, id_), expected, make)
    return changed[1] if changed else None


async def take_away(desk: Desk, patient: int, id_: UUID, expected: int | None) -> Written | None:
    grant: Grant = await desk.grant(patient, "correct", hides=NO_LABEL)
    async with desk.store.pool.acquire() as conn, conn.transaction():
        return await changer(desk).take_away(conn, grant, (OBSERVATION, id_), expected)


async def versions(desk: Desk, id_: UUID) -> dict[int, list[str]]:
    """The notes of each version there is or was."""
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    patient = desk.store.ids.patient(id_)
    keys = reader.unwrapped(await desk.grant(patient))
    rows = await desk.store.pool.fetch(
        "SELECT patient, type, id, version, labels, dictionary, at, release_at, body FROM record WHERE id = $1 UNION ALL "
        "SELECT patient, type, id, version, labels, dictionary, at, release_at, body FROM record_history "
        "WHERE id = $1 AND NOT deleted",
        id_,
    )
    opened = [reader.open_row(keys, tuple(row)) for row in rows]
    return {one.version: [note["text"] for note in decode(one.raw).get("note", [])] for one in opened}


async def outcome(work: Awaitable[Written | None]) -> int:
    """The version that was written, 0 where the record was gone, or minus the status of a refusal."""
    try:
        written = await work
    except Refusal as refusal:
        return -refusal.status
    return written.version if written else 0


@RACES
@given(st.lists(st.integers(1, 4), min_size=2, max_size=8))
async def test_of_writers_that_saw_the_same_version_one_is_taken_and_none_is_lost(desk: Desk, seen: list[int]) -> None:
    patient = await desk.person()
    id_ = (await create(desk, patient, potassium("4.10"))).id
    # Several writers at once, each against the version that it believes in: round by round until all have tried.
    answers = await asyncio.gather(
        *(outcome(change(desk, patient, id_, version, noted(f"w{at}"))) for at, version in enumerate(seen))
    )
    made = [version for version in answers if version > 0]
    assert set(answers) <= {*made, -412}
    assert sorted(made) == list(range(2, 2 + len(made))), (
        "versions follow each other, and no two writers made the same one"
    )
    history = await versions(desk, id_)
    assert sorted(history) == list(range(1, 2 + len(made)))
    for at, version in enumerate(answers):
        if version > 0:
            assert version == seen[at] + 1
            assert history[version] == [*history[version - 1], f"w{at}"], "made of the version that the writer saw"


@RACES
@given(st.lists(st.sampled_from(["change", "take away"]), min_size=2, max_size=6))
async def test_changes_and_deletions_at_once_come_one_after_another(desk: Desk, works: list[str]) -> None:
    patient = await desk.person()
    id_ = (await create(desk, patient, potassium("4.1"))).id
    answers = await asyncio.gather(
        *(
            outcome(
                change(desk, patient, id_, None, noted(f"w{at}"))
                if work == "change"
                else take_away(desk, patient, id_, None)
            )
            for at, work in enumerate(works)
        )
    )
    made = sorted(version for version in answers if version > 0)
    assert made == list(range(2, 2 + len(made)))
    deleted = [version for version, work in zip(answers, works, strict=True) if work == "take away" and version > 0]
    assert deleted == ([made[-1]] if "take away" in works else []), "nothing comes after a deletion, and there is one"
    history = await versions(desk, id_)
    last = max(history)
    assert history[last] == [note for _, note in sorted((v, f"w{at}") for at, v in enumerate(answers) if 0 < v <= last)]


async def test_a_patch_is_made_of_the_version_that_is_held_and_keeps_its_digits(desk: Desk) -> None:
    patient = await desk.person()
    id_ = (await create(desk, patient, potassium("4.10"))).id
    seen: list[Current] = []

    def make(current: Current) -> Next:
        seen.append(current)
        return noted("x")(current)

    assert await change(desk, patient, id_, 1, make) is not None
    assert (seen[0].version, seen[0].at, b'"value":4.10' in seen[0].raw) == (1, NOW, True)
    with pytest.raises(Refusal) as caught:
        await change(desk, patient, id_, 1, make)
    assert (caught.value.status, len(seen)) == (412, 1), "against an old version nothing is tried"


async def test_what_is_not_there_is_not_changed(desk: Desk) -> None:
    patient = await desk.person()
    other = desk.store.ids.make(patient)
    assert await change(desk, patient, other, None, noted("x")) is None
    assert await take_away(desk, patient, other, None) is None


async def test_lines_of_what_was_deleted_stay_hidden_from_whom_it_was(desk: Desk) -> None:
    """Else the log would tell the citizen of a result that is kept from her, once it is gone."""
    patient = await desk.person()
    later = NOW + timedelta(days=14)
    made = [
        await create(desk, patient, potassium("4.1"), labels=Label.WITHHELD_FROM_CITIZEN),
        await create(desk, patient, potassium("4.2"), release_at=later),
        await create(desk, patient, potassium("4.3")),
    ]
    kept, waits, open_ = (str(one.id) for one in made)
    hers = await desk.grant(patient, "insight", hides=Label.WITHHELD_FROM_CITIZEN, released_only=True)
    in_time = await desk.grant(patient, "insight", hides=Label.WITHHELD_FROM_CITIZEN, released_only=True, at=later)
    for gone in (False, True):
        async with desk.store.pool.acquire() as conn:
            assert await audit.hidden_from(conn, hers) == {kept, waits}, gone
            assert await audit.hidden_from(conn, in_time) == {kept}
            assert open_ not in await audit.hidden_from(conn, hers)
        for one in made:
            assert gone or await take_away(desk, patient, one.id, 1) is not None


async def test_that_a_record_was_deleted_is_told_to_whom_it_stood_open(desk: Desk) -> None:
    patient = await desk.person()
    id_ = (await create(desk, patient, potassium("4.1"))).id
    hidden = (await create(desk, patient, potassium("4.2"), labels=Label.RESTRICTED)).id
    reader = Reader(desk.store.wrap, desk.store.dictionaries)
    sees_all, narrowed = await desk.grant(patient), replace(CALLER, limits=(Limit("user/*.r", "", "r"),))
    sees_less = await desk.grant(patient, hides=Label.RESTRICTED)
    by_scope = await desk.grant(patient, caller=narrowed)

    async def told(grant: Grant, one: UUID) -> bool:
        async with desk.store.pool.acquire() as conn:
            return await reader.is_deleted(conn, grant, OBSERVATION, one)

    assert not await told(sees_all, id_), "it is there"
    for one in (id_, hidden):
        await take_away(desk, patient, one, None)
    assert [await told(grant, id_) for grant in (sees_all, sees_less, by_scope)] == [True, True, False]
    assert [await told(grant, hidden) for grant in (sees_all, sees_less)] == [True, False]
    assert not await told(sees_all, desk.store.ids.make(patient))
    # It comes again, shut this time, and is deleted once more: what counts is how it stood at last.
    async with desk.store.pool.acquire() as conn:
        raw = potassium("4.3")
        again = Change(OBSERVATION, id_, raw, index(decode(raw)), Label.RESTRICTED)
        await desk.store.records.put(conn, await desk.grant(patient, "file"), [again])
    assert not await told(sees_all, id_)
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.remove(conn, await desk.grant(patient, "correct"), [(OBSERVATION, id_)])
    assert [await told(grant, id_) for grant in (sees_all, sees_less)] == [True, False]


async def test_a_version_that_names_somebody_else_is_refused_whoever_makes_it(desk: Desk) -> None:
    patient = await desk.person()
    id_ = (await create(desk, patient, potassium("4.10"))).id
    of_another = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": "13858199901"}}

    def moved(current: Current) -> Next:
        tree = decode(current.raw) | {"subject": of_another}
        return Next.of(encode(tree), tree, NOW)

    with pytest.raises(Refusal, match="another person") as refused:
        await change(desk, patient, id_, 1, moved)
    assert refused.value.status == 422 and list(await versions(desk, id_)) == [1]
