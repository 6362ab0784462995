"""The access log as the citizen reads it: who saw what, when and on which ground, from the rows of table `audit`.

Built for the stricter wording of Prop. 154 L (2024-2025), § 22 a: it tells *which* records were seen, not only that
some were, save those that this reader may not know of. Practitioners by name, never by person number (Tillitsrammeverket
ATT-8); the HPR number, which is public, is told to programs alone. A proxy sees no other proxies, and nobody but the patient
where a person with a protected address was treated. Whoever keeps the log reads it whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from kjerne.access import COMMAND_LINE, Coded, Grant
from kjerne.errors import Refusal
from kjerne.exchange import CONTROL
from kjerne.policy.rules import mark_of
from kjerne.policy.services import SERVICES, Sight, seen_by
from kjerne.policy.words import Language, says
from kjerne.registries.identifiers import id_without_numbers, without_numbers
from kjerne.registries.protection import is_protected
from kjerne.store import audit, summary_links
from kjerne.store.log_entry import By, Chosen, LogEntry, Origin, Seen, Unnamed
from kjerne.store.looks import Sorting, Unseen

__all__ = ["FILING", "GIVEN", "SORTING", "LogEntry", "Seen", "entries", "must_open", "unseen"]

GIVEN: Final = 0
"""`audit.outcome` of a row that let something out; every other value is a refusal."""

FILING: Final = frozenset({"file", "write", "correct"})
"""Actions that put records in, or put them right: a line of one tells of a record as the record itself would."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ACUTE_PURPOSES: Final = frozenset({"ETREAT", "BTG"})
ACUTE_BASES: Final = frozenset({"AKUTT", "FORHOYET_AKUTT"})
WRITING: Final = FILING | {"choose"}
CHOOSING: Final = frozenset({"choose", "permit"})
LOOKS: Final = frozenset({"read", "search", "history", "notify"})
"""What shows records to somebody at once."""
DEEDS: Final = frozenset(
    {"examine", "trace", "link", "disclose", "export", "recheck", "handle", "review", "permit", "subscribe", "attest"}
)
"""What others do with what is about the patient, beside her record."""
HANDED: Final = frozenset({summary_links.OPENED, summary_links.REFUSED})
"""Rules of rows of whoever opened, or tried to open, a copy that she handed out: nobody knows whether that was personnel."""
SORTING: Final = Sorting(ACUTE_PURPOSES, ACUTE_BASES, WRITING | {"erase"}, DEEDS, HANDED)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of the log: under which grant, with which names, in which language, and whether places are told."""

    grant: Grant
    organisations: Mapping[str, str]
    type_name: Callable[[int], str]
    hidden: Collection[str]
    deleted: Collection[str]
    language: Language
    own: bool
    unseen: Unseen


def entries(
    rows: Iterable[Mapping[str, Any]],
    grant: Grant,
    *,
    organisations: Mapping[str, str],
    type_name: Callable[[int], str],
    hidden: Collection[str],
    deleted: Collection[str] = (),
    language: Language = "nb",
) -> tuple[LogEntry, ...]:
    """The log `grant` opens, in the order of `rows` (as `store.audit.of_patient` gives them).

    `organisations` gives the names of organisation numbers; one without a name keeps its number, which is public.
    `hidden` are the ids of records that the grant keeps from this reader. The line of a look at them stays without naming
    them; that of their filing does not. `deleted` are those of them that are no more.
    `Refusal` 403 where the grant is not for the log, or a row is about somebody else.
    """
    must_open(grant)
    own, kept = is_own(grant), unseen(grant, hidden)
    reading = _Reading(grant, organisations, type_name, hidden, deleted, language, own, kept)
    return tuple(_entry(row, reading) for row in rows if _may_see(row, reading))


def must_open(grant: Grant) -> None:
    """`Refusal` 403 where the grant is for something else than the log."""
    if grant.action != "insight":
        raise Refusal(403, "This access does not cover the log.", rule="insight-only")


INQUIRING: Final = frozenset({"ask", "handle"})
"""Actions on what a citizen has said is wrong, which is between her and whoever answers it."""


CLOSED_TO: Final[Mapping[Sight, frozenset[str]]] = {
    sight: frozenset(SERVICES) - seen_by(sight) for sight in ("parent", "representative")
}
"""The services whose lines are nobody's but the patient's: who stands in for her sees nothing of them (K43, K47)."""


def unseen(grant: Grant, hidden: Iterable[str]) -> Unseen:
    """What the law keeps from this reader; `hidden` are the ids of records that the grant keeps from her.

    The patient sees every look, a parent every one in the services that she sees; a proxy none of another representative's,
    and nothing of inquiries (K35). What
    was filed and may not be known of, or not yet, has no line: an answer that came and is not there to be seen would tell
    that something is hidden. Where a person with a protected address was treated is told to nobody who stands in for her.
    """
    own = is_own(grant)
    stands_in = not own and grant.purpose == "PWATRNY"
    return Unseen(
        filing=FILING,
        hidden=frozenset(map(UUID, hidden)),
        no_other_representatives=stands_in,
        private=INQUIRING if stands_in else frozenset(),
        closed=frozenset() if own else CLOSED_TO["representative" if stands_in else "parent"],
        places_withheld=not own and is_protected(grant.subject.protection),
        own=(*sorted(grant.subject.digests), grant.caller.digest),
    )


def is_own(grant: Grant) -> bool:
    """Whether the patient reads her own log, or whoever keeps it, who reads it as it is."""
    return grant.caller.kind == "system" or grant.subject.caller_key in grant.subject.keys


def _may_see(row: Mapping[str, Any], reading: _Reading) -> bool:
    if row["patient"] not in reading.grant.subject.keys:
        raise Refusal(403, "This access does not cover the log.", rule="insight-only")
    return not reading.unseen.holds(row)


def _by(row: Mapping[str, Any], grant: Grant) -> By:
    if row["caller_kind"] == "system":
        return "system"
    if row["caller_digest"] in grant.subject.digests:
        return "self"
    return "practitioner" if row["caller_kind"] == "practitioner" else "representative"


def _entry(row: Mapping[str, Any], reading: _Reading) -> LogEntry:
    given = row["outcome"] == GIVEN
    by = _by(row, reading.grant)
    self_declared = by == "practitioner" and row["self_selected"]
    return LogEntry(
        at=row["at"],
        by=by,
        who=_who(row, reading),
        role=row["caller_role"],
        organisation=_place(row["organisation"], reading),
        point_of_care=_place(row["point_of_care"], reading),
        department=_place(row["department"], reading),
        place_withheld=reading.unseen.places_withheld,
        given=given,
        action=row["action"],
        service=row["service"],
        purpose=row["purpose"],
        basis=row["basis"],
        says=_words(row, reading.language),
        law=row["law"],
        rule=row["rule"],
        seen=(seen := _seen(row, reading)),
        unnamed="" if seen else _unnamed(row, reading),
        acute=row["purpose"] in ACUTE_PURPOSES or row["basis"] in ACUTE_BASES,
        self_declared=self_declared,
        mark=mark_of(row["rule"]) or ("self-declared" if self_declared and given else ""),
        chosen=_chosen(row),
        reason=_reason(row, reading),
        healthcare_service=_coded(row, "healthcare_service", "service_text", reading),
        purpose_details=_coded(row, "purpose_details", "details_text", reading),
        patient_point_of_care=_place(row["patient_point_of_care"], reading),
        patient_department=_place(row["patient_department"].rpartition("|")[2], reading),
        origin=_origin(row, reading),
    )


_OPERATOR: Final[Mapping[Language, str]] = {
    "nb": "Drift av plattformen", "nn": "Drift av plattforma", "en": "Operation of the platform",
}  # fmt: skip
"""Who used the platform's command line: the machine's name for her says nothing to the patient, and stays with the log."""


def _who(row: Mapping[str, Any], reading: _Reading) -> str:
    if row["client"] == COMMAND_LINE and row["caller_kind"] == "system" and reading.grant.caller.kind != "system":
        return _OPERATOR[reading.language]
    return without_numbers(row["caller_name"])


def _origin(row: Mapping[str, Any], reading: _Reading) -> Origin:
    def placed(name: str) -> str:
        return "" if reading.unseen.places_withheld else without_numbers(row[name])

    return Origin(
        patient=row["patient"],
        number=row["number"],
        hpr=row["caller_hpr"],
        organisation=placed("organisation"),
        point_of_care=placed("point_of_care"),
        department=placed("department"),
        patient_point_of_care=placed("patient_point_of_care"),
        patient_department=placed("patient_department"),
        client=row["client"],
        token=row["token"],
        decision=id_without_numbers(row["decision"]),
        attested_at=row["attested_at"],
        correlation=row["correlation"],
        asked=_asked(row, reading),
    )


def _asked(row: Mapping[str, Any], reading: _Reading) -> str:
    """The search, for whoever keeps the log alone. Beside it the patient's line, which says whether something was seen that is
    not named to her, would tell what is hidden: a search for a value above nine, and that something was seen. That a history of
    many was asked for she is told, without what narrowed it.
    """
    if reading.grant.caller.kind == "system":
        return str(row["asked"])
    path = str(row["asked"]).partition("?")[0]
    return path if reading.own and row["action"] == "history" and not _UUID.search(path) else ""


def _reason(row: Mapping[str, Any], reading: _Reading) -> str:
    """The patient reads all that was written to her, who stands in for her none of it: words could tell of what is hidden from
    her, and words that are missing from some lines alone would."""
    return without_numbers(CONTROL.sub(" ", row["reason"])) if reading.own else ""


def _coded(row: Mapping[str, Any], name: str, text: str, reading: _Reading) -> Coded | None:
    """A code that was attested, for the patient with the words beside it, which are the caller's own."""
    system, _, code = row[name].partition("|")
    words = without_numbers(CONTROL.sub(" ", row[text])) if reading.own else ""
    return Coded(without_numbers(code), system, words) if code else None


def _seen(row: Mapping[str, Any], reading: _Reading) -> tuple[Seen, ...]:
    return tuple(
        Seen(reading.type_name(number), str(name), version)
        for number, name, version in zip(row["types"], row["ids"], row["versions"], strict=True)
        if str(name) not in reading.hidden
    )


def _unnamed(row: Mapping[str, Any], reading: _Reading) -> Unnamed:
    """The patient is told that something was seen and that it is not named here, since she may know of every look (K99). Who
    stands in for her may not know that anything is kept from her: the words are the same whatever was found.
    """
    if row["outcome"] != GIVEN or row["action"] not in LOOKS:
        return ""
    if not reading.own:
        return "untold"
    if row["rule"] == audit.ELSEWHERE:
        # What was shown lies with another, whose log names it (K106).
        return "anothers"
    named = {str(name) for name in row["ids"]}
    return "" if not named else "deleted" if named.issubset(reading.deleted) else "kept"


def _chosen(row: Mapping[str, Any]) -> Chosen | None:
    """What was done with her choices; a row of before K99 does not say whether one was made or only looked at."""
    if row["action"] not in CHOOSING:
        return None
    what, *rest = row["about"].split("/")
    if what != audit.CHOICES:
        return None
    if not rest:
        return Chosen("seen")
    deed, kind, number = rest
    return Chosen(deed, kind, int(number))


def _place(number: str, reading: _Reading) -> str:
    return "" if reading.unseen.places_withheld else without_numbers(reading.organisations.get(number, number))


def _words(row: Mapping[str, Any], language: Language) -> str:
    """In bokmål what the row said when it was written; in other languages today's words for the same rule."""
    logged: str = row["says"]
    return logged if language == "nb" else says(row["rule"], language) or logged
