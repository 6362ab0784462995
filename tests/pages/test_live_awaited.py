"""What was asked for, or whose sample was taken, and is not answered yet: on the pages as waited for, and never as done."""

from __future__ import annotations

import re
import secrets
from html import unescape
from typing import Any

import pytest

from pages.test_live import by_fhir, filed, tab, text
from pages.test_live_download import taken
from platform_fixture import Standing

WHO = "guardian"
"""Whose pages few others fill: the citizen's hold a result of nearly every test, and take as long as those."""
WAITS = "bestilt eller tatt, venter på svar"
PLAIN = "Det er ikke kommet svar ennå"
IMAGING = {"category": [{"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "RAD"}]}]}
UNDATED: dict[str, Any] = {"effectiveDateTime": None}


def awaited(platform: Standing, name: str, status: str, **more: Any) -> str:
    """A result by FHIR without a value, and without what `more` gives as None."""
    tree = {
        "resourceType": "Observation", "status": status, "code": {"text": name},
        "effectiveDateTime": "2026-11-20T08:00:00+01:00", **more,
    }  # fmt: skip
    return filed(platform, {key: value for key, value in tree.items() if value is not None}, of=WHO)


@pytest.mark.parametrize("status", ["registered", "preliminary"])
@pytest.mark.parametrize(
    "more", [{}, UNDATED, IMAGING, {"note": [{"text": "Mottatt"}]}], ids=["a test", "undated", "imaging", "noted"]
)
def test_a_result_that_is_waited_for_is_on_the_pages_of_clinician_and_citizen(
    platform: Standing, status: str, more: dict[str, Any]
) -> None:
    name = f"P-Prøve {secrets.token_hex(4)}"
    awaited(platform, name, status, **more)
    with tab(platform, "gp") as it, tab(platform, WHO, "me") as own:
        visit = it.type(platform.nin(WHO))
        for reader, listed in ((it, visit), (own, own.get("/me/results"))):
            link = re.search(
                rf'href="([^"]*/(?:trend|report)/[^"]+)"[^>]*>(?:(?!</a>).)*{name[2:]}', listed.text, re.DOTALL
            )
            assert link, "it is listed"
            page = text(reader.get(unescape(link[1])))
            assert WAITS in page or PLAIN in page
            assert "uten verdi" not in page
        assert WAITS in text(visit) or more == IMAGING
        copy = taken(own).read("index.html").decode()
        assert re.search(rf"{name}</td><td>{WAITS}", copy)


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_what_was_waited_for_and_is_called_off_stays_as_taken_back(platform: Standing, status: str) -> None:
    name = f"P-Prøve {secrets.token_hex(4)}"
    tree = {
        "resourceType": "Observation", "status": "registered", "code": {"text": name},
        "effectiveDateTime": "2026-11-20T08:00:00+01:00",
    }  # fmt: skip
    id_ = filed(platform, tree, of=WHO)
    with tab(platform, "gp") as it, tab(platform, WHO, "me") as own:
        assert name in text(it.type(platform.nin(WHO)))
        filed(platform, tree | {"status": status}, id_, of=WHO)
        assert re.search(rf"{name} trukket", text(it.get("/clinician"))), "who saw it waiting is told"
        assert re.search(rf"{name} – – trukket", text(it.type(platform.nin(WHO))))
        assert re.search(rf"{name[2:]}.{{0,60}} – .{{0,40}}trukket", text(own.get("/me/results")))
        copy = taken(own).read("index.html").decode()
        assert re.search(rf"{name}</td><td>[^<]*trukket", copy)


def test_a_report_that_nobody_has_answered_says_so_whether_or_not_it_names_what_was_asked_for(
    platform: Standing,
) -> None:
    name = f"Rekvirert {secrets.token_hex(4)}"
    result = awaited(platform, f"P-Prøve {name}", "registered")
    report = {"resourceType": "DiagnosticReport", "status": "registered", "code": {"text": name}}
    for one in (report, report | {"result": [{"reference": f"Observation/{result}"}]}):
        id_ = filed(platform, one, of=WHO)
        with tab(platform, "gp") as it, tab(platform, WHO, "me") as own:
            root = it.type(platform.nin(WHO)).url.path
            for page in (it.get(f"{root}/report/{id_}"), own.get(f"/me/report/{id_}")):
                said = text(page)
                assert PLAIN in said and "Svaret har ingen tekst" not in said
                assert re.search(rf"{name} venter på svar", said), "no preliminary answer: there is none"
    answered = filed(platform, report | {"status": "preliminary", "conclusion": "Foreløpig normalt"}, of=WHO)
    with tab(platform, WHO, "me") as own:
        said = text(own.get(f"/me/report/{answered}"))
    assert re.search(rf"{name} foreløpig", said) and PLAIN not in said


def test_an_answer_takes_the_place_of_waiting_and_waiting_never_that_of_an_answer(platform: Standing) -> None:
    name = f"P-Prøve {secrets.token_hex(4)}"
    by_fhir(platform, name, "140", of=WHO)
    id_ = awaited(platform, name, "registered", effectiveDateTime="2026-11-21T08:00:00+01:00")
    with tab(platform, "gp") as it:
        said = text(it.type(platform.nin(WHO)))
        assert re.search(rf"{name}[^.]*? 140 .*?{WAITS}", said)
        by_fhir(platform, name, "151", id_, 1, of=WHO, effectiveDateTime="2026-11-21T08:00:00+01:00")
        desk, said = text(it.get("/clinician")), text(it.type(platform.nin(WHO)))
    assert re.search(rf"{name}[^.]*? 151 ", said)
    assert name not in desk, "an answer to what waited is no correction"


def test_a_result_without_any_time_is_listed_as_undated(platform: Standing) -> None:
    name = f"P-Prøve {secrets.token_hex(4)}"
    value = {"valueQuantity": {"value": 140, "unit": "mmol/L"}}
    filed(platform, {"resourceType": "Observation", "status": "final", "code": {"text": name}} | value, of=WHO)
    with tab(platform, "gp") as it, tab(platform, WHO, "me") as own:
        for page in (it.type(platform.nin(WHO)), own.get("/me/results")):
            assert re.search(rf"{name[2:]}.*?140.*?uten dato", text(page), re.IGNORECASE), page.url


@pytest.mark.parametrize(
    ("language", "says"), [("nn", "tinga eller teken, ventar på svar"), ("en", "ordered or taken, awaiting result")]
)
def test_it_is_said_in_the_readers_language(platform: Standing, language: str, says: str) -> None:
    awaited(platform, f"P-Prøve {secrets.token_hex(4)}", "registered")
    with tab(platform, "gp") as it:
        visit = it.type(platform.nin(WHO))
        it.get(f"/language?to={language}&back=/")
        assert says in text(it.get(visit.url.path))
