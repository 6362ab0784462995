"""A laboratory's message in: understood, filed on its patient, answered with a receipt. Whole, or not at all.

One look tells whether the message came before, whom it names and whose its reports are; then the law is asked. One
transaction holds the claim on the message id, the registration of whom no register knew, each report's chain, its records,
the audit rows, the notices to those who had read what is now changed, and the receipt. The same message again gets the same
receipt and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from kjerne.access import Action, Caller, Grant, Once
from kjerne.clock import Clock
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Admit, Denied, PatientRef, Stale, not_filed, noted
from kjerne.registries.identifiers import parse
from kjerne.registries.made_up import MadeUp
from kjerne.registries.protection import is_protected
from kjerne.services.results import arrived, release
from kjerne.services.results import idle as idle_of
from kjerne.services.results.filing import Files, Filing, moved_mark, number_of
from kjerne.services.results.kith import apprec, chain, lineage, traces
from kjerne.services.results.kith.identity import NATIONAL, NUMBER_WRONG
from kjerne.services.results.kith.kin import CHANGES
from kjerne.services.results.kith.model import Message, Patient
from kjerne.services.results.shown import NUMBERS_LIMIT, shown_numbers
from kjerne.services.results.unnamed import Outcome
from kjerne.settings import Settings
from kjerne.store import changing, followup, messages, subjects
from kjerne.store.arrivals import Arrival, Claim, Sent, claim, look
from kjerne.store.arrivals import under as under_number
from kjerne.store.chains import Chains, moved
from kjerne.store.house import Store
from kjerne.store.people import Identifier, Newcomer, NewPerson
from kjerne.store.pool import BUSY, GONE, Connection, locked
from kjerne.store.proofs import note
from kjerne.store.registers import organisation_names
from kjerne.store.subjects import PersonDetail

log = structlog.get_logger("kjerne.intake")

SERVICE: Final = "results"
SCOPE: Final = "nhn:pps/provesvar-write"
VERSIONS_LIMIT: Final = 100
"""Versions of one report; each message folds them all. The longest chain seen in samples has three."""
ATTEMPTS: Final = 4
"""The first believes what was looked at; those after it plan anew while they hold the number, as others send under it."""
EARLIEST: Final = date(1900, 1, 1)
SEXES: Final = {"1": "male", "2": "female"}

Read = Callable[[bytes], Message]
Hear = Callable[[bytes], apprec.Heard]
Digest = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a message: the receipt that goes back, and what is in. `faults` are empty when it was accepted; `idle` is
    what of an accepted one had no effect.

    `rule` names the access rule where the law was what refused.
    """

    receipt: bytes
    reports: int
    observations: int
    status: int = 200
    faults: tuple[Fault, ...] = ()
    duplicate: bool = False
    rule: str = ""
    idle: tuple[Fault, ...] = ()

    @property
    def accepted(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class Named:
    """One report as it is looked up: the laboratory's number of it, and the digest of whom it names; her other
    numbers with theirs.

    `narrow` gives a number that is used for no other report, where so much came under `number` that it says nothing.
    """

    number: bytes
    narrow: Callable[[], bytes]
    version: chain.Versioned
    person: bytes
    trace: traces.Trace
    beside: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """One report with what is known under its number, and the `plans` of those before it in its message that share that."""

    named: Named
    arrival: Arrival
    plans: Sequence[lineage.Plan]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A report that `message` took from a wrong person; `opened`: organisation by name, role, number of readers. The name is
    empty where her address is protected: where she is treated is told to nobody."""

    message: str
    at: datetime
    opened: tuple[tuple[str, str, int], ...]


class Intake:
    """Takes messages for one house. `read` understands bytes, `hear` what can be made out of those that it refuses,
    `digest` hides identifiers."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings, read: Read, digest: Digest, made_up: MadeUp,
        hear: Hear = apprec.heard,
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._settings = settings
        self._read = read
        self._digest = digest
        self._made_up = made_up
        self._hear = hear
        self._chains = Chains(store.records)
        self._files = Files(store, self._chains, digest)
        self._us = apprec.us_as(settings.organisation_number)
        # Messages about one report wait for each other, each with a connection: never with all of them.
        self._turns = asyncio.Semaphore(max(1, settings.pool_size // 2))

    async def take(
        self, raw: bytes, caller: Caller, admit: Admit, correlation: str = "", once: Once | None = None
    ) -> Taken:
        """Takes one message from an authenticated sender; notes the request's proof (`once`) before anything is kept.

        A fault of our own is logged with its trace under `correlation`, and refuses the message: it stays in the sender's
        queue, to be run again when the fault is mended. Where the database is gone or busy there is no receipt (503), since
        nobody knows whether the message is in: sent again, it is taken or gets its receipt.
        """
        sender = sender_of(caller)
        message = None
        try:
            message = await changing.read(raw, partial(self._read, raw))
            return await self._file(raw, sender, message, admit, once)
        except Refusal as refusal:
            return await self._reject(raw, sender, message, refusal, once)
        except GONE as gone:
            log.warning("database gone", correlation=correlation)
            raise Refusal(503, "the database does not answer", todo="Send the message again.") from gone
        except (*BUSY, TimeoutError):
            raise
        except Exception:
            log.exception("fault", correlation=correlation, route="intake")
            ours = Refusal(
                422,
                "a fault of ours stopped this message; it is kept, and can be run again",
                todo=f"Report correlation id {correlation}." if correlation else "",
            )
            return await self._reject(raw, sender, message, ours, once)

    async def refused(self, raw: bytes, admit: Admit) -> None:
        """Notes in the logs of those whom a message names that it was not taken, for the scopes of its sender's token; a message
        that cannot be read names nobody."""
        with contextlib.suppress(Refusal):
            for name in sorted({digest_name(report.patient) for report in self._read(raw).reports}):
                await noted(admit, PatientRef(digest=self._digest(name)), SERVICE, "file", "*.cud")

    async def _reject(
        self, raw: bytes, sender: str, message: Message | None, refusal: Refusal, once: Once | None
    ) -> Taken:
        """Keeps the message in the rejected queue with its faults, and answers with a receipt that says why.

        Refused itself where the request's proof was used before: of such a request nothing is kept.
        """
        async with self._store.pool.acquire() as conn:
            await note(conn, once)
        row, taken = await self._rejection(raw, sender, message, refusal)
        async with self._store.pool.acquire() as conn:
            await messages.keep(conn, row)
        return taken

    async def _rejection(
        self, raw: bytes, sender: str, message: Message | None, refusal: Refusal
    ) -> tuple[tuple[Any, ...], Taken]:
        """A rejected message's row in the queue, and what the sender is told.

        A message that shows somebody who has opted out is receipted and not kept, whatever it was refused for.
        """
        now = self._clock.now()
        heard = self._hear(raw)
        receipt = apprec.build(message or heard, apprec.faults_of(refusal), now, us=self._us)
        faults = _faults(refusal)
        mark = self._digest(raw.hex()).hex()[:8]
        name = name_of(message) if message else messages.unread_name(heard.id, mark)
        if message and refusal.status == 409:
            name += f".{mark}"  # beside the message that has the name
        shown = self._shown(raw, message)
        async with self._store.pool.acquire() as conn:
            keeps_out = await messages.somebody_opted_out(conn, shown, SERVICE, now)
        copy = messages.NOT_KEPT if keeps_out else self._store.copies.refused(sender, name, raw, shown)
        row = messages.row(copy, sender=sender, message=name, raw=raw, at=now, receipt=receipt, faults=faults)
        return row, Taken(receipt, 0, 0, refusal.status, faults, rule=refusal.rule)

    def _shown(self, raw: bytes, message: Message | None) -> list[bytes]:
        """Digests of everybody the message shows: those it names, and whatever in it has the form of a number."""
        names = {digest_name(report.patient) for report in message.reports} if message else set()
        return [self._digest(name) for name in sorted(names) + sorted(shown_numbers(raw))[:NUMBERS_LIMIT]]

    async def _file(self, raw: bytes, sender: str, message: Message, admit: Admit, once: Once | None) -> Taken:
        named = [self._named(sender, message, version) for version in chain.versions(message)]
        for attempt in range(ATTEMPTS):
            seen, named, arrivals = await self._looked(raw, sender, message, named, once)
            known = _as_before(seen)
            if known is not None:
                return known
            filings, refusal = await self._admitted(sender, named, arrivals, admit, proven=attempt == 0)
            try:
                async with self._turns:
                    return await self._filed(raw, sender, message, filings, refusal, alone=attempt == 0)
            except Stale:
                continue
        raise Refusal(503, "the patient's facts are being changed at this moment", todo="Send the message again.")

    async def _looked(
        self, raw: bytes, sender: str, message: Message, named: Sequence[Named], once: Once | None
    ) -> tuple[messages.Received | None, list[Named], list[Arrival]]:
        """What is known of the message and of each report in it; a crowded number gives way to a narrower one."""
        async with self._store.pool.acquire() as conn:
            seen, arrivals = await look(conn, sender, name_of(message), raw, _pairs(named), once)
            if any(one.crowded for one in arrivals):
                named = [
                    replace(one, number=one.narrow()) if arrival.crowded else one
                    for one, arrival in zip(named, arrivals[: len(named)], strict=True)
                ]
                seen, arrivals = await look(conn, sender, name_of(message), raw, _pairs(named))
        others = iter(arrivals[len(named) :])
        known = [
            replace(arrival, beside=tuple(next(others).person for _ in one.beside))
            for one, arrival in zip(named, arrivals[: len(named)], strict=True)
        ]
        return seen, list(named), known

    def _named(self, sender: str, message: Message, version: chain.Versioned) -> Named:
        report = version.report

        def number(*, numbered: bool) -> bytes:
            return number_of(self._digest, sender, chain.report_key(message, report, numbered=numbered))

        person = self._digest(digest_name(report.patient))
        others = message.beside[version.part] if message.beside else ()
        beside = tuple((other, self._digest(other)) for other in others)
        return Named(
            number(numbered=True), partial(number, numbered=False), version, person, traces.trace(report), beside
        )

    async def _admitted(
        self, sender: str, named: Sequence[Named], arrivals: Sequence[Arrival], admit: Admit, *, proven: bool
    ) -> tuple[list[Filing], Refusal | None]:
        """Asks the law about everybody the message concerns, before a transaction is open.

        Where it refuses a report, the message is refused whole; what the report takes from a wrong person is taken all the
        same, and those filings come beside the refusal.
        """
        newcomers: dict[bytes, Newcomer] = {}
        for one, arrival in zip(named, arrivals, strict=True):
            self._check(one)
            if arrival.person is None and one.person not in newcomers:
                newcomers[one.person] = self._store.people.newcomer(self._new_person(one))
        filings, taking, refusal = list[Filing](), list[Filing](), None
        for one, arrival in zip(named, arrivals, strict=True):
            known = _Known(one, arrival, [filing.plan for filing in (*filings, *taking) if filing.number == one.number])
            try:
                filings.append(await self._filing(sender, known, newcomers.get(one.person), admit, proven=proven))
            except Denied as denied:
                refusal = refusal or not_filed(denied, f"Patient/OffId line {one.version.report.line}")
                taking += await self._taking(sender, known, denied, admit)
        if refusal and not taking:
            raise refusal
        return (taking, refusal) if refusal else (filings, None)

    def _check(self, named: Named) -> None:
        """Refuses what is not filed whatever the law says."""
        release.check(named.version.report)
        patient, line = named.version.report.patient, named.version.report.line
        if patient.kind in NATIONAL:
            self._made_up.hold(parse(patient.number, strict=False), f"Patient/OffId line {line}")
        for other, _ in named.beside:
            self._made_up.keep_out(parse(other, strict=False), f"Patient/AdditionalId line {line}")

    def _new_person(self, named: Named) -> NewPerson:
        patient = named.version.report.patient
        identifier = Identifier(named.person, patient.kind, patient.number, EARLIEST)
        return NewPerson(_detail(patient), (identifier,), synthetic=self._made_up.alone)

    async def _filing(
        self, sender: str, looked: _Known, newcomer: Newcomer | None, admit: Admit, *, proven: bool
    ) -> Filing:
        named, arrival = looked.named, looked.arrival
        about = newcomer.subject if newcomer else None
        mends = named.trace.service in CHANGES and arrival.person in {sent.owner for sent in arrival.known}
        action: Action = "correct" if mends else "file"
        grant = await admit(PatientRef(digest=named.person), SERVICE, action, proven=proven, newcomer=about)
        # After the law: a sender that takes no part does not learn who is registered.
        if arrival.person is None and self._settings.unknown_person == "refuse":
            where = f"Patient/OffId line {named.version.report.line}"
            raise Refusal(422, "no register knows this person", where=where)
        _one_person(named, arrival, grant.subject.keys)
        if newcomer and grant.subject.patient != newcomer.key:
            newcomer = None  # somebody else has registered her meanwhile
        # Of two keys of one person, the one that has reports under this number already.
        hers = {sent.patient for sent in arrival.known} & set(grant.subject.keys)
        if hers and grant.subject.patient not in hers:
            grant = await admit(PatientRef(key=min(hers)), SERVICE, action, proven=proven)
        mark = _mark(named, grant.subject.patient)
        plan, others, shut = await self._concerned(looked, mark, admit, (), proven=proven)
        return Filing(
            sender, named.number, named.version, mark, plan, grant, others, shut, newcomer,
            frozenset(arrival.known),
        )  # fmt: skip

    async def _concerned(
        self, looked: _Known, mark: lineage.Mark, admit: Admit, closed: Iterable[int], *, proven: bool
    ) -> tuple[lineage.Plan, tuple[Grant, ...], frozenset[int]]:
        """What the version changes, the grants for those it takes something from, and whom the law keeps as they are:
        those who are known to be `closed`, and more."""
        shut, named = set(closed), looked.named
        while True:
            plan = self._planned(
                named.number, looked.arrival.known, mark, named.version.report.line, shut, looked.plans
            )
            others = []
            for key in sorted(plan.owners - {mark.person}):
                try:
                    others.append(await admit(PatientRef(key=key), SERVICE, "correct", proven=proven))
                except Denied:
                    shut.add(key)
            if shut.isdisjoint(plan.owners - {mark.person}):
                return plan, tuple(others), frozenset(shut)

    async def _taking(self, sender: str, looked: _Known, denied: Denied, admit: Admit) -> list[Filing]:
        """What a report takes from a wrong person though it is not filed for the right one, who has opted out."""
        if denied.denial.subject is None:
            return []
        named = looked.named
        mark = _mark(named, denied.denial.subject.patient)
        plan, others, shut = await self._concerned(looked, mark, admit, {mark.person}, proven=False)
        if not others:
            return []
        known = frozenset(looked.arrival.known)
        return [Filing(sender, named.number, named.version, mark, plan, others[0], others[1:], shut, known=known)]

    def _planned(
        self, number: bytes, known: Sequence[Sent], mark: lineage.Mark, line: int, shut: Collection[int],
        earlier: Sequence[lineage.Plan] = (),
    ) -> lineage.Plan:  # fmt: skip
        """What the version changes among what came under its number, and what `earlier` reports of its message change there.

        Reports of those the law keeps `shut` are left as they are: what another person has refused stops nobody's result.
        """
        marks = arrived.marks(known, number, self._store.messages.open)
        for done in earlier:
            marks = lineage.laid(marks, done)
        marks = arrived.open_to(marks, lambda person: person not in shut)
        if lineage.collides(marks, mark):
            raise Refusal(
                409,
                "a message with this MsgId and GenDate was accepted before and says something else of this report",
                where="Message/MsgId",
                todo="Give each message an id of its own.",
            )
        plan = lineage.plan(number, marks, mark)
        if any(len(standing.marks) > VERSIONS_LIMIT for standing in plan.after.values()):
            raise Refusal(
                422,
                f"a report has at most {VERSIONS_LIMIT} versions here",
                where=f"ServReport/ServProvId line {line}",
                todo="Send what is new as a report of its own.",
            )
        return plan

    def _anew(self, filing: Filing, known: Sequence[Sent]) -> Filing:
        """The filing as it stands now that the number is held: others may have sent under it since it was looked at."""
        if filing.known == frozenset(known):
            return filing
        plan = self._planned(filing.number, known, filing.mark, filing.version.report.line, filing.shut)
        if not plan.owners - filing.shut <= {grant.subject.patient for grant in filing.grants}:
            raise Stale
        return replace(filing, plan=plan)

    async def withdrawn(self, caller: Caller) -> list[Withdrawn]:
        """The sender's reports that were taken from a wrong person, newest first, and who had opened them there."""
        async with self._store.pool.acquire() as conn:
            moves = await moved(conn, moved_mark(self._digest, sender_of(caller)))
            opened = await followup.opened_before(conn, [(move.patient, move.at) for move in moves])
            known = await subjects.details(conn, [move.patient for move in moves], self._store.wrap)
        numbers = {organisation for rows in opened.values() for organisation, _, _ in rows}
        names = await organisation_names(self._store.pool, sorted(numbers))
        return [
            Withdrawn(
                move.message,
                move.at,
                tuple(
                    ("" if is_protected(known[move.patient].protection) else names.get(organisation, ""), role, readers)
                    for organisation, role, readers in opened.get(i, ())
                ),
            )
            for i, move in enumerate(moves)
        ]

    async def _filed(
        self,
        raw: bytes,
        sender: str,
        message: Message,
        filings: Sequence[Filing],
        refusal: Refusal | None,
        *,
        alone: bool,
    ) -> Taken:
        """Does what the filings say, together with the message's own row: accepted, or with a `refusal` rejected.

        `alone`: nobody else is known to send under the same number now, so that what was looked at will nearly always hold.
        """
        now, name = self._clock.now(), name_of(message)
        idle = tuple(fault for filing in filings for fault in idle_of.made_before(filing))
        receipt = apprec.build(message, (), now, us=self._us, idle=idle)
        observations = sum(len(report.items) for report in message.reports)
        # The service's keys about everybody it names, made once for all that is sealed.
        keys = {filing.grant.subject.patient: self._store.records.key(filing.grant) for filing in filings}
        row = messages.row(
            self._store.copies.taken(sender, name, raw, [keys[patient] for patient in sorted(keys)]), sender=sender,
            message=name, raw=raw, at=now, receipt=receipt, reports=len(filings), observations=observations,
        )  # fmt: skip
        taken = Taken(receipt, len(filings), observations, idle=idle)
        if refusal:
            row, taken = await self._rejection(raw, sender, message, refusal)
        numbers = [filing.number for filing in filings]
        newcomers = {filing.newcomer.key: filing.newcomer for filing in filings if filing.newcomer}
        unknown = [one.person.identifiers[0].digest for one in newcomers.values()]
        asked = [grant for filing in filings for grant in filing.grants]
        known = [grant for grant in asked if grant.subject.patient not in newcomers]
        one = Claim(row, {message.id, message.envelope_id} - {""}, known, numbers, unknown)
        people, entered = self._store.people, list(newcomers.values())
        at_once = alone and len(filings) == 1 and not refusal and self._files.is_new(filings[0])
        async with (
            self._store.pool.acquire() as conn,
            locked(conn, [*numbers, *unknown], one.keys if at_once else ()),
        ):
            if at_once:
                entering = [people.entering(entered, now)] if entered else []
                await self._files.file_new(conn, filings[0], keys[filings[0].grant.subject.patient], one, entering)
                return taken
            now_known = await claim(conn, one)
            if entered:
                await people.enter(conn, entered, now)
            done, came = set[bytes](), list[tuple[Filing, Outcome]]()
            for filing in filings:
                key, number = keys[filing.grant.subject.patient], filing.number
                under = await under_number(conn, number) if number in done else now_known.get(number, ())
                laid = self._anew(filing, under)
                came.append((laid, await self._files.file(conn, laid, name, key)))
                done.add(number)
            return await self._told(conn, sender, message, taken, refusal, came)

    async def _told(
        self, conn: Connection, sender: str, message: Message, taken: Taken, refusal: Refusal | None,
        came: Sequence[tuple[Filing, Outcome]],
    ) -> Taken:  # fmt: skip
        """What the sender is told: another receipt where what came of the filings is more than was seen before."""
        if refusal:
            more = idle_of.taken_along(outcome for _, outcome in came)
            faults = (*apprec.faults_of(refusal), *more)
            told = replace(taken, faults=(*taken.faults, *more))
        else:
            more = [fault for filing, outcome in came for fault in idle_of.told(filing, outcome)]
            faults, told = (), replace(taken, idle=(*taken.idle, *more))
        if not more:
            return taken
        receipt = apprec.build(message, faults, self._clock.now(), us=self._us, idle=told.idle)
        await messages.answer(conn, sender, name_of(message), receipt, told.faults)
        return replace(told, receipt=receipt)


def _pairs(named: Sequence[Named]) -> list[tuple[bytes, bytes]]:
    """What is looked up: each report's person and number, then the other numbers of each person, under no report's number."""
    return [(one.person, one.number) for one in named] + [(other, b"") for one in named for _, other in one.beside]


def _one_person(named: Named, arrival: Arrival, keys: Collection[int]) -> None:
    """Refuses a patient with national numbers of two persons: by the register where it knows both, else by their birth dates. A
    D-number or a former number of hers has the birth date of the one in use. A D-number beside the number that followed it is
    taken though the register knows both: that they are one is what the message tells, and it is filed by OffId alone."""
    patient = named.version.report.patient
    national = patient.kind in NATIONAL
    born = _born(patient.number if national else next((number for number, _ in named.beside), ""))
    for (number, _), key in zip(named.beside, arrival.beside, strict=True):
        if national and key is not None and arrival.person is not None:
            if key in keys or _follows(patient.number, number):
                continue
        elif None in (born, _born(number)) or born == _born(number):
            continue
        says, where = (
            "The patient has national numbers of two persons.",
            f"Patient/AdditionalId line {named.version.report.line}",
        )
        todo = "Send the number of whom the report is about."
        raise Refusal(422, says, where=where, todo=todo, faults=(Fault(says, where, NUMBER_WRONG),))


def _follows(number: str, other: str) -> bool:
    """Whether one is a D-number and the other may be what the same person got after it."""
    one, former = parse(number, declared="FNR"), parse(other, declared="FNR")
    return {one.kind, former.kind} == {"FNR", "DNR"} and one.birth_date == former.birth_date is not None


def _born(number: str) -> date | None:
    return parse(number, declared="FNR").birth_date if number else None


def _mark(named: Named, person: int) -> lineage.Mark:
    return lineage.Mark(named.version.generated_at, named.version.message, person, named.trace)


def digest_name(patient: Patient) -> str:
    """What a person is looked up by: a national number alone, a local one beside whoever made it."""
    if patient.kind in NATIONAL:
        return patient.number
    return f"{patient.kind}|{patient.assigner.value or patient.assigner_name}|{patient.number}"


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
    return Taken(seen.receipt, seen.reports, seen.observations, duplicate=True, idle=apprec.idle(seen.receipt))


def forename_first(name: str) -> str:
    """A name in the one order that registers give names in; laboratories send either.

    >>> forename_first("Lind, Kari Marie"), forename_first("Kari Marie Lind")
    ('Kari Marie Lind', 'Kari Marie Lind')
    """
    surname, comma, forename = (part.strip() for part in name.partition(","))
    return f"{forename} {surname}" if comma and forename and surname and "," not in forename else name


def _detail(patient: Patient) -> PersonDetail:
    """What the message says of a person no register knows."""
    try:
        born = date.fromisoformat(patient.born[:10])
    except ValueError:
        born = None
    return PersonDetail(name=forename_first(patient.name), birth_date=born, sex=SEXES.get(patient.sex, ""))


def _faults(refusal: Refusal) -> tuple[Fault, ...]:
    return refusal.faults or (Fault(str(refusal.says), refusal.where, refusal.code),)
