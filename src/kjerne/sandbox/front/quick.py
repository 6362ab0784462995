"""Quick starts: a first call as a whole program in four languages, with this platform's addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kjerne.errors import Refusal
from kjerne.pages.desk import HEADERS
from kjerne.sandbox.front import calling, operations, tokens, writing
from kjerne.sandbox.front.calling import Made
from kjerne.sandbox.front.finder import Finder
from kjerne.sandbox.front.look import PATH, page
from kjerne.sandbox.front.tokens import Asked
from kjerne.sandbox.front.wire import Wire
from kjerne.sandbox.front.writing import LANGUAGES, Language
from kjerne.sandbox.personas import Persona
from kjerne.wire.http import FORM
from kjerne.wire.jws import SigningKey

AS, ABOUT, BODY = "gp", "citizen", "code=NPU27300\n_count=1"
_OPERATION: Final = operations.FIRST[0]


@dataclass
class QuickStarts:
    """The handlers. `keys` are the published private keys of the sandbox's clients."""

    wire: Wire
    finder: Finder
    personas: Sequence[Persona]
    keys: Mapping[str, SigningKey] = field(repr=False)
    _first: Made | None = None

    def routes(self) -> Sequence[Route]:
        """Where they answer."""
        return (
            Route(f"{PATH}/quickstart", self.start),
            Route(f"{PATH}/quickstart/{{file}}", self.file),
            Route(f"{PATH}/clients/{{id}}.pem", self.key),
        )

    async def start(self, request: Request) -> Response:
        """The program in one language, how it is run, and what it answers."""
        chosen = _chosen("key", request.query_params.get("in", LANGUAGES[0].key))
        first = await self._made()
        return page(
            request, "quickstart.html", "quickstart.title", chosen=chosen, languages_of_programs=LANGUAGES, url=self.wire.url,
            text=self._written(chosen, first), came=calling.readable(first.step.answer), got=first.step.status, name=AS,
            about=ABOUT,
        )  # fmt: skip

    async def file(self, request: Request) -> Response:
        """The program as a file."""
        language = _chosen("file", request.path_params["file"])
        return PlainTextResponse(self._written(language, await self._made()), headers=dict(HEADERS))

    async def key(self, request: Request) -> Response:
        """A client's private key in PEM (PKCS 8), for languages that read no JWK. It opens nothing but synthetic people."""
        key = self.keys.get(request.path_params["id"])
        if key is None:
            raise Refusal(404, "no client of the sandbox has this id", todo="They stand in /sandbox/personas.json.")
        pem = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        return PlainTextResponse(pem, media_type="application/x-pem-file", headers=dict(HEADERS))

    def _written(self, language: Language, first: Made) -> str:
        return writing.program(language, self.wire.url, first.login, first.step)

    async def _made(self) -> Made:
        """The call that the programs make, made once, so that they ask for what was really asked for."""
        if self._first is None:
            self._first = await self.wire.apart(self._call)
        return self._first

    def _call(self) -> Made:
        operation = operations.operations(self.wire.described())[_OPERATION]
        plan = calling.plan(operation, {"p_type": "Observation", "media": FORM, "body": BODY})
        asked = Asked(AS, self.finder.number_of(ABOUT))
        built = tokens.build(self.wire, asked, self.personas)
        if built.refusal is not None:
            raise built.refusal
        persona = next(one for one in self.personas if one.name == AS)
        at = self.wire.clock.now()
        steps, correlation = calling.call(self.wire, plan, persona, built)
        return Made(plan, asked, at, correlation, steps, login=writing.pushed(built.steps))


def _chosen(by: str, wanted: str) -> Language:
    """A language by its key or its file; `Refusal` 404 for another."""
    found = next((one for one in LANGUAGES if getattr(one, by) == wanted), None)
    if found is None:
        known = ", ".join(getattr(one, by) for one in LANGUAGES)
        raise Refusal(404, "there is no such program", todo=f"Choose one of: {known}.")
    return found
