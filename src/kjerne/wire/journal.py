"""What is written of each answer, and what an error that nobody meant becomes: one line and one refusal, on APIs and pages.

A line has correlation id, route template, status and the refusing rule; no address, no value of a request. The trace of a
fault is written with it, without any person number that stood in an exception's text.
"""

from __future__ import annotations

import traceback

import structlog

from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.registries.identifiers import without_numbers
from kjerne.store.pool import BUSY, GONE
from kjerne.wire.problems import denied_refusal

log = structlog.get_logger("kjerne")


def answered(correlation: str, route: str, status: int, rule: str = "") -> None:
    """Notes an answer; the rule is there where one refused."""
    told = {"rule": rule} if rule else {}
    log.info("answered", correlation=correlation, route=route, status=status, **told)


def heard(error: Exception, correlation: str, route: str) -> Refusal:
    """What the caller hears of any error at all: a refusal and a no of the law in their own words, others as they were `met`."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Denied):
        return denied_refusal(error.denial)
    return met(error, correlation, route)


def met(error: Exception, correlation: str, route: str) -> Refusal:
    """What the caller hears of an error, once it is noted: too slow, too busy, no database, or a fault of our own."""
    if isinstance(error, TimeoutError):
        return Refusal(504, "this took too long and was stopped", todo="Ask for less, or try again.")
    if isinstance(error, BUSY):
        log.warning("busy", correlation=correlation, route=route)
        return Refusal(503, "too much happens to these records at this moment", todo="Send the request again.")
    if isinstance(error, GONE):
        log.warning("database gone", correlation=correlation, route=route, kind=type(error).__name__)
        return Refusal(503, "the database does not answer", todo="Send the request again in a while.")
    trace = without_numbers("".join(traceback.format_exception(error)))
    log.error("fault", correlation=correlation, route=route, exception=trace)
    return Refusal(500, "a fault of ours stopped this request", todo=f"Report correlation id {correlation}.")
