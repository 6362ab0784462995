"""The addresses at which clients may be told what is new: those alone that an operator has written into a file.

    [[receiver]]
    client = "ehr-sundvika"
    url = "https://ehr.example/kjerne/"     # this address, or where it ends in / everything below it
    addresses = ["10.20.0.0/16"]            # private networks that its name may lead to; without them public ones alone
    ca = "/etc/kjerne/ehr-ca.pem"           # the authority that its certificate is held to; without it the machine's own

Read again where the file has changed, so an address that is taken out is told nothing from the next message on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from kjerne.errors import Refusal
from kjerne.registries.kept import LOOPBACK, KeptFile

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
URL_CHARACTERS: Final = 500
ASKED_CHARACTERS: Final = 8_000
"""Of an address that is asked: servers write where a search goes on into one, and some have much to say there."""
FOUND_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Receiver:
    """One entry of the file."""

    client: str
    url: str
    networks: tuple[Network, ...] = ()
    ca: str = ""

    def lets(self, address: str) -> bool:
        """Whether its name may lead to this address: a public one, or one of a network that stands beside it."""
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if any(found.version == one.version and found in one for one in self.networks):
            return True
        within = _within(found) if isinstance(found, ipaddress.IPv6Address) else None
        is_public = (
            found.is_global and not found.is_multicast and not (found.version == 6 and found in _TRANSLATED_HERE)
        )
        return is_public and (within is None or self.lets(str(within)))

    def leads_to(self, url: str) -> bool:
        """Whether an address that is asked is its own or lies below it. What follows the question mark is its server's own: that
        may be long, and holds what no path may."""
        own, asked = urlsplit(self.url), _plain(url, asked=True)
        if asked is None or _origin(own) != _origin(asked):
            return False
        return asked.path.startswith(own.path) or (bool(asked.query) and f"{asked.path}/" == own.path)

    def covers(self, url: str) -> bool:
        """Whether an address is its own, or lies below it."""
        own, asked = urlsplit(self.url), _plain(url)
        if asked is None or _origin(own) != _origin(asked):
            return False
        if own.path.endswith("/"):
            return asked.path.startswith(own.path)
        return asked.path == own.path and asked.query == own.query


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


_THROUGH: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""Networks whose addresses end in one of version 4: translated (RFC 6052), and compatible (RFC 4291)."""

_TRANSLATED_HERE: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
"""Translated within one's own network (RFC 8215)."""


def _within(found: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of version 4 that one of version 6 leads to, by translation or through a tunnel (RFC 3056, RFC 4380)."""
    if found.sixtofour is not None:
        return found.sixtofour
    if found.teredo is not None:
        return found.teredo[1]
    return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if any(found in one for one in _THROUGH) else None


def _plain(url: str, *, asked: bool = False) -> SplitResult | None:
    """The parts of an address without anything in it that two readers may read in two ways."""
    longest, (path, _, query) = (ASKED_CHARACTERS, url.partition("?")) if asked else (URL_CHARACTERS, (url, "", ""))
    if not url.isascii() or not url.isprintable() or len(url) > longest or any(one in query for one in " \\#"):
        return None
    if any(one in path for one in " \\#@%"):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return None
    if ".." in parts.path.split("/") or "." in parts.path.split("/") or "//" in parts.path:
        return None
    return parts


@dataclass
class Receivers:
    """The file as it stands. `sandbox` lets an address on this machine do without TLS."""

    path: Path
    sandbox: bool = False
    _file: KeptFile[Receiver] = field(init=False, repr=False)
    _known: tuple[Receiver, ...] = field(default=(), init=False, repr=False)
    _found: dict[tuple[str, str], Receiver | None] = field(default_factory=dict, init=False, repr=False)
    """What was looked for among the entries that are known."""

    def __post_init__(self) -> None:
        self._file = KeptFile(self.path, "receiver", self._receiver)

    def find(self, client: str, url: str) -> Receiver | None:
        """The entry that lets a client be told at this address; none of a file that cannot be taken."""
        known, asked = self._file.all(), (client, url)
        if known is not self._known or len(self._found) >= FOUND_LIMIT:
            self._known, self._found = known, {}
        if asked not in self._found:
            self._found[asked] = next((one for one in known if one.client == client and one.covers(url)), None)
        return self._found[asked]

    def all(self) -> tuple[Receiver, ...]:
        return self._file.all()

    def read(self) -> tuple[Receiver, ...]:
        """The entries of the file; `Refusal` 422 for one that cannot be taken, with its number."""
        return self._file.read()

    def _receiver(self, row: Mapping[str, Any], where: str) -> Receiver:
        client, url, addresses, ca = (row.get(name) for name in ("client", "url", "addresses", "ca"))
        if not isinstance(client, str) or not client or set(row) - {"client", "url", "addresses", "ca"}:
            raise Refusal(422, "a receiver has client and url, and may have addresses and ca", where=where)
        parts = _plain(url) if isinstance(url, str) else None
        if parts is None or not parts.path:
            raise Refusal(422, "url is a whole address with a path, such as https://ehr.example/kjerne/", where=where)
        if parts.scheme == "http" and not (self.sandbox and parts.hostname in LOOPBACK):
            raise Refusal(422, "an address begins with https://", where=where)
        try:
            networks = tuple(ipaddress.ip_network(one) for one in addresses or ())
        except (ValueError, TypeError):
            raise Refusal(422, "addresses are networks such as 10.20.0.0/16", where=where) from None
        return Receiver(client, str(url), networks, str(ca or ""))
