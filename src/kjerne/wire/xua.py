"""The attributes of a national XUA assertion, read into the same claims as a token has.

Names are those of the national SAML specification 2.1 and the older ones beside which they are still sent. Where both are
there they must say the same: two readers could choose different ones. Coded values and numbers are HL7 v3 elements (CE, II),
as elements or, as the national issuers send them, as text that is XML once more; a patient may also be a CX
(`number^^^&oid&ISO`). What is absent is empty, so that the rule that demands it can say so. The care relation is made when
the assertion is issued. Attributes for the documents' own transactions (home community, consent document) are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

from lxml import etree

from kjerne.errors import Refusal
from kjerne.policy.claims import (
    CareRelationship,
    Claims,
    Code,
    DecisionRef,
    Identifier,
    Patient,
    Practitioner,
    Representation,
    TrustFramework,
)
from kjerne.policy.errand import POLICIES_BY_PURPOSE, PURPOSE_SYSTEM, policy_of
from kjerne.registries import identifiers
from kjerne.wire import xml
from kjerne.wire.jws import NotGenuine

SAML: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
HPR_SYSTEM: Final = identifiers.OID_PERSON + "4"
ORGANISATION_SYSTEM: Final = identifiers.OID_PERSON + "101"
ISO_PURPOSES: Final = "urn:oid:1.0.14265.1"
SUBJECT_OF_CARE: Final = "13"
STAFF_BY_ISO: Final[Mapping[str, str]] = {"1": "TREAT", "2": "ETREAT"}
"""ISO 14265, the old purposes: care of one person, emergency care. Others have no national purpose and are left as they are."""
CITIZEN_BY_POLICY: Final[Mapping[str, str]] = {"0": "PATRQT", "1": "FAMRQT", "2": "PWATRNY", "3": "PWATRNY"}

_XACML, _XSPA = "urn:oasis:names:tc:xacml:", "urn:oasis:names:tc:xspa:"
_NHN, _OWN = "urn:nhn:trust-framework:1.0:ext:", "urn:no:ehelse:saml:1.0:subject:"
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "name": (_XACML + "1.0:subject:subject-id", _XSPA + "1.0:subject:subject-id"),
    "provider": ("urn:ihe:iti:xua:2017:subject:provider-identifier",),
    "npi": (_XSPA + "1.0:subject:npi", _XSPA + "2.0:subject:npi"),
    "role": (_XACML + "2.0:subject:role", _XSPA + "1.0:subject:role"),
    "organisation": (_XSPA + "1.0:subject:organization-id",),
    "unit": (_XSPA + "1.0:subject:child-organization",),
    "department": (_XSPA + "1.0:subject:facility",),
    "service": (_NHN + "care-relationship:healthcare-service",),
    "details": (_NHN + "care-relationship:purpose-of-use-details",),
    "decision": (_NHN + "care-relationship:decision-ref",),
    "purpose": (
        _XACML + "2.0:action:purpose",
        _XSPA + "1.0:subject:purposeOfUse",
        _XSPA + "1.0:subject:purposeofuse",
    ),
    "patient": (_XACML + "1.0:resource:resource-id", _XACML + "2.0:resource:resource-id"),
    "patient_unit": (_NHN + "resource:child-organization-id",),
    "policy": ("urn:ihe:iti:xua:2012:acp",),
    "level": (_OWN + "SecurityLevel", "SecurityLevel"),
    "scope": (_OWN + "Scope", "Scope"),
    "client": (_OWN + "client_id", "client_id"),
}
"""What is read -> the names it has: the newest first, older ones after it."""

_PART_BY_NAME: Final = {name: part for part, names in NAMES.items() for name in names}
_CX: Final = re.compile(r"([0-9A-Za-z]{1,40})\^\^\^&([0-9.]{3,80})&ISO")
_OID: Final = re.compile(r"[0-9]+(\.[0-9]+)+")
_NINE: Final = re.compile(r"[0-9]{9}")
_HPR: Final = re.compile(r"[0-9]{1,9}")
_SEPARATORS: Final = re.compile(r"[\s,;]+")
_WRAPPED: Final = '<v xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{}</v>'
"""The national issuers use the prefix `xsi` in a text without declaring it there."""

Value: TypeAlias = "str | etree._Element"  # noqa: SLF001 - the name that lxml has for its elements
T = TypeVar("T")


def claims_of(signed: etree._Element, issuer: str, until: datetime) -> Claims:
    """What a verified assertion says of its subject; `NotGenuine` where an attribute cannot be read in one way alone.

    Who has no `client_id` is known by the issuer: a portal that signs for itself.
    """
    said = _attributes(signed)
    number = _name_id(signed)
    hpr, client = _hpr(said), _text(said, "client") or issuer
    policy, organisation, unit = _text(said, "policy"), _one(said, "organisation", _ii), _one(said, "unit", _ii)
    purpose = _purpose(_one(said, "purpose", _ce), policy)
    is_citizens = purpose.code in POLICIES_BY_PURPOSE
    patient = _one(said, "patient", _cx)
    errand = Representation(patient, purpose, policy)
    return Claims(
        subject="",
        client=client,
        scopes=frozenset(_SEPARATORS.split(_text(said, "scope"))) - {""},
        jti=signed.get("ID", ""),
        expires_at=int(until.timestamp()),
        pid=number,
        name=_text(said, "name"),
        hpr=hpr,
        level=_level(_text(said, "level")),
        organisation=organisation.id,
        suborganisation=unit.id,
        attestations=() if is_citizens else (_attestation(signed, said, number, purpose),),
        errands=(errand,) if is_citizens else (),
        actor=client if is_citizens else "",
        access_policy="" if is_citizens else policy,
        issuer=issuer,
    )


def _attestation(
    signed: etree._Element, said: Mapping[str, tuple[Value, ...]], number: str, purpose: Code
) -> TrustFramework:
    hpr = _hpr(said)
    patient = _one(said, "patient", _cx)
    issued = datetime.fromisoformat(str(signed.get("IssueInstant")))
    return TrustFramework(
        Practitioner(
            identifier=Identifier(number, _text(said, "name"), _person_system(number)),
            hpr_nr=Identifier(hpr, system=HPR_SYSTEM) if hpr else Identifier(),
            authorization=_one(said, "role", _ce),
            legal_entity=_one(said, "organisation", _ii),
            point_of_care=_one(said, "unit", _ii),
            department=_one(said, "department", _ii),
        ),
        CareRelationship(
            healthcare_service=_one(said, "service", _ce),
            purpose_of_use=purpose,
            purpose_of_use_details=_one(said, "details", _ce),
            decision_ref=_one(said, "decision", _decision),
        ),
        (Patient(patient, point_of_care=_one(said, "patient_unit", _ii)),) if patient.id else (),
        int(issued.timestamp()),
    )


def _attributes(signed: etree._Element) -> dict[str, tuple[Value, ...]]:
    """Part -> its values, one for each of its names that is there."""
    found: dict[str, Value] = {}
    for attribute in signed.iterfind(f"{SAML}AttributeStatement/{SAML}Attribute"):
        name = str(attribute.get("Name", ""))
        if name not in _PART_BY_NAME:
            continue
        if name in found or len(attribute) != 1 or attribute[0].tag != SAML + "AttributeValue":
            raise NotGenuine(f"{name} stands there twice, or has no value or several")
        found[name] = _value(attribute[0], name)
    return {
        part: tuple(found[name] for name in names if name in found and found[name] != "")
        for part, names in NAMES.items()
    }


def _value(given: etree._Element, name: str) -> Value:
    text = (given.text or "").strip()
    if not len(given):
        return _inner(text, name) if text.startswith("<") else text
    if len(given) > 1 or text or (given[0].tail or "").strip():
        raise NotGenuine(f"{name} is neither a text nor one element")
    return given[0]


def _inner(text: str, name: str) -> etree._Element:
    """XML that stands as a text, under the same doors as the assertion itself."""
    try:
        if "<!" in text or "<?" in text:
            raise NotGenuine(f"{name} holds a comment, CDATA, an instruction or a document type")
        root = xml.parse(_WRAPPED.format(text).encode(), depth=4)
    except Refusal as refusal:
        raise NotGenuine(f"{name} is not XML that may pass") from refusal
    if len(root) != 1 or (root[0].tail or "").strip():
        raise NotGenuine(f"{name} is not one element")
    return root[0]


def _one(said: Mapping[str, tuple[Value, ...]], part: str, read: Callable[[Value, str], T]) -> T:
    """What the names of a part agree on; the first of them says the words beside it."""
    values = [read(value, part) for value in said[part]] or [read("", part)]
    if len({_meant(value) for value in values}) > 1:
        raise NotGenuine(f"the old and the new name of {part} say different things")
    return values[0]


def _meant(value: object) -> object:
    """A value without the words that are only for reading."""
    if isinstance(value, Code):
        return value.code, value.system
    return (value.id, value.system) if isinstance(value, Identifier) else value


def _text(said: Mapping[str, tuple[Value, ...]], part: str) -> str:
    return _one(said, part, _plain)


def _plain(value: Value, part: str) -> str:
    if not isinstance(value, str):
        raise NotGenuine(f"{part} is not a text")
    return value


def _ce(value: Value, part: str) -> Code:
    if isinstance(value, str):
        if value:
            raise NotGenuine(f"{part} is not a coded value")
        return Code()
    return Code(value.get("code", ""), value.get("displayName", ""), _system(value.get("codeSystem", "")))


def _ii(value: Value, part: str) -> Identifier:
    """An II, or a bare organisation number, as the older portals send it."""
    if isinstance(value, str):
        if value and not _NINE.fullmatch(value):
            raise NotGenuine(f"{part} is not an identifier")
        return Identifier(value, system=ORGANISATION_SYSTEM) if value else Identifier()
    number, system = value.get("extension", ""), _system(value.get("root", ""))
    return Identifier(number, system=system, authority=value.get("assigningAuthorityName", ""))


def _cx(value: Value, part: str) -> Identifier:
    if not isinstance(value, str):
        return _ii(value, part)
    if not value:
        return Identifier()
    # The national issuers escape the ampersand once more than XML asks for.
    found = _CX.fullmatch(value.replace("&amp;", "&"))
    if found is None:
        raise NotGenuine(f"{part} is not an identifier (number^^^&oid&ISO)")
    return Identifier(found[1], system=_system(found[2]))


def _decision(value: Value, part: str) -> DecisionRef:
    if isinstance(value, str):
        if value:
            raise NotGenuine(f"{part} is not a reference to a decision")
        return DecisionRef()
    said = {etree.QName(child).localname: child.get("value", "") for child in value}
    if len(said) != len(value):
        raise NotGenuine(f"{part} says something twice")
    selected = {"true": True, "false": False}.get(said.get("user-selected", "").lower())
    return DecisionRef(said.get("id", ""), said.get("description", ""), selected)


def _purpose(given: Code, policy: str) -> Code:
    """The purpose in HL7's words; of the old ones that of the subject of care depends on the access policy."""
    if given.system != ISO_PURPOSES:
        return given
    known = STAFF_BY_ISO.get(given.code, "")
    if given.code == SUBJECT_OF_CARE:
        known = CITIZEN_BY_POLICY.get(policy_of(policy), "")
    return Code(known, given.text, PURPOSE_SYSTEM) if known else given


def _hpr(said: Mapping[str, tuple[Value, ...]]) -> str:
    """The HPR number: of the provider's identifier if it is one, and of `npi`, which must not say another."""
    provider, npi = _one(said, "provider", _ii), _text(said, "npi")
    if provider.id and npi and provider.id != npi:
        raise NotGenuine("npi and provider-identifier say different things")
    found = npi if not provider.id else provider.id if provider.system == HPR_SYSTEM else ""
    # Portals send the citizen's own number as the provider's: no number of a person goes where HPR numbers are logged.
    return found if _HPR.fullmatch(found) else ""


def _name_id(signed: etree._Element) -> str:
    found = signed.findall(f"{SAML}Subject/{SAML}NameID")
    if len(found) != 1 or len(found[0]):
        raise NotGenuine("its subject has no NameID, or several")
    return (found[0].text or "").strip()


def _person_system(number: str) -> str:
    try:
        return identifiers.parse(number, strict=False).system
    except Refusal:
        return ""


def _system(text: str) -> str:
    text = text.strip()
    return f"urn:oid:{text}" if _OID.fullmatch(text) else text


def _level(text: str) -> int:
    return int(text) if text in ("1", "2", "3", "4") else 0
