"""The patient's choices about her own data: what may be chosen, by whom, and what the store shall then write.

Three refusals in rising strength (kjernejournal): a *restriction* against personnel, opened by declared consent or in
an emergency and then always told; a *block* of one named person, which nothing opens; an *opt-out*, closed at once and
deleted after 30 days. A choice holds in the half-open interval [made_at, ended_at), for its own service only: an
opt-out in one service never deletes another. Nothing is written here; the store applies a `ChoiceChange`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from kjerne.access import Choice, Grant
from kjerne.errors import Refusal
from kjerne.registries.identifiers import hpr_number, organisation_number

ChoiceKind = Literal["opt-out", "restriction", "block", "consent"]
KINDS: Final[Mapping[str, ChoiceKind]] = {
    "restriction": "restriction",
    "block": "block",
    "opt-out": "opt-out",
    "consent": "consent",
}

REGRET: Final = timedelta(days=30)
"""Kjernejournal: after an opt-out the data lie closed this long, and the patient can take it back with nothing lost."""

SERVICES: Final = frozenset({"results"})
"""Services that a choice can be about. Each service adds its own name; none is meant by leaving the name out."""

MAY_END_BY_ITSELF: Final[frozenset[ChoiceKind]] = frozenset({"consent", "restriction"})
"""A block and an opt-out end only when the patient takes them back, never by a date."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, as it came from a form; nothing in it is checked yet."""

    kind: str
    service: str = "results"
    hpr: str = ""
    organisation: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A choice as the store has it: whose row it is (one of the patient's keys), its number and what it says."""

    patient: int
    number: int
    choice: Choice


@dataclass(frozen=True, slots=True)
class ChoiceChange:
    """One change for the store: a new choice, or the end of one (`number`), on the row of person key `patient`.

    `choice` is the choice as it shall stand. `delete_at` is when an opt-out turns into deletion (a job), and
    `cancels_deletion` says that such a job is to be taken away again. `rule` is the rule that let the caller choose.
    """

    op: Literal["make", "end"]
    patient: int
    number: int
    choice: Choice
    rule: str
    delete_at: datetime | None = None
    cancels_deletion: bool = False


def make(grant: Grant, wish: Wish, *, is_registered: bool = False) -> ChoiceChange:
    """The change that puts `wish` in force from `grant.at`; `Refusal` 403, 409 or 422 where it cannot be.

    `is_registered` says that the personnel register has `wish.hpr`: blocking a number that nobody has would look like
    protection and be none.
    """
    _must_choose(grant)
    choice = _checked(wish, grant.at)
    if choice.kind == "block" and not is_registered:
        raise _wrong("hpr", "The personnel register has nobody with this number.", "Choose the person from the log.")
    if any(_is_same(choice, other) for other in in_force(grant.subject.choices, grant.at)):
        raise Refusal(409, "This choice is already in force.", where="kind", rule="choice-in-force")
    delete_at = grant.at + REGRET if choice.kind == "opt-out" else None
    return ChoiceChange("make", grant.subject.patient, 0, choice, grant.rule, delete_at=delete_at)


def lift(grant: Grant, held: Held) -> ChoiceChange:
    """The change that ends a choice at `grant.at`; it stays on record as having held until then.

    An opt-out lifted inside its 30 days loses nothing. Later the data are gone; what comes from then on is kept.
    """
    _must_choose(grant)
    if held.patient not in grant.subject.keys or held.choice not in in_force((held.choice,), grant.at):
        raise Refusal(404, "There is no such choice in force.", where="number", rule="choice-not-in-force")
    choice = replace(held.choice, ended_at=grant.at)
    regrets = choice.kind == "opt-out" and grant.at < choice.made_at + REGRET
    return ChoiceChange("end", held.patient, held.number, choice, grant.rule, cancels_deletion=regrets)


def in_force(choices: tuple[Choice, ...], at: datetime) -> tuple[Choice, ...]:
    """Those that hold at this instant: begun, and not ended."""
    return tuple(
        choice for choice in choices if choice.made_at <= at and (choice.ended_at is None or at < choice.ended_at)
    )


def deletion_of(choice: Choice) -> datetime | None:
    """When an opt-out in force turns into deletion; None for every other choice."""
    return choice.made_at + REGRET if choice.kind == "opt-out" and choice.ended_at is None else None


def _must_choose(grant: Grant) -> None:
    """A grant to read is none to choose. Who gets one to choose is the rule table's to say."""
    if grant.action != "choose":
        raise Refusal(403, "This access does not cover the patient's choices.", rule="choice-not-hers")


def _checked(wish: Wish, at: datetime) -> Choice:
    kind = KINDS.get(wish.kind)
    if kind is None:
        raise _wrong("kind", "There is no such choice.", f"Use one of: {', '.join(KINDS)}.")
    if wish.service not in SERVICES:
        raise _wrong(
            "service", "There is no such service to choose for.", f"Use one of: {', '.join(sorted(SERVICES))}."
        )
    hpr = hpr_number(wish.hpr).lstrip("0") if wish.hpr else ""
    organisation = organisation_number(wish.organisation) if wish.organisation else ""
    _check_named(kind, hpr, organisation)
    if wish.until is not None:
        _check_end(kind, wish.until, at)
    return Choice(kind, wish.service, hpr, organisation, at, wish.until)


def _check_named(kind: ChoiceKind, hpr: str, organisation: str) -> None:
    """A block names one person and no place; a consent names whom it is for; an opt-out names nobody."""
    if kind == "block" and (not hpr or organisation):
        raise _wrong("hpr", "A block is of one person, named by HPR number.", "A restriction can name an organisation.")
    if kind == "consent" and not (hpr or organisation):
        raise _wrong(
            "hpr", "A consent names the person or organisation it is for.", "Give an HPR or organisation number."
        )
    if kind == "restriction" and hpr:
        raise _wrong("hpr", "A restriction is against all personnel or one organisation.", "Block the person instead.")
    if kind == "opt-out" and (hpr or organisation):
        raise _wrong("hpr", "An opt-out is from the whole service.", "Block a person or restrict an organisation.")


def _check_end(kind: ChoiceKind, until: datetime, at: datetime) -> None:
    if kind not in MAY_END_BY_ITSELF:
        raise _wrong("until", "A block or an opt-out has no end date.", "Take it back when it shall end.")
    if until.tzinfo is None or until <= at:
        raise _wrong("until", "The end must be a time in the future, with its time zone.", "Give a later time.")


def _is_same(one: Choice, other: Choice) -> bool:
    return (one.kind, one.service, one.hpr.lstrip("0"), one.organisation) == (
        other.kind,
        other.service,
        other.hpr.lstrip("0"),
        other.organisation,
    )


def _wrong(where: str, says: str, todo: str) -> Refusal:
    return Refusal(422, says, where=where, todo=todo, rule="choice-invalid")
