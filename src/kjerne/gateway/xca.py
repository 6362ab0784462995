"""One source asked by XCA: ITI-38 for what it has, ITI-39 for a document (ITI TF-2, 3.38 and 3.39; SOAP 1.2, MTOM).

Whatever it answers is held against what was asked: message, patient, home community, document, size and hash. A document goes
to the disk as it comes, and not one byte of it leaves before all of it is there and its hash is right.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha1
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import httpx
from lxml import etree

from kjerne.gateway import answers
from kjerne.gateway.held import Held
from kjerne.registries.document_sources import DocumentSource
from kjerne.services.documents.model import Fault, NotGiven, Opened, Place
from kjerne.wire import asking, mtom, soap, xml
from kjerne.wire.asking import Connections
from kjerne.wire.hooks import NotTaken
from kjerne.wire.mtom import Package, Part, Unpacker
from kjerne.wire.soap import Failed
from kjerne.xds import messages, names, queries, reading
from kjerne.xds.errors import Rejected
from kjerne.xds.forms import CX, written_cx
from kjerne.xds.messages import Response, Wanted
from kjerne.xds.names import RIM, XDS
from kjerne.xds.queries import Query
from kjerne.xds.values import Association, DocumentEntry, bare

ENVELOPE_LIMIT_BYTES: Final = xml.LIMIT_BYTES
MARKS_LIMIT: Final = 500_000
"""Tags and attributes of an answer: more than a list of as many documents as are taken has, and each costs memory."""
ELEMENTS_LIMIT: Final = 1_000
"""Elements of one entry, which has some eighty: a list is kept and told on, so no document may be as large as all others."""
RELATIONS_LIMIT: Final = 4_000
"""What documents of one list are to each other, two for each that is taken: at every look all of it is gone through."""
THREAD_FROM_BYTES: Final = 100_000
"""A longer answer is read in a thread, so that others are answered meanwhile."""
DOCUMENT_SECONDS: Final = 25.0
"""How long a whole document may take; a request ends after thirty."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """The documents of one answer, how many more it told that are not hers, not the source's, or cannot be read, and whether it
    said that this is not all. Among them are those that another has replaced; `relations` say what they are to each other."""

    entries: tuple[DocumentEntry, ...] = field(repr=False)
    left_out: int
    relations: tuple[Association, ...] = ()
    lacks: bool = False


async def all_of(
    source: DocumentSource, assertion: bytes, patient: CX, hers: Collection[CX], kept: Connections
) -> Told:
    """Every document of the patient's there, those that were replaced too, and what they are to each other. Raises `NotGiven` as
    `listed`, also where the registry does not tell all at once."""
    said = (
        ("$patientId", (written_cx(patient),)),
        ("$XDSDocumentEntryStatus", (names.APPROVED, names.DEPRECATED)),
        ("$XDSSubmissionSetStatus", (names.APPROVED,)),
        ("$XDSFolderStatus", (names.APPROVED,)),
    )
    return await _found(source, assertion, Query(names.GET_ALL, said=said), {patient, *hers}, kept)


async def listed(
    source: DocumentSource, assertion: bytes, patient: CX, hers: Collection[CX], kept: Connections
) -> Told:
    """What holds of the patient's there, within the source's deadline; `NotGiven` where there is no answer to read.

    It is asked about one of her numbers. A source that has joined them may tell of a document under another of `hers`.
    """
    said = (
        ("$XDSDocumentEntryPatientId", (written_cx(patient),)),
        ("$XDSDocumentEntryStatus", (names.APPROVED,)),
    )
    return await _found(source, assertion, Query(names.FIND_DOCUMENTS, said=said), {patient, *hers}, kept)


async def entry(source: DocumentSource, assertion: bytes, place: Place, kept: Connections) -> Told:
    """What is said of one document now, and what it is to others; `NotGiven` (`gone`) where nothing is."""
    said = (("$XDSDocumentEntryUniqueId", (place.unique_id,)),)
    hers = {place.patient, *place.others}
    query = Query(names.GET_DOCUMENTS_AND_ASSOCIATIONS, home=source.home, said=said)
    told = await _found(source, assertion, query, hers, kept)
    for one in told.entries:
        if one.unique_id == place.unique_id and one.repository == place.repository:
            relations = tuple(each for each in told.relations if one.id in (each.source, each.target))
            return Told((one,), 0, relations, told.lacks)
    if told.lacks:
        raise NotGiven("unable", "it says that it did not tell of all, and not of this document")
    raise NotGiven("gone", "it tells of no such document")


async def opened(source: DocumentSource, assertion: bytes, wanted: DocumentEntry, kept: Connections) -> Opened:
    """The document of an entry, once all of it has come and is what the entry says; `NotGiven` otherwise."""
    if not wanted.hash:
        raise NotGiven("broken", "it says no hash of the document", of_one=True)
    if (wanted.size_bytes or 0) > mtom.PART_LIMIT_BYTES:
        raise NotGiven("large", f"it says that the document is larger than {mtom.PART_LIMIT_BYTES} bytes", of_one=True)
    asked = Wanted(wanted.unique_id, wanted.repository, source.home)
    async with _answer(source, assertion, names.CROSS_RETRIEVE, messages.written_wanted([asked]), DOCUMENT_SECONDS,
                       wanted.size_bytes, kept) as (body, parts):  # fmt: skip
        document = _document(body, asked)
        content = mtom.content_of(document, parts)
        size, digest = (len(content), sha1(content, usedforsecurity=False).digest()) if isinstance(content, bytes) else (
            content.size_bytes, content.sha1,
        )  # fmt: skip
        if digest.hex() != wanted.hash or wanted.size_bytes not in (None, size):
            raise NotGiven("broken", "the document is not the one of its metadata: size or hash differ", of_one=True)
        if isinstance(content, bytes):
            return Opened(wanted, size, content[: mtom.FIRST_BYTES], _whole(content))
        with _room_here():
            return Opened(wanted, size, content.first, Held(content.path))


async def _found(
    source: DocumentSource, assertion: bytes, query: Query, hers: Collection[CX], kept: Connections
) -> Told:
    return await asked(source, assertion, query, kept, lambda body, ended: _told(body, source, hers, ended))


async def asked(
    source: DocumentSource, assertion: bytes, query: Query, kept: Connections,
    read: Callable[[etree._Element, Callable[[], bool]], T],
) -> T:  # fmt: skip
    """One question (ITI-38), and what `read` makes of its answer; nothing more is to be read once its second argument says that
    nobody waits for it."""
    sent = queries.written(query)
    async with _answer(source, assertion, names.CROSS_QUERY, sent, source.seconds, 0, kept) as (body, _):
        return await _apart(body, lambda ended: read(body, ended))


def _told(body: etree._Element, source: DocumentSource, hers: Collection[CX], ended: Callable[[], bool]) -> Told:
    """The entries that can be read and are hers and the source's. One that cannot be read takes no other with it. Nothing more is
    read once nobody waits for it (`ended`)."""
    listed = body.find(RIM + "RegistryObjectList")
    # What a mark is of that stands there for nothing nobody knows: something of hers may be shut that was not said to be.
    lost = reading.gather(listed) if listed is not None else 0
    objects = list(listed.iterchildren(RIM + "ExtrinsicObject")) if listed is not None else []
    between = list(listed.iterchildren(RIM + "Association")) if listed is not None else []
    lacks = answers.lacks(_response(body)) or lost > 0
    if len(objects) > reading.OBJECTS_LIMIT:
        raise NotGiven("long", f"it told of more than {reading.OBJECTS_LIMIT} documents", of_one=True)
    entries, left_out = list[DocumentEntry](), 0
    if listed is not None and not objects:
        # References alone say that there is something, and not what.
        left_out = sum(1 for _ in listed.iterchildren(RIM + "ObjectRef"))
    for element in objects:
        if ended():
            break
        if sum(1 for _ in islice(element.iter(), ELEMENTS_LIMIT + 1)) > ELEMENTS_LIMIT:
            left_out += 1
            continue
        try:
            one = reading.document_entry(element)
        except Rejected:
            left_out += 1
            continue
        if one.patient not in hers or bare(one.home or source.home) != bare(source.home) or not one.repository:
            left_out += 1
        elif one.object_type != names.STABLE:
            # Made anew each time that it is fetched, so no hash is told of it, and it could never be opened. It is not asked for.
            left_out += 1
        elif one.status not in (names.APPROVED, names.DEPRECATED):
            left_out += 1
        else:
            entries.append(replace(one, home=source.home))
    said = tuple(islice(_relations(between), RELATIONS_LIMIT + 1))
    if len(said) > RELATIONS_LIMIT:
        raise NotGiven("long", f"it told of more than {RELATIONS_LIMIT} relations of documents", of_one=True)
    found, relations = answers.joined(entries, said)
    return Told(found, left_out, relations, lacks)


def _relations(elements: Iterable[etree._Element]) -> Iterator[Association]:
    """What documents are to each other; what cannot be read, or is of sets and folders, says nothing of them."""
    for element in elements:
        if element.get("associationType", "") in names.RELATIONS:
            with suppress(Rejected):
                yield reading.association(element)


def _response(body: etree._Element) -> Response:
    try:
        return messages.outcome(body)
    except Rejected as rejected:
        raise NotGiven("broken", f"what it answered is no response: {rejected.errors[0].code}") from rejected


def _document(body: etree._Element, asked: Wanted) -> etree._Element:
    """The one document of an answer, which is the one that was asked for; `NotGiven` where there is another, or none."""
    if body.tag != XDS + "RetrieveDocumentSetResponse" or not len(body):
        raise NotGiven("broken", "what it answered is no set of documents")
    answers.given(response := _response(body[0]))
    given = list(body.iterchildren(XDS + "DocumentResponse"))
    if not given and response.errors:
        raise answers.why_not(one.code for one in response.errors)
    document = given[0].find(XDS + "Document") if len(given) == 1 else None
    if document is None:
        raise NotGiven("broken", "it gave another number of documents than one", of_one=True)
    home, repository, unique_id = (
        (given[0].findtext(XDS + tag) or "").strip()
        for tag in ("HomeCommunityId", "RepositoryUniqueId", "DocumentUniqueId")
    )
    if bare(home or asked.home) != bare(asked.home) or (repository, unique_id) != (asked.repository, asked.document):
        raise NotGiven("broken", "it gave another document than was asked for", of_one=True)
    return document


@asynccontextmanager
async def _answer(
    source: DocumentSource, assertion: bytes, action: str, body: etree._Element, seconds: float, size_bytes: int | None,
    kept: Connections,
) -> AsyncIterator[tuple[etree._Element, Mapping[str, Part]]]:  # fmt: skip
    """The body of the answer to a request, and the parts beside it, whose files are gone after the block.

    `size_bytes` is the largest part that is taken: what the metadata say, and never more than of any.
    """
    message_id = f"urn:uuid:{uuid.uuid4()}"
    raw = soap.enveloped(
        action, body, message_id=message_id, to=source.url, assertion=assertion
    )  # fmt: skip
    limit_bytes = mtom.PART_LIMIT_BYTES if size_bytes is None else min(max(1, size_bytes), mtom.PART_LIMIT_BYTES)
    unpacker: Unpacker | None = None
    fault: Fault = "long" if action == names.CROSS_QUERY else "large"
    try:
        async with asyncio.timeout(seconds):
            async with asking.asking(
                source.receiver, "POST", source.url, _headers(action), raw, seconds, kept
            ) as answer:
                kind = answer.headers.get("content-type", "")
                if kind.partition(";")[0].strip().lower() == mtom.TYPE:
                    with _room_here():
                        folder = Path(tempfile.gettempdir())
                        unpacker = Unpacker(kind, folder, part_limit_bytes=limit_bytes, parts_limit=1)
                package = await _package(answer, unpacker, fault)
        told = await _read(package, message_id, fault)
        yield told, package.parts
    except TimeoutError:
        raise NotGiven("late", f"it did not answer within {seconds:g} seconds") from None
    except Failed as failed:
        if failed.says != soap.FAULT:
            await kept.give_up(source.receiver)
        if failed.status == 413 and action == names.CROSS_QUERY:
            raise NotGiven(fault, failed.says, of_one=True) from failed
        raise _of_fault(failed) from failed
    except NotTaken as error:
        raise NotGiven("away", str(error)) from error
    except UnicodeError as error:
        raise NotGiven("away", "its address is none that can be looked up") from error
    except (OSError, httpx.HTTPError) as error:
        raise NotGiven("away", f"it could not be reached: {type(error).__name__}") from error
    finally:
        if unpacker is not None:
            unpacker.close()


async def _package(answer: httpx.Response, unpacker: Unpacker | None, fault: Fault) -> Package:
    """The whole answer as it comes: in memory up to the limit of an envelope, the rest on the disk. `fault` is what it is where
    that is not enough."""
    held = bytearray()
    async for piece in answer.aiter_raw():
        if unpacker is not None:
            with _room_here():
                unpacker.feed(piece)
            continue
        held += piece
        if len(held) > ENVELOPE_LIMIT_BYTES:
            raise NotGiven(fault, f"it answered more than {ENVELOPE_LIMIT_BYTES} bytes", of_one=True)
    if unpacker is not None:
        return unpacker.whole()
    if not held:
        raise Failed("Sender", f"It answered {answer.status_code} with nothing.")
    return Package(bytes(held), {})


async def _read(package: Package, message_id: str, fault: Fault) -> etree._Element:
    def read() -> etree._Element:
        if sum(map(package.envelope.count, (b"<", b'="', b"='"))) > MARKS_LIMIT:
            raise NotGiven(fault, f"it answered with more than {MARKS_LIMIT} tags and attributes", of_one=True)
        body = soap.answered(package.envelope, relates=message_id)
        mtom.hold_named(body, package.parts)
        return body

    return await asyncio.to_thread(read) if len(package.envelope) > THREAD_FROM_BYTES else read()


async def _apart(body: etree._Element, work: Callable[[Callable[[], bool]], T]) -> T:
    """Work on a long list is done in a thread, which hears when nobody waits for it any more."""
    listed, ended = body.find(RIM + "RegistryObjectList"), threading.Event()
    if listed is None or len(listed) <= 50:
        return work(ended.is_set)
    try:
        return await asyncio.to_thread(work, ended.is_set)
    finally:
        ended.set()


@contextmanager
def _room_here() -> Iterator[None]:
    """That our own disk is full, or does not let a file be made, is no fault of whom we asked."""
    try:
        yield
    except OSError as error:
        raise NotGiven("busy", f"there is no room for it here: {type(error).__name__}", of_one=True) from error


def _of_fault(failed: Failed) -> NotGiven:
    """A SOAP fault of the source is a no where it is about the assertion; else it, or its answer, is broken."""
    if failed.status == 413:
        return NotGiven("broken", failed.says, of_one=True)
    if failed.says == soap.FAULT:
        name = failed.subcode.rpartition("}")[2]
        known = name if name.isascii() and name.isalnum() and len(name) < 60 else ""
        if failed.subcode.startswith(soap.SECURITY):
            return NotGiven("refused", f"it does not take the assertion ({known})")
        return NotGiven("broken", f"it answered with a SOAP fault ({failed.code}{' ' if known else ''}{known})")
    return NotGiven("broken", failed.says)


def _headers(action: str) -> Mapping[str, str]:
    return {
        "content-type": f'{soap.TYPE}; charset=utf-8; action="{action}"',
        "accept": f"{soap.TYPE}, {mtom.TYPE}",
        "accept-encoding": "identity",
    }


async def _whole(content: bytes) -> AsyncGenerator[bytes]:
    yield content
