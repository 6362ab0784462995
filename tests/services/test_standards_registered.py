"""Critical information by FHIR R4: registered by personnel under its own law and scope, and never mixed with results."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from kjerne.registries.contents import KINDS_SYSTEM
from platform_fixture import Answered, Standing, Tree
from services.test_standards import FHIR, observation

SCOPE = "nhn:critical-information/api"
NEED: dict[str, Any] = {"self_selected": True, "reason": "Behandling"}
HL7 = "http://terminology.hl7.org/CodeSystem/"
LABELS = "urn:oid:2.16.578.1.12.4.1.1.9603"
SNOMED = "http://snomed.info/sct"
ORGANISATIONS = "urn:oid:2.16.578.1.12.4.1.4.101"


def person(platform: Standing, about: str) -> Tree:
    return {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(about)}}


def allergy(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"system": f"{HL7}allergyintolerance-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{HL7}allergyintolerance-verification", "code": "unconfirmed"}]},
        "category": ["medication"],
        "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": "J01CA04", "display": "Amoksicillin"}]},
        "patient": person(platform, about),
    } | more


def treatment(platform: Standing, kind: str, about: str = "citizen", **more: Any) -> Tree:
    return {
        "resourceType": "Procedure",
        "status": "in-progress",
        "category": {"coding": [{"system": KINDS_SYSTEM, "code": kind}]},
        "subject": person(platform, about),
    } | more


def send(
    platform: Standing, method: str, path: str, tree: Tree | None = None, *, as_: str = "gp", about: str = "citizen",
    version: int = 0, headers: dict[str, str] | None = None, **more: Any,
) -> Answered:  # fmt: skip
    sent = {"content-type": FHIR} | ({"if-match": f'W/"{version}"'} if version else {}) | (headers or {})
    body = json.dumps(tree).encode() if tree is not None else b""
    return Answered(
        platform.client.call(
            method, f"/fhir/R4/{path}", as_=as_, patient=platform.nin(about), body=body, headers=sent, **more
        )
    )


def registered(platform: Standing, tree: Tree, *, as_: str = "gp", about: str = "citizen", **more: Any) -> str:
    answer = send(platform, "POST", tree["resourceType"], tree, as_=as_, about=about, **more)
    assert answer.status == 201, answer.response.text
    return str(answer.tree["id"])


def rules(platform: Standing, answer: Answered) -> list[tuple[str, str, int]]:
    return [(row["service"], row["rule"], row["outcome"]) for row in platform.audited(answer.response)]


def test_what_her_doctor_registers_is_read_by_personnel_and_by_her_and_stands_in_her_log(platform: Standing) -> None:
    began = f"{platform.clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    made = send(platform, "POST", "AllergyIntolerance", allergy(platform))
    assert made.status == 201
    assert rules(platform, made) == [("critical-information", "registered", 0)]
    id_ = made.tree["id"]
    for as_, more in (("gp", {}), ("nurse", NEED), ("citizen", {"portal": True})):
        for path in (f"AllergyIntolerance/{id_}", f"AllergyIntolerance/{id_}/_history/1"):
            assert platform.get(path, as_=as_, **more).tree["code"] == allergy(platform)["code"]
        assert id_ in platform.get("AllergyIntolerance?code=J01CA04&_count=1000", as_=as_, **more).ids()
        assert id_ in platform.get("AllergyIntolerance?category=medication&_count=1000", as_=as_, **more).ids()
    log = platform.client.call(
        "GET", f"/fhir/R4/AuditEvent?entity=AllergyIntolerance/{id_}&date=ge{began}", as_="citizen",
        patient=platform.nin("citizen"),
    )  # fmt: skip
    assert f"AllergyIntolerance/{id_}/_history/1" in log.text


def test_a_nurse_registers_what_is_hers_to_register_and_is_refused_the_rest_by_the_rule(platform: Standing) -> None:
    refused = send(platform, "POST", "AllergyIntolerance", allergy(platform), as_="nurse", **NEED)
    assert (refused.status, refused.issue["code"]) == (403, "forbidden")
    assert "yrkesgruppen" in refused.issue["diagnostics"]
    assert rules(platform, refused) == [("critical-information", "register-kind", 1)]
    assert send(platform, "POST", "Procedure", treatment(platform, "dialysis"), as_="nurse", **NEED).status == 201
    beside = treatment(
        platform, "dialysis", code={"coding": [{"system": SNOMED, "code": one} for one in ("265764009", "182764009")]}
    )
    beside["category"]["coding"] = [{"system": "http://nhn.no/kj/fhir/CodeSystem/Category", "code": "6"}]
    answer = send(platform, "POST", "Procedure", beside, as_="nurse", **NEED)
    assert (answer.status, rules(platform, answer)) == (403, [("critical-information", "register-kind", 1)])
    for kind in ("other-treatment", "verification"):
        answer = send(platform, "POST", "Procedure", treatment(platform, kind), as_="nurse", **NEED)
        assert answer.status == (403 if kind == "other-treatment" else 422)


def test_what_says_no_kind_is_refused_before_anybody_is_asked_about(platform: Standing) -> None:
    answer = send(platform, "POST", "AllergyIntolerance", allergy(platform, category=["food"]) | {"category": []})
    assert answer.status == 422
    tree = allergy(platform)
    del tree["category"]
    answer = send(platform, "POST", "AllergyIntolerance", tree)
    assert (answer.status, answer.issue["expression"]) == (422, ["AllergyIntolerance.category"])
    assert platform.audited(answer.response) == []


def test_each_type_asks_for_the_scope_of_its_own_service(platform: Standing) -> None:
    answer = send(platform, "POST", "AllergyIntolerance", allergy(platform), as_="lab")
    assert (answer.status, answer.response.headers["www-authenticate"]) == (
        403, f'DPoP error="insufficient_scope", scope="{SCOPE}"',
    )  # fmt: skip
    held = platform.client.token("gp", patient=platform.nin("citizen"), path="/fhir/R4/Flag")
    assert held.answer["scope"].split()[-1] == SCOPE
    url = f"{platform.url}/fhir/R4/Observation"
    headers = held.headers("GET", url, platform.clock.now().timestamp(), "")
    assert platform.client._http.get(url, headers={"person-id": platform.nin("citizen"), **headers}).status_code == 403


def test_a_new_version_is_made_by_the_organisation_that_registered_it_and_by_a_role_that_may(
    platform: Standing,
) -> None:
    id_ = registered(platform, allergy(platform), as_="hospital-doctor", **NEED)
    at, changed = f"AllergyIntolerance/{id_}", allergy(platform, criticality="high", id=id_)
    confirmed = [{"op": "add", "path": "/criticality", "value": "low"}]
    patch = {"content-type": "application/json-patch+json"}
    # A nurse of the same hospital: the record is one that only doctors register.
    for method, tree, headers in (("PUT", changed, {}), ("PATCH", confirmed, patch), ("DELETE", None, {})):
        answer = send(platform, method, at, tree, as_="nurse", version=1, headers=headers, **NEED)  # type: ignore[arg-type]
        assert (answer.status, rules(platform, answer)) == (403, [("critical-information", "register-kind", 1)]), method
        assert [str(one) for row in platform.audited(answer.response) for one in row["ids"]] == (
            [] if method == "PUT" else [id_]
        )
    # Another organisation's doctor: to her it is not there to be changed.
    for method, tree, headers in (("PUT", changed, {}), ("PATCH", confirmed, patch), ("DELETE", None, {})):
        answer = send(platform, method, at, tree, version=1, headers=headers)  # type: ignore[arg-type]
        assert (answer.status, rules(platform, answer)) == (404, [("critical-information", "nothing-of-its-own", 1)]), (
            method
        )
    assert send(platform, "PUT", at, changed, as_="hospital-doctor", **NEED).status == 428
    assert send(platform, "PUT", at, changed, as_="hospital-doctor", version=1, **NEED).tree["criticality"] == "high"
    done = send(platform, "PATCH", at, confirmed, as_="hospital-doctor", version=2, headers=patch, **NEED)  # type: ignore[arg-type]
    assert (done.status, done.tree["criticality"]) == (200, "low")
    assert send(platform, "PUT", at, changed, as_="hospital-doctor", version=1, **NEED).status == 412
    assert platform.get(f"{at}/_history").tree["total"] == 3
    assert send(platform, "DELETE", at, as_="hospital-doctor", **NEED).status == 204
    assert platform.get(at).status == 410


def test_neither_what_stood_there_nor_what_comes_is_beyond_the_role(platform: Standing) -> None:
    """A nurse makes no treatment of another kind of hers, and none of hers of another."""
    own = registered(platform, treatment(platform, "dialysis"), as_="nurse", **NEED)
    doctors = registered(platform, treatment(platform, "other-treatment"), as_="hospital-doctor", **NEED)
    for id_, kind, status in ((own, "other-treatment", 403), (doctors, "dialysis", 403), (own, "cytostatics", 200)):
        tree = treatment(platform, kind, id=id_)
        answer = send(platform, "PUT", f"Procedure/{id_}", tree, as_="nurse", version=1, **NEED)
        assert answer.status == status, (kind, answer.response.text)
    assert platform.get(f"Procedure/{doctors}").tree["meta"]["versionId"] == "1"


def test_a_condition_finds_what_stands_there(platform: Standing) -> None:
    number = str(uuid4())
    tree = allergy(platform, identifier=[{"system": "urn:epj", "value": number}])
    once = {"if-none-exist": f"identifier=urn:epj|{number}"}
    first = send(platform, "POST", "AllergyIntolerance", tree, headers=once)
    again = send(platform, "POST", "AllergyIntolerance", tree, headers=once)
    assert (first.status, again.status) == (201, 200)
    at = f"AllergyIntolerance?identifier=urn:epj|{number}"
    assert send(platform, "PUT", at, tree | {"criticality": "high"}, version=1).status == 200
    assert send(platform, "PUT", at, tree, as_="nurse", **NEED).status == 403
    assert send(platform, "DELETE", at).status == 204
    assert platform.get(at).tree["total"] == 0


def test_nobody_registers_outside_treatment_and_a_stranger_is_told_what_she_is_told_of_anybody(
    platform: Standing,
) -> None:
    answer = send(platform, "POST", "AllergyIntolerance", allergy(platform), as_="outsider")
    assert (answer.status, rules(platform, answer)) == (403, [("critical-information", "no-relation", 1)])
    answer = send(platform, "POST", "AllergyIntolerance", allergy(platform), purpose="BTG", reason="Nød")
    assert (answer.status, rules(platform, answer)) == (403, [("critical-information", "registering-purpose", 1)])


@pytest.mark.parametrize("id_", [str(uuid4()), "1"], ids=["random", "short"])
def test_an_id_of_nobodys_is_absent_whoever_asks(platform: Standing, id_: str) -> None:
    assert send(platform, "DELETE", f"Flag/{id_}").status == 404
    assert platform.get(f"Flag/{id_}").status == 404


def test_an_import_takes_what_systems_send_in_and_no_more(platform: Standing) -> None:
    line = json.dumps(allergy(platform)).encode()
    answer = Answered(
        platform.client.call(
            "POST", "/fhir/R4/$import", as_="lab", body=line, headers={"content-type": "application/fhir+ndjson"}
        )
    )
    assert (answer.status, answer.issue["expression"]) == (422, ["line 1: resourceType"])


def test_a_search_of_one_service_brings_along_nothing_of_another(platform: Standing) -> None:
    """A result that a treatment or a condition names lies under another law and another key."""
    filed = send(platform, "POST", "Observation", observation(subject=person(platform, "citizen")), as_="lab")
    seen = f"Observation/{filed.tree['id']}"
    reason = registered(platform, treatment(platform, "dialysis", reasonReference=[{"reference": seen}]))
    found = platform.get(f"Procedure?_id={reason}&_include=Procedure:reason-reference")
    assert (found.status, found.ids(), found.ids("include")) == (200, [reason], [])
    back = platform.get(f"Observation?_id={filed.tree['id']}&_revinclude=Procedure:reason-reference")
    assert (back.status, back.issue["expression"]) == (400, ["_revinclude"])


def test_an_opt_out_of_it_shuts_it_and_results_stay_open(platform: Standing) -> None:
    about = "parent"
    id_ = registered(platform, allergy(platform, about), about=about, **NEED)
    made = platform.client.call(
        "POST", "/fhir/R4/Consent", as_=about, patient=platform.nin(about), headers={"content-type": FHIR},
        body=json.dumps(consent("opt-out") | {"patient": person(platform, about)}).encode(),
    )  # fmt: skip
    assert made.status_code == 201, made.text
    try:
        for answer in (
            platform.get(f"AllergyIntolerance/{id_}", about=about, **NEED),
            platform.get("AllergyIntolerance", about=about, **NEED),
            send(platform, "POST", "AllergyIntolerance", allergy(platform, about), about=about, **NEED),
        ):
            assert answer.status in (403, 404)
            assert rules(platform, answer) == [("critical-information", "opted-out", 1)]
        assert platform.get("Observation", about=about, **NEED).status == 200
        assert platform.get(f"AllergyIntolerance/{id_}", as_=about, about=about, portal=True).status == 200
    finally:
        withdrawn = made.json() | {"status": "inactive"}
        ended = platform.client.call(
            "PUT", f"/fhir/R4/Consent/{withdrawn['id']}", as_=about, patient=platform.nin(about),
            headers={"content-type": FHIR}, body=json.dumps(withdrawn).encode(),
        )  # fmt: skip
    assert ended.status_code == 200, ended.text
    assert platform.get(f"AllergyIntolerance/{id_}", about=about, **NEED).status == 200


def consent(kind: str, **provision: Any) -> Tree:
    """A choice about whom whoever sends it names."""
    own = "http://kjerne.example/fhir/CodeSystem/"
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": f"{HL7}consentscope", "code": "patient-privacy"}]},
        "category": [
            {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]},
            {"coding": [{"system": f"{own}choice-kind", "code": kind}]},
            {"coding": [{"system": f"{own}service", "code": "critical-information"}]},
        ],
        "policyRule": {
            "coding": [{"system": "http://hl7.no/fhir/CodeSystem/no-basis-legal-formality-or-basis", "code": "PBRL5-3"}]
        },
        "provision": {"type": "deny", **provision},
    }


def test_a_kind_of_results_is_no_part_of_critical_information(platform: Standing) -> None:
    part = {"coding": [{"system": "http://kjerne.example/fhir/CodeSystem/content-kind", "code": "radiology"}]}
    answer = platform.client.call(
        "POST", "/fhir/R4/Consent", as_="citizen", patient=platform.nin("citizen"), headers={"content-type": FHIR},
        body=json.dumps(consent("restriction", code=[part]) | {"patient": person(platform, "citizen")}).encode(),
    )  # fmt: skip
    assert answer.status_code == 422


def choose(platform: Standing, tree: Tree, about: str, withdrawn: bool = False) -> Tree:
    """A choice made, or withdrawn, by the patient herself."""
    tree |= {"patient": person(platform, about)}
    made = platform.client.call(
        "PUT" if withdrawn else "POST", "/fhir/R4/Consent" + (f"/{tree['id']}" if withdrawn else ""), as_=about,
        patient=platform.nin(about), headers={"content-type": FHIR}, body=json.dumps(tree).encode(),
    )  # fmt: skip
    assert made.status_code in (200, 201), made.text
    answered: Tree = made.json()
    return answered


def of_results(tree: Tree) -> Tree:
    other = json.loads(json.dumps(tree).replace("critical-information", "results"))
    assert isinstance(other, dict)
    return other


def test_a_single_record_that_she_restricts_is_hidden_until_that_choice_is_lifted_and_no_other(
    platform: Standing,
) -> None:
    about = "parent"
    id_ = registered(platform, allergy(platform, about), about=about, **NEED)
    filed = send(platform, "POST", "Observation", observation(subject=person(platform, about)), as_="lab", about=about)
    result = str(filed.tree["id"])

    def record(one: str) -> Tree:
        return consent("record", data=[{"meaning": "instance", "reference": {"identifier": {"value": one}}}])

    def seen() -> tuple[int, int]:
        paths = (f"AllergyIntolerance/{id_}", f"Observation/{result}")
        return tuple(platform.get(path, about=about, **NEED).status for path in paths)  # type: ignore[return-value]

    of_allergy, of_result = choose(platform, record(id_), about), choose(platform, of_results(record(result)), about)
    assert seen() == (404, 404)
    choose(platform, of_result | {"status": "inactive"}, about, withdrawn=True)
    assert seen() == (404, 200)
    choose(platform, of_allergy | {"status": "inactive"}, about, withdrawn=True)
    assert seen() == (200, 200)


@pytest.mark.parametrize("withheld", ["by the patient", "at its source"])
def test_what_is_hidden_from_a_reader_is_absent_to_whoever_would_change_it(platform: Standing, withheld: str) -> None:
    """A patch that changes nothing would give the whole of it back."""
    about, secret = "parent", {"note": [{"text": "Holdes skjult"}]}
    marks = {} if withheld == "by the patient" else {"meta": {"security": [{"system": LABELS, "code": "NORS"}]}}
    id_ = registered(platform, treatment(platform, "radiotherapy", about, **secret, **marks), about=about, **NEED)
    chosen = consent("record", data=[{"meaning": "instance", "reference": {"identifier": {"value": id_}}}])
    if not marks:
        chosen = choose(platform, chosen, about)
    path = f"Procedure/{id_}"
    patch = json.dumps([{"op": "add", "path": "/status", "value": "in-progress"}]).encode()
    answer = platform.client.call(
        "PATCH", f"/fhir/R4/{path}", as_="gp", patient=platform.nin(about), body=patch, **NEED,
        headers={"content-type": "application/json-patch+json", "if-match": 'W/"1"'},
    )  # fmt: skip
    assert (answer.status_code, "Holdes skjult" in answer.text) == (404, False)
    tree = treatment(platform, "radiotherapy", about, id=id_)
    assert send(platform, "PUT", path, tree, about=about, version=1, **NEED).status == 404
    assert send(platform, "PUT", path, tree, about=about, version=9, **NEED).status == 404
    assert send(platform, "DELETE", path, about=about, version=1, **NEED).status == 404
    basis = {"basis": "FORHOYET_SAMTYKKE"}
    assert platform.get(path, about=about, **NEED, **basis).status == 200
    opened = send(platform, "PUT", path, tree | marks, about=about, version=1, **NEED, **basis)
    assert (opened.status, rules(platform, opened)) == (
        200,
        [("critical-information", "registered-with-all-opened", 0)],
    )
    assert platform.get(path, about=about, **NEED).status == 404, "her restriction stays on the new version"
    if not marks:
        choose(platform, chosen | {"status": "inactive"}, about, withdrawn=True)
        assert send(platform, "PUT", path, tree, about=about, version=2, **NEED).status == 200


@pytest.mark.parametrize("against", ["everybody", "doctors"])
def test_what_one_organisation_registered_and_she_restricted_is_absent_to_whoever_would_change_it(
    platform: Standing, against: str
) -> None:
    """No patch, condition or deletion tells it; what opens it for a look opens it to be changed; what is new is taken."""
    about, number = "parent", str(uuid4())
    tree = allergy(
        platform, about, identifier=[{"system": "urn:epj", "value": number}], note=[{"text": "Holdes skjult"}]
    )
    id_ = registered(platform, tree, about=about, **NEED)
    role = (
        []
        if against == "everybody"
        else [actor("PractitionerRole", "http://kjerne.example/fhir/CodeSystem/role-group", against)]
    )
    sender = actor("Organization", ORGANISATIONS, platform.persona("gp").organisation, "AUT")
    chosen = choose(platform, consent("restriction", actor=[sender, *role]), about)
    path, found = f"AllergyIntolerance/{id_}", f"AllergyIntolerance?identifier=urn:epj|{number}"
    patch = [{"op": "add", "path": "/criticality", "value": "low"}]
    as_patch = {"content-type": "application/json-patch+json"}
    try:
        for method, at, body, headers in (
            ("PATCH", path, patch, as_patch), ("PUT", path, tree | {"id": id_}, {}), ("DELETE", path, None, {}),
        ):  # fmt: skip
            for version in (1, 9):
                answer = send(platform, method, at, body, about=about, version=version, headers=headers, **NEED)  # type: ignore[arg-type]
                assert (answer.status, "Holdes skjult" in answer.response.text) == (404, False), method
                assert "etag" not in answer.response.headers
        assert send(platform, "PUT", found, tree | {"id": id_}, about=about, version=1, **NEED).status == 412
        assert send(platform, "DELETE", found, about=about, **NEED).status == 204
        once = {"if-none-exist": f"identifier=urn:epj|{number}"}
        another = send(platform, "POST", "AllergyIntolerance", tree, about=about, headers=once, **NEED)
        assert (another.status, another.tree["id"] == id_) == (201, False)
        # K84: shut with the rest, to its author too.
        own = f"AllergyIntolerance/{another.tree['id']}"
        assert send(platform, "GET", own, about=about, **NEED).status == 404
        assert send(platform, "GET", own, about=about, basis="SAMTYKKE", **NEED).status == 200
        opened = send(
            platform, "PATCH", path, patch, about=about, version=1, headers=as_patch, basis="SAMTYKKE", **NEED
        )  # type: ignore[arg-type]
        assert (opened.status, rules(platform, opened)) == (
            200,
            [("critical-information", "registered-behind-part", 0)],
        )
        assert send(platform, "DELETE", path, about=about, basis="SAMTYKKE", **NEED).status == 204
        assert send(platform, "DELETE", path, about=about, **NEED).status == 404
    finally:
        choose(platform, chosen | {"status": "inactive"}, about, withdrawn=True)


def actor(type_: str, system: str, value: str, role: str = "IRCP") -> Tree:
    return {
        "role": {"coding": [{"system": f"{HL7}v3-ParticipationType", "code": role}]},
        "reference": {"type": type_, "identifier": {"system": system, "value": value}},
    }


def test_a_kind_that_it_cannot_be_of_or_that_nobody_knows_is_refused(platform: Standing) -> None:
    for other in ("critical-condition", "nonsense"):
        tree = treatment(platform, "radiotherapy")
        tree["category"]["coding"].append({"system": KINDS_SYSTEM, "code": other})
        assert send(platform, "POST", "Procedure", tree, **NEED).status == 422


@pytest.mark.parametrize("subject", [{"reference": "Location/1"}, {"type": "Group", "identifier": {"value": "1"}}])
def test_what_is_about_no_patient_is_no_record_of_hers(platform: Standing, subject: Tree) -> None:
    tree = treatment(platform, "radiotherapy", subject=subject)
    answer = send(platform, "POST", "Procedure", tree, **NEED)
    assert (answer.status, answer.issue["expression"]) == (422, ["Procedure.subject"])
