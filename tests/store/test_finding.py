"""Searching inside one patient: what is found, in which order, page by page, and that the audit row names exactly that."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.errors import Refusal
from kjerne.exchange import Stale
from kjerne.fhir import effort
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.store import finding, including
from kjerne.store.finding import Finder, Page
from kjerne.store.reading import Reader, Record
from kjerne.store.records import Change
from kjerne.wire import search as wire_search

from .conftest import NOW, Desk

NLK = "urn:oid:2.16.578.1.12.4.1.1.7280"


def observation(code: str, day: int, value: float = 4.1, **more: Any) -> dict[str, Any]:
    taken = (date(2026, 1, 1) + timedelta(days=day)).isoformat()
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": NLK, "code": code}], "text": f"P-{code}"},
        "effectiveDateTime": taken,
        "valueQuantity": {"value": value, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        **more,
    }


async def file(desk: Desk, patient: int, *trees: dict[str, Any], labels: Label = NO_LABEL) -> list[str]:
    grant = await desk.grant(patient, "file")
    changes = [
        Change(
            type_number(tree["resourceType"]),
            desk.store.ids.make(patient),
            encode(tree),
            index(decode(encode(tree))),
            labels,
        )
        for tree in trees
    ]
    async with desk.store.pool.acquire() as conn:
        await desk.store.records.put(conn, grant, changes)
    return [str(change.id) for change in changes]


async def find(desk: Desk, grant: Grant, type_: str, *pairs: tuple[str, str], limit: int = 20_000, **more: Any) -> Page:
    search = wire_search.parse(type_, pairs, page_size=50, page_size_limit=1000)
    finder = Finder(Reader(desk.store.wrap, desk.store.dictionaries), limit)
    async with desk.store.pool.acquire() as conn:
        return await finder.search(conn, grant, search, **more)


def ids(page: Page) -> list[str]:
    return [str(record.id) for record in page.records]


async def last_audit(desk: Desk, patient: int) -> list[str]:
    row = await desk.store.pool.fetchrow("SELECT ids FROM audit WHERE patient = $1 ORDER BY xid DESC LIMIT 1", patient)
    return [str(id_) for id_ in row["ids"]] if row else []


async def test_a_code_finds_its_observations_newest_first(desk: Desk) -> None:
    patient = await desk.person()
    first, second, third, _ = await file(
        desk, patient, *(observation("NPU03230", day) for day in (1, 3, 2)), observation("NPU03429", 4)
    )
    grant = await desk.grant(patient, "search")
    page = await find(desk, grant, "Observation", ("code", f"{NLK}|NPU03230"), ("_sort", "-date"))
    assert ids(page) == [second, third, first]
    assert page.total == 3
    assert await last_audit(desk, patient) == [second, third, first]


@pytest.mark.parametrize("sort", ["-date", "date", "_id", "-_lastUpdated", "value-quantity"])
async def test_pages_together_are_the_whole_search_each_with_its_own_audit_row(desk: Desk, sort: str) -> None:
    patient = await desk.person()
    trees = [observation("NPU03230", day % 4, value=day) for day in range(11)]
    undated = {key: value for key, value in observation("NPU03230", 0).items() if key != "effectiveDateTime"}
    filed = await file(desk, patient, *trees, undated)
    seen: list[str] = []
    after = None
    for _ in range(10):
        grant = await desk.grant(patient, "search")
        page = await find(desk, grant, "Observation", ("_count", "5"), ("_sort", sort), after=after)
        assert sorted(await last_audit(desk, patient)) == sorted(ids(page))
        seen += ids(page)
        after = page.after
        if after is None:
            break
    assert sorted(seen) == sorted(filed)
    assert len(seen) == len(set(seen))


async def test_dates_values_and_texts_are_matched_on_sealed_values(desk: Desk) -> None:
    patient = await desk.person()
    low, high = await file(desk, patient, observation("NPU03230", 1, 3.1), observation("NPU03230", 9, 6.4))
    grant = await desk.grant(patient, "search")
    assert ids(await find(desk, grant, "Observation", ("value-quantity", "gt5"))) == [high]
    assert ids(await find(desk, grant, "Observation", ("date", "lt2026-01-05"))) == [low]
    assert ids(await find(desk, grant, "Observation", ("code:text", "p-npu03230"), ("_sort", "date"))) == [low, high]
    assert ids(await find(desk, grant, "Observation", ("code:not", "NPU03230"))) == []
    assert ids(await find(desk, grant, "Observation", ("_id", f"{low},nonsense"))) == [low]


async def test_includes_follow_references_and_are_named_in_the_audit_row(desk: Desk) -> None:
    patient = await desk.person()
    specimen, role = await file(desk, patient, {"resourceType": "Specimen"}, {"resourceType": "PractitionerRole"})
    (member,) = await file(desk, patient, observation("NPU03230", 1, specimen={"reference": f"Specimen/{specimen}"}))
    (report,) = await file(
        desk,
        patient,
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "code": {"text": "x"},
            "result": [{"reference": f"Observation/{member}"}],
            "performer": [{"reference": f"PractitionerRole/{role}"}],
        },
    )
    grant = await desk.grant(patient, "search")
    once = await find(desk, grant, "DiagnosticReport", ("_include", "DiagnosticReport:result"))
    assert [str(record.id) for record in once.included] == [member]
    far = await find(
        desk, grant, "DiagnosticReport", ("_include", "DiagnosticReport:result"),
        ("_include:iterate", "Observation:specimen"), ("_include", "DiagnosticReport:performer"),
    )  # fmt: skip
    assert {str(record.id) for record in far.included} == {member, specimen, role}
    assert set(await last_audit(desk, patient)) == {report, member, specimen, role}
    back = await find(desk, grant, "Observation", ("_revinclude", "DiagnosticReport:result"))
    assert [str(record.id) for record in back.included] == [report]


async def chain_of(desk: Desk, patient: int, length: int) -> list[str]:
    """Observations of which each has the one before as its member."""
    made: list[str] = []
    for day in range(length):
        more = {"hasMember": [{"reference": f"Observation/{made[-1]}"}]} if made else {}
        made += await file(desk, patient, observation("NPU03230", day, **more))
    return made


async def test_a_star_brings_what_any_reference_leads_to_and_back(desk: Desk) -> None:
    patient = await desk.person()
    (specimen,) = await file(desk, patient, {"resourceType": "Specimen"})
    first, second, third = await chain_of(desk, patient, 3)
    (other,) = await file(desk, patient, observation("x", 1, specimen={"reference": f"Specimen/{specimen}"}))
    grant = await desk.grant(patient, "search")

    async def brought(*pairs: tuple[str, str]) -> set[str]:
        page = await find(desk, grant, "Observation", *pairs)
        assert set(await last_audit(desk, patient)) == {*ids(page), *(str(one.id) for one in page.included)}
        return {str(one.id) for one in page.included}

    assert await brought(("_id", second), ("_include", "*")) == {first}
    assert await brought(("_id", third), ("_include", "*")) == {second}
    assert await brought(("_id", third), ("_include:iterate", "*")) == {first, second}
    assert await brought(("_id", first), ("_revinclude", "*")) == {second}
    assert await brought(("_id", first), ("_revinclude:iterate", "*")) == {second, third}
    assert await brought(("_id", second), ("_include", "*"), ("_revinclude", "*")) == {first, third}
    assert await brought(("_id", other), ("_include", "Observation:*:Specimen")) == {specimen}


@pytest.mark.parametrize("few", [True, False])
async def test_what_points_at_a_page_is_found_by_tokens_and_where_they_are_many_by_looking(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, few: bool
) -> None:
    patient = await desk.person()
    first, second, third = await chain_of(desk, patient, 3)
    monkeypatch.setattr(including, "TOKENS_LIMIT", 200 if few else 0)
    page = await find(desk, await desk.grant(patient, "search"), "Observation", ("_id", f"{first},{second}"),
                      ("_revinclude", "Observation:has-member"))  # fmt: skip
    assert [str(one.id) for one in page.included] == [third]


@pytest.mark.parametrize("name", ["_include:iterate", "_revinclude:iterate"])
async def test_includes_go_on_to_a_limit_that_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    patient = await desk.person()
    made = await chain_of(desk, patient, including.INCLUDE_STEPS_LIMIT + 2)
    grant = await desk.grant(patient, "search")
    asked = (name, "Observation:has-member")
    ends = made[::-1] if name.startswith("_include") else made
    page = await find(desk, grant, "Observation", ("_id", ends[1]), asked)
    assert {str(one.id) for one in page.included} == set(ends[2:])
    with pytest.raises(Refusal, match="more than 8 steps") as refused:
        await find(desk, grant, "Observation", ("_id", ends[0]), asked)
    assert (refused.value.status, refused.value.code) == (422, "too-costly")
    monkeypatch.setattr(including, "INCLUDED_LIMIT", 3)
    with pytest.raises(Refusal, match="more than 3 records"):
        await find(desk, grant, "Observation", ("_id", ends[1]), asked)


KEYS = {
    "code": lambda tree: tree["code"]["coding"][0]["code"],
    "status": lambda tree: tree["status"],
    "specimen": lambda tree: tree.get("specimen", {}).get("reference"),
    "_profile": lambda tree: tree.get("meta", {}).get("profile", [None])[0],
    "value-string": lambda tree: tree.get("valueString", "").lower() or None,
    "value-quantity": lambda tree: tree.get("valueQuantity", {}).get("value"),
    "date": lambda tree: tree.get("effectiveDateTime"),
}  # fmt: skip


async def test_a_search_is_sorted_by_any_parameter_ties_by_the_next_and_by_id(desk: Desk) -> None:
    patient, draw = await desk.person(), random.Random(7)
    trees = [
        observation(
            draw.choice("abc"), draw.randrange(3), draw.choice([1, 2]), status=draw.choice(["final", "amended"])
        )
        | draw.choice([{}, {"specimen": {"reference": f"Specimen/{draw.randrange(3)}"}}])
        | draw.choice([{}, {"meta": {"profile": [f"http://x.example/{draw.randrange(2)}"]}}])
        for _ in range(25)
    ]
    filed = dict(zip(await file(desk, patient, *trees), trees, strict=True))
    grant = await desk.grant(patient, "search")
    for keys in [*((name,) for name in KEYS), *(tuple(draw.sample(sorted(KEYS), 2)) for _ in range(12))]:
        signed = [draw.choice(["", "-"]) + name for name in keys]
        wanted = sorted(filed)
        for one in reversed(signed):
            key = KEYS[one.removeprefix("-")]
            there = [id_ for id_ in wanted if key(filed[id_]) is not None]
            there.sort(key=lambda id_, key=key: key(filed[id_]), reverse=one.startswith("-"))
            wanted = there + [id_ for id_ in wanted if key(filed[id_]) is None]
        assert ids(await find(desk, grant, "Observation", ("_sort", ",".join(signed)))) == wanted, signed


async def test_words_are_looked_for_in_narratives_and_in_all_texts(desk: Desk) -> None:
    patient = await desk.person()
    told = {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Funn i lever</div>'}}
    first, second = await file(
        desk, patient, observation("a", 1, **told), observation("b", 2, note=[{"text": "Lever, galle"}])
    )
    grant = await desk.grant(patient, "search")
    assert ids(await find(desk, grant, "Observation", ("_text", "lever"))) == [first]
    assert ids(await find(desk, grant, "Observation", ("_content", "lever"), ("_sort", "date"))) == [first, second]
    assert ids(await find(desk, grant, "Observation", ("_content", "lever galle"))) == [second]


async def test_a_filter_reads_id_and_time_as_they_are_served_and_goes_over_links(desk: Desk) -> None:
    patient = await desk.person()
    first, second, third = await chain_of(desk, patient, 3)
    grant = await desk.grant(patient, "search")

    async def filtered(text: str) -> set[str]:
        return set(ids(await find(desk, grant, "Observation", ("_filter", text))))

    assert await filtered(f"_id eq {first} or _id eq {third}") == {first, third}
    assert await filtered(f"not(_id eq {first})") == {second, third}
    assert await filtered(f"_id ne {first} and date lt 2026-01-03") == {second}
    assert await filtered("_lastUpdated lt 2000-01-01 or date ge 2026-01-03") == {third}
    assert await filtered(f"has-member._id eq {first} or date ge 2026-01-03") == {second, third}
    assert await filtered("not(has-member.code eq NPU03230)") == {first}


async def last(desk: Desk, grant: Grant, most: int, *pairs: tuple[str, str]) -> Page:
    search = wire_search.parse("Observation", pairs, page_size=50, page_size_limit=1000)
    async with desk.store.pool.acquire() as conn:
        return await Finder(Reader(desk.store.wrap, desk.store.dictionaries), 20_000).latest(conn, grant, search, most)


async def test_the_last_of_each_kind_leave_with_what_they_include_and_are_named_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await desk.person()
    (specimen,) = await file(desk, patient, {"resourceType": "Specimen"})
    taken = {"specimen": {"reference": f"Specimen/{specimen}"}}
    filed = await file(desk, patient, *(observation("A", day) for day in (1, 2, 3)), observation("B", 2, **taken))
    filed += await file(desk, patient, observation("A", 9), labels=Label.RESTRICTED)
    undated = {key: value for key, value in observation("C", 0).items() if key != "effectiveDateTime"}
    filed += await file(desk, patient, undated, observation("A", 2))
    grant = await desk.grant(patient, "search", hides=Label.RESTRICTED)
    page = await last(desk, grant, 1, ("code", "A,B,C"), ("_include", "Observation:specimen"))
    assert ids(page) == [filed[2], filed[3], filed[5]]
    assert [str(one.id) for one in page.included] == [specimen]
    assert sorted(await last_audit(desk, patient)) == sorted([filed[2], filed[3], filed[5], specimen])
    assert page.total == 3
    tied = await last(desk, grant, 2, ("code", "A"))
    assert ids(tied) == [filed[2], *sorted([filed[1], filed[6]])], "two of the same day tie with the second"
    narrowed = await last(
        desk, grant, 2, ("code", "A"), ("date", "lt2026-01-04"), ("_has:DiagnosticReport:result:code", "x")
    )
    assert ids(narrowed) == []
    monkeypatch.setattr(finding, "LATEST_LIMIT", 2)
    with pytest.raises(Refusal, match="more than 2 would be given") as refused:
        await last(desk, grant, 2, ("code", "A"))
    assert (refused.value.status, refused.value.code) == (422, "too-costly")


@pytest.mark.parametrize("sort", ["-date", "date"])
@pytest.mark.parametrize("more", [(), (("_total", "accurate"),), (("value-quantity", "gt1"),)])
async def test_a_period_that_is_open_at_one_end_is_found_and_sorted_whichever_way_the_search_goes(
    desk: Desk, sort: str, more: tuple[tuple[str, str], ...]
) -> None:
    """R4 datatypes.html#Period: without a start or an end it is open there."""
    patient = await desk.person()

    def lasting(**period: str) -> dict[str, Any]:
        tree = observation("NPU03230", 0) | {"effectivePeriod": period}
        del tree["effectiveDateTime"]
        return tree

    until, dated, since = await file(
        desk, patient, lasting(end="2026-03-01"), observation("NPU03230", 9), lasting(start="2026-02-01")
    )
    (always,) = await file(desk, patient, lasting(start="0001-01-01", end="9999-12-31"))
    seen: list[str] = []
    after = None
    for _ in range(5):
        grant = await desk.grant(patient, "search")
        page = await find(desk, grant, "Observation", ("_sort", sort), ("_count", "1"), *more, after=after)
        seen += ids(page)
        after = page.after
        if after is None:
            break
    earliest_first = seen if sort == "date" else seen[::-1]
    assert (set(earliest_first[:2]), earliest_first[2:]) == ({until, always}, [dated, since])
    back = await find(desk, await desk.grant(patient, "search"), "Observation", ("date", "lt2020"), *more)
    assert set(ids(back)) == {until, always}


async def test_what_is_withheld_is_neither_found_nor_counted_nor_included(desk: Desk) -> None:
    patient = await desk.person()
    (hidden,) = await file(desk, patient, observation("NPU03230", 1), labels=Label.RESTRICTED)
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "result": [{"reference": f"Observation/{hidden}"}],
    }
    await file(desk, patient, report)
    grant = await desk.grant(patient, "search", hides=Label.RESTRICTED)
    for more in ((), (("_total", "accurate"),), (("value-quantity", "gt1"),)):
        page = await find(desk, grant, "Observation", *more)
        assert (ids(page), page.total) == ([], 0)
    assert (await find(desk, grant, "DiagnosticReport", ("_include", "DiagnosticReport:result"))).included == []


async def test_a_record_of_another_patient_is_not_found_even_by_its_id(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    (theirs,) = await file(desk, other, observation("NPU03230", 1))
    grant = await desk.grant(one, "search")
    assert ids(await find(desk, grant, "Observation", ("_id", theirs))) == []


@pytest.mark.parametrize(
    ("pairs", "number"),
    [
        ((), 5), ((("code", f"{NLK}|A"),), 3), ((("code", "A,B"), ("date", "ge2026-01-02")), 3), ((("code:not", "A"),), 2),
        ((("date", "lt2025"),), 0), ((("_sort", "value-quantity,-date"),), 5), ((("_include", "Observation:specimen"),), 5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("asked", [("_summary", "count"), ("_count", "0")])
async def test_what_sql_decides_alone_is_counted_however_much_it_is_and_nothing_hidden_is(
    desk: Desk, pairs: tuple[tuple[str, str], ...], number: int, asked: tuple[str, str]
) -> None:
    patient = await desk.person()
    await file(desk, patient, *(observation("A" if day < 3 else "B", day % 3) for day in range(5)))
    await file(desk, patient, *(observation(code, 1) for code in "AB"), labels=Label.RESTRICTED)
    await file(desk, await desk.person(), observation("A", 1))
    grant = await desk.grant(patient, "search", hides=Label.RESTRICTED)
    page = await find(desk, grant, "Observation", *pairs, asked, limit=3)
    assert (page.total, ids(page), page.included, page.after) == (number, [], [], None)
    assert await last_audit(desk, patient) == []
    assert (
        len(await desk.store.pool.fetch("SELECT 1 FROM audit WHERE patient = $1 AND action = 'search'", patient)) == 1
    )


async def test_a_total_is_told_with_each_page_however_much_it_is(desk: Desk) -> None:
    patient = await desk.person()
    made = await file(desk, patient, *(observation("A", day) for day in range(5)))
    await file(desk, patient, observation("A", 9), labels=Label.RESTRICTED)
    grant = await desk.grant(patient, "search", hides=Label.RESTRICTED)
    seen, after = list[str](), None
    for total in ("accurate", "estimate", "accurate"):
        page = await find(desk, grant, "Observation", ("_total", total), ("_count", "2"), limit=3, after=after)
        assert page.total == 5
        assert await last_audit(desk, patient) == ids(page)
        seen, after = [*seen, *ids(page)], page.after
    assert (seen, after) == (made[::-1], None)
    nothing = await find(desk, grant, "Observation", ("code", "B"), ("_total", "accurate"), limit=3)
    assert (ids(nothing), nothing.total) == ([], 0)


@pytest.mark.parametrize("asked", [("_summary", "count"), ("_total", "accurate")])
async def test_a_count_is_not_given_where_a_fact_has_changed_or_records_must_be_looked_at(
    desk: Desk, asked: tuple[str, str]
) -> None:
    patient = await desk.person()
    await file(desk, patient, *(observation("A", day) for day in range(4)))
    grant = await desk.grant(patient, "search")
    for pair in (("value-quantity", "gt1"), ("_content", "P")):
        with pytest.raises(Refusal, match="more than 3 records"):
            await find(desk, grant, "Observation", pair, asked, limit=3)
    await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
    with pytest.raises(Stale):
        await find(desk, grant, "Observation", asked, limit=3)


async def test_a_search_that_would_look_at_too_much_is_refused(desk: Desk) -> None:
    patient = await desk.person()
    await file(desk, patient, *(observation("NPU03230", day) for day in range(4)))
    with pytest.raises(Refusal, match="more than 3 records") as refused:
        await find(desk, await desk.grant(patient, "search"), "Observation", ("value-quantity", "gt1"), limit=3)
    assert (refused.value.status, refused.value.code) == (422, "too-costly")


async def test_a_dear_search_beside_as_many_as_there_may_be_is_refused_and_another_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effort, "DEAR_AT_ONCE", 1)
    monkeypatch.setattr(effort, "DEAR_STEPS", 2_500)
    patient = await desk.person()
    filed = await file(desk, patient, *(observation("NPU03230", day) for day in range(effort.STEPS_AT_ONCE // 10 + 1)))
    grant = await desk.grant(patient, "search")
    dear = "value-quantity", "gt1"
    with effort.limited(10_000, among_dear=True):
        effort.spend(2_500)
        await effort.turn()
        with pytest.raises(Refusal, match="take as much work") as refused:
            await find(desk, grant, "Observation", dear)
        assert (refused.value.status, refused.value.headers) == (503, (("retry-after", "2"),))
        assert ids(await find(desk, grant, "Observation", dear, ("date", "lt2026-01-03"))) == filed[1::-1]
        with monkeypatch.context() as unfetched, pytest.raises(Refusal, match="take as much work"):
            unfetched.setattr(Finder, "_candidates", None)
            unfetched.setattr(effort, "DEAR_STEPS", finding.ROW_STEPS * len(filed))
            await find(desk, grant, "Observation", dear)
        search = wire_search.parse("Observation", [dear], page_size=50, page_size_limit=1000)
        finder = Finder(Reader(desk.store.wrap, desk.store.dictionaries), 20_000)
        async with desk.store.pool.acquire() as conn:
            unasked = await finder.all_matching(conn, await desk.grant(patient, "export"), search, "r")
        assert len(unasked) == len(filed), "an export's filter has nobody who waits for an answer"
    assert (await find(desk, grant, "Observation", dear)).total == len(filed)


async def test_the_bytes_of_every_entry_carry_their_own_id(desk: Desk) -> None:
    patient = await desk.person()
    filed = await file(desk, patient, observation("NPU03230", 1))
    page = await find(desk, await desk.grant(patient, "search"), "Observation")
    assert [decode(record.served)["id"] for record in page.records] == filed


async def test_a_person_under_two_keys_is_searched_under_both_with_one_audit_row(desk: Desk) -> None:
    one, other = await desk.person(), await desk.person()
    (first,) = await file(desk, one, observation("NPU03230", 1))
    (second,) = await file(desk, other, observation("NPU03230", 2))
    async with desk.store.pool.acquire() as conn:
        await desk.store.people.link(conn, one, other, "register", "same", NOW)
    page = await find(desk, await desk.grant(one, "search"), "Observation", ("code", f"{NLK}|NPU03230"))
    assert ids(page) == [second, first]
    assert await last_audit(desk, one) == [second, first]


async def test_a_grant_whose_facts_changed_finds_nothing_and_leaves_no_row(desk: Desk) -> None:
    patient = await desk.person()
    (written,) = await file(desk, patient, observation("NPU03230", 1))
    grant = await desk.grant(patient, "search")
    stale = replace(grant, subject=replace(grant.subject, stamp=0))
    with pytest.raises(Stale):
        await find(desk, stale, "Observation", ("code", f"{NLK}|NPU03230"))
    rows = "SELECT count(*) FROM audit WHERE patient = $1 AND action = 'search'"
    assert await desk.store.pool.fetchval(rows, patient) == 0
    assert ids(await find(desk, grant, "Observation", ("code", f"{NLK}|NPU03230"))) == [written]


async def test_the_newest_that_are_kept_are_looked_for_until_there_are_enough_and_named_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await desk.person()
    filed = await file(desk, patient, *(observation("NPU03230", day, value=day) for day in range(12)))
    await file(desk, patient, observation("NPU03230", 20), labels=Label.WITHDRAWN)
    monkeypatch.setattr(finding, "LOOKED_AT_ONCE", 5)
    finder = Finder(Reader(desk.store.wrap, desk.store.dictionaries), 20_000)
    search = wire_search.parse("Observation", [("code", f"{NLK}|NPU03230")], page_size=50, page_size_limit=1000)

    async def kept(most: int, *days: int) -> list[str]:
        def keep(record: Record) -> bool:
            return decode(record.raw)["valueQuantity"]["value"] in days

        async with desk.store.pool.acquire() as conn:
            found = await finder.newest(conn, await desk.grant(patient, "search"), search, most, keep)
        return [str(one.id) for one in found]

    for most, days in ((3, (1, 4, 9)), (2, (1, 4, 9)), (9, (0,)), (9, ())):
        wanted = [filed[day] for day in sorted(days, reverse=True)][:most]
        assert await kept(most, *days) == wanted
        assert await last_audit(desk, patient) == wanted
    changed = await desk.grant(patient, "search")
    await desk.store.pool.execute("UPDATE person SET stamp = stamp + 1 WHERE patient = $1", patient)
    async with desk.store.pool.acquire() as conn:
        with pytest.raises(Stale):
            await finder.newest(conn, changed, search, 1, lambda _: True)


@pytest.mark.parametrize("pairs", [(), (("_sort", "-date,_lastUpdated"),)], ids=["at once", "in steps"])
async def test_a_page_ends_early_where_it_would_be_too_long_and_the_log_names_what_is_on_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, pairs: tuple[tuple[str, str], ...]
) -> None:
    patient = await desk.person()
    texts = ["".join(random.Random(day).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4_000)) for day in range(4)]
    made = await file(desk, patient, *(observation("A", day, note=[{"text": text}]) for day, text in enumerate(texts)))
    monkeypatch.setattr(finding, "PAGE_LIMIT_BYTES", 9_500)
    grant, seen, after = await desk.grant(patient), list[str](), None
    for _ in range(4):
        page = await find(desk, grant, "Observation", *pairs, after=after)
        assert 1 <= len(page.records) <= 3
        if pairs:
            assert await last_audit(desk, patient) == ids(page)
        seen += ids(page)
        after = page.after
        if after is None:
            break
    assert seen == made[::-1]


async def test_what_is_brought_along_has_a_length_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = await desk.person()
    (first,) = await file(desk, patient, observation("A", 1, note=[{"text": "x" * 2_000}]))
    await file(desk, patient, observation("B", 2, derivedFrom=[{"reference": f"Observation/{first}"}]))
    asked = [("code", "B"), ("_include", "Observation:derived-from")]
    grant = await desk.grant(patient)
    assert len((await find(desk, grant, "Observation", *asked)).included) == 1
    monkeypatch.setattr(including, "INCLUDED_LIMIT_BYTES", 1_000)
    with pytest.raises(Refusal, match="longer than 1000 bytes"):
        await find(desk, grant, "Observation", *asked)
