"""Stored records held against the rules of today: counts and ids under an export's ground, with nothing of what they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guide_packages import element, package, profile
from kjerne.fhir import shelf
from kjerne.registries.guides import Guides
from services.results.conftest import Ward, fresh_number

from .test_api import ASKING, FIRST, GROUND, approved, asked, call, decided, record

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
