"""Address protection as Folkeregisteret words it."""

from __future__ import annotations

from typing import Final

UNPROTECTED: Final = frozenset({"", "ugradert", "klientadresse"})
"""Folkeregisteret's address protection that is none. Whatever else it says, known or not, counts as protected."""


def is_protected(protection: str) -> bool:
    """Protected address: fortrolig (kode 7), strengt fortrolig (kode 6), and any word we do not know."""
    return protection not in UNPROTECTED
