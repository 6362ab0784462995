"""XML Patch: operations on elements, attributes and texts, and selectors that stay small."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kjerne.errors import Refusal
from kjerne.fhir.xml_patch import apply, read
from kjerne.wire.xml import parse

RESULT = (
    '<Observation xmlns="http://hl7.org/fhir"><status value="final"/><code><coding><code value="1"/></coding>'
    '<coding id="b"><code value="2"/></coding></code></Observation>'
)


def patched(*operations: str, target: str = RESULT) -> str:
    patch = f'<diff xmlns="http://hl7.org/fhir" xmlns:f="http://hl7.org/fhir">{"".join(operations)}</diff>'
    return etree.tostring(apply(parse(target.encode()), read(parse(patch.encode()))), encoding="unicode")


def test_operations_are_done_one_after_another() -> None:
    after = patched(
        '<replace sel="f:Observation/f:status/@value">amended</replace>',
        '<add sel="/f:Observation/f:code/f:coding[f:code/@value=\'1\']" pos="before"><coding><code/></coding></add>',
        '<add sel="*/*/f:coding[1]/f:code" type="@value">0</add>',
        "<remove sel=\"f:Observation/f:code/f:coding[@id='b']\"/>",
        '<add sel="f:Observation/f:code" pos="prepend"><coding><code value="first"/></coding></add>',
        '<add sel="f:Observation/f:code"><text value="last"/></add>',
        '<replace sel="f:Observation/f:code/f:coding[3]"><coding id="c"/></replace>',
    )
    assert after == (
        '<Observation xmlns="http://hl7.org/fhir"><status value="amended"/><code><coding><code value="first"/></coding>'
        '<coding><code value="0"/></coding><coding id="c"/><text value="last"/></code></Observation>'
    )


def test_text_between_elements_stays_when_one_is_taken_away() -> None:
    text = '<div xmlns="http://www.w3.org/1999/xhtml">a<b>x</b>c<i>y</i>d</div>'
    assert patched('<remove sel="h:div/h:b"/>', target=text) == text.replace("<b>x</b>", "")
    assert patched('<remove sel="h:div/text()[2]"/>', target=text) == text.replace("</b>c", "</b>")
    assert patched('<add sel="h:div/h:i" pos="after">!</add>', target=text) == text.replace("</i>d", "</i>d!")


@pytest.mark.parametrize(
    ("operation", "status", "says"),
    [
        ('<remove sel="f:Observation/f:note"/>', 422, "nothing at this path"),
        ('<remove sel="f:Observation/f:code/f:coding"/>', 422, "leads to 2 places"),
        ('<remove sel="f:Observation"/>', 422, "the root stays"),
        ('<add sel="f:Observation" pos="after"><x/></add>', 422, "beside the root"),
        ('<add sel="f:Observation/f:status" type="@value">x</add>', 422, "there already"),
        ('<add sel="f:Observation/f:status/@value">x</add>', 422, "no element"),
        ('<add sel="f:Observation/f:status" type="text">x</add>', 400, "type is"),
        ('<add sel="f:Observation/f:status" type="@q:value">x</add>', 400, "prefix"),
        ('<add sel="f:Observation/f:status" pos="beside"><x/></add>', 400, "pos is one of"),
        ('<replace sel="f:Observation/f:status">x</replace>', 422, "by one element"),
        ('<replace sel="f:Observation/f:status/@value"><x/></replace>', 422, "by a text"),
        ('<remove sel="q:Observation/f:status"/>', 400, "prefix"),
        ('<remove sel="//f:coding"/>', 400, "not a selector"),
        ('<remove sel="f:Observation/descendant::f:coding"/>', 400, "not a selector"),
        ('<remove sel="f:Observation[count(//*) &gt; 1]"/>', 400, "not a selector"),
        ("<remove sel=\"document('file:///etc/hostname')\"/>", 400, "not a selector"),
        ("<remove/>", 400, "not a selector"),
        ('<add sel="f:Observation" type="namespace::x">not a uri % ^</add>', 400, "none that XML can have"),
        ('<merge sel="f:Observation"/>', 400, "an operation is one of"),
    ],
)
def test_a_refusal_names_the_operation(operation: str, status: int, says: str) -> None:
    with pytest.raises(Refusal) as caught:
        patched('<replace sel="f:Observation/f:status/@value">final</replace>', operation)
    told = caught.value
    assert (told.status, says in told.says) == (status, True), told.says
    assert told.says.startswith("operation 2: ") and told.where.startswith("operation 2")


def test_a_patch_has_at_least_one_operation_and_not_too_many() -> None:
    for count, status in ((0, 400), (101, 413)):
        with pytest.raises(Refusal) as caught:
            patched(*['<remove sel="f:Observation/f:note"/>'] * count)
        assert caught.value.status == status


selectors = st.sampled_from(
    ["f:Observation", "f:Observation/f:status", "f:Observation/f:status/@value", "*", "*/*[1]", "*/f:code/text()",
     "*/f:code/*[2]", "*/f:code/f:coding[2]/@id", "h:x", "*/*[.='']", "*/f:code/f:coding[f:code/@value='1']", "@id"]
)  # fmt: skip
kinds = st.sampled_from(
    ["", "@value", "@q:value", "@f:x", "@xml:lang", "@xmlns", "namespace::x", "namespace::ns0", "namespace::xml",
     "namespace::xmlns", "namespace::f", "text"]
)  # fmt: skip
contents = st.sampled_from(
    ["", "x", "urn:x", "not a uri % ^", " ", "http://www.w3.org/2000/xmlns/", "<status/>", "a<x/>b<y/>c", "&#x85;"]
)
one_operation = st.builds(
    lambda name, sel, kind, place, content: (
        f'<{name} sel="{sel}"' + (f' type="{kind}"' if kind else "") + f"{place}>{content}</{name}>"
    ),
    st.sampled_from(["add", "replace", "remove"]),
    selectors,
    kinds,
    st.sampled_from(["", ' pos="before"', ' pos="after"', ' pos="prepend"']),
    contents,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(one_operation, min_size=1, max_size=4))
def test_whatever_is_sent_is_done_or_refused(operations: list[str]) -> None:
    try:
        patched(*operations)
    except Refusal as told:
        assert told.status in (400, 422)
