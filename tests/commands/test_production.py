"""Production starts only where the log can be trusted: a role that adds and nothing more, and a place outside the database."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from kjerne.store.checkpoints import made_key


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dsn: str) -> pytest.MonkeyPatch:
    """Everything that production needs; its log is not set up, since it would outlive the test."""
    monkeypatch.setattr("kjerne.server.log_to", lambda *_, **__: None)
    made_key(tmp_path / "key.pem")
    settings = {
        "DSN": dsn,
        "KEYS": ",".join(secrets.token_hex(32) for _ in range(3)),
        "KEY_SHARES": str(tmp_path / "key-shares"),
        "ISSUER": "https://issuer.test",
        "PUBLIC_URL": "https://kjerne.test",
        "AUDIT_CHECKPOINTS": str(tmp_path),
        "AUDIT_KEY_FILE": str(tmp_path / "key.pem"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"KJERNE_{name}", value)
    return monkeypatch


def test_work_seals_the_log_where_it_was_told_to(run: Any, production: Any, tmp_path: Path) -> None:
    code, out, _ = run("work", "--once")
    assert (code, out) == (0, "5 jobs done\n")
    assert (tmp_path / "audit-checkpoints.jsonl").exists()


@pytest.mark.parametrize("name", ["KJERNE_AUDIT_CHECKPOINTS", "KJERNE_AUDIT_KEY_FILE"])
def test_work_refuses_without_a_place_or_a_key_for_the_checkpoints(run: Any, production: Any, name: str) -> None:
    production.delenv(name)
    code, _, err = run("work", "--once")
    assert (code, f"{name} is not set: " in err, "docs/audit-log.md" in err) == (1, True, True)


def test_work_makes_no_key_shares_where_nobody_looks_for_them(run: Any, production: Any) -> None:
    production.delenv("KJERNE_KEY_SHARES")
    code, _, err = run("work", "--once")
    assert (code, "KJERNE_KEY_SHARES is not set: the file of key shares" in err) == (1, True)


def test_serve_refuses_without_a_place_for_the_checkpoints(run: Any, production: Any) -> None:
    production.delenv("KJERNE_AUDIT_CHECKPOINTS")
    code, _, err = run("serve")
    assert (code, "KJERNE_AUDIT_CHECKPOINTS is not set: where the log's signed checkpoints go" in err) == (1, True)


@pytest.mark.parametrize("command", [("work", "--once"), ("serve",)])
def test_a_role_that_may_change_the_log_is_refused(
    run: Any, production: Any, owner_dsn: str, command: tuple[str, ...]
) -> None:
    production.setenv("KJERNE_DSN", owner_dsn)
    code, _, err = run(*command)
    assert (code, "may change or delete what is in the audit log (KJERNE_DSN)" in err) == (1, True)


@pytest.mark.parametrize(
    ("mail", "name"),
    [
        ({"SUBSCRIBERS": "no-such-file.toml"}, "KJERNE_SUBSCRIBERS"),
        ({"SMTP_HOST": "mail.example.test"}, "KJERNE_SMTP_FROM"),
        ({"SMTP_HOST": "mail.example.test", "SMTP_FROM": "a@example.test", "SMTP_TLS": "none"}, "KJERNE_SMTP_TLS"),
    ],
)
@pytest.mark.parametrize("command", [("work", "--once"), ("serve",)])
def test_messages_to_citizens_have_a_sender_and_go_a_closed_way(
    run: Any, production: Any, mail: dict[str, str], name: str, command: tuple[str, ...]
) -> None:
    for setting, value in mail.items():
        production.setenv(f"KJERNE_{setting}", value)
    code, _, err = run(*command)
    assert (code, name in err) == (1, True)


def test_a_file_of_clinicians_systems_that_is_named_can_be_read(run: Any, production: Any) -> None:
    production.setenv("KJERNE_EHRS", "no-such-file.toml")
    code, _, err = run("serve")
    assert (code, "KJERNE_EHRS" in err) == (1, True)
