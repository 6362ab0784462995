"""Generated people as a MEDS dataset: a Parquet file of each shard under `data/`, and `metadata/` beside it.

Everybody's day 0 is 2000-01-01. Traits are rows without time (`sex//F`; a measured one with its number), then come the birth
where the model knows an age, and the events in order of time. `numeric_value` has 32 bits, as MEDS wants it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from kjerne.errors import Refusal
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.fhir_mapping import DEATH, LEARNED, code_as, meaning_of
from kjerne.services.synthetic.meds_reading import BIRTH, DATA, DIED, LEVEL, moment
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.row_files import event_rows, trait_rows, written, written_rows

FORMAT: Final = "meds"
VERSION: Final = "0.4.1"
YEAR: Final = 365.2425
COLUMNS: Final = {
    "subject_id": "BIGINT",
    "time": "TIMESTAMP",
    "code": "VARCHAR",
    "numeric_value": "FLOAT",
    "unit": "VARCHAR",
}


def shard_file(folder: Path, model: Model, cohort: Cohort, number: int, first: int) -> str:
    """Write a shard's people, who begin with number `first`; the name of the file."""
    name = f"{DATA}/{number:05d}.parquet"
    made(folder / DATA)
    written_rows(folder / name, "parquet", rows(model, cohort, first), COLUMNS)
    return name


def metadata(folder: Path, model: Model, hash_: str, version: str) -> None:
    """What stands beside the data: which program made it of which model, and the codes."""
    about = folder / "metadata"
    made(about)
    named = {"dataset_name": f"kjerne-synth-{hash_[:12]}", "etl_name": "kjerne", "etl_version": version,
            "meds_version": VERSION}  # fmt: skip
    with written(about / "dataset.json") as beside:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(named), indent=1) + b"\n")
    meaning, lines = meaning_of(model), list[str]()
    for place, code in enumerate(_codes(model)):
        as_ = code_as(model, meaning, place)
        known = as_.kind != DEATH and as_.system != LEARNED
        told = f"{as_.system}|{as_.code}" if known else None
        lines.append(json.dumps({"code": code, "description": told, "parent_codes": []}, ensure_ascii=False))
    columns = {"code": "VARCHAR", "description": "VARCHAR", "parent_codes": "VARCHAR[]"}
    written_rows(about / "codes.parquet", "parquet", lines, columns)


def check(model: Model) -> None:
    """`Refusal` where a name cannot be told in MEDS."""
    for trait in model.traits:
        if LEVEL in trait.name:
            says = f"the trait {trait.name} holds {LEVEL}, by which MEDS divides a name from its level"
            raise Refusal(422, says, where="--format", todo="Take another format, or fit without it (--leave-out).")


def rows(model: Model, cohort: Cohort, first: int) -> Iterator[str]:
    """Each row as a flat JSON object: of one person after another, in order of time."""
    codes, events = _codes(model), map(msgspec.json.decode, event_rows(model, cohort, first))
    units = dict(zip(model.codes, model.units, strict=True))
    names = dict(zip(model.codes, codes, strict=True))
    waiting = next(events, None)
    for line in trait_rows(model, cohort, first):
        traits: dict[str, Any] = msgspec.json.decode(line)
        person = int(traits.pop("id"))
        for name, value in traits.items():
            if value is not None:
                number = None if isinstance(value, str) else value
                yield _row(person, None, name if number is not None else f"{name}{LEVEL}{value}", number, "")
        timed = list[tuple[str, str, float | None, str]]()
        if model.age >= 0 and (age := traits[model.traits[model.age].name]) is not None:
            timed.append((moment(-round(age * YEAR)), BIRTH, None, ""))
        while waiting is not None and int(waiting["id"]) == person:
            code, value = waiting["code"], waiting["value"]
            timed.append((moment(waiting["days"]), names[code], value, units[code] if value is not None else ""))
            waiting = next(events, None)
        yield from (_row(person, *one) for one in sorted(timed, key=itemgetter(0)))


def _codes(model: Model) -> list[str]:
    meaning = meaning_of(model)
    return [DIED if code_as(model, meaning, place).kind == DEATH else code for place, code in enumerate(model.codes)]


def _row(person: int, time: str | None, code: str, value: float | None, unit: str) -> str:
    told = {"subject_id": person, "time": time, "code": code, "numeric_value": value, "unit": unit or None}
    return json.dumps(told, ensure_ascii=False)


def made(folder: Path) -> None:
    """A folder, its owner's alone."""
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise Refusal(400, f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
