"""Programs as they are handed out: run as written, they make the call."""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kjerne.sandbox.front.writing import LANGUAGES, SPOILED
from kjerne.sandbox.sts.clients import PAGES_CLIENT, STAFF_CLIENT
from platform_fixture import Standing
from started import Platform, started

NEEDED = ("bash", "curl", "openssl", "jq", "xxd")
SEARCH = {"op": "post_pps_v2_by_type_search", "p_type": "Observation", "media": "application/x-www-form-urlencoded"}
CALLS = {
    "through the portal": {**SEARCH, "as": "parent", "patient": "child", "purpose": "FAMRQT", "body": "_count=1"},
    "a system's": {"op": "get_disclosures", "as": "lab"},
    "with quotes": {
        "op": "post_fhir_R4_by_type_op_validate", "p_type": "Observation", "as": "gp", "patient": "",
        "media": "application/fhir+json",
        "body": '{"resourceType": "Observation", "status": "final", "code": {"text": "it\'s $HOME `x` \\\\ æ"}}',
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def stands(quick_folder: Path) -> Iterator[Platform]:
    """One whose clock is the machine's, as that of the programs is."""
    with started([sys.executable, "-m", "kjerne.cli"], quick_folder / "programs") as platform:
        yield platform


@pytest.fixture
def browser(stands: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stands.url, trust_env=False, headers={"accept-language": "en"}) as http:
        yield http


@pytest.fixture
def reader(platform: Standing) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, trust_env=False, headers={"accept-language": "en"}) as http:
        yield http


def run(file: str, text: str, folder: Path) -> str:
    """What a program prints, which must end well."""
    missing = [name for name in NEEDED if shutil.which(name) is None] if file.endswith(".sh") else []
    if missing:
        pytest.skip(f"missing here: {', '.join(missing)}")
    (folder / file).write_text(text, encoding="utf-8")
    command = ["bash", file] if file.endswith(".sh") else [sys.executable, file]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def programs(browser: httpx.Client, call: dict[str, str]) -> dict[str, str]:
    """The programs on the page of a call, by file."""
    page = browser.get(browser.post("/sandbox/console", data=call).headers["location"]).text
    texts = page.partition('id="programs"')[2].split("<pre ")[1 : len(LANGUAGES) + 1]
    read = [html.unescape(text.partition("<code>")[2].partition("</code>")[0]) for text in texts]
    return {one.file: text for one, text in zip(LANGUAGES, read, strict=True)}


@pytest.mark.parametrize("file", ["kjerne-call.sh", "kjerne_call.py"])
def test_a_quick_start_runs_as_written_and_gets_the_newest_result(
    browser: httpx.Client, tmp_path: Path, file: str
) -> None:
    told = run(file, browser.get(f"/sandbox/quickstart/{file}").text, tmp_path)
    assert "200" in told.splitlines()
    assert "B-HbA1c" in told


@pytest.mark.parametrize(
    ("file", "which"),
    [
        ("kjerne-call.sh", "through the portal"),
        ("kjerne-call.sh", "with quotes"),
        ("kjerne_call.py", "a system's"),
        ("kjerne_call.py", "with quotes"),
    ],
)
def test_a_call_of_the_console_is_made_again_by_its_program(
    browser: httpx.Client, tmp_path: Path, file: str, which: str
) -> None:
    assert "200" in run(file, programs(browser, CALLS[which])[file], tmp_path).splitlines()


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        *(("kjerne_call.py", {"spoiled": one}) for one in SPOILED),
        ("kjerne-call.sh", {"spoiled": "other-key"}),
        ("kjerne-call.sh", {"spoiled": "no-token"}),
        ("kjerne_call.py", {"headers": "authorization: Bearer none"}),
        ("kjerne-call.sh", {"headers": "authorization: Bearer none\ndpop: none"}),
        ("kjerne_call.py", {"headers": "authorization:"}),
    ],
)
def test_what_was_wrong_with_a_call_is_wrong_in_its_program_too(
    browser: httpx.Client, tmp_path: Path, file: str, wrong: dict[str, str]
) -> None:
    call = {**SEARCH, "as": "gp", "patient": "citizen", "body": "_count=1", **wrong}
    assert "401" in run(file, programs(browser, call)[file], tmp_path).splitlines()


def test_headers_and_media_are_those_that_were_written(browser: httpx.Client) -> None:
    call = {
        **SEARCH,
        "as": "gp",
        "patient": "citizen",
        "headers": "user-agent: mine\ncontent-type:",
        "body": "_count=1",
    }
    for text in programs(browser, call).values():
        assert "user-agent" in text
        assert "x-www-form-urlencoded" not in text.rpartition("The call")[2]
    assert "-H 'Content-Type:'" in programs(browser, call)["kjerne-call.sh"]


def test_an_open_address_is_called_without_a_token(browser: httpx.Client, tmp_path: Path) -> None:
    text = programs(browser, {"op": "get_healthz"})["kjerne_call.py"]
    assert "joserfc" not in text
    assert "200" in run("kjerne_call.py", text, tmp_path).splitlines()


def test_every_quick_start_has_this_platforms_addresses(platform: Standing, reader: httpx.Client) -> None:
    for one in LANGUAGES:
        page = reader.get(f"/sandbox/quickstart?in={one.key}")
        assert page.status_code == 200
        text = reader.get(f"/sandbox/quickstart/{one.file}").text
        assert f"{platform.url}/pps/v2/Observation/_search" in text
        assert platform.nin("citizen") in text
        assert '"toa"' not in text.replace("\\", "")
        assert not [mark for mark in ("{{", "{%") if mark in text]
    assert reader.get("/sandbox/quickstart?in=cobol").status_code == 404


def test_only_published_keys_are_handed_out(reader: httpx.Client) -> None:
    assert reader.get(f"/sandbox/clients/{STAFF_CLIENT}.pem").text.startswith("-----BEGIN PRIVATE KEY-----")
    assert reader.get(f"/sandbox/clients/{PAGES_CLIENT}.pem").status_code == 404
    assert reader.get("/sandbox/clients/provider.pem").status_code == 404
