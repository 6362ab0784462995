"""Pictures are whole and of a size that can be drawn, or they are refused."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kjerne.reading import images, kinds
from kjerne.reading.view import Unreadable
from reading.papers import picture

FORMS = {"PNG": kinds.PNG, "JPEG": kinds.JPEG, "GIF": kinds.GIF}


@pytest.mark.parametrize(("form", "type_"), FORMS.items())
def test_a_whole_picture_passes_and_half_of_it_does_not(form: str, type_: str) -> None:
    whole = picture(form)
    images.check(whole, type_)
    with pytest.raises(Unreadable) as why:
        images.check(whole[: len(whole) // 2], type_)
    assert why.value.key == "image"


@pytest.mark.parametrize(("form", "type_"), FORMS.items())
def test_a_picture_that_says_it_is_endless_is_refused(form: str, type_: str) -> None:
    whole = bytearray(picture(form))
    at = {"PNG": 16, "JPEG": whole.find(b"\xff\xc0") + 5, "GIF": 6}[form]
    whole[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(Unreadable) as why:
        images.check(bytes(whole), type_)
    assert why.value.key == "pixels"


@given(st.sampled_from(sorted(FORMS)), st.data())
def test_a_picture_that_was_spoiled_is_passed_or_refused(form: str, data: st.DataObject) -> None:
    spoiled = bytearray(picture(form))
    for _ in range(3):
        spoiled[data.draw(st.integers(3, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    try:
        images.check(bytes(spoiled), FORMS[form])
    except Unreadable:
        return


def test_each_page_of_a_tiff_becomes_png_without_what_else_it_says() -> None:
    pages = images.pages_of(picture("TIFF", pages=3))
    assert (len(pages.shown), pages.of) == (3, 3)
    for one in pages.shown:
        images.check(one, kinds.PNG)
        with Image.open(io.BytesIO(one)) as read:
            assert (read.size, read.info) == ((40, 30), {})


def grey(mode: str, *points: int, white: int = 1) -> bytes:
    """A TIFF of one row of points in grey, whose white is the largest (1) or zero (0)."""
    out, made = io.BytesIO(), Image.new(mode, (len(points), 1))
    for at, point in enumerate(points):
        made.putpixel((at, 0), point)
    made.save(out, "TIFF")
    raw = out.getvalue()
    # The entry of the tag: number 262, a short, one of them, its value.
    entry = struct.pack("<HHIH", 262, 3, 1, 1)
    assert raw.count(entry) == 1
    return raw.replace(entry, struct.pack("<HHIH", 262, 3, 1, white))


@pytest.mark.parametrize(
    ("raw", "shown", "is_lighter"),
    [
        (grey("I;16", 0, 4000, 4095), [0, 64_014, 65_535], True),
        (grey("I;16", 0, 100, 200), [0, 25_700, 51_400], True),
        (grey("I;16", 0, 4000, 65_000), [0, 4000, 65_000], False),
        (grey("I;16", 0, 65_000, white=0), [65_535, 535], False),
        (grey("I;16", 0, 4095, white=0), [65_535, 0], True),
        (grey("I", 0, 1000, 70_000), [0, 500, 35_000], True),
        (grey("I", -100, 0, 155), [0, 25_700, 65_535], True),
    ],
)
def test_a_page_of_much_grey_is_neither_a_black_sheet_nor_a_negative(
    raw: bytes, shown: list[int], *, is_lighter: bool
) -> None:
    pages = images.pages_of(raw)
    assert pages.is_lighter is is_lighter
    with Image.open(io.BytesIO(pages.shown[0])) as read:
        points = [int(read.getpixel((at, 0))) for at in range(read.width)]  # type: ignore[arg-type]
    assert all(abs(one - other) <= 1 for one, other in zip(points, shown, strict=True)), points


@pytest.mark.parametrize("raw", [b"II*\0", b"MM\0*" + b"\xff" * 200, picture("TIFF", (900, 900))[:2_000]])
def test_a_broken_tiff_is_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable) as why:
        images.pages_of(raw)
    assert why.value.key == "image"


def test_a_tiff_that_is_too_large_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "PIXELS_LIMIT", 100)
    with pytest.raises(Unreadable) as why:
        images.pages_of(picture("TIFF"))
    assert why.value.key == "pixels"


@pytest.mark.parametrize("seconds", [0.001, 0, -1])
def test_a_tiff_that_takes_too_long_is_ended(seconds: float) -> None:
    with pytest.raises(Unreadable) as why:
        images.pages_of(picture("TIFF"), seconds)
    assert why.value.key == "slow"
