"""Patient summaries from abroad at the national address: brought, listed, opened, settled entry by entry, and taken back.

What is brought is a document of any maker, JSON or XML, and it is kept as it came. The citizen reads what is kept of her and how
far it is settled; she decides nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar
from uuid import UUID

from kjerne.access import Action, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, PatientRef, Route, granted, looking_at
from kjerne.fhir import smart
from kjerne.fhir.cds_hooks import said
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.fhir.negotiation import JSON, JSON_TYPE, XML, XML_TYPE, check_accepted, is_of_another_version, media_type
from kjerne.registries.naming import in_address, patient_of
from kjerne.services.critical.abroad import identity, telling
from kjerne.services.critical.abroad.refusing import refused
from kjerne.services.critical.abroad.settling import DEEDS, Abroad, Brought, Decision, Deed
from kjerne.services.critical.headers import heard
from kjerne.services.critical.kinds import SERVICE, TYPES
from kjerne.store import abroad as rows
from kjerne.store.pool import Pool
from kjerne.store.sealed_id import SealedIds
from kjerne.store.writing_down import room

BASE: Final = "/api/critical-information/v1"
AT: Final = f"{BASE}/abroad"
SCOPE: Final = "nhn:critical-information/api"
DOCUMENT_LIMIT_BYTES: Final = 5_000_000
DECISION_LIMIT_BYTES: Final = 500_000
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_TAG: Final = re.compile(r'(?:W/)?"([0-9a-f-]{1,64})"')
Tree = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class AbroadApi:
    """The handlers. `parse` reads the body of a decision."""

    pool: Pool
    abroad: Abroad
    ids: SealedIds
    parse: Callable[[bytes], Tree]
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        looks = partial(Route, "GET", needs=SCOPE, errors="fhir", for_citizens=True)
        one = AT + "/{document}"
        return [
            Route("POST", f"{BASE}/$import-summary", self.bring, SCOPE, "fhir", body_limit_bytes=DOCUMENT_LIMIT_BYTES),
            looks(AT, handler=self.listed),
            looks(one, handler=self.opened),
            looks(one + "/content", handler=self.content),
            Route("POST", one + "/entries/{place}", self.decide, SCOPE, "fhir", body_limit_bytes=DECISION_LIMIT_BYTES),
            Route("POST", one + "/$take-back", self.take_back, SCOPE, "fhir", body_limit_bytes=DECISION_LIMIT_BYTES),
        ]

    async def bring(self, call: Call) -> Answer:
        """The document as it is kept, with what is to be decided: 201, or 200 where the same bytes are kept already.

        `confirm` names what of her identity differs and is confirmed (birth-date, name, gender), `country` where it comes from.
        """
        call = heard(call)
        check_accepted(call)
        brought = _brought(call)
        document = await self.abroad.understood(brought, call.at)

        async def use(grant: Grant) -> tuple[rows.Held, bool]:
            with looking_at():
                async with self.pool.acquire() as conn:
                    return await self.abroad.bring(conn, grant, brought, document)

        held, is_new = await self._granted(call, "file", use, asked="$import-summary")
        here = f"{call.base_url}{AT}"
        headers = (("location", f"{here}/{held.number}"),)
        return Answer(201 if is_new else 200, encode(telling.reference(held, here)), headers=headers)

    async def listed(self, call: Call) -> Answer:
        """Every document that is kept of her, newest first: a searchset of DocumentReference."""
        call = heard(call)
        check_accepted(call)
        _no_parameters(call)

        async def use(grant: Grant) -> list[rows.Held]:
            async with self.pool.acquire() as conn:
                return await self.abroad.documents(conn, grant)

        found = await self._granted(call, "search", use, asked="abroad")
        return Answer(200, telling.listed(found, f"{call.base_url}{AT}"))

    async def opened(self, call: Call) -> Answer:
        """The document's entries beside what is registered here, each with a proposal and an OperationOutcome: Parameters."""
        call = heard(call)
        check_accepted(call)
        _no_parameters(call)

        looks = count(1)

        async def use(grant: Grant) -> bytes:
            if next(looks) > 1:
                await room(self.pool)
            async with self.pool.acquire() as conn:
                found = await self.abroad.opened(conn, grant, _document(call))
            if found is None:
                raise _absent()
            return telling.told(found, f"{call.base_url}{AT}")

        return Answer(200, await self._granted(call, "search", use, asked="abroad/entries"))

    async def content(self, call: Call) -> Answer:
        """The bytes as they came."""
        call = heard(call)
        _no_parameters(call)

        async def use(grant: Grant) -> Answer:
            async with self.pool.acquire() as conn:
                found = await self.abroad.content(conn, grant, _document(call))
            if found is None:
                raise _absent()
            held, raw = found
            # A document of somebody else's making: nothing that opens it may take it for a page of ours.
            return Answer(200, raw, held.told.media, (("content-disposition", "attachment"),))

        return await self._granted(call, "search", use, asked="abroad/content")

    async def decide(self, call: Call) -> Answer:
        """One entry settled. `If-Match` has the version of the entry that was seen; without it 428.

        The answer tells the record that came of it (`location`), or nothing (204).
        """
        call = heard(call)
        check_accepted(call)
        _no_parameters(call)
        tag, place, decision = _seen(call.headers), _place(call), self._decision(call)

        async def use(grant: Grant) -> Any:
            with looking_at():
                async with self.pool.acquire() as conn:
                    return await self.abroad.decide(conn, grant, _document(call), place, tag, decision)

        written = await self._granted(call, "file", use, asked=f"abroad/{decision.deed}")
        if written is None:
            return Answer(204)
        location = f"{call.base_url}{BASE}/{type_name(written.type)}/{written.id}"
        return Answer(201, headers=(("location", location), ("etag", f'W/"{written.version}"')))

    async def take_back(self, call: Call) -> Answer:
        """The document was brought by mistake; nobody opens it any more. What was taken in of it stays, and is told."""
        call = heard(call)
        check_accepted(call)
        _no_parameters(call)
        reason = _parameters(self.parse(call.body)).get("reason", {})

        async def use(grant: Grant) -> rows.Held:
            with looking_at():
                async with self.pool.acquire() as conn:
                    return await self.abroad.take_back(conn, grant, _document(call), said(reason.get("valueString")))

        held = await self._granted(call, "file", use, asked="abroad/$take-back")
        taken = [one for one in held.steps if one.kind == "taken" and one.type is not None]
        told = [
            {"name": "taken-in", "valueReference": {"reference": f"{type_name(one.type or 0)}/{one.record}"}}
            for one in taken
        ]
        return Answer(200, encode({"resourceType": "Parameters", **({"parameter": told} if told else {})}))

    async def _granted(self, call: Call, action: Action, use: Callable[[Grant], Awaitable[T]], *, asked: str) -> T:
        # A document is of all types at once: a token that is left but a part of them opens and brings none.
        smart.demand_whole(call.caller, TYPES, "cr" if action == "file" else "rs")
        return await granted(
            call.admit, patient_of(call, self.identify), SERVICE, action, use, basis=call.headers["access-basis"],
            asked=asked, what=self.abroad.what(call.caller) if action == "file" else "",
        )  # fmt: skip

    def _decision(self, call: Call) -> Decision:
        sent = _parameters(self.parse(call.body))
        deed = said(sent.get("decision", {}).get("valueCode"))
        if deed not in DEEDS:
            raise refused(422, f"a decision is one of {', '.join(DEEDS)}", "decision", "decision", code="value")
        resource = sent.get("resource", {}).get("resource")
        if resource is not None and not isinstance(resource, dict):
            raise refused(422, "the resource is an object", "resource", "decision", code="structure")
        reason = said(sent.get("reason", {}).get("valueString"))
        named = sent.get("record", {}).get("valueReference")
        address = said(named.get("reference")) if isinstance(named, dict) else ""
        found: Deed = next(one for one in DEEDS if one == deed)
        return Decision(found, resource, self.ids.parse(address.rpartition("/")[2]), reason)


def _brought(call: Call) -> Brought:
    given: dict[str, str] = {}
    for name, value in in_address(call):
        if name not in ("confirm", "country") or name in given:
            raise Refusal(
                400, "the address takes confirm and country, each once", where=name[:64], code="not-supported"
            )
        given[name] = value
    confirmed = frozenset(one.strip() for one in given.get("confirm", "").split(",") if one.strip())
    if unknown := confirmed - set(identity.CONFIRMED):
        says = f"what may be confirmed is {', '.join(identity.CONFIRMED)}"
        raise Refusal(400, says, where="confirm", code="value", todo=f"Leave out {len(unknown)} of them.")
    country = given.get("country", "").upper()
    if country and not _COUNTRY.fullmatch(country):
        raise Refusal(400, "a country is two letters (ISO 3166)", where="country", code="value")
    system = call.headers.get("nhn-source-system") or call.headers.get("hit-source-system", "")
    return Brought(call.body, _media(call), country, system.strip(), confirmed)


def _media(call: Call) -> rows.Media:
    sent = call.headers.get("content-type", "")
    if is_of_another_version(sent):
        raise Refusal(415, "a document is sent in FHIR 4.0", where="content-type", code="not-supported")
    media = media_type(sent)
    if media in XML:
        return XML_TYPE
    if media in ("", *JSON):
        return JSON_TYPE
    raise Refusal(415, f"a document is {JSON_TYPE} or {XML_TYPE}", where="content-type", code="not-supported")


def _seen(headers: Mapping[str, str]) -> str:
    text = headers.get("if-match", "")
    if not text:
        says = "the version of the entry that you have seen is missing"
        raise refused(
            428, says, "If-Match", "seen", todo="Read the document, and send the entry's version.", code="required"
        )
    found = _TAG.fullmatch(text.strip())
    if found is None:
        raise refused(400, 'the version of an entry is such as W/"0-1c3f"', "If-Match", "seen", code="value")
    return found[1]


def _place(call: Call) -> int:
    text = call.parameters["place"]
    if not (text.isascii() and text.isdigit() and len(text) <= len("10000")):
        raise _absent()
    return int(text)


def _document(call: Call) -> UUID:
    try:
        return UUID(call.parameters["document"])
    except ValueError:
        raise _absent() from None


def _parameters(tree: Tree) -> dict[str, Tree]:
    """The parameters of a Parameters resource by their names; `Refusal` 422 where it is something else, or one stands twice."""
    rows_ = tree.get("parameter", [])
    if tree.get("resourceType") != "Parameters" or not isinstance(rows_, list):
        raise refused(422, "the body is no Parameters resource", "resourceType", "decision", code="structure")
    found: dict[str, Tree] = {}
    for place, one in enumerate(rows_):
        name = said(one.get("name")) if isinstance(one, dict) else ""
        if not name or name in found:
            says = "a parameter has a name of its own"
            raise refused(422, says, f"Parameters.parameter[{place}]", "decision", code="structure")
        found[name] = one
    return found


def _no_parameters(call: Call) -> None:
    if call.query:
        raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")


def _absent() -> Refusal:
    return refused(404, "there is no such document of hers", "document", "no-document")
