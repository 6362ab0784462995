"""Answers that are read: findings in order, organism x antibiotic, and the text that was replaced."""

from __future__ import annotations

import inspect
from decimal import Decimal

import pytest

from kjerne.services.results import answers, points, trends
from kjerne.services.results.judging import Flag
from kjerne.services.results.kith import chain
from kjerne.services.results.susceptibility import Level
from pages import resources as r


def test_microbiology_becomes_organism_by_antibiotic() -> None:
    growth = r.observation(
        "g", "U-Bakterier dyrkning", "NPU06073", "2026-11-19", text="E. coli", members=("a", "1", "2")
    )
    amount = r.observation("a", "Mengde", "", "2026-11-19", text="> 100 000 per mL")
    tested = [
        r.susceptibility("1", "Ampicillin", "R", "2026-11-19"),
        r.susceptibility("2", "Mecillinam", "S", "2026-11-19", "0,25"),
    ]
    report = r.report("rep", "MBIO", "Mikrobiologi", "2026-11-19", ("g",))
    (one,) = answers.answers([report], [growth, amount, *tested])
    (organism,) = one.organisms
    assert organism.name == "E. coli"
    assert [(detail.heading, detail.value.text) for detail in organism.details] == [("Mengde", "> 100 000 per mL")]
    assert [(t.antibiotic, t.level) for t in organism.tested] == [
        ("Ampicillin", Level("R", "", "")),
        ("Mecillinam", Level("S", "", "0,25")),
    ]
    assert (organism.mark, {t.mark for t in organism.tested}, {t.old for t in organism.tested}) == ("", {""}, {None})


def test_susceptibilities_never_stand_as_rows_in_the_cumulative_table() -> None:
    growth = r.observation("g", "Dyrkning", "NPU06073", "2026-11-19", text="E. coli", members=("1",))
    tested = r.susceptibility("1", "Ampicillin", "R", "2026-11-19")
    reports = [r.report("rep", "MBIO", "Mikrobiologi", "2026-11-19", ("g",))]
    read = answers.answers(reports, [growth, tested])
    assert answers.in_answers(read, reports, [growth, tested]) == {"g", "1"}


def test_a_radiology_report_is_named_by_its_examinations() -> None:
    text = r.observation("t", "", "", "2026-10-14", text="R: Normale forhold.", members=("e",))
    examined = r.observation("e", "CT thorax", "SSB0AD", "2026-10-14")
    report = r.report("rep", "CT", "CT", "2026-10-14", ("t",), category="BLD")
    (one,) = answers.answers([report], [text, examined])
    assert (one.kind, one.title) == ("radiology", "CT thorax")
    assert [f.value.text for f in one.findings if f.value.text] == ["R: Normale forhold."]


def test_a_replaced_text_keeps_the_former_one_beside_it() -> None:
    former = r.change("corrected", "2026-10-16T12:00:00+02:00", valueCodeableConcept={"text": "Normal."})
    text = r.observation(
        "t", "Mikroskopi", "", "2026-10-14", text="Ikke normal.", status="amended", extension=(former,)
    )
    report = r.report("rep", "HIST", "Histologi", "2026-10-14", ("t",), category="PAT", status="amended")
    (one,) = answers.answers([report], [text])
    (finding,) = one.findings
    assert finding.old is not None
    assert (finding.value.text, finding.mark, finding.old.text) == ("Ikke normal.", "corrected", "Normal.")
    assert not finding.unsettled
    (both,) = answers.answers([report], [text | {"status": "unknown"}])
    assert [(one.mark, one.unsettled) for one in both.findings] == [("corrected", True)]
    assert (both.unsettled, one.unsettled) == (True, False)


def test_a_report_of_numbers_has_nothing_to_read() -> None:
    number = r.observation("n", "P-CRP", "NPU19748", "2026-10-14", value=r.quantity("3", "mg/L"))
    report = r.report("rep", "CLIN", "Biokjemi", "2026-10-14", ("n",))
    (one,) = answers.answers([report], [number])
    assert (one.findings, one.organisms) == ((), ())
    assert answers.in_answers([one], [report], [number]) == frozenset()


def test_a_newborns_number_is_read_in_the_report_and_says_whose_it_is() -> None:
    value = r.quantity("19", "g/dL")
    number = r.observation("n", "B-Hemoglobin", "NPU1", "2026-10-14", value=value, extension=(r.focus("newborn"),))
    report = r.report("rep", "CLIN", "Biokjemi", "2026-10-14", ("n",))
    (one,) = answers.answers([report], [number])
    assert [finding.whose for finding in one.findings] == ["newborn"]
    assert trends.series([number]) == ()


def test_a_circle_of_members_ends() -> None:
    one = r.observation("1", "A", "", "2026-10-14", text="x" * 60, members=("2",))
    two = r.observation("2", "B", "", "2026-10-14", text="y" * 60, members=("1",))
    report = r.report("rep", "CLIN", "Biokjemi", "2026-10-14", ("1",))
    (answer,) = answers.answers([report], [one, two])
    assert len(answer.findings) <= answers.DEPTH_LIMIT + 1


def test_a_report_with_only_a_conclusion_is_read() -> None:
    report = r.report("rep", "MR", "MR", "2026-10-14", (), category="BLD")
    report["conclusion"] = "Ingen tegn til demyelinisering."
    report["conclusionCode"] = [{"text": "Normalt funn"}]
    (one,) = answers.answers([report], [])
    assert one.read
    assert one.conclusion == "Ingen tegn til demyelinisering.\nNormalt funn"
    assert one.comments == ()


def test_a_cancelled_report_without_results_is_read_with_its_comment() -> None:
    report = r.report("rep", "CLIN", "Biokjemi", "2026-10-14", (), status="cancelled")
    report["extension"] = [r.comment("Prøven var merket med feil person.")]
    (one,) = answers.answers([report], [])
    assert (one.read, one.mark, one.comments) == (True, "withdrawn", ("Prøven var merket med feil person.",))


def test_a_report_whose_first_version_never_came_says_so() -> None:
    report = r.report("rep", "CLIN", "Biokjemi", "2026-10-14", (), status="amended")
    report["extension"] = [r.first_missing()]
    plain = r.report("other", "CLIN", "Biokjemi", "2026-10-13", ())
    assert [a.first_missing for a in answers.answers([report, plain], [])] == [True, False]


def test_the_reading_note_is_the_one_that_the_chain_writes() -> None:
    assert points.FIRST_MISSING in inspect.getsource(chain)


def test_a_file_is_named_by_its_binary_by_its_place_or_not_at_all() -> None:
    report = r.report("1", "CLIN", "Svar", "2026-01-01", ())
    report["presentedForm"] = [
        {"contentType": "Application/PDF; version=1.7", "url": "Binary/abc", "size": 1200, "title": "Skannet"},
        {"contentType": "image/png", "data": "AAAA"},
        {"contentType": "application/pdf", "url": "https://elsewhere.test/1"},
    ]
    (answer,) = answers.answers([report], [])
    assert [(one.id, one.type, one.size_bytes, one.title) for one in answer.attached] == [
        ("abc", "application/pdf", 1200, "Skannet"),
        ("1", "image/png", 3, ""),
        ("", "application/pdf", None, ""),
    ]
    assert answer.read, "a report that is only a file is read as one"


def test_a_culture_that_waits_is_named_in_its_report() -> None:
    waits = r.absent(
        "c", "Anaerob blodkultur", "", "2026-11-20", "temp-unknown", status="registered", note="Dag 2 av 5"
    )
    report = r.report("rep", "MBIO", "Mikrobiologi", "2026-11-20", ("c",), status="preliminary")
    (one,) = answers.answers([report], [waits])
    (finding,) = one.findings
    assert (finding.heading, finding.absent, finding.notes) == ("Anaerob blodkultur", "waiting", ("Dag 2 av 5",))


def test_a_laboratory_result_without_a_value_is_told_in_the_table_and_not_again() -> None:
    empty = r.absent("n", "P-Natrium", "NPU03429", "2026-11-20", "unknown", note="Ikke utført: hemolysert")
    report = r.report("rep", "CLIN", "Biokjemi", "2026-11-20", ("n",))
    read = answers.answers([report], [empty])
    assert read[0].findings == ()
    assert answers.in_answers(read, [report], [empty]) == frozenset()
    (series,) = trends.series([empty], reports=[report])
    assert (series.name, series.latest.report) == ("P-Natrium", "rep")


def test_a_corrected_isolate_keeps_what_it_was_called_and_what_it_was_sensitive_to() -> None:
    reports = [r.report("rep", "MBIO", "Mikrobiologi", "2026-11-12", ("g",), status="amended")]
    (one,) = answers.answers(reports, r.corrected_culture("2026-11-12"))
    (organism,) = one.organisms
    assert (organism.name, organism.old, organism.mark) == ("Klebsiella", "E. coli", "corrected")
    assert [(t.antibiotic, t.level, t.old, t.mark) for t in organism.tested] == [
        ("Ampicillin", Level("R", "Resistent", ""), Level("S", "Sensitiv", ""), "corrected"),
        ("Mecillinam", None, Level("S", "Sensitiv", ""), "withdrawn"),
        ("Trimetoprim", Level("S", "Sensitiv", ""), None, ""),
    ]
    assert organism.tested[0].notes == ("Kontrollert med ny metode",)
    assert answers.in_answers([one], reports, r.corrected_culture("2026-11-12")) == {"g", "am", "me", "tr"}


def test_an_isolate_that_was_taken_back_is_still_named() -> None:
    gone = r.change("withdrawn", "2026-11-14", valueCodeableConcept={"text": "E. coli"})
    growth = r.observation("g", "Dyrkning", "", "2026-11-12", status="cancelled", members=("1",), extension=(gone,))
    tested = r.susceptibility("1", "Ampicillin", "S", "2026-11-12")
    report = r.report("rep", "MBIO", "Mikrobiologi", "2026-11-12", ("g",))
    ((organism,),) = [a.organisms for a in answers.answers([report], [growth, tested])]
    assert (organism.name, organism.old, organism.mark) == ("E. coli", "", "withdrawn")


def test_an_isolate_that_stands_in_one_item_and_refers_to_another_is_one() -> None:
    growth = r.observation("g", "Identifikasjon", "", "2026-11-12", text="E. coli", members=("1",), note="Delsvar.")
    bottle = r.observation("b", "Aerob blodkultur", "", "2026-11-12", members=("g",))
    group = r.observation("r", "", "", "2026-11-12", members=("b", "g"))
    tested = r.susceptibility("1", "Ampicillin", "S", "2026-11-12")
    report = r.report("rep", "MBIO", "Mikrobiologi", "2026-11-12", ("r",))
    ((organism,),) = [a.organisms for a in answers.answers([report], [group, bottle, growth, tested])]
    assert (organism.isolate, organism.origin, organism.notes) == (0, "Aerob blodkultur", ("Delsvar.",))


def test_a_minimal_concentration_as_a_number_stands_beside_its_letter() -> None:
    mic = r.observation("1", "Mecillinam", "", "2026-11-12", value=r.quantity("0.25", "mg/L", comparator="<"))
    mic["interpretation"] = [{"coding": [{"system": r.SUSCEPTIBILITY, "code": "S"}]}]
    growth = r.observation("g", "Dyrkning", "", "2026-11-12", text="E. coli", members=("1",))
    report = r.report("rep", "MBIO", "Mikrobiologi", "2026-11-12", ("g",))
    ((organism,),) = [a.organisms for a in answers.answers([report], [growth, mic])]
    assert organism.tested[0].level == Level("S", "", "<0.25 mg/L")


def test_an_antibiotic_alone_is_told_with_its_letter_and_its_concentration() -> None:
    alone = r.susceptibility("1", "Ampicillin", "R", "2026-11-12", "0.25 mg/L")
    report = r.report("rep", "MBIO", "Mikrobiologi", "2026-11-12", ("1",))
    ((finding,),) = [a.findings for a in answers.answers([report], [alone])]
    assert finding.value.text == "R – 0.25 mg/L"


@pytest.mark.parametrize(
    ("code", "name", "title"),
    [
        ("CLIN", "", "Medisinsk biokjemi"),
        ("MBIO", "", "Medisinsk mikrobiologi"),
        ("RTG", "", "Radiologi"),
        ("HIST", "", "Patologi"),
        ("HIST", "Histologi", "Histologi"),
        ("ZZZ", "", ""),
    ],
)
def test_a_report_with_a_code_alone_has_a_name_and_no_raw_code(code: str, name: str, title: str) -> None:
    report = r.report("rep", code, name, "2026-10-14", ())
    assert answers.name_of(report) == title
    assert answers.answers([report], [])[0].title == title


LONG = "Pasienten har vært urolig og sovet lite den siste uken."


def test_a_long_text_that_no_report_names_is_an_answer_of_its_own() -> None:
    alone = r.observation("1", "Notat", "", "2026-11-20") | {"valueString": LONG}
    number = r.observation("2", "P-CRP", "NPU19748", "2026-10-14", value=r.quantity("3", "mg/L"))
    named = r.observation("3", "Notat", "", "2026-11-20", text=LONG)
    report = r.report("rep", "CLIN", "Biokjemi", "2026-10-14", ("3",))
    (made,) = answers.unreported([report], [alone, number, named])
    (one,) = answers.answers([made], [alone, number])
    assert (one.id, one.title, one.when) == ("1", "Notat", points.when("2026-11-20"))
    assert [finding.value.text for finding in one.findings] == [LONG]
    assert answers.in_answers([one], [made], [alone, number]) == {"1"}


def test_a_number_corrected_to_a_long_text_is_told_with_the_number() -> None:
    former = r.change("corrected", "2026-10-16T12:00:00+02:00", valueQuantity=r.quantity("3", "mg/L"))
    text = r.observation("1", "P-CRP", "", "2026-10-14", text=LONG, status="corrected", extension=(former,))
    (made,) = answers.unreported([], [text])
    (one,) = answers.answers([made], [text])
    (finding,) = one.findings
    assert finding.old
    assert (finding.value.text, finding.mark, str(finding.old.number), finding.old.unit) == (
        LONG,
        "corrected",
        "3",
        "mg/L",
    )
    assert one.mark == "corrected"


def test_a_group_that_no_report_names_is_one_answer_and_its_numbers_stay_in_the_table() -> None:
    group = r.observation("1", "Undersøkelse", "", "2026-11-20", members=("2", "3"))
    text = r.observation("2", "Funn", "", "2026-11-20", text=LONG)
    number = r.observation("3", "P-CRP", "NPU19748", "2026-11-20", value=r.quantity("3", "mg/L"))
    made = answers.unreported([], [group, text, number])
    found = answers.answers(made, [group, text, number])
    assert [(one.id, [f.heading for f in one.findings]) for one in found] == [("1", ["Funn"])]
    read = answers.in_answers(found, made, [group, text, number])
    assert [one.name for one in trends.series([group, text, number], leave_out=read)] == ["P-CRP"]


def test_an_examination_without_a_value_of_its_own_is_no_missing_answer() -> None:
    bare = r.observation("1", "CT thorax", "SSB0AD", "2026-10-14")
    report = r.report("rep", "CT", "CT", "2026-10-14", ("1",), category="BLD")
    (one,) = answers.answers([report], [bare])
    assert (one.title, one.findings) == ("CT thorax", ())


def test_a_number_that_others_refer_to_is_in_the_table_with_its_trend() -> None:
    numbers = [
        r.observation("1", "P-Kreatinin", "NPU04998", "2026-11-20", value=r.quantity("87", "umol/L"), members=("2",)),
        r.observation("2", "eGFR", "NPU99999", "2026-11-20", value=r.quantity("61", "mL/min")),
        r.observation("3", "P-Kreatinin", "NPU04998", "2026-10-20", value=r.quantity("80", "umol/L")),
        r.observation("4", "Antall", "", "2026-11-20", members=("2",)) | {"valueInteger": 7},
    ]
    for kind in ("CLIN", "MBIO"):
        reports = [r.report("rep", kind, "Svar", "2026-11-20", ("1", "4"))]
        read = answers.answers(reports, numbers)
        out = answers.in_answers(read, reports, numbers)
        found = trends.series(numbers, reports=reports, leave_out=out)
        told = {one.name: [(str(p.value.number), p.report) for p in one.points] for one in found}
        assert told == {
            "Antall": [("7", "rep")],
            "P-Kreatinin": [("80", ""), ("87", "rep")],
            "eGFR": [("61", "rep")],
        }


def test_a_number_that_was_taken_back_stays_in_its_row_though_others_refer_to_it() -> None:
    gone = r.change("withdrawn", "2026-11-21", valueQuantity=r.quantity("87", "umol/L"))
    void = r.observation("1", "P-Kreatinin", "", "2026-11-20", status="cancelled", members=("2",), extension=(gone,))
    (series,) = trends.series([void])
    assert [(point.mark, str(point.old.number)) for point in series.points if point.old] == [("withdrawn", "87")]


def test_a_growth_with_a_number_says_how_much_beside_its_susceptibilities() -> None:
    growth = r.observation(
        "g", "U-Bakterier", "NPU1", "2026-11-19", value=r.quantity("100000", "CFU/mL"), members=("1",)
    )
    tested = r.susceptibility("1", "Ampicillin", "S", "2026-11-19")
    reports = [r.report("rep", "MBIO", "Mikrobiologi", "2026-11-19", ("g",))]
    (one,) = answers.answers(reports, [growth, tested])
    (organism,) = one.organisms
    said = [(d.heading, str(d.value.number), d.value.unit) for d in organism.details]
    assert (organism.name, said) == ("U-Bakterier", [("U-Bakterier", "100000", "CFU/mL")])
    out = answers.in_answers([one], reports, [growth, tested])
    assert [s.name for s in trends.series([growth, tested], leave_out=out)] == ["U-Bakterier"]


@pytest.mark.parametrize("kind", ["CLIN", "MBIO"])
def test_a_concentration_alone_is_told_with_its_letter(kind: str) -> None:
    mic = r.observation("1", "Mecillinam", "", "2026-11-12", value=r.quantity("0.25", "mg/L", comparator="<"))
    mic["interpretation"] = [{"coding": [{"system": r.SUSCEPTIBILITY, "code": "S"}]}]
    reports = [r.report("rep", kind, "Svar", "2026-11-12", ("1",))]
    (one,) = answers.answers(reports, [mic])
    assert [(f.heading, f.value.text) for f in one.findings] == [("Mecillinam", "S – <0.25 mg/L")]
    assert answers.in_answers([one], reports, [mic]) == {"1"}


CIRCLES = [("2", "1"), ("1", "2"), ("2", "2")]
"""What the first and the second result hold: each other, themselves, and the second both."""


@pytest.mark.parametrize("named", [(), ("1",), ("1", "2")])
@pytest.mark.parametrize("holds", CIRCLES)
def test_results_that_hold_each_other_in_a_circle_are_each_shown(
    holds: tuple[str, str], named: tuple[str, ...]
) -> None:
    one = r.observation("1", "A", "", "2026-10-14", text="Funn A.", members=(holds[0],))
    two = r.observation("2", "B", "", "2026-10-14", text=LONG, members=(holds[1],))
    reports = [r.report("rep", "CLIN", "Biokjemi", "2026-10-14", named)] if named else []
    every = [*reports, *answers.unreported(reports, [one, two])]
    found = answers.answers(every, [one, two])
    assert sorted(f.heading for a in found for f in a.findings) == ["A", "B"]


def test_findings_deeper_than_is_followed_are_told_all_the_same() -> None:
    depth = 3 * answers.DEPTH_LIMIT
    nested = [
        r.observation(str(n), f"Funn {n}", "", "2026-10-14", text=LONG, members=(str(n + 1),)) for n in range(depth)
    ]
    report = r.report("rep", "HIST", "Histologi", "2026-10-14", ("0",))
    (one,) = answers.answers([report], nested)
    assert [f.heading for f in one.findings] == [f"Funn {n}" for n in range(depth)]


def test_a_text_under_the_heading_of_a_group_has_no_heading() -> None:
    def of(code: str, words: str) -> str:
        text = r.observation("t", words, "", "2026-10-14", text="R: Normale forhold.")
        text["code"]["coding"] = [{"system": "urn:oid:2.16.578.1.12.4.1.1.8243", "code": code, "display": words}]
        report = r.report("rep", "CT", "CT", "2026-10-14", ("t",), category="BLD")
        return answers.answers([report], [text])[0].findings[0].heading

    assert [of("GR", "Gruppe"), of("VU", "Vurdering")] == ["", "Vurdering"]


def test_what_is_told_in_text_keeps_its_flag_its_range_and_the_words_of_its_flag() -> None:
    at, newborn = "2026-11-19", (r.focus("newborn"),)
    glucose = r.observation(
        "g", "P-Glukose", "NPU02192", at, value=r.quantity("1.4", "mmol/L"), low="2.6", high="6.0", flag="2",
        extension=newborn,
    )  # fmt: skip
    told = r.observation("t", "P-Bilirubin", "", at, value=r.quantity("412", "umol/L"), extension=newborn)
    told["interpretation"] = [{"text": "Faresone"}]
    gone = r.observation("x", "P-Natrium", "", at, text="Lav", flag="2", status="cancelled", extension=newborn)
    report = r.report("rep", "CLIN", "Biokjemi", at, ("g", "t", "x"))
    (one,) = answers.answers([report], [glucose, told, gone])
    low, words, withdrawn = one.findings
    assert low.flag == Flag("low", ours=False)
    assert (low.range.low, low.range.high) == (Decimal("2.6"), Decimal("6.0"))
    assert (words.flag, words.words) == (None, "Faresone")
    assert (withdrawn.mark, withdrawn.flag) == ("withdrawn", None)
    assert sum(1 for it in one.judged if it.flag) == 1


def test_a_growth_and_what_stands_beside_it_are_flagged_once_each_and_numbers_in_the_table() -> None:
    at = "2026-11-19"
    growth = r.observation("g", "Dyrkning", "", at, text="E. coli", flag="3", members=("a", "n", "s"))
    growth["component"] = [{"code": {"text": "Ytterligere svar"}, "valueString": "rikelig"}]
    amount = r.observation("a", "Mengde", "", at, text="> 100 000", flag="3")
    count = r.observation("n", "Leukocytter", "", at, value=r.quantity("40", "/uL"), high="10")
    tested = r.susceptibility("s", "Ampicillin", "R", at)
    (one,) = answers.answers([r.report("rep", "MBIO", "Mikrobiologi", at, ("g",))], [growth, amount, count, tested])
    (organism,) = one.organisms
    assert organism.flag == Flag("outside", ours=False)
    assert [(it.heading, it.flag and it.flag.kind) for it in organism.details] == [
        ("Dyrkning", None), ("Mengde", "outside"), ("Leukocytter", "high")
    ]  # fmt: skip
    assert sum(1 for it in one.judged if it.flag) == 2, "the count stands in the table and is counted there"
