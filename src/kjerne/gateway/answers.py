"""What a source says of how a question went: status, error list and severity, each read (ITI TF-3, 4.2.4; TF-2, 3.38.4.1.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from kjerne.services.documents.model import NotGiven
from kjerne.xds import names
from kjerne.xds.messages import Response
from kjerne.xds.values import Association, DocumentEntry

UNKNOWN_PATIENT: Final = "XDSUnknownPatientId"
"""What a registry says of somebody whom it has nothing about: an empty list, and nothing that is wrong with it."""
_NO: Final = frozenset({"AuthorizationException"})
_GONE: Final = frozenset({"XDSDocumentUniqueIdError"})
_MANY: Final = frozenset({"XDSTooManyResults"})


def lacks(response: Response) -> bool:
    """Whether what came is not all that there is: it went in part alone, or an error stands beside what was found. `NotGiven`
    where it failed.

    A registry behind the source that does not know the patient has nothing that is missing. A warning says nothing of it.
    """
    codes = {one.code for one in response.errors if not _is_warning(one.severity)}
    serious = codes - {UNKNOWN_PATIENT}
    if response.status == names.FAILURE and (serious or not codes):
        raise why_not(codes or _noes(response))
    return bool(serious) or (response.status == names.PARTIAL and not codes)


def given(response: Response) -> None:
    """Raises `NotGiven` where a source that was asked for one document says no, or that it failed, whatever it sent with it."""
    codes = {one.code for one in response.errors if not _is_warning(one.severity)}
    if response.status == names.FAILURE or codes & (_NO | _GONE | {UNKNOWN_PATIENT}):
        raise why_not(codes or _noes(response))


def _noes(response: Response) -> set[str]:
    """A no is one with whatever severity it is said, where it is all that there is."""
    return {one.code for one in response.errors} & _NO


def why_not(codes: Iterable[str]) -> NotGiven:
    """What errors of a source mean. A no is a no; that a registry is busy, has failed or has too much is none."""
    codes = set(codes)
    if codes & _NO:
        return NotGiven("refused", "its own rules say no")
    if codes & _GONE or codes == {UNKNOWN_PATIENT}:
        return NotGiven("gone", "it has no such document")
    if codes & _MANY:
        return NotGiven("many", "it has more documents than it tells of")
    known = next((one for one in sorted(codes) if one.isascii() and one.isalnum() and len(one) < 60), "no code")
    return NotGiven("unable", f"it answered with an error of the registry ({known})")


def together(one: DocumentEntry, again: DocumentEntry) -> DocumentEntry:
    """A document that is said twice, as it was said first. What withholds it holds by whichever of them has it: every mark, every
    place that wrote it, since the patient may have shut one, and that another has replaced it."""
    return replace(
        one,
        status=one.status if one.status == again.status else names.DEPRECATED,
        confidentiality=tuple(dict.fromkeys((*one.confidentiality, *again.confidentiality))),
        authors=tuple(dict.fromkeys((*one.authors, *again.authors))),
    )


def joined(
    entries: Iterable[DocumentEntry], relations: Iterable[Association]
) -> tuple[tuple[DocumentEntry, ...], tuple[Association, ...]]:
    """Each document once (`together`), and what they are to each other by the entryUUIDs that are left: a source may have one
    twice, under two of her numbers. What it said of one before it changed that (ITI-57) says nothing any more."""
    entries = tuple(entries)
    last = _last_versions(entries)
    found, ids = dict[tuple[str, str], DocumentEntry](), dict[str, str]()
    for one in entries:
        key = one.repository, one.unique_id
        if not _is_former(one, last):
            found[key] = together(found[key], one) if key in found else one
    for one in entries:
        ids[one.id] = found[one.repository, one.unique_id].id
    left = (
        replace(one, source=ids.get(one.source, one.source), target=ids.get(one.target, one.target))
        for one in relations
    )
    return tuple(found.values()), tuple(left)


Versions = dict[tuple[str, str, str], tuple[int, ...]]


def _last_versions(entries: Iterable[DocumentEntry]) -> Versions:
    """The last version of what is said of each document, where versions of it are told at all."""
    last = Versions()
    for one in entries:
        key = one.repository, one.unique_id, one.logical_id
        last[key] = max(last.get(key, ()), _version(one))
    return last


def _is_former(one: DocumentEntry, last: Versions) -> bool:
    """Whether a registry keeps it as what was said before: under the same logical id, deprecated, with a lower version."""
    key = one.repository, one.unique_id, one.logical_id
    return bool(one.logical_id and one.status == names.DEPRECATED and () < _version(one) < last[key])


def _version(one: DocumentEntry) -> tuple[int, ...]:
    """A version as numbers; none where it is written otherwise, and says nothing of what is later."""
    parts = one.version.split(".")
    plain = all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts)
    return tuple(map(int, parts)) if plain else ()


def _is_warning(severity: str) -> bool:
    return severity.strip().rpartition(":")[2].lower() == "warning"
