"""What a manifest says of an import, in each of its shapes, and what is wrong with one."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.import_manifest import PARTS_LIMIT, Manifest, Part, read

TYPES = ("Observation", "Specimen")
SOURCE = "https://elsewhere.example/fhir"
DIGEST = "0" * 64


def of_the_proposal(**more: Any) -> dict[str, Any]:
    parts = [
        {"type": "Specimen", "url": "specimens.ndjson"},
        {"type": "Observation", "url": f"{SOURCE}/1?sig=a", "count": 2, "sha256": DIGEST},
    ]
    return {"inputFormat": "application/fhir+ndjson", "inputSource": SOURCE, "input": parts, **more}


def as_parameters(tree: dict[str, Any]) -> dict[str, Any]:
    def values(found: dict[str, Any]) -> list[dict[str, Any]]:
        kinds = {int: "valueInteger", str: "valueString"}
        return [
            {"name": name, "part": values(value)}
            if isinstance(value, dict)
            else {"name": name, kinds[type(value)]: value}
            for name, value in found.items()
        ]

    plain = {name: value for name, value in tree.items() if name != "input"}
    inputs = [{"name": "input", "part": values(one)} for one in tree["input"]]
    return {"resourceType": "Parameters", "parameter": [*values(plain), *inputs]}


def of_an_export(**more: Any) -> dict[str, Any]:
    output = of_the_proposal()["input"]
    return {
        "transactionTime": "2026-11-27T08:00:00Z", "request": SOURCE, "requiresAccessToken": True, "output": output,
        "error": [], **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    "tree",
    [
        of_the_proposal(),
        of_the_proposal(storageDetail={"type": "https"}),
        as_parameters(of_the_proposal(storageDetail={"type": "https"})),
        of_an_export(),
        of_an_export(deleted=[], outputFormat="application/ndjson", error=[{"type": "OperationOutcome", "url": "x"}]),
    ],
)
def test_one_thing_is_said_in_three_shapes(tree: dict[str, Any]) -> None:
    parts = (Part("specimens.ndjson", "Specimen"), Part(f"{SOURCE}/1?sig=a", "Observation", 2, DIGEST))
    assert read(tree, TYPES) == Manifest(SOURCE, parts)


def part(**more: Any) -> dict[str, Any]:
    return of_the_proposal(input=[{"type": "Specimen", "url": "a"} | more])


@pytest.mark.parametrize(
    ("tree", "status", "where"),
    [
        ({}, 422, "inputFormat"),
        (of_the_proposal(inputFormat="application/vnd.apache.parquet"), 422, "inputFormat"),
        (of_the_proposal(inputSource="elsewhere"), 400, "inputSource"),
        (of_the_proposal(inputSource=None), 400, "inputSource"),
        (of_the_proposal(input=[]), 400, "input"),
        (of_the_proposal(input={"type": "Specimen"}), 400, "input"),
        (of_the_proposal(input=["a"]), 400, "input[0]"),
        (of_the_proposal(input=[{"type": "Specimen", "url": "a"}] * 2), 400, "input[1].url"),
        (of_the_proposal(input=[{}] * (PARTS_LIMIT + 1)), 413, "input"),
        (of_the_proposal(mode="batch"), 400, "mode"),
        (of_the_proposal(storageDetail={"type": "aws-s3"}), 422, "storageDetail"),
        (part(type="Patient"), 422, "input[0].type"),
        (part(type=1), 422, "input[0].type"),
        (part(url=""), 400, "input[0].url"),
        (part(url="a b"), 400, "input[0].url"),
        (part(url="a" * 2001), 400, "input[0].url"),
        (part(count=0), 422, "input[0].count"),
        (part(count=True), 422, "input[0].count"),
        (part(count=50_001), 422, "input[0].count"),
        (part(sha256="A" * 64), 400, "input[0].sha256"),
        (part(etag="x"), 400, "input[0].etag"),
        (of_an_export(deleted=[{"type": "Bundle", "url": "x"}]), 422, "deleted"),
        (of_an_export(link=[{"relation": "next", "url": "x"}]), 422, "link"),
        (of_an_export(output=[]), 400, "output"),
        ({"resourceType": "Parameters"}, 400, "parameter"),
        ({"resourceType": "Parameters", "parameter": [{"name": "a"}]}, 400, "parameter[0]"),
        ({"resourceType": "Parameters", "parameter": [1]}, 400, "parameter[0]"),
        ({"resourceType": "Parameters", "parameter": [{"name": "a", "valueCode": "b"}] * 2}, 400, "a"),
        ({"resourceType": "Parameters", "parameter": [{"name": "a", "part": [{"name": "b", "valueCode": "c"}] * 2}]},
         400, "parameter[0].part"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(tree: dict[str, Any], status: int, where: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(tree, TYPES)
    assert (refused.value.status, refused.value.where) == (status, where)


def test_what_may_be_a_persons_number_is_not_said_back() -> None:
    number = "13817510099"
    twice = [{"name": number, "valueString": "x"}] * 2
    for tree in (of_the_proposal() | {number: 1}, {"resourceType": "Parameters", "parameter": twice}):
        with pytest.raises(Refusal) as refused:
            read(tree, TYPES)
        assert number not in f"{refused.value.says} {refused.value.where} {refused.value.todo}"


@pytest.mark.parametrize("name", ["exportUrl", "manifestUrl"])
def test_an_address_to_fetch_from_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(Refusal, match="fetches nothing") as refused:
        read({"resourceType": "Parameters", "parameter": [{"name": name, "valueUrl": SOURCE}]}, TYPES)
    assert "send each" in refused.value.todo
