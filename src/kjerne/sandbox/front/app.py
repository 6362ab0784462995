"""The integrator's pages as one Starlette application under `/sandbox`.

Made by `kjerne up` alone: production imports nothing of the sandbox. No person number stands in an address here: a patient is
named in one by a part of the sandbox's stories or by the running number of the synthetic population.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from kjerne import __version__
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.pages import paging
from kjerne.registries import identifiers
from kjerne.sandbox.front import calls_to_copy, finder, look, tokens
from kjerne.sandbox.front.addresses import DOCUMENTS, areas
from kjerne.sandbox.front.console import Console, Trail
from kjerne.sandbox.front.finder import Finder, Wanted
from kjerne.sandbox.front.look import PATH, page
from kjerne.sandbox.front.quick import QuickStarts
from kjerne.sandbox.front.registered import LIMIT
from kjerne.sandbox.front.visits import Visits, posted
from kjerne.sandbox.front.wire import Wire
from kjerne.sandbox.people import Population
from kjerne.sandbox.personas import Persona
from kjerne.sandbox.sts.clients import Client

KINDS: Final = ("practitioner", "citizen", "system")


@dataclass(frozen=True)
class Sandbox:
    """What the pages are about: the platform at `url`, its people, and the document of its personas and clients."""

    url: str
    personas: Sequence[Persona]
    population: Population
    published: bytes = field(repr=False)
    clock: Clock
    trail: Trail
    clients: Sequence[Client] = field(repr=False)


class Front:
    """The pages over one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._wire = Wire(sandbox.url, sandbox.clock)
        self._finder = Finder(sandbox.population, sandbox.personas, self._wire)
        self._visits = Visits(sandbox.clock)
        self._secure = sandbox.url.startswith("https:")
        keys = {one.id: one.key for one in sandbox.clients if one.published}
        self._quick = QuickStarts(self._wire, self._finder, sandbox.personas, keys)
        self._console = Console(
            self._wire, self._finder, self._visits, sandbox.personas, sandbox.trail, secure=self._secure
        )

    def app(self) -> Starlette:
        """What answers under `/sandbox`."""
        routes = [
            Route(PATH, self.start),
            Route(f"{PATH}/", self.start),
            Route(f"{PATH}/personas.json", self.published),
            Route(f"{PATH}/personas", self.personas),
            Route(f"{PATH}/patients", self.patients),
            Route(f"{PATH}/token", self.token),
            Route(f"{PATH}/token", self.build, methods=["POST"]),
            Route(f"{PATH}/token/{{id}}", self.built),
            *self._console.routes(),
            *self._quick.routes(),
            Mount(look.STATIC, look.static_files()),
        ]
        return Starlette(
            routes=routes, exception_handlers={Refusal: look.refused, HTTPException: _astray, Exception: _failed}
        )

    async def somebody(self, number: str) -> Persona | None:
        """Who lives and has a number, of the sandbox's own people and of all whom the test client may find: a citizen, who may
        log in."""
        if not identifiers.is_number(number):
            return None
        if (own := self._finder.person(number)) is not None:
            return None if own.death_date else _citizen(number, own.name)
        try:
            met = await self._wire.apart(self._finder.registered.by_number, number)
        except Refusal:
            return None
        if met is None or met.is_dead:
            return None
        return _citizen(number, met.name)

    async def published(self, _: Request) -> Response:
        """Whom one can be, and with which client and key (`kjerne.client` reads it)."""
        return Response(
            self._sandbox.published, media_type="application/json", headers={"cache-control": "no-store"}
        )  # fmt: skip

    async def start(self, request: Request) -> Response:
        """What this is, and where everything is."""
        document = await self._wire.apart(self._wire.described)
        return page(
            request, "start.html", "start.title", url=self._sandbox.url, areas=areas(document), documents=DOCUMENTS,
            people=self._sandbox.population.residents, personas=len(self._sandbox.personas), version=__version__,
            first=calls_to_copy.about(self._sandbox.url, "gp", "citizen"),
        )  # fmt: skip

    async def personas(self, request: Request) -> Response:
        """Whom one can be, and a call to begin with."""
        kind, patient = request.query_params.get("kind", ""), request.query_params.get("patient", "")
        chosen = [one for one in self._sandbox.personas if kind in ("", one.kind)]
        await self._wire.apart(self._finder.registered.met, patient)
        today = self._sandbox.clock.now().date()
        return page(
            request, "personas.html", "personas.title", chosen=chosen, kind=kind, kinds=KINDS, patient=patient,
            choices=self._finder.choices(patient), units={one.number: one.name for one in self._sandbox.population.organisations},
            calls={one.name: calls_to_copy.first(self._sandbox.url, one) for one in chosen},
            relations={one.name: self._finder.relation(patient, one, today) for one in chosen},
        )  # fmt: skip

    async def patients(self, request: Request) -> Response:
        """Test patients by what they are and have."""
        query = request.query_params
        fault, rows, more, wanted = None, list[finder.Row](), False, Wanted()
        try:
            wanted = Wanted.of(query)
            today = self._sandbox.clock.now().date()
            found = await self._wire.apart(self._finder.find, wanted, today, bool(query.get("part")))
            rows, more = list(found.rows), found.more
        except Refusal as refusal:
            fault = refusal
        part = paging.part(len(rows), query.get("part", ""), finder.ROWS)
        kept = urlencode([(name, value) for name, value in query.items() if name != "part" and value])
        return page(
            request, "patients.html", "patients.title", status=fault.status if fault else 200, rows=paging.cut(rows, part),
            wanted=wanted, typed=query, fault=fault, part=part, kept=f"?{kept}&" if kept else "?",
            askers=self._sandbox.personas, places=self._finder.places(query.get("place", "")),
            traits=finder.TRAITS, relations=finder.RELATIONS,
            has=finder.HAS, more=more, limit=LIMIT,
            call=lambda row: calls_to_copy.about(self._sandbox.url, wanted.as_, self._said_as(row)),
        )  # fmt: skip

    async def token(self, request: Request) -> Response:
        """What a token is to be for; what stands in the address is put into the form."""
        return self._token_form(request, request.query_params)

    def _token_form(self, request: Request, typed: Mapping[str, str], fault: Refusal | None = None) -> Response:
        visit = self._visits.of(request)
        return page(
            request, "token.html", "token.title", status=fault.status if fault else 200, typed=typed, fault=fault,
            askers=self._sandbox.personas, purposes=tokens.PURPOSES, services=tokens.SERVICES,
            made=[(name, one, self._finder.named(one.asked.patient)) for name, one in reversed(visit.tokens.items())],
        )  # fmt: skip

    async def build(self, request: Request) -> Response:
        """Gets a token, and leads to it."""
        form = await posted(request)
        try:
            patient = (
                await self._wire.apart(self._finder.number_of, form["patient"])
                if form.get("patient", "").strip()
                else ""
            )
            asked = tokens.Asked.of(form, patient)
            made = await self._wire.apart(tokens.build, self._wire, asked, self._sandbox.personas)
        except Refusal as refusal:
            return self._token_form(request, form, refusal)
        visit = self._visits.of(request)
        return self._visits.gone_to(visit, f"{PATH}/token/{visit.keep_token(made)}", secure=self._secure)

    async def built(self, request: Request) -> Response:
        """A token with every step on the way to it, or why there is none."""
        found = self._visits.of(request).tokens.get(request.path_params["id"])
        if found is None:
            raise Refusal(404, "this browser has no such token here", todo="Make one anew.")
        header, said = tokens.claims(found.held.token) if found.held else ({}, ())
        return page(
            request, "built.html", "built.title" if found.held else "built.refused", id=request.path_params["id"],
            built=found, header=header, claims=said,
            details=tokens.details(found.held.token) if found.held else (), steps=[tokens.shown(one) for one in found.steps],
            named=self._finder.named(found.asked.patient), now=self._sandbox.clock.now().timestamp(),
            key=json.dumps(found.held.key.private_jwk()) if found.held else "",
        )  # fmt: skip

    def _said_as(self, row: finder.Row) -> str:
        """A patient as the client for tests takes her: by a persona's name where she has one."""
        return next((one.name for one in self._sandbox.personas if one.nin == row.number), row.number)


def _citizen(number: str, name: str) -> Persona:
    return Persona("somebody", "", "citizen", "somebody", nin=number, person_name=name)


async def _failed(request: Request, _: Exception) -> Response:
    # Its trace is in the log: whoever mounts us meets the error itself once this answer has begun.
    refusal = Refusal(
        500, "the sandbox failed here", todo="The log of the platform says where, under the correlation id."
    )
    return look.refused(request, refusal)


async def _astray(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return look.refused(
        request,
        Refusal(
            error.status_code, "there is no such page in the sandbox, or not by this method", todo=f"Begin at {PATH}."
        ),
    )
