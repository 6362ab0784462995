"""Ids are case sensitive (R4 datatypes.html#id): a UUID in capitals is another id, which nothing has, on every path alike."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import LAB, Ward
from .mother_and_child import Two, mother_and_child


@pytest.fixture
async def two(ward: Ward) -> Two:
    return await mother_and_child(ward)


def capitals(address: str) -> str:
    """An address with the id in capitals; one at least is a letter."""
    name, _, id_ = address.rpartition("/")
    assert id_.upper() != id_
    return f"{name}/{id_.upper()}" if name else id_.upper()


@pytest.mark.parametrize("behind", ["", "/_history", "/_history/1", "/$meta"])
async def test_a_record_is_absent_by_its_id_in_capitals_as_by_an_id_of_nobody(two: Two, behind: str) -> None:
    id_ = await two.file(two.naming(""), two.child)
    asked: Any = (two.ward.doctor(two.child), two.child)
    assert (await two.ask("GET", f"Observation/{id_}{behind}", *asked))[0] == 200
    nobodys = await two.ask("GET", f"Observation/00000000-0000-4000-8000-00000000000a{behind}", *asked)
    assert await two.ask("GET", f"Observation/{capitals(id_)}{behind}", *asked) == nobodys
    assert nobodys[0] == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_nothing_is_changed_by_it(two: Two, method: str) -> None:
    id_ = await two.file(two.naming(""), two.child)
    tree: Any = two.naming("") | {"id": capitals(id_)} if method == "PUT" else None
    more = {"content_type": "application/json-patch+json"} if method == "PATCH" else {}
    tree = [{"op": "replace", "path": "/status", "value": "amended"}] if method == "PATCH" else tree
    status, _ = await two.ask(method, f"Observation/{capitals(id_)}", LAB, two.child, tree, if_match='W/"1"', **more)
    assert status == 404
    assert await two.found(two.child) == [id_]


@pytest.mark.parametrize("query", ["_id={}", "focus=Patient/{}", "specimen=Specimen/{}", "has-member=Observation/{}"])
async def test_a_search_finds_nothing_by_it(two: Two, query: str) -> None:
    first = await two.file(two.naming(""), two.child)
    patient = two.address(two.child).partition("/")[2]
    specimen = {"reference": f"Specimen/{first}"}
    id_ = await two.file(
        two.naming(two.child, specimen=specimen, hasMember=[{"reference": f"Observation/{first}"}]), two.child
    )
    said = {"_id": id_, "focus": patient}.get(query.partition("=")[0], first)
    assert await two.found(two.child, f"?{query.format(said)}") == [id_]
    assert await two.found(two.child, f"?{query.format(capitals(said))}") == []


async def test_an_include_does_not_follow_a_reference_in_capitals(two: Two) -> None:
    one = await two.file(two.naming(""), two.child)
    for reference, brought in ((f"Observation/{one}", [one]), (capitals(f"Observation/{one}"), [])):
        id_ = await two.file(two.naming("", hasMember=[{"reference": reference}]), two.child)
        path = f"Observation?_id={id_}&_include=Observation:has-member"
        tree = (await two.ask("GET", path, two.ward.doctor(two.child), two.child))[1]
        assert [e["resource"]["id"] for e in tree["entry"] if e["search"]["mode"] == "include"] == brought


async def test_nobody_is_found_or_named_by_a_patients_id_in_capitals(two: Two) -> None:
    doctor = two.ward.doctor(two.child)
    small = two.address(two.child)
    assert (await two.ask("GET", small, doctor, two.child))[0] == 200
    assert (await two.ask("GET", capitals(small), doctor, two.child))[0] == 404
    assert (await two.ask("GET", f"{small}/$everything", doctor, two.child))[0] == 200
    assert (await two.ask("GET", f"{capitals(small)}/$everything", doctor, two.child))[0] == 400
    assert (await two.ask("GET", f"Observation?patient={capitals(small)}", doctor, two.child))[0] == 400
    naming = two.naming("", focus=[{"reference": capitals(small)}])
    assert await two.sees(await two.file(naming, two.mother), two.child) == (False, 404)


async def test_whose_a_record_is_is_not_said_in_capitals(two: Two) -> None:
    for number in (two.child, two.mother):
        tree = two.naming("", subject={"reference": capitals(two.address(number))})
        status, refused = await two.ask("POST", "Observation", LAB, two.child, tree)
        (issue,) = refused["issue"]
        assert (status, issue["expression"]) == (422, ["Observation.subject.reference"])
        assert "case sensitive" in issue["diagnostics"]
    assert await two.found(two.child) == []
