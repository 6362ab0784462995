"""The test client's exports: at once and without a ground, of people who are made up and have shut nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from platform_fixture import Answered, Standing, Tree

from .test_everybody import call, observation, person


def exported(platform: Standing, path: str, types: str) -> tuple[Tree, list[Tree]]:
    """The manifest, and every resource of its files."""
    kicked = call(platform, "GET", f"{path}$export?_type={quote(types, safe='&=')}", prefer="respond-async")
    assert kicked.status == 202, kicked.response.text
    manifest: Tree = fetched(platform, kicked.response.headers["content-location"]).response.json()
    texts = [fetched(platform, one["url"]).response.text for one in manifest["output"]]
    return manifest, [json.loads(line) for text in texts for line in text.splitlines()]


def fetched(platform: Standing, url: str) -> Answered:
    answer = Answered(platform.client.call("GET", url.removeprefix(platform.url), as_="all-patients"))
    assert answer.status == 200, answer.response.text
    return answer


def new(platform: Standing, tree: Tree) -> str:
    answer = call(platform, "POST", tree["resourceType"], tree)
    assert answer.status == 201, answer.response.text
    return str(answer.tree["id"])


def test_a_list_of_two_is_exported_at_once_with_a_row_in_each_ones_log(platform: Standing) -> None:
    assert call(platform, "GET", "$export").status == 400, "without Prefer"
    two = [f"Patient/{new(platform, person())}" for _ in range(2)]
    observed = new(platform, observation(two[0]))
    members: Any = [{"entity": {"reference": one}} for one in two]
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": members}
    manifest, found = exported(platform, f"Group/{new(platform, group)}/", "Patient,Observation,Encounter")
    assert [one["type"] for one in manifest["output"]] == ["Patient", "Observation", "Encounter"]
    assert manifest["requiresAccessToken"] is True
    assert sorted(f"{one['resourceType']}/{one['id']}" for one in found) == sorted([*two, f"Observation/{observed}"])
    number = manifest["output"][0]["url"].split("/exports/")[1].partition("/")[0]
    rows = platform.rows("SELECT * FROM audit WHERE about = $1 AND patient <> 0", f"export/{number}")
    assert {row["rule"] for row in rows} == {"test-of-a-synthetic-person"}
    assert [len([row for row in rows if row["patient"] == key]) for key in {row["patient"] for row in rows}] == [3, 3]


def test_everybody_is_whoever_has_shut_nothing_and_an_operator_waits_all_the_same(platform: Standing) -> None:
    _, found = exported(platform, "Patient/", "Patient")
    text = json.dumps(found)
    assert len(found) > 20
    for name in ("opted-out", "restricted", "protected"):
        assert platform.nin(name) not in text
    assert platform.nin("citizen") in text
    said = [{"name": name, "valueString": "Helseregisterloven § 19 e"} for name in ("ground", "recipient")]
    body = json.dumps({"resourceType": "Parameters", "parameter": said}).encode()
    headers = {"content-type": "application/fhir+json", "prefer": "respond-async"}
    waits = platform.client.call("POST", "/fhir/R4/$export", as_="operator", body=body, headers=headers)
    at = waits.headers["content-location"].removeprefix(platform.url)
    assert platform.client.call("GET", at, as_="operator").status_code == 202
    assert platform.client.call("GET", at, as_="all-patients").status_code == 404


def test_a_patient_that_was_deleted_is_told_to_who_asks_what_has_changed_since(platform: Standing) -> None:
    gone, stays = (f"Patient/{new(platform, person())}" for _ in range(2))
    members: Any = [{"entity": {"reference": one}} for one in (gone, stays)]
    group = new(platform, {"resourceType": "Group", "type": "person", "actual": True, "member": members})
    assert call(platform, "DELETE", gone).status == 204
    now = platform.clock.now()

    def told(since: datetime) -> list[Tree]:
        manifest, _ = exported(platform, f"Group/{group}/", f"Patient&_since={since:%Y-%m-%dT%H:%M:%SZ}")
        lines = [fetched(platform, one["url"]).response.text.splitlines() for one in manifest["deleted"]]
        return [entry["request"] for some in lines for line in some for entry in json.loads(line)["entry"]]

    assert told(now - timedelta(minutes=1)) == [{"method": "DELETE", "url": gone}]
    assert told(now + timedelta(minutes=1)) == []
