"""What an entry is called, by all that it names, and under which codes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from kjerne.services.critical import drafts, groups
from kjerne.services.critical.entries import Version, entry, version
from kjerne.services.warnings import reading
from kjerne.services.warnings.naming import name_of

Tree = dict[str, Any]
NOW = datetime(2026, 11, 27, tzinfo=UTC)
ATC = "http://www.whocc.no/atc"
NOTHING = {"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}


def concept(code: str, display: str = "") -> Tree:
    return {"coding": [{"system": ATC, "code": code} | ({"display": display} if display else {})]}


def allergy(*substances: Tree, **more: Any) -> Tree:
    reactions = [{"substance": one, "manifestation": [{"text": "sjokk"}]} for one in substances]
    return {"resourceType": "AllergyIntolerance", "reaction": reactions} | more


def read(tree: Tree) -> Version:
    return version(1, NOW, tree, NOW)


def codes(*every: Any) -> set[str]:
    return {one.code for group in every for one in group}


AMOXICILLIN, IBUPROFEN = concept("J01CA04", "Amoxicillin"), concept("M01AE01", "Ibuprofen")


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        (allergy(AMOXICILLIN), "Amoxicillin"),
        (allergy(concept("J01CA04")), "J01CA04"),
        (allergy({"text": "Amoxicillin"}, IBUPROFEN), "Amoxicillin, Ibuprofen"),
        (allergy(IBUPROFEN, code=concept("J01CE02", "PenV")), "PenV (Ibuprofen)"),
        (allergy({"text": "penv "}, code=concept("J01CE02", "PenV")), "PenV"),
        (allergy(AMOXICILLIN, code={"text": "Penicillin"}), "Penicillin (Amoxicillin)"),
        (allergy(AMOXICILLIN, IBUPROFEN, code={"coding": [NOTHING]}), "Amoxicillin (Ibuprofen)"),
        (allergy(code=AMOXICILLIN), "Amoxicillin"),
        (allergy(), ""),
        (allergy(reaction=[7, {"substance": {}}, {"manifestation": []}]), ""),
    ],
)  # fmt: skip
def test_an_allergy_is_called_by_its_code_and_by_what_was_reacted_to_in_the_box_and_on_the_card(
    tree: Tree, name: str
) -> None:
    now = read(tree)
    assert now.name == name
    assert name_of(tree) == (name or "AllergyIntolerance")
    card = reading.allergy("1", tree, NOW)
    assert card is not None
    if name != "J01CA04":
        assert card.name == name
    told = {one["code"] for one in _codings(tree)}
    assert codes(now.codes, now.substances) == told


def _codings(tree: Tree) -> list[Tree]:
    held = [tree.get("code", {}), *(one.get("substance", {}) for one in tree["reaction"] if isinstance(one, dict))]
    return [each for one in held for each in one.get("coding", ())]


def test_what_stands_beside_a_code_does_not_become_its_code_whatever_the_order() -> None:
    for some in permutations((AMOXICILLIN, IBUPROFEN, {"text": "noe"})):
        now = read(allergy(*some, code=concept("J01CE02", "PenV")))
        assert (codes(now.codes), codes(now.substances)) == ({"J01CE02"}, {"J01CA04", "M01AE01"})
        alone = read(allergy(*some))
        assert (codes(alone.codes), alone.substances) == ({"J01CA04", "M01AE01"}, ())


def test_what_was_written_of_a_reaction_stands_with_the_notes_and_a_form_repeats_none_of_it() -> None:
    reaction = {"description": "Sjokk\nav penicillin", "note": [{"text": "I 2019"}], "manifestation": [{"text": "x"}]}
    tree = allergy(code=AMOXICILLIN, reaction=[reaction], note=[{"text": "Sett selv"}], category=["medication"])
    assert read(tree).notes == ("Sett selv", "Sjokk\nav penicillin", "I 2019")
    changed = drafts.changed(tree, drafts.drafted(tree, NOW))
    assert (changed["reaction"], changed["note"]) == (tree["reaction"], tree["note"])
    assert "extension" not in changed


def test_what_contradicts_itself_is_together_with_what_it_means_and_not_with_another_negative() -> None:
    def means(substance: Tree | None, text: str = "") -> groups.Means:
        codes = [NOTHING, *(substance or {}).get("coding", [])]
        tree = allergy(code={"coding": codes} | ({"text": text} if text else {}))
        return groups.plain(entry("AllergyIntolerance", "1", [(1, NOW, tree)], NOW))

    assert means(None).same == {("http://snomed.info/sct", "716186003")}
    assert means(AMOXICILLIN).same == {(ATC, "J01CA04")}
    every = [means(None), means(AMOXICILLIN), means(IBUPROFEN), means(None, "Penicillin"), means(None, "Ibuprofen")]
    assert [one for one, other in permutations(every, 2) if groups.meant(one, other)] == []
    assert groups.meant(means(AMOXICILLIN), means(AMOXICILLIN)) == "same"


def device(**more: Any) -> Tree:
    return {
        "resourceType": "DeviceUseStatement", "status": "active", "device": {"reference": "#d"},
        "contained": [{"resourceType": "Device", "id": "d"} | more],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        (device(type=concept("1", "Pacemaker"), deviceName=[{"name": "Medtronic"}]), "Pacemaker"),
        (device(deviceName=[{"name": " "}, {"name": "Pacemaker Medtronic"}]), "Pacemaker Medtronic"),
        (device(modelNumber="MX-9", udiCarrier=[{"deviceIdentifier": "0123"}]), "MX-9"),
        (device(udiCarrier=[{"deviceIdentifier": "0123"}]), "0123"),
        (device(serialNumber="77"), "77"),
        (device() | {"device": {"reference": "#d", "display": "Pacemaker"}}, "Pacemaker"),
        ({"resourceType": "DeviceUseStatement", "device": {"identifier": {"value": "SN-77"}}}, "SN-77"),
        ({"resourceType": "DeviceUseStatement", "device": {"reference": "Device/1"}}, ""),
    ],
)  # fmt: skip
def test_an_implant_is_called_by_whatever_its_device_tells_in_the_box_and_on_the_card(tree: Tree, name: str) -> None:
    assert read(tree).name == name
    assert name_of(tree) == (name or "DeviceUseStatement")


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ({"type": {"text": "Pacemaker DDD"}, "deviceName": [{"name": "x", "type": "other"}]}, "Pacemaker DDD"),
        ({"deviceName": [{"name": "M", "type": "other"}, {"name": "Pacer", "type": "user-friendly-name"}]}, "Pacer"),
        ({"manufacturer": "Medtronic", "modelNumber": "MX-9"}, "Medtronic MX-9"),
        ({"lotNumber": "L1"}, "L1"),
        ({"identifier": [{"system": "urn:x", "value": "SN-77"}]}, "SN-77"),
    ],
)
def test_an_implant_is_called_by_the_device_that_it_leads_to(device: dict[str, Any], name: str) -> None:
    inside = {"resourceType": "Device", "id": "d"} | device
    other = {"resourceType": "Device", "id": "o", "type": {"text": "Noe annet"}}
    for contained in permutations([inside, other]):
        use = {"resourceType": "DeviceUseStatement", "status": "active", "contained": list(contained)}
        assert version(1, NOW, use | {"device": {"reference": "#d"}}, NOW).name == name
