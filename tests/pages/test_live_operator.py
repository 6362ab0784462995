"""The operator's pages over the real platform: a pilot closed here shuts a clinician out there, in words she can read."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

import httpx

from kjerne.sandbox.substances import IBUPROFEN
from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from services.participation.test_api import of, operated
from services.results.test_intake_api import a_message
from services.warnings.test_api import brand, cards, entry, signed, substance
from services.warnings.test_api import order as medicine

OFFICE = "office-2"
"""Where the persona `outsider` works."""


def changed(it: Tab, path: str, **fields: str) -> httpx.Response:
    """The two steps of a change, from the page at `path`."""
    page = it.post(it.get(path), "/operations/participation/preview", **fields)
    assert page.status_code == 200, text(page)
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    del hidden["token"]
    return it.post(page, "/operations/participation/save", **hidden)


def test_an_operator_closes_and_takes_in_and_the_clinician_meets_both(platform: Standing) -> None:
    number = platform.population.units[OFFICE].number
    row = of(platform, OFFICE, "consumer")
    with tab(platform, "administrator", "operations") as operator, tab(platform, "outsider") as clinician:
        assert clinician.get("/clinician").status_code == 200
        closed = changed(
            operator, f"/operations/participation/{row}/close", kind="close", number=str(row), at="",
            why="Utprøvingen er over",
        )  # fmt: skip
        assert "Deltakelsen er avsluttet." in text(closed)
        assert platform.population.operator.name in text(closed)
        outside = clinician.get("/clinician")
        assert (outside.status_code, "Deltok til" in text(outside)) == (403, True)
        opened = changed(
            operator, "/operations/participation/open", kind="open", organisation=number, service="results",
            part="consumer", areas="", phase="national", since="", until="", basis="Ny avtale om deltakelse",
        )  # fmt: skip
        assert "Virksomheten er tatt inn." in text(opened)
        assert clinician.get("/clinician").status_code == 200


def test_the_change_stands_in_the_platforms_log_under_the_operators_name(platform: Standing) -> None:
    number = platform.population.units["health-centre"].number
    with tab(platform, "administrator", "operations") as operator:
        opened = changed(
            operator, "/operations/participation/open", kind="open", organisation=number, service="results",
            part="source", areas="50", phase="pilot", since="", until="2099-01-01T00:00", basis="Avtale om utprøving",
        )  # fmt: skip
    row = str(opened.url).partition("?")[0].rpartition("/")[2]
    (logged,) = platform.rows("SELECT * FROM audit WHERE about = $1", f"participation/{row}")
    assert (logged["caller_name"], logged["reason"]) == (platform.population.operator.name, "Avtale om utprøving")
    assert logged["correlation"].startswith("page-")
    assert operated(platform, "POST", f"/{row}/close", why="Var bare en prøve").status_code == 200


def test_widening_leaves_the_instant_of_an_end_as_it_was_to_its_last_fraction(platform: Standing) -> None:
    number, until = platform.population.units["health-centre"].number, "2098-01-01T12:00:00.123456+01:00"
    made = operated(platform, "POST", organisation=number, service="results", part="source", phase="pilot", areas="51",
                    until=until, basis="Avtale om utprøving")  # fmt: skip
    row = made.json()["number"]
    with tab(platform, "administrator", "operations") as operator:
        path = f"/operations/participation/{row}/widen"
        (shown,) = re.findall(r'name="until" type="datetime-local" value="([^"]*)"', operator.get(path).text)
        wrong = operator.post(
            operator.get(path), "/operations/participation/preview", kind="widen", number=str(row), phase="rollout",
            areas="51", until=shown, basis="kort",
        )  # fmt: skip
        assert f'name="until" type="datetime-local" value="{shown}"' in wrong.text
        # A browser leaves out seconds that are none.
        widened = changed(
            operator, path, kind="widen", number=str(row), phase="rollout", areas="51",
            until=shown.removesuffix(":00"), basis="Vedtak om breddeinnføring",
        )  # fmt: skip
    assert "Deltakelsen er utvidet." in text(widened)
    last = operated(platform, "GET", f"/{row}").json()["participation"][-1]
    assert (last["widens"], datetime.fromisoformat(last["until"])) == (row, datetime.fromisoformat(until))
    assert operated(platform, "POST", f"/{last['number']}/close", why="Var bare en prøve").status_code == 200


def test_nobody_else_can_log_in_as_operator(platform: Standing) -> None:
    with httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as http:
        chooser = http.get(f"{platform.url}/login/start?to=operations")
        offered = re.findall(r'name="persona" value="([^"]+)"', chooser.text)
        assert offered == ["administrator", "second-administrator"]
        assert "Drift" in text(chooser)


def test_the_clinician_outside_is_shown_no_patient_and_the_others_which_sources_there_are(platform: Standing) -> None:
    with httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as http:
        chooser = http.get(f"{platform.url}/login/start?to=clinician")
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', chooser.text))
        action = re.search(r'action="([^"]+)"', chooser.text)
        assert action
        home = http.post(str(chooser.url.join(action[1])), data=hidden | {"persona": "outside-doctor"})
        assert (home.status_code, "Virksomheten din deltar ikke" in text(home)) == (403, True)
        assert "Tinderøy velvære AS" in text(home)
    with tab(platform, "gp") as gp:
        told = text(gp.get("/clinician"))
        assert re.search(r"\d kilder deltar i prøvesvar, 1 i utprøving", told)
        assert "Lysdal Laboratorium AS" in told


def test_the_queue_of_all_senders_is_on_the_operators_page(platform: Standing) -> None:
    id_ = f"queue-{secrets.token_hex(4)}"
    platform.send(a_message(platform, id_=id_).replace(b"V='2026-03-02T12:00:05'", b"V='yesterday'"))
    with tab(platform, "administrator", "operations") as operator:
        told = text(operator.get("/operations/rejected"))
    assert id_ in told
    assert "Lysdal Laboratorium AS" in told
    assert platform.nin("citizen") not in told


def test_warnings_that_clinicians_were_shown_are_counted_for_the_operator(platform: Standing) -> None:
    entry(platform, substance(IBUPROFEN))
    assert cards(signed(platform, medicine(brand(5))))
    with tab(platform, "administrator", "operations") as operator:
        told = text(operator.get("/operations/warnings"))
    assert re.search(r"Samme virkestoff [1-9]", told)
