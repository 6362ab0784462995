"""What of an entry of a patient summary stands in its one line on a page; all of it stands in the entry's details.

The lists below are the only place that decides it, by FHIR element names (https://hl7.org/fhir/R4/): what is in none of them is
in the details alone, so that nothing is lost of a document that says more, or says it in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, NamedTuple, cast

from kjerne.fhir.document_view import Fact
from kjerne.fhir.system_labels import label_of
from kjerne.fhir.systems import canonical
from kjerne.pages import formats
from kjerne.pages.words import Language
from kjerne.registries.negatives import contradicts_itself, negative_of
from kjerne.registries.summary_words import said
from kjerne.services.results.values import when

MATTERS: Final = (
    "modifierExtension", "doNotPerform", "value[x]", "dataAbsentReason", "interpretation", "component.code",
    "component.value[x]", "component.dataAbsentReason", "component.interpretation", "referenceRange", "referenceRange.low",
    "referenceRange.high", "referenceRange.appliesTo", "referenceRange.type", "conclusion", "conclusionCode", "criticality",
    "severity", "verificationStatus", "reaction", "reaction.manifestation", "reaction.severity", "reaction.substance",
    "reaction.description", "reaction.exposureRoute", "clinicalStatus", "status", "effective[x]", "statusReason", "intent",
    "type", "category", "stage.summary", "dosage", "dosage.dose[x]", "dosage.doseAndRate.dose[x]", "dosage.doseAndRate.rate[x]",
    "dosage.route", "dosage.timing.code", "dosage.timing", "dosage.asNeeded[x]", "dosage.patientInstruction",
    "dosageInstruction", "dosageInstruction.doseAndRate.dose[x]", "dosageInstruction.doseAndRate.rate[x]",
    "dosageInstruction.route", "dosageInstruction.timing.code", "dosageInstruction.timing", "dosageInstruction.asNeeded[x]",
    "dosageInstruction.patientInstruction", "doseQuantity", "protocolApplied.doseNumber[x]", "protocolApplied.targetDisease",
    "onset[x]", "abatement[x]", "performed[x]", "occurrence[x]", "timing[x]", "period", "lastOccurrence", "authoredOn",
    "dateAsserted", "expirationDate", "created", "bodySite", "site", "route", "relationship", "condition.code", "reasonCode",
    "outcome", "complication", "description", "activity.detail.description", "activity.detail.code", "note", "extension.KjNote",
    "extension.KjSourceOfInformation", "extension.KjValidUntil", "extension.KjImplanted", "lotNumber", "manufacturer",
    "location", "performer", "performer.actor", "requester", "recorder", "asserter", "author", "informationSource",
    "recordedDate", "recordedOn", "method", "specimen",
)  # fmt: skip
"""Of any entry, in the order in which it is told. `[x]` is any of the types that the element may have."""
LEFT: Final[Mapping[str, frozenset[str]]] = dict.fromkeys(("Observation", "DiagnosticReport"), frozenset({"category"}))
"""What does not matter of a type: who performed it says what an analysis is of."""
OF_PATIENT: Final = ("birthDate", "gender", "deceased[x]", "identifier")
OF_SECTION: Final = ("modifierExtension", "focus")
OF_DOCUMENT: Final = ("status", "author", "custodian", "event.period")

_HEADS: Final = ("code", "vaccineCode", "medicationCodeableConcept", "type", "category")
_OF_REACTIONS: Final = frozenset({"criticality", "severity", "reaction"})
_PARTED: Final = frozenset({"reaction", "referenceRange", "component", "dosage", "dosageInstruction"})
"""Elements of which each one is told as one thing."""
_BARE: Final = frozenset({"value[x]", "interpretation", "clinicalStatus", "verificationStatus", "status"})
"""What is understood without what it is called."""
_WORDED: Final = frozenset({
    "clinicalStatus", "verificationStatus", "status", "criticality", "severity", "category", "type", "intent", "gender", "use",
    "interpretation", "doNotPerform", "asNeeded[x]", "deceased[x]", "value[x]", "dataAbsentReason",
    "incomplete-section",
})  # fmt: skip
_HL7: Final = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")
_KINDS: Final = {"H": "high", "HH": "high", "HU": "high", "L": "low", "LL": "low", "LU": "low"} | dict.fromkeys(
    ("A", "AA", "POS", "R"), "outside"
)
_UNSURE: Final = frozenset({"unconfirmed", "presumed", "provisional", "differential"})
_TYPED: Final = re.compile(
    r"([a-z]\w*?)(?:CodeableConcept|DateTime|Period|Age|Range|String|Quantity|Boolean|Integer|PositiveInt|Ratio|SampledData"
    r"|Time|Timing|Reference|Instant|Duration|Decimal|Code|Coding|Date)"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d\S*)?", re.ASCII)
_DATED: Final = re.compile(
    r"(?:.*(?:Date|DateTime|Period|Instant)|date|birthDate|issued|recorded|recordedOn|authoredOn|dateAsserted|lastOccurrence"
    r"|created|period|start|end|at|time|sent|received|lastUpdated|onset)"
)
_MEASURED: Final = re.compile(r"([<>=]{0,2}-?\d+\.\d+)( .*)?", re.ASCII | re.DOTALL)
_RAW: Final = re.compile(r"(?:[a-z]+:|#)\S+|[A-Z]\w+/\S+")
_NATIONAL: Final = ("urn:oid:2.16.578.1.12.4.1.4.1", "urn:oid:2.16.578.1.12.4.1.4.2")


class Part(NamedTuple):
    """One thing that is told: what it is called (empty where that is plain), what is said, and how it is flagged."""

    label: str
    said: str
    kind: str = ""


class Telling:
    """The words of facts in one language. `called` is what references lead to, as `Entry.called`."""

    def __init__(self, language: str, called: Mapping[str, str] | None = None) -> None:
        self._language = language
        self._called = called or {}

    def flow(self, facts: Iterable[Fact], listed: tuple[str, ...] = MATTERS, heading: str = "") -> list[Part]:
        """What matters of an entry, in order; not again what stands as its heading."""
        order = {name: n for n, name in enumerate(listed)}
        every = list(facts)
        found = [(key, fact) for fact in every if (key := _known(fact, order))]
        of = dict[str, int]()
        for name, n in order.items():
            of.setdefault(_parent(name), n)

        def first(pair: tuple[str, Fact]) -> tuple[int, int, int]:
            key, fact = pair
            return (of[_parent(key)], fact.item, order[key]) if _parent(key) in _PARTED else (order[key], 0, 0)

        if _says_none(every):
            found = [(key, fact) for key, fact in found if _parent(key) not in _OF_REACTIONS]
        parts = list[Part]()
        grouped = groupby(sorted(found, key=first), lambda pair: _together(*pair))
        for (key, _), pairs in grouped:
            part = self._part(key, list(pairs))
            if part and part.said and part.said != heading:
                parts.append(part)
        return parts

    def _part(self, key: str, pairs: list[tuple[str, Fact]]) -> Part | None:
        if key == "referenceRange":
            return Part(self.word(key), self._range(pairs))
        if key == "component":
            return self._component(pairs)
        if key in _PARTED:
            head = "reaction.manifestation" if key == "reaction" else key
            return Part(self.word(key), ", ".join(self._within(one, those, head) for one, those in _by_key(pairs)))
        label = self.label(pairs[0][1]) if key == "modifierExtension" else "" if key in _BARE else self.word(key)
        return Part(label, self._joined(pairs), _flag(key, [one for _, one in pairs]))

    def _within(self, key: str, pairs: list[tuple[str, Fact]], head: str) -> str:
        told = self._joined(pairs)
        return told if key == head else f"{self.word(key)} {told}"

    def _joined(self, pairs: Iterable[tuple[str, Fact]]) -> str:
        return ", ".join(dict.fromkeys(told for key, one in pairs if (told := self._briefly(key, one))))

    def _component(self, pairs: list[tuple[str, Fact]]) -> Part:
        told = {key: self._joined(those) for key, those in _by_key(pairs)}
        flags = [fact for key, fact in pairs if key == "component.interpretation"]
        name = told.pop("component.code", "") or self.word("component")
        return Part(name, ", ".join(one for one in told.values() if one) or "–", _kind(flags))

    def _range(self, pairs: list[tuple[str, Fact]]) -> str:
        """A reference range as the laboratory wrote it, else by its limits; for whom it is behind it."""
        told = {key: self._joined(those) for key, those in _by_key(pairs)}
        low, high = told.get("referenceRange.low", ""), told.get("referenceRange.high", "")
        number, _, unit = low.partition(" ")
        limits = f"{number}–{high}" if low and high and high.partition(" ")[2] == unit else f"{low} – {high}"
        limits = limits if low and high else f"≥ {low}" if low else f"≤ {high}" if high else ""
        whom = [told[key] for key in ("referenceRange.appliesTo", "referenceRange.type") if told.get(key)]
        return f"{told.get('referenceRange') or limits}{' (' + ', '.join(whom) + ')' if whom else ''}"

    def _briefly(self, key: str, fact: Fact) -> str:
        """A value of the flow; nothing where there is but an address to read, which is in the details."""
        text = self.told(fact)
        if key == "identifier":
            return _number(text)
        if fact.text in self._called:
            return self._called[fact.text]
        if _RAW.fullmatch(text) and (fact.link >= 0 or _parent(key) not in ("value[x]", "dosage", "dosageInstruction")):
            return ""
        if not text and fact.codes:
            return f"{label_of(fact.codes[0].system)} {fact.codes[0].code}".strip()
        return text

    def told(self, fact: Fact) -> str:
        """The value of a fact: a code in words where there are words, a date and a number as the language writes them."""
        last = _steps(fact)[-1]
        names = {text.lower() for one in fact.codes for text in (one.code, one.display)}
        says_more = fact.codes and fact.text and fact.text.lower() not in names
        own = [one.code for one in fact.codes if one.system.startswith(_HL7)] if fact.codes else [fact.text]
        own = [] if says_more else own
        if last == "interpretation":
            words = [said(self._language, f"flag.{code}", "") for code in own]
            return next(filter(None, words), fact.text)
        if (last in _WORDED or fact.text in ("true", "false")) and fact.link < 0:
            for code in own:
                if word := said(self._language, f"word.{code}", "") or said(self._language, f"code.{code}", ""):
                    return word
        if not fact.codes and any(_DATED.fullmatch(one) for one in fact.path[-2:]):
            return " ".join(dated(one, self._language) for one in fact.text.split(" "))
        measured = _MEASURED.fullmatch(fact.text) if _is_measured(fact) else None
        if measured and self._language != "en":
            return measured[1].replace(".", ",") + (measured[2] or "")
        return fact.text

    def label(self, fact: Fact) -> str:
        """What a fact is called in the details: its elements, each in the language's word where there is one."""
        steps = [one for one in fact.path if one not in ("coding", "extension")] or list(fact.path)
        return " · ".join(dict.fromkeys(self._element(one) for one in steps))

    def word(self, key: str) -> str:
        """What an element of the flow is called."""
        steps = key.removesuffix(".code").split(".")
        return self._element(steps[-1].removesuffix("[x]"))

    def _element(self, name: str) -> str:
        bare = _TYPED.fullmatch(name)
        for one in (name, bare[1] if bare else name):
            if word := said(self._language, f"label.{one}", "") or said(self._language, f"element.{one}", ""):
                return word
        return " ".join(part.lower() for part in re.split(r"(?<=[a-z])(?=[A-Z])|[-_ ]+", name) if part)


def dated(text: str, language: str) -> str:
    """A date or a moment as pages write it; what is not one, or no more than a month, as it is.

    >>> dated("2026-03-11T09:05:00+01:00", "nb"), dated("2026-03", "nb"), dated("2026-02-31", "nb")
    ('11.03.2026 09:05', '2026-03', '2026-02-31')
    """
    if not _DATE.fullmatch(text):
        return text
    try:
        return formats.moment(when(text), cast("Language", language))
    except (ValueError, OverflowError):
        return text


def main_codes(facts: Iterable[Fact], heading: str) -> tuple[Fact, ...]:
    """Of the fact that an entry is called by: its codes stand beside the name."""
    found = [one for one in facts if ".".join(_steps(one, typed=False)) in _HEADS and one.codes]
    led = [one for name in _HEADS for one in found if one.path[0] == name]
    named = [one for one in led if one.text == heading or not one.text]
    return tuple(named[:1] or [one for one in led if one.path[0] == "code"][:1])


def is_odd(facts: Iterable[Fact]) -> bool:
    """Whether an entry says of itself both that nothing is known and that there is something."""
    return contradicts_itself(*_as_told(facts))


def _says_none(facts: Iterable[Fact]) -> bool:
    """Whether an entry says that nothing is known, and nothing else."""
    return bool(negative_of(*_as_told(facts)))


def _as_told(facts: Iterable[Fact]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of facts what its code and its substances said."""
    every = list(facts)
    own = [one for one in every if one.path[0] == "code"]
    coding = [{"system": one.system, "code": one.code, "display": one.display} for fact in own for one in fact.codes]
    # One without a code has its name in a fact of its own.
    coding += [{"display": one.text} for one in own if one.path == ("code", "coding", "display")]
    text = next((one.text for one in own if one.text), "")
    reaction: list[dict[str, Any]] = [
        {"substance": {"text": one.text or "?"}} for one in every if "substance" in one.path
    ]
    of_reactions = [one for one in every if one.path[0] == "reaction" and {"description", "note"} & {*one.path}]
    reaction += [{"description": one.text} for one in of_reactions if one.text]
    return {"reaction": reaction}, {"coding": coding, "text": text}


def _steps(fact: Fact, *, typed: bool = True) -> list[str]:
    steps = [one for one in fact.path if one != "coding"] or ["coding"]
    while len(steps) > 1 and steps[-1] in ("text", "display"):
        steps.pop()
    return [_choice(one) for one in steps] if typed else steps


@lru_cache(maxsize=4096)
def _choice(name: str) -> str:
    found = _TYPED.fullmatch(name)
    return f"{found[1]}[x]" if found and f"{found[1]}[x]" in _CHOICES else name


_CHOICES: Final = frozenset(
    step for name in (*MATTERS, *OF_PATIENT) for step in name.split(".") if step.endswith("[x]")
)


def _known(fact: Fact, order: Mapping[str, int]) -> str:
    """The name under which a list has a fact; empty where it has it not. What changes the meaning of all is always told."""
    if "modifierExtension" in fact.path:
        return "modifierExtension" if "modifierExtension" in order else ""
    whole = ".".join(_steps(fact, typed=False))
    key = whole if whole in order else ".".join(_steps(fact))
    outer = key.rpartition(".")[0]
    if (
        outer.endswith("[x]")
        and outer in order
        and key.rpartition(".")[2] in ("low", "high", "numerator", "denominator")
    ):
        return outer
    return key if key in order else ""


def _parent(key: str) -> str:
    return key.partition(".")[0]


def _together(key: str, fact: Fact) -> tuple[str, int]:
    return (_parent(key), fact.item) if _parent(key) in _PARTED else (key, 0)


def _by_key(pairs: list[tuple[str, Fact]]) -> list[tuple[str, list[tuple[str, Fact]]]]:
    return [(key, list(those)) for key, those in groupby(pairs, lambda pair: pair[0])]


def _kind(flags: Iterable[Fact]) -> str:
    return next((_KINDS[code.code] for one in flags for code in one.codes if code.code in _KINDS), "")


def _flag(key: str, facts: Sequence[Fact]) -> str:
    """How a thing is flagged: a result by its interpretation, an entry by how grave it is and whether that is certain."""
    if key == "interpretation":
        return _kind(facts)
    said_ = {one.text for one in facts} | {code.code for one in facts for code in one.codes}
    return "high" if key == "criticality" and "high" in said_ else "outside" if said_ & _UNSURE else ""


def _is_measured(fact: Fact) -> bool:
    return any(one.endswith("Quantity") or one in ("low", "high", "numerator", "denominator") for one in fact.path)


def _number(text: str) -> str:
    """An identifier without what it is of; a national number as the bar writes it."""
    number, _, system = text.removesuffix(")").partition(" (")
    is_national = canonical(system) in _NATIONAL and len(number) == 11
    return f"{number[:6]} {number[6:]}" if is_national else number
