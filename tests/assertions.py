"""XUA assertions as a national issuer makes them, written and signed with lxml and cryptography alone.

The product's library for signatures is not used here, so that the two judge each other.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from attested import DOCTOR, OID, PATIENT, details

SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ENVELOPED: Final = DS + "enveloped-signature"
BEARER, HOLDER = (f"urn:oasis:names:tc:SAML:2.0:cm:{name}" for name in ("bearer", "holder-of-key"))
ISSUER, PORTALS_ISSUER = "https://xua.example", "https://portal.example"
POLICY: Final = "urn:oid:2.16.578.1.12.4.1.7.2.1."
HL7: Final = "urn:oid:2.16.840.1.113883.1.11.20448"
_numbers = itertools.count(1)


def held(name: str) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2050, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return key, made


def certificate_text(made: x509.Certificate) -> str:
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


KEY, CERTIFICATE = held("issuer")
PORTALS_KEY, PORTALS_CERTIFICATE = held("portal")
THIEFS_KEY, THIEFS_CERTIFICATE = held("thief")


def metadata(*issuers: tuple[str, x509.Certificate]) -> bytes:
    """What an operator's file says of whom to trust."""
    entities = "".join(
        f'<EntityDescriptor entityID="{name}"><IDPSSODescriptor protocolSupportEnumeration="{SAML}"><KeyDescriptor '
        f'use="signing"><KeyInfo xmlns="{DS}"><X509Data><X509Certificate>{certificate_text(made)}</X509Certificate>'
        f"</X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"
        for name, made in issuers
    )
    return f'<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">{entities}</EntitiesDescriptor>'.encode()


METADATA: Final = metadata((ISSUER, CERTIFICATE), (PORTALS_ISSUER, PORTALS_CERTIFICATE))

XACML, XSPA = "urn:oasis:names:tc:xacml:", "urn:oasis:names:tc:xspa:"
NHN, OWN = "urn:nhn:trust-framework:1.0:ext:", "urn:no:ehelse:saml:1.0:subject:"
NEW: Final = {
    "name": XACML + "1.0:subject:subject-id",
    "provider": "urn:ihe:iti:xua:2017:subject:provider-identifier",
    "npi": XSPA + "1.0:subject:npi",
    "role": XACML + "2.0:subject:role",
    "organisation": XSPA + "1.0:subject:organization-id",
    "unit": XSPA + "1.0:subject:child-organization",
    "department": XSPA + "1.0:subject:facility",
    "service": NHN + "care-relationship:healthcare-service",
    "details": NHN + "care-relationship:purpose-of-use-details",
    "decision": NHN + "care-relationship:decision-ref",
    "purpose": XACML + "2.0:action:purpose",
    "patient": XACML + "1.0:resource:resource-id",
    "patient unit": NHN + "resource:child-organization-id",
    "policy": "urn:ihe:iti:xua:2012:acp",
    "level": OWN + "SecurityLevel",
    "scope": OWN + "Scope",
    "client": OWN + "client_id",
    "home": "urn:ihe:iti:xca:2010:homeCommunityId",
}
OLD: Final = NEW | {
    "name": XSPA + "1.0:subject:subject-id",
    "npi": XSPA + "2.0:subject:npi",
    "role": XSPA + "1.0:subject:role",
    "purpose": XSPA + "1.0:subject:purposeOfUse",
    "patient": XACML + "2.0:resource:resource-id",
    "level": "SecurityLevel",
    "scope": "Scope",
    "client": "client_id",
    "home": OWN + "homeCommunityId",
}


def ce(tag: str, said: Mapping[str, Any]) -> str:
    """A coded value as the national issuers send it: XML as text, with a prefix nobody declared."""
    code, system, text = (quoteattr(str(said.get(name) or "")) for name in ("code", "system", "text"))
    return f'<{tag} xmlns="urn:hl7-org:v3" xsi:type="CE" code={code} codeSystem={system} displayName={text}/>'


def ii(said: Mapping[str, Any]) -> str:
    number, system, owner = (quoteattr(str(said.get(name) or "")) for name in ("id", "system", "authority"))
    return f'<id xmlns="urn:hl7-org:v3" xsi:type="II" extension={number} root={system} assigningAuthorityName={owner}/>'


def cx(said: Mapping[str, Any]) -> str:
    return f"{said['id']}^^^&{said['system'].removeprefix('urn:oid:')}&ISO"


def decision(said: Mapping[str, Any]) -> str:
    selected = {True: "True", False: "False"}.get(said["user_selected"], "")
    return (
        f"<decision-ref><id value={quoteattr(said['id'])}/><description value={quoteattr(said['description'])}/>"
        f'<user-selected value="{selected}"/></decision-ref>'
    )


def staffs(said: Mapping[str, Any] | None = None, name: str = "Kari Prøve") -> dict[str, str]:
    """The attributes that say what an attestation says, by part."""
    said = said or details()
    who, care, patients = said["practitioner"], said["care_relationship"], said["patients"]
    told = {
        "name": name,
        "provider": ii(who["hpr_nr"]),
        "npi": who["hpr_nr"]["id"],
        "role": ce("Role", who["authorization"]),
        "organisation": ii(who["legal_entity"]),
        "unit": ii(who["point_of_care"]),
        "purpose": ce("PurposeOfUse", care["purpose_of_use"]),
        "decision": decision(care["decision_ref"]),
        "level": "4",
        "scope": "nhn:pps/provesvar-read",
        "client": "epj",
        "home": "urn:oid:2.16.578.1.12.4.1.7.1.1",
    }
    optional = {
        "department": ii(who["department"]) if who.get("department") else "",
        "service": ce("HealthcareService", care["healthcare_service"]) if care.get("healthcare_service") else "",
        "details": ce("Details", care["purpose_of_use_details"]) if care.get("purpose_of_use_details") else "",
        "patient": cx(patients[0]["identifier"]) if patients else "",
        "patient unit": ii(patients[0]["point_of_care"]) if patients and patients[0].get("point_of_care") else "",
    }
    return told | {part: value for part, value in optional.items() if value}


def citizens(about: str = PATIENT, purpose: str = "13", policy: str = POLICY + "0") -> dict[str, str]:
    """The attributes of a citizen at a portal, as the national portal names them."""
    system = "1.0.14265.1" if purpose == "13" else HL7
    return {
        "name": "Pasient Prøve",
        "provider": ii({"id": PATIENT, "system": f"{OID}.4.1"}),
        "npi": PATIENT,
        "organisation": "999999905",
        "purpose": ce("PurposeOfUse", {"code": purpose, "system": system}),
        "patient": cx({"id": about, "system": f"{OID}.4.1"}),
        "policy": policy,
        "level": "4",
        "scope": "kjerne:citizen,kjerne:portal",
        "client": "portal",
    }


@dataclass
class Said:
    """An assertion about to be signed. A forgery changes parts before, or the document after (`after`)."""

    at: datetime
    issuer: str = ISSUER
    subject: str = DOCTOR
    audience: str = "nhn:pps"
    parts: dict[str, str] = field(default_factory=staffs)
    names: tuple[Mapping[str, str], ...] = (OLD, NEW)
    key: rsa.RSAPrivateKey = KEY
    certificate: x509.Certificate = CERTIFICATE
    id: str = ""
    method: str = BEARER
    confirmation: str = ""
    conditions: str = ""
    life: timedelta = timedelta(minutes=20)
    more: str = ""
    before: Callable[[str], str] = str
    transforms: tuple[str, ...] = (ENVELOPED, EXCLUSIVE)
    canonical: str = EXCLUSIVE
    algorithm: str = RSA_SHA256
    digest_method: str = "http://www.w3.org/2001/04/xmlenc#sha256"
    reference: str | None = None
    after: Callable[[bytes], bytes] = bytes

    def __post_init__(self) -> None:
        self.id = self.id or f"_{next(_numbers):08d}-4b1f-4bfb-9d6c"

    def instant(self, seconds: float = 0) -> str:
        return (self.at + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def attributes(self) -> str:
        written: dict[str, str] = {}
        for names in self.names:
            written |= {names[part]: value for part, value in self.parts.items()}
        return "".join(attribute(name, value) for name, value in written.items())

    def unsigned(self) -> str:
        """As the issuer writes it."""
        until = self.instant(self.life.total_seconds())
        restriction = (
            f"<saml:AudienceRestriction><saml:Audience>{self.audience}</saml:Audience></saml:AudienceRestriction>"
        )
        conditions = self.conditions or (
            f'<saml:Conditions NotBefore="{self.instant()}" NotOnOrAfter="{until}">{restriction}</saml:Conditions>'
        )
        return self.before(
            f'<saml:Assertion xmlns:saml="{SAML}" ID="{self.id}" IssueInstant="{self.instant()}" Version="2.0">'
            f"<saml:Issuer>{self.issuer}</saml:Issuer>"
            f"<saml:Subject><saml:NameID>{self.subject}</saml:NameID>"
            f'<saml:SubjectConfirmation Method="{self.method}">{self.confirmation}</saml:SubjectConfirmation></saml:Subject>'
            f"{conditions}<saml:AttributeStatement>{self.attributes()}</saml:AttributeStatement>"
            f'<saml:AuthnStatement AuthnInstant="{self.instant()}"><saml:AuthnContext><saml:AuthnContextClassRef>'
            f"urn:oasis:names:tc:SAML:2.0:ac:classes:X509</saml:AuthnContextClassRef></saml:AuthnContext>"
            f"</saml:AuthnStatement>{self.more}</saml:Assertion>"
        )

    def document(self) -> bytes:
        """As it is sent."""
        root = etree.fromstring(self.unsigned())
        digest = (sha1 if self.digest_method.endswith("sha1") else sha256)(canonical(root)).digest()
        signature = self._signature(base64.b64encode(digest).decode())
        root.insert(1, signature)
        signed = canonical(signature[0], exclusive=self.canonical == EXCLUSIVE)
        signature[1].text = base64.b64encode(self._signed(signed)).decode()
        return self.after(etree.tostring(root))

    def sent(self) -> bytes:
        return base64.urlsafe_b64encode(self.document()).rstrip(b"=")

    def header(self) -> tuple[bytes, bytes]:
        return b"authorization", b"SAML " + self.sent()

    def _signature(self, digest: str) -> etree._Element:
        transforms = "".join(f'<Transform Algorithm="{one}"/>' for one in self.transforms)
        uri = f"#{self.id}" if self.reference is None else self.reference
        return etree.fromstring(
            f'<Signature xmlns="{DS}"><SignedInfo><CanonicalizationMethod Algorithm="{self.canonical}"/>'
            f'<SignatureMethod Algorithm="{self.algorithm}"/><Reference URI="{uri}"><Transforms>{transforms}</Transforms>'
            f'<DigestMethod Algorithm="{self.digest_method}"/><DigestValue>{digest}</DigestValue></Reference></SignedInfo>'
            f"<SignatureValue/><KeyInfo><X509Data><X509Certificate>{certificate_text(self.certificate)}"
            f"</X509Certificate></X509Data></KeyInfo></Signature>"
        )

    def _signed(self, info: bytes) -> bytes:
        if "hmac" in self.algorithm:
            mac = hmac.HMAC(self.certificate.public_bytes(Encoding.DER), hashes.SHA256())
            mac.update(info)
            return mac.finalize()
        digest = hashes.SHA1() if self.algorithm.endswith("sha1") else hashes.SHA256()
        return self.key.sign(info, padding.PKCS1v15(), digest)


def canonical(element: etree._Element, *, exclusive: bool = True) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=False)


def attribute(name: str, *values: str) -> str:
    inside = "".join(f"<saml:AttributeValue>{escape(value)}</saml:AttributeValue>" for value in values)
    return f'<saml:Attribute Name="{name}">{inside}</saml:Attribute>'


def attribute_start(name: str) -> str:
    return f'<saml:Attribute Name="{name}"><saml:AttributeValue>'


def of_staff(at: datetime, **changes: Any) -> Said:
    """The doctor's, about the patient."""
    return Said(at, **changes)


def of_a_citizen(at: datetime, *about: str, **changes: Any) -> Said:
    """The patient's at the portal, which signs for itself; `about` whom, for which purpose, under which policy."""
    plain: dict[str, Any] = {
        "issuer": PORTALS_ISSUER, "subject": PATIENT, "key": PORTALS_KEY, "certificate": PORTALS_CERTIFICATE,
        "parts": citizens(*about), "names": (OLD,),
    }  # fmt: skip
    return Said(at, **(plain | changes))
