"""The client commands: they speak to the platform at `KJERNE_URL` over the wire, as any client would."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from kjerne.client import Client
from kjerne.errors import Refusal

HOME: Final = "http://127.0.0.1:8000"
INTAKE: Final = "/pps/in"
AT_ONCE: Final = 4  # messages on the way; the platform puts a chain in order however its messages arrive


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file."""

    file: str
    status: str
    reason: str = ""
    reports: int = 0
    observations: int = 0

    def told(self) -> dict[str, Any]:
        return asdict(self)


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
        return text if self.status < 400 else f"{self.status} {httpx.codes.get_reason_phrase(self.status)}\n{text}"

    def _is_json(self) -> bool:
        return bool(self.body) and "json" in self.media_type


class _Receipt(msgspec.Struct):
    """What `POST /pps/in` answers to a sender that accepts JSON."""

    status: str
    reason: str = ""
    reports: int = 0
    observations: int = 0


def kith_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and every `*.xml` below the folders named, in order."""
    found: list[Path] = []
    for path in paths:
        found.extend(sorted(path.rglob("*.xml")) if path.is_dir() else [path])
    if not found:
        raise Refusal(404, "there is no file to send in what was named", todo="Name *.xml files or a folder with some.")
    return found


def send(files: Sequence[Path], caller: str, step: Callable[[], None]) -> list[Sent]:
    """Send each file as the system `caller`; what became of each, in the order of `files`."""
    with _client() as client:
        client.token(caller, path=INTAKE)  # once, before several threads want it

        def one(path: Path) -> Sent:
            outcome = _sent(client, path, caller)
            step()
            return outcome

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(one, files))


def ask(
    method: str,
    path: str,
    *,
    caller: str,
    patient: str,
    purpose: str,
    reason: str,
    self_selected: bool,
    basis: str,
    form: Sequence[tuple[str, str]],
    body: bytes,
) -> Called:
    """One request as the persona `caller`; `patient` is a person number or the name of a citizen persona."""
    if not path.startswith("/"):
        raise Refusal(400, "a path begins with /", where="PATH")
    with _client() as client:
        patient = next((one.nin for one in client.personas() if patient and one.name == patient), patient)
        answer = client.call(
            method,
            path,
            as_=caller,
            patient=patient,
            purpose=purpose,
            reason=reason,
            self_selected=self_selected,
            basis=basis,
            form=form,
            body=body,
            headers=_content_type(body),
        )
    return Called(answer.status_code, answer.headers.get("content-type", ""), answer.content)


def personas() -> list[dict[str, str]]:
    """Who can be called as."""
    shown = ("name", "kind", "role", "nin", "hpr", "organisation", "title")
    with _client() as client:
        return [{key: str(getattr(persona, key)) for key in shown} for persona in client.personas()]


def token(caller: str, patient: str) -> dict[str, Any]:
    """An access token as `caller` about `patient`, with the private key that it is bound to."""
    with _client() as client:
        held = client.token(caller, patient=patient)
    return {**held.answer, "dpop_key": held.key.private_jwk()}


@contextlib.contextmanager
def _client() -> Iterator[Client]:
    url = os.environ.get("KJERNE_URL") or HOME
    try:
        with httpx.Client(trust_env=False, timeout=60) as http:
            yield Client(url, http=http)
    except httpx.HTTPStatusError as error:
        raise Refusal(
            503, f"{url} answers, but not as a kjerne sandbox ({error.response.status_code})", where="KJERNE_URL"
        ) from error
    except httpx.TransportError as error:
        raise Refusal(
            503,
            f"no platform answers at {url}",
            where="KJERNE_URL",
            todo="Start one with `kjerne up`, or name another.",
        ) from error


def _sent(client: Client, path: Path, caller: str) -> Sent:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Sent(str(path), "refused", f"cannot be read: {error.strerror}")
    headers = {"content-type": "application/xml", "accept": "application/json"}
    answer = client.call("POST", INTAKE, as_=caller, body=content, headers=headers)
    try:
        receipt = msgspec.json.decode(answer.content, type=_Receipt)
    except msgspec.DecodeError:
        return Sent(str(path), "refused", f"the platform answered {answer.status_code} without a receipt")
    return Sent(str(path), receipt.status, receipt.reason, receipt.reports, receipt.observations)


def _content_type(body: bytes) -> dict[str, str]:
    """The type of a body by its first sign; forms are typed by the client."""
    start = body.lstrip()[:1]
    if not start:
        return {}
    return {"content-type": "application/xml" if start == b"<" else "application/fhir+json"}
