"""The words, in nynorsk and English, of the rules on the sandbox's test client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NN_EN: Final[Mapping[str, tuple[str, str]]] = {
    "test-of-a-real-person": (
        "Eit program for testing spurde om ein verkeleg person. Ingenting vart vist.",
        "A program for testing asked about a real person. Nothing was shown.",
    ),
    "test-of-what-is-not-its-own": (
        "Eit program for testing ville endre eller slette noko det ikkje har sendt inn. Ingenting vart endra.",
        "A program for testing wanted to change or delete what it has not sent in. Nothing was changed.",
    ),
    "test-of-what-is-shut": (
        "Eit program for testing spurde om opplysningar som er stengde. Ingenting vart vist.",
        "A program for testing asked for information that is shut. Nothing was shown.",
    ),
    "test-of-a-synthetic-person": (
        "Eit program for testing såg eller registrerte opplysningar. Det gjeld berre oppdikta personar.",
        "A program for testing saw or registered information. It concerns made-up persons alone.",
    ),
}
