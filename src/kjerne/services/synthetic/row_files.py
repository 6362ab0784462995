"""Generated people as rows of files: NDJSON, CSV or Parquet, as `tables` reads them."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from kjerne.errors import Refusal
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.tables import duckdb_or_refused

FORMATS: Final = ("ndjson", "csv", "parquet")


def columns_of(model: Model, stem: str) -> dict[str, str]:
    """The columns of a table of `events` or of `static`, and their types in Parquet."""
    if stem == "events":
        return {"id": "VARCHAR", "days": "DOUBLE", "code": "VARCHAR", "value": "DOUBLE"}
    return {"id": "VARCHAR", **{one.name: "DOUBLE" if one.grid else "VARCHAR" for one in model.traits}}


def event_rows(model: Model, cohort: Cohort, first: int) -> Iterator[str]:
    """Each event as a flat JSON object: id, days, code, value."""
    codes = [json.dumps(code) for code in model.codes]
    whole = [grid is not None and grid.decimals == 0 for grid in model.values]
    days = (cohort.times if model.ticks == 1 else (cohort.times / model.ticks).round(6)).tolist()
    for person, day, code, value in zip(
        (cohort.persons + first).tolist(), days, cohort.code.tolist(), cohort.values.tolist(), strict=True
    ):
        told = "null" if value != value else int(value) if whole[code] else value  # noqa: PLR0124 - not a number
        yield f'{{"id":"{person}","days":{day},"code":{codes[code]},"value":{told}}}'


def trait_rows(model: Model, cohort: Cohort, first: int) -> Iterator[str]:
    """Each person as a flat JSON object: id and traits."""
    columns = list[list[str]]()
    for known, trait in zip(model.traits, cohort.traits, strict=True):
        name = json.dumps(known.name)
        if known.grid is None:
            levels = [*(json.dumps(level) for level in trait.levels), "null"]
            columns.append([f"{name}:{levels[int(one)]}" for one in trait.numbers.tolist()])
        else:
            whole = known.grid.decimals == 0
            told = ("null" if one != one else int(one) if whole else one for one in trait.numbers.tolist())  # noqa: PLR0124 - not a number
            columns.append([f"{name}:{one}" for one in told])
    for place, row in enumerate(zip(*columns, strict=True)):
        yield f'{{"id":"{first + place}",{",".join(row)}}}'


def written_rows(path: Path, format_: str, rows: Iterable[str], columns: Mapping[str, str]) -> None:
    """A file of rows in one of `FORMATS`, there whole or not at all."""
    with written(path) as beside:
        if format_ == "ndjson":
            beside.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        elif format_ == "csv":
            _csv(beside, rows, columns)
        else:
            _parquet(beside, rows, columns)


def _csv(path: Path, rows: Iterable[str], columns: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(msgspec.json.decode(row).values() for row in rows)


def _parquet(path: Path, rows: Iterable[str], columns: Mapping[str, str]) -> None:
    """By DuckDB, from a file of rows beside it; on one thread, so that the same rows are the same bytes."""
    duckdb, source = duckdb_or_refused(), path.with_suffix(".rows")
    try:
        source.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        with contextlib.closing(duckdb.connect(":memory:", config={"threads": 1})) as database:
            read = database.read_json(str(source), format="newline_delimited", columns=columns)
            read.write_parquet(str(path), compression="zstd")
    except duckdb.IOException as error:  # a full disk, which it tells in its own way
        raise OSError(errno.EIO, str(error).strip().splitlines()[0]) from None
    finally:
        source.unlink(missing_ok=True)


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place when all is written."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.unlink(missing_ok=True)
        beside.touch(0o600)  # before anything is in it
        yield beside
        beside.chmod(0o600)
        beside.replace(path)
    except OSError as error:
        raise Refusal(
            400, f"it cannot be written: {error.strerror}", where=str(path), todo="Then run it again: it goes on."
        ) from None
    finally:
        beside.unlink(missing_ok=True)
