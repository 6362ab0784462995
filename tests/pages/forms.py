"""Every form that the pages offer, as a browser would send it, and with nonsense in each of its fields in turn."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser

import httpx

NONSENSE = ("zzz", "from:zzz", "at:zzz", "9" * 20, "²", "9999-12-31", "a\x00b")
WRITTEN = "Noe å skrive om det"
"""What is typed where a form asks for words."""
_NOT_FOLLOWED = re.compile(r"/(static|language|login|logout)|.*/file/|.*/close$")


@dataclass(frozen=True, slots=True)
class Form:
    """One form with the last choice of each list taken, so that it asks for something."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[str, ...]:
        """What makes it another form: where it goes and what it asks, not whom or which it is about."""
        action = re.sub(
            r"(?<=/v/)[^/]+", "{visit}", re.sub(r"(?<=s/)(\d+|[0-9a-f-]{36})(?=/|$)", "{number}", self.action)
        )
        action = re.sub("misuse|correction", "{kind}", action)
        action = re.sub(r"(?<=/abroad/)[0-9a-f-]{36}", "{document}", action)
        action = re.sub(r"(?<=/abroad/\{document\}/)\d+", "{place}", action)
        action = re.sub(r"(?<=/critical/)\w+/[^/]+/\w+", "{type}/{id}/{deed}", action)
        return (action, self.fields.get("kind", ""), *sorted(self.fields))

    def spoiled(self) -> Iterator[dict[str, str]]:
        """Its fields with one of them nonsense, once for each field and each piece of nonsense."""
        for name in self.fields:
            for nonsense in NONSENSE if name != "token" else ():
                yield self.fields | {name: nonsense}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select = ""
        self._listed: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: text or "" for name, text in attrs}
        if tag == "form" and told.get("method") == "post":
            self.forms.append(Form(told["action"]))
        elif self.forms and tag in ("input", "textarea", "button", "select") and told.get("name"):
            empty = WRITTEN if tag == "textarea" or told.get("type", "text") == "text" else ""
            self.forms[-1].fields[told["name"]] = told.get("value", "") or empty
            self._select = told["name"] if tag == "select" else ""
            self._listed[told.get("list", "")] = told["name"]
        elif tag == "datalist":
            self._select = self._listed.get(told["id"], "")
        elif self.forms and tag == "option" and self._select:
            self.forms[-1].fields[self._select] = told.get("value", "")


Asked = tuple[str, dict[str, str] | None]


def walk(
    start: str, *, sends: bool, known: set[tuple[str, ...]] | None = None
) -> Generator[Asked, httpx.Response, set[str]]:
    """Asks for every page from `start` on and posts nonsense into every form; where the forms lead.

    With `sends` each form is sent as it is too, which leads to the forms behind it. Whoever drives it looks at the answers.
    Forms that are `known` from another walk are not asked again, and those of this one become so.
    """
    paths, seen, shapes = [start], set[str](), set[tuple[str, ...]]() if known is None else known
    while paths:
        path = paths.pop()
        if path in seen:
            continue
        seen.add(path)
        pages = [(yield path, None)]
        while pages:
            page = pages.pop()
            links = re.findall(r'href="(/[^"#]*)', unescape(page.text))
            paths += [link for link in links if not _NOT_FOLLOWED.match(link)]
            reader = _Reader()
            reader.feed(page.text)
            for form in reader.forms:
                if form.shape in shapes or _NOT_FOLLOWED.match(form.action):
                    continue
                shapes.add(form.shape)
                for fields in form.spoiled():
                    yield form.action, fields
                if sends:
                    pages.append((yield form.action, form.fields))
    return {shape[0] for shape in shapes}
