"""Bundles as a journal's system sends them, each record under an identifier of the sender's own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from kjerne.registries.kj_profiles import BASE as PROFILES
from kjerne.services.critical.api import BASE
from platform_fixture import Answered, Standing, Tree
from services.test_standards import FHIR

NUMBERS = "urn:uuid:6d7f0c9e-2f43-4b0e-8f6d-0b7f1f4b7c11"
"""Of what system the sender's identifiers are."""
HPR = "urn:oid:2.16.578.1.12.4.1.4.4"
ENH = "urn:oid:2.16.578.1.12.4.1.4.101"
ELEMENTS = {"DeviceUseStatement": "source", "Flag": "author"}


class Journal:
    """The system of one organisation; each of its records has a name of its own in each run."""

    def __init__(self, platform: Standing, as_: str = "journal-system", about: str = "citizen") -> None:
        self.platform, self.as_, self.about, self.run = platform, as_, about, uuid4().hex[:8]

    def by(self, who: str, contained: str = "writer") -> Tree:
        """A health worker as a contained role."""
        known = self.platform.persona(who)
        return {
            "resourceType": "PractitionerRole",
            "id": contained,
            "practitioner": {"identifier": {"system": HPR, "value": known.hpr}},
            "organization": {"identifier": {"system": ENH, "value": known.organisation}},
        }

    def own(self, tree: Tree, name: str, who: str = "hospital-doctor", **more: Any) -> Tree:
        """A record as it stands in the journal: under its name there, registered by somebody."""
        element = ELEMENTS.get(tree["resourceType"], "recorder")
        return (
            tree
            | {
                "identifier": [{"system": NUMBERS, "value": f"{name}-{self.run}"}],
                "contained": [*tree.get("contained", ()), self.by(who)],
                element: {"reference": "#writer"},
            }
            | more
        )

    def query(self, name: str) -> str:
        return f"identifier={quote(NUMBERS, safe='')}%7C{name}-{self.run}"

    def put(self, tree: Tree, name: str, who: str = "hospital-doctor", **request: Any) -> Tree:
        type_ = tree["resourceType"]
        asked = {"method": "PUT", "url": f"{type_}?{self.query(name)}"} | request
        return {"fullUrl": f"urn:uuid:{uuid4()}", "resource": self.own(tree, name, who), "request": asked}

    def gone(self, type_: str, name: str) -> Tree:
        return {"request": {"method": "DELETE", "url": f"{type_}?{self.query(name)}"}}

    def send(self, *entries: Tree, **more: Any) -> Answered:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        answer = self.platform.client.call(
            "POST", BASE, as_=self.as_, patient=self.platform.nin(self.about), body=json.dumps(bundle).encode(),
            headers={"content-type": FHIR}, **more,
        )  # fmt: skip
        return Answered(answer)


def statuses(answer: Answered) -> list[str]:
    assert answer.status == 200, answer.response.text
    return [one["response"]["status"][:3] for one in answer.tree["entry"]]


def ids(answer: Answered) -> list[str]:
    return [one["response"]["location"].rsplit("/", 3)[1] for one in answer.tree["entry"]]


def updated(tree: Tree) -> list[str]:
    return [one["url"].removeprefix(PROFILES) for one in tree.get("extension", ())]
