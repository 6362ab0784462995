"""A transaction that fails tells what is there by where it fails: what it had looked at until then stands in the log (K82)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from bundles import bundle, entry, send
from kjerne.services.standards_batch import Asks
from kjerne.store.joined import Try
from platform_fixture import Answered, Standing, Tree
from services.test_disclosures import fetched, now
from services.test_patients import id_of
from services.test_standards import FHIR, create, observation, read

WHO = "parent"


def numbered(number: str, **more: Any) -> Tree:
    return observation(identifier=[{"system": "http://lab.example/id", "value": number}], **more)


def patch(status: str) -> Tree:
    test = json.dumps([{"op": "test", "path": "/status", "value": status}]).encode()
    kind = "application/json-patch+json"
    return {"resourceType": "Binary", "contentType": kind, "data": base64.b64encode(test).decode()}


def failing(platform: Standing, *entries: Tree) -> Answered:
    wrong = entry("PUT", f"Observation?identifier={uuid4()}", observation(status="x"))
    return send(platform, bundle("transaction", *entries, wrong), about=WHO)


def rows(platform: Standing, answer: Answered) -> list[Any]:
    return [
        (row["action"], row["outcome"], row["rule"], [str(one) for one in row["ids"]], row["versions"])
        for row in platform.audited(answer.response)
    ]


LOOKS: list[tuple[str, Callable[[str, str], Tree]]] = [
    ("correct", lambda id_, _: entry("PATCH", f"Observation/{id_}", patch("final"), ifMatch='W/"1"')),
    ("correct", lambda id_, _: entry("PUT", f"Observation/{id_}", observation(id=id_), ifMatch='W/"1"')),
    ("correct", lambda id_, _: entry("DELETE", f"Observation/{id_}")),
    ("correct", lambda _, number: entry("DELETE", f"Observation?identifier={number}")),
    ("correct", lambda _, n: entry("PUT", f"Observation?identifier={n}", numbered(n), ifMatch='W/"1"')),
    ("file", lambda _, number: entry("POST", "Observation", numbered(number), ifNoneExist=f"identifier={number}")),
    ("correct", lambda _, number: entry(
        "POST", "Observation", observation(derivedFrom=[{"reference": f"Observation?identifier={number}"}])
    )),
]  # fmt: skip


@pytest.mark.parametrize(("action", "look"), LOOKS)
def test_what_it_had_looked_at_is_refused_as_a_try_that_names_it(
    platform: Standing, action: str, look: Callable[[str, str], Tree]
) -> None:
    number = str(uuid4())
    made = str(create(platform, numbered(number), about=WHO).tree["id"])
    answer = failing(platform, look(made, number))
    assert (answer.status, answer.issue["expression"]) == (422, ["Bundle.entry[1].resource.status"])
    assert rows(platform, answer) == [(action, 1, "refused-as-it-stands", [made], [1])]
    (row,) = platform.audited(answer.response)
    assert bool(row["written"]) == (action == "file" or "?" in json.dumps(look("", ""))), "the criteria are kept sealed"
    assert read(platform, f"Observation/{made}", about=WHO).tree["meta"]["versionId"] == "1"


def test_a_wrong_guess_and_a_right_one_leave_the_same_row(platform: Standing) -> None:
    made = str(create(platform, observation(), about=WHO).tree["id"])
    found = []
    for guess in ("amended", "final"):
        answer = failing(platform, entry("PATCH", f"Observation/{made}", patch(guess), ifMatch='W/"1"'))
        found.append((answer.status, rows(platform, answer)))
    assert [status for status, _ in found] == [409, 422]
    assert found[0][1] == found[1][1] != []


def test_what_it_would_have_made_is_named_by_none(platform: Standing) -> None:
    answer = failing(platform, entry("POST", "Observation", observation()))
    assert answer.status == 422
    assert rows(platform, answer) == []


def test_what_was_looked_up_and_never_left_is_given_to_nobody(platform: Standing) -> None:
    """Neither the patient nor the source is told that her record was given."""
    number = str(uuid4())
    made = str(create(platform, numbered(number), about=WHO).tree["id"])
    cursor = now(platform)
    looked, missed = entry("GET", f"Observation?identifier={number}"), entry("GET", f"Observation/{uuid4()}")
    nothing = entry("GET", f"Observation?identifier={uuid4()}")
    answer = send(platform, bundle("transaction", looked, nothing, missed), as_="gp", about=WHO)
    assert (answer.status, answer.issue["expression"]) == (404, ["Bundle.entry[2].request.url"])
    told = sorted(rows(platform, answer), key=lambda row: (row[0], row[3]))
    assert [row[:3] for row in told][1:] == [("search", 1, "looked-up-and-not-given")] * 2
    assert [row[3] for row in told] == [[], [], [made]]
    assert fetched(platform, cursor).json()["disclosures"] == []
    sent = bundle("transaction", looked)
    assert send(platform, sent, as_="gp", about=WHO).status == 200
    assert len(fetched(platform, cursor).json()["disclosures"]) == 1


@pytest.mark.parametrize("name", ["patient", "subject", "_id"])
def test_whom_a_search_alone_had_named_hears_of_it_too(platform: Standing, name: str) -> None:
    """No header, no id of hers in a path and none in a body: by such searches a record would be read without a line."""
    her, number = id_of(platform, WHO), str(uuid4())
    made = str(create(platform, numbered(number), about=WHO).tree["id"])
    asked = f"Patient?_id={her}" if name == "_id" else f"Observation?{name}=Patient/{her}&identifier={number}"
    search = entry("GET", asked)
    missed, sent = entry("GET", f"Observation/{uuid4()}"), {"content-type": FHIR, "person-id": ""}
    for entries in ([search, missed], [search, search, missed]):
        body = json.dumps(bundle("transaction", *entries)).encode()
        answer = Answered(
            platform.client.call("POST", "/fhir/R4", as_="gp", patient=platform.nin(WHO), body=body, headers=sent)
        )
        assert answer.status == 404
        found = [] if name == "_id" else [made]  # who she is is no record
        tries = [row for row in rows(platform, answer) if row[0] == "search"]
        assert [(row[2], row[3]) for row in tries] == [("looked-up-and-not-given", found)] * (len(entries) - 1)


async def test_the_row_of_another_request_under_the_same_correlation_id_is_no_try_of_this_one() -> None:
    async def admit(*_: Any, **__: Any) -> Any:
        raise AssertionError("the law is not asked")

    tried = Try(datetime.now(UTC), "correct", "results", ((95, uuid4(), 1),))
    joined: Any = None
    await Asks(admit).told(joined, tried)
