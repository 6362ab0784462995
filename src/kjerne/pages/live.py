"""The pages' house over the real thing: law from `policy`, rows from `store`, registers from both.

Every look at a patient goes through the same door as an API call: a `Caller` is made from the login, the visit becomes
its attestation, `policy` answers with a `Grant`, and the store writes the audit row with what it reads.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from kjerne.access import Action, Attestation, Caller, CallerKind, Coded, Grant, Label
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import Denied, PatientRef, Unattested, granted
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.pages.house import (
    Basis,
    Chart,
    File,
    Identity,
    Patient,
    Represented,
    Shows,
    Visit,
)
from kjerne.pages.live_chart import OBSERVATION, REPORT, TYPES, chart_of, is_closed, lost_of, named, said, trees_of
from kjerne.pages.looked_up import AlreadyDone, Analysis, done_of
from kjerne.pages.shown import OnPage, ShownAnswer, ShownReport, digest_of, results_of
from kjerne.policy.caller import Registered, must_be_high, must_be_registered
from kjerne.policy.choosing import Choosing
from kjerne.policy.claims import Claims
from kjerne.policy.door import Door
from kjerne.policy.people import HEALTH_MAJORITY, age, norwegian_day
from kjerne.policy.services import SERVICES
from kjerne.registries.protection import is_protected
from kjerne.services.results import reuse
from kjerne.services.results.answers import attached_to, former_files_of
from kjerne.services.results.reuse_api import Asker
from kjerne.services.standards import types_by_service
from kjerne.store import audit, deleted, files, followup, logins, registers, subjects
from kjerne.store.house import Store
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader, Record
from kjerne.store.registers import PractitionerRow
from kjerne.store.writing_down import looking, write_down

T = TypeVar("T")
SERVICE = "results"
SUMMARY = "summary"
"""What is asked of several services at once."""
BESIDE: Mapping[str, tuple[str, ...]] = {
    "critical-information": ("critical-information",), "documents": ("documents",), SUMMARY: ("critical-information", "record"),
}  # fmt: skip
"""Which services a login for results is let in to beside those, by what it asks for."""
CLIENT = "kjerne-pages"
CHART_LIMIT = 20_000
"""Newest records of each type that are drawn: an intensive stay of months fits. Where there are more, the pages say so."""
BINARY = files.BINARY
SPECIMEN = type_number("Specimen")
NOBODY = b"nobody"
"""Whom the page attests where a typed number belongs to nobody: the law then answers as about a stranger."""
CARE_RELATION = "urn:AuditEventHL7Norway/CodeSystem/carerelation"


class Carry(msgspec.Struct, frozen=True):
    """What travels sealed in the cookie, enough to make the `Caller` of the next request."""

    digest: bytes
    scopes: list[str]
    client: str
    level: int
    jti: str
    authorization: str = ""
    organisation: str = ""
    point_of_care: str = ""


class LivePages:
    """Implements `pages.house.PagesHouse`, with what waits in `pages.live_desk` and the citizen's half in `live_citizen`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        reader: Reader,
        asker: Asker,
        verify: Callable[[bytes], Awaitable[Claims]],
        identify: Callable[[str], PatientRef],
        digest: Callable[[str], bytes],
        *,
        tells_choices: bool = True,
    ) -> None:
        self.store = store
        self.clock = clock
        self.reader = reader
        self.asker = asker
        self._verify = verify
        self._identify = identify
        self._digest = digest
        self.tells_choices = tells_choices
        self.door = Door(store, clock, tells_choices=tells_choices)
        self.choosing = Choosing(store, reader, types_by_service())

    # Login and law

    async def sign_in(self, claims: Mapping[str, Any], access_token: str) -> Identity:
        """An identity of a finished login; the access token says what the provider vouches for."""
        held = await self._verify(access_token.encode())
        must_be_high(held)
        digest = self._digest(held.pid)
        carry = Carry(digest, sorted(held.scopes), held.client, held.level, held.jti)
        if "kjerne:citizen" in held.scopes:
            return Identity("citizen", held.name, carry=_packed(carry))
        if "kjerne:operations" in held.scopes:
            carry = msgspec.structs.replace(carry, organisation=held.organisation)
            # Her patients block her by name, and she approves as one human, under her HPR number here too.
            return Identity("operator", held.name, hpr=held.hpr, carry=_packed(carry))
        known = await registers.practitioner_by_digest(self.store.pool, digest)
        self._must_be_registered(known, digest, "")
        assert known is not None, "nobody was let in"
        organisation = str(claims.get("helseid://claims/client/claims/orgnr_parent", "") or held.organisation)
        place = str(claims.get("helseid://claims/client/claims/orgnr_child", "") or held.suborganisation)
        # As of an attestation (`policy.caller`): a care relation is the unit's, and only the register says whose unit it is.
        if place not in ("", organisation) and not await registers.is_part_of(self.store.pool, place, organisation):
            raise Refusal(403, "The unit of the login is not one of its organisation's.", where="unit")
        names = await registers.organisation_names(self.store.pool, [organisation, place])
        role = known.authorizations[0] if known.authorizations else ""
        carry = msgspec.structs.replace(
            carry, authorization=role, organisation=organisation, point_of_care=place or organisation
        )
        shown = names.get(place) or names.get(organisation) or organisation
        return Identity("practitioner", known.name, role, shown, known.hpr, _packed(carry))

    async def end_login(self, login: str, until: datetime) -> None:
        """Over on every host."""
        await logins.end(self.store.pool, login, until)

    async def has_ended(self, login: str) -> bool:
        """Whether she, or somebody at her desk, has logged it out."""
        return await logins.has_ended(self.store.pool, login)

    async def caller(self, who: Identity, visit: Visit | None, service: str = SERVICE) -> Caller:
        """The caller of one request; with a visit, attested for that patient alone.

        A login's token is for one API, that of the results. The pages call none: with it she is let in to the other services
        that they show too, as their law then has it (law, K128), and for a summary to the record (K144).

        Health personnel are looked up in the register anew: an authorisation that ends while she is logged in ends here too,
        as `Unattested` about the visited patient.
        """
        carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
        if visit is not None and (there := visit.launched) is not None:
            carry = msgspec.structs.replace(
                carry,
                organisation=there.organisation,
                point_of_care=there.point_of_care,
                authorization=there.authorization,
            )
        if who.kind == "practitioner":
            known = await registers.practitioner(self.store.pool, who.hpr)
            try:
                self._must_be_registered(known, carry.digest, carry.authorization)
            except Refusal as refused:
                # The number and the authorisation were hers when she logged in, and are not proven any more.
                unproven = replace(self._caller(who, carry, None), hpr="", authorization="", broken=refused.rule)
                raise Unattested(refused, unproven, (PatientRef(key=visit.patient),) if visit else ()) from refused
        attestation = await self._attestation(who, carry, visit) if visit and who.kind == "practitioner" else None
        caller = self._caller(who, carry, attestation)
        if caller.kind != "practitioner" or not caller.scopes & SERVICES[SERVICE].scopes:
            return caller
        return replace(caller, scopes=caller.scopes.union(*(SERVICES[one].scopes for one in BESIDE.get(service, ()))))

    def _caller(self, who: Identity, carry: Carry, attestation: Attestation | None) -> Caller:
        kind: CallerKind = "citizen" if who.kind == "citizen" else "practitioner"
        return Caller(
            kind=kind,
            client=carry.client,
            scopes=frozenset(carry.scopes),
            digest=carry.digest,
            name=who.name,
            hpr=who.hpr,
            authorization=carry.authorization,
            organisation=carry.organisation,
            point_of_care=carry.point_of_care,
            level=carry.level,
            jti=carry.jti,
            attestation=attestation,
            limits=smart.limits(carry.scopes, kind),
        )

    def _must_be_registered(self, row: PractitionerRow | None, digest: bytes, authorization: str) -> None:
        known = Registered(row.digest, frozenset(row.authorizations), row.valid_from, row.valid_to) if row else None
        must_be_registered(known, digest, authorization, self.clock.now())

    async def _attestation(self, who: Identity, carry: Carry, visit: Visit) -> Attestation:
        """What the page vouches for: this practitioner, this patient, this purpose, since the patient was opened."""
        digests = await self.store.people.digests(self.store.pool, visit.patient)
        return Attestation(
            practitioner_digest=carry.digest,
            hpr=who.hpr,
            authorization=carry.authorization,
            legal_entity=carry.organisation,
            point_of_care=carry.point_of_care,
            department="",
            healthcare_service=None,
            purpose=visit.purpose,
            purpose_details=Coded("BEHANDLER", CARE_RELATION),
            decision_id=visit.launched.decision if visit.launched else visit.id,
            decision_text=visit.reason,
            user_selected=visit.self_declared,
            patient_digests=digests or (NOBODY,),
            made_at=visit.opened_at,
        )

    def basis_of(self, visit: Visit) -> Basis:
        """What she has declared for the visit, while it holds."""
        return visit.basis if visit.basis_until is None or self.clock.now() < visit.basis_until else ""

    async def under(
        self, who: Identity, visit: Visit, action: Action, use: Callable[[Grant], Awaitable[T]], *, service: str = SERVICE,
        what: str = "",
    ) -> T:  # fmt: skip
        """Uses a grant for the visited patient; the one way from these pages to her."""
        try:
            caller = await self.caller(who, visit, service)
        except Unattested as refused:
            await self.door.write_down(refused, f"page-{visit.id}-{secrets.token_hex(4)}")
            raise
        admit = self.door.admit(caller, f"page-{visit.id}-{secrets.token_hex(4)}")
        ref, basis = PatientRef(key=visit.patient), self.basis_of(visit)
        return await granted(admit, ref, service, action, use, basis=basis, purpose=visit.purpose, what=what)

    async def sources_elsewhere(self, service: str, now: datetime) -> Sequence[str]:  # noqa: ARG002 - for who knows of any
        """The organisations whose records of a service lie with them: none but where a service is asked for elsewhere."""
        return ()

    # Patients

    async def find(self, who: Identity, number: str) -> int:
        """The person key of a typed number; 0, which nobody has, where it is unknown."""
        ref = self._identify(number)
        try:
            caller = await self.caller(who, None)
        except Unattested as refused:
            refused.named = (ref,)
            await self.door.write_down(refused, f"page-{secrets.token_hex(8)}")
            raise
        async with self.store.pool.acquire() as conn:
            found = await subjects.load(conn, ref, caller, self.store.wrap)
        return found[0].patient if found else 0

    async def patient(self, who: Identity, visit: Visit, *, refused: bool = False) -> Patient | None:
        """The identity bar, from the register of persons, for whom a tie or the law lets know; a line in the log beside it."""

        async def use(grant: Grant) -> Patient:
            async with self.store.pool.acquire() as conn:
                await audit.insert(conn, audit.given(grant))
                return await self.person(conn, visit.patient)

        if not refused:
            with contextlib.suppress(Denied):
                return await self.under(who, visit, "search", use)
        caller = await self.caller(who, visit)
        if not await self.door.may_name(caller, PatientRef(key=visit.patient), SERVICE, "search"):
            return None
        async with self.store.pool.acquire() as conn:
            return await self.person(conn, visit.patient)

    async def person(self, conn: Connection, key: int) -> Patient:
        """What the register of persons says; ask the law whether the reader may know before it is shown."""
        return (await self.named(conn, key))[0]

    async def named(self, conn: Connection, key: int) -> tuple[Patient, str]:
        """A person, and how her address is protected."""
        nobody = Caller("system", CLIENT, frozenset())
        found = await subjects.load(conn, PatientRef(key=key), nobody, self.store.wrap)
        if found is None:
            raise Refusal(404, "There is no such person.", where="patient")
        subject, detail = found
        sexes: dict[str, Literal["female", "male"]] = {"female": "female", "male": "male"}
        return Patient(
            key=subject.patient,
            name=detail.name,
            birth_date=detail.birth_date,
            sex=sexes.get(detail.sex, ""),
            masked=f"{await self.store.people.first_six(conn, key)} •••••",
            synthetic=subject.synthetic,
            deceased=subject.deceased,
        ), subject.protection

    # Results

    async def chart(self, who: Identity, visit: Visit, shows: Shows | None = None) -> Chart:
        """The whole picture in one read, whose row names what the page shows."""
        looks = count(1)

        async def use(grant: Grant) -> Chart:
            async with looking(self.store.pool, grant, next(looks) if shows else 1) as conn:
                read = self.reader.look if shows else self.reader.all_of
                found = await read(conn, grant, [type_number(name) for name in TYPES], CHART_LIMIT)
                records = [record for record, _ in found]
                whole = await self._whole(conn, grant, records)
                lost = await deleted.look_at_last_of(conn, grant, self.reader, SPECIMEN)
                trees = trees_of(found, await files.replaced(conn, grant, self.reader), lost)
                locked, releases = await self.reader.shut(conn, grant, REPORT)
                acknowledged = await followup.acknowledged(conn, grant)
                waiting = await followup.waiting_ids(conn, grant)
                patient = await self.person(conn, visit.patient)
                if who.kind == "practitioner":
                    patient = replace(patient, number=await self.store.people.number(conn, grant))
                shut = (locked if self.tells_choices else 0, releases)
                chart = chart_of(patient, grant, records, trees, shut, acknowledged, waiting)
                chart = replace(chart, whole=whole, opted_out=grant.released_only and is_closed(grant))
                await self._write_down(conn, grant, found, lost, chart, shows(chart) if shows else None)
            return chart

        return await self.under(who, visit, "search", use)

    async def _write_down(
        self, conn: Connection, grant: Grant, found: Sequence[tuple[Record, Sequence[Record]]],
        lost: Sequence[tuple[Record, datetime]], chart: Chart, shown: OnPage | None,
    ) -> None:  # fmt: skip
        """The rows of what stands on the page, and of what is listed on it alone. Of a whole chart, which was read with its row,
        what was deleted and its results are of is left."""
        gone = lost_of(chart, lost, shown.ids if shown else None)
        if shown is None:
            if gone:
                await audit.insert(conn, audit.given(grant), gone)
            return
        leaves = [(grant, named(found, shown.ids))]
        if shown.listed:
            leaves.append((audit.listed(grant), named(found, shown.listed, history=False)))
        await write_down(conn, leaves, gone=gone)

    async def _whole(self, conn: Connection, grant: Grant, records: Sequence[Record]) -> int:
        """How many results there are where not all were read, else 0."""
        drawn = sum(1 for record in records if record.type == OBSERVATION)
        if drawn < CHART_LIMIT:
            return 0
        whole = (await self.reader.counted(conn, grant, [OBSERVATION])).get(OBSERVATION, 0)
        return whole if whole > drawn else 0

    async def file(self, who: Identity, visit: Visit, report: str, number: str) -> File:
        """Report and file in one audited read: a file is reached through a report that is open, and only then."""
        return await self._file(who, visit, report, number, files.CURRENT, former=False)

    async def former_file(self, who: Identity, visit: Visit, report: str, number: str, version: int) -> File:
        """As `file`, of one that another took the place of: in the `version` that it was, as the report or a former version
        of it showed it."""
        return await self._file(who, visit, report, number, version, former=True)

    async def _file(self, who: Identity, visit: Visit, report: str, number: str, version: int, *, former: bool) -> File:
        report_id, file_id = self.store.ids.parse(report), self.store.ids.parse(number)
        if report_id is None:
            raise _no_file()

        async def use(grant: Grant) -> File:
            async with self.store.pool.acquire() as conn:
                reports, binary = await files.opened(
                    conn, grant, self.reader, report_id, file_id, version, former=former
                )
            trees = {record.version: decode(record.raw) for record in reports}
            if file_id is not None:
                shown = {one.id for tree in trees.values() for one in attached_to(tree)}
                shown |= {one.file.id for tree in trees.values() for one in former_files_of(tree)} if former else set()
                if binary is None or number not in shown:
                    raise _no_file()
                return File(_bytes(decode(binary.raw).get("data", "")))
            held = trees.get(version if former else max(trees, default=0), {})
            ids = [one.id for one in attached_to(held)]
            if number not in ids:
                raise _no_file()
            return File(_bytes(held["presentedForm"][ids.index(number)].get("data", "")))

        return await self.under(who, visit, "read", use)

    async def acknowledge(self, who: Identity, visit: Visit, shown: ShownReport) -> None:
        """The requester has read this version of a report and of its results: what came after it was shown was read by
        nobody. What came after the report is signed by itself too."""
        id_ = self.store.ids.parse(shown.report)
        if id_ is None:
            raise Refusal(404, "There is no such report.", where="report")

        async def use(grant: Grant) -> None:
            async with self.store.pool.acquire() as conn, conn.transaction():
                record = await self.reader.read(conn, grant, REPORT, id_)
                if record is None:
                    raise Refusal(404, "There is no such report.", where="report")
                # Which results are its own; none leaves, and the report's row is all that was read.
                found = await self.reader.look(conn, grant, [OBSERVATION], CHART_LIMIT)
                results = results_of([said(record)], [said(one) for one, _ in found])[str(id_)]
                if (record.version, digest_of(results)) != (shown.version, shown.results):
                    raise Refusal(409, "The report has changed since it was shown.", where="stale")
                await followup.acknowledge(conn, grant, REPORT, id_, record.version)
                for one, _ in found:
                    if str(one.id) in results and one.at > record.at:
                        await followup.acknowledge(conn, grant, OBSERVATION, one.id, one.version)

        await self.under(who, visit, "read", use)

    # Reuse

    async def analyses(self) -> tuple[Analysis, ...]:
        """Every analysis an interval is kept for."""
        return tuple(
            Analysis(one.codes[0], one.system, one.name, (*one.codes[1:], *one.also)) for one in reuse.intervals()
        )

    async def already_done(self, who: Identity, visit: Visit, asked: Analysis) -> AlreadyDone:
        """Has it been done within its interval, by what this reader may see."""

        async def use(grant: Grant) -> AlreadyDone:
            number, answer = await self.asker.ask(grant, asked.system, asked.code)
            done = tuple(done_of(earlier) for earlier in answer.earlier)
            days = answer.interval.days if answer.interval else None
            results = tuple((one.id, int(one.observation["meta"]["versionId"])) for one in answer.earlier)
            return AlreadyDone(str(number), asked, answer.verdict, days, answer.again_from, done, results)

        return await self.under(who, visit, "search", use)

    async def answer_reuse(
        self, who: Identity, visit: Visit, shown: ShownAnswer, outcome: Literal["followed", "overridden"], reason: str
    ) -> None:
        """What she did with a shown answer, while the results that it named are what they were."""
        named = [(OBSERVATION, uuid_of(id_, "number"), version) for id_, version in shown.results]

        async def use(grant: Grant) -> None:
            async with self.store.pool.acquire() as conn:
                found = await self.reader.as_read(conn, grant, named)
            stands = {(now.id, now.version) for now, _ in found if not now.labels & Label.WITHDRAWN_WITH_REPORT}
            if stands != {(id_, version) for _, id_, version in named}:
                raise Refusal(409, "A result has changed since it was shown.", where="stale")
            await self.asker.tell(grant, uuid_of(shown.number, "number"), outcome, reason)

        await self.under(who, visit, "search", use)

    async def represented(self, who: Identity) -> tuple[Represented, ...]:
        """The citizen herself first, then those she is a parent, proxy or guardian of."""
        carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
        async with self.store.pool.acquire() as conn:
            own = await self.store.people.key_of(conn, carry.digest)
            if own is None:
                raise Refusal(404, "The register of persons does not know you.", where="person")
            person, protection = await self.named(conn, own)
            day = norwegian_day(self.clock.now())
            young = person.birth_date is not None and age(person.birth_date, day) < HEALTH_MAJORITY
            herself = Represented(own, who.name, "self", young=young)
            if is_protected(protection):
                return (herself,)
            rows = await self.store.people.represented_by(conn, own, day)
            people = [(tie.kind, *await self.named(conn, key)) for key, tie in rows]
        others = {
            person.key: Represented(person.key, person.name, tie)
            for tie, person, protection in people
            if tie in ("parent", "proxy", "guardian") and not is_protected(protection)
        }
        return (herself, *others.values())


def _packed(carry: Carry) -> str:
    return msgspec.msgpack.encode(carry).hex()


def _no_file() -> Refusal:
    return Refusal(404, "There is no such file with this report.", where="file")


def _bytes(data: str) -> bytes:
    try:
        found = base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error:
        found = b""
    if not found:
        raise Refusal(404, "The file cannot be read.", where="file")
    return found


def uuid_of(text: str, where: str) -> UUID:
    """A number that a form sent back; `Refusal` 404 where it is none."""
    try:
        return UUID(text)
    except ValueError:
        raise Refusal(404, "There is nothing with this number.", where=where) from None
