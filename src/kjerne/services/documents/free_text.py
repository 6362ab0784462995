"""Free text over what a list tells of a document; what the document itself says is never looked at, since it lies elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from kjerne.fhir.match import fold
from kjerne.services.documents.sorting import author, department, institution, words
from kjerne.xds.values import DocumentEntry


def words_of(text: str) -> tuple[str, ...]:
    """The words that are asked for, each once, without case and accents.

    >>> words_of("Épikrise  kne EPIKRISE")
    ('epikrise', 'kne')
    """
    return tuple(dict.fromkeys(fold(text).split()))


def tells(entry: DocumentEntry, asked: Sequence[str]) -> bool:
    """Whether each word of `words_of` stands somewhere in what a list tells: title, type, subtype, department, institution or
    author. A part of a word is enough."""
    told = (
        entry.title, words(entry.class_code), words(entry.type_code), department(entry), institution(entry), author(entry),
    )  # fmt: skip
    whole = "\n".join(fold(one) for one in told) if asked else ""
    return all(one in whole for one in asked)
