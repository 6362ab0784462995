"""XUA assertions of the sandbox: what one of its access tokens says, said in SAML, under the new names and the old.

So an integrator can try the national SAML path with the same people and attestations, and a test can hold that both
ways make the same caller.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from kjerne.clock import Clock
from kjerne.wire import xua
from kjerne.wire.jws import SigningKey

ASSERTION_SECONDS: Final = 300
METADATA_TYPE: Final = "application/samlmetadata+xml"
_SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
_META: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
_DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_HELSEID: Final = "helseid://claims/"
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_CLASS: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"
_ISO_BASIC: Final = "%Y-%m-%dT%H:%M:%S.000Z"


@dataclass(frozen=True, slots=True)
class AssertionMint:
    """Makes and signs assertions of one issuer, with a certificate of its own over the sandbox's key."""

    issuer: str
    key: SigningKey
    certificate: x509.Certificate
    clock: Clock

    @classmethod
    def of(cls, issuer: str, key: SigningKey, clock: Clock) -> AssertionMint:
        """Its certificate is made anew at each start: nobody keeps it, since metadata are read from the same place."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kjerne sandbox")])
        begins = datetime(2026, 1, 1, tzinfo=UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=36_500))
            .sign(key.key, hashes.SHA256())
        )
        return cls(issuer, key, made, clock)

    def metadata(self) -> bytes:
        """SAML 2.0 metadata: the issuer's name and its certificate."""
        der = base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()
        info = _element(_DSIG, "KeyInfo", _element(_DSIG, "X509Data", _element(_DSIG, "X509Certificate", der)))
        role = _element(
            _META,
            "IDPSSODescriptor",
            _element(_META, "KeyDescriptor", info, use="signing"),
            protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol",
        )
        return etree.tostring(_element(_META, "EntityDescriptor", role, entityID=self.issuer))

    def assertion(self, said: Mapping[str, Any]) -> bytes:
        """What an access token says, as an assertion that is good for one request."""
        root = self._unsigned(said)
        signer = XMLSigner(
            signature_algorithm=SignatureMethod.ECDSA_SHA256,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        signed = signer.sign(
            root, key=self.key.key, cert=[self.certificate], reference_uri=root.get("ID"), id_attribute="ID"
        )
        return etree.tostring(signed)

    def _unsigned(self, said: Mapping[str, Any]) -> etree._Element:
        now = self.clock.now()
        at, until = (instant.strftime(_ISO_BASIC) for instant in (now, now + timedelta(seconds=ASSERTION_SECONDS)))
        statement = _saml("AttributeStatement")
        for part, text in _parts(said):
            for name in xua.NAMES[part]:
                statement.append(_saml("Attribute", _saml("AttributeValue", text), Name=name))
        return _saml(
            "Assertion",
            _saml("Issuer", self.issuer),
            _element(_DSIG, "Signature", Id="placeholder"),
            _saml(
                "Subject",
                _saml("NameID", said[_HELSEID + "identity/pid"]),
                _saml("SubjectConfirmation", Method=_BEARER),
            ),
            _saml(
                "Conditions",
                _saml("AudienceRestriction", _saml("Audience", said["aud"])),
                NotBefore=at,
                NotOnOrAfter=until,
            ),
            statement,
            _saml("AuthnStatement", _saml("AuthnContext", _saml("AuthnContextClassRef", _CLASS)), AuthnInstant=at),
            ID="_" + secrets.token_hex(16),
            IssueInstant=at,
            Version="2.0",
        )


def _saml(tag: str, *inside: etree._Element | str, **attributes: str) -> etree._Element:
    return _element(_SAML, tag, *inside, **attributes)


def _element(namespace: str, tag: str, *inside: etree._Element | str, **attributes: str) -> etree._Element:
    prefixes: Any = {None: namespace}
    made = etree.Element(f"{{{namespace}}}{tag}", attributes, nsmap=prefixes)
    for one in inside:
        if isinstance(one, str):
            made.text = one
        else:
            made.append(one)
    return made


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
        yield "provider", _ii({"id": hpr, "system": xua.HPR_SYSTEM})
    if "patient" in details:
        for part, claim in (("organisation", "orgnr_parent"), ("unit", "orgnr_child")):
            yield part, _ii({"id": said[f"{_HELSEID}client/claims/{claim}"], "system": xua.ORGANISATION_SYSTEM})
        yield from _errand(details)
    else:
        yield from _attestation(details)


def _errand(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "purpose", _ce("PurposeOfUse", details["purpose_of_use"])
    yield "patient", _cx(details["patient"])
    yield "policy", details["access_policy"]


def _attestation(details: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    who, care = details["practitioner"], details["care_relationship"]
    for part, member in (("organisation", "legal_entity"), ("unit", "point_of_care"), ("department", "department")):
        if member in who:
            yield part, _ii(who[member])
    yield "role", _ce("Role", who["authorization"])
    yield "purpose", _ce("PurposeOfUse", care["purpose_of_use"])
    for part, tag, member in (
        ("service", "HealthcareService", "healthcare_service"),
        ("details", "PurposeOfUseDetails", "purpose_of_use_details"),
    ):
        if member in care:
            yield part, _ce(tag, care[member])
    yield "decision", _decision(care["decision_ref"])
    for patient in details["patients"]:
        yield "patient", _cx(patient["identifier"])


def _ce(tag: str, said: Mapping[str, str]) -> str:
    told = " ".join(
        f"{name}={quoteattr(said.get(member, ''))}"
        for name, member in (("code", "code"), ("codeSystem", "system"), ("displayName", "text"))
    )
    return f'<{tag} xmlns="urn:hl7-org:v3" xsi:type="CE" {told}/>'


def _ii(said: Mapping[str, str]) -> str:
    told = " ".join(
        f"{name}={quoteattr(said.get(member) or '')}"
        for name, member in (("extension", "id"), ("root", "system"), ("assigningAuthorityName", "authority"))
    )
    return f'<id xmlns="urn:hl7-org:v3" xsi:type="II" {told}/>'


def _cx(said: Mapping[str, str]) -> str:
    return f"{said['id']}^^^&{said['system'].removeprefix('urn:oid:')}&ISO"


def _decision(said: Mapping[str, Any]) -> str:
    told = "".join(
        f"<{name} value={quoteattr(text)}/>"
        for name, text in (
            ("id", said["id"]),
            ("description", said["description"]),
            ("user-selected", str(said["user_selected"])),
        )
    )
    return f"<decision-ref>{told}</decision-ref>"
