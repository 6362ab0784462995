"""What results were found in, and when: a number of a specimen that is used again takes nothing from them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results.kith import chain, mapping

from .conftest import Kith, Tree

SUGAR, PROTEIN, BLOOD = "NPU02192", "NPU03918", "NPU02319"
MORNING, NEXT_DAY = "2026-03-01T08:00:00", "2026-03-02T08:00:00"


def specimen(
    name: str = "Blod", code: str = "B", at: str = MORNING, number: str = "1", inside: str = "", extra: str = ""
) -> str:
    taken = f"<CollectedSample><CollectedDate V='{at}'/></CollectedSample>" if at else ""
    kind = f"<TypeCoded S='{Kith.OID}8351' V='{code}' DN='{name}'/>" if code else ""
    return (
        f"<AnalysedSubject>{taken}{kind}{extra}<IdByServProvider>{number}</IdByServProvider>{inside}</AnalysedSubject>"
    )


CORD = specimen("Navlestrengsblod", "X")


def result(code: str, number: str = "5.0", service: str = "N", of: str = "1", id_: str = "") -> str:
    """A result of the specimen with this number, if it names one."""
    made = Kith.item(code, Kith.number(number), service=service, id_=id_ or code)
    return made.replace("</ResultItem>", f"<RefAnalysedSubject>{of}</RefAnalysedSubject></ResultItem>") if of else made


def version(minute: int, items: str, subjects: str, service: str = "N", **more: Any) -> chain.Versioned:
    status = "A" if service == "A" else more.pop("status", "F")
    raw = Kith.report(items, service=service, status=status, subjects=subjects, **more)
    raw = Kith.message(raw, id_=f"M-{minute}", generated=f"2026-03-03T12:{minute:02}:00")
    return chain.versions(Kith.understood(raw))[0]


def trees(*versions: chain.Versioned) -> list[Tree]:
    folded = chain.fold(versions)
    for order in permutations(versions):
        assert chain.fold((*order, *versions)) == folded, "neither order nor repetition may matter"
    return mapping.resources(folded, lambda type_, key: f"{type_}:{key}")


def told(found: list[Tree]) -> dict[str, tuple[str, str, str, list[str]]]:
    """By code: the day and hour it was taken, its material, whose it is where that is another's, and kinds of change."""
    samples = {f"Specimen/{one['id']}": one for one in found if one["resourceType"] == "Specimen"}
    said = {}
    for one in Kith.observations(found):
        sample = samples.get(one.get("specimen", {}).get("reference"), {})
        whose = [e["valueCodeableConcept"]["coding"][0]["code"] for e in one["extension"] if "focusCode" in e["url"]]
        changes = [e["extension"][0]["valueCode"] for e in one["extension"] if e["url"].endswith("/change")]
        material = sample.get("type", {}).get("text", "")
        said[one["code"]["coding"][0]["code"]] = (one["effectiveDateTime"][:13], material, "".join(whose), changes)
    return said


FIRST = version(1, result(SUGAR), specimen())


@pytest.mark.parametrize(
    ("other", "is_told"),
    [
        (specimen(at=NEXT_DAY), ("2026-03-02T08", "Blod", "")),
        (specimen("Urin", "U"), ("2026-03-01T08", "Urin", "")),
        (CORD, ("2026-03-01T08", "Navlestrengsblod", "newborn")),
    ],
    ids=["another time", "another material", "another being"],
)
@pytest.mark.parametrize(("service", "left"), [("A", []), ("M", ["not-repeated"]), ("N", [])])
def test_a_number_of_another_specimen_takes_nothing_from_a_result_that_is_not_sent_again(
    other: str, is_told: tuple[str, str, str], service: str, left: list[str]
) -> None:
    found = trees(FIRST, version(2, result(PROTEIN), other, service))
    assert told(found) == {SUGAR: ("2026-03-01T08", "Blod", "", left), PROTEIN: (*is_told, [])}
    assert len([one for one in found if one["resourceType"] == "Specimen"]) == 2


def test_a_newborns_result_stays_the_newborns_and_the_mothers_the_mothers() -> None:
    of_cord = version(1, result(BLOOD, "18"), CORD)
    assert told(trees(of_cord, version(2, result(PROTEIN), specimen(), "A"))) == {
        BLOOD: ("2026-03-01T08", "Navlestrengsblod", "newborn", []),
        PROTEIN: ("2026-03-01T08", "Blod", "", []),
    }
    bare = specimen(code="", at="")
    assert told(trees(of_cord, version(2, result(PROTEIN), bare, "A")))[BLOOD][1:3] == ("Navlestrengsblod", "newborn")
    unsaid = version(1, result(BLOOD, "12"), bare)
    assert told(trees(unsaid, version(2, result(PROTEIN), CORD, "A")))[BLOOD][2] == ""


@pytest.mark.parametrize("service", ["N", "A"])
def test_the_same_analysis_of_mother_and_child_is_two_results(service: str) -> None:
    of_cord = version(1, result(BLOOD, "18", id_="1"), CORD)
    found = trees(of_cord, version(2, result(BLOOD, "18", id_="1"), specimen(), service))
    whose = [any("focusCode" in e["url"] for e in one["extension"]) for one in Kith.observations(found)]
    assert sorted(whose) == [False, True]


def test_a_specimen_that_is_corrected_with_all_its_results_stays_one_record() -> None:
    changed = version(2, result(SUGAR, service="H"), specimen(at=NEXT_DAY), "M")
    found = trees(FIRST, changed)
    assert told(found) == {SUGAR: ("2026-03-02T08", "Blod", "", ["corrected"])}
    [one] = [tree for tree in found if tree["resourceType"] == "Specimen"]
    assert one["id"] == "Specimen:0:1"


def test_what_a_change_of_a_sample_time_leaves_out_keeps_the_time_that_it_had() -> None:
    both = version(1, result(SUGAR) + result(PROTEIN), specimen())
    changed = version(2, result(SUGAR, service="H"), specimen(at=NEXT_DAY), "M")
    assert told(trees(both, changed)) == {
        SUGAR: ("2026-03-02T08", "Blod", "", ["corrected"]),
        PROTEIN: ("2026-03-01T08", "Blod", "", ["not-repeated"]),
    }


def test_an_addition_that_says_more_of_a_specimen_and_nothing_else_is_about_that_very_one() -> None:
    more = specimen(at="", extra="<AnatomicalOrigin>Venstre arm</AnatomicalOrigin>")
    found = trees(FIRST, version(2, result(PROTEIN), more, "A"))
    assert told(found) == {SUGAR: ("2026-03-01T08", "Blod", "", []), PROTEIN: ("2026-03-01T08", "Blod", "", [])}
    [one] = [tree for tree in found if tree["resourceType"] == "Specimen"]
    assert one["collection"]["bodySite"] == {"text": "Venstre arm"}


def test_specimens_that_are_numbered_anew_go_with_their_results() -> None:
    urine = specimen("Urin", "U", number="2")
    first = version(1, result(SUGAR) + result(PROTEIN, of="2"), specimen() + urine, status="P")
    anew = specimen(number="2") + specimen("Urin", "U")
    found = trees(first, version(2, result(SUGAR, of="2") + result(PROTEIN), anew))
    assert told(found) == {SUGAR: ("2026-03-01T08", "Blod", "", []), PROTEIN: ("2026-03-01T08", "Urin", "", [])}


def test_a_slide_goes_with_the_material_that_it_was_made_from() -> None:
    def biopsy(at: str) -> str:
        return specimen("Biopsi", "BX", at, inside=specimen("Glass", "GL", "", number="1a"))

    first = version(1, result(SUGAR, of="1a"), biopsy(MORNING))
    added = version(2, result(PROTEIN, of="1a"), biopsy(NEXT_DAY), "A")
    found = trees(first, added)
    assert {code: one[0] for code, one in told(found).items()} == {SUGAR: "2026-03-01T08", PROTEIN: "2026-03-02T08"}
    parents = {one["id"]: one["parent"] for one in found if "parent" in one}
    assert len({str(one) for one in parents.values()}) == 2


@pytest.mark.parametrize("service", ["M", "N", "A"])
def test_a_version_without_specimens_leaves_results_where_they_were_found(service: str) -> None:
    two = version(1, result(SUGAR) + result(PROTEIN, of="2"), specimen() + specimen("Urin", "U", number="2"))
    again = result(SUGAR, service="H", of="") + result(PROTEIN, service="H", of="2")
    assert told(trees(two, version(2, again, "", service))) == {
        SUGAR: ("2026-03-01T08", "Blod", "", []),
        PROTEIN: ("2026-03-01T08", "Urin", "", []),
    }


def test_results_that_name_no_specimen_go_with_the_only_one_though_a_change_numbers_it_anew() -> None:
    first = version(1, result(SUGAR, of=""), specimen())
    found = trees(first, version(2, result(SUGAR, service="H", of=""), specimen(number="2"), "M"))
    assert told(found) == {SUGAR: ("2026-03-01T08", "Blod", "", [])}


SPECIMENS = st.sampled_from([specimen(), specimen(at=NEXT_DAY), specimen("Urin", "U"), CORD])


@given(st.lists(SPECIMENS, min_size=2, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_every_added_result_stands_in_the_specimen_that_it_came_with(sent: list[str], random: Any) -> None:
    """Whatever stands under the same number before and after, in whatever order it comes."""

    def told_alone(index: int, subjects: str) -> tuple[str, str, str, list[str]]:
        return told(trees(version(index, result(f"X{index}"), subjects)))[f"X{index}"]

    versions = [version(i, result(f"X{i}"), one, "A" if i else "N") for i, one in enumerate(sent)]
    random.shuffle(versions)
    found = mapping.resources(chain.fold(versions), lambda type_, key: f"{type_}:{key}")
    assert told(found) == {f"X{i}": told_alone(i, one) for i, one in enumerate(sent)}
