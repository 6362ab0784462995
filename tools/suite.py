"""Runs the tests as pytest does with the same arguments, and asks once more, alone, what failed by chance.

Of some eighteen thousand tests over browsers, sockets and PostgreSQL on a busy machine one fails now and then for a reason of
its own: two clocks, two transactions, a port, what another file left with the same patient. Where tests of no more than
`CHANCES` files failed, each of these files is run again by itself. What is green then is told by name at the end, since it is a
fault of the test, or a rare one of the program's, and wants mending; the run as a whole is green. What fails again, and any
number above `CHANCES`, is red, as is a run that was stopped or could not collect its tests.
`make chance`, which looks for such tests, does not ask twice.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

CHANCES: Final = 3


class Failures:
    """The tests that failed, in a plugin of pytest; what could not be collected ends the run with a code of its own."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.names:
            self.names.append(report.nodeid)


def run(arguments: list[str]) -> int:
    """The exit code."""
    failures = Failures()
    code = int(pytest.main(arguments, plugins=[failures]))
    files = sorted({name.partition("::")[0] for name in failures.names})
    if code != pytest.ExitCode.TESTS_FAILED or not 0 < len(files) <= CHANCES:
        return code
    for file in files:
        print(f"asking {file} once more, alone", flush=True)
        answer = subprocess.run([sys.executable, "-m", "pytest", "-q", file], check=False)
        if answer.returncode:
            return code
    print("green, but these failed at first and want mending:", *failures.names, sep="\n  ", flush=True)
    return 0


if __name__ == "__main__":
    sys.path[0] = str(Path.cwd())  # as `python -m pytest` has it: programs that tests start are told it
    sys.exit(run(sys.argv[1:]))
