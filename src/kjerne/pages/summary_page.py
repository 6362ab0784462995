"""Any patient summary on a page: our own rendering of what it says, whoever made it and however imperfect it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from kjerne.fhir.document_view import Code, Entry, Fact, Section, view
from kjerne.fhir.system_labels import label_of
from kjerne.pages.desk import environment
from kjerne.pages.summary_flow import (
    LEFT,
    MATTERS,
    OF_DOCUMENT,
    OF_PATIENT,
    OF_SECTION,
    Part,
    Telling,
    dated,
    is_odd,
    main_codes,
)
from kjerne.registries.summary_words import said, say
from kjerne.services.summary.choosing import name_beside

TEMPLATE: Final = "summary_body.html"
SHOWN: Final = 20
"""Entries of a section that are seen at once; the others are folded."""
LACKING: Final = "incomplete-section"
"""The end of the address of our own extension of a section that lacks something."""
OTHERS: Final = "others-left-out"
"""The same, of what is about another than the patient."""
MANY_SECTIONS: Final = 6
"""Of more than these there is a table of contents."""
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def rendered(document: Mapping[str, Any], language: str, unlock: str = "", unlock_word: str = "") -> Markup:
    """The body of a page as HTML. All text is escaped; nothing of the document's own markup is in it. `unlock` is where the
    reader opens what is withheld, in the words beside it.

    What matters of an entry is its one line (`summary_flow`), and all of it, with every code, is in its details.
    """
    telling = Telling(language)
    html = (
        environment()
        .get_template(TEMPLATE)
        .render(
            view=view(document, name_beside),
            language=language,
            shown=SHOWN,
            many_sections=MANY_SECTIONS,
            word=lambda key, **values: say(language, key, **values),
            known=lambda key: said(language, key, ""),
            label=telling.label,
            told=telling.told,
            flow=lambda entry: flow(entry, language),
            about=lambda facts: telling.flow(facts, OF_DOCUMENT),
            lacking=lambda section: telling.flow(section.facts, OF_SECTION),
            main=lambda entry: main_codes(entry.facts, entry.heading),
            meaning=lambda empty: meaning(empty, language),
            dated=lambda text: dated(text, language),
            same=_same,
            became=became,
            others_left_out=others_left_out,
            unlock=unlock,
            unlock_word=unlock_word,
            coded=coded,
        )
    )
    return Markup(html)  # noqa: S704 - the template escapes every text of the document


def flow(entry: Entry, language: str) -> list[Part]:
    """What matters of an entry. Of the patient it is who she is, and her number."""
    left = LEFT.get(entry.type, frozenset())
    listed = OF_PATIENT if entry.type == "Patient" else tuple(one for one in MATTERS if one not in left)
    parts = Telling(language, entry.called).flow(entry.facts, listed, entry.heading)
    return [Part("", say(language, "negative.contradicts"), "outside"), *parts] if is_odd(entry.facts) else parts


def meaning(empty: Fact, language: str) -> str:
    """Why a section has no entry: the document's own words, and what its code means where it says no more than the code.

    >>> meaning(Fact(("emptyReason",), "", (Code("urn:a", "notasked", ""),)), "en")
    'Nobody has asked about this.'
    """
    words = [word for one in empty.codes if (word := said(language, f"meaning.{one.code}", ""))]
    names = {text.lower() for one in empty.codes for text in (one.code, one.display)}
    return words[0] if words and (not empty.text or empty.text.lower() in names) else empty.text


def became(section: Section) -> str:
    """`withheld` or `unavailable` where a section says of itself that it lacks something; empty where it does not. What is not
    read is not told as nothing.
    """
    lacks = next((one.text for one in section.facts if one.path[-1:] == (LACKING,)), "")
    return lacks if lacks in ("withheld", "unavailable") else "unavailable" if lacks else ""


def others_left_out(section: Section) -> bool:
    """Whether a section says of itself that what is about another than the patient was left out of it."""
    return any(one.path[-1:] == (OTHERS,) for one in section.facts)


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()) == " ".join(other.split())


def label(fact: Fact, language: str) -> str:
    """What a fact is called: its elements, each in the language's word where there is one.

    >>> label(Fact(("bodySite",), "arm"), "en")
    'body site'
    """
    steps = [one for one in fact.path if one not in ("coding", "extension")] or list(fact.path)
    return " · ".join(dict.fromkeys(said(language, f"element.{one}", _spoken(one)) for one in steps))


def told(fact: Fact, language: str) -> str:
    """The value of a fact; a code that stands for itself in the language's word, where there is one.

    >>> told(Fact(("status",), "active"), "nb")
    'aktiv'
    """
    text = fact.text or (fact.codes[0].code if fact.codes else "")
    return said(language, f"code.{text}", fact.text)


def _spoken(name: str) -> str:
    """`bodySite` as words; a choice of types without its type."""
    return " ".join(part.lower() for part in _HUMP.split(name.replace("-", " ")))


def coded(code: Code) -> str:
    """A code beside what its system is called."""
    return f"{label_of(code.system)} {code.code}".strip()
