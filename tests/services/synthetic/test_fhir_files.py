"""Generated people as FHIR: valid resources, the same bytes however they are made, and a sandbox takes them in."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from kjerne.commands import loading_people
from kjerne.errors import Refusal
from kjerne.fhir.dates import OSLO
from kjerne.fhir.encode import decode, encode
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
        "hb": {
            "system": "http://loinc.org",
            "code": "718-7",
            "unit": "g/dL",
            "category": "laboratory",
            "ranges": [{"low": 11.7, "high": 15.3, "sex": "female"}, {"low": 13.4, "high": 17, "sex": "male"}],
        },
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


WHOSE = fhir_files._Whose("{}", "female", "{}", "{}")


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
    assert kinds == {"Patient", "Observation", "Condition", "Procedure", "Encounter"}
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


def test_what_was_done_on_a_day_hangs_on_one_visit_with_who_did_it_and_what_is_usual(people: Path) -> None:
    patients = {tree["id"]: tree for tree in map(json.loads, lines(people, "Patient"))}
    visits = {f"Encounter/{tree['id']}": tree for tree in map(json.loads, lines(people, "Encounter"))}
    days, at = set[tuple[str, str]](), {name: set[str]() for name in visits}
    for kind in ("Observation", "Condition", "Procedure"):
        for tree in map(json.loads, lines(people, kind)):
            visit = visits[tree["encounter"]["reference"]]
            when = next(
                tree[name] for name in ("effectiveDateTime", "onsetDateTime", "performedDateTime") if name in tree
            )
            assert visit["period"]["start"] <= when <= visit["period"]["end"]
            assert visit["subject"]["reference"] == tree["subject"]["reference"]
            at[tree["encounter"]["reference"]].add(kind)
    for visit in visits.values():
        days.add((visit["subject"]["reference"], visit["period"]["start"]))
        city = patients[visit["subject"]["reference"].removeprefix("Patient/")]["address"][0]["city"]
        assert visit["serviceProvider"]["display"].lower() == f"legekontoret i {city.lower()} (oppdiktet)"
    assert len(days) == len(visits)
    assert all(at.values())
    assert any(len(kinds) > 1 for kinds in at.values())
    bloods = [
        tree for tree in map(json.loads, lines(people, "Observation")) if tree["code"]["coding"][0]["code"] == "718-7"
    ]
    for tree in bloods:
        assert tree["performer"][0]["display"].startswith("Laboratoriet i ")
        high = tree["referenceRange"][0]["high"] if "valueQuantity" in tree else {"value": 0}
        sex = patients[tree["subject"]["reference"].removeprefix("Patient/")]["gender"]
        assert high["value"] in (0, {"female": 15.3, "male": 17}[sex])


def test_bytes_are_the_same_in_any_shards_and_a_run_that_broke_goes_on(
    people: Path, mapped: Path, tmp_path: Path, run: Any
) -> None:
    whole = made(mapped, tmp_path / "whole", shard=8_192)
    for kind in ("Patient", "Observation", "Condition", "Procedure", "Encounter"):
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
    resources = sum(len(lines(folder, kind)) for kind in ("Observation", "Condition", "Procedure", "Encounter"))
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


def measured_of(platform: Standing, number: str) -> int:
    """How many Observations somebody has on the platform."""
    return int(
        Answered(platform.client.call("GET", "/fhir/R4/Observation", as_="all-patients", patient=number)).tree["total"]
    )


def numbers_in(folder: Path) -> dict[str, int]:
    """By number how many Observations somebody has in a folder."""
    found = {json.loads(line)["identifier"][0]["value"]: 0 for line in lines(folder, "Patient")}
    for line in lines(folder, "Observation"):
        found[json.loads(line)["subject"]["identifier"]["value"]] += 1
    return found


def rewritten(folder: Path, before: bytes, after: bytes) -> Path:
    """A folder in which one thing is another everywhere, and which says so itself."""
    for path in folder.glob("*.ndjson"):
        path.write_bytes(path.read_bytes().replace(before, after))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for shard in manifest["shards"]:
        shard["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in shard["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def load(platform: Standing, folder: Path) -> dict[str, int]:
    return loading_people.loaded(folder, platform.client, lambda *_: None)


def test_everybody_has_her_life_once_where_a_folder_broke_off_and_where_it_has_grown(
    platform: Standing, mapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = made(mapped, tmp_path / "small", people=5, until="2023-06-30")
    grown = made(mapped, tmp_path / "grown", people=8, until="2023-06-30")
    imports, call = list[bytes](), platform.client.call

    def breaks(method: str, path: str, **more: Any) -> Any:
        if path.endswith("$import"):
            imports.append(more["body"])
            if len(imports) == 2:
                raise Refusal(502, "gone")
        return call(method, path, **more)

    monkeypatch.setattr(loading_people, "PEOPLE_AT_ONCE", 2)
    with monkeypatch.context() as patch:
        patch.setattr(platform.client, "call", breaks)
        with pytest.raises(Refusal, match="gone"):
            load(platform, small)
    monkeypatch.setattr(loading_people, "PEOPLE_AT_ONCE", 3)
    for folder in (small, grown, small):
        assert load(platform, folder)["people"] == len(numbers_in(folder))
    assert {number: measured_of(platform, number) for number in numbers_in(grown)} == numbers_in(grown)


def test_who_is_somebody_else_in_the_sandbox_is_told_and_nothing_is_filed(
    platform: Standing, mapped: Path, tmp_path: Path
) -> None:
    ours = made(mapped, tmp_path / "ours", people=3, until="2022-06-30")
    load(platform, ours)
    run_of = json.loads(lines(ours, "Patient")[0])["id"].partition("-")[0].encode()
    others = rewritten(made(mapped, tmp_path / "others", people=4, until="2022-06-30"), run_of, b"bbbbbbbb")
    with pytest.raises(Refusal, match="3 people could not be registered, and nothing is filed") as refused:
        load(platform, others)
    assert "Patient-00000.ndjson, line 3: somebody else in the sandbox has this number" in str(refused.value)
    assert not any(number in str(refused.value) for number in numbers_in(others))
    assert {number: measured_of(platform, number) for number in numbers_in(ours)} == numbers_in(ours)
    (new,) = numbers_in(others).keys() - numbers_in(ours).keys()
    assert measured_of(platform, new) == 0


@pytest.mark.parametrize("name", ["citizen", "opted-out"])
def test_number_of_a_resident_is_not_filed_on(name: str, platform: Standing, mapped: Path, tmp_path: Path) -> None:
    folder = made(mapped, tmp_path / "resident", people=1, until="2021-06-30")
    (number,) = numbers_in(folder)
    resident = platform.nin(name)
    with pytest.raises(Refusal, match="1 people could not be registered") as refused:
        load(platform, rewritten(folder, number.encode(), resident.encode()))
    assert "line 1: " in str(refused.value)
    assert resident not in str(refused.value)


def test_file_outside_the_folder_is_not_read(platform: Standing, mapped: Path, tmp_path: Path) -> None:
    folder = made(mapped, tmp_path / "inside", people=1, until="2021-06-30")
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace("Patient-00000", "../inside/Patient-00000"))
    with pytest.raises(Refusal, match="outside the folder"):
        load(platform, folder)


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
        ({"codes": {"hb": {"ranges": [{"low": 2, "high": 1}]}}}, "is none"),
        ({"codes": {"hb": {"ranges": [{}]}}}, "is none"),
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


@pytest.fixture(scope="module")
def vital(source: fitting.Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in which three codes are vital signs: a pressure's two parts, and a pulse by a narrower code."""
    path = tmp_path_factory.mktemp("vital") / "m.synth"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "ROUNDS", 0)
        meaning = fhir_mapping.Meaning({
            name: fhir_mapping.CodeAs("Observation", "http://loinc.org", code, unit, "vital-signs")
            for name, code, unit in (("hb", "8480-6", "mm[Hg]"), ("diabetes", "8462-4", "mm[Hg]"), ("smoker", "8889-8", "/min"))
        })  # fmt: skip
        wanted = fitting.Wanted(age="age", until="seen_until", meaning=meaning)
        model_file.saved(*fitting.fit(source, wanted, learning.Effort(hidden=(16,), epochs=1), lambda *_: None), path)
    return path


def test_parts_of_a_blood_pressure_come_out_as_one_and_narrower_codes_have_the_general_one_beside(
    platform: Standing, vital: Path, tmp_path: Path
) -> None:
    found = [decode(line) for line in lines(made(vital, tmp_path / "vital", people=60), "Observation")]
    by_code = dict[str, list[Any]]()
    for tree in found:
        by_code.setdefault(tree["code"]["coding"][0]["code"], []).append(tree)
        assert check(tree, "Observation") == []
    assert "8480-6" not in by_code
    assert "8462-4" not in by_code
    for tree in by_code["85354-9"]:
        assert [one["code"]["coding"][0]["code"] for one in tree["component"]] == ["8480-6", "8462-4"]
        assert all(("valueQuantity" in one) != ("dataAbsentReason" in one) for one in tree["component"])
    assert any("valueQuantity" in one for tree in by_code["85354-9"] for one in tree["component"])
    moments = [(tree["subject"]["reference"], tree["effectiveDateTime"]) for tree in by_code["85354-9"]]
    assert len(set(moments)) == len(moments)
    for tree in (by_code["85354-9"][0], by_code["8889-8"][0]):
        said = {"as_": "all-patients", "headers": {"content-type": "application/fhir+json"}}
        answer = Answered(platform.client.call("POST", "/fhir/R4/Observation/$validate", body=encode(tree), **said))
        assert {one["severity"] for one in answer.tree["issue"]} == {"information"}, answer.response.text
    for tree in by_code["8889-8"]:
        assert [one["code"] for one in tree["code"]["coding"]] == ["8889-8", "8867-4"]
        assert tree["category"][0]["coding"][0]["code"] == "vital-signs"


def test_what_was_found_by_code_is_shown_by_the_tables_word(kept: model_file.Kept) -> None:
    place = kept.model.codes.index("smoker")
    told = fhir_mapping.CodeAs(
        "Observation", "http://loinc.org", "72166-2", value_system="urn:x:y", value_code="77176002"
    )
    found = json.loads(fhir_files._template(kept.model, told, place).event("a", WHOSE, "2020-01-01", 1.0, 40))
    assert found["code"]["text"] == "smoker"
    assert found["valueCodeableConcept"]["coding"][0]["code"] == "77176002"


def test_moments_are_by_norwegian_clocks_and_none_change_places() -> None:
    assert fhir_files._moment(date(2024, 7, 1).toordinal(), 545) == "2024-07-01T09:05:00+02:00"
    assert fhir_files._moment(date(2024, 1, 1).toordinal(), 545) == "2024-01-01T09:05:00+01:00"
    for change in (date(2024, 3, 31), date(2024, 10, 27)):
        told = [
            datetime.fromisoformat(fhir_files._moment(change.toordinal() + day, minute))
            for day in (-1, 0, 1)
            for minute in range(1_440)
        ]
        assert told == sorted(told)
        assert all(one.utcoffset() == one.astimezone(OSLO).utcoffset() for one in told)


def test_formats_and_options_that_do_not_go_together_are_refused(mapped: Path, tmp_path: Path, run: Any) -> None:
    (tmp_path / "pool.csv").write_text("number\n")
    words = ("synth", "generate", str(mapped), "--out", str(tmp_path / "n"), "--pool", str(tmp_path / "pool.csv"))
    assert "nobody has a number in a table" in run(*words)[2]
    assert "80 or 65" in run(*words[:5], "--format", "fhir", "--month", "40")[2]
    assert fhir_files.FORMATS == ("fhir", "bundles")
