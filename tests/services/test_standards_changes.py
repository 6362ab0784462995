"""Following what is written: each version once, in the order of writing, under the law of each answer."""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Final

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.validate import check
from kjerne.services.standards_history import WAIT_LIMIT_SECONDS, must_be_reached
from kjerne.store.following import Place, Position
from kjerne.wire.json import parse
from platform_fixture import Answered, Standing, Tree
from services.access_log.test_api import asked, of
from services.test_standards import create, observation, update
from services.test_standards_both import critical, ordinary
from services.test_standards_history import CALLERS, OF_BOTH, deleted, entries, happens, shut, told, whole
from services.test_standards_record import chosen, sent_in
from services.test_standards_registered import registered

WHO: Final = "renumbered"
PATH: Final = "$changes"


def follow(platform: Standing, path: str = PATH, **more: Any) -> Answered:
    platform.settled()
    answer = platform.get(path, **{"about": WHO, **more})
    assert answer.status == 200, answer.response.text
    return answer


def onward(answer: Answered) -> str:
    """Where to go on."""
    return answer.link("monitor").partition("/fhir/R4/")[2]


def begun(platform: Standing, path: str = f"{PATH}?_count=0", **more: Any) -> str:
    answer = follow(platform, path, **more)
    assert entries(answer) == []
    return onward(answer)


def followed(platform: Standing, path: str, **more: Any) -> tuple[list[Tree], str]:
    """All that is to be told, page by page, and where to go on."""
    found = list[Tree]()
    while True:
        answer = follow(platform, path, **more)
        found += entries(answer)
        path = onward(answer)
        if not answer.link("next"):
            return found, path
        assert answer.link("next") == answer.link("monitor")


def test_what_is_written_is_told_in_the_order_of_writing_and_once(platform: Standing) -> None:
    here = begun(platform)
    first, gone = (str(create(platform, observation()).tree["id"]) for _ in range(2))
    update(platform, first, observation(id=first, status="amended"), "1")
    found, here = followed(platform, f"{here}&_count=2")
    assert [told(one) for one in found] == [
        ("POST", first, 'W/"1"'), ("POST", gone, 'W/"1"'), ("PUT", first, 'W/"2"'),
    ]  # fmt: skip
    deleted(platform, gone)
    answer = follow(platform, here)
    assert check(parse(answer.response.content), "Bundle") == []
    assert [told(one) for one in entries(answer)] == [("DELETE", gone, 'W/"2"')]
    assert (answer.tree["type"], "total" in answer.tree) == ("history", False)
    assert entries(follow(platform, onward(answer))) == []


def test_each_answer_is_asked_of_the_law_and_its_row_names_what_left_and_nothing_else(platform: Standing) -> None:
    here = begun(platform)
    made = str(create(platform, observation()).tree["id"])
    for path, left in ((here, [made]), (f"{PATH}?_count=0", [])):
        answer = follow(platform, path)
        (row,) = platform.audited(answer.response)
        assert ([str(one) for one in row["ids"]], row["outcome"]) == (left, 0)
        assert (row["action"], row["service"]) == ("history", "results")
    refused = platform.get(here, as_="blocked-doctor")
    assert refused.status == 400, "a cursor is its caller's"
    refused = platform.get(PATH, as_="blocked-doctor")
    assert (refused.status, [row["outcome"] for row in platform.audited(refused.response)]) == (403, [1])
    waits = platform.get(f"{PATH}?_wait=20", as_="blocked-doctor")
    assert (waits.status, len(platform.audited(waits.response))) == (403, 1), "who is refused is not kept waiting"


def test_her_log_says_that_changes_were_asked_for(platform: Standing) -> None:
    answer = platform.get(f"{PATH}?_type=Observation")
    event = of(asked(platform, "?_count=20").resources(), answer.response)
    assert check(event, "AuditEvent") == []
    assert (event["subtype"][0]["code"], event["action"]) == ("history-system", "R")
    (query,) = [entity for entity in event["entity"] if "query" in entity]
    assert query["description"] == "$changes"


def test_a_cursor_is_good_for_its_caller_about_its_patient_with_its_scopes_alone(platform: Standing) -> None:
    here = begun(platform)
    others: list[Tree] = [
        {"about": "citizen"}, {"about": WHO, "as_": "all-patients"}, {"about": WHO, "as_": WHO, "portal": True},
        {"about": WHO, "narrower": "user/Observation.rs"},
    ]  # fmt: skip
    for more in others:
        answer = platform.get(here, **more)
        assert (answer.status, answer.issue["expression"]) == (400, ["_cursor"]), more
    assert platform.get(here, about=WHO, decision="another-decision-of-hers").status == 200
    token = here.partition("_cursor=")[2]
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[20] ^= 1
    for wrong in (base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), "x", token[:-4]):
        assert platform.get(f"{PATH}?_cursor={wrong}", about=WHO).status == 400
    assert platform.get(f"Observation/_history?_cursor={token}", about=WHO).status == 400


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("_type=Patient", "_type"), ("_type=", "_type"), ("_type=Observation,Nothing", "_type"), ("_wait=soon", "_wait"),
        ("_wait=-1", "_wait"), ("_since=then", "_since"), ("code=x", "query"), ("_at=2026", "query"),
        ("_count=1&_count=2", "query"), ("_list=x", "_list"), ("_cursor=", "_cursor"),
        ("_count=", "_count"), ("_count=x", "_count"),
    ],
)  # fmt: skip
def test_it_passes_over_nothing(platform: Standing, query: str, where: str) -> None:
    answer = platform.get(f"{PATH}?{query}", about=WHO)
    assert (answer.status, answer.issue.get("expression", [where])) == (400, [where]), answer.response.text


def test_what_a_cursor_holds_is_not_asked_for_beside_it(platform: Standing) -> None:
    here = begun(platform)
    for beside in ("_type=Observation", "_since=2026-01-01", "_count=0"):
        assert platform.get(f"{here}&{beside}", about=WHO).status == 400
    assert platform.get(f"{here}&_wait=0&_count=5", about=WHO).status == 200


def test_a_cursor_of_after_a_backup_that_was_brought_back_is_refused() -> None:
    """Transaction numbers go back with the database, and a cursor lies outside it."""
    must_be_reached(Position(Place(7)), Place(7))
    with pytest.raises(Refusal) as refused:
        must_be_reached(Position(Place(8)), Place(7))
    assert (refused.value.status, refused.value.where) == (410, "_cursor")


def test_it_is_about_one_patient(platform: Standing) -> None:
    answer = Answered(platform.client.call("GET", f"/fhir/R4/{PATH}", as_="gp"))
    assert (answer.status, answer.issue["expression"]) == (400, ["person-id"])
    number = platform.get(f"{PATH}?_type={platform.nin('citizen')}", about=WHO)
    assert number.status == 400
    assert platform.nin("citizen") not in number.response.text


def test_of_some_types_it_tells_those_alone_and_goes_on_with_them(platform: Standing) -> None:
    here = begun(platform, f"{PATH}?_count=0&_type=Specimen,Observation")
    made = str(create(platform, observation()).tree["id"])
    other = Answered(
        platform.client.call(
            "POST", "/fhir/R4/DiagnosticReport", as_="lab", patient=platform.nin(WHO), body=REPORT,
            headers={"content-type": "application/fhir+json"},
        )
    )  # fmt: skip
    assert other.status == 201, other.response.text
    found, here = followed(platform, here)
    assert [told(one)[1] for one in found] == [made]
    assert followed(platform, here)[0] == []


REPORT: Final = b'{"resourceType":"DiagnosticReport","status":"final","code":{"text":"P-Kalium"}}'


def test_since_a_time_tells_what_was_written_from_then_on(platform: Standing) -> None:
    create(platform, observation())
    last = create(platform, observation()).tree
    moment = str(last["meta"]["lastUpdated"]).replace("+", "%2B")
    found, here = followed(platform, f"{PATH}?_since={moment}")
    assert [told(one)[1] for one in found] == [last["id"]]
    new = create(platform, observation()).tree["id"]
    assert [told(one)[1] for one in followed(platform, here)[0]] == [new]


def test_a_page_is_as_long_as_was_asked_for_until_another_length_is(platform: Standing) -> None:
    here = begun(platform, f"{PATH}?_count=0&_type=Observation")
    made = [str(create(platform, observation()).tree["id"]) for _ in range(6)]
    first = follow(platform, f"{here}&_count=2")
    second = follow(platform, onward(first))
    third = follow(platform, f"{onward(second)}&_count=1")
    last = follow(platform, onward(third))
    assert [[told(one)[1] for one in entries(answer)] for answer in (first, second, third, last)] == [
        made[:2], made[2:4], made[4:5], made[5:],
    ]  # fmt: skip
    assert [bool(answer.link("next")) for answer in (first, second, third, last)] == [True, True, True, False]


# Waiting


def test_an_answer_waits_for_what_comes_and_comes_with_it(platform: Standing) -> None:
    here = begun(platform)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(follow, platform, f"{here}&_wait={WAIT_LIMIT_SECONDS}")
        time.sleep(0.2)  # however late it begins, it is told of what comes: this has it wait first, as a rule
        made = create(platform, observation()).tree["id"]
        answer = waits.result(60)
    assert [told(one)[1] for one in entries(answer)] == [made]
    (row,) = platform.audited(answer.response)
    assert [str(one) for one in row["ids"]] == [made]


def test_what_is_shut_ends_no_wait_and_leaves_no_mark_in_the_answer(platform: Standing) -> None:
    here = begun(platform)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(follow, platform, f"{here}&_wait=2")
        time.sleep(0.2)
        hidden = str(create(platform, observation(meta={"security": [NORS]})).tree["id"])
        answer = waits.result(60)
    assert (entries(answer), answer.link("next")) == ([], "")
    assert hidden not in answer.response.text
    (row,) = platform.audited(answer.response)
    assert row["ids"] == []
    assert len(onward(answer)) == len(here), "a cursor's length tells nothing"
    quiet = follow(platform, onward(answer))
    assert [set(one) for one in (quiet.tree, answer.tree)] == [set(answer.tree)] * 2


NORS: Final = {"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORS"}


def test_those_who_wait_are_bounded_and_the_rest_are_answered_at_once(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kjerne.services.standards_history.WAITING_LIMIT", 0)
    assert entries(follow(platform, f"{begun(platform)}&_wait={WAIT_LIMIT_SECONDS}")) == []


# What it tells is what the histories tell


def everything(platform: Standing, path: str, **more: Any) -> Iterator[Answered]:
    while path:
        yield (answer := platform.get(path, about=WHO, **more))
        path = answer.link("next").partition("/fhir/R4/")[2]


@pytest.mark.parametrize("seed", range(2))
def test_from_the_beginning_it_tells_what_the_history_tells_the_same_caller(platform: Standing, seed: int) -> None:
    chance, given = Random(seed), 0
    for _ in range(6):
        happens(platform, chance)
    for more in CALLERS:
        answers = list(everything(platform, f"{PATH}?_type=Observation&_count={chance.randrange(2, 30)}", **more))
        if answers[0].status != 200:
            assert answers[0].status == platform.get("Observation/_history", about=WHO, **more).status == 403
            continue
        history = whole(platform, "Observation/_history?_count=50", about=WHO, **more)
        found = [one for answer in answers for one in entries(answer)]
        assert len({(one["fullUrl"], told(one)) for one in found}) == len(found)
        versions = [one for one in found if "resource" in one]
        assert sorted(map(str, versions)) == sorted(str(one) for one in history if "resource" in one), more
        ended = {told(one)[1] for one in found if "resource" not in one}
        assert {told(one)[1] for one in history if "resource" not in one} <= ended, more
        assert ended.isdisjoint(one["resource"]["id"] for one in versions)
        of_each = defaultdict[str, list[int]](list)
        for _, id_, etag in map(told, found):
            of_each[id_] += [int(etag[3:-1])] if etag else []
        assert all(numbers == sorted(numbers) for numbers in of_each.values())
        given += len(found)
    assert given > 100


# Several services


def test_two_services_stand_in_one_order_and_one_that_is_shut_is_named(platform: Standing) -> None:
    here = begun(platform, **OF_BOTH)
    made = [registered(platform, critical(platform)), sent_in(platform, ordinary(platform)),
            registered(platform, critical(platform))]  # fmt: skip
    answer = follow(platform, here, **OF_BOTH)
    assert [one["resource"]["id"] for one in entries(answer)] == made
    named = {row["service"]: [str(one) for one in row["ids"]] for row in platform.audited(answer.response)}
    assert (named["critical-information"], named["record"]) == ([made[0], made[2]], [made[1]])
    with chosen(platform, "citizen", "opt-out", "record"):
        shut_there = follow(platform, onward(answer), **OF_BOTH)
        assert len(shut(shut_there)) == 1
        assert shut_there.tree["entry"][0]["request"]["url"] == "$changes"


def test_the_scopes_narrow_what_is_told(platform: Standing) -> None:
    more = {"narrower": "user/Observation.rs?status=final"}
    here = begun(platform, **more)
    made = str(create(platform, observation()).tree["id"])
    update(platform, made, observation(id=made, status="amended"), "1")
    last = str(create(platform, observation()).tree["id"])
    assert [told(one)[1] for one in followed(platform, here, **more)[0]] == [last]
    for letters in ("r", "s"):
        assert platform.get(PATH, about=WHO, narrower=f"user/Observation.{letters}").status == 403
    first = follow(platform, f"{PATH}?_type=Observation,Condition")
    assert shut(first) == [] or all("token does not reach" in one for one in shut(first))


def test_the_statement_tells_of_it(platform: Standing) -> None:
    statement = platform.http.get(platform.url + "/fhir/R4/metadata").json()["rest"][0]
    assert "changes" in [one["name"] for one in statement["operation"]]
