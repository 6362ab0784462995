"""What the pages ask of the house about critical information, and the plain values that cross it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol

from kjerne.services.critical.drafts import Deed, Draft
from kjerne.services.critical.entries import Coded, Entry, Version
from kjerne.services.critical.groups import Beside
from kjerne.store.participation import SourceRow
from kjerne.store.transfers import Origin

if TYPE_CHECKING:
    from kjerne.pages.house import Identity, Patient, Visit

DEEDS: Final[tuple[Deed, ...]] = ("change", "verify", "refute", "restore", "retract")
State = Literal["", "silent", "refused", "General", "Specific", "Reservation"]
"""Why nothing of it is shown: the source did not answer, the law's other no, or what the patient has shut. Empty: it is shown."""


Shows = Callable[[Sequence[Entry]], Iterable[tuple[Entry, Version]]]
"""Which of the entries that a visit may see a page shows, and in which versions: those that the row in the log names."""


def all_of_it(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Version]]:
    """Each with its whole history."""
    return ((one, version) for one in entries for version in one.versions)


def none_of_it(_: Sequence[Entry]) -> tuple[tuple[Entry, Version], ...]:
    """A form that shows nothing registered."""
    return ()


def in_force(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Version]]:
    """Those that hold, as they are now."""
    return ((one, one.now) for one in entries if one.now.standing == "active")


def one_of_them(type_: str, id_: str, *, history: bool = True, saw: int = 0) -> Shows:
    """One entry with its history, or as it is now and in the version that the reader saw."""

    def shows(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Version]]:
        named = (one for one in entries if (one.type, one.id) == (type_, id_))
        return (
            (one, version) for one in named for version in one.versions
            if history or version is one.now or version.number == saw
        )  # fmt: skip

    return shows


@dataclass(frozen=True, slots=True)
class CriticalChart:
    """All critical information that this visit may see, in one audited read. `beside` are the entries that say the same as one
    or contradict it, by its id; `origins` is where a version was sent from, by id and version.

    `may` are the kinds of content that the reader may register (`registries.contents`), with the act of verifying. `names` are
    those of organisations by number, `sources` who takes part now.
    """

    patient: Patient
    read_at: datetime
    entries: tuple[Entry, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[SourceRow, ...] = ()
    may: frozenset[str] = frozenset()
    beside: Mapping[str, tuple[Beside, ...]] = field(default_factory=dict)
    origins: Mapping[tuple[str, int], Origin] = field(default_factory=dict)

    def those(self, standing: str) -> tuple[Entry, ...]:
        """The entries that stand so, in their order. What says that nothing is known (`negative`) is none of the `active`."""
        if standing == "negative":
            return tuple(one for one in self.entries if one.now.standing == "active" and one.now.negative)
        return tuple(
            one
            for one in self.entries
            if one.now.standing == standing and not (standing == "active" and one.now.negative)
        )


@dataclass(frozen=True, slots=True)
class Shelf:
    """Critical information as a page shows it, or why it does not."""

    chart: CriticalChart | None = None
    state: State = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Codes:
    """What a search of loaded terminology found. `systems` are the code systems that were searched; none are loaded where it is
    empty. `more`: not all of it is shown."""

    found: tuple[Coded, ...] = ()
    systems: tuple[str, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class EntryChanged:
    """An entry that the reader has read, as she saw it at `read_at` and as it is now; None where that is shut or gone today."""

    read_at: datetime
    then: Version | None
    now: Version | None


class CriticalHouse(Protocol):
    """The doors to critical information."""

    async def critical(
        self, who: Identity, visit: Visit, shows: Shows = all_of_it, *, alone: bool = False
    ) -> CriticalChart:  # fmt: skip
        """All of it under the law, with a row in the log of what the page shows: those, and unless `alone` what others have
        registered about the same. `Denied` by its outcome."""
        ...

    async def critical_alike(self, who: Identity, visit: Visit, draft: Draft) -> tuple[Entry, ...]:
        """Those entries that may be what the draft is about already, under the law, with a row of them."""
        ...

    async def register_critical(self, who: Identity, visit: Visit, draft: Draft) -> str:
        """Registers it; its id. `Refusal` 422 with what a profile demands."""
        ...

    async def change_critical(
        self, who: Identity, visit: Visit, named: tuple[str, str, int], deed: Deed, why: str, draft: Draft | None
    ) -> None:
        """Does that to an entry (type, id, version that was seen). `Refusal` 412 where another version stands, 404, 410."""
        ...

    async def find_codes(self, kind: str, words: str) -> Codes:
        """Codes that say what an entry of a kind can be about, by words or code."""
        ...

    async def code(self, system: str, code: str) -> Coded | None:
        """A code of a loaded system; None where it has none such. Where the system is not loaded the name is empty."""
        ...

    async def listed_codes(self, system: str) -> tuple[Coded, ...]:
        """Every code of a short system; none where it is not loaded."""
        ...
