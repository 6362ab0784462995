"""Which form a folder to learn from has: tables of events, FHIR as NDJSON, a MEDS dataset or OMOP tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kjerne.errors import Refusal
from kjerne.services.synthetic import fhir_reading, meds_reading, omop_reading, tables
from kjerne.services.synthetic.fitting import FHIR, MEDS, OMOP, TABLES, Source
from kjerne.services.synthetic.origins import MadeBy

NEEDED: Final = (
    "Put in it one of: events.csv and static.csv; FHIR R4 as .ndjson, a resource on each line; MEDS (data/*.parquet); OMOP "
    "(person.csv and, for one, condition_occurrence.csv). See docs/synthetic.md."
)
NOBODY: Final = frozenset(
    {"note.csv", "concept.csv", "measurement.csv", "condition_occurrence.csv", "drug_exposure.csv"}
)


def found_in(folder: Path, *, generated: bool, made_by: MadeBy | None = None) -> Source:
    """The files of a folder by the form that it has, and `made_by` whom where they are generated. `Refusal` where it has none,
    half of one, or two."""
    if not folder.is_dir():
        what = "it is a file, and a source is a folder" if folder.is_file() else "there is no such folder"
        todo = "Name two tables by --events and --static, or their folder." if folder.is_file() else ""
        raise Refusal(404, what, where=str(folder), todo=todo)
    resources = {
        FHIR: fhir_reading.files_in(folder), MEDS: meds_reading.files_in(folder), OMOP: omop_reading.files_in(folder)
    }  # fmt: skip
    stems = [stem for stem in ("events", "static") if tables.has(folder, stem)]
    forms = [*([TABLES] if len(stems) == 2 else []), *(form for form, files in resources.items() if files)]
    if len(forms) > 1:
        says = f"the folder holds people in more than one form: {' and '.join(forms)}"
        raise Refusal(422, says, where=str(folder), todo="Give each a folder of its own.")
    if not forms:
        raise Refusal(404, _what_is_missing(folder, stems), where=str(folder), todo=NEEDED)
    (form,) = forms
    if form == TABLES:
        events, static = tables.files_of(folder, "events"), tables.files_of(folder, "static")
        return Source(events, static, generated, made_by=made_by)
    return Source([], [], generated, resources[form], form, made_by)


def _what_is_missing(folder: Path, stems: list[str]) -> str:
    """Why a folder is no source, as near as can be told."""
    if stems:
        other = "static" if stems == ["events"] else "events"
        return f"there is a table of {stems[0]}, and no table of {other}"
    names = {path.name.lower().removesuffix(".gz").replace(".parquet", ".csv") for path in folder.iterdir()}
    if names & NOBODY:
        return "there are tables of OMOP, and no table person"
    if (folder / "metadata" / "dataset.json").is_file():
        return "there is the metadata of a MEDS dataset, and no data/*.parquet"
    return "there is nothing in it to learn from"
