"""What documents are to each other, in the words of FHIR's DocumentReference.relatesTo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from kjerne.xds import names
from kjerne.xds.values import Association

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
