"""The ready-made users of the sandbox: whom one can log in as, and what each is there to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kjerne.access import CallerKind
from kjerne.sandbox.institutions import OPERATOR, SECOND_OPERATOR, Post
from kjerne.sandbox.people import Part, Person, Population


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody to log in as. `name` is the slug; `role` the professional group (9060) of a practitioner, else the part
    played; a system has an organisation and no person."""

    name: str
    title: str
    kind: CallerKind
    role: str
    nin: str = field(default="", repr=False)
    hpr: str = ""
    organisation: str = ""
    point_of_care: str = ""
    authorization: str = ""
    person_name: str = ""


class _Practitioner(NamedTuple):
    name: str
    title: str


class _Citizen(NamedTuple):
    name: Part
    title: str


class _System(NamedTuple):
    name: str
    title: str
    role: str
    unit: str


PRACTITIONERS: Final = (
    _Practitioner("gp", "Fastlege; pasienten står på listen"),
    _Practitioner("hospital-doctor", "Sykehuslege; pasienten er i et forløp ved sykehuset"),
    _Practitioner("nurse", "Sykepleier ved samme sykehus"),
    _Practitioner("midwife", "Jordmor ved helsestasjonen"),
    _Practitioner("pharmacist", "Provisorfarmasøyt i apotek"),
    _Practitioner("outsider", "Lege uten relasjon til pasienten"),
    _Practitioner("blocked-doctor", "Sykehuslege som pasienten har blokkert"),
    _Practitioner("retired-doctor", "Lege med utløpt autorisasjon"),
    _Practitioner("outside-doctor", "Lege i en virksomhet som ikke deltar"),
)
CITIZENS: Final = (
    _Citizen("citizen", "Innbygger med type 2-diabetes; demopasienten"),
    _Citizen("parent", "Mor til tvillinger på 8 og en ungdom på 14"),
    _Citizen("youth", "Ungdom på 14; ser svarene sine når moren samtykker"),
    _Citizen("pregnant", "Gravid i tredje trimester"),
    _Citizen("new-mother", "Nybakt mor; barnets første prøve er sendt på henne"),
    _Citizen("protected", "Innbygger med strengt fortrolig adresse"),
    _Citizen("opted-out", "Innbygger som har reservert seg"),
    _Citizen("restricted", "Innbygger som har sperret for alt helsepersonell; født 29. februar"),
    _Citizen("renumbered", "Innbygger som hadde D-nummer og har fått fødselsnummer"),
    _Citizen("proxy", "Har fullmakt til å se og handle for demopasienten, og en til bare å handle fra en annen"),
    _Citizen("guardian", "Verge for en eldre mann; og for en annen bare i økonomiske forhold"),
    _Citizen("ward", "Eldre mann med verge"),
)
SYSTEMS: Final = (
    _System("lab", "Laboratorium som sender svar", "laboratory", "private-lab"),
    _System("hospital-lab", "Sykehuslaboratorium som sender svar", "laboratory", "biochemistry"),
    _System("journal-system", "Sykehusets journalsystem, som sender inn journalopplysninger", "journal", "hospital"),
    _System(
        "document-source",
        "Sykehusets kilde for dokumenter, som melder hvem den har noe om",
        "document-register",
        "hospital",
    ),
    _System("ehr", "Helsestasjonens journalsystem, som får beskjed om det som er nytt", "ehr", "health-centre"),
    _System("operator", "Drift av plattformen", "operations", "monitoring"),
    _System("audit-repository", "Den dataansvarliges arkiv for logger", "audit-repository", "monitoring"),
    _System(
        "registry", "Kilde for registre: virksomheter, helsepersonell, legemidler, kodeverk", "registry", "monitoring"
    ),
    _System("citizen-portal", "Innbyggerportal, for den som er logget inn der", "citizen-portal", "portal"),
    _System(
        "all-patients",
        "Testklient: søker blant alle syntetiske pasienter, og registrerer nye",
        "test-client",
        "outside",
    ),
    _System("device-gateway", "Mottak for målinger hjemmefra", "device-gateway", "monitoring"),
)


def personas(population: Population) -> tuple[Persona, ...]:
    """All personas of this population: practitioners, the operator in person, citizens, systems."""
    return (
        *(_practitioner(population, one) for one in PRACTITIONERS),
        _operator(population.operator, OPERATOR, "Drift av plattformen, innlogget person", population),
        _operator(
            population.second_operator,
            SECOND_OPERATOR,
            "En til i driften: godkjenner en eksport som nummer to",
            population,
        ),
        *(_citizen(population, one) for one in CITIZENS),
        *(_system(population, one) for one in SYSTEMS),
    )


def _practitioner(population: Population, given: _Practitioner) -> Persona:
    staff = population.staff[given.name]
    return Persona(
        name=given.name,
        title=given.title,
        kind="practitioner",
        role=staff.authorizations[0],
        nin=staff.nin,
        hpr=staff.hpr,
        organisation=staff.organisation,
        point_of_care=staff.point_of_care,
        authorization=staff.authorizations[0],
        person_name=staff.name,
    )


def _operator(person: Person, post: Post, title: str, population: Population) -> Persona:
    """Whoever runs the platform, logged in as herself: she is authorised as nothing and has no HPR number."""
    unit = population.units[post.unit]
    return Persona(
        name=post.part,
        title=title,
        kind="practitioner",
        role="operations",
        nin=person.nin,
        organisation=unit.parent,
        point_of_care=unit.number,
        person_name=person.name,
    )


def _citizen(population: Population, given: _Citizen) -> Persona:
    person = population.by_key[population.cast[given.name]]
    return Persona(given.name, given.title, "citizen", given.name, nin=person.nin, person_name=person.name)


def _system(population: Population, given: _System) -> Persona:
    unit = population.units[given.unit]
    return Persona(
        given.name,
        given.title,
        "system",
        given.role,
        organisation=unit.parent or unit.number,
        point_of_care=unit.number,
    )
