"""Tables of codes, as csv or as the first sheet of a workbook: WHO's ATC, the Norwegian laboratory code list (NLK), and NPU.

Which it is the columns say (docs/terminology.md has what each may be called); other columns are kept as properties.
A version is in the name of the file, or given by hand: none of the three says it inside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from kjerne.fhir.systems import NLK, canonical
from kjerne.fhir.terminology.parts import Known, Named, Part, Under, Valued
from kjerne.registries.code_files import workbook
from kjerne.registries.code_files.fest import ATC, levels
from kjerne.registries.code_files.sources import Source, unmetered

NPU: Final = "http://npu-terminology.org"
Row = tuple[int, dict[str, str]]


class Shape(NamedTuple):
    """How a table is known and read: what its columns may be called, folded. `names` are (column, language)."""

    url: str
    name: str
    codes: frozenset[str]
    names: tuple[tuple[str, str], ...]
    pattern: re.Pattern[str]
    ended: tuple[str, ...] = ()


SHAPES: Final = (
    Shape(ATC, "ATC", frozenset({"atc code", "atc kode", "atc-kode"}),
          (("atc level name", "en"), ("atc navn", "nb"), ("navn", "nb"), ("name", "en")),
          re.compile(r"[A-Z](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?", re.ASCII)),
    Shape(NLK, "Norsk laboratoriekodeverk", frozenset({"kode", "nlk-kode", "nlk kode"}),
          (("norsk bruksnavn", "nb"), ("norsk_bruksnavn", "nb"), ("bruksnavn", "nb"), ("kodedefinisjon", "nb")),
          re.compile(r"[A-ZÆØÅ]{2,5}[0-9]{4,6}"), ("gyldig til", "gyldig_til")),
    Shape(NPU, "NPU", frozenset({"npu code", "npu_code", "npu kode", "npu-kode"}),
          (("short definition", "en"), ("short_definition", "en"), ("rubric", "en"), ("full name", "en"), ("name", "en")),
          re.compile(r"NPU[0-9]{5,6}", re.ASCII), ("valid to", "valid_to")),
)  # fmt: skip
_YEAR: Final = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?:[-_.]?[0-9]{2}(?:[-_.]?[0-9]{2})?)?(?![0-9])", re.ASCII)


def shape(source: Source) -> Shape | None:
    """Which table this is; None where it is none of them."""
    columns = {_folded(one) for one in _columns(source)}
    for one in SHAPES:
        if columns & one.codes and any(name in columns for name, _ in one.names):
            return one
    return None


def version(source: Source) -> str:
    """The year, month or day in the name of the file; empty for none."""
    found = _YEAR.search(source.base)
    return found[0].replace("_", "-").replace(".", "-") if found else ""


def parts(source: Source, meter: Callable[[int], None], of: Shape) -> Iterator[Part]:
    """Every row. A code of ATC stands once for each of its doses, one row after the other."""
    before = ""
    for number, row in _rows(source, meter):
        folded = {_folded(name): value.strip() for name, value in row.items()}
        code = next((folded[one] for one in of.codes if one in folded), "")
        if not of.pattern.fullmatch(code):
            raise source.refused(f"the line has no code of {of.name} in its first column for codes", number)
        names = [(folded[name], language) for name, language in of.names if folded.get(name)]
        if code != before:
            yield from _known(of, code, names, folded, number)
        before = code
        yield from _properties(of, code, row)


def _known(of: Shape, code: str, names: list[tuple[str, str]], row: dict[str, str], number: int) -> Iterator[Part]:
    yield Known(code, names[0][0] if names else code, active=not any(row.get(one) for one in of.ended), line=number)
    yield from (Named(code, value, language) for value, language in names)
    if of.url == ATC and (parent := levels(code)):
        yield Under(code, parent)


def _properties(of: Shape, code: str, row: dict[str, str]) -> Iterator[Part]:
    known = {*of.codes, *(name for name, _ in of.names)}
    doses = [row.get(one, "").strip() for one in ("DDD", "U", "Adm.R")]
    if of.url == ATC and doses[0] and doses[0] != "NA":
        yield Valued(code, "ddd", "valueString", " ".join(filter(None, doses)))
    for name, value in row.items():
        if value.strip() and _folded(name) not in known and not (of.url == ATC and name in ("DDD", "U", "Adm.R")):
            yield Valued(code, name.strip(), "valueString", canonical(value.strip()))


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _columns(source: Source) -> list[str]:
    if workbook.is_one(source):
        return next(workbook.rows(source, unmetered), (0, []))[1]
    first = source.head().partition(b"\n")[0].decode("utf-8", "replace")
    return [one.strip().strip('"') for one in first.split(source.delimiter())]


def _rows(source: Source, meter: Callable[[int], None]) -> Iterator[Row]:
    if not workbook.is_one(source):
        yield from source.rows((), meter)
        return
    found = workbook.rows(source, meter)
    _, names = next(found)
    for number, cells in found:
        padded = [*cells, *[""] * (len(names) - len(cells))]
        if any(padded):
            yield number, dict(zip(names, padded, strict=False))
