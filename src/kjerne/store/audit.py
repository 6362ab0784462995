"""The audit row: who saw or did what, when, on which ground; written in the transaction that reads or writes.

The program's database role can insert and read audit rows, never change or delete them. All of a row is in the open save
what a caller wrote of a patient: her own words may tell of the patient's health, so they are sealed as records are.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

from asyncpg.pgproto import pgproto
from cryptography.exceptions import InvalidTag

from kjerne.access import OPENING, Caller, Coded, Denial, Grant, Subject
from kjerne.store.codec import DataKey, Wrap
from kjerne.store.log_entry import Chose
from kjerne.store.pool import Connection
from kjerne.store.shares import Destroyed

OPENING_SQL: Final = "(" + ", ".join(f"'{action}'" for action in sorted(OPENING)) + ")"
"""`kjerne.access.OPENING` as a list in a statement."""
GIVEN: Final = 0
REFUSED: Final = 1

Answer = TypeVar("Answer", Grant, Denial)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_uuid = pgproto.UUID

ASKED_LIMIT_CHARACTERS: Final = 2000
"""A search is kept so far; a longer one is a list of ids, and the row names what was found of them."""


class Words(NamedTuple):
    """What a caller says in words, as a row keeps it sealed: a line each, since no such text holds a line end.

    Rows of before migration 0015 have the first alone.
    """

    reason: str = ""
    service_text: str = ""
    details_text: str = ""
    asked: str = ""


MET: Final = "met-and-not-written"
MET_SAYS: Final = "Noe som ligger her, ble funnet av den som har sendt det inn. Ingenting ble registrert eller endret."
MET_OPENED: Final = "met-with-restriction-opened"
MET_OPENED_SAYS: Final = (
    "Noe som ligger her, ble funnet av den som har registrert det, med samtykke eller i en nødssituasjon. "
    "Ingenting ble registrert eller endret."
)
SHOWN: Final = "shown-who-she-is"
SHOWN_LAW: Final = "forordning (EU) 2025/327 artikkel 8"
SHOWN_SAYS: Final = (
    "Den som spurte, fikk se navn, fødselsdato, fødselsnummer og adresse fra registeret. "
    "Ingenting av det som er registrert her, ble gitt."
)
ELSEWHERE: Final = "shown-from-anothers"
ELSEWHERE_LAW: Final = "pasientjournalloven § 19; helsepersonelloven § 45"
ELSEWHERE_SAYS: Final = "Noe som ligger hos en annen og nevner den det gjelder, ble også vist."
BROUGHT: Final = "document-brought"
BROUGHT_LAW: Final = "helsepersonelloven § 21 a; pasientjournalloven § 22"
BROUGHT_SAYS: Final = (
    "Helsepersonell leste et dokument om den det gjelder, som de selv hadde med. "
    "Ingenting av det som er registrert her, ble vist, og dokumentet ble ikke lagret."
)
LISTED: Final = "listed-not-opened"
LISTED_SAYS: Final = (
    "Overskrift, dato og laboratorium sto i en liste ved siden av et svar som var åpnet. "
    "Det som står i svarene på lista, ble ikke vist."
)
OPENED_TO_WRITE: Final = frozenset(
    {"registered-with-all-opened", "registered-behind-restriction", "registered-behind-part"}
)
"""The rules of a write before which something restricted was opened."""

COLUMNS: Final = (
    "patient, at, number, outcome, action, service, rule, law, says, purpose, basis, caller_kind, caller_digest, "
    "caller_name, caller_hpr, caller_role, organisation, point_of_care, department, client, token, decision, "
    "self_selected, correlation, written, healthcare_service, purpose_details, patient_point_of_care, patient_department, "
    "attested_at"
)
TYPES: Final = (
    "bigint timestamptz uuid smallint text text text text text text text text bytea text text text text text text text "
    "text text boolean text bytea text text text text timestamptz"
).split()
WIDTH: Final = len(TYPES)


_NAMES: Final = COLUMNS.split(", ")
_OF_EACH: Final = frozenset("patient at number outcome action service rule law says purpose basis written".split())
EACH: Final = tuple(place for place, name in enumerate(_NAMES) if name in _OF_EACH)
"""The columns above that differ between rows of one request of one caller: all that is not said of the caller."""
SAME: Final = tuple(place for place, name in enumerate(_NAMES) if name not in _OF_EACH)


@cache
def placeholders(first: int) -> str:
    """`$5::bigint, $6::timestamptz, ...` for the columns above, numbered from `first`."""
    return ", ".join(f"${first + place}::{kind}" for place, kind in enumerate(TYPES))


def _number() -> uuid.UUID:
    """A row's own number: 128 random bits, as the driver's own UUID, which costs a fifth of Python's."""
    return _uuid(os.urandom(16))


def _token(code: Coded | None) -> str:
    """A code as FHIR's searches write it, `system|code`: one without its system says nothing."""
    return f"{code.system}|{code.code}" if code else ""


def _care_values(caller: Caller) -> tuple[Any, ...]:
    """What the attestation says of the care itself (ATT-34, ATT-42, ATT-52, ATT-57), and when it was made."""
    said = caller.attestation
    if said is None:
        return ("", "", "", "", None)
    service, details = _token(said.healthcare_service), _token(said.purpose_details)
    return (service, details, said.patient_point_of_care, said.patient_department, said.made_at)


def _caller_values(caller: Caller) -> tuple[Any, ...]:
    attestation = caller.attestation
    return (
        caller.kind,
        caller.digest,
        caller.name,
        caller.hpr,
        caller.authorization,
        caller.organisation,
        caller.point_of_care,
        caller.department,
        caller.client,
        caller.jti,
        attestation.decision_id if attestation else "",
        attestation.user_selected if attestation else False,
    )


def given(grant: Grant, *, noting: bool = False) -> tuple[Any, ...]:
    """The row of what a grant opened, without the records: the statement that reads them fills in ids and versions.

    Where a refusal is not told, the row is the refusal's.

    No row is made on a proof of possession that may have been used before: either it is noted already, or the statement
    that takes the row notes it too (`noting`, `store.proofs.fetched`).
    """
    if not noting and grant.once is not None and not grant.once.noted:
        raise RuntimeError("the request's proof of possession is not noted yet")
    if grant.instead_of is not None:
        return refused(grant.instead_of)
    return (
        grant.subject.patient,
        grant.at,
        _number(),
        GIVEN,
        grant.action,
        grant.service,
        grant.rule,
        grant.law,
        grant.says,
        grant.purpose,
        grant.basis,
        *_caller_values(grant.caller),
        grant.correlation,
        grant.reason,
        *_care_values(grant.caller),
    )


def met(grant: Grant) -> tuple[Any, ...]:
    """As `given`, of a grant to write under which a record was found and nothing written."""
    opened = grant.rule in OPENED_TO_WRITE
    return given(
        replace(grant, rule=MET_OPENED, says=MET_OPENED_SAYS) if opened else replace(grant, rule=MET, says=MET_SAYS)
    )


def shown(grant: Grant) -> tuple[Any, ...]:
    """As `given`, of who she is: that is seen also where a choice of hers is not told (`Grant.instead_of`), and is told her."""
    denial = grant.instead_of
    if denial is None or denial.subject is None:
        return given(grant)
    return given(replace(grant, subject=denial.subject, instead_of=None, rule=SHOWN, law=SHOWN_LAW, says=SHOWN_SAYS))


def elsewhere(grant: Grant) -> tuple[Any, ...]:
    """As `given`, of what lies with another and names the grant's patient: its own row stands in the other's log and names it
    there (law, K106)."""
    return given(replace(grant, rule=ELSEWHERE, law=ELSEWHERE_LAW, says=ELSEWHERE_SAYS, reason=b""))


def told_otherwise(grant: Grant, rule: str, law: str, says: str, *, by: Caller | None = None) -> Grant:
    """The grant as its row is to tell of it: by a rule that decides nothing and says what was done under it. `by` is who did it,
    where that was not whoever the law was asked about."""
    if by is None:
        return replace(grant, rule=rule, law=law, says=says)
    return replace(grant, rule=rule, law=law, says=says, caller=by, purpose="", basis="", reason=b"")


def listed(grant: Grant) -> Grant:
    """The grant as a row tells of records whose headings stand on a page that opens another: that is no reading of them (law,
    K167)."""
    return told_otherwise(grant, LISTED, grant.law, LISTED_SAYS)


def saying(grant: Grant, wrap: Wrap, text: str) -> Grant:
    """With what somebody said in words, sealed as a reason is (`with_words`)."""
    key = _key(wrap, grant.subject, grant.service)
    return replace(grant, reason=key.seal(text.encode(), _place(grant.subject.patient, grant.at)))


def as_refused(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row of something that was tried under a grant, and came to nothing."""
    place = _NAMES.index("outcome")
    return (*row[:place], REFUSED, *row[place + 1 :])


def of_nobody(
    caller: Caller, service: str, action: str, rule: str, law: str, says: str, at: datetime, correlation: str,
    *, refused: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """The row of something opened, or `refused`, that names nobody who is registered: no patient's, the platform's own."""
    told = (0, at, _number(), REFUSED if refused else GIVEN, action, service, rule, law, says, "", "")
    return (*told, *_caller_values(caller), correlation, b"", *_care_values(caller))


def brought(caller: Caller, patient: int, at: datetime, correlation: str) -> tuple[Any, ...]:
    """The row of a document that the caller had at hand and that names this person: nothing of hers was opened, so the law was
    not asked, and nothing that was attested is said of it (law, K145)."""
    bare = replace(caller, attestation=None)
    row = of_nobody(bare, "", "read", BROUGHT, BROUGHT_LAW, BROUGHT_SAYS, at, correlation)
    return (patient, *row[1:])


def refused(denial: Denial) -> tuple[Any, ...]:
    """The row of a refusal; patient 0 where no person was found."""
    return (
        denial.subject.patient if denial.subject else 0,
        denial.at,
        _number(),
        REFUSED,
        denial.action,
        denial.service,
        denial.rule,
        denial.law,
        denial.says,
        denial.purpose,
        denial.basis,
        *_caller_values(denial.caller),
        denial.correlation,
        denial.reason,
        *_care_values(denial.caller),
    )


def with_words(answer: Answer, wrap: Wrap, asked: str = "") -> Answer:
    """The answer with what the caller said in words of her own, sealed as the service seals about the one it is about.

    Her reason, the texts of healthcare service and details, and the search she `asked` for (`Words`). Bound to its row by
    person and moment. Costs nothing where nothing was said; about nobody known, nobody will read it.
    """
    said, subject = answer.caller.attestation, answer.subject
    if subject is None or not (said or asked):
        return answer
    words = Words(
        said.decision_text if said else "",
        _text(said.healthcare_service if said else None),
        _text(said.purpose_details if said else None),
        asked[:ASKED_LIMIT_CHARACTERS],
    )
    plain = "\n".join(words).rstrip("\n")
    if not plain:
        return answer
    key = _key(wrap, subject, answer.service)
    return replace(answer, reason=key.seal(plain.encode(), _place(subject.patient, answer.at)))


def _text(code: Coded | None) -> str:
    return code.text if code else ""


def _key(wrap: Wrap, subject: Subject, service: str, place: int = 0) -> DataKey:
    """A service's key, so that a reason goes with the records it was written for; else the person's own."""
    if wrap.shares.knows(service):
        return wrap.of_service(subject, service, place)
    return wrap.unwrap(subject.keys[place], subject.wrapped[place])


def _place(patient: int, at: datetime) -> bytes:
    return b"audit-reason" + patient.to_bytes(8, "big") + ((at - _EPOCH) // _MICROSECOND).to_bytes(8, "big")


_CHANGEABLE: Final = """
SELECT coalesce(bool_or(has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE')), false) FROM pg_class
WHERE oid IN ('audit'::regclass, 'audit_seal'::regclass)
OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit'::regclass)"""


async def changeable(conn: Connection) -> bool:
    """Whether this connection's role may change or remove what is in the log, in any of its months: the program must not."""
    return bool(await conn.fetchval(_CHANGEABLE))


INSERT: Final = (
    f"INSERT INTO audit ({COLUMNS}, types, ids, versions) VALUES ({placeholders(1)}, "
    f"${WIDTH + 1}::smallint[], ${WIDTH + 2}::uuid[], ${WIDTH + 3}::integer[])"
)


async def insert(conn: Connection, row: tuple[Any, ...], named: Sequence[tuple[int, uuid.UUID, int]] = ()) -> None:
    """Writes the row with the records (type, id, version) it names, in the caller's transaction."""
    await conn.execute(INSERT, *row, [n[0] for n in named], [n[1] for n in named], [n[2] for n in named])


_EXPLAINED: Final = (
    f"INSERT INTO audit ({COLUMNS}, types, ids, versions, about, reason) VALUES ({placeholders(1)}, "
    f"'{{}}', '{{}}', '{{}}', ${WIDTH + 1}, ${WIDTH + 2})"
)


async def insert_explained(conn: Connection, row: tuple[Any, ...], about: str, reason: str) -> None:
    """Writes the row of what is no record: what it is about, and why it was opened. In the caller's transaction."""
    await conn.execute(_EXPLAINED, *row, about, reason)


CHOICES: Final = "choices"
"""What the row of a look at somebody's choices is about."""


async def insert_chosen(conn: Connection, grant: Grant, deed: Chose, kind: str, number: int = 0, *,
    patient: int = 0, service: str = "") -> None:  # fmt: skip
    """Writes the row of a choice that was made or ended, in the transaction that does it: which one by its kind and number.

    `patient` is the key that the choice lies under and `service` what it is about, where they are others than the grant's.
    It stands in the chained log (K99), so that a choice put in, changed or taken away in its own table can be seen beside it.
    """
    subject = replace(grant.subject, patient=patient or grant.subject.patient)
    done = replace(grant, subject=subject, service=service or grant.service)
    await insert_explained(conn, given(done), f"{CHOICES}/{deed}/{kind}/{number}", "")


async def insert_chosen_seen(conn: Connection, grant: Grant) -> None:
    """Writes the row of a look at her choices, or at what they can be made of."""
    await insert_explained(conn, given(grant), CHOICES, "")


_HANDED: Final = (
    f"INSERT INTO audit ({COLUMNS}, types, ids, versions, about, reason) VALUES ({placeholders(1)}, "
    f"${WIDTH + 1}::smallint[], ${WIDTH + 2}::uuid[], ${WIDTH + 3}::integer[], ${WIDTH + 4}, ${WIDTH + 5})"
)


async def insert_handed(
    conn: Connection, row: tuple[Any, ...], named: Sequence[tuple[int, uuid.UUID, int]], about: str, reason: str
) -> None:
    """As `insert`, of records that leave with something, on a ground that stands beside them in the open."""
    await conn.execute(
        _HANDED, *row, [n[0] for n in named], [n[1] for n in named], [n[2] for n in named], about, reason
    )


_OF_PATIENT = f"""
SELECT {COLUMNS}, types, ids, versions, about, reason FROM audit
WHERE patient = ANY($1::bigint[]) AND at >= $2 AND at < $3 ORDER BY at DESC, number LIMIT $4
"""


async def of_patient(
    conn: Connection, grant: Grant, wrap: Wrap, since: datetime, until: datetime, limit: int
) -> list[dict[str, Any]]:
    """The patient's own log, newest first, half-open in time; reading it is itself audited (action `insight`).

    Words are opened; those deleted with the service's records, or put in another row than their own, which
    `sealing.verify` tells of, are empty.
    """
    async with conn.transaction():
        rows = await conn.fetch(_OF_PATIENT, list(grant.subject.keys), since, until, limit)
        await insert(conn, given(grant))
    return worded(grant, wrap, rows)


def worded(grant: Grant, wrap: Wrap, rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Rows of the grant's patient with what was said in words, opened."""
    return [_worded(wrap, grant.subject, row) for row in map(dict, rows)]


def _worded(wrap: Wrap, subject: Subject, row: dict[str, Any]) -> dict[str, Any]:
    """The row with its words. A reason that stands in the open is the one that an operator wrote."""
    words = _opened(wrap, subject, row)
    return {**row, **words._asdict(), "reason": row["reason"] or words.reason}


def _opened(wrap: Wrap, subject: Subject, row: Mapping[str, Any]) -> Words:
    if not row["written"]:
        return Words()
    try:
        key = _key(wrap, subject, row["service"], subject.keys.index(row["patient"]))
        return Words(*key.open(row["written"], _place(row["patient"], row["at"])).decode().split("\n"))
    except (InvalidTag, Destroyed):
        return Words()


# What was deleted stays hidden from whom its last version was: its lines would tell that it was there.
_HIDDEN = """SELECT id FROM record WHERE patient = ANY($1::bigint[])
AND (labels & $2 <> 0 OR ($3 AND coalesce(release_at > $4, false)))
UNION ALL
SELECT r.id FROM record_history d JOIN record_history r ON r.patient = d.patient AND r.type = d.type AND r.id = d.id
  AND r.version = d.version - 1
WHERE d.patient = ANY($1::bigint[]) AND d.deleted AND (r.labels & $2 <> 0 OR ($3 AND coalesce(r.release_at > $4, false)))
  AND NOT EXISTS (SELECT FROM record c WHERE c.patient = d.patient AND c.type = d.type AND c.id = d.id)"""


_GONE: Final = """SELECT DISTINCT n.id FROM audit a, unnest(a.ids) AS n(id) WHERE a.patient = ANY($1::bigint[])
AND NOT EXISTS (SELECT FROM record r WHERE r.patient = ANY($1::bigint[]) AND r.id = n.id)"""


async def hidden_from(conn: Connection, grant: Grant) -> frozenset[str]:
    """Ids of the patient's records that the grant keeps from its reader: the log may not name them, nor count them.

    Of what was deleted nobody can say any more whom it was kept from: it is kept from everybody from whom anything ever is.
    """
    rows = await conn.fetch(_HIDDEN, list(grant.subject.keys), int(grant.hides), grant.released_only, grant.at)
    gone = await deleted(conn, grant) if grant.hides or grant.released_only else frozenset()
    return gone.union(str(row[0]) for row in rows)


async def deleted(conn: Connection, grant: Grant) -> frozenset[str]:
    """Ids that the log names and under which nothing lies any more, of a patient whose record a service has deleted."""
    if not any(grant.subject.destroyed):
        return frozenset()
    return frozenset(str(row[0]) for row in await conn.fetch(_GONE, list(grant.subject.keys)))
