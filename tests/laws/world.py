"""A small country for the law to be tried in: patients in every state, callers of every sort, records of every kind.

Each caller and each patient is written twice from one description: as a `Situation` for the oracle, and as rows and a
`Caller` for the product. What the oracle says of the two together is what may leave, on whatever path.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final

from kjerne.access import Attestation, Caller, Choice, Coded, Label, Tie, Wish
from kjerne.exchange import PatientRef, granted
from kjerne.fhir.encode import decode
from kjerne.policy.choosing import Choosing
from kjerne.services.standards import types_by_service
from kjerne.store import participation, registers
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.registers import OrganisationRow
from kjerne.store.subjects import PersonDetail
from participating import a_row
from services.results.conftest import LAB, NOW, THIRD_LAB, Ward, fresh_number

from .asking import Anybody
from .oracle import answer
from .situation import UNSEEN, Answer, Attest, Bond, Membership, Situation, Will
from .together import showing, together

LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
YESTERDAY: Final = NOW - timedelta(days=1)
TOMORROW: Final = NOW + timedelta(days=1)
TODAY: Final = NOW.date()

OFFICE, HOSPITAL, UNIT, OTHER, OUTSIDE, GONE, COMING = (
    "983658725", "100000008", "974760673", "993467049", "100000032", "100000040", "100000059",
)  # fmt: skip
"""Where people work: a GP's office; a hospital and its ward that treats the patients; a hospital that does not; three that
take no part, never, no longer and not yet."""
CLINIC: Final = "100000148"
"""The register has it in the hospital, and the ward in it."""
PLACES: Final = ((HOSPITAL, ""), (CLINIC, HOSPITAL), (UNIT, CLINIC), (OTHER, ""), (THIRD_LAB, ""))
"""What the register of organisations has, each with what it lies below."""
ABOVE: Final = {UNIT: (CLINIC, HOSPITAL), CLINIC: (HOSPITAL,)}
BELOW: Final = {HOSPITAL: (CLINIC, UNIT), CLINIC: (UNIT,)}
MEMBERS: Final[Mapping[str, tuple[Membership, ...]]] = {
    OFFICE: (Membership("consumer", begins=LONG_AGO),),
    HOSPITAL: (Membership("consumer", begins=LONG_AGO),),
    OTHER: (Membership("consumer", begins=LONG_AGO, ends=YESTERDAY), Membership("consumer", begins=YESTERDAY)),
    GONE: (Membership("consumer", begins=LONG_AGO, ends=NOW),),
    COMING: (Membership("consumer", begins=TOMORROW),),
    LAB.organisation: (Membership("source", begins=LONG_AGO),),
    THIRD_LAB: (Membership("source", begins=LONG_AGO),),
}
GP, FORMER_GP, OWN_COURSE, BLOCKED = "9144900", "9144919", "9144927", "1234567"

LABELS: Final = "urn:oid:2.16.578.1.12.4.1.1.9603"
CODES: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
DISCIPLINES: Final = "urn:oid:2.16.578.1.12.4.1.1.8202"
HUB: Final = "NPU99999"
"""The code of the open report that refers to an Observation of every kind."""


@dataclass(frozen=True)
class Kind:
    """A kind of record: the oracle's words for what withholds it, and how the product is told of them.

    `marks` stand in the resource as its source sent it (9603), `label` is put on afterwards. `discipline` (8202) says what
    it is about, `content` what a patient who restricts a part calls that; `sender` is the laboratory it came from.
    """

    name: str
    withheld: frozenset[str] = frozenset()
    is_released: bool = True
    marks: tuple[Mapping[str, str], ...] = ()
    label: Label | None = None
    discipline: str = "CLIN"
    content: str = "laboratory"
    sender: str = LAB.organisation


def mark(code: str, until: str = "") -> Mapping[str, str]:
    return {"system": LABELS, "code": code} | ({"display": until} if until else {})


KINDS: Final = (
    Kind("open"),
    Kind("restricted", frozenset({"restricted"}), marks=(mark("NORS"),)),
    Kind("withheld from the citizen", frozenset({"withheld from citizen"}), marks=(mark("NORN_FFL"),)),
    Kind("withheld from parents", frozenset({"withheld from parents"}), marks=(mark("NORN_FORANS"),)),
    Kind("withheld from youth", frozenset({"withheld from youth"}), marks=(mark("NORN_UNGDOM"),)),
    Kind("not yet released", is_released=False, marks=(mark("NORU", "2026-03-20"),)),
    Kind("released since", marks=(mark("NORU", "2026-03-04"),)),
    Kind("filed on a wrong person", frozenset({"withdrawn"}), label=Label.WITHDRAWN),
    Kind("not the mother's", frozenset({"not the mother's"}), label=Label.NOT_THE_MOTHERS),
    Kind("restricted and withheld", frozenset({"restricted", "withheld from citizen"}), marks=(mark("NORS"), mark("NORN_KUT"))),
    Kind("radiology", discipline="RAD", content="radiology"),
    Kind("of another laboratory", sender=THIRD_LAB),
    Kind("that she may restrict"),
)  # fmt: skip
TOGETHER: Final = tuple(kind for kind in KINDS if not kind.name.startswith(("radiology", "of another", "that she")))
"""The kinds that one open report and one open specimen lead to. Of a restricted part everything that leads there is one."""


def may_leave(kind: Kind, patient: str, said: Answer) -> bool:
    """Whether this patient's record of this kind may leave under what the law said."""
    withheld = kind.withheld | chosen(kind, patient)
    return said.given and not withheld & said.hidden and (kind.is_released or not said.only_released)


def chosen(kind: Kind, patient: str) -> frozenset[str]:
    """What the patient herself has put on it. A file does not say what it is about: it is of the kind of its report (K22)."""
    words = set()
    for will in PATIENTS[patient].get("wills", ()):
        if will.kind == "record" and kind.name == "that she may restrict":
            words.add("restricted here")
        if will.content and will.content == kind.content:
            words.add(f"part {will.mark}")
        if will.sent_by and will.sent_by == kind.sender:
            words.add(f"part {will.mark}")
    return frozenset(words)


READ: Final = frozenset({"nhn:pps/provesvar-read"})
# The scope of staff lets a citizen's app in at the same addresses; the law goes by who she is.
CITIZEN: Final = READ | {"kjerne:citizen"}
DOCTOR: Final = Situation(
    "practitioner", "search", NOW, scopes=READ, hpr="9144935", role="LE", legal_entity=OTHER, unit=OTHER,
    attest=Attest(reason="time i dag"),
)  # fmt: skip
SELF: Final = Situation("citizen", "search", NOW, scopes=CITIZEN)


def attested(**changes: Any) -> Attest:
    return replace(Attest(reason="time i dag"), **changes)


@dataclass(frozen=True)
class Actor:
    """Somebody who asks. `person` is who she is in the register of persons: a name of `KIN`, "the patient", or nobody."""

    name: str
    situation: Situation
    person: str = ""

    def __hash__(self) -> int:
        """By her name: what she is has some thirty parts, and the law is asked about her again and again."""
        return hash(self.name)


IN_CARE: Final = replace(DOCTOR, legal_entity=HOSPITAL, unit=UNIT)
ACTORS: Final = (
    Actor("gp", replace(DOCTOR, hpr=GP, legal_entity=OFFICE, unit=OFFICE)),
    Actor(
        "gp without reason", replace(DOCTOR, hpr=GP, legal_entity=OFFICE, unit=OFFICE, attest=attested(reason=UNSEEN))
    ),
    Actor("former gp", replace(DOCTOR, hpr=FORMER_GP, legal_entity=OFFICE, unit=OFFICE)),
    Actor("hospital doctor", IN_CARE),
    Actor("doctor of no ward", replace(IN_CARE, unit="", attest=attested(self_authorised=True))),
    Actor("doctor with a course of her own", replace(DOCTOR, hpr=OWN_COURSE)),
    Actor("nurse in care", replace(IN_CARE, role="SP")),
    Actor("midwife in care", replace(IN_CARE, role="JO", hpr="7012345")),
    Actor("midwife in care without reason", replace(IN_CARE, role="JO", hpr="7012345", attest=attested(reason=UNSEEN))),
    Actor("secretary in care", replace(IN_CARE, role="HE")),
    Actor("ambulance, self-declared", replace(DOCTOR, role="AA", attest=attested(self_authorised=True))),
    Actor("pharmacist, self-declared", replace(DOCTOR, role="FA1", attest=attested(self_authorised=True))),
    Actor("outsider", DOCTOR),
    Actor("outsider without reason", replace(DOCTOR, attest=attested(reason=""))),
    Actor("blocked doctor in care", replace(IN_CARE, hpr=BLOCKED)),
    Actor("no attestation", replace(IN_CARE, attest=None)),
    Actor("attestation of another", replace(IN_CARE, attest=attested(about=("other",)))),
    Actor("attestation at its end", replace(IN_CARE, attest=attested(minutes_old=60))),
    Actor("attestation of a colleague", replace(IN_CARE, attest=attested(of_the_one_logged_in=False))),
    Actor("low level", replace(IN_CARE, level=3)),
    Actor("gp outside", replace(DOCTOR, hpr=GP, legal_entity=OUTSIDE, unit=OUTSIDE)),
    Actor("gp whose part ends now", replace(DOCTOR, hpr=GP, legal_entity=GONE, unit=GONE)),
    Actor("gp whose part begins tomorrow", replace(DOCTOR, hpr=GP, legal_entity=COMING, unit=COMING)),
    Actor("doctor on herself", IN_CARE, "the patient"),
    Actor("outside doctor on herself", replace(DOCTOR, legal_entity=OUTSIDE, unit=OUTSIDE), "the patient"),
    Actor("citizen", SELF, "the patient"),
    Actor("citizen, low level", replace(SELF, level=3), "the patient"),
    Actor("citizen without a citizen's scope", replace(SELF, scopes=READ), "the patient"),
    Actor("parent", SELF, "parent"),
    Actor("parent with protected address", SELF, "hidden parent"),
    Actor("parent no more", SELF, "former parent"),
    Actor("proxy", SELF, "proxy"),
    Actor("proxy until today", SELF, "former proxy"),
    Actor("proxy from tomorrow", SELF, "coming proxy"),
    Actor("proxy of another area", SELF, "proxy of another area"),
    Actor("guardian", SELF, "guardian"),
    Actor("guardian of a minor", SELF, "guardian of a minor"),
    Actor("stranger", SELF, "stranger"),
    Actor("unregistered", replace(SELF, is_registered=False), "nobody at all"),
    Actor("laboratory", Situation("system", "search", NOW, scopes=READ, level=0, legal_entity=LAB.organisation)),
    Actor("operator", replace(DOCTOR, scopes=READ | {"kjerne:operations"})),
)

KIN: Final[Mapping[str, PersonDetail]] = {
    "parent": PersonDetail("Prøve Person", birth_date=date(1985, 2, 3), address="Gata 1"),
    "hidden parent": PersonDetail(
        "Prøve Person", birth_date=date(1985, 2, 3), address="Gata 1", protection="strengtFortrolig"
    ),
    "former parent": PersonDetail("Prøve Person", birth_date=date(1985, 2, 3), address="Gata 1"),
    "proxy": PersonDetail("Prøve Person", birth_date=date(1990, 2, 3), address="Gata 2"),
    "former proxy": PersonDetail("Prøve Person", birth_date=date(1990, 2, 3), address="Gata 2"),
    "coming proxy": PersonDetail("Prøve Person", birth_date=date(1990, 2, 3), address="Gata 2"),
    "proxy of another area": PersonDetail("Prøve Person", birth_date=date(1990, 2, 3), address="Gata 2"),
    "guardian": PersonDetail("Prøve Person", birth_date=date(1990, 2, 3), address="Gata 2"),
    "guardian of a minor": PersonDetail("Prøve Person", birth_date=date(1990, 2, 3), address="Gata 2"),
    "stranger": PersonDetail("Prøve Person", birth_date=date(1990, 2, 3), address="Gata 2"),
}
BONDS: Final = (
    (Bond("practice-list", hpr=GP), ""),
    (Bond("practice-list", hpr=FORMER_GP, day_after_last=TODAY), ""),
    (Bond("care", place=UNIT), ""),
    (Bond("care", hpr=OWN_COURSE), ""),
    (Bond("care", place=OTHER, first_day=TOMORROW.date()), ""),
    (Bond("parent"), "parent"),
    (Bond("parent"), "hidden parent"),
    (Bond("parent", day_after_last=TODAY), "former parent"),
    (Bond("proxy", covers=("innsyn",)), "proxy"),
    (Bond("proxy", covers=("innsyn",), day_after_last=TODAY), "former proxy"),
    (Bond("proxy", covers=("innsyn",), first_day=TOMORROW.date()), "coming proxy"),
    (Bond("proxy", covers=("digitaleHelsetjenester",)), "proxy of another area"),
    (Bond("guardian", covers=("personligeInteresser",), form="voksen"), "guardian"),
    (Bond("guardian", covers=("personligeInteresser",), form="mindreaarig"), "guardian of a minor"),
)
"""What binds somebody to every patient, and to whom of `KIN`; the few who have no parents aside (`bonds_of`)."""


def bonds_of(patient: str) -> tuple[tuple[Bond, str], ...]:
    """Those of one patient: where she has no parents, somebody's responsibility has ended and nobody else has it."""
    if not patient.endswith("without parents"):
        return BONDS
    return tuple(
        (bond, whom) for bond, whom in BONDS if bond.kind != "parent" or bond.day_after_last is not None
    )  # fmt: skip


def aged(years: int, *, days: int = 0) -> dict[str, Any]:
    return {
        "born": date(NOW.year - years, NOW.month, NOW.day) - timedelta(days=days),
        "a_parent_lives_with_child": True,
    }


PATIENTS: Final[Mapping[str, dict[str, Any]]] = {
    "adult": {},
    "restricted": {"wills": (Will("restriction"),)},
    "restricted for the unit": {"wills": (Will("restriction", place=UNIT),)},
    "restricted for the clinic": {"wills": (Will("restriction", place=CLINIC),)},
    "radiology restricted for the clinic": {"wills": (Will("restriction", place=CLINIC, content="radiology", mark=0),)},
    "restricted elsewhere": {"wills": (Will("restriction", place=OUTSIDE),)},
    "restriction lifted": {"wills": (Will("restriction", begins=LONG_AGO, ends=NOW),)},
    "restricted from now": {"wills": (Will("restriction", service="", begins=NOW, ends=TOMORROW),)},
    "restricted from tomorrow": {"wills": (Will("restriction", begins=TOMORROW),)},
    "restricted in another service": {"wills": (Will("restriction", service="documents"),)},
    "doctors restricted": {"wills": (Will("restriction", group="doctors"),)},
    "others restricted": {
        "wills": (Will("restriction", group="others"), Will("restriction", group="nurses", ends=NOW))
    },
    "radiology restricted": {"wills": (Will("restriction", content="radiology", mark=0),)},
    "laboratory restricted": {"wills": (Will("restriction", content="laboratory", mark=0),)},
    "radiology restricted for the unit": {"wills": (Will("restriction", place=UNIT, content="radiology", mark=0),)},
    "another laboratory restricted": {"wills": (Will("restriction", sent_by=THIRD_LAB, mark=0),)},
    "two parts restricted": {
        "wills": (
            Will("restriction", content="radiology", mark=0, group="nurses"),
            Will("restriction", sent_by=THIRD_LAB, mark=1),
        )
    },
    "a single record restricted": {"wills": (Will("record"),)},
    "consenting for this course": {"wills": (Will("consent", hpr="7012345", treatment="1"),)},
    "consenting for another course": {"wills": (Will("consent", place=UNIT, treatment="2"),)},
    "opted out": {"wills": (Will("opt-out"), Will("restriction"))},
    "opted out of another service": {"wills": (Will("opt-out", service="maternity"),)},
    "opt-out lifted": {"wills": (Will("opt-out", begins=LONG_AGO, ends=YESTERDAY),)},
    "blocking": {"wills": (Will("block", hpr="001234567"), Will("opt-out"), Will("restriction"))},
    "blocking alone": {"wills": (Will("block", hpr=BLOCKED),)},
    "blocking no more": {"wills": (Will("block", hpr=BLOCKED, begins=LONG_AGO, ends=NOW),)},
    "consenting": {"wills": (Will("consent", hpr="7012345", place=UNIT), Will("consent"))},
    "consenting elsewhere": {"wills": (Will("consent", hpr="7012345", place=OUTSIDE),)},
    "protected, blocking": {"address": "fortrolig", "wills": (Will("block", hpr=BLOCKED),)},
    "protected, opted out": {"address": "strengtFortrolig", "wills": (Will("opt-out"), Will("restriction"))},
    "client address": {"address": "klientadresse"},
    "unknown protection": {"address": "hemmelig"},
    "dead": {"dead": True},
    "child of 8": aged(8),
    "child of 8, restricted": aged(8) | {"wills": (Will("restriction"),)},
    "child of 8, parents elsewhere": aged(8) | {"a_parent_lives_with_child": False},
    "child of 8, address unknown": aged(8) | {"a_parent_lives_with_child": None},
    "child of 8, protected": aged(8) | {"address": "fortrolig"},
    "child of 12 tomorrow": aged(12, days=-1),
    "child of 8, without parents": aged(8),
    "child of 8, restricted, without parents": aged(8) | {"wills": (Will("restriction"),)},
    "child of 12, without parents": aged(12),
    "child of 12 today": aged(12),
    "child of 12, permitted": aged(12) | {"wills": (Will("youth-access"),)},
    "youth of 13 tomorrow, permitted": aged(13, days=-1) | {"wills": (Will("youth-access"),)},
    "youth of 13 today": aged(13),
    "youth of 13 today, permitted": aged(13) | {"wills": (Will("youth-access"),)},
    "youth of 15, permitted and restricting": aged(15) | {"wills": (Will("youth-access"), Will("restriction"))},
    "youth of 15, permitted until now": aged(15) | {"wills": (Will("youth-access", begins=LONG_AGO, ends=NOW),)},
    "youth of 15, protected, permitted": aged(15) | {"address": "fortrolig", "wills": (Will("youth-access"),)},
    "youth of 16 tomorrow, permitted": aged(16, days=-1) | {"wills": (Will("youth-access"),)},
    "youth of 16 tomorrow": aged(16, days=-1),
    "youth of 16 today": aged(16),
    "youth of 17": aged(17),
    "birth date unknown": {"born": None},
}
SHUTTING: Final = ("block", "restriction", "opt-out")
HOMES: Final = {True: "Gata 1", False: "Gata 9", None: ""}


@dataclass
class Patient:
    """One who stands in the register: her number and key, and the ids of her records by type and by kind's name."""

    name: str
    number: str
    key: int
    digest: bytes
    ids: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class World:
    """Who is in it. `kin` are the keys and digests of those who stand in for somebody.

    `empty` are as those patients who have shut something, but for that, and have nothing here.
    """

    ward: Ward
    patients: dict[str, Patient] = field(default_factory=dict)
    empty: dict[str, Patient] = field(default_factory=dict)
    kin: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def situation(self, actor: Actor, patient: str, purpose: str, basis: str) -> Situation:
        """The question to the law, in the oracle's words."""
        return _asking(actor, patient, purpose, basis)

    def law(self, actor: Actor, patient: str, purpose: str, basis: str, action: str, **more: str) -> Answer:
        """What the oracle says of it; `more` may name a `jurisdiction`, or another `service`."""
        return _law(actor, patient, purpose, basis, action, tuple(more.items()))

    def caller(self, actor: Actor, patient: Patient, purpose: str) -> Caller:
        """The same one as the product meets her, behind the check of her token."""
        s = actor.situation
        if actor.person == "the patient":
            digest = patient.digest
        elif actor.person in self.kin:
            digest = self.kin[actor.person][1]
        else:
            digest = b"" if s.kind == "system" else actor.name.encode()
        return Caller(
            s.kind,  # type: ignore[arg-type]
            f"app of {actor.name}", s.scopes, digest, "Prøve Person", s.hpr, s.role, s.legal_entity, s.unit, level=s.level,
            attestation=self._attestation(s, digest, patient, purpose) if s.attest else None,
        )  # fmt: skip

    def _attestation(self, s: Situation, digest: bytes, patient: Patient, purpose: str) -> Attestation:
        assert s.attest
        about = tuple(patient.digest if one == "this" else self.kin["stranger"][1] for one in s.attest.about)
        return Attestation(
            digest if s.attest.of_the_one_logged_in else b"a colleague", s.hpr, s.role, s.legal_entity, s.unit, "", None,
            purpose or s.attest.purpose, Coded("BEHANDLER"), s.attest.treatment, s.attest.reason, s.attest.self_authorised, about,
            NOW - timedelta(minutes=s.attest.minutes_old),
        )  # fmt: skip


def _asking(actor: Actor, patient: str, purpose: str, basis: str) -> Situation:
    told = _the_two(actor, patient)
    attest = replace(told.attest, purpose=purpose) if told.attest and purpose else told.attest
    return replace(told, basis=basis, attest=attest)


@lru_cache(maxsize=20_000)
def _law(
    actor: Actor, patient: str, purpose: str, basis: str, action: str, more: tuple[tuple[str, str], ...]
) -> Answer:  # fmt: skip
    """One question has one answer, by however many paths it is asked."""
    return answer(replace(_asking(actor, patient, purpose, basis), action=action, **dict(more)))  # type: ignore[arg-type]


@cache
def _the_two(actor: Actor, patient: str) -> Situation:
    """Whoever asks and whom she asks about, before she says why."""
    told = replace(actor.situation, **PATIENTS[patient])
    bonds = tuple(
        replace(bond, helper=whom == actor.person) if whom else bond
        for bond, whom in bonds_of(patient)
    )  # fmt: skip
    kin = KIN.get(actor.person)
    return replace(
        told, bonds=bonds, is_the_patient=actor.person == "the patient",
        own_address=kin.protection if kin else "", memberships=MEMBERS.get(told.legal_entity, ()),
        above=ABOVE.get(told.unit, ()), below=BELOW.get(told.unit or told.legal_entity, ()),
    )  # fmt: skip


async def peopled(ward: Ward) -> World:
    """Everybody, with who takes part, in an empty database: nobody has a record or has chosen anything."""
    world = World(ward)
    people = ward.house.store.people
    async with ward.house.store.pool.acquire() as conn:
        for name, detail in KIN.items():
            new = _person(ward, detail)
            (key,) = await people.register(conn, [new], NOW)
            world.kin[name] = (key, new.identifiers[0].digest)
        for name, facts in PATIENTS.items():
            ties = _ties(world, name)
            shuts = any(will.kind in SHUTTING for will in facts.get("wills", ()))
            for among in (world.patients, world.empty) if shuts else (world.patients,):
                new = _person(ward, _detail(facts), ties)
                (key,) = await people.register(conn, [new], NOW)
                among[name] = Patient(name, new.identifiers[0].value, key, new.identifiers[0].digest)
        await _let_in(conn)
    return world


async def built(ward: Ward) -> World:
    """The whole world, in an empty database."""
    world, laboratory = await peopled(ward), Anybody(ward.house)
    for patient in world.patients.values():
        await _fill(world, laboratory, patient)
    for patient in world.patients.values():
        for will in PATIENTS[patient.name].get("wills", ()):
            await _choose(world, patient, will)
    for patient in world.empty.values():
        await _leave_empty(world, patient)
    return world


def _ties(world: World, patient: str) -> tuple[Tie, ...]:
    return tuple(
        Tie(
            bond.kind, bond.hpr, bond.place, world.kin[whom][0] if whom else 0, bond.first_day,  # type: ignore[arg-type]
            bond.day_after_last, bond.covers, bond.form,
        )
        for bond, whom in bonds_of(patient)
    )  # fmt: skip


async def _leave_empty(world: World, patient: Patient) -> None:
    """Ids as hers would be, of records that are not there; what she consents to holds as it does for the other."""
    patient.ids = {
        type_: {kind: str(world.ward.house.store.ids.make(patient.key)) for kind in by_kind}
        for type_, by_kind in world.patients[patient.name].ids.items()
    }
    for will in PATIENTS[patient.name]["wills"]:
        if will.kind == "consent":
            await _choose(world, patient, will)


async def _choose(world: World, patient: Patient, will: Will) -> None:
    """Parts and single records as she chooses them herself, since her records are marked; the rest as of any day."""
    store, house = world.ward.house.store, world.ward.house
    if will.kind != "record" and not will.content and not will.sent_by:
        choice = Choice(
            will.kind, will.service, will.hpr, will.place, will.begins or LONG_AGO, will.ends,  # type: ignore[arg-type]
            role=will.group, course=will.treatment,
        )  # fmt: skip
        async with store.pool.acquire() as conn:
            await store.people.add_choice(conn, patient.key, choice)
        return
    record = patient.ids["DiagnosticReport"]["that she may restrict"] if will.kind == "record" else ""
    wish = Wish(
        will.kind, organisation=will.place, role=will.group, part=will.content, source=will.sent_by, record=record
    )
    choosing = Choosing(store, house.reader, types_by_service())
    herself = Caller("citizen", "portal", frozenset({"kjerne:citizen"}), digest=patient.digest, level=4)
    ref = PatientRef(digest=patient.digest)
    await granted(world.ward.admit(herself), ref, "results", "choose", lambda grant: choosing.make(grant, wish))


async def _let_in(conn: Any) -> None:
    rows = [
        a_row(organisation, line.role, since=line.begins, until=line.ends)  # type: ignore[arg-type]
        for organisation, lines in MEMBERS.items()
        for line in lines
    ]
    await participation.add(conn, rows)
    await placed(conn)


async def placed(conn: Any) -> None:
    """The register of organisations: what lies below what."""
    await registers.fill(conn, [], [OrganisationRow(*one, "Prøvested", "", "", "", "") for one in PLACES])


def _detail(facts: Mapping[str, Any]) -> PersonDetail:
    s = replace(DOCTOR, **facts)
    return PersonDetail(
        "Prøve Person", birth_date=s.born, sex="female", protection=s.address, address=HOMES[s.a_parent_lives_with_child],
        died_on=TODAY if s.dead else None,
    )  # fmt: skip


def _person(ward: Ward, detail: PersonDetail, ties: tuple[Tie, ...] = ()) -> NewPerson:
    number = fresh_number()
    identifier = Identifier(ward.house.digest(number), "FNR", number, date(1975, 1, 12))
    return NewPerson(detail, (identifier,), synthetic=True, ties=ties)


# Her records


def sign(kind: Kind, patient: str) -> str:
    """A word that stands in a record of this kind and nowhere else."""
    return f"merke-{KINDS.index(kind)}-{list(PATIENTS).index(patient)}-slutt"


SIGN: Final = re.compile(r"merke-(\d+)-(\d+)-slutt")
"""Of which kind, and whose."""


def code(kind: Kind) -> str:
    """The code of the analysis of this kind of record."""
    return f"NPU9000{KINDS.index(kind)}"


def about(discipline: str) -> list[dict[str, Any]]:
    return [{"coding": [{"system": DISCIPLINES, "code": discipline}]}]


async def _fill(world: World, laboratory: Anybody, patient: Patient) -> None:
    """Of each kind a report, an Observation and a file; one open specimen and one open report that all of them lead to."""
    filed = _Filing(laboratory, patient)
    root = await filed.one({"resourceType": "Specimen", "status": "available", "type": {"text": "Serum"}})
    for place, kind in enumerate(KINDS):
        at = f"2026-03-03T08:{place:02}:00+01:00"
        own = {
            "status": "final", "effectiveDateTime": at, "issued": at, "category": about(kind.discipline),
            "code": {"coding": [{"system": CODES, "code": code(kind)}], "text": sign(kind, patient.name)},
        }  # fmt: skip
        observation: dict[str, Any] = {"valueQuantity": {"value": 40 + place, "unit": "mmol/L"}}
        if kind in TOGETHER:
            observation["specimen"] = {"reference": f"Specimen/{root}"}
        data = base64.b64encode(sign(kind, patient.name).encode()).decode()
        await filed.shown(
            {"resourceType": "DiagnosticReport"} | own,
            {"resourceType": "Observation"} | own | observation,
            {"resourceType": "Binary", "contentType": "image/png", "data": data},
            kind,
        )
    every = [{"reference": f"Observation/{patient.ids['Observation'][kind.name]}"} for kind in TOGETHER]
    hub = {
        "status": "final", "code": {"coding": [{"system": CODES, "code": HUB}]}, "result": every,
        "category": about("CLIN"),
        "effectiveDateTime": "2026-03-03T09:00:00+01:00", "issued": "2026-03-03T09:00:00+01:00",
    }  # fmt: skip
    await filed.one({"resourceType": "DiagnosticReport"} | hub)
    for kind in KINDS:
        if kind.label:
            ids = [by_kind[kind.name] for by_kind in patient.ids.values()]
            await world.ward.house.store.pool.execute(
                "UPDATE record SET labels = $1 WHERE patient = $2 AND id = ANY($3::uuid[])", int(kind.label), patient.key, ids,
            )  # fmt: skip


@dataclass
class _Filing:
    """The laboratory files what a patient has before she chooses anything."""

    laboratory: Anybody
    patient: Patient

    async def one(self, tree: dict[str, Any], kind: Kind | None = None) -> str:
        type_ = tree["resourceType"]
        meta = {"meta": {"security": list(kind.marks)}} if kind and kind.marks else {}
        self.laboratory.caller = replace(LAB, organisation=kind.sender) if kind else LAB
        answer = await self.laboratory.http.post(
            f"/fhir/R4/{type_}", json=tree | meta, headers={"person-id": self.patient.number}
        )
        assert answer.status_code == 201, answer.text
        id_ = str(decode(answer.content)["id"])
        if kind:
            self.patient.ids.setdefault(type_, {})[kind.name] = id_
        return id_

    async def shown(self, report: dict[str, Any], result: dict[str, Any], file: dict[str, Any], kind: Kind) -> None:
        """A report with what it shows; where its source withholds it, it alone says so and stands before them (K66)."""
        if not kind.marks:
            seen, shown = await self.one(result, kind), await self.one(file, kind)
            await self.one(showing(report, f"Observation/{seen}", f"Binary/{shown}"), kind)
            return
        self.laboratory.caller = replace(LAB, organisation=kind.sender)
        marked = report | {"meta": {"security": list(kind.marks)}}
        for type_, id_ in (await together(self.laboratory.http, self.patient.number, marked, result, file)).items():
            self.patient.ids.setdefault(type_, {})[kind.name] = id_
