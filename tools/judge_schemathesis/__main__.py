"""`make judge-schemathesis`: schemathesis (PyPI) on our OpenAPI document, against a sandbox of this checkout, as several people.

It makes requests by the document, right ones and wrong ones, and holds each answer to it: no 5xx, no status, media type or body
that the document does not have, no header missing that it promises. Each comes by `kjerne proxy`, which gives token, proof and
attestation. So that more than refusals are met, some requests get ids and resources of records that are there (`hooks`).
schemathesis lies in an environment of its own under `.cache/judges`. Exits with 1 where anything is found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tools")]

import host  # noqa: E402 - it lies beside the benchmarks

from judge_sekmet import sandbox  # noqa: E402 - the other judge stands on the same

HERE: Final = Path(__file__).parent
HOME: Final = ROOT / ".cache" / "judges" / "schemathesis"
VERSION: Final = "4.32.5"
PERSONAS: Final = {
    "gp": "^/(pps/v2|fhir|phr|api|exports|persons|cds-services|v1)",
    "lab": "^/(pps/in|imports|fhir/R4/[{$])",
    "operator": (
        "^/(participation|persons|exports|checks|subscriptions|oversight|pps/operations|pps/already|fhir/R4/.export)"
        "|^/(openapi|healthz|readyz|critical-information)"
    ),
    "all-patients": "^/fhir/R4",
    "registry": "^/fhir/R4/([{]|CodeSystem|ValueSet|ConceptMap)",
    "hospital-lab": "^/(disclosures|pps/in)",
    "citizen": "^/(shl/|fhir/R4/(Consent|AuditEvent|Patient|[{]))",
}
"""Who asks, and of which addresses: of its own, and of some where it may nothing. The citizen last: what she chooses shuts."""
PATIENT: Final = "citizen"
CHECKS: Final = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)  # fmt: skip
SHOWN_TYPES: Final = ("Observation", "DiagnosticReport", "Specimen", "ServiceRequest", "Patient")
_CODES: Final = {
    "url": "http://judge.example/CodeSystem/c",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "a"}],
}
SHARED: Final = (
    {"resourceType": "Location", "name": "Here", "identifier": [{"value": "judge"}]},
    {"resourceType": "Organization", "name": "Judges"},
    {"resourceType": "CodeSystem", **_CODES},
    {"resourceType": "ValueSet", "url": "http://judge.example/ValueSet/v", "status": "active"},
)


def installed() -> Path:
    """The program, put into its environment the first time."""
    program = HOME / "bin" / "schemathesis"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        command = [str(HOME / "bin" / "python"), "-m", "pip", "install", "-qq", f"schemathesis=={VERSION}"]
        subprocess.run(command, check=True)
    return program


@contextlib.contextmanager
def door(url: str, persona: str, folder: Path) -> Iterator[str]:
    """The proxy as a persona; its address."""
    port, log = host.free_port(), folder / f"proxy-{persona}.log"
    command = [sys.executable, "-m", "kjerne", "proxy", "--as", persona, "--patient", PATIENT, "--port", str(port)]
    with host.started(command, log, environment={"PYTHONPATH": str(ROOT / "src"), "KJERNE_URL": url}) as process:
        host.answering(process, f"http://127.0.0.1:{port}/healthz", log)
        yield f"http://127.0.0.1:{port}"


def there(url: str, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """By type some resources that are there: of patients as the test client sees them, and some about no patient, filed here."""
    found: dict[str, list[dict[str, Any]]] = {}
    with door(url, "all-patients", folder) as at:
        for name in SHOWN_TYPES:
            answer = httpx.get(f"{at}/fhir/R4/{name}?_count=5", timeout=60)
            found[name] = [one["resource"] for one in answer.raise_for_status().json().get("entry", ())]
    with door(url, "registry", folder) as at:
        for tree in SHARED:
            answer = httpx.post(f"{at}/fhir/R4/{tree['resourceType']}", json=tree, timeout=60)
            found[str(tree["resourceType"])] = [answer.raise_for_status().json()]
    return found


def judged(at: str, persona: str, seconds: int, seed: int, folder: Path) -> dict[str, Any]:
    """The report of one persona's run."""
    report, log = folder / f"{persona}.json", folder / f"{persona}.txt"
    (folder / "schemathesis.toml").write_text(f"hooks = {json.dumps('hooks')}\n")
    command = [
        str(installed()), "run", f"{at}/openapi.json", "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing",
        "--max-time", str(seconds), "--seed", str(seed), "--include-path-regex", PERSONAS[persona], "--continue-on-failure",
        "--suppress-health-check", "all", "--warnings", "off", "--no-color", "--report", "json",
        "--report-json-path", str(report), "--generation-database", "none",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "JUDGE_KNOWN": str(folder / "known.json"),
        "JUDGE_SEED": str(seed),
    }
    with log.open("wb") as out:
        subprocess.run(command, cwd=folder, stdout=out, stderr=out, check=False, env=environment)
    if not report.exists():
        sys.exit(log.read_text(errors="replace")[-host.LOG_SHOWN :])
    told: dict[str, Any] = json.loads(report.read_text())
    return told


def accepted(report: dict[str, Any]) -> int:
    """How many of the requests that were made by the document were answered with 2xx."""
    return sum(phase["accepted"] for phases in report["valid_rates"].values() for phase in phases.values())


def main() -> int:
    """Prints a line for each persona and what was found; 0 where nothing was."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--server", default="", help="a sandbox that runs already")
    asked.add_argument("--keep", type=Path, help="where reports and logs are to lie")
    asked.add_argument("--seconds", type=int, default=120, help="how long for each persona")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("personas", nargs="*", default=list(PERSONAS))
    given = asked.parse_args()
    found, cases = 0, 0
    with contextlib.ExitStack() as stack:
        folder = (given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        url = given.server or stack.enter_context(sandbox(folder, host.free_port()))
        (folder / "known.json").write_text(json.dumps(there(url, folder)))
        for persona in given.personas:
            with door(url, persona, folder) as at:
                report = judged(at, persona, given.seconds, given.seed, folder)
            wrong = [*report["failures"], *report["errors"]]
            told = report["operations"]["tested"], report["test_cases"]["generated"], accepted(report), len(wrong)
            print(
                "{:<14} {:>4} operations {:>6} requests {:>5} accepted {:>3} findings".format(persona, *told),
                flush=True,
            )
            for one in wrong:
                print(f"  {json.dumps(one)[:600]}", flush=True)
            found, cases = found + len(wrong), cases + report["test_cases"]["generated"]
    print(f"{cases} requests, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
