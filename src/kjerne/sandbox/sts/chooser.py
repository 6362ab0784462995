"""The login page: a choice of persona. Works without script, under a policy that allows none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from kjerne.sandbox.sts.clients import OPERATOR_ROLE, Persona
from kjerne.sandbox.sts.requests import Pushed

HERE: Final = Path(__file__).parent
STYLE: Final = (HERE / "static" / "sts.css").read_bytes()

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "nb": {
        "title": "Logg inn i sandkassen",
        "lead": "Velg hvem du vil være. Alle personer her er oppdiktet.",
        "to": "Du logger inn til",
        "practitioner": "Helsepersonell",
        "citizen": "Innbyggere",
        "operator": "Drift",
        "choose": "Logg inn som",
        "cancel": "Avbryt",
        "other": "In English",
        "anybody": "Hvem som helst, med nummer",
        "anybody_lead": "Alle i sandkassens register kan logge inn. Numrene står i /sandbox/patients.",
        "number": "Fødselsnummer eller D-nummer",
        "log_in": "Logg inn",
        "unknown": "Ingen som lever og er i sandkassens register, har dette nummeret.",
        "level": "Sikkerhetsnivå",
        "none": "Ingen av sandkassens personer passer til det programmet ber om.",
        "wrong": "Innloggingen kan ikke fortsette",
        "back": "Gå tilbake til programmet og begynn på nytt.",
        "out": "Du er logget ut",
    },
    "en": {
        "title": "Log in to the sandbox",
        "lead": "Choose who you want to be. Everybody here is made up.",
        "to": "You are logging in to",
        "practitioner": "Health personnel",
        "citizen": "Citizens",
        "operator": "Operations",
        "choose": "Log in as",
        "cancel": "Cancel",
        "other": "På norsk",
        "anybody": "Anybody, by number",
        "anybody_lead": "Everybody in the sandbox's register can log in. The numbers stand in /sandbox/patients.",
        "number": "Person number",
        "log_in": "Log in",
        "unknown": "Nobody who lives and is in the sandbox's register has this number.",
        "level": "Security level",
        "none": "Nobody in the sandbox fits what the program asks for.",
        "wrong": "The login cannot go on",
        "back": "Go back to the program and begin again.",
        "out": "You are logged out",
    },
}

_pages = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def language_of(asked: str, accepted: str) -> str:
    """`en` or `nb`: what the client or the reader asked for, else the browser's first language."""
    return "en" if (asked or accepted)[:2].lower() == "en" else "nb"


def chooser(
    request: Pushed, request_uri: str, personas: Iterable[Persona], language: str, base: str, *, unknown: bool = False
) -> HTMLResponse:
    """The personas that fit the request, each a button, and a field for any other citizen's number where hers would
    fit; `base` is the provider's path. `unknown`: nobody had the number that was typed."""
    fitting = [persona for persona in personas if request.fits(persona)]
    groups = {
        kind: [persona for persona in fitting if _group(persona) == kind]
        for kind in ("practitioner", "operator", "citizen")
    }
    page = _pages.get_template("chooser.html").render(
        text=TEXTS[language],
        language=language,
        other="nb" if language == "en" else "en",
        groups={kind: members for kind, members in groups.items() if members},
        by_number=bool(groups["citizen"]),
        unknown=unknown,
        client=request.client,
        level=request.level,
        request_uri=request_uri,
        base=base,
    )
    return _page(page, status=404 if unknown else 200, form_target=request.redirect)


def _group(persona: Persona) -> str:
    return "operator" if persona.role == OPERATOR_ROLE else persona.kind


def message(language: str, base: str, says: str = "", *, status: int = 400) -> HTMLResponse:
    """A page that ends a login: with `says` because something is wrong, without because the user logged out."""
    page = _pages.get_template("message.html").render(text=TEXTS[language], language=language, says=says, base=base)
    return _page(page, status=status)


def _page(page: str, *, status: int = 200, form_target: str = "") -> HTMLResponse:
    # A browser holds `form-action` against the redirect that answers the form, so the client's address is named too.
    parts = urlsplit(form_target)
    target = f" {parts.scheme}://{parts.netloc}" if form_target else ""
    policy = (
        f"default-src 'none'; style-src 'self'; form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return HTMLResponse(page, status, headers)
