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

from kjerne.fhir.circumstances import spoiled
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
    r"|ikkj?e (egn|gjennomf[øo]rt|unders[øo]k|tatt|teke|sendt)|uegn|mangler|manglar|kansell|avvist|avlyst|f[øo]lger|følgjer"
    r"|til analyse|se kommentar|sjå kommentar|analysefeil|not (performed|done|tested|suitable)|rejected|cancelled|pending"
    r"|hemolys|koagulert|feil (prøve|glass|rør|merk)|ny prøve|utgår|avbestilt|for lite (materiale|prøve)",
    re.IGNORECASE,
)
"""How laboratories write that there is no result where a result should stand."""
_ON_ITS_WAY: Final = re.compile(
    r"\b(?:sendt?|mottatt|motteke|kommer|kjem|ettersend\w*|utgått|ring|tlf|telefon|vedlegg|av?vent\w*|purr\w*|kontakt|"
    r"dag(?:er|ar)?|uker?|veker?)\b",
    re.IGNORECASE,
)
"""How a short text says where the sample or its answer is. A description of many words may hold any of them."""
_NUMBER: Final = r"[-+]?[0-9]+(?:[.,][0-9]+)?"
_TELLS: Final = re.compile(
    rf"^\s*(?:[<>≤≥]=?\s*)?{_NUMBER}(?:\s*[-–:/x^]\s*{_NUMBER})*\s*[^\s0-9]{{0,15}}\s*$"
    r"|negativ|positiv|påvist|normal|patologisk|funn|spor|reaktiv|detected|vekst|rikelig|sparsom|lett|moderat|uttalt"
    r"|\S+(\s+\S+){11}",
    re.IGNORECASE,
)
"""What a text has that is a result: a figure that is all of it, a finding's word, or a description of a dozen words."""
DESCRIPTION_WORDS: Final = 12
_WITHDRAWN: Final = re.compile(
    r"(?:kan|skal|må|bør) ikk(?:j?e) (?:bruk|nytt|vurder|tolk)|upålit|trukket tilbake|trekt tilbake|tilbakekal|forbytt|forveksl|"
    r"feil (?:prøve|pasient|person|navn|namn|glass|rør|merk|ident)|ikk(?:j?e) (?:utf[øo]rt|gyldig|påliteleg|pålitelig)|ugyldig|"
    r"makul|annul|\bslett(?:et|es|a|ast)?\b|s(?:e|jå) bort fr[aå]",
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
    notes = [note.get("text", "") for note in observation.get("note", ())]
    if spoiled(dict(observation)) or any(map(_WITHDRAWN.search, notes)):
        return False
    told = [_tells(part) for part in (observation, *observation.get("component", ()))]
    if "no" in told:
        return False
    return "yes" in told or "hasMember" in observation


def _tells(part: Mapping[str, Any]) -> Literal["yes", "no", "nothing"]:
    """Whether a result, or a component of one, has a value that says something; `no` where it says that there is none."""
    if "dataAbsentReason" in part:
        return "nothing"
    for key, value in part.items():
        if key in ("valueString", "valueCodeableConcept"):
            texts = [value] if isinstance(value, str) else [value.get("text", ""), *_displays(value)]
            if any(map(_says_none, texts)):
                return "no"
            named = any(map(_TELLS.search, texts)) or (not any(texts) and bool(_codes(value)))
            return "yes" if named else "nothing"
        if key.startswith("value") and key[5:6].isupper():
            # A number may be nought, and a quantity that has a unit alone has none.
            amount = value.get("value") if key == "valueQuantity" else value
            return "nothing" if amount in (None, "", {}) else "yes"
    return "nothing"


def _says_none(text: str) -> bool:
    """Whether a text says that there is no result, or none yet."""
    is_short = len(text.split()) < DESCRIPTION_WORDS
    return bool(_NOT_DONE.search(text) or (is_short and _ON_ITS_WAY.search(text)))


def _displays(concept: Mapping[str, Any]) -> list[str]:
    return [str(one.get("display", "")) for one in concept.get("coding", ())]


def _codes(value: Any) -> list[str]:
    return [one["code"] for one in value.get("coding", ()) if "code" in one] if isinstance(value, Mapping) else []


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
