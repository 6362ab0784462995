"""kjerne under the benchmark: started as a person starts it, filled over its own interface, called as its clients call.

Everything stays on: proofs of possession, attestation, the rule table, sealed bodies, and an audit row that is durable
before an answer leaves.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import corpus
import host
from load import Lane, Load, Outcome, Request, drive

from kjerne.client import Client
from kjerne.openid import Held
from kjerne.sandbox import platform
from kjerne.sandbox.people import Person, Population

BASE: Final = "/fhir/R4/Observation"
NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.1"


@dataclass(frozen=True)
class Kjerne:
    """A running platform in `data`, started by `started_by`; process numbers of that and of its PostgreSQL."""

    url: str
    port: int
    data: Path
    root: int
    postgres: int
    first_page_seconds: float
    started_by: str
    population: Population
    client: Client


@contextlib.contextmanager
def standing(folder: Path, people: int) -> Iterator[Kjerne]:
    """A new platform in `folder`, timed from the command to its first page."""
    port, data = host.free_port(), folder / "data"
    url = f"http://127.0.0.1:{port}"
    started_by, command = _command(port, data, people)
    log = folder / "kjerne.log"
    with host.started(command, log) as process:
        seconds = host.answering(process, f"{url}/", log)
        made = platform.made(data)
        assert made is not None
        postgres = int((data / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
        yield Kjerne(url, port, data, process.pid, postgres, seconds, started_by, made.population(), Client(url))


def _command(port: int, data: Path, people: int) -> tuple[str, list[str]]:
    """`make up`, where the checkout was set up by make; else the command that it ends in."""
    asked = ["make", "-q", ".venv/.installed"]
    if shutil.which("make") and subprocess.run(asked, cwd=host.ROOT, check=False).returncode == 0:
        return "make up", ["make", "up", f"PORT={port}", f"DATA={data}", f"PEOPLE={people}", "SOURCES=0"]
    program = [sys.executable, "-m", "kjerne.cli", "up"]
    return "kjerne up", [*program, "--port", str(port), "--data", str(data), "--people", str(people), "--sources", "0"]


@contextlib.contextmanager
def workers(what: str, count: int, log: Path, environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """`serving` with `count` processes on a port of its own: (port, process number)."""
    port = host.free_port()
    command = [sys.executable, str(Path(__file__).with_name("serving.py")), what, str(count)]
    with host.started(command, log, environment={**environment, "KJERNE_PORT": str(port)}) as process:
        host.answering(process, f"http://127.0.0.1:{port}/readyz", log)
        yield port, process.pid


def environment(kjerne: Kjerne) -> dict[str, str]:
    """What further workers of the same platform are told; logins stay with the first."""
    return {
        "KJERNE_PUBLIC_URL": kjerne.url,
        "KJERNE_DATA": str(kjerne.data),
        "KJERNE_DSN": dsn(kjerne.data, "kjerne_app", "kjerne"),
    }


def dsn(data: Path, role: str, database: str) -> str:
    """The address of a database of the platform's own PostgreSQL."""
    return f"postgresql://{role}@/{database}?host={(data / 'postgres' / 'socket').absolute()}"


@dataclass(frozen=True)
class Asked:
    """What is asked of a filled platform. Those whose results are read and searched get no more of them meanwhile."""

    kjerne: Kjerne
    patients: Sequence[Person]
    paths: Sequence[Sequence[str]]
    """Of the patients' results, by patient."""
    others: Sequence[Person]
    """Whom new results are filed on."""

    @classmethod
    def of(cls, kjerne: Kjerne, lanes: int, each: int) -> Asked:
        """Files `each` results of every analysis for as many patients as there are lanes."""
        hers, others = patients(kjerne.population)
        if min(len(hers), len(others)) < lanes:
            sys.exit(f"{lanes} lanes need as many patients of one doctor, and as many others: more people")
        paths = _filled(kjerne, hers[:lanes], each)
        return cls(kjerne, hers[:lanes], paths, others[:lanes])

    def lanes(self, what: str) -> list[Lane]:
        """One client system for each patient, with a living token."""
        if what in ("create", "transaction"):
            lab, made = self.kjerne.client.token("lab", path="/fhir"), _creates if what == "create" else _transactions
            return [lane(lab, made(person, -person.key, 10)) for person in self.others]
        return [
            lane(
                self.kjerne.client.token("gp", patient=person.nin, path="/fhir"),
                [Request("GET", path) for path in random.Random(person.key).sample(paths, len(paths))]
                if what == "read"
                else _searches(person),
            )
            for person, paths in zip(self.patients, self.paths, strict=True)
        ]


def subject(person: Person) -> dict[str, Any]:
    """How a resource names its patient."""
    return {"type": "Patient", "identifier": {"system": NUMBER, "value": person.nin}}


def searches() -> list[dict[str, str]]:
    """By code, sorted by date, twenty: one analysis after another."""
    return [{"code": f"{corpus.NLK}|{one.code}", "_sort": "-date", "_count": "20"} for one in corpus.ANALYSES]


def path_of(location: str) -> str:
    """The path of a resource from the Location header of its create."""
    return "/" + location.split("/", 3)[3].partition("/_history")[0]


def expect(found: Outcome, status: int) -> None:
    """A benchmark of refusals is none."""
    if set(found.statuses) != {status}:
        sys.exit(f"expected {status} for every request, got {found.statuses}: {found.refusal[:500].decode()}")


def patients(population: Population) -> tuple[list[Person], list[Person]]:
    """Whom the general practitioner may read (on her list, nothing chosen away, no protected address), and others."""
    hpr = population.staff["gp"].hpr
    free = [
        person
        for person in population.people[: population.residents]
        if person.protection == "ugradert" and not population.choices.get(person.key) and person.death_date is None
    ]
    listed = {
        key for key, ties in population.ties.items() if any(t.kind == "practice-list" and t.hpr == hpr for t in ties)
    }
    return [person for person in free if person.key in listed], [person for person in free if person.key not in listed]


def _filled(kjerne: Kjerne, people: Sequence[Person], each: int) -> list[list[str]]:
    lab = kjerne.client.token("lab", path="/fhir")
    lanes = [lane(lab, _creates(person, person.key, each)) for person in people]
    found = drive(Load("127.0.0.1", kjerne.port, lanes, 0, keep_places=True))
    expect(found, 201)
    return [[path_of(place) for place in places] for places in found.places]


def _creates(person: Person, seed: int, each: int) -> list[Request]:
    headers = {"content-type": "application/fhir+json", "person-id": person.nin}
    return [Request("POST", BASE, headers, body) for body in corpus.observations(subject(person), seed, each)]


def _transactions(person: Person, seed: int, count: int) -> list[Request]:
    headers = {"content-type": "application/fhir+json", "person-id": person.nin}
    return [Request("POST", "/fhir/R4", headers, body) for body in corpus.transactions(subject(person), seed, count)]


def _searches(person: Person) -> list[Request]:
    headers = {"content-type": "application/x-www-form-urlencoded", "person-id": person.nin}
    return [Request("POST", f"{BASE}/_search", headers, urlencode(asked).encode()) for asked in searches()]


def lane(held: Held, requests: list[Request]) -> Lane:
    return Lane(requests, held.token, held.key.private_jwk())
