"""A receiver of SMART Health Links that others made opens a link of this checkout (`make judge-links`).

npm `kill-the-clipboard`, as it is published: a citizen of the sandbox makes a link on the pages, npm `jsqr` reads its QR code,
the receiver asks for the manifest with a wrong and with the right passcode, takes the file from inside and from its address, and
finds nothing once the citizen has ended the link. They are put into `.cache/judges`, the first time from the registry. Exits
with 1 unless every step is well.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path
from typing import Any, Final

import httpx

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
HOME: Final = ROOT / ".cache" / "judges" / "links"
NPM: Final = ("kill-the-clipboard@1.1.0", "jsqr@1.4.0")
PEOPLE: Final = 15
PERSONA: Final = "citizen"


def main() -> int:
    """Prints a table; 0 where every step was well."""
    _install()
    steps: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="judge-") as folder:
        command = [sys.executable, "-m", "kjerne", "up", "--port", str(_port()), "--data", f"{folder}/data"]
        with subprocess.Popen(
            [*command, "--people", str(PEOPLE), "--sources", "0", "--json"], stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout is not None
                citizen = Citizen(str(_said(process.stdout)["url"]))
                made = citizen.makes()
                steps += _told("open", made)
                citizen.ends()
                steps += _told("ended", made)
            finally:
                process.terminate()
    for one in steps:
        print(f"{one['step']:<60} {'ok' if one['ok'] else 'WRONG ' + one.get('told', '')}")
    well = sum(one["ok"] for one in steps)
    print(f"{well}/{len(steps)}")
    return 0 if steps and well == len(steps) else 1


class Citizen:
    """A citizen of the sandbox in a browser of hers."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(trust_env=False, timeout=60, follow_redirects=True)
        chooser = self._http.get(f"{url}/login/start?to=me")
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', chooser.text)
        action = re.search(r'action="([^"]+)"', chooser.text)
        assert action, "the provider shows whom to log in as"
        fields = {name: unescape(value) for name, value in hidden} | {"persona": PERSONA}
        self._http.post(str(chooser.url.join(unescape(action[1]))), data=fields)

    def _post(self, page: str, to: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="token" value="([^"]+)"', self._http.get(self._url + page).text)
        assert token, "a form has a token"
        answer = self._http.post(self._url + to, data={"token": token[1], **fields}, headers={"origin": self._url})
        return answer.raise_for_status()

    def makes(self) -> dict[str, str]:
        """A link, its passcode and its QR code as they stand on the page."""
        page = self._post(
            "/me/links/new", "/me/links/new", label="Holiday", hours="24", passcode="", language="en"
        ).text
        found = {
            "uri": re.search(r'id="uri">([^<]+)<', page),
            "passcode": re.search(r'id="the-passcode">([^<]+)<', page),
            "qr": re.search(r"(<svg[^>]*qr-code.*?</svg>)", page, re.DOTALL),
            "viewer": re.search(r'href="([^"]+)"[^>]* id="viewer-link"', page),
        }
        return {name: unescape(one[1]) for name, one in found.items() if one}

    def ends(self) -> None:
        """Ends the one that she made."""
        at = re.search(r'action="(/me/links/[^"]+/end)"', self._http.get(f"{self._url}/me/links").text)
        assert at, "the link stands in her list"
        self._post("/me/links", at[1])


def _told(what: str, made: dict[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(HERE / "story.mjs"), str(HOME), what],
        input=json.dumps(made), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        return [{"step": f"the receiver runs ({what})", "ok": False, "told": done.stderr.strip()[-300:]}]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _install() -> None:
    stamp = HOME / "stamp"
    wanted = json.dumps(NPM)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / "package.json").write_text("{}")
    command = ["npm", "install", "--ignore-scripts", "--no-fund", "--no-audit", "--silent", *NPM]
    subprocess.run(command, cwd=HOME, check=True)
    stamp.write_text(wanted)


def _said(stream: Any) -> dict[str, Any]:
    """The first JSON document of a stream that goes on."""
    text = ""
    for line in stream:
        text += line.decode()
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        return found
    raise SystemExit("the sandbox did not start")


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
