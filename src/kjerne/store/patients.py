"""A person's Patient under a `Grant`, with its audit row: made from the register, or as the sandbox's test client wrote it.

A version made from the register has a number that is taken from its content, so that a changed one has another; those that were
written are counted from 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.access import Caller, Grant, Subject
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.fhir.patient import Known, Number, patient
from kjerne.fhir.search import Bounds, Search, counted, orders, plan
from kjerne.fhir.splice import served, splice
from kjerne.registries.identifiers import OID_PERSON, SYSTEM_BY_KIND
from kjerne.registries.protection import is_protected, strictest
from kjerne.store import audit
from kjerne.store.codec import PersonWrap
from kjerne.store.keys import Sealer
from kjerne.store.patient_ids import id_of
from kjerne.store.pool import Connection, moment
from kjerne.store.proofs import note
from kjerne.store.sealed_id import SealedIds
from kjerne.store.subjects import PersonDetail, open_detail, seal_detail

TYPE: Final = "Patient"
PLACE: Final = b"patient-version"
VERSIONS: Final = 999_999_999
"""What a number taken from content is below; so a version has nine digits at most."""

_REGISTERED: Final = """
SELECT p.patient, p.wrapped_key, p.detail, p.synthetic, p.made_at,
  (SELECT array_agg(ROW(i.kind, i.sealed, i.valid_to IS NULL) ORDER BY i.valid_to IS NULL DESC, i.valid_from DESC)
     FROM person_identifier i WHERE i.patient = p.patient) AS numbers
FROM person p WHERE p.patient = ANY($1::bigint[]) AND p.wrapped_key IS NOT NULL"""
_VERSIONS: Final = "SELECT version, at, body FROM patient_version WHERE patient = $1 ORDER BY version DESC"
_WRITE: Final = (
    "INSERT INTO patient_version (patient, version, at, tokens, body, is_newest) VALUES ($1, $2, $3, $4, $5, true)"
)
_SUPERSEDE: Final = "UPDATE patient_version SET is_newest = false, tokens = '{}' WHERE patient = $1 AND is_newest"
_EVERYBODY: Final = """
SELECT p.patient FROM person p WHERE p.synthetic AND p.wrapped_key IS NOT NULL AND p.patient > $1
  AND NOT EXISTS (SELECT FROM patient_version v WHERE v.patient = p.patient AND v.is_newest AND v.body IS NULL)
ORDER BY p.patient LIMIT $2"""
_BY_TOKENS: Final = """
SELECT v.patient FROM patient_version v WHERE v.is_newest AND v.tokens && $1::bigint[] AND v.patient > $3
UNION SELECT i.patient FROM person_identifier i JOIN person p ON p.patient = i.patient
  WHERE i.digest = ANY($2::bytea[]) AND p.synthetic AND p.wrapped_key IS NOT NULL AND i.patient > $3
ORDER BY 1 LIMIT $4"""


class Held(NamedTuple):
    """One version of a Patient; `raw` None: this version is its deletion."""

    id: UUID
    version: int
    at: datetime
    raw: bytes | None
    is_made: bool = False
    """From the register, which does not say when it was changed."""

    @property
    def served(self) -> bytes:
        raw = self.raw or b"{}"
        return served(raw, splice(raw), str(self.id), self.version, self.at)


class Patients:
    """Reads and writes them. `wrap` opens a person's own key, `numbers` her numbers."""

    def __init__(self, wrap: PersonWrap, numbers: Sealer, ids: SealedIds) -> None:
        self._wrap = wrap
        self._numbers = numbers
        self._ids = ids

    async def look(self, conn: Connection, grant: Grant) -> list[Held]:
        """Every version of her Patient, newest first, with an audit row that names the newest. Raises `Stale`."""
        await note(conn, grant.once)
        async with conn.transaction():
            found = await self.stood(conn, grant)
            await audit.insert(conn, audit.shown(grant) if found else audit.given(grant), named(found[:1]))
        return found

    async def stood(self, conn: Connection, grant: Grant) -> list[Held]:
        """As `look`, in a transaction that writes the row itself: a file's, or that of a search which compares her and gives
        nothing of her. Raises `Stale`."""
        await _stand(conn, grant)
        return await self.versions(conn, grant)

    async def versions(self, conn: Connection, grant: Grant) -> list[Held]:
        """As `look`, for a statement that stands beside another with its own row.

        Where a choice of hers is not told (`Grant.instead_of`) she is who she is all the same: none of her records is there, and
        a Patient that was missing would tell it.
        """
        subject = grant.asked_about
        if not subject.keys:
            return []
        rows = await conn.fetch(_VERSIONS, subject.patient)
        if not rows:
            made = await self._registered(conn, subject)
            return [] if made is None else [made]
        own, id_ = self._wrap.unwrap(subject.patient, subject.wrapped[0]), id_of(self._ids, subject.patient)
        return [
            Held(id_, version, at, None if body is None else own.open(body, _place(version)))
            for version, at, body in map(tuple, rows)
        ]

    async def _registered(self, conn: Connection, subject: Subject) -> Held | None:
        rows = {row["patient"]: row for row in await conn.fetch(_REGISTERED, list(subject.keys))}
        row = rows.get(subject.patient)
        if row is None:
            return None
        details = {key: open_detail(self._wrap, key, one["wrapped_key"], one["detail"]) for key, one in rows.items()}
        own = details[subject.patient]
        shut = is_protected(strictest(one.protection for one in details.values()))
        numbers = [one for key in (subject.patient, *sorted(rows.keys() - {subject.patient}))
                   for one in self._opened(key, rows[key]["numbers"])]  # fmt: skip
        known = Known(
            own.name, own.sex, own.birth_date, own.died_on, "" if shut else own.address, bool(row["synthetic"])
        )
        raw = encode(patient(known, numbers))
        version = int.from_bytes(blake2b(raw, digest_size=6).digest(), "big") % VERSIONS + 1
        return Held(id_of(self._ids, subject.patient), version, row["made_at"], raw, is_made=True)

    def _opened(self, key: int, rows: Sequence[Any] | None) -> list[Number]:
        return [
            Number(SYSTEM_BY_KIND.get(kind, OID_PERSON + "1"), self._numbers.open(sealed, key.to_bytes(8, "big")).decode(), holds)
            for kind, sealed, holds in rows or ()
        ]  # fmt: skip

    async def write(
        self, conn: Connection, grant: Grant, before: int, raw: bytes | None, detail: PersonDetail | None = None
    ) -> Held:
        """A version behind the `before` first ones, with its audit row, in the caller's transaction, which holds her. `detail` is
        what the register says of her from now on."""
        key = grant.subject.patient
        own = self._wrap.unwrap(key, grant.subject.wrapped[0])
        tokens = index(decode(raw)).tokens if raw is not None else []
        await conn.execute(_SUPERSEDE, key)
        sealed = own.seal(raw, _place(before + 1)) if raw is not None else None
        await conn.execute(_WRITE, key, before + 1, grant.at, tokens, sealed)
        if detail is not None:
            said = seal_detail(self._wrap, key, grant.subject.wrapped[0], detail)
            await conn.execute("UPDATE person SET detail = $2, stamp = stamp + 1 WHERE patient = $1", key, said)
        written = Held(id_of(self._ids, key), before + 1, grant.at, raw)
        await audit.insert(conn, audit.given(grant), named([written]))
        return written

    async def detail(self, conn: Connection, grant: Grant) -> PersonDetail:
        """What the register says of her."""
        sealed = await conn.fetchval("SELECT detail FROM person WHERE patient = $1", grant.subject.patient)
        return open_detail(self._wrap, grant.subject.patient, grant.subject.wrapped[0], sealed)

    async def everybody(self, conn: Connection, behind: int, limit: int) -> list[int]:
        """So many keys of people who are made up, in order, behind one. It answers the program: each is asked of the law."""
        return [row["patient"] for row in await conn.fetch(_EVERYBODY, behind, limit)]

    async def by_tokens(
        self, conn: Connection, tokens: Collection[int], digests: Collection[bytes], behind: int, limit: int
    ) -> list[int]:
        """As `everybody`, of those whom a token of what was written, or a number, may find."""
        return [row["patient"] for row in await conn.fetch(_BY_TOKENS, list(tokens), list(digests), behind, limit)]


def named(found: Sequence[Held]) -> list[tuple[int, UUID, int]]:
    """As a row of the log names them."""
    return [(type_number(TYPE), one.id, one.version) for one in found]


def _place(version: int) -> bytes:
    return PLACE + version.to_bytes(4, "big")


def is_left(caller: Caller, held: Held, letter: str) -> bool:
    """Whether the token's SMART scopes leave a version; a deletion says nothing of anybody."""
    left = smart.left(caller, TYPE, letter)
    return left is None or (held.raw is not None and smart.holds(left, index(decode(held.raw)).tokens))


def check_alone(search: Search) -> None:
    """`Refusal` 400 where a search of Patient asks for records beside: those are searched for by her address."""
    for where, asked in (("_include", search.includes), ("_revinclude", search.revincludes)):
        if asked:
            says = "a search of Patient brings nothing along"
            todo = "Search for the records by patient=Patient/id; _include=Type:subject brings her Patient."
            raise Refusal(400, says, where=where, code="not-supported", todo=todo)


def answers(held: Held, search: Search, at: datetime) -> bool:
    """Whether a version is one that a search of Patient finds."""
    if held.raw is None:
        return False
    tree = decode(held.raw)
    found, indexed = plan(search, at=at), index(tree)
    dates = {"date_from": moment(indexed.date_from), "date_to": moment(indexed.date_to), "at": held.at}
    with counted():
        return (
            (found.ids is None or str(held.id) in found.ids)
            and all(not set(one).isdisjoint(indexed.tokens) for one in found.all_of)
            and set(found.none_of).isdisjoint(indexed.tokens)
            and all(_within(dates, bounds) for bounds in found.bounds)
            and (found.match is None or found.match(indexed.values))
            and (found.match_tree is None or found.match_tree(tree))
        )


def keys_of(held: Held, search: Search) -> tuple[Any, ...]:
    """By what a version is sorted among others that a search of Patient finds."""
    tree = decode(held.raw or b"{}")
    indexed = index(tree)
    columns = {"date_from": moment(indexed.date_from), "at": held.at, "id": held.id}
    return tuple(
        one.key(indexed.values) if one.key else one.tree_key(tree) if one.tree_key else columns[one.column]
        for one in orders(search)
    )


def _within(dates: dict[str, datetime | None], bounds: Bounds) -> bool:
    compared = {
        "<": lambda one, other: one < other,
        "<=": lambda one, other: one <= other,
        ">": lambda one, other: one > other,
        ">=": lambda one, other: one >= other,
    }
    return any(
        all((there := dates[one.column]) is not None and compared[one.operator](there, one.moment) for one in together)
        for together in bounds
    )


async def _stand(conn: Connection, grant: Grant) -> None:
    """Raises `Stale` where a fact changed since the grant was made."""
    stamp = await conn.fetchval(
        "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])", list(grant.subject.keys)
    )
    if stamp != grant.subject.stamp:
        raise Stale
