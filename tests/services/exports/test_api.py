"""Export in bulk: a named ground, two other persons' approval, each patient's choices, and a row for each of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from kjerne.access import Caller, Choice, Label
from kjerne.commands import view_sources
from kjerne.errors import Refusal
from kjerne.fhir.smart import limits
from kjerne.fhir.views.running import runner
from kjerne.fhir.views.shelf import shipped
from services.results.conftest import LAB, Ward, fresh_number

GROUND = "Helseregisterloven § 19 e, vedtak 2026/117"
OPERATIONS = frozenset({"kjerne:operations"})
ASKING = Caller("system", "statistics", OPERATIONS, name="Statistikk")
FIRST, SECOND = (
    Caller("practitioner", "ops", OPERATIONS, name.encode(), name, level=4) for name in ("Ada Drift", "Bo Drift")
)


def body(**more: str) -> bytes:
    said = {"ground": GROUND, "recipient": "Folkehelseinstituttet", "_type": "Observation"} | more
    rows = [{"name": name, "valueString": value} for name, value in said.items()]
    return json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()


async def call(
    ward: Ward, caller: Caller, method: str, path: str, content: bytes = b"", **headers: str
) -> httpx.Response:
    async with ward.client(caller) as client:
        return await client.request(method, path, content=content, headers=headers)


async def asked(ward: Ward, caller: Caller = ASKING, **more: str) -> httpx.Response:
    return await call(ward, caller, "POST", "/fhir/R4/$export", body(**more), prefer="respond-async")


async def approved(ward: Ward) -> str:
    """The address of an export that two have approved."""
    place = (await asked(ward)).headers["content-location"]
    for one in (FIRST, SECOND):
        assert (await decided(ward, one, place)).status_code == 200
    return place


async def decided(
    ward: Ward, caller: Caller, place: str, deed: str = "approve", why: str = "Vedtaket er lest"
) -> httpx.Response:
    """What somebody's approval, or refusal, is answered with."""
    async with ward.client(caller) as client:
        return await client.post(f"{place}/{deed}", data={"reason": why})


async def record(ward: Ward, number: str, **more: Any) -> str:
    tree = {
        "resourceType": "Observation", "status": "final", "code": {"text": "Prøve\nmed linje"},
        "subject": {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": number}},
    } | more  # fmt: skip
    content = json.dumps(tree, indent=1).encode()
    made = await call(ward, LAB, "POST", "/fhir/R4/Observation", content, **{"content-type": "application/fhir+json"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def fetched(ward: Ward, place: str) -> list[dict[str, Any]]:
    """Every resource of every file."""
    manifest = (await call(ward, ASKING, "GET", place)).json()
    found = []
    for file in manifest["output"]:
        answer = await call(ward, ASKING, "GET", file["url"])
        assert answer.headers["content-type"] == "application/fhir+ndjson"
        found += [json.loads(line) for line in answer.content.splitlines()]
    return found


async def test_an_export_waits_for_two_other_persons_and_then_has_its_files(ward: Ward) -> None:
    number = fresh_number()
    key, id_ = await ward.person(number), await record(ward, number)
    kicked = await asked(ward)
    place = kicked.headers["content-location"]
    assert (kicked.status_code, kicked.content) == (202, b"")
    for one, missing in ((FIRST, 2), (SECOND, 1)):
        waiting = await call(ward, ASKING, "GET", place)
        assert (waiting.status_code, waiting.headers["x-progress"]) == (202, f"{missing} approvals are missing")
        assert (await call(ward, ASKING, "GET", f"{place}/files/Observation-0")).status_code == 403
        assert (await decided(ward, one, place)).status_code == 200
    manifest = await call(ward, ASKING, "GET", place)
    assert manifest.status_code == 200
    assert manifest.json()["requiresAccessToken"] is True
    assert id_ in [one["id"] for one in await fetched(ward, place)]
    async with ward.house.store.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT rule, about, reason, ids FROM audit WHERE patient = $1 AND action = 'export' ORDER BY about", key
        )
    export = place.rpartition("/")[2]
    assert [(row[0], row[1], row[2]) for row in rows] == [("exported", f"export/{export}", GROUND)]
    assert str(rows[0]["ids"][0]) == id_


async def test_nobody_approves_her_own_or_twice_and_no_system_approves(ward: Ward) -> None:
    own = (await asked(ward, FIRST)).headers["content-location"]
    assert (await decided(ward, FIRST, own)).status_code == 403
    assert (await decided(ward, ASKING, own)).status_code == 403
    assert (await decided(ward, SECOND, own)).status_code == 200
    assert (await decided(ward, SECOND, own)).status_code == 409
    assert (await call(ward, FIRST, "GET", own)).status_code == 202


async def operator(ward: Ward, name: str, hpr: str = "") -> tuple[Caller, int]:
    """An operator whom the register of persons knows, and her person key."""
    number = fresh_number()
    key = await ward.person(number)
    return replace(FIRST, digest=ward.house.digest(number), name=name, hpr=hpr), key


async def linked(ward: Ward, one: int, other: int) -> None:
    async with ward.house.store.pool.acquire() as conn:
        await ward.house.store.people.link(conn, one, other, "test", "one human", ward.house.clock.now())


async def approve(ward: Ward, place: str, *callers: Caller) -> list[int]:
    return [(await decided(ward, one, place)).status_code for one in callers]


async def test_one_human_with_two_numbers_is_one_approver(ward: Ward) -> None:
    (one, key), (same, other) = await operator(ward, "Ada Drift"), await operator(ward, "Ada Drift")
    await linked(ward, key, other)
    place = (await asked(ward)).headers["content-location"]
    assert await approve(ward, place, one, same) == [200, 409]
    assert (await call(ward, ASKING, "GET", place)).headers["x-progress"] == "1 approvals are missing"
    own = (await asked(ward, one)).headers["content-location"]
    assert await approve(ward, own, same) == [403]


async def test_two_numbers_with_one_hpr_number_are_one_approver(ward: Ward) -> None:
    (one, _), (same, _) = await operator(ward, "Ada", "9144889"), await operator(ward, "Ada", "09144889")
    place = (await asked(ward)).headers["content-location"]
    assert await approve(ward, place, one, same) == [200, 409]


async def test_approvers_who_are_linked_afterwards_were_one_and_a_third_is_wanted(ward: Ward) -> None:
    (one, key), (same, other) = await operator(ward, "Ada Drift"), await operator(ward, "Ada Drift")
    person = fresh_number()
    await ward.person(person)
    await record(ward, person)
    place = (await asked(ward)).headers["content-location"]
    assert await approve(ward, place, one, same) == [200, 200]
    assert (await call(ward, ASKING, "GET", place)).status_code == 200
    await linked(ward, key, other)
    waiting = await call(ward, ASKING, "GET", place)
    assert (waiting.status_code, waiting.headers["x-progress"]) == (202, "1 approvals are missing")
    assert (await call(ward, ASKING, "GET", f"{place}/files/Observation-0")).status_code == 403
    assert await approve(ward, place, SECOND) == [200]
    assert (await call(ward, ASKING, "GET", f"{place}/files/Observation-0")).status_code == 200


async def test_an_export_that_the_tokens_scopes_do_not_leave_has_a_row_of_the_platforms(ward: Ward) -> None:
    narrow = replace(ASKING, limits=limits(["system/Specimen.r"], "system"), client="narrow")
    answer = await asked(ward, narrow)
    assert answer.status_code == 403
    assert "Observation.r" in answer.text
    async with ward.house.store.pool.acquire() as conn:
        rows = await conn.fetch("SELECT patient, rule, outcome FROM audit WHERE client = 'narrow'")
    assert [(row["patient"], row["rule"], row["outcome"] != 0) for row in rows] == [(0, "export-not-asked", True)]


async def test_an_approval_has_a_reason_and_more_than_two_are_not_taken(ward: Ward) -> None:
    place = (await asked(ward)).headers["content-location"]
    assert (await decided(ward, FIRST, place, why="ja")).status_code == 400
    assert (await decided(ward, FIRST, place, why="Gjelder 45920040881 i dag")).status_code == 400
    low = Caller("practitioner", "ops", OPERATIONS, b"low", "Dag Drift", level=3)
    assert (await decided(ward, low, place)).status_code == 403
    place = await approved(ward)
    third = Caller("practitioner", "ops", OPERATIONS, b"third", "Cia Drift", level=4)
    assert (await decided(ward, third, place)).status_code == 410
    assert (await decided(ward, FIRST, "/exports/999999")).status_code == 404


async def test_one_person_refuses_for_good_before_and_after_it_is_open(ward: Ward) -> None:
    for place in ((await asked(ward)).headers["content-location"], await approved(ward)):
        assert (await decided(ward, ASKING, place, "refuse")).status_code == 403
        assert (await decided(ward, SECOND, place, "refuse", "nei")).status_code == 400
        told = (await decided(ward, SECOND, place, "refuse", "Vedtaket dekker ikke dette")).json()
        assert (told["state"], told["refusedBy"], told["refusedWhy"]) == (
            "refused", "Bo Drift", "Vedtaket dekker ikke dette"
        )  # fmt: skip
        assert (await decided(ward, FIRST, place)).status_code == 410
        assert (await decided(ward, SECOND, place, "refuse")).status_code == 410
        for path in (place, f"{place}/files/Observation-0"):
            assert (await call(ward, ASKING, "GET", path)).status_code == 410
        number = place.rpartition("/")[2]
        async with ward.house.store.pool.acquire() as conn:
            rows = await conn.fetch(
                "SELECT rule, caller_name, reason FROM audit WHERE about = $1 AND rule = 'export-refused'",
                f"export/{number}",
            )
        assert tuple(rows[0]) == ("export-refused", "Bo Drift", "Vedtaket dekker ikke dette")


async def test_who_asked_ends_her_own_and_does_not_refuse_it(ward: Ward) -> None:
    place = (await asked(ward, FIRST)).headers["content-location"]
    assert (await decided(ward, FIRST, place, "refuse")).status_code == 403
    assert (await call(ward, FIRST, "DELETE", place)).status_code == 202
    assert (await decided(ward, SECOND, place, "refuse")).status_code == 410


async def test_who_has_shut_anything_is_left_out_from_the_next_file(ward: Ward) -> None:
    shut: dict[str, str] = {}
    for kind, hpr, organisation in (
        ("opt-out", "", ""), ("restriction", "", ""), ("restriction", "", "999999901"), ("block", "9001234", ""),
    ):  # fmt: skip
        number = fresh_number()
        key = await ward.person(number)
        shut[await record(ward, number)] = kind
        async with ward.house.store.pool.acquire() as conn:
            now = ward.house.clock.now()
            await ward.house.store.people.add_choice(conn, key, Choice(kind, "results", hpr, organisation, now, None))  # type: ignore[arg-type]
    number = fresh_number()
    await ward.person(number)
    hidden, seen = await record(ward, number), await record(ward, number)
    async with ward.house.store.pool.acquire() as conn:
        await conn.execute("UPDATE record SET labels = $2 WHERE id = $1", hidden, int(Label.RESTRICTED))
    ids = {one["id"] for one in await fetched(ward, await approved(ward))}
    assert seen in ids
    assert not ids & {hidden, *shut}


async def test_an_export_is_its_askers_grows_old_and_can_be_ended(ward: Ward) -> None:
    place = await approved(ward)
    for other in (FIRST, Caller("system", "other", OPERATIONS)):
        for path in (place, f"{place}/files/Observation-0"):
            assert (await call(ward, other, "GET", path)).status_code == 404
    ended = await approved(ward)
    assert (await call(ward, ASKING, "DELETE", ended)).status_code == 202
    assert (await call(ward, ASKING, "GET", ended)).status_code == 404
    ward.house.clock.move(timedelta(days=7))  # type: ignore[attr-defined]
    assert (await call(ward, ASKING, "GET", f"{place}/files/Observation-0")).status_code == 410
    listed = await call(ward, FIRST, "GET", "/exports")
    told = {str(one["number"]): one for one in listed.json()["exports"]}
    old = told[place.rpartition("/")[2]]
    assert (old["ground"], old["approvals"], old["state"]) == (GROUND, ["Ada Drift", "Bo Drift"], "expired")
    assert told[ended.rpartition("/")[2]]["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"ground": "fordi vi vil det"}, "ground"), ({"ground": "§"}, "ground"), ({"recipient": ""}, "recipient"),
        ({"recipient": "Til 12817512345 hos oss"}, "recipient"), ({"_type": "Organization"}, "_type"),
        ({"since": "2026"}, "parameter"),
    ],
)  # fmt: skip
async def test_what_is_asked_wrongly_is_refused_with_its_place(ward: Ward, more: dict[str, str], where: str) -> None:
    answer = await asked(ward, **more)
    assert answer.status_code in (400, 422)
    assert answer.json()["issue"][0]["expression"] == [where]


@pytest.mark.parametrize("query", ["_type=Specimen&_since=2020-01-01", "foo=1"])
async def test_what_stands_in_the_address_of_an_export_is_refused_and_not_passed_over(ward: Ward, query: str) -> None:
    for prefer in ("respond-async", "respond-async, handling=lenient"):
        answer = await call(ward, ASKING, "POST", f"/fhir/R4/$export?{query}", body(), prefer=prefer)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (400, ["query"])


async def test_an_export_is_asynchronous_and_the_operators(ward: Ward) -> None:
    assert (await call(ward, ASKING, "POST", "/fhir/R4/$export", body())).status_code == 400
    for other in (ward.doctor(fresh_number()), Caller("citizen", "app", frozenset({"kjerne:citizen"}), level=4)):
        assert (await asked(ward, other)).status_code == 403
    for wrong in (b"{}", b'{"resourceType":"Parameters"}'):
        assert (await call(ward, ASKING, "POST", "/fhir/R4/$export", wrong, prefer="respond-async")).status_code == 400
    place = await approved(ward)
    for file in ("Observation-9999", "Specimen-0", "Observation-x", "Observation"):
        assert (await call(ward, ASKING, "GET", f"{place}/files/{file}")).status_code == 404


async def test_what_was_fetched_becomes_a_table_and_a_file_that_is_missing_none(ward: Ward, tmp_path: Path) -> None:
    number = fresh_number()
    await ward.person(number)
    id_ = await record(ward, number, valueQuantity={"value": 5.5, "unit": "mmol/L"})
    place = await approved(ward)
    manifest = await call(ward, ASKING, "GET", place)
    (tmp_path / "manifest.json").write_bytes(manifest.content)
    with pytest.raises(Refusal, match="a file that is not here: Observation-0"):
        view_sources.files([tmp_path], "Observation")
    for one in manifest.json()["output"]:
        answer = await call(ward, ASKING, "GET", one["url"])
        (tmp_path / one["url"].rpartition("/")[2]).write_bytes(answer.content)
    view = shipped("lab_results")
    run, names = runner(view, datetime.now(UTC), typed=True), [column.name for column in view.columns]
    found = [
        one.tree
        for one in view_sources.resources(view_sources.files([tmp_path], "Observation"), "Observation", lambda *_: None)
    ]
    rows = [dict(zip(names, row, strict=True)) for tree in found if tree for row in run(tree)]
    (row,) = [row for row in rows if row["id"] == id_]
    assert (row["code_text"], row["value_number"], row["value_unit"]) == ("Prøve\nmed linje", 5.5, "mmol/L")
