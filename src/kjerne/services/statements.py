"""`/metadata`: where each interface tells what it can, made from the routes it has (R4 http.html#capabilities)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kjerne import __version__
from kjerne.exchange import PUBLIC, Answer, Call, Handler, Route
from kjerne.fhir import capability
from kjerne.fhir.capability import PERSON
from kjerne.fhir.encode import encode
from kjerne.fhir.interaction import OF_A_WRITE, known
from kjerne.fhir.negotiation import check_accepted
from kjerne.registries.guides import Guides, State
from kjerne.registries.homes import SECOND, SERVICE_BY_TYPE

STATEMENTS_KEPT: Final = 16
"""Addresses that a statement is kept for: the names by which this house is called."""
R4: Final = "/fhir/R4"
PPS: Final = "/pps/v2"


@dataclass(frozen=True)
class Statements:
    """The statements of both interfaces. `of_results` are the types of the national interface of results, `shared` those about no
    patient, `of_persons` what can be done with Patient."""

    guides: Guides
    of_results: Sequence[str]
    shared: Mapping[str, str]
    of_persons: frozenset[str]

    def routes(self, routes: Sequence[Route]) -> list[Route]:
        """The addresses where they are told, for an installation that has these routes."""
        pps = self._told(PPS, routes, dict.fromkeys(self.of_results, "results"))
        r4 = self._told(R4, routes, {**SERVICE_BY_TYPE, **self.shared, PERSON: PERSON})
        return [
            *(Route(method, f"{PPS}/metadata", pps, PUBLIC, "fhir") for method in ("GET", "POST")),
            Route("GET", f"{R4}/metadata", r4, PUBLIC, "fhir"),
        ]

    def _told(self, base: str, routes: Sequence[Route], served: Mapping[str, str]) -> Handler:
        kept: dict[str, tuple[State, bytes]] = {}

        async def metadata(call: Call) -> Answer:
            """The CapabilityStatement, made from the route table."""
            check_accepted(call)
            known(call, call.query, OF_A_WRITE)
            packages, url = self.guides.state(), f"{call.base_url}{base}"
            if url not in kept or kept[url][0] is not packages:
                told = capability.statement(
                    routes, base, types=served, url=url, software_version=__version__, made_at=call.at,
                    supported=self.guides.supported() if base == R4 else {}, narrower={PERSON: self.of_persons},
                    second=SECOND if base == R4 else {},
                )  # fmt: skip
                if len(kept) >= STATEMENTS_KEPT:
                    kept.clear()
                kept[url] = packages, encode(told)
            return Answer(200, kept[url][1])

        return metadata
