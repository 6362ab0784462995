"""Generated people's results as KITH Svarrapport messages, one file for all that was measured of somebody at one moment.

They are told from the same resources as FHIR out (`fhir_files`), so a result is of the same person, number and moment in both.
What is no laboratory's result (diagnoses, drugs, blood pressures) is in no message. Everybody's results come from one made-up
laboratory and were asked for by one made-up office, which the sandbox knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.dates import OSLO
from kjerne.fhir.systems import NLK, canonical
from kjerne.registries.identifiers import SYSTEM_BY_KIND
from kjerne.services.synthetic import fhir_files
from kjerne.services.synthetic.fhir_mapping import code_as, meaning_of
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.row_files import written
from kjerne.svarrapport import LOCAL, Code, Home, Item, Number, Patient, Report, Request, Staff, Text, Unit, write
from kjerne.svarrapport import NLK as NLK_SENT

FORMAT: Final = "kith"
NAMED: Final = (*fhir_files.FORMATS, FORMAT)
"""The formats in which everybody has a name and a number."""
LABORATORY: Final = "laboratory"
TAKEN: Final = time(8, 0)
"""When a sample was taken of which the day alone is known."""
ANSWERED: Final = timedelta(hours=4)
LAB: Final = Unit("Lysdal Laboratorium AS", "100000490", "99000008", "Medisinsk biokjemi", "99000009")
OFFICE: Final = Unit("Granlia legesenter", "100001055", "99000016")
DOCTOR, SCIENTIST = Staff("Syntetisk Lege", "990000001"), Staff("Syntetisk Bioingeniør", "990000009", "BI")
LISTED: Final = ".sha256"
"""Behind the name of a shard's list of files, as `sha256sum -c` reads it."""

Tree = dict[str, Any]
Told = Sequence[tuple[str, str, str]]
"""Resources of one person as `fhir_files` tells them (type, id, JSON), the Patient first."""


def check(model: Model) -> None:
    """`Refusal` where nothing of what a model learned is a laboratory's result."""
    meaning = meaning_of(model)
    told = [code_as(model, meaning, place) for place in range(len(model.codes))]
    if not any(one.kind == "Observation" and one.category in ("", LABORATORY) for one in told):
        todo = "Say by --mapping of fit which codes are Observations of the category laboratory."
        raise Refusal(422, "nothing that the model learned is a laboratory's result", where="--format", todo=todo)


def messages(told: Told) -> Iterator[tuple[str, bytes]]:
    """Messages of one person by name, oldest moment first."""
    (_, _, patient), *others = told
    results = dict[str, list[Tree]]()
    for kind, _, text in others:
        if kind == "Observation" and _is_result(one := msgspec.json.decode(text)):
            results.setdefault(one["effectiveDateTime"], []).append(one)
    if not results:
        return
    whom = msgspec.json.decode(patient)
    for when in sorted(results, key=_moment):
        name = results[when][0]["id"]
        yield name, write(_report(name, whom, _moment(when), results[when]))


def _is_result(one: Tree) -> bool:
    """Whether a laboratory has measured or found it."""
    codes = [code["code"] for category in one.get("category", ()) for code in category["coding"]]
    return (not codes or LABORATORY in codes) and ("valueQuantity" in one or "valueCodeableConcept" in one)


def _moment(when: str) -> datetime:
    """By Norwegian clocks and without a zone, as laboratories write it."""
    if "T" not in when:
        return datetime.combine(date.fromisoformat(when), TAKEN)
    return datetime.fromisoformat(when).astimezone(OSLO).replace(tzinfo=None)


def _report(name: str, whom: Tree, taken: datetime, results: Sequence[Tree]) -> Report:
    made_at = max(taken, min(taken + ANSWERED, datetime.combine(taken.date(), time(23, 59))))
    patient = _patient(whom, tuple(_item(one, taken) for one in results))
    return Report(
        message_id=str(UUID(bytes=hashlib.sha256(f"message {name}".encode()).digest()[:16], version=4)),
        made_at=made_at, id=f"S-{name}", issued=made_at, discipline="CLIN", patient=patient,
        request=Request(f"Q-{name}", taken.date(), f"L-{name}", "", taken), laboratory=LAB, requester=OFFICE,
        ordered_by=DOCTOR, answered_by=SCIENTIST,
    )  # fmt: skip


def _patient(whom: Tree, items: tuple[Item, ...]) -> Patient:
    number = whom["identifier"][0]
    kind = next(kind for kind, system in SYSTEM_BY_KIND.items() if system == number["system"])
    names, homes = whom.get("name", [{}])[0], whom.get("address")
    called = ", ".join(part for part in (names.get("family", ""), " ".join(names.get("given", ()))) if part)
    home = None
    if homes:
        home = Home(" ".join(homes[0].get("line", ())), homes[0].get("postalCode", ""), homes[0]["city"])
    born = date.fromisoformat(whom["birthDate"])
    return Patient(called, number["value"], kind, whom["gender"], born, home, items=items)


def _item(one: Tree, taken: datetime) -> Item:
    coding = one["code"]["coding"][0]
    system = NLK_SENT if canonical(coding["system"]) == NLK else LOCAL
    code = Code(coding["code"], one["code"].get("text") or coding["code"], system)
    result: Number | Text
    if measured := one.get("valueQuantity"):
        result = Number(
            format(Decimal(str(measured["value"])), "f"), measured.get("code") or measured.get("unit") or "1"
        )
    else:
        result = Text(one["valueCodeableConcept"]["coding"][0]["code"], "LR")
    return Item(id=one["id"], codes=(code,), result=result, investigated=taken)


def files(folder: Path, number: int, people: Iterable[Told]) -> dict[str, str]:
    """A shard's messages in a folder of their own, and the list of them, which is written last: its name with its SHA-256."""
    stem, lines = f"messages-{number:05d}", list[str]()
    try:
        (folder / stem).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        says = f"the folder cannot be made: {error.strerror}"
        raise Refusal(400, says, where=str(folder / stem), todo="Then run it again: it goes on.") from None
    for told in people:
        for name, raw in messages(told):
            path = f"{stem}/{name}.xml"
            with written(folder / path) as beside:
                beside.write_bytes(raw)
            lines.append(f"{hashlib.sha256(raw).hexdigest()}  {path}\n")
    listed = "".join(lines).encode()
    with written(folder / f"{stem}{LISTED}") as beside:
        beside.write_bytes(listed)
    return {f"{stem}{LISTED}": hashlib.sha256(listed).hexdigest()}


def is_whole(path: Path) -> bool:
    """Whether all files of a shard's list are there as they were written; True of what is no such list."""
    if path.suffix != LISTED:
        return True
    pairs = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [(path.parent / name, sha) for sha, name in pairs]
    return all(one.is_file() and hashlib.sha256(one.read_bytes()).hexdigest() == sha for one, sha in found)
