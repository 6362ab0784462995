"""Chains and `_has` inside one patient, against a plain reading of the same records; what is hidden ends no chain."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kjerne.access import Label
from kjerne.errors import Refusal
from kjerne.fhir import smart

from .conftest import CALLER, Desk
from .test_finding import file, find, ids, last_audit, observation

Tree = dict[str, Any]
Judge = Callable[[str], bool]
CODES = ("NPU1", "NPU2", "NPU3")


def to(type_: str, *ids_: str) -> list[Tree]:
    return [{"reference": f"{type_}/{one}"} for one in ids_]


class Filed:
    """A record of specimens, requests, results that have members, and reports: drawn by a seed, and kept as trees."""

    def __init__(self) -> None:
        self.of: dict[str, dict[str, Tree]] = {}

    async def fill(self, desk: Desk, patient: int, draw: random.Random) -> None:
        async def put(*trees: Tree) -> list[str]:
            made = await file(desk, patient, *trees)
            for id_, tree in zip(made, trees, strict=True):
                self.of.setdefault(tree["resourceType"], {})[id_] = tree
            return made

        specimens = await put(
            *({"resourceType": "Specimen", "type": {"text": one, "coding": [{"code": one}]}} for one in "SU")
        )
        requests = await put(
            *(
                {"resourceType": "ServiceRequest", "status": draw.choice(["active", "completed"]), "intent": "order"}
                for _ in "12"
            )
        )
        single = await put(*(self._result(draw, specimens) for _ in range(5)))
        panels = await put(
            *(self._result(draw, specimens, hasMember=to("Observation", *draw.sample(single, 2))) for _ in range(3))
        )
        await put(
            *(
                {
                    "resourceType": "DiagnosticReport", "status": draw.choice(["final", "amended"]),
                    "code": {"coding": [{"code": draw.choice(CODES)}]}, "basedOn": to("ServiceRequest", draw.choice(requests)),
                    "result": to("Observation", *draw.sample([*single, *panels], 2)),
                } for _ in range(4)
            )
        )  # fmt: skip

    @staticmethod
    def _result(draw: random.Random, specimens: list[str], **more: Any) -> Tree:
        if draw.random() < 0.7:
            more["specimen"] = to("Specimen", draw.choice(specimens))[0]
        return observation(draw.choice(CODES), draw.randrange(9), draw.choice([3.0, 5.0, 7.0]), **more)

    # What each record is asked, read plainly from the trees

    def at(self, type_: str, tree: Tree, element: str) -> list[tuple[str, Tree]]:
        values = tree.get(element, [])
        names = [one["reference"].split("/")[1] for one in (values if isinstance(values, list) else [values])]
        return [(id_, self.of[type_][id_]) for id_ in names]

    def pointing(self, source: str, element: str, id_: str) -> list[tuple[str, Tree]]:
        return [
            (own, tree)
            for own, tree in self.of[source].items()
            if any(one["reference"].endswith("/" + id_) for one in _listed(tree.get(element)))
        ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def coded(tree: Tree, code: str) -> bool:
    return any(one["code"] == code for one in tree["code"]["coding"])


def drawn(filed: Filed, draw: random.Random) -> tuple[str, tuple[str, str], Callable[[str, Tree], bool]]:
    """A type, one criterion on it, and what the criterion says, by hand."""
    code, value = draw.choice(CODES), draw.choice([4, 6])
    of = filed
    shown = "Observation", "result"

    def high(tree: Tree) -> bool:
        return bool(tree["valueQuantity"]["value"] > value)

    return draw.choice([
        ("DiagnosticReport", ("result.code", code), lambda _, t: any(coded(o, code) for _, o in of.at(*_of(shown, t)))),
        ("DiagnosticReport", ("result.code:not", code), lambda _, t: any(
            not coded(o, code) for _, o in of.at(*_of(shown, t)))),
        ("DiagnosticReport", ("result.value-quantity", f"gt{value}"), lambda _, t: any(
            high(o) for _, o in of.at(*_of(shown, t)))),
        ("DiagnosticReport", ("result.specimen.type", "S"), lambda _, t: any(
            s["type"]["text"] == "S" for _, o in of.at(*_of(shown, t)) for _, s in of.at("Specimen", o, "specimen"))),
        ("DiagnosticReport", ("result:Observation.has-member:Observation.code", code), lambda _, t: any(
            coded(m, code) for _, o in of.at(*_of(shown, t)) for _, m in of.at("Observation", o, "hasMember"))),
        ("DiagnosticReport", ("based-on.status", "active"), lambda _, t: any(
            r["status"] == "active" for _, r in of.at("ServiceRequest", t, "basedOn"))),
        ("Observation", ("_has:DiagnosticReport:result:status", "final"), lambda i, _: any(
            r["status"] == "final" for _, r in of.pointing("DiagnosticReport", "result", i))),
        ("Observation", ("_has:DiagnosticReport:result:based-on.status", "active"), lambda i, _: any(
            q["status"] == "active" for _, r in of.pointing("DiagnosticReport", "result", i)
            for _, q in of.at("ServiceRequest", r, "basedOn"))),
        ("Observation", ("_has:Observation:has-member:_has:DiagnosticReport:result:code", code), lambda i, _: any(
            coded(r, code) for p, _ in of.pointing("Observation", "hasMember", i)
            for _, r in of.pointing("DiagnosticReport", "result", p))),
        ("Specimen", ("_has:Observation:specimen:value-quantity", f"gt{value}"), lambda i, _: any(
            high(o) for _, o in of.pointing("Observation", "specimen", i))),
        ("ServiceRequest", ("_has:DiagnosticReport:based-on:result.code", code), lambda i, _: any(
            coded(o, code) for _, r in of.pointing("DiagnosticReport", "basedOn", i) for _, o in of.at(*_of(shown, r)))),
    ])  # fmt: skip


def _of(place: tuple[str, str], tree: Tree) -> tuple[str, Tree, str]:
    return place[0], tree, place[1]


async def test_chains_find_what_a_plain_reading_of_the_record_finds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(20261126)
    found_some = 0
    for _ in range(3):
        patient, filed = await desk.person(), Filed()
        await filed.fill(desk, patient, draw)
        grant = await desk.grant(patient, "search")
        for number in range(22):
            type_, pair, says = drawn(filed, draw)
            # Few are looked for by SQL, many on the resource: both ways find the same.
            monkeypatch.setattr("kjerne.fhir.search.TOKENS_LIMIT", 200 if number % 2 else 0)
            page = await find(desk, grant, type_, pair, ("_total", "accurate"))
            wanted = {id_ for id_, tree in filed.of[type_].items() if says(id_, tree)}
            assert set(ids(page)) == wanted, pair
            assert page.total == len(wanted)
            assert sorted(await last_audit(desk, patient)) == sorted(wanted)
            found_some += bool(wanted)
    assert found_some > 30


async def panel(desk: Desk, patient: int, labels: Label) -> tuple[str, str, str]:
    """A specimen that is open, a result under `labels` from it, and an open report that shows the result."""
    (specimen,) = await file(desk, patient, {"resourceType": "Specimen", "status": "available"})
    result = observation("NPU1", 1, specimen={"reference": f"Specimen/{specimen}"})
    (member,) = await file(desk, patient, result, labels=labels)
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "result": to("Observation", member),
    }
    (made,) = await file(desk, patient, report)
    return specimen, member, made


CHAINS = (
    ("DiagnosticReport", ("result.code", "NPU1")),
    ("DiagnosticReport", ("result.code:not", "NPU9")),
    ("DiagnosticReport", ("result.specimen.status", "available")),
    ("DiagnosticReport", ("result.code:missing", "false")),
    ("Specimen", ("_has:Observation:specimen:code", "NPU1")),
    ("Specimen", ("_has:Observation:specimen:_has:DiagnosticReport:result:status", "final")),
)


@pytest.mark.parametrize(("type_", "pair"), CHAINS)
async def test_no_chain_goes_over_what_is_hidden(desk: Desk, type_: str, pair: tuple[str, str]) -> None:
    for labels, there in ((Label.RESTRICTED, 0), (Label(0), 1)):
        patient = await desk.person()
        await panel(desk, patient, labels)
        page = await find(desk, await desk.grant(patient, "search", hides=Label.RESTRICTED), type_, pair)
        assert (len(page.records), page.total) == (there, there)


@pytest.mark.parametrize(("type_", "pair"), CHAINS)
async def test_no_chain_goes_over_what_the_tokens_scopes_leave_out(
    desk: Desk, type_: str, pair: tuple[str, str]
) -> None:
    patient = await desk.person()
    await panel(desk, patient, Label(0))
    for scopes, there in (((), 0), (("user/Observation.s?code=NPU9",), 0), (("user/Observation.s?code=NPU1",), 1)):
        near = "user/DiagnosticReport.s", "user/Specimen.s", *scopes
        caller = replace(CALLER, limits=smart.limits(near, "practitioner"))
        page = await find(desk, await desk.grant(patient, "search", caller=caller), type_, pair)
        assert len(page.records) == there


async def test_a_chain_ends_at_what_is_in_the_same_record(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    (theirs,) = await file(desk, other, observation("NPU1", 1))
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "result": to("Observation", theirs),
    }
    await file(desk, one, report)
    grant = await desk.grant(one, "search")
    assert ids(await find(desk, grant, "DiagnosticReport", ("result.code", "NPU1"))) == []
    assert ids(await find(desk, grant, "Observation", ("_has:DiagnosticReport:result:status", "final"))) == []


async def test_pages_of_a_chained_search_are_the_whole_of_it(desk: Desk) -> None:
    patient = await desk.person()
    (specimen,) = await file(desk, patient, {"resourceType": "Specimen", "status": "available"})
    filed = await file(
        desk, patient, *(observation("NPU1", day, specimen=to("Specimen", specimen)[0]) for day in range(5))
    )
    seen: list[str] = []
    after = None
    for _ in range(9):
        grant = await desk.grant(patient, "search")
        asked = ("specimen.status", "available"), ("_count", "2"), ("_sort", "-date")
        page = await find(desk, grant, "Observation", *asked, after=after)
        assert sorted(await last_audit(desk, patient)) == sorted(ids(page))
        seen += ids(page)
        after = page.after
        if after is None:
            break
    assert seen == filed[::-1]


async def test_the_far_end_of_a_chain_has_the_limit_of_candidates_too(desk: Desk) -> None:
    patient = await desk.person()
    await file(desk, patient, *(observation("NPU1", day) for day in range(4)))
    with pytest.raises(Refusal, match="more than 3 records") as refused:
        grant = await desk.grant(patient, "search")
        await find(desk, grant, "DiagnosticReport", ("result.code", "NPU1"), limit=3)
    assert (refused.value.status, refused.value.code) == (422, "too-costly")


@pytest.mark.parametrize(
    ("pairs", "most"),
    [
        ([("has-member:Observation.status", "final")] * 8, 1_500),
        ([("_has:Observation:has-member:status", "final")] * 8, 4_000),
        ([("method:missing", "true")] * 60, 800),
        ([("_filter", " or ".join(["method pr true"] * 50))], 2_000),
        ([("_content", "nothing")], 1_000),
        ([("_sort", "value-quantity,-value-quantity,value-quantity,-value-quantity")], 900),
        ([("status", ",".join([*(f"x{one}-{place}" for place in range(14)), "final"])) for one in range(10)], 180),
    ],
)
async def test_work_that_finds_nothing_is_counted_row_by_row(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[str, str]], most: int
) -> None:
    """Fetched rows, far ends, what is compared in SQL: each takes at least so many steps over ten records."""
    patient = await desk.person()
    await file(desk, patient, *(observation("NPU1", day) for day in range(10)))
    monkeypatch.setattr("kjerne.fhir.search.STEPS_LIMIT", most)
    with pytest.raises(Refusal, match="steps") as refused:
        await find(desk, await desk.grant(patient, "search"), "Observation", *pairs)
    assert (refused.value.status, refused.value.code) == (422, "too-costly")


async def test_what_is_hidden_from_the_reader_counts_for_no_refusal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await desk.person()
    (seen,) = await file(desk, patient, observation("NPU1", 1))
    await file(desk, patient, *(observation("NPU1", day) for day in range(50)), labels=Label.RESTRICTED)
    monkeypatch.setattr("kjerne.fhir.search.STEPS_LIMIT", 130)
    asked = [("status", ",".join([*(f"x{one}-{place}" for place in range(14)), "final"])) for one in range(10)]
    grant = await desk.grant(patient, "search", hides=Label.WITHDRAWN | Label.RESTRICTED)
    assert ids(await find(desk, grant, "Observation", *asked)) == [seen]
    with pytest.raises(Refusal, match="steps"):
        await find(desk, await desk.grant(patient, "search"), "Observation", *asked)


@pytest.mark.parametrize(
    "pair", [("value-quantity", "gt1"), ("code:text", "npu"), ("_has:Observation:has-member:code", "x")]
)
async def test_a_search_that_takes_too_many_steps_is_stopped(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str]
) -> None:
    patient = await desk.person()
    members = await file(desk, patient, *(observation("NPU1", day) for day in range(4)))
    await file(desk, patient, observation("x", 1, hasMember=to("Observation", *members)))
    assert ids(await find(desk, await desk.grant(patient, "search"), "Observation", pair))
    monkeypatch.setattr("kjerne.fhir.search.STEPS_LIMIT", 20)
    with pytest.raises(Refusal, match="more than 20 steps") as refused:
        await find(desk, await desk.grant(patient, "search"), "Observation", pair)
    assert (refused.value.status, refused.value.code) == (422, "too-costly")
