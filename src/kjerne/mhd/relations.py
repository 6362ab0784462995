"""What documents are to each other, in the words of FHIR's DocumentReference.relatesTo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

from kjerne.xds import names
from kjerne.xds.values import Association, DocumentEntry

_OF_A_DOCUMENT: Final = "urn:ihe:iti:xds:2013:uniqueId"
"""The kind of a referenceIdList's id that is another document's (ITI TF-3, 4.2.3.1.7)."""

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    names.REPLACES: ("replaces",),
    names.TRANSFORMS: ("transforms",),
    names.APPENDS: ("appends",),
    names.SIGNS: ("signs",),
    names.TRANSFORMS_AND_REPLACES: ("replaces", "transforms"),
}


def related(relations: Iterable[Association], shown: Collection[str]) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """For each of the documents that are shown (entryUUIDs) what it is to which other of them, as it says itself."""
    found: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
    for one in relations:
        if one.kind in KINDS and one.source in shown and one.target in shown and one.source != one.target:
            found[one.source].update(dict.fromkeys((kind, one.target) for kind in KINDS[one.kind]))
    return {id_: tuple(each) for id_, each in found.items()}


def referring(entry: DocumentEntry, shown: Collection[str]) -> DocumentEntry:
    """The entry without the ids of other documents than those that are shown (uniqueIds): what it refers to may be shut to the
    reader (law, K209). What else it is related to, as an order, stands."""
    told = tuple(one for one in entry.reference_ids if not _is_shut(one, shown))
    return entry if told == entry.reference_ids else replace(entry, reference_ids=told)


def _is_shut(reference: str, shown: Collection[str]) -> bool:
    value, *_, kind = reference.split("^")
    return kind == _OF_A_DOCUMENT and value not in shown
