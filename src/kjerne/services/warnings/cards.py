"""Findings as cards, in the reader's language: a sentence that says what, a text that says why, and what one may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple
from uuid import UUID

from kjerne.fhir.cds_hooks import SUMMARY_CHARACTERS, Card, Hook, Indicator, Suggestion, bare, one_line, plain
from kjerne.registries.card_words import say
from kjerne.services.warnings.matching import Finding, Rule, in_order, strongest
from kjerne.services.warnings.reading import Allergy, Medicine

REASONS: Final = ("tolerated", "benefit", "measures", "wrong-entry", "not-relevant", "other")
"""What one may answer to a warning, by code."""
LISTED: Final = 20
"""Entries that one card names; of more it says how many."""
_SHORTER: Final = (60, 45, 35, 28, 20, 12)
Told = Literal["registered", "part", "no-medicines"]


class Made(NamedTuple):
    """How a card gets its ids: its own by rule and indicator, and that of its suggestion."""

    card: Callable[[Rule, Indicator], UUID]
    suggestion: Callable[[UUID], UUID]


class Cards:
    """Makes cards in one language, for one hook."""

    def __init__(self, language: str, hook: Hook, made: Made, name_of: Callable[[str], str]) -> None:
        self._language = language
        self._hook = hook
        self._made = made
        self._name_of = name_of

    def of(self, findings: Iterable[Finding]) -> list[Card]:
        """A card for each finding, the most urgent first; one for all that could not be checked."""
        sorted_ = in_order(findings)
        unchecked = [one for one in sorted_ if one.rule == "not-checked"]
        cards = [self._warning(one) for one in sorted_ if one.rule != "not-checked"]
        return [*cards, self._unchecked(unchecked)] if unchecked else cards

    def told(self, what: Told, names: Sequence[str] = ()) -> Card:
        """What is said of the check itself, or that something is registered. It asks for no feedback."""
        summary = self._say(f"summary.{what}", **({"number": len(names)} if names else {}))
        detail = self._list("entries", names) if names else self._say(f"detail.{what}")
        return Card(what, self._say(f"topic.{what}"), summary, detail, "warning" if what == "part" else "info")

    def _warning(self, one: Finding) -> Card:
        name, entry = self._medicine(one.medicine), self._entry(one.allergy)
        why = {"group": plain(self._name_of(one.group))} if one.rule == "cross-reactivity" else {}
        facts = self._say(
            "detail.entry", entry=plain(entry),
            certainty=self._say(f"certainty.{'confirmed' if one.allergy.is_confirmed else 'open'}"),
            criticality=self._say(f"criticality.{'high' if one.allergy.is_weighty else 'other'}"),
        )  # fmt: skip
        detail = f"{self._say(f'detail.{one.rule}', **why)}\n\n{facts}"
        uuid = self._made.card(one.rule, one.indicator)
        suggestion = None
        if self._hook != "patient-view" and one.medicine.has_id:
            label = self._say("warnings.remove", medicine=bare(name, 60))
            suggestion = Suggestion(self._made.suggestion(uuid), label, one.medicine.place)
        summary = self._fitting(f"summary.{one.rule}", name, entry)
        return Card(
            one.rule, self._say(f"topic.{one.rule}"), summary, detail, one.indicator, uuid, suggestion, self._reasons()
        )

    def _unchecked(self, findings: Sequence[Finding]) -> Card:
        medicines = list(dict.fromkeys(self._medicine(one.medicine) for one in findings))
        entries = list(dict.fromkeys(self._entry(one.allergy) for one in findings))
        first = [
            name if len(names) == 1 else f"{one_line(name, 40)} +{len(names) - 1}"
            for names in (medicines, entries)
            for name in names[:1]
        ]
        summary = self._fitting("summary.not-checked", *first)
        parts = self._say("detail.not-checked"), self._list("medicines", medicines), self._list("entries", entries)
        indicator = strongest(findings)
        uuid = self._made.card("not-checked", indicator)
        topic = self._say("topic.not-checked")
        return Card("not-checked", topic, summary, "\n\n".join(parts), indicator, uuid, None, self._reasons())

    def _list(self, key: str, names: Sequence[str]) -> str:
        more = [f"+{len(names) - LISTED}"] if len(names) > LISTED else []
        text = "; ".join([*map(plain, names[:LISTED]), *map(plain, more)])
        return self._say(f"detail.{key}", **{key: text})

    def _fitting(self, key: str, medicine: str, entry: str) -> str:
        """The sentence with names cut until it is as short as a summary may be."""
        text = ""
        for most in _SHORTER:
            text = self._say(key, medicine=bare(medicine, most), entry=bare(entry, most))
            if len(text) < SUMMARY_CHARACTERS:
                break
        return text

    def _reasons(self) -> tuple[tuple[str, str], ...]:
        return tuple((code, self._say(f"reason.{code}")) for code in REASONS)

    def _medicine(self, one: Medicine) -> str:
        codes = sorted(code.code for code in one.codes)
        return one_line(one.name) or next(iter(codes), "") or self._say("warnings.nameless_medicine")

    def _entry(self, one: Allergy) -> str:
        codes = sorted(code.code for code in one.codes)
        return one_line(one.name) or next(iter(codes), "") or self._say("warnings.nameless")

    def _say(self, key: str, **values: object) -> str:
        return say(self._language, key, **values)
