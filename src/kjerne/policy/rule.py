"""The words a rule is written in: the row, the section, and the sets of callers, services, actions and labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from kjerne.access import FIRST_PART, SHUT_BY_PATIENT, Action, CallerKind, Label
from kjerne.policy.facts import Case

NOTHING: Final = Label(0)

Condition = Callable[[Case], bool]
Outcome = Literal["", "Specific", "General", "Reservation"]
Mark = Literal["", "restriction-opened", "break-glass", "case-handling", "self-declared"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. It fits when every condition in `when` holds and purpose and basis are among those named, if any.

    Empty `purposes` or `bases` mean all. `says` is what the patient reads in her log, in bokmål. `purpose` replaces
    what was asked where the tie decides it (FAMRQT for a parent). `mark` sets the row apart in the log and has the
    patient told, whatever her notification profile. Parts that the patient has restricted against the caller stay shut
    beside what the row `hides`, unless it `opens_parts`.
    """

    id: str
    effect: Literal["grant", "deny"]
    law: str
    says: str
    when: tuple[Condition, ...] = ()
    purposes: frozenset[str] = frozenset()
    bases: frozenset[str] = frozenset()
    outcome: Outcome = ""
    hides: Label = NOTHING
    released_only: bool = False
    purpose: str = ""
    mark: Mark = ""
    opens_parts: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Rules that concern the same callers, services and actions; an empty set means all."""

    title: str
    kinds: frozenset[CallerKind]
    services: frozenset[str]
    actions: frozenset[Action]
    rules: tuple[Rule, ...]


ANYBODY: Final[frozenset[CallerKind]] = frozenset()
STAFF: Final[frozenset[CallerKind]] = frozenset({"practitioner"})
CITIZEN: Final[frozenset[CallerKind]] = frozenset({"citizen"})
PEOPLE: Final[frozenset[CallerKind]] = STAFF | CITIZEN
SYSTEM: Final[frozenset[CallerKind]] = frozenset({"system"})
OPERATORS: Final[frozenset[CallerKind]] = STAFF | SYSTEM

EVERY_SERVICE: Final[frozenset[str]] = frozenset()
RESULTS: Final = frozenset({"results"})
EVERY_ACTION: Final[frozenset[Action]] = frozenset()
LOOK: Final[frozenset[Action]] = frozenset({"read", "search", "history"})
FILE: Final[frozenset[Action]] = frozenset({"file", "correct"})
CORRECT: Final[frozenset[Action]] = frozenset({"correct"})
INSIGHT: Final[frozenset[Action]] = frozenset({"insight"})
CHOOSE: Final[frozenset[Action]] = frozenset({"choose"})
EXAMINE: Final[frozenset[Action]] = frozenset({"examine"})
TRACE: Final[frozenset[Action]] = frozenset({"trace"})
DISCLOSE: Final[frozenset[Action]] = frozenset({"disclose"})
ASK: Final[frozenset[Action]] = frozenset({"ask"})
HANDLE: Final[frozenset[Action]] = frozenset({"handle"})
DOWNLOAD: Final[frozenset[Action]] = frozenset({"download"})
PERMIT: Final[frozenset[Action]] = frozenset({"permit"})
EXPORT: Final[frozenset[Action]] = frozenset({"export"})
RECHECK: Final[frozenset[Action]] = frozenset({"recheck"})

TREATING: Final = frozenset({"TREAT", "ETREAT"})
NEEDING_RELATION: Final = TREATING | {"COC"}
BREAK_GLASS: Final = frozenset({"BTG"})
ELEVATED: Final = frozenset({"FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"})
ELEVATED_EMERGENCY: Final = frozenset({"FORHOYET_AKUTT"})

EVERY_LABEL: Final = SHUT_BY_PATIENT | Label(FIRST_PART - 1)
"""Every mark that shuts a record to somebody, the patient's own parts among them."""
FROM_STAFF: Final = Label.RESTRICTED | Label.RESTRICTED_HERE | Label.WITHDRAWN
FROM_CITIZEN: Final = Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN
FROM_PARENT: Final = FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS
FROM_YOUTH: Final = FROM_CITIZEN | Label.WITHHELD_FROM_YOUTH
