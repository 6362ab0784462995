"""A long name, unit or word on a narrow screen: it is broken, and the page never scrolls sideways."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import kjerne.pages

STATIC = Path(kjerne.pages.__file__).parent / "static"
LONG = "milligrampermilliliterkroppsoverflateareal" * 3
STACK = (
    '<ul class="stack"><li class="stack-row"><a class="stack-name" href="#">{0}</a><span class="stack-value"><span class="cell">'
    '<span class="v text">{0}</span><span class="unit">{0}</span></span><span class="under lost">prøven var uegnet</span></span>'
    '<span class="stack-range">{0}</span></li></ul>'
)
LATEST = (
    '<h1>{0}</h1><p class="latest"><span class="cell"><span class="v">1</span></span><span class="unit">{0}</span></p>'
)
PLAIN = (
    '<ul class="plain-rows"><li><a class="plain-row"><span class="plain-name">{0}</span>'
    '<span class="plain-value">{0}</span></a></li></ul>'
)


@pytest.mark.parametrize("shape", [STACK, LATEST, PLAIN], ids=["table", "trend", "hers"])
def test_what_is_long_is_broken(opened: Browser, shape: str) -> None:
    styles = "".join((STATIC / name).read_text("utf-8") for name in ("kjerne.css", "me.css"))
    page = opened.new_page(viewport={"width": 390, "height": 800})
    page.set_content(f"<style>{styles}</style><main>{shape.format(LONG)}</main>")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    if shape is STACK:
        unit, mark = page.locator(".unit").bounding_box(), page.locator(".lost").bounding_box()
        assert unit and mark and mark["y"] >= unit["y"] + unit["height"]
    page.close()
