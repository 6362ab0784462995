"""A newborn's, a fetus's or a donor's results on the mother's report are marked, in whichever way the sender says it."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.services.results.kith.mapping import not_the_patients
from kjerne.services.results.kith.model import Code
from kjerne.services.results.kith.whose import by_material, by_relation


def of(kith: Any, patient: str) -> dict[str, str]:
    """By code of the analysis: whose material the Observation says it is, empty where the patient's own."""
    found = {}
    for tree in kith.observations(kith.mapped(kith.message(kith.report(patient=patient)))):
        focus = kith.extensions(tree, "http://hl7.org/fhir/StructureDefinition/observation-focusCode")
        found[tree["code"]["coding"][0]["code"]] = (
            focus[0]["valueCodeableConcept"]["coding"][0]["code"] if focus else ""
        )
        assert not_the_patients(tree) == bool(focus)
    return found


@pytest.mark.parametrize(
    ("relation", "whose"),
    [
        ("<Relation V='BARN' DN='Barn'/>", "newborn"),
        ("<Relation V='9' DN='Nyfødt'/>", "newborn"),
        ("<Relation V='FOS' DN='Foster'/>", "fetus"),
        ("<Relation V='DON' DN='Donor'/>", "donor"),
        ("<Relation V='MOR' DN='Mor'/>", "related"),
        ("", "related"),
    ],
)
def test_a_patient_inside_the_patient_is_another_being(kith: Any, relation: str, whose: str) -> None:
    child = kith.person(kith.item("NPU02"), relation=relation)
    assert of(kith, kith.person(kith.item("NPU01") + child)) == {"NPU01": "", "NPU02": whose}


def test_twins_inside_the_mother_are_both_marked(kith: Any) -> None:
    second = kith.person(kith.item("NPU03"), relation="<Relation V='BARN' DN='Barn'/>")
    first = kith.person(kith.item("NPU02") + second, relation="<Relation V='BARN' DN='Barn'/>")
    assert of(kith, kith.person(kith.item("NPU01") + first)) == {"NPU01": "", "NPU02": "newborn", "NPU03": "newborn"}


def test_a_relation_on_the_only_patient_marks_everything(kith: Any) -> None:
    assert of(kith, kith.person(kith.item("NPU01"), relation="<Relation V='FOS' DN='Foster'/>")) == {"NPU01": "fetus"}


def test_cord_blood_on_the_mothers_number_is_the_newborns(kith: Any) -> None:
    cord = "<AnalysedSubject><Type>Navlestrengsblod, arterielt</Type><IdByServProvider>N</IdByServProvider></AnalysedSubject>"
    trees = kith.mapped(
        kith.message(kith.report(kith.item(extra="<RefAnalysedSubject>N</RefAnalysedSubject>"), subjects=cord))
    )
    assert not_the_patients(kith.only(trees, "Specimen"))
    assert not_the_patients(kith.only(trees, "Observation"))


@pytest.mark.parametrize(
    ("subject", "whose"),
    [
        ("<Type>Fosterblod</Type>", "fetus"),
        ("<Type>Blod fra barnet</Type>", "newborn"),
        ("<Type>Blod</Type><TypeCoded V='X' DN='Navlestrengsblod'/>", "newborn"),
        ("<Type>Blod</Type><AnatomicalOrigin>Navlesnor</AnatomicalOrigin>", "newborn"),
        ("<Type>Blod spedbarn</Type>", "newborn"),
        ("<Type>Cord blood</Type>", "newborn"),
        ("<Type>Serum, giver</Type>", "donor"),
        ("<Type>Blod</Type><AnatomicalOrigin>Barn: kapillærblod</AnatomicalOrigin>", "newborn"),
        ("<Type>Blod</Type>", ""),
    ],
)
def test_blood_of_the_child_is_not_the_mothers_wherever_it_is_said(kith: Any, subject: str, whose: str) -> None:
    here = f"<AnalysedSubject>{subject}<IdByServProvider>N</IdByServProvider></AnalysedSubject>"
    item = kith.item(extra="<RefAnalysedSubject>N</RefAnalysedSubject>")
    (tree,) = kith.observations(kith.mapped(kith.message(kith.report(item, subjects=here))))
    assert not_the_patients(tree) == bool(whose)
    assert whose in str(kith.extensions(tree, "http://hl7.org/fhir/StructureDefinition/observation-focusCode"))


def test_ids_of_mother_and_child_do_not_mix(kith: Any) -> None:
    child = kith.person(kith.item("NPU01", kith.number("50"), id_="1"), relation="<Relation V='BARN'/>")
    trees = kith.mapped(
        kith.message(kith.report(patient=kith.person(kith.item("NPU01", kith.number("40"), id_="1") + child)))
    )
    assert sorted(str(tree["valueQuantity"]["value"]) for tree in kith.observations(trees)) == ["40", "50"]


def test_the_words_of_a_material_decide_only_what_they_say() -> None:
    assert by_material("Føtalt hemoglobin") == ""
    assert by_material("Donorspesifikk antistoffpanel") == ""
    assert by_material("Fetomaternal blødning, føtale celler") == ""
    assert by_material("Kapillært blod") == ""
    assert by_material("Blodkultur barn") == "", "a bottle for children is used for adults too"
    assert by_material("Tatt hos oppdragsgiver") == ""
    assert by_relation(Code("PAS", name="")) == ""
