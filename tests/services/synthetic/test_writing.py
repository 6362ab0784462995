"""`kjerne synth`: a model and people of it as files, whole or not at all, the same however they are made."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.services.synthetic import fitting, model_file, row_files, tables, tuning, writing
from kjerne.services.synthetic.cohorts import Cohort
from services.synthetic.made_tables import tables as made_tables


@pytest.fixture(autouse=True)
def little_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models here need not be good."""
    monkeypatch.setattr(tuning, "ROUNDS", 0)


def told(out: str) -> Any:
    return json.loads(out)


@pytest.fixture(scope="module")
def people(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,200 people in two shards."""
    folder = tmp_path_factory.mktemp("people") / "one"
    writing.generate(
        writing.Order(str(model_path), 7, 4_200, 4_096, "ndjson", str(folder)), "local", 1, lambda *_: None
    )
    return folder


def joined(folder: Path, stem: str) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{stem}-*.ndjson")))


def test_fit_tells_what_it_learned_from_and_refuses_what_it_cannot(run: Any, made_folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.synth"
    words = ("synth", "fit", str(made_folder), "--out", str(model), "--age", "age", "--epochs", "1")
    code, out, _ = run(*words, "--json")
    card = told(out)["card"]
    assert (code, card["people"], card["learned_from"], card["k"]) == (0, 400, "real people", 10)
    assert card["lineage"][0] == {
        "file": "events.csv",
        "sha256": hashlib.sha256((made_folder / "events.csv").read_bytes()).hexdigest(),
    }
    assert "No differential privacy" in card["privacy"]
    assert model.stat().st_mode & 0o777 == 0o600
    first = model.read_bytes()
    assert run(*words)[0] == 0
    assert model.read_bytes() == first  # the same tables and seed
    code, _, err = run("synth", "fit", str(made_tables(tmp_path / "few", people=60)), "--out", str(tmp_path / "n"))
    assert code == 1
    assert "too few people to learn from: 60" in err
    assert not (tmp_path / "n").exists()
    assert "and --static" in run("synth", "fit", "--events", str(model), "--out", str(model))[2]


def test_people_are_the_same_in_any_shards_formats_processes_and_alone(
    run: Any, people: Path, model_path: Path, kept: model_file.Kept, tmp_path: Path
) -> None:
    def digest(*options: str) -> tuple[Path, str]:
        folder = tmp_path / hashlib.sha256(" ".join(options).encode()).hexdigest()[:8]
        code, out, err = run("synth", "generate", str(model_path), "--out", str(folder), "--people", "4200", "--seed", "7",
                             "--json", *options)  # fmt: skip
        assert code == 0, out + err
        assert told(out)["violations"] == 0
        return folder, told(out)["digest"]

    manifest = writing.read_manifest(people)
    assert manifest is not None
    assert manifest.complete
    whole, same = digest("--shard-people", "8192")
    assert same == manifest.digest
    assert joined(whole, "events") == joined(people, "events")
    assert joined(whole, "static") == joined(people, "static")
    assert digest("--shard-people", "4096", "--workers", "2", "--format", "csv")[1] == manifest.digest
    _, out, _ = run("synth", "generate", str(model_path), "--person", "4111", "--seed", "7", "--json")
    lines = [json.loads(line) for line in joined(people, "events").splitlines()]
    assert told(out)["events"] == [line for line in lines if line["id"] == "4111"]
    assert told(out)["id"] == "4111"


def test_what_is_written_is_read_again_in_every_format(model_path: Path, kept: model_file.Kept, tmp_path: Path) -> None:
    def read(folder: Path) -> Cohort:
        source = fitting.Source(tables.files_of(folder, "events"), tables.files_of(folder, "static"), generated=True)
        return fitting.like(source, kept.model)

    for format_ in row_files.FORMATS:
        order = writing.Order(str(model_path), 7, 300, 4_096, format_, str(tmp_path / format_))
        writing.generate(order, "local", 1, lambda *_: None)
    first = read(tmp_path / "ndjson")
    assert first.people == 300
    for format_ in row_files.FORMATS[1:]:
        other = read(tmp_path / format_)
        assert np.array_equal(other.values, first.values, equal_nan=True)
        assert np.array_equal(other.traits[2].numbers, first.traits[2].numbers, equal_nan=True)
        assert [one.levels for one in other.traits] == [one.levels for one in first.traits]


def test_run_that_was_broken_off_goes_on_and_a_spoiled_shard_is_made_anew(
    run: Any, people: Path, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "again"
    order = writing.Order(str(model_path), 7, 4_200, 4_096, "ndjson", str(folder))
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "events-00001.ndjson":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(Refusal, match="No space left on device") as refused:
            writing.generate(order, "local", 1, lambda *_: None)
    assert "it goes on" in str(refused.value)
    assert sorted(path.name for path in folder.iterdir()) == [
        "events-00000.ndjson",
        "manifest.json",
        "static-00000.ndjson",
    ]
    assert "not all made" in run("synth", "fit", str(folder), "--out", str(tmp_path / "m"))[2]
    kept_at = (folder / "events-00000.ndjson").stat().st_mtime_ns
    (folder / "static-00000.ndjson").write_text("spoiled")
    found = writing.generate(order, "local", 1, lambda *_: None)
    assert found.complete
    assert joined(folder, "static") == joined(people, "static")
    assert (folder / "events-00000.ndjson").stat().st_mtime_ns > kept_at  # made with the spoiled one beside it
    at = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    writing.generate(order, "local", 1, lambda *_: None)
    assert {name for name, was in at.items() if (folder / name).stat().st_mtime_ns != was} == {"manifest.json"}


def test_workers_end_with_the_process_that_began_them_even_where_it_is_killed(model_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    words = (
        "generate",
        str(model_path),
        "--out",
        str(folder),
        "--people",
        "1000000",
        "--shard-people",
        "4096",
        "--workers",
        "2",
    )
    command = [sys.executable, "-m", "kjerne.cli", "synth", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while process.poll() is None and not list(folder.glob("events-*")):
            time.sleep(0.05)
        assert process.poll() is None
        process.kill()
        process.communicate(timeout=60)  # its workers hold the same pipe: it ends when the last of them is gone
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_run_that_was_killed_before_its_first_shard_goes_on(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        (tmp_path / "cut" / ".events-00000.ndjson.part").write_text("half")
        raise KeyboardInterrupt

    order = writing.Order(str(model_path), 7, 100, 4_096, "ndjson", str(tmp_path / "cut"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writing, "shard", killed)
        writing.generate(order, "local", 1, lambda *_: None)
    assert writing.generate(order, "local", 1, lambda *_: None).complete
    assert len(list((tmp_path / "cut").iterdir())) == 3


def test_folder_with_something_else_is_left_alone(run: Any, people: Path, model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = run("synth", "generate", str(model_path), "--out", str(tmp_path))
    assert (code, "holds something else" in err) == (5, True)
    code, _, err = run("synth", "generate", str(model_path), "--out", str(people), "--people", "4200", "--seed", "8")
    assert (code, "people of another model, seed" in err) == (5, True)
    for option, says in ((("--format", "xml"), "none of ndjson"), (("--shard-people", "100"), "whole blocks")):
        assert says in run("synth", "generate", str(model_path), "--out", str(tmp_path / "n"), *option)[2]


def test_model_learned_from_generated_people_says_so(kept: model_file.Kept, tmp_path: Path, run: Any) -> None:
    people, model = tmp_path / "few", tmp_path / "made_up.synth"
    card = dict(kept.model.card) | {"learned_from": "generated people"}
    model_file.saved(replace(kept.model, card=card), kept.copies, model)
    assert run("synth", "generate", str(model), "--out", str(people), "--people", "200")[0] == 0
    named = ("--events", str(people / "events-00000.ndjson"), "--static", str(people / "static-00000.ndjson"))
    for source in (named, (str(people),)):
        code, out, _ = run("synth", "fit", *source, "--out", str(tmp_path / "m"), "--epochs", "1", "--json")
        assert (code, told(out)["card"]["learned_from"]) == (0, "generated people")
    assert told(run("synth", "show", str(tmp_path / "m"), "--json")[1])["card"]["not_real"].startswith(
        "Not learned from real"
    )


def test_damaged_or_newer_model_is_refused(run: Any, model_path: Path, tmp_path: Path) -> None:
    raw, path = bytearray(model_path.read_bytes()), tmp_path / "m.synth"
    for place, byte, says in (
        (-100, raw[-100] ^ 1, "damaged"),
        (len(model_file.MAGIC), model_file.FORM + 1, "of form 4"),
        (0, 0, "no model"),
    ):
        spoiled = bytearray(raw)
        spoiled[place] = byte
        path.write_bytes(spoiled)
        code, _, err = run("synth", "generate", str(path), "--out", str(tmp_path / "out"))
        assert (code, says in err) == (1, True), err
        assert not (tmp_path / "out").exists()
    path.write_bytes(raw[:40])
    assert "damaged" in run("synth", "show", str(path))[2]


def test_without_numpy_and_without_dask_it_is_said_what_to_install(
    run: Any, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "dask", None)
        words = ("synth", "generate", str(model_path), "--out", str(tmp_path / "none"), "--engine", "dask")
        assert "Dask is not installed" in run(*words)[2]
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    assert "Install kjerne[synthetic]" in run("synth", "show", str(model_path))[2]


def test_dask_makes_the_same_people(people: Path, model_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("dask")
    order = writing.Order(str(model_path), 7, 4_200, 4_096, "ndjson", str(tmp_path / "dask"))
    manifest = writing.read_manifest(people)
    assert manifest is not None
    assert writing.generate(order, "dask", 2, lambda *_: None).digest == manifest.digest


def test_killed_worker_is_told_and_the_run_goes_on(people: Path, model_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shot"
    order = writing.Order(str(model_path), 7, 4_200, 4_096, "ndjson", str(folder))

    others = set(multiprocessing.active_children())  # a platform in this process has some too

    def shoot(done: int, *_: object) -> None:
        for child in set(multiprocessing.active_children()) - others if done else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid or 0, signal.SIGKILL)

    more = replace(order, people=8 * 4_096)
    with pytest.raises(Refusal, match="a worker was killed") as refused:
        writing.generate(more, "local", 2, shoot)
    assert "it goes on" in refused.value.todo
    assert 0 < len(list(folder.glob("static-*"))) < 8
    assert writing.generate(more, "local", 1, lambda *_: None).complete
    assert joined(folder, "static").startswith(joined(people, "static"))


def test_full_disk_is_told_where_parquet_is_written_too(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # enough for the row, and not for Parquet's own words
    try:
        with pytest.raises(Refusal, match="it cannot be written"):
            row_files.written_rows(tmp_path / "a.parquet", "parquet", ['{"id":"1"}'], {"id": "VARCHAR"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_file_is_its_owners_alone_before_anything_is_in_it(tmp_path: Path) -> None:
    (tmp_path / ".a.csv.part").write_text("of a run that was killed")
    with row_files.written(tmp_path / "a.csv") as beside:
        assert (beside.stat().st_size, oct(beside.stat().st_mode)[-3:]) == (0, "600")


def test_shards_are_of_one_model(model_path: Path, tmp_path: Path) -> None:
    order = writing.Order(str(model_path), 7, 10, 4_096, "ndjson", str(tmp_path), model_hash="0" * 64)
    with pytest.raises(Refusal, match="another model took this one's place"):
        writing.shard(order, 0)


def test_place_for_a_model_is_looked_at_before_anything_is_learned(
    run: Any, made_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "8")
    monkeypatch.setattr(fitting, "fit", lambda *_: pytest.fail("it was learned from"))
    assert "no such folder" in run("synth", "fit", str(made_folder), "--out", str(tmp_path / "no" / "m"))[2]
    assert "a model is a file" in run("synth", "fit", str(made_folder), "--out", str(tmp_path))[2]
    (tmp_path / "parts" / "train").mkdir(parents=True)
    words = ("--out", str(tmp_path / "m"), "--parts", str(tmp_path / "parts"))
    assert "parts in it already" in run("synth", "fit", "--store", *words)[2]
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"


def test_file_that_is_called_by_a_persons_number_is_not_named_on_the_card(
    run: Any, made_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(made_folder / "events.csv", tmp_path / "13128012345.csv")
    words = ("--events", str(tmp_path / "13128012345.csv"), "--static", str(made_folder / "static.csv"))
    code, out, _ = run("synth", "fit", *words, "--out", str(tmp_path / "m"), "--epochs", "1", "--json")
    assert code == 0, out
    assert [one["file"] for one in told(out)["card"]["lineage"]] == ["file 1", "static.csv"]


def test_folder_of_which_a_shard_is_made_anew_is_not_whole_before_it_is_there(
    people: Path, model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(people, folder)
    (folder / "static-00001.ndjson").unlink()
    order = writing.Order(str(model_path), 7, 4_200, 4_096, "ndjson", str(folder))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(writing, "shard", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        writing.generate(order, "local", 1, lambda *_: None)
    assert told((folder / "manifest.json").read_text())["complete"] is False
    assert writing.generate(order, "local", 1, lambda *_: None).complete
    assert (folder / "manifest.json").read_bytes() == (people / "manifest.json").read_bytes()
