"""`kjerne synth fit --store`: people of the platform's own database, and the permissions under which they are learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from kjerne.access import Caller
from kjerne.app import House
from kjerne.clock import SystemClock
from kjerne.commands.database import on_database
from kjerne.commands.housed import in_house
from kjerne.commands.participating import author
from kjerne.errors import Refusal
from kjerne.exchange import Call
from kjerne.policy.door import Door
from kjerne.policy.services import EXPORTED, SERVICES
from kjerne.registries.homes import KEPT
from kjerne.services.exports.files import Files
from kjerne.services.exports.filters import Filters
from kjerne.services.exports.learning import Allowed, Learning, Permissions
from kjerne.services.synthetic import splitting
from kjerne.services.synthetic.fhir_mapping import KINDS
from kjerne.services.synthetic.fhir_reading import Resources, Told
from kjerne.services.synthetic.tables import files_of, read_events, read_traits
from kjerne.settings import Settings
from kjerne.store.keys import Sealer
from kjerne.store.learning import Permission
from kjerne.store.pool import Pool

WHERE: Final = "the store"


@dataclass(frozen=True)
class People:
    """People of a store as tables, under what they were read, and the files of those learned from, where they were divided."""

    told: Told
    permission: dict[str, str]
    files: tuple[Path, ...] = ()

    @property
    def generated(self) -> bool:
        return not self.permission


def read(settings: Settings, permission: int | None) -> People:
    """Everybody whom the law lets be learned from. Nothing of it is written anywhere. `Refusal` 403 without a permission where
    somebody in the store is real."""

    async def use(house: House, caller: Caller) -> People:
        return await people_of(house, caller, permission)

    return in_house(settings, use)


async def people_of(house: House, caller: Caller, permission: int | None) -> People:
    """As `read`, of a house that is open."""
    clock, store, correlation = house.clock, house.store, uuid4().hex
    door = Door(store, clock)
    services = [name for name in SERVICES if name in EXPORTED]
    files = Files(store.pool, house.reader, house.patients, store.ids, Sealer(store.keys.derived("export")), services, (),
                  Filters(house.parse_search), house.finder)  # fmt: skip
    learning = Learning(store.pool, files, clock)
    allowed = await learning.allowed(caller, permission, correlation)
    call = Call("LEARN", "", clock.now(), correlation, caller, door.admit(caller, correlation),
                meet=partial(door.meet, caller))  # fmt: skip
    found = Resources()
    types = dict.fromkeys(name for name, service in KEPT if service in EXPORTED and name in KINDS)
    async for lines in learning.people(call, allowed, list(types)):
        for line in lines:
            found.take(line)
    return People(found.told(WHERE), _told_of(allowed))


def divided(people: People, folder: Path, seed: int, share: float) -> People:
    """Those who are learned from; they and whom is held out lie in `folder` as tables, for the report."""
    splitting.divided(people.told, share, seed, folder)
    train = folder / splitting.PARTS[0]
    events, traits = files_of(train, "events"), files_of(train, "static")
    told = replace(people.told, events=read_events(events), traits=read_traits(traits))
    return replace(people, told=told, files=(*events, *traits))


def permit(settings: Settings, export: int, until: str) -> dict[str, Any]:
    """Records a permission on an approved export, with its row in the log."""
    try:
        last_day = date.fromisoformat(until)
    except ValueError:
        raise Refusal(400, "it is no day as 2026-12-31", where="--until") from None

    async def use(pool: Pool) -> Permission:
        return await Permissions(pool).give(author(), export, last_day, SystemClock().now(), uuid4().hex)

    return told_of(on_database(settings, use))


def end(settings: Settings, number: int, why: str) -> dict[str, Any]:
    """Ends a permission before its time."""

    async def use(pool: Pool) -> Permission:
        return await Permissions(pool).end(author(), number, why, SystemClock().now(), uuid4().hex)

    return told_of(on_database(settings, use))


def still_permitted(settings: Settings, number: int) -> None:
    """`Refusal` 403 where a permission ended while a model was learned under it."""

    async def use(pool: Pool) -> None:
        await Permissions(pool).held(number, SystemClock().now())

    on_database(settings, use)


def listed(settings: Settings) -> list[dict[str, Any]]:
    """All permissions, newest first."""

    async def use(pool: Pool) -> list[Permission]:
        return await Permissions(pool).listed()

    return [told_of(one) for one in on_database(settings, use)]


def told_of(one: Permission) -> dict[str, Any]:
    """A permission as JSON."""
    told: dict[str, Any] = {
        "number": one.number, "state": one.state(SystemClock().now()), "who": one.who, "ground": one.ground, "export": one.export,
        "from": one.at.isoformat(timespec="seconds"), "until": one.until.isoformat(timespec="seconds"), "madeBy": one.made_by,
    }  # fmt: skip
    if one.ended_at:
        told |= {
            "endedAt": one.ended_at.isoformat(timespec="seconds"),
            "endedBy": one.ended_by,
            "endedWhy": one.ended_why,
        }
    return told


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Permissions for a person to read, and how many there are."""
    told = [f"{row['number']}  {row['state']} until {row['until'][:16]}  {row['who']}: {row['ground']}"
            + (f"  (ended: {row['endedWhy']})" if "endedWhy" in row else "") for row in rows]  # fmt: skip
    return "\n".join([*told, f"{len(rows)} permissions"])


def _told_of(allowed: Allowed) -> dict[str, str]:
    given = allowed.permission
    if given is None:
        return {}
    return {"number": str(given.number), "who": given.who, "ground": given.ground,
            "until": given.until.isoformat(timespec="seconds")}  # fmt: skip
