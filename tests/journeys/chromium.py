"""A real Chromium on the pages of the made-up house, and what every page must hold there."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from kjerne.clock import SystemClock
from pages.fake import FakeHouse, made

AXE: Final = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# To describe every element that passes takes axe twice as long as to find those that do not.
VIOLATIONS: Final = """(tags) => axe.run({runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})
    .then((found) => found.violations.map((one) => [one.id, one.nodes.map((node) => node.target)]))"""
WIDTHS: Final = (1280, 390)
# However busy the machine is: who waits is waited for, and only what never comes takes this long.
WAIT_SECONDS: Final = 30
expect.set_options(timeout=WAIT_SECONDS * 1000)
# As root in a container Chromium has no sandbox of its own; nothing but our own pages is opened.
ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Site:
    """Where the pages are, and the house behind them."""

    url: str
    house: FakeHouse


@dataclass
class Tab:
    """One browser tab that remembers what its console complained about."""

    page: Page
    site: Site
    complaints: list[str] = field(default_factory=list)

    def goto(self, path: str) -> None:
        self.page.goto(self.site.url + path)

    def holds(self) -> None:
        """Zero axe violations, no sideways scroll, nothing that the policy had to stop."""
        page = self.page
        page.wait_for_load_state("load")  # a page that is on its way to the next has no document to look at
        if not page.evaluate("!!window.axe"):
            page.evaluate(AXE.read_text("utf-8"))
        assert page.evaluate(VIOLATIONS, RULES) == [], page.url
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), page.url
        assert self.complaints == [], page.url


def chromium() -> str:
    """Path of the browser, or the test is skipped with what is missing.

    The headless shell draws the same pages without the window around them, which costs the other as much again.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), "")
    if not found:
        pytest.skip("Chromium is missing (Debian: apt-get install chromium-headless-shell)")
    if not AXE.is_file():
        pytest.skip("axe-core is missing (python tools/build_assets.py --tests)")
    return found


@dataclass
class Stage:
    """A server on a free port, for a module's tests: an application after the other stands on it."""

    url: str = ""
    application: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.application(scope, receive, send)

    def site(self) -> Site:
        """The pages, with a house of their own."""
        house, _, self.application = made(SystemClock())
        return Site(self.url, house)


@contextmanager
def stage() -> Iterator[Stage]:
    """To stop a server takes it a fifth of a second, so there is not one for each test."""
    found = Stage()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(found, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    deadline = time.monotonic() + WAIT_SECONDS
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the pages' server did not start"
        time.sleep(0.02)
    try:
        found.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield found
    finally:
        server.should_exit = True
        thread.join(10)


@contextmanager
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests."""
    path = chromium()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def tab(opened: Browser, where: Site, width: int = 1280, **context: Any) -> Iterator[Tab]:
    """A tab of its own login; `java_script_enabled=False` for a reader without script."""
    height = 844 if width < 600 else 800
    shape: Any = {"width": width, "height": height}
    own = opened.new_context(viewport=shape, **{"locale": "nb-NO", **context})
    own.set_default_timeout(WAIT_SECONDS * 1000)
    page = own.new_page()
    made_tab = Tab(page, where)
    page.on("console", lambda message: _note(made_tab, message.type, message.text))
    page.on("pageerror", lambda error: made_tab.complaints.append(str(error)))
    try:
        yield made_tab
    finally:
        own.close()


def _note(made_tab: Tab, kind: str, message: str) -> None:
    # A refusal has its status; Chromium logs each as a failed load, which is what the test asked for.
    if kind in ("error", "warning") and "Failed to load resource" not in message:
        made_tab.complaints.append(message)
