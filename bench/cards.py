"""What a card of CDS Hooks takes over HTTP: `python cards.py [CALLS]` on a platform of its own, some 20 ms wanted in the middle.

A patient with so many entries of critical information, and a prescription of a medicine of the sandbox's FEST; each call has its
own proof, its grant and its durable row of the log. One at a time: it is the time that a clinician waits. Beside it, call by
call, a plain search of the same entries: the floor that the path has by itself.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import ours

from kjerne.sandbox import substances

AT: Final = "/cds-services/critical-information"
ENTRIES: Final = 20
CALLS: Final = 300
WARM: Final = 30
PEOPLE: Final = 15
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.1"


def entry(number: int, nin: str) -> dict[str, Any]:
    """A reaction; every fifth is one to a substance of the sandbox."""
    known = substances.EVERY[number // 5 % len(substances.EVERY)]
    code = known.id if number % 5 == 0 else f"ID_BENCH-{number}"
    status = {"system": f"{HL7}allergyintolerance-clinical", "code": "active"}
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [status]},
        "category": ["medication"],
        "code": {"coding": [{"system": "http://ehelse.no/FESTSubstance", "code": code}], "text": f"Stoff {number}"},
        "patient": {"identifier": {"system": NUMBER, "value": nin}},
    }


def body() -> bytes:
    """A prescription that is signed."""
    coding = {"system": "http://ehelse.no/FESTMedication", "code": substances.BRANDS[0].id}
    draft = {
        "resourceType": "MedicationRequest", "id": "1", "status": "draft", "intent": "order",
        "medicationCodeableConcept": {"coding": [coding]},
    }  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]}
    context = {"userId": "Practitioner/1", "patientId": "1", "draftOrders": bundle}
    return json.dumps({"hook": "order-sign", "hookInstance": str(uuid4()), "context": context}).encode()


def measured(kjerne: ours.Kjerne, calls: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each card and of each search, the first few aside."""
    nin = next(one.nin for one in kjerne.client.personas() if one.name == "citizen")
    for number in range(ENTRIES):
        filed = kjerne.client.call(
            "POST", "/fhir/R4/AllergyIntolerance", as_="gp", patient=nin, body=json.dumps(entry(number, nin)).encode(),
            headers={"content-type": "application/fhir+json"},
        )  # fmt: skip
        if filed.status_code != 201:
            sys.exit(f"expected 201 for an entry, got {filed.status_code}: {filed.text[:500]}")
    cards, searches = list[float](), list[float]()
    for _ in range(WARM + calls):
        began = time.perf_counter()
        answer = kjerne.client.call(
            "POST", AT, as_="gp", patient=nin, body=body(), headers={"content-type": "application/json"}
        )
        then = time.perf_counter()
        kjerne.client.call("GET", "/fhir/R4/AllergyIntolerance?_count=100", as_="gp", patient=nin)
        cards.append((then - began) * 1000)
        searches.append((time.perf_counter() - then) * 1000)
        if answer.status_code != 200 or not answer.json()["cards"]:
            sys.exit(f"expected cards, got {answer.status_code}: {answer.text[:500]}")
    return cards[WARM:], searches[WARM:]


def main() -> None:
    """Start a platform, ask, and print the middle and the 95th of 100."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    with tempfile.TemporaryDirectory() as folder, ours.standing(Path(folder), PEOPLE) as kjerne:
        found = measured(kjerne, calls)
    for what, taken in zip(("a card", "a search"), found, strict=True):
        p95 = statistics.quantiles(taken, n=20)[-1]
        print(f"{what}, {ENTRIES} entries, {calls} calls: p50 {statistics.median(taken):.1f} ms, p95 {p95:.1f} ms")


if __name__ == "__main__":
    main()
