"""What is registered in one clinician's system turns the icon red in another, and a press on it opens the pages there."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from journeys.chromium import AXE, RULES, VIOLATIONS, WIDTHS
from kjerne.services.critical.indicator import ICON
from kjerne.services.critical.indicator_words import words
from platform_fixture import Standing
from services.critical.asking import Session, created, sent
from services.critical.records import allergy, registered
from services.critical.test_indicator import asked, emptied
from services.test_standards_registered import NEED

pytestmark = pytest.mark.browser
ABOUT = "parent"


@dataclass
class Ehr:
    """Another maker's system: a page about one patient, with our icon in a frame and as a picture."""

    platform: Standing
    about: str = ABOUT
    url: str = ""
    sessions: list[Session] = field(default_factory=list)

    def page(self) -> str:
        told = asked(self.platform, self.about).json()
        at = f"{self.platform.url}{ICON}?{urlencode({'ticket': told.get('ticket', ''), 'lang': 'nb'})}"
        name, text = self.platform.persona(self.about).person_name, told["returTekst"]
        return (
            f'<!doctype html><html lang="nb"><title>EHR B</title><main><h1>{name}</h1>'
            f'<iframe src="{at}" title="Kjernejournal" width="64" height="64"></iframe>'
            f'<img src="{at}" alt="{text}" width="64" height="64"></main></html>'
        )

    def way(self) -> str:
        """What a press on the icon leads to: a session, and the address that opens it."""
        self.sessions.append(created(self.platform, self.about))
        return f"{self.platform.url}/clinician/launch?{urlencode(self.sessions[-1].query)}"


@contextlib.contextmanager
def standing(platform: Standing, about: str = ABOUT) -> Iterator[Ehr]:
    """The system on a port of its own, registered with the platform."""
    ehr = Ehr(platform, about)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            opens = self.path == "/open"
            body = b"" if opens else ehr.page().encode()
            self.send_response(303 if opens else 200)
            self.send_header("location", ehr.way()) if opens else self.send_header(
                "content-type", "text/html; charset=utf-8"
            )
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ehr.url = f"http://127.0.0.1:{server.server_port}"
    file = platform.application._edge.settings.ehrs_file
    client = platform.persona("gp").client
    file.write_text(f'[[ehr]]\nclient = "{client}"\norigins = ["{ehr.url}"]\nopen = "{ehr.url}/open"\n')
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield ehr
    finally:
        server.shutdown()
        server.server_close()
        file.unlink()


def seen(page: Page, name: str) -> None:
    """Keeps a picture for whoever wants to look (`KJERNE_SHOTS`)."""
    if folder := os.environ.get("KJERNE_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def held(page: Page) -> None:
    page.wait_for_load_state("load")
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate(VIOLATIONS, RULES) == [], page.url
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), page.url


@pytest.mark.parametrize("width", WIDTHS)
def test_an_allergy_of_one_system_is_red_in_another_and_opens_at_the_patient(
    opened: Browser, platform: Standing, width: int
) -> None:
    emptied(platform, ABOUT)
    own = opened.new_context(viewport={"width": width, "height": 800}, locale="nb-NO")
    own.set_default_timeout(20_000)
    page = own.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    with contextlib.closing(own), standing(platform) as ehr:
        page.goto(ehr.url)
        drawn = page.frame_locator("iframe")
        expect(drawn.get_by_role("link", name=words("nb", 2))).to_be_visible()
        seen(page, f"ehr-before-{width}")

        registered(platform, allergy(platform, ABOUT), as_="hospital-doctor", about=ABOUT, **NEED)

        page.goto(ehr.url)
        expect(page.get_by_role("img", name=words("nb", 4))).to_be_visible()
        icon = drawn.get_by_role("link", name=words("nb", 4))
        expect(icon).to_be_visible()
        seen(page, f"ehr-red-{width}")
        assert complaints == []
        icon.click()

        page.wait_for_url("**/login?to=clinician*")
        page.get_by_role("link", name="Logg inn som helsepersonell").click()
        page.locator("button[name=persona][value=gp]").click()
        page.wait_for_url("**/clinician/v/*")
        bar = page.get_by_role("region", name="Pasient", exact=True)
        expect(bar).to_contain_text(platform.persona(ABOUT).person_name)
        held(page)
        seen(page, f"opened-{width}")
        number = platform.nin(ABOUT)
        assert number not in page.url and number not in json.dumps(ehr.sessions[-1])

        sent(platform, "end", {"sessionId": ehr.sessions[-1].id}, about=ABOUT, **NEED)
        expect(page.get_by_role("heading", name="Journalsystemet har lukket pasienten")).to_be_visible()
        expect(page.get_by_text(platform.persona(ABOUT).person_name)).to_have_count(0)
        held(page)
        seen(page, f"closed-{width}")
    emptied(platform, ABOUT)


def test_a_page_of_another_origin_cannot_frame_the_icon(opened: Browser, platform: Standing) -> None:
    own = opened.new_context()
    page = own.new_page()
    with contextlib.closing(own), standing(platform) as ehr:
        file = platform.application._edge.settings.ehrs_file
        file.write_text(file.read_text().replace(ehr.url, "http://127.0.0.1:9"))
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.goto(ehr.url)
        page.wait_for_load_state("load")
        expect(page.get_by_role("img")).to_be_visible()
        expect(page.frame_locator("iframe").get_by_role("link")).to_have_count(0)
