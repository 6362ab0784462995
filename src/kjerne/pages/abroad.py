"""Patient summaries from abroad on the clinician's pages: brought, laid beside what is registered, settled entry by entry.

A decision is bound to the login, and to the entry and the record as they were shown: where either is another by now it is shown
anew, with what she had typed. The citizen reads what is kept of her and how it was settled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.fhir.document_view import view
from kjerne.fhir.negotiation import XML_TYPE
from kjerne.pages import apart, critical_forms, foreign_document
from kjerne.pages.abroad_house import AbroadChart, AbroadShelf, Seen
from kjerne.pages.critical import Form, rendered_form, rules_of
from kjerne.pages.critical_forms import TYPED
from kjerne.pages.desk import Page
from kjerne.pages.reader import person_of
from kjerne.pages.summary_page import rendered, told
from kjerne.services.critical.abroad.identity import CONFIRMED
from kjerne.services.critical.abroad.reconciling import Compared, drafted, kinds_of
from kjerne.services.critical.drafts import TREATMENTS

NOTED: Final = ("brought", "taken", "same", "left", "back")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_SHOWN: Final = frozenset({400, 409, 413, 415, 422})
"""What is wrong with a file is told beside the form."""


@dataclass(frozen=True, slots=True)
class ShownForeign:
    """An entry of a document, as one login was shown it beside the record."""

    session: str
    document: UUID
    place: int
    tag: str


def _root(page: Page) -> str:
    return f"/clinician/v/{page.visit.id}/abroad"


def _noted(page: Page) -> str:
    noted = page.request.query_params.get("noted", "")
    return noted if noted in NOTED else ""


async def listed(page: Page) -> Response:
    """What is kept, and the form that takes a file."""
    return _listed(page, await page.house.abroad(page.who, page.visit))


def _listed(page: Page, shelf: AbroadShelf, fault: Refusal | None = None, **more: Any) -> Response:
    given: dict[str, Any] = {"asked": (), "rules": (), "country": "", "says": ()}
    return page.render(
        "clinician/abroad.html", status=fault.status if fault else 200, title=page.say("abroad.title"), patient=shelf.patient,
        shelf=shelf, noted=_noted(page), fault=fault, limit=foreign_document.LIMIT_BYTES // 1_000_000, **(given | more),
    )  # fmt: skip


async def bring(page: Page) -> Response:
    """A file taken in; where it does not say that it is she, what must be confirmed is asked beside the form."""
    typed = page.checked()
    confirmed = frozenset(one for one in CONFIRMED if typed.get(f"confirm_{one}") == "yes")
    country = typed.get("country", "").strip().upper()
    try:
        if country and not _COUNTRY.fullmatch(country):
            raise Refusal(400, "A country is two letters.", where="abroad_country")
        number = await page.house.bring_abroad(page.who, page.visit, page.file, country, confirmed)
    except Refusal as fault:
        if fault.status not in _SHOWN or fault.where == "form":
            raise
        found = [one for one in (fault.fault, *fault.faults) if one]
        asked = tuple(one for one in CONFIRMED if any(each.rule.partition("-")[2] == one for each in found))
        rules = () if asked else tuple(f"{one.where}: {one.says}" for one in found) or (fault.says,)
        shelf = await page.house.abroad(page.who, page.visit)
        if fault.status != 409:
            return _listed(page, shelf, fault, rules=rules, country=country)
        says = await apart.work(_who, page.file, page.reads_as) if asked else ()
        return _listed(page, shelf, fault, asked=asked, rules=rules, country=country, says=says)
    return page.go(f"{_root(page)}/{number}?noted=brought")


def _who(raw: bytes, language: str) -> tuple[tuple[str, str], ...]:
    """Whom the document says that it is about: what the reader holds in her hand, and nothing of the register."""
    her = view(foreign_document.read(raw)).patient
    facts = {fact.path: told(fact, language) for fact in reversed(her.facts)} if her else {}
    names = dict.fromkeys(fact.text for fact in her.facts if fact.path == ("name",)) if her else {}
    return (
        ("name", ", ".join(names)),
        ("birth-date", facts.get(("birthDate",), "")),
        ("gender", facts.get(("gender",), "")),
    )


async def one(page: Page) -> Response:
    """The entries of one document, each beside what is registered, with what can be decided."""
    return _one(page, await page.house.abroad_opened(page.who, page.visit, _number(page)))


def _one(page: Page, chart: AbroadChart, status: int = 200, **more: Any) -> Response:
    given: dict[str, Any] = {"stale": False, "place": -1, "typed": {}, "fault": ""}
    opened = chart.opened
    shown = {
        one.foreign.place: _sealed(page, opened.held.number, one.foreign.place, opened.tags) for one in opened.entries
    }
    return page.render(
        "clinician/abroad_document.html", status=status, title=page.say("abroad.title"), patient=chart.patient, chart=chart,
        opened=opened, held=opened.held, noted=_noted(page), shown=shown, kinds=kinds_of, **(given | more),
    )  # fmt: skip


def _sealed(page: Page, number: UUID, place: int, tags: Mapping[int, str]) -> str:
    assert page.session is not None, "routed without a login"
    return page.desk.seal.seal("foreign", ShownForeign(page.session.id, number, place, tags[place]))


def _seen(page: Page, typed: Mapping[str, str]) -> Seen:
    """What she was shown. `Refusal` 403 where another login was, or it is another entry."""
    found = page.desk.seal.open("foreign", typed.get("shown", ""), ShownForeign)
    assert page.session is not None, "routed without a login"
    if found is None or (found.session, found.document, found.place) != (page.session.id, _number(page), _place(page)):
        raise Refusal(403, "The entry was shown to another login.", where="form")
    return Seen(found.document, found.place, found.tag)


async def settle(page: Page) -> Response:
    """The same as a record here, or left out with a reason."""
    typed = page.checked()
    seen, deed = _seen(page, typed), typed.get("do", "")
    why = typed.get("why", "")
    fault = (
        "choose"
        if deed == "same" and not typed.get("record")
        else critical_forms.wrong_words(why)
        if deed == "left"
        else ""
    )
    if deed not in ("same", "left"):
        raise Refusal(404, "There is no such decision.", where="page")
    if fault:
        return await _again(page, seen, typed, 400, fault=page.say(f"critical.fault_{fault}"))
    try:
        if deed == "same":
            await page.house.settle_abroad(page.who, page.visit, seen, "same-as", record=typed["record"])
        else:
            await page.house.settle_abroad(page.who, page.visit, seen, "leave-out", reason=why)
    except Refusal as refusal:
        if refusal.status not in (409, 412):
            raise
        return await _again(page, seen, typed, 409, stale=True)
    return page.go(f"{_root(page)}/{seen.document}?noted={deed}#n-{seen.place}")


async def _again(page: Page, seen: Seen, typed: Mapping[str, str], status: int, **more: Any) -> Response:
    chart = await page.house.abroad_opened(page.who, page.visit, seen.document)
    return _one(page, chart, status, place=seen.place, typed=typed, **more)


async def take(page: Page) -> Response:
    """The form of a registration, filled in with what the document says; its kind is chosen first where that is not told."""
    chart, entry = await _entry(page)
    kinds = [kind for kind in kinds_of(entry.foreign) if kind in chart.may]
    kind = page.request.query_params.get("kind", "") or (kinds[0] if len(kinds) == 1 else "")
    if kind and kind not in kinds:
        raise Refusal(403, "Her role does not register this kind.", where="critical_role")
    if not kind:
        return page.render(
            "clinician/abroad_kinds.html", title=page.say("abroad.take"), patient=chart.patient, kinds=kinds, entry=entry,
            at=f"{_root(page)}/{_number(page)}",
        )  # fmt: skip
    typed = _typed(entry, kind)
    form = Form(kind, await critical_forms.filled(page, kind, typed), typed=typed)
    return _take(page, chart, entry, form, _sealed(page, _number(page), entry.foreign.place, chart.opened.tags))


def _typed(entry: Compared, kind: str) -> dict[str, str]:
    """The fields of a form as the document fills them in."""
    draft = drafted(entry.foreign, kind)
    return {
        "pick": TYPED, "system": draft.about.system, "code": draft.about.code, "name": draft.about.name,
        "criticality": draft.criticality, "category": draft.category, "note": draft.note, "implanted": draft.implanted,
    }  # fmt: skip


def _take(
    page: Page, chart: AbroadChart, entry: Compared, form: Form, shown: str, status: int = 200, **more: Any
) -> Response:
    at = f"{_root(page)}/{_number(page)}"
    return rendered_form(
        page, chart, form, status, shown, template="clinician/abroad_take.html", action=f"{at}/{entry.foreign.place}/take",
        at=at, entry=entry, stale=more.get("stale", False),
    )  # fmt: skip


async def taken(page: Page) -> Response:
    """Registers what was filled in. Where something is not as she saw it, both are shown with what she typed."""
    typed = page.checked()
    seen = _seen(page, typed)
    chart, entry = await _entry(page)
    kind = typed.get("kind", "")
    if kind not in kinds_of(entry.foreign) or kind not in chart.may:
        raise Refusal(403, "Her role does not register this kind.", where="critical_role")
    form = Form(
        kind, await critical_forms.filled(page, kind, typed, may_confirm="verification" in chart.may), typed=typed
    )
    draft = form.filled.draft
    if typed.get("do") == "search" or draft is None or (kind not in TREATMENTS and not draft.about.name):
        return _take(page, chart, entry, form, typed["shown"], 200 if typed.get("do") == "search" else 400)
    try:
        await page.house.settle_abroad(page.who, page.visit, seen, "take-in", draft=draft)
    except Refusal as refusal:
        if refusal.status == 412:
            now = _sealed(page, seen.document, seen.place, chart.opened.tags)
            return _take(page, chart, entry, form, now, 409, stale=True)
        rules = rules_of(refusal)
        return _take(page, chart, entry, replace(form, rules=rules), typed["shown"], 422)
    return page.go(f"{_root(page)}/{seen.document}?noted=taken#n-{seen.place}")


async def _entry(page: Page) -> tuple[AbroadChart, Compared]:
    chart = await page.house.abroad_opened(page.who, page.visit, _number(page), tells_beside=False)
    found = chart.opened.at(_place(page))
    if found is None or not found.may_be_taken or not chart.opened.held.is_open:
        raise Refusal(404, "There is no such entry to take in.", where="abroad")
    return chart, found


async def take_back(page: Page) -> Response:
    """It was brought by mistake."""
    why = page.checked().get("why", "")
    if fault := critical_forms.wrong_words(why):
        chart = await page.house.abroad_opened(page.who, page.visit, _number(page))
        return _one(page, chart, 400, place=-2, typed={"why": why}, fault=page.say(f"critical.fault_{fault}"))
    await page.house.take_back_abroad(page.who, page.visit, _number(page), why)
    return page.go(f"{_root(page)}?noted=back")


async def whole(page: Page) -> Response:
    """All that the document says, as any summary is shown."""
    held, raw = await page.house.abroad_content(page.who, page.visit, _number(page))
    body = await _laid_out(page, raw)
    patient = await page.house.patient(page.who, page.visit)
    return page.render(
        "clinician/abroad_whole.html", title=page.say("abroad.whole"), patient=patient, held=held, body=body
    )


async def file(page: Page) -> Response:
    """The bytes as they came, as a file and never as a page of ours."""
    number = _number(page)
    held, raw = await page.house.abroad_content(page.who, page.visit, number)
    name = f"{number}.{'xml' if held.told.media == XML_TYPE else 'json'}"
    return Response(raw, media_type=held.told.media, headers={"content-disposition": f'attachment; filename="{name}"'})


async def _laid_out(page: Page, raw: bytes) -> Markup:
    async with page.desk.reading(raw):
        return await apart.work(_body, raw, page.reads_as)


def _body(raw: bytes, language: str) -> Markup:
    return rendered(foreign_document.read(raw), language)


async def mine(page: Page) -> Response:
    """What is kept of the citizen, and how it was settled."""
    shelf = await page.house.abroad(page.who, page.visit)
    return page.render("me/abroad.html", title=page.say("abroad.my_title"), person=await person_of(page), shelf=shelf)


async def my_document(page: Page) -> Response:
    """One of them as it is, with what was decided about each entry."""
    number = _number(page)
    chart = await page.house.abroad_opened(page.who, page.visit, number, tells_beside=False)
    body = Markup()
    if not chart.opened.is_anothers:
        _, raw = await page.house.abroad_content(page.who, page.visit, number)
        body = await _laid_out(page, raw)
    return page.render(
        "me/abroad_document.html", title=page.say("abroad.my_title"), person=await person_of(page), chart=chart,
        opened=chart.opened, held=chart.opened.held, body=body,
    )  # fmt: skip


def _number(page: Page) -> UUID:
    try:
        return UUID(page.request.path_params["document"])
    except ValueError:
        raise Refusal(404, "There is no such document.", where="abroad") from None


def _place(page: Page) -> int:
    text = str(page.request.path_params["place"])
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise Refusal(404, "There is no such entry.", where="abroad")
    return int(text)
