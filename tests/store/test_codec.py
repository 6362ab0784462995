"""Bodies on disk: what goes in comes out, and nothing else opens them."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.store.codec import Dictionaries, Wrap, bound, split, with_splices
from kjerne.store.keys import Keys
from kjerne.store.sealed_id import SealedIds

ID = SealedIds(bytes(32)).make(1, 1)


@given(st.binary(min_size=1, max_size=3000))
def test_what_is_sealed_and_shrunk_comes_back(raw: bytes) -> None:
    dictionaries = Dictionaries()
    number, packed = dictionaries.shrink(raw)
    _, key = Wrap(bytes(32)).new(1)
    place = bound(1, 2, ID)
    assert dictionaries.grow(number, key.open(key.seal(packed, place), place)) == raw


def test_a_body_moved_to_another_row_does_not_open() -> None:
    _, key = Wrap(bytes(32)).new(1)
    sealed = key.seal(b"potassium 4.1", bound(1, 2, ID))
    with pytest.raises(InvalidTag):
        key.open(sealed, bound(1, 3, ID))


def test_a_data_key_opens_only_for_its_own_person_and_root() -> None:
    wrapped, key = Wrap(bytes(32)).new(1)
    sealed = key.seal(b"x", b"")
    assert Wrap(bytes(32)).unwrap(1, wrapped).open(sealed, b"") == b"x"
    with pytest.raises(InvalidTag):
        Wrap(bytes(32)).unwrap(2, wrapped)
    with pytest.raises(InvalidTag):
        Wrap(b"1" * 32).unwrap(1, wrapped)


def test_the_places_for_id_and_meta_lie_in_front_of_the_body() -> None:
    raw = b'{"resourceType":"Observation","status":"final"}'
    assert split(with_splices(raw))[0] == raw


def test_keys_from_settings_are_three_roots_and_show_nothing() -> None:
    keys = Keys.parse(",".join(["00" * 32, "11" * 32, "22" * 32]))
    assert keys.wrap == bytes(32)
    assert "11" not in repr(keys)
    assert len({keys.derived(purpose) for purpose in ("wrap", "id", "identifier", "cursor", "cookie")}) == 5
    with pytest.raises(Refusal, match="three hex strings"):
        Keys.parse("00,11")


def test_a_search_token_tells_nothing_without_the_persons_key() -> None:
    _, one = Wrap(bytes(32)).new(1)
    _, other = Wrap(bytes(32)).new(2)
    hashes = [1, -1, 2**63 - 1, -(2**63)]
    assert one.tokens(hashes) == one.tokens(hashes)
    assert one.tokens(hashes)[1:] == one.tokens(hashes[1:])
    assert set(one.tokens(hashes)).isdisjoint([*hashes, *other.tokens(hashes)])
    assert one.tokens([]) == []
