"""`kjerne persons`: two numbers linked and unlinked on a real database; no number is ever an argument or in what is said."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from kjerne import cli
from kjerne.registries.identifiers import digest
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.shares import NAME, Shares
from kjerne.store.subjects import PersonDetail
from services.results.conftest import fresh_number

ROOTS = ",".join(byte * 32 for byte in ("61", "62", "63"))
REASON = ("--reason", "Fikk nytt nummer i fjor")
BORN = date(1975, 1, 12)


@pytest.fixture
def two(dsn: str, tmp_path: Path) -> tuple[str, str]:
    """The numbers of two who are registered with one birth date."""
    keys = Keys.parse(ROOTS)
    numbers = fresh_number(), fresh_number()

    async def registered() -> None:
        store = await open_store(dsn, keys, Shares.made(tmp_path / NAME, keys, ["results"]), pool_size=1)
        people = [
            NewPerson(
                PersonDetail(name=name, birth_date=BORN, sex=sex),
                (Identifier(digest(keys.derived("identifier"), number), "FNR", number, BORN),),
                synthetic=True,
            )
            for name, sex, number in zip(("Prøve Persen", "Prøve Persdotter"), ("male", "female"), numbers, strict=True)
        ]
        async with store.pool.acquire() as conn:
            await store.people.register(conn, people, datetime.now(UTC))
        await store.close()

    asyncio.run(registered())
    return numbers


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dsn: str) -> Any:
    """Runs one command line with two numbers on standard input: (exit code, standard output, standard error)."""
    monkeypatch.setenv("KJERNE_DSN", dsn)
    monkeypatch.setenv("KJERNE_KEYS", ROOTS)

    def run(*arguments: str, numbers: tuple[str, ...] = ()) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kjerne", "persons", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join((*numbers, ""))))
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert not any(number in said.out + said.err for number in numbers)
        assert "Prøve" not in said.out + said.err
        return int(left.value.code or 0), said.out, said.err

    return run


def test_two_numbers_are_compared_linked_and_separated(run: Any, two: tuple[str, str]) -> None:
    assert run("link", *REASON, "--plan", numbers=two)[1] == "would be linked (birth date: same, sex: differs)\n"
    code, out, err = run("link", *REASON, "--json", numbers=two)
    assert (code, err) == (0, "")
    number = str(json.loads(out)["number"])
    assert "are linked already" in run("link", *REASON, "--plan", numbers=two)[1]
    assert run("link", *REASON, numbers=two)[0] == 5
    assert f"{number}: in force; looks over it: 0" in run("unlink", number, *REASON, "--plan")[1]
    assert f"{number}: undone; looks over it: 0" in run("unlink", number, *REASON)[1]
    (link,) = [one for one in json.loads(run("links", "--json")[1])["links"] if str(one["number"]) == number]
    assert link["madeBy"].startswith("command line") and link["undoneWhy"] == REASON[1]
    assert "1 links" in run("links")[1]
    assert run("unlink", number, *REASON)[0] == 5


@pytest.mark.parametrize(
    ("numbers", "reason", "said"),
    [
        (("1", "2"), REASON, "the first number"),
        ((), REASON, "the first number"),
        (None, ("--reason", "kort"), "reason"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place(
    run: Any, two: tuple[str, str], numbers: tuple[str, ...] | None, reason: tuple[str, str], said: str
) -> None:
    code, out, err = run("link", *reason, numbers=two if numbers is None else numbers)
    assert code != 0 and out == ""
    assert said in err


def test_one_number_given_twice_is_refused(run: Any, two: tuple[str, str]) -> None:
    code, out, err = run("link", *REASON, "--plan", numbers=(two[0], two[0]))
    assert (code, out) == (1, "")
    assert "one number was given twice" in err


def test_a_link_that_is_not_there_is_told(run: Any, two: tuple[str, str]) -> None:
    code, _, err = run("unlink", "7", *REASON)
    assert code != 0
    assert "no link has this number" in err
