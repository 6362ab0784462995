"""The clinicians' systems (EHRs) that show the health indicator, or that open the clinician's pages: those alone that an
operator has written into a file.

    [[ehr]]
    client = "ehr-sundvika"                         # the system's own client at the issuer
    origins = ["https://ehr.example"]               # whose pages may show the indicator in a frame
    open = "https://ehr.example/open-record"        # where a click on it leads: the system opens a session there
    fhir = "https://ehr.example/fhir/R4"            # launches the pages by SMART, as this issuer
    app = "kjerne"                                  # what the pages are called there

Read again where the file has changed, so what is taken out opens nothing from the next request on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from kjerne.errors import Refusal
from kjerne.registries.kept import LOOPBACK, KeptFile

_MEMBERS: Final = frozenset({"client", "origins", "open", "fhir", "app"})
_PLAIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
"""What may stand in a header and in a drawing without being read in two ways."""


@dataclass(frozen=True, slots=True)
class HealthSystem:
    """One entry of the file."""

    client: str
    origins: tuple[str, ...] = ()
    open: str = ""
    fhir: str = ""
    app: str = ""


@dataclass
class HealthSystems:
    """The file as it stands. `sandbox` lets an address on this machine do without TLS."""

    path: Path
    sandbox: bool = False
    _file: KeptFile[HealthSystem] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._file = KeptFile(self.path, "ehr", self._entry)

    def of(self, client: str) -> HealthSystem:
        """What is registered of a client; of one that is not registered, nothing."""
        return next((one for one in self.all() if one.client == client), HealthSystem(client))

    def launching(self, fhir: str) -> HealthSystem | None:
        """The system that launches the pages as this issuer."""
        asked = fhir.rstrip("/")
        return next((one for one in self.all() if one.fhir and one.fhir.rstrip("/") == asked), None)

    def all(self) -> tuple[HealthSystem, ...]:
        """Every entry. Of a file that cannot be taken there is none: a frame is shown to nobody whom nobody vouches for."""
        return self._file.all()

    def read(self) -> tuple[HealthSystem, ...]:
        """The entries of the file; `Refusal` 422 for one that cannot be taken, with its number."""
        return self._file.read()

    def _entry(self, row: Mapping[str, Any], where: str) -> HealthSystem:
        origins, texts = row.get("origins", []), {name: row.get(name, "") for name in _MEMBERS - {"origins"}}
        if set(row) - _MEMBERS or not texts["client"] or not all(isinstance(one, str) for one in texts.values()):
            says = f"an ehr has client, and may have {', '.join(sorted(_MEMBERS - {'client'}))}"
            raise Refusal(422, says, where=where)
        if not isinstance(origins, list) or not all(self._is_origin(one) for one in origins):
            raise Refusal(422, "origins are such as https://ehr.example, without a path", where=where)
        for name in ("open", "fhir"):
            if texts[name] and not self._is_address(texts[name]):
                raise Refusal(422, f"{name} is a whole address that begins with https://", where=where)
        if bool(texts["fhir"]) != bool(texts["app"]):
            raise Refusal(422, "fhir and app stand together, or neither does", where=where)
        return HealthSystem(texts["client"], tuple(origins), texts["open"], texts["fhir"], texts["app"])

    def _is_origin(self, text: object) -> bool:
        return isinstance(text, str) and self._is_address(text) and not urlsplit(text).path

    def _is_address(self, text: str) -> bool:
        if not _PLAIN.fullmatch(text):
            return False
        parts = urlsplit(text)
        return parts.scheme == "https" or (self.sandbox and parts.hostname in LOOPBACK)
