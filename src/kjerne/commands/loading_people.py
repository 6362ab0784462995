"""`kjerne load synthetic`: a folder of generated people into a running sandbox, over the wire as its test client.

Everybody is registered first, by number; who has that number already must be who was made here, by the name that the generator
gave her (`GENERATED`). Only then is anything filed: all that a person has in one import, so that she has all of it or nothing,
whatever folder or shard it lies in. Of who was there already the platform is asked whether she has hers. So what was broken
off goes on, and nobody and nothing is there twice, however long ago it was sent and whatever else lies in the folder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from kjerne.client import Client
from kjerne.errors import Refusal
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.patient import GENERATED
from kjerne.services.synthetic.origins import is_generated

CLIENT: Final = "all-patients"
PEOPLE_AT_ONCE: Final = 100
LINES_AT_ONCE: Final = 5_000
TOLD: Final = 5
"""Of so many people who cannot be registered it is told where they stand."""
FHIR: Final = "application/fhir+json"
NDJSON: Final = "application/fhir+ndjson"
_SUBJECT: Final = re.compile(rb'"(?:subject|patient)":\{"reference":"Patient/([^"]+)"')


class _Shard(msgspec.Struct):
    files: dict[str, str]


class _Manifest(msgspec.Struct):
    """What `kjerne synth generate` says of a folder, as far as it is asked here: so loading wants no NumPy."""

    format: str
    complete: bool
    shards: list[_Shard]
    card: dict[str, Any] = {}
    approved: str = ""


Step = Callable[[int, int, str], None]


@dataclass
class _There:
    """Who is in the sandbox: the id on the platform of each who was there before, by the generator's name for her."""

    before: dict[str, str] = field(default_factory=dict)
    people: int = 0


def check(folder: Path, *, closed_zone: bool) -> None:
    """`Refusal` 403 where people of a model of real people, for which nobody answers, are taken elsewhere."""
    manifest = _manifest(folder)
    if closed_zone or manifest.approved or is_generated(manifest.card):
        return
    says = "a model of real people made them, and nobody had approved that it leaves the closed zone"
    todo = (
        "Where its training data may lie say --closed-zone; else have it approved (kjerne synth approve), and run generate "
        "again: the folder then says who answers."
    )
    raise Refusal(403, says, where=str(folder), todo=todo)


def loaded(folder: Path, client: Client, step: Step) -> dict[str, int]:
    """How many people and other resources of the folder the platform has now. `Refusal` where the folder is not whole, or it
    says no: of whoever is somebody else there before anything is filed."""
    shards = _shards(folder)
    there, total = _There(), sum(_count(path) for patients, _ in shards for path in patients)
    refused = list[str]()
    for patients, _ in shards:
        for path in patients:
            for first, lines in _some(path, PEOPLE_AT_ONCE):
                refused += _registered(client, lines, f"{path.name}, line", first, there)
                step(there.people, total, "people")
    if refused:
        more = f", and {len(refused) - TOLD} more" if len(refused) > TOLD else ""
        says = f"{len(refused)} people could not be registered, and nothing is filed: {'; '.join(refused[:TOLD])}{more}"
        todo = "Make the people anew with another --seed, or with these numbers in --exclude and out of the --pool."
        raise Refusal(409, says, where=str(folder), todo=todo)
    total, done = sum(_count(path) for _, others in shards for path in others), 0
    for patients, others in shards:
        for lives in _groups(patients, others):
            _filed(client, lives, there)
            done += sum(len(lines) for _, lines in lives)
            step(done, total, "resources")
    return {"people": there.people, "resources": total}


def _shards(folder: Path) -> list[tuple[list[Path], list[Path]]]:
    """Of each shard of a folder whose people were all made as NDJSON, as they were made, the files of people and the others."""
    manifest = _manifest(folder)
    if not manifest.complete:
        raise Refusal(
            409, "the people in it were not all made", where=str(folder), todo="Run generate again: it goes on."
        )
    found = list[tuple[list[Path], list[Path]]]()
    for shard in manifest.shards:
        files = [_whole(folder, name, sha) for name, sha in shard.files.items()]
        patients = [one for one in files if one.name.startswith("Patient-")]
        found.append((patients, [one for one in files if one not in patients]))
    return found


def _manifest(folder: Path) -> _Manifest:
    """What a folder says of its people. `Refusal` where it has none as FHIR."""
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        manifest = _Manifest("", complete=False, shards=[])
    if manifest.format != "fhir":
        todo = "Make them with `kjerne synth generate --format fhir`."
        raise Refusal(422, "there are no generated people in it as FHIR", where=str(folder), todo=todo)
    return manifest


def _whole(folder: Path, name: str, sha: str) -> Path:
    path = folder / name
    if path.name != name:
        raise Refusal(422, "the manifest names a file outside the folder", where=str(folder / "manifest.json"))
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


def _some(path: Path, most: int) -> Iterator[tuple[int, list[bytes]]]:
    """Lines of a file, some at a time, with the number of the first."""
    first = 1
    with path.open("rb") as file:
        while lines := list(islice(file, most)):
            yield first, lines
            first += len(lines)


def _registered(client: Client, lines: Sequence[bytes], where: str, first: int, there: _There) -> list[str]:
    """Registers people who are not there yet. Who is not registered, and why; nobody's number is repeated."""
    entries, names = list[dict[str, Any]](), list[str]()
    for place, line in enumerate(lines, first):
        tree = decode(line)
        names.append(_name_of(tree))
        if not names[-1]:
            todo = "Make the people anew, into another folder."
            raise Refusal(422, "the people were made by an earlier version", where=f"{where} {place}", todo=todo)
        number = tree["identifier"][0]
        asked = {"method": "POST", "url": "Patient", "ifNoneExist": f"identifier={number['system']}|{number['value']}"}
        entries.append({"resource": tree, "request": asked})
    headers = {"content-type": FHIR, "prefer": "return=representation"}
    told = _batch(client, entries, headers, "Patient")
    refused = list[str]()
    for place, (name, one) in enumerate(zip(names, told, strict=True), first):
        answer, resource = one.get("response", {}), one.get("resource", {})
        status = str(answer.get("status", ""))
        if not status.startswith("20"):
            refused.append(f"{where} {place}: {_why(answer.get('outcome', {}))}")
        elif status.startswith("200") and _name_of(resource) != name:
            refused.append(f"{where} {place}: somebody else in the sandbox has this number")
        else:
            there.people += 1
            if status.startswith("200"):
                there.before[name] = resource["id"]
    return refused


def _name_of(patient: dict[str, Any]) -> str:
    """What the generator calls her; empty where it did not make her."""
    return next((str(one["value"]) for one in patient.get("identifier", ()) if one.get("system") == GENERATED), "")


_Life = tuple[str, list[bytes]]
"""A person by the generator's name for her, and all lines about her."""


def _groups(patients: Sequence[Path], others: Sequence[Path]) -> Iterator[list[_Life]]:
    """People with all that is about each, of a shard, as many together as an import takes. `Refusal` where a line is about
    nobody in turn: the files of a shard tell of people in the same order."""
    readers = [_Ahead(path) for path in others]
    group, size = list[_Life](), 0
    for path in patients:
        for _, some in _some(path, PEOPLE_AT_ONCE):
            for raw in some:
                tree = decode(raw)
                lines = [line for reader in readers for line in reader.about(tree["id"])]
                if group and (size + len(lines) > LINES_AT_ONCE or len(group) == PEOPLE_AT_ONCE):
                    yield group
                    group, size = [], 0
                group.append((_name_of(tree), lines))
                size += len(lines)
    if group:
        yield group
    for path, reader in zip(others, readers, strict=True):
        if reader.subject:
            raise Refusal(422, "a line is about nobody among the people", where=path.name)


class _Ahead:
    """The lines of a file, by whom they are about."""

    def __init__(self, path: Path) -> None:
        self._lines = (line for _, lines in _some(path, LINES_AT_ONCE) for line in lines)
        self._go_on()

    def about(self, id_: str) -> Iterator[bytes]:
        """The next lines, as long as they are about this person."""
        while self.subject == id_.encode():
            yield self._line
            self._go_on()

    def _go_on(self) -> None:
        self._line = next(self._lines, b"")
        found = _SUBJECT.search(self._line)
        self.subject = found[1] if found else self._line


def _filed(client: Client, lives: Sequence[_Life], there: _There) -> None:
    """Files what people have, of those who have not got it yet."""
    asked = [(name, lines[0]) for name, lines in lives if lines and name in there.before]
    entries = [
        {"request": {"method": "GET", "url": f"{decode(line)['resourceType']}?patient={there.before[name]}&_summary=count"}}
        for name, line in asked
    ]  # fmt: skip
    has = set[str]()
    for (name, _), one in zip(asked, _batch(client, entries, {"content-type": FHIR}, "people"), strict=True):
        if "total" not in one.get("resource", {}):
            raise Refusal(422, _why(one.get("response", {}).get("outcome", {})), where="what somebody has already")
        if one["resource"]["total"]:
            has.add(name)
    body = b"".join(line for name, lines in lives if name not in has for line in lines)
    if not body:
        return
    # The key is for an answer that is lost on its way, while the import goes on.
    key = hashlib.sha256(body).hexdigest()
    headers = {"content-type": NDJSON, "prefer": "return=minimal", "idempotency-key": f"synthetic-{key}"}
    _taken(client.call("POST", "/fhir/R4/$import", as_=CLIENT, body=body, headers=headers), "$import")


def _batch(client: Client, entries: Sequence[Any], headers: dict[str, str], where: str) -> list[dict[str, Any]]:
    """What came of each entry of a batch."""
    if not entries:
        return []
    body = encode({"resourceType": "Bundle", "type": "batch", "entry": list(entries)})
    told = _taken(client.call("POST", "/fhir/R4", as_=CLIENT, body=body, headers=headers), where)
    found: list[dict[str, Any]] = told.get("entry", [])
    if len(found) != len(entries):
        raise Refusal(502, "the platform did not answer each entry of a batch", where=where)
    return found


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
