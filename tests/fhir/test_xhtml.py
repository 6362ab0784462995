"""A narrative is a piece of a page and nothing that acts."""

from __future__ import annotations

import time

import pytest

from kjerne.fhir.xhtml import is_safe


def div(inner: str) -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{inner}</div>'


@pytest.mark.parametrize(
    "inner",
    [
        "x",
        "<p>x<br/></p>",
        '<table class="grid"><tbody><tr><td style="color:red" colspan="2">x</td></tr></tbody></table>',
        '<a href="#x" name="y">x</a>',
        '<img src="#x" alt="y"/>',
        "a&nbsp;b &lt; &aring;",
        "<!-- a comment --><p>x</p>",
        '<p xml:lang="nb">x</p>',
    ],
)
def test_what_a_page_has_is_right(inner: str) -> None:
    assert is_safe(div(inner))


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "  <p> </p>",
        "<script>x</script>",
        "<p onclick='x'>y</p>",
        "<a href='javascript:x'>y</a>",
        "<a href=' JavaScript:x'>y</a>",
        "<form>x</form>",
        "<iframe src='x'>y</iframe>",
        "<object>x</object>",
        "<p>x",
        "<?x y?>x",
        "<svg xmlns='http://www.w3.org/2000/svg'>x</svg>",
        "<p xmlns='urn:x'>x</p>",
        "&unknown;",
        "<p data-x='y'>x</p>",
    ],
)
def test_what_acts_or_is_no_page_is_wrong(inner: str) -> None:
    assert not is_safe(div(inner))


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "<div>x</div>",
        "<p xmlns='http://www.w3.org/1999/xhtml'>x</p>",
        '<!DOCTYPE div [<!ENTITY a "b">]>' + div("&a;"),
        div("x") + div("y"),
    ],
)
def test_it_is_one_div_of_xhtml(text: str) -> None:
    assert not is_safe(text)


def test_a_deep_narrative_costs_little() -> None:
    started = time.process_time()
    is_safe(div("<b>" * 20_000 + "x" + "</b>" * 20_000))
    assert time.process_time() - started < 1
