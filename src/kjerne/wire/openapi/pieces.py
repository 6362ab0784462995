"""What many lines share in the OpenAPI document: schemas, headers, parameters, and refusals by status and shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kjerne.fhir.negotiation import JSON_TYPE, XML_TYPE

Tree = dict[str, Any]


def _object(required: tuple[str, ...], **properties: Any) -> Tree:
    return {"type": "object", "required": list(required), "properties": properties}


def _resource(name: str) -> Tree:
    return _object(("resourceType",), resourceType={"const": name})


TEXT: Final[Tree] = {"type": "string"}
_ISSUE: Final[Tree] = _object(
    ("severity", "code"),
    severity={"enum": ["fatal", "error", "warning", "information"]},
    code=TEXT,
    diagnostics={"type": "string", "description": "what is wrong, and what the sender can do"},
    expression={"type": "array", "items": TEXT, "description": "the element, parameter or header it is about"},
    details={"type": "object"},
)
SCHEMAS: Final[Mapping[str, Tree]] = {
    "Resource": _object(("resourceType",), resourceType={"type": "string", "pattern": "^[A-Z][A-Za-z]+$"}),
    "Bundle": _object(
        ("resourceType", "type"),
        resourceType={"const": "Bundle"},
        type=TEXT,
        total={"type": "integer", "minimum": 0},
        link={"type": "array", "items": _object(("relation", "url"), relation=TEXT, url=TEXT)},
        entry={"type": "array", "items": {"type": "object"}},
    ),
    "Parameters": _resource("Parameters"),
    "OperationOutcome": _object(
        ("resourceType", "issue"),
        resourceType={"const": "OperationOutcome"},
        issue={"type": "array", "minItems": 1, "items": _ISSUE},
    ),
    "Error": _object(
        ("error",),
        error={"type": "string", "description": "what is wrong, in a sentence"},
        where={"type": "string", "description": "the field, parameter or header it is about"},
        todo={"type": "string", "description": "what the sender can do"},
        faults={"type": "array", "items": _object(("error", "where"), error=TEXT, where=TEXT)},
    ),
    "Receipt": _object(
        ("status", "reason", "reports", "observations", "duplicate"),
        status={"enum": ["accepted", "refused"]},
        reason=TEXT,
        reports={"type": "integer"},
        observations={"type": "integer"},
        duplicate={"type": "boolean"},
    ),
    "JsonPatch": {
        "type": "array",
        "maxItems": 100,
        "items": _object(
            ("op", "path"),
            op={"enum": ["add", "remove", "replace", "move", "copy", "test"]},
            path=TEXT,
            value={},
            **{"from": TEXT},
        ),
    },
    "Json": {"type": "object"},
    "Xml": {"type": "string", "description": "a document in UTF-8, without a document type declaration"},
    **{
        f"Search{kind.capitalize()}": {"type": "string", "description": says}
        for kind, says in {
            "token": "code, system|code, |code or system|; alternatives with commas between",
            "string": "how a text begins, case and accents aside",
            "date": "a date or a moment, as exact as it is known, behind eq, ne, lt, le, gt, ge, sa, eb or ap",
            "reference": "Type/id, an id or an address",
            "quantity": "number|system|unit, behind a comparator as a date's",
            "number": "a number, behind a comparator as a date's",
            "uri": "an address, whole",
            "composite": "a value of each part with $ between",
        }.items()
    },
    "Lines": {"type": "string", "description": "one resource in JSON on each line"},
    "Bytes": {"type": "string", "format": "binary"},
}

KINDS: Final = {
    kind: f"Search{kind.capitalize()}"
    for kind in ("token", "string", "date", "reference", "quantity", "number", "uri", "composite")
}
"""By the kind of a search parameter the schema of its values."""

_HEADERS: Final[Mapping[str, str]] = {
    "x-correlation-id": "the caller's own correlation id (cid, x-request-id, traceparent and others), or a new one",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "etag": 'the version, as W/"3"; of a file of an export, its bytes as they are packed',
    "accept-ranges": "bytes: the rest of it may be asked for",
    "content-range": "which bytes these are, of how many",
    "last-modified": "when that version was written",
    "location": "the address of what was written",
    "content-location": "where the state of what was asked for is read",
    "content-disposition": "attachment",
    "www-authenticate": "what is wrong with token or proof",
    "accept-patch": "the patches that are read here",
    "accept-encoding": "the codings of a body that are read here",
    "upgrade": "the protocol that is spoken here",
    "retry-after": "seconds until it is worth another try",
    "x-progress": "what is waited for",
    "content-language": "the language of its words",
    "content-security-policy": "what it may do, and on whose pages it may stand in a frame",
    "cross-origin-resource-policy": "cross-origin",
    "expires": "when the files are given no more",
    "nhn-securitylabel-nors-count": "how many documents the patient has locked against who asks",
    "x-securitylabel-nors-count": "the same, by its older name",
    "access-control-allow-origin": "*: a page of any site may ask",
    "access-control-allow-methods": "by which methods it may ask",
    "access-control-allow-headers": "the headers that it may send",
    "access-control-max-age": "seconds for which it need not ask again",
}
OF_EVERY_ANSWER: Final = ("x-correlation-id", "cache-control", "x-content-type-options", "referrer-policy")

_QUERY: Final[Mapping[str, str]] = {
    "_format": "json or xml, before the header accept",
    "_pretty": "taken, and not heeded",
    "_summary": "a part of each resource: true, text, data, count or false",
    "_elements": "the elements of each resource that are wanted, with commas between",
    "_count": "at most how many on a page",
    "_page": "which page, from 1",
    "patient.identifier": "the number of the patient, which may stand in the header instead",
    "_cursor": "from a link to another page; stands alone, but for _count and _wait of what is followed",
    "_after": "how far a list was read, from the answer before",
    "_before": "how far back a list was read, from the answer before",
    "_sort": "parameters to sort by, with commas between, - before one that descends",
    "_total": "none, estimate or accurate",
    "_include": "Type:parameter of what a match refers to",
    "_revinclude": "Type:parameter of what refers to a match",
    "_filter": "R4's filter expression",
    "_wait": "how many seconds an answer may wait for something to tell",
    "_since": "an instant: what was written since",
    "_at": "what stood at that time",
    "_outputFormat": "application/fhir+ndjson, of the files",
    "_type": "the types that are wanted, with commas between",
    "_typeFilter": "searches with commas between (Observation?code=...): which records of a type are wanted",
    "ground": "the provision of law on which it leaves; it stands in the log",
    "purpose": "export, or check: the records are held against the rules of today and none leaves",
    "recipient": "who is to have it; it stands in the log",
    "async": "false: a message is answered at once",
    "mode": "of $validate create, update, delete or profile; of metadata full or terminology",
    "profile": "the profile to hold it against",
    "max": "how many of each kind, to 100",
    "criticalInfoType": "which kind of critical information, of those that the type can be of",
    "ticket": "from the answer of the health indicator, sealed",
    "lang": "nb, nn or en",
    "reason": "why, in 8 to 500 characters, naming nobody by number; it stands in the log",
}
_SENT: Final[Mapping[str, str]] = {
    "person-id": "the number of the patient whom it is about: a national number, or 'system|number'",
    "access-basis": "the basis that is declared for a patient who has shut something: SAMTYKKE, "
    "FORHOYET_SAMTYKKE, AKUTT, FORHOYET_AKUTT or UNNTAK",
    "requester-hpr-role": "the attested role (Volven 9060)",
    "nhn-patient-nin": "the number of the patient whom it is about; the older name hit-patient-nin is taken as well",
    "nhn-user-role": 'the attested role, as URL-encoded JSON: {"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"LE"}',
    "nhn-access-basis": "the basis that is declared: SAMTYKKE, AKUTT, UNNTAK, FORHOYET_SAMTYKKE or FORHOYET_AKUTT",
    "nhn-source-system": "which system asks, in 3 to 512 characters",
    "nhn-event-id": "an id for what the caller does, to 128 characters",
    "prefer": "return=minimal, representation or OperationOutcome; handling=strict or lenient; respond-async",
    "if-match": 'the version that is changed, as W/"3"',
    "if-none-match": "a read: the versions that are known already; a write: * where none may be there",
    "if-none-exist": "the criteria of a create that depends on what is there",
    "idempotency-key": "made up by the sender: the same again under it is answered as it was, and not filed again",
    "range": "bytes=FIRST-, the rest of a file; heeded with if-range alone",
    "accept-language": "nb, nn or en: the language of the words on cards and in a summary",
    "x-epj-system": "which clinician's system asks, and in which version, in 3 to 512 characters",
    "x-source-system": "which clinician's system asks, and in which version, in 3 to 512 characters",
    "if-range": "the etag of the file whose beginning is at hand",
    "if-modified-since": "a read: 304 where nothing was written since",
}
_PATH: Final[Mapping[str, Tree]] = {
    "id": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"},
    "version": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    "number": {"type": "string", "pattern": r"^[0-9A-Za-z\-]{1,36}$"},
    "file": {"type": "string", "pattern": "^[A-Za-z]+-[0-9]{1,9}$"},
    "message": {"type": "string", "pattern": "^[^/]+$"},
    "status": {"type": "string", "pattern": r"^[0-4](\.svg)?$"},
}

_SAYS: Final[Mapping[int, str]] = {
    400: "the request cannot be read, or asks for what this address does not take",
    401: "no token, or one that is not good here; or a proof that is not good for this request, or was used before",
    403: "the caller may not: the token's scope, or a rule of the law, which is named",
    404: "there is nothing here that this caller may see",
    405: "this type is not written here",
    406: "the answer is not given in what was asked for",
    409: "it does not fit what is there, or another changes it at this moment",
    410: "it was deleted, or is over",
    412: "the version, or what was to be there, is another",
    413: "the body is too long, packed or unpacked, or holds too much",
    414: "the address is too long",
    415: "the body is of a type, or in a coding, that is not read here",
    416: "the file is no longer than that",
    422: "what was sent is well-formed and cannot be done: it breaks a rule, or would take too much",
    426: "this address is for another protocol, which the header names",
    428: "the version that is changed is not named",
    429: "too many of these are in work",
    431: "the headers are too long",
    501: "this is not done here; the answer says where it is",
    503: "the database is away or busy, or the patient's choices are being changed: send it again",
    504: "it took too long and was stopped",
}
SHAPES: Final[Mapping[str, Mapping[str, str]]] = {
    "fhir": {JSON_TYPE: "OperationOutcome", XML_TYPE: "Xml"},
    "outcome": {JSON_TYPE: "OperationOutcome"},
    "json": {"application/json": "Error"},
    "receipt": {"application/json": "Error", "application/xml": "Xml"},
}
"""By the shape of a refusal its media types: FHIR where XML is spoken too, where JSON alone, our own, and a message's receipt."""


def named(kind: str, name: str) -> Tree:
    """A reference to a piece of the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


def content(by_media: Mapping[str, str]) -> Tree:
    return {media: {"schema": named("schemas", schema)} for media, schema in by_media.items()}


def headers(always: tuple[str, ...], maybe: tuple[str, ...] = ()) -> Tree:
    """Headers of an answer, beside those that every answer has."""
    told = {name: _header(name, required=True) for name in always}
    every = {name: named("headers", name) for name in OF_EVERY_ANSWER}
    return every | told | {name: _header(name, required=False) for name in maybe}


def _header(name: str, *, required: bool) -> Tree:
    return {"description": _HEADERS[name], "required": required, "schema": TEXT}


def refused(status: int, shape: str) -> Tree:
    """The refusal with a status in a shape."""
    always = ("www-authenticate",) if status == 401 else ()
    by_status = {
        403: ("www-authenticate",),
        412: ("etag", "last-modified", "content-location"),
        415: ("accept-patch", "accept-encoding"),
        416: ("content-range",),
        426: ("upgrade",),
        428: ("etag",),
        429: ("retry-after",),
        503: ("retry-after",),
    }
    maybe = by_status.get(status, ())
    return {"description": _SAYS[status], "headers": headers(always, maybe), "content": content(SHAPES[shape])}


def every_header() -> Tree:
    return {name: _header(name, required=True) for name in OF_EVERY_ANSWER}


def in_path(name: str, types: str) -> Tree:
    """A part of a path; `types` is the schema of what `type` may be."""
    schema = named("schemas", types) if name == "type" else _PATH.get(name, TEXT)
    return {"name": name, "in": "path", "required": True, "schema": schema}


def criteria(parameters: Mapping[str, str]) -> Tree:
    """The schema of a type's criteria: its parameters by name, each with the kind of its values."""
    own = {name: named("schemas", KINDS[kind]) for name, kind in parameters.items()}
    return {"type": "object", **({"properties": own} if own else {}), "additionalProperties": TEXT}


def in_query(name: str, criteria: str = "Criteria") -> Tree:
    """A parameter of the address; `*` is any search parameter, as the schema `criteria` names them."""
    if name == "*":
        values = named("schemas", criteria)
        says = (
            "search parameters of the type, as x-criteria has them by type, each also with a modifier behind it (`code:not`) or "
            "as the first link of a chain (`specimen.type`); the CapabilityStatement says which it takes"
        )
        return {
            "name": "criteria",
            "in": "query",
            "style": "form",
            "explode": True,
            "description": says,
            "schema": values,
        }
    told = {"description": _QUERY[name]} if name in _QUERY else {}
    return {"name": name, "in": "query", **told, "schema": TEXT}


def in_header(name: str) -> Tree:
    plain = name.rstrip("!")
    return {"name": plain, "in": "header", "required": name != plain, "description": _SENT[plain], "schema": TEXT}


def of_form(names: tuple[str, ...], criteria: str = "Criteria") -> Tree:
    """The schema of a form; `*` in it lets any search parameter in, as the schema `criteria` names them."""
    plain = [name.rstrip("!") for name in names if name != "*"]
    fields = {name: TEXT | ({"description": _QUERY[name]} if name in _QUERY else {}) for name in plain}
    told: Tree = {"type": "object", "properties": fields, "required": [one[:-1] for one in names if one.endswith("!")]}
    return {"allOf": [named("schemas", criteria), told]} if "*" in names else told
