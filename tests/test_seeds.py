"""The order of files that a seed draws."""

from __future__ import annotations

import os

import pytest

import seeds

FILES = [f"{room}/test_{letter}.py" for room in ("pages", "wire") for letter in "abcdefgh"]


def test_a_seed_draws_the_same_order_again_and_another_seed_another() -> None:
    first = seeds.drawn(FILES, "7")
    assert sorted(first) == sorted(FILES) and first != sorted(FILES)
    assert seeds.drawn(reversed(FILES * 3), "7") == first
    assert seeds.drawn(FILES, "8") != first


def test_the_suites_order_is_not_drawn_and_what_is_drawn_is_found_by_those_who_start_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seeds, "IS_NEW", False)
    monkeypatch.delenv(seeds.ORDER, raising=False)
    assert seeds.order_seed() == "" and seeds.ORDER not in os.environ
    monkeypatch.setenv(seeds.ORDER, "12")
    assert seeds.order_seed() == "12"
    monkeypatch.delenv(seeds.ORDER)
    monkeypatch.setattr(seeds, "IS_NEW", True)
    assert seeds.order_seed() == os.environ[seeds.ORDER] != ""
