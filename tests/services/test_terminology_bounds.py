"""What an operation on terminology may take of the process that serves everybody."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir.effort import limited
from kjerne.fhir.search import STEPS_LIMIT
from kjerne.fhir.terminology.concept import Concept
from kjerne.fhir.terminology.listed import Listed
from kjerne.fhir.terminology.value_set import Composed
from platform_fixture import Standing, Tree
from services.test_shared_records import ask
from services.test_terminology import a_map, a_system, called, composed, said, sending

ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
MANY = [{"property": "concept", "op": "is-not-a", "value": str(number)} for number in range(51)]


def many_codings(number: int) -> Tree:
    return {"coding": [{"system": "urn:sent", "code": "AALVC"}] * number}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("ValueSet/$expand", sending(valueSet=composed({"system": ACTS, "filter": MANY}))),
        ("ValueSet/$expand", sending(valueSet=composed({"system": ACTS}, exclude=[{"system": ACTS, "filter": MANY}]))),
        ("ValueSet/$expand", sending(valueSet=composed(*[{"system": ACTS}] * 201))),
        (
            "ValueSet/$expand",
            sending(valueSet=composed({"system": ACTS}, exclude=[{"system": ACTS, "filter": MANY[:50]}] * 200)),
        ),
        ("ValueSet/$expand", sending(valueSet=composed(*({"system": f"urn:{n}", "concept": [{"code": "x"}]}
                                                         for n in range(51))))),
        ("ValueSet/$expand", sending(valueSet=composed({"system": ACTS}), filter="a " * 11)),
        ("ValueSet/$expand", sending(valueSet=composed({"system": ACTS}), filter="a" * 201)),
        ("ValueSet/$validate-code", sending(valueSet=composed({"system": ACTS}), codeableConcept=many_codings(21))),
        ("CodeSystem/$validate-code", sending(codeSystem=a_system({"code": "a"}), codeableConcept=many_codings(21))),
        (
            "CodeSystem/$validate-code",
            sending(codeSystem=a_system(*({"code": str(n)} for n in range(10_001))), codeableConcept=many_codings(1)),
        ),
        ("ConceptMap/$translate", sending(conceptMap=a_map({"code": "a"}), codeableConcept=many_codings(21))),
    ],
    ids=["filters", "filters-of-excludes", "includes", "excludes-all-together", "systems", "words", "characters",
         "codings", "codings-of-a-system", "codes", "codings-of-a-map"],
)  # fmt: skip
def test_a_question_that_would_take_the_process_from_others_is_refused(
    platform: Standing, path: str, asked: Tree
) -> None:
    since = time.process_time()
    answer = ask(platform, "POST", path, asked, as_="gp")
    assert (answer.status, answer.tree["issue"][0]["code"]) == (422, "too-costly"), answer.response.text[:200]
    assert time.process_time() - since < 5


def test_a_code_system_that_is_sent_is_read_once_for_all_its_codings(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    add = Listed._add

    async def counting(self: Listed, made: Concept) -> None:
        read.append(made)
        await add(self, made)

    monkeypatch.setattr(Listed, "_add", counting)
    sent = a_system(*({"code": str(number)} for number in range(100)))
    codings = {"coding": [{"system": "urn:sent", "code": f"none{number}"} for number in range(20)]}
    told = called(platform, "CodeSystem/$validate-code", sending(codeSystem=sent, codeableConcept=codings))
    assert (said(told, "result"), len(read)) == (False, 100)


async def test_a_system_that_is_too_large_to_be_looked_through_is_refused_before_the_first_code() -> None:
    class Large(Listed):
        size = 1_000_000  # type: ignore[assignment]

        async def concepts(self, codes: Any = None) -> Any:
            raise AssertionError
            yield

    large = Large({"url": "urn:large", "content": "complete"})

    async def system(_url: str, _version: str) -> Any:
        return large

    async def none(_: str) -> None:
        return None

    with limited(STEPS_LIMIT), pytest.raises(Refusal, match="would look at more than"):
        async for _ in Composed(none, system).expand({"compose": {"include": [{"system": "urn:large"}]}}):
            pass


EXTENDED = {"extension": [{"url": "http://x.example/e", "valueString": "y"}]}
IN_PLACE_OF_A_CODE: list[Tree] = [
    a_system({"_code": EXTENDED}),
    a_system({"code": "a", "concept": [{"_code": EXTENDED}]}),
    a_system({"code": "a", "property": [{"_code": EXTENDED, "valueString": "x"}]}),
    composed({"system": ACTS, "concept": [{"_code": EXTENDED}]}),
    composed({"_system": EXTENDED, "concept": [{"code": "a"}]}),
    composed({"system": ACTS, "filter": [{"_property": EXTENDED, "op": "=", "value": "x"}]}),
]


@pytest.mark.parametrize("resource", IN_PLACE_OF_A_CODE, ids=range(len(IN_PLACE_OF_A_CODE)))
def test_an_extension_in_the_place_of_a_code_is_refused_where_it_is_written_and_where_it_is_sent(
    platform: Standing, resource: Tree
) -> None:
    assert ask(platform, "POST", resource["resourceType"], resource | {"url": f"urn:{id(resource)}"}).status == 422
    if resource["resourceType"] == "CodeSystem":
        answer = ask(platform, "POST", "CodeSystem/$validate-code", sending(codeSystem=resource, code="a"))
    else:
        answer = ask(platform, "POST", "ValueSet/$expand", sending(valueSet=resource))
    assert answer.status == 422, answer.response.text


def test_a_parameter_whose_name_is_an_extension_alone_is_refused(platform: Standing) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"_name": EXTENDED, "valueString": "x"}]}
    assert ask(platform, "POST", "ValueSet/$expand", body).status == 400
