"""The first sheet of an Excel workbook (ECMA-376), as rows of texts: what a table of codes is exported as, and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from kjerne.registries.code_files.sources import Source, members, unmetered
from kjerne.registries.code_files.trees import child, elements, local, text

SHARED: Final = "xl/sharedStrings.xml"
SHEET: Final = "xl/worksheets/sheet1.xml"
_COLUMN: Final = re.compile(r"[A-Z]{1,3}", re.ASCII)


def is_one(source: Source) -> bool:
    """Whether a file is a workbook."""
    return not source.member and source.path.suffix.lower() == ".xlsx"


def rows(source: Source, meter: Callable[[int], None]) -> Iterator[tuple[int, list[str]]]:
    """The rows with their numbers, each cell as text. `Refusal` 422 where it is no workbook with a sheet."""
    names = members(source.path)
    if SHEET not in names:
        raise source.refused("the workbook has no sheet")
    shared: list[str] = []
    if SHARED in names:
        shared = [text(one) for one in elements(Source(source.path, SHARED, 0), ("si",), unmetered)]
    for row in elements(Source(source.path, SHEET, 0), ("row",), meter):
        said = row.get("r", "0")
        number = int(said) if said.isascii() and said.isdecimal() and len(said) < 9 else 0
        yield number, _cells(source, row, shared, number)


def _cells(source: Source, row: Any, shared: list[str], number: int) -> list[str]:
    found: list[str] = []
    for cell in row:
        if local(cell) != "c":
            continue
        place = _place(cell.get("r", ""), len(found))
        found += [""] * (place - len(found))
        value = text(cell, "v")
        try:
            said = shared[int(value)] if cell.get("t") == "s" else value
        except (ValueError, IndexError):
            raise source.refused("a cell of the line has a text that the workbook has not", number) from None
        found.append(
            text(child(cell, "is")) if cell.get("t") == "inlineStr" and child(cell, "is") is not None else said
        )
    return found


def _place(reference: str, otherwise: int) -> int:
    letters = _COLUMN.match(reference)
    if letters is None:
        return otherwise
    place = 0
    for letter in letters[0]:
        place = place * 26 + ord(letter) - 64
    return place - 1
