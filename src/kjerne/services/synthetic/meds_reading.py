"""A MEDS dataset (Medical Event Data Standard 0.3 and later), read into tables to learn from.

`data/**/*.parquet` has a row for each event: `subject_id`, `time`, `code` and perhaps `numeric_value`. These four are read, and a
column `unit` where there is one; nothing else is, `text_value` least of all. A row without time is a trait: `GENDER//F` is the
trait GENDER with the level F, and a code with a number is a measured trait. Day 0 is the day of a person's first event, and her
age is from `MEDS_BIRTH`. Whom `metadata/subject_splits.parquet` holds out is told, so that nobody learns from them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from kjerne.errors import Refusal
from kjerne.services.synthetic.fhir_mapping import DEATH, CodeAs, Meaning
from kjerne.services.synthetic.fhir_reading import AGE, Told
from kjerne.services.synthetic.identifiers import names_somebody
from kjerne.services.synthetic.moments import is_somebodys
from kjerne.services.synthetic.tables import EventTable, TraitTable, duckdb_or_refused

DATA: Final = "data"
SPLITS: Final = Path("metadata") / "subject_splits.parquet"
HELD_OUT: Final = "held_out"
BIRTH, DIED = "MEDS_BIRTH", "MEDS_DEATH"
LEVEL: Final = "//"
"""Between the parts of a code."""
DAY_0: Final = date(2000, 1, 1)
"""Of everybody whom `generate` made: what lies before it is before day 0."""
_READ: Final = {
    "subject_id": "BIGINT",
    "time": "TIMESTAMP",
    "code": "VARCHAR",
    "numeric_value": "VARCHAR",
    "unit": "VARCHAR",
}
_NEEDED: Final = ("subject_id", "time", "code")
_GREATEST: Final = 1e12


class _Row(NamedTuple):
    subject: int | None
    minute: int | None
    code: str | None
    value: float | None
    unit: str


@dataclass
class _Found:
    """What has been read so far: `births` by the day's ordinal, `statics` by name and person."""

    places: dict[int, int] = field(default_factory=dict)
    births: dict[int, int] = field(default_factory=dict)
    statics: dict[str, dict[int, str]] = field(default_factory=dict)
    rows: list[tuple[int, int, str, float | None, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def files_in(folder: Path) -> list[Path]:
    """The files of a dataset; none where the folder is no dataset."""
    return sorted((folder / DATA).rglob("*.parquet")) if (folder / DATA).is_dir() else []


def base_of(path: Path) -> Path:
    """The dataset that a file is of."""
    return next(one for one in path.parents if one.name == DATA).parent


def name_of(path: Path) -> str:
    """What a file is called within its dataset: `data/train/0.parquet`."""
    return path.relative_to(base_of(path)).as_posix()


def read(paths: Sequence[Path], k: int, *, generated: bool = False, known: Meaning | None = None) -> Told:
    """The people and events of a dataset. A trait without time that fewer than `k` people have is left out with its name.

    `generated`: `DAY_0` is everybody's day 0. `known` is what a model calls codes. `Refusal` where a file is no such table.
    """
    found, where = _Found(), ", ".join(name_of(path) for path in paths[:3])
    for path in paths:
        for row in _rows(path):
            _note(found, row)
    if not found.rows:
        raise Refusal(422, "no row has a person, a code and a time", where=where)
    held = _held_out(base_of(paths[0]) / SPLITS)
    return _told(found, where, k, {place for one, place in found.places.items() if one in held}, known,
                 DAY_0 if generated else None)  # fmt: skip


def _rows(path: Path) -> Iterator[_Row]:
    for subject, at, code, number, unit in _columns(path, _READ, _NEEDED):
        try:
            value = _number(number)
        except ValueError:
            raise Refusal(422, "a numeric_value is no number", where=str(path)) from None
        yield _Row(subject, _minute(at), code or None, value, unit or "")


def _columns(path: Path, read: dict[str, str], needed: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Some columns of a Parquet file, each cast to its type; None in one that is not needed and not there."""
    duckdb = duckdb_or_refused()
    try:
        with closing(duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})) as database:
            table = database.read_parquet(str(path))
            there = set(table.columns)
            if missing := [one for one in needed if one not in there]:
                todo = (
                    "MEDS 0.3 and later has subject_id, time, code and numeric_value: convert an older dataset first."
                )
                raise Refusal(422, f"the table has no column {missing[0]}, as MEDS has it", where=str(path), todo=todo)
            cells = (f"CAST({one} AS {kind})" if one in there else "NULL" for one, kind in read.items())
            table.project(", ".join(cells)).create_view("chosen")
            found = database.execute("SELECT * FROM chosen")
            while rows := found.fetchmany(10_000):
                yield from rows
    except duckdb.Error as error:
        says = f"it is no Parquet of MEDS that DuckDB reads ({type(error).__name__})"
        raise Refusal(422, says, where=str(path)) from None


def _minute(at: datetime | None) -> int | None:
    """Minutes since year 1; none where it has no time, or one that is no calendar's."""
    if not isinstance(at, datetime):
        return None
    return at.date().toordinal() * 1440 + at.hour * 60 + at.minute


def _number(text: str | None) -> float | None:
    """As it is written: a 32-bit 0.1 is 0.1."""
    return None if text is None or math.isnan(found := float(text)) else found


def _note(found: _Found, row: _Row) -> None:
    if row.subject is None or row.code is None:
        found.left_out["rows without a person or a code"] += 1
        return
    if row.minute is not None and not is_somebodys(date.fromordinal(row.minute // 1440)):
        found.left_out["rows of a year that is nobody's"] += 1
        return
    place = found.places.setdefault(row.subject, len(found.places))
    value = row.value
    if value is not None and abs(value) > _GREATEST:
        found.left_out["values out of all bounds"] += 1
        value = None
    if row.minute is None:
        name, _, level = (row.code, "", "") if value is not None else row.code.partition(LEVEL)
        cells = found.statics.setdefault(name, {})
        if place in cells:
            found.left_out["traits that were told twice"] += 1
        cells.setdefault(place, str(value) if value is not None else level or "yes")
    elif row.code == BIRTH:
        found.births.setdefault(place, row.minute // 1440)
    else:
        found.rows.append((place, row.minute, row.code, value, row.unit))


def _told(
    found: _Found, where: str, k: int, held: set[int], known: Meaning | None, day_0: date | None
) -> Told:  # fmt: skip
    """The tables of what was read."""
    units = _units(found)
    death = _death(found, known)
    firsts = dict[int, int]()
    for place, minute, *_ in found.rows:
        firsts[place] = min(firsts.get(place, minute // 1440), minute // 1440)
    last = max(firsts.values())
    if day_0:
        firsts = dict.fromkeys(range(len(found.places)), day_0.toordinal())
    events, codes = EventTable([], [], [], [], [], where), dict[str, CodeAs]()
    for place, minute, code, value, unit in found.rows:
        fits = value is None or unit == units[code]
        found.left_out["values in another unit than most of their code"] += not fits
        label = death if code == DIED else code
        codes[label] = CodeAs(DEATH) if code == DIED else CodeAs()
        events.ids.append(str(place))
        events.days.append(minute / 1440 - firsts[place])
        events.codes.append(label)
        events.values.append(value if fits else None)
        events.units.append(units[code] if fits and value is not None else "")
    people = range(len(found.places))
    traits = _traits(found, k)
    if found.births and AGE not in traits and day_0 is None:
        traits[AGE] = [_age(found.births.get(one), firsts.get(one, last)) for one in people]
    notes = tuple(f"{count} {what} were left out" for what, count in sorted(found.left_out.items()) if count)
    return Told(events, TraitTable([str(one) for one in people], traits, where), Meaning(codes), notes, False,
                frozenset(map(str, held)))  # fmt: skip


def _traits(found: _Found, k: int) -> dict[str, list[str | None]]:
    """Each trait that `k` people have. A name of fewer could be somebody's."""
    few = [name for name, cells in found.statics.items() if len(cells) < k]
    found.left_out[f"traits of fewer than {k} people"] += len(few)
    kept = sorted(name for name, cells in found.statics.items() if len(cells) >= k)
    if names_somebody(kept):
        todo = "Take it out of the dataset."
        raise Refusal(422, "a code without time holds the number of a person", where="the dataset", todo=todo)
    return {name: [found.statics[name].get(one) for one in range(len(found.places))] for name in kept}


def _units(found: _Found) -> dict[str, str]:
    """The unit that most values of a code have."""
    counts = dict[str, Counter[str]]()
    for _, _, code, value, unit in found.rows:
        if value is not None:
            counts.setdefault(code, Counter())[unit] += 1
    return {code: max(sorted(count), key=count.__getitem__) for code, count in counts.items()}


def _death(found: _Found, known: Meaning | None) -> str:
    """What a death is called: as a model calls it, else `death` where no other code is called so."""
    called = [label for label, one in (known or Meaning()).codes.items() if one.kind == DEATH]
    return called[0] if called else DEATH if all(row[2] != DEATH for row in found.rows) else DIED


def _age(born: int | None, day: int) -> str | None:
    if born is None:
        return None
    birth, on = date.fromordinal(born), date.fromordinal(day)
    return str(max(on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day)), 0))


def _held_out(path: Path) -> frozenset[int]:
    if not path.is_file():
        return frozenset()
    rows = _columns(path, {"subject_id": "BIGINT", "split": "VARCHAR"}, ("subject_id", "split"))
    return frozenset(subject for subject, split in rows if split == HELD_OUT)


def moment(day: float) -> str:
    """When something is that lies so many days from `DAY_0`, as a table of MEDS has it."""
    begin = datetime(DAY_0.year, DAY_0.month, DAY_0.day, tzinfo=UTC).timestamp()
    return datetime.fromtimestamp(begin + round(day * 1440) * 60, UTC).strftime("%Y-%m-%d %H:%M:%S")
