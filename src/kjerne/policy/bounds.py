"""What a token's SMART scopes must leave, for an action to be more than nothing (`fhir.smart`).

The law asks whether anything is left; which records that is, the store decides row by row (`store.limits`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne.access import Action
from kjerne.fhir import smart
from kjerne.policy.facts import NOT_FOUND, NOT_LET, Case
from kjerne.policy.services import SERVICES

RESULT_TYPES: Final = SERVICES["results"].types
TYPES_BY_SERVICE: Final[Mapping[str, tuple[str, ...]]] = {name: one.types for name, one in SERVICES.items()}
"""Service -> the FHIR types it holds."""
LETTERS: Final[Mapping[Action, str]] = {
    "read": "r",
    "history": "r",
    "search": "s",
    "file": "cu",
    "correct": "ud",
    "export": "r",
    "recheck": "r",
    "subscribe": "rs",
    "notify": "rs",
}
"""Of these letters at least one must be left of at least one type of the service."""
OF_EVERY_SERVICE: Final[Mapping[Action, tuple[str, str]]] = {
    "insight": ("AuditEvent", "rs"),
    "choose": ("Consent", "crus"),
}
"""The log and the choices: each letter for itself where the room names it, all of them where it does not (a page). A scope with
codes leaves none: neither is a record, so nothing could tell the one event or choice from the other by them."""
WHOLE: Final[Mapping[Action, str]] = {"examine": "r", "trace": "r", "disclose": "r"}
"""These open what no parameter can divide: every type of the service must be left whole."""
ALL_OF: Final = "!"
"""Ends a piece that must be left whole (`*.cud!`, of every type): what a message becomes, or what a room has found not left."""


def smart_scopes_leave_nothing(case: Case) -> bool:
    """the token's SMART scopes leave nothing of this"""
    caller = case.caller
    if caller.limits is None:
        return False
    types = TYPES_BY_SERVICE.get(case.service, ())
    if case.action in WHOLE:
        return not types or any(smart.left(caller, type_, WHOLE[case.action]) is not None for type_ in types)
    named, _, letter = case.piece.removesuffix(NOT_LET).partition(".")
    # Whether what was not found is another's or not left, nobody has looked: a token that leaves only some is the reason.
    if letter.endswith((ALL_OF, NOT_FOUND)):
        of = types if named == "*" else (named,)
        return any(smart.left(caller, type_, one) is not None for type_ in of for one in letter[:-1])
    if case.action in OF_EVERY_SERVICE:
        type_, letters = OF_EVERY_SERVICE[case.action]
        return any(smart.left(caller, type_, one) is not None for one in letter or letters)
    if named:
        return smart.left(caller, named, letter) == ()
    letters = LETTERS.get(case.action, "")
    return all(smart.left(caller, type_, one) == () for type_ in types for one in letters)
