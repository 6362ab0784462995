"""Four FHIR clients that others made run a small story against this checkout (`make judge-clients`).

npm `fhir-kit-client` and `fhirclient`, PyPI `fhirpy` and `fhirclient`, each as it is published: a laboratory files, corrects,
patches and deletes, a doctor reads, searches and pages. They know nothing of tokens and proofs, so each comes by `kjerne proxy`,
as one of the sandbox's personas; npm `fhirclient` is launched as a SMART app besides, by the sandbox's own system. They are put
into `.cache/judges`, the first time from their registries. Exits with 1 unless every step of every client is well.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
HOME: Final = ROOT / ".cache" / "judges" / "clients"
NPM: Final = ("fhir-kit-client@2.0.3", "fhirclient@2.6.3")
PYPI: Final = ("fhirpy==2.3.1", "fhirclient==4.4.0")
PEOPLE: Final = 20
PATIENT: Final = "citizen"


def main() -> int:
    """Prints a table; 0 where every step was well."""
    python = _installed()
    with tempfile.TemporaryDirectory(prefix="judge-") as folder, contextlib.ExitStack() as stack:
        data = Path(folder) / "data"
        command = ["up", "--port", str(_port()), "--data", str(data), "--people", str(PEOPLE), "--sources", "0"]
        up = stack.enter_context(_started(command))
        doors = [stack.enter_context(_door(up["url"], persona)) for persona in ("lab", "gp")]
        steps = [
            *_told(["node", str(HERE / "story.mjs"), *doors, str(HOME)]),
            *_told([str(python), str(HERE / "story.py"), *doors]),
            *_told(["node", str(HERE / "launch.mjs"), up["url"], PATIENT, str(HOME)]),
        ]
    for one in steps:
        print(f"{one['client']:<20} {one['step']:<40} {'ok' if one['ok'] else 'WRONG ' + one.get('told', '')}")
    well = sum(one["ok"] for one in steps)
    print(f"{well}/{len(steps)}")
    return 0 if well == len(steps) else 1


def _installed() -> Path:
    """The interpreter that has the Python clients; the others lie beside it."""
    python = HOME / "venv" / "bin" / "python"
    wanted = json.dumps([NPM, PYPI])
    stamp = HOME / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        HOME.mkdir(parents=True, exist_ok=True)
        (HOME / "package.json").write_text("{}")
        subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-fund", "--no-audit", "--silent", *NPM], cwd=HOME, check=True
        )
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-qq", *PYPI], check=True)
        stamp.write_text(wanted)
    return python


@contextlib.contextmanager
def _started(arguments: Sequence[str], **environment: str) -> Iterator[dict[str, Any]]:
    """A command of ours that stays, and the JSON that it says once it stands."""
    command = [sys.executable, "-m", "kjerne", *arguments, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **environment}) as process:
        try:
            assert process.stdout is not None
            yield _said(process.stdout)
        finally:
            process.terminate()


def _said(stream: Any) -> dict[str, Any]:
    """The first JSON document of a stream that goes on."""
    raw = ""
    for line in stream:
        raw += line.decode()
        with contextlib.suppress(json.JSONDecodeError):
            told: dict[str, Any] = json.loads(raw)
            return told
    raise SystemExit("a command of ours ended before it stood; what it said is above")


@contextlib.contextmanager
def _door(url: str, persona: str) -> Iterator[str]:
    arguments = ["proxy", "--as", persona, "--patient", PATIENT, "--port", str(_port())]
    with _started(arguments, KJERNE_URL=url) as told:
        yield str(told["fhir"])


def _told(command: Sequence[str]) -> list[dict[str, Any]]:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
