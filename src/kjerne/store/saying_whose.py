"""Records that leave among those of several people say whose they are, also where they were filed without saying so.

What messages file, and what FHIR files by the header `person-id` alone, names nobody in its bytes. Where one patient was asked
about they leave as they came; elsewhere her Patient is put in as their `subject`, behind all that was received.
"""

from __future__ import annotations

from functools import cache

from kjerne.fhir import definitions
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode
from kjerne.registries.naming import subject_element
from kjerne.store.patient_ids import id_of
from kjerne.store.reading import Record
from kjerne.store.sealed_id import SealedIds


def subject_of(ids: SealedIds, patient: int) -> bytes:
    """What names her in a resource that names nobody, in the place of its last brace."""
    return b',"subject":{"reference":"Patient/%b"}}' % str(id_of(ids, patient)).encode()


def names_nobody(type_: int, body: bytes) -> bool:
    """Whether a resource could say by a `subject` whose it is, and does not."""
    if not _has_subject(type_):
        return False
    if body.find(b'"subject"') < 0:
        return True
    # What is contained may have one of its own.
    return body.find(b'"contained"') >= 0 and "subject" not in decode(body)


def of_somebody(ids: SealedIds, record: Record) -> Record:
    """A record as it leaves among those of several people."""
    if not names_nobody(record.type, record.raw):
        return record
    return record._replace(raw=record.raw.rstrip()[:-1] + subject_of(ids, record.patient))


@cache
def _has_subject(type_: int) -> bool:
    """Whether whom a type is about stands in an element `subject` that holds one reference."""
    name = type_name(type_)
    element = definitions.elements(name).get("subject")
    own = element is not None and not element.many and "Reference" in element.types and not element.choice
    return own and subject_element(name) == "subject"
