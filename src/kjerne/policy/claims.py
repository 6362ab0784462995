"""What a verified token says about its holder, typed: made by `wire`, judged by `policy.caller`.

Fields and their names follow HelseID's claims and Tillitsrammeverket v1.1 (type `nhn:tillitsrammeverk:parameters`).
An absent field is empty here, so that the rule that demands it can say so. No repr shows an identifier: it may be a
person number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec


class Identifier(msgspec.Struct, frozen=True):
    """A number with the system that gives it its meaning (`urn:oid:`)."""

    id: str = ""
    name: str = ""
    system: str = ""
    authority: str = ""

    def __repr__(self) -> str:
        return f"Identifier({self.system})"


class Code(msgspec.Struct, frozen=True):
    """A code with its system."""

    code: str = ""
    text: str = ""
    system: str = ""
    assigner: str = ""


class Practitioner(msgspec.Struct, frozen=True):
    """Who is attested, and where she works."""

    identifier: Identifier = Identifier()
    hpr_nr: Identifier = Identifier()
    authorization: Code = Code()
    legal_entity: Identifier = Identifier()
    point_of_care: Identifier = Identifier()
    department: Identifier = Identifier()


class DecisionRef(msgspec.Struct, frozen=True):
    """The decision of access in the caller's own system; `user_selected` is true where she gave herself the access."""

    id: str = ""
    description: str = ""
    user_selected: bool | None = None


class CareRelationship(msgspec.Struct, frozen=True):
    """Why she needs the data."""

    healthcare_service: Code = Code()
    purpose_of_use: Code = Code()
    purpose_of_use_details: Code = Code()
    decision_ref: DecisionRef = DecisionRef()


class Patient(msgspec.Struct, frozen=True):
    """Whom it is about, and where that patient is being treated."""

    identifier: Identifier = Identifier()
    point_of_care: Identifier = Identifier()
    department: Identifier = Identifier()


class TrustFramework(msgspec.Struct, frozen=True):
    """One attestation as it stands on the wire. `toa` is unix seconds."""

    practitioner: Practitioner = Practitioner()
    care_relationship: CareRelationship = CareRelationship()
    patients: tuple[Patient, ...] = ()
    toa: int = 0


class Representation(msgspec.Struct, frozen=True):
    """A citizen's errand at a portal as it stands on the wire: about whom, for which purpose, under which access policy.

    `access_policy` is one of the national ACP identifiers (`urn:oid:2.16.578.1.12.4.1.7.2.1.x`), empty for none.
    """

    patient: Identifier = Identifier()
    purpose_of_use: Code = Code()
    access_policy: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """A token that holds. `thumbprint` is its key's (RFC 7638), `level` the security level (4 = high, 0 = not said).

    `organisation` and `suborganisation` are the client's, as the issuer knows them (orgnr_parent, orgnr_child). `actor`
    is who acts for the person (RFC 8693 section 4.1), `access_policy` the ACP identifier of a member of staff, `issuer` who
    signed a SAML assertion.
    """

    subject: str
    client: str
    scopes: frozenset[str]
    jti: str
    expires_at: int
    thumbprint: str = ""
    pid: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    hpr: str = ""
    level: int = 0
    organisation: str = ""
    suborganisation: str = ""
    attestations: tuple[TrustFramework, ...] = ()
    errands: tuple[Representation, ...] = ()
    actor: str = ""
    access_policy: str = ""
    issuer: str = ""
