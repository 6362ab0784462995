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
UNFINISHED: Final = frozenset({"registered", "preliminary", "unknown"})
"""Taken or asked for, and not answered for good: nothing to use, and no reason to say that nothing was taken."""
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
_FIGURE: Final = rf"(?:[<>≤≥]=?\s*)?{_NUMBER}(?:\s*[-–:/x^]\s*{_NUMBER})*"
_UNIT: Final = r"(?:%|[^\s0-9/]{0,7}/[^\s0-9]{1,7})"
_WORD: Final = (
    r"(?:ikkj?e |not )?(?:påvist|reaktiv|detected|reactive)|negativt?|positivt?|normalt?"
    r"|(?:(?:ingen|inga|rikelig|sparsom|lett|moderat|uttalt) )?vekst|spor"
)
_VALUE: Final = re.compile(rf"\s*(?:{_FIGURE}\s*{_UNIT}?|{_WORD})\s*\.?\s*", re.IGNORECASE)
"""A text that is a value, whole: a figure with a unit that is plainly one, or a finding's word and nothing beside it."""
_TELLS: Final = re.compile(
    rf"^\s*{_FIGURE}\s*[^\s0-9]{{0,15}}\s*$"
    r"|negativ|positiv|påvist|normal|patologisk|funn|spor|reaktiv|detected|vekst|rikelig|sparsom|lett|moderat|uttalt"
    r"|\S+(\s+\S+){11}",
    re.IGNORECASE,
)
"""What a text has that may be a result, and has to be read: a figure and something more, a finding's word, or a description of
a dozen words."""
DESCRIPTION_WORDS: Final = 12
_WITHDRAWN: Final = re.compile(
    r"(?:kan|skal|må|bør) ikk(?:j?e) (?:bruk|nytt|vurder|tolk)|upålit|trukket tilbake|trekt tilbake|tilbakekal|forbytt|forveksl|"
    r"feil (?:prøve|pasient|person|navn|namn|glass|rør|merk|ident)|ikk(?:j?e) (?:utf[øo]rt|gyldig|påliteleg|pålitelig)|ugyldig|"
    r"makul|annul|\bslett(?:et|es|a|ast)?\b|s(?:e|jå) bort fr[aå]",
    re.IGNORECASE,
)
"""How a comment beside a value says that the value is none."""

Verdict = Literal["done", "read", "waiting", "due", "never", "no-rule"]
Use = Literal["yes", "read", "waiting", "no"]
"""What a result is good for before somebody has read it: a value by itself is a yes, what has words may say anything."""


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
    """One earlier result that answers the question: its id, when, what it was called, and whether it has to be read first."""

    id: str
    at: datetime
    observation: dict[str, Any]
    use: Use = "yes"


@dataclass(frozen=True, slots=True)
class Answer:
    """`done` by a value within the interval, `read` where only words are, `waiting` where the newest is not answered
    for good, `due` when the newest is older, `never` when none is seen, `no-rule` without interval."""

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
    """Whether the analysis was done within its interval, from the observations the grant opened, newest first.

    Counted are usable results (final or amended, with something in them) of the patient herself, not of her newborn or a
    donor, by when the sample was taken; one that is dated ahead counts for nothing. The newest few (`EARLIER_LIMIT`) come
    back, newest first. A local code names none: it is another analysis at another laboratory.
    """
    interval = interval_of(system, code)
    codes = interval.codes if interval else (code,)
    matching = _matching(observations, interval.system if interval else system, codes)
    found = [one for one in matching if one.at <= now]
    # Of what waits the newest alone is told, while nothing newer is answered: newest as they came, since the log has named it so.
    told = [one for one in found if one.use != "waiting" or one is found[0]]
    earlier = tuple(sorted(told, key=lambda one: one.at, reverse=True)[:EARLIER_LIMIT])
    if interval is None:
        return Answer("no-rule", None, None, earlier)
    if not earlier:
        return Answer("never", interval, None, ())
    recent = {one.use: one for one in reversed(earlier) if now < later(one.at, interval.days)}
    if (yes := recent.get("yes")) is None:
        if "read" in recent:
            return Answer("read", interval, None, earlier)
        if earlier[0].use == "waiting":
            return Answer("waiting", interval, None, earlier)
    decides = yes or earlier[0]
    return Answer("done" if yes else "due", interval, later(decides.at, interval.days).date(), earlier)


def is_usable(observation: Mapping[str, Any]) -> bool:
    """Whether a result stands and tells something, be it in words."""
    return use_of(observation) in ("yes", "read")


def use_of(observation: Mapping[str, Any]) -> Use:
    """What a result is good for: laboratories send an empty value or a word for what was not done, and a comment beside a
    value that is none.

    A doubt is no yes: words have to be read by somebody, however many they are, so only a value without any is one.
    """
    if observation.get("status") in UNFINISHED:
        return "waiting" if _waits(observation) else "no"
    if observation.get("status") not in USABLE or "dataAbsentReason" in observation:
        return "no"
    notes = [text for note in observation.get("note", ()) if (text := note.get("text", "").strip())]
    if spoiled(dict(observation)) or any(map(_WITHDRAWN.search, notes)):
        return "no"
    told = {_tells(part) for part in (observation, *observation.get("component", ()))}
    if "no" in told or not (told & {"yes", "read"} or "hasMember" in observation):
        return "no"
    # What members say is not looked at: their group says by itself only that there is something.
    return "read" if notes or "read" in told or "yes" not in told else "yes"


def _waits(observation: Mapping[str, Any]) -> bool:
    """Whether an answer may still come, or has to be settled: what has an unknown status and no value may be deleted."""
    told = {_tells(part) for part in (observation, *observation.get("component", ()))}
    settled = observation.get("status") == "unknown" and not told & {"yes", "read"}
    return not (settled or "no" in told or spoiled(dict(observation)))


def _tells(part: Mapping[str, Any]) -> Literal["yes", "read", "no", "nothing"]:
    """Whether a result, or a component of one, has a value, or words to be read; `no` where it says that there is none."""
    if "dataAbsentReason" in part:
        return "nothing"
    for key, value in part.items():
        if key in ("valueString", "valueCodeableConcept"):
            texts = [value] if isinstance(value, str) else [value.get("text", ""), *_displays(value)]
            if any(map(_says_none, texts)):
                return "no"
            return _told(list(filter(None, texts)), bool(_codes(value)))
        if key.startswith("value") and key[5:6].isupper():
            # A number may be nought, and a quantity that has a unit alone has none.
            amount = value.get("value") if key == "valueQuantity" else value
            return "nothing" if amount in (None, "", {}) else "yes"
    return "nothing"


def _told(texts: Sequence[str], coded: bool) -> Literal["yes", "read", "nothing"]:
    """What texts say that belong together, and a code that nobody has put into words."""
    if texts and all(map(_VALUE.fullmatch, texts)):
        return "yes"
    tells = any(_VALUE.fullmatch(text) or _TELLS.search(text) for text in texts)
    return "read" if tells or (coded and not texts) else "nothing"


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
        use = use_of(observation)
        if use == "no" or is_anothers(observation):
            continue
        at = taken_at(observation)
        codings = observation.get("code", {}).get("coding", ())
        if at and any(c.get("code") in codes and _is_of(c.get("system", ""), known) for c in codings):
            yield Earlier(observation.get("id", ""), at, observation, use)


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
