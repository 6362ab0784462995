"""Trends: what may be joined, what each point keeps, and that the table loses nothing."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results import judging, points, trends, values
from kjerne.services.results.judging import Flag
from kjerne.services.results.kith import ranges
from kjerne.services.results.values import Value
from pages import resources as r

HB = ("B-Hemoglobin", "NPU28309")


def hb(number: str, at: str, value: str, unit: str = "g/dL", **more: object) -> r.Resource:
    comparator = str(more.pop("comparator", ""))
    made = r.quantity(value, unit, comparator=comparator)
    return r.observation(number, *HB, at, value=made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (hb("1", "2026-01-01", "12"), hb("2", "2026-02-01", "7.4", "mmol/L")),
        (hb("1", "2026-01-01", "12"), hb("2", "2026-02-01", "12", specimen="urine")),
        (hb("1", "2026-01-01", "12"), hb("2", "2026-02-01", "12", method="Fotometri")),
        (
            hb("1", "2026-01-01", "12"),
            r.observation("2", "B-Hemoglobin", "NPU00001", "2026-02-01", value=r.quantity("12", "g/dL")),
        ),
    ],
    ids=["unit", "material", "method", "code"],
)
def test_a_trend_never_joins_across_a_change(one: r.Resource, other: r.Resource) -> None:
    specimens = [{"resourceType": "Specimen", "id": "urine", "type": {"text": "Urin"}}]
    assert [len(s.points) for s in trends.series([one, other], specimens=specimens)] == [1, 1]


def test_two_spellings_of_one_unit_are_one_series() -> None:
    name = ("B-Leukocytter", "NPU02593")
    spelled = [("1", "10^9/L"), ("2", "10E9/L"), ("3", "x10*9/l")]
    found = trends.series(
        r.observation(n, *name, f"2026-0{n}-01", value=r.quantity("6", unit, code="10*9/L")) for n, unit in spelled
    )
    assert len(found) == 1
    assert len(found[0].points) == 3


def test_each_point_keeps_its_own_range() -> None:
    rows = [hb("1", "2026-01-01", "12", low="11", high="15"), hb("2", "2026-02-01", "12", low="11.7", high="15.3")]
    (one,) = trends.series(rows)
    assert [(p.range.low, p.range.high) for p in one.points] == [
        (Decimal(11), Decimal(15)),
        (Decimal("11.7"), Decimal("15.3")),
    ]


@pytest.mark.parametrize(
    ("value", "comparator", "low", "high", "lab", "expected"),
    [
        ("16", "", "11", "15", "1", Flag("high", ours=False)),
        ("16", "", "11", "15", "", Flag("high", ours=True)),
        ("10", "", "11", "15", "", Flag("low", ours=True)),
        ("15", "", "11", "15", "", None),
        ("16", "", "11", "15", "3", Flag("outside", ours=False)),
        ("5", "<", "11", "15", "", Flag("low", ours=True)),
        ("20", "<", "11", "15", "", None),
        ("100", ">", "", "15", "", Flag("high", ours=True)),
        ("5", ">", "11", "15", "", None),
        ("16", "", "", "", "", None),
    ],
)
def test_the_laboratorys_flag_stands_and_ours_is_marked_as_ours(
    value: str, comparator: str, low: str, high: str, lab: str, expected: Flag | None
) -> None:
    (one,) = trends.series([hb("1", "2026-01-01", value, comparator=comparator, low=low, high=high, flag=lab)])
    assert one.latest.flag == expected


@pytest.mark.parametrize(
    ("value", "comparator", "low", "high", "lab", "inside"),
    [
        ("12", "", "11", "15", "", True),
        ("16", "", "11", "15", "", False),
        ("16", "", "11", "15", "N", False),
        ("12", "", "", "", "", False),
        ("20", "<", "11", "15", "", False),
        ("12", "<", "11", "15", "", False),
        ("5", "<", "", "5", "", True),
        ("60", ">", "60", "", "", True),
        ("12", "", "11", "15", "3", False),
    ],
)
def test_inside_is_only_said_where_it_is_certain(
    value: str, comparator: str, low: str, high: str, lab: str, inside: bool
) -> None:
    (one,) = trends.series([hb("1", "2026-01-01", value, comparator=comparator, low=low, high=high, flag=lab)])
    assert one.latest.inside is inside


def test_a_limit_is_an_open_point_and_keeps_its_comparator() -> None:
    (one,) = trends.series([hb("1", "2026-01-01", "5", comparator="<")])
    assert one.latest.value == Value(Decimal(5), "<", "g/dL")


def test_decimals_are_kept_exactly_as_sent() -> None:
    (one,) = trends.series([hb("1", "2026-01-01", "12.10")])
    assert str(one.latest.value.number) == "12.10"


def test_a_corrected_result_shows_the_old_value() -> None:
    former = r.change("corrected", "2026-01-03T08:00:00+01:00", valueQuantity=r.quantity("11.2", "g/dL"))
    (one,) = trends.series([hb("1", "2026-01-01", "12.1", status="amended", extension=(former,))])
    assert one.latest.mark == "corrected"
    assert one.latest.old == Value(Decimal("11.2"), "", "g/dL")


def test_a_withdrawn_result_stays_in_its_series_without_a_flag() -> None:
    former = r.change("withdrawn", "2026-02-03T08:00:00+01:00", valueQuantity=r.quantity("19", "g/dL"))
    gone = r.observation("2", *HB, "2026-02-01", status="cancelled", high="15", extension=(former,))
    (one,) = trends.series([hb("1", "2026-01-01", "12"), gone])
    assert [(p.mark, p.flag) for p in one.points] == [("", None), ("withdrawn", None)]
    assert one.points[-1].old == Value(Decimal(19), "", "g/dL")
    assert not one.numeric, "one number that stands is no development"


@pytest.mark.parametrize("whose", ["newborn", "fetus", "donor", "related"])
def test_another_persons_material_is_kept_out_of_her_trends(whose: str) -> None:
    assert trends.series([hb("1", "2026-01-01", "19", extension=(r.focus(whose),))]) == ()


def test_a_date_without_a_time_is_never_moved() -> None:
    assert values.when("2026-03-29") == values.When(date(2026, 3, 29))


def test_a_late_evening_in_gmt_is_the_next_day_in_oslo() -> None:
    found = values.when("2026-06-30T22:30:00Z")
    assert found is not None
    assert found.day == date(2026, 7, 1)


def test_the_newest_date_stands_first_and_rows_in_clinical_groups() -> None:
    urine = r.observation("3", "U-Albumin", "NPU1", "2026-02-01", value=r.quantity("3", "mg/L"))
    table = trends.cumulative(trends.series([urine, hb("1", "2026-01-01", "12"), hb("2", "2026-03-01", "13")]))
    assert [column.day.month for column in table.columns] == [3, 2, 1]
    assert [group.key for group in table.groups] == ["blood", "urine"]


def test_a_long_text_and_a_container_are_no_table_values() -> None:
    long = r.observation("1", "Vurdering", "", "2026-01-01", text="ord " * 30)
    group = r.observation("2", "Gruppe", "", "2026-01-01", text="Se under", members=("1",))
    assert trends.series([long, group]) == ()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["g/dL", "mmol/L"]),
            st.dates(date(2020, 1, 1), date(2026, 11, 1)),
            st.decimals(0, 1000, places=2, allow_nan=False),
        ),
        max_size=25,
    )
)
def test_every_value_stands_in_the_table_exactly_once(rows: list[tuple[str, date, Decimal]]) -> None:
    sent = [hb(str(i), day.isoformat(), str(value), unit) for i, (unit, day, value) in enumerate(rows)]
    table = trends.cumulative(trends.series(sent))
    shown = [p for row in table.rows for cell in row.cells for p in cell]
    assert sorted(p.id for p in shown) == sorted(o["id"] for o in sent)
    assert {p.id: str(p.value.number) for p in shown} == {str(i): str(value) for i, (_, _, value) in enumerate(rows)}
    for row in table.rows:
        assert len(row.cells) == len(table.columns)
        assert {p.value.unit for p in row.series.points} == {row.series.unit}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_latest_of_one_sample_time_is_the_newest_version_that_stands(order: tuple[int, ...]) -> None:
    at = "2026-01-01T08:00:00+01:00"
    gone = r.change("withdrawn", "2026-01-05T08:00:00+01:00", valueQuantity=r.quantity("19", "g/dL"))
    rows = [
        hb("old", at, "11", issued="2026-01-02T08:00:00+01:00"),
        hb("new", at, "12", issued="2026-01-03T08:00:00+01:00"),
        hb("gone", at, "19", issued="2026-01-05T08:00:00+01:00", status="cancelled", extension=(gone,)),
    ]
    (one,) = trends.series([rows[place] for place in order])
    assert one.latest.id == "new"


def test_results_of_one_moment_share_a_cell_that_takes_the_worst_flag() -> None:
    at = "2026-01-01T08:00:00+01:00"
    rows = [hb("1", at, "12", low="11", high="15"), hb("2", at, "13", flag="3"), hb("3", at, "16", high="15")]
    (row,) = trends.cumulative(trends.series(rows)).rows
    (cell,) = row.cells
    assert [p.id for p in cell] == ["1", "2", "3"]
    assert cell.worst == Flag("high", ours=True)


def test_a_cell_without_a_flag_has_no_worst_one() -> None:
    (row,) = trends.cumulative(trends.series([hb("1", "2026-01-01", "12")])).rows
    assert row.cells[0].worst is None


def test_spellings_of_a_unit_without_a_code_are_one_series_shown_in_one_way() -> None:
    name = ("B-Leukocytter", "NPU02593")
    spelled = [("1", "10^9/L"), ("2", "10E9/L"), ("3", "x10*9/l")]
    (one,) = trends.series(r.observation(n, *name, f"2026-0{n}-01", value=r.quantity("6", unit)) for n, unit in spelled)
    assert (len(one.points), one.unit) == (3, "10⁹/L")


@pytest.mark.parametrize(
    ("code", "sent", "shown"),
    [("umol/L", "umol/l", "µmol/L"), ("1", "0", ""), ("[IU]/L", "IE/L", "IE/L"), ("poeng", "poeng", "poeng")],
)
def test_a_unit_is_shown_by_its_code_where_we_know_it_and_else_as_sent(code: str, sent: str, shown: str) -> None:
    assert values.unit_shown(code, sent) == shown


def test_rows_kept_apart_say_what_parts_them() -> None:
    specimens = [{"resourceType": "Specimen", "id": "s", "type": {"text": "Plasma"}}]
    local = r.observation("3", "B-Hemoglobin", "", "2026-02-01", value=r.quantity("12", "g/dL"))
    local["code"]["coding"] = [{"system": "urn:oid:2.16.578.1.12.4.1.1.8212", "code": "HB"}]
    rows = [hb("1", "2026-01-01", "12", specimen="s"), hb("2", "2026-02-01", "7.4", "mmol/L"), local]
    said = {row.series.latest.id: row.apart for row in trends.cumulative(trends.series(rows, specimens=specimens)).rows}
    assert said == {
        "1": (("unit", "g/dL"), ("material", "Plasma"), ("code", "NPU28309")),
        "2": (("unit", "mmol/L"), ("material", ""), ("code", "NPU28309")),
        "3": (("unit", "g/dL"), ("material", ""), ("local-code", "HB")),
    }


def test_a_row_alone_says_nothing_more_than_its_name() -> None:
    (row,) = trends.cumulative(trends.series([hb("1", "2026-01-01", "12", method="Fotometri")])).rows
    assert row.apart == ()


def test_a_nested_result_belongs_to_the_report_it_names_itself() -> None:
    url = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-diagnostic-report-ref"
    nested = hb(
        "1", "2026-01-01", "12", extension=({"url": url, "valueReference": {"reference": "DiagnosticReport/d"}},)
    )
    (one,) = trends.series([nested])
    assert one.latest.report == "d"


def test_a_point_knows_that_the_first_version_of_its_report_never_came() -> None:
    report = r.report("rep", "CLIN", "Biokjemi", "2026-01-01", ("1",), status="amended")
    report["extension"] = [r.first_missing()]
    rows = [hb("1", "2026-01-01", "12", status="amended"), hb("2", "2026-02-01", "12")]
    (one,) = trends.series(rows, reports=[report])
    assert [p.first_missing for p in one.points] == [True, False]


def test_only_what_is_outside_now_is_left_with_the_dates_it_has() -> None:
    rows = [
        hb("1", "2026-01-01", "9", low="11.7"),
        hb("2", "2026-03-01", "8", low="11.7"),
        r.observation("3", "P-CRP", "NPU19748", "2026-01-01", value=r.quantity("90", "mg/L"), high="5"),
        r.observation("4", "P-CRP", "NPU19748", "2026-02-01", value=r.quantity("2", "mg/L"), high="5"),
    ]
    left = trends.flagged(trends.cumulative(trends.series(rows)))
    assert [row.series.name for row in left.rows] == ["B-Hemoglobin"], "P-CRP was high once and is not now"
    assert [column.day.month for column in left.columns] == [3, 1]
    assert [[p.id for p in cell] for cell in left.rows[0].cells] == [["2"], ["1"]]


def test_nothing_outside_leaves_an_empty_table() -> None:
    left = trends.flagged(trends.cumulative(trends.series([hb("1", "2026-01-01", "13", low="11.7")])))
    assert (left.rows, left.columns, left.groups) == ((), (), ())


def test_the_latest_is_the_last_that_stands_and_what_came_after_is_told_beside_it() -> None:
    former = r.change("withdrawn", "2026-11-19T08:00:00+01:00", valueQuantity=r.quantity("7.9", "mmol/L"))
    name = ("P-Kalium", "NPU03230")
    rows = [
        r.observation("1", *name, "2026-10-02", value=r.quantity("4.1", "mmol/L")),
        r.observation("2", *name, "2026-11-02", value=r.quantity("4.4", "mmol/L")),
        r.observation("3", *name, "2026-11-18", status="cancelled", high="5.0", extension=(former,)),
        r.absent("4", *name, "2026-11-20", "temp-unknown", status="registered"),
    ]
    (one,) = trends.series(rows)
    assert (one.latest.id, [p.id for p in one.newer], [p.id for p in one.earlier]) == ("2", ["4", "3"], ["1"])


def test_where_nothing_stands_the_newest_of_all_is_the_latest() -> None:
    former = r.change("withdrawn", "2026-11-19T08:00:00+01:00", valueQuantity=r.quantity("19", "g/dL"))
    (one,) = trends.series([r.observation("1", *HB, "2026-11-18", status="cancelled", extension=(former,))])
    assert (one.latest.id, one.newer, one.earlier) == ("1", (), ())


@pytest.mark.parametrize(
    ("reason", "status", "absent"),
    [
        ("unknown", "final", "unknown"),
        ("not-performed", "final", "not-performed"),
        ("temp-unknown", "registered", "waiting"),
        ("temp-unknown", "preliminary", "waiting"),
        ("error", "final", "unknown"),
    ],
)
def test_a_result_without_a_value_says_why_and_keeps_its_comment(reason: str, status: str, absent: str) -> None:
    (one,) = trends.series([r.absent("1", *HB, "2026-11-20", reason, status=status, note="Hemolysert, send ny prøve")])
    (point,) = one.points
    assert (point.absent, point.mark, point.flag, point.inside) == (absent, "", None, False)
    assert point.notes == ("Hemolysert, send ny prøve",)


def test_a_result_without_a_value_stands_in_the_row_of_its_analysis() -> None:
    waits = r.absent("2", *HB, "2026-11-20", "temp-unknown", status="registered")
    (one,) = trends.series([waits, hb("1", "2026-11-02", "12")])
    assert ([p.id for p in one.points], one.unit) == (["1", "2"], "g/dL")
    apart = trends.series([waits, hb("1", "2026-11-02", "12"), hb("3", "2026-11-02", "7.4", "mmol/L")])
    assert sorted((s.unit, len(s.points)) for s in apart) == [("", 1), ("g/dL", 1), ("mmol/L", 1)], (
        "of two rows neither"
    )


def test_what_only_waited_and_was_left_out_was_not_taken_back() -> None:
    left = r.absent(
        "1", *HB, "2026-11-20", "not-performed", status="cancelled", extension=(r.change("not-repeated", ""),)
    )
    back = r.absent("2", *HB, "2026-11-20", "not-performed", status="cancelled")
    assert [(p.mark, p.absent) for p in (points.point_of(left), points.point_of(back)) if p] == [
        ("not-repeated", "unknown"),
        ("withdrawn", ""),
    ]


def test_what_was_preliminary_and_was_left_out_is_said_no_more_and_was_not_taken_back() -> None:
    said = r.change("not-repeated", "", valueQuantity=r.quantity("6.8", "mmol/L"))
    left = r.absent("1", "P-Kalium", "NPU03230", "2026-11-20", "not-performed", status="cancelled", extension=(said,))
    point = points.point_of(left)
    assert point and point.old
    assert (point.mark, str(point.old.number), point.value.told, point.absent) == ("not-repeated", "6.8", False, "")
    assert not (point.tells or point.stands or point.inside), "it takes no place of what stands"
    (one,) = trends.series(
        [left, r.observation("2", "P-Kalium", "NPU03230", "2026-11-02", value=r.quantity("4.2", "mmol/L"))]
    )
    assert one.latest.id == "2"


def test_a_heading_that_says_nothing_is_no_point() -> None:
    report = {"url": f"urn:x{points.REPORT_OF}", "valueReference": {"reference": "DiagnosticReport/9"}}
    assert points.point_of(r.observation("1", "Dyrkning", "", "2026-11-20", extension=(report,))) is None
    group = r.absent("2", "Dyrkning", "", "2026-11-20", "temp-unknown", status="registered", members=("1",))
    assert points.point_of(group) is None, "its members say theirs"


@pytest.mark.parametrize(
    ("codings", "text", "shown"),
    [
        ([{"system": r.SUSCEPTIBILITY, "code": "R", "display": "Resistent"}], "0.25 mg/L", "Resistent – 0.25 mg/L"),
        ([{"system": r.SUSCEPTIBILITY, "code": "R"}], "0.25 mg/L", "R – 0.25 mg/L"),
        ([{"system": "8340", "code": "POS", "display": "Påvist"}], "se kommentar under", "Påvist – se kommentar under"),
        ([{"system": "8340", "code": "POS", "display": "Påvist"}], "Påvist", "Påvist"),
        ([{"code": "A", "display": "Rubella"}, {"code": "B", "display": "Immun"}], "Rubella, Immun", "Rubella, Immun"),
        ([{"system": values.HEADING, "code": "LR", "display": "Laboratorieresultat"}], "Negativ", "Negativ"),
        ([{"code": "T02110"}, {"code": "M40000"}], "Liten hudbiopsi.", "Liten hudbiopsi. (T02110, M40000)"),
        ([{"code": "T02110"}, {"code": "M40000"}], "", "T02110, M40000"),
        ([], "Negativ", "Negativ"),
    ],
)
def test_a_coded_answer_and_the_text_beside_it_are_both_shown(codings: list[r.Resource], text: str, shown: str) -> None:
    value = values.value_of({"valueCodeableConcept": {"coding": codings, "text": text}})
    assert value == Value(text=shown)


def judged(value: str, text: str) -> tuple[Flag | None, bool]:
    """Our flag for a value beside a range in a laboratory's words, and whether it is told to be inside."""
    sign, number = (value[:1], value[1:]) if value[0] in "<>" else ("", value)
    if number.startswith("="):
        sign, number = sign + "=", number[1:]
    limits = ranges.limits(text)
    assert limits is not None
    span = judging.Range(limits.low, limits.high, text)
    one = values.Value(Decimal(number), sign)
    return judging.flag_of({}, one, span), span.holds(one)


HIGH, LOW = Flag("high", ours=True), Flag("low", ours=True)


@pytest.mark.parametrize(
    ("value", "text", "flag", "inside"),
    [
        ("14", "< 14", HIGH, False),
        ("14", "under 14", HIGH, False),
        ("13.9", "< 14", None, True),
        ("14", "<= 14", None, True),
        ("14", "≤ 14", None, True),
        ("14", "=< 14", None, True),
        ("14", "inntil 14", None, True),
        ("14", "3 - 14", None, True),
        ("60", "> 60", LOW, False),
        ("60", ">= 60", None, True),
        ("60", "minst 60", None, True),
        (">1000", "0 - 1000", HIGH, False),
        (">=1000", "0 - 1000", None, False),
        (">=1000", "< 1000", HIGH, False),
        ("<5", "5 - 100", LOW, False),
        ("<=5", "5 - 100", None, False),
        ("<14", "< 14", None, True),
        ("<=14", "< 14", None, False),
        ("<20", "< 14", None, False),
        (">60", "> 60", None, True),
    ],
)
def test_the_limit_itself_is_outside_where_the_laboratory_writes_it_so(
    value: str, text: str, flag: Flag | None, inside: bool
) -> None:
    assert judged(value, text) == (flag, inside)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["", "<", "<=", ">", ">="]),
    st.integers(0, 4),
    st.sampled_from(["1 - 3", "< 2", "<= 2", "> 2", ">= 2"]),
    st.sampled_from([Decimal(n) / 2 for n in range(-2, 12)]),
)
def test_what_is_told_of_a_value_is_true_of_all_that_it_can_be(
    sign: str, number: int, text: str, real: Decimal
) -> None:
    fits = {"": real == number, "<": real < number, "<=": real <= number, ">": real > number, ">=": real >= number}
    if not fits[sign]:
        return
    flag, inside = judged(f"{sign}{number}", text)
    over = {"1 - 3": real > 3, "< 2": real >= 2, "<= 2": real > 2}.get(text, False)
    under = {"1 - 3": real < 1, "> 2": real <= 2, ">= 2": real < 2}.get(text, False)
    assert (flag != HIGH or over) and (flag != LOW or under) and (not inside or not (over or under))


def test_a_laboratory_that_calls_the_limit_normal_is_not_contradicted() -> None:
    normal = hb("1", "2026-01-01", "14", high="14")
    normal["referenceRange"][0]["text"] = "< 14"
    normal["interpretation"] = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": "N"}]}
    ]
    (one,) = trends.series([normal])
    assert (one.latest.flag, one.latest.inside) == (None, False)


CRP, WHITE = ("P-CRP", "NPU19748"), ("B-Leukocytter", "NPU02593")


def wrong_analysis(at: str) -> r.Resource:
    """CRP 88 mg/L that was found to be leukocytes."""
    former = r.change("corrected", "2026-11-21T12:00:00+01:00", valueQuantity=r.quantity("88", "mg/L", code="mg/L"))
    value = r.quantity("88", "10*9/L", code="10*9/L")
    return r.observation("w", *WHITE, at, value=value, status="amended", extension=(r.renamed(former, *CRP),))


def test_a_corrected_analysis_stays_struck_where_it_stood_and_each_names_the_other() -> None:
    crp = r.observation("1", *CRP, "2026-10-01", value=r.quantity("3", "mg/L", code="mg/L"), specimen="s")
    rows = {s.name: s for s in trends.series([wrong_analysis("2026-11-20"), crp])}
    assert rows.keys() == {"P-CRP", "B-Leukocytter"}
    (white,) = rows["B-Leukocytter"].points
    assert (white.mark, white.was, white.old) == ("corrected", "P-CRP", Value(Decimal(88), "", "mg/L"))
    stands, struck = rows["P-CRP"].points
    assert (struck.mark, struck.became, struck.old) == ("withdrawn", "B-Leukocytter", white.old)
    assert (struck.flag, struck.inside, rows["P-CRP"].latest) == (None, False, stands)


def test_a_corrected_analysis_is_the_only_row_of_what_it_was_where_there_is_no_other() -> None:
    rows = {s.name: s for s in trends.series([wrong_analysis("2026-11-20")])}
    assert (rows["P-CRP"].unit, rows["P-CRP"].latest.became) == ("mg/L", "B-Leukocytter")
    assert rows["P-CRP"].latest.id != rows["B-Leukocytter"].latest.id
