"""The stored queries answered from what a source has of one patient, as far as a `Sight` opens it.

A document that stays shut is as if it were not there: no query names it, no association leads to it, and a set that holds
nothing else is not told of either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from kjerne.source import chains
from kjerne.source.law import Sight
from kjerne.source.rows import Held, Stored
from kjerne.xds import names
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import interval, written_xcn
from kjerne.xds.messages import Response
from kjerne.xds.queries import REFERENCES, Query
from kjerne.xds.values import Association, Code, DocumentEntry, RegistryObject, SubmissionSet, bare

FOUND_LIMIT: Final = 2_000
"""Objects told in full in one answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What of a patient's may be told."""

    documents: tuple[DocumentEntry, ...]
    sets: tuple[SubmissionSet, ...]
    associations: tuple[Association, ...]

    @classmethod
    def of(cls, held: Held, sight: Sight) -> Seen:
        documents = tuple(one.entry for one in opened(held, sight))
        shown = {one.id for one in documents}
        members = {one.source for one in held.associations if one.kind == names.HAS_MEMBER and one.target in shown}
        sets = tuple(one for one in held.sets if one.id in members)
        ends = shown | members
        associations = tuple(one for one in held.associations if {one.source, one.target} <= ends)
        return cls(documents, sets, associations)


def opened(held: Held, sight: Sight) -> tuple[Stored, ...]:
    """The documents that may be told of and given, each with the lock that holds for it however it came to."""
    locked = chains.locked((one.entry for one in held.documents), held.associations)
    told = (
        replace(one, entry=chains.with_lock(one.entry)) if one.entry.id in locked else one for one in held.documents
    )
    return tuple(one for one in told if sight.opens(one.entry))


def answered(query: Query, seen: Seen, home: str) -> tuple[Response, tuple[str, ...]]:
    """The answer to a query, and the uniqueIds of the documents that it tells of. Its objects are as they are kept: of which
    community they are is said where they are written (`xds.writing`)."""
    objects = _found(query, seen)
    told = tuple(one.unique_id for one in objects if isinstance(one, DocumentEntry))
    if query.returns == REFERENCES:
        return Response(names.SUCCESS, references=tuple((one.id, home) for one in objects)), told
    if len(objects) > FOUND_LIMIT:
        says = f"More than {FOUND_LIMIT} objects were found. Ask for references, or for less."
        raise Rejected(RegistryError("XDSTooManyResults", says))
    return Response(names.SUCCESS, objects=tuple(objects)), told


def _found(query: Query, seen: Seen) -> list[RegistryObject]:
    find = _BY_KIND.get(query.kind)
    return find(query, seen) if find else []  # a query about folders, of which there are none


def _documents(query: Query, seen: Seen) -> list[RegistryObject]:
    asked = _Asked.of(query)
    return [one for one in seen.documents if _fits(asked, one)]


def _sets(query: Query, seen: Seen) -> list[RegistryObject]:
    asked = _Asked.of(query)
    return [one for one in seen.sets if _fits_set(asked, one)]


def _named(query: Query, seen: Seen) -> list[RegistryObject]:
    asked = frozenset(query.identifiers)
    return [one for one in seen.documents if one.id in asked or one.unique_id in asked]


def _associations(query: Query, seen: Seen) -> list[RegistryObject]:
    return [*_touching(seen, query.identifiers)]


def _named_and_associations(query: Query, seen: Seen) -> list[RegistryObject]:
    documents = _named(query, seen)
    return [*documents, *_touching(seen, [one.id for one in documents])]


def _sets_of(query: Query, seen: Seen) -> list[RegistryObject]:
    """The sets in which documents came, with what says so."""
    asked = frozenset(query.identifiers)
    members = [one for one in seen.associations if one.kind == names.HAS_MEMBER and one.target in asked]
    ids = {one.source for one in members}
    return [*(one for one in seen.sets if one.id in ids), *members]


def _all(query: Query, seen: Seen) -> list[RegistryObject]:
    asked = _Asked.of(query)
    documents = [one for one in seen.documents if _fits(asked, one)]
    sets = [one for one in seen.sets if one.status in asked.set_statuses]
    ends = {one.id for one in documents} | {one.id for one in sets}
    return [*documents, *sets, *(one for one in seen.associations if {one.source, one.target} <= ends)]


def _contents(query: Query, seen: Seen) -> list[RegistryObject]:
    named, asked = frozenset(query.identifiers), _Asked.of(query)
    sets = [one for one in seen.sets if one.id in named or one.unique_id in named]
    ids = {one.id for one in sets}
    members = [one for one in seen.associations if one.kind == names.HAS_MEMBER and one.source in ids]
    targets = {one.target for one in members}
    documents = [one for one in seen.documents if one.id in targets and _has_codes(asked, one)]
    shown = {one.id for one in documents}
    return [*sets, *documents, *(one for one in members if one.target in shown)]


def _related(query: Query, seen: Seen) -> list[RegistryObject]:
    """What documents are to the one asked for; nothing where they are nothing to it (ITI TF-2, 3.18.4.1.2.3.7.13)."""
    ids, kinds = [one.id for one in _named(query, seen)], query.association_types - {names.HAS_MEMBER}
    between = [one for one in _touching(seen, ids) if one.kind in kinds]
    if not between:
        return []
    ends = {end for one in between for end in (one.source, one.target)}
    return [*(one for one in seen.documents if one.id in ends), *between]


def _touching(seen: Seen, ids: Collection[str]) -> list[Association]:
    asked = frozenset(ids)
    return [one for one in seen.associations if one.source in asked or one.target in asked]


_BY_KIND: Final[Mapping[str, Callable[[Query, Seen], list[RegistryObject]]]] = {
    names.FIND_DOCUMENTS: _documents,
    names.FIND_BY_REFERENCE: _documents,
    names.FIND_SUBMISSION_SETS: _sets,
    names.GET_ALL: _all,
    names.GET_DOCUMENTS: _named,
    names.GET_ASSOCIATIONS: _associations,
    names.GET_DOCUMENTS_AND_ASSOCIATIONS: _named_and_associations,
    names.GET_SUBMISSION_SETS: _sets_of,
    names.GET_SUBMISSION_SET_AND_CONTENTS: _contents,
    names.GET_RELATED_DOCUMENTS: _related,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an object must be, read of its query once and not for each object. Codes are (code, bare system)."""

    document_statuses: frozenset[str]
    set_statuses: frozenset[str]
    kinds: frozenset[str]
    references: frozenset[str]
    sources: frozenset[str]
    codes: tuple[tuple[str, frozenset[tuple[str, str]]], ...]
    times: tuple[tuple[str, datetime | None, datetime | None], ...]
    authors: tuple[str, ...]

    @classmethod
    def of(cls, query: Query) -> _Asked:
        """`Rejected` where a filter cannot be read, whatever there is."""
        codes = ((name, frozenset((code, bare(system)) for code, system in wanted)) for name, wanted in query.codes())
        return cls(
            query.document_statuses,
            query.set_statuses,
            frozenset(query.values("$XDSDocumentEntryType")),
            frozenset(query.values("$XDSDocumentEntryReferenceIdList")),
            frozenset(query.values("$XDSSubmissionSetSourceId")),
            tuple(codes),
            tuple(query.times()),
            query.authors(),
        )


def _fits(asked: _Asked, entry: DocumentEntry) -> bool:
    return (
        entry.status in asked.document_statuses
        and (not asked.kinds or entry.object_type in asked.kinds)
        and (not asked.references or not asked.references.isdisjoint(entry.reference_ids))
        and _has_codes(asked, entry)
        and _is_in_time(asked, entry)
        and _is_by(asked, entry)
    )


def _fits_set(asked: _Asked, one: SubmissionSet) -> bool:
    return (
        one.status in asked.set_statuses
        and (not asked.sources or one.source_id in asked.sources)
        and _has_codes(asked, one)
        and _is_in_time(asked, one)
        and _is_by(asked, one)
    )


def _has_codes(asked: _Asked, one: DocumentEntry | SubmissionSet) -> bool:
    """Of each parameter one of its codes is there, wherever the attribute is one that the object has."""
    for attribute, wanted in asked.codes:
        if not hasattr(one, attribute):
            continue
        said: Code | tuple[Code, ...] | None = getattr(one, attribute)
        codes = said if isinstance(said, tuple) else (said,) if said else ()
        if wanted.isdisjoint((code.code, bare(code.system)) for code in codes):
            return False
    return True


def _is_in_time(asked: _Asked, one: DocumentEntry | SubmissionSet) -> bool:
    for attribute, first, last in asked.times:
        text: str = getattr(one, attribute, "")
        if not text:
            return False
        at = interval(text, attribute)[0]
        if (first is not None and at < first) or (last is not None and at >= last):
            return False
    return True


def _is_by(asked: _Asked, one: DocumentEntry | SubmissionSet) -> bool:
    if not asked.authors:
        return True
    people = [written_xcn(author.person) for author in one.authors if author.person]
    return any(is_like(text, person) for text in asked.authors for person in people)


def is_like(pattern: str, text: str) -> bool:
    """SQL's LIKE, whatever the case: `%` stands for anything and `_` for one sign.

    Each piece between two `%` is taken where it comes first, which finds what there is to find and never goes back: whoever
    asks chooses the pattern, and no pattern takes longer than its length times the text's.
    """
    first, *more = _pieces(pattern)
    if not more:
        return first.fullmatch(text) is not None
    begun = first.match(text)
    if begun is None:
        return False
    at = begun.end()
    for piece in more[:-1]:
        found = piece.search(text, at)
        if found is None:
            return False
        at = found.end()
    tail = len(text) - len(pattern.rpartition("%")[2])
    return tail >= at and more[-1].match(text, tail) is not None


@lru_cache(maxsize=256)
def _pieces(pattern: str) -> tuple[re.Pattern[str], ...]:
    return tuple(
        re.compile("".join("." if sign == "_" else re.escape(sign) for sign in piece), re.IGNORECASE | re.DOTALL)
        for piece in pattern.split("%")
    )
