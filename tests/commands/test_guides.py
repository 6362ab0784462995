"""`kjerne ig`: packages are kept in the data directory, and a file is held against their profiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guide_packages import element, package, profile
from kjerne.commands.guides import added, judged, kept, told
from kjerne.errors import Refusal
from kjerne.fhir.profiles import CORE
from kjerne.settings import Settings

URL = "http://example.org/profile"
OBSERVATION = {"resourceType": "Observation", "meta": {"profile": [URL]}, "status": "final", "code": {"text": "x"}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


def file(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(raw)
    return path


def test_a_package_is_kept_and_its_profile_asked(settings: Settings, tmp_path: Path) -> None:
    guide = package(profile("Observation", element("Observation.subject", 1, "1")))
    assert added(settings, file(tmp_path, guide))["definitions"]["StructureDefinition"] == 1
    assert kept(settings) == [{"name": "test.guide", "version": "1.0.0"}]
    found = judged(settings, file(tmp_path, json.dumps(OBSERVATION, indent=1).encode()), [])
    assert (found["right"], found["profiles"], found["unknown"]) == (False, [URL], [])
    assert [(one["expression"], one["rule"]) for one in found["issues"]] == [
        ("Observation.subject", "profile-cardinality")
    ]
    assert told(found).endswith("1 faults")


def test_a_profile_without_a_snapshot_is_told_when_its_package_comes(settings: Settings, tmp_path: Path) -> None:
    bare = {name: value for name, value in profile("Observation").items() if name != "snapshot"}
    assert added(settings, file(tmp_path, package(bare)))["withoutSnapshot"] == [URL]
    with pytest.raises(Refusal, match="no snapshot"):
        judged(settings, file(tmp_path, json.dumps(OBSERVATION).encode()), [])


def test_a_profile_that_is_not_at_hand_is_told_and_one_that_is_asked_for_refused(
    settings: Settings, tmp_path: Path
) -> None:
    path = file(tmp_path, json.dumps(OBSERVATION).encode())
    found = judged(settings, path, [])
    assert (found["right"], found["unknown"]) == (True, [URL])
    with pytest.raises(Refusal):
        judged(settings, path, [URL])


def test_xml_is_judged_too_and_a_fault_has_its_line(settings: Settings, tmp_path: Path) -> None:
    raw = b'<Observation xmlns="http://hl7.org/fhir">\n<status value="odd"/>\n<code><text value="x"/></code></Observation>'
    found = judged(settings, file(tmp_path, raw), [])
    assert [(one["expression"], one["line"]) for one in found["issues"]] == [("Observation.status", 2)]


@pytest.mark.parametrize("raw", [b"{}", b'{"resourceType": "Nothing"}', b'{"resourceType": 1}', b"", b"<x/>"])
def test_what_is_no_resource_is_refused(raw: bytes, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        judged(settings, file(tmp_path, raw), [])


@pytest.mark.parametrize("count", [40, 190])
def test_a_resource_that_nests_is_judged_or_refused(count: int, settings: Settings, tmp_path: Path) -> None:
    nested = '<extension url="urn:x">' * count + '<valueCode value="y"/>' + "</extension>" * count
    raw = f'<Observation xmlns="http://hl7.org/fhir">{nested}<status value="final"/><code><text value="x"/></code></Observation>'
    try:
        assert judged(settings, file(tmp_path, raw.encode()), [])["right"]
    except Refusal as refused:
        assert (count, refused.status) == (190, 400)


def test_a_profile_of_r4_itself_needs_no_package(settings: Settings, tmp_path: Path) -> None:
    core = "http://hl7.org/fhir/StructureDefinition/"
    named = OBSERVATION | {"meta": {"profile": [f"{core}Observation", f"{core}vitalsigns"]}}
    found = judged(settings, file(tmp_path, json.dumps(named).encode()), [])
    assert (found["profiles"], found["unknown"]) == ([f"{core}vitalsigns"], [])
    assert "profile-cardinality" in {one["rule"] for one in found["issues"]}


def test_where_no_database_runs_the_lists_of_packages_and_of_r4_are_asked_and_that_is_said(
    settings: Settings, tmp_path: Path
) -> None:
    tree = OBSERVATION | {"interpretation": [{"coding": [{"system": "urn:s", "code": "x"}]}]}
    found = judged(settings, file(tmp_path, json.dumps(tree).encode()), [])
    assert ([one["rule"] for one in found["advice"]], found["terminology"]) == (["extensible-binding"], False)
    vital = judged(settings, file(tmp_path, json.dumps(tree).encode()), [f"{CORE}vitalsigns"])
    assert [one["rule"] for one in vital["advice"]] == ["extensible-binding"], (
        "the profile repeats the binding of its type"
    )
    assert "no database runs" in told(found)


def test_a_vital_sign_is_held_to_its_profile_though_it_names_none(settings: Settings, tmp_path: Path) -> None:
    def found(code: str) -> tuple[bool, list[str], list[str]]:
        tree = {
            "resourceType": "Observation", "status": "final", "subject": {"display": "x"},
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueString": "x",
        }  # fmt: skip
        told = judged(settings, file(tmp_path, json.dumps(tree).encode()), [])
        effective = [
            name for name in ("issues", "advice") for one in told[name] if one["expression"] == "Observation.effective"
        ]
        return told["right"], effective, told["profiles"]

    weight = ["http://hl7.org/fhir/StructureDefinition/bodyweight|4.0.1"]
    assert found("29463-7") == (False, ["issues"], weight)
    assert found("3141-9") == (True, ["advice"], weight)
    assert found("1988-5") == (True, [], [])
