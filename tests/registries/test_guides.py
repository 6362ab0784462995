"""Profile sets: what is asked of which type, how it is read, and when it is read anew."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from guide_packages import element, package, profile
from kjerne.errors import Refusal
from kjerne.fhir import core_profiles, shelf
from kjerne.fhir.profiles import CORE
from kjerne.registries.guides import Guides, Named, packages_asked

URL = "http://example.org/profile"
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
NAMING = OBSERVATION | {"meta": {"profile": [URL]}}
LACKS = ["profile-cardinality"]


def guide(*, version: str = "1.0.0", type_: str = "Observation") -> bytes:
    return package(profile(type_, element(f"{type_}.subject", 1)), version=version)


def ask(**more: str) -> str:
    row = {"service": "results", "type": "Observation", "profile": URL, "strength": "required"} | more
    return "[[ask]]\n" + "".join(f'{name} = "{value}"\n' for name, value in row.items())


def guides(folder: Path, sets: str = "", named: Named = "required") -> Guides:
    if sets:
        folder.mkdir(exist_ok=True)
        write(folder / "profiles.toml", sets)
    return Guides(folder, folder / "profiles.toml", named)


def write(path: Path, text: str) -> None:
    """Written at a time of its own: two writes may fall within one tick of the disk's clock."""
    earlier = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, "utf-8")
    os.utime(path, ns=(earlier + 10**9, earlier + 10**9))


def supported(known: Guides) -> dict[str, list[str]]:
    """What is promised beside R4's own profiles."""
    own = core_profiles.of_types()
    found = {name: [one for one in some if one not in own.get(name, ())] for name, some in known.supported().items()}
    return {name: some for name, some in found.items() if some}


def rules(known: Guides, tree: dict[str, Any]) -> tuple[list[str], list[str]]:
    found = known.on_write(tree, "Observation")
    return [one.rule for one in found.faults], [one.rule for one in found.advice]


def test_nothing_is_asked_where_nothing_is_loaded(tmp_path: Path) -> None:
    assert rules(guides(tmp_path / "none"), NAMING) == ([], [])


@pytest.mark.parametrize(("strength", "found"), [("required", (LACKS, [])), ("warn", ([], LACKS))])
def test_a_set_asks_every_resource_of_its_type(tmp_path: Path, strength: str, found: Any) -> None:
    shelf.add(tmp_path, guide())
    known = guides(tmp_path, ask(strength=strength))
    assert rules(known, OBSERVATION) == found
    assert rules(known, OBSERVATION | {"subject": {"display": "x"}}) == ([], [])
    assert supported(known) == {"Observation": sorted({URL, f"{URL}|1.0.0"})}


@pytest.mark.parametrize(("named", "found"), [("required", (LACKS, [])), ("warn", ([], LACKS)), ("off", ([], []))])
def test_a_profile_that_is_named_is_asked_as_the_setting_says(tmp_path: Path, named: Named, found: Any) -> None:
    shelf.add(tmp_path, guide())
    assert rules(guides(tmp_path, named=named), NAMING) == found
    assert rules(guides(tmp_path, named=named), OBSERVATION) == ([], [])


VITAL = OBSERVATION | {"code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}}


@pytest.mark.parametrize(("named", "faults", "advice"), [("required", 1, 0), ("warn", 0, 1), ("off", 0, 0)])
def test_a_vital_sign_means_its_profile_as_if_it_named_it(
    tmp_path: Path, named: Named, faults: int, advice: int
) -> None:
    known = guides(tmp_path, named=named)
    for more in ({}, {"meta": {"profile": [f"{CORE}bodyweight"]}}, {"meta": {"profile": [f"{CORE}bodyweight|4.0.1"]}}):
        found = known.on_write(VITAL | more, "Observation")
        wheres = [[one.where for one in some] for some in (found.faults, found.advice)]
        assert [some.count("Observation.subject") for some in wheres] == [faults, advice]
    assert known.asks_codes(VITAL, "Observation") is True
    assert known.asks_codes(OBSERVATION, "Observation") is False


def test_a_later_version_in_a_package_is_not_what_the_code_of_a_vital_sign_means(tmp_path: Path) -> None:
    later = profile("Observation", element("Observation.note", 1), url=f"{CORE}bodyweight") | {"version": "5.0.0"}
    shelf.add(tmp_path, package(later))
    found = guides(tmp_path).on_write(VITAL, "Observation")
    assert "Observation.note" not in [one.where for one in found.faults]
    assert found.asked == [f"{CORE}bodyweight|4.0.1"]


def test_what_is_required_by_one_is_not_made_less_by_the_other(tmp_path: Path) -> None:
    shelf.add(tmp_path, guide())
    assert rules(guides(tmp_path, ask(strength="warn")), NAMING) == (LACKS, [])
    assert rules(guides(tmp_path, ask(strength="required"), "warn"), NAMING) == (LACKS, [])


def test_a_set_means_the_version_it_names(tmp_path: Path) -> None:
    shelf.add(tmp_path, guide())
    shelf.add(tmp_path, package(profile("Observation"), version="2.0.0"))
    assert rules(guides(tmp_path, ask()), OBSERVATION) == ([], [])
    assert rules(guides(tmp_path, ask(profile=f"{URL}|1.0.0")), OBSERVATION) == (LACKS, [])


def test_what_comes_together_is_held_against_the_packages_of_its_first_look(tmp_path: Path) -> None:
    shelf.add(tmp_path, guide())
    known = guides(tmp_path, ask())
    with known.still():
        assert rules(known, OBSERVATION) == (LACKS, [])
        write(tmp_path / "profiles.toml", ask(strength="warn"))
        assert rules(known, OBSERVATION) == (LACKS, [])
    assert rules(known, OBSERVATION) == ([], LACKS)


def test_packages_and_sets_are_read_anew_where_they_change_and_kept_where_they_cannot_be_read(tmp_path: Path) -> None:
    known = guides(tmp_path)
    assert rules(known, OBSERVATION) == ([], [])
    shelf.add(tmp_path, guide())
    write(tmp_path / "profiles.toml", ask())
    assert rules(known, OBSERVATION) == (LACKS, [])
    write(tmp_path / "profiles.toml", "[[ask]")
    assert rules(known, OBSERVATION) == (LACKS, [])
    shelf.remove(tmp_path, "test.guide", "1.0.0")
    with pytest.raises(Refusal) as refused:
        rules(pickle.loads(pickle.dumps(guides(tmp_path, ask()))), OBSERVATION)
    assert refused.value.status == 422
    write(tmp_path / "profiles.toml", " ")
    assert rules(known, OBSERVATION) == ([], [])


@pytest.mark.parametrize(
    "sets",
    [
        "x", "ask = 1", '[[ask]]\nservice = "results"', ask(service="critical-information"), ask(type="Basic"),
        ask(strength="perhaps"), ask(profile="http://example.org/other"), ask(type="Specimen"), ask(colour="red"),
    ],
)  # fmt: skip
def test_a_set_that_cannot_be_meant_stops_a_start_with_the_name_of_its_setting(tmp_path: Path, sets: str) -> None:
    shelf.add(tmp_path, guide())
    with pytest.raises(Refusal) as refused:
        guides(tmp_path, sets).state()
    assert (refused.value.status, refused.value.where) == (422, "KJERNE_PROFILES")


def bare() -> dict[str, Any]:
    """A profile that tells its differences alone."""
    return {name: value for name, value in profile("Observation").items() if name != "snapshot"}


@pytest.mark.parametrize(
    ("named", "found"), [("required", (["profile-unusable"], [])), ("warn", ([], ["profile-unusable"]))]
)
def test_a_profile_that_nothing_can_be_held_against_is_not_promised_and_not_passed_over(
    tmp_path: Path, named: Named, found: Any
) -> None:
    shelf.add(tmp_path, package(bare()))
    known = guides(tmp_path, named=named)
    assert supported(known) == {}
    assert rules(known, NAMING) == found
    assert rules(known, NAMING) == found
    assert rules(known, OBSERVATION) == ([], [])


@pytest.mark.parametrize("named", ["required", "warn", "off"])
def test_more_profiles_than_are_asked_are_not_passed_over(tmp_path: Path, named: Named) -> None:
    many = OBSERVATION | {"meta": {"profile": [f"http://x.example/{place}" for place in range(21)]}}
    found = guides(tmp_path, named=named).on_write(many, "Observation")
    wrong = [one.where for one in {"required": found.faults, "warn": found.advice}.get(named, [])]
    assert wrong == ([] if named == "off" else ["Observation.meta.profile"])
    assert not (found.faults if named != "required" else found.advice)


def test_a_set_asks_a_type_about_no_patient_as_well(tmp_path: Path) -> None:
    shelf.add(tmp_path, package(profile("Organization", element("Organization.telecom", 1))))
    known = guides(tmp_path, ask(service="registry", type="Organization"))
    found = known.on_write({"resourceType": "Organization", "name": "Nord"}, "Organization")
    assert [one.rule for one in found.faults] == LACKS
    assert supported(known) == {"Organization": sorted({URL, f"{URL}|1.0.0"})}
    with pytest.raises(Refusal):
        guides(tmp_path, ask(service="space", type="Organization")).state()


@pytest.mark.parametrize(
    ("named", "found"), [("required", (["vs-2"], [])), ("warn", ([], ["vs-2"])), ("off", ([], []))]
)
def test_a_profile_of_r4_itself_is_asked_and_promised_as_one_of_a_package(
    tmp_path: Path, named: Named, found: Any
) -> None:
    vital_signs = f"{CORE}vitalsigns"
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    tree = OBSERVATION | {
        "meta": {"profile": [vital_signs]}, "category": [{"coding": [category]}], "subject": {"display": "x"},
        "effectiveDateTime": "2024-03-14",
    }  # fmt: skip
    known = guides(tmp_path, named=named)
    assert rules(known, tree) == found
    assert (vital_signs in known.supported().get("Observation", [])) == (named != "off")


def test_a_set_asks_a_profile_of_r4_itself(tmp_path: Path) -> None:
    known = guides(tmp_path, ask(profile=f"{CORE}vitalsigns"))
    assert "profile-cardinality" in rules(known, OBSERVATION)[0]
    with pytest.raises(Refusal):
        guides(tmp_path, ask(profile=f"{CORE}Observation")).state()


def test_a_set_means_the_profile_of_the_package_that_it_names(tmp_path: Path) -> None:
    """A guide may keep the number of a profile while its own goes on, or number it otherwise."""
    numbered = profile("Observation", element("Observation.subject", 1)) | {"version": "0.3"}
    shelf.add(tmp_path, package(numbered, version="1.0.0"))
    shelf.add(tmp_path, package(profile("Observation") | {"version": "0.4"}, version="2.0.0"))
    assert rules(guides(tmp_path, ask(package="test.guide#2.0.0")), OBSERVATION) == ([], [])
    older = guides(tmp_path, ask(package="test.guide#1.0.0"))
    assert rules(older, OBSERVATION) == (LACKS, [])
    assert packages_asked(older) == ["test.guide#1.0.0"]


@pytest.mark.parametrize(
    "more", [{"package": "test.guide#3"}, {"package": "test.guide#1.0.0", "profile": f"{URL}|1.0.0"}]
)
def test_a_package_that_is_not_kept_or_has_not_the_profile_stops_a_start(tmp_path: Path, more: dict[str, str]) -> None:
    shelf.add(tmp_path, guide())
    with pytest.raises(Refusal, match="is not kept, or has not"):
        guides(tmp_path, ask(**more)).state()


def test_of_two_packages_with_the_same_version_of_a_profile_none_is_guessed(tmp_path: Path) -> None:
    same = profile("Observation") | {"version": "1"}
    for version in ("1.0.0", "2.0.0"):
        shelf.add(tmp_path, package(same, version=version))
    with pytest.raises(Refusal, match="another package has this profile"):
        guides(tmp_path, ask(package="test.guide#1.0.0")).state()
