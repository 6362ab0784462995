"""A door of one's own to the sandbox, for clients that know nothing of Norway's tokens (`kjerne proxy`).

Every request that comes to it goes on as a persona's: with a token, a proof of possession and an attestation, as `kjerne call`
makes them. So any FHIR client, a browser or a test tool can be held against the platform before its own login is built. It
listens on this machine alone, and only a sandbox has the personas that it acts as.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

import httpx

from kjerne.client import Client
from kjerne.commands.asking import Attested, connected, home_address, number_of
from kjerne.errors import Refusal
from kjerne.server import listening, run, serve
from kjerne.settings import Settings
from kjerne.wire import http
from kjerne.wire.problems import refusal_answer

BODY_LIMIT_BYTES: Final = 64_000_000
NOT_SENT_ON: Final = frozenset(
    (
        "host",
        "authorization",
        "dpop",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "content-encoding",
        "cookie",
    )
)
"""Made anew for the platform, or about this connection alone."""
NOT_GIVEN_BACK: Final = frozenset(("content-length", "content-encoding", "transfer-encoding", "connection", "date"))
PATIENT: Final = "person-id"
LOOPBACK: Final = frozenset(("127.0.0.1", "localhost"))


@dataclass(frozen=True)
class Proxy:
    """The ASGI application. Requests are about the patient that `attested` names, or another in their header `person-id`."""

    client: Client
    home: str
    caller: str
    attested: Attested
    basis: str = ""
    own: str = ""

    async def __call__(self, scope: http.Scope, receive: http.Receive, send: http.Send) -> None:
        if scope["type"] == "lifespan":
            await _lives(receive, send)
            return
        try:
            headers = http.headers_of(scope["headers"])
            if headers.get("host", "").partition(":")[0] not in LOOPBACK:
                raise Refusal(421, "this door is opened at 127.0.0.1 or localhost alone", where="host")
            body = await http.body_of(receive, headers, BODY_LIMIT_BYTES)
            path = http.sent_path(scope) + (f"?{query}" if (query := scope["query_string"].decode("latin-1")) else "")
            if not path.startswith("/"):
                raise Refusal(400, "a path begins with /", where="path")
            answer = await asyncio.to_thread(self._asked, scope["method"], path, headers, body)
        except Refusal as refusal:
            told = refusal_answer(refusal, "fhir")
            await http.send_answer(send, told, http.correlation_of({}), head=scope["method"] == "HEAD")
            return
        except (httpx.TransportError, httpx.InvalidURL) as error:
            gone = Refusal(502, f"{self.home} did not answer: {type(error).__name__}", todo="Is `kjerne up` running?")
            await http.send_answer(send, refusal_answer(gone, "fhir"), http.correlation_of({}))
            return
        content = self._renamed(answer.content)
        lines = [*self._given_back(answer.headers.multi_items()), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": lines})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        said = asdict(self.attested)
        if number := headers.get(PATIENT, ""):
            said["patient"] = number_of(self.client, number)
        sent = {name: value for name, value in headers.items() if name not in NOT_SENT_ON and name != PATIENT}
        body = body.replace(self.own.encode(), self.home.encode())
        return self.client.call(method, path, as_=self.caller, basis=self.basis, body=body, headers=sent, **said)

    def _renamed(self, content: bytes) -> bytes:
        """What links say of the platform's address leads here: who follows them comes by this door again."""
        return content.replace(self.home.encode(), self.own.encode())

    def _given_back(self, headers: Iterable[tuple[str, str]]) -> Iterable[tuple[bytes, bytes]]:
        for name, value in headers:
            if name not in NOT_GIVEN_BACK:
                yield name.encode(), self._renamed(value.encode())


async def _lives(receive: http.Receive, send: http.Send) -> None:
    while True:
        said = (await receive())["type"]
        await send({"type": f"{said}.complete"})
        if said == "lifespan.shutdown":
            return


def stand(caller: str, attested: Attested, basis: str, port: int, told: Callable[[str], None]) -> None:
    """Answers at `port` of this machine until Ctrl-C; `told` is called with the address once it does."""
    with connected() as client:
        # One decision for all, since a page's link opens to the same one alone.
        attested = replace(
            attested, patient=number_of(client, attested.patient), decision=attested.decision or secrets.token_hex(8)
        )
        client.token(caller, **asdict(attested))  # who cannot be called as is told now, and not by the first request
        own = f"http://127.0.0.1:{port}"
        proxy = Proxy(client, home_address().rstrip("/"), caller, attested, basis, own)

        async def started() -> None:
            told(own)

        run(serve(proxy, listening(Settings(mode="sandbox", host="127.0.0.1", port=port)), started))
