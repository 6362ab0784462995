"""The sources of documents that are asked: those alone that an operator has written into a file.

    [[source]]
    name = "sundvika"                       # in our own addresses and logs
    title = "Sundvika sykehus"              # what people read
    organisation = "100000008"              # who answers for it, and takes part as a source of documents
    home = "urn:oid:2.16.578.1.12.4.5.100.9"    # its home community; documents of another are not taken from it
    url = "https://xca.example/XCA/Services/RespondingGatewayService"
    audience = "https://xca.example"        # whom assertions to it are made for, and nobody else
    seconds = 3                             # how long a list may take
    addresses = ["10.20.0.0/16"]            # private networks that its name may lead to; without them public ones alone
    ca = "/etc/kjerne/xca-ca.pem"           # the authority that its certificate is held to; without it the machine's own

Read again where the file has changed, so a source that is taken out is asked nothing from then on. A mistake in it is written to
the program's log, and what it said before goes on: a list without sources would say that nobody has documents.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from kjerne.errors import Refusal
from kjerne.registries.kept import LOOPBACK, KeptFile
from kjerne.registries.receivers import Receiver

SECONDS: Final = 3.0
LONGEST_SECONDS: Final = 20.0
log = structlog.get_logger("kjerne")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HOME: Final = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+")
_TEXTS: Final = ("name", "title", "organisation", "home", "url", "audience", "ca")
_MEMBERS: Final = frozenset({*_TEXTS, "seconds", "addresses"})


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """One entry of the file. `receiver` says where its name may lead to."""

    name: str
    title: str
    organisation: str
    home: str
    audience: str
    seconds: float
    receiver: Receiver

    @property
    def url(self) -> str:
        return self.receiver.url


@dataclass
class DocumentSources:
    """The file as it stands. `sandbox` lets an address on this machine do without TLS."""

    path: Path
    sandbox: bool = False
    _file: KeptFile[DocumentSource] = field(init=False, repr=False)
    _last: tuple[DocumentSource, ...] | None = field(default=None, init=False, repr=False)
    _told: Refusal | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._file = KeptFile(self.path, "source", self._source, _check_apart)

    def all(self) -> tuple[DocumentSource, ...]:
        """Every entry of the file as it could be read last; none where there is no file. `Refusal` 503 where it could not be read
        since this program began."""
        known, fault = self._file.all(), self._file.fault
        if fault is None:
            self._last = known
        elif fault is not self._told:
            log.error("file of document sources cannot be read", fault=str(fault), goes_on=self._last is not None)
        self._told = fault
        if self._last is None:
            raise Refusal(503, "the register of document sources cannot be read", where="source")
        return self._last

    def read(self) -> tuple[DocumentSource, ...]:
        """The entries; `Refusal` 422 for one that cannot be taken, with its number."""
        return self._file.read()

    def _source(self, row: Mapping[str, Any], where: str) -> DocumentSource:
        texts = {key: row.get(key, "") for key in _TEXTS}
        if set(row) - _MEMBERS or not all(isinstance(one, str) for one in texts.values()):
            raise Refusal(422, f"a source has {', '.join(sorted(_MEMBERS))}", where=where)
        if not _NAME.fullmatch(texts["name"]) or not texts["organisation"] or not texts["audience"]:
            raise Refusal(422, "name is of a-z, 0-9 and -; organisation and audience are named", where=where)
        if not _HOME.fullmatch(texts["home"]):
            raise Refusal(422, "home is an OID behind urn:oid:", where=where)
        seconds = row.get("seconds", SECONDS)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST_SECONDS:
            raise Refusal(422, f"seconds is a number up to {LONGEST_SECONDS:g}", where=where)
        self._check_url(texts["url"], where)
        try:
            networks = tuple(ipaddress.ip_network(one) for one in row.get("addresses") or ())
        except (ValueError, TypeError):
            raise Refusal(422, "addresses are networks such as 10.20.0.0/16", where=where) from None
        receiver = Receiver(texts["name"], texts["url"], networks, texts["ca"])
        return DocumentSource(
            texts["name"], texts["title"] or texts["name"], texts["organisation"], texts["home"], texts["audience"],
            float(seconds), receiver,
        )  # fmt: skip

    def _check_url(self, url: str, where: str) -> None:
        try:
            parts = urlsplit(url)
            # A port that is none, and a name that no register of names can have: what asks would stop at it.
            _ = parts.port, (parts.hostname or "").encode("idna")
        except ValueError:
            raise Refusal(422, "url is no address that can be asked", where=where) from None
        plain = url.isascii() and url.isprintable() and not any(one in url for one in " \\#@%?")
        if not (plain and parts.hostname and len(parts.path) > 1 and ".." not in parts.path):
            raise Refusal(422, "url is a whole address with a path, and nothing behind it", where=where)
        local = self.sandbox and parts.hostname in LOOPBACK
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise Refusal(422, "an address begins with https://", where=where)


def _check_apart(found: Sequence[DocumentSource], where: str) -> None:
    for what in ("name", "home"):
        if len({getattr(one, what) for one in found}) < len(found):
            raise Refusal(422, f"two sources have one {what}", where=where)
