"""What a journal's system sends: taken whole or not at all, known again by its own identifiers, told entry by entry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kjerne.registries.kj_profiles import ATC
from kjerne.registries.recorders import PROFESSIONS, UPDATED, UPDATER
from pages.test_live import tab, text
from platform_fixture import Answered, Standing
from services.critical.records import (
    HOSPITAL,
    allergy,
    ask,
    condition,
    every,
    faults,
    registered,
    rows,
    treatment,
    verified,
)
from services.critical.transfers import Journal, ids, statuses
from services.test_standards_registered import NEED
from words import fresh


def origins(platform: Standing, id_: str) -> list[tuple[int, str, str, str]]:
    found = platform.rows(
        "SELECT version, organisation, system, way FROM critical_transfer WHERE id = $1 ORDER BY version", id_
    )
    return [(row["version"], row["organisation"], row["system"], row["way"]) for row in found]


def test_a_bundle_of_each_type_is_filed_and_read_by_personnel_with_a_row_in_her_log_for_each(
    platform: Standing,
) -> None:
    journal = Journal(platform, about="pregnant")
    trees = every(platform, "pregnant")
    sent = journal.send(*(journal.put(tree, tree["resourceType"].lower()) for tree in trees))
    assert statuses(sent) == ["201"] * len(trees)
    assert [row[:3] for row in rows(platform, sent)] == [("file", "sent-in", 0)] * len(trees)
    for tree, id_ in zip(trees, ids(sent), strict=True):
        read = ask(platform, "GET", f"{tree['resourceType']}/{id_}", about="pregnant", **NEED)
        assert (
            read.status == 200
            and read.tree["identifier"] == journal.own(tree, tree["resourceType"].lower())["identifier"]
        )
        hospital = platform.persona("journal-system").organisation
        assert origins(platform, id_) == [(1, hospital, "kjerne", "pushed")]


def test_the_same_again_changes_nothing_and_a_change_makes_one_version(platform: Standing) -> None:
    journal = Journal(platform)
    one, other = journal.put(allergy(platform), "one"), journal.put(treatment(platform), "other")
    first = journal.send(one, other)
    again = journal.send(one, other)
    assert (statuses(first), statuses(again)) == (["201", "201"], ["200", "200"])
    assert ids(first) == ids(again) and rows(platform, again) == []
    changed = journal.send(journal.put(allergy(platform, criticality="low"), "one"), other)
    assert statuses(changed) == ["200", "200"] and ids(changed) == ids(first)
    assert [row[0] for row in rows(platform, changed)] == ["correct"]
    read = ask(platform, "GET", f"AllergyIntolerance/{ids(first)[0]}", **NEED)
    assert (read.tree["criticality"], read.tree["meta"]["versionId"]) == ("low", "2")
    assert [one[0] for one in origins(platform, ids(first)[0])] == [1, 2]


def test_the_same_at_once_from_several_is_filed_once(platform: Standing) -> None:
    journal = Journal(platform)
    entry = journal.put(allergy(platform), "one")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: journal.send(entry), range(4)))
    assert sorted(statuses(one)[0] for one in answers) == ["200", "200", "200", "201"]
    assert len({ids(one)[0] for one in answers}) == 1


def test_what_a_client_makes_by_a_condition_is_made_once(platform: Standing) -> None:
    journal = Journal(platform)
    entry = journal.put(allergy(platform), "made")
    entry["request"] = {"method": "POST", "url": "AllergyIntolerance", "ifNoneExist": journal.query("made")}
    assert [statuses(journal.send(entry)) for _ in range(2)] == [["201"], ["200"]]


def test_every_fault_of_every_entry_is_told_with_its_path_and_rule_and_nothing_is_taken(platform: Standing) -> None:
    journal = Journal(platform)
    right = journal.put(allergy(platform), "right")
    bare = {key: value for key, value in allergy(platform).items() if key not in ("criticality", "reaction")}
    refuted = condition(platform, "KjConditionInfection", verificationStatus=verified("Condition", "refuted"))
    unnamed = journal.put(allergy(platform), "unnamed")
    unnamed["resource"]["identifier"] = [{"system": "urn:oid:1.2.3", "value": "another"}]
    sent = journal.send(right, journal.put(bare, "bare"), journal.put(refuted, "refuted"))
    assert sent.status == 422
    told = faults(sent)
    assert told["Bundle.entry[1].resource.criticality"] == "profile-cardinality"
    assert told["Bundle.entry[1].resource.reaction"] == "profile-cardinality"
    assert "kj-refuted-inactive" in [rule for path, rule in told.items() if path.startswith("Bundle.entry[2].resource")]
    assert faults(journal.send(right, unnamed)) == {"Bundle.entry[1].resource.identifier": "own-identifier"}
    assert statuses(journal.send(right)) == ["201"], "nothing of the Bundles before was taken"


@pytest.mark.parametrize(
    ("request_", "where", "rule"),
    [
        ({"method": "POST", "url": "AllergyIntolerance"}, ".ifNoneExist", "own-identifier"),
        ({"method": "PUT", "url": "AllergyIntolerance/1"}, ".url", "kj-type"),
        ({"method": "PUT", "url": "Observation?identifier=urn:a%7Cone"}, ".url", "kj-type"),
        ({"method": "PUT", "url": "AllergyIntolerance?code=urn:a%7Cone"}, ".url", "own-identifier"),
        ({"method": "PUT", "url": "AllergyIntolerance?identifier=one"}, ".url", "own-identifier"),
        ({"method": "GET", "url": "AllergyIntolerance?identifier=urn:a%7Cone"}, "", ""),
    ],
)
def test_an_entry_that_names_no_record_of_the_senders_is_refused(
    platform: Standing, request_: dict[str, str], where: str, rule: str
) -> None:
    journal = Journal(platform)
    entry = journal.put(allergy(platform), "one") | {"request": request_}
    if request_["method"] == "GET":
        del entry["resource"]
    refused = journal.send(entry)
    assert refused.status == 422
    assert faults(refused) == {f"Bundle.entry[0].request{where}": rule or "own-identifier"}


def test_who_wrote_it_must_have_been_able_to_register_it_by_the_personnel_register(platform: Standing) -> None:
    """K135: a nurse registers a dialysis, and no allergy; only a doctor has confirmed."""
    journal = Journal(platform)
    assert statuses(journal.send(journal.put(treatment(platform), "dialysis", "nurse"))) == ["201"]
    refused = journal.send(journal.put(allergy(platform), "allergy", "nurse"))
    assert faults(refused) == {"Bundle.entry[0].resource.recorder": "recorder-may-register"}
    nobody = journal.put(allergy(platform), "nobody")
    del nobody["resource"]["recorder"], nobody["resource"]["contained"]
    assert "recorder-may-register" in faults(journal.send(nobody)).values()


def test_a_doctor_registers_and_confirms_nothing_about_herself_by_transfer_either(platform: Standing) -> None:
    """K45, K135; the system that sends her record is told as of anybody who may not register it."""
    journal = Journal(platform, about="hospital-doctor")
    tree = allergy(platform, "hospital-doctor", verificationStatus=verified("AllergyIntolerance", "confirmed"))
    refused = journal.send(journal.put(tree, "own"))
    assert (refused.status, faults(refused)) == (
        422, {"Bundle.entry[0].resource.recorder": "recorder-may-register"}
    )  # fmt: skip
    assert statuses(journal.send(journal.put(tree, "own", "gp"))) == ["201"]
    later = journal.put(tree | {"criticality": "low"}, "own", "gp")
    changed_on = {"url": UPDATED, "valueDateTime": "2026-01-01T10:00:00Z"}
    by_herself = {"url": UPDATER, "valueReference": {"reference": "#herself"}}
    later["resource"]["extension"] = [*later["resource"].get("extension", ()), by_herself, changed_on]
    later["resource"]["contained"].append(journal.by("hospital-doctor", "herself"))
    assert list(faults(journal.send(later)).values()) == ["recorder-may-register"]
    assert statuses(journal.send(journal.gone("AllergyIntolerance", "own"))) == ["204"]


@pytest.mark.parametrize("herself", ["recorder", "asserter", "updater"])
def test_whoever_else_is_named_nothing_is_taken_that_the_patient_herself_answers_for(
    platform: Standing, herself: str
) -> None:
    """K45, K161: recorder, asserter and updater are each asked, of a new record too."""
    journal = Journal(platform, about="hospital-doctor")
    sent = journal.put(
        allergy(platform, "hospital-doctor"), "own", "hospital-doctor" if herself == "recorder" else "gp"
    )
    tree = sent["resource"]
    tree["contained"].append(journal.by("gp" if herself == "recorder" else "hospital-doctor", "beside"))
    if herself == "asserter":
        tree["asserter"] = {"reference": "#beside"}
    else:
        tree["extension"] = [
            *tree.get("extension", ()), {"url": UPDATER, "valueReference": {"reference": "#beside"}},
        ]  # fmt: skip
    refused = journal.send(sent)
    assert (refused.status, faults(refused)) == (
        422, {"Bundle.entry[0].resource.recorder": "recorder-may-register"}
    )  # fmt: skip
    assert ids(journal.send(journal.put(allergy(platform, "hospital-doctor"), "own", "gp")))


def test_a_page_and_a_summary_name_whom_the_register_does_and_say_whose_word_that_is(platform: Standing) -> None:
    """K160: what a system calls her, and how, is shown nowhere; her number is looked up, and the sender is told."""
    journal, word = Journal(platform), fresh()
    sent = journal.put(
        allergy(platform, code={"coding": [{"system": ATC, "code": "J01CA04", "display": word}]}), "named"
    )
    sent["resource"]["contained"][-1] |= {"code": [{"coding": [{"system": PROFESSIONS, "code": "PS"}]}]}
    sent["resource"]["contained"][-1]["practitioner"]["display"] = "Kong Olav"
    sent["resource"]["recorder"]["display"] = "Kong Olav, Granlia"
    assert statuses(journal.send(sent)) == ["201"]
    doctor, sender = platform.persona("hospital-doctor"), platform.persona("journal-system").organisation
    named = {row["number"]: row["name"] for row in platform.rows("SELECT number, name FROM organisation")}
    said = f"av {doctor.person_name}, {named[doctor.organisation]} (ifølge {named[sender]})"
    with tab(platform, "gp") as it:
        page = text(it.get(f"{it.type(platform.nin('citizen')).url.path}/critical"))
    assert said in page[page.index(word) :] and "Kong Olav" not in page
    with tab(platform, "citizen", "me") as it:
        mine = text(it.get("/me/critical"))
    assert said in mine[mine.index(word) :] and "Kong Olav" not in mine
    summary = platform.get("Patient/$summary", as_="citizen", portal=True).response.text
    assert f"{doctor.person_name} (ifølge {named[sender]})" in summary and "Kong Olav" not in summary


def test_what_was_changed_here_since_is_not_overwritten(platform: Standing) -> None:
    journal = Journal(platform)
    (id_,) = ids(journal.send(journal.put(allergy(platform), "one")))
    stands = ask(platform, "GET", f"AllergyIntolerance/{id_}", **NEED).tree
    by_hand = ask(platform, "PUT", f"AllergyIntolerance/{id_}", stands | {"criticality": "low"}, version=1, **HOSPITAL)
    assert by_hand.status == 200, by_hand.response.text
    later = allergy(platform, criticality="unable-to-assess")
    refused = journal.send(journal.put(treatment(platform), "new"), journal.put(later, "one"))
    assert (refused.status, refused.response.headers["etag"]) == (412, 'W/"2"')
    assert faults(refused) == {"Bundle.entry[1].request.ifMatch": "changed-here-since"}
    ((action, _, outcome, named),) = rows(platform, refused)
    assert (action, outcome, named) == ("correct", 1, {id_}), (
        "the try stands in her log, and what was taken back does not"
    )
    assert statuses(journal.send(journal.put(allergy(platform), "one"))) == ["200"], "the same again is no change"
    seen = journal.send(journal.put(later, "one", ifMatch='W/"2"'))
    assert statuses(seen) == ["200"]
    assert [version for version, *_ in origins(platform, id_)] == [1, 3], "the second version was made by hand"
    assert statuses(journal.send(journal.put(treatment(platform), "new"))) == ["201"]


def test_what_is_taken_back_is_entered_in_error_once_and_stays_listed(platform: Standing) -> None:
    journal = Journal(platform)
    (id_,) = ids(journal.send(journal.put(allergy(platform), "one")))
    gone = journal.gone("AllergyIntolerance", "one")
    assert [statuses(journal.send(gone)) for _ in range(2)] == [["204"], ["204"]]
    read = ask(platform, "GET", f"AllergyIntolerance/{id_}", **NEED).tree
    assert read["verificationStatus"]["coding"][0]["code"] == "entered-in-error" and read["meta"]["versionId"] == "2"
    assert statuses(journal.send(journal.gone("Flag", "never"))) == ["204"]


def test_one_identifier_means_one_patients_record_and_another_senders_is_another(platform: Standing) -> None:
    journal = Journal(platform)
    journal.send(journal.put(allergy(platform), "one"))
    journal.about = "parent"
    refused = journal.send(journal.put(allergy(platform, "parent"), "one"))
    assert faults(refused) == {"Bundle.entry[0].request": "own-identifier"}
    wrong = journal.send(journal.put(allergy(platform, "citizen"), "two"))
    assert wrong.status == 422 and "another person" in wrong.issue["diagnostics"]


def test_a_changed_record_is_held_to_whose_it_is_as_a_new_one_is(platform: Standing) -> None:
    for make in (allergy, treatment):
        journal = Journal(platform, about="parent")
        name = make(platform)["resourceType"]
        kept = make(platform, "parent")
        [id_] = ids(journal.send(journal.put(kept, "one")))
        about = "patient" if name == "AllergyIntolerance" else "subject"
        refused = journal.send(journal.put(make(platform, "citizen", note=[{"text": "of her"}]), "one"))
        assert list(faults(refused)) == [f"Bundle.entry[0].resource.{about}.identifier"]
        assert "another person" in refused.issue["diagnostics"]
        read = ask(platform, "GET", f"{name}/{id_}", about="parent", **NEED).tree
        assert (read["meta"]["versionId"], read[about]["identifier"]) == ("1", kept[about]["identifier"])


def refused_of(platform: Standing, about: str, **more: Any) -> Answered:
    journal = Journal(platform, about=about)
    return journal.send(journal.put(allergy(platform, about), "one"), **more)


def test_nothing_is_filed_about_somebody_who_has_opted_out_and_the_sender_hears_no_reason(platform: Standing) -> None:
    refused = refused_of(platform, "opted-out")
    assert refused.status == 403 and "are not filed here" in refused.issue["diagnostics"]
    assert [row[1:3] for row in rows(platform, refused)] == [("not-kept-after-opt-out", 1)]


@pytest.mark.parametrize(
    "scopes", ["AllergyIntolerance.rs", "AllergyIntolerance.c", "Flag.cruds", "AllergyIntolerance.cruds?code=urn:x|y"]
)
def test_a_token_that_is_too_narrow_hears_that_and_not_that_nothing_is_filed(platform: Standing, scopes: str) -> None:
    journal, narrower = Journal(platform), f"system/{scopes}"
    assert statuses(journal.send(journal.put(allergy(platform), "one"))) == ["201"]
    entries = [journal.put(allergy(platform, criticality="low"), "one"), journal.gone("AllergyIntolerance", "one")]
    if not scopes.endswith(".c"):
        entries.append(journal.put(allergy(platform), "new"))
    for entry in entries:
        refused = journal.send(entry, narrower=narrower)
        assert (refused.status, refused.issue["expression"]) == (403, ["scope"]), entry
        assert "SMART scopes" in refused.issue["diagnostics"]
        assert [row[1:3] for row in rows(platform, refused)] == [("scope-narrower", 1)]
    assert standing(platform, journal) == [("unconfirmed", "1")]


def test_a_token_that_leaves_nothing_is_answered_alike_about_everybody(platform: Standing) -> None:
    sent = [refused_of(platform, about, narrower="system/AllergyIntolerance.rs") for about in ("citizen", "opted-out")]
    assert len({(one.status, one.issue["diagnostics"]) for one in sent}) == 1


def test_the_scope_opens_nothing_else_and_a_clinicians_token_sends_no_transaction(platform: Standing) -> None:
    journal = Journal(platform)
    assert ask(platform, "GET", "AllergyIntolerance", as_="journal-system").status == 403
    journal.as_ = "hospital-doctor"
    assert journal.send(journal.put(allergy(platform), "one"), **NEED).status == 403


def test_what_a_system_sent_is_changed_by_a_doctor_and_keeps_its_recorder(platform: Standing) -> None:
    journal = Journal(platform)
    (id_,) = ids(journal.send(journal.put(allergy(platform), "one")))
    stands = ask(platform, "GET", f"AllergyIntolerance/{id_}", **NEED).tree
    done = ask(platform, "PUT", f"AllergyIntolerance/{id_}", stands | {"criticality": "low"}, version=1)
    assert done.status == 200 and done.tree["recorder"]["reference"].startswith("#")
    assert registered(platform, allergy(platform))["id"] != id_


def standing(platform: Standing, journal: Journal, about: str = "citizen") -> list[tuple[str, str]]:
    """Of each allergy that a journal sent what it says of certainty, and its version."""
    found = ask(platform, "GET", "AllergyIntolerance", about=about, **NEED).resources()
    own = [one for one in found if journal.run in str(one.get("identifier"))]
    return sorted((one["verificationStatus"]["coding"][0]["code"], one["meta"]["versionId"]) for one in own)


@pytest.mark.parametrize("way", ["DELETE", "PUT"])
def test_what_was_entered_in_error_and_is_sent_again_stands_again_as_a_new_record(platform: Standing, way: str) -> None:
    journal = Journal(platform)
    one, over = journal.put(allergy(platform), "one"), journal.gone("AllergyIntolerance", "one")
    if way == "PUT":
        wrong = allergy(platform, verificationStatus=verified("AllergyIntolerance", "entered-in-error"))
        del wrong["clinicalStatus"]
        over = journal.put(wrong, "one")
    (id_,) = ids(journal.send(one))
    journal.send(over)
    again = journal.send(one, journal.put(treatment(platform), "beside"))
    assert statuses(again) == ["201", "201"] and ids(again)[0] != id_
    assert standing(platform, journal) == [("entered-in-error", "2"), ("unconfirmed", "1")]
    assert statuses(journal.send(one)) == ["200"] and rows(platform, again)[0][0] == "file"
    changed = journal.send(journal.put(allergy(platform, criticality="low"), "one"))
    assert statuses(changed) == ["200"] and ids(changed) == ids(again)[:1]
    assert [statuses(journal.send(over))[0][0] for _ in range(2)] == ["2", "2"]
    assert standing(platform, journal) == [("entered-in-error", "2"), ("entered-in-error", "3")]


def test_the_same_that_several_send_again_at_once_after_it_was_in_error_stands_once(platform: Standing) -> None:
    journal = Journal(platform)
    one = journal.put(allergy(platform), "one")
    journal.send(one)
    journal.send(journal.gone("AllergyIntolerance", "one"))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: journal.send(one), range(4)))
    assert sorted(statuses(each)[0] for each in answers) == ["200", "200", "200", "201"]
    assert standing(platform, journal) == [("entered-in-error", "2"), ("unconfirmed", "1")]


def test_what_a_doctor_entered_in_error_stands_again_only_when_its_sender_has_seen_that(platform: Standing) -> None:
    journal = Journal(platform)
    (id_,) = ids(journal.send(journal.put(allergy(platform), "one")))
    assert ask(platform, "DELETE", f"AllergyIntolerance/{id_}", version=1, **NEED).status == 204
    assert statuses(journal.send(journal.put(allergy(platform), "one"))) == ["200"], "the same again is no change"
    later = allergy(platform, criticality="low")
    assert journal.send(journal.put(later, "one")).status == 412
    assert standing(platform, journal) == [("entered-in-error", "2")]
    assert statuses(journal.send(journal.put(later, "one", ifMatch='W/"2"'))) == ["201"]
    assert standing(platform, journal) == [("entered-in-error", "2"), ("unconfirmed", "1")]


def test_what_was_sent_about_the_wrong_patient_is_taken_back_and_sent_about_the_right_one(platform: Standing) -> None:
    journal = Journal(platform)
    journal.send(journal.put(allergy(platform), "one"))
    journal.about = "parent"
    right = journal.put(allergy(platform, "parent"), "one")
    assert faults(journal.send(right)) == {"Bundle.entry[0].request": "own-identifier"}
    journal.about = "citizen"
    assert statuses(journal.send(journal.gone("AllergyIntolerance", "one"))) == ["204"]
    journal.about = "parent"
    assert statuses(journal.send(right)) == ["201"]
    assert standing(platform, journal) == [("entered-in-error", "2")]
    assert standing(platform, journal, "parent") == [("unconfirmed", "1")]


def test_a_version_is_demanded_of_what_is_not_there(platform: Standing) -> None:
    journal = Journal(platform)
    assert journal.send(journal.put(allergy(platform), "never", ifMatch='W/"7"')).status == 412
