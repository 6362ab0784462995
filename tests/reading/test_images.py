"""Pictures are whole and of a size that can be drawn, or they are refused."""

from __future__ import annotations

import io

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
