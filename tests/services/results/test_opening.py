"""Break-glass on its own: what a reason must be, and whom a message shows that could not be read."""

from __future__ import annotations

import base64
import gzip

import pytest

from kjerne.errors import Refusal
from kjerne.services.results.opening import reason_of, shown_numbers

from .kith.conftest import Kith

REASON = "Avsender ber om hjelp med avvisningen"


def a_message() -> bytes:
    return Kith.message(Kith.report(Kith.item()))


def test_a_reason_is_a_sentence_and_names_nobody() -> None:
    assert reason_of({"reason": f"  {REASON} "}) == REASON
    for bad in (
        "",
        "   ",
        "feil",
        "x" * 501,
        f"feil på {Kith.NUMBER}",
        f"{Kith.NUMBER[:6]} {Kith.NUMBER[6:]} er feil",
        "to\nlinjer",
    ):
        with pytest.raises(Refusal) as refused:
            reason_of({"reason": bad})
        assert (refused.value.status, refused.value.where) == (400, "reason")
        assert Kith.NUMBER not in str(refused.value)


@pytest.mark.parametrize(
    "raw",
    [
        a_message()[:-40],
        a_message().replace(b"<OffId>", b"<Feil>"),
        a_message().decode().encode("utf-16"),
        b"<MsgHead><Base64Container>" + base64.encodebytes(a_message()) + b"</Base64Container></Feil>",
        f"PID {Kith.NUMBER[:6]} {Kith.NUMBER[6:]} prøvesvar".encode("latin-1"),
        b"\xff\xfe\x00" + a_message(),
    ],
    ids=["cut off", "wrong element", "UTF-16", "packed", "no XML", "a wrong mark"],
)
def test_a_number_is_seen_in_what_cannot_be_read(raw: bytes) -> None:
    assert Kith.NUMBER in shown_numbers(raw)


def test_longer_runs_of_digits_and_packed_bytes_are_no_person_numbers() -> None:
    assert shown_numbers(b"<a>123456789012</a>") == set()
    assert Kith.NUMBER not in shown_numbers(gzip.compress(a_message()))
