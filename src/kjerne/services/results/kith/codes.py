"""Addresses of code systems, identifiers and extensions, and the one spelling of each that leaves this package."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from kjerne.fhir import systems

VOLVEN: Final = systems.VOLVEN
NLK: Final = systems.NLK
NLK_OLD: Final = systems.NLK_OLD
PERSON: Final = systems.PERSON
UCUM: Final = systems.UCUM
NCRP: Final = VOLVEN + "7270"
NORPAT: Final = VOLVEN + "7010"
PATHOLOGY: Final = VOLVEN + "8219"
LOCAL: Final = VOLVEN + "8212"
DISCIPLINE: Final = VOLVEN + "8202"
TEXT_REASON: Final = VOLVEN + "8231"
TEXT_HEADING: Final = VOLVEN + "8243"
DEVIATION: Final = systems.DEVIATION
SUSCEPTIBILITY: Final = systems.SUSCEPTIBILITY

NATIONAL: Final = (NLK, NCRP, NORPAT, PATHOLOGY)
"""Systems whose codes mean the same in every laboratory, in the order they are shown."""

INTERPRETATION: Final = systems.INTERPRETATION
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
MATERIAL_OF: Final = "http://kjerne.example/fhir/CodeSystem/material-of"

NILAR: Final = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-"
OURS: Final = "http://kjerne.example/fhir/StructureDefinition/"
FOCUS: Final = "http://hl7.org/fhir/StructureDefinition/observation-focusCode"
CHANGE: Final = OURS + "change"
COMPLETES: Final = OURS + "completes"
"""On what is `amended` and was never finished before: its content came, and nothing that stood was corrected."""
ADDITION: Final = OURS + "addition"
"""On a result that came by an addition, beside what was there."""
FORMER_FILE: Final = OURS + "former-file"
READING_NOTE: Final = OURS + "reading-note"
PARTED: Final = (
    "Another part of this report was another patient's: what is said here of the whole may be about that one."
)
"""A reading note."""
TEXT_UNIT: Final = OURS + "unit"
INSTITUTION: Final = OURS + "institution"
"""On an organisation that is named by the number of its department: the number of the whole."""
FURTHER: Final = "Ytterligere svar"
"""What the second value of one item is called, which has no name of its own."""
FURTHER_SPECIMEN: Final = OURS + "further-specimen"
SPECIMEN_MATERIAL_OF: Final = OURS + "material-of"

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

_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))+")
_ADDRESS: Final = re.compile(r"(?:https?://|urn:(?!oid:)[A-Za-z0-9][A-Za-z0-9-]{1,31}:)[!-~]+", re.IGNORECASE)
UNADDRESSED: Final = "urn:kjerne:code-system:"
"""Before what a sender calls a system by where that is no address: FHIR wants a URI in its place."""


@lru_cache(maxsize=1024)
def canonical(system: str) -> str:
    """The one spelling of a code system's or identifier's address; an address we do not know stays as it is.

    What is no address at all becomes one of ours, with the sender's word in it.

    >>> canonical("http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk")
    'urn:oid:2.16.578.1.12.4.1.1.7280'
    >>> canonical("2.16.578.1.12.4.1.1.7230")
    'urn:oid:2.16.578.1.12.4.1.1.7280'
    """
    return systems.canonical(as_sent(system))


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


@lru_cache(maxsize=1024)
def is_shared(system: str) -> bool:
    """Whether a code of this system is the same analysis whichever laboratory writes it: national and international
    systems. A local code (8212, an address we do not know, none) is its laboratory's own.

    >>> is_shared("2.16.578.1.12.4.1.1.7280"), is_shared("http://loinc.org"), is_shared(LOCAL), is_shared("")
    (True, True, False, False)
    """
    known = canonical(system)
    return known not in _OF_ONE_LABORATORY and (is_known(known) or known.startswith(_INTERNATIONAL))


_OF_ONE_LABORATORY: Final = frozenset({"", LOCAL, TEXT_HEADING})
"""A heading (8243) says what kind of text an item is; what is told under it is named by its laboratory."""
_INTERNATIONAL: Final = ("http://terminology.hl7.org/", "http://hl7.org/fhir/", "urn:iso:std:iso:11073:")
_VOLVEN_TABLE: Final = re.compile(re.escape(VOLVEN) + "[0-9]{4}")
_KNOWN: Final = frozenset({*systems.ALIASES.values(), *IDENTIFIER_SYSTEM.values()})


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
