"""Searchset and history Bundles joined from the bytes of their entries: nothing is parsed or written again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlencode

from kjerne.exchange import Pairs
from kjerne.fhir.encode import encode
from kjerne.fhir.search import Search

Entry = tuple[str, bytes, str]
"""(full url or empty, resource bytes, search mode: match, include or outcome)."""


def searchset(entries: Iterable[Entry], links: Sequence[tuple[str, str]], total: int | None = None) -> bytes:
    """The Bundle's bytes (http://hl7.org/fhir/R4/bundle.html); `links` are (relation, url), `total` counts matches."""
    return _joined("searchset", (_entry(entry) for entry in entries), links, total)


class Version(NamedTuple):
    """One version of a resource in its history: where it lives, its type, its number (0: a deletion of which no version was
    made), its bytes as served (none: it was deleted), and when it came; `put` where its first version came under an id that its
    sender had chosen."""

    url: str
    type: str
    id: str
    number: int
    at: datetime
    resource: bytes
    put: bool = False


class Shut(NamedTuple):
    """A part of a history that is not told: the address that asks for it, the status and the OperationOutcome's bytes that it has
    alone."""

    url: str
    status: int
    outcome: bytes


def history(
    versions: Sequence[Version], links: Sequence[tuple[str, str]], total: int | None, shut: Sequence[Shut] = ()
) -> bytes:
    """A history Bundle, in the order given: each entry says which request made it (bdl-3, bdl-4). What is `shut` comes first,
    as the answer to a request that was refused, since an entry here has no other place for what is said. `total` None: not
    counted."""
    return _joined("history", (*map(_refused, shut), *map(_version, versions)), links, total)


FURTHER: Final = (("_cursor", "..."),)
"""What a page link asks for, in `search_line`: the page after one whose search is in the log already."""


def search_line(type_: str, pairs: Iterable[tuple[str, str]]) -> str:
    """A search in one line, for the log: as it came, but for values in which a person number may stand, right or mistyped."""
    return f"{type_}?{_encoded(tuple(_without_numbers(pairs)))}"


def self_url(address: str, pairs: Iterable[tuple[str, str]], search: Search, is_number: Callable[[str], bool]) -> str:
    """The address of a search with the parameters it used (R4 search.html#conformance).

    A parameter in which a person number stands is left out, since an address never holds one; `is_number` says of eleven digits
    whether they are one.
    """
    used = tuple(
        (name, value)
        for name, value in pairs
        if name not in search.ignored
        and not any(is_number("".join(found.groups())) for found in _NUMBER.finditer(name + value))
    )
    return f"{address}?{_encoded(used)}" if used else address


def _without_numbers(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if not _NUMBER.search(name + value)]


@lru_cache(maxsize=256)
def _encoded(pairs: Pairs) -> str:
    """Kept, since a search is spelled out twice, for its log and for its answer, and many ask the same."""
    return urlencode(pairs)


_NUMBER: Final = re.compile(r"(?<!\d)(\d{6})[\s.-]*(\d{5})(?!\d)")


def _joined(type: str, entries: Iterable[bytes], links: Sequence[tuple[str, str]], total: int | None) -> bytes:
    head: dict[str, object] = {"resourceType": "Bundle", "type": type}
    if total is not None:
        head["total"] = total
    head["link"] = [{"relation": relation, "url": url} for relation, url in links]
    parts = [encode(head)[:-1]]
    joined = b",".join(entries)
    if joined:
        parts += [b',"entry":[', joined, b"]"]
    parts.append(b"}")
    return b"".join(parts)


def _version(one: Version) -> bytes:
    if not one.resource:  # also a first version that was taken from a wrong person
        method, status = "DELETE", "204"
    elif one.number == 1:
        method, status = "PUT" if one.put else "POST", "201"
    else:
        method, status = "PUT", "200"
    made = {
        "request": {"method": method, "url": one.type if method == "POST" else f"{one.type}/{one.id}"},
        "response": {
            "status": status,
            **({"etag": f'W/"{one.number}"'} if one.number else {}),
            "lastModified": one.at.isoformat(timespec="milliseconds"),
        },
    }
    resource = b',"resource":' + one.resource if one.resource else b""
    return b'{"fullUrl":' + encode(one.url) + resource + b"," + encode(made)[1:]


def _refused(one: Shut) -> bytes:
    request = encode({"method": "GET", "url": one.url})
    return b'{"request":%b,"response":{"status":"%d","outcome":%b}}' % (request, one.status, one.outcome)


def _entry(entry: Entry) -> bytes:
    url, resource, mode = entry
    address = b'"fullUrl":%b,' % encode(url) if url else b""
    return b'{%b"resource":%b,"search":{"mode":"%b"}}' % (address, resource, mode.encode())
