"""The history of a type and of all records of a patient: what the histories of her records by id tell one by one."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

from kjerne.access import Label
from kjerne.fhir.validate import check
from kjerne.store import past
from kjerne.wire.json import parse
from platform_fixture import Answered, Standing, Tree
from services.access_log.test_api import asked, of
from services.test_patients import id_of
from services.test_standards import create, label, observation, update
from services.test_standards_both import RECORD, critical, ordinary
from services.test_standards_record import chosen, sent_in
from services.test_standards_registered import registered, rules, send

WHO: Final = "renumbered"
OF_BOTH: Final[Tree] = {"as_": "all-patients", "about": "citizen"}
CALLERS: Final[tuple[Tree, ...]] = (
    {}, {"basis": "FORHOYET_AKUTT", "self_selected": True, "reason": "Bevisstløs i mottak"}, {"as_": WHO, "portal": True},
    {"as_": "all-patients"}, {"narrower": "user/Observation.rs?status=final"},
    {"narrower": "user/Observation.rs?status=amended,corrected user/Specimen.rs"}, {"as_": "blocked-doctor"},
)  # fmt: skip
WITHHOLDING: Final = (
    Label(0), Label.RESTRICTED, Label.WITHDRAWN, Label.WITHHELD_FROM_CITIZEN, Label.RESTRICTED | Label.WITHHELD_FROM_CITIZEN,
)  # fmt: skip
"""What withholds a record from some, or from nobody."""


def entries(answer: Answered) -> list[Tree]:
    """Those that tell of versions."""
    found: list[Tree] = answer.tree.get("entry", [])
    return [one for one in found if "fullUrl" in one]


def shut(answer: Answered) -> list[str]:
    """What is said of services that are not in it."""
    outcomes = [one["response"]["outcome"] for one in answer.tree.get("entry", ()) if "fullUrl" not in one]
    return [one["issue"][0]["diagnostics"] for one in outcomes]


def pages(platform: Standing, path: str, **more: Any) -> Iterator[Answered]:
    """A history, to its last page."""
    while path:
        yield (answer := platform.get(path, **more))
        assert answer.status == 200, answer.response.text
        path = answer.link("next").partition("/fhir/R4/")[2]


def whole(platform: Standing, path: str, **more: Any) -> list[Tree]:
    answers = list(pages(platform, path, **more))
    found = [one for answer in answers for one in entries(answer)]
    assert {answer.tree["total"] for answer in answers} == {len(found)}, "every page tells how many there are on all"
    return found


def deleted(platform: Standing, id_: str, name: str = "Observation") -> None:
    gone = platform.client.call("DELETE", f"/fhir/R4/{name}/{id_}", as_="lab")
    assert gone.status_code == 204, gone.text


def told(one: Tree) -> tuple[str, str, str]:
    return (
        one["request"]["method"],
        one["request"]["url"].partition("/")[2] or one["resource"]["id"],
        one["response"].get("etag", ""),  # of what was taken from a wrong person no version was made
    )


@pytest.fixture
def three(platform: Standing) -> tuple[str, str, str]:
    """An Observation in two versions, one that was deleted, and one that is as it came: their ids, by when they came."""
    first, gone = (str(create(platform, observation()).tree["id"]) for _ in range(2))
    update(platform, first, observation(id=first, status="amended"), "1")
    deleted(platform, gone)
    return first, gone, str(create(platform, observation()).tree["id"])


def test_a_type_tells_what_became_of_all_its_records_newest_first(platform: Standing, three: Any) -> None:
    first, gone, last = three
    answer = platform.get("Observation/_history?_count=4", about=WHO)
    assert check(parse(answer.response.content), "Bundle") == []
    assert answer.tree["type"] == "history"
    assert [told(one) for one in entries(answer)] == [
        ("POST", last, 'W/"1"'), ("DELETE", gone, 'W/"2"'), ("PUT", first, 'W/"2"'), ("POST", first, 'W/"1"'),
    ]  # fmt: skip
    assert [one["response"]["status"] for one in entries(answer)] == ["201", "204", "200", "201"]
    assert ["resource" in one for one in entries(answer)] == [True, False, True, True]
    assert [one["fullUrl"].rpartition("/")[2] for one in entries(answer)] == [last, gone, first, first]
    assert all(one["resource"]["meta"]["lastUpdated"][:23] == one["response"]["lastModified"][:23]
               for one in entries(answer) if "resource" in one)  # fmt: skip


def test_each_page_is_asked_of_the_law_and_names_what_left_and_nothing_else(platform: Standing, three: Any) -> None:
    seen = list(pages(platform, "Observation/_history?_count=2", about=WHO))
    assert len(seen) > 2
    for answer in seen:
        (row,) = platform.audited(answer.response)
        left = [
            (one["resource"]["id"], int(one["resource"]["meta"]["versionId"]))
            for one in entries(answer)
            if "resource" in one
        ]
        assert sorted(zip(map(str, row["ids"]), row["versions"], strict=True)) == sorted(left)
        assert (row["action"], row["service"], row["outcome"]) == ("history", "results", 0)
    counted = platform.get("Observation/_history?_summary=count", about=WHO)
    assert (entries(counted), counted.tree["total"]) == ([], seen[0].tree["total"])
    assert [row["ids"] for row in platform.audited(counted.response)] == [[]]


def test_her_log_says_that_a_history_of_many_was_asked_for(platform: Standing) -> None:
    ways = (
        ("Observation/_history", "history-type"),
        ("_history", "history-system"),
        ("Patient/_history", "history-type"),
    )
    answers = [platform.get(path) for path, _ in ways]
    events = asked(platform, "?_count=20").resources()
    for answer, (path, kind) in zip(answers, ways, strict=True):
        event = of(events, answer.response)
        assert check(event, "AuditEvent") == []
        assert (event["subtype"][0]["code"], event["action"]) == (kind, "R")
        (query,) = [entity for entity in event["entity"] if "query" in entity]
        assert query["description"] == path


def test_a_page_link_goes_on_for_its_caller_about_its_patient_and_behind_its_last_entry(
    platform: Standing, three: Any
) -> None:
    path = "Observation/_history?_count=1"
    link = platform.get(path, about=WHO).link("next").partition("/fhir/R4/")[2]
    new = create(platform, observation()).tree["id"]
    followed = [told(one) for one in whole_from(platform, link)]
    assert new not in [id_ for _, id_, _ in followed], "what came since is before the first page"
    assert followed == [told(one) for one in whole(platform, path, about=WHO)][2:]
    for more in ({"about": "citizen"}, {"about": WHO, "as_": "all-patients"}):
        assert platform.get(link, **more).status == 400
    for wrong in (link.replace("results.", "record."), link.replace("results.", ""), f"{link}&_count=2",
                  link.replace("Observation", "Specimen"), link.replace("Observation/", "")):  # fmt: skip
        assert platform.get(wrong, about=WHO).status == 400, wrong
    assert platform.get(f"Observation/{new}/{link.partition('/')[2]}", about=WHO).status == 400


def whole_from(platform: Standing, link: str) -> list[Tree]:
    return [one for answer in pages(platform, link, about=WHO) for one in entries(answer)]


@pytest.mark.parametrize(
    "query", ["_count=x", "_since=yesterday", "_at=2&_at=3", "code=x", "_sort=date", "_cursor=", "_cursor=x"]
)
@pytest.mark.parametrize("at", ["Observation/_history", "_history", "Organization/_history"])
def test_it_passes_over_nothing(platform: Standing, at: str, query: str) -> None:
    assert platform.get(f"{at}?{query}").status == 400
    if query.startswith(("code", "_sort")):
        assert platform.get(f"{at}?{query}", headers={"prefer": "handling=lenient"}).status == 200


@pytest.mark.parametrize("at", ["Observation/_history", "_history", "Organization/_history", "Patient/_history"])
def test_a_list_is_refused_by_name_whatever_the_handling(platform: Standing, at: str) -> None:
    for headers in ({}, {"prefer": "handling=lenient"}):
        answer = platform.get(f"{at}?_list=x", headers=headers)
        assert (answer.status, answer.issue["code"], answer.issue["expression"]) == (400, "not-supported", ["_list"])


@pytest.mark.parametrize("at", ["Observation/_history", "Condition/_history", "_history", "Patient/_history"])
def test_it_is_about_one_patient_whoever_asks_but_the_test_client(platform: Standing, at: str) -> None:
    for who in ("gp", *(["all-patients"] if at.startswith("Patient") else ())):
        answer = Answered(platform.client.call("GET", f"/fhir/R4/{at}", as_=who))
        assert (answer.status, answer.issue["expression"]) == (400, ["person-id"])
        assert "is about one patient" in answer.issue["diagnostics"]
    assert platform.get(at, as_="all-patients").status == 200
    number = Answered(platform.client.call("GET", f"/fhir/R4/{at}?x={platform.nin('citizen')}", as_="gp"))
    assert number.status == 400
    assert platform.nin("citizen") not in number.response.text


def test_a_type_that_is_not_served_has_none(platform: Standing) -> None:
    assert platform.get("Basic/_history").status == 404
    statement = platform.http.get(platform.url + "/fhir/R4/metadata").json()["rest"][0]
    assert {"code": "history-system"} in statement["interaction"]
    by_type = {one["type"]: [each["code"] for each in one.get("interaction", ())] for one in statement["resource"]}
    for name in ("Observation", "Condition", "Encounter", "Patient", "Organization", "ValueSet"):
        assert "history-type" in by_type[name]
        assert platform.get(f"{name}/_history", as_="all-patients").status == 200
    assert "history-type" not in by_type["AuditEvent"]


# The property: what it tells is what the histories by id tell the same caller.


def happens(platform: Standing, chance: Random) -> str:
    """A new Observation of hers, and what becomes of it; its id."""
    id_, version = str(create(platform, observation()).tree["id"]), 1
    for _ in range(chance.randrange(4)):
        if chance.random() < 0.4:
            label(platform, id_, chance.choice(WITHHOLDING))
        status = chance.choice(("final", "amended", "corrected"))
        if update(platform, id_, observation(id=id_, status=status), str(version)).status == 200:
            version += 1
    label(platform, id_, chance.choice((Label(0), Label(0), *WITHHOLDING)))
    if chance.random() < 0.3:
        platform.client.call("DELETE", f"/fhir/R4/Observation/{id_}", as_="lab")
    return id_


def one_by_one(
    platform: Standing, made: list[str], query: str, **more: Any
) -> tuple[dict[tuple[str, str], Tree], set[str]]:
    """What the caller gets of each of the records by its id, by id and ETag; and which are told to be gone."""
    found, gone = dict[tuple[str, str], Tree](), set[str]()
    for id_ in made:
        answer = platform.get(f"Observation/{id_}/_history?_count=100{query}", about=WHO, **more)
        assert answer.status in (200, 403, 404, 410)
        if answer.status == 410:
            gone.add(id_)
        if answer.status == 200:
            found |= {(id_, one["response"]["etag"]): one for one in entries(answer)}
    return found, gone


@pytest.mark.parametrize("seed", range(2))
def test_it_tells_what_the_histories_by_id_tell_the_same_caller(platform: Standing, seed: int) -> None:
    """Of what the test itself has made: what others have filed about her would be asked for again and again."""
    chance, given = Random(seed), 0
    began = f"&_since={platform.clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    made = [happens(platform, chance) for _ in range(12)]
    newest_first = whole(platform, f"Observation/_history?_count=50{began}", about=WHO)
    some = [one["resource"]["meta"]["lastUpdated"] for one in newest_first[:12] if "resource" in one]
    for more in CALLERS:
        drawn = chance.choice(("&_since=", "&_at=")) + chance.choice(some).replace("+", "%2B")
        for query in (began, drawn):
            expected, gone = one_by_one(platform, made, query, **more)
            # At a time there is all that she had then.
            path = f"Observation/_history?_count={200 if '_at' in query else chance.randrange(1, 9)}{query}"
            if (refused := platform.get(path, about=WHO, **more)).status != 200:
                assert (refused.status, expected, gone) == (403, {}, set())
                continue
            every = whole(platform, path, about=WHO, **more)
            times = [one["response"]["lastModified"] for one in every]
            assert times == sorted(times, reverse=True)
            found = [one for one in every if told(one)[1] in made]
            versions = {(one["resource"]["id"], one["response"]["etag"]): one for one in found if "resource" in one}
            assert versions == expected, (more, query)
            ended = [one for one in found if "resource" not in one]
            assert {one["request"]["method"] for one in ended} <= {"DELETE"}
            ids = [one["request"]["url"].partition("/")[2] for one in ended]
            assert len(ids) == len(set(ids))
            assert set(ids) == gone if query == began else set(ids) <= gone, (more, query)
            given += len(found)
            if query == began and every:
                newest = platform.get(f"Observation/_history?_count={len(every)}", about=WHO, **more)
                assert [told(one) for one in entries(newest)] == [told(one) for one in every], (
                    "they are the newest of all"
                )
    assert given > 40  # nothing but refusals would prove nothing


def test_of_a_deletion_nobody_hears_who_was_shut_out_before_it(platform: Standing) -> None:
    id_ = str(create(platform, observation()).tree["id"])
    label(platform, id_, Label.RESTRICTED)
    deleted(platform, id_)
    hers = {"as_": WHO, "portal": True}
    for more, tells in (({}, False), (hers, True), ({"as_": "all-patients"}, False)):
        ids = [told(one)[1] for one in whole(platform, "Observation/_history", about=WHO, **more)]
        assert (id_ in ids) == tells
        assert (platform.get(f"Observation/{id_}/_history", about=WHO, **more).status == 410) == tells


def test_a_time_narrows_deletions_to_those_of_that_time(platform: Standing, three: Any) -> None:
    _, gone, last = three
    (end,) = [one for one in whole(platform, "Observation/_history", about=WHO) if told(one)[:2] == ("DELETE", gone)]
    at = end["response"]["lastModified"]
    moment = at.replace("+", "%2B")
    since = [told(one)[1] for one in whole(platform, f"Observation/_history?_since={moment}", about=WHO)]
    assert {gone, last} <= set(since)
    assert gone in [told(one)[1] for one in whole(platform, f"Observation/_history?_at={moment}", about=WHO)]
    assert whole(platform, "Observation/_history?_since=2100-01-01", about=WHO) == []
    assert gone not in [told(one)[1] for one in whole(platform, "Observation/_history?_at=2100-01-01", about=WHO)]


# SMART scopes


def test_the_scopes_must_leave_a_search_and_a_read(platform: Standing, three: Any) -> None:
    first, *_ = three
    for letters, lacks in (("r", "s"), ("s", "r")):
        answer = platform.get("Observation/_history", about=WHO, narrower=f"user/Observation.{letters}")
        assert answer.status == 403
        assert f"leave no Observation.{lacks}" in answer.response.text
        assert [row["outcome"] for row in platform.audited(answer.response)] == [1]
    for narrower, is_told in (
        ("user/Observation.rs", True),
        ("user/Observation.r user/Observation.s?status=final", False),
    ):
        found = whole(platform, "Observation/_history", about=WHO, narrower=narrower)
        assert (first in [told(one)[1] for one in found]) == is_told
        assert all("resource" in one for one in found), "what is gone has no codes to compare"
    for narrower in ("user/Observation.r", "user/Observation.s", "user/Specimen.r user/Observation.s"):
        assert platform.get("_history", about=WHO, narrower=narrower).status == 403
    of_all = whole(platform, "_history", about=WHO, narrower="user/Observation.rs user/Specimen.r")
    assert {one["resource"]["resourceType"] for one in of_all} == {"Observation"}


def test_more_former_versions_than_may_be_opened_for_a_code_are_refused(
    platform: Standing, three: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "LOOKED_THROUGH", 0)
    answer = platform.get("Observation/_history", about=WHO, narrower="user/Observation.rs?status=amended")
    assert (answer.status, answer.issue["code"]) == (422, "too-costly")
    assert platform.get("Observation/_history", about=WHO, narrower="user/Observation.rs").status == 200


# Several services


@pytest.fixture
def two(platform: Standing) -> list[str]:
    """Conditions of critical information and of the record in turn, the newest first."""
    made = [
        registered(platform, critical(platform)),
        sent_in(platform, ordinary(platform)),
        registered(platform, critical(platform)),
    ]
    return made[::-1]


def test_what_two_services_keep_stands_in_one_order_and_each_names_its_own(platform: Standing, two: Any) -> None:
    seen = list(pages(platform, "Condition/_history?_count=1", **OF_BOTH))
    found = [one for answer in seen for one in entries(answer)]
    assert [one["resource"]["id"] for one in found[:3]] == two
    by_service = {"critical-information": {two[0], two[2]}, "record": {two[1]}}
    for answer, id_ in zip(seen, two, strict=False):
        rows = platform.audited(answer.response)
        assert sorted(row["service"] for row in rows) == sorted(by_service)
        assert [{str(one) for one in row["ids"]} for row in rows if row["service"] != "x" and row["ids"]] == [{id_}]
    for more, service in (({}, "critical-information"), (RECORD, "record")):
        alone = [told(one)[1] for one in whole(platform, "Condition/_history", **more)]
        assert by_service[service] <= set(alone)
        assert by_service[service].isdisjoint(set(two) - by_service[service])
        assert set(alone).isdisjoint(set(two) - by_service[service])


def test_a_service_that_is_shut_is_named_on_every_page(platform: Standing) -> None:
    about = "parent"
    made = [sent_in(platform, ordinary(platform, about=about), about=about) for _ in range(2)]
    more: Any = {"as_": "all-patients", "about": about}
    with chosen(platform, about, "opt-out", "critical-information"):
        alone = platform.get("AllergyIntolerance/_history", **more)
        assert alone.status == 403
        seen = list(pages(platform, "Condition/_history?_count=1", **more))
        assert {tuple(shut(answer)) for answer in seen} == {(alone.issue["diagnostics"],)}
        assert set(made) <= {told(one)[1] for answer in seen for one in entries(answer) if "request" in one}
        assert check(parse(seen[0].response.content), "Bundle") == []
        assert alone.issue["diagnostics"] in shut(platform.get("_history?_count=1", **more))
    assert shut(platform.get("Condition/_history", **more)) == []


def test_the_system_tells_of_every_type_what_the_type_tells(platform: Standing, two: Any) -> None:
    found = whole(platform, "_history?_count=40", **OF_BOTH)
    times = [one["response"]["lastModified"] for one in found]
    assert times == sorted(times, reverse=True)
    types = {one["fullUrl"].rpartition("/")[0].rpartition("/")[2] for one in found}
    assert {"Observation", "Condition", "DiagnosticReport"} <= types
    by_type = [one for name in types for one in whole(platform, f"{name}/_history?_count=100", **OF_BOTH)]
    assert sorted(map(repr, found)) == sorted(map(repr, by_type))
    assert platform.get("_history?_elements=code", **OF_BOTH).status == 400
    part = entries(platform.get("_history?_count=3&_summary=true", **OF_BOTH))
    assert all(one["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED" for one in part)


def test_services_that_the_token_does_not_reach_are_named_on_the_first_page(platform: Standing) -> None:
    first, second, *_ = pages(platform, "_history?_count=1")
    assert [one.split(":")[0] for one in shut(first)] == [
        f"the token does not reach the records of {service}"
        for service in ("settlement", "record", "critical-information")
    ]
    assert shut(second) == []
    assert [row["service"] for row in platform.audited(first.response)] == ["results"]
    assert rules(platform, first)[0][2] == 0


def test_a_blocked_doctor_is_told_no_as_of_a_search(platform: Standing) -> None:
    search = platform.get("Observation", as_="blocked-doctor")
    for path in ("Observation/_history", "_history"):
        answer = platform.get(path, as_="blocked-doctor")
        assert (answer.status, answer.issue["diagnostics"]) == (search.status, search.issue["diagnostics"])
        assert [row["outcome"] for row in platform.audited(answer.response)] == [1]


def test_it_is_an_entry_of_a_transaction_by_its_type(platform: Standing, two: Any) -> None:
    wanted = [
        {"request": {"method": "GET", "url": f"{name}/_history"}} for name in ("Condition", "Organization", "Patient")
    ]
    tree = {"resourceType": "Bundle", "type": "transaction", "entry": wanted}
    done = send(platform, "POST", "", tree, **OF_BOTH)
    assert done.status == 200, done.response.text
    assert [one["resource"]["type"] for one in done.tree["entry"]] == ["history"] * 3
    assert [told(one)[1] for one in done.tree["entry"][0]["resource"]["entry"]][:2] == two[:2]


# Patient


def test_a_patient_has_one_patient_so_it_is_the_history_of_that(platform: Standing) -> None:
    id_ = id_of(platform)
    for more in ({}, {"as_": "citizen", "portal": True}):
        of_one, of_type = platform.get(f"Patient/{id_}/_history", **more), platform.get("Patient/_history", **more)
        assert (of_type.status, entries(of_type)) == (200, entries(of_one))
        (row,) = platform.audited(of_type.response)
        assert ([str(one) for one in row["ids"]], row["action"]) == ([id_], "history")
    assert platform.get("Patient/_history?_since=2020").status == 400
    assert platform.get("Patient/_history", as_="blocked-doctor").status == 403
