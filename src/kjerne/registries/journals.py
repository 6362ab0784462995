"""The journals that are asked for their critical information: those alone that an operator has written into a file.

    [[journal]]
    name = "sundvika"                       # in the address that the journal tells us at
    organisation = "100000008"              # whose journal it is, and who takes part as a source
    url = "https://ehr.example/fhir/"       # its FHIR server; nothing outside is ever asked
    criteria = "http://kjerne.example/fhir/SubscriptionTopic/critical-information"
    authorization = "Bearer ..."            # what it is asked with
    addresses = ["10.20.0.0/16"]            # private networks that its name may lead to; without them public ones alone
    ca = "/etc/kjerne/ehr-ca.pem"           # the authority that its certificate is held to; without it the machine's own

Read anew at each look, so a journal that is taken out is asked nothing from then on.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from kjerne.errors import Refusal
from kjerne.registries.identifiers import numbers_in
from kjerne.registries.receivers import Receiver

TOPIC: Final = "http://kjerne.example/fhir/SubscriptionTopic/critical-information"
TYPES: Final = ("AllergyIntolerance", "Condition", "DeviceUseStatement", "Procedure", "Flag")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MEMBERS: Final = frozenset({"name", "organisation", "url", "criteria", "authorization", "addresses", "ca"})
_ADDRESS: Final = re.compile(rf"({'|'.join(TYPES)})/([A-Za-z0-9.-]{{1,64}})(?:/_history/[A-Za-z0-9.-]{{1,64}})?")


@dataclass(frozen=True, slots=True)
class Journal:
    """One entry of the file. `receiver` says where its name may lead to."""

    name: str
    organisation: str
    receiver: Receiver
    criteria: str = TOPIC
    authorization: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        return self.receiver.url

    def address(self, told: str) -> str:
        """`Type/id` of a record that the journal names, relative or whole; empty for what lies elsewhere or is none."""
        inside = told.removeprefix(self.url)
        found = _ADDRESS.fullmatch(inside)
        return f"{found[1]}/{found[2]}" if found and not numbers_in(found[2]) else ""


@dataclass(frozen=True)
class Journals:
    """The file as it stands. `sandbox` lets an address on this machine do without TLS."""

    path: Path
    sandbox: bool = False

    def all(self) -> tuple[Journal, ...]:
        """Every entry; none of a file that is not there or cannot be read: nobody is asked whom nobody vouches for."""
        try:
            return self.read()
        except Refusal:
            return ()

    def find(self, name: str) -> Journal | None:
        return next((one for one in self.all() if one.name == name), None)

    def read(self) -> tuple[Journal, ...]:
        """The entries; `Refusal` 422 for one that cannot be taken, with its number."""
        try:
            rows = tomllib.loads(self.path.read_text()).get("journal", [])
        except (OSError, ValueError) as error:
            raise Refusal(422, f"the file cannot be read: {type(error).__name__}", where=str(self.path)) from None
        found = tuple(self._journal(row, place) for place, row in enumerate(rows, 1))
        if len({one.name for one in found}) < len(found):
            raise Refusal(422, "two journals have one name", where=str(self.path))
        return found

    def _journal(self, row: dict[str, Any], place: int) -> Journal:
        where = f"{self.path}: journal {place}"
        texts = {key: row.get(key, "") for key in ("name", "organisation", "url", "criteria", "authorization", "ca")}
        if set(row) - _MEMBERS or not all(isinstance(one, str) for one in texts.values()):
            raise Refusal(422, f"a journal has {', '.join(sorted(_MEMBERS))}", where=where)
        if not _NAME.fullmatch(texts["name"]) or not texts["organisation"]:
            raise Refusal(422, "name is of a-z, 0-9 and -, and organisation is a number", where=where)
        self._check_url(texts["url"], where)
        try:
            networks = tuple(ipaddress.ip_network(one) for one in row.get("addresses") or ())
        except (ValueError, TypeError):
            raise Refusal(422, "addresses are networks such as 10.20.0.0/16", where=where) from None
        receiver = Receiver(texts["name"], texts["url"], networks, texts["ca"])
        return Journal(
            texts["name"], texts["organisation"], receiver, texts["criteria"] or TOPIC, texts["authorization"]
        )

    def _check_url(self, url: str, where: str) -> None:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and not any(one in url for one in " \\#@%?")
        if not (plain and parts.hostname and parts.path.endswith("/") and ".." not in parts.path):
            raise Refusal(422, "url is a whole address that ends in /, such as https://ehr.example/fhir/", where=where)
        local = self.sandbox and parts.hostname in ("127.0.0.1", "localhost")
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise Refusal(422, "an address begins with https://", where=where)
