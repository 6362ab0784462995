"""What is about money by FHIR R4: sent in by systems, seen by the patient, and by no health worker whatever the need."""

from __future__ import annotations

from typing import Any, Final

import pytest

from kjerne.registries.homes import types_of
from platform_fixture import Standing, Tree
from services.test_standards_record import SYSTEM, bodies, chosen, coded, of_address, sent_alone
from services.test_standards_registered import NEED, person, rules, send

OWN: Final[dict[str, Any]] = {"as_": "citizen", "portal": True}
DAY: Final = "2026-11-20"


def money(who: Tree) -> dict[str, Tree]:
    """The least that R4 takes of each type, about one."""
    kr, payer = {"value": 250, "currency": "NOK"}, {"display": "Helfo"}
    cover = {"reference": "https://a.example/fhir/Coverage/1"}
    of_a_patient: Tree = {
        "status": "active",
        "use": "claim",
        "created": DAY,
        "type": coded("institutional"),
        "patient": who,
    }
    insured = {"sequence": 1, "focal": True, "coverage": cover}
    found: dict[str, Tree] = {
        "Account": {"status": "active", "subject": [who]},
        "ChargeItem": {"status": "billable", "code": coded("2ad"), "subject": who},
        "Claim": of_a_patient | {"provider": payer, "priority": coded("normal"), "insurance": [insured], "total": kr},
        "ClaimResponse": of_a_patient | {"insurer": payer, "outcome": "complete"},
        "Coverage": {"status": "active", "beneficiary": who, "payor": [payer], "policyHolder": {"display": "Arbeidsgiver"}},
        "CoverageEligibilityRequest": {
            "status": "active", "purpose": ["benefits"], "patient": who, "created": DAY, "insurer": payer,
        },
        "CoverageEligibilityResponse": {
            "status": "active", "purpose": ["benefits"], "patient": who, "created": DAY, "insurer": payer,
            "request": {"reference": "https://a.example/fhir/CoverageEligibilityRequest/1"}, "outcome": "complete",
        },
        "ExplanationOfBenefit": of_a_patient
        | {"insurer": payer, "provider": payer, "outcome": "complete", "insurance": [{"focal": True, "coverage": cover}]},
        "Invoice": {"status": "issued", "subject": who, "totalGross": kr},
    }  # fmt: skip
    return {name: {"resourceType": name} | tree for name, tree in found.items()}


def sent_in(platform: Standing, tree: Tree, about: str = "citizen") -> str:
    answer = send(platform, "POST", tree["resourceType"], tree, as_=SYSTEM, about=about)
    assert answer.status == 201, answer.response.text
    assert rules(platform, answer) == [("settlement", "sent-in", 0)]
    return str(answer.tree["id"])


@pytest.mark.parametrize("name", types_of("settlement"))
def test_every_type_is_sent_in_changed_taken_away_and_seen_by_her_alone(platform: Standing, name: str) -> None:
    tree = money(person(platform, "citizen"))[name]
    id_ = sent_in(platform, tree)
    seen = platform.get(f"{name}/{id_}", **OWN)
    assert (seen.status, rules(platform, seen)) == (200, [("settlement", "own", 0)]), seen.response.text
    assert id_ in platform.get(f"{name}?_sort=-_lastUpdated", **OWN).ids()
    assert platform.get(f"{name}/{id_}", **NEED).status == 403, "no client of hers has the scope"
    changed = send(platform, "PUT", f"{name}/{id_}", tree | {"id": id_, "language": "nb"}, as_=SYSTEM, version=1)
    assert (changed.status, changed.tree["language"]) == (200, "nb"), changed.response.text
    assert send(platform, "DELETE", f"{name}/{id_}", as_=SYSTEM).status == 204
    assert platform.get(f"{name}/{id_}", **OWN).status == 410


@pytest.mark.parametrize("name", ["Account", "Claim", "Coverage", "Invoice"])
def test_whose_it_is_is_read_where_the_type_has_it(platform: Standing, name: str) -> None:
    her = of_address(platform, "Encounter")["subject"]
    alone = sent_alone(platform, name, money(her)[name])
    assert alone.status == 201, alone.response.text
    another = send(platform, "POST", name, money(her)[name], as_=SYSTEM, about="parent")
    assert (another.status, another.issue["diagnostics"][:38]) == (422, "the body is about another person"[:38])
    elsewhere = money({"reference": "Organization/1"})[name]
    assert send(platform, "POST", name, elsewhere, as_=SYSTEM).status == 422


def test_an_account_of_two_is_nobodys(platform: Standing) -> None:
    tree = money(person(platform, "citizen"))["Account"]
    tree["subject"].append({"display": "En til"})
    refused = send(platform, "POST", "Account", tree, as_=SYSTEM)
    assert (refused.status, refused.issue["expression"]) == (422, ["Account.subject"])
    nobody = send(platform, "POST", "Account", tree | {"subject": []}, as_=SYSTEM)
    assert nobody.status == 422


def test_a_transaction_of_a_contact_and_its_claim_is_one_and_leads_from_neither_to_the_other(
    platform: Standing,
) -> None:
    who = person(platform, "citizen")
    visit, asks = "urn:uuid:5b0a4d0e-9b52-4c8e-9d0c-000000000001", "urn:uuid:5b0a4d0e-9b52-4c8e-9d0c-000000000002"
    claim = money(who)["Claim"] | {
        "item": [{"sequence": 1, "productOrService": coded("2ad"), "encounter": [{"reference": visit}]}],
    }
    paid = money(who)["ClaimResponse"] | {"request": {"reference": asks}}
    entries = [
        {"fullUrl": visit, "resource": bodies(who)["Encounter"], "request": {"method": "POST", "url": "Encounter"}},
        {"fullUrl": asks, "resource": claim, "request": {"method": "POST", "url": "Claim"}},
        {"resource": paid, "request": {"method": "POST", "url": "ClaimResponse"}},
    ]
    done = send(platform, "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}, as_=SYSTEM)
    assert done.status == 200, done.response.text
    contact, id_, answer = (one["resource"]["id"] for one in done.tree["entry"])
    found = platform.get(f"Claim?_id={id_}&_include=*&_revinclude=ClaimResponse:request", **OWN)
    brought = [one["id"] for one in found.resources("include") if one["resourceType"] != "Patient"]
    assert (found.ids(), brought) == ([id_], [answer]), found.response.text
    assert platform.get(f"ClaimResponse?request:Claim.encounter=Encounter/{contact}", **OWN).ids() == [answer]
    assert platform.get(f"Claim?encounter:Encounter._id={contact}", **OWN).status == 400
    assert platform.get(f"Encounter?_id={contact}&_revinclude=Claim:encounter", **OWN).status == 400


def test_an_opt_out_deletes_nothing_and_shuts_out_whoever_else_may_ask(platform: Standing) -> None:
    about = "parent"
    id_ = sent_in(platform, money(person(platform, about))["Coverage"], about)
    asks: dict[str, Any] = {"as_": "all-patients", "about": about}
    assert id_ in platform.get("Coverage?_count=1000", **asks).ids()
    with chosen(platform, about, "opt-out", "settlement"):
        assert platform.get("Coverage", **asks).status == 403
        assert sent_in(platform, money(person(platform, about))["Coverage"], about)
        assert platform.get(f"Coverage/{id_}", as_=about, about=about, portal=True).status == 200
    assert id_ in platform.get("Coverage?_count=1000", **asks).ids()
