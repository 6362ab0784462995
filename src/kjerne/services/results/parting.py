"""Reports that came under one number of a person while it was linked to another, and the link is undone.

While two numbers are one person's, a version that names either goes on with the report that lies under the other. When
that was wrong, each version is again of whom it names, and what stands is made anew from all of them, as if the link had never
been: a report that its newest version gives to the other person moves to her, and those who had read it are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from kjerne.access import Grant
from kjerne.services.results import arrived
from kjerne.services.results.filing import Digest, Files, Filing, number_of
from kjerne.services.results.intake import SERVICE, digest_name
from kjerne.services.results.kith import chain, lineage
from kjerne.services.results.pooled import source_of
from kjerne.store import arrivals, linking
from kjerne.store.chains import Chains
from kjerne.store.house import Store
from kjerne.store.marking import under
from kjerne.store.matching import at_key
from kjerne.store.pool import Connection


class Misplaced(NamedTuple):
    """A version that lies with `holder` and names `person`, and the laboratory's number it came under."""

    number: bytes
    holder: int
    person: int
    version: chain.Versioned


_NUMBER: Final = """SELECT DISTINCT number FROM report_version
WHERE patient = $1 AND chain = $2 AND made_at = $3 AND message = $4"""
_NAMED: Final = """UPDATE report_version SET patient = $1
WHERE number = $2 AND made_at = $3 AND message = $4 AND patient = $5"""
_SENDERS: Final = "SELECT DISTINCT sender FROM message_in WHERE status = 'accepted'"


class Parting:
    """Parts reports for one house; `digest` hides what names a chain or a person."""

    def __init__(self, store: Store, digest: Digest) -> None:
        self._store = store
        self._digest = digest
        self._chains = Chains(store.records)
        self._files = Files(store, self._chains, digest)

    async def part(
        self, conn: Connection, grants: Sequence[Grant], sides: tuple[frozenset[int], frozenset[int]]
    ) -> None:
        """Gives each side of a link what names it. Call in the transaction that undoes the link and holds both persons' rows;
        `grants` are for them, the one's first."""
        by_key: dict[int, Grant] = {}
        for grant, side in zip(grants, sides, strict=True):
            keys = side & frozenset(grant.subject.keys)
            own = under(replace(grant, service=SERVICE), keys)
            own = replace(own, subject=replace(own.subject, stamp=await linking.stamp_of(conn, keys)))
            by_key |= {key: at_key(own, key) for key in keys}
        for one in await self._misplaced(conn, by_key, sides):
            await self._move(conn, by_key, one)

    async def _misplaced(
        self, conn: Connection, by_key: Mapping[int, Grant], sides: tuple[frozenset[int], frozenset[int]]
    ) -> list[Misplaced]:
        """Every version that lies with one side and names the other, oldest first."""
        lying: list[tuple[int, bytes, chain.Versioned]] = []
        for key, grant in by_key.items():
            for report, sources in (
                await self._chains.sources(conn, grant, await linking.reports_of(conn, key))
            ).items():
                versions = [chain.unpack(one.raw) for one in sources]
                lying += [(key, report, one) for one in versions if not chain.is_absent(one)]
        whole = {one.name: one for _, _, one in lying if not one.samplings}
        lying = [(key, report, whole.get(one.name, one)) for key, report, one in lying]
        names = {self._digest(digest_name(one.report.patient)) for _, _, one in lying}
        persons = await linking.persons_by(conn, sorted(names))
        found = []
        for holder, report, version in sorted(lying, key=lambda one: one[2].generated_at):
            person = persons.get(self._digest(digest_name(version.report.patient)), holder)
            if person in by_key and not any({person, holder} <= side for side in sides):
                numbers = await conn.fetch(_NUMBER, holder, report, version.generated_at, version.message)
                found += [Misplaced(row["number"], holder, person, version) for row in numbers]
        return found

    async def _move(self, conn: Connection, by_key: Mapping[int, Grant], one: Misplaced) -> None:
        """One version as what it names, and all that is under its number as it stands with that."""
        version, number = one.version, one.number
        sender = await self._sender(conn, one)
        if sender is None:
            return
        sent = await arrivals.under(conn, number)
        marks = arrived.marks(sent, number, self._store.messages.open)
        known = arrived.open_to(marks, by_key.__contains__)
        own = (version.generated_at, version.message, one.holder)
        plan = lineage.renamed(number, known, own, one.person)
        mark = next(mark for part in plan.after.values() for mark in part.marks if mark.name == (*own[:2], one.person))
        await conn.execute(_NAMED, one.person, number, *own)
        grants = by_key[one.person], *(grant for key, grant in by_key.items() if key != one.person)
        filing = Filing(sender, number, version, mark, plan, grants[0], grants[1:])
        await self._files.regroup(conn, filing, version.message)
        # What was shown with the holder until now is kept as any that lay on a wrong person: shut.
        names = sorted({self._digest(f"aside|{number.hex()}"), *plan.chains})
        await self._chains.let_go(conn, one.holder, names, source_of(version))

    async def _sender(self, conn: Connection, one: Misplaced) -> str | None:
        """Who sent the version: the one whose number of the report this is."""
        report, message = one.version.report, one.version.message
        keys = [chain.key_of(message, report, numbered=numbered) for numbered in (True, False)]
        senders = [row["sender"] for row in await conn.fetch(_SENDERS)]
        return next(
            (sender for sender in senders for key in keys if number_of(self._digest, sender, key) == one.number), None
        )
