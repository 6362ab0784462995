"""Links are replaced where FHIR has a link, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.fhir.links import relinked

OWN = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def changed(text: str, _: bool) -> str | None:
    return "Observation/1" if text == OWN else None


def within(**members: Any) -> dict[str, Any]:
    return {"resourceType": "DiagnosticReport", **members}


@pytest.mark.parametrize(
    "made",
    [
        lambda to: within(result=[{"reference": "Observation/2"}, {"reference": to, "display": OWN}]),
        lambda to: within(subject={"extension": [{"url": "http://x.example", "valueReference": {"reference": to}}]}),
        lambda to: within(extension=[{"url": "http://x.example", "valueUri": to}]),
        lambda to: within(presentedForm=[{"url": to, "title": OWN}]),
        lambda to: within(_status={"extension": [{"url": "http://x.example", "valueUrl": to}]}),
        lambda to: within(meta={"source": to, "profile": [OWN]}),
        lambda to: within(contained=[{"resourceType": "Specimen", "id": "a", "parent": [{"reference": to}]}]),
        lambda to: within(text={"div": f'<div><a href="{to}">{OWN}</a><img alt="{OWN}" src=\'{to}\'/></div>'}),
        lambda to: {
            "resourceType": "Parameters",
            "parameter": [{"name": "operation", "part": [{"name": "value", "valueReference": {"reference": to}}]}],
        },
    ],
)
def test_a_link_is_replaced(made: Any) -> None:
    before = made(OWN)
    assert relinked(before, changed) == made("Observation/1") != before
    assert before == made(OWN), "what was given is left as it is"


@pytest.mark.parametrize(
    "tree",
    [
        within(conclusion=OWN),
        within(identifier=[{"system": "urn:ietf:rfc:3986", "value": OWN}]),
        within(code={"text": OWN}),
        within(contained=[{"resourceType": "Observation", "id": OWN}]),
        within(meta={"profile": [OWN]}),
        within(nothing=OWN, text={"div": f"<div>{OWN}</div>"}),
        within(result=OWN),
        {"resourceType": "Nothing", "reference": OWN},
        {"reference": OWN},
    ],
)
def test_what_only_looks_like_a_link_stays(tree: dict[str, Any]) -> None:
    assert relinked(tree, changed) is tree


def test_a_reference_may_become_another_way_to_name_the_same() -> None:
    tree = within(subject={"reference": "Patient?x", "display": "Ola"})
    found = relinked(tree, lambda text, is_reference: {"identifier": {"value": "1"}} if is_reference and text else None)
    assert found == within(subject={"display": "Ola", "identifier": {"value": "1"}})
