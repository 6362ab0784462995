"""Who may shut what in which service, asked over the wire of every service by every kind of representative (K61, K64, K92)."""

from __future__ import annotations

import json
from typing import Final

import pytest

from kjerne.registries.homes import SERVICE_BY_TYPE
from platform_fixture import Standing, Tree
from services.test_standards_registered import consent, person

ABOUT: Final = {"citizen": "citizen", "proxy": "citizen", "guardian": "ward", "youth": "youth"}
SEEN: Final = {
    "citizen": {"results", "record", "critical-information", "settlement"},
    "proxy": {"results", "record", "critical-information"},
    "guardian": {"results", "record", "critical-information"},
    "youth": {"results", "record", "critical-information", "settlement"},
}
"""From the law's text: what is her own she shuts in every service, also from 13 (pbrl § 5-3; K61 says which kinds of choice), and
who stands in for her in what she sees (K47, K64), which money is not (K92)."""


@pytest.mark.parametrize("service", sorted(set(SERVICE_BY_TYPE.values())))
@pytest.mark.parametrize("who", ABOUT)
def test_a_choice_is_asked_of_the_law_of_its_own_service(platform: Standing, who: str, service: str) -> None:
    about = ABOUT[who]

    def said(method: str, path: str, tree: Tree) -> tuple[int, Tree, list[tuple[str, int]]]:
        answer = platform.client.call(
            method, f"/fhir/R4/Consent{path}", as_=who, patient=platform.nin(about), body=json.dumps(tree).encode(),
            headers={"content-type": "application/fhir+json"},
        )  # fmt: skip
        rows = [(row["service"], row["outcome"]) for row in platform.audited(answer)]
        return answer.status_code, answer.json(), rows

    tree = json.loads(json.dumps(consent("restriction")).replace("critical-information", service))
    status, made, rows = said("POST", "", tree | {"patient": person(platform, about)})
    if service not in SEEN[who]:
        assert (status, rows[-1]) == (403, (service, 1))
        return
    assert (status, rows[-1][1]) == (201, 0), made
    assert said("PUT", f"/{made['id']}", made | {"status": "inactive"})[0] == 200
