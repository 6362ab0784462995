"""Records that leave among those of several people say whose they are, also where they were filed without saying so.

What messages file, and what FHIR files by the header `person-id` alone, names nobody in its bytes. Where one patient was asked
about they leave as they came; elsewhere her Patient is put in where their type says whose they are, behind all that was
received. An Appointment says it by its participants, which are left as they came.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final, NamedTuple

from kjerne.fhir import definitions
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.splice import splice
from kjerne.registries.naming import subject_element
from kjerne.store.patient_ids import id_of
from kjerne.store.reading import Record
from kjerne.store.sealed_id import SealedIds

_SAYS_SO: Final = re.compile(rb'"(?:subject|patient)"\s*:\s*\{\s*"reference"')
"""What nearly all have that say it: only contained resources may have one of their own."""


class _Place(NamedTuple):
    name: str
    many: bool


def address_of(ids: SealedIds, patient: int) -> bytes:
    """The reference to her Patient, as JSON."""
    return b'{"reference":"Patient/%b"}' % str(id_of(ids, patient)).encode()


def saying_whose(type_: int, body: bytes, hers: bytes) -> bytes:
    """A resource with the reference `hers` where it says whose it is, if nothing names anybody there."""
    place = _place(type_)
    if place is None or (_SAYS_SO.search(body) and b'"contained"' not in body):
        return body
    tree = decode(body) if b'"%b"' % place.name.encode() in body else {}
    if place.name not in tree:
        return body.rstrip()[:-1] + b',"%b":%b}' % (place.name.encode(), b"[%b]" % hers if place.many else hers)
    if _names_somebody(tree[place.name]):
        return body
    said: dict[str, Any] = decode(hers)
    value = tree[place.name]
    one = (next(iter(value), {}) if place.many else value) | said
    return encode(tree | {place.name: [one, *value[1:]] if place.many else one})


def of_somebody(ids: SealedIds, record: Record) -> Record:
    """A record as it leaves among those of several people."""
    raw = saying_whose(record.type, record.raw, address_of(ids, record.patient))
    return record if raw is record.raw else record._replace(raw=raw, splices=splice(raw))


def _names_somebody(value: Any) -> bool:
    several = value if isinstance(value, list) else [value]
    references = [one for one in several if isinstance(one, dict)]
    return any(one.get("reference") or (one.get("identifier") or {}).get("value") for one in references)


@cache
def _place(type_: int) -> _Place | None:
    """The element by which a type says whose it is; None where that is no reference of its own."""
    name = type_name(type_)
    own = subject_element(name)
    element = definitions.elements(name).get(own)
    if element is None or element.choice or "Reference" not in element.types:
        return None
    return _Place(own, element.many)
