"""The fake house of whoever answers for the log: two readings that stand out and a day of many patients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.pages.house import Identity
from kjerne.pages.oversight_house import ReviewLine, ReviewList
from kjerne.registries import wording
from kjerne.services.oversight.review import VOLUME, Chosen, Line, Listing, Opened, Period
from kjerne.store.anomalies import Busy, Standing
from kjerne.store.verdicts import VERDICTS, Noted

AT = datetime(2026, 11, 23, 8, 2, tzinfo=UTC)
PLACES = {"100000024": "Bergen legevakt", "983658725": "Haukeland universitetssjukehus"}
GLASS, DECLARED, DAY = (UUID(int=number << 96) for number in (0xB1, 0xB2, 0xB3))
PATIENT = "Kari Nordvik"


def the_lines(at: datetime = AT) -> list[Line]:
    """A broken glass on one of the family, a need that was declared, and a busy day."""
    glass = Standing(
        ("break-glass", "family"), GLASS, at, "Siri Vik", "9000002", "SP", "100000024", "100000024", "BTG", "AKUTT",
        "break-glass", "7f0c", 12,
    )  # fmt: skip
    declared = replace(
        glass, kinds=("self-declared",), row=DECLARED, at=at - timedelta(hours=2), name="Tor Eide", hpr="9000003",
        role="LE", organisation="983658725", point_of_care="983658725", purpose="TREAT", basis="", records=1,
    )  # fmt: skip
    day = Busy(date(2026, 11, 22), "Tor Eide", "9000003", "LE", "983658725", 214, 18)
    return [Line(GLASS, glass, None), Line(DECLARED, declared, None), Line(DAY, day, None)]


@dataclass
class FakeOversight:
    """Keeps what was asked for, so that a test can look."""

    clock: Clock
    lines: list[Line] = field(default_factory=the_lines)
    judged: dict[UUID, list[Noted]] = field(default_factory=dict)
    reviewed: list[tuple[Period, Chosen]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    async def review(self, who: Identity, period: Period, chosen: Chosen, skipped: int) -> ReviewList:
        self.reviewed.append((period, chosen))
        kept = [self._with_verdict(one) for one in self.lines if _fits(one, chosen)]
        kept = [one for one in kept if chosen.verdict in ("", one.noted.verdict if one.noted else "none")]
        readings, days = [one for one in kept if not one.is_day], [one for one in kept if one.is_day]
        listing = Listing(tuple(readings[skipped:]), tuple(days), more=False, organisations=tuple(PLACES))
        return ReviewList(listing, PLACES)

    async def review_line(self, who: Identity, period: Period, number: UUID) -> ReviewLine:
        line = next((one for one in self.lines if one.number == number), None)
        if line is None:
            raise Refusal(404, "No such line.", where="line")
        return ReviewLine(self._with_verdict(line), tuple(self.judged.get(number, ())), PLACES)

    async def open_line(self, who: Identity, period: Period, number: UUID, reason: str) -> ReviewLine:
        self.reasons.append(wording.reason(reason))
        says, law = "Den som har ansvaret for loggen, så hvem oppslaget gjaldt.", "pasientjournalloven § 22"
        what = (("DiagnosticReport", 2), ("Observation", 10))
        opened = Opened(PATIENT, date(1979, 7, 15), what, says, law, "log-line-opened", explained=True)
        return replace(await self.review_line(who, period, number), opened=opened)

    async def note_verdict(self, who: Identity, period: Period, number: UUID, verdict: str, after: int) -> None:
        known = self.judged.setdefault(number, [])
        if verdict not in VERDICTS:
            raise Refusal(400, "No such verdict.", where="verdict")
        if after != len(known):
            raise Refusal(409, "Somebody came between.", where="line")
        known.append(Noted(after + 1, verdict, self.clock.now(), who.name))

    def _with_verdict(self, line: Line) -> Line:
        noted = self.judged.get(line.number)
        return replace(line, noted=noted[-1] if noted else None)


def _fits(line: Line, chosen: Chosen) -> bool:
    kinds = (VOLUME,) if isinstance(line.of, Busy) else line.of.kinds
    return chosen.kind in ("", *kinds) and chosen.organisation in ("", line.of.organisation)
