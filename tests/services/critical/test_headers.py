"""The headers of the national interface of critical information: each is checked, and a refusal names it and never its value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.exchange import Call
from kjerne.services.critical.headers import heard

NUMBER = "02825054321"
ROLES = "urn:oid:2.16.578.1.12.4.1.1.9060"


def role(code: str = "LE", system: str = ROLES) -> str:
    return quote(json.dumps({"system": system, "code": code}))


RIGHT = {
    "nhn-patient-nin": NUMBER,
    "nhn-user-role": role(),
    "nhn-access-basis": "SAMTYKKE",
    "nhn-source-system": "EPJ 1.0",
    "nhn-event-id": str(uuid4()),
}


async def nobody(*_: Any, **__: Any) -> Any:
    raise AssertionError


def call(kind: str = "practitioner", **headers: str | None) -> Call:
    sent = RIGHT | {name.replace("_", "-"): value for name, value in headers.items()}
    authorization = "LE" if kind == "practitioner" else ""
    caller = Caller(kind, "epj", frozenset(), authorization=authorization)  # type: ignore[arg-type]
    there = {name: value for name, value in sent.items() if value is not None}
    return Call("GET", "/", datetime.now(UTC), "", caller, nobody, headers=there)


def refused(asked: Call) -> Refusal:
    with pytest.raises(Refusal) as caught:
        heard(asked)
    return caught.value


def test_patient_and_basis_are_said_in_the_words_of_the_house() -> None:
    found = heard(call(), type="Flag")
    assert (found.headers["person-id"], found.headers["access-basis"]) == (NUMBER, "SAMTYKKE")
    assert found.parameters == {"type": "Flag"}


def test_the_older_names_are_taken_as_well_and_both_with_two_values_are_not() -> None:
    older: dict[str, Any] = dict.fromkeys(RIGHT) | {
        f"hit-{name.removeprefix('nhn-')}": value for name, value in RIGHT.items()
    }
    assert heard(call(**older)).headers["person-id"] == NUMBER
    assert heard(call(hit_patient_nin=NUMBER)).headers["person-id"] == NUMBER
    assert refused(call(hit_patient_nin="03835098765")).where == "nhn-patient-nin"
    assert refused(call(person_id="03835098765")).where == "person-id"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("", ""), ("sAmTyKkE", "SAMTYKKE"), ("HPMOTTATTSAMTYKKE", "SAMTYKKE"), ("HPAKUTT", "AKUTT"), ("HPUNNTAK", "UNNTAK")],
)  # fmt: skip
def test_a_basis_is_known_by_its_names_here_and_before(sent: str, meant: str) -> None:
    assert heard(call(nhn_access_basis=sent or None)).headers["access-basis"] == meant


def test_all_that_is_missing_is_told_at_once() -> None:
    missing: dict[str, Any] = dict.fromkeys(RIGHT)
    refusal = refused(call(**missing))
    told = [refusal.where, *(one.where for one in refusal.faults)]
    assert (refusal.status, told) == (
        400, ["nhn-patient-nin", "nhn-user-role", "nhn-source-system", "nhn-event-id"],
    )  # fmt: skip
    assert refused(call(hit_source_system="x", nhn_source_system=None)).where == "hit-source-system"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nhn-user-role", "LE"),
        ("nhn-user-role", quote('{"code":"LE"}')),
        ("nhn-user-role", quote('["LE"]')),
        ("nhn-user-role", role(system="urn:oid:1.2.3")),
        ("nhn-user-role", role(code="")),
        ("nhn-access-basis", "BTG"),
        ("nhn-source-system", "x" * 2),
        ("nhn-source-system", "x" * 513),
        ("nhn-source-system", f"EPJ {NUMBER}"),
        ("nhn-event-id", "x" * 129),
        ("nhn-event-id", NUMBER),
    ],
)
def test_what_is_wrong_in_a_header_is_told_by_its_name_and_not_by_its_value(name: str, value: str) -> None:
    refusal = refused(call(**{name: value}))
    assert (refusal.status, refusal.where) == (400, name)
    assert name in refusal.says and NUMBER not in str(refusal)


def test_the_role_must_be_the_attested_one_but_for_the_portals_own_roles() -> None:
    assert heard(call(nhn_user_role=role("le")))
    assert heard(call(nhn_user_role=role(system="2.16.578.1.12.4.1.1.9060")))
    assert heard(call(nhn_user_role=role("17", "kjernejournal_userrole")))
    refusal = refused(call(nhn_user_role=role("SP")))
    assert (refusal.status, refusal.where) == (403, "nhn-user-role")


def test_a_citizen_has_no_role_to_send() -> None:
    assert heard(call("citizen", nhn_user_role=None))
