"""A laboratory's message in: understood, filed on its patient, answered with a receipt. Whole, or not at all.

One transaction holds the claim on the message id, each report's chain, its records, the audit rows, the notices to those
who had read what is now changed, and the receipt. The same message again gets the same receipt and changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import msgspec

from kjerne.access import Caller, Grant
from kjerne.clock import Clock
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Admit, Denied, PatientRef, Stale
from kjerne.fhir.encode import encode
from kjerne.services.results.filing import Files, Filing
from kjerne.services.results.kith import apprec, chain, mapping
from kjerne.services.results.kith.model import Message, Patient
from kjerne.settings import Settings
from kjerne.store import followup, messages
from kjerne.store.chains import Chains, moved
from kjerne.store.house import Store
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.registers import organisation_names
from kjerne.store.subjects import PersonDetail

SERVICE: Final = "results"
SCOPE: Final = "nhn:pps/provesvar-write"
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
class Named:
    """Whom one report names, and under which key its versions stand; `new` where no register knows her."""

    report: bytes
    version: chain.Versioned
    patient: PatientRef
    new: NewPerson | None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A report that `message` took from a wrong person; `opened`: organisation by name, role, number of readers."""

    message: str
    at: datetime
    opened: tuple[tuple[str, str, int], ...]


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
        self._files = Files(store, self._chains, digest)
        # Messages about one report wait for each other, each with a connection: never with all of them.
        self._turns = asyncio.Semaphore(max(1, settings.pool_size // 2))

    async def take(self, raw: bytes, caller: Caller, admit: Admit) -> Taken:
        """Takes one message from an authenticated sender."""
        sender = sender_of(caller)
        try:
            message = self._read(raw)
        except Refusal as refusal:
            return await self._reject(raw, sender, None, refusal)
        try:
            return await self._known(sender, message, raw) or await self._file(raw, caller, message, admit)
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
        name = name_of(message) if message else messages.unread_name(heard.id, mark)
        if message and refusal.status == 409:
            name += f".{mark}"  # beside the message that has the name
        async with self._store.pool.acquire() as conn:
            await messages.keep(
                conn, self._store.messages, sender=sender, message=name, raw=raw, at=now, receipt=receipt, faults=faults
            )
        return Taken(receipt, 0, 0, refusal.status, faults, rule=refusal.rule)

    async def _file(self, raw: bytes, caller: Caller, message: Message, admit: Admit) -> Taken:
        sender = sender_of(caller)
        for _ in range(3):
            filings = await self._admitted(caller, message, admit)
            try:
                async with self._turns:
                    return await self._filed(raw, sender, message, filings)
            except Stale:
                continue
        raise Refusal(503, "the patient's facts are being changed at this moment", todo="Send the message again.")

    async def _admitted(self, caller: Caller, message: Message, admit: Admit) -> list[Filing]:
        """Asks the law about everybody the message concerns, before a transaction is open.

        Whom no register knows is registered last, when nothing else of the message is refused.
        """
        sender = sender_of(caller)
        named = [await self._named(sender, message, version) for version in chain.versions(message)]
        filings = {i: await self._filing(sender, one, admit) for i, one in enumerate(named) if one.new is None}
        unknown = {i: one for i, one in enumerate(named) if one.new is not None}
        if unknown and SCOPE not in caller.scopes:
            raise Refusal(403, "this sender may not file results", where="scope")
        owners = {i: await self._former(one.report, admit) for i, one in unknown.items()}
        await self._register([one.new for one in unknown.values() if one.new is not None])
        for i, one in unknown.items():
            filings[i] = await self._filing(sender, one, admit, owners[i])
        return [filings[i] for i in sorted(filings)]

    async def _named(self, sender: str, message: Message, version: chain.Versioned) -> Named:
        key = chain.report_digest(chain.report_key(message, version.report))
        report = self._digest(f"report|{sender}|{key.hex()}")
        patient, new = await self._patient(version.report.patient, version.report.line)
        async with self._store.pool.acquire() as conn:
            if await self._chains.count(conn, report) >= VERSIONS_LIMIT:
                raise Refusal(
                    422,
                    f"a report has at most {VERSIONS_LIMIT} versions here",
                    where=f"ServReport/ServProvId line {version.report.line}",
                    todo="Send what is new as a report of its own.",
                )
        return Named(report, version, patient, new)

    async def _former(self, report: bytes, admit: Admit) -> Grant | None:
        async with self._store.pool.acquire() as conn:
            owner = await self._chains.owner(conn, report)
        return None if owner is None else await admit(PatientRef(key=owner), SERVICE, "file")

    async def _filing(self, sender: str, named: Named, admit: Admit, former: Grant | None = None) -> Filing:
        grant = await admit(named.patient, SERVICE, "file")
        async with self._store.pool.acquire() as conn:
            owner = await self._chains.owner(conn, named.report)
        if owner is None or owner == grant.subject.patient:
            former = None
        else:
            if former is None or former.subject.patient != owner:
                former = await admit(PatientRef(key=owner), SERVICE, "file")
            if owner in grant.subject.keys:
                grant, former = former, None
        return Filing(sender, named.report, named.version, grant, owner, former)

    async def _patient(self, patient: Patient, line: int) -> tuple[PatientRef, NewPerson | None]:
        """The person the report names; one to be registered, where no register knows her and the settings say so."""
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
            known = await self._store.people.key_of(conn, digest)
        if known is not None:
            return PatientRef(digest=digest), None
        if self._settings.unknown_person == "refuse":
            raise Refusal(422, "no register knows this person", where=f"Patient/OffId line {line}")
        identifier = Identifier(digest, patient.kind, patient.number, EARLIEST)
        return PatientRef(digest=digest), NewPerson(_detail(patient), (identifier,), synthetic=sandbox)

    async def _register(self, people: Sequence[NewPerson]) -> None:
        if people:
            async with self._store.pool.acquire() as conn, conn.transaction():
                # In the order of their numbers' digests: two messages about the same two wait, and never for each other.
                for one in sorted(people, key=lambda person: person.identifiers[0].digest):
                    await self._store.people.ensure(conn, one, self._clock.now())

    async def withdrawn(self, caller: Caller) -> list[Withdrawn]:
        """The sender's reports that were taken from a wrong person, newest first, and who had opened them there."""
        async with self._store.pool.acquire() as conn:
            moves = await moved(conn, self._files.mark(sender_of(caller)))
            opened = await followup.opened_before(conn, [(move.patient, move.at) for move in moves])
        numbers = {organisation for rows in opened.values() for organisation, _, _ in rows}
        names = await organisation_names(self._store.pool, sorted(numbers))
        return [
            Withdrawn(
                move.message,
                move.at,
                tuple(
                    (names.get(organisation, ""), role, readers) for organisation, role, readers in opened.get(i, ())
                ),
            )
            for i, move in enumerate(moves)
        ]

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
                await self._files.file(conn, filing, name_of(message))
            for id_ in {message.id, message.envelope_id} - {""}:
                await messages.end_unread(conn, sender, id_)
        return Taken(receipt, len(filings), observations)


def sender_of(caller: Caller) -> str:
    """Whose message it is: the organisation of the token, else its client."""
    return caller.organisation or caller.client


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


def _detail(patient: Patient) -> PersonDetail:
    """What the message says of a person no register knows."""
    try:
        born = date.fromisoformat(patient.born[:10])
    except ValueError:
        born = None
    return PersonDetail(name=patient.name, birth_date=born, sex=SEXES.get(patient.sex, ""))


def _faults(refusal: Refusal) -> tuple[Fault, ...]:
    return refusal.faults or (Fault(str(refusal.says), refusal.where, refusal.code),)
