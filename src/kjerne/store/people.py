"""Persons and their identifiers over time: registration, further identifiers, linking and unlinking, ties and choices.

A person is a random 63-bit key; numbers come and go (D-number, then fødselsnummer). Linking moves no rows: reads go over
the linked set, and an unlink is one more event. Every change here raises `person.stamp`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from kjerne.access import Choice, Grant, Tie
from kjerne.errors import Refusal
from kjerne.store.codec import Wrap
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection, Pool
from kjerne.store.subjects import PersonDetail, seal_detail


@dataclass(frozen=True, slots=True)
class Identifier:
    """One number of a person: `digest` for look-up, `value` to be sealed, valid in [since, until)."""

    digest: bytes
    kind: str
    value: str
    since: date
    until: date | None = None

    def __repr__(self) -> str:
        return f"Identifier(kind={self.kind!r}, since={self.since}, until={self.until})"


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person to be registered, with at least one identifier."""

    detail: PersonDetail
    identifiers: tuple[Identifier, ...]
    synthetic: bool
    ties: tuple[Tie, ...] = ()
    choices: tuple[Choice, ...] = ()


class People:
    """Writes persons. Holds the keys that seal names and numbers."""

    def __init__(self, wrap: Wrap, numbers: Sealer) -> None:
        self._wrap = wrap
        self._numbers = numbers

    async def register(self, conn: Connection, people: Sequence[NewPerson], at: datetime) -> list[int]:
        """Registers all or none (COPY in one transaction); the new person keys in order.

        Ties that name another person by `Tie.key` use keys that exist already: register parents first, then `add_ties`.
        """
        keys = [secrets.randbits(62) + 1 for _ in people]
        persons: list[tuple[Any, ...]] = []
        identifiers: list[tuple[Any, ...]] = []
        for key, person in zip(keys, people, strict=True):
            wrapped, _ = self._wrap.new(key)
            detail = seal_detail(self._wrap, key, wrapped, person.detail)
            persons.append((key, wrapped, detail, person.synthetic, at))
            identifiers.extend(self._identifier_row(key, given) for given in person.identifiers)
        async with conn.transaction():
            await conn.copy_records_to_table(
                "person", records=persons, columns=("patient", "wrapped_key", "detail", "synthetic", "made_at")
            )
            await conn.copy_records_to_table(
                "person_identifier",
                records=identifiers,
                columns=("digest", "patient", "kind", "sealed", "valid_from", "valid_to"),
            )
            await self._copy_ties(conn, [(key, tie) for key, p in zip(keys, people, strict=True) for tie in p.ties])
            await self._copy_choices(conn, [(key, c) for key, p in zip(keys, people, strict=True) for c in p.choices])
        return keys

    async def ensure(self, conn: Connection, person: NewPerson, at: datetime) -> int:
        """The key of whoever has the first identifier of `person`; registers her where nobody has."""
        digest = person.identifiers[0].digest
        async with conn.transaction():
            # Two messages about the same unknown number must not make two persons of one.
            await conn.execute("SELECT pg_advisory_xact_lock($1)", int.from_bytes(digest[:8], "big", signed=True))
            known = await self.key_of(conn, digest)
            return known if known is not None else (await self.register(conn, [person], at))[0]

    def _identifier_row(self, patient: int, given: Identifier) -> tuple[bytes, int, str, bytes, date, date | None]:
        sealed = self._numbers.seal(given.value.encode(), patient.to_bytes(8, "big"))
        return given.digest, patient, given.kind, sealed, given.since, given.until

    async def add_identifier(self, conn: Connection, patient: int, given: Identifier) -> None:
        """A person's next number: the ones of before end the day it begins."""
        async with conn.transaction():
            await conn.execute(
                "UPDATE person_identifier SET valid_to = $2 WHERE patient = $1 AND valid_to IS NULL AND valid_from < $2",
                patient,
                given.since,
            )
            await conn.execute(
                "INSERT INTO person_identifier (digest, patient, kind, sealed, valid_from, valid_to) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                *self._identifier_row(patient, given),
            )
            await _raise_stamps(conn, [patient])

    async def first_six(self, conn: Connection, patient: int) -> str:
        """The first six digits of the number that holds now, for an identity bar; the rest stays sealed."""
        return (await self._newest_number(conn, patient))[:6]

    async def number(self, conn: Connection, grant: Grant) -> str:
        """The whole number that holds now, for whoever the law has opened the patient to; empty where none is known."""
        return await self._newest_number(conn, grant.subject.patient)

    async def _newest_number(self, conn: Connection, patient: int) -> str:
        row = await conn.fetchrow(
            "SELECT sealed FROM person_identifier WHERE patient = $1 ORDER BY (valid_to IS NULL) DESC, valid_from DESC LIMIT 1",
            patient,
        )
        return self._numbers.open(row["sealed"], patient.to_bytes(8, "big")).decode() if row else ""

    async def digests(self, conn: Connection | Pool, patient: int) -> tuple[bytes, ...]:
        """The look-up forms of a person's numbers, what an attestation names her by."""
        rows = await conn.fetch("SELECT digest FROM person_identifier WHERE patient = $1", patient)
        return tuple(row["digest"] for row in rows)

    async def key_of(self, conn: Connection, digest: bytes) -> int | None:
        """The person who has a number now, or had it last."""
        key: int | None = await conn.fetchval(
            "SELECT patient FROM person_identifier WHERE digest = $1 "
            "ORDER BY (valid_to IS NULL) DESC, valid_from DESC LIMIT 1",
            digest,
        )
        return key

    async def tied_to(
        self, conn: Connection, hpr: str, places: Sequence[str], day: date, limit: int
    ) -> list[tuple[int, Literal["practice-list", "care"]]]:
        """(person key, why) of a health worker's own list: her practice list, and open care courses where she works."""
        rows = await conn.fetch(
            "SELECT DISTINCT ON (patient) patient, kind FROM person_tie "
            "WHERE ((hpr <> '' AND hpr = $1 AND kind = 'practice-list') "
            "OR (kind = 'care' AND organisation = ANY($2::text[]))) "
            "AND (since IS NULL OR since <= $3) AND (until IS NULL OR $3 < until) ORDER BY patient, kind DESC LIMIT $4",
            hpr,
            list(places),
            day,
            limit,
        )
        return [(row["patient"], row["kind"]) for row in rows]

    async def represented_by(
        self, conn: Connection, key: int, day: date
    ) -> list[tuple[int, Literal["parent", "proxy", "guardian"]]]:
        """(person key, tie) of those whom a person may stand in for, by the register; the law decides in the case."""
        rows = await conn.fetch(
            "SELECT patient, kind FROM person_tie WHERE other = $1 AND kind IN ('parent', 'proxy', 'guardian') "
            "AND (since IS NULL OR since <= $2) AND (until IS NULL OR $2 < until) ORDER BY patient",
            key,
            day,
        )
        return [(row["patient"], row["kind"]) for row in rows]

    async def link(self, conn: Connection, one: int, other: int, by: str, reason: str, at: datetime) -> None:
        """Says that two keys are the same human. Moves nothing; can be undone."""
        if one == other:
            raise Refusal(422, "a person cannot be linked to herself", where="other")
        async with conn.transaction():
            await conn.execute(
                "INSERT INTO person_link (patient, other, at, made_by, reason) VALUES ($1, $2, $3, $4, $5)",
                one, other, at, by, reason,
            )  # fmt: skip
            await self._relink(conn, [one, other])

    async def unlink(self, conn: Connection, one: int, other: int, by: str, at: datetime) -> None:
        """Undoes a link; both persons have again what was theirs."""
        async with conn.transaction():
            tag = await conn.execute(
                "UPDATE person_link SET undone_at = $3, undone_by = $4 WHERE undone_at IS NULL "
                "AND (patient, other) IN (($1::bigint, $2::bigint), ($2, $1))",
                one, other, at, by,
            )  # fmt: skip
            if tag == "UPDATE 0":
                raise Refusal(404, "these two persons are not linked", where="other")
            await self._relink(conn, [one, other])

    async def _relink(self, conn: Connection, keys: list[int]) -> None:
        """Writes anew the linked set of everybody who was or is in the same group as `keys`."""
        rows = await conn.fetch(
            "SELECT patient, linked FROM person WHERE patient = ANY($1::bigint[]) FOR NO KEY UPDATE", keys
        )
        touched = {row["patient"] for row in rows} | {key for row in rows for key in row["linked"]}
        edges = await conn.fetch(
            "SELECT patient, other FROM person_link WHERE undone_at IS NULL "
            "AND (patient = ANY($1::bigint[]) OR other = ANY($1::bigint[]))",
            list(touched),
        )
        group = {key: {key} for key in touched}
        for edge in edges:
            joined = group.get(edge["patient"], {edge["patient"]}) | group.get(edge["other"], {edge["other"]})
            for member in joined:
                group[member] = joined
        for key, members in group.items():
            await conn.execute(
                "UPDATE person SET linked = $2, stamp = stamp + 1 WHERE patient = $1", key, sorted(members - {key})
            )

    async def add_ties(self, conn: Connection, ties: Sequence[tuple[int, Tie]]) -> None:
        """(patient, tie) pairs: GP lists, open care courses, family, proxies."""
        async with conn.transaction():
            await self._copy_ties(conn, ties)
            await _raise_stamps(conn, sorted({patient for patient, _ in ties}))

    async def _copy_ties(self, conn: Connection, ties: Sequence[tuple[int, Tie]]) -> None:
        await conn.copy_records_to_table(
            "person_tie",
            records=[
                (patient, secrets.randbits(62), tie.kind, tie.hpr, tie.organisation, tie.key, tie.since, tie.until)
                for patient, tie in ties
            ],
            columns=("patient", "number", "kind", "hpr", "organisation", "other", "since", "until"),
        )

    async def add_choice(self, conn: Connection, patient: int, choice: Choice) -> int:
        """Adds a choice of the patient; its number, by which it can be ended."""
        number = secrets.randbits(62)
        async with conn.transaction():
            await self._copy_choices(conn, [(patient, choice)], number)
            await _raise_stamps(conn, [patient])
        return number

    async def _copy_choices(
        self, conn: Connection, choices: Sequence[tuple[int, Choice]], number: int | None = None
    ) -> None:
        await conn.copy_records_to_table(
            "privacy_choice",
            records=[
                (patient, secrets.randbits(62) if number is None else number, c.kind, c.service, c.hpr, c.organisation,
                 c.made_at, c.ended_at)
                for patient, c in choices
            ],
            columns=("patient", "number", "kind", "service", "hpr", "organisation", "made_at", "ended_at"),
        )  # fmt: skip

    async def end_choice(self, conn: Connection, patient: int, number: int, at: datetime) -> None:
        """Ends a choice; it stays on record as having held until `at`."""
        async with conn.transaction():
            tag = await conn.execute(
                "UPDATE privacy_choice SET ended_at = $3 WHERE patient = $1 AND number = $2 "
                "AND (ended_at IS NULL OR ended_at > $3)",
                patient, number, at,
            )  # fmt: skip
            if tag == "UPDATE 0":
                raise Refusal(404, "there is no such choice in force", where="number")
            await _raise_stamps(conn, [patient])

    async def choices(self, conn: Connection, grant: Grant) -> list[tuple[int, int, Choice]]:
        """(person key, number, choice) of everything the patient has chosen, newest first."""
        rows = await conn.fetch(
            "SELECT patient, number, kind, service, hpr, organisation, made_at, ended_at FROM privacy_choice "
            "WHERE patient = ANY($1::bigint[]) ORDER BY made_at DESC",
            list(grant.subject.keys),
        )
        return [(row[0], row[1], Choice(*tuple(row)[2:])) for row in rows]


async def _raise_stamps(conn: Connection, patients: Sequence[int]) -> None:
    await conn.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = ANY($1::bigint[])", list(patients))
