"""XML at `/fhir/R4` (R4 http.html#mime-type): a body in XML becomes JSON before a handler sees it, an answer XML after it.

So every interaction speaks both, and what is kept is JSON alone. What XML cannot be told apart by is not kept: comments,
prefixes, spaces between elements. Reading and writing XML takes the processor some ten times as long as JSON, so it is done in
threads, few at a time, while other requests go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from lxml import etree

from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Pairs, Route
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.from_xml import read
from kjerne.fhir.negotiation import JSON, JSON_TYPE, XML, XML_TYPE, is_of_another_version, media_type, speaks_xml
from kjerne.fhir.xml_format import to_xml
from kjerne.wire import xml

AT_ONCE: Final = 2
GATHERED_LIMIT_BYTES: Final = 20_000_000
_ANY: Final = frozenset(("*/*", "application/*", ""))
STATEMENTS_KEPT: Final = 8
_STATEMENT: Final = b'{"resourceType":"CapabilityStatement"'
_FORMAT: Final = "_format"
_AS_XML: Final = XML | {"xml"}
_FORMATS: Final = _AS_XML | JSON | {"json"}
_BUNDLE: Final = b'{"resourceType":"Bundle"'
_CLOSED: Final = b"</Bundle>"
_PARTS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENTRIES: Final = msgspec.json.Decoder(list[msgspec.Raw])
T = TypeVar("T")


@dataclass
class Representations:
    """The two representations of one edge; `depth` of elements in each other is the most that is read."""

    depth: int
    _turns: asyncio.Semaphore = field(default_factory=partial(asyncio.Semaphore, AT_ONCE))
    _statements: dict[bytes, bytes] = field(default_factory=dict)
    """What the server can do, in XML by its JSON: it is the same for everybody, and anybody asks."""

    async def heard(self, route: Route, call: Call) -> Call:
        """The call as the handlers know it. `Refusal` 400 or 422 where the body is no XML or none of FHIR's, 406 where `_format`
        is neither JSON nor XML."""
        if not speaks_xml(route.path):
            return call
        if any(name == _FORMAT and _media(value) not in _FORMATS for name, value in (*call.query, *call.form)):
            raise Refusal(406, "the answer is written in json or xml", where=_FORMAT, code="not-supported")
        sent = call.headers.get("content-type", "")
        if call.body and not route.reads_xml and media_type(sent) in XML and not is_of_another_version(sent):
            parse = partial(xml.parse, depth=self.depth, limit_bytes=route.body_limit_bytes)
            body = await self._in_turn(_as_json, call.body, parse)
            call = msgspec.structs.replace(call, body=body, headers={**call.headers, "content-type": JSON_TYPE})
        if wants_xml(call.headers.get("accept", ""), (*call.query, *call.form)):
            call = msgspec.structs.replace(
                call, headers={**call.headers, "accept": JSON_TYPE}, query=_plain(call.query), form=_plain(call.form)
            )
        return call

    async def told(self, answer: Answer, accept: str, asked: Pairs) -> Answer:
        """An answer in XML, where that was asked for by the header `accept` or by the parameter `_format` among `asked`.

        One that would go out in pieces is gathered first; `Refusal` 406 where it is too large for that.
        """
        if answer.media_type != JSON_TYPE or not wants_xml(accept, asked):
            return answer
        if answer.rest is not None:
            answer = msgspec.structs.replace(answer, body=await _gathered(answer.rest), rest=None)
        if not answer.body:
            return answer
        is_statement = answer.body.startswith(_STATEMENT)
        body = self._statements.get(answer.body) if is_statement else None
        if body is None:
            named = any(name == _FORMAT for name, _ in asked)
            body = await self._in_turn(_as_xml, answer.body, partial(xml.parse, depth=self.depth), named)
            if is_statement:
                if len(self._statements) >= STATEMENTS_KEPT:
                    self._statements.clear()
                self._statements[answer.body] = body
        return msgspec.structs.replace(answer, body=body, media_type=XML_TYPE)

    async def _in_turn(self, work: Callable[..., T], *given: Any) -> T:
        async with self._turns:
            return await asyncio.to_thread(work, *given)


async def _gathered(rest: AsyncIterator[bytes]) -> bytes:
    pieces, size = list[bytes](), 0
    async for piece in rest:
        pieces.append(piece)
        size += len(piece)
        if size > GATHERED_LIMIT_BYTES:
            raise Refusal(406, "an answer of this size is given in JSON alone", where="accept", code="not-supported")
    return b"".join(pieces)


def wants_xml(accept: str, asked: Iterable[tuple[str, str]]) -> bool:
    """Whether XML is what the caller would rather have. The parameter counts before the header (R4 http.html#parameters)."""
    for name, value in asked:
        if name == _FORMAT:
            return _media(value) in _AS_XML
    if not accept or accept in (JSON_TYPE, "*/*"):
        return False
    best, found = 0.0, False
    for part in accept.lower().split(","):
        media, weight = media_type(part), _weight(part)
        if weight > best and media in XML | JSON | _ANY and not is_of_another_version(part):
            best, found = weight, media in XML
    return found


def _media(value: str) -> str:
    """A value of `_format`. A plus in an address is a space, if it is not written as %2B."""
    return value.strip().lower().replace(" ", "+")


def _weight(part: str) -> float:
    for one in part.split(";")[1:]:
        name, _, value = one.strip().partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _plain(pairs: Pairs) -> Pairs:
    return tuple(pair for pair in pairs if pair[0] != _FORMAT)


def _as_json(body: bytes, parse: Callable[[bytes], etree._Element]) -> bytes:
    return encode(read(parse(body)).tree)


def _as_xml(body: bytes, parse: Callable[[bytes], etree._Element], named: bool) -> bytes:
    parts = _PARTS.decode(body) if body.startswith(_BUNDLE) else {}
    if not {"type", "entry"} <= parts.keys() or "signature" in parts:
        tree = decode(body)
        if named and tree["resourceType"] == "Bundle" and "link" in tree:
            tree["link"] = list(_links(tree["link"]))
        return etree.tostring(to_xml(tree, parse), encoding="UTF-8", xml_declaration=True)
    # Entry by entry: the tree of ten thousand takes thirty times their bytes. Nothing but a signature stands behind them.
    entries = _ENTRIES.decode(parts.pop("entry"))
    tree = {name: decode(bytes(value)) for name, value in parts.items()}
    if named and "link" in tree:
        tree["link"] = list(_links(tree["link"]))
    head = etree.tostring(to_xml(tree, parse), encoding="UTF-8", xml_declaration=True)
    inside = (_inside(decode(bytes(one)), parse) for one in entries)
    return b"".join((head.removesuffix(_CLOSED), *inside, _CLOSED))


def _inside(entry: dict[str, Any], parse: Callable[[bytes], etree._Element]) -> bytes:
    """One entry as it stands in a Bundle."""
    whole = etree.tostring(to_xml({"resourceType": "Bundle", "entry": [entry]}, parse), encoding="UTF-8")
    begins = whole.index(b"<entry")
    return whole[begins : -len(_CLOSED)]


def _links(links: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The links of a Bundle, with the parameter that the caller asked for XML by: who follows them is to get it again."""
    for link in links:
        url = link["url"]
        yield {**link, "url": f"{url}{'&' if '?' in url else '?'}{_FORMAT}=xml"}
