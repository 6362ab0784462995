"""Address protection as Folkeregisteret words it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

UNPROTECTED: Final = frozenset({"", "ugradert", "klientadresse"})
"""Folkeregisteret's address protection that is none. Whatever else it says, known or not, counts as protected."""


def is_protected(protection: str) -> bool:
    """Protected address: fortrolig (kode 7), strengt fortrolig (kode 6), and any word we do not know."""
    return protection not in UNPROTECTED


def strictest(protections: Iterable[str]) -> str:
    """What protects somebody who is registered under several numbers: none of them may take away what another gives."""
    return max(protections, key=_strictness)


def _strictness(protection: str) -> int:
    if protection == "strengtFortrolig":
        return 2
    return 1 if is_protected(protection) else 0
