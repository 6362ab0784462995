"""The messages of the sandbox: valid, the same for the same seed, and telling the stories that the pages must show."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kjerne.sandbox.life import messages, reports
from kjerne.sandbox.people import Part, Population
from kjerne.sandbox.population import generate
from kjerne.svarrapport import Item, Number, Report, write

TODAY, SEED = date(2026, 11, 23), 20261123
SCHEMAS = Path(__file__).parents[2] / ".." / "shared" / "data" / "schemas" / "kith"


@pytest.fixture(scope="module")
def population() -> Population:
    return generate(250, SEED, TODAY)


@pytest.fixture(scope="module")
def made(population: Population) -> list[Report]:
    return list(reports(population, SEED, TODAY))


def of(population: Population, made: list[Report], part: Part) -> list[Report]:
    """The reports about the person who plays `part`."""
    numbers = {one.value for one in population.by_key[population.cast[part]].numbers}
    return [report for report in made if report.patient.number in numbers]


def measured(report: Report, code: str) -> list[Item]:
    return [item for item in report.patient.items if any(one.value == code for one in item.codes)]


def results(found: list[Report], code: str) -> list[Number]:
    return [item.result for report in found for item in measured(report, code) if isinstance(item.result, Number)]


def test_the_same_seed_gives_the_same_bytes_in_another_process(population: Population) -> None:
    here = hashlib.sha256(b"".join(messages(population, SEED, TODAY))).hexdigest()
    told = (
        "import hashlib; from datetime import date; from kjerne.sandbox.life import messages; "
        "from kjerne.sandbox.population import generate; "
        f"p = generate(250, {SEED}, date(2026, 11, 23)); "
        f"print(hashlib.sha256(b''.join(messages(p, {SEED}, date(2026, 11, 23)))).hexdigest())"
    )
    source = str(Path(__file__).parents[2] / "src")
    there = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": source},
    )  # fmt: skip
    assert there.stdout.strip() == here


def _schema(name: str) -> etree.XMLSchema:
    """The published schema, with its import pointed at the file beside it."""
    beside = f'schemaLocation="{(SCHEMAS / "kith.xsd").resolve().as_uri()}"'.encode()
    text = re.sub(rb'schemaLocation="[^"]*kith.xsd"', beside, (SCHEMAS / name).read_bytes())
    return etree.XMLSchema(etree.fromstring(text))


@pytest.mark.skipif(not SCHEMAS.exists(), reason="needs the KITH schemas in ../shared")
def test_every_message_is_valid_against_the_schema_of_its_version(made: list[Report]) -> None:
    schema = {"1.4": _schema("svar-v1.4.xsd"), "1.3": _schema("svar-v13.xsd")}
    for report in made:
        schema[report.version].assertValid(etree.fromstring(write(report)))
    assert {report.version for report in made} == {"1.3", "1.4"}


def test_message_ids_never_repeat_and_a_report_keeps_its_id_and_first_date(made: list[Report]) -> None:
    assert max(Counter(report.message_id for report in made).values()) == 1
    chains: dict[tuple[str, str], list[Report]] = {}
    for report in made:
        chains.setdefault((report.laboratory.department_her, report.id), []).append(report)
    for chain in chains.values():
        assert [one.kind for one in chain].count("N") == 1
        assert chain[0].kind == "N"
        assert len({one.issued for one in chain}) == len({one.patient.number for one in chain}) == 1
        assert sorted(one.made_at for one in chain) == [one.made_at for one in chain]
    assert any(len(chain) > 1 for chain in chains.values())


def test_nothing_is_from_the_future_or_from_before_birth(population: Population, made: list[Report]) -> None:
    owner = {one.value: person for person in population.people for one in person.numbers}
    for report in made:
        person = owner[report.patient.number]
        assert report.made_at < datetime(TODAY.year, TODAY.month, TODAY.day)  # noqa: DTZ001 local time as sent
        for sample in report.patient.samples:
            assert person.birth_date <= sample.collected.date() <= report.made_at.date()
            assert person.death_date is None or sample.collected.date() < person.death_date


def test_everybody_living_has_something_in_the_year(population: Population, made: list[Report]) -> None:
    seen = {report.patient.number for report in made}
    grown = [one for one in population.people[: population.residents] if one.age(TODAY) >= 2 and not one.death_date]
    with_answers = [one for one in grown if seen & {number.value for number in one.numbers}]
    assert len(with_answers) >= 0.95 * len(grown)


def test_flags_agree_with_the_printed_range(made: list[Report]) -> None:
    for report in made:
        for item in report.patient.items:
            if not isinstance(item.result, Number) or item.result.comparator or not item.reference:
                continue
            value, shown = float(item.result.value), item.reference.replace(",", ".")
            low, high = float("-inf"), float("inf")
            if shown.startswith("<"):
                high = float(shown[1:])
            elif shown.startswith(">"):
                low = float(shown[1:])
            else:
                low, high = map(float, shown.split(" - "))
            expected = "1" if value > high else "2" if value < low else ""
            assert item.deviation == expected, (item.codes, value, shown)


def test_a_protected_address_is_on_no_message(population: Population, made: list[Report]) -> None:
    hidden = {one.nin: one for one in population.people if one.protection != "ugradert"}
    about = [report for report in made if report.patient.number in hidden]
    assert about
    for report in about:
        assert report.patient.home is None
        assert hidden[report.patient.number].address.street.encode() not in write(report)


def test_the_demo_patient_has_eighteen_months_of_diabetes(population: Population, made: list[Report]) -> None:
    found = of(population, made, "citizen")
    assert len(found) >= 20
    assert TODAY - found[0].made_at.date() > timedelta(days=530)
    sugar = [int(one.value) for one in results(found, "NPU27300")]
    assert len(sugar) >= 6
    assert sugar[0] > 60 > sugar[-1]
    assert all(results(found, code) for code in ("NPU04998", "NOR25909", "NPU03230", "NPU01566", "NPU19661"))


def test_the_demo_patient_has_open_values_and_one_analysis_in_two_units(
    population: Population, made: list[Report]
) -> None:
    found = of(population, made, "citizen")
    assert Number("5", "mg/L", "LT") in results(found, "NPU19748")
    assert {one.unit for one in results(found, "NOR05172")} == {"g/dL"}
    assert {one.unit for one in results(found, "NPU28309")} == {"g/L"}


def test_the_demo_patients_potassium_was_corrected(population: Population, made: list[Report]) -> None:
    found = of(population, made, "citizen")
    changed = next(report for report in found if report.kind == "M" and report.discipline == "CLIN")
    first = next(report for report in found if report.id == changed.id and report.kind == "N")
    assert [one.value for one in results([first], "NPU03230")] == ["6.1"]
    assert [one.value for one in results([changed], "NPU03230")] == ["4.4"]
    assert [item.kind for item in changed.patient.items].count("M") == 1
    assert "6,1" in measured(changed, "NPU03230")[0].comment


def test_the_demo_patients_culture_went_from_preliminary_to_final(population: Population, made: list[Report]) -> None:
    found = [report for report in of(population, made, "citizen") if report.discipline == "MBIO"]
    assert [(report.kind, report.status) for report in found] == [("N", "P"), ("M", "F")]
    answers = {code.value for item in found[1].patient.items if item.refers for code in item.result.codes}  # type: ignore[union-attr]
    assert answers == {"S", "I", "R"}


def test_the_demo_patient_meets_already_done_and_a_delayed_answer(population: Population, made: list[Report]) -> None:
    found = of(population, made, "citizen")
    taken = [report.made_at.date() for report in found if measured(report, "NPU27547")]
    assert timedelta(0) < TODAY - taken[-1] < timedelta(days=30)
    assert taken[-1] - taken[-2] < timedelta(days=42)
    delayed = [report for report in found if report.request.withhold_until]
    assert [report.request.withhold_until > TODAY for report in delayed if report.request.withhold_until] == [True]
    assert b'V="NORU"' in write(delayed[0])
    assert {"RTG", "CT", "HIST"} <= {report.discipline for report in found}


def test_the_newborns_sample_is_on_the_mothers_number_and_marked(population: Population, made: list[Report]) -> None:
    mothers = of(population, made, "new-mother")
    report = next(one for one in mothers if one.patient.second)
    child = report.patient.second
    assert child is not None
    assert child.number == report.patient.number
    assert child.relation is not None
    assert child.items
    assert not report.patient.items
    assert not of(population, made, "newborn")


def test_answers_stand_under_the_number_that_held_that_day(population: Population, made: list[Report]) -> None:
    kinds = [report.patient.number_kind for report in of(population, made, "renumbered")]
    assert kinds == ["DNR", "FNR"]


@settings(max_examples=12, deadline=None)
@given(st.dates(date(2025, 1, 1), date(2030, 12, 31)))
def test_the_stories_are_told_whole_whatever_day_it_is(today: date) -> None:
    population = generate(15, SEED, today)
    told = list(reports(population, SEED, today))
    assert Counter(report.kind for report in told) == {"N": 48, "M": 3}
    assert all(report.made_at.date() < today for report in told)
