"""The citizen's page of choices about one service: what holds now, what can be chosen, and what a choice does before it is saved.

Two steps for each: a form says what is wished, the next page tells its effect, and only its button saves. Works without
script; what cannot be is told on the page in the reader's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from starlette.responses import Response

from kjerne.access import Wish
from kjerne.errors import Refusal
from kjerne.pages.desk import Page
from kjerne.pages.house import Represented
from kjerne.pages.reader import person_of, reading_of
from kjerne.pages.shown import OnPage
from kjerne.pages.words import knows
from kjerne.policy.privacy import GROUPS
from kjerne.policy.services import IN_USE, SERVICES, deleted_after
from kjerne.services.results.values import OSLO

KINDS: Final = ("block", "restriction", "consent", "record", "opt-out")
FAULTS: Final = frozenset(
    {"hpr", "until", "source", "organisation", "course", "record", "kind", "part", "of", "whom", "regret"}
)
"""Places in a form that a fault is told for in words of its own; any other has the general ones."""

OF_DELETION: Final = ("opt-out_new", "opt-out_own", "opt-out_written")
"""What an opt-out that deletes does beside it: nothing new is filed (law, K13), she still sees what is there, and what she
wrote goes with it (K87)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A wish in the reader's words: of what, against or for whom, and to the end of which day."""

    what: str = ""
    whom: str = ""
    until: datetime | None = None


async def privacy(page: Page) -> Response:
    """Choices in force, and what can be chosen."""
    return await _privacy(page, _service(page.request.query_params))


async def _privacy(page: Page, service: str, fault: str = "", status: int = 200) -> Response:
    choices = [one for one in await page.house.choices(page.who, page.visit) if one.service == service]
    services = await page.house.chooses_in(page.who, page.visit)
    if service not in services:
        raise _no_service()
    person = await person_of(page)
    return page.render(
        "me/privacy.html",
        status=status,
        title=page.say(_said_to(person, "me.privacy"), name=person.name),
        person=person,
        choices=choices,
        can=await page.house.may_choose(page.who, page.visit),
        opted_out=any(choice.kind == "opt-out" for choice in choices),
        blockable=await page.house.blockable(page.who, page.visit),
        places=await page.house.places(page.who, page.visit, service),
        kinds=SERVICES[service].parts,
        service=service,
        services=services,
        asks_consent=any(role.needs_consent for role in SERVICES[service].roles.values()),
        groups=GROUPS,
        saved=page.request.query_params.get("saved", ""),
        fault=fault,
    )


async def preview(page: Page) -> Response:
    """What a choice will do, before it does it."""
    form = page.checked()
    try:
        wish = _wish(form, page.now)
        if wish.service not in await page.house.chooses_in(page.who, page.visit):
            raise _no_service()
        if wish.kind not in await page.house.may_choose(page.who, page.visit):
            raise Refusal(403, "This choice is not the reader's to make.", where="kind")
        shown = await _shown(page, wish)
    except Refusal as refusal:
        return await _refused(page, refusal)
    return await _effect(page, form, wish, shown)


async def _effect(page: Page, form: Mapping[str, str], wish: Wish, shown: Shown) -> Response:
    person = await person_of(page)
    return page.render(
        "me/privacy_preview.html",
        title=page.say(_said_to(person, _key(wish.service, f"{wish.kind}_title"))),
        service=wish.service,
        person=person,
        wish=wish,
        form=form,
        shown=shown,
        effects=[_said_to(person, key) for key in _effects(wish)],
        save=_said_to(person, _key(wish.service, f"{wish.kind}_save")),
        seen=page.handle_of(_seen(page, wish)),
        deletion=page.now + regret if (regret := deleted_after(wish.service)) is not None else None,
    )


async def save(page: Page) -> Response:
    """Put a choice in force, once its effect was shown: an opt-out whose was not shows it, and saves nothing."""
    form = page.checked(fresh=True)
    try:
        wish = _wish(form, page.now)
        if await _is_unseen(page, form, wish):
            return await preview(page)
        await page.house.choose(page.who, page.visit, wish)
    except Refusal as refusal:
        return await _refused(page, refusal)
    return page.go(f"/me/privacy?service={wish.service}&saved=made")


async def _is_unseen(page: Page, form: Mapping[str, str], wish: Wish) -> bool:
    """Whether this would delete without having been shown what it does. Who may not make it is refused, with a row in the log."""
    if wish.kind != "opt-out" or form.get("seen", "") == page.handle_of(_seen(page, wish)):
        return False
    return wish.kind in await page.house.may_choose(page.who, page.visit)


def _seen(page: Page, wish: Wish) -> str:
    """What the button of an opt-out's effect stands for: this service, for this patient."""
    return f"opt-out {page.visit.patient} {wish.service}"


async def lift(page: Page) -> Response:
    """Take a choice back."""
    form = page.checked(fresh=True)
    try:
        await page.house.lift(page.who, page.visit, form.get("number", ""))
    except Refusal as refusal:
        return await _refused(page, refusal)
    return page.go(f"/me/privacy?service={_service(form)}&saved=lifted")


async def _refused(page: Page, refusal: Refusal) -> Response:
    """The page again, with what cannot be; a fault that is not the form's own stays one."""
    if refusal.status not in (400, 404, 409, 422) and refusal.where != "kind":
        raise refusal
    place = "again" if refusal.rule == "choice-in-force" else refusal.where if refusal.where in FAULTS else "other"
    fault = page.say(_said_to(await person_of(page), f"privacy.fault_{place}"))
    return await _privacy(page, _service(page.form), fault, refusal.status)


def _service(said: Mapping[str, str]) -> str:
    """The service that an address or a form names, results where it names none; `Refusal` 404 for one that is not in use."""
    name = said.get("service") or "results"
    if name not in IN_USE:
        raise _no_service()
    return name


def _no_service() -> Refusal:
    return Refusal(404, "There is no such service to choose for.", where="service")


def _key(service: str, name: str) -> str:
    """The key of a text that speaks of the service's own content, where it has one."""
    own = f"privacy-{service}.{name}"
    return own if knows(own) else f"privacy.{name}"


def _said_to(person: Represented, key: str) -> str:
    """The key of a text as it is said to who looks at her own record, or acts for whose it is."""
    other = f"{key}_other"
    return other if person.tie != "self" and knows(other) else key


def _wish(form: Mapping[str, str], now: datetime) -> Wish:
    """What a form asks for; `Refusal` 400 where it cannot be read."""
    kind = form.get("kind", "")
    if kind not in KINDS:
        raise Refusal(400, "Unknown choice.", where="kind")
    hpr = (form.get("typed", "").strip() or form.get("hpr", "")).strip()
    if kind == "block" and not hpr:
        raise Refusal(400, "Nobody is named.", where="hpr")
    service = _service(form)
    part, source = _part(form.get("of", ""), service)
    role, organisation = _whom(form.get("whom", ""))
    if kind == "consent" and not organisation:
        raise Refusal(400, "Nobody is named.", where="organisation")
    return Wish(
        kind, service, hpr=hpr if kind == "block" else "", organisation=organisation, until=_until(form.get("until", ""), now),
        role=role, part=part, source=source, course=form.get("course", "").strip(), record=form.get("record", ""),
    )  # fmt: skip


def _part(text: str, service: str) -> tuple[str, str]:
    """(kind of content, sending organisation) of a select: `radiology`, `from:983974899`, or nothing for all."""
    if text.startswith("from:"):
        return "", text.removeprefix("from:")
    if text and text not in SERVICES[service].parts:
        raise Refusal(400, "There is no such kind of content.", where="of")
    return text, ""


def _whom(text: str) -> tuple[str, str]:
    """(group of roles, organisation) of a select: `nurses`, `at:100000008`, or nothing for everybody."""
    if text.startswith("at:"):
        return "", text.removeprefix("at:")
    if text and text not in GROUPS:
        raise Refusal(400, "There is no such group.", where="whom")
    return text, ""


def _until(text: str, now: datetime) -> datetime | None:
    """The midnight after a day, in Norway: a consent to the 5th holds all of the 5th."""
    if not text:
        return None
    try:
        day = datetime.fromisoformat(text).date() + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise Refusal(400, "This is no date.", where="until") from error
    until = datetime.combine(day, time(), OSLO).astimezone(UTC)
    if until <= now:
        raise Refusal(400, "The day is over.", where="until")
    return until


async def _shown(page: Page, wish: Wish) -> Shown:
    """The names of what and whom it is about; `Refusal` where the page offers no such place, person or answer."""
    places: dict[str, str] = {}
    if wish.source or wish.organisation:
        places = {place.number: place.name for place in await page.house.places(page.who, page.visit, wish.service)}
    for number, where in ((wish.source, "of"), (wish.organisation, "whom")):
        if number and number not in places:
            raise Refusal(400, "There is no such place to choose.", where=where)
    if wish.kind == "block":
        found = await page.house.health_worker(page.who, page.visit, wish.hpr)
        if found is None:
            raise Refusal(404, "Nobody has this number.", where="hpr")
        return Shown(whom=found.name)
    if wish.kind == "consent":
        last = wish.until - timedelta(microseconds=1) if wish.until else None
        return Shown(wish.course, places[wish.organisation], last)
    if wish.kind == "record":
        reading = await reading_of(page, lambda _: OnPage())
        if wish.record not in {answer.id for answer in reading.answers}:
            raise Refusal(404, "There is no such answer to choose.", where="record")
    if wish.kind != "restriction":
        return Shown()
    what = page.say(f"privacy.part_{wish.part}") if wish.part else ""
    if wish.source:
        what = page.say(_key(wish.service, "part_from"), who=places[wish.source])
    whom = page.say(f"privacy.group_{wish.role}") if wish.role else places.get(wish.organisation, "")
    return Shown(what or page.say(_key(wish.service, "part_all")), whom or page.say("privacy.group_all"))


def _effects(wish: Wish) -> tuple[str, ...]:
    """Keys of the sentences that tell what it does."""
    kind = "part" if wish.kind == "restriction" and (wish.part or wish.source) else wish.kind
    parts = [f"{kind}_effect{number}" for number in (1, 2, 3)]
    if wish.kind == "opt-out" and deleted_after(wish.service) is not None:
        parts += OF_DELETION
    return tuple(_key(wish.service, part) for part in parts)
