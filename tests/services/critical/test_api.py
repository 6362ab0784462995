"""Critical information at its national address: read, registered, changed and taken back, seen alike under `/fhir/R4`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kjerne.registries.kj_profiles import BASE as PROFILES
from kjerne.services.critical import api
from kjerne.services.critical.api import BASE
from kjerne.services.critical.kinds import KINDS
from platform_fixture import Answered, Standing, Tree
from services.critical.records import (
    HOSPITAL,
    NURSE,
    allergy,
    ask,
    clinical,
    condition,
    every,
    faults,
    flag,
    implant,
    reaction,
    registered,
    rows,
    treatment,
    verified,
)
from services.test_standards_registered import NEED, SNOMED, consent, person, send

HPR = "urn:oid:2.16.578.1.12.4.1.4.4"
REPRESENTATION = {"prefer": "return=representation"}


def role_of(tree: Tree, reference: str) -> Tree:
    (found,) = [one for one in tree["contained"] if f"#{one['id']}" == reference]
    return found


def people(tree: Tree, element: str = "recorder") -> tuple[str, str]:
    """The HPR numbers of recorder and updater."""
    (updater,) = [one["valueReference"] for one in tree["extension"] if one["url"] == f"{PROFILES}KjUpdater"]
    found = [role_of(tree, one["reference"])["practitioner"]["identifier"] for one in (tree[element], updater)]
    assert {one["system"] for one in found} == {HPR}
    return found[0]["value"], found[1]["value"]


def test_each_type_is_registered_listed_and_read_and_the_log_names_what_left(platform: Standing) -> None:
    for tree in every(platform, "parent"):
        name = tree["resourceType"]
        made = ask(platform, "POST", name, tree, about="parent", **NEED)
        id_ = made.tree["id"]
        assert (made.status, made.response.headers["etag"]) == (201, 'W/"1"')
        assert made.response.headers["location"] == f"{platform.url}{BASE}/{name}/{id_}"
        assert rows(platform, made) == [("file", "registered", 0, {id_})]
        listed = ask(platform, "GET", name, about="parent", **NEED)
        assert id_ in listed.ids() and listed.tree["total"] == len(listed.ids())
        assert [(row[0], row[2], row[3]) for row in rows(platform, listed)] == [("search", 0, set(listed.ids()))]
        one = ask(platform, "GET", f"{name}/{id_}", about="parent", **NEED)
        assert one.tree == made.tree and rows(platform, one)[0][3] == {id_}
        assert listed.tree["entry"][0]["fullUrl"].startswith(f"{platform.url}{BASE}/{name}/")


def test_both_views_show_one_record_and_share_its_versions_and_locks(platform: Standing) -> None:
    made = registered(platform, allergy(platform))
    at = f"AllergyIntolerance/{made['id']}"
    assert platform.get(at).tree == made
    low = send(platform, "PUT", at, {**made, "criticality": "low"}, version=1)
    assert low.status == 200, low.response.text
    assert ask(platform, "GET", at).tree["criticality"] == "low"
    assert ask(platform, "PUT", at, {**made, "criticality": "high"}, version=1).status == 412
    assert ask(platform, "PUT", at, {**made, "criticality": "high"}, version=2).status == 200
    assert platform.get(f"{at}/_history").tree["total"] == 3
    plain = send(platform, "POST", "AllergyIntolerance", {
        "resourceType": "AllergyIntolerance", "clinicalStatus": clinical("AllergyIntolerance"), "category": ["food"],
        "verificationStatus": verified("AllergyIntolerance", "unconfirmed"), "code": {"text": "Egg"},
        "patient": person(platform, "citizen"),
    })  # fmt: skip
    assert plain.tree["id"] in ask(platform, "GET", "AllergyIntolerance?criticalInfoType=OtherAllergen").ids()
    assert send(platform, "DELETE", at).status == 204
    assert made["id"] not in ask(platform, "GET", "AllergyIntolerance").ids()
    assert ask(platform, "GET", at).status == 404


def test_a_kind_is_asked_for_by_its_name_and_conditions_in_the_plural(platform: Standing) -> None:
    by_kind = {
        kind: registered(platform, condition(platform, f"KjCondition{kind}", "youth"), about="youth", **NEED)["id"]
        for kind in KINDS["Condition"]
    }
    for kind, id_ in by_kind.items():
        for name in ("Conditions", "Condition"):
            found = ask(platform, "GET", f"{name}?criticalInfoType={kind}", about="youth", **NEED)
            assert id_ in found.ids() and not set(by_kind.values()) & set(found.ids()) - {id_}, (name, kind)
            assert set(found.ids()) == rows(platform, found)[0][3]
    assert set(by_kind.values()) <= set(ask(platform, "GET", "Conditions", about="youth", **NEED).ids())
    one = by_kind["Infection"]
    assert ask(platform, "GET", f"Conditions/{one}", about="youth", **NEED).tree["id"] == one
    for asked, where in (
        ("Conditions?criticalInfoType=DrugReaction", "criticalInfoType"),
        ("Conditions?criticalInfoType=Infection&criticalInfoType=Infection", "criticalInfoType"),
        ("Conditions?code=1", "query"),
        ("Flag?_count=1", "query"),
    ):
        refused = ask(platform, "GET", asked)
        assert (refused.status, refused.issue["expression"]) == (400, [where])
    assert ask(platform, "GET", "Observation").status == 404


def test_the_recorder_stays_whoever_changes_the_record_and_the_updater_is_noted(platform: Standing) -> None:
    """Any doctor changes what another organisation registered (K112)."""
    gp, doctor = platform.persona("gp").hpr, platform.persona("hospital-doctor").hpr
    for tree, element in (
        (allergy(platform), "recorder"),
        (flag(platform), "author"),
        (treatment(platform), "recorder"),
    ):
        made = registered(platform, tree)
        at = f"{tree['resourceType']}/{made['id']}"
        assert people(made, element) == (gp, gp)
        first = role_of(made, made[element]["reference"])
        assert first["organization"]["identifier"]["value"] == platform.persona("gp").organisation
        assert first["code"][0]["coding"][0]["code"] == "LE"
        # As it was read, and as a client sends that writes itself in the recorder's place.
        other = {**made, element: {"identifier": {"system": HPR, "value": doctor}}}
        for version, sent in enumerate((made, other), 1):
            changed = ask(platform, "PUT", at, sent, version=version, **HOSPITAL)
            assert changed.status == 200, changed.response.text
            assert people(changed.tree, element) == (gp, doctor)
            assert len(changed.tree["contained"]) == len(made["contained"]) + 1
        assert people(ask(platform, "PUT", at, changed.tree, version=3).tree, element) == (gp, gp)


def test_nobody_is_made_the_recorder_or_updater_of_a_record_by_fhir(platform: Standing) -> None:
    gp, doctor = platform.persona("gp").hpr, platform.persona("hospital-doctor").hpr
    for tree, element in ((allergy(platform), "recorder"), (flag(platform), "author"), (implant(platform), "source")):
        made = registered(platform, tree)
        at = f"{tree['resourceType']}/{made['id']}"
        sent = send(platform, "GET", at).tree
        for one in sent["contained"]:
            if "practitioner" in one:
                one["practitioner"] = {"identifier": {"system": HPR, "value": "7777777"}, "display": "En annen"}
        forged = sent | ({"recordedDate": "2001-01-01"} if "recordedDate" in sent else {}) | {"language": "nb"}
        assert send(platform, "PUT", at, forged, version=1).status == 200
        now = ask(platform, "GET", at).tree
        assert (people(now, element), now.get("recordedDate")) == ((gp, gp), made.get("recordedDate"))
        assert now["language"] == "nb" and "7777777" not in json.dumps(now)
        patch = [{"op": "remove", "path": f"/{element}"}]
        typed = {"content-type": "application/json-patch+json"}
        patched = platform.client.call(
            "PATCH", f"/fhir/R4/{at}", as_="gp", patient=platform.nin("citizen"), body=json.dumps(patch).encode(),
            headers=typed | {"if-match": 'W/"2"'},
        )  # fmt: skip
        assert patched.status_code == 200, patched.text
        later = ask(platform, "PUT", at, ask(platform, "GET", at).tree, version=3, **HOSPITAL)
        assert people(later.tree, element) == (gp, doctor)


def test_what_would_be_kept_and_mean_nothing_is_refused(platform: Standing) -> None:
    lost = {"url": f"{PROFILES}KjInactiveIngredient", "valueBoolean": True}
    sent = allergy(platform, implicitRules="https://ehr.example/rules")
    sent["extension"].append(lost)
    sent["code"]["coding"][0]["display"] = " "
    answer = ask(platform, "POST", "AllergyIntolerance", sent)
    assert (answer.status, faults(answer)) == (422, {
        "AllergyIntolerance.implicitRules": "implicit-rules", "AllergyIntolerance.extension[1].url": "kj-extension",
        "AllergyIntolerance.code.coding[0].display": "kj-display",
    })  # fmt: skip


def test_nobody_registers_in_anothers_name_or_ahead_of_time(platform: Standing) -> None:
    other = {"identifier": {"system": HPR, "value": platform.persona("hospital-doctor").hpr}}
    answer = ask(platform, "POST", "AllergyIntolerance", allergy(platform, recorder=other))
    assert (answer.status, faults(answer)) == (422, {"AllergyIntolerance.recorder": ""})
    answer = ask(platform, "POST", "AllergyIntolerance", allergy(platform, recordedDate="2999-01-01"))
    assert (answer.status, faults(answer)) == (422, {"AllergyIntolerance.recordedDate": ""})
    own = {"identifier": {"system": HPR, "value": platform.persona("gp").hpr}}
    made = registered(platform, allergy(platform, recorder=own, recordedDate="2020-05-04"))
    assert made["recordedDate"] == "2020-05-04"
    again = ask(platform, "PUT", f"AllergyIntolerance/{made['id']}", {**made, "recordedDate": "2021-01-01"}, version=1)
    assert again.tree["recordedDate"] == "2020-05-04"


def test_what_is_wrong_is_told_entry_by_entry_with_path_and_rule(platform: Standing) -> None:
    wrong = allergy(
        platform, extension=[], criticality=None, reaction=reaction(SNOMED),
        code={"coding": [{"system": "http://codes.example", "code": "1"}, {"system": SNOMED, "code": "2", "display": "b"}]},
    )  # fmt: skip
    wrong = {key: value for key, value in wrong.items() if value not in ([], None)}
    answer = ask(platform, "POST", "AllergyIntolerance", wrong)
    assert (answer.status, faults(answer)) == (422, {
        "AllergyIntolerance.criticality": "profile-cardinality",
        "AllergyIntolerance.extension": "profile-cardinality",
        "AllergyIntolerance.code": "kj-main-code",
        "AllergyIntolerance.code.coding[0].display": "profile-cardinality",
        "AllergyIntolerance.code.coding[0].system": "kj-code-system",
        "AllergyIntolerance.reaction[0].manifestation[0].coding[0]": "kj-type-of-reaction",
    })  # fmt: skip
    assert platform.audited(answer.response) == []
    answer = ask(platform, "POST", "AllergyIntolerance", allergy(platform, criticality="deadly"))
    assert answer.status == 422 and "AllergyIntolerance.criticality" in faults(answer)
    answer = ask(platform, "POST", "Flag", flag(platform, category=[{"text": "noe"}]))
    assert (answer.status, faults(answer)) == (422, {"Flag.category": ""})
    two = condition(platform, "KjConditionInfection")
    two["meta"]["profile"].append(f"{PROFILES}KjConditionIntubationProblem")
    assert ask(platform, "POST", "Conditions", two).status == 422
    assert ask(platform, "POST", "Flag", allergy(platform)).status == 400


def test_a_type_of_reaction_is_taken_and_found_under_its_published_slip_too(platform: Standing) -> None:
    slip = "urn:uid:2.16.578.1.12.4.1.1.7497"
    id_ = registered(platform, allergy(platform, reaction=reaction(slip)))["id"]
    for system in (slip, "urn:oid:2.16.578.1.12.4.1.1.7497"):
        assert id_ in platform.get(f"AllergyIntolerance?manifestation={system}|1&_count=200").ids(), system


def test_a_change_demands_the_version_that_was_seen(platform: Standing) -> None:
    made = registered(platform, flag(platform))
    at = f"Flag/{made['id']}"
    for method, tree in (("PUT", made), ("DELETE", None)):
        assert ask(platform, method, at, tree).status == 428, method
        stale = ask(platform, method, at, tree, version=7)
        assert (stale.status, stale.response.headers["etag"]) == (412, 'W/"1"')
        assert [(row[0], row[2], row[3]) for row in rows(platform, stale)] == [("correct", 1, {made["id"]})]
    shown = ask(platform, "PUT", at, made, version=7, headers=REPRESENTATION)
    assert (shown.status, shown.tree, shown.response.headers["etag"]) == (412, made, 'W/"1"')
    assert sorted((row[0], row[2]) for row in rows(platform, shown)) == [("correct", 1), ("read", 0)]
    assert all(row[3] == {made["id"]} for row in rows(platform, shown))
    assert ask(platform, "PUT", at, {**made, "id": str(uuid4())}, version=1).status == 400


def test_what_is_deleted_is_a_version_that_says_it_was_entered_in_error(platform: Standing) -> None:
    for tree in every(platform):
        name = tree["resourceType"]
        made = registered(platform, tree)
        at = f"{name}/{made['id']}"
        gone = ask(platform, "DELETE", at, version=1, **HOSPITAL)
        assert (gone.status, gone.response.headers["etag"]) == (204, 'W/"2"')
        now = ask(platform, "GET", at).tree
        said = now["verificationStatus"]["coding"][0]["code"] if "verificationStatus" in now else now["status"]
        assert said == "entered-in-error" and "clinicalStatus" not in now
        element = {"DeviceUseStatement": "source", "Flag": "author"}.get(name, "recorder")
        assert people(now, element) == (platform.persona("gp").hpr, platform.persona("hospital-doctor").hpr)
        assert made["id"] in ask(platform, "GET", name).ids()
        assert platform.get(f"{at}/_history/1").tree == made
        for method, body in (("DELETE", None), ("PUT", made)):
            again = ask(platform, method, at, body, version=2)
            assert (again.status, rows(platform, again)[0][2:]) == (410, (1, {made["id"]}))


def test_who_may_register_and_verify_is_asked_of_the_law_by_kind(platform: Standing) -> None:
    refused = ask(platform, "POST", "AllergyIntolerance", allergy(platform), **NURSE)
    assert (refused.status, rows(platform, refused)) == (403, [("file", "register-kind", 1, set())])
    own = registered(platform, treatment(platform), **NURSE)
    assert (
        ask(platform, "PUT", f"Procedure/{own['id']}", {**own, "status": "completed"}, version=1, **NURSE).status == 200
    )
    # Another organisation's doctor changes it too, and so may the nurse again.
    changed = ask(platform, "PUT", f"Procedure/{own['id']}", own, version=2)
    assert people(changed.tree) == (platform.persona("nurse").hpr, platform.persona("gp").hpr)
    doctors = registered(platform, allergy(platform))
    at = f"AllergyIntolerance/{doctors['id']}"
    for method, tree in (("PUT", {**doctors, "criticality": "low"}), ("DELETE", None)):
        answer = ask(platform, method, at, tree, version=1, **NURSE)
        assert (answer.status, rows(platform, answer)[0][1]) == (403, "register-kind"), method
    confirmed = {**doctors, "verificationStatus": verified("AllergyIntolerance", "confirmed")}
    assert ask(platform, "PUT", at, confirmed, version=1, **HOSPITAL).status == 200
    outsider = ask(platform, "POST", "AllergyIntolerance", allergy(platform), as_="outsider")
    assert (outsider.status, rows(platform, outsider)[0][1]) == (403, "no-relation")


def test_a_crisis_plan_and_a_dialysis_stay_of_their_own_kind(platform: Standing) -> None:
    """The profiles say a kind by themselves: they are not named where that would be another."""
    own = "http://kjerne.example/fhir/CodeSystem/critical-information-kind"
    plan = flag(platform, category=[{"coding": [{"system": own, "code": "crisis-plan"}]}])
    made = registered(platform, plan)
    assert made["id"] in ask(platform, "GET", "Flag?criticalInfoType=CrisisPlan").ids()
    assert made["id"] not in ask(platform, "GET", "Flag?criticalInfoType=OtherChangeOfProcedure").ids()
    dialysis = treatment(platform, category={"coding": [{"system": own, "code": "dialysis"}]})
    registered(platform, dialysis, **NURSE)


def test_a_flag_whose_period_is_over_is_shown_as_inactive(platform: Standing) -> None:
    over = registered(platform, flag(platform, period={"start": "2020-01-01", "end": "2020-02-01"}))
    ahead = registered(platform, flag(platform, period={"start": "2020-01-01", "end": "2999-02-01"}))
    shown = {one["id"]: one["status"] for one in ask(platform, "GET", "Flag").resources()}
    assert (shown[over["id"]], shown[ahead["id"]]) == ("inactive", "active")
    assert ask(platform, "GET", f"Flag/{over['id']}").tree["status"] == "inactive"


def test_what_is_read_only_is_put_back_as_it_stands(platform: Standing) -> None:
    text = {"url": f"{PROFILES}KjCodeInfoText", "valueString": "Fra utgiveren"}
    link = {"url": f"{PROFILES}KjUrlMoreInformation", "valueUrl": "https://utgiver.example"}
    excipient = {"url": f"{PROFILES}KjInactiveIngredient", "valueBoolean": True}
    tree = allergy(platform)
    sent = {**tree, "extension": [*tree["extension"], text], "code": {**tree["code"], "extension": [excipient, link]}}
    made = registered(platform, sent)
    assert text not in made["extension"] and made["code"]["extension"] == [excipient]
    # What a publisher wrote by FHIR stays.
    at = f"AllergyIntolerance/{made['id']}"
    written = send(
        platform, "PUT", at, {**made, "code": sent["code"], "extension": [*made["extension"], text]}, version=1
    )
    assert written.status == 200, written.response.text
    changed = ask(platform, "PUT", at, {**made, "criticality": "low"}, version=2).tree
    assert changed["extension"].count(text) == 1
    assert changed["code"]["extension"] == [excipient, link]


def test_a_clinical_status_beside_entered_in_error_is_left_out(platform: Standing) -> None:
    made = registered(platform, allergy(platform))
    wrong = {
        **made, "verificationStatus": verified("AllergyIntolerance", "entered-in-error"),
        "clinicalStatus": clinical("AllergyIntolerance", "inactive"),
    }  # fmt: skip
    changed = ask(platform, "PUT", f"AllergyIntolerance/{made['id']}", wrong, version=1)
    assert changed.status == 200 and "clinicalStatus" not in changed.tree


def chosen(platform: Standing, about: str, tree: Tree) -> Answered:
    typed, method, path = {"content-type": "application/fhir+json"}, "POST", "/fhir/R4/Consent"
    if "id" in tree:
        method, path = "PUT", f"{path}/{tree['id']}"
    body = json.dumps(tree | {"patient": person(platform, about)}).encode()
    answer = platform.client.call(method, path, as_=about, patient=platform.nin(about), headers=typed, body=body)
    assert answer.status_code < 300, answer.text
    return Answered(answer)


def told(platform: Standing, about: str, **more: Any) -> Tree:
    answer = ask(platform, "GET", "status", about=about, **{**NEED, **more})
    assert answer.status == 200, answer.response.text
    assert {row[3] == set() for row in rows(platform, answer)} == {True}
    return answer.tree


@pytest.mark.parametrize(("kind", "word"), [("restriction", "restricted"), ("opt-out", "reserved")])
def test_the_status_tells_what_the_patient_has_shut(platform: Standing, kind: str, word: str) -> None:
    about = "parent"
    made = registered(platform, allergy(platform, about), about=about, **NEED)
    before = told(platform, about)
    # A declared basis alone tells of nothing that is shut.
    for status in (before, told(platform, about, basis="AKUTT"), told(platform, about, basis="FORHOYET_AKUTT")):
        assert not (status["restricted"] or status["blocked"] or status["reserved"])
    assert before["lastChanged"] >= made["meta"]["lastUpdated"]
    choice = chosen(platform, about, consent(kind))
    try:
        shut = told(platform, about)
        assert {name for name, value in shut.items() if value} == {word}
        listed = ask(platform, "GET", "AllergyIntolerance", about=about, **NEED)
        assert listed.status == 403 and rows(platform, listed)[0][2:] == (1, set())
        refused = ask(platform, "POST", "AllergyIntolerance", allergy(platform, about), about=about, **NEED)
        assert refused.status == 403
        opened = told(platform, about, basis="AKUTT")
        assert opened[word] and ("lastChanged" in opened) == (kind == "restriction")
    finally:
        chosen(platform, about, choice.tree | {"status": "inactive"})
    assert not told(platform, about)[word]


def test_who_is_refused_for_another_reason_hears_that_and_not_a_status(platform: Standing) -> None:
    answer = ask(platform, "GET", "status", as_="outsider")
    assert (answer.status, rows(platform, answer)) == (403, [("search", "no-relation", 1, set())])
    assert ask(platform, "GET", "status?x=1").status == 400


def test_the_citizen_reads_by_her_portal_and_writes_nothing(platform: Standing) -> None:
    made = registered(platform, allergy(platform))
    own: dict[str, Any] = {"as_": "citizen", "portal": True}
    assert made["id"] in ask(platform, "GET", "AllergyIntolerance", **own).ids()
    assert ask(platform, "GET", f"AllergyIntolerance/{made['id']}", **own).tree == made
    assert "lastChanged" in ask(platform, "GET", "status", **own).tree
    assert ask(platform, "POST", "AllergyIntolerance", allergy(platform), **own).status == 403


def test_a_record_of_another_patient_or_service_is_absent(platform: Standing) -> None:
    made = registered(platform, allergy(platform, "parent"), about="parent", **NEED)
    assert ask(platform, "GET", f"AllergyIntolerance/{made['id']}").status == 404
    assert ask(platform, "GET", f"AllergyIntolerance/{uuid4()}").status == 404
    ordinary = send(
        platform, "POST", "Condition",
        {"resourceType": "Condition", "code": {"text": "Forkjolelse"}, "subject": person(platform, "citizen"),
         "clinicalStatus": clinical("Condition")},
        service="record",
    )  # fmt: skip
    assert ordinary.status == 201, ordinary.response.text
    at = f"Condition/{ordinary.tree['id']}"
    assert ask(platform, "GET", at).status == 404
    assert ordinary.tree["id"] not in ask(platform, "GET", "Conditions").ids()
    sent = {**condition(platform, "KjConditionInfection"), "id": ordinary.tree["id"]}
    assert ask(platform, "PUT", at, sent, version=1).status == 404
    assert ask(platform, "DELETE", at, version=1).status == 404
    about = ask(platform, "POST", "AllergyIntolerance", allergy(platform, "parent"))
    assert about.status == 422


def test_smart_scopes_narrow_the_national_address_too(platform: Standing) -> None:
    made = registered(platform, allergy(platform))
    narrow = {"narrower": "user/AllergyIntolerance.rs?code=http://www.whocc.no/atc|N02BA01"}
    assert made["id"] not in ask(platform, "GET", "AllergyIntolerance", **narrow).ids()
    assert ask(platform, "GET", f"AllergyIntolerance/{made['id']}", **narrow).status == 404
    assert ask(platform, "GET", "Flag", **narrow).status == 403
    assert ask(platform, "POST", "AllergyIntolerance", allergy(platform), **narrow).status == 403


def test_the_statement_names_types_profiles_and_the_one_parameter(platform: Standing) -> None:
    told = platform.http.get(f"{platform.url}{BASE}/metadata").json()
    resources = {one["type"]: one for one in told["rest"][0]["resource"]}
    assert set(resources) == set(KINDS)
    allergies = resources["AllergyIntolerance"]
    assert {one["code"] for one in allergies["interaction"]} == {"read", "search-type", "create", "update", "delete"}
    assert [one["name"] for one in allergies["searchParam"]] == ["criticalInfoType"]
    assert allergies["supportedProfile"] == [f"{PROFILES}KjAllergyIntolerance"]
    assert len(resources["Condition"]["supportedProfile"]) == 5
    port = platform.url.rpartition(":")[2]
    own = platform.http.get(f"http://critical-information.localhost:{port}/v1/metadata")
    assert own.json()["rest"] == told["rest"]


def test_the_example_of_the_page_is_registered(platform: Standing) -> None:
    page = (Path(__file__).parents[3] / "docs" / "critical-information.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert registered(platform, json.loads(example))["meta"]["versionId"] == "1"


def test_more_than_one_answer_holds_is_refused_and_never_left_out(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        registered(platform, flag(platform))
    monkeypatch.setattr(api, "MOST_RECORDS", 1)
    refused = ask(platform, "GET", "Flag")
    assert (refused.status, refused.issue["code"], rows(platform, refused)) == (422, "too-costly", [])
    monkeypatch.setattr(api, "MOST_RECORDS", 5_000)
    monkeypatch.setattr(api, "MOST_BYTES", 500)
    assert ask(platform, "GET", "Flag").status == 422
