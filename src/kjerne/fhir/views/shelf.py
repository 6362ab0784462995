"""The views that are shipped: one ViewDefinition a file, named as its table."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from kjerne.fhir.views.definition import View, read

FOLDER: Final = Path(__file__).parent / "shipped"


@cache
def names() -> tuple[str, ...]:
    """The names of all of them."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def definition(name: str) -> Any:
    """The ViewDefinition of that name."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes())


def shipped(name: str) -> View:
    """The view of that name."""
    return read(definition(name), name)
