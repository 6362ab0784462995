"""Reuse instead of repeat: has this been done within its interval, so that the answer can be used again?

The intervals are data (`intervals.toml`). Only what the grant opens is looked at, so a result the caller may not see can
never give itself away by a yes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from kjerne.fhir.dates import later
from kjerne.fhir.systems import canonical
from kjerne.registries.withholding import is_anothers
from kjerne.services.results.kith.codes import is_shared

NLK: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
EARLIER_LIMIT: Final = 5
USABLE: Final = frozenset({"final", "amended", "corrected", "appended"})
_NOT_DONE: Final = re.compile(
    r"ikkj?e (utf[øo]rt|analysert|målbar|måleleg|mulig|mogleg|besvart|mottatt|motteke|bruk)"
    r"|kan ikkj?e (bruk|måle|analyse|besvare|svare)"
    r"|hemolys|koagulert|feil (prøve|glass|rør|merk)|ny prøve|utgår|avbestilt|for lite (materiale|prøve)",
    re.IGNORECASE,
)
"""How laboratories write that there is no result where a result should stand."""
_WITHDRAWN: Final = re.compile(
    r"kan ikk(?:j?e) (?:bruk|vurder)|feil (?:prøve|pasient|glass)|ikk(?:j?e) (?:utf[øo]rt|gyldig|påliteleg|pålitelig)|ugyldig",
    re.IGNORECASE,
)
"""How a comment beside a value says that the value is none."""

Verdict = Literal["done", "due", "never", "no-rule"]


@dataclass(frozen=True, slots=True)
class Interval:
    """An analysis or examination and the days within which a repeat seldom tells anything new. `also`: its short names."""

    name: str
    days: int
    system: str
    codes: tuple[str, ...]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """One earlier result that answers the question: its id, when, and what it was called."""

    id: str
    at: datetime
    observation: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """`done` within the interval, `due` when the newest is older, `never` when none is seen, `no-rule` without interval."""

    verdict: Verdict
    interval: Interval | None
    again_from: date | None
    earlier: tuple[Earlier, ...]


@cache
def intervals() -> tuple[Interval, ...]:
    """Every interval kept, by name."""
    table = tomllib.loads(files("kjerne.services.results").joinpath("intervals.toml").read_text("utf-8"))
    return tuple(
        Interval(row["name"], row["days"], row.get("system", NLK), tuple(row["codes"]), tuple(row.get("also", ())))
        for row in sorted(table["analysis"], key=lambda row: row["name"])
    )


def interval_of(system: str, code: str) -> Interval | None:
    """The interval that holds for a code; None where none is kept."""
    known = canonical(system)
    for interval in intervals():
        if code in interval.codes and known in ("", interval.system):
            return interval
    return None


def answer(system: str, code: str, observations: Iterable[dict[str, Any]], now: datetime) -> Answer:
    """Whether the analysis was done within its interval, from the observations the grant opened.

    Counted are usable results (final or amended, with something in them) of the patient herself, not of her newborn or a
    donor, by when the sample was taken; one that is dated ahead counts for nothing. The newest few (`EARLIER_LIMIT`) come
    back, newest first. A local code names none: it is another analysis at another laboratory.
    """
    interval = interval_of(system, code)
    codes = interval.codes if interval else (code,)
    matching = _matching(observations, interval.system if interval else system, codes)
    found = sorted((one for one in matching if one.at <= now), key=lambda e: e.at, reverse=True)
    earlier = tuple(found[:EARLIER_LIMIT])
    if interval is None:
        return Answer("no-rule", None, None, earlier)
    if not earlier:
        return Answer("never", interval, None, ())
    again = later(earlier[0].at, interval.days)
    return Answer("done" if now < again else "due", interval, again.date(), earlier)


def is_usable(observation: Mapping[str, Any]) -> bool:
    """Whether a result stands and tells something: laboratories send an empty value or a word for what was not done.

    A doubt is no: then a sample may be taken again that need not be, and none is left out that should be taken.
    """
    if observation.get("status") not in USABLE or "dataAbsentReason" in observation:
        return False
    values = [value for key, value in observation.items() if key.startswith("value") and value]
    texts = [value if isinstance(value, str) else value.get("text", "") for value in values if _may_be_text(value)]
    notes = [note.get("text", "") for note in observation.get("note", ())]
    if any(map(_NOT_DONE.search, texts)) or any(map(_WITHDRAWN.search, notes)):
        return False
    return bool(values) or "hasMember" in observation or "component" in observation


def _may_be_text(value: Any) -> bool:
    return isinstance(value, (str, Mapping))


def _matching(observations: Iterable[dict[str, Any]], system: str, codes: Sequence[str]) -> Iterable[Earlier]:
    known = canonical(system)
    for observation in observations:
        if not is_usable(observation) or is_anothers(observation):
            continue
        at = taken_at(observation)
        codings = observation.get("code", {}).get("coding", ())
        if at and any(c.get("code") in codes and _is_of(c.get("system", ""), known) for c in codings):
            yield Earlier(observation.get("id", ""), at, observation)


def _is_of(system: str, asked: str) -> bool:
    return is_shared(system) and asked in ("", canonical(system))


def taken_at(observation: dict[str, Any]) -> datetime | None:
    """When the sample was taken or the examination made, a period's end where it has no start; a date alone counts from its
    midnight in UTC."""
    period = observation.get("effectivePeriod", {})
    own = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    text = own or period.get("start") or period.get("end")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text if len(text) > 7 else (text + "-01-01")[:10])
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
