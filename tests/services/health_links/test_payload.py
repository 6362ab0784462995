"""What a link is made of, held against a receiver that was written from the specification."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidTag

import shl_client
import words
from kjerne.errors import Refusal
from kjerne.services.health_links import payload
from services.results.kith.conftest import Kith

UNTIL = datetime(2026, 12, 24, 18, 0, tzinfo=UTC)
BASE = "https://kjerne.example"


def counted(start: int = 1) -> Callable[[int], bytes]:
    """Bytes that are others each time."""
    place = start - 1

    def give(size: int) -> bytes:
        nonlocal place
        place += 1
        return bytes([place]) * size

    return give


def test_a_link_says_where_with_which_key_until_when_and_that_it_takes_a_passcode() -> None:
    made = payload.link(BASE, "Sommerferie", UNTIL, counted())
    read = shl_client.read(made.uri)
    assert read.url == f"{BASE}/shl/{made.secret}" == made.url
    assert read.key == made.key != shl_client.unpadded(made.secret)
    assert read.rest == {
        "url": made.url, "flag": "P", "key": payload.text_of(made.key), "exp": int(UNTIL.timestamp()), "v": 1,
        "label": "Sommerferie",
    }  # fmt: skip


def test_a_link_without_a_name_has_no_label() -> None:
    assert "label" not in shl_client.read(payload.link(BASE, "", UNTIL, counted()).uri).rest


def test_what_opens_it_stands_in_no_repr() -> None:
    made = payload.link(BASE, "", UNTIL, counted())
    assert repr(made) == "Link(...)"


def test_an_address_that_is_too_long_for_a_link_is_told_of() -> None:
    payload.link("https://" + "a" * (128 - len("https:///shl/") - 43), "", UNTIL, counted())
    with pytest.raises(ValueError, match="128"):
        payload.link("https://" + "a" * (129 - len("https:///shl/") - 43), "", UNTIL, counted())


def test_a_file_is_opened_by_its_key_and_by_no_other() -> None:
    plain = json.dumps({"resourceType": "Bundle", "id": words.fresh()}).encode() * 50
    key = bytes(range(32))
    jwe = payload.encrypted(plain, key, counted())
    header, found = shl_client.opened(jwe, key)
    assert (header, found) == (
        {"alg": "dir", "enc": "A256GCM", "cty": "application/fhir+json", "zip": "DEF"}, plain,
    )  # fmt: skip
    assert len(jwe) < len(plain)
    with pytest.raises(InvalidTag):
        shl_client.opened(jwe, bytes(32))


def test_two_files_of_one_key_have_two_nonces() -> None:
    random = counted()
    one, other = (payload.encrypted(b"{}", bytes(32), random) for _ in range(2))
    assert one.split(".")[2] != other.split(".")[2]


def test_a_passcode_is_made_of_digits_where_none_is_chosen() -> None:
    made = payload.passcode("  ", counted(200))
    assert len(payload.plainly(made)) == 8
    assert payload.plainly(made).isdigit()
    assert payload.passcode("", counted(7)) != made


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("kort", "passcode"), ("å" * 65, "passcode"), ("aaaaaaaa", "easy"), ("abababab", "easy"), ("123456", "easy"),
        ("fedcba", "easy"), ("1 2 3 4 5 6", "easy"), (Kith.NUMBER, "easy"), ("abc\x07defg", "passcode"),
    ],
)  # fmt: skip
def test_a_passcode_that_is_easily_guessed_or_somebodys_number_is_refused(text: str, where: str) -> None:
    with pytest.raises(Refusal) as refused:
        payload.passcode(text, counted())
    assert (refused.value.status, refused.value.where) == (400, where)
    assert text not in str(refused.value)


def test_a_chosen_passcode_stands_as_it_was_written_and_blanks_make_no_difference() -> None:
    assert payload.passcode(" ni hester ", counted()) == "ni hester"
    key, secret = bytes(32), "s"
    assert payload.passcode_digest(key, secret, "4821 9037") == payload.passcode_digest(key, secret, "48219037 ")
    assert payload.passcode_digest(key, secret, "e\u0301toile") == payload.passcode_digest(key, secret, "étoile")


def test_what_is_kept_of_a_passcode_is_of_one_link_and_one_key() -> None:
    kept = payload.passcode_digest(bytes(32), "one", "4821 9037")
    assert kept != payload.passcode_digest(bytes(32), "other", "4821 9037")
    assert kept != payload.passcode_digest(b"\x01" * 32, "one", "4821 9037")
    assert kept != payload.passcode_digest(bytes(32), "one", "4821 9038")


def test_a_name_may_have_80_characters_and_any_signs_of_writing() -> None:
    for text in ("x" * 80, "<script>alert(1)</script>", "Ferie «Hellas» 2026", ""):
        assert payload.label(text) == text
    assert payload.label("  to \n ord ") == "to ord"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("x" * 81, "label"),
        ("a\u202eb", "label"),
        (f"Om {Kith.NUMBER}", "number"),
        (f"{Kith.NUMBER[:6]} {Kith.NUMBER[6:]}", "number"),
    ],
)
def test_a_name_that_is_too_long_turns_the_text_or_holds_a_number_is_refused(text: str, where: str) -> None:
    with pytest.raises(Refusal) as refused:
        payload.label(text)
    assert refused.value.where == where
    assert Kith.NUMBER not in str(refused.value)


@pytest.mark.parametrize("hours", ["1", "24", "720"])
def test_a_link_lives_for_hours_to_thirty_days(hours: str) -> None:
    assert payload.lifetime(hours) == timedelta(hours=int(hours))


@pytest.mark.parametrize("hours", ["", "0", "-1", "721", "24.0", "９"])
def test_no_other_time_is_taken(hours: str) -> None:
    with pytest.raises(Refusal):
        payload.lifetime(hours)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("a" * 43, True), ("a" * 42, False), ("a" * 44, False), ("-_" * 21 + "b", True), ("å" * 43, False), ("a" * 42 + "+", False)],
)  # fmt: skip
def test_only_what_is_made_as_an_id_is_looked_for(text: str, *, is_one: bool) -> None:
    assert payload.is_secret(text) is is_one
