"""What the health indicator takes: `python indicator.py [RATE] [SECONDS]` on a platform of its own with two workers.

3 ms are wanted in the middle at 500 questions a second on two cores. Each question has its own proof, its grant and its durable
row of the log, about one of many patients who have a few entries of critical information each.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Final

import ours
from cards import entry
from load import Lane, Load, Request, drive

from kjerne.services.critical.indicator import PATH

RATE: Final = 500.0
SECONDS: Final = 10.0
LANES: Final = 16
ENTRIES: Final = 3
PEOPLE: Final = 60
WORKERS: Final = 2
FHIR: Final = {"content-type": "application/fhir+json"}


def lanes(kjerne: ours.Kjerne) -> list[Lane]:
    """One client system for each patient: her entries are filed, and a token is there."""
    patients, _ = ours.patients(kjerne.population)
    made = []
    for person in patients[:LANES]:
        for number in range(ENTRIES):
            body = json.dumps(entry(number, person.nin)).encode()
            filed = kjerne.client.call(
                "POST", "/fhir/R4/AllergyIntolerance", as_="gp", patient=person.nin, body=body, headers=FHIR
            )
            if filed.status_code != 201:
                sys.exit(f"expected 201 for an entry, got {filed.status_code}: {filed.text[:500]}")
        asked = json.dumps({"fnr": person.nin}).encode()
        headers = {"content-type": "application/json", "x-epj-system": "bench 1.0"}
        held = kjerne.client.token("gp", patient=person.nin, path=PATH)
        made.append(ours.lane(held, [Request("POST", PATH, headers, asked)]))
    return made


def main() -> None:
    """Start a platform, ask at a steady rate, and print the middle and the 99th of 100."""
    rate = float(sys.argv[1]) if len(sys.argv) > 1 else RATE
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    with tempfile.TemporaryDirectory() as folder, ours.standing(Path(folder), PEOPLE) as kjerne:
        asking = lanes(kjerne)
        log = Path(folder) / "workers.log"
        with ours.workers("kjerne", WORKERS, log, ours.environment(kjerne)) as (port, _):
            drive(Load("127.0.0.1", port, asking, 2.0, rate=rate))
            found = drive(Load("127.0.0.1", port, asking, seconds, rate=rate))
    ours.expect(found, 200)
    print(
        f"{found.rate:.0f} questions a second of {rate:.0f}, {WORKERS} workers, {len(asking)} patients with {ENTRIES} entries: "
        f"p50 {found.median_ms:.1f} ms, p99 {found.p99_ms:.1f} ms"
    )


if __name__ == "__main__":
    main()
