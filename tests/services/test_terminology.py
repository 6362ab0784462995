"""Operations on terminology: what is loaded, what this installation keeps, and R4's own; about no patient."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
import pytest

from kjerne.fhir.terminology.concept import Concept, Designation
from kjerne.store import loading
from platform_fixture import Standing, Tree
from services.test_shared_records import ask
from words import fresh

SEX = "http://hl7.org/fhir/administrative-gender"
NULLS = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"


def called(platform: Standing, path: str, asked: Tree | None = None, *, as_: str = "gp", **more: str) -> Tree:
    """What an operation answers: by an address, or by Parameters."""
    if asked is None:
        answer = ask(platform, "GET", f"{path}?{urlencode(more)}" if more else path, as_=as_)
    else:
        answer = ask(platform, "POST", path, asked, as_=as_)
    assert answer.status == 200, answer.response.text
    return answer.tree


def said(tree: Tree, name: str) -> Any:
    """The value of the first parameter of this name; None where there is none."""
    found = [one for one in tree["parameter"] if one["name"] == name]
    return next((value for key, value in found[0].items() if key.startswith("value")), None) if found else None


def parts(tree: Tree, name: str) -> list[dict[str, Any]]:
    """The parts of every parameter of this name, by their names."""
    return [
        {part["name"]: next(value for key, value in part.items() if key != "name") for part in one["part"]}
        for one in tree["parameter"]
        if one["name"] == name
    ]


def codes(tree: Tree) -> list[str]:
    return [one["code"] for one in tree["expansion"].get("contains", ())]


@pytest.fixture(scope="module")
def system(platform: Standing) -> str:
    """The address of a code system of animals, kept as a record."""
    url = f"http://animals.example/{fresh()}"
    concept = [
        {
            "code": "mammal", "display": "Mammal", "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {"code": "dog", "display": "Dog", "definition": "It barks.", "property": [{"code": "legs", "valueInteger": 4}],
                 "designation": [{"language": "nb", "value": "Hund"}],
                 "concept": [{"code": "poodle", "display": "Poodle"}]},
                {"code": "whale", "display": "Whale", "property": [{"code": "legs", "valueInteger": 0}]},
            ],
        },
        {"code": "bird", "display": "Bird", "concept": [{"code": "dodo", "display": "Dodo",
         "property": [{"code": "inactive", "valueBoolean": True}]}]},
    ]  # fmt: skip
    kept = {"resourceType": "CodeSystem", "url": url, "version": "1", "name": "Animals", "status": "active",
            "content": "complete", "hierarchyMeaning": "is-a", "concept": concept}  # fmt: skip
    assert ask(platform, "POST", "CodeSystem", kept).status == 201
    return url


def value_set(platform: Standing, **compose: Any) -> str:
    url = f"http://sets.example/{fresh()}"
    kept = {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose}
    assert ask(platform, "POST", "ValueSet", kept).status == 201
    return url


def test_a_code_of_r4_is_looked_up_by_address_and_by_parameters(platform: Standing) -> None:
    told = called(platform, "CodeSystem/$lookup", system=SEX, code="female")
    assert (said(told, "display"), said(told, "version")) == ("Female", "4.0.1")
    coding = {"system": SEX, "code": "female"}
    sent = {"resourceType": "Parameters", "parameter": [{"name": "coding", "valueCoding": coding}]}
    assert called(platform, "CodeSystem/$lookup", sent) == told


def test_a_code_tells_its_names_levels_and_properties(platform: Standing, system: str) -> None:
    told = called(platform, "CodeSystem/$lookup", system=system, code="dog", displayLanguage="nb-NO")
    assert (said(told, "display"), said(told, "definition"), said(told, "name")) == ("Hund", "It barks.", "Animals")
    assert {"language": "nb", "value": "Hund"} in parts(told, "designation")
    found = {(one["code"], one["value"]) for one in parts(told, "property")}
    assert found == {("parent", "mammal"), ("child", "poodle"), ("legs", 4), ("inactive", False)}
    only = called(platform, "CodeSystem/$lookup", system=system, code="dog", property="legs")
    assert [one["code"] for one in parts(only, "property")] == ["legs"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("system=nowhere&code=x", 404),
        ("system=no%5Cwhere&code=x", 404),
        (f"system={SEX}&code=none", 404),
        ("code=x", 400),
    ],
)
def test_what_is_not_at_hand_is_told(platform: Standing, asked: str, status: int) -> None:
    assert ask(platform, "GET", f"CodeSystem/$lookup?{asked}", as_="gp").status == status


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ("mammal", "poodle", "subsumes"),
        ("poodle", "mammal", "subsumed-by"),
        ("dog", "dog", "equivalent"),
        ("dog", "bird", "not-subsumed"),
    ],
)
def test_codes_stand_to_each_other_as_their_levels_say(
    platform: Standing, system: str, first: str, second: str, outcome: str
) -> None:
    told = called(platform, "CodeSystem/$subsumes", system=system, codeA=first, codeB=second)
    assert said(told, "outcome") == outcome


def test_a_code_system_says_whether_a_code_is_one_of_its_own(platform: Standing, system: str) -> None:
    assert said(called(platform, "CodeSystem/$validate-code", url=system, code="dog"), "result") is True
    assert said(called(platform, "CodeSystem/$validate-code", url=system, code="cat"), "result") is False
    wrong = called(platform, "CodeSystem/$validate-code", url=system, code="dog", display="Cat")
    assert (said(wrong, "result"), said(wrong, "display")) == (False, "Dog")
    assert said(called(platform, "CodeSystem/$validate-code", url=system, code="dog", display="hund"), "result") is True


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ({}, ["mammal", "dog", "poodle", "whale", "bird", "dodo"]),
        ({"concept": [{"code": "whale"}, {"code": "dog", "display": "Best friend"}]}, ["whale", "dog"]),
        ({"filter": [{"property": "concept", "op": "is-a", "value": "dog"}]}, ["dog", "poodle"]),
        ({"filter": [{"property": "concept", "op": "descendent-of", "value": "mammal"}]}, ["dog", "poodle", "whale"]),
        ({"filter": [{"property": "concept", "op": "is-not-a", "value": "mammal"}]}, ["bird", "dodo"]),
        ({"filter": [{"property": "concept", "op": "generalizes", "value": "poodle"}]}, ["mammal", "dog", "poodle"]),
        ({"filter": [{"property": "legs", "op": "=", "value": "4"}]}, ["dog"]),
        ({"filter": [{"property": "legs", "op": "exists", "value": "true"}]}, ["dog", "whale"]),
        ({"filter": [{"property": "legs", "op": "in", "value": "0,2"}]}, ["whale"]),
        ({"filter": [{"property": "parent", "op": "=", "value": "mammal"}]}, ["dog", "whale"]),
        (
            {
                "filter": [
                    {"property": "concept", "op": "is-a", "value": "mammal"},
                    {"property": "legs", "op": "exists", "value": "false"},
                ]
            },
            ["mammal", "poodle"],
        ),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, list) else "",
)
def test_a_value_set_means_what_its_definition_says_one_by_one_and_all_together(
    platform: Standing, system: str, include: Tree, expected: list[str]
) -> None:
    url = value_set(platform, include=[{"system": system, **include}])
    assert codes(called(platform, "ValueSet/$expand", url=url)) == expected
    for code in ("mammal", "dog", "poodle", "whale", "bird", "dodo", "cat"):
        told = called(platform, "ValueSet/$validate-code", url=url, system=system, code=code)
        assert said(told, "result") is (code in expected), code


def test_value_sets_may_be_made_of_others_and_exclude(platform: Standing, system: str) -> None:
    mammals = value_set(
        platform, include=[{"system": system, "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]}]
    )
    both = value_set(
        platform,
        include=[{"valueSet": [mammals]}, {"system": SEX}],
        exclude=[{"system": system, "concept": [{"code": "whale"}]}],
    )
    told = called(platform, "ValueSet/$expand", url=both)
    assert codes(told) == ["mammal", "dog", "poodle", "male", "female", "other", "unknown"]
    assert [one["code"] for one in told["expansion"]["contains"] if one.get("abstract")] == ["mammal"]
    assert {one["valueUri"] for one in told["expansion"]["parameter"]} == {f"{system}|1", f"{SEX}|4.0.1"}
    narrow = value_set(platform, include=[{"system": system, "valueSet": [both]}])
    assert codes(called(platform, "ValueSet/$expand", url=narrow)) == ["mammal", "dog", "poodle"]
    assert said(called(platform, "ValueSet/$validate-code", url=narrow, system=SEX, code="male"), "result") is False


def test_an_expansion_comes_in_pages_and_by_words(platform: Standing, system: str) -> None:
    url = value_set(platform, include=[{"system": system}])
    page = called(platform, "ValueSet/$expand", url=url, offset="2", count="2")
    assert (codes(page), page["expansion"]["total"], page["expansion"]["offset"]) == (["poodle", "whale"], 6, 2)
    assert codes(called(platform, "ValueSet/$expand", url=url, filter="hun")) == ["dog"]
    assert "dodo" not in codes(called(platform, "ValueSet/$expand", url=url, activeOnly="true"))
    assert codes(called(platform, "ValueSet/$expand", url=url, count="0")) == []


def test_a_value_set_can_be_sent_with_the_question_and_kept_by_nobody(platform: Standing, system: str) -> None:
    sent = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "valueSet", "resource": {"resourceType": "ValueSet", "status": "draft",
             "compose": {"include": [{"system": system, "concept": [{"code": "dog"}]}]}}},
            {"name": "includeDesignations", "valueBoolean": True},
        ],
    }  # fmt: skip
    (only,) = called(platform, "ValueSet/$expand", sent)["expansion"]["contains"]
    assert only["designation"] == [{"language": "nb", "value": "Hund"}]


def test_value_sets_that_lead_to_themselves_end(platform: Standing) -> None:
    url = f"http://sets.example/{fresh()}"
    kept = {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [{"valueSet": [url]}]}}
    ask(platform, "POST", "ValueSet", kept)
    answer = ask(platform, "GET", f"ValueSet/$expand?url={url}", as_="gp")
    assert (answer.status, answer.tree["issue"][0]["code"]) == (422, "too-costly")


@pytest.mark.parametrize(
    "filter_",
    [{"property": "code", "op": "regex", "value": ".*"}, {"property": "constraint", "op": "=", "value": "<1"}],
)
def test_filters_that_are_not_answered_are_refused_by_name(platform: Standing, system: str, filter_: Tree) -> None:
    url = value_set(platform, include=[{"system": system, "filter": [filter_]}])
    answer = ask(platform, "GET", f"ValueSet/$expand?url={url}", as_="gp")
    assert (answer.status, answer.tree["issue"][0]["code"]) == (422, "not-supported")


def test_what_is_kept_elsewhere_is_not_said_to_mean_nothing(platform: Standing) -> None:
    url = value_set(platform, include=[{"system": "http://nowhere.example"}])
    for path in (
        f"ValueSet/$expand?url={url}",
        f"ValueSet/$validate-code?url={url}&system=http://nowhere.example&code=x",
    ):
        answer = ask(platform, "GET", path, as_="gp")
        assert (answer.status, answer.tree["issue"][0]["code"]) == (422, "not-found")


def test_r4s_own_value_sets_and_maps_are_answered(platform: Standing) -> None:
    told = called(platform, "ValueSet/$expand", url="http://hl7.org/fhir/ValueSet/administrative-gender")
    assert codes(told) == ["male", "female", "other", "unknown"]
    found = called(
        platform, "ConceptMap/$translate", url="http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3",
        system=SEX, code="female",
    )  # fmt: skip
    assert said(found, "result") is True
    (match,) = parts(found, "match")
    assert (match["equivalence"], match["concept"]["code"]) == ("equal", "F")


def test_a_supplement_adds_names_to_a_system_of_its_own_source_alone(platform: Standing, system: str) -> None:
    def added(code: str, to: str) -> str:
        concept = {"code": code, "designation": [{"language": "nn", "value": "ukjend"}]}
        return put(platform, a_system(concept, url=f"urn:{uuid4()}", content="supplement", supplements=to))

    def named(code: str, of: str) -> str:
        return str(said(called(platform, "CodeSystem/$lookup", system=of, code=code, displayLanguage="nn"), "display"))

    id_ = added("dog", system)
    assert named("dog", system) == "ukjend"
    give_to_another(platform, id_)
    assert named("dog", system) == "Dog"
    added("UNK", NULLS)
    assert named("UNK", NULLS) == "unknown"


def test_an_address_that_stands_elsewhere_in_a_record_is_not_claimed_by_it(platform: Standing) -> None:
    url = f"http://owned.example/{fresh()}"
    before = a_system({"code": "a", "display": "Second"}, url=f"{url}/other", identifier=[{"system": url}])
    id_ = put(platform, before)
    put(platform, a_system({"code": "a", "display": "First"}, url=url))
    there = {**before, "id": id_, "url": url}
    assert ask(platform, "PUT", f"CodeSystem/{id_}", there, if_match='W/"1"').status == 200
    give_to_another(platform, id_)
    assert said(called(platform, "CodeSystem/$lookup", system=url, code="a"), "display") == "First"


def test_a_new_version_of_a_record_is_asked_from_the_next_question_on(platform: Standing) -> None:
    url = f"http://fresh.example/{fresh()}"
    kept: Tree = {
        "resourceType": "CodeSystem",
        "url": url,
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}],
    }
    made = ask(platform, "POST", "CodeSystem", kept).tree
    assert said(called(platform, "CodeSystem/$validate-code", url=url, code="b"), "result") is False
    kept |= {"id": made["id"], "concept": [{"code": "a"}, {"code": "b"}]}
    assert ask(platform, "PUT", f"CodeSystem/{made['id']}", kept, if_match='W/"1"').status == 200
    assert said(called(platform, "CodeSystem/$validate-code", url=url, code="b"), "result") is True


def test_a_loaded_system_is_asked_before_any_record_and_by_its_version(platform: Standing) -> None:
    url = f"http://loaded.example/{fresh()}"

    async def load(version: str, *concepts: Concept) -> int:
        conn = await asyncpg.connect(platform.dsn)
        try:
            of = loading.Of(url, version, "Loaded")
            return await loading.load(conn, of, loading.parts_of(concepts), platform.clock.now())
        finally:
            await conn.close()

    root = Concept("1", "Root", designations=(Designation("nb", {}, "Rot"),))
    assert (
        asyncio.run(load("2024", root, Concept("2", "Under", parents=("1",)), Concept("3", "Deep", parents=("2",))))
        == 3
    )
    assert asyncio.run(load("2025", root, Concept("2", "Under", parents=("1",)))) == 2
    assert said(called(platform, "CodeSystem/$lookup", system=url, code="1", displayLanguage="nb"), "display") == "Rot"
    told = called(platform, "CodeSystem/$subsumes", system=url, version="2024", codeA="1", codeB="3")
    assert said(told, "outcome") == "subsumes"
    set_ = value_set(platform, include=[{"system": url, "version": "2024",
                                         "filter": [{"property": "concept", "op": "descendent-of", "value": "1"}]}])  # fmt: skip
    assert codes(called(platform, "ValueSet/$expand", url=set_)) == ["2", "3"]
    assert ask(platform, "GET", f"CodeSystem/$lookup?system={url}&code=3", as_="gp").status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("CodeSystem/$lookup?nonsense=1", None),
        ("ValueSet/$expand?count=many", None),
        ("ValueSet/$expand", {"resourceType": "Patient"}),
        ("ValueSet/$expand", {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "valueString": "x"}]}),
        (
            "CodeSystem/$validate-code",
            {"resourceType": "Parameters", "parameter": [{"name": "coding", "valueString": "x"}]},
        ),
        ("CodeSystem/$subsumes?codeA=1", None),
        ("ValueSet/none/$expand", None),
    ],
)
def test_a_wrong_question_is_refused(platform: Standing, path: str, body: Tree | None) -> None:
    answer = ask(platform, "POST" if body else "GET", path, body, as_="gp")
    assert answer.status in (400, 404)
    assert json.dumps(answer.tree).count("issue") >= 1


def sending(**parameters: Any) -> Tree:
    """A Parameters resource: resources, texts and codeable concepts by their kind."""
    kinds = {str: "valueString", bool: "valueBoolean"}
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name, "resource" if "resourceType" in value else "valueCodeableConcept": value}
            if isinstance(value, dict)
            else {"name": name, kinds[type(value)]: value}
            for name, value in parameters.items()
        ],
    }


def composed(*include: Tree, exclude: list[Tree] | None = None) -> Tree:
    more = {"exclude": exclude} if exclude else {}
    return {"resourceType": "ValueSet", "status": "draft", "compose": {"include": list(include), **more}}


def a_system(*concept: Tree, **more: Any) -> Tree:
    return {"resourceType": "CodeSystem", "status": "active", "content": "complete", "url": "urn:sent",
            "concept": list(concept), **more}  # fmt: skip


def a_map(*element: Tree) -> Tree:
    return {"resourceType": "ConceptMap", "status": "active", "url": "urn:map",
            "group": [{"source": "urn:s", "target": "urn:t", "element": list(element)}]}  # fmt: skip


def coding(system: str, code: str, version: str = "") -> Tree:
    """A codeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, **({"version": version} if version else {})}]}


def put(platform: Standing, resource: Tree) -> str:
    """The id of a record that is written."""
    answer = ask(platform, "POST", resource["resourceType"], resource)
    assert answer.status == 201, answer.response.text
    return str(answer.tree["id"])


def give_to_another(platform: Standing, id_: str) -> None:
    """Makes a code system that of another source."""

    async def give() -> None:
        conn = await asyncpg.connect(platform.dsn)
        try:
            await conn.execute("UPDATE shared_record SET organisation = '999999999' WHERE id = $1", id_)
        finally:
            await conn.close()

    asyncio.run(give())


def test_a_record_does_not_take_the_place_of_r4s_own(platform: Standing) -> None:
    other = a_system({"code": "female", "display": "Other"}, url=SEX, version="4.0.1")
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    ids = [
        put(platform, other),
        put(platform, {**composed({"system": SEX, "concept": [{"code": "male"}]}), "url": gender}),
    ]
    assert said(called(platform, "CodeSystem/$lookup", system=SEX, code="female"), "display") == "Female"
    assert said(called(platform, "CodeSystem/$validate-code", url=SEX, code="male"), "result") is True
    assert ask(platform, "GET", f"CodeSystem/$lookup?system={SEX}&version=9&code=female", as_="gp").status == 404
    assert codes(called(platform, "ValueSet/$expand", url=gender)) == ["male", "female", "other", "unknown"]
    for type_, id_ in zip(("CodeSystem", "ValueSet"), ids, strict=True):
        assert ask(platform, "DELETE", f"{type_}/{id_}").status == 204


def test_a_record_may_have_all_codes_of_what_r4_has_in_part(platform: Standing) -> None:
    url = "http://terminology.hl7.org/CodeSystem/insurance-plan-type"
    assert ask(platform, "GET", f"CodeSystem/$validate-code?url={url}&code=ours", as_="gp").status == 422
    id_ = put(platform, a_system({"code": "ours"}, url=url))
    assert said(called(platform, "CodeSystem/$validate-code", url=url, code="ours"), "result") is True
    assert ask(platform, "DELETE", f"CodeSystem/{id_}").status == 204


def test_an_address_is_the_sources_that_wrote_there_first(platform: Standing) -> None:
    url = f"http://first.example/{fresh()}"
    elsewhere = a_system({"code": "a", "display": "Second"}, url=f"{url}/elsewhere")
    moved = put(platform, elsewhere)
    put(platform, a_system({"code": "a", "display": "First"}, url=url, version="1"))
    give_to_another(platform, put(platform, a_system({"code": "a", "display": "Second"}, url=url, version="2")))
    there = {**elsewhere, "id": moved, "url": url}
    assert ask(platform, "PUT", f"CodeSystem/{moved}", there, if_match='W/"1"').status == 200
    give_to_another(platform, moved)
    assert said(called(platform, "CodeSystem/$lookup", system=url, code="a"), "display") == "First"
    put(platform, a_system({"code": "a", "display": "First again"}, url=url, version="3"))
    assert said(called(platform, "CodeSystem/$lookup", system=url, code="a"), "display") == "First again"


def test_what_is_retired_or_no_supplement_is_not_asked(platform: Standing, system: str) -> None:
    concept = {"code": "dog", "designation": [{"language": "nn", "value": "bikkje"}]}
    for more in ({"status": "retired", "content": "supplement"}, {"content": "fragment"}, {"status": "draft"}):
        kept = a_system(concept, url=f"urn:{uuid4()}", supplements=system) | {"content": "supplement"} | more
        put(platform, kept)
    told = called(platform, "CodeSystem/$lookup", system=system, code="dog", displayLanguage="nn")
    assert said(told, "display") == "Dog"
    url = f"http://retired.example/{fresh()}"
    put(platform, a_system({"code": "a"}, url=url, status="retired"))
    put(platform, a_system({"code": "a"}, url=url, content="supplement", supplements=system))
    assert ask(platform, "GET", f"CodeSystem/$lookup?system={url}&code=a", as_="gp").status == 404


def test_what_is_not_all_of_a_system_does_not_say_that_a_code_is_none(platform: Standing) -> None:
    part = a_system({"code": "a"}, url=f"urn:{uuid4()}", content="fragment")
    id_ = put(platform, part)
    for path in (f"CodeSystem/{id_}/$validate-code", f"CodeSystem/$validate-code?url={part['url']}"):
        answer = ask(platform, "GET", f"{path}{'&' if '?' in path else '?'}code=b", as_="gp")
        assert (answer.status, answer.tree["issue"][0]["code"]) == (422, "not-found")
    compared = ask(platform, "GET", f"CodeSystem/$subsumes?system={part['url']}&codeA=a&codeB=b", as_="gp")
    assert (compared.status, compared.tree["issue"][0]["code"]) == (422, "not-found")
    sent = sending(codeSystem=part, codeableConcept=coding(part["url"], "b"))
    assert ask(platform, "POST", "CodeSystem/$validate-code", sent, as_="gp").status == 422
    assert said(called(platform, f"CodeSystem/{id_}/$validate-code", code="a"), "result") is True


def test_a_code_is_its_systems_and_versions_and_no_others(platform: Standing) -> None:
    own = a_system({"code": "a"}, url=f"urn:{uuid4()}", version="1")
    id_ = put(platform, own)
    path = "CodeSystem/$validate-code"
    asked = {"resourceType": "Parameters", "parameter": [
        {"name": "url", "valueUri": SEX}, {"name": "coding", "valueCoding": {"system": "urn:else", "code": "male"}},
    ]}  # fmt: skip
    assert said(called(platform, path, asked), "result") is False
    elsewhere = sending(codeSystem=own, codeableConcept=coding("urn:else", "a"))
    assert said(called(platform, path, elsewhere), "result") is False
    assert said(called(platform, f"CodeSystem/{id_}/$validate-code", code="a", url="urn:else"), "result") is False
    assert said(called(platform, f"CodeSystem/{id_}/$validate-code", code="a", version="1"), "result") is True
    for wrong in (
        f"CodeSystem/{id_}/$validate-code?code=a&version=9.9",
        f"CodeSystem/$validate-code?url={own['url']}&code=a&version=9.9",
        f"CodeSystem/{id_}/$subsumes?codeA=a&codeB=a&version=9.9",
        f"ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&system={SEX}&code=male&version=9",
    ):
        assert ask(platform, "GET", wrong, as_="gp").status == 404, wrong


def test_a_value_set_means_codes_of_the_version_that_it_names(platform: Standing) -> None:
    for include in ({"version": "3.0.0"}, {"version": "3.0.0", "concept": [{"code": "male"}]}):
        means = composed({"system": SEX, **include})
        asked = sending(valueSet=means, codeableConcept=coding(SEX, "male", "4.0.1"))
        assert said(called(platform, "ValueSet/$validate-code", asked), "result") is False
    means = composed({"system": SEX, "concept": [{"code": "male"}]})
    asked = sending(valueSet=means, codeableConcept=coding(SEX, "male", "4.0.1"))
    assert said(called(platform, "ValueSet/$validate-code", asked), "result") is True


def test_an_abstract_code_is_none_where_it_is_asked_so(platform: Standing, system: str) -> None:
    for path, more in (("CodeSystem", {"url": system}), ("ValueSet", {"url": value_set(platform, include=[{"system": system}]),
                                                                        "system": system})):  # fmt: skip
        for code, abstract, expected in (("mammal", "false", False), ("mammal", "true", True), ("dog", "false", True)):
            told = called(platform, f"{path}/$validate-code", code=code, abstract=abstract, **more)
            assert said(told, "result") is expected, (path, code, abstract)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("CodeSystem/$lookup", "date"), ("CodeSystem/$validate-code", "date"), ("ValueSet/$expand", "date"),
        ("ValueSet/$validate-code", "date"), ("ConceptMap/$translate", "dependency"),
    ],
)  # fmt: skip
def test_a_parameter_that_nothing_is_done_with_is_refused_by_its_name(platform: Standing, path: str, name: str) -> None:
    answer = ask(platform, "GET", f"{path}?{name}=2020", as_="gp")
    (issue,) = answer.tree["issue"]
    assert (answer.status, issue["code"], issue["expression"]) == (400, "not-supported", [name])


def test_smart_scopes_bound_what_is_asked(platform: Standing, system: str) -> None:
    def narrowed(scope: str, path: str) -> int:
        return platform.client.call("GET", f"/fhir/R4/{path}", as_="registry", narrower=scope).status_code

    draft = a_system({"code": "dog"}, url=f"urn:{uuid4()}", status="draft")
    drafted, active = put(platform, draft), put(platform, a_system({"code": "dog"}, url=f"urn:{uuid4()}"))
    scope = "system/CodeSystem.rs?status=draft"
    assert narrowed(scope, f"CodeSystem/$lookup?system={draft['url']}&code=dog") == 200
    assert narrowed(scope, f"CodeSystem/$lookup?system={system}&code=dog") == 404
    assert narrowed(scope, f"CodeSystem/{drafted}/$validate-code?code=dog") == 200
    assert narrowed(scope, f"CodeSystem/{active}/$validate-code?code=dog") == 404
    gender = "CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=male"
    assert narrowed("system/CodeSystem.rs?status=active", gender) == 200
    assert narrowed("system/CodeSystem.rs?status=draft", gender) == 404
