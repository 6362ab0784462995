"""The words of cards that a clinician's system shows (CDS Hooks): one catalogue a language, read once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kjerne import catalogues

LANGUAGES: Final = ("nb", "nn", "en")


def catalogue(language: str) -> Mapping[str, str]:
    """All words of one language, `section.key` -> text."""
    return catalogues.catalogue(__package__, language)


def say(language: str, key: str, /, **values: object) -> str:
    """The text for a key with its values put in; `KeyError` for a key that is not there, since that is a fault here.

    >>> say("nn", "certainty.confirmed")
    'stadfesta'
    """
    text = catalogue(language)[key]
    return text.format(**values) if values else text


def language_of(accepted: str) -> str:
    """The first known language of an `Accept-Language` header, else bokmål."""
    return catalogues.accepted(accepted, LANGUAGES, "nb")
