"""`/fhir/R4/AuditEvent`: the log about one patient as FHIR, for herself and for whoever keeps it, under the same law."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

import asyncpg
import httpx
import pytest

from kjerne.fhir.encode import decode
from kjerne.fhir.validate import check
from kjerne.services.consents import GUIDE
from kjerne.store import audit
from pages.test_live import tab
from pages.test_live_inquiries import proxied  # noqa: F401
from platform_fixture import Answered, Standing, Tree
from services.test_standards import create, observation
from services.test_standards_registered import person

AT = "/fhir/R4/AuditEvent"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
NATIONAL = "http://hl7.no/fhir/StructureDefinition/no-domain-Trustframework-Auditevent"


def asked(platform: Standing, query: str = "", *, as_: str = "citizen", about: str = "", path: str = AT) -> Answered:
    """A search as a citizen about herself, or as somebody about somebody."""
    patient = platform.nin(about) if about else ""
    return Answered(platform.client.call("GET", path + query, as_=as_, patient=patient))


def looked(platform: Standing, **more: Any) -> httpx.Response:
    answer = platform.search("Observation", [("code", "NPU27300"), ("_count", "2")], **more).response
    assert answer.status_code == 200
    return answer


def from_now(platform: Standing) -> str:
    """A date that leaves out what others did before: of a whole log a search that is no search by date alone looks through 2,500
    lines, and a run of all tests leaves more."""
    return f"date=ge{platform.clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"


def of(events: list[Tree], answer: httpx.Response) -> Tree:
    """The one event of a request, by its correlation id."""
    correlation = answer.headers["x-correlation-id"]
    (event,) = [one for one in events if correlation in [_request(entity) for entity in one["entity"]]]
    return event


def _request(entity: Tree) -> str:
    return str(entity.get("what", {}).get("identifier", {}).get("value", ""))


def records(event: Tree) -> list[str]:
    references = [entity.get("what", {}).get("reference", "") for entity in event["entity"]]
    return [one for one in references if not one.startswith("#") and one]


def test_a_search_by_a_gp_is_in_the_citizens_own_log_with_everything_that_left(platform: Standing) -> None:
    answer = looked(platform, reason="Kontroll av diabetes")
    found = asked(platform, "?_count=5")
    assert found.status == 200
    event = of(found.resources(), answer)
    assert check(event, "AuditEvent") == []
    assert event["meta"]["profile"] == [NATIONAL]
    assert (event["action"], event["outcome"], event["type"]["code"]) == ("E", "0", "rest")
    assert [one["code"] for one in event["subtype"]] == ["search-type", "110110"]
    (row,) = platform.audited(answer)
    named = [f"Observation/{id_}/_history/{n}" for id_, n in zip(row["ids"], row["versions"], strict=True)]
    assert records(event) == named and len(named) == 2
    assert not [entity for entity in event["entity"] if "query" in entity]
    kept = of(asked(platform, "?_count=5", as_="audit-repository", about="citizen").resources(), answer)
    assert {BALP + "PatientQuery", NATIONAL} < set(kept["meta"]["profile"])
    (query,) = [entity for entity in kept["entity"] if "query" in entity]
    assert base64.b64decode(query["query"]).decode() == query["description"] == "Observation?code=NPU27300&_count=2"
    gp = platform.persona("gp")
    (practitioner,) = [one for one in event["contained"] if one["resourceType"] == "Practitioner"]
    assert practitioner["identifier"] == [{"system": "urn:oid:2.16.578.1.12.4.1.4.4", "value": gp.hpr}]
    assert practitioner["name"] == [{"text": gp.person_name}]
    assert gp.nin not in found.response.text
    (patient,) = [one for one in event["contained"] if one["resourceType"] == "Patient"]
    assert patient["identifier"][0]["value"] == platform.nin("citizen")
    assert "jti" not in found.response.text


def test_a_search_is_kept_sealed_and_holds_no_person_number(platform: Standing) -> None:
    answer = platform.search("Observation", [("identifier", f"x|{platform.nin('parent')}"), ("_count", "1")]).response
    (row,) = platform.audited(answer)
    assert b"Observation?" not in row["written"] and row["written"]
    event = of(asked(platform, "?_count=5", as_="audit-repository", about="citizen").resources(), answer)
    assert [entity["description"] for entity in event["entity"] if "query" in entity] == ["Observation?_count=1"]


def test_a_read_names_its_one_record_as_the_basic_pattern_has_it(platform: Standing) -> None:
    (record,) = looked(platform).json()["entry"][:1]
    answer = platform.get(f"Observation/{record['resource']['id']}").response
    event = of(asked(platform, "?_count=5").resources(), answer)
    assert check(event, "AuditEvent") == []
    assert (event["action"], event["subtype"][0]["code"]) == ("R", "read")
    assert event["meta"]["profile"] == [BALP + "PatientRead", NATIONAL]
    (entity,) = [one for one in event["entity"] if "/_history/" in one.get("what", {}).get("reference", "")]
    assert (entity["type"]["code"], entity["role"]["code"]) == ("2", "4")
    client, server, user = event["agent"]
    assert [one["type"]["coding"][0]["code"] for one in (client, server, user)] == ["110152", "110153", "IRCP"]
    assert [one["requestor"] for one in event["agent"]] == [False, False, True]


def test_what_a_laboratory_files_is_a_create_and_what_it_corrects_an_update(platform: Standing) -> None:
    made = create(platform, observation())
    put = platform.client.call(
        "PUT", f"/fhir/R4/Observation/{made.tree['id']}", as_="lab", patient=platform.nin("renumbered"),
        body=json.dumps(observation(id=made.tree["id"], status="amended")).encode(),
        headers={"content-type": "application/fhir+json", "if-match": 'W/"1"'},
    )  # fmt: skip
    assert put.status_code == 200
    events = asked(platform, "?_count=10", as_="renumbered").resources()
    created, updated = of(events, made.response), of(events, put)
    for event, action, pattern in ((created, "C", "PatientCreate"), (updated, "U", "PatientUpdate")):
        assert check(event, "AuditEvent") == []
        assert (event["action"], event["meta"]["profile"]) == (action, [BALP + pattern])
    assert created["agent"][2]["who"]["identifier"]["value"] == platform.persona("lab").organisation


def test_a_deletion_is_told_as_one_to_the_patient_and_not_to_who_was_refused_it(platform: Standing) -> None:
    since = platform.clock.now().isoformat().replace("+", "%2B")
    made = create(platform, observation()).tree["id"]
    others = platform.client.call("DELETE", f"/fhir/R4/Observation/{made}", as_="hospital-lab")
    gone = platform.client.call("DELETE", f"/fhir/R4/Observation/{made}", as_="lab")
    assert (others.status_code, gone.status_code) == (404, 204)
    events = asked(platform, "?_count=10", as_="renumbered").resources()
    event = of(events, gone)
    assert check(event, "AuditEvent") == []
    assert (event["action"], event["subtype"][0]["code"]) == ("D", "delete")
    assert event["meta"]["profile"] == [BALP + "PatientDelete"]
    assert records(event) == [f"Observation/{made}/_history/2"]
    assert of(events, others)["action"] == "U"
    found = asked(platform, f"?_count=10&action=D&date=ge{since}", as_="renumbered").resources()
    assert event["id"] in [one["id"] for one in found]


def test_a_choice_is_an_event_that_names_its_consent_and_whether_it_was_made_or_ended(platform: Standing) -> None:
    made = consented(platform, "POST", "/fhir/R4/Consent", RESTRICTION)
    assert made.status_code == 201, made.text
    tree = made.json()
    ended = consented(platform, "PUT", f"/fhir/R4/Consent/{tree['id']}", tree | {"status": "inactive"})
    assert ended.status_code == 200, ended.text
    seen = consented(platform, "GET", "/fhir/R4/Consent")
    events = asked(platform, "?_count=10", as_="renumbered").resources()
    for answer, action, told in ((made, "C", "restriction made"), (ended, "U", "restriction ended")):
        event = of(events, answer)
        assert check(event, "AuditEvent") == []
        (choice,) = [one for one in event["entity"] if one.get("type", {}).get("code") == "Consent"]
        assert (event["action"], choice["description"]) == (action, told)
        assert choice["what"]["reference"] == f"Consent/{tree['id']}"
    look = of(events, seen)
    assert check(look, "AuditEvent") == []
    assert look["action"] == "E" and not [one for one in look["entity"] if one.get("type", {}).get("code") == "Consent"]


RESTRICTION: Tree = {
    "resourceType": "Consent",
    "status": "active",
    **GUIDE,
    "provision": {"type": "deny"},
}


def consented(platform: Standing, method: str, path: str, body: Tree | None = None) -> httpx.Response:
    body = body and {"patient": person(platform, "renumbered")} | body
    more = {"body": json.dumps(body).encode(), "headers": {"content-type": "application/fhir+json"}} if body else {}
    return platform.client.call(method, path, as_="renumbered", patient=platform.nin("renumbered"), **more)


def test_a_refusal_is_an_event_that_failed_and_says_why(platform: Standing) -> None:
    answer = platform.search("Observation", as_="outsider").response
    assert answer.status_code == 403
    event = of(asked(platform, "?_count=5").resources(), answer)
    assert check(event, "AuditEvent") == []
    assert (event["outcome"], records(event)) == ("8", [])
    assert event["outcomeDesc"] and event["meta"]["profile"] == [NATIONAL]
    purposes = [one["code"] for one in event["purposeOfEvent"][0]["coding"]]
    assert "TREAT" in purposes, "the profile wants the purpose of use of a try too"


def test_the_data_controllers_own_system_reads_the_log_about_anybody_with_the_tokens_id(platform: Standing) -> None:
    answer = looked(platform)
    found = asked(platform, "?_count=5", as_="audit-repository", about="citizen")
    event = of(found.resources(), answer)
    assert check(event, "AuditEvent") == []
    assert BALP + "OAUTHaccessTokenUse.Minimal" in event["meta"]["profile"]
    (row,) = platform.audited(answer)
    (user,) = [agent for agent in event["agent"] if "policy" in agent]
    assert user["policy"] == [f"urn:ietf:params:oauth:jti:{row['token']}"]
    assert platform.persona("gp").nin not in found.response.text
    (reading,) = platform.audited(found.response)
    assert (reading["action"], reading["rule"], reading["caller_kind"]) == ("insight", "log-controlled", "system")


def test_what_is_filed_and_kept_from_the_patient_has_an_event_for_the_data_controller_alone(platform: Standing) -> None:
    shut = {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FFL"}]}
    made = create(platform, observation(meta=shut), about="citizen")
    id_ = made.tree["id"]
    seen = platform.search("Observation", [("_id", id_)])
    assert seen.ids() == [id_]
    controllers = asked(platform, "?_count=10", as_="audit-repository", about="citizen")
    assert records(of(controllers.resources(), made.response)) == [f"Observation/{id_}/_history/1"]
    assert asked(platform, f"?entity=Observation/{id_}", as_="audit-repository", about="citizen").tree["total"] == 2
    own = asked(platform, "?_count=10")
    assert id_ not in own.response.text
    assert records(of(own.resources(), seen.response)) == []
    assert asked(platform, f"?entity=Observation/{id_}").tree["total"] == 0
    hers = f"{AT}/{of(controllers.resources(), made.response)['id']}"
    assert [asked(platform, path=hers, as_=who).status for who in ("citizen", "audit-repository")] == [404, 200]


def test_a_parent_reads_the_log_of_a_small_child_and_a_youth_is_nobodys_but_her_own(platform: Standing) -> None:
    child = asked(platform, "?_count=3", as_="parent", about="child")
    assert child.status == 200
    for event in child.resources():
        assert check(event, "AuditEvent") == []
        assert not [entity for entity in event["entity"] if "query" in entity]
    assert asked(platform, as_="parent", about="youth").status == 403


def test_that_the_log_was_read_is_in_it(platform: Standing) -> None:
    query = f"_count=1&action=R&{from_now(platform)}"
    first = asked(platform, f"?{query}")
    hers, event = (
        of(asked(platform, "?_count=5", **who).resources(), first.response)
        for who in ({}, {"as_": "audit-repository", "about": "citizen"})
    )
    assert check(event, "AuditEvent") == check(hers, "AuditEvent") == []
    assert (event["meta"]["profile"][0], "profile" in hers.get("meta", {})) == (BALP + "PatientQuery", False)
    assert [unquote(one["description"]) for one in event["entity"] if "query" in one] == [f"AuditEvent?{query}"]
    assert event["agent"][2]["who"] == {"reference": "#patient"}


def test_an_event_is_read_by_its_id_and_its_address_in_the_bundle(platform: Standing) -> None:
    looked(platform)
    (entry,) = asked(platform, "?_count=1").tree["entry"]
    path = entry["fullUrl"].removeprefix(platform.url)
    assert asked(platform, path=path).tree == entry["resource"]
    assert asked(platform, path=path, as_="audit-repository").status == 200


def test_an_event_of_another_is_absent_as_one_that_never_was(platform: Standing) -> None:
    (entry,) = asked(platform, "?_count=1", as_="renumbered").tree["entry"]
    id_ = entry["resource"]["id"]
    never = ("0" * 64, "f" * 64, id_[:-1] + ("0" if id_[-1] != "0" else "1"), "x", id_.upper())
    answers = [asked(platform, path=f"{AT}/{one}") for one in (id_, *never)]
    assert {(one.status, one.response.text.replace(id_, "")) for one in answers} == {(404, answers[0].response.text)}


def test_pages_hold_every_event_once_and_the_total_is_theirs(platform: Standing) -> None:
    began = from_now(platform)
    for _ in range(3):
        looked(platform)
    first = page = asked(platform, f"?_count=2&{began}")
    total, met = first.tree["total"], list[str]()
    while True:
        assert page.tree["total"] == total
        met += page.ids()
        if not page.link("next"):
            break
        page = asked(platform, path=page.link("next").removeprefix(platform.url))
    assert len(met) == len(set(met)) == total
    every = asked(platform, f"?_count={total}&_sort=date&{began}")
    times = [one["recorded"] for one in every.resources()]
    assert times == sorted(times)
    assert asked(platform, "?_summary=count").tree.get("entry") is None


def test_a_search_that_would_look_through_too_many_lines_is_refused_and_one_by_date_is_not(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = from_now(platform)
    for _ in range(3):
        looked(platform)
    assert asked(platform, f"?outcome=0&{began}").status == 200
    monkeypatch.setattr("kjerne.services.access_log.api.LINES_LIMIT", 2)
    refused = asked(platform, "?outcome=0")
    assert (refused.status, refused.issue["code"]) == (422, "too-costly")
    assert "more than 2 lines" in refused.issue["diagnostics"]
    assert asked(platform, "?date=ge2020-01-01").status == 200


@pytest.mark.parametrize("query", ["_sort=-date", "_sort=date", "outcome=0"])
def test_a_line_that_is_written_late_moves_no_page_that_is_being_read(platform: Standing, query: str) -> None:
    """Its request was before the first page, its transaction ends after: no event twice, none left out, one total."""
    query += f"&{from_now(platform)}"
    *_, last = [looked(platform) for _ in range(3)]
    (row,) = platform.audited(last)

    async def written_late(at: datetime) -> asyncpg.Connection:
        conn = await asyncpg.connect(platform.dsn)
        await conn.execute("BEGIN")
        await conn.execute(
            f"INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) SELECT {audit.COLUMNS}, types, ids, versions "
            "FROM (SELECT (jsonb_populate_record(a, jsonb_build_object('at', $2::timestamptz, 'number', gen_random_uuid()))).* "
            "FROM audit a WHERE patient = $1 AND outcome = 0 ORDER BY at DESC LIMIT 1) one",
            row["patient"], at,
        )  # fmt: skip
        return conn

    async def ended(conn: asyncpg.Connection) -> None:
        await conn.execute("COMMIT")
        await conn.close()

    late = platform.run(written_late(row["at"] - timedelta(milliseconds=1)))
    page = asked(platform, f"?_count=1&{query}")
    total, met = page.tree["total"], page.ids()
    platform.run(ended(late))
    while page.link("next"):
        page = asked(platform, path=page.link("next").removeprefix(platform.url))
        assert page.tree["total"] == total
        met += page.ids()
    assert len(met) == len(set(met)) == total


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("outcome=8", lambda one: one["outcome"] == "8"),
        ("action=R", lambda one: one["action"] == "R"),
        ("subtype=http://hl7.org/fhir/restful-interaction|read", lambda one: one["subtype"][0]["code"] == "read"),
        ("entity-type=Observation", lambda one: "Observation" in [each["type"]["code"] for each in one["entity"]]),
        ("action=E&outcome=0", lambda one: (one["action"], one["outcome"]) == ("E", "0")),
    ],
)
def test_events_are_found_by_what_they_say(platform: Standing, query: str, holds: Any) -> None:
    since = platform.clock.now().isoformat().replace("+", "%2B")
    platform.search("Observation", as_="outsider")
    (record,) = looked(platform).json()["entry"][:1]
    platform.get(f"Observation/{record['resource']['id']}")
    until = platform.clock.now().isoformat().replace("+", "%2B")
    # Of the log of a whole run of tests a page holds a part.
    every = asked(platform, f"?_count=1000&date=ge{since}&date=lt{until}").resources()
    found = asked(platform, f"?_count=1000&{query}&date=ge{since}&date=lt{until}")
    assert set(found.ids()) == {one["id"] for one in every if holds(one)}
    assert found.tree["total"] == len(found.ids()) > 0


def test_a_search_by_one_record_finds_those_who_saw_it(platform: Standing) -> None:
    began = from_now(platform)
    (record,) = looked(platform).json()["entry"][:1]
    id_ = record["resource"]["id"]
    found = asked(platform, f"?entity=Observation/{id_}&{began}")
    assert found.ids() and all(any(id_ in one for one in records(event)) for event in found.resources())


def test_a_number_in_an_address_a_parameter_for_the_patient_and_an_include_are_refused(platform: Standing) -> None:
    number = platform.nin("citizen")
    for query in (
        f"?patient.identifier={number}",
        f"?agent-name={number}",
        "?patient=Patient/x",
        "?_include=AuditEvent:entity",
    ):
        answer = asked(platform, query)
        assert (answer.status, answer.tree["resourceType"]) == (400, "OperationOutcome"), query
        assert number not in answer.response.text
    form = [("patient:identifier", f"urn:oid:2.16.578.1.12.4.1.4.1|{number}"), ("_count", "1")]
    answer = platform.client.call("POST", AT + "/_search", as_="audit-repository", form=form)
    assert answer.status_code == 200
    assert number not in answer.json()["link"][0]["url"]


@pytest.mark.parametrize("as_", ["gp", "lab", "operator"])
def test_nobody_else_reads_the_log(platform: Standing, as_: str) -> None:
    assert asked(platform, as_=as_, about="citizen").status == 403


@pytest.mark.parametrize(("letters", "found", "read"), [("r", 403, 200), ("s", 200, 403), ("rs?action=E", 403, 403)])
def test_a_tokens_smart_scopes_bind_letter_by_letter(platform: Standing, letters: str, found: int, read: int) -> None:
    looked(platform)
    path = f"{AT}/{asked(platform, '?_count=1').resources()[0]['id']}"
    for address, right in ((AT, found), (path, read)):
        answer = platform.client.call("GET", address, as_="citizen", narrower=f"patient/AuditEvent.{letters}")
        refused = [row for row in platform.audited(answer) if row["rule"] == "scope-narrower"]
        assert (answer.status_code, len(refused)) == (right, int(right == 403))


def test_a_citizen_reads_nobody_elses_log(platform: Standing) -> None:
    answer = asked(platform, about="renumbered")
    assert answer.status == 403
    assert platform.nin("renumbered") not in answer.response.text


def test_the_capability_statement_has_it_with_what_it_is_found_by(platform: Standing) -> None:
    told = decode(platform.client.call("GET", "/fhir/R4/metadata", as_="gp").content)
    (event,) = [one for one in told["rest"][0]["resource"] if one["type"] == "AuditEvent"]
    assert [one["code"] for one in event["interaction"]] == ["read", "search-type"]
    assert {"date", "action", "outcome", "entity", "agent-name", "subtype"} <= {
        one["name"] for one in event["searchParam"]
    }
    assert not {"searchInclude", "searchRevInclude"} & event.keys()
    assert not any(
        "AuditEvent" in each for one in told["rest"][0]["resource"] for each in one.get("searchRevInclude", ())
    )
    assert "kjerne:audit" in told["rest"][0]["security"]["description"]


@pytest.mark.usefixtures("proxied")
def test_a_proxy_reads_here_what_she_reads_on_the_page(platform: Standing) -> None:
    answer = looked(platform, reason="Kontroll av diabetes")
    found = asked(platform, "?_count=50", as_="parent", about="citizen")
    assert found.status == 200
    assert records(of(found.resources(), answer)) != []
    (row,) = platform.audited(found.response)
    assert row["rule"] == "proxy-log"
    event = of(found.resources(), answer)
    assert asked(platform, as_="parent", path=f"{AT}/{event['id']}").status == 200
    with tab(platform, "parent", "me") as it:
        others = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
        (citizen,) = [handle for handle, name in others if platform.persona("citizen").person_name in name]
        it.post(it.home, "/me/person", person=citizen)
        assert platform.persona("gp").person_name in it.get("/me/log").text


def test_without_the_power_of_attorney_neither_is_open(platform: Standing) -> None:
    assert asked(platform, as_="parent", about="citizen").status == 403
