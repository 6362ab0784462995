"""Bindings of a package's profile that only loaded terminology can tell of: on write, by `$validate`, patch and import."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import code_files as made
from guide_packages import element, package, profile
from kjerne.commands import terminology
from kjerne.commands.guides import judged
from kjerne.fhir import shelf
from kjerne.registries.code_files.recognising import Given
from kjerne.settings import Settings
from platform_fixture import Answered, Standing
from services.test_shared_records import ask
from services.test_standards import FHIR, create, observation

SCT = "http://snomed.info/sct"
REQUIRED, EXTENSIBLE, ELSEWHERE, NOBODYS = (f"http://bound.example/{one}" for one in ("r", "e", "x", "medication"))


@pytest.fixture(scope="module", autouse=True)
def guide(platform: Standing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """SNOMED CT, and a package whose profiles bind a code to what is under a concept of it, or of a system that is nowhere."""
    folder, settings = platform.application._edge.settings.packages, Settings(dsn=platform.dsn)
    fractures = {"resourceType": "ValueSet", "url": "http://bound.example/fractures", "status": "active", "compose": {"include": [
        {"system": SCT, "filter": [{"property": "concept", "op": "is-a", "value": made.FRACTURE}]}]}}  # fmt: skip
    nowhere = {"resourceType": "ValueSet", "url": "http://bound.example/nowhere", "status": "active", "compose": {"include": [
        {"system": "http://nowhere.example", "filter": [{"property": "concept", "op": "is-a", "value": "1"}]}]}}  # fmt: skip

    def asking(url: str, strength: str, of: Any, type_: str = "Observation") -> dict[str, Any]:
        return profile(type_, element(f"{type_}.code", binding={"strength": strength, "valueSet": of["url"]}), url=url)

    profiles = [asking(REQUIRED, "required", fractures), asking(EXTENSIBLE, "extensible", fractures),
                asking(ELSEWHERE, "required", nowhere), asking(NOBODYS, "required", fractures, "Medication")]  # fmt: skip
    shelf.add(folder, package(fractures, nowhere, *profiles, name="bound.guide"))
    release = made.zipped(tmp_path_factory.mktemp("bound") / "a.zip", made.snomed())
    (told,) = terminology.loaded(settings, [release], Given(), lambda *_: None)
    yield
    terminology.removed(settings, f"{told['url']}|{told['version']}")
    shelf.remove(folder, "bound.guide", "1.0.0")


def coded(profile_: str, code: str, system: str = SCT, **more: Any) -> dict[str, Any]:
    return observation(meta={"profile": [profile_]}, code={"coding": [{"system": system, "code": code}]}, **more)


def rules(answer: Answered) -> list[tuple[str, str]]:
    """(severity, rule) of the issues that have a rule."""
    found = [
        (one["severity"], one.get("details", {}).get("coding", [{}])[0].get("code", "")) for one in answer.tree["issue"]
    ]
    return [one for one in found if one[1]]


OUTCOME = {"prefer": "return=OperationOutcome"}


@pytest.mark.parametrize(
    ("tree", "status", "told"),
    [
        (coded(REQUIRED, made.OF_ARM), 201, []),
        (coded(REQUIRED, made.ARM), 422, [("error", "required-binding")]),
        (coded(REQUIRED, "99999999"), 422, [("error", "required-binding")]),
        (coded(REQUIRED, made.OF_ARM, "http://loinc.org"), 422, [("error", "required-binding")]),
        (coded(EXTENSIBLE, made.OF_ARM), 201, []),
        (coded(EXTENSIBLE, made.ARM), 201, [("warning", "extensible-binding")]),
        (coded(ELSEWHERE, "1", "http://nowhere.example"), 201, [("warning", "binding-not-at-hand")]),
    ],
    ids=["right", "not under it", "no code", "another system", "right", "beside it", "not at hand"],
)  # fmt: skip
def test_a_write_is_held_to_what_is_loaded(
    platform: Standing, tree: dict[str, Any], status: int, told: list[tuple[str, str]]
) -> None:
    answer = create(platform, tree, **OUTCOME)
    assert (answer.status, rules(answer)) == (status, told)


def test_what_is_not_at_hand_is_said_with_the_value_set(platform: Standing) -> None:
    body = json.dumps(coded(ELSEWHERE, "1", "http://nowhere.example")).encode()
    answer = Answered(
        platform.client.call("POST", "/fhir/R4/$validate", as_="lab", body=body, headers={"content-type": FHIR})
    )
    (issue,) = [one for one in answer.tree["issue"] if rules(answer) and "details" in one]
    assert "http://bound.example/nowhere" in issue["diagnostics"]
    assert issue["expression"] == ["Observation.code"]


def test_validate_asks_and_tells(platform: Standing) -> None:
    for code, told in ((made.OF_LEG, []), (made.ARM, [("error", "required-binding")])):
        body = json.dumps(coded(REQUIRED, code)).encode()
        answer = platform.client.call(
            "POST", "/fhir/R4/$validate", as_="lab", body=body, headers={"content-type": FHIR}
        )
        assert rules(Answered(answer)) == told


def test_a_patch_is_held_to_it(platform: Standing) -> None:
    id_ = create(platform, coded(REQUIRED, made.OF_ARM)).tree["id"]
    for code, status in ((made.ARM, 422), (made.OF_LEG, 200)):
        patch = [{"op": "replace", "path": "/code/coding/0/code", "value": code}]
        headers = {"content-type": "application/json-patch+json", "if-match": 'W/"1"'}
        body = json.dumps(patch).encode()
        answer = platform.client.call("PATCH", f"/fhir/R4/Observation/{id_}", as_="lab", body=body, headers=headers)
        assert answer.status_code == status, answer.text


def test_a_record_about_nobody_is_held_to_it(platform: Standing) -> None:
    for code, status in ((made.ARM, 422), (made.OF_LEG, 201)):
        kept = {
            "resourceType": "Medication",
            "meta": {"profile": [NOBODYS]},
            "code": {"coding": [{"system": SCT, "code": code}]},
        }
        assert ask(platform, "POST", "Medication", kept).status == status


@pytest.mark.parametrize("many", [2, 300])
def test_an_import_is_held_to_it_in_whichever_process_its_lines_are_read(platform: Standing, many: int) -> None:
    lines = [coded(REQUIRED, made.OF_ARM)] * (many - 1)
    nin = platform.nin("renumbered")

    def sent(*trees: dict[str, Any]) -> Any:
        body = b"\n".join(json.dumps(one).encode() for one in trees)
        headers = {"content-type": "application/fhir+ndjson", "accept": "application/fhir+json"}
        return platform.client.call("POST", "/fhir/R4/$import", as_="lab", patient=nin, body=body, headers=headers)

    wrong = sent(*lines, coded(REQUIRED, made.ARM))
    assert wrong.status_code == 422
    assert wrong.json()["issue"][0]["expression"] == [f"line {many}: Observation.code"]
    assert sent(*lines, coded(REQUIRED, made.OF_LEG)).status_code == 200


def test_a_binding_of_r4_itself_asks_what_is_at_hand(platform: Standing) -> None:
    """The classes of an encounter are found by a filter, which R4's package does not list."""
    for code, told in (("AMB", []), ("DENTAL", [("warning", "extensible-binding")])):
        actual = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}
        body = json.dumps({"resourceType": "Encounter", "status": "planned", "class": actual}).encode()
        answer = platform.client.call(
            "POST", "/fhir/R4/$validate", as_="lab", body=body, headers={"content-type": FHIR}
        )
        assert rules(Answered(answer)) == told


def test_the_command_asks_what_is_loaded(platform: Standing, tmp_path: Path) -> None:
    settings = platform.application._edge.settings
    for code, told in ((made.OF_ARM, []), (made.ARM, ["required-binding"])):
        path = tmp_path / "resource.json"
        path.write_text(json.dumps(coded(REQUIRED, code)), "utf-8")
        found = judged(settings, path, [])
        assert [one["rule"] for one in found["issues"]] == told
        assert (found["terminology"], found["unjudged"]) == (True, [])
