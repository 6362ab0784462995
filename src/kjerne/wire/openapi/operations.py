"""What each line of the route table takes and gives, as far as the line itself does not say it.

The line says where, by which method, in which scope, how long a body and in which shape it refuses; its handler's docstring says
what it does. What is here says the rest: parameters, bodies, and with which status it answers. A line that is not here is told
with every status that one of its method and shape can have; a test meets each line and holds its answers to this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from kjerne.exchange import PUBLIC, Route
from kjerne.fhir import json_patch, xml_patch
from kjerne.fhir.negotiation import JSON_TYPE, XML_TYPE, speaks_xml
from kjerne.mhd.searching import asked_for
from kjerne.services.terminology import OPERATIONS as TERMINOLOGY

VERSIONED: Final = ("etag", "last-modified")
WRITTEN: Final = ("location", "etag", "last-modified")
JSON: Final = "application/json"
MESSAGE: Final = "application/xml"
NDJSON: Final = "application/fhir+ndjson"
LINES: Final = (NDJSON, "application/ndjson", "application/x-ndjson")


class Given(NamedTuple):
    """An answer that is no refusal: the schema of its body (none: without a body), the headers that it always has, those that it
    may have, and its media type where that is not its interface's own."""

    schema: str = ""
    always: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    media: tuple[str, ...] = ()


class Operation(NamedTuple):
    """What one line takes and gives. `refuses` are statuses beside those of every line of its kind. A name in `form` or `headers`
    with `!` behind it must be there, and `*` stands for any search parameter of the type."""

    gives: Mapping[int, Given]
    refuses: tuple[int, ...] = ()
    query: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    body: tuple[tuple[str, str], ...] = ()
    headers: tuple[str, ...] = ()


_SHOWN: Final = ("_format", "_pretty", "_summary", "_elements")
_PLAIN: Final = ("_format", "_pretty")
_SEARCH: Final = (
    "*", "_id", "_lastUpdated", "_profile", "_tag", "_security", "_text", "_content", "_filter", "_has", "_sort", "_count",
    "_total", "_include", "_revinclude", "_cursor", *_SHOWN,
)  # fmt: skip
_PATIENT: Final = ("person-id", "access-basis", "requester-hpr-role")
_READS: Final = (*_PATIENT, "prefer")
_RESOURCE: Final = ((JSON_TYPE, "Resource"), (XML_TYPE, "Xml"))
_PARAMETERS: Final = ((JSON_TYPE, "Parameters"), (XML_TYPE, "Xml"))
_JSON: Final = Given("Json", media=(JSON,))
_FOUND: Final = Given("Bundle")
_OUTCOME: Final = Given("OperationOutcome")
_RECEIPT: Final = Given("Receipt", media=(MESSAGE, JSON))
_BYTES: Final = Given("Bytes", ("content-disposition",), media=("application/octet-stream",))
_ANYWHERE: Final = ("access-control-allow-origin",)
_PREFLIGHT: Final = ("access-control-allow-methods", "access-control-allow-headers", "access-control-max-age")
_DRAWING: Final = Given("Bytes", ("content-security-policy", "cross-origin-resource-policy"), media=("image/svg+xml",))
_REASON: Final = ("reason!",)
_TYPE: Final = "/fhir/R4/{type}"
_CRITICAL: Final = "/api/critical-information/v1"
_OF_DOCUMENTS: Final = ("nhn-patient-nin", "nhn-access-basis", "nhn-source-system", "nhn-event-id")
_SEARCHES: Final = (*_OF_DOCUMENTS, "prefer")
_PAGED: Final = ("patient", "status", "_count", "_page", "_format")
_BY_DOCUMENT: Final = (*_PAGED, "_sort", "sources", *sorted(asked_for("DocumentReference") - {"status"}))
_BY_SET: Final = (*_PAGED, "sources", *sorted(asked_for("List") - {"status"}))
_OF_LISTS: Final = Given("Bundle", maybe=("nhn-securitylabel-nors-count", "x-securitylabel-nors-count"))
_ABROAD: Final = f"{_CRITICAL}/abroad/{{document}}"
_OF_CRITICAL: Final = ("nhn-patient-nin!", "nhn-user-role", "nhn-access-basis", "nhn-source-system!", "nhn-event-id!")
_CONSENT: Final = "/fhir/R4/Consent"
_EVENT: Final = "/fhir/R4/AuditEvent"
_GROUP: Final = "/fhir/R4/Group"
_SUBSCRIPTION: Final = "/fhir/R4/Subscription"
_MADE: Final = Given("Resource", always=WRITTEN)
_CHANGED: Final = Given("Resource", always=WRITTEN)
_CRITERIA: Final = ("*", *_PLAIN)
_OF_SUBSCRIPTIONS: Final = ("_id", "status", "type", "url", "criteria", "payload", "_format")

_RECORDS: Final[Mapping[str, Operation]] = {
    f"GET {_TYPE}": Operation({200: _FOUND}, (404, 410, 422), _SEARCH, headers=_READS),
    f"POST {_TYPE}/_search": Operation({200: _FOUND}, (404, 410, 422), _SEARCH, _SEARCH, headers=_READS),
    f"GET {_TYPE}/{{id}}": Operation(
        {200: Given("Resource", VERSIONED), 304: Given("", VERSIONED)}, (404, 410), _SHOWN,
        headers=(*_READS, "if-none-match", "if-modified-since"),
    ),
    f"GET {_TYPE}/{{id}}/_history": Operation(
        {200: _FOUND}, (404, 410, 422), (*_SHOWN, "_count", "_since", "_at", "_cursor"), headers=_READS
    ),
    f"GET {_TYPE}/_history": Operation(
        {200: _FOUND}, (404, 410, 422), (*_SHOWN, "_count", "_since", "_at", "_cursor"), headers=_READS
    ),
    "GET /fhir/R4/_history": Operation(
        {200: _FOUND}, (404, 410, 422), (*_PLAIN, "_summary", "_count", "_since", "_at", "_cursor"), headers=_READS
    ),
    "GET /fhir/R4/$changes": Operation(
        {200: _FOUND}, (422,), ("_type", "_since", "_count", "_wait", "_cursor", *_PLAIN), headers=_READS
    ),
    f"GET {_TYPE}/{{id}}/_history/{{version}}": Operation(
        {200: Given("Resource", VERSIONED)}, (404, 410), _SHOWN, headers=_READS
    ),
    f"GET {_TYPE}/{{id}}/$meta": Operation(
        {200: Given("Parameters", VERSIONED), 304: Given("", VERSIONED)}, (404, 410), _PLAIN, headers=_READS
    ),
    f"POST {_TYPE}": Operation(
        {200: _CHANGED, 201: _MADE}, (404, 405, 409, 410, 412, 422), _PLAIN, body=_RESOURCE,
        headers=(*_READS, "if-none-exist", "if-none-match"),
    ),
    f"PUT {_TYPE}/{{id}}": Operation(
        {200: _CHANGED, 201: _MADE}, (404, 405, 409, 410, 412, 422, 428), _PLAIN, body=_RESOURCE,
        headers=(*_READS, "if-match", "if-none-match"),
    ),
    f"PUT {_TYPE}": Operation(
        {200: _CHANGED, 201: _MADE}, (404, 405, 409, 410, 412, 422, 428), _CRITERIA, body=_RESOURCE,
        headers=(*_READS, "if-match", "if-none-match"),
    ),
    f"PATCH {_TYPE}/{{id}}": Operation(
        {200: _CHANGED}, (404, 405, 409, 410, 412, 422, 428), _PLAIN,
        body=((json_patch.MEDIA_TYPE, "JsonPatch"), (xml_patch.MEDIA_TYPE, "Xml"), *_PARAMETERS),
        headers=(*_READS, "if-match"),
    ),
    f"DELETE {_TYPE}/{{id}}": Operation(
        {200: Given("OperationOutcome", maybe=("etag",)), 204: Given("", maybe=("etag",))}, (404, 405, 409, 412, 422), _PLAIN,
        headers=(*_READS, "if-match"),
    ),
    f"DELETE {_TYPE}": Operation(
        {200: Given("OperationOutcome", maybe=("etag", "location")), 204: Given("", maybe=("etag", "location"))},
        (404, 405, 409, 412, 422), _CRITERIA, headers=(*_READS, "if-match"),
    ),
    **{
        f"{method} /fhir/R4/Observation/$lastn": Operation(
            {200: _FOUND}, (404, 422), ("*", "max", *_SHOWN), form, headers=_READS
        )
        for method, form in (("GET", ()), ("POST", ("*", "max", *_SHOWN)))
    },
    **{
        f"{method} /fhir/R4/Patient{at}/$everything": Operation(
            {200: _FOUND}, (404, 422), ("_type", "_since", "start", "end", "_count", "_cursor", *_PLAIN), form, body, _READS
        )
        for at in ("", "/{id}")
        for method, form, body in (
            ("GET", (), ()),
            ("POST", ("_type", "_since", "start", "end", "_count", "_cursor", *_PLAIN), _PARAMETERS),
        )
    },
    **{
        f"{method} /fhir/R4/Patient{at}/$summary": Operation(
            {200: _FOUND}, (404, 422), ("profile", *_PLAIN), form, body, (*_READS, "accept-language")
        )
        for at in ("", "/{id}")
        for method, form, body in (("GET", (), ()), ("POST", ("profile", "identifier", *_PLAIN), _PARAMETERS))
    },
    **{
        f"POST /fhir/R4{at}/$validate": Operation(
            {200: _OUTCOME}, (404, 422), ("mode", "profile", *_PLAIN), body=(*_RESOURCE,), headers=_PATIENT
        )
        for at in ("", "/{type}", "/{type}/{id}")
    },
    **{
        f"POST {at}": Operation(
            {200: _FOUND}, (404, 405, 409, 410, 412, 422, 428), _PLAIN, body=((JSON_TYPE, "Bundle"), (XML_TYPE, "Xml")),
            headers=_READS,
        )
        for at in ("/fhir/R4", "/fhir/R4/")
    },
    "POST /fhir/R4/$import": Operation(
        {200: Given("Parameters"), 202: Given("", ("content-location",))}, (409, 412, 422, 429),
        body=(*((one, "Lines") for one in LINES), (JSON, "Json"), *_PARAMETERS), headers=(*_READS, "idempotency-key"),
    ),
    "GET /imports/{number}": Operation(
        {200: Given("Json", ("expires",), media=(JSON,)),
         202: Given("Json", ("x-progress", "retry-after", "expires"), media=(JSON,))}, (404, 410),
    ),
    "DELETE /imports/{number}": Operation({202: Given()}, (404, 410)),
    "PUT /imports/{number}/parts/{part}": Operation(
        {200: Given("Parameters")}, (404, 409, 410, 412, 422, 429), body=tuple((one, "Lines") for one in LINES), headers=_READS,
    ),
    "GET /imports/{number}/parts/{part}/outcome": Operation({200: Given("Lines", media=(NDJSON,))}, (404, 410)),
    "POST /fhir/R4/$process-message": Operation(
        {200: _FOUND}, (422,), ("_format", "async"), body=((JSON_TYPE, "Bundle"), (XML_TYPE, "Xml")), headers=_PATIENT
    ),
}  # fmt: skip

_EXPORTS: Final[Mapping[str, Operation]] = {
    f"POST {_GROUP}": Operation({201: _MADE}, (422,), _PLAIN, body=_RESOURCE, headers=("prefer",)),
    f"GET {_GROUP}/{{id}}": Operation({200: Given("Resource", VERSIONED)}, (404, 410), _PLAIN),
    f"PUT {_GROUP}/{{id}}": Operation(
        {200: _CHANGED}, (404, 410, 412, 422, 428), _PLAIN, body=_RESOURCE, headers=("prefer", "if-match")
    ),
    f"DELETE {_GROUP}/{{id}}": Operation(
        {200: Given("OperationOutcome", maybe=("etag",)), 204: Given("", maybe=("etag",))}, (404, 412), _PLAIN,
        headers=("prefer", "if-match"),
    ),
    **{
        f"{method} {at}/$export": Operation(
            {202: Given("", ("content-location",))}, (*refuses, 422), query, body=body, headers=("prefer!",)
        )
        for at, refuses in (("/fhir/R4", ()), ("/fhir/R4/Patient", ()), (f"{_GROUP}/{{id}}", (404, 410)))
        for method, query, body in (
            ("GET", ("_type", "_typeFilter", "_since", "_outputFormat", "ground", "purpose", "recipient", *_PLAIN), ()),
            ("POST", _PLAIN, _PARAMETERS),
        )
    },
    "GET /exports": Operation({200: _JSON}),
    "GET /exports/{number}": Operation(
        {200: Given("Json", ("expires",), media=(JSON,)), 202: Given("", ("x-progress", "retry-after"))}, (404, 410)
    ),
    "DELETE /exports/{number}": Operation({202: Given()}, (404, 410)),
    "POST /exports/{number}/approve": Operation({200: _JSON}, (404, 409, 410, 422), form=_REASON),
    "POST /exports/{number}/refuse": Operation({200: _JSON}, (404, 409, 410, 422), form=_REASON),
    "GET /exports/{number}/files/{file}": Operation(
        {
            200: Given("Lines", ("etag", "accept-ranges"), media=(NDJSON,)),
            206: Given("Lines", ("etag", "accept-ranges", "content-range"), media=(NDJSON,)),
        },
        (404, 410, 416, 422), headers=("range", "if-range"),
    ),
    "GET /exports/{number}/files/{file}/validation": Operation({200: _JSON}, (404, 410, 422)),
    "GET /checks/{type}": Operation({200: _JSON}, (404,), ("after",)),
}  # fmt: skip

_ROOMS: Final[Mapping[str, Operation]] = {
    f"GET {_CONSENT}": Operation({200: _FOUND}, query=("status", *_PLAIN), headers=_PATIENT),
    f"GET {_CONSENT}/{{id}}": Operation({200: Given("Resource")}, (404,), headers=_PATIENT),
    f"POST {_CONSENT}": Operation({201: Given("Resource", ("location",))}, (404, 409, 422), body=_RESOURCE, headers=_PATIENT),
    f"PUT {_CONSENT}/{{id}}": Operation({200: Given("Resource")}, (404, 409, 422), body=_RESOURCE, headers=_PATIENT),
    f"GET {_EVENT}": Operation({200: _FOUND}, (404, 422), ("*", "_sort", "_count", "_cursor", *_SHOWN), headers=_READS),
    f"POST {_EVENT}/_search": Operation(
        {200: _FOUND}, (404, 422), ("*", *_SHOWN), ("*", "_sort", "_count", "_cursor", *_SHOWN), headers=_READS
    ),
    f"GET {_EVENT}/{{id}}": Operation({200: Given("Resource")}, (404,), _SHOWN, headers=_READS),
    **{
        way: Operation({200: _FOUND}, (), _OF_SUBSCRIPTIONS, form, headers=("prefer",))
        for way, form in ((f"GET {_SUBSCRIPTION}", ()), (f"POST {_SUBSCRIPTION}/_search", _OF_SUBSCRIPTIONS))
    },
    f"POST {_SUBSCRIPTION}": Operation({201: Given("Resource", WRITTEN)}, (422,), body=_RESOURCE, headers=_READS),
    f"GET {_SUBSCRIPTION}/{{id}}": Operation({200: Given("Resource", VERSIONED)}, (404,)),
    f"PUT {_SUBSCRIPTION}/{{id}}": Operation(
        {200: Given("Resource", VERSIONED)}, (404, 412, 422, 428), body=_RESOURCE, headers=(*_READS, "if-match")
    ),
    f"DELETE {_SUBSCRIPTION}/{{id}}": Operation({204: Given()}, (404,)),
    f"GET {_SUBSCRIPTION}/{{id}}/$status": Operation({200: _FOUND}, (404,)),
    f"GET {_SUBSCRIPTION}/{{id}}/$events": Operation(
        {200: _FOUND}, (404, 422), ("eventsSinceNumber", "eventsUntilNumber", "content")
    ),
    **{
        f"{method} {at}/$get-ws-binding-token": Operation(
            {200: Given("Parameters")}, (404, 422, 429), () if at.endswith("}") else ("id",), body=body
        )
        for at in (_SUBSCRIPTION, f"{_SUBSCRIPTION}/{{id}}")
        for method, body in (("GET", ()), ("POST", _PARAMETERS))
    },
    f"GET {_CRITICAL}/status": Operation({200: _JSON}, headers=_OF_CRITICAL),
    f"GET {_CRITICAL}/$groups": Operation({200: Given("Parameters")}, headers=_OF_CRITICAL),
    f"POST {_CRITICAL}/$import-summary": Operation(
        dict.fromkeys((200, 201), Given("Resource", ("location",))), (404, 409, 410, 422), ("confirm", "country"),
        body=_RESOURCE, headers=_OF_CRITICAL,
    ),
    f"GET {_CRITICAL}/abroad": Operation({200: _FOUND}, headers=_OF_CRITICAL),
    f"GET {_ABROAD}": Operation({200: Given("Parameters")}, (404, 410, 422), headers=_OF_CRITICAL),
    f"GET {_ABROAD}/content": Operation(
        {200: Given("Bytes", ("content-disposition",), media=(JSON_TYPE, XML_TYPE))}, (404, 410), headers=_OF_CRITICAL
    ),
    f"POST {_ABROAD}/entries/{{place}}": Operation(
        {201: Given("", ("location", "etag")), 204: Given()}, (404, 409, 410, 412, 422, 428), body=((JSON_TYPE, "Parameters"),),
        headers=(*_OF_CRITICAL, "if-match"),
    ),
    f"POST {_ABROAD}/$take-back": Operation(
        {200: Given("Parameters")}, (404, 410, 422), body=((JSON_TYPE, "Parameters"),), headers=_OF_CRITICAL
    ),
    f"POST {_CRITICAL}": Operation(
        {200: Given("Bundle")}, (404, 409, 412, 422), body=((JSON_TYPE, "Bundle"),), headers=_OF_CRITICAL
    ),
    f"GET {_CRITICAL}/{{type}}": Operation({200: _FOUND}, (404, 422), ("criticalInfoType",), headers=_OF_CRITICAL),
    f"GET {_CRITICAL}/{{type}}/{{id}}": Operation({200: Given("Resource", VERSIONED)}, (404,), headers=_OF_CRITICAL),
    f"POST {_CRITICAL}/{{type}}": Operation(
        {201: _MADE}, (404, 422), body=((JSON_TYPE, "Resource"),), headers=(*_OF_CRITICAL, "prefer")
    ),
    f"PUT {_CRITICAL}/{{type}}/{{id}}": Operation(
        {200: _CHANGED}, (404, 409, 410, 412, 422, 428), body=((JSON_TYPE, "Resource"),),
        headers=(*_OF_CRITICAL, "prefer", "if-match"),
    ),
    f"DELETE {_CRITICAL}/{{type}}/{{id}}": Operation(
        {204: Given("", ("etag",))}, (404, 409, 410, 412, 422, 428), headers=(*_OF_CRITICAL, "if-match")
    ),
    f"GET {_CRITICAL}/metadata": Operation({200: Given("Resource")}, query=_PLAIN),
    "POST /phr/R4/fhir/DocumentReference/_search": Operation(
        {200: _OF_LISTS}, (422, 504), _BY_DOCUMENT, (*_BY_DOCUMENT, "patient.identifier"), headers=_SEARCHES
    ),
    "GET /phr/R4/fhir/DocumentReference": Operation({200: _OF_LISTS}, (422, 504), _BY_DOCUMENT, headers=_SEARCHES),
    "POST /phr/R4/fhir/List/_search": Operation(
        {200: _OF_LISTS}, (422, 504), _BY_SET, (*_BY_SET, "patient.identifier"), headers=_SEARCHES
    ),
    "GET /phr/R4/fhir/List": Operation({200: _OF_LISTS}, (422, 504), _BY_SET, headers=_SEARCHES),
    "GET /phr/R4/fhir/DocumentReference/{id}": Operation({200: Given("Resource")}, (404, 422, 503, 504), headers=_OF_DOCUMENTS),
    "GET /phr/R4/fhir/List/{id}": Operation({200: Given("Resource")}, (404, 422, 504), headers=_OF_DOCUMENTS),
    "GET /phr/mhd/document/{id}": Operation({200: _BYTES}, (404, 413, 422, 503, 504), headers=_OF_DOCUMENTS),
    "GET /phr/mhd/document/{patient}/{id}": Operation({200: _BYTES}, (404, 413, 422, 503, 504), headers=_OF_DOCUMENTS),
    "POST /phr/register": Operation({200: _JSON}, (403, 422), form=("home", "patient", "gone", "whole")),
    "POST /phr/R4/fhir/Bundle": Operation({}, (501,), body=((JSON_TYPE, "Bundle"),)),
    "GET /phr/R4/fhir/metadata": Operation({200: Given("Resource")}, query=_PLAIN),
    "GET /phr/saml-metadata": Operation({200: Given("Bytes", media=("application/samlmetadata+xml",))}),
    "POST /pps/v2/{type}/_search": Operation({200: _FOUND}, (404, 410, 422), form=_SEARCH, headers=("person-id!", *_READS[1:])),
    "POST /pps/v2/already-done": Operation(
        {200: Given("Parameters")}, (422,), form=("code!",), headers=("person-id!", *_PATIENT[1:])
    ),
    "POST /pps/v2/already-done/{number}": Operation(
        {204: Given()}, (404, 409, 422), form=("outcome!", "reason"), headers=("person-id!", *_PATIENT[1:])
    ),
    **{
        f"{method} {base}/metadata": Operation({200: Given("Resource")}, query=query)
        for method, base, query in (
            ("GET", "/fhir/R4", ("mode", *_PLAIN)), ("GET", "/pps/v2", _PLAIN), ("POST", "/pps/v2", _PLAIN),
        )
    },
    **{
        f"GET {base}/.well-known/smart-configuration": Operation({200: _JSON})
        for base in ("/fhir/R4", "/pps/v2", _CRITICAL)
    },
}  # fmt: skip

_SYSTEMS: Final[Mapping[str, Operation]] = {
    "GET /healthz": Operation({200: _JSON}),
    "GET /readyz": Operation({200: _JSON}),
    "POST /shl/{id}": Operation({200: Given("Json", _ANYWHERE, media=(JSON,))}, (401, 404, 429), body=((JSON, "Json"),)),
    "OPTIONS /shl/{id}": Operation({204: Given("", (*_ANYWHERE, *_PREFLIGHT))}),
    "GET /shl/file/{file}": Operation({200: Given("Bytes", _ANYWHERE, media=("application/jose",))}, (404,)),
    "GET /openapi.json": Operation({200: _JSON}),
    "GET /oversight/anomalies": Operation({200: _JSON}, (422,), ("since", "until")),
    "GET /disclosures": Operation({200: _JSON}, (), ("cursor", "since")),
    "GET /participation": Operation(
        {200: _JSON}, (404,), ("service", "part", "phase", "organisation", "state", "name", "_after")
    ),
    "GET /participation/{number}": Operation({200: _JSON}, (404,)),
    "POST /participation": Operation(
        {201: _JSON}, (404, 409, 422),
        form=("organisation!", "service!", "part!", "phase!", "basis!", "areas", "since", "until"),
    ),
    "POST /participation/{number}/widen": Operation(
        {201: _JSON}, (404, 409, 422), form=("basis!", "areas", "phase", "until")
    ),
    "POST /participation/{number}/close": Operation({200: _JSON}, (404, 409, 422), form=("why!", "at")),
    "GET /persons/links": Operation({200: _JSON}, (), ("_before",)),
    "POST /persons/links": Operation({201: _JSON}, (404, 409, 422), form=("one!", "other!", *_REASON)),
    "POST /persons/links/compare": Operation({200: _JSON}, (404, 409, 422), form=("one!", "other!", *_REASON)),
    "POST /persons/links/{number}/shown": Operation({200: _JSON}, (404, 409, 422), form=_REASON),
    "POST /persons/links/{number}/undo": Operation({200: _JSON}, (404, 409, 422), form=_REASON),
    "POST /pps/in": Operation({200: _RECEIPT}, (409, 422), body=((MESSAGE, "Xml"), ("text/xml", "Xml"))),
    "GET /pps/in/rejected": Operation({200: _JSON}, (), ("_count", "_after")),
    "POST /pps/in/rejected": Operation({200: _RECEIPT}, (404, 409, 422), ("message",), form=("message",)),
    "POST /pps/in/rejected/{message}": Operation({200: _RECEIPT}, (404, 409, 422)),
    "POST /pps/in/rejected/{message}/content": Operation(
        {200: _BYTES}, (404, 409, 422), form=_REASON
    ),
    "POST /pps/in/content": Operation(
        {200: _BYTES}, (404, 409, 422),
        form=("message!", *_REASON),
    ),
    "GET /pps/in/withdrawn": Operation({200: _JSON}),
    "GET /pps/in/corrections": Operation({200: _JSON}, (), ("status", "_after")),
    "POST /pps/in/corrections/{number}": Operation({200: _JSON}, (404, 409, 422), form=_REASON),
    "POST /pps/in/corrections/{number}/answer": Operation(
        {204: Given()}, (404, 409, 422), form=("status!", "answer", "step!")
    ),
    "GET /pps/operations/rejected": Operation({200: _JSON}, (), ("_count", "_after", "sender")),
    "POST /pps/operations/rejected/content": Operation(
        {200: _BYTES}, (404, 409, 422),
        form=("sender!", "message!", *_REASON),
    ),
    "POST /pps/operations/withdrawn": Operation({200: _JSON}, (404, 409, 422), form=("sender!", "message!", *_REASON)),
    "GET /pps/already-done-counts": Operation({200: _JSON}),
    "GET /critical-information/warning-counts": Operation({200: _JSON}),
    "GET /critical-information/coverage": Operation({200: _JSON}),
    "POST /critical-information/notified/{journal}": Operation({200: _JSON}, (401, 422), body=((JSON_TYPE, "Bundle"),)),
    "GET /critical-information/fetches": Operation({200: _JSON}),
    "POST /critical-information/fetches/{number}/again": Operation({204: Given()}, (404,)),
    "GET /cds-services": Operation({200: _JSON}),
    "POST /v1/helseindikator/status": Operation(
        {200: Given("Json", ("content-language",), media=(JSON,))}, body=((JSON, "Json"),),
        headers=("x-epj-system!", "accept-language"),
    ),
    **{
        f"POST /api/session/{name}": Operation(
            {200: _JSON} if name == "create" else {204: Given()}, () if name == "end" else (404, 409),
            body=((JSON, "Json"),), headers=("x-source-system!",),
        )
        for name in ("create", "refresh", "end")
    },
    "GET /v1/helseindikator/ikon": Operation({200: _DRAWING}, query=("ticket", "lang"), headers=("accept-language",)),
    "GET /v1/helseindikator/ikon/{status}": Operation({200: _DRAWING}, (404,), query=("lang",)),
    **{
        f"POST /cds-services/{service}{at}": Operation(
            {200: _JSON}, (404, 412, 422), body=((JSON, "Json"),), headers=(*_PATIENT[:2], "accept-language") if not at else ()
        )
        for service in ("critical-information", "already-done")
        for at in ("", "/feedback")
    },
    "GET /subscriptions/socket": Operation({}, (426,)),
    "GET /subscriptions/failing": Operation({200: _JSON}, (), ("_after",)),
    "POST /subscriptions/failing/{id}/begin": Operation({204: Given()}, (404,)),
}  # fmt: skip


def _of_terminology() -> Iterator[tuple[str, Operation]]:
    gives = {200: Given("Resource")}
    for type_, name, takes, _, of_one in TERMINOLOGY:
        query = tuple(one for one in takes if one not in _NOT_IN_AN_ADDRESS)
        for at in (f"/fhir/R4/{type_}/${name}", *((f"/fhir/R4/{type_}/{{id}}/${name}",) if of_one else ())):
            yield f"GET {at}", Operation(gives, (404, 422), (*query, *_PLAIN))
            yield f"POST {at}", Operation(gives, (404, 422), _PLAIN, body=_PARAMETERS)


_NOT_IN_AN_ADDRESS: Final = frozenset(
    ("coding", "codeableConcept", "codingA", "codingB", "codeSystem", "valueSet", "conceptMap")
)
"""What only a Parameters resource can hold."""
KNOWN: Final[Mapping[str, Operation]] = {**_RECORDS, **_EXPORTS, **_ROOMS, **_SYSTEMS, **dict(_of_terminology())}
_ANY: Final = (404, 409, 410, 412, 422, 428)
"""With what a line that is not told of here may refuse beside what every line may."""


def operation_of(route: Route) -> Operation:
    """What a line of the route table takes and gives."""
    known = KNOWN.get(f"{route.method} {route.path}")
    if known is not None:
        return known
    schema = Given("Resource") if route.errors == "fhir" else _JSON
    changes = {201: schema, 202: Given(), 204: Given()} if route.method != "GET" else {}
    return Operation({200: schema, **changes}, _ANY)


def refusals(route: Route) -> tuple[int, ...]:
    """With what any line like this one may refuse: an address or head that cannot be read or is too long, who may not, a body
    that is too long or in no coding that is known, a representation that is not spoken, and what takes too long or is away."""
    who = () if route.needs == PUBLIC else (401, 403)
    body = (413, 415) if route.method in ("POST", "PUT", "PATCH", "DELETE") else ()
    spoken = (406,) if route.errors == "fhir" or speaks_xml(route.path) else ()
    return (400, *who, *spoken, *body, 414, 431, 503, 504)
