"""`make test` asks once more, alone, what failed by chance, and says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITE = Path(__file__).parents[1] / "tools" / "suite.py"

ONCE = """
from pathlib import Path

def test_it_fails_at_first():
    seen = Path(__file__).with_suffix(".seen")
    found = seen.exists()
    seen.touch()
    assert found

def test_it_is_green():
    pass
"""
ALWAYS = "def test_it_fails(): assert 0\n"


def ran(folder: Path, *arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, str(SUITE), "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_what_failed_by_chance_is_asked_once_more_and_named(tmp_path: Path) -> None:
    for arguments in ((), ("-n", "2", "--dist", "loadfile")):
        (tmp_path / "test_once.seen").unlink(missing_ok=True)
        done = ran(tmp_path, *arguments, once=ONCE)
        assert done.returncode == 0, done.stdout
        assert "1 failed, 1 passed" in done.stdout
        assert done.stdout.endswith("want mending:\n  test_once.py::test_it_fails_at_first\n")


def test_what_fails_again_is_red(tmp_path: Path) -> None:
    done = ran(tmp_path, once=ONCE, always=ALWAYS)
    assert (done.returncode, done.stdout.count("asking")) == (1, 1)


def test_where_many_fail_none_is_asked_again(tmp_path: Path) -> None:
    done = ran(tmp_path, **{f"once{number}": ONCE for number in range(4)})
    assert (done.returncode, "asking" in done.stdout) == (1, False)


def test_what_is_green_or_cannot_be_read_is_run_once(tmp_path: Path) -> None:
    assert ran(tmp_path, well="def test_well(): pass\n").returncode == 0
    done = ran(tmp_path, broken="import nothing_of_this_name\n")
    assert (done.returncode, "asking" in done.stdout) == (2, False)
