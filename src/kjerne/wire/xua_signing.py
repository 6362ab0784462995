"""XUA assertions as we issue them: signed whole by one EC key, under the national names of 2.1 and the older ones (`wire.xua`).

`ce`, `ii`, `cx` and `decision` write the values that `wire.xua` reads: HL7 v3 elements that stand as text.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner

from kjerne.clock import Clock
from kjerne.wire import xua

METADATA_TYPE: Final = "application/samlmetadata+xml"
_SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
_META: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
_DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_CLASS: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"
_ISO_BASIC: Final = "%Y-%m-%dT%H:%M:%S.000Z"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs assertions as one issuer, by a key and the certificate that its metadata name."""

    issuer: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    clock: Clock

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

    def assertion(self, subject: str, audience: str, parts: Iterable[tuple[str, str]], seconds: int) -> bytes:
        """A bearer assertion about `subject`, good for `seconds`; `parts` are named as in `wire.xua.NAMES`."""
        root = self._unsigned(subject, audience, parts, seconds)
        signer = XMLSigner(
            signature_algorithm=SignatureMethod.ECDSA_SHA256,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        )
        signed = signer.sign(
            root, key=self.key, cert=[self.certificate], reference_uri=root.get("ID"), id_attribute="ID"
        )
        return etree.tostring(signed)

    def _unsigned(self, subject: str, audience: str, parts: Iterable[tuple[str, str]], seconds: int) -> etree._Element:
        now = self.clock.now()
        at, until = (instant.strftime(_ISO_BASIC) for instant in (now, now + timedelta(seconds=seconds)))
        statement = _saml("AttributeStatement")
        for part, text in parts:
            for name in xua.NAMES[part]:
                statement.append(_saml("Attribute", _saml("AttributeValue", text), Name=name))
        return _saml(
            "Assertion",
            _saml("Issuer", self.issuer),
            _element(_DSIG, "Signature", Id="placeholder"),
            _saml("Subject", _saml("NameID", subject), _saml("SubjectConfirmation", Method=_BEARER)),
            _saml(
                "Conditions",
                _saml("AudienceRestriction", _saml("Audience", audience)),
                NotBefore=at,
                NotOnOrAfter=until,
            ),
            statement,
            _saml("AuthnStatement", _saml("AuthnContext", _saml("AuthnContextClassRef", _CLASS)), AuthnInstant=at),
            ID="_" + secrets.token_hex(16),
            IssueInstant=at,
            Version="2.0",
        )


def self_signed(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A certificate of a key over itself: metadata carry it, and no authority is asked of it."""
    said = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(said)
        .issuer_name(said)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )


def ce(tag: str, said: Mapping[str, str]) -> str:
    """A coded value (`code`, `system`, `text`)."""
    told = " ".join(
        f"{name}={quoteattr(said.get(member, ''))}"
        for name, member in (("code", "code"), ("codeSystem", "system"), ("displayName", "text"))
    )
    return f'<{tag} xmlns="urn:hl7-org:v3" xsi:type="CE" {told}/>'


def ii(said: Mapping[str, str]) -> str:
    """An identifier (`id`, `system`, `authority`)."""
    told = " ".join(
        f"{name}={quoteattr(said.get(member) or '')}"
        for name, member in (("extension", "id"), ("root", "system"), ("assigningAuthorityName", "authority"))
    )
    return f'<id xmlns="urn:hl7-org:v3" xsi:type="II" {told}/>'


def cx(said: Mapping[str, str]) -> str:
    """A person's number (`id`, `system`)."""
    return f"{said['id']}^^^&{said['system'].removeprefix('urn:oid:')}&ISO"


def decision(said: Mapping[str, Any]) -> str:
    """A reference to a decision of access (`id`, `description`, `user_selected`)."""
    told = "".join(
        f"<{name} value={quoteattr(text)}/>"
        for name, text in (
            ("id", said["id"]),
            ("description", said["description"]),
            ("user-selected", str(said["user_selected"])),
        )
    )
    return f"<decision-ref>{told}</decision-ref>"


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
