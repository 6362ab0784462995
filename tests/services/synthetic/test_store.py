"""`kjerne synth fit --store`: resources one by one, without a name or a word, and what the command says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.commands import learning
from kjerne.errors import Refusal
from kjerne.services.synthetic import fhir_reading, tuning
from services.synthetic.test_fhir_reading import ICD, LOINC, NUMBER, Tree, cohort, measured, person, said

PLACES: dict[str, Callable[[str], Tree]] = {
    "text": lambda word: {"text": {"status": "generated", "div": f"<div>{word}</div>"}},
    "note": lambda word: {"note": [{"text": word}]},
    "extension": lambda word: {"extension": [{"url": "urn:x", "valueString": word}]},
    "contained": lambda word: {"contained": [{"resourceType": "Patient", "name": [{"family": word}]}]},
    "name": lambda word: {"name": [{"family": word, "given": [word]}]},
    "telecom": lambda word: {"telecom": [{"value": word}], "address": [{"text": word, "postalCode": word}]},
    "identifier": lambda word: {"identifier": [{"system": "urn:oid:1.2", "value": word}]},
    "performer": lambda word: {"performer": [{"display": word}], "recorder": {"display": word}},
    "valueString": lambda word: {"valueString": word},
    "reason": lambda word: {"reasonCode": [{"text": word}], "interpretation": [{"text": word}]},
    "id": lambda word: {"id": word},
    "unknown": lambda word: {word: word, "something": [{"else": {"deep": word}}]},
}


@pytest.fixture(autouse=True)
def little_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models here need not be good."""
    monkeypatch.setattr(tuning, "ROUNDS", 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(PLACES)), max_size=5),
    st.lists(st.sampled_from(sorted(PLACES)), min_size=1, max_size=5),
    st.text("ÆØÅXYZQW", min_size=8, max_size=20),
)
def test_no_name_number_or_word_of_a_resource_is_taken(of_her: list[str], of_hers: list[str], word: str) -> None:
    found = fhir_reading.Resources()
    telling = f"{word} {NUMBER}"
    her = {key: value for place in of_her for key, value in PLACES[place](telling).items()}
    what = {key: value for place in of_hers for key, value in PLACES[place](telling).items()}
    of = str(her.get("id", "a"))
    concept = {"coding": [{"system": LOINC, "code": "718-7", "display": telling}], "text": telling}
    subject = {"reference": f"Patient/{of}", "display": telling}
    for tree in (
        {**person("a"), **her}, {**measured("718-7", 13), **what, "code": concept, "subject": subject},
        {**said("Condition", "I21", of=of, onsetDateTime="2020-01-01"), **what},
        {"resourceType": "Patient", "id": 7, "name": telling}, {"resourceType": "Basic", "text": telling},
    ):  # fmt: skip
        found.take(json.dumps(tree).encode())
    told = found.told("the store")
    assert set(told.events.codes) == {"718-7", "I21"}
    whole = repr((told.events, told.traits, told.meaning, told.notes))
    assert word not in whole
    assert NUMBER not in whole


def test_what_comes_before_its_patient_waits_for_her() -> None:
    found = fhir_reading.Resources()
    for tree in (person("a"), measured("718-7", 13), measured("718-7", 14, of="b"), person("b")):
        found.take(json.dumps(tree).encode())
    assert sorted(zip(found.told("the store").events.ids, found.told("the store").events.values, strict=True)) == [
        ("0", 13), ("1", 14),
    ]  # fmt: skip


def test_resources_of_nobody_are_refused_as_they_are_in_files() -> None:
    found = fhir_reading.Resources()
    with pytest.raises(Refusal, match="no Patient"):
        found.told("the store")
    for tree in (person("a"), measured("718-7", 13), measured("718-7", 13, of="b")):
        found.take(json.dumps(tree).encode())
    with pytest.raises(Refusal, match="1 resources are of nobody"):
        found.told("the store")


def test_model_of_a_store_says_whom_it_is_of_under_which_permission_and_can_be_reported_on(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fhir_reading.files_in(
        cohort(tmp_path / "real", 150, said("Condition", "A01", ICD, of="id1", onsetDateTime="2020"))
    )
    told, permission = fhir_reading.read(files), {"number": "5", "who": "Prøve Forsker"}
    monkeypatch.setattr(learning, "read", lambda *_: learning.People(told, permission))
    asked = list[int]()
    monkeypatch.setattr(learning, "still_permitted", lambda _, number: asked.append(number))
    parts = tmp_path / "parts"
    words = ("synth", "fit", "--store", "--permission", "5", "--epochs", "1", "--json", "--out", str(tmp_path / "m"))
    code, out, err = run(*words, "--parts", str(parts))
    assert code == 0, err
    card = json.loads(out)["card"]
    assert (card["learned_from"], card["form"], card["permission"]) == (
        "real people",
        "a platform's own store",
        permission,
    )
    assert [one["file"] for one in card["lineage"]] == ["events.csv", "static.csv"]
    assert card["fhir"]["codes"]["718-7"]["system"] == LOINC
    assert asked == [5]
    held = (parts / "holdout" / "static.csv").read_text().count("\n") - 1
    assert card["people"] + held == 150
    assert oct((parts / "train" / "events.csv").stat().st_mode)[-3:] == "600"
    monkeypatch.setattr(learning, "read", lambda *_: learning.People(told, {}))
    card = json.loads(run(*words)[1])["card"]
    assert (card["learned_from"], "permission" in card, card["people"]) == ("generated people", False, 150)
    assert card["not_real"].startswith("Not learned from real data")
    second_hand = replace(told, is_second_hand=True)
    monkeypatch.setattr(learning, "read", lambda *_: learning.People(second_hand, {}))
    assert json.loads(run(*words)[1])["card"]["learned_from"] == "people made by a model of real people"


def test_nothing_is_learned_under_a_permission_that_ended_meanwhile(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = fhir_reading.read(fhir_reading.files_in(cohort(tmp_path / "real", 120)))

    def over(*_: object) -> None:
        raise Refusal(403, "the permission is ended meanwhile, and nothing was learned")

    monkeypatch.setattr(learning, "read", lambda *_: learning.People(told, {"number": "5"}))
    monkeypatch.setattr(learning, "still_permitted", over)
    words = ("synth", "fit", "--store", "--permission", "5", "--epochs", "1", "--out", str(tmp_path / "m"))
    assert "ended meanwhile" in run(*words)[2]
    assert not (tmp_path / "m").exists()


def test_what_does_not_go_with_a_store_is_refused(tmp_path: Path, run: Any) -> None:
    out = ("--out", str(tmp_path / "m"))
    assert "people of its own" in run("synth", "fit", str(tmp_path), "--store", *out)[2]
    assert "asked of a store alone" in run("synth", "fit", str(tmp_path), "--permission", "5", *out)[2]
    assert "there is no database" in run("synth", "fit", "--store", "--data", str(tmp_path), *out)[2]
    permit = ("synth", "permit", "--export", "7", "--data", str(tmp_path))
    assert "no day as 2026-12-31" in run(*permit, "--until", "i morgen")[2]
    assert not (tmp_path / "m").exists()
