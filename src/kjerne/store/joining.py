"""Chains and `_has`: which records stand at the far end of a link, so that a search can be planned on what is near.

What is looked up is found by the same search, under the same grant and the same token: a record that the caller may not
see ends no chain, as one that does not exist. Nothing of it leaves, so the audit row names none of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from kjerne.fhir.criteria import Among, Asked, Chained, Combined, Pointed, Reaching
from kjerne.fhir.effort import spend
from kjerne.fhir.index import reference_forms
from kjerne.fhir.search import references
from kjerne.store.turns import in_turns

LINKING_STEPS: Final = 5
"""What it takes to name a record at the far end of a link."""


class Row(Protocol):
    """A record that was found."""

    @property
    def id(self) -> UUID | str: ...


R = TypeVar("R", bound=Row)


async def met(
    type_: str, asked: Asked, find: Callable[[str, Asked], Awaitable[list[R]]], tree: Callable[[R], dict[str, Any]]
) -> Asked:
    """A criterion on `type_` with the far ends of its links looked up. `find` gives the records that answer one of a type."""
    if isinstance(asked, Chained):
        targets = set[str]()
        for target, inner in asked.steps:
            rows = await find(target, await met(target, inner, find, tree))
            spend(LINKING_STEPS * len(rows))
            targets |= {f"{target}/{row.id}" for row in rows}
        return Reaching(asked.code, frozenset(targets))
    if isinstance(asked, Pointed):
        rows = await find(asked.source, await met(asked.source, asked.asked, find, tree))
        spend(LINKING_STEPS * len(rows))
        texts = {text async for row in in_turns(rows) for text in references(tree(row), asked.code)}
        return Among(frozenset(_ids(type_, texts)))
    if isinstance(asked, Combined):
        return replace(asked, parts=tuple([await met(type_, one, find, tree) for one in asked.parts]))
    return asked


def _ids(type_: str, texts: set[str]) -> set[str]:
    whole = (reference_forms(text)[0].partition("/") for text in texts)
    return {id_ for name, _, id_ in whole if name == type_}
