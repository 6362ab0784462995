"""`kjerne load synthetic`: a folder of generated people into a running sandbox, over the wire as its test client.

The people are registered first, in batches by `If-None-Exist`, then everything else by `$import` under keys that are made of
the files' hashes. So what was broken off is done again without anything being there twice (an import's key holds for seven days).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from kjerne.client import Client
from kjerne.errors import Refusal
from kjerne.fhir.encode import decode, encode

CLIENT: Final = "all-patients"
PEOPLE_AT_ONCE: Final = 100
LINES_AT_ONCE: Final = 5_000
FHIR: Final = "application/fhir+json"
NDJSON: Final = "application/fhir+ndjson"


class _Shard(msgspec.Struct):
    files: dict[str, str]


class _Manifest(msgspec.Struct):
    """What `kjerne synth generate` says of a folder, as far as it is asked here: so loading wants no NumPy."""

    format: str
    complete: bool
    shards: list[_Shard]


Step = Callable[[int, int, str], None]


def loaded(folder: Path, client: Client, step: Step) -> dict[str, int]:
    """How many people and other resources the platform has taken in. `Refusal` where the folder is not whole, or it says no."""
    files = _files(folder)
    patients = [one for one in files if one.name.startswith("Patient-")]
    others = [one for one in files if one not in patients]
    found = {"people": 0, "resources": 0}
    total = sum(_count(path) for path in patients)
    for path in patients:
        for lines in _some(path, PEOPLE_AT_ONCE):
            _registered(client, lines)
            found["people"] += len(lines)
            step(found["people"], total, "people")
    total = sum(_count(path) for path in others)
    for path in others:
        for lines in _some(path, LINES_AT_ONCE):
            body = b"".join(lines)
            key = hashlib.sha256(body).hexdigest()
            headers = {"content-type": NDJSON, "prefer": "return=minimal", "idempotency-key": f"synthetic-{key}"}
            _taken(client.call("POST", "/fhir/R4/$import", as_=CLIENT, body=body, headers=headers), path.name)
            found["resources"] += len(lines)
            step(found["resources"], total, "resources")
    return found


def _files(folder: Path) -> Sequence[Path]:
    """The files of a folder whose people were all made as NDJSON, as they were made."""
    path = folder / "manifest.json"
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        manifest = _Manifest("", complete=False, shards=[])
    if manifest.format != "fhir":
        todo = "Make them with `kjerne synth generate --format fhir`."
        raise Refusal(422, "there are no generated people in it as FHIR", where=str(folder), todo=todo)
    if not manifest.complete:
        raise Refusal(
            409, "the people in it were not all made", where=str(folder), todo="Run generate again: it goes on."
        )
    return [_whole(folder / name, sha) for shard in manifest.shards for name, sha in shard.files.items()]


def _whole(path: Path, sha: str) -> Path:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refusal(400, f"the file cannot be read: {error.strerror}", where=str(path)) from None
    if found != sha:
        raise Refusal(
            422, "the file is not as it was made", where=str(path), todo="Run generate again: it is made anew."
        )
    return path


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _some(path: Path, most: int) -> Iterator[list[bytes]]:
    with path.open("rb") as file:
        while lines := list(islice(file, most)):
            yield lines


def _registered(client: Client, lines: Sequence[bytes]) -> None:
    """Registers people who are not there yet. `Refusal` where one is not registered."""
    entries = list[dict[str, Any]]()
    for line in lines:
        tree = decode(line)
        (number,) = tree["identifier"]
        asked = {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={number['system']}|{number['value']}"}
        entries.append({"resource": tree, "request": asked})
    body = encode({"resourceType": "Bundle", "type": "batch", "entry": entries})
    told = _taken(client.call("POST", "/fhir/R4", as_=CLIENT, body=body, headers={"content-type": FHIR}), "Patient")
    for one in told.get("entry", ()):
        answer = one.get("response", {})
        if not str(answer.get("status", "")).startswith("20"):
            raise Refusal(422, _why(answer.get("outcome", {})), where="Patient")


def _taken(answer: httpx.Response, where: str) -> dict[str, Any]:
    """What the platform answers. `Refusal` with its status and reason where it takes nothing."""
    try:
        told: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    if answer.status_code not in (200, 201):
        raise Refusal(answer.status_code, _why(told), where=where)
    return told


def _why(outcome: dict[str, Any]) -> str:
    issue: dict[str, Any] = next(iter(outcome.get("issue", ())), {})
    return str(issue.get("diagnostics") or "the platform took it not, and did not say why")
