"""The icon of the health indicator as SVG: five drawings that differ in shape and not in colour alone, with their words as title.

It needs no script and loads nothing. Each drawing keeps 4.5:1 between letters and ground, and 3:1 between its edge and a white or
a black page (WCAG 2.2, 1.4.3 and 1.4.11); with forced colours it is drawn in the reader's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Final

MEDIA_TYPE: Final = "image/svg+xml"
_STYLE: Final = (
    "@media (forced-colors:active){.ground{fill:Canvas;stroke:CanvasText}.sign{fill:CanvasText;stroke:Canvas}"
    ".line{fill:none;stroke:CanvasText}text{fill:CanvasText}.on{fill:Canvas}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_LETTERS: Final = (
    '<text x="32" y="{y}" text-anchor="middle" font-family="Arial,Helvetica,sans-serif" font-weight="700" font-size="{size}" '
    'fill="{ink}">KJ</text>'
)
_DISC: Final = '<circle class="ground" cx="32" cy="32" r="27" fill="{fill}" stroke="{edge}" stroke-width="3"{more}/>'
_DRAWN: Final = (
    # 0: crossed out, and a question.
    _DISC.format(fill="#ffffff", edge="#6b6b6b", more="")
    + _LETTERS.format(ink="#595959", y=41, size=26)
    + '<path class="line" d="M12 52 52 12" fill="none" stroke="#6b6b6b" stroke-width="5"/>'
    + '<circle class="sign" cx="51" cy="51" r="12" fill="#1f1f1f" stroke="#ffffff" stroke-width="2"/>'
    + '<text class="on" x="51" y="57" text-anchor="middle" font-family="Arial,Helvetica,sans-serif" font-weight="700" '
    'font-size="17" fill="#ffffff">?</text>',
    # 1: a broken line around nothing.
    _DISC.format(fill="#ffffff", edge="#6b6b6b", more=' stroke-dasharray="7 6"')
    + _LETTERS.format(ink="#595959", y=41, size=26),
    # 2: a plain disc.
    _DISC.format(fill="#bfe0e6", edge="#0b6173", more="") + _LETTERS.format(ink="#063a45", y=41, size=26),
    # 3: a full disc with a line below.
    _DISC.format(fill="#0b6173", edge="#ffffff", more="")
    + _LETTERS.format(ink="#ffffff", y=38, size=24)
    + '<path class="line" d="M20 48h24" fill="none" stroke="#ffffff" stroke-width="4"/>',
    # 4: eight corners, and an exclamation.
    '<path class="ground" d="M21 4h22l17 17v22l-17 17h-22l-17-17v-22z" fill="#c4151c" stroke="#ffffff" stroke-width="3"/>'
    + _LETTERS.format(ink="#ffffff", y=29, size=21)
    + '<path d="M32 34v12" stroke="#ffffff" stroke-width="6" class="line" fill="none"/>'
    + '<circle cx="32" cy="52.5" r="3.5" fill="#ffffff" class="sign"/>',
)


def drawn(status: int, title: str, language: str, link: str = "") -> bytes:
    """The drawing of a status with its words. `link` makes a link of it, for a frame: to the whole window."""
    told = escape(title)
    inner = f"<title>{told}</title><style>{_STYLE}</style>{_DRAWN[status]}"
    if link:
        inner = f'<a href="{escape(link)}" target="_top" aria-label="{told}">{inner}</a>'
    role = "" if link else f' role="img" aria-label="{told}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64" lang="{language}"{role}>'
        f"{inner}</svg>"
    ).encode()


def headers(origins: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """What goes out with a drawing: it may do nothing, and stands in a frame on pages of these origins alone."""
    framed = " ".join(origins) or "'none'"
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    # A picture may be shown on any page, as any picture may: the page cannot read what it shows.
    return ("content-security-policy", f"{policy}frame-ancestors {framed}"), (
        "cross-origin-resource-policy",
        "cross-origin",
    )
