"""The edge of the house: ASGI in and out, and the one place where an error becomes an answer.

A `Refusal` or `Denied` takes the error shape of the API that was called; a fault of our own is logged with its trace and
answered with its correlation id (`wire.journal`). A mounted application makes its own answers, under the correlation id that
it is given. `kjerne.app` tells the whole way of a request.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from kjerne.access import Caller, Once
from kjerne.clock import Clock, SystemClock
from kjerne.errors import Refusal
from kjerne.exchange import PUBLIC, Answer, Call, Denied, Pairs, Route, Unattested
from kjerne.fhir.negotiation import speaks_xml
from kjerne.policy.door import Door
from kjerne.settings import Settings
from kjerne.store.house import Store
from kjerne.store.proofs import note
from kjerne.wire import http, journal
from kjerne.wire.codings import Codings
from kjerne.wire.deadline import Deadlines
from kjerne.wire.problems import denied_answer, refusal_answer
from kjerne.wire.ranges import part
from kjerne.wire.representation import Representations
from kjerne.wire.routing import Router, prefixed
from kjerne.wire.sockets import Met, Sockets

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
Authenticate = Callable[[str, str, Sequence[tuple[bytes, bytes]], bytes], Awaitable[tuple[Caller, Once]]]


@dataclass(frozen=True)
class Mount:
    """A sub-application that answers for a path of one part and everything below it; for itself if it is `alone`, as `/` is."""

    path: str
    app: AsgiApp
    alone: bool = False


class Edge:
    """The ASGI application over one store. Made by `kjerne.app`. `met` does with a socket what it was opened for."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        routes: Sequence[Route],
        authenticate: Authenticate,
        mounts: Sequence[Mount] = (),
        clock: Clock | None = None,
        met: Met | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.routes = tuple(routes)
        self._router = Router(self.routes)
        self._apis = frozenset(_first_part(route.path) for route in self.routes)
        self._authenticate = authenticate
        self._mounts = {mount.path: mount.app for mount in mounts}
        self._alone = frozenset(mount.path for mount in mounts if mount.alone)
        self._clock = clock or SystemClock()
        self._door = Door(store, self._clock, tells_choices=settings.tells_choices)
        self._deadlines = Deadlines(settings.request_seconds)
        self._representations = Representations(settings.xml_depth)
        self._codings = Codings(settings.compress_from_bytes)
        self._sockets = Sockets(met, self.base_url, frozenset(settings.origins.split())) if met else None

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        if scope["type"] == "websocket":
            if self._sockets is not None:
                await self._sockets(scope, receive, send)
            return
        sent = scope["path"]
        path = prefixed(http.host_of(scope), sent)
        plain = http.is_plain_address(scope)
        # The path as it stands, or as the host name makes it.
        for mounted in ((sent,) if path == sent else (sent, path)) if plain else ():
            first = _first_part(mounted)
            application = None if first in self._alone and mounted != first else self._mounts.get(first)
            if application is not None:
                await _mounted(application, {**scope, "path": mounted}, receive, send)
                return
        pages = self._mounts.get("/")
        if pages is not None and _first_part(path) not in self._apis and _reads_pages(scope):
            # Somebody in a browser has gone astray. An address that is none is not shown to the pages either.
            await _mounted(pages, {**scope, "path": path if plain else NOWHERE}, receive, send)
            return
        await self._answer(scope, receive, send, path, plain=plain)

    async def _answer(
        self, scope: http.Scope, receive: http.Receive, send: http.Send, path: str, *, plain: bool
    ) -> None:
        method = scope["method"]
        route: Route | None = None
        correlation = rule = ""
        headers: Mapping[str, str] = {}
        form: Pairs = ()
        try:
            headers = http.headers_of(scope["headers"])
            correlation = http.correlation_of(headers)
            with self._deadlines.limit():
                if not plain:
                    with contextlib.suppress(Refusal):
                        route, _ = self._router.find(method, path)  # whose shape the refusal has
                    raise Refusal(400, "the address holds a character that no address has", where="path")
                route, parameters = self._router.find(method, path)
                call = await self._call(scope, receive, headers, correlation, route, parameters)
                form = call.form
                answer = await self._handled(route, call)
        except Refusal as refusal:
            correlation, rule = correlation or http.correlation_of({}), refusal.rule
            answer = refusal_answer(refusal, route.errors if route else _shape_of(path))
        except Denied as denied:
            rule = denied.denial.rule
            answer = denied_answer(denied.denial, route.errors if route else "fhir")
        except Exception as error:  # noqa: BLE001 - noted with its trace
            # The one place where a fault of our own is met: the trace goes to the log, the caller gets its number.
            told = journal.met(error, correlation, route.path if route else "")
            answer = refusal_answer(told, route.errors if route else "fhir")
        in_xml = speaks_xml(path)
        if in_xml:
            answer = await self._represented(answer, headers.get("accept", ""), (*_query(scope), *form), correlation)
        public, vary = route is not None and route.needs == PUBLIC, "accept" if in_xml else ""
        answer = await self._sent(answer, headers, public=public, vary=vary)
        journal.answered(correlation, route.path if route else "", answer.status, rule)
        if answer.rest is not None:
            answer = msgspec.structs.replace(answer, rest=self._in_time(answer.rest))
        try:
            await http.send_answer(send, answer, correlation, head=method == "HEAD")
        except Exception as error:
            # Of an answer that has begun nothing can be taken back: it is broken off, and the connection with it.
            if answer.rest is None:
                raise
            journal.met(error, correlation, route.path if route else "")

    async def _in_time(self, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces of an answer, each of which may take as long as a request may."""
        while True:
            with self._deadlines.limit():
                piece = await anext(rest, None)
            if piece is None:
                return
            yield piece

    async def _call(
        self,
        scope: http.Scope,
        receive: http.Receive,
        headers: Mapping[str, str],
        correlation: str,
        route: Route,
        parameters: Mapping[str, str],
    ) -> Call:
        caller, once = None, None
        base_url = self.base_url(headers.get("host", ""))
        if route.needs != PUBLIC:
            try:
                caller, once = await self._authenticate(
                    scope["method"], base_url + http.sent_path(scope), scope["headers"], scope.get("query_string", b"")
                )
            except Unattested as refused:
                await self._door.write_down(refused, correlation)
                raise
            route.check_scope(caller, parameters)
        body = await http.body_of(receive, headers, route.body_limit_bytes) if scope["method"] in _WITH_BODY else b""
        form = http.pairs_of(body, "form") if http.is_form(headers) else ()
        return Call(
            method=scope["method"],
            path=scope["path"] if route.path.endswith("/") else scope["path"].removesuffix("/"),
            at=self._clock.now(),
            correlation=correlation,
            caller=caller,
            admit=self._door.admit(caller, correlation, once) if caller else _nobody,
            parameters=parameters,
            query=http.query_of(scope),
            form=form,
            headers=headers,
            body=b"" if form else body,
            base_url=base_url,
            once=once,
            meet=partial(self._door.meet, caller) if caller else None,
            beside=self._door.beside if caller else None,
        )

    async def _handled(self, route: Route, call: Call) -> Answer:
        """The handler's answer. The proof is noted before it begins, or by its first statement (`Route.notes_proof`).

        What such a handler refuses without a statement is noted all the same: a proof is good for one answer.
        """
        if not route.notes_proof:
            await self._note(call)
        try:
            answer = await route.handler(await self._representations.heard(route, call))
        except Refusal as refused:
            await self._note(call)
            if isinstance(refused, Unattested):
                await self._door.write_down(refused, call.correlation)
            raise
        await self._note(call)
        return answer

    async def _represented(self, answer: Answer, accept: str, asked: Pairs, correlation: str) -> Answer:
        try:
            return await self._representations.told(answer, accept, asked)
        except Refusal as refusal:
            return refusal_answer(refusal, "fhir")
        except Exception as error:  # noqa: BLE001 - noted with its trace
            return refusal_answer(journal.met(error, correlation, "representation"), "fhir")

    async def _sent(self, answer: Answer, headers: Mapping[str, str], *, public: bool, vary: str) -> Answer:
        """The answer as it goes out: packed, and of a file the part that is asked for, of whichever of the two had begun."""
        accept = headers.get("accept-encoding", "")
        try:
            return part(await self._codings.packed(part(answer, headers), accept, public=public, vary=vary), headers)
        except Refusal as refusal:
            return refusal_answer(refusal, "fhir")

    async def _note(self, call: Call) -> None:
        if call.once is not None and not call.once.noted:
            async with self.store.pool.acquire() as conn:
                await note(conn, call.once)

    def base_url(self, host: str) -> str:
        """The address the client used, where it is one of ours: in the sandbox any loopback name with our port."""
        own = self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}"
        if self.settings.mode == "sandbox":
            name, _, port = host.partition(":")
            if port == str(self.settings.port) and (name in ("localhost", "127.0.0.1") or name.endswith(".localhost")):
                return f"http://{host}"
        return own


def _query(scope: http.Scope) -> Pairs:
    """What an answer's representation can be asked by; nothing where the query is what was refused."""
    if b"_format" in scope.get("query_string", b""):
        with contextlib.suppress(Refusal):
            return http.query_of(scope)
    return ()


async def _mounted(application: AsgiApp, scope: dict[str, Any], receive: http.Receive, send: http.Send) -> None:
    """The answer of a mounted application, which finds its correlation id in the scope. What it does not meet is met here."""
    begun = False
    correlation = scope[http.CORRELATION] = http.correlation_sent(scope)

    async def sending(message: Mapping[str, Any]) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        await application(scope, receive, sending)
    except Exception as error:  # noqa: BLE001 - noted with its trace
        refusal = journal.met(error, correlation, _first_part(scope["path"]))
        if not begun:
            await http.send_answer(send, refusal_answer(refusal, "json"), correlation)


def unread(refusal: Refusal, host: str, path: str) -> tuple[Answer, str]:
    """The answer to what could not be read as a request (`wire.protocol`), and its correlation id; noted as any is."""
    answer, correlation = refusal_answer(refusal, _shape_of(prefixed(host, path))), http.correlation_of({})
    journal.answered(correlation, "", answer.status)
    return answer, correlation


NOWHERE: Final = "/-"
"""An address that no page has."""


def _reads_pages(scope: http.Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def _first_part(path: str) -> str:
    end = path.find("/", 1)
    return path[:end] if end > 1 else path


def _shape_of(path: str) -> Any:
    if path.startswith("/v1/helseindikator"):
        return "indicator"
    return "fhir" if path.startswith(("/fhir", "/pps/v2", "/api/critical-information")) else "json"


async def _nobody(*_: Any, **__: Any) -> Any:
    raise Refusal(401, "this address opens no patient data")
