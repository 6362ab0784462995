"""Who a request is about, and everything the law asks about that person, in one statement.

This answers the program, never a caller: what leaves towards a caller leaves under the `Grant` made from it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec

from kjerne.access import Caller, Choice, Once, Subject, Tie
from kjerne.exchange import PatientRef
from kjerne.registries.protection import strictest
from kjerne.store.codec import PersonWrap
from kjerne.store.pool import Connection
from kjerne.store.proofs import fetched, noting

DETAIL = b"person-detail"


class PersonDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a person beside her records; lies sealed under her data key.

    `protection` is the address protection of Folkeregisteret: ugradert, klientadresse, fortrolig, strengtFortrolig.
    """

    name: str = ""
    birth_date: date | None = None
    sex: str = ""
    address: str = ""
    municipality: str = ""
    protection: str = "ugradert"
    died_on: date | None = None


_decode = msgspec.msgpack.Decoder(PersonDetail).decode
_encode = msgspec.msgpack.Encoder().encode

_FACTS = """
SELECT p.patient, p.linked, p.stamp, p.wrapped_key, p.detail, p.synthetic,
  (SELECT array_agg(ROW(k.patient, k.stamp, k.wrapped_key, k.destroyed, k.detail, k.pointed))
     FROM person k WHERE k.patient = ANY(p.linked)),
  (SELECT array_agg(ROW(c.kind, c.service, c.hpr, c.organisation, c.made_at, c.ended_at, c.role, c.part, c.source,
       c.course, c.record, c.slot, c.marked)) FROM privacy_choice c WHERE c.patient = p.patient OR c.patient = ANY(p.linked)),
  (SELECT array_agg(ROW(t.kind, t.hpr, t.organisation, t.other, t.since, t.until, t.areas, t.form))
     FROM person_tie t WHERE (t.patient = p.patient OR t.patient = ANY(p.linked))
      AND ((t.hpr <> '' AND t.hpr = $2) OR (t.organisation <> '' AND t.organisation = ANY($3::text[]))
           OR t.other = ANY(SELECT k.key FROM person_identifier i JOIN person c ON c.patient = i.patient,
                unnest(c.patient || c.linked) AS k(key) WHERE i.digest = $4))),
  (SELECT i.patient FROM person_identifier i WHERE i.digest = $4 ORDER BY i.valid_from DESC LIMIT 1),
  (SELECT array_agg(i.digest) FROM person_identifier i WHERE i.patient = p.patient OR i.patient = ANY(p.linked)),
  p.destroyed,
  (SELECT array_agg(k.key) FROM person_identifier i JOIN person c ON c.patient = i.patient, unnest(c.linked) AS k(key)
     WHERE i.digest = $4), p.pointed
FROM person p WHERE p.patient = """
_BY_KEY = _FACTS + "$1"
_BY_DIGEST = _FACTS + (
    "(SELECT patient FROM person_identifier WHERE digest = $1 ORDER BY (valid_to IS NULL) DESC, valid_from DESC LIMIT 1)"
)


_NOTING = f"WITH {noting(5)} SELECT EXISTS (SELECT 1 FROM note), f.* FROM (SELECT 1) one LEFT JOIN LATERAL "
_NOTING_BY_KEY = f"{_NOTING} ({_BY_KEY}) f ON true"
_NOTING_BY_DIGEST = f"{_NOTING} ({_BY_DIGEST}) f ON true"


def choice_of(row: Sequence[Any]) -> Choice:
    """A choice from the columns of `privacy_choice`, kind to marked."""
    *values, marked = row
    return Choice(*values, tuple(marked))  # type: ignore[call-arg]  # as many as the dataclass has


def seal_detail(wrap: PersonWrap, patient: int, wrapped: bytes, detail: PersonDetail) -> bytes:
    """The sealed form for `person.detail`."""
    return wrap.unwrap(patient, wrapped).seal(_encode(detail), DETAIL)


def open_detail(wrap: PersonWrap, patient: int, wrapped: bytes, sealed: bytes) -> PersonDetail:
    return _decode(wrap.unwrap(patient, wrapped).open(sealed, DETAIL))


_DETAILS = """
SELECT p.patient, k.patient, k.wrapped_key, k.detail FROM person p, unnest(p.patient || p.linked) AS u(key)
JOIN person k ON k.patient = u.key WHERE p.patient = ANY($1::bigint[]) AND k.wrapped_key IS NOT NULL"""


async def details(conn: Connection, keys: Sequence[int], wrap: PersonWrap) -> dict[int, PersonDetail]:
    """What is known of each of several persons, by key: as that key's register entry has it, but protected as any of her
    keys is."""
    found: dict[int, dict[int, PersonDetail]] = {}
    for patient, key, wrapped, sealed in map(tuple, await conn.fetch(_DETAILS, list(keys))):
        found.setdefault(patient, {})[key] = open_detail(wrap, key, wrapped, sealed)
    return {
        patient: msgspec.structs.replace(of[patient], protection=strictest(one.protection for one in of.values()))
        for patient, of in found.items()
        if patient in of
    }


async def load(
    conn: Connection,
    ref: PatientRef,
    caller: Caller,
    wrap: PersonWrap,
    once: Once | None = None,
    also: Collection[str] = (),
) -> tuple[Subject, PersonDetail] | None:
    """The facts about `ref` as `caller` meets them, or None where no person has that identifier or key.

    Ties are those that concern this caller: her HPR number, her organisations, her own person key. With `once` the
    request's proof is noted in the same statement, and refused where it was used before. `also` are organisations of other
    callers who are met at the same time.
    """
    organisations = [number for number in (caller.organisation, caller.point_of_care, *also) if number]
    statement, named = (_BY_DIGEST, ref.digest) if ref.digest else (_BY_KEY, ref.key)
    noting_too = _NOTING_BY_DIGEST if ref.digest else _NOTING_BY_KEY
    rows = await fetched(conn, once, statement, noting_too, (named, caller.hpr, organisations, caller.digest))
    found = rows[0] if rows else ()
    if not found or found[3] is None:
        return None
    subject, details = _subject(found, wrap)
    if caller.kind == "citizen" and subject.caller_key and subject.caller_key not in subject.keys:
        addresses = {one.address for one in details if one.address}
        subject = await _with_kin(conn, subject, addresses, wrap)
    return subject, details[0]


async def stand(conn: Connection, subject: Subject) -> bool:
    """Whether no fact has changed since they were read: of a grant that no statement holds to her stamp (`policy.unsaid`)."""
    stamp = await conn.fetchval(
        "SELECT coalesce(sum(stamp), 0) FROM person WHERE patient = ANY($1::bigint[])", list(subject.keys)
    )
    return bool(stamp == subject.stamp)


_BY_KEYS = _FACTS + "ANY($1::bigint[])"


async def load_many(conn: Connection, keys: Sequence[int], caller: Caller, wrap: PersonWrap) -> list[Subject]:
    """As `load`, of several persons in one statement, for a caller who stands in for nobody; whoever is not there is left out."""
    assert caller.kind != "citizen", "what is known of her kin is not read here"
    organisations = [number for number in (caller.organisation, caller.point_of_care) if number]
    rows = await conn.fetch(_BY_KEYS, list(keys), caller.hpr, organisations, caller.digest)
    return [_subject(found, wrap)[0] for found in map(tuple, rows) if found[3] is not None]


_KIN = """
SELECT p.wrapped_key, p.detail, p.patient, (p.patient = $1 OR p.patient = ANY(c.linked)) AS hers, k.other IS NOT NULL AS parent,
  p.linked,
  (SELECT array_agg(ROW(t.other, t.since, t.until)) FROM person_tie t WHERE t.patient = ANY($2::bigint[]) AND t.kind = 'parent')
    AS parents
FROM person c JOIN person p ON p.wrapped_key IS NOT NULL LEFT JOIN LATERAL (SELECT t.other FROM person_tie t
  WHERE t.patient = ANY($2::bigint[]) AND t.kind = 'parent' AND t.other = p.patient LIMIT 1) k ON true
WHERE c.patient = $1 AND (p.patient = $1 OR p.patient = ANY(c.linked) OR p.patient IN
  (SELECT unnest(o.patient || o.linked) FROM person_tie t JOIN person o ON o.patient = t.other
     WHERE t.patient = ANY($2::bigint[]) AND t.kind = 'parent'))"""


async def _with_kin(conn: Connection, subject: Subject, addresses: Collection[str], wrap: PersonWrap) -> Subject:
    """Adds what the law asks where one citizen stands in for another: who she is under all her numbers, who has parental
    responsibility, and who lives together. `addresses` are the patient's, one of each number that has one: a parent must
    live at them all."""
    rows = await conn.fetch(_KIN, subject.caller_key, list(subject.keys))
    opened = [(open_detail(wrap, row[2], row[0], row[1]), row["hers"], row["parent"]) for row in rows]
    homes = {one.address for one, _, parent in opened if parent}
    caller = [one for one, hers, _ in opened if hers]
    together = homes.issuperset(addresses) if addresses and homes else None
    gone = [row for row, (detail, _, _) in zip(rows, opened, strict=True) if detail.died_on is not None]
    # A death is registered on one number of hers, and parenthood may stand on another.
    dead = {key for row in gone for key in (row["patient"], *row["linked"])}
    ties = rows[0]["parents"] or () if rows else ()
    parents = tuple(Tie("parent", key=key, since=since, until=until) for key, since, until in ties if key not in dead)
    subject = replace(subject, lives_with_parent=together, parents=parents)
    if not caller:
        return subject
    return replace(
        subject,
        caller_protection=strictest(one.protection for one in caller),
        caller_birth_date=_born(caller),
        caller_deceased=_died(caller),
    )


def _born(of: Sequence[PersonDetail]) -> date | None:
    """The birth date of one human by all her numbers; where they say different ones nobody knows it (docs/law.md, K31)."""
    dates = {one.birth_date for one in of if one.birth_date}
    return dates.pop() if len(dates) == 1 else None


def _died(of: Sequence[PersonDetail]) -> bool:
    """A death is registered on the number that she had by then, and is hers under all."""
    return any(one.died_on is not None for one in of)


def _tie(kind: Any, hpr: str, organisation: str, key: int, since: Any, until: Any, areas: Any, form: str) -> Tie:
    return Tie(kind, hpr, organisation, key, since, until, tuple(areas), form)


def _subject(row: tuple[Any, ...], wrap: PersonWrap) -> tuple[Subject, list[PersonDetail]]:
    """One human under all her keys, and what is known of her by each; first the one that was asked for."""
    (
        patient,
        _,
        stamp,
        wrapped,
        sealed,
        synthetic,
        others,
        choices,
        ties,
        caller_key,
        digests,
        destroyed,
        linked,
        pointed,
    ) = row
    known = [open_detail(wrap, patient, wrapped, sealed)]
    keys, wraps, gone = [patient], [wrapped], [destroyed]
    for other, other_stamp, other_wrapped, other_destroyed, other_sealed, other_pointed in others or ():
        if other_wrapped is not None:
            keys.append(other)
            wraps.append(other_wrapped)
            gone.append(other_destroyed)
            known.append(open_detail(wrap, other, other_wrapped, other_sealed))
            stamp += other_stamp
            pointed = pointed or other_pointed
    subject = Subject(
        patient=patient,
        keys=tuple(keys),
        stamp=stamp,
        wrapped=tuple(wraps),
        birth_date=_born(known),
        sex=known[0].sex,
        protection=strictest(one.protection for one in known),
        deceased=_died(known),
        choices=tuple(choice_of(choice) for choice in choices or ()),
        ties=tuple(_tie(*tie) for tie in ties or ()),
        caller_key=caller_key,
        caller_linked=tuple(linked or ()),
        synthetic=synthetic,
        digests=frozenset(digests or ()),
        destroyed=tuple(None if one is None else tuple(one) for one in gone),
        pointed=bool(pointed),
    )
    return subject, known
