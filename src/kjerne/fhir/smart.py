"""SMART scopes (SMART App Launch 2.2, scopes-and-launch-context) as an upper bound on what the law gives.

A token with such scopes opens what both the law and one of them leave; a token without them is the law's alone. They
never open anything: the national scope of the service is asked for as always. `patient/` and `user/` bind a person's
token, `system/` a machine's; one of the other kind leaves nothing. Version 1 (`.read`, `.write`, `.*`) is understood. A
scope that is not understood refuses the token, since passing it over would leave the others wider than they were meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from kjerne.access import Caller, CallerKind, Limit
from kjerne.errors import Refusal
from kjerne.exchange import SCOPES
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.index import asked_text, token
from kjerne.fhir.searchparams import COLUMN_CODES, SUBJECT_CODES, SearchParameter, parameters

LETTERS: Final = "cruds"
PREFIXES: Final = ("patient/", "user/", "system/")
_SHAPE: Final = re.compile(r"(patient|user|system)/(\*|[A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)(\?.+)?", re.ASCII)
_FIRST_VERSION: Final = {"read": "rs", "write": "cud", "*": LETTERS}
_CONTEXTS: Final[dict[CallerKind, tuple[str, ...]]] = {
    "practitioner": ("patient/", "user/"),
    "citizen": ("patient/", "user/"),
    "system": ("system/",),
}
CONDITIONS_LIMIT: Final = 10
"""Search parameters in one scope; each costs work per row."""


def is_smart(scope: str) -> bool:
    """Whether a scope is SMART's and no other's."""
    return scope.startswith(PREFIXES)


@lru_cache(maxsize=1024)
def understood(scope: str) -> Limit:
    """A SMART scope as a limit; `Refusal` 403 for one that is malformed or asks for what cannot be decided here."""
    shape = _SHAPE.fullmatch(scope)
    if shape is None or not shape[3] or (shape[2] != "*" and shape[2] not in TYPES):
        raise _refused("a SMART scope of the token is not of the form context/Type.cruds")
    type_ = "" if shape[2] == "*" else shape[2]
    letters = _FIRST_VERSION.get(shape[3], shape[3])
    if shape[4] is None:
        return Limit(scope, type_, letters)
    if not type_ or shape[3] in _FIRST_VERSION:
        raise _refused("search parameters stand in a SMART scope of version 2 that names its type")
    return Limit(scope, type_, letters, _conditions(type_, shape[4][1:]))


def _conditions(type_: str, query: str) -> tuple[tuple[int, ...], ...]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=CONDITIONS_LIMIT)
    except ValueError:
        raise _refused("the search parameters of a SMART scope cannot be read") from None
    return tuple(_alternatives(parameters(type_).get(name), value) for name, value in pairs)


def _alternatives(parameter: SearchParameter | None, value: str) -> tuple[int, ...]:
    """Codes alone: whatever else a parameter compares cannot be asked of a former version as it can of a current one."""
    if (
        parameter is None
        or parameter.kind != "token"
        or not parameter.leaves
        or parameter.code in COLUMN_CODES | SUBJECT_CODES
    ):
        raise _refused("a SMART scope narrows by a parameter other than the codes of its type")
    found: list[int] = []
    for text in value.split(","):
        system, bar, code = text.rpartition("|")
        if not code or "\\" in text or "|" in system:
            raise _refused("a code in a SMART scope is code, system|code or |code")
        texts = (asked_text(leaf, system if bar else None, code) for leaf in parameter.leaves)
        found += [token(one) for one in texts if one is not None]
    return tuple(dict.fromkeys(found))


def refused(says: str, todo: str = "") -> Refusal:
    """The refusal of a token that is too narrow (RFC 6750 section 3.1)."""
    challenge = (("www-authenticate", 'DPoP error="insufficient_scope"'),)
    return Refusal(403, says, where="scope", todo=todo, rule=SCOPES, headers=challenge)


def _refused(says: str) -> Refusal:
    return refused(says, "Ask for a token with another scope.")


def limits(scopes: Iterable[str], kind: CallerKind) -> tuple[Limit, ...] | None:
    """What the SMART scopes of a token leave to this kind of caller; None where it has none of them."""
    found = [scope for scope in sorted(scopes) if is_smart(scope)]
    if not found:
        return None
    bound = {scope: understood(scope) for scope in found}
    return tuple(bound[scope] for scope in found if scope.startswith(_CONTEXTS[kind]))


def left(caller: Caller, type_: str, letter: str) -> tuple[Limit, ...] | None:
    """The limits that leave this letter of a type, () where none does; None where everything is left."""
    if caller.limits is None:
        return None
    found = tuple(one for one in caller.limits if letter in one.letters and one.type in ("", type_))
    return None if any(not one.tokens for one in found) else found


def demand(caller: Caller | None, type_: str, letter: str) -> None:
    """`Refusal` 403 where the token's SMART scopes leave nothing of this: said before anybody is looked for."""
    if caller is not None and left(caller, type_, letter) == ():
        raise refused(f"the SMART scopes of the token leave no {type_}.{letter}")


def demand_whole(caller: Caller | None, types: Iterable[str], letters: str) -> None:
    """`Refusal` 403 where they do not leave these types whole, for what cannot be done in part."""
    for type_ in types:
        for letter in letters:
            if caller is not None and left(caller, type_, letter) is not None:
                raise refused(f"the SMART scopes of the token do not leave all of {type_}.{letter}")


def holds(found: tuple[Limit, ...] | None, tokens: Collection[int]) -> bool:
    """Whether a resource with these search tokens is left by one of the limits (of `left`)."""
    return found is None or any(
        all(any(one in tokens for one in alternatives) for alternatives in limit.tokens) for limit in found
    )
