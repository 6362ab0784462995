"""One analysis over time, and the cumulative table of analysis x date.

A series holds only what may be joined: the same code, unit, material and method (specs/pages.md 8: "do not invent a
trend"), and of a local code the same laboratory, since another means another analysis by it. Each point keeps its own
reference range, because laboratories differ and change them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, Literal

from kjerne.fhir.systems import canonical
from kjerne.services.results import panels
from kjerne.services.results.judging import Flag
from kjerne.services.results.kith import codes
from kjerne.services.results.kith.units import UNITY
from kjerne.services.results.materials import Materials
from kjerne.services.results.points import (
    Point,
    absent_of,
    another_person,
    changes_of,
    display_of,
    first_missing,
    is_bare,
    is_called_off,
    left_behind,
    notes_of,
    own_report,
    parts_of,
    point_of,
    reference_id,
    report_of_results,
    worst,
)
from kjerne.services.results.susceptibility import with_their_organisms
from kjerne.services.results.values import (
    Resource,
    When,
    concept_text,
    extensions,
    unit_key,
    unit_shown,
    value_of,
)

INSTITUTION: Final = "/StructureDefinition/institution"
Difference = Literal["unit", "unitless", "material", "method", "code", "local-code", "laboratory"]
SHORT_TEXT_LENGTH: Final = 40
"""Longest text that is a value in a table ("Negativ", "Ikke påvist"); longer ones are read as answers."""


@dataclass(frozen=True, slots=True)
class Series:
    """One analysis with one unit, material and method. `key` is short and fit for an address; `unit` as it is shown.
    `owner` is whose a local code is: a laboratory, where none is known the name it stands under; empty for all others.

    Points stand oldest first; at one sample time what was taken back or has no value first and the newest version last.
    """

    key: str
    name: str
    code: str
    unit: str
    material: str
    method: str
    points: tuple[Point, ...]
    owner: str = ""
    unit_key: str = ""
    """What all its values share (`values.unit_key`); where it is empty no unit was given, where it is 1 there is none."""

    @property
    def latest(self) -> Point:
        """The newest result that stands, has a value and a time that can be; where none does, one without such a time, else
        the newest of all.
        """
        told = [point for point in reversed(self.points) if point.tells]
        return next((point for point in told if not point.misdated), next(iter(told), self.points[-1]))

    @property
    def laboratory(self) -> str:
        """The name of the laboratory that a local code belongs to."""
        return self.latest.performer if self.owner else ""

    @property
    def newer(self) -> tuple[Point, ...]:
        """What came after the latest that stands, newest first: taken back, not performed, or waited for."""
        return self.points[: self.points.index(self.latest) : -1]

    @property
    def earlier(self) -> tuple[Point, ...]:
        """What came before the latest that stands, newest first."""
        return self.points[: self.points.index(self.latest)][::-1]

    @property
    def numeric(self) -> bool:
        """Whether there are at least two numbers, so that a line means something."""
        return sum(1 for point in self.points if point.value.number is not None and point.mark != "withdrawn") >= 2


class Cell(tuple[Point, ...]):
    """What one series says at one time: nothing, one result, or several of the same moment."""

    __slots__ = ()

    @property
    def worst(self) -> Flag | None:
        """The flag that colours the cell."""
        return worst(self)


@dataclass(frozen=True, slots=True)
class Row:
    """One series across the table's columns.

    `apart` is what tells it from other rows of the same analysis, each with its value (empty: not given).
    """

    series: Series
    cells: tuple[Cell, ...]
    topic: str
    apart: tuple[tuple[Difference, str], ...]


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
    owner: str
    unit: str
    material: str
    method: str


def code_of(observation: Resource) -> str:
    """`system|code` of the analysis: the NLK coding where there is one, else the first that every laboratory shares, else
    the first, else the name itself, which stands alone; a code without a system has one of ours."""
    codings = observation.get("code", {}).get("coding", [])
    sent = [(canonical(c.get("system", "")) or codes.UNADDRESSED, str(c["code"])) for c in codings if c.get("code")]
    if sent:
        sent.sort(key=lambda one: (one[0] != codes.NLK, not codes.is_shared(one[0])))
        return "|".join(sent[0])
    return "|" + concept_text(observation.get("code")).lower()


def laboratory_of(observation: Resource, laboratories: Mapping[str, str]) -> str:
    """What tells a result's laboratory from others, as `laboratory_key` has it.

    `laboratories` are those of PractitionerRoles, whose display may name a person of it.
    """
    performers = observation.get("performer", [])
    for one in sorted(performers, key=lambda one: "Organization" not in (one.get("type") or one.get("reference", ""))):
        if found := laboratories.get(reference_id(one)) or laboratory_key(one):
            return found
    return ""


def laboratory_key(organisation: Mapping[str, Any]) -> str:
    """What tells an organisation from others: its number in the register that gave it, the whole's before a department's.

    A number of no register is its own maker's, so it counts with the name alone; else the name, else where the reference leads.
    """
    whole = (one.get("valueIdentifier", {}) for one in extensions(organisation, INSTITUTION))
    number = next(whole, organisation.get("identifier", {}))
    system, value, name = canonical(number.get("system", "")), number.get("value", ""), organisation.get("display", "")
    if value and (system or name):
        return f"{system}|{value}" if system else f"{value}|{name.casefold()}"
    return str(name or reference_id(organisation))


def _owner(concept: Resource, laboratory: str) -> str:
    """Whose the code of an analysis is; a heading (8243), which every text has, is the analysis that it is named."""
    system, _, _ = code_of({"code": concept}).rpartition("|")
    if not concept.get("coding") or codes.is_shared(system):
        return ""
    name = concept_text(concept).lower()
    return name if codes.canonical(system) == codes.TEXT_HEADING else laboratory or name


def _unit(observation: Resource, point: Point) -> str:
    """The unit of what a point shows: of its value, none being a unit too. What has lost its value, or never had one, belongs
    where it was.
    """
    if point.value.told:
        return unit_key(observation)
    return next((change.unit for change in changes_of(observation) if change.value), unit_key(observation))


def _key(observation: Resource, point: Point, materials: Materials, laboratories: Mapping[str, str]) -> _Key:
    unit = _unit(observation, point)
    owner = _owner(observation.get("code", {}), laboratory_of(observation, laboratories))
    material, method = materials.key(observation), concept_text(observation.get("method"))
    return _Key(code_of(observation), owner, unit, material, method)


def is_table_value(observation: Resource) -> bool:
    """Whether a result belongs in a table: a number, a code or a short text. Of what has members a number alone: the
    short text of a group is its name.

    One without a value belongs where its value would be, with why there is none.
    """
    changes = changes_of(observation)
    value = value_of(observation) or next((c.value for c in changes if c.value), None)
    if observation.get("hasMember"):
        return value is not None and value.number is not None
    if value is None:
        parts = parts_of(observation) or any(change.parts for change in changes)
        said = parts or absent_of(observation) or notes_of(observation)
        return bool(said) or is_bare(observation) or is_called_off(observation)
    return value.number is not None or ("\n" not in value.text and len(value.text) <= SHORT_TEXT_LENGTH)


def series(
    observations: Iterable[Resource],
    *,
    specimens: Iterable[Resource] = (),
    reports: Iterable[Resource] = (),
    names: Mapping[str, str] | None = None,
    laboratories: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
) -> tuple[Series, ...]:
    """Every series that the observations make, by name.

    `leave_out` are ids read elsewhere (texts). Results of a newborn, fetus or donor are never the patient's: left out.
    """
    reports, observations = tuple(reports), with_their_organisms(observations)
    materials, holder = Materials(specimens, observations), report_of_results(reports, observations)
    headless = {str(report.get("id", "")) for report in reports if first_missing(report)}
    points: dict[_Key, list[Point]] = defaultdict(list)
    behind: list[tuple[_Key, str, Point]] = []
    titles: dict[_Key, str] = {}
    called = {"": ""}
    for observation in observations:
        own = str(observation.get("id", ""))
        if own in leave_out or another_person(observation) or not is_table_value(observation):
            continue
        who = display_of(observation.get("performer", []), names or {})
        report = holder.get(own) or own_report(observation)
        if point := point_of(observation, who, report, first_missing=report in headless):
            key = _key(observation, point, materials, laboratories or {})
            points[key].append(point)
            titles[key] = concept_text(observation.get("code"))
            called[key.material] = materials.words(observation)
            behind += _behind(observation, key, point, laboratory_of(observation, laboratories or {}))
    for key, title, point in behind:
        home = _home(key, points)
        points[home].append(point)
        titles.setdefault(home, title)
    _house(points)
    made = [_series(key, titles[key], called[key.material], found) for key, found in points.items()]
    return tuple(sorted(made, key=lambda s: (s.name.lower(), s.unit, s.material, s.method, s.code, s.owner)))


def _behind(observation: Resource, key: _Key, point: Point, laboratory: str) -> list[tuple[_Key, str, Point]]:
    """Where the analysis was corrected: the row that the old value stood in, its name, and what is left there."""
    found = []
    for change, left in left_behind(observation, point):
        code = code_of({"code": change.code})
        if code != key.code:
            was = replace(key, code=code, owner=_owner(dict(change.code), laboratory), unit=change.unit)
            found.append((was, concept_text(change.code), left))
    return found


def _home(key: _Key, points: Mapping[_Key, list[Point]]) -> _Key:
    """The row of a value whose material and method of the time are not known: its own, or the only one of its analysis."""
    alike = [other for other in points if (other.code, other.owner, other.unit) == (key.code, key.owner, key.unit)]
    return alike[0] if len(alike) == 1 else key


def _house(points: dict[_Key, list[Point]]) -> None:
    """What has no value has no unit: it belongs to the one series of its analysis, where there is one alone."""
    for key in [key for key, found in points.items() if not any(p.tells or p.old for p in found)]:
        kin = [other for other in points if other != key and replace(other, unit=key.unit) == key]
        if len(kin) == 1:
            points[kin[0]] += points.pop(key)


def _series(key: _Key, name: str, material: str, points: list[Point]) -> Series:
    ordered = tuple(sorted(points, key=_order))
    spelled = f"{key.code}\x1f{key.unit}\x1f{key.material}\x1f{key.method}\x1f{key.owner}"
    digest = hashlib.blake2b(spelled.encode(), digest_size=8).hexdigest()
    # An old value beside one that stands may have had another unit: only where none stands is it of this row.
    told = [p.value for p in ordered if p.value.told] or [p.old for p in ordered if p.old]
    sent = next((value.unit for value in reversed(told) if value.unit), "")
    unit = unit_shown(key.unit, sent)
    return Series(digest, name, key.code, unit, material, key.method, ordered, key.owner, key.unit)


def _order(point: Point) -> tuple[tuple[date, float], bool, tuple[date, float]]:
    taken, sent = (at.order if at else (date.min, 0.0) for at in (point.when, point.issued))
    return taken, point.stands and point.tells, sent


def cumulative(found: Sequence[Series], *, since: date | None = None) -> Table:
    """Analysis x date, newest column first, rows in clinical groups; rows with nothing since `since` are left out.

    A result without any time may be of any: its row is there whatever the period, without a column.
    """
    dated = [(s, [p for p in s.points if not p.when or since is None or p.when.day >= since]) for s in found]
    moments = {p.when for _, points in dated for p in points if p.when}
    columns = tuple(sorted(moments, key=lambda at: at.order, reverse=True))
    slot = {column: number for number, column in enumerate(columns)}
    twins = _Twins(s for s, points in dated if points)
    by_group: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for one, points in dated:
        if not points:
            continue
        cells: list[list[Point]] = [[] for _ in columns]
        for point in points:
            if point.when:
                cells[slot[point.when]].append(point)
        spot = panels.place(one.name)
        row = Row(one, tuple(Cell(cell) for cell in cells), spot.topic, twins.apart(one))
        by_group[spot.group].append((spot.rank, row))
    groups = [
        Group(key, tuple(row for _, row in sorted(by_group[key], key=lambda pair: (pair[0], pair[1].series.name))))
        for key in panels.GROUPS
        if by_group[key]
    ]
    return Table(columns, tuple(groups))


def newest(table: Table, columns: int) -> Table:
    """The newest dates of a table; no row is lost by it, each has its latest result."""
    rows = [tuple(replace(row, cells=row.cells[:columns]) for row in group.rows) for group in table.groups]
    groups = tuple(replace(group, rows=kept) for group, kept in zip(table.groups, rows, strict=True))
    return Table(table.columns[:columns], groups)


def flagged(table: Table) -> Table:
    """The rows whose newest result is outside, by the laboratory's flag or by its range, and the dates they have."""
    groups = [Group(group.key, tuple(row for row in group.rows if row.series.latest.flag)) for group in table.groups]
    rows = [row for group in groups for row in group.rows]
    kept = [place for place in range(len(table.columns)) if any(row.cells[place] for row in rows)]
    return Table(
        tuple(table.columns[place] for place in kept),
        tuple(
            Group(group.key, tuple(replace(row, cells=tuple(row.cells[place] for place in kept)) for row in group.rows))
            for group in groups
            if group.rows
        ),
    )


def same_analysis(one: Series, other: Series) -> bool:
    """Whether two series are one analysis to a reader: the same code, a local one of the same laboratory, or the same
    component under another."""
    return (one.code, one.owner) == (other.code, other.owner) or panels.component(one.name) == panels.component(
        other.name
    )


class _Twins:
    """Rows of one analysis to a reader, by code and by name, with all that they have: what parts a row is looked up in it."""

    def __init__(self, shown: Iterable[Series]) -> None:
        self._by: dict[tuple[str, ...], tuple[set[str], set[str], set[str], set[str], set[str]]] = {}
        for one in shown:
            for kin in _kin(one):
                said = self._by.setdefault(kin, (set(), set(), set(), set(), set()))
                units, materials, methods, coded, owners = said
                units.add(one.unit_key)
                materials.add(one.material)
                methods.add(one.method)
                coded.add(one.code)
                owners |= {one.owner} - {""}

    def apart(self, one: Series) -> tuple[tuple[Difference, str], ...]:
        system, _, code = one.code.rpartition("|")
        kind: Difference = "code" if system == codes.NLK or not code else "local-code"
        unit: tuple[Difference, str] = ("unit", one.unit or one.unit_key)
        if one.unit_key == UNITY:
            unit = ("unitless", "")
        said: list[tuple[Difference, str]] = [unit, ("material", one.material), ("method", one.method)]
        said.append((kind, code if system else ""))
        if one.owner:
            said.append(("laboratory", one.laboratory))
        groups = [self._by[kin] for kin in _kin(one)]
        return tuple(own for place, own in enumerate(said) if any(len(group[place]) > 1 for group in groups))


def _kin(one: Series) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ("code", one.code, one.owner), ("name", one.name.lower())
