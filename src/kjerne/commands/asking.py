"""The integrator's commands: they speak to the platform at `KJERNE_URL` over the wire, as any client would."""

from __future__ import annotations

import codecs
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from json import JSONDecodeError
from typing import Any, Final

import httpx
import msgspec

from kjerne.client import Client
from kjerne.errors import Refusal
from kjerne.registries import identifiers

HOME: Final = "http://127.0.0.1:8000"
INTAKE: Final = "/pps/in"
# What may stand before the first sign of a body: blanks, byte order marks, and the zero of a UTF-16 sign.
_BEFORE: Final = b" \t\r\n\0" + codecs.BOM_UTF8 + codecs.BOM_UTF16


@dataclass(frozen=True, slots=True)
class Attested:
    """What the caller's organisation vouches for: about whom (a number, or a persona), for what, why, which decision.

    `portal` says that the citizen portal asks, for the citizen who is logged in there, by `policy` (ACP) where she names one.
    """

    patient: str = field(default="", repr=False)
    purpose: str = "TREAT"
    reason: str = ""
    self_selected: bool = False
    decision: str = ""
    portal: bool = False
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the command line gives it."""

    method: str
    path: str
    basis: str = ""
    form: Sequence[tuple[str, str]] = ()
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    saml: bool = False
    service: str = ""


class _Link(msgspec.Struct, frozen=True):
    relation: str
    url: str


class _Paged(msgspec.Struct, frozen=True):
    link: list[_Link] = []


@dataclass(frozen=True, slots=True)
class Called:
    """An answer as it came."""

    status: int
    media_type: str
    body: bytes = field(repr=False)

    def told(self) -> dict[str, Any]:
        body: object = msgspec.Raw(self.body) if self._is_json() else self.body.decode("utf-8", "replace")
        return {"status": self.status, "media_type": self.media_type, "body": body}

    def readable(self) -> str:
        """JSON indented, its numbers digit for digit as they came; anything else as it is."""
        shown = msgspec.json.format(self.body, indent=2) if self._is_json() else self.body
        text = shown.decode("utf-8", "replace")
        if self.status < 300 and text:
            return text
        return f"{self.status} {httpx.codes.get_reason_phrase(self.status)}\n{text}".rstrip("\n")

    def links(self) -> list[_Link]:
        """The links of a Bundle, or of another list that has pages."""
        try:
            return msgspec.json.decode(self.body, type=_Paged).link if self._is_json() else []
        except msgspec.DecodeError:
            return []

    def next_page(self) -> str:
        """Path and query of the page after this one; empty where it is the last."""
        url = next((link.url for link in self.links() if link.relation == "next"), "")
        return httpx.URL(url).raw_path.decode() if url else ""

    def _is_json(self) -> bool:
        """Whether the body is JSON, not only said to be."""
        try:
            return "json" in self.media_type and bool(msgspec.json.decode(self.body, type=msgspec.Raw))
        except msgspec.DecodeError:
            return False


def ask(asked: Asked, caller: str, attested: Attested, *, follow: bool = False) -> Called:
    """One request as the persona `caller`; with `follow` all its pages as one answer, or the first that was refused."""
    asked = replace(asked, path=_path(asked.path))
    with connected() as client:
        said = asdict(attested) | {"patient": number_of(client, attested.patient)}
        pages = [_answered(client, asked, caller, said)]
        while follow and (link := pages[-1].next_page()):
            method = "POST" if link.partition("?")[0].endswith("/_search") else "GET"
            asked = Asked(method, link, asked.basis, headers=asked.headers, saml=asked.saml, service=asked.service)
            pages.append(_answered(client, asked, caller, said))
    return pages[-1] if pages[-1].status >= 400 else _whole(pages)


def _answered(client: Client, asked: Asked, caller: str, said: Mapping[str, Any]) -> Called:
    answer = client.call(
        asked.method,
        asked.path,
        as_=caller,
        basis=asked.basis,
        form=asked.form,
        body=asked.body,
        headers={**_content_type(asked), **asked.headers},
        saml=asked.saml,
        service=asked.service,
        **said,
    )
    return Called(answer.status_code, answer.headers.get("content-type", ""), answer.content)


def _whole(pages: Sequence[Called]) -> Called:
    """The pages of one list as the first would be if it held all: their lists joined, without a link to go on.

    What stands alike on several pages (a resource that many point at) stands there once.
    """
    if len(pages) == 1:
        return pages[0]
    joined = msgspec.json.decode(pages[0].body, type=dict[str, msgspec.Raw])
    lists: dict[str, dict[bytes, msgspec.Raw]] = {}
    for page in pages:
        for name, raw in msgspec.json.decode(page.body, type=dict[str, msgspec.Raw]).items():
            if name != "link" and bytes(raw).startswith(b"["):
                known = lists.setdefault(name, {})
                known.update((bytes(one), one) for one in msgspec.json.decode(raw, type=list[msgspec.Raw]))
    links = [link for link in pages[0].links() if link.relation != "next"]
    held: dict[str, object] = {name: list(known.values()) for name, known in lists.items()}
    body = msgspec.json.encode(joined | held | {"link": links or msgspec.UNSET})
    return replace(pages[0], body=body)


def personas() -> list[dict[str, str]]:
    """Who can be called as."""
    shown = ("name", "kind", "role", "nin", "hpr", "organisation", "title")
    with connected() as client:
        return [{key: str(getattr(persona, key)) for key in shown} for persona in client.personas()]


def openapi() -> dict[str, Any]:
    """What the platform says of its own addresses."""
    with connected() as client:
        return client.openapi()


def token(caller: str, attested: Attested) -> dict[str, Any]:
    """An access token as `caller`, with the private key that it is bound to."""
    with connected() as client:
        held = client.token(caller, **asdict(attested) | {"patient": number_of(client, attested.patient)})
    return {**held.answer, "dpop_key": held.key.private_jwk()}


@contextlib.contextmanager
def connected() -> Iterator[Client]:
    """A client of the platform; what goes wrong between the two becomes a refusal that names `KJERNE_URL`."""
    url = home_address()
    try:
        with httpx.Client(trust_env=False, timeout=60) as http:
            yield Client(url, http=http)
    except (httpx.HTTPStatusError, msgspec.DecodeError, JSONDecodeError) as error:
        said = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else "not in its words"
        raise Refusal(503, f"{url} answers, but not as a kjerne sandbox ({said})", where="KJERNE_URL") from error
    except httpx.LocalProtocolError as error:
        raise Refusal(400, f"the request cannot be sent: {error}") from error
    except httpx.TransportError as error:
        raise Refusal(
            503,
            f"no platform answers at {url}: {str(error) or type(error).__name__}",
            where="KJERNE_URL",
            todo="Start one with `kjerne up`, or name another.",
        ) from error


def _path(given: str) -> str:
    """The path of a request; a link of the platform's own may be given whole."""
    home = home_address().rstrip("/")
    path = given.removeprefix(home)
    if not path.startswith("/"):
        todo = f"A whole address begins with {home}."
        raise Refusal(400, "a path begins with /", where="PATH", todo=todo if "://" in given else "")
    try:
        httpx.URL(home + path)
    except httpx.InvalidURL as error:
        raise Refusal(400, "the path holds what no address may hold", where="PATH") from error
    return path


def home_address() -> str:
    """The platform's address; `Refusal` 400 where `KJERNE_URL` is none."""
    url = os.environ.get("KJERNE_URL") or HOME
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host or not 0 < (parts.port or 80) < 65536:
        raise Refusal(400, f"{url} is no address of a platform", where="KJERNE_URL", todo=f"Write it as {HOME}.")
    return url


def number_of(client: Client, patient: str) -> str:
    """The person number of the persona with that name, or the number that was given."""
    digits = patient.replace(" ", "")
    if not digits:
        return digits
    if digits.isascii() and digits.isdigit() and len(digits) == 11:
        try:
            # Examples in public documentation have wrong control digits, and may be filed.
            return identifiers.parse(digits, strict=False).value
        except Refusal as refusal:
            raise Refusal(400, refusal.says, where="--patient", todo=refusal.todo) from None
    numbers = {one.name: one.nin for one in client.personas() if one.nin}
    if patient not in numbers:
        raise Refusal(
            404,
            "the patient is neither a number of eleven digits nor a persona that has one",
            where="--patient",
            todo=f"Choose a number, or one of: {', '.join(numbers)}.",
        )
    return numbers[patient]


def _content_type(asked: Asked) -> dict[str, str]:
    """The type of a body by where it goes and its first sign; forms are typed by the client."""
    if not asked.body:
        return {}
    is_xml = asked.path.partition("?")[0] == INTAKE or asked.body.lstrip(_BEFORE).startswith(b"<")
    return {"content-type": "application/xml" if is_xml else "application/fhir+json"}
