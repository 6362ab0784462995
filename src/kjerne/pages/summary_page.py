"""Any patient summary on a page: our own rendering of what it says, whoever made it and however imperfect it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup

from kjerne.fhir.document_view import Code, Fact, view
from kjerne.fhir.system_labels import label_of
from kjerne.pages.desk import environment
from kjerne.registries.summary_words import said, say

TEMPLATE: Final = "summary_body.html"
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def rendered(document: Mapping[str, Any], language: str) -> Markup:
    """The body of a page as HTML. All text is escaped; nothing of the document's own markup is in it."""
    html = (
        environment()
        .get_template(TEMPLATE)
        .render(
            view=view(document),
            language=language,
            word=lambda key: say(language, key),
            label=lambda fact: label(fact, language),
            told=lambda fact: told(fact, language),
            coded=coded,
        )
    )
    return Markup(html)  # noqa: S704 - the template escapes every text of the document


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
