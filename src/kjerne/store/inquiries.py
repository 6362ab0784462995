"""What citizens say is wrong, and what is done with it: rows that are added to and never changed.

A list tells when, of which kind, whom it concerns and how far it has come, and nothing of the patient. What she wrote
opens under a `Grant` alone, and is deleted with the service that it is about after an opt-out: that she
wrote stays in the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, get_args
from uuid import UUID

import asyncpg
import msgspec

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.fhir.dates import EARLIEST
from kjerne.store.codec import DataKey, Wrap
from kjerne.store.looks import Place
from kjerne.store.pool import Connection

Kind = Literal["misuse", "correction"]
Status = Literal["received", "under-way", "answered"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
_BOUND: Final = b"inquiry"
_AT: Final = "%Y-%m-%dT%H:%M:%S.%f"


class Told(msgspec.Struct, frozen=True):
    """What a citizen wrote: `about` is what it concerns as she saw it, `why` a code of the form, `reach` how to reach her."""

    by: str
    about: str
    why: str
    text: str
    reach: str
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """A record that is said to be wrong."""

    type: int
    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One of them, without what it says. `organisation` is whose look it was, or the source that owns what is wrong, `service`
    the one that it was in: empty for a look into the log, which is of none."""

    patient: int = field(repr=False)
    number: UUID
    kind: Kind
    made_at: datetime
    organisation: str
    status: Status = "received"
    step: int = 1
    changed_at: datetime | None = None
    look: Place | None = None
    record: Named | None = None
    service: str = "results"

    @property
    def reference(self) -> str:
        """What people call it by: short enough for a telephone."""
        text = self.number.hex[:8].upper()
        return f"{text[:4]}-{text[4:]}"


@dataclass(frozen=True, slots=True)
class Step:
    """What was done with it."""

    at: datetime
    status: Status
    made_by: str
    answer: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which are listed: all, or of one kind and status, for one organisation."""

    kind: str = ""
    status: str = ""
    organisation: str = ""


class Behind(NamedTuple):
    """A place in the list: behind one that stood there, wherever that is by now."""

    answered: bool
    at: datetime
    number: UUID

    @classmethod
    def of(cls, one: Inquiry) -> Behind:
        answered = one.status == "answered"
        return cls(answered, (one.changed_at or one.made_at) if answered else one.made_at, one.number)

    @classmethod
    def parsed(cls, text: str) -> Behind:
        """`Refusal` 400 for what no page has ended with."""
        parts = text.split("_")
        try:
            answered, at, number = parts
            return cls({"0": False, "1": True}[answered], datetime.strptime(at, _AT).replace(tzinfo=UTC), UUID(number))
        except (ValueError, KeyError):
            says = "this is not what a page of the list ends with"
            raise Refusal(400, says, where="_after", todo="Take `after` of the page before.") from None

    def __str__(self) -> str:
        return f"{self.answered:d}_{self.at.astimezone(UTC):{_AT}}_{self.number}"


FIRST: Final = Behind(False, EARLIEST, UUID(int=0))


async def add(conn: Connection, grant: Grant, wrap: Wrap, made: Inquiry, told: Told) -> None:
    """Lays it in with its first step, in the caller's transaction."""
    look, record = made.look, made.record
    await conn.execute(
        "INSERT INTO inquiry (patient, number, kind, made_at, organisation, look_at, look, type, record, version, told, "
        "service) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        made.patient, made.number, made.kind, made.made_at, made.organisation, look.at if look else None,
        look.number if look else None, record.type if record else None, record.id if record else None,
        record.version if record else None, _sealed(grant, wrap, made, msgspec.msgpack.encode(told)), made.service,
    )  # fmt: skip
    await _step(conn, made, 1, Step(made.made_at, "received", ""), b"")


async def move(conn: Connection, grant: Grant, wrap: Wrap, held: Inquiry, step: Step) -> None:
    """The next step; `Refusal` 409 where somebody else was first, or it is answered already."""
    if held.status == "answered":
        raise Refusal(409, "it is answered already", where="inquiry")
    answer = _sealed(grant, wrap, held, step.answer.encode()) if step.answer else b""
    try:
        await _step(conn, held, held.step + 1, step, answer)
    except asyncpg.UniqueViolationError:
        raise Refusal(409, "somebody else has just done something with it", where="inquiry") from None


async def _step(conn: Connection, held: Inquiry, number: int, step: Step, answer: bytes) -> None:
    await conn.execute(
        "INSERT INTO inquiry_step (patient, number, step, at, status, made_by, answer) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        held.patient, held.number, number, step.at, step.status, step.made_by, answer,
    )  # fmt: skip


_ROW: Final = """SELECT i.patient, i.number, i.kind, i.made_at, i.organisation, i.look_at, i.look, i.type, i.record, i.version,
i.service, s.step, s.status, s.at, i.told FROM inquiry i
CROSS JOIN LATERAL (SELECT step, status, at FROM inquiry_step s WHERE s.patient = i.patient AND s.number = i.number
ORDER BY step DESC LIMIT 1) s"""


async def of_patient(conn: Connection, grant: Grant, wrap: Wrap) -> list[tuple[Inquiry, Told, list[Step]]]:
    """All that were sent about the patient, newest first, with what was done."""
    rows = await conn.fetch(
        f"{_ROW} WHERE i.patient = ANY($1::bigint[]) ORDER BY i.made_at DESC, i.number", list(grant.subject.keys)
    )
    return [await _opened(conn, grant, wrap, row) for row in rows]


async def opened(conn: Connection, grant: Grant, wrap: Wrap, number: UUID) -> tuple[Inquiry, Told, list[Step]] | None:
    """One of the patient's, with what it says; None where she has none of this number."""
    row = await conn.fetchrow(
        f"{_ROW} WHERE i.patient = ANY($1::bigint[]) AND i.number = $2", list(grant.subject.keys), number
    )
    return await _opened(conn, grant, wrap, row) if row else None


_LISTED: Final = f"""{_ROW} WHERE ($1 = '' OR i.kind = $1) AND ($2 = '' OR s.status = $2) AND ($3 = '' OR i.organisation = $3)
AND (s.status = 'answered', CASE WHEN s.status = 'answered' THEN -extract(epoch FROM s.at)
  ELSE extract(epoch FROM i.made_at) END, i.number)
  > ($4::boolean, CASE WHEN $4 THEN -extract(epoch FROM $5::timestamptz) ELSE extract(epoch FROM $5::timestamptz) END, $6::uuid)
ORDER BY s.status = 'answered', CASE WHEN s.status = 'answered' THEN -extract(epoch FROM s.at)
  ELSE extract(epoch FROM i.made_at) END, i.number LIMIT $7"""


async def listed(conn: Connection, wanted: Wanted, limit: int, behind: Behind | None = None) -> list[Inquiry]:
    """Those that wait longest first, then the answered ones, newest first, behind a place: nothing of whom they are about."""
    rows = await conn.fetch(
        _LISTED, wanted.kind, wanted.status, wanted.organisation, *(behind or FIRST), limit
    )  # fmt: skip
    return [_inquiry(row) for row in rows]


async def waiting(conn: Connection) -> int:
    """How many are not answered."""
    return int(
        await conn.fetchval(
            "SELECT count(*) FROM inquiry i WHERE NOT EXISTS (SELECT FROM inquiry_step s "
            "WHERE s.patient = i.patient AND s.number = i.number AND s.status = 'answered')"
        )
    )


async def found(conn: Connection, number: UUID) -> Inquiry | None:
    """Whom one is about, for asking the law; the caller must not be told."""
    row = await conn.fetchrow(f"{_ROW} WHERE i.number = $1", number)
    return _inquiry(row) if row else None


_FILED_BY: Final = """
SELECT a.organisation FROM audit a WHERE a.patient = ANY($1::bigint[]) AND a.action IN ('file', 'correct', 'write')
AND a.outcome = 0 AND a.ids @> ARRAY[$2::uuid] AND a.organisation <> '' ORDER BY a.at LIMIT 1"""


async def source_of(conn: Connection, grant: Grant, record: UUID) -> str:
    """The organisation that sent a record in first, by the log; empty where none is named."""
    return str(await conn.fetchval(_FILED_BY, list(grant.subject.keys), record) or "")


def _inquiry(row: Any) -> Inquiry:
    (
        patient,
        number,
        kind,
        made_at,
        organisation,
        look_at,
        look,
        type_,
        record,
        version,
        service,
        step,
        status,
        at,
        _,
    ) = row
    return Inquiry(
        patient=patient,
        number=number,
        kind=kind,
        made_at=made_at,
        organisation=organisation,
        status=status,
        step=step,
        changed_at=at,
        look=Place(look_at, look) if look else None,
        record=Named(type_, record, version) if record else None,
        service=service,
    )


async def _opened(conn: Connection, grant: Grant, wrap: Wrap, row: Any) -> tuple[Inquiry, Told, list[Step]]:
    inquiry = _inquiry(row)
    told = msgspec.msgpack.decode(_unsealed(grant, wrap, inquiry, row["told"]), type=Told)
    steps = await conn.fetch(
        "SELECT at, status, made_by, answer FROM inquiry_step WHERE patient = $1 AND number = $2 ORDER BY step",
        inquiry.patient, inquiry.number,
    )  # fmt: skip
    return inquiry, told, [_step_of(grant, wrap, inquiry, one) for one in steps]


def _step_of(grant: Grant, wrap: Wrap, held: Inquiry, row: Any) -> Step:
    answer = _unsealed(grant, wrap, held, row["answer"]).decode() if row["answer"] else ""
    return Step(row["at"], row["status"], row["made_by"], answer)


def _place(held: Inquiry) -> bytes:
    return _BOUND + held.patient.to_bytes(8, "big") + held.number.bytes


def _sealed(grant: Grant, wrap: Wrap, held: Inquiry, plain: bytes) -> bytes:
    return _key(grant, wrap, held).seal(plain, _place(held))


def _unsealed(grant: Grant, wrap: Wrap, held: Inquiry, sealed: bytes) -> bytes:
    return _key(grant, wrap, held).open(sealed, _place(held))


def _key(grant: Grant, wrap: Wrap, held: Inquiry) -> DataKey:
    """The service's key about her: what she wrote of it goes with it, from backups too. Her own where it is of no service."""
    of, place = grant.subject, grant.subject.keys.index(held.patient)
    return wrap.of_service(of, held.service, place) if held.service else wrap.unwrap(held.patient, of.wrapped[place])
