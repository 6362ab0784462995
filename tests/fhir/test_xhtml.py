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
        '<a href="http://example.org/x?y=a:b">x</a><a href="https://example.org">x</a>',
        '<a href="mailto:x@example.org">x</a><a href="tel:+4712345678">x</a>',
        '<a href="Patient/1">x</a><a href="../x.html#y:z">x</a><a href="">x</a>',
        '<img src="#x" alt="y" border="0"/>',
        '<img src="data:image/png;base64,AAAA" alt="y"/><img src="DATA:image/jpeg;base64,AAAA"/>',
        '<address>x</address><bdo dir="rtl">y</bdo><p align="center">z</p>',
        '<img src="#x" usemap="#m"/><map name="m"><area shape="rect" coords="0,0,1,1" href="#y" alt="z"/></map>',
        '<table bgcolor="#fff"><tr bgcolor="#fff"><td bgcolor="#fff">x</td></tr></table>',
        '<p style="font: 10pt Arial; color: rgb(1, 2, 3)">x</p>',
        "&LT;b&GT; &AMP;lt; x",
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
        "<a href='java&#9;script:x'>y</a>",
        "<a href='java&Tab;script&colon;x'>y</a>",
        "<a href='java\u200bscript:x'>y</a>",
        "<a href='&#x1;javascript:x'>y</a>",
        "<a href='vbscript:x'>y</a>",
        "<a href='file:///x'>y</a>",
        "<a href='data:text/html,x'>y</a>",
        "<a href='data:application/xhtml+xml,x'>y</a>",
        "<q cite='javascript:x'>y</q>",
        "<map name='m'><area href='javascript:x' alt='y'/></map>x",
        "<img src='data:image/svg+xml,x'/>",
        "<img src='data:text/html,x'/>",
        "<img src='https://example.org/x.png'/>",
        "<img src='//example.org/x.png'/>",
        "<img src='javascript:x'/>",
        "<p style='background: url(javascript:x)'>y</p>",
        "<p style='background: url (https://example.org)'>y</p>",
        "<p style='width: expression(x)'>y</p>",
        "<p style='width: exp/**/ression(x)'>y</p>",
        "<p style='background: \\75rl(x)'>y</p>",
        "<p style='@import \"x\"'>y</p>",
        "<p style='-moz-binding: x'>y</p>",
        "<!--><img src='x' onerror='y'/>--><p>x</p>",
        "<!---><img src='x' onerror='y'/>--><p>x</p>",
        "<![CDATA[><img src='x' onerror='y'/>]]>",
        "<p>x</p>&LT;!-- <script>x</script> --&GT;",
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


def test_attributes_beyond_those_that_may_stand_are_not_read_one_by_one() -> None:
    many = " ".join(f'a{number}="x"' for number in range(60_000))
    before = time.process_time()
    assert not is_safe(f'<div xmlns="http://www.w3.org/1999/xhtml" {many}>x</div>')
    # It took a quarter of a minute.
    assert time.process_time() - before < 4
