"""The SMART scopes of a token, row by row: what of a patient's records they leave of what the grant opens.

As SQL wherever rows are chosen, so that totals, pages and the audit row know nothing of what is left out; on the
resource itself for former versions, which have no search tokens, and for what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from kjerne.access import Caller, Grant
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_name, type_number
from kjerne.registries.homes import row_numbers


class Keys(Protocol):
    """The patients' data keys, as `reading.Unwrapped` holds them."""

    def patterns(self, hashes: Sequence[int]) -> list[bytes]: ...


def condition(grant: Grant, keys: Keys, add: Callable[[Any], str], letter: str = "") -> str:
    """What a record `r` must be for this token, as text that follows other conditions; empty where no scope narrows.

    `add` takes a value and gives its place in the statement; `letter` is the action's own unless said.
    """
    if grant.caller.limits is None:
        return ""
    letter = letter or ("s" if grant.action == "search" else "r")
    found = [one for one in grant.caller.limits if letter in one.letters]
    if any(not one.type for one in found):
        return ""
    whole = sorted({number for one in found if not one.tokens for number in row_numbers(one.type)})
    texts = [f"r.type = ANY({add(whole)}::smallint[])"]
    for one in found:
        if one.tokens and type_number(one.type) not in whole:
            parts = [f"r.type = ANY({add(list(row_numbers(one.type)))}::smallint[])"]
            parts += [f"r.tokens LIKE ANY({add(keys.patterns(some))}::bytea[])" for some in one.tokens]
            texts.append(f"({' AND '.join(parts)})")
    return f" AND ({' OR '.join(texts)})"


def narrowed(
    grant: Grant, keys: Keys, statement: str, after: str, values: Sequence[Any], letters: Sequence[str] = ("",)
) -> tuple[str, list[Any]]:
    """A statement whose first condition `after` on records is followed by the token's own, and its values; `letters` as in
    `condition`, each of which must be left."""
    all_values = list(values)

    def add(value: Any) -> str:
        all_values.append(value)
        return f"${len(all_values)}"

    own = "".join(condition(grant, keys, add, letter) for letter in letters)
    return statement.replace(after, after + own, 1), all_values


def of_one(grant: Grant, key: Keys, statement: str, values: list[Any], letter: str = "u") -> str:
    """A statement about one record that is to be changed, ended by the token's conditions; their values are added."""

    def add(value: Any) -> str:
        values.append(value)
        return f"${len(values)}"

    return statement + condition(grant, key, add, letter)


def must_hold(caller: Caller | None, type_: int, tokens: Collection[int], letter: str) -> None:
    """`Refusal` 403 where the token's scopes do not let a record with these search tokens be written."""
    if caller is None or caller.limits is None:
        return
    name = type_name(type_)
    smart.demand(caller, name, letter)
    if not smart.holds(smart.left(caller, name, letter), tokens):
        raise smart.refused(f"the SMART scopes of the token leave only some {name}.{letter}, and not this")
