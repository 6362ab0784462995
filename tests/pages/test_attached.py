"""Files that came with a report: which are shown, and that none of them can do anything in the reader's browser."""

from __future__ import annotations

import pytest

from kjerne.pages import attached
from kjerne.pages.house import File
from pages.resources import FILES

JPEG = b"\xff\xd8\xff\xe0JFIF"


@pytest.mark.parametrize(
    ("data", "type_", "how"),
    [
        (FILES["b-pdf"], "application/pdf", 'inline; filename="vedlegg.pdf"'),
        (FILES["b-png"], "image/png", 'inline; filename="vedlegg.png"'),
        (JPEG, "image/jpeg", 'inline; filename="vedlegg.jpg"'),
        (FILES["b-html"], "application/octet-stream", 'attachment; filename="vedlegg.bin"'),
        (b"<svg onload=alert(1)>", "application/octet-stream", 'attachment; filename="vedlegg.bin"'),
        (b" %PDF-", "application/octet-stream", 'attachment; filename="vedlegg.bin"'),
    ],
    ids=["pdf", "png", "jpeg", "html", "svg", "nearly pdf"],
)
def test_a_file_is_what_its_bytes_say_and_only_three_kinds_are_shown(data: bytes, type_: str, how: str) -> None:
    answer = attached.answer(File(data))
    assert answer.headers["content-type"] == type_
    assert answer.headers["content-disposition"] == how
    assert answer.body == data


@pytest.mark.parametrize("data", [*FILES.values(), JPEG])
def test_no_file_may_run_load_or_be_framed(data: bytes) -> None:
    policy = attached.answer(File(data)).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "sandbox" in policy or data.startswith(b"%PDF-")
