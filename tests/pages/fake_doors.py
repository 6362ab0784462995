"""The citizen's own doors of the made-up house: a log of four lines, or as many as a test wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from kjerne.clock import Clock
from kjerne.pages.house import Identity, LogRow, RuleLanguage, Visit
from kjerne.pages.my_house import LogPart
from kjerne.store.looks import Show, Wanted

NOW = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
PLACES = {
    "Solbakken legesenter": "100000016",
    "Bergen legevakt": "100000024",
    "Haukeland universitetssjukehus": "983658725",
}
SAYS, LAW = "Helsepersonell som gir helsehjelp, kan lese det de trenger.", "pasientjournalloven § 19"


def the_log() -> tuple[LogRow, ...]:
    """Herself, her GP, an emergency and somebody she has blocked."""
    own = LogRow(
        NOW - timedelta(hours=1), "Kari Nordvik", "", "", "PATRQT", "", (("DiagnosticReport", 1),), "Eget innsyn.",
        "§ 18", by="self", handle="1.a",
    )  # fmt: skip
    gp = LogRow(
        NOW - timedelta(days=1), "Ola Hagen", "LE", "Solbakken legesenter", "TREAT", "",
        (("DiagnosticReport", 1), ("Observation", 1)), SAYS, LAW, handle="2.b",
    )  # fmt: skip
    emergency = LogRow(
        NOW - timedelta(days=9), "Siri Vik", "SP", "Bergen legevakt", "ETREAT", "FORHOYET_AKUTT",
        (("DiagnosticReport", 12),), SAYS, LAW, acute=True, handle="3.c",
    )  # fmt: skip
    blocked = LogRow(
        NOW - timedelta(days=12), "Tor Eide", "LE", "Haukeland universitetssjukehus", "TREAT", "", (),
        "Pasienten har blokkert denne personen.", "pasient- og brukerrettighetsloven § 5-3", given=False, handle="4.d",
    )  # fmt: skip
    return own, gp, emergency, blocked


@dataclass
class FakeDoors:
    """Keeps what was asked for, so that a test can look."""

    clock: Clock
    looked: tuple[LogRow, ...] = field(default_factory=the_log)
    log_page: int = 200
    asked: list[Wanted] = field(default_factory=list)

    async def log(
        self, who: Identity, visit: Visit, language: RuleLanguage, wanted: Wanted, after: str = ""
    ) -> LogPart:
        self.asked.append(wanted)
        kept = [row for row in self.looked if _fits(row, wanted)]
        begin = int(after or 0)
        shown = tuple(kept[begin : begin + self.log_page])
        end = begin + len(shown)
        places = tuple((number, name) for name, number in PLACES.items())
        return LogPart(shown, begin, len(kept), str(end) if end < len(kept) else "", places, ("results",))


def _fits(row: LogRow, wanted: Wanted) -> bool:
    shown: dict[Show, bool] = {
        "all": True,
        "others": row.by == "practitioner",
        "seen": row.by == "practitioner" and row.given,
        "acute": row.acute,
        "refused": not row.given,
    }
    return (
        shown[wanted.show]
        and (wanted.since is None or wanted.since <= row.at)
        and (wanted.until is None or row.at < wanted.until)
        and wanted.organisation in ("", PLACES.get(row.organisation, "-"))
    )
