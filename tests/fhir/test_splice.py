"""Bytes in, bytes out: what is served without its splices is what was received."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.fhir.splice import FORMS, Splices, instant, line, pack, served, splice, unpack

AT = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)
UPDATED = "2026-03-04T05:06:07.891Z"


def check(raw: bytes) -> None:
    splices = splice(raw)
    answer = served(raw, unpack(pack(splices)), "new-1", 7, AT)
    expected = json.loads(raw)
    expected["id"] = "new-1"
    expected["meta"] = {**expected.get("meta", {}), "versionId": "7", "lastUpdated": UPDATED}
    assert json.loads(answer, object_pairs_hook=once) == expected
    assert without_splices(answer, raw, splices) == raw
    packed = pack(splices)
    kept = len(packed).to_bytes(2, "big") + packed + raw
    found = line(kept, len(packed) + 2, b"new-1", b"7", instant(AT))
    assert found == answer.replace(b"\n", b"").replace(b"\r", b"") + b"\n"


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def without_splices(answer: bytes, raw: bytes, splices: Splices) -> bytes:
    values = {b"id": b"new-1", b"version": b"7", b"updated": UPDATED.encode()}
    kept, at, moved = [], 0, 0
    for start, end, form in splices:
        put_in = FORMS[form] % values
        kept.append(answer[at + moved : start + moved])
        assert answer[start + moved : start + moved + len(put_in)] == put_in
        kept.append(raw[start:end])
        moved += len(put_in) - (end - start)
        at = end
    kept.append(answer[at + moved :])
    return b"".join(kept)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"resourceType":"Observation"}',
        b' {\n  "resourceType" : "Observation",\n  "value": 1.10\n}\n',
        b'{"resourceType":"Observation","id":"x"}',
        b'{"status":"final","resourceType":"Observation"}',
        b'{"status":"final","id" : "x" , "resourceType":"Observation"}',
        b'{"resourceType":"Observation","meta":{}}',
        b'{"resourceType":"Observation","meta":{ }, "id":"y"}',
        b'{"resourceType":"Observation","meta":{"tag":[{"code":"id"}]}}',
        b'{"resourceType":"Observation","meta":{"versionId":"1","tag":[{"code":"}"}]}}',
        b'{"resourceType":"Observation","meta":{"tag":[],"lastUpdated" : "2020-01-01T00:00:00Z" } }',
        b'{"resourceType":"Observation","meta":{"lastUpdated":"a","versionId":"b"},"id":"c"}',
        b'{"resourceType":"Observation","component":[{"id":"a","meta":{"id":"b"}}],"note":[{"text":"\\"id\\":1"}]}',
        b'{"resourceType":"Observation","component":[{"id":"a"}],"\\u0069d":"b","met\\u0061":{"version\\u0049d":"4"}}',
        b'{"resourceType":"Observation","contained":[{"id":"a","meta":{"versionId":"3"}}],"id":"b"}',
        b'{"resourceType":"Observation","code":"id","status":"meta"}',
    ],
)
def test_served_bytes_hold_the_servers_facts_and_everything_received(raw: bytes) -> None:
    check(raw)


def test_decimals_and_spaces_are_served_as_received() -> None:
    raw = b'{"resourceType":"Observation", "valueQuantity": {"value": 1.10e0}}'
    assert b', "valueQuantity": {"value": 1.10e0}}' in served(raw, splice(raw), "a", 1, AT)


def test_an_id_that_is_not_safe_is_never_put_in() -> None:
    raw = b'{"resourceType":"Observation"}'
    with pytest.raises(ValueError, match="FHIR id"):
        served(raw, splice(raw), 'a","status":"x', 1, AT)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"meta":[]}', b'{"meta":"x"}'])
def test_what_is_no_resource_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal):
        splice(raw)


NAMES = st.sampled_from(["id", "meta", "tag", "versionId", "lastUpdated", "a\\b", 'q"', "å"])
TEXTS = st.sampled_from(["", "id", '"id":', "{}", "]", "\\", "blåbær", ","])
INNER = st.recursive(
    TEXTS | st.integers(0, 9) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(NAMES.filter(lambda name: name not in ("id", "meta")), INNER, max_size=4),
    st.none() | TEXTS,
    st.none() | st.dictionaries(NAMES, INNER, max_size=4),
    st.randoms(use_true_random=False),
    st.sampled_from([(",", ":"), (" , ", " : "), (",\n  ", ": ")]),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_removing_the_splices_gives_the_received_bytes(
    tree: dict[str, object],
    id: str | None,
    meta: dict[str, object] | None,
    random: object,
    separators: tuple[str, str],
    ascii_only: bool,
) -> None:
    members = [("resourceType", "Observation"), *tree.items()]
    members += [("id", id)] if id is not None else []
    members += [("meta", meta)] if meta is not None else []
    random.shuffle(members)  # type: ignore[attr-defined]
    check(json.dumps(dict(members), separators=separators, ensure_ascii=ascii_only).encode())
