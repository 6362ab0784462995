"""The form of an entry of critical information: what was typed, made into a draft, or told field by field what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from kjerne.exchange import CONTROL
from kjerne.pages.critical_house import Codes
from kjerne.pages.desk import Page
from kjerne.policy.people import norwegian_day
from kjerne.registries.identifiers import numbers_in
from kjerne.registries.standing import last_day
from kjerne.registries.wording import says_something
from kjerne.services.critical.drafts import (
    BY_WORDS,
    CODED_BY,
    OTHER_ALLERGENS,
    REACTIONS,
    SOURCES,
    TREATMENTS,
    TYPE_BY_KIND,
    Draft,
)
from kjerne.services.critical.entries import NO_CODE, Coded, Entry, Version

CRITICALITIES: Final = ("high", "low", "unable-to-assess")
KNOWN_SOURCES: Final = (Coded(SOURCES, "1", "Resultat av test"), Coded(SOURCES, "2", "Observert"))
"""The codes of the system that were seen; whoever loads it has them all."""
TYPED: Final = "typed"
"""What a list of codes has last: a code that is typed."""
NAME_LIMIT: Final = 200
CODE_LIMIT: Final = 64
NOTE_LIMIT: Final = 1_000
REASON_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was filled in. `draft` is there where nothing is wrong; `faults` are by field, each the name of a text."""

    draft: Draft | None
    faults: Mapping[str, str] = field(default_factory=dict)
    codes: Codes | None = None
    reactions: tuple[Coded, ...] = ()
    sources: tuple[Coded, ...] = ()
    chosen: Coded = NO_CODE
    """What was chosen before from a list, so that a new search does not lose it."""
    systems: tuple[str, ...] = ()


def systems_of(kind: str) -> tuple[str, ...]:
    """The code systems that an entry of a kind is coded by."""
    return CODED_BY[TYPE_BY_KIND[kind]]


def wrong_words(text: str) -> str:
    """What is wrong with a reason, as the name of a text; empty where it says something."""
    if len(text) < REASON_LENGTH or not says_something(text):
        return "why"
    if len(text) > NOTE_LIMIT:
        return "long"
    return "number" if numbers_in(text) else ""


def merged(typed: Mapping[str, str], was: Mapping[str, str], now: Version) -> Mapping[str, str]:
    """What was typed over a version that another has overtaken: a field that says what `was` there says what stands now."""
    stands = typed_of(now)
    about = {"pick", "name", "system", "code"}
    is_about_kept = all(typed.get(key, "") == was.get(key, "") for key in ("pick", "name") if key in typed)
    kept = {key for key in stands if key not in about and _plain(typed.get(key, "")) == _plain(was.get(key, ""))}
    return {**typed, **{key: stands[key] for key in (*kept, *(about & stands.keys() if is_about_kept else ()))}}


def typed_of(now: Version) -> Mapping[str, str]:
    """The fields of a form as they say what stands in a version."""
    main = now.codes[0] if now.codes else Coded("", "", now.name)
    return {
        "pick": f"{main.system}|{main.code}" if main.code else TYPED, "name": main.name or now.name,
        "criticality": now.criticality, "reaction": "kept", "source": "kept" if now.source else "", "category": now.category,
        "note": "\n".join(now.notes), "valid_until": last_day(now.valid_until), "implanted": now.implanted[:10],
        "excipient": "yes" if now.of_excipient else "",
    }  # fmt: skip


async def filled(
    page: Page, kind: str, typed: Mapping[str, str], *, may_confirm: bool = False, before: Entry | None = None
) -> Filled:
    """The form with its lists; its draft only where it was posted to be kept and nothing in it is wrong."""
    is_allergy = TYPE_BY_KIND[kind] == "AllergyIntolerance"
    reactions = await page.house.listed_codes(REACTIONS) if is_allergy else ()
    sources = await page.house.listed_codes(SOURCES) or KNOWN_SOURCES
    codes = await page.house.find_codes(kind, _plain(typed.get("words", "")))
    faults: dict[str, str] = {}
    about = TREATMENTS.get(kind) or await _about(page, kind, typed, faults, before)
    reaction = _reaction(typed, reactions, faults, before) if is_allergy else NO_CODE
    source = _source(typed, sources, faults, before, is_demanded=is_allergy)
    criticality = typed.get("criticality", "") if is_allergy else ""
    if is_allergy and criticality not in CRITICALITIES:
        faults["criticality"] = "choose"
    category = typed.get("category", "")
    if kind == "other-allergen" and category not in OTHER_ALLERGENS:
        faults["category"] = "choose"
    note = "\n".join(_plain(line) for line in typed.get("note", "").split("\n"))
    if len(note) > NOTE_LIMIT:
        faults["note"] = "long"
    elif numbers_in(note):
        faults["note"] = "number"
    today = norwegian_day(page.now)
    until, implanted = _day(typed, "valid_until", faults), _day(typed, "implanted", faults)
    if implanted and implanted > today.isoformat():
        faults["implanted"] = "ahead"
    draft = Draft(
        kind, about, criticality, may_confirm and typed.get("confirmed") == "yes", reaction, source, category,
        note,
        until, implanted, typed.get("excipient") == "yes",
    )  # fmt: skip
    return Filled(
        None if faults or not typed else draft, faults if typed.get("do") == "save" else {}, codes, reactions, sources,
        about if about.name else NO_CODE, systems_of(kind),
    )  # fmt: skip


async def _about(
    page: Page, kind: str, typed: Mapping[str, str], faults: dict[str, str], before: Entry | None
) -> Coded:
    """What it is about: the code that stood, one that was found, or one that was typed."""
    pick = typed.get("pick", "")
    if pick == TYPED:
        found, fault = await _about_typed(page, kind, typed)
    else:
        found, fault = await _about_picked(page, kind, pick, before)
    if fault:
        faults["about"] = fault
    return NO_CODE if fault else found


async def _about_picked(page: Page, kind: str, pick: str, before: Entry | None) -> tuple[Coded, str]:
    system, _, code = pick.partition("|")
    held = before.now.codes[0] if before and before.now.codes else NO_CODE
    if held.code and (held.system, held.code) == (system, code):
        return held, ""
    found = await page.house.code(system, code) if system in systems_of(kind) and _is_code(code) else None
    return (found, "") if found and found.name else (NO_CODE, "choose")


async def _about_typed(page: Page, kind: str, typed: Mapping[str, str]) -> tuple[Coded, str]:
    system, code, name = typed.get("system", ""), _plain(typed.get("code", "")), _plain(typed.get("name", ""))
    if not (code or name):
        return NO_CODE, "choose"
    if numbers_in(name) or numbers_in(code):
        return NO_CODE, "number"
    if not code and TYPE_BY_KIND[kind] == BY_WORDS:
        return (Coded("", "", name), "") if len(name) <= NAME_LIMIT else (NO_CODE, "name")
    if system not in systems_of(kind) or not _is_code(code):
        return NO_CODE, "code"
    found = await page.house.code(system, code)
    fault = "unknown" if found is None else "" if found.name or 0 < len(name) <= NAME_LIMIT else "name"
    return Coded(system, code, (found.name if found else "") or name), fault


def _reaction(
    typed: Mapping[str, str], listed: tuple[Coded, ...], faults: dict[str, str], before: Entry | None
) -> Coded:
    chosen = typed.get("reaction", "")
    if chosen == "kept" and before is not None and before.now.coded_reaction.code:
        return before.now.coded_reaction
    if listed:
        found = next((one for one in listed if one.code == chosen), NO_CODE)
        if not found.code:
            faults["reaction"] = "choose"
        return found
    return _typed(typed, "reaction", REACTIONS, faults)


def _source(
    typed: Mapping[str, str],
    listed: tuple[Coded, ...],
    faults: dict[str, str],
    before: Entry | None,
    *,
    is_demanded: bool,
) -> Coded:
    chosen = typed.get("source", "")
    if chosen == "kept" and before is not None and before.now.coded_source.code:
        return before.now.coded_source
    if chosen == TYPED:
        return _typed(typed, "source", SOURCES, faults)
    found = next((one for one in listed if one.code == chosen), NO_CODE)
    if not found.code and (is_demanded or chosen):
        faults["source"] = "choose"
    return found


def _typed(typed: Mapping[str, str], name: str, system: str, faults: dict[str, str]) -> Coded:
    code, said = _plain(typed.get(f"{name}_code", "")), _plain(typed.get(f"{name}_name", ""))
    if not _is_code(code) or not said or len(said) > NAME_LIMIT:
        faults[name] = "code"
    elif numbers_in(said) or numbers_in(code):
        faults[name] = "number"
    return Coded(system, code, said)


def _is_code(code: str) -> bool:
    return 0 < len(code) <= CODE_LIMIT


def _plain(text: str) -> str:
    """In one line, as a code and a name are."""
    return " ".join(CONTROL.sub(" ", text).split())


def _day(typed: Mapping[str, str], name: str, faults: dict[str, str]) -> str:
    text = typed.get(name, "")
    if not text:
        return ""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or len(text) != len("2026-01-01") or not 1900 <= found.year <= 2200:
        faults[name] = "day"
        return ""
    return text
