"""Any document from elsewhere on a page: our own rendering of what `kjerne.reading` says it holds."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from itertools import count
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from kjerne.fhir.system_labels import label_of
from kjerne.pages import desk, formats
from kjerne.pages.summary_flow import dated
from kjerne.pages.words import Language
from kjerne.reading import kinds
from kjerne.reading.view import Attached, Block, Cell, File, Key, View
from kjerne.reading.words import said, say

TEMPLATE: Final = "document_body.html"
Addressing = Callable[[File, bool], str]
"""A file's address, to be shown (True) or to be kept."""
_TAGS: Final = {
    "strong": "strong", "emphasis": "em", "under": "u", "struck": "del", "added": "ins", "sub": "sub", "sup": "sup",
    "code": "code",
}  # fmt: skip
_ENDINGS: Final = {
    kinds.PDF: "pdf", kinds.PNG: "png", kinds.JPEG: "jpg", kinds.GIF: "gif", kinds.TIFF: "tif", kinds.RTF: "rtf",
    kinds.XML: "xml", kinds.TEXT: "txt", kinds.JSON: "json",
}  # fmt: skip
_HUMP: Final = re.compile(r"(?<=[a-zæøå])(?=[A-ZÆØÅ])")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:+-]+)?", re.ASCII)
_FRAMES: Final = "; frame-src data:"


def rendered(view: View, language: Language, address: Addressing) -> Markup:
    """The body of a page as HTML. All text is escaped; nothing of the document's own markup is in it."""
    frames = count(1)
    html = (
        desk.environment()
        .get_template(TEMPLATE)
        .render(
            view=view,
            language=language,
            word=lambda key, **values: say(language, f"page.{key}", **values),
            kind=said(language, f"kind.{view.kind}", view.kind),
            label=lambda path: " · ".join(dict.fromkeys(filter(None, (_called(language, one) for one in path)))),
            note=lambda one: say(language, one.key, **dict(one.values)),
            type_of=lambda one: type(one).__name__,
            tags=_TAGS,
            is_empty=_is_empty,
            dated=lambda text: _DATE.sub(lambda found: dated(found[0], language), text),
            coded=lambda code: f"{code.name or label_of(code.system)} {code.code}".strip(),
            size=lambda number: formats.size(number, language),
            called=kinds.called,
            address=address,
            # Two frames of one name are not told apart by who hears them.
            framed=lambda title: title if (number := next(frames)) == 1 else f"{title} {number}",
            name_of=lambda file: f"dokument.{_ENDINGS.get(file.type, 'bin')}",  # a title may name the patient
        )
    )
    return Markup(html)  # noqa: S704 - the template escapes every text of the document


def at_hand(file: File, shown: bool) -> str:
    """The file itself, for a page of a document that is kept nowhere. What is to be kept is of no type that a browser opens.

    A frame with such an address has an origin of its own: nothing in it reaches the page (decision 81).
    """
    type_ = file.type if shown else kinds.UNKNOWN
    return f"data:{type_};base64,{base64.b64encode(file.data).decode()}"


class Original(NamedTuple):
    """A file as it came: where it can be fetched from, how it is called, and its size in bytes."""

    address: str
    name: str
    size_bytes: int


def original(raw: bytes) -> Original:
    """Any file to be kept, whether or not it can be read."""
    address = f"data:{kinds.UNKNOWN};base64,{base64.b64encode(raw).decode()}"
    return Original(address, name_of(raw), len(raw))


def name_of(raw: bytes, *, whole: bool = True) -> str:
    """What a file is called that is, or begins, so. Of XML only its end tells that it is some (`kinds.kind_of`).

    >>> name_of(b"<a>", whole=False), name_of(b"<a>"), name_of(b"%PDF-1.7")
    ('dokument.xml', 'dokument.txt', 'dokument.pdf')
    """
    kind = kinds.kind_of(raw)
    if kind == kinds.TEXT and not whole and kinds.may_be_xml(raw):
        kind = kinds.XML
    return f"dokument.{_ENDINGS.get(kind, 'bin')}"


def headers(view: View) -> dict[str, str]:
    """The policy of its page: as every page's, and a frame for a PDF that the page holds itself."""
    framed = any(isinstance(one, Attached) and one.framed for one in every(view.blocks))
    return framing() if framed else {}


def framing() -> dict[str, str]:
    """The policy of a page that may hold such a frame."""
    return {"content-security-policy": desk.policy() + _FRAMES}


def every(blocks: tuple[Block, ...]) -> list[Block]:
    """All blocks, however deep."""
    found, waiting = list[Block](), list[Any](blocks)
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += getattr(one, "blocks", ())
        for inner in getattr(one, "items", ()) if type(one).__name__ == "Items" else ():
            waiting += inner
        if type(one).__name__ == "Fields":
            waiting += [block for row in one.rows for block in row.blocks]
    return found


def _called(language: str, name: str) -> str:
    """What something is called; an element without a word by its own name, parted where it has humps."""
    if not isinstance(name, Key):
        return name
    return said(language, name, _HUMP.sub(" ", name.rpartition(".")[2]).lower().capitalize())


def _is_empty(cell: Cell) -> bool:
    return not cell.blocks
