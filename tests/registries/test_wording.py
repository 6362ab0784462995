"""A reason in words: enough to be one, on one line, and naming nobody by number."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.registries import wording


def test_a_reason_is_kept_without_what_surrounds_it() -> None:
    assert wording.reason("  Vurderer et oppslag ") == "Vurderer et oppslag"


@pytest.mark.parametrize(
    "text",
    ["", "kort", " " * 20, "x" * 501, "Gjelder 45920040881 fra i går", "To\nlinjer med ord", "Snudd \u202e tekst her"],
)
def test_what_is_no_reason_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        wording.reason(text, "The patient reads it.")
    assert (refused.value.status, refused.value.where) == (400, "reason")
