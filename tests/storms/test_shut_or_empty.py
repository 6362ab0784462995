"""Where no choice of a patient's may be told (EHDS): who has shut everything is answered as who has nothing there.

Pairs of questions, alike but for whom they are about: a patient with results who has blocked, restricted or opted out, and
one whom no result was ever filed on. Status, headers, body and pages are equal; the log alone has the rule that refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import pytest

import seeds
from kjerne.access import Caller, Choice
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.settings import Settings
from kjerne.store import registers
from kjerne.store.audit import REFUSED
from kjerne.store.embedded import PROGRAM
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.patient_ids import id_of
from kjerne.store.registers import OrganisationRow, PractitionerRow
from kjerne.store.shares import NAME, Shares
from participating import taking_part
from services.results.conftest import ELSEWHERE, HOSPITAL, LAB, NOW, TAKERS, Ward
from settling import settled

from .shut import TYPES, Ask, Record, absent, by_id, heard, mark, of_nobody, record, searches, with_id
from .test_hidden_pages import DIFFERS, HPR, Tab, differing

KEYS: Final = Keys(b"w" * 32, b"p" * 32, b"s" * 32)
SOME: Final = 40
CHOICES: Final = {
    "blocked-by-name": Choice("block", "", HPR, "", NOW, None),
    "restricted": Choice("restriction", "results", "", "", NOW, None),
    "opted-out": Choice("opt-out", "results", "", "", NOW, None),
}
EVERY_CHOICE: Final = pytest.mark.parametrize("rule", CHOICES)


@pytest.fixture(scope="module")
def dsn(clusters: Any) -> str:
    cluster = clusters("18")
    cluster.create("shut_or_empty")
    return str(cluster.server.dsn(PROGRAM, "shut_or_empty"))


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Shares:
    """As long as the database is."""
    return Shares.made(tmp_path_factory.mktemp("shares") / NAME, KEYS, ["results"])


@pytest.fixture
async def ward(dsn: str, shares: Shares) -> AsyncIterator[Ward]:
    store = await open_store(dsn, KEYS, shares, pool_size=4)
    settings = Settings(data=Path("unused"), dsn=dsn, jurisdiction="EHDS")
    house = House(settings, store, FixedClock(NOW))
    if not await store.pool.fetchval("SELECT count(*) FROM practitioner"):
        hospital = OrganisationRow(HOSPITAL, "", "Sykehuset", "hospital", "", "", "0301")
        doctor = PractitionerRow(HPR, house.digest(f"doctor-{HPR}"), "Lege Legesen", ("LE",), date(2000, 1, 1), None)
        async with store.pool.acquire() as conn:
            await registers.fill(conn, [doctor], [hospital])
        await taking_part(store, *TAKERS)
    yield Ward(house)
    await store.close()


async def shut(ward: Ward, *choices: Choice) -> Record:
    """A patient with results and these choices, and another in the same care with neither."""
    made = await record(ward)
    async with ward.house.store.pool.acquire() as conn:
        for choice in choices:
            await ward.house.store.people.add_choice(conn, made.key, choice)
    return made


def drawn(asks: list[Ask]) -> list[Ask]:
    """All of them under `make storm`, else a few by a seed that replays them."""
    if "KJERNE_STORM" in os.environ:
        return asks
    return Random(seeds.seed("KJERNE_STORM_SEED")).sample(asks, SOME)


async def pair(
    ward: Ward, made: Record, ask: Ask, other: Ask | None = None, alike: tuple[str, ...] = (), **place: str
) -> tuple[Any, Any]:
    """What a doctor hears of the one who has shut everything, and of the one who has nothing."""
    told = []
    for number, one in ((made.number, ask), (made.other, other or ask)):
        async with ward.client(replace(ward.doctor(number, HPR), **place)) as client:
            told.append(await heard(client, one, number, alike))
    return told[0], told[1]


@EVERY_CHOICE
async def test_no_question_tells_who_has_shut_everything_from_who_has_nothing(ward: Ward, rule: str) -> None:
    made = await shut(ward, CHOICES[rule])
    asks = [ask for ask in searches(made) if not any(id_ in ask.path for id_ in made.open.values())]
    given = 0
    for ask in drawn(asks):
        one, other = await pair(ward, made, ask)
        assert one == other, str(ask)
        given += one[0][0] == 200
    assert given > SOME / 2


@EVERY_CHOICE
async def test_no_summary_tells_who_has_shut_everything_from_who_has_nothing(ward: Ward, rule: str) -> None:
    """But for who she is, and for what is named after that: it lacks something in both, and does not say what."""
    made = await shut(ward, CHOICES[rule])
    told = []
    for number in (made.number, made.other):
        async with ward.client(ward.doctor(number, HPR)) as client:
            answer = await client.get("/fhir/R4/Patient/$summary", headers={"person-id": number})
        assert answer.status_code == 200, answer.text
        tree = answer.json()
        entries = [one["resource"] for one in tree["entry"]]
        own = {one["id"] for one in entries} | {one["fullUrl"] for one in tree["entry"]} | {tree["identifier"]["value"]}
        tree["entry"] = [one for one in entries if one["resourceType"] != "Patient"]
        body = json.dumps(tree)
        for id_ in sorted(own, key=len, reverse=True):
            body = body.replace(id_, "")
        told.append((body, dict(answer.headers) | {"content-length": "", "x-correlation-id": ""}))
    assert told[0] == told[1]
    assert "incomplete" in told[0][0]
    assert "-info" not in told[0][0]


@EVERY_CHOICE
async def test_a_cursor_to_follow_her_by_is_good_before_and_after_she_shuts_it(ward: Ward, rule: str) -> None:
    made = await shut(ward)
    people = ward.house.store.people

    async def told(cursor: str) -> tuple[str, list[str]]:
        async with ward.client(ward.doctor(made.number, HPR)) as client:
            answer = await client.get(f"/fhir/R4/$changes{cursor}", headers={"person-id": made.number})
        tree = answer.json()
        assert answer.status_code == 200, tree
        (onward,) = [one["url"] for one in tree["link"] if one["relation"] == "monitor"]
        return "?" + onward.partition("?")[2], [one["fullUrl"] for one in tree.get("entry", ()) if "fullUrl" in one]

    before, _ = await told("?_count=0")
    async with ward.house.store.pool.acquire() as conn:
        await people.add_choice(conn, made.key, CHOICES[rule])
    during, found = await told(before)
    anew, all_of_it = await told("")
    assert (found, all_of_it) == ([], [])
    async with ward.house.store.pool.acquire() as conn:
        await conn.execute("UPDATE privacy_choice SET ended_at = now() WHERE patient = $1", made.key)
    for cursor in (before, during, anew):
        assert (await told(cursor))[1] == []


@EVERY_CHOICE
async def test_no_id_tells_that_a_record_lies_there(ward: Ward, rule: str) -> None:
    made = await shut(ward, CHOICES[rule])
    nobodys = absent(replace(made, key=await _key(ward, made.other)))
    for ask in drawn(
        [ask for type_ in (*TYPES, "Binary") for ask in by_id(type_) if "access-basis" not in str(ask.headers)]
    ):
        id_ = made.open[next(name for name in (*TYPES, "Binary") if f"{name}/{{id}}" in str(ask) or name in ask.path)]
        one, other = await pair(ward, made, with_id(ask, id_), with_id(ask, nobodys), (id_, nobodys))
        assert one == other, str(ask)


@EVERY_CHOICE
async def test_a_question_that_names_another_by_address_is_refused_of_both(ward: Ward, rule: str) -> None:
    made = await shut(ward, CHOICES[rule])
    for another in (of_nobody(), str(id_of(ward.house.store.ids, (await shut(ward)).key))):
        named = ("patient", f"Patient/{another}")
        entry = {"request": {"method": "GET", "url": f"Observation?patient=Patient/{another}"}}
        bundle = json.dumps({"resourceType": "Bundle", "type": "batch", "entry": [entry]})
        for ask, status in (
            (Ask("GET", "/fhir/R4/Observation", (named,)), 400),
            (Ask("POST", "/fhir/R4/DiagnosticReport/_search", (("subject", named[1]), ("status", "final"))), 400),
            (Ask("GET", "/fhir/R4/Observation/$lastn", (named, ("code", "NPU27300"))), 400),
            (Ask("POST", "/fhir/R4", headers=(("content-type", "application/fhir+json"),), body=bundle), 200),
        ):
            one, other = await pair(ward, made, ask)
            assert one == other, str(ask)
            assert one[0][0] == status
            assert "names more than one patient" in one[0][2]


async def _key(ward: Ward, number: str) -> int:
    async with ward.house.store.pool.acquire() as conn:
        key = await ward.house.store.people.key_of(conn, ward.house.digest(number))
    assert key
    return key


@EVERY_CHOICE
async def test_the_log_has_the_rule_that_refused_and_names_no_record(ward: Ward, rule: str) -> None:
    made = await shut(ward, CHOICES[rule])
    report = made.open["DiagnosticReport"]
    asks = [
        Ask("POST", "/pps/v2/Observation/_search"),
        Ask("POST", "/pps/v2/Observation/_search", (("_sort", "date"), ("_total", "accurate"))),
        Ask("GET", f"/fhir/R4/DiagnosticReport/{report}"),
        Ask("GET", f"/fhir/R4/DiagnosticReport/{report}/_history"),
        Ask("GET", f"/fhir/R4/DiagnosticReport/{report}/_history/1"),
    ]
    for ask in asks:
        async with ward.client(ward.doctor(made.number, HPR)) as client:
            await heard(client, ask, made.number)
    rows = await ward.house.store.pool.fetch(
        "SELECT outcome, rule, ids FROM audit WHERE patient = $1 AND caller_kind = 'practitioner'", made.key
    )
    assert [tuple(row) for row in rows] == [(REFUSED, rule, [])] * len(asks)


@EVERY_CHOICE
async def test_who_has_no_need_hears_what_she_hears_of_anybody(ward: Ward, rule: str) -> None:
    made = await shut(ward, CHOICES[rule])
    ask = Ask("POST", "/pps/v2/Observation/_search")
    one, other = await pair(ward, made, ask, organisation=ELSEWHERE, point_of_care=ELSEWHERE)
    assert one == other
    assert one[0][0] == 403


async def test_a_consent_or_an_emergency_opens_what_the_law_lets_them_open(ward: Ward) -> None:
    opened = {}
    for rule, choice in CHOICES.items():
        made = await shut(ward, choice)
        ask = Ask("POST", "/pps/v2/Observation/_search", headers=(("access-basis", "SAMTYKKE"),))
        one, other = await pair(ward, made, ask)
        opened[rule] = one != other and '"resourceType":"Observation"' in one[0][2]
    assert opened == {"blocked-by-name": False, "restricted": True, "opted-out": False}


class EveryTab(Tab):
    """The doctor's browser at a patient's pages, without her number and the visit's address."""

    def shown(self, page: httpx.Response, *alike: str) -> tuple[int, list[tuple[str, str]], str]:
        number, visit = self.made.number, self.root.rpartition("/")[2]
        status, headers, text = super().shown(page, *alike, visit, number, f"{number[:6]} {number[6:]}")
        return (
            status,
            headers,
            re.sub("urn:uuid:[0-9a-f-]{36}", "of the document", text),
        )  # each summary has a number of its own


@EVERY_CHOICE
async def test_no_page_tells_who_has_shut_everything_from_who_has_nothing(ward: Ward, rule: str) -> None:
    made = await shut(ward, CHOICES[rule])
    told = []
    for number in (made.number, made.other):
        tab = EveryTab(ward, replace(made, number=number), "clinician")
        await tab.opened()
        pages = await tab.every_page()
        paths = [
            f"{tab.root}/unlock",
            *(f"{tab.root}/report/{made.open['DiagnosticReport']}{at}" for at in ("", "/file/0")),
        ]
        pages |= {path: tab.shown(await tab.http.get(path)) for path in paths}
        told.append({path.replace(tab.root, ""): page for path, page in pages.items()})
    assert list(told[0]) == list(told[1])
    for path, (status, headers, text) in told[0].items():
        assert (status, headers) == told[1][path][:2], path
        assert differing(text, told[1][path][2]) == [], path
    assert {page[0] for page in told[0].values()} == {200, 404}


async def test_a_page_counts_nothing_behind_a_lock(ward: Ward) -> None:
    made = await record(ward)
    tab = Tab(ward, made, "clinician")
    await tab.opened()
    before = [(await tab.http.get(path)).text for path in (tab.root, f"{tab.root}/print")]
    marks: Any = {"meta": {"security": list(mark("NORS"))}}
    await made.file({"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Prøve"}} | marks)
    after = [(await tab.http.get(path)).text for path in (tab.root, f"{tab.root}/print")]
    for one, other in zip(before, after, strict=True):
        assert differing(DIFFERS.sub("", one), DIFFERS.sub("", other)) == []


async def test_a_source_hears_the_purpose_of_a_reading_and_not_that_something_was_opened(ward: Ward) -> None:
    made = await shut(ward, CHOICES["restricted"])
    async with ward.client(replace(ward.doctor(made.number, HPR))) as client:
        ask = Ask("GET", f"/fhir/R4/Observation/{made.open['Observation']}", headers=(("access-basis", "AKUTT"),))
        assert (await heard(client, ask, made.number))[0][0] == 200
    source: Caller = replace(LAB, scopes=frozenset({"kjerne:disclosures"}))
    told, further, cursor = list[Any](), True, ""
    async with ward.house.store.pool.acquire() as conn:
        await settled(conn)
    async with ward.client(source) as client:
        while further:  # a storm of full size reads more than a page is long
            page = (await client.get("/disclosures", params={"cursor": cursor} if cursor else {})).json()
            told += page["disclosures"]
            further, cursor = page["further"], page["cursor"]
    assert [one["ground"] for one in told if made.open["Observation"] in str(one)] == [{"purpose": "TREAT"}]
