"""Where a view's rows go: CSV or NDJSON on standard output or in a file, Parquet, or a table of a DuckDB database.

A file is there whole or not at all: rows are written beside it, readable by its owner alone, and take its place at the end.
DuckDB makes Parquet and its own tables from such a file of rows, so memory stays bounded whatever their number. It is an extra
(`kjerne[analytics]`), asked for when it is needed.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.views.definition import Column, View

FORMATS: Final = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet", ".duckdb": "duckdb"}
STREAMS: Final = ("csv", "ndjson")
TYPED: Final = ("parquet", "duckdb")
MEMORY_LIMIT: Final = "512MB"
"""What DuckDB may hold; the rest it keeps beside the output."""

_NUMBERS: Final = msgspec.json.Encoder(decimal_format="number")
Row = Sequence[Any]


class Writer(Protocol):
    """Takes rows; what they become is there when its context ends."""

    def __call__(self, rows: list[Any]) -> None:
        """Write some rows."""


@contextlib.contextmanager
def writing(view: View, to: str) -> Iterator[Writer]:
    """Writes a view's rows to `to`: `csv` or `ndjson` for standard output, else a file whose name says which format it has."""
    columns, path, format_ = view.columns, Path(to), format_of(to)
    if to in STREAMS:
        with _read_enough():
            yield _writer(to, columns, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        return
    if format_ in STREAMS:
        with _in_place(path) as beside, _refused_by(path), beside.open("wb") as file:
            yield _writer(format_, columns, file)
        return
    duckdb = _duckdb()
    with _scratch(path) as folder:
        rows = folder / "rows.ndjson"
        with _refused_by(path), rows.open("wb") as file:
            yield _stored_rows(columns, file)
        try:
            if format_ == "parquet":
                with _in_place(path) as beside:
                    _to_parquet(duckdb, columns, rows, beside, folder)
            else:
                _to_table(duckdb, view, rows, path, folder)
        except duckdb.Error as error:
            # What DuckDB says may show a value: only which kind of error it was goes on.
            in_use = isinstance(error, duckdb.IOException)
            says = (
                "DuckDB cannot open it, or another program has it open" if in_use else "DuckDB does not take the rows"
            )
            raise Refusal(409 if in_use else 422, f"{says} ({type(error).__name__})", where=to) from None


@contextlib.contextmanager
def _read_enough() -> Iterator[None]:
    """Whoever reads us (`head`) may stop: then so do we."""
    try:
        yield
    except OSError as error:
        # What is still held for standard output can go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise Refusal(400, f"it cannot be written: {error.strerror}", where="standard output") from None


def format_of(to: str) -> str:
    """The format that a name says; `Refusal` where it says none."""
    found = to if to in STREAMS else FORMATS.get(Path(to).suffix.lower(), "")
    if not found:
        todo = "Write csv, ndjson, or a file that ends in .csv, .ndjson, .parquet or .duckdb."
        raise Refusal(400, "it does not say which format is wanted", where="--to", todo=todo)
    return found


def schema(view: View) -> str:
    """The table as SQL creates it."""
    lines = ",\n".join(f'  "{column.name}" {_sql_name(column)}' for column in view.columns)
    return f'CREATE TABLE "{view.name}" (\n{lines}\n)'


def _sql_name(column: Column) -> str:
    return f"{column.sql.name}[]" if column.collection else column.sql.name


def _writer(format_: str, columns: tuple[Column, ...], file: BinaryIO | IO[bytes]) -> Writer:
    if format_ == "ndjson":
        names = [column.name for column in columns]

        def write(rows: list[Any]) -> None:
            file.write(b"".join(_NUMBERS.encode(dict(zip(names, row, strict=True))) + b"\n" for row in rows))

        return write
    lines = io.StringIO()
    table = csv.writer(lines)
    table.writerow([column.name for column in columns])

    def write_lines(rows: list[Any]) -> None:
        table.writerows([_cell(value) for value in row] for row in rows)
        file.write(lines.getvalue().encode())
        lines.seek(0)
        lines.truncate()

    return write_lines


def _cell(value: Any) -> Any:
    if type(value) is bool:
        return "true" if value else "false"
    return _NUMBERS.encode(value).decode() if type(value) in (list, dict) else value


def _stored_rows(columns: tuple[Column, ...], file: IO[bytes]) -> Writer:
    """Rows as DuckDB reads them: structures and exact numbers as texts."""
    shapes = [_json if column.sql.name == "JSON" else None for column in columns]
    many = [column.collection for column in columns]
    places = [place for place, shape in enumerate(shapes) if shape]
    encoder = msgspec.json.Encoder(decimal_format="string")
    names = [column.name for column in columns]

    def write(rows: list[Any]) -> None:
        lines = []
        for row in rows:
            values = dict(zip(names, row, strict=True))
            for place in places:
                value = row[place]
                if value is not None:
                    values[names[place]] = [_json(one) for one in value] if many[place] else _json(value)
            lines.append(encoder.encode(values))
        file.write(b"\n".join([*lines, b""]))

    return write


def _json(value: Any) -> str:
    return _NUMBERS.encode(value).decode()


def _read_sql(columns: tuple[Column, ...]) -> str:
    """A query over the file of rows (`?`), typed. Names are letters, digits and _, and types are our own words."""
    listed = ", ".join(f"'{column.name}': '{_stored(column)}'" for column in columns)
    chosen = ", ".join(f'{_as(column)} AS "{column.name}"' for column in columns)
    return f"SELECT {chosen} FROM read_json(?, format='newline_delimited', columns={{{listed}}})"  # noqa: S608 - as above


def _stored(column: Column) -> str:
    return f"{column.sql.stored}[]" if column.collection else column.sql.stored


def _as(column: Column) -> str:
    name = f'"{column.name}"'
    if column.sql.name != "BLOB":
        return f"CAST({name} AS {_sql_name(column)})"
    return f"list_transform({name}, lambda x: from_base64(x))" if column.collection else f"from_base64({name})"


def _to_parquet(duckdb: Any, columns: tuple[Column, ...], rows: Path, to: Path, folder: Path) -> None:
    with contextlib.closing(_connected(duckdb, ":memory:", folder)) as database:
        database.execute(f"COPY ({_read_sql(columns)}) TO ? (FORMAT parquet, COMPRESSION zstd)", [str(rows), str(to)])


def _to_table(duckdb: Any, view: View, rows: Path, to: Path, folder: Path) -> None:
    is_new = not to.exists()
    try:
        with contextlib.closing(_connected(duckdb, str(to), folder)) as database:
            database.execute(f'CREATE OR REPLACE TABLE "{view.name}" AS {_read_sql(view.columns)}', [str(rows)])
    except BaseException:
        if is_new:
            to.unlink(missing_ok=True)
        raise
    if is_new:
        to.chmod(0o600)


def _connected(duckdb: Any, database: str, folder: Path) -> Any:
    """A connection that fetches nothing from anywhere: extensions are those in the package."""
    fixed = {"autoinstall_known_extensions": "false", "memory_limit": MEMORY_LIMIT, "temp_directory": str(folder)}
    found = duckdb.connect(database, config=fixed)
    found.execute("SET TimeZone = 'UTC'")
    return found


def _duckdb() -> Any:
    try:
        return importlib.import_module("duckdb")
    except ImportError:
        todo = "Install kjerne[analytics], or write csv or ndjson."
        raise Refusal(
            404, "DuckDB is not installed, and Parquet and DuckDB are written by it", where="--to", todo=todo
        ) from None


@contextlib.contextmanager
def _in_place(path: Path) -> Iterator[Path]:
    """A file beside `path`, its owner's alone, that takes its place when the block ends well."""
    with _refused_by(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        with _refused_by(path):
            beside.chmod(0o600)
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    with _refused_by(path):
        folder = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
    with folder as name:
        yield Path(name)


@contextlib.contextmanager
def _refused_by(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refusal(400, f"it cannot be written: {error.strerror}", where=str(path)) from None
