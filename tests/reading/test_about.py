"""Whom a document says that it is about is compared with the patient that it was asked for."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.reading.about import NUMBERS_LIMIT, compared, national

HERS, OTHER = "15887099918", "15887099829"
PERSON = "2.16.578.1.12.4.1.4."


@pytest.mark.parametrize(
    ("named", "said"),
    [((), "unsaid"), ((HERS,), "same"), ((OTHER,), "another"), ((HERS, OTHER), "another")],
)
def test_one_number_that_is_not_hers_makes_it_anothers(named: tuple[str, ...], said: str) -> None:
    assert compared(named, {HERS}) == said


def test_a_person_with_two_numbers_is_the_same_under_either() -> None:
    assert compared((OTHER,), {HERS, OTHER}) == compared((OTHER, HERS), {HERS, OTHER}) == "same"


def test_national_numbers_are_known_by_their_system_however_it_is_spelled() -> None:
    found = national([
        (f"{PERSON}1", HERS), (f"urn:oid:{PERSON}2", "158870 99829"), ("1.2.3", "15887099900"), ("", "A12"), (f"{PERSON}1", HERS),
    ])  # fmt: skip
    assert found == (HERS, OTHER)


def test_a_document_about_too_many_is_none_of_one() -> None:
    with pytest.raises(Refusal) as refused:
        national(("", str(15887000000 + n)) for n in range(NUMBERS_LIMIT + 1))
    assert refused.value.where == "document_people"
