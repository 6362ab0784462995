"""Addresses of code systems, identifiers and extensions, and the one spelling of each that leaves this package.

Norwegian code systems are written as `urn:oid:`; laboratories, guides and registers spell the same system as bare
OID, as `http://ehelse.no/...` and as `http://helsedir.no/...` (NILAR 1.5.0, no-kodeverk 0.6.0), some with obsolete
OIDs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

VOLVEN: Final = "urn:oid:2.16.578.1.12.4.1.1."
NLK: Final = VOLVEN + "7280"
NLK_OLD: Final = VOLVEN + "7230"
NCRP: Final = VOLVEN + "7270"
NORPAT: Final = VOLVEN + "7010"
PATHOLOGY: Final = VOLVEN + "8219"
LOCAL: Final = VOLVEN + "8212"
DISCIPLINE: Final = VOLVEN + "8202"
TEXT_REASON: Final = VOLVEN + "8231"
TEXT_HEADING: Final = VOLVEN + "8243"
DEVIATION: Final = VOLVEN + "8244"
SUSCEPTIBILITY: Final = VOLVEN + "8271"
UCUM: Final = "http://unitsofmeasure.org"

NATIONAL: Final = (NLK, NCRP, NORPAT, PATHOLOGY)
"""Systems whose codes mean the same in every laboratory, in the order they are shown."""

INTERPRETATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
MATERIAL_OF: Final = "http://kjerne.example/fhir/CodeSystem/material-of"

NILAR: Final = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-"
OURS: Final = "http://kjerne.example/fhir/StructureDefinition/"
FOCUS: Final = "http://hl7.org/fhir/StructureDefinition/observation-focusCode"
CHANGE: Final = OURS + "change"
COMPLETES: Final = OURS + "completes"
"""On what is `amended` and was never finished before: its content came, and nothing that stood was corrected."""
FORMER_FILE: Final = OURS + "former-file"
READING_NOTE: Final = OURS + "reading-note"
TEXT_UNIT: Final = OURS + "unit"
FURTHER_SPECIMEN: Final = OURS + "further-specimen"
SPECIMEN_MATERIAL_OF: Final = OURS + "material-of"

PERSON: Final = "urn:oid:2.16.578.1.12.4.1.4."
IDENTIFIER_SYSTEM: Final = {
    "FNR": PERSON + "1",
    "DNR": PERSON + "2",
    "FHN": PERSON + "3",
    "HPR": PERSON + "4",
    "DUF": PERSON + "5",
    "ENH": PERSON + "101",
    "RSH": PERSON + "102",
    "AKO": PERSON + "107",
    "HER": "urn:oid:2.16.578.1.12.4.1.2",
}
"""Kinds of code system 8268 that have an address of their own; the others are local to whoever made them."""

_ALIASES: Final = {
    NLK_OLD: NLK,
    "http://hl7.org/fhir/sid/icd-10-no": VOLVEN + "7110",
    "http://hl7.org/fhir/sid/icpc-2": VOLVEN + "7170",
    VOLVEN + "7180": "http://www.whocc.no/atc",
    "urn:oid:2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "urn:oid:2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "urn:oid:2.16.840.1.113883.6.1": "http://loinc.org",
    "urn:oid:2.16.840.1.113883.6.8": UCUM,
    "urn:oid:2.16.578.1.12.4.1.2.101": PERSON + "101",
    "urn:oid:2.16.578.1.12.4.1.2.102": PERSON + "102",
}
"""Addresses that are another name of a system, beside the regular spellings below. The last two OIDs were wrong in
no-basis until 2020-04 and still occur."""

_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_ADDRESS: Final = re.compile(r"(?:https?://|urn:(?!oid:)[A-Za-z0-9][A-Za-z0-9-]{1,31}:)[!-~]+")
UNADDRESSED: Final = "urn:kjerne:code-system:"
"""Before what a sender calls a system by where that is no address: FHIR wants a URI in its place."""
_KODEVERK: Final = re.compile(
    r"https?://(?:www\.)?(?:ehelse|helsedir|helsedirektoratet|hl7)\.no/fhir/(?:CodeSystem|codesystem)/no-kodeverk-"
    r"(?P<number>[0-9]{4})(?:-(?:nlk|ncrp|norpat))?(?:\.codesystem)?"
)


@lru_cache(maxsize=1024)
def canonical(system: str) -> str:
    """The one spelling of a code system's or identifier's address; an address we do not know stays as it is.

    What is no address at all becomes one of ours, with the sender's word in it.

    >>> canonical("http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk")
    'urn:oid:2.16.578.1.12.4.1.1.7280'
    >>> canonical("2.16.578.1.12.4.1.1.7230")
    'urn:oid:2.16.578.1.12.4.1.1.7280'
    """
    spelled = as_sent(system)
    if match := _KODEVERK.fullmatch(spelled):
        spelled = VOLVEN + match["number"]
    return _ALIASES.get(spelled, spelled)


@lru_cache(maxsize=1024)
def as_sent(system: str) -> str:
    """A system as a URI, without following aliases."""
    spelled = system.strip()
    bare = spelled[8:] if spelled[:8].lower() == "urn:oid:" else spelled
    if _OID.fullmatch(bare):
        return "urn:oid:" + bare
    return spelled if not spelled or _ADDRESS.fullmatch(spelled) else UNADDRESSED + quote(spelled, safe="")


@lru_cache(maxsize=1024)
def is_known(system: str) -> bool:
    """Whether this is a system we know by any of its names: national tables, and what `canonical` has an alias for."""
    first = canonical(system)
    return bool(_VOLVEN_TABLE.fullmatch(first)) or first in _KNOWN


_VOLVEN_TABLE: Final = re.compile(re.escape(VOLVEN) + "[0-9]{4}")
_KNOWN: Final = frozenset({*_ALIASES.values(), *IDENTIFIER_SYSTEM.values()})


def spellings(system: str) -> tuple[str, ...]:
    """Every address by which a client may ask for `system`, the canonical one first."""
    first = canonical(system)
    found = [first, *(alias for alias, target in _ALIASES.items() if target == first)]
    if first.startswith(VOLVEN):
        number = first.removeprefix(VOLVEN)
        ending = {"7280": "-nlk", "7270": "-ncrp", "7010": "-norpat"}.get(number, "")
        found += [f"http://{house}.no/fhir/CodeSystem/no-kodeverk-{number}{ending}" for house in ("ehelse", "helsedir")]
    if first.startswith("urn:oid:"):
        found.append(first.removeprefix("urn:oid:"))
    return tuple(found)


MAIN_DISCIPLINE: Final = {
    "BLD": "BLD", "RAD": "BLD", "RTG": "BLD", "CT": "BLD", "MR": "BLD", "UL": "BLD", "MA": "BLD", "SCI": "BLD",
    "NUK": "BLD",
    "PAT": "PAT", "HIST": "PAT", "CYTO": "PAT", "OBD": "PAT", "MPAT": "PAT", "MORS": "PAT",
}  # fmt: skip
"""Code of 8202 -> DiagnosticReport.category (NILAR main-expertise: LAB, PAT, BLD); any other is LAB."""

EXPERTISE: Final = {
    "CLIN": "CLIN", "MBIO": "MBIO", "MGEN": "MGEN", "FARM": "FARM", "IMTR": "IMTR", "PAT": "PAT", "HIST": "PAT",
    "CYTO": "PAT", "OBD": "PAT", "MPAT": "PAT", "MORS": "PAT", "RAD": "RAD", "RTG": "RAD", "CT": "RAD", "MR": "RAD",
    "UL": "RAD", "MA": "RAD", "BLD": "RAD", "SCI": "NUK", "NUK": "NUK",
}  # fmt: skip
"""Code of 8202 -> Observation.category (NILAR expertise)."""

DISCIPLINE_NAME: Final = {
    "LAB": "Laboratoriemedisin", "PAT": "Patologi", "BLD": "Bildediagnostikk", "CLIN": "Medisinsk biokjemi",
    "MBIO": "Medisinsk mikrobiologi", "MGEN": "Medisinsk genetikk", "FARM": "Klinisk farmakologi",
    "IMTR": "Immunologi og transfusjonsmedisin", "RAD": "Radiologi", "NUK": "Nukleærmedisin",
}  # fmt: skip


def discipline_name(code: str) -> str:
    """The name of a code of 8202, for senders that leave out DN; of a finer code (RTG, HIST) that of its discipline.

    >>> discipline_name("CLIN"), discipline_name("HIST"), discipline_name("?")
    ('Medisinsk biokjemi', 'Patologi', '')
    """
    return DISCIPLINE_NAME.get(EXPERTISE.get(code, code), "")


HEADING_NAME: Final = {
    "AN": "Analyse", "DIAG": "Diagnose", "FU": "Funn og undersøkelsesresultater", "GR": "Gruppe",
    "LR": "Laboratorieresultat", "MET": "Metode/utførte tester, medisinsk genetikk", "RSB": "Resistensbestemmelse",
    "SY": "Sykmelding", "TFU": "Tilleggsfunn", "UP": "Ubesvarte prøver", "VU": "Vurdering", "XX": "Uspesifisert",
}  # fmt: skip
"""Names of 8243, for senders that leave out DN."""
