"""Pictures drawn by number: skin with a mark on it, a chest as X-rays show one, a child's curve of growth.

They resemble what such pictures show and are no picture of anybody; each says so in its corner.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import cos, pi, sin
from random import Random
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SAYS: Final = "SYNTETISK BILDE"
_SKIN: Final = (720, 540)
_CHEST: Final = (760, 860)
_CURVE: Final = (900, 700)
_QUALITY: Final = 82


def skin(rng: Random) -> bytes:
    """JPEG: a brown mark on skin, with a scale beside it."""
    width, height = _SKIN
    shade = rng.randrange(-14, 14)
    image = Image.new("RGB", _SKIN, (222 + shade // 2, 180 + shade, 156 + shade))
    image = Image.blend(image, _grain(rng, _SKIN, 6).convert("RGB"), 0.10)
    mark = Image.new("L", _SKIN, 0)
    middle, radius = (width * rng.uniform(0.42, 0.55), height * rng.uniform(0.42, 0.5)), rng.uniform(52, 78)
    edge = [radius * rng.uniform(0.9, 1.1) for _ in range(24)]
    around = [
        (middle[0] + r * 1.15 * cos(2 * pi * n / 24), middle[1] + r * sin(2 * pi * n / 24)) for n, r in enumerate(edge)
    ]
    ImageDraw.Draw(mark).polygon(around, fill=235)
    brown = Image.blend(Image.new("RGB", _SKIN, (104, 66, 48)), _grain(rng, _SKIN, 9).convert("RGB"), 0.16)
    image.paste(brown, (0, 0), mark.filter(ImageFilter.GaussianBlur(5)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, height - 78, 340, height - 40), fill=(250, 250, 246))
    for n in range(31):
        draw.line((40 + 10 * n, height - 78, 40 + 10 * n, height - (58 if n % 10 else 48)), fill=(20, 20, 20))
    for n in range(4):
        draw.text((42 + 100 * n, height - 58), f"{n} cm", fill=(20, 20, 20), font=_font(12))
    return _jpeg(image)


def chest(rng: Random, *, shadow: bool) -> bytes:
    """JPEG: lungs, heart, ribs; `shadow` lays a consolidation at the base of the right lung, which is on the left here."""
    width, height = _CHEST
    image = Image.new("L", _CHEST, 22)
    body = Image.new("L", _CHEST, 0)
    ImageDraw.Draw(body).rounded_rectangle((50, 60, width - 50, height + 80), 200, fill=178)
    image = ImageChops.lighter(image, body.filter(ImageFilter.GaussianBlur(24)))
    lungs = Image.new("L", _CHEST, 0)
    draw = ImageDraw.Draw(lungs)
    for left, right in ((128, 345), (415, 632)):
        draw.ellipse((left, 130, right, 640), fill=205)
        draw.rectangle((left + 8, 380, right - 8, 600), fill=205)
    image = ImageChops.subtract(
        image, lungs.filter(ImageFilter.GaussianBlur(17)).point(lambda level: int(level * 0.62))
    )
    light = Image.new("L", _CHEST, 0)
    draw = ImageDraw.Draw(light)
    draw.rectangle((width // 2 - 26, 40, width // 2 + 26, height), fill=70)
    draw.ellipse((330, 380, 560, 690), fill=105)
    draw.ellipse((90, 600, 370, 900), fill=52)
    draw.ellipse((390, 625, 670, 920), fill=44)
    if shadow:
        draw.ellipse((170, 470, 320, 610), fill=75)
    image = ImageChops.add(image, light.filter(ImageFilter.GaussianBlur(16)))
    ribs = Image.new("L", _CHEST, 0)
    draw = ImageDraw.Draw(ribs)
    for n in range(9):
        top = 120 + n * 56
        draw.arc((95, top, 400, top + 190), 185, 320, fill=34, width=15)
        draw.arc((360, top, 665, top + 190), 220, 355, fill=34, width=15)
    draw.line((150, 130, 350, 170), fill=44, width=17)
    draw.line((610, 130, 410, 170), fill=44, width=17)
    image = ImageChops.add(image, ribs.filter(ImageFilter.GaussianBlur(4)))
    image = Image.blend(image, _grain(rng, _CHEST, 1), 0.05)
    ImageDraw.Draw(image).text((width - 60, 30), "V", fill=235, font=_font(34))
    return _jpeg(image.convert("RGB"), on_dark=True)


def curve(points: Sequence[tuple[float, float]], *, boy: bool) -> bytes:
    """PNG: a child's length in centimetres by age in years, among lines that most children lie between."""
    width, height = _CURVE
    image = Image.new("RGB", _CURVE, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    last = max(age for age, _ in points)
    years = 2.0 if last <= 2 else 16.0
    low, high = (40, 100) if years == 2.0 else (40, 190)
    step = 5 if years == 2.0 else 10

    def at(age: float, centimetres: float) -> tuple[float, float]:
        return 80 + age / years * (width - 130), height - 70 - (centimetres - low) / (high - low) * (height - 140)

    for level in range(low, high + 1, step):
        draw.line((*at(0, level), *at(years, level)), fill=(226, 226, 226))
        draw.text((44, at(0, level)[1] - 8), str(level), fill=(70, 70, 70), font=_font(14))
    for n in range(9):
        age = years * n / 8
        draw.line((*at(age, low), *at(age, high)), fill=(226, 226, 226))
        draw.text((at(age, low)[0] - 8, height - 62), f"{age:g}".replace(".", ","), fill=(70, 70, 70), font=_font(14))
    for share, tint in ((-0.062, 160), (0.0, 90), (0.062, 160)):
        line = [at(years * n / 80, height_at(years * n / 80, boy=boy) * (1 + share)) for n in range(81)]
        draw.line(line, fill=(tint, tint, tint + 40), width=3 if share == 0 else 2)
    marks = [at(*point) for point in points]
    draw.line(marks, fill=(150, 30, 40), width=3)
    for x, y in marks:
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=(150, 30, 40))
    title = f"Lengde for alder, {'gutt' if boy else 'jente'}"  # the library's letters have no ø and no å
    draw.text((80, 24), title, fill=(20, 20, 20), font=_font(22))
    draw.text((width - 110, height - 34), "Alder", fill=(70, 70, 70), font=_font(16))
    draw.text((20, 40), "cm", fill=(70, 70, 70), font=_font(16))
    draw.text((80, height - 34), SAYS, fill=(110, 110, 110), font=_font(14))
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def height_at(age: float, *, boy: bool) -> float:
    """How tall a child of the middle is, roughly, in centimetres."""
    ages = (0, 0.25, 0.5, 1, 2, 4, 6, 8, 10, 12, 14, 16)
    tall = (50.5, 61, 68, 76.5, 88, 104, 117, 129, 140, 151, 165, 175) if boy else (
        49.5, 60, 66, 75, 86.5, 103, 116, 128, 140, 153, 163, 167)  # fmt: skip
    for n in range(1, len(ages)):
        if age <= ages[n]:
            share = (age - ages[n - 1]) / (ages[n] - ages[n - 1])
            return tall[n - 1] + share * (tall[n] - tall[n - 1])
    return float(tall[-1])


def _grain(rng: Random, size: tuple[int, int], blur: float) -> Image.Image:
    noise = Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))
    return noise.filter(ImageFilter.GaussianBlur(blur)) if blur else noise


def _jpeg(image: Image.Image, *, on_dark: bool = False) -> bytes:
    tint = (200, 200, 200) if on_dark else (60, 40, 30)
    ImageDraw.Draw(image).text((24, 20), SAYS, fill=tint, font=_font(15))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The letters that come with the library, so that a picture is the same on every machine."""
    return ImageFont.load_default(size)
