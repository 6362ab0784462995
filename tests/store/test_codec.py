"""Bodies on disk: what goes in comes out, and nothing else opens them."""

from __future__ import annotations

import re

import pytest
import zstandard
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.store.codec import (
    JOINED,
    PLAIN,
    SHRUNK_REMEMBERED,
    TOKEN_BYTES,
    Dictionaries,
    PersonWrap,
    bound,
    joined,
    nonces_of,
    parted,
    split,
    with_splices,
)
from kjerne.store.keys import NONCE_BYTES, Keys
from kjerne.store.sealed_id import SealedIds

ID = SealedIds(bytes(32)).make(1, 1)


def wrap(key: bytes = bytes(32)) -> PersonWrap:
    return PersonWrap(key)


@given(st.binary(min_size=1, max_size=3000))
def test_what_is_sealed_and_shrunk_comes_back(raw: bytes) -> None:
    dictionaries = Dictionaries()
    number, packed = dictionaries.shrink(raw)
    _, key = wrap().new(1)
    place = bound(1, 2, ID)
    assert dictionaries.grow(number, key.open(key.seal(packed, place), place)) == raw


def test_what_is_remembered_packed_is_packed_as_ever_and_anew_with_a_new_dictionary() -> None:
    dictionaries, role = Dictionaries(), b'{"resourceType":"PractitionerRole","practitioner":{"display":"Eva"}}'
    for _ in range(2):
        assert dictionaries.shrunk_before(role) == dictionaries.shrink(with_splices(role))
    before = dictionaries.shrunk_before(role)
    dictionaries.add(7, zstandard.train_dictionary(1024, [role + b"%d" % one for one in range(500)]).as_bytes())
    after = dictionaries.shrunk_before(role)
    assert after == dictionaries.shrink(with_splices(role)) != before
    assert split(dictionaries.grow(*after))[0] == role


def test_no_more_bodies_are_remembered_than_there_is_room_for() -> None:
    dictionaries = Dictionaries()
    for number in range(SHRUNK_REMEMBERED + 5):
        role = b'{"resourceType":"PractitionerRole","practitioner":{"display":"%d"}}' % number
        assert split(dictionaries.grow(*dictionaries.shrunk_before(role)))[0] == role
    assert len(dictionaries._shrunk) == 5
    dictionaries.shrunk_before(b'{"resourceType":"PractitionerRole","practitioner":{"display":"%s"}}' % (b"n" * 1000))
    assert len(dictionaries._shrunk) == 5


def test_nonces_that_are_drawn_together_are_each_another() -> None:
    drawn = nonces_of(500)
    assert len(set(drawn)) == 500
    assert {len(one) for one in drawn} == {NONCE_BYTES}
    assert nonces_of(0) == []


def test_a_body_moved_to_another_row_does_not_open() -> None:
    _, key = wrap().new(1)
    sealed = key.seal(b"potassium 4.1", bound(1, 2, ID))
    with pytest.raises(InvalidTag):
        key.open(sealed, bound(1, 3, ID))


def test_a_data_key_opens_only_for_its_own_person_and_root() -> None:
    wrapped, key = wrap().new(1)
    sealed = key.seal(b"x", b"")
    assert wrap().unwrap(1, wrapped).open(sealed, b"") == b"x"
    with pytest.raises(InvalidTag):
        wrap().unwrap(2, wrapped)
    with pytest.raises(InvalidTag):
        wrap(b"1" * 32).unwrap(1, wrapped)


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
    _, one = wrap().new(1)
    _, other = wrap().new(2)
    hashes = [1, -1, 2**63 - 1, -(2**63)]
    own = one.tokens(hashes)
    assert own == one.tokens(hashes)
    assert own[TOKEN_BYTES:] == one.tokens(hashes[1:])
    assert len(own) == len(hashes) * TOKEN_BYTES
    for place, plain in enumerate(hashes):
        token = own[place * TOKEN_BYTES :][:TOKEN_BYTES]
        assert token not in other.tokens(hashes)
        assert token != plain.to_bytes(8, "little", signed=True)[:TOKEN_BYTES]
    assert one.tokens([]) == b""
    assert one.tokens_of_many([hashes, [], hashes[1:]]) == [own, b"", own[TOKEN_BYTES:]]
    assert one.tokens_of_many([]) == []


def test_a_pattern_names_its_token_whatever_bytes_that_has() -> None:
    _, key = wrap().new(1)
    for hashed in range(2000):
        (pattern,) = key.patterns([hashed])
        assert re.sub(rb"\\(.)", rb"\1", pattern[1:-1], flags=re.DOTALL) == key.tokens([hashed])
        assert not re.search(rb"(?<!\\)(?:\\\\)*[%_]", pattern[1:-1])


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=300))
def test_index_values_and_body_come_apart_as_they_were_put_together(values: bytes, packed: bytes) -> None:
    assert parted(JOINED, joined(values, packed)) == (values, packed)
    assert parted(PLAIN, packed) == (b"", packed)


def test_a_body_from_before_values_and_body_were_joined_still_grows() -> None:
    raw, trained = b'{"resourceType":"Observation"}', b"what many bodies have in common " * 40
    dictionaries = Dictionaries()
    dictionaries.add(3, trained)
    data = zstandard.ZstdCompressionDict(trained)
    for number, old in ((PLAIN, zstandard.ZstdCompressor()), (3, zstandard.ZstdCompressor(dict_data=data))):
        assert dictionaries.grow(number, old.compress(raw)) == raw
    assert dictionaries.shrink(raw)[0] == 3 + JOINED
