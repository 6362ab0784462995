"""Letters on paper: as PDF, and as what a scanner made of it."""

from __future__ import annotations

import io
import json
from calendar import timegm
from pathlib import Path
from random import Random
from typing import Final

import typst
from PIL import Image

from kjerne.sandbox.documents.paper import LABEL, Letter, day

_TEMPLATE: Final = Path(__file__).with_name("sheet.typ")
_SCANNED_PPI: Final = 150
_BLACK_BELOW: Final = 170


def pdf(letter: Letter) -> bytes:
    """A4 with the letterhead of the unit."""
    made = typst.compile(
        _TEMPLATE, root=_TEMPLATE.parent, format="pdf", ignore_system_fonts=True, sys_inputs={"data": _data(letter)},
        timestamp=timegm(letter.written.timetuple()),
    )  # fmt: skip
    assert isinstance(made, bytes)
    return made


def scanned(letter: Letter, rng: Random) -> bytes:
    """TIFF (CCITT group 4), a page for each sheet: a little awry, as sheets are that somebody has laid on the glass."""
    made = typst.compile(
        _TEMPLATE, root=_TEMPLATE.parent, format="png", ppi=_SCANNED_PPI, ignore_system_fonts=True,
        sys_inputs={"data": _data(letter)},
    )  # fmt: skip
    pages = [_laid(Image.open(io.BytesIO(one)), rng) for one in (made if isinstance(made, list) else [made])]
    out = io.BytesIO()
    first, *others = pages
    first.save(out, "TIFF", compression="group4", save_all=True, append_images=others, dpi=(_SCANNED_PPI, _SCANNED_PPI))
    return out.getvalue()


def _laid(page: Image.Image, rng: Random) -> Image.Image:
    grey = page.convert("L").rotate(rng.uniform(-0.6, 0.6), Image.Resampling.BICUBIC, fillcolor=255)
    return grey.point(lambda level: 255 if level > _BLACK_BELOW else 0).convert("1")


def _data(letter: Letter) -> str:
    one, stay = letter.person, letter.begun != letter.ended
    period = f"{day(letter.begun)} – {day(letter.ended)}" if stay else day(letter.begun)
    about = [
        ("Pasient", one.name), ("Fødselsnummer" if letter.number.kind == "FNR" else "D-nummer", letter.number.value),
        ("Født", day(one.birth_date)), ("Periode" if stay else "Kontakt", period),
    ]  # fmt: skip
    parts = [{"heading": part.heading, "lines": part.text.splitlines(), "rows": part.rows} for part in letter.parts]
    if letter.diagnoses:
        lines = [f"{code.value}  {code.name}" for code in letter.diagnoses]
        parts.insert(0, {"heading": "Diagnoser", "lines": lines, "rows": ()})
    return json.dumps({
        "title": letter.title, "unit": letter.unit.name, "department": letter.unit.department, "about": about,
        "place": f"Sundvika, {day(letter.written.date())}", "parts": parts, "signed": letter.signed, "label": LABEL,
    })  # fmt: skip
