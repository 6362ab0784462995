"""Critical information in the reader's words: code systems, dates as FHIR spells them, who wrote, and one version as facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from kjerne.pages import formats, words
from kjerne.pages.words import Language
from kjerne.registries.kj_profiles import ATC, FEST_MEDICATION, FEST_SUBSTANCE, SNOMED
from kjerne.registries.recorders import Author
from kjerne.services.critical.drafts import ICD_10
from kjerne.services.critical.entries import Version

_SYSTEMS = {
    ATC: "ATC", FEST_SUBSTANCE: "FEST virkestoff", FEST_MEDICATION: "FEST legemiddel", SNOMED: "SNOMED CT", ICD_10: "ICD-10",
}  # fmt: skip
HPR = "hpr:"
LONGEST = 80


def system(address: str) -> str:
    """What a code system is called; one that nobody here knows by its address."""
    return _SYSTEMS.get(address, address)


def iso_day(text: str, language: Language) -> str:
    """A date or dateTime of FHIR as a day in Norway; as it stands where it is a month, a year or nothing of the kind."""
    try:
        found = datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    except ValueError:
        return text
    return formats.day(found, language)


def facts(version: Version, names: Mapping[str, str], language: Language) -> tuple[tuple[str, str], ...]:
    """What a version says, fact by fact: the name of each and its text, those without a text left out."""
    codes = " · ".join(f"{system(one.system)} {one.code}" for one in (*version.codes, *version.substances) if one.code)

    def word(section: str, key: str) -> str:
        return words.say(language, f"{section}.{key}") if key else ""

    # What the profile demands of each entry says nothing of one that says that nothing is known.
    is_negative = bool(version.negative)
    told = (
        ("about", version.name), ("code", codes), ("reaction", "" if is_negative else version.reaction),
        ("criticality", "" if is_negative else word("critical", version.criticality)),
        ("certainty", word("critical", version.certainty)),
        ("standing", word("critical", f"standing_{version.standing}")), ("source", version.source),
        ("note", "; ".join(version.notes)), ("valid", iso_day(version.valid_until, language)),
        ("since", iso_day(version.implanted, language)), ("by", written_by(version.by, names, language)),
    )  # fmt: skip
    return tuple((key, text) for key, text in told if text)


def written_by(by: Author, names: Mapping[str, str], language: Language) -> str:
    """A name, a profession and a place, as far as the registers know them, and whose word that is where a system sent it.

    `names` has places by their numbers, and what `people` gives. What is not of a register is told as not checked."""
    if not any(by):
        return words.say(language, "critical.unknown_author")
    known = names.get(f"{HPR}{by.hpr}", "") if by.hpr else ""
    role = names.get(f"{HPR}{by.hpr}/{by.role}", "") if known and by.role else ""
    role = words.say(language, f"role.{role}") if words.knows(f"role.{role}") else role
    parts = (known or _unchecked(by, language), role, names.get(by.organisation, by.organisation))
    told = ", ".join(part for part in parts if part)
    sender = names.get(by.told_by, by.told_by)
    return words.say(language, "critical.told_by", who=told, sender=sender) if sender else told


def people(named: Mapping[str, str], professions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What `written_by` is told of people: names by HPR number, and which of their professions are registered."""
    return {f"{HPR}{hpr}": name for hpr, name in named.items()} | {
        f"{HPR}{hpr}/{role}": role for hpr, role in professions
    }


def _unchecked(by: Author, language: Language) -> str:
    """What a sender calls somebody whom the register of health personnel does not have by that number, and that it is that."""
    name = f"{by.name[:LONGEST]}…" if len(by.name) > LONGEST else by.name
    return words.say(language, "critical.unchecked", name=name) if name else words.say(language, "critical.nameless")
