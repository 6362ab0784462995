"""Which word of Folkeregisteret protects, and which of several protects most."""

from __future__ import annotations

import pytest

from kjerne.registries.protection import is_protected, strictest


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("ugradert", "strengtFortrolig"), "strengtFortrolig"),
        (("strengtFortrolig", "fortrolig"), "strengtFortrolig"),
        (("klientadresse", "fortrolig", "ugradert"), "fortrolig"),
        (("ugradert", "a word of next year"), "a word of next year"),
        (("ugradert",), "ugradert"),
    ],
)
def test_of_several_numbers_the_strictest_protection_holds(words: tuple[str, ...], most: str) -> None:
    assert strictest(words) == strictest(reversed(words)) == most
    assert is_protected(most) == any(is_protected(word) for word in words)
