"""Files of each kind that is read, made here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from PIL import Image

from kjerne.reading.view import Fields, Items, Paragraph, Table

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"


def picture(form: str, size: tuple[int, int] = (40, 30), pages: int = 1, mode: str = "L") -> bytes:
    """A picture as PNG, JPEG, GIF or TIFF."""
    out = io.BytesIO()
    first, *others = [Image.new(mode, size, n) for n in range(pages)]
    more = {"save_all": True, "append_images": others} if others else {}
    first.save(out, form, **more)
    return out.getvalue()


def rtf(body: str) -> bytes:
    """A document in RTF, of what stands in it."""
    fonts = "{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset238 Arial CE;}}"
    return f"{{\\rtf1\\ansi\\ansicpg1252\\deff0{fonts}{body}}}".encode("ascii")


def said_in(blocks: Any) -> Iterator[str]:
    """Every text of a view's blocks, however deep."""
    for one in blocks:
        for row in one.rows if isinstance(one, Fields) else ():
            yield row.text
            yield from said_in(row.blocks)
        for line in one.rows if isinstance(one, Table) else ():
            yield from said_in(line)
        if isinstance(one, Paragraph):
            yield "".join(span.text for span in one.spans)
        for item in one.items if isinstance(one, Items) else ():
            yield from said_in(item)
        yield from (getattr(one, "title", ""), getattr(one, "caption", ""))
        yield from said_in(getattr(one, "blocks", ()))
