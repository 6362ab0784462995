"""The structured record by FHIR R4: sent in by systems and registered by personnel under a law, a scope and a key of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import pytest

from kjerne.registries.homes import SERVICE_BY_TYPE, types_of
from kjerne.registries.naming import _ELSEWHERE
from platform_fixture import Answered, Standing, Tree
from services.test_disclosures import now, whole
from services.test_standards import FHIR, observation
from services.test_standards_registered import NEED, consent, person, rules, send

SYSTEM: Final = "journal-system"
ICPC: Final = "urn:oid:2.16.578.1.12.4.1.1.7170"
ATC: Final = "http://www.whocc.no/atc"


def coded(code: str, system: str = "urn:x") -> Tree:
    return {"coding": [{"system": system, "code": code}]}


ELSEWHERE: Final = {"reference": "https://a.example/fhir/Immunization/1"}


def those_elsewhere(who: Tree) -> dict[str, Tree]:
    """The types that name her in an element of their own."""
    return {
        "Appointment": {
            "status": "proposed",
            "participant": [
                {"actor": {"display": "Lege"}, "status": "accepted"},
                {"actor": {"type": "Patient", **who}, "status": "accepted"},
            ],
        },
        "AppointmentResponse": {
            "appointment": {"reference": "https://a.example/fhir/Appointment/1"}, "participantStatus": "accepted", "actor": who,
        },
        "SupplyRequest": {"itemCodeableConcept": coded("needles"), "quantity": {"value": 10}, "deliverTo": who},
        "Task": {"status": "requested", "intent": "order", "for": who, "focus": ELSEWHERE},
    }  # fmt: skip


def bodies(who: Tree) -> dict[str, Tree]:
    """The least that R4 takes of each type, about one."""
    of_a_subject: dict[str, Tree] = {
        "AdverseEvent": {"actuality": "actual"},
        "CarePlan": {"status": "active", "intent": "plan"},
        "CareTeam": {"status": "active"},
        "ClinicalImpression": {"status": "completed"},
        "Communication": {"status": "completed"},
        "CommunicationRequest": {"status": "active"},
        "DeviceRequest": {"intent": "order", "codeCodeableConcept": coded("pump")},
        "Encounter": {"status": "finished", "class": {"code": "AMB"}},
        "Goal": {"lifecycleStatus": "active", "description": {"text": "Walk daily"}},
        "GuidanceResponse": {"status": "success", "moduleUri": "urn:module"},
        "List": {"status": "current", "mode": "working"},
        "MedicationAdministration": {
            "status": "completed", "medicationCodeableConcept": coded("N02BE01", ATC), "effectiveDateTime": "2026-11-20",
        },
        "MedicationDispense": {"status": "completed", "medicationCodeableConcept": coded("N02BE01", ATC)},
        "MedicationRequest": {"status": "active", "intent": "order", "medicationCodeableConcept": coded("N02BE01", ATC)},
        "MedicationStatement": {"status": "active", "medicationCodeableConcept": coded("N02BE01", ATC)},
        "QuestionnaireResponse": {"status": "completed"},
        "RequestGroup": {"status": "active", "intent": "plan"},
        "RiskAssessment": {"status": "final"},
        "Condition": {"code": coded("R75", ICPC)},
        "Procedure": {"status": "completed", "code": coded("54", ICPC)},
    }  # fmt: skip
    of_a_patient: dict[str, Tree] = {
        "BodyStructure": {},
        "DetectedIssue": {"status": "final"},
        "Device": {"status": "active"},
        "EpisodeOfCare": {"status": "active"},
        "FamilyMemberHistory": {"status": "completed", "relationship": coded("FTH")},
        "Immunization": {"status": "completed", "vaccineCode": coded("J07BK03", ATC), "occurrenceDateTime": "2026-11-20"},
        "ImmunizationEvaluation": {
            "status": "completed", "targetDisease": coded("1"), "immunizationEvent": ELSEWHERE, "doseStatus": coded("valid"),
        },
        "ImmunizationRecommendation": {
            "date": "2026-11-20", "recommendation": [{"vaccineCode": [coded("J07BK03", ATC)], "forecastStatus": coded("due")}],
        },
        "NutritionOrder": {
            "status": "active", "intent": "order", "dateTime": "2026-11-20", "oralDiet": {"type": [coded("salt")]},
        },
        "SupplyDelivery": {"status": "completed"},
        "VisionPrescription": {
            "status": "active", "created": "2026-11-20", "dateWritten": "2026-11-20",
            "prescriber": {"display": "Optiker"},
            "lensSpecification": [{"product": coded("lens"), "eye": "right"}],
        },
    }  # fmt: skip
    found = {name: tree | {"subject": who} for name, tree in of_a_subject.items()}
    found |= {name: tree | {"patient": who} for name, tree in of_a_patient.items()}
    return {name: {"resourceType": name} | tree for name, tree in (found | those_elsewhere(who)).items()}


def prescribed(platform: Standing, about: str = "citizen", **more: Any) -> Tree:
    return bodies(person(platform, about))["MedicationRequest"] | more


def sent_in(platform: Standing, tree: Tree, about: str = "citizen", **more: Any) -> str:
    """By the hospital's own system."""
    answer = send(platform, "POST", tree["resourceType"], tree, as_=SYSTEM, about=about, **more)
    assert answer.status == 201, answer.response.text
    return str(answer.tree["id"])


@pytest.mark.parametrize("name", types_of("record"))
def test_every_type_is_sent_in_found_read_changed_and_taken_away(platform: Standing, name: str) -> None:
    tree = bodies(person(platform, "citizen"))[name]
    made = send(platform, "POST", name, tree, as_=SYSTEM)
    assert made.status == 201, made.response.text
    assert rules(platform, made) == [("record", "sent-in", 0)]
    id_, of = made.tree["id"], {"service": "record"}
    assert platform.get(f"{name}/{id_}", **of).tree["meta"]["versionId"] == "1"
    assert id_ in platform.get(f"{name}?_sort=-_lastUpdated", **of).ids()
    changed = send(platform, "PUT", f"{name}/{id_}", tree | {"id": id_, "language": "nb"}, as_=SYSTEM, version=1)
    assert (changed.status, changed.tree["language"]) == (200, "nb"), changed.response.text
    assert platform.get(f"{name}/{id_}/_history", **of).tree["total"] == 2
    assert send(platform, "DELETE", f"{name}/{id_}", as_=SYSTEM).status == 204
    assert platform.get(f"{name}/{id_}", **of).status == 410


def test_whoever_treats_her_reads_it_without_her_consent_and_she_reads_it_too(platform: Standing) -> None:
    """A midwife and a pharmacist must be let in to results; of the record they need nothing but a need."""
    began = f"{platform.clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
    id_ = sent_in(platform, prescribed(platform))
    for as_, more in (
        ("gp", {}), ("nurse", NEED), ("midwife", NEED), ("pharmacist", NEED), ("citizen", {"portal": True}),
    ):  # fmt: skip
        answer = platform.get(f"MedicationRequest/{id_}", as_=as_, **more)
        assert answer.status == 200, (as_, answer.response.text)
        ((service, rule, outcome),) = rules(platform, answer)
        assert (service, outcome) == ("record", 0)
        assert rule in {"gp", "care", "self-declared", "own"}
    assert platform.get("Observation", as_="midwife", **NEED).status == 403
    log = platform.client.call(
        "GET", f"/fhir/R4/AuditEvent?entity=MedicationRequest/{id_}&date=ge{began}", as_="citizen",
        patient=platform.nin("citizen"),
    )  # fmt: skip
    assert f"MedicationRequest/{id_}/_history/1" in log.text


def test_a_stranger_one_outside_and_a_laboratory_are_refused(platform: Standing) -> None:
    id_ = sent_in(platform, prescribed(platform))
    answer = platform.get(f"MedicationRequest/{id_}", as_="outsider")
    assert (answer.status, rules(platform, answer)) == (404, [("record", "no-relation", 1)])
    answer = platform.get(f"MedicationRequest/{id_}", as_="outside-doctor", **NEED)
    assert (answer.status, rules(platform, answer)) == (403, [("record", "organisation-takes-no-part", 1)])
    answer = send(platform, "POST", "MedicationRequest", prescribed(platform), as_="lab")
    assert (answer.status, answer.response.headers["www-authenticate"]) == (
        403, 'DPoP error="insufficient_scope", scope="kjerne:record-write"',
    )  # fmt: skip
    held = platform.client.token("gp", patient=platform.nin("citizen"), path="/fhir/R4/Observation")
    url = f"{platform.url}/fhir/R4/Encounter"
    headers = held.headers("GET", url, platform.clock.now().timestamp(), "")
    assert platform.client._http.get(url, headers={"person-id": platform.nin("citizen"), **headers}).status_code == 403


def test_personnel_register_in_treatment_and_change_what_their_own_organisation_did(platform: Standing) -> None:
    made = send(platform, "POST", "MedicationRequest", prescribed(platform), as_="nurse", **NEED)
    assert (made.status, rules(platform, made)) == (201, [("record", "registered", 0)]), made.response.text
    at, patch = f"MedicationRequest/{made.tree['id']}", {"content-type": "application/json-patch+json"}
    stops: Any = [{"op": "replace", "path": "/status", "value": "stopped"}]
    answer = send(platform, "PATCH", at, stops, version=1, headers=patch)
    assert (answer.status, rules(platform, answer)) == (404, [("record", "nothing-of-its-own", 1)])
    answer = send(platform, "PATCH", at, stops, as_="hospital-doctor", version=1, headers=patch, **NEED)
    assert (answer.status, answer.tree["status"]) == (200, "stopped")
    answer = send(platform, "PATCH", at, stops, as_=SYSTEM, version=1, headers=patch)
    assert answer.status == 412, "the hospital's system is of the same organisation"
    answer = send(platform, "POST", "MedicationRequest", prescribed(platform), as_="gp", purpose="COC", reason="Sak 12")
    assert (answer.status, rules(platform, answer)) == (403, [("record", "registering-purpose", 1)])


@contextmanager
def chosen(platform: Standing, about: str, kind: str, service: str, **provision: Any) -> Iterator[None]:
    """A choice of hers about one service, taken back at the end."""
    tree = json.loads(json.dumps(consent(kind, **provision)).replace("critical-information", service))
    tree["patient"] = person(platform, about)
    own: dict[str, Any] = {"as_": about, "patient": platform.nin(about), "headers": {"content-type": FHIR}}
    made = platform.client.call("POST", "/fhir/R4/Consent", body=json.dumps(tree).encode(), **own)
    assert made.status_code == 201, made.text
    try:
        yield
    finally:
        body = json.dumps(made.json() | {"status": "inactive"}).encode()
        ended = platform.client.call("PUT", f"/fhir/R4/Consent/{made.json()['id']}", body=body, **own)
        assert ended.status_code == 200, ended.text


def test_an_objection_shuts_it_but_for_weighty_reasons_and_what_comes_is_kept_all_the_same(platform: Standing) -> None:
    about, weighty = "parent", {"basis": "FORHOYET_AKUTT", "self_selected": True, "reason": "Bevisstløs i mottak"}
    id_ = sent_in(platform, prescribed(platform, about), about)
    at = f"MedicationRequest/{id_}"
    with chosen(platform, about, "opt-out", "record"):
        for more in (NEED, NEED | {"basis": "AKUTT"}, NEED | {"basis": "SAMTYKKE"}):
            answer = platform.get(at, about=about, **more)
            assert (answer.status, rules(platform, answer)) == (404, [("record", "objected", 1)])
        answer = send(platform, "POST", "MedicationRequest", prescribed(platform, about), about=about, **NEED)
        assert (answer.status, rules(platform, answer)) == (403, [("record", "objected", 1)])
        answer = platform.get(at, about=about, **weighty)
        assert (answer.status, rules(platform, answer)) == (200, [("record", "elevated", 0)])
        assert sent_in(platform, prescribed(platform, about), about)
        assert platform.get("Observation", about=about, **NEED).status == 200
        assert platform.get(at, as_=about, about=about, portal=True).status == 200
    assert platform.get(at, about=about, **NEED).status == 200


def test_an_opt_out_of_results_leaves_the_record_open(platform: Standing) -> None:
    about = "parent"
    id_ = sent_in(platform, prescribed(platform, about), about)
    with chosen(platform, about, "opt-out", "results"):
        assert platform.get("Observation", about=about, **NEED).status == 403
        assert platform.get(f"MedicationRequest/{id_}", about=about, **NEED).status == 200


def test_a_restriction_opens_by_explicit_consent_and_not_by_a_plain_one(platform: Standing) -> None:
    about = "parent"
    id_ = sent_in(platform, prescribed(platform, about), about)
    with chosen(platform, about, "restriction", "record"):
        for basis, status, rule in (
            ("SAMTYKKE", 404, "restricted-but-for-weighty-reasons"),
            ("FORHOYET_SAMTYKKE", 200, "everything-opened"),
        ):
            answer = platform.get(f"MedicationRequest/{id_}", about=about, basis=basis, **NEED)
            assert (answer.status, rules(platform, answer)) == (status, [("record", rule, int(status != 200))])
        assert platform.get("AllergyIntolerance", about=about, **NEED).status == 200


def test_a_search_leads_through_the_record_and_into_no_other_service(platform: Standing) -> None:
    of_hers = bodies(person(platform, "citizen"))
    encounter = sent_in(
        platform, of_hers["Encounter"] | {"reasonCode": [coded("K86", "urn:oid:2.16.578.1.12.4.1.1.7170")]}
    )
    seen = send(platform, "POST", "Observation", observation(subject=person(platform, "citizen")), as_="lab").tree["id"]
    order = sent_in(
        platform,
        prescribed(
            platform, encounter={"reference": f"Encounter/{encounter}"},
            reasonReference=[{"reference": f"Observation/{seen}"}],
        ),
    )  # fmt: skip
    found = platform.get(f"MedicationRequest?_id={order}&_include=*")
    brought = [one for one in found.resources("include") if one["resourceType"] != "Patient"]
    assert (found.ids(), [one["id"] for one in brought]) == ([order], [encounter])
    assert platform.get("MedicationRequest?encounter.reason-code=K86").ids() == [order]
    found = platform.get(
        "Encounter?reason-code=K86&_has:MedicationRequest:encounter:code=N02BE01&_revinclude=MedicationRequest:encounter"
    )
    assert (found.ids(), found.ids("include")) == ([encounter], [order])
    assert platform.get(f"Observation?_id={seen}&_revinclude=MedicationRequest:encounter").status == 400


def test_a_transaction_of_the_record_is_one_and_its_entries_find_each_other(platform: Standing) -> None:
    of_hers = bodies(person(platform, "citizen"))
    visit, number = f"urn:uuid:{uuid4()}", str(uuid4())
    entries = [
        {"fullUrl": visit, "resource": of_hers["Encounter"], "request": {"method": "POST", "url": "Encounter"}},
        {
            "resource": prescribed(platform, encounter={"reference": visit}, identifier=[{"system": "urn:epj", "value": number}]),
            "request": {"method": "POST", "url": "MedicationRequest", "ifNoneExist": f"identifier=urn:epj|{number}"},
        },
    ]  # fmt: skip
    bundle: Tree = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = send(platform, "POST", "", bundle, as_=SYSTEM)
    assert answer.status == 200, answer.response.text
    made = [one["response"]["location"].split("/R4/")[1].split("/_history")[0] for one in answer.tree["entry"]]
    assert platform.get(made[1]).tree["encounter"] == {"reference": made[0]}
    entries[1]["resource"] = of_hers["Task"] | {"for": {"reference": "Group/1"}}
    entries[1]["request"] = {"method": "POST", "url": "Task"}
    answer = send(platform, "POST", "", bundle, as_=SYSTEM)
    assert (answer.status, answer.issue["expression"]) == (422, ["Bundle.entry[1].resource.for"])


BY_ADDRESS: Final = (
    *(name for name in _ELSEWHERE if SERVICE_BY_TYPE[name] == "record"), "Immunization", "Encounter",
)  # fmt: skip


def of_address(platform: Standing, name: str, about: str = "citizen") -> Tree:
    """The least of a type, about one who is named by her address alone."""
    (found,) = platform.client.call("GET", "/fhir/R4/Patient", as_="gp", patient=platform.nin(about)).json()["entry"]
    return bodies({"reference": f"Patient/{found['resource']['id']}"})[name]


def sent_alone(platform: Standing, path: str, tree: Tree) -> Answered:
    """By the hospital's own system, with no header that names a patient."""
    sent: dict[str, Any] = {"as_": SYSTEM, "headers": {"content-type": "application/fhir+json"}}
    return Answered(platform.client.call("POST", f"/fhir/R4/{path}", body=json.dumps(tree).encode(), **sent))


@pytest.mark.parametrize("name", BY_ADDRESS)
def test_who_is_named_by_her_address_alone_is_known_wherever_the_type_has_it(platform: Standing, name: str) -> None:
    tree = of_address(platform, name)
    alone = sent_alone(platform, name, tree)
    assert alone.status == 201, alone.response.text
    entry = {"resource": tree, "request": {"method": "POST", "url": name}}
    done = sent_alone(platform, "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]})
    assert done.status == 200, done.response.text
    made = [alone.tree["id"], *(one["resource"]["id"] for one in done.tree["entry"])]
    assert set(made) <= set(platform.get(f"{name}?_count=100").ids())
    another = send(platform, "POST", name, tree, as_=SYSTEM, about="parent")
    assert another.status == 422, another.response.text
    assert another.issue["diagnostics"].startswith("the body is about another person")


@pytest.mark.parametrize("name", BY_ADDRESS)
def test_nothing_is_filed_about_one_that_names_another_by_her_address_alone(platform: Standing, name: str) -> None:
    tree, number = of_address(platform, name), str(uuid4())
    identifier = {"system": "urn:epj", "value": number}
    tree |= {"identifier": [identifier]}
    entry = {"resource": tree, "request": {"method": "POST", "url": name}}
    bundle: Tree = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    ndjson, met = {"content-type": "application/fhir+ndjson"}, {"if-none-exist": f"identifier=urn:epj|{number}"}
    for answer in (
        send(platform, "POST", name, tree, as_=SYSTEM, about="parent"),
        send(platform, "POST", name, tree, as_=SYSTEM, about="parent", headers=met),
        send(platform, "PUT", f"{name}?identifier=urn:epj|{number}", tree, as_=SYSTEM, about="parent"),
        send(platform, "POST", "", bundle, as_=SYSTEM, about="parent"),
        send(platform, "POST", "$import", tree, as_=SYSTEM, about="parent", headers=ndjson),
    ):
        assert answer.status == 422, answer.response.text
        assert "another person" in answer.issue["diagnostics"]
    # Else this would meet what one of them had filed.
    assert send(platform, "POST", name, tree, as_=SYSTEM, headers=met).status == 201


def test_another_s_answer_to_an_appointment_lies_with_whom_the_appointment_is_about(platform: Standing) -> None:
    met = sent_in(platform, bodies(person(platform, "citizen"))["Appointment"])
    answer = bodies({"reference": "Practitioner/1"})["AppointmentResponse"]
    of_hers = answer | {"appointment": {"reference": f"Appointment/{met}"}}
    made = sent_alone(platform, "AppointmentResponse", of_hers)
    assert made.status == 201, made.response.text
    assert made.tree["id"] in platform.get("AppointmentResponse?_count=1000").ids()
    assert send(platform, "POST", "AppointmentResponse", of_hers, as_=SYSTEM, about="parent").status == 422
    nobodys = answer | {"appointment": {"reference": f"Appointment/{uuid4()}"}}
    assert sent_alone(platform, "AppointmentResponse", nobodys).status == 403
    assert send(platform, "POST", "AppointmentResponse", nobodys, as_=SYSTEM).status == 422
    assert sent_alone(platform, "AppointmentResponse", answer).issue["expression"] == ["AppointmentResponse.actor"]


def test_an_import_takes_the_record_and_each_line_is_about_whom_it_names(platform: Standing) -> None:
    of_hers = bodies(person(platform, "citizen"))
    sent: dict[str, Any] = {"as_": SYSTEM, "headers": {"content-type": "application/fhir+ndjson"}}
    body = b"\n".join(json.dumps(one).encode() for one in of_hers.values())
    taken = platform.client.call("POST", "/fhir/R4/$import", body=body, **sent)
    assert taken.status_code == 200, taken.text
    said = {one["name"]: one for one in taken.json()["parameter"]}
    assert (said["resources"]["valueInteger"], said["patients"]["valueInteger"]) == (len(of_hers), 1)
    locations = [one["valueUri"] for one in taken.json()["parameter"] if one["name"] == "location"]
    assert platform.get(locations[0].partition("/_history")[0]).status == 200
    nobodys = of_hers["AppointmentResponse"] | {"actor": {"type": "Practitioner", "display": "Lege"}}
    refused = Answered(platform.client.call("POST", "/fhir/R4/$import", body=json.dumps(nobodys).encode(), **sent))
    assert (refused.status, refused.issue["expression"]) == (422, ["line 1: AppointmentResponse.actor"])


def test_an_ordinary_diagnosis_may_be_filed_inside_the_contact_in_which_it_was_made(platform: Standing) -> None:
    who = person(platform, "citizen")
    sinusitis = {
        "resourceType": "Condition", "id": "d", "subject": who, "code": coded("R75", "urn:oid:2.16.578.1.12.4.1.1.7170"),
    }  # fmt: skip
    encounter = bodies(who)["Encounter"] | {
        "contained": [sinusitis], "diagnosis": [{"condition": {"reference": "#d"}}], "reasonCode": [sinusitis["code"]],
    }  # fmt: skip
    id_ = sent_in(platform, encounter)
    assert platform.get(f"Encounter/{id_}").tree["contained"][0]["code"] == sinusitis["code"]
    assert id_ in platform.get("Encounter?reason-code=urn:oid:2.16.578.1.12.4.1.1.7170|R75&_count=1000").ids()


def test_a_check_says_of_the_record_what_a_create_would(platform: Standing) -> None:
    of_hers = bodies(person(platform, "citizen"))
    good = send(platform, "POST", "Task/$validate?mode=create", of_hers["Task"], as_=SYSTEM)
    assert (good.status, good.issue["severity"]) == (200, "information")
    two = of_hers["Appointment"]
    two["participant"].append({"actor": {"type": "Patient", "display": "Nummer to"}, "status": "accepted"})
    bad = send(platform, "POST", "Appointment/$validate?mode=create", two, as_=SYSTEM)
    assert (bad.status, bad.issue["severity"], bad.issue["expression"]) == (
        200,
        "error",
        ["Appointment.participant.actor"],
    )
    assert send(platform, "POST", "Appointment", two, as_=SYSTEM).issue["expression"] == bad.issue["expression"]


@pytest.mark.parametrize(("as_", "more"), [(SYSTEM, {}), ("nurse", NEED)])
def test_a_condition_finds_what_the_writers_own_organisation_filed(platform: Standing, as_: str, more: Any) -> None:
    number = str(uuid4())
    tree = prescribed(platform, identifier=[{"system": "urn:epj", "value": number}])
    once = {"if-none-exist": f"identifier=urn:epj|{number}"}
    made = [send(platform, "POST", "MedicationRequest", tree, as_=as_, headers=once, **more) for _ in range(2)]
    assert [one.status for one in made] == [201, 200]
    at = f"MedicationRequest?identifier=urn:epj|{number}"
    put = send(platform, "PUT", at, tree | {"status": "stopped"}, as_=as_, version=1, **more)
    assert (put.status, put.tree["status"]) == (200, "stopped"), put.response.text
    assert send(platform, "DELETE", at, as_="gp").status == 204, "to another organisation there is nothing"
    assert platform.get(at).tree["total"] == 1
    assert send(platform, "DELETE", at, as_=as_, **more).status == 204
    assert platform.get(at).tree["total"] == 0


def test_what_a_source_withholds_stays_hidden_and_what_is_delayed_waits(platform: Standing) -> None:
    def shut(code: str, **more: Any) -> Tree:
        label = {"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": code}
        return prescribed(platform) | {"meta": {"security": [label | more]}}

    for code, gp, citizen in (("NORS", 404, 200), ("NORN_FFL", 200, 404), ("NORU", 200, 404)):
        at = f"MedicationRequest/{sent_in(platform, shut(code))}"
        assert platform.get(at).status == gp, code
        assert platform.get(at, as_="citizen", portal=True).status == citizen, code


def test_its_source_is_told_to_whom_it_was_given_and_no_laboratory_is(platform: Standing) -> None:
    before = {as_: now(platform, as_) for as_ in (SYSTEM, "lab")}
    id_ = sent_in(platform, prescribed(platform))
    assert platform.get(f"MedicationRequest/{id_}").status == 200
    wanted = f"MedicationRequest/{id_}/_history/1"

    def told(as_: str) -> list[tuple[str, str]]:
        return [
            (one["to"].get("organisation", ""), one["ground"]["rule"])
            for one in whole(platform, before[as_], as_=as_)[0]
            if wanted in [record["reference"] for record in one["records"]]
        ]

    assert told(SYSTEM) == [(platform.persona("gp").organisation, "gp")]
    assert told("lab") == []
    log = platform.rows("SELECT service, rule FROM audit WHERE rule = 'disclosed-to-source' AND service = 'record'")
    assert log
