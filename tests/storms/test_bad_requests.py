"""Bad requests by the thousand: none ends in a fault of ours, and every refusal speaks as its API does.

Each begins as a request that would be answered and is then spoiled in one place or several. `KJERNE_STORM` sets how many
(a release runs 10,000), `KJERNE_STORM_SEED` replays a failure.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, unquote
from uuid import uuid4

from lxml import etree

import seeds
from kjerne.errors import Refusal
from kjerne.openid import Held
from kjerne.sandbox import life
from kjerne.sandbox.substances import AMOXICILLIN
from kjerne.services.critical.api import BASE as CRITICAL
from platform_fixture import SEED, Standing
from services.critical import records as critical
from services.results.test_reuse_hooks import ordered
from services.warnings.test_api import body, brand, bundle, order, substance
from services.warnings.worlds import coded

from . import damage

AT_ONCE: Final = 25
WHOM: Final = "parent"
FAULTS_LIMIT: Final = 20
FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
JSON: Final = (b"content-type", b"application/json")
METHODS: Final = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", "post")
MEDIA_TYPES: Final = (
    b"", b"application/json", b"application/xml", b"text/plain", b"multipart/form-data; boundary=x",
    b"application/fhir+xml",
    b"application/x-www-form-urlencoded; charset=utf-16", b"*/*", b"\xff", b"application/fhir+json; fhirVersion=9.9",
)  # fmt: skip
ODD_HEADERS: Final = (
    b"person-id", b"access-basis", b"requester-hpr-role", b"grunnlag", b"prefer", b"if-match", b"if-none-match",
    b"cid", b"accept",
    b"traceparent", b"host", b"content-length", b"x-forwarded-for", b"content-encoding", b"cookie", b"expect", b"range",
)  # fmt: skip
ODD_SEGMENTS: Final = (
    "%00", "..", "%2e%2e%2f", "%ff", "%ed%a0%80", "%0d%0a", "Patient", "_history", "_search", "$everything", "1", "0",
    "-1", "a" * 9_000,
    "%F0%9F%92%A9", "00000000-0000-0000-0000-000000000000", "9" * 30, "", ";", "%7f",
)  # fmt: skip
SYSTEMS: Final = ("lab", "operator")
REGISTRAR: Final = "registrar"
"""The doctor once more, with a token for critical information."""


@dataclass(frozen=True)
class Request:
    """A request as it stands on the wire, before the credentials that `who` puts on it."""

    method: str
    path: str
    who: str = ""
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    spoils: tuple[damage.Spoil, ...] = ()
    forged: Callable[[list[tuple[bytes, bytes]], random.Random], list[tuple[bytes, bytes]]] | None = None


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    media_type: str
    correlation: str
    body: bytes


def good(platform: Standing) -> list[Request]:
    """Requests that are answered, with the ways in which their bodies go wrong."""
    patient = platform.nin(WHOM)
    about: tuple[tuple[bytes, bytes], ...] = ((b"person-id", patient.encode()),)
    form, xml = (*about, FORM), ((b"content-type", b"application/xml"),)
    fhir = (b"content-type", b"application/fhir+json")
    found = platform.search("Observation", [("_count", "3")], about=WHOM)
    id_, body = found.ids()[0], json.dumps(found.resources()[0], default=float).encode()
    at, if_match = f"/fhir/R4/Observation/{id_}", (b"if-match", b'W/"99"')
    forms: tuple[damage.Spoil, ...] = (damage.form_field,) * 8 + damage.BYTES
    trees: tuple[damage.Spoil, ...] = (damage.json_node,) * 12 + (damage.json_text,) * 3 + damage.BYTES
    pieces: tuple[damage.Spoil, ...] = (damage.xml_piece,) * 16 + (damage.xml_text,) * 3 + damage.BYTES
    types = ("Observation", "DiagnosticReport", "ServiceRequest", "Specimen", "PractitionerRole")
    messages = [
        raw for raw in life.messages(platform.population, SEED, platform.clock.now().date()) if patient.encode() in raw
    ]
    return [
        *(Request("POST", f"/pps/v2/{name}/_search", "gp", b"", form, b"_count=3&_sort=-_id", forms) for name in types),
        *(Request("POST", "/pps/in", "lab", b"", xml, raw, pieces) for raw in messages[:4] * 3),
        Request("POST", "/pps/v2/already-done", "gp", b"", form, b"code=NPU27300", forms),
        Request("POST", f"/pps/v2/already-done/{id_}", "gp", b"", form, b"outcome=followed", forms),
        *(Request("POST", path, "gp", b"", (*about, JSON), asked, trees) for path, asked in asked_by_hooks()),
        Request("POST", "/fhir/R4/Observation/_search", "gp", b"", form, b"code=NPU27300", forms),
        Request("GET", "/fhir/R4/Observation", "gp", b"date=ge2020&_count=2", about),
        *(
            Request("POST", "/fhir/R4/Observation/_search", "gp", b"", form, asked + b"&_count=2", forms)
            for asked in (
                b"specimen.type%3Atext=blod&_has%3ADiagnosticReport%3Aresult%3Astatus=final",
                b"_filter=code+eq+NPU27300+or+not(value-quantity+gt+5)&_sort=code%2C-status",
                b"_content=a+or+(b+and+c)&_include=*&_revinclude%3Aiterate=*",
            )
        ),
        Request("POST", "/fhir/R4/Observation/$lastn", "gp", b"", form, b"category%3Amissing=false&max=2", forms),
        Request("GET", at, "gp", b"", about),
        Request("GET", f"{at}/_history", "gp", b"", about),
        Request("GET", f"{at}/_history/1", "gp", b"", about),
        *(Request("POST", "/fhir/R4/Observation", "lab", b"", (*about, fhir), body, trees) for _ in range(4)),
        *(Request("PUT", at, "lab", b"", (fhir, if_match), body, trees) for _ in range(2)),
        Request("GET", "/pps/in/rejected", "lab"),
        Request("POST", "/pps/in/rejected/unread.12345678", "lab"),
        Request("POST", "/pps/in/content", "lab", b"", (FORM,), b"message=M-1&reason=en+god+grunn", forms),
        Request("GET", "/pps/operations/rejected", "operator", b"sender=100000999"),
        *(
            Request("POST", path, "operator", b"", (FORM,), b"sender=1&message=M-1&reason=en+god+grunn", forms)
            for path in ("/pps/operations/rejected/content", "/pps/operations/withdrawn")
        ),
        *of_critical_information(platform, trees),
        Request("GET", "/pps/v2/metadata"),
        Request("POST", "/sts/connect/par", "", b"", (FORM,), b"client_id=sandbox-epj&scope=openid", forms),
        Request("POST", "/sts/connect/token", "", b"", (FORM,), b"grant_type=authorization_code&code=x", forms),
        Request("GET", "/login/return", "", b"code=x&state=y&iss=z"),
        Request("POST", "/clinician", "", b"", (FORM,), b"patient=x&purpose=TREAT", forms),
    ]


def of_critical_information(platform: Standing, trees: tuple[damage.Spoil, ...]) -> Iterator[Request]:
    """Asked and registered at its national address, about the same patient."""
    role = quote('{"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"LE"}')
    sent = {"patient-nin": platform.nin(WHOM), "user-role": role, "source-system": "EPJ", "event-id": "storm"}
    asking = tuple((f"nhn-{name}".encode(), value.encode()) for name, value in sent.items())
    fhir = (*asking, (b"content-type", b"application/fhir+json"))
    for tree in critical.every(platform, WHOM):
        at, raw = f"{CRITICAL}/{tree['resourceType']}", json.dumps(tree).encode()
        made = f"{at}/{critical.registered(platform, tree, about=WHOM)['id']}"
        yield Request("GET", at, REGISTRAR, b"", asking)
        yield Request("GET", made, REGISTRAR, b"", asking)
        yield Request("POST", at, REGISTRAR, b"", fhir, raw, trees)
        yield Request("PUT", made, REGISTRAR, b"", (*fhir, (b"if-match", b'W/"1"')), raw, trees)
        yield Request("DELETE", made, REGISTRAR, b"", (*asking, (b"if-match", b'W/"1"')))
    yield Request("GET", f"{CRITICAL}/status", REGISTRAR, b"", asking)


def asked_by_hooks() -> Iterator[tuple[str, bytes]]:
    """Calls of CDS Hooks, with medicines in every shape that is read."""
    held = {
        "resourceType": "Medication", "id": "m", "code": coded(brand(1), text="x"),
        "ingredient": [{"itemCodeableConcept": coded(substance(AMOXICILLIN)), "isActive": False}],
    }  # fmt: skip
    medicine = order(id_="a", contained=[held], medicationReference={"reference": "#m"})
    critical = (
        body("order-select", medicine, order(brand(5), id_="b")),
        body("patient-view", prefetch={"medications": bundle(medicine | {"status": "active"}, held)}),
    )
    yield from (("/cds-services/critical-information", json.dumps(one).encode()) for one in critical)
    yield "/cds-services/already-done", json.dumps(body("order-sign", ordered("NPU27300"))).encode()
    told = {"card": str(uuid4()), "outcome": "overridden", "overrideReason": {"reason": {"code": "other"}}}
    for path in ("critical-information", "already-done"):
        yield (
            f"/cds-services/{path}/feedback",
            json.dumps({"feedback": [told | {"outcomeTimestamp": "2026-11-27T12:00:00Z"}]}).encode(),
        )


def spoil_body(request: Request, chance: random.Random) -> Request:
    if not request.spoils:
        return replace(request, query=damage.form_field(request.query, chance))
    return replace(request, body=chance.choice(request.spoils)(request.body, chance))


def spoil_method(request: Request, chance: random.Random) -> Request:
    return replace(request, method=chance.choice(METHODS))


def spoil_path(request: Request, chance: random.Random) -> Request:
    parts = request.path.split("/")
    place = chance.randrange(1, len(parts) + 1)
    return replace(
        request, path="/".join((*parts[:place], chance.choice(ODD_SEGMENTS), *parts[place + chance.randrange(2) :]))
    )


def spoil_query(request: Request, chance: random.Random) -> Request:
    return replace(request, query=chance.choice((damage.form_field, *damage.BYTES))(request.query, chance)[:20_000])


def spoil_header(request: Request, chance: random.Random) -> Request:
    headers = list(request.headers)
    kind = chance.randrange(5)
    if headers and kind == 0:
        headers.append(chance.choice(headers))
    elif headers and kind == 1:
        headers.remove(chance.choice(headers))
    elif headers and kind == 2:
        place = chance.randrange(len(headers))
        headers[place] = (headers[place][0], chance.choice(damage.BYTES)(headers[place][1], chance))
    elif kind == 3:
        headers = [
            *(one for one in headers if one[0] != b"content-type"),
            (b"content-type", chance.choice(MEDIA_TYPES)),
        ]
    else:
        odd = chance.choice(damage.ODD_TEXTS).encode("utf-8", "replace")
        headers.append((chance.choice(ODD_HEADERS), odd))
    return replace(request, headers=tuple(headers))


def pack(request: Request, chance: random.Random) -> Request:
    headers = (
        *request.headers,
        (b"content-encoding", chance.choice((b"gzip", b"gzip", b"gzip", b"br", b"gzip, gzip"))),
    )
    return replace(request, body=damage.packed(request.body, chance), headers=headers)


def forge(request: Request, chance: random.Random) -> Request:
    """Credentials that are broken, swapped, doubled or left out."""

    def forged(given: list[tuple[bytes, bytes]], chance: random.Random) -> list[tuple[bytes, bytes]]:
        place = chance.randrange(len(given))
        name, value = given[place]
        kind = chance.randrange(4)
        if kind == 0:
            return [*given[:place], *given[place + 1 :]]
        if kind == 1:
            return [*given, given[place]]
        broken = value.replace(b"DPoP", b"Bearer") if kind == 2 else chance.choice(damage.BYTES)(value, chance)
        return [*given[:place], (name, broken), *given[place + 1 :]]

    return replace(request, forged=forged)


WAYS: Final = (spoil_body,) * 8 + (spoil_method, spoil_path, spoil_query, spoil_header, spoil_header, pack, forge)


@dataclass
class Storm:
    """Sends spoiled requests and judges the answers."""

    platform: Standing
    chance: random.Random
    described: Mapping[str, Any]
    requests: list[Request] = field(default_factory=list)
    tokens: dict[str, Held] = field(default_factory=dict)
    seen: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def next(self) -> Request:
        request = self.chance.choice(self.requests)
        if request.path == "/pps/in":
            # A message id of its own, or most would be refused before their contents are looked at.
            own = b"<MsgId>storm-%x</MsgId>" % self.chance.getrandbits(64)
            request = replace(request, body=re.sub(rb"<MsgId>[^<]*</MsgId>", own, request.body))
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            request = self.chance.choice(WAYS)(request, self.chance)
        return request

    def signed(self, request: Request) -> list[tuple[bytes, bytes]]:
        """All headers of a request, with a proof of its own where somebody sends it."""
        headers = [(b"host", self.platform.url.removeprefix("http://").encode()), *request.headers]
        if request.who:
            now = self.platform.clock.now().timestamp()
            given = self.tokens[request.who].headers(request.method, self.platform.url + request.path, now)
            pairs = [(name.encode(), value.encode()) for name, value in given.items()]
            headers += request.forged(pairs, self.chance) if request.forged else pairs
        return headers

    async def answer(self, request: Request) -> Answer:
        """The application asked as uvicorn asks it, without a client that would mend what is broken."""
        sent: list[Any] = []
        scope = {
            "type": "http", "method": request.method, "path": unquote(request.path), "raw_path": request.path.encode(),
            "query_string": request.query, "headers": self.signed(request), "scheme": "http", "http_version": "1.1",
            "root_path": "", "asgi": {"version": "3.0"}, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 1),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.platform.application(scope, receive, send)
        headers = dict(sent[0]["headers"])
        body = b"".join(part.get("body", b"") for part in sent[1:])
        media_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0]
        return Answer(sent[0]["status"], media_type, headers.get(b"x-correlation-id", b"").decode(), body)

    async def one(self) -> None:
        request = self.next()
        try:
            answer = await self.answer(request)
        except Exception as error:  # noqa: BLE001 - whatever a server would have to turn into a 500
            self.faults.append(f"{error!r} for {shown(request)}")
            return
        self.seen[answer.status] += 1
        if wrong := self.judged(request, answer):
            self.faults.append(
                f"{wrong}: {answer.status} {answer.body[:300]!r} for {shown(request)}\n{self.logged(answer)}"
            )

    def judged(self, request: Request, answer: Answer) -> str:
        """What is wrong with an answer, in words; empty where nothing is."""
        if answer.status >= 500 or not self.documented(request, answer):
            return "a fault of ours, or a status that the OpenAPI document does not have"
        if answer.status < 400 or request.method == "HEAD":
            return ""
        if holds_number(answer.body):
            return "a person number in an error"
        path = unquote(request.path)
        if path.startswith(("/fhir/R4/", "/pps/v2/", f"{CRITICAL}/")):
            return "" if is_outcome(answer) else "no OperationOutcome"
        if path.startswith("/pps/") and not (is_receipt(answer) or is_json(answer)):
            return "neither receipt nor JSON"
        return ""

    def documented(self, request: Request, answer: Answer) -> bool:
        """Whether the document has the status, where the request is to one of its addresses."""
        try:
            route, _ = self.platform.application._edge._router.find(request.method, unquote(request.path))
        except Refusal:
            return answer.status < 500
        return str(answer.status) in self.described["paths"][route.path][route.method.lower()]["responses"]

    def logged(self, answer: Answer) -> str:
        """The log's lines about an answer."""
        return "\n".join(line for line in self.platform.written.getvalue().splitlines() if answer.correlation in line)

    async def rage(self, number: int) -> None:
        left = iter(range(number))

        async def work() -> None:
            for _ in left:
                await self.one()

        async with asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())


def is_outcome(answer: Answer) -> bool:
    tree = json.loads(answer.body)
    return (
        answer.media_type == "application/fhir+json"
        and tree["resourceType"] == "OperationOutcome"
        and all(issue["severity"] == "error" and issue["code"] and issue["diagnostics"] for issue in tree["issue"])
    )


def is_json(answer: Answer) -> bool:
    return answer.media_type == "application/json" and bool(json.loads(answer.body).get("error"))


def is_receipt(answer: Answer) -> bool:
    return answer.media_type == "application/xml" and etree.fromstring(answer.body).tag.endswith("}AppRec")


def holds_number(raw: bytes) -> bool:
    """Whether eleven digits stand alone somewhere: the only thing here that has eleven is a person."""
    return re.search(rb"(?<![0-9a-zA-Z.])[0-9]{11}(?![0-9a-zA-Z.])", raw) is not None


def shown(request: Request) -> str:
    return repr(
        replace(request, spoils=(), body=request.body[:600], query=request.query[:500], path=request.path[:200])
    )


def tokens(platform: Standing) -> dict[str, Held]:
    """By who sends a request the token that it is sent with."""
    about = platform.nin(WHOM)
    own = {"gp": platform.client.token("gp", patient=about)}
    own |= {REGISTRAR: platform.client.token("gp", patient=about, path=CRITICAL + "/")}
    return own | {name: platform.client.token(name) for name in SYSTEMS}


def storm(platform: Standing) -> Storm:
    described = platform.http.get(f"{platform.url}/openapi.json").json()
    return Storm(platform, random.Random(seeds.seed("KJERNE_STORM_SEED")), described, good(platform), tokens(platform))


def test_no_bad_request_is_answered_by_a_fault_of_ours(platform: Standing, caplog: Any) -> None:
    raging = storm(platform)
    begin = platform.written.tell()
    number = int(os.environ.get("KJERNE_STORM", "600"))
    while sum(raging.seen.values()) < number and len(raging.faults) < FAULTS_LIMIT:
        raging.tokens = tokens(platform)
        platform.run(raging.rage(min(250, number)), seconds=300)
    print(sorted(raging.seen.items()))
    assert not raging.faults, "\n\n".join(raging.faults[:FAULTS_LIMIT])
    log = platform.written.getvalue()[begin:]
    assert log.count('"answered"') > number // 2
    assert not holds_number(log.encode()) and not holds_number(caplog.text.encode())
