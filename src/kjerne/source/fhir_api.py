"""The FHIR addresses of a source, under the paths of the open Norwegian source: MHD's Document Responder (ITI-66, 67 and 68), and
its Document Recipient (ITI-65, `bundle_api`).

Who reads shows the assertion that a SOAP header would carry, as `Authorization: SAML` in base64url. It names the one patient whom
it opens, so a request need not; where it does, it says the same. Law, log and what is shown are those of ITI-18 and ITI-43.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from lxml import etree

from kjerne import __version__
from kjerne.errors import Refusal
from kjerne.exchange import Pairs
from kjerne.fhir.bundle import searchset
from kjerne.fhir.encode import encode
from kjerne.fhir.outcome import operation_outcome
from kjerne.fhir.search import Search
from kjerne.mhd import asking, capability
from kjerne.mhd.lists import submission_set
from kjerne.mhd.reference import Tree, document_reference
from kjerne.mhd.relations import referring, related
from kjerne.mhd.searching import OWN
from kjerne.registries import identifiers
from kjerne.source import bundle_api
from kjerne.source.finding import Seen
from kjerne.source.house import Source
from kjerne.source.law import Denied
from kjerne.wire import http, journal, jws, search, soap, xml
from kjerne.wire.jws import NotGenuine
from kjerne.wire.saml import SAML_LIMIT_BYTES
from kjerne.wire.soap import Failed, Message
from kjerne.xds import messages, names
from kjerne.xds.errors import RegistryError
from kjerne.xds.forms import CX
from kjerne.xds.messages import Wanted
from kjerne.xds.values import DocumentEntry, bare

ROOT: Final = "/r4/fhir"
DOCUMENT: Final = f"{ROOT}/mhd/document"
METADATA: Final = f"{ROOT}/metadata"
TYPES: Final[Mapping[str, str]] = {f"{ROOT}/{one.lower()}": one for one in OWN}
"""The address of a type, in small letters -> the type."""
TRANSACTIONS: Final[Mapping[str, str]] = {"List": "ITI-66", "DocumentReference": "ITI-67"}
RETRIEVE: Final = "ITI-68"
"""What the log calls them, where SOAP has an action."""
FORM_LIMIT_BYTES: Final = 16_000
COUNT: Final = 50
_NAMED_BY: Final = ("patient.identifier",)
_PLACE: Final = ("homeCommunityId", "repositoryUniqueId", "documentUniqueId")
_STATUS: Final[Mapping[str, int]] = {
    "XDSDocumentUniqueIdError": 404, "XDSUnknownRepositoryId": 404, "XDSUnknownCommunity": 404,
    "XDSPatientIdDoesNotMatch": 404,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """An answer: its body, or a document's open file that is sent and closed."""

    status: int
    body: bytes = b""
    kind: str = bundle_api.TYPE
    headers: tuple[tuple[bytes, bytes], ...] = ()
    descriptor: int = -1


@dataclass(frozen=True, slots=True)
class _Request:
    """What came. `url` is the address as clients have it, `public` that of the source."""

    url: str
    public: str
    correlation: str
    query: Pairs
    form: Pairs
    headers: Mapping[str, str]
    assertion: etree._Element | None

    def message(self, action: str, body: etree._Element | None = None) -> Message:
        """The request as SOAP would have it: what the law and the log know a question by."""
        return Message(action, self.correlation, "", etree.Element("none") if body is None else body, self.assertion)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is opened, before it is told: its id, its status, the uniqueIds of the documents that it tells of, and its telling."""

    id: str
    status: str
    documents: tuple[str, ...]
    tell: Callable[[], Tree]


class _Unreadable(Exception):
    """A question that cannot be read, before it is known who asks."""

    def __init__(self, action: str, refusal: Refusal) -> None:
        super().__init__(refusal.says)
        self.action = action
        self.refusal = refusal


def is_here(path: str) -> bool:
    """Whether an address, in small letters, is one of these."""
    return path in (DOCUMENT, METADATA, bundle_api.ADDRESS) or any(
        path == at or path.startswith(at + "/") for at in TYPES
    )


async def answered(source: Source, scope: http.Scope, receive: http.Receive, key: str, public: str) -> Given:
    """What is answered at one of these addresses, whatever happens. `key` is the sender's, `public` the source's own address."""
    path, method = scope["path"].lower().rstrip("/"), scope["method"]
    if path == bundle_api.ADDRESS and method == "POST":
        status, body = await bundle_api.answered(source, scope, receive, key)
        return Given(status, body)
    correlation, rule = http.correlation_sent(scope), ""
    try:
        _hold_method(path, method)
        given = await _done(source, await _read(scope, receive, correlation, public), path)
    except Exception as error:  # noqa: BLE001 - noted with its trace
        refusal = _heard(error, correlation, path)
        rule = refusal.rule
        headers = tuple((name.encode(), value.encode()) for name, value in refusal.headers)
        given = Given(refusal.status, operation_outcome(refusal), headers=headers)
    journal.answered(correlation, _named(path), given.status, rule)
    return given


async def _done(source: Source, asked: _Request, path: str) -> Given:
    if path == METADATA:
        return Given(200, encode(_statement(source, asked)))
    try:
        return await _given(source, asked, path)
    except _Unreadable as wrong:
        return await _refused(source, asked, wrong)


async def _refused(source: Source, asked: _Request, wrong: _Unreadable) -> Given:
    """Raises what is wrong with a question: who asks is held to the law first, and the no has its row as every other."""

    def choose(_: Seen) -> tuple[Given, Iterable[str]]:
        raise wrong.refusal

    return await source.look(asked.message(wrong.action), asked.url, None, choose)


async def _given(source: Source, asked: _Request, path: str) -> Given:
    if path == DOCUMENT:
        return await _document(source, asked)
    type_, named = next((TYPES[at], path.removeprefix(at)) for at in TYPES if path == at or path.startswith(at + "/"))
    if named in ("", "/_search"):
        return await _search(source, asked, type_)
    return await _one(source, asked, type_, named.removeprefix("/"))


async def _search(source: Source, asked: _Request, type_: str) -> Given:
    """ITI-66 and ITI-67: a page of what the assertion opens, newest first."""
    try:
        found = asking.taken(type_, asked.query, asked.form, asked.headers, _parse, source.clock.now(), count=COUNT)
        if "patient" in found.said:
            raise Refusal(
                400, "no Patient is kept here", where="patient", code="not-supported",
                todo="Name her by patient.identifier in a form, or not at all: the assertion does.",
            )  # fmt: skip
        patient = _patient(found.said.get("patient.identifier", ""))
    except Refusal as refusal:
        raise _Unreadable(TRANSACTIONS[type_], refusal) from refusal

    def choose(seen: Seen) -> tuple[tuple[list[Tree], int], Iterable[str]]:
        among = (one for one in _opened(source, asked.public, seen, type_) if one.status in found.status)
        taken = found.only.among(among, lambda one: one.tell())
        page = taken[found.place]
        return ([one.tell() for one in page], len(taken)), (unique for one in page for unique in one.documents)

    page, total = await source.look(asked.message(TRANSACTIONS[type_]), asked.url, patient, choose)
    entries = [(f"{asked.public}/R4/fhir/{type_}/{tree['id']}", encode(tree), "match") for tree in page]
    return Given(200, searchset(entries, found.links(asked.url, total), total))


async def _one(source: Source, asked: _Request, type_: str, named: str) -> Given:
    """One of them by its id; absent, hidden and another's are 404."""
    if asked.query:
        refusal = Refusal(400, "this address takes no parameters", where="query", code="not-supported")
        raise _Unreadable(TRANSACTIONS[type_], refusal)

    def choose(seen: Seen) -> tuple[Tree | None, Iterable[str]]:
        one = next((one for one in _opened(source, asked.public, seen, type_) if one.id == named), None)
        return (one.tell(), one.documents) if one else (None, ())

    tree = await source.look(asked.message(TRANSACTIONS[type_]), asked.url, None, choose)
    if tree is None:
        raise Refusal(404, "there is nothing here that this assertion opens", where="id")
    return Given(200, encode(tree))


async def _document(source: Source, asked: _Request) -> Given:
    """ITI-68: the document that an attachment leads to, as ITI-43 gives it."""
    said = dict(asked.query)
    if sorted(said) != sorted(_PLACE) or len(said) < len(asked.query) or not all(said.values()):
        raise _Unreadable(RETRIEVE, Refusal(400, f"the address has {', '.join(_PLACE)}, each once", where="query"))
    home, repository, unique = (said[name] for name in _PLACE)
    body = messages.written_wanted([Wanted(unique, repository, home)])
    outcome = await source.retrieve(asked.message(RETRIEVE, body), asked.url)
    if not outcome.files:
        raise _of_registry(messages.outcome(outcome.body[0]).errors)
    ((_, kind, descriptor),) = outcome.files
    return Given(200, b"", kind, ((b"content-disposition", b"attachment"),), descriptor)


def _opened(source: Source, public: str, seen: Seen, type_: str) -> list[_Opened]:
    """Everything of a type that is opened, newest first."""
    by_id = {one.id: one for one in seen.documents}
    if type_ == "DocumentReference":
        relates, shown = related(seen.associations, by_id.keys()), {one.unique_id for one in seen.documents}
        newest = sorted(seen.documents, key=lambda one: (one.created, one.id), reverse=True)
        return [
            _Opened(
                _id(one.id), "current" if one.status == names.APPROVED else "superseded", (one.unique_id,),
                partial(_reference, source, public, referring(one, shown), relates.get(one.id, ())),
            )
            for one in newest
        ]  # fmt: skip
    members: dict[str, dict[str, DocumentEntry]] = {one.id: {} for one in seen.sets}
    for one in seen.associations:
        if one.kind == names.HAS_MEMBER and one.source in members and one.target in by_id:
            members[one.source][one.target] = by_id[one.target]
    return [
        _Opened(
            _id(sent.id), "current", tuple(each.unique_id for each in members[sent.id].values()),
            partial(submission_set, sent, id_=_id(sent.id), members=[_id(one) for one in members[sent.id]]),
        )
        for sent in sorted(seen.sets, key=lambda one: (one.submitted, one.id), reverse=True)
    ]  # fmt: skip


def _reference(source: Source, public: str, entry: DocumentEntry, relates: Sequence[tuple[str, str]]) -> Tree:
    home, here = source.configured.home, source.configured.repository
    place = urlencode(dict(zip(_PLACE, (bare(home), here, entry.unique_id), strict=True)))
    # A document of another repository is fetched there, and no address may hold a person's number.
    is_given = entry.repository == here and not identifiers.holds_a_number(entry.unique_id)
    url = f"{public}/R4/fhir/mhd/document?{place}" if is_given else ""
    told = [(kind, _id(other)) for kind, other in relates]
    return document_reference(replace(entry, home=home), id_=_id(entry.id), url=url, relates=told)


def _statement(source: Source, asked: _Request) -> dict[str, Any]:
    """The CapabilityStatement."""
    interactions = ("read", "search-type")
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": source.clock.now().isoformat(timespec="seconds"),
        "kind": "instance",
        "instantiates": [capability.RESPONDER, capability.RECIPIENT],
        "software": {"name": "kjerne", "version": __version__},
        "implementation": {"description": "a document source", "url": f"{asked.public}/R4/fhir"},
        "fhirVersion": "4.0.1",
        "format": [bundle_api.TYPE, "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Reading: a SAML assertion (XUA) about the one patient whom it opens, as Authorization: SAML in "
                "base64url; patient.identifier may say the same in a form. Provide Document Bundle (ITI-65): POST to "
                "Bundle, with the key of a system that may send.",
                "resource": [capability.resource(one, interactions, _NAMED_BY) for one in sorted(OWN)],
            }
        ],
    }


async def _read(scope: http.Scope, receive: http.Receive, correlation: str, public: str) -> _Request:
    headers = http.headers_of(scope["headers"])
    form: Pairs = ()
    if scope["method"] == "POST":
        raw = await http.body_of(receive, headers, FORM_LIMIT_BYTES)
        if raw and not http.is_form(headers):
            raise Refusal(415, f"Search parameters are sent as {http.FORM}.", where="content-type")
        form = http.pairs_of(raw, "form")
    path = str(scope["path"])
    return _Request(f"{public}{path}", public, correlation, http.query_of(scope), form, headers, _assertion(headers))


def _assertion(headers: Mapping[str, str]) -> etree._Element | None:
    """The assertion as it came; where it cannot be read an element that is none, which is refused as one that does not hold."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "saml":
        return None
    try:
        if len(text) > SAML_LIMIT_BYTES:
            raise NotGenuine("it is too long")
        return xml.parse(jws.decoded(text.strip().rstrip("=").encode()))
    except (NotGenuine, Refusal, UnicodeEncodeError):
        return etree.Element("unreadable")


def _patient(text: str) -> CX | None:
    """`system|number` of a form; None where it names nobody."""
    if not text:
        return None
    system, bar, number = text.rpartition("|")
    if not bar or not number:
        raise Refusal(400, "it is a system and a number, with | between", where="patient.identifier")
    return CX(number, bare(system))


def _parse(type_: str, pairs: Pairs, lenient: bool) -> Search:
    return search.parse(
        type_, pairs, lenient=lenient, page_size=COUNT, page_size_limit=asking.COUNT_LIMIT, reachable=frozenset()
    )


def _hold_method(path: str, method: str) -> None:
    """`Refusal` 405 where an address is not asked by this method."""
    allowed = "POST" if path.endswith("/_search") or path == bundle_api.ADDRESS else "GET"
    if method != allowed:
        raise Refusal(405, f"Only {allowed} is answered here.", where="method", headers=(("allow", allowed),))


def _heard(error: Exception, correlation: str, path: str) -> Refusal:
    """What went wrong as HTTP has it."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Denied):
        return Refusal(403, error.says, rule=error.rule)
    if isinstance(error, Failed):
        missing = error.subcode == soap.SECURITY + "InvalidSecurity"
        challenge = f'SAML error="{"invalid_request" if missing else "invalid_token"}"'
        headers = (("www-authenticate", challenge),)
        return Refusal(401, error.says, where="Authorization", code="login", headers=headers)
    return journal.met(error, correlation, _named(path))


def _of_registry(errors: Sequence[RegistryError]) -> Refusal:
    """Errors of a registry as a refusal; the first says it."""
    first = errors[0]
    if first.code == "AuthorizationException":
        return Refusal(403, first.says, rule=first.where)
    return Refusal(_STATUS.get(first.code, 503), first.says, where="document", rule=first.code)


def _named(path: str) -> str:
    """An address without what it names, for the program's log."""
    at = next((at for at in TYPES if path.startswith(at + "/")), path)
    return at if at == path or not path.endswith("/_search") else path


def _id(urn: str) -> str:
    return urn.removeprefix("urn:uuid:")


async def send_file(send: http.Send, given: Given, start: Any) -> None:
    """The document's bytes from its file, which is closed whatever happens."""
    try:
        await send(start)
        while piece := os.read(given.descriptor, 64 * 1024):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        os.close(given.descriptor)
