"""What stays on a record of critical information over versions that any sender writes: who registered it, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.fhir.validate import check
from kjerne.registries.kj_profiles import BASE
from kjerne.registries.recorders import (
    DATES,
    PROFESSIONS,
    RECORDERS,
    UPDATED,
    UPDATER,
    Author,
    answering,
    author,
    changed,
    filed,
    named,
    put_back,
    recorder_in,
    registered,
    writer_in,
)

FIRST = datetime(2026, 3, 3, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 4, 12, tzinfo=UTC)
HPR = "urn:oid:2.16.578.1.12.4.1.4.4"
ENH = "urn:oid:2.16.578.1.12.4.1.4.101"
Tree = dict[str, Any]


def doctor(hpr: str = "9001") -> Caller:
    return Caller("practitioner", "epj", frozenset(), hpr=hpr, authorization="LE", organisation="100000999")


def forged(tree: Tree) -> Tree:
    """With another's number wherever the recorder stands."""
    contained = [one | {"practitioner": {"identifier": {"system": HPR, "value": "7777"}}} for one in tree["contained"]]
    return tree | {"contained": contained}


def people(tree: Tree, element: str) -> tuple[list[str], list[str]]:
    """The numbers of recorder and updater."""
    by_id = {
        f"#{one['id']}": one["practitioner"]["identifier"]["value"]
        for one in tree["contained"]
        if "practitioner" in one
    }
    updaters = [one["valueReference"]["reference"] for one in tree["extension"] if one["url"] == UPDATER]
    return [by_id[tree[element]["reference"]]], [by_id[one] for one in updaters]


@pytest.mark.parametrize("name", RECORDERS)
def test_a_forged_recorder_and_time_are_put_back_and_the_updater_is_who_wrote(name: str) -> None:
    element, date = RECORDERS[name], DATES.get(name)
    before = registered({"resourceType": name}, doctor(), FIRST)
    sent = forged(before) | ({date: "2001-01-01T00:00:00Z"} if date else {})
    after = put_back(sent, before, doctor("9002"), LATER)
    assert people(after, element) == (["9001"], ["9002"])
    assert [one["valueDateTime"] for one in after["extension"] if one["url"] == UPDATED] == ["2026-03-04T12:00:00Z"]
    assert date is None or after[date] == before[date]


def test_what_plain_fhir_wrote_keeps_its_recorder_too_and_names_who_changed_it() -> None:
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"display": "Lege A"}}
    before = {
        "resourceType": "AllergyIntolerance", "contained": [role], "recorder": {"reference": "#r"}, "recordedDate": "2020",
    }  # fmt: skip
    other = before | {"contained": [role | {"practitioner": {"display": "Lege B"}}], "recordedDate": "2001"}
    taken = {"resourceType": "AllergyIntolerance"}
    for sent in (other, taken, taken | {"recorder": {"display": "Lege B"}}):
        after = put_back(sent, before, doctor(), LATER)
        assert (after["contained"][0], after["recorder"], after["recordedDate"]) == (role, {"reference": "#r"}, "2020")
        assert writer_in(after) == Author("", "LE", "100000999", "9001")


def test_what_a_publisher_writes_by_fhir_stands_as_it_was_sent() -> None:
    before = registered({"resourceType": "Flag", "code": {"text": "-"}}, doctor(), FIRST)
    info = {"url": f"{BASE}KjCodeInfoText", "valueString": "Fra utgiveren"}
    sent = before | {"extension": [*before["extension"], info], "code": {"text": "-", "extension": [info]}}
    after = put_back(sent, before, doctor(), LATER)
    assert (after["extension"].count(info), after["code"]) == (1, sent["code"])


def test_what_says_it_already_stays_as_it_was_sent() -> None:
    by, place = {"system": HPR, "value": doctor().hpr}, {"system": ENH, "value": doctor().organisation}
    role = {
        "resourceType": "PractitionerRole", "id": "r", "practitioner": {"display": "Lege A", "identifier": by},
        "organization": {"identifier": place}, "code": [{"coding": [{"system": PROFESSIONS, "code": "LE"}]}],
    }  # fmt: skip
    before: Tree = {"resourceType": "Flag", "contained": [role], "author": {"reference": "#r"}}
    renamed: Tree = {"resourceType": "Flag", "contained": [role | {"id": "q"}], "author": {"reference": "#q"}}
    for sent in (before, renamed):
        assert put_back(sent, before, doctor(), LATER) is sent
    added = put_back(before, {"resourceType": "Flag"}, doctor(), LATER)
    assert recorder_in(added) == Author("", "LE", "100000999", "9001") and "Lege A" not in str(added)


def test_a_system_that_changes_a_record_is_its_updater_by_its_organisation() -> None:
    system = Caller("system", "epj", frozenset(), organisation="100000999")
    before = registered(
        {"resourceType": "Flag", "status": "active", "code": {"text": "-"}, "subject": {"display": "-"}},
        doctor(),
        FIRST,
    )
    after = changed(before, before, system, LATER)
    (updater,) = [one for one in after["contained"] if one["id"] == "updater"]
    assert set(updater) == {"resourceType", "id", "organization"}
    assert check(after, "Flag") == []


NURSE = Caller(
    "practitioner", "epj", frozenset(), name="Kristin Lunde", hpr="9005", authorization="SP", organisation="100000999"
)
OWN = Author(NURSE.name, NURSE.authorization, NURSE.organisation, NURSE.hpr)
DOCTOR = replace(NURSE, name="Ingvild Kristensen", hpr="9003", authorization="LE", organisation="100000055")


def forms(own: Caller, other: Caller) -> st.SearchStrategy[Tree]:
    """Records that name who registered them in every form of R4, and in each place the one or the other."""
    number, place_ = {"system": HPR, "value": own.hpr}, {"system": ENH, "value": own.organisation}
    systems = st.sampled_from([HPR, ENH, "urn:oid:2.16.578.1.12.4.1.2", "http://x.example/ansatt"])
    values = st.sampled_from([one for each in (own, other) for one in (each.hpr, each.organisation)])
    identifiers = (
        st.just(number) | st.just(number) | st.fixed_dictionaries({"value": values}, optional={"system": systems})
    )
    texts = st.sampled_from([own.name, own.name, other.name, "Lunde, K.", "Kong Olav", f"{own.name}, Granlia"])
    inside = {"reference": st.sampled_from(["#r", "#r", "#p", "#none", "Practitioner/1"]), "display": texts}
    references = st.fixed_dictionaries({}, optional=inside | {"identifier": identifiers})
    persons = st.just({"identifier": number}) | st.just({"reference": "#p", "display": own.name}) | references
    places = st.just({"identifier": place_, "display": "Granlia"}) | st.just({"reference": "#o"}) | references
    systems_of_roles = st.sampled_from([PROFESSIONS, "urn:oid:2.16.578.1.12.4.1.1.9060", "http://x.example"])
    coding = st.fixed_dictionaries(
        {"system": systems_of_roles, "code": st.sampled_from(["SP", "SP", "LE", "Overlege"])}
    )
    codes = st.lists(st.fixed_dictionaries({"coding": st.lists(coding, min_size=1, max_size=2)}), max_size=2)
    many = {"identifier": st.lists(identifiers, max_size=2)}
    role = st.fixed_dictionaries(
        {"resourceType": st.just("PractitionerRole"), "id": st.just("r")},
        optional={"practitioner": persons, "organization": places, "code": codes} | many,
    )
    names = st.lists(st.fixed_dictionaries({"text": texts}), max_size=1)
    person = st.fixed_dictionaries(
        {"resourceType": st.just("Practitioner"), "id": st.just("p")}, optional=many | {"name": names}
    )
    numbers = st.lists(st.just(place_) | identifiers, max_size=2)
    place = st.fixed_dictionaries(
        {"resourceType": st.just("Organization"), "id": st.just("o")}, optional={"identifier": numbers}
    )

    contained = st.tuples(role, person, place).map(list)

    def of(name: str) -> st.SearchStrategy[Tree]:
        updater = st.fixed_dictionaries({"url": st.just(UPDATER), "valueReference": references})
        return st.fixed_dictionaries(
            {"resourceType": st.just(name), "contained": contained, RECORDERS[name]: references},
            optional={"extension": st.lists(updater, max_size=1), "asserter": references},
        )

    return st.sampled_from(sorted(RECORDERS)).flatmap(of)


@settings(max_examples=300)
@given(forms(NURSE, DOCTOR))
def test_whoever_a_record_names_it_is_refused_or_names_the_caller_in_her_own_role_and_place(sent: Tree) -> None:
    """K115, K160: what is asked of a record that is sent is what is read of it when it is shown."""
    for make in (filed, registered):
        try:
            kept = make(sent, NURSE, FIRST)
        except Refusal as refusal:
            assert refusal.status == 422
            continue
        assert (recorder_in(kept), writer_in(kept)) == (OWN, OWN)


@given(forms(NURSE, DOCTOR), forms(NURSE, DOCTOR))
def test_whoever_a_later_version_names_it_names_the_first_recorder_and_the_caller(before: Tree, sent: Tree) -> None:
    before = registered({"resourceType": sent["resourceType"]}, DOCTOR, FIRST) if "asserter" in before else before
    sent = sent | {"resourceType": before["resourceType"]}
    element = RECORDERS[before["resourceType"]]
    try:
        kept = put_back(sent, before, NURSE, LATER)
    except Refusal as refusal:
        assert refusal.status == 422
        return
    if before.get(element):
        assert recorder_in(kept) == recorder_in(before)
    else:
        assert recorder_in(kept) in (OWN, Author())
    assert writer_in(kept)._replace(name=NURSE.name) == OWN


@given(forms(NURSE, DOCTOR))
def test_what_a_summary_tells_has_nothing_of_a_senders_words_about_people(sent: Tree) -> None:
    told = named(sent, lambda by: (f"name of {by.hpr}", f"{by.hpr} by {by.told_by}"), {("9005", "SP")}, ("A", "B"))
    first, last = recorder_in(told), writer_in(told)
    assert {first.name, last.name} <= {
        "",
        *(f"name of {one}" for one in ("", "9003", "9005", "100000999", "100000055")),
    }
    assert (first.hpr, first.organisation) == recorder_in(sent)[2:4][::-1]
    assert {(one.hpr, one.role) for one in (first, last) if one.role} <= {("9005", "SP")}


WAYS = ("number", "organisation", "organisation without number", "profession", "name", "name of the practitioner")


@pytest.mark.parametrize(("name", "way"), list(product(RECORDERS, WAYS)))
def test_what_says_otherwise_of_the_caller_is_refused_at_its_element(name: str, way: str) -> None:
    role: Tree = {
        "resourceType": "PractitionerRole", "id": "r", "practitioner": {"identifier": {"system": HPR, "value": NURSE.hpr}},
    } | {
        "organisation": {"organization": {"identifier": {"system": ENH, "value": DOCTOR.organisation}}},
        "organisation without number": {"organization": {"display": "Granlia"}},
        "profession": {"code": [{"coding": [{"system": PROFESSIONS, "code": "LE"}]}]},
    }.get(way, {})  # fmt: skip
    if way == "number":
        role["practitioner"]["identifier"]["value"] = DOCTOR.hpr
    if way == "name of the practitioner":
        role["practitioner"]["display"] = "Kong Olav"
    reference = {"reference": "#r"} | ({"display": DOCTOR.name} if way == "name" else {})
    as_updater = {"extension": [{"url": UPDATER, "valueReference": reference}]}
    for where, told in ((RECORDERS[name], {RECORDERS[name]: reference}), ("extension", as_updater)):
        with pytest.raises(Refusal) as refused:
            filed({"resourceType": name, "contained": [role]} | told, NURSE, FIRST)
        assert (refused.value.status, refused.value.where) == (422, f"{name}.{where}")
        assert way.split(maxsplit=1)[0] in refused.value.says and "Leave it out" in refused.value.todo


def test_a_name_is_hers_however_it_is_spelled_and_the_tokens_stands() -> None:
    by = {"identifier": {"system": HPR, "value": NURSE.hpr}}
    for spelled in ("LUNDE, K.", "spl. Kristin Lunde-Moe Lunde", "Kristin"):
        assert recorder_in(filed({"resourceType": "Flag", "author": by | {"display": spelled}}, NURSE, FIRST)) == OWN


@pytest.mark.parametrize(("name", "date"), DATES.items())
def test_a_new_record_says_when_it_was_registered_also_where_its_sender_did_not(name: str, date: str) -> None:
    assert filed({"resourceType": name}, NURSE, FIRST)[date] == "2026-03-03T12:00:00Z"
    assert filed({"resourceType": name, date: "2020-05-04"}, NURSE, FIRST)[date] == "2020-05-04"


def test_what_a_system_sends_stays_as_it_was_sent() -> None:
    system = Caller("system", "epj", frozenset(), organisation="100000999")
    sent = {"resourceType": "Flag", "author": {"display": "Kong Olav"}}
    assert filed(sent, system, FIRST) is sent


def test_where_two_are_named_nobody_is() -> None:
    two = {
        "identifier": {"system": HPR, "value": "9003"}, "reference": "#p", "display": "Noen",
    }  # fmt: skip
    tree = {
        "resourceType": "Flag", "author": two,
        "contained": [{"resourceType": "Practitioner", "id": "p", "identifier": [{"system": HPR, "value": "9005"}]}],
    }  # fmt: skip
    assert author(tree, two) == Author("Noen")
    assert answering(tree) == {"9003", "9005"}
