"""Records about no patient held against the rules of today: the operator has counts and ids, and nobody else has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guide_packages import element, package, profile
from kjerne.fhir import shelf
from kjerne.services import shared_rechecking
from platform_fixture import Standing
from services.test_shared_records import ask

URL = "http://example.org/shared-rechecking"


@pytest.fixture
def guide(platform: Standing) -> Iterator[None]:
    """A package that comes after the records which name its profile."""
    folder = platform.application._edge.settings.packages
    shelf.add(folder, package(profile("Medication", element("Medication.form", 1), url=URL), name="rechecking.guide"))
    yield
    shelf.remove(folder, "rechecking.guide", "1.0.0")


def medication(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Medication", "meta": {"profile": [URL]}, "code": {"text": "Paracet"}} | more


def reports(platform: Standing) -> list[dict[str, Any]]:
    found, after = [], ""
    while True:
        path = f"/checks/Medication?after={after}" if after else "/checks/Medication"
        answer = platform.client.call("GET", path, as_="operator")
        assert answer.status_code == 200, answer.text
        assert "Paracet" not in answer.text
        found.append(answer.json())
        after = found[-1].get("next", "")
        if not after:
            return found


def named(told: list[dict[str, Any]]) -> set[str]:
    """The ids that this guide's profile has something against."""
    return {id_ for one in told for kind in one["kinds"] if kind["profile"] == URL for id_ in kind["ids"]}


@pytest.mark.parametrize("at_once", [1, 200])
def test_a_record_that_does_not_keep_to_todays_rules_is_named_by_id(
    platform: Standing, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, at_once: int
) -> None:
    monkeypatch.setattr(shared_rechecking, "AT_ONCE", at_once)
    wrong = ask(platform, "POST", "Medication", medication()).tree["id"]
    right = ask(platform, "POST", "Medication", medication(form={"text": "tablet"})).tree["id"]
    assert named(reports(platform)).isdisjoint({wrong, right})
    request.getfixturevalue("guide")
    told = named(reports(platform))
    assert (wrong in told, right in told) == (True, False)


def test_a_record_that_was_deleted_is_not_looked_at(platform: Standing, guide: None) -> None:
    answer = ask(platform, "POST", "Medication", medication(form={"text": "x"}))
    before = sum(one["records"] for one in reports(platform))
    assert ask(platform, "DELETE", f"Medication/{answer.tree['id']}").status in (200, 204)
    assert sum(one["records"] for one in reports(platform)) == before - 1


@pytest.mark.parametrize(
    ("path", "as_", "status"),
    [
        ("/checks/Medication", "gp", 403), ("/checks/Medication", "lab", 403), ("/checks/Observation", "operator", 404),
        ("/checks/Nothing", "operator", 404), ("/checks/Medication?before=x", "operator", 400),
        ("/checks/Medication?after=x&after=y", "operator", 400),
    ],
)  # fmt: skip
def test_who_is_no_operator_and_what_is_about_a_patient_is_refused(
    platform: Standing, path: str, as_: str, status: int
) -> None:
    assert platform.client.call("GET", path, as_=as_).status_code == status
