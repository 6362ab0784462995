"""One real call: as whom, about whom, what is sent; and the answer, with why and what is wrong in it."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import httpx
import msgspec

from kjerne.client import CRITICAL, audience_of
from kjerne.errors import Refusal
from kjerne.openid import Held
from kjerne.sandbox.front.operations import Operation
from kjerne.sandbox.front.tokens import Asked, Built
from kjerne.sandbox.front.wire import ANSWER_LIMIT_BYTES, Step, Wire
from kjerne.sandbox.front.writing import OPEN, SPOILED, Pushed, elsewhere
from kjerne.sandbox.personas import Persona
from kjerne.wire.http import FORM
from kjerne.wire.jws import SigningKey

ADDRESS_CHARACTERS: Final = 60_000
"""More than any server reads, and less than the client refuses."""
_SERVICE_BY_AUDIENCE: Final = {"nhn:critical-information": "critical-information", "kjerne": "record"}
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)")
_OWN: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "x-correlation-id"})
_LINE: Final = "http://kjerne.example/fhir/StructureDefinition/line"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent. `patient` is a person number; a header in `removed` is not sent though it would be."""

    operation: Operation
    path: str
    form: Mapping[str, str] = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    removed: frozenset[str] = frozenset()
    body: bytes = field(default=b"", repr=False)
    media: str = ""
    spoiled: str = ""

    @property
    def service(self) -> str:
        """Whose token it needs, as `tokens.SERVICES` calls it."""
        return _SERVICE_BY_AUDIENCE.get(audience_of(self.path), "results")


class Issue(NamedTuple):
    """One thing that an answer says is wrong: `code` is FHIR's kind of it, `rule` the key of what is broken."""

    severity: str
    code: str
    where: str
    line: str
    rule: str
    says: str


class Reason(NamedTuple):
    """What the log says of a call: so many rows by one rule, and how many records left under it."""

    given: bool
    action: str
    service: str
    rule: str
    law: str
    says: str
    rows: int
    records: int


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made; `steps` end with it."""

    plan: Plan
    asked: Asked | None
    """What its token was for; None of an open address."""
    at: datetime
    correlation: str
    steps: tuple[Step, ...] = field(repr=False)
    reasons: tuple[Reason, ...] = ()
    login: Pushed = OPEN

    @property
    def step(self) -> Step:
        """The call itself."""
        return self.steps[-1]


def plan(operation: Operation, form: Mapping[str, str]) -> Plan:
    """What a form asks to be sent. `Refusal` 400 with the field that is wrong."""
    path = operation.address({name[2:]: value for name, value in form.items() if name.startswith("p_")})
    if query := form.get("query", "").strip().lstrip("?"):
        path += "?" + quote(query, safe="=&%:/,|$!*'()+;@-._~[]")
    if len(path) > ADDRESS_CHARACTERS:
        fields = [name for name in form if name == "query" or name.startswith("p_")]
        where = max(fields, key=lambda name: len(form[name]))
        raise Refusal(400, f"the address is longer than {ADDRESS_CHARACTERS} characters", where=where)
    headers, removed = _headers(form.get("headers", ""))
    media, body = form.get("media", ""), form.get("body", "").replace("\r\n", "\n")
    if operation.has_body and media not in operation.media:
        raise Refusal(400, f"media is one of: {', '.join(operation.media)}", where="media")
    spoiled = form.get("spoiled", "")
    if spoiled and spoiled not in SPOILED:
        raise Refusal(400, f"spoiled is one of: {', '.join(SPOILED)}", where="spoiled")
    raw = _fields(body) if media == FORM else body.encode()
    return Plan(operation, path, dict(form), headers, removed, raw if operation.has_body else b"", media, spoiled)


def _headers(text: str) -> tuple[tuple[tuple[str, str], ...], frozenset[str]]:
    """Headers, one a line; one without a value is one that is not to be sent."""
    found: list[tuple[str, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        matched = _HEADER.fullmatch(line)
        if matched is None or not line.isascii():
            raise Refusal(400, "a header is written as name: value, one a line", where="headers")
        if matched[1].lower() in _OWN:
            raise Refusal(400, f"the header {matched[1].lower()} is the console's own", where="headers")
        found.append((matched[1].lower(), matched[2]))
    return tuple(one for one in found if one[1]), frozenset(name for name, value in found if not value)


def _fields(text: str) -> bytes:
    """A form, one field a line (or as one line of a query)."""
    pairs = [pair for line in text.splitlines() for pair in parse_qsl(line.strip(), keep_blank_values=True)]
    return urlencode(pairs).encode()


def call(wire: Wire, wanted: Plan, persona: Persona | None, built: Built | None) -> tuple[tuple[Step, ...], str]:
    """Sends it, for a thread: what went over, and the correlation id it went under."""
    correlation = _word()
    sent = {"x-correlation-id": correlation, "accept": "application/fhir+json, application/json;q=0.9, */*;q=0.5"}
    patient = built.asked.patient if built else ""
    if persona is not None and patient and not wanted.operation.public:
        sent |= _interface(wanted.path, persona, patient)
    if wanted.body:
        sent["content-type"] = wanted.media
    with wire.recorded() as (http, steps):
        url, nonce = str(httpx.URL(wire.url + wanted.path)), ""
        for _ in range(2):
            proven = _proven(wire, wanted, built.held, url, nonce) if built and built.held else dict[str, str]()
            headers = {**sent, **proven, **dict(wanted.headers)}
            headers = {name: value for name, value in headers.items() if name not in wanted.removed}
            answer = http.request(wanted.operation.method, url, content=wanted.body or None, headers=headers)
            nonce = answer.headers.get("dpop-nonce", "")
            if "use_dpop_nonce" not in answer.headers.get("www-authenticate", ""):
                break
        return tuple(steps), correlation


def _interface(path: str, persona: Persona, patient: str) -> Mapping[str, str]:
    """The headers with which each interface is told of whom one asks."""
    if not path.startswith(CRITICAL):
        said = {"person-id": patient, "requester-hpr-role": persona.authorization}
    else:
        role = {"system": "urn:oid:2.16.578.1.12.4.1.1.9060", "code": persona.authorization}
        said = {
            "nhn-patient-nin": patient,
            "nhn-user-role": quote(json.dumps(role)) if persona.authorization else "",
            "nhn-source-system": "kjerne-sandbox",
            "nhn-event-id": _word(),
        }
    return {name: value for name, value in said.items() if value}


def _word() -> str:
    """Letters alone: an id with eleven digits in a row is taken for a misplaced person number, and another made for it."""
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(24))


def _proven(wire: Wire, wanted: Plan, held: Held, url: str, nonce: str) -> dict[str, str]:
    """Token and proof, or what is wrong with them on purpose."""
    at = wire.clock.now().timestamp()
    if wanted.spoiled == "other-key":
        held = Held(held.token, SigningKey.generate(), held.expires_at)
    if wanted.spoiled == "other-address":
        url = elsewhere(wire.url)
    proven = held.headers(wanted.operation.method, url, at, nonce)
    left_out = {"no-proof": "dpop", "no-token": "authorization"}.get(wanted.spoiled, "")
    return {name: value for name, value in proven.items() if name != left_out}


def issues(answer: bytes) -> Sequence[Issue]:
    """What an answer says is wrong: an OperationOutcome, one in a Bundle, or an error of the other interfaces."""
    try:
        tree = json.loads(answer)
    except (ValueError, RecursionError):
        return ()
    return list(_issues(tree)) if isinstance(tree, dict) else ()


def _issues(tree: Mapping[str, Any]) -> Iterator[Issue]:
    if tree.get("resourceType") == "OperationOutcome":
        yield from map(_issue, tree.get("issue", ()))
    for entry in tree.get("entry", ()) if tree.get("resourceType") == "Bundle" else ():
        for inner in (entry.get("resource", {}), entry.get("response", {}).get("outcome", {})):
            if inner.get("resourceType") == "OperationOutcome":
                yield from map(_issue, inner.get("issue", ()))
    if isinstance(tree.get("error"), str):
        says = " ".join(filter(None, (tree["error"], tree.get("todo", ""))))
        yield Issue("error", "", tree.get("where", ""), "", "", says)
        for one in tree.get("faults", ()):
            yield Issue("error", "", one.get("where", ""), "", "", one["error"])


def _issue(told: Mapping[str, Any]) -> Issue:
    lines = [str(one["valueInteger"]) for one in told.get("extension", ()) if one.get("url") == _LINE]
    details = told.get("details", {})
    rule = next((coding.get("code", "") for coding in details.get("coding", ())), "")
    says = " ".join(filter(None, (details.get("text", ""), told.get("diagnostics", ""))))
    return Issue(
        told.get("severity", ""), told.get("code", ""), ", ".join(told.get("expression", ())), "".join(lines[:1]), rule, says
    )  # fmt: skip


def readable(body: bytes) -> str:
    """A body for a page: JSON in lines, digits as they came."""
    cut = body[:ANSWER_LIMIT_BYTES]
    with contextlib.suppress(msgspec.DecodeError):
        cut = msgspec.json.format(cut, indent=2) if cut[:1] in (b"{", b"[") else cut
    return cut.decode("utf-8", "replace")
