"""Charts as SVG made here: they print, need no script, and carry no inline style (the CSP refuses it).

A line joins only numbers of one series; an open point ("<5") is drawn hollow and joined by nothing, because its true
place is not known. The band follows each point's own range, step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final

from markupsafe import Markup, escape

from kjerne.pages import formats
from kjerne.pages.words import Language, say
from kjerne.services.results.points import Point
from kjerne.services.results.trends import Series
from kjerne.services.results.values import OSLO

SPARK_POINTS: Final = 12
DRAWN_MOST: Final = 500
"""Most points in one picture; more are a smear, and as many marks to be sent. The page says so."""
DAY: Final = 86_400
CLOCK_DAYS: Final = 4
"""Up to so many days an axis tells the clock."""
EDGE: Final = 45
"""A label nearer to a side than this is written away from it."""
_HOURS: Final = (1, 3, 6, 12, 24)
_MONTHS_FROM: Final = 120 * DAY


@dataclass(frozen=True, slots=True)
class _Dot:
    x: float
    y: float
    point: Point

    @property
    def open(self) -> bool:
        return bool(self.point.value.comparator)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the numbers stand: box in pixels, and the value and moment (seconds) at each end."""

    left: float
    top: float
    right: float
    bottom: float
    low: float
    high: float
    first: float
    last: float
    inside: float

    def x(self, at: float) -> float:
        if self.last == self.first:
            return (self.left + self.right) / 2
        width = self.right - self.left - 2 * self.inside
        return round(self.left + self.inside + (at - self.first) / (self.last - self.first) * width, 1)

    def y(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        return round(self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top), 1)


def plotted(series: Series) -> tuple[Point, ...]:
    """The points that have a place in a chart: dated numbers that still stand, of very many the newest."""
    found = tuple(p for p in series.points if p.value.number is not None and p.when and p.mark != "withdrawn")
    return found[-DRAWN_MOST:]


def places(points: Sequence[Point]) -> list[int]:
    """When each point was taken, in seconds, none before the one before it. A date without a time stands at its noon."""
    found: list[int] = []
    for point in points:
        if point.when:
            at = point.when.moment or datetime.combine(point.when.day, time(12), OSLO)
            found.append(max(int(at.timestamp()), *found[-1:]) if found else int(at.timestamp()))
    return found


def sparkline(series: Series) -> Markup:
    """A line as wide as a word, newest point marked; decoration beside the numbers, so hidden from a screen reader."""
    points = plotted(series)[-SPARK_POINTS:]
    if len(points) < 2:
        return Markup("")
    frame = _frame(points, 2, 3, 78, 21)
    dots = _dots(points, frame)
    flag = points[-1].flag
    last = Markup('<circle class="end {}" cx="{}" cy="{}" r="2.4"/>').format(
        flag.kind if flag else "", dots[-1].x, dots[-1].y
    )
    limits = [Markup('<circle class="open" cx="{}" cy="{}" r="1.6"/>').format(dot.x, dot.y) for dot in dots if dot.open]
    parts = (_bands(dots, frame), _lines(dots), *limits, *(() if dots[-1].open else (last,)))
    return Markup('<svg class="spark" viewBox="0 0 80 24" width="80" height="24" aria-hidden="true">{}</svg>').format(
        Markup("").join(parts)
    )


def trend(series: Series, language: Language, title: str) -> Markup:
    """The whole development with axes, bands and every point; `title` is what a screen reader is told."""
    points = plotted(series)
    if not points:
        return Markup("")
    frame = _a_day_wide(_frame(points, 56, 14, 706, 262, 10))
    dots = _dots(points, frame)
    parts = [_axis(frame, language), _bands(dots, frame), _times(frame, language), _lines(dots)]
    parts += [_mark(dot, language) for dot in dots]
    return Markup('<svg class="trend" viewBox="0 0 720 300" role="img" aria-label="{}">{}</svg>').format(
        title, Markup("").join(parts)
    )


def _frame(points: Sequence[Point], left: float, top: float, right: float, bottom: float, inside: float = 0) -> _Frame:
    """`inside` is how far the first and last point stand from the sides, so that no mark lies on the axis."""
    numbers = [float(p.value.number) for p in points if p.value.number is not None]
    edges = [float(edge) for p in points for edge in (p.range.low, p.range.high) if edge is not None]
    # The whole range is in the picture: where a value lies in it is what the band is for.
    low, high = min(numbers + edges), max(numbers + edges)
    room = ((high - low) or abs(high) or 1.0) * 0.08
    low = max(low - room, 0.0) if low >= 0 else low - room
    taken = places(points)
    return _Frame(left, top, right, bottom, low, high + room, taken[0], taken[-1], inside)


def _a_day_wide(frame: _Frame) -> _Frame:
    """No less than a day: minutes drawn as wide as years look like a development."""
    missing = max(DAY - (frame.last - frame.first), 0) / 2
    return replace(frame, first=frame.first - missing, last=frame.last + missing)


def _dots(points: Sequence[Point], frame: _Frame) -> list[_Dot]:
    return [
        _Dot(frame.x(at), frame.y(float(p.value.number)), p)
        for at, p in zip(places(points), points, strict=True)
        if p.value.number is not None
    ]


def _bands(dots: Sequence[_Dot], frame: _Frame) -> Markup:
    shapes = []
    for span, first, last in _stretches(dots):
        if span == (None, None):
            continue
        start = frame.left if first == 0 else (dots[first - 1].x + dots[first].x) / 2
        end = frame.right if last == len(dots) - 1 else (dots[last].x + dots[last + 1].x) / 2
        low, high = span
        top = frame.top if high is None else frame.y(float(high))
        bottom = frame.bottom if low is None else frame.y(float(low))
        shapes.append(
            Markup('<rect class="band" x="{}" y="{}" width="{}" height="{}"/>').format(
                round(start, 1), top, round(end - start, 1), round(max(bottom - top, 0.5), 1)
            )
        )
    return Markup("").join(shapes)


def _stretches(dots: Sequence[_Dot]) -> list[tuple[tuple[Decimal | None, Decimal | None], int, int]]:
    """(range, first, last) for each run of points that share one: drawn as one band, without seams."""
    spans = [(dot.point.range.low, dot.point.range.high) for dot in dots]
    found: list[tuple[tuple[Decimal | None, Decimal | None], int, int]] = []
    for place, span in enumerate(spans):
        if found and found[-1][0] == span:
            found[-1] = (span, found[-1][1], place)
        else:
            found.append((span, place, place))
    return found


def _lines(dots: Sequence[_Dot]) -> Markup:
    runs: list[list[_Dot]] = [[]]
    for dot in dots:
        if dot.open:
            runs.append([])
        else:
            runs[-1].append(dot)
    drawn = [run for run in runs if len(run) > 1]
    return Markup("").join(
        Markup('<polyline class="line" points="{}"/>').format(" ".join(f"{d.x},{d.y}" for d in run)) for run in drawn
    )


# A flag is a shape as well as a colour, as in the table: up, down, or across.
_SHAPES: Final = {"high": "m0-6 5.500 9.500h-11z", "low": "m0 6 5.500-9.500h-11z", "outside": "m0-6 6 6-6 6-6-6z"}


def _mark(dot: _Dot, language: Language) -> Markup:
    flag = dot.point.flag
    kind = flag.kind if flag else ""
    kinds = ["dot", kind, "critical" if flag and flag.critical else "", "open" if dot.open else "", dot.point.mark]
    text = f"{formats.moment(dot.point.when, language)}: {formats.value(dot.point.value, language)}"
    said = [say(language, f"value.{flag.name}")] if flag else []
    said += [dot.point.words] if dot.point.words else []
    text += f" ({', '.join(said)})" if said else ""
    named = " ".join(k for k in kinds if k)
    if kind and not dot.open:
        return Markup('<path class="{}" d="M{} {}{}"><title>{}</title></path>').format(
            named, dot.x, dot.y, _SHAPES[kind], text
        )
    return Markup('<circle class="{}" cx="{}" cy="{}" r="4.5"><title>{}</title></circle>').format(
        named, dot.x, dot.y, text
    )


def _axis(frame: _Frame, language: Language) -> Markup:
    lines = []
    for tick in ticks(frame.low, frame.high):
        y = frame.y(float(tick))
        lines.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="y" x="{}" y="{}">{}</text>'
            ).format(frame.left, frame.right, y, y, frame.left - 8, y + 4, escape(formats.number(tick, language)))
        )
    return Markup("").join(lines)


def ticks(low: float, high: float) -> tuple[Decimal, ...]:
    """Four to seven round numbers between two values.

    >>> [str(t) for t in ticks(3.1, 5.4)]
    ['3.5', '4.0', '4.5', '5.0']
    """
    width = Decimal(str(high)) - Decimal(str(low))
    step = Decimal(1).scaleb((width / 4).adjusted())
    step *= next((m for m in (1, 2, 5, 10) if width / (step * m) <= 6), 10)
    first = (Decimal(str(low)) / step).to_integral_value("ROUND_CEILING") * step
    count = int((Decimal(str(high)) - first) / step) + 1
    return tuple(step * number + first for number in range(max(count, 0)))


def _times(frame: _Frame, language: Language) -> Markup:
    shown = []
    for at, label in _labels(frame.first, frame.last, language):
        x = frame.x(at)
        anchor = "start" if x < frame.left + EDGE else "end" if x > frame.right - EDGE else "middle"
        shown.append(
            Markup('<text class="x" text-anchor="{}" x="{}" y="{}">{}</text>').format(
                anchor, x, frame.bottom + 22, label
            )
        )
    return Markup("").join(shown)


def _labels(first: float, last: float, language: Language) -> list[tuple[float, str]]:
    """At most five times along an axis, each once: round hours of few days, days of many, months of more."""
    if last - first > CLOCK_DAYS * DAY:
        evenly = [first + (last - first) * number / 4 for number in range(5)]
        name = formats.month if last - first > _MONTHS_FROM else formats.short_day
        return [(at, name(datetime.fromtimestamp(at, OSLO).date(), language)) for at in evenly]
    step = next(hours for hours in _HOURS if (last - first) / hours <= CLOCK_DAYS * 3600)
    begins = datetime.combine(datetime.fromtimestamp(first, OSLO).date(), time(), OSLO)
    # Hours are counted as the clock shows them, also over a night when it is moved.
    wall = [begins + timedelta(hours=number) for number in range(0, (CLOCK_DAYS + 2) * 24, step)]
    return [
        (
            at.timestamp(),
            f"{formats.short_day(at, language)} {formats.clock(at, language)}"
            if step < 24
            else formats.short_day(at, language),
        )
        for at in wall
        if first <= at.timestamp() <= last
    ]
