"""What a result by FHIR said before, laid beside it as a message's result has it inside."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kjerne.services.results import answers, points, trends
from kjerne.services.results.former import with_former, with_former_files
from kjerne.services.results.points import Point
from kjerne.services.results.values import Value
from kjerne.store.files import Replaced
from pages import resources as r

AT = "2026-11-20T08:00:00+01:00"


def version(
    value: str, status: str = "final", name: str = "P-Natrium", code: str = "NPU03429", **more: Any
) -> r.Resource:
    made = r.observation("o", name, code, AT, status=status, value=r.quantity(value, "mmol/L") if value else None)
    return made | {"meta": {"lastUpdated": AT}} | more


def point(*versions: r.Resource) -> Point:
    found = points.point_of(with_former(versions[0], versions[1:]))
    assert found
    return found


def number(value: Value | None) -> str:
    return str(value.number) if value else ""


def test_a_corrected_result_keeps_its_old_value() -> None:
    found = point(version("151", "corrected"), version("140"))
    assert (found.mark, number(found.value), number(found.old)) == ("corrected", "151", "140")


def test_a_finished_result_that_says_something_else_is_corrected_whatever_its_status_says() -> None:
    found = point(version("151"), version("140"))
    assert (found.mark, number(found.old)) == ("corrected", "140")


def test_what_was_corrected_and_is_of_unknown_status_is_unsettled_besides() -> None:
    both = point(version("151", "unknown"), version("140"))
    assert (both.mark, both.unsettled, number(both.old)) == ("corrected", True, "140")
    assert [
        (one.mark, one.unsettled)
        for one in (point(version("151", "corrected"), version("140")), point(version("151", "unknown")))
    ] == [("corrected", False), ("unsettled", False)]


def test_of_several_corrections_the_newest_former_value_stands() -> None:
    assert number(point(version("160", "corrected"), version("151", "corrected"), version("140")).old) == "151"


def test_a_preliminary_value_that_was_replaced_is_no_correction() -> None:
    assert point(version("151"), version("140", "preliminary")).mark == ""


def test_a_result_that_was_taken_back_keeps_what_it_said_with_or_without_its_value() -> None:
    for newest in (version("", "entered-in-error"), version("140", "entered-in-error")):
        found = point(newest, version("140"))
        assert (found.mark, found.tells, number(found.old)) == ("withdrawn", False, "140")
    after_two = point(version("151", "entered-in-error"), version("151", "corrected"), version("140"))
    assert number(after_two.old) == "151"


def test_a_result_that_came_taken_back_says_what_it_would_have_said_and_does_not_stand() -> None:
    found = point(version("140", "entered-in-error"))
    assert (found.mark, found.tells, found.flag, number(found.old)) == ("withdrawn", False, None, "140")


def test_a_result_that_stands_again_after_it_was_taken_back_has_no_old_value() -> None:
    found = point(version("140"), version("140", "entered-in-error"), version("140"))
    assert (found.mark, number(found.value), found.old) == ("", "140", None)


def test_where_the_analysis_was_corrected_the_old_row_keeps_the_value() -> None:
    tree = with_former(version("88", "corrected", "P-Kalium", "NPU03230"), [version("88")])
    rows = {one.name: one.points[0] for one in trends.series([tree])}
    assert rows["P-Natrium"].became == "P-Kalium"
    assert rows["P-Kalium"].was == "P-Natrium"


def pressure(systolic: int, status: str = "final") -> r.Resource:
    def part(name: str, value: int) -> r.Resource:
        return {"code": {"text": name}, "valueQuantity": {"value": Decimal(value), "unit": "mmHg"}}

    return version("", status) | {"component": [part("Systolisk", systolic), part("Diastolisk", 84)]}


def test_of_several_values_those_that_were_corrected_stay() -> None:
    found = point(pressure(141, "corrected"), pressure(151))
    assert [(part.name, number(part.value)) for part in found.old_parts] == [("Systolisk", "151")]
    assert found.mark == "corrected"


def test_of_several_values_that_were_taken_back_all_stay() -> None:
    found = point(pressure(151, "entered-in-error"))
    assert (found.parts, [part.name for part in found.old_parts]) == ((), ["Systolisk", "Diastolisk"])


def test_what_a_message_says_of_before_stays_behind_what_an_update_did() -> None:
    own = r.change("corrected", "2026-11-19T08:00:00+01:00", valueQuantity=r.quantity("130", "mmol/L"))
    newest = version("151", "corrected") | {"extension": [own]}
    changes = points.changes_of(with_former(newest, [version("140")]))
    assert [number(change.value) for change in changes] == ["140", "130"]


def test_a_result_that_was_corrected_by_fhir_and_deleted_by_a_message_is_withdrawn_and_keeps_its_last_value() -> None:
    gone = version("", "unknown", extension=[r.change("withdrawn", AT, valueQuantity=r.quantity("140", "mmol/L"))])
    found = point(gone, version("151", "corrected"), version("140"))
    assert (found.mark, found.tells, number(found.old)) == ("withdrawn", False, "151")
    again = point(version("160", "corrected"), gone, version("151", "corrected"), version("140"))
    assert (again.mark, number(again.value)) == ("corrected", "160")


def test_a_level_of_resistance_that_was_taken_back_does_not_stand() -> None:
    growth = r.observation("g", "U-Bakterie", "", AT, text="E. coli", members=("am",))
    ampicillin = r.susceptibility("am", "Ampicillin", "S", AT) | {"status": "entered-in-error"}
    (answer,) = answers.answers([r.report("rep", "MBIO", "", AT, ("g",))], [growth, ampicillin])
    (tested,) = answer.organisms[0].tested
    assert tested.level is None
    assert tested.old and tested.old.letter == "S"


def test_a_conclusion_that_was_corrected_stays_beside_the_new_one() -> None:
    former = r.report("rep", "RAD", "", AT, ()) | {"conclusion": "Normalt"}
    newest = former | {"conclusion": "Brudd", "status": "amended"}
    (answer,) = answers.answers([with_former(newest, [former])], [])
    assert (answer.conclusion, answer.former) == ("Brudd", "Normalt")


def test_a_conclusion_that_was_corrected_in_its_code_stays_as_one_in_words_does() -> None:
    former = r.report("rep", "PAT", "", AT, ()) | {"conclusionCode": [{"text": "Godartet"}]}
    newest = former | {"conclusionCode": [{"coding": [{"system": "s", "code": "x", "display": "Ondartet"}]}]}
    (answer,) = answers.answers([with_former(newest, [former])], [])
    assert (answer.conclusion, answer.former, answer.mark) == ("Ondartet", "Godartet", "corrected")


def test_of_a_conclusion_in_words_and_code_both_stay_though_only_the_code_was_corrected() -> None:
    former = r.report("rep", "PAT", "", AT, ()) | {"conclusion": "Se svar.", "conclusionCode": [{"text": "Godartet"}]}
    newest = former | {"conclusionCode": [{"text": "Ondartet"}]}
    (answer,) = answers.answers([with_former(newest, [former])], [])
    assert (answer.conclusion, answer.former) == ("Se svar.\nOndartet", "Se svar.\nGodartet")


def test_a_report_whose_file_was_replaced_is_marked_as_corrected() -> None:
    former = r.report("rep", "RAD", "", AT, ()) | {"presentedForm": [{"data": "QQ=="}]}
    newest = former | {"presentedForm": [{"data": "Qg=="}]}
    (answer,) = answers.answers([with_former(newest, [former])], [])
    assert (answer.mark, answer.former) == ("corrected", "")


def test_the_files_that_a_report_had_are_laid_beside_those_that_it_has() -> None:
    """Of its Binary what it was before, of a former version what the next one left out, and nothing that still stands."""
    own, binary, left = (f"{number:08}-0000-4000-8000-000000000000" for number in range(3))
    pdf = {"contentType": "application/pdf", "title": "Skannet"}
    kept, gone = {"url": f"Binary/{binary}"} | pdf, {"url": f"Binary/{left}"} | pdf
    first = {"resourceType": "DiagnosticReport", "id": own, "status": "final", "meta": {"versionId": "1"}}
    first["presentedForm"] = [kept, gone, {"data": "QQ=="} | pdf, {"data": "Qw=="} | pdf]
    second = first | {"presentedForm": [kept, {"data": "Qg=="} | pdf, {"data": "Qw=="} | pdf]}
    second["meta"] = {"versionId": "2", "lastUpdated": "2026-11-20T10:00:00+00:00"}
    days = {binary: 21, own: 22}
    replaced = [Replaced(id_, 1, datetime(2026, 11, day, tzinfo=UTC)) for id_, day in days.items()]
    (answer,) = answers.answers([with_former_files(second, [first], replaced)], [])
    told = [(one.file.id, one.version, one.file.title, one.at and one.at.day.day) for one in answer.former_files]
    assert told == [(binary, 1, "Skannet", 21), (left, 0, "Skannet", 20), ("2", 1, "Skannet", 20)]
    assert answer.mark == "corrected"
    assert with_former_files(second, [], []) == second


LATER, LAST = "2026-11-21T08:00:00+01:00", "2026-11-22T08:00:00+01:00"


def at(tree: r.Resource, since: str) -> r.Resource:
    return tree | {"meta": {"lastUpdated": since}}


def tube(words: str, since: str, collected: str = AT) -> r.Resource:
    made = {
        "resourceType": "Specimen",
        "id": "s",
        "type": {"text": words},
        "collection": {"collectedDateTime": collected},
    }
    return at(made, since)


def test_what_a_reading_hung_on_stays_with_the_value_that_it_was_read_by() -> None:
    former = version(
        "140", referenceRange=[{"low": {"value": Decimal(137)}}], interpretation=[{"coding": [{"code": "H"}]}]
    )
    found = point(version("140", "corrected", method={"text": "Ny"}), former)
    assert (found.mark, found.old) == ("corrected", None)
    assert [(one.what, one.none) for one in found.asides] == [("flag", False), ("range", False), ("method", True)]
    assert found.asides[1].range.low == 137


def test_what_a_specimen_said_before_it_was_corrected_stays_with_each_result_that_points_to_it() -> None:
    current = version("140", specimen={"reference": "Specimen/s"})
    specimens = {"s": [tube("Plasma", LATER, LATER), tube("Serum", AT)]}
    dated = points.point_of(with_former(current, [], specimens))
    assert dated and [one.what for one in dated.asides] == ["material"], "its own time counts alone"
    del current["effectiveDateTime"]
    found = points.point_of(with_former(current, [], specimens))
    assert found and found.mark == "corrected"
    assert [(one.what, one.words) for one in found.asides] == [("taken", ""), ("material", "Serum")]
    assert found.asides[0].at and found.asides[0].at.day.isoformat() == "2026-11-20"


def test_a_specimen_that_was_corrected_before_the_result_came_corrects_nothing_of_it() -> None:
    current = at(version("140", specimen={"reference": "Specimen/s"}), LAST)
    found = points.point_of(with_former(current, [], {"s": [tube("Plasma", LATER), tube("Serum", AT)]}))
    assert found and (found.mark, found.asides) == ("", ())


def test_another_specimen_of_the_same_material_and_time_is_no_correction() -> None:
    one, other = ({"reference": f"Specimen/{id_}"} for id_ in "st")
    versions = [at(version("140", specimen=other), LATER), version("140", specimen=one)]
    specimens = {"s": [tube("Serum", AT)], "t": [tube("Serum", AT) | {"id": "t"}]}
    found = points.point_of(with_former(versions[0], versions[1:], specimens))
    assert found and (found.mark, found.asides) == ("", ())
    found = points.point_of(with_former(versions[0], versions[1:], specimens | {"t": [tube("Plasma", AT)]}))
    assert found and [one.words for one in found.asides] == ["Serum"]


def test_another_specimen_says_nothing_of_the_time_of_a_result_that_has_its_own() -> None:
    one, other = ({"reference": f"Specimen/{id_}"} for id_ in "st")
    versions = [at(version("140", specimen=other), LATER), version("140", specimen=one)]
    undated = {name: value for name, value in tube("Plasma", AT).items() if name != "collection"} | {"id": "t"}
    found = points.point_of(with_former(versions[0], versions[1:], {"s": [tube("Serum", AT)], "t": [undated]}))
    assert found and [(one.what, one.words) for one in found.asides] == [("material", "Serum")]


def test_a_result_without_a_time_of_its_own_was_taken_when_its_specimen_was_collected() -> None:
    tree = version("140", specimen={"reference": "Specimen/s"}, issued=LAST)
    del tree["effectiveDateTime"]
    found = points.taken(with_former(tree, [], {"s": [tube("Serum", AT)]}))
    assert found and found.day.isoformat() == "2026-11-20"


def test_a_level_of_resistance_whose_letter_alone_was_corrected_keeps_the_old_letter() -> None:
    def level(letter: str, status: str = "final") -> r.Resource:
        made = r.observation("am", "Ampicillin", "", AT, value=r.quantity("4", "mg/L"), status=status)
        coding = {"system": f"urn:oid:{r.SUSCEPTIBILITY.rpartition(':')[2]}", "code": letter}
        return made | {"interpretation": [{"coding": [coding]}]}

    growth = r.observation("g", "U-Bakterie", "", AT, text="E. coli", members=("am",))
    tree = with_former(level("R", "corrected"), [level("S")])
    (answer,) = answers.answers([r.report("rep", "MBIO", "", AT, ("g",))], [growth, tree])
    (tested,) = answer.organisms[0].tested
    assert tested.level and tested.old
    assert (tested.level.letter, tested.old.letter, tested.old.measured) == ("R", "S", "4 mg/L")


def test_of_several_values_one_whose_range_was_corrected_stays_with_it() -> None:
    former = pressure(141)
    former["component"][0]["referenceRange"] = [{"high": {"value": Decimal(130)}}]
    found = point(pressure(141, "corrected"), former)
    assert [(part.name, part.range.high) for part in found.old_parts] == [("Systolisk", 130)]


def test_a_report_whose_time_was_corrected_says_the_former_one() -> None:
    former = r.report("rep", "RAD", "", AT, ()) | {"conclusion": "Normalt"}
    (answer,) = answers.answers([with_former(former | {"effectiveDateTime": LATER}, [former])], [])
    assert (answer.mark, answer.former) == ("corrected", "")
    assert [one.at and one.at.day.isoformat() for one in answer.asides] == ["2026-11-20"]
