"""Which results a line of the log tells of, in words: of what its reader may open today, and no other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from kjerne.access import Caller, Grant
from kjerne.exchange import PatientRef
from kjerne.fhir.definitions import type_number
from kjerne.policy.access_log import AccessLog
from kjerne.policy.door import Door
from kjerne.registries.identifiers import digest
from kjerne.services.results import points
from kjerne.services.results.named import NAMED_LIMIT, Named, named, with_names
from kjerne.store.log_entry import Seen
from kjerne.store.looks import Wanted
from kjerne.store.reading import Reader
from platform_fixture import Standing
from services.test_standards import create, observation


def names(platform: Standing, about: str, correlation: str) -> tuple[dict[str, Named], list[Seen]]:
    """What the patient herself reads of one request: the names, and what the log says was seen."""
    store = platform.application._edge.store
    number = digest(store.keys.derived("identifier"), platform.nin(about))
    herself = Caller("citizen", "app", frozenset({"kjerne:citizen"}), number, level=4)
    reader = Reader(store.wrap, store.dictionaries)

    async def read() -> tuple[dict[str, Named], list[Seen]]:
        admit = Door(store, platform.clock).admit(herself, "test-named")
        ref = PatientRef(digest=herself.digest)
        log: Grant = await admit(ref, "results", "insight")
        page = await AccessLog(store).page(log, Wanted(datetime(2020, 1, 1, tzinfo=UTC), platform.clock.now()), 50)
        mine = [entry for entry in page.entries if entry.origin.correlation == correlation]
        looks: Grant = await admit(ref, "results", "read")
        async with store.pool.acquire() as conn:
            told = [seen for entry in mine for seen in entry.seen]
            return await named(conn, reader, looks, told), list(with_names(told))

    return platform.run(read())


def test_each_result_that_left_is_named_with_its_day(platform: Standing) -> None:
    answer = platform.search("Observation", [("code", "NPU27300"), ("_count", "2")])
    told, seen = names(platform, "citizen", answer.response.headers["x-correlation-id"])
    assert {one.id for one in seen} == set(answer.ids()) == told.keys()
    for tree in answer.resources():
        assert told[tree["id"]].what == tree["code"]["coding"][0]["display"]
        assert told[tree["id"]].at == points.when(tree["effectiveDateTime"])


def test_what_is_withheld_from_the_patient_is_not_named_to_her_though_somebody_saw_it(platform: Standing) -> None:
    shut = {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FFL"}]}
    open_, hidden = (
        create(platform, observation(), about="citizen"),
        create(platform, observation(meta=shut), about="citizen"),
    )
    answer = platform.search("Observation", [("_id", f"{open_.tree['id']},{hidden.tree['id']}")])
    assert set(answer.ids()) == {open_.tree["id"], hidden.tree["id"]}
    told, seen = names(platform, "citizen", answer.response.headers["x-correlation-id"])
    assert told.keys() == {open_.tree["id"]} == {one.id for one in seen}


def test_that_they_were_named_is_in_the_log_with_the_records(platform: Standing) -> None:
    answer = platform.search("Observation", [("code", "NPU27300"), ("_count", "1")])
    names(platform, "citizen", answer.response.headers["x-correlation-id"])
    row = platform.rows(
        "SELECT * FROM audit WHERE correlation = 'test-named' AND action = 'read' ORDER BY at DESC LIMIT 1"
    )[0]
    assert [str(one) for one in row["ids"]] == answer.ids()


def test_only_what_has_a_name_is_looked_up_each_once() -> None:
    blood, sample = Seen("Observation", "a", 1), Seen("Specimen", "b", 1)
    assert with_names([blood, sample, replace(blood, version=2)]) == (replace(blood, version=2),)


async def test_names_are_not_looked_up_without_end_and_not_at_all_where_there_is_nothing_to_name() -> None:
    asked: list[Any] = []

    class Counting:
        async def named(self, conn: Any, grant: Any, wanted: Any) -> list[Any]:
            asked.append(wanted)
            return []

    def read(told: Iterable[Seen]) -> Any:
        nobody: Any = None
        return named(nobody, Counting(), nobody, told)  # type: ignore[arg-type]

    many = [Seen("Observation", str(UUID(int=n)), 1) for n in range(NAMED_LIMIT + 5)]
    assert await read(many) == {}
    assert asked == [[(type_number("Observation"), UUID(int=n)) for n in range(NAMED_LIMIT)]]
    assert await read([Seen("Specimen", str(UUID(int=1)), 1), Seen("Observation", "no id", 1)]) == {}
    assert len(asked) == 1
