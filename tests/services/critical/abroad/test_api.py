"""A patient summary from abroad over the wire: kept as it came, beside the record and never in it, settled by a clinician."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from lxml import etree

from kjerne.fhir.validate import check
from kjerne.fhir.xml_format import to_xml
from kjerne.services.critical.abroad import identity
from platform_fixture import Answered, Standing, Tree
from services.critical.foreign import (
    ABSENT,
    ATC,
    FIRST,
    about,
    allergy,
    bring,
    decision,
    document,
    entries,
    her,
    kept,
    problem,
)
from services.critical.records import HOSPITAL, NURSE, SNOMED, ask, clinical, faults, registered, rows
from services.critical.records import allergy as own_allergy
from services.critical.test_api import chosen
from services.test_standards_registered import NEED, consent, send
from words import fresh


def read(platform: Standing, number: str, **more: Any) -> Answered:
    return ask(platform, "GET", f"abroad/{number}", **{**NEED, **more})


def at(platform: Standing, number: str, place: int = FIRST, **more: Any) -> dict[str, Any]:
    return next(one for one in entries(read(platform, number, **more)) if one["place"] == place)


def decide(
    platform: Standing, number: str, tree: Tree, *, place: int = FIRST, version: str = "", **more: Any
) -> Answered:  # fmt: skip
    seen = version or at(platform, number, place)["version"]
    headers = {"if-match": f'W/"{seen}"'}
    return ask(platform, "POST", f"abroad/{number}/entries/{place}", tree, headers=headers, **{**NEED, **more})


def rule(answer: Answered) -> str:
    return str(answer.tree["issue"][0]["details"]["coding"][0]["code"])


def test_a_document_is_kept_as_it_came_and_given_back_to_the_byte_with_a_row_in_her_log_for_each(
    platform: Standing,
) -> None:
    raw = json.dumps(document(her(platform), allergy()), indent=3).encode()
    answer = bring(platform, raw)
    assert answer.status == 201, answer.response.text
    assert rows(platform, answer) == [("file", "registered", 0, {answer.tree["id"]})]
    told = answer.tree
    assert (told["status"], told["custodian"]["display"]) == ("current", "Sjukhuset")
    assert told["meta"]["tag"][0]["code"] == "from-abroad"
    got = ask(platform, "GET", f"abroad/{told['id']}/content", **NEED)
    assert got.response.content == raw and got.response.headers["content-type"].startswith("application/fhir+json")
    assert [(row[0], row[2], row[3]) for row in rows(platform, got)] == [("search", 0, {told["id"]})]


def test_a_document_in_xml_is_kept_as_it_came_and_read_as_one_in_json(platform: Standing) -> None:
    tree = document(her(platform), allergy())
    raw = b"<!-- made abroad -->" + etree.tostring(to_xml(tree, etree.fromstring))
    answer = bring(platform, raw, media="application/fhir+xml")
    assert answer.status == 201, answer.response.text
    got = ask(platform, "GET", f"abroad/{answer.tree['id']}/content", **NEED)
    assert got.response.content == raw
    assert [one["type"] for one in entries(read(platform, answer.tree["id"]))] == ["AllergyIntolerance"]


def test_what_was_brought_is_in_no_list_of_the_record_until_it_is_taken_in(platform: Standing) -> None:
    code = fresh()
    kept(platform, allergy(code, SNOMED, code))
    for path in ("AllergyIntolerance", "$groups"):
        assert code not in ask(platform, "GET", path, **NEED).response.text
    found = platform.client.call(
        "GET",
        "/fhir/R4/Patient/$summary",
        as_="gp",
        patient=platform.nin("citizen"),
        service="critical-information",
        **NEED,
    )
    assert found.status_code == 200 and code not in found.text


def test_the_same_bytes_again_are_the_same_document(platform: Standing) -> None:
    raw = json.dumps(document(her(platform), allergy())).encode()
    first, again = bring(platform, raw), bring(platform, raw)
    assert (first.status, again.status) == (201, 200) and first.tree["id"] == again.tree["id"]


def test_a_newer_version_replaces_the_one_before_and_an_older_one_is_refused(platform: Standing) -> None:
    patient, value, one = her(platform), f"urn:uuid:{uuid4()}", allergy(fresh(), SNOMED)
    first = bring(platform, document(patient, one, value=value)).tree["id"]
    assert decide(platform, first, decision("leave-out", reason="Ikke relevant her")).status == 204
    newer = bring(platform, document(patient, one, value=value, at="2026-02-01T10:00:00Z"))
    assert newer.status == 201
    older = bring(platform, document(patient, one, value=value, at="2025-02-01T10:00:00Z"))
    assert (older.status, rule(older)) == (409, "older-version")
    settled = decide(platform, first, decision("leave-out", reason="Ikke relevant her"))
    assert (settled.status, rule(settled)) == (409, "replaced")
    now = at(platform, newer.tree["id"])
    assert "decision" not in now and now["decided-before"][0] == {"name": "decision", "valueCode": "leave-out"}
    held = {one["id"]: one for one in ask(platform, "GET", "abroad", **NEED).resources()}
    assert held[first]["status"] == "superseded" and held[newer.tree["id"]]["status"] == "current"
    assert held[newer.tree["id"]]["relatesTo"][0]["target"]["reference"] == f"DocumentReference/{first}"
    assert all(check(one, "DocumentReference") == [] for one in held.values())


def test_an_entry_is_taken_in_by_the_rules_of_a_registration_with_its_recorder_and_where_it_came_from(
    platform: Standing,
) -> None:
    code = fresh()
    number = kept(platform, allergy(code, SNOMED, code))
    bare = decide(platform, number, decision("take-in"))
    assert bare.status == 422 and faults(bare)["AllergyIntolerance.reaction"] == "profile-cardinality"
    assert "decision" not in at(platform, number), "nothing was decided"
    tree = {key: value for key, value in own_allergy(platform).items() if key != "patient"}
    tree["code"] = {"coding": [{"system": SNOMED, "code": code, "display": code}]}
    done = decide(platform, number, decision("take-in", resource=tree | {"patient": {"display": "hun som er åpen"}}))
    assert done.status == 201, done.response.text
    id_ = done.response.headers["location"].rpartition("/")[2]
    made = ask(platform, "GET", f"AllergyIntolerance/{id_}", **NEED).tree
    assert made["meta"]["source"] == f"urn:uuid:{number}#{FIRST}"
    assert made["contained"][0]["practitioner"]["identifier"]["value"] == platform.persona("gp").hpr
    assert made["verificationStatus"]["coding"][0]["code"] == "unconfirmed"
    assert sorted(row[3] != set() for row in rows(platform, done)) == [True, True]
    assert {name for row in rows(platform, done) for name in row[3]} == {id_, number}
    again = decide(platform, number, decision("leave-out", reason="Likevel ikke"))
    assert (again.status, rule(again)) == (409, "taken")


def test_an_entry_about_what_is_registered_is_the_same_and_one_that_says_otherwise_conflicts(
    platform: Standing,
) -> None:
    code, other = fresh(), fresh()
    coded = {one: {"coding": [{"system": SNOMED, "code": one, "display": one}]} for one in (code, other)}
    here = registered(platform, own_allergy(platform, code=coded[code]), **NEED)
    low = registered(platform, own_allergy(platform, code=coded[other], criticality="low"), **NEED)
    number = kept(platform, allergy(code, SNOMED), allergy(other, SNOMED))
    same, against = at(platform, number), at(platform, number, FIRST + 1)
    assert same["proposal"] == "same-as" and against["proposal"] == "conflicts-with"
    assert same["beside"][0][0]["valueReference"]["reference"] == f"AllergyIntolerance/{here['id']}"
    assert {"name": "differs", "valueCode": "criticality"} in against["beside"][0]
    assert low["id"] in against["beside"][0][0]["valueReference"]["reference"]
    nobody = decide(platform, number, decision("same-as", record={"reference": f"AllergyIntolerance/{uuid4()}"}))
    assert (nobody.status, rule(nobody)) == (422, "same-as-record")
    done = decide(platform, number, decision("same-as", record={"reference": f"AllergyIntolerance/{here['id']}"}))
    assert done.status == 204
    assert {part["name"]: part.get("valueCode") for part in at(platform, number)["decision"]}["decision"] == "same-as"


def test_a_decision_about_what_was_not_seen_as_it_stands_is_refused_with_the_version_that_stands(
    platform: Standing,
) -> None:
    number = kept(platform, allergy(fresh(), SNOMED), allergy(fresh(), SNOMED))
    seen = at(platform, number)["version"]
    left = decision("leave-out", reason="Ikke relevant her")
    assert decide(platform, number, left, version=seen).status == 204
    late = decide(platform, number, left, version=seen, as_="hospital-doctor")
    assert (late.status, rule(late)) == (412, "seen") and late.response.headers["etag"] != f'W/"{seen}"'
    other = at(platform, number, FIRST + 1)["version"]
    registered(platform, own_allergy(platform), **HOSPITAL)
    assert decide(platform, number, left, place=FIRST + 1, version=other).status == 412, "an allergy has come since"
    assert ask(platform, "POST", f"abroad/{number}/entries/{FIRST}", left, **NEED).status == 428


def test_a_negative_is_shown_and_never_taken_in(platform: Standing) -> None:
    none = allergy("no-known-allergies", ABSENT, "No known allergies")
    number = kept(platform, none, allergy("716186003", SNOMED, "No known allergy"))
    assert [one["proposal"] for one in entries(read(platform, number))] == ["negative", "negative"]
    refused = decide(platform, number, decision("take-in", resource=own_allergy(platform)))
    assert (refused.status, rule(refused)) == (422, "negative")
    assert decide(platform, number, decision("leave-out", reason="Hun har en registrert")).status == 204


def test_what_is_no_valid_resource_is_told_by_path_and_rule_and_its_neighbours_are_read(platform: Standing) -> None:
    number = kept(
        platform, allergy(criticality="very"), problem(code={"text": "Noe"}), problem(subject={"display": "hun"})
    )
    first, second, third = entries(read(platform, number))
    assert (first["proposal"], first["why"]) == ("cannot-be-compared", "invalid")
    assert first["outcome"]["issue"][0]["expression"] == [f"Bundle.entry[{FIRST}].resource.criticality"]
    assert (second["proposal"], second["why"]) == ("cannot-be-compared", "uncoded")
    assert [one["severity"] for one in second["outcome"]["issue"]] == ["warning"]
    issue = third["outcome"]["issue"][0]
    assert (issue["expression"], issue["details"]["coding"][0]["code"]) == (
        [f"Bundle.entry[{FIRST + 2}].resource.subject"],
        "no-subject",
    )


def test_who_differs_is_told_and_confirmed_and_who_is_another_is_refused_whoever_confirms(platform: Standing) -> None:
    unlike = her(platform, birthDate="1901-01-01")
    asked = bring(platform, document(unlike, allergy()))
    assert asked.status == 409 and faults(asked) == {"Bundle.entry[1].resource.birthDate": "other-birth-date"}
    assert rows(platform, asked)[-1][2] == 1, "a try stands in her log"
    confirmed = bring(platform, document(unlike, allergy()), query="?confirm=birth-date")
    assert confirmed.status == 201
    stranger = document(unlike | {"name": [{"family": fresh(), "given": [fresh()]}]}, allergy())
    refused = bring(platform, stranger, query="?confirm=birth-date,name")
    assert (refused.status, rule(refused)) == (422, "other-person")
    number = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("pregnant")}
    another = bring(platform, document(her(platform, identifier=[number]), allergy()), query="?confirm=name")
    assert (another.status, rule(another)) == (422, "other-number")
    assert platform.nin("pregnant") not in another.response.text


def test_a_document_about_nobody_about_two_or_that_is_none_is_refused_with_every_place(platform: Standing) -> None:
    patient = her(platform)
    other = her(platform, "pregnant") | {"id": "other"}
    two = document(patient, allergy(), other, allergy(patient={"reference": "Patient/other"}))
    assert faults(bring(platform, two)) == {f"Bundle.entry[{FIRST + 2}].resource.patient": "two-subjects"}
    nobody = document(patient, allergy())
    del nobody["entry"][1]
    assert faults(bring(platform, nobody)) == {"Bundle.entry[0].resource.subject": "no-subject"}
    letter = document(patient)
    letter["entry"][0]["resource"]["type"] = {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]}
    assert faults(bring(platform, letter)) == {"Bundle.entry[0].resource.type": "patient-summary"}
    assert faults(bring(platform, document(patient, type="collection"))) == {"Bundle.type": "bundle-document"}
    turned = document(patient, allergy())
    turned["entry"].reverse()
    assert faults(bring(platform, turned)) == {"Bundle.entry[0].resource": "bdl-11"}
    many = document(patient, *[{"resourceType": "Basic"}] * 10_000)
    assert faults(bring(platform, many)) == {"Bundle.entry": "too-many"}
    assert bring(platform, b"{", media="text/plain").status == 415
    assert bring(platform, b"<Bundle", media="application/fhir+xml").status == 400


def numbered(platform: Standing, whose: str) -> Tree:
    return {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(whose)}}


def test_a_national_number_of_somebody_else_anywhere_refuses_the_whole_and_her_own_stands(platform: Standing) -> None:
    others, own = numbered(platform, "parent"), numbered(platform, "citizen")
    inside = {"resourceType": "Patient", "id": "inside", "identifier": [others["identifier"]]}
    asserted = {"asserter": others | {"type": "Patient"}}
    slip = {"identifier": others["identifier"] | {"system": "urn:uid:2.16.578.1.12.4.1.4.1"}}
    cases: list[tuple[Tree, str]] = [
        (allergy(fresh(), SNOMED, patient=others), "patient.identifier"),
        (allergy(fresh(), SNOMED, patient=about(**slip)), "patient.identifier"),
        (allergy(fresh(), SNOMED, patient=about(**others)), "patient.identifier"),
        (problem(subject=about(**others)), "subject.identifier"),
        (allergy(fresh(), SNOMED, contained=[inside]), "contained[0].identifier"),
        (allergy(fresh(), SNOMED, **asserted), "asserter.identifier"),
        ({"resourceType": "Coverage", "status": "active", "beneficiary": others}, "beneficiary.identifier"),
        ({"resourceType": "Immunization", "status": "completed", "patient": others}, "patient.identifier"),
    ]
    for resource, where in cases:
        refused = bring(platform, document(her(platform), allergy(fresh(), SNOMED), resource), query="?confirm=name")
        assert refused.status == 422, where
        assert faults(refused) == {f"Bundle.entry[{FIRST + 1}].resource.{where}": "other-number"}
        assert platform.nin("parent") not in refused.response.text
    tree = document(her(platform), allergy(fresh(), SNOMED))
    tree["entry"][0]["resource"]["subject"] |= others
    assert faults(bring(platform, tree)) == {"Bundle.entry[0].resource.subject.identifier": "other-number"}
    hers = bring(platform, document(her(platform), allergy(fresh(), SNOMED, patient=own)))
    assert hers.status == 201 and "proposed" in at(platform, hers.tree["id"])


def test_of_a_document_that_is_kept_and_names_somebody_else_nothing_is_told_and_it_can_be_taken_back(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = fresh()
    with monkeypatch.context() as before:
        before.setattr(identity, "check_named", lambda *_: None)
        number = kept(platform, allergy(code, SNOMED, code, patient=about(**numbered(platform, "parent"))))
    found = read(platform, number)
    assert entries(found) == [] and code not in found.response.text
    assert platform.nin("parent") not in found.response.text and "other-number" in found.response.text
    for who in ({**NEED}, {"as_": "citizen", "portal": True}):
        content = ask(platform, "GET", f"abroad/{number}/content", **who)
        assert (content.status, rule(content)) == (409, "other-number")
        assert platform.nin("parent") not in content.response.text
    refused = decide(platform, number, decision("take-in", resource=own_allergy(platform)), version="0-0")
    assert (refused.status, rule(refused)) == (409, "other-number")
    why = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "Gjelder en annen"}]}
    assert ask(platform, "POST", f"abroad/{number}/$take-back", why, **NEED).status == 200


def test_an_entry_that_leads_to_nobody_is_shown_and_nothing_comes_of_it(platform: Standing) -> None:
    code = fresh()
    coded = {"coding": [{"system": SNOMED, "code": code, "display": code}]}
    here = registered(platform, own_allergy(platform, code=coded), **NEED)
    number = kept(platform, allergy(code, SNOMED, patient={"reference": "Patient/somebody-else"}))
    found = at(platform, number)
    assert (found["proposal"], found["why"]) == ("cannot-be-compared", "no-subject")
    assert not {"proposed", "beside"} & set(found)
    same = {"record": {"reference": f"AllergyIntolerance/{here['id']}"}}
    for deed, more in (("take-in", {}), ("take-in", {"resource": own_allergy(platform)}), ("same-as", same)):
        refused = decide(platform, number, decision(deed, **more))
        assert (refused.status, rule(refused)) == (422, "no-subject")
    assert decide(platform, number, decision("leave-out", reason="Det er ikke henne")).status == 204


def test_what_may_be_turned_by_something_unknown_is_not_compared_and_nothing_comes_of_it(platform: Standing) -> None:
    code = fresh()
    coded = {"coding": [{"system": SNOMED, "code": code, "display": code}]}
    here = registered(platform, own_allergy(platform, code=coded), **NEED)
    turned = {"modifierExtension": [{"url": "https://abroad.example/negated", "valueBoolean": True}]}
    number = kept(
        platform, allergy(code, SNOMED, **turned), allergy("no-known-allergies", ABSENT, implicitRules="urn:x")
    )
    for one in entries(read(platform, number)):
        assert (one["proposal"], one["why"]) == ("cannot-be-compared", "modified")
        assert not {"proposed", "beside", "apart"} & set(one)
        assert one["outcome"]["issue"][0]["severity"] == "error"
    same = {"record": {"reference": f"AllergyIntolerance/{here['id']}"}}
    for deed, more in (("take-in", {}), ("take-in", {"resource": own_allergy(platform)}), ("same-as", same)):
        refused = decide(platform, number, decision(deed, **more))
        assert (refused.status, rule(refused)) == (422, "modified")
    assert decide(platform, number, decision("leave-out", reason="Vi vet ikke hva det betyr")).status == 204


def test_what_is_restricted_against_the_reader_is_new_to_her_and_she_is_told_that_something_may_be_hidden(
    platform: Standing,
) -> None:
    code, about = fresh(), "new-mother"
    coded = {"coding": [{"system": SNOMED, "code": code, "display": code}]}
    here = registered(platform, own_allergy(platform, about, code=coded), about=about, **NEED)
    number = kept(platform, allergy(code, SNOMED), about=about)
    assert at(platform, number, about=about)["proposal"] == "same-as"
    instance = {"meaning": "instance", "reference": {"reference": f"AllergyIntolerance/{here['id']}"}}
    choice = chosen(platform, about, consent("record", data=[instance]))
    try:
        answer = read(platform, number, about=about)
        (found,) = entries(answer)
        said = found["outcome"]["issue"][-1]["diagnostics"]
        assert found["proposal"] in ("new", "cannot-be-compared")
        assert "registered here is about" not in said and here["id"] not in answer.response.text
        assert found["proposal"] != "new" or "something may be hidden" in said
    finally:
        chosen(platform, about, choice.tree | {"status": "inactive"})
        gone = send(platform, "DELETE", f"AllergyIntolerance/{here['id']}", about=about, version=1, **NEED)
        assert gone.status in (200, 204)


def test_what_is_taken_in_is_no_other_substance_than_the_entry_says(platform: Standing) -> None:
    number = kept(platform, allergy("J01CA04", ATC, fresh()))
    other = {"coding": [{"system": ATC, "code": "M01AE01", "display": "Ibuprofen"}]}
    refused = decide(platform, number, decision("take-in", resource=own_allergy(platform, code=other)))
    assert (refused.status, rule(refused)) == (422, "other-code")
    group = {"coding": [{"system": ATC, "code": "J01CA", "display": "Penicilliner med utvidet spektrum"}]}
    assert decide(platform, number, decision("take-in", resource=own_allergy(platform, code=group))).status == 201


def test_another_code_of_one_substance_is_no_other_substance(platform: Standing) -> None:
    """ATC sorts by use: acetylsalicylic acid has a code for each."""
    number = kept(platform, allergy("N02BA01", ATC, fresh()), allergy("J01XX07", ATC, fresh()))
    aspirin = {"coding": [{"system": ATC, "code": "B01AC06", "display": "Acetylsalisylsyre"}]}
    for place in (FIRST, FIRST + 1):  # of the second nobody here knows what it is: it may be the same
        taken = decide(platform, number, decision("take-in", resource=own_allergy(platform, code=aspirin)), place=place)
        assert taken.status == 201, taken.response.text


def test_references_in_a_circle_end(platform: Standing) -> None:
    loop = {"resourceType": "Organization", "id": "a", "name": "A", "partOf": {"reference": "Organization/a"}}
    device = {
        "resourceType": "Device",
        "id": "d",
        "parent": {"reference": "Device/d"},
        "type": {"coding": [{"system": SNOMED, "code": "14106009"}]},
    }
    use = {
        "resourceType": "DeviceUseStatement",
        "id": "u",
        "status": "active",
        "subject": about(),
        "device": {"reference": "Device/d"},
    }
    tree = document(her(platform), loop, device, use)
    tree["entry"][0]["resource"]["section"] = [
        {"title": "x", "entry": [{"reference": "Composition/" + tree["entry"][0]["resource"]["id"]}]}
    ]
    answer = bring(platform, tree)
    assert answer.status == 201
    assert [one["name"] for one in entries(read(platform, answer.tree["id"]))] == ["14106009"]


def test_a_look_names_the_records_that_are_told_of_beside_the_entries_as_they_stand_and_no_others(
    platform: Standing,
) -> None:
    code, display = fresh(), fresh()
    tree = own_allergy(platform) | {"code": {"coding": [{"system": SNOMED, "code": code, "display": display}]}}
    there = registered(platform, tree, **NEED)["id"]
    other = registered(platform, own_allergy(platform), **NEED)["id"]
    changed = tree | {"id": there, "criticality": "low"}
    assert ask(platform, "PUT", f"AllergyIntolerance/{there}", changed, version=1, **NEED).status == 200
    number = kept(platform, allergy(code, SNOMED))
    found = read(platform, number)
    (entry,) = entries(found)
    assert entry["proposal"] in ("same-as", "conflicts-with")
    (row,) = [row for row in platform.audited(found.response) if UUID(number) not in row["ids"]]
    named = {(str(id_), version) for id_, version in zip(row["ids"], row["versions"], strict=True)}
    assert named == {(there, 2)}
    assert other in ask(platform, "GET", "$groups", **NEED).response.text, "it is there to be named"


def test_the_citizen_sees_what_is_kept_and_decided_and_decides_nothing(platform: Standing) -> None:
    number = kept(platform, allergy(fresh(), SNOMED))
    assert decide(platform, number, decision("leave-out", reason="Ikke relevant her")).status == 204
    own: dict[str, Any] = {"as_": "citizen", "portal": True}
    mine = ask(platform, "GET", "abroad", **own)
    assert number in mine.ids() and rows(platform, mine)[0][3] >= {number}
    (entry,) = entries(ask(platform, "GET", f"abroad/{number}", **own))
    assert {"name": "reason", "valueString": "Ikke relevant her"} in entry["decision"]
    refused = ask(
        platform,
        "POST",
        f"abroad/{number}/entries/{FIRST}",
        decision("take-in"),
        headers={"if-match": 'W/"0-0"'},
        **own,
    )
    assert refused.status == 403


def test_who_does_not_treat_her_brings_no_document_and_a_nurse_takes_in_her_own_kinds_alone(platform: Standing) -> None:
    tree = document(her(platform), allergy(fresh(), SNOMED))
    outsider = bring(platform, tree, as_="outsider", self_selected=False, reason="")
    assert (outsider.status, rows(platform, outsider)[0][1]) == (403, "no-relation")
    number = bring(platform, tree, as_="nurse").tree["id"]
    resource = own_allergy(platform)
    refused = decide(platform, number, decision("take-in", resource=resource), **NURSE)
    assert refused.status == 403 and rows(platform, refused)[-1][1] == "register-kind"
    assert "decision" not in at(platform, number)
    assert decide(platform, number, decision("leave-out", reason="Ikke relevant her"), **NURSE).status == 204


def test_a_document_of_another_patient_is_absent_and_one_that_was_taken_back_opens_to_nobody(
    platform: Standing,
) -> None:
    number = kept(platform, allergy(fresh(), SNOMED))
    assert read(platform, number, about="pregnant").status == 404
    assert read(platform, str(uuid4())).status == 404 and read(platform, "nothing").status == 404
    reason = {
        "resourceType": "Parameters",
        "parameter": [{"name": "reason", "valueString": "Hentet inn på feil pasient"}],
    }
    wordless = {"resourceType": "Parameters"}
    assert ask(platform, "POST", f"abroad/{number}/$take-back", wordless, **NEED).status == 422
    assert ask(platform, "POST", f"abroad/{number}/$take-back", reason, **NEED).status == 200
    assert [read(platform, number).status, ask(platform, "GET", f"abroad/{number}/content", **NEED).status] == [
        410,
        410,
    ]
    held = {one["id"]: one for one in ask(platform, "GET", "abroad", **NEED).resources()}
    assert held[number]["status"] == "entered-in-error" and check(held[number], "DocumentReference") == []
    assert "Patient" not in json.dumps(held[number]) and "Sjukhuset" not in json.dumps(held[number])
    assert ask(platform, "POST", f"abroad/{number}/$take-back", reason, **NEED).status == 410


def test_hostile_text_is_kept_and_never_taken_for_markup_of_ours(platform: Standing) -> None:
    script = "<script>alert(1)</script>"
    tree = document(
        her(platform), allergy(fresh(), SNOMED, script, text={"status": "generated", "div": f"<div>{script}</div>"})
    )
    answer = bring(platform, tree)
    assert answer.status == 201
    got = ask(platform, "GET", f"abroad/{answer.tree['id']}/content", **NEED).response
    assert got.headers["content-disposition"] == "attachment" and got.headers["x-content-type-options"] == "nosniff"
    resource = own_allergy(platform, code={"coding": [{"system": SNOMED, "code": fresh(), "display": script}]})
    assert decide(platform, answer.tree["id"], decision("take-in", resource=resource)).status == 422


def test_a_standing_that_does_not_hold_is_not_taken_in_as_it_was_proposed(platform: Standing) -> None:
    over = allergy(fresh(), SNOMED, clinicalStatus=clinical("AllergyIntolerance", "inactive"))
    refuted = allergy(
        fresh(),
        SNOMED,
        verificationStatus={
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "refuted"}
            ]
        },
    )
    number = kept(platform, over, refuted)
    for place in (FIRST, FIRST + 1):
        refused = decide(platform, number, decision("take-in"), place=place)
        assert (refused.status, rule(refused)) == (422, "does-not-hold")


def test_of_two_who_settle_one_entry_at_once_one_is_refused(platform: Standing) -> None:
    number = kept(platform, allergy(fresh(), SNOMED))
    seen = at(platform, number)["version"]

    def leave(who: str) -> int:
        tree = decision("leave-out", reason="Ikke relevant her")
        return decide(platform, number, tree, version=seen, as_=who).status

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(leave, ("gp", "hospital-doctor", "gp", "hospital-doctor")))
    assert sorted(found) == [204, 412, 412, 412]


@pytest.mark.parametrize("kind", ["restriction", "opt-out"])
def test_what_the_patient_shuts_shuts_the_documents_and_nothing_more_is_brought(platform: Standing, kind: str) -> None:
    about = "parent"
    number = kept(platform, allergy(fresh(), SNOMED), about=about)
    choice = chosen(platform, about, consent(kind))
    try:
        for path in ("abroad", f"abroad/{number}", f"abroad/{number}/content"):
            assert ask(platform, "GET", path, about=about, **NEED).status == 403, path
        assert bring(platform, document(her(platform, about), allergy()), about=about).status == 403
        opened = ask(platform, "GET", f"abroad/{number}", about=about, basis="SAMTYKKE", **NEED)
        assert opened.status == (200 if kind == "restriction" else 403)
    finally:
        chosen(platform, about, choice.tree | {"status": "inactive"})
    assert read(platform, number, about=about).status == 200
