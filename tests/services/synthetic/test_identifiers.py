"""Direct identifiers and free text do not come in, whatever they are called and however a table writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import identifiers
from kjerne.services.synthetic.cohorts import Cohort, cohort_of
from kjerne.services.synthetic.tables import EventTable, TraitTable
from kjerne.services.synthetic.vocabulary import guarded

PEOPLE = 150


def cohort(
    trait: str = "", cells: list[str | None] | None = None, *, units: list[str] | None = None, values: float = 1.0
) -> Cohort:
    """People with their ages, one trait more, and an event each."""
    ids = [f"p{number}" for number in range(PEOPLE)]
    traits: dict[str, list[str | None]] = {"age": [str(20 + number % 60) for number in range(PEOPLE)]}
    if cells is not None:
        traits[trait] = cells
    events = EventTable(ids, [1.0] * PEOPLE, ["hb"] * PEOPLE, [values] * PEOPLE, units or [""] * PEOPLE, "events.csv")
    return cohort_of(events, TraitTable(ids, traits, "static.csv"))


@pytest.mark.parametrize(
    "name",
    ["ssn_nr", "telefon", "mobil", "Fødselsnummer", "fodselsnummer", "personnummer", "pasientid", "PatientID", "mrn", "journalnr",
     "postnr", "patientName", "name_of_mother", "e-post", "epost", "kontaktTelefon", "uuid", "case id", "phone_number", "dnr",
     "fastlege", "HPR"],
)  # fmt: skip
def test_name_of_an_identifier_is_known(name: str) -> None:
    assert identifiers.is_named(name)


@pytest.mark.parametrize(
    "name", ["age", "sex", "bmi", "covid", "steroid", "lipid", "rapid_test", "number_of_visits", "kommune", "no_children",
     "until", "smokes_yes_no", "diagnosis", "mobile"],
)  # fmt: skip
def test_name_of_a_trait_is_none(name: str) -> None:
    assert not identifiers.is_named(name)


def numbers(least: int, most: int, written: str = "{}") -> Callable[[], list[str | None]]:
    return lambda: [written.format(one) for one in np.random.default_rng(1).integers(least, most, PEOPLE)]


def days(form: str) -> Callable[[], list[str | None]]:
    return lambda: [
        (np.datetime64("1950-01-01") + np.timedelta64(97 * n, "D")).item().strftime(form) for n in range(PEOPLE)
    ]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (numbers(40_000_000, 99_999_999), "an identifier"),  # a telephone
        (numbers(101_800_000, 999_999_999, "{}.0"), "an identifier"),
        (lambda: [str(7 * PEOPLE + 3 * number) for number in range(PEOPLE)], "an identifier"),  # a running number
        (days("%Y%m%d"), "dates"),
        (days("%d%m%Y"), "dates"),
        (days("%y%m%d"), "dates"),
        (days("%Y-%m"), "dates"),
        (days("%d.%m.%Y"), "dates"),
    ],
)
def test_what_its_values_say_is_an_identifier_or_a_date_is_left_out_and_told(
    cells: Callable[[], list[str | None]], says: str
) -> None:
    found = cohort("extra", cells())
    assert [one.name for one in found.traits] == ["age"]
    assert says in found.notes[-1]


@pytest.mark.parametrize(
    "cells",
    [
        numbers(300, 3000),
        numbers(18, 45),
        lambda: [f"{one:.1f}" for one in np.random.default_rng(1).normal(80, 9, PEOPLE)],
        lambda: [f"{one:.11f}" for one in np.random.default_rng(1).random(PEOPLE)],
        lambda: [str(int(one) * 1000) for one in np.random.default_rng(1).integers(140, 400, PEOPLE)],
    ],
)
def test_measurement_stays(cells: Callable[[], list[str | None]]) -> None:
    assert [one.name for one in cohort("extra", cells()).traits] == ["age", "extra"]


@pytest.mark.parametrize(
    "written", ["17912099997.0", " 17912099997", "179120 99997", "see 17912099997", "1.7912099997e10"]
)
def test_person_number_is_refused_however_it_is_written_and_not_shown(written: str) -> None:
    with pytest.raises(Refusal, match="numbers of eleven digits") as refused:
        cohort("extra", [written, *["3"] * (PEOPLE - 1)])
    assert "99997" not in str(refused.value)


def test_person_numbers_that_lost_their_nought_are_refused() -> None:
    cells = numbers(0, 99_999, "10180{:05d}")()  # 01 01 80, and five digits
    with pytest.raises(Refusal, match="numbers of eleven digits"):
        cohort("extra", cells)


def test_values_that_are_person_numbers_are_refused() -> None:
    with pytest.raises(Refusal, match="values of the code hb are numbers of eleven digits"):
        cohort(values=17912099997.0)


def test_code_that_holds_a_persons_number_is_refused_and_a_long_code_is_none() -> None:
    def of(code: str) -> Cohort:
        ids = [f"p{number}" for number in range(20)]
        traits: dict[str, list[str | None]] = {"sex": [*"FM" * 10]}
        events = EventTable(ids, [1.0] * 20, [code] * 20, [None] * 20, [""] * 20, "events.csv")
        return cohort_of(events, TraitTable(ids, traits, "static.csv"))

    for code in ("the patient 17912099997 rang", "179120 99997"):
        with pytest.raises(Refusal, match="a code holds the number of a person") as refused:
            of(code)
        assert "99997" not in str(refused.value)
    for code in ("99000000000", "900000000000013009", "NPU18016"):
        assert of(code).codes == (code,)


def test_unit_of_few_people_or_with_somebody_in_it_is_left_out_and_told() -> None:
    rare = guarded(cohort(units=["", "Ola 17912099997", *[""] * (PEOPLE - 2)]), 10)
    assert rare.units == ("",)
    assert rare.notes[-1] == "the unit of 1 codes is had by fewer than 10 people, or is no unit, and was left out"
    assert guarded(cohort(units=["Ola Nordmann, Storgata 12345"] * PEOPLE), 10).units == ("",)
    assert guarded(cohort(units=["10*9/L"] * PEOPLE), 10).units == ("10*9/L",)


def test_units_that_contradict_each_other_are_not_shown_where_they_are_none(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"several units: g/dL \(149\), \(no unit\) \(1\)") as refused:
        cohort(units=["Ola 17912099997", *["g/dL"] * (PEOPLE - 1)])
    assert "Ola" not in str(refused.value)
