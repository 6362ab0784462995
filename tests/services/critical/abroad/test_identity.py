"""Who a foreign document is about, held against whom was chosen here."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.sandbox.numbers import person_number as made
from kjerne.services.critical.abroad.identity import check, compared, to_confirm

FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
HERE: dict[str, Any] = {
    "name": [{"family": "Ødegård-Lie", "given": ["Åse", "Marie"]}], "birthDate": "1970-05-01", "gender": "female",
}  # fmt: skip


def verdicts(digests: tuple[bytes, ...] = (b"1",), identify: Any = None, **abroad: Any) -> dict[str, str]:
    found = compared({**HERE, **abroad}, HERE, digests, identify or (lambda number: PatientRef(digest=number.encode())))
    return {str(key): value for key, value in found.items()}


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ({"family": "ODEGARD LIE", "given": ["Ase"]}, "same"),
        ({"text": "Aase Marie Odegard"}, "same"),
        ({"family": "Ödegård", "given": ["Marie"]}, "same"),
        ({"family": "Ødegård"}, "same"),
        ({"family": "Hansen", "given": ["Marie"]}, "other"),
        ({"family": "Hansen", "given": ["Ola"]}, "other"),
        ({"family": 7, "given": "x"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_names_are_the_same_by_two_words_whatever_letters_they_are_spelled_with(
    name: dict[str, Any], verdict: str
) -> None:
    assert verdicts(name=[name])["name"] == verdict


@pytest.mark.parametrize(
    ("born", "verdict"),
    [
        ("1970-05-01", "same"),
        ("1970", "same"),
        ("1970-06", "other"),
        ("1971", "other"),
        ("", "unknown"),
        ("1", "unknown"),
        ("19", "unknown"),
        ("1970-05-01T10:00", "unknown"),
    ],
)
def test_birth_dates_are_compared_as_far_as_both_are_told(born: str, verdict: str) -> None:
    assert verdicts(birthDate=born)["birth-date"] == verdict


def test_a_national_number_counts_and_another_countrys_does_not(person_number: str) -> None:
    own = {"system": FNR, "value": person_number}
    foreign = {"system": "urn:oid:1.2.752.129.2.1.3.1", "value": person_number}
    assert verdicts(digests=(person_number.encode(),), identifier=[own])["number"] == "same"
    assert verdicts(identifier=[own])["number"] == "other"
    assert verdicts(digests=(person_number.encode(),), identifier=[foreign])["number"] == "unknown"
    assert verdicts(identifier=[{"system": FNR, "value": "none"}, {"value": 3}])["number"] == "unknown"


@pytest.fixture
def person_number() -> str:
    return made(Random(7), date(1970, 5, 1), "female", set())


def refusal(found: dict[str, Any], confirmed: tuple[str, ...] = ()) -> tuple[int, list[str]]:
    with pytest.raises(Refusal) as caught:
        check(found, confirmed, 1)
    told = [caught.value.fault, *caught.value.faults]
    return caught.value.status, [one.rule for one in told if one]


def test_what_differs_is_told_until_it_is_confirmed() -> None:
    found: dict[str, Any] = verdicts(birthDate="1971", gender="male")
    assert to_confirm(found) == ("birth-date", "gender")
    assert refusal(found) == (409, ["other-birth-date", "other-gender"])
    assert refusal(found, ("gender",)) == (409, ["other-birth-date"])
    check(found, ("gender", "birth-date"), 1)


def test_what_is_not_told_is_confirmed_too_where_no_number_says_who_she_is() -> None:
    found: dict[str, Any] = verdicts(birthDate="", gender="")
    assert refusal(found) == (409, ["unknown-birth-date"])
    check({**found, "number": "same"}, (), 1)


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        ({"number": "other", "birth-date": "same", "name": "same", "gender": "same"}, "other-number"),
        ({"number": "unknown", "birth-date": "other", "name": "other", "gender": "same"}, "other-person"),
        ({"number": "unknown", "birth-date": "unknown", "name": "unknown", "gender": "same"}, "nobody"),
    ],
)
def test_another_person_or_nobody_is_refused_whoever_confirms(found: dict[str, Any], rule: str) -> None:
    assert refusal(found, ("birth-date", "name", "gender")) == (422, [rule])


def test_nothing_of_anybody_is_in_what_is_told() -> None:
    with pytest.raises(Refusal) as caught:
        check(verdicts(birthDate="1971-01-01", name=[{"family": "Hemmelig", "given": ["Marie"]}]), (), 1)  # type: ignore[arg-type]
    assert "Hemmelig" not in str(caught.value) and "1971" not in str(caught.value)
