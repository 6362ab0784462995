"""The citizen's log over the real platform: narrowed, counted, and the same for whoever may read it."""

from __future__ import annotations

import json
import re

import httpx

from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from services.test_standards import observation


def opened(it: Tab, name: str) -> httpx.Response:
    """The record of somebody whom the reader stands in for."""
    others = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
    (handle,) = [handle for handle, shown in others if shown.strip() == name]
    return it.post(it.home, "/me/person", person=handle)


def test_the_log_is_narrowed_to_one_organisation_and_tells_how_many(platform: Standing) -> None:
    platform.search("Observation", as_="gp")
    gp = platform.persona("gp")
    with tab(platform, "citizen", "me") as it:
        page = it.get("/me/log?show=seen")
        number = re.search(rf'<option value="(\d+)"[^>]*>{platform_name(platform, gp.organisation)}<', page.text)
        assert number, text(page)
        told = text(it.get(f"/me/log?show=seen&organisation={number[1]}"))
        nobody = text(it.get("/me/log?show=refused&from=2001-01-01&to=2001-01-02"))
    assert gp.person_name in told
    assert re.search(r"(\d+ hendelser|Én hendelse|Viser \d+–\d+ av \d+) · utvalg av loggen", told)
    assert "Ingen oppslag passer til utvalget." in nobody


def test_a_parent_narrows_the_childs_log(platform: Standing) -> None:
    with tab(platform, "parent", "me") as it:
        home = opened(it, platform.population.by_key[platform.population.cast["child"]].name)
        assert "Du ser opplysningene til" in text(home)
        page = it.get("/me/log?show=all")
    assert page.status_code == 200
    assert re.search(r"\d+ hendelser|Én hendelse", text(page))


def test_a_place_that_is_none_is_refused(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        assert it.get("/me/log?after=1.2").status_code == 404


def platform_name(platform: Standing, number: str) -> str:
    (row,) = platform.rows("SELECT name FROM organisation WHERE number = $1", number)
    return re.escape(str(row["name"]))


def test_a_source_that_sent_nothing_but_what_is_kept_from_a_parent_is_named_to_her_nowhere(platform: Standing) -> None:
    shut = {"meta": {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FORANS"}]}}
    child = platform.population.by_key[platform.population.cast["child"]]
    source = platform_name(platform, platform.persona("hospital-lab").organisation)
    sent = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="hospital-lab", patient=platform.nin("child"),
        headers={"content-type": "application/fhir+json"}, body=json.dumps(observation(**shut)).encode(),
    )  # fmt: skip
    assert sent.status_code == 201
    with tab(platform, "parent", "me") as it:
        opened(it, child.name)
        choices, log = it.get("/me/privacy"), it.get("/me/log?show=all")
    assert choices.status_code == log.status_code == 200
    assert source not in text(choices) and source not in text(log)
