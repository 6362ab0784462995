"""Page links: sealed, an hour long, and worth nothing to anybody but the caller they were made for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kjerne.access import Attestation, Caller, Grant, Label, Subject
from kjerne.errors import Refusal
from kjerne.store.cursors import Cursors, token_in

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ATTESTATION = Attestation(
    b"d" * 16, "9001", "LE", "1", "2", "", None, "TREAT", None, "decision-1", "", False, (b"p" * 16,), NOW
)  # fmt: skip
CALLER = Caller("practitioner", "ehr", frozenset(), b"d" * 16, hpr="9001", attestation=ATTESTATION)
SUBJECT = Subject(7, (7,), 1, (b"k",), date(1980, 1, 1), "female", "", False, (), (), None, True)
GRANT = Grant(CALLER, SUBJECT, "results", "search", "gp", "law", "says", "TREAT", "", Label(0), False, NOW, "c")
CURSORS = Cursors(b"k" * 32, 60)
PAIRS = (("code", "A,B"), ("_sort", "-date"))
AFTER = ["2026-01-01T00:00:00+00:00", "04e562f9-e5bc-5023-1a62-a8669071d35a"]


def token() -> str:
    return CURSORS.make(GRANT, "Observation", PAIRS, AFTER)


def refused(text: str, grant: Grant = GRANT, type_: str = "Observation") -> int:
    with pytest.raises(Refusal) as found:
        CURSORS.open(text, grant, type_)
    assert found.value.where == "_cursor"
    return found.value.status


def test_a_link_opens_with_what_was_put_in() -> None:
    cursor = CURSORS.open(token(), GRANT, "Observation")
    assert (tuple(cursor.pairs), cursor.after) == (PAIRS, AFTER)


def test_a_request_has_one_page_link_or_none() -> None:
    assert token_in((("code", "x"),)) is None
    assert token_in((("_cursor", "x"),)) == "x"
    for pairs in ((("_cursor", ""),), (("_cursor", "x"), ("_cursor", "x")), (("_cursor", ""), ("_cursor", "x"))):
        with pytest.raises(Refusal) as refused_:
            token_in(pairs)
        assert (refused_.value.status, refused_.value.where) == (400, "_cursor")


def test_nothing_can_be_read_from_a_link_and_no_two_are_alike() -> None:
    assert token() != token()
    assert set(token()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "change",
    [
        {"caller": replace(CALLER, client="other")},
        {"caller": replace(CALLER, hpr="9002")},
        {"caller": replace(CALLER, digest=b"e" * 16)},
        {"caller": replace(CALLER, kind="citizen")},
        {"caller": replace(CALLER, attestation=None)},
        {"caller": replace(CALLER, attestation=replace(ATTESTATION, decision_id="decision-2"))},
        {"subject": replace(SUBJECT, patient=8)},
        {"purpose": "BTG"},
    ],
)
def test_another_caller_patient_attestation_or_purpose_opens_nothing(change: dict[str, Any]) -> None:
    assert refused(token(), replace(GRANT, **change)) == 400


def test_a_link_belongs_to_one_type() -> None:
    assert refused(token(), type_="Specimen") == 400


def test_a_link_lives_an_hour_half_open() -> None:
    made = token()
    assert CURSORS.open(made, replace(GRANT, at=NOW + timedelta(minutes=60, microseconds=-1)), "Observation")
    assert refused(made, replace(GRANT, at=NOW + timedelta(minutes=60))) == 410


def test_another_houses_key_opens_nothing() -> None:
    with pytest.raises(Refusal):
        Cursors(b"x" * 32, 60).open(token(), GRANT, "Observation")


@given(st.text(max_size=200))
def test_no_text_but_ours_is_a_link(text: str) -> None:
    assert refused(text) == 400


@given(st.integers(0), st.integers(1, 255))
def test_a_link_changed_in_one_place_is_refused(at: int, by: int) -> None:
    made = bytearray(token().encode())
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place = at % (len(made) - 1)
    made[place] = alphabet[(alphabet.index(made[place]) + 1 + by % 63) % 64]
    assert refused(made.decode()) == 400
