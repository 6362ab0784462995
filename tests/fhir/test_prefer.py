"""The header Prefer, as clients write it."""

from __future__ import annotations

import pytest

from kjerne.fhir.prefer import lenient, preferred, wanted


@pytest.mark.parametrize(
    ("sent", "returned", "is_lenient"),
    [
        ("", "", False),
        ("return=minimal", "minimal", False),
        ("return=representation; wait=5, handling=lenient", "representation", True),
        ("handling=strict,return=OperationOutcome", "OperationOutcome", False),
        ('Handling="lenient", RETURN = "minimal"', "minimal", True),
        ("respond-async, return=minimal", "minimal", False),
        ("return=minimal, return=representation", "minimal", False),
        ("return=everything", "", False),
        ("x-return=minimal, x=handling=lenient", "", False),
        ("return", "", False),
        (",,;=", "", False),
    ],
)
def test_a_preference_is_read_by_its_name(sent: str, returned: str, is_lenient: bool) -> None:
    headers = {"prefer": sent}
    assert (wanted(headers), lenient(headers)) == (returned, is_lenient)
    assert lenient({}) is False


def test_a_preference_without_a_value_is_there() -> None:
    assert "respond-async" in preferred({"prefer": "respond-async"})
