"""What tests of more than one service start from."""

import pytest

import words


@pytest.fixture
def word() -> str:
    """A name that nothing else has."""
    return f"W{words.fresh()}"
