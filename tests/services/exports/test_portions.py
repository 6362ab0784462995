"""Files of people with many records: read in portions, each under the law and in the log, and sent while they are read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from kjerne.services.exports import files
from kjerne.store import finding, handing_out
from services.results.conftest import LAB, NOW, Ward, fresh_number

from .test_api import ASKING, call, record
from .test_bulk import Tree, address, in_files, opened, shut

NDJSON = {"content-type": "application/fhir+ndjson"}


async def many(ward: Ward, number: str, count: int) -> list[str]:
    """The ids of so many new Observations about her, in order."""
    tree = {"resourceType": "Observation", "status": "final", "code": {"text": "Prøve"}}
    lines = b"\n".join([json.dumps(tree).encode()] * count)
    made = await call(ward, LAB, "POST", "/fhir/R4/$import", lines, **NDJSON, **{"person-id": number})
    assert made.status_code == 200, made.text
    return sorted(one["valueUri"].split("/")[1] for one in made.json()["parameter"] if one["name"] == "location")


async def of_three(ward: Ward) -> tuple[list[int], list[str], list[Tree]]:
    """Three people with 7, 2 and no Observations: their keys, the ids of the records, and how an export names them."""
    keys, ids = list[int](), list[str]()
    for count in (7, 2, 0):
        number = fresh_number()
        keys.append(await ward.person(number))
        ids += await many(ward, number, count) if count else []
    return keys, ids, [{"reference": address(ward, key)} for key in keys]


async def logged(ward: Ward, keys: Sequence[int], manifest: Tree) -> tuple[list[str], dict[int, int]]:
    """The ids that the log says have left in this export, and how many rows each person has of it."""
    about = f"export/{manifest['output'][0]['url'].split('/')[-3]}"
    rows = await ward.house.store.pool.fetch(
        "SELECT patient, ids FROM audit WHERE about = $1 AND patient = ANY($2) AND rule = 'exported'", about, keys
    )
    return sorted(str(id_) for row in rows for id_ in row["ids"]), Counter(row["patient"] for row in rows)


@pytest.mark.parametrize(
    ("at_once", "rows"),
    [(1, (7, 2, 1)), (3, (4, 2, 1)), (6, (2, 1, 1)), (9, (2, 1, 1)), (21, (1, 1, 1)), (1_000, (1, 1, 1))],
)
async def test_a_file_holds_each_record_once_however_small_its_portions_and_the_log_names_each_once(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, at_once: int, rows: tuple[int, ...]
) -> None:
    keys, ids, them = await of_three(ward)
    monkeypatch.setattr(files, "PORTION_RECORDS", at_once)
    manifest = await opened(ward, "Patient/$export", *them, _type="Observation")
    assert manifest["error"] == []
    found = await in_files(ward, manifest["output"])
    assert sorted(one["id"] for one in found) == sorted(ids)
    named, counted = await logged(ward, keys, manifest)
    assert named == sorted(ids)
    assert tuple(counted[key] for key in keys) == rows


async def test_a_portion_ends_by_its_bytes_too_and_holds_a_record_that_is_longer_than_they(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, ids, them = await of_three(ward)
    length = await ward.house.store.pool.fetchval(
        "SELECT max(octet_length(body)) FROM record WHERE patient = ANY($1)", keys
    )
    for most, rows in ((1, (7, 2, 1)), (3 * 2 * length, (2, 1, 1)), (9 * length, (1, 1, 1))):
        monkeypatch.setattr(files, "PORTION_BYTES", most)
        manifest = await opened(ward, "Patient/$export", *them, _type="Observation")
        assert sorted(one["id"] for one in await in_files(ward, manifest["output"])) == sorted(ids)
        named, counted = await logged(ward, keys, manifest)
        assert (named, tuple(counted[key] for key in keys)) == (sorted(ids), rows), most


async def test_who_has_two_numbers_goes_on_under_both_and_has_one_row_a_portion(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = fresh_number(), fresh_number()
    keys = [await ward.person(one), await ward.person(other)]
    ids = sorted(await many(ward, one, 3) + await many(ward, other, 4))
    async with ward.house.store.pool.acquire() as conn:
        await ward.house.store.people.link(conn, *keys, "test", "one human", ward.house.clock.now())
    monkeypatch.setattr(files, "PORTION_RECORDS", 4)
    manifest = await opened(ward, "Patient/$export", {"reference": address(ward, keys[0])}, _type="Observation")
    assert sorted(each["id"] for each in await in_files(ward, manifest["output"])) == ids
    named, counted = await logged(ward, keys, manifest)
    assert (named, sum(counted.values())) == (ids, 2)


async def test_what_is_shut_between_two_portions_is_in_none_that_follow(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, ids, them = await of_three(ward)
    monkeypatch.setattr(files, "PORTION_RECORDS", 3)
    fetch, done = handing_out.sealed, list[int]()

    async def shut_after_the_first(*given: Any) -> handing_out.Sealed:
        found = await fetch(*given)
        done.append(len(found.rows))
        return found

    used = files.Files._used

    async def between(*given: Any) -> Any:
        if done:
            await shut(ward, keys[0], "results")
        return await used(*given)

    monkeypatch.setattr(handing_out, "sealed", shut_after_the_first)
    monkeypatch.setattr(files.Files, "_used", between)
    manifest = await opened(ward, "Patient/$export", *them, _type="Observation")
    found = {one["id"] for one in await in_files(ward, manifest["output"])}
    assert len(found & set(ids[:7])) == 1
    assert set(ids[7:]) <= found
    named, _ = await logged(ward, keys, manifest)
    assert named == sorted(found)


async def test_a_long_file_is_sent_while_it_is_read_and_has_no_etag(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids, them = await of_three(ward)
    (file,) = (await opened(ward, "Patient/$export", *them, _type="Observation"))["output"]
    whole = await call(ward, ASKING, "GET", file["url"])
    monkeypatch.setattr(files, "WHOLE_BYTES", len(whole.content) - 1)
    monkeypatch.setattr(files, "PORTION_RECORDS", 6)
    monkeypatch.setattr(handing_out, "AT_ONCE", 1)
    answers: list[httpx.Response] = [
        await call(ward, ASKING, "GET", file["url"], **{"accept-encoding": coding})
        for coding in ("identity", "gzip", "zstd")
    ]
    for answer in answers:
        assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "none")
        assert not {"etag", "content-length"} & set(answer.headers)
        assert sorted(answer.content.splitlines()) == sorted(whole.content.splitlines())
    assert len(whole.content.splitlines()) == len(ids)


async def test_a_check_and_a_list_of_deletions_go_through_all_portions(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids, them = await of_three(ward)
    monkeypatch.setattr(files, "PORTION_RECORDS", 2)
    manifest = await opened(ward, "Patient/$export", *them, _type="Observation", _since=NOW.isoformat())
    report = await call(ward, ASKING, "GET", manifest["output"][0]["url"] + "/validation")
    assert (report.json()["records"], report.json()["wrong"]) == (9, 0)
    for id_ in ids:
        assert (await call(ward, LAB, "DELETE", f"/fhir/R4/Observation/{id_}")).status_code == 204
    told = [one["request"]["url"] for bundle in await in_files(ward, manifest["deleted"]) for one in bundle["entry"]]
    assert sorted(told) == sorted(f"Observation/{id_}" for id_ in ids)


async def test_a_record_that_was_written_between_two_portions_is_told_at_most_once(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = fresh_number()
    key = await ward.person(number)
    ids = await many(ward, number, 5)
    monkeypatch.setattr(files, "PORTION_RECORDS", 2)
    fetch = handing_out.sealed

    async def writing(*given: Any) -> handing_out.Sealed:
        found = await fetch(*given)
        await record(ward, number)
        return found

    monkeypatch.setattr(handing_out, "sealed", writing)
    manifest = await opened(ward, "Patient/$export", {"reference": address(ward, key)}, _type="Observation")
    found = [one["id"] for one in await in_files(ward, manifest["output"])]
    assert set(ids) <= set(found)
    assert max(Counter(found).values()) == 1
    assert (await logged(ward, [key], manifest))[0] == sorted(found)


async def test_a_filter_finds_all_of_who_has_more_than_one_search_looks_at(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, ids, them = await of_three(ward)
    monkeypatch.setattr(finding, "LOOKED_AT_BY_A_FILTER", 2)
    monkeypatch.setattr(files, "PORTION_RECORDS", 6)
    for written, left in (
        ("Observation?code:text=prøve", ids), ("Observation?code:not=urn:c|x", ids), ("Observation?code=urn:c|x", [])
    ):  # fmt: skip
        manifest = await opened(ward, "Patient/$export", *them, _type="Observation", _typeFilter=written)
        assert sorted(one["id"] for one in await in_files(ward, manifest["output"])) == sorted(left), written
        assert (await logged(ward, keys, manifest))[0] == sorted(left)
