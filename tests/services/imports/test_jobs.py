"""An import in parts: its manifest, the state, each part once, and what is told of all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx
import pytest

from kjerne.errors import Refusal
from kjerne.services.imports.lines import Crew
from kjerne.store import import_jobs
from kjerne.store.import_jobs import OPEN_LIMIT
from kjerne.store.pool import open_pool
from platform_fixture import Standing
from services.imports.test_api import INLINE_LINES, issues, potassium, records, told
from words import fresh

SOURCE = "https://elsewhere.example/fhir"


def part(name: str = "", type_: str = "Observation", **more: Any) -> dict[str, Any]:
    return {"type": type_, "url": name or f"{uuid4()}.ndjson", **more}


def ask(
    platform: Standing, parts: Sequence[dict[str, Any]], *, as_: str = "lab", key: str = "", **more: Any
) -> httpx.Response:
    tree = {"inputFormat": "application/fhir+ndjson", "inputSource": SOURCE, "input": list(parts), **more}
    headers = {"content-type": "application/json", "prefer": "respond-async"} | (
        {"idempotency-key": key} if key else {}
    )
    answer: httpx.Response = platform.client.call(
        "POST", "/fhir/R4/$import", as_=as_, body=json.dumps(tree).encode(), headers=headers
    )
    return answer


def begun(platform: Standing, *parts: dict[str, Any], as_: str = "lab") -> str:
    """The path of the state of a new import."""
    answer = ask(platform, parts, as_=as_)
    assert (answer.status_code, answer.content) == (202, b"")
    address: str = answer.headers["content-location"]
    assert address.startswith(f"{platform.url}/imports/")
    return address.removeprefix(platform.url)


def put(
    platform: Standing, at: str, place: int, lines: Sequence[bytes], *, as_: str = "lab", **headers: str
) -> httpx.Response:
    named = {"content-type": "application/fhir+ndjson"} | {key.replace("_", "-"): one for key, one in headers.items()}
    answer: httpx.Response = platform.client.call(
        "PUT", f"{at}/parts/{place}", as_=as_, body=b"\n".join(lines), headers=named
    )
    return answer


def look(platform: Standing, at: str, *, as_: str = "lab", method: str = "GET") -> httpx.Response:
    answer: httpx.Response = platform.client.call(method, at, as_=as_)
    return answer


def states(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 202
    return [one["state"] for one in answer.json()["parts"]]


def outcomes(platform: Standing, at: str, place: int) -> list[dict[str, Any]]:
    answer = look(platform, f"{at}/parts/{place}/outcome")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "application/fhir+ndjson")
    trees = [json.loads(line) for line in answer.content.splitlines()]
    assert {tree["resourceType"] for tree in trees} == {"OperationOutcome"}
    return [tree["issue"][0] for tree in trees]


def test_an_import_is_whole_when_each_part_that_its_manifest_names_has_come(platform: Standing) -> None:
    number, before = platform.nin("citizen"), records(platform)
    at = begun(platform, part("one"), part("two", "Specimen"))
    state = look(platform, at)
    assert states(state) == ["missing", "missing"]
    assert [(one["inputUrl"], one["type"]) for one in state.json()["parts"]] == [
        ("one", "Observation"),
        ("two", "Specimen"),
    ]
    assert state.json()["parts"][1]["part"] == f"{platform.url}{at}/parts/1"
    assert (state.headers["x-progress"], state.headers["retry-after"]) == ("0 of 2 parts filed, 0 refused", "5")
    filed = put(platform, at, 0, [potassium(number), potassium(number, "4.20")])
    resources, _, locations = told(filed)
    assert (resources, states(look(platform, at))) == (2, ["filed", "missing"])
    assert look(platform, at).headers["x-progress"] == "1 of 2 parts filed, 0 refused"
    assert told(put(platform, at, 1, [b'{"resourceType":"Specimen"}'], person_id=number))[0] == 1
    done = look(platform, at)
    assert (done.status_code, records(platform)) == (200, before + 3)
    tree = done.json()
    assert [(one["inputUrl"], one["count"], one["type"]) for one in tree["output"]] == [
        ("one", 2, "OperationOutcome"), ("two", 1, "OperationOutcome"),
    ]  # fmt: skip
    assert (tree["error"], tree["request"]) == ([], f"{platform.url}/fhir/R4/$import")
    assert tree["output"][0]["url"] == f"{platform.url}{at}/parts/0/outcome"
    assert "GMT" in done.headers["expires"]
    assert [one["diagnostics"] for one in outcomes(platform, at, 0)] == [
        f"resource {place} is {location}" for place, location in enumerate(locations, 1)
    ]


def test_a_part_has_the_rows_of_an_import_in_the_log_and_a_manifest_has_none(platform: Standing) -> None:
    asked = ask(platform, [part()])
    assert platform.audited(asked) == []
    at = asked.headers["content-location"].removeprefix(platform.url)
    filed = put(platform, at, 0, [potassium(platform.nin("citizen")), potassium(platform.nin("parent"))])
    rows = platform.audited(filed)
    assert [(row["action"], row["outcome"], len(row["ids"])) for row in rows] == [("file", 0, 1)] * 2
    assert platform.audited(look(platform, at)) == []


def test_a_part_that_is_sent_twice_is_filed_once_and_answered_alike(platform: Standing) -> None:
    lines = [potassium(platform.nin("citizen"))] * 3
    at = begun(platform, part(), part())
    first, before = put(platform, at, 0, lines), records(platform)
    again = put(platform, at, 0, lines)
    assert (again.status_code, again.content, platform.audited(again)) == (200, first.content, [])
    assert told(put(platform, at, 0, lines, prefer="return=minimal"))[0] == 3
    other = put(platform, at, 0, lines[:2])
    assert (other.status_code, issues(other)[0][1]) == (409, "['part']")
    assert records(platform) == before
    assert states(look(platform, at)) == ["filed", "missing"]


def test_of_one_part_sent_twice_at_once_one_is_filed_and_both_hear_of_it(platform: Standing) -> None:
    at, before = begun(platform, part()), records(platform)
    lines = [potassium(platform.nin("citizen"))] * 20
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda _: put(platform, at, 0, lines), range(2)))
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert records(platform) == before + 20


def test_a_part_that_is_refused_is_told_by_name_with_every_reason_and_may_be_corrected(platform: Standing) -> None:
    number, before = platform.nin("citizen"), records(platform)
    at = begun(platform, part("right"), part("wrong"))
    assert put(platform, at, 0, [potassium(number)]).status_code == 200
    lines = [potassium(number), potassium(number, status="finished"), potassium(number, effectiveDateTime="2026-13-01")]
    assert put(platform, at, 1, lines).status_code == 422
    done = look(platform, at)
    tree = done.json()
    assert (done.status_code, [one["count"] for one in tree["output"]]) == (200, [1, 0])
    assert "url" not in tree["output"][1]
    assert [(one["inputUrl"], one["url"]) for one in tree["error"]] == [
        ("wrong", f"{platform.url}{at}/parts/1/outcome")
    ]
    assert [one["expression"] for one in outcomes(platform, at, 1)] == [
        ["line 2: Observation.status"], ["line 3: Observation.effectiveDateTime"],
    ]  # fmt: skip
    assert records(platform) == before + 1
    assert (
        put(
            platform, tree["error"][0]["part"].removeprefix(platform.url).rpartition("/parts/")[0], 1, lines[:1]
        ).status_code
        == 200
    )
    assert look(platform, at).json()["error"] == []
    assert records(platform) == before + 2


def test_a_part_that_does_not_fit_its_manifest_is_refused(platform: Standing) -> None:
    number, before = platform.nin("citizen"), records(platform)
    lines = [potassium(number), potassium(number, "4.20")]
    digest = hashlib.sha256(b"\n".join(lines)).hexdigest()
    at = begun(platform, part(count=2), part(sha256=digest), part(type_="Specimen"))
    for place, sent, says in (
        (0, lines[:1], "has 1 resources, and the manifest says 2"), (1, lines[:1], "another sha256"),
        (2, lines, "the part is of Specimen"),
    ):  # fmt: skip
        answer = put(platform, at, place, sent)
        assert (answer.status_code, says in issues(answer)[0][0]) == (422, True), answer.text
    assert (records(platform), look(platform, at).status_code) == (before, 200)
    assert told(put(platform, at, 0, [lines[0], b"", lines[1]]))[0] == 2, "empty lines are no resources"
    assert told(put(platform, at, 1, lines))[0] == 2


def test_a_patient_of_whom_nothing_is_filed_stops_her_part_alone(platform: Standing) -> None:
    number = platform.nin("citizen")
    at, before = begun(platform, part(), part()), records(platform)
    shut = put(platform, at, 0, [potassium(number), potassium(platform.nin("opted-out"))])
    plain = platform.client.call(
        "POST", "/fhir/R4/$import", as_="lab", body=b"\n".join([potassium(number), potassium(platform.nin("opted-out"))]),
        headers={"content-type": "application/fhir+ndjson"},
    )  # fmt: skip
    assert (shut.status_code, shut.content) == (403, plain.content)
    assert [row["outcome"] for row in platform.audited(shut)] == [1, 1]
    assert put(platform, at, 1, [potassium(number)]).status_code == 200
    (said,) = outcomes(platform, at, 0)
    assert [said] == shut.json()["issue"], "no more than was said at once"
    assert platform.nin("opted-out") not in look(platform, f"{at}/parts/0/outcome").text
    assert records(platform) == before + 1


def test_a_part_whose_filing_is_broken_off_is_missing_and_is_sent_again(platform: Standing) -> None:
    at, before = begun(platform, part()), records(platform)
    lines = [potassium(platform.nin("citizen"))] * (INLINE_LINES + 1)

    async def lost(*_: object) -> None:
        raise Refusal(503, "the import was broken off")

    with patch.object(Crew, "understood", lost):
        assert put(platform, at, 0, lines).status_code == 503
    assert (states(look(platform, at)), records(platform)) == (["missing"], before)
    assert put(platform, at, 0, lines).status_code == 200
    assert records(platform) == before + len(lines)


def test_a_part_that_breaks_off_while_it_is_written_leaves_nothing(platform: Standing) -> None:
    at, before = begun(platform, part()), records(platform)

    async def broken(*_: object) -> None:
        raise Refusal(503, "the machine went away")

    with patch.object(import_jobs.ImportJobs, "end", broken):
        assert put(platform, at, 0, [potassium(platform.nin("citizen"))]).status_code == 503
    assert (states(look(platform, at)), records(platform)) == (["missing"], before)


def test_an_import_that_is_cancelled_takes_nothing_more_and_keeps_what_it_filed(platform: Standing) -> None:
    number = platform.nin("citizen")
    at, before = begun(platform, part(), part()), records(platform)
    assert put(platform, at, 0, [potassium(number)]).status_code == 200
    assert look(platform, at, method="DELETE").status_code == 202
    for answer in (
        look(platform, at), look(platform, at, method="DELETE"), put(platform, at, 0, [potassium(number)]),
        put(platform, at, 1, [potassium(number)]), look(platform, f"{at}/parts/0/outcome"),
    ):  # fmt: skip
        assert (answer.status_code, issues(answer)[0][1]) == (404, "['number']")
    assert records(platform) == before + 1


def test_a_part_on_its_way_while_its_import_is_cancelled_is_not_filed(platform: Standing) -> None:
    at, before = begun(platform, part()), records(platform)
    takes = import_jobs.ImportJobs.takes

    async def cancelled(self: import_jobs.ImportJobs, conn: Any, number: int) -> bool:
        await self.cancel(conn, number, platform.clock.now())
        return await takes(self, conn, number)

    with patch.object(import_jobs.ImportJobs, "takes", cancelled):
        assert put(platform, at, 0, [potassium(platform.nin("citizen"))]).status_code == 404
    assert records(platform) == before


def test_an_import_is_its_senders_alone(platform: Standing) -> None:
    at = begun(platform, part())
    for answer in (
        look(platform, at, as_="all-patients"), look(platform, at, as_="all-patients", method="DELETE"),
        put(platform, at, 0, [potassium(platform.nin("citizen"))], as_="all-patients"), look(platform, "/imports/0"),
        look(platform, "/imports/x"), look(platform, f"/imports/{'9' * 17}"),
    ):  # fmt: skip
        assert (answer.status_code, issues(answer)[0][1]) == (404, "['number']")
    assert look(platform, at, as_="gp").status_code == 403
    assert ask(platform, [part()], as_="gp").status_code == 403


@pytest.mark.parametrize("place", ["1", "00", "-1", "x", "1234567"])
def test_a_part_that_the_manifest_does_not_name_is_none(platform: Standing, place: str) -> None:
    at = begun(platform, part())
    answer = look(platform, f"{at}/parts/{place}/outcome")
    assert (answer.status_code, issues(answer)[0][1]) == (404, "['part']")
    missing = look(platform, f"{at}/parts/0/outcome")
    assert (missing.status_code, "has not come" in missing.text) == (404, True)


def sweep(platform: Standing) -> None:
    async def swept() -> None:
        pool = await open_pool(platform.dsn, 1)
        await import_jobs.sweep(pool, platform.clock.now())
        await pool.close()

    platform.run(swept())


@pytest.mark.parametrize("over", ["cancelled", "old"])
def test_what_lines_were_called_is_forgotten_once_the_import_is_over(platform: Standing, over: str) -> None:
    number = platform.nin("citizen")
    at, other = begun(platform, part()), begun(platform, part())
    for one in (at, other):
        told(put(platform, one, 0, [named("a"), named("b"), named("c")], person_id=number))

    def names(of: str) -> int:
        job = int(of.rpartition("/")[2])
        return int(platform.rows("SELECT count(*) AS n FROM import_name WHERE job = $1", job)[0]["n"])

    sweep(platform)
    assert (names(at), names(other)) == (3, 3)
    if over == "cancelled":
        assert look(platform, at, method="DELETE").status_code == 202
    else:
        statement = "UPDATE import_job SET at = at - interval '7 days' WHERE number = $1 RETURNING 1"
        platform.rows(statement, int(at.rpartition("/")[2]))
    with patch.object(import_jobs, "FORGOTTEN_AT_ONCE", 1):
        sweep(platform)
    assert (names(at), names(other)) == (0, 3)


def test_an_import_grows_old_says_so_and_is_forgotten(platform: Standing) -> None:
    number = platform.nin("citizen")
    at = begun(platform, part(), part())
    assert put(platform, at, 0, [potassium(number)]).status_code == 200
    job = int(at.rpartition("/")[2])
    platform.rows("UPDATE import_job SET at = at - interval '7 days' WHERE number = $1 RETURNING 1", job)
    for answer in (look(platform, at), put(platform, at, 1, [potassium(number)]), look(platform, at, method="DELETE")):
        assert (answer.status_code, "1 of 2 parts were filed" in answer.text) == (410, True)
    platform.rows("UPDATE import_job SET at = at - interval '24 days' WHERE number = $1 RETURNING 1", job)

    sweep(platform)
    assert look(platform, at).status_code == 404
    assert platform.rows("SELECT 1 FROM import_part WHERE job = $1", job) == []


def test_a_manifest_lies_sealed_and_nothing_of_a_part_lies_beside_its_records(platform: Standing) -> None:
    name = f"{uuid4()}.ndjson"
    at = begun(platform, part(name))
    told(put(platform, at, 0, [potassium(platform.nin("citizen"))]))
    job = int(at.rpartition("/")[2])
    (row,) = platform.rows(
        "SELECT j.manifest, p.answer FROM import_job j JOIN import_part p ON p.job = j.number WHERE number = $1", job
    )
    assert name.encode() not in bytes(row["manifest"])
    assert b"Observation" not in bytes(row["answer"])


@pytest.mark.parametrize(
    ("more", "status", "where"),
    [
        ({"input": []}, 400, "input"), ({"inputSource": "urn:x:13819012345"}, 422, "inputSource"),
        ({"input": [{"type": "Observation", "url": "https://x.example/13819012345.ndjson"}]}, 422, "input[0].url"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_wrong_begins_nothing(
    platform: Standing, more: dict[str, Any], status: int, where: str
) -> None:
    before = platform.rows("SELECT count(*) FROM import_job")
    answer = ask(platform, [part()], **more)
    assert (answer.status_code, issues(answer)[0][1]) == (status, f"['{where}']")
    assert "13819012345" not in answer.text
    assert platform.rows("SELECT count(*) FROM import_job") == before


def test_parameters_are_a_manifest_too_in_json_and_xml(platform: Standing) -> None:
    named = "".join(
        f'<parameter><name value="{name}"/><value{kind} value="{value}"/></parameter>'
        for name, kind, value in (("inputFormat", "Code", "application/fhir+ndjson"), ("inputSource", "Uri", SOURCE))
    )
    parts = '<part><name value="type"/><valueCode value="Specimen"/></part><part><name value="url"/><valueUrl value="a"/></part>'
    xml = f'<Parameters xmlns="http://hl7.org/fhir">{named}<parameter><name value="input"/>{parts}</parameter></Parameters>'
    answer = platform.client.call(
        "POST", "/fhir/R4/$import", as_="lab", body=xml.encode(), headers={"content-type": "application/fhir+xml"}
    )
    assert answer.status_code == 202, answer.text
    at = answer.headers["content-location"].removeprefix(platform.url)
    assert [one["inputUrl"] for one in look(platform, at).json()["parts"]] == ["a"]


def test_a_sender_has_so_many_imports_open_and_no_more(platform: Standing) -> None:
    with patch.object(import_jobs, "OPEN_LIMIT", 1):
        at = begun(platform, part(), as_="all-patients")
        refused = ask(platform, [part()], as_="all-patients")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        assert look(platform, at, as_="all-patients", method="DELETE").status_code == 202
        at = begun(platform, part(), as_="all-patients")
    assert look(platform, at, as_="all-patients", method="DELETE").status_code == 202
    assert OPEN_LIMIT > 1


def test_a_manifest_that_is_sent_again_under_its_key_is_the_same_import(platform: Standing) -> None:
    key, parts = fresh(), [part("one")]
    at = ask(platform, parts, key=key).headers["content-location"]
    again = ask(platform, parts, key=key)
    assert (again.status_code, again.headers["content-location"]) == (202, at)
    others = [
        ask(platform, parts, key=fresh()),
        ask(platform, parts, as_="all-patients", key=key),
        ask(platform, parts),
    ]
    assert len({at, *(one.headers["content-location"] for one in others)}) == 4
    other = ask(platform, [part("two")], key=key)
    assert (other.status_code, "idempotency-key" in issues(other)[0][1]) == (422, True)
    assert look(platform, at.removeprefix(platform.url), method="DELETE").status_code == 202
    over = ask(platform, parts, key=key)
    assert (over.status_code, "is over" in over.text) == (422, True)


def test_of_one_manifest_sent_twice_at_once_under_a_key_one_import_is_begun(platform: Standing) -> None:
    key, parts = fresh(), [part("one")]
    with ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: ask(platform, parts, key=key), range(8)))
    assert {one.status_code for one in answers} == {202}
    assert len({one.headers["content-location"] for one in answers}) == 1


def test_a_key_that_is_none_begins_no_import(platform: Standing) -> None:
    refused = ask(platform, [part()], key="k" * 256)
    assert (refused.status_code, "idempotency-key" in issues(refused)[0][1]) == (400, True)


def test_a_part_is_sent_as_lines_and_an_import_as_lines_or_json(platform: Standing) -> None:
    at = begun(platform, part())
    assert put(platform, at, 0, [potassium()], content_type="application/fhir+json").status_code == 415
    answer = platform.client.call(
        "POST", "/fhir/R4/$import", as_="lab", body=b"a,b", headers={"content-type": "text/csv"}
    )
    assert answer.status_code == 415
    assert states(look(platform, at)) == ["missing"]


def named(name: str, **more: Any) -> bytes:
    return potassium(id=name, **more)


def links(platform: Standing, location: str) -> list[str]:
    return [one["reference"] for one in platform.get(location).tree.get("derivedFrom", ())]


def refers(*names: str, **more: Any) -> bytes:
    return potassium(derivedFrom=[{"reference": name} for name in names], **more)


def warnings(answer: httpx.Response) -> list[tuple[str, str]]:
    """(line, sentence) of each."""
    found = next((one["resource"]["issue"] for one in answer.json()["parameter"] if one["name"] == "outcome"), [])
    assert len(found) == sum(one["valueInteger"] for one in answer.json()["parameter"] if one["name"] == "lost")
    return [(one["location"][0], one["diagnostics"]) for one in found]


def test_a_part_refers_to_what_came_before_it_and_to_itself(platform: Standing) -> None:
    number, whole = platform.nin("citizen"), f"{platform.url}/fhir/R4/Observation/c"
    at = begun(platform, part(), part())
    _, _, first = told(put(platform, at, 0, [named("a"), named("c")], person_id=number))
    later = put(platform, at, 1, [refers("Observation/a", whole, "Observation/b"), named("b")], person_id=number)
    _, _, second = told(later)
    addresses = [one.partition("/_history")[0] for one in (*first, second[1])]
    assert (links(platform, second[0]), warnings(later)) == (addresses, [])
    assert platform.get(f"Observation?derived-from={addresses[0]}").ids() == [second[0].split("/")[1]]


def test_what_a_part_calls_its_lines_is_nothing_to_another_import(platform: Standing) -> None:
    number = platform.nin("citizen")
    at, other = begun(platform, part()), begun(platform, part())
    told(put(platform, at, 0, [named("a")], person_id=number))
    answer = put(platform, other, 0, [refers("Observation/a")], person_id=number)
    assert links(platform, told(answer)[2][0]) == ["Observation/a"]


def test_who_brings_what_a_part_before_referred_to_is_told_that_it_came_too_late(platform: Standing) -> None:
    number = platform.nin("citizen")
    at = begun(platform, part(), part(), part())
    first = put(platform, at, 0, [refers("Observation/a", "Observation/elsewhere")], person_id=number)
    assert (links(platform, told(first)[2][0])[0], warnings(first)) == ("Observation/a", [])
    late = put(platform, at, 1, [named("b"), named("a")], person_id=number)
    ((line, says),) = warnings(late)
    assert (line, "Observation/a was referred to by a part that came before" in says) == ("line 2", True)
    assert [one["diagnostics"] for one in outcomes(platform, at, 1)][-1] == says
    again = put(platform, at, 2, [refers("Observation/a")], person_id=number)
    assert links(platform, told(again)[2][0]) == [told(late)[2][1].partition("/_history")[0]]


def test_a_name_that_two_parts_give_leads_nowhere_and_is_told(platform: Standing) -> None:
    number = platform.nin("citizen")
    at = begun(platform, part(), part(), part())
    for place in range(2):
        assert warnings(put(platform, at, place, [named("a")], person_id=number)) == []
    answer = put(platform, at, 2, [potassium(), refers("Observation/a")], person_id=number)
    ((line, says),) = warnings(answer)
    assert (line, "Observation/a is what several lines are called" in says) == ("line 2", True)
    assert links(platform, told(answer)[2][1]) == ["Observation/a"]


def test_two_parts_at_once_that_refer_to_each_other_are_both_filed(platform: Standing) -> None:
    number = platform.nin("citizen")
    at = begun(platform, part(), part())
    sent = [[named("a"), refers("Observation/b")], [named("b"), refers("Observation/a")]]
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda place: put(platform, at, place, sent[place], person_id=number), range(2)))
    assert [one.status_code for one in answers] == [200, 200]
    led = [links(platform, told(one)[2][1])[0] for one in answers]
    names = [told(one)[2][0].partition("/_history")[0] for one in answers]
    came = [led[0] == names[1], led[1] == names[0]]
    assert came.count(True) == 1, "who came second knows of the first"
    assert len(warnings(answers[came.index(True)])) == 1, "and is told what the first could not know"


def test_names_lie_as_digests_beside_ids(platform: Standing) -> None:
    name, at = str(uuid4()), begun(platform, part())
    told(put(platform, at, 0, [named(name), refers("Observation/x")], person_id=platform.nin("citizen")))
    rows = platform.rows("SELECT digest, id, asked FROM import_name WHERE job = $1", int(at.rpartition("/")[2]))
    assert sorted((row["id"] is not None, row["asked"]) for row in rows) == [(False, True), (True, False)]
    assert all(name.encode() not in bytes(row["digest"]) and len(row["digest"]) == 16 for row in rows)


def test_a_token_that_reaches_nothing_of_a_part_hears_nothing_of_what_came_of_it(platform: Standing) -> None:
    lines = [potassium(platform.nin("citizen"))]
    at = begun(platform, part("one"), part("two"))
    where, ndjson = f"{at}/parts/0", {"content-type": "application/fhir+ndjson"}
    filed = put(platform, at, 0, lines)
    bad = put(platform, at, 1, [b'{"resourceType":"Observation"}'])
    assert (filed.status_code, bad.status_code) == (200, 422)

    def asked(method: str, path: str, scopes: str, body: bytes = b"") -> httpx.Response:
        headers = ndjson if body else {}
        answer: httpx.Response = platform.client.call(
            method, path, as_="lab", body=body, headers=headers, narrower=scopes
        )
        return answer

    for method, path, body in (
        ("GET", f"{where}/outcome", b""), ("PUT", where, lines[0]), ("GET", f"{at}/parts/1/outcome", b""),
    ):  # fmt: skip
        refused = asked(method, path, "system/Specimen.cruds", body)
        assert (refused.status_code, "Observation/" in refused.text) == (403, False), path
        assert asked(method, path, "system/Observation.cruds", body).status_code == 200, path
