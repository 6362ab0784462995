"""Packages lie side by side; what is none is refused and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guide_packages import archive, package
from kjerne.errors import Refusal
from kjerne.fhir import packages
from kjerne.fhir.value_sets import codes

SHARED = Path(__file__).parents[3] / "shared" / "data" / "packages"


def value_set(url: str, **compose: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose}


def test_versions_lie_side_by_side_and_the_newest_is_found(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        packages.add(tmp_path, package(value_set("urn:v", include=[{"system": version}]), version=version))
    assert packages.names(tmp_path) == [("test.guide", "1.10.0"), ("test.guide", "1.9.0")]
    library = packages.library(tmp_path)
    found = [library.find(name) for name in ("urn:v", "urn:v|1.9.0", "urn:v|2", "urn:other")]
    assert [one and one["compose"]["include"][0]["system"] for one in found] == ["1.10.0", "1.9.0", None, None]


def test_a_version_once_kept_does_not_change(tmp_path: Path) -> None:
    packages.add(tmp_path, package())
    packages.add(tmp_path, package())
    with pytest.raises(Refusal) as refused:
        packages.add(tmp_path, package(value_set("urn:v")))
    assert refused.value.status == 409


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no archive",
        archive({"package/x.json": b"{}"}),
        archive({"package/package.json": b"[]"}),
        archive({"package/package.json": b"{"}),
        archive({"package/package.json": json.dumps({"name": "../x", "version": "1"}).encode()}),
        archive({"package/package.json": json.dumps({"name": "x", "version": "../../1"}).encode()}),
        package(fhir="5.0.0"),
        package()[:60],
    ],
)
def test_what_is_no_package_is_refused_and_not_kept(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        packages.add(tmp_path / "packages", raw)
    assert packages.names(tmp_path / "packages") == []


def test_a_value_set_is_listed_where_its_definition_lists_it() -> None:
    system = {"resourceType": "CodeSystem", "url": "urn:s", "content": "complete"}
    made = packages.read(
        package(
            system | {"concept": [{"code": "a", "concept": [{"code": "b"}]}]},
            value_set("urn:some", include=[{"system": "urn:t", "concept": [{"code": "x"}]}]),
            value_set("urn:all", include=[{"system": "urn:s"}, {"valueSet": ["urn:some"]}]),
            value_set("urn:filtered", include=[{"system": "urn:s", "filter": [{"property": "p"}]}]),
            value_set("urn:round", include=[{"valueSet": ["urn:round"]}]),
        )
    )
    library = packages.joined(iter([made]))
    assert codes(library, "urn:all") == {"urn:s": frozenset("ab"), "urn:t": frozenset("x")}
    assert [codes(library, name) for name in ("urn:filtered", "urn:round", "urn:nothing")] == [None] * 3
    assert codes(library, "http://hl7.org/fhir/ValueSet/observation-status|4.0.1")


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside the checkout")
def test_every_package_at_hand_is_read(tmp_path: Path) -> None:
    files = sorted(SHARED.glob("*.tgz"))
    for file in files:
        packages.add(tmp_path, file.read_bytes())
    assert len(packages.names(tmp_path)) == len(files) > 15
