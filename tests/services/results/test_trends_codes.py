"""Which codes are one analysis: a national one in every laboratory, a local one in its own."""

from __future__ import annotations

import pytest

from kjerne.fhir.corrections import corrects
from kjerne.services.results import reuse, trends, values
from kjerne.services.results.kith import codes, map_actors
from kjerne.services.results.kith.model import Actor, Identifier
from pages import resources as r
from services.results.test_reuse import NOW, observed


def coded(number: str, name: str, code: str, system: str, *, lab: str = "", role: str = "", day: int = 1) -> r.Resource:
    made = r.observation(number, name, "", f"2026-10-{day:02}", value=r.quantity("4", "mmol/L"), lab=lab)
    made["code"]["coding"] = [{"system": system, "code": code}] if system else [{"code": code}]
    by = ({"reference": f"PractitionerRole/{role}"} if role else {}) | ({"display": lab} if lab else {})
    return made | {"performer": [by] if by else []}


def sizes(*rows: r.Resource, laboratories: dict[str, str] | None = None) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in trends.series(rows, laboratories=laboratories):
        found.setdefault(one.name, []).append(len(one.points))
    return found


@pytest.mark.parametrize("system", [codes.LOCAL, "http://lab.example/codes", "urn:kjerne:code-system:X", ""])
def test_a_local_code_is_its_laboratorys_own(system: str) -> None:
    north = [coded(str(day), "P-Kalium", "K", system, lab="Lab Nord", day=day) for day in (1, 3)]
    south = coded("2", "P-Kreatinin", "K", system, lab="Lab Sør", day=2)
    assert sizes(*north, south) == {"P-Kalium": [2], "P-Kreatinin": [1]}


def test_a_laboratory_is_known_by_its_number_whoever_of_it_answers() -> None:
    rows = [
        coded("1", "P-Kalium", "K", codes.LOCAL, lab="Lege Lege, Lab Nord", role="a"),
        coded("2", "P-Kalium", "K", codes.LOCAL, lab="Lab Nord", role="b", day=2),
        coded("3", "P-Kreatinin", "K", codes.LOCAL, lab="Lab Nord", role="c", day=3),
    ]
    assert sizes(*rows, laboratories={"a": "77001", "b": "77001", "c": "77002"}) == {
        "P-Kalium": [2],
        "P-Kreatinin": [1],
    }


def test_a_code_without_a_system_is_told_as_a_code_and_a_name_alone_as_none() -> None:
    bare = coded("3", "P-Kalium", "", "", lab="Lab Nord", day=3)
    bare["code"].pop("coding")
    found = trends.series(
        [coded("1", "P-Kalium", "K", "", lab="Lab Nord"), coded("2", "P-Kalium", "NPU1", codes.NLK), bare]
    )
    told = {row.series.latest.id: dict(row.apart) for row in trends.cumulative(found).rows}
    assert told["1"]["local-code"] == "K"
    assert told["2"] == {"code": "NPU1"}
    assert told["3"]["local-code"] == ""


def by_organisation(number: str, day: int, organisation: r.Resource) -> r.Resource:
    made = coded(number, "P-Glukose", "GLU", codes.LOCAL, day=day)
    return made | {"performer": [{"type": "Organization"} | organisation]}


def numbered(value: str, system: str = "", name: str = "") -> r.Resource:
    identifier = {"value": value} | ({"system": system} if system else {})
    return {"identifier": identifier} | ({"display": name} if name else {})


HER, RSH, ENH = (codes.IDENTIFIER_SYSTEM[kind] for kind in ("HER", "RSH", "ENH"))


@pytest.mark.parametrize(
    ("one", "other", "rows"),
    [
        (numbered("1", name="Sykehus A"), numbered("1", name="Sykehus B"), [1, 1]),
        (numbered("1", name="Sykehus A"), numbered("1", name="Sykehus A"), [2]),
        (numbered("59", HER), numbered("59", RSH), [1, 1]),
        (numbered("1", "https://a.example"), numbered("1", "https://b.example"), [1, 1]),
        (numbered("59", HER, "Sykehus A"), numbered("59", HER, "Sykehus A HF"), [2]),
    ],
    ids=["local, two names", "local, one name", "two registers", "two systems", "one number"],
)
def test_a_number_tells_a_laboratory_only_in_the_register_that_gave_it(
    one: r.Resource, other: r.Resource, rows: list[int]
) -> None:
    found = [by_organisation("1", 1, one), by_organisation("2", 2, other)]
    assert sizes(*found) == {"P-Glukose": rows}
    roles = {"a": trends.laboratory_key(one), "b": trends.laboratory_key(other)}
    by_roles = [
        coded(str(day), "P-Glukose", "GLU", codes.LOCAL, role=role, day=day) for day, role in ((1, "a"), (2, "b"))
    ]
    assert sizes(*by_roles, laboratories=roles) == {"P-Glukose": rows}


def test_a_local_number_without_a_name_tells_no_laboratory() -> None:
    assert [trends.laboratory_key(one) for one in (numbered("1"), {}, {"reference": "Organization/o"})] == ["", "", "o"]


def test_an_institution_is_one_laboratory_whichever_department_answers() -> None:
    ids = (Identifier("999999999", "ENH"),)
    departments = ((), (Identifier("77002", "HER"),), (Identifier("1", "LOK"),))
    actors = [Actor(organisation="Sykehus A", organisation_ids=ids, department_ids=one) for one in departments]
    roles = map_actors.Roles(lambda _, key: key, actors[0])
    for one in actors:
        roles.reference(one)
    organisations = [role["organization"] for role in roles.resources()]
    assert {one["identifier"]["value"] for one in organisations} == {"999999999", "77002"}, "as NILAR has it"
    assert {trends.laboratory_key(one) for one in organisations} == {f"{ENH}|999999999"}


def test_where_no_laboratory_is_told_the_name_tells_local_codes_apart() -> None:
    rows = [coded("1", "P-Kalium", "K", codes.LOCAL), coded("2", "P-Kreatinin", "K", codes.LOCAL, day=2)]
    again = coded("3", "P-Kalium", "K", codes.LOCAL, day=3)
    assert sizes(*rows, again) == {"P-Kalium": [2], "P-Kreatinin": [1]}


@pytest.mark.parametrize("system", [codes.NLK, codes.NCRP, "http://loinc.org", "http://snomed.info/sct"])
def test_a_shared_code_is_one_analysis_in_every_laboratory(system: str) -> None:
    rows = [
        coded("1", "P-Kalium", "X", system, lab="Lab Nord"),
        coded("2", "P-Kalium", "X", system, lab="Lab Sør", day=2),
    ]
    assert sizes(*rows) == {"P-Kalium": [2]}


def test_a_shared_code_counts_before_a_local_one_beside_it() -> None:
    one, other = (
        coded("1", "P-Kalium", "K", codes.LOCAL, lab="A"),
        coded("2", "P-Kalium", "C", codes.LOCAL, lab="B", day=2),
    )
    for row in (one, other):
        row["code"]["coding"].append({"system": "http://loinc.org", "code": "2823-3"})
    assert sizes(one, other) == {"P-Kalium": [2]}


def test_what_stands_under_a_heading_is_the_analysis_that_it_is_named() -> None:
    rows = [
        coded("1", "Kalium", "LR", codes.TEXT_HEADING, lab="A"),
        coded("2", "Natrium", "LR", codes.TEXT_HEADING, lab="A"),
    ]
    assert sizes(*rows) == {"Kalium": [1], "Natrium": [1]}


def test_rows_of_one_name_and_two_laboratories_say_whose_each_is() -> None:
    rows = [coded("1", "P-Kalium", "K", codes.LOCAL, lab="Nord"), coded("2", "P-Kalium", "K", codes.LOCAL, lab="Sør")]
    found = trends.series(rows)
    assert [row.apart for row in trends.cumulative(found).rows] == [(("laboratory", "Nord"),), (("laboratory", "Sør"),)]
    assert trends.same_analysis(*found)


def test_the_same_local_code_of_another_laboratory_is_not_shown_as_the_same_analysis() -> None:
    rows = [coded("1", "P-Kalium", "K", codes.LOCAL, lab="A"), coded("2", "P-Kreatinin", "K", codes.LOCAL, lab="B")]
    one, other = trends.series(rows)
    assert not trends.same_analysis(one, other)


def test_a_corrected_local_analysis_leaves_its_old_value_in_its_laboratorys_row() -> None:
    former = r.change("corrected", "2026-10-04T08:00:00+02:00", valueQuantity=r.quantity("9", "mmol/L"))
    was = r.renamed(former, "P-Kalium", "K")
    was["extension"][-1]["valueCodeableConcept"]["coding"][0]["system"] = codes.LOCAL
    row = coded("1", "P-Kreatinin", "KREA", codes.LOCAL, lab="A", day=3) | {"extension": [was], "status": "amended"}
    others = [coded("2", "P-Kalium", "K", codes.LOCAL, lab="A"), coded("3", "Kobber", "K", codes.LOCAL, lab="B")]
    assert sizes(row, *others) == {"P-Kalium": [2], "P-Kreatinin": [1], "Kobber": [1]}


@pytest.mark.parametrize("system", ["", codes.LOCAL, "http://lab.example/codes"])
def test_already_done_names_no_result_by_a_local_code(system: str) -> None:
    answer = reuse.answer(system, "K", [observed(1, "K", system=codes.LOCAL), observed(2, "K", system=system)], NOW)
    assert (answer.verdict, answer.earlier) == ("no-rule", ())


SPELLED = [
    codes.NLK,
    "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk",
    "https://www.helsedir.no/fhir/CodeSystem/no-kodeverk-7280",
    codes.NLK_OLD,
    codes.NLK.upper(),
]


def test_every_spelling_of_a_code_system_is_one_row() -> None:
    rows = [coded(str(day), "B-HbA1c", "NPU27300", system, day=day) for day, system in enumerate(SPELLED, 1)]
    assert sizes(*rows) == {"B-HbA1c": [5]}


def test_ucum_by_its_oid_is_the_same_unit() -> None:
    rows = [coded(str(day), "P-Natrium", "NPU03429", codes.NLK, day=day) for day in (1, 2)]
    for row, system in zip(rows, ("http://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8"), strict=True):
        row["valueQuantity"] = {"value": 140, "unit": "millimol", "system": system, "code": "mmol/L"}
    assert sizes(*rows) == {"P-Natrium": [2]}


@pytest.mark.parametrize("number", ["8243", "8271"])
def test_a_heading_and_a_susceptibility_by_address_are_read_as_by_oid(number: str) -> None:
    by_oid, by_address = (
        values.value_of({"valueCodeableConcept": {"coding": [{"system": system, "code": "R"}], "text": "Negativ"}})
        for system in (codes.VOLVEN + number, f"http://ehelse.no/fhir/CodeSystem/no-kodeverk-{number}")
    )
    assert by_oid and by_oid == by_address


def test_another_spelling_of_an_analysis_or_method_is_no_correction() -> None:
    one, other = (coded("1", "P-CRP", "NPU19748", system) for system in SPELLED[:2])
    method = [{"method": {"coding": [{"system": system, "code": "M"}]}} for system in SPELLED[:2]]
    assert not corrects(one | method[0], other | method[1])


def of_material(*kinds: r.Resource) -> tuple[list[r.Resource], list[r.Resource]]:
    specimens = [{"resourceType": "Specimen", "id": f"s{place}", "type": kind} for place, kind in enumerate(kinds)]
    rows = [coded(str(place), "P-Bilirubin", "NPU01370", codes.NLK, day=place + 1) for place in range(len(kinds))]
    return [row | {"specimen": {"reference": f"Specimen/s{place}"}} for place, row in enumerate(rows)], specimens


def material(code: str, word: str, number: str = "8351") -> r.Resource:
    return {"coding": [{"system": codes.VOLVEN + number, "code": code, "display": word}]}


def test_one_material_by_its_code_is_one_row_however_it_is_called() -> None:
    words = ("Serum", "serum", "SERUM", "Blodserum")
    rows, specimens = of_material(*(material("S", word) for word in words), {"text": "Serum"})
    (one,) = trends.series([*rows, rows[0] | {"id": "w", "specimen": {"display": "blodserum"}}], specimens=specimens)
    assert (len(one.points), one.material.casefold()) == (6, "blodserum")


def test_two_materials_are_two_rows_though_they_are_called_the_same() -> None:
    rows, specimens = of_material(material("S", "Blod"), material("P", "Blod"))
    assert [len(one.points) for one in trends.series(rows, specimens=specimens)] == [1, 1]


def test_a_material_in_words_or_by_a_local_code_is_what_it_is_called() -> None:
    rows, specimens = of_material({"text": "Kalk"}, {"text": "kalk"}, {"text": "Sten"}, material("1", "Kalk", "8212"))
    assert sorted(len(one.points) for one in trends.series(rows, specimens=specimens)) == [1, 3]
