"""Whether an include of a search about a patient leads to her own Patient.

From her own records by whom they are about; from others' that name her (law, K143) by what names her, since whom those are about
is another.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Final

from kjerne.fhir import definitions
from kjerne.fhir.definitions import type_name
from kjerne.fhir.search import Search
from kjerne.fhir.searchparams import SUBJECT_CODES
from kjerne.registries.others import open_paths
from kjerne.store.finding import Page
from kjerne.store.reading import Record

_PATH: Final = re.compile(r"[A-Z]\w*(?:\.\w+)+")


def may_lead(search: Search) -> bool:
    """Whether one of them could."""
    return any(one.code in SUBJECT_CODES or _names(one.source, one.code) for one in search.includes)


def leads(search: Search, page: Page, keys: Collection[int]) -> bool:
    """Whether a record of a page does; `keys` are hers: of the matches by any include, of what was brought along by one that goes
    on."""
    found, onward = _kinds(page.records, keys), _kinds((*page.records, *page.included), keys)
    return any(
        (one.code in SUBJECT_CODES and (one.source, True) in kinds)
        or (_names(one.source, one.code) and (one.source, False) in kinds)
        for one in search.includes
        for kinds in (onward if one.iterate else found,)
    )


def _kinds(records: Iterable[Record], keys: Collection[int]) -> set[tuple[str, bool]]:
    """The types of records, and whether they are hers."""
    return {(type_name(record.type), record.patient in keys) for record in records}


def _names(source: str, code: str) -> bool:
    """Whether a search parameter is of an element that may name another than whom the record is about."""
    words = _expression(source, code)
    return any(".".join((source, *path)) in words for path in open_paths(source))


@cache
def _expression(source: str, code: str) -> frozenset[str]:
    """The paths that a search parameter of a type is made of."""
    found = (one.expression for one in definitions.table().parameters if one.code == code and source in one.bases)
    return frozenset(word for expression in found for word in _PATH.findall(expression))
