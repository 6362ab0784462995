"""Whether a caller's organisation takes part in a service, and what she hears where it does not.

The register of participation (`store.participation`) says for which organisations; `policy.door` gives the caller what it
has of hers. None of it is about a patient, so the answer is the same whoever is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from kjerne.access import Caller, Part

Role = Literal["source", "consumer"]
ROLE_BY_RULE: Final[dict[str, Role]] = {
    "own-takes-no-part": "consumer",
    "organisation-takes-no-part": "consumer",
    "sender-takes-no-part": "source",
    "registrar-takes-no-part": "source",
    "answerer-takes-no-part": "source",
    "contact-point-takes-no-part": "consumer",
    "subscriber-takes-no-part": "consumer",
}
"""The rules that refuse an organisation, and as what it had to take part."""


@dataclass(frozen=True, slots=True)
class Absence:
    """Why it takes no part now: `coming` and `ended` have their instant, `elsewhere` is another area, else it never did.

    Where it takes part in another area, what is told of this one is told of this one alone (`coming-here`, `ended-here`).
    """

    kind: Literal["never", "elsewhere", "coming", "ended", "coming-here", "ended-here"]
    at: datetime | None = None


def takes_part(caller: Caller, service: str, part: Role, now: datetime) -> bool:
    """Whether a row in force names the caller's organisation and covers where she works."""
    for row in caller.parts:  # noqa: SIM110 - as in `rules`: a loop, since this runs on every request
        if row.part == part and row.service == service and row.here and _is_in_force(row, now):
            return True
    return False


def absence(caller: Caller, service: str, part: Role, now: datetime) -> Absence:
    """What is nearest to taking part: a beginning that lies ahead, an end, another area."""
    rows = [row for row in caller.parts if row.service == service and row.part == part]
    here = [row for row in rows if row.here and (row.until is None or row.since < row.until)]
    elsewhere = any(_is_in_force(row, now) for row in rows)
    coming = [row.since for row in here if row.since > now]
    if coming:
        return Absence("coming-here" if elsewhere else "coming", min(coming))
    ended = [row.until for row in here if row.until is not None and row.until <= now]
    if ended:
        return Absence("ended-here" if elsewhere else "ended", max(ended))
    return Absence("elsewhere" if elsewhere else "never")


def _is_in_force(row: Part, now: datetime) -> bool:
    return row.since <= now and (row.until is None or now < row.until)


_SAYS: Final = {
    "never": "Den står ikke i registeret over deltakere.",
    "elsewhere": "Den deltar, men ikke i dette området.",
    "coming": "Den deltar fra {at}.",
    "ended": "Den deltok til {at}.",
    "coming-here": "Den deltar, men i dette området først fra {at}.",
    "ended-here": "Den deltar, men i dette området bare til {at}.",
}


def says(caller: Caller, service: str, rule: str, now: datetime) -> str:
    """The sentence behind the refusal of `rule`; empty where another rule refused than one about participation."""
    part = ROLE_BY_RULE.get(rule)
    if part is None:
        return ""
    found = absence(caller, service, part, now)
    return _SAYS[found.kind].format(at=found.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if found.at else "")
