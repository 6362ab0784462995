"""By FHIR R4: nobody registers critical information in another's name, in whatever way she is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bundles import bundle, entry
from kjerne.registries.recorders import PROFESSIONS, UPDATER, Author, recorder_in, writer_in
from pages.test_live import tab, text
from platform_fixture import Standing, Tree
from services.test_standards_registered import NEED, allergy, send, treatment
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


def page_of(platform: Standing, word: str, as_: str = "gp") -> str:
    """What a clinician's page says of the entry of that name."""
    with tab(platform, as_) as it:
        page = text(it.get(f"{it.type(platform.nin('citizen')).url.path}/critical"))
    assert page.count(word) > 0
    return page[page.index(word) :].partition("Åpne og endre")[0]


def by_herself(platform: Standing, as_: str, role: str) -> str:
    """How pages name a persona as who wrote something."""
    who = platform.persona(as_)
    (place,) = platform.rows("SELECT name FROM organisation WHERE number = $1", who.organisation)
    return f"av {who.person_name}, {role}, {place['name']}"


def forged(platform: Standing, as_: str, form: str) -> Tree:
    """Her own number, and beside it a name, a place or a profession of somebody else's."""
    own = numbered(platform, as_)
    person = {"resourceType": "Practitioner", "id": "p", "identifier": [own["identifier"]]}
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": own}
    other = {"identifier": {"system": "http://x.example/ansatt", "value": "7"}, "display": "Kong Olav"}
    granlia = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.2", "value": "7"}, "display": "Granlia legesenter"}
    by_role = {"recorder": {"reference": "#r"}}
    return {
        "name of a role": by_role
        | {"contained": [person, role | {"practitioner": {"reference": "#p", "display": "Kong Olav"}}]},
        "name beside a person": {"recorder": {"reference": "#p", "display": "Kong Olav"}, "contained": [person]},
        "another number beside": {
            "recorder": {"reference": "#r"} | own, "contained": [role | {"practitioner": other}],
        },
        "place of another system": by_role | {"contained": [role | {"organization": granlia}]},
        "words as profession": by_role
        | {"contained": [role | {"code": [{"coding": [{"system": "http://x.example", "code": "Kong Olav"}]}]}]},
        "profession": by_role
        | {"contained": [role | {"code": [{"coding": [{"system": PROFESSIONS, "code": "PS"}]}]}]},
        "as who changed it": {
            "extension": [{"url": UPDATER, "valueReference": {"reference": "#r"}}],
            "contained": [person, role | {"practitioner": {"reference": "#p", "display": "Kong Olav"}}],
        },
        "none": {},
    }[form]  # fmt: skip


FORMS = (
    "name of a role", "name beside a person", "another number beside", "place of another system", "words as profession",
    "profession", "as who changed it", "none",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_whoever_a_page_names_is_who_registered_in_her_own_role_and_place(platform: Standing, form: str) -> None:
    """K115, K160: by a body of its own, in a Bundle and after a patch; refused, or her own name and no other."""
    word = fresh()
    tree = allergy(platform, code={"text": word}, **forged(platform, "gp", form))
    made = send(platform, "POST", "AllergyIntolerance", tree)
    entries = [entry("POST", "AllergyIntolerance", tree)]
    both = [send(platform, "POST", "", bundle(kind, *entries), service=SERVICE) for kind in ("batch", "transaction")]
    if form not in ("words as profession", "none"):
        assert (made.status, both[1].status) == (422, 422), made.response.text
        assert "Leave it out" in made.issue["diagnostics"]
        assert '"status":"422' in both[0].response.text.replace(" ", "")
        assert word not in platform.get("AllergyIntolerance").response.text
        return
    assert (made.status, both[0].status, both[1].status) == (201, 200, 200), made.response.text
    assert made.tree["recorder"]["display"] == platform.persona("gp").person_name
    said = page_of(platform, word)
    assert by_herself(platform, "gp", "lege") in said and "Kong Olav" not in said


def test_a_nurse_is_a_nurse_on_every_page(platform: Standing) -> None:
    word = fresh()
    tree = treatment(platform, "dialysis", code={"text": word}, **forged(platform, "nurse", "words as profession"))
    assert send(platform, "POST", "Procedure", tree, as_="nurse", self_selected=True, reason="Behandling").status == 201
    assert by_herself(platform, "nurse", "sykepleier") in page_of(platform, word)


def test_a_patch_puts_nobody_elses_name_in(platform: Standing) -> None:
    word = fresh()
    made = send(platform, "POST", "AllergyIntolerance", allergy(platform, code={"text": word})).tree
    patch = [{"op": "replace", "path": "/recorder/display", "value": "Kong Olav"}]
    answer = platform.client.call(
        "PATCH", f"/fhir/R4/AllergyIntolerance/{made['id']}", as_="gp", patient=platform.nin("citizen"),
        body=json.dumps(patch).encode(), headers={"content-type": "application/json-patch+json", "if-match": 'W/"1"'},
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    said = page_of(platform, word)
    assert said.count(by_herself(platform, "gp", "lege")) >= 2 and "Kong Olav" not in said


def test_a_nurse_does_not_register_in_a_doctors_name(platform: Standing) -> None:
    tree = treatment(platform, "dialysis", recorder=numbered(platform, "gp"))
    assert send(platform, "POST", "Procedure", tree, as_="nurse", self_selected=True, reason="Behandling").status == 422


@pytest.mark.parametrize("way", ["by number", "contained", "none"])
def test_in_her_own_name_it_is_taken_and_who_she_is_is_written_here(platform: Standing, way: str) -> None:
    own: dict[str, Any] = {
        "by number": {"recorder": numbered(platform, "gp")}, "contained": contained(platform, "gp"), "none": {},
    }[way]  # fmt: skip
    tree = allergy(platform, code={"text": fresh()}, **own)
    made = send(platform, "POST", "AllergyIntolerance", tree)
    assert made.status == 201, made.response.text
    kept = platform.get(f"AllergyIntolerance/{made.tree['id']}").tree
    assert made.tree == kept
    apart = ("id", "meta", "recorder", "contained", "recordedDate")
    assert kept["recordedDate"], "without it nobody could confirm it"
    assert {key: kept[key] for key in kept if key not in apart} == {key: tree[key] for key in tree if key not in apart}
    gp = platform.persona("gp")
    assert recorder_in(kept) == Author(gp.person_name, "LE", gp.organisation, gp.hpr)
    assert len(kept["contained"]) == 1


def test_a_later_version_has_the_first_recorder_and_says_who_wrote_it(platform: Standing) -> None:
    """K142; the answer to a change is what was written, and not what was sent."""
    tree = allergy(platform, code={"text": fresh()})
    id_ = str(send(platform, "POST", "AllergyIntolerance", tree, as_="hospital-doctor", **NEED).tree["id"])
    sent = tree | {"id": id_, "recorder": numbered(platform, "hospital-doctor") | {"display": "Kong Olav"}}
    again = send(
        platform, "PUT", f"AllergyIntolerance/{id_}", sent, as_="hospital-doctor", version=1, **NEED,
    )  # fmt: skip
    assert again.status == 200, again.response.text
    who = platform.persona("hospital-doctor")
    own = Author(who.person_name, "LE", who.organisation, who.hpr)
    assert (recorder_in(again.tree), writer_in(again.tree)) == (own, own) and "Kong Olav" not in again.response.text


def test_a_condition_that_finds_anothers_record_takes_it_with_its_recorder(platform: Standing) -> None:
    word = fresh()
    condition = f"AllergyIntolerance?identifier=urn:x|{word}"
    named_so = {"identifier": [{"system": "urn:x", "value": word}]}
    tree = allergy(platform, code={"text": word}, **named_so)
    assert send(platform, "PUT", condition, tree, as_="gp").status == 201
    later = tree | {"criticality": "low", "recorder": numbered(platform, "hospital-doctor")}
    changed = send(platform, "PUT", condition, later, as_="gp", version=1)
    assert changed.status == 200, changed.response.text
    assert recorder_in(changed.tree).hpr == platform.persona("gp").hpr


def test_a_token_that_leaves_no_read_is_not_told_who_registered_what_it_changes(platform: Standing) -> None:
    """The answer gives what was written, which says more than was sent."""
    tree = treatment(platform, "dialysis", code={"text": fresh()})
    id_ = str(send(platform, "POST", "Procedure", tree, as_="nurse", **NEED).tree["id"])
    for number, narrower in ((1, "user/Procedure.cu"), (2, "user/Procedure.cru")):
        changed = send(
            platform, "PUT", f"Procedure/{id_}", tree | {"id": id_}, as_="hospital-doctor", version=number,
            narrower=narrower, headers={"prefer": "return=representation"}, **NEED,
        )  # fmt: skip
        assert changed.status == 200, changed.response.text
        is_told = platform.persona("nurse").hpr in changed.response.text
        assert is_told is ("r" in narrower.partition(".")[2])
