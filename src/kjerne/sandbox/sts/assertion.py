"""XUA assertions of the sandbox: what one of its access tokens says, said in SAML, under the new names and the old.

So an integrator can try the national SAML path with the same people and attestations, and a test can hold that both
ways make the same caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509

from kjerne.clock import Clock
from kjerne.wire import xua
from kjerne.wire.jws import SigningKey
from kjerne.wire.xua_signing import METADATA_TYPE, Signer, ce, cx, decision, ii, self_signed

__all__ = ["ASSERTION_SECONDS", "METADATA_TYPE", "AssertionMint"]

ASSERTION_SECONDS: Final = 300
_HELSEID: Final = "helseid://claims/"


@dataclass(frozen=True, slots=True)
class AssertionMint:
    """Makes assertions of one issuer, with a certificate of its own over the sandbox's key."""

    key: SigningKey
    signer: Signer

    @classmethod
    def of(cls, issuer: str, key: SigningKey, clock: Clock) -> AssertionMint:
        """Its certificate is made anew at each start: nobody keeps it, since metadata are read from the same place."""
        return cls(key, Signer(issuer, key.key, self_signed("kjerne sandbox", key.key), clock))

    @property
    def certificate(self) -> x509.Certificate:
        return self.signer.certificate

    def metadata(self) -> bytes:
        """SAML 2.0 metadata: the issuer's name and its certificate."""
        return self.signer.metadata()

    def assertion(self, said: Mapping[str, Any]) -> bytes:
        """What an access token says, as an assertion that is good for one request."""
        return self.signer.assertion(said[_HELSEID + "identity/pid"], said["aud"], _parts(said), ASSERTION_SECONDS)


def _parts(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The attributes by part (`wire.xua.NAMES`): whose login it is, then what her details say."""
    details = said["authorization_details"][0]
    hpr = said.get(_HELSEID + "hpr/hpr_number", "")
    yield "name", said["name"]
    yield "level", said[_HELSEID + "identity/security_level"]
    yield "client", said["client_id"]
    yield "scope", ",".join(said["scope"])
    if hpr:
        yield "npi", hpr
        yield "provider", ii({"id": hpr, "system": xua.HPR_SYSTEM})
    if "patient" in details:
        for part, claim in (("organisation", "orgnr_parent"), ("unit", "orgnr_child")):
            yield part, ii({"id": said[f"{_HELSEID}client/claims/{claim}"], "system": xua.ORGANISATION_SYSTEM})
        yield from _errand(details)
    else:
        yield from _attestation(details)


def _errand(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "purpose", ce("PurposeOfUse", details["purpose_of_use"])
    yield "patient", cx(details["patient"])
    yield "policy", details["access_policy"]


def _attestation(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    who, care = details["practitioner"], details["care_relationship"]
    for part, member in (("organisation", "legal_entity"), ("unit", "point_of_care"), ("department", "department")):
        if member in who:
            yield part, ii(who[member])
    yield "role", ce("Role", who["authorization"])
    yield "purpose", ce("PurposeOfUse", care["purpose_of_use"])
    for part, tag, member in (
        ("service", "HealthcareService", "healthcare_service"),
        ("details", "PurposeOfUseDetails", "purpose_of_use_details"),
    ):
        if member in care:
            yield part, ce(tag, care[member])
    yield "decision", decision(care["decision_ref"])
    for patient in details["patients"]:
        yield "patient", cx(patient["identifier"])
