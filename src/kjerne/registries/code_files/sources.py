"""Where the lines of a published file come from: a file, a folder or a zip, read as a stream and never unpacked."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from kjerne.errors import Refusal

HEAD_BYTES: Final = 16_384
"""What is looked at of a file to tell what it is."""
LINE_LIMIT_BYTES: Final = 1_000_000
FILES_LIMIT: Final = 10_000
FIELD_CHARACTERS_LIMIT: Final = 1_000_000
_BOM: Final = b"\xef\xbb\xbf"
_BAD_ARCHIVE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
Step = Callable[[int, int, str], None]


class Meter:
    """How far the reading of some sources has come, told every some hundred kilobytes."""

    def __init__(self, total: int, step: Step, every: int = 500_000) -> None:
        self._total = total
        self._step = step
        self._every = every
        self._done = self._told = 0

    def __call__(self, count: int) -> None:
        self._done += count
        if self._done - self._told >= self._every:
            self._told = self._done
            self._step(min(self._done, self._total), self._total, "bytes read")


def unmetered(_: int) -> None:
    """Where nobody watches."""


@dataclass(frozen=True)
class Source:
    """One file as it was published. `member` is its name in the archive at `path`, where it lies in one."""

    path: Path
    member: str
    size: int

    @property
    def name(self) -> str:
        """As it is shown."""
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    @property
    def base(self) -> str:
        """Its own name, without folders."""
        return (self.member or self.path.name).rpartition("/")[2]

    def chunks(self, meter: Callable[[int], None] = unmetered) -> BinaryIO:
        """Its bytes; `meter` hears how many were read. `Refusal` 422 where they cannot be."""
        try:
            file = self._opened()
        except _BAD_ARCHIVE:
            raise self.refused("the archive is damaged or cut off") from None
        except OSError as error:
            raise self.refused(f"the file cannot be read: {error.strerror}") from None
        return io.BufferedReader(_Counted(self, file, meter), 1 << 18)

    def _opened(self) -> Any:
        """The file, for whoever reads it to close."""
        return zipfile.ZipFile(self.path).open(self.member) if self.member else self.path.open("rb")

    def head(self) -> bytes:
        """How it begins."""
        with self.chunks() as file:
            return file.read(HEAD_BYTES).removeprefix(_BOM)

    def lines(self, meter: Callable[[int], None] = unmetered, *, ended: bool = False) -> Iterator[tuple[int, str]]:
        """Its lines with their numbers, without what ends them. With `ended` the last must be ended too: else it is cut off."""
        with self.chunks(meter) as file:
            for number, raw in enumerate(iter(lambda: file.readline(LINE_LIMIT_BYTES), b""), 1):
                line = raw.rstrip(b"\r\n")
                if len(raw) >= LINE_LIMIT_BYTES:
                    raise self.refused("the line has no end", number)
                if b"\0" in raw:
                    raise self.refused("the line has a character that no text has", number)
                if ended and line == raw:
                    raise self.refused("the file is cut off: its last line is not ended", number)
                try:
                    yield number, (line.removeprefix(_BOM) if number == 1 else line).decode()
                except UnicodeDecodeError:
                    raise self.refused("the line is not UTF-8", number) from None

    def rows(
        self, needed: Iterable[str], meter: Callable[[int], None] = unmetered
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """The rows of a csv by the names of its columns, each with the number of its line; `needed` must be there."""
        numbers = [0]

        def texts() -> Iterator[str]:
            for number, line in self.lines(meter):
                numbers[0] = number
                yield line + "\n"

        reader = csv.reader(texts(), delimiter=self.delimiter(), strict=True)
        csv.field_size_limit(FIELD_CHARACTERS_LIMIT)
        try:
            names = [one.strip() for one in next(reader, [])]
            if missing := [one for one in needed if one not in names]:
                raise self.refused(f"the columns {', '.join(missing)} are missing", 1)
            for row in reader:
                if row and len(row) != len(names):
                    raise self.refused(f"the line has {len(row)} columns and the first {len(names)}", numbers[0])
                if row:
                    yield numbers[0], dict(zip(names, row, strict=True))
        except csv.Error:
            raise self.refused("the line is no csv, or the file is cut off", numbers[0]) from None

    def delimiter(self) -> str:
        """What stands between columns: what the first line has most of."""
        first = self.head().partition(b"\n")[0]
        return max(",;\t", key=lambda sign: first.count(sign.encode()))

    def refused(self, says: str, line: int = 0) -> Refusal:
        where = f"{self.name}, line {line}" if line else self.name
        return Refusal(422, says, where=where, todo="Nothing was loaded; mend or fetch the file anew.")


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read, and whose archive's faults are refusals."""

    def __init__(self, source: Source, file: Any, meter: Callable[[int], None]) -> None:
        self._source = source
        self._file = file
        self._meter = meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            raw = self._file.read(len(buffer))
        except _BAD_ARCHIVE:
            raise self._source.refused("the archive is damaged or cut off") from None
        except OSError as error:
            raise self._source.refused(f"the file cannot be read: {error.strerror}") from None
        buffer[: len(raw)] = raw
        self._meter(len(raw))
        return len(raw)

    def close(self) -> None:
        self._file.close()
        super().close()


def sources(path: Path) -> list[Source]:
    """The files of a path: itself, those of a folder, or those in a zip, in the order of their names."""
    if path.is_dir():
        found = [one for each in sorted(path.rglob("*")) if each.is_file() for one in sources(each)]
    elif not path.is_file():
        raise Refusal(422, "it is no regular file and no folder", where=str(path))
    elif _is_workbook(path) or not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".zip":
            raise Source(path, "", 0).refused("the archive is damaged or cut off")
        found = [Source(path, "", path.stat().st_size)]
    else:
        found = [Source(path, name, size) for name, size in sorted(members(path).items())]
    if len(found) > FILES_LIMIT:
        raise Refusal(422, f"there are more than {FILES_LIMIT} files", where=str(path))
    return found


def members(path: Path) -> dict[str, int]:
    """The files in an archive, with their sizes. `Refusal` 422 where it is none, or is cut off."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {one.filename: one.file_size for one in archive.infolist() if not one.is_dir()}
    except (*_BAD_ARCHIVE, OSError):
        raise Source(path, "", 0).refused("the archive is damaged or cut off") from None


def _is_workbook(path: Path) -> bool:
    return path.suffix.lower() == ".xlsx"


def digest(used: Sequence[Source], more: str = "") -> bytes:
    """What is the same where the same files are loaded again: of an archive all of it."""
    found = hashlib.sha256(more.encode())
    for path in sorted({one.path for one in used}):
        try:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise Refusal(422, f"the file cannot be read: {error.strerror}", where=str(path)) from None
    return found.digest()
