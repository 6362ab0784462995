"""An attestation that does not hold is refused before the law is asked, and the patient's log has it all the same (K101)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from assertions import of_staff, staffs
from attested import ATTESTATION, DOCTOR, OTHER, PATIENT, put, said
from clinic import HOSPITAL, SECOND, Clinic, errand, staff, visitor
from kjerne.access import Caller
from kjerne.exchange import PatientRef
from kjerne.policy import insight
from kjerne.policy.door import Door
from kjerne.store import audit

ROWS = {
    "ATT-11": "attested-colleague",
    "ATT-29": "personnel-not-registered",
    "ATT-32": "authorization-not-registered",
    "ATT-38": "purpose-unknown",
    "ATT-58": "attestation-out-of-time",
    **dict.fromkeys(
        ("ATT-2, ATT-13", "ATT-15", "ATT-18", "ATT-18, ATT-19", "ATT-28", "ATT-49", "ATT-51", "ATT-56"),
        "attested-place",
    ),
    **dict.fromkeys(("ATT-4", "ATT-10", "ATT-43", "ATT-46", "section 5.1"), "attestation-refused"),
}
OTHER_ROLE = quote('{"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"SP"}')
UNKNOWN = put("HRESCH", "care_relationship", "purpose_of_use", "code")
DOORS = {
    "a search of results": ("POST", "/pps/v2/Observation/_search"),
    "what is done already": ("POST", "/pps/v2/already-done"),
    "a search by FHIR": ("POST", "/fhir/R4/Observation/_search"),
    "a read by FHIR": ("GET", "/fhir/R4/Observation/00000000-0000-0000-0000-000000000000"),
    "a deletion by FHIR": ("DELETE", "/fhir/R4/Observation/00000000-0000-0000-0000-000000000000"),
    "all of a patient": ("GET", "/fhir/R4/Patient/$everything"),
    "a summary": ("GET", "/fhir/R4/Patient/$summary"),
    "a transaction": ("POST", "/fhir/R4"),
    "a FHIR message": ("POST", "/fhir/R4/$process-message"),
    "a subscription": ("POST", "/fhir/R4/Subscription"),
    "a token for a socket": ("GET", "/fhir/R4/Subscription/$get-ws-binding-token"),
    "the log": ("GET", "/fhir/R4/AuditEvent"),
    "critical information": ("GET", "/api/critical-information/v1/AllergyIntolerance"),
    "what is about nobody": ("GET", "/fhir/R4/CodeSystem"),
}


async def rows(here: Clinic, answer: Any) -> list[dict[str, Any]]:
    """The rows of a request, with whom each is about."""
    found = await here.house.store.pool.fetch(
        "SELECT a.*, array(SELECT i.digest FROM person_identifier i WHERE i.patient = a.patient) AS whose FROM audit a "
        "WHERE a.correlation = $1 ORDER BY a.patient",
        answer.headers["x-correlation-id"],
    )
    return [dict(row) for row in found]


@pytest.mark.parametrize("name", ATTESTATION)
async def test_a_refused_attestation_stands_in_the_patients_log_by_the_rule_that_it_breaks(
    here: Clinic, name: str
) -> None:
    change, rule = ATTESTATION[name]
    # The header names her as well where the attestation has no number to name her by.
    answer = await here.search(said(change))
    assert answer.status_code == 403
    row = await here.audited(answer)
    assert (row["rule"], row["outcome"], row["action"], row["service"]) == (
        ROWS[rule],
        audit.REFUSED,
        "attest",
        "results",
    )
    assert row["ids"] == row["types"] == row["versions"] == []


async def test_what_was_not_proven_is_not_in_the_row(here: Clinic) -> None:
    forged = said(
        put("SP", "practitioner", "authorization", "code"),
        put("Et annet sted", "practitioner", "point_of_care", "name"),
        put("Et ord om helse", "care_relationship", "decision_ref", "description"),
    )
    row = await here.audited(await here.search(forged))
    assert (row["caller_name"], row["caller_hpr"], row["organisation"]) == ("Kari Prøve", "9001", HOSPITAL)
    assert row["caller_digest"] == here.house.digest(DOCTOR)
    unproven = ("caller_role", "point_of_care", "department", "purpose", "basis", "decision", "healthcare_service")
    assert {row[name] for name in unproven} == {""}
    assert (row["self_selected"], row["written"], row["attested_at"]) == (False, b"", None)
    number = await here.audited(await here.search(said(put("9002", "practitioner", "hpr_nr", "id"))))
    assert (number["rule"], number["caller_hpr"]) == ("personnel-not-registered", "")


async def test_an_attested_colleague_is_not_named_in_the_row(here: Clinic) -> None:
    row = await here.audited(await here.search(said(put(OTHER, "practitioner", "identifier", "id"))))
    assert (row["rule"], row["caller_name"]) == ("attested-colleague", "Kari Prøve")
    assert row["caller_digest"] == here.house.digest(DOCTOR)


@pytest.mark.parametrize("name", DOORS)
async def test_every_door_writes_it_down(here: Clinic, name: str) -> None:
    method, path = DOORS[name]
    for named in ({}, {"person_id": PATIENT}, {"nhn_patient_nin": PATIENT}, {"hit_patient_nin": PATIENT}):
        answer = await here.send(here.sent(path, method, token=staff(said(UNKNOWN))), **named)
        assert (answer.status_code, b"TREAT, ETREAT, COC or BTG" in answer.content) == (403, True)
        (row,) = await rows(here, answer)
        assert (row["rule"], row["whose"]) == ("purpose-unknown", [here.house.digest(PATIENT)])


async def test_the_log_of_whom_the_request_names_has_it_and_not_that_of_another_who_was_attested(here: Clinic) -> None:
    answer = await here.search(said(UNKNOWN), about=SECOND)
    (row,) = await rows(here, answer)
    assert row["whose"] == [here.house.digest(SECOND)]


async def test_each_of_several_attested_patients_has_it_once(here: Clinic) -> None:
    def both(tree: dict[str, Any]) -> None:
        tree["patients"] = [
            {"identifier": tree["patients"][0]["identifier"] | {"id": one}} for one in (SECOND, PATIENT, SECOND)
        ]

    answer = await here.send(here.sent(token=staff(said(both))))
    found = await rows(here, answer)
    assert {row["whose"][0] for row in found} == {here.house.digest(one) for one in (PATIENT, SECOND)}
    assert [row["rule"] for row in found] == ["attestation-refused"] * 2


async def test_about_nobody_who_is_known_here_the_answer_is_the_same_and_the_row_is_the_platforms(here: Clinic) -> None:
    known, unknown = await here.search(said(UNKNOWN)), await here.search(said(UNKNOWN), about=OTHER)
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert (await here.audited(unknown))["patient"] == 0
    assert await rows(here, await here.send(here.sent(token=staff(said(UNKNOWN, put([], "patients")))))) == []


async def test_a_request_that_is_sent_again_is_no_second_line(here: Clinic) -> None:
    sent = here.sent(token=staff(said(UNKNOWN)))
    first, again = await here.send(sent, person_id=PATIENT), await here.send(sent, person_id=PATIENT)
    assert (first.status_code, again.status_code) == (403, 401)
    assert (len(await rows(here, first)), await rows(here, again)) == (1, [])


async def test_an_attestation_that_ends_while_its_token_lives_is_written_down_too(here: Clinic) -> None:
    at = here.clock.now()
    token = staff(said(put(int(at.timestamp()) - 3599, "toa")))
    assert (await here.send(here.sent(token=token), person_id=PATIENT)).status_code == 200
    here.clock.move(timedelta(seconds=1))
    try:
        answer = await here.send(here.sent(token=token), person_id=PATIENT)
    finally:
        here.clock.move(timedelta(seconds=-1))
    assert (await here.audited(answer))["rule"] == "attestation-out-of-time"


async def test_a_login_below_the_level_high_is_written_down_with_whom_it_asked_about(here: Clinic) -> None:
    level = {"helseid://claims/identity/security_level": "3"}
    for token in (staff(**level), staff(authorization_details=None, **level)):
        row = await here.audited(await here.send(here.sent(token=token), person_id=PATIENT))
        assert (row["rule"], row["caller_role"]) == ("login-too-weak", "")


async def test_an_assertion_that_breaks_a_rule_is_written_down_as_a_token_is(here: Clinic) -> None:
    row = await here.audited(await here.assert_(of_staff(here.clock.now(), parts=staffs(said(UNKNOWN)))))
    assert (row["rule"], row["caller_name"]) == ("purpose-unknown", "Kari Prøve")


async def test_an_errand_at_a_portal_that_does_not_hold_is_written_down_about_whom_it_names(here: Clinic) -> None:
    answer = await here.send(here.sent(token=visitor(errand(SECOND, "HRESCH"))))
    (row,) = await rows(here, answer)
    assert (answer.status_code, row["rule"], row["caller_kind"]) == (403, "attestation-refused", "citizen")
    assert (row["whose"], row["client"]) == ([here.house.digest(SECOND)], "portal")


async def test_she_reads_it_in_her_log_with_the_rules_words_and_by_whom(here: Clinic) -> None:
    answer = await here.search(said(put("SP", "practitioner", "authorization", "code")))
    herself = Caller("citizen", "app", frozenset({"kjerne:citizen"}), here.house.digest(PATIENT), level=4)
    admit = Door(here.house.store, here.clock).admit(herself, "own-log")
    grant = await admit(PatientRef(digest=here.house.digest(PATIENT)), "", "insight")
    lines = insight.entries(await rows_read(here, answer, grant), grant, organisations={}, type_name=str, hidden=())
    assert [(line.who, line.organisation, line.given, line.rule) for line in lines] == [
        ("Kari Prøve", HOSPITAL, False, "authorization-not-registered")
    ]
    assert "autorisasjonen" in lines[0].says


async def rows_read(here: Clinic, answer: Any, grant: Any) -> list[dict[str, Any]]:
    """Her rows of one request, words opened."""
    at = here.clock.now()
    async with here.house.store.pool.acquire() as conn:
        every = await audit.of_patient(
            conn, grant, here.house.store.wrap, at - timedelta(hours=1), at + timedelta(hours=1), 1000
        )
    return [row for row in every if row["correlation"] == answer.headers["x-correlation-id"]]


@pytest.mark.parametrize(
    "method, path, header",
    [
        ("POST", "/pps/v2/Observation/_search", {"requester_hpr_role": "SP"}),
        ("POST", "/pps/v2/already-done", {"requester_hpr_role": "SP"}),
        ("GET", "/api/critical-information/v1/status", {"nhn_user_role": OTHER_ROLE}),
        ("GET", "/api/critical-information/v1/AllergyIntolerance", {"hit_user_role": OTHER_ROLE}),
    ],
)
async def test_a_role_in_a_header_that_the_attestation_does_not_have_is_in_the_log_of_whom_it_is_about(
    here: Clinic, method: str, path: str, header: dict[str, str]
) -> None:
    scopes = "nhn:pps/provesvar-read nhn:critical-information/api"
    headers = (
        {"nhn_patient_nin": PATIENT, "nhn_source_system": "EPJ", "nhn_event_id": str(uuid4())} if path[1] == "a" else {}
    )
    sent = here.sent(path, method, token=staff(said(), scope=scopes))
    answer = await here.send(sent, **({"person_id": PATIENT} | headers | header))
    assert (answer.status_code, b"the role in the header" in answer.content) == (403, True), answer.text
    (row,) = await rows(here, answer)
    assert (row["action"], row["rule"], row["outcome"]) == ("attest", "attestation-refused", audit.REFUSED)
    assert (row["whose"], row["caller_role"], row["purpose"]) == ([here.house.digest(PATIENT)], "", "")
    assert row["caller_name"] == "Kari Prøve"
