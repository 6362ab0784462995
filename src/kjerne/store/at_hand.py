"""Terminology that is at hand without anybody's leave: what was loaded, R4's own, and the packages of the installation.

Records of this installation are not among it: they are read under a token's scopes (`services.terminology`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from kjerne.fhir.packages import Definitions
from kjerne.fhir.systems import canonical
from kjerne.fhir.terminology import core, implicit
from kjerne.fhir.terminology.concept import Codes
from kjerne.fhir.terminology.listed import Listed
from kjerne.fhir.terminology.sound import is_sound
from kjerne.fhir.terminology.value_set import Composed
from kjerne.store import terminology
from kjerne.store.pool import Connection

Resource = Mapping[str, Any]
KEPT_LIMIT: Final = 32
"""Resources of packages that a process keeps read, and code systems made ready of them."""


class Packages:
    """What packages define, read in a thread and kept while they lie as they did."""

    def __init__(self, shelf: Definitions) -> None:
        self._shelf = shelf
        self._read: dict[str, dict[str, Any] | None] = {}
        self._ready: dict[str, Listed] = {}

    def is_of(self, shelf: Definitions) -> bool:
        return self._shelf is shelf

    async def find(self, type_: str, address: str, version: str) -> Resource | None:
        """A resource by its address: this version, or the newest; None where no package has it."""
        name = f"{address}|{version}" if version else address
        if name not in self._read:
            _make_room(self._read)
            read = await asyncio.to_thread(self._shelf.find, name)
            self._read[name] = read if read is not None and is_sound(read) else None
        found = self._read[name]
        return found if found is not None and found.get("resourceType") == type_ else None

    async def ready(self, resource: Resource) -> Listed:
        """A code system of a package, ready to be asked."""
        name = f"{resource.get('url')}|{resource.get('version', '')}"
        found = self._ready.get(name)
        if found is None:
            found = await Listed.of(resource)
            _make_room(self._ready)
            self._ready[name] = found
        return found


_packages: list[Packages] = []


def packages(shelf: Definitions) -> Packages:
    """What this process has read of the packages as they lie now."""
    if not _packages or not _packages[0].is_of(shelf):
        _packages[:] = [Packages(shelf)]
    return _packages[0]


def _make_room(kept: dict[str, Any]) -> None:
    while len(kept) >= KEPT_LIMIT:
        del kept[next(iter(kept))]


class AtHand:
    """What is asked over one connection; a system and a value set are looked for once."""

    def __init__(self, conn: Connection, shelf: Definitions) -> None:
        self._conn = conn
        self._packages = packages(shelf)
        self._systems: dict[tuple[str, str], Codes | None] = {}
        self._value_sets: dict[str, Resource | None] = {}

    def composed(self) -> Composed:
        return Composed(self.value_set, self.system)

    async def value_set(self, address: str) -> Resource | None:
        """A value set by its address, with or without a version."""
        if address not in self._value_sets:
            self._value_sets[address] = await self._definition(address)
        return self._value_sets[address]

    async def system(self, url: str, version: str) -> Codes | None:
        """A code system of which all codes are at hand; None where there is none such."""
        if (url, version) not in self._systems:
            self._systems[url, version] = await self._system(url, version)
        return self._systems[url, version]

    async def _definition(self, address: str) -> Resource | None:
        if (made := implicit.value_set(address)) is not None:
            return made
        url, _, version = address.partition("|")
        loaded = await terminology.definition(self._conn, "ValueSet", url, version)
        return loaded or core.find("ValueSet", address) or await self._packages.find("ValueSet", url, version)

    async def _system(self, url: str, version: str) -> Codes | None:
        for spelled in dict.fromkeys((canonical(url), url)):
            if (loaded := await terminology.loaded(self._conn, spelled, version)) is not None:
                return loaded
        own = core.find("CodeSystem", f"{url}|{version}" if version else url)
        if own is not None and own.get("content") == "complete":
            return await self._packages.ready(own)
        found = await self._packages.find("CodeSystem", url, version)
        return await self._packages.ready(found) if found is not None and found.get("content") == "complete" else None
