"""A vendor's first day with the structured record, by `kjerne call`: sent in, read, objected to, opened for weight, seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kjerne.client import Client
from kjerne.commands import asking
from platform_fixture import Standing
from services.test_standards_record import bodies, person
from services.test_standards_registered import consent

Told = Callable[..., tuple[int, Any]]
JSON = ("--header", "content-type:application/fhir+json")
ABOUT = "renumbered"


@pytest.fixture
def told(platform: Standing, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    """The status and the body of one call about her; a tree goes along as the file that a vendor has."""
    monkeypatch.setenv("KJERNE_URL", platform.url)
    # The platform's clock may have been moved on by then, and a proof is good by that clock.
    monkeypatch.setattr(asking, "Client", partial(Client, clock=platform.clock))

    def call(method: str, path: str, as_: str, *more: str, tree: Any = None) -> tuple[int, Any]:
        words = ["call", method, path, "--as", as_, "--patient", ABOUT, "--json", *more]
        if tree is not None:
            (tmp_path / "body.json").write_text(json.dumps(tree), encoding="utf-8")
            words += ["--body", f"@{tmp_path / 'body.json'}", *JSON]
        _, out, err = run(*words)
        answer = json.loads(out or err)
        return answer["status"], answer["body"]

    return call


def test_a_contact_is_sent_in_with_what_was_prescribed_and_is_hers_to_open_and_to_shut(
    platform: Standing, told: Told
) -> None:
    of_hers, visit = bodies(person(platform, ABOUT)), "urn:uuid:5a1f0f9e-6f0c-4d53-9f0e-0c5d1f1f7b11"
    entries = [
        {"fullUrl": visit, "resource": of_hers["Encounter"], "request": {"method": "POST", "url": "Encounter"}},
        {
            "resource": of_hers["MedicationRequest"] | {"encounter": {"reference": visit}},
            "request": {"method": "POST", "url": "MedicationRequest"},
        },
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    status, made = told("POST", "/fhir/R4", "journal-system", tree=bundle)
    assert (status, [one["response"]["status"][:3] for one in made["entry"]]) == (200, ["201", "201"])

    need = ("--self-selected", "--reason", "Utleverer legemidler")
    search = "/fhir/R4/MedicationRequest?_include=MedicationRequest:encounter"
    status, found = told("GET", search, "pharmacist", *need)
    assert status == 200
    assert {one["resource"]["resourceType"] for one in found["entry"]} == {"Encounter", "MedicationRequest"}

    objection = json.loads(json.dumps(consent("opt-out")).replace("critical-information", "record"))
    status, choice = told("POST", "/fhir/R4/Consent", ABOUT, tree=objection | {"patient": person(platform, ABOUT)})
    assert status == 201
    status, refused = told("GET", search, "pharmacist", *need, "--basis", "AKUTT")
    assert (status, "motsatt seg" in refused["issue"][0]["diagnostics"]) == (403, True)
    weighty = ("--self-selected", "--reason", "Bevisstløs, ukjent medisinbruk", "--basis", "FORHOYET_AKUTT")
    assert told("GET", search, "pharmacist", *weighty)[0] == 403, "not of those who may set the rules aside"
    status, opened = told("GET", search, "hospital-doctor", *weighty)
    assert (status, opened["total"]) == (200, found["total"])

    status, _ = told("PUT", f"/fhir/R4/Consent/{choice['id']}", ABOUT, tree=choice | {"status": "inactive"})
    assert status == 200
    assert told("GET", search, "pharmacist", *need)[1]["total"] == found["total"]
    status, log = told("GET", "/fhir/R4/AuditEvent?_count=50", ABOUT)
    assert status == 200
    assert made["entry"][1]["response"]["location"].partition("/R4/")[2] in json.dumps(log)
