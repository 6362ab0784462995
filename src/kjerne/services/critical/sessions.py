"""Portal sessions: a clinician's system opens the clinician's pages at the patient that is open there.

Source: NHN's client of kjernejournal's log-in service (`/api/session/create`, `refresh`, `end`; read 2026-11-27). The system
proves itself and its user by token and attestation, gets a code for one use, and sends a browser with it; the browser proves by
the verifier that it was sent by whoever asked ([decision 66](docs/decisions/0066-a-page-that-an-ehr-opens.md)).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from kjerne.access import Attestation, Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, Answer, Call, Denied, PatientRef, Route, granted
from kjerne.fhir.encode import encode
from kjerne.fhir.systems import canonical
from kjerne.registries.identifiers import numbers_in
from kjerne.services.critical.headers import BASES, ROLES, SOURCE_LONGEST, SOURCE_SHORTEST
from kjerne.services.critical.indicator import SCOPE
from kjerne.services.critical.kinds import SERVICE
from kjerne.store import audit
from kjerne.store.people import People
from kjerne.store.pool import Pool
from kjerne.store.portal_sessions import PortalSessions, Said, Texts, digest_of
from kjerne.store.proofs import note

BASE: Final = "/api/session"
SYSTEM: Final = "x-source-system"
CODE_SECONDS: Final = 60
"""How long the code waits for its browser: a redirect, and no more."""
BODY_LIMIT_BYTES: Final = 10_000
REASON_LIMIT: Final = 400
"""What the pages carry of the decision's words."""
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Wanted(NamedTuple):
    """What a session is asked for: about whom, on which basis, and the challenge that its browser must answer."""

    patient: PatientRef
    basis: str
    challenge: str


@dataclass(frozen=True)
class SessionsApi:
    """The handlers. `minutes` is how old an attestation may be: a session lives as long as the one that it stands on."""

    pool: Pool
    people: People
    sessions: PortalSessions
    parse_json: Callable[[bytes], dict[str, Any]]
    identify: Callable[[str], PatientRef]
    minutes: int

    def routes(self) -> list[Route]:
        return [
            Route("POST", f"{BASE}/{name}", handler, SCOPE, "json", BODY_LIMIT_BYTES)
            for name, handler in (("create", self.create), ("refresh", self.refresh), ("end", self.end))
        ]

    async def create(self, call: Call) -> Answer:
        """A session about a patient: `sessionId`, and a `code` that opens the clinician's pages at her once, within a minute.

        The law is asked, and her log has a row. What she has restricted is no hindrance: the page says so, and how it is opened.
        """
        caller, attested = _attested(call)
        wanted = self._wanted(call, caller)
        texts = await self._asked(call, wanted.patient, wanted.basis, self._make(call, caller, attested, wanted))
        return Answer(200, encode({"sessionId": texts.session, "code": texts.code}), "application/json")

    async def refresh(self, call: Call) -> Answer:
        """The session goes on, on the attestation that comes with this. One about another patient closes the page (ATT-58)."""
        caller, attested = _attested(call)
        session = _session(call, self.parse_json)
        said = await self.sessions.find(self.pool, session, caller.digest, call.at)
        if said is None:
            raise _no_session()
        if not set(await self.people.digests(self.pool, said.patient)) & set(attested.patient_digests):
            await self.sessions.end(self.pool, digest_of(session), call.at)
            raise Refusal(
                409, "the attestation is about another patient: the page is closed", where="attestation",
                todo="Create a session for the patient that is open now.",
            )  # fmt: skip
        until = self._until(attested)

        async def prolong(conn: Any, patient: int) -> Texts | None:
            now = _said(patient, caller, attested, said.basis)
            return Texts(session, "") if await self.sessions.prolong(conn, session, now, until, call.at) else None

        try:
            found = await self._asked(call, PatientRef(key=said.patient), said.basis, prolong)
        except Denied:
            await self.sessions.end(self.pool, digest_of(session), call.at)
            raise
        if found is None:
            raise _no_session()
        return Answer(204)

    async def end(self, call: Call) -> Answer:
        """The page is closed, at its next step on whichever host. A session that is over already is answered alike."""
        caller = call.caller
        assert caller is not None, "the route is not public"
        _system(call)
        session = _session(call, self.parse_json)
        if await self.sessions.find(self.pool, session, caller.digest, call.at) is not None:
            await self.sessions.end(self.pool, digest_of(session), call.at)
        return Answer(204)

    async def _asked(self, call: Call, patient: PatientRef, basis: str, write: Callable[..., Any]) -> Any:
        """What `write` gives once the law was asked, in the transaction that has the row of her log."""

        async def use(grant: Grant) -> Any:
            async with self.pool.acquire() as conn:
                await note(conn, grant.once)
                async with conn.transaction():
                    await audit.insert(conn, audit.given(grant))
                    return await write(conn, grant.asked_about.patient)

        try:
            return await granted(call.admit, patient, SERVICE, "search", use, basis=basis, asked="session")
        except Denied as denied:
            subject = denied.denial.subject
            if denied.denial.outcome != "General" or subject is None:
                raise
            async with self.pool.acquire() as conn, conn.transaction():
                return await write(conn, subject.patient)

    def _make(self, call: Call, caller: Caller, attested: Attestation, wanted: Wanted) -> Callable[..., Any]:
        until = self._until(attested)
        code_until = min(call.at + timedelta(seconds=CODE_SECONDS), until)

        async def make(conn: Any, patient: int) -> Texts:
            said = _said(patient, caller, attested, wanted.basis)
            return await self.sessions.create(conn, said, wanted.challenge, code_until, until)

        return make

    def _until(self, attested: Attestation) -> datetime:
        return attested.made_at + timedelta(minutes=self.minutes)

    def _wanted(self, call: Call, caller: Caller) -> Wanted:
        """What is asked for; `Refusal` 400 for what is not of the form, 403 for a role that is not attested (ATT-32)."""
        body = self.parse_json(call.body)
        challenge, claims = body.get("ehr_code_challenge"), body.get("claims")
        if not isinstance(challenge, str) or not _CHALLENGE.fullmatch(challenge):
            says = "the challenge is the SHA-256 of the verifier in base64url, 43 characters"
            raise Refusal(400, says, where="ehr_code_challenge")
        if not isinstance(claims, dict):
            raise Refusal(400, "the claims are an object", where="claims")
        patient, role, basis = (
            _coded(claims, name) for name in ("patient_identifier", "practitioner_authorization", "access_basis")
        )
        number = patient.get("id", "")
        if not number:
            raise Refusal(400, "the patient is named by her number", where="claims.patient_identifier.id")
        if role.get("code") and (
            canonical(role.get("system", ROLES)) != ROLES or role["code"].upper() != caller.authorization
        ):
            says = "the role is not the one that the attestation vouches for"
            raise Refusal(403, says, where="claims.practitioner_authorization", rule="ATT-32")
        code = basis.get("code", "").upper()
        if code and code not in BASES:
            raise Refusal(400, f"the basis is one of {', '.join(BASES)}", where="claims.access_basis.code")
        try:
            return Wanted(self.identify(number), BASES.get(code, ""), challenge)
        except Refusal as refusal:
            raise Refusal(400, refusal.says, where="claims.patient_identifier.id", todo=refusal.todo) from None


def _said(patient: int, caller: Caller, attested: Attestation, basis: str) -> Said:
    return Said(
        patient=patient,
        practitioner=caller.digest,
        client=caller.client,
        organisation=attested.legal_entity,
        point_of_care=attested.point_of_care,
        authorization=attested.authorization,
        purpose=attested.purpose,
        basis=basis or caller.basis,
        decision=attested.decision_id,
        reason=attested.decision_text[:REASON_LIMIT],
        self_declared=attested.user_selected,
        attested_at=attested.made_at,
    )


def _attested(call: Call) -> tuple[Caller, Attestation]:
    """Who asks, with what her system vouches for; `Refusal` 403 without it."""
    _system(call)
    caller = call.caller
    assert caller is not None, "the route is not public"
    if caller.attestation is None or not caller.attestation.patient_digests:
        raise Refusal(403, "a session stands on an attestation about one patient", where="attestation", rule="ATT-6")
    return caller, caller.attestation


def _system(call: Call) -> None:
    system = call.headers.get(SYSTEM, "").strip()
    if not SOURCE_SHORTEST <= len(system) <= SOURCE_LONGEST or CONTROL.search(system) or numbers_in(system):
        says = f"which system asks, and in which version, has {SOURCE_SHORTEST} to {SOURCE_LONGEST} characters"
        raise Refusal(400, says, where="X-SOURCE-SYSTEM", todo="Send the header X-SOURCE-SYSTEM.")
    if call.query:
        raise Refusal(400, "this address takes no parameters", where="query")
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "the body is application/json", where="content-type")


def _session(call: Call, parse_json: Callable[[bytes], dict[str, Any]]) -> str:
    session = parse_json(call.body).get("sessionId")
    if not isinstance(session, str) or not _TEXT.fullmatch(session):
        raise Refusal(400, "the session is named as it was given", where="sessionId")
    return session


def _no_session() -> Refusal:
    return Refusal(404, "there is no such session of yours, or it is over", where="sessionId", todo="Create a session.")


def _coded(claims: Mapping[str, Any], name: str) -> dict[str, str]:
    given = claims.get(name, {})
    if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
        raise Refusal(400, "an identifier or a code is an object of texts", where=f"claims.{name}")
    return given
