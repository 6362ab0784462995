"""Which representations are taken and given: JSON alone, and what asks for another is told so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.exchange import Call
from kjerne.fhir.negotiation import check_accepted, check_sent


def refused(check: Callable[[Call], None], query: tuple[tuple[str, str], ...] = (), **headers: str) -> int:
    async def nobody(*_: Any, **__: Any) -> Any:
        raise AssertionError

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    call = Call("GET", "/", datetime(2026, 1, 1, tzinfo=UTC), "c", None, nobody, query=query, headers=named)
    try:
        check(call)
    except Refusal as refusal:
        return refusal.status
    return 0


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/fhir+json", "application/json", "text/html, */*;q=0.1", "application/*",
     "Application/FHIR+JSON; fhirVersion=4.0, application/fhir+xml", "application/json; fhirVersion=5.0, */*; q=0.1"],
)  # fmt: skip
def test_who_takes_json_gets_it(accept: str) -> None:
    assert refused(check_accepted, accept=accept) == 0


@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+xml",
        "text/html",
        "application/json;q=0",
        "x",
        "*/*; q=0.0",
        "application/fhir+json; fhirVersion=3.0",
    ],
)
def test_who_takes_something_else_alone_is_refused_unless_the_format_says_otherwise(accept: str) -> None:
    assert refused(check_accepted, accept=accept) == 406
    assert refused(check_accepted, (("_format", "json"),), accept=accept) == 0


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 0),
        ("application/fhir+json; charset=utf-8", 0),
        ("application/JSON", 0),
        ('application/json;charset="UTF-8"', 0),
        ("application/fhir+json; charset=utf-16", 415),
        ("application/fhir+json; fhirVersion=4.0; charset=iso-8859-1", 415),
        ("application/fhir+json; fhirVersion=4.0", 0),
        ('application/fhir+json; FHIRVersion="5.0"', 415),
        ("text/plain", 415),
        ("application/fhir+xml", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
def test_a_resource_is_sent_as_json(content_type: str, status: int) -> None:
    assert refused(check_sent, content_type=content_type) == status
