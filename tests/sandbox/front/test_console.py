"""The console: a real call of any documented operation, why it was answered so, and what is wrong in it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import httpx
import pytest

from kjerne import catalogues
from kjerne.errors import Fault, Refusal
from kjerne.fhir.outcome import operation_outcome
from kjerne.registries.identifiers import numbers_in
from kjerne.sandbox.front import calling
from kjerne.sandbox.front.operations import FIRST, by_tag, operations
from kjerne.sandbox.front.visits import CALLS_LIMIT
from kjerne.sandbox.front.writing import SPOILED
from platform_fixture import Standing

SEARCH = "post_pps_v2_by_type_search"
FORM = "application/x-www-form-urlencoded"
WORDS = catalogues.catalogue("kjerne.sandbox.front.words", "nb")


@pytest.fixture
def browser(platform: Standing) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, trust_env=False, headers={"accept-language": "en"}) as http:
        yield http


def called(browser: httpx.Client, op: str = SEARCH, **form: str) -> str:
    """The page of a call."""
    asked = {"op": op, "as": "gp", "patient": "citizen", "p_type": "Observation", "media": FORM, **form}
    answer = browser.post("/sandbox/console", data=asked)
    assert answer.status_code == 303, answer.text
    assert not numbers_in(answer.headers["location"])
    page = browser.get(answer.headers["location"])
    assert page.status_code == 200
    return page.text


def deep_proof() -> str:
    """Three parts, of which one nests more deeply than anybody reads."""
    part = base64.urlsafe_b64encode(b"[" * 9_000).decode().rstrip("=")
    return f"{part}.{part}.e30"


def test_every_operation_of_the_document_can_be_chosen(platform: Standing) -> None:
    document = platform.client.openapi()
    found = operations(document)
    assert len(found) == sum(len(line) for line in document["paths"].values())
    assert sum(map(len, by_tag(found).values())) == len(found)
    assert set(FIRST) <= set(found)
    for one in found.values():
        assert "{" not in one.address({part.name: "a/b" for part in one.parts})
    assert found[SEARCH].parts[0].options[0] == "Observation"
    assert found["get_fhir_R4_metadata"].public


def test_a_call_that_is_given_names_the_rule_and_how_many_records_left(browser: httpx.Client) -> None:
    page = called(browser, body="code=NPU27300\n_count=1")
    assert "200 OK" in page
    assert "records out: 1" in page
    assert "B-HbA1c" in page
    assert "/sandbox/calls/" in browser.get("/sandbox/calls").text


def test_programs_and_request_stand_before_an_answer_that_may_be_long(browser: httpx.Client) -> None:
    page = called(browser)
    places = [page.index(f'id="{one}"') for one in ("why", "programs", "request", "answer")]
    assert places == sorted(places)


def test_the_same_call_for_another_purpose_is_refused_by_a_rule(browser: httpx.Client) -> None:
    page = called(browser, body="code=NPU27300", purpose="COC")
    assert "403 Forbidden" in page
    assert "case-handling-reason" in page
    assert "ATT-46" in page


def test_a_block_that_the_answer_tells_as_an_outcome_is_listed(browser: httpx.Client) -> None:
    page = called(browser, **{"as": "blocked-doctor"})
    assert "warning · suppressed" in page


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_call_that_is_spoiled_on_purpose_is_refused_before_the_law(browser: httpx.Client, spoiled: str) -> None:
    page = called(browser, spoiled=spoiled)
    assert "401 Unauthorized" in page
    assert "Token or proof does not hold" in page


def test_faults_of_a_resource_have_path_rule_and_what_to_do(browser: httpx.Client) -> None:
    body = '{"resourceType": "Observation", "status": "nonsense"}'
    page = called(browser, "post_fhir_R4_by_type_op_validate", media="application/fhir+json", body=body)
    assert "<code>Observation.status</code>" in page
    assert "required-binding" in page
    assert "The code is not in the value set" in page


def test_a_kept_token_is_used_and_is_good_for_its_patient_alone(platform: Standing, browser: httpx.Client) -> None:
    at = browser.post("/sandbox/token", data={"as": "gp", "patient": "citizen"}).headers["location"]
    token = at.rpartition("/")[2]
    assert "200 OK" in called(browser, token=token, **{"as": "outsider"})
    page = called(browser, token=token, headers=f"person-id: {platform.nin('youth')}")
    assert "403 Forbidden" in page
    page = called(browser, token=token, headers="person-id:")
    assert "400 Bad Request" in page


def test_headers_that_are_written_stand_before_our_own(browser: httpx.Client) -> None:
    assert "401 Unauthorized" in called(browser, headers="authorization: Bearer none")
    page = called(browser, headers="authorization:\ndpop:")
    assert "The request has no access token" in page
    assert "<code>x-correlation-id</code>" in page


@pytest.mark.parametrize("written", ["words", "ey.words", "a.b.c", ".", "e30.e30.e30", deep_proof()])
def test_proof_of_ones_own_is_shown_whatever_it_is(browser: httpx.Client, written: str) -> None:
    page = called(browser, headers=f"DPoP: {written}")
    assert "401 Unauthorized" in page
    assert written[:40] in page or "{}" in page


def test_what_is_written_is_shown_as_text(browser: httpx.Client) -> None:
    body = '{"resourceType": "Observation", "status": "<script>alert(1)</script>"}'
    page = called(browser, "post_fhir_R4_by_type_op_validate", media="application/fhir+json", body=body)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_an_earlier_call_is_put_into_the_form_again(browser: httpx.Client) -> None:
    called(browser, body="code=NPU27300", headers="access-basis: AKUTT")
    at = browser.get("/sandbox/calls").text.partition('href="/sandbox/calls/')[2].partition('"')[0]
    form = browser.get(f"/sandbox/console?op={SEARCH}&call={at}").text
    assert "code=NPU27300</textarea>" in form
    assert "access-basis: AKUTT" in form


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"op": SEARCH, "p_type": "", "media": FORM}, 400),
        ({"op": SEARCH, "p_type": "Observation", "media": "text/plain"}, 400),
        ({"op": SEARCH, "p_type": "Observation", "media": FORM, "headers": "no colon"}, 400),
        ({"op": SEARCH, "p_type": "Observation", "media": FORM, "headers": "host: elsewhere"}, 400),
        ({"op": SEARCH, "p_type": "Observation", "media": FORM, "token": "another's"}, 400),
        ({"op": "get_fhir_R4_by_type", "p_type": "Observation", "as": "gp", "query": "code=" + "x" * 66_000}, 400),
        ({"op": "get_fhir_R4_by_type_by_id", "p_type": "Observation", "as": "gp", "p_id": "x" * 66_000}, 400),
        ({"op": "get_nothing"}, 404),
    ],
)
def test_a_form_that_cannot_be_sent_says_what_is_wrong(
    browser: httpx.Client, form: dict[str, str], status: int
) -> None:
    answer = browser.post("/sandbox/console", data=form)
    assert answer.status_code == status
    assert not browser.cookies


def test_issues_are_read_from_every_shape_of_an_error() -> None:
    refusal = Refusal(422, "wrong", where="A.b", faults=(Fault("worse", "A.c", "invariant", "dom-6", 7),))
    outcome = json.loads(operation_outcome(refusal))
    first, second = calling.issues(json.dumps(outcome).encode())
    assert (first.where, first.says) == ("A.b", "wrong")
    assert (second.where, second.line, second.rule) == ("A.c", "7", "dom-6")
    inside = {"resourceType": "Bundle", "entry": [{"resource": outcome}, {"response": {"outcome": outcome}}]}
    assert len(calling.issues(json.dumps(inside).encode())) == 4
    told = {"error": "wrong", "where": "name", "todo": "Mend it.", "faults": [{"error": "worse", "where": "other"}]}
    assert [one.where for one in calling.issues(json.dumps(told).encode())] == ["name", "other"]
    for nothing in (b"", b"<a/>", b"[]", b'{"resourceType": "Patient"}'):
        assert not calling.issues(nothing)


def test_digits_of_a_measurement_are_shown_as_they_came() -> None:
    assert "5.10" in calling.readable(b'{"value": 5.10}')
    assert calling.readable(b"<a/>") == "<a/>"


def test_the_newest_calls_are_kept_and_the_oldest_give_way(platform: Standing, browser: httpx.Client) -> None:
    first = browser.post("/sandbox/console", data={"op": "get_healthz"}).headers["location"]
    for _ in range(CALLS_LIMIT):
        browser.post("/sandbox/console", data={"op": "get_healthz"})
    assert browser.get(first).status_code == 404
    assert browser.get("/sandbox/calls").text.count('href="/sandbox/calls/') == CALLS_LIMIT


def test_a_long_answer_is_cut_and_says_by_how_much(browser: httpx.Client) -> None:
    page = called(browser, "get_openapi_json")
    assert "bytes more are not shown" in page
