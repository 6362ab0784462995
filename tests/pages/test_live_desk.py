"""What a notice tells of a result: from what its reader saw to what it is now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kjerne.pages.house import Changed
from kjerne.pages.live_desk import Seen, changed
from kjerne.services.results import points
from pages import resources as r

READ = datetime(2026, 11, 20, 9, tzinfo=UTC)
AT = "2026-11-19T08:00:00+01:00"
Tree = r.Resource


def result(value: str = "", **more: Any) -> Tree:
    return r.observation("o", "P-Natrium", "NPU03429", AT, value=r.quantity(value, "mmol/L") if value else None, **more)


def told(then: Tree | None, now: Tree) -> Changed | None:
    return changed(Seen(now, then), READ)


WAITS = r.absent("o", "P-Natrium", "NPU03429", AT, "temp-unknown", status="registered")
UNDONE = r.absent("o", "P-Natrium", "NPU03429", AT, "not-performed", status="corrected")
LEFT_OUT = result("140", extension=(r.change("not-repeated", AT, valueQuantity=r.quantity("140", "mmol/L")),))
NEVER_FINISHED = r.absent(
    "o", "P-Natrium", "NPU03429", AT, "not-performed", status="cancelled", extension=tuple(LEFT_OUT["extension"])
)


@pytest.mark.parametrize(
    ("then", "now", "kind", "old", "new"),
    [
        (result("140"), result("151", status="corrected"), "replaced", "140", "151"),
        (result("140"), UNDONE, "emptied", "140", ""),
        (WAITS, result("151"), "given", "", "151"),
        (result("140"), result("140", status="entered-in-error"), "withdrawn", "140", ""),
        (result("140", status="entered-in-error"), result("140"), "stands", "", "140"),
        (result("140"), LEFT_OUT, "not-repeated", "140", "140"),
        (LEFT_OUT, result("140"), "repeated", "140", "140"),
        (result("140", status="preliminary"), NEVER_FINISHED, "not-repeated", "140", ""),
        (None, result("151"), "opened", "", "151"),
        (None, UNDONE, "emptied", "", ""),
        (None, result("151", status="entered-in-error"), "withdrawn", "", ""),
    ],
)
def test_a_notice_tells_from_what_was_seen_to_what_is(
    then: Tree | None, now: Tree, kind: str, old: str, new: str
) -> None:
    found = told(then, now)
    assert found
    assert (found.kind, found.read_at, found.what) == (kind, READ, "P-Natrium")
    assert [str(v.number) if v else "" for v in (found.old, found.new)] == [old, new]


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (result("140"), result("140", status="corrected")),
        (result("140"), result("140.0", extension=(r.change("corrected", AT, valueQuantity=r.quantity("1", "g")),))),
        (result("", status="entered-in-error"), result("140", status="cancelled")),
        (LEFT_OUT, LEFT_OUT),
        (NEVER_FINISHED, NEVER_FINISHED),
        (WAITS, WAITS),
    ],
)
def test_what_says_what_was_seen_is_not_told(then: Tree, now: Tree) -> None:
    assert told(then, now) is None


def test_a_correction_that_is_unsettled_says_both_by_message_and_by_fhir() -> None:
    own = (r.change("corrected", AT, valueQuantity=r.quantity("140", "mmol/L")),)
    for more in ({"extension": own}, {}):
        found = told(result("140"), result("151", status="unknown", **more))
        assert found
        assert (found.kind, found.mark, found.unsettled) == ("replaced", "corrected", True)


def test_another_analysis_is_told_with_the_name_it_had_though_the_value_is_the_same() -> None:
    found = told(r.observation("o", "P-CRP", "NPU19748", AT, value=r.quantity("140", "mmol/L")), result("140"))
    assert found and (found.kind, found.was) == ("replaced", "P-CRP")


def test_of_several_values_only_the_others_are_told() -> None:
    def pressure(systolic: int) -> Tree:
        parts = (("Systolisk", systolic), ("Diastolisk", 84))
        return result() | {"component": [{"code": {"text": n}, "valueInteger": v} for n, v in parts]}

    found = told(pressure(151), pressure(141))
    assert found and [(p.name, str(p.value.number)) for p in (*found.old_parts, *found.new_parts)] == [
        ("Systolisk", "151"),
        ("Systolisk", "141"),
    ]


def test_of_several_values_one_that_is_gone_is_told_as_gone() -> None:
    def pressure(*names: str) -> Tree:
        return result() | {"component": [{"code": {"text": name}, "valueInteger": 84} for name in names]}

    found = told(pressure("Systolisk", "Diastolisk"), pressure("Systolisk"))
    assert found and (found.kind, [part.name for part in found.old_parts]) == ("fewer", ["Diastolisk"])


def test_what_a_reading_hangs_on_is_told_where_the_value_is_the_same_and_beside_another() -> None:
    old, new = result("140", flag="1", low="137", high="145"), result("140", low="130", high="145")
    found = told(old, new)
    assert found and (found.kind, str(found.old and found.old.number)) == ("aside", "140")
    assert [(then.what, then.none, now.none) for then, now in found.asides] == [
        ("flag", False, True),
        ("range", False, False),
    ]
    another = told(old, result("151", low="130", high="145"))
    assert another and another.kind == "replaced"
    assert [now.what for _, now in another.asides] == ["flag", "range"]


def test_what_a_message_undid_of_a_correction_by_fhir_is_told_though_its_own_changes_do_not_say_it() -> None:
    by_message = ({"url": points.REPORT_OF, "valueReference": {"reference": "DiagnosticReport/r"}},)
    then, now = (result("140", flag=flag, extension=by_message) for flag in ("1", "2"))
    found = told(then, now)
    assert found and [one.what for one, _ in found.asides] == ["flag"]
    untimed = told(result("140", extension=by_message), now | {"effectiveDateTime": "2026-11-21", "interpretation": []})
    assert untimed is None
    collected = {"specimen": {"beside": True, "collection": {"collectedDateTime": "2026-11-21"}}}
    timed = told(then, then | {"effectiveDateTime": "2026-11-21"} | collected)
    assert timed and [one.what for one, _ in timed.asides] == ["taken"]


def test_when_a_specimen_was_collected_is_told_of_a_result_without_a_time_of_its_own_alone() -> None:
    def collected(tree: Tree, day: str) -> Tree:
        return tree | {"specimen": {"beside": True, "collection": {"collectedDateTime": day}}}

    days = ("2026-11-20", "2026-11-18")
    assert told(*(collected(result("140"), day) for day in days)) is None
    undated = {name: value for name, value in result("140").items() if name != "effectiveDateTime"}
    found = told(*(collected(undated, day) for day in days))
    assert found and [one.at.day.isoformat() for pair in found.asides for one in pair if one.at] == list(days)
    own = told(collected(undated, days[1]), undated | {"effectiveDateTime": days[0]})
    assert own and [one.at.day.isoformat() for pair in own.asides for one in pair if one.at] == [days[1], days[0]]


def test_of_several_values_one_whose_flag_is_another_is_told() -> None:
    def pressure(*flags: Tree) -> Tree:
        return result() | {"component": [{"code": {"text": "Systolisk"}, "valueInteger": 151, "interpretation": flags}]}

    found = told(pressure({"coding": [{"system": r.DEVIATION, "code": "1"}]}), pressure())
    assert found and found.kind == "replaced"
    assert [part.flag and part.flag.kind for part in (*found.old_parts, *found.new_parts)] == ["high", None]


def test_a_newborns_result_is_told_as_the_childs_and_not_as_the_mothers() -> None:
    about = {"extension": [r.focus("newborn")]}
    found = told(result("140") | about, result("141") | about)
    assert found and found.whose == "newborn"
    own = told(result("140"), result("141"))
    assert own and own.whose == ""


def test_a_reports_conclusion_is_told_like_a_value() -> None:
    report = r.report("rep", "CT", "CT thorax", AT, ())
    found = told(report | {"conclusion": "Normalt"}, report | {"conclusion": "Brudd"})
    assert found and found.old and found.new
    assert (found.what, found.old.text, found.new.text) == ("CT thorax", "Normalt", "Brudd")
    withdrawn = told(report | {"conclusion": "Normalt"}, report | {"conclusion": "Normalt", "status": "cancelled"})
    assert withdrawn and (withdrawn.kind, withdrawn.new) == ("withdrawn", None)


def test_a_conclusion_in_a_code_is_told_like_one_in_words() -> None:
    report = r.report("rep", "PAT", "Histologi", AT, ())
    found = told(
        report | {"conclusionCode": [{"text": "Godartet"}]}, report | {"conclusionCode": [{"text": "Ondartet"}]}
    )
    assert found and found.old and found.new
    assert (found.kind, found.old.text, found.new.text) == ("replaced", "Godartet", "Ondartet")


def test_a_file_that_is_another_and_results_that_are_gone_are_told_though_the_words_are_the_same() -> None:
    report = r.report("rep", "RAD", "CT", AT, ("o",)) | {"conclusion": "Normalt"}
    first, second = ({"presentedForm": [{"data": data}]} for data in ("QQ==", "Qg=="))
    replaced, fewer = told(report | first, report | second), told(report, report | {"result": []})
    assert replaced and (replaced.kind, replaced.what, replaced.old) == ("file", "CT", None)
    assert fewer and fewer.kind == "fewer"
    binary = {"resourceType": "Binary", "id": "b"}
    found = told(binary | {"data": "QQ=="}, binary | {"data": "Qg=="})
    assert found and found.kind == "file"
    assert told(binary | {"data": "QQ=="}, binary | {"data": "QQ=="}) is None


def test_what_says_again_what_she_saw_in_another_spelling_is_not_told() -> None:
    def grown(**coding: str) -> Tree:
        return r.observation("o", "Dyrkning", "NPU03429", AT) | {"valueCodeableConcept": {"coding": [coding]}}

    seen = grown(system="urn:oid:2.16.578.1.12.4.1.1.8340", code="1", display="Ingen vekst")
    assert told(seen, grown(system="2.16.578.1.12.4.1.1.8340", code="1") | {"status": "corrected"}) is None
    assert told(seen, grown(system="2.16.578.1.12.4.1.1.8340", code="2") | {"status": "corrected"}) is not None
