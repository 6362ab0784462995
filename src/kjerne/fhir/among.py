"""References among lines that come together and get new ids: what each leads to here.

What a line was called where it comes from (`Type/id`) gives way to its address here wherever a line refers to it, relative or by
a whole address of this server, as in a transaction (R4 http.html#trules). A version or a place behind it is dropped. A
`urn:uuid:` names the `fullUrl` of an entry in a Bundle (R4 bundle.html#references); a line has none, so nothing can be meant by
it here. References are found in the bytes and replaced there: all else stays as it was received.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

# In the bytes of a line: the names of members hold no escapes where a resource was understood, and no text holds a bare quote.
_REFERENCE: Final = re.compile(rb'("reference"\s*:\s*)"([^"\\]*(?:\\.[^"\\]*)*)"')
_LINK: Final = re.compile(
    r"(?:(https?://\S+)/)?([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?(?:#.*)?", re.DOTALL
)
_URN: Final = re.compile(r"urn:uuid:([A-Za-z0-9-]{36})", re.IGNORECASE)
_PERSON: Final = "Patient/"
SEVERAL: Final = 0
"""In place of the number of a line: several lines are called so."""

TOLD: Final = 100
"""Warnings in one answer."""
SEVERAL_HAVE_IT: Final = (
    "{} is what several lines are called: the reference was kept as it was sent, and leads to none of them"
)
NO_FULL_URL: Final = (
    "{} is the id of a line, and lines have no fullUrl: the reference was kept as it was sent; refer by Type/id"
)
CAME_LATER: Final = (
    "{} was referred to by a part that came before: the reference was kept as it was sent, and does not lead here"
)


class Lost(NamedTuple):
    """What is warned of about line `number`: a sentence with a place for the `reference`."""

    number: int
    reference: str
    says: str


class Named(NamedTuple):
    """What some lines called themselves (`Type/id`), and what they refer to, each with the number of its line."""

    ids: list[tuple[int, str]]
    links: list[tuple[int, str]]


def look(named: Named, number: int, raw: bytes, tree: Mapping[str, Any]) -> None:
    """Adds what line `number` calls itself and refers to. A Patient is meant by her address here, which stays."""
    id_ = tree.get("id")
    if isinstance(id_, str):
        named.ids.append((number, f"{tree['resourceType']}/{id_}"))
    for found in _REFERENCE.finditer(raw):
        text = _text(found[2])
        if not text.startswith((_PERSON, "#")):
            named.links.append((number, text))


def _text(written: bytes) -> str:
    return str(json.loads(b'"' + written + b'"')) if b"\\" in written else written.decode()


@dataclass(frozen=True, slots=True)
class Among:
    """What lines are called (`names`: the number of the line), the links of each to be followed (the text as it was sent, and the
    name that it means), and those that are warned of whatever comes."""

    names: Mapping[str, int]
    links: Mapping[int, Mapping[str, str]]
    stray: Sequence[Lost]

    def whole(self) -> dict[int, dict[str, str]]:
        """By line the links that are whole addresses, with what they mean: nobody has looked yet which type stands there."""
        found: dict[int, dict[str, str]] = {}
        for number, links in self.links.items():
            if named := {text: name for text, name in links.items() if text.startswith("http")}:
                found[number] = named
        return found

    def asked(self) -> dict[str, int]:
        """Names that are referred to and that no line has, each with the number of a line that does."""
        return {
            name: number for number, links in self.links.items() for name in links.values() if name not in self.names
        }

    def led(self, addresses: Mapping[int, str], known: Mapping[str, str]) -> dict[int, dict[str, str]]:
        """By line what stands in place of its links: `addresses` are those of the lines here, `known` of names from before."""
        found: dict[int, dict[str, str]] = {}
        for number, links in self.links.items():
            for text, name in links.items():
                address = addresses.get(self.names[name]) if name in self.names else known.get(name)
                if address is not None:
                    found.setdefault(number, {})[text] = address
        return found

    def lost(self) -> list[Lost]:
        """References that lead nowhere, to what several lines are called or to what none can be."""
        several = (
            Lost(number, text, SEVERAL_HAVE_IT)
            for number, links in self.links.items()
            for text, name in links.items()
            if self.names.get(name) == SEVERAL
        )
        return sorted((*several, *self.stray))


def among(parts: Sequence[Named], base: str, *, earlier: bool) -> Among:
    """What the parts of one body say. `base` is the whole address that references of this server begin with; `earlier`: other
    lines came before, so that links are followed even where no line here has a name."""
    names, links, stray = dict[str, int](), dict[int, dict[str, str]](), dict[Lost, None]()
    for number, name in (one for part in parts for one in part.ids):
        names[name] = number if names.get(name, number) == number else SEVERAL
    ids = {name.partition("/")[2].lower() for name in names}
    for number, text in (one for part in parts for one in part.links) if names or earlier else ():
        if (found := _LINK.fullmatch(text)) and found[1] in (None, base) and not found[2].startswith(_PERSON):
            if earlier or found[2] in names:
                links.setdefault(number, {})[text] = found[2]
        elif (urn := _URN.fullmatch(text)) and urn[1].lower() in ids:
            stray[Lost(number, text, NO_FULL_URL)] = None
    return Among(names, links, tuple(stray))


def relinked(raw: bytes, instead: Mapping[str, str]) -> bytes:
    """The bytes of a line with other references in the place of those that are named."""

    def replace(found: re.Match[bytes]) -> bytes:
        address = instead.get(_text(found[2]))
        return found[0] if address is None else b'%s"%s"' % (found[1], address.encode())

    return _REFERENCE.sub(replace, raw)


def told(found: Sequence[Lost]) -> dict[str, Any]:
    """An OperationOutcome that warns of the first of them. That the lines were taken is right: nothing in them is wrong."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "warning",
                "code": "incomplete",
                "diagnostics": one.says.format(one.reference),
                "location": [f"line {one.number}"],
            }
            for one in found[:TOLD]
        ],
    }
