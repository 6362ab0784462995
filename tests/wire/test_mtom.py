"""Packages of an envelope and its attachments: however the bytes come they are the same, and half of one is none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha1, sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from kjerne.wire import mtom
from kjerne.wire.mtom import Package, Unpacker, content_of, content_type, hold_named, included, packed
from kjerne.wire.soap import Failed

TYPE = content_type("b-1")
HEAD = b"--b-1\r\nContent-ID: <envelope>\r\n\r\n<e/>\r\n"


def unpacked(folder: Path, chunks: Sequence[bytes], said: str = TYPE, **limits: int) -> tuple[Package, list[bytes]]:
    reader = Unpacker(said, folder, **limits)
    try:
        for chunk in chunks:
            reader.feed(chunk)
        package = reader.whole()
        return package, [part.path.read_bytes() for part in package.parts.values()]
    finally:
        reader.close()
        assert list(folder.iterdir()) == []


def sent(folder: Path, contents: Sequence[bytes]) -> bytes:
    descriptors = []
    for place, content in enumerate(contents):
        (folder / str(place)).write_bytes(content)
        descriptors.append((f"{place}@source", "application/pdf", os.open(folder / str(place), os.O_RDONLY)))
        (folder / str(place)).unlink()
    return b"".join(packed("b-1", b"<e/>", descriptors))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.binary(max_size=200) | st.just(b"\r\n--b-\r\n--"), max_size=3), step=st.integers(1, 90))
def test_a_package_is_the_same_however_its_bytes_come(tmp_path: Path, contents: list[bytes], step: int) -> None:
    raw = sent(tmp_path, contents)
    package, found = unpacked(tmp_path, [raw[at : at + step] for at in range(0, len(raw), step)])
    assert package.envelope == b"<e/>"
    assert found == contents
    for part, content in zip(package.parts.values(), contents, strict=True):
        assert part.size_bytes == len(content)
        assert (part.sha1, part.sha256) == (sha1(content).digest(), sha256(content).digest())
        assert part.first == content[: mtom.FIRST_BYTES]


def test_a_package_that_ends_anywhere_before_its_end_is_none(tmp_path: Path) -> None:
    raw = sent(tmp_path, [b"%PDF-1.7"])
    for end in range(len(raw) - 3):
        with pytest.raises(Failed):
            unpacked(tmp_path, [raw[:end]])


def test_a_line_of_a_head_may_go_on_in_the_next(tmp_path: Path) -> None:
    head = HEAD.replace(b"Content-ID: ", b"Content-Type: application/xop+xml;\r\n\ttype=x\r\nContent-ID:\r\n ")
    package, found = unpacked(tmp_path, [head + b"--b-1\r\ncontent-id:\r\n\t <a>\r\n\r\nwhole\r\n--b-1--"])
    assert (package.envelope, list(package.parts), found) == (b"<e/>", ["a"], [b"whole"])


@pytest.mark.parametrize(
    ("said", "raw"),
    [
        ("multipart/related", b""),
        ('multipart/related; boundary="b-1"; type="text/xml"', b""),
        (TYPE, b"--b-1--"),
        (TYPE, HEAD + b"--b-1\r\n\r\nnameless\r\n--b-1--"),
        (TYPE, HEAD + b"--b-1\r\nContent-ID: <envelope>\r\n\r\ntwice\r\n--b-1--"),
        (TYPE, HEAD + b"--b-1\r\nContent-ID: <a>\r\nContent-Transfer-Encoding: base64\r\n\r\n\r\n--b-1--"),
        (TYPE, HEAD + b"--b-1\r\nContent-ID: <a>\r\n\r\n\r\n--b-1\r\nContent-ID: <a>\r\n\r\n\r\n--b-1--"),
        (TYPE, HEAD + b"--b-1 behind\r\n\r\n\r\n--b-1--"),
        (TYPE, HEAD + b"--b-1\r\n" + b"X: " + b"y" * 5_000 + b"\r\n\r\n"),
        (TYPE, HEAD + b"--b-1\r\n" + b"x" * 100_000),
        (TYPE, HEAD + b"".join(b"--b-1\r\nContent-ID: <%d>\r\n\r\n\r\n" % one for one in range(101)) + b"--b-1--"),
    ],
)
def test_what_is_no_package_is_refused_and_leaves_nothing(tmp_path: Path, said: str, raw: bytes) -> None:
    with pytest.raises(Failed) as caught:
        unpacked(tmp_path, [raw], said)
    assert caught.value.code == "Sender"


def test_a_document_or_an_envelope_over_its_limit_is_refused_as_it_comes(tmp_path: Path) -> None:
    raw = sent(tmp_path, [b"12345"])
    assert unpacked(tmp_path, [raw], part_limit_bytes=5, envelope_limit_bytes=4)
    for limits in ({"part_limit_bytes": 4}, {"envelope_limit_bytes": 3}):
        with pytest.raises(Failed) as caught:
            unpacked(tmp_path, [raw], **limits)
        assert caught.value.status == 413


def test_what_a_document_element_holds_is_its_part_or_what_is_written_in_it(tmp_path: Path) -> None:
    package, _ = unpacked(tmp_path, [sent(tmp_path, [b"%PDF"])])
    element = etree.Element("Document")
    included(element, "0%40source")
    assert content_of(element, package.parts) == package.parts["0@source"]
    hold_named(element, package.parts)
    written = etree.Element("Document")
    written.text = " JVB\nERg== "
    assert content_of(written, {}) == b"%PDF"
    with pytest.raises(Failed, match="names"):
        hold_named(written, package.parts)
    for wrong in (element, etree.fromstring("<D>J*</D>"), etree.fromstring("<D><x/></D>")):
        with pytest.raises(Failed):
            content_of(wrong, {})


def test_a_sending_that_ends_early_closes_its_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    pieces = packed("b-1", b"<e/>", [("a", "text/plain", descriptor)])
    next(pieces)
    pieces.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)
