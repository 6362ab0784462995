"""Callers of every sort and patients in every state, in the oracle's words: what the access matrix is made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from .situation import UNSEEN, Attest, Bond, Membership, Situation, Will

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)
TOMORROW = NOW + timedelta(days=1)
ENTITY, UNIT, ELSEWHERE, CLINIC = "983658725", "974760673", "993467049", "100000148"

READ = frozenset({"nhn:pps/provesvar-read"})
GP = Situation(
    "practitioner", "search", NOW, scopes=READ, hpr="9144900", role="LE", legal_entity=ENTITY, unit=UNIT,
    above=(CLINIC, ENTITY),
    attest=Attest(reason="time i dag"), bonds=(Bond("practice-list", hpr="9144900"),),
    memberships=(Membership("consumer", begins=LONG_AGO),),
)  # fmt: skip
IN_CARE = (Bond("care", place=UNIT),)
SELF = Situation("citizen", "search", NOW, scopes=frozenset({"kjerne:citizen"}), is_the_patient=True)
PARENT = replace(SELF, is_the_patient=False, bonds=(Bond("parent", helper=True),))
PROXY = replace(PARENT, bonds=(Bond("proxy", helper=True, covers=("innsyn",)),))
ASYLUM = "utlendingssakerPersonligeOgOekonomiskeInteresser"
WARDSHIP = Bond("guardian", helper=True, covers=("personligeInteresser",), form="voksen")
OPERATIONS = frozenset({"kjerne:operations"})
TESTING = frozenset(
    {
        "kjerne:all-patients",
        "kjerne:subscriptions",
        "nhn:pps/provesvar-write",
        "nhn:phr/mhd/create-documents-with-reference",
        "nhn:pmd/write",
        "kjerne:record-write",
    }
)
LAB = Situation(
    "system", "search", NOW, scopes=frozenset({"nhn:pps/provesvar-write"}), level=0,
    memberships=(Membership("source", begins=LONG_AGO),),
)  # fmt: skip
SUBSCRIBER = replace(
    LAB, scopes=frozenset({"kjerne:subscriptions"}), legal_entity=ENTITY, memberships=(Membership("consumer"),),
    bonds=(Bond("care", place=ENTITY),),
)  # fmt: skip


def attested(**changes: object) -> Attest:
    return replace(Attest(reason="time i dag"), **changes)  # type: ignore[arg-type]


CALLERS = {
    "gp": GP,
    "gp without reason": replace(GP, attest=attested(reason=UNSEEN)),
    "former gp": replace(GP, bonds=(replace(GP.bonds[0], day_after_last=NOW.date()),)),
    "hospital doctor": replace(GP, bonds=IN_CARE),
    "doctor at the entity in care": replace(GP, bonds=(Bond("care", place=ENTITY),)),
    "doctor of the entity, of no unit": replace(
        GP, unit="", above=(), below=(CLINIC, UNIT), bonds=(Bond("care", place=ENTITY),)
    ),
    "gp of the clinic": replace(GP, unit=CLINIC, above=(ENTITY,), below=(UNIT,)),
    "doctor elsewhere": replace(GP, bonds=(Bond("care", place=ELSEWHERE, hpr="9144900"),)),
    "doctor with a course of her own": replace(GP, bonds=(Bond("care", hpr="9144900"),)),
    "doctor before the course": replace(GP, bonds=(Bond("care", place=UNIT, first_day=TOMORROW.date()),)),
    "nurse in care": replace(GP, role="SP", bonds=IN_CARE),
    "ambulance, self-declared": replace(GP, role="AA", bonds=(), attest=attested(self_authorised=True)),
    "midwife in care": replace(GP, role="JO", hpr="7012345", bonds=IN_CARE),
    "pharmacist, self-declared": replace(GP, role="FA1", bonds=(), attest=attested(self_authorised=True)),
    "outsider": replace(GP, bonds=()),
    "namesake bond of another": replace(GP, bonds=(Bond("practice-list", hpr="1"), Bond("parent", helper=True))),
    "blocked doctor": replace(GP, hpr="1234567", bonds=(Bond("practice-list", hpr="1234567"),)),
    "secretary": replace(GP, role="HE", bonds=IN_CARE),
    "no attestation": replace(GP, attest=None),
    "attestation of nobody": replace(GP, attest=attested(about=())),
    "attestation of another": replace(GP, attest=attested(about=("other",))),
    "attestation of two": replace(GP, attest=attested(about=("this", "other"))),
    "attestation at its end": replace(GP, attest=attested(minutes_old=60)),
    "attestation ahead of time": replace(GP, attest=attested(minutes_old=-2)),
    "attestation of a colleague": replace(GP, attest=attested(of_the_one_logged_in=False)),
    "attested for an emergency": replace(GP, bonds=(), attest=attested(purpose="BTG")),
    "low level": replace(GP, level=3),
    "no scope": replace(GP, scopes=frozenset({"kjerne:citizen"})),
    "no number": replace(GP, hpr="", bonds=IN_CARE),
    "no organisation": replace(GP, legal_entity="", unit=""),
    "doctor on herself": replace(GP, is_the_patient=True),
    "gp outside": replace(GP, memberships=()),
    "gp whose part ends now": replace(GP, memberships=(Membership("consumer", ends=NOW),)),
    "gp whose part begins now": replace(GP, memberships=(Membership("consumer", begins=NOW, ends=TOMORROW),)),
    "gp whose part begins tomorrow": replace(GP, memberships=(Membership("consumer", begins=TOMORROW),)),
    "gp in another area": replace(GP, memberships=(Membership("consumer", covers_her_place=False),)),
    "gp as source": replace(GP, memberships=(Membership("source"), Membership("consumer", "documents"))),
    "gp taken in again": replace(GP, memberships=(Membership("consumer", ends=YESTERDAY), Membership("consumer"))),
    "outside doctor breaking glass": replace(GP, memberships=(), attest=attested(purpose="BTG")),
    "outside doctor on herself": replace(GP, memberships=(), is_the_patient=True),
    "citizen": SELF,
    "citizen, low level": replace(SELF, level=3),
    "citizen, no scope": replace(SELF, scopes=READ),
    "citizen with the log's scope": replace(SELF, scopes=frozenset({"kjerne:insight"})),
    "parent": PARENT,
    "parent with protected address": replace(PARENT, own_address="strengtFortrolig"),
    "parent no more": replace(PARENT, bonds=(Bond("parent", helper=True, day_after_last=NOW.date()),)),
    "other child's parent": replace(PARENT, bonds=(Bond("parent"),)),
    "proxy": PROXY,
    "parent and proxy": replace(PROXY, bonds=(*PARENT.bonds, *PROXY.bonds, Bond("guardian", helper=True))),
    "guardian": replace(PROXY, bonds=(WARDSHIP,)),
    "guardian of both kinds": replace(
        PROXY, bonds=(replace(WARDSHIP, covers=("personligeOgOekonomiskeInteresser",), form="midlertidigForVoksen"),)
    ),
    "guardian in money": replace(PROXY, bonds=(replace(WARDSHIP, covers=("oekonomiskeInteresser",)),)),
    "guardian of a minor": replace(PROXY, bonds=(replace(WARDSHIP, form="mindreaarig"),)),
    "guardian of a minor beside a parent": replace(
        PROXY, bonds=(replace(WARDSHIP, form="mindreaarig"), Bond("parent"))
    ),
    "guardian of a minor whose parent's responsibility ended": replace(
        PROXY,
        bonds=(replace(WARDSHIP, form="midlertidigForMindreaarig"), Bond("parent", day_after_last=NOW.date())),
    ),
    "guardian of a minor in money": replace(
        PROXY, bonds=(replace(WARDSHIP, form="mindreaarig", covers=("oekonomiskeInteresser",)),)
    ),
    "guardian of an asylum seeker": replace(
        PROXY, bonds=(replace(WARDSHIP, form="ensligMindreaarigAsylsoeker", covers=(ASYLUM,)),)
    ),
    "guardian of a refugee with the scope of asylum": replace(
        PROXY, bonds=(replace(WARDSHIP, form="ensligMindreaarigFlyktning", covers=(ASYLUM,)),)
    ),
    "guardian of a minor with protected address": replace(
        PROXY, bonds=(replace(WARDSHIP, form="mindreaarig"),), own_address="fortrolig"
    ),
    "guardian whose scope is not stated": replace(PROXY, bonds=(replace(WARDSHIP, covers=()),)),
    "guardian of another": replace(PROXY, bonds=(replace(WARDSHIP, helper=False),)),
    "attorney of the future": replace(PROXY, bonds=(replace(WARDSHIP, form="stadfestetFremtidsfullmakt"),)),
    "guardian no more, dead": replace(PROXY, bonds=(WARDSHIP,), own_death=True),
    "proxy in another area": replace(PROXY, bonds=(replace(PROXY.bonds[0], covers=("digitaleHelsetjenester",)),)),
    "proxy in both areas": replace(
        PROXY, bonds=(replace(PROXY.bonds[0], covers=("innsyn", "digitaleHelsetjenester")),)
    ),
    "proxy in both areas by two powers": replace(
        PROXY, bonds=(*PROXY.bonds, replace(PROXY.bonds[0], covers=("digitaleHelsetjenester",)))
    ),
    "proxy of 17 in both areas": replace(
        PROXY,
        bonds=(replace(PROXY.bonds[0], covers=("innsyn", "digitaleHelsetjenester")),),
        own_birth=date(2008, 11, 24),
    ),
    "proxy without an area": replace(PROXY, bonds=(replace(PROXY.bonds[0], covers=()),)),
    "proxy in two powers": replace(
        PROXY, bonds=(*PROXY.bonds, replace(PROXY.bonds[0], covers=("noeNytt",), day_after_last=NOW.date()))
    ),
    "proxy until today": replace(PROXY, bonds=(replace(PROXY.bonds[0], day_after_last=NOW.date()),)),
    "proxy of 17": replace(PROXY, own_birth=date(2008, 11, 24)),
    "proxy of 18 today": replace(PROXY, own_birth=date(2008, 11, 23)),
    "proxy of unknown age": replace(PROXY, own_birth=None),
    "proxy with protected address": replace(PROXY, own_address="fortrolig"),
    "parent, dead": replace(PARENT, own_death=True),
    "stranger": replace(PARENT, bonds=()),
    "unknown citizen": replace(PARENT, is_registered=False),
    "laboratory": LAB,
    "laboratory outside": replace(LAB, memberships=()),
    "laboratory as consumer": replace(LAB, memberships=(Membership("consumer"), Membership("source", "documents"))),
    "laboratory whose part ends now": replace(LAB, memberships=(Membership("source", ends=NOW),)),
    "system that treats her": SUBSCRIBER,
    "system that treats her, outside": replace(SUBSCRIBER, memberships=()),
    "system that treats her no more": replace(
        SUBSCRIBER, bonds=(Bond("care", place=ENTITY, day_after_last=date(2026, 11, 23)),)
    ),
    "system of somebody else": replace(
        SUBSCRIBER, bonds=(Bond("care", hpr="9144900"), Bond("care", place="974760673"))
    ),
    "operator": replace(LAB, scopes=OPERATIONS, memberships=()),
    "operator in person": replace(GP, scopes=OPERATIONS, attest=None, memberships=()),
    "operator in person, blocked": replace(GP, scopes=OPERATIONS | READ, hpr="1234567", bonds=()),
    "operator in person, low level": replace(GP, scopes=OPERATIONS, level=3),
    "source of what was seen": replace(LAB, scopes=frozenset({"kjerne:disclosures"})),
    "source with all scopes": replace(LAB, scopes=frozenset({"kjerne:disclosures"}), smart=("system/*.rs",)),
    "source with narrower scopes": replace(LAB, scopes=frozenset({"kjerne:disclosures"}), smart=("system/Binary.rs",)),
    "former source": replace(LAB, scopes=frozenset({"kjerne:disclosures"}), memberships=()),
    "audit repository": replace(LAB, scopes=frozenset({"kjerne:audit"}), memberships=()),
    "gp with narrower scopes": replace(GP, smart=("patient/Observation.rs?category=laboratory", "user/Specimen.s")),
    "gp with scopes of other kinds": replace(GP, smart=("user/AuditEvent.rs", "system/*.cruds", "user/Consent.cu")),
    "citizen with narrower scopes": replace(SELF, smart=("patient/DiagnosticReport.r", "patient/AuditEvent.read")),
    "citizen with scopes of version 1": replace(SELF, smart=("patient/*.read",)),
    "laboratory with narrower scopes": replace(LAB, smart=("system/Observation.c", "system/Binary.d")),
    "laboratory that may only read": replace(LAB, smart=("system/*.rs", "user/*.cruds")),
    "operator with narrower scopes": replace(LAB, scopes=OPERATIONS, smart=("system/Observation.r",)),
    "operator with all scopes": replace(LAB, scopes=OPERATIONS, smart=("system/*.read",)),
    "test client": replace(LAB, scopes=TESTING, memberships=()),
    "test client of a real person": replace(LAB, scopes=TESTING, made_up=False),
    "test client that may only look": replace(LAB, scopes=frozenset({"kjerne:all-patients"})),
    "test client with narrower scopes": replace(LAB, scopes=TESTING, smart=("system/Observation.cr",)),
    "gateway": replace(LAB, scopes=frozenset({"nhn:pmd/write"})),
}


def born(years: int) -> dict[str, object]:
    return {"born": date(2026 - years, 11, 23), "a_parent_lives_with_child": True}


PATIENTS: dict[str, dict[str, object]] = {
    "adult": {},
    "restricted": {"wills": (Will("restriction"),)},
    "restricted for the unit": {"wills": (Will("restriction", place=UNIT),)},
    "restricted for the clinic": {"wills": (Will("restriction", place=CLINIC),)},
    "restricted elsewhere": {"wills": (Will("restriction", place=ELSEWHERE),)},
    "doctors restricted": {"wills": (Will("restriction", group="doctors"),)},
    "others restricted": {
        "wills": (Will("restriction", group="others"), Will("restriction", group="nurses", ends=NOW))
    },
    "a part restricted": {"wills": (Will("restriction", content="radiology", mark=3),)},
    "a laboratory restricted": {"wills": (Will("restriction", sent_by=ELSEWHERE, mark=0),)},
    "a part restricted for the unit": {"wills": (Will("restriction", place=UNIT, content="laboratory", mark=15),)},
    "a part not yet marked": {"wills": (Will("restriction", content="laboratory", marked_everywhere=False),)},
    "parts and all for nurses": {
        "wills": (
            Will("restriction", content="genetics", mark=1),
            Will("restriction", content="pathology", mark=2, group="acute"),
            Will("restriction", group="nurses"),
        )
    },
    "a single record restricted": {"wills": (Will("record"),)},
    "consenting for this course": {"wills": (Will("consent", hpr="7012345", treatment="1"),)},
    "consenting for another course": {"wills": (Will("consent", place=UNIT, treatment="2"),)},
    "restriction lifted": {"wills": (Will("restriction", begins=LONG_AGO, ends=NOW),)},
    "restricted from now": {"wills": (Will("restriction", service="", begins=NOW, ends=TOMORROW),)},
    "restricted in another service": {"wills": (Will("restriction", service="documents"),)},
    "opted out": {"wills": (Will("opt-out"), Will("restriction"))},
    "opted out of another service": {"wills": (Will("opt-out", service="maternity"),)},
    "opt-out lifted": {"wills": (Will("opt-out", begins=LONG_AGO, ends=YESTERDAY),)},
    "blocking": {"wills": (Will("block", hpr="001234567"), Will("opt-out"), Will("restriction"))},
    "blocking no more": {"wills": (Will("block", hpr="1234567", ends=NOW),)},
    "consenting": {"wills": (Will("consent", hpr="7012345", place=UNIT), Will("consent"))},
    "consenting elsewhere": {"wills": (Will("consent", hpr="7012345", place=ELSEWHERE),)},
    "protected, blocking": {"address": "fortrolig", "wills": (Will("block", hpr="1234567"),)},
    "protected, opted out": {"address": "strengtFortrolig", "wills": (Will("opt-out"), Will("restriction"))},
    "client address": {"address": "klientadresse"},
    "unknown protection": {"address": "hemmelig"},
    "dead": {"dead": True},
    "child of 8": born(8),
    "child of 8, parents elsewhere": born(8) | {"a_parent_lives_with_child": False},
    "child of 8, address unknown": born(8) | {"a_parent_lives_with_child": None},
    "child of 12 today": born(12),
    "child of 12, permitted": born(12) | {"wills": (Will("youth-access"),)},
    "youth of 13 today": born(13),
    "youth of 13 tomorrow, permitted": born(13) | {"born": date(2013, 11, 24), "wills": (Will("youth-access"),)},
    "youth of 13, permitted": born(13) | {"wills": (Will("youth-access"),)},
    "youth of 15, permitted and restricting": born(15) | {"wills": (Will("youth-access"), Will("restriction"))},
    "youth of 15, permitted until now": born(15) | {"wills": (Will("youth-access", begins=LONG_AGO, ends=NOW),)},
    "youth of 15, permitted from tomorrow": born(15) | {"wills": (Will("youth-access", begins=TOMORROW),)},
    "youth of 15, permitted elsewhere": born(15) | {"wills": (Will("youth-access", service="documents"),)},
    "youth of 15, consenting to treatment": born(15) | {"wills": (Will("consent"), Will("consent", place=UNIT))},
    "youth of 15, parents elsewhere": born(15) | {"a_parent_lives_with_child": False},
    "youth of 15, protected, permitted": born(15) | {"address": "fortrolig", "wills": (Will("youth-access"),)},
    "youth of 15, dead": born(15) | {"dead": True, "wills": (Will("youth-access"),)},
    "youth of 16 tomorrow, permitted": born(16) | {"born": date(2010, 11, 24), "wills": (Will("youth-access"),)},
    "youth of 16 today, permitted": born(16) | {"wills": (Will("youth-access"),)},
    "youth of 16 today": born(16),
    "youth of 17": born(17),
    "newborn of tomorrow": {"born": TOMORROW.date(), "a_parent_lives_with_child": True},
    "birth date unknown": {"born": None},
}
