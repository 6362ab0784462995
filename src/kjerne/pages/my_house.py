"""What the citizen's own doors ask of the house beside her record: `pages.house.PagesHouse` is this too.

Every method asks the law and leaves an audit row before it answers, and raises as `PagesHouse` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kjerne.store.looks import Wanted

if TYPE_CHECKING:
    from kjerne.pages.house import Identity, LogRow, RuleLanguage, Visit


@dataclass(frozen=True, slots=True)
class LogPart:
    """One page of the log, newest first: rows `newer` + 1 and on of `total` that are wanted.

    `onward` begins the next page, empty where there is none. `organisations` (number and name) and `services` are all that
    stand in the log, to choose from.
    """

    rows: tuple[LogRow, ...]
    newer: int = 0
    total: int = 0
    onward: str = ""
    organisations: tuple[tuple[str, str], ...] = ()
    services: tuple[str, ...] = ()


class MyHouse(Protocol):
    """The citizen's own doors."""

    async def log(
        self, who: Identity, visit: Visit, language: RuleLanguage, wanted: Wanted, after: str = ""
    ) -> LogPart:
        """Who looked, a page of it, with the rule's words in the reader's language; `after` is another page's `onward`."""
        ...
