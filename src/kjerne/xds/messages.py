"""The bodies of the transactions: RegistryResponse, AdhocQueryResponse, SubmitObjectsRequest, and documents asked for and given.

ITI-18 and 38 (query), 39 and 43 (retrieve), 41 and 42 (submit); ITI TF-2, 3.18, 3.38, 3.39, 3.41, 3.42, 3.43.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from kjerne.xds import names, reading, writing
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.names import LCM, QUERY, RIM, RMD, RS, XDS
from kjerne.xds.values import Association, DocumentEntry, RegistryObject, SubmissionSet

DOCUMENTS_LIMIT: Final = 100
"""Documents in one request, asked for or sent."""
_PREFIXES: Final[Any] = {"xds": XDS[1:-1], "rs": RS[1:-1], "rim": RIM[1:-1], "lcm": LCM[1:-1], "query": QUERY[1:-1]}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One document that is asked for."""

    document: str
    repository: str
    home: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """How a request went: `names.SUCCESS`, `PARTIAL` or `FAILURE`, what was wrong, and the objects found."""

    status: str
    errors: tuple[RegistryError, ...] = ()
    objects: tuple[RegistryObject, ...] = ()
    references: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """What is sent together: one set, its documents and what they are to each other and to earlier ones."""

    sent: SubmissionSet
    entries: tuple[DocumentEntry, ...]
    associations: tuple[Association, ...]


def wanted(body: etree._Element) -> tuple[Wanted, ...]:
    """The documents that a RetrieveDocumentSetRequest asks for, or that a RemoveDocumentsRequest names."""
    known = body.tag in (XDS + "RetrieveDocumentSetRequest", RMD + "RemoveDocumentsRequest")
    if not known or not 1 <= len(body) <= DOCUMENTS_LIMIT:
        raise _wrong("XDSRepositoryError", f"The body names no document, or more than {DOCUMENTS_LIMIT}.")
    found = []
    for one in body:
        said = {child.tag: (child.text or "").strip() for child in one}
        document, repository = said.get(XDS + "DocumentUniqueId", ""), said.get(XDS + "RepositoryUniqueId", "")
        if one.tag != XDS + "DocumentRequest" or not document or not repository or len(said) != len(one):
            raise _wrong("XDSRepositoryError", "A DocumentRequest names one repository and one document.")
        found.append(Wanted(document, repository, said.get(XDS + "HomeCommunityId", "")))
    return tuple(found)


def removed(body: etree._Element) -> tuple[str, ...]:
    """The ids of the objects that a RemoveObjectsRequest takes away."""
    listed = body.find(RIM + "ObjectRefList")
    if body.tag != LCM + "RemoveObjectsRequest" or listed is None or not 1 <= len(listed) <= reading.OBJECTS_LIMIT:
        raise _wrong("XDSRegistryError", f"The body names no object, or more than {reading.OBJECTS_LIMIT}.")
    return tuple(reading.object_id(one.get("id", "")) for one in listed)


def written_wanted(asked: Iterable[Wanted], tag: str = XDS + "RetrieveDocumentSetRequest") -> etree._Element:
    """The RetrieveDocumentSetRequest that asks for them, or a request of another name over the same."""
    body = etree.Element(tag, nsmap={"xds": XDS[1:-1]})
    for one in asked:
        _document(etree.SubElement(body, XDS + "DocumentRequest"), one)
    return body


def submission(body: etree._Element) -> Submission:
    """What a SubmitObjectsRequest sends, alone or inside a ProvideAndRegisterDocumentSetRequest.

    The open Norwegian source puts one more element around that of ITI-42, which IHE does not know; it is taken too.
    """
    around = (XDS + _PROVIDE, XDS + "RegisterDocumentSetRequest")
    inner = body.find(LCM + "SubmitObjectsRequest") if body.tag in around else body
    listed = inner.find(RIM + "RegistryObjectList") if inner is not None else None
    if inner is None or inner.tag != LCM + "SubmitObjectsRequest" or listed is None:
        raise _wrong("XDSRegistryMetadataError", "The body holds no list of objects to register.")
    objects = reading.registry_objects(listed)
    sets = [one for one in objects if isinstance(one, SubmissionSet)]
    if len(sets) != 1:
        raise _wrong("XDSRegistryMetadataError", "A submission holds one submission set.")
    entries = tuple(one for one in objects if isinstance(one, DocumentEntry))
    return Submission(sets[0], entries, tuple(one for one in objects if isinstance(one, Association)))


_PROVIDE: Final = "ProvideAndRegisterDocumentSetRequest"


def documents(body: etree._Element) -> Mapping[str, etree._Element]:
    """The Document elements of a ProvideAndRegisterDocumentSetRequest, by the id of the entry that each belongs to."""
    found = list(body.iterchildren(XDS + "Document"))
    by_entry = {reading.object_id(one.get("id", "")): one for one in found}
    if len(by_entry) != len(found) or "" in by_entry or len(found) > DOCUMENTS_LIMIT:
        raise _wrong("XDSRepositoryMetadataError", "Two documents have one id, or one has none, or there are too many.")
    return by_entry


def written_submission(sent: Submission) -> etree._Element:
    """The SubmitObjectsRequest of ITI-42."""
    body = etree.Element(LCM + "SubmitObjectsRequest", nsmap=_PREFIXES)
    body.append(writing.object_list((sent.sent, *sent.entries, *sent.associations)))
    return body


def written_provision(sent: Submission, place: Mapping[str, Callable[[etree._Element], None]]) -> etree._Element:
    """The ProvideAndRegisterDocumentSetRequest of ITI-41; `place` puts in each document, by its entry's id."""
    body = etree.Element(XDS + _PROVIDE, nsmap=_PREFIXES)
    body.append(written_submission(sent))
    for entry, put in place.items():
        put(etree.SubElement(body, XDS + "Document", id=entry))
    return body


def response(body: etree._Element) -> Response:
    """A RegistryResponse or AdhocQueryResponse; `Rejected` where it is none, or an object in it cannot be read."""
    said, listed = outcome(body), body.find(RIM + "RegistryObjectList")
    found = () if listed is None else tuple(listed.iterchildren(RIM + "ObjectRef"))
    references = tuple((reading.object_id(one.get("id", "")), one.get("home", "")) for one in found)
    return Response(said.status, said.errors, () if listed is None else reading.registry_objects(listed), references)


def outcome(body: etree._Element) -> Response:
    """How it went and what was wrong, as `response`, without a look at the objects found."""
    if body.tag not in (RS + "RegistryResponse", QUERY + "AdhocQueryResponse"):
        raise _wrong("XDSRegistryError", "The answer is no response of a registry.")
    status = body.get("status", "")
    if status not in (names.SUCCESS, names.PARTIAL, names.FAILURE):
        raise _wrong("XDSRegistryError", "The answer does not say how it went.")
    errors = tuple(
        RegistryError(
            one.get("errorCode", ""), one.get("codeContext", ""), one.get("location", ""),
            one.get("severity", names.ERROR),
        )
        for one in body.iterfind(f"{RS}RegistryErrorList/{RS}RegistryError")
    )  # fmt: skip
    return Response(status, errors)


def written_response(given: Response) -> etree._Element:
    """The RegistryResponse that tells how a submission or a retrieval went."""
    body = etree.Element(RS + "RegistryResponse", status=given.status, nsmap=_PREFIXES)
    _errors(body, given.errors)
    return body


def written_found(given: Response) -> etree._Element:
    """The AdhocQueryResponse that tells what a query found."""
    body = etree.Element(QUERY + "AdhocQueryResponse", status=given.status, nsmap=_PREFIXES)
    _errors(body, given.errors)
    body.append(writing.object_list(given.objects, given.references))
    return body


@dataclass(frozen=True, slots=True)
class Given:
    """One document in an answer: which it is, its type, and what puts its content into the element."""

    wanted: Wanted
    media_type: str
    put: Callable[[etree._Element], None]


def written_documents(given: Response, documents: Sequence[Given]) -> etree._Element:
    """The RetrieveDocumentSetResponse with the documents that are given."""
    body = etree.Element(XDS + "RetrieveDocumentSetResponse", nsmap=_PREFIXES)
    body.append(written_response(given))
    for one in documents:
        made = etree.SubElement(body, XDS + "DocumentResponse")
        _document(made, one.wanted)
        etree.SubElement(made, XDS + "mimeType").text = one.media_type
        one.put(etree.SubElement(made, XDS + "Document"))
    return body


def failure(rejected: Rejected) -> Response:
    """What a refused request is answered with."""
    return Response(names.FAILURE, rejected.errors)


def _document(parent: etree._Element, one: Wanted) -> None:
    if one.home:
        etree.SubElement(parent, XDS + "HomeCommunityId").text = one.home
    etree.SubElement(parent, XDS + "RepositoryUniqueId").text = one.repository
    etree.SubElement(parent, XDS + "DocumentUniqueId").text = one.document


def _errors(body: etree._Element, errors: Sequence[RegistryError]) -> None:
    if not errors:
        return
    listed = etree.SubElement(body, RS + "RegistryErrorList")
    listed.set("highestSeverity", max((one.severity for one in errors), key=lambda severity: severity == names.ERROR))
    for one in errors:
        made = etree.SubElement(listed, RS + "RegistryError", codeContext=one.says, errorCode=one.code)
        made.set("severity", one.severity)
        if one.where:
            made.set("location", one.where)


def _wrong(code: str, says: str) -> Rejected:
    return Rejected(RegistryError(code, says))
