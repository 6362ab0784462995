"""Two numbers of one human: compared, linked, and a wrong link undone, by an operator who learns no name.

The register of persons says who is who; a person who got a new number while nobody told us has two keys here. Linking moves
no record: what was shown over a wrong link is told when it is undone, by organisation and role. Each person's log has a row
of every comparison, link and undoing, with the operator's reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeVar

from kjerne.access import REGRET, Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Admit, Denied, PatientRef, Stale
from kjerne.jobs import plan
from kjerne.registries import wording
from kjerne.registries.protection import is_protected
from kjerne.store import audit, erasing, linking, marking, subjects
from kjerne.store.house import Store
from kjerne.store.linking import Link, Shown
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader
from kjerne.store.records import hold
from kjerne.store.registers import organisation_names

SERVICE: Final = "persons"
LISTED: Final = 100

Agreement = Literal["same", "differs", "unknown"]
T = TypeVar("T")
Part = Callable[[Connection, Sequence[Grant], tuple[frozenset[int], frozenset[int]]], Awaitable[None]]
"""Gives each side of a link what names it, in the transaction that undoes the link, by the grants for both."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the register of persons says of two numbers, without saying what it is."""

    birth_date: Agreement
    sex: Agreement
    linked: bool


@dataclass(frozen=True, slots=True)
class Look:
    """One look over a link: the organisation is empty where the patient's address is protected."""

    at: datetime
    kind: str
    role: str
    organisation: str
    purpose: str
    types: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What was shown over a link: `joined` says that other links join the two all the same, so nothing was."""

    link: Link
    looks: tuple[Look, ...]
    more: bool
    joined: bool


class Linker:
    """Links and unlinks for one house. `types_by_service` says which records each service keeps, `kept` which services no
    opt-out deletes. `part` gives each side of a link what was filed with the other over it."""

    def __init__(
        self, store: Store, types_by_service: Mapping[str, Sequence[int]], kept: Collection[str], part: Part
    ) -> None:
        self._store = store
        self._part_records = part
        self._reader = Reader(store.wrap, store.dictionaries)
        self._types_by_service = types_by_service
        self._kept = kept

    async def compare(self, admit: Admit, pair: tuple[PatientRef, PatientRef], reason: str) -> Compared:
        """Whether the register has the same birth date and sex for both."""
        _distinct(pair)

        async def use(conn: Connection, grants: Sequence[Grant]) -> Compared:
            return await self._compared(conn, grants)

        return await self._explained(admit, pair, "compared", checked(reason), use)

    async def link(
        self, admit: Admit, caller: Caller, pair: tuple[PatientRef, PatientRef], reason: str
    ) -> tuple[int, Compared]:
        """The link's number, and what was compared before it was made; it holds from the next request on every host."""
        why = checked(reason)
        _distinct(pair)

        async def use(conn: Connection, grants: Sequence[Grant]) -> tuple[int, Compared]:
            one, other = grants
            found = await self._compared(conn, grants)
            if found.linked:
                raise Refusal(409, "these two numbers are one person here already", where="other")
            if one.subject.synthetic != other.subject.synthetic:
                raise Refusal(422, "a synthetic person is not linked to another", where="other")
            keys = one.subject.patient, other.subject.patient
            number = await self._store.people.link(conn, *keys, author_of(caller), why, one.at)
            for grant in grants:
                await self._delete_too(conn, grant, number)
            return number, found

        return await self._explained(admit, pair, "made", why, use)

    async def history(self, before: datetime | None) -> list[Link]:
        """Links, newest first, at most `LISTED`; a page more begins before the last one's instant."""
        async with self._store.pool.acquire() as conn:
            return await linking.listed(conn, before, LISTED)

    async def meanwhile(self, admit: Admit, number: int, reason: str) -> Meanwhile:
        """What was shown over a link until now, or until it was undone."""
        of = await self._link(number)

        async def use(conn: Connection, grants: Sequence[Grant]) -> Meanwhile:
            return await self._shown(conn, of, grants)

        return await self._explained(admit, _refs(of), f"{number}/traced", checked(reason), use)

    async def undo(self, admit: Admit, caller: Caller, number: int, reason: str) -> Meanwhile:
        """Undoes a link; what was shown over it until now."""
        of, why = await self._link(number), checked(reason)
        if of.undone_at is not None:
            raise Refusal(409, "this link is undone already", where="number")

        async def use(conn: Connection, grants: Sequence[Grant]) -> Meanwhile:
            shown = await self._shown(conn, of, grants)
            if not shown.joined:
                # First: what goes to the other side is marked by the choices of both, which are then taken off.
                await self._part_records(conn, grants, await linking.sides(conn, of))
                await self._part(conn, of, grants[0])
            await self._store.people.unlink(conn, of.one, of.other, author_of(caller), grants[0].at, why)
            return shown

        return await self._explained(admit, _refs(of), f"{number}/undone", why, use)

    async def _delete_too(self, conn: Connection, grant: Grant, number: int) -> None:
        """Deletes what lies under the other's numbers as well, where this one has opted out: with a whole regret period from
        the link, in which a wrong one is undone with nothing lost."""
        for one in await self._store.people.choices(conn, grant):
            deletes = one.choice.kind == "opt-out" and one.choice.service not in self._kept
            if deletes and marking.holds_at(one.choice, grant.at):
                await plan(conn, erasing.KIND, f"{one.patient}:{one.number}:{number}", grant.at + REGRET)

    async def _part(self, conn: Connection, of: Link, grant: Grant) -> None:
        """Leaves each side no mark of the other's choices."""
        held = await self._store.people.choices(conn, grant)
        for side in await linking.sides(conn, of):
            await marking.part_again(conn, grant, self._reader, self._types_by_service, of.at, side, held)

    async def _link(self, number: int) -> Link:
        async with self._store.pool.acquire() as conn:
            found = await linking.link(conn, number)
        if found is None:
            raise Refusal(404, "no link has this number", where="number")
        return found

    async def _shown(self, conn: Connection, of: Link, grants: Sequence[Grant]) -> Meanwhile:
        sides = await linking.sides(conn, of)
        if of.other in sides[0]:
            return Meanwhile(of, (), more=False, joined=True)
        until = of.undone_at or grants[0].at
        found, more = await linking.shown_over(conn, grants, sides, of.at, until, self._store.ids)
        names = await organisation_names(self._store.pool, sorted({one.organisation for one in found}))
        shielded = any(is_protected(grant.subject.protection) for grant in grants)
        return Meanwhile(of, tuple(_look(one, names, told=not shielded) for one in found), more, joined=False)

    async def _compared(self, conn: Connection, grants: Sequence[Grant]) -> Compared:
        """What each number is registered with by itself: what the law goes by is of all numbers of one human."""
        keys = [grant.subject.patient for grant in grants]
        known = await subjects.details(conn, keys, self._store.wrap)
        one, other = (known[key] for key in keys)
        linked = keys[1] in grants[0].subject.keys
        return Compared(_agree(one.birth_date, other.birth_date), _agree(one.sex, other.sex), linked)

    async def _explained(
        self,
        admit: Admit,
        pair: tuple[PatientRef, PatientRef],
        what: str,
        reason: str,
        use: Callable[[Connection, Sequence[Grant]], Awaitable[T]],
    ) -> T:
        """Asks the law about both, writes each one's row and uses the grants, in one transaction."""
        for _ in range(3):
            grants = [await _admitted(admit, one, where) for one, where in zip(pair, ("one", "other"), strict=True)]
            try:
                async with self._store.pool.acquire() as conn, conn.transaction():
                    for grant in sorted(grants, key=lambda grant: grant.subject.patient):
                        await hold(conn, grant)
                        await audit.insert_explained(conn, audit.given(grant), f"link/{what}", reason)
                    return await use(conn, grants)
            except Stale:
                continue
        raise Refusal(503, "the persons' facts are being changed at this moment", todo="Send the request again.")


async def _admitted(admit: Admit, one: PatientRef, where: str) -> Grant:
    try:
        return await admit(one, SERVICE, "link")
    except Denied as denied:
        if denied.denial.subject is None:
            raise Refusal(404, "nobody is registered here with this number", where=where) from None
        raise


def _distinct(pair: tuple[PatientRef, PatientRef]) -> None:
    """Refuses one number given twice, before anything stands in a log."""
    if pair[0] == pair[1]:
        raise Refusal(400, "one number was given twice", where="other", todo="Give the two numbers of the person.")


def _refs(of: Link) -> tuple[PatientRef, PatientRef]:
    return PatientRef(key=of.one), PatientRef(key=of.other)


def _agree(one: object, other: object) -> Agreement:
    if not one or not other:
        return "unknown"
    return "same" if one == other else "differs"


def _look(one: Shown, names: dict[str, str], *, told: bool) -> Look:
    organisation = names.get(one.organisation, one.organisation) if told else ""
    return Look(one.at, one.kind, one.role, organisation, one.purpose, one.types)


def author_of(caller: Caller) -> str:
    """Who stands in the history of links: the operator's name, or her system's."""
    return caller.name or caller.client


def checked(reason: str) -> str:
    """A reason fit to stand in a person's log; `Refusal` 400 where it is missing or names somebody by number."""
    return wording.reason(reason, "Both persons read it in their logs.")
