"""Hospitals whose sources the platform asks, on the loop that it runs on: their own documents, and what a test makes them say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, Final

from lxml import etree

from documents_at_hand import HOME, PERSON, entry
from foreign_sources import Odd, Reply, odd
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names
from kjerne.xds.forms import CX
from kjerne.xds.messages import Response, Wanted
from kjerne.xds.values import Association, DocumentEntry
from platform_fixture import Answered
from platform_fixture import Standing as Platform
from sources import AUDIENCE, GATEWAY, TEXT

SEARCH: Final = "/phr/R4/fhir/DocumentReference/_search"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Country:
    """The platform, and the file of the sources that it asks."""

    platform: Platform
    file: Path
    stack: AsyncExitStack

    def asks(self, **ports: int) -> None:
        """Has the platform ask these sources alone: their names, and the ports that they answer at."""
        trust = self.platform.population.units["trust"].number
        rows = [
            f'[[source]]\nname = "{name}"\ntitle = "{name.title()} sykehus"\norganisation = "{trust}"\n'
            f'home = "{HOME}{"" if name == "sundvika" else f".{place}"}"\nurl = "http://127.0.0.1:{port}{GATEWAY}"\n'
            f'audience = "{AUDIENCE}"\nseconds = 2\naddresses = ["127.0.0.0/8"]\n'
            for place, (name, port) in enumerate(ports.items(), 1)
        ]
        self.file.write_text("\n".join(rows), encoding="utf-8")

    def odd(self, answers: Callable[[bytes], Reply]) -> Odd:
        """A source that answers as a test has it, until the test ends."""
        return self.platform.run(self.stack.enter_async_context(odd(answers)))

    def search(
        self, form: str = "", *, as_: str = "gp", about: str = "citizen", status: str = "current", **more: Any
    ) -> Answered:
        body = f"patient.identifier={self.platform.nin(about)}&status={status}{form}".encode()
        return Answered(
            self.platform.client.call(
                "POST", SEARCH, as_=as_, patient=self.platform.nin(about), body=body, headers=FORM, **more
            )
        )

    def document(self, url: str, *, as_: str = "gp", about: str = "citizen", **more: Any) -> Any:
        path = "/phr" + url.partition("/phr")[2]
        return self.platform.client.call("GET", path, as_=as_, patient=self.platform.nin(about), **more)

    def its(self, place: int = 1, about: str = "citizen", **changes: Any) -> DocumentEntry:
        """An entry about a persona as a registry tells it, of a document that reads `TEXT`."""
        plain = {
            "hash": sha1(TEXT).hexdigest(),
            "size_bytes": len(TEXT),
            "patient": CX(self.platform.nin(about), PERSON),
        }
        return entry(place, **({"home": HOME} | plain | changes))


@contextmanager
def nothing_registered(platform: Platform) -> Iterator[None]:
    """While no source has registered anything but what a test has it register."""

    def forgotten() -> None:
        platform.rows("DELETE FROM document_whereabouts RETURNING source")
        platform.rows("UPDATE document_register SET whole_at = '2000-01-01' RETURNING source")

    forgotten()
    yield
    forgotten()


@contextmanager
def asking(platform: Platform) -> Iterator[Country]:
    """While the platform asks what a test has it ask."""
    file, stack = platform.application._edge.settings.data / "document-sources.toml", AsyncExitStack()
    try:
        yield Country(platform, file, stack)
    finally:
        file.unlink(missing_ok=True)
        platform.run(stack.aclose())


def says(
    *entries: DocumentEntry, content: bytes = TEXT, relations: Sequence[Association] = ()
) -> Callable[[bytes], Reply]:
    """A source that has these documents, each of them with this content, and that are this to each other."""

    def answers(raw: bytes) -> Reply:
        sent = soap.opened(raw)
        relates = sent.message_id
        if sent.action == names.CROSS_QUERY:
            text = _text(sent.body)
            found = [one for one in entries if "UniqueId" not in text or one.unique_id in text]
            body = messages.written_found(Response(names.SUCCESS, (), (*found, *relations)))
            return soap.TYPE, soap.enveloped(
                names.CROSS_QUERY + "Response", body, message_id="urn:t:1", relates=relates
            )
        asked = messages.wanted(sent.body)[0]
        given = messages.Given(
            Wanted(asked.document, asked.repository, asked.home),
            "text/plain",
            lambda element: mtom.included(element, "1@x"),
        )
        told = messages.written_documents(Response(names.SUCCESS), [given])
        envelope = soap.enveloped(names.CROSS_RETRIEVE + "Response", told, message_id="urn:t:1", relates=relates)
        part = b"\r\n--b\r\nContent-ID: <1@x>\r\nContent-Transfer-Encoding: binary\r\n\r\n" + content + b"\r\n--b--\r\n"
        return mtom.content_type("b"), b"".join(mtom.packed("b", envelope, [])).removesuffix(b"\r\n--b--\r\n") + part

    return answers


def _text(body: Any) -> str:
    return etree.tostring(body).decode()
