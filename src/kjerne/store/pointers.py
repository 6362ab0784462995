"""Rows that lead from one patient to the records of others that name her (`registries.others`; law, K103).

A record has one home: its id, key and log are those of whom it is about. A row here says that there is one to look for and with
whom, and nothing of it; it is a hint. Whoever follows it asks the law about both and looks whether the current version names her
still, so what a message or an import changed behind it shows nobody too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Grant, Subject
from kjerne.exchange import Joined
from kjerne.registries import identifiers
from kjerne.registries.naming import number_in
from kjerne.registries.others import NOBODY, Others, others_in
from kjerne.store.patient_ids import key_of, subject_key
from kjerne.store.pool import Connection
from kjerne.store.sealed_id import SealedIds

Tree = Mapping[str, Any]
Place = tuple[int, UUID]

FOLLOWED_LIMIT: Final = 200
"""Rows of one type that a search follows: a source that names somebody often slows nobody down."""

# Nothing new is kept of whom has opted out of the service; whom nobody knows here has no row to be found by. Another number that
# is linked to the record's own person has one, which leads nowhere while it is: the link may be undone.
_KEEP: Final = """
INSERT INTO pointer (patient, type, id, home)
SELECT p.patient, $2, $3, $1 FROM person p
WHERE (p.patient = ANY($4::bigint[])
    OR p.patient IN (SELECT i.patient FROM person_identifier i WHERE i.digest = ANY($5::bytea[])))
  AND p.patient <> $1 AND p.wrapped_key IS NOT NULL
  AND NOT EXISTS (SELECT FROM privacy_choice c WHERE (c.patient = p.patient OR c.patient = ANY(p.linked))
    AND c.kind = 'opt-out' AND c.service IN ('', $6) AND c.made_at <= $7 AND (c.ended_at IS NULL OR c.ended_at > $7))
ON CONFLICT (patient, type, id) DO NOTHING RETURNING patient"""
# Whoever holds her facts asks anew: until now they said that nothing leads away from her.
_POINTED: Final = (
    "UPDATE person SET pointed = true, stamp = stamp + 1 WHERE patient = ANY($1::bigint[]) AND NOT pointed"
)
_DROP: Final = "DELETE FROM pointer WHERE home = $1 AND type = $2 AND id = $3"
_OF: Final = f"""
SELECT p.type, p.id, p.home FROM unnest($2::smallint[]) AS asked (type), LATERAL (
  SELECT type, id, home FROM pointer WHERE patient = ANY($1::bigint[]) AND type = asked.type AND home <> ALL($1::bigint[])
  ORDER BY id LIMIT {FOLLOWED_LIMIT}
) p"""
_BEHIND: Final = """
SELECT DISTINCT type, id, home FROM pointer
WHERE patient = ANY($1::bigint[]) AND type = ANY($2::smallint[]) AND home <> ALL($1::bigint[])
  AND (type, id) > ($3::smallint, $4::uuid)
ORDER BY type, id LIMIT $5"""
_ONE: Final = """
SELECT home FROM pointer WHERE patient = ANY($1::bigint[]) AND type = $2 AND id = $3 AND home <> ALL($1::bigint[]) LIMIT 1"""


class Named(NamedTuple):
    """Whom a record names beside its subject: by key, and by the digests of numbers. False where it names nobody."""

    keys: frozenset[int]
    digests: frozenset[bytes]

    def __bool__(self) -> bool:
        return bool(self.keys or self.digests)


@dataclass(frozen=True, slots=True)
class Pointers:
    """The rows of one house: its ids, and the key under which numbers are looked up."""

    ids: SealedIds
    number_key: bytes

    def named(self, tree: Tree) -> Named:
        """Whom a resource names beside its subject; an address that is not of this server names nobody. Neither does one that
        does not say whose it is, by an address of this server or a national number: in another's record it would be read as
        that one's own (law, K143)."""
        others = others_in(tree)
        if others == NOBODY or not (number_in(tree) or subject_key(self.ids, tree)):
            return _NAMED_BY_NOTHING
        return self._known(others)

    def _known(self, others: Others) -> Named:
        keys = frozenset(filter(None, (key_of(self.ids, one) for one in others.addresses)))
        return Named(keys, frozenset(identifiers.digest(self.number_key, one) for one in others.numbers))

    def names(self, tree: Tree, subject: Subject) -> bool:
        """Whether a resource names this person, under any of her keys or numbers."""
        named = self.named(tree)
        return not (named.keys.isdisjoint(subject.keys) and named.digests.isdisjoint(subject.digests))

    async def keep(self, conn: Connection, grant: Grant, place: Place, named: Named) -> None:
        """Has the record of the grant's patient found by whom it names; call in the transaction that writes it."""
        who = list(named.keys), list(named.digests)
        rows = await conn.fetch(_KEEP, grant.subject.patient, *place, *who, grant.service, grant.at)
        if rows:
            await conn.execute(_POINTED, [row[0] for row in rows])

    def keep_later(self, joined: Joined, grant: Grant, place: Place, named: Named) -> None:
        """As `keep`, of a part of a transaction: behind its last write, since other parts have the facts of before."""
        joined.at_the_end(("named", *place), partial(self.keep, grant=grant, place=place, named=named))

    async def follow(
        self,
        conn: Connection,
        grant: Grant,
        place: Place,
        before: Tree | None,
        after: Tree | None,
        joined: Joined | None,
    ) -> None:
        """Has the rows say what a version says that comes `after` another; None where the record is new, or was taken away. Call
        behind the write, in its transaction."""
        was, now = (_NAMED_BY_NOTHING if one is None else self.named(one) for one in (before, after))
        if was and was != now:
            await conn.execute(_DROP, grant.subject.patient, *place)
        if now and joined is not None:
            self.keep_later(joined, grant, place, now)
        elif now:
            await self.keep(conn, grant, place, now)

    async def of(self, conn: Connection, grant: Grant, types: Sequence[int]) -> dict[int, list[Place]]:
        """The records of some types that may name the grant's patient, by the key with whom they lie. It answers the program."""
        found: dict[int, list[Place]] = {}
        for type_, id_, home in await conn.fetch(_OF, list(grant.subject.keys), list(types)):
            found.setdefault(home, []).append((type_, id_))
        return found

    async def behind(
        self, conn: Connection, grant: Grant, types: Sequence[int], after: Place, most: int
    ) -> list[tuple[Place, int]]:
        """As `of`, of several types: those behind a place in the order of types and ids, each with the key with whom it lies."""
        rows = await conn.fetch(_BEHIND, list(grant.subject.keys), list(types), *after, most)
        return [((type_, id_), home) for type_, id_, home in rows]

    async def one(self, conn: Connection, grant: Grant, place: Place) -> int:
        """With whom a record lies that may name the grant's patient; 0 for none."""
        home: int | None = await conn.fetchval(_ONE, list(grant.subject.keys), *place)
        return home or 0


_NAMED_BY_NOTHING: Final = Named(frozenset(), frozenset())
