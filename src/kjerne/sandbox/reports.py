"""Reports of each kind, in all the versions a laboratory sends of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from kjerne.sandbox.chart import Chart, Order
from kjerne.sandbox.measure import Effects, panel
from kjerne.sandbox.panels import PANELS, URINE, URINE_STRIP
from kjerne.svarrapport import (
    LOCAL,
    NCRP,
    NORPAT,
    PATHOLOGY,
    SUSCEPTIBILITY,
    Code,
    Item,
    Number,
    Report,
    Sample,
    Text,
)

NOTHING: Final[dict[str, float]] = {}
TISSUE: Final = Code("VEV", "Vev", LOCAL)
AMOUNT: Final = Code("MENGDE", "Mengde", LOCAL)
URINE_CULTURE: Final = Code("NPU06073", "U-Bakterier dyrkning")
SUSCEPTIBLE: Final = {
    "S": Code("S", "Sensitiv, standarddose", SUSCEPTIBILITY),
    "I": Code("I", "Sensitiv, økt eksponering", SUSCEPTIBILITY),
    "R": Code("R", "Resistent", SUSCEPTIBILITY),
}
ANTIBIOTICS: Final = {
    "ampicillin": Code("NPU06045", "Us-Ampicillin"), "mecillinam": Code("NPU06044", "Us-Mecillinam"),
    "trimetoprim": Code("NPU06047", "Us-Trimetoprim"), "nitrofurantoin": Code("NPU06048", "Us-Nitrofurantoin"),
    "trimetoprim-sulfa": Code("NPU57715", "Us-Trimetoprim+Sulfametoksazol"),
    "ciprofloksacin": Code("NPU06049", "Us-Ciprofloksacin"), "gentamicin": Code("NPU06046", "Us-Gentamicin"),
}  # fmt: skip


class Culture(NamedTuple):
    """What grew: organism, amount, and S/I/R by antibiotic. `seen` is what the preliminary answer can say."""

    organism: str
    amount: str
    seen: str
    susceptibility: tuple[tuple[str, str], ...]


class Imaging(NamedTuple):
    """An examination (7270) and what the radiologist wrote; `side` an additional code, empty value: none."""

    discipline: str
    code: Code
    findings: str
    conclusion: str
    side: Code = Code("", "")


class Tissue(NamedTuple):
    """A histology answer: where from, diagnosis with NORPAT codes, and the descriptions."""

    origin: str
    diagnosis: str
    assessment: str
    macroscopy: str
    microscopy: str
    topography: Code
    morphology: Code


def blood(
    chart: Chart, order: Order, name: str, effects: Effects = NOTHING, given: Effects = NOTHING, comment: str = ""
) -> Report:
    """A final biochemistry report of one panel, made the evening of the sample or the next morning."""
    samples, items = panel(chart, order, PANELS[name], effects, given)
    made_at = order.received + timedelta(minutes=chart.random.randrange(90, 1100))
    patient = chart.patient(order.collected.date(), samples, items)
    return chart.report(order, "CLIN", patient, made_at, comment=comment)


def corrected(chart: Chart, first: Report, code: str, value: str, after: timedelta, why: str) -> Report:
    """The first report again, with one analysis corrected; everything else is repeated as new."""
    made_at = first.made_at + after
    items = tuple(
        _corrected(item, value, made_at, why) if item.codes[0].value == code else item for item in first.patient.items
    )
    return replace(
        first, message_id=chart.message_id(), made_at=made_at, kind="M", patient=replace(first.patient, items=items)
    )


def cancelled(chart: Chart, first: Report, after: timedelta, why: str) -> Report:
    """The report taken back, with every item."""
    items = tuple(replace(item, kind="C") for item in first.patient.items)
    return replace(
        first, message_id=chart.message_id(), made_at=first.made_at + after, kind="C", comment=why,
        patient=replace(first.patient, items=items),
    )  # fmt: skip


def _corrected(item: Item, value: str, at: datetime, why: str) -> Item:
    old = item.result
    if not isinstance(old, Number):
        return item
    shown = f"{old.value.replace('.', ',')} {old.unit}"
    comment = f"Korrigert svar. Tidligere rapportert verdi: {shown}. {why}"
    return replace(item, kind="M", result=old._replace(value=value), deviation="", comment=comment, changed=at)


def urine_strip(chart: Chart, order: Order, levels: tuple[int, int, int, int, int]) -> Report:
    """Five fields of a strip as coded texts (8340): leukocytes, nitrite, protein, glucose, erythrocytes."""
    sample = Sample(f"{order.report_id}-1", URINE, order.collected)
    items = tuple(
        Item(
            id=f"{order.report_id}-{number:02d}",
            codes=(code,),
            result=Text(answers[level].name, "LR", (answers[level],)),
            reference="Negativ",
            deviation="3" if level else "",
            sample=sample.id,
        )
        for number, ((code, answers), level) in enumerate(zip(URINE_STRIP, levels, strict=True), 1)
    )
    patient = chart.patient(order.collected.date(), (sample,), items)
    return chart.report(order, "CLIN", patient, order.received + timedelta(hours=1))


def found(
    chart: Chart, order: Order, discipline: str, material: Code, results: tuple[tuple[Code, str], ...], hours: int = 26
) -> Report:
    """Answers in words (found, not found, a blood group ...), one item each."""
    sample = Sample(f"{order.report_id}-1", material, order.collected)
    items = tuple(
        Item(id=f"{order.report_id}-{number:02d}", codes=(code,), result=Text(answer, "LR"), sample=sample.id)
        for number, (code, answer) in enumerate(results, 1)
    )
    patient = chart.patient(order.collected.date(), (sample,), items)
    return chart.report(order, discipline, patient, order.received + timedelta(hours=hours))


def culture(chart: Chart, order: Order, grown: Culture | None) -> Iterator[Report]:
    """A urine culture: no growth is final at once; growth is answered preliminary, then in full with S/I/R."""
    sample = Sample(f"{order.report_id}-1", URINE, order.collected)
    first = order.received + timedelta(hours=20)
    if grown is None:
        item = Item(id="1", codes=(URINE_CULTURE,), result=Text("Ingen signifikant vekst", "LR"), sample=sample.id)
        yield chart.report(order, "MBIO", chart.patient(order.collected.date(), (sample,), (item,)), first)
        return
    seen = Item(id="1", codes=(URINE_CULTURE,), result=Text(grown.seen, "LR"), status="2", sample=sample.id)
    patient = chart.patient(order.collected.date(), (sample,), (seen,))
    yield chart.report(
        order, "MBIO", patient, first, status="P", comment="Foreløpig svar. Resistensbestemmelse følger."
    )
    amount = Item(codes=(AMOUNT,), result=Text(grown.amount))
    organism = replace(
        seen,
        result=Text(grown.organism, "LR"),
        kind="M",
        status="3",
        nested=(amount,),
        changed=first + timedelta(hours=25),
    )
    tested = tuple(
        Item(
            id=str(number),
            codes=(ANTIBIOTICS[antibiotic],),
            result=Text("", "RSB", (SUSCEPTIBLE[answer],)),
            refers="1",
            sample=sample.id,
        )
        for number, (antibiotic, answer) in enumerate(grown.susceptibility, 2)
    )
    patient = replace(patient, items=(organism, *tested))
    yield chart.report(order, "MBIO", patient, first + timedelta(hours=26), kind="M", issued=first)


def imaging(chart: Chart, order: Order, seen: Imaging) -> Report:
    """A signed radiology report: findings, with the conclusion as an item of its own below them."""
    made_at = order.collected + timedelta(hours=chart.random.randrange(3, 50))
    conclusion = Item(result=Text(f"R: {seen.conclusion}", "VU"), status="11")
    item = Item(
        id=f"{order.report_id}-01",
        codes=(seen.code,),
        specification=(seen.side,) if seen.side.value else (),
        result=Text(seen.findings, "FU"),
        status="11",
        investigated=order.collected,
        changed=made_at,
        nested=(conclusion,),
    )
    return chart.report(order, seen.discipline, chart.patient(order.collected.date(), (), (item,)), made_at)


def histology(chart: Chart, order: Order, tissue: Tissue, *, preliminary: bool = False) -> Iterator[Report]:
    """A histology answer; `preliminary` sends the macroscopy first and the rest nine days later."""
    sample = Sample(f"{order.report_id}-1", TISSUE, order.collected, origin=tissue.origin)
    macroscopy = Item(codes=(Code("MA", "Makroskopisk undersøkelse", PATHOLOGY),), result=Text(tissue.macroscopy))
    first = order.received + timedelta(days=3, hours=2)
    whole = Item(
        id="1", codes=(Code("A", "Histologisk undersøkelse", PATHOLOGY),), sample=sample.id, nested=(macroscopy,)
    )
    if preliminary:
        patient = chart.patient(order.collected.date(), (sample,), (replace(whole, status="2"),))
        yield chart.report(order, "HIST", patient, first, status="P")
    made_at = first + timedelta(days=6) if preliminary else first
    diagnosis = Text(tissue.diagnosis, "FU", (tissue.topography, tissue.morphology))
    nested = (
        Item(result=diagnosis),
        Item(result=Text(tissue.assessment, "VU")),
        macroscopy,
        Item(codes=(Code("MI", "Mikroskopisk undersøkelse", PATHOLOGY),), result=Text(tissue.microscopy)),
    )
    item = replace(whole, kind="M" if preliminary else "N", nested=nested, changed=made_at)
    patient = chart.patient(order.collected.date(), (sample,), (item,))
    yield chart.report(order, "HIST", patient, made_at, kind=item.kind, issued=first)


def topography(value: str, name: str) -> Code:
    return Code(value, name, NORPAT)


def examination(value: str, name: str) -> Code:
    return Code(value, name, NCRP)
