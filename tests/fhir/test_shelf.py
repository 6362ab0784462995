"""Definitions are found on disk, by an index that is made where it is missing or another package's."""

from __future__ import annotations

from pathlib import Path

import pytest

from guide_packages import package, profile
from kjerne.errors import Refusal
from kjerne.fhir import shelf
from kjerne.fhir.shelf import Shelf

URL = "http://example.org/profile"


def test_a_definition_is_found_by_address_and_version(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        shelf.add(tmp_path, package(profile("Observation") | {"title": version}, version=version))
    known = Shelf(tmp_path)
    found = [known.find(one) for one in (URL, f"{URL}|1.9.0", f"{URL}|2", "urn:other")]
    assert [one and one["title"] for one in found] == ["1.10.0", "1.9.0", None, None]
    assert known.package_of(URL) == "test.guide#1.10.0"
    assert known.profiles == {"Observation": [f"{URL}|1.10.0", f"{URL}|1.9.0"]}


def test_an_index_that_is_missing_or_damaged_is_made_anew(tmp_path: Path) -> None:
    shelf.add(tmp_path, package(profile("Observation")))
    index = tmp_path / "test.guide#1.0.0.index"
    size = (tmp_path / "test.guide#1.0.0.tgz").stat().st_size
    for raw in (None, b"", b"{}", b'{"size":1,"rows":[]}\n', b'{"size":%d,"rows":[]}\n' % size):
        index.unlink()
        if raw is not None:
            index.write_bytes(raw)
        assert Shelf(tmp_path).find(URL) is not None


def test_a_package_that_is_removed_is_found_no_more_by_whoever_knew_it(tmp_path: Path) -> None:
    shelf.add(tmp_path, package(profile("Observation")))
    before = Shelf(tmp_path)
    shelf.remove(tmp_path, "test.guide", "1.0.0")
    assert before.find(URL) is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Refusal) as refused:
        shelf.remove(tmp_path, "test.guide", "1.0.0")
    assert refused.value.status == 404
