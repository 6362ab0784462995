"""What the pages ask of the house where a clinician's own system opened them: `pages.house.PagesHouse` is this too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kjerne.pages.house import Identity, Visit


@dataclass(frozen=True, slots=True)
class Launched:
    """What the reader's own system vouched for when it opened the page: who she is there, and its decision (ATT-46).

    `session` names its session (`store.portal_sessions`), without which the page is closed.
    """

    session: str
    organisation: str
    point_of_care: str
    authorization: str
    decision: str


class LaunchedHouse(Protocol):
    """The part of it that is about such sessions."""

    async def use_code(self, code: str, verifier: str) -> str:
        """The session of a code that a clinician's system gave, to be opened once; empty where the two open nothing."""
        ...

    async def open_launched(self, who: Identity, session: str) -> Visit:
        """The visit that her system asked for; `Refusal` 403 for anybody else, and when it was opened before."""
        ...

    async def person_key(self, number: str) -> int:
        """The person key of a number that an EHR told, 0 where nobody has it; `Refusal` 400 where it is none."""
        ...

    async def stands(self, launched: Launched) -> datetime | None:
        """When her system vouched for it last; None where it has ended the session, or let it run out."""
        ...

    async def end_launched(self, launched: Launched) -> None:
        """She has closed the page herself."""
        ...
