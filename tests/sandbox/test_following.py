"""Changes and histories that name nobody, of the sandbox's test client: everybody's, each asked of the law by herself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

import words
from kjerne.fhir.validate import check
from kjerne.sandbox import following
from kjerne.wire.json import parse
from platform_fixture import Answered, Standing, Tree
from sandbox.test_everybody import call, observation, person
from services.test_standards import create
from services.test_standards import observation as plain
from services.test_standards_history import entries, told

PATH: Final = "$changes"


def onward(answer: Answered) -> str:
    return answer.link("monitor").partition("/fhir/R4/")[2]


def get(platform: Standing, path: str) -> Answered:
    platform.settled()
    answer = call(platform, "GET", path)
    assert answer.status == 200, answer.response.text
    return answer


def begun(platform: Standing, query: str = "") -> str:
    answer = get(platform, f"{PATH}?_count=0{query}")
    assert entries(answer) == []
    return onward(answer)


def made(platform: Standing, tree: Tree) -> Tree:
    answer = call(platform, "POST", tree["resourceType"], tree)
    assert answer.status == 201, answer.response.text
    return answer.tree


@pytest.fixture
def two(platform: Standing) -> list[str]:
    """The addresses of two new people."""
    return [f"Patient/{made(platform, person(words.fresh()))['id']}" for _ in range(2)]


@pytest.fixture
def written(platform: Standing, two: list[str]) -> tuple[str, list[tuple[str, str, str]]]:
    """A cursor, and what was written behind it: two people's Observations, one of them changed, one deleted."""
    here = begun(platform, "&_type=Observation")
    one, other = (made(platform, observation(of))["id"] for of in two)
    changed = call(platform, "PUT", f"Observation/{one}", observation(two[0], id=one, status="amended"))
    assert changed.status == 200, changed.response.text
    assert call(platform, "DELETE", f"Observation/{other}").status == 204
    third = made(platform, observation(two[1]))["id"]
    return here, [
        ("POST", one, 'W/"1"'), ("PUT", one, 'W/"2"'), ("DELETE", other, 'W/"2"'), ("POST", third, 'W/"1"'),
    ]  # fmt: skip


def pages(platform: Standing, path: str) -> Iterator[Answered]:
    while path:
        yield (answer := get(platform, path))
        path = answer.link("next").partition("/fhir/R4/")[2]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_what_is_written_of_anybody_is_told_in_order_on_pages_of_any_size(
    platform: Standing, written: Any, size: int
) -> None:
    here, expected = written
    every = list(pages(platform, f"{here}&_count={size}"))
    assert [told(one) for answer in every for one in entries(answer)] == expected
    assert check(parse(every[0].response.content), "Bundle") == []
    assert entries(get(platform, onward(every[-1]))) == []


@pytest.mark.parametrize(
    "inside", [{}, {"contained": [{"resourceType": "Specimen", "id": "s", "subject": {"display": "x"}}]}]
)
def test_among_several_peoples_each_record_says_whose_it_is(platform: Standing, inside: Tree) -> None:
    """Also one that was filed by the number of the header alone, and so says it nowhere."""
    here, word = begun(platform, "&_type=Observation"), words.fresh()
    refers = {"specimen": {"reference": "#s"}} if inside else {}
    tree = plain(code={"coding": [{"system": "urn:x", "code": word}]}, **inside, **refers)
    filed = {about: create(platform, tree, about=about).tree["id"] for about in ("renumbered", "pregnant")}
    whose = {
        id_: {"reference": f"Patient/{platform.get('Patient', about=about).ids()[0]}"} for about, id_ in filed.items()
    }
    answers = [
        get(platform, f"Observation?code=urn:x|{word}"), get(platform, f"Observation?code=urn:x|{word}&_sort=date"),
        get(platform, f"Observation?code=urn:x|{word}&_elements=code"), get(platform, here),
        get(platform, "Observation/_history?_count=2"),
    ]  # fmt: skip
    for answer in answers:
        assert {one["resource"]["id"]: one["resource"]["subject"] for one in answer.tree["entry"]} == whose
        assert check(answer.tree, "Bundle") == []
    for about, id_ in filed.items():
        assert "subject" not in platform.get(f"Observation/{id_}", about=about).tree, (
            "alone it is served as it was received"
        )


def test_each_person_has_her_row_and_it_names_what_left_of_her(platform: Standing, written: Any) -> None:
    here, expected = written
    answer = get(platform, here)
    rows = platform.audited(answer.response)
    assert len({row["patient"] for row in rows}) == len(rows) == 2
    named = sorted(
        (str(id_), version) for row in rows for id_, version in zip(row["ids"], row["versions"], strict=True)
    )
    assert named == sorted((id_, int(tag[3:-1])) for method, id_, tag in expected if method != "DELETE")
    assert {(row["action"], row["outcome"]) for row in rows} == {("history", 0)}


def test_who_has_shut_something_is_passed_over_with_a_row_of_it(platform: Standing, two: list[str]) -> None:
    here = begun(platform)
    hidden = laid_down(platform, "restricted")
    quiet = get(platform, f"{here}&_wait=1")
    assert entries(quiet) == []
    assert hidden not in quiet.response.text
    assert {(row["outcome"], row["rule"]) for row in platform.audited(quiet.response)} == {(1, "test-of-what-is-shut")}
    assert platform.audited(get(platform, onward(quiet)).response) == [], "she was passed: nobody is asked about again"
    one = made(platform, observation(two[0]))["id"]
    assert [told(each)[1] for each in entries(get(platform, onward(quiet)))] == [one]


def test_who_is_shut_is_asked_about_once_a_request_and_takes_no_room(platform: Standing, two: list[str]) -> None:
    here = begun(platform)
    hidden = [laid_down(platform, "restricted") for _ in range(5)]
    one = made(platform, observation(two[0]))["id"]
    hidden += [laid_down(platform, "restricted") for _ in range(2)]
    answer = get(platform, f"{here}&_count=2")
    assert [told(each)[1] for each in entries(answer)] == [one]
    assert answer.link("next") == ""
    refused = [row for row in platform.audited(answer.response) if row["outcome"] == 1]
    assert len(refused) == 1
    assert all(each not in answer.response.text for each in hidden)


def laid_down(platform: Standing, whose: str) -> str:
    """A result that the laboratory files."""
    answer = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="lab", patient=platform.nin(whose),
        headers={"content-type": "application/fhir+json"},
        body=b'{"resourceType":"Observation","status":"final","code":{"text":"P-Kalium"}}',
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_cursor_of_everybodys_is_no_patients_and_the_other_way_round(platform: Standing) -> None:
    here = begun(platform)
    assert platform.get(here, as_="all-patients", about="citizen").status == 400
    hers = platform.get(f"{PATH}?_count=0", as_="all-patients", about="citizen")
    answer = call(platform, "GET", onward(hers))
    assert (answer.status, answer.issue["expression"]) == (400, ["_cursor"])


def test_an_answer_waits_for_what_comes_of_anybody(platform: Standing, two: list[str]) -> None:
    here = begun(platform)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(get, platform, f"{here}&_wait=20")
        one = made(platform, observation(two[0]))["id"]
        assert one in [told(each)[1] for each in entries(waits.result(60))]


@pytest.mark.parametrize("at", ["Observation/_history", "_history"])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_history_of_everybody_tells_the_same_newest_first(
    platform: Standing, written: Any, at: str, size: int
) -> None:
    _, expected = written
    found = list[Any]()
    for answer in pages(platform, f"{at}?_count={size}"):
        assert "total" not in answer.tree
        found += entries(answer)
        if len(found) >= 4:
            break
    assert [told(one) for one in found[:4]] == expected[::-1]


def test_a_history_of_everybody_ends_and_a_time_narrows_it(platform: Standing, written: Any) -> None:
    _, expected = written
    last = call(platform, "GET", f"Observation/{expected[-1][1]}").tree["meta"]["lastUpdated"].replace("+", "%2B")
    (answer,) = pages(platform, f"Observation/_history?_since={last}")
    assert [told(one) for one in entries(answer)] == [expected[-1]]
    every = [told(one) for page in pages(platform, "Specimen/_history?_count=200") for one in entries(page)]
    assert len(set(every)) == len(every) > 0


@pytest.mark.parametrize("query", ["_at=2026-01-01", "_summary=count"])
def test_versions_of_everybody_are_neither_counted_nor_asked_for_at_a_time(platform: Standing, query: str) -> None:
    answer = call(platform, "GET", f"Observation/_history?{query}")
    assert (answer.status, answer.issue["code"]) == (400, "not-supported")


def test_a_request_asks_about_so_many_and_a_link_goes_on(
    platform: Standing, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, expected = written
    monkeypatch.setattr(following, "PEOPLE_LIMIT", 1)
    every = list(pages(platform, f"{here}&_count=2"))
    assert [told(one) for answer in every for one in entries(answer)] == expected
    backward = list[Any]()
    for answer in pages(platform, "Observation/_history?_count=2"):
        backward += map(told, entries(answer))
        if len(backward) >= 4:
            break
    assert backward[:4] == expected[::-1]
