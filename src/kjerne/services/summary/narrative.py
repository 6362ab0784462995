"""The narrative of a section: a table of its entries, made from their coded data in the language that was asked for.

All text is escaped, and no markup comes from a record. Every code stands in it, so that a reader without a program sees what a
program does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any, Final

from kjerne.fhir.cds_hooks import codings, named, objects, one_line, said
from kjerne.fhir.system_labels import label_of
from kjerne.registries import devices
from kjerne.registries.kj_profiles import BASE
from kjerne.registries.negatives import substances, with_substances, words_of_reactions
from kjerne.registries.summary_words import said as in_words
from kjerne.registries.summary_words import say
from kjerne.services.summary.choosing import (
    RESULTS_SHOWN,
    WHO,
    is_odd,
    moment_of,
    name_beside,
    name_of,
    recorded,
    stated,
)
from kjerne.services.summary.fitting import REASONS
from kjerne.services.summary.model import Section, Tree

TEXT_CHARACTERS: Final = 300
NOTE_CHARACTERS: Final = 2_000
"""Of all codes, and of one detail: a note is where somebody wrote what no code says."""
NOTE: Final = f"{BASE}KjNote"
_WHAT: Final = ("code", "vaccineCode", "medicationCodeableConcept", "type", "category")
_LEADING: Final = ("medicationReference", "device")
_DETAILS: Final = (("criticality", "criticality"), ("verificationStatus", "verification"), ("severity", "severity"))

_OF_REACTIONS: Final = frozenset({"criticality", "severity"})
"""What says nothing of an entry that says that nothing is known, though kjernejournal's profile demands it."""


def of_section(section: Section, language: str, around: Mapping[str, Tree]) -> str:
    """The `div` of a section. `around` has by address what its entries lead to."""
    parts = []
    if section.entries:
        head = "".join(
            f"<th>{_say(language, f'column.{one}')}</th>" for one in ("what", "code", "details", "date", "who")
        )
        rows = "".join(_row(one, language, around) for one in section.entries)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        if section.kind.key == "results":
            parts.append(_paragraph(say(language, "empty.newest", number=RESULTS_SHOWN)))
        if not section.is_whole:
            parts.append(_paragraph(say(language, "empty.rest")))
        parts += [_paragraph(one) for one in _negatives(section, language)]
    else:
        parts.append(_paragraph(say(language, "empty.none" if section.is_read else "empty.unavailable")))
    if section.leaves_out_others:
        parts.append(_paragraph(say(language, "empty.others")))
    return div("".join(parts), language)


def of_document(title: str, incomplete: Iterable[str], language: str) -> str:
    """The `div` of the whole: what it is, what it is not, and which sections lack something."""
    told = [say(language, "document.made"), say(language, "document.scope")]
    if lacking := ", ".join(incomplete):
        told.insert(0, say(language, "document.incomplete", sections=lacking))
    return div(f"<h1>{_plain(title)}</h1>" + "".join(map(_paragraph, told)), language)


def div(inside: str, language: str) -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">{inside}</div>'


def _say(language: str, key: str) -> str:
    return _plain(say(language, key))


def _plain(text: str, most: int = TEXT_CHARACTERS) -> str:
    return escape(one_line(text, most), quote=True)


def _paragraph(text: str) -> str:
    return f"<p>{_plain(text)}</p>"


def _negatives(section: Section, language: str) -> Iterator[str]:
    for one in section.entries:
        told = recorded(one) if stated(one) else None
        if told:
            yield say(
                language,
                "negative.recorded",
                what=_name(one, list(_concepts(one, {})), {}),
                who=told[0],
                date=told[1][:10],
            )


def _row(tree: Tree, language: str, around: Mapping[str, Tree]) -> str:
    concepts = list(_concepts(tree, around))
    concepts += substances(tree)
    cells = (
        with_substances(
            name_beside(tree) or _unknown(concepts, language) or _name(tree, list(_concepts(tree, around)), around),
            tree,
        ),
        ", ".join(_codes(concepts)),
        _date(tree),
        _who(tree),
    )
    told = [f"<td>{_plain(one, NOTE_CHARACTERS if n == 1 else TEXT_CHARACTERS)}</td>" for n, one in enumerate(cells)]
    # Each detail is cut by itself: a long note leaves the others whole.
    told.insert(2, f"<td>{'; '.join(_plain(one, NOTE_CHARACTERS) for one in _details(tree, language))}</td>")
    return f"<tr>{''.join(told)}</tr>"


def _concepts(tree: Tree, around: Mapping[str, Tree]) -> Iterator[Any]:
    """What says what an entry is: its own code, or that of what it leads to."""
    for key in _WHAT:
        if key in tree:
            yield tree[key]
    for key in _LEADING:
        if key in tree:
            for one in objects(tree[key]):
                held = _led_to(tree, said(one.get("reference")), around)
                yield from (held[key] for key in ("code", "type") if key in held)


def _led_to(tree: Tree, place: str, around: Mapping[str, Tree]) -> Tree:
    if place[:1] == "#":
        return next((dict(one) for one in objects(tree.get("contained")) if one.get("id") == place[1:]), {})
    return around.get(place, {})


def _name(tree: Tree, concepts: Sequence[Any], around: Mapping[str, Tree]) -> str:
    for concept in concepts:
        if text := named(concept):
            return text
    for key in ("title", "description", "conclusion"):
        if text := said(tree.get(key)):
            return text
    for key in _LEADING:
        for one in objects(tree.get(key)):
            held = _led_to(tree, said(one.get("reference")), around)
            if text := devices.called(held) or devices.referred_to(one):
                return text
    return next((code for concept in concepts for _, code, _ in codings(concept)), "")


def _unknown(concepts: Sequence[Any], language: str) -> str:
    """That nothing is known of what it is, in the language of the summary; empty where something is."""
    codes = {(system, code) for concept in concepts for system, code, _ in codings(concept)}
    is_alone = codes == {(REASONS, "unknown")} and not any(said(one.get("text")) for one in objects(list(concepts)))
    return in_words(language, "code.unknown", "") if is_alone else ""


def _codes(concepts: Sequence[Any]) -> dict[str, None]:
    """Each code beside what its system is called, once."""
    return {f"{label_of(system)} {code}".strip(): None for concept in concepts for system, code, _ in codings(concept)}


def _details(tree: Tree, language: str) -> Iterator[str]:
    is_negative = bool(stated(tree))
    if is_odd(tree):
        yield say(language, "negative.contradicts")
    for key, word in _DETAILS:
        if key not in tree or (is_negative and key in _OF_REACTIONS):
            continue
        value = tree[key]
        text = said(value) or next((code for _, code, _ in codings(value)), "") or named(value)
        if text:
            shown = in_words(language, f"code.{text}", named(value) or text)
            yield f"{say(language, f'detail.{word}')}: {shown}"
    if text := said(tree.get("status")):
        yield f"{say(language, 'detail.status')}: {in_words(language, f'code.{text}', text)}"
    for one in objects(tree.get("reaction", [])) if not is_negative else ():
        signs = [named(each) or _code(each) for each in objects(one.get("manifestation"))]
        if told := ", ".join(filter(None, signs)):
            yield f"{say(language, 'detail.reaction')}: {told}"
    yield from _measured(tree, language)
    for key in ("dosage", "dosageInstruction"):
        for one in objects(tree.get(key, [])):
            if text := said(one.get("text")):
                yield f"{say(language, 'detail.dose')}: {text}"
    if text := ", ".join(filter(None, (named(one) for one in objects(tree.get("bodySite"))))):
        yield f"{say(language, 'detail.site')}: {text}"
    yield from (f"{say(language, 'detail.note')}: {text}" for text in _notes(tree))


def _notes(tree: Tree) -> dict[str, None]:
    """What somebody wrote beside the rest, also of a reaction, and by kjernejournal's extension; each once."""
    own = [said(one.get("text")).strip() for one in objects(tree.get("note"))]
    own += [said(one.get("valueString")).strip() for one in objects(tree.get("extension")) if one.get("url") == NOTE]
    return dict.fromkeys(text for text in (*own, *words_of_reactions(tree)) if text)


def _code(concept: Any) -> str:
    return next((f"{label_of(system)} {code}".strip() for system, code, _ in codings(concept)), "")


def _measured(tree: Tree, language: str) -> Iterator[str]:
    if text := value_in(tree):
        yield f"{say(language, 'detail.value')}: {in_words(language, f'code.{text}', text)}"
    for one in objects(tree.get("component")):
        if text := value_in(one):
            shown = in_words(language, f"code.{text}", text)
            yield f"{named(one.get('code')) or _code(one.get('code'))}: {shown}"
    for one in objects(tree.get("referenceRange")):
        if text := said(one.get("text")):
            yield f"{say(language, 'detail.reference')}: {text}"


def value_in(tree: Mapping[str, Any]) -> str:
    """The value of an Observation or a component in one line; empty where it has none."""
    for key, value in tree.items():
        if not key.startswith("value"):
            continue
        if isinstance(value, dict):
            return _amount(value) or named(value) or _code(value) or _span(value)
        return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
    return ""


def _amount(value: Mapping[str, Any]) -> str:
    number = value.get("value")
    if not isinstance(number, (int, float, Decimal)):
        return ""
    return f"{said(value.get('comparator'))}{number} {said(value.get('unit')) or said(value.get('code'))}".strip()


def _span(value: Mapping[str, Any]) -> str:
    for first, last in (("low", "high"), ("numerator", "denominator")):
        ends = [_amount(one) for key in (first, last) for one in objects(value.get(key))]
        if any(ends):
            return ("–" if first == "low" else "/").join(ends)
    return "–".join(filter(None, (said(value.get("start")), said(value.get("end")))))


def _date(tree: Tree) -> str:
    text = moment_of(tree) or said(tree.get("onsetDateTime")) or said(tree.get("recordedDate"))
    return text or next((said(tree.get(key)) for key in ("recordedOn", "dateAsserted", "created") if tree.get(key)), "")


def _who(tree: Tree) -> str:
    for key in WHO:
        for one in objects(tree.get(key, [])):
            inner = next(objects(one.get("actor")), one)
            if text := name_of(tree, inner):
                return text
    return ""
