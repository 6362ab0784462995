"""What `Patient/$summary` takes over HTTP: `python summaries.py [CALLS]` on a platform of its own, 60 ms wanted.

A patient with 2,000 records: most of them results, and of allergies, problems and medicines 100 each. She asks through the
citizen portal, whose token reaches every service. Beside it, call by call, a plain search for 100 results: the floor of the path.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import ours

RECORDS: Final = 2_000
CALLS: Final = 100
WARM: Final = 10
PEOPLE: Final = 15
AT_ONCE: Final = 200
NLK: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.1"
FHIR: Final = {"content-type": "application/fhir+json"}


def record(number: int, nin: str) -> tuple[str, dict[str, Any]]:
    """A record and who files it: of twenty one allergy, one problem and one medicine, the others results."""
    her = {"identifier": {"system": NUMBER, "value": nin}}
    kind = number % 20
    if kind == 0:
        status = {"system": f"{HL7}allergyintolerance-clinical", "code": "active"}
        return "gp", {
            "resourceType": "AllergyIntolerance", "clinicalStatus": {"coding": [status]}, "category": ["medication"],
            "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": f"J01C{number}"}]}, "patient": her,
        }  # fmt: skip
    if kind == 1:
        status = {"system": f"{HL7}condition-clinical", "code": "active"}
        return "journal-system", {
            "resourceType": "Condition", "clinicalStatus": {"coding": [status]}, "code": {"text": f"Problem {number}"},
            "subject": her,
        }  # fmt: skip
    if kind == 2:
        return "journal-system", {
            "resourceType": "MedicationStatement", "status": "active", "subject": her,
            "medicationCodeableConcept": {"text": f"Legemiddel {number}"},
        }  # fmt: skip
    return "lab", {
        "resourceType": "Observation", "status": "final", "subject": her,
        "code": {"coding": [{"system": NLK, "code": f"NPU{number % 150:05}", "display": "Analyse"}]},
        "effectiveDateTime": f"{2000 + number % 26}-0{1 + number % 9}-11T08:00:00+01:00",
        "valueQuantity": {"value": number, "unit": "mmol/L"}, "performer": [{"display": "Laboratoriet"}],
    }  # fmt: skip


def filed(kjerne: ours.Kjerne, nin: str) -> None:
    """The records, in transactions of each that files them."""
    by_filer: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number in range(RECORDS):
        as_, tree = record(number, nin)
        by_filer.setdefault((as_, tree["resourceType"]), []).append(tree)
    for (as_, name), trees in by_filer.items():
        for start in range(0, len(trees), AT_ONCE):
            some = trees[start : start + AT_ONCE]
            entries = [{"resource": one, "request": {"method": "POST", "url": name}} for one in some]
            body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()
            service = {"gp": "critical-information", "journal-system": "record", "lab": "results"}[as_]
            answer = kjerne.client.call(
                "POST", "/fhir/R4", as_=as_, patient=nin, body=body, headers=FHIR, service=service
            )
            if answer.status_code != 200:
                sys.exit(f"expected 200 for a transaction of {name}, got {answer.status_code}: {answer.text[:500]}")


def measured(kjerne: ours.Kjerne, calls: int) -> tuple[list[float], list[float], int]:
    """Milliseconds of each summary and of each search, the first few aside, and how long a summary is in bytes."""
    nin = next(one.nin for one in kjerne.client.personas() if one.name == "citizen")
    filed(kjerne, nin)
    summaries, searches, length = list[float](), list[float](), 0
    for _ in range(WARM + calls):
        began = time.perf_counter()
        answer = kjerne.client.call("GET", "/fhir/R4/Patient/$summary", as_="citizen", portal=True, patient=nin)
        then = time.perf_counter()
        kjerne.client.call("GET", "/fhir/R4/Observation?_count=100", as_="citizen", portal=True, patient=nin)
        summaries.append((then - began) * 1000)
        searches.append((time.perf_counter() - then) * 1000)
        if answer.status_code != 200 or len(answer.json()["entry"]) < 2 * AT_ONCE:
            sys.exit(f"expected a summary, got {answer.status_code}: {answer.text[:500]}")
        length = len(answer.content)
    return summaries[WARM:], searches[WARM:], length


def main() -> None:
    """Start a platform, ask, and print the middle and the 95th of 100."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    with tempfile.TemporaryDirectory() as folder, ours.standing(Path(folder), PEOPLE) as kjerne:
        summaries, searches, length = measured(kjerne, calls)
    for what, taken in (("a summary", summaries), ("a search", searches)):
        p95 = statistics.quantiles(taken, n=20)[-1]
        print(f"{what}, {RECORDS} records, {calls} calls: p50 {statistics.median(taken):.1f} ms, p95 {p95:.1f} ms")
    print(f"a summary is {length} bytes")


if __name__ == "__main__":
    main()
