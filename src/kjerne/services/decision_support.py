"""Discovery of CDS Hooks: which services there are, for which hooks, and what each wants fetched beforehand.

Source: https://cds-hooks.hl7.org/2.0/#discovery. The services themselves lie in their own rooms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kjerne.exchange import PUBLIC, Answer, Call, Route
from kjerne.fhir import cds_hooks
from kjerne.fhir.encode import encode


@dataclass(frozen=True)
class DecisionSupport:
    """The handler. `services` are as the rooms describe them."""

    services: Sequence[dict[str, Any]]

    def routes(self) -> list[Route]:
        return [Route("GET", cds_hooks.BASE, self.tell, PUBLIC, "json")]

    async def tell(self, _: Call) -> Answer:
        """The services that a clinician's system may call."""
        return Answer(200, encode({"services": list(self.services)}), "application/json")
