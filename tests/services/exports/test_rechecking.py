"""Stored records held against the rules of today: counts and ids under an export's ground, with nothing of what they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from guide_packages import element, package, profile
from kjerne.access import Caller
from kjerne.fhir import shelf
from kjerne.registries.guides import Guides
from kjerne.store import participation
from participating import a_row
from services.results.conftest import LAB, Ward, fresh_number

from .test_api import ASKING, FIRST, GROUND, SECOND, approved, asked, call, decided, record
from .test_bulk import shut

URL = "http://example.org/rechecked"


def asked_since(ward: Ward, folder: Path, *, strength: str = "required") -> None:
    """A guide and a set that were not there when the records were written."""
    shelf.add(folder, package(profile("Observation", element("Observation.note", 1), url=URL)))
    sets = folder / "profiles.toml"
    sets.write_text(
        f'[[ask]]\nservice="results"\ntype="Observation"\nprofile="{URL}"\nstrength="{strength}"\n', "utf-8"
    )
    ward.house.guides = Guides(folder, sets)


async def reports(ward: Ward, place: str) -> list[dict[str, Any]]:
    """The report of every file, of which none has a word of a record."""
    manifest = (await call(ward, ASKING, "GET", place)).json()
    answers = [await call(ward, ASKING, "GET", f"{file['url']}/validation") for file in manifest["output"]]
    assert {one.status_code for one in answers} == {200}
    assert all("Prøve" not in one.text for one in answers)
    return [one.json() for one in answers]


async def test_what_does_not_keep_to_todays_rules_is_counted_by_kind_and_named_by_id(
    ward: Ward, tmp_path: Path
) -> None:
    number, other = fresh_number(), fresh_number()
    key = await ward.person(number)
    await ward.person(other)
    wrong = [await record(ward, number), await record(ward, other)]
    right = await record(ward, number, note=[{"text": "x"}])
    place = await approved(ward)
    asked_since(ward, tmp_path)
    found = await reports(ward, place)
    kinds = [kind for one in found for kind in one["kinds"]]
    assert {(one["severity"], one["profile"], one["rule"], one["expression"]) for one in kinds} == {
        ("error", URL, "profile-cardinality", "Observation.note")
    }
    told = [id_ for kind in kinds for id_ in kind["ids"]]
    assert set(wrong) <= set(told)
    assert right not in told
    assert sum(one["wrong"] for one in found) == len(told) == sum(kind["count"] for kind in kinds)
    async with ward.house.store.pool.acquire() as conn:
        rows = await conn.fetch("SELECT about, reason FROM audit WHERE patient = $1 AND action = 'export'", key)
    assert (f"export/{place.rpartition('/')[2]}", GROUND) in {tuple(row) for row in rows}


async def test_what_is_only_advised_makes_no_record_wrong(ward: Ward, tmp_path: Path) -> None:
    number = fresh_number()
    await ward.person(number)
    id_ = await record(ward, number)
    place = await approved(ward)
    asked_since(ward, tmp_path, strength="warn")
    found = await reports(ward, place)
    assert sum(one["wrong"] for one in found) == 0
    assert id_ in [one for report in found for kind in report["kinds"] for one in kind["ids"]]
    assert {kind["severity"] for report in found for kind in report["kinds"]} == {"warning"}


async def test_a_report_asks_for_the_approvals_that_the_file_does(ward: Ward) -> None:
    place = (await asked(ward)).headers["content-location"]
    file = f"{place}/files/Observation-0/validation"
    assert (await call(ward, ASKING, "GET", file)).status_code == 403
    assert (await decided(ward, FIRST, place)).status_code == 200
    assert (await call(ward, ASKING, "GET", file)).status_code == 403
    assert (await call(ward, FIRST, "GET", file)).status_code == 404


BURSAR = replace(LAB, client="bursar", scopes=frozenset({"kjerne:settlement-write"}))
FNR = "urn:oid:2.16.578.1.12.4.1.4.1"


async def account(ward: Ward, number: str, **more: Any) -> str:
    """What somebody owes, sent in by a system of an organisation that takes part in settlement."""
    async with ward.house.store.pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM participation WHERE service = 'settlement'"):
            await participation.add(conn, [a_row(BURSAR.organisation, "source", service="settlement")])
    who = {"identifier": {"system": FNR, "value": number}}
    tree = {"resourceType": "Account", "status": "active", "subject": [who]} | more
    headers = {"content-type": "application/fhir+json"}
    made = await call(ward, BURSAR, "POST", "/fhir/R4/Account", json.dumps(tree).encode(), **headers)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def to_check(ward: Ward, **said: str) -> str:
    """The address of a check that two have approved."""
    kicked = await asked(ward, purpose="check", **said)
    assert kicked.status_code == 202, kicked.text
    place = kicked.headers["content-location"]
    for one in (FIRST, SECOND):
        assert (await decided(ward, one, place)).status_code == 200
    return place


async def rows_of(ward: Ward, key: int, action: str) -> set[tuple[str, str, str, str]]:
    async with ward.house.store.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT service, rule, about, reason FROM audit WHERE patient = $1 AND action = $2", key, action
        )
    return {tuple(row) for row in rows}


async def test_a_service_that_is_not_exported_is_checked_and_no_file_of_it_is_given(ward: Ward, tmp_path: Path) -> None:
    number = fresh_number()
    key = await ward.person(number)
    wrong, right = await account(ward, number), await account(ward, number, name="x")
    assert (await asked(ward, _type="Account")).status_code == 422
    place = await to_check(ward, _type="Account")
    shelf.add(tmp_path, package(profile("Account", element("Account.name", 1), url=URL)))
    sets = tmp_path / "profiles.toml"
    sets.write_text(f'[[ask]]\nservice="settlement"\ntype="Account"\nprofile="{URL}"\nstrength="required"\n', "utf-8")
    ward.house.guides = Guides(tmp_path, sets)
    told = [kind for one in await reports(ward, place) for kind in one["kinds"]]
    assert {(kind["rule"], kind["expression"]) for kind in told} == {("profile-cardinality", "Account.name")}
    ids = [one for kind in told for one in kind["ids"]]
    assert (wrong in ids, right in ids) == (True, False)
    about = f"export/{place.rpartition('/')[2]}"
    assert await rows_of(ward, key, "recheck") == {("settlement", "rechecked", about, GROUND)}
    for file in (await call(ward, ASKING, "GET", place)).json()["output"]:
        refused = await call(ward, ASKING, "GET", file["url"])
        assert (refused.status_code, "to be checked" in refused.text) == (403, True)
    assert await rows_of(ward, key, "export") == set()


async def test_a_check_leaves_out_what_she_has_shut_in_its_service_with_a_row(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    await account(ward, number)
    await record(ward, number)
    await shut(ward, key, "settlement")
    place = await to_check(ward, _type="Account,Observation")
    await reports(ward, place)
    assert {(row[0], row[1]) for row in await rows_of(ward, key, "recheck")} == {
        ("settlement", "recheck-after-opt-out"), ("results", "rechecked"),
    }  # fmt: skip


async def test_a_purpose_is_one_of_two_and_the_listing_says_which(ward: Ward) -> None:
    assert (await asked(ward, purpose="curiosity")).status_code == 422
    testing = Caller("system", "tests", frozenset({"kjerne:all-patients"}))
    assert (await asked(ward, testing, purpose="check")).status_code == 403
    place, other = await to_check(ward), await approved(ward)
    listed = (await call(ward, FIRST, "GET", "/exports")).json()["exports"]
    purposes = {f"/exports/{one['number']}": one["purpose"] for one in listed}
    assert [purposes[one[one.index("/exports") :]] for one in (place, other)] == ["check", "export"]
