"""`kjerne load kith`: messages to the platform, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from kjerne.client import Client
from kjerne.commands.asking import INTAKE, connected
from kjerne.errors import Refusal

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
    with connected() as client:
        client.token(caller, path=INTAKE)  # once, before several threads want it

        def one(path: Path) -> Sent:
            outcome = _sent(client, path, caller)
            step()
            return outcome

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(one, files))


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
