"""`kjerne participation`: the register read and changed from the command line, on the database that the settings name."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import uuid4

from kjerne.access import COMMAND_LINE, Caller
from kjerne.clock import SystemClock
from kjerne.commands.database import on_database
from kjerne.policy.services import IN_USE
from kjerne.services.participation.api import LISTED, named, told_of_change, wanted
from kjerne.services.participation.register import Asked, Change, Register
from kjerne.settings import Settings
from kjerne.store import participation
from kjerne.store.pool import Pool

T = TypeVar("T")
EVERYWHERE: Final = "everywhere"


def listed(settings: Settings, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows of the register as JSON, newest first, at most `LISTED`; filters as in `GET /participation`."""
    filters = wanted(asked, sorted(IN_USE))

    async def use(pool: Pool) -> list[dict[str, Any]]:
        async with pool.acquire() as conn:
            rows = await participation.listed(conn, filters, SystemClock().now(), LISTED)
        return await named(pool, rows)

    return on_database(settings, use)


def change(settings: Settings, asked: Asked, *, plan: bool) -> tuple[int, Change]:
    """Makes the change, or only says what it would do; the number of the row is 0 where there is none yet."""

    async def use(pool: Pool) -> tuple[int, Change]:
        register, now = Register(pool, IN_USE), SystemClock().now()
        if plan:
            planned = await register.plan(author(), asked, now)
            return asked.number, planned
        return await register.save(author(), asked, now, uuid4().hex)

    return on_database(settings, use)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in columns, and how many there are."""
    head = ("number", "organisation", "service", "part", "phase", "areas", "since", "until", "name")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([*(lines if rows else []), f"{len(rows)} in the register"])


def told(number: int, made: Change) -> dict[str, Any]:
    return told_of_change(number, made)


def sentence(number: int, made: Change, *, plan: bool) -> str:
    """What was, or would be, done, with whom it reaches."""
    row, reach = made.row, made.reach
    what = {"open": "takes part", "widen": "takes part more widely", "close": "takes no part any more"}[made.kind]
    whom = (
        f"{reach.name}, {reach.covered} of its {reach.units} units"
        if reach
        else "an organisation that the register of organisations does not have"
    )
    said = (
        f"{row.organisation} ({whom}) {what} in {row.service} as {row.part} "
        f"({row.phase}, {', '.join(row.areas) or EVERYWHERE}) from {made.at:%Y-%m-%d %H:%M} UTC"
    )
    return f"would be so: {said}" if plan else f"{number}: {said}"


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    instants = [str(row.get(name, ""))[:16].replace("T", " ") for name in ("since", "until")]
    areas = " ".join(row["areas"]) or EVERYWHERE
    told = [str(row[name]) for name in ("number", "organisation", "service", "part", "phase")]
    return (*told, areas, *instants, str(row.get("name", "")))


def author() -> Caller:
    """Whoever is logged in on this machine; the register of organisations knows nothing of her."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = ""
    return Caller("system", COMMAND_LINE, frozenset(), name=f"{COMMAND_LINE} {user}".strip())
