"""The first quarter of an hour with kjerne: start it, look at it, call it, stop it, start it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from started import Platform, started

CRITICAL = "/api/critical-information/v1/AllergyIntolerance"
KJERNE = [sys.executable, "-m", "kjerne.cli"]

pytestmark = pytest.mark.slow


def kjerne(platform: Platform, *arguments: str) -> tuple[int, Any]:
    """One client command against the platform: exit code and its JSON."""
    done = subprocess.run(
        [*KJERNE, *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KJERNE_URL": platform.url},
    )
    return done.returncode, json.loads(done.stdout)


def observations(platform: Platform, patient: str) -> Any:
    code, answer = kjerne(platform, "call", "POST", "/pps/v2/Observation/_search", "--as", "gp", "--patient", patient)
    assert code == 0, answer
    assert answer["body"]["resourceType"] == "Bundle"
    return [entry["resource"] for entry in answer["body"]["entry"]]


def test_start_look_call_stop_and_start_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(KJERNE, data) as platform:
        for path in ("/healthz", "/readyz", "/clinician", "/me", "/fhir/R4/metadata", "/sandbox/personas.json"):
            answer = httpx.get(platform.url + path, follow_redirects=True, trust_env=False)
            assert answer.status_code == 200, path

        code, told = kjerne(platform, "personas")
        names = {one["name"] for one in told["personas"]}
        assert code == 0
        assert names >= {
            *("gp", "hospital-doctor", "nurse", "midwife", "pharmacist", "outsider", "blocked-doctor"),
            *("lab", "device-gateway", "citizen", "parent", "youth"),
        }
        patient = next(one["nin"] for one in told["personas"] if one["name"] == "citizen")
        assert platform.told["patient"] == patient

        seen = observations(platform, patient)
        assert seen

        code, answer = kjerne(platform, "call", "GET", CRITICAL, "--as", "gp", "--patient", patient)
        assert code == 0, answer
        named = {one["resource"]["code"]["coding"][0]["display"] for one in answer["body"]["entry"]}
        assert named == {"Amoksicillin", "Lateks"}

        code, told = kjerne(platform, "token", "--as", "gp", "--patient", patient)
        assert code == 0
        assert told["token_type"] == "DPoP"

        second = subprocess.run(
            [*KJERNE, "up", "--data", str(data), "--json"], capture_output=True, text=True, check=False
        )
        assert second.returncode == 5
        assert f"in use by process {platform.process.pid}" in json.loads(second.stdout)["error"]["says"]

        assert platform.interrupted() == 0

    begun = time.monotonic()
    with started(KJERNE, data) as platform:
        assert observations(platform, patient) == seen
        assert platform.told["people"] == 15
        assert time.monotonic() - begun < 60
