"""From claims to a caller: what an attestation must hold, rule by rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kjerne.access import Caller
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.policy.caller import DEMANDS, Registered, caller
from kjerne.policy.claims import Claims
from kjerne.settings import Settings
from kjerne.wire import attestation

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TOA = int(NOW.timestamp())
DOCTOR, PATIENT, OTHER = "01815012345", "02825054321", "03835098765"
OID = "urn:oid:2.16.578.1.12.4.1"


def digest(number: str) -> bytes:
    return hashlib.sha256(number.encode()).digest()[:16]


def details() -> dict[str, Any]:
    """A complete attestation as it stands in a token."""
    return {
        "type": "nhn:tillitsrammeverk:parameters",
        "practitioner": {
            "identifier": {"id": DOCTOR, "system": f"{OID}.4.1"},
            "hpr_nr": {"id": "9001", "system": f"{OID}.4.4"},
            "authorization": {"code": "LE", "system": f"{OID}.1.9060"},
            "legal_entity": {"id": "999999901", "system": f"{OID}.4.101"},
            "point_of_care": {"id": "999999902", "system": f"{OID}.4.101"},
            "department": {"id": "4208723", "system": f"{OID}.4.102", "authority": None},
        },
        "care_relationship": {
            "healthcare_service": {"code": "KX17", "system": f"{OID}.1.8655"},
            "purpose_of_use": {"code": "TREAT", "system": "urn:oid:2.16.840.1.113883.1.11.20448"},
            "decision_ref": {"id": "42", "description": "Poliklinikk", "user_selected": False},
        },
        "patients": [{"identifier": {"id": PATIENT, "system": f"{OID}.4.1"}}],
        "toa": TOA,
    }


def claims(said: dict[str, Any] | None = None, **changes: Any) -> Claims:
    plain = Claims(
        subject="s",
        client="epj",
        scopes=frozenset({"nhn:pps/provesvar-read"}),
        jti="j",
        expires_at=TOA + 600,
        pid=DOCTOR,
        name="Kari Prøve",
        hpr="9001",
        level=4,
        organisation="999999901",
        attestations=attestation.read([said or details()]),
    )
    return replace(plain, **changes)


REGISTERED = Registered(digest(DOCTOR), frozenset({"LE"}), date(2000, 1, 1))
OWN_UNITS = {("999999902", "999999901")}
"""The register of organisations: 902 is a unit of 901; 908 is another hospital's, 907 nobody's."""


async def made(given: Claims, registered: Registered | None = REGISTERED) -> Caller:
    async def register(hpr: str) -> Registered | None:
        return registered if hpr == "9001" else None

    async def part_of(unit: str, owner: str) -> bool:
        return (unit, owner) in OWN_UNITS

    return await caller(given, FixedClock(NOW), Settings(), digest, register, part_of)


async def refused(given: Claims, registered: Registered | None = REGISTERED) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await made(given, registered)
    assert caught.value.status == 403
    return caught.value


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


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": frozenset({"kjerne:citizen", "nhn:pps/provesvar-read"}), "attestations": ()},
        {"scopes": frozenset({"kjerne:citizen"}), "pid": "", "attestations": ()},
        {"scopes": frozenset({"kjerne:citizen"})},
        {"pid": "", "hpr": ""},
        {"attestations": attestation.read([details(), details()])},
        {"level": 3},
        {"level": 0},
        {"level": 3, "attestations": ()},
        {"level": 3, "scopes": frozenset({"kjerne:citizen"}), "attestations": ()},
    ],
    ids=[
        "citizen and staff at once",
        "a citizen who is nobody",
        "a citizen with an attestation",
        "a machine with an attestation",
        "two attestations",
        "level 3",
        "no level",
        "level 3 without attestation",
        "a citizen at level 3",
    ],
)
async def test_a_mixed_or_weak_login_is_refused(changes: dict[str, Any]) -> None:
    await refused(claims(**changes))


def without(*path: str) -> Callable[[dict[str, Any]], Any]:
    def change(said: dict[str, Any]) -> None:
        for name in path[:-1]:
            said = said[name]
        del said[path[-1]]

    return change


def put(value: Any, *path: str) -> Callable[[dict[str, Any]], Any]:
    def change(said: dict[str, Any]) -> None:
        for name in path[:-1]:
            said = said.setdefault(name, {})
        said[path[-1]] = value

    return change


def other_patient_too(said: dict[str, Any]) -> None:
    said["patients"].append({"identifier": {"id": OTHER, "system": f"{OID}.4.1"}})


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "practitioner left out": (without("practitioner"), "ATT-10"),
    "identifier left out": (without("practitioner", "identifier"), "ATT-10"),
    "identifier null": (put(None, "practitioner", "identifier"), "ATT-10"),
    "identifier without system": (without("practitioner", "identifier", "system"), "ATT-10"),
    "identifier a help number": (put(f"{OID}.4.3", "practitioner", "identifier", "system"), "ATT-10"),
    "identifier of ten digits": (put(DOCTOR[:10], "practitioner", "identifier", "id"), "ATT-10"),
    "identifier in other digits": (put("٠١٨١٥٠١٢٣٤٥", "practitioner", "identifier", "id"), "ATT-10"),
    "another practitioner": (put(OTHER, "practitioner", "identifier", "id"), "ATT-11"),
    "HPR number left out": (without("practitioner", "hpr_nr"), "ATT-29"),
    "another's HPR number": (put("9002", "practitioner", "hpr_nr", "id"), "ATT-29"),
    "HPR number with a zero in front": (put("09001", "practitioner", "hpr_nr", "id"), "ATT-29"),
    "an authorization she has not": (put("SP", "practitioner", "authorization", "code"), "ATT-32"),
    "an authorization of another system": (put("urn:x", "practitioner", "authorization", "system"), "ATT-32"),
    "legal entity left out": (without("practitioner", "legal_entity"), "ATT-16"),
    "legal entity of eight digits": (put("99999990", "practitioner", "legal_entity", "id"), "ATT-16"),
    "legal entity of another system": (put(f"{OID}.4.102", "practitioner", "legal_entity", "system"), "ATT-16"),
    "another organisation than the token's": (put("999999909", "practitioner", "legal_entity", "id"), "ATT-2"),
    "point of care left out": (without("practitioner", "point_of_care"), "ATT-5"),
    "another hospital's unit": (put("999999908", "practitioner", "point_of_care", "id"), "ATT-5, ATT-16"),
    "a unit nobody registered": (put("999999907", "practitioner", "point_of_care", "id"), "ATT-5, ATT-16"),
    "care relationship left out": (without("care_relationship"), "ATT-38"),
    "purpose left out": (without("care_relationship", "purpose_of_use"), "ATT-38"),
    "purpose unknown": (put("HRESCH", "care_relationship", "purpose_of_use", "code"), "ATT-38"),
    "purpose in small letters": (put("treat", "care_relationship", "purpose_of_use", "code"), "ATT-38"),
    "purpose of another system": (put("urn:x", "care_relationship", "purpose_of_use", "system"), "ATT-38"),
    "neither service nor details": (without("care_relationship", "healthcare_service"), "ATT-43"),
    "service of another system": (put("urn:x", "care_relationship", "healthcare_service", "system"), "ATT-43"),
    "details of another system": (
        put({"code": "BEHANDLER", "system": "urn:x"}, "care_relationship", "purpose_of_use_details"),
        "ATT-43",
    ),
    "decision left out": (without("care_relationship", "decision_ref"), "ATT-46"),
    "decision without id": (without("care_relationship", "decision_ref", "id"), "ATT-46"),
    "decision by nobody": (without("care_relationship", "decision_ref", "user_selected"), "ATT-46"),
    "two patients": (other_patient_too, "ATT-4"),
    "the same patient twice": (lambda said: said["patients"].append(said["patients"][0]), "ATT-4"),
    "patient without system": (put([{"identifier": {"id": PATIENT}}], "patients"), "ATT-4"),
    "patient without identifier": (put([{}], "patients"), "ATT-4"),
    "patient of a local system": (put([{"identifier": {"id": PATIENT, "system": "HNR"}}], "patients"), "ATT-4"),
    "no time": (without("toa"), "ATT-58"),
    "made an hour ago": (put(TOA - 3600, "toa"), "ATT-58"),
    "made in six seconds": (put(TOA + 6, "toa"), "ATT-58"),
    "made in milliseconds": (put(TOA * 1000, "toa"), "ATT-58"),
    "made before time began": (put(-(2**62), "toa"), "ATT-58"),
    "a text that turns the line": (
        put("a\u202eb", "care_relationship", "decision_ref", "description"),
        "section 5.1",
    ),
    "a text of two lines": (put("a\nb", "care_relationship", "decision_ref", "description"), "section 5.1"),
    "an endless text": (put("x" * 501, "care_relationship", "decision_ref", "description"), "section 5.1"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_attestation_is_refused_by_its_rule(name: str) -> None:
    change, rule = BROKEN[name]
    said = details()
    change(said)
    refusal = await refused(claims(said))
    assert refusal.rule == rule
    assert not any(number in str(refusal) for number in (DOCTOR, PATIENT, OTHER))


def test_every_rule_is_broken_by_some_test() -> None:
    assert {demand.rule for demand in DEMANDS} == {rule for _, rule in BROKEN.values()}


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


async def test_whoever_has_no_hpr_number_is_attested_without_one() -> None:
    said = details()
    del said["practitioner"]["hpr_nr"]
    del said["practitioner"]["authorization"]
    who = await made(claims(said, hpr=""))
    assert (who.hpr, who.authorization) == ("", "")


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
