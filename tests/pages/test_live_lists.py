"""The lists of the clinician's desk over the real platform: whom they name, what they count, and what is logged of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from html import unescape
from uuid import UUID

import httpx
import pytest

from kjerne.access import Label
from kjerne.pages import live_desk, paging
from kjerne.registries.identifiers import digest
from kjerne.store import subjects
from pages.test_live import Tab, blocked, tab, text
from platform_fixture import Standing


def _panel(page: httpx.Response, name: str) -> tuple[list[str], str, str]:
    """The names in one list of the desk, the count beside its heading, and where its next part is."""
    section = page.text[page.text.index(f'id="{name}"') :].partition("</section>")[0]
    count = re.search(r'class="count">(\d+)<', section)
    after = re.search(r'href="([^"]+)">Neste<', section)
    names = re.findall(r'row-main"><strong>([^<]+)<', section)
    return names, count[1] if count else "", unescape(after[1]) if after else ""


def test_every_patient_of_a_long_list_is_reached_by_name_and_none_with_a_protected_address(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tab(platform, "gp") as it:
        monkeypatch.setattr(paging, "PEOPLE", 1_000)
        whole, counts = _walked(it, "own")
        assert (whole == sorted(whole), counts) == (True, {""})
        assert len(whole) > 2
        monkeypatch.setattr(paging, "PEOPLE", 2)
        seen, address = [], "/clinician"
        while address:
            since = platform.clock.now()
            page = it.get(address)
            assert ("Fra begynnelsen" in text(page)) is (address != "/clinician")
            names, _, address = _panel(page, "own")
            assert len(names) <= 2 and set(names) <= names_read(platform, "gp", since)
            seen += names
        assert seen == whole
        monkeypatch.setattr(live_desk, "OWN_ASKED", 3)
        assert _walked(it, "own")[0] == whole
        elsewhere = it.get("/clinician?own=bm9ib2R5IHNlYWxlZCB0aGlzIHRleHQ")
        assert _panel(elsewhere, "own")[0] == whole[:2]
        monkeypatch.setattr(live_desk, "OWN_LIMIT", 2)
        assert "Du har flere; finn dem med fødselsnummer" in text(it.get("/clinician"))


def test_the_own_list_of_a_doctor_names_nobody_who_has_blocked_her(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PEOPLE", 2)
    citizen, hpr = platform.persona("citizen").person_name, platform.persona("gp").hpr
    with tab(platform, "gp") as it:
        whole = _walked(it, "own")[0]
        assert citizen in whole
        with blocked(platform, "citizen", "gp"):
            # Counted and not dated: tests have looked at a later hour than this one's.
            told = "SELECT count(*) AS n FROM audit WHERE patient = $1 AND caller_hpr = $2 AND service = 'results'"
            key = platform.run(key_of(platform, "citizen"))
            before = platform.rows(told, key, hpr)
            assert _walked(it, "own")[0] == [name for name in whole if name != citizen]
            assert platform.rows(told, key, hpr) == before
    with tab(platform, "blocked-doctor") as it:
        assert citizen not in _walked(it, "own")[0]


def test_waiting_answers_are_counted_without_those_of_whom_the_law_does_not_open(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_desk, "WAITING_LOOKED_AT", 100_000)
    citizen = platform.persona("citizen").person_name
    with tab(platform, "gp") as it:
        whole = int(_panel(it.get("/clinician"), "waiting")[1])
        # Some five pages, however many answers to what others have asked for wait.
        monkeypatch.setattr(paging, "PEOPLE", size := whole // 5 + 1)
        seen, address = list[str](), "/clinician"
        while address:
            names, count, address = _panel(it.get(address), "waiting")
            assert (count, len(names)) == (str(whole), min(size, whole - len(seen)))
            seen += names
        assert len(seen) == whole > size
        with blocked(platform, "citizen", "gp"):
            page = it.get("/clinician")
            assert _panel(page, "waiting")[1] == str(whole - seen.count(citizen) or "")
            assert citizen not in page.text[page.text.index('id="waiting"') :].partition("</section>")[0]
        monkeypatch.setattr(live_desk, "WAITING_LOOKED_AT", 1)
        assert "Enda flere venter" in text(it.get("/clinician"))


async def key_of(platform: Standing, name: str) -> int:
    store = platform.application._edge.store
    async with store.pool.acquire() as conn:
        key = await store.people.key_of(conn, digest(store.keys.derived("identifier"), platform.nin(name)))
        assert key is not None
        return key


def names_read(platform: Standing, persona: str, since: datetime) -> set[str]:
    """Of whose logs there is a line, since then, of what this persona was given."""
    store = platform.application._edge.store
    rows = platform.rows(
        "SELECT DISTINCT patient FROM audit WHERE caller_hpr = $1 AND at >= $2 AND outcome = 0",
        platform.persona(persona).hpr,
        since,
    )

    async def names() -> set[str]:
        async with store.pool.acquire() as conn:
            found = await subjects.details(conn, [row["patient"] for row in rows], store.wrap)
        return {one.name for one in found.values()}

    return platform.run(names())


@contextmanager
def restricted(platform: Standing, report: UUID) -> Iterator[None]:
    """While the patient restricts a single report."""
    change = "UPDATE record SET labels = labels {} $1::integer WHERE id = $2 RETURNING id"
    mark = int(Label.RESTRICTED_HERE)
    assert platform.rows(change.format("|"), mark, report)
    try:
        yield
    finally:
        platform.rows(change.format("& ~ "), mark, report)


@contextmanager
def waiting_for(platform: Standing, persona: str, patients: int) -> Iterator[None]:
    """While a report of each of so many on her list waits for her."""
    hpr, later = platform.persona(persona).hpr, 900
    asked = (
        "UPDATE requester_inbox SET version = version + $2 WHERE hpr = $1 AND (patient, type, id) IN ("
        "SELECT DISTINCT ON (i.patient) i.patient, i.type, i.id FROM requester_inbox i JOIN record r USING (patient, type, id) "
        "JOIN acknowledgement a ON a.patient = i.patient AND a.id = i.id AND a.hpr = $1 "
        "JOIN person_tie t ON t.patient = i.patient AND t.hpr = $1 AND t.until IS NULL "
        "WHERE i.hpr = $1 AND r.labels = 0 ORDER BY i.patient, i.at LIMIT $3) RETURNING id"
    )
    assert len(platform.rows(asked, hpr, later, patients)) == patients
    try:
        yield
    finally:
        again = "UPDATE requester_inbox SET version = version - $2 WHERE hpr = $1 AND version >= $2 RETURNING id"
        platform.rows(again, hpr, later)


def _walked(it: Tab, name: str) -> tuple[list[str], set[str]]:
    """The names in all parts of one list of the desk, and the counts that were told beside its heading."""
    names, counts, address = list[str](), set[str](), "/clinician"
    while address:
        found, count, address = _panel(it.get(address), name)
        names, counts = names + found, counts | {count}
    return names, counts


@pytest.mark.parametrize("others", [0, 8], ids=["among few", "after more than one part"])
def test_a_report_that_its_patient_has_restricted_waits_for_nobody(
    platform: Standing, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    monkeypatch.setattr(paging, "PEOPLE", 6)
    citizen = platform.persona("citizen").person_name
    with waiting_for(platform, "gp", others), tab(platform, "gp") as it:
        whole, counts = _walked(it, "waiting")
        assert (counts, len(whole) > others) == ({str(len(whole))}, True)
        last = platform.rows(
            "SELECT i.id FROM requester_inbox i JOIN record r USING (patient, type, id) WHERE i.hpr = $1 AND i.patient = $2 "
            "AND NOT EXISTS (SELECT FROM acknowledgement a WHERE a.id = i.id AND a.hpr = i.hpr AND a.version >= i.version) "
            "ORDER BY i.at LIMIT 1",
            platform.persona("gp").hpr,
            platform.run(key_of(platform, "citizen")),
        )
        with restricted(platform, last[0]["id"]):
            left, counts = _walked(it, "waiting")
            whole.reverse()
            whole.remove(citizen)
            assert (left[::-1], counts) == (whole, {str(len(whole))})


def test_whoever_is_named_among_those_who_wait_has_a_line_in_her_log(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PEOPLE", 6)
    with waiting_for(platform, "gp", 8), tab(platform, "gp") as it:
        address, parts = "/clinician", 0
        while address:
            since, parts = platform.clock.now(), parts + 1
            names, _, address = _panel(it.get(address), "waiting")
            assert set(names) <= names_read(platform, "gp", since)
        assert parts > 1
