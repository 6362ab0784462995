"""The words of the integrator's pages, one catalogue a language; those of the pages' common frame are `pages.words`."""

from __future__ import annotations

from kjerne import catalogues
from kjerne.pages import words
from kjerne.pages.words import Language


def say(language: Language, key: str, /, **values: object) -> str:
    """The text for a key: our own, else the common frame's. `KeyError` for one that bokmål lacks."""
    own = catalogues.catalogue(__package__, words.reads_as(language)).get(key)
    own = own or catalogues.catalogue(__package__, "nb").get(key)
    if own is None:
        return words.say(language, key, **values)
    return own.format(**values) if values else own


def knows(key: str) -> bool:
    """Whether we have a text of our own for a key that was put together from data."""
    return key in catalogues.catalogue(__package__, "nb")
