"""The pages, with and without something hidden: alike but for what the law lets be told (docs/law.md).

The same login looks at every page before something hidden is filed and after. A clinician's page may count reports behind
the patient's lock, the citizen's tells when a report opens; what else would differ tells of what is hidden.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from kjerne.access import Label
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.pages.app import pages_app
from kjerne.pages.live_operator import OperatorPages
from kjerne.policy.claims import Claims
from kjerne.settings import Settings
from kjerne.store import registers
from kjerne.store.embedded import PROGRAM
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.registers import OrganisationRow, PractitionerRow
from kjerne.store.shares import NAME, Shares
from pages.fake import FakeDoor
from participating import taking_part
from services.results.conftest import HOSPITAL, NOW, TAKERS, Ward

from .shut import Hidden, Record, absent, mark, of_nobody, record

URL: Final = "http://kjerne.test"
HPR: Final = "9144889"
DIFFERS: Final = re.compile(
    r'name="(?:token|number|patient|report|shown)" value="[^"]*"|/v/[0-9A-Za-z_-]+|own=[0-9A-Za-z_-]+|[0-9a-f-]{36}-[0-9]+'
)
LOCK: Final = re.compile(
    r'<div class="message locked wide">.*?</div>|<p><strong>[^<]*(?:sperr|lås)[^<]*</strong></p>', re.DOTALL
)
COMING: Final = re.compile(
    r'<section aria-labelledby="coming">.*?</section>|<p class="quiet">[^<]*<a href="/me">[^<]*</a></p>', re.DOTALL
)
KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
HIDDEN: Final = (
    Hidden("restricted by the patient", "clinician", mark("NORS")),
    Hidden("filed on a wrong person", "clinician", label=Label.WITHDRAWN),
    Hidden("restricted, and filed on a wrong person", "clinician", label=Label.WITHDRAWN | Label.RESTRICTED),
    Hidden("another patient's", "clinician", elsewhere=True),
    Hidden("withheld from the citizen", "me", mark("NORN_FFL")),
    Hidden("not yet released", "me", mark("NORU", "2026-12-01")),
    Hidden("filed on a wrong person, her own pages", "me", label=Label.WITHDRAWN),
    Hidden("another patient's, her own pages", "me", elsewhere=True),
)


@pytest.fixture(scope="module")
def dsn(clusters: Any) -> str:
    cluster = clusters("18")
    cluster.create("hidden_pages")
    return str(cluster.server.dsn(PROGRAM, "hidden_pages"))


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Shares:
    """As long as the database is."""
    return Shares.made(tmp_path_factory.mktemp("shares") / NAME, KEYS, ["results"])


@pytest.fixture
async def ward(dsn: str, shares: Shares) -> AsyncIterator[Ward]:
    store = await open_store(dsn, KEYS, shares, pool_size=4)
    house = House(Settings(data=Path("unused"), dsn=dsn), store, FixedClock(NOW))
    if not await store.pool.fetchval("SELECT count(*) FROM practitioner"):
        hospital = OrganisationRow(HOSPITAL, "", "Sykehuset", "hospital", "", "", "0301")
        doctor = PractitionerRow(HPR, house.digest(f"doctor-{HPR}"), "Lege Legesen", ("LE",), date(2000, 1, 1), None)
        async with store.pool.acquire() as conn:
            await registers.fill(conn, [doctor], [hospital])
        await taking_part(store, *TAKERS)
    yield Ward(house)
    await store.close()


class Tab:
    """A browser that is logged in as the doctor or as the citizen."""

    def __init__(self, ward: Ward, made: Record, to: str) -> None:
        self.made, self.to, self.root = made, to, ""
        house, doctor = ward.house, made.readers["doctor"]
        assert doctor.attestation
        staff = Claims("d", "pages", frozenset({"nhn:pps/provesvar-read"}), "j", 2**31, "", f"doctor-{HPR}", "Lege Legesen",
                       HPR, 4, HOSPITAL)  # fmt: skip
        citizen = replace(staff, scopes=frozenset({"kjerne:citizen"}), pid=made.number, hpr="", name="Prøve Person")

        async def verify(_: bytes) -> Claims:
            return staff if to == "clinician" else citizen

        live = OperatorPages(
            house.store, house.clock, house.reader, house.asker, verify, house.identify, house.digest,
            tells_choices=house.settings.tells_choices,
        )  # fmt: skip
        live.making, live.public_url = house.summaries(), URL
        app = pages_app(live, FakeDoor(house.clock), key=bytes(32), clock=house.clock, secure=False)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=URL, follow_redirects=True, headers={"cid": "the-same"}
        )

    async def opened(self) -> None:
        page = await self.http.get(f"/login/start?to={self.to}")
        assert page.status_code == 200, page.text[-800:]
        if self.to == "clinician":
            form = {"purpose": "TREAT", "basis": "", "patient": "", "number": self.made.number}
            page = await self.post(page, "/clinician/open", **form)
            assert page.status_code == 200 and "/clinician/v/" in str(page.url), page.text[-800:]
            self.root = page.url.path

    async def post(self, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        assert token
        headers = {"origin": URL, "sec-fetch-site": "same-origin"}
        return await self.http.post(path, data={"token": token[1]} | fields, headers=headers)

    async def every_page(self) -> dict[str, tuple[int, list[tuple[str, str]], str]]:
        """All pages that the first ones lead to, as far as they are about the patient."""
        first = [self.root, f"{self.root}?period=all", f"{self.root}/print", f"{self.root}/summary", "/clinician"]
        if self.to == "me":
            first = ["/me", "/me/results", "/me/results?show=flagged", "/me/privacy", "/me/summary"]
        told: dict[str, tuple[int, list[tuple[str, str]], str]] = {}
        queue = list(first)
        while queue:
            path = queue.pop(0)
            if path in told:
                continue
            page = await self.http.get(path)
            told[path] = self.shown(page)
            queue += re.findall(rf'href="({self.root or "/me"}/(?:trend|report)/[^"#?]+)"', page.text)
        if self.to == "clinician":
            page = await self.http.get(self.root)
            for asked in re.findall(r'<option value="([^"]+)">', page.text)[:3]:
                told[f"done {asked}"] = self.shown(await self.post(page, f"{self.root}/done", asked=asked))
        return told

    def shown(self, page: httpx.Response, *alike: str) -> tuple[int, list[tuple[str, str]], str]:
        text = DIFFERS.sub("", COMING.sub("", LOCK.sub("", page.text)))
        for id_ in alike:
            text = text.replace(id_, "id")
        quiet = ("content-length", "set-cookie", "content-security-policy")
        return page.status_code, sorted(pair for pair in page.headers.items() if pair[0] not in quiet), text


def differing(one: str, other: str) -> list[str]:
    """The lines in which two pages differ."""
    return [line for line in difflib.ndiff(one.splitlines(), other.splitlines()) if line[0] in "+-"]


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: one.name)
async def test_no_page_differs_once_something_hidden_is_there(ward: Ward, hidden: Hidden) -> None:
    made = await record(ward)
    tab = Tab(ward, made, hidden.reader)
    await tab.opened()
    before = await tab.every_page()
    await made.fill_shut(hidden)
    after = await tab.every_page()
    assert list(before) == list(after)
    for path, told in before.items():
        assert told[:2] == after[path][:2], path
        assert differing(told[2], after[path][2]) == [], path
    assert len(before) > 5 and any("trend" in path for path in before) and any("report" in path for path in before)


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: one.name)
async def test_a_page_of_a_hidden_report_is_the_page_of_none(ward: Ward, hidden: Hidden) -> None:
    made = await record(ward)
    await made.fill_shut(hidden)
    tab = Tab(ward, made, hidden.reader)
    await tab.opened()
    root, report, file = tab.root or "/me", made.shut["DiagnosticReport"], made.shut["Binary"]
    for other in (absent(made), of_nobody()):
        for path in ("/report/{}", "/report/{}/file/0", f"/report/{{}}/file/{file}"):
            one, two = [await tab.http.get(root + path.format(id_)) for id_ in (report, other)]
            assert tab.shown(one, report) == tab.shown(two, other)
            assert one.status_code == 404
    if hidden.reader == "clinician":
        page = await tab.http.get(root)
        assert bool(LOCK.search(page.text)) == (hidden.marks == mark("NORS"))
        answers = [await tab.post(page, f"{root}/acknowledge", report=id_) for id_ in (report, absent(made))]
        assert tab.shown(answers[0], report) == tab.shown(answers[1])
        assert answers[0].status_code == 403, "neither was shown to her"


@pytest.mark.parametrize(
    "hidden", [one for one in HIDDEN if one.reader == "me" and one.marks], ids=lambda one: one.name
)
async def test_her_log_has_no_line_of_the_filing_of_what_is_hidden_from_her(ward: Ward, hidden: Hidden) -> None:
    made = await record(ward)
    tab = Tab(ward, made, "me")
    await tab.opened()

    async def lines() -> tuple[int, set[str]]:
        page = await tab.http.get("/me/log?show=all")
        return len(re.findall("log-row", page.text)), set(
            re.findall(r"\d+ (?:målinger|rapporter|svar)[^<,]*", page.text)
        )

    await lines()  # that she reads it, and what it names to her, has its own lines from now on
    before = await lines()
    await made.fill_shut(hidden)
    assert await lines() == before
