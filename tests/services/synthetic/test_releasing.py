"""`kjerne synth approve`: a model of real people leaves the closed zone when its gates pass and a named person answers for it."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import model_file, releasing, tuning
from kjerne.services.synthetic.judging import LIMITS

WHY = "Testdata til leverandører av journalsystemer"
WHO = ("--name", "Prøve Ansvarlig", "--why", WHY)


@pytest.fixture(autouse=True)
def little_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are learned here need not be good."""
    monkeypatch.setattr(tuning, "ROUNDS", 0)


@pytest.fixture
def model(model_path: Path, tmp_path: Path) -> Path:
    """A copy of the model, of real people."""
    return shutil.copy(model_path, tmp_path / "m.synth")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KJERNE_CLOSED_ZONE")


def report(folder: Path, model: Path, made: int = 8_192, **values: float | None) -> Path:
    """A report of so many made people, whose gates pass but for those named."""
    found = dict.fromkeys(LIMITS, 0.0) | values
    gates = [{"gate": name, "value": value, "limit": 1, "passed": True} for name, value in found.items()]
    path = folder / "report.json"
    path.write_text(
        json.dumps({"model": model_file.opened(model).hash, "passed": True, "gates": gates, "people": {"made": made}})
    )
    return path


def people(run: Any, model: Path, out: Path, *more: str) -> tuple[int, str, str]:
    found: tuple[int, str, str] = run("synth", "generate", str(model), "--out", str(out), "--people", "20", *more)
    return found


def test_outside_the_closed_zone_nobody_is_made_before_a_named_person_approved(
    model: Path, tmp_path: Path, run: Any, outside: None
) -> None:
    before = model_file.opened(model)
    code, _, err = people(run, model, tmp_path / "no")
    assert (code != 0, "nobody has approved" in err, "kjerne synth approve" in err) == (True, True, True)
    assert not (tmp_path / "no").exists()
    assert run("synth", "generate", str(model), "--person", "3")[0] != 0
    assert people(run, model, tmp_path / "inside", "--closed-zone")[0] == 0
    told = report(tmp_path, model)
    code, out, err = run("synth", "approve", str(model), "--report", str(told), *WHO, "--json")
    assert code == 0, err
    assert json.loads(out)["name"] == "Prøve Ansvarlig"
    assert people(run, model, tmp_path / "outside")[0] == 0
    inside, after = tmp_path / "inside" / "events-00000.ndjson", tmp_path / "outside" / "events-00000.ndjson"
    assert inside.read_bytes() == after.read_bytes()
    kept = model_file.opened(model)
    assert (kept.hash, kept.model.card) == (before.hash, before.model.card)
    shown = json.loads(run("synth", "show", str(model), "--json")[1])
    approval = shown["approval"]
    assert (approval["why"], approval["model"], set(approval["gates"])) == (WHY, kept.hash, set(LIMITS))
    assert approval["report"] == hashlib.sha256(told.read_bytes()).hexdigest()
    assert approval["by"].startswith("command line")
    assert "approved already, by Prøve Ansvarlig" in run("synth", "approve", str(model), "--report", str(told), *WHO)[2]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"c2st": 0.8}, "c2st (0.8, at most 0.75)"),
        ({"copied_rows": 1.0, "membership": 0.9}, "membership (0.9, at most 0.52), copied_rows (1, at most 0)"),
        ({"utility_gap": None}, "utility_gap (missing, at most 0.04)"),
    ],
)
def test_model_without_passed_gates_is_approved_by_nobody(
    model: Path, tmp_path: Path, run: Any, values: dict[str, float | None], says: str
) -> None:
    before = model.read_bytes()
    _, _, err = run("synth", "approve", str(model), "--report", str(report(tmp_path, model, **values)), *WHO)
    assert says in err
    told = json.loads(report(tmp_path, model).read_text())
    (tmp_path / "report.json").write_text(json.dumps(told | {"gates": told["gates"][1:]}))
    assert "missing" in run("synth", "approve", str(model), "--report", str(tmp_path / "report.json"), *WHO)[2]
    assert model.read_bytes() == before


def test_report_of_a_few_made_people_is_none_to_approve_by(model: Path, tmp_path: Path, run: Any) -> None:
    words = ("synth", "approve", str(model), *WHO, "--report")
    assert "the report is of 60 made people, and at least 8192" in run(*words, str(report(tmp_path, model, 60)))[2]
    assert model_file.opened(model).approval is None


def test_report_is_this_models_and_who_approves_has_a_name(model: Path, tmp_path: Path, run: Any) -> None:
    path = report(tmp_path, model)
    for name in ("Prøve", "A B", "Prøve 13088540037", ""):
        assert (
            "named in full"
            in run("synth", "approve", str(model), "--report", str(path), "--name", name, "--why", WHY)[2]
        )
    assert (
        run("synth", "approve", str(model), "--report", str(path), "--name", "Prøve Ansvarlig", "--why", "Ja")[0] != 0
    )
    path.write_text(path.read_text().replace(model_file.opened(model).hash, "00" * 32))
    assert "another model's" in run("synth", "approve", str(model), "--report", str(path), *WHO)[2]
    path.write_text("<html>")
    assert "no report of kjerne synth report" in run("synth", "approve", str(model), "--report", str(path), *WHO)[2]
    assert "cannot be read" in run("synth", "approve", str(model), "--report", str(tmp_path / "no"), *WHO)[2]
    assert model_file.opened(model).approval is None


def test_approval_that_is_damaged_or_another_models_is_refused(
    model: Path, tmp_path: Path, run: Any, kept: model_file.Kept
) -> None:
    own = model.read_bytes()
    assert run("synth", "approve", str(model), "--report", str(report(tmp_path, model)), *WHO)[0] == 0
    raw = model.read_bytes()
    assert raw.startswith(own)
    behind = raw[len(own) :]
    other = model_file.packed(replace(kept.model, card={**kept.model.card, "seed": 99}), kept.copies)
    spoiled = behind.replace("Prøve".encode(), "Prøva".encode())
    for bad in (own + spoiled, other + behind, own[:-1] + behind, behind, own + behind[1:], own + model_file.MARK):
        with pytest.raises(Refusal):
            model_file.unpacked(bad, "the model")
    found = model_file.unpacked(raw, "the model").approval
    assert found is not None
    assert found.name == "Prøve Ansvarlig"


def test_model_of_generated_people_needs_nobody(kept: model_file.Kept, tmp_path: Path, run: Any, outside: None) -> None:
    path = tmp_path / "g.synth"
    model_file.saved(
        replace(kept.model, card={**kept.model.card, "learned_from": "generated people"}), kept.copies, path
    )
    releasing.check(model_file.opened(path), str(path), closed_zone=False)
    assert people(run, path, tmp_path / "made")[0] == 0
    assert "needs no approval" in run("synth", "approve", str(path), "--report", str(report(tmp_path, path)), *WHO)[2]


def fitted(run: Any, source: Path, out: Path) -> dict[str, Any]:
    """The card of a model that is learned from a folder in a moment."""
    code, told, _ = run("synth", "fit", str(source), "--out", str(out), "--epochs", "1", "--json")
    assert code == 0, told
    card: dict[str, Any] = json.loads(told)["card"]
    return card


@pytest.mark.parametrize("format_", ["ndjson", "fhir"])
def test_what_is_learned_from_people_whom_a_model_of_real_people_made_leaves_as_that_model_does(
    format_: str, model: Path, tmp_path: Path, run: Any, outside: None
) -> None:
    made, second = tmp_path / "made", tmp_path / "second.synth"
    assert people(run, model, made, "--people", "200", "--format", format_, "--closed-zone")[0] == 0
    card = fitted(run, made, second)
    assert card["learned_from"] == "people made by a model of real people"
    assert "not_real" not in card
    assert card["made_by"] == {"model": model_file.opened(model).hash, "approved": ""}
    assert "nobody has approved" in people(run, second, tmp_path / "no")[2]
    assert run("synth", "approve", str(model), "--report", str(report(tmp_path, model)), *WHO)[0] == 0
    shutil.rmtree(made)
    assert people(run, model, made, "--people", "200", "--format", format_)[0] == 0
    assert fitted(run, made, second)["made_by"]["approved"].startswith("Prøve Ansvarlig, ")
    assert people(run, second, tmp_path / "third", "--people", "200")[0] == 0
    assert fitted(run, tmp_path / "third", tmp_path / "fourth.synth")["made_by"]["approved"].startswith("Prøve Ansv")


def test_real_people_beside_a_manifest_of_made_ones_are_not_taken_for_them(
    model: Path, made_folder: Path, tmp_path: Path, run: Any
) -> None:
    made = tmp_path / "made"
    assert people(run, model, made, "--people", "200")[0] == 0
    for name in ("events.csv", "static.csv"):
        shutil.copy(made_folder / name, made / name)
    words = ("--out", str(tmp_path / "m"), "--epochs", "1", "--json")
    assert "its files are not those that were made" in run("synth", "fit", str(made), *words)[1]
    named = ("--events", str(made / "events.csv"), "--static", str(made / "static.csv"))
    code, out, err = run("synth", "fit", *named, *words)
    assert (code, json.loads(out)["card"]["learned_from"]) == (0, "real people"), err
    (made / "manifest.json").write_text('{"resourceType": "Parameters"}')  # another program's
    assert run("synth", "fit", str(made), *words)[0] == 0


def test_model_whose_card_does_not_say_of_whom_it_was_learned_stays(
    kept: model_file.Kept, tmp_path: Path, run: Any, outside: None
) -> None:
    path = tmp_path / "silent.synth"
    card = {name: value for name, value in kept.model.card.items() if name != "learned_from"}
    model_file.saved(replace(kept.model, card=card), kept.copies, path)
    assert "nobody has approved" in people(run, path, tmp_path / "no")[2]
    card = dict(kept.model.card) | {"k": 2}
    model_file.saved(replace(kept.model, card=card), kept.copies, path)
    says = run("synth", "approve", str(path), "--report", str(report(tmp_path, path)), *WHO)[2]
    assert "at least 10 must have whatever leaves" in says


def test_people_of_a_model_for_which_nobody_answers_are_not_taken_into_a_sandbox(
    model: Path, tmp_path: Path, run: Any, outside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KJERNE_URL", "http://127.0.0.1:9")
    made = tmp_path / "made"
    assert people(run, model, made, "--format", "fhir", "--closed-zone")[0] == 0
    assert "nobody had approved" in run("load", "synthetic", str(made))[2]
    assert "nobody had approved" not in run("load", "synthetic", str(made), "--closed-zone")[2]
    assert run("synth", "approve", str(model), "--report", str(report(tmp_path, model)), *WHO)[0] == 0
    assert people(run, model, made, "--format", "fhir")[0] == 0  # it was whole: the manifest says who answers now
    assert "nobody had approved" not in run("load", "synthetic", str(made))[2]
