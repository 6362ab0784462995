"""Critical information on the clinician's pages: seen first, registered, verified, refuted, changed and taken back.

A form is bound to its patient as every form is, and to the version of the entry that it was shown for: where another stands by
now both are shown beside what was typed, and nothing that was typed is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.pages import critical_forms, critical_words
from kjerne.pages.abroad_house import AbroadChart
from kjerne.pages.critical_forms import Filled
from kjerne.pages.critical_house import (
    DEEDS,
    CriticalChart,
    Shelf,
    Shows,
    State,
    all_of_it,
    none_of_it,
    one_of_them,
)
from kjerne.pages.desk import Page, patiently
from kjerne.pages.reader import person_of, rule_language
from kjerne.policy.words import says
from kjerne.registries.contents import VERIFICATION
from kjerne.services.critical.drafts import BY_WORDS, TREATMENTS, TYPE_BY_KIND, Deed, deeds_upon
from kjerne.services.critical.entries import Entry
from kjerne.wire import journal

NOTED: Final = ("registered", *DEEDS)
WORDED: Final[frozenset[Deed]] = frozenset({"refute", "restore", "retract"})
"""What is done with a reason in words, which stands in the entry from then on."""


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """The version of an entry that one login was shown."""

    session: str
    type: str
    id: str
    version: int


@dataclass(frozen=True, slots=True)
class ShownAlike:
    """The entries (id, version) that one login was shown as maybe the same."""

    session: str
    entries: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Form:
    """What a page of a form shows beside its fields. `saw` and `stands` are versions of `entry` that differ."""

    kind: str
    filled: Filled
    entry: Entry | None = None
    alike: tuple[Entry, ...] = ()
    saw: int = 0
    rules: tuple[str, ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)


async def shelf(page: Page, shows: Shows = all_of_it, *, alone: bool = False) -> Shelf:
    """Critical information for a page that shows other things too: its failure is told, and is never nothing registered."""
    try:
        return Shelf(await patiently(page.house.critical(page.who, page.visit, shows, alone=alone)))
    except Denied as no:
        reason = says(no.denial.rule, rule_language(page)) or no.denial.says
        return Shelf(state=cast("State", no.denial.outcome or "refused"), reason=reason)
    except Refusal as no:
        if no.status < 500:
            raise
    except Exception as error:  # noqa: BLE001 - noted with its trace
        journal.met(error, page.correlation, page.route)
    return Shelf(state="silent")


async def whole(page: Page) -> Response:
    """All of it, with its history, and who takes part."""
    found = await shelf(page)
    patient = found.chart.patient if found.chart else await _named(page, found)
    noted = page.request.query_params.get("noted", "")
    return page.render(
        "clinician/critical.html", title=page.say("critical.title"), patient=patient, shelf=found,
        noted=noted if noted in NOTED else "", status=503 if found.state == "silent" else 403 if found.state else 200,
    )  # fmt: skip


async def _named(page: Page, found: Shelf) -> Any:
    """The identity bar where nothing is shown: her name where it may be known, and the page of refusal for a stranger."""
    if found.state == "silent":
        return await page.house.patient(page.who, page.visit)
    patient = await page.house.patient(page.who, page.visit, refused=True)
    if patient is None:
        await page.house.critical(page.who, page.visit)
    return patient


async def new(page: Page) -> Response:
    """Which kind, and then its form."""
    chart = await page.house.critical(page.who, page.visit, none_of_it)
    kind = page.request.query_params.get("kind", "")
    if kind in TYPE_BY_KIND:
        _must(chart, kind)
        return await _form(page, chart, Form(kind, await critical_forms.filled(page, kind, {})))
    kinds = [one for one in TYPE_BY_KIND if one in chart.may]
    return page.render(
        "clinician/critical_kinds.html", title=page.say("critical.new"), patient=chart.patient, kinds=kinds
    )


async def register(page: Page) -> Response:
    """Search for what it is about, or register it: alike entries are shown first, and anew where others have come since."""
    typed = page.checked()
    kind = typed.get("kind", "")
    if kind not in TYPE_BY_KIND:
        raise Refusal(404, "There is no such kind.", where="page")
    chart = await page.house.critical(page.who, page.visit, none_of_it)
    _must(chart, kind)
    filled = await critical_forms.filled(page, kind, typed, may_confirm=VERIFICATION in chart.may)
    form = Form(kind, filled, typed=typed)
    if typed.get("do") == "search" or filled.draft is None:
        return await _form(page, chart, form, 400 if typed.get("do") != "search" else 200)
    alike = await page.house.critical_alike(page.who, page.visit, filled.draft)
    if not _seen(page, typed, alike):
        return await _form(page, chart, replace(form, alike=alike), 409)
    try:
        id_ = await page.house.register_critical(page.who, page.visit, filled.draft)
    except Refusal as refusal:
        return await _form(page, chart, replace(form, rules=rules_of(refusal)), 422)
    return page.go(f"/clinician/v/{page.visit.id}/critical?noted=registered#e-{id_}")


def _seen(page: Page, typed: Mapping[str, str], alike: tuple[Entry, ...]) -> bool:
    """Whether every alike entry was shown in the version that it has, and she has said that hers is another."""
    if not alike:
        return True
    shown = page.desk.seal.open("alike", typed.get("alike", ""), ShownAlike)
    if shown is None or shown.session != _login(page) or typed.get("despite") != "yes":
        return False
    return {(one.id, one.now.number) for one in alike} <= set(shown.entries)


async def one(page: Page) -> Response:
    """One entry with its history and what can be done with it."""
    chart, entry = await _entry(page)
    return _one(page, chart, entry)


def _one(page: Page, chart: CriticalChart, entry: Entry, status: int = 200, **more: Any) -> Response:
    given: dict[str, Any] = {"saw": 0, "deed": "", "why": "", "fault": ""}
    return page.render(
        "clinician/critical_entry.html", status=status, title=entry.now.name or page.say("critical.title"),
        patient=chart.patient, chart=chart, entry=entry, shown=_sealed(page, entry), deeds=_deeds(chart, entry),
        **(given | more),
    )  # fmt: skip


async def change(page: Page) -> Response:
    """The form of one entry, filled in as it stands."""
    chart, entry = await _entry(page, history=False)
    if "change" not in _deeds(chart, entry):
        raise Refusal(403, "What is registered so is not hers to change.", where="critical_role")
    typed = critical_forms.typed_of(entry.now)
    filled = await critical_forms.filled(page, entry.now.kind, typed, before=entry)
    return await _form(page, chart, Form(entry.now.kind, filled, entry, typed=typed))


async def act(page: Page) -> Response:
    """One deed upon the version that was shown; where another stands both are shown, with what she typed."""
    typed, deed = page.checked(), cast("Deed", page.request.path_params["deed"])
    if deed not in DEEDS:
        raise Refusal(404, "No such page.", where="page")
    shown = page.desk.seal.open("entry", typed.get("shown", ""), ShownEntry)
    named = page.request.path_params
    if shown is None or shown.session != _login(page) or (shown.type, shown.id) != (named["type"], named["id"]):
        raise Refusal(403, "The entry was shown to another login.", where="form")
    if deed == "change":
        return await _changed(page, shown, typed)
    why = typed.get("why", "")
    if deed in WORDED and (fault := critical_forms.wrong_words(why)):
        chart, entry = await _entry(page)
        return _one(page, chart, entry, 400, deed=deed, why=why, fault=page.say(f"critical.fault_{fault}"))
    try:
        await page.house.change_critical(page.who, page.visit, (shown.type, shown.id, shown.version), deed, why, None)
    except Refusal as refusal:
        if refusal.status not in (410, 412):
            raise
        chart, entry = await _entry(page)
        return _one(page, chart, entry, 409, saw=shown.version, deed=deed, why=why)
    return page.go(f"/clinician/v/{page.visit.id}/critical?noted={deed}#e-{shown.id}")


async def _changed(page: Page, shown: ShownEntry, typed: Mapping[str, str]) -> Response:
    chart, entry = await _entry(page, history=False)
    kind = entry.now.kind
    filled = await critical_forms.filled(page, kind, typed, before=entry)
    form = Form(kind, filled, entry, typed=typed)
    if typed.get("do") == "search" or filled.draft is None:
        # The version that she was shown first stays what her change is held against.
        return await _form(page, chart, form, 400 if typed.get("do") != "search" else 200, shown=shown)
    named = shown.type, shown.id, shown.version
    try:
        await page.house.change_critical(page.who, page.visit, named, "change", "", filled.draft)
    except Refusal as refusal:
        if refusal.status == 412:
            return await _overtaken(page, shown, typed)
        if refusal.status != 422:
            raise
        return await _form(page, chart, replace(form, rules=rules_of(refusal)), 422, shown=shown)
    return page.go(f"/clinician/v/{page.visit.id}/critical?noted=change#e-{shown.id}")


async def _overtaken(page: Page, shown: ShownEntry, typed: Mapping[str, str]) -> Response:
    """Both versions, and the form with what she changed: what she did not touch follows the version that stands now, or it would
    be set back by her next press."""
    chart, entry = await _entry(page, history=False, saw=shown.version)
    was = next((one for one in entry.versions if one.number == shown.version), None)
    merged = critical_forms.merged(typed, critical_forms.typed_of(was) if was else {}, entry.now)
    filled = await critical_forms.filled(page, entry.now.kind, merged, before=entry)
    return await _form(page, chart, Form(entry.now.kind, filled, entry, saw=shown.version, typed=merged), 409)


def rules_of(refusal: Refusal) -> tuple[str, ...]:
    """What a profile demands, with its place; anything else is not for a form to show."""
    if refusal.status != 422:
        raise refusal
    found = [refusal.fault, *refusal.faults] if refusal.fault else list(refusal.faults)
    return tuple(f"{one.where}: {one.says}" for one in found if one) or (refusal.says,)


async def _form(
    page: Page, chart: CriticalChart, form: Form, status: int = 200, shown: ShownEntry | None = None
) -> Response:
    named = form.entry
    sealed = page.desk.seal.seal("entry", shown) if shown else _sealed(page, named) if named else ""
    return rendered_form(page, chart, form, status, sealed)


def rendered_form(
    page: Page, chart: CriticalChart | AbroadChart, form: Form, status: int, shown: str, *,
    template: str = "clinician/critical_form.html", action: str = "", **more: Any,
) -> Response:  # fmt: skip
    """The form of an entry; `shown` is what it is held against, `action` where it goes if it is no form of the register's own."""
    named = form.entry
    title = page.say("critical.change_of", name=named.now.name) if named else page.say(f"critical_kind.{form.kind}")
    alike = ShownAlike(_login(page), tuple((one.id, one.now.number) for one in form.alike))
    return page.render(
        template, status=status, title=title, patient=chart.patient, chart=chart, form=form,
        typed=form.typed, filled=form.filled, kind=form.kind, is_allergy=TYPE_BY_KIND[form.kind] == "AllergyIntolerance",
        is_fixed=form.kind in TREATMENTS, by_words=TYPE_BY_KIND[form.kind] == BY_WORDS,
        shown=shown, may_confirm=VERIFICATION in chart.may, action=action,
        searched=", ".join(map(critical_words.system, form.filled.codes.systems if form.filled.codes else ())),
        alike=page.desk.seal.seal("alike", alike) if form.alike else "", **more,
    )  # fmt: skip


async def _entry(page: Page, *, history: bool = True, saw: int = 0) -> tuple[CriticalChart, Entry]:
    """One entry, of which the page shows its history, or what it is now beside what she saw."""
    named = page.request.path_params
    shows = one_of_them(named["type"], named["id"], history=history, saw=saw)
    chart = await page.house.critical(page.who, page.visit, shows, alone=not history)
    found = next((one for one in chart.entries if (one.type, one.id) == (named["type"], named["id"])), None)
    if found is None:
        raise Refusal(404, "There is no such entry.", where="critical")
    return chart, found


def _deeds(chart: CriticalChart, entry: Entry) -> tuple[Deed, ...]:
    """What the reader may do with an entry as it stands: her role must be one that registers its kind, and what is confirmed
    is for who verifies (law, K71)."""
    now, verifies = entry.now, VERIFICATION in chart.may
    if now.kind not in chart.may or (now.certainty == "confirmed" and not verifies) or now.standing == "in-error":
        return ()
    return tuple(one for one in deeds_upon(entry.type, now) if one != "verify" or verifies)


def _must(chart: CriticalChart, kind: str) -> None:
    if kind not in chart.may:
        raise Refusal(403, "Her role does not register this kind.", where="critical_role")


def _sealed(page: Page, entry: Entry) -> str:
    return page.desk.seal.seal("entry", ShownEntry(_login(page), entry.type, entry.id, entry.now.number))


def _login(page: Page) -> str:
    assert page.session is not None, "routed without a login"
    return page.session.id


async def mine(page: Page) -> Response:
    """The same in the citizen's words, and on paper."""
    found = await shelf(page)
    return page.render(
        "me/critical.html", title=page.say("critical.title"), person=await person_of(page), shelf=found,
        status=503 if found.state == "silent" else 403 if found.state else 200,
    )  # fmt: skip
