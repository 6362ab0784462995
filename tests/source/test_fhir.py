"""A source read by FHIR (ITI-66, 67, 68): under the same law as by SOAP, and with rows of its own in the log."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from assertions import Said, ce
from documents_at_hand import HOME, PATIENT, REPOSITORY, code, entry, submission
from kjerne.xds import names
from sources import TEXT, URL, Standing, citizen, doctor, one, purpose, relation, renamed, wanted

ROOT = "/R4/fhir"
OTHER = "01815012345"
N, NORS = code("2.16.840.1.113883.5.25", "N"), code("9603", "NORS")
FORM = "application/x-www-form-urlencoded"


def shown(said: Said | None) -> dict[str, str]:
    """The header by which somebody shows an assertion."""
    if said is None:
        return {}
    return {"authorization": "SAML " + base64.urlsafe_b64encode(said.document()).decode().rstrip("=")}


async def get(source: Standing, path: str, said: Said | None = None, **headers: str) -> Any:
    return await source.ask_http("GET", path, headers=shown(said or doctor()) | headers)


async def search(source: Standing, type_: str, said: Said | None = None, **form: str) -> dict[str, Any]:
    answer = await source.post(f"{ROOT}/{type_}/_search", urlencode(form).encode(), FORM, **shown(said or doctor()))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def resources(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [one["resource"] for one in bundle.get("entry", ())]


def uniques(bundle: dict[str, Any]) -> list[str]:
    return sorted(one["masterIdentifier"]["value"].removeprefix("urn:oid:") for one in resources(bundle))


async def test_a_document_that_was_sent_is_found_and_fetched_at_the_address_that_it_has(source: Standing) -> None:
    await source.provide(one(), TEXT)
    bundle = await search(source, "DocumentReference", status="current")
    (told,) = resources(bundle)
    assert (bundle["type"], bundle["total"], uniques(bundle)) == ("searchset", 1, [entry().unique_id])
    attachment = told["content"][0]["attachment"]
    assert (attachment["contentType"], attachment["size"]) == ("text/plain", len(TEXT))
    url = attachment["url"]
    assert url.startswith(f"{URL}/R4/fhir/mhd/document?homeCommunityId={HOME.removeprefix('urn:oid:')}&")
    answer = await get(source, url.removeprefix(URL))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, TEXT, "text/plain")
    assert answer.headers["content-length"] == str(len(TEXT))
    assert (answer.headers["content-disposition"], answer.headers["x-content-type-options"]) == (
        "attachment",
        "nosniff",
    )
    full = bundle["entry"][0]["fullUrl"]
    read = await get(source, full.removeprefix(URL))
    assert (read.status_code, read.json()) == (200, told)


async def test_each_answer_has_its_row_with_who_why_and_what(source: Standing) -> None:
    await source.provide(one(), TEXT)
    bundle = await search(source, "DocumentReference")
    await search(source, "DocumentReference", type="A02-2")
    await search(source, "List")
    await get(source, resources(bundle)[0]["content"][0]["attachment"]["url"].removeprefix(URL))
    await get(
        source, f"{ROOT}/mhd/document?homeCommunityId={HOME}&repositoryUniqueId={REPOSITORY}&documentUniqueId=1.2"
    )
    rows = (await source.log())[1:]
    unique = entry().unique_id
    assert [(row["action"], row["allowed"], row["rule"], row["documents"]) for row in rows] == [
        ("ITI-67", True, "staff", [unique]),
        ("ITI-67", True, "staff", []),
        ("ITI-66", True, "staff", [unique]),
        ("ITI-68", True, "staff", [unique]),
        ("ITI-68", False, "XDSDocumentUniqueIdError", ["1.2"]),
    ]
    assert {(row["hpr"], row["purpose"], row["decision"], row["organisation"]) for row in rows} == {
        ("9001", "TREAT", "42", "999999901")
    }
    assert {row["patient"] for row in rows} == {f"{PATIENT.number}^^^&{PATIENT.authority}&ISO"}


@pytest.mark.parametrize(
    ("marks", "doctors", "own"),
    [((N,), True, True), ((code("2.16.840.1.113883.5.25", "V"),), True, False), ((N, NORS), False, True),
     ((N, code("9603", "NORN_FFL")), True, False), ((N, code("9603", "NORU")), True, False)],
)  # fmt: skip
async def test_what_is_not_shown_by_soap_is_not_there_by_fhir(
    source: Standing, marks: Any, doctors: bool, own: bool
) -> None:
    await source.provide(one(confidentiality=marks), TEXT)
    (held,) = await source.pool.fetch("SELECT id, unique_id FROM document")
    place = {"homeCommunityId": HOME, "repositoryUniqueId": REPOSITORY, "documentUniqueId": held["unique_id"]}
    for said, is_shown in ((doctor(), doctors), (citizen(), own)):
        by_soap = await source.get(wanted(held["unique_id"]), said=said)
        assert bool(by_soap[1]) == is_shown
        for type_ in ("DocumentReference", "List"):
            assert (await search(source, type_, said))["total"] == int(is_shown)
        reading = f"{ROOT}/DocumentReference/{held['id']}", f"{ROOT}/mhd/document?{urlencode(place)}"
        for path in reading:
            assert (await get(source, path, said)).status_code == (200 if is_shown else 404)


async def test_documents_are_found_by_the_parameters_of_the_standard(source: Standing) -> None:
    await source.provide(one(1, title="a"), TEXT)
    await source.provide(
        one(2, created="20260601", type_code=code("9602", "B02-2"), reference_ids=("R-1^^^&1.2.9&ISO",)), TEXT
    )
    first, second = entry(1).unique_id, entry(2).unique_id
    for form, found in (
        ({"type": "B02-2"}, [second]),
        ({"category": "urn:oid:2.16.578.1.12.4.1.1.9602|A00-1"}, [first, second]),
        ({"date": "lt2026-04-01"}, [first]),
        ({"creation": "2026-06"}, [second]),
        ({"related:identifier": "R-1"}, [second]),
        ({"author.family": "vits", "period": "2026-03"}, [first, second]),
        ({"identifier": f"urn:oid:{first}"}, [first]),
        ({"patient.identifier": f"urn:oid:{PATIENT.authority}|{PATIENT.number}"}, [first, second]),
    ):
        assert uniques(await search(source, "DocumentReference", **form)) == found, form
    page = await search(source, "DocumentReference", _count="1")
    assert (uniques(page), page["total"]) == ([second], 2), "newest first"
    onward = next(one["url"] for one in page["link"] if one["relation"] == "next")
    followed = await get(source, onward.removeprefix(URL))
    assert uniques(followed.json()) == [first], "a link is followed by GET, also where a form asked"
    by_address = await get(source, f"{ROOT}/DocumentReference?type=B02-2&status=current")
    assert uniques(by_address.json()) == [second]


async def test_a_question_that_cannot_be_read_has_its_row_and_a_stranger_hears_nothing_of_it(source: Standing) -> None:
    await source.provide(one(), TEXT)
    asked = (
        f"{ROOT}/DocumentReference?foo=1",
        f"{ROOT}/List?patient=x",
        f"{ROOT}/List/x?y=1",
        f"{ROOT}/mhd/document?x=1",
    )
    for path in asked:
        assert (await get(source, path)).status_code == 400, path
        assert (await source.ask_http("GET", path, headers={})).status_code == 401, path
    rows = (await source.log())[1:]
    told = [
        (row["action"], row["allowed"], row["rule"], row["documents"]) for row in rows if row["rule"] != "no-assertion"
    ]
    assert told == [(action, False, "search", []) for action in ("ITI-67", "ITI-66", "ITI-66", "ITI-68")]
    assert len(rows) == 2 * len(asked)


async def test_a_document_refers_by_its_id_to_those_alone_that_are_shown(source: Standing) -> None:
    kind = "^^^^urn:ihe:iti:xds:2013:uniqueId"
    shut, shown = entry(2).unique_id, entry(3).unique_id
    await source.provide(one(1, reference_ids=(f"{shut}{kind}", f"{shown}{kind}")), TEXT)
    await source.provide(one(2, confidentiality=(N, NORS)), TEXT)
    await source.provide(one(3), TEXT)
    asked = {"identifier": f"urn:oid:{entry(1).unique_id}"}
    for said, told in ((doctor(), [shown]), (citizen(), [shut, shown])):
        (first,) = resources(await search(source, "DocumentReference", said, **asked))
        assert [each["identifier"]["value"] for each in first["context"]["related"]] == told


async def test_a_replaced_document_is_told_to_who_asks_for_it_with_what_took_its_place(source: Standing) -> None:
    earlier = one(1)
    await source.provide(earlier, TEXT)
    (held,) = await source.pool.fetch("SELECT id FROM document")
    before = replace(earlier, entries=(replace(earlier.entries[0], id=f"urn:uuid:{held['id']}"),))
    await source.provide(relation(names.REPLACES, one(2), before), TEXT)
    assert uniques(await search(source, "DocumentReference")) == [entry(2).unique_id]
    both = {
        tree["id"]: tree for tree in resources(await search(source, "DocumentReference", status="current,superseded"))
    }
    assert both[str(held["id"])]["status"] == "superseded"
    (now,) = (one for one in both.values() if one["status"] == "current")
    assert now["relatesTo"] == [{"code": "replaces", "target": {"reference": f"DocumentReference/{held['id']}"}}]


async def test_a_set_is_told_with_the_documents_of_it_that_are_shown(source: Standing) -> None:
    open_, shut = one(1).entries[0], one(2, confidentiality=(N, NORS)).entries[0]
    both = renamed(submission(open_, shut, unique_id="2.16.578.1.12.4.5.100.9.4.7", title="Brev om alt"), 7)
    await source.provide(both, TEXT, TEXT)
    await source.provide(one(3, confidentiality=(N, NORS)), TEXT)
    (told,) = resources(await search(source, "List", code="submissionset", designationType="A03-2"))
    (document,) = resources(await search(source, "DocumentReference"))
    assert [one["item"]["reference"] for one in told["entry"]] == [f"DocumentReference/{document['id']}"]
    assert told["identifier"][0]["value"] == "urn:oid:2.16.578.1.12.4.5.100.9.4.7" and "Brev" not in json.dumps(told)
    assert len(resources(await search(source, "List", citizen()))) == 2
    assert (await get(source, f"{ROOT}/List/{told['id']}")).json() == told
    assert (await search(source, "List", status="superseded"))["total"] == 0


async def test_a_document_of_another_repository_is_told_of_and_has_no_address_here(source: Standing) -> None:
    from kjerne.xds import messages
    from sources import enveloped

    sent = one(repository="1.2.3", hash="a" * 40, size_bytes=5)
    body = messages.written_submission(sent)
    assert (await source.sent(names.REGISTER, enveloped(names.REGISTER, body, None))).status == names.SUCCESS
    (told,) = resources(await search(source, "DocumentReference"))
    assert "url" not in told["content"][0]["attachment"]


async def test_a_document_is_given_at_its_own_place_alone_and_never_where_its_bytes_are_others(
    source: Standing,
) -> None:
    await source.provide(one(), TEXT)
    place = {"homeCommunityId": HOME, "repositoryUniqueId": REPOSITORY, "documentUniqueId": entry().unique_id}
    for change, status in (
        ({}, 200), ({"homeCommunityId": "1.2"}, 404), ({"repositoryUniqueId": "1.2"}, 404), ({"documentUniqueId": ""}, 400),
        ({"documentUniqueId": None}, 400), ({"more": "x"}, 400),
    ):  # fmt: skip
        query = urlencode({name: value for name, value in (place | change).items() if value is not None})
        assert (await get(source, f"{ROOT}/mhd/document?{query}")).status_code == status, change
    (path,) = source.kept()
    path.chmod(0o600)
    path.write_bytes(TEXT[::-1])
    answer = await get(source, f"{ROOT}/mhd/document?{urlencode(place)}")
    assert (answer.status_code, TEXT[::-1] in answer.content) == (503, False)
    assert (await source.log())[-1]["rule"] == "XDSRepositoryError"


async def test_nothing_leaves_where_the_log_cannot_be_written(source: Standing) -> None:
    await source.provide(one(), TEXT)
    place = {"homeCommunityId": HOME, "repositoryUniqueId": REPOSITORY, "documentUniqueId": entry().unique_id}
    await source.owner.execute("REVOKE INSERT ON audit FROM kjerne_app")
    try:
        for path in (f"{ROOT}/DocumentReference", f"{ROOT}/List", f"{ROOT}/mhd/document?{urlencode(place)}"):
            for said in (doctor(), doctor(OTHER), doctor(level="3")):
                answer = await get(source, path, said)
                assert answer.status_code == 500 and entry().unique_id not in answer.text and TEXT not in answer.content
    finally:
        await source.owner.execute("GRANT INSERT ON audit TO kjerne_app")


@pytest.mark.parametrize(
    ("said", "rule", "status"),
    [
        (doctor(purpose=purpose("HRESCH")), "no-rule", 403), (doctor(level="3"), "level", 403),
        (doctor(role=ce("Role", {"code": "XX", "system": "urn:oid:2.16.578.1.12.4.1.1.9060"})), "role", 403),
        (citizen("01815012345", about=PATIENT.number), "no-rule", 403),
    ],
)  # fmt: skip
async def test_who_may_not_hears_the_law_and_stands_in_the_log(
    source: Standing, said: Said, rule: str, status: int
) -> None:
    await source.provide(one(), TEXT)
    place = urlencode(
        {"homeCommunityId": HOME, "repositoryUniqueId": REPOSITORY, "documentUniqueId": entry().unique_id}
    )
    for path in (f"{ROOT}/DocumentReference", f"{ROOT}/List", f"{ROOT}/mhd/document?{place}"):
        answer = await get(source, path, said)
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), path
        row = (await source.log())[-1]
        assert (row["rule"], row["allowed"], row["documents"]) == (rule, False, [])


async def test_an_assertion_opens_nobody_else_and_a_number_stands_in_no_address(source: Standing) -> None:
    await source.provide(one(), TEXT)
    other = urlencode({"patient.identifier": f"urn:oid:{PATIENT.authority}|{OTHER}"}).encode()
    refused = await source.post(f"{ROOT}/DocumentReference/_search", other, FORM, **shown(doctor()))
    assert (refused.status_code, (await source.log())[-1]["rule"]) == (403, "other-patient")
    assert OTHER in (await source.log())[-1]["patient"]
    for query in (
        f"patient.identifier={PATIENT.number}",
        f"type={PATIENT.number}",
        "patient=Patient/1",
        "nickname=x",
        "_sort=date",
    ):
        answer = await get(source, f"{ROOT}/DocumentReference?{query}")
        assert answer.status_code == 400 and PATIENT.number not in answer.text, query


async def test_without_an_assertion_that_holds_nothing_is_told(source: Standing) -> None:
    await source.provide(one(), TEXT)
    raw = doctor().document()
    broken = base64.urlsafe_b64encode(raw.replace(b"TREAT", b"COC__")).decode()
    for header in ({}, {"authorization": "SAML x"}, {"authorization": f"SAML {broken}"}, {"authorization": "Bearer x"},
                   {"authorization": "SAML " + "A" * 60_000}):  # fmt: skip
        answer = await source.ask_http("GET", f"{ROOT}/DocumentReference", headers=header)
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("SAML")
        assert (await source.log())[-1]["rule"] in ("no-assertion", "assertion")
    for method, path in (
        ("PUT", "DocumentReference"),
        ("DELETE", "DocumentReference/1"),
        ("GET", "Bundle"),
        ("GET", "List/_search"),
    ):
        assert (await source.ask_http(method, f"{ROOT}/{path}", headers=shown(doctor()))).status_code == 405, path
    assert (await source.ask_http("GET", f"{ROOT}/Observation", headers={})).status_code == 404


async def test_the_capability_statement_says_what_a_source_does(source: Standing) -> None:
    told = (await source.ask_http("GET", f"{ROOT}/metadata", headers={})).json()
    assert len(told["instantiates"]) == 2
    named = {one["type"]: {each["name"] for each in one["searchParam"]} for one in told["rest"][0]["resource"]}
    assert (
        "patient" not in named["DocumentReference"] and {"creation", "patient.identifier"} <= named["DocumentReference"]
    )
    assert {"code", "designationType", "sourceId", "source.family"} <= named["List"]
