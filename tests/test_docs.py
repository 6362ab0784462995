"""The documentation tells the truth: its commands run, its links lead somewhere, its tables are the program's own.

Every `sh` block in a page is read line by line. Client commands are run against a platform that is started for them;
what would start, stop or change something is held against `--help` or the Makefile. `NIN` stands for the demo patient.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import MagicMock

import pytest
import typer.main

from kjerne.app import House
from kjerne.cli import kjerne as command_line
from kjerne.clock import SystemClock
from kjerne.pages.app import ROUTES as PAGE_ROUTES
from kjerne.settings import Settings
from kjerne.store.keys import Keys
from started import Platform, started

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
KJERNE: Final = [sys.executable, "-m", "kjerne.cli"]
LASTING: Final = frozenset(
    {"up", "serve", "work", "source", "source-log", "bench", "participation", "persons", "synth"}
)
"""Commands that do not end by themselves, not soon, change a database or want tables: only their options are looked up."""
PATHS: Final = ("src/", "tests/", "docs/", "tools/", "requirements/", "web/", ".ci/")
ROOMS: Final = tuple(f"{room.name}/" for room in (ROOT / "src" / "kjerne").iterdir() if room.is_dir())


@dataclass(frozen=True)
class Line:
    """One command of an `sh` block, and the page it stands on."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def program(self) -> str:
        return self.words[0].rpartition("/")[2]

    @property
    def is_client(self) -> bool:
        return self.program == "kjerne" and self.words[1] not in LASTING

    def __str__(self) -> str:
        return f"{self.page}: {self.text[:50]}"


def told(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def lines() -> Iterator[Line]:
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```", told(page), re.DOTALL | re.MULTILINE):
            yield from (Line(name_of(page), text) for text in block.splitlines() if text.strip())


def rows(page: str, columns: int) -> list[tuple[str, ...]]:
    """The cells of a page's table rows that have so many columns and a code word in the first."""
    found = []
    for row in re.findall(r"^\| (`.*) \|$", told(ROOT / page), re.MULTILINE):
        cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", row))
        if len(cells) == columns:
            found.append(cells)
    return found


CLIENT_LINES: Final = [line for line in lines() if line.is_client]
OTHER_LINES: Final = [line for line in lines() if not line.is_client]


@pytest.fixture(scope="module")
def stands(quick_folder: Path) -> Iterator[Platform]:
    with started(KJERNE, quick_folder / "documented") as platform:
        yield platform


def run(platform: Platform, *words: str) -> str:
    """Standard output of one client command; it must succeed."""
    patient = str(platform.told["patient"])
    done = subprocess.run(
        [*KJERNE, *(patient if word == "NIN" else word for word in words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KJERNE_URL": platform.url, "KJERNE_DATA": str(platform.data)},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("line", CLIENT_LINES, ids=str)
def test_documented_client_command_runs(stands: Platform, line: Line) -> None:
    assert run(stands, *line.words[1:])


@pytest.mark.slow
def test_answer_in_the_readme_is_the_answer_shortened(stands: Platform) -> None:
    call = next(line for line in CLIENT_LINES if line.page == "README.md" and line.words[1] == "call")
    (shown,) = re.findall(r"^```json\n(.*?)^```", told(ROOT / "README.md"), re.DOTALL | re.MULTILINE)
    assert shortened(json.loads(shown), json.loads(run(stands, *call.words[1:])))


@pytest.mark.slow
def test_what_the_readme_says_of_other_callers_is_so(stands: Platform) -> None:
    def status(caller: str) -> tuple[int, str]:
        words = ("call", "POST", "/pps/v2/Observation/_search", "--as", caller, "--patient", stands.told["patient"])
        environment = {**os.environ, "KJERNE_URL": stands.url}
        done = subprocess.run([*KJERNE, *words, "--json"], capture_output=True, text=True, check=False, env=environment)
        return json.loads(done.stdout)["status"], done.stdout

    blocked, outsider = status("blocked-doctor"), status("outsider")
    assert blocked[0] == 200
    assert '"Specific"' in blocked[1]
    assert outsider[0] == 403


def shortened(shown: Any, real: Any) -> bool:
    """Whether `shown` is `real` with parts left out: every member and element it has is there, with the same value."""
    if isinstance(shown, dict):
        return isinstance(real, dict) and all(name in real and shortened(shown[name], real[name]) for name in shown)
    if isinstance(shown, list):
        return isinstance(real, list) and all(any(shortened(one, other) for other in real) for one in shown)
    return bool(shown == real)


@pytest.mark.parametrize("line", OTHER_LINES, ids=str)
def test_documented_command_can_be_given(line: Line) -> None:
    words = line.words
    if line.program == "make":
        targets = set(re.findall(r"^([a-z-]+):", told(ROOT / "Makefile"), re.MULTILINE))
        assert {word for word in words[1:] if "=" not in word} <= targets
    elif line.program == "kjerne":
        assert {word for word in words[2:] if word.startswith("--")} <= options_of(*words[1:3])
    elif line.program == "export":
        assert words[1].partition("=")[0].removeprefix("KJERNE_").lower() in Settings.model_fields
    elif words[1] == "-c":
        assert subprocess.run([sys.executable, *words[1:]], capture_output=True, check=True).stdout
    else:
        assert line.program == "python"
        assert (ROOT / words[-1]).exists()


def options_of(command: str, part: str = "") -> set[str]:
    if command == "bench":  # hands its options on
        source = told(ROOT / "bench" / "__main__.py")
        return set(re.findall(r'"(--[a-z]+)"', source))
    found = typer.main.get_command(command_line).commands[command]  # type: ignore[attr-defined]
    found = getattr(found, "commands", {}).get(part, found)
    return {option for parameter in found.params for option in parameter.opts}


def test_every_command_is_documented() -> None:
    known = set(typer.main.get_command(command_line).commands)  # type: ignore[attr-defined]
    documented = {cells[0].strip("`").split()[1] for cells in rows("docs/api.md", 2) if cells[0].startswith("`kjerne ")}
    assert documented == known


def test_every_make_target_is_documented() -> None:
    targets = set(re.findall(r"^([a-z-]+):", told(ROOT / "Makefile"), re.MULTILINE))
    text = told(ROOT / "CONTRIBUTING.md") + told(ROOT / "README.md")
    assert [target for target in targets - {"help"} if f"make {target}" not in text] == []


def test_every_setting_is_documented_with_its_default() -> None:
    documented = {name.strip("`"): default.strip("`") for name, default, _ in rows("docs/settings.md", 3)}
    known = {
        f"KJERNE_{name.upper()}": "" if name == "keys" else str(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert {name: value for name, value in documented.items() if name.startswith("KJERNE_")} == known


@pytest.mark.parametrize(
    ("name", "value"),
    [(cells[0].strip("`"), cells[1]) for cells in rows("docs/settings.md", 3) if cells[0].startswith("`kjerne.")],
)
def test_fixed_limit_is_what_the_page_says(name: str, value: str) -> None:
    module, _, constant = name.rpartition(".")
    assert getattr(importlib.import_module(module), constant) == int(value)


def test_every_route_is_documented_with_its_scope_and_errors() -> None:
    store = MagicMock(keys=Keys(b"w" * 32, b"p" * 32, b"s" * 32))
    routes = House(Settings(), store, SystemClock()).routes()
    documented = {cells[0].strip("`"): (cells[1].strip("`"), cells[2]) for cells in rows("docs/api.md", 4)}
    assert documented == {f"{route.method} {route.path}": (route.needs, route.errors) for route in routes}


def test_every_page_is_documented_with_who_may_open_it() -> None:
    who = {None: "public", "practitioner": "health worker", "citizen": "citizen", "operator": "operator"}
    documented = {cells[0].strip("`"): cells[1] for cells in rows("docs/api.md", 3)}
    assert documented == {f"{method} {path}": who[kind] for method, path, _, kind in PAGE_ROUTES}


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads(told(ROOT / "pyproject.toml"))["project"]
    known = {re.split(r"[\[<>=]", dependency)[0] for dependency in project["dependencies"]}
    page = told(ROOT / "docs" / "decisions" / "0012-dependencies.md")
    assert set(re.findall(r"^\| ([a-z][a-z0-9-]*) \|", page, re.MULTILINE)) - {"package"} == known
    assert len(known) <= 30


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = {page.name for page in folder.glob("[0-9]*.md")}
    assert set(re.findall(r"\((\d{4}-[^)]+)\)", told(folder / "README.md"))) == pages


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", told(page), flags=re.DOTALL | re.MULTILINE)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []
    named = re.findall(r"`([\w./-]+/[\w./-]*)`", text)
    assert [path for path in named if path.startswith(PATHS) and not (ROOT / path).exists()] == []
    inside = [path for path in named if path.startswith(ROOMS) and not path.startswith(PATHS)]
    assert [path for path in inside if not found_inside(path)] == []


def found_inside(path: str) -> bool:
    """A path as the pages shorten it: from the package, or a room of a service."""
    package = ROOT / "src" / "kjerne"
    return (package / path).exists() or (package / "services" / "results" / path).exists()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_names_no_machine_no_package_host_and_no_person(page: Path) -> None:
    text = told(page)
    assert not re.findall(r"(?<![\w.:/])/(?:home|root|work|Users|tmp|srv|mnt|opt|usr)/", text)
    assert not re.findall(r"pypi\.org|pythonhosted|npmjs\.(?:org|com)|deb\.debian", text)
    numbers = re.findall(r"(?<![\d.])\d{11}(?![\d.])", text)
    assert [number for number in numbers if not 80 < int(number[2:4]) <= 92] == []


def test_figures_say_what_their_run_lacked_and_nothing_else() -> None:
    asked = "import table; print([table.lacks(*run) for run in ((3, 0.1), (3, 4.8), (1, 0.1))])"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT / "bench", capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == [
        [],
        ["the machine's load was 4.8 when they began (under 0.5 is wanted)"],
        ["only 1 of 3 rounds were run"],
    ]
