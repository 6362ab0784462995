"""The patient summary on the pages over the real platform: the same right, content and rows as over the wire, and no wider."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from kjerne.access import Choice, Grant
from kjerne.pages.live import BESIDE, SERVICE
from kjerne.registries.kj_profiles import ATC
from kjerne.services.summary.drawing import Drawing
from kjerne.store.summarising import Gathered
from pages.test_live import blocked, chosen, key_of, tab, text
from pages.test_live_critical import opened
from pages.test_live_representing import name
from pages.test_live_representing import opened as as_another
from platform_fixture import Standing
from services.critical.records import allergy, registered
from services.summary.test_api import CITIZEN, asked
from words import fresh as word

SERVICES = {"critical-information", "record", "results"}
INCOMPLETE = "Sammendraget er ikke fullstendig"


def rows(platform: Standing) -> dict[str, list[str]]:
    """What the last summary of the citizen on a page named, by service."""
    found = platform.rows(
        "SELECT service, ids, correlation FROM audit WHERE patient = $1 AND correlation LIKE 'page-%' AND action = 'search' "
        "AND service = ANY($2) ORDER BY xid DESC LIMIT 20",
        key_of(platform, platform.nin("citizen")), sorted(SERVICES),
    )  # fmt: skip
    last = next(one["correlation"] for one in found if one["service"] == "record")
    return by_service(one for one in found if one["correlation"] == last)


def by_service(found: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """One service has a second row, that shows who she is."""
    ids: dict[str, list[str]] = {}
    for one in found:
        ids[one["service"]] = sorted([*ids.get(one["service"], ()), *map(str, one["ids"])])
    return ids


@contextmanager
def shut(platform: Standing, persona: str, service: str) -> Iterator[None]:
    """While she restricts a whole service."""
    with chosen(platform, persona, Choice("restriction", service, "", "", platform.clock.now(), None)):
        yield


def test_it_is_a_look_at_each_of_three_services_whose_rows_name_what_is_shown(platform: Standing) -> None:
    id_ = registered(platform, allergy(platform, "citizen"))["id"]
    with tab(platform, "gp") as it:
        page = it.get(f"{opened(it, 'citizen')}/summary")
    assert page.status_code == 200, text(page)[:500]
    found = rows(platform)
    assert set(found) == SERVICES
    assert id_ in found["critical-information"]
    assert "Internasjonalt pasientsammendrag" in text(page)
    assert INCOMPLETE not in text(page)


def test_what_leaves_on_her_own_page_is_what_leaves_over_the_wire(platform: Standing) -> None:
    registered(platform, allergy(platform, "citizen"))
    over = platform.audited(asked(platform, about="citizen", **CITIZEN).response)
    with tab(platform, "citizen", "me") as me:
        assert me.get("/me/summary").status_code == 200
    assert rows(platform) == by_service(over)


def test_a_proxy_sees_the_summary_of_who_gave_her_insight_and_takes_no_file(platform: Standing) -> None:
    with tab(platform, "proxy", "me") as proxy:
        as_another(proxy, proxy.home, name(platform, "citizen"))
        page = proxy.get("/me/summary")
        assert (page.status_code, set(rows(platform))) == (200, SERVICES)
        assert "/me/summary.pdf" not in page.text
        assert proxy.get("/me/summary.pdf").status_code == 403


def test_a_blocked_doctor_gets_neither_page_nor_file(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        with blocked(platform, "citizen", "gp"):
            for path in (f"{root}/summary", f"{root}/summary.pdf"):
                page = it.get(path)
                assert page.status_code == 403
                assert "Internasjonalt" not in text(page)


def test_a_service_that_she_has_shut_is_said_to_be_missing_and_is_not_there(platform: Standing) -> None:
    called = word()
    coded = {"coding": [{"system": ATC, "code": "J01CA04", "display": called}]}
    registered(platform, allergy(platform, "citizen", code=coded))
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        assert called in text(it.get(f"{root}/summary"))
        with shut(platform, "citizen", "critical-information"):
            page = it.get(f"{root}/summary")
            said = text(page)
            assert f'href="{root}/unlock"' in page.text
            with shut(platform, "citizen", "record"), shut(platform, "citizen", "results"):
                assert f'href="{root}/unlock"' in it.get(f"{root}/summary").text
    assert INCOMPLETE in said
    assert called not in said
    assert "Allergier og overfølsomhet sperret" in said and "Allergier og overfølsomhet 0" not in said
    assert "Sperret. Det kan være noe her som ikke vises." in said


def test_the_sources_are_asked_at_once_so_that_one_that_is_late_keeps_none_waiting(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered, all_asked = Drawing._gathered, asyncio.Barrier(3)

    async def gather(self: Drawing, grant: Grant) -> Gathered:
        await all_asked.wait()
        return await gathered(self, grant)

    monkeypatch.setattr(Drawing, "_gathered", gather)
    with tab(platform, "citizen", "me") as me:
        assert INCOMPLETE not in text(me.get("/me/summary"))


def test_a_login_for_results_is_let_in_to_what_a_summary_needs_to_documents_and_to_nothing_else() -> None:
    assert {one for reached in BESIDE.values() for one in reached} | {SERVICE} == SERVICES | {"documents"}
    assert not {"settlement", "record"} & set(BESIDE)


@pytest.mark.parametrize("as_", ["gp", "citizen"])
def test_as_pdf_it_has_rows_of_its_own(platform: Standing, as_: str) -> None:
    count = "SELECT count(*) FROM audit WHERE service = 'record' AND action = 'search' AND correlation LIKE 'page-%'"
    with tab(platform, as_, "clinician" if as_ == "gp" else "me") as it:
        root = opened(it, "citizen") if as_ == "gp" else "/me"
        (before,) = platform.rows(count)
        made = it.get(f"{root}/summary.pdf")
    assert made.content.startswith(b"%PDF")
    assert platform.rows(count)[0]["count"] == before["count"] + 1
