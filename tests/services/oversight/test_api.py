"""The operator's list of readings that stand out: practitioners by name, no patient, and a row of its own in the log."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import httpx
import pytest

from platform_fixture import Standing


def listed(platform: Standing, query: str = "", as_: str = "operator") -> httpx.Response:
    return platform.client.call("GET", f"/oversight/anomalies{query}", as_=as_)


def test_broken_glass_is_listed_by_practitioner_and_decision_and_names_no_patient(platform: Standing) -> None:
    read = platform.search(
        "Observation", [("_count", "1")], as_="outsider", purpose="BTG", reason="Bevisstløs i akuttmottak"
    )
    assert read.status == 200, read.tree
    (row,) = platform.audited(read.response)
    answer = listed(platform)
    assert answer.status_code == 200
    (found,) = [one for one in answer.json()["readings"] if one["row"] == str(row["number"])]
    outsider = platform.persona("outsider")
    assert found["kinds"][0] == "break-glass"
    assert (found["practitioner"]["hpr"], found["organisation"]) == (outsider.hpr, outsider.organisation)
    assert (found["decision"], found["records"]) == (row["decision"], 1)
    assert platform.nin("citizen") not in answer.text
    assert str(row["patient"]) not in answer.text
    assert not any(str(id_) in answer.text for id_ in row["ids"])


def test_that_the_list_was_made_is_in_the_log_with_its_period(platform: Standing) -> None:
    answer = listed(platform, "?since=2026-01-01&until=2026-01-31")
    (row,) = platform.audited(answer)
    assert (row["patient"], row["action"], row["rule"], row["caller_kind"]) == (0, "review", "log-reviewed", "system")
    assert row["about"] == "2026-01-01T00:00:00+00:00/2026-01-31T00:00:00+00:00"
    assert answer.json() == {
        "since": "2026-01-01T00:00:00+00:00", "until": "2026-01-31T00:00:00+00:00", "readings": [], "further": False,
        "volume": [],
    }  # fmt: skip


def test_without_a_period_it_is_the_last_day(platform: Standing) -> None:
    told = listed(platform).json()
    assert told["until"][:10] == f"{platform.clock.now().astimezone(UTC):%F}"
    assert told["since"][:10] == f"{platform.clock.now().astimezone(UTC) - timedelta(days=1):%F}"


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("?since=yesterday", "since"),
        ("?since=2026-02-01&until=2026-01-01", "since"),
        ("?since=2026-01-01&until=2026-02-02", "since"),
        ("?until=1", "until"),
    ],
)
def test_a_period_that_cannot_be_used_is_refused(platform: Standing, query: str, where: str) -> None:
    answer = listed(platform, query)
    assert (answer.status_code, answer.json()["where"]) == (400, where)


@pytest.mark.parametrize("as_", ["gp", "lab"])
def test_nobody_but_an_operator_has_it(platform: Standing, as_: Any) -> None:
    assert listed(platform, as_=as_).status_code == 403
