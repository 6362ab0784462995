"""How a page of the integrator's is made: the pages' common frame, the reader's language, what every answer carries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, unquote

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from kjerne.errors import Refusal, sentences
from kjerne.pages import desk, formats
from kjerne.pages import words as pages_words
from kjerne.pages.words import Language
from kjerne.registries.identifiers import numbers_in
from kjerne.sandbox.front import words

PATH: Final = "/sandbox"
STATIC: Final = f"{PATH}/static"
TABS: Final = ("", "/quickstart", "/personas", "/patients", "/token", "/console", "/calls")
FOLDER: Final = files("kjerne.sandbox.front")


@dataclass(frozen=True, slots=True)
class Open:
    """What the common frame asks of a page: nobody is logged in here."""

    session: None = None


def language_of(request: Request) -> Language:
    """The language that the reader chose on any page of the platform, else her browser's."""
    chosen = request.cookies.get(desk.LANGUAGE_COOKIE, "")
    return pages_words.choose(chosen, request.headers.get("accept-language", ""))


def page(request: Request, template: str, title: str, *, status: int = 200, **values: Any) -> Response:
    """A page in the reader's language; `title` is a key."""
    language = language_of(request)
    look = _looks(request, language)
    title = words.say(language, title)
    html = environment().get_template(f"sandbox/{template}").render(page=Open(), title=title, **look, **values)
    return HTMLResponse(html, status, dict(desk.HEADERS))


def refused(request: Request, error: Exception) -> Response:
    """A page that says what is wrong and what to do."""
    assert isinstance(error, Refusal)
    says = sentences(error.says, error.todo)
    return page(request, "refused.html", "refused.title", status=error.status, says=says, number=error.status)


@cache
def environment() -> jinja2.Environment:
    """Our templates over the pages' own; every text in them is escaped."""
    own = jinja2.FileSystemLoader(str(FOLDER.joinpath("templates")))
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([own, jinja2.PackageLoader("kjerne.pages")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _looks(request: Request, language: Language) -> Mapping[str, Any]:
    reads_as = pages_words.reads_as(language)
    query = "" if numbers_in(unquote(request.url.query)) else request.url.query
    return {
        "t": partial(words.say, language),
        "knows": words.knows,
        "language": language,
        "reads_as": reads_as,
        "norwegian": Markup(' lang="no"') if reads_as == "en" else "",
        "languages": pages_words.LANGUAGES,
        "path": request.url.path,
        "here": quote(request.url.path + (f"?{query}" if query else ""), safe=""),
        "static": desk.static_url,
        "own": own_url,
        "tabs": [(PATH + where, where[1:] or "start") for where in TABS],
        "clock": lambda at: formats.clock(at, reads_as),
        "day": lambda at: formats.day(at, reads_as),
        "pairs": lambda names: [(name, name) for name in names],
        "worded": lambda section, names: [(name, words.say(language, f"{section}.{name}")) for name in names],
    }


@cache
def own_url(name: str) -> str:
    """Address of one of our own files, which changes when the file does."""
    found = FOLDER.joinpath("static", name).read_bytes()
    return f"{STATIC}/{name}?v={hashlib.blake2b(found, digest_size=6).hexdigest()}"


def static_files() -> StaticFiles:
    """Style sheet and script of these pages."""
    return StaticFiles(directory=str(FOLDER.joinpath("static")))
