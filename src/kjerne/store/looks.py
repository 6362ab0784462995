"""Which rows of a patient's log its reader may know of, and which of those she asks for.

This is the one place that says so of rows: what is shown, counted and offered to choose from is narrowed by `Conditions`,
in SQL, and `Unseen.holds` says the same of a row that was read. `policy.insight.unseen` fills in what the law gives.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir.search import Bounds

Show = Literal["others", "seen", "acute", "refused", "all"]


class Place(NamedTuple):
    """A line's place in the order of the log: newest first, lines of one instant by number."""

    at: datetime
    number: UUID


@dataclass(frozen=True, slots=True)
class Unseen:
    """Whose lines have no place in a reader's log, whatever she asks for (`policy.insight.unseen`).

    Lines of `filing` where all that was filed is `hidden`; for a proxy, lines of citizens who are none of `own`,
    and those of what the patient has said herself and who answered it (`private`). Lines of services that the reader sees
    nothing of (`closed`). Where
    `places_withheld` the lines stay, and nothing tells whose they are: no choice of organisations, no line found by one.
    """

    filing: frozenset[str]
    hidden: frozenset[UUID]
    no_other_representatives: bool
    places_withheld: bool
    own: tuple[bytes, ...] = field(repr=False)
    private: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is one of them."""
        if row["action"] in self.filing and row["ids"] and self.hidden.issuperset(row["ids"]):
            return True
        if row["action"] in self.private or row["service"] in self.closed:
            return True
        return (
            self.no_other_representatives and row["caller_kind"] == "citizen" and row["caller_digest"] not in self.own
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for: in [since, until), of one organisation and service (empty: all), of what was done, within all
    of `bounds`, or one alone (`only`); of the log as it stood at a `mark` (`log_pages.Rows`; empty: now)."""

    since: datetime | None = None
    until: datetime | None = None
    show: Show = "all"
    organisation: str = ""
    service: str = ""
    bounds: tuple[Bounds, ...] = ()
    only: Place | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Sorting:
    """What the law calls an emergency, a writing and a deed beside the record: sets of purposes, bases and actions. `rules` are
    those of deeds that have the action of something else."""

    purposes: Collection[str]
    bases: Collection[str]
    writing: Collection[str]
    deeds: Collection[str]
    rules: Collection[str] = ()


_OPERATORS: Final = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MOMENT: Final = {"date_from": "a.at", "at": "a.at", "date_to": "a.at + interval '1 microsecond'"}


class Conditions:
    """What may stand in a WHERE over `audit a`, with its values: rows that the reader may know of (`known`), and which
    of them she asks for (`asked`)."""

    def __init__(self, grant: Grant, wanted: Wanted, unseen: Unseen, sorting: Sorting) -> None:
        self.values: list[Any] = []
        self._digests = sorted(grant.subject.digests)
        self._sorting = sorting
        self.known = " AND ".join(self._known(list(grant.subject.keys), unseen))
        self.asked = " AND ".join(self._asked(wanted, unseen)) or "true"

    def value(self, value: Any, kind: str) -> str:
        """A value's place in the statement."""
        self.values.append(value)
        return f"${len(self.values)}::{kind}"

    def behind(self, place: Place) -> str:
        """Lines that come after this one in the order of the log."""
        return f"(a.at, a.number) < ({self.value(place.at, 'timestamptz')}, {self.value(place.number, 'uuid')})"

    def _known(self, keys: list[int], unseen: Unseen) -> list[str]:
        found = [f"a.patient = ANY({self.value(keys, 'bigint[]')})"]
        if unseen.hidden:
            actions = self.value(sorted(unseen.filing), "text[]")
            ids = self.value(list(unseen.hidden), "uuid[]")
            found.append(f"NOT (a.action = ANY({actions}) AND a.ids <> '{{}}' AND a.ids <@ {ids})")
        if unseen.private:
            found.append(f"a.action <> ALL({self.value(sorted(unseen.private), 'text[]')})")
        if unseen.closed:
            found.append(f"a.service <> ALL({self.value(sorted(unseen.closed), 'text[]')})")
        if unseen.no_other_representatives:
            own = self.value(list(unseen.own), "bytea[]")
            found.append(f"(a.caller_kind <> 'citizen' OR a.caller_digest = ANY({own}))")
        return found

    def _asked(self, wanted: Wanted, unseen: Unseen) -> list[str]:
        found = [self._within(one) for one in wanted.bounds]
        if wanted.since:
            found.append(f"a.at >= {self.value(wanted.since, 'timestamptz')}")
        if wanted.until:
            found.append(f"a.at < {self.value(wanted.until, 'timestamptz')}")
        if wanted.only:
            found.append(f"a.at = {self.value(wanted.only.at, 'timestamptz')}")
            found.append(f"a.number = {self.value(wanted.only.number, 'uuid')}")
        if wanted.organisation:
            # A line that is found by its organisation is told to be of it.
            found.append(
                "false" if unseen.places_withheld else f"a.organisation = {self.value(wanted.organisation, 'text')}"
            )
        if wanted.service:
            found.append(f"a.service = {self.value(wanted.service, 'text')}")
        if wanted.mark:
            # A line's time is its request's: one that is older than some that were read may well be written after them.
            found.append(f"pg_visible_in_snapshot(a.xid, {self.value(wanted.mark, 'text')}::pg_snapshot)")
        if wanted.show != "all":
            found.append(self._shown(wanted.show))
        return found

    def _within(self, bounds: Bounds) -> str:
        either = (
            " AND ".join(
                f"{_MOMENT[one.column]} {_OPERATORS[one.operator]} {self.value(one.moment, 'timestamptz')}"
                for one in together
            )
            for together in bounds
        )
        return "(" + " OR ".join(f"({text})" for text in either) + ")"

    def _shown(self, show: Show) -> str:
        if show == "refused":
            return "a.outcome <> 0"
        kinds = self._sorting
        staff = f"(a.caller_kind = 'practitioner' AND a.caller_digest <> ALL({self.value(self._digests, 'bytea[]')}))"
        if show == "others":
            by_rule = f"a.rule = ANY({self._names(kinds.rules)})"
            return f"({staff} OR a.action = ANY({self._names(kinds.deeds)}) OR {by_rule})"
        if show == "seen":
            return f"({staff} AND a.outcome = 0 AND a.action <> ALL({self._names(kinds.writing)}))"
        purposes, bases = self._names(kinds.purposes), self._names(kinds.bases)
        return f"(a.purpose = ANY({purposes}) OR a.basis = ANY({bases}) OR (a.self_selected AND {staff}))"

    def _names(self, names: Collection[str]) -> str:
        return self.value(sorted(names), "text[]")
