"""The peer: `sekmet-fhir` from PyPI, a FHIR R4 server in Python on SQLite, in a virtual environment of its own.

Its checks are off (authentication, validation, traffic log, simulator, access log) and it runs on uvicorn with uvloop, as
fast as it can be set; its SQLite commits are durable (WAL, synchronous FULL, SQLite's default). One process: it has no option
for more, and the number that orders its versions is counted in memory (`fhir/store.py`), so that two would give one number twice.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import corpus
import host
from load import Lane, Load, Request, drive
from ours import expect, path_of, searches

VERSION: Final = "0.1.1"
HOME: Final = host.CACHE / f"sekmet-{VERSION}"
BASE: Final = "/fhir/Observation"
JSON: Final = {"content-type": "application/fhir+json"}
SETTINGS: Final = """\
base_url: http://127.0.0.1:{port}/fhir
data_dir: {folder}
server_auth: {{types: [none]}}
validation: {{inbound: "off"}}
simulator: {{enabled: false}}
log_inbound: false
"""
SYNCHRONOUS_FULL: Final = 2


@dataclass(frozen=True)
class Sekmet:
    """The running peer."""

    port: int
    root: int


def installed() -> Path:
    """The interpreter of its environment, made the first time."""
    python = HOME / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qq", f"sekmet-fhir=={VERSION}"], check=True)
    return python


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[Sekmet]:
    """The peer on an empty database in `folder`."""
    python, port = installed(), host.free_port()
    _expect_durable(python)
    folder.mkdir()
    settings = folder / "settings.yaml"
    settings.write_text(SETTINGS.format(port=port, folder=folder))
    command = [str(python), "-m", "uvicorn", "--factory", "sekmet.main:app_factory", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    with host.started(command, folder / "log", environment={"SEKMET_CONFIG": str(settings)}) as process:
        host.answering(process, f"http://127.0.0.1:{port}/fhir/metadata", folder / "log")
        yield Sekmet(port, process.pid)


def _expect_durable(python: Path) -> None:
    asked = "import sqlite3; print(sqlite3.connect(':memory:').execute('PRAGMA synchronous').fetchone()[0])"
    said = subprocess.run([str(python), "-c", asked], capture_output=True, text=True, check=True).stdout
    if int(said) != SYNCHRONOUS_FULL:
        sys.exit("this SQLite does not wait for the disk: the comparison would not be fair to us")


def fill(peer: Sekmet, patients: int, each: int) -> list[list[str]]:
    """The same results as kjerne was given; the paths of what was made, by patient."""
    lanes = [Lane(_creates(patient, each)) for patient in range(patients)]
    found = drive(Load("127.0.0.1", peer.port, lanes, 0, keep_places=True))
    expect(found, 201)
    return [[path_of(place) for place in places] for places in found.places]


def lanes(what: str, paths: list[list[str]]) -> list[Lane]:
    """What kjerne is asked, without tokens and proofs."""
    chance = random.Random(len(paths))
    if what == "read":
        return [Lane([Request("GET", path) for path in chance.sample(own, len(own))]) for own in paths]
    if what == "search":
        return [
            Lane([Request("GET", f"{BASE}?{urlencode({'patient': f'Patient/{p}', **asked})}") for asked in searches()])
            for p in range(len(paths))
        ]
    if what == "transaction":
        return [Lane(_transactions(1000 + patient, 10)) for patient in range(len(paths))]
    return [Lane(_creates(1000 + patient, 10)) for patient in range(len(paths))]


def _transactions(patient: int, count: int) -> list[Request]:
    bodies = corpus.transactions({"reference": f"Patient/{patient}"}, patient, count)
    return [Request("POST", "/fhir", JSON, body) for body in bodies]


def _creates(patient: int, each: int) -> list[Request]:
    bodies = corpus.observations({"reference": f"Patient/{patient}"}, patient, each)
    return [Request("POST", BASE, JSON, body) for body in bodies]
