"""In whose name sources are asked: the assertion that a grant is told as, and what of it an answer may depend on.

A source logs and judges whoever asks, not us. A health worker is named by her HPR number and name: no person number of hers
goes out, since the platform keeps none, and her own log must not show one (ATT-8). A citizen is named by her own number, by
which a source tells whether she asks about herself, with her errand's purpose and access policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from kjerne.access import Coded, Grant
from kjerne.policy.errand import BASIS_BY_POLICY, POLICY_ROOT, PURPOSE_SYSTEM
from kjerne.services.documents.model import NOBODY, Asker
from kjerne.wire import xua
from kjerne.wire.xua_signing import Signer, ce, cx, decision, ii
from kjerne.xds.forms import CX

SECONDS: Final = 300
SCOPE: Final = "journaldokumenter_helsepersonell"
CITIZEN_SCOPE: Final = "innsynpasientjournal"
POLICY_BY_BASIS: Final = {basis: f"urn:oid:{POLICY_ROOT}{number}" for number, basis in BASIS_BY_POLICY.items()}
POLICY_BY_RULE: Final = {"parent": "1", "proxy": "2", "guardian": "3", "guardian-of-minor": "3"}
"""By which right a citizen stands in for another, where no portal has signed it: by the rule that let her."""
EMERGENCY: Final = f"urn:oid:{POLICY_ROOT}7"
SETS_ASIDE: Final = "BTG"
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


def ground(grant: Grant, patient: CX, asker: Asker = NOBODY) -> Ground:
    """The ground of one question about the patient under this number. `asker` is who a citizen is to sources."""
    if grant.caller.kind == "citizen":
        parts, subject = _of_citizen(grant, patient, asker), asker.number or patient.number
    else:
        parts, subject = _of_personnel(grant, patient), grant.caller.hpr
    return Ground(subject, tuple((name, text) for name, text in parts if text))


def _of_citizen(grant: Grant, patient: CX, asker: Asker) -> Iterator[tuple[str, str]]:
    """Her errand, as a portal signs it: who stands in for another says by which right."""
    caller = grant.caller
    policy = caller.errand.policy if caller.errand else POLICY_BY_RULE.get(grant.rule, "0")
    yield "name", caller.name
    yield "level", str(caller.level)
    yield "client", caller.client
    yield "scope", CITIZEN_SCOPE
    yield "organisation", _organisation(caller.organisation or asker.organisation)
    yield "purpose", ce("PurposeOfUse", {"code": grant.purpose, "system": PURPOSE_SYSTEM})
    yield "policy", f"urn:oid:{POLICY_ROOT}{policy}"
    yield "patient", cx({"id": patient.number, "system": patient.authority})


def _of_personnel(grant: Grant, patient: CX) -> Iterator[tuple[str, str]]:
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
    yield "policy", _policy(grant)
    yield "patient", cx({"id": patient.number, "system": patient.authority})
    if said is not None:
        yield "service", _coded("HealthcareService", said.healthcare_service)
        yield "details", _coded("PurposeOfUseDetails", said.purpose_details)
        yield (
            "decision",
            decision({"id": said.decision_id, "description": said.decision_text, "user_selected": said.user_selected}),
        )


def _policy(grant: Grant) -> str:
    """The access policy: who sets the rules aside does so in an emergency with its reason, whatever else she declared (K190)."""
    return EMERGENCY if grant.purpose == SETS_ASIDE else POLICY_BY_BASIS.get(grant.basis, "")


def _organisation(number: str) -> str:
    return ii({"id": number, "system": xua.ORGANISATION_SYSTEM}) if number else ""


def _coded(tag: str, said: Coded | None) -> str:
    return ce(tag, {"code": said.code, "system": said.system, "text": said.text}) if said else ""
