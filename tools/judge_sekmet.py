"""`make judge-sekmet`: all scenarios of sekmet-fhir (PyPI) against our server, as its test client; ends with `N/14`.

sekmet lies in an environment of its own under `.cache/`, as for the benchmarks. It speaks to `kjerne proxy`, which signs each
request as the persona `all-patients` (docs/api.md). sekmet counts a scenario as passed whose steps it skipped, so the steps are
counted here: a scenario is green with no step failed and none skipped but those of a role that no FHIR store plays (`LEFT`).
With `--server URL` a sandbox that runs already is judged; its operator has registered sekmet's address for messages
(`KJERNE_SUBSCRIBERS`, and `--port` here). The topic of finished encounters is ours, as sekmet asks of other servers (`--var`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bench"))

import host  # noqa: E402 - it lies beside the benchmarks
from peer_sekmet import installed  # noqa: E402

WANTED: Final = 14
PEOPLE: Final = 15
LEFT: Final = ("does not play role 'payer'", "does not play role 'lab-filler'")
"""What a skipped step says that needs a payer, or a laboratory that answers orders by itself."""
TOLD_CHARACTERS: Final = 300
RUN: Final = "from sekmet.cli import app; app()"
RECEIVER: Final = """\
[[receiver]]
client = "all-patients"
url = "http://127.0.0.1:{port}/"
addresses = ["127.0.0.0/8"]
"""
"""Where sekmet may be told of what is new."""
TOPIC: Final = "topic=http://kjerne.example/fhir/SubscriptionTopic/encounter-complete"
SETTINGS: Final = """\
base_url: http://127.0.0.1:{port}/fhir
host: 127.0.0.1
port: {port}
data_dir: {folder}
peers:
  ours: {{base_url: "{relay}/fhir/R4", timeout: 60}}
"""


class Judged(NamedTuple):
    """One scenario: how many of its steps ended how, and those that keep it from being green."""

    name: str
    counts: Counter[str]
    left: int
    wrong: tuple[tuple[str, str, str], ...]

    @property
    def is_green(self) -> bool:
        return not self.wrong


def judged(result: dict[str, Any]) -> Judged:
    """From a scenario's report."""
    steps = result["steps"]
    counts = Counter("failed" if one["status"] == "error" else one["status"] for one in steps)
    left = [one for one in steps if one["status"] == "skipped" and any(text in one["message"] for text in LEFT)]
    wrong = tuple(
        (one["name"], one["status"], one["message"])
        for one in steps
        if one["status"] in ("failed", "error", "skipped") and one not in left
    )
    return Judged(Path(result["file"]).stem, counts, len(left), wrong)


def table(results: list[Judged]) -> str:
    """A line for each scenario, what is wrong in those that are not green, and the sum."""
    lines = [f"{'scenario':<34} {'passed':>6} {'warned':>6} {'failed':>6} {'skipped':>7}  (left)"]
    for one in results:
        told = [one.counts[what] for what in ("passed", "warning", "failed", "skipped")]
        lines.append(
            f"{one.name:<34} {told[0]:>6} {told[1]:>6} {told[2]:>6} {told[3]:>7}  ({one.left})"
            f"  {'green' if one.is_green else '-'}"
        )
    for one in results:
        lines += [
            f"\n{one.name}: {step} ({how})\n  {' '.join(why.split())[:TOLD_CHARACTERS]}"
            for step, how, why in one.wrong[:1]
        ]
    return "\n".join([*lines, "", f"{sum(one.is_green for one in results)}/{WANTED}"])


@contextlib.contextmanager
def sandbox(folder: Path, peer: int) -> Iterator[str]:
    """A sandbox of our own on an empty database, which may tell sekmet at the port `peer`; its address."""
    receivers = folder / "subscribers.toml"
    receivers.write_text(RECEIVER.format(port=peer))
    port = host.free_port()
    command = [sys.executable, "-m", "kjerne", "up", "--port", str(port), "--people", str(PEOPLE), "--sources", "0"]
    log = folder / "kjerne.log"
    environment = {"PYTHONPATH": str(ROOT / "src"), "KJERNE_SUBSCRIBERS": str(receivers)}
    # sekmet's own vital signs do not keep to R4's profiles of them (docs/judges.md), and are told so instead of refused.
    environment["KJERNE_NAMED_PROFILES"] = "warn"
    with host.started([*command, "--data", str(folder / "data")], log, environment=environment) as process:
        host.answering(process, f"http://127.0.0.1:{port}/readyz", log)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def relayed(url: str, folder: Path) -> Iterator[str]:
    """The door for a program that knows no DPoP; its address."""
    port, log = host.free_port(), folder / "relay.log"
    command = [sys.executable, "-m", "kjerne", "proxy", "--as", "all-patients", "--port", str(port)]
    environment = {"PYTHONPATH": str(ROOT / "src"), "KJERNE_URL": url}
    with host.started(command, log, environment=environment) as process:
        host.answering(process, f"http://127.0.0.1:{port}/fhir/R4/metadata", log)
        yield f"http://127.0.0.1:{port}"


def run(relay: str, folder: Path, scenarios: list[str], port: int) -> list[dict[str, Any]]:
    """What sekmet reports of the scenarios, at a port of this machine."""
    settings = folder / "settings.yaml"
    settings.write_text(SETTINGS.format(port=port, folder=folder / "sekmet", relay=relay))
    command = [str(installed()), "-c", RUN, "scenario", "run", *scenarios, "--peer", "ours", "--serve"]
    command += ["--var", TOPIC, "--report-dir", str(folder / "reports"), "--config", str(settings)]
    with (folder / "sekmet.log").open("wb") as log:
        subprocess.run(
            command, cwd=folder, stdout=log, stderr=log, check=False, env={**os.environ, "SEKMET_CONFIG": ""}
        )
    reports = sorted((folder / "reports").glob("*/results.json"))
    if not reports:
        sys.exit(f"sekmet made no report:\n{(folder / 'sekmet.log').read_text(errors='replace')[-host.LOG_SHOWN :]}")
    found: list[dict[str, Any]] = json.loads(reports[-1].read_text())
    return found


def main() -> int:
    """0 where all are green."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--server", default="", help="a sandbox that runs already")
    asked.add_argument("--port", type=int, default=0, help="where sekmet is to answer")
    asked.add_argument("--keep", type=Path, help="where reports and logs are to lie")
    asked.add_argument("scenarios", nargs="*", default=["all"])
    given = asked.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        peer = given.port or host.free_port()
        url = given.server or stack.enter_context(sandbox(folder, peer))
        results = run(stack.enter_context(relayed(url, folder)), folder, given.scenarios or ["all"], peer)
    found = [judged(one) for one in results]
    print(table(found))
    return 0 if sum(one.is_green for one in found) == WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
