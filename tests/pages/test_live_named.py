"""The row of a page in the log names the records that stand on it, and none that it only looked through (law, K128)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import encode
from kjerne.store.audit import LISTED, LISTED_SAYS
from pages.test_live import Tab, tab, text
from pages.test_live_critical import ALLERGY, act, opened, register
from platform_fixture import Standing
from services.critical.records import ask
from services.test_standards import create, observation, update
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


def test_entries_that_differ_from_an_alike_one_are_named_with_it_and_not_on_a_form(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root, name = opened(it, "guardian"), word()
        first = register(it, root, name)
        register(it, root, name, criticality="low")
        (second,) = {one["id"] for one in every(platform, "guardian") if name in str(one)} - {first}
        form = it.get(f"{root}/critical/new?kind=drug-reaction")
        sent = ALLERGY | {"code": f"X{name[:6].upper()}", "name": name}
        _, versions = rows_of(platform, "critical-information", lambda: it.post(form, f"{root}/critical/new", **sent))
        assert {id_ for id_, _ in versions} == {first, second}
        assert {id_ for id_, _ in named(it, f"{root}/critical/AllergyIntolerance/{first}")[1]} == {first, second}
        assert named(it, f"{root}/critical/AllergyIntolerance/{first}/change")[1] == {(first, 1)}


def test_results_of_a_group_without_a_report_are_named_on_her_own_page_too(platform: Standing) -> None:
    parts = [filed(platform, valueString=f"Svar {word()} som er langt nok til å leses") for _ in range(2)]
    group = filed(platform, hasMember=[{"reference": f"Observation/{one}"} for one in parts])
    with tab(platform, "gp") as it, tab(platform, "renumbered", "me") as hers:
        for page, own in (
            named(it, f"{opened(it, 'renumbered')}/report/{group}", "results"),
            named(hers, f"/me/report/{group}", "results"),
        ):
            assert page.status_code == 200 and {group, *parts} <= {id_ for id_, _ in own}


def filed(platform: Standing, **more: Any) -> str:
    plain = {key: value for key, value in observation(**more).items() if key != "valueQuantity"}
    return str(create(platform, plain).tree["id"])


def test_pages_of_results_name_what_they_show(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        chart, whole = named(it, root, "results")
        report = re.findall(rf"{root}/report/([\w-]+)", chart.text)[0]
        own = named(it, f"{root}/report/{report}", "results")[1]
        assert set(ids_of(platform, own, "DiagnosticReport")) == set(ids_of(platform, whole, "DiagnosticReport"))
        assert 0 < len(ids_of(platform, own, "Observation")) < len(ids_of(platform, whole, "Observation"))
        assert named(it, f"{root}/report/{NOBODYS}", "results")[1] == set()
        trend = re.findall(rf'{root}/trend/([^"#?]+)', chart.text)[0]
        _, own = named(it, f"{root}/trend/{trend}", "results")
        assert 0 < len(ids_of(platform, own, "Observation")) < len(ids_of(platform, whole, "Observation"))
        assert not ids_of(platform, own, "DiagnosticReport")
        assert named(it, f"{root}/trend/none", "results")[1] == set()


def reported(platform: Standing, name: str, value: str) -> tuple[str, str]:
    """A result in a report of its own: their ids."""
    result = filed(platform, code={"text": name}, valueString=value)
    about = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("renumbered")}}
    tree = {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": f"Rapport {name}"}, "subject": about,
        "category": [{"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "LAB"}]}],
        "issued": platform.clock.now().isoformat(timespec="seconds"), "result": [{"reference": f"Observation/{result}"}],
    }  # fmt: skip
    answer = platform.client.call(
        "POST", "/fhir/R4/DiagnosticReport", as_="lab", patient=platform.nin("renumbered"), body=encode(tree),
        headers={"content-type": "application/fhir+json"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return result, str(answer.json()["id"])


def test_what_is_listed_beside_an_open_report_is_named_apart_and_was_seen_by_nobody(platform: Standing) -> None:
    """Her log would say that all was read, and the desk *Du så* of a value that she never opened."""
    name, other = word(), word()
    with tab(platform, "hospital-doctor") as it:
        _, opens = reported(platform, name, f"Verdi {name}")
        root = opened(it, "renumbered")
        result, listed = reported(platform, other, f"Verdi {other}")
        page = it.get(f"{root}/report/{opens}")
        assert f"Rapport {other}" in page.text and f"Verdi {name}" in page.text
        assert f">{other}" not in page.text and f"Verdi {other}" not in page.text
        of_page = (
            "SELECT rule, ids FROM audit WHERE correlation LIKE $1 AND service = 'results' AND $2::uuid = ANY(ids)"
        )
        rows = platform.rows(of_page, f"page-{root.rpartition('/')[2]}-%", listed)
        assert [(row["rule"], result in map(str, row["ids"])) for row in rows] == [(LISTED, False)]
        corrected = observation(code={"text": other}, valueString=f"Ny {other}", status="corrected", id=result)
        del corrected["valueQuantity"]
        assert update(platform, result, corrected, "1").status == 200
        assert other not in it.get("/clinician").text
    with tab(platform, "renumbered", "me") as hers:
        assert LISTED_SAYS in text(hers.get("/me/log"))


def test_the_first_page_of_a_citizen_names_what_is_new_and_not_what_it_counts(platform: Standing) -> None:
    ids = [reported(platform, word(), word()) for _ in range(5)]
    with tab(platform, "renumbered", "me") as it:
        page, versions = named(it, "/me", "results")
        own = {id_ for id_, _ in versions}
        assert {report for _, report in ids if f"/me/report/{report}" in page.text} == own & {one for _, one in ids}
        assert 0 < len(ids_of(platform, versions, "DiagnosticReport")) <= 3


def ids_of(platform: Standing, versions: Versions, type_: str) -> list[str]:
    rows = platform.rows(
        "SELECT id FROM record WHERE type = $1 AND id = ANY($2::uuid[])",
        type_number(type_),
        [id_ for id_, _ in versions],
    )
    return [str(row["id"]) for row in rows]
