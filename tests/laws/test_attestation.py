"""Tillitsrammeverket v1.1 (2024-04-30), ATT-1 to ATT-58: each number that a receiver of attestations can be held to.

docs/attestation.md lists all 58 with what holds them; a test below reads that table. What an attestation does to a request
is asked over HTTP with tokens of the tests' own issuer, the rest of the rules that make the caller.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assertion_forgeries import FORGERIES
from assertions import of_staff
from attested import (
    ATTESTATION,
    DOCTOR,
    NOW,
    OID,
    OTHER,
    PATIENT,
    REGISTERED,
    TOA,
    claims,
    details,
    digest,
    made,
    put,
    refused,
    said,
    without,
)
from clinic import HOSPITAL, OTHERS_UNIT, SECOND, UNIT, Clinic, clinic, observation, staff
from kjerne.access import Caller, Choice
from kjerne.commands import production
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.fhir.encode import decode
from kjerne.policy import insight
from kjerne.policy.caller import DEMANDS, SERVICE_SYSTEMS
from kjerne.policy.door import Door
from kjerne.settings import Settings
from kjerne.store import audit

TABLE = Path(__file__).parents[2] / "docs" / "attestation.md"
CARE_RELATION = "urn:AuditEventHL7Norway/CodeSystem/carerelation"


def purpose(code: str, *, reason: str = "Poliklinikk", chosen: bool = False) -> dict[str, Any]:
    care = ("care_relationship", "decision_ref")
    return said(
        put(code, "care_relationship", "purpose_of_use", "code"),
        put(reason, *care, "description"),
        put(chosen, *care, "user_selected"),
    )


async def broken(*names: str) -> set[str]:
    """The rules that refuse these forgeries."""
    rules = set()
    for name in names:
        change, _ = ATTESTATION[name]
        rules.add((await refused(claims(said(change)))).rule)
    return rules


async def own_log(here: Clinic, correlation: str) -> tuple[insight.LogEntry, ...]:
    """The lines of one request, as the patient herself reads them."""
    herself = Caller("citizen", "app", frozenset({"kjerne:citizen"}), here.house.digest(PATIENT), level=4)
    admit = Door(here.house.store, here.clock).admit(herself, "own-log")
    grant = await admit(PatientRef(digest=here.house.digest(PATIENT)), "results", "insight")
    async with here.house.store.pool.acquire() as conn:
        every = await audit.of_patient(conn, grant, here.house.store.wrap, NOW, NOW + timedelta(hours=1), 1000)
    mine = [row for row in every if row["correlation"] == correlation]
    return insight.entries(mine, grant, organisations={}, type_name=str, hidden=())


# 1: the attestation as a whole


async def test_att_1_an_attestation_is_json_in_its_token_and_nothing_else_is_read(here: Clinic) -> None:
    assert (await here.search()).status_code == 200
    for other in ('{"type": "nhn:tillitsrammeverk:parameters"}', "<attestation/>", {"practitioner": {}}):
        answer = await here.send(here.sent(token=staff(authorization_details=other)), person_id=PATIENT)
        assert answer.status_code == 401


async def test_att_1_the_same_attestation_may_be_xml_in_a_signed_assertion(here: Clinic) -> None:
    token, assertion = await here.search(), await here.assert_(of_staff(here.clock.now()))
    assert token.status_code == assertion.status_code == 200
    one, other = await here.audited(token), await here.audited(assertion)
    own = {"number", "xid", "token", "correlation", "written"}
    assert {name: one[name] for name in one.keys() - own} == {name: other[name] for name in other.keys() - own}
    assert (one["decision"], one["department"], bool(other["written"])) == ("42", "4208723", True)


async def test_att_2_an_assertion_that_nobody_signed_is_refused(here: Clinic) -> None:
    at = here.clock.now()
    for name in ("unsigned", "another patient put in after signing", "of an issuer nobody trusts"):
        assert (await here.assert_(FORGERIES[name].make(at))).status_code == 401


async def test_att_2_an_attestation_that_nobody_signed_is_refused(here: Clinic) -> None:
    def unsigned(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        return [(n, v.rpartition(b".")[0] + b"." if n == b"authorization" else v) for n, v in headers]

    sent = here.sent()
    sent.after = unsigned
    assert (await here.send(sent, person_id=PATIENT)).status_code == 401


async def test_att_2_an_attestation_is_the_business_whose_token_carries_it() -> None:
    assert await broken("another organisation than the token's") == {"ATT-2, ATT-13"}


async def test_att_3_the_words_of_an_attestation_are_sealed_where_they_are_kept(here: Clinic) -> None:
    row = await here.audited(await here.search(purpose("TREAT", reason="Mistanke om noe alvorlig")))
    kept = repr([value for name, value in row.items() if name != "written"]).encode() + row["written"]
    assert row["written"] and b"alvorlig" not in kept
    assert PATIENT.encode() not in kept and DOCTOR.encode() not in kept


def test_att_3_production_does_not_start_where_attestations_would_travel_in_the_open() -> None:
    plain = Settings(dsn="postgresql://x", issuer="https://sts.example", public_url="http://kjerne.example")
    with pytest.raises(Refusal, match="KJERNE_PUBLIC_URL must begin with https"):
        production.checked(plain)


async def test_att_4_an_attestation_about_one_patient_opens_no_other(here: Clinic) -> None:
    assert (await here.search(about=PATIENT)).status_code == 200
    answer = await here.search(about=SECOND)
    assert answer.status_code == 403
    assert (await here.audited(answer))["rule"] == "attestation-of-another-patient"


async def test_att_4_an_attestation_names_one_patient_in_a_way_that_we_understand() -> None:
    names = ("two patients", "the same patient twice", "patient without system", "patient of a local system")
    assert await broken(*names) == {"ATT-4"}


async def test_att_5_who_is_blocked_by_name_is_known_by_the_attestations_numbers(here: Clinic) -> None:
    people, store = here.house.store.people, here.house.store
    async with store.pool.acquire() as conn:
        key = await people.key_of(conn, here.house.digest(PATIENT))
        number = await people.add_choice(conn, key, Choice("block", "", "0009001", "", NOW, None))
    answer = await here.search(purpose("BTG"), basis="FORHOYET_AKUTT")
    assert b'"Specific"' in answer.content and b'"valueQuantity"' not in answer.content
    async with store.pool.acquire() as conn:
        await people.end_choice(conn, key, number, NOW)


async def test_att_6_an_attestation_without_a_patient_opens_nobody(here: Clinic) -> None:
    assert (await made(claims(details() | {"patients": []}))).attestation is not None
    for path in ("/pps/v2/Observation/_search", "/pps/v2/already-done", "/fhir/R4/Observation/_search"):
        sent = here.sent(path, token=staff(details() | {"patients": []}))
        answer = await here.send(sent, [("code", "NPU27300")], person_id=PATIENT)
        assert answer.status_code == 403
        assert (await here.audited(answer))["rule"] == "attestation-of-another-patient"


# 2: the practitioner


async def test_att_7_the_log_names_the_practitioner_by_what_the_attestation_identifies_her_with(here: Clinic) -> None:
    row = await here.audited(await here.search())
    assert row["caller_digest"] == here.house.digest(DOCTOR)


async def test_att_8_the_patients_log_shows_a_name_and_no_number(here: Clinic) -> None:
    seen = await here.audited(await here.search(name=f"Kari Prøve {DOCTOR}"))
    (line,) = await own_log(here, seen["correlation"])
    assert (line.who, line.organisation) == ("Kari Prøve", HOSPITAL)
    assert DOCTOR not in repr(line) and PATIENT not in repr(line)


@pytest.mark.parametrize(
    "level",
    [
        {"helseid://claims/identity/security_level": "3"},
        {"helseid://claims/identity/security_level": ""},
        {"helseid://claims/identity/assurance_level": "substantial"},
    ],
)
async def test_att_9_a_login_below_the_level_high_is_refused(here: Clinic, level: dict[str, str]) -> None:
    assert (await here.search(**level)).status_code == 403


async def test_att_10_a_practitioner_has_a_fodselsnummer_or_a_d_number() -> None:
    d_number = "41815012345"
    for system, number in (("4.1", DOCTOR), ("4.2", d_number)):
        given = said(put({"id": number, "system": f"{OID}.{system}"}, "practitioner", "identifier"))
        registered = replace(REGISTERED, digest=digest(number))
        assert (await made(claims(given, pid=number), registered)).attestation
    names = ("identifier a help number", "identifier of ten digits", "identifier left out", "identifier without system")
    assert await broken(*names) == {"ATT-10"}


async def test_att_11_the_attested_practitioner_is_the_one_who_logged_in(here: Clinic) -> None:
    assert await broken("another practitioner") == {"ATT-11"}
    colleague = said(put(OTHER, "practitioner", "identifier", "id"))
    assert (await here.search(colleague)).status_code == 403


async def test_att_12_only_what_the_trust_anchor_has_signed_is_taken(here: Clinic) -> None:
    sent = here.sent()
    sent.token["iss"] = "https://another-anchor.example"
    assert (await here.send(sent, person_id=PATIENT)).status_code == 401


async def test_att_13_the_legal_entity_is_the_one_that_the_trust_anchor_knows_the_client_by() -> None:
    assert await broken("another organisation than the token's") == {"ATT-2, ATT-13"}
    await refused(claims(organisation=""))


async def test_att_15_the_legal_entity_is_an_organisation_number() -> None:
    names = ("legal entity left out", "legal entity of eight digits", "legal entity of another system")
    assert await broken(*names) == {"ATT-15"}


async def test_att_16_the_legal_entity_stands_in_the_log_of_what_was_opened_and_of_what_was_not(here: Clinic) -> None:
    for about in (PATIENT, SECOND):
        assert (await here.audited(await here.search(about=about)))["organisation"] == HOSPITAL


async def test_att_18_the_point_of_care_is_a_registered_unit_of_the_legal_entity(here: Clinic) -> None:
    assert await broken("point of care left out") == {"ATT-18"}
    assert await broken("another hospital's unit", "a unit nobody registered") == {"ATT-18, ATT-19"}
    assert (await here.search()).status_code == 200
    assert (await here.search(said(put(OTHERS_UNIT, "practitioner", "point_of_care", "id")))).status_code == 403


async def test_att_18_the_point_of_care_stands_with_the_system_of_organisation_numbers() -> None:
    wrong = said(put(f"{OID}.4.102", "practitioner", "point_of_care", "system"))
    assert (await refused(claims(wrong))).rule == "ATT-18"


async def test_att_19_a_business_without_units_is_its_own_point_of_care() -> None:
    alone = said(put(HOSPITAL, "practitioner", "point_of_care", "id"))
    assert (await made(claims(alone))).point_of_care == HOSPITAL


async def test_att_20_the_point_of_care_stands_in_the_log(here: Clinic) -> None:
    assert (await here.audited(await here.search()))["point_of_care"] == UNIT


async def test_att_21_a_department_is_told_only_where_there_is_one() -> None:
    assert (await made(claims(said(without("practitioner", "department"))))).department == ""


async def test_att_23_the_department_stands_in_the_log(here: Clinic) -> None:
    assert (await here.audited(await here.search()))["department"] == "4208723"


async def test_att_28_a_local_department_stands_with_its_system_and_its_legal_entity_as_authority() -> None:
    local = {
        "id": "7A",
        "system": "urn:oid:2.16.578.1.34.1000.1",
        "authority": f"urn:oid:2.16.578.1.12.4.1.4.101:{HOSPITAL}",
    }
    for authority in (HOSPITAL, local["authority"]):
        assert (
            await made(claims(said(put(local | {"authority": authority}, "practitioner", "department"))))
        ).department
    names = ("department without system", "local department of nobody", "local department of another entity")
    assert await broken(*names) == {"ATT-28"}


async def test_att_29_an_hpr_number_stands_with_the_system_of_the_register() -> None:
    assert await broken("HPR number of another system", "HPR number without system") == {"ATT-29"}


async def test_att_29_whoever_has_an_hpr_number_says_so_and_who_has_none_leaves_it_out() -> None:
    assert await broken("HPR number left out", "another's HPR number") == {"ATT-29"}
    none = said(without("practitioner", "hpr_nr"), without("practitioner", "authorization"))
    assert (await made(claims(none, hpr=""))).hpr == ""


async def test_att_31_any_of_several_authorizations_can_be_the_one_she_acts_by() -> None:
    registered = replace(REGISTERED, authorizations=frozenset({"LE", "PS"}))
    for code in ("LE", "PS"):
        given = said(put(code, "practitioner", "authorization", "code"))
        assert (await made(claims(given), registered)).authorization == code


async def test_att_32_an_authorization_that_the_register_does_not_hold_for_her_is_refused(here: Clinic) -> None:
    assert await broken("an authorization she has not", "an authorization of another system") == {"ATT-32"}
    assert (await here.search(said(put("SP", "practitioner", "authorization", "code")))).status_code == 403


# 3: the care relation


async def test_att_34_the_healthcare_service_stands_in_the_log_of_what_was_opened_and_of_what_was_not(
    here: Clinic,
) -> None:
    for about in (PATIENT, SECOND):
        row = await here.audited(await here.search(about=about))
        assert row["healthcare_service"] == f"{OID}.1.8655|KX17"


async def test_att_36_the_healthcare_service_may_be_missing_where_the_details_explain_it() -> None:
    detail = {"code": "BEHANDLER", "system": CARE_RELATION}
    given = said(
        without("care_relationship", "healthcare_service"), put(detail, "care_relationship", "purpose_of_use_details")
    )
    who = await made(claims(given))
    assert who.attestation and who.attestation.healthcare_service is None


@pytest.mark.parametrize("number", "8655 8627 8451 8668 8663 8662 8664 8666 7750 8254".split())
async def test_att_37_the_healthcare_service_is_of_one_of_ten_code_systems(number: str) -> None:
    given = said(put(f"{OID}.1.{number}", "care_relationship", "healthcare_service", "system"))
    assert (await made(claims(given))).attestation
    assert len(SERVICE_SYSTEMS) == 10
    assert await broken("service of another system") == {"ATT-43"}


async def test_att_38_treat_follows_the_normal_rules(here: Clinic) -> None:
    assert (await here.audited(await here.search(purpose("TREAT"))))["rule"] == "care"
    names = ("purpose left out", "purpose unknown", "purpose in small letters", "purpose of another system")
    assert await broken(*names) == {"ATT-38"}


async def test_att_39_etreat_follows_the_normal_rules_and_is_no_key_to_everything(here: Clinic) -> None:
    assert (await here.audited(await here.search(purpose("ETREAT"))))["rule"] == "care"
    stranger = said(
        put("ETREAT", "care_relationship", "purpose_of_use", "code"),
        put(HOSPITAL, "practitioner", "point_of_care", "id"),
    )
    answer = await here.search(stranger)
    assert (answer.status_code, (await here.audited(answer))["rule"]) == (403, "no-relation")


async def test_att_40_coc_is_handling_a_case_and_the_case_is_written_down(here: Clinic) -> None:
    assert (await here.audited(await here.search(purpose("COC"))))["rule"] == "case-handling"
    answer = await here.search(purpose("COC", reason=" "))
    assert (answer.status_code, (await here.audited(answer))["rule"]) == (403, "case-handling-reason")


async def test_att_41_btg_sets_the_normal_rules_aside_and_the_patient_reads_why(here: Clinic) -> None:
    outside = purpose("BTG") | {
        "practitioner": said(put(HOSPITAL, "practitioner", "point_of_care", "id"))["practitioner"]
    }
    row = await here.audited(await here.search(outside))
    assert (row["rule"], row["outcome"]) == ("break-glass", 0) and row["written"]
    answer = await here.search(purpose("BTG", reason=""))
    assert (answer.status_code, (await here.audited(answer))["rule"]) == (403, "break-glass-reason")


async def test_att_42_the_details_of_the_purpose_stand_in_the_log_and_their_words_are_the_patients_to_read(
    here: Clinic,
) -> None:
    detail = {"code": "TILSYN", "system": CARE_RELATION, "text": "Tilsyn på annen avdeling"}
    answer = await here.search(said(put(detail, "care_relationship", "purpose_of_use_details")))
    row = await here.audited(answer)
    assert row["purpose_details"] == f"{CARE_RELATION}|TILSYN"
    assert b"Tilsyn" not in repr(row).encode()
    (line,) = await own_log(here, row["correlation"])
    assert line.reason == "Poliklinikk"
    assert line.ground == f"{line.says} (Tilsyn på annen avdeling)"


async def test_att_43_the_service_or_the_details_of_the_purpose_must_be_told() -> None:
    assert await broken("neither service nor details") == {"ATT-43"}


async def test_att_45_the_details_are_of_the_care_relations_or_of_nursing_homes() -> None:
    for system in (CARE_RELATION, f"{OID}.1.9151"):
        given = said(put({"code": "X", "system": system}, "care_relationship", "purpose_of_use_details"))
        assert (await made(claims(given))).attestation
    assert await broken("details of another system") == {"ATT-43"}


async def test_att_46_the_decision_is_found_again_by_its_reference_in_the_log(here: Clinic) -> None:
    assert (await here.audited(await here.search()))["decision"] == "42"
    assert await broken("decision left out", "decision without id") == {"ATT-46"}


async def test_att_47_each_decision_has_its_own_reference_and_a_page_link_opens_to_no_other(here: Clinic) -> None:
    for _ in range(2):
        await here.file(observation())
    first = await here.send(here.sent(), [("_count", "1")], person_id=PATIENT)
    link = next(one["url"] for one in decode(first.content)["link"] if one["relation"] == "next")
    path = str(link).removeprefix(here.url).partition("?")[0]
    token = str(link).partition("_cursor=")[2]
    other = staff(said(put("43", "care_relationship", "decision_ref", "id")))
    for claimed, status in ((other, 400), (staff(), 200)):
        answer = await here.send(here.sent(path, token=claimed), [("_cursor", token)], person_id=PATIENT)
        assert answer.status_code == status


async def test_att_48_user_selected_is_a_truth_value_and_self_authorisation_is_marked_in_the_log(here: Clinic) -> None:
    alone = purpose("TREAT", chosen=True)
    put(HOSPITAL, "practitioner", "point_of_care", "id")(alone)
    row = await here.audited(await here.search(alone))
    assert (row["rule"], row["self_selected"]) == ("self-declared", True)
    assert (await here.audited(await here.search()))["self_selected"] is False
    assert await broken("decision by nobody") == {"ATT-46"}
    for text in ("true", "false", 1, 0):
        given = said(put(text, "care_relationship", "decision_ref", "user_selected"))
        assert (await here.search(given)).status_code == 401


# 4: the patient


async def test_att_49_the_patients_point_of_care_is_an_organisation_number() -> None:
    assert await broken("patient treated at no number") == {"ATT-49"}


async def test_att_50_a_business_without_units_is_the_patients_point_of_care_too() -> None:
    for unit in (HOSPITAL, UNIT):
        place = {"id": unit, "system": f"{OID}.4.101"}
        given = details()
        given["patients"][0]["point_of_care"] = place
        assert (await made(claims(given))).attestation


async def test_att_51_a_patient_treated_elsewhere_has_no_point_of_care_in_the_attestation() -> None:
    assert await broken("patient treated at another's unit") == {"ATT-51"}


def treated(unit: str, department: dict[str, str] | None = None) -> dict[str, Any]:
    given = details()
    given["patients"][0]["point_of_care"] = {"id": unit, "system": f"{OID}.4.101"}
    if department:
        given["patients"][0]["department"] = department
    return given


async def test_att_52_where_the_patient_is_treated_stands_in_the_log(here: Clinic) -> None:
    assert (await here.audited(await here.search(treated(UNIT))))["patient_point_of_care"] == UNIT
    assert (await here.audited(await here.search()))["patient_point_of_care"] == ""


async def test_att_56_a_patient_treated_elsewhere_has_no_department_in_the_attestation() -> None:
    assert await broken("patient's department without her point of care") == {"ATT-56"}


async def test_att_57_the_patients_department_stands_in_the_log_with_its_system(here: Clinic) -> None:
    resh = {"id": "4208723", "system": f"{OID}.4.102"}
    row = await here.audited(await here.search(treated(UNIT, resh)))
    assert row["patient_department"] == f"{OID}.4.102|4208723"
    (line,) = await own_log(here, row["correlation"])
    assert (line.patient_point_of_care, line.patient_department) == (UNIT, "4208723")


# 5: the time


async def test_att_58_the_time_of_attestation_is_unix_time_in_seconds(here: Clinic) -> None:
    assert await broken("no time", "made in milliseconds", "made before time began") == {"ATT-58"}
    for time in (str(TOA), "2026-11-23T12:00:00Z", TOA + 0.5):
        assert (await here.search(details() | {"toa": time})).status_code == 401


async def test_att_58_an_attestation_lives_for_sixty_minutes_and_its_end_is_named(here: Clinic) -> None:
    assert (await here.search(details() | {"toa": TOA - 3599})).status_code == 200
    answer = await here.search(details() | {"toa": TOA - 3600})
    assert answer.status_code == 403
    assert "attestation_has_expired" in decode(answer.content)["issue"][0]["diagnostics"]


async def test_att_58_an_attestation_ends_also_inside_a_token_that_lives_on(here: Clinic) -> None:
    claimed = staff(details() | {"toa": TOA - 3590})
    sent = here.sent(token=claimed)
    assert (await here.send(sent, person_id=PATIENT)).status_code == 200
    token = dict(sent.token)
    here.clock.move(timedelta(seconds=11))
    answer = await here.send(here.sent(token=token), person_id=PATIENT)
    assert answer.status_code == 403
    assert "attestation_has_expired" in decode(answer.content)["issue"][0]["diagnostics"]


async def test_att_58_a_setting_makes_the_life_shorter(dsn_of_18: str, folder: Path) -> None:
    async with clinic(dsn_of_18, folder, attestation_minutes=5) as strict:
        token = strict.sent().token
        assert (await strict.send(strict.sent(token=token), person_id=PATIENT)).status_code == 200
        strict.clock.move(timedelta(minutes=5))
        assert (await strict.send(strict.sent(token=token), person_id=PATIENT)).status_code == 403


async def test_section_5_1_no_text_of_an_attestation_carries_a_line_end_or_a_turned_line() -> None:
    assert await broken("a text that turns the line", "a text of two lines", "an endless name") == {"section 5.1"}


# Both spellings


@pytest.mark.parametrize("spelling", ["care_relation", "care_relationship"])
@pytest.mark.parametrize("number", ["hpr_nr", "hpr-nr"])
async def test_both_spellings_of_the_wire_are_read_and_held_to_the_same_rules(
    here: Clinic, spelling: str, number: str
) -> None:
    def spelled(tree: dict[str, Any]) -> dict[str, Any]:
        tree[spelling] = tree.pop("care_relationship")
        tree["practitioner"][number] = tree["practitioner"].pop("hpr_nr")
        return tree

    assert (await here.search(spelled(details()))).status_code == 200
    for change in (
        put("HRESCH", "care_relationship", "purpose_of_use", "code"),
        put("9002", "practitioner", "hpr_nr", "id"),
    ):
        assert (await here.search(spelled(said(change)))).status_code == 403


async def test_two_spellings_that_say_two_things_are_refused(here: Clinic) -> None:
    twice = details()
    twice["care_relation"] = said(put("BTG", "care_relationship", "purpose_of_use", "code"))["care_relationship"]
    assert (await here.search(twice)).status_code == 401
    numbered = details()
    numbered["practitioner"]["hpr-nr"] = {"id": "9002", "system": f"{OID}.4.4"}
    assert (await here.search(numbered)).status_code == 401


# The table


def rows() -> list[list[str]]:
    lines = re.findall(r"^\| (\d+) \|(.*)\|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    return [[number, *(cell.strip() for cell in rest.split("|"))] for number, rest in lines]


def test_the_table_has_every_number_once_and_names_tests_that_are_here() -> None:
    assert [int(row[0]) for row in rows()] == list(range(1, 59))
    named = {name for row in rows() for name in re.findall(r"`(test_\w+)`", row[-1])}
    here = {name for name in globals() if name.startswith("test_att_")}
    assert named == here
    for row in rows():
        assert all(name.startswith(f"test_att_{row[0]}_") for name in re.findall(r"`(test_\w+)`", row[-1])), row


def test_every_demand_of_the_code_stands_under_its_number() -> None:
    told = {int(row[0]) for row in rows() if "`DEMANDS`" in row[2]}
    assert told == {int(number) for demand in DEMANDS for number in re.findall(r"ATT-(\d+)", demand.rule)}
