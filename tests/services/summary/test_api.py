"""`Patient/$summary` over HTTP: by whose right, about whom, in which language, and what stands in her log."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from cryptography.exceptions import InvalidTag

import ips_packages
import words
from kjerne.fhir.definitions import type_number
from kjerne.fhir.from_xml import read
from kjerne.fhir.validate import check
from kjerne.registries.identifiers import OID_PERSON
from kjerne.services.summary.document import OTHERS
from kjerne.services.summary.model import KINDS
from kjerne.store import summarising
from kjerne.wire import xml
from platform_fixture import Answered, Standing, Tree
from services.test_patients import id_of as of_patient
from services.test_shared_records import ask
from services.test_standards import FHIR, create, observation
from services.test_standards_registered import (
    HL7,
    NEED,
    SNOMED,
    allergy,
    choose,
    consent,
    of_results,
    person,
    registered,
    send,
)

AT = "/fhir/R4/Patient/$summary"
CITIZEN: dict[str, Any] = {"as_": "citizen", "portal": True}
CRITICAL: dict[str, Any] = {"service": "critical-information"}
BY_LOINC = {kind.loinc: kind.key for kind in KINDS}


def asked(platform: Standing, query: str = "", *, about: str = "citizen", **more: Any) -> Answered:
    return platform.get(f"Patient/$summary{query}", about=about, **more)


def sections(answer: Answered) -> dict[str, Tree]:
    assert answer.status == 200, answer.response.text
    composition = answer.tree["entry"][0]["resource"]
    return {BY_LOINC[one["code"]["coding"][0]["code"]]: one for one in composition["section"]}


def reasons(section: Tree) -> list[str]:
    return [one["code"] for one in section.get("emptyReason", {}).get("coding", ())]


def entries(answer: Answered, key: str) -> list[str]:
    return [one["reference"].rpartition("/")[2] for one in sections(answer)[key].get("entry", ())]


def named(platform: Standing, answer: Answered) -> list[str]:
    return sorted(str(id_) for row in platform.audited(answer.response) for id_ in row["ids"])


MADE_HERE = {"Composition", "Device", "Organization", "Provenance"}


def leaving(answer: Answered) -> list[str]:
    resources = [one["resource"] for one in answer.tree["entry"]]
    return sorted(one["id"] for one in resources if one["resourceType"] not in MADE_HERE)


def test_what_her_doctor_registers_is_in_her_summary_and_what_leaves_is_what_her_log_names(platform: Standing) -> None:
    id_ = registered(platform, allergy(platform))
    answer = asked(platform, **CITIZEN)
    assert id_ in entries(answer, "allergies")
    assert entries(answer, "results")
    assert (check(answer.tree, "Bundle"), answer.tree["type"]) == ([], "document")
    assert leaving(answer) == named(platform, answer)
    rows = platform.audited(answer.response)
    assert sorted((row["service"], row["action"], row["outcome"]) for row in rows) == sorted(
        (service, "search", 0) for service in ("critical-information", "critical-information", "record", "results")
    )  # the first of them shows who she is as well
    if ips_packages.FOLDER.exists():
        assert ips_packages.faults(answer.tree) == []


@ips_packages.needed
def test_the_summary_of_everybody_in_the_sandbox_is_right_by_both_guides(platform: Standing) -> None:
    seen = 0
    for one in platform.population.people:
        answer = asked(platform, about=one.nin, as_="all-patients")
        if answer.status == 200:
            seen += 1
            assert ips_packages.faults(answer.tree) == []
            assert leaving(answer) == named(platform, answer)
    assert seen > 5


def test_a_doctors_token_opens_one_service_and_what_it_does_not_reach_is_said_to_be_missing(platform: Standing) -> None:
    answer = asked(platform, "", **CRITICAL)
    told = sections(answer)
    assert {row["service"] for row in platform.audited(answer.response)} == {"critical-information"}
    assert (reasons(told["results"]), reasons(told["medications"])) == (["unavailable"], ["unavailable"])
    assert answer.tree["meta"]["tag"][0]["code"] == "incomplete"
    assert "no-medication-info" not in answer.response.text
    assert "results" in told and "entry" not in told["results"]


def test_an_empty_register_has_no_information_and_a_recorded_negative_is_told_with_who_and_when(
    platform: Standing,
) -> None:
    about = "new-mother"
    assert reasons(sections(asked(platform, about=about, **(CITIZEN | {"as_": about})))["allergies"]) == [
        "unavailable", "no-allergy-info",
    ]  # fmt: skip
    negative = allergy(
        platform, about, category=["medication"],
        code={"coding": [{"system": SNOMED, "code": "716186003", "display": "No known allergy"}]},
        recorder={"identifier": {"system": f"{OID_PERSON}4", "value": platform.persona("gp").hpr}},
        recordedDate="2026-03-04",
    )  # fmt: skip
    id_ = registered(platform, negative, about=about, **NEED)
    try:
        answer = asked(platform, about=about, **(CITIZEN | {"as_": about}))
        assert entries(answer, "allergies") == [id_]
        assert f"{platform.persona('gp').person_name}, 2026-03-04" in sections(answer)["allergies"]["text"]["div"]
    finally:
        gone = send(platform, "DELETE", f"AllergyIntolerance/{id_}", about=about, version=1, **NEED)
        assert gone.status in (200, 204)
    after = asked(platform, about=about, **(CITIZEN | {"as_": about}))
    assert reasons(sections(after)["allergies"]) == ["unavailable", "no-allergy-info"]


def test_a_service_that_she_has_shut_is_withheld_and_never_empty(platform: Standing) -> None:
    """The persona restricted has shut results to personnel; a token of results alone is refused, as a search is."""
    refused = asked(platform, about="restricted")
    assert refused.status == 403
    assert [row["outcome"] for row in platform.audited(refused.response)] == [1]
    opened = asked(platform, about="restricted", basis="SAMTYKKE")
    assert opened.status == 200


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
def test_its_narratives_are_in_the_language_that_is_asked_for(platform: Standing, language: str) -> None:
    answer = asked(platform, **CITIZEN, headers={"accept-language": language})
    words_ = {"nb": "Allergier og overfølsomhet", "nn": "Allergiar og overfølsemd", "en": "Allergies and intolerances"}
    assert sections(answer)["allergies"]["title"] == words_[language]
    assert answer.tree["language"] == language
    assert f'lang="{language}"' in sections(answer)["allergies"]["text"]["div"]


def test_what_somebody_wrote_with_signs_of_markup_is_shown_as_text(platform: Standing) -> None:
    name = f'pO2 < {words.fresh()} & > "x"'
    tree = observation()
    tree |= {"code": {"text": name}, "effectiveDateTime": f"{platform.clock.now():%Y-%m-%dT%H:%M:%SZ}"}
    created = create(platform, tree, about="citizen")
    assert created.status == 201, created.response.text
    answer = asked(platform)
    assert check(answer.tree, "Bundle") == []
    assert escape(name) in sections(answer)["results"]["text"]["div"]


def test_she_is_asked_for_by_her_id_by_the_header_or_by_an_identifier_in_a_body(platform: Standing) -> None:
    her, nin = of_patient(platform), platform.nin("citizen")
    by_header = asked(platform)
    by_id = platform.get(f"Patient/{her}/$summary")
    parameters = {"resourceType": "Parameters", "parameter": [
        {"name": "identifier", "valueString": f"urn:oid:2.16.578.1.12.4.1.4.1|{nin}"}
    ]}  # fmt: skip
    by_body = send(platform, "POST", "Patient/$summary", parameters)
    for one in (by_id, by_body):
        assert one.status == 200, one.response.text
        assert [entry["fullUrl"] for entry in one.tree["entry"]] == [
            entry["fullUrl"] for entry in by_header.tree["entry"]
        ]
    other = send(platform, "POST", "Patient/$summary", parameters, about="new-mother")
    assert (other.status, other.issue["expression"]) == (400, ["person-id"])


def test_what_it_does_not_take_is_refused_and_a_number_in_an_address_is_never_repeated(platform: Standing) -> None:
    nin = platform.nin("citizen")
    for query, where in (
        ("?profile=http://example.org/other", "profile"),
        ("?profile=http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips%7C1.1.0", "profile"),
        ("?_since=2020", "_since"),
        (f"?identifier={nin}", "query"),
    ):
        answer = asked(platform, query)
        assert (answer.status, answer.issue["expression"]) == (400, [where])
        assert nin not in answer.response.text
        assert platform.audited(answer.response) == []
    for profile in (
        "uv/ips/StructureDefinition/Composition-uv-ips",
        "uv/ips/StructureDefinition/Composition-uv-ips%7C2.0.1",
    ):
        assert asked(platform, f"?profile=http://hl7.org/fhir/{profile}").status == 200


@pytest.mark.parametrize(
    "body", [b"[]", b'{"resourceType":"Bundle"}', b'{"resourceType":"Parameters","parameter":{}}',
             b'{"resourceType":"Parameters","parameter":[{"name":"profile"}]}', b'{"resourceType":"Parameters","parameter":[7]}'],
)  # fmt: skip
def test_a_body_that_is_no_parameters_is_refused(platform: Standing, body: bytes) -> None:
    answer = platform.client.call(
        "POST", AT, as_="gp", patient=platform.nin("citizen"), body=body, headers={"content-type": FHIR}
    )
    assert answer.status_code == 400


def test_an_id_of_another_or_of_nobody_opens_nothing(platform: Standing) -> None:
    other = platform.get(f"Patient/{of_patient(platform)}/$summary", about="renumbered")
    assert (other.status, other.issue["expression"]) == (400, ["id"])
    nobody = Answered(platform.client.call("GET", f"/fhir/R4/Patient/{uuid4()}/$summary", **CITIZEN))
    assert 400 <= nobody.status < 500


def test_scopes_of_smart_that_leave_a_part_make_it_incomplete(platform: Standing) -> None:
    answer = asked(platform, "", narrower="user/Patient.rs user/DiagnosticReport.rs")
    assert "entry" not in sections(answer)["results"] or reasons(sections(answer)["results"]) == []
    assert sections(answer)["results"]["extension"][0]["valueCode"] == "unavailable"
    refused = asked(platform, "", narrower="user/Observation.rs")
    assert (refused.status, refused.issue["expression"]) == (403, ["scope"])
    assert [(row["rule"], row["outcome"]) for row in platform.audited(refused.response)] == [("scope-narrower", 1)]


def test_what_was_entered_in_error_refuted_or_is_over_is_not_in_it(platform: Standing) -> None:
    kept = [
        registered(platform, allergy(platform, verificationStatus={"coding": [
            {"system": f"{HL7}allergyintolerance-verification", "code": code}
        ]}, **more))
        for code, more in (
            ("refuted", {"clinicalStatus": _clinical("inactive")}), ("confirmed", {"clinicalStatus": _clinical("resolved")})
        )
    ]  # fmt: skip
    answer = asked(platform, **CITIZEN)
    assert not set(kept) & set(leaving(answer))


def _clinical(code: str) -> Tree:
    return {"coding": [{"system": f"{HL7}allergyintolerance-clinical", "code": code}]}


ANOTHERS: dict[str, Tree] = {
    "newborn": {"extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/observation-focusCode",
        "valueCodeableConcept": {"coding": [{"system": "http://kjerne.example/fhir/CodeSystem/material-of", "code": "newborn"}]},
    }]},
    "somebody": {"focus": [{"display": "barnet"}]},
}  # fmt: skip


def ago(platform: Standing, days: int) -> str:
    """A time of so many days ago: among the newest, which are looked at, whatever others have filed about her."""
    return f"{platform.clock.now() - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


NOT_IN_IT = (
    "Svar som gjelder noen eller noe annet enn pasienten selv "
    "(et nyfødt barn, et foster, en giver, et apparat), står ikke her."
)


@pytest.mark.parametrize("whose", sorted(ANOTHERS))
def test_what_was_found_of_another_than_her_is_left_out_pushes_out_nothing_of_hers_and_that_is_told(
    platform: Standing, whose: str
) -> None:
    word = words.fresh()
    code = {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": f"NPU{word}"}], "text": word}
    hers, *others = [
        create(platform, observation(code=code, effectiveDateTime=ago(platform, days)) | more).tree["id"]
        for days, more in ((3, {}), (2, ANOTHERS[whose]), (1, ANOTHERS[whose]))
    ]
    reports = [
        ask(platform, "POST", "DiagnosticReport", {
            "resourceType": "DiagnosticReport", "status": "final", "code": code, "conclusion": word,
            "result": [{"reference": f"Observation/{id_}"} for id_ in results],
        }, as_="lab", person_id=platform.nin("renumbered")).tree["id"]
        for results in ((hers,), (hers, others[0]), (others[1],))
    ]  # fmt: skip
    answer = asked(platform, about="renumbered", as_="all-patients")
    found = entries(answer, "results")
    assert {hers, reports[0]} <= set(found)
    assert not {*others, *reports[1:]} & set(leaving(answer))
    told = sections(answer)["results"]
    assert NOT_IN_IT in told["text"]["div"]
    assert {"url": OTHERS, "valueBoolean": True} in told["extension"]
    assert leaving(answer) == named(platform, answer)
    if ips_packages.FOLDER.exists():
        assert ips_packages.faults(answer.tree) == []


def test_a_newborns_results_that_a_message_filed_on_its_mother_are_not_in_her_summary(platform: Standing) -> None:
    answer = asked(platform, about="new-mother", as_="new-mother", portal=True)
    assert "ilirubin" not in answer.response.text
    assert NOT_IN_IT in sections(answer)["results"]["text"]["div"]
    assert NOT_IN_IT not in asked(platform, **CITIZEN).response.text


def test_the_report_of_a_newborn_is_left_out_also_where_its_results_are_too_old_to_be_looked_at(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = summarising.gather

    async def without_results(*rest: Any) -> Any:
        found = await whole(*rest)
        return found._replace(records=[one for one in found.records if one.type != type_number("Observation")])

    word = words.fresh()
    child = create(platform, observation(**ANOTHERS["newborn"])).tree["id"]
    report = ask(platform, "POST", "DiagnosticReport", {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": word}, "conclusion": word,
        "result": [{"reference": f"Observation/{child}"}],
    }, as_="lab", person_id=platform.nin("renumbered")).tree["id"]  # fmt: skip
    monkeypatch.setattr(summarising, "gather", without_results)
    answer = asked(platform, about="renumbered", as_="all-patients")
    assert report not in leaving(answer)
    assert NOT_IN_IT in sections(answer)["results"]["text"]["div"]


def a_report(platform: Standing, *results: str, about: str = "renumbered") -> str:
    tree = {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": words.fresh()}, "conclusion": words.fresh(),
        "result": [{"reference": one} for one in results],
    }  # fmt: skip
    answer = ask(platform, "POST", "DiagnosticReport", tree, as_="lab", person_id=platform.nin(about))
    assert answer.status == 201, answer.response.text
    return str(answer.tree["id"])


def test_a_report_is_a_newborns_also_where_it_names_its_result_by_this_servers_address_or_by_a_panel(
    platform: Standing,
) -> None:
    child = create(platform, observation(**ANOTHERS["newborn"])).tree["id"]
    panel = observation(hasMember=[{"reference": f"Observation/{child}"}], effectiveDateTime=ago(platform, 0))
    bare = {key: value for key, value in panel.items() if not key.startswith("value")}
    panels = [create(platform, one).tree["id"] for one in (panel, bare)]
    others = [
        a_report(platform, f"{platform.url}/fhir/R4/Observation/{child}"),
        *(a_report(platform, f"Observation/{one}") for one in panels),
    ]
    own = a_report(platform, "http://lab.example/fhir/Observation/00000000-0000-4000-8000-000000000000")
    left = set(leaving(asked(platform, about="renumbered", as_="all-patients")))
    assert not {*others, *panels, child} & left
    assert own in left


def test_who_registered_what_is_of_the_structured_record_is_a_name_that_is_not_checked(platform: Standing) -> None:
    """K174: a journal files what it says that a doctor registered, and nobody has asked the doctor."""
    gp, word = platform.persona("gp"), words.fresh()
    who = {"identifier": {"system": f"{OID_PERSON}4", "value": gp.hpr}, "display": f"{gp.person_name}», sjekket, «lege"}
    tree = {
        "resourceType": "Procedure", "status": "completed", "code": {"text": word}, "subject": person(platform, "citizen"),
        "performedDateTime": "2026-11-20", "recorder": who, "performer": [{"actor": who}],
    }  # fmt: skip
    sent = send(platform, "POST", "Procedure", tree, as_="journal-system", about="citizen")
    assert sent.status == 201, sent.response.text
    answer = asked(platform, **CITIZEN)
    (told,) = [one["resource"] for one in answer.tree["entry"] if one["resource"]["id"] == sent.tree["id"]]
    unchecked = f"«{gp.person_name}', sjekket, 'lege», et navn som ikke er kontrollert"
    assert (told["recorder"]["display"], told["performer"][0]["actor"]["display"]) == (unchecked, unchecked)
    assert escape(unchecked) in sections(answer)["procedures"]["text"]["div"]


@pytest.mark.parametrize("whose", ["newborn", ""])
def test_a_shut_result_of_a_report_tells_no_more_than_one_that_was_deleted(platform: Standing, whose: str) -> None:
    """Law, K37: neither that there is something shut, nor about whom it is."""
    about = "citizen"
    result = create(platform, observation(**ANOTHERS.get(whose, {})), about=about).tree["id"]
    led_on = {
        "hasMember": [{"reference": f"Observation/{result}"}],
        "effectiveDateTime": ago(platform, 0),
    }
    panel = create(platform, observation(**led_on), about=about).tree["id"]
    leading = (f"Observation/{result}", f"{platform.url}/fhir/R4/Observation/{result}", f"Observation/{panel}")
    reports = {a_report(platform, one, about=about) for one in leading}
    hidden = consent("record", data=[{"meaning": "instance", "reference": {"identifier": {"value": result}}}])
    assert reports & {*leaving(asked(platform, about=about))} == (set() if whose else reports)
    chosen = choose(platform, of_results(hidden), about)
    told = [asked(platform, about=about)]
    choose(platform, chosen | {"status": "inactive"}, about, withdrawn=True)
    deleted = ask(platform, "DELETE", f"Observation/{result}", as_="lab", person_id=platform.nin(about))
    assert deleted.status in (200, 204)
    told.append(asked(platform, about=about))
    assert [reports & {*leaving(one)} for one in told] == [set(), set()]
    shut, gone = (re.sub(r"[0-9a-f-]{36}", "", str(sections(one)["results"])) for one in told)
    assert shut == gone
    assert ("Det kan være registrert mer" in shut, "Ingen rapport står her som har et svar" in shut) == (False, True)


@pytest.mark.parametrize("error", [TimeoutError, InvalidTag, asyncpg.QueryCanceledError])
def test_a_source_that_is_late_or_fails_is_left_out_and_that_is_said_while_the_others_are_shown(
    platform: Standing, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    whole = summarising.gather

    async def late(conn: Any, grant: Any, *rest: Any) -> Any:
        if grant.service == "critical-information":
            raise error
        return await whole(conn, grant, *rest)

    monkeypatch.setattr(summarising, "gather", late)
    answer = asked(platform, **CITIZEN)
    told = sections(answer)
    assert reasons(told["allergies"]) == ["unavailable"]
    assert told["allergies"]["extension"][0]["valueCode"] == "unavailable"
    assert "no-allergy-info" not in answer.response.text
    assert entries(answer, "results")
    assert leaving(answer) == named(platform, answer)


def test_a_medicine_that_a_prescription_leads_to_comes_along(platform: Standing) -> None:
    what = {"coding": [{"system": "http://www.whocc.no/atc", "code": "C09AA02", "display": "Enalapril"}]}
    medicine = ask(platform, "POST", "Medication", {"resourceType": "Medication", "code": what})
    assert medicine.status == 201, medicine.response.text
    statement = {
        "resourceType": "MedicationStatement", "status": "active", "subject": person(platform, "citizen"),
        "medicationReference": {"reference": f"Medication/{medicine.tree['id']}"},
    }  # fmt: skip
    sent = send(platform, "POST", "MedicationStatement", statement, as_="journal-system")
    assert sent.status == 201, sent.response.text
    answer = asked(platform, **CITIZEN)
    assert sent.tree["id"] in entries(answer, "medications")
    assert "ATC C09AA02" in sections(answer)["medications"]["text"]["div"]
    assert medicine.tree["id"] in leaving(answer)
    assert sorted({*leaving(answer)} - {medicine.tree["id"]}) == named(platform, answer)
    gone = send(platform, "DELETE", f"MedicationStatement/{sent.tree['id']}", as_="journal-system")
    assert gone.status == 204


def test_all_of_her_record_has_what_the_summary_has(platform: Standing) -> None:
    everything = set(platform.get("Patient/$everything", **CITIZEN).ids())
    about_nobody = {one["resource"]["id"] for one in asked(platform, **CITIZEN).tree["entry"]
                    if one["resource"]["resourceType"] == "Medication"}  # fmt: skip
    assert set(leaving(asked(platform, **CITIZEN))) - about_nobody <= everything


def test_a_summary_is_given_as_json_and_as_xml_and_says_the_same(platform: Standing) -> None:
    as_json = asked(platform)
    assert as_json.response.headers["content-type"].startswith("application/fhir+json")
    as_xml = platform.client.call(
        "GET", AT, as_="gp", patient=platform.nin("citizen"), headers={"accept": "application/fhir+xml"}
    )
    assert as_xml.headers["content-type"].startswith("application/fhir+xml")
    tree = read(xml.parse(as_xml.content, depth=100, limit_bytes=10_000_000)).tree
    assert [one["fullUrl"] for one in tree["entry"]] == [one["fullUrl"] for one in as_json.tree["entry"]]
    assert len(tree["entry"][0]["resource"]["section"]) == len(as_json.tree["entry"][0]["resource"]["section"])


def test_a_result_that_was_taken_back_with_its_report_is_in_no_summary(platform: Standing) -> None:
    about, mark = "renumbered", words.fresh()
    tree = observation(code={"text": mark}, effectiveDateTime=ago(platform, 0))
    result = create(platform, tree, about=about).tree["id"]
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Prøve"}}
    named = report | {"result": [{"reference": f"Observation/{result}"}]}
    filed = send(platform, "POST", "DiagnosticReport", named, as_="lab", about=about)
    assert filed.status == 201, filed.response.text
    assert mark in asked(platform, about=about, **(CITIZEN | {"as_": about})).response.text
    at, back = f"DiagnosticReport/{filed.tree['id']}", named | {"id": filed.tree["id"], "status": "entered-in-error"}
    assert send(platform, "PUT", at, back, as_="lab", about=about, version=1).status == 200
    assert mark not in asked(platform, about=about, **(CITIZEN | {"as_": about})).response.text
