"""A QR code as SVG, made here: what it holds must go to no other service, and to no browser's script."""

from __future__ import annotations

import segno
from markupsafe import Markup

QUIET_MODULES = 4
"""The white border, as ISO/IEC 18004 wants it."""


def svg(text: str) -> Markup:
    """The code at error correction M, as the specification of SMART Health Links advises; without style, size or script."""
    code = segno.make(text, error="m", micro=False)
    drawn = code.svg_inline(border=QUIET_MODULES, omitsize=True, svgclass="qr-code", lineclass=None, light="#fff")
    return Markup(drawn)  # noqa: S704 - paths of black squares: nothing of the text stands in it
