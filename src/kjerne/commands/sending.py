"""`kjerne load kith`: messages to the platform, and what became of each."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from kjerne.client import Client
from kjerne.commands.asking import INTAKE, connected
from kjerne.errors import Refusal

AT_ONCE: Final = 4  # messages on the way; the platform puts a chain in order however its messages arrive


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one file. `code` is the HTTP status where there was no receipt, 503 where no answer came."""

    file: str
    status: str
    reason: str = ""
    reports: int = 0
    observations: int = 0
    code: int = 0

    def told(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "code"}


class _Said(msgspec.Struct):
    """What `POST /pps/in` answers to a sender that accepts JSON: a receipt, or why there is none."""

    status: str = ""
    reason: str = ""
    reports: int = 0
    observations: int = 0
    error: str = ""
    where: str = ""
    todo: str = ""


def kith_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and every `*.xml` below the folders named, in order."""
    found: list[Path] = []
    for path in paths:
        found.extend(_below(path) if path.is_dir() else [path])
    if not found:
        todo = "Name *.xml files or a folder with some."
        raise Refusal(404, "there is no file to send in what was named", where="PATH", todo=todo)
    return found


def send(files: Sequence[Path], caller: str, step: Callable[[], None]) -> list[Sent]:
    """Send each file as the system `caller`; what became of each, in the order of `files`.

    Where no platform answers nothing is sent, and that is what became of each. Raises `Refusal` where `caller` may not send.
    """
    begun = False
    try:
        with connected() as client:
            client.token(caller, path=INTAKE)  # once, before several threads want it
            begun = True

            def one(path: Path) -> Sent:
                outcome = _sent(client, path, caller)
                step()
                return outcome

            with ThreadPoolExecutor(AT_ONCE) as threads:
                return list(threads.map(one, files))
    except Refusal as refusal:
        if begun or refusal.status != 503:
            raise
        return [Sent(_name(path), "refused", str(refusal), code=503) for path in files]


def _below(folder: Path) -> list[Path]:
    """Every `*.xml` (or `*.XML`) below a folder, in order; a folder that cannot be listed stands for itself."""
    found: list[Path] = []
    for place, _, names in os.walk(folder, onerror=lambda error: found.append(Path(error.filename))):
        found.extend(Path(place, name) for name in names if name.lower().endswith(".xml"))
    return sorted(found)


def _sent(client: Client, path: Path, caller: str) -> Sent:
    name = _name(path)
    try:
        content = _content(path)
    except OSError as error:
        return Sent(name, "refused", f"cannot be read: {error.strerror}")
    headers = {"content-type": "application/xml", "accept": "application/json"}
    try:
        answer = client.call("POST", INTAKE, as_=caller, body=content, headers=headers)
    except Refusal as refusal:
        return Sent(name, "refused", str(refusal), code=refusal.status)
    except httpx.HTTPError as error:
        again = "Send the file again: a message that came is not filed twice."
        return Sent(name, "refused", f"no answer came ({type(error).__name__}). {again}", code=503)
    return _outcome(name, answer)


def _name(path: Path) -> str:
    """A name is shown as text whatever its bytes are."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _content(path: Path) -> bytes:
    """The bytes of a file; a pipe or a device is never opened, since it may wait for ever."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path.read_bytes()


def _outcome(name: str, answer: httpx.Response) -> Sent:
    try:
        said = msgspec.json.decode(answer.content, type=_Said)
    except msgspec.DecodeError:
        said = _Said()
    if said.status:
        return Sent(name, said.status, said.reason, said.reports, said.observations)
    says = said.error or f"the platform answered {answer.status_code} without a receipt"
    reason = str(Refusal(answer.status_code, says, where=said.where, todo=said.todo))
    return Sent(name, "refused", reason, code=answer.status_code)
