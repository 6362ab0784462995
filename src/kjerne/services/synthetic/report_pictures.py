"""The pictures of a report, in SVG. None is the only place of what it shows: a table stands beside each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

WIDE: Final = 320
HIGH: Final = 110
_ROW: Final = 34


def histogram(one: dict[str, Any]) -> str:
    """Shares of people over one axis: bars for those held out, a line of steps for those made."""
    top = max(*one["real"], *one["made"], 1e-9)
    width = WIDE / len(one["real"])

    def up(share: float) -> float:
        return float(round(HIGH - share / top * HIGH, 1))

    bars = "".join(
        f'<rect class="real" x="{round(place * width, 1)}" y="{up(share)}" width="{round(width, 1)}" '
        f'height="{round(HIGH - up(share), 1)}"/>'
        for place, share in enumerate(one["real"])
    )
    steps = [(at, share) for place, share in enumerate(one["made"]) for at in (place, place + 1)]
    line = " ".join(f"{round(at * width, 1)},{up(share)}" for at, share in steps)
    return _figure(
        one["name"], f'{bars}<polyline class="made" points="{line}"/>{_axis(HIGH, one["low"], one["high"])}', HIGH + 18
    )


def pairs(name: str, dots: Sequence[tuple[str, float, float]], top: float) -> str:
    """A dot for each of something: how much of real people (across) and of those made (up), from nothing to `top`."""
    side, most = 2 * HIGH, max(top, 1e-9)

    def at(value: float) -> float:
        return float(round(min(value / most, 1) * side, 1))

    drawn = "".join(
        f'<circle class="dot" cx="{at(real)}" cy="{side - at(made):g}" r="3">'
        f"<title>{escape(word)}: {real:g}, {made:g}</title></circle>"
        for word, real, made in dots
    )
    even = f'<line class="even" x1="0" y1="{side}" x2="{side}" y2="0"/>'
    frame = f'<rect class="frame" x="0" y="0" width="{side}" height="{side}"/>'
    return _figure(f"{name}, to {most:g}", f"{frame}{even}{drawn}", side, side)


def curves(one: dict[str, Any]) -> str:
    """Who is still without something: those held out as a line in its band, those made as a line of dashes."""
    last = max(one["days"][-1], 1e-9)
    floor = max(0.0, int(min(*one["low"], *one["made"]) * 10) / 10 - 0.1)

    def at(day: float, share: float) -> str:
        return f"{round(day / last * WIDE, 1)},{round(HIGH * (1 - share) / (1 - floor), 1)}"

    lines = {name: " ".join(map(at, one["days"], one[name])) for name in ("real", "made", "high")}
    back = " ".join(map(at, reversed(one["days"]), reversed(one["low"])))
    drawn = (
        f'<polygon class="band" points="{lines["high"]} {back}"/><polyline class="held" points="{lines["real"]}"/>'
        f'<polyline class="made dashed" points="{lines["made"]}"/>{_axis(HIGH, 0, last)}'
    )
    return _figure(
        f"still without {one['what']}, by days since day 0 (axis up: shares from {floor:.1f} to 1)", drawn, HIGH + 18
    )


def intervals(name: str, rows: Sequence[tuple[str, float, float, float]], limit: float, low: float, high: float) -> str:
    """Figures with their intervals (label, figure, from, to) on an axis from `low` to `high`, and the limit of their gate."""

    def across(value: float) -> float:
        return float(round((min(max(value, low), high) - low) / (high - low) * (WIDE - 8) + 4, 1))

    bottom = _ROW * len(rows)
    drawn = [f'<line class="limit" x1="{across(limit)}" x2="{across(limit)}" y1="0" y2="{bottom}"/>']
    for place, (label, figure, from_, to) in enumerate(rows):
        text, line = _ROW * place + 12, _ROW * place + 23
        drawn.append(f'<text x="0" y="{text}">{escape(label)}: {figure:g} ({from_:g} to {to:g})</text>')
        drawn.append(f'<line class="span" x1="{across(from_)}" x2="{across(to)}" y1="{line}" y2="{line}"/>')
        drawn.append(f'<circle class="dot" cx="{across(figure)}" cy="{line}" r="4"/>')
    return _figure(name, "".join(drawn) + _axis(bottom, low, high), bottom + 18)


def _axis(y: float, low: float, high: float) -> str:
    return (
        f'<line class="axis" x1="0" x2="{WIDE}" y1="{y}" y2="{y}"/><text x="0" y="{y + 15}">{low:.4g}</text>'
        f'<text x="{WIDE}" y="{y + 15}" text-anchor="end">{high:.4g}</text>'
    )


def _figure(name: str, drawn: str, high: float, wide: float = WIDE) -> str:
    box = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    told = escape(name)
    return f'<figure><svg role="img" aria-label="{told}" {box}>{drawn}</svg><figcaption>{told}</figcaption></figure>'
