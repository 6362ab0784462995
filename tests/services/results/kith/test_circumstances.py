"""What a later version says of a result beside its value, and what it said of that before."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.services.results import points
from kjerne.services.results.kith import chain, mapping
from kjerne.services.results.points import Aside, Point

from .conftest import Kith

FLAG, NORMAL = "<DevResultInd V='1'/>", ""
RANGE = "<RefInterval><Descr>{}</Descr></RefInterval>"
EVENING = Kith.SAMPLE.replace("08:15", "20:15")
PLASMA = Kith.SAMPLE.replace("V='S' DN='Serum'", "V='P' DN='Plasma'")
OTHER_TUBE = PLASMA.replace(">P1<", ">P2<")
TEXT = "<StructuredInfo><Type V='STR' S='1.2.3' DN='Tumor'/><TextInfo><Text>{}</Text></TextInfo></StructuredInfo>"


def method(words: str) -> str:
    """A result measured by this method."""
    return Kith.item().replace("</Investigation>", f"<Spec V='{words[0]}' S='1.2.3' DN='{words}'/></Investigation>")


def of(tube: str) -> str:
    return f"<RefAnalysedSubject>{tube}</RefAnalysedSubject>"


def result(extra: str = "", **more: Any) -> str:
    return Kith.item(extra=extra, id_="1", **more)


def point(*versions: tuple[str, dict[str, Any]]) -> Point:
    """The one result after these versions of its report: items, and what else the report says."""
    sent = [
        chain.versions(
            Kith.understood(
                Kith.message(Kith.report(items, **more), id_=f"M-{day}", generated=f"2026-03-0{day}T12:00:00")
            )
        )[0]
        for day, (items, more) in enumerate(versions, 2)
    ]
    folded = chain.fold(sent)
    assert chain.fold(sent[::-1]) == folded, "the order of arrival must not matter"
    trees = mapping.resources(folded, lambda type_, key: f"{type_}:{key}")
    [tree] = [one for one in trees if one["resourceType"] == "Observation"]
    found = points.point_of(tree)
    assert found
    return found


def said(aside: Aside) -> tuple[str, str]:
    flag, at = (aside.flag.kind if aside.flag else ""), (aside.at.moment.isoformat()[:16] if aside.at else "")  # type: ignore[union-attr]
    return aside.what, "-" if aside.none else aside.words or flag or at or aside.range.text


CHANGED = {"service": "M"}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ((result(FLAG), {}), (result(service="M"), CHANGED), ("flag", "high")),
        (
            (result(RANGE.format("under 14")), {}),
            (result(RANGE.format("inntil 14"), service="M"), CHANGED),
            ("range", "under 14"),
        ),
        ((result(), {}), (result(FLAG, service="M"), CHANGED), ("flag", "-")),
        (
            (result(RANGE.format("137 - 145")), {}),
            (result(RANGE.format("130 - 145"), service="M"), CHANGED),
            ("range", "137 - 145"),
        ),
        ((result(), {}), (result(), CHANGED | {"subjects": EVENING}), ("taken", "2026-03-02T08:15")),
        ((result(), {}), (result(), CHANGED | {"subjects": PLASMA}), ("material", "Serum")),
        ((result(of("P1")), {}), (result(of("P2")), CHANGED | {"subjects": OTHER_TUBE}), ("material", "Serum")),
        ((method("Gammel"), {}), (method("Ny"), CHANGED), ("method", "Gammel")),
    ],
)
def test_what_a_change_corrects_beside_the_value_stays_in_sight(
    before: tuple[str, dict[str, Any]], after: tuple[str, dict[str, Any]], told: tuple[str, str]
) -> None:
    found = point(before, after)
    assert (found.mark, found.old) == ("corrected", None)
    assert [said(one) for one in found.asides] == [told]
    assert str(found.value.number) == "140"


def test_with_another_value_the_former_range_stands_beside_the_former_value() -> None:
    found = point(
        (result(RANGE.format("137 - 145") + FLAG), {}),
        (result(RANGE.format("130 - 145"), value=Kith.number("141"), service="M"), CHANGED),
    )
    assert found.old and str(found.old.number) == "140"
    assert [said(one) for one in found.asides] == [("flag", "high"), ("range", "137 - 145")]


def test_a_flag_that_comes_with_another_value_says_nothing_of_the_old_one() -> None:
    found = point((result(), {}), (result(FLAG, value=Kith.number("151"), service="M"), CHANGED))
    assert (found.mark, found.asides) == ("corrected", ())


@pytest.mark.parametrize(
    "after",
    [
        (result(RANGE.format("137-145")), {"subjects": Kith.SAMPLE}),
        (result(RANGE.format("137 - 145") + FLAG), {"subjects": EVENING.replace("T20:15:00", "")}),
    ],
    ids=["another spelling", "less exact, and a flag that an unfinished result did not have"],
)
def test_what_says_the_same_or_is_only_added_to_what_was_not_finished_is_no_correction(
    after: tuple[str, dict[str, Any]],
) -> None:
    found = point((result(RANGE.format("137 - 145"), state="2"), {"status": "P"}), after)
    assert (found.mark, found.asides) == ("", ())


def test_without_a_time_of_its_own_a_result_is_not_corrected_by_the_day_on_which_it_is_sent_again() -> None:
    untimed = {"subjects": ""}
    found = point(
        (result(), untimed | {"issued": "2026-03-02T12:00:00"}), (result(), untimed | {"issued": "2026-03-04T12:00:00"})
    )
    assert (found.mark, found.asides) == ("", ())


def test_of_further_values_those_that_were_corrected_stay() -> None:
    found = point((result(inside=TEXT.format("lite")), {}), (result(inside=TEXT.format("stor")), CHANGED))
    assert [(one.name, one.value.text) for one in found.old_parts] == [("Tumor", "lite")]
    assert found.mark == "corrected"


def test_one_that_is_taken_back_afterwards_says_its_value_alone() -> None:
    found = point(
        (result(FLAG), {}), (result(service="M"), CHANGED), (result(service="C"), {"service": "C", "status": "F"})
    )
    assert (found.mark, found.asides) == ("withdrawn", ())
    assert found.old and str(found.old.number) == "140"
