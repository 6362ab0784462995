"""What the look-up box answers: whether an analysis was done, and what is there that may be used in place of a new one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from kjerne.services.results import judging, points, values
from kjerne.services.results.judging import Flag
from kjerne.services.results.points import Mark
from kjerne.services.results.reuse import Earlier, Use, Verdict
from kjerne.services.results.values import Value


@dataclass(frozen=True, slots=True)
class Analysis:
    """Something that can be asked about in the "already done" box: a code, its name, and what else it is called by."""

    code: str
    system: str
    name: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """One earlier answer that may make a repeat unneeded. `report` is the DiagnosticReport's id, empty if unknown.

    `value` is None where the answer is no value: an examination whose parts say what was found.
    """

    at: datetime
    what: str
    value: Value | None
    where: str
    report: str = ""
    flag: Flag | None = None
    words: str = ""
    """What the laboratory's flag says in words."""
    mark: Mark = ""
    notes: tuple[str, ...] = ()
    use: Use = "yes"
    """`read`: what it says has to be read before it is used; `waiting`: it is not answered for good."""


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """The answer of the look-up box. `number` names the shown answer, so that follow or override can be counted.

    `verdict`: `done` inside the interval, `read` when what is there has to be read first, `waiting` when the last one is not
    answered for good, `due` when it is older than the interval, `never` when this reader sees none that is of use,
    `no-rule` when no interval is kept for the analysis.
    """

    number: str
    analysis: Analysis
    verdict: Verdict
    interval_days: int | None = None
    again_from: date | None = None
    done: tuple[Done, ...] = ()
    results: tuple[tuple[str, int], ...] = ()
    """Those of `done`, each with its version."""


def done_of(earlier: Earlier) -> Done:
    """One of the earlier answers as the box shows it."""
    observation = earlier.observation
    performers = [one.get("display", "") for one in observation.get("performer", ())]
    at = earlier.at if earlier.at.tzinfo else earlier.at.replace(tzinfo=UTC)
    what, where = values.concept_text(observation.get("code")), next(iter(performers), "")
    value, mark = values.value_of(observation), points.mark_of(observation, points.changes_of(observation))
    flag = judging.flag_of(observation, value or Value(), judging.range_of(observation))
    words, notes = judging.flag_words(observation), points.notes_of(observation)
    return Done(at, what, value, where, points.own_report(observation), flag, words, mark, notes, earlier.use)
