"""Which of the documents that sources tell of a grant opens: what is locked, what is too old, and what the patient shut here.

Sources judge first, by their own law. Here the platform's is asked of what they gave: what the patient has restricted is shut
whichever source tells of it, and counted; what kjernejournal's scope does not reach is as absent, and counted nowhere. So is
what is withheld from a citizen (9603), which she is not to know of (law, K180), also where she asks as a health worker.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final, Literal

from kjerne.access import Grant, Label, part_label
from kjerne.fhir.dates import OSLO
from kjerne.registries.withholding import LABEL_BY_CODE
from kjerne.store.record_marks import in_force
from kjerne.xds import forms
from kjerne.xds.values import Code, DocumentEntry, bare

LABEL_SYSTEM: Final = "2.16.578.1.12.4.1.1.9603"
CLASS_SYSTEM: Final = "2.16.578.1.12.4.1.1.9602"
LOCKED: Final = "NORS"
LEVEL_SYSTEMS: Final = frozenset(
    {"2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", LABEL_SYSTEM}
)
"""How confidential it is: the national test data write N in all three."""
CITIZENS_LEVELS: Final = frozenset("NR")
"""*Very restricted* (V) is no citizen's."""
DELAYED: Final = "NORU"
"""What she is shown later."""
MARKS: Final = "NOR"
"""What each code of 9603 begins with, and none of the codes of confidentiality."""
Sight = Literal["open", "locked", "absent"]


def sight(grant: Grant, entry: DocumentEntry, organisation: str) -> Sight:
    """Whether a document is shown. `organisation` answers for the source that has it; `locked` is by the patient's own wish.

    Personnel who read their own do so as the citizens they are (`released_only`): a source is not told that she asks about
    herself (law, K205).
    """
    if grant.caller.kind == "citizen" or grant.released_only:
        return "open" if _opens_to_citizen(grant, entry) else "absent"
    if grant.windows and not _is_within(grant, entry):
        return "absent"
    if Label.RESTRICTED & grant.hides and is_locked(entry):
        return "locked"
    return "locked" if _is_shut_here(grant, {organisation, *written_at(entry)}) else "open"


def _opens_to_citizen(grant: Grant, entry: DocumentEntry) -> bool:
    """Whether every mark on it is known, none withholds it from her, and one says how confidential it is. What was delayed
    (NORU) opens when its source takes the mark away: no metadata say when. Her own lock keeps nothing from her."""
    levels = [one for one in entry.confidentiality if bare(one.system) in LEVEL_SYSTEMS and one.code in CITIZENS_LEVELS]
    labels = marks(entry)
    known = len(levels) + sum(_mark(one) in LABEL_BY_CODE for one in entry.confidentiality) == len(
        entry.confidentiality
    )
    return known and bool(levels) and not any(LABEL_BY_CODE[one] & grant.hides for one in labels)


def is_locked(entry: DocumentEntry) -> bool:
    """Whether its source marks it as restricted by the patient (9603)."""
    return LOCKED in marks(entry)


def marks(entry: DocumentEntry) -> frozenset[str]:
    """The codes of 9603 that its source has put on it: restricted, withheld from her, delayed.

    They are known by the code, whatever system it stands under and however that is spelt: the national test data have the same
    confidentiality in three systems, and a mark that is passed over for its spelling opens what she has shut.
    """
    return frozenset(code for one in entry.confidentiality if (code := _mark(one)).startswith(MARKS))


def _mark(one: Code) -> str:
    return one.code.strip().upper()


def written_at(entry: DocumentEntry) -> Collection[str]:
    """The numbers of the organisations and departments that wrote it, as they are registered: some write them with spaces, or as
    an OID below that of all such numbers (ITI TF-3, 4.2.3.1.7, XON.10)."""
    said = {"".join(one.number.split()) for author in entry.authors for one in author.institutions}
    return {bare(one).rpartition(".")[2] for one in said if one}


def day_of(entry: DocumentEntry) -> str:
    """`YYYY`, `YYYYMM` or `YYYYMMDD` in Norway: when what it tells of began, else when it was made; empty where neither is
    said. Ages are counted by it (K39)."""
    return _norwegian(entry.service_start or entry.created)


def listed_by(entry: DocumentEntry) -> str:
    """The same the other way round: when it was made, else when what it tells of began. Lists show it, sort and choose by it."""
    return _norwegian(entry.created or entry.service_start)


def _norwegian(dtm: str) -> str:
    """The day in Norway of a time in UTC; one without a time of day stays as it was written."""
    if len(dtm) < 10:
        return dtm
    try:
        day = forms.interval(dtm, "")[0].astimezone(OSLO)
    except OverflowError:  # the last night of the calendar
        return dtm[:8]
    return f"{day.year:04}{day.month:02}{day.day:02}"


def _is_shut_here(grant: Grant, sources: Collection[str]) -> bool:
    """Whether she has restricted, against this reader, what one of these places has sent in."""
    return bool(grant.subject.choices) and any(
        one.source in sources and one.slot >= 0 and bool(part_label(one.slot) & grant.hides) for one in in_force(grant)
    )


def _is_within(grant: Grant, entry: DocumentEntry) -> bool:
    """Whether the windows of kjernejournal's scope reach it: by its class in 9602, and as long as it is young enough. One that
    does not say its class or its day is not reached by a window with a first day."""
    said = entry.class_code
    kind = said.code if said and bare(said.system.lower()) == CLASS_SYSTEM else ""
    for name, first in grant.windows:
        if name == kind:
            return first is None or _first_of(day_of(entry)) >= first
    return False


def _first_of(day: str) -> date:
    """The first day that a time may mean; long ago where it says none."""
    if len(day) < 4:
        return date.min
    return date(int(day[:4]), int(day[4:6] or 1), int(day[6:8] or 1))
