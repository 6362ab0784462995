"""Packages of implementation guides (FHIR NPM packages): kept side by side in a folder, each version for itself.

A package is read in memory and nothing of it is unpacked; only its JSON resources count. Profiles, extensions, value sets and
code systems are found by their canonical address, with `|version` or in the newest version that is there.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kjerne.errors import Refusal

ARCHIVE_LIMIT_BYTES: Final = 100_000_000
UNPACKED_LIMIT_BYTES: Final = 500_000_000
FILES_LIMIT: Final = 20_000

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{0,99}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+\-]{0,49}")
_NUMBERS: Final = re.compile(r"\d+")
_KEPT: Final = frozenset(("StructureDefinition", "ValueSet", "CodeSystem"))


@dataclass(frozen=True)
class Package:
    """One package as it was published. `resources` are those that others can name."""

    name: str
    version: str
    resources: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Library:
    """What loaded packages define, by canonical address and version."""

    by_address: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def find(self, canonical: str) -> dict[str, Any] | None:
        """The resource of a canonical address: the version it names, or the newest."""
        address, _, version = canonical.partition("|")
        versions = self.by_address.get(address, {})
        if version:
            return versions.get(version)
        return versions[max(versions, key=_order)] if versions else None


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in _NUMBERS.findall(version))


def read(archive: bytes) -> Package:
    """A package from its bytes; `Refusal` (422) where it is none for R4, or too large."""
    if len(archive) > ARCHIVE_LIMIT_BYTES:
        raise Refusal(413, f"The package is larger than {ARCHIVE_LIMIT_BYTES} bytes.")
    files = dict(_files(archive))
    manifest = files.pop("package.json", None)
    if not isinstance(manifest, dict):
        raise Refusal(422, "The file is no FHIR package: package/package.json is missing.")
    name, version = manifest.get("name"), manifest.get("version")
    if not (
        isinstance(name, str) and _NAME.fullmatch(name) and isinstance(version, str) and _VERSION.fullmatch(version)
    ):
        raise Refusal(422, "The package's name or version is none.", where="package.json")
    versions = manifest.get("fhirVersions") or manifest.get("fhir-version-list") or ["4.0.1"]
    if not any(str(one).startswith("4.0") for one in versions):
        raise Refusal(422, "The package is not for FHIR R4.", where="package.json")
    kept = tuple(one for one in files.values() if one.get("resourceType") in _KEPT and isinstance(one.get("url"), str))
    return Package(name, version, kept)


def _files(archive: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON objects in `package/`, not those in folders of it (examples, templates)."""
    size = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
            for number, member in enumerate(package):
                size += member.size
                if number >= FILES_LIMIT or size > UNPACKED_LIMIT_BYTES:
                    raise Refusal(413, f"The package has over {FILES_LIMIT} files or {UNPACKED_LIMIT_BYTES} bytes.")
                name = member.name.removeprefix("./").removeprefix("package/")
                file = package.extractfile(member) if member.isfile() and "/" not in name else None
                if file is not None and name.endswith(".json") and not name.startswith("."):
                    found = json.load(file)
                    if isinstance(found, dict):
                        yield name, found
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError):
        raise Refusal(
            422, "The file is no package that can be read.", todo="Send the .tgz of an FHIR package."
        ) from None


def add(folder: Path, archive: bytes) -> Package:
    """Keep a package. The same version again must be the same bytes; `Refusal` (409) where it is another."""
    package = read(archive)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{package.name}#{package.version}.tgz"
    if path.exists() and path.read_bytes() != archive:
        raise Refusal(
            409, "Another package of this name and version is there.", where=f"{package.name} {package.version}"
        )
    part = path.with_suffix(".part")
    part.write_bytes(archive)
    part.replace(path)
    return package


def names(folder: Path) -> list[tuple[str, str]]:
    """(name, version) of every package that is kept."""
    found = (path.stem.partition("#") for path in sorted(folder.glob("*#*.tgz")))
    return [(name, version) for name, _, version in found]


def library(folder: Path) -> Library:
    """Everything that the kept packages define."""
    return joined(read(path.read_bytes()) for path in sorted(folder.glob("*#*.tgz")))


def joined(packages: Iterator[Package]) -> Library:
    """What packages define together."""
    made = Library()
    for package in packages:
        for resource in package.resources:
            version = str(resource.get("version") or package.version)
            made.by_address.setdefault(resource["url"], {})[version] = resource
    return made
