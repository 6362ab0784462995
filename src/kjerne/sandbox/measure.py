"""Believable numbers: what a panel of analyses gives for one person on one day at one laboratory."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Final

from kjerne.sandbox.chart import Chart, Order
from kjerne.sandbox.panels import ADULT, ANALYSES, HOSPITAL, PRIVATE, Analysis, Band, Laboratory, band
from kjerne.svarrapport import LOCAL, NLK_OLD, Code, Item, Number, Sample

STYLE: Final = {"private-lab": PRIVATE, "biochemistry": HOSPITAL}
CKD_EPI: Final = {"female": (61.9, -0.329, 1.018), "male": (79.6, -0.411, 1.0)}
"""CKD-EPI 2009 for creatinine in µmol/L: kappa, alpha and factor by sex (Levey et al., Ann Intern Med 2009)."""

Values = dict[str, float]
Effects = Mapping[str, float]


def panel(
    chart: Chart, order: Order, analyses: tuple[str, ...], effects: Effects, given: Effects
) -> tuple[tuple[Sample, ...], tuple[Item, ...]]:
    """Samples and result items. `effects` multiply what the person would have when well, `given` are told values."""
    style = STYLE[order.laboratory]
    age = chart.person.age(order.collected.date())
    values = _values(chart, analyses, style, age, effects, given)
    materials = list(dict.fromkeys(ANALYSES[key].material for key in values))
    samples = tuple(
        Sample(f"{order.report_id}-{number}", material, order.collected) for number, material in enumerate(materials, 1)
    )
    sample_id = {sample.material: sample.id for sample in samples}
    old_codes = chart.version(order) == "1.3"
    items = tuple(
        _item(
            key, value, style, chart.person.sex, age, f"{order.report_id}-{number:02d}", sample_id, old_codes=old_codes
        )
        for number, (key, value) in enumerate(values.items(), 1)
    )
    return samples, items


def egfr(creatinine: float, sex: str, age: int) -> float:
    """Estimated glomerular filtration rate, mL/min/1.73 m2."""
    kappa, alpha, factor = CKD_EPI[sex]
    ratio = creatinine / kappa
    return float(141 * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.209 * 0.993**age * factor)


def _values(
    chart: Chart, analyses: tuple[str, ...], style: Laboratory, age: int, effects: Effects, given: Effects
) -> Values:
    values: Values = {}
    for key in analyses:
        if key in given:
            values[key] = given[key]
        elif key == "egfr":
            if age >= ADULT and "krea" in values:
                values[key] = egfr(values["krea"], chart.person.sex, age)
        else:
            values[key] = _drawn(chart, key, band(key, style, chart.person.sex, age)) * effects.get(key, 1.0)
    if {"kol", "hdl", "ldl", "tg"} <= values.keys() and "ldl" not in given:
        values["ldl"] = max(0.6, values["kol"] - values["hdl"] - 0.3 * values["tg"])
    if {"hb", "evf"} <= values.keys():
        values["evf"] = values["hb"] * 0.0296
    return values


def _drawn(chart: Chart, key: str, range_: Band) -> float:
    """A value for a healthy person: her own level, and the day's variation around it."""
    analysis, tendency = ANALYSES[key], chart.tendency(key)
    day = 1.0 + analysis.within * max(-2.0, min(2.0, chart.random.gauss(0.0, 1.0)))
    low, high = range_.low, range_.high
    if low is None:
        return (high or 1.0) * 0.4 * exp(0.5 * tendency) * day
    if high is None:
        return low * (1.3 + 0.15 * tendency) * day
    # The middle is taken a little low: most distributions lean to the right, and few healthy people lie near the
    # limits.
    return max(low * 0.9, (low * 0.53 + high * 0.47 + (high - low) / 4 * tendency) * day)


def _item(
    key: str, value: float, style: Laboratory, sex: str, age: int, item_id: str, sample_id: Mapping[Code, str], *,
    old_codes: bool,
) -> Item:  # fmt: skip
    analysis, range_ = ANALYSES[key], band(key, style, sex, age)
    factor, decimals = style.scale.get(key, (1.0, analysis.decimals))
    low, high = _scaled(range_.low, factor), _scaled(range_.high, factor)
    number, seen = _written(value * factor, decimals, style.units.get(key, analysis.unit), analysis)
    code = style.codes.get(key) or Code(analysis.code, analysis.name)
    codes = (code._replace(system=NLK_OLD), Code(key.upper(), analysis.name, LOCAL)) if old_codes else (code,)
    return Item(
        id=item_id,
        codes=codes,
        result=number,
        reference=reference(low, high, decimals),
        deviation="1" if high is not None and seen > high else "2" if low is not None and seen < low else "",
        sample=sample_id[analysis.material],
    )


def _scaled(limit: float | None, factor: float) -> float | None:
    return None if limit is None else limit * factor


def _written(value: float, decimals: int, unit: str, analysis: Analysis) -> tuple[Number, float]:
    """The number as the laboratory writes it, open below the method's floor and above its ceiling."""
    if analysis.floor is not None and value < analysis.floor:
        return Number(_plain(analysis.floor), unit, "LT"), value
    if analysis.ceiling is not None and value > analysis.ceiling:
        return Number(_plain(analysis.ceiling), unit, "GT"), value
    text = f"{value:.{decimals}f}"
    return Number(text, unit), float(text)


def _plain(limit: float) -> str:
    return f"{limit:g}"


def reference(low: float | None, high: float | None, decimals: int) -> str:
    """A reference range as Norwegian laboratories print it: "3,6 - 4,6", "< 5", "> 60"."""
    shown = [f"{limit:.{decimals}f}".replace(".", ",") for limit in (low, high) if limit is not None]
    if low is None:
        return f"< {shown[0]}"
    return f"> {shown[0]}" if high is None else f"{shown[0]} - {shown[1]}"
