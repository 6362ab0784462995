"""The attributes of an assertion: what they say is what a token says, so the caller is the same, and so is the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from assertions import (
    HL7,
    METADATA,
    NEW,
    OLD,
    POLICY,
    Said,
    attribute,
    ce,
    citizens,
    cx,
    ii,
    of_a_citizen,
    of_staff,
    staffs,
)
from attested import DOCTOR, NOW, OID, OTHER, OWN_UNITS, PATIENT, TOA, details, digest
from clinic import errand
from forgeries import ISSUER_JWKS, ISSUER_KEY, sealed
from kjerne.access import PORTAL, Caller, Denial, Grant
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.policy.caller import Registered, caller
from kjerne.policy.claims import Claims, Code, Identifier
from kjerne.policy.rules import decide
from kjerne.settings import Settings
from kjerne.wire import xua
from kjerne.wire.jwks import FixedKeys
from kjerne.wire.oauth import Verifier
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted
from policy.cast import CONSUMER, COURSE, PARENT, patient

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "xca"
URL = "https://kjerne.example/x"
SETTINGS = Settings()
BASIS = {"": "", "0": "", "4": "UNNTAK", "5": "FORHOYET_SAMTYKKE", "6": "AKUTT", "7": "FORHOYET_AKUTT", "8": "SAMTYKKE"}
HER = patient(digests=frozenset({digest(PATIENT)}), ties=(replace(COURSE, organisation="999999902"),))


async def fresh(_: bytes, __: int) -> bool:
    return True


TOKENS = Verifier("https://sts.example", "nhn:pps", FixedKeys(ISSUER_JWKS), FixedClock(NOW), fresh)
ASSERTIONS = Assertions(trusted(METADATA), ("nhn:pps",), FixedClock(NOW), seconds=290)


async def of_claims(claims: Claims) -> Caller | str:
    """The caller, or the name of the rule that refused."""

    async def register(hpr: str) -> Registered | None:
        known = Registered(digest(DOCTOR), frozenset({"LE", "SP"}), datetime(2000, 1, 1, tzinfo=UTC).date())
        return known if hpr == "9001" else None

    async def part_of(unit: str, owner: str) -> bool:
        return (unit, owner) in OWN_UNITS

    try:
        return await caller(claims, FixedClock(NOW), SETTINGS, digest, register, part_of)
    except Refusal as refusal:
        return refusal.rule


async def by_token(said: Mapping[str, Any]) -> Caller | str:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "one"}
    plain = {"iss": "https://sts.example", "aud": "nhn:pps", "exp": TOA + 600, "cnf": {"jkt": "x"}}
    return await of_claims(await TOKENS.access_token(sealed(header, plain | said, ISSUER_KEY).encode()))


async def by_assertion(said: Said) -> Caller | str:
    return await of_claims(ASSERTIONS.check("POST", URL, [said.header()]).claims)


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30).filter(
    lambda text: not text.strip().startswith("<")  # a name that begins so is read as an element, and refused
)
NAMES = st.sampled_from([(NEW,), (OLD,), (OLD, NEW)])


def mostly(*good: Any, seldom: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """One of the good values; one time in some twenty another."""
    return st.sampled_from([*good * 20, *seldom])


@st.composite
def attestations(draw: st.DrawFn) -> dict[str, Any]:
    """Whatever a journal system could say of one doctor and at most one patient: good, careless or wrong."""
    said = details()
    who, care = said["practitioner"], said["care_relationship"]
    who["authorization"]["code"] = draw(mostly("LE", "SP", "", seldom=("ZZ",)))
    who["legal_entity"]["id"] = draw(mostly("999999901", seldom=("999999906",)))
    who["point_of_care"]["id"] = draw(mostly("999999901", "999999902", seldom=("999999908", "")))
    who["hpr_nr"]["id"] = draw(mostly("9001", seldom=("9002",)))
    local = {"id": "7", "system": "urn:oid:2.16.578.1.999"}
    department = draw(
        mostly(None, {"id": "4208723", "system": f"{OID}.4.102"}, local | {"authority": "999999901"}, seldom=(local,))
    )
    who["department"] = department
    if department is None:
        del who["department"]
    care["purpose_of_use"]["code"] = draw(mostly("TREAT", "ETREAT", "COC", "BTG", seldom=("CAREMGT", "")))
    if draw(st.booleans()):
        care["healthcare_service"]["system"] = draw(mostly(f"{OID}.1.8655", f"{OID}.1.8663", seldom=(f"{OID}.1.1",)))
    else:
        del care["healthcare_service"]
        care["purpose_of_use_details"] = {
            "code": "BEHANDLER",
            "system": "urn:AuditEventHL7Norway/CodeSystem/carerelation",
        }
    care["decision_ref"] = {
        "id": draw(mostly("42", "a&b<c", seldom=("",))), "description": draw(WORDS),
        "user_selected": draw(mostly(True, False, seldom=(None,))),
    }  # fmt: skip
    if draw(st.booleans()):
        unit = draw(mostly("999999901", "999999902", "", seldom=("999999908",)))
        said["patients"][0]["point_of_care"] = {"id": unit, "system": f"{OID}.4.101"}
    if draw(st.integers(0, 9)) == 0:
        said["patients"] = []
    said["toa"] = TOA + draw(st.integers(-280, 5))
    return said


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(attestations(), NAMES, WORDS, mostly("4", seldom=("3",)), mostly(*BASIS, seldom=("1", "9")))
async def test_an_assertion_makes_the_caller_that_a_token_with_the_same_content_makes(
    said: dict[str, Any], names: Any, name: str, level: str, policy: str
) -> None:
    name = name.strip()
    token = {
        "jti": "_same-name", "client_id": "epj", "name": name, "scope": "nhn:pps/provesvar-read",
        "helseid://claims/identity/pid": DOCTOR, "helseid://claims/identity/security_level": level,
        "helseid://claims/hpr/hpr_number": said["practitioner"]["hpr_nr"]["id"],
        "helseid://claims/client/claims/orgnr_parent": said["practitioner"]["legal_entity"]["id"],
        "helseid://claims/client/claims/orgnr_child": said["practitioner"]["point_of_care"]["id"],
        "authorization_details": [said],
    }  # fmt: skip
    parts = staffs(said, name) | {"level": level, "policy": policy and POLICY + policy}
    one, other = await by_token(token), await by_assertion(
        of_staff(NOW + timedelta(seconds=said["toa"] - TOA), names=names, parts=parts, id="_same-name")
    )  # fmt: skip
    if isinstance(one, str) or policy not in BASIS:
        assert other == (one if isinstance(one, str) else "access-policy")
        return
    assert isinstance(other, Caller)
    # Each is good for as long as its own issuer says.
    assert other == replace(one, basis=BASIS[policy], until=other.until)
    assert answered(one, BASIS[policy]) == answered(other, "")


def answered(who: Caller, basis: str) -> tuple[str, str, str, bool]:
    """What the law says to her, with the basis in a header or signed."""
    answer: Grant | Denial = decide(replace(who, parts=(CONSUMER,)), HER, "results", "search", basis=basis, now=NOW)
    granted = isinstance(answer, Grant)
    return (answer.rule, answer.purpose, answer.basis, True) if granted else (answer.rule, "", "", False)  # type: ignore[union-attr]


ERRANDS = st.tuples(st.sampled_from(["PATRQT", "FAMRQT", "PWATRNY", "13"]), st.sampled_from("0123789"))


@settings(max_examples=100, deadline=None)
@given(
    ERRANDS, st.sampled_from([PATIENT, OTHER]), NAMES, st.sampled_from(["kjerne:citizen", f"kjerne:citizen {PORTAL}"])
)
async def test_a_citizens_assertion_makes_the_caller_that_her_token_from_the_portal_makes(
    visit: tuple[str, str], about: str, names: Any, scope: str
) -> None:
    purpose, policy = visit
    said = errand(about, xua.CITIZEN_BY_POLICY.get(policy, "13") if purpose == "13" else purpose, policy)
    token = {
        "jti": "_same-name", "client_id": "portal", "act": {"sub": "portal"}, "name": "Pasient Prøve", "scope": scope,
        "helseid://claims/identity/pid": PATIENT, "helseid://claims/identity/security_level": "4",
        "helseid://claims/client/claims/orgnr_parent": "999999905",
        "authorization_details": [said],
    }  # fmt: skip
    parts = citizens(about, purpose, POLICY + policy) | {"scope": scope}
    one = await by_token(token)
    other = await by_assertion(of_a_citizen(NOW, parts=parts, names=names, id="_same-name"))
    if purpose == "13" and policy not in xua.CITIZEN_BY_POLICY:
        assert isinstance(other, str)  # an old purpose that no access policy explains is none
    else:
        lasts = one if isinstance(one, str) else replace(one, until=other.until if isinstance(other, Caller) else 0)
        assert lasts == other
    child = patient(age=8, caller_key=7, ties=(PARENT,), digests=frozenset({digest(OTHER)}), lives_with_parent=True)
    if isinstance(other, Caller):
        assert isinstance(one, Caller)
        assert decide(one, child, "results", "read", now=NOW) == replace_caller(other, one, child)


def replace_caller(other: Caller, one: Caller, child: Any) -> Grant | Denial:
    return replace(decide(other, child, "results", "read", now=NOW), caller=one)


def told(**parts: str) -> Claims:
    """The claims of the doctor's assertion with some parts exchanged."""
    said = of_staff(NOW, parts={part: value for part, value in (staffs() | parts).items() if value})
    return ASSERTIONS.check("POST", URL, [said.header()]).claims


def test_the_old_purposes_of_iso_are_the_new_ones() -> None:
    for old, new in (("1", "TREAT"), ("2", "ETREAT")):
        purpose = ce("PurposeOfUse", {"code": old, "system": "1.0.14265.1"})
        assert told(purpose=purpose).attestations[0].care_relationship.purpose_of_use == Code(new, "", HL7)
    other = told(purpose=ce("PurposeOfUse", {"code": "5", "system": "1.0.14265.1"}))
    assert other.attestations[0].care_relationship.purpose_of_use.system == "urn:oid:1.0.14265.1"


def test_a_patient_is_a_cx_an_ii_or_a_cx_escaped_once_too_often() -> None:
    her = Identifier(PATIENT, system=f"{OID}.4.1")
    for text in (cx({"id": PATIENT, "system": her.system}), f"{PATIENT}^^^&amp;{OID[8:]}.4.1&amp;ISO",
                 ii({"id": PATIENT, "system": her.system})):  # fmt: skip
        assert told(patient=text).attestations[0].patients[0].identifier == her


def test_what_is_absent_is_empty_and_what_is_not_read_is_passed_over() -> None:
    bare = Said(NOW, parts={"home": "urn:oid:1.2.3"}, more="")
    claims = ASSERTIONS.check("POST", URL, [bare.header()]).claims
    assert (claims.client, claims.scopes, claims.level, claims.hpr) == ("https://xua.example", frozenset(), 0, "")
    (said,) = claims.attestations
    assert said.patients == () and said.care_relationship.decision_ref.user_selected is None
    assert said.practitioner.identifier == Identifier(DOCTOR, system=f"{OID}.4.1")


def test_the_number_of_a_citizen_never_becomes_an_hpr_number() -> None:
    for parts in (
        {"npi": PATIENT, "provider": ""},
        {"provider": ii({"id": PATIENT, "system": f"{OID}.4.4"}), "npi": ""},
    ):
        assert told(**parts).hpr == ""


def test_a_value_may_be_an_element_and_no_more_than_one() -> None:
    role = '<Role xmlns="urn:hl7-org:v3" code="LE" codeSystem="2.16.578.1.12.4.1.1.9060"/>'
    plain = attribute(NEW["role"], "ROLE")

    def claims(inside: str) -> Claims:
        parts = {part: value for part, value in staffs().items() if part != "role"}
        end = "</saml:AttributeStatement>"
        said = of_staff(NOW, parts=parts, before=lambda text: text.replace(end, plain.replace("ROLE", inside) + end))
        return ASSERTIONS.check("POST", URL, [said.header()]).claims

    assert claims(role).attestations[0].practitioner.authorization == Code("LE", system=f"{OID}.1.9060")
    for wrong in (role + role, "x" + role, role + "x"):
        with pytest.raises(Refusal, match="neither a text nor one element"):
            claims(wrong)


def samples() -> list[Path]:
    return sorted(path for path in SAMPLES.glob("*.xml") if b"<saml:Assertion" in path.read_bytes())


@pytest.mark.skipif(not samples(), reason="the public samples are not beside this checkout")
@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_every_public_sample_is_read_under_its_old_names_and_new(path: Path) -> None:
    text = re.sub("<!--.*?-->", "", path.read_text(encoding="utf-8-sig"), flags=re.DOTALL)
    signed = etree.fromstring(text.strip()).xpath("descendant-or-self::*[local-name()='Assertion']")[0]
    claims = xua.claims_of(signed, "https://issuer.example", NOW)
    assert len(claims.pid) == 11 and claims.level == 4 and len(claims.organisation) == 9
    if claims.errands:
        assert claims.hpr == "" and len(claims.errands[0].patient.id) == 11
        assert claims.errands[0].purpose_of_use.code in ("PATRQT", "FAMRQT", "PWATRNY")
    else:
        (said,) = claims.attestations
        assert said.practitioner.authorization.code == "LE" and said.patients[0].identifier.system == f"{OID}.4.1"
        assert said.care_relationship.purpose_of_use == Code("TREAT", "Treatment", HL7)
