"""Packages lie side by side; what is none is refused and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guide_packages import archive, joined, package
from kjerne.errors import Refusal
from kjerne.fhir import packages
from kjerne.fhir.shelf import Shelf
from kjerne.fhir.value_sets import codes

SHARED = Path(__file__).parents[3] / "shared" / "data" / "packages"


def value_set(url: str, **compose: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose}


def test_versions_lie_side_by_side_and_the_newest_is_found(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        packages.add(tmp_path, package(value_set("urn:v", include=[{"system": version}]), version=version))
    assert packages.names(tmp_path) == [("test.guide", "1.10.0"), ("test.guide", "1.9.0")]
    library = Shelf(tmp_path)
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
        archive({"package/package.json": json.dumps({"name": "x", "version": "1", "fhirVersions": 4}).encode()}),
        package()[:60],
    ],
    # An archive's bytes have a time in them: a name made of them differs between the workers that collect it.
    ids=[
        "nothing", "no archive", "no manifest", "manifest is a list", "manifest is cut", "name is a path", "version is a path",
        "another FHIR", "versions are a number", "cut short",
    ],
)  # fmt: skip
def test_what_is_no_package_is_refused_and_not_kept(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        packages.add(tmp_path / "packages", raw)
    assert packages.names(tmp_path / "packages") == []


def test_a_resource_whose_type_is_no_text_is_passed_over() -> None:
    odd = archive(
        {
            "package/package.json": json.dumps({"name": "x", "version": "1"}).encode(),
            "package/a.json": json.dumps({"resourceType": ["ValueSet"], "url": "urn:v"}).encode(),
        }
    )
    assert packages.read(odd).resources == ()


def bomb(header: tarfile.TarInfo, begins: bytes, length: int) -> bytes:
    """A .tgz whose one header says `length` bytes, which are there: zeros, behind what it begins with."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed:
        header.size = length
        packed.write(header.tobuf(tarfile.USTAR_FORMAT) + begins)
        for _ in range(0, length, 1_000_000):
            packed.write(bytes(1_000_000))
    return out.getvalue()


def named(name: str, type_: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = type_
    return made


@pytest.mark.parametrize(
    "made",
    [
        lambda: bomb(named("x", tarfile.XHDTYPE), b"", 30_000_000),
        lambda: bomb(named("x", tarfile.GNUTYPE_LONGNAME), b"", 30_000_000),
        lambda: bomb(named("package/x.json"), b"[", 30_000_000),
        lambda: bomb(named("package/x.bin"), b"", 50_000_000),
        lambda: archive({"package/x.json": b"[" + b"{}," * 3_000_000 + b"{}]"}),
        lambda: archive({f"package/{number}.json": b"[" + b"{}," * 1_000_000 + b"{}]" for number in range(3)}),
    ],
    ids=["pax header", "long name", "one file", "in all", "values of one file", "values of all"],
)
def test_a_package_that_would_fill_the_memory_is_refused_before_it_does(
    made: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "UNPACKED_LIMIT_BYTES", 40_000_000)
    raw = made()
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refused:
            packages.read(raw)
        assert tracemalloc.get_traced_memory()[1] < 160_000_000
    finally:
        tracemalloc.stop()
    assert refused.value.status == 413


def test_a_version_of_thousands_of_digits_is_a_version(tmp_path: Path) -> None:
    two = [value_set("urn:v") | {"version": one} for one in ("1", "9" * 5_000)]
    library = joined(iter([packages.Package("x", "1", tuple(two))]))
    assert library.find("urn:v") == two[1]


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
    library = joined(iter([made]))
    assert codes(library, "urn:all") == {"urn:s": frozenset("ab"), "urn:t": frozenset("x")}
    assert [codes(library, name) for name in ("urn:filtered", "urn:round", "urn:nothing")] == [None] * 3
    assert codes(library, "http://hl7.org/fhir/ValueSet/observation-status|4.0.1")


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside the checkout")
def test_every_package_at_hand_is_read(tmp_path: Path) -> None:
    files = sorted(SHARED.glob("*.tgz"))
    for file in files:
        packages.add(tmp_path, file.read_bytes())
    assert len(packages.names(tmp_path)) == len(files) > 15
