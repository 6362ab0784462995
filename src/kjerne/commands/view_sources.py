"""What a view reads: NDJSON files, or the folder that an export was downloaded to, line by line and never a whole file.

A file may be packed (`.gz`, `.zst`). A folder with a `manifest.json` must hold every file of the view's type that it names: a
table of half an export would look like a whole one.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec
import zstandard

from kjerne.errors import Refusal

LINE_LIMIT_BYTES: Final = 64_000_000
"""One resource. Export and import take less; a file without line ends must not fill the memory."""
MANIFEST: Final = "manifest.json"
STANDARD_INPUT: Final = "-"
CHARACTERS_LIMIT: Final = 64
EXPONENT_LIMIT: Final = 64
"""Of a number: the same as in a request."""

_ENDINGS: Final = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz", ".ndjson.zst", ".jsonl.zst")
_PACKED: Final = ("", ".ndjson", ".ndjson.gz", ".ndjson.zst")
_AS_EXPORTED: Final = re.compile(r"[A-Z][A-Za-z]+-\d+")
_CUT_BYTES: Final = 1_000_000
"""Between two looks at how far a file has been read."""


class _Head(msgspec.Struct):
    type: str = msgspec.field(name="resourceType", default="")


class _Output(msgspec.Struct):
    url: str
    type: str = ""


class _Manifest(msgspec.Struct):
    output: list[_Output]


class Resource(NamedTuple):
    """One resource and its place, `FILE line N`. `tree` is None for a resource of another type, which is not read further."""

    where: str
    tree: dict[str, Any] | None


def _decimal(digits: str) -> Decimal:
    number = Decimal(digits)
    # A larger exponent is no measurement, and written out it would fill the memory.
    if len(digits) > CHARACTERS_LIMIT or abs(int(number.as_tuple().exponent)) > EXPONENT_LIMIT:
        raise ValueError("a number longer or larger than any measurement")
    return number


_HEADS: Final = msgspec.json.Decoder(_Head)
_READER: Final = msgspec.json.Decoder(dict[str, Any], float_hook=_decimal)
Step = Callable[[int, int, str], None]


def files(paths: Sequence[Path], type_: str) -> list[Path]:
    """The files that are read for a view of a type: those that are named, and those of folders."""
    found = [file for path in paths for file in _files_of(path, type_)]
    if not found:
        raise Refusal(
            404, "there is no file to read here", where=str(paths[0]), todo="Name NDJSON files, or their folder."
        )
    return list(dict.fromkeys(found))


def resources(found: Sequence[Path], type_: str, step: Step) -> Iterator[Resource]:
    """Every resource of the files, in order; `step` hears how many bytes have been read of all."""
    total, before = sum(file.stat().st_size for file in found if str(file) != STANDARD_INPUT), 0
    for file in found:
        with _opened(file) as (lines, at):
            told = 0
            for place, line in enumerate(_lines(lines, file), 1):
                if at() - told > _CUT_BYTES:
                    told = at()
                    step(before + told, total, "bytes")
                if not line.isspace():
                    yield _resource(line, f"{file} line {place}", type_)
            before += at()
            step(before, total, "bytes")


def _resource(line: bytes, where: str, type_: str) -> Resource:
    try:
        if _HEADS.decode(line).type != type_:
            return Resource(where, None)
        return Resource(where, _READER.decode(line))
    except (ValueError, ArithmeticError, RecursionError):
        todo = "NDJSON has one resource on each line."
        raise Refusal(422, "the line is no resource in JSON", where=where, todo=todo) from None


def _lines(lines: BinaryIO, file: Path) -> Iterator[bytes]:
    place = 0
    try:
        while line := lines.readline(LINE_LIMIT_BYTES):
            place += 1
            if len(line) == LINE_LIMIT_BYTES:
                says = f"the line is longer than {LINE_LIMIT_BYTES} bytes"
                raise Refusal(422, says, where=f"{file} line {place}", todo="NDJSON has one resource on each line.")
            yield line.removeprefix(b"\xef\xbb\xbf") if place == 1 else line
    except (OSError, EOFError, zstandard.ZstdError) as error:
        says = f"the file cannot be read on: {type(error).__name__}"
        raise Refusal(422, says, where=f"{file} line {place + 1}", todo="Fetch it again.") from None


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    if str(file) == STANDARD_INPUT:
        yield sys.stdin.buffer, lambda: 0
        return
    try:
        raw = file.open("rb")
    except OSError as error:
        raise Refusal(400, f"the file cannot be opened: {error.strerror}", where=str(file)) from None
    with raw:
        at = raw.tell if raw.seekable() else lambda: 0
        if file.suffix == ".gz":
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw)), at
        elif file.suffix == ".zst":
            reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            yield io.BufferedReader(reader, 1 << 16), at
        else:
            yield raw, at


def _files_of(path: Path, type_: str) -> list[Path]:
    if str(path) == STANDARD_INPUT:
        return [path]
    if not path.exists():
        raise Refusal(404, "there is no such file", where=str(path))
    if not path.is_dir():
        return [path]
    if (path / MANIFEST).is_file():
        return _of_manifest(path, type_)
    return sorted(
        file
        for file in path.iterdir()
        if file.is_file() and (file.name.endswith(_ENDINGS) or _AS_EXPORTED.fullmatch(file.name))
    )


def _of_manifest(folder: Path, type_: str) -> list[Path]:
    where = str(folder / MANIFEST)
    try:
        outputs = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=_Manifest).output
    except (OSError, ValueError):
        raise Refusal(422, "it is no manifest of an export", where=where, todo="Name the files one by one.") from None
    found = []
    for one in outputs:
        if one.type in ("", type_):
            name = unquote(urlsplit(one.url).path).rpartition("/")[2]
            there = [folder / f"{name}{end}" for end in _PACKED if name and (folder / f"{name}{end}").is_file()]
            if not there:
                says = f"the manifest names a file that is not here: {name}"
                raise Refusal(404, says, where=where, todo="Fetch it too, or name the files one by one.")
            found.append(there[0])
    if not found:
        says = f"the manifest names no file of {type_}"
        raise Refusal(404, says, where=where, todo=f"Export {type_} too, or name the files one by one.")
    return found
