"""What a dictionary is trained on are resources of generated people, in both forms in which they come."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import zstandard

from kjerne.fhir.encode import decode
from kjerne.fhir.validate import check
from kjerne.sandbox import life, samples
from kjerne.sandbox.population import generate
from kjerne.services.results.kith import read as kith
from kjerne.services.results.kith.model import Message
from kjerne.wire import msghead

DAY = date(2026, 11, 23)


def messages(people: int, seed: int) -> list[Message]:
    opened = [
        msghead.opened(raw, depth=64, limit_bytes=1_000_000)
        for raw in life.messages(generate(people, seed, DAY), seed, DAY)
    ]
    return [
        kith.read(
            one.body, attachments=one.attachments, notes=one.notes, patient_numbers=one.head.patient_numbers if one.head else (),
            envelope_id=one.head.id if one.head else "", sender=one.head.sender if one.head else None, now=datetime.now(UTC),
        )
        for one in opened
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trees() -> list[dict[str, Any]]:
    return [decode(body) for message in messages(12, 3) for body in samples.bodies(message)]


def test_half_of_the_results_stand_alone_are_sound_and_name_their_patient(trees: list[dict[str, Any]]) -> None:
    results = [tree for tree in trees if tree["resourceType"] == "Observation"]
    alone = [tree for tree in results if "subject" in tree]
    assert len(alone) * 2 == len(results)
    assert [fault for tree in alone for fault in check(tree, "Observation")] == []
    assert {tree["subject"]["identifier"]["value"][2] for tree in alone} <= set("89"), "the month has 80 added"


def test_a_dictionary_shrinks_both_forms_to_a_quarter() -> None:
    learned, met = (
        [body for one in messages(people, seed) for body in samples.bodies(one)] for people, seed in ((30, 1), (6, 2))
    )
    both = zstandard.train_dictionary(65_536, learned, level=3)
    shrink = zstandard.ZstdCompressor(dict_data=both).compress
    for alone in (True, False):
        bodies = [body for body in met if (b'"subject"' in body) == alone]
        assert sum(len(shrink(body)) for body in bodies) * 4 < sum(map(len, bodies))
