"""The patient's choices about her own data: what may be chosen, by whom, and what the store shall then write.

Three refusals in rising strength (kjernejournal): a *restriction* against personnel, opened by declared consent or in
an emergency and then always told; a *block* of one named person, which nothing opens; an *opt-out*, closed at once and
deleted when its service's time is up (`policy.services`). A restriction can be of a part, and a single *record* can be
restricted by itself. A choice holds in the half-open interval [made_at, ended_at), for its own service only: an opt-out in
one service never deletes another.
Nothing is written here; the store applies a `ChoiceChange`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from kjerne.access import PARTS, Choice, Grant, Held, Wish
from kjerne.errors import Refusal
from kjerne.policy.facts import OTHERS, ROLE_GROUPS
from kjerne.policy.people import PARENTS_UNTIL, birthday, norwegian_day
from kjerne.policy.reach import ChoiceKind, lifters, may_lift, reach
from kjerne.policy.services import IN_USE, deleted_after
from kjerne.policy.services import SERVICES as SERVICES_BY_NAME
from kjerne.registries.identifiers import hpr_number, organisation_number
from kjerne.store.sealed_id import SealedIds

KINDS: Final[Mapping[str, ChoiceKind]] = {
    "restriction": "restriction",
    "block": "block",
    "opt-out": "opt-out",
    "consent": "consent",
    "record": "record",
}

SERVICES: Final = IN_USE
"""Services that a choice can be about; none is meant by leaving the name out."""

MAY_END_BY_ITSELF: Final[frozenset[ChoiceKind]] = frozenset({"consent", "restriction"})
"""A block, an opt-out and a restricted record end only when the patient takes them back, never by a date."""
GROUPS: Final = (*ROLE_GROUPS, OTHERS)
"""Groups of roles that a restriction can be against."""
COURSE_CHARACTERS: Final = 100


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


def make(
    grant: Grant,
    wish: Wish,
    *,
    held: Collection[Held] = (),
    is_registered: bool = False,
    organisations: Collection[str] = (),
) -> ChoiceChange:
    """The change that puts `wish` in force from `grant.at`; `Refusal` 403, 409 or 422 where it cannot be.

    `held` are the choices she has, each with who made it. `is_registered` says that the personnel register has
    `wish.hpr`, `organisations` are those that the register of organisations has: to shut out a number that nobody has would
    look like protection and be none.
    """
    _must_choose(grant)
    choice = _checked(wish, grant.at)
    if choice.kind not in reach(grant.rule).makes:
        raise Refusal(
            403,
            "Who may choose here may not choose this.",
            where="kind",
            todo="Choose a restriction, a block or a single record; the rest is the person's own to choose.",
            rule="choice-not-covered",
            looked_at=(),
        )
    if choice.kind == "block" and not is_registered:
        raise _wrong("hpr", "The personnel register has nobody with this number.", "Choose the person from the log.")
    if choice.kind == "opt-out" and not _can_be_regretted(grant, choice):
        raise Refusal(
            409,
            "The child turns 12 before the time to take this back is over.",
            where="regret",
            todo="Restrict everything instead: it shuts, and deletes nothing.",
            rule="choice-beyond-regret",
        )
    for name, number in (("organisation", choice.organisation), ("source", choice.source)):
        if number and number not in organisations:
            raise _wrong(name, "The register of organisations has nothing with this number.", "Check the number.")
    if any(stands(one.choice, grant.at) and _is_all_of(one, choice, grant.rule) for one in held):
        raise Refusal(409, "This choice is already in force.", where="kind", rule="choice-in-force")
    if choice.part or choice.source:
        choice = replace(choice, slot=_free_slot(grant))
    return ChoiceChange("make", _chosen_by(grant), 0, choice, grant.rule, delete_at=deletion_of(choice))


def lift(grant: Grant, held: Held) -> ChoiceChange:
    """The change that ends a choice at `grant.at`; it stays on record as having held until then.

    An opt-out lifted inside its 30 days loses nothing. Later the data are gone; what comes from then on is kept.
    """
    _must_choose(grant)
    if held.patient not in grant.subject.keys or not stands(held.choice, grant.at):
        raise Refusal(404, "There is no such choice in force.", where="number", rule="choice-not-in-force")
    if not may_lift(grant, held):
        raise Refusal(
            403,
            "This choice was made by somebody else, and is not this caller's to lift.",
            where="number",
            todo="Only who made it can lift it here, and the person herself from 16.",
            rule="choice-of-somebody-else",
            looked_at=(),
        )
    if held.patient != _chosen_by(grant):
        raise Refusal(
            409,
            "This choice was made under another number.",
            where="number",
            todo="Lift it with a login by that number: what links the two can be wrong, and be undone.",
            rule="choice-of-another-number",
        )
    choice = replace(held.choice, ended_at=grant.at)
    due = deletion_of(held.choice)
    regrets = due is not None and grant.at < due
    return ChoiceChange("end", held.patient, held.number, choice, grant.rule, cancels_deletion=regrets)


def _chosen_by(grant: Grant) -> int:
    """The one of the patient's keys that a choice is made and lifted under: that of her own login, or the one asked for by
    who stands in for her. What only a link joins to it may be somebody else's (docs/law.md, K31)."""
    own = grant.subject.caller_key
    return own if own is not None and own in grant.subject.keys else grant.subject.patient


def in_force(choices: tuple[Choice, ...], at: datetime) -> tuple[Choice, ...]:
    """Those that hold at this instant: begun, and not ended."""
    return tuple(
        choice for choice in choices if choice.made_at <= at and (choice.ended_at is None or at < choice.ended_at)
    )


def stands(choice: Choice, at: datetime) -> bool:
    """Whether it is in force, or a consent that begins later."""
    return (choice.made_at <= at or choice.kind == "consent") and (choice.ended_at is None or at < choice.ended_at)


def _free_slot(grant: Grant) -> int:
    """A mark that no restriction in force uses; one that was used before is taken off her records first."""
    used = {choice.slot for choice in in_force(grant.subject.choices, grant.at)}
    free = next((slot for slot in range(PARTS) if slot not in used), None)
    if free is None:
        raise Refusal(
            409,
            f"At most {PARTS} parts can be restricted at the same time.",
            where="part",
            todo="Lift one of them, or restrict everything.",
            rule="choice-too-many",
        )
    return free


def deletion_of(choice: Choice) -> datetime | None:
    """When an opt-out in force turns into deletion, as its service has it; None for every other choice."""
    if choice.kind != "opt-out" or choice.ended_at is not None:
        return None
    regret = deleted_after(choice.service)
    return None if regret is None else choice.made_at + regret


def _can_be_regretted(grant: Grant, choice: Choice) -> bool:
    """Whether who opts out may take it back until what lies here is deleted: from 12 to 16 nobody may for a child, and she
    would meet it deleted when she may decide herself (docs/law.md, K81)."""
    due, born = deletion_of(choice), grant.subject.birth_date
    if due is None or grant.rule != "parent-choices":
        return True
    return born is not None and norwegian_day(due - timedelta.resolution) < birthday(born, PARENTS_UNTIL)


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
    source = organisation_number(wish.source) if wish.source else ""
    _check_named(kind, hpr, organisation)
    _check_narrowed(kind, wish)
    since = wish.since if wish.since is not None else at
    if kind == "consent" and wish.since is not None and (since.tzinfo is None or since < at):
        raise _wrong("since", "A consent begins now or later, at a time with its time zone.", "Leave the time out.")
    if wish.until is not None:
        _check_end(kind, wish.until, since)
    record = _record(wish.record) if kind == "record" else None
    return Choice(
        kind, wish.service, hpr, organisation, since, wish.until, wish.role, wish.part, source, wish.course, record
    )


def _check_narrowed(kind: ChoiceKind, wish: Wish) -> None:
    """What only one kind of choice can say: a restriction its role and its part, a consent its course and its begin."""
    restricting, consenting = kind == "restriction", kind == "consent"
    for name, value, fits in (
        ("role", wish.role, restricting and wish.role in GROUPS),
        ("part", wish.part, restricting and wish.part in SERVICES_BY_NAME[wish.service].parts),
        ("source", wish.source, restricting and not wish.part),
        ("course", wish.course, consenting and len(wish.course) <= COURSE_CHARACTERS and wish.course.isprintable()),
        ("since", wish.since, consenting),
        ("record", wish.record, kind == "record"),
    ):
        if value and not fits:
            raise _wrong(
                name, f"This choice cannot have this {name}.", f"Leave the {name} out, or choose another kind."
            )
    if wish.role and wish.organisation:
        raise _wrong("role", "A restriction is against a role or an organisation.", "Make two restrictions.")


def _record(text: str) -> UUID:
    if (id_ := SealedIds.parse(text)) is None:
        raise _wrong("record", "This is no id of a record.", "Give the id that the record has here, in small letters.")
    return id_


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
    if kind in ("opt-out", "record") and (hpr or organisation):
        raise _wrong(
            "hpr", "An opt-out or a restricted record names nobody.", "Block a person or restrict an organisation."
        )


def _check_end(kind: ChoiceKind, until: datetime, at: datetime) -> None:
    if kind not in MAY_END_BY_ITSELF:
        raise _wrong("until", "This choice has no end date.", "Take it back when it shall end.")
    if until.tzinfo is None or until <= at:
        raise _wrong("until", "The end must be a time in the future, with its time zone.", "Give a later time.")


def _is_all_of(held: Held, choice: Choice, rule: str) -> bool:
    """Whether a choice that is held does all that a new one would: the same, as long, and lifted by nobody who could not
    lift the new one. Else the new one stands beside it (docs/law.md, K65)."""
    one, end = held.choice, choice.ended_at
    is_as_long = one.made_at <= choice.made_at and (one.ended_at is None or (end is not None and end <= one.ended_at))
    return _named(one) == _named(choice) and is_as_long and lifters(held.set_by) <= lifters(rule)


def _named(choice: Choice) -> tuple[object, ...]:
    return (
        choice.kind, choice.service, choice.hpr.lstrip("0"), choice.organisation, choice.role, choice.part,
        choice.source, choice.course, choice.record,
    )  # fmt: skip


def _wrong(where: str, says: str, todo: str) -> Refusal:
    return Refusal(422, says, where=where, todo=todo, rule="choice-invalid")
