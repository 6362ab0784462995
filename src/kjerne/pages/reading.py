"""One chart made ready to be shown: text answers, cumulative table, what is new, and the numbers a heading needs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final

from kjerne.errors import Refusal
from kjerne.pages.house import Chart
from kjerne.pages.shown import results_of
from kjerne.services.results import answers, panels, trends
from kjerne.services.results.answers import Answer
from kjerne.services.results.points import Point, reference_id
from kjerne.services.results.trends import Row, Series, Table
from kjerne.services.results.values import OSLO

PERIOD_DAYS: Final = {"90": 90, "365": 365, "all": 0}
COLUMN_LIMIT: Final = 24
"""Most dates in a table; older ones are told of under it, and stand in each trend."""
NEW_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Others:
    """What one report says of another being than the patient (`Finding.whose`): the analyses, and how many are outside."""

    whose: str
    names: tuple[str, ...]
    outside: int


@dataclass(frozen=True, slots=True)
class Gist:
    """What one report measured of the patient by its plain names, and how many of her results are outside, told in text too.

    What it says of others is told apart; `partly` where it says something of her besides.
    """

    names: tuple[str, ...] = ()
    outside: int = 0
    others: tuple[Others, ...] = ()
    partly: bool = False


@dataclass(frozen=True)
class Reading:
    """Everything a results page shows of one chart. `texts` are the answers with more to say than the table does."""

    chart: Chart
    series: tuple[Series, ...]
    answers: tuple[Answer, ...]
    texts: tuple[Answer, ...]

    @property
    def empty(self) -> bool:
        return not self.series and not self.texts

    @property
    def unread(self) -> tuple[Answer, ...]:
        """What waits to be acknowledged; a report that itself waits for its answer is here when that comes."""
        return tuple(a for a in self.answers if a.id in self.chart.unread and a.mark != "awaited")

    @cached_property
    def unread_results(self) -> Mapping[str, Mapping[str, int]]:
        """By unread report: the results that it leads to, and the version of each."""
        unread = [one for one in self.chart.reports if one.get("id") in self.chart.unread]
        return results_of(unread, self.chart.observations)

    @property
    def silent(self) -> tuple[str, ...]:
        """Sources that did not answer: what they hold is unknown, not absent."""
        return tuple(source.name for source in self.chart.sources if not source.answered)

    @cached_property
    def headings(self) -> tuple[Answer, ...]:
        """What a list tells of each report beside one that is open: what it calls itself, and no name of what its results
        examined; its day, laboratory and state. One that is a result alone has no name there."""
        own = {str(one.get("id", "")): answers.name_of(one) for one in self.chart.reports}
        return tuple(replace(one, title=own.get(one.id, "")) for one in self.answers)

    def report(self, number: str) -> Answer:
        found = next((a for a in self.answers if a.id == number), None)
        if found is None:
            raise Refusal(404, "No such report in what this login may see.", where="report")
        return found

    def one(self, key: str) -> Series:
        found = next((s for s in self.series if s.key == key), None)
        if found is None:
            raise Refusal(404, "No such analysis in what this login may see.", where="series")
        return found

    def kept_apart(self, from_series: Series) -> tuple[Series, ...]:
        """The same analysis under another code, unit, material or method: shown beside, never joined."""
        return tuple(s for s in self.series if s.key != from_series.key and trends.same_analysis(s, from_series))

    def points_of(self, report: str) -> tuple[tuple[Series, Point], ...]:
        """What one report measured, in the table's order."""
        return tuple(self._measured.get(report, ()))

    @cached_property
    def whole(self) -> Table:
        """The cumulative table of everything, whatever its age."""
        return trends.cumulative(self.series)

    @cached_property
    def _measured(self) -> Mapping[str, list[tuple[Series, Point]]]:
        found: dict[str, list[tuple[Series, Point]]] = defaultdict(list)
        for row in self.whole.rows:
            for point in row.series.points:
                found[point.report].append((row.series, point))
        return found

    @cached_property
    def gists(self) -> Mapping[str, Gist]:
        """What each report is about, for a list: eight reports of one laboratory look alike."""
        read = {one.id: one for one in self.answers}
        names: dict[str, dict[str, None]] = {number: {} for number in read}
        outside = Counter({number: _outside(one, "") for number, one in read.items()})
        for one in self.series:
            for point in one.points:
                names.setdefault(point.report, {})[panels.bare(one.name)] = None
                outside[point.report] += point.flag is not None
        return {number: _gist(read.get(number), tuple(own), outside[number]) for number, own in names.items()}

    def gist(self, report: str) -> Gist:
        """What one report is about."""
        return self.gists.get(report, Gist())

    def surely_inside(self, report: str) -> bool:
        """Whether all numbers of one report are surely inside, and nothing is flagged that it tells in text."""
        judged = next((one.judged for one in self.answers if one.id == report), ())
        inside = all(point.inside for _, point in self.points_of(report))
        return inside and not any(one.flag or one.words for one in judged)

    def table(self, period: str, now: datetime) -> Table:
        """The cumulative table of a period, with all its dates."""
        days = PERIOD_DAYS.get(period, PERIOD_DAYS["365"])
        since = now.astimezone(OSLO).date() - timedelta(days=days) if days else None
        return trends.cumulative(self.series, since=since)

    def row(self, key: str) -> Row:
        """One series as a row of the whole table."""
        one = self.one(key)
        return next(row for row in self.whole.rows if row.series is one)

    def fresh(self, now: datetime) -> tuple[Answer, ...]:
        """Reports that came or changed lately."""
        since = now.astimezone(OSLO).date() - timedelta(days=NEW_DAYS)
        return tuple(a for a in self.answers if (a.issued.day if a.issued else date.min) >= since)


def _outside(answer: Answer, whose: str) -> int:
    return sum(1 for of, one in answer.judged_of if of == whose and one.flag)


def _gist(answer: Answer | None, names: tuple[str, ...], outside: int) -> Gist:
    """A newborn's values are not counted as the mother's, in a list no more than in a trend."""
    if answer is None:
        return Gist(names, outside)
    told = [(one.whose, one.heading) for one in answer.findings] + [(one.whose, one.origin) for one in answer.organisms]
    whose = dict.fromkeys(of for of, _ in answer.judged_of if of)
    called = {of: dict.fromkeys(panels.bare(name) for whom, name in told if whom == of and name) for of in whose}
    others = tuple(Others(of, tuple(called[of]), _outside(answer, of)) for of in whose)
    return Gist(names, outside, others, partly=bool(names) or any(not of for of, _ in told))


def read(chart: Chart) -> Reading:
    """Make one chart ready."""
    reports = (*chart.reports, *answers.unreported(chart.reports, chart.observations))
    found = answers.answers(
        reports, chart.observations, requests=chart.requests, specimens=chart.specimens, names=chart.names
    )
    texts = answers.in_answers(found, reports, chart.observations)
    lines = trends.series(
        chart.observations,
        specimens=chart.specimens,
        reports=chart.reports,
        names=chart.names,
        laboratories=chart.laboratories,
        leave_out=texts,
    )
    measured = {point.report for line in lines for point in line.points} | _emptied(chart)
    return Reading(chart, lines, found, tuple(a for a in found if a.read or a.id not in measured))


def _emptied(chart: Chart) -> set[str]:
    """Reports whose results are older than those that are drawn: they say something, though nothing of it is here."""
    if not chart.whole:
        return set()
    drawn = {str(one.get("id", "")) for one in chart.observations}
    named = {str(one.get("id", "")): {reference_id(ref) for ref in one.get("result", [])} for one in chart.reports}
    return {report for report, results in named.items() if results and not results & drawn}
