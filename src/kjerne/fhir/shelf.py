"""Packages as a running service reads them: what each defines is found without holding it in memory.

Beside `name#version.tgz` lies `name#version.index`: a line of JSON that says where each definition begins, and then the
definitions, each packed for itself. It is made when a package is added, or when it is first looked for.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir import packages
from kjerne.fhir.packages import Package

HEAD_LIMIT_BYTES: Final = 16_000_000
FORM: Final = 2
"""Of an index: one of another form, as before there were concept maps in it, is made anew."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One definition: its address and version, which type it is a profile of (empty: it is none, or none that can be asked),
    and where it lies."""

    url: str
    version: str
    profiles: str
    start: int
    length: int


class Head(msgspec.Struct, frozen=True):
    """The first line of an index. `size` is that of the package it was made from, `form` what was looked for in it."""

    size: int
    rows: list[Row]
    form: int = 0


class Place(NamedTuple):
    """Where a definition lies, and of which package it is."""

    package: str
    path: Path
    start: int
    length: int


class Shelf:
    """What the packages of a folder define, as they lay there when it was made; without one, nothing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._places: dict[str, dict[str, Place]] = {}
        self._versions: dict[tuple[str, str], str] = {}
        self.profiles: dict[str, list[str]] = {}
        """By type the profiles of it that have a snapshot, each with its version; extensions and data types too."""
        for path in sorted(folder.glob("*#*.tgz") if folder is not None else ()):
            head, offset = _opened(path)
            index = _index(path)
            for row in head.rows:
                place = Place(path.stem, index, offset + row.start, row.length)
                self._places.setdefault(row.url, {})[row.version] = place
                self._versions[path.stem, row.url] = row.version
                if row.profiles:
                    self.profiles.setdefault(row.profiles, []).append(f"{row.url}|{row.version}")

    def find(self, canonical: str) -> dict[str, Any] | None:
        """The resource of a canonical address: the version it names, or the newest. None too where its package was removed."""
        place = self._place(canonical)
        if place is None:
            return None
        try:
            with place.path.open("rb") as index:
                index.seek(place.start)
                found: dict[str, Any] = json.loads(zlib.decompress(index.read(place.length)))
        except (OSError, zlib.error, ValueError):
            return None
        return found

    def package_of(self, canonical: str) -> str:
        """`name#version` of the package that has it; empty where none does."""
        place = self._place(canonical)
        return place.package if place is not None else ""

    def version_in(self, package: str, address: str) -> str:
        """The version that a definition has in the package `name#version`; empty where that has none of it."""
        return self._versions.get((package, address), "")

    def __len__(self) -> int:
        return len(self._places)

    def _place(self, canonical: str) -> Place | None:
        address, _, version = canonical.partition("|")
        versions = self._places.get(address, {})
        if version:
            return versions.get(version)
        return versions[max(versions, key=packages.order)] if versions else None


def add(folder: Path, archive: bytes) -> Package:
    """Keep a package, and make its index."""
    package = packages.add(folder, archive)
    _written(folder / f"{package.name}#{package.version}.tgz", package)
    return package


def remove(folder: Path, name: str, version: str) -> None:
    """The package is kept no more; `Refusal` (404) where it is not there."""
    if (name, version) not in packages.names(folder):
        raise Refusal(404, "No such package is kept.", where=f"{name} {version}", todo="See kjerne ig list.")
    path = folder / f"{name}#{version}.tgz"
    path.unlink()
    _index(path).unlink(missing_ok=True)


def _index(path: Path) -> Path:
    return path.with_name(f"{path.name.removesuffix('.tgz')}.index")


def _opened(path: Path) -> tuple[Head, int]:
    """The head of a package's index, and where its definitions begin; made where there is none of this very package."""
    found = _read(path)
    if found is None:
        try:
            _written(path, packages.read(path.read_bytes()))
        except OSError as error:
            raise Refusal(422, f"The package cannot be indexed: {error.strerror}.", where=path.name) from None
        found = _read(path)
    if found is None:
        raise Refusal(422, "The package changes while it is read.", where=path.name)
    return found


def _read(path: Path) -> tuple[Head, int] | None:
    try:
        with _index(path).open("rb") as index:
            line = index.readline(HEAD_LIMIT_BYTES)
        head = msgspec.json.decode(line, type=Head)
        return (head, len(line)) if (head.size, head.form) == (path.stat().st_size, FORM) else None
    except (OSError, msgspec.DecodeError):
        return None


def _written(path: Path, package: Package) -> None:
    rows: list[Row] = []
    parts: list[bytes] = []
    start = 0
    for resource, profiled in _definitions(package):
        part = zlib.compress(json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode())
        version = str(resource.get("version") or package.version)
        rows.append(Row(resource["url"], version, profiled, start, len(part)))
        parts.append(part)
        start += len(part)
    head = msgspec.json.encode(Head(path.stat().st_size, rows, FORM))
    half = _index(path).with_suffix(".part")
    half.write_bytes(b"".join([head, b"\n", *parts]))
    half.replace(_index(path))


def _definitions(package: Package) -> Iterator[tuple[dict[str, Any], str]]:
    for resource in package.resources:
        type_ = resource.get("type")
        yield resource, type_ if constrains(resource) and has_snapshot(resource) and isinstance(type_, str) else ""


def constrains(definition: dict[str, Any]) -> bool:
    """Whether it is a profile."""
    return definition["resourceType"] == "StructureDefinition" and definition.get("derivation") == "constraint"


def has_snapshot(profile: dict[str, Any]) -> bool:
    """Whether a profile says of each element what holds: nothing can be held against one that tells its differences alone."""
    snapshot = profile.get("snapshot")
    return isinstance(snapshot, dict) and bool(snapshot.get("element"))
