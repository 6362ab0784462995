"""When a result was taken, where its sender says what cannot be."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kjerne.fhir.circumstances import others
from kjerne.services.results import answers, points, trends, values
from kjerne.services.results.kith import codes
from pages import resources as r

RECEIVED = "2026-11-20T12:00:00+01:00"
ISSUED = "2026-11-19T08:00:00+01:00"


def sent(at: str, **more: Any) -> r.Resource:
    made = r.observation("o", "P-Natrium", "NPU03429", at, value=r.quantity("140", "mmol/L"))
    return made | {"meta": {"lastUpdated": RECEIVED}} | more


@pytest.mark.parametrize("at", ["2026-11-21", "2026-11-21T11:59:00+01:00", "2026-11-20", "1850-01-01"])
def test_a_time_that_can_be_is_kept(at: str) -> None:
    assert points.taken(sent(at)) == values.when(at)
    assert points.misdated(sent(at)) is None


@pytest.mark.parametrize(
    "at", ["2026-11-22", "2026-11-21T12:01:00+01:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
)
def test_a_time_that_cannot_be_dates_nothing_and_is_told(at: str) -> None:
    assert points.taken(sent(at, issued=ISSUED)) == values.when(ISSUED)
    assert points.taken(sent(at)) == values.when(RECEIVED)
    assert points.taken(sent(at, issued="9999-12-31T23:59:59Z")) == values.when(RECEIVED)
    found = points.misdated(sent(at))
    assert found and found.day == date.fromisoformat(at[:10])


def test_a_period_or_an_instant_ahead_is_held_to_the_same() -> None:
    bare = {name: value for name, value in sent("2026-11-20", issued=ISSUED).items() if name != "effectiveDateTime"}
    for time in ({"effectivePeriod": {"start": "2099-01-01"}}, {"effectiveInstant": "2099-01-01T00:00:00Z"}):
        assert points.taken(bare | time) == values.when(ISSUED)
    assert points.taken(bare | {"effectiveInstant": RECEIVED}) == values.when(RECEIVED)


def test_what_is_planned_may_lie_ahead() -> None:
    assert points.taken(sent("2027-01-10", status="registered")) == values.when("2027-01-10")


def test_without_a_time_of_its_own_a_result_has_the_time_it_was_issued_or_none() -> None:
    bare = {name: value for name, value in sent("2026-11-20").items() if name != "effectiveDateTime"}
    assert points.taken(bare | {"issued": ISSUED}) == values.when(ISSUED)
    assert points.taken(bare) is None
    assert points.taken(bare | {"issued": "9999-12-31T23:59:59Z"}) is None


def test_a_result_dated_ahead_is_not_the_latest() -> None:
    ahead, known = sent("2099-01-01", id="a", issued=ISSUED), sent("2026-11-18T08:00:00+01:00", id="b")
    (one,) = trends.series([ahead, known])
    assert one.latest.id == "b", "though it was issued after"
    assert [point.id for point in one.newer] == ["a"]
    (alone,) = trends.series([ahead])
    assert alone.latest.id == "a"


def test_a_report_dated_ahead_is_placed_where_it_was_issued_and_says_so() -> None:
    report = r.report("rep", "CLIN", "", "2099-01-01", (), issued=ISSUED) | {"meta": {"lastUpdated": RECEIVED}}
    (answer,) = answers.answers([report], [])
    assert answer.when == values.when(ISSUED)
    assert answer.misdated == values.When(date(2099, 1, 1))


def test_a_reason_in_words_alone_is_told_in_those_words() -> None:
    empty = r.observation("1", "P-Kalium", "", "2026-11-20") | {"dataAbsentReason": {"text": "Røret var tomt"}}
    point = points.point_of(empty)
    assert point
    assert (point.absent, point.notes) == ("unknown", ("Røret var tomt",))
    part = {"code": {"text": "Diastolisk"}, "dataAbsentReason": {"text": "Støy"}}
    both = points.point_of(r.observation("2", "Blodtrykk", "", "2026-11-20") | {"component": [part]})
    assert both
    assert ([one.absent for one in both.parts], both.notes) == (["unknown"], ("Diastolisk: Støy",))


@pytest.mark.parametrize("status", ["final", "amended", "corrected", "unknown"])
@pytest.mark.parametrize(
    "value",
    [{}, {"valueQuantity": {"unit": "mmol/L"}}, {"valueCodeableConcept": {"extension": [{"url": "x"}]}}],
    ids=str,
)
def test_a_finished_result_without_a_value_stands_in_the_table_as_without(status: str, value: dict[str, Any]) -> None:
    (row,) = trends.series([r.observation("1", "P-Kalium", "", "2026-11-20", status=status) | value])
    assert (row.name, row.latest.absent, row.latest.when) == ("P-Kalium", "unknown", values.When(date(2026, 11, 20)))


def test_a_change_of_what_was_only_waited_for_corrects_nothing() -> None:
    whole = r.observation("1", "P-Kalium", "", "2026-11-20", status="amended")
    assert points.mark_of(whole) == "corrected"
    completed = whole | {"extension": [{"url": codes.COMPLETES, "valueBoolean": True}]}
    assert points.mark_of(completed) == ""
    assert points.mark_of(completed | {"status": "corrected"}) == "corrected"


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_what_was_called_off_before_it_was_answered_is_no_missing_value(status: str) -> None:
    gone = r.observation("1", "P-Kalium", "", "2026-11-20", status=status)
    (row,) = trends.series([gone])
    assert (row.name, row.latest.mark, row.latest.absent, row.latest.old) == ("P-Kalium", "withdrawn", "", None)
    assert points.point_of(gone | {"hasMember": [{"reference": "Observation/2"}]}) is None, "its members say theirs"


@pytest.mark.parametrize("status", ["registered", "preliminary"])
def test_what_is_not_answered_waits_by_its_status_alone(status: str) -> None:
    waits = r.observation("1", "P-Kalium", "", "2026-11-20", status=status)
    point = points.point_of(waits)
    assert point and (point.absent, point.mark, point.tells) == ("waiting", "", False)
    answered = points.point_of(waits | {"valueInteger": 4})
    assert answered and (answered.absent, answered.mark) == ("", "preliminary")
    assert not points.is_awaited(waits | {"hasMember": [{"reference": "Observation/2"}]}), (
        "a group's members say theirs"
    )


def test_what_waits_and_says_no_time_has_waited_since_it_came() -> None:
    waits = r.observation("1", "P-Kalium", "", "", status="registered")
    waits = {key: value for key, value in waits.items() if "effective" not in key and key != "issued"}
    waits["meta"] = {"lastUpdated": "2026-11-21T10:00:00+01:00"}
    point, answered = points.point_of(waits), points.point_of(waits | {"status": "final", "valueInteger": 4})
    assert point and point.when and point.when.day.day == 21
    assert answered and answered.when is None


@pytest.mark.parametrize(
    ("more", "whose"),
    [
        ({"focus": [{"reference": "Patient/5"}]}, "other"),
        ({"focus": [{"reference": "Patient/5"}], "subject": {"reference": "Patient/5"}}, ""),
        ({"extension": [r.focus("newborn")]}, "newborn"),
        ({"extension": [{"url": r.FOCUS, "valueCodeableConcept": {"text": "Foster"}}]}, "other"),
        ({"extension": [r.focus("133931009")]}, "other"),
    ],
)
def test_a_result_of_another_is_marked_and_kept_out_of_her_trends(more: dict[str, Any], whose: str) -> None:
    one = r.observation("1", "P-CRP", "NPU19748", "2026-10-14", value=r.quantity("3", "mg/L")) | more
    assert points.another_person(one) == whose
    assert [s.name for s in trends.series([one])] == ([] if whose else ["P-CRP"])
    made = answers.answers(answers.unreported([], [one]), [one])
    assert [finding.whose for answer in made for finding in answer.findings] == ([whose] if whose else [])


def test_a_growth_of_another_says_so() -> None:
    tested = r.susceptibility("1", "Ampicillin", "S", "2026-11-12")
    growth = r.observation("g", "Dyrkning", "", "2026-11-12", text="E. coli", members=("1",))
    growth["focus"] = [{"display": "Giver"}]
    report = r.report("rep", "MBIO", "Mikrobiologi", "2026-11-12", ("g",))
    ((organism,),) = [a.organisms for a in answers.answers([report], [growth, tested])]
    assert organism.whose == "other"


def of_specimen(specimen: dict[str, Any], **more: Any) -> r.Resource:
    made = r.observation("1", "P-CRP", "NPU19748", "2026-10-14", value=r.quantity("3", "mg/L"))
    return made | {"specimen": specimen} | more


def contained(words: str, **more: Any) -> list[dict[str, Any]]:
    return [{"resourceType": "Specimen", "id": "s", "type": {"text": words}, **more}]


def test_what_is_of_another_material_is_another_row_however_that_is_said() -> None:
    results = [
        of_specimen({"reference": "Specimen/1"}),
        of_specimen({"reference": "#s"}, contained=contained("Urin")),
        of_specimen({"display": "Spinalvæske"}),
        of_specimen({"reference": "Specimen/1", "display": "Rør 7"}),
        of_specimen({"reference": "#s"}, contained=contained("Serum")),
    ]
    specimens = [{"resourceType": "Specimen", "id": "1", "type": {"text": "Serum"}}]
    found = trends.series(results, specimens=specimens)
    assert {one.material: len(one.points) for one in found} == {"Serum": 3, "Urin": 1, "Spinalvæske": 1}
    report = r.report("rep", "CLIN", "Svar", "2026-10-14", ("1",))
    (answer,) = answers.answers([report], [results[1]])
    assert answer.material == "Urin"


def test_a_contained_specimen_says_when_it_was_taken_and_that_it_is_no_good() -> None:
    collection = {"collectedDateTime": "2026-10-12"}
    inside = contained("Urin", status="unsatisfactory", collection=collection)
    result = of_specimen({"reference": "#s"}, contained=inside, effectiveDateTime=None)
    point = points.point_of(result)
    assert point is not None
    assert (point.when, point.sample) == (values.when("2026-10-12"), "unsatisfactory")
    before = of_specimen({"reference": "#s"}, contained=contained("Serum", collection=collection))
    assert "material" in others(before, of_specimen({"reference": "#s"}, contained=contained("Urin")))


@pytest.mark.parametrize("status", ["final", "amended", "preliminary"])
def test_a_withdrawn_result_that_comes_again_otherwise_is_corrected_and_keeps_what_was_withdrawn(status: str) -> None:
    taken_back = r.change("withdrawn", RECEIVED, valueQuantity=r.quantity("5", "mmol/L"))
    found = points.point_of(sent("2026-11-20", status=status, extension=[taken_back]))
    assert found and found.old
    assert (found.mark, found.old.number, found.value.number) == ("corrected", 5, 140)


def test_a_withdrawn_result_that_comes_again_as_it_was_is_no_correction() -> None:
    taken_back = r.change("withdrawn", RECEIVED, valueQuantity=r.quantity("140", "mmol/L"))
    found = points.point_of(sent("2026-11-20", extension=[taken_back]))
    assert found and (found.mark, found.old) == ("", None)


@pytest.mark.parametrize(("now", "mark"), [("Ingen tegn til pneumoni.", "corrected"), ("Pneumoni.", "")])
def test_so_is_what_a_report_concludes(now: str, mark: str) -> None:
    report = r.report("r", "RAD", "Røntgen thorax", "2026-11-20", (), category="BLD") | {"conclusion": now}
    report["extension"] = [r.change("withdrawn", RECEIVED, valueString="Pneumoni.")]
    (found,) = answers.answers([report], [])
    assert found.mark == mark
