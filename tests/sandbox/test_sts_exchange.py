"""Token exchange at the sandbox's provider: a login at the portal becomes the citizen's token, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from kjerne.client import Known, attestation, errand
from kjerne.errors import Refusal
from kjerne.openid import Held, Login
from kjerne.policy.claims import Claims, Code, Identifier, Representation
from kjerne.sandbox.sts.app import asserted
from kjerne.sandbox.sts.clients import AUDIENCES, STAFF_CLIENT
from kjerne.wire import jws
from kjerne.wire.jws import SigningKey
from kjerne.wire.saml import Assertions
from kjerne.wire.saml_trust import trusted

from .test_sts import CITIZEN, DOCTOR, HOME, NOW, SIGNER, STS, House, house

__all__ = ["house"]

CHILD = "03835098765"
LOGIN = {"scope": "openid helseid://scopes/identity/pid", "test_pid": CITIZEN}
ASKED = {
    "scope": "kjerne:citizen kjerne:portal",
    "authorization_details": json.dumps([errand(CHILD, CITIZEN, "FAMRQT")]),
}
Forged = Callable[[House, str], str]


def exchanged(house: House, client: str = "portal", token: Forged = lambda _, token: token, **changes: str) -> Held:
    """The citizen logged in at `client` exchanged for a token; a value `-` is left out."""
    login = house.login(client)
    held = str(login.person(LOGIN).answer["id_token"])
    asked = {name: value for name, value in (ASKED | changes).items() if value != "-"}
    return login.exchanged(token(house, held), asked)


async def test_the_token_is_the_citizens_with_the_portal_as_actor_and_her_errand(house: House) -> None:
    held = exchanged(house)
    claims = await house.claims(held)
    assert (claims.pid, claims.level, claims.client, claims.actor) == (CITIZEN, 4, "portal", "portal")
    assert (claims.organisation, claims.suborganisation) == ("999999905", "999999905")
    policy = "urn:oid:2.16.578.1.12.4.1.7.2.1.1"
    purpose = Code("FAMRQT", system="urn:oid:2.16.840.1.113883.1.11.20448")
    child = Identifier(CHILD, system="urn:oid:2.16.578.1.12.4.1.4.1")
    assert claims.errands == (Representation(child, purpose, policy),)
    assert claims.scopes == {"kjerne:citizen", "kjerne:portal"}
    assert held.answer["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"


def test_a_login_at_the_portal_alone_opens_nothing(house: House) -> None:
    for scope in ("kjerne:citizen", "kjerne:portal", "openid kjerne:citizen kjerne:portal"):
        with pytest.raises(Refusal) as caught:
            house.login("portal").person(LOGIN | {"scope": scope})
        assert caught.value.code == "invalid_scope"


def of_another_client(house: House, _: str) -> str:
    return str(house.login("shop").person(LOGIN).answer["id_token"])


def an_access_token(house: House, _: str) -> str:
    return house.login("portal").person(LOGIN).token


def signed_by(key: SigningKey, header: Mapping[str, str], **changes: Any) -> Forged:
    """The login's token with other claims, signed anew."""

    def change(_: House, token: str) -> str:
        said = json.loads(jws.decoded(token.split(".")[1].encode()))
        return jws.sign(key, {"typ": "JWT", **header}, said | changes)

    return change


def with_another_person(_: House, token: str) -> str:
    """The payload exchanged, the signature kept."""
    head, body, seal = token.split(".")
    said = json.loads(jws.decoded(body.encode())) | {"helseid://claims/identity/pid": DOCTOR}
    return f"{head}.{jws.encoded(json.dumps(said).encode())}.{seal}"


def grown_old(house: House, token: str) -> str:
    house.clock.move(timedelta(seconds=300))
    return token


PID = "helseid://claims/identity/pid"
FORGED: dict[str, tuple[Forged, str]] = {
    "of another client": (of_another_client, "invalid_grant"),
    "an access token": (an_access_token, "invalid_grant"),
    "another person's number in it": (with_another_person, "invalid_grant"),
    "signed by somebody else": (signed_by(SigningKey.generate(), {}), "invalid_grant"),
    "of another type": (signed_by(SIGNER, {"typ": "logout+jwt"}), "invalid_grant"),
    "about nobody here": (signed_by(SIGNER, {}, **{PID: "04845011111"}), "invalid_grant"),
    "without a person": (signed_by(SIGNER, {}, **{PID: None}), "invalid_grant"),
    "of another issuer": (signed_by(SIGNER, {}, iss=STS + "/"), "invalid_grant"),
    "for several": (signed_by(SIGNER, {}, aud=["portal", "shop"]), "invalid_grant"),
    "expired": (grown_old, "invalid_grant"),
    "no token": (lambda *_: "", "invalid_grant"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_subject_token_is_refused_that_is(house: House, name: str) -> None:
    forged, code = FORGED[name]
    with pytest.raises(Refusal) as caught:
        exchanged(house, token=forged)
    assert caught.value.code == code
    assert CITIZEN not in str(caught.value) and DOCTOR not in str(caught.value)


TWO = json.dumps([errand(CHILD, CITIZEN, "FAMRQT")] * 2)
ASKED_WRONGLY: dict[str, tuple[dict[str, str], str]] = {
    "a subject token of another type": ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
    "an actor of its own": ({"actor_token": "x", "actor_token_type": "y"}, "invalid_request"),
    "a token of another type": ({"requested_token_type": "urn:x"}, "invalid_request"),
    "staff's scope": ({"scope": "nhn:pps/provesvar-read"}, "invalid_scope"),
    "the operator's scope": ({"scope": "kjerne:portal kjerne:operations"}, "invalid_scope"),
    "no scope": ({"scope": "-"}, "invalid_scope"),
    "another audience": ({"resource": "nhn:pps"}, "invalid_target"),
    "no errand": ({"authorization_details": "-"}, "invalid_authorization_details"),
    "two errands": ({"authorization_details": TWO}, "invalid_authorization_details"),
    "an errand of the wrong kind": (
        {"authorization_details": '[{"type": "kjerne:representation", "patient": 7}]'},
        "invalid_authorization_details",
    ),
    "details of another type": (
        {"authorization_details": '[{"type": "nhn:tillitsrammeverk:parameters"}]'},
        "invalid_authorization_details",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED_WRONGLY)
def test_an_exchange_is_refused_that_asks_for(house: House, name: str) -> None:
    changes, code = ASKED_WRONGLY[name]
    with pytest.raises(Refusal) as caught:
        exchanged(house, **changes)
    assert caught.value.code == code


@pytest.mark.parametrize("client", ["sandbox-citizen", "sandbox-epj", "lab"])
def test_no_client_but_a_portal_may_exchange(house: House, client: str) -> None:
    token = str(house.login("portal").person(LOGIN).answer["id_token"])
    with pytest.raises(Refusal) as caught:
        house.login(client).exchanged(token, ASKED)
    assert caught.value.code == "unauthorized_client"


def test_a_portal_has_no_token_of_its_own(house: House) -> None:
    with pytest.raises(Refusal) as caught:
        house.login("portal").machine({"scope": "kjerne:portal"})
    assert caught.value.code == "unauthorized_client"


def asserted_claims(house: House, text: str) -> Claims:
    """The claims of an assertion, trusted by the metadata that the provider tells."""
    metadata = house.http.get("/sts/saml/metadata")
    assert metadata.headers["content-type"] == "application/samlmetadata+xml"
    verifier = Assertions(trusted(metadata.content), AUDIENCES, house.clock)
    return verifier.check("GET", HOME + "/x", [(b"authorization", b"SAML " + text.encode())]).claims


def attested(house: House) -> Held:
    """The doctor's token, with an attestation."""
    known = Known(
        "gp", "practitioner", STAFF_CLIENT, organisation="999999901", point_of_care="999999902", authorization="LE"
    )
    said = attestation(known, CITIZEN, "COC", "vurderer <henvisning> & svar", at=int(NOW.timestamp()))
    return house.doctor(authorization_details=json.dumps([said]))


async def test_a_token_with_an_attestation_is_said_in_saml_and_says_the_same(house: House) -> None:
    held = attested(house)
    token, told = await house.claims(held), asserted_claims(house, house.login().in_saml(held))
    for claims in (token, told):
        assert (claims.pid, claims.hpr, claims.level, claims.client) == (DOCTOR, "9001", 4, STAFF_CLIENT)
    assert (told.scopes, told.organisation, told.suborganisation) == (
        token.scopes, token.organisation, token.suborganisation
    )  # fmt: skip
    one, other = token.attestations[0], told.attestations[0]
    assert other.patients == one.patients
    assert other.care_relationship == one.care_relationship
    assert other.practitioner.hpr_nr.id == one.practitioner.hpr_nr.id
    assert other.practitioner.authorization == one.practitioner.authorization


async def test_a_portals_token_is_said_in_saml_and_says_the_same(house: House) -> None:
    held = exchanged(house)
    token, told = await house.claims(held), asserted_claims(house, house.login("portal").in_saml(held))
    for name in ("pid", "client", "actor", "errands", "scopes", "level", "organisation", "suborganisation"):
        assert getattr(told, name) == getattr(token, name), name


def test_every_assertion_is_a_new_one(house: House) -> None:
    held = attested(house)
    names = {asserted_claims(house, house.login().in_saml(held)).jti for _ in range(3)}
    assert len(names) == 3


def another_clients(house: House) -> tuple[Login, Held]:
    return house.login("portal"), attested(house)


def another_keys(house: House) -> tuple[Login, Held]:
    held = attested(house)
    return house.login(), Held(held.token, SigningKey.generate(), held.expires_at)


def a_plain_login(house: House) -> tuple[Login, Held]:
    return house.login(), house.doctor()


def an_identity(house: House) -> tuple[Login, Held]:
    held = attested(house)
    return house.login(), Held(str(held.answer["id_token"]), held.key, held.expires_at)


def an_old_one(house: House) -> tuple[Login, Held]:
    held = attested(house)
    house.clock.move(timedelta(seconds=600))
    return house.login(), held


@pytest.mark.parametrize("given", [another_clients, another_keys, a_plain_login, an_identity, an_old_one])
def test_a_token_is_not_said_in_saml_that_is(house: House, given: Callable[[House], tuple[Login, Held]]) -> None:
    login, held = given(house)
    with pytest.raises(Refusal) as caught:
        login.in_saml(held)
    assert caught.value.code in ("invalid_grant", "invalid_request")


def test_the_provider_signs_assertions_with_the_key_of_its_tokens(house: House) -> None:
    assert asserted(HOME, SIGNER, house.clock).key is SIGNER
