"""`Patient/$everything`: all that the caller's grants open, service by service, whole or while it is made; and `$meta`."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import httpx
import pytest

from kjerne.fhir.validate import check
from kjerne.services import everything
from kjerne.store import walking
from platform_fixture import Answered, Standing

from .test_patients import id_of as of_patient
from .test_standards import FHIR, create, observation, read
from .test_standards_registered import SCOPE, allergy, registered

AT = "/fhir/R4/Patient/$everything"
CITIZEN: dict[str, Any] = {"as_": "citizen", "portal": True}
"""Her token reaches every service; personnel have one for each."""


def asked(platform: Standing, query: str = "", *, about: str = "citizen", **more: Any) -> Answered:
    return platform.get(f"Patient/$everything{query}", about=about, **more)


def of_type(answer: Answered, name: str) -> list[str]:
    return [one["id"] for one in answer.resources() if one["resourceType"] == name]


def test_everything_is_of_every_service_and_each_has_its_own_row(platform: Standing) -> None:
    allergy_id = registered(platform, allergy(platform))
    answer = asked(platform, **CITIZEN)
    assert (answer.status, check(answer.tree, "Bundle")) == (200, [])
    types = {one["resourceType"] for one in answer.resources()}
    assert {"Observation", "DiagnosticReport", "AllergyIntolerance"} <= types
    assert answer.tree["total"] == len(answer.tree["entry"]) == len(set(answer.ids()))
    assert of_type(answer, "AllergyIntolerance").count(allergy_id) == 1
    rows = platform.audited(answer.response)
    assert {(row["service"], row["action"], row["outcome"]) for row in rows} == {
        (name, "search", 0) for name in ("results", "critical-information", "record", "settlement")
    }
    named = [str(id_) for row in rows for id_ in row["ids"]]
    assert sorted(named) == sorted(answer.ids())


@pytest.mark.parametrize("as_", ["gp", "citizen"])
def test_she_stands_first_in_it_and_it_is_asked_for_by_her_id(platform: Standing, as_: str) -> None:
    her = of_patient(platform)
    more: dict[str, Any] = CITIZEN if as_ == "citizen" else {}
    by_header = asked(platform, **more)
    by_id = by_her_id(platform) if more else platform.get(f"Patient/{her}/$everything")
    assert by_id.resources()[0] == platform.get(f"Patient/{her}").tree
    assert (by_id.status, by_id.ids(), check(by_id.tree, "Bundle")) == (200, by_header.ids(), [])
    assert by_id.link("self").endswith(f"/fhir/R4/Patient/{her}/$everything")
    rows = platform.audited(by_id.response)
    assert [str(id_) for row in rows for id_ in row["ids"]].count(her) == 1


def test_by_her_id_it_goes_on_page_by_page_and_she_counts(platform: Standing) -> None:
    whole, found, query = by_her_id(platform).ids(), list[str](), "?_count=1"
    for _ in range(4):
        answer = by_her_id(platform, query)
        assert (answer.status, len(answer.ids())) == (200, 1)
        found += answer.ids()
        query = f"?{urlsplit(answer.link('next')).query}"
    assert found == whole[:4]
    assert found[0] == of_patient(platform)


def test_of_her_alone_nothing_else_is_asked_and_without_her_type_she_is_left_out(platform: Standing) -> None:
    alone = by_her_id(platform, "?_type=Patient&_count=5")
    assert (alone.ids(), [one["relation"] for one in alone.tree["link"]]) == ([of_patient(platform)], ["self"])
    assert "Patient" not in {one["resourceType"] for one in by_her_id(platform, "?_type=Observation").resources()}
    narrow = platform.get(f"Patient/{of_patient(platform)}/$everything?_type=Patient", narrower="user/Observation.rs")
    assert (narrow.status, [row["outcome"] for row in platform.audited(narrow.response)]) == (403, [1])


def test_an_id_of_another_or_of_nobody_opens_nothing(platform: Standing) -> None:
    other = platform.get(f"Patient/{of_patient(platform)}/$everything", about="renumbered")
    assert (other.status, other.issue["expression"]) == (400, ["id"])
    for nobody in (str(uuid4()), "abc", by_her_id(platform).ids()[1]):
        answer = by_her_id(platform, id_=nobody)
        assert (answer.status, answer.ids()) == (by_her_id(platform, id_=str(uuid4())).status, [])
        assert 400 <= answer.status < 500


def by_her_id(platform: Standing, query: str = "", *, id_: str = "", **more: Any) -> Answered:
    """A citizen, or a portal for her, names nobody but in the address."""
    who: dict[str, Any] = CITIZEN | more
    path = f"/fhir/R4/Patient/{id_ or of_patient(platform)}/$everything{query}"
    return Answered(platform.client.call("GET", path, **who))


def test_a_service_that_the_law_shuts_is_named_with_its_reason_and_the_others_are_given(platform: Standing) -> None:
    """A youth of 14 sees her own results where a parent consents, and critical information not at all."""
    youth: dict[str, Any] = {"as_": "youth", "portal": True, "about": "youth"}
    shut = asked(platform, **youth)
    rows = platform.audited(shut.response)
    assert (shut.status, [row["outcome"] for row in rows]) == (403, [1, 1, 1, 1])
    try:
        permit(platform, rows[0]["patient"])
        answer = asked(platform, **youth)
    finally:
        permit(platform, rows[0]["patient"], ended=True)
    outcomes = answer.resources("outcome")
    assert outcomes == [platform.get(name, **youth).tree for name in ("Coverage", "Flag", "Encounter")]
    assert {(row["service"], row["outcome"]) for row in platform.audited(answer.response)} == {
        ("results", 0), ("critical-information", 1), ("record", 1), ("settlement", 1),
    }  # fmt: skip
    assert (answer.status, answer.tree["total"], check(answer.tree, "Bundle")) == (200, len(answer.ids()), [])


def permit(platform: Standing, patient: int, *, ended: bool = False) -> None:
    platform.rows(
        "WITH s AS (UPDATE person SET stamp = stamp + 1 WHERE patient = $1) "
        "INSERT INTO privacy_choice (patient, number, kind, service, made_at, ended_at) VALUES ($1, 9001, 'youth-access', "
        "'results', now() - interval '1 day', NULL) ON CONFLICT (patient, number) DO UPDATE "
        "SET ended_at = CASE WHEN $2 THEN now() END RETURNING 1",
        patient, ended,
    )  # fmt: skip


def test_services_that_the_token_does_not_reach_are_said_and_not_asked_about(platform: Standing) -> None:
    answer = asked(platform)
    told = [one["issue"][0]["diagnostics"] for one in answer.resources("outcome")]
    assert [sum(name in one for one in told) for name in ("of critical-information:", "of record:")] == [1, 1]
    assert check(answer.tree, "Bundle") == []
    assert {row["service"] for row in platform.audited(answer.response)} == {"results"}
    refused = asked(platform, "?_type=Observation,Flag")
    assert (refused.status, SCOPE in refused.response.headers["www-authenticate"]) == (403, True)
    assert platform.audited(refused.response) == []


def test_scopes_of_smart_narrow_it_and_a_type_that_they_leave_nothing_of_is_refused_by_name(platform: Standing) -> None:
    narrow = "user/Specimen.rs user/Observation.r"
    answer = asked(platform, narrower=narrow)
    assert {one["resourceType"] for one in answer.resources()} <= {"Specimen"}
    refused = asked(platform, "?_type=Observation", narrower=narrow)
    assert (refused.status, [row["outcome"] for row in platform.audited(refused.response)]) == (403, [1])


@pytest.mark.parametrize("narrow", ["user/Observation.r", "patient/AllergyIntolerance.rs"])
def test_a_token_whose_smart_scopes_leave_nothing_is_refused_with_a_row(platform: Standing, narrow: str) -> None:
    refused = asked(platform, narrower=narrow)
    assert (refused.status, [row["outcome"] for row in platform.audited(refused.response)]) == (403, [1])


def test_a_token_whose_smart_scopes_leave_her_patient_alone_gets_that(platform: Standing) -> None:
    answer = asked(platform, narrower="patient/Patient.rs")
    assert answer.ids() == [of_patient(platform)]
    assert any("of results:" in one["issue"][0]["diagnostics"] for one in answer.resources("outcome"))
    rows = platform.audited(answer.response)
    assert [str(one) for row in rows for one in row["ids"]] == answer.ids()
    assert {row["outcome"] for row in rows} == {0}


def test_who_is_given_nothing_hears_what_a_search_would_say(platform: Standing) -> None:
    for as_ in ("outsider", "blocked-doctor"):
        answer = asked(platform, as_=as_)
        search = platform.get("Observation", as_=as_)
        assert (answer.status, answer.tree) == (search.status, search.tree) == (403, answer.tree)
        assert [row["rule"] for row in platform.audited(answer.response)] == [
            row["rule"] for row in platform.audited(search.response)
        ]


def test_type_since_and_days_of_care_narrow_it(platform: Standing) -> None:
    old, new = (
        create(platform, observation(effectiveDateTime=day)).tree["id"]
        for day in ("2019-02-03", "2026-03-04T10:00:00Z")
    )
    undated = create(platform, {k: v for k, v in observation().items() if k != "effectiveDateTime"}).tree

    def found(query: str) -> set[str]:
        answer = asked(platform, query, about="renumbered")
        assert answer.status == 200, answer.response.text
        assert {one["resourceType"] for one in answer.resources()} <= {query.partition("=")[2].partition("&")[0]}
        return {old, new, undated["id"]} & set(answer.ids())

    assert found("?_type=Observation") == {old, new, undated["id"]}
    assert found("?_type=Observation&start=2020") == {new, undated["id"]}
    assert found("?_type=Observation&end=2019-02-03") == {old, undated["id"]}
    assert found("?_type=Observation&start=2019-02-03&end=2019-02-03") == {old, undated["id"]}
    assert found("?_type=Observation&start=2019-02-04&end=2026-03-04") == {new, undated["id"]}
    assert found(f"?_type=Observation&_since={undated['meta']['lastUpdated']}") <= {undated["id"]}
    assert found("?_type=Observation&_since=2100") == set()
    assert "entry" not in asked(platform, "?_type=Observation&_since=2100", about="renumbered").tree
    assert found("?_type=Specimen") == set()


def test_pages_go_on_over_all_services_and_end(platform: Standing) -> None:
    registered(platform, allergy(platform))
    whole, found, pages, query = asked(platform, **CITIZEN).ids(), list[str](), 0, "?_count=7"
    while query:
        answer = asked(platform, query, **CITIZEN)
        assert (answer.status, "total" in answer.tree) == (200, False)
        assert len(answer.ids()) <= 7
        found += answer.ids()
        pages += 1
        links = {one["relation"]: one["url"] for one in answer.tree["link"]}
        query = f"?{urlsplit(links['next']).query}" if "next" in links else ""
    assert found == whole
    assert pages >= len(whole) // 7


def test_a_page_link_is_worth_nothing_to_anybody_else_and_stands_alone(platform: Standing) -> None:
    link = next(one["url"] for one in asked(platform, "?_count=1").tree["link"] if one["relation"] == "next")
    ((name, token),) = parse_qsl(urlsplit(link).query)
    assert name == "_cursor"
    for query, more in (
        (f"?_cursor={token}", {"about": "renumbered"}),
        (f"?_cursor={token}&_count=2", {}),
        ("?_cursor=nothing", {}),
        (f"?_cursor=critical-information.{token.partition('.')[2]}", {}),
        (f"?_cursor=log.{token.partition('.')[2]}", {}),
    ):
        assert asked(platform, query, **more).status == (403 if "critical" in query else 400), query


@pytest.mark.parametrize("query", ["?_count=1", "?_count=1&_type=Observation"])
def test_a_page_link_goes_on_with_the_service_that_it_was_made_for(platform: Standing, query: str) -> None:
    link = next(one["url"] for one in asked(platform, query, **CITIZEN).tree["link"] if one["relation"] == "next")
    service, _, sealed = dict(parse_qsl(urlsplit(link).query))["_cursor"].partition(".")
    for other in {"results", "record", "critical-information"} - {service}:
        answer = asked(platform, f"?_cursor={other}.{sealed}", **CITIZEN)
        assert (answer.status, answer.issue["expression"]) == (400, ["_cursor"])


def test_form_and_parameters_ask_the_same(platform: Standing) -> None:
    patient = platform.nin("renumbered")
    create(platform, observation())
    by_address = asked(platform, "?_type=Observation&start=2020", about="renumbered").ids()
    form = platform.client.call(
        "POST", AT, as_="gp", patient=patient, form=[("_type", "Observation"), ("start", "2020")]
    )
    rows = [{"name": "_type", "valueCode": "Observation"}, {"name": "start", "valueDate": "2020"}]
    body = json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()
    sent = platform.client.call("POST", AT, as_="gp", patient=patient, body=body, headers={"content-type": FHIR})
    assert Answered(form).ids() == Answered(sent).ids() == by_address != []


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("?_count=0", "_count"), ("?_count=x", "_count"), ("?_count=1&_count=2", "_count"), ("?start=yesterday", "start"),
        ("?_since=2026-13-01", "_since"), ("?_type=Group", "_type"), ("?_type=Observation,", "_type"), ("?_type=Kake", "_type"),
        ("?name=x", "name"), ("?_cursor=", "_cursor"),
    ],
)  # fmt: skip
def test_what_it_does_not_take_is_refused_with_the_place(platform: Standing, query: str, where: str) -> None:
    answer = asked(platform, query)
    assert (answer.status, answer.issue.get("expression")) == (400, [where])
    assert platform.audited(answer.response) == []


def test_a_person_number_stands_in_no_address_and_no_parameter(platform: Standing) -> None:
    number = platform.nin("renumbered")
    assert asked(platform, f"?start={number}").status == 400
    body = json.dumps({"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": number}]}).encode()
    answer = platform.client.call("POST", AT, as_="gp", patient=number, body=body, headers={"content-type": FHIR})
    assert (answer.status_code, number in answer.text) == (400, False)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"x", b'{"resourceType":"Parameters","parameter":[{"name":"start"}]}',
             b'{"resourceType":"Parameters","parameter":[3]}', b'{"resourceType":"Parameters","parameter":{}}',
             b'{"resourceType":"Parameters","parameter":[{"name":"start","valueDate":{"a":1}}]}'],
)  # fmt: skip
def test_a_body_that_is_no_parameters_is_refused(platform: Standing, body: bytes) -> None:
    headers = {"content-type": FHIR}
    answer = platform.client.call("POST", AT, as_="gp", patient=platform.nin("citizen"), body=body, headers=headers)
    assert answer.status_code in (400, 422)


def test_a_long_answer_goes_out_while_it_is_made_and_is_the_same(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asked(platform)
    monkeypatch.setattr(everything, "WHOLE_BYTES", 2_000)
    monkeypatch.setattr(everything, "PIECE_BYTES", 1_000)
    monkeypatch.setattr(everything, "STEP_ROWS", 5)
    answer = Answered(platform.over_wire.call("GET", AT, as_="gp", patient=platform.nin("citizen")))
    assert answer.response.headers["transfer-encoding"] == "chunked"
    assert (answer.ids(), answer.tree["total"]) == (whole.ids(), whole.tree["total"])
    rows = platform.audited(answer.response)
    assert all(len(row["ids"]) <= 5 for row in rows)
    assert sorted(str(id_) for row in rows for id_ in row["ids"]) == sorted(answer.ids())
    head = platform.over_wire.call("HEAD", AT, as_="gp", patient=platform.nin("citizen"))
    assert (head.status_code, head.content) == (200, b"")


def test_no_step_holds_more_than_its_bytes(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked(platform)
    monkeypatch.setattr(walking, "STEP_BYTES", 1)
    answer = asked(platform)
    assert answer.ids() == whole.ids()
    assert all(len(row["ids"]) <= 1 for row in platform.audited(answer.response))


def test_it_is_no_entry_of_a_bundle(platform: Standing) -> None:
    entry = {"request": {"method": "GET", "url": "Patient/$everything"}}
    body = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [entry]}).encode()
    answer = platform.client.call(
        "POST", "/fhir/R4", as_="gp", patient=platform.nin("citizen"), body=body, headers={"content-type": FHIR}
    )
    assert answer.json()["entry"][0]["response"]["status"].startswith("405")


def test_the_statement_tells_of_both(platform: Standing) -> None:
    told = httpx.Response(200, content=platform.http.get(f"{platform.url}/fhir/R4/metadata").content).json()
    by_type = {one["type"]: one for one in told["rest"][0]["resource"]}
    assert [one["name"] for one in by_type["Patient"]["operation"]] == ["everything", "export", "summary"]
    assert [one["name"] for one in by_type["Group"]["operation"]] == ["export"]
    assert "meta" in [one["name"] for one in by_type["Observation"]["operation"]]
    assert check(told, "CapabilityStatement") == []


def test_meta_is_what_stands_in_a_record_without_its_content(platform: Standing) -> None:
    tag = {"system": "urn:x:tag", "code": str(uuid4())}
    made = create(platform, observation(meta={"tag": [tag]})).tree
    answer = read(platform, f"Observation/{made['id']}/$meta")
    ((parameter,), status) = answer.tree["parameter"], answer.status
    assert (status, parameter["name"], parameter["valueMeta"]) == (200, "return", made["meta"])
    assert parameter["valueMeta"]["tag"] == [tag]
    assert [row["action"] for row in platform.audited(answer.response)] == ["read"]
    assert read(platform, f"Observation/{made['id']}/$meta?x=1").status == 400
    assert read(platform, f"Observation/{uuid4()}/$meta").status == 404
    assert read(platform, f"Kake/{made['id']}/$meta").status == 404
