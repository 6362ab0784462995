"""Where no choice of a patient's may be told personnel hear of a write that is never filed what they hear of anybody (K37)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from bundles import bundle, entry
from kjerne.policy.door import Door
from kjerne.policy.unsaid import SAYS
from platform_fixture import Answered, Standing, Tree
from services.test_standards_registered import NEED, allergy

OPEN, SHUT = "citizen", "restricted"


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The platform as it is under EHDS."""
    monkeypatch.setattr(Door, "_tells_choices", property(lambda _: False, lambda *_: None), raising=False)
    yield


def sent(platform: Standing, who: str, method: str, path: str, tree: Tree, **headers: str) -> Answered:
    given = {"content-type": "application/fhir+json"} | {name.replace("_", "-"): one for name, one in headers.items()}
    return Answered(
        platform.client.call(
            method, f"/fhir/R4/{path}", as_="hospital-doctor", patient=platform.nin(who), body=json.dumps(tree).encode(),
            headers=given, service="critical-information", **NEED,
        )
    )  # fmt: skip


def never_filed(platform: Standing, who: str, way: str) -> Answered:
    number = str(uuid4())
    numbered: dict[str, Any] = {"identifier": [{"system": "urn:x", "value": number}]}
    at, tree = f"AllergyIntolerance?identifier=urn:x|{number}", allergy(platform, who, **numbered)
    if way == "another version":
        return sent(platform, who, "PUT", at, tree, if_match='W/"3"')
    if way == "an id":
        return sent(platform, who, "PUT", at, tree | {"id": "1"})
    if way == "another's body":
        return sent(platform, who, "POST", "AllergyIntolerance", allergy(platform, "parent"))
    absent = entry("GET", "AllergyIntolerance/00000000-0000-8000-8000-000000000000")
    if way == "a link by a condition":
        absent = entry("POST", "AllergyIntolerance", tree | {"encounter": {"reference": f"{at}0"}})
    return sent(platform, who, "POST", "", bundle("transaction", entry("POST", "AllergyIntolerance", tree), absent))


@pytest.mark.parametrize(
    ("way", "status"),
    [("another version", 412), ("an id", 400), ("another's body", 422), ("an absent one", 404), ("a link by a condition", 412)],
)  # fmt: skip
def test_what_is_never_filed_asks_about_nobody_s_choices(platform: Standing, way: str, status: int) -> None:
    heard = []
    for who in (OPEN, SHUT):
        answer = never_filed(platform, who, way)
        heard.append((answer.status, answer.response.content))
        assert platform.audited(answer.response) or way == "another's body"
    assert heard[0] == heard[1]
    assert heard[0][0] == status


def test_what_could_be_filed_is_refused_without_a_reason(platform: Standing) -> None:
    tree = allergy(platform, SHUT)
    alone = sent(platform, SHUT, "POST", "AllergyIntolerance", tree)
    assert (alone.status, alone.issue["diagnostics"].startswith(SAYS)) == (403, True)
    both = sent(platform, SHUT, "POST", "", bundle("transaction", entry("POST", "AllergyIntolerance", tree)))
    assert (both.status, both.issue["diagnostics"]) == (403, alone.issue["diagnostics"])
