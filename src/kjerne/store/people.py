"""Persons and their identifiers over time: registration, further identifiers, linking and unlinking, ties and choices.

A person is a random 63-bit key; numbers come and go (D-number, then fødselsnummer). Linking moves no rows: reads go over
the linked set, and an unlink is one more event. Every change here raises `person.stamp`.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any, Final, Literal

from kjerne.access import Choice, Grant, Held, Subject, Tie
from kjerne.errors import Refusal
from kjerne.store.codec import PersonWrap
from kjerne.store.keys import Sealer
from kjerne.store.pool import Connection, Pool, columns, numbered_from, together
from kjerne.store.records import Before
from kjerne.store.subjects import PersonDetail, choice_of, seal_detail


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


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A person who has her keys and is not registered yet."""

    key: int
    wrapped: bytes = field(repr=False)
    person: NewPerson

    @property
    def subject(self) -> Subject:
        """What the law is asked about: her facts as they will stand once she is registered."""
        detail = self.person.detail
        return Subject(
            patient=self.key,
            keys=(self.key,),
            stamp=FIRST_STAMP,
            wrapped=(self.wrapped,),
            birth_date=detail.birth_date,
            sex=detail.sex,
            protection=detail.protection,
            deceased=detail.died_on is not None,
            choices=self.person.choices,
            ties=self.person.ties,
            caller_key=None,
            synthetic=self.person.synthetic,
            digests=frozenset(given.digest for given in self.person.identifiers),
        )


FIRST_STAMP: Final = 1
"""Of a person who has just been registered."""

_CHOICE: Final = "kind, service, hpr, organisation, made_at, ended_at, role, part, source, course, record, slot, marked"
_ENTERING: Final = """entered AS (
  INSERT INTO person (made_at, patient, wrapped_key, detail, synthetic)
  SELECT $1::timestamptz, n.* FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::boolean[]) AS n
), numbered AS (
  INSERT INTO person_identifier (digest, patient, kind, sealed, valid_from, valid_to)
  SELECT * FROM unnest($6::bytea[], $7::bigint[], $8::text[], $9::bytea[], $10::date[], $11::date[])
)"""
_ENTER: Final = f"WITH {_ENTERING} SELECT"
_entering: Final = partial(numbered_from, part=_ENTERING)
_nothing: Final = partial(numbered_from, part="")


_STANDS_IN: Final = (
    "kind IN ('parent', 'proxy', 'guardian') AND (since IS NULL OR since <= $2) AND (until IS NULL OR $2 < until) "
    "ORDER BY 1, kind"
)
_REPRESENTED: Final = (
    f"SELECT patient, kind, since, until, areas, form FROM person_tie WHERE other = $1 AND {_STANDS_IN}"
)
_REPRESENTATIVES: Final = (
    "SELECT other, kind, since, until, areas, form FROM person_tie "
    f"WHERE patient = ANY($1::bigint[]) AND other <> 0 AND {_STANDS_IN}"
)

TIED: Final = (
    "((t.hpr <> '' AND t.hpr = $1 AND t.kind = 'practice-list') OR (t.kind = 'care' "
    "AND (t.organisation = ANY($2::text[]) OR (t.organisation = '' AND t.hpr <> '' AND t.hpr = $1)))) "
    "AND (t.since IS NULL OR t.since <= $3) AND (t.until IS NULL OR $3 < t.until)"
)
"""That a tie `t` holds on the day $3 for the health worker $1 who works at the places $2."""


class People:
    """Writes persons. Holds the keys that seal names and numbers."""

    def __init__(self, wrap: PersonWrap, numbers: Sealer) -> None:
        self._wrap = wrap
        self._numbers = numbers

    @property
    def numbers(self) -> Sealer:
        """What opens their numbers."""
        return self._numbers

    def newcomer(self, person: NewPerson) -> Newcomer:
        """A person with a new key and data key, whom `enter` registers."""
        key = secrets.randbits(62) + 1
        wrapped, _ = self._wrap.new(key)
        return Newcomer(key, wrapped, person)

    async def register(self, conn: Connection, people: Sequence[NewPerson], at: datetime) -> list[int]:
        """Registers all or none; the new person keys in order.

        Ties that name another person by `Tie.key` use keys that exist already: register parents first, then `add_ties`.
        """
        newcomers = [self.newcomer(person) for person in people]
        async with together(conn):
            await self.enter(conn, newcomers, at)
        return [one.key for one in newcomers]

    async def enter(self, conn: Connection, newcomers: Sequence[Newcomer], at: datetime) -> None:
        """Registers newcomers with what is known of them, in the caller's transaction."""
        await conn.execute(_ENTER, *self._rows(newcomers, at))
        ties = [(one.key, tie) for one in newcomers for tie in one.person.ties]
        choices = [(one.key, choice) for one in newcomers for choice in one.person.choices]
        if ties:
            await self._copy_ties(conn, ties)
        if choices:
            await self._copy_choices(conn, choices)

    def entering(self, newcomers: Sequence[Newcomer], at: datetime) -> Before:
        """As `enter`, in the same statement as a write; of those who have neither ties nor choices yet."""
        return Before(_entering, _nothing, 0, self._rows(newcomers, at))

    def _rows(self, newcomers: Sequence[Newcomer], at: datetime) -> tuple[Any, ...]:
        persons = [
            (
                one.key,
                one.wrapped,
                seal_detail(self._wrap, one.key, one.wrapped, one.person.detail),
                one.person.synthetic,
            )
            for one in newcomers
        ]
        identifiers = [self._identifier_row(one.key, given) for one in newcomers for given in one.person.identifiers]
        return (at, *columns(persons, 4), *columns(identifiers, 6))

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

    async def known(self, conn: Connection, digests: Collection[bytes]) -> list[bytes]:
        """Those of the digests that belong to somebody, one for each person."""
        rows = await conn.fetch(
            "SELECT DISTINCT ON (patient) digest FROM person_identifier WHERE digest = ANY($1::bytea[]) "
            "ORDER BY patient, digest",
            sorted(digests),
        )
        return [row["digest"] for row in rows]

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
        """(person key, why) of a health worker's own list: her practice list, and open courses where she works or her own."""
        rows = await conn.fetch(
            f"SELECT DISTINCT ON (t.patient) t.patient, t.kind FROM person_tie t WHERE {TIED} "
            "ORDER BY t.patient, t.kind DESC LIMIT $4",
            hpr,
            list(places),
            day,
            limit,
        )
        return [(row["patient"], row["kind"]) for row in rows]

    async def represented_by(self, conn: Connection, key: int, day: date) -> list[tuple[int, Tie]]:
        """(person key, tie) of those whom a person may stand in for, by the register; the law decides in the case."""
        rows = await conn.fetch(_REPRESENTED, key, day)
        return [(row[0], Tie(row[1], since=row[2], until=row[3], areas=tuple(row[4]), form=row[5])) for row in rows]

    async def representatives_of(self, conn: Connection, keys: Collection[int], day: date) -> list[tuple[int, Tie]]:
        """(their person key, tie) of those who may stand in for a person, by the register; the law decides in the case."""
        rows = await conn.fetch(_REPRESENTATIVES, sorted(keys), day)
        return [(row[0], Tie(row[1], since=row[2], until=row[3], areas=tuple(row[4]), form=row[5])) for row in rows]

    async def link(self, conn: Connection, one: int, other: int, by: str, reason: str, at: datetime) -> int:
        """Says that two keys are the same human; the link's number. Moves nothing; can be undone."""
        if one == other:
            raise Refusal(422, "a person cannot be linked to herself", where="other")
        number = secrets.randbits(53)
        async with together(conn):
            await conn.execute(
                "INSERT INTO person_link (patient, other, at, made_by, reason, number) VALUES ($1, $2, $3, $4, $5, $6)",
                one, other, at, by, reason, number,
            )  # fmt: skip
            await self._relink(conn, [one, other])
        return number

    async def unlink(self, conn: Connection, one: int, other: int, by: str, at: datetime, why: str = "") -> None:
        """Undoes a link; both persons have again what was theirs."""
        async with together(conn):
            tag = await conn.execute(
                "UPDATE person_link SET undone_at = $3, undone_by = $4, undone_why = $5 WHERE undone_at IS NULL "
                "AND (patient, other) IN (($1::bigint, $2::bigint), ($2, $1))",
                one, other, at, by, why,
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
                (patient, secrets.randbits(62), tie.kind, tie.hpr, tie.organisation, tie.key, tie.since, tie.until,
                 tie.areas, tie.form)
                for patient, tie in ties
            ],
            columns=("patient", "number", "kind", "hpr", "organisation", "other", "since", "until", "areas", "form"),
        )  # fmt: skip

    async def add_choice(self, conn: Connection, patient: int, choice: Choice, by: Grant | None = None) -> int:
        """Adds a choice of the patient, `by` whose leave; its number, by which it can be ended."""
        number = secrets.randbits(62)
        async with conn.transaction():
            await self._copy_choices(conn, [(patient, choice)], number, by)
            await _raise_stamps(conn, [patient])
        return number

    async def _copy_choices(
        self,
        conn: Connection,
        choices: Sequence[tuple[int, Choice]],
        number: int | None = None,
        by: Grant | None = None,
    ) -> None:
        who = (by.at, by.subject.caller_key or 0, by.rule) if by else (None, 0, "")
        await conn.copy_records_to_table(
            "privacy_choice",
            records=[
                (patient, secrets.randbits(62) if number is None else number, c.kind, c.service, c.hpr, c.organisation,
                 c.made_at, c.ended_at, c.role, c.part, c.source, c.course, c.record, c.slot, list(c.marked), *who)
                for patient, c in choices
            ],
            columns=("patient", "number", *_CHOICE.split(", "), "set_at", "set_by", "set_rule"),
        )  # fmt: skip

    async def end_choice(
        self, conn: Connection, patient: int, number: int, at: datetime, by: Grant | None = None
    ) -> None:
        """Ends a choice, `by` whose leave; it stays on record as having held until `at`."""
        async with conn.transaction():
            tag = await conn.execute(
                "UPDATE privacy_choice SET ended_at = $3, ended_by = $4, ended_rule = $5 WHERE patient = $1 "
                "AND number = $2 AND (ended_at IS NULL OR ended_at > $3)",
                patient, number, at, (by.subject.caller_key if by else 0) or 0, by.rule if by else "",
            )  # fmt: skip
            if tag == "UPDATE 0":
                raise Refusal(404, "there is no such choice in force", where="number")
            await _raise_stamps(conn, [patient])

    async def choices(self, conn: Connection, grant: Grant) -> list[Held]:
        """Everything the patient has chosen, newest first."""
        rows = await conn.fetch(
            f"SELECT patient, number, set_at, set_rule, ended_rule, {_CHOICE} FROM privacy_choice "
            "WHERE patient = ANY($1::bigint[]) ORDER BY made_at DESC, number",
            list(grant.subject.keys),
        )
        return [Held(row[0], row[1], choice_of(tuple(row)[5:]), row[2] or row[9], row[3], row[4]) for row in rows]


async def _raise_stamps(conn: Connection, patients: Sequence[int]) -> None:
    await conn.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = ANY($1::bigint[])", list(patients))
