"""The words in which access is spoken of: who asks, about whom, and what the law gave.

Plain frozen values at the bottom of the house, so that the store can demand a `Grant` without knowing any law.
`Caller` is made by `policy.caller`, `Subject` by `store.subjects`, `Grant` and `Denial` by `policy.rules` alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import IntFlag
from typing import Final, Literal, NoReturn
from uuid import UUID

CallerKind = Literal["practitioner", "citizen", "system"]
Action = Literal[
    "read", "search", "history", "write", "insight", "choose", "file", "correct", "examine", "trace", "disclose", "link",
    "export", "recheck", "ask", "handle", "download", "review", "permit", "subscribe", "notify", "attest",
]  # fmt: skip
"""`file` lays in what is new, `correct` mends or takes out what lies there already. `examine` opens a message that was
rejected, `trace` tells who had opened what was filed on a wrong person, `disclose` tells a source who was given what it sent,
`link` says that two numbers are one human, `export` takes out in bulk, `recheck` holds what is stored against the rules of
today and tells ids alone. `ask` says that something is wrong and reads the answer, `handle` answers it. `download` takes a
copy of all. `review` tells whom a reading in the log was about. `permit` gives or withdraws a parent's consent that a youth
sees her own. `subscribe` asks to be told of what is new, `notify` tells it. `attest` brings an attestation that does not hold,
and gets no further: which deed it was meant for nobody has looked at."""

OPENING: Final[frozenset[Action]] = frozenset({"read", "search", "history", "download", "export", "notify"})
"""What hands records to somebody: whoever asks the log who has seen something asks for these. `laws` holds the list to all
actions there are."""
OPERATIONS: Final = "kjerne:operations"
"""The scope of whoever runs the platform."""
AUDIT: Final = "kjerne:audit"
"""The scope of the data controller's own system for logs: it reads the log about anybody, and no record."""
DISCLOSURES: Final = "kjerne:disclosures"
"""The scope of a source's system that fetches who was given what the source had sent."""
SUBSCRIPTIONS: Final = "kjerne:subscriptions"
"""The scope of a treating organisation's system that is told what is new about its patients."""
ALL_PATIENTS: Final = "kjerne:all-patients"
"""The scope of the sandbox's test client: it asks about everybody who is made up. Production takes no token with it."""
PORTAL: Final = "kjerne:portal"
"""The scope of a citizen portal's token: it is the citizen's, with the portal as actor and the errand said."""


class Label(IntFlag):
    """What withholds a record from somebody; a bit mask in `record.labels`.

    Code system 9603 (OID 2.16.578.1.12.4.1.1.9603) keeps two things apart that must never be mixed: `RESTRICTED`
    (sperret, NORS) hides from staff at the citizen's wish; the others (nektet) hide from the citizen or a proxy. Bits from
    `FIRST_PART` on have no names: each marks what one of the patient's own restrictions of a part is about.
    """

    RESTRICTED = 1
    WITHHELD_FROM_CITIZEN = 2
    WITHHELD_FROM_PARENTS = 4
    WITHHELD_FROM_YOUTH = 8
    NOT_THE_MOTHERS = 16
    """Result of a newborn, fetus or donor filed on the mother: shown, but kept out of her trends."""
    WITHDRAWN = 32
    """Filed on a wrong person and withdrawn: opened for insight and for those who must be told, for nobody else."""
    RESTRICTED_HERE = 64
    """As `RESTRICTED`, where the patient chose it here and not at the source: lifting it leaves the source's own."""

    WITHDRAWN_WITH_REPORT = 1 << 23
    """A result whose every report was withdrawn (`store.pointing`): hidden from nobody, and valid to nobody. Beyond the parts."""


NO_LABEL: Final = Label(0)
FIRST_PART: Final = 128
PARTS: Final = 16
"""How many parts of her record a patient may have restricted at the same time."""
REGRET: Final = timedelta(days=30)
"""Kjernejournal: after an opt-out the data lie closed this long, and the patient can take it back with nothing lost."""
SHUT_BY_PATIENT: Final = Label.RESTRICTED | Label.RESTRICTED_HERE | Label(FIRST_PART * (2**PARTS - 1))
"""Everything a record can be marked with that the patient chose to keep from personnel."""


_PART_LABELS: Final = tuple(Label(FIRST_PART << slot) for slot in range(PARTS))


def part_label(slot: int) -> Label:
    """The mark of a restricted part, by the number that its choice has among the patient's."""
    assert slot >= 0
    return _PART_LABELS[slot]


@dataclass(frozen=True, slots=True)
class Coded:
    """A code with its system (URL or `urn:oid:`) and text."""

    code: str
    system: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What the caller's organisation vouches for (Tillitsrammeverket v1.1, ATT-1 to ATT-58).

    Identifiers of patients are digests (`registries.identifiers.digest`), never the numbers themselves.
    """

    practitioner_digest: bytes
    hpr: str
    authorization: str
    legal_entity: str
    point_of_care: str
    department: str
    healthcare_service: Coded | None
    purpose: str
    purpose_details: Coded | None
    decision_id: str
    decision_text: str = field(repr=False)
    user_selected: bool
    patient_digests: tuple[bytes, ...]
    made_at: datetime
    patient_point_of_care: str = ""
    """Where the patient is treated, told only where it is a unit of the caller's own (ATT-49, ATT-51)."""
    patient_department: str = ""
    """`system|number`: a local department's number means nothing without its system (ATT-28)."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a citizen came to a portal for, as the portal's issuer signed it: about whom, and by which right.

    `policy` is the last number of the national access policy (ACP, `2.16.578.1.12.4.1.7.2.1`): 0 for oneself, 1 as a
    parent, 2 with power of attorney, 3 for somebody who cannot consent. Whether the right is there, the registers say.
    """

    purpose: str
    policy: str
    patient_digest: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """One row of the register of participation that names the caller's organisation; in force in [since, until).

    `here` says that the caller's point of care lies in the row's areas.
    """

    service: str
    part: Literal["source", "consumer"]
    since: datetime
    until: datetime | None
    here: bool = True


@dataclass(frozen=True, slots=True)
class Limit:
    """One SMART scope of a token: which letters of `cruds` it leaves of a FHIR type (empty: of every type).

    Each of `tokens` are alternatives, of which a resource must be found by one (`fhir.index`); none: all of the type.
    """

    scope: str
    type: str
    letters: str
    tokens: tuple[tuple[int, ...], ...] = ()


COMMAND_LINE: Final = "command line"
"""The client of a caller who works on the machine itself; her name has the machine's name for her."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as proven by token, proof of possession and attestation; holds no person number.

    `digest` is the HMAC of the caller's own person number (empty for a system client). `level` is the security level
    (4 = high). `jti` names the access token in the audit row. `parts` are what the register of participation has of her
    organisation, read by `policy.door`; without it she takes part in nothing. `limits` are what the token's SMART scopes
    leave of what the law gives (`fhir.smart`): None where it has no such scope, and nothing is taken away. Of a citizen who
    comes through a portal, `client` and `organisation` are the portal's and `errand` what she came for. `basis` is the basis
    that was signed, where one was; no header stands against it. `above` and `below` are the units over and under where she
    works, by the register of organisations, read with `parts`. `until` is when the access token ends, in seconds since 1970; 0
    where there is none. `broken` is the rule that her attestation or login breaks (`ATT-38`): such a caller holds what the token
    alone proves, and is made for the row of the refusal (law, K101).
    """

    kind: CallerKind
    client: str
    scopes: frozenset[str]
    digest: bytes = b""
    name: str = ""
    hpr: str = ""
    authorization: str = ""
    organisation: str = ""
    point_of_care: str = ""
    department: str = ""
    level: int = 0
    jti: str = ""
    attestation: Attestation | None = None
    parts: tuple[Part, ...] = ()
    limits: tuple[Limit, ...] | None = None
    errand: Errand | None = None
    basis: str = ""
    above: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()
    until: int = 0
    broken: str = ""

    @property
    def asks_about_everybody(self) -> bool:
        """Whether she is the sandbox's test client."""
        return self.kind == "system" and ALL_PATIENTS in self.scopes

    def is_within(self, organisation: str) -> bool:
        """Whether she works in it: in the organisation or unit itself, or in one below it at any depth (law, K80)."""
        return organisation in (self.organisation, self.point_of_care) or organisation in self.above

    def may_be_within(self, organisation: str) -> bool:
        """Whether she works in it, or in one above it without saying in which of its own: nobody can say that she does not."""
        return self.is_within(organisation) or organisation in self.below


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of the patient about her own data, valid in the half-open interval [made_at, ended_at).

    A restriction is against everybody, one `organisation` or one group of roles (`role`), and of the whole service or a
    part: a kind of content (`part`), or what one organisation sent (`source`). Records of a part carry its mark (`slot`) in
    the rows of the person keys in `marked`; while she has another key as well, it counts as of the whole. A `record` is
    restricted by itself. A consent may be for one `course` of treatment, by the reference its attestations carry.
    `youth-access` is a parent's consent that a youth of 13 to 15 sees what the service has about her.
    """

    kind: Literal["opt-out", "restriction", "block", "consent", "record", "youth-access"]
    service: str
    hpr: str
    organisation: str
    made_at: datetime
    ended_at: datetime | None
    role: str = ""
    part: str = ""
    source: str = ""
    course: str = ""
    record: UUID | None = None
    slot: int = -1
    marked: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """A choice as it was asked for, from a form or a Consent; nothing in it is checked yet. Fields as in `Choice`."""

    kind: str
    service: str = "results"
    hpr: str = ""
    organisation: str = ""
    until: datetime | None = None
    role: str = ""
    part: str = ""
    source: str = ""
    course: str = ""
    record: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A choice as the store has it: whose row it is (one of the patient's keys), its number and what it says.

    `set_by` and `ended_by` are the rules that let somebody make and end it: herself, or one who stood in for her.
    """

    patient: int
    number: int
    choice: Choice
    set_at: datetime | None = None
    set_by: str = ""
    ended_by: str = ""


@dataclass(frozen=True, slots=True)
class Tie:
    """What binds a caller to the patient: GP list, open care course, family or power of attorney; [since, until).

    `areas` are those of a power of attorney, or the scope of a guardianship, and `form` is which guardianship it is: words
    of the registers (`policy.representing`).
    """

    kind: Literal["practice-list", "care", "parent", "proxy", "guardian"]
    hpr: str = ""
    organisation: str = ""
    key: int = 0
    since: date | None = None
    until: date | None = None
    areas: tuple[str, ...] = ()
    form: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything the law asks about the patient, read in one statement, true at `stamp`.

    `keys` are all person keys linked to `patient`, itself included. Every change of a fact raises `stamp`; the store
    reads under a `Grant` only while the stamp still stands, so a block holds on the next request on every host.
    """

    patient: int
    keys: tuple[int, ...]
    stamp: int
    wrapped: tuple[bytes, ...] = field(repr=False)
    birth_date: date | None
    sex: str
    protection: str
    deceased: bool
    choices: tuple[Choice, ...]
    ties: tuple[Tie, ...]
    caller_key: int | None
    synthetic: bool
    digests: frozenset[bytes] = field(default=frozenset(), repr=False)
    """Digests of all identifiers of all `keys`: an attestation must name one of them and nobody else (ATT-4)."""
    destroyed: tuple[tuple[str, ...] | None, ...] = ()
    """For each of `keys` the services whose key was destroyed, once for each time; None: sealed as before 0013."""
    caller_linked: tuple[int, ...] = ()
    """The caller's other keys as a person: what a register says of her under another of her numbers lies there."""
    caller_protection: str = ""
    """Address protection of the caller as a person: who lives under one represents nobody."""
    caller_birth_date: date | None = None
    caller_deceased: bool = False
    """What the register of persons has of the caller where she stands in for another."""
    lives_with_parent: bool | None = None
    """Whether a parent with responsibility is registered at the child's address; None where no register says."""
    parents: tuple[Tie, ...] = ()
    """Everybody with parental responsibility who is not registered as dead, whoever asks: read where somebody stands in for
    another."""
    pointed: bool = False
    """Whether a record of another may name her (`store.pointers`)."""


@dataclass(slots=True)
class Once:
    """A proof of possession that is good for one request.

    It is noted before the handler begins or, where the route says so, by the handler's first statement. `values` are its
    parameters for `store.proofs.NOTE`; `refuse` raises what a second use is answered with.
    """

    values: tuple[int, bytes, int]
    refuse: Callable[[], Awaitable[NoReturn]]
    noted: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """What this caller may do with this patient's records, on which ground. Constructed in `policy.rules` alone.

    `hides` are the labels that stay shut; `released_only` shuts what is not yet released to the citizen (checked when
    read, not when a job ran). `law` and `says` are what the patient reads in her log. `windows` (documents) are the classes
    it opens, each from its first day on, None from the beginning; without any it opens all.
    """

    caller: Caller
    subject: Subject
    service: str
    action: Action
    rule: str
    law: str
    says: str
    purpose: str
    basis: str
    hides: Label
    released_only: bool
    at: datetime
    correlation: str
    once: Once | None = None
    """The request's proof, where the facts were remembered: the store opens and writes nothing before it is noted."""
    reason: bytes = field(default=b"", repr=False)
    """What the caller says of it in her own words, sealed for the log (`store.audit.with_words`)."""
    instead_of: Denial | None = None
    """The refusal that is not told (`policy.unsaid`): the grant opens nobody's records, and the log's row is the refusal's."""
    windows: tuple[tuple[str, date | None], ...] = ()
    registers: frozenset[str] | None = None
    """The kinds of content that it lets be written or taken away, where the service says who registers what; None: any."""

    @property
    def asked_about(self) -> Subject:
        """Who was asked about, also where the grant opens nobody's records: what says who it is must not tell that."""
        meant = self.instead_of.subject if self.instead_of is not None else None
        return meant or self.subject


@dataclass(frozen=True, slots=True)
class Denial:
    """A no that names its rule and its law. `outcome` is the privacy outcome an API may show, else empty."""

    caller: Caller
    subject: Subject | None
    service: str
    action: Action
    rule: str
    law: str
    says: str
    outcome: Literal["", "Specific", "General", "Reservation"]
    at: datetime
    correlation: str
    reason: bytes = field(default=b"", repr=False)
    purpose: str = ""
    basis: str = ""
    """What it was asked under, as a `Grant` has them: the log says of a try why it was made. Words that the law knows alone."""
    of_caller: str = ""
    """What else the caller hears where the reason is her organisation's and no patient's: since when it takes no part."""
