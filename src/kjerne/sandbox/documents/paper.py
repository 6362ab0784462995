"""What a document is: who wrote what about whom (`Letter`), and how it is filed at a source (`Paper`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple

from kjerne.sandbox.people import DatedNumber, Person, Practitioner
from kjerne.sandbox.sources.places import Keeper
from kjerne.svarrapport import OID, Code, Unit

ICD, ICPC = f"{OID}7110", f"{OID}7170"
LABEL: Final = "Syntetisk testperson (HTEST). Dokumentet er oppdiktet."
"""Stands in every document that has words."""
CLASSES: Final = {
    "A": ("A00-1", "Epikriser og sammenfatninger"), "B": ("B00-1", "Kontinuerlig/løpende journal"),
    "C": ("C00-1", "Prøvesvar, vev og væsker"), "E": ("E00-1", "Bildediagnostikk"),
    "F": ("F00-1", "Kurve, observasjon og behandling"), "I": ("I00-1", "Korrespondanse"),
    "J": ("J00-1", "Attester, melding og erklæringer"),
}  # fmt: skip
"""9602, level 1, by the letter that codes of level 2 begin with."""
TYPES: Final = {
    "A03-2": "Epikrise", "A04-2": "Sykepleiesammenfatning", "A13-2": "Poliklinisk epikrise",
    "B01-2": "Tverrfaglig behandlingsplan", "B02-2": "Journalnotat", "C04-2": "Patologi, histologi og cytologi",
    "E01-2": "Bildediagnostiske svar", "E02-2": "Foto og film", "F01-2": "Kurve", "F04-2": "Svangerskap og fødsel",
    "I01-2": "Henvisninger", "J01-2": "Sykmeldinger og trygdesaker",
}  # fmt: skip


class Form(NamedTuple):
    """A kind of bytes: media type, and the format code (of IHE's system, as the national examples have it)."""

    mime_type: str
    code: str


PDF: Final = Form("application/pdf", "urn:no:ehelse:document:pdf")
JPEG: Final = Form("image/jpeg", "urn:no:ehelse:document:image")
PNG: Final = Form("image/png", "urn:no:ehelse:document:image")
TIFF: Final = Form("image/tiff", "urn:no:ehelse:document:image")
TEXT: Final = Form("text/plain", "urn:no:ehelse:document:text")
RTF: Final = Form("application/rtf", "urn:ihe:iti:xds:2017:mimeTypeSufficient")
CDA_1: Final = Form("application/xml", "urn:hl7-org:sdwg:ccda-nonXMLBody:2.1")
CDA_3: Final = Form("application/xml", "urn:hl7-org:sdwg:ccda-structuredBody:2.1")
EPIKRISE: Final = Form("application/xml", "urn:no:kith:xmlstds:epikrise")
HENVISNING: Final = Form("application/xml", "urn:no:kith:xmlstds:henvisning")
SVARRAPPORT: Final = Form("application/xml", "urn:no:kith:xmlstds:svarrapport")


class Setting(NamedTuple):
    """Where something was done: facility (1303), and what kind of care (8653, 8654, 8655)."""

    facility: Code
    practice: Code


def _setting(facility: str, name: str, system: str, practice: str, called: str) -> Setting:
    return Setting(Code(facility, name, f"{OID}1303"), Code(practice, called, f"{OID}{system}"))


_HOSPITAL: Final = ("86.101", "Alminnelige somatiske sykehus")
WARD: Final = _setting(*_HOSPITAL, "8655", "S03", "Indremedisin")
OUTPATIENTS: Final = _setting("86.212", "Somatiske poliklinikker", "8655", "S0301", "Endokrinologi")
ENDOSCOPY: Final = _setting("86.212", "Somatiske poliklinikker", "8655", "S0302", "Fordøyelsessykdommer")
MATERNITY: Final = _setting(*_HOSPITAL, "8655", "S0403", "Obstetrikk")
IMAGING: Final = _setting(*_HOSPITAL, "8654", "B", "Bildediagnostikk")
PATHOLOGY: Final = _setting(*_HOSPITAL, "8654", "L06", "Patologi")
OFFICE: Final = _setting("86.211", "Allmenn legetjeneste", "8655", "S01", "Allmennmedisin")
AT_HOME: Final = _setting("86.901", "Hjemmesykepleie", "8653", "1", "Pleietjenester")
HEALTH_CENTRE: Final = _setting(
    "86.903", "Helsestasjons- og skolehelsetjeneste", "8655", "S", "Helsehjelp knyttet til somatisk sykdom"
)


class Part(NamedTuple):
    """A part of a letter: text in paragraphs (a line each), and a table whose first row is its head."""

    heading: str
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """What somebody wrote. `author` is None where a unit answers for it and no one person; times are Norwegian local time."""

    title: str
    person: Person
    number: DatedNumber
    written: datetime
    begun: date
    ended: date
    author: Practitioner | None
    unit: Unit
    setting: Setting
    parts: tuple[Part, ...] = ()
    diagnoses: tuple[Code, ...] = ()
    to: Unit | None = None

    @property
    def signed(self) -> str:
        """Who answers for it, in a line."""
        place = f"{self.unit.name}, {self.unit.department}" if self.unit.department else self.unit.name
        return (
            f"{self.author.name}, {_TITLES.get(self.author.authorizations[0], '')}, {place}" if self.author else place
        )


_TITLES: Final = {"LE": "lege", "SP": "sykepleier", "JO": "jordmor", "BI": "bioingeniør", "FA1": "farmasøyt"}


@dataclass(frozen=True, slots=True)
class Paper:
    """A document as it is filed. `name` is its own among those of one person; `replaces` that of an earlier one.

    `marks` are its confidentiality: one of N, R, V, and codes of 9603 beside it.
    """

    keeper: Keeper
    name: str
    type_code: str
    form: Form
    letter: Letter
    content: bytes = field(repr=False)
    marks: tuple[str, ...] = ("N",)
    replaces: str = ""


def day(on: date) -> str:
    """A date as Norwegians write it.

    >>> day(date(2026, 3, 1))
    '01.03.2026'
    """
    return f"{on:%d.%m.%Y}"
