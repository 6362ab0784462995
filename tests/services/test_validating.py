"""`$validate`: the check is told whatever it found, and the request itself is refused where it is wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from lxml import etree

from guide_packages import element, package, profile
from kjerne.fhir import shelf
from kjerne.fhir.from_xml import read as read_xml
from kjerne.fhir.validate import check
from platform_fixture import Answered, Standing, Tree
from services.results.kith.conftest import Kith
from services.results.test_intake_api import WHOM, a_message, status_of

from .test_standards import FHIR, create, observation
from .test_standards_registered import NEED, registered, rules, send, treatment

URL = "http://example.org/validating"
NATIONAL = "urn:oid:2.16.578.1.12.4.1.4.1"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
XML = "application/fhir+xml"
PATIENT_XML = b'<Patient xmlns="http://hl7.org/fhir">\n<gender value="%s"/></Patient>'


@pytest.fixture(scope="module", autouse=True)
def guide(platform: Standing) -> Iterator[None]:
    """A package whose profile wants a subject; it lies there for these tests alone."""
    folder = platform.application._edge.settings.packages
    made = package(profile("Observation", element("Observation.note", 1), url=URL), name="validating.guide")
    shelf.add(folder, made)
    yield
    shelf.remove(folder, "validating.guide", "1.0.0")


def asked(platform: Standing, path: str, body: Any, *, as_: str = "lab", **headers: str) -> Answered:
    raw = body if isinstance(body, bytes) else json.dumps(body, indent=1).encode()
    sent = {"content-type": FHIR} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answered(platform.client.call("POST", f"/fhir/R4/{path}", as_=as_, body=raw, headers=sent))


def found(answer: Answered) -> list[tuple[str, str, str]]:
    """(severity, place, rule) of each issue, of an answer that is an OperationOutcome of R4."""
    assert (answer.status, answer.tree["resourceType"]) == (200, "OperationOutcome")
    assert check(answer.tree, "OperationOutcome") == []
    rules = [one.get("details", {}).get("coding", [{}])[0].get("code", "") for one in answer.tree["issue"]]
    return [
        (one["severity"], one.get("expression", [""])[0], rule)
        for one, rule in zip(answer.tree["issue"], rules, strict=True)
    ]


def parameters(resource: Any = None, **said: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [
        {"name": name, "valueCode" if name == "mode" else "valueUri": value} for name, value in said.items()
    ]
    rows += [] if resource is None else [{"name": "resource", "resource": resource}]
    return {"resourceType": "Parameters", "parameter": rows}


RIGHT = [("information", "", "")]


def test_a_right_resource_of_any_type_is_said_to_be_right(platform: Standing) -> None:
    assert found(asked(platform, "Observation/$validate", observation())) == RIGHT
    assert found(asked(platform, "$validate", {"resourceType": "Claim"}))[0][0] == "error"
    assert found(asked(platform, "$validate", {"resourceType": "Basic", "code": {"text": "x"}})) == RIGHT
    assert (
        found(asked(platform, "Basic/$validate", {"resourceType": "Basic", "code": {"text": "x"}}, as_="gp")) == RIGHT
    )


def test_what_is_wrong_is_told_with_place_line_and_rule(platform: Standing) -> None:
    wrong = observation(status="done", referenceRange=[{"type": {"text": "x"}}])
    answer = asked(platform, "Observation/$validate", wrong)
    assert found(answer) == [
        ("error", "Observation.status", "required-binding"), ("error", "Observation.referenceRange[0]", "obs-3"),
    ]  # fmt: skip
    lines = [one["extension"][0]["valueInteger"] for one in answer.tree["issue"]]
    body = json.dumps(wrong, indent=1).split("\n")
    assert ['"done"' in body[lines[0] - 1], "{" in body[lines[1] - 1]] == [True, True]


def test_another_type_than_the_address_names_is_an_error_and_a_type_that_is_none_is_refused(platform: Standing) -> None:
    assert found(asked(platform, "Observation/$validate", {"resourceType": "Basic"})) == [("error", "resourceType", "")]
    assert found(asked(platform, "$validate", {"resourceType": "Thing"})) == [("error", "resourceType", "")]
    assert asked(platform, "Thing/$validate", observation()).status == 404


def test_xml_is_taken_and_given(platform: Standing) -> None:
    right = asked(platform, "Patient/$validate", PATIENT_XML % b"female", content_type=XML, accept=XML)
    assert (right.status, right.response.headers["content-type"].partition(";")[0]) == (200, XML)
    tree = read_xml(etree.fromstring(right.response.content)).tree
    assert [one["severity"] for one in tree["issue"]] == ["information"]
    wrong = asked(platform, "Patient/$validate", PATIENT_XML % b"woman", content_type=XML)
    assert found(wrong) == [("error", "Patient.gender", "required-binding")]
    assert wrong.tree["issue"][0]["extension"][0]["valueInteger"] == 2
    unknown = asked(platform, "$validate", b'<Patient xmlns="http://hl7.org/fhir"><x/></Patient>', content_type=XML)
    assert found(unknown) == [("error", "Patient", "")]
    assert unknown.tree["issue"][0]["extension"][0]["valueInteger"] == 1
    assert asked(platform, "Patient/$validate?_format=xml", PATIENT_XML % b"male", content_type=XML).status == 200


def test_parameters_hold_the_resource_and_its_lines_are_those_of_the_body(platform: Standing) -> None:
    body = parameters(observation(status="done"))
    answer = asked(platform, "Observation/$validate", body)
    assert found(answer) == [("error", "Observation.status", "required-binding")]
    line = answer.tree["issue"][0]["extension"][0]["valueInteger"]
    assert '"done"' in json.dumps(body, indent=1).split("\n")[line - 1]
    alone = {"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "y"}]}
    assert found(asked(platform, "Parameters/$validate", alone)) == RIGHT


def test_a_profile_is_asked_by_address_by_parameters_and_by_the_resource_itself(platform: Standing) -> None:
    lacking = [("error", "Observation.note", "profile-cardinality")]
    named = observation(meta={"profile": [URL]})
    assert found(asked(platform, f"Observation/$validate?profile={URL}", observation())) == lacking
    assert found(asked(platform, f"$validate?profile={URL}|1.0.0", observation())) == lacking
    assert found(asked(platform, "$validate", parameters(observation(), mode="profile", profile=URL))) == lacking
    assert found(asked(platform, "$validate", named)) == lacking
    assert found(asked(platform, "$validate", named | {"note": [{"text": "x"}]})) == RIGHT
    other = asked(platform, "$validate", observation(meta={"profile": ["http://example.org/nowhere"]}))
    assert [one[0] for one in found(other)] == ["information", "information"]
    assert "Observation.meta.profile[0]" in other.tree["issue"][1]["diagnostics"]
    core = "http://hl7.org/fhir/StructureDefinition/"
    assert found(asked(platform, f"$validate?profile={core}Observation", observation())) == RIGHT
    assert found(asked(platform, f"$validate?profile={core}Patient", observation()))[0][2] == "profile-type"
    vital = asked(platform, f"$validate?profile={core}vitalsigns", observation())
    assert ("error", "Observation.category", "profile-cardinality") in found(vital)


def test_the_modes_say_what_a_write_would_be_refused_for(platform: Standing) -> None:
    basic = {"resourceType": "Basic", "code": {"text": "x"}}
    (issue,) = found(asked(platform, "$validate?mode=create", basic))
    assert issue[0] == "error"
    assert found(asked(platform, "$validate?mode=create", observation())) == RIGHT
    assert found(asked(platform, "$validate?mode=update", observation())) == [("error", "Observation.id", "")]
    assert found(asked(platform, "Observation/x/$validate?mode=update", observation(id="y")))[0][1] == "Observation.id"
    modified = observation(modifierExtension=[{"url": "urn:x", "valueString": "y"}])
    assert found(asked(platform, "$validate", modified)) == RIGHT
    assert found(asked(platform, "$validate?mode=create", modified))[0][2] == "modifier-extension"
    kindless: Tree = {"resourceType": "Procedure", "status": "completed", "subject": {"display": "x"}}
    assert found(asked(platform, "$validate?mode=create", kindless)) == RIGHT
    kindless["meta"] = {"profile": ["http://nhn.no/kj/fhir/StructureDefinition/KjOther"]}
    assert found(asked(platform, "$validate?mode=create", kindless)) == [("error", "Procedure.category", "")]
    numbered = observation(subject={"reference": "Patient/13819012345"})
    assert found(asked(platform, "$validate?mode=create", numbered))[0][1] == "Observation.subject.reference"


def test_whether_a_record_could_be_deleted_is_asked_under_a_grant_and_stands_in_the_log(platform: Standing) -> None:
    made = create(platform, observation()).tree["id"]
    answer = asked(platform, f"Observation/{made}/$validate?mode=delete", b"")
    assert found(answer) == RIGHT
    (row,) = platform.audited(answer.response)
    assert ([str(one) for one in row["ids"]], row["rule"]) == ([made], "met-and-not-written")
    assert platform.get(f"Observation/{made}", about="renumbered").status == 200
    assert asked(platform, f"Observation/{made}/$validate", parameters(mode="delete"), as_="gp").status in (403, 404)
    assert asked(platform, "Observation/nobody/$validate?mode=delete", b"").status == 404
    assert asked(platform, "$validate?mode=delete", b"").status == 400
    assert found(asked(platform, "Basic/x/$validate?mode=delete", b""))[0][0] == "error"


def test_whether_it_could_be_deleted_depends_on_all_that_a_deletion_does(platform: Standing) -> None:
    made = create(platform, observation()).tree["id"]
    at = f"Observation/{made}/$validate?mode=delete"
    assert asked(platform, at, b"", if_match='W/"2"').status == 412
    assert found(asked(platform, at, b"", if_match='W/"1"')) == RIGHT
    assert asked(platform, at, b"", person_id=platform.nin("citizen")).status == 422
    number = registered(platform, treatment(platform, "other-treatment"), as_="hospital-doctor", **NEED)
    for method, path in (("POST", f"Procedure/{number}/$validate?mode=delete"), ("DELETE", f"Procedure/{number}")):
        refused = send(platform, method, path, as_="nurse", version=1, **NEED)
        assert (refused.status, rules(platform, refused)[-1][1]) == (403, "register-kind"), method
    at = f"Procedure/{number}/$validate?mode=delete"
    assert send(platform, "POST", at, as_="hospital-doctor", **NEED).status == 200
    assert send(platform, "POST", at).status == 404  # another organisation's doctor


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("$validate", b"", 400), ("$validate", b"{", 400), ("$validate", b"[]", 400), ("$validate", b"null", 400),
        ("$validate?mode=read", observation(), 400), ("$validate?mode=profile", observation(), 400),
        ("$validate?colour=red", observation(), 400), ("$validate?mode=create&mode=update", observation(), 400),
        ("$validate?profile=http://example.org/nowhere", observation(), 422), ("$validate?_format=text", observation(), 406),
        ("$validate", {"resourceType": "Parameters", "parameter": 1}, 400),
        ("$validate", {"resourceType": "Parameters", "parameter": [{"name": [{}], "resource": {}}]}, 400),
        ("$validate", {"resourceType": "Parameters", "parameter": [1]}, 400),
        ("$validate", {"resourceType": "Parameters", "parameter": [{"name": "resource"}]}, 400),
        ("$validate", {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": [1]}]}, 400),
        ("$validate", parameters(observation(), colour="red"), 400), ("$validate", parameters(mode="create"), 400),
        ("$validate?mode=update", parameters(observation(), mode="create"), 400),
        ("$validate", {"resourceType": "Parameters", "parameter": [parameters(observation())["parameter"][0]] * 2}, 400),
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_refused(platform: Standing, path: str, body: Any, status: int) -> None:
    answer = asked(platform, path, body)
    assert (answer.status, answer.tree["resourceType"]) == (status, "OperationOutcome")


def test_a_body_of_another_kind_and_an_answer_of_another_are_refused(platform: Standing) -> None:
    assert asked(platform, "$validate", b"a,b", content_type="text/csv").status == 415
    assert asked(platform, "$validate", observation(), accept="text/html").status == 406
    assert asked(platform, "$validate", b"<Patient", content_type=XML).status == 400


def test_no_patient_is_named_and_no_log_is_written(platform: Standing) -> None:
    answer = asked(platform, "Observation/$validate", observation())
    assert platform.audited(answer.response) == []


def test_others_are_answered_while_what_is_costly_is_looked_at(platform: Standing) -> None:
    links = [{"relation": "self", "url": f"urn:{number}"} for number in range(10_000)]
    costly = {
        "resourceType": "Bundle",
        "type": "document",
        "link": links,
        "entry": [{"resource": observation()}] * 4_000,
    }
    with ThreadPoolExecutor(1) as other:
        work = other.submit(asked, platform, "$validate", json.dumps(costly).encode())
        waits = []
        while not work.done():
            begun = time.perf_counter()
            assert platform.http.get(platform.url + "/healthz").status_code == 200
            waits.append(time.perf_counter() - begun)
        assert found(work.result())[0][0] == "error"
    assert len(waits) > 3


NAMING = {"meta": {"profile": [URL]}}
NOTED = {"note": [{"text": "x"}]}


def test_what_a_resource_names_is_asked_by_every_way_to_a_version(platform: Standing) -> None:
    refused = create(platform, observation(**NAMING))
    assert (refused.status, refused.tree["issue"][0]["expression"]) == (422, ["Observation.note"])
    named = observation(**NAMING, **NOTED)
    made = create(platform, named)
    assert made.status == 201
    id_ = made.tree["id"]
    about = {"as_": "lab", "patient": platform.nin("renumbered")}
    at, match = f"/fhir/R4/Observation/{id_}", {"content-type": FHIR, "if-match": 'W/"1"'}
    lacking = json.dumps(observation(**NAMING, id=id_)).encode()
    assert platform.client.call("PUT", at, body=lacking, headers=match, **about).status_code == 422
    patch, as_patch = b'[{"op":"remove","path":"/note"}]', {**match, "content-type": "application/json-patch+json"}
    assert platform.client.call("PATCH", at, body=patch, headers=as_patch, **about).status_code == 422
    where = f"/fhir/R4/Observation?_id={id_}"
    assert platform.client.call("PUT", where, body=lacking, headers=match, **about).status_code == 422
    once = {"content-type": FHIR, "if-none-exist": "identifier=urn:x|none"}
    lacking = json.dumps(observation(**NAMING)).encode()
    assert platform.client.call("POST", "/fhir/R4/Observation", body=lacking, headers=once, **about).status_code == 422
    lines = {"content-type": "application/ndjson"}
    answer = platform.client.call("POST", "/fhir/R4/$import", body=lacking, headers=lines, **about)
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, ["line 1: Observation.note"])


def test_what_a_set_warns_of_is_written_and_told_to_whoever_asks(platform: Standing) -> None:
    sets = platform.application._edge.settings.profile_sets
    sets.write_text(f'[[ask]]\nservice="results"\ntype="Observation"\nprofile="{URL}"\nstrength="warn"\n', "utf-8")
    try:
        answer = create(platform, observation(), prefer="return=OperationOutcome")
        supported = platform.http.get(f"{platform.url}/fhir/R4/metadata").json()["rest"][0]["resource"]
    finally:
        sets.unlink()
    assert answer.status == 201
    assert [(one["severity"], one.get("expression")) for one in answer.tree["issue"]] == [
        ("information", None), ("warning", ["Observation.note"]),
    ]  # fmt: skip
    (told,) = [one["supportedProfile"] for one in supported if one["type"] == "Observation"]
    assert URL in told


def test_a_message_is_taken_whatever_the_sets_require(platform: Standing) -> None:
    sets = platform.application._edge.settings.profile_sets
    sets.write_text(f'[[ask]]\nservice="results"\ntype="Observation"\nprofile="{URL}"\nstrength="required"\n', "utf-8")
    try:
        assert create(platform, observation()).status == 422
        answer = platform.send(a_message(platform))
    finally:
        sets.unlink()
    assert answer.status_code == 200
    assert b'V="1"' in answer.content


def test_records_about_nobody_are_looked_at_as_their_writes_are(platform: Standing) -> None:
    named = {"resourceType": "Organization", "name": "Legekontoret"}
    for as_ in ("registry", "lab"):
        assert found(asked(platform, "$validate?mode=create", named, as_=as_)) == RIGHT
    assert found(asked(platform, "Organization/x/$validate?mode=update", named | {"id": "x"}, as_="registry")) == RIGHT
    assert found(asked(platform, "$validate?mode=update", named, as_="registry")) == [("error", "Organization.id", "")]
    number = {"value": platform.nin("citizen")}
    (issue,) = found(asked(platform, "$validate?mode=create", named | {"identifier": [number]}, as_="registry"))
    assert issue[:2] == ("error", "Organization.identifier[0].value")


def test_whether_a_record_about_nobody_could_be_deleted_is_for_its_source(platform: Standing) -> None:
    body = json.dumps({"resourceType": "Organization", "name": "Legekontoret"}).encode()
    made = platform.client.call(
        "POST", "/fhir/R4/Organization", as_="registry", body=body, headers={"content-type": FHIR}
    )
    at = f"Organization/{made.json()['id']}/$validate?mode=delete"
    answer = asked(platform, at, b"", as_="registry")
    assert found(answer) == RIGHT
    assert platform.audited(answer.response) == []
    assert asked(platform, at, b"", as_="registry", if_match='W/"2"').status == 412
    assert asked(platform, at, b"").status == 403
    for absent in ("nowhere", "x_y"):
        assert asked(platform, f"Organization/{absent}/$validate?mode=delete", b"", as_="registry").status == 404
    platform.rows("UPDATE shared_record SET organisation = 'other' WHERE id = $1", made.json()["id"])
    assert asked(platform, at, b"", as_="registry").status == 403


def test_who_keeps_registers_alone_asks_about_no_patient_s_record(platform: Standing) -> None:
    made = create(platform, observation()).tree["id"]
    answer = asked(platform, f"Observation/{made}/$validate?mode=delete", b"", as_="registry")
    assert answer.status == 403
    assert platform.audited(answer.response) == []


def test_a_code_beside_an_extensible_value_set_of_r4_is_a_warning(platform: Standing) -> None:
    odd = [{"coding": [{"system": "urn:s", "code": "x"}]}]
    for mode in ("", "?mode=create"):
        answer = asked(platform, f"$validate{mode}", observation(interpretation=odd))
        assert ("warning", "Observation.interpretation[0]", "extensible-binding") in found(answer)
        assert {severity for severity, *_ in found(answer)} == {"warning", "information"}


def weighed(unit: str, **more: Any) -> Tree:
    """A body weight that names no profile."""
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    value = {"value": 70, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    category = [{"coding": [{"system": CATEGORIES, "code": "vital-signs"}]}]
    return observation(code=code, valueQuantity=value, subject={"display": "x"}, category=category) | more


def test_a_vital_sign_keeps_to_its_profile_though_it_names_none(platform: Standing) -> None:
    for mode in ("", "?mode=create"):
        assert found(asked(platform, f"$validate{mode}", weighed("kg"))) == RIGHT
        wrong = asked(platform, f"$validate{mode}", weighed("cm"))
        assert found(wrong) == [("error", "Observation.valueQuantity.code", "required-binding")]
        assert "bodyweight" in wrong.tree["issue"][0]["diagnostics"]
    both = asked(platform, "$validate?profile=http://hl7.org/fhir/StructureDefinition/bodyweight", weighed("cm"))
    assert len(found(both)) == 1


def test_a_vital_sign_is_held_to_its_profile_by_every_way_to_a_version(platform: Standing) -> None:
    person = {"identifier": {"system": NATIONAL, "value": platform.nin("renumbered")}}
    wrong = json.dumps(weighed("cm", subject=person)).encode()
    about = {"as_": "lab", "patient": platform.nin("renumbered")}
    assert create(platform, wrong).status == 422
    made = create(platform, weighed("kg", subject=person))
    assert made.status == 201
    at, match = f"/fhir/R4/Observation/{made.tree['id']}", {"content-type": FHIR, "if-match": 'W/"1"'}
    changed = json.dumps(weighed("cm", subject=person, id=made.tree["id"])).encode()
    assert platform.client.call("PUT", at, body=changed, headers=match, **about).status_code == 422
    patch = b'[{"op":"replace","path":"/valueQuantity/code","value":"cm"}]'
    as_patch = {**match, "content-type": "application/json-patch+json"}
    assert platform.client.call("PATCH", at, body=patch, headers=as_patch, **about).status_code == 422
    lines = {"content-type": "application/ndjson"}
    assert platform.client.call("POST", "/fhir/R4/$import", body=wrong, headers=lines, **about).status_code == 422
    entry = {"resource": weighed("cm", subject=person), "request": {"method": "POST", "url": "Observation"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    raw = json.dumps(bundle).encode()
    answer = platform.client.call("POST", "/fhir/R4", body=raw, headers={"content-type": FHIR}, **about)
    assert answer.status_code == 422


def test_a_laboratory_s_result_with_the_code_of_a_vital_sign_is_taken_and_told(platform: Standing) -> None:
    person = {"identifier": {"system": NATIONAL, "value": platform.nin("renumbered")}}
    laboratory = [{"coding": [{"system": CATEGORIES, "code": "laboratory"}]}]
    made = create(platform, weighed("cm", subject=person, category=laboratory), prefer="return=OperationOutcome")
    assert made.status == 201
    told = [(one["severity"], one["expression"][0]) for one in made.tree["issue"] if one["severity"] == "warning"]
    assert ("warning", "Observation.valueQuantity.code") in told


def test_a_message_with_the_code_of_a_vital_sign_is_taken_and_may_be_changed(platform: Standing) -> None:
    item = Kith.item("8867-4", Kith.number("70", "slag"), id_="VITAL").replace(
        f"{Kith.OID}7280", "2.16.840.1.113883.6.1"
    )
    assert status_of(platform.send(a_message(platform, items=item))) == "1"
    code = ("code", "http://loinc.org|8867-4")
    (held,) = platform.search("Observation", [code], about=WHOM).ids()
    headers = {"content-type": "application/json-patch+json", "if-match": 'W/"1"'}
    patch = b'[{"op":"add","path":"/note","value":[{"text":"x"}]}]'
    answer = platform.client.call(
        "PATCH", f"/fhir/R4/Observation/{held}", as_="lab", patient=platform.nin(WHOM), body=patch, headers=headers
    )
    assert answer.status_code == 200
