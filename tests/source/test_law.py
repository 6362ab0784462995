"""The table of who reads a source's documents, at its edges: birthdays, centuries, marks, and what must be said."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import pytest

from documents_at_hand import code, entry
from kjerne.policy.claims import (
    CareRelationship,
    Claims,
    Code,
    DecisionRef,
    Identifier,
    Patient,
    Practitioner,
    Representation,
    TrustFramework,
)
from kjerne.sandbox.numbers import person_number
from kjerne.source import law
from kjerne.source.law import Denied, Sight, age_of, decide, marks
from kjerne.xds.forms import CX

FNR, FHN = "2.16.578.1.12.4.1.4.1", "2.16.578.1.12.4.1.4.3"
HL7, POLICY = "urn:oid:2.16.840.1.113883.1.11.20448", "urn:oid:2.16.578.1.12.4.1.7.2.1."
ROLE = Code("LE", system="urn:oid:2.16.578.1.12.4.1.1.9060")
TODAY = date(2026, 11, 27)
ASKER = "01815012345"
NOBODYS = "80000000000"


def number(born: date) -> str:
    return person_number(Random(1), born, "female", set())


def claims(**changes: Any) -> Claims:
    said: dict[str, Any] = {
        "subject": "", "client": "portal", "jti": "_1", "expires_at": 0, "pid": ASKER, "level": 4,
        "scopes": frozenset({law.CITIZEN_SCOPE, "journaldokumenter_helsepersonell"}), "organisation": "999999901",
        "hpr": "9001", "name": "Kari Prøve",
    }  # fmt: skip
    return Claims(**(said | changes))


def citizen(about: str, purpose: str, policy: str, *, own: bool = False, **changes: Any) -> Claims:
    errand = Representation(Identifier(about, system=f"urn:oid:{FNR}"), Code(purpose, system=HL7), POLICY + policy)
    return claims(errands=(errand,), **({"pid": about} if own else {}) | changes)


def doctor(
    about: str,
    purpose: str = "TREAT",
    policy: str = "",
    role: Code = ROLE,
    reason: str = "Akutt innlagt",
    **changes: Any,
) -> Claims:
    said = TrustFramework(
        Practitioner(authorization=role),
        CareRelationship(purpose_of_use=Code(purpose, system=HL7), decision_ref=DecisionRef("42", reason)),
        (Patient(Identifier(about, system=f"urn:oid:{FNR}")),),
    )
    return claims(attestations=(said,), access_policy=POLICY + policy if policy else "", **changes)


def verdict(asked: Claims, about: str, today: date = TODAY) -> str:
    try:
        return decide(asked, CX(about, FNR), None, today).rule
    except Denied as denied:
        return f"no: {denied.rule}"


@pytest.mark.parametrize(
    ("born", "today", "own", "parents", "proxys", "guardians"),
    [
        (
            date(2014, 11, 28),
            TODAY,
            "no: own-child",
            "parent",
            "no: no-rule",
            "guardian-of-child",
        ),  # 11 years and 364 days
        (date(2014, 11, 27), TODAY, "no: own-child", "no: parent-of-older", "no: no-rule", "no: no-rule"),  # 12 today
        (
            date(2010, 11, 28),
            TODAY,
            "no: own-child",
            "no: parent-of-older",
            "no: no-rule",
            "no: no-rule",
        ),  # 16 tomorrow
        (date(2010, 11, 27), TODAY, "own", "no: parent-of-older", "proxy", "proxy"),  # 16 today
        (date(2008, 11, 27), TODAY, "own", "no: parent-of-older", "proxy", "proxy"),
        (date(2008, 2, 29), date(2024, 2, 28), "no: own-child", "no: parent-of-older", "no: no-rule", "no: no-rule"),
        (date(2008, 2, 29), date(2024, 2, 29), "own", "no: parent-of-older", "proxy", "proxy"),
        (date(2012, 2, 29), date(2028, 2, 28), "no: own-child", "no: parent-of-older", "no: no-rule", "no: no-rule"),
        (date(1926, 11, 27), TODAY, "own", "no: parent-of-older", "proxy", "proxy"),
        (date(2026, 11, 27), TODAY, "no: own-child", "parent", "no: no-rule", "guardian-of-child"),
    ],
)
def test_ages_are_half_open(born: date, today: date, own: str, parents: str, proxys: str, guardians: str) -> None:
    about = number(born)
    assert verdict(citizen(about, "PATRQT", "0", own=True), about, today) == own
    assert verdict(citizen(about, "FAMRQT", "1"), about, today) == parents
    assert verdict(citizen(about, "PWATRNY", "2"), about, today) == proxys
    assert verdict(citizen(about, "PWATRNY", "3"), about, today) == guardians


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (citizen(number(date(1980, 1, 1)), "PATRQT", "0"), "no: no-rule"),
        (citizen(number(date(1980, 1, 1)), "PATRQT", "1", own=True), "no: no-rule"),
        (citizen(number(date(1980, 1, 1)), "PWATRNY", "0"), "no: no-rule"),
        (citizen(number(date(1980, 1, 1)), "PATRQT", "0", own=True, level=3), "no: level"),
        (citizen(number(date(1980, 1, 1)), "PATRQT", "0", own=True, organisation=""), "no: organisation"),
        (citizen(number(date(1980, 1, 1)), "PATRQT", "0", own=True, scopes=frozenset()), "no: scope"),
        (claims(), "no: one-errand"),
        (doctor(number(date(1980, 1, 1))), "staff"),
        (doctor(number(date(2020, 1, 1)), "ETREAT", "6"), "staff"),
        (doctor(number(date(1980, 1, 1)), "COC"), "staff"),
        (doctor(number(date(1980, 1, 1)), "PATRQT"), "no: no-rule"),
        (doctor(number(date(1980, 1, 1)), "BTG"), "no: no-rule"),
        (doctor(number(date(1980, 1, 1)), "BTG", "7"), "staff-override"),
        (doctor(number(date(1980, 1, 1)), "BTG", "7", reason=" . "), "no: reason"),
        (doctor(number(date(1980, 1, 1)), "TREAT", "7", reason=""), "no: reason"),
        (doctor(number(date(1980, 1, 1)), "BTG", "7", reason="15887099918"), "no: reason"),
        (doctor(number(date(1980, 1, 1)), "BTG", "7", name="158870 99918"), "no: name"),
        (doctor(number(date(1980, 1, 1)), "BTG", "7", name=""), "no: name"),
        (doctor(number(date(2020, 1, 1)), "TREAT", "5", reason="", name=""), "staff"),
        (doctor(number(date(1980, 1, 1)), "TREAT", "1"), "no: no-rule"),
        (doctor(number(date(1980, 1, 1)), "TREAT", "9"), "no: no-rule"),
        (doctor(number(date(1980, 1, 1)), role=Code("PS", system=ROLE.system)), "staff"),
        (doctor(number(date(1980, 1, 1)), "BTG", "7", Code("PS", system=ROLE.system)), "no: no-rule"),
        (doctor(number(date(1980, 1, 1)), role=Code("XX", system=ROLE.system)), "no: role"),
        (doctor(number(date(1980, 1, 1)), role=Code("LE", system="urn:oid:1.2")), "no: role"),
        (doctor(number(date(1980, 1, 1)), hpr=""), "no: hpr"),
        (doctor(number(date(1980, 1, 1)), pid=number(date(1980, 1, 1))), "no: staff-own"),
        (doctor(number(date(1980, 1, 2))), "no: other-patient"),
    ],
)
def test_what_a_caller_says_decides(asked: Claims, says: str) -> None:
    about = number(date(2020, 1, 1) if says == "staff" and asked.access_policy else date(1980, 1, 1))
    assert verdict(asked, about) == says


def test_a_number_of_another_kind_is_another_patient() -> None:
    about = number(date(1980, 1, 1))
    with pytest.raises(Denied, match="another patient"):
        decide(doctor(about), CX(about, FHN), None, TODAY)


@pytest.mark.parametrize("born", [date(1899, 5, 1), date(1926, 11, 28), date(1999, 12, 31), date(2026, 11, 27)])
def test_the_century_is_the_individual_numbers(born: date) -> None:
    assert age_of(CX(number(born), FNR), None, TODAY) == TODAY.year - born.year - (
        born > born.replace(month=11, day=27)
    )


def test_a_number_without_a_date_has_the_registers_age_or_none_and_then_no_citizen_reads() -> None:
    helped = CX(NOBODYS, FHN)
    assert age_of(helped, None, TODAY) is None
    assert age_of(helped, date(2010, 11, 28), TODAY) == 15
    errand = Representation(Identifier(NOBODYS, system=f"urn:oid:{FHN}"), Code("FAMRQT", system=HL7), POLICY + "1")
    asked = claims(errands=(errand,))
    with pytest.raises(Denied):
        decide(asked, helped, None, TODAY)
    assert decide(asked, helped, date(2020, 1, 1), TODAY).rule == "parent"


def test_the_date_in_a_number_goes_before_the_registers() -> None:
    assert age_of(CX(number(date(2020, 1, 1)), FNR), date(1980, 1, 1), TODAY) == 6


N, R, V = (code("2.16.840.1.113883.5.25", level) for level in "NRV")


def label(value: str) -> Any:
    return code("9603", value)


@pytest.mark.parametrize(
    ("codes", "levels", "labels"),
    [
        ((N,), "N", ()),
        ((label("N"), R), "NR", ()),
        ((code("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "V"), label("NORS")), "V", ("NORS",)),
        ((label("NORS"),), "", ("NORS",)),
        ((N, label("NORX")), "", ()),
        ((N, code("1.2", "N")), "", ()),
        ((), "", ()),
    ],
)
def test_marks_are_levels_and_labels_and_what_is_not_known_shuts_the_document(
    codes: tuple[Any, ...], levels: str, labels: tuple[str, ...]
) -> None:
    assert marks(codes) == (frozenset(levels), frozenset(labels))
    everything = Sight("x", law.LEVELS, frozenset())
    assert everything.opens(entry(confidentiality=codes)) == bool(levels)


@pytest.mark.parametrize(
    ("asked", "hidden"),
    [
        (lambda grown, _: citizen(grown, "PATRQT", "0", own=True), law.WITHHELD - {"NORN_FORANS", "NORN_UNGDOM"}),
        (lambda _, child: citizen(child, "FAMRQT", "1"), law.WITHHELD - {"NORN_UNGDOM"}),
        (lambda _, child: citizen(child, "PWATRNY", "3"), law.WITHHELD - {"NORN_UNGDOM"}),
        (lambda grown, _: citizen(grown, "PWATRNY", "2"), law.WITHHELD - {"NORN_UNGDOM"}),
        (lambda grown, _: doctor(grown), law.LOCKED),
        (lambda grown, _: doctor(grown, policy="6"), law.LOCKED),
        (lambda grown, _: doctor(grown, policy="5"), frozenset()),
        (lambda grown, _: doctor(grown, "ETREAT", "7"), frozenset()),
    ],
)
def test_what_is_withheld_and_what_is_locked_are_two_things(asked: Any, hidden: frozenset[str]) -> None:
    grown, child = number(date(1980, 1, 1)), number(date(2020, 1, 1))
    said = asked(grown, child)
    sight = decide(said, law.patient_of(said), None, TODAY)
    shut = {one for one in law.WITHHELD | law.LOCKED if not sight.opens(entry(confidentiality=(N, label(one))))}
    assert shut == hidden
    assert sight.opens(entry(confidentiality=(V,))) == (not said.errands)


def test_an_assertion_about_several_or_nobody_opens_nobody() -> None:
    one = Patient(Identifier(number(date(1980, 1, 1)), system=f"urn:oid:{FNR}"))
    for patients in ((one, one), (), (Patient(),)):
        with pytest.raises(Denied, match="nobody, or about several"):
            law.patient_of(claims(attestations=(TrustFramework(patients=patients),)))
