"""Findings as cards, in the reader's language: a sentence that says what, a text that says why, and what one may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
Told = Literal["registered", "part", "no-medicines", "some-medicines", "not-compared"]
_LOUD: Final[Mapping[Told, Indicator]] = {"part": "warning", "not-compared": "warning"}


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
        self.named: set[str] = set()
        """The entries that stand on the cards that were made `of` findings, by id; not those that are only counted there."""

    def of(
        self, findings: Iterable[Finding], drafts: Mapping[Medicine, tuple[str, ...]] | None = None
    ) -> Iterator[Card]:
        """A card for each medicine, rule and urgency, with every entry that it is about, the most urgent first; and one for all
        that could not be checked. `drafts` are those of a medicine that may be taken away; without them its own place is."""
        groups, unchecked = dict[tuple[str, str, Medicine], list[Finding]](), list[Finding]()
        for one in in_order(findings):
            if one.rule == "not-checked":
                unchecked.append(one)
            else:
                groups.setdefault((one.rule, one.indicator, one.medicine), []).append(one)
        for (_, _, medicine), some in groups.items():
            own = (medicine.place,) if medicine.has_id else ()
            yield self._warning(some, own if drafts is None else drafts.get(medicine, ()))
        if unchecked:
            yield self._unchecked(unchecked)

    def told(self, what: Told, names: Sequence[str] = (), types: Sequence[str] = ()) -> Card:
        """What is said of the check itself, with the types of what was not compared, or that something is registered, with the
        names of the entries. It asks for no feedback."""
        number = len(types or names)
        summary = self._say(f"summary.{what}", **({"number": number} if number else {}))
        said = [self._say(f"detail.{what}")] if what != "registered" else []
        said += [self._list("types", types)] if types else []
        said += [self._list("entries", names)] if names else []
        return Card(what, self._say(f"topic.{what}"), summary, "\n\n".join(said), _LOUD.get(what, "info"))

    def _warning(self, findings: Sequence[Finding], drafts: tuple[str, ...]) -> Card:
        """Of one medicine by one rule, of one urgency."""
        first = findings[0]
        name, names = self._medicine(first.medicine), list(dict.fromkeys(self._entry(one.allergy) for one in findings))
        groups = dict.fromkeys(self._name_of(one.group) for one in findings)
        self.named.update(one.allergy.id for one in findings[:LISTED])
        why = {"group": "; ".join(map(plain, groups))} if first.rule == "cross-reactivity" else {}
        facts = list(dict.fromkeys(self._facts(one.allergy) for one in findings[:LISTED]))
        more = [f"+{len(findings) - LISTED}"] if len(findings) > LISTED else []
        listed = "\n".join(f"- {one}" for one in (*facts, *more)) if facts[1:] or more else facts[0]
        uuid = self._made.card(first.rule, first.indicator)
        suggestion = None
        if self._hook != "patient-view" and drafts:
            label = self._say("warnings.remove", medicine=bare(name, 60))
            suggestion = Suggestion(self._made.suggestion(uuid), label, drafts)
        return Card(
            first.rule, self._say(f"topic.{first.rule}"), self._fitting(f"summary.{first.rule}", name, _first_of(names)),
            f"{self._say(f'detail.{first.rule}', **why)}\n\n{listed}", first.indicator, uuid, suggestion, self._reasons(),
        )  # fmt: skip

    def _facts(self, one: Allergy) -> str:
        told = self._say(
            "detail.entry", entry=plain(self._entry(one)),
            certainty=self._say(f"certainty.{'confirmed' if one.is_confirmed else 'open'}"),
            criticality=self._say(f"criticality.{'high' if one.is_weighty else 'other'}"),
        )  # fmt: skip
        return f"{told} {self._say('detail.contradicts')}" if one.contradicts_itself else told

    def _unchecked(self, findings: Sequence[Finding]) -> Card:
        medicines = list(dict.fromkeys(self._medicine(one.medicine) for one in findings))
        entries = list(dict.fromkeys(self._entry(one.allergy) for one in findings))
        self.named.update(one.allergy.id for one in findings if self._entry(one.allergy) in entries[:LISTED])
        summary = self._fitting("summary.not-checked", _first_of(medicines), _first_of(entries))
        parts = [self._say("detail.not-checked"), self._list("medicines", medicines), self._list("entries", entries)]
        if odd := list(dict.fromkeys(self._entry(one.allergy) for one in findings if one.allergy.contradicts_itself)):
            parts.append(f"{self._list('entries', odd)} {self._say('detail.contradicts')}")
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


def _first_of(names: Sequence[str]) -> str:
    """The first name, and how many more there are."""
    return names[0] if len(names) == 1 else f"{one_line(names[0], 40)} +{len(names) - 1}"
