"""ETags, dates and conditions as HTTP has them, and what a write gives back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.exchange import Call
from kjerne.fhir.encode import decode
from kjerne.fhir.interaction import Made, answer_of, demanded_version, http_date, sent_version, unchanged

AT = datetime(2026, 3, 2, 7, 15, 0, 250_000, tzinfo=UTC)


def test_a_moment_is_written_as_http_has_it() -> None:
    first = datetime(2000, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC)
    for step in range(400):
        moment = first + step * timedelta(days=27, hours=5, seconds=61)
        assert http_date(moment) == format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "is_unchanged"),
    [
        ({}, False),
        ({"if-none-match": 'W/"3"'}, True),
        ({"if-none-match": '"3"'}, True),
        ({"if-none-match": 'W/"1", W/"3"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": 'W/"13"'}, False),
        ({"if-none-match": ""}, False),
        ({"if-modified-since": "Mon, 02 Mar 2026 07:15:00 GMT"}, True),
        ({"if-modified-since": "Mon, 02 Mar 2026 07:14:59 GMT"}, False),
        ({"if-modified-since": "2026-03-02"}, False),
        ({"if-modified-since": "Mon, 02 Mar 2026 07:15:00 -0000"}, False),
        ({"if-modified-since": "Mon, 02 Mar 2026 07:15:00 GMT", "if-none-match": 'W/"2"'}, False),
    ],
)
def test_a_conditional_read_looks_at_the_version_and_else_at_the_time(headers: Any, is_unchanged: bool) -> None:
    assert unchanged(headers, 3, AT) is is_unchanged


def test_a_version_is_demanded_of_a_change() -> None:
    assert demanded_version({"if-match": 'W/"3"'}) == sent_version({"if-match": "3"}) == 3
    assert sent_version({}) is None
    for headers, status in (
        ({}, 428),
        ({"if-match": "*"}, 400),
        ({"if-match": 'W/"0"'}, 400),
        ({"if-match": "٣"}, 400),
    ):
        with pytest.raises(Refusal) as caught:
            demanded_version(headers)
        assert caught.value.status == status


@pytest.mark.parametrize("sent", ["*", 'W/"1", W/"2"', 'W/"x"'])
def test_what_is_no_one_version_is_refused_with_what_is_taken(sent: str) -> None:
    with pytest.raises(Refusal) as refused:
        sent_version({"if-match": sent})
    assert (refused.value.status, refused.value.code) == (400, "value")
    assert "one ETag" in refused.value.says


def call(prefer: str = "") -> Call:
    return Call("POST", "/fhir/R4/Observation", AT, "c", None, None, {"type": "Observation"}, headers={"prefer": prefer},  # type: ignore[arg-type]
                base_url="http://x")  # fmt: skip


@pytest.mark.parametrize(
    ("prefer", "raw", "given"),
    [
        ("", b'{"resourceType":"Observation"}', "Observation"),
        ("return=representation", b'{"resourceType":"Observation"}', "Observation"),
        ("return=OperationOutcome", b'{"resourceType":"Observation"}', "OperationOutcome"),
        ("return=minimal", b'{"resourceType":"Observation"}', ""),
        ("", b"", "OperationOutcome"),
        ("return=representation", b"", "OperationOutcome"),
        ("return=minimal", b"", ""),
    ],
)
def test_a_write_gives_back_what_is_preferred(prefer: str, raw: bytes, given: str) -> None:
    answer = answer_of(call(prefer), "/fhir/R4", Made("a", 2, AT, raw), 200, "said")
    assert (decode(answer.body)["resourceType"] if answer.body else "") == given
    assert dict(answer.headers) == {
        "location": "http://x/fhir/R4/Observation/a/_history/2",
        "etag": 'W/"2"',
        "last-modified": "Mon, 02 Mar 2026 07:15:00 GMT",
    }
