"""Tables are read as they stand, what may not be learned stays out, and what is wrong is told with its place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import fitting, learning, tables, tuning, vocabulary
from kjerne.services.synthetic.cohorts import Cohort, cohort_of
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.vocabulary import grid_of, guarded

PEOPLE = "id,sex,age\n" + "".join(f"p{number},{'FM'[number % 2]},{20 + number % 60}\n" for number in range(120))


def cohort(folder: Path, events: str, people: str = PEOPLE, *leave_out: str) -> Cohort:
    (folder / "events.csv").write_text(events)
    (folder / "static.csv").write_text(people)
    return cohort_of(
        tables.read_events([folder / "events.csv"]), tables.read_traits([folder / "static.csv"]), leave_out
    )


def each(code: str, count: int, value: str = "") -> str:
    """An event of so many people."""
    return "".join(f"p{number},{number % 7},{code},{value}\n" for number in range(count))


HEAD = "id,days,code,value\n"


@pytest.mark.parametrize(
    ("events", "says", "where"),
    [
        ("", "the table is empty", "events.csv"),
        ("id,days,code\np1,1,a\n", "no column value", "events.csv"),
        (HEAD + "p1,1,a,1\np2,1,a\n", "a row has 3 cells, the head 4", "line 3"),
        (HEAD + "p1,yesterday,a,1\n", "the days is no number", "line 2"),
        (HEAD + "p1,1,a,1_000\n", "the value is no number", "line 2"),
        ("id,days,code,value,value\np1,1,a,1,2\n", "more than one column value", "events.csv"),
        (HEAD + "p1,1,,1\n", "the code is empty", "line 2"),
        (HEAD + "p1,1,a,1e99\n", "out of all bounds", "line 2"),
        (HEAD + "p1,1577836800,a,1\n", "the days are out of all bounds", "line 2"),
        ("id,days,code,value,value\np1,1,a,1,2\n", "more than one column value", "events.csv"),
        (HEAD + each("a", 9, "1") + "x1,1,a,1\nx2,1,a,1\n", "2 people have events and no row of traits", "events.csv"),
        ("id,days,code,value,unit\np1,1,hb,14,g/dL\np2,1,hb,140,g/L\np3,1,hb,13,g/dL\n",
         r"hb has values in several units: g/dL \(2\), g/L \(1\)", "events.csv"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_table_of_events_is_told_with_its_place(
    tmp_path: Path, events: str, says: str, where: str
) -> None:
    with pytest.raises(Refusal, match=says) as refused:
        cohort(tmp_path, events)
    assert where in refused.value.where


@pytest.mark.parametrize("name", ["sex", "id", ""])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    people = f"id,sex,age,{name},{name}\n" + "".join(f"p{number},F,40,1,2\n" for number in range(120))
    with pytest.raises(Refusal, match="more than one column") as refused:
        cohort(tmp_path, HEAD + each("a", 20), people)
    assert "static.csv" in refused.value.where


def test_byte_order_mark_of_a_spreadsheet_is_no_part_of_a_name(tmp_path: Path) -> None:
    plain = cohort(tmp_path, HEAD + each("a", 20))
    marked = cohort(tmp_path, "\ufeff" + HEAD + each("a", 20), "\ufeff" + PEOPLE)
    assert [one.name for one in marked.traits] == [one.name for one in plain.traits]
    assert marked.codes == plain.codes
    (tmp_path / "events.ndjson").write_text('\ufeff{"id": "p1", "days": 1, "code": "a", "value": null}\n')
    assert tables.read_events([tmp_path / "events.ndjson"]).ids == ["p1"]


def test_table_of_a_norwegian_spreadsheet_is_read_with_its_commas(tmp_path: Path) -> None:
    table = tmp_path / "events.csv"
    table.write_text('id;days;code;value\np1;1;"hb, kapillær";13,5\np1;-2,25;a,b;\n', encoding="utf-8")
    found = tables.read_events([table])
    assert (found.days, found.codes, found.values) == ([1, -2.25], ["hb, kapillær", "a,b"], [13.5, None])


def test_same_event_told_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    found = cohort(tmp_path, HEAD + "p1,1,a,5\np1,1,a,5\np1,1,a,6\np2,,a,5\nx1,1,a,5\n" + each("b", 20))
    assert {5, 6} & set(found.values.tolist()) == {6}
    assert found.notes == (
        "1 people have events and no row of traits, and were left out",
        "1 events have no day, and were left out",
        "1 events stood twice and 1 once more with another value: one was kept",
    )


def test_identifiers_constants_and_free_text_do_not_come_in(tmp_path: Path) -> None:
    people = "id,age,case_id,country,remark\n" + "".join(
        f"p{n},{20 + n % 60},{n},NO,seen {n * 7}\n" for n in range(120)
    )
    found = cohort(tmp_path, HEAD + each("a", 20), people)
    assert [one.name for one in found.traits] == ["age"]
    assert [note.split(" ")[2] for note in found.notes] == ["case_id", "country", "remark"]


def test_code_that_is_free_text_is_left_out_and_told(tmp_path: Path) -> None:
    sentence = "Pasienten ringte og fortalte om sin mor. " * 4
    wordy = "".join(
        f'p{one},1,"{text}",\n' for one in range(30) for text in (sentence, "kari@example.no", "to\nlinjer")
    )
    found = cohort(tmp_path, HEAD + each("a", 40, "1") + wordy)
    assert found.codes == ("a",)
    assert "90 events of 3 codes look like free text, and were left out" in found.notes


def test_numbers_of_eleven_digits_are_refused_and_not_shown(tmp_path: Path) -> None:
    people = "id,age,code\np1,20,17912099997\np2,30,2\n"
    with pytest.raises(Refusal, match="the trait code holds numbers of eleven digits") as refused:
        cohort(tmp_path, HEAD + "p1,1,a,\n", people)
    assert "17912099997" not in str(refused.value)


def test_mark_of_a_spreadsheet_before_the_head_is_passed_by(tmp_path: Path) -> None:
    assert cohort(tmp_path, "\ufeff" + HEAD + each("a", 20), "\ufeff" + PEOPLE).people == 120


def test_trait_out_of_all_bounds_is_refused(tmp_path: Path) -> None:
    for cell in ("inf", "1e308"):
        with pytest.raises(Refusal, match="out of all bounds"):
            cohort(tmp_path, HEAD + each("a", 20), PEOPLE + f"p900,F,{cell}\n")


def test_hours_long_after_day_0_stay(tmp_path: Path) -> None:
    found = cohort(tmp_path, HEAD + "".join(f"p{n},{25_000 + n}.25,a,\n" for n in range(20)))
    assert found.ticks == 24
    assert found.times[0] == 25_000 * 24 + 6


def test_every_format_holds_the_same_cohort(tmp_path: Path) -> None:
    plain = cohort(tmp_path, HEAD + each("a", 30, "1.5") + each("b", 30))
    packed = tmp_path / "events.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "events.csv").read_bytes()))
    lines = tmp_path / "events.ndjson"
    both = [(number, code, value) for code, value in (("a", 1.5), ("b", None)) for number in range(30)]
    rows = [
        json.dumps({"id": f"p{number}", "days": number % 7, "code": code, "value": value})
        for number, code, value in both
    ]
    lines.write_text("\n".join(rows))
    for path in (packed, lines):
        other = cohort_of(tables.read_events([path]), tables.read_traits([tmp_path / "static.csv"]))
        assert np.array_equal(other.values, plain.values, equal_nan=True)
        assert np.array_equal(other.times, plain.times)
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(Refusal, match="cut off or damaged"):
        tables.read_events([packed])
    lines.write_text('{"id":"p1","days":[1],"code":"a","value":1}\n')
    with pytest.raises(Refusal, match="no flat JSON object"):
        tables.read_events([lines])


def test_parts_of_a_table_are_found_in_their_order(tmp_path: Path) -> None:
    for name in ("events-00001.csv", "events-00000.csv", "events_old.csv", "static.parquet"):
        (tmp_path / name).touch()
    assert [path.name for path in tables.files_of(tmp_path, "events")] == ["events-00000.csv", "events-00001.csv"]
    with pytest.raises(Refusal, match="no table of others"):
        tables.files_of(tmp_path, "others")


def test_code_of_few_people_goes_to_its_parent_or_is_left_out(tmp_path: Path) -> None:
    events = HEAD + each("E11.9", 6) + each("E11.2", 4).replace("p", "p1") + each("X", 9) + each("C10AA05", 12)
    found = guarded(cohort(tmp_path, events), 10)
    assert found.codes == ("C10AA05", "E11")
    assert found.notes[-2:] == (
        "10 events with codes of fewer than 10 people were learned under the code above",
        "9 events of 1 codes of fewer than 10 people were left out",
    )
    assert vocabulary.parent_of("C10AA05") == "C10AA"
    assert not vocabulary.parent_of("hdl")


def test_too_few_people_and_codes_are_told(tmp_path: Path) -> None:
    some = cohort(tmp_path, HEAD + each("a", 5))
    with pytest.raises(Refusal, match="too few people to learn from: 120"):
        guarded(some, 13)
    with pytest.raises(Refusal, match="no code is had by 10 people"):
        guarded(some, 10)


def test_no_cell_and_no_end_of_a_grid_is_of_fewer_people_than_k() -> None:
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(300), 5)
    numbers = np.round(rng.lognormal(3, 1, 1500), 1)
    numbers[:5], people[:5] = 9999.0, 7  # one person's values, far from all others
    grid = grid_of(numbers, people, 10)
    assert grid is not None
    cells = grid.cells(numbers)
    assert min(len(np.unique(people[cells == cell])) for cell in range(len(grid.low))) >= 10
    assert grid.high[-1] < 1000
    assert np.all(np.diff(grid.edges[1:-1]) > 0)
    drawn = grid.numbers(cells, rng.random(1500).astype(np.float32))
    assert np.array_equal(grid.cells(drawn), cells)
    assert np.allclose(drawn, np.round(drawn, 1))


def test_time_that_ends_before_events_do_is_refused(source: fitting.Source) -> None:
    with pytest.raises(Refusal, match="events are later than the trait age says"):
        fitting.fit(source, fitting.Wanted(until="age"), learning.Effort(), lambda *_: None)
    with pytest.raises(Refusal, match="no measured trait sex"):
        fitting.fit(source, fitting.Wanted(age="sex"), learning.Effort(), lambda *_: None)


def quickly(folder: Path, events: str, people: str, **wanted: str) -> Model:
    """A model of two tables, learned in a moment."""
    (folder / "events.csv").write_text(events)
    (folder / "static.csv").write_text(people)
    source = fitting.Source([folder / "events.csv"], [folder / "static.csv"], generated=False)
    effort = learning.Effort(hidden=(8,), epochs=1)
    return fitting.fit(source, fitting.Wanted(**wanted), effort, lambda *_: None)[0]


@pytest.fixture
def little_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model here need not be good."""
    monkeypatch.setattr(tuning, "ROUNDS", 0)


MOMENTS = HEAD + "".join(
    f"p{number},{day},hb,{12 + number % 5}\n" for number in range(120) for day in (0, 30 + number % 9)
)


def test_column_that_is_empty_or_that_few_have_is_no_trait(tmp_path: Path, little_tuning: None) -> None:
    head, *rows = PEOPLE.splitlines()
    more = [f"{row},,{'yes' if place < 3 else ''}" for place, row in enumerate(rows)]
    model = quickly(tmp_path, MOMENTS, "\n".join([f"{head},nothing,few", *more]))
    assert [one.name for one in model.traits] == ["sex", "age"]
    assert "the trait nothing is empty, and was left out" in model.card["notes"]
    assert "the trait few has no level of 10 people, and was left out" in model.card["notes"]
    with pytest.raises(Refusal, match="no trait is left"):
        quickly(tmp_path, MOMENTS, "\n".join(["id,nothing", *(f"{row.split(',')[0]}," for row in rows)]))


def test_people_of_few_different_ages_have_an_age(tmp_path: Path, little_tuning: None) -> None:
    people = "id,sex,age\n" + "".join(f"p{one},{'FM'[one % 2]},{60 + one // 2 % 6}\n" for one in range(120))
    model = quickly(tmp_path, MOMENTS, people, age="age")
    assert model.traits[model.age].grid is not None


def test_people_who_are_compared_have_the_class_under_which_their_code_was_learned(
    tmp_path: Path, little_tuning: None
) -> None:
    rare = "".join(f"p{number},5,E11.{number},\n" for number in range(12))
    model = quickly(tmp_path, MOMENTS + rare, PEOPLE)
    found = fitting.like(fitting.Source([tmp_path / "events.csv"], [tmp_path / "static.csv"], generated=False), model)
    assert int((found.code == model.codes.index("E11")).sum()) == 12
    assert not found.notes
