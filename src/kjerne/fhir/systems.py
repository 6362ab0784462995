"""The one spelling of a code system's or identifier's address, whichever of its names somebody writes.

Norwegian code systems are written as `urn:oid:`; laboratories, guides and registers spell the same system as bare OID, as
`http://ehelse.no/...` and as `http://helsedir.no/...` (NILAR 1.5.0, no-kodeverk 0.6.0), some with obsolete OIDs. A resource is
served as it was sent; it is found, and asked for, under this one spelling.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

VOLVEN: Final = "urn:oid:2.16.578.1.12.4.1.1."
NLK: Final = VOLVEN + "7280"
NLK_OLD: Final = VOLVEN + "7230"
UCUM: Final = "http://unitsofmeasure.org"
SECTIONS: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
"""HL7's diagnostic service sections, R4's own binding of a report's category."""
DEVIATION: Final = VOLVEN + "8244"
SUSCEPTIBILITY: Final = VOLVEN + "8271"
INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
INTERPRETATION_V2: Final = "http://terminology.hl7.org/CodeSystem/v2-0078"
PERSON: Final = "urn:oid:2.16.578.1.12.4.1.4."

ALIASES: Final = {
    NLK_OLD: NLK,
    "http://hl7.org/fhir/sid/icd-10-no": VOLVEN + "7110",
    "http://hl7.org/fhir/sid/icpc-2": VOLVEN + "7170",
    VOLVEN + "7180": "http://www.whocc.no/atc",
    "urn:oid:2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "urn:oid:2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "urn:oid:2.16.840.1.113883.6.1": "http://loinc.org",
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
    "urn:oid:2.16.840.1.113883.12.74": SECTIONS,
    **dict.fromkeys(("http://hl7.org/fhir/v2/0074", "https://terminology.hl7.org/CodeSystem/v2-0074"), SECTIONS),
    "http://hl7.org/fhir/v3/ObservationInterpretation": INTERPRETATION,
    "urn:oid:2.16.840.1.113883.5.83": INTERPRETATION,
    "http://hl7.org/fhir/v2/0078": INTERPRETATION_V2,
    "urn:oid:2.16.840.1.113883.12.78": INTERPRETATION_V2,
    "urn:uid:2.16.578.1.12.4.1.1.7497": VOLVEN + "7497",
    "http://nhn.no/kj/fhir/CodeSystem/ATC": "http://www.whocc.no/atc",
    "http://nhn.no/kj/fhir/CodeSystem/ActiveSubstance": "http://ehelse.no/FESTSubstance",
    "http://nhn.no/kj/fhir/CodeSystem/DrugTradeName": "http://ehelse.no/FESTMedication",
    "urn:oid:2.16.578.1.12.4.1.2.101": PERSON + "101",
    "urn:oid:2.16.578.1.12.4.1.2.102": PERSON + "102",
}
"""Addresses that are another name of a system, beside the regular spellings below. `urn:uid:` of 7497 is a slip in the published
no-basis-AllergyIntolerance, which clients copy. The last two OIDs were wrong in no-basis until 2020-04 and still occur."""

_OID: Final = re.compile(r"(?:urn:oid:)?([0-2](?:\.(?:0|[1-9][0-9]*))+)", re.IGNORECASE)
_KODEVERK: Final = re.compile(
    r"https?://(?:www\.)?(?:ehelse|helsedir|helsedirektoratet|hl7)\.no/fhir/(?:CodeSystem|codesystem)/no-kodeverk-"
    r"(?P<number>[0-9]{4})(?:-(?:nlk|ncrp|norpat))?(?:\.codesystem)?/?",
    re.IGNORECASE,
)
_LOWERED: Final = {known.lower(): known for known in ALIASES.values()} | {
    one.lower(): to for one, to in ALIASES.items()
}
"""Every address that we know, as it is looked up: capitals and a slash behind it make no other."""
_LONGEST: Final = 200
"""No address that has another spelling is longer; longer ones are not kept in memory."""


def canonical(system: str) -> str:
    """The one spelling of an address; one we do not know stays as it is.

    >>> canonical("http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk")
    'urn:oid:2.16.578.1.12.4.1.1.7280'
    >>> canonical("2.16.578.1.12.4.1.1.7230")
    'urn:oid:2.16.578.1.12.4.1.1.7280'
    """
    return _canonical(system) if len(system) <= _LONGEST else system


@lru_cache(maxsize=4096)
def _canonical(system: str) -> str:
    spelled = system.strip()
    if found := _OID.fullmatch(spelled):
        spelled = "urn:oid:" + found[1]
    elif found := _KODEVERK.fullmatch(spelled):
        spelled = VOLVEN + found["number"]
    else:
        return _LOWERED.get(spelled.lower().removesuffix("/"), system)
    return ALIASES.get(spelled, spelled)
