"""Exports of all services, of named patients and of lists that a client keeps: each person and each service under its own law."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from kjerne.access import Caller, Choice
from kjerne.exchange import PatientRef
from kjerne.fhir.smart import limits
from kjerne.store import handing_out, participation, subjects
from participating import a_row
from services.results.conftest import LAB, NOW, Ward, fresh_number, message

from .test_api import ASKING, FIRST, GROUND, SECOND, call, decided, record

FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
FHIR = {"content-type": "application/fhir+json"}
JOURNAL = replace(LAB, client="journal", scopes=frozenset({"kjerne:record-write"}))
Tree = dict[str, Any]


@pytest.fixture(autouse=True)
async def of_the_record(ward: Ward) -> None:
    """The laboratory's organisation sends into the record too."""
    async with ward.house.store.pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM participation WHERE service = 'record'"):
            await participation.add(conn, [a_row(JOURNAL.organisation, "source", service="record")])


def address(ward: Ward, key: int) -> str:
    return f"Patient/{ward.house.store.ids.named(key, 'Patient')}"


async def encounter(ward: Ward, number: str) -> str:
    tree = {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "subject": {"identifier": {"system": FNR, "value": number}},
    }  # fmt: skip
    made = await call(ward, JOURNAL, "POST", "/fhir/R4/Encounter", json.dumps(tree).encode(), **FHIR)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def kicked(ward: Ward, path: str, *named: Tree, caller: Caller = ASKING, **said: str) -> httpx.Response:
    rows = [
        {"name": name, "valueString": value}
        for name, value in ({"ground": GROUND, "recipient": "Folkehelseinstituttet"} | said).items()
    ]
    rows += [{"name": "patient", "valueReference": one} for one in named]
    body = json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()
    return await call(ward, caller, "POST", f"/fhir/R4/{path}", body, prefer="respond-async")


async def opened(ward: Ward, path: str, *named: Tree, **said: str) -> Tree:
    """The manifest of an export that two have approved."""
    answer = await kicked(ward, path, *named, **said)
    assert answer.status_code == 202, answer.text
    place = answer.headers["content-location"]
    for one in (FIRST, SECOND):
        assert (await decided(ward, one, place)).status_code == 200
    found: Tree = (await call(ward, ASKING, "GET", place)).json()
    return found


async def in_files(ward: Ward, files: list[Tree]) -> list[Tree]:
    answers = [await call(ward, ASKING, "GET", one["url"]) for one in files]
    assert {one.status_code for one in answers} <= {200}
    return [json.loads(line) for one in answers for line in one.content.splitlines()]


async def shut(ward: Ward, key: int, service: str, kind: str = "opt-out") -> None:
    async with ward.house.store.pool.acquire() as conn:
        await ward.house.store.people.add_choice(conn, key, Choice(kind, service, "", "", NOW, None))  # type: ignore[arg-type]


async def rules(ward: Ward, key: int) -> set[tuple[str, str]]:
    rows = await ward.house.store.pool.fetch(
        "SELECT service, rule FROM audit WHERE patient = $1 AND action = 'export'", key
    )
    return {(row["service"], row["rule"]) for row in rows}


async def test_each_service_is_left_out_by_its_own_choices_and_logged_in_its_own_name(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    observed, met = await record(ward, number), await encounter(ward, number)
    her = {"reference": address(ward, key)}
    types = "Observation,Encounter,Patient"
    before = await in_files(ward, (await opened(ward, "Patient/$export", her, _type=types))["output"])
    assert {one["id"] for one in before} == {observed, met, her["reference"].partition("/")[2]}
    await shut(ward, key, "results")
    after = await in_files(ward, (await opened(ward, "Patient/$export", her, _type=types))["output"])
    assert {one["resourceType"] for one in after} == {"Encounter", "Patient"}
    # Who she is leaves under the law of whichever service lets her out first.
    assert await rules(ward, key) == {
        ("results", "exported"), ("record", "exported"), ("results", "export-after-opt-out"),
        ("critical-information", "exported"),
    }  # fmt: skip
    await shut(ward, key, "record", "restriction")
    await shut(ward, key, "critical-information")
    nothing = await opened(ward, "Patient/$export", her, _type=types)
    assert await in_files(ward, nothing["output"]) == []
    assert len(nothing["output"]) == 3, "what is shut is not told by a file that is missing"


async def test_a_type_that_two_services_keep_leaves_under_the_law_of_each(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    tree = {
        "resourceType": "Condition",
        "subject": {"identifier": {"system": FNR, "value": number}},
        "code": {"text": "Gikt"},
    }
    made = await call(ward, JOURNAL, "POST", "/fhir/R4/Condition", json.dumps(tree).encode(), **FHIR)
    assert made.status_code == 201, made.text
    her = {"reference": address(ward, key)}
    since = {"_type": "Condition", "_since": NOW.isoformat()}
    before = await opened(ward, "Patient/$export", her, **since)
    assert [one["id"] for one in await in_files(ward, before["output"])] == [made.json()["id"]]
    assert await rules(ward, key) == {("record", "exported"), ("critical-information", "exported")}
    gone = await call(ward, JOURNAL, "DELETE", f"/fhir/R4/Condition/{made.json()['id']}")
    assert gone.status_code == 204, gone.text
    after = await opened(ward, "Patient/$export", her, **since)
    (bundle,) = await in_files(ward, after["deleted"])
    assert [one["request"]["url"] for one in bundle["entry"]] == [f"Condition/{made.json()['id']}"]


async def test_what_names_nobody_is_told_among_others_whose_it_is_and_what_names_her_stays_as_it_was_sent(
    ward: Ward,
) -> None:
    number, other = fresh_number(), fresh_number()
    keys = {one: await ward.person(one) for one in (number, other)}
    named = await record(ward, number)
    unnamed = {}
    for one, key in keys.items():
        tree = {"resourceType": "Observation", "status": "final", "code": {"text": "Prøve"}}
        sent = json.dumps(tree, indent=1).encode() + b"\n "
        made = await call(ward, LAB, "POST", "/fhir/R4/Observation", sent, **FHIR, **{"person-id": one})
        assert made.status_code == 201, made.text
        unnamed[made.json()["id"]] = {"reference": address(ward, key)}
    them = [{"reference": address(ward, key)} for key in keys.values()]
    found = await in_files(ward, (await opened(ward, "Patient/$export", *them, _type="Observation"))["output"])
    assert {one["id"]: one["subject"] for one in found} == unnamed | {
        named: {"identifier": {"system": FNR, "value": number}}
    }


async def test_whom_a_number_leads_to_nobody_learns_and_who_is_named_twice_is_there_once(ward: Ward) -> None:
    number, nobodys = fresh_number(), fresh_number()
    key = await ward.person(number)
    id_ = await record(ward, number)
    by_number = {"identifier": {"system": FNR, "value": number}}
    stranger = {"identifier": {"system": FNR, "value": nobodys}}
    known = await opened(ward, "Patient/$export", by_number, _type="Observation")
    unknown = await opened(ward, "Patient/$export", stranger, _type="Observation")
    assert len(known["output"]) == len(unknown["output"]) == 1
    assert await in_files(ward, unknown["output"]) == []
    several = [stranger] * 19 + [by_number, {"reference": address(ward, key)}]
    twice = await opened(ward, "Patient/$export", *several, _type="Observation")
    assert len(twice["output"]) == 2
    assert [one["id"] for one in await in_files(ward, twice["output"])] == [id_]
    kept = await ward.house.store.pool.fetch("SELECT cohort FROM export WHERE cohort IS NOT NULL")
    assert not any(ward.house.digest(number) in row["cohort"] for row in kept)


async def test_an_export_that_is_over_forgets_whom_it_named(ward: Ward) -> None:
    her = {"reference": address(ward, await ward.person(fresh_number()))}
    ended, refused, old = [(await kicked(ward, "Patient/$export", her)).headers["content-location"] for _ in range(3)]
    assert (await call(ward, ASKING, "DELETE", ended)).status_code == 202
    assert (await decided(ward, FIRST, refused, "refuse", "Vedtaket dekker ikke dette")).status_code == 200
    for one in (FIRST, SECOND):
        await decided(ward, one, old)

    async def names(place: str) -> bool:
        number = int(place.rpartition("/")[2])
        return bool(await ward.house.store.pool.fetchval("SELECT cohort FROM export WHERE number = $1", number))

    assert [await names(one) for one in (ended, refused, old)] == [False, False, True]
    ward.house.clock.move(timedelta(days=8))  # type: ignore[attr-defined]
    await kicked(ward, "$export")
    assert not await names(old)
    assert (await call(ward, ASKING, "GET", f"{old}/files/Observation-0")).status_code == 410


async def test_since_gives_what_was_changed_and_tells_what_was_deleted_where_it_stood_open(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    old, gone, hidden = [await record(ward, number) for _ in range(3)]
    ward.house.clock.move(timedelta(hours=1))  # type: ignore[attr-defined]
    since = ward.house.clock.now().isoformat()
    new = await record(ward, number)
    await ward.house.store.pool.execute("UPDATE record SET labels = 1 WHERE id = $1", hidden)
    for id_ in (gone, hidden):
        assert (await call(ward, LAB, "DELETE", f"/fhir/R4/Observation/{id_}")).status_code == 204
    manifest = await opened(
        ward, "Patient/$export", {"reference": address(ward, key)}, _type="Observation", _since=since
    )
    assert [one["id"] for one in await in_files(ward, manifest["output"])] == [new]
    (bundle,) = await in_files(ward, manifest["deleted"])
    assert bundle["type"] == "transaction"
    assert [one["request"] for one in bundle["entry"]] == [{"method": "DELETE", "url": f"Observation/{gone}"}]
    named = await ward.house.store.pool.fetch("SELECT ids FROM audit WHERE patient = $1 AND rule = 'exported'", key)
    assert sorted(str(id_) for row in named for id_ in row["ids"]) == sorted([new, gone])
    assert old not in str(manifest)
    assert hidden not in str(bundle)


async def test_what_was_taken_from_a_wrong_person_is_told_as_deleted_where_it_stood_open(ward: Ward) -> None:
    wrong, right = fresh_number(), fresh_number()
    key, _ = [await ward.person(one) for one in (wrong, right)]
    named = {"reference": address(ward, key)}

    async def sent(number: str, name: str, **more: str) -> None:
        taken = await ward.house.intake.take(message(number, "4.1", id_=name, **more), LAB, ward.admit(LAB))
        assert taken.accepted, taken.faults

    names = [f"moved-{uuid4().hex[:8]}", f"hidden-{uuid4().hex[:8]}"]
    for name in names:
        await sent(wrong, name)
    all_ = await opened(ward, "Patient/$export", named, _type="Observation")
    first, second = [one["id"] for one in await in_files(ward, all_["output"])]
    await ward.house.store.pool.execute("UPDATE record SET labels = 1 WHERE id = $1", second)
    ward.house.clock.move(timedelta(hours=1))  # type: ignore[attr-defined]
    since = ward.house.clock.now().isoformat()
    for name in names:
        await sent(right, name, service="M")
    manifest = await opened(ward, "Patient/$export", named, _type="Observation", _since=since)
    (bundle,) = await in_files(ward, manifest["deleted"])
    assert [one["request"] for one in bundle["entry"]] == [{"method": "DELETE", "url": f"Observation/{first}"}]
    ward.house.clock.move(timedelta(hours=1))  # type: ignore[attr-defined]
    later = ward.house.clock.now().isoformat()
    manifest = await opened(ward, "Patient/$export", named, _type="Observation", _since=later)
    assert await in_files(ward, manifest["deleted"]) == []


async def test_a_manifest_says_what_bulk_data_wants_of_it(ward: Ward) -> None:
    query = (
        f"_type=Observation&_outputFormat=ndjson&ground={GROUND.replace(' ', '%20')}&recipient=Folkehelseinstituttet"
    )
    answer = await call(ward, ASKING, "GET", f"/fhir/R4/$export?{query}", prefer="respond-async")
    assert answer.status_code == 202, answer.text
    place = answer.headers["content-location"]
    waiting = await call(ward, ASKING, "GET", place)
    assert {"x-progress", "retry-after"} <= waiting.headers.keys()
    for one in (FIRST, SECOND):
        await decided(ward, one, place)
    told = await call(ward, ASKING, "GET", place)
    manifest = told.json()
    assert manifest.keys() == {"transactionTime", "request", "requiresAccessToken", "output", "deleted", "error"}
    assert manifest["request"].partition("?")[0].endswith("/fhir/R4/$export")
    assert manifest["transactionTime"] < ward.house.clock.now().isoformat()
    assert "expires" in told.headers
    assert manifest["deleted"] == manifest["error"] == []


async def test_the_rest_of_a_file_is_given_while_the_file_is_what_it_was(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    await record(ward, number)
    (file,) = (await opened(ward, "Patient/$export", {"reference": address(ward, key)}, _type="Observation"))["output"]
    whole = await call(ward, ASKING, "GET", file["url"])
    tag, length = whole.headers["etag"], len(whole.content)

    async def ranged(text: str, tag: str = tag) -> httpx.Response:
        return await call(ward, ASKING, "GET", file["url"], **{"range": text, "if-range": tag})

    for text, span in (
        ("bytes=10-", slice(10, None)),
        ("bytes=0-4", slice(0, 5)),
        ("bytes=-7", slice(length - 7, None)),
    ):
        part = await ranged(text)
        assert (part.status_code, part.content) == (206, whole.content[span]), text
        assert part.headers["content-range"].endswith(f"/{length}")
    assert (await ranged(f"bytes={length}-")).status_code == 416
    for text in ("bytes=0-1,3-4", "lines=1-", "bytes=x-", "bytes=-"):
        assert (await ranged(text)).status_code == 200
    await record(ward, number)
    changed = await ranged("bytes=10-")
    assert (changed.status_code, len(changed.content.splitlines())) == (200, 2)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_what_began_plain_goes_on_plain_and_what_began_packed_goes_on_packed(ward: Ward, coding: str) -> None:
    number = fresh_number()
    key = await ward.person(number)
    for _ in range(12):
        await record(ward, number)
    (file,) = (await opened(ward, "Patient/$export", {"reference": address(ward, key)}, _type="Observation"))["output"]

    async def got(accept: str, **more: str) -> tuple[httpx.Response, bytes]:
        """The answer, and its bytes as they came."""
        async with ward.client(ASKING) as client:
            request = client.build_request("GET", file["url"], headers={"accept-encoding": accept} | more)
            answer = await client.send(request, stream=True)
            return answer, b"".join([one async for one in answer.aiter_raw()])

    (packed, all_packed), (plain, all_plain) = [await got(one) for one in (coding, "identity")]
    assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == (coding, False)
    tag, of_packed = plain.headers["etag"], packed.headers["etag"]
    assert of_packed.startswith(tag[:-1] + "-")
    assert of_packed.endswith(f'-{coding}"')
    for accept, first, tagged, whole in (
        (coding, 100, tag, all_plain), ("identity", 100, tag, all_plain), (coding, 50, of_packed, all_packed),
        (coding, len(all_packed) - 1, of_packed, all_packed),
    ):  # fmt: skip
        rest, body = await got(accept, **{"range": f"bytes={first}-", "if-range": tagged})
        assert (rest.status_code, rest.headers["etag"]) == (206, tagged)
        assert rest.headers.get("content-encoding", "") == (coding if tagged == of_packed else "")
        assert rest.headers["content-range"] == f"bytes {first}-{len(whole) - 1}/{len(whole)}"
        assert whole[:first] + body == whole
    beyond, _ = await got(coding, **{"range": f"bytes={len(all_packed)}-", "if-range": of_packed})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(all_packed)}")
    none, _ = await got(coding, **{"range": "bytes=5-2", "if-range": of_packed})
    assert none.status_code == 200, "what ends before it begins is no range"
    anew, body = await got("identity", **{"range": "bytes=50-", "if-range": of_packed})
    assert (anew.status_code, body) == (200, all_plain), "what is taken in another coding is no rest of it"
    await record(ward, number)
    changed, _ = await got(coding, **{"range": "bytes=50-", "if-range": of_packed})
    assert (changed.status_code, changed.headers["etag"] == of_packed) == (200, False)


async def test_files_that_are_fetched_at_once_hold_each_its_own(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_out, "AT_ONCE", 1)
    places = []
    for _ in range(3):
        number = fresh_number()
        her = {"reference": address(ward, await ward.person(number))}
        ids = sorted([await record(ward, number) for _ in range(3)])
        (file,) = (await opened(ward, "Patient/$export", her, _type="Observation"))["output"]
        places.append((file, ids))
    found = await asyncio.gather(*(in_files(ward, [file]) for file, _ in places))
    assert [[one["id"] for one in each] for each in found] == [ids for _, ids in places]


async def test_facts_of_all_in_a_file_are_read_at_once_and_a_refusal_reads_them_anew(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [await ward.person(fresh_number()) for _ in range(4)]
    await shut(ward, keys[3], "results")
    named = [{"reference": address(ward, key)} for key in keys]
    (file,) = (await opened(ward, "Patient/$export", *named, _type="Observation"))["output"]
    asked: list[int] = []
    load = subjects.load

    async def counted(conn: Any, ref: PatientRef, *more: Any) -> Any:
        asked.append(ref.key)
        return await load(conn, ref, *more)

    monkeypatch.setattr(subjects, "load", counted)
    assert await in_files(ward, [file]) == []
    assert asked == [keys[3]]
    assert [await rules(ward, key) for key in keys] == [{("results", "exported")}] * 3 + [
        {("results", "export-after-opt-out")}
    ]


async def test_a_fact_that_changes_while_a_file_is_read_counts(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for number in (fresh_number(), fresh_number()):
        keys.append(await ward.person(number))
        await record(ward, number)
    named = [{"reference": address(ward, key)} for key in keys]
    (file,) = (await opened(ward, "Patient/$export", *named, _type="Observation"))["output"]
    api = next(one.handler.__self__ for one in ward.house.routes() if one.path.endswith("/files/{file}"))  # type: ignore[attr-defined]
    reads: Callable[..., Awaitable[list[bytes]]] = type(api.files)._records

    async def meanwhile(*asked: Any) -> list[bytes]:
        monkeypatch.undo()
        await shut(ward, keys[1], "results")
        return await reads(*asked)

    monkeypatch.setattr(type(api.files), "_records", meanwhile)
    found = await in_files(ward, [file])
    assert len(found) == 1
    assert await rules(ward, keys[1]) == {("results", "export-after-opt-out")}
    assert await rules(ward, keys[0]) == {("results", "exported")}


async def test_scopes_that_leave_some_records_leave_those_alone_in_a_file(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    code = [{"system": "urn:c", "code": "x"}]
    await record(ward, number)
    id_ = await record(ward, number, code={"coding": code})
    narrow = replace(ASKING, limits=limits(["system/Observation.r?code=urn:c|x"], "system"))
    answer = await kicked(
        ward, "Patient/$export", {"reference": address(ward, key)}, caller=narrow, _type="Observation"
    )
    place = answer.headers["content-location"]
    for one in (FIRST, SECOND):
        await decided(ward, one, place)
    files = (await call(ward, narrow, "GET", place)).json()["output"]
    answers = [await call(ward, narrow, "GET", one["url"]) for one in files]
    assert [json.loads(line)["id"] for one in answers for line in one.content.splitlines()] == [id_]


async def test_a_filter_lets_out_what_answers_one_of_its_searches_and_the_log_names_that_alone(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    code = [{"coding": [{"system": "urn:c", "code": one}]} for one in ("x", "y", "z")]
    first, second, third = [await record(ward, number, code=one, status="final") for one in code]
    met = await encounter(ward, number)
    her = {"reference": address(ward, key)}
    for written, left in (
        ("Observation?code=urn:c|x", {first, met}),
        ("Observation?code=urn:c|x,urn:c|y", {first, second, met}),
        ("Observation?code=urn:c|x,Observation?code=urn:c|z&status=final", {first, third, met}),
        ("Observation?code=urn:c|x&status=amended,Encounter?status=finished", {met}),
        ("Observation?code:not=urn:c|x,Encounter?status=planned", {second, third}),
        ("Observation?_id=" + third, {third, met}),
    ):
        manifest = await opened(ward, "Patient/$export", her, _type="Observation,Encounter", _typeFilter=written)
        assert {one["id"] for one in await in_files(ward, manifest["output"])} == left, written
        about = f"export/{manifest['output'][0]['url'].split('/')[-3]}"
        rows = await ward.house.store.pool.fetch(
            "SELECT service, ids FROM audit WHERE patient = $1 AND about = $2", key, about
        )
        assert {str(id_) for row in rows for id_ in row["ids"]} == left
        assert sorted(row["service"] for row in rows) == ["record", "results"]


async def test_a_filter_opens_nothing_that_the_law_or_the_token_shuts(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    code = {"coding": [{"system": "urn:c", "code": "x"}]}
    await record(ward, number, code=code)
    said = {"_type": "Observation", "_typeFilter": "Observation?code=urn:c|x"}
    await shut(ward, key, "results")
    manifest = await opened(ward, "Patient/$export", {"reference": address(ward, key)}, **said)
    assert await in_files(ward, manifest["output"]) == []
    other = fresh_number()
    her = {"reference": address(ward, await ward.person(other))}
    id_ = await record(ward, other, code=code)
    answers = []
    for scope in ("system/Observation.r?code=urn:c|x", "system/Observation.r?code=urn:c|z"):
        narrow = replace(ASKING, limits=limits([scope], "system"))
        place = (await kicked(ward, "Patient/$export", her, caller=narrow, **said)).headers["content-location"]
        for one in (FIRST, SECOND):
            await decided(ward, one, place)
        (file,) = (await call(ward, narrow, "GET", place)).json()["output"]
        answers.append((await call(ward, narrow, "GET", file["url"])).content.splitlines())
    assert [[json.loads(line)["id"] for line in lines] for lines in answers] == [[id_], []]


async def test_who_approves_an_export_sees_its_filters(ward: Ward) -> None:
    written = "Observation?code=urn:c|x", "Encounter?status=finished"
    answer = await kicked(ward, "$export", _type="Observation,Encounter", _typeFilter=",".join(written))
    number = int(answer.headers["content-location"].rpartition("/")[2])
    listed = (await call(ward, FIRST, "GET", "/exports")).json()["exports"]
    assert [one["filters"] for one in listed if one["number"] == number] == [list(written)]
    said = "ground=" + quote(GROUND) + "&recipient=Folkehelseinstituttet&_type=Observation"
    path = f"/fhir/R4/$export?{said}&_typeFilter=" + quote("Observation?code=a&status=final")
    got = await call(ward, ASKING, "GET", path, prefer="respond-async")
    assert got.status_code == 202, got.text
    newest = (await call(ward, FIRST, "GET", "/exports")).json()["exports"]
    assert ["Observation?code=a&status=final"] in [one.get("filters") for one in newest]


@pytest.mark.parametrize(
    ("written", "status"),
    [("Observation", 400), ("Observation?", 400), ("?code=x", 422), ("Observation?code", 400), ("Observation?nonsense=x", 400),
     ("Encounter?status=finished", 422), ("Patient?family=x", 400), ("Observation?code=x&_sort=date", 400),
     ("Observation?code=x&_include=Observation:specimen", 400), ("Observation?specimen.type=x", 400),
     ("Observation?_has:DiagnosticReport:result:status=final", 400), ("Observation?patient=Patient/1", 400),
     ("Observation?identifier=NUMBER", 422), ("Observation?_count=1", 400), ("Nonsense?code=x", 422),
     ("Observation?code=x,Encounter?status=finished", 422), ("Observation?code=" + "x" * 1_000, 400),
     (",".join(f"Observation?code={place}" for place in range(21)), 400)],
)  # fmt: skip
async def test_a_filter_that_cannot_be_carried_out_is_refused_before_anything_is_asked_for(
    ward: Ward, written: str, status: int
) -> None:
    before = await ward.house.store.pool.fetchval("SELECT count(*) FROM export")
    answer = await kicked(
        ward, "$export", _type="Observation,Patient", _typeFilter=written.replace("NUMBER", fresh_number())
    )
    assert answer.status_code == status, answer.text
    assert await ward.house.store.pool.fetchval("SELECT count(*) FROM export") == before


UNDERSTOOD_BY_NOBODY: tuple[tuple[str, dict[str, str], int, str], ...] = (
    ("$export?_typeFilter=Observation%3Fcode%3Dx", {}, 400, "query"), ("$export", {"_elements": "x"}, 400, "parameter"),
    ("$export", {"_since": "in the spring"}, 400, "_since"), ("$export", {"_outputFormat": "csv"}, 400, "_outputFormat"),
    ("$export", {"patient": "Patient/1"}, 400, "parameter"), ("$export", {"ground": "§"}, 422, "ground"),
    ("Patient/$export", {"patient": "Patient/1"}, 422, "parameter[2]"),
    ("Group/none/$export", {}, 404, "id"), (f"Group/{uuid4()}/$export", {}, 404, "id"),
)  # fmt: skip


async def test_a_kick_off_that_is_not_understood_is_refused_with_its_place(ward: Ward) -> None:
    for path, said, status, where in UNDERSTOOD_BY_NOBODY:
        answer = await kicked(ward, path, **said)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (status, [where]), (path, said)


def a_list(*members: Tree, **more: Any) -> bytes:
    tree = {"resourceType": "Group", "type": "person", "actual": True} | more
    return json.dumps(tree | ({"member": list(members)} if members else {})).encode()


async def test_a_list_is_its_clients_alone_sealed_and_gone_when_it_is_deleted(ward: Ward) -> None:
    number = fresh_number()
    key = await ward.person(number)
    sent = a_list({"entity": {"identifier": {"system": FNR, "value": number}}}, name="Et utvalg")
    made = await call(ward, ASKING, "POST", "/fhir/R4/Group", sent, **FHIR)
    assert made.status_code == 201, made.text
    at = f"/fhir/R4/Group/{made.json()['id']}"
    assert (await call(ward, ASKING, "GET", at)).json()["name"] == "Et utvalg"
    for other in (FIRST, Caller("system", "another", ASKING.scopes), replace(ASKING, organisation="100000008")):
        assert (await call(ward, other, "GET", at)).status_code == 404
        assert (await call(ward, other, "DELETE", at)).status_code == 404
        assert (await kicked(ward, f"{at.removeprefix('/fhir/R4/')}/$export", caller=other)).status_code == 404
    for other in (LAB, ward.doctor(number)):
        assert (await call(ward, other, "GET", at)).status_code == 403
    row = await ward.house.store.pool.fetchrow("SELECT * FROM patient_group WHERE id = $1", made.json()["id"])
    assert number.encode() not in row["body"]
    assert b"utvalg" not in row["body"]
    changed = a_list(id=made.json()["id"])
    assert (await call(ward, ASKING, "PUT", at, changed, **FHIR)).status_code == 428
    assert (await call(ward, ASKING, "PUT", at, changed, **FHIR, **{"if-match": 'W/"2"'})).status_code == 412
    assert (await call(ward, ASKING, "PUT", at, changed, **FHIR, **{"if-match": 'W/"1"'})).status_code == 200
    assert [(await call(ward, ASKING, "DELETE", at)).status_code for _ in range(2)] == [204, 204]
    assert (await call(ward, ASKING, "GET", at)).status_code == 410
    rows = await ward.house.store.pool.fetch(
        "SELECT a.patient, a.rule, g.body FROM audit a JOIN patient_group g ON a.about = 'group/' || g.id WHERE g.id = $1 "
        "ORDER BY a.rule",
        made.json()["id"],
    )
    assert [row["rule"] for row in rows] == ["group-deleted", "group-read", "group-written", "group-written"]
    assert {(row["patient"], row["body"]) for row in rows} == {(0, None)}
    assert await rules(ward, key) == set()


async def test_an_export_of_a_list_is_of_who_stood_on_it_when_it_was_asked_for(ward: Ward) -> None:
    people = [(number, await ward.person(number)) for number in (fresh_number() for _ in range(4))]
    ids = [await record(ward, number) for number, _ in people]
    (_, first), (second, _), (_, left), (_, over) = people
    members = (
        {"entity": {"reference": address(ward, first)}},
        {"entity": {"identifier": {"system": FNR, "value": second}}},
        {"entity": {"reference": address(ward, left)}, "inactive": True},
        {"entity": {"reference": address(ward, over)}, "period": {"end": "2026-03-01"}},
    )
    made = (await call(ward, ASKING, "POST", "/fhir/R4/Group", a_list(*members), **FHIR)).json()
    manifest = await opened(ward, f"Group/{made['id']}/$export", _type="Observation")
    await call(ward, ASKING, "DELETE", f"/fhir/R4/Group/{made['id']}")
    assert [one["id"] for one in await in_files(ward, manifest["output"])] == ids[:2]


NAMING_NOBODY = (
    (a_list(type="animal"), "Group.type"), (a_list(actual=False), "Group.type"),
    (a_list({"entity": {"reference": f"Patient/{uuid4()}"}}), "Group.member[0].entity"),
    (a_list({"entity": {"reference": "Practitioner/1"}}), "Group.member[0].entity"),
    (a_list({"entity": {"identifier": {"system": FNR, "value": "12345678901"}}}), "Group.member[0].entity"),
    (a_list({"entity": {"display": "Kari"}}), "Group.member[0].entity"),
)  # fmt: skip


async def test_what_is_an_extension_alone_and_digits_of_other_scripts_are_refused(ward: Ward) -> None:
    extended = {"extension": [{"url": "http://x.example/e", "valueString": "y"}]}
    for more in ({"type": "person", "_actual": extended}, {"_type": extended, "actual": True}):
        body = json.dumps({"resourceType": "Group"} | more).encode()
        assert (await call(ward, ASKING, "POST", "/fhir/R4/Group", body, **FHIR)).status_code == 422
    assert (await call(ward, ASKING, "GET", "/exports/%C2%B2")).status_code == 404


async def test_a_list_that_names_nobody_as_one_must_is_refused_with_its_place(ward: Ward) -> None:
    for body, where in NAMING_NOBODY:
        answer = await call(ward, ASKING, "POST", "/fhir/R4/Group", body, **FHIR)
        assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, [where]), body
