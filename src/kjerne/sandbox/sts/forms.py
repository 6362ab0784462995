"""The body of a request to an authorisation server."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from kjerne.errors import Refusal

FORM_LIMIT_BYTES: Final = 64_000
FIELDS_LIMIT: Final = 100


async def form_of(request: Request) -> dict[str, str]:
    """A urlencoded body's fields, each given once (RFC 6749 section 3.1); `Refusal` 400 or 413 for another."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > FORM_LIMIT_BYTES:
            raise Refusal(413, f"The form is longer than {FORM_LIMIT_BYTES} bytes.", code="invalid_request")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_LIMIT, errors="strict")
    except ValueError:
        raise Refusal(400, "The body is not a urlencoded form.", code="invalid_request") from None
    form = dict(fields)
    if len(form) != len(fields):
        raise Refusal(400, "A parameter is given twice.", code="invalid_request")
    return form
