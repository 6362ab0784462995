"""A laboratory's message in: understood, filed on its patient, answered with a receipt. Whole, or not at all.

One transaction holds the claim on the message id, each report's chain, its records, the audit rows, the notices to those
who had read what is now changed, and the receipt. The same message again gets the same receipt and changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from kjerne.access import Caller, Grant, Label
from kjerne.clock import Clock
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Admit, Denied, PatientRef, Stale
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import encode
from kjerne.fhir.index import index
from kjerne.services.results import release
from kjerne.services.results.kith import apprec, chain, codes, mapping
from kjerne.services.results.kith.model import Message, Patient
from kjerne.settings import Settings
from kjerne.store import followup, messages
from kjerne.store.chains import Chains, Source
from kjerne.store.house import Store
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.pool import Connection
from kjerne.store.records import Change, Written
from kjerne.store.subjects import PersonDetail

SERVICE: Final = "results"
REPORT_TYPE: Final = type_number("DiagnosticReport")
OBSERVATION_TYPE: Final = type_number("Observation")
NATIONAL: Final = frozenset({"FNR", "DNR", "FHN"})
VERSIONS_LIMIT: Final = 100
"""Versions of one report; each message folds them all. The longest chain seen in samples has three."""
EARLIEST: Final = date(1900, 1, 1)
SEXES: Final = {"1": "male", "2": "female"}

Read = Callable[[bytes], Message]
Digest = Callable[[str], bytes]
IsSynthetic = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a message: the receipt that goes back, and what is in. `faults` are empty when it was accepted.

    `rule` names the access rule where the law was what refused.
    """

    receipt: bytes
    reports: int
    observations: int
    status: int = 200
    faults: tuple[Fault, ...] = ()
    duplicate: bool = False
    rule: str = ""

    @property
    def accepted(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class Filing:
    """One report on its way: its chain, the grant for whom it names, and for whom the chain was filed on until now."""

    report: bytes
    source: Source
    grant: Grant
    owner: int | None
    former: Grant | None


class Intake:
    """Takes messages for one house. `read` understands bytes, `digest` hides identifiers."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, read: Read, digest: Digest, is_synthetic: IsSynthetic
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._read = read
        self._digest = digest
        self._is_synthetic = is_synthetic
        self._chains = Chains(store.records)
        # Messages about one report wait for each other, each with a connection: never with all of them.
        self._turns = asyncio.Semaphore(max(1, settings.pool_size // 2))

    async def take(self, raw: bytes, caller: Caller, admit: Admit) -> Taken:
        """Takes one message from an authenticated sender."""
        sender = caller.organisation or caller.client
        try:
            message = self._read(raw)
        except Refusal as refusal:
            return await self._reject(raw, sender, None, refusal)
        try:
            return await self._known(sender, message, raw) or await self._file(raw, sender, message, admit)
        except Refusal as refusal:
            return await self._reject(raw, sender, message, refusal)
        except Denied as denied:
            # The sender learns that nothing is filed here about this person, not why.
            shut = Refusal(
                403, "results about this person are not filed here", where="Patient/OffId", rule=denied.denial.rule
            )
            return await self._reject(raw, sender, message, shut)

    async def _known(self, sender: str, message: Message, raw: bytes) -> Taken | None:
        async with self._store.pool.acquire() as conn:
            return _as_before(await messages.seen(conn, sender, name_of(message), raw))

    async def _reject(self, raw: bytes, sender: str, message: Message | None, refusal: Refusal) -> Taken:
        """Keeps the message in the rejected queue with its faults, and answers with a receipt that says why."""
        now = self._clock.now()
        heard = apprec.heard(raw)
        receipt = apprec.build(message or heard, apprec.faults_of(refusal), now)
        faults = _faults(refusal)
        mark = self._digest(raw.hex()).hex()[:8]
        name = name_of(message) if message else heard.id or "unread"
        if refusal.status == 409 or message is None:
            name += f".{mark}"  # beside the message that has the name
        async with self._store.pool.acquire() as conn:
            await messages.keep(
                conn, self._store.messages, sender=sender, message=name, raw=raw, at=now, receipt=receipt, faults=faults
            )
        return Taken(receipt, 0, 0, refusal.status, faults, rule=refusal.rule)

    async def _file(self, raw: bytes, sender: str, message: Message, admit: Admit) -> Taken:
        versions = chain.versions(message)
        for _ in range(3):
            filings = [await self._filing(sender, message, version, admit) for version in versions]
            try:
                async with self._turns:
                    return await self._filed(raw, sender, message, filings)
            except Stale:
                continue
        raise Refusal(503, "the patient's facts are being changed at this moment", todo="Send the message again.")

    async def _filing(self, sender: str, message: Message, version: chain.Versioned, admit: Admit) -> Filing:
        """Asks the law about everybody the report concerns, before a transaction is open."""
        key = chain.report_digest(chain.report_key(message, version.report))
        report = self._digest(f"report|{sender}|{key.hex()}")
        grant = await admit(await self._patient(version.report.patient, version.report.line), SERVICE, "file")
        async with self._store.pool.acquire() as conn:
            owner = await self._chains.owner(conn, report)
        former = None
        if owner is not None and owner != grant.subject.patient:
            former = await admit(PatientRef(key=owner), SERVICE, "file")
            if owner in grant.subject.keys:
                grant, former = former, None
        return Filing(report, Source(version.generated_at, version.message, chain.pack(version)), grant, owner, former)

    async def _patient(self, patient: Patient, line: int) -> PatientRef:
        """The person the report names; registers one that no register knows, where the settings say so."""
        name = patient.number
        if patient.kind not in NATIONAL:
            name = f"{patient.kind}|{patient.assigner.value or patient.assigner_name}|{patient.number}"
        digest = self._digest(name)
        sandbox = self._settings.mode == "sandbox"
        if sandbox and patient.kind in NATIONAL and not self._is_synthetic(patient.number):
            raise Refusal(
                422,
                "the number is not a synthetic one, and a sandbox takes no others",
                where=f"Patient/OffId line {line}",
                todo="Use a number with the month plus 80.",
            )
        async with self._store.pool.acquire() as conn:
            if await self._store.people.key_of(conn, digest) is None:
                if self._settings.unknown_person == "refuse":
                    raise Refusal(422, "no register knows this person", where=f"Patient/OffId line {line}")
                identifier = Identifier(digest, patient.kind, patient.number, EARLIEST)
                new = NewPerson(_detail(patient), (identifier,), synthetic=sandbox)
                await self._store.people.ensure(conn, new, self._clock.now())
        return PatientRef(digest=digest)

    async def _filed(self, raw: bytes, sender: str, message: Message, filings: Sequence[Filing]) -> Taken:
        now = self._clock.now()
        receipt = apprec.build(message, (), now)
        observations = sum(len(report.items) for report in message.reports)
        async with self._store.pool.acquire() as conn, conn.transaction():
            claimed = await messages.keep(
                conn, self._store.messages, sender=sender, message=name_of(message), raw=raw, at=now, receipt=receipt,
                reports=len(filings), observations=observations,
            )  # fmt: skip
            if not claimed:
                known = _as_before(await messages.seen(conn, sender, name_of(message), raw))
                if known is None:
                    raise Stale
                return known
            for filing in filings:
                await self._file_report(conn, filing)
        return Taken(receipt, len(filings), observations)

    async def _file_report(self, conn: Connection, filing: Filing) -> None:
        """One version into its chain, and the chain's state into the record of whoever the newest version names."""
        grant, former, report, source = filing.grant, filing.former, filing.report, filing.source
        if await self._chains.lock(conn, report) != filing.owner:
            raise Stale
        if former is not None:
            sources = await self._chains.sources(conn, former, report)
            if source.made_at < max(one.made_at for one in sources):
                # A late, older version with the wrong number: the chain has moved on, and this is a part of its past.
                grant = former
            else:
                for one in sources:
                    await self._chains.add(conn, grant, report, one)
                await self._withdraw(conn, former, report, sources)
        before = await self._chains.sources(conn, grant, report) if filing.owner is not None else []
        if len(before) >= VERSIONS_LIMIT:
            raise Refusal(
                422,
                f"a report has at most {VERSIONS_LIMIT} versions here",
                where="ServReport/ServProvId",
                todo="Send what is new as a report of its own.",
            )
        await self._chains.add(conn, grant, report, source)
        await self._write(conn, grant, report, before, source)

    async def _withdraw(self, conn: Connection, former: Grant, report: bytes, sources: Sequence[Source]) -> None:
        """Shuts what was filed on the wrong person, and tells everybody who had opened it there."""
        named = sorted(self._named(former, report, sources), key=str)
        shut = await self._chains.withdraw(conn, former, named)
        told = [(type_, id_, 0) for type_, id_ in shut if type_ in (REPORT_TYPE, OBSERVATION_TYPE)]
        await followup.tell_readers(conn, former, "withdrawn", told)

    async def _write(
        self, conn: Connection, grant: Grant, report: bytes, before: Sequence[Source], source: Source
    ) -> None:
        """The chain's present state as records: what is new or changed, nothing else. `before`: its sources until now."""
        state = chain.fold([chain.unpack(one.raw) for one in (*before, source)])
        trees = mapping.resources(state, self._numberer(grant.subject.patient, report))
        opens = release.opens_at(state.report, _moment(state.first_issued, grant.at))
        changes = [_change(tree, opens) for tree in trees]
        await self._remove_gone(conn, grant, report, before, {(change.type, change.id) for change in changes})
        current = await self._store.records.bodies(conn, grant, changes) if before else {}
        fresh = [change for change in changes if current.get((change.type, change.id)) != change.raw]
        if not fresh:
            return
        written = await self._store.records.put(conn, grant, fresh)
        seen_before = [w for w in written if w.version > 1 and w.type == OBSERVATION_TYPE]
        if seen_before:
            corrected = [(w.type, w.id, w.version) for w in seen_before if _is_corrected(w, trees)]
            await followup.tell_readers(conn, grant, "corrected", corrected)
        requester = _requester(trees)
        if requester:
            reports = [(w.type, w.id, w.version) for w in written if w.type == REPORT_TYPE]
            await followup.put_in_inbox(conn, grant, requester, reports, _moment(state.issued, grant.at))

    async def _remove_gone(
        self, conn: Connection, grant: Grant, report: bytes, before: Sequence[Source], now: set[tuple[int, UUID]]
    ) -> None:
        """What the chain gave before its latest version came, and does not give any more, is taken out."""
        if before:
            gone = self._named(grant, report, before) - now
            if gone:
                await self._store.records.remove(conn, grant, sorted(gone, key=str))

    def _named(self, grant: Grant, report: bytes, sources: Sequence[Source]) -> set[tuple[int, UUID]]:
        state = chain.fold([chain.unpack(one.raw) for one in sources])
        trees = mapping.resources(state, self._numberer(grant.subject.patient, report))
        return {(type_number(tree["resourceType"]), UUID(tree["id"])) for tree in trees}

    def _numberer(self, patient: int, report: bytes) -> Callable[[str, str], str]:
        name = report.hex()
        return lambda type_, key: str(self._store.ids.named(patient, name, type_, key))


def name_of(message: Message) -> str:
    """What a message is called here: its MsgId and, since a copy to another receiver keeps it, a mark of the receiver.

    The envelope's id comes first where there is one: it is what the sender waits for a receipt of.
    """
    receivers = [report.requester for report in message.reports if report.requester is not None]
    known = message.envelope_id or message.id
    if not receivers:
        return known
    return f"{known}.{hashlib.blake2b(msgspec.msgpack.encode(receivers), digest_size=4).hexdigest()}"


def _as_before(seen: messages.Received | None) -> Taken | None:
    """The answer to a message that was accepted before; `Refusal` 409 where it was another one with the same id."""
    if seen is None or seen.status != "accepted":
        return None
    if not seen.same:
        raise Refusal(
            409,
            "another message with this MsgId was accepted before",
            where="Message/MsgId",
            todo="Give each message an id of its own.",
        )
    return Taken(seen.receipt, seen.reports, seen.observations, duplicate=True)


def bodies(message: Message) -> list[bytes]:
    """The bytes of the resources a message gives on its own: what a dictionary is trained on, from generated people."""
    return [
        encode(tree)
        for version in chain.versions(message)
        for tree in mapping.resources(chain.fold([version]), lambda type_, key: f"{type_}-{key}")
    ]


def _change(tree: Mapping[str, Any], opens: datetime | None) -> Change:
    raw = encode({name: value for name, value in tree.items() if name != "id"})
    labels = Label.NOT_THE_MOTHERS if mapping.not_the_patients(dict(tree)) else Label(0)
    return Change(type_number(tree["resourceType"]), UUID(tree["id"]), raw, index(dict(tree)), labels, opens)


def _is_corrected(written: Written, trees: Sequence[Mapping[str, Any]]) -> bool:
    tree = next((one for one in trees if one["id"] == str(written.id)), {})
    return any(one.get("url") == codes.CHANGE for one in tree.get("extension", ()))


def _requester(trees: Sequence[Mapping[str, Any]]) -> str:
    """The HPR number of whoever asked for the report; empty where the message names none."""
    roles = {f"PractitionerRole/{tree['id']}": tree for tree in trees if tree["resourceType"] == "PractitionerRole"}
    for tree in trees:
        if tree["resourceType"] == "ServiceRequest":
            role = roles.get(tree.get("requester", {}).get("reference", ""), {})
            identifier = role.get("practitioner", {}).get("identifier", {})
            if identifier.get("system") == codes.IDENTIFIER_SYSTEM["HPR"]:
                return str(identifier.get("value", ""))
    return ""


def _moment(text: str, otherwise: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _detail(patient: Patient) -> PersonDetail:
    """What the message says of a person no register knows."""
    try:
        born = date.fromisoformat(patient.born[:10])
    except ValueError:
        born = None
    return PersonDetail(name=patient.name, birth_date=born, sex=SEXES.get(patient.sex, ""))


def _faults(refusal: Refusal) -> tuple[Fault, ...]:
    return refusal.faults or (Fault(str(refusal.says), refusal.where, refusal.code),)
