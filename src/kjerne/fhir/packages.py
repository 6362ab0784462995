"""Packages of implementation guides (FHIR NPM packages): kept side by side in a folder, each version for itself.

A package is read in memory and nothing of it is unpacked; only its JSON resources count. Profiles, extensions, value sets and
code systems are found by their canonical address, with `|version` or in the newest version that is there.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from kjerne.errors import Refusal

ARCHIVE_LIMIT_BYTES: Final = 100_000_000
UNPACKED_LIMIT_BYTES: Final = 500_000_000
FILES_LIMIT: Final = 20_000
FILE_LIMIT_BYTES: Final = 16_000_000
HEADER_LIMIT_BYTES: Final = 1_000_000
"""What may stand between two files: tar's own headers say how long they are, and one may say gigabytes."""
VALUES_LIMIT: Final = 5_000_000
"""Values in all JSON of a package, some 150 MB of it as guides are written: `[{},{},...]` takes thirty times its length."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.\-]{0,99}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+\-]{0,49}")
_NUMBERS: Final = re.compile(r"\d{1,18}", re.ASCII)
_KEPT: Final = frozenset(("StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap"))


@dataclass(frozen=True)
class Package:
    """One package as it was published. `resources` are those that others can name."""

    name: str
    version: str
    resources: tuple[dict[str, Any], ...]


class Definitions(Protocol):
    """Where definitions are found by canonical address."""

    def find(self, canonical: str) -> dict[str, Any] | None:
        """The resource of a canonical address: the version it names, or the newest."""


def order(version: str) -> tuple[int, ...]:
    """Versions by their numbers: 1.10 is newer than 1.9."""
    return tuple(int(one) for one in _NUMBERS.findall(version))


def read(archive: bytes) -> Package:
    """A package from its bytes; `Refusal` (422) where it is none for R4, or too large."""
    if len(archive) > ARCHIVE_LIMIT_BYTES:
        raise Refusal(413, f"The package is larger than {ARCHIVE_LIMIT_BYTES} bytes.")
    manifest: dict[str, Any] | None = None
    kept: list[dict[str, Any]] = []
    for file, found in _files(archive):
        if file == "package.json":
            manifest = found
        elif _is_kept(found):
            kept.append(found)
    if manifest is None:
        raise Refusal(422, "The file is no FHIR package: package/package.json is missing.")
    name, version = manifest.get("name"), manifest.get("version")
    if not (
        isinstance(name, str) and _NAME.fullmatch(name) and isinstance(version, str) and _VERSION.fullmatch(version)
    ):
        raise Refusal(422, "The package's name or version is none.", where="package.json")
    versions = manifest.get("fhirVersions") or manifest.get("fhir-version-list") or ["4.0.1"]
    if not isinstance(versions, list) or not any(str(one).startswith("4.0") for one in versions):
        raise Refusal(422, "The package is not for FHIR R4.", where="package.json")
    return Package(name, version, tuple(kept))


def _is_kept(found: dict[str, Any]) -> bool:
    type_ = found.get("resourceType")
    return isinstance(type_, str) and type_ in _KEPT and isinstance(found.get("url"), str)


class _Unpacked:
    """The bytes of a .tgz as tar reads them, counted: in all, and since `allow`."""

    def __init__(self, archive: bytes) -> None:
        self._file = gzip.GzipFile(fileobj=io.BytesIO(archive))
        self._left = UNPACKED_LIMIT_BYTES
        self._allowed = HEADER_LIMIT_BYTES

    def allow(self, count: int) -> None:
        """What the file that begins here takes, and the headers of the next."""
        self._allowed = count + HEADER_LIMIT_BYTES

    def read(self, size: int) -> bytes:
        raw = self._file.read(size)
        self._left -= len(raw)
        self._allowed -= len(raw)
        if self._left < 0 or self._allowed < 0:
            raise _too_large()
        return raw


def _too_large() -> Refusal:
    return Refusal(
        413,
        f"The package has over {FILES_LIMIT} files, {UNPACKED_LIMIT_BYTES} bytes or {VALUES_LIMIT} values, or a file of over "
        f"{FILE_LIMIT_BYTES} bytes.",
    )


def _files(archive: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The JSON objects in `package/`, not those in folders of it (examples, templates). Read as a stream, so that no header
    makes anything be read that is not counted."""
    values = 0
    unpacked: Any = _Unpacked(archive)
    try:
        with tarfile.open(fileobj=unpacked, mode="r|") as package:
            for number, member in enumerate(package):
                if number >= FILES_LIMIT or member.issparse():
                    raise _too_large()
                unpacked.allow(member.size)
                name = member.name.removeprefix("./").removeprefix("package/")
                file = package.extractfile(member) if member.isfile() and "/" not in name else None
                if file is not None and name.endswith(".json") and not name.startswith("."):
                    if member.size > FILE_LIMIT_BYTES:
                        raise _too_large()
                    raw = file.read()
                    values += sum(map(raw.count, (b"{", b"[", b",")))
                    if values > VALUES_LIMIT:
                        raise _too_large()
                    found = json.loads(raw)
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
