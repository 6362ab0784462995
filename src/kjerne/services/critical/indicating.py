"""What the health indicator says of a patient: one of five things, read from her critical information as it stands.

Source: *HelseIndikator* of kjernejournal (kjernejournal.atlassian.net, pages 786989408 and 897220612, read 2026-11-27): statuses,
fields, and the category `OVER_REAK`. The names of the other categories were not seen, and those here are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.errors import sentences
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode
from kjerne.registries.contents import VERIFICATION, content_of
from kjerne.registries.recorders import Author
from kjerne.registries.standing import standing
from kjerne.services.critical.entries import Entry, contradicts, entry, negative_of, version
from kjerne.services.critical.indicator_words import words
from kjerne.services.critical.keeping import shown
from kjerne.store.reading import Record

CATEGORY_BY_KIND: Final[Mapping[str, str]] = {
    **dict.fromkeys(("drug-reaction", "other-allergen"), "OVER_REAK"),
    "critical-condition": "KRITISK_TILSTAND",
    "infection": "SMITTE",
    **dict.fromkeys(("intubation-problem", "anaesthesia-problem"), "ANESTESI"),
    **dict.fromkeys(("transplant", "implant"), "IMPLANTAT"),
    **dict.fromkeys(("radiotherapy", "cytostatics", "dialysis", "other-treatment"), "PAGAENDE_BEHANDLING"),
    **dict.fromkeys(("procedure-change", "crisis-plan"), "ENDRET_PROSEDYRE"),
}


class Status(IntEnum):
    """What is shown; a failure is the first of them and never looks like the next two."""

    NOT_CHECKED = 0
    NO_RECORD = 1
    RECORD = 2
    OWN = 3
    """The patient has entered something herself: nothing is taken in from citizens here yet, so it is drawn and not given."""
    CRITICAL = 4


class NoneKnown(NamedTuple):
    """What is registered as not known, when (a day as FHIR spells it), by whom, and in which record."""

    name: str
    on: str
    by: Author
    id: UUID


@dataclass(frozen=True, slots=True)
class Indicated:
    """A status, which words go with it (`indicator_words`), and when each category was last changed."""

    status: Status
    why: str = ""
    changed: Mapping[str, datetime] = field(default_factory=dict)
    negatives: tuple[NoneKnown, ...] = ()
    """What is registered as not known: all of it where nothing else holds, else what that contradicts."""
    blocks: bool = False
    """Whether the patient has shut out somebody by name."""

    @property
    def opens(self) -> bool:
        """Whether there is something to open: a ticket goes with it."""
        return self.status >= Status.RECORD


def not_checked(says: str, todo: str = "") -> dict[str, Any]:
    """What stands beside any refusal at the indicator's address: a reader of `status` alone sees that nothing was checked."""
    text = words("nb", Status.NOT_CHECKED)
    return {
        "status": int(Status.NOT_CHECKED), "returTekst": text, "brukermelding": text, "utviklermelding": sentences(says, todo),
    }  # fmt: skip


def indicated(records: Iterable[Record], at: datetime) -> Indicated:
    """What these records of critical information say together at a time."""
    changed: dict[str, datetime] = {}
    heeded = False
    negatives, positives = list[Entry](), list[Mapping[str, Any]]()
    for record in records:
        tree = decode(shown(type_name(record.type), record.raw, at))
        is_negative = bool(negative_of(tree))
        if is_negative:
            negatives.append(_entry(record, tree, at))
        elif standing(tree, at) == "active":
            heeded = True
            positives.append(tree)
        for kind in content_of(tree) - {VERIFICATION}:
            category = CATEGORY_BY_KIND[kind]
            changed[category] = max(record.at, changed.get(category, record.at))
    told = _none_known(negatives, positives, at) if negatives else ()
    return (
        Indicated(Status.CRITICAL, changed=changed, negatives=told)
        if heeded
        else Indicated(Status.RECORD, negatives=told)
    )


def _entry(record: Record, tree: Mapping[str, Any], at: datetime) -> Entry:
    return entry(type_name(record.type), str(record.id), [(record.version, record.at, tree)], at)


def _none_known(
    negatives: Iterable[Entry], positives: Iterable[Mapping[str, Any]], at: datetime
) -> tuple[NoneKnown, ...]:
    """Those that hold and say that nothing is known; beside what must be heeded those alone that it contradicts."""
    beside = [(tree["resourceType"], version(0, at, tree, at)) for tree in positives]
    return tuple(
        NoneKnown(one.now.name, one.recorded[:10] or f"{one.now.at:%Y-%m-%d}", one.recorder, UUID(one.id))
        for one in negatives
        if one.now.standing == "active"
        and one.now.negative != "no-info"
        and (not beside or any(type_ == one.type and contradicts(one.now, each) for type_, each in beside))
    )
