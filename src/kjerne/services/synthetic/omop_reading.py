"""A folder of OMOP tables (CDM 5.3 and 5.4, as CSV or Parquet), read into tables to learn from.

Of each table the person, the concept, the day and the number with its unit are read. `*_source_value`, `value_as_string`, notes
and whatever else is words or somebody's own number are not looked at, and tables beside those below are not opened. What a
concept is called is looked up in the folder's own CONCEPT; without it codes are OMOP's numbers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NamedTuple

from kjerne.errors import Refusal
from kjerne.fhir.systems import UCUM
from kjerne.registries.identifiers import is_a_number
from kjerne.services.synthetic.cohorts import STRANGE_MOST
from kjerne.services.synthetic.fhir_mapping import Meaning
from kjerne.services.synthetic.fhir_reading import NOBODYS, Key, Told, key_of, told_of
from kjerne.services.synthetic.moments import is_somebodys
from kjerne.services.synthetic.tables import EMPTY, rows_in

ENDINGS: Final = (".csv", ".csv.gz", ".parquet")
PERSON, CONCEPT, DEATH = "person", "concept", "death"
OHDSI: Final = "https://fhir-terminology.ohdsi.org"
"""Concepts of vocabularies that have no address below, by OMOP's own number."""
SYSTEMS: Final = {
    "SNOMED": "http://snomed.info/sct", "LOINC": "http://loinc.org", "ATC": "http://www.whocc.no/atc", "UCUM": UCUM,
    "ICD10": "http://hl7.org/fhir/sid/icd-10", "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD9CM": "http://hl7.org/fhir/sid/icd-9-cm", "CVX": "http://hl7.org/fhir/sid/cvx",
    "RxNorm": "http://www.nlm.nih.gov/research/umls/rxnorm", "NDC": "http://hl7.org/fhir/sid/ndc",
    "CPT4": "http://www.ama-assn.org/go/cpt",
}  # fmt: skip
SEXES: Final = {"8507": "male", "8532": "female", "8521": "other"}
EQUALS: Final = ("", "0", "4172703")
_MOMENT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2}))?")


class _Table(NamedTuple):
    """Which columns say what: those of the day in the order in which they are believed."""

    kind: str
    concept: str
    days: tuple[str, ...]
    measured: bool = False


TABLES: Final[Mapping[str, _Table]] = {
    "condition_occurrence": _Table("Condition", "condition", ("condition_start_datetime", "condition_start_date")),
    "drug_exposure": _Table(
        "MedicationStatement", "drug", ("drug_exposure_start_datetime", "drug_exposure_start_date")
    ),
    "measurement": _Table("Observation", "measurement", ("measurement_datetime", "measurement_date"), measured=True),
    "observation": _Table("Observation", "observation", ("observation_datetime", "observation_date"), measured=True),
    "procedure_occurrence": _Table("Procedure", "procedure", ("procedure_datetime", "procedure_date")),
    "visit_occurrence": _Table("Encounter", "visit", ("visit_start_datetime", "visit_start_date")),
}


class _Row(NamedTuple):
    person: int
    day: int
    minute: int
    kind: str
    concept: str
    value: float | None
    unit: str
    finding: str


@dataclass
class _Found:
    """People as sex, birth and death, and rows whose concepts are still numbers."""

    people: list[list[str]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    rows: list[_Row] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def files_in(folder: Path) -> list[Path]:
    """The tables that are read, where the folder holds a table of persons; none else."""
    names = (PERSON, CONCEPT, DEATH, *TABLES)
    found = sorted(path for path in folder.iterdir() if _stem(path) in names) if folder.is_dir() else []
    return found if any(_stem(path) == PERSON for path in found) else []


def _stem(path: Path) -> str:
    name = path.name.lower()
    ending = next((one for one in ENDINGS if name.endswith(one)), "")
    return name.removesuffix(ending) if ending and path.is_file() else ""


def read(paths: Sequence[Path], known: Meaning | None = None) -> Told:
    """The people and events of tables. `known` says what a model calls which code.

    `Refusal` with file and line where a row does not hold, where a table of events is missing, or events are of nobody.
    """
    files, where = dict[str, Path](), ", ".join(path.name for path in paths[:3])
    for path in paths:
        if _stem(path) in files:
            says = f"the table {_stem(path)} is there twice"
            raise Refusal(422, says, where=str(path), todo="Leave one of the two.")
        files[_stem(path)] = path
    if not files.keys() & TABLES.keys():
        todo = f"Put one of {', '.join(TABLES)} (.csv or .parquet) beside it."
        raise Refusal(422, "there is a table of persons, and none of what happened to them", where=where, todo=todo)
    found = _Found()
    _persons(found, files[PERSON])
    for name in sorted(
        files.keys() & TABLES.keys()
    ):  # of the same told twice the last counts, in every run the same one
        _events(found, TABLES[name], files[name])
    if DEATH in files:
        _deaths(found, files[DEATH])
    strange = found.left_out[NOBODYS]
    if strange > (len(found.rows) + strange) * STRANGE_MOST:
        says = f"{strange} rows are of nobody among the persons, and {len(found.rows)} of somebody"
        raise Refusal(422, says, where=where, todo="Take the tables of one and the same database.")
    rows = _with_codes(found, files.get(CONCEPT))
    if not rows:
        raise Refusal(422, "no row says by a concept what happened to a person, and when", where=where)
    told = told_of(found.people, rows, found.left_out, where, known)
    unnamed = () if CONCEPT in files else ("the folder has no table CONCEPT, so codes are OMOP's own numbers",)
    return replace(told, notes=(*unnamed, *told.notes))


def _table(path: Path, needed: Sequence[str], wanted: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Some columns of each row by their order, empty ones that are not there; with where it stands."""
    rows = rows_in(path)
    head = [one.lower() for one in next(rows, ("", list[str]()))[1]]
    if missing := [one for one in needed if one not in head]:
        todo = "See docs/synthetic.md, or give event tables."
        raise Refusal(422, f"the table has no column {missing[0]}, as OMOP has it", where=str(path), todo=todo)
    places = [head.index(one) if one in head else -1 for one in (*needed, *wanted)]
    for where, row in rows:
        if len(row) != len(head):
            raise Refusal(422, f"a row has {len(row)} cells, the head {len(head)}", where=f"{path}, {where}")
        yield f"{path}, {where}", ["" if one < 0 or row[one] in EMPTY else row[one].strip() for one in places]


def _persons(found: _Found, path: Path) -> None:
    wanted = ("month_of_birth", "day_of_birth")
    for at, (person, sex, year, month, day) in _table(
        path, ("person_id", "gender_concept_id", "year_of_birth"), wanted
    ):
        if not person or person in found.places:
            raise Refusal(422, "a person has two rows" if person else "the person_id is empty", where=at)
        found.places[person] = len(found.people)
        born = "-".join(one.zfill(2) for one in (year, month, day if month else "") if one)
        found.people.append([SEXES.get(sex, ""), born, ""])


def _deaths(found: _Found, path: Path) -> None:
    for _, (person, day) in _table(path, ("person_id", "death_date"), ()):
        if person in found.places:
            found.people[found.places[person]][2] = day


def _events(found: _Found, table: _Table, path: Path) -> None:
    """The rows of a table: of whom, when, which concept, and what was measured."""
    concept = f"{table.concept}_concept_id"
    source = f"{table.concept}_source_concept_id"
    more = (
        ("value_as_number", "operator_concept_id", "unit_concept_id", "value_as_concept_id") if table.measured else ()
    )
    for at, row in _table(path, ("person_id", concept), (source, *table.days, *more)):
        person, code, own, *rest = row
        place, when = found.places.get(person), _when(rest[: len(table.days)])
        code = code if code not in ("", "0") else own
        if place is None:
            found.left_out[NOBODYS] += 1
        elif when is None:
            found.left_out["rows without a day"] += 1
        elif code in ("", "0"):
            found.left_out["rows without a concept"] += 1
        else:
            value, unit, finding = _measured(found, rest[len(table.days) :], at) if more else (None, "", "")
            found.rows.append(_Row(place, *when, table.kind, code, value, unit, finding))


def _when(days: Sequence[str]) -> tuple[int, int] | None:
    """Day (ordinal) and minute, by the first column that tells one."""
    for told in days:
        moment = _MOMENT.match(told)
        try:
            if moment:
                day = date.fromisoformat(moment[1])
                if not is_somebodys(day):
                    continue
                return day.toordinal(), int(moment[2]) * 60 + int(moment[3]) if moment[2] else 0
        except ValueError:
            continue
    return None


def _measured(found: _Found, cells: Sequence[str], at: str) -> tuple[float | None, str, str]:
    """The number, the concept of its unit, and what was found where that is a concept."""
    number, operator, unit, finding = cells
    finding = "" if finding == "0" else finding
    if not number:
        return None, "", finding
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise Refusal(422, "the value_as_number is no number", where=at) from None
    if operator not in EQUALS:
        found.left_out["values that are only bounds"] += 1
    elif not math.isfinite(value) or abs(value) > 10**12 or is_a_number(value):
        found.left_out["values that could be a person's number"] += 1
    else:
        return float(value), "" if unit == "0" else unit, finding
    return None, "", finding


def _with_codes(found: _Found, concepts: Path | None) -> list[tuple[int, int, int, Key, float | None, str]]:
    """The rows with codes for their concepts."""
    asked = {one for row in found.rows for one in (row.concept, row.unit, row.finding) if one}
    called = _concepts(concepts, asked) if concepts else {}
    keys, rows = dict[tuple[str, str, str], Key | None](), list[tuple[int, int, int, Key, float | None, str]]()
    for row in found.rows:
        named = (row.kind, row.concept, row.finding)
        if named not in keys:
            keys[named] = _key(named, called)
        if (key := keys[named]) is None:
            found.left_out["rows without a code that can be learned"] += 1
            continue
        system, unit = called.get(row.unit, ("", f"concept {row.unit}" if row.unit else ""))
        unit = unit if system in ("", UCUM) else f"concept {row.unit}"
        rows.append((row.person, row.day, row.minute, key, row.value, unit))
    return rows


def _key(named: tuple[str, str, str], called: Mapping[str, tuple[str, str]]) -> Key | None:
    kind, concept, finding = named
    key = key_of(kind, *called.get(concept, (OHDSI, concept)))
    found = key_of(kind, *called.get(finding, (OHDSI, finding))) if finding and key else None
    return key._replace(value_system=found.system, value_code=found.code) if key and found else key


def _concepts(path: Path, asked: set[str]) -> dict[str, tuple[str, str]]:
    """System and code of the concepts that are asked for."""
    found = dict[str, tuple[str, str]]()
    for _, (concept, vocabulary, code) in _table(path, ("concept_id", "vocabulary_id", "concept_code"), ()):
        if concept in asked:
            found[concept] = (SYSTEMS[vocabulary], code) if vocabulary in SYSTEMS else (OHDSI, concept)
    return found
