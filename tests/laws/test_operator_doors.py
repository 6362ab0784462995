"""No door of whoever runs the platform shows what is in a record, or whose it is, but by a grant with its row in that log."""

from __future__ import annotations

import re

from kjerne.access import ALL_PATIENTS, OPERATIONS
from kjerne.exchange import Route
from platform_fixture import Standing
from services.results.test_intake_api import a_message

OPENS_A_RECORD = {
    "POST /pps/operations/rejected/content",  # for a reason, under the choices of everybody it names (K16)
    "POST /pps/operations/withdrawn",  # names of readers, for a reason (K17)
    "GET /exports/{number}/files/{file}",  # on a named ground, after two approvals (K34)
    "GET /exports/{number}/files/{file}/validation",  # the same records, of which their ids leave
}
"""Tested where they are built; the law is asked, and each patient's log has the row."""
OF_NOBODY = {
    "GET /participation", "GET /participation/{number}", "POST /participation", "POST /participation/{number}/widen",
    "POST /participation/{number}/close", "GET /pps/already-done-counts", "GET /pps/operations/rejected",
    "GET /critical-information/warning-counts",
    "GET /critical-information/coverage",
    "GET /critical-information/fetches",
    "POST /critical-information/fetches/{number}/again",
    "GET /oversight/anomalies", "GET /persons/links", "POST /persons/links",
    "POST /persons/links/compare", "POST /persons/links/{number}/shown", "POST /persons/links/{number}/undo",
    *(f"{method} /fhir/R4/{path}$export" for method in ("GET", "POST") for path in ("", "Patient/", "Group/{id}/")),
    # A list is its client's own, and says nothing that it did not send (K93).
    "POST /fhir/R4/Group", *(f"{method} /fhir/R4/Group/{{id}}" for method in ("GET", "PUT", "DELETE")),
    "GET /checks/{type}", "GET /exports", "GET /exports/{number}", "DELETE /exports/{number}",
    "GET /subscriptions/failing", "POST /subscriptions/failing/{id}/begin",
    "POST /exports/{number}/approve", "POST /exports/{number}/refuse",
}  # fmt: skip


def is_an_operators(route: Route) -> bool:
    """Whether it is theirs alone, or theirs and the test client's."""
    return {OPERATIONS} <= set(route.needs.split()) <= {OPERATIONS, ALL_PATIENTS}


def test_every_door_of_the_operators_is_known_here(platform: Standing) -> None:
    doors = {f"{one.method} {one.path}" for one in platform.application._edge.routes if is_an_operators(one)}
    assert doors - OPENS_A_RECORD - OF_NOBODY == set()
    assert doors >= OPENS_A_RECORD


def test_what_an_operator_reads_names_no_patient_and_holds_nothing_of_a_record(platform: Standing) -> None:
    platform.send(a_message(platform).replace(b"<ServReport>", b"<ServReport><Feil/>", 1))
    people = [
        person for person in platform.population.by_key.values() if person.key in platform.population.cast.values()
    ]
    for route in platform.application._edge.routes:
        if not is_an_operators(route) or route.method != "GET" or "{" in route.path or "$" in route.path:
            continue
        answer = platform.client.call("GET", route.path, as_="operator")
        assert answer.status_code == 200, route.path
        # Digits within an id in hex are no number.
        assert not re.search(r"(?<![0-9a-zA-Z])\d{11}(?![0-9a-zA-Z])", answer.text), route.path
        assert not any(person.name in answer.text for person in people), route.path
        assert "mmol/mol" not in answer.text
