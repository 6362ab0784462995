"""In whose name sources are asked: the assertion that a grant is told as, and what of it an answer may depend on.

A source logs and judges the health worker, not us. She is named by her HPR number and name: no person number of hers goes out,
since the platform keeps none, and her own log must not show one (ATT-8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from kjerne.access import Coded, Grant
from kjerne.policy.errand import BASIS_BY_POLICY, POLICY_ROOT, PURPOSE_SYSTEM
from kjerne.wire import xua
from kjerne.wire.xua_signing import Signer, ce, cx, decision, ii
from kjerne.xds.forms import CX

SECONDS: Final = 300
SCOPE: Final = "journaldokumenter_helsepersonell"
POLICY_BY_BASIS: Final = {basis: f"urn:oid:{POLICY_ROOT}{number}" for number, basis in BASIS_BY_POLICY.items()}
_ROLE_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.1.9060"
_DEPARTMENT_SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.4.102"


@dataclass(frozen=True, slots=True)
class Ground:
    """Who asks, why, and about whom, by the parts of an assertion (`wire.xua.NAMES`)."""

    subject: str
    parts: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> bytes:
        """Equal where nothing that a source may judge by differs: what one was answered is shown to no other."""
        return sha256(repr((self.subject, self.parts)).encode()).digest()

    def assertion(self, signer: Signer, audience: str) -> bytes:
        """Signed now, for one source."""
        return signer.assertion(self.subject, audience, self.parts, SECONDS)


def ground(grant: Grant, patient: CX) -> Ground:
    """The ground of one question about the patient under this number."""
    return Ground(grant.caller.hpr, tuple((name, text) for name, text in _parts(grant, patient) if text))


def _parts(grant: Grant, patient: CX) -> Iterator[tuple[str, str]]:
    caller, said = grant.caller, grant.caller.attestation
    yield "name", caller.name
    yield "level", str(caller.level)
    yield "client", caller.client
    yield "scope", SCOPE
    yield "npi", caller.hpr
    yield "provider", ii({"id": caller.hpr, "system": xua.HPR_SYSTEM})
    yield "role", ce("Role", {"code": caller.authorization, "system": _ROLE_SYSTEM})
    yield "organisation", _organisation(caller.organisation)
    yield "unit", _organisation(caller.point_of_care)
    if caller.department:
        system, _, number = caller.department.rpartition("|")
        yield "department", ii({"id": number, "system": system or _DEPARTMENT_SYSTEM})
    yield "purpose", ce("PurposeOfUse", {"code": grant.purpose, "system": PURPOSE_SYSTEM})
    yield "policy", POLICY_BY_BASIS.get(grant.basis, "")
    yield "patient", cx({"id": patient.number, "system": patient.authority})
    if said is not None:
        yield "service", _coded("HealthcareService", said.healthcare_service)
        yield "details", _coded("PurposeOfUseDetails", said.purpose_details)
        yield (
            "decision",
            decision({"id": said.decision_id, "description": said.decision_text, "user_selected": said.user_selected}),
        )


def _organisation(number: str) -> str:
    return ii({"id": number, "system": xua.ORGANISATION_SYSTEM}) if number else ""


def _coded(tag: str, said: Coded | None) -> str:
    return ce(tag, {"code": said.code, "system": said.system, "text": said.text}) if said else ""
