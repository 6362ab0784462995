"""Files that came with a report, as a browser may have them: three kinds are shown, every other is only handed over.

What a file is, is read from its first bytes. What its sender calls it decides nothing but a word on the page: HTML that
is called a picture would otherwise run as ours. Each answer carries a policy that lets nothing inside it do anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from kjerne.errors import Refusal
from kjerne.pages.house import File

SHOWN: Final = {
    "application/pdf": (b"%PDF-", "pdf"),
    "image/png": (b"\x89PNG\r\n\x1a\n", "png"),
    "image/jpeg": (b"\xff\xd8\xff", "jpg"),
}
"""Media types that a browser shows safely, each with how such a file begins and how its name ends."""
DIGITS: Final = 10
"""A version has fewer."""
UNKNOWN: Final = "application/octet-stream"
# A browser dresses a bare picture in styles of its own, so those are let through.
_NOTHING: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
# `sandbox` leaves Chromium's PDF reader empty (tried in 156); the reader is a process of its own, and the rest holds it.
_POLICY: Final = {"application/pdf": f"{_NOTHING}; object-src 'self'"}


def is_shown(type_: str) -> bool:
    """Whether a browser shows a file of this media type, as far as its sender tells."""
    return type_ in SHOWN


def answer(file: File) -> Response:
    """The file under headers of its own. Its name is ours: a title may name the patient, and a download stays behind."""
    type_ = next((name for name, (begins, _) in SHOWN.items() if file.data.startswith(begins)), UNKNOWN)
    ending = SHOWN[type_][1] if type_ in SHOWN else "bin"
    how = "inline" if type_ in SHOWN else "attachment"
    return Response(
        file.data,
        media_type=type_,
        headers={
            "content-disposition": f'{how}; filename="vedlegg.{ending}"',
            "content-security-policy": _POLICY.get(type_, f"{_NOTHING}; sandbox"),
            "cross-origin-resource-policy": "same-origin",
        },
    )


def former(named: Mapping[str, str]) -> tuple[str, str, int]:
    """Report, file and version of an address; `Refusal` 404 where it names no version."""
    version = named["version"]
    if not (version.isascii() and version.isdigit() and len(version) < DIGITS):
        raise Refusal(404, "There is no such file with this report.", where="file")
    return named["report"], named["file"], int(version)
