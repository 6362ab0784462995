"""PATCH over the wire: the same door as an update, and a refusal that tells nobody else what stands in the record."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from platform_fixture import Answered, Standing, Tree
from services.test_standards import FHIR, create, observation, read

WHO = "parent"
JSON_PATCH = "application/json-patch+json"
STATUS = {"op": "replace", "path": "/status", "value": "amended"}


def replaced(path: str, **value: Any) -> Tree:
    """FHIRPath Patch with one replacement."""
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", **value},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def patch(
    platform: Standing, id_: str, body: Any, version: str = "1", *, as_: str = "lab", type_: str = "", **headers: str
) -> Answered:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": type_ or (JSON_PATCH if isinstance(body, list) else FHIR)} | headers
    sent |= {"if-match": f'W/"{version}"'} if version else {}
    return Answered(platform.client.call("PATCH", f"/fhir/R4/Observation/{id_}", as_=as_, body=content, headers=sent))


@pytest.fixture
def made(platform: Standing) -> str:
    """The id of a fresh Observation whose value was sent with digits that count."""
    return str(create(platform, json.dumps(observation()).replace("140", "140.100").encode(), about=WHO).tree["id"])


@pytest.mark.parametrize("body", [[STATUS], replaced("Observation.status", valueCode="amended")])
def test_a_patch_makes_a_version_and_keeps_the_digits_that_were_sent(platform: Standing, made: str, body: Any) -> None:
    answer = patch(platform, made, body)
    assert (answer.status, answer.tree["status"], answer.tree["meta"]["versionId"]) == (200, "amended", "2")
    assert b'"value":140.100' in answer.response.content
    assert answer.response.headers["etag"] == 'W/"2"'
    assert answer.response.headers["location"].endswith(f"Observation/{made}/_history/2")
    assert read(platform, f"Observation/{made}", about=WHO).response.content == answer.response.content
    assert read(platform, f"Observation/{made}/_history/1", about=WHO).tree["status"] == "final"
    (row,) = platform.audited(answer.response)
    assert (row["action"], row["outcome"], [str(one) for one in row["ids"]], row["versions"]) == (
        "correct",
        0,
        [made],
        [2],
    )


def test_a_patch_may_test_what_the_server_put_in(platform: Standing, made: str) -> None:
    tests = [{"op": "test", "path": "/id", "value": made}, {"op": "test", "path": "/meta/versionId", "value": "1"}]
    assert patch(platform, made, [*tests, STATUS]).status == 200
    assert patch(platform, made, [*tests, STATUS], "2").status == 409


def test_a_patch_is_found_by_its_new_value(platform: Standing, made: str) -> None:
    value = {"op": "replace", "path": "/valueQuantity/value", "value": 9147}
    assert patch(platform, made, [value]).status == 200
    assert read(platform, "Observation?value-quantity=9147", about=WHO).ids() == [made]


@pytest.mark.parametrize(
    ("body", "version", "status", "where"),
    [
        ([STATUS], "", 428, "If-Match"),
        ([STATUS], "2", 412, "If-Match"),
        ([], "1", 400, "body"),
        (b"{}", "1", 400, None),
        (b"[{]", "1", 400, None),
        ({"resourceType": "Observation"}, "1", 400, "resourceType"),
        ({"resourceType": "Parameters", "id": "x"}, "1", 400, "Parameters.parameter"),
        ([{"op": "remove", "path": "/note"}], "1", 422, "operation 1, /note"),
        ([STATUS, {"op": "test", "path": "/status", "value": "final"}], "1", 409, "operation 2, /status"),
        ([{"op": "remove", "path": "/code"}], "1", 422, "Observation.code"),
        ([{"op": "replace", "path": "/status", "value": "done"}], "1", 422, "Observation.status"),
        ([{"op": "add", "path": "/id", "value": "x"}], "1", 422, "Observation.id"),
        ([{"op": "replace", "path": "/resourceType", "value": "Specimen"}], "1", 422, "Observation.id"),
        ([{"op": "replace", "path": "", "value": []}], "1", 400, "line 1"),
        (replaced("Observation.note", valueString="x"), "1", 422, "operation 1, Observation.note"),
    ],
)
def test_a_patch_that_cannot_be_is_refused_and_changes_nothing(
    platform: Standing, made: str, body: Any, version: str, status: int, where: str | None
) -> None:
    answer = patch(platform, made, body, version)
    assert answer.status == status, answer.response.text
    if where:
        assert answer.issue["expression"] == [where]
    assert read(platform, f"Observation/{made}", about=WHO).tree["meta"]["versionId"] == "1"


@pytest.mark.parametrize(
    ("body", "version", "status"),
    [
        ([{"op": "test", "path": "/status", "value": "registered"}, STATUS], "1", 409),
        ([{"op": "test", "path": "/status", "value": "final"}, {"op": "remove", "path": "/note"}], "1", 422),
        ([{"op": "remove", "path": "/code"}], "1", 422),
        ([{"op": "replace", "path": "", "value": []}], "1", 400),
        ([STATUS], "2", 412),
    ],
)
def test_a_patch_that_what_stands_there_does_not_let_be_is_in_the_log_by_what_was_looked_at(
    platform: Standing, made: str, body: Any, version: str, status: int
) -> None:
    """By the `test` of a patch a sender would else read its own record without a trace (law, K82)."""
    answer = patch(platform, made, body, version)
    assert answer.status == status
    (row,) = platform.audited(answer.response)
    assert (row["rule"], row["action"], row["outcome"]) == ("refused-as-it-stands", "correct", 1)
    assert ([str(one) for one in row["ids"]], row["versions"]) == ([made], [1])
    asked = f"/fhir/R4/AuditEvent?date={row['at']:%Y-%m-%dT%H:%M:%S.%fZ}".replace(" ", "T")
    told = Answered(platform.client.call("GET", asked, as_=WHO))
    (event,) = [one for one in told.resources() if made in str(one["entity"])]
    assert (event["outcome"], event["action"]) == ("8", "U")
    assert f"Observation/{made}/_history/1" in [
        one["what"].get("reference") for one in event["entity"] if "what" in one
    ]


def test_a_patch_that_is_none_looks_at_nothing_and_leaves_no_row(platform: Standing, made: str) -> None:
    for body, version in (([], "1"), ([STATUS], "")):
        assert platform.audited(patch(platform, made, body, version).response) == []


def test_an_xml_patch_makes_a_version_too(platform: Standing, made: str) -> None:
    body = b"""<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Observation/f:status/@value">amended</replace>
      <add sel="f:Observation" xmlns="http://hl7.org/fhir"><note><text value="seen"/></note></add></diff>"""
    answer = patch(platform, made, body, type_="application/xml-patch+xml")
    assert (answer.status, answer.tree["status"], answer.tree["note"]) == (200, "amended", [{"text": "seen"}])
    assert b'"value":140.100' in answer.response.content
    for spoiled in (b"<diff/>", b"<diff", b"<!DOCTYPE diff><diff><remove sel='f:Observation/f:note'/></diff>"):
        assert patch(platform, made, spoiled, "2", type_="application/xml-patch+xml").status == 400


@pytest.mark.parametrize(
    "operation",
    [
        '<add sel="f:Observation"><nothing value="x"/></add>',
        '<add sel="f:Observation" type="@colour">red</add>',
        '<add sel="f:Observation/f:status" type="@colour">red</add>',
        '<add sel="f:Observation">text</add>',
        '<add sel="f:Observation/f:status" pos="before"><note><text value="x"/></note></add>',
        '<add sel="f:Observation/f:status" pos="before"><contained><Device/><Device/></contained></add>',
        '<add sel="f:Observation"><component><code><text value="x"/></code><valueInteger value="1_0"/></component></add>',
        '<replace sel="f:Observation/f:valueQuantity/f:value/@value">1_0</replace>',
        '<replace sel="f:Observation/f:valueQuantity/f:value/@value"> 1.5 </replace>',
        '<replace sel="f:Observation/f:valueQuantity/f:value/@value">\u0661</replace>',
    ],
)
def test_what_an_xml_patch_brings_and_r4_has_not_is_refused_and_not_left_out(
    platform: Standing, made: str, operation: str
) -> None:
    body = f'<diff xmlns="http://hl7.org/fhir">{operation}</diff>'.encode()
    assert patch(platform, made, body, type_="application/xml-patch+xml").status == 422


def test_a_patch_in_another_format_is_refused_with_those_that_are_taken(platform: Standing, made: str) -> None:
    answer = patch(platform, made, [STATUS], type_="application/merge-patch+json")
    taken = f"{JSON_PATCH}, application/xml-patch+xml, {FHIR}"
    assert (answer.status, answer.response.headers["accept-patch"]) == (415, taken)


def test_a_patch_that_nests_without_end_is_refused(platform: Standing, made: str) -> None:
    """Each copy into its own depth doubles how deep it is; what Python can no longer walk is no fault of ours."""
    doubling = [{"op": "copy", "from": "/a", "path": "/a" * (2**power + 1)} for power in range(14)]
    for count in (4, 7, 14):
        answer = patch(platform, made, [{"op": "add", "path": "/a", "value": {}}, *doubling[:count]])
        assert answer.status in (400, 422), answer.response.text
    assert read(platform, f"Observation/{made}", about=WHO).tree["meta"]["versionId"] == "1"


def test_a_patch_neither_takes_the_subject_away_nor_names_another(platform: Standing) -> None:
    system = "urn:oid:2.16.578.1.12.4.1.4.1"
    own = {"identifier": {"system": system, "value": platform.nin(WHO)}}
    id_ = str(create(platform, observation(subject=own), about=WHO).tree["id"])
    away = patch(platform, id_, [{"op": "remove", "path": "/subject"}])
    assert (away.status, away.issue["expression"]) == (422, ["Observation.subject"])
    other = {"op": "replace", "path": "/subject/identifier/value", "value": platform.nin("renumbered")}
    told = patch(platform, id_, [other])
    assert told.status == 422 and platform.nin("renumbered") not in told.response.text
    in_reference = {"op": "add", "path": "/subject/reference", "value": f"Patient/{platform.nin('renumbered')}"}
    assert patch(platform, id_, [in_reference]).status == 422
    assert patch(platform, id_, [STATUS], **{"person-id": platform.nin("renumbered")}).status == 422
    assert patch(platform, id_, [STATUS], **{"person-id": platform.nin(WHO)}).status == 200


def test_a_patch_puts_no_second_person_beside_the_subject(platform: Standing, made: str) -> None:
    own, other = (
        {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(who)} for who in (WHO, "renumbered")
    )
    her, another, both = (
        {"resourceType": "Patient", "id": "p", "identifier": ids} for ids in ([own], [other], [own, other])
    )
    subject = {"op": "add", "path": "/subject", "value": {"reference": "#p"}}
    for inside in ([her, another], [another, her], [both]):
        answer = patch(platform, made, [{"op": "add", "path": "/contained", "value": inside}, subject])
        assert answer.status == 422
    assert patch(platform, made, [{"op": "add", "path": "/contained", "value": [her]}, subject]).status == 200


def test_to_another_sender_a_record_is_absent_whatever_the_patch_asks(platform: Standing, made: str) -> None:
    """Neither the outcome of a test, nor a version, nor what is wrong with a path tells of a record of somebody else's."""
    bodies = [[STATUS], [{"op": "test", "path": "/status", "value": "final"}], [{"op": "remove", "path": "/nothing"}]]
    answers = [patch(platform, made, body, version, as_="hospital-lab") for body in bodies for version in ("1", "7")]
    answers += [
        patch(platform, str(uuid4()), [STATUS], as_="hospital-lab"),
        patch(platform, "1", [STATUS], as_="hospital-lab"),
    ]
    assert {(one.status, one.response.content) for one in answers} == {(404, answers[0].response.content)}


def test_what_comes_back_of_a_patch_is_what_is_preferred(platform: Standing, made: str) -> None:
    assert patch(platform, made, [STATUS], prefer="return=minimal").response.content == b""
    told = patch(platform, made, [STATUS], "2", prefer="return=OperationOutcome")
    assert (told.status, told.tree["resourceType"]) == (200, "OperationOutcome")


def test_of_patches_at_the_same_time_against_one_version_one_is_taken(platform: Standing, made: str) -> None:
    def add(number: int) -> int:
        note = {"op": "add", "path": "/note", "value": [{"text": f"nr {number}"}]}
        return patch(platform, made, [note]).status

    with ThreadPoolExecutor(8) as senders:
        answered = sorted(senders.map(add, range(8)))
    assert answered == [200] + [412] * 7


def test_a_patch_by_a_token_that_leaves_no_update_is_refused(platform: Standing, made: str) -> None:
    for scope, status in (
        ("system/Observation.c", 403),
        ("system/Observation.u?status=final", 403),
        ("system/*.u", 200),
    ):
        sent = {"content-type": JSON_PATCH, "if-match": 'W/"1"'}
        answer = platform.client.call(
            "PATCH",
            f"/fhir/R4/Observation/{made}",
            as_="lab",
            body=json.dumps([STATUS]).encode(),
            headers=sent,
            narrower=scope,
        )
        assert answer.status_code == status, (scope, answer.text)


def test_what_writers_add_at_the_same_time_is_all_there_in_the_end(platform: Standing, made: str) -> None:
    """Each reads the version in its refusal and tries again: no addition that was acknowledged is lost."""
    assert patch(platform, made, [{"op": "add", "path": "/note", "value": [{"text": "begin"}]}]).status == 200

    def add(number: int) -> str:
        version, body = 2, [{"op": "add", "path": "/note/-", "value": {"text": f"nr {number}"}}]
        while (answer := patch(platform, made, body, str(version))).status == 412:
            version += 1
        assert answer.status == 200
        return f"nr {number}"

    with ThreadPoolExecutor(4) as senders:
        added = set(senders.map(add, range(12)))
    found = read(platform, f"Observation/{made}", about=WHO).tree
    assert {one["text"] for one in found["note"]} == added | {"begin"}
    assert found["meta"]["versionId"] == str(2 + len(added))
