"""The pages' words: one catalogue a language, read once; a missing word falls back to bokmål and a test finds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from kjerne import catalogues

Language = Literal["nb", "nn", "en", "se"]
LANGUAGES: Final[tuple[Language, ...]] = ("nb", "nn", "en", "se")
COMPLETE: Final[tuple[Language, ...]] = ("nb", "nn", "en")
"""Northern Sámi is prepared: it has its switch and its file, and reads bokmål where it has no word yet."""


def catalogue(language: Language) -> Mapping[str, str]:
    """All words of one language, `section.key` -> text."""
    return catalogues.catalogue(__package__, language)


def say(language: Language, key: str, /, **values: object) -> str:
    """The text for a key with its values put in; `KeyError` for a key that bokmål lacks, since that is a fault here.

    >>> say("nb", "value.high")
    'høy'
    """
    text = catalogue(language).get(key) or catalogue("nb")[key]
    return text.format(**values) if values else text


def many(language: Language, key: str, count: int, **values: object) -> str:
    """The text for so many; of one that of `key`_one, where the language of numbers asks for it. `n` is the count itself."""
    chosen = f"{key}_one" if count == 1 and knows(f"{key}_one") else key
    return say(language, chosen, **({"n": count} | values))


def knows(key: str) -> bool:
    """Whether there is a text for a key that was put together from data (a purpose, a group)."""
    return key in catalogue("nb")


def reads_as(language: Language) -> Language:
    """The language a page really is in, for its `lang`: Northern Sámi falls back to bokmål until it is complete."""
    return language if language in COMPLETE else "nb"


def choose(wanted: str, accept: str) -> Language:
    """The reader's own choice if she made one, else the first known language her browser asks for, else bokmål."""
    if wanted in LANGUAGES:
        return wanted
    return catalogues.accepted(accept, LANGUAGES, "nb")
