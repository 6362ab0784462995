"""What one answer of the law costs (`policy.rules.decide`): processor time alone, for each kind of case.

Nothing is fetched for it. A read decides on facts that are remembered, and its one statement proves them by the patient's
stamp; where they are not remembered, one statement fetches them all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from kjerne.access import Attestation, Caller, Choice, Denial, Part, Subject, Tie
from kjerne.policy.rules import decide

EACH: Final = 500
BATCHES: Final = 21
NOW: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PATIENT, DOCTOR = b"patient's digest", b"doctor's digest."
HPR, HOSPITAL = "9144900", "983658725"

_ATTESTED: Final = Attestation(
    DOCTOR, HPR, "LE", HOSPITAL, "", "", None, "TREAT", None, "1", "", False, (PATIENT,), NOW - timedelta(minutes=1)
)  # fmt: skip
_STAFF: Final = Caller(
    "practitioner", "journal", frozenset({"nhn:pps/provesvar-read"}), DOCTOR, "Kari Lege", HPR, "LE", HOSPITAL,
    level=4, jti="token", attestation=_ATTESTED, parts=(Part("results", "consumer", NOW - timedelta(days=99), None, here=True),),
)  # fmt: skip
_CITIZEN: Final = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), PATIENT, level=4)
_LISTED: Final = Subject(
    1, (1,), 1, (b"",), date(1980, 3, 2), "K", "ugradert", False, (), (Tie("practice-list", HPR),), None, True,
    frozenset({PATIENT}),
)  # fmt: skip
_CHOSEN: Final = Choice("restriction", "results", "", "", NOW - timedelta(days=9), None)
_PART: Final = replace(_CHOSEN, part="genetics", slot=0, marked=(1,))
_FIVE: Final = (
    _PART, replace(_PART, part="pathology", slot=1, role="nurses"), replace(_PART, part="", source="974760673", slot=2),
    replace(_CHOSEN, kind="block", hpr="9144897"), replace(_CHOSEN, kind="consent", organisation=HOSPITAL),
)  # fmt: skip

CASES: Final[Mapping[str, tuple[Caller, Subject, str]]] = {
    "her doctor": (_STAFF, _LISTED, ""),
    "a ward with an open course": (_STAFF, replace(_LISTED, ties=(Tie("care", organisation=HOSPITAL),)), ""),
    "a stranger": (_STAFF, replace(_LISTED, ties=()), ""),
    "blocked by name": (_STAFF, replace(_LISTED, choices=(replace(_CHOSEN, kind="block", hpr=HPR),)), ""),
    "restricted": (_STAFF, replace(_LISTED, choices=(_CHOSEN,)), ""),
    "restricted, opened by consent": (_STAFF, replace(_LISTED, choices=(_CHOSEN,)), "SAMTYKKE"),
    "five choices in force": (_STAFF, replace(_LISTED, choices=_FIVE), ""),
    "five choices in force, opened by consent": (_STAFF, replace(_LISTED, choices=_FIVE), "SAMTYKKE"),
    "herself": (_CITIZEN, replace(_LISTED, caller_key=1), ""),
}
REFUSED: Final = ("a stranger", "blocked by name", "restricted")


@dataclass(frozen=True)
class Decisions:
    """Microseconds for an answer, by kind of case; `refused` are the kinds that the law says no to."""

    us: dict[str, float]
    refused: tuple[str, ...]

    @property
    def dearest(self) -> str:
        return max(self.us, key=lambda kind: self.us[kind])


def measured() -> Decisions:
    """The median of some batches, for each kind."""
    refused = tuple(kind for kind, case in CASES.items() if isinstance(_decided(*case), Denial))
    # A rule that comes before them all would be measured once for each kind, and be cheap.
    assert refused == REFUSED, refused
    return Decisions({kind: _us(*case) for kind, case in CASES.items()}, refused)


def _decided(caller: Caller, subject: Subject, basis: str) -> object:
    return decide(caller, subject, "results", "read", basis=basis, now=NOW)


def _us(caller: Caller, subject: Subject, basis: str) -> float:
    batches = []
    for _ in range(BATCHES):
        began = time.process_time()
        for _ in range(EACH):
            _decided(caller, subject, basis)
        batches.append((time.process_time() - began) / EACH)
    return 1_000_000 * statistics.median(batches)
