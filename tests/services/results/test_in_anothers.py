"""A record lies with one patient and names another: it is found and read in the other's record where both of them let it be."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Caller, Choice, Label, Wish
from kjerne.exchange import PatientRef
from kjerne.jobs import Job
from kjerne.services.standards import types_by_service
from kjerne.store import audit
from kjerne.store.erasing import KIND, Eraser

from .conftest import LAB, NOW, Ward, Worker, fresh_number
from .mother_and_child import FHIR, Two, mother_and_child


@pytest.fixture
async def two(ward: Ward) -> Two:
    return await mother_and_child(ward)


async def test_a_record_of_the_mothers_that_names_the_child_is_found_and_read_in_the_childs_record(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    own = await two.file(two.naming("", 5.5, effectiveDateTime="2026-03-01"), two.child)
    assert await two.found(two.child) == [id_, own]
    assert await two.found(two.mother) == [id_]
    status, tree = await two.ask("GET", f"Observation/{id_}", two.ward.doctor(two.child), two.child)
    assert (status, tree["valueQuantity"]["value"], tree["focus"]) == (
        200,
        7.25,
        [{"reference": two.address(two.child)}],
    )


@pytest.mark.parametrize(
    "subject",
    [
        {}, {"display": "Kari"}, {"identifier": {"use": "usual"}}, {"identifier": {"system": "http://lab", "value": "1"}},
        {"reference": "urn:uuid:0b6b9b6c-3b0e-4e7c-9d36-0b3f3a0d6d11"}, {"reference": "http://far.example/fhir/Patient/1"},
    ],
)  # fmt: skip
async def test_what_does_not_say_whose_it_is_is_read_as_nobody_elses(two: Two, subject: dict[str, Any]) -> None:
    """In the child's record nothing would tell that it is the mother's."""
    said = {"subject": subject} if subject else {}
    status, made = await two.ask("POST", "Observation", LAB, two.mother, two.naming(two.child, **said))
    assert status == 201
    assert await two.sees(made["id"], two.child) == (False, 404)
    assert await two.sees(made["id"], two.mother) == (True, 200)


@pytest.mark.parametrize("part", ["_elements=code,value", "_summary=text", "_summary=true"])
async def test_a_part_of_it_says_whose_it_is_and_whom_it_names(two: Two, part: str) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    doctor = two.ward.doctor(two.child)
    for path in (f"Observation?{part}", f"Observation/{id_}?{part}", f"Observation/$lastn?code=NPU03230&{part}"):
        status, tree = await two.ask("GET", path, doctor, two.child)
        assert status == 200, tree
        (resource,) = [one["resource"] for one in tree["entry"]] if "entry" in tree else [tree]
        assert (resource["subject"], resource["focus"]) == (
            {"reference": two.address(two.mother)}, [{"reference": two.address(two.child)}],
        )  # fmt: skip


async def test_where_hers_are_too_many_to_lay_theirs_among_a_page_says_how_many_it_lacks_and_all_are_counted(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [await two.file(two.naming("", value), two.child) for value in (1.5, 2.5, 3.5)]
    id_ = await two.file(two.naming(two.child), two.mother)
    monkeypatch.setattr(two.ward.house.finder, "_limit", 2)
    doctor = two.ward.doctor(two.child)
    status, page = await two.ask("GET", "Observation?_total=accurate&_count=2", doctor, two.child)
    assert (status, page["total"]) == (200, 4)
    found, told = [], []
    while page:
        modes = [(one["search"]["mode"], one["resource"]) for one in page["entry"]]
        found += [one["id"] for mode, one in modes if mode == "match"]
        told += [one["issue"][0] for mode, one in modes if mode == "outcome"]
        further = next((one["url"] for one in page["link"] if one["relation"] == "next"), "")
        page = (await two.ask("GET", further.partition("/fhir/R4/")[2], doctor, two.child))[1] if further else {}
    assert sorted(found) == sorted(own)
    assert [(one["severity"], one["code"], one["diagnostics"][:2]) for one in told] == [
        ("warning", "incomplete", "1 ")
    ] * 2
    assert (await two.ask("GET", "Observation?_summary=count", doctor, two.child))[1]["total"] == 4
    assert [(row["rule"], row["ids"]) for row in await two.log(two.mother)] == [("named", [])] * 3
    assert {row["rule"] for row in await two.log(two.child)} == {"care", audit.ELSEWHERE}
    assert await two.found(two.child, f"?_id={id_}") == [id_]


async def test_a_record_that_names_nobody_else_is_not_seen_in_anybodys(two: Two) -> None:
    id_ = await two.file(two.naming(two.mother), two.mother)
    assert await two.sees(id_, two.child) == (False, 404)


async def test_a_number_with_its_type_names_as_an_address_does_and_a_performer_does_not(two: Two) -> None:
    by_number = {"type": "Patient", "identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": two.child}}
    id_ = await two.file(two.naming(two.child, focus=[by_number]), two.mother)
    assert await two.sees(id_, two.child) == (True, 200)
    did = two.naming("", performer=[{"reference": two.address(two.child)}])
    assert await two.sees(await two.file(did, two.mother), two.child) == (False, 404)


async def test_both_logs_tell_of_it_and_each_names_its_own_patients_records_alone(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    own = await two.file(two.naming(""), two.child)
    await two.found(two.child)
    assert [(row["rule"], row["ids"]) for row in await two.log(two.child)] == [
        ("care", [UUID(own)]),
        (audit.ELSEWHERE, []),
    ]
    (row,) = await two.log(two.mother)
    assert (row["rule"], row["ids"], row["outcome"], row["purpose"]) == ("named", [UUID(id_)], audit.GIVEN, "TREAT")
    # What was attested is about the child, and says nothing in the mother's log.
    assert (row["decision"], row["healthcare_service"], row["written"], row["attested_at"]) == ("", "", b"", None)
    await two.read(id_, two.child)
    assert [row["rule"] for row in await two.log(two.child)] == ["care", audit.ELSEWHERE, audit.ELSEWHERE]
    assert [(row["rule"], row["ids"]) for row in await two.log(two.mother)] == [("named", [UUID(id_)])] * 2


async def test_a_search_that_nothing_of_anothers_answers_leaves_no_row_in_that_ones_log(two: Two) -> None:
    await two.file(two.naming(two.child), two.mother)
    assert await two.found(two.child, "?code=NPU00000") == []
    assert await two.log(two.mother) == []
    assert [row["rule"] for row in await two.log(two.child)] == ["care"]


async def test_theirs_are_sorted_counted_and_paged_among_hers(two: Two) -> None:
    values = {await two.file(two.naming("", 2.0 * n), two.child): 2.0 * n for n in range(1, 4)}
    values |= {await two.file(two.naming(two.child, 2.0 * n + 1), two.mother): 2.0 * n + 1 for n in range(1, 4)}
    asked, found, path = two.ward.doctor(two.child), [], "Observation?_sort=value-quantity&_count=2&code=NPU03230"
    while path:
        status, tree = await two.ask("GET", path, asked, two.child)
        assert (status, tree["total"]) == (200, 6)
        found += [one["resource"]["id"] for one in tree["entry"]]
        path = next((one["url"].partition(f"{FHIR}/")[2] for one in tree["link"] if one["relation"] == "next"), "")
    assert [values[id_] for id_ in found] == [2, 3, 4, 5, 6, 7]
    count = await two.ask("GET", "Observation?_summary=count&value-quantity=gt4.5", asked, two.child)
    assert count[1]["total"] == 3


async def test_plain_pages_hold_each_once_in_the_order_of_their_dates(two: Two) -> None:
    of = [(two.child, ""), (two.mother, two.child)] * 3
    days = [f"2026-02-1{n}" for n in range(6)]
    made = [
        await two.file(two.naming(named, effectiveDateTime=day), home)
        for (home, named), day in zip(of, days, strict=True)
    ]
    found, path = [], "Observation?_count=2"
    while path:
        tree = (await two.ask("GET", path, two.ward.doctor(two.child), two.child))[1]
        found += [one["resource"]["id"] for one in tree["entry"]]
        path = next((one["url"].partition(f"{FHIR}/")[2] for one in tree["link"] if one["relation"] == "next"), "")
    assert found == made[::-1]


async def test_who_names_the_subject_or_asks_by_a_chain_finds_hers_alone(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    child = two.address(two.child)
    assert await two.found(two.child, f"?focus={child}") == [id_]
    assert await two.found(two.child, f"?subject={child}") == await two.found(two.child, f"?patient={child}") == []
    assert await two.found(two.child, "?specimen.type=122555007") == []


async def test_a_later_version_that_names_her_no_more_and_a_deletion_take_it_out_of_her_record(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    changed = two.naming("") | two.of(two.mother) | {"id": id_}
    assert (await two.ask("PUT", f"Observation/{id_}", LAB, tree=changed, if_match='W/"1"'))[0] == 200
    assert await two.sees(id_, two.child) == (False, 404)
    again = two.naming(two.child) | two.of(two.mother) | {"id": id_}
    assert (await two.ask("PUT", f"Observation/{id_}", LAB, tree=again, if_match='W/"2"'))[0] == 200
    assert await two.sees(id_, two.child) == (True, 200)
    assert (await two.ask("DELETE", f"Observation/{id_}", LAB))[0] == 204
    assert await two.sees(id_, two.child) == (False, 404)
    assert await two.ward.house.store.pool.fetchval("SELECT count(*) FROM pointer WHERE id = $1", UUID(id_)) == 0


async def test_a_row_that_a_record_does_not_bear_out_shows_nobody_anything(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    other = await two.file(two.naming(""), two.mother)
    made = "INSERT INTO pointer SELECT patient, type, $2, home FROM pointer WHERE id = $1"
    await two.ward.house.store.pool.execute(made, UUID(id_), UUID(other))
    assert await two.sees(other, two.child) == (False, 404)
    assert {(*row["ids"],) for row in await two.log(two.mother) if row["outcome"] == audit.GIVEN} == {(UUID(id_),)}


async def test_what_a_transaction_files_and_patches_is_found_as_what_a_request_does(two: Two) -> None:
    entries = [
        {"resource": two.naming(two.child) | {"subject": {"reference": two.address(two.mother)}},
         "request": {"method": "POST", "url": "Observation"}},
        {"resource": two.naming(two.mother, 9.5) | {"subject": {"reference": two.address(two.child)}},
         "request": {"method": "POST", "url": "Observation"}},
    ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    status, answer = await two.ask("POST", "", LAB, tree=bundle)
    assert status == 200, answer
    mothers, childs = (one["response"]["location"].split("/")[-3] for one in answer["entry"])
    assert set(await two.found(two.child)) == set(await two.found(two.mother)) == {mothers, childs}
    patch = [{"op": "remove", "path": "/focus"}]
    patched = await two.ask(
        "PATCH", f"Observation/{mothers}", LAB, tree=patch, if_match='W/"1"', content_type="application/json-patch+json"
    )
    assert patched[0] == 200, patched
    assert await two.found(two.child) == [childs]


async def test_what_a_condition_files_is_found_too(two: Two) -> None:
    tree = two.naming(two.child, identifier=[{"system": "urn:x", "value": "k1"}], **two.of(two.mother))
    criteria = {"if_none_exist": "identifier=urn:x|k1"}
    assert (await two.ask("POST", "Observation", LAB, two.mother, tree, **criteria))[0] == 201
    assert len(await two.found(two.child)) == 1


async def test_it_is_found_under_a_number_that_is_linked_and_no_more_when_the_link_is_undone(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    store, later = two.ward.house.store, fresh_number()
    key = await two.ward.person(later)
    assert await two.sees(id_, later) == (False, 404)
    async with store.pool.acquire() as conn:
        await store.people.link(conn, key, two.keys[two.child], "register", "one person", NOW)
    assert await two.sees(id_, later) == (True, 200)
    async with store.pool.acquire() as conn:
        await store.people.unlink(conn, key, two.keys[two.child], "register", NOW)
    assert await two.sees(id_, later) == (False, 404)


async def test_her_own_record_under_a_linked_number_is_hers_and_stands_once(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    store = two.ward.house.store
    async with store.pool.acquire() as conn:
        await store.people.link(conn, two.keys[two.mother], two.keys[two.child], "register", "one person", NOW)
    assert await two.found(two.child) == [id_]
    assert {row["rule"] for row in await two.log(two.mother)} | {row["rule"] for row in await two.log(two.child)} == {
        "care"
    }


async def test_a_label_of_the_source_and_a_restriction_of_the_record_hide_it_in_the_others_too(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    pool = two.ward.house.store.pool
    for label, seen in ((Label.WITHHELD_FROM_CITIZEN, (True, 200)), (Label.RESTRICTED, (False, 404))):
        await pool.execute("UPDATE record SET labels = $2 WHERE id = $1", UUID(id_), int(label))
        assert await two.sees(id_, two.child) == seen


async def test_the_caller_with_an_attestation_about_the_child_alone_reads_no_other_record_of_the_mothers(
    two: Two,
) -> None:
    await two.file(two.naming(two.child), two.mother)
    other = await two.file(two.naming(""), two.mother)
    assert await two.sees(other, two.child) == (False, 404)
    doctor = two.ward.doctor(two.child)
    assert (await two.ask("GET", "Observation", doctor, two.mother))[0] == 403


async def test_nobody_but_whom_the_law_opens_the_child_to_is_asked_about_the_mother(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    stranger = replace(two.ward.doctor(two.child), organisation="100000016", point_of_care="100000016")
    assert (await two.ask("GET", "Observation", stranger, two.child))[0] == 403
    assert await two.read(id_, two.child, stranger) == 404
    assert [row["rule"] for row in await two.log(two.mother) if row["outcome"] == audit.GIVEN] == []


async def test_the_mother_at_a_portal_for_her_child_finds_what_is_the_childs_alone(two: Two) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    own = two.ward.house.digest(two.child)
    adult = Caller("citizen", "portal", frozenset({"kjerne:citizen", "kjerne:portal"}), digest=own, level=4)
    assert await two.found(two.child, caller=adult) == []
    assert await two.read(id_, two.child, adult) == 404
    assert [row["rule"] for row in await two.log(two.mother) if row["outcome"] == audit.GIVEN] == []


async def test_a_choice_of_either_shuts_it_and_it_is_there_again_when_that_is_lifted(
    workers: tuple[Worker, Worker],
) -> None:
    ward = workers[0]
    mother, child = fresh_number(), fresh_number()
    two = Two(ward, mother, child, {number: await ward.person(number) for number in (mother, child)})
    id_ = await two.file(two.naming(two.child), two.mother)
    assert await two.sees(id_, child) == (True, 200)
    for wish in (
        Wish("opt-out"),
        Wish("restriction"),
        Wish("block", hpr="9144889"),
        Wish("restriction", role="doctors"),
    ):
        held = await ward.choose(mother, wish)
        assert await two.sees(id_, child) == (False, 404), wish
        await ward.lift(mother, held)
        assert await two.sees(id_, child) == (True, 200), wish
    for wish in (Wish("block", hpr="9144900"), Wish("restriction", role="nurses")):
        await ward.choose(mother, wish)
        assert await two.sees(id_, child) == (True, 200), wish
    part = await ward.choose(child, Wish("restriction", part="laboratory"))
    assert await two.sees(id_, child) == (False, 404)
    await ward.lift(child, part)
    await ward.choose(child, Wish("restriction"))
    assert (await two.ask("GET", "Observation", ward.doctor(child), child))[0] == 403
    assert await two.read(id_, child) == 404


async def test_what_names_somebody_who_has_opted_out_leaves_no_row_about_her(workers: tuple[Worker, Worker]) -> None:
    ward = workers[0]
    mother, child = fresh_number(), fresh_number()
    two = Two(ward, mother, child, {number: await ward.person(number) for number in (mother, child)})
    await ward.choose(child, Wish("opt-out"))
    id_ = await two.file(two.naming(two.child), two.mother)
    assert await ward.house.store.pool.fetchval("SELECT count(*) FROM pointer WHERE id = $1", UUID(id_)) == 0


async def test_the_facts_of_whom_nothing_names_say_so(two: Two) -> None:
    await two.file(two.naming(two.child), two.mother)
    told = {}
    for number in (two.mother, two.child):
        ref = PatientRef(digest=two.ward.house.digest(number))
        told[number] = (await two.ward.admit(two.ward.doctor(number))(ref, "results", "search")).subject.pointed
    assert told == {two.mother: False, two.child: True}


async def test_what_was_written_while_two_were_linked_by_mistake_is_found_once_that_is_undone(two: Two) -> None:
    store = two.ward.house.store
    async with store.pool.acquire() as conn:
        await store.people.link(conn, two.keys[two.mother], two.keys[two.child], "register", "one person", NOW)
    id_ = await two.file(two.naming(two.child), two.mother)
    assert await two.found(two.child) == [id_]
    async with store.pool.acquire() as conn:
        await store.people.unlink(conn, two.keys[two.mother], two.keys[two.child], "register", NOW)
    assert await two.sees(id_, two.child) == (True, 200)
    assert [row["rule"] for row in await two.log(two.mother)][-1] == "named"


async def test_records_of_several_others_are_laid_in_one_page_each_under_its_own_law(two: Two) -> None:
    father = fresh_number()
    keys = {**two.keys, father: await two.ward.person(father)}
    three = replace(two, keys=keys)
    ids = [await three.file(three.naming(two.child, value), home) for value, home in ((1, two.mother), (2, father))]
    assert await three.found(two.child, "?_sort=value-quantity") == ids
    async with two.ward.house.store.pool.acquire() as conn:
        block = Choice("block", "results", "9144889", "", NOW, None)
        await two.ward.house.store.people.add_choice(conn, keys[father], block)
    assert await three.found(two.child) == ids[:1]
    assert [len(await three.log(number)) for number in (two.mother, father)] == [2, 1]


@pytest.mark.parametrize("whose", ["mother", "child"])
async def test_an_opt_out_of_either_takes_the_row_along_when_what_lies_there_is_deleted(two: Two, whose: str) -> None:
    id_ = await two.file(two.naming(two.child), two.mother)
    store, key = two.ward.house.store, two.keys[getattr(two, whose)]
    async with store.pool.acquire() as conn:
        opted_out = Choice("opt-out", "results", "", "", NOW - timedelta(days=31), None)
        number = await store.people.add_choice(conn, key, opted_out)
    eraser = Eraser(store.pool, two.ward.house.clock, types_by_service(), store.wrap.shares)
    await eraser.erase(Job(KIND, f"{key}:{number}", NOW, 1))
    counts = "SELECT (SELECT count(*) FROM pointer WHERE id = $1), (SELECT count(*) FROM record WHERE id = $1)"
    assert tuple(await store.pool.fetchrow(counts, UUID(id_))) == (0, int(whose == "child"))


async def test_each_of_two_may_be_named_by_the_other_at_the_same_time(two: Two) -> None:
    async def file(home: str, named: str) -> int:
        return (await two.ask("POST", "Observation", LAB, home, two.naming(named, **two.of(home))))[0]

    pairs = [(two.mother, two.child), (two.child, two.mother)] * 4
    answers = await asyncio.gather(*(file(*pair) for pair in pairs))
    # Who has to wait for the other and is waited for is told to send it again.
    assert set(answers) <= {201, 503} and 201 in answers
    again = [await file(*pair) for pair, answer in zip(pairs, answers, strict=True) if answer == 503]
    assert set(again) <= {201}
    for about in (two.mother, two.child):
        assert len(await two.found(about)) == len(pairs)


async def test_nothing_is_looked_up_for_whom_nothing_names(two: Two) -> None:
    # Who reads the table waits for this transaction, which does not end before the answers are there.
    async with two.ward.house.store.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE pointer IN ACCESS EXCLUSIVE MODE")
        id_ = await two.file(two.naming(""), two.child)
        assert await two.sees(id_, two.child) == (True, 200)
        changed = two.naming("", 8.5) | {"id": id_}
        assert (await two.ask("PUT", f"Observation/{id_}", LAB, tree=changed, if_match='W/"1"'))[0] == 200
        assert (await two.ask("DELETE", f"Observation/{id_}", LAB))[0] == 204
