"""Tables of events and of traits, read from CSV, NDJSON or Parquet into columns.

An event table has the columns `id`, `days`, `code` and `value` (may be empty), and perhaps `unit`; a trait table has `id` and one
column for each trait. What is read is kept as it stands: what of it may be learned is for `cohorts` and `vocabulary`.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from kjerne.errors import Refusal

FORMATS: Final = (".csv", ".csv.gz", ".ndjson", ".ndjson.gz", ".parquet")
_DECIMAL_COMMA: Final = re.compile(r"-?\d+,\d+")
DAYS_MOST: Final = 100_000
"""No event is so many days (some 270 years) from its person's day 0."""
EMPTY: Final = frozenset({"", "NA", "NaN", "nan", "NAN", "-nan", "null", "NULL"})
"""How tables say that a cell is empty."""


@dataclass(frozen=True)
class EventTable:
    """Rows of events as columns of one length. A value that is missing is None."""

    ids: list[str]
    days: list[float | None]
    codes: list[str]
    values: list[float | None]
    units: list[str]
    where: str


@dataclass(frozen=True)
class TraitTable:
    """Rows of traits: ids, and the cells of each trait as text (None where empty)."""

    ids: list[str]
    traits: dict[str, list[str | None]]
    where: str


def read_events(paths: Sequence[Path]) -> EventTable:
    """Events of one table, or of the parts of one. `Refusal` with file and line where a row does not hold."""
    table = EventTable([], [], [], [], [], ", ".join(path.name for path in paths[:3]))
    for path in paths:
        rows = rows_in(path)
        head = _head(rows, path)
        id_, days, code, value = (_column(head, name, path) for name in ("id", "days", "code", "value"))
        unit = head.index("unit") if "unit" in head else None
        for where, row in rows:
            if len(row) != len(head):
                raise Refusal(422, f"a row has {len(row)} cells, the head {len(head)}", where=f"{path}, {where}")
            table.ids.append(_filled(row[id_], "id", path, where))
            table.codes.append(_filled(row[code], "code", path, where))
            day = _number(row[days], "days", path, where)
            if day is not None and abs(day) > DAYS_MOST:
                todo = "They are days since the person's own day 0, and no dates, seconds or years."
                raise Refusal(422, "the days are out of all bounds", where=f"{path}, {where}", todo=todo)
            table.days.append(day)
            table.values.append(_number(row[value], "value", path, where))
            table.units.append("" if unit is None or row[unit] in EMPTY else row[unit])
    return table


def read_traits(paths: Sequence[Path]) -> TraitTable:
    """Traits of one table, or of the parts of one, whose heads must be equal. An id that stands twice is refused."""
    table = TraitTable([], {}, ", ".join(path.name for path in paths[:3]))
    names, seen = list[str](), set[str]()
    for path in paths:
        rows = rows_in(path)
        head = _head(rows, path)
        id_ = _column(head, "id", path)
        names = names or head
        if head != names:
            raise Refusal(422, "the parts of a table have other columns than its first", where=str(path))
        columns = [(place, table.traits.setdefault(name, [])) for place, name in enumerate(head) if name != "id"]
        for where, row in rows:
            if len(row) != len(head):
                raise Refusal(422, f"a row has {len(row)} cells, the head {len(head)}", where=f"{path}, {where}")
            person = _filled(row[id_], "id", path, where)
            if person in seen:
                raise Refusal(422, "a person has two rows of traits", where=f"{path}, {where}")
            seen.add(person)
            table.ids.append(person)
            for place, cells in columns:
                cells.append(None if row[place] in EMPTY else row[place])
    return table


def files_of(folder: Path, stem: str) -> list[Path]:
    """The files of a table in a folder: `events.csv`, or its parts `events-00000.csv` and on, in one format."""
    if not folder.is_dir():
        raise Refusal(404, "there is no such folder", where=str(folder))
    if found := _parts(folder, stem):
        return found
    todo = f"Put {stem}.csv (or {', '.join(FORMATS[1:])}) in it."
    raise Refusal(404, f"there is no table of {stem}", where=str(folder), todo=todo)


def has(folder: Path, stem: str) -> bool:
    """Whether a folder holds a table, or parts of one."""
    return bool(_parts(folder, stem))


def _parts(folder: Path, stem: str) -> list[Path]:
    for ending in FORMATS:
        found = sorted(
            path
            for path in folder.glob(f"{stem}*{ending}")
            if path.name[len(stem) : -len(ending)].strip("-0123456789") == ""
        )
        if found:
            return found
    return []


def rows_in(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The head and the rows of a table, each with where it stands."""
    ending = next((one for one in sorted(FORMATS, key=len, reverse=True) if path.name.endswith(one)), "")
    if not ending:
        raise Refusal(400, "it does not say which format it has", where=str(path), todo=f"One of {', '.join(FORMATS)}.")
    try:
        if ending == ".parquet":
            yield from _parquet(path)
            return
        with gzip.open(path, "rb") if ending.endswith(".gz") else path.open("rb") as raw:
            # A byte order mark, which spreadsheets write, is no part of the first name.
            file = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
            yield from (_csv(file) if ".csv" in ending else _ndjson(file, path))
    except (OSError, EOFError) as error:
        says = getattr(error, "strerror", None) or "it is cut off or damaged"
        raise Refusal(400, f"the table cannot be read: {says}", where=str(path)) from None
    except (UnicodeDecodeError, csv.Error):
        raise Refusal(422, "the table is no text in UTF-8, or no CSV", where=str(path)) from None


def _csv(file: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    lines = iter(file)
    head = next(lines, "")
    # Tables with tabs between, as OMOP's vocabularies come, quote nothing.
    tabs = "\t" in head and "," not in head
    norwegian = ";" in head and "," not in head  # as spreadsheets write where a comma is the decimal sign
    lines = chain([head], lines)
    quoting: Any = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
    reader = csv.reader(lines, delimiter="\t" if tabs else ";" if norwegian else ",", quoting=quoting)
    for row in reader:
        if row:
            yield f"line {reader.line_num}", [_pointed(cell) for cell in row] if norwegian else row


def _pointed(cell: str) -> str:
    """A number with a point for its decimal comma; anything else as it stands."""
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _ndjson(file: Iterable[str], path: Path) -> Iterator[tuple[str, list[str]]]:
    names = list[str]()
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            tree = msgspec.json.decode(line, type=dict[str, str | int | float | bool | None])
        except msgspec.DecodeError:
            raise Refusal(422, "a line is no flat JSON object", where=f"{path}, line {number}") from None
        if not names:
            names = list(tree)
            yield "line 1", names
        if tree.keys() - set(names):
            raise Refusal(422, "a line has a member that the first has not", where=f"{path}, line {number}")
        yield f"line {number}", ["" if tree.get(name) is None else str(tree[name]) for name in names]


def _parquet(path: Path) -> Iterator[tuple[str, list[str]]]:
    duckdb = duckdb_or_refused()
    try:
        with closing(duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})) as database:
            found = database.execute("SELECT COLUMNS(*)::VARCHAR FROM read_parquet(?)", [str(path)])
            yield "the head", [column[0] for column in found.description]
            number = 0
            while rows := found.fetchmany(10_000):
                for row in rows:
                    number += 1
                    yield f"row {number}", ["" if cell is None else cell for cell in row]
    except duckdb.Error as error:
        raise Refusal(422, f"it is no Parquet that DuckDB reads ({type(error).__name__})", where=str(path)) from None


def duckdb_or_refused() -> Any:
    """DuckDB, which reads and writes Parquet here; an extra of its own."""
    try:
        return importlib.import_module("duckdb")
    except ImportError:
        todo = "Install kjerne[analytics], or use csv or ndjson."
        raise Refusal(404, "DuckDB is not installed, and Parquet is read and written by it", todo=todo) from None


def _head(rows: Iterator[tuple[str, list[str]]], path: Path) -> list[str]:
    """The names of the columns. `Refusal` where there are none, or a name stands twice: then nobody knows which one is meant."""
    _, head = next(rows, ("", list[str]()))
    if not head:
        raise Refusal(422, "the table is empty", where=str(path))
    if twice := sorted({name for name in head if head.count(name) > 1}):
        says = f"the table has more than one column {', '.join(name or '(without a name)' for name in twice)}"
        raise Refusal(422, says, where=str(path), todo="Rename one, or take it out.")
    return head


def _column(head: list[str], name: str, path: Path) -> int:
    if name not in head:
        raise Refusal(422, f"the table has no column {name}", where=str(path), todo="See docs/synthetic.md.")
    return head.index(name)


def _filled(cell: str, name: str, path: Path, where: str) -> str:
    if cell in EMPTY:
        raise Refusal(422, f"the {name} is empty", where=f"{path}, {where}")
    return cell


def _number(cell: str, name: str, path: Path, where: str) -> float | None:
    if cell in EMPTY:
        return None
    try:
        found = float("x" if "_" in cell else cell)
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise Refusal(422, f"the {name} is no number", where=f"{path}, {where}")
    if found in (float("inf"), float("-inf")) or abs(found) > 1e12:
        raise Refusal(422, f"the {name} is out of all bounds", where=f"{path}, {where}")
    return found
