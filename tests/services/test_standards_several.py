"""What is about several people and is not filed: no answer tells who of them has shut something, and each has a row (K95)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from bundles import about, bundle, entry
from bundles import send as send_bundle
from platform_fixture import Answered, Standing
from services.imports.test_api import issues, potassium
from services.imports.test_api import send as send_lines
from services.results.kith.conftest import Kith
from services.test_messaging import NUMBERS, Sender
from services.test_standards import observation
from services.test_standards_registered import allergy

OPEN, SHUT = "parent", "opted-out"
HEARD = "records about somebody whom the request is about are not filed here"
NOBODY = ("file", 1, "unknown-person")


def rows(platform: Standing, answer: Any) -> list[tuple[str, int, str]]:
    return sorted((row["action"], row["outcome"], row["rule"]) for row in platform.audited(answer))


def sent(platform: Standing, *numbers: str) -> Answered:
    of = [entry("POST", "Observation", observation(**about(number))) for number in numbers]
    return send_bundle(platform, bundle("transaction", *of))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_transaction_with_one_whom_nobody_knows_asks_about_nobody_else(platform: Standing, *, is_first: bool) -> None:
    heard = []
    for who, rule in ((OPEN, "refused-as-it-stands"), (SHUT, "filed-after-opt-out")):
        numbers = [platform.nin(who), Kith.NUMBER]
        answer = sent(platform, *(numbers if is_first else numbers[::-1]))
        heard.append((answer.status, answer.response.content, sorted(answer.response.headers)))
        assert rows(platform, answer.response) == [("file", 1, rule), NOBODY]
    assert heard[0] == heard[1]
    assert (answer.status, answer.issue["diagnostics"], answer.issue.get("expression")) == (403, HEARD, None)


def test_of_one_person_a_transaction_tells_the_place(platform: Standing) -> None:
    number = platform.nin(SHUT)
    answer = sent(platform, number, number)
    assert (answer.status, answer.issue["expression"]) == (403, ["Bundle.entry[0]"])


def test_the_places_of_an_import_ask_about_nobody_either(platform: Standing) -> None:
    heard = []
    for who, rule in ((OPEN, "refused-as-it-stands"), (SHUT, "filed-after-opt-out")):
        answer = send_lines(platform, [potassium(platform.nin(who)), potassium(Kith.NUMBER)])
        heard.append((answer.status_code, answer.content))
        assert rows(platform, answer) == [("file", 1, rule), NOBODY]
    assert heard[0] == heard[1]
    assert issues(answer)[0][0] == HEARD
    alone = send_lines(platform, [potassium(platform.nin(SHUT))])
    assert "line 1" in issues(alone)[0][1]


def test_a_message_about_two_people_asks_about_neither(platform: Standing) -> None:
    heard = []
    for who, rule in ((OPEN, "refused-as-it-stands"), (SHUT, "filed-after-opt-out")):
        lab = Sender(platform, about=who)
        other = lab.entry({"resourceType": "Patient", "identifier": [{"system": NUMBERS, "value": Kith.NUMBER}]}, "q")
        second = lab.entry(observation(subject=lab.reference("Patient", "q")), "o2")
        answer = lab.send(lab.message(lab.result(), lab.person(), second, other))
        heard.append((answer.status, [one["resource"]["issue"] for one in answer.tree["entry"][1:]]))
        assert rows(platform, answer.response) == [("file", 1, rule), NOBODY]
    assert heard[0] == heard[1]
    assert HEARD in answer.response.text


def test_personnel_ask_about_nobody_by_what_is_never_filed(platform: Standing) -> None:
    """They hear of a patient who has shut something, with a row; that she has not is told by what is refused after it."""
    id_ = str(uuid4())
    never = entry("PUT", f"AllergyIntolerance/{id_}", allergy(platform, "citizen", id=id_), ifMatch='W/"1"')
    sent = bundle("transaction", entry("POST", "AllergyIntolerance", allergy(platform, "citizen")), never)
    answer = send_bundle(platform, sent, as_="gp", about="citizen", service="critical-information")
    assert (answer.status, answer.issue["expression"]) == (404, ["Bundle.entry[1].request.url"])
    assert ("file", 1, "refused-as-it-stands") in rows(platform, answer.response)
