"""The verifier of assertions: what a national issuer sends is taken, nothing forged, wrapped, stolen or old is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey

from assertion_forgeries import CERTIFICATE_OF_HOLDER, FORGERIES, HOLDERS, confirmed, shifted
from assertions import (
    BEARER,
    CERTIFICATE,
    HOLDER,
    ISSUER,
    KEY,
    METADATA,
    NEW,
    OLD,
    THIEFS_CERTIFICATE,
    THIEFS_KEY,
    Said,
    certificate_text,
    held,
    metadata,
    of_a_citizen,
    of_staff,
)
from attested import DOCTOR, NOW, PATIENT
from forgeries import sealed
from kjerne.clock import FixedClock
from kjerne.errors import Refusal
from kjerne.policy.claims import Claims
from kjerne.sandbox.sts.assertion import AssertionMint
from kjerne.wire import soap
from kjerne.wire.dpop import token_hash
from kjerne.wire.jws import SigningKey
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted

URL = "https://kjerne.example/pps/v2/Observation/_search"


def verifier(raw: bytes = METADATA, now: datetime = NOW, **changes: Any) -> Assertions:
    return Assertions(trusted(raw), ("nhn:pps", "kjerne"), FixedClock(now), **changes)


def checked(said: Said, **changes: Any) -> Claims:
    return verifier(**changes).check("POST", URL, [said.header()]).claims


def refused(said: Said, *more: tuple[bytes, bytes], **changes: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        verifier(**changes).check("POST", URL, [said.header(), *more])
    return caught.value


@pytest.mark.parametrize("names", [(NEW,), (OLD,), (OLD, NEW), (NEW, OLD)], ids=["new", "old", "both", "both turned"])
def test_a_good_assertion_gives_the_claims_under_the_new_names_and_the_old(names: Any) -> None:
    claims = checked(of_staff(NOW, names=names, id="_one-assertion"))
    assert claims == checked(of_staff(NOW, id="_one-assertion"))
    assert (claims.pid, claims.name, claims.hpr, claims.level) == (DOCTOR, "Kari Prøve", "9001", 4)
    assert (claims.client, claims.jti, claims.scopes) == ("epj", "_one-assertion", {"nhn:pps/provesvar-read"})
    assert (claims.organisation, claims.suborganisation) == ("999999901", "999999902")
    assert claims.expires_at == int((NOW + timedelta(minutes=20)).timestamp())
    assert claims.attestations[0].toa == int(NOW.timestamp())


def test_a_citizens_assertion_is_her_errand_at_the_portal() -> None:
    claims = checked(of_a_citizen(NOW))
    assert (claims.pid, claims.hpr, claims.actor, claims.client) == (PATIENT, "", "portal", "portal")
    assert claims.attestations == () and claims.errands[0].purpose_of_use.code == "PATRQT"


@pytest.mark.parametrize("name", [name for name, one in FORGERIES.items() if one.status == 401])
def test_a_forged_assertion_is_refused(name: str) -> None:
    refusal = refused(FORGERIES[name].make(NOW))
    assert (refusal.status, refusal.rule, refusal.code) == (401, "invalid_token", "login")
    assert "SAML" in dict(refusal.headers)["www-authenticate"]
    assert DOCTOR not in str(refusal) and PATIENT not in str(refusal)


@pytest.mark.parametrize("name", [name for name, one in FORGERIES.items() if one.status == 403])
def test_what_the_law_refuses_is_a_genuine_assertion(name: str) -> None:
    assert checked(FORGERIES[name].make(NOW))


def test_no_forgery_is_one_by_accident() -> None:
    """The pieces that forgeries are made of hold when nothing is spoiled."""
    checked(of_staff(NOW, before=lambda text: text.replace("<saml:Subject>", "<saml:Subject> ", 1)))
    checked(confirmed(BEARER, '<saml:SubjectConfirmationData NotOnOrAfter="{future}" NotBefore="{past}"/>')(NOW))
    checked(confirmed(BEARER, f'<saml:SubjectConfirmationData Recipient="{URL}"/>')(NOW))
    assert sum(one.status == 401 for one in FORGERIES.values()) >= 70 and len(FORGERIES) >= 100


@pytest.mark.parametrize(("age", "taken"), [(-6, False), (-5, True), (0, True), (60, True), (61, False)])
def test_a_bearer_assertion_is_taken_for_a_minute_and_may_be_five_seconds_ahead(age: int, taken: bool) -> None:
    said = shifted(-age)(NOW)
    if taken:
        assert checked(said)
    else:
        assert refused(said).status == 401


@pytest.mark.parametrize(("after", "taken"), [(-1, True), (0, True), (4, True), (5, False)])
def test_an_assertion_ends_five_seconds_after_it_says(after: int, taken: bool) -> None:
    said, now = of_staff(NOW, life=timedelta(seconds=30)), NOW + timedelta(seconds=30 + after)
    if taken:
        assert checked(said, now=now)
    else:
        assert "expired" in refused(said, now=now).says


def test_each_assertion_has_a_name_in_the_table_of_what_was_used_and_its_issuer_is_part_of_it() -> None:
    one, other = of_staff(NOW, id="_first-one"), of_staff(NOW, id="_other-one")
    portals = of_a_citizen(NOW, id="_first-one")
    digests = [verifier().check("POST", URL, [said.header()]).digest for said in (one, one, other, portals)]
    assert digests[0] == digests[1] and len(set(digests)) == 3
    assert {len(digest) for digest in digests} == {16}


def test_an_issuer_that_changes_keys_is_known_by_both_and_an_old_certificate_by_none() -> None:
    both = metadata((ISSUER, THIEFS_CERTIFICATE), (ISSUER, CERTIFICATE))
    entities = both.replace(b'</EntityDescriptor><EntityDescriptor entityID="https://xua.example">', b"", 1)
    assert checked(of_staff(NOW), raw=entities) and checked(of_staff(NOW, key=THIEFS_KEY), raw=entities)
    late = datetime(2051, 1, 1, tzinfo=UTC)
    assert "not the issuer's" in refused(of_staff(late), now=late).says


def proof_for(said: bytes, key: Any, **changes: Any) -> tuple[bytes, bytes]:
    told = {"jti": "p", "htm": "POST", "htu": URL, "iat": int(NOW.timestamp()), "ath": token_hash(said)} | changes
    algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
    header = {"alg": algorithm, "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
    return b"dpop", sealed(header, told, key).encode()


def rsa_jwk(key: Any) -> RSAKey:
    return RSAKey.import_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_a_holder_of_the_key_proves_it_on_each_request_and_is_not_bound_to_a_minute() -> None:
    said = of_staff(NOW - timedelta(minutes=10), method=HOLDER, confirmation=HOLDERS)
    header = said.header()
    text = header[1].partition(b" ")[2]
    proof = proof_for(text, rsa_jwk(THIEFS_KEY))
    shown = verifier().check("POST", URL, [header, proof])
    assert shown.claims.pid == DOCTOR and shown.at == int(NOW.timestamp())
    wrong: list[Callable[[], tuple[bytes, bytes]]] = [
        lambda: proof_for(text, rsa_jwk(KEY)),
        lambda: proof_for(text, ECKey.generate_key("P-256")),
        lambda: proof_for(b"another", rsa_jwk(THIEFS_KEY)),
        lambda: proof_for(text, rsa_jwk(THIEFS_KEY), htm="GET"),
    ]
    for made in wrong:
        with pytest.raises(Refusal) as caught:
            verifier().check("POST", URL, [header, made()])
        assert caught.value.status == 401
    with pytest.raises(Refusal) as caught:
        verifier().check("POST", URL, [header, proof, proof])
    assert caught.value.status == 400


def test_a_key_on_a_curve_can_be_held_too() -> None:
    key = SigningKey.generate()
    made = AssertionMint.of("x", key, FixedClock(NOW)).certificate
    confirmation = CERTIFICATE_OF_HOLDER.format(certificate_text(made))
    header = of_staff(NOW, method=HOLDER, confirmation=confirmation).header()
    proof = proof_for(header[1].partition(b" ")[2], ECKey.import_key(dict(key.private_jwk())))
    assert verifier().check("POST", URL, [header, proof]).claims.pid == DOCTOR


def test_no_level_of_the_log_tells_what_an_assertion_holds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    checked(of_staff(NOW))
    assert DOCTOR not in caplog.text and PATIENT not in caplog.text


def test_two_assertions_in_two_headers_are_a_bad_request() -> None:
    assert refused(of_staff(NOW), of_staff(NOW).header()).status == 400


def test_the_sandboxs_own_assertions_are_verified_by_the_same_code() -> None:
    mint = AssertionMint.of("https://sts.example", SigningKey.generate(), FixedClock(NOW))
    assert list(trusted(mint.metadata())) == ["https://sts.example"]
    assert held("another")[1] != mint.certificate


NOT_READ_OF_AN_ENVELOPE = frozenset(
    {"a comment in the person's number", "a comment signed along", "CDATA", "an instruction"}
    | {"padded base64", "base64 of the other alphabet", "no XML"}
)
"""What the door of XML takes away before anything is looked at, and what only a header can have."""


def enveloped(said: Said) -> bytes:
    security, addressing = soap.SECURITY[1:-1], soap.ADDRESSING[1:-1]
    header = f"<a:Action>urn:a</a:Action><a:MessageID>urn:b:c</a:MessageID><s:Security xmlns:s='{security}'>".encode()
    begin = f"<e:Envelope xmlns:e='{soap.ENVELOPE[1:-1]}' xmlns:a='{addressing}'><e:Header>".encode()
    return begin + header + said.document() + b"</s:Security></e:Header><e:Body><x/></e:Body></e:Envelope>"


def carried(said: Said, **changes: Any) -> Claims:
    found = soap.opened(enveloped(said)).assertion
    if found is None:
        raise Refusal(401, "none")
    return verifier(**changes).carried(found, URL)


@pytest.mark.parametrize("name", [name for name, one in FORGERIES.items() if one.status == 401])
def test_in_an_envelope_no_forgery_says_anything_that_the_issuer_did_not(name: str) -> None:
    try:
        read = carried(FORGERIES[name].make(NOW))
    except (Refusal, soap.Failed):
        assert name not in NOT_READ_OF_AN_ENVELOPE
    else:
        assert name in NOT_READ_OF_AN_ENVELOPE
        assert replace(read, jti="") == replace(carried(of_staff(NOW)), jti="")


def test_in_an_envelope_an_assertion_is_good_as_long_as_the_setting_says_and_needs_no_proof_of_a_key() -> None:
    hour = timedelta(seconds=3_600)
    said = of_staff(NOW, life=2 * hour)
    assert carried(said, now=NOW + hour, seconds=3_600) == carried(said)
    with pytest.raises(Refusal, match="too long ago"):
        carried(said, now=NOW + hour + timedelta(seconds=1), seconds=3_600)
    with pytest.raises(Refusal, match="expired"):
        carried(said, now=NOW + 3 * hour, seconds=99_999)
    with pytest.raises(Refusal, match="names a key"):
        carried(confirmed(HOLDER, HOLDERS)(NOW))


def test_an_assertion_that_is_remembered_ends_with_its_confirmation_where_that_ends_first() -> None:
    clock = FixedClock(NOW)
    checks = Assertions(trusted(METADATA), ("nhn:pps",), clock, seconds=3_600)
    said = confirmed(BEARER, '<saml:SubjectConfirmationData NotOnOrAfter="{future}"/>')(NOW)
    found = soap.opened(enveloped(said)).assertion
    assert found is not None
    assert checks.carried(found, URL)
    clock.move(timedelta(seconds=300 + 5))
    with pytest.raises(Refusal, match="expired"):
        checks.carried(found, URL)


@pytest.mark.parametrize(
    "said", ['NotOnOrAfter="{past}"', 'NotBefore="{future}"', 'Recipient="https://other.example/"']
)
def test_what_a_confirmation_says_holds_behind_a_name_too(said: str) -> None:
    name = "<saml:NameID>portal</saml:NameID>"
    data = f"<saml:SubjectConfirmationData {said}/>"
    for inside in (data, name + data, '<saml:SubjectConfirmationData NotOnOrAfter="{future}"/>' + data):
        with pytest.raises(Refusal) as caught:
            carried(confirmed(BEARER, inside)(NOW))
        assert caught.value.status == 401
    assert carried(confirmed(BEARER, name)(NOW))


def test_an_assertion_that_is_remembered_ends_when_it_says_and_one_that_was_changed_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FixedClock(NOW)
    checks = Assertions(trusted(METADATA), ("nhn:pps",), clock, seconds=3_600)
    said = of_staff(NOW)
    found = soap.opened(enveloped(said)).assertion
    assert found is not None
    first = checks.carried(found, URL)
    with monkeypatch.context() as patched:
        patched.setattr(checks, "_verified", None)  # nothing is verified a second time
        assert checks.carried(found, URL) == first
        clock.move(said.life + timedelta(seconds=5))
        with pytest.raises(Refusal, match="expired"):
            checks.carried(found, URL)
    clock.at = NOW
    monkeypatch.setattr("kjerne.wire.saml.REMEMBERED_LIMIT", 1)
    another = soap.opened(enveloped(of_staff(NOW))).assertion
    assert another is not None
    assert checks.carried(another, URL)
    assert len(checks._carried) == 1
    next(found.iter("{*}NameID")).text = "01815012346"
    with pytest.raises(Refusal, match="does not hold"):
        checks.carried(found, URL)
