"""`kjerne persons`: two numbers of one human linked and unlinked from the command line, on the settings' database.

Person numbers are typed when asked for, or come as two lines on standard input: an argument would stand in the shell's
history and in the list of processes.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from getpass import getpass
from typing import Any, TypeVar
from uuid import uuid4

from kjerne.access import Caller
from kjerne.app import House
from kjerne.commands.housed import in_house
from kjerne.exchange import Admit
from kjerne.policy.door import Door
from kjerne.policy.services import kept_by_law
from kjerne.registries.naming import identified
from kjerne.services.persons.api import told_of, told_of_meanwhile, told_of_pair
from kjerne.services.persons.linking import Linker
from kjerne.services.results.parting import Parting
from kjerne.services.standards import types_by_service
from kjerne.settings import Settings

T = TypeVar("T")
Work = Callable[[House, Linker, Admit, Caller], Awaitable[T]]


def listed(settings: Settings) -> list[dict[str, Any]]:
    """The history of links as JSON, newest first."""

    async def use(_: House, linker: Linker, __: Admit, ___: Caller) -> list[dict[str, Any]]:
        return [told_of(row) for row in await linker.history(None)]

    return _run(settings, use)


def link(settings: Settings, numbers: tuple[str, str], reason: str, *, plan: bool) -> dict[str, Any]:
    """Links the two, or only compares them."""

    async def use(house: House, linker: Linker, admit: Admit, caller: Caller) -> dict[str, Any]:
        pair = (
            identified(house.identify, numbers[0], "the first number"),
            identified(house.identify, numbers[1], "the second number"),
        )
        if plan:
            return told_of_pair(await linker.compare(admit, pair, reason))
        number, found = await linker.link(admit, caller, pair, reason)
        return {"number": number, **told_of_pair(found)}

    return _run(settings, use)


def unlink(settings: Settings, number: int, reason: str, *, plan: bool) -> dict[str, Any]:
    """Undoes a link, or only says what was shown over it."""

    async def use(_: House, linker: Linker, admit: Admit, caller: Caller) -> dict[str, Any]:
        if plan:
            return told_of_meanwhile(await linker.meanwhile(admit, number, reason))
        return told_of_meanwhile(await linker.undo(admit, caller, number, reason))

    return _run(settings, use)


def two_numbers() -> tuple[str, str]:
    """Typed without being shown, or the first two lines of standard input."""
    if sys.stdin.isatty():
        return getpass("First person number: ").strip(), getpass("Second person number: ").strip()
    return sys.stdin.readline().strip(), sys.stdin.readline().strip()


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The links in lines, and how many there are."""
    lines = [
        f"{row['number']}  {row['at'][:16]}  {row['madeBy']}: {row['reason']}"
        + (f"  undone {row['undoneAt'][:16]} by {row['undoneBy']}: {row['undoneWhy']}" if "undoneAt" in row else "")
        for row in rows
    ]
    return "\n".join([*lines, f"{len(rows)} links"])


def compared(told: Mapping[str, Any], *, plan: bool) -> str:
    """What a link did, or would do."""
    said = f"birth date: {told['birthDate']}, sex: {told['sex']}"
    if plan:
        return f"would be linked ({said})" if not told["linked"] else f"are linked already ({said})"
    return f"{told['number']}: linked ({said})"


def meanwhile(told: Mapping[str, Any], *, plan: bool) -> str:
    """What was shown over a link, a line for each look."""
    lines = [
        f"{one['at'][:16]}  {one['organisation'] or one['kind']} {one['role']} {one['purpose']}: "
        + ", ".join(f"{count} {type_}" for type_, count in one["records"].items())
        for one in told["shown"]
    ]
    if told["joinedOtherwise"]:
        lines = ["other links join the two all the same: nothing was shown by this one alone"]
    if told["more"]:
        lines.append("the log has more rows than were looked through")
    done = "in force" if plan and "undoneAt" not in told else "undone"
    return "\n".join([f"{told['number']}: {done}; looks over it: {len(told['shown'])}", *lines])


def _run(settings: Settings, work: Work[T]) -> T:
    async def use(house: House, caller: Caller) -> T:
        admit = Door(house.store, house.clock).admit(caller, uuid4().hex)
        parting = Parting(house.store, house.digest).part
        return await work(house, Linker(house.store, types_by_service(), kept_by_law(), parting), admit, caller)

    return in_house(settings, use)
