"""A report as one HTML page: gates, figures and pictures in SVG; nothing is loaded and nothing runs. What each part says, and
how it is to be read, stands above it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Final

from kjerne.services.synthetic.attacks import SINGLING_OUT
from kjerne.services.synthetic.judging import LIMITS, Gate, Report
from kjerne.services.synthetic.report_pictures import curves, histogram, intervals, pairs
from kjerne.services.synthetic.report_words import HOW

LONG: Final = 40
"""Characters from which a cell has a width of its own."""
_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1,h2{line-height:1.25}h2{margin-top:2.5rem}.how{max-width:46rem}.scroll{overflow-x:auto;margin:.5rem 0 1.5rem}
table{border-collapse:collapse}caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.25rem .8rem .25rem 0;text-align:left;border-bottom:1px solid #d5d9de;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.t{min-width:14rem}td:first-child{min-width:7rem}td.span{white-space:nowrap}.no{font-weight:700;color:#8c1d18}
figure{display:inline-block;margin:0 1rem 1rem 0;max-width:20rem;vertical-align:top}
svg{max-width:100%;height:auto;overflow:visible}
figcaption{font-size:.85rem}.real{fill:#b8c4d0}.band{fill:#d9e0e7}.held{fill:none;stroke:#44525f;stroke-width:1.6}
.made{fill:none;stroke:#9b1c4b;stroke-width:1.6}.dashed{stroke-dasharray:6 3}.axis,.frame{stroke:#57606a;fill:none}
.dot{fill:#9b1c4b}.even{stroke:#b8c4d0}.span{stroke:#44525f;stroke-width:3}.limit{stroke:#1b1f24;stroke-dasharray:3 3}
svg text{font-size:12px;fill:#3d464f;paint-order:stroke;stroke:#fff;stroke-width:4px}
"""


def page(report: Report, card: dict[str, Any], hash_: str) -> str:
    """The page of a report about the model of this hash."""
    figures, verdict = report.figures, "All gates pass" if report.passed else "Not all gates pass"
    people = figures["people"]
    learned = f"Model {hash_[:12]}, learned from {people['train']} {card.get('learned_from', 'people')}"
    against = f"held against {people['holdout']} held out, with {people['made']} made."
    parts = [
        f"<h1>Synthetic people</h1><p><strong>{verdict}.</strong> {escape(f'{learned}; {against}')}</p>",
        *(f"<p>{escape(str(card[name]))}</p>" for name in ("not_real", "privacy") if name in card),
        _head("Gates"),
        _table("Gates", ["gate", "figure", "at most", "passes", "what it says"], [_gate(one) for one in report.gates]),
        *_attacks(figures), *_membership(figures), *_fidelity(figures), *_survival(figures["survival"]),
        *_subgroups(figures["subgroups"]), *_long_tail(figures["long_tail"]), _head("Shapes"),
        *(histogram(one) for one in report.pictures["histograms"]),
        *(_table(name, _HEAD, [_quartiles(one) for one in figures[key]]) for key, name in _SHAPES),
        _head("Card"),
        _table("Card", ["what", "told"], [[name, value] for name, value in card.items() if name not in ("privacy", "not_real")]),
    ]  # fmt: skip
    sized = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{sized}<title>{verdict}</title><style>{_STYLE}</style>'
    body = "".join(parts)
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>\n'


_HEAD: Final = ("feature", "held out: quartiles", "made: quartiles", "missing", "distance (KS)")
_SHAPES: Final = (("traits", "Traits"), ("lives", "Lives"))
_RISKS: Final = (
    "attack",
    "by",
    "attacks on each side",
    "on people learned from",
    "on people held out",
    "by guessing",
    "risk",
    "interval",
)


def _head(name: str) -> str:
    how = f'<p class="how">{escape(HOW[name])}</p>' if name in HOW else ""
    return f"<h2>{escape(name)}</h2>{how}"


def _gate(one: Gate) -> list[Any]:
    return [one.name, one.value, one.limit, "yes" if one.passed else "NO", one.says]


def _attacks(figures: dict[str, Any]) -> Iterable[str]:
    rows, secrets = figures["attacks"], figures["secrets"]
    drawn = [(f"{one['attack']}, {one['by']}" if one["attack"] == SINGLING_OUT else one["attack"], one["risk"], one["low"],
              one["high"]) for one in rows if one["risk"] is not None]  # fmt: skip
    yield _head("Attacks on people")
    if drawn:
        top = max(0.1, *(one[3] for one in drawn))
        yield intervals("risk with its interval; dashes: the limit", drawn, LIMITS["linkage"], 0, top)
    yield _table("Risks", _RISKS, [_risk(one) for one in rows])
    yield _table("Inference, secret by secret (asked of those who do not have what most have)", _RISKS[1:],
                 [_risk(one)[1:] for one in secrets])  # fmt: skip
    copies = figures["copies"]
    rules = [[f"rule {name}: people who break it", count] for name, count in figures["violations"].items()]
    yield _table("Copies and rules", ["what", "people"], [
        ["people with five copied events in a row", copies["rows"]], ["copied records", copies["records"]], *rules,
    ])  # fmt: skip


def _risk(one: dict[str, Any]) -> list[Any]:
    names = ("attack", "by", "attacks", "rate", "control", "guessing", "risk")
    told = "none" if one["risk"] is None else f"{one['low']:g} to {one['high']:g}"
    return [*("none" if one[name] is None else one[name] for name in names), told]


def _membership(figures: dict[str, Any]) -> Iterable[str]:
    yield _head("Membership")
    shadows = figures["shadows"]
    kinds = [("the nearest made person", figures["membership"]), (f"{shadows['shadows']} shadow models", shadows)]
    asked = [(name, one) for name, one in kinds if "area" in one]
    drawn = [(name, one["area"], one["low"], one["high"]) for name, one in asked]
    yield intervals("area, and how far chance alone moves it; dashes: the limit", drawn, LIMITS["membership"], 0.4, 1)
    head = ["attack by", "people asked about", "area", "from", "to", "found, at one in a hundred wrongly"]
    yield _table(
        "Membership",
        head,
        [[name, *(one[key] for key in ("asked", "area", "low", "high", "sure"))] for name, one in asked],
    )
    if "why_not" in shadows:
        yield f"<p>{escape(shadows['why_not'])}</p>"


def _fidelity(figures: dict[str, Any]) -> Iterable[str]:
    codes, apart = figures["prevalence"], figures["told_apart"]
    gave_away = f"What gave made people away (area {apart['area']}; real against real {apart['control']})"
    yield _head("Fidelity")
    yield _table(gave_away, ["feature", "share of gain"], _cells(apart["by"]))
    yield _table("Learned from made people, asked of held-out ones (areas)", ["target", "from made", "from real", "gap"],
                 _cells(figures["utility"]))  # fmt: skip
    yield _head("How common codes are")
    dots = [(one["code"], one["real"], one["made"]) for one in codes["codes"]]
    yield pairs("share of people with each code: held out (across), made (up)", dots, 1)
    yield _table(
        f"Share of people who have a code (R² {codes['r2']})", ["code", "held out", "made"], _cells(codes["codes"])
    )


def _survival(rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    yield _head("Survival")
    if not rows:
        yield "<p>Nothing is had for the first time after day 0 by enough people held out.</p>"
        return
    yield from (curves(one) for one in rows)
    head = ["still without", "day", "held out", "its interval", "made"]
    cells = [[one["what"], one["days"][at], one["real"][at], f"{one['low'][at]:g} to {one['high'][at]:g}", one["made"][at]]
             for one in rows for at in range(8, len(one["days"]), 8)]  # fmt: skip
    yield _table("Shares still without it", head, cells)
    head = [
        "what",
        "at risk: held out",
        "made",
        "had it: held out",
        "made",
        "greatest distance",
        "share of days outside the band",
    ]
    yield _table(
        "Curves", head, [[one["what"], *one["people"], *one["had"], one["distance"], one["outside"]] for one in rows]
    )


def _subgroups(rows: Sequence[dict[str, Any]]) -> Iterable[str]:
    yield _head("Subgroups")
    if not rows:
        yield "<p>No group is large enough to be shown.</p>"
        return
    dots = [(one["group"], one["codes_real"], one["codes"]) for one in rows]
    top = max(0.02, *(max(one[1:]) for one in dots))
    yield pairs("distance of codes in each group: two samples of real people (across), made people (up)", dots, top)
    head = ["group", "held out", "made", "share: held out", "made", "events: held out", "made", "distance of codes",
            "of real people", "farthest feature", "by", "target", "area from made", "from real"]  # fmt: skip
    yield _table("Subgroups", head, [
        [one["group"], *one["people"], *one["share"], *one["events"], one["codes"], one["codes_real"], one["farthest"],
         one["distance"], *("" if one[key] is None else one[key] for key in ("target", "made", "real"))]
        for one in rows
    ])  # fmt: skip


def _long_tail(tail: dict[str, Any]) -> Iterable[str]:
    yield _head("Long tail")
    real, made = tail["people"]
    if tail["codes"]:
        told = f"{tail['codes']} codes of the model are that rare, and made people have {tail['made_codes']} of them. "
        yield f"<p>{told}Any of them have {real:.4g} of those held out and {made:.4g} of those made (shares of people).</p>"
        dots = [(one["code"], one["expected"], one["made"]) for one in tail["shown"]]
        yield pairs(
            "made people with each rare code: expected (across), made (up)", dots, max(max(one[1:]) for one in dots)
        )
        yield _table(
            "Rare codes, the commonest of them first (people)",
            ["code", "held out", "made", "expected"],
            _cells(tail["shown"]),
        )
    else:
        yield "<p>No code of the model is that rare.</p>"
    yield from (f"<p>{escape(one[:1].upper() + one[1:])}.</p>" for one in tail["unknown"])
    head = ["code", "made: below", "real: below", "made: above", "real: above"]
    yield _table("Shares of values beyond the hundredth of real ones", head, _cells(tail["ends"]))


def _cells(rows: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [list(one.values()) for one in rows]


def _quartiles(one: dict[str, Any]) -> list[Any]:
    return [one["feature"], _joined(one["real"]), _joined(one["made"]), _joined(one["missing"]), one["distance"]]


def _joined(numbers: Iterable[float]) -> str:
    return " / ".join(f"{one:g}" for one in numbers)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number:
            return f'<td class="n">{value:g}</td>' if value == value else '<td class="n">none</td>'  # noqa: PLR0124 - not a number
        told = str(value)
        kind = "no" if told == "NO" else "t" if len(told) > LONG else "span" if " to " in told else ""
        return f'<td class="{kind}">{escape(told)}</td>' if kind else f"<td>{escape(told)}</td>"

    heads = "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    told = f"<table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">{told}</div>'
