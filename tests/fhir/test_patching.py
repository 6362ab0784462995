"""What both kinds of patch are held to: a sum of steps, and no growth that a short patch makes of itself."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir import fhirpath_patch, json_patch
from kjerne.fhir.effort import summed
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.patching import outcome

NOTES: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "note": [{"text": str(one)} for one in range(5_000)],
}


def deletion(path: str) -> Any:
    parts = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": path}]
    return {"name": "operation", "part": parts}


def refusal(before: bytes, patch: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        outcome(before, patch)
    return caught.value


@pytest.mark.parametrize(
    "deletions",
    [
        [deletion(f"Observation.note.where({' and '.join(['text.exists()'] * 100)} and text = 'q')")],
        [deletion("Observation.note.where(text = 'q')")] * 100,
        [deletion("Observation.note[0]")] * 100,
    ],
)
def test_the_operations_of_a_patch_are_held_to_one_sum_of_steps(deletions: list[Any]) -> None:
    operations = fhirpath_patch.read({"resourceType": "Parameters", "parameter": deletions})
    told = refusal(encode(NOTES), lambda tree: fhirpath_patch.apply(tree, operations))
    assert (told.status, told.code) == (422, "too-costly")


def test_a_patch_of_many_places_is_no_trouble() -> None:
    path = "Observation.note.where(text = '17' and text.exists())"
    operations = fhirpath_patch.read({"resourceType": "Parameters", "parameter": [deletion(path)]})
    after = decode(outcome(encode(NOTES), lambda tree: fhirpath_patch.apply(tree, operations)))
    assert len(after["note"]) == 4_999


def test_a_bundle_counts_what_its_patches_take() -> None:
    operations = json_patch.read([{"op": "replace", "path": "/status", "value": "amended"}])
    with summed(1_000_000) as effort:
        outcome(encode(NOTES), lambda tree: json_patch.apply(tree, operations))
    assert 1_000_000 - effort.left > len(encode(NOTES)) // 20


def test_a_copy_of_many_small_values_into_themselves_is_refused_before_it_is_written() -> None:
    operations = json_patch.read([{"op": "copy", "from": "/note", "path": "/note/-"}] * 16)
    before = encode({"resourceType": "Observation", "note": [{"text": "x"}]})
    with summed(1_000_000) as effort:
        told = refusal(before, lambda tree: json_patch.apply(tree, operations))
    assert (told.status, told.code) == (413, "too-long")
    assert 1_000_000 - effort.left < 30_000


def test_a_copy_of_one_long_text_is_refused_too() -> None:
    operations = json_patch.read([{"op": "copy", "from": "/note/0", "path": "/note/-"}] * 3)
    before = encode({"resourceType": "Observation", "note": [{"text": "x" * 100_000}]})
    assert refusal(before, lambda tree: json_patch.apply(tree, operations)).status == 413
