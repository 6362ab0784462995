"""SMART scopes on every path, against an oracle: they take away, exactly what they must, and never add."""

from __future__ import annotations

import json
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from platform_fixture import Answered, Standing, Tree
from services.results.test_intake_api import a_message, key_of

from .scopes_oracle import Resource, leaves, leaves_any

SEED = 20261126
ABOUT = "youth"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
CODES = "urn:oid:2.16.578.1.12.4.1.1.7280"
TYPES = ("Observation", "DiagnosticReport", "Specimen")
OF_PEOPLE = (
    "user/Observation.rs", "user/Observation.r", "patient/Observation.s", "patient/Observation.read",
    "user/Observation.rs?category=laboratory", f"user/Observation.rs?category={CATEGORIES}|vital-signs",
    "patient/Observation.s?category=laboratory&code=NPU03429", "user/Observation.r?code=NPU03429,NPU27300",
    f"user/Observation.rs?code={CODES.replace(':', '%3A')}|NPU27300", "user/Observation.rs?status=final",
    "user/DiagnosticReport.rs", "user/Specimen.rs", "patient/*.s", "user/*.r", "user/Observation.cud",
    "system/*.cruds", "user/Observation.rs?category=imaging",
)  # fmt: skip
OF_MACHINES = (
    "system/Observation.c", "system/Observation.cu?category=laboratory", "system/Observation.u?code=NPU03429",
    "system/*.write", "system/Specimen.cud", "system/Observation.rs", "user/*.cruds",
    "system/Observation.cu?status=amended",
)  # fmt: skip


def observation(chance: Random, **more: Any) -> Tree:
    """An observation of some category and code, about a specimen of its own."""
    categories = chance.choice((["laboratory"], ["vital-signs"], ["imaging", "laboratory"], []))
    tree: Tree = {
        "resourceType": "Observation",
        "status": chance.choice(("final", "amended")),
        "code": {"coding": [{"system": CODES, "code": chance.choice(("NPU03429", "NPU27300", "NPU01994"))}]},
        "effectiveDateTime": f"2026-02-{chance.randint(10, 28)}T08:15:00+01:00",
        "valueQuantity": {"value": chance.randint(100, 160), "unit": "mmol/L"},
    }
    if categories:
        tree["category"] = [{"coding": [{"system": CATEGORIES, "code": one}]} for one in categories]
    return tree | more


def send(platform: Standing, method: str, path: str, tree: Tree, *, narrower: str = "", **headers: str) -> Answered:
    sent = {"content-type": "application/fhir+json", **headers}
    body = json.dumps(tree).encode()
    return Answered(
        platform.client.call(
            method,
            f"/fhir/R4/{path}",
            as_="lab",
            patient=platform.nin(ABOUT),
            body=body,
            headers=sent,
            narrower=narrower,
        )
    )


def get(platform: Standing, path: str, scopes: tuple[str, ...] = ()) -> Answered:
    return platform.get(path, about=ABOUT, narrower=" ".join(scopes), decision="scopes")


def everything(platform: Standing, path: str, scopes: tuple[str, ...] = ()) -> list[Resource]:
    """All matches of a search, page by page."""
    answer = get(platform, path, scopes)
    found = answer.resources()
    while onward := answer.link("next"):
        parts = urlsplit(onward)
        answer = get(platform, f"{parts.path.removeprefix('/fhir/R4/')}?{parts.query}", scopes)
        found += answer.resources()
    return found


def some(chance: Random, of: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(chance.sample(of, chance.randint(1, 3)))


@pytest.fixture(scope="module")
def record(platform: Standing) -> dict[str, list[Resource]]:
    """Her whole record by type, as a token without SMART scopes opens it; first made larger."""
    chance = Random(SEED)
    for _ in range(12):
        specimen = send(platform, "POST", "Specimen", {"resourceType": "Specimen"}).tree["id"]
        tree = observation(chance, specimen={"reference": f"Specimen/{specimen}"})
        made = send(platform, "POST", "Observation", tree)
        assert made.status == 201
        report = {
            "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "svar"},
            "result": [{"reference": f"Observation/{made.tree['id']}"}],
        }  # fmt: skip
        assert send(platform, "POST", "DiagnosticReport", report).status == 201
    return {type_: everything(platform, f"{type_}?_count=50") for type_ in TYPES}


def test_a_search_finds_what_the_scopes_leave_counts_it_and_pages_through_it(
    platform: Standing, record: dict[str, list[Resource]]
) -> None:
    chance, given, refused = Random(SEED), 0, 0
    for scopes in [some(chance, OF_PEOPLE) for _ in range(25)]:
        for type_ in TYPES:
            expected = [one["id"] for one in record[type_] if leaves(scopes, False, one, "s")]
            answer = get(platform, f"{type_}?_count=3&_total=accurate", scopes)
            if not leaves_any(scopes, False, type_, "s"):
                refused += 1
                assert answer.status == 403, scopes
                continue
            given += 1
            assert answer.tree["total"] == len(expected), scopes
            assert get(platform, f"{type_}?_summary=count", scopes).tree["total"] == len(expected), scopes
            paged = [one["id"] for one in everything(platform, f"{type_}?_count=3", scopes)]
            assert paged == expected, scopes
    assert given > 20 and refused > 5


def test_a_read_a_version_and_a_history_open_what_the_scopes_leave(
    platform: Standing, record: dict[str, list[Resource]]
) -> None:
    chance, seen = Random(SEED + 1), set()
    for scopes in [some(chance, OF_PEOPLE) for _ in range(25)]:
        for type_ in TYPES:
            one = chance.choice(record[type_])
            path = f"{type_}/{one['id']}"
            right = 200 if leaves(scopes, False, one, "r") else 404 if leaves_any(scopes, False, type_, "r") else 403
            seen.add(right)
            for asked in (path, f"{path}/_history", f"{path}/_history/{one['meta']['versionId']}"):
                assert get(platform, asked, scopes).status == right, (scopes, asked)
    assert seen == {200, 403, 404}


def test_an_include_brings_along_what_the_scopes_leave(platform: Standing, record: dict[str, list[Resource]]) -> None:
    chance, brought = Random(SEED + 2), 0
    by_id = {one["id"]: one for type_ in TYPES for one in record[type_]}
    asked = (
        "Observation?_include=Observation:specimen&_count=50",
        "DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:specimen&_count=50",
        "Specimen?_revinclude=Observation:specimen&_revinclude:iterate=DiagnosticReport:result&_count=50",
    )
    for path in asked:
        assert get(platform, path).ids("include")
    for scopes in [some(chance, OF_PEOPLE) for _ in range(20)]:
        for path in asked:
            answer = get(platform, path, scopes)
            if answer.status != 200:
                assert not leaves_any(scopes, False, path.partition("?")[0], "s")
                continue
            brought += len(answer.ids("include"))
            assert all(leaves(scopes, False, by_id[id_], "s") for id_ in answer.every_id), (scopes, path)
            logged = {str(id_) for row in platform.audited(answer.response) for id_ in row["ids"]}
            assert logged == answer.every_id
    assert brought > 10


def test_former_versions_are_judged_as_they_were(platform: Standing) -> None:
    was, became = (
        observation(Random(1), category=[{"coding": [{"code": code}]}]) for code in ("imaging", "laboratory")
    )
    id_ = send(platform, "POST", "Observation", was).tree["id"]
    send(platform, "PUT", f"Observation/{id_}", became | {"id": id_}, **{"if-match": 'W/"1"'})
    path = f"Observation/{id_}"
    new, old = ("user/Observation.rs?category=laboratory",), ("user/Observation.rs?category=imaging",)
    assert [get(platform, one, old).status for one in (path, f"{path}/_history", f"{path}/_history/1")] == [404] * 3
    versions = get(platform, f"{path}/_history", new)
    assert versions.tree["total"] == 1
    assert [one["resource"]["meta"]["versionId"] for one in versions.tree["entry"]] == ["2"]
    assert get(platform, f"{path}/_history/1", new).status == 404
    assert get(platform, f"{path}/_history/1", (*new, *old)).status == 200


def test_what_is_written_is_held_to_the_scopes(platform: Standing) -> None:
    chance, seen = Random(SEED + 3), set()
    for scopes in [some(chance, OF_MACHINES) for _ in range(25)]:
        narrower, tree, newer = " ".join(scopes), observation(chance), observation(chance)
        made = send(platform, "POST", "Observation", tree, narrower=narrower)
        assert made.status == (201 if leaves(scopes, True, tree, "c") else 403), (scopes, tree)
        whole = send(platform, "POST", "Observation", tree)
        id_ = whole.tree["id"]
        right = 200 if leaves(scopes, True, tree, "u") and leaves(scopes, True, newer, "u") else 403
        if right == 403 and leaves(scopes, True, newer, "u"):
            right = 404  # what lies there is beyond the scopes, so it is absent
        changed = send(
            platform, "PUT", f"Observation/{id_}", newer | {"id": id_}, narrower=narrower, **{"if-match": 'W/"1"'}
        )
        assert changed.status == right, (scopes, tree, newer)
        seen |= {made.status, changed.status}
        assert get(platform, f"Observation/{id_}").tree["meta"]["versionId"] == ("2" if right == 200 else "1")
    assert seen == {200, 201, 403, 404}


def test_an_import_is_taken_whole_or_not_at_all(platform: Standing) -> None:
    chance = Random(SEED + 4)
    for scopes in (("system/Observation.c?category=laboratory",), ("system/*.c",), ("system/Specimen.c",)):
        trees = [observation(chance) for _ in range(4)]
        before = get(platform, "Observation?_summary=count").tree["total"]
        answer = platform.client.call(
            "POST", "/fhir/R4/$import", as_="lab", patient=platform.nin(ABOUT), narrower=" ".join(scopes),
            body="\n".join(map(json.dumps, trees)).encode(), headers={"content-type": "application/fhir+ndjson"},
        )  # fmt: skip
        right = all(leaves(scopes, True, tree, "c") for tree in trees)
        assert answer.status_code == (200 if right else 403)
        assert get(platform, "Observation?_summary=count").tree["total"] == before + (4 if right else 0)


def test_a_message_is_filed_by_a_token_that_leaves_all_it_becomes(platform: Standing) -> None:
    answer = platform.send(b"<a/>", narrower="system/Observation.cud")
    assert answer.status_code == 403
    assert "DiagnosticReport.c" in answer.text


def test_scopes_narrow_the_documented_api_and_the_repeats_too(platform: Standing) -> None:
    assert platform.search("Observation", (("_count", "1"),), narrower="patient/Specimen.rs").status == 403
    none = platform.search("Observation", (("_count", "1"),), narrower="patient/Observation.rs?code=nothing-has-this")
    assert none.tree["total"] == 0
    form, gp = (("code", f"{CODES}|NPU27300"),), {"as_": "gp", "patient": platform.nin("citizen")}
    asked = platform.client.call("POST", "/pps/v2/already-done", form=form, **gp)  # type: ignore[arg-type]
    narrow = platform.client.call(
        "POST", "/pps/v2/already-done", form=form, narrower="user/Observation.s?code=nothing-has-this", **gp  # type: ignore[arg-type]
    )  # fmt: skip
    verdicts = [answer.json()["parameter"][0]["valueCode"] for answer in (asked, narrow)]
    assert verdicts[0] in ("done", "due")
    assert verdicts[1] == "never"


def test_a_page_link_belongs_to_the_scopes_it_was_made_under(platform: Standing) -> None:
    wide, narrow = ("user/Observation.rs",), ("user/Observation.rs?category=laboratory",)
    onward = urlsplit(get(platform, "Observation?_count=1", wide).link("next"))
    path = f"Observation?{onward.query}"
    assert [get(platform, path, scopes).status for scopes in (narrow, wide)] == [400, 200]


@pytest.mark.parametrize("scope", ["user/Observation.sr", "user/Nothing.rs", "user/Observation.rs?subject=1"])
def test_the_sandbox_issues_no_scope_that_is_not_understood(platform: Standing, scope: str) -> None:
    with pytest.raises(Exception, match="SMART scope is not understood"):
        get(platform, "Observation", (scope,))


def test_a_refusal_for_the_scopes_is_in_the_patients_log(platform: Standing, record: dict[str, list[Resource]]) -> None:
    one = f"Specimen/{record['Specimen'][0]['id']}"
    answers = [get(platform, path, ("user/Observation.rs",)) for path in ("Specimen", one, f"{one}/_history")]
    answers.append(platform.search("Specimen", about=ABOUT, narrower="user/Observation.rs"))
    tree: Tree = {"resourceType": "Specimen", "id": record["Specimen"][0]["id"]}
    for method, path in (("POST", "Specimen"), ("PUT", one)):
        answers.append(send(platform, method, path, tree, narrower="system/Observation.cu", **{"if-match": 'W/"1"'}))
    for answer in answers:
        assert answer.status == 403
        assert "the token leave no Specimen." in answer.response.text
        (row,) = platform.audited(answer.response)
        assert (row["rule"], row["outcome"] != 0, row["ids"]) == ("scope-narrower", True, [])


def refused_in_the_log(platform: Standing, answer: httpx.Response) -> None:
    (row,) = platform.audited(answer)
    told = key_of(platform, platform.nin(ABOUT))
    assert answer.status_code == 403
    assert (row["rule"], row["outcome"] != 0, row["patient"]) == ("scope-narrower", True, told)


def test_so_is_that_of_a_question_whether_something_was_done(platform: Standing) -> None:
    about: dict[str, Any] = {"as_": "gp", "patient": platform.nin(ABOUT), "narrower": "user/Specimen.rs"}
    for path in ("already-done", "already-done/3fa94c1b-0000-4000-8000-000000000000"):
        answer = platform.client.call("POST", f"/pps/v2/{path}", form=(("code", f"{CODES}|NPU27300"),), **about)
        refused_in_the_log(platform, answer)
        assert "the token leave no Observation.s" in answer.text


def test_so_is_that_of_a_message(platform: Standing) -> None:
    answer = platform.send(a_message(platform, number=platform.nin(ABOUT)), narrower="system/Observation.cud")
    refused_in_the_log(platform, answer)
    assert "DiagnosticReport.c" in answer.text


def test_so_is_that_of_what_a_scope_with_codes_leaves_out(platform: Standing) -> None:
    narrower, tree = "system/Observation.cu?code=nothing-has-this", observation(Random(1))
    whole = send(platform, "POST", "Observation", tree)
    path = f"Observation/{whole.tree['id']}"
    refused_in_the_log(platform, send(platform, "POST", "Observation", tree, narrower=narrower).response)
    newer = tree | {"id": whole.tree["id"]}
    refused_in_the_log(
        platform, send(platform, "PUT", path, newer, narrower=narrower, **{"if-match": 'W/"1"'}).response
    )
    imported = platform.client.call(
        "POST", "/fhir/R4/$import", as_="lab", patient=platform.nin(ABOUT), narrower=narrower,
        body=json.dumps(tree).encode(), headers={"content-type": "application/fhir+ndjson"},
    )  # fmt: skip
    refused_in_the_log(platform, imported)


def test_smart_scopes_alone_open_nothing(platform: Standing) -> None:
    held = platform.client.token("gp", patient=platform.nin(ABOUT), scope="user/*.cruds")
    url = f"{platform.url}/fhir/R4/Observation"
    proof = held.headers("GET", url, platform.clock.now().timestamp(), "")
    answer = platform.http.get(url, headers={"person-id": platform.nin(ABOUT), **proof})
    assert answer.status_code == 403
    assert "nhn:pps/provesvar-read" in answer.headers["www-authenticate"]
