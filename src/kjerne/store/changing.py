"""One record changed or taken away by the organisation that filed it: what stood there, what stands there now, who is told.

Every way to a new version by FHIR comes through here: a body that replaces it, a patch, a condition that found it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.errors import Fault, Refusal
from kjerne.exchange import NOT_REGISTERED, Before, Call, Denied, Joined, PatientRef, looking_at, not_filed
from kjerne.fhir import smart
from kjerne.fhir.corrections import RESULTS, corrects, says_otherwise
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import Indexed, index
from kjerne.fhir.lines import with_lines
from kjerne.fhir.understood import not_understood
from kjerne.fhir.validate import FAULTS_LIMIT, check
from kjerne.registries.contents import check_content, content_of, must_register, service_of, what_of
from kjerne.registries.guides import Guides
from kjerne.registries.homes import row_number
from kjerne.registries.naming import check_about, check_kept, check_names, check_subject
from kjerne.registries.recorders import check_own, filed, put_back
from kjerne.registries.withholding import OF_SOURCE, Withheld, said_of_itself, withheld
from kjerne.store import files, limits, marking, pointing, spreading
from kjerne.store.followup import tell_readers
from kjerne.store.patient_ids import check_reference
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader
from kjerne.store.records import Change, Current, Marks, Records, Written, expect
from kjerne.store.sealed_id import SealedIds

Tree = dict[str, Any]
LARGE_BYTES: Final = 20_000
"""A body from this size on is checked in a thread: some 20 milliseconds of work."""
_THREADS: Final = ThreadPoolExecutor(2, "form")
STAYS_WITHHELD: Final = "it stays withheld: by a report that shows it, by a message, or by a version before the last"
KEPT_TOGETHER: Final = frozenset({"critical-information"})
"""Services whose records personnel keep together: whoever read one is told of each change of what it says (law, K130)."""
Done = TypeVar("Done")


async def checked(raw: bytes, tree: Tree, name: str, guides: Guides) -> tuple[Fault, ...]:
    """As `check_valid`; what may take long, or asks for codes, is done in a thread beside other requests."""
    meta = tree.get("meta")
    named = isinstance(meta, dict) and "profile" in meta
    if len(raw) < LARGE_BYTES and not named and not guides.asks_codes(tree, name):
        return check_valid(raw, tree, name, guides)
    return await in_thread(partial(check_valid, raw, tree, name, guides))


async def read(raw: bytes, work: Callable[[], Done], large_bytes: int = LARGE_BYTES) -> Done:
    """What `work` makes of a body: in a thread where that takes long, which it does from so many bytes on."""
    return await in_thread(work) if len(raw) >= large_bytes else work()


async def tree_of(call: Call, parse: Callable[[bytes], Tree]) -> Tree:
    """What a request's body says: as it was read with its Bundle, or read now."""
    if call.tree is not None:
        return call.tree
    return await read(call.body, partial(parse, call.body))


async def in_thread(work: Callable[[], Done]) -> Done:
    """What `work` makes, in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, copy_context().run, work)


def check_valid(raw: bytes, tree: Tree, name: str, guides: Guides) -> tuple[Fault, ...]:
    """As `check_form`, and the people that it names are named as they must be."""
    advice = check_form(raw, tree, name, guides)
    check_names(raw, tree)
    return advice


def check_form(raw: bytes, tree: Tree, name: str, guides: Guides) -> tuple[Fault, ...]:
    """`Refusal` where bytes parsed as `tree` are not a `name` that may be filed: 400 of another type, 422 with all faults.

    What the profiles that are asked of it only advise against comes back.
    """
    if tree.get("resourceType") != name:
        raise Refusal(400, f"the body is not a {name}", where="resourceType")
    found, advice = guides.settled(check(tree, name), tree) or not_understood(raw, tree), list[Fault]()
    if not found:
        found, advice, _ = guides.on_write(tree, name)
    if found:
        first, *rest = with_lines(found[:FAULTS_LIMIT], raw, name)
        raise Refusal(422, first.says, where=first.where, code="invalid", fault=first, faults=tuple(rest))
    guides.made_up.check(raw, tree)
    return tuple(with_lines(advice[:FAULTS_LIMIT], raw, name)) if advice else ()


class Next(NamedTuple):
    """A valid resource as it is to be kept, with what a search finds it by and what withholds it."""

    raw: bytes
    tree: Tree
    indexed: Indexed
    shut: Withheld
    kinds: frozenset[str]
    content: frozenset[str]
    """What the law asks about who registers it: its kinds of critical information (`registries.contents`)."""
    advice: tuple[Fault, ...] = ()
    """What profiles advise against in it (`check_valid`)."""

    @classmethod
    def of(cls, raw: bytes, tree: Tree, at: datetime, advice: tuple[Fault, ...] = ()) -> Next:
        """From bytes received at `at` and what they say."""
        content = content_of(tree)
        check_content(tree, content)
        shut = withheld(tree, at)
        return cls(raw, tree, index(tree), shut, shut.kinds, content, advice)

    def told_of(self, stands: spreading.Shut, at: datetime) -> Next:
        """With a word to its sender where it stays withheld by something else than what it says itself (law, K102)."""
        labels, opens = stands
        own = self.shut.opens
        if int(labels) & ~int(self.shut.labels) or (opens and at < opens and (own is None or own < opens)):
            where = f"{self.tree['resourceType']}.meta.security"
            return self._replace(advice=(*self.advice, Fault(STAYS_WITHHELD, where, "informational", "stays-withheld")))
        return self

    @property
    def service(self) -> str:
        """The service that keeps it."""
        return service_of(self.tree)

    @property
    def number(self) -> int:
        """The number of its type in that service's rows."""
        return row_number(self.tree["resourceType"], self.service)

    @property
    def what(self) -> str:
        """As the law is asked about it."""
        return what_of(self.content)


def not_written(
    call: Call, denied: Denied, patient: PatientRef, version: Next, written: tuple[int, str],
    identify: Callable[[str], PatientRef], ids: SealedIds,
) -> Refusal:  # fmt: skip
    """What a sender hears where the law lets nothing be filed; personnel hear the law's own words (`Denied`), at once but where
    no choice may be told: there by what is never filed they would ask what she has shut (law, K37).

    Its token and its body are held to what they would be held to where it does, by `written`, type and letter: else the one
    refusal would tell that the other's patient has opted out.
    """
    if denied.denial.caller.kind == "practitioner" and denied.denial.rule != NOT_REGISTERED:
        raise denied
    type_, letter = written
    smart.demand(call.caller, type_name(type_), letter)
    if not denied.denial.of_caller:
        limits.must_hold(call.caller, type_, version.indexed.tokens, letter)
        subject = denied.denial.subject
        check_about(version.tree, subject.digests if subject else (patient.digest,), identify)
        check_reference(ids, version.tree, subject.keys if subject else filter(None, (patient.key,)))
    return not_filed(denied)


@dataclass(frozen=True, slots=True)
class Changer:
    """Changes records of one service; `types` are all that it keeps, `joined` the transaction that this is a part of. `anybodys`:
    also what another organisation filed, where the law lets the caller's role change it (law, K112).

    Whoever makes a new version, it is about the patient whose record it is in, or is refused here (422)."""

    ids: SealedIds
    records: Records
    reader: Reader
    types: Sequence[int]
    identify: Callable[[str], PatientRef]
    joined: Joined | None = None
    anybodys: bool = False

    async def change(
        self, conn: Connection, grant: Grant, named: tuple[int, UUID], expected: int | None,
        make: Callable[[Current], Next], *, aside: bool = False,
    ) -> tuple[Next, Written] | None:  # fmt: skip
        """A new version, withheld by what it says and what others withhold it by; None where the caller's organisation has filed
        no such record.

        `make` gets the version before, and is done in a thread where it is to be done `aside`. Call in a transaction: what stands
        there is held until its end, so that `expected` (`Refusal` 412) is compared with what is replaced. Who had read what is
        corrected is told. `OtherKind` where what stood there or comes is not of the grant's kinds. Whatever refuses it then, the
        log names the version before (law, K82).
        """
        marks = await self.records.marks(conn, grant, *named, anybodys=self.anybodys)
        if marks is None:
            await self._check_gone(conn, grant, named, expected)
            return None
        before = (await self.records.current(conn, grant, *named))._replace(own=marks.own, opens=marks.opens)
        with looking_at((*named, before.version)):
            expect(expected, before.version)
            made = await in_thread(partial(make, before)) if aside else make(before)
            # Only to who may change it: to anybody else this would tell whose record it is.
            check_subject(made.tree, grant, self.identify)
            check_reference(self.ids, made.tree, grant.subject.keys)
            return await self._changed(conn, grant, named, marks, before, made)

    async def _check_gone(self, conn: Connection, grant: Grant, named: tuple[int, UUID], expected: int | None) -> None:
        """`Refusal` 412 where the version to be changed was deleted meanwhile (RFC 9110 section 13.1.1: nothing matches then), to
        who filed it alone."""
        if expected is None or self.anybodys or grant.caller.limits is not None:
            return
        gone = await self.records.is_taken_away(conn, grant, *named)
        if gone and await self.reader.present_id(conn, grant, *named) is None:
            says = "the record was deleted meanwhile"
            raise Refusal(412, says, where="If-Match", todo="Create it anew if it stands after all.", code="conflict")

    async def _changed(
        self, conn: Connection, grant: Grant, named: tuple[int, UUID], marks: Marks, before: Current, made: Next
    ) -> tuple[Next, Written]:  # fmt: skip
        type_, id_ = named
        limits.must_hold(grant.caller, type_, made.indexed.tokens, "u")
        was = decode(before.raw)
        self._keep(grant, named, before, was)
        _check_service(made, grant.service)
        must_register(grant.registers, made.content | content_of(was))
        if grant.service in KEPT_TOGETHER and not self.anybodys:
            made = _kept(made, was, grant)
        check_kept(type_name(type_), was, made.tree)
        stood = marks.labels, marks.opens
        labels, opens = made.shut.after(said_of_itself(was, before.at), *stood, grant.at)
        if not marks.own and (labels, opens) != stood:
            raise not_the_source(made.tree)
        is_correction = says_otherwise(was, made.tree) if grant.service in KEPT_TOGETHER else corrects(was, made.tree)
        change = Change(type_, id_, made.raw, made.indexed, labels, opens, before.version, made.kinds, is_correction)
        put = partial(self.records.put, conn, grant, [change])
        (written,) = await marking.filing(conn, grant, self.reader, self.types, put)
        await self.records.pointers.follow(conn, grant, named, was, made.tree, self.joined)
        if change.corrects:
            await tell(conn, grant, self.reader, written)
        ended = _ended(stood, (labels, opens), grant.at)
        if any(ended):
            await spreading.let_go(conn, grant, self.reader, self.types, named, ended)
        elif spreading.spreads(made.tree, labels, opens, grant.at):
            await spreading.settle(conn, grant, self.reader, self.types)
        await settle(conn, grant, self.reader, was, made.tree)
        if _was_withheld(stood):
            made = made.told_of(await spreading.withheld_by(conn, grant, [named]), grant.at)
        return made, written

    async def take_away(
        self, conn: Connection, grant: Grant, named: tuple[int, UUID], expected: int | None,
        check: Callable[[], None] = lambda: None,
    ) -> Written | None:  # fmt: skip
        """The record leaves the current ones and its versions stay in history; None as in `change`.

        `check` is done for the one who filed it alone. Who had read a result is told, as of a correction, that it is taken
        back. Call in a transaction.
        """
        if await self.records.marks(conn, grant, *named, "d") is None:
            return None
        before = await self.records.current(conn, grant, *named)
        with looking_at((*named, before.version)):
            check()
            must_register(grant.registers, content_of(was := decode(before.raw)))
            expect(expected, before.version)
            self._keep(grant, named, before, was)
            return await self._taken_away(conn, grant, named, before.version, was)

    def _keep(self, grant: Grant, named: tuple[int, UUID], before: Current, was: Tree) -> None:
        if self.joined is not None:
            self.joined.changes(Before(*named, before.version, before.at, was, frozenset(grant.subject.keys)))

    async def _taken_away(
        self, conn: Connection, grant: Grant, named: tuple[int, UUID], version: int, was: Tree
    ) -> Written:
        type_, id_ = named
        if type_name(type_) in RESULTS or type_ == pointing.SPECIMEN or grant.service in KEPT_TOGETHER:
            await tell(conn, grant, self.reader, Written(type_, id_, version + 1, grant.at))
        remove = partial(self.records.remove, conn, grant, [named])
        (gone,) = await marking.filing(conn, grant, self.reader, self.types, remove)
        await self.records.pointers.follow(conn, grant, named, was, None, self.joined)
        await settle(conn, grant, self.reader, was, was | {"status": "entered-in-error"})
        return gone


def not_the_source(tree: Tree) -> Refusal:
    """What another organisation hears that would withhold a record otherwise than it is, or open it (law, K131)."""
    return Refusal(
        422, "what withholds the record from whom is for the organisation that registered it to say",
        where=f"{tree['resourceType']}.meta.security", code="business-rule",
        todo="Leave the labels of code system 9603 out, or send them as they stand: they stay.",
    )  # fmt: skip


def _was_withheld(marks: spreading.Shut) -> bool:
    """Whether its source, by itself or by something that shows it, withheld a version, or did until a time."""
    return bool(marks[0] & OF_SOURCE) or marks[1] is not None


def _ended(before: spreading.Shut, after: spreading.Shut, at: datetime) -> spreading.Shut:
    """What withheld a version and does not withhold the next: labels, and a time that lay ahead and comes sooner."""
    (labels, opens), (left, opens_now) = before, after
    sooner = opens if opens and at < opens and (opens_now is None or opens_now < opens) else None
    return Label(int(labels) & int(OF_SOURCE) & ~int(left)), sooner


def check_registering(made: Next, grant: Grant) -> None:
    """What the law asks of a new record: that its kinds are hers to register (`OtherKind`), and that it is in her own name
    (`Refusal` 422; law, K115)."""
    must_register(grant.registers, made.content)
    if grant.service in KEPT_TOGETHER:
        check_own(made.tree, grant.caller, grant.at)


def registering(made: Next, grant: Grant) -> Next:
    """As `check_registering`, of a new record by FHIR: as it is kept, with who registers it (law, K115)."""
    check_registering(made, grant)
    if grant.service not in KEPT_TOGETHER:
        return made
    tree = filed(made.tree, grant.caller, grant.at)
    return made if tree is made.tree else Next.of(encode(tree), tree, grant.at, made.advice)


def leaves(call: Call, version: Next, written: Written) -> bytes:
    """What an answer to a write gives of what was written: all of it, or nothing where a later version says more than was sent
    and the token leaves no read of it."""
    caller, name = call.caller, version.tree["resourceType"]
    if written.version == 1:
        return version.raw
    is_left = (
        caller is None or version.raw == call.body or smart.holds(smart.left(caller, name, "r"), version.indexed.tokens)
    )
    return version.raw if is_left else b""


def _kept(made: Next, was: Tree, grant: Grant) -> Next:
    """With what stays over all versions, whatever was sent (law, K142). The national interface has done that itself."""
    tree = put_back(made.tree, was, grant.caller, grant.at)
    return made if tree is made.tree else Next.of(encode(tree), tree, grant.at, made.advice)


def _check_service(made: Next, service: str) -> None:
    """`Refusal` 422 where a new version would belong to another service than the record: that has a law and a key of its own."""
    if made.service != service:
        name = made.tree["resourceType"]
        raise Refusal(
            422, f"the record belongs to {service}, and what comes to {made.service}", where=f"{name}.category",
            todo=f"File a new {name}, and take this one back where it was wrong.", code="business-rule",
        )  # fmt: skip


async def tell(conn: Connection, grant: Grant, reader: Reader, corrected: Written) -> None:
    """Tells who had read what is corrected. A file is a part of the reports that show it, and a specimen of the results
    that point to it: who had read one of those hears of it by their name, whether or not she had opened the file."""
    named = (corrected.type, corrected.id, corrected.version)
    if grant.service in KEPT_TOGETHER:
        # Who makes the change knows of it.
        await tell_readers(conn, grant, "corrected", [named], but=grant.caller.hpr)
        return
    if corrected.type == pointing.SPECIMEN:
        results = await pointing.of_specimen(conn, grant, reader, corrected.id)
        await tell_readers(conn, grant, "corrected", results)
        return
    is_file = corrected.type == files.BINARY
    reports = await files.showing(conn, grant, reader, corrected.id) if is_file else []
    await tell_readers(conn, grant, "corrected", reports)
    await tell_readers(conn, grant, "corrected", [named], unless_told_of=[id_ for _, id_, _ in reports])


async def settle(conn: Connection, grant: Grant, reader: Reader, before: Tree | None, after: Tree) -> None:
    """Takes back the results whose every report was withdrawn, lets others stand again, and tells their readers.

    After a write that made `after` of `before` (None: it is new), in its transaction.
    """
    if pointing.touches(before, after) or await pointing.any_marked(conn, grant, after):
        await _take_back(conn, grant, reader)


async def settle_new(
    conn: Connection, grant: Grant, reader: Reader, types: Sequence[int], version: Next, joined: Joined | None
) -> None:
    """As `settle`, of a new record, and what withholds a report is laid on what it shows.

    Among the requests of one transaction (`joined`) after the last write: what a report names may be filed behind it.
    """
    lays = lays_on_others(version, grant)
    if joined is None:
        if lays:
            await spreading.settle(conn, grant, reader, types)
        await settle(conn, grant, reader, None, version.tree)
        return
    settle_later(joined, grant, reader, types, version)


def settle_later(joined: Joined, grant: Grant, reader: Reader, types: Sequence[int], version: Next) -> None:
    """As `settle_new`, of a new record of a transaction: once for all of them that are about one patient."""
    whose = grant.subject.keys, grant.service
    if lays_on_others(version, grant):
        joined.at_the_end((whose, "withheld"), partial(spreading.settle, grant=grant, reader=reader, types=types))
    if pointing.touches(None, version.tree):
        joined.at_the_end((whose, "taken back"), partial(_take_back, grant=grant, reader=reader))
    elif pointing.leads_to(version.tree):
        work = partial(settle, grant=grant, reader=reader, before=None, after=version.tree)
        joined.at_the_end((whose, "standing"), work)


def lays_on_others(version: Next, grant: Grant) -> bool:
    """Whether a new record is a report that is withheld, and shows something."""
    is_report = version.tree["resourceType"] == type_name(pointing.REPORT)
    return is_report and spreading.spreads(version.tree, version.shut.labels, version.shut.opens, grant.at)


async def _take_back(conn: Connection, grant: Grant, reader: Reader) -> None:
    changed = await pointing.settle(conn, grant, reader)
    await tell_readers(conn, grant, "corrected", changed, with_report=True)
