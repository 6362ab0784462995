"""Includes: what is about no patient comes along with a record, and what cannot be followed is refused and never passed over."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.searchparams import parameters
from kjerne.registries.homes import KEPT, SHARED_TYPES
from kjerne.services.standards import beside, reachable
from kjerne.wire.search import parse
from platform_fixture import Answered, Standing, Tree
from services.test_standards import observation
from services.test_standards_record import bodies, prescribed, sent_in
from services.test_standards_registered import person, send


def kept(platform: Standing, tree: Tree) -> str:
    """The reference to a record about nobody."""
    made = send(platform, "POST", tree["resourceType"], tree, as_="registry")
    assert made.status == 201, made.response.text
    return f"{tree['resourceType']}/{made.tree['id']}"


def brought(answer: Answered) -> set[str]:
    assert answer.status == 200, answer.response.text
    return {f"{one['resourceType']}/{one['id']}" for one in answer.resources("include")}


def test_a_prescription_brings_its_medication_and_what_that_leads_to_with_iterate(platform: Standing) -> None:
    maker = kept(platform, {"resourceType": "Organization", "name": "Maker"})
    medication = kept(platform, {"resourceType": "Medication", "manufacturer": {"reference": maker}})
    of_medication = {"medicationReference": {"reference": medication}}
    tree = {name: value for name, value in prescribed(platform).items() if not name.startswith("medication")}
    order = sent_in(platform, tree | of_medication)
    asked = f"MedicationRequest?_id={order}&_include=MedicationRequest:medication"
    assert brought(platform.get(asked)) == {medication}
    assert brought(platform.get(f"{asked}:Medication")) == {medication}
    assert brought(platform.get(f"{asked}&_include:iterate=Medication:manufacturer")) == {medication, maker}
    assert brought(platform.get(f"MedicationRequest?_id={order}&_include:iterate=*")) >= {medication, maker}
    rows = platform.audited(platform.get(asked).response)
    assert [[str(one) for one in row["ids"]] for row in rows] == [[order]]


def test_what_the_smart_scopes_do_not_leave_does_not_come_along(platform: Standing) -> None:
    performer = kept(platform, {"resourceType": "Organization", "name": "Performer"})
    tree = observation(subject=person(platform, "citizen"), performer=[{"reference": performer}])
    id_ = send(platform, "POST", "Observation", tree, as_="lab").tree["id"]
    asked = f"Observation?_id={id_}&_include=Observation:performer"
    assert brought(platform.get(asked)) == {performer}
    assert brought(platform.get(asked, narrower="user/Observation.rs")) == set()
    assert brought(platform.get(asked, narrower="user/Observation.rs user/Organization.rs")) == {performer}


def test_it_comes_along_in_one_order_and_among_many_patients_once(platform: Standing) -> None:
    performer = kept(platform, {"resourceType": "Organization", "name": "Performer"})
    word = "".join(chr(97 + int(one, 16)) for one in uuid4().hex)
    code = {"coding": [{"system": "urn:x", "code": word}]}
    for about in ("citizen", "parent"):
        tree = observation(subject=person(platform, about), performer=[{"reference": performer}], code=code)
        assert send(platform, "POST", "Observation", tree, as_="lab", about=about).status == 201
    for asked in ("", "&_sort=date"):
        answer = platform.client.call(
            "GET", f"/fhir/R4/Observation?code={word}&_include=Observation:performer{asked}", as_="all-patients"
        )
        found = Answered(answer)
        assert (len(found.ids()), found.ids("include")) == (2, [performer.partition("/")[2]])


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("Observation?_include=Observation:encounter", "kept together"),
        ("Observation?_include=Observation:performer:Patient", "kept together"),
        ("Observation?_include=Observation:subject:Group", "kept together"),
        ("Observation?_include=Specimen:parent", "the search finds no such record"),
        ("Observation?_include:iterate=Encounter:service-provider", "the search finds no such record"),
        ("Encounter?_revinclude=Observation:encounter", "kept together"),
        ("Encounter?_revinclude=Encounter:subject", "leads to no Encounter"),
        ("Encounter?_revinclude:iterate=MedicationRequest:medication", "kept together"),
        ("CarePlan?_include=CarePlan:instantiates-canonical", "kept together"),
        ("Medication?_revinclude=MedicationRequest:medication", "kept together"),
        ("Observation?_include=Observation:*:Encounter", "kept together"),
    ],
)
def test_an_include_that_leads_nowhere_is_refused_by_name(platform: Standing, asked: str, says: str) -> None:
    for headers in ({}, {"prefer": "handling=lenient"}):
        answer = platform.get(asked, headers=headers)
        name = asked.partition("?")[2].partition("=")[0]
        assert (answer.status, answer.issue["code"], answer.issue["expression"]) == (400, "not-supported", [name])
        assert says in answer.issue["diagnostics"]


def test_the_statement_tells_every_include_that_is_answered_and_no_other(platform: Standing) -> None:
    told = platform.http.get(platform.url + "/fhir/R4/metadata").json()["rest"][0]["resource"]
    by_type = {one["type"]: one for one in told}
    services = [*KEPT, *((name, "") for name in sorted(SHARED_TYPES))]
    sources = {name for name, _ in services}
    every = [(source, one.code) for source in sources for one in parameters(source).values() if one.kind == "reference"]
    for name in sources:
        keeping = [service for type_, service in services if type_ == name]
        for sign, member in (("_include", "searchInclude"), ("_revinclude", "searchRevInclude")):
            answered = {
                f"{source}:{code}"
                for source, code in every
                if any(is_answered(name, service, (sign, f"{source}:{code}")) for service in keeping)
            }
            assert set(by_type[name].get(member, [])) == answered, (name, member)


def is_answered(name: str, service: str, pair: tuple[str, str]) -> bool:
    try:
        parse(name, [pair], page_size=1, page_size_limit=1, reachable=reachable(name, service), beside=beside(name))
    except Refusal:
        return False
    return True


def test_in_a_search_of_two_services_an_include_is_left_out_where_it_leads_nowhere_and_that_is_told(
    platform: Standing,
) -> None:
    contact = sent_in(platform, bodies(person(platform, "citizen"))["Encounter"])
    tree = bodies(person(platform, "citizen"))["Condition"] | {"encounter": {"reference": f"Encounter/{contact}"}}
    id_ = sent_in(platform, tree)
    both: Any = {"as_": "all-patients"}
    answer = platform.get(f"Condition?_id={id_}&_include=Condition:encounter", **both)
    assert (answer.ids(), brought(answer)) == ([id_], {f"Encounter/{contact}"})
    (said,) = answer.resources("outcome")
    assert "nothing was brought along in the service critical-information" in said["issue"][0]["diagnostics"]
    assert platform.get("Condition?_include=Condition:evidence-detail:Observation", **both).status == 400
