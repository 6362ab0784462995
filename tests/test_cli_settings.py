"""Settings as the command line takes them: what cannot be used stops the program and is named, in one answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kjerne.store.checkpoints import made_key
from kjerne.store.keys import Keys

PRODUCTION = {
    "KJERNE_DSN": "postgresql://nowhere",
    "KJERNE_KEYS": ",".join(["ab" * 32] * 3),
    "KJERNE_KEY_SHARES": "key-shares",
    "KJERNE_ISSUER": "https://issuer.test",
    "KJERNE_PUBLIC_URL": "https://kjerne.test",
    "KJERNE_AUDIT_CHECKPOINTS": "/nowhere",
}


def test_setting_that_cannot_be_used_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KJERNE_PORT", "many")
    code, out, _ = run("check", "--json")
    assert code == 1
    assert json.loads(out)["error"]["where"] == "KJERNE_PORT"


@pytest.mark.parametrize(
    "dsn", ["postgresql://kjerne_app:secret@127.0.0.1:1/x", "secret://nothing", "postgresql://u:secret@h:port/x"]
)
def test_database_that_does_not_answer_is_exit_3_and_keeps_its_password(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dsn: str
) -> None:
    made_key(tmp_path / "key.pem")
    place = {"KJERNE_AUDIT_CHECKPOINTS": str(tmp_path), "KJERNE_AUDIT_KEY_FILE": str(tmp_path / "key.pem")}
    for name, value in {**PRODUCTION, **place, "KJERNE_DSN": dsn, "KJERNE_DATA": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    for command in (("work", "--once"), ("serve",)):
        code, out, err = run(*command, "--json")
        error = json.loads(out)["error"]
        assert (code, error["where"], "does not answer" in error["says"]) == (3, "KJERNE_DSN", True)
        assert "secret" not in out + err
    code, out, _ = run("check", "--json")
    assert (code, "secret" in out) == (1, False)


def test_up_leaves_a_database_that_is_named_alone(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KJERNE_DSN", "postgresql://kjerne_app:secret@database/kjerne")
    code, out, _ = run("up", "--json", "--data", str(tmp_path / "data"))
    assert (code, json.loads(out)["error"]["where"]) == (5, "KJERNE_DSN")
    assert not (tmp_path / "data").exists() and "secret" not in out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAGE_SIZE", "-1"),
        ("PAGE_SIZE_LIMIT", "0"),
        ("CANDIDATE_LIMIT", "-5"),
        ("DPOP_SECONDS", "0"),
        ("JSON_DEPTH", "0"),
        ("XML_DEPTH", "0"),
        ("REQUEST_SECONDS", "0"),
        ("CURSOR_MINUTES", "0"),
        ("ATTESTATION_MINUTES", "61"),
        ("BODY_LIMIT_BYTES", "0"),
        ("PUBLIC_URL", "nourl"),
        ("ISSUER", "https://"),
    ],
)
def test_a_value_that_would_break_every_answer_stops_the_program(
    run: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for known, given in {**PRODUCTION, f"KJERNE_{name}": value}.items():
        monkeypatch.setenv(known, given)
    code, out, _ = run("serve", "--json")
    assert (code, json.loads(out)["error"]["where"]) == (1, f"KJERNE_{name}")


def test_production_names_every_setting_it_misses_at_once(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("serve")
    assert code == 1
    for name in PRODUCTION:
        assert name in err
    monkeypatch.setenv("KJERNE_DSN", PRODUCTION["KJERNE_DSN"])
    code, out, _ = run("check")
    assert code == 1
    assert all(name in out for name in PRODUCTION if name != "KJERNE_DSN")


def test_production_refuses_a_sandboxes_keys(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys.in_folder(tmp_path)
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KJERNE_KEYS", ",".join(root.hex() for root in (keys.wrap, keys.permanent, keys.session)))
    for command in (("serve",), ("work", "--once"), ("check",)):
        code, out, err = run(*command)
        assert code == 1
        assert "keys that a sandbox made" in out + err
        assert keys.wrap.hex() not in out + err


def test_production_refuses_an_issuer_without_tls(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**PRODUCTION, "KJERNE_ISSUER": "http://issuer.test"}.items():
        monkeypatch.setenv(name, value)
    assert "KJERNE_ISSUER must begin with https" in run("serve")[2]
