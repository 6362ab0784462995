"""Generated people as FHIR: valid resources, the same bytes however they are made, and a sandbox takes them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kjerne.commands import loading_people
from kjerne.errors import Refusal
from kjerne.fhir.encode import decode
from kjerne.fhir.validate import check
from kjerne.services.synthetic import (
    fhir_files,
    fhir_mapping,
    fitting,
    identities,
    learning,
    model_file,
    tuning,
    writing,
)
from platform_fixture import Answered, Standing

MAPPING = {
    "codes": {
        "hb": {"system": "http://loinc.org", "code": "718-7", "unit": "g/dL", "category": "laboratory"},
        "diabetes": {"system": "http://hl7.org/fhir/sid/icd-10", "code": "E11"},
        "birth": {"kind": "Procedure", "system": "http://snomed.info/sct", "code": "236973005"},
        "death": {"kind": "death"},
    },
    "sex": {"trait": "sex", "levels": {"F": "female", "M": "male"}},
}


@pytest.fixture(scope="module")
def mapped(source: fitting.Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose card says what its codes are."""
    path, folder = tmp_path_factory.mktemp("mapped") / "m.synth", tmp_path_factory.mktemp("mapping") / "map.json"
    folder.write_text(json.dumps(MAPPING))
    meaning = fhir_mapping.read_meaning(folder.read_bytes(), str(folder))
    wanted = fitting.Wanted(age="age", until="seen_until", meaning=meaning)
    effort = learning.Effort(hidden=(16,), epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "ROUNDS", 0)
        model_file.saved(*fitting.fit(source, wanted, effort, lambda *_: None), path)
    return path


def made(
    model: Path, folder: Path, format_: str = "fhir", people: int = 4_150, shard: int = 4_096, **wishes: Any
) -> Path:
    order = writing.Order(str(model), 7, people, shard, format_, str(folder), identities.Wishes(**wishes))
    writing.generate(order, "local", 1, lambda *_: None)
    return folder


@pytest.fixture(scope="module")
def people(mapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,150 people in two shards."""
    return made(mapped, tmp_path_factory.mktemp("fhir") / "one")


def lines(folder: Path, kind: str) -> list[bytes]:
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{kind}-*.ndjson"))).splitlines()


def test_each_type_has_a_file_and_each_resource_is_valid_and_labelled(people: Path) -> None:
    kinds = {path.name.partition("-")[0] for path in people.glob("*.ndjson")}
    assert kinds == {"Patient", "Observation", "Condition", "Procedure"}
    for kind in sorted(kinds):
        found = [decode(line) for line in lines(people, kind)]
        for tree in found[:150]:
            assert check(tree, kind) == []
        assert all(tree["resourceType"] == kind and tree["meta"]["security"][0]["code"] == "HTEST" for tree in found)
        assert len({tree["id"] for tree in found}) == len(found)
    assert len(lines(people, "Patient")) == 4_150


def test_events_are_what_the_card_says_and_hang_on_their_person(people: Path) -> None:
    by_id = {tree["id"]: tree for tree in map(json.loads, lines(people, "Patient"))}
    measured = [json.loads(line) for line in lines(people, "Observation")]
    for tree in measured:
        patient = by_id[tree["subject"]["reference"].removeprefix("Patient/")]
        assert tree["subject"]["identifier"]["value"] == patient["identifier"][0]["value"]
        assert patient["birthDate"] <= tree["effectiveDateTime"] <= "2025-12-31"
    blood = next(tree for tree in measured if tree["code"]["coding"][0]["code"] == "718-7")
    assert blood["valueQuantity"] | {"value": 0} == {
        "value": 0, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL",
    }  # fmt: skip
    assert blood["category"][0]["coding"][0]["code"] == "laboratory"
    smoker = next(tree for tree in measured if tree["code"].get("text") == "smoker")
    assert smoker["code"]["coding"][0]["system"] == fhir_mapping.LEARNED
    assert {json.loads(one)["code"]["coding"][0]["code"] for one in lines(people, "Condition")} == {"E11"}
    dead = [tree for tree in by_id.values() if "deceasedDateTime" in tree]
    assert 0 < len(dead) < len(by_id)
    assert all(tree["birthDate"] < tree["deceasedDateTime"] for tree in dead)
    for tree in measured:
        patient = by_id[tree["subject"]["reference"].removeprefix("Patient/")]
        assert tree["effectiveDateTime"] <= patient.get("deceasedDateTime", "9")


def test_bytes_are_the_same_in_any_shards_and_a_run_that_broke_goes_on(
    people: Path, mapped: Path, tmp_path: Path, run: Any
) -> None:
    whole = made(mapped, tmp_path / "whole", shard=8_192)
    for kind in ("Patient", "Observation", "Condition", "Procedure"):
        assert lines(whole, kind) == lines(people, kind)
    spoiled, before = whole / "Patient-00000.ndjson", (whole / "Patient-00000.ndjson").read_bytes()
    spoiled.write_text("spoiled")
    assert made(mapped, whole, shard=8_192) == whole
    assert spoiled.read_bytes() == before
    assert spoiled.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refusal, match="or identity"):
        made(mapped, whole, shard=8_192, month=65)
    _, out, _ = run("synth", "generate", str(mapped), "--person", "4111", "--seed", "7", "--format", "fhir", "--json")
    alone = json.loads(out)
    assert alone[0] == json.loads(lines(people, "Patient")[4111])
    ours = [json.loads(line) for line in lines(people, "Observation")]
    mine = [tree for tree in ours if tree["subject"]["reference"] == f"Patient/{alone[0]['id']}"]
    assert [tree for tree in alone if tree["resourceType"] == "Observation"] == mine


def test_a_bundle_of_each_person_is_taken_in_by_a_sandbox(platform: Standing, mapped: Path, tmp_path: Path) -> None:
    folder = made(mapped, tmp_path / "bundles", "bundles", people=2)
    for line in lines(folder, "Bundle"):
        tree = decode(line)
        assert check(tree, "Bundle") == []
        headers = {"content-type": "application/fhir+json"}
        answer = Answered(platform.client.call("POST", "/fhir/R4", as_="all-patients", body=line, headers=headers))
        assert answer.status == 200, answer.response.text
        patient = answer.tree["entry"][0]["response"]["location"].split("/_history")[0].rpartition("/fhir/R4/")[2]
        found = Answered(platform.client.call("GET", f"/fhir/R4/Observation?patient={patient}", as_="all-patients"))
        sent = [one["resource"] for one in tree["entry"] if one["resource"]["resourceType"] == "Observation"]
        assert found.tree["total"] == len(sent)


def test_folder_is_loaded_into_a_sandbox_once_however_often_it_is_sent(
    platform: Standing, mapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, steps = made(mapped, tmp_path / "loaded", people=3, until="2024-06-30"), list[tuple[int, int, str]]()
    monkeypatch.setattr(loading_people, "LINES_AT_ONCE", 4)
    monkeypatch.setattr(loading_people, "PEOPLE_AT_ONCE", 2)
    resources = sum(len(lines(folder, kind)) for kind in ("Observation", "Condition", "Procedure"))
    for _ in range(2):
        told = loading_people.loaded(folder, platform.client, lambda *one: steps.append(one))
        assert told == {"people": 3, "resources": resources}
    assert steps[-1] == (resources, resources, "resources")
    for tree in map(json.loads, lines(folder, "Patient")):
        number = tree["identifier"][0]["value"]
        own = [line for line in lines(folder, "Observation") if number.encode() in line]
        asked = {"as_": "all-patients", "patient": number}
        found = Answered(platform.client.call("GET", "/fhir/R4/Observation", **asked))
        assert found.tree["total"] == len(own)


def test_folder_that_is_not_as_it_was_made_is_not_loaded(platform: Standing, mapped: Path, tmp_path: Path) -> None:
    folder = made(mapped, tmp_path / "spoiled", people=3, until="2024-06-30")
    with (folder / "Patient-00000.ndjson").open("ab") as file:
        file.write(b"{}\n")
    for path, says in ((folder, "not as it was made"), (tmp_path, "no generated people")):
        with pytest.raises(Refusal, match=says):
            loading_people.loaded(path, platform.client, lambda *_: None)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"codes": {"hb": {"kind": "Rocket"}}}, "none of the kinds"),
        ({"codes": {"hb": {"value_code": "1"}}}, "has a system and a code"),
        ({"codes": {"hb": {"unit": "drams per pint"}}}, "none of UCUM"),
        ({"codes": {"bp": {"system": "http://loinc.org", "code": "85354-9"}}}, "is a panel"),
        ({"sex": {"trait": "sex", "levels": {"F": "lady"}}}, "a sex is one of"),
        ({"codez": {}}, "not of its form"),
    ],
)
def test_mapping_that_does_not_hold_is_refused(mapping: Any, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        fhir_mapping.read_meaning(json.dumps(mapping).encode(), "map.json")


def test_mapping_of_a_trait_that_is_not_there_is_refused_and_a_class_is_what_its_codes_are() -> None:
    given = fhir_mapping.Meaning(
        {"E11.9": fhir_mapping.CodeAs("Condition", "icd")}, fhir_mapping.SexAs("gender", {"F": "female"})
    )
    with pytest.raises(Refusal, match="no trait gender"):
        fhir_mapping.kept_meaning(given, ["E11"], {"sex": ["F"]}, "map.json")
    kept = fhir_mapping.kept_meaning(given, ["E11"], {"gender": ["F"]}, "map.json")
    assert kept["codes"] == {"E11": {"kind": "Condition", "system": "icd"}}


def test_formats_and_options_that_do_not_go_together_are_refused(mapped: Path, tmp_path: Path, run: Any) -> None:
    (tmp_path / "pool.csv").write_text("number\n")
    words = ("synth", "generate", str(mapped), "--out", str(tmp_path / "n"), "--pool", str(tmp_path / "pool.csv"))
    assert "nobody has a number in a table" in run(*words)[2]
    assert "80 or 65" in run(*words[:5], "--format", "fhir", "--month", "40")[2]
    assert fhir_files.FORMATS == ("fhir", "bundles")
