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
        raise why_not(codes)
    return bool(serious) or (response.status == names.PARTIAL and not codes)


def given(response: Response) -> None:
    """Raises `NotGiven` where a source that was asked for one document says no, or that it failed, whatever it sent with it."""
    codes = {one.code for one in response.errors if not _is_warning(one.severity)}
    if response.status == names.FAILURE or codes & (_NO | _GONE | {UNKNOWN_PATIENT}):
        raise why_not(codes)


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
    """A document that is said twice, as it was said first. What withholds it holds by whichever of them has it: every mark, and
    every place that wrote it, since the patient may have shut one."""
    return replace(
        one,
        confidentiality=tuple(dict.fromkeys((*one.confidentiality, *again.confidentiality))),
        authors=tuple(dict.fromkeys((*one.authors, *again.authors))),
    )


def joined(
    entries: Iterable[DocumentEntry], relations: Iterable[Association]
) -> tuple[tuple[DocumentEntry, ...], tuple[Association, ...]]:
    """Each document once (`together`), and what they are to each other by the entryUUIDs that are left: a source may have one
    twice, under two of her numbers."""
    found, ids = dict[tuple[str, str], DocumentEntry](), dict[str, str]()
    for one in entries:
        key = one.repository, one.unique_id
        found[key] = together(found[key], one) if key in found else one
        ids[one.id] = found[key].id
    left = (
        replace(one, source=ids.get(one.source, one.source), target=ids.get(one.target, one.target))
        for one in relations
    )
    return tuple(found.values()), tuple(left)


def _is_warning(severity: str) -> bool:
    return severity.strip().rpartition(":")[2].lower() == "warning"
