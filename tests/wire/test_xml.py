from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.wire import xml


def refused(raw: bytes, **limits: int) -> Refusal:
    with pytest.raises(Refusal) as caught:
        xml.parse(raw, **limits)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "iso-8859-15"])
def test_a_declared_encoding_is_followed(encoding: str) -> None:
    raw = f"<?xml version='1.0' encoding='{encoding}'?>\n<a>Blåbærsyltetøy</a>".encode(encoding)
    assert xml.document(raw) == (xml.document(raw).root, ()) or xml.document(raw).notes == ()
    assert xml.parse(raw).text == "Blåbærsyltetøy"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "iso-8859-1", "utf-16"])
def test_a_declaration_that_stands_twice_is_refused_with_its_line(encoding: str) -> None:
    twice = f"<?xml version='1.0' encoding='{encoding.removesuffix('-sig')}'?>\n<?xml version='1.0'?><a/>"
    refusal = refused(twice.encode(encoding))
    assert (refusal.status, refusal.where) == (400, "line 2")
    assert "second XML declaration" in refusal.says
    assert xml.parse(b"<?xml version='1.0'?><?xml-stylesheet href='a'?><a/>").tag == "a"


def test_without_declaration_it_is_utf_8() -> None:
    assert xml.parse("<a>ø</a>".encode()).text == "ø"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_is_believed(encoding: str) -> None:
    assert xml.parse("<?xml version='1.0'?><a>æ</a>".encode(encoding)).text == "æ"


def test_a_byte_order_mark_wins_over_the_declaration_and_is_noted() -> None:
    document = xml.document("<?xml version='1.0' encoding='iso-8859-1'?><a>å</a>".encode("utf-8-sig"))
    assert document.root.text == "å"
    assert "byte order mark" in document.notes[0]


def test_utf_8_declared_as_latin_is_proven_by_its_bytes() -> None:
    document = xml.document("<?xml version='1.0' encoding='ISO-8859-1'?><a>Nyfødt, blåmerke</a>".encode())
    assert document.root.text == "Nyfødt, blåmerke"
    assert "proves UTF-8" in document.notes[0]


def test_latin_declared_as_utf_8_proves_nothing_and_is_refused_with_its_line() -> None:
    refusal = refused("<?xml version='1.0' encoding='UTF-8'?>\n<a>\nprøve</a>".encode("iso-8859-1"))
    assert refusal.status == 400
    assert refusal.where == "line 3"
    assert "F8" in refusal.says
    assert "ISO-8859-1" in refusal.todo
    assert "prøve" not in str(refusal)


def test_windows_signs_in_a_latin_file_are_read_as_windows() -> None:
    document = xml.document("<?xml version='1.0' encoding='iso-8859-1'?><a>10 – 22 “ø”</a>".encode("cp1252"))
    assert document.root.text == "10 – 22 “ø”"
    assert "Windows-1252" in document.notes[0]


def test_a_text_declared_utf_16_that_is_none_is_proven_by_its_bytes() -> None:
    document = xml.document("<?xml version='1.0' encoding='utf-16'?><a>Nyfødt</a>".encode())
    assert (document.root.text, len(document.notes)) == ("Nyfødt", 1)
    assert refused("<?xml version='1.0' encoding='utf-16'?>\n<a>Nyfødt</a>".encode("latin-1")).where == "line 2"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_needs_no_byte_order_mark(encoding: str) -> None:
    raw = "<?xml version='1.0' encoding='utf-16'?><a>Nyfødt</a>".encode(encoding)
    assert xml.parse(raw).text == "Nyfødt"
    assert refused(raw[:-1]).where == "line 1"


@pytest.mark.parametrize("name", ["ebcdic-cp-no", "rot13", "utf-7"])
def test_an_encoding_that_is_not_there_is_refused(name: str) -> None:
    assert refused(f"<?xml version='1.0' encoding='{name}'?><a/>".encode()).where == "line 1"


@pytest.mark.parametrize(
    "raw",
    [
        b"<!DOCTYPE a><a/>",
        b"<?xml version='1.0'?>\n<!-- x --><?y z?>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<!DOCTYPE a SYSTEM 'http://example.org/a.dtd'><a/>",
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".encode("utf-16"),
    ],
)
def test_a_document_type_is_never_accepted(raw: bytes) -> None:
    assert "DTD" in refused(raw).says


def test_an_undeclared_entity_is_refused() -> None:
    assert refused(b"<a>&hei;</a>").status == 400


def test_a_document_type_in_the_text_is_only_text() -> None:
    assert xml.parse(b"<a><![CDATA[<!DOCTYPE html>]]></a>").text == "<!DOCTYPE html>"


def test_nesting_has_a_limit() -> None:
    assert xml.parse(b"<a>" * 200 + b"</a>" * 200).tag == "a"
    too_deep = refused(b"<a>" * 200 + b"\n<b></b>" + b"</a>" * 200)
    assert ("200" in too_deep.says, too_deep.where) == (True, "b line 2")
    assert refused(b"<a>" * 100_000).status == 400


@pytest.mark.parametrize("sign", ['a{}="1"', "a{} = '='", 'n{}:a="1" xmlns:n{}="u:{}"'])
def test_an_element_has_so_many_attributes_and_no_more(sign: str) -> None:
    def written(count: int) -> bytes:
        return f"<a>\n<b {' '.join(sign.replace('{}', str(one)) for one in range(count))}/></a>".encode()

    assert len(xml.parse(written(xml.ATTRIBUTES))[0].attrib) == xml.ATTRIBUTES
    assert refused(written(xml.ATTRIBUTES + 1)).where == "line 2"
    assert refused(written(20_000)).status == 400


def test_size_has_a_limit() -> None:
    assert refused(b"<a>" + b" " * 1000 + b"</a>", limit_bytes=1000).status == 413


@pytest.mark.parametrize(
    "raw", [b"", b"   ", b"PK\x03\x04", b"{}", b"<a>", b"<a></b>", b"<a/><b/>", b"<a b=1/>", b"<a>\x00</a>", b"<!--"]
)
def test_what_is_no_xml_is_refused_with_a_line(raw: bytes) -> None:
    refusal = refused(raw)
    assert refusal.status == 400
    assert refusal.where.startswith("line ")
    assert refusal.faults[0].code == "T01"


def test_line_numbers_are_the_senders_own() -> None:
    root = xml.parse(b"<?xml version='1.0'\n encoding='utf-8'?>\n<!-- to -->\n<a>\n<b/></a>")
    assert (root.sourceline, root[0].sourceline) == (4, 5)


@given(st.binary(max_size=200) | st.text(alphabet="<>!-?[]&;'\"ab =/DOCTYPE", max_size=120).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        xml.parse(raw)
    except Refusal as refusal:
        assert refusal.status == 400
