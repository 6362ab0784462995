"""What a form says yes to, as it was when it was shown: what has come since was not seen, and is neither signed nor followed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShownReport:
    """The version of a report that one login was shown."""

    session: str
    report: str
    version: int


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer of the look-up box, by its number, and the results (id, version) that it named."""

    session: str
    number: str
    results: tuple[tuple[str, int], ...]
