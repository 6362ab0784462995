"""Looks for what must come from the machine itself and not from a lock file, and brings it from Debian where it can.

`machine.py setup` before the environment is made: Python's own venv. `machine.py tests`: Chromium for the page tests
and Debian's PostgreSQL, the oldest version the store promises to run on. As root with apt-get, what is missing is
installed; otherwise one line says exactly what is missing and what that costs. Only a missing venv stops the caller.
Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Debian's package would start a server of its own on installation; the tests start theirs.
NO_SERVER: Final = Path("/etc/postgresql-common/createcluster.conf")


@dataclass(frozen=True)
class Need:
    """Something the machine must have. `found` looks for it; `else_` says what happens without it."""

    what: str
    packages: tuple[str, ...]
    found: Callable[[], bool]
    else_: str
    required: bool = False


NEEDS: Final = {
    "setup": (
        Need(
            "Python's venv with pip",
            (f"python{sys.version_info[0]}.{sys.version_info[1]}-venv",),
            lambda: importlib.util.find_spec("ensurepip") is not None,
            "the environment cannot be made",
            required=True,
        ),
    ),
    "tests": (
        Need(
            "Chromium's headless shell",
            ("chromium-headless-shell", "fonts-dejavu-core"),
            lambda: shutil.which("chromium-headless-shell") is not None,
            "the page tests open the whole of Chromium, which takes about twice as long",
        ),
        Need(
            "Chromium",
            ("chromium", "fonts-dejavu-core"),
            lambda: any(shutil.which(name) for name in ("chromium-headless-shell", "chromium")),
            "the page tests in a real browser are skipped",
        ),
        Need(
            "Debian's PostgreSQL",
            ("postgresql",),
            lambda: any(Path("/usr/lib/postgresql").glob("*/bin/postgres")),
            "the store is tested on the newest PostgreSQL only",
        ),
    ),
}


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):
        print(f"kjerne needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    needs = NEEDS[arguments[0]]
    for need in needs:
        # One at a time: apt-get installs nothing of a list in which one package is unknown, and a later need may be met by then.
        if not need.found() and _can_install():
            _install(need.packages)
    missing = [need for need in needs if not need.found()]
    for need in missing:
        print(f"missing: {need.what}; {need.else_}. Debian: apt-get install {' '.join(need.packages)}", file=sys.stderr)
    return 1 if any(need.required for need in missing) else 0


def _can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(packages: tuple[str, ...]) -> None:
    if "postgresql" in packages and not NO_SERVER.exists():
        NO_SERVER.parent.mkdir(exist_ok=True)
        NO_SERVER.write_text("create_main_cluster = false\n")
    print(f"installing from Debian: {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        # A package that cannot be had is told of by the line that names what is missing.
        subprocess.run(["apt-get", *command], check=False, env=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
