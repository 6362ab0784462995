"""What a source is given before it starts: its identity, whom it believes, who may send to it, a port and a database.

And what the platform is told of it: an entry in the file of sources, between two lines that `kjerne up` knows again. What an
integrator has written into that file herself stays.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncpg

from kjerne.errors import Refusal
from kjerne.sandbox.people import Organisation
from kjerne.sandbox.sources.places import PLACES, Place
from kjerne.settings import Settings
from kjerne.store.embedded import OWNER, PROGRAM, SUPERUSER, Embedded

HOST: Final = "127.0.0.1"
AUDIENCE: Final = "nhn:dokumentdeling-saml"
SUBMITTER: Final = "sandbox"
IDENTITY: Final = "source.toml"
KEY: Final = "submitter-key"
METADATA: Final = "platform.xml"
PORTS_TRIED: Final = 20
BEGIN: Final = "# kjerne up writes what stands from here, at each start,"
END: Final = "# to here."
_BLOCK: Final = re.compile(rf"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Furnished:
    """A source that can be started. `key` lets in who sends documents to it."""

    place: Place
    folder: Path
    port: int
    dsn: str
    owner_dsn: str
    key: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


async def furnished(
    settings: Settings, database: Embedded, metadata: bytes, units: Mapping[str, Organisation]
) -> tuple[Furnished, ...]:
    """As many sources as the settings say. `metadata` is the platform's own, whom they believe about everybody."""
    places = PLACES[: settings.sources]
    await _databases(database, places)
    ports = _ports(settings.port, len(places))
    found = tuple(
        Furnished(
            one, one.folder(settings.data), port, database.dsn(PROGRAM, one.database),
            database.dsn(OWNER, one.database), _identity(one, one.folder(settings.data), metadata),
        )
        for one, port in zip(places, ports, strict=True)
    )  # fmt: skip
    register(settings.document_sources_file, found, units)
    return found


def register(path: Path, sources: Sequence[Furnished], units: Mapping[str, Organisation]) -> None:
    """Puts the sources into the platform's file in the place of those of the last start, and leaves the rest of it as it is.

    `Refusal` 422 where the line that ends them is gone, since what is theirs cannot be told from the integrator's own.
    """
    stood = path.read_text("utf-8") if path.exists() else ""
    kept = _BLOCK.sub("", stood)
    if BEGIN in kept:
        raise Refusal(
            422, f'the line "{END}" is missing', where=str(path), todo="Put it back, or take out what kjerne up has written."
        )  # fmt: skip
    block = (
        "\n".join((BEGIN, *(_entry(one, units[one.place.unit].number) for one in sources), END, "")) if sources else ""
    )
    said = f"{kept}{'' if kept.endswith(chr(10)) or not kept else chr(10)}{block}"
    if said != stood:
        _write(path, said)


def _entry(one: Furnished, organisation: str) -> str:
    place = one.place
    return (
        f'[[source]]\nname = "{place.name}"\ntitle = "{place.title}"\norganisation = "{organisation}"\n'
        f'home = "{place.home}"\nurl = "{one.url}/XCA/Services/RespondingGatewayService"\naudience = "{AUDIENCE}"\n'
        'addresses = ["127.0.0.0/8"]'
    )


def _identity(place: Place, folder: Path, metadata: bytes) -> str:
    """Writes who the source is and whom it believes; the key that it lets documents in by, made once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / KEY
    if not kept.exists():
        _write(kept, secrets.token_urlsafe(32))
    key = kept.read_text("ascii")
    _write(folder / METADATA, metadata.decode())
    _write(
        folder / IDENTITY,
        f'# Written by kjerne up at each start.\nhome = "{place.home}"\nrepository = "{place.repository}"\n'
        f'saml_metadata = "{METADATA}"\ncitizens_saml_metadata = "{METADATA}"\naudiences = ["{AUDIENCE}"]\n'
        "test_people = true\n"
        f'\n[submitters]\n{SUBMITTER} = "{sha256(key.encode()).hexdigest()}"\n',
    )
    return key


def _write(path: Path, text: str) -> None:
    """Whole or not at all (mode 0600)."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def _ports(platform: int, count: int) -> list[int]:
    """The ports behind the platform's own where they are free, so that a source is where it was; others where they are not."""
    found = list[int]()
    for port in range(platform + 1, min(platform + PORTS_TRIED, 65536)):
        if len(found) < count and _free(port):
            found.append(port)
    while len(found) < count:
        found.append(_free(0))
    return found


def _free(port: int) -> int:
    """The port (any, for 0), if nobody has it; 0 where somebody does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


async def _databases(server: Embedded, places: Sequence[Place]) -> None:
    """A database for each in the PostgreSQL that the platform has started."""
    connection = await asyncpg.connect(server.dsn(SUPERUSER, "postgres"))
    try:
        for one in places:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", one.database):
                await connection.execute(f"CREATE DATABASE {one.database} OWNER {OWNER}")
    finally:
        await connection.close()
