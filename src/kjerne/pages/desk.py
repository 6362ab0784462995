"""One request to a page: who is logged in, which patient is open, how it is rendered, and what every answer carries.

Handlers get a `Page` and return a `Response`. A fault leaves as `Refusal`, a no from the law as `Denied`, and what nobody
meant as any other exception; all become a page here, in the reader's language, and nowhere else. Each answer has its line in
the log, with the correlation id that a page of refusal shows, and its route as it stands in the table.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final, Literal, TypeVar, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kjerne.access import Denial
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import Denied, Unsettled
from kjerne.pages import apart, attached, charts, critical_words, foreign_document, formats, paging, session, words
from kjerne.pages.critical_house import Shelf
from kjerne.pages.house import Identity, PagesHouse, Patient, Represented, Visit
from kjerne.pages.login import LoginDoor, To
from kjerne.pages.session import Seal, Session
from kjerne.pages.smart_app import Launcher
from kjerne.pages.words import Language
from kjerne.policy import words as rule_words
from kjerne.policy.rules import NO_RELATION
from kjerne.policy.taking_part import ROLE_BY_RULE, Absence, absence
from kjerne.reading import opening
from kjerne.registries.identifiers import numbers_in
from kjerne.services.results import panels
from kjerne.services.results.answers import Organism
from kjerne.wire import http, journal, multipart

FORM_LIMIT_BYTES: Final = 32_000
"""No form here is longer than a reason in words."""
FORM_FIELD_LIMIT: Final = 40
UPLOADS: Final[Mapping[str, int]] = {
    "/clinician/document": opening.LIMIT_BYTES + FORM_LIMIT_BYTES,
    "/clinician/v/{visit}/abroad": foreign_document.LIMIT_BYTES + FORM_LIMIT_BYTES,
}
"""The pages that take a file, and how long their forms may be in bytes."""
FILE: Final = "document"
"""What the file's field is called in each of them."""


def policy(*, form_target: str = "") -> str:
    """What a page may load and where its forms may go: here, and to the host of `form_target` if there is one."""
    parts = urlsplit(form_target)
    target = f" {parts.scheme}://{parts.netloc}" if form_target else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"font-src 'self'; form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'"
    )


HEADERS: Final = {
    "content-security-policy": policy(),
    "cache-control": "no-store",
    # Not no-referrer: with that a browser sends its own forms as from "null", and they could not be told from foreign ones.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
LANGUAGE_COOKIE: Final = "kjerne_language"
T = TypeVar("T")
PATIENCE_SECONDS = 10
"""How long a reader waits for what stands first on a page."""
ALIVE: Final = "/clinician/v/{visit}/alive"
"""What a script asks every few seconds. It prolongs no login: a desk that was left is logged out all the same."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What all requests share. `secure` says that the browser speaks HTTPS with whatever stands in front."""

    house: PagesHouse
    door: LoginDoor
    seal: Seal
    clock: Clock
    secure: bool
    launcher: Launcher | None = None
    laying_out: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a whole document is read and laid out: one at a time in each worker (decision 60)."""
    reading_apart: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a large one is read in a process of its own (`apart`): small ones do not wait for it."""
    setting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a PDF is set, which may take long: pages do not wait for it."""

    def reading(self, raw: bytes) -> asyncio.Lock:
        """What is held while these bytes are read."""
        return self.reading_apart if apart.is_large(raw) else self.laying_out

    @property
    def cookie(self) -> str:
        # The __Host- prefix binds the cookie to this host and to HTTPS; a browser drops it over plain HTTP.
        return "__Host-kjerne" if self.secure else "kjerne_session"


@dataclass(frozen=True, slots=True)
class Page:
    """One request. `session` is None on the open pages alone; `route` is empty where the table has no line for it. `file` is what
    was sent with a form that takes one, and `file_type` what the browser calls it."""

    request: Request
    desk: Desk
    now: datetime
    language: Language
    correlation: str
    route: str
    form: Mapping[str, str] = field(default_factory=dict)
    session: Session | None = None
    file: bytes = field(default=b"", repr=False)
    file_type: str = ""

    @property
    def house(self) -> PagesHouse:
        return self.desk.house

    @property
    def who(self) -> Identity:
        assert self.session is not None, "a page with a login was routed without one"
        return self.session.identity

    @property
    def visit(self) -> Visit:
        if self.session is None or self.session.visit is None:
            raise Refusal(409, "No patient is open.", where="closed")
        return self.session.visit

    @property
    def reads_as(self) -> Language:
        """The language its words are really in: dates and numbers follow it, and so does `lang`."""
        return words.reads_as(self.language)

    @property
    def part(self) -> str:
        """Which part of a long list is asked for, as it stands in the address."""
        return self.request.query_params.get("part", "")

    def say(self, key: str, /, **values: object) -> str:
        return words.say(self.language, key, **values)

    def checked(self, *, fresh: bool = False) -> Mapping[str, str]:
        """The posted form, once its token fits this login and the open patient."""
        assert self.session is not None, "a form was routed without a login"
        session.check_form(self.desk.seal, self.session, self.form, self.now, fresh=fresh)
        return self.form

    def render(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page in the reader's language."""
        token = session.form_token(self.desk.seal, self.session, self.now) if self.session else ""
        html = environment().get_template(template).render(page=self, token=token, **_looks(self), **values)
        return HTMLResponse(html, status)

    def go(self, path: str, *, session: Session | None = None) -> Response:
        """See other; with `session`, under a changed login."""
        answer = RedirectResponse(path, 303)
        if session:
            put_cookie(self.desk, answer, session)
        return answer

    def handle(self, key: int) -> str:
        """What a person is called in this login's forms; her key in the store is nobody's to see."""
        return self.handle_of(str(key))

    def handle_of(self, text: str) -> str:
        """What stands for a text in this login's forms, and in no other's."""
        assert self.session is not None, "nothing is chosen without a login"
        return hashlib.blake2b(text.encode(), key=self.session.id.encode()[:64], digest_size=12).hexdigest()

    def with_visit(self, visit: Visit | None) -> Session:
        """This login with another patient open."""
        assert self.session is not None, "a patient was opened without a login"
        return replace(self.session, visit=visit)


OF_NO_SOURCE: Final = frozenset({"summary_pdf"})
"""What failed here without any source of records being silent."""
PageHandler = Callable[[Page], Awaitable[Response]]
Kind = Literal["practitioner", "citizen", "operator"]
ENTRANCE: Final[Mapping[Kind, To]] = {"practitioner": "clinician", "citizen": "me", "operator": "operations"}
"""Who is logged in, and which pages are hers."""


def endpoint(
    desk: Desk, handler: PageHandler, kind: Kind | None, route: str = ""
) -> Callable[[Request], Awaitable[Response]]:
    """The handler as Starlette wants it; `kind` is who must be logged in, None for an open page. `route` is for the log."""

    async def run(request: Request) -> Response:
        correlation = request.scope.get(http.CORRELATION) or http.correlation_sent(request.scope)
        page = Page(request, desk, desk.clock.now(), _language(request), correlation, route)
        rule = ""
        try:
            page = replace(page, session=await _login(page))
            try:
                answer = await _ran(page, handler, kind)
            except (Refusal, Denied) as no:
                rule = no.rule if isinstance(no, Refusal) else no.denial.rule
                answer = await withheld(page, no)
        except Exception as error:  # noqa: BLE001 - noted with its trace
            # As in `wire.edge`: the trace goes to the log, the reader gets its number.
            answer = refused(page, journal.met(error, correlation, route))
        journal.answered(correlation, route, answer.status_code, rule)
        for name, value in (HEADERS | {"x-correlation-id": correlation}).items():
            answer.headers.setdefault(name, value)
        if page.session and route != ALIVE and desk.cookie not in answer.headers.get("set-cookie", ""):
            put_cookie(desk, answer, page.session)
        return answer

    return run


async def _login(page: Page) -> Session | None:
    """The login of the request's cookie; the house is asked only where there is one that has not ended by itself."""
    found = session.read(page.desk.seal, page.request.cookies.get(page.desk.cookie, ""), page.now)
    return None if found is None or await page.house.has_ended(found.id) else found


async def _ran(page: Page, handler: PageHandler, kind: Kind | None) -> Response:
    if kind and (page.session is None or page.who.kind != kind):
        return RedirectResponse(f"/login?to={ENTRANCE[kind]}{_why_login(page)}", 303)
    if not page.route:
        return await handler(page)
    if page.request.method == "POST":
        _same_origin(page.request)
        page = await _filled(page)
    opened = page.request.path_params.get("visit")
    if opened and page.session is not None and page.session.visit is None:
        raise Refusal(409, "No patient is open in this login.", where="no_patient")
    if opened and (page.session is None or page.session.visit is None or page.session.visit.id != opened):
        raise Refusal(409, "Another patient is open in this login.", where="patient")
    if opened and page.visit.until is not None and page.now >= page.visit.until:
        raise Refusal(409, "What was opened on her own word is over.", where="visit_over")
    if opened and page.visit.launched is not None:
        attested_at = await page.house.stands(page.visit.launched)
        if attested_at is None:
            raise Refusal(409, "Her own system has closed the patient.", where="launch_over")
        page = replace(page, session=page.with_visit(replace(page.visit, opened_at=attested_at)))
    return await handler(page)


def _why_login(page: Page) -> str:
    """What the page of login tells her: she is logged in as somebody else, her login is over, or nothing at a first visit."""
    if page.session:
        return "&other=1"
    return "&ended=1" if page.desk.cookie in page.request.cookies else ""


async def patiently(work: Awaitable[T]) -> T:
    """What a reader waits for before a patient's page. `Refusal` 504 where it takes too long: a page that says so soon is worth
    more to her than one that is whole late."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await work
    except TimeoutError as late:
        raise Refusal(504, "this took too long and was stopped", todo="Try again.") from late


async def withheld(page: Page, no: Refusal | Denied, shelf: Shelf | None = None) -> Response:
    """A no about an open patient keeps her identity bar; which of the texts it is depends on why (three never mixed).

    Where the reader may not know whom she asked for, the page says of a stranger what it says of nobody at all. `shelf` is what
    is shown of the patient all the same: critical information that opens where results do not.
    """
    if isinstance(no, Denied) and no.denial.of_caller and (shelf is None or shelf.chart is None):
        part = ROLE_BY_RULE[no.denial.rule]
        return outside(page, absence(no.denial.caller, no.denial.service, part, no.denial.at))
    silent = isinstance(no, Refusal) and no.status in (503, 504) and no.where not in OF_NO_SOURCE
    if (silent or isinstance(no, Denied)) and page.session and page.session.visit:
        patient = await _known(page, no, shelf)
        denial = no.denial if isinstance(no, Denied) else None
        citizen = page.who.kind == "citizen"
        state = _why_silent(no) if denial is None else (denial.outcome or "refused")
        status = 503 if denial is None else 403
        return page.render(
            "withheld.html",
            status=status,
            title=page.say(f"withheld.{state}"),
            state=state,
            shelf=shelf if patient else None,
            patient=patient,
            denial=denial,
            reason=_reason(page, denial) if denial else "",
            stranger=patient is None and denial is not None and not citizen and _is_stranger(denial, page.visit),
            stated=page.visit.self_declared or page.visit.purpose == "BTG",
            people=await _represented(page) if citizen else (),
            declares=denial is not None and _can_declare(denial, page.visit),
        )
    if isinstance(no, Denied):
        no = Refusal(403, _reason(page, no.denial), where="denied", rule=no.denial.rule)
    return refused(page, no)


def _why_silent(no: Refusal | Denied) -> str:
    """A source that is silent, or what was being changed each time that the page looked: two texts, since nothing failed then."""
    return "changing" if isinstance(no, Unsettled) else "silent"


async def _known(page: Page, no: Refusal | Denied, shelf: Shelf | None) -> Patient | None:
    """Whom the page is about, where the reader may know it."""
    if shelf is not None and shelf.chart is not None:
        return shelf.chart.patient
    try:
        return await patiently(page.house.patient(page.who, page.visit, refused=isinstance(no, Denied)))
    except (Refusal, Denied):
        return None


async def _represented(page: Page) -> Sequence[Represented]:
    """Whom else she could open; nobody where no register knows her herself."""
    try:
        return await page.house.represented(page.who)
    except Refusal:
        return ()


def outside(page: Page, why: Absence) -> Response:
    """Her organisation takes no part: nothing is opened here, whoever the patient is."""
    return page.render("outside.html", status=403, title=page.say("outside.title"), why=why)


def _reason(page: Page, denial: Denial) -> str:
    """Why, by the rule's words in the reader's language."""
    return rule_words.says(denial.rule, cast("rule_words.Language", page.reads_as)) or denial.says


_OF_READER: Final = frozenset(
    {
        "break-glass-reason", "break-glass-role", "case-handling-reason", "elevated-emergency-reason", "elevated-emergency-role",
        "own-not-as-staff", "role-not-listed",
    }
)  # fmt: skip
"""Rules that refuse the reader for who she is and what she asks under: she hears them about a number that nobody has, too."""


def _is_stranger(denial: Denial, visit: Visit) -> bool:
    """Whether the reason would tell if a typed number belongs to somebody, or to somebody with a protected address."""
    return (
        not denial.outcome
        and denial.rule not in _OF_READER
        and (not visit.self_declared or denial.subject is None or denial.rule == "address-protected")
    )


def _can_declare(denial: Denial, visit: Visit) -> bool:
    """Whether a declared need could open: only a relation is missing.

    It is asked for as well where nobody is there, and where an address is protected: the three must look the same.
    """
    if visit.self_declared or visit.purpose == "BTG":
        return False
    return denial.rule in (NO_RELATION.id, "address-protected")


def refused(page: Page, refusal: Refusal) -> Response:
    """The fault in the reader's words: by where it lies if there is a text for it, else by its status."""
    where, status = f"refusal.{refusal.where}", f"refusal.s{refusal.status}"
    key = where if words.knows(where) else status if words.knows(status) else "refusal.s500"
    if page.session and page.who.kind == "citizen" and words.knows(f"{key}_me"):
        key = f"{key}_me"
    posted = page.request.method == "POST" and words.knows(f"{key}_posted")
    todo = f"{key}_posted" if posted else f"{key}_todo"
    return page.render(
        "refused.html",
        status=refusal.status,
        title=page.say(key),
        todo=page.say(todo) if words.knows(todo) else "",
        refusal=refusal,
        again=refusal.status >= 500 and page.request.method == "GET",
    )


def put_cookie(desk: Desk, answer: Response, login: Session) -> None:
    """Send the login back, prolonged."""
    answer.set_cookie(
        desk.cookie, desk.seal.seal("session", login), httponly=True, samesite="lax", secure=desk.secure, path="/"
    )


def drop_cookie(desk: Desk, answer: Response) -> None:
    """End the login in this browser."""
    answer.delete_cookie(desk.cookie, httponly=True, samesite="lax", secure=desk.secure, path="/")


def _same_origin(request: Request) -> None:
    # A browser says where a post comes from; a post from another site is refused before its token is even read.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refusal(403, "The form was sent from another site.", where="form")
    origin = request.headers.get("origin", "")
    if origin and origin.partition("://")[2] != request.headers.get("host", ""):
        raise Refusal(403, "The form was sent from another site.", where="form")


async def _filled(page: Page) -> Page:
    """With the form that was posted, and the file where it takes one."""
    sent = page.request.headers.get("content-type", "")
    if page.route in UPLOADS and sent.lower().startswith(multipart.TYPE):
        fields = dict(multipart.parts(sent, await _body(page.request, UPLOADS[page.route], where="document_size")))
        file = fields.pop(FILE, multipart.Part(b"", ""))
        if sum(len(one.content) for one in fields.values()) > FORM_LIMIT_BYTES:
            raise Refusal(413, "The form is too long.", where="form")
        form = {name: _text(one.content).strip() for name, one in fields.items()}
        return replace(page, form=form, file=file.content, file_type=file.type)
    if not sent.startswith("application/x-www-form-urlencoded"):
        raise Refusal(415, "A form is sent as application/x-www-form-urlencoded.", where="form")
    return replace(page, form=_fields(await _body(page.request, FORM_LIMIT_BYTES)))


def _text(sent: bytes) -> str:
    try:
        return sent.decode()
    except UnicodeDecodeError as cause:
        raise Refusal(400, "The form could not be read.", where="form") from cause


async def _body(request: Request, limit_bytes: int, where: str = "form") -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise Refusal(413, "The form is too long.", where=where)
    return bytes(body)


def _fields(body: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELD_LIMIT, errors="strict")
    except ValueError as cause:
        raise Refusal(400, "The form could not be read.", where="form") from cause
    return {name: text.strip() for name, text in pairs}


def _language(request: Request) -> Language:
    return words.choose(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))


@cache
def environment() -> jinja2.Environment:
    """The templates of all pages: every text in them is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("kjerne.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_in_reading_order,
    )


_TURNING: Final = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Signs that turn what stands beside them around: in a name or a unit they could show a value backwards."""


def _in_reading_order(shown: Any) -> Any:
    return shown.translate(_TURNING) if isinstance(shown, str) and not shown.isascii() else shown


def _looks(page: Page) -> dict[str, Any]:
    """What templates may call, bound to the language of this page."""
    language = page.reads_as

    def bound(fn: Callable[..., str]) -> Callable[..., str]:
        return lambda *values: fn(*values, language)

    return {
        "t": page.say,
        "many": partial(words.many, page.language),
        "code": lambda section, key: page.say(f"{section}.{key}") if words.knows(f"{section}.{key}") else key,
        "knows": words.knows,
        "bare": panels.bare,
        "names_of": _names_of,
        "is_shown": attached.is_shown,
        "kind_of": lambda answer: page.say(_kind_key(page, answer.kind)),
        "entrance": ENTRANCE,
        "language": page.language,
        "reads_as": language,
        # What a laboratory or a law says stays Norwegian, and a screen reader must be told where the page is not.
        "norwegian": Markup(' lang="no"') if language == "en" else "",
        "languages": words.LANGUAGES,
        "path": page.request.url.path,
        "here": quote(page.request.url.path + _asked_again(page.request.url.query), safe=""),
        "static": static_url,
        "day": bound(formats.day),
        "short_day": bound(formats.short_day),
        "long_day": bound(formats.long_day),
        "clock": bound(formats.clock),
        "moment": bound(formats.moment),
        "told_apart": lambda listed: formats.told_apart([one.when or one.issued for one in listed], language),
        "value": bound(formats.value),
        "measured": bound(formats.measured),
        "size": bound(formats.size),
        "span": bound(formats.span),
        "aside": bound(formats.aside),
        "age": lambda born: formats.age(born, page.now, language),
        "in_cell": paging.IN_CELL,
        "drawn_most": charts.DRAWN_MOST,
        "drawn_of": lambda series: len(charts.plotted(series)),
        "code_system": critical_words.system,
        "iso_day": bound(critical_words.iso_day),
        "facts_of": lambda version, names: critical_words.facts(version, names, language),
        "author": lambda by, names: critical_words.written_by(by, names, language),
        "spark": charts.sparkline,
        "trend": lambda series, title: charts.trend(series, language, title),
    }


def _kind_key(page: Page, kind: str) -> str:
    """A kind of report in the trade's word, or in the citizen's where she is the reader."""
    plain = f"plain_kind.{kind}"
    return plain if page.session and page.who.kind == "citizen" and words.knows(plain) else f"kind.{kind}"


def _names_of(organisms: Sequence[Organism], part: Literal["details", "tested"]) -> tuple[str, ...]:
    """Every row of the resistance table, in the order the laboratory told them."""
    details = [detail.heading for one in organisms for detail in one.details]
    tested = [row.antibiotic for one in organisms for row in one.tested]
    return tuple(dict.fromkeys(details if part == "details" else tested))


@cache
def static_url(name: str) -> str:
    """Address of a file that changes when the file does, so that it can be cached for long."""
    found = files("kjerne.pages").joinpath("static", *name.split("/"))
    if not found.is_file():
        return f"/static/{name}"
    return f"/static/{name}?v={hashlib.blake2b(found.read_bytes(), digest_size=6).hexdigest()}"


def _asked_again(query: str) -> str:
    """What the page is asked by, for a link that leads back to it; nothing where it holds a person number."""
    return f"?{query}" if query and not numbers_in(unquote(query)) else ""
