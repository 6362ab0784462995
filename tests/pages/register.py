"""A made-up register of participation and a rejected queue, for the operator's pages of the made-up house."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from kjerne.errors import Fault, Refusal
from kjerne.services.participation.register import PHASES, Asked, Change
from kjerne.store.messages import Rejected
from kjerne.store.participation import Participation, Reach, SourceRow, Wanted

NOW = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
NAMES = {
    "983658725": "Sundvika sykehus HF",
    "974760673": "Sundvika sykehus, Bildediagnostikk",
    "993467049": "Fürst medisinsk laboratorium",
    "100000016": "Solbakken legesenter",
}


def _row(
    number: int, organisation: str, part: str, phase: str, days: int, *areas: str, **more: object
) -> Participation:
    since = NOW - timedelta(days=days)
    made = Participation(
        number, organisation, "results", part, areas, phase, since, None, "Kjernejournalforskriften", "Drift Driftsen",  # type: ignore[arg-type]
        since,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def rows() -> list[Participation]:
    ended = NOW - timedelta(days=90)
    pilot = "Avtale om utprøving av deling av radiologisvar i Trøndelag"
    return [
        _row(1, "993467049", "source", "national", 900),
        _row(2, "983658725", "consumer", "pilot", 400, "5001", basis=pilot, until=ended, ended_by="Drift Driftsen",
             ended_at=ended, ended_why="Vedtak om breddeinnføring"),
        _row(3, "974760673", "source", "pilot", 60, "5001", basis=pilot),
        _row(4, "983658725", "consumer", "rollout", 90, "50", "4601", basis="Vedtak om breddeinnføring", widens=2),
        _row(5, "100000016", "consumer", "national", -30, basis="Avtale om deltakelse"),
    ]  # fmt: skip


@dataclass
class Registered:
    """The rows, changed as an operator changes them; what a field must hold is told for a few alone."""

    rows: list[Participation] = field(default_factory=rows)

    def listed(self, wanted: Wanted, now: datetime) -> tuple[Participation, ...]:
        return tuple(
            row
            for row in reversed(self.rows)
            if wanted.service in ("", row.service) and wanted.part in ("", row.part) and wanted.phase in ("", row.phase)
            and wanted.name.lower() in NAMES.get(row.organisation, row.organisation).lower()
            and (not wanted.state or wanted.state == _state(row, now))
        )  # fmt: skip

    def chain(self, number: int) -> tuple[Participation, ...]:
        own = next((row for row in self.rows if row.number == number), None)
        if own is None:
            raise Refusal(404, "No such row.", where="participation")
        return tuple(row for row in self.rows if row.organisation == own.organisation and row.part == own.part)

    def plan(self, asked: Asked, now: datetime) -> Change:
        fields = asked.fields
        if fields.get("phase", PHASES[0]) not in PHASES:
            raise Refusal(400, "no phase", where="phase")
        if len(fields.get("why" if asked.kind == "close" else "basis", "")) < 8:
            raise Refusal(400, "too short", where="why" if asked.kind == "close" else "basis")
        if asked.kind == "open":
            if len(fields["organisation"]) != 9:
                raise Refusal(400, "not a number", where="organisation")
            made = _row(0, fields["organisation"], fields["part"], fields["phase"], 0, *fields["areas"].split(),
                        since=now, basis=fields["basis"])  # fmt: skip
            return Change("open", now, made, None, self._reach(made), fields["basis"])
        row = next(row for row in self.chain(asked.number) if row.number == asked.number)
        if asked.kind == "close":
            return Change("close", now, None, row, self._reach(row), fields["why"])
        areas = tuple(fields["areas"].split())
        if (areas, fields["phase"]) == (row.areas, row.phase):
            raise Refusal(400, "the same", where="same")
        made = replace(row, number=0, areas=areas, phase=fields["phase"], since=now, widens=row.number)  # type: ignore[arg-type]
        return Change("widen", now, made, row, self._reach(made), fields["basis"])

    def change(self, asked: Asked, now: datetime) -> int:
        change = self.plan(asked, now)
        number = change.ended.number if change.ended else 0
        self.rows = [
            replace(row, until=change.at, ended_by="Drift Driftsen", ended_at=now, ended_why=change.why)
            if row.number == number
            else row
            for row in self.rows
        ]
        if change.made:
            number = max(row.number for row in self.rows) + 1
            self.rows.append(replace(change.made, number=number))
        return number

    def sources(self, now: datetime) -> tuple[SourceRow, ...]:
        return tuple(
            SourceRow(NAMES[row.organisation], row.phase, row.areas, row.since)
            for row in self.rows
            if row.part == "source" and row.is_in_force(now)
        )

    def _reach(self, row: Participation) -> Reach | None:
        name = NAMES.get(row.organisation)
        return Reach(name, 6, 4 if row.areas else 6) if name else None


def _state(row: Participation, now: datetime) -> str:
    return "ended" if row.is_over(now) else "in-force" if row.is_in_force(now) else "coming"


def queue() -> tuple[Rejected, ...]:
    where = "Message/ServReport/Patient/OffId line 4"
    faults = (
        Fault("The person number's control digits are wrong.", where, "E31"),
        Fault("unknown code system", "Result line 40", "code-invalid"),
    )
    return tuple(
        Rejected(sender, f"b7c0a5d2-{number}-4b1e-9d5c-0f2a7c1b6e{number:02}", NOW - timedelta(hours=number),
                 faults[: 1 + number % 2], f"{number}.0")
        for number, sender in enumerate(("993467049", "974760673", "999999999"), 1)
    )  # fmt: skip
