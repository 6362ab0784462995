"""The fake house of whoever answers for the log: two readings that stand out, a day of many patients, and exports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.pages.house import Identity
from kjerne.pages.oversight_house import ExportList, ExportShown, JournalList, LogState, ReviewLine, ReviewList
from kjerne.registries import wording
from kjerne.services.critical.coverage import Figure
from kjerne.services.exports.approving import Standing
from kjerne.services.oversight.review import VOLUME, Chosen, Line, Listing, Opened, Period
from kjerne.store import anomalies
from kjerne.store.anomalies import Busy
from kjerne.store.cards import Count
from kjerne.store.comparing import Comparison, Tail
from kjerne.store.exports import APPROVALS, Approval, Export, State
from kjerne.store.verdicts import VERDICTS, Noted

AT = datetime(2026, 11, 23, 8, 2, tzinfo=UTC)
PLACES = {"100000024": "Bergen legevakt", "983658725": "Haukeland universitetssjukehus"}
GLASS, DECLARED, DAY = (UUID(int=number << 96) for number in (0xB1, 0xB2, 0xB3))
PATIENT = "Kari Nordvik"


def the_lines(at: datetime = AT) -> list[Line]:
    """A broken glass on one of the family, a need that was declared, and a busy day."""
    glass = anomalies.Standing(
        ("break-glass", "family"), GLASS, at, "Siri Vik", "9000002", "SP", "100000024", "100000024", "BTG", "AKUTT",
        "break-glass", "7f0c", 12,
    )  # fmt: skip
    declared = replace(
        glass, kinds=("self-declared",), row=DECLARED, at=at - timedelta(hours=2), name="Tor Eide", hpr="9000003",
        role="LE", organisation="983658725", point_of_care="983658725", purpose="TREAT", basis="", records=1,
    )  # fmt: skip
    day = Busy(date(2026, 11, 22), "Tor Eide", "9000003", "LE", "983658725", 214, 18)
    return [Line(GLASS, glass, None), Line(DECLARED, declared, None), Line(DAY, day, None)]


def the_exports(at: datetime = AT) -> list[Export]:
    """One that waits, one that has an approval, one that was refused and one that grew old."""
    asked = Export(
        4001, at - timedelta(hours=3), "statistics", b"", "Statistikk", "Helseregisterloven § 19 e, vedtak 2026/117",
        "Folkehelseinstituttet", (type_number("DiagnosticReport"), type_number("Observation")), None, None, 0, None, "", "",
        "waiting", (),
    )  # fmt: skip
    ada = Approval(b"ada", "Ada Drift", at - timedelta(hours=1), "Vedtaket er lest og dekker uttrekket")
    refused = replace(
        asked, number=4003, at=at - timedelta(days=2), refused_at=at - timedelta(days=1), refused_by="Ada Drift",
        refused_why="Vedtaket gjelder et annet register", state="refused",
    )  # fmt: skip
    old = replace(asked, number=4004, at=at - timedelta(days=20), opened_at=at - timedelta(days=19), state="expired")
    return [asked, replace(asked, number=4002, approvals=(ada,), missing=1), refused, old]


def the_log_state(state: str = "whole", *findings: str) -> LogState:
    """A chain of forty seals with two rows behind it, compared twice."""
    last = Comparison(AT - timedelta(hours=5), 2.4, state, 38, 1_980, 38, 1, findings, 3 if findings else 0)
    before = replace(last, at=last.at - timedelta(days=1), state="whole", rows=1_100, findings=(), further=0)
    return LogState(Tail(40, AT - timedelta(seconds=1), 2_113, 2, AT + timedelta(hours=1, minutes=10)), (last, before))


@dataclass
class FakeOversight:
    """Keeps what was asked for, so that a test can look."""

    clock: Clock
    lines: list[Line] = field(default_factory=the_lines)
    judged: dict[UUID, list[Noted]] = field(default_factory=dict)
    reviewed: list[tuple[Period, Chosen]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    asked_for: list[Export] = field(default_factory=the_exports)
    why_not: Standing = ""
    state: LogState = field(default_factory=the_log_state)
    warned: tuple[Count, ...] = ()
    reach: tuple[Figure, ...] = ()
    asked_journals: JournalList = field(default_factory=lambda: JournalList((), ()))
    fetched_again: tuple[int, ...] = ()

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

    async def exports(self, who: Identity, state: str, skipped: int) -> ExportList:
        kept = [one for one in self.asked_for if state in ("", one.state)]
        return ExportList(tuple(kept[skipped : skipped + 3]), len(kept) > skipped + 3)

    async def export(self, who: Identity, number: int) -> ExportShown:
        found = next((one for one in self.asked_for if one.number == number), None)
        if found is None:
            raise Refusal(404, "No such export.", where="page")
        twice = any(one.name == who.name for one in found.approvals)
        why_not: Standing = self.why_not or ("twice" if twice else "" if found.state == "waiting" else "over")
        return ExportShown(found, 1_204, why_not)

    async def decide_export(self, who: Identity, number: int, verdict: str, why: str) -> None:
        shown = await self.export(who, number)
        if verdict not in ("approve", "refuse"):
            raise Refusal(400, "No such verdict.", where="verdict")
        said, now = wording.reason(why), self.clock.now()
        if verdict == "approve" and shown.standing:
            raise Refusal(409, "She may not.", where="export")
        export = shown.export
        if verdict == "refuse":
            changed = replace(export, refused_at=now, refused_by=who.name, refused_why=said, state="refused")
        else:
            approvals = (*export.approvals, Approval(b"me", who.name, now, said))
            opened = len(approvals) == APPROVALS
            state: State = "open" if opened else "waiting"
            missing = APPROVALS - len(approvals)
            changed = replace(
                export, approvals=approvals, opened_at=now if opened else None, state=state, missing=missing
            )
        self.asked_for = [changed if one is export else one for one in self.asked_for]

    async def log_state(self, who: Identity) -> LogState:
        return self.state

    async def journals(self, who: Identity) -> JournalList:
        return self.asked_journals

    async def fetch_again(self, who: Identity, number: int) -> None:
        self.fetched_again += (number,)

    async def coverage(self, who: Identity) -> tuple[Figure, ...]:
        return self.reach

    async def warning_counts(self, who: Identity) -> tuple[Count, ...]:
        return self.warned

    def _with_verdict(self, line: Line) -> Line:
        noted = self.judged.get(line.number)
        return replace(line, noted=noted[-1] if noted else None)


def _fits(line: Line, chosen: Chosen) -> bool:
    kinds = (VOLUME,) if isinstance(line.of, Busy) else line.of.kinds
    return chosen.kind in ("", *kinds) and chosen.organisation in ("", line.of.organisation)
