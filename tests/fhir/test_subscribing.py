"""What is read of the message that binds a socket."""

from __future__ import annotations

import pytest

from kjerne.fhir.subscribing import token_in

TOKEN = "abcdefghijklmnopqrstuvwxyz_-ABCD"


@pytest.mark.parametrize(
    "text",
    [
        f"bind-with-token {TOKEN}",
        f"bind-with-token: {TOKEN}\n",
        f'{{"type": "bind-with-token", "payload": {{"token": "{TOKEN}"}}, "more": 1}}',
    ],
)
def test_a_token_is_read_from_either_way_to_say_it(text: str) -> None:
    assert token_in(text) == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        "", TOKEN, "bind-with-token", "bind-with-token short", f"bind {TOKEN}", f"bind-with-token {TOKEN} {TOKEN}",
        f'{{"type": "bind", "payload": {{"token": "{TOKEN}"}}}}', '{"type": "bind-with-token"}',
        '{"type": "bind-with-token", "payload": {"token": 1}}', '{"type":' * 2_000, "[" * 4_000,
    ],
)  # fmt: skip
def test_anything_else_has_none(text: str) -> None:
    assert token_in(text) is None
