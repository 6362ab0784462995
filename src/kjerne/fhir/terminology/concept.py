"""What the operations on terminology know of a code and of a code system, wherever it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any, NamedTuple, Protocol


class Designation(NamedTuple):
    """Another name of a code: its language (BCP 47, empty for none), what it is used for (a Coding), the name."""

    language: str
    use: dict[str, Any]
    value: str


class Concept(NamedTuple):
    """A code of a system. `properties` are (name, element of `value[x]`, value), `parents` the codes right over it."""

    code: str
    display: str = ""
    definition: str = ""
    active: bool = True
    abstract: bool = False
    designations: tuple[Designation, ...] = ()
    properties: tuple[tuple[str, str, Any], ...] = ()
    parents: tuple[str, ...] = ()

    def named(self, language: str) -> str:
        """The display in a language, or its own where it has none in that."""
        wanted = language.lower()
        for one in self.designations:
            if wanted and one.language.lower().split("-")[0] == wanted.split("-")[0]:
                return one.value
        return self.display


class Codes(Protocol):
    """A code system that is at hand. `complete` says that a code which it has not got is none of the system's."""

    @property
    def url(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def complete(self) -> bool: ...
    @property
    def size(self) -> int:
        """How many codes it has."""

    async def concept(self, code: str) -> Concept | None:
        """One code, in the spelling of the system; None where it has no such code."""

    def concepts(self, codes: Collection[str] | None = None) -> AsyncIterator[Concept]:
        """These codes (None: all), in the system's order."""

    async def members(self, name: str) -> frozenset[str]:
        """The codes of a set of the system's own (a reference set, an answer list); none where it has no such set."""

    async def over(self, code: str) -> frozenset[str]:
        """Every code that stands over this one."""

    async def under(self, code: str, *, next_only: bool = False) -> frozenset[str]:
        """Every code that stands under this one, or those right under it."""
