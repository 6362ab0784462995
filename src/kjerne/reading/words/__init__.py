"""What our own pages say around a document's words, by language; what it calls its own elements too."""

from __future__ import annotations

from typing import Final

from kjerne.catalogues import catalogue

LANGUAGES: Final = ("nb", "nn", "en")


def say(language: str, key: str, /, **values: object) -> str:
    """The text for a key with its values put in; `KeyError` for a key that is not there, since that is a fault here.

    >>> say("en", "kind.application/pdf")
    'PDF document'
    """
    text = catalogue(__package__, language)[key]
    return text.format(**values) if values else text


def said(language: str, key: str, otherwise: str) -> str:
    """The text for a key, or what is given where there is none: any element may come.

    The elements of Norwegian messages are called in Norwegian, whatever language the page is in.

    >>> said("en", "kith.Sex", "")
    'Kjønn'
    """
    return catalogue(__package__, "kith" if key.startswith("kith.") else language).get(key, otherwise)
