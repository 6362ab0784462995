"""The pages as one Starlette application: /, /login, /clinician, /me, /operations and /static.

`pages_app(...)` is given the house, the login door, a key and a clock; it keeps nothing between requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.pages import (
    abroad,
    choices,
    citizen,
    clinician,
    critical,
    documents,
    entry,
    foreign,
    launching,
    my_download,
    my_inquiries,
    my_links,
    my_log,
    my_notify,
    my_youth,
    operations,
    operations_exports,
    operations_inquiries,
    operations_journals,
    operations_review,
    persons,
    summaries,
    viewer,
)
from kjerne.pages.desk import ALIVE, HEADERS, Desk, Kind, Page, PageHandler, endpoint, refused
from kjerne.pages.house import PagesHouse
from kjerne.pages.login import LoginDoor
from kjerne.pages.session import Seal
from kjerne.pages.smart_app import Launcher

# Method, path, handler, who must be logged in (None: open, no patient data behind it).
ROUTES: tuple[tuple[str, str, PageHandler, Kind | None], ...] = (
    ("GET", "/", entry.front, None),
    ("GET", "/login", entry.login, None),
    ("GET", "/login/start", entry.start, None),
    ("GET", "/login/return", entry.back, None),
    ("POST", "/logout", entry.logout, None),
    ("GET", "/logout/done", entry.logged_out, None),
    ("GET", "/language", entry.language, None),
    ("GET", "/clinician", clinician.choose, "practitioner"),
    ("POST", "/clinician/open", clinician.open_patient, "practitioner"),
    ("POST", "/clinician/confirm", clinician.confirm, "practitioner"),
    ("POST", "/clinician/notice", clinician.see_notice, "practitioner"),
    ("GET", "/clinician/document", foreign.form, "practitioner"),
    ("POST", "/clinician/document", foreign.show, "practitioner"),
    ("GET", "/clinician/launch", launching.arrive, None),
    ("GET", "/hentpasient.html", launching.arrive, None),
    ("GET", "/clinician/smart", launching.smart, None),
    ("GET", "/clinician/smart/return", launching.smart_back, None),
    ("GET", "/clinician/launched", launching.opened, "practitioner"),
    ("GET", ALIVE, launching.alive, "practitioner"),
    ("GET", "/clinician/v/{visit}", clinician.results, "practitioner"),
    ("GET", "/clinician/v/{visit}/trend/{series}", clinician.trend, "practitioner"),
    ("GET", "/clinician/v/{visit}/report/{report}", clinician.report, "practitioner"),
    ("GET", "/clinician/v/{visit}/report/{report}/file/{file}", clinician.file, "practitioner"),
    ("GET", "/clinician/v/{visit}/report/{report}/file/{file}/former/{version}", clinician.former_file, "practitioner"),
    ("GET", "/clinician/v/{visit}/print", clinician.printout, "practitioner"),
    ("GET", "/clinician/v/{visit}/critical", critical.whole, "practitioner"),
    ("GET", "/clinician/v/{visit}/critical/new", critical.new, "practitioner"),
    ("POST", "/clinician/v/{visit}/critical/new", critical.register, "practitioner"),
    ("GET", "/clinician/v/{visit}/critical/{type}/{id}", critical.one, "practitioner"),
    ("GET", "/clinician/v/{visit}/critical/{type}/{id}/change", critical.change, "practitioner"),
    ("POST", "/clinician/v/{visit}/critical/{type}/{id}/{deed}", critical.act, "practitioner"),
    ("GET", "/clinician/v/{visit}/summary", summaries.whole, "practitioner"),
    ("GET", "/clinician/v/{visit}/summary.pdf", summaries.whole_pdf, "practitioner"),
    ("GET", "/clinician/v/{visit}/documents", documents.listed, "practitioner"),
    ("POST", "/clinician/v/{visit}/documents", documents.choose, "practitioner"),
    ("GET", "/clinician/v/{visit}/documents/{document}", documents.one, "practitioner"),
    ("GET", "/clinician/v/{visit}/documents/{document}/file", documents.file, "practitioner"),
    ("GET", "/clinician/v/{visit}/abroad", abroad.listed, "practitioner"),
    ("POST", "/clinician/v/{visit}/abroad", abroad.bring, "practitioner"),
    ("GET", "/clinician/v/{visit}/abroad/{document}", abroad.one, "practitioner"),
    ("GET", "/clinician/v/{visit}/abroad/{document}/whole", abroad.whole, "practitioner"),
    ("GET", "/clinician/v/{visit}/abroad/{document}/file", abroad.file, "practitioner"),
    ("POST", "/clinician/v/{visit}/abroad/{document}/take-back", abroad.take_back, "practitioner"),
    ("GET", "/clinician/v/{visit}/abroad/{document}/{place}", abroad.take, "practitioner"),
    ("POST", "/clinician/v/{visit}/abroad/{document}/{place}", abroad.settle, "practitioner"),
    ("POST", "/clinician/v/{visit}/abroad/{document}/{place}/take", abroad.taken, "practitioner"),
    ("GET", "/clinician/v/{visit}/unlock", clinician.lock, "practitioner"),
    ("POST", "/clinician/v/{visit}/unlock", clinician.unlock, "practitioner"),
    ("POST", "/clinician/v/{visit}/declare", clinician.declare, "practitioner"),
    ("POST", "/clinician/v/{visit}/acknowledge", clinician.acknowledge, "practitioner"),
    ("POST", "/clinician/v/{visit}/done", clinician.already_done, "practitioner"),
    ("POST", "/clinician/v/{visit}/done/answer", clinician.answer_done, "practitioner"),
    ("POST", "/clinician/v/{visit}/close", clinician.close, "practitioner"),
    ("GET", "/me", citizen.home, "citizen"),
    ("GET", "/me/critical", critical.mine, "citizen"),
    ("GET", "/me/summary", summaries.mine, "citizen"),
    ("GET", "/me/summary.pdf", summaries.mine_pdf, "citizen"),
    ("GET", "/me/abroad", abroad.mine, "citizen"),
    ("GET", "/me/abroad/{document}", abroad.my_document, "citizen"),
    ("GET", "/me/abroad/{document}/file", abroad.file, "citizen"),
    ("GET", "/me/documents", documents.mine, "citizen"),
    ("GET", "/me/documents/{document}", documents.my_document, "citizen"),
    ("GET", "/me/documents/{document}/file", documents.file, "citizen"),
    ("GET", "/me/results", citizen.results, "citizen"),
    ("GET", "/me/trend/{series}", citizen.trend, "citizen"),
    ("GET", "/me/report/{report}", citizen.report, "citizen"),
    ("GET", "/me/report/{report}/file/{file}", citizen.file, "citizen"),
    ("GET", "/me/report/{report}/file/{file}/former/{version}", citizen.former_file, "citizen"),
    ("GET", "/me/log", my_log.log, "citizen"),
    ("GET", "/me/privacy", choices.privacy, "citizen"),
    ("POST", "/me/privacy/preview", choices.preview, "citizen"),
    ("POST", "/me/privacy/save", choices.save, "citizen"),
    ("POST", "/me/privacy/lift", choices.lift, "citizen"),
    ("GET", "/me/representation", citizen.representation, "citizen"),
    ("POST", "/me/person", citizen.person, "citizen"),
    ("GET", "/me/youth", my_youth.access, "citizen"),
    ("POST", "/me/youth/save", my_youth.save, "citizen"),
    ("GET", "/operations", operations.participants, "operator"),
    ("GET", "/operations/participation/open", operations.open_form, "operator"),
    ("POST", "/operations/participation/preview", operations.preview, "operator"),
    ("POST", "/operations/participation/save", operations.save, "operator"),
    ("GET", "/operations/participation/{number}", operations.history, "operator"),
    ("GET", "/operations/participation/{number}/{kind}", operations.change_form, "operator"),
    ("GET", "/operations/persons", persons.links, "operator"),
    ("GET", "/operations/persons/link", persons.link_form, "operator"),
    ("POST", "/operations/persons/preview", persons.link_preview, "operator"),
    ("POST", "/operations/persons/save", persons.link_save, "operator"),
    ("GET", "/operations/persons/{number}", persons.undo_form, "operator"),
    ("POST", "/operations/persons/{number}/preview", persons.undo_preview, "operator"),
    ("POST", "/operations/persons/{number}/undo", persons.undo_save, "operator"),
    ("GET", "/operations/rejected", operations.rejected, "operator"),
    ("GET", "/me/more", my_inquiries.more, "citizen"),
    ("GET", "/me/inquiries", my_inquiries.listed, "citizen"),
    ("GET", "/me/inquiries/{kind}/{about}", my_inquiries.form, "citizen"),
    ("POST", "/me/inquiries/{kind}/reach", my_inquiries.reach, "citizen"),
    ("POST", "/me/inquiries/{kind}/send", my_inquiries.send, "citizen"),
    ("GET", "/me/download", my_download.offer, "citizen"),
    ("POST", "/me/download/file", my_download.file, "citizen"),
    ("GET", "/me/links", my_links.listed, "citizen"),
    ("GET", "/me/links/new", my_links.form, "citizen"),
    ("POST", "/me/links/new", my_links.make, "citizen"),
    ("POST", "/me/links/{number}/end", my_links.end, "citizen"),
    ("GET", viewer.PATH, viewer.show, None),
    ("GET", "/me/notify", my_notify.profile, "citizen"),
    ("POST", "/me/notify/save", my_notify.save, "citizen"),
    ("GET", "/operations/inquiries", operations_inquiries.listed, "operator"),
    ("GET", "/operations/inquiries/{number}", operations_inquiries.ask, "operator"),
    ("POST", "/operations/inquiries/{number}", operations_inquiries.opened, "operator"),
    ("POST", "/operations/inquiries/{number}/answer", operations_inquiries.answer, "operator"),
    ("GET", "/operations/log", operations.log_state, "operator"),
    ("GET", "/operations/warnings", operations.warnings, "operator"),
    ("GET", "/operations/coverage", operations.coverage, "operator"),
    ("GET", "/operations/journals", operations_journals.listed, "operator"),
    ("POST", "/operations/journals/{number}", operations_journals.again, "operator"),
    ("GET", "/operations/exports", operations_exports.listed, "operator"),
    ("GET", "/operations/exports/{number}", operations_exports.one, "operator"),
    ("POST", "/operations/exports/{number}", operations_exports.decided, "operator"),
    ("GET", "/operations/readings", operations_review.listed, "operator"),
    ("GET", "/operations/readings/{number}", operations_review.line, "operator"),
    ("POST", "/operations/readings/{number}", operations_review.opened, "operator"),
    ("POST", "/operations/readings/{number}/verdict", operations_review.judged, "operator"),
)


PATHS: tuple[str, ...] = tuple(dict.fromkeys([*("/" + path.split("/")[1] for _, path, _, _ in ROUTES), "/static"]))
"""Under which first parts of an address the pages answer."""
ALONE: frozenset[str] = frozenset({viewer.PATH})
"""Those of them that are a page and nothing below it."""


class _Static(StaticFiles):
    """Own files under the same headers; an address with a version never changes its content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        for name, value in HEADERS.items():
            answer.headers[name] = value
        lasting = scope.get("query_string", b"").startswith(b"v=")
        answer.headers["cache-control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return answer


async def _missing(_: Page) -> Response:
    raise Refusal(404, "No such page.", where="page")


async def _other_method(page: Page) -> Response:
    found: Route | Mount = page.request.scope["route"]
    allowed = {method for method, path, _, _ in ROUTES if path == found.path} or {"GET"}
    names = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
    answer = refused(page, Refusal(405, f"This page takes {names}.", where="method"))
    answer.headers["allow"] = names
    return answer


def _instead(
    told: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """A page in place of Starlette's own bare words."""

    async def answer(request: Request, _: Exception) -> Response:
        return await told(request)

    return answer


def pages_app(
    house: PagesHouse, door: LoginDoor, *, key: bytes, clock: Clock, secure: bool, launcher: Launcher | None = None
) -> Starlette:
    """All pages. `key` is 32 bytes for cookies and forms, shared by every host; `secure` when browsers speak HTTPS. `launcher`
    speaks to the EHRs that launch them."""
    desk = Desk(house, door, Seal(key), clock, secure, launcher)
    routes: list[Route | Mount] = [
        Route(path, endpoint(desk, handler, kind, path), methods=[method]) for method, path, handler, kind in ROUTES
    ]
    routes.append(Mount("/static", _Static(directory=str(files("kjerne.pages").joinpath("static")))))
    handlers = {404: _instead(endpoint(desk, _missing, None)), 405: _instead(endpoint(desk, _other_method, None))}
    return Starlette(routes=routes, exception_handlers=handlers)
