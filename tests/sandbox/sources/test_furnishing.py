"""What the platform's file of sources says of those that `kjerne up` starts, beside what an integrator has written there."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from kjerne.errors import Refusal
from kjerne.registries.document_sources import DocumentSources
from kjerne.sandbox import up
from kjerne.sandbox.institutions import first_units
from kjerne.sandbox.sources import furnishing
from kjerne.sandbox.sources.furnishing import BEGIN, END, Furnished, register
from kjerne.sandbox.sources.places import PLACES
from kjerne.settings import Settings
from kjerne.store.embedded import Embedded

OWN = """# mine
[[source]]
name = "own"
organisation = "1"
home = "urn:oid:1.2"
url = "https://own.example/x"
audience = "a"
"""


def stand(count: int, first_port: int = 9000) -> list[Furnished]:
    return [
        Furnished(one, Path("folder"), first_port + place, "", "", "key") for place, one in enumerate(PLACES[:count])
    ]


def named(path: Path) -> list[str]:
    return [one.name for one in DocumentSources(path, sandbox=True).read()]


def test_the_sources_are_asked_beside_those_that_an_integrator_has_written(tmp_path: Path) -> None:
    path = tmp_path / "document-sources.toml"
    path.write_text(OWN)
    register(path, stand(3), first_units())
    assert named(path) == ["own", "sandbox-hospital", "sandbox-offices", "sandbox-municipality"]
    register(path, stand(1, 9500), first_units())
    assert named(path) == ["own", "sandbox-hospital"]
    assert ":9500/" in path.read_text() and ":9000/" not in path.read_text()
    register(path, [], first_units())
    assert path.read_text() == OWN


def test_what_an_integrator_writes_behind_them_stays_too(tmp_path: Path) -> None:
    path = tmp_path / "document-sources.toml"
    register(path, stand(2), first_units())
    path.write_text(path.read_text() + OWN)
    register(path, stand(2), first_units())
    assert named(path) == ["own", "sandbox-hospital", "sandbox-offices"]


def test_no_file_is_made_where_no_source_is_started(tmp_path: Path) -> None:
    register(tmp_path / "document-sources.toml", [], first_units())
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_end_line_is_gone_is_left_alone_and_told(tmp_path: Path) -> None:
    path = tmp_path / "document-sources.toml"
    said = f"{BEGIN}\n{OWN}"
    path.write_text(said)
    with pytest.raises(Refusal) as caught:
        register(path, stand(1), first_units())
    assert (caught.value.status, caught.value.where, END in caught.value.says) == (422, str(path), True)
    assert path.read_text() == said


def test_a_source_keeps_its_key_and_believes_the_platform_about_everybody(tmp_path: Path) -> None:
    place = PLACES[0]
    folder = place.folder(tmp_path)
    key = furnishing._identity(place, folder, b"<metadata/>")
    assert furnishing._identity(place, folder, b"<metadata/>") == key
    said = tomllib.loads((folder / "source.toml").read_text())
    assert (said["home"], said["saml_metadata"], said["citizens_saml_metadata"]) == (
        place.home, "platform.xml", "platform.xml",
    )  # fmt: skip
    assert all(one.stat().st_mode & 0o077 == 0 for one in folder.iterdir())


def test_a_port_that_somebody_has_is_not_given_to_a_source() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = furnishing._ports(port - 1, 3)
    assert port not in found and len(set(found)) == 3 and all(found)


async def test_none_is_started_beside_an_integrators_own_file_and_that_is_told(tmp_path: Path) -> None:
    own = Settings(data=tmp_path, document_sources="own.toml")
    assert await up._sources(own, Embedded(tmp_path)) == ()
    assert "KJERNE_DOCUMENT_SOURCES" in up._note(own, own.people)
    assert up._note(Settings(data=tmp_path, document_sources="own.toml", sources=0), own.people) == ""
