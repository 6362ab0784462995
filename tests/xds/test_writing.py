"""What is written as bytes is, byte for byte, what an XML library writes of the same elements."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from documents_at_hand import HOME, PATIENT, entry, submission
from kjerne.wire import soap
from kjerne.xds import forms, messages, names, values, writing
from kjerne.xds.forms import CX, XCN, XON
from kjerne.xds.messages import Response
from kjerne.xds.values import Association, Author, Code, DocumentEntry, RegistryObject, SubmissionSet
from xds import ebrim_elements

WORDS = st.one_of(
    st.sampled_from(
        ["", "A", "17855599120", "1.2.3", "urn:uuid:1", " a ", "&<>\"'\r\n\t|^~\\", "æ\u2028😀\x7f\x85", "]]>"]
    ),
    st.text(
        st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=("Cc", "Cs")), max_size=6
    ),
)
AUTHORITIES = st.sampled_from(["", PATIENT.authority, "1.2.3"])
CODES = st.builds(Code, WORDS, WORDS, WORDS)
XONS, CXS = st.builds(XON, WORDS, WORDS, AUTHORITIES), st.builds(CX, WORDS, AUTHORITIES)
XCNS = st.builds(XCN, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, AUTHORITIES)


def some(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=2).map(tuple)


AUTHORS = st.builds(Author, st.none() | XCNS, some(XONS), some(WORDS), some(WORDS), some(WORDS))
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: WORDS, CX: CXS, CX | None: st.none() | CXS, XCN | None: st.none() | XCNS, Code | None: st.none() | CODES,
    int | None: st.none() | st.integers(0, 10**12), bool | None: st.sampled_from([None, True, False]),
    tuple[Code, ...]: some(CODES), tuple[Author, ...]: some(AUTHORS), tuple[str, ...]: some(WORDS),
}  # fmt: skip


def any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, vars(values))
    return st.builds(kind, **{one.name: BY_TYPE[hints[one.name]] for one in fields(kind)})


OBJECTS = st.one_of(any_of(DocumentEntry), any_of(SubmissionSet), any_of(Association))


def by_elements(objects: list[RegistryObject]) -> bytes:
    """An answer with these objects, of elements alone."""
    body = messages.written_found(Response(names.SUCCESS))
    body.remove(body[-1])
    body.append(ebrim_elements.object_list(objects))
    return soap.enveloped("urn:a", body, message_id="urn:m:1", relates="urn:m:2")


def by_bytes(objects: list[RegistryObject], home: str | None = None) -> bytes:
    raw = soap.enveloped(
        "urn:a", messages.written_found(Response(names.SUCCESS)), message_id="urn:m:1", relates="urn:m:2"
    )
    told = [writing.written(one, one.home if home is None else home) for one in objects]
    return writing.with_objects(raw, told) if told else raw


@given(st.lists(OBJECTS, max_size=3))
@settings(max_examples=120, deadline=None)
def test_whatever_is_said_the_bytes_are_those_of_its_elements(objects: list[RegistryObject]) -> None:
    assert by_bytes(objects) == by_elements(objects)
    told = messages.written_found(Response(names.SUCCESS, objects=tuple(objects)))
    raw = soap.enveloped("urn:a", told, message_id="urn:m:1", relates="urn:m:2")
    # Of a value without a sign an element does not keep in which of two ways it is written.
    assert _canonical(raw) == _canonical(by_elements(objects))


def _canonical(raw: bytes) -> bytes:
    return etree.tostring(etree.fromstring(raw), method="c14n")


def test_an_object_is_written_as_of_the_community_that_tells_of_it() -> None:
    sent = submission(entry(1), entry(2))
    whole = [*sent.entries, sent.sent, *sent.associations]
    assert by_bytes(whole, HOME) == by_elements([replace(one, home=HOME) for one in whole])
    assert by_bytes(whole, HOME) != by_bytes(whole, "")


@pytest.mark.parametrize("sign", ["\0", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_what_no_xml_holds_is_not_written(sign: str) -> None:
    for changes in ({"title": sign}, {"unique_id": sign}, {"source_patient_info": (sign,)}):
        with pytest.raises(ValueError):
            writing.written(entry(**changes), HOME)
        with pytest.raises(ValueError):
            ebrim_elements.object_list([entry(**changes)])


@given(WORDS)
def test_a_name_keeps_its_signs_over_its_written_form(word: str) -> None:
    assert forms.xcn(forms.written_xcn(XCN("1", word)), "").family == word.strip()


def test_the_references_of_an_answer_are_its_elements() -> None:
    references = (("urn:uuid:1", HOME), ("urn:uuid:&<", ""))
    mine, others = writing.object_list((), references), ebrim_elements.object_list((), references)
    assert etree.tostring(mine) == etree.tostring(others)


def test_what_is_sent_once_is_not_remembered() -> None:
    before = writing.written.cache_info().currsize
    writing.object_list([entry(title="Sent once")])
    assert writing.written.cache_info().currsize == before
