"""Further ways out of the same world: the pages, the log as AuditEvent, the copy a citizen takes, the export in bulk.

Each says which kinds left, as `paths` does. Whoever asks comes with a login that is made here: of the pages only the
provider's part is stood in for.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import cycle
from typing import Any, Final, Literal, NoReturn

import httpx
import msgspec

from kjerne.access import Caller
from kjerne.app import House
from kjerne.pages import session
from kjerne.pages.app import pages_app
from kjerne.pages.house import Identity, Visit
from kjerne.pages.live import Carry
from kjerne.pages.live_operator import OperatorPages
from kjerne.pages.session import Seal, Session
from kjerne.transferring import abroad_of, book_of
from pages.fake import FakeDoor
from services.results.conftest import NOW

from .paths import Ask, Path, Told, by_address, signs_in
from .straight import Heard, Straight
from .world import KINDS, Kind, Patient

URL: Final = "http://kjerne.test"
KEY: Final = bytes(32)
TYPES: Final = ("Observation", "DiagnosticReport", "Binary")
COURSE: Final = "1"
"""The visit's number is what its attestation says of the course of treatment."""
GROUND: Final = "Helseregisterloven § 19 e, vedtak 2026/117"


@dataclass(frozen=True)
class Tab(Ask):
    """A browser in which `caller` is logged in and has the patient open."""

    http: httpx.AsyncClient = field(kw_only=True)
    cookie: str = ""
    token: str = ""
    root: str = ""

    async def get(self, path: str) -> httpx.Response:
        self.answers.append(await self.http.get(self.root + path, headers={"cookie": self.cookie}))
        self.http.cookies.clear()
        return self.answers[-1]

    async def post(self, path: str, **form: str) -> httpx.Response:
        headers = {"cookie": self.cookie, "origin": URL, "sec-fetch-site": "same-origin"}
        answer = await self.http.post(self.root + path, data={"token": self.token} | form, headers=headers)
        self.http.cookies.clear()
        return answer


@dataclass
class Pages:
    """The pages of one house."""

    house: House
    live: OperatorPages = field(init=False)
    application: Any = field(init=False)
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        one = self.house

        async def verify(_: bytes) -> NoReturn:
            raise AssertionError("nobody logs in here")

        self.live = OperatorPages(
            one.store, one.clock, one.reader, one.asker, verify, one.identify, one.digest,
            tells_choices=one.settings.tells_choices,
        )  # fmt: skip
        self.live.making, self.live.public_url, self.live.room = one.summaries(), URL, one.documents.room
        book = book_of(one.store, one.reader, one.identify)
        self.live.foreign = abroad_of(one.store, book, one.guides, one.parse_foreign, one.identify)
        self.application = pages_app(self.live, FakeDoor(one.clock), key=KEY, clock=one.clock, secure=False)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.application), base_url=URL)

    async def registered(self, caller: Caller, until: date | None = None) -> None:
        """She stands in the register of health personnel as who she is here; several of the world share a number."""
        row = (caller.hpr, caller.digest, caller.name, [caller.authorization], date(2000, 1, 1), until)
        async with self.house.store.pool.acquire() as conn:
            await conn.execute("DELETE FROM practitioner WHERE hpr = $1 OR digest = $2", caller.hpr, caller.digest)
            await conn.execute("INSERT INTO practitioner VALUES ($1, $2, $3, $4, $5, $6)", *row)

    def who(self, caller: Caller) -> Identity:
        """As after a login, whoever she is."""
        carry = Carry(
            caller.digest, sorted(caller.scopes), caller.client, caller.level, "", caller.authorization, caller.organisation,
            caller.point_of_care,
        )  # fmt: skip
        packed = msgspec.msgpack.encode(carry).hex()
        kind: Literal["practitioner", "citizen"] = "practitioner" if caller.kind == "practitioner" else "citizen"
        return Identity(kind, caller.name, caller.authorization, "", caller.hpr, packed)

    def tab(self, caller: Caller, patient: Patient, purpose: str, basis: str) -> Tab:
        """As after a login and the choice of a patient."""
        staff, who = caller.kind == "practitioner", self.who(caller)
        said = caller.attestation
        visit = Visit(
            COURSE, patient.key, purpose if staff else "PATRQT", NOW, basis, None, said.decision_text if said else "",  # type: ignore[arg-type]
            said.user_selected if said else False,
        )  # fmt: skip
        seal, login = Seal(KEY), Session("a login", who, NOW, NOW.replace(hour=NOW.hour + 1), visit)
        root = f"/clinician/v/{COURSE}" if staff else "/me"
        cookie = f"kjerne_session={seal.seal('session', login)}"
        token = session.form_token(seal, login, NOW)
        return Tab(self.application, patient, basis, [], cookie, token, root, http=self.http)


def on_page(path: str) -> Callable[[Ask], Awaitable[Told]]:
    async def ask(ask: Ask) -> Told:
        return Told(signs_in([await ask.get(path)], ask.patient))

    return ask


def on_trends(path: str) -> Callable[[Ask], Awaitable[Told]]:
    """The trends that a page leads to; what that page itself shows does not count."""

    async def ask(ask: Ask) -> Told:
        listed = await ask.get(path)
        found = sorted(set(re.findall(r'href="(?:/me|/clinician/v/\w+)(/trend/\w+)"', listed.text)))
        return Told(signs_in([await ask.get(one) for one in found], ask.patient))

    return ask


def file_of(kind: Kind) -> Callable[[Ask], Awaitable[Told]]:
    async def ask(ask: Ask) -> Told:
        ids = {type_: by_kind[kind.name] for type_, by_kind in ask.patient.ids.items()}
        answer = await ask.get(f"/report/{ids['DiagnosticReport']}/file/{ids['Binary']}")
        return Told(frozenset({kind.name}) if answer.status_code == 200 else signs_in([answer], ask.patient))

    return ask


def _whole(*paths: str) -> tuple[Path, ...]:
    return tuple(Path(f"page {path}", "search", on_page(path)) for path in paths)


def _of_one_kind() -> Iterator[Path]:
    for kind, as_file in zip(KINDS, cycle((False, True)), strict=False):
        if as_file:
            yield Path("page of a file", "read", file_of(kind), (kind,), "Binary")
        else:
            ask = by_address("/report/{}", "DiagnosticReport", kind)
            yield Path("page of a report", "read", ask, (kind,), "DiagnosticReport", beside=True)


_SUMMARY: Final = Path(
    "page /summary",
    "search",
    on_page("/summary"),
    tuple(one for one in KINDS if "not the mother's" not in one.withheld),
)
CLINICIANS: Final = (*_whole("?period=all", "/print"), _SUMMARY)
CITIZENS: Final = (*_whole("/results"), _SUMMARY)
OVERVIEW: Final = Path("page of what is new", "search", on_page(""), about=(), beside=True)
"""It shows a choice of what may be shown: nothing that may not."""
STAFF_TRENDS, OWN_TRENDS = (
    Path(f"trends from {path}", "search", on_trends(path)) for path in ("?period=all", "/results")
)
OF_ONE: Final = tuple(_of_one_kind())
"""Of each kind its report or its file."""


def named_in(text: str, patient: Patient, type_: str) -> frozenset[str]:
    """The kinds whose records of a type are named by id."""
    return frozenset(kind for kind, id_ in patient.ids[type_].items() if id_ in text)


async def events(client: Straight, patient: Patient) -> str:
    """All that the log says of how her records came, as FHIR; empty where it is refused."""
    form = "action=C&_count=1000"
    headers = {"person-id": patient.number, "content-type": "application/x-www-form-urlencoded"}
    answer = await client.post("/fhir/R4/AuditEvent/_search", content=form, headers=headers)
    assert answer.status_code in (200, 403), answer.text
    assert '"relation":"next"' not in answer.text
    return answer.text if answer.status_code == 200 else ""


async def copied(tab: Tab) -> dict[str, str]:
    """By type what is in the file that a citizen takes away: the records of its Bundle, and the names of its files."""
    answer = await tab.post("/download/file")
    if answer.status_code != 200:
        return {}
    found = zipfile.ZipFile(io.BytesIO(answer.content))
    entries = [entry["resource"] for entry in json.loads(found.read("bundle.json"))["entry"]]
    by_type = {
        type_: " ".join(str(one.get("id")) for one in entries if one["resourceType"] == type_) for type_ in TYPES
    }
    return by_type | {"Binary": " ".join(found.namelist())}


async def exported(call: Callable[..., Awaitable[Heard]], asking: Caller, *approving: Caller) -> dict[str, str]:
    """By type all files of an export that was asked for and approved."""
    rows = [("ground", GROUND), ("recipient", "Folkehelseinstituttet"), ("_type", ",".join(TYPES))]
    body: Any = {"resourceType": "Parameters", "parameter": [{"name": one, "valueString": two} for one, two in rows]}
    kicked = await call(asking, "POST", "/fhir/R4/$export", json=body, headers={"prefer": "respond-async"})
    assert kicked.status_code == 202, kicked.text
    place = kicked.header("content-location")
    for one in approving:
        assert (await call(one, "POST", f"{place}/approve", data={"reason": GROUND})).status_code == 200
    manifest = (await call(asking, "GET", place)).json()
    files: dict[str, str] = {}
    for file in manifest["output"]:
        text = (await call(asking, "GET", file["url"])).text
        own = re.findall(r'"resourceType":"(\w+)","id":"([^"]+)"', text)
        assert len(own) == len(text.splitlines())
        files[file["type"]] = files.get(file["type"], "") + " ".join(id_ for _, id_ in own)
    return files
