"""Which of the patient's own marks a record gets as it is filed (`store.marking` puts them on what is there already)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final
from uuid import UUID

from kjerne.access import NO_LABEL, SHUT_BY_PATIENT, Caller, Choice, Grant, Label, part_label

# Whole numbers: `~` of an IntFlag keeps the bits alone that have a name, and those of the parts have none.
CARRIED: Final = Label((int(SHUT_BY_PATIENT) & ~int(Label.RESTRICTED)) | int(Label.WITHDRAWN_WITH_REPORT))
"""What a new version keeps of the version before: the source's own labels come with the version; the patient's, and what
became of its reports, do not."""


def marks_of(grant: Grant, kinds: Collection[str]) -> Label:
    """The marks of a record that is filed now: of the parts it belongs to, by its kinds and by who sends it.

    A record that says no kind belongs to every kind: nobody can say that it does not.
    """
    if not grant.subject.choices:
        return NO_LABEL
    marks = NO_LABEL
    for choice in in_force(grant):
        if choice.slot >= 0 and (
            (choice.part and (not kinds or choice.part in kinds))
            or (choice.source and _is_from(grant.caller, choice.source))
        ):
            marks |= part_label(choice.slot)
    return marks


def _is_from(caller: Caller, source: str) -> bool:
    """Whether it is sent by this source or a unit below it, or by one above it that does not say by which of its own."""
    return caller.may_be_within(source)


def has_marks(grant: Grant) -> bool:
    """Whether the patient has restricted a part or a single record: what is filed may be, or go on with, such a one."""
    return bool(grant.subject.choices) and any(one.slot >= 0 or one.kind == "record" for one in in_force(grant))


def has_single(grant: Grant) -> bool:
    """Whether the patient has restricted a single record."""
    return bool(grant.subject.choices) and any(one.kind == "record" for one in in_force(grant))


def is_restricted(grant: Grant, ids: Iterable[UUID]) -> bool:
    """Whether the patient has restricted one of these records by itself."""
    restricted = {choice.record for choice in in_force(grant) if choice.kind == "record"}
    return bool(restricted) and not restricted.isdisjoint(ids)


def in_force(grant: Grant) -> Iterator[Choice]:
    """The patient's choices about the grant's service that hold now."""
    for choice in grant.subject.choices:
        begun = choice.service in ("", grant.service) and choice.made_at <= grant.at
        if begun and (choice.ended_at is None or grant.at < choice.ended_at):
            yield choice
