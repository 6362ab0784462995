"""From a verified token to a `Caller`: who asks, and what her organisation vouches for.

The attestation's rules are data (`DEMANDS`), each with its number in Tillitsrammeverket v1.1 (docs/attestation.md lists
all 58); the login's level (ATT-9) is asked of every person. An attestation that breaks one is refused whole, and the log of
whoever it was about has a row of it (`Unattested`; law, K101). One without a patient makes a caller who can ask about nobody
(ATT-6); that no other patient than the one it names is opened is `policy.rules`' to see (ATT-4).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from kjerne.access import Attestation, Caller, CallerKind, Coded
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, PatientRef, Unattested
from kjerne.fhir import smart
from kjerne.policy.claims import Claims, Code, Identifier, Patient, TrustFramework
from kjerne.policy.errand import basis_of, errand_of
from kjerne.policy.people import norwegian_day
from kjerne.settings import Settings

CITIZEN_SCOPE: Final = "kjerne:citizen"
HIGH_LEVEL: Final = 4
SKEW_SECONDS: Final = 5
TEXT_LIMIT_CHARACTERS: Final = 500

PERSON_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.4."
HPR_SYSTEM: Final = PERSON_SYSTEM + "4"
ORGANISATION_SYSTEM: Final = PERSON_SYSTEM + "101"
RESH_SYSTEM: Final = PERSON_SYSTEM + "102"
AUTHORIZATION_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.1.9060"
PURPOSE_SYSTEM: Final = "urn:oid:2.16.840.1.113883.1.11.20448"
PURPOSES: Final = frozenset({"TREAT", "ETREAT", "COC", "BTG"})
_KODEVERK = "urn:oid:2.16.578.1.12.4.1.1."
SERVICE_SYSTEMS: Final = frozenset(
    _KODEVERK + number for number in ("8655", "8627", "8451", "8668", "8663", "8662", "8664", "8666", "7750", "8254")
)
DETAIL_SYSTEMS: Final = frozenset({"urn:AuditEventHL7Norway/CodeSystem/carerelation", _KODEVERK + "9151"})

_ELEVEN = re.compile(r"[0-9]{11}")
_NINE = re.compile(r"[0-9]{9}")


@dataclass(frozen=True, slots=True)
class Registered:
    """What the personnel register knows of an HPR number: whose it is (a person number's digest), what she may be.

    Valid in the half-open interval [valid_from, valid_to).
    """

    digest: bytes
    authorizations: frozenset[str]
    valid_from: date
    valid_to: date | None = None


Digest = Callable[[str], bytes]
Register = Callable[[str], Awaitable[Registered | None]]
PartOf = Callable[[str, str], Awaitable[bool]]
"""Whether the register of organisations has the first unit below the second, at any depth."""


@dataclass(frozen=True, slots=True)
class _Case:
    """All that a demand may look at."""

    claims: Claims
    said: TrustFramework
    now: datetime
    limit_seconds: int
    digest: Digest
    registered: Registered | None
    in_own_unit: bool
    patients_in_own_unit: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """One rule of the trust framework: `met` is asked, `says` and `todo` are what the sender reads where it is not."""

    rule: str
    where: str
    says: str
    met: Callable[[_Case], bool]
    todo: str = ""


def _identified(case: _Case) -> bool:
    who = case.said.practitioner.identifier
    return who.system in (PERSON_SYSTEM + "1", PERSON_SYSTEM + "2") and bool(_ELEVEN.fullmatch(who.id))


def _hpr_has_its_system(case: _Case) -> bool:
    given = case.said.practitioner.hpr_nr
    return not given.id or given.system == HPR_SYSTEM


def _same_hpr(case: _Case) -> bool:
    return not case.claims.hpr or case.said.practitioner.hpr_nr.id == case.claims.hpr


def _in_register(case: _Case) -> bool:
    """An HPR number is one that the register has today, and it is this very person's."""
    if not case.said.practitioner.hpr_nr.id:
        return True
    return _is_registered(case.registered, case.digest(case.claims.pid), case.now)


def _is_registered(known: Registered | None, digest: bytes, at: datetime) -> bool:
    today = norwegian_day(at)
    return (
        known is not None
        and known.digest == digest
        and known.valid_from <= today
        and (known.valid_to is None or today < known.valid_to)
    )


def _authorized(case: _Case) -> bool:
    given = case.said.practitioner.authorization
    if not given.code:
        return True
    return (
        given.system == AUTHORIZATION_SYSTEM
        and case.registered is not None
        and bool(case.said.practitioner.hpr_nr.id)
        and given.code in case.registered.authorizations
    )


def _own_organisation(case: _Case) -> bool:
    return case.said.practitioner.legal_entity.id == case.claims.organisation


def _department_means_something(case: _Case) -> bool:
    """A number of RESH is the register's; any other is local, and its owner must be named beside it."""
    given = case.said.practitioner.department
    if not given.id or given.system == RESH_SYSTEM:
        return True
    return bool(given.system) and given.authority.rpartition(":")[2] == case.said.practitioner.legal_entity.id


def _purposeful(case: _Case) -> bool:
    purpose = case.said.care_relationship.purpose_of_use
    return purpose.system == PURPOSE_SYSTEM and purpose.code in PURPOSES


def _care_told(case: _Case) -> bool:
    care = case.said.care_relationship
    service, details = care.healthcare_service, care.purpose_of_use_details
    return bool(service.code or details.code) and all(
        not code.code or code.system in systems
        for code, systems in ((service, SERVICE_SYSTEMS), (details, DETAIL_SYSTEMS))
    )


def _decided(case: _Case) -> bool:
    decision = case.said.care_relationship.decision_ref
    return bool(decision.id) and decision.user_selected is not None


def _patients_numbered(case: _Case) -> bool:
    return all(
        patient.identifier.system in (PERSON_SYSTEM + "1", PERSON_SYSTEM + "2", PERSON_SYSTEM + "3")
        and _ELEVEN.fullmatch(patient.identifier.id)
        for patient in case.said.patients
    )


def _treated_at_a_number(case: _Case) -> bool:
    return all(_is_organisation(one.point_of_care) for one in case.said.patients if one.point_of_care.id)


def _treated_somewhere(case: _Case) -> bool:
    """A department is one of the patient's own contact here, which has a point of care too (ATT-49)."""
    return all(bool(one.point_of_care.id) for one in case.said.patients if one.department.id)


def _fresh(case: _Case) -> bool:
    return _is_fresh(case.said.toa, case.now, case.limit_seconds)


def _is_fresh(toa: int, now: datetime, limit_seconds: int) -> bool:
    return -SKEW_SECONDS <= int(now.timestamp()) - toa < limit_seconds


def _plain_text(case: _Case) -> bool:
    """Whatever stands in an attestation may end in a log or on a page (section 5.1 of the data model)."""
    return all(len(text) <= TEXT_LIMIT_CHARACTERS and not CONTROL.search(text) for text in _texts(case.said))


def _texts(said: Any) -> Iterator[str]:
    """Every text in an attestation, at any depth."""
    if isinstance(said, str):
        yield said
    elif isinstance(said, msgspec.Struct | tuple):
        for inner in said if isinstance(said, tuple) else msgspec.structs.astuple(said):
            yield from _texts(inner)


EXPIRED: Final = Demand(
    "ATT-58",
    "toa",
    "attestation_has_expired: the attestation has no time, is too old or lies ahead of the clock.",
    _fresh,
    "Make a new attestation.",
)
UNREGISTERED: Final = Demand(
    "ATT-29", "practitioner.hpr_nr", "The HPR number is not this person's, or not valid today.", _in_register
)
UNAUTHORIZED: Final = Demand(
    "ATT-32", "practitioner.authorization", "The register does not hold this authorization.", _authorized
)
DEMANDS: Final = (
    Demand(
        "ATT-10",
        "practitioner.identifier",
        "The practitioner must be named by a fødselsnummer or D-number with its system.",
        _identified,
    ),
    Demand(
        "ATT-11",
        "practitioner.identifier",
        "The attested practitioner is not the one who logged in.",
        lambda case: case.said.practitioner.identifier.id == case.claims.pid,
    ),
    Demand(
        "ATT-29",
        "practitioner.hpr_nr.system",
        "The HPR number must stand with the system of the register of health personnel.",
        _hpr_has_its_system,
    ),
    Demand("ATT-29", "practitioner.hpr_nr", "The HPR number must be given, and be the login's.", _same_hpr),
    UNREGISTERED,
    UNAUTHORIZED,
    Demand(
        "ATT-15",
        "practitioner.legal_entity",
        "The legal entity must be named by its organisation number.",
        lambda case: _is_organisation(case.said.practitioner.legal_entity),
    ),
    Demand(
        "ATT-2, ATT-13",
        "practitioner.legal_entity",
        "The legal entity is not the organisation that the token was issued to.",
        _own_organisation,
    ),
    Demand(
        "ATT-18",
        "practitioner.point_of_care",
        "The point of care must be named by its organisation number.",
        lambda case: _is_organisation(case.said.practitioner.point_of_care),
    ),
    Demand(
        "ATT-18, ATT-19",
        "practitioner.point_of_care",
        "The point of care is neither the legal entity nor a unit that the register has below it.",
        lambda case: case.in_own_unit,
        "Name the unit where she works, as it stands in the register of organisations.",
    ),
    Demand(
        "ATT-28",
        "practitioner.department",
        "A department must stand with its system, a local one with its legal entity as authority.",
        _department_means_something,
    ),
    Demand(
        "ATT-38",
        "care_relationship.purpose_of_use",
        "The purpose must be TREAT, ETREAT, COC or BTG of HL7 PurposeOfUse.",
        _purposeful,
    ),
    Demand(
        "ATT-43",
        "care_relationship.healthcare_service",
        "The healthcare service or the details of the purpose must be given, from the listed code systems.",
        _care_told,
    ),
    Demand(
        "ATT-46",
        "care_relationship.decision_ref",
        "The decision must have an id and say whether the user selected it herself.",
        _decided,
    ),
    Demand(
        "ATT-4",
        "patients",
        "An attestation names one patient.",
        lambda case: len(case.said.patients) <= 1,
        "Make a new attestation for each patient.",
    ),
    Demand(
        "ATT-4",
        "patients.identifier",
        "The patient must be named by a fødselsnummer, D-number or common help number with its system.",
        _patients_numbered,
    ),
    Demand(
        "ATT-49",
        "patients.point_of_care",
        "The patient's point of care must be named by its organisation number.",
        _treated_at_a_number,
    ),
    Demand(
        "ATT-51",
        "patients.point_of_care",
        "The patient's point of care is not a unit of the practitioner's own legal entity.",
        lambda case: case.patients_in_own_unit,
        "Leave it out where the patient is treated elsewhere.",
    ),
    Demand(
        "ATT-56",
        "patients.department",
        "The patient's department needs her point of care beside it.",
        _treated_somewhere,
        "Leave it out where the patient is treated elsewhere.",
    ),
    EXPIRED,
    Demand(
        "section 5.1",
        "care_relationship.decision_ref",
        f"A text is longer than {TEXT_LIMIT_CHARACTERS} characters or holds control characters.",
        _plain_text,
    ),
)


def _is_organisation(said: Identifier) -> bool:
    return said.system == ORGANISATION_SYSTEM and bool(_NINE.fullmatch(said.id))


async def caller(
    claims: Claims, clock: Clock, settings: Settings, digest: Digest, register: Register, part_of: PartOf
) -> Caller:
    """The caller behind verified claims; `Unattested` (403) with the rule's number where the attestation breaks one.

    A token without a person is a system's; the citizen's scope makes a citizen; anybody else is a practitioner, who
    without an attestation gets no further than what asks for no patient. `digest` hides person numbers, `register` is
    the HPR look-up, `part_of` asks the register of organisations.
    """
    kind = _kind(claims)
    errand = None
    try:
        if kind != "system":
            must_be_high(claims)
        errand = errand_of(claims, kind, digest)
        attestation = None
        if claims.attestations:
            if kind != "practitioner" or len(claims.attestations) > 1:
                raise Refusal(403, "One attestation at most, and only about a practitioner.", rule="ATT-4")
            attestation = await _attestation(claims, clock.now(), settings, digest, register, part_of)
        basis = basis_of(claims, kind)
    except Refusal as refused:
        raise Unattested(refused, _proven(claims, kind, digest, refused.rule), _named(claims, digest)) from refused
    return Caller(
        kind=kind,
        client=claims.client,
        scopes=claims.scopes,
        digest=digest(claims.pid) if claims.pid else b"",
        name=claims.name,
        hpr=attestation.hpr if attestation else claims.hpr,
        authorization=attestation.authorization if attestation else "",
        organisation=attestation.legal_entity if attestation else claims.organisation,
        point_of_care=attestation.point_of_care if attestation else claims.suborganisation,
        department=attestation.department if attestation else "",
        level=claims.level,
        jti=claims.jti,
        attestation=attestation,
        limits=smart.limits(claims.scopes, kind),
        errand=errand,
        basis=basis,
        until=claims.expires_at,
    )


def _proven(claims: Claims, kind: CallerKind, digest: Digest, broken: str) -> Caller:
    """Who asks by what the token's issuer says of her alone: nothing of what the attestation claims, and no HPR number that the
    register has as another's (ATT-29)."""
    return Caller(
        kind=kind,
        client=claims.client,
        scopes=claims.scopes,
        digest=digest(claims.pid) if claims.pid else b"",
        name=claims.name,
        hpr="" if broken == UNREGISTERED.rule else claims.hpr,
        organisation=claims.organisation,
        point_of_care=claims.suborganisation,
        level=claims.level,
        jti=claims.jti,
        until=claims.expires_at,
        broken=broken,
    )


def _named(claims: Claims, digest: Digest) -> tuple[PatientRef, ...]:
    """Whom the attestations and errands of a token are about: each once, as far as they are named by a person number."""
    numbers = [patient.identifier.id for said in claims.attestations for patient in said.patients]
    numbers += [errand.patient.id for errand in claims.errands]
    return tuple(PatientRef(digest=digest(one)) for one in dict.fromkeys(numbers) if _ELEVEN.fullmatch(one))


def must_be_high(claims: Claims) -> None:
    """`Refusal` 403 where a person's login is below security level 4 (ATT-9)."""
    if claims.level < HIGH_LEVEL:
        raise Refusal(
            403,
            "The login is not at security level 4.",
            where="security_level",
            todo="Log in again at level 4 (assurance high).",
            rule="ATT-9",
        )


def must_be_registered(known: Registered | None, digest: bytes, authorization: str, now: datetime) -> None:
    """`Refusal` 403 where the register no longer holds her, or this authorization: a login may outlive it (K76).

    As an attestation is held to the register (ATT-29, ATT-32), for her of whom no attestation is sent: who reads on the pages.
    """
    if known is None or not _is_registered(known, digest, now):
        raise _refused(UNREGISTERED)
    if authorization and authorization not in known.authorizations:
        raise _refused(UNAUTHORIZED)


def _kind(claims: Claims) -> CallerKind:
    if CITIZEN_SCOPE not in claims.scopes:
        return "practitioner" if claims.pid else "system"
    if not claims.pid or any(scope.startswith("nhn:") for scope in claims.scopes):
        raise Refusal(403, "A citizen's token names a person and holds no scope of staff.", rule="one role")
    return "citizen"


async def _attestation(
    claims: Claims, now: datetime, settings: Settings, digest: Digest, register: Register, part_of: PartOf
) -> Attestation:
    said = claims.attestations[0]
    hpr = said.practitioner.hpr_nr.id
    known = await register(hpr) if hpr else None
    unit, entity = said.practitioner.point_of_care.id, said.practitioner.legal_entity.id
    # A care relation is the unit's: a doctor who could name any unit would have every hospital's patients.
    in_own_unit = unit == entity or await part_of(unit, entity)
    here = [await _is_treated_here(patient, entity, part_of) for patient in said.patients]
    case = _Case(claims, said, now, 60 * settings.attestation_minutes, digest, known, in_own_unit, all(here))
    for demand in DEMANDS:
        if not demand.met(case):
            raise _refused(demand)
    return _typed(said, digest)


async def _is_treated_here(patient: Patient, entity: str, part_of: PartOf) -> bool:
    """Her point of care is a unit of the practitioner's own; where she is treated elsewhere none is named (ATT-51)."""
    unit = patient.point_of_care.id
    return unit in ("", entity) or await part_of(unit, entity)


def must_be_fresh(known: Caller, now: datetime, settings: Settings) -> None:
    """`Unattested` 403 where the attestation of a caller made earlier has expired: her token may outlive it (ATT-58)."""
    said = known.attestation
    if said and not _is_fresh(int(said.made_at.timestamp()), now, 60 * settings.attestation_minutes):
        named = tuple(PatientRef(digest=one) for one in said.patient_digests)
        raise Unattested(_refused(EXPIRED), replace(known, attestation=None, broken=EXPIRED.rule), named)


def _refused(demand: Demand) -> Refusal:
    code = "expired" if demand is EXPIRED else "forbidden"
    return Refusal(403, demand.says, where=demand.where, todo=demand.todo, code=code, rule=demand.rule)


def _typed(said: TrustFramework, digest: Digest) -> Attestation:
    who, care = said.practitioner, said.care_relationship
    return Attestation(
        practitioner_digest=digest(who.identifier.id),
        hpr=who.hpr_nr.id,
        authorization=who.authorization.code,
        legal_entity=who.legal_entity.id,
        point_of_care=who.point_of_care.id,
        department=who.department.id,
        healthcare_service=_coded(care.healthcare_service),
        purpose=care.purpose_of_use.code,
        purpose_details=_coded(care.purpose_of_use_details),
        decision_id=care.decision_ref.id,
        decision_text=care.decision_ref.description,
        user_selected=care.decision_ref.user_selected is True,
        patient_digests=tuple(digest(patient.identifier.id) for patient in said.patients),
        made_at=datetime.fromtimestamp(said.toa, UTC),
        patient_point_of_care=next((one.point_of_care.id for one in said.patients), ""),
        patient_department=next((_token(one.department) for one in said.patients), ""),
    )


def _token(said: Identifier) -> str:
    return f"{said.system}|{said.id}" if said.id else ""


def _coded(code: Code) -> Coded | None:
    return Coded(code.code, code.system, code.text) if code.code else None
