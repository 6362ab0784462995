"""What is written can be read back: escaping, order and codes."""

from __future__ import annotations

from datetime import date, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kjerne.sandbox.measure import egfr, reference
from kjerne.svarrapport import (
    LOCAL,
    Code,
    Item,
    Number,
    Patient,
    Report,
    Request,
    Staff,
    Text,
    Unit,
    write,
)

AT = datetime(2026, 3, 2, 8, 30)  # noqa: DTZ001 the senders write local time without a zone
SPACE = {"k": "http://www.kith.no/xmlstds/labsvar/2012-02-15"}
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=40)


def report(item: Item, comment: str = "") -> Report:
    unit = Unit("Lab & Co", "100000008", "99000001")
    return Report(
        "id-1", AT, "R1", AT, "CLIN", Patient("Ås, Bø", "00000000000", items=(item,)), Request("1", date(2026, 3, 2)),
        unit, unit, Staff("A", "990000001"), Staff("B", "990000002"), comment=comment,
    )  # fmt: skip


@settings(max_examples=60)
@given(WORDS, WORDS)
def test_any_text_comes_back_as_it_was_written(text: str, comment: str) -> None:
    tree = etree.fromstring(write(report(Item(codes=(Code("X", text, LOCAL),), result=Text(text, "LR")), comment)))
    assert tree.findtext(".//k:TextResultValue", namespaces=SPACE) == text
    assert tree.findtext("./k:ServReport/k:Comment", namespaces=SPACE) == comment
    code = tree.find(".//k:Investigation/k:Id", namespaces=SPACE)
    assert code is not None
    assert code.get("OT") == " ".join(text.split("\n"))


def test_an_open_value_keeps_comparator_digits_and_unit() -> None:
    tree = etree.fromstring(write(report(Item(result=Number("5.0", "µmol/L", "LT"), reference="< 5,0"))))
    value = tree.find(".//k:NumResultValue", namespaces=SPACE)
    comparator = tree.find(".//k:ArithmeticComp", namespaces=SPACE)
    assert value is not None
    assert comparator is not None
    assert (comparator.get("V"), value.get("V"), value.get("U")) == ("LT", "5.0", "µmol/L")
    assert tree.findtext(".//k:RefInterval/k:Descr", namespaces=SPACE) == "< 5,0"


def test_reference_ranges_are_printed_the_norwegian_way() -> None:
    assert reference(3.6, 4.6, 1) == "3,6 - 4,6"
    assert reference(None, 5, 0) == "< 5"
    assert reference(60, None, 0) == "> 60"


def test_estimated_gfr_agrees_with_the_published_formula() -> None:
    assert round(egfr(61.9, "female", 50)) == 101
    assert round(egfr(159.2, "male", 70)) == 37
