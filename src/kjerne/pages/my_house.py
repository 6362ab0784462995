"""What the citizen's own doors ask of the house beside her record: `pages.house.PagesHouse` is this too.

Every method asks the law and leaves an audit row before it answers, and raises as `PagesHouse` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from kjerne.policy.reach import ChoiceKind
from kjerne.services.health_links.payload import Handed, Lacking, Wish
from kjerne.services.inquiries.desk import Opened, Written
from kjerne.services.notification import Channel
from kjerne.services.results.named import Named
from kjerne.store.inquiries import Behind, Inquiry
from kjerne.store.inquiries import Wanted as WantedInquiries
from kjerne.store.log_entry import Seen
from kjerne.store.looks import Wanted
from kjerne.store.summary_links import Kept
from kjerne.store.takeout import After

if TYPE_CHECKING:
    from kjerne.pages.house import File, Identity, LogRow, Patient, Resource, RuleLanguage, Visit


@dataclass(frozen=True, slots=True)
class LogPart:
    """One page of the log, newest first: rows `newer` + 1 and on of `total` that are wanted.

    `onward` begins the next page, empty where there is none. `organisations` (number and name) and `services` are all that
    stand in the log, to choose from.
    """

    rows: tuple[LogRow, ...]
    newer: int = 0
    total: int = 0
    onward: str = ""
    organisations: tuple[tuple[str, str], ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inquiries:
    """What was sent about one person, newest first; `names` are of the organisations they concern, `answering` are those
    of them that take part as a source now: for the others whoever runs the platform answers."""

    rows: tuple[Opened, ...]
    names: Mapping[str, str]
    answering: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InquiryList:
    """One page of everybody's inquiries, nothing of whom they are about; `waiting` of all are not answered. `onward`:
    the place behind which the next page begins, empty where there is none. `answering` as in `Inquiries`."""

    rows: tuple[Inquiry, ...]
    names: Mapping[str, str]
    waiting: int
    onward: str = ""
    answering: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InquiryOpened:
    """One inquiry opened, and the name of whom it is about; `place_withheld` where no place of hers may be told."""

    opened: Opened
    patient: str
    names: Mapping[str, str]
    place_withheld: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that was begun: of whom, when, and which types of records follow."""

    patient: Patient
    at: datetime
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """One batch: resources with others' person numbers masked, or files by id. `onward` is None where it was the last.

    `read` are the same resources as the pages read them: with what they said before they were corrected or taken back.
    """

    resources: tuple[Resource, ...]
    files: tuple[tuple[str, File], ...]
    onward: After | None
    read: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class Telling:
    """How the reader is told of looks at one record: `how` empty where she is not, `address` masked."""

    channels: tuple[Channel, ...]
    how: str = ""
    channel: str = ""
    address: str = ""
    since: datetime | None = None
    last_sent: datetime | None = None


@dataclass(frozen=True, slots=True)
class YouthAccess:
    """A youth of 13 to 15 for whom the reader may consent, or only for the address may not (`why`).

    `since` is when the consent in force was given, None where there is none; `until` is when she turns 16.
    """

    key: int
    name: str
    since: datetime | None = None
    until: datetime | None = None
    why: str = ""

    @property
    def last_moment(self) -> datetime | None:
        """The last moment of it: an end at midnight belongs to the day before."""
        return self.until - timedelta(microseconds=1) if self.until else None


class MyHouse(Protocol):
    """The citizen's own doors."""

    async def chooses_in(self, who: Identity, visit: Visit) -> tuple[str, ...]:
        """The services that she may choose in for the patient, in their order; none where she may not choose."""
        ...

    async def may_choose(self, who: Identity, visit: Visit) -> frozenset[ChoiceKind]:
        """The kinds of choice that the law lets her make about the person whose record is open; empty where none."""
        ...

    async def youth_access(self, who: Identity, language: RuleLanguage) -> tuple[YouthAccess, ...]:
        """Whom she may consent for that they see their own, by name; that she looked is in the log of each."""
        ...

    async def permit(self, who: Identity, key: int, *, given: bool) -> None:
        """Give that consent, or take it back. `Refusal` 409 or 404 where there is one, or none, already."""
        ...

    async def log(
        self, who: Identity, visit: Visit, language: RuleLanguage, wanted: Wanted, after: str = ""
    ) -> LogPart:
        """Who looked, a page of it, with the rule's words in the reader's language; `after` is another page's `onward`."""
        ...

    async def names_of(self, who: Identity, visit: Visit, seen: Sequence[Seen]) -> Mapping[str, Named]:
        """What the records that the log tells of are called, by id: those alone that the reader may open today."""
        ...

    async def look(self, who: Identity, visit: Visit, language: RuleLanguage, handle: str) -> LogRow:
        """One line of the log by its handle. `Refusal` 404 where there is none."""
        ...

    async def report_misuse(self, who: Identity, visit: Visit, handle: str, about: str, form: Written) -> str:
        """Say that a look by personnel was misuse; the reference. `Refusal` with the field where the form is wrong."""
        ...

    async def must_ask(self, who: Identity, visit: Visit) -> None:
        """`Denied` where the reader may not say that something is wrong, before she writes anything."""
        ...

    async def ask_correction(
        self, who: Identity, visit: Visit, type_: str, record: str, about: str, form: Written
    ) -> str:
        """Ask whoever owns a report or result to correct it; the reference."""
        ...

    async def inquiries(self, who: Identity, visit: Visit) -> Inquiries:
        """What was sent about this person, with its state and answers."""
        ...

    async def listed_inquiries(self, who: Identity, wanted: WantedInquiries, behind: Behind | None) -> InquiryList:
        """The operator's list, those that wait longest first, behind a place."""
        ...

    async def listed_inquiry(self, who: Identity, number: str) -> InquiryList:
        """One row of it. `Refusal` 404 where there is none."""
        ...

    async def open_inquiry(self, who: Identity, number: str, reason: str) -> InquiryOpened:
        """One with what it says, for a reason that stands in the patient's log."""
        ...

    async def answer_inquiry(self, who: Identity, number: str, status: str, answer: str, step: int) -> None:
        """Set it under way, or answer it. `Refusal` 409 where somebody did something with it after `step`."""
        ...

    async def may_copy(self, who: Identity, visit: Visit) -> None:
        """Ask the law whether the reader may take a copy, before one is offered; a no is raised."""
        ...

    async def begin_copy(self, who: Identity, visit: Visit) -> Copy:
        """Begin a copy of all the reader may see; that she does stands in the log first."""
        ...

    async def copy_on(self, who: Identity, visit: Visit, type_: str, after: After | None) -> Copied:
        """The next batch of records of a type, its log row naming them."""
        ...

    async def copy_files(self, who: Identity, visit: Visit, after: After | None) -> Copied:
        """The next files that came with reports."""
        ...

    async def health_links(self, who: Identity, visit: Visit) -> tuple[Kept, ...]:
        """The links that were made to copies of the summary, newest first, and who has opened them."""
        ...

    async def make_link(self, who: Identity, visit: Visit, wish: Wish) -> Handed | Lacking:
        """Make a copy of the summary as it is now, and the link that opens it, which is told this once; none where the copy would
        lack what she has not been told of. `Refusal` 409 where there are too many."""
        ...

    async def revoke_link(self, who: Identity, visit: Visit, number: str) -> None:
        """End a link at once."""
        ...

    async def telling(self, who: Identity, visit: Visit) -> Telling:
        """How the reader is told when somebody has looked."""
        ...

    async def tell_me(self, who: Identity, visit: Visit, how: str, channel: str, address: str, language: str) -> None:
        """Put that choice in force; `how` empty stops it. `Refusal` with the field where it cannot be chosen."""
        ...
