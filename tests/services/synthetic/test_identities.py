"""Who generated people are: numbers of which none is given twice, and nobody's beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.services.synthetic import identities, model_file, number_shares
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.fhir_mapping import meaning_of
from kjerne.services.synthetic.histories import age_at
from kjerne.services.synthetic.identities import Identity, Wishes
from kjerne.services.synthetic.sampling import BLOCK, block
from kjerne.services.synthetic.streams import Streams

NOBODY = np.zeros(0, np.int64)
Name = Callable[..., list[Identity]]


@pytest.fixture(scope="module")
def whole(kept: model_file.Kept) -> Cohort:
    return block(kept.model, Streams(kept.hash, 7), 0, kept.copies)


@pytest.fixture(scope="module")
def name(kept: model_file.Kept, whole: Cohort) -> Name:
    """Names the people of a block with the lives of block 0."""

    def named(number: int = 0, count: int = BLOCK, **wishes: Any) -> list[Identity]:
        sex, streams = meaning_of(kept.model).sex, Streams("somebody", 7)
        return identities.of_block(kept.model, whole, number, streams, Wishes(**wishes), sex, count)

    return named


def pool_of(people: list[Identity], path: Path, *more: str) -> Path:
    rows = [f"{one.number},{one.given},{one.family}" for one in people]
    path.write_text("\n".join(["number,given,family", *rows, *more]) + "\n", encoding="utf-8")
    return path


def test_every_number_belongs_to_one_block() -> None:
    parts = [part for block in range(number_shares.BLOCKS) for part in number_shares.parts_of(block)]
    assert sorted(parts) == list(range(number_shares.PARTS))


@pytest.mark.parametrize("checksum", identities.CHECKSUMS)
@pytest.mark.parametrize("number", [0, 255, 256, 2047])
def test_share_of_a_block_tells_birth_sex_and_rule(number: int, checksum: Any) -> None:
    for sex, d_number in (("female", False), ("male", True)):
        found = number_shares.shelf(number, sex, checksum, d_number=d_number, month=80, excluded=NOBODY)  # type: ignore[arg-type]
        for draw in np.linspace(0, 0.99, 40):
            taken = found.take(date(1930, 1, 1).toordinal(), date(2039, 12, 31).toordinal(), float(draw))
            assert taken is not None
            born, read = date.fromordinal(taken[0]), identifiers.parse(taken[1])
            assert (read.synthetic, read.rule, read.kind) == (True, checksum, "DNR" if d_number else "FNR")
            assert read.birth_date == (born if checksum == "1964" else None)
            assert int(taken[1][2:6]) == (born.month + 80) * 100 + born.year % 100
            assert checksum == "2032" or int(taken[1][8]) % 2 == (sex == "male")


def test_centenarians_of_long_ago_have_numbers_too() -> None:
    found = number_shares.shelf(300, "female", "1964", d_number=False, month=80, excluded=NOBODY)
    taken = found.take(date(1880, 1, 1).toordinal(), date(1899, 12, 31).toordinal(), 0.5)
    assert taken is not None
    assert identifiers.parse(taken[1]).birth_date == date.fromordinal(taken[0])


def test_people_have_the_age_and_sex_that_the_model_gave_them_and_nothing_lies_ahead(
    name: Name, kept: model_file.Kept, whole: Cohort
) -> None:
    people = name()
    assert len({one.number for one in people}) == BLOCK
    ages, sexes = whole.traits[0].numbers, kept.model.traits[1].levels
    last = [whole.times[a:b].max(initial=0) for a, b in zip(whole.first[:-1], whole.first[1:], strict=True)]
    end = date(2025, 12, 31).toordinal()
    for place, one in enumerate(people):
        born, day_0 = date.fromordinal(one.born), date.fromordinal(one.day_0)
        assert day_0.year - born.year - ((day_0.month, day_0.day) < (born.month, born.day)) == ages[place]
        assert one.sex == {"F": "female", "M": "male"}[sexes[int(whole.traits[1].numbers[place])]]
        assert one.day_0 + int(last[place]) <= end
    d_numbers = sum(one.system.endswith(".2") for one in people)
    assert 40 < d_numbers < 130
    assert sum(identifiers.parse(one.number).rule == "1964" for one in people) == BLOCK


def test_nobodys_identity_hangs_on_how_many_are_made_and_blocks_share_no_number(name: Name) -> None:
    first, other = name(), name(1)
    assert [one.number for one in name(count=20)] == [one.number for one in first[:20]]
    assert not {one.number for one in first} & {one.number for one in other}
    assert [one.family for one in first] != [one.family for one in other]


@pytest.mark.parametrize("turn", [0, 1, 255, 4_000_000_007])
def test_every_run_deals_each_share_to_one_block_and_another_run_deals_otherwise(turn: int) -> None:
    dealt = [number_shares.turned(block, turn) for block in range(number_shares.BLOCKS)]
    assert sorted(dealt) == list(range(number_shares.BLOCKS))
    assert max(dealt[: number_shares.BLOCKS_FIRST]) < number_shares.BLOCKS_FIRST
    assert (dealt[0] == number_shares.turned(0, turn + 1)) is False


def test_who_has_a_code_until_some_age_is_not_older_by_her_birth_date(kept: model_file.Kept, whole: Cohort) -> None:
    ages = age_at(whole.traits[kept.model.age].numbers[whole.persons], whole.times.astype(float), whole.ticks)
    below = [float(np.floor(ages[whole.code == code].max()) + 1) for code in range(len(kept.model.codes))]
    rules = replace(kept.model.rules, ages=tuple((0.0, one) for one in below))
    streams = Streams("somebody", 7)
    people = identities.of_block(replace(kept.model, rules=rules), whole, 0, streams, Wishes(), None, BLOCK)
    for person, code, time in zip(whole.persons.tolist(), whole.code.tolist(), whole.times.tolist(), strict=True):
        born, day = (date.fromordinal(one) for one in (people[person].born, people[person].day_0 + time // whole.ticks))
        assert day.year - born.year - ((day.month, day.day) < (born.month, born.day)) < below[code]


def test_where_the_rule_of_1964_has_no_number_left_the_one_of_2032_has(
    name: Name, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = number_shares.shelf

    def little(number: int, sex: Any, checksum: Any, **more: Any) -> number_shares.Shelf:
        found = shelf(number, sex, checksum, **more)
        return number_shares.Shelf(NOBODY, NOBODY) if checksum == "1964" and sex == "female" else found

    monkeypatch.setattr(identities, "shelf", little)
    people = name(count=1000)
    assert {(one.sex, identifiers.parse(one.number).rule) for one in people} == {("female", "2032"), ("male", "1964")}
    assert len({one.number for one in people}) == 1000


def test_no_one_has_a_number_past_the_last_share(name: Name) -> None:
    with pytest.raises(Refusal, match="only 8388608 people"):
        name(number_shares.BLOCKS)


def test_months_and_rules_are_chosen_and_a_real_month_is_none(name: Name) -> None:
    people = name(count=50, month=65, checksum="2032")
    assert {identifiers.parse(one.number).rule for one in people} == {"2032"}
    assert all(65 < int(one.number[2:4]) < 78 for one in people)
    for wrong in ({"month": 0}, {"checksum": "1900"}, {"until": "soon"}):
        asked = {"month": 80, "checksum": "1964", "until": "2025-12-31"} | wrong
        with pytest.raises(Refusal):
            identities.wished(d_numbers=0, span_years=5, pool=None, exclude=None, **asked)  # type: ignore[arg-type]


def test_numbers_that_are_excluded_are_given_to_nobody(name: Name, tmp_path: Path) -> None:
    taken, path = {one.number for one in name(count=300)}, tmp_path / "taken.txt"
    path.write_text("number\n" + "\n".join(sorted(taken)))
    assert not taken & {one.number for one in name(exclude=str(path))}


def test_people_of_a_pool_are_given_to_lives_that_fit_them(name: Name, tmp_path: Path) -> None:
    pool = pool_of(name(3), tmp_path / "pool.csv")
    names = {one.number: (one.given, one.family) for one in name(3)}
    people = name(count=200, pool=str(pool), span_years=20)
    assert len({one.number for one in people}) == 200
    for one in people:
        assert names[one.number] == (one.given, one.family)
        assert (int(one.number[8]) % 2 == 1) == (one.sex == "male")
        assert one.street == ""
    with pytest.raises(Refusal, match="nobody in the pool fits person"):
        name(pool=str(pool_of(name(3, count=10), tmp_path / "few.csv")))


def test_number_of_a_real_person_is_refused_and_not_repeated(name: Name, tmp_path: Path) -> None:
    real = "17912099997"[:2] + "0" + "1" + "2099997"
    nine = f"{real[:9]}"
    real = nine + identifiers.control_digits(nine)
    pool = pool_of(name(count=2), tmp_path / "pool.csv", f"{real},Ola,Nordmann")
    for wishes in ({"pool": pool, "exclude": None}, {"pool": None, "exclude": pool}):
        with pytest.raises(Refusal, match="not one of a synthetic person") as refused:
            identities.wished(80, "1964", 0.02, "2025-12-31", 10, **wishes)
        assert "line 4" in str(refused.value)
        assert real not in str(refused.value)
