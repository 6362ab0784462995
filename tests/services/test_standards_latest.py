"""`Observation/$lastn`: the last of each kind, in one page that the log names."""

from __future__ import annotations

from uuid import uuid4

import pytest

from platform_fixture import Answered, Standing

from .test_standards import create, observation, read

LAST = "/fhir/R4/Observation/$lastn"


def test_the_last_of_each_kind_are_given_in_one_page(platform: Standing) -> None:
    code = str(uuid4())
    coded = {"coding": [{"system": "urn:x:last", "code": code}]}
    made = [
        create(platform, observation(code=coded, effectiveDateTime=f"2026-03-0{day}T08:00:00+01:00")).tree["id"]
        for day in (3, 1, 2)
    ]
    asked = read(platform, f"Observation/$lastn?code={code}")
    assert (asked.status, asked.ids(), asked.tree["total"]) == (200, [made[0]], 1)
    assert asked.tree["link"][0]["url"].endswith(f"/fhir/R4/Observation/$lastn?code={code}")
    (row,) = platform.audited(asked.response)
    assert ([str(one) for one in row["ids"]], row["action"]) == ([made[0]], "search")
    form = platform.client.call(
        "POST", LAST, as_="gp", patient=platform.nin("renumbered"), form=[("code", f"urn:x:last|{code}"), ("max", "2")]
    )
    assert Answered(form).ids() == [made[0], made[2]]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("", "category"), ("date=2026", "category"), ("code=x&max=0", "max"), ("code=x&max=1&max=2", "max"),
        ("code=x&max=101", "max"), ("code=x&max=two", "max"), ("code=x&_sort=date", "_sort"), ("code=x&_count=2", "_count"),
        ("code=x&_total=none", "_total"), ("code=x&_summary=count", "_summary"), ("code=x&_cursor=y", "_cursor"),
        ("code=x&colour=red", "colour"), ("code=x&subject=Patient/1", "patient"),
    ],
)  # fmt: skip
def test_the_last_of_each_kind_wants_a_code_and_takes_nothing_that_pages(
    platform: Standing, query: str, where: str
) -> None:
    answer = read(platform, f"Observation/$lastn?{query}")
    assert answer.status == 400
    assert where in answer.response.text
