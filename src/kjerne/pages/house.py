"""What the pages ask of the house: one protocol, and the plain values that cross it.

The pages know how things look and what a form must carry; the house knows law, rows and registers. Every method that
touches a patient asks the law and leaves an audit row before it answers. A no is `kjerne.exchange.Denied` (its outcome
decides which text the page shows), a fault in what was typed is `kjerne.errors.Refusal`; nothing else may be raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from kjerne.access import Wish
from kjerne.pages.abroad_house import AbroadHouse
from kjerne.pages.critical_house import CriticalHouse, EntryChanged
from kjerne.pages.documents_house import DocumentsHouse
from kjerne.pages.launched_house import Launched, LaunchedHouse
from kjerne.pages.looked_up import AlreadyDone, Analysis
from kjerne.pages.my_house import MyHouse
from kjerne.pages.oversight_house import OversightHouse
from kjerne.pages.paging import Part
from kjerne.pages.shown import OnPage, ShownAnswer, ShownReport
from kjerne.pages.summary_house import SummaryHouse
from kjerne.policy.reach import Setter
from kjerne.policy.taking_part import Absence
from kjerne.services.participation.register import Asked, Change
from kjerne.services.persons.linking import Compared, Meanwhile
from kjerne.services.results.points import Absent, Aside, Mark
from kjerne.services.results.points import Part as Component
from kjerne.services.results.values import Value
from kjerne.store.linking import Link
from kjerne.store.log_entry import Seen, Unnamed
from kjerne.store.messages import Rejected
from kjerne.store.participation import Participation, SourceRow, Wanted

T = TypeVar("T")
RuleLanguage = Literal["nb", "nn", "en"]
"""The languages that the law's words are written in."""
Resource = dict[str, Any]
"""A FHIR R4 resource as parsed JSON, numbers as `Decimal`."""

Purpose = Literal["TREAT", "ETREAT", "COC", "BTG", "PATRQT"]
Basis = Literal["", "SAMTYKKE", "AKUTT", "UNNTAK", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is logged in, as proven by the OpenID provider. Shown texts only; no person number.

    `carry` is what the house wants back with each request to make its `Caller` again. It travels sealed in the cookie
    and is never shown, so keep it under 2 kB.
    """

    kind: Literal["practitioner", "citizen", "operator"]
    name: str
    role: str = ""
    """Authorisation code of Volven 9060 (LE, SP ...), empty for a citizen and an operator."""
    organisation: str = ""
    hpr: str = ""
    carry: str = field(default="", repr=False)


BY_WORD_MINUTES: Final = 60
"""How long what she declares herself opens something: an emergency, a consent, a need that no register knows of (ATT-58)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One patient opened by one login: what an attestation says, in the page's own words.

    `id` is random and stands in the address; `patient` is the person key. A citizen's own record is a visit too, with
    purpose PATRQT. `basis` holds until `basis_until` and must be declared anew after it. `self_declared` is the ground
    in the caller's own words where no register ties her to the patient (decision_ref.user_selected, ATT-48).
    """

    id: str
    patient: int
    purpose: Purpose
    opened_at: datetime
    basis: Basis = ""
    basis_until: datetime | None = None
    reason: str = field(default="", repr=False)
    self_declared: bool = False
    launched: Launched | None = None

    @property
    def until(self) -> datetime | None:
        """When it ends however long the login lives: what stands on her own word alone lives no longer than an attestation
        may (ATT-58). One that her own system opened lives as long as that vouches for it anew (`launched`)."""
        by_word = self.launched is None and (self.purpose == "BTG" or self.self_declared)
        return self.opened_at + timedelta(minutes=BY_WORD_MINUTES) if by_word else None


@dataclass(frozen=True, slots=True)
class Patient:
    """The identity bar. `masked` is the person number with its last five digits hidden (`150779 •••••`).

    `number` is the whole of it, there only for health personnel whom the law has opened the record to.
    """

    key: int
    name: str
    birth_date: date | None
    sex: Literal["female", "male", ""]
    masked: str
    synthetic: bool
    deceased: bool = False
    number: str = field(default="", repr=False)

    @property
    def shown_number(self) -> str:
        """As much of the number as this page may show."""
        return f"{self.number[:6]} {self.number[6:]}" if self.number else self.masked


@dataclass(frozen=True, slots=True)
class Source:
    """One source that was asked. `answered` False makes the page say so: silence is not "nothing registered"."""

    name: str
    answered: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Coming:
    """A result that exists but is not yet released to the citizen: said to be coming, never what kind or what it says."""

    release_at: datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """All results this visit may see, read in one go and audited as one read.

    `locked` counts reports behind the patient's lock. `unread` are report ids that wait for this reader as requester;
    `acknowledged` those she has signed since their results last changed, with when. `names` gives a display (by resource
    id) for references without one.
    What a corrected or withdrawn result said before stands inside it (docs/results-mapping.md, `kjerne:change`).
    """

    patient: Patient
    read_at: datetime
    reports: tuple[Resource, ...] = ()
    observations: tuple[Resource, ...] = ()
    requests: tuple[Resource, ...] = ()
    specimens: tuple[Resource, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    laboratories: Mapping[str, str] = field(default_factory=dict)
    """What tells the organisation of each PractitionerRole from others (`trends.laboratory_key`), by the role's id."""
    whole: int = 0
    """How many results there are, where `observations` are only the newest of them; else 0."""
    locked: int = 0
    unread: frozenset[str] = frozenset()
    acknowledged: Mapping[str, datetime] = field(default_factory=dict)
    coming: tuple[Coming, ...] = ()
    sources: tuple[Source, ...] = ()
    opted_out: bool = False
    """Whether nothing new is taken in, since there is an opt-out. Told to the citizen and who acts for her (law, K110)."""


Shows = Callable[[Chart], OnPage]
"""Which of the records of a chart stand on a page."""


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of one file that came with a report."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """One part of a list, and which it is. `beyond` says that there are more than the list was made of."""

    rows: tuple[T, ...]
    part: Part
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class OwnPatient:
    """A person on the reader's own list (practice list or open care course) whom she can open without typing."""

    key: int
    name: str
    birth_date: date | None
    sex: Literal["female", "male", ""]
    masked: str
    why: Literal["practice-list", "care"]
    synthetic: bool = True


@dataclass(frozen=True, slots=True)
class OwnList:
    """One part of the reader's own list, by name. `goes_on` says that others come before it, `last` is the person key after
    whom the next part begins, 0 where there is none. How many there are in all is not told: the law is asked part by part."""

    rows: tuple[OwnPatient, ...]
    goes_on: bool = False
    last: int = 0
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A report this reader asked for and has not acknowledged, on any of her patients.

    `what` is its discipline, empty where it was not read. What it found is opened in the visit.
    """

    patient: int
    patient_name: str
    what: str
    at: datetime
    corrected: bool = False


ChangeKind = Literal[
    "replaced", "emptied", "given", "withdrawn", "stands", "not-repeated", "repeated", "opened", "file", "fewer", "aside",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changed:
    """One result as the reader saw it, at `read_at` for the last time, and as it is now: what is told of it.

    `kind`: it says something else (`replaced`), has no value any more (`emptied`) or has one now (`given`), was taken back
    (`withdrawn`) or stands again (`stands`), is left out of a newer version (`not-repeated`) or in it again (`repeated`), has
    another file (`file`) or fewer results (`fewer`) and the same words, hangs on other circumstances (`aside`), or cannot be
    compared, since what she saw is shut today (`opened`). `asides` are those circumstances as they were and as they are.
    """

    what: str
    kind: ChangeKind
    read_at: datetime
    old: Value | None = None
    new: Value | None = None
    mark: Mark = ""
    absent: Absent = ""
    was: str = ""
    """The analysis that the old value was said to be of, where that was corrected too."""
    old_parts: tuple[Component, ...] = ()
    new_parts: tuple[Component, ...] = ()
    asides: tuple[tuple[Aside, Aside], ...] = ()
    unsettled: bool = False
    """Whether its status is unknown beside its mark."""
    whose: str = ""
    """Whose material it is where it is not the patient's own (`points.another_person`)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the reader has seen of one patient was changed since: each result once, all of them in one notice.

    `number` names it when it is marked as seen. `withdrawn` is a report on the wrong patient: it has no content here.
    `patient` is 0, and no name there, where the law would not open her to this reader today.
    """

    number: str
    kind: Literal["corrected", "withdrawn"]
    at: datetime
    read_at: datetime
    patient: int = 0
    patient_name: str = ""
    changes: tuple[Changed, ...] = ()
    opened: tuple[datetime, ...] = ()
    """When she last opened each report that was withdrawn, newest first: how many and when, since what they were is another's."""
    entries: tuple[EntryChanged, ...] = ()
    """Of critical information (`is_critical`): each entry as she saw it and as it is."""
    is_critical: bool = False


@dataclass(frozen=True, slots=True)
class LogRow:
    """One look at, or try to look at, the citizen's record; a name and never a number (ATT-8).

    `what` counts the records by FHIR type; `says` is the rule in words and `law` where it stands. `wrote` sets a report
    that was filed, or a choice that was made, apart from a look; `withdrew` one that was taken away from her record.
    `deed` is what was done where no record was opened: a rejected message examined, or readers traced. `reason` is what the
    one who looked wrote herself.
    """

    at: datetime
    who: str
    role: str
    organisation: str
    purpose: str
    basis: str
    what: tuple[tuple[str, int], ...]
    says: str
    law: str
    by: Literal["self", "representative", "practitioner", "system"] = "practitioner"
    wrote: bool = False
    withdrew: bool = False
    given: bool = True
    acute: bool = False
    self_declared: bool = False
    deed: Literal[
        "", "examined", "traced", "linked", "disclosed", "exported", "rechecked", "asked", "handled", "reviewed", "permitted",
        "subscribed", "attested", "chose", "met", "erased", "saw_choices", "made", "ended",
        "link_made", "links_seen", "link_ended", "link_opened",
    ] = ""  # fmt: skip
    reason: str = ""
    handle: str = ""
    """Names the line where something is said of it."""
    took: bool = False
    """A copy was taken, not only looked at."""
    seen: tuple[Seen, ...] = field(default=(), compare=False)
    """Which records `what` counts."""
    service: str = ""
    unnamed: Unnamed = ""
    """Why a look names nothing."""
    choice: str = ""
    """Which kind of choice was made or ended."""


@dataclass(frozen=True, slots=True)
class OwnChoice:
    """A privacy choice in force. `number` names it when it is lifted; `who` is the blocked person's name.

    `by` is who made it, and `may_lift` whether it is the reader's to lift.
    """

    number: str
    kind: Literal["block", "restriction", "opt-out", "consent", "record", "youth-access"]
    made_at: datetime
    who: str = ""
    organisation: str = ""
    ends_at: datetime | None = None
    """For an opt-out: when the data are deleted unless it is taken back (30 days). Else when it ends by itself."""
    role: str = ""
    part: str = ""
    source: str = ""
    course: str = ""
    record: str = ""
    by: Setter = "self"
    may_lift: bool = True
    service: str = "results"

    @property
    def last_moment(self) -> datetime | None:
        """The last moment of a choice that ends by itself: an end at midnight belongs to the day before."""
        return self.ends_at - timedelta(microseconds=1) if self.ends_at else None


@dataclass(frozen=True, slots=True)
class Blockable:
    """A named health worker the citizen can block, from her log or from a look-up by name."""

    hpr: str
    name: str
    role: str
    organisation: str


Standing = Literal["self", "parent", "proxy", "guardian"]


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation that has sent in something about her, or looked: what a restriction or a consent can name.

    `has_sent` something to the service in question; `treats`: personnel there have looked or registered.
    """

    number: str
    name: str
    has_sent: bool
    treats: bool


@dataclass(frozen=True, slots=True)
class Represented:
    """A person whom the register has the citizen stand in for, or herself; the law decides when the record is opened.

    `young`: herself, and not 16 yet. `chooses`: settings are open to the reader.
    """

    key: int
    name: str
    tie: Standing
    young: bool = False
    chooses: bool = True

    @property
    def asks(self) -> bool:
        """Whether she may say that something is wrong, and take a copy."""
        return self.tie == "parent" or (self.tie == "self" and not self.young)


@dataclass(frozen=True, slots=True)
class Representation:
    """One tie of the register between the citizen and another, as the page of representation shows it.

    `areas` are the register's words for what it covers, `last_day` the last on which it holds; `opens` says whether the law
    lets it open the record today, `why` why it does not.
    """

    name: str
    tie: Standing
    areas: tuple[str, ...]
    last_day: date | None
    opens: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Representations:
    """Whom the citizen may act for, and who may act for her; `shielded` where her own address shuts both."""

    of_others: tuple[Representation, ...]
    by_others: tuple[Representation, ...]
    shielded: bool = False


@dataclass(frozen=True, slots=True)
class Participants:
    """Rows of the register of participation, and the names of those they are about."""

    rows: tuple[Participation, ...]
    names: Mapping[str, str]
    more: bool = False


@dataclass(frozen=True, slots=True)
class RejectedQueue:
    """One page of all senders' rejected messages, nothing of their content; `after` begins the next page."""

    rows: tuple[Rejected, ...]
    names: Mapping[str, str]
    total: int
    after: str = ""


class PagesHouse(
    MyHouse, OversightHouse, CriticalHouse, LaunchedHouse, SummaryHouse, AbroadHouse, DocumentsHouse, Protocol
):  # fmt: skip
    """What the pages need. `app` implements it over policy, services and store; tests have a fake."""

    async def sign_in(self, claims: Mapping[str, Any], access_token: str) -> Identity:
        """Make an identity of verified ID-token claims. `Refusal` 403 where the register does not know her."""
        ...

    async def end_login(self, login: str, until: datetime) -> None:
        """From now on the login is over on every host; `until` is when its cookie would have been too old by itself."""
        ...

    async def has_ended(self, login: str) -> bool:
        """Whether this login was ended."""
        ...

    async def own_patients(self, who: Identity, after: int) -> OwnList:
        """The part of the reader's own list that comes after this person key, by name; the first where it is none of hers."""
        ...

    async def find(self, who: Identity, number: str) -> int:
        """Person key of a typed person number, 0 where nobody has it; `Refusal` 400 where it is not a number.

        Nobody is told here which it was: the refusal of an unknown person is the refusal of a stranger.
        """
        ...

    async def patient(self, who: Identity, visit: Visit, *, refused: bool = False) -> Patient | None:
        """The identity bar where no results are shown; None where she may not know whom she asked for. A line in the log is
        written with it, or was with the refusal of this request (`refused`)."""
        ...

    async def chart(self, who: Identity, visit: Visit, shows: Shows | None = None) -> Chart:
        """All results under the law, one audited read. `Denied` by its outcome: blocked, locked, opted out, no ground.

        The row in the log names them all, or those that a page `shows`; what it lists without opening it has a row of its own.
        """
        ...

    async def file(self, who: Identity, visit: Visit, report: str, number: str) -> File:
        """A file that came with a report, under the same law and with its line in the log. `Refusal` 404 otherwise."""
        ...

    async def former_file(self, who: Identity, visit: Visit, report: str, number: str, version: int) -> File:
        """As `file`, of one that another took the place of, in the version that it was."""
        ...

    async def acknowledge(self, who: Identity, visit: Visit, shown: ShownReport) -> None:
        """The requester has read what was shown. `Refusal` 404 where the report is not there, 409 where a newer version is,
        of it or of one of its results."""
        ...

    async def waiting(self, who: Identity, wanted: str) -> Listed[Waiting]:
        """The wanted part of the unacknowledged reports the reader asked for, over all her patients, newest first."""
        ...

    async def notices(self, who: Identity, wanted: str) -> Listed[Notice]:
        """The wanted part of the corrected or withdrawn results she had read, not yet marked as seen, newest first."""
        ...

    async def see_notice(self, who: Identity, number: str) -> None:
        """She has seen the notice."""
        ...

    async def analyses(self) -> tuple[Analysis, ...]:
        """What the look-up box can be asked about, by name."""
        ...

    async def already_done(self, who: Identity, visit: Visit, asked: Analysis) -> AlreadyDone:
        """Has it been done within its interval? Hidden results never cause a yes."""
        ...

    async def answer_reuse(
        self, who: Identity, visit: Visit, shown: ShownAnswer, outcome: Literal["followed", "overridden"], reason: str
    ) -> None:
        """What the reader did with a shown answer, for the measure's effect. `Refusal` 409 where its results are others now."""
        ...

    async def represented(self, who: Identity) -> tuple[Represented, ...]:
        """Whose records the citizen may open; herself first."""
        ...

    async def representations(self, who: Identity, language: RuleLanguage) -> Representations:
        """Whom she may act for and who may act for her, by the registers today. Nobody with a protected address is named."""
        ...

    async def choices(self, who: Identity, visit: Visit) -> tuple[OwnChoice, ...]:
        """Privacy choices in force."""
        ...

    async def blockable(self, who: Identity, visit: Visit) -> tuple[Blockable, ...]:
        """Health workers who have looked or could look, for the block form."""
        ...

    async def health_worker(self, who: Identity, visit: Visit, hpr: str) -> Blockable | None:
        """Who has this HPR number, None where nobody has: shown before she is blocked."""
        ...

    async def places(self, who: Identity, visit: Visit, service: str) -> tuple[Place, ...]:
        """Organisations that stand in her log, by name, as they are to one service."""
        ...

    async def choose(self, who: Identity, visit: Visit, wish: Wish) -> None:
        """Put a choice in force from the next request on. `Refusal` names what in the form cannot be."""
        ...

    async def lift(self, who: Identity, visit: Visit, number: str) -> None:
        """Take a choice back."""
        ...

    async def absence(self, who: Identity) -> Absence | None:
        """Why the reader's organisation takes no part in the results; None where it does."""
        ...

    async def sources(self) -> tuple[SourceRow, ...]:
        """Who takes part as a source of results now."""
        ...

    async def participants(self, who: Identity, wanted: Wanted, skipped: int) -> Participants:
        """A page of the register, newest first."""
        ...

    async def participation(self, who: Identity, number: int) -> Participants:
        """One row with what it was widened from and to, oldest first. `Refusal` 404 where there is none."""
        ...

    async def links(self, who: Identity) -> tuple[Link, ...]:
        """Which person numbers were linked and unlinked, newest first; of whom is not told."""
        ...

    async def compare_persons(self, who: Identity, one: str, other: str, reason: str) -> Compared:
        """What the register says of two typed numbers. `Refusal` with the field where one cannot be used."""
        ...

    async def link_persons(self, who: Identity, one: str, other: str, reason: str) -> int:
        """Links two typed numbers; the link's number."""
        ...

    async def shown_over(self, who: Identity, number: int, reason: str) -> Meanwhile:
        """What was shown over a link. `Refusal` 404 where there is none of this number."""
        ...

    async def unlink_persons(self, who: Identity, number: int, reason: str) -> None:
        """Undoes a link."""
        ...

    async def plan_participation(self, who: Identity, asked: Asked) -> Change:
        """What a change would do. `Refusal` with the field where it cannot be made."""
        ...

    async def change_participation(self, who: Identity, asked: Asked) -> int:
        """Makes the change; the number of the row it is about."""
        ...

    async def rejected(self, who: Identity, after: str) -> RejectedQueue:
        """The rejected messages of all senders, a page of them, newest first."""
        ...
