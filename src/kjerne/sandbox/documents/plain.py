"""Letters as text, and as RTF: what older journals hand over."""

from __future__ import annotations

from textwrap import wrap
from typing import Final

from kjerne.sandbox.documents.paper import LABEL, Letter, day

WIDTH: Final = 88


def text(letter: Letter) -> bytes:
    """Lines in UTF-8, tables in columns."""
    lines = [letter.title.upper(), "", *_head(letter), ""]
    if letter.diagnoses:
        lines += ["DIAGNOSER", *(f"{one.value}  {one.name}" for one in letter.diagnoses), ""]
    for part in letter.parts:
        lines.append(part.heading.upper())
        for paragraph in part.text.splitlines():
            lines += wrap(paragraph, WIDTH)
        widths = [max(map(len, column)) for column in zip(*part.rows, strict=True)]
        lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in part.rows]
        lines.append("")
    lines += [letter.signed, "", LABEL, ""]
    return "\n".join(lines).encode()


def rtf(letter: Letter) -> bytes:
    """RTF 1.5 in ASCII: headings in bold, tables as tables."""
    out = [r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}\f0\fs22", rf"{{\b\fs32 {_r(letter.title)}}}\par\par"]
    out += [rf"{_r(line)}\par" for line in _head(letter)]
    if letter.diagnoses:
        out.append(r"\par{\b Diagnoser}\par")
        out += [rf"{_r(f'{one.value}  {one.name}')}\par" for one in letter.diagnoses]
    for part in letter.parts:
        out.append(rf"\par{{\b {_r(part.heading)}}}\par")
        out += [rf"{_r(paragraph)}\par" for paragraph in part.text.splitlines()]
        out += [_row(row) for row in part.rows]
    out.append(rf"\pard\par {_r(letter.signed)}\par\par{{\i {_r(LABEL)}}}\par}}")
    return "\n".join(out).encode("ascii")


def _head(letter: Letter) -> list[str]:
    one = letter.person
    return [
        f"Pasient:  {one.name}",
        f"Født:     {day(one.birth_date)}    Nummer: {letter.number.value}",
        f"Dato:     {day(letter.written.date())}",
        f"Enhet:    {', '.join(filter(None, (letter.unit.name, letter.unit.department)))}",
    ]


def _row(row: tuple[str, ...]) -> str:
    ends = "".join(rf"\cellx{3600 * (place + 1)}" for place in range(len(row)))
    cells = "".join(rf"\pard\intbl {_r(cell)}\cell " for cell in row)
    return rf"\trowd{ends} {cells}\row"


def _r(text: str) -> str:
    """Signs of RTF escaped; what is no ASCII by its code point."""
    plain = text.replace("\\", "\\\\").replace("{", "\\{").replace("}", "\\}")
    return "".join(one if one.isascii() else f"\\u{ord(one)}?" for one in plain)
