"""Forms made into records: each kind is held to its profile, and a change keeps what the form does not ask about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kjerne.access import Caller
from kjerne.fhir.corrections import says_otherwise
from kjerne.fhir.validate import check
from kjerne.registries import recorders
from kjerne.registries.contents import content_of
from kjerne.registries.kj_profiles import ATC, BASE, SNOMED, judge
from kjerne.services.critical import drafts, keeping, kinds
from kjerne.services.critical.drafts import REACTIONS, SOURCES, TYPE_BY_KIND, Draft
from kjerne.services.critical.entries import Coded, entry, version

AT = datetime(2026, 11, 27, 10, tzinfo=UTC)
CALLER = Caller(
    "practitioner", "c", frozenset(), name="Ola Hagen", hpr="9000001", authorization="LE", organisation="100000016"
)
OTHER = replace(CALLER, name="Tor Eide", hpr="9000009")
ALLERGY = Draft(
    "drug-reaction", Coded(ATC, "J01CA04", "Amoksicillin"), "high", reaction=Coded(REACTIONS, "1", "Anafylaksi"),
    source=Coded(SOURCES, "2", "Observert"), note="Innlagt.\nEtt døgn.", valid_until="2030-01-31",
)  # fmt: skip


def filed(draft: Draft) -> keeping.Tree:
    tree = recorders.registered(drafts.made(draft), CALLER, AT)
    return tree | {"patient" if draft.type == "AllergyIntolerance" else "subject": {"display": "hun"}, "id": "1"}


@pytest.mark.parametrize("kind", TYPE_BY_KIND)
def test_each_kind_is_made_as_its_profile_asks_and_says_its_kind(kind: str) -> None:
    about = drafts.TREATMENTS.get(kind, Coded(SNOMED, "115329001", "Noe"))
    tree = filed(replace(ALLERGY, kind=kind, about=about, implanted="2021-09-02"))
    assert check(tree, tree["resourceType"]) == []
    assert content_of(tree) - {"verification"} == {kind}
    assert judge(keeping.profiled(tree, kinds.profile_of(tree)), kinds.profile_of(tree)) == []
    said = version(1, AT, tree, AT)
    assert (said.kind, said.name, said.standing) == (kind, about.name, "active")
    assert (said.notes, said.valid_until, said.source) == (("Innlagt.", "Ett døgn."), "2030-01-31", "Observert")


def test_a_record_is_read_back_into_the_form_that_made_it() -> None:
    for draft in (
        ALLERGY,
        replace(ALLERGY, of_excipient=True),
        Draft("implant", Coded(SNOMED, "14106009", "Pacemaker")),
    ):
        again = drafts.drafted(filed(draft), AT)
        assert replace(again, confirmed=False, category=draft.category) == draft


def test_only_an_allergy_begins_unconfirmed() -> None:
    assert version(1, AT, filed(ALLERGY), AT).certainty == "unconfirmed"
    assert version(1, AT, filed(replace(ALLERGY, confirmed=True)), AT).weighs_most
    infection = filed(Draft("infection", Coded(SNOMED, "115329001", "MRSA")))
    assert version(1, AT, infection, AT).certainty == "confirmed"


def test_a_change_keeps_what_the_form_does_not_ask_about() -> None:
    was = filed(ALLERGY)
    was["code"]["coding"][0]["userSelected"] = True
    was["code"]["coding"].append({"system": SNOMED, "code": "372687004", "display": "Amoxicillin"})
    was["onsetDateTime"] = "2019"
    was["note"] = [{"text": "Av R4"}]
    was["extension"].append({"url": f"{BASE}KjCodeInfoText", "valueString": "Les mer"})
    tree = drafts.changed(was, replace(ALLERGY, criticality="low", note="", confirmed=True))
    assert (tree["onsetDateTime"], tree["criticality"], len(tree["code"]["coding"])) == ("2019", "low", 2)
    assert tree["verificationStatus"] == was["verificationStatus"], "to verify is a deed of its own"
    told = [one["url"].removeprefix(BASE) for one in tree["extension"]]
    assert "KjCodeInfoText" in told and "KjNote" not in told and told.count("KjSourceOfInformation") == 1
    assert version(2, AT, drafts.changed(was, replace(ALLERGY, note="Av R4")), AT).notes == ("Av R4",)
    other = drafts.changed(was, replace(ALLERGY, about=Coded(ATC, "J01DB01", "Cefaleksin")))
    assert [one["code"] for one in other["code"]["coding"]] == ["J01DB01"]


@pytest.mark.parametrize("kind", ["drug-reaction", "infection", "implant", "dialysis", "procedure-change"])
def test_what_is_refuted_or_over_stands_so_and_is_restored(kind: str) -> None:
    was = filed(replace(ALLERGY, kind=kind, about=drafts.TREATMENTS.get(kind, Coded(SNOMED, "1", "Noe"))))
    over = drafts.refuted(was, "Undersøkt")
    assert version(2, AT, over, AT).standing == ("refuted" if "verificationStatus" in was else "over")
    assert version(2, AT, over, AT).notes[-1] == "Undersøkt"
    assert judge(over, kinds.profile_of(over)) == []
    back = version(3, AT, drafts.restored(over, "Likevel"), AT)
    assert back.standing == "active" and not back.weighs_most
    gone = keeping.withdrawn(drafts.with_note(was, "Feil person"), OTHER, AT)
    assert version(4, AT, gone, AT).standing == "in-error"


def test_an_entry_tells_who_registered_it_and_who_wrote_each_version() -> None:
    first = filed(ALLERGY)
    second = recorders.changed(drafts.verified(first), first, OTHER, AT)
    found = entry("AllergyIntolerance", "1", [(2, AT, second), (1, AT, first)], AT)
    assert (found.recorder.name, found.now.by.name, found.former[0].by.name) == ("Ola Hagen", "Tor Eide", "Ola Hagen")
    assert (found.recorder.role, found.recorder.organisation) == ("LE", "100000016")
    assert (found.recorded[:10], found.now.certainty) == ("2026-11-27", "confirmed")


@pytest.mark.parametrize(
    "tree",
    [
        {"resourceType": "AllergyIntolerance"},
        {"resourceType": "AllergyIntolerance", "code": {"text": "Egg"}, "category": ["food"], "reaction": [{}]},
        {"resourceType": "Condition", "code": {"coding": [{"code": "1"}]}, "recorder": {"display": "Noen"}},
        {"resourceType": "DeviceUseStatement", "status": "active", "device": {"display": "Pacemaker"}},
        {"resourceType": "Flag", "status": "active", "period": {"end": "2020-01-01"}, "code": {"text": "Noe"}},
        {"resourceType": "Procedure", "extension": [{"url": f"{BASE}KjSourceOfInformation"}], "contained": [{}]},
    ],
)  # fmt: skip
def test_a_record_of_plain_r4_is_read_for_what_it_says(tree: keeping.Tree) -> None:
    said = version(1, AT, tree, AT)
    assert said.name == {"AllergyIntolerance": tree.get("code", {}).get("text", ""), "Condition": "1", "Procedure": "",
                         "DeviceUseStatement": "Pacemaker", "Flag": "Noe"}[tree["resourceType"]]  # fmt: skip
    assert said.standing == ("over" if "period" in tree else "active")
    assert not said.source and not said.notes


def test_who_changed_a_record_is_no_news_and_what_it_says_is() -> None:
    first = filed(ALLERGY)
    again = recorders.changed(first, first, OTHER, AT)
    assert not says_otherwise(first, again)
    for other in (
        drafts.verified(first), drafts.with_note(first, "Mer"), drafts.changed(first, replace(ALLERGY, criticality="low")),
        drafts.changed(first, replace(ALLERGY, valid_until="")), keeping.withdrawn(first, OTHER, AT),
    ):  # fmt: skip
        assert says_otherwise(first, other)
    pacemaker = filed(Draft("implant", Coded(SNOMED, "14106009", "Pacemaker")))
    pump = drafts.changed(pacemaker, Draft("implant", Coded(SNOMED, "69805005", "Insulinpumpe")))
    assert says_otherwise(pacemaker, pump)
    assert [one["type"]["coding"][0]["display"] for one in pump["contained"] if one["resourceType"] == "Device"] == [
        "Insulinpumpe"
    ]


def test_a_name_that_turns_its_own_direction_is_read_from_the_front() -> None:
    tree = {"resourceType": "Flag", "status": "active", "code": {"text": "Ikke \u202edolb\u202c"}}
    noted = [{"url": f"{BASE}KjNote", "valueString": "\u2066abc"}]
    read = version(1, AT, tree | {"extension": noted}, AT)
    assert (read.name, read.notes) == ("Ikke dolb", ("abc",))


def test_another_type_of_reaction_leaves_what_the_form_does_not_ask_about() -> None:
    was = filed(ALLERGY)
    was["reaction"][0] |= {"substance": {"text": "Ibuprofen"}, "description": "Etter ti minutter"}
    made = drafts.changed(was, replace(ALLERGY, reaction=Coded(REACTIONS, "2", "Utslett")))
    (kept,) = made["reaction"]
    assert (kept["substance"], kept["description"]) == ({"text": "Ibuprofen"}, "Etter ti minutter")
    assert [one["display"] for one in kept["manifestation"][0]["coding"]] == ["Utslett"]
