"""The words of a patient summary in the languages that it is made in: one catalogue a language, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

LANGUAGES: Final = ("nb", "nn", "en")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All words of one language, `section.key` -> text."""
    text = files(__package__).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return {f"{section}.{key}": word for section, words in tomllib.loads(text).items() for key, word in words.items()}


def say(language: str, key: str, /, **values: object) -> str:
    """The text for a key with its values put in; `KeyError` for a key that is not there, since that is a fault here.

    >>> say("en", "section.allergies")
    'Allergies and intolerances'
    """
    text = catalogue(language)[key]
    return text.format(**values) if values else text


def said(language: str, key: str, otherwise: str) -> str:
    """The text for a key, or what is given where there is none: for codes, of which any may come."""
    return catalogue(language).get(key, otherwise)
