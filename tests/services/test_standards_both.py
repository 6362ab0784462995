"""Condition and Procedure, which two services keep: each record under a law of its own, and nothing of one told by the other."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import uuid4

import pytest

from kjerne.registries.contents import KINDS_SYSTEM
from kjerne.registries.homes import KEPT, SECOND, row_number, types_of
from kjerne.services.standards import types_by_service
from platform_fixture import Answered, Standing, Tree
from services.test_standards_record import ICPC, SYSTEM, bodies, chosen, coded, sent_in
from services.test_standards_registered import NEED, person, registered, rules, send

RECORD: Final = {"service": "record"}
CRITICAL: Final = [{"coding": [{"system": KINDS_SYSTEM, "code": "critical-condition"}]}]


def ordinary(platform: Standing, name: str = "Condition", about: str = "citizen", **more: Any) -> Tree:
    return bodies(person(platform, about))[name] | more


def critical(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    return ordinary(platform, about=about, category=CRITICAL, **more)


@pytest.fixture
def two(platform: Standing, word: str) -> tuple[str, str]:
    """One of critical information and one of the record, of the same code and identifier: their ids."""
    more: Tree = {"code": coded(word), "identifier": [{"system": "urn:x", "value": word}]}
    return registered(platform, critical(platform, **more)), sent_in(platform, ordinary(platform, **more))


def test_the_records_of_two_services_lie_apart() -> None:
    numbers = [number for every in types_by_service().values() for number in every]
    assert len(numbers) == len(set(numbers)) == len(KEPT)
    for name, service in SECOND.items():
        assert name in types_of(service)
        assert row_number(name, service) not in types_by_service()["critical-information"]


def test_a_token_of_one_service_finds_what_that_service_keeps(platform: Standing, word: str, two: Any) -> None:
    of_critical, of_record = two
    for more, id_, service in (({}, of_critical, "critical-information"), (RECORD, of_record, "record")):
        answer = platform.get(f"Condition?code={word}", **more)
        assert answer.ids() == [id_]
        assert {one for one, _, _ in rules(platform, answer)} == {service}
        assert answer.tree["total"] == 1
        assert platform.get(f"Condition?_id={of_critical},{of_record}", **more).ids() == [id_]


@pytest.mark.parametrize("what", ["", "/_history", "/_history/1", "/$meta"])
def test_by_id_the_other_services_record_is_absent(platform: Standing, two: Any, what: str) -> None:
    of_critical, of_record = two
    nobodys = platform.get(f"Condition/{uuid4()}{what}")
    for id_, own, other in ((of_critical, {}, RECORD), (of_record, RECORD, {})):
        assert platform.get(f"Condition/{id_}{what}", **own).status == 200
        hidden = platform.get(f"Condition/{id_}{what}", **other)
        assert (hidden.status, hidden.issue["diagnostics"]) == (404, nobodys.issue["diagnostics"])
        assert [rule for _, rule, _ in rules(platform, hidden)] == ["scope-missing"]


def test_what_is_written_is_told_by_what_it_says_and_asks_for_that_services_scope(platform: Standing) -> None:
    made = send(platform, "POST", "Condition", ordinary(platform), as_=SYSTEM)
    assert (made.status, rules(platform, made)) == (201, [("record", "sent-in", 0)])
    assert send(platform, "POST", "Condition", ordinary(platform), **RECORD).status == 201
    for tree, more, scope in (
        (ordinary(platform), {}, "kjerne:record-write"),
        (critical(platform), RECORD, "nhn:critical-information/api"),
        (critical(platform), {"as_": SYSTEM}, "nhn:critical-information/api"),
    ):
        refused = send(platform, "POST", "Condition", tree, **more)
        assert (refused.status, scope in refused.issue["diagnostics"]) == (403, True), refused.response.text
    half = ordinary(platform, category=[{"coding": [{"system": KINDS_SYSTEM, "code": "nonsense"}]}])
    assert send(platform, "POST", "Condition", half).issue["expression"] == ["Condition.category"]


def test_a_new_version_stays_with_its_service(platform: Standing, two: Any) -> None:
    of_critical, of_record = two
    for id_, tree, more, other in (
        (of_record, critical(platform), {"as_": SYSTEM}, RECORD),
        (of_critical, ordinary(platform), {}, {"as_": "hospital-doctor", **NEED}),
    ):
        refused = send(platform, "PUT", f"Condition/{id_}", tree | {"id": id_}, version=1, **more)
        assert (refused.status, refused.issue["expression"]) == (422, ["Condition.category"]), refused.response.text
        patch = [{"op": "add", "path": "/category", "value": CRITICAL}]
        if id_ == of_record:
            sent = {"headers": {"content-type": "application/json-patch+json"}, "version": 1}
            answer = send(platform, "PATCH", f"Condition/{id_}", patch, **sent, **more)
            assert answer.status == 422, answer.response.text
        assert send(platform, "DELETE", f"Condition/{id_}", **(other | {"version": 1})).status in (403, 404)
    put = send(platform, "PUT", f"Condition/{of_record}", ordinary(platform, id=of_record), version=1, **RECORD)
    assert put.status == 404
    changed = send(platform, "PUT", f"Condition/{of_record}", ordinary(platform, id=of_record), as_=SYSTEM, version=1)
    assert (changed.status, changed.tree["meta"]["versionId"]) == (200, "2")
    assert send(platform, "DELETE", f"Condition/{of_record}", as_=SYSTEM).status == 204
    assert platform.get(f"Condition/{of_record}", **RECORD).status == 410
    assert platform.get(f"Condition/{of_critical}").status == 200


def test_who_may_see_both_is_given_both_each_under_its_own_grant(platform: Standing, word: str, two: Any) -> None:
    more: Any = {"as_": "citizen", "portal": True}
    answer = platform.get(f"Condition?code={word}", **more)
    assert (answer.ids(), answer.tree["total"]) == ([*two], 2)
    assert [(service, rule) for service, rule, _ in rules(platform, answer)] == [
        ("critical-information", "own"), ("record", "own"),
    ]  # fmt: skip
    for id_ in two:
        assert platform.get(f"Condition/{id_}", **more).status == 200
    page = platform.get(f"Condition?code={word}&_count=1", **more)
    seen = page.ids()
    further = page.link("next").partition("/fhir/R4/")[2]
    page = platform.get(further, **more)
    assert ([*seen, *page.ids()], page.link("next"), "total" in page.tree) == ([*two], "", False)
    assert platform.get(further, **RECORD).status == 400
    assert platform.get(f"Condition?code={word}&_count=1&_total=accurate", **more).tree["total"] == 2
    assert platform.get(f"Condition?code={word}&_summary=count", **more).tree["total"] == 2


@pytest.mark.parametrize("more", [{"as_": "citizen", "portal": True}, {"as_": "all-patients"}])
@pytest.mark.parametrize("falls", [False, True])
def test_what_both_keep_comes_in_one_order_on_pages_of_any_size(
    platform: Standing, word: str, more: dict[str, Any], falls: bool
) -> None:
    days = [f"2026-02-0{day}" for day in (3, 1, 5, 2, 4)]
    made = {}
    for place, day in enumerate(days):
        said: Tree = {"code": coded(word), "recordedDate": day}
        file, tree = (registered, critical) if place % 2 else (sent_in, ordinary)
        made[file(platform, tree(platform, **said))] = day
    for size in range(1, 7):
        further, seen = f"Condition?code={word}&_sort={'-' * falls}recorded-date&_count={size}", list[str]()
        while further:
            page = platform.get(further, **more)
            assert (page.status, page.tree["total"]) == (200, len(days)), page.response.text
            given = [row for row in platform.audited(page.response) if row["outcome"] == 0]
            assert sorted(str(id_) for row in given for id_ in row["ids"]) == sorted(page.ids())
            seen += page.ids()
            further = page.link("next").partition("/fhir/R4/")[2]
        assert [made[id_] for id_ in seen] == sorted(days, reverse=falls), size


@pytest.mark.parametrize("total", ["", "&_total=accurate"])
@pytest.mark.parametrize("more", [{"as_": "citizen", "portal": True}, {"as_": "all-patients"}])
def test_pages_of_any_size_give_every_record_of_both_once(
    platform: Standing, word: str, two: Any, more: dict[str, Any], total: str
) -> None:
    of_record = {two[1], *(sent_in(platform, ordinary(platform, code=coded(word))) for _ in range(2))}
    for size in range(1, 6):
        page = platform.get(f"Condition?code={word}&_count={size}{total}", **more)
        seen = page.ids()
        assert not total or page.tree["total"] == 4
        while further := page.link("next").partition("/fhir/R4/")[2]:
            page = platform.get(further, **more)
            seen += page.ids()
        assert (seen[0], sorted(seen)) == (two[0], sorted({two[0], *of_record})), size


@pytest.mark.parametrize("more", [{"as_": "citizen", "portal": True}, {"as_": "all-patients"}])
def test_a_service_in_which_a_search_has_no_meaning_is_named_and_left_out(
    platform: Standing, word: str, two: Any, more: dict[str, Any]
) -> None:
    stay = {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}}
    id_ = sent_in(platform, stay | {"subject": person(platform, "citizen")})
    there: Tree = {"code": coded(word), "encounter": {"reference": f"Encounter/{id_}"}}
    in_it = [sent_in(platform, ordinary(platform, **there)) for _ in range(2)]
    asked = f"Condition?code={word}&encounter.status=finished&_count=1"
    answer = platform.get(asked, **more)
    seen = answer.ids()
    (said,) = answer.resources("outcome")
    assert said["issue"][0]["diagnostics"].startswith("the service critical-information was not searched. "), said
    assert said["issue"][0]["expression"] == ["encounter"]
    seen += platform.get(answer.link("next").partition("/fhir/R4/")[2], **more).ids()
    assert sorted(seen) == sorted(in_it)
    assert platform.get(asked + "&_total=accurate", **more).tree["total"] == 2
    in_order = platform.get(f"Condition?code={word}&encounter.status=finished&_sort=_id", **more)
    assert (in_order.ids(), len(in_order.resources("outcome"))) == (sorted(in_it), 1)
    neither = platform.get("Condition?_has:Observation:focus:status=final", **more)
    assert (neither.status, neither.issue["expression"]) == (400, ["_has"])
    nonsense = platform.get("Condition?recorded-date=nonsense", **more)
    assert (nonsense.status, nonsense.issue["expression"]) == (400, ["recorded-date"])


@pytest.mark.parametrize("asked", ["Condition", "Condition?_sort=-code"])
def test_a_service_that_is_shut_is_named_beside_what_the_other_gives(platform: Standing, asked: str) -> None:
    about = "parent"
    id_ = sent_in(platform, ordinary(platform, about=about), about=about)
    more: Any = {"as_": "all-patients", "about": about}
    with chosen(platform, about, "opt-out", "critical-information"):
        answer = platform.get(asked, **more)
        (said,) = answer.resources("outcome")
        assert id_ in answer.ids()
        alone = platform.get("AllergyIntolerance", **more)
        assert (alone.status, said["issue"][0]["diagnostics"]) == (403, alone.issue["diagnostics"])
    assert platform.get(asked, **more).resources("outcome") == []


def test_links_lead_to_what_the_same_service_keeps(platform: Standing, word: str, two: Any) -> None:
    of_critical, of_record = two
    of_both = [{"condition": {"reference": f"Condition/{id_}"}} for id_ in two]
    contact = sent_in(platform, bodies(person(platform, "citizen"))["Encounter"] | {"diagnosis": of_both})
    found = platform.get(f"Encounter?_id={contact}&_include=Encounter:diagnosis", **RECORD)
    assert found.ids("include") == [of_record]
    assert platform.get(f"Encounter?diagnosis:Condition.code={word}", **RECORD).ids() == [contact]
    assert platform.get(f"Condition?code={word}&_revinclude=Encounter:diagnosis", **RECORD).ids("include") == [contact]
    assert platform.get(f"Condition?code={word}&_revinclude=Encounter:diagnosis").status == 400
    assert platform.get("Condition?encounter:Encounter.status=finished").status == 400
    assert platform.get("Condition?encounter:Encounter.status=finished", **RECORD).status == 200
    everything = platform.client.call(
        "GET",
        "/fhir/R4/Patient/$everything?_type=Condition",
        as_="citizen",
        portal=True,
        patient=platform.nin("citizen"),
    )
    assert {of_critical, of_record} <= {one["resource"].get("id") for one in everything.json()["entry"]}


def test_a_transaction_and_a_condition_find_the_records_own(platform: Standing, word: str, two: Any) -> None:
    urn = f"urn:uuid:{uuid4()}"
    visit = bodies(person(platform, "citizen"))["Encounter"]
    entries = [
        {"fullUrl": urn, "resource": visit, "request": {"method": "POST", "url": "Encounter"}},
        {
            "resource": ordinary(platform, encounter={"reference": urn}),
            "request": {"method": "POST", "url": "Condition"},
        },
        {"resource": ordinary(platform, "Procedure"), "request": {"method": "POST", "url": "Procedure"}},
    ]
    done = send(platform, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}, as_=SYSTEM)
    assert done.status == 200, done.response.text
    for one in done.tree["entry"][1:]:
        made = one["resource"]
        assert platform.get(f"{made['resourceType']}/{made['id']}", **RECORD).status == 200
    once = {"if-none-exist": f"identifier=urn:x|{word}"}
    again = send(platform, "POST", "Condition", ordinary(platform), as_=SYSTEM, headers=once)
    assert (again.status, again.response.headers["location"].split("/")[-3]) == (200, two[1])
    gone = send(platform, "DELETE", f"Condition?identifier=urn:x|{word}", as_=SYSTEM)
    assert gone.status == 204
    assert platform.get(f"Condition?code={word}", **RECORD).ids() == []
    assert platform.get(f"Condition?code={word}").ids() == [two[0]]


def test_an_import_takes_what_is_no_critical_information(platform: Standing, word: str) -> None:
    def sent(*trees: Tree) -> Answered:
        body = b"\n".join(json.dumps(one).encode() for one in trees)
        headers = {"content-type": "application/fhir+ndjson"}
        return Answered(platform.client.call("POST", "/fhir/R4/$import", as_=SYSTEM, body=body, headers=headers))

    taken = sent(ordinary(platform, code=coded(word)), ordinary(platform, "Procedure", code=coded(word)))
    assert taken.status == 200, taken.response.text
    for name in ("Condition", "Procedure"):
        (id_,) = platform.get(f"{name}?code={word}", **RECORD).ids()
        assert platform.get(f"{name}/{id_}", **RECORD).status == 200
    refused = sent(ordinary(platform, code=coded(word)), critical(platform, code=coded(word)))
    assert (refused.status, refused.issue["expression"]) == (422, ["line 2: Condition.category"])
    assert len(platform.get(f"Condition?code={word}", **RECORD).ids()) == 1


def test_smart_scopes_leave_of_a_type_what_each_service_keeps(platform: Standing, word: str, two: Any) -> None:
    for id_, more in zip(two, ({}, RECORD), strict=True):
        for scope in ("user/Condition.rs", f"user/Condition.rs?code=urn:x|{word}"):
            assert platform.get(f"Condition?code={word}", narrower=scope, **more).ids() == [id_]
            assert platform.get(f"Condition/{id_}", narrower=scope, **more).status == 200
        assert platform.get(f"Condition/{id_}", narrower=f"user/Condition.rs?code={ICPC}|R75", **more).status == 404


def test_the_statement_tells_of_the_links_of_both(platform: Standing) -> None:
    told = platform.client.call("GET", "/fhir/R4/metadata", as_="gp").json()["rest"][0]["resource"]
    by_type = {one["type"]: one for one in told}
    assert "Encounter:diagnosis" in by_type["Encounter"]["searchInclude"]
    assert {"Condition:encounter", "Condition:evidence-detail"} & set(by_type["Condition"]["searchInclude"])
    assert {"Encounter:diagnosis", "Procedure:reason-reference"} <= set(by_type["Condition"]["searchRevInclude"])
    assert "Observation:encounter" not in by_type["Encounter"].get("searchRevInclude", [])
