"""The console and its log: a form for any documented operation, the call it makes, and what this browser has called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kjerne.errors import Refusal
from kjerne.policy import words as rule_words
from kjerne.sandbox.front import calling, operations, tokens, writing
from kjerne.sandbox.front.calling import Made, Plan, Reason
from kjerne.sandbox.front.finder import NUMBER_DIGITS, Finder
from kjerne.sandbox.front.look import PATH, language_of, page
from kjerne.sandbox.front.operations import Operation
from kjerne.sandbox.front.tokens import Asked, Built
from kjerne.sandbox.front.visits import Visit, Visits, posted
from kjerne.sandbox.front.wire import ANSWER_LIMIT_BYTES, Wire
from kjerne.sandbox.personas import Persona

_KEPT: Final = ("as", "patient", "purpose", "token")
"""What is kept while another operation is chosen."""
Trail = Callable[[str, datetime], Awaitable[Sequence[Reason]]]


@dataclass(frozen=True)
class Console:
    """The handlers. `trail` reads what the log says of a call of ours."""

    wire: Wire
    finder: Finder
    visits: Visits
    personas: Sequence[Persona]
    trail: Trail
    secure: bool

    def routes(self) -> Sequence[Route]:
        """Where they answer."""
        return (
            Route(f"{PATH}/console", self.form),
            Route(f"{PATH}/console", self.send, methods=["POST"]),
            Route(f"{PATH}/calls", self.calls),
            Route(f"{PATH}/calls/{{id}}", self.called),
        )

    async def form(self, request: Request) -> Response:
        """Which operation, and then what is sent; with what an earlier call sent, where one is named."""
        query = request.query_params
        visit = self.visits.of(request)
        again = visit.calls.get(query.get("call", ""))
        typed = dict(again.plan.form) if again else dict(query)
        return await self._form(request, visit, typed)

    async def _form(
        self, request: Request, visit: Visit, typed: Mapping[str, str], fault: Refusal | None = None
    ) -> Response:
        known = operations.operations(await self.wire.apart(self.wire.described))
        operation = known.get(typed.get("op", ""))
        if operation is None and typed.get("op"):
            raise Refusal(404, "the platform's document has no such operation", todo=f"Choose one at {PATH}/console.")
        return page(
            request, "console.html", "console.title", status=fault.status if fault else 200, typed=typed, fault=fault,
            operation=operation, tags=operations.by_tag(known), first=[known[one] for one in operations.FIRST if one in known],
            kept=[(name, typed[name]) for name in _KEPT if typed.get(name) and not _is_number(typed[name])],
            askers=self.personas, purposes=tokens.PURPOSES, spoiled=writing.SPOILED,
            held=[
                (name, one.asked.as_, self.finder.named(one.asked.patient) or one.asked.patient)
                for name, one in reversed(visit.tokens.items())
                if one.held
            ],
        )  # fmt: skip

    async def send(self, request: Request) -> Response:
        """Makes the call, and leads to it."""
        form = await posted(request)
        visit = self.visits.of(request)
        try:
            wanted = calling.plan(await self._operation(form.get("op", "")), form)
            built = None if wanted.operation.public else await self._token(visit, wanted, form)
        except Refusal as refusal:
            return await self._form(request, visit, form, refusal)
        if built is not None and built.held is None:
            return self.visits.gone_to(visit, f"{PATH}/token/{visit.keep_token(built)}", secure=self.secure)
        persona = next((one for one in self.personas if built and one.name == built.asked.as_), None)
        at = self.wire.clock.now()
        steps, correlation = await self.wire.apart(calling.call, self.wire, wanted, persona, built)
        reasons = tuple(await self.trail(correlation, at))
        login = writing.pushed(built.steps) if built else writing.OPEN
        made = Made(wanted, built.asked if built else None, at, correlation, steps, reasons, login)
        return self.visits.gone_to(visit, f"{PATH}/calls/{visit.keep_call(made)}", secure=self.secure)

    async def _operation(self, name: str) -> Operation:
        found = operations.operations(await self.wire.apart(self.wire.described)).get(name)
        if found is None:
            raise Refusal(404, "the platform's document has no such operation", todo=f"Choose one at {PATH}/console.")
        return found

    async def _token(self, visit: Visit, wanted: Plan, form: Mapping[str, str]) -> Built:
        """The token of this browser that was chosen, or a new one for the call's own service."""
        if chosen := form.get("token", ""):
            if chosen not in visit.tokens:
                raise Refusal(
                    400, "this browser has no such token", where="token", todo="Choose another, or a new one."
                )
            return visit.tokens[chosen]
        said = form.get("patient", "")
        patient = await self.wire.apart(self.finder.number_of, said) if said.strip() else ""
        asked = Asked.of({**form, "service": wanted.service}, patient)
        return await self.wire.apart(tokens.build, self.wire, asked, self.personas)

    async def calls(self, request: Request) -> Response:
        """What this browser has called, the newest first."""
        visit = self.visits.of(request)
        made = [(name, one, self._named(one)) for name, one in reversed(visit.calls.items())]
        return page(request, "calls.html", "calls.title", made=made)

    async def called(self, request: Request) -> Response:
        """One call: request and answer, why it was given or refused, and what is wrong in it."""
        id_ = request.path_params["id"]
        made = self.visits.of(request).calls.get(id_)
        if made is None:
            raise Refusal(404, "this browser has no such call here", todo="Make it anew.")
        language = language_of(request)
        step, plan = made.step, made.plan
        own = {name for name, _ in plan.headers}
        return page(
            request, "called.html", "called.title", id=id_, made=made, step=step, named=self._named(made),
            phrase=_phrase(step.status), issues=calling.issues(step.answer), sent=calling.readable(step.body),
            came=calling.readable(step.answer), headers=tokens.headers(step),
            programs=[
                (one, writing.program(one, self.wire.url, made.login, step, plan.spoiled, own)) for one in writing.LANGUAGES
            ],
            left_out=max(step.length_bytes - ANSWER_LIMIT_BYTES, 0),
            reason_in_words=lambda one: (rule_words.says(one.rule, _of_rules(language)) or one.says),
        )  # fmt: skip

    def _named(self, made: Made) -> str:
        return self.finder.named(made.asked.patient) or made.asked.patient if made.asked else ""


def _is_number(text: str) -> bool:
    """Whether it may be a person number, which stands in no address."""
    return sum(sign.isdigit() for sign in text) >= NUMBER_DIGITS


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _of_rules(language: str) -> rule_words.Language:
    """The rules' texts are in three languages."""
    return "en" if language == "en" else "nn" if language == "nn" else "nb"
