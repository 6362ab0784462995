"""A summary of ours as the page that opens a link shows it: the house's own rendering, made when the copy is made.

The key of a copy is not here when it is read, so the rendering goes along with it, encrypted as it is. It is a tree of a few
elements and attributes, in each language that pages have; the browser builds it of those and of text nodes alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lxml import html

from kjerne.fhir.encode import encode
from kjerne.pages.summary_page import rendered
from kjerne.registries.summary_words import say
from kjerne.services.summary import narrative
from kjerne.services.summary.document import lacking
from kjerne.services.summary.model import ABSENT_UNKNOWN, KIND_BY_LOINC

LANGUAGES: Final = ("nb", "nn", "en")
ELEMENTS: Final = frozenset(
    "div h1 h2 h3 h4 h5 h6 p nav ul li a span section article strong details summary dl dt dd".split()
)
ATTRIBUTES: Final = frozenset({"class", "id", "lang", "title", "href", "open", "aria-label", "aria-hidden"})
Tree = dict[str, Any]
Node = list[Any]


def views(document: Tree) -> bytes:
    """JSON: when it was made (`at`), whether it lacks something, and by language (`in`) the tree, each node a text or
    `[element, {attribute: value}, [nodes]]`."""
    told = {one: _node(html.fragment_fromstring(rendered(worded(document, one), one))) for one in LANGUAGES}
    return encode({"at": document["timestamp"], "incomplete": bool(lacking(document)), "in": told})


def worded(document: Tree, language: str) -> Tree:
    """A document of ours with its own words (titles, why a section is empty) in another language. The narratives of its sections
    are left out: they tell in words what the entries tell, in one language."""
    first, *rest = document["entry"]
    composition = first["resource"]
    title = say(language, "document.title")
    lacks = [say(language, f"section.{one}") for one in lacking(document)]
    told = composition | {
        "title": title,
        "language": language,
        "text": {"status": "generated", "div": narrative.of_document(title, lacks, language)},
        "section": [_section(one, language) for one in composition["section"]],
    }
    return document | {"language": language, "entry": [first | {"resource": told}, *rest]}


def _section(section: Tree, language: str) -> Tree:
    kind = KIND_BY_LOINC[section["code"]["coding"][0]["code"]]
    told = {key: value for key, value in section.items() if key != "text"}
    told["title"] = say(language, f"section.{kind.key}")
    if reason := section.get("emptyReason"):
        is_read = not section.get("extension") or any(one["system"] == ABSENT_UNKNOWN for one in reason["coding"])
        told["emptyReason"] = reason | {"text": say(language, "empty.none" if is_read else "empty.unavailable")}
    return told


def _node(element: html.HtmlElement) -> Node:
    """An element with what is in it; `ValueError` for one that the page does not build."""
    if element.tag not in ELEMENTS:
        raise ValueError(f"a rendering has no element {element.tag}")
    return [element.tag, dict(_attributes(element.attrib)), list(_within(element))]


def _attributes(found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        if name not in ATTRIBUTES or (name == "href" and not value.startswith("#")):
            raise ValueError(f"a rendering has no attribute {name} so")
        yield name, value


def _within(element: html.HtmlElement) -> Iterator[str | Node]:
    if element.text and (text := _text(element.text)):
        yield text
    for one in element:
        yield _node(one)
        if one.tail and (text := _text(one.tail)):
            yield text


def _text(text: str) -> str:
    """A text without the line ends of the template."""
    return text if text.strip("\n ") else " " if " " in text or "\n" in text else ""
