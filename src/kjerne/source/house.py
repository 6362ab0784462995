"""What a source does with each request: asks its law, reads or keeps, and puts a row in the log before anything leaves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import structlog
from lxml import etree

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.policy.claims import Claims
from kjerne.policy.people import norwegian_day
from kjerne.registries import identifiers
from kjerne.registries.made_up import MadeUp
from kjerne.source import chains, law, media, mhd, rows, scanning, submitting
from kjerne.source.configured import Configured
from kjerne.source.files import Damaged, Files
from kjerne.source.finding import Seen, answered, opened
from kjerne.source.law import Denied, Sight
from kjerne.source.rows import Held, Noted, Stored
from kjerne.store.pool import BUSY, GONE, Connection, Pool
from kjerne.wire import mtom, soap
from kjerne.wire.mtom import FIRST_BYTES, Part
from kjerne.wire.saml import Assertions
from kjerne.wire.soap import Message
from kjerne.xds import messages, names, queries, writing
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX
from kjerne.xds.messages import Given, Response, Submission, Wanted
from kjerne.xds.names import XDS
from kjerne.xds.reading import VALUE_LIMIT_CHARACTERS
from kjerne.xds.values import bare

_log = structlog.get_logger("kjerne")
_Given: TypeAlias = "list[tuple[Wanted, str, int]]"
"""Documents that leave, as (which, media type, open descriptor)."""
WELL_SECONDS: Final = 2
T = TypeVar("T")
CROSS: Final = frozenset({names.CROSS_QUERY, names.CROSS_RETRIEVE})


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer: its body, the open files that go with it as (name of the part, media type, descriptor), and the objects of its
    list as they are written."""

    body: etree._Element
    objects: tuple[bytes, ...] = ()
    files: tuple[tuple[str, str, int], ...] = ()
    packed: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The parts of a source, put together."""

    configured: Configured
    files: Files
    pool: Pool
    assertions: Assertions
    clock: Clock

    async def query(self, message: Message, url: str) -> Outcome:
        """ITI-18 and ITI-38."""
        claims = await self._claims(message, url)
        try:
            asked = queries.query(message.body)
            self._hold_community(message.action, asked)
            async with self.pool.acquire() as conn, conn.transaction():
                patient, sight = await self._sight(conn, claims, asked.patient)
                seen = Seen.of(await rows.held(conn, patient), sight)
                response, told = answered(asked, seen, self.configured.home)
                await rows.note(conn, self._row(message, claims, patient, sight.rule, told))
        except Denied as denied:
            return Outcome(messages.written_found(await self._refused(message, claims, denied)))
        except Rejected as rejected:
            return Outcome(messages.written_found(await self._rejected(message, claims, rejected)))
        written = tuple(writing.written(one, self.configured.home) for one in response.objects)
        return Outcome(messages.written_found(replace(response, objects=())), objects=written)

    async def retrieve(self, message: Message, url: str) -> Outcome:
        """ITI-43 and ITI-39."""
        claims = await self._claims(message, url)
        given: _Given = []
        try:
            asked = messages.wanted(message.body)
            async with self.pool.acquire() as conn, conn.transaction():
                patient, sight = await self._sight(conn, claims, None)
                held = await rows.held(conn, patient)
            # No connection is held while files are read: that takes seconds, and all others would wait for it.
            errors = await self._open(message.action, asked, held, sight, given)
            told = tuple(wanted.document for wanted, _, _ in given)
            shut = tuple(
                dict.fromkeys(one.document[:VALUE_LIMIT_CHARACTERS] for one in asked if one.document not in told)
            )
            async with self.pool.acquire() as conn, conn.transaction():
                row = self._row(message, claims, patient, sight.rule, told)
                if told:
                    await rows.note(conn, row)
                if shut:
                    await rows.note(conn, replace(row, rule=errors[0].code, allowed=False, documents=shut))
        except Denied as denied:
            return Outcome(messages.written_documents(await self._refused(message, claims, denied), ()), packed=True)
        except Rejected as rejected:
            return Outcome(messages.written_documents(await self._rejected(message, claims, rejected), ()), packed=True)
        except BaseException:
            for _, _, descriptor in given:
                os.close(descriptor)
            raise
        return _documents(given, errors)

    async def look(
        self, message: Message, url: str, patient: CX | None, choose: Callable[[Seen], tuple[T, Iterable[str]]]
    ) -> T:
        """What `choose` makes of all that the message's assertion opens of its patient, with the uniqueIds of the documents that
        it tells of. `patient` is who is asked about, None where the message names nobody. Raises `Denied`, and `Refusal`
        where `choose` does; the log has its row before."""
        claims = await self._claims(message, url)
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                whose, sight = await self._sight(conn, claims, patient)
                chosen, told = choose(Seen.of(await rows.held(conn, whose), sight))
                await rows.note(conn, self._row(message, claims, whose, sight.rule, tuple(dict.fromkeys(told))))
        except (Denied, Refusal) as no:
            await self._note(message, no.rule or "search", law.told_of(claims), patient or _about(message, claims))
            raise
        return chosen

    async def submit(self, message: Message, parts: Mapping[str, Part], key: str) -> Outcome:
        """ITI-41 and ITI-42."""
        submitter = await self._submitter(message, key)
        try:
            mtom.hold_named(message.body, parts, XDS + "Document")
            sent = messages.submission(message.body)
            given = messages.documents(message.body) if message.action == names.PROVIDE else None
            contents = None if given is None else {name: mtom.content_of(one, parts) for name, one in given.items()}
            ready = await asyncio.to_thread(submitting.checked, sent, contents, *self._rules)
            await self._keep(message.action, message.message_id, ready, submitter)
        except Rejected as rejected:
            await self._note(message, rejected.errors[0].code, {"client": submitter}, _sent_about(message))
            return Outcome(messages.written_response(messages.failure(rejected)))
        except soap.Failed:
            await self._note(message, "package", {"client": submitter}, _sent_about(message))
            raise
        return Outcome(messages.written_response(Response(names.SUCCESS)))

    async def change(self, message: Message, key: str) -> Outcome:
        """ITI-57 and ITI-92: what is said of documents becomes another, their marks above all."""
        submitter = await self._submitter(message, key)
        try:
            sent = messages.submission(message.body)
            with _taken():
                async with self.pool.acquire() as conn, conn.transaction():
                    warnings = await self._change(conn, message, sent, submitter)
        except Rejected as rejected:
            await self._note(message, rejected.errors[0].code, {"client": submitter}, _sent_about(message))
            return Outcome(messages.written_response(messages.failure(rejected)))
        return Outcome(messages.written_response(Response(names.SUCCESS, warnings)))

    async def _change(
        self, conn: Connection, message: Message, given: Submission, submitter: str
    ) -> tuple[RegistryError, ...]:
        patient, now = given.sent.patient, self.clock.now()
        key = await rows.key_of(conn, patient, None)
        held = await rows.held(conn, patient)
        sent, pairs = submitting.changed(given, held, self.configured.made_up)
        await _hold_new(conn, sent, ())
        await rows.add_set(conn, key, sent.sent, submitter, now)
        for association in sent.associations:
            await rows.add_association(conn, key, association)
        for before, after in pairs:
            await rows.change(conn, before, after, submitter, now)
        told = tuple(one.unique_id for one in sent.entries)
        row = Noted(now, message.action, message.message_id, "submitter", True, patient, told)
        await rows.note(conn, rows.by(row, submitter))
        return submitting.locked_still(sent, held)

    async def remove(self, message: Message, key: str) -> Outcome:
        """ITI-62, objects with all that is said of them, and ITI-86, the bytes of documents alone."""
        submitter = await self._submitter(message, key)
        files: list[bytes] = []
        errors: list[RegistryError] = []
        followed: rows.Followed = ()
        try:
            async with self.pool.acquire() as conn, conn.transaction():
                now = self.clock.now()
                if message.action == names.REMOVE_METADATA:
                    gone, followed = await rows.removed(conn, messages.removed(message.body), submitter, now)
                else:
                    gone, errors = await self._emptied(conn, messages.wanted(message.body))
                for patient, told, names_ in gone:
                    row = Noted(now, message.action, message.message_id, "submitter", True, patient, told)
                    await rows.note(conn, rows.by(row, submitter))
                    files.extend(names_)
                for rule, patient, told in followed:
                    row = Noted(now, message.action, message.message_id, rule, True, patient, told)
                    await rows.note(conn, rows.by(row, submitter))
        except Rejected as rejected:
            await self._note(message, rejected.errors[0].code, {"client": submitter})
            return Outcome(messages.written_response(messages.failure(rejected)))
        rows.forget()
        await self._sweep(files)
        return Outcome(messages.written_response(Response(_status(gone, errors), tuple(errors))))

    async def is_well(self) -> bool:
        """Whether the database answers, within `WELL_SECONDS`: whoever asks gives up where the answer is late."""
        asked = asyncio.ensure_future(self.pool.fetchval("SELECT true"))
        # What hangs may hang when it is cancelled too, and is not waited for.
        asked.add_done_callback(lambda one: one.cancelled() or one.exception())
        await asyncio.wait({asked}, timeout=WELL_SECONDS)
        if not asked.done():
            asked.cancel()
            return False
        try:
            return bool(asked.result())
        except (*BUSY, *GONE, TimeoutError):
            return False

    async def swept(self) -> int:
        """Removes the files that no row names, which an end at the wrong moment leaves; how many. Before the first request."""
        count = 0
        for batch in _batches(self.files.names()):
            count += await self._sweep(batch)
        return count

    async def _sweep(self, files: Sequence[bytes]) -> int:
        """Of these the files that no document is in any more."""
        if not files:
            return 0
        async with self.pool.acquire() as conn, conn.transaction():
            await rows.hold_files(conn, files)
            idle = set(files) - await rows.named(conn, files)
            for one in idle:
                await self.files.remove(one)
        return len(idle)

    async def _emptied(
        self, conn: Connection, asked: tuple[Wanted, ...]
    ) -> tuple[tuple[rows.Gone, ...], list[RegistryError]]:
        gone: list[rows.Gone] = []
        errors: list[RegistryError] = []
        for one in asked:
            wrong = self._misplaced("", one)
            found = None if wrong else await rows.emptied(conn, one.document)
            if found is None:
                errors.append(wrong or _no_document(one))
            else:
                gone.append((found[0], (one.document,), (found[1],)))
        return tuple(gone), errors

    @property
    def _rules(self) -> tuple[str, MadeUp]:
        """What a submission is held to that an operator says."""
        return self.configured.repository, self.configured.made_up

    async def _submitter(self, message: Message, key: str) -> str:
        """Whose key it is; a fault, and a row in the log, where it is nobody's."""
        submitter = self.configured.submitter(key)
        if not submitter:
            await self._note(message, "submitter", {})
            raise soap.unauthenticated("Who sends documents is not known by its key.")
        return submitter

    async def provide(self, raw: bytes, key: str, message_id: str) -> tuple[Submission, tuple[str, ...]]:
        """ITI-65: what was kept, and the types of the Bundle's entries. `Rejected` with what is wrong, noted before."""
        submitter = self.configured.submitter(key)
        row = Noted(self.clock.now(), mhd.PROVIDE, message_id, "submitter", False)
        if not submitter:
            await self._add(row)
            raise Refusal(401, "Who sends documents is not known by its key.", where="Authorization", rule="submitter")
        try:
            # Of a large Bundle it takes seconds, in which others are answered.
            said = self.configured
            sent, contents, kinds = await asyncio.to_thread(mhd.provided, raw, said.made_up, said.minimal)
            row = replace(row, patient=sent.sent.patient)
            ready = await asyncio.to_thread(submitting.checked, sent, contents, *self._rules)
            kept = await self._keep(mhd.PROVIDE, message_id, ready, submitter)
        except Rejected as rejected:
            await self._add(replace(rows.by(row, submitter), rule=rejected.errors[0].code))
            raise
        return kept, kinds

    async def _keep(self, action: str, message_id: str, ready: submitting.Ready, submitter: str) -> Submission:
        """All of a submission in one transaction, as it is kept; its documents are on the disk before it commits."""
        for entry, content in zip(ready.sent.entries, ready.contents, strict=False):  # of ITI-42 there are no contents
            await scanning.hold_clean(self.configured.clamav, content, entry.id)
        sent, now = ready.sent, self.clock.now()
        with _taken():
            async with self.pool.acquire() as conn, conn.transaction():
                key = await rows.key_of(conn, sent.sent.patient, ready.born)
                held = await rows.held(conn, sent.sent.patient)
                told = tuple(one.unique_id for one in sent.entries)
                row = rows.by(Noted(now, action, message_id, "submitter", True, sent.sent.patient, told), submitter)
                if before := submitting.repeated(ready, held):
                    await rows.note(conn, replace(row, rule="repeated"))
                    return before
                await _hold_new(conn, sent, ready.documents)
                over = submitting.joined(ready, held)
                await rows.add_set(conn, key, sent.sent, submitter, now)
                shut = await rows.locked_when_they_went(conn, key, told)
                for one in ready.documents:
                    kept = chains.with_lock(one.entry) if one.entry.unique_id in shut else one.entry
                    await rows.add_document(conn, key, sent.sent.id, replace(one, entry=kept))
                for association in sent.associations:
                    await rows.add_association(conn, key, association)
                await rows.deprecate(conn, over)
                await rows.hold_files(conn, (one.sha256 for one in ready.documents if one.sha256))
                for content in ready.contents:
                    await self.files.put(content)
                await rows.note(conn, row)
                if shut:
                    await rows.note(conn, replace(row, rule="locked-still", documents=tuple(sorted(shut))))
                return sent

    async def _claims(self, message: Message, url: str) -> Claims:
        """Whose assertion the message carries; a fault where there is none that holds."""
        if message.assertion is None:
            await self._note(message, "no-assertion", {})
            raise soap.unauthenticated("The message carries no SAML assertion.", subcode="InvalidSecurity")
        try:
            claims = self.assertions.carried(message.assertion, url)
        except Refusal as refusal:
            await self._note(message, "assertion", {})
            _tell(message.assertion, refusal.says)
            raise soap.unauthenticated(refusal.says) from refusal
        if claims.issuer not in (self.configured.citizens if claims.errands else self.configured.issuers):
            says = "Its issuer is not one that speaks for citizens here." if claims.errands else _NO_PERSONNEL
            await self._note(message, "issuer", law.told_of(claims), _about(message, claims))
            _tell(message.assertion, says)
            raise soap.unauthenticated(says)
        return claims

    async def _sight(self, conn: Connection, claims: Claims, asked: CX | None) -> tuple[CX, Sight]:
        """What the claims open of the patient who is asked about; where only objects are named, of the assertion's own."""
        patient = asked or law.patient_of(claims)
        known, today = await rows.born(conn, patient), norwegian_day(self.clock.now())
        return patient, law.decide(claims, patient, known, today)

    async def _open(
        self, action: str, asked: tuple[Wanted, ...], held: Held, sight: Sight, given: _Given
    ) -> list[RegistryError]:
        """Opens the documents that are `given`, into that list, and tells what is wrong with the others."""
        here = {one.entry.unique_id: one for one in opened(held, sight)}
        errors: list[RegistryError] = []
        for one in dict.fromkeys(asked):
            stored = here.get(one.document)
            if wrong := self._misplaced(action, one):
                errors.append(wrong)
            elif one.document in {wanted.document for wanted, _, _ in given}:
                continue  # asked for twice, given once
            elif stored is None or not stored.sha256:
                errors.append(_no_document(one))
            else:
                try:
                    descriptor = await self.files.opened(stored.sha256, stored.size_bytes)
                except Damaged:
                    errors.append(RegistryError("XDSRepositoryError", "The document cannot be given.", one.document))
                else:
                    wanted = Wanted(one.document, self.configured.repository, self.configured.home)
                    given.append((wanted, stored.entry.mime_type, descriptor))
                    if await asyncio.to_thread(_names_another, descriptor, stored):
                        os.close(given.pop()[2])
                        says = "The document names another patient than its metadata."
                        errors.append(RegistryError("XDSPatientIdDoesNotMatch", says, one.document))
        return errors

    def _misplaced(self, action: str, one: Wanted) -> RegistryError | None:
        if action in CROSS and not one.home:
            return RegistryError("XDSMissingHomeCommunityId", "The community of the document is missing.", one.document)
        if one.home and bare(one.home) != bare(self.configured.home):
            return RegistryError("XDSUnknownCommunity", "The document is of another community.", one.document)
        if one.repository != self.configured.repository:
            return RegistryError("XDSUnknownRepositoryId", "The document is in another repository.", one.document)
        return None

    def _hold_community(self, action: str, asked: queries.Query) -> None:
        home = asked.home or next(iter(asked.values("$homeCommunityId")), "")
        if action in CROSS and asked.patient is None and not home:
            raise Rejected(
                RegistryError("XDSMissingHomeCommunityId", "A query that names objects names their community.")
            )
        if home and bare(home) != bare(self.configured.home):
            raise Rejected(RegistryError("XDSUnknownCommunity", "The query is for another community."))

    async def _refused(self, message: Message, claims: Claims, denied: Denied) -> Response:
        """A no, noted before it is told."""
        await self._note(message, denied.rule, law.told_of(claims), _about(message, claims))
        return Response(names.FAILURE, (RegistryError("AuthorizationException", denied.says, denied.rule),))

    async def _rejected(self, message: Message, claims: Claims, rejected: Rejected) -> Response:
        """A request that cannot be answered, noted before it is told."""
        await self._note(message, rejected.errors[0].code, law.told_of(claims), _about(message, claims))
        return messages.failure(rejected)

    async def _note(self, message: Message, rule: str, asked: Mapping[str, Any], patient: CX | None = None) -> None:
        await self._add(Noted(self.clock.now(), message.action, message.message_id, rule, False, patient, (), asked))

    async def _add(self, row: Noted) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            await rows.note(conn, row)

    def _row(self, message: Message, claims: Claims, patient: CX, rule: str, told: tuple[str, ...]) -> Noted:
        asked = law.told_of(claims)
        return Noted(self.clock.now(), message.action, message.message_id, rule, True, patient, told, asked)


_NO_PERSONNEL: Final = "Its issuer is not one that speaks for personnel here."


def _tell(assertion: etree._Element, says: str) -> None:
    """What was wrong with an assertion, for the operator: whose it says it is, and never whom it is about."""
    issuer = (assertion.findtext("{*}Issuer") or "").strip()[:200]
    _log.warning("assertion refused", issuer=identifiers.without_numbers(issuer), says=says)


def _about(message: Message, claims: Claims) -> CX | None:
    """Whom a refused request was about: whom it names, else whom its assertion names."""
    try:
        asked = queries.query(message.body).patient if message.body.tag.startswith(names.QUERY) else None
        return asked or law.patient_of(claims)
    except (Rejected, Denied):
        return None


def _sent_about(message: Message) -> CX | None:
    """Whom a refused submission was about, where it says so."""
    try:
        return messages.submission(message.body).sent.patient
    except Rejected:
        return None


async def _hold_new(conn: Connection, sent: Submission, documents: Sequence[Stored]) -> None:
    """`Rejected` where the set or one of these documents came before, or something else has an id of theirs or of what joins
    them."""
    hashes = {one.entry.unique_id: one.entry.hash for one in documents}
    for unique, known in (await rows.taken(conn, [sent.sent.unique_id], list(hashes))).items():
        if known and known != hashes.get(unique):
            says = "Another document has this uniqueId."
            raise Rejected(RegistryError("XDSNonIdenticalHash", says, unique))
        raise Rejected(RegistryError("XDSDuplicateUniqueIdInRegistry", "It is here already.", unique))
    ids = [sent.sent.id, *(one.entry.id for one in documents), *(one.id for one in sent.associations)]
    if here := await rows.ids_here(conn, ids):
        raise _id_taken(here[0])


@contextlib.contextmanager
def _taken() -> Iterator[None]:
    """`Rejected` where another gave the same id at the same moment."""
    try:
        yield
    except asyncpg.UniqueViolationError:
        raise _id_taken("") from None


def _id_taken(where: str) -> Rejected:
    return Rejected(RegistryError("XDSDuplicateUniqueIdInRegistry", "An id is here already.", where))


def _names_another(descriptor: int, stored: Stored) -> bool:
    """Whether a document that was taken before this was looked for is about somebody else: what is known later holds too."""
    size, entry = stored.size_bytes, stored.entry
    if size > media.LIMIT_BYTES:
        return False
    first = os.pread(descriptor, FIRST_BYTES, 0)
    try:
        media.hold_patient(first, size, lambda: os.pread(descriptor, size, 0), entry.mime_type, entry.patient, "")
    except Rejected as rejected:
        return any(one.code == media.ANOTHERS for one in rejected.errors)
    return False


def _no_document(one: Wanted) -> RegistryError:
    return RegistryError("XDSDocumentUniqueIdError", "There is no such document here.", one.document)


def _status(done: Sequence[object], errors: Sequence[RegistryError]) -> str:
    return names.SUCCESS if not errors else names.PARTIAL if done else names.FAILURE


def _batches(files: Iterator[bytes], size: int = 1_000) -> Iterator[list[bytes]]:
    while batch := list(itertools.islice(files, size)):
        yield batch


def _documents(given: _Given, errors: list[RegistryError]) -> Outcome:
    status = _status(given, errors)
    files: list[tuple[str, str, int]] = []
    told: list[Given] = []
    for place, (wanted, media_type, descriptor) in enumerate(given, 1):
        name = f"{place}@source"
        files.append((name, media_type, descriptor))
        put: Any = partial(mtom.included, name=name)
        told.append(Given(wanted, media_type, put))
    return Outcome(messages.written_documents(Response(status, tuple(errors)), told), files=tuple(files), packed=True)
