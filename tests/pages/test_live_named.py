"""The row of a page in the log names the records that stand on it, and none that it only looked through (law, K128)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

from kjerne.fhir.definitions import type_number
from pages.test_live import Tab, tab
from pages.test_live_critical import ALLERGY, act, opened, register
from platform_fixture import Standing
from services.critical.records import ask
from words import fresh as word

NOBODYS = "00000000-0000-4000-8000-000000000000"
Versions = set[tuple[str, int]]


def rows_of(platform: Standing, service: str, page: Callable[[], httpx.Response]) -> tuple[httpx.Response, Versions]:
    """A page, and what of a service the rows name that came by it."""
    before = [row["number"] for row in platform.rows("SELECT number FROM audit WHERE service = $1", service)]
    answer = page()
    rows = platform.rows(
        "SELECT ids, versions FROM audit WHERE number <> ALL($1::uuid[]) AND service = $2 AND outcome = 0",
        before,
        service,
    )
    assert rows, "no page without its row"
    return answer, {(str(id_), n) for row in rows for id_, n in zip(row["ids"], row["versions"], strict=True)}


def named(it: Tab, path: str, service: str = "critical-information") -> tuple[httpx.Response, Versions]:
    return rows_of(it.platform, service, lambda: it.get(path))


def every(platform: Standing, about: str) -> list[Any]:
    return [
        one["resource"]
        for kind in ("AllergyIntolerance", "DeviceUseStatement", "Flag")
        for one in ask(platform, "GET", kind, about=about).tree.get("entry", ())
    ]


def test_pages_of_critical_information_name_what_they_show(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root = opened(it, "guardian")
        first, second = register(it, root, word()), register(it, root, word())
        act(it, root, first, "refute", why="Provokasjonstest uten reaksjon")
        at = f"{root}/critical/AllergyIntolerance/{first}"
        assert named(it, at)[1] == {(first, 1), (first, 2)}
        assert named(it, f"{root}/critical/AllergyIntolerance/{second}/change")[1] == {(second, 1)}
        for shows_none in ("new", "new?kind=implant", f"AllergyIntolerance/{NOBODYS}"):
            assert named(it, f"{root}/critical/{shows_none}")[1] == set()
        whole = {
            (one["id"], n) for one in every(platform, "guardian") for n in range(1, int(one["meta"]["versionId"]) + 1)
        }
        assert named(it, f"{root}/critical")[1] >= whole >= {(first, 1), (first, 2), (second, 1)}
        on_paper = named(it, f"{root}/print")[1]
        assert (second, 1) in on_paper
        assert first not in {id_ for id_, _ in on_paper}


def test_who_saw_a_form_alone_is_not_told_of_what_was_changed(platform: Standing) -> None:
    with tab(platform, "gp") as it, tab(platform, "hospital-doctor") as other:
        root, name = opened(it, "guardian"), word()
        theirs = opened(other, "guardian")
        id_ = register(it, root, name)
        other.get(f"{theirs}/critical/new")
        act(it, root, id_, "refute", why="Provokasjonstest uten reaksjon")
        assert name not in other.get("/clinician").text


def test_alike_entries_are_named_when_they_are_shown(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root, name = opened(it, "guardian"), word()
        id_ = register(it, root, name)
        form = it.get(f"{root}/critical/new?kind=drug-reaction")
        sent = ALLERGY | {"code": f"X{name[:6].upper()}", "name": name}
        answer, versions = rows_of(
            platform, "critical-information", lambda: it.post(form, f"{root}/critical/new", **sent)
        )
        assert (answer.status_code, versions) == (409, {(id_, 1)})


def test_the_page_of_one_report_names_it_and_its_results_beside_the_reports_that_it_lists(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        chart, whole = named(it, root, "results")
        report = re.findall(rf"{root}/report/([\w-]+)", chart.text)[0]
        page, own = named(it, f"{root}/report/{report}", "results")
        listed = set(re.findall(rf"{root}/report/([\w-]+)", page.text))
        observations = set(ids_of(platform, own, "Observation"))
        tree = platform.get(f"DiagnosticReport/{report}").tree
        assert {one["reference"].rpartition("/")[2] for one in tree["result"]} <= observations
        assert set(ids_of(platform, own, "DiagnosticReport")) >= listed | {report}
        assert observations < set(ids_of(platform, whole, "Observation"))
        assert named(it, f"{root}/report/{NOBODYS}", "results")[1] == set()
        trend = re.findall(rf'{root}/trend/([^"#?]+)', chart.text)[0]
        page, own = named(it, f"{root}/trend/{trend}", "results")
        assert 0 < len(ids_of(platform, own, "Observation")) < len(ids_of(platform, whole, "Observation"))
        assert not ids_of(platform, own, "DiagnosticReport")
        assert named(it, f"{root}/trend/none", "results")[1] == set()


def ids_of(platform: Standing, versions: Versions, type_: str) -> list[str]:
    rows = platform.rows(
        "SELECT id FROM record WHERE type = $1 AND id = ANY($2::uuid[])",
        type_number(type_),
        [id_ for id_, _ in versions],
    )
    return [str(row["id"]) for row in rows]
