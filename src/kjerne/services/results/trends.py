"""One analysis over time, and the cumulative table of analysis x date.

A series holds only what may be joined: the same code, unit, material and method (specs/pages.md 8: "do not invent a
trend"). Each point keeps its own reference range, because laboratories differ and change them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from kjerne.services.results import panels
from kjerne.services.results.points import (
    Point,
    Resource,
    When,
    another_person,
    changes_of,
    concept_text,
    display_of,
    materials_of,
    point_of,
    reference_id,
    report_of_results,
    value_of,
)

NLK: Final = "2.16.578.1.12.4.1.1.7280"
SHORT_TEXT_LENGTH: Final = 40
"""Longest text that is a value in a table ("Negativ", "Ikke påvist"); longer ones are read as answers."""


@dataclass(frozen=True, slots=True)
class Series:
    """One analysis with one unit, material and method; points oldest first. `key` is short and fit for an address."""

    key: str
    name: str
    code: str
    unit: str
    material: str
    method: str
    points: tuple[Point, ...]

    @property
    def latest(self) -> Point:
        return self.points[-1]

    @property
    def numeric(self) -> bool:
        """Whether there are at least two numbers, so that a line means something."""
        return sum(1 for point in self.points if point.value.number is not None and point.mark != "withdrawn") >= 2


@dataclass(frozen=True, slots=True)
class Row:
    """One series across the table's columns; a cell holds none, one or (twice in one sample) several points.

    `apart` is the material or method that tells it from another row of the same name, else empty.
    """

    series: Series
    cells: tuple[tuple[Point, ...], ...]
    topic: str
    apart: str


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one kind, in the order a clinician reads them. `key` is one of `panels.GROUPS`."""

    key: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The cumulative table. `columns` newest first; `undated` are points no column can hold."""

    columns: tuple[When, ...]
    groups: tuple[Group, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(row for group in self.groups for row in group.rows)


@dataclass(frozen=True, slots=True)
class _Key:
    code: str
    unit: str
    material: str
    method: str


def code_of(observation: Resource) -> str:
    """`system|code` of the analysis: the NLK coding where there is one, else the first, else the name itself."""
    codings = [c for c in observation.get("code", {}).get("coding", []) if c.get("code")]
    codings.sort(key=lambda c: NLK not in c.get("system", ""))
    if codings:
        return f"{codings[0].get('system', '')}|{codings[0]['code']}"
    return "|" + concept_text(observation.get("code")).lower()


def _key(observation: Resource, materials: Mapping[str, str]) -> _Key:
    quantity = observation.get("valueQuantity", {})
    unit = str(quantity.get("code") or quantity.get("unit") or "")
    if not unit:
        # A withdrawn result has lost its value, and with it its unit: it belongs where it was.
        unit = next((c.quantity_code or c.value.unit for c in changes_of(observation) if c.value), "")
    material = materials.get(reference_id(observation.get("specimen")), "")
    return _Key(code_of(observation), unit, material, concept_text(observation.get("method")))


def is_table_value(observation: Resource) -> bool:
    """Whether a result belongs in a table: a number, a code or a short text, and not a container of others."""
    value = value_of(observation) or next((c.value for c in changes_of(observation) if c.value), None)
    if value is None or observation.get("hasMember"):
        return False
    return value.number is not None or ("\n" not in value.text and len(value.text) <= SHORT_TEXT_LENGTH)


def series(
    observations: Iterable[Resource],
    *,
    specimens: Iterable[Resource] = (),
    reports: Iterable[Resource] = (),
    names: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
) -> tuple[Series, ...]:
    """Every series that the observations make, by name.

    `leave_out` are ids read elsewhere (texts). Results of a newborn, fetus or donor are never the patient's: left out.
    """
    materials, holder = materials_of(specimens), report_of_results(reports)
    points: dict[_Key, list[Point]] = defaultdict(list)
    titles: dict[_Key, str] = {}
    for observation in observations:
        own = str(observation.get("id", ""))
        if own in leave_out or another_person(observation) or not is_table_value(observation):
            continue
        who = display_of(observation.get("performer", []), names or {})
        if point := point_of(observation, who, holder.get(own, "")):
            key = _key(observation, materials)
            points[key].append(point)
            titles[key] = concept_text(observation.get("code"))
    made = [_series(key, titles[key], found) for key, found in points.items()]
    return tuple(sorted(made, key=lambda s: (s.name.lower(), s.unit, s.material, s.method)))


def _series(key: _Key, name: str, points: list[Point]) -> Series:
    ordered = tuple(sorted(points, key=lambda p: p.when.order if p.when else (date.min, 0.0)))
    spelled = f"{key.code}\x1f{key.unit}\x1f{key.material}\x1f{key.method}"
    digest = hashlib.blake2b(spelled.encode(), digest_size=8).hexdigest()
    unit = next((p.value.unit for p in reversed(ordered) if p.value.unit), "") or next(
        (p.old.unit for p in reversed(ordered) if p.old and p.old.unit), ""
    )
    return Series(digest, name, key.code, unit, key.material, key.method, ordered)


def cumulative(found: Sequence[Series], *, since: date | None = None) -> Table:
    """Analysis x date, newest column first, rows in clinical groups; rows with nothing since `since` are left out."""
    dated = [(s, [p for p in s.points if p.when and (since is None or p.when.day >= since)]) for s in found]
    moments = {p.when for _, points in dated for p in points if p.when}
    columns = tuple(sorted(moments, key=lambda at: at.order, reverse=True))
    slot = {column: number for number, column in enumerate(columns)}
    twins = _twins([s for s, points in dated if points])
    by_group: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for one, points in dated:
        if not points:
            continue
        cells: list[list[Point]] = [[] for _ in columns]
        for point in points:
            if point.when:
                cells[slot[point.when]].append(point)
        spot = panels.place(one.name)
        row = Row(one, tuple(tuple(cell) for cell in cells), spot.topic, _apart(one, twins[one.name.lower()]))
        by_group[spot.group].append((spot.rank, row))
    groups = [
        Group(key, tuple(row for _, row in sorted(by_group[key], key=lambda pair: (pair[0], pair[1].series.name))))
        for key in panels.GROUPS
        if by_group[key]
    ]
    return Table(columns, tuple(groups))


def _twins(found: Iterable[Series]) -> dict[str, list[Series]]:
    by_name: dict[str, list[Series]] = defaultdict(list)
    for one in found:
        by_name[one.name.lower()].append(one)
    return by_name


def _apart(one: Series, twins: Sequence[Series]) -> str:
    told = [one.material] if len({t.material for t in twins}) > 1 else []
    told += [one.method] if len({t.method for t in twins}) > 1 else []
    return " · ".join(part for part in told if part)
