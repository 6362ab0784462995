"""What is installed is whole: a wheel in a fresh environment, without Node and this checkout, serves the pages."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from started import started

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def kjerne(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command. The dependencies are this environment's, kjerne itself is the wheel's alone."""
    fresh = tmp_path_factory.mktemp("fresh")
    venv.create(fresh, with_pip=False, symlinks=True)
    site = fresh / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(fresh / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*install, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True)
    return fresh / "bin" / "kjerne"


def test_wheel_holds_what_was_generated_and_nothing_of_the_workshop(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "kjerne/pages/static/vendor/designsystemet.css",
        "kjerne/pages/static/vendor/theme.css",
        "kjerne/pages/static/vendor/htmx.min.js",
        "kjerne/pages/static/vendor/uPlot.iife.min.js",
        "kjerne/pages/static/vendor/LICENCES.txt",
        "kjerne/store/migrations/0001_floor.sql",
        "kjerne/fhir/views/shipped/lab_results.json",
        "kjerne/py.typed",
    ):
        assert name in names
    assert any(name.startswith("kjerne/fhir/data/") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kjerne"}


def test_installed_wheel_starts_and_serves_the_pages_without_node(kjerne: Path, tmp_path: Path) -> None:
    environment = {"PATH": str(kjerne.parent), "HOME": str(tmp_path), "LANG": os.environ.get("LANG", "C.UTF-8")}
    where = subprocess.run(
        [str(kjerne.parent / "python"), "-c", "import kjerne; print(kjerne.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    ).stdout
    assert where.startswith(str(kjerne.parents[1]))
    with (
        started([str(kjerne)], tmp_path / "data", environment=environment) as platform,
        httpx.Client(base_url=platform.url, trust_env=False, follow_redirects=True) as client,
    ):
        for path in ("/healthz", "/clinician", "/static/vendor/theme.css", "/fhir/R4/metadata"):
            assert client.get(path).status_code == 200, path
        assert platform.interrupted() == 0
