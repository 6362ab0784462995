"""Data on its way in: laboratory messages over HTTP one by one, and FHIR resources in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import corpus
import msgspec
from load import Lane, Load, Outcome, Request, drive
from ours import Kjerne, expect, subject

from kjerne.sandbox import life
from kjerne.sandbox.people import Person
from kjerne.sandbox.population import generate
from kjerne.svarrapport import write

LANES: Final = 16
IMPORTS_AT_ONCE: Final = 2
IMPORT_LINES: Final = 2_500
SEED: Final = 71
"""From here on: other populations than the platform's own, so that every person and every report is new to it."""
XML: Final = {"content-type": "application/xml", "accept": "application/json"}
NDJSON: Final = {"content-type": "application/fhir+ndjson", "prefer": "return=minimal"}


@dataclass(frozen=True)
class Filed:
    """What came in through how many requests, in how long, and what it cost the client."""

    requests: int
    bytes: int
    resources: int
    reports: int
    seconds: float
    client_cpu_seconds: float


class _Taken(msgspec.Struct):
    reports: int
    observations: int


def kith(kjerne: Kjerne, people: int, seed: int) -> Filed:
    """A year of messages about `people` new people through POST /pps/in, each person's in order on one connection."""
    today = datetime.now(UTC).date()
    population = generate(people, seed, today)
    refused = {number.value for key in population.choices for number in population.by_key[key].numbers}
    chains = defaultdict[str, list[bytes]](list)
    for report in life.reports(population, seed, today):
        if report.patient.number not in refused:
            # A laboratory does not use a number twice: each population has a series of its own.
            chains[report.patient.number].append(write(replace(report, id=f"{seed}{report.id}")))
    requests: list[list[Request]] = [[] for _ in range(LANES)]
    for number, raw in enumerate(chains.values()):
        requests[number % LANES] += [Request("POST", "/pps/in", XML, one) for one in raw]
    found = _driven(kjerne, requests)
    taken = [msgspec.json.decode(body, type=_Taken) for bodies in found.bodies for body in bodies]
    return _filed(found, requests, sum(one.observations for one in taken), sum(one.reports for one in taken))


def bulk(kjerne: Kjerne, people: Sequence[Person], resources: int) -> Filed:
    """`resources` results of `people` as NDJSON through POST /fhir/R4/$import, which answers when they are durable."""
    each = resources // (len(people) * len(corpus.ANALYSES))
    lines = [corpus.observations(subject(person), -1 - person.key, each) for person in people]
    mixed = [one for taken in zip(*lines, strict=True) for one in taken]
    requests: list[list[Request]] = [[] for _ in range(IMPORTS_AT_ONCE)]
    for number, at in enumerate(range(0, len(mixed), IMPORT_LINES)):
        body = b"\n".join(mixed[at : at + IMPORT_LINES])
        requests[number % len(requests)].append(Request("POST", "/fhir/R4/$import", NDJSON, body))
    found = _driven(kjerne, requests)
    return _filed(found, requests, len(mixed), 0)


def warmed(kjerne: Kjerne, people: Sequence[Person]) -> None:
    """Has the import start what it keeps for the next one."""
    lines = [line for person in people for line in corpus.observations(subject(person), -2 - person.key, 10)]
    _driven(kjerne, [[Request("POST", "/fhir/R4/$import", NDJSON, b"\n".join(lines))]])


def _driven(kjerne: Kjerne, requests: Sequence[list[Request]]) -> Outcome:
    lab = kjerne.client.token("lab", path="/fhir")
    lanes = [Lane(own, lab.token, lab.key.private_jwk()) for own in requests if own]
    found = drive(Load("127.0.0.1", kjerne.port, lanes, 0, keep_bodies=True))
    expect(found, 200)
    return found


def _filed(found: Outcome, requests: Sequence[list[Request]], resources: int, reports: int) -> Filed:
    size = sum(len(request.body) for own in requests for request in own)
    return Filed(found.done, size, resources, reports, found.seconds, found.client_cpu_seconds)
