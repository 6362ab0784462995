"""Texts by language: a package that holds one TOML file a language is a catalogue (`section.key` -> text)."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import TypeVar

Language = TypeVar("Language", bound=str)


@cache
def catalogue(package: str, language: str) -> Mapping[str, str]:
    """All texts of one language, read once."""
    text = files(package).joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return {f"{section}.{key}": word for section, words in tomllib.loads(text).items() for key, word in words.items()}


def accepted(header: str, known: Collection[Language], otherwise: Language) -> Language:
    """The first of the `known` languages that an `Accept-Language` header asks for.

    >>> accepted("sv, nn-NO;q=0.8", ("nb", "nn"), "nb")
    'nn'
    """
    tags = (part.split(";")[0].strip()[:2] for part in header.lower().split(","))
    named = ("nb" if tag == "no" else tag for tag in tags)
    return next((one for tag in named for one in known if one == tag), otherwise)
