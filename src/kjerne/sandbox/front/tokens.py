"""A token as any client gets it, with every step on the way and every claim in it told."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from kjerne.client import POLICY_BY_PURPOSE
from kjerne.errors import Refusal
from kjerne.openid import Held
from kjerne.sandbox.front.wire import Step, Wire
from kjerne.sandbox.personas import Persona

GUARDIAN: Final = "PWATRNY.3"
"""A guardian's purpose, which the portal signs under an access policy of its own."""
PURPOSES: Final = ("TREAT", "ETREAT", "COC", "BTG", *POLICY_BY_PURPOSE, GUARDIAN)
"""What for. A citizen who has none of her own asks for herself, or as a parent."""
SERVICES: Final[Mapping[str, tuple[str, str]]] = {
    "results": ("/pps", ""),
    "critical-information": ("/api/critical-information/v1", "critical-information"),
    "record": ("/fhir/R4", "record"),
}
"""Whose token: the address and the service by which the client for tests chooses scopes."""
_BY_END: Final = (
    ("/personas.json", "personas"), ("/openid-configuration", "discovery"), ("/connect/par", "par"),
    ("/connect/authorize", "authorize"), ("/connect/token", "token"),
)  # fmt: skip
SOURCES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("iss", "iat", "nbf", "exp", "jti", "idp", "sid", "amr"), "provider"),
    **dict.fromkeys(("aud", "scope", "authorization_details"), "request"),
    **dict.fromkeys(
        ("client_id", "helseid://claims/client/client_name", "helseid://claims/client/amr", "act"), "client"
    ),
    **dict.fromkeys(("sub", "name", "auth_time", "helseid://claims/identity/pid"), "login"),
    **dict.fromkeys(("helseid://claims/identity/security_level", "helseid://claims/identity/assurance_level"), "login"),
    **dict.fromkeys(("helseid://claims/hpr/hpr_number",), "register"),
    **dict.fromkeys(
        ("helseid://claims/client/claims/orgnr_parent", "helseid://claims/client/claims/orgnr_child"), "owner"
    ),
    "cnf": "key",
}
"""Where a claim comes from, by which word of the catalogues it is told."""
TOKEN_SHOWN: Final = 40
_MOMENTS: Final = ("iat", "nbf", "exp", "auth_time")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a token is for. `patient` is a person number, empty for none."""

    as_: str
    patient: str = field(default="", repr=False)
    purpose: str = "TREAT"
    reason: str = ""
    self_selected: bool = False
    service: str = "results"
    narrower: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str], patient: str) -> Asked:
        """From a form. `Refusal` 400 where a field is none of those there are."""
        purpose, service = form.get("purpose", "TREAT"), form.get("service", "results")
        for name, value, known in (("purpose", purpose, PURPOSES), ("service", service, tuple(SERVICES))):
            if value not in known:
                raise Refusal(400, f"{name} is one of: {', '.join(known)}", where=name)
        return cls(
            form.get("as", ""), patient, purpose, form.get("reason", "").strip(), "self_selected" in form, service,
            " ".join(form.get("narrower", "").split()),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Built:
    """A token, or why there is none, and the steps on the way."""

    asked: Asked
    steps: tuple[Step, ...]
    held: Held | None = None
    refusal: Refusal | None = None


class Claim(NamedTuple):
    """One thing that a token says: `value` in JSON, `source` a word of the catalogues."""

    name: str
    value: str
    source: str


class Shown(NamedTuple):
    """One step for a page: which it is, what was sent and what came, each as parts with a name and a text."""

    key: str
    step: Step
    sent: tuple[tuple[str, str], ...]
    came: tuple[tuple[str, str], ...]


def build(wire: Wire, asked: Asked, personas: Sequence[Persona]) -> Built:
    """Gets the token. For a thread. `Refusal` 404 where nobody has the persona's name; what the provider refuses is told."""
    persona = next((one for one in personas if one.name == asked.as_), None)
    if persona is None:
        raise Refusal(404, "no persona has this name", where="as")
    if persona.kind == "citizen" and asked.purpose not in POLICY_BY_PURPOSE and asked.purpose != GUARDIAN:
        asked = replace(asked, purpose="PATRQT" if asked.patient in ("", persona.nin) else "FAMRQT")
    path, service = SERVICES[asked.service]
    purpose, _, policy = asked.purpose.partition(".")
    # A citizen asks for somebody through the portal, and for her own log by her own login.
    portal = persona.kind == "citizen" and bool(asked.patient)
    said: dict[str, Any] = {
        "patient": asked.patient if persona.kind != "system" else "", "purpose": purpose, "reason": asked.reason,
        "self_selected": asked.self_selected, "path": path, "service": service, "portal": portal, "policy": policy,
    }  # fmt: skip
    with wire.recorded() as (http, steps):
        client = wire.client(http)
        try:
            held = client.token(asked.as_, **said, narrower=asked.narrower)
        except Refusal as refusal:
            return Built(asked, tuple(steps), refusal=refusal)
        return Built(asked, tuple(steps), held)


def claims(token: str) -> tuple[Mapping[str, Any], Sequence[Claim]]:
    """The header of a token, and what it says, claim by claim."""
    header, body = (_json(part) for part in token.split(".")[:2])
    return header, [Claim(name, _valued(name, value), SOURCES.get(name, "provider")) for name, value in body.items()]


def _valued(name: str, value: Any) -> str:
    """A value in JSON; a moment also as a clock tells it."""
    if name in _MOMENTS:
        return f"{value} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"
    return _pretty(value)


def details(token: str) -> Sequence[tuple[str, str]]:
    """The attestation or errand in a token, part by part: where it stands in it, and what stands there."""
    said = _json(token.split(".")[1]).get("authorization_details", ())
    return [part for entry in said for part in _parts(entry)]


def _parts(entry: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in entry.items():
        path = f"{before}{name}"
        if path in ("practitioner", "care_relationship", "care_relationship.decision_ref"):
            yield from _parts(value, f"{path}.")
        else:
            yield path, _pretty(value[0] if name == "patients" else value)


def shown(step: Step) -> Shown:
    """A step with its tokens read."""
    key = next((key for end, key in _BY_END if urlsplit(step.url).path.endswith(end)), "call")
    came = _object(step.answer)
    if came.get("error") == "use_dpop_nonce":
        key = "nonce"
    if key == "personas":
        came = {"…": f"{step.length_bytes} bytes"}
    sent = list(_sent(step))
    told = [(name, _told(value)) for name, value in came.items()]
    told += [(name, step.header(name)) for name in ("dpop-nonce", "location") if step.header(name)]
    return Shown(key, step, tuple(sent), tuple(told))


def _sent(step: Step) -> Iterator[tuple[str, str]]:
    proof = next((value for name, value in step.sent if name.lower() == "dpop"), "")
    if proof:
        yield "DPoP", _read(proof)
    for name, value in parse_qsl(step.body.decode("utf-8", "replace"), keep_blank_values=True):
        yield name, _told(value)


def headers(step: Step) -> Sequence[tuple[str, str]]:
    """The headers of a request for a page: its proof read, and of its token only how it begins."""
    return [(name, _header(name.lower(), value)) for name, value in step.sent]


def _header(name: str, value: str) -> str:
    if name == "dpop":
        return _read(value)
    return f"{value[:TOKEN_SHOWN]}… ({len(value)})" if name == "authorization" else value


def _told(value: Any) -> str:
    """A value of a form or an answer: a JWT read, JSON set in lines."""
    if not isinstance(value, str):
        return _pretty(value)
    if value.startswith("ey"):
        return _read(value)
    if value[:1] in ("[", "{"):
        try:
            return _pretty(json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value


def _read(token: str) -> str:
    """A JWT's header and claims; what is none stands as it is."""
    if token.count(".") != 2:
        return token
    header, body = (_json(part) for part in token.split(".")[:2])
    return f"{_pretty(header)}\n.\n{_pretty(body)}" if header or body else token


def _json(part: str) -> Mapping[str, Any]:
    try:
        read = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError, binascii.Error):
        return {}
    return read if isinstance(read, dict) else {}


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _pretty(value: Any) -> str:
    if isinstance(value, str):
        return value
    short = json.dumps(value, ensure_ascii=False)
    return short if len(short) < 60 else json.dumps(value, ensure_ascii=False, indent=2)
