"""A report as one HTML page: gates, figures and pictures in SVG; nothing is loaded and nothing runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from kjerne.services.synthetic.judging import Gate, Report

WIDE: Final = 300
HIGH: Final = 110
_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.25rem .8rem .25rem 0;text-align:left;border-bottom:1px solid #d5d9de;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}figure{display:inline-block;margin:0 1rem 1rem 0}
figcaption{font-size:.85rem}.real{fill:#b8c4d0}.made{fill:none;stroke:#9b1c4b;stroke-width:1.6}.axis{stroke:#57606a}
.dot{fill:#9b1c4b}.even{stroke:#b8c4d0}svg text{font-size:11px;fill:#57606a}
"""


def page(report: Report, card: dict[str, Any], hash_: str) -> str:
    """The page of a report about the model of this hash."""
    figures, verdict = report.figures, "All gates pass" if report.passed else "Not all gates pass"
    people, codes, apart = figures["people"], figures["prevalence"], figures["told_apart"]
    learned = f"Model {hash_[:12]}, learned from {people['train']} {card.get('learned_from', 'people')}"
    against = f"held against {people['holdout']} held out, with {people['made']} made."
    gave_away = f"What gave made people away (area {apart['area']}; real against real {apart['control']})"
    parts = [
        f"<h1>Synthetic people</h1><p><strong>{verdict}.</strong> {escape(f'{learned}; {against}')}</p>",
        *(f"<p>{escape(str(card[name]))}</p>" for name in ("not_real", "privacy") if name in card),
        _table("Gates", ["gate", "figure", "at most", "passes", "what it says"], [_gate(one) for one in report.gates]),
        "<h2>Shapes</h2><p>Filled: held out. Line: made.</p>",
        *(_histogram(one) for one in report.pictures["histograms"]),
        "<h2>How common codes are</h2>",
        _pairs(codes["codes"]),
        _table(f"Share of people who have a code (R² {codes['r2']})", ["code", "held out", "made"], _cells(codes["codes"])),
        _table(gave_away, ["feature", "share of gain"], _cells(apart["by"])),
        _table("Learned from made people, asked of held-out ones (areas)", ["target", "from made", "from real", "gap"],
               _cells(figures["utility"])),
        _table("Privacy and rules", ["", "figure"], _privacy(figures)),
        *(_table(name, _HEAD, [_quartiles(one) for one in figures[key]]) for key, name in _SHAPES),
        _table("Card", ["", ""], [[name, value] for name, value in card.items() if name not in ("privacy", "not_real")]),
    ]  # fmt: skip
    head = f'<meta charset="utf-8"><title>{verdict}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


_HEAD: Final = ("feature", "held out: quartiles", "made: quartiles", "missing", "distance (KS)")
_SHAPES: Final = (("traits", "Traits"), ("lives", "Lives"))


def _cells(rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [list(one.values()) for one in rows]


def _gate(one: Gate) -> list[Any]:
    return [one.name, one.value, one.limit, "yes" if one.passed else "NO", one.says]


def _privacy(figures: dict[str, Any]) -> list[list[Any]]:
    member, copies = figures["membership"], figures["copies"]
    chance = round(member["high"] - member["area"], 4)
    return [
        ["membership by the nearest made person", member["area"]],
        ["what chance alone may add to that", chance],
        ["people with five copied events in a row", copies["rows"]],
        ["copied records", copies["records"]],
        *([f"rule {name}: people who break it", count] for name, count in figures["violations"].items()),
    ]


def _quartiles(one: dict[str, Any]) -> list[Any]:
    return [one["feature"], _joined(one["real"]), _joined(one["made"]), _joined(one["missing"]), one["distance"]]


def _joined(numbers: Iterable[float]) -> str:
    return " / ".join(f"{one:g}" for one in numbers)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return f'<td class="n">{value:g}</td>' if number else f"<td>{escape(str(value))}</td>"

    heads = "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _histogram(one: dict[str, Any]) -> str:
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
    low = f'<text x="0" y="{HIGH + 13}">{one["low"]:.4g}</text>'
    high = f'<text x="{WIDE}" y="{HIGH + 13}" text-anchor="end">{one["high"]:.4g}</text>'
    axis = f'<line class="axis" x1="0" x2="{WIDE}" y1="{HIGH}" y2="{HIGH}"/>'
    return _figure(one["name"], WIDE, f'{bars}<polyline class="made" points="{line}"/>{axis}{low}{high}', HIGH + 16)


def _pairs(codes: Sequence[dict[str, Any]]) -> str:
    """Each code as a dot: how many have it of those held out (across) and of those made (up)."""
    side = 2 * HIGH
    dots = "".join(
        f'<circle class="dot" cx="{round(one["real"] * side, 1)}" cy="{round(side - one["made"] * side, 1)}" r="3">'
        f"<title>{escape(one['code'])}: {one['real']:g}, {one['made']:g}</title></circle>"
        for one in codes
    )
    even = f'<line class="even" x1="0" y1="{side}" x2="{side}" y2="0"/>'
    return _figure("share of people with each code: held out (across), made (up)", side, even + dots, side)


def _figure(name: str, wide: int, drawn: str, high: int) -> str:
    box = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    told = escape(name)
    return f'<figure><svg role="img" aria-label="{told}" {box}>{drawn}</svg><figcaption>{told}</figcaption></figure>'
