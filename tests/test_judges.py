"""The judges from outside: what is skipped is no step that passed."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from platform_fixture import Standing

ROOT = Path(__file__).parents[1]


def tool(name: str, place: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / place)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


judge: Any = tool("judge_sekmet", "judge_sekmet.py")


def scenario(*steps: tuple[str, str]) -> dict[str, Any]:
    told = [{"name": f"step {place}", "status": status, "message": why} for place, (status, why) in enumerate(steps)]
    return {"file": "library/billing_claim.yaml", "steps": told}


def test_a_scenario_is_green_where_nothing_failed_and_only_another_role_was_left_out() -> None:
    payer = "peer does not play role 'payer' (declare peers.ours.roles to test it)"
    green = judge.judged(scenario(("passed", ""), ("warning", "slow"), ("skipped", payer)))
    assert (green.name, green.is_green, green.left) == ("billing_claim", True, 1)
    for wrong in (("skipped", "peer does not advertise format xml"), ("failed", "status"), ("error", "KeyError")):
        assert not judge.judged(scenario(("passed", ""), wrong)).is_green


def test_the_table_ends_with_how_many_are_green_and_says_what_is_wrong() -> None:
    lines = judge.table(
        [judge.judged(scenario(("passed", ""))), judge.judged(scenario(("error", "it\nbroke")))]
    ).splitlines()
    assert lines[-1] == "1/14"
    assert "billing_claim: step 0 (error)" in lines
    assert "  it broke" in lines


@pytest.mark.parametrize("odd", [[], {}, ["Observation"], None, 1, "", "Nonsense"])
def test_a_request_that_breaks_the_document_on_purpose_is_left_as_it_is(odd: Any) -> None:
    right = tool("right", "judge_schemathesis/right.py")
    known = {"Observation": [{"resourceType": "Observation", "id": "a"}]}
    for method, path in (
        ("POST", "/{type}"),
        ("PUT", "/{type}/{id}"),
        ("PATCH", "/{type}/{id}"),
        ("DELETE", "/{type}"),
    ):
        assert right.of(method, f"/fhir/R4{path}", {"type": "Observation", "id": "a"}, known) is not None
        assert right.of(method, f"/fhir/R4{path}", {"type": odd, "id": "a"}, known) is None
        assert right.of(method, f"/fhir/R4{path}", {"type": "Observation", "id": odd}, known) is None


def test_what_is_spoiled_can_be_sent_and_spoils_nothing_else() -> None:
    """What was put in was once spoiled with the next, until it held itself: no request could be made of that."""
    spoiling = tool("spoiling", "judge_schemathesis/spoiling.py")
    odd, chance, right = (
        json.dumps(spoiling.ODD),
        Random(1),
        {"resourceType": "Observation", "code": {"coding": [{"code": "a"}]}},
    )
    sent = {json.dumps(spoiling.spoiled(right, chance)) for _ in range(5_000)}
    assert len(sent) > 100
    assert json.dumps(spoiling.ODD) == odd
    assert right == {"resourceType": "Observation", "code": {"coding": [{"code": "a"}]}}


def test_every_address_is_asked_by_a_persona_that_there_is(platform: Standing) -> None:
    asking = tool("judge_schemathesis", "judge_schemathesis/__main__.py").PERSONAS
    assert asking.keys() <= {one.name for one in platform.client.personas()}
    paths = platform.http.get(f"{platform.url}/openapi.json").json()["paths"]
    assert [path for path in paths if not any(re.search(one, path) for one in asking.values())] == []
    assert [one for one in asking.values() if not any(re.search(one, path) for path in paths)] == []
