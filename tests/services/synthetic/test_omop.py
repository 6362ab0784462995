"""OMOP tables: what happened by concept, and nothing that says to whom."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kjerne.errors import Refusal
from kjerne.registries.identifiers import control_digits
from kjerne.services.synthetic import omop_reading, tuning
from kjerne.services.synthetic.fhir_reading import Told

NUMBER = next(nine + digits for nine in map(str, range(130885400, 130885500)) if (digits := control_digits(nine)))
CONCEPTS = (("201826", "SNOMED", "44054006"), ("3000963", "LOINC", "718-7"), ("8713", "UCUM", "g/dL"), ("9201", "Visit", "IP"),
            ("1503297", "RxNorm", "6809"), ("8840", "UCUM", "mg/dL"), ("4298794", "SNOMED", "77176002"),
            ("3005058", "LOINC", "72166-2"))  # fmt: skip


@pytest.fixture(autouse=True)
def little_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models here need not be good."""
    monkeypatch.setattr(tuning, "ROUNDS", 0)


def table(folder: Path, name: str, *rows: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def person(number: int, **more: object) -> dict[str, object]:
    return {"person_id": number, "gender_concept_id": 8532 if number % 2 else 8507, "year_of_birth": 1930 + number % 60,
            "month_of_birth": 2, "day_of_birth": "", "person_source_value": NUMBER} | more  # fmt: skip


def measured(number: int, value: object, **more: object) -> dict[str, object]:
    return {"person_id": number, "measurement_concept_id": 3000963, "measurement_date": "2020-01-01",
            "measurement_datetime": "2020-01-01 12:00:00", "operator_concept_id": 0, "value_as_number": value,
            "value_as_concept_id": 0, "unit_concept_id": 8713,
            "measurement_source_value": f"Hemmelig {NUMBER}"} | more  # fmt: skip


def condition(number: int, **more: object) -> dict[str, object]:
    return {"person_id": number, "condition_concept_id": 201826, "condition_start_date": "2020-01-03",
            "condition_start_datetime": "", "condition_source_concept_id": 0,
            "condition_source_value": "hjerteinfarkt"} | more  # fmt: skip


def concepts(folder: Path) -> None:
    """As the vocabularies come: tabs between, nothing quoted."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["concept_id\tconcept_name\tvocabulary_id\tconcept_code"]
    lines += [f'{one}\t"Half a name\t{vocabulary}\t{code}' for one, vocabulary, code in CONCEPTS]
    (folder / "CONCEPT.csv").write_text("\n".join(lines) + "\n")


def read(folder: Path) -> Told:
    return omop_reading.read(omop_reading.files_in(folder))


def events(told: Told) -> list[tuple[str, float | None, str, float | None]]:
    return sorted(zip(told.events.ids, told.events.days, told.events.codes, told.events.values, strict=True), key=str)


def test_each_table_tells_what_when_and_how_much(tmp_path: Path) -> None:
    concepts(tmp_path)
    table(tmp_path, "PERSON", person(1))
    table(tmp_path, "measurement", measured(1, 13.5))
    table(tmp_path, "condition_occurrence", condition(1))
    table(
        tmp_path,
        "drug_exposure",
        {"PERSON_ID": 1, "DRUG_CONCEPT_ID": 1503297, "DRUG_EXPOSURE_START_DATE": "2020-01-04"},
    )
    table(tmp_path, "visit_occurrence", {"person_id": 1, "visit_concept_id": 9201, "visit_start_date": "2020-01-05"})
    smoking = {"person_id": 1, "observation_concept_id": 3005058, "observation_date": "2020-01-06", "value_as_number": "",
               "value_as_string": "Hemmelig", "value_as_concept_id": 4298794}  # fmt: skip
    table(tmp_path, "observation", smoking)
    table(tmp_path, "death", {"person_id": 1, "death_date": "2020-02-01"})
    told = read(tmp_path)
    assert [(code, value) for _, _, code, value in events(told)] == [
        ("718-7", 13.5), ("44054006", None), ("6809", None), ("death", None), ("9201", None), ("72166-2=77176002", None),
    ]  # fmt: skip
    assert [day for _, day, code, _ in events(told) if code in ("718-7", "44054006", "6809")] == [0.5, 2, 3]
    assert told.traits.traits == {"age": ["88"], "sex": ["female"]}
    assert told.meaning is not None
    kinds = {code: (one.kind, one.system, one.unit) for code, one in told.meaning.codes.items()}
    assert kinds["718-7"] == ("Observation", "http://loinc.org", "g/dL")
    assert kinds["6809"][:2] == ("MedicationStatement", "http://www.nlm.nih.gov/research/umls/rxnorm")
    assert kinds["9201"][:2] == ("Encounter", omop_reading.OHDSI)
    assert told.notes == ()


def test_what_cannot_be_learned_is_left_out_and_counted(tmp_path: Path) -> None:
    concepts(tmp_path)
    table(tmp_path, "person", person(1))
    table(
        tmp_path, "measurement", measured(1, 13), measured(1, 14, measurement_datetime="2020-01-02 12:00:00"),
        measured(1, 5, operator_concept_id=4171756), measured(1, 130, unit_concept_id=8840), measured(1, int(NUMBER)),
        measured(1, 13, measurement_datetime="", measurement_date=""), measured(1, 13, measurement_concept_id=0),
    )  # fmt: skip
    told = read(tmp_path)
    assert [value for _, _, _, value in events(told) if value] == [13, 14]
    assert told.notes == (
        "1 rows without a concept were left out",
        "1 rows without a day were left out",
        "1 values in another unit than most of their code were left out",
        "1 values that are only bounds were left out",
        "1 values that could be a person's number were left out",
    )


def test_identifiers_and_free_text_never_enter_and_parquet_is_read(tmp_path: Path, run: Any) -> None:
    folder, model = tmp_path / "real", tmp_path / "m.synth"
    concepts(folder)
    table(folder, "person", *(person(900_000 + one) for one in range(150)))
    table(folder, "measurement", *(measured(900_000 + one, 12 + one % 5) for one in range(150)))
    table(folder, "condition_occurrence", *(condition(900_000 + one) for one in range(150)))
    table(folder, "note", {"note_text": "Hemmelig Nordmann"})
    with duckdb.connect(":memory:") as database:
        database.execute(f"COPY (FROM '{folder}/person.csv') TO '{folder}/person.parquet' (FORMAT parquet)")
    (folder / "person.csv").unlink()
    code, out, err = run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1", "--json")
    assert code == 0, err
    card = json.loads(out)["card"]
    assert (card["form"], card["people"], card["age"]) == ("OMOP", 150, "age")
    assert card["fhir"]["codes"]["718-7"]["unit"] == "g/dL"
    assert "note.csv" not in [one["file"] for one in card["lineage"]]
    raw = model.read_bytes()
    for word in ("Hemmelig", "hjerteinfarkt", "Half a name", NUMBER, "90000", "2020-01"):
        assert word.encode() not in raw


def test_codes_are_numbers_of_omop_where_no_table_names_them(tmp_path: Path) -> None:
    table(tmp_path, "person", person(1))
    table(tmp_path, "measurement", measured(1, 13), measured(1, 14, unit_concept_id=8840))
    told = read(tmp_path)
    assert [(code, value) for _, _, code, value in events(told)] == [("3000963", 13), ("3000963", None)]
    assert told.notes[0] == "the folder has no table CONCEPT, so codes are OMOP's own numbers"


def test_tables_that_do_not_hold_are_refused_with_their_place(tmp_path: Path) -> None:
    def refused() -> str:
        with pytest.raises(Refusal) as found:
            read(tmp_path)
        return f"{found.value} {found.value.where} {found.value.todo}"

    table(tmp_path, "person", person(1))
    assert "none of what happened" in refused()
    table(tmp_path, "measurement", measured(1, "much"))
    assert "value_as_number is no number" in refused()
    assert "line 2" in refused()
    table(tmp_path, "measurement", *(measured(one, 1) for one in (1, 2, 3)))
    assert "2 rows are of nobody" in refused()
    table(tmp_path, "person", person(1), person(1))
    assert "two rows" in refused()
    table(tmp_path, "person", {"id": 1})
    assert "no column person_id" in refused()
