"""`/metadata`: where each interface tells what it can, made from the routes it has (R4 http.html#capabilities).

Under `/fhir/R4` also what its terminology can do (`mode=terminology`), made from what is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kjerne import __version__
from kjerne.errors import Refusal
from kjerne.exchange import PUBLIC, Answer, Call, Handler, Pairs, Route
from kjerne.fhir import capability
from kjerne.fhir.capability import PERSON
from kjerne.fhir.encode import encode
from kjerne.fhir.interaction import OF_A_WRITE, known
from kjerne.fhir.negotiation import check_accepted
from kjerne.fhir.terminology import capability as terms
from kjerne.mhd import capability as responder
from kjerne.mhd import searching as mhd
from kjerne.registries.guides import Guides, State
from kjerne.registries.homes import SECOND, SERVICE_BY_TYPE
from kjerne.registries.kj_profiles import definitions
from kjerne.store import terminology
from kjerne.store.pool import Pool

STATEMENTS_KEPT: Final = 16
"""Addresses that a statement is kept for: the names by which this house is called."""
R4: Final = "/fhir/R4"
PPS: Final = "/pps/v2"
CRITICAL: Final = "/api/critical-information/v1"
DOCUMENTS: Final = "/phr/R4/fhir"
_OF_CRITICAL: Final = (
    "A search is about one patient, whom the header nhn-patient-nin names, and gives the latest version of each record. The "
    "type Condition is also at /Conditions. /status says whether the patient has shut it, and when something was last changed."
)
_OF_DOCUMENTS: Final = (
    "Documents of other institutions (IHE MHD), told of by their sources. A search is about one patient: the header "
    "nhn-patient-nin, patient.identifier in a form, or patient (Patient/id). DocumentReference is sorted (_sort) by date, name, "
    "type, securityLabel, category, department or organization, and both are paged by _count and _page; sources=all asks every "
    "source. Provide Document Bundle (ITI-65) is refused: a document is sent to the source that answers for it."
)
_KIND: Final = {
    "name": "criticalInfoType",
    "type": "token",
    "documentation": "which kind of critical information (docs/critical-information.md)",
}


@dataclass(frozen=True)
class Statements:
    """The statements of all interfaces. `of_results` are the types of the national interface of results, `of_critical` those of
    that of critical information, `shared` those about no patient, `of_persons` what can be done with Patient, `expanded_by` the
    parameters of `$expand`."""

    guides: Guides
    of_results: Sequence[str]
    of_critical: Sequence[str]
    shared: Mapping[str, str]
    of_persons: frozenset[str]
    pool: Pool
    expanded_by: Sequence[str]

    def routes(self, routes: Sequence[Route]) -> list[Route]:
        """The addresses where they are told, for an installation that has these routes."""
        pps = self._told(PPS, routes, dict.fromkeys(self.of_results, "results"))
        critical = self._told(CRITICAL, routes, dict.fromkeys(self.of_critical, "critical-information"))
        documents = self._told(DOCUMENTS, routes, dict.fromkeys(mhd.OWN, "documents"))
        r4 = self._told(R4, routes, {**SERVICE_BY_TYPE, **self.shared, PERSON: PERSON})
        return [
            *(Route(method, f"{PPS}/metadata", pps, PUBLIC, "fhir") for method in ("GET", "POST")),
            Route("GET", f"{R4}/metadata", r4, PUBLIC, "fhir"),
            Route("GET", f"{CRITICAL}/metadata", critical, PUBLIC, "fhir"),
            Route("GET", f"{DOCUMENTS}/metadata", documents, PUBLIC, "fhir"),
        ]

    def _told(self, base: str, routes: Sequence[Route], served: Mapping[str, str]) -> Handler:
        kept: dict[str, tuple[State, bytes]] = {}

        async def metadata(call: Call) -> Answer:
            """The CapabilityStatement, made from the route table; or the TerminologyCapabilities."""
            check_accepted(call)
            if base == R4 and _mode(known(call, call.query, OF_A_WRITE | {"mode"})) == "terminology":
                return await self._of_terms(call)
            if base != R4:
                known(call, call.query, OF_A_WRITE)
            packages, url = self.guides.state(), f"{call.base_url}{base}"
            if url not in kept or kept[url][0] is not packages:
                told = capability.statement(
                    routes, base, types=served, url=url, software_version=__version__, made_at=call.at,
                    supported=self.guides.supported() if base == R4 else {}, narrower={PERSON: self.of_persons},
                    second=SECOND if base == R4 else {},
                )  # fmt: skip
                if base == CRITICAL:
                    told = _of_critical(told)
                if base == DOCUMENTS:
                    told = _of_documents(told)
                if len(kept) >= STATEMENTS_KEPT:
                    kept.clear()
                kept[url] = packages, encode(told)
            return Answer(200, kept[url][1])

        return metadata

    async def _of_terms(self, call: Call) -> Answer:
        async with self.pool.acquire() as conn:
            loaded = await terminology.every_loaded(conn)
        url = f"{call.base_url}{R4}"
        told = terms.statement(loaded, self.expanded_by, url=url, software_version=__version__, made_at=call.at)
        return Answer(200, encode(told))


def _mode(pairs: Pairs) -> str:
    """Which statement is asked for (R4 http.html#capabilities)."""
    modes = [value for name, value in pairs if name == "mode"]
    if any(one not in ("full", "terminology") for one in modes) or len(modes) > 1:
        raise Refusal(400, "a mode is full or terminology", where="mode", todo="Leave it out for the whole statement.")
    return modes[0] if modes else "full"


def _of_critical(told: dict[str, Any]) -> dict[str, Any]:
    """The statement of an interface that is searched by one parameter of its own, and holds what it takes to its profiles."""
    (rest,) = told["rest"]
    rest["documentation"] = _OF_CRITICAL
    rest.pop("searchParam", None)
    for resource in rest["resource"]:
        for name in ("searchInclude", "searchRevInclude", "documentation"):
            resource.pop(name, None)
        profiles = (one["url"] for one in definitions().values() if one["type"] == resource["type"])
        resource |= {"searchParam": [_KIND], "versioning": "versioned-update", "supportedProfile": sorted(profiles)}
    return told


def _of_documents(told: dict[str, Any]) -> dict[str, Any]:
    """The statement of an interface that is MHD's, and is searched by what MHD asks for."""
    (rest,) = told["rest"]
    rest["documentation"] = _OF_DOCUMENTS
    rest.pop("searchParam", None)
    # A Bundle has an address there that only says where one is taken.
    rest["resource"] = [
        responder.resource(one["type"], [each["code"] for each in one["interaction"]])
        for one in rest["resource"]
        if one["type"] in mhd.OWN
    ]
    return told | {"instantiates": [responder.RESPONDER]}
