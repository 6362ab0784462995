"""The fifteen residents who play a part in the sandbox's stories, with their ties and privacy choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final, NamedTuple

from kjerne.access import Choice, Tie
from kjerne.sandbox.household import address, person
from kjerne.sandbox.institutions import HOME_MUNICIPALITY, Service
from kjerne.sandbox.people import Part, Person, Protection, Sex


class _Role(NamedTuple):
    """`age` in whole years and `days` since the last birthday; people with the same `home` live together."""

    part: Part
    sex: Sex
    age: int
    days: int
    home: int
    family: str
    protection: Protection = "ugradert"


ROLES: Final = (
    _Role("citizen", "female", 58, 120, 1, "Solheim"),
    _Role("parent", "female", 41, 33, 2, "Nygård"),
    _Role("child", "male", 8, 200, 2, "Nygård"),
    _Role("twin", "female", 8, 200, 2, "Nygård"),
    _Role("youth", "female", 14, 150, 2, "Nygård"),
    _Role("pregnant", "female", 30, 250, 3, "Myklebust"),
    _Role("new-mother", "female", 33, 80, 4, "Sandvik"),
    _Role("newborn", "male", 0, 21, 4, "Sandvik"),
    _Role("protected", "female", 36, 310, 5, "Lunde", "strengtFortrolig"),
    _Role("opted-out", "male", 49, 60, 6, "Haugen"),
    _Role("restricted", "male", 46, 0, 7, "Amundsen"),
    _Role("renumbered", "male", 29, 170, 8, "Nowak"),
    _Role("proxy", "male", 55, 240, 9, "Berge"),
    _Role("guardian", "female", 62, 40, 10, "Tangen"),
    _Role("ward", "male", 79, 200, 11, "Moe"),
)
PARENTS: Final[tuple[tuple[Part, Part], ...]] = (
    ("child", "parent"), ("twin", "parent"), ("youth", "parent"), ("newborn", "new-mother"),
)  # fmt: skip
PROXY: Final = Tie("proxy", areas=("innsyn", "digitaleHelsetjenester"))
OTHER_PROXY: Final = Tie("proxy", areas=("digitaleHelsetjenester",))
GUARDIAN: Final = Tie("guardian", areas=("personligeOgOekonomiskeInteresser",), form="voksen")
IN_MONEY: Final = Tie("guardian", areas=("oekonomiskeInteresser",), form="voksen")
RENUMBERED_DAYS_AGO: Final = 200


def play(seed: int, today: date, taken: set[str]) -> dict[Part, Person]:
    """The cast, keys 1 to 15 in the order of `ROLES`."""
    played: dict[Part, Person] = {}
    for key, role in enumerate(ROLES, 1):
        home = address(Random(f"{seed}:home:{role.home}"), HOME_MUNICIPALITY)
        until = today - timedelta(days=RENUMBERED_DAYS_AGO) if role.part == "renumbered" else None
        born = _leap_day(today.year - role.age) if role.part == "restricted" else _born(today, role.age, role.days)
        played[role.part] = person(
            Random(f"{seed}:part:{role.part}"), key, born, role.sex, role.family, home, taken,
            d_number_until=until, protection=role.protection,
        )  # fmt: skip
    return played


def ties(played: Mapping[Part, Person], service: Service, today: date) -> dict[int, list[Tie]]:
    """General practitioner, open and ended courses of care, parents."""
    gp, units = service.staff["gp"], service.units
    found = {
        one.key: [Tie("practice-list", gp.hpr, gp.point_of_care, since=_since(one, today, 900))]
        for one in played.values()
    }
    former = service.staff["doctor-1-1"]
    citizen = played["citizen"].key
    found[citizen].insert(
        0, Tie("practice-list", former.hpr, former.point_of_care, since=_ago(today, 2400), until=_ago(today, 900))
    )
    found[citizen][1] = Tie("practice-list", gp.hpr, gp.point_of_care, since=_ago(today, 900))
    care: tuple[tuple[Part, str, int, int], ...] = (
        ("citizen", "hospital", 310, 0), ("restricted", "hospital", 60, 0), ("pregnant", "health-centre", 150, 0),
        ("pregnant", "maternity-ward", 90, 0), ("new-mother", "maternity-ward", 22, 18),
        ("newborn", "maternity-ward", 21, 18), ("new-mother", "health-centre", 17, 0),
        ("newborn", "health-centre", 17, 0), ("protected", "hospital", 45, 30),
    )  # fmt: skip
    for part, unit, since, until in care:
        ended = _ago(today, until) if until else None
        found[played[part].key].append(
            Tie("care", organisation=units[unit].number, since=_ago(today, since), until=ended)
        )
    for child, parent in PARENTS:
        found[played[child].key].append(Tie("parent", key=played[parent].key, since=played[child].birth_date))
    represented: tuple[tuple[Part, Tie, Part, int, int | None], ...] = (
        ("citizen", PROXY, "proxy", 300, -65), ("pregnant", OTHER_PROXY, "proxy", 90, None),
        ("ward", GUARDIAN, "guardian", 700, None), ("renumbered", IN_MONEY, "guardian", 400, None),
    )  # fmt: skip
    for patient, tie, other, first, end in represented:
        last = None if end is None else _ago(today, end)
        stated = replace(tie, key=played[other].key, since=_ago(today, first), until=last)
        found[played[patient].key].append(stated)
    return found


def choices(played: Mapping[Part, Person], service: Service, today: date) -> dict[int, list[Choice]]:
    """The citizen has blocked one doctor by name; others have opted out, or shut their records to all staff."""
    blocked = service.staff["blocked-doctor"].hpr
    return {
        played["citizen"].key: [
            Choice("restriction", "", "", "", _moment(today, 400), _moment(today, 390)),
            Choice("block", "", blocked, "", _moment(today, 200), None),
        ],
        played["opted-out"].key: [Choice("opt-out", "", "", "", _moment(today, 120), None)],
        played["restricted"].key: [Choice("restriction", "", "", "", _moment(today, 75), None)],
    }


def _born(today: date, age: int, days: int) -> date:
    birthday = today - timedelta(days=days)
    if (birthday.month, birthday.day) == (2, 29):
        birthday -= timedelta(days=1)
    return birthday.replace(year=birthday.year - age)


def _leap_day(latest: int) -> date:
    return date(next(year for year in range(latest, 0, -1) if year % 4 == 0 and (year % 100 or not year % 400)), 2, 29)


def _ago(today: date, days: int) -> date:
    return today - timedelta(days=days)


def _since(one: Person, today: date, days: int) -> date:
    return max(one.birth_date, _ago(today, days))


def _moment(today: date, days: int) -> datetime:
    return datetime(today.year, today.month, today.day, 11, 30, tzinfo=UTC) - timedelta(days=days)
