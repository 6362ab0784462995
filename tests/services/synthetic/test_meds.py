"""MEDS in and out: what is read of a dataset, and that what was written is read as it was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import (
    fitting,
    learning,
    meds_files,
    meds_reading,
    model_file,
    source_forms,
    tables,
    tuning,
    vocabulary,
    writing,
)
from kjerne.services.synthetic.cohorts import cohort_of
from kjerne.services.synthetic.fhir_reading import Told

Row = tuple[int | None, str | None, str, float | None]
NUMBER = "13088540037"
MOST = 60


@pytest.fixture(autouse=True)
def little_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models here need not be good."""
    monkeypatch.setattr(tuning, "ROUNDS", 0)


def dataset(folder: Path, rows: list[Row], name: str = "0", columns: str = "") -> Path:
    """A dataset with one file, each row with words of its own in `text_value`."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    with duckdb.connect(":memory:") as database:
        database.execute(
            columns
            or "CREATE TABLE t (subject_id BIGINT, time TIMESTAMP, code VARCHAR, numeric_value FLOAT, "
            "text_value VARCHAR DEFAULT 'Hemmelig Nordmann')"
        )
        if rows:
            database.executemany(
                "INSERT INTO t BY POSITION (subject_id, time, code, numeric_value) VALUES (?, ?, ?, ?)", rows
            )
        database.execute(f"COPY t TO '{folder}/data/{name}.parquet' (FORMAT parquet)")
    return folder


def life(one: int) -> list[Row]:
    return [
        (one, None, "GENDER//F" if one % 2 else "GENDER//M", None), (one, None, "HEIGHT", 150.5 + one % 30),
        (one, f"{1930 + one % 50}-06-01", "MEDS_BIRTH", None), (one, "2020-01-01 12:00:00", "LAB//HB", 12.1 + one % 5),
        (one, f"2020-02-{1 + one % 28:02d}", "DIAGNOSIS//E11", None),
    ]  # fmt: skip


def read(folder: Path, k: int = 1) -> Told:
    return meds_reading.read(meds_reading.files_in(folder), k)


def test_events_traits_age_and_death_are_read(tmp_path: Path) -> None:
    told = read(dataset(tmp_path, [*life(7), (7, "2020-03-01 06:00:00", "MEDS_DEATH", None)]))
    assert list(zip(told.events.days, told.events.codes, told.events.values, strict=True)) == [
        (0.5, "LAB//HB", pytest.approx(14.1, abs=1e-9)), (38, "DIAGNOSIS//E11", None), (60.25, "death", None),
    ]  # fmt: skip
    assert told.traits.traits == {"GENDER": ["F"], "HEIGHT": ["157.5"], "age": ["82"]}
    assert told.meaning is not None
    assert told.meaning.codes["death"].kind == "death"


def test_words_never_enter_and_names_of_traits_that_few_have_stay_out(tmp_path: Path, run: Any) -> None:
    rows = [row for one in range(200) for row in life(one)]
    few: list[Row] = [(one, None, "Kari Nordmann fra Oslo//ja", None) for one in range(9)]
    rare: list[Row] = [(one, "2020-05-01", "Hemmelig diagnose", None) for one in range(9)]
    model = tmp_path / "m.synth"
    folder = dataset(tmp_path / "real", rows + few + rare)
    code, out, err = run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1", "--json")
    assert code == 0, err
    card = json.loads(out)["card"]
    assert (card["form"], card["people"], card["age"]) == ("MEDS", 200, "age")
    assert "1 traits of fewer than 10 people were left out" in card["notes"]
    raw = model.read_bytes()
    assert not any(word in raw for word in (b"Nordmann", b"Hemmelig", b"Oslo", b"2020-0"))
    assert b"DIAGNOSIS//E11" in raw


def test_number_of_a_person_in_a_code_or_a_trait_is_refused(tmp_path: Path) -> None:
    named: list[Row] = [(one, None, f"{NUMBER}//ja", None) for one in range(12)]
    with pytest.raises(Refusal, match="holds the number of a person") as refused:
        read(dataset(tmp_path / "a", [*life(1), *named]))
    assert NUMBER not in str(refused.value)
    coded: list[Row] = [(one, "2020-01-01", f"LAB//{NUMBER}", None) for one in range(150)]
    source = source_forms.found_in(dataset(tmp_path / "b", [*life(1), *coded]), generated=False)
    with pytest.raises(Refusal, match="holds the number of a person"):
        fitting.fit(source, fitting.Wanted(), learning.Effort(epochs=1), lambda *_: None)


def test_nobody_learns_from_whom_the_dataset_holds_out(tmp_path: Path, run: Any) -> None:
    folder = dataset(tmp_path / "real", [row for one in range(20) for row in life(one)])
    (folder / "metadata").mkdir()
    with duckdb.connect(":memory:") as database:
        told = "SELECT range AS subject_id, if(range < 15, 'train', 'held_out') AS split FROM range(20)"
        database.execute(f"COPY ({told}) TO '{folder}/metadata/subject_splits.parquet' (FORMAT parquet)")
    source = source_forms.found_in(folder, generated=False)
    assert (len(source.told().traits.ids), len(set(source.told().events.ids))) == (15, 15)
    assert source.told().notes[0] == "5 people whom the source itself holds out were left out"
    code, out, err = run("synth", "split", str(folder), "--out", str(tmp_path / "parts"), "--json")
    assert code == 0, err
    assert (json.loads(out)["train"], json.loads(out)["holdout"]) == (15, 5)


def test_what_was_made_is_read_as_it_was_made(model_path: Path, tmp_path: Path, run: Any) -> None:
    for format_ in ("ndjson", "meds"):
        words = ("--people", str(MOST), "--seed", "7", "--format", format_, "--out", str(tmp_path / format_))
        assert run("synth", "generate", str(model_path), *words)[0] == 0
    one, other = (
        fitting.like(source_forms.found_in(tmp_path / name, generated=True), model_file.opened(model_path).model)
        for name in ("ndjson", "meds")
    )
    assert one.people == other.people == MOST
    assert one.ticks == other.ticks
    assert (one.first == other.first).all()
    assert (one.times == other.times).all()
    assert (one.code == other.code).all()
    assert one.values.tolist() == pytest.approx(other.values.tolist(), nan_ok=True, abs=1e-9)
    for known, trait in zip(one.traits, other.traits, strict=True):
        assert (known.name, known.levels) == (trait.name, trait.levels)
        assert known.numbers.tolist() == pytest.approx(trait.numbers.tolist(), nan_ok=True)
    told = source_forms.found_in(tmp_path / "meds", generated=True).told()
    assert "age" in told.traits.traits
    assert writing.read_manifest(tmp_path / "meds") is not None


def test_rows_of_a_person_are_in_order_of_time_and_typed_as_meds_wants(
    model_path: Path, tmp_path: Path, run: Any
) -> None:
    words = ("--people", "30", "--format", "meds", "--out", str(tmp_path / "made"))
    assert run("synth", "generate", str(model_path), *words)[0] == 0
    with duckdb.connect(":memory:") as database:
        file = f"'{tmp_path}/made/data/00000.parquet'"
        types = {row[0]: row[1] for row in database.execute(f"DESCRIBE SELECT * FROM {file}").fetchall()}
        rows = database.execute(f"SELECT subject_id, time IS NOT NULL, time, code FROM {file}").fetchall()
    assert types == meds_files.COLUMNS
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    for person in range(30):
        mine = [(row[1], str(row[2] or "")) for row in rows if row[0] == person]
        assert mine == sorted(mine)
        assert sum(row[3] == "MEDS_BIRTH" for row in rows if row[0] == person) == 1
    assert json.loads((tmp_path / "made" / "metadata" / "dataset.json").read_text())["etl_name"] == "kjerne"


def test_dataset_of_another_form_is_refused_with_what_to_do(tmp_path: Path) -> None:
    old = "CREATE TABLE t (patient_id BIGINT, time TIMESTAMP, code VARCHAR, numeric_value FLOAT)"
    (tmp_path / "old" / "data").mkdir(parents=True)
    with duckdb.connect(":memory:") as database:
        database.execute(old)
        database.execute(f"COPY t TO '{tmp_path}/old/data/0.parquet' (FORMAT parquet)")
    with pytest.raises(Refusal, match="no column subject_id") as refused:
        read(tmp_path / "old")
    assert "convert an older dataset" in str(refused.value.todo)
    words = "CREATE TABLE t (subject_id BIGINT, time TIMESTAMP, code VARCHAR, numeric_value VARCHAR)"
    with pytest.raises(Refusal, match="numeric_value is no number"):
        read(dataset(tmp_path / "words", [(1, "2020-01-01", "LAB", "much")], columns=words))  # type: ignore[list-item]
    (tmp_path / "bad" / "data").mkdir(parents=True)
    (tmp_path / "bad" / "data" / "0.parquet").write_bytes(b"half")
    with pytest.raises(Refusal, match="no Parquet of MEDS"):
        read(tmp_path / "bad")


def test_folder_in_no_form_in_half_of_one_or_in_two_is_refused(tmp_path: Path, made_folder: Path) -> None:
    def refused(folder: Path) -> Refusal:
        with pytest.raises(Refusal) as found:
            source_forms.found_in(folder, generated=False)
        return found.value

    assert "nothing in it to learn from" in str(refused(tmp_path))
    assert "OMOP" in str(refused(tmp_path).todo)
    (tmp_path / "events.csv").write_text("id,days,code,value\n")
    assert "no table of static" in str(refused(tmp_path))
    assert "a source is a folder" in str(refused(tmp_path / "events.csv"))
    assert "no such folder" in str(refused(tmp_path / "nowhere"))
    (tmp_path / "static.csv").write_text("id,age\n")
    assert source_forms.found_in(tmp_path, generated=False).is_of == fitting.TABLES
    dataset(tmp_path, life(1))
    assert "tables of events and MEDS" in str(refused(tmp_path))
    assert tables.has(made_folder, "static")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "MEASUREMENT.csv").write_text("person_id\n")
    assert "no table person" in str(refused(tmp_path / "half"))


def test_unit_is_of_those_whose_values_have_it(tmp_path: Path) -> None:
    folder = dataset(
        tmp_path, [], columns="CREATE TABLE t AS SELECT i AS subject_id, TIMESTAMP '2020-01-01' + INTERVAL (i) DAY AS time, "
        "'X' AS code, CASE WHEN i = 7 THEN 3.0 END AS numeric_value, CASE WHEN i = 7 THEN 'olsen' END AS unit "
        "FROM range(120) r(i)",
    )  # fmt: skip
    told = read(folder)
    assert [one for one in told.events.units if one] == ["olsen"]
    people = tables.TraitTable(told.traits.ids, {"a": [f"{int(one) % 2}" for one in told.traits.ids]}, "")
    assert vocabulary.guarded(cohort_of(told.events, people), 10).units == ("",)


def test_year_that_is_nobodys_is_left_out_and_told(tmp_path: Path) -> None:
    told = read(dataset(tmp_path, [*life(1), (1, "0001-01-01", "LAB//HB", 1.0)]))
    assert max(day for day in told.events.days if day is not None) < 100
    assert "1 rows of a year that is nobody's were left out" in told.notes
