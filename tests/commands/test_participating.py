"""`kjerne participation` and what `kjerne check` says of the register, on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

HOSPITAL = "983658725"
OPENING = ("participation", "open", HOSPITAL, "--part", "consumer", "--areas", "5001", "--basis", "Avtale om utprøving")


@pytest.fixture(autouse=True)
def on_this_database(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    """The command line works on this module's database."""
    monkeypatch.setenv("KJERNE_DSN", dsn)


def told(run: Any, *arguments: str) -> Any:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def finding(run: Any) -> str:
    (found,) = [one for one in json.loads(run("check", "--json")[1])["checks"] if one["what"] == "participation"]
    assert found["ok"]
    return str(found["says"])


def test_a_pilot_lives_its_life_on_the_command_line(run: Any) -> None:
    assert "nothing is served" in finding(run)
    assert "would be so" in run(*OPENING, "--plan")[1]
    assert told(run, "participation", "list")["participation"] == []
    first = told(run, *OPENING)["number"]
    assert finding(run) == "1 organisations take part as consumers, 0 as sources"
    assert run(*OPENING)[0] == 5  # there already
    second = told(run, "participation", "widen", str(first), "--areas", "", "--basis", "Hele landet")["number"]
    (row,) = told(run, "participation", "list")["participation"]
    assert (row["number"], row["areas"], row["phase"], row["widens"]) == (second, [], "pilot", first)
    assert row["madeBy"].startswith("command line")
    code, out, _ = run("participation", "close", str(second), "--why", "Avtalen er sagt opp")
    assert code == 0
    assert "takes no part any more in results as consumer (pilot, everywhere)" in out
    assert "nothing is served" in finding(run)
    _, out, _ = run("participation", "list", "--state", "ended")
    assert out.splitlines()[0].split() == [
        "number", "organisation", "service", "part", "phase", "areas", "since", "until", "name",
    ]  # fmt: skip
    assert out.splitlines()[-1] == "2 in the register"


def test_what_is_wrong_is_said_with_its_place(run: Any) -> None:
    code, _, err = run(*OPENING[:-1], "kort")
    assert (code, "written basis of" in err) == (1, True)
    assert run("participation", "close", "999", "--why", "Avtalen er sagt opp")[0] == 1
    assert run("participation", "open", HOSPITAL)[0] == 2


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--state", "zzz", "state is one of in-force, coming, ended"),
        ("--part", "zzz", "part is one of source, consumer"),
        ("--phase", "zzz", "phase is one of pilot, rollout, national"),
        ("--service", "zzz", "service is one of critical-information, documents, record, results, settlement"),
        ("--organisation", "123", "(organisation)"),
    ],
)
def test_a_filter_that_no_row_can_have_is_refused_with_what_is_known(
    run: Any, option: str, value: str, says: str
) -> None:
    code, out, err = run("participation", "list", option, value)
    assert (code, out) == (1, "")
    assert says in err
    assert run("participation", "list", option, "")[0] == 0


def test_without_a_database_it_says_which_setting_names_one(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KJERNE_DSN")
    _, _, err = run("participation", "list", "--data", str(tmp_path))
    assert "KJERNE_DSN" in err
