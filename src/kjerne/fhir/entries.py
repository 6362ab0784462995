"""The entries of a batch or transaction, read from a Bundle (R4 http.html#transaction): which request each one is.

Each is refused by itself, with its place: `Bundle.entry[3]...`. What is asked of a request here is what tells it; all else is the
business of the address that it goes to.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from kjerne.errors import Fault, Refusal
from kjerne.exchange import Answer
from kjerne.fhir.dates import interval
from kjerne.fhir.encode import encode
from kjerne.fhir.interaction import http_date

Tree = dict[str, Any]

_BUNDLE: Final = frozenset(
    {"resourceType", "id", "meta", "language", "identifier", "type", "timestamp", "link", "entry", "signature"}
)
_ENTRY: Final = frozenset({"id", "extension", "link", "fullUrl", "resource", "request"})
_REQUEST: Final = frozenset({"id", "extension", "method", "url"})
_CONDITIONS: Final = {
    "ifMatch": ("if-match", frozenset({"PUT", "PATCH", "DELETE"})),
    "ifNoneExist": ("if-none-exist", frozenset({"POST"})),
    "ifNoneMatch": ("if-none-match", frozenset({"GET"})),
    "ifModifiedSince": ("if-modified-since", frozenset({"GET"})),
}
"""Each condition's header, and the methods that heed it."""
_METHODS: Final = ("DELETE", "POST", "PUT", "PATCH", "GET")
_NEEDS_RESOURCE: Final = frozenset({"PUT", "PATCH"})
_NO_RESOURCE: Final = frozenset({"DELETE", "GET"})
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:|/")
_JSON: Final = "application/fhir+json"
_NOTHING: Final[Tree] = {}


class _Slice(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"")


class _Slices(msgspec.Struct):
    entry: list[msgspec.Raw] = []


_slices = msgspec.json.Decoder(_Slices).decode
_slice = msgspec.json.Decoder(_Slice).decode


class Entry(NamedTuple):
    """One request: `path` and `query` of its url, relative to the base; `tree` is the resource as parsed, `raw` as it came."""

    place: int
    method: str
    path: str
    query: str
    full_url: str = ""
    tree: Tree = _NOTHING
    raw: bytes = b""
    headers: Mapping[str, str] = _NOTHING

    @property
    def name(self) -> str:
        """The type of the resource that comes along, empty for none."""
        name = self.tree.get("resourceType")
        return name if isinstance(name, str) else ""


def entries_of(tree: Tree, raw: bytes, base: str, limit: int) -> tuple[str, list[Entry | Refusal]]:
    """Whether it is a batch or a transaction, and its entries, each read or refused. `raw` was parsed as `tree`; `base` is our
    own address. `Refusal` where the Bundle itself is none that is taken."""
    if tree.get("resourceType") != "Bundle":
        raise Refusal(
            400, "the body is not a Bundle", where="resourceType", todo="A resource goes to its type's address."
        )
    kind = tree.get("type")
    if kind not in ("batch", "transaction"):
        raise Refusal(400, "a Bundle that is sent here is a batch or a transaction", where="Bundle.type", code="value")
    _known(tree, _BUNDLE, "Bundle")
    rows = tree.get("entry", [])
    if type(rows) is not list or ("entry" in tree and not rows):
        raise Refusal(400, "the entries must be a list that is not empty", where="Bundle.entry", code="structure")
    if len(rows) > limit:
        raise too_many(len(rows), limit, "entries")
    pieces = _slices(raw).entry if rows else []
    return str(kind), [_entry(one, place, pieces[place], base) for place, one in enumerate(rows)]


def too_many(count: int, limit: int, what: str) -> Refusal:
    return Refusal(413, f"{count} {what} are more than {limit}", where="Bundle.entry", todo="Send several Bundles.")


def _known(value: Tree, names: frozenset[str], where: str) -> None:
    for name in value:
        if name.removeprefix("_") not in names:
            plain = name if re.fullmatch(r"_?[A-Za-z]{1,40}", name) else "an element"
            raise Refusal(400, f"{plain} is not taken here", where=where, code="structure")


def _entry(value: Any, place: int, raw: msgspec.Raw, base: str) -> Entry | Refusal:
    try:
        return _read(value, place, bytes(_slice(raw).resource) if type(value) is dict else b"", base)
    except Refusal as refusal:
        return refusal


def _read(value: Any, place: int, raw: bytes, base: str) -> Entry:
    where = f"Bundle.entry[{place}]"
    if type(value) is not dict:
        raise Refusal(400, "the entry is no object", where=where, code="structure")
    _known(value, _ENTRY, where)
    request, resource, full_url = value.get("request"), value.get("resource"), value.get("fullUrl", "")
    if type(request) is not dict:
        raise Refusal(400, "the entry says no request", where=f"{where}.request", code="required")
    _known(request, _REQUEST | _CONDITIONS.keys(), f"{where}.request")
    method, url = request.get("method"), request.get("url")
    if method not in _METHODS:
        takes = ", ".join(_METHODS)
        raise Refusal(400, f"the method is one of {takes}", where=f"{where}.request.method", code="code-invalid")
    if type(full_url) is not str or (full_url and not _ABSOLUTE.fullmatch(full_url)):
        raise Refusal(400, "the address of an entry is absolute", where=f"{where}.fullUrl", code="value")
    path, query = _address(url, base, f"{where}.request.url")
    if resource is not None and type(resource) is not dict:
        raise Refusal(400, "the resource is no object", where=f"{where}.resource", code="structure")
    # A POST behind a type is an operation, or a search: what that brings is its own business.
    if resource is None and (method in _NEEDS_RESOURCE or (method == "POST" and "/" not in path)):
        raise Refusal(400, f"a {method} brings a resource", where=f"{where}.resource", code="required")
    if resource is not None and method in _NO_RESOURCE:
        raise Refusal(400, f"a {method} brings no resource", where=f"{where}.resource", code="structure")
    headers = _conditions(request, str(method), f"{where}.request")
    tree, body = resource or {}, raw if resource is not None else b""
    if body and method == "PATCH":
        body, headers["content-type"] = _patch(tree, body, f"{where}.resource")
    elif body:
        headers["content-type"] = _JSON
    return Entry(place, str(method), path, query, full_url, tree, body, headers)


def _address(url: Any, base: str, where: str) -> tuple[str, str]:
    if type(url) is not str or not url:
        raise Refusal(400, "the request says no address", where=where, code="required")
    inside = url.removeprefix(base + "/")
    if _SCHEME.match(inside):
        says = "the address is relative to the base of this server, and begins with a type"
        raise Refusal(400, says, where=where, code="value", todo="Send it as Observation/123 or Observation?code=...")
    path, _, query = inside.partition("?")
    if not path or "#" in inside:
        says = (
            "a Bundle in a Bundle is not taken" if not path and not query else "the address has no type, or a fragment"
        )
        raise Refusal(400, says, where=where, code="not-supported")
    return path, query


def _conditions(request: Tree, method: str, where: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, (header, methods) in _CONDITIONS.items():
        value = request.get(name)
        if value is None:
            continue
        if type(value) is not str or not value.strip():
            raise Refusal(400, f"{name} is a text that is not empty", where=f"{where}.{name}", code="structure")
        if method not in methods:
            raise Refusal(400, f"a {method} has no {name}", where=f"{where}.{name}", code="not-supported")
        headers[header] = _since(value, f"{where}.{name}") if name == "ifModifiedSince" else value
    return headers


def _since(text: str, where: str) -> str:
    """An instant, as the header has it: to the second, as `Last-Modified` is."""
    try:
        return http_date(interval(text)[0])
    except ValueError:
        raise Refusal(400, "ifModifiedSince is an instant", where=where, code="value") from None


def _patch(resource: Tree, raw: bytes, where: str) -> tuple[bytes, str]:
    """A patch's bytes and what they are: a FHIRPath Patch is a Parameters, any other lies in a Binary."""
    if resource.get("resourceType") == "Parameters":
        return raw, _JSON
    if resource.get("resourceType") != "Binary":
        raise Refusal(400, "a patch is sent as Binary or Parameters", where=where, code="structure")
    kind, data = resource.get("contentType"), resource.get("data")
    if type(kind) is not str or type(data) is not str:
        raise Refusal(400, "a Binary with a patch has contentType and data", where=where, code="required")
    try:
        return base64.b64decode("".join(data.split()), validate=True), kind
    except (binascii.Error, ValueError):
        raise Refusal(400, "the data of the Binary is not base64", where=f"{where}.data", code="value") from None


_BY_HEADER: Final = {header: name for name, (header, _) in _CONDITIONS.items()}
_IN_RESOURCE: Final = re.compile(r"[A-Z][A-Za-z]+(?=[.\[]|$)")
_OF_BODY: Final = frozenset({"resourceType", "body", "content-type", "reference"})
_OF_ADDRESS: Final = frozenset({"query", "path", "id", "method"})


def placed(refusal: Refusal, entry: Entry) -> Refusal:
    """The refusal of an entry's request with its place in the Bundle. What names no element says its name in words."""
    where, told = _where(refusal.where, entry)
    says = f"{refusal.says} ({refusal.where})" if told else refusal.says
    faults = tuple(Fault(one.says, _where(one.where, entry)[0], one.code, one.rule, one.line) for one in refusal.faults)
    return Refusal(
        refusal.status, says, where=where, todo=refusal.todo, code=refusal.code, rule=refusal.rule, faults=faults,
        fault=refusal.fault, headers=refusal.headers,
    )  # fmt: skip


def _where(where: str, entry: Entry) -> tuple[str, bool]:
    """A place as the Bundle has it, and whether the old one is worth telling beside it."""
    here = f"Bundle.entry[{entry.place}]"
    if where.startswith("Bundle."):
        return where, False
    if condition := _BY_HEADER.get(where.lower()):
        return f"{here}.request.{condition}", False
    if (found := _IN_RESOURCE.match(where)) and found[0] == entry.name:
        return f"{here}.resource{where[found.end() :]}", False
    is_line = where.startswith("line ")
    part = ".resource" if is_line or where in _OF_BODY else ".request.url" if where in _OF_ADDRESS else ""
    return here + part, is_line or (not part and bool(where))


_WORDS: Final = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 304: "Not Modified", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    409: "Conflict", 410: "Gone", 412: "Precondition Failed", 413: "Content Too Large", 415: "Unsupported Media Type",
    422: "Unprocessable Content", 428: "Precondition Required", 429: "Too Many Requests", 500: "Internal Server Error",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


def status_line(status: int) -> str:
    """As `Bundle.entry.response.status` has it: the number, and what HTTP calls it."""
    return f"{status} {_WORDS[status]}" if status in _WORDS else str(status)


def response(kind: str, answers: Sequence[Answer]) -> bytes:
    """The Bundle of answers, in the order of the requests, joined from their bytes."""
    parts = [b'{"resourceType":"Bundle","type":"%b-response"' % kind.encode()]
    for place, answer in enumerate(answers):
        parts += [b"," if place else b',"entry":[', _answered(answer)]
    parts.append(b"]}" if answers else b"}")
    return b"".join(parts)


def _answered(answer: Answer) -> bytes:
    headers = dict(answer.headers)
    told = {"status": status_line(answer.status)}
    for name, header in (("location", "location"), ("etag", "etag")):
        if header in headers:
            told[name] = headers[header]
    if at := headers.get("last-modified"):
        told["lastModified"] = _instant(at)
    if answer.body.startswith(_OUTCOME):
        return b'{"response":%b,"outcome":%b}}' % (encode(told)[:-1], answer.body)
    resource = b'"resource":%b,' % answer.body if answer.body else b""
    return b'{%b"response":%b}' % (resource, encode(told))


@lru_cache(maxsize=64)
def _instant(text: str) -> str:
    """HTTP's date as an instant; what is written together was written in one second or two."""
    return parsedate_to_datetime(text).isoformat().replace("+00:00", "Z")


_OUTCOME: Final = b'{"resourceType":"OperationOutcome"'
