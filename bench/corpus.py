"""The resources that every program under the benchmark is given: Observations as a Norwegian laboratory's results look.

Made from a seed, with no word of any real record in them; about 1.3 kB of JSON each, as results in national format are.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

NLK: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
FIRST_DAY: Final = datetime(2025, 1, 6, 7, 30, tzinfo=UTC)


class Analysis(NamedTuple):
    code: str
    name: str
    unit: str
    low: float
    high: float


ANALYSES: Final = (
    Analysis("NPU02319", "B-Hemoglobin", "g/dL", 11.7, 15.3),
    Analysis("NPU04998", "P-Kreatinin", "umol/L", 45.0, 90.0),
    Analysis("NPU03230", "P-Kalium", "mmol/L", 3.5, 4.8),
    Analysis("NPU03429", "P-Natrium", "mmol/L", 137.0, 145.0),
    Analysis("NPU19748", "P-C-reaktivt protein", "mg/L", 0.0, 5.0),
    Analysis("NPU27300", "Hb(B)-HbA1c", "mmol/mol", 28.0, 40.0),
    Analysis("NPU27547", "P-Tyreotropin", "mIU/L", 0.2, 4.0),
    Analysis("NPU19763", "P-Ferritin", "ug/L", 18.0, 240.0),
    Analysis("NPU01567", "P-Kolesterol", "mmol/L", 3.3, 6.9),
    Analysis("NPU19651", "P-ALAT", "U/L", 10.0, 45.0),
)
_NOTES: Final = (
    "Prøven er tatt fastende.",
    "Resultatet er kontrollert ved ny analyse i samme prøve.",
    "Lett hemolyse; verdien kan være noe for høy.",
    "Se tidligere svar for sammenligning.",
)


def observations(subject: dict[str, Any], seed: int, each: int) -> Iterator[bytes]:
    """`each` results of every analysis for one patient, in the order of the days they were taken."""
    chance = random.Random(seed)
    for number in range(each):
        day = FIRST_DAY + timedelta(days=number * 9 + chance.randrange(6), minutes=chance.randrange(480))
        for analysis in ANALYSES:
            yield msgspec.json.encode(observation(subject, analysis, day, chance))


def transactions(subject: dict[str, Any], seed: int, count: int) -> Iterator[bytes]:
    """`count` transactions for one patient, each a report and the twenty results that it names: 21 entries."""
    results, chance = observations(subject, seed, 2 * count), random.Random(seed)
    for _ in range(count):
        own = [(f"urn:uuid:{uuid.UUID(int=chance.getrandbits(128))}", next(results)) for _ in range(2 * len(ANALYSES))]
        report = {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "code": {"text": "Klinisk kjemi"},
            "subject": subject,
            "issued": FIRST_DAY.isoformat(),
            "result": [{"reference": name} for name, _ in own],
        }
        entries = [
            _post("DiagnosticReport", f"urn:uuid:{uuid.UUID(int=chance.getrandbits(128))}", msgspec.Raw(_json(report)))
        ]
        entries += [_post("Observation", name, msgspec.Raw(result)) for name, result in own]
        yield _json({"resourceType": "Bundle", "type": "transaction", "entry": entries})


_json: Final = msgspec.json.encode


def _post(type_: str, name: str, resource: msgspec.Raw) -> dict[str, Any]:
    return {"fullUrl": name, "resource": resource, "request": {"method": "POST", "url": type_}}


def observation(subject: dict[str, Any], analysis: Analysis, day: datetime, chance: random.Random) -> dict[str, Any]:
    """One result."""
    middle, spread = (analysis.low + analysis.high) / 2, (analysis.high - analysis.low) / 2
    value = round(max(0.1, chance.gauss(middle, spread * 0.7)), 1)
    flag = ("L", "Low") if value < analysis.low else ("H", "High") if value > analysis.high else ("N", "Normal")
    order = f"{chance.randrange(10**9):09d}"
    said: dict[str, Any] = {
        "resourceType": "Observation",
        "identifier": [{"system": "urn:oid:2.16.578.1.12.4.1.4.101.900000001", "value": f"{order}-{analysis.code}"}],
        "basedOn": [{"type": "ServiceRequest", "identifier": {"value": order}, "display": "Rekvisisjon"}],
        "status": "final",
        "category": [{"coding": [_coding("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")]}],
        "code": {"coding": [_coding(NLK, analysis.code, analysis.name)], "text": analysis.name},
        "subject": subject,
        "effectiveDateTime": day.isoformat(),
        "issued": (day + timedelta(hours=3, minutes=chance.randrange(240))).isoformat(),
        "performer": [{"type": "Organization", "display": "Laboratorium for medisinsk biokjemi, Fjordbyen sykehus"}],
        "valueQuantity": _quantity(value, analysis.unit),
        "interpretation": [
            {"coding": [_coding("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", *flag)]}
        ],
        "specimen": {"type": "Specimen", "display": "Blod, venøst"},
        "referenceRange": [
            {
                "low": _quantity(analysis.low, analysis.unit),
                "high": _quantity(analysis.high, analysis.unit),
                "text": f"{analysis.low} - {analysis.high}",
            }
        ],
    }
    if chance.random() < 0.25:
        said["note"] = [{"text": chance.choice(_NOTES)}]
    return said


def _coding(system: str, code: str, display: str = "") -> dict[str, str]:
    return {"system": system, "code": code, **({"display": display} if display else {})}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit.replace("IU", "[IU]")}
