"""A FHIR message: read from its Bundle, and answered by another (R4 messaging.html).

A message begins with its MessageHeader, which says what has happened and which entries it is about; the rest of the entries are
what these refer to. What is no message is refused with its place; what a message asks and is not done, its answer says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID, uuid5

from kjerne.errors import Refusal
from kjerne.fhir.encode import encode
from kjerne.fhir.entries import Entry, placed
from kjerne.fhir.links import relinked
from kjerne.fhir.validate import check

Tree = dict[str, Any]
Code = Literal["ok", "fatal-error", "transient-error"]

HEADER: Final = "MessageHeader"
LINKS: Final = "content-links"
"""The header of a PATCH that leads links elsewhere (`led_anew`). It comes of a message alone: no entry of a Bundle brings it, and
what is sent with a Bundle about its content is not its entries'."""
ENTRIES_LIMIT: Final = 500
EVENTS_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v2-0003"
EVENTS: Final = (
    "A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A11", "A12", "A13", "A28", "A31",
    "O01", "O11", "O13", "O19", "O21", "O23", "R01", "R32", "S12", "S13", "S14", "S15", "S17",
)  # fmt: skip
"""The events that are taken: what each brings is filed as it stands."""
_BUNDLE: Final = frozenset(
    {"resourceType", "id", "meta", "language", "identifier", "type", "timestamp", "link", "entry"}
)
_ENTRY: Final = frozenset({"id", "extension", "link", "fullUrl", "resource"})
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_REST: Final = re.compile(r"(\S+)/[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}")
_RELATIVE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}")
_VERSION: Final = re.compile(r"/_history/[A-Za-z0-9.\-]{1,64}$")


class Part(NamedTuple):
    """An entry behind the header: `address` is what the sender knows it by."""

    place: int
    address: str
    tree: Tree
    is_focus: bool

    @property
    def name(self) -> str:
        return str(self.tree.get("resourceType", ""))

    @property
    def where(self) -> str:
        return f"Bundle.entry[{self.place}]"

    def whole(self, text: str) -> str:
        """The address that a reference of this entry means, without a version; empty where it is none."""
        bare = _VERSION.sub("", text)
        if _ABSOLUTE.fullmatch(bare):
            return bare
        base = _REST.fullmatch(self.address)
        return f"{base[1]}/{bare}" if base and _RELATIVE.fullmatch(bare) else ""

    def references(self) -> Iterator[str]:
        """What its resource refers to, and the records that its other links lead to, as whole addresses."""
        found: list[str] = []

        def look(text: str, is_reference: bool) -> None:
            address = self.whole(text)
            if address and (is_reference or _REST.fullmatch(address)):
                found.append(address)

        relinked(self.tree, look)
        return iter(found)


class Message(NamedTuple):
    """A message as sent; `names` are what its sender calls it."""

    header: Tree
    names: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def event(self) -> str:
        """The code of the event where it is one of ours; `Refusal` 422 for any other."""
        coding = self.header.get("eventCoding", {})
        if coding.get("system") != EVENTS_SYSTEM or coding.get("code") not in EVENTS:
            raise Refusal(
                422, "this event is not taken here", where="Bundle.entry[0].resource.eventCoding", code="not-supported",
                todo=f"One of {', '.join(EVENTS)} of {EVENTS_SYSTEM}.",
            )  # fmt: skip
        return str(coding["code"])


def read(tree: Tree) -> Message:
    """From a parsed body; `Refusal` 400, 413 or 422 for what is no message."""
    if tree.get("resourceType") != "Bundle":
        raise Refusal(400, "the body is not a Bundle", where="resourceType")
    if tree.get("type") != "message":
        raise Refusal(400, "a Bundle that is sent here is a message", where="Bundle.type", code="value")
    _known(tree, _BUNDLE, "Bundle")
    rows = tree.get("entry")
    if type(rows) is not list or not rows:
        raise Refusal(400, "a message has entries", where="Bundle.entry", code="required")
    if len(rows) > ENTRIES_LIMIT:
        raise Refusal(413, f"{len(rows)} entries are more than {ENTRIES_LIMIT}", where="Bundle.entry", code="too-long")
    for place, row in enumerate(rows):
        _check_entry(row, place)
    header = rows[0]["resource"]
    _check_header(header)
    parts = tuple(Part(place, row["fullUrl"], row["resource"], False) for place, row in enumerate(rows) if place)
    return Message(header, _names(tree, header), _with_focus(header, str(rows[0].get("fullUrl", "")), parts))


def _known(value: Tree, names: frozenset[str], where: str) -> None:
    for name in value:
        if name.removeprefix("_") not in names:
            plain = name if re.fullmatch(r"_?[A-Za-z]{1,40}", name) else "an element"
            raise Refusal(400, f"{plain} is not taken here", where=where, code="structure")


def _check_entry(row: Any, place: int) -> None:
    where = f"Bundle.entry[{place}]"
    if type(row) is not dict:
        raise Refusal(400, "the entry is no object", where=where, code="structure")
    _known(row, _ENTRY, where)
    resource, address = row.get("resource"), row.get("fullUrl")
    if type(resource) is not dict or type(resource.get("resourceType")) is not str:
        raise Refusal(400, "an entry of a message brings a resource", where=f"{where}.resource", code="required")
    if (place or "fullUrl" in row) and (type(address) is not str or not _ABSOLUTE.fullmatch(address)):
        raise Refusal(400, "an entry has the whole address of its resource", where=f"{where}.fullUrl", code="value")


def _check_header(header: Tree) -> None:
    where = "Bundle.entry[0].resource"
    if header["resourceType"] != HEADER:
        raise Refusal(400, "the first entry of a message is its MessageHeader", where=where, code="invalid")
    if faults := check(header, HEADER):
        first = Refusal(422, faults[0].says, where=faults[0].where, code="invalid", faults=tuple(faults[1:]))
        raise placed(first, Entry(0, "POST", HEADER, "", tree=header))
    if "id" not in header:
        says = "a message is known by its MessageHeader's id, which the answer names"
        raise Refusal(422, says, where=f"{where}.id", code="required")
    if "response" in header:
        raise Refusal(422, "an answer to a message is not taken", where=f"{where}.response", code="not-supported")


def _names(tree: Tree, header: Tree) -> tuple[str, ...]:
    identifier = tree.get("identifier")
    if identifier is None:
        return (f"id {header['id']}",)
    value = identifier.get("value") if type(identifier) is dict else None
    if type(value) is not str or not value:
        raise Refusal(422, "an identifier has a value", where="Bundle.identifier.value", code="required")
    return f"id {header['id']}", f"identifier {identifier.get('system', '')}|{value}"


def _with_focus(header: Tree, address: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The entries, those marked that the message is about; `Refusal` where one of them is not there, or two are one."""
    known: dict[str, Part] = {}
    for part in parts:
        if known.setdefault(part.address, part) is not part:
            raise Refusal(400, "two entries have one address", where=f"{part.where}.fullUrl", code="duplicate")
    by_id = {f"{part.name}/{part.tree.get('id')}": part for part in parts}
    head, about = Part(0, address, header, False), set[int]()
    for place, one in enumerate(header.get("focus", ())):
        text = str(one.get("reference", ""))
        found = known.get(head.whole(text)) or by_id.get(text)
        if found is None:
            where = f"Bundle.entry[0].resource.focus[{place}].reference"
            raise Refusal(422, "what a message is about is one of its entries", where=where, code="not-found")
        about.add(found.place)
    return tuple(part._replace(is_focus=part.place in about) for part in parts)


def translated(part: Part, meant: Callable[[str], str | Tree | None], others: Collection[str]) -> Tree:
    """The resource with its references as this server has them. `meant` gives what stands here for a whole address; what leads
    to `others` that are filed with it is left to the transaction, and what is not known here keeps its address elsewhere."""

    def replace(text: str, is_reference: bool) -> str | Tree | None:
        address = part.whole(text)
        instead = meant(address) if address else None
        if instead is not None:
            return instead if is_reference or isinstance(instead, str) else None
        if not is_reference or not address or address in others or _ABSOLUTE.fullmatch(text):
            return None
        return address

    return relinked(part.tree, replace)


def type_in(address: str) -> str:
    """The type that an address names, empty where it names none."""
    return address.split("/")[-2] if _REST.fullmatch(address) else ""


def leads_anew(anew: Mapping[str, str]) -> Tree:
    """As Parameters, that links to some addresses lead to others from now on; these may be those of entries."""
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": old, "valueReference": {"reference": new}} for old, new in anew.items()],
    }


def led_anew(tree: Tree, parameters: Tree) -> Tree:
    """A resource that was filed from a message, its links led where `leads_anew` says."""
    anew = {one["name"]: one["valueReference"]["reference"] for one in parameters["parameter"]}

    def replace(text: str, is_reference: bool) -> str | None:
        bare = _VERSION.sub("", text)
        if bare in anew or is_reference or not _RELATIVE.fullmatch(bare):
            return anew.get(bare)
        # A link that is no reference was filed as it came.
        return next((new for old, new in anew.items() if old.endswith("/" + bare)), None)

    return relinked(tree, replace)


def answer(message: Message, base: str, id_: UUID, at: datetime, code: Code, details: bytes = b"") -> bytes:
    """The message that answers. `details` is an OperationOutcome that says more."""
    header = message.header
    source = header.get("source", {})
    told: Tree = {
        "resourceType": HEADER,
        "id": str(id_),
        **{name: header[name] for name in ("eventCoding", "eventUri") if name in header},
        "destination": [{name: source[name] for name in ("name", "endpoint") if name in source}],
        "source": {"name": "kjerne", "endpoint": f"{base}/$process-message"},
        "response": {"identifier": header["id"], "code": code},
    }
    more = str(uuid5(id_, "details"))
    if details:
        told["response"]["details"] = {"reference": f"urn:uuid:{more}"}
    entries = [b'{"fullUrl":"urn:uuid:%b","resource":%b}' % (str(id_).encode(), encode(told))]
    if details:
        entries.append(b'{"fullUrl":"urn:uuid:%b","resource":%b}' % (more.encode(), details))
    made = at.isoformat(timespec="milliseconds").encode()
    return (
        b'{"resourceType":"Bundle","id":"%b","type":"message","timestamp":"%b","entry":[' % (str(id_).encode(), made)
        + b",".join(entries)
        + b"]}"
    )
