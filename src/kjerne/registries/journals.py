"""The journals that are asked for their critical information: those alone that an operator has written into a file.

    [[journal]]
    name = "sundvika"                       # in the address that the journal tells us at
    organisation = "100000008"              # whose journal it is, and who takes part as a source
    url = "https://ehr.example/fhir/"       # its FHIR server; nothing outside is ever asked
    formerly = ["http://ehr.example/"]      # addresses that the same server had before, the first one first
    criteria = "http://kjerne.example/fhir/SubscriptionTopic/critical-information"
    authorization = "Bearer ..."            # what it is asked with
    addresses = ["10.20.0.0/16"]            # private networks that its name may lead to; without them public ones alone
    ca = "/etc/kjerne/ehr-ca.pem"           # the authority that its certificate is held to; without it the machine's own

Read again where the file has changed, so a journal that is taken out is asked nothing from then on.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from kjerne.errors import Refusal
from kjerne.registries.identifiers import numbers_in
from kjerne.registries.kept import LOOPBACK, KeptFile
from kjerne.registries.receivers import Receiver

TOPIC: Final = "http://kjerne.example/fhir/SubscriptionTopic/critical-information"
TYPES: Final = ("AllergyIntolerance", "Condition", "DeviceUseStatement", "Procedure", "Flag")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MEMBERS: Final = frozenset({"name", "organisation", "url", "formerly", "criteria", "authorization", "addresses", "ca"})
_ADDRESS: Final = re.compile(rf"({'|'.join(TYPES)})/([A-Za-z0-9.-]{{1,64}})(?:/_history/[A-Za-z0-9.-]{{1,64}})?")


@dataclass(frozen=True, slots=True)
class Journal:
    """One entry of the file. `receiver` says where its name may lead to."""

    name: str
    organisation: str
    receiver: Receiver
    criteria: str = TOPIC
    authorization: str = field(default="", repr=False)
    formerly: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return self.receiver.url

    @property
    def system(self) -> str:
        """By what its records are known here, whatever its address is now: the first that it had."""
        return self.formerly[0] if self.formerly else self.url

    def address(self, told: str) -> str:
        """`Type/id` of a record that the journal names, relative or whole; empty for what lies elsewhere or is none."""
        known = next((one for one in (self.url, *self.formerly) if told.startswith(one)), "")
        inside = told.removeprefix(known)
        found = _ADDRESS.fullmatch(inside)
        return f"{found[1]}/{found[2]}" if found and not numbers_in(found[2]) else ""


@dataclass
class Journals:
    """The file as it stands. `sandbox` lets an address on this machine do without TLS."""

    path: Path
    sandbox: bool = False
    _file: KeptFile[Journal] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._file = KeptFile(self.path, "journal", self._journal, _check_names)

    def all(self) -> tuple[Journal, ...]:
        """Every entry; none of a file that is not there or cannot be taken: nobody is asked whom nobody vouches for."""
        return self._file.all()

    def find(self, name: str) -> Journal | None:
        return next((one for one in self.all() if one.name == name), None)

    def fault(self) -> str:
        """What is wrong with the file, where it is there and cannot be taken: nobody is asked then. Empty where nothing is."""
        try:
            if self.path.exists():
                self.read()
        except Refusal as refusal:
            return f"{refusal.where}: {refusal.says}"
        return ""

    def read(self) -> tuple[Journal, ...]:
        """The entries; `Refusal` 422 for one that cannot be taken, with its number."""
        return self._file.read()

    def _journal(self, row: Mapping[str, Any], where: str) -> Journal:
        texts = {key: row.get(key, "") for key in ("name", "organisation", "url", "criteria", "authorization", "ca")}
        if set(row) - _MEMBERS or not all(isinstance(one, str) for one in texts.values()):
            raise Refusal(422, f"a journal has {', '.join(sorted(_MEMBERS))}", where=where)
        if not _NAME.fullmatch(texts["name"]) or not texts["organisation"]:
            raise Refusal(422, "name is of a-z, 0-9 and -, and organisation is a number", where=where)
        formerly = row.get("formerly", [])
        if not isinstance(formerly, list) or not all(isinstance(one, str) and one.endswith("/") for one in formerly):
            raise Refusal(422, "formerly is a list of whole addresses that end in /", where=where)
        self._check_url(texts["url"], where)
        try:
            networks = tuple(ipaddress.ip_network(one) for one in row.get("addresses") or ())
        except (ValueError, TypeError):
            raise Refusal(422, "addresses are networks such as 10.20.0.0/16", where=where) from None
        receiver = Receiver(texts["name"], texts["url"], networks, texts["ca"])
        return Journal(
            texts["name"], texts["organisation"], receiver, texts["criteria"] or TOPIC, texts["authorization"],
            tuple(formerly),
        )  # fmt: skip

    def _check_url(self, url: str, where: str) -> None:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and not any(one in url for one in " \\#@%?")
        if not (plain and parts.hostname and parts.path.endswith("/") and ".." not in parts.path):
            raise Refusal(422, "url is a whole address that ends in /, such as https://ehr.example/fhir/", where=where)
        local = self.sandbox and parts.hostname in LOOPBACK
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise Refusal(422, "an address begins with https://", where=where)


def _check_names(found: Sequence[Journal], where: str) -> None:
    if len({one.name for one in found}) < len(found):
        raise Refusal(422, "two journals have one name", where=where)
