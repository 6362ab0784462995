"""A complete attestation as it stands in a token, the registers it is held against, and named forgeries of it.

Each forgery is one change and the rule of Tillitsrammeverket that refuses it. They are tried on the caller's rules alone,
and over HTTP in tokens that the issuer has signed: what a careless or dishonest journal system would get through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pytest

from kjerne.access import Caller
from kjerne.clock import Clock, FixedClock
from kjerne.errors import Refusal
from kjerne.policy.caller import Registered, caller
from kjerne.policy.claims import Claims
from kjerne.settings import Settings
from kjerne.wire import attestation

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TOA = int(NOW.timestamp())
DOCTOR, PATIENT, OTHER = "01815012345", "02825054321", "03835098765"
OID = "urn:oid:2.16.578.1.12.4.1"


Change = Callable[[dict[str, Any]], Any]


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


def said(*changes: Any) -> dict[str, Any]:
    """That attestation with some changes."""
    tree = details()
    for change in changes:
        change(tree)
    return tree


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


@cache
def _settings(minutes: int) -> Settings:
    return Settings(attestation_minutes=minutes)


async def made(
    given: Claims, registered: Registered | None = REGISTERED, clock: Clock | None = None, minutes: int = 60
) -> Caller:
    async def register(hpr: str) -> Registered | None:
        return registered if hpr == "9001" else None

    async def part_of(unit: str, owner: str) -> bool:
        return (unit, owner) in OWN_UNITS

    return await caller(given, clock or FixedClock(NOW), _settings(minutes), digest, register, part_of)


async def refused(given: Claims, registered: Registered | None = REGISTERED) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await made(given, registered)
    assert caught.value.status == 403
    return caught.value


def without(*path: str) -> Change:
    def change(said: dict[str, Any]) -> None:
        for name in path[:-1]:
            said = said[name]
        del said[path[-1]]

    return change


def put(value: Any, *path: str) -> Change:
    def change(said: dict[str, Any]) -> None:
        for name in path[:-1]:
            said = said.setdefault(name, {})
        said[path[-1]] = value

    return change


def other_patient_too(said: dict[str, Any]) -> None:
    said["patients"].append({"identifier": {"id": OTHER, "system": f"{OID}.4.1"}})


def treated(unit: str) -> Change:
    """The patient's own point of care and department."""

    def change(said: dict[str, Any]) -> None:
        said["patients"][0]["point_of_care"] = {"id": unit, "system": f"{OID}.4.101"}
        said["patients"][0]["department"] = {"id": "4208723", "system": f"{OID}.4.102"}

    return change


ATTESTATION: dict[str, tuple[Change, str]] = {
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
    "HPR number of another system": (put(f"{OID}.4.101", "practitioner", "hpr_nr", "system"), "ATT-29"),
    "HPR number without system": (without("practitioner", "hpr_nr", "system"), "ATT-29"),
    "HPR number with a zero in front": (put("09001", "practitioner", "hpr_nr", "id"), "ATT-29"),
    "an authorization she has not": (put("SP", "practitioner", "authorization", "code"), "ATT-32"),
    "an authorization of another system": (put("urn:x", "practitioner", "authorization", "system"), "ATT-32"),
    "legal entity left out": (without("practitioner", "legal_entity"), "ATT-15"),
    "legal entity of eight digits": (put("99999990", "practitioner", "legal_entity", "id"), "ATT-15"),
    "legal entity of another system": (put(f"{OID}.4.102", "practitioner", "legal_entity", "system"), "ATT-15"),
    "another organisation than the token's": (put("999999909", "practitioner", "legal_entity", "id"), "ATT-2, ATT-13"),
    "point of care left out": (without("practitioner", "point_of_care"), "ATT-18"),
    "another hospital's unit": (put("999999908", "practitioner", "point_of_care", "id"), "ATT-18, ATT-19"),
    "a unit nobody registered": (put("999999907", "practitioner", "point_of_care", "id"), "ATT-18, ATT-19"),
    "department without system": (without("practitioner", "department", "system"), "ATT-28"),
    "local department of nobody": (put("urn:x:units", "practitioner", "department", "system"), "ATT-28"),
    "local department of another entity": (
        put({"id": "7", "system": "urn:x:units", "authority": "999999909"}, "practitioner", "department"),
        "ATT-28",
    ),
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
    "patient treated at no number": (treated("Legevakta"), "ATT-49"),
    "patient treated at another's unit": (treated("999999908"), "ATT-51"),
    "patient's department without her point of care": (treated(""), "ATT-56"),
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
    "an endless name": (put("x" * 501, "practitioner", "point_of_care", "name"), "section 5.1"),
    "an endless text": (put("x" * 501, "care_relationship", "decision_ref", "description"), "section 5.1"),
}
