"""Named forgeries of XUA assertions: each a good one, spoiled in one place.

The verifier's tests try every forgery with a clock that stands; the storms try them over HTTP on two workers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from lxml import etree

from assertions import (
    BEARER,
    CERTIFICATE,
    DS,
    ENVELOPED,
    EXCLUSIVE,
    HOLDER,
    ISSUER,
    KEY,
    NEW,
    OLD,
    POLICY,
    PORTALS_CERTIFICATE,
    PORTALS_KEY,
    SAML,
    THIEFS_CERTIFICATE,
    THIEFS_KEY,
    Said,
    attribute,
    attribute_start,
    ce,
    certificate_text,
    citizens,
    of_a_citizen,
    of_staff,
    staffs,
)
from attested import DOCTOR, OID, PATIENT, details

Make = Callable[[datetime], Said]


@dataclass(frozen=True)
class Forgery:
    """One way to bring an assertion without a right to: what is sent, and how it is refused.

    `rule` as the log has it; `more` are headers beside it, `about` whom the request asks for.
    """

    make: Make
    status: int = 401
    rule: str = "invalid_token"
    more: Mapping[str, str] = field(default_factory=dict)
    about: str = PATIENT


def staff_with(**changes: Any) -> Make:
    return lambda at: of_staff(at, **changes)


def staff_part(part: str, value: str | None) -> Make:
    parts = {name: told for name, told in (staffs() | {part: value}).items() if told is not None}
    return staff_with(parts=parts)


def attested_with(*path: Any, value: Any) -> Make:
    """What the attestation says at a place, exchanged before the issuer signs."""
    said: Any = details()
    inner = said
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return staff_with(parts=staffs(said))


def written(old: str, new: str) -> Make:
    """The issuer's text with one piece exchanged, then signed."""

    def changed(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return staff_with(before=changed)


def tampered(old: str, new: str) -> Make:
    """The signed document with one piece exchanged."""

    def changed(raw: bytes) -> bytes:
        text = raw.decode()
        assert old in text
        return text.replace(old, new, 1).encode()

    return staff_with(after=changed)


def at_time(**changes: float) -> Make:
    """Times of the conditions, in seconds from when it was issued; None leaves one out."""

    def make(at: datetime) -> Said:
        plain = of_staff(at)
        given = {"NotBefore": 0.0, "NotOnOrAfter": 1200.0} | changes
        told = "".join(f' {name}="{plain.instant(value)}"' for name, value in given.items() if value is not None)
        return of_staff(at, conditions=f"<saml:Conditions{told}>{restricted('nhn:pps')}</saml:Conditions>")

    return make


def restricted(*audiences: str) -> str:
    inside = "".join(f"<saml:Audience>{one}</saml:Audience>" for one in audiences)
    return f"<saml:AudienceRestriction>{inside}</saml:AudienceRestriction>"


def conditioned(inside: str) -> Make:
    def make(at: datetime) -> Said:
        plain = of_staff(at)
        times = f'NotBefore="{plain.instant()}" NotOnOrAfter="{plain.instant(1200)}"'
        return of_staff(at, conditions=f"<saml:Conditions {times}>{inside}</saml:Conditions>")

    return make


def confirmed(method: str, inside: str) -> Make:
    """Times in `inside` are written {seconds from when it was issued}."""

    def make(at: datetime) -> Said:
        plain = of_staff(at)
        return of_staff(
            at, method=method, confirmation=inside.format(past=plain.instant(-60), future=plain.instant(300))
        )

    return make


def shifted(seconds: float) -> Make:
    return lambda at: of_staff(at + timedelta(seconds=seconds))


def encoded(change: Callable[[bytes], bytes]) -> Make:
    """The text in the header, spoiled."""

    class Spoiled(Said):
        def sent(self) -> bytes:
            return change(super().sent())

    return Spoiled


# Signature wrapping (Somorovsky and others 2012): the signed assertion is kept somewhere, another is meant to be read.


def evil(raw: bytes, *, id_: str = "", signature: bool = False) -> tuple[etree._Element, etree._Element]:
    """The original, and a copy about another patient under an id of its own, without the signature unless it is kept."""
    original, other = etree.fromstring(raw), etree.fromstring(raw.replace(PATIENT.encode(), b"04845011111"))
    other.set("ID", id_ or "_evil-0001-0001")
    if not signature:
        other.remove(other[1])
    return original, other


def response(*inside: etree._Element) -> etree._Element:
    root = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Response", ID="_response-0001", Version="2.0")
    root.extend(inside)
    return root


def xsw_1(raw: bytes) -> etree._Element:
    original, _ = evil(raw)
    return response(original)


def xsw_2(raw: bytes) -> etree._Element:
    original, other = evil(raw)
    signature = original[1]
    return response(signature, original, other)


def xsw_3(raw: bytes) -> etree._Element:
    original, other = evil(raw)
    return response(other, original)


def xsw_4(raw: bytes) -> etree._Element:
    original, other = evil(raw)
    other.append(original)
    return other


def xsw_5(raw: bytes) -> etree._Element:
    original, other = evil(raw)
    other.insert(1, original[1])
    other.append(original)
    return other


def xsw_6(raw: bytes) -> etree._Element:
    original, other = evil(raw)
    signature = original[1]
    other.insert(1, signature)
    signature.append(original)
    return other


def xsw_7(raw: bytes) -> etree._Element:
    original, other = evil(raw, id_=etree.fromstring(raw).get("ID", ""))
    extensions = etree.SubElement(original, "Extensions")
    extensions.append(other)
    return original


def xsw_8(raw: bytes) -> etree._Element:
    original, other = evil(raw)
    signature = original[1]
    other.insert(1, signature)
    etree.SubElement(signature, f"{{{DS}}}Object").append(original)
    return other


def advised(raw: bytes) -> etree._Element:
    """The original as advice in the other, its signature in front."""
    original, other = evil(raw)
    other.insert(1, original[1])
    etree.SubElement(other, f"{{{SAML}}}Advice").append(original)
    return other


def same_id(raw: bytes) -> etree._Element:
    """The other is the root and has the signature; a part of it carries the id that the signature names."""
    original, other = evil(raw)
    other.insert(1, original[1])
    other.find(f"{{{SAML}}}Subject").set("ID", original.get("ID"))
    return other


def wrapped(change: Callable[[bytes], etree._Element]) -> Make:
    return staff_with(after=lambda raw: etree.tostring(change(raw)))


def second_signature(raw: bytes) -> etree._Element:
    root = etree.fromstring(raw)
    root.insert(2, etree.fromstring(etree.tostring(root[1])))
    return root


def second_reference(raw: bytes) -> etree._Element:
    root = etree.fromstring(raw)
    info = root[1][0]
    info.append(etree.fromstring(etree.tostring(info[2])))
    return root


def an_object(raw: bytes) -> etree._Element:
    root = etree.fromstring(raw)
    etree.SubElement(root[1], f"{{{DS}}}Object").text = "x"
    return root


def without_signature(raw: bytes) -> etree._Element:
    root = etree.fromstring(raw)
    root.remove(root[1])
    return root


DTD: Final = b'<!DOCTYPE a [<!ENTITY who "' + DOCTOR.encode() + b'">]>'
LAUGHS: Final = b"<!DOCTYPE a [<!ENTITY a 'ha'>" + b"".join(
    b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8)
) + b"]>"  # fmt: skip
CERTIFICATE_OF_HOLDER: Final = (
    f'<saml:SubjectConfirmationData><KeyInfo xmlns="{DS}"><X509Data><X509Certificate>{{}}</X509Certificate></X509Data>'
    f"</KeyInfo></saml:SubjectConfirmationData>"
)
HOLDERS: Final = CERTIFICATE_OF_HOLDER.format(certificate_text(THIEFS_CERTIFICATE))
NUMBER: Final = f"<saml:NameID>{DOCTOR}</saml:NameID>"
INNER_COMMENT: Final = f'<Role xmlns="urn:hl7-org:v3" code="LE<!-- -->" codeSystem="{OID}.1.9060"/>'
SHA1: Final = DS + "sha1"
SECOND: Final = "04845011111"

FORGERIES: Final[dict[str, Forgery]] = {
    # the signature
    "unsigned": Forgery(wrapped(without_signature)),
    "signed by a thief with his certificate in it": Forgery(
        staff_with(key=THIEFS_KEY, certificate=THIEFS_CERTIFICATE)
    ),
    "signed by a thief under the issuer's certificate": Forgery(staff_with(key=THIEFS_KEY)),
    "of an issuer nobody trusts": Forgery(
        staff_with(issuer="https://evil.example", key=THIEFS_KEY, certificate=THIEFS_CERTIFICATE)
    ),
    "of one issuer, signed by another that is trusted too": Forgery(
        staff_with(key=PORTALS_KEY, certificate=PORTALS_CERTIFICATE)
    ),
    "an issuer with a slash": Forgery(staff_with(issuer=ISSUER + "/")),
    "another person put in after signing": Forgery(tampered(NUMBER, "<saml:NameID>01815012346</saml:NameID>")),
    "another patient put in after signing": Forgery(tampered(f"{PATIENT}^^^", f"{SECOND}^^^")),
    "a longer life put in after signing": Forgery(tampered('NotOnOrAfter="20', 'NotOnOrAfter="21')),
    "a public key as shared secret": Forgery(staff_with(algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")),
    "signed over SHA-1": Forgery(staff_with(algorithm=DS + "rsa-sha1")),
    "a digest of SHA-1": Forgery(staff_with(digest_method=SHA1)),
    "an algorithm that is none": Forgery(staff_with(algorithm=DS + "none")),
    "canonicalized inclusively": Forgery(staff_with(canonical="http://www.w3.org/TR/2001/REC-xml-c14n-20010315")),
    "canonicalized with comments": Forgery(staff_with(transforms=(ENVELOPED, EXCLUSIVE + "WithComments"))),
    "a transform by XSLT": Forgery(staff_with(transforms=(ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116"))),
    "a transform by XPath": Forgery(staff_with(transforms=("http://www.w3.org/TR/1999/REC-xpath-19991116", EXCLUSIVE))),
    "a reference to the whole document": Forgery(staff_with(reference="")),
    "a reference to another place": Forgery(staff_with(reference="https://evil.example/assertion")),
    "a reference by XPointer": Forgery(staff_with(reference="#xpointer(/)")),
    "two signatures": Forgery(wrapped(second_signature)),
    "two references": Forgery(wrapped(second_reference)),
    "an object in the signature": Forgery(wrapped(an_object)),
    # signature wrapping
    "wrapped in a response (XSW1)": Forgery(wrapped(xsw_1)),
    "wrapped beside its signature (XSW2)": Forgery(wrapped(xsw_2)),
    "a forged one before it (XSW3)": Forgery(wrapped(xsw_3)),
    "a forged one around it (XSW4)": Forgery(wrapped(xsw_4)),
    "its signature in a forged one (XSW5)": Forgery(wrapped(xsw_5)),
    "within its signature in a forged one (XSW6)": Forgery(wrapped(xsw_6)),
    "a forged one under its own id (XSW7)": Forgery(wrapped(xsw_7)),
    "within an object in a forged one (XSW8)": Forgery(wrapped(xsw_8)),
    "as advice in a forged one": Forgery(wrapped(advised)),
    "its id on a part of a forged one": Forgery(wrapped(same_id)),
    "two assertions": Forgery(staff_with(after=lambda raw: raw + raw)),
    # XML
    "a comment in the person's number": Forgery(tampered(DOCTOR, f"{DOCTOR[:6]}<!-- -->{DOCTOR[6:]}")),
    "a comment signed along": Forgery(written(DOCTOR, f"{DOCTOR}<!-- -->")),
    "a comment in a role": Forgery(staff_part("role", INNER_COMMENT)),
    "CDATA": Forgery(tampered(DOCTOR, f"<![CDATA[{DOCTOR}]]>")),
    "an instruction": Forgery(tampered("<saml:Subject>", "<?php x?><saml:Subject>")),
    "a document type": Forgery(staff_with(after=lambda raw: b"<!DOCTYPE a>" + raw)),
    "an entity for the person": Forgery(
        staff_with(after=lambda raw: DTD + raw.replace(DOCTOR.encode(), b"&who;", 1))
    ),
    "entities that grow": Forgery(staff_with(after=lambda raw: LAUGHS + raw.replace(DOCTOR.encode(), b"&i;", 1))),
    "an entity from outside": Forgery(
        staff_with(after=lambda raw: b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + raw)
    ),
    "UTF-16": Forgery(staff_with(after=lambda raw: raw.decode().encode("utf-16-le"))),
    "an element in the person's number": Forgery(written(DOCTOR, f"<b xmlns=''>{DOCTOR}</b>")),
    "two persons": Forgery(written(NUMBER, NUMBER + NUMBER)),
    "an id that is too short": Forgery(staff_with(id="_1")),
    "SAML 1.1": Forgery(written('Version="2.0"', 'Version="1.1"')),
    "padded base64": Forgery(encoded(lambda text: text + b"=")),
    "base64 of the other alphabet": Forgery(encoded(lambda text: text[:-4] + b"a/b+")),
    "no XML": Forgery(encoded(lambda _: b"e30")),
    "longer than any assertion": Forgery(staff_part("name", "x" * 16_000)),
    # time and place
    "expired": Forgery(at_time(NotBefore=-600, NotOnOrAfter=-5)),
    "not valid yet": Forgery(at_time(NotBefore=90)),
    "without an end": Forgery(at_time(NotOnOrAfter=None)),  # type: ignore[arg-type]
    "without a beginning": Forgery(at_time(NotBefore=None)),  # type: ignore[arg-type]
    "issued in the future": Forgery(shifted(90)),
    "issued five minutes ago": Forgery(shifted(-300)),
    "times of another zone": Forgery(written('000Z" Version', '000+01:00" Version')),
    "no conditions": Forgery(staff_with(conditions="<saml:Conditions/>")),
    "for another audience": Forgery(staff_with(audience="nhn:kjernejournal")),
    "for an audience by prefix": Forgery(staff_with(audience="nhn:pps-test")),
    "for several audiences": Forgery(conditioned(restricted("nhn:pps", "nhn:other"))),
    "for no audience": Forgery(conditioned("")),
    "for nobody in particular": Forgery(conditioned(restricted())),
    "two restrictions": Forgery(conditioned(restricted("nhn:pps") + restricted("nhn:pps"))),
    "a condition nobody knows": Forgery(conditioned(restricted("nhn:pps") + '<saml:ProxyRestriction Count="0"/>')),
    # the subject's confirmation
    "confirmed by the sender's word": Forgery(staff_with(method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches")),
    "confirmed in no way": Forgery(staff_with(method="")),
    "confirmed twice": Forgery(
        written("</saml:Subject>", f'<saml:SubjectConfirmation Method="{BEARER}"/></saml:Subject>')
    ),
    "a confirmation that has expired": Forgery(
        confirmed(BEARER, '<saml:SubjectConfirmationData NotOnOrAfter="{past}"/>')
    ),
    "a confirmation that is not valid yet": Forgery(
        confirmed(BEARER, '<saml:SubjectConfirmationData NotBefore="{future}"/>')
    ),
    "made for another address": Forgery(
        confirmed(BEARER, '<saml:SubjectConfirmationData Recipient="https://evil.example/"/>')
    ),
    "a key to hold, and no key": Forgery(staff_with(method=HOLDER)),
    "a key to hold, and no proof": Forgery(staff_with(method=HOLDER, confirmation=HOLDERS)),
    "a key to hold that is none": Forgery(
        staff_with(method=HOLDER, confirmation=CERTIFICATE_OF_HOLDER.format("AAAA"))
    ),
    # the attributes
    "an old name against its new one": Forgery(
        written(f"{attribute_start(OLD['patient'])}{PATIENT}", f"{attribute_start(OLD['patient'])}{SECOND}")
    ),
    "an attribute twice": Forgery(
        written("</saml:AttributeStatement>", attribute(NEW["level"], "4") + "</saml:AttributeStatement>")
    ),
    "an attribute with two values": Forgery(
        written(f"{attribute_start(NEW['level'])}4", f"{attribute_start(NEW['level'])}3</saml:AttributeValue>"
                f"<saml:AttributeValue>4")
    ),
    "a role as a bare text": Forgery(staff_part("role", "LE")),
    "a role of two elements": Forgery(staff_part("role", ce("Role", {"code": "LE"}) * 2)),
    "a role that is no XML": Forgery(staff_part("role", "<Role code='LE'")),
    "a patient as a bare number": Forgery(staff_part("patient", PATIENT)),
    "two patients in one": Forgery(staff_part("patient", f"{PATIENT}^^^&{OID[8:]}.4.1&ISO~{SECOND}^^^&1.2&ISO")),
    "two numbers of one doctor": Forgery(staff_part("npi", "9002")),
    # what the trust framework and the law refuse, as in a token
    "an unknown purpose": Forgery(
        attested_with("care_relationship", "purpose_of_use", "code", value="HMARKT"), 403, "ATT-38"
    ),
    "a purpose of another code system": Forgery(
        attested_with("care_relationship", "purpose_of_use", "system", value="urn:oid:1.2.3"), 403, "ATT-38"
    ),
    "an old purpose that is no care": Forgery(
        attested_with("care_relationship", "purpose_of_use", value={"code": "5", "system": "1.0.14265.1"}), 403, "ATT-38"
    ),
    "no purpose": Forgery(staff_part("purpose", None), 403, "ATT-38"),
    "an unknown role": Forgery(attested_with("practitioner", "authorization", "code", value="ZZ"), 403, "ATT-32"),
    "a role of another code system": Forgery(
        attested_with("practitioner", "authorization", "system", value="urn:oid:1.2.3"), 403, "ATT-32"
    ),
    "another doctor's number": Forgery(attested_with("practitioner", "hpr_nr", "id", value="9002"), 403, "ATT-29"),
    "a number of no person": Forgery(staff_with(subject="doctor"), 403, "ATT-10"),
    "a unit of another hospital": Forgery(
        attested_with("practitioner", "point_of_care", "id", value="999999908"), 403, "ATT-18, ATT-19"
    ),
    "no decision": Forgery(staff_part("decision", None), 403, "ATT-46"),
    "a login at level 3": Forgery(staff_part("level", "3"), 403, "ATT-9"),
    "no level": Forgery(staff_part("level", None), 403, "ATT-9"),
    "no scope": Forgery(staff_part("scope", None), 403, ""),
    "a scope for documents": Forgery(staff_part("scope", "journaldokumenter_helsepersonell"), 403, ""),
    "about another patient": Forgery(staff_with(), 403, "attestation-of-another-patient", about=SECOND),
    "about nobody": Forgery(staff_part("patient", None), 403, "attestation-of-another-patient"),
    "a citizen's access policy": Forgery(staff_part("policy", POLICY + "1"), 403, "access-policy"),
    "an unknown access policy": Forgery(staff_part("policy", POLICY + "9"), 403, "access-policy"),
    "another basis in the header than the signed one": Forgery(
        staff_part("policy", POLICY + "8"), 403, "basis-not-signed", {"access_basis": "FORHOYET_AKUTT"}
    ),
    "a citizen's purpose with staff's scope": Forgery(
        attested_with("care_relationship", "purpose_of_use", "code", value="PATRQT"), 403, "portal-errand"
    ),
    # the citizen at a portal
    "a citizen for a stranger": Forgery(
        lambda at: of_a_citizen(at, SECOND), 403, "errand-without-right", about=SECOND
    ),
    "a citizen as parent of nobody's child": Forgery(
        lambda at: of_a_citizen(at, SECOND, "13", POLICY + "1"), 403, "errand-without-right", about=SECOND
    ),
    "a citizen as proxy without a power of attorney": Forgery(
        lambda at: of_a_citizen(at, SECOND, "PWATRNY", POLICY + "2"), 403, "errand-without-right", about=SECOND
    ),
    "a citizen's errand, asked about another": Forgery(of_a_citizen, 403, "errand-about-another", about=SECOND),
    "a citizen with a clinician's access policy": Forgery(
        lambda at: of_a_citizen(at, PATIENT, "PATRQT", POLICY + "7"), 403, "portal-access-policy"
    ),
    "a citizen whose purpose and policy differ": Forgery(
        lambda at: of_a_citizen(at, PATIENT, "FAMRQT", POLICY + "0"), 403, "portal-access-policy"
    ),
    "a citizen without the portal's scope": Forgery(
        lambda at: of_a_citizen(at, parts=citizens() | {"scope": "kjerne:citizen"}), 403, "portal-scope"
    ),
    "a citizen with a clinician's purpose": Forgery(
        lambda at: of_a_citizen(at, PATIENT, "TREAT"), 403, "portal-errand"
    ),
    "a citizen, signed with the clinicians' key": Forgery(
        lambda at: of_a_citizen(at, key=KEY, certificate=CERTIFICATE)
    ),
}  # fmt: skip
"""By name; `rule` is empty where the scope is missing, which is no rule's."""
