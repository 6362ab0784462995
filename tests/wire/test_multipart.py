"""A form with a file, as browsers send it."""

from __future__ import annotations

import httpx
import pytest

from kjerne.errors import Refusal
from kjerne.wire.multipart import PARTS_LIMIT, parts

FORM = "multipart/form-data; boundary=x"


def test_what_another_client_sends_is_read_field_by_field_to_the_byte() -> None:
    file = b"\x00\r\n--not the boundary\r\n\r\n{}"
    sent = httpx.Request("POST", "http://here/", data={"token": "t", "empty": ""}, files={"document": ("å.json", file)})
    sent.read()
    assert parts(sent.headers["content-type"], sent.content) == {
        "token": (b"t", ""), "empty": (b"", ""), "document": (file, "application/json"),
    }  # fmt: skip


def test_a_boundary_may_be_quoted_and_followed_by_more() -> None:
    body = b'--a b\r\nContent-Disposition: form-data; name="n"\r\n\r\n1\r\n--a b--\r\n'
    assert parts('multipart/form-data; boundary="a b"; charset=utf-8', body) == {"n": (b"1", "")}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--y--",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n--x--',
        b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xy\r\n',
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 2 + b"--x--",
        b'--x\r\nContent-Disposition: form-data; name="a"' + b" " * 3_000 + b"\r\n\r\n1\r\n--x--",
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % n for n in range(PARTS_LIMIT + 1)
        ) + b"--x--",
    ],
)  # fmt: skip
def test_what_is_cut_short_nameless_doubled_or_too_much_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parts(FORM, body)
    assert (refused.value.status, refused.value.where) == (400, "form")


def test_a_form_without_its_boundary_is_refused() -> None:
    with pytest.raises(Refusal):
        parts("multipart/form-data", b"--x--")
