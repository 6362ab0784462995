"""One question to the law and its answer, in plain words and values: what both oracles speak in. Nothing of the product."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

LOOKING = ("read", "search", "history")


UNSEEN = "\u200b. \u3164"
"""A reason that nobody sees: a space without width, a dot, and a letter that is drawn as nothing."""


@dataclass(frozen=True)
class Attest:
    """What the employer vouches for. `about` are patients: "this" one or another."""

    of_the_one_logged_in: bool = True
    about: tuple[str, ...] = ("this",)
    purpose: str = "TREAT"
    reason: str = ""
    self_authorised: bool = False
    minutes_old: float = 1
    treatment: str = "1"


@dataclass(frozen=True)
class Bond:
    """Practice list, care, parent, proxy, guardian. `helper`: the bond names the one who asks as a private person.

    `covers`: areas of a power of attorney, or the scope of a guardianship; `form`: which guardianship it is.
    """

    kind: str
    hpr: str = ""
    place: str = ""
    helper: bool = False
    first_day: date | None = None
    day_after_last: date | None = None
    covers: tuple[str, ...] = ()
    form: str = ""


@dataclass(frozen=True)
class Will:
    """What the patient has decided: block, restriction, opt-out or consent."""

    kind: str
    service: str = "results"
    hpr: str = ""
    place: str = ""
    begins: datetime | None = None
    ends: datetime | None = None
    group: str = ""
    content: str = ""
    sent_by: str = ""
    mark: int = 0
    marked_everywhere: bool = True
    treatment: str = ""


@dataclass(frozen=True)
class Membership:
    """A line of the register of participation about the one who asks: what her organisation is in, and as what."""

    role: str
    service: str = "results"
    begins: datetime | None = None
    ends: datetime | None = None
    covers_her_place: bool = True


@dataclass(frozen=True)
class Situation:
    """One question to the law, in plain words and values."""

    kind: str
    action: str
    now: datetime
    service: str = "results"
    purpose: str = ""
    basis: str = ""
    scopes: frozenset[str] = frozenset()
    smart: tuple[str, ...] = ()
    level: int = 4
    hpr: str = ""
    role: str = ""
    legal_entity: str = ""
    unit: str = ""
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    attest: Attest | None = None
    is_the_patient: bool = False
    is_registered: bool = True
    own_address: str = ""
    own_birth: date | None = date(1970, 2, 28)
    own_death: bool = False
    born: date | None = date(1980, 5, 17)
    dead: bool = False
    address: str = "ugradert"
    a_parent_lives_with_child: bool | None = None
    bonds: tuple[Bond, ...] = ()
    wills: tuple[Will, ...] = ()
    memberships: tuple[Membership, ...] = ()
    jurisdiction: str = "NO"
    what: str = ""
    made_up: bool = True


@dataclass(frozen=True)
class Answer:
    """Given or not; what an API may say of the patient's choice; what stays hidden; how it is set apart in the log.

    `tells_address`: a refusal that says that the patient's address is protected. `looks_empty`: a refusal that nobody can
    tell from a patient of whom nothing is there. `too_old`: documents that stay shut for
    their age or class, of those that are asked about (`services_oracle.SHELF`).
    """

    given: bool
    outcome: str = ""
    hidden: frozenset[str] = field(default=frozenset())
    only_released: bool = False
    marked: str = ""
    purpose: str = ""
    tells_address: bool = False
    looks_empty: bool = False
    too_old: frozenset[tuple[str, date]] = frozenset()
