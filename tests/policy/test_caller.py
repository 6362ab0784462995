"""From claims to a caller: what an attestation must hold, rule by rule."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from attested import (
    ATTESTATION,
    DOCTOR,
    NOW,
    OTHER,
    PATIENT,
    REGISTERED,
    TOA,
    claims,
    details,
    digest,
    made,
    refused,
)
from kjerne.access import Attestation, Coded
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.policy.caller import DEMANDS, Registered, must_be_fresh, must_be_registered
from kjerne.policy.caller import _texts as texts_of
from kjerne.policy.claims import Claims, Representation
from kjerne.settings import Settings
from kjerne.wire import attestation


async def test_a_doctor_is_known_with_all_that_her_organisation_vouches_for() -> None:
    who = await made(claims())
    assert (who.kind, who.name, who.hpr, who.authorization) == ("practitioner", "Kari Prøve", "9001", "LE")
    assert (who.organisation, who.point_of_care, who.department) == ("999999901", "999999902", "4208723")
    assert who.digest == digest(DOCTOR)
    assert who.attestation is not None
    assert who.attestation.patient_digests == (digest(PATIENT),)
    assert (who.attestation.purpose, who.attestation.made_at) == ("TREAT", NOW)


async def test_a_caller_shows_no_person_number() -> None:
    given = claims()
    for text in (repr(given), repr(await made(given)), repr(given.attestations)):
        assert DOCTOR not in text
        assert PATIENT not in text


async def test_a_point_of_care_that_is_the_legal_entity_itself_needs_no_register() -> None:
    said = details()
    said["practitioner"]["legal_entity"]["id"] = said["practitioner"]["point_of_care"]["id"] = "999999906"
    assert (await made(claims(said, organisation="999999906"))).point_of_care == "999999906"


async def test_the_two_spellings_on_the_wire_are_one() -> None:
    said = details()
    said["care_relation"] = said.pop("care_relationship")
    said["practitioner"]["hpr-nr"] = said["practitioner"].pop("hpr_nr")
    assert await made(claims(said)) == await made(claims())


async def test_the_attested_organisation_counts_for_the_caller_and_the_tokens_for_a_system() -> None:
    lab = claims(pid="", hpr="", level=0, attestations=(), suborganisation="999999904")
    who = await made(lab)
    assert (who.kind, who.digest, who.organisation, who.point_of_care) == ("system", b"", "999999901", "999999904")


async def test_without_an_attestation_a_practitioner_vouches_for_no_patient() -> None:
    who = await made(claims(attestations=()))
    assert (who.kind, who.attestation, who.authorization) == ("practitioner", None, "")


async def test_without_a_patient_an_attestation_is_about_nobody() -> None:
    who = await made(claims(details() | {"patients": []}))
    assert who.attestation is not None
    assert who.attestation.patient_digests == ()


async def test_a_citizen_is_one_by_scope() -> None:
    who = await made(claims(scopes=frozenset({"kjerne:citizen"}), attestations=()))
    assert (who.kind, who.hpr) == ("citizen", "9001")


MIXED: dict[str, tuple[dict[str, Any], str]] = {
    "citizen and staff at once": (
        {"scopes": frozenset({"kjerne:citizen", "nhn:pps/provesvar-read"}), "attestations": ()},
        "one role",
    ),
    "a citizen who is nobody": ({"scopes": frozenset({"kjerne:citizen"}), "pid": "", "attestations": ()}, "one role"),
    "a citizen with an attestation": ({"scopes": frozenset({"kjerne:citizen"})}, "ATT-4"),
    "a machine with an attestation": ({"pid": "", "hpr": ""}, "ATT-4"),
    "two attestations": ({"attestations": attestation.read([details(), details()])}, "ATT-4"),
    "level 3": ({"level": 3}, "ATT-9"),
    "no level": ({"level": 0}, "ATT-9"),
    "level 3 without attestation": ({"level": 3, "attestations": ()}, "ATT-9"),
    "a citizen at level 3": ({"level": 3, "scopes": frozenset({"kjerne:citizen"}), "attestations": ()}, "ATT-9"),
}


@pytest.mark.parametrize("name", MIXED)
async def test_a_mixed_or_weak_login_is_refused(name: str) -> None:
    changes, rule = MIXED[name]
    assert (await refused(claims(**changes))).rule == rule


@pytest.mark.parametrize("number", ["8655", "8627", "8451", "8668", "8663", "8662", "8664", "8666", "7750", "8254"])
async def test_a_healthcare_service_is_of_one_of_ten_code_systems(number: str) -> None:
    said = details()
    said["care_relationship"]["healthcare_service"]["system"] = f"urn:oid:2.16.578.1.12.4.1.1.{number}"
    assert (await made(claims(said))).attestation


@pytest.mark.parametrize("purpose", ["TREAT", "ETREAT", "COC", "BTG"])
async def test_an_attestation_states_one_of_four_purposes(purpose: str) -> None:
    said = details()
    said["care_relationship"]["purpose_of_use"]["code"] = purpose
    attested = (await made(claims(said))).attestation
    assert attested is not None and attested.purpose == purpose


@pytest.mark.parametrize("system", ["4.1", "4.2", "4.3"])
async def test_a_patient_has_a_fodselsnummer_a_d_number_or_a_common_help_number(system: str) -> None:
    said = details()
    said["patients"][0]["identifier"]["system"] = f"urn:oid:2.16.578.1.12.4.1.{system}"
    assert (await made(claims(said))).attestation


async def test_what_an_attestation_does_not_say_is_empty() -> None:
    (nothing,) = attestation.read([{"type": "nhn:tillitsrammeverk:parameters"}])
    assert set(texts_of(nothing)) == {""}
    assert (nothing.patients, nothing.toa, nothing.care_relationship.decision_ref.user_selected) == ((), 0, None)
    said = details()
    del said["care_relationship"]["decision_ref"]["description"]
    who = await made(claims(said))
    assert who.attestation is not None and who.attestation.decision_text == ""


def test_what_a_token_does_not_say_is_empty() -> None:
    bare = Claims("s", "c", frozenset(), "j", 1)
    said = ("subject", "client", "jti", "expires_at")
    assert not any(getattr(bare, one.name) for one in fields(bare) if one.name not in said)
    assert set(texts_of(Representation())) == {""}


@pytest.mark.parametrize(("length", "holds"), [(500, True), (501, False)])
async def test_a_text_of_an_attestation_is_at_most_500_characters(length: int, holds: bool) -> None:
    said = details()
    said["care_relationship"]["decision_ref"]["description"] = "a" * length
    if holds:
        assert (await made(claims(said))).attestation
    else:
        assert (await refused(claims(said))).rule == "section 5.1"


async def test_the_whole_attestation_is_typed() -> None:
    said = details()
    detail = {"code": "9", "text": "Vakt", "system": "urn:oid:2.16.578.1.12.4.1.1.9151"}
    said["care_relationship"]["purpose_of_use_details"] = detail
    said["care_relationship"]["decision_ref"]["user_selected"] = True
    assert (await made(claims(said))).attestation == Attestation(
        practitioner_digest=digest(DOCTOR),
        hpr="9001",
        authorization="LE",
        legal_entity="999999901",
        point_of_care="999999902",
        department="4208723",
        healthcare_service=Coded("KX17", "urn:oid:2.16.578.1.12.4.1.1.8655", ""),
        purpose="TREAT",
        purpose_details=Coded("9", "urn:oid:2.16.578.1.12.4.1.1.9151", "Vakt"),
        decision_id="42",
        decision_text="Poliklinikk",
        user_selected=True,
        patient_digests=(digest(PATIENT),),
        made_at=NOW,
    )


@pytest.mark.parametrize("name", ATTESTATION)
async def test_a_broken_attestation_is_refused_by_its_rule(name: str) -> None:
    change, rule = ATTESTATION[name]
    said = details()
    change(said)
    refusal = await refused(claims(said))
    assert refusal.rule == rule
    assert not any(number in str(refusal) for number in (DOCTOR, PATIENT, OTHER))


def test_every_rule_is_broken_by_some_test() -> None:
    assert {demand.rule for demand in DEMANDS} == {rule for _, rule in ATTESTATION.values()}


@pytest.mark.parametrize(("age_seconds", "taken"), [(-5, True), (0, True), (3599, True), (3600, False)])
async def test_an_attestation_lives_less_than_an_hour(age_seconds: int, taken: bool) -> None:
    given = claims(details() | {"toa": TOA - age_seconds})
    if taken:
        assert await made(given)
    else:
        refusal = await refused(given)
        assert (refusal.code, refusal.rule) == ("expired", "ATT-58")
        assert "attestation_has_expired" in refusal.says


@pytest.mark.parametrize(
    "registered",
    [
        None,
        replace(REGISTERED, digest=digest(OTHER)),
        replace(REGISTERED, valid_from=NOW.date() + timedelta(days=1)),
        replace(REGISTERED, valid_to=NOW.date()),
    ],
    ids=["unknown", "another person's", "not yet valid", "ended today"],
)
async def test_an_hpr_number_that_the_register_does_not_hold_for_her_is_refused(registered: Registered | None) -> None:
    assert (await refused(claims(), registered)).rule == "ATT-29"


async def test_an_authorisation_begins_and_ends_at_norwegian_midnight() -> None:
    after_midnight = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # the 23rd in Norway
    said = claims(details() | {"toa": int(after_midnight.timestamp())})
    begun = replace(REGISTERED, valid_from=NOW.date())
    ended = replace(REGISTERED, valid_to=NOW.date())
    assert await made(said, begun, FixedClock(after_midnight))
    with pytest.raises(Refusal) as caught:
        await made(said, ended, FixedClock(after_midnight))
    assert caught.value.rule == "ATT-29"


async def test_whoever_has_no_hpr_number_is_attested_without_one() -> None:
    said = details()
    del said["practitioner"]["hpr_nr"]
    del said["practitioner"]["authorization"]
    who = await made(claims(said, hpr=""))
    assert (who.hpr, who.authorization) == ("", "")


async def test_a_local_department_stands_with_its_legal_entity() -> None:
    for authority in ("999999901", "urn:oid:2.16.578.1.12.4.1.4.101:999999901"):
        said = details()
        said["practitioner"]["department"] = {"id": "7A", "system": "urn:x:units", "authority": authority}
        assert (await made(claims(said))).department == "7A"


async def test_a_patient_is_treated_at_a_unit_of_her_practitioners_own() -> None:
    for unit in ("999999901", "999999902"):
        said = details()
        said["patients"][0]["point_of_care"] = {"id": unit, "system": "urn:oid:2.16.578.1.12.4.1.4.101"}
        said["patients"][0]["department"] = {"id": "7A", "system": "urn:x:units"}
        attested = (await made(claims(said))).attestation
        assert attested is not None
        assert (attested.patient_point_of_care, attested.patient_department) == (unit, "urn:x:units|7A")


async def test_a_remembered_caller_is_held_to_the_age_of_her_attestation() -> None:
    who = await made(claims())
    for seconds, minutes, holds in (
        (3599, 60, True),
        (3600, 60, False),
        (299, 5, True),
        (300, 5, False),
        (-6, 60, False),
    ):
        now = NOW + timedelta(seconds=seconds)
        settings = Settings(attestation_minutes=minutes)
        if holds:
            must_be_fresh(who, now, settings)
        else:
            with pytest.raises(Refusal) as caught:
                must_be_fresh(who, now, settings)
            assert (caught.value.status, caught.value.code, caught.value.rule) == (403, "expired", "ATT-58")
    must_be_fresh(await made(claims(attestations=())), NOW + timedelta(days=1), Settings())


def test_whoever_is_logged_in_reads_only_as_the_register_has_her_now() -> None:
    own, today = digest(DOCTOR), NOW.date()
    must_be_registered(REGISTERED, own, "LE", NOW)
    must_be_registered(REGISTERED, own, "", NOW)
    for known, authorization, rule in (
        (None, "LE", "ATT-29"),
        (replace(REGISTERED, digest=digest(OTHER)), "LE", "ATT-29"),
        (replace(REGISTERED, valid_to=today), "", "ATT-29"),
        (REGISTERED, "SP", "ATT-32"),
    ):
        with pytest.raises(Refusal) as caught:
            must_be_registered(known, own, authorization, NOW)
        assert (caught.value.status, caught.value.code, caught.value.rule) == (403, "forbidden", rule)


async def test_an_authorization_needs_an_hpr_number() -> None:
    said = details()
    del said["practitioner"]["hpr_nr"]
    assert (await refused(claims(said, hpr=""))).rule == "ATT-32"


async def test_details_of_the_purpose_do_instead_of_a_service() -> None:
    said = details()
    del said["care_relationship"]["healthcare_service"]
    code = {"code": "BEHANDLER", "system": "urn:AuditEventHL7Norway/CodeSystem/carerelation"}
    said["care_relationship"]["purpose_of_use_details"] = code
    who = await made(claims(said))
    assert who.attestation is not None
    assert who.attestation.purpose_details is not None
    assert who.attestation.healthcare_service is None


def test_a_member_of_the_wrong_kind_is_named_by_its_path() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.practitioner\.hpr_nr"):
        attestation.read([details() | {"practitioner": {"hpr_nr": "9001"}}])
