"""The sandbox's test client: it looks for people without naming one, registers new, and every look is asked of the law."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from random import Random
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest

import words
from clinic import clinic, staff
from kjerne.registries import identifiers
from kjerne.sandbox.numbers import person_number
from platform_fixture import Answered, Standing, Tree
from services.test_patients import id_of

FHIR = "application/fhir+json"
FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
MRN = "urn:oid:1.2.3.4.5.1"


def call(platform: Standing, method: str, path: str, tree: Any = None, **headers: str) -> Answered:
    body = b"" if tree is None else json.dumps(tree).encode()
    sent = ({"content-type": FHIR} if body else {}) | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(platform.client.call(method, f"/fhir/R4/{path}", as_="all-patients", body=body, headers=sent))


def get(platform: Standing, path: str, **asked: str) -> Answered:
    return call(platform, "GET", f"{path}?{urlencode(asked)}" if asked else path)


def person(mrn: str = "", **more: Any) -> Tree:
    named = {"identifier": [{"system": MRN, "value": mrn}]} if mrn else {}
    return {
        "resourceType": "Patient", "name": [{"family": f"Fam{mrn}", "given": ["Ola"]}], "gender": "male",
        "birthDate": "1971-02-03", **named, **more,
    }  # fmt: skip


def observation(patient: str, **more: Any) -> Tree:
    coding = {"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU03429"}
    return {
        "resourceType": "Observation", "status": "final", "code": {"coding": [coding]},
        "subject": {"reference": patient}, **more,
    }  # fmt: skip


@pytest.fixture
def mrn() -> str:
    return words.fresh()


@pytest.fixture
def made(platform: Standing, mrn: str) -> str:
    """The address of a new person."""
    answer = call(platform, "POST", "Patient", person(mrn))
    assert answer.status == 201, answer.response.text
    return f"Patient/{answer.tree['id']}"


def test_a_new_person_is_served_as_she_came_and_has_a_synthetic_number(platform: Standing, mrn: str) -> None:
    answer = call(platform, "POST", "Patient", person(mrn))
    id_ = answer.tree["id"]
    assert answer.response.headers["location"] == f"{platform.url}/fhir/R4/Patient/{id_}/_history/1"
    found = get(platform, f"Patient/{id_}")
    assert {**found.tree, "id": "", "meta": ""} == {**person(mrn), "id": "", "meta": ""}
    (row,) = platform.audited(answer.response)
    assert (row["action"], row["rule"], [str(one) for one in row["ids"]]) == (
        "file",
        "test-of-a-synthetic-person",
        [id_],
    )
    house = next(one for one in platform.application._edge.routes if one.path == "/healthz").handler.__self__
    (kept,) = platform.rows("SELECT patient, sealed FROM person_identifier WHERE patient = $1", row["patient"])
    number = identifiers.parse(
        house.store.people.numbers.open(kept["sealed"], kept["patient"].to_bytes(8, "big")).decode()
    )
    assert (number.synthetic, str(number.birth_date), number.value[2:4]) == (True, "1971-02-03", "82")


def test_she_is_changed_and_deleted_by_versions(platform: Standing, made: str, mrn: str) -> None:
    tree = person(mrn, id=made.partition("/")[2], gender="female", deceasedBoolean=True)
    assert call(platform, "PUT", made, tree, if_match='W/"2"').status == 412
    changed = call(platform, "PUT", made, tree, if_match='W/"1"')
    assert (changed.status, changed.tree["meta"]["versionId"]) == (200, "2")
    assert get(platform, f"{made}/_history/1").tree["gender"] == "male"
    assert [one["resource"]["gender"] for one in get(platform, f"{made}/_history").tree["entry"]] == ["female", "male"]
    assert call(platform, "PUT", made, person(mrn, id=str(uuid4()))).status == 400
    assert call(platform, "DELETE", made).status == 204
    assert get(platform, made).status == call(platform, "PUT", made, tree).status == 410
    assert call(platform, "DELETE", made).status == 204
    assert get(platform, "Patient", identifier=f"{MRN}|{mrn}").ids() == []
    assert get(platform, f"{made}/_history").tree["total"] == 3


def test_what_is_wrong_is_refused_and_registers_nobody(platform: Standing, mrn: str) -> None:
    before = platform.rows("SELECT count(*) FROM person")[0]["count"]
    # A hospital's own kind of number (month + 40), which is nobody's and not of a test population either.
    real, half = f"034271300{identifiers.control_digits('034271300')}", [{"system": FNR, "value": "123"}]
    for tree, status in (
        (person(mrn, notAnElement=True), 422), (person(mrn, gender="man"), 422), ({"resourceType": "Person"}, 400),
        (person(identifier=half), 422), (person(identifier=[{"system": FNR, "value": platform.nin("citizen")}]), 409),
        (person(mrn, birthDate="1700-01-01"), 422), (person(mrn, birthDate="2300-01-01"), 422), ([], 400),
        (person(identifier=[{"system": FNR, "value": real}]), 422),
    ):  # fmt: skip
        answer = call(platform, "POST", "Patient", tree)
        assert answer.status == status, (tree, answer.response.text)
        assert platform.nin("citizen") not in answer.response.text
        assert real not in answer.response.text
    assert platform.rows("SELECT count(*) FROM person")[0]["count"] == before


def test_a_number_that_is_named_is_hers(platform: Standing) -> None:
    number = person_number(Random(7), date(1971, 2, 3), "male", set())
    made = call(platform, "POST", "Patient", person(identifier=[{"system": FNR, "value": number}]))
    assert made.status == 201, made.response.text
    assert number not in made.response.headers["location"]
    found = Answered(
        platform.client.call(
            "POST", "/fhir/R4/Patient/_search", as_="all-patients", form=[("identifier", f"{FNR}|{number}")]
        )
    )
    assert found.ids() == [made.tree["id"]]


def test_a_condition_makes_one_person_even_for_many_at_once(platform: Standing, mrn: str) -> None:
    def send(_: int) -> Answered:
        return call(platform, "POST", "Patient", person(mrn), if_none_exist=f"identifier={MRN}|{mrn}")

    with ThreadPoolExecutor(4) as many:
        answers = list(many.map(send, range(4)))
    assert sorted(one.status for one in answers) == [200, 200, 200, 201]
    assert len({one.tree["id"] for one in answers}) == 1
    call(platform, "POST", "Patient", person(mrn))
    assert send(0).status == 412


def test_whoever_it_has_not_registered_it_reads_and_does_not_change(platform: Standing) -> None:
    path = f"Patient/{id_of(platform, 'child')}"
    someone = get(platform, path).tree
    assert "HTEST" in str(someone["meta"])
    assert call(platform, "PUT", path, person(id=someone["id"])).status == 403
    assert call(platform, "DELETE", path).status == 403
    assert get(platform, path).tree == someone


def test_a_search_that_names_nobody_goes_through_all_page_by_page(platform: Standing, made: str) -> None:
    found: list[str] = []
    answer = get(platform, "Patient", _count="4")
    while True:
        assert len(answer.ids()) <= 4
        found += answer.ids()
        if not (link := answer.link("next")):
            break
        answer = call(platform, "GET", link.removeprefix(platform.url + "/fhir/R4/"))
        assert answer.status == 200
    assert made.partition("/")[2] in found
    assert len(found) == len(set(found))
    counted = get(platform, "Patient", _summary="count")
    assert (counted.tree["total"], counted.ids()) == (len(found), [])
    assert call(platform, "GET", "Patient?_cursor=x&_count=1").status == 400


def test_everybody_is_asked_of_the_law_by_herself_with_a_row_in_her_own_log(platform: Standing) -> None:
    answer = get(platform, "Patient", _count="200")
    rows = platform.audited(answer.response)
    given = {row["patient"]: [str(one) for one in row["ids"]] for row in rows if row["outcome"] == 0}
    assert sorted(one for ids in given.values() for one in ids) == sorted(answer.ids())
    assert all(len(ids) == 1 for ids in given.values())
    shut = [row for row in rows if row["outcome"] == 1]
    assert {row["rule"] for row in shut} == {"test-of-what-is-shut"}
    assert given.keys().isdisjoint({row["patient"] for row in shut})
    for name in ("opted-out", "restricted", "protected"):
        assert platform.nin(name) not in answer.response.text
        one = Answered(
            platform.client.call("GET", "/fhir/R4/Observation", as_="all-patients", patient=platform.nin(name))
        )
        assert one.status == 403


def test_records_are_found_by_what_her_patient_says_by_her_address_and_by_what_they_refer_to(
    platform: Standing, made: str, mrn: str
) -> None:
    filed = call(platform, "POST", "Observation", observation(made))
    assert filed.status == 201, filed.response.text
    id_ = filed.tree["id"]
    for asked in (
        {"subject:Patient.family": f"Fam{mrn}"}, {"patient.identifier": f"{MRN}|{mrn}"}, {"patient": made}, {"_id": id_},
        {"subject:Patient.family": f"fam{mrn}", "code": "NPU03429"},
    ):  # fmt: skip
        assert get(platform, "Observation", **asked).ids() == [id_], asked
    assert get(platform, "Observation", **{"patient.family": f"Fam{mrn}", "code": "x"}).ids() == []
    both = get(platform, "Observation", **{"patient.family": f"Fam{mrn}", "_include": "Observation:subject"})
    assert [f"Patient/{one}" for one in both.ids("include")] == [made]
    report = {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, "subject": {"reference": made},
        "result": [{"reference": f"Observation/{id_}"}],
    }  # fmt: skip
    reported = call(platform, "POST", "DiagnosticReport", report)
    led = get(platform, "DiagnosticReport", result=f"Observation/{id_}")
    assert led.ids() == [reported.tree["id"]]
    assert {row["patient"] for row in platform.audited(led.response)} == {
        row["patient"] for row in platform.audited(filed.response)
    }
    wide = get(platform, "Observation", code="NPU03429", _count="1")
    assert len(wide.ids()) == 1


def test_records_of_many_are_paged_without_doubles(platform: Standing, made: str) -> None:
    other = call(platform, "POST", "Patient", person()).tree["id"]
    code = {"coding": [{"code": words.fresh()}]}
    filed = {call(platform, "POST", "Observation", observation(one, code=code)).tree["id"]
             for one in (made, made, made, f"Patient/{other}")}  # fmt: skip
    path, found = f"Observation?code={code['coding'][0]['code']}&_count=2", []
    while path:
        answer = call(platform, "GET", path)
        found += answer.ids()
        path = answer.link("next").removeprefix(platform.url + "/fhir/R4/")
    assert sorted(found) == sorted(filed)
    total = get(platform, "Observation", code=code["coding"][0]["code"], _total="accurate", _count="1")
    assert total.tree["total"] == len(filed)


def pages(platform: Standing, path: str) -> list[Answered]:
    """All pages of a search."""
    found = []
    while path:
        found.append(call(platform, "GET", path))
        assert found[-1].status == 200, found[-1].response.text
        path = found[-1].link("next").removeprefix(platform.url + "/fhir/R4/")
    return found


@pytest.fixture
def spread(platform: Standing, made: str) -> tuple[str, dict[str, tuple[str, int, str]]]:
    """Six results of a fresh code about three people, mixed in every order: by id their day, value and status."""
    people = [made, *(f"Patient/{call(platform, 'POST', 'Patient', person()).tree['id']}" for _ in range(2))]
    code, said = words.fresh(), {}
    for place, (day, value, status) in enumerate(
        [("2026-01-05", 3, "final"), ("2026-01-02", 6, "amended"), ("2026-01-04", 1, "final"), ("2026-01-01", 5, "corrected"),
         ("2026-01-06", 2, "final"), ("2026-01-03", 4, "amended")]
    ):  # fmt: skip
        tree = observation(
            people[place % 3], code={"coding": [{"code": code}]}, effectiveDateTime=day, status=status,
            valueQuantity={"value": value, "unit": "g"},
        )  # fmt: skip
        said[call(platform, "POST", "Observation", tree).tree["id"]] = day, value, status
    return code, said


@pytest.mark.parametrize("size", [1, 2, 4, 6, 7])
@pytest.mark.parametrize(
    ("sort", "place", "falls"),
    [("date", 0, False), ("-date", 0, True), ("value-quantity", 1, False), ("-value-quantity", 1, True),
     ("status,-date", 2, False)],
)  # fmt: skip
def test_what_many_have_comes_in_the_order_that_is_asked_for_on_pages_of_any_size(
    platform: Standing, spread: Any, sort: str, place: int, falls: bool, size: int
) -> None:
    code, said = spread
    expected = sorted(said, key=lambda id_: said[id_][0], reverse=True)
    expected.sort(key=lambda id_: said[id_][place], reverse=falls)
    read = pages(platform, f"Observation?code={code}&_sort={sort}&_count={size}")
    assert [id_ for page in read for id_ in page.ids()] == expected
    assert [len(page.ids()) for page in read[:-1]] == [size] * (len(read) - 1)
    assert {page.tree["total"] for page in read} == {6}


def test_of_what_is_sorted_the_logs_name_what_left_and_no_more(platform: Standing, spread: Any) -> None:
    code, _ = spread
    first, *others = pages(platform, f"Observation?code={code}&_sort=date&_count=2")
    assert len(others) == 2
    for page in (first, *others):
        given = [row for row in platform.audited(page.response) if row["outcome"] == 0]
        assert sorted(str(id_) for row in given for id_ in row["ids"]) == sorted(page.ids())
        assert {row["action"] for row in given} == {"search"}
        # Whoever was asked about has a row, whatever left of hers.
        assert len({row["patient"] for row in given}) > 2
    shut = [row["rule"] for row in platform.audited(first.response) if row["outcome"] == 1]
    assert set(shut) == {"test-of-what-is-shut"}


def test_what_is_sorted_brings_along_what_its_page_refers_to(platform: Standing, spread: Any) -> None:
    code, said = spread
    page = get(platform, "Observation", code=code, _sort="-date", _count="2", _include="Observation:subject")
    assert page.ids() == sorted(said, key=lambda id_: said[id_][0], reverse=True)[:2]
    assert len(set(page.ids("include"))) == len(page.ids("include")) == 2
    counted = get(platform, "Observation", code=code, _sort="date", _summary="count")
    assert (counted.tree["total"], counted.ids()) == (6, [])


def test_a_link_to_a_sorted_page_goes_on_where_its_last_record_stood_when_that_is_gone(
    platform: Standing, spread: Any
) -> None:
    code, said = spread
    in_order = sorted(said, key=lambda id_: said[id_][0])
    page = get(platform, "Observation", code=code, _sort="date", _count="3")
    assert page.ids() == in_order[:3]
    assert call(platform, "DELETE", f"Observation/{in_order[2]}").status == 204
    onward = page.link("next").removeprefix(platform.url + "/fhir/R4/")
    # One that was deleted before leaves the others a place further ahead.
    assert call(platform, "GET", onward).ids() == in_order[4:]
    assert get(platform, "Observation", code=code, _sort="date").ids() == [
        one for one in in_order if one != in_order[2]
    ]


def test_people_come_in_order_too(platform: Standing, mrn: str) -> None:
    born = ["1980-05-01", "1950-01-31", "1991-12-24", "1962-07-07"]
    made = {
        call(platform, "POST", "Patient", person(birthDate=day, name=[{"family": mrn, "given": [day[3]]}])).tree["id"]: day
        for day in born
    }  # fmt: skip
    for size in ("1", "3", "4", "9"):
        read = pages(platform, f"Patient?family={mrn}&_sort=-birthdate&_count={size}")
        assert [made[id_] for page in read for id_ in page.ids()] == sorted(born, reverse=True)
        assert {page.tree["total"] for page in read} == {4}
    by_name = get(platform, "Patient", family=mrn, _sort="family,given")
    assert [made[id_][3] for id_ in by_name.ids()] == sorted(day[3] for day in born)


PATCHES: dict[str, tuple[str, Any]] = {
    "json": ("application/json-patch+json", [{"op": "replace", "path": "/birthDate", "value": "1972-03-04"}]),
    "xml": (
        "application/xml-patch+xml",
        '<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:birthDate/@value">1972-03-04</replace></diff>',
    ),
    "fhirpath": (
        FHIR,
        {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
            {"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Patient.birthDate"},
            {"name": "value", "valueDate": "1972-03-04"},
        ]}]},
    ),
}  # fmt: skip


def patched(platform: Standing, path: str, kind: str, patch: Any, **headers: str) -> Answered:
    body = patch.encode() if isinstance(patch, str) else json.dumps(patch).encode()
    sent = {"content-type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(platform.client.call("PATCH", f"/fhir/R4/{path}", as_="all-patients", body=body, headers=sent))


@pytest.mark.parametrize("way", list(PATCHES))
def test_a_patch_changes_whom_it_has_registered_and_what_the_register_says_of_her(
    platform: Standing, made: str, mrn: str, way: str
) -> None:
    kind, patch = PATCHES[way]
    assert patched(platform, made, kind, patch, if_match='W/"9"').status == 412
    answer = patched(platform, made, kind, patch, if_match='W/"1"')
    assert (answer.status, answer.tree["birthDate"], answer.tree["meta"]["versionId"]) == (200, "1972-03-04", "2")
    assert [one["resource"]["birthDate"] for one in get(platform, "Patient", family=f"Fam{mrn}").tree["entry"]] == [
        "1972-03-04"
    ]
    assert [row["rule"] for row in platform.audited(answer.response)] != []
    resident = platform.get("Patient", about="citizen").ids()[0]
    assert patched(platform, f"Patient/{resident}", kind, patch).status == 403
    assert patched(platform, f"Patient/{uuid4()}", kind, patch).status == 404


@pytest.mark.parametrize(
    ("path", "value", "status"),
    [("/resourceType", "Person", 422), ("/id", "another", 422), ("/gender", "nonsense", 422), ("/nonsense", 1, 422)],
)  # fmt: skip
def test_a_patch_that_makes_no_patient_of_hers_changes_nothing(
    platform: Standing, made: str, path: str, value: Any, status: int
) -> None:
    operation = {"op": "add", "path": path, "value": value}
    assert patched(platform, made, "application/json-patch+json", [operation]).status == status
    number = person_number(Random(7), date(1990, 5, 5), "male", set())
    named = {"op": "add", "path": "/identifier/-", "value": {"system": FNR, "value": number}}
    assert patched(platform, made, "application/json-patch+json", [named]).status == 422
    assert get(platform, made).tree["meta"]["versionId"] == "1"


def test_a_condition_changes_makes_and_takes_away_a_patient(platform: Standing, mrn: str) -> None:
    at = f"Patient?identifier={quote(f'{MRN}|{mrn}')}"
    new = call(platform, "PUT", at, person(mrn))
    assert new.status == 201, new.response.text
    id_ = new.tree["id"]
    changed = call(platform, "PUT", at, person(mrn, gender="female"))
    assert (changed.status, changed.tree["id"], changed.tree["meta"]["versionId"]) == (200, id_, "2")
    assert call(platform, "PUT", at, person(mrn), if_match='W/"1"').status == 412
    assert call(platform, "PUT", at, person(mrn, id="another")).status == 400
    assert call(platform, "PUT", at, person(mrn, id=id_), if_match='W/"2"').tree["meta"]["versionId"] == "3"
    gone = call(platform, "DELETE", at)
    assert (gone.status, gone.response.headers["location"].endswith(f"Patient/{id_}/_history/4")) == (204, True)
    assert get(platform, f"Patient/{id_}").status == 410
    assert call(platform, "DELETE", at).status == 204
    for wrong in (
        "Patient?",
        f"Patient?family=Fam{mrn}&_count=1",
        f"Patient?family=Fam{mrn}&_sort=family",
        "Patient?nonsense=x",
    ):
        assert call(platform, "DELETE", wrong).status == 400, wrong
        assert call(platform, "PUT", wrong, person(mrn)).status == 400, wrong


def test_a_condition_that_means_several_patients_or_another_s_changes_none(platform: Standing, mrn: str) -> None:
    two = [call(platform, "POST", "Patient", person(mrn)).tree["id"] for _ in range(2)]
    for answer in (
        call(platform, "PUT", f"Patient?family=Fam{mrn}", person(mrn)), call(platform, "DELETE", f"Patient?family=Fam{mrn}")
    ):  # fmt: skip
        assert (answer.status, answer.issue["expression"]) == (412, ["query"])
    assert [get(platform, f"Patient/{id_}").tree["meta"]["versionId"] for id_ in two] == ["1", "1"]
    of_register = next(
        one for one in get(platform, "Patient", _count="50").resources() if one["meta"]["versionId"] not in "123"
    )
    assert call(platform, "DELETE", f"Patient?_id={of_register['id']}").status == 403
    for method in ("PUT", "DELETE"):
        sent = {"content-type": FHIR}
        body = json.dumps(person(mrn)).encode()
        answer = platform.client.call(method, f"/fhir/R4/Patient?_id={two[0]}", as_="lab", body=body, headers=sent)
        assert answer.status_code == 405


def test_a_transaction_changes_a_patient_by_condition_once(platform: Standing, mrn: str) -> None:
    def entry(method: str, resource: Any = None) -> Tree:
        asked = {"request": {"method": method, "url": f"Patient?identifier={MRN}|{mrn}"}}
        return asked if resource is None else asked | {"resource": resource}

    def sent(*entries: Tree) -> Answered:
        return call(platform, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)})

    made = sent(entry("PUT", person(mrn)))
    assert [one["response"]["status"] for one in made.tree["entry"]] == ["201 Created"], made.response.text
    twice = sent(entry("DELETE"), entry("PUT", person(mrn)))
    assert (twice.status, twice.tree["issue"][0]["code"]) == (400, "duplicate"), twice.response.text
    changed = sent(entry("PUT", person(mrn, gender="female")))
    assert [one["response"]["status"] for one in changed.tree["entry"]] == ["200 OK"]
    assert [one["response"]["status"][:3] for one in sent(entry("DELETE")).tree["entry"]] == ["204"]


def test_its_own_records_are_changed_without_saying_which_version_was_seen(platform: Standing, made: str) -> None:
    filed = call(platform, "POST", "Observation", observation(made)).tree
    changed = call(platform, "PUT", f"Observation/{filed['id']}", {**filed, "status": "amended"})
    assert (changed.status, changed.tree["status"]) == (200, "amended")
    assert call(platform, "PUT", f"Observation/{filed['id']}", filed, if_match='W/"1"').status == 412
    place = call(platform, "POST", "Location", {"resourceType": "Location", "name": "A"}).tree
    assert call(platform, "PUT", f"Location/{place['id']}", {**place, "name": "B"}).status == 200


@pytest.mark.parametrize("alone", [True, False])
def test_what_its_condition_finds_is_changed_without_saying_which_version_was_seen(
    platform: Standing, made: str, mrn: str, alone: bool
) -> None:
    """R4's upsert: the same request makes the record and changes it, by itself and in a transaction."""

    def put(path: str, tree: Tree, **more: Any) -> tuple[str, str]:
        if alone:
            answer = call(platform, "PUT", path, tree, **more)
            return str(answer.status), answer.tree.get("meta", {}).get("versionId", "")
        entry = {
            "resource": tree,
            "request": {"method": "PUT", "url": path} | ({"ifMatch": more["if_match"]} if more else {}),
        }
        done = call(platform, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        if done.status != 200:
            return str(done.status), ""
        (told,) = done.tree["entry"]
        return told["response"]["status"][:3], told["resource"]["meta"]["versionId"]

    numbered = [{"system": "urn:x:upsert", "value": mrn}]
    for path, tree in (
        (f"Observation?identifier=urn:x:upsert|{mrn}", observation(made, identifier=numbered)),
        (f"Location?identifier=urn:x:upsert|{mrn}", {"resourceType": "Location", "identifier": numbered}),
    ):
        assert [put(path, tree), put(path, tree | {"language": "nb"})] == [("201", "1"), ("200", "2")]
        assert put(path, tree, if_match='W/"1"')[0] == "412"


def test_a_transaction_makes_a_person_and_what_is_about_her_or_nothing(platform: Standing, mrn: str) -> None:
    urn = f"urn:uuid:{uuid4()}"

    def bundle(**more: Any) -> Tree:
        return {
            "resourceType": "Bundle", "type": "transaction",
            "entry": [
                {"resource": observation(urn, **more), "request": {"method": "POST", "url": "Observation"}},
                {"fullUrl": urn, "resource": person(mrn), "request": {"method": "POST", "url": "Patient"}},
            ],
        }  # fmt: skip

    assert call(platform, "POST", "", bundle(status="nonsense")).status == 422
    assert get(platform, "Patient", identifier=f"{MRN}|{mrn}").ids() == []
    done = call(platform, "POST", "", bundle())
    assert done.status == 200, done.response.text
    assert [one["response"]["status"] for one in done.tree["entry"]] == ["201 Created", "201 Created"]
    filed, her = (one["resource"]["id"] for one in done.tree["entry"])
    assert get(platform, "Observation", **{"patient.family": f"Fam{mrn}"}).ids() == [filed]
    assert get(platform, f"Observation/{filed}").tree["subject"]["reference"] == f"Patient/{her}"
    more = {
        "resourceType": "Bundle", "type": "transaction",
        "entry": [
            {"resource": person(mrn, id=her, active=False), "request": {"method": "PUT", "url": f"Patient/{her}"}},
            {"resource": observation(f"Patient/{her}"), "request": {"method": "POST", "url": "Observation"}},
        ],
    }  # fmt: skip
    again = call(platform, "POST", "", more)
    assert again.status == 200, again.response.text
    assert len(get(platform, "Observation", patient=f"Patient/{her}").ids()) == 2


@pytest.mark.parametrize("how", ["both", "number", "number first", "both, blanks of hers", "number, blanks of its own"])
def test_a_record_names_by_number_whom_its_transaction_makes(platform: Standing, mrn: str, how: str) -> None:
    urn, born = f"urn:uuid:{uuid4()}", date(1931, 1, 1) + timedelta(days=Random(mrn).randrange(25_000))
    order = -1 if "first" in how else 1
    number = {"system": FNR, "value": person_number(Random(mrn), born, "male", set())}
    blanks = number | {"value": f"{number['value'][:6]} {number['value'][6:]} "}
    made = person(identifier=[blanks if "hers" in how else number], birthDate=f"{born}")
    subject = {"identifier": blanks if "its" in how else number} | ({"reference": urn} if "both" in how else {})
    entries = [
        {"fullUrl": urn, "resource": made, "request": {"method": "POST", "url": "Patient"}},
        {"resource": observation(urn) | {"subject": subject}, "request": {"method": "POST", "url": "Observation"}},
    ]
    done = call(platform, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries[::order]})
    assert done.status == 200, done.response.text
    her, filed = (one["resource"]["id"] for one in done.tree["entry"][::order])
    assert get(platform, "Observation", patient=f"Patient/{her}").ids() == [filed]


@pytest.mark.parametrize("identifier", [None, 5, "x", [None], [{"system": 5, "value": []}]])
def test_a_person_whose_numbers_have_no_shape_is_refused_in_a_transaction(platform: Standing, identifier: Any) -> None:
    her = {"resourceType": "Patient", "identifier": identifier}
    one = {"resource": her, "request": {"method": "POST", "url": "Patient"}}
    assert call(platform, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [one]}).status == 422


def test_whom_a_transaction_that_fails_had_met_has_a_try_in_her_log(platform: Standing, made: str, mrn: str) -> None:
    about_her = call(platform, "POST", "Observation", observation(made)).tree["id"]
    entries = [
        {"request": {"method": "GET", "url": f"Observation?patient.identifier={MRN}|{mrn}"}},
        {"request": {"method": "GET", "url": f"Observation/{uuid4()}"}},
    ]
    answer = call(platform, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status == 404
    rows = [row for row in platform.audited(answer.response) if row["patient"]]
    assert rows != []
    assert {row["rule"] for row in rows} == {"looked-up-and-not-given"}
    assert about_her in {str(id_) for row in rows for id_ in row["ids"]}


def test_staff_without_a_patient_lie_among_the_records_about_nobody(platform: Standing) -> None:
    code = words.fresh()
    role = {
        "resourceType": "PractitionerRole",
        "active": True,
        "identifier": [{"system": "urn:oid:1.2.3", "value": code}],
    }
    made = call(platform, "POST", "PractitionerRole", role)
    assert made.status == 201, made.response.text
    path = f"PractitionerRole/{made.tree['id']}"
    assert get(platform, path).tree == made.tree
    assert get(platform, "PractitionerRole", identifier=f"urn:oid:1.2.3|{code}").ids() == [made.tree["id"]]
    assert platform.audited(made.response) == []
    assert call(platform, "PUT", path, {**made.tree, "active": False}).tree["active"] is False
    about = call(platform, "POST", "PractitionerRole", role, person_id=platform.nin("citizen"))
    assert [row["service"] for row in platform.audited(about.response)] == ["results"]
    assert get(platform, f"PractitionerRole/{about.tree['id']}").tree == about.tree
    assert get(platform, f"PractitionerRole/{uuid4()}").status == 404
    alone = platform.client.call(
        "POST", "/fhir/R4/PractitionerRole", as_="lab", body=b"{}", headers={"content-type": FHIR}
    )
    assert alone.status_code == 400


def test_another_callers_token_asks_about_nobody_unnamed(platform: Standing) -> None:
    for as_ in ("lab", "gp", "registry"):
        answer = platform.client.call("GET", "/fhir/R4/Observation?code=x", as_=as_)
        assert answer.status_code in (400, 403), answer.text
    line = quote(f"{MRN}|1")
    assert platform.client.call("GET", f"/fhir/R4/Patient?identifier={line}", as_="gp").status_code == 400


async def test_production_takes_no_token_with_its_scope(database: Any, tmp_path: Any) -> None:
    async with clinic(database.dsn, tmp_path) as here:
        claims = staff(
            scope="kjerne:all-patients nhn:pps/provesvar-read", authorization_details=None,
            **{"helseid://claims/identity/pid": None, "helseid://claims/hpr/hpr_number": None},
        )  # fmt: skip
        for path, method in (
            ("/fhir/R4/Patient", "GET"),
            ("/fhir/R4/Observation", "GET"),
            ("/fhir/R4/Patient", "POST"),
        ):
            answer = await here.client.request(
                method,
                here.url + path,
                headers=[one for one in here.sent(path, method, claims).headers() if one[0] != b"host"],
            )
            assert answer.status_code == 403
            assert "sandbox" in answer.text
