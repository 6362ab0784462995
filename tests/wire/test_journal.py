"""An error that nobody meant: what the caller hears, and what the log has of it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import asyncpg
import pytest

from kjerne.wire import journal

NUMBER = "15877912345"
Lines = list[MutableMapping[str, Any]]


@pytest.mark.parametrize(
    ("error", "status", "event"),
    [
        (TimeoutError(), 504, ""),
        (asyncpg.DeadlockDetectedError("row of another"), 503, "busy"),
        (ConnectionResetError("at 10.0.0.1"), 503, "database gone"),
        (KeyError("something"), 500, "fault"),
    ],
)
def test_each_kind_of_error_has_its_status_and_its_line(
    logged: Lines, error: Exception, status: int, event: str
) -> None:
    refusal = journal.met(error, "c1", "/fhir/R4/{type}")
    assert refusal.status == status
    assert [line["event"] for line in logged] == [event] * bool(event)
    assert all((line["correlation"], line["route"]) == ("c1", "/fhir/R4/{type}") for line in logged)
    assert "10.0.0.1" not in f"{refusal} {logged}"


def test_a_trace_holds_no_person_number(logged: Lines) -> None:
    try:
        raise ValueError(f"invalid literal: {NUMBER}")
    except ValueError as error:
        refusal = journal.met(error, "c1", "/me")
    assert "test_journal.py" in logged[0]["exception"]
    assert NUMBER not in f"{refusal} {logged}"
