"""The operator's pages on persons: two numbers of one human linked in two steps, and a wrong link undone in two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_name
from kjerne.pages import words
from kjerne.pages.desk import Page
from kjerne.services.persons.api import number_of
from kjerne.store.linking import Link

ROOT: Final = "/operations/persons"
FIELDS: Final = ("one", "other", "reason")


async def links(page: Page) -> Response:
    """What was linked and unlinked, newest first: when, by whom, why. Of whom nobody is told."""
    saved = page.request.query_params.get("saved", "")
    return page.render(
        "operations/persons.html",
        title=page.say("persons.title"),
        links=await page.house.links(page.who),
        saved=saved if saved in ("linked", "undone") else "",
    )


async def link_form(page: Page) -> Response:
    """Which two numbers, and why."""
    return _link_form(page, {})


def _link_form(page: Page, typed: Mapping[str, str], refusal: Refusal | None = None) -> Response:
    return page.render(
        "operations/link.html",
        status=refusal.status if refusal else 200,
        title=page.say("persons.link"),
        typed=typed,
        fault=_fault(page, refusal),
        wrong=refusal.where if refusal else "",
    )


async def link_preview(page: Page) -> Response:
    """What the register says of the two, and what a link will do."""
    typed = _typed(page.checked())
    try:
        found = await page.house.compare_persons(page.who, typed["one"], typed["other"], typed["reason"])
    except Refusal as refusal:
        return _link_form(page, typed, _told_here(refusal))
    return page.render("operations/link_preview.html", title=page.say("persons.effect"), typed=typed, found=found)


async def link_save(page: Page) -> Response:
    """Link the two, once the effect was shown."""
    typed = _typed(page.checked(fresh=True))
    try:
        await page.house.link_persons(page.who, typed["one"], typed["other"], typed["reason"])
    except Refusal as refusal:
        return _link_form(page, typed, _told_here(refusal))
    return page.go(f"{ROOT}?saved=linked")


async def undo_form(page: Page) -> Response:
    """Why a link is undone."""
    return await _undo_form(page, _number(page), {})


async def _undo_form(page: Page, number: int, typed: Mapping[str, str], refusal: Refusal | None = None) -> Response:
    return page.render(
        "operations/unlink.html",
        status=refusal.status if refusal else 200,
        title=page.say("persons.undo"),
        link=_one(await page.house.links(page.who), number),
        typed=typed,
        fault=_fault(page, refusal),
        wrong=refusal.where if refusal else "",
    )


async def undo_preview(page: Page) -> Response:
    """What was shown over the link, before it is undone."""
    form, number = page.checked(), _number(page)
    reason = form.get("reason", "")
    try:
        found = await page.house.shown_over(page.who, number, reason)
    except Refusal as refusal:
        return await _undo_form(page, number, {"reason": reason}, _told_here(refusal))
    looks = [(look, [(type_name(type_), count) for type_, count in look.types]) for look in found.looks]
    return page.render(
        "operations/unlink_preview.html", title=page.say("persons.undo_effect"), found=found, looks=looks, reason=reason
    )


async def undo_save(page: Page) -> Response:
    """Undo the link, once what was shown over it was told."""
    form = page.checked(fresh=True)
    await page.house.unlink_persons(page.who, _number(page), form.get("reason", ""))
    return page.go(f"{ROOT}?saved=undone")


def _typed(form: Mapping[str, str]) -> dict[str, str]:
    return {name: form.get(name, "").strip() for name in FIELDS}


def _number(page: Page) -> int:
    return number_of(page.request.path_params["number"])


def _one(found: tuple[Link, ...], number: int) -> Link:
    link = next((one for one in found if one.number == number), None)
    if link is None:
        raise Refusal(404, "No such page.", where="page")
    return link


def _told_here(refusal: Refusal) -> Refusal:
    """A fault in what was typed is told on the form; another is a page of its own."""
    if not words.knows(f"persons.fault_{refusal.where}"):
        raise refusal
    return refusal


def _fault(page: Page, refusal: Refusal | None) -> str:
    if refusal is None:
        return ""
    key = f"persons.fault_{refusal.where}"
    return page.say(f"{key}_{refusal.status}" if words.knows(f"{key}_{refusal.status}") else key)
