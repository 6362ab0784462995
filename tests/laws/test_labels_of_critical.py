"""What a source withholds its critical information by, at the national address, where every organisation changes it (law, K131).

A matrix of what stood there, what the next version says, who sends it and how, against the oracle; asked is who sees it then.
"""

from __future__ import annotations

import json
import os
from itertools import product
from random import Random
from typing import Any, Final
from uuid import UUID

import seeds
from platform_fixture import Answered, Standing, Tree
from services.critical.records import HOSPITAL, allergy, ask, registered
from services.test_standards import FHIR

from .services_oracle import LABELS, hides_from, withheld_after

SYSTEM: Final = "urn:oid:2.16.578.1.12.4.1.1.9603"
SHARE: Final = 24
"""Cells, where not all are asked."""
Labels = frozenset[str]
STOOD: Final[tuple[Labels, ...]] = (
    frozenset(), *(frozenset({one}) for one in LABELS), frozenset({"NORS", "NORN_ALL"}), frozenset({"NORN_FORANS", "NORU"}),
)  # fmt: skip
SAID: Final[tuple[Labels | None, ...]] = (None, frozenset({"N"}), *STOOD[1:])
WAYS: Final = ("PUT", "DELETE", "PUT under /fhir/R4")
WHO: Final[dict[str, dict[str, Any]]] = {
    "a doctor who registered it": {"as_": "gp"},
    "a doctor of another organisation": HOSPITAL,
}
OPENED: Final = {"basis": "FORHOYET_SAMTYKKE"}
Cell = tuple[Labels, Labels | None, str, str]


def marked(tree: Tree, said: Labels | None) -> Tree:
    """With what is said of 9603."""
    if said is None:
        return tree
    parts = (one.partition(" ") for one in sorted(said))
    marks = [{"system": SYSTEM, "code": code} | ({"display": day} if day else {}) for code, _, day in parts]
    return {**tree, "meta": {**tree.get("meta", {}), "security": marks}}


def cells() -> list[Cell]:
    """All of them where the whole matrix is asked for (`make laws`), else a share by a seed that replays it."""
    every = [*product(STOOD, SAID, WHO, WAYS)]
    if "KJERNE_LAWS" in os.environ:
        return every
    return Random(seeds.seed("KJERNE_LAWS_SEED")).sample(every, SHARE)


def seen_by(platform: Standing, id_: str) -> set[str]:
    """Who is given it, at both addresses alike."""
    readers: dict[str, dict[str, Any]] = {
        "personnel": {"as_": "gp"}, "citizen": {"as_": "citizen", "portal": True},
        "proxy": {"as_": "proxy", "portal": True, "purpose": "PWATRNY"},
    }  # fmt: skip
    found = {
        who for who, how in readers.items() if ask(platform, "GET", f"AllergyIntolerance/{id_}", **how).status == 200
    }
    listed = ask(platform, "GET", "AllergyIntolerance", **readers["citizen"]).ids()
    assert ("citizen" in found) == (id_ in listed)
    return found


def by_fhir(platform: Standing, at: str, body: Tree, **how: Any) -> Answered:
    headers = {"content-type": FHIR, "if-match": 'W/"1"'}
    sent = {"patient": platform.nin("citizen"), "body": json.dumps(body).encode(), "headers": headers}
    return Answered(platform.client.call("PUT", f"/fhir/R4/{at}", **sent, **how))


def test_every_cell_is_withheld_as_the_law_has_it_and_the_log_has_each_try(platform: Standing) -> None:
    refused = 0
    for cell in cells():
        stood, said, who, way = cell
        of_the_source = who == "a doctor who registered it"
        tree = allergy(platform)
        made = registered(platform, marked(tree, stood or None))
        at = f"AllergyIntolerance/{made['id']}"
        body = marked({**tree, "id": made["id"]}, said)
        if way == "DELETE":
            sent, expected = ask(platform, "DELETE", at, version=1, **WHO[who], **OPENED), stood
            status = 204
        elif way == "PUT":
            sent = ask(platform, "PUT", at, body, version=1, **WHO[who], **OPENED)
            after = withheld_after(stood, None if said is None else said - {"N"}, of_the_source)
            status, expected = (422, stood) if after is None else (200, after)
        else:
            sent = by_fhir(platform, at, body, **WHO[who], **OPENED)
            status, expected = (200, (said or frozenset()) - {"N"}) if of_the_source else (404, stood)
        what = f"stood {set(stood)}, said {said and set(said)}, {way} by {who}"
        assert sent.status == status, f"{what}: {sent.response.text}"
        assert seen_by(platform, made["id"]) == {"personnel", "citizen", "proxy"} - hides_from(expected), what
        if status != 404:
            (row,) = [row for row in platform.audited(sent.response) if row["action"] == "correct"]
            assert row["ids"] == [UUID(made["id"])], what
        refused += status in (404, 422)
    print(f"{refused} changes refused")


def test_the_oracle_lets_another_organisation_neither_end_nor_set_anything() -> None:
    for stood, said in product(STOOD, SAID):
        assert withheld_after(stood, said, of_the_source=False) in (stood, None)
        assert withheld_after(stood, said, of_the_source=True) == (said or frozenset())
