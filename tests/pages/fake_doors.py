"""The citizen's own doors of the made-up house: a log of four lines, or as many as a test wants, and what she has sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.pages.house import Chart, File, Identity, LogRow, RuleLanguage, Shows, Visit
from kjerne.pages.my_house import Copied, Copy, Inquiries, InquiryList, InquiryOpened, LogPart, Telling, YouthAccess
from kjerne.policy.reach import EVERYTHING, ChoiceKind
from kjerne.policy.services import IN_USE, SERVICES
from kjerne.services import notification
from kjerne.services.health_links import payload
from kjerne.services.health_links.payload import Handed, Lacking, Wish
from kjerne.services.inquiries import desk
from kjerne.services.inquiries.desk import Opened, Written
from kjerne.services.notification import Channel
from kjerne.services.results.named import Named
from kjerne.store.inquiries import STATUSES, Behind, Inquiry, Kind, Step, Told
from kjerne.store.inquiries import Wanted as WantedInquiries
from kjerne.store.log_entry import Seen
from kjerne.store.looks import Show, Wanted
from kjerne.store.summary_links import Kept, Opening
from kjerne.store.takeout import After
from pages import resources

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


def a_link(label: str, at: datetime, until: datetime) -> Kept:
    """One that is open and was opened once, after a wrong passcode."""
    openings = (Opening(at, "Dr. Papadaki", wrong=False), Opening(at, "Dr. Papadaki", wrong=True))
    return Kept(uuid4(), label, at, until, 1, 1, "open", None, openings)


@dataclass
class FakeDoors:
    """Keeps what was asked for, so that a test can look."""

    clock: Clock
    looked: tuple[LogRow, ...] = field(default_factory=the_log)
    log_page: int = 200
    names: dict[str, Named] = field(default_factory=dict)
    asked: list[Wanted] = field(default_factory=list)
    sent: list[Opened] = field(default_factory=list)
    channels: tuple[Channel, ...] = ("email", "sms")
    told: tuple[Any, ...] = ()
    opened_for: list[str] = field(default_factory=list)
    """The reasons that an operator gave."""
    can: frozenset[ChoiceKind] = EVERYTHING
    copies: bool = True
    """Whether she may take a copy."""
    copy_lacks: tuple[str, ...] = ()
    handed: list[Kept] = field(default_factory=lambda: [a_link("Ferie", NOW, NOW + timedelta(days=1))])
    permitted: bool = False
    """Whether Emil's parent has consented to youth access."""

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

    async def names_of(self, who: Identity, visit: Visit, seen: Sequence[Seen]) -> Mapping[str, Named]:
        return {one.id: self.names[one.id] for one in seen if one.id in self.names}

    async def look(self, who: Identity, visit: Visit, language: RuleLanguage, handle: str) -> LogRow:
        found = next((row for row in self.looked if row.handle == handle), None)
        if found is None:
            raise Refusal(404, "No such line.", where="look")
        return found

    async def report_misuse(self, who: Identity, visit: Visit, handle: str, about: str, form: Written) -> str:
        return self._took("misuse", PLACES["Bergen legevakt"], who, about, form)

    async def must_ask(self, who: Identity, visit: Visit) -> None:
        return None

    async def ask_correction(
        self, who: Identity, visit: Visit, type_: str, record: str, about: str, form: Written
    ) -> str:
        return self._took("correction", PLACES["Haukeland universitetssjukehus"], who, f"{about} ({type_})", form)

    def _took(self, kind: Kind, place: str, who: Identity, about: str, form: Written) -> str:
        form = desk.checked(kind, form)
        now = self.clock.now()
        made = Inquiry(1, UUID(int=(len(self.sent) + 0xA0) << 96), kind, now, place, changed_at=now)
        told = Told(who.name, about, form.why, form.text, form.reach, form.contact)
        self.sent.append(Opened(made, told, (Step(now, "received", ""),), LOOK if kind == "misuse" else None))
        return made.reference

    async def health_links(self, who: Identity, visit: Visit) -> tuple[Kept, ...]:
        return tuple(self.handed)

    async def make_link(self, who: Identity, visit: Visit, wish: Wish) -> Handed | Lacking:
        if not wish.without.issuperset(self.copy_lacks):
            return Lacking(self.copy_lacks)
        now = self.clock.now()
        made = payload.link("http://kjerne.test", wish.label, now + wish.life, bytes)
        self.handed.insert(0, a_link(wish.label, now, now + wish.life))
        return Handed(
            made.uri, f"http://kjerne.test/shl#{made.uri}", wish.label, now + wish.life, wish, self.copy_lacks
        )

    async def revoke_link(self, who: Identity, visit: Visit, number: str) -> None:
        place = next((place for place, one in enumerate(self.handed) if str(one.number) == number), None)
        if place is None or self.handed[place].state != "open":
            raise Refusal(404, "No such link.", where="link")
        self.handed[place] = replace(self.handed[place], state="revoked", ended_at=self.clock.now())

    async def may_copy(self, who: Identity, visit: Visit) -> None:
        if not self.copies:
            raise Refusal(403, "Nothing may be copied here.", where="denied")

    async def begin_copy(self, who: Identity, visit: Visit) -> Copy:
        return Copy((await self.chart(who, visit)).patient, self.clock.now(), ("DiagnosticReport", "Observation"))

    async def copy_on(self, who: Identity, visit: Visit, type_: str, after: After | None) -> Copied:
        chart = await self.chart(who, visit)
        found = chart.reports if type_ == "DiagnosticReport" else chart.observations
        half = len(found) // 2
        if after is None:
            return Copied(found[:half], (), After("", UUID(int=half)), found[:half])
        return Copied(found[half:], (), None, found[half:])

    async def copy_files(self, who: Identity, visit: Visit, after: After | None) -> Copied:
        return Copied((), tuple((name, File(data)) for name, data in resources.FILES.items()), None)

    async def chart(self, who: Identity, visit: Visit, shows: Shows | None = None) -> Chart:
        raise NotImplementedError

    async def telling(self, who: Identity, visit: Visit) -> Telling:
        return Telling(self.channels, *self.told)

    async def tell_me(self, who: Identity, visit: Visit, how: str, channel: str, address: str, language: str) -> None:
        if not how:
            self.told = ()
            return
        known: Channel = "sms" if channel == "sms" else "email"
        shown = notification.masked(known, notification.address(known, address))
        self.told = (how, channel, shown, self.clock.now(), self.clock.now())

    async def chooses_in(self, who: Identity, visit: Visit) -> tuple[str, ...]:
        return tuple(name for name in SERVICES if name in IN_USE)

    async def may_choose(self, who: Identity, visit: Visit) -> frozenset[ChoiceKind]:
        return self.can

    async def youth_access(self, who: Identity, language: RuleLanguage) -> tuple[YouthAccess, ...]:
        since = NOW if self.permitted else None
        return (
            YouthAccess(8, "Emil Nordvik", since, NOW + timedelta(days=400)),
            YouthAccess(9, "Ada Nordvik", why="Foreldre kan samtykke bare når minst én av dem bor der."),
        )

    async def permit(self, who: Identity, key: int, *, given: bool) -> None:
        if self.permitted == given:
            raise Refusal(409, "It is so already.", where="consent")
        self.permitted = given

    async def inquiries(self, who: Identity, visit: Visit) -> Inquiries:
        return Inquiries(tuple(reversed(self.sent)), _NAMES)

    async def listed_inquiries(self, who: Identity, wanted: WantedInquiries, behind: Behind | None) -> InquiryList:
        rows = [one.inquiry for one in self.sent]
        kept = [row for row in rows if wanted.kind in ("", row.kind) and wanted.status in ("", row.status)]
        waiting = sum(row.status != "answered" for row in rows)
        first = 1 + [row.number for row in kept].index(behind.number) if behind else 0
        shown = kept[first : first + 2]
        return InquiryList(tuple(shown), _NAMES, waiting, str(Behind.of(shown[-1])) if len(kept) > first + 2 else "")

    async def listed_inquiry(self, who: Identity, number: str) -> InquiryList:
        return InquiryList((self._sent(number).inquiry,), _NAMES, 0)

    async def open_inquiry(self, who: Identity, number: str, reason: str) -> InquiryOpened:
        self.opened_for.append(desk.written(reason, desk.REASON_CHARACTERS, "reason"))
        return InquiryOpened(self._sent(number), "Kari Nordvik", _NAMES)

    async def answer_inquiry(self, who: Identity, number: str, status: str, answer: str, step: int) -> None:
        held = self._sent(number)
        if status not in STATUSES[1:]:
            raise Refusal(400, "No such step.", where="status")
        text = desk.written(answer, desk.TEXT_CHARACTERS, "answer") if status == "answered" else answer
        now = self.clock.now()
        moved = replace(held.inquiry, status=status, step=held.inquiry.step + 1, changed_at=now)  # type: ignore[arg-type]
        steps = (*held.steps, Step(now, status, who.name, text))  # type: ignore[arg-type]
        self.sent = [replace(one, inquiry=moved, steps=steps) if one is held else one for one in self.sent]

    def _sent(self, number: str) -> Opened:
        found = next((one for one in self.sent if str(one.inquiry.number) == number), None)
        if found is None:
            raise Refusal(404, "No such inquiry.", where="inquiry")
        return found


_NAMES = {number: name for name, number in PLACES.items()}
LOOK = {
    "purpose": "ETREAT", "basis": "AKUTT", "caller_name": "Siri Vik", "caller_role": "SP", "caller_hpr": "9000002",
    "ids": [1, 2], "outcome": 0, "decision": "7", "self_selected": True, "says": SAYS, "law": LAW, "reason": "Bevisstløs",
}  # fmt: skip


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
