"""What a code system is called in print, beside a code of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne.fhir.systems import NLK, UCUM, VOLVEN, canonical

_LABELS: Final[Mapping[str, str]] = {
    "http://ehelse.no/FESTMedication": "FEST",
    "http://ehelse.no/FESTSubstance": "FEST",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED CT",
    "http://standardterms.edqm.eu": "EDQM",
    "http://www.orpha.net": "Orphanet",
    "http://www.whocc.no/atc": "ATC",
    NLK: "NLK",
    UCUM: "UCUM",
    f"{VOLVEN}7110": "ICD-10",
    f"{VOLVEN}7170": "ICPC-2",
}
_OID: Final = "urn:oid:"


def label_of(system: str) -> str:
    """A short name of a system, else the end of its address.

    >>> label_of("http://snomed.info/sct")
    'SNOMED CT'
    >>> label_of("http://example.org/CodeSystem/own-codes")
    'own-codes'
    """
    known = canonical(system)
    if known in _LABELS:
        return _LABELS[known]
    if known.startswith(_OID):
        return known.removeprefix(_OID).removeprefix(VOLVEN.removeprefix(_OID))
    return known.rstrip("/").rpartition("/")[2] or known
