"""How far critical information reaches: figures by organisation and region that tell nothing of anybody (law, K137).

A figure that rests on fewer than `LEAST` people, or that leaves fewer over, is withheld; where one of a region's is, so is the
next smallest, since the rest and the sum would tell it. Others are rounded, so that one registration is not seen from day to day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kjerne.exchange import Answer, Call, Route
from kjerne.fhir.encode import encode
from kjerne.services.critical.kinds import SERVICE
from kjerne.store import coverage
from kjerne.store.coverage import Counted, Level
from kjerne.store.pool import Connection, Pool
from kjerne.store.registers import organisation_names

SCOPE: Final = "kjerne:operations"
LEAST: Final = 10
STEP: Final = 5
AGES: Final[tuple[tuple[str, timedelta | None], ...]] = (
    ("under-1-year", timedelta(days=365)), ("1-to-3-years", timedelta(days=3 * 365)), ("over-3-years", None),
)  # fmt: skip
"""Ages of entries, since their current version was written; each below its bound."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One place. `people` are tied to it, `registered` have something; `percent` is the share; `ages` are numbers of entries.
    None is withheld."""

    level: Level
    place: str
    region: str
    name: str
    people: int | None
    registered: int | None
    ages: tuple[int | None, ...]

    @property
    def percent(self) -> int | None:
        if self.registered is None or not self.people:
            return None
        return min(100, round(100 * self.registered / self.people))


async def figures(conn: Connection, pool: Pool, types: Sequence[int], now: datetime) -> list[Figure]:
    """All places: the whole first, then each region with its organisations, by number."""
    since = [now - bound for _, bound in AGES if bound is not None]
    counted = await coverage.counted(conn, types, now.astimezone(UTC).date(), since)
    names = await organisation_names(pool, [one.place for one in counted if one.level == "organisation"])
    return told(counted, names.get)


def told(counted: Iterable[Counted], name_of: Callable[[str, str], str | None]) -> list[Figure]:
    """What may be told of counts, in order."""
    found: list[Figure] = []
    by_above: dict[tuple[Level, str], list[Counted]] = {}
    for one in counted:
        by_above.setdefault((one.level, one.region if one.level == "organisation" else ""), []).append(one)
    regions = {one.place: one for one in _beside(by_above.get(("region", ""), []), name_of)}
    for (level, above), places in by_above.items():
        found += _beside(places, name_of, regions.get(above) if level == "organisation" else None)
    levels = ("all", "region", "organisation")
    return sorted(found, key=lambda one: (one.level != "all", one.region, levels.index(one.level), one.place))


def _beside(
    places: Sequence[Counted], name_of: Callable[[str, str], str | None], above: Figure | None = None
) -> list[Figure]:
    """Places that a sum is told of. Where that of their region, `above`, is withheld, they do not tell it all the same."""
    people = _withheld([(one.people, one.people) for one in places], some=above is not None and above.people is None)
    # Who has nothing must not be told either: a share of all but a few tells it of those.
    registered = _withheld(
        [(min(one.registered, one.people - one.registered), one.registered) for one in places],
        some=above is not None and above.registered is None,
    )
    ages = [
        _withheld([one.ages[age] for one in places], some=above is not None and above.ages[age] is None)
        for age in range(len(AGES))
    ]
    return [
        replace(_figure(one, name_of), people=people[at], registered=registered[at], ages=tuple(each[at] for each in ages))
        for at, one in enumerate(places)
    ]  # fmt: skip


def _withheld(counts: Sequence[tuple[int, int]], *, some: bool = False) -> list[int | None]:
    """Rounded numbers, each of (how many people it rests on, the number); None for what is withheld. `some`: at least one is,
    since their sum is."""
    shut = {at for at, (rests, _) in enumerate(counts) if rests < LEAST}
    if some and not shut and counts:
        shut.add(min(range(len(counts)), key=lambda at: counts[at]))
    if len(shut) == 1 and (others := [at for at in range(len(counts)) if at not in shut]):
        shut.add(min(others, key=lambda at: counts[at]))
    return [None if at in shut else STEP * round(number / STEP) for at, (_, number) in enumerate(counts)]


def _figure(one: Counted, name_of: Callable[[str, str], str | None]) -> Figure:
    name = name_of(one.place, "") if one.level == "organisation" else ""
    return Figure(one.level, one.place, one.region, name or "", None, None, ())


@dataclass(frozen=True)
class CoverageApi:
    """The handler. `types` are the numbers of the service's types."""

    pool: Pool
    types: Sequence[int]

    def routes(self) -> list[Route]:
        return [Route("GET", f"/{SERVICE}/coverage", self.tell, SCOPE, "json")]

    async def tell(self, call: Call) -> Answer:
        """Shares and ages by region and organisation, of nobody in particular."""
        async with self.pool.acquire() as conn:
            found = await figures(conn, self.pool, self.types, call.at)
        told_ = {"at": call.at.isoformat(), "least": LEAST, "roundedTo": STEP, "places": [_place(one) for one in found]}
        return Answer(200, encode(told_), "application/json")


def _place(one: Figure) -> dict[str, Any]:
    ages = {name: number for (name, _), number in zip(AGES, one.ages, strict=True)}
    return {
        "level": one.level, "place": one.place, "region": one.region, "name": one.name, "people": one.people,
        "registered": one.registered, "percent": one.percent, "entriesByAge": ages,
    }  # fmt: skip
