"""The door over a whole platform: no answer of the law without its line in the log, a refusal's included."""

from __future__ import annotations

import pytest

from kjerne.store.audit import GIVEN, REFUSED
from platform_fixture import Standing


@pytest.mark.parametrize(("caller", "rule"), [("outsider", "no-relation"), ("blocked-doctor", "blocked-by-name")])
def test_a_refusal_is_in_the_log_when_its_caller_hears_of_it(platform: Standing, caller: str, rule: str) -> None:
    answer = platform.search("Observation", as_=caller)
    (row,) = platform.audited(answer.response)
    assert (row["outcome"], row["rule"], row["ids"]) == (REFUSED, rule, [])


def test_what_was_given_is_in_the_log_under_its_rule(platform: Standing) -> None:
    answer = platform.search("Observation", [("_count", "5")])
    (row,) = platform.audited(answer.response)
    assert (row["outcome"], row["rule"]) == (GIVEN, "gp")
    assert {str(id_) for id_ in row["ids"]} == answer.every_id
