"""Which sources are asked: whoever may have something, and all where that is only half known."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from documents_at_hand import HOME
from foreign_sources import ORGANISATION, known
from gateway.test_federation import DOCTOR, granted
from kjerne.access import Caller
from kjerne.gateway.locating import STALE, asks_everybody, is_left_out
from kjerne.store.whereabouts import Whereabouts
from kjerne.xds.values import bare
from sources import NOW

PLAIN = bare(HOME)
SAID = {PLAIN: NOW - timedelta(hours=1)}


@pytest.mark.parametrize(
    ("of", "left_out"),
    [
        (Whereabouts(SAID), True),
        (Whereabouts({PLAIN: NOW}), True),
        (Whereabouts(SAID, registered=frozenset({"2.16.578.2"}), contacts=frozenset({"999999999"})), True),
        (Whereabouts(SAID, registered=frozenset({PLAIN})), False),
        (Whereabouts(SAID, contacts=frozenset({ORGANISATION})), False),
        (Whereabouts({}), False),
        (Whereabouts({"2.16.578.2": NOW}), False),
        (Whereabouts({PLAIN: NOW - STALE}), False),
        (Whereabouts({PLAIN: NOW + timedelta(seconds=1)}), False),
    ],
)
def test_a_source_is_left_out_where_its_own_register_that_holds_has_nothing_and_no_care_there_is_known(
    of: Whereabouts, left_out: bool
) -> None:
    assert is_left_out(known(1), of, NOW) is left_out


@given(
    st.dictionaries(st.sampled_from((PLAIN, "2.16.578.2")), st.integers(-100, 100)),
    st.frozensets(st.sampled_from((PLAIN, "2.16.578.2"))), st.frozensets(st.sampled_from((ORGANISATION, "999999999"))),
)  # fmt: skip
def test_to_know_more_of_where_she_may_have_been_leaves_out_no_more(
    hours: dict[str, int], registered: frozenset[str], contacts: frozenset[str]
) -> None:
    whole = {home: NOW - timedelta(hours=ago) for home, ago in hours.items()}
    if not is_left_out(known(1), Whereabouts(whole), NOW):
        assert not is_left_out(known(1), Whereabouts(whole, registered, contacts), NOW)


@pytest.mark.parametrize(
    ("changes", "everybody"),
    [
        ({}, False), ({"purpose": "COC"}, False), ({"basis": "SAMTYKKE"}, False), ({"purpose": "ETREAT"}, True),
        ({"purpose": "BTG"}, True), ({"basis": "AKUTT"}, True), ({"basis": "FORHOYET_AKUTT"}, True),
        ({"caller": Caller("citizen", "portal", frozenset(), digest=b"d", level=4)}, True), ({"caller": DOCTOR}, False),
    ],
)  # fmt: skip
def test_in_an_emergency_and_for_a_citizen_every_source_is_asked(changes: dict[str, Any], everybody: bool) -> None:
    assert asks_everybody(granted(**changes)) is everybody
