"""A person's own address, `Patient/{id}`: an id that is sealed as a record's is, always the same, and no number of hers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from kjerne.errors import Refusal
from kjerne.exchange import Call, Pairs, PatientRef
from kjerne.fhir.searchparams import parameters
from kjerne.registries.naming import (
    answered_by_another,
    is_national,
    number_in,
    patient_of,
    subject_element,
    subject_in,
)
from kjerne.store.sealed_id import SealedIds

NAMING: Final = frozenset(f"{name}{kind}" for name in ("patient", "subject") for kind in ("", ":Patient"))
"""The parameters that name a search's patient by her address."""
_ADDRESS: Final = re.compile(r"(?:(?:https?://[^?#\s]+/)?Patient/)?([0-9a-fA-F-]{36})(?:/_history/[^/\s]+)?")
_ID: Final = re.compile(r"[0-9a-fA-F-]{36}")
_ANSWERED: Final = "Appointment/"
_CHAIN: Final = re.compile(r"(?:patient|subject)(?::Patient)?\.([A-Za-z_-]+)(:[a-z-]+)?")


def id_of(ids: SealedIds, key: int) -> UUID:
    """The id of her Patient."""
    return ids.named(key, "Patient")


def key_of(ids: SealedIds, text: str) -> int | None:
    """The person whose address a text is; None for what is none here, 0 for an id that is made as ours are and no Patient's, also
    in capitals."""
    found = _ADDRESS.fullmatch(text)
    id_ = ids.parse(found[1].lower()) if found else None
    if found is None or id_ is None:
        return None
    key = ids.patient(id_)
    return key if id_of(ids, key) == id_ and str(id_) == found[1] else 0


def address_in(tree: Mapping[str, Any]) -> str:
    """What a resource refers to as its subject, where it is written as a person's address here may be; empty else. In an answer
    to an Appointment that another than the patient gives it is the Appointment."""
    if answered := answered_by_another(tree):
        return f"{_ANSWERED}{answered}"
    subject = subject_in(tree)
    reference = subject.get("reference") if isinstance(subject, dict) else None
    is_one = isinstance(reference, str) and "Patient/" in reference and _ADDRESS.fullmatch(reference)
    return str(reference) if is_one else ""


def subject_key(ids: SealedIds, tree: Mapping[str, Any]) -> int | None:
    """The person whom a resource refers to as its subject by her address; None also for an id that other servers have made."""
    address = address_in(tree)
    return (key_at(ids, address) or None) if address else None


def key_at(ids: SealedIds, address: str) -> int | None:
    """The person of an address of `address_in`, as `key_of`; whose an Appointment is, its own id says."""
    if not address.startswith(_ANSWERED):
        return key_of(ids, address)
    id_ = ids.parse(address.removeprefix(_ANSWERED))
    return ids.patient(id_) if id_ is not None else None


def check_reference(ids: SealedIds, tree: Mapping[str, Any], keys: Iterable[int]) -> None:
    """`Refusal` 422 where a resource refers to another person as its subject than the one whose record (`keys`) it would be in.

    An address that is not one of ours says nothing, and is kept as it came; but not one that is a person's but for its capitals,
    which a reader may take for hers.
    """
    where = f"{tree['resourceType']}.{subject_element(str(tree['resourceType']))}.reference"
    if subject_key(ids, tree) not in (None, *keys):
        raise Refusal(422, "the body is about another person", where=where)
    address = address_in(tree)
    if (small := _ID.sub(lambda found: found[0].lower(), address)) != address and key_at(ids, small):
        raise Refusal(
            422, "ids are case sensitive, and this one is nobody's", where=where, todo="Write the id in small letters."
        )


def named_in(call: Call, identify: Callable[[str], PatientRef], ids: SealedIds, tree: Mapping[str, Any]) -> PatientRef:
    """Whom a new resource is about: by the header, or by the number or the address in its subject. The body is held to the
    header's person later. `Refusal` 400 where nobody is named."""
    if call.headers.get("person-id"):
        return patient_of(call, identify)
    number = number_in(tree)
    if not number and (key := subject_key(ids, tree)) is not None:
        return PatientRef(key=key)
    return patient_of(call, identify, number)


class AboutWhom(NamedTuple):
    """What a search's parameters say of its patient: whose address, what must be true of her, and all that is no word of her."""

    key: int | None
    of_her: Pairs
    rest: Pairs


def about_whom(ids: SealedIds, pairs: Pairs) -> AboutWhom:
    """The parameters of a search taken apart. `Refusal` 400 where they name several patients."""
    keys, of_her, rest = set[int](), [], []
    for name, value in pairs:
        key = key_of(ids, value) if name in NAMING else None
        chain = _CHAIN.fullmatch(name)
        if key is not None:
            keys.add(key)
        elif chain and chain[1] in parameters("Patient"):
            of_her.append((chain[1] + (chain[2] or ""), value))
        else:
            rest.append((name, value))
    if len(keys) > 1:
        raise Refusal(400, "the request names more than one patient", where="patient")
    return AboutWhom(keys.pop() if keys else None, tuple(of_her), tuple(rest))


def is_a_number(name: str, value: str) -> bool:
    """Whether a parameter names a patient by a national number, or by one whose system is not said."""
    system, _, _ = value.rpartition("|")
    return name.endswith("identifier") and is_national(system)


def ref(key: int) -> PatientRef:
    """The person with a key; nobody where it is 0."""
    return PatientRef(key=key)
