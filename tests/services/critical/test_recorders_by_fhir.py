"""By FHIR R4: nobody registers critical information in another's name, in whatever way she is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bundles import bundle, entry
from kjerne.registries.recorders import UPDATER
from pages.test_live import tab, text
from platform_fixture import Answered, Standing, Tree
from services.test_standards_registered import allergy, send, treatment
from words import fresh

SERVICE = "critical-information"
HPR = "urn:oid:2.16.578.1.12.4.1.4.4"
ENH = "urn:oid:2.16.578.1.12.4.1.4.101"


def numbered(platform: Standing, persona: str) -> Tree:
    return {"identifier": {"system": HPR, "value": platform.persona(persona).hpr}}


def contained(platform: Standing, persona: str) -> Tree:
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": numbered(platform, persona)}
    return {"contained": [role], "recorder": {"reference": "#r"}}


def named(platform: Standing, way: str) -> Tree:
    return {
        "by number": {"recorder": numbered(platform, "hospital-doctor")},
        "contained": contained(platform, "hospital-doctor"),
        "by name alone": {"recorder": {"display": "Kong Olav"}},
        "her own number beside": {
            "recorder": {"reference": "#r"} | numbered(platform, "gp"),
            "contained": contained(platform, "nurse")["contained"],
        },
        "in another's place": {
            "contained": [
                contained(platform, "gp")["contained"][0]
                | {"organization": {"identifier": {"system": ENH, "value": platform.persona("nurse").organisation}}}
            ],
            "recorder": {"reference": "#r"},
        },
        "as who changed it": {
            "extension": [{"url": UPDATER, "valueReference": numbered(platform, "hospital-doctor")}],
            "recorder": numbered(platform, "gp"),
        },
    }[way]


WAYS = ("by number", "contained", "by name alone", "her own number beside", "in another's place", "as who changed it")


@pytest.mark.parametrize("way", WAYS)
def test_a_record_in_anothers_name_is_refused_by_every_way_to_make_one(platform: Standing, way: str) -> None:
    word = fresh()
    tree = allergy(platform, code={"text": word}, **named(platform, way))
    condition = f"AllergyIntolerance?identifier=urn:x|{word}"
    answers = [
        send(platform, "POST", "AllergyIntolerance", tree),
        send(platform, "POST", "AllergyIntolerance", tree, headers={"if-none-exist": condition.partition("?")[2]}),
        send(platform, "PUT", condition, tree | {"identifier": [{"system": "urn:x", "value": word}]}),
        send(platform, "POST", "", bundle("transaction", entry("POST", "AllergyIntolerance", tree)), service=SERVICE),
    ]
    assert [one.status for one in answers] == [422] * 4, [one.response.text for one in answers]
    assert all("the recorder is whoever registers" in one.issue["diagnostics"] for one in answers)
    assert word not in platform.get("AllergyIntolerance").response.text


def test_nothing_was_registered_at_a_time_ahead(platform: Standing) -> None:
    tree = allergy(platform, recordedDate="2031-01-01")
    assert send(platform, "POST", "AllergyIntolerance", tree).status == 422


def test_a_page_calls_her_what_the_register_does(platform: Standing) -> None:
    word = fresh()
    own = {"recorder": numbered(platform, "gp") | {"display": "Kong Olav"}}
    assert send(platform, "POST", "AllergyIntolerance", allergy(platform, code={"text": word}, **own)).status == 201
    with tab(platform, "gp") as it:
        page = text(it.get(f"{it.type(platform.nin('citizen')).url.path}/critical"))
    assert word in page and "Kong Olav" not in page


def test_a_nurse_does_not_register_in_a_doctors_name(platform: Standing) -> None:
    tree = treatment(platform, "dialysis", recorder=numbered(platform, "gp"))
    assert send(platform, "POST", "Procedure", tree, as_="nurse", self_selected=True, reason="Behandling").status == 422


@pytest.mark.parametrize("way", ["by number", "contained", "none"])
def test_in_her_own_name_it_is_taken_as_it_was_sent(platform: Standing, way: str) -> None:
    own: dict[str, Any] = {
        "by number": {"recorder": numbered(platform, "gp")}, "contained": contained(platform, "gp"), "none": {},
    }[way]  # fmt: skip
    tree = allergy(platform, code={"text": fresh()}, **own)
    made = send(platform, "POST", "AllergyIntolerance", tree)
    assert made.status == 201, made.response.text
    kept = platform.get(f"AllergyIntolerance/{made.tree['id']}").tree
    assert {key: value for key, value in kept.items() if key not in ("id", "meta")} == tree


def changed(platform: Standing, id_: str, tree: Tree, as_: str) -> Answered:
    return send(
        platform, "PUT", f"AllergyIntolerance/{id_}", tree | {"id": id_}, as_=as_, version=1, self_selected=True,
        reason="Behandling",
    )  # fmt: skip


def test_a_recorder_that_was_left_out_is_added_by_herself_alone(platform: Standing) -> None:
    tree = allergy(platform, code={"text": fresh()})
    id_ = str(send(platform, "POST", "AllergyIntolerance", tree).tree["id"])
    assert changed(platform, id_, tree | {"recorder": numbered(platform, "hospital-doctor")}, "gp").status == 422
    own = changed(platform, id_, tree | {"recorder": numbered(platform, "gp")}, "gp")
    assert (own.status, json.loads(own.response.content)["recorder"]) == (200, numbered(platform, "gp"))
