"""Whom a document says that it is about, by the national numbers where its patient stands and never by a guess from its text."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Literal

from kjerne.errors import Refusal
from kjerne.registries.identifiers import numbers_in
from kjerne.registries.naming import is_national

NUMBERS_LIMIT: Final = 20
"""One whom a document is about has two or three numbers."""


def national(identifiers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The national numbers among identifiers (system or OID, number), each once. `Refusal` 422 where there are too many.

    >>> national([("2.16.578.1.12.4.1.4.1", "158870 99918"), ("1.2.3", "15887099829")])
    ('15887099918',)
    """
    found = dict[str, None]()
    for system, number in identifiers:
        if is_national(system):
            found |= dict.fromkeys(sorted(numbers_in(number)))
    if len(found) > NUMBERS_LIMIT:
        raise Refusal(422, "The document names too many people.", where="document_people")
    return tuple(found)


Said = Literal["same", "another", "unsaid"]


def compared(numbers: Collection[str], hers: Collection[str]) -> Said:
    """Whether a document that names these numbers is about whoever has `hers`: it does not say where it names none, and it is
    about another where any of them is not hers.

    >>> compared(["1"], {"1", "2"}), compared(["1", "3"], {"1"}), compared([], {"1"})
    ('same', 'another', 'unsaid')
    """
    if not numbers:
        return "unsaid"
    return "same" if set(numbers) <= set(hers) else "another"
