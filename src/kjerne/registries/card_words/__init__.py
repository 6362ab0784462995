"""The words of cards that a clinician's system shows (CDS Hooks): one catalogue a language, read once."""

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

    >>> say("nn", "certainty.confirmed")
    'stadfesta'
    """
    text = catalogue(language)[key]
    return text.format(**values) if values else text


def language_of(accepted: str) -> str:
    """The first known language of an `Accept-Language` header, else bokmål.

    >>> language_of("sv, nn-NO;q=0.8")
    'nn'
    """
    for part in accepted.lower().split(","):
        tag = part.split(";")[0].strip()[:2]
        tag = "nb" if tag == "no" else tag
        if tag in LANGUAGES:
            return tag
    return "nb"
