"""Results that are taken back with their reports, and what is deleted: told to who had read it, and what the pages show."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from kjerne.access import Choice, Label
from kjerne.fhir.encode import decode, encode
from kjerne.registries.identifiers import digest
from pages.test_live import DAY, a_report, blocked, by_fhir, filed, seen, send, since, tab, text
from pages.test_live_corrections import deleted
from platform_fixture import Standing


def a_report_of(*results: str, status: str = "final", name: str = "Svar") -> dict[str, Any]:
    named = [{"reference": f"Observation/{one}"} for one in results]
    tree = {"resourceType": "DiagnosticReport", "status": status, "code": {"text": name}}
    return tree | ({"result": named} if named else {})


def test_results_whose_every_report_is_withdrawn_by_fhir_do_not_stand_and_are_told(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    names = [f"P-Prøve {mark} {place}" for place in ("alene", "delt")]
    alone, shared = (by_fhir(platform, name, "140") for name in names)
    first = filed(platform, a_report_of(alone, shared, name=f"Panel {mark}"))
    second = filed(platform, a_report_of(shared))
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        assert mark in text(it.type(nin))
        filed(platform, a_report_of(alone, shared, status="entered-in-error", name=f"Panel {mark}"), first)
        desk = text(it.get("/clinician"))
        assert re.search(rf"{names[0]} trukket Du så 140 mmol/L {DAY}. Svaret er trukket tilbake", desk)
        assert names[1] not in desk, "another live report keeps it"
        for page in (it.type(nin), own.get("/me/results")):
            assert re.search(rf"{names[0][2:]}(?:(?!</tr>).)*?<del>140</del>", page.text, re.DOTALL), page.url
            assert not re.search(rf"{names[1][2:]}(?:(?!</tr>|</li>).)*?<del>140</del>", page.text, re.DOTALL)
        filed(platform, a_report_of(shared, status="cancelled"), second)
        desk = text(it.get("/clinician"))
        assert re.search(rf"{names[1]} trukket Du så 140 mmol/L {DAY}. Svaret er trukket tilbake", desk)
        filed(platform, a_report_of(alone))
        desk = text(it.get("/clinician"))
        told = rf"{names[0]} rettet Svaret var trukket tilbake da du så det {DAY}. Det gjelder nå igjen 140 mmol/L"
        assert re.search(told, desk)
        row = re.search(rf"{names[0]}</a>(.*?)</tr>", it.type(nin).text, re.DOTALL)
        assert row and "<del>140" not in row[1]


def test_a_result_that_is_taken_back_with_its_report_and_stands_again_before_she_looks_is_not_told(
    platform: Standing,
) -> None:
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140")
    report = filed(platform, a_report_of(id_))
    with tab(platform, "gp") as it:
        assert name in text(it.type(nin))
        filed(platform, a_report_of(id_, status="entered-in-error"), report)
        filed(platform, a_report_of(id_))
        assert name not in text(it.get("/clinician"))
    assert not platform.rows("SELECT 1 FROM notice WHERE id = $1 AND seen_at IS NULL", UUID(id_))


def test_a_result_that_was_taken_back_with_its_report_is_none_that_was_already_done(platform: Standing) -> None:
    code = {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU19763"}], "text": "P-Ferritin"}
    day = f"{platform.clock.now():%Y-%m-%dT00:00:00Z}"
    for _ in range(2):  # the sandbox may have one of its own
        before = verdict(platform)
        id_ = by_fhir(platform, "", "40", code=code, effectiveDateTime=day)
        report = filed(platform, a_report_of(id_))
        assert id_ in verdict(platform)
        filed(platform, a_report_of(id_, status="entered-in-error"), report)
        assert verdict(platform) == before


def test_a_report_that_is_imported_takes_back_and_lets_stand_as_one_that_is_created_does(platform: Standing) -> None:
    id_ = by_fhir(platform, f"P-Prøve {secrets.token_hex(4)}", "140")

    def marked_after(status: str) -> bool:
        answer = platform.client.call(
            "POST", "/fhir/R4/$import", as_="lab", patient=platform.nin("citizen"),
            body=encode(a_report_of(id_, status=status)), headers={"content-type": "application/x-ndjson"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return is_marked(platform, id_)

    assert [marked_after(status) for status in ("entered-in-error", "final")] == [True, False]


@pytest.mark.parametrize("way", ["created", "imported", "a group within"])
def test_a_live_report_that_leads_to_a_result_by_its_groups_lets_it_stand(platform: Standing, way: str) -> None:
    id_ = by_fhir(platform, f"P-Prøve {secrets.token_hex(4)}", "140")
    filed(platform, a_report_of(id_, status="entered-in-error"))
    assert is_marked(platform, id_)
    group = by_fhir(platform, "Gruppe", "1", hasMember=[{"reference": f"Observation/{id_}"}])
    assert is_marked(platform, id_), "no report leads to the group yet"
    if way == "a group within":
        outer = by_fhir(platform, "Ytre", "1")
        filed(platform, a_report_of(outer))
        assert is_marked(platform, id_)
        by_fhir(platform, "Ytre", "1", outer, 1, hasMember=[{"reference": f"Observation/{group}"}])
    elif way == "created":
        filed(platform, a_report_of(group))
    else:
        platform.client.call(
            "POST", "/fhir/R4/$import", as_="lab", patient=platform.nin("citizen"), body=encode(a_report_of(group)),
            headers={"content-type": "application/x-ndjson"},
        )  # fmt: skip
    assert not is_marked(platform, id_)


def changed(platform: Standing, path: str, version: int, tree: dict[str, Any] | None) -> None:
    """A new version of a record by its sender, or none of it any more."""
    headers = {"content-type": "application/fhir+json", "if-match": f'W/"{version}"'}
    body = encode(tree | {"id": path.partition("/")[2]}) if tree else b""
    answer = platform.client.call(
        "PUT" if tree else "DELETE", f"/fhir/R4/{path}", as_="lab", body=body, headers=headers
    )
    assert answer.status_code in (200, 204), answer.text


def is_marked(platform: Standing, id_: str) -> bool:
    (row,) = platform.rows("SELECT labels FROM record WHERE id = $1", UUID(id_))
    return bool(row["labels"] & Label.WITHDRAWN_WITH_REPORT)


VOID_STATUS = {"status": "entered-in-error"}


@pytest.mark.parametrize("first", ["group", "report", "tidied"])
def test_what_was_taken_back_stays_so_whatever_is_tidied_up_and_in_whichever_order(
    platform: Standing, first: str
) -> None:
    name = f"P-Prøve {secrets.token_hex(4)}"
    member = by_fhir(platform, name, "140")
    named = {"hasMember": [{"reference": f"Observation/{member}"}]}
    group = {"resourceType": "Observation", "status": "final", "code": {"text": f"{name} panel"}}
    held = filed(platform, group | named)
    report = filed(platform, a_report_of(held))
    of_group, of_report = f"Observation/{held}", f"DiagnosticReport/{report}"
    if first == "group":
        changed(platform, of_group, 1, None)
        assert not is_marked(platform, member)
        changed(platform, of_report, 1, None)
    elif first == "report":
        changed(platform, of_report, 1, a_report_of() | VOID_STATUS)
        assert is_marked(platform, member), "the withdrawal need not name what it takes back"
        changed(platform, of_group, 1, None)
        assert is_marked(platform, member)
        changed(platform, of_report, 2, None)
    else:
        changed(platform, of_report, 1, a_report_of(held) | VOID_STATUS)
        changed(platform, of_group, 1, group)
        assert is_marked(platform, member)
        changed(platform, of_report, 2, a_report_of() | VOID_STATUS)
    assert is_marked(platform, member)
    filed(platform, a_report_of(member))
    assert not is_marked(platform, member)


def test_what_a_report_let_go_while_it_stood_is_not_taken_back_with_it(platform: Standing) -> None:
    kept, let_go, dropped = (by_fhir(platform, f"P-Prøve {secrets.token_hex(4)}", "140") for _ in range(3))
    report = filed(platform, a_report_of(kept, let_go, dropped))
    changed(platform, f"DiagnosticReport/{report}", 1, a_report_of(kept, dropped))
    changed(platform, f"DiagnosticReport/{report}", 2, a_report_of(kept) | VOID_STATUS)
    assert [is_marked(platform, one) for one in (kept, let_go, dropped)] == [True, False, True]


def verdict(platform: Standing) -> str:
    answer = platform.client.call(
        "POST", "/pps/v2/already-done", as_="gp", patient=platform.nin("citizen"),
        form=(("code", "urn:oid:2.16.578.1.12.4.1.1.7280|NPU19763"),),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    return re.sub(r"urn:uuid:[0-9a-f-]+", "", answer.text)


def test_a_value_that_is_corrected_while_it_was_taken_back_keeps_its_former_one(platform: Standing) -> None:
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140")
    report = filed(platform, a_report_of(id_))
    filed(platform, a_report_of(id_, status="entered-in-error"), report)
    by_fhir(platform, name, "150", id_, 1, status="corrected")
    with tab(platform, "gp") as it:
        row = re.search(rf"{name}</a>(.*?)</tr>", it.type(nin).text, re.DOTALL)
        assert row and "<del>150</del>" in row[1], "what it said last is what was taken back"
        filed(platform, a_report_of(id_))
        row = re.search(rf"{name}</a>(.*?)</tr>", it.type(nin).text, re.DOTALL)
        assert row and re.search(r"150.*<del>140", row[1], re.DOTALL), row[1]


@pytest.mark.parametrize(("way", "looks"), [("deleted", False), ("withdrawn", False), ("withdrawn", True)])
def test_a_message_of_a_report_that_was_taken_back_by_fhir_lets_its_results_stand_again(
    platform: Standing, way: str, looks: bool
) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    name = f"P-Prøve {mark}"
    send(platform, a_report(nin, mark, "140", analysis=name))
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        report, tree = the_report_of(platform, name)
        if way == "deleted":
            changed(platform, f"DiagnosticReport/{report}", 1, None)
        else:
            filed(platform, tree | {"status": "entered-in-error"}, report)
        looked = text(it.get("/clinician")) if looks else ""
        assert bool(re.search(rf"{name} trukket Du så 140 mmol/L", looked)) is looks
        send(platform, a_report(nin, mark, "151", corrects=True, analysis=name, made=since(platform)))
        was = "Svaret var trukket tilbake da du så det" if looks else "Du så 140 mmol/L"
        now = "Det gjelder nå igjen" if looks else "Svaret er nå"
        desk = text(it.get("/clinician"))
        assert re.search(rf"{name} rettet {was} {DAY}. {now} 151 mmol/L", desk), desk[desk.find(name) - 200 :][:600]
        row = re.search(rf"{name}</a>(.*?)</tr>", it.type(nin).text, re.DOTALL)
        assert row and re.search(r"151.*<del>140", row[1], re.DOTALL), row[1]


def the_report_of(platform: Standing, name: str) -> tuple[str, dict[str, Any]]:
    """The id and body of the report that a result of this name is in, as its sender's system reads it."""
    found = []
    for kind in ("Observation", "DiagnosticReport"):
        answer = platform.client.call(
            "GET", f"/fhir/R4/{kind}?_count=200&_sort=-_lastUpdated", as_="gp", patient=platform.nin("citizen")
        )
        assert answer.status_code == 200, answer.text
        found.append([entry["resource"] for entry in decode(answer.content)["entry"]])
    (own,) = (one["id"] for one in found[0] if one["code"].get("text") == name)
    (report,) = (one for one in found[1] if f"Observation/{own}" in str(one.get("result")))
    return report["id"], report


@contextmanager
def restricted(platform: Standing, record: str) -> Iterator[None]:
    """While the citizen has restricted this record by itself."""
    store = platform.application._edge.store

    async def begin() -> tuple[int, int]:
        async with store.pool.acquire() as conn:
            key = await store.people.key_of(conn, digest(store.keys.derived("identifier"), platform.nin("citizen")))
            choice = Choice("record", "", "", "", platform.clock.now(), None, record=UUID(record))
            return key, await store.people.add_choice(conn, key, choice)

    async def end(key: int, number: int) -> None:
        async with store.pool.acquire() as conn:
            await store.people.end_choice(conn, key, number, platform.clock.now())

    key, number = platform.run(begin())
    yield
    platform.run(end(key, number))


def test_what_is_deleted_by_fhir_is_told_as_taken_back_with_name_and_what_was_read(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    names = [f"P-Prøve {mark} {place}" for place in range(2)]
    ids = [by_fhir(platform, name, "140") for name in names]
    with tab(platform, "gp") as it:
        assert mark in text(it.type(nin))
        platform.rows("UPDATE notice SET seen_at = made_at WHERE seen_at IS NULL RETURNING 1")
        by_fhir(platform, names[0], "151", ids[0], 1, status="corrected")
        for id_ in ids:
            deleted(platform, "Observation", id_)
        since = platform.clock.now()
        desk = it.get("/clinician")
        for name in names:
            assert re.search(rf"{name} trukket Du så 140 mmol/L {DAY}. Svaret er trukket tilbake", text(desk))
        assert "feil pasient" not in text(desk)
        assert "Et svar du åpnet" not in text(desk), "the correction that she had not read goes with it"
        (row,) = platform.rows("SELECT ids, versions FROM audit WHERE at >= $1 AND $2 = ANY(ids)", since, UUID(ids[0]))
        named = [(str(id_), version) for id_, version in zip(row["ids"], row["versions"], strict=True)]
        assert sorted(named) == sorted([(ids[0], 1), (ids[0], 2), (ids[1], 1)]), "what she is told is in the log"
        assert mark not in text(seen(it, desk, names[0]))


def test_a_report_that_is_deleted_is_told_with_its_name_and_its_words(platform: Standing) -> None:
    name = f"Epikrise {secrets.token_hex(4)}"
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": name}, "conclusion": "Normalt"}
    id_ = filed(platform, report)
    with tab(platform, "gp") as it:
        visit = it.type(platform.nin("citizen"))
        assert name in text(it.get(f"{visit.url.path}/report/{id_}"))
        deleted(platform, "DiagnosticReport", id_)
        told = rf"{name} trukket Du så Normalt {DAY}. Svaret er trukket tilbake"
        assert re.search(told, text(it.get("/clinician")))


@pytest.mark.parametrize("how", ["before", "after", "block"])
def test_what_the_patient_shut_is_told_without_a_name_when_it_is_deleted(platform: Standing, how: str) -> None:
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    id_ = by_fhir(platform, name, "140")
    with tab(platform, "gp") as it:
        assert name in text(it.type(nin))
        if how == "before":
            platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(id_), int(Label.RESTRICTED))
        deleted(platform, "Observation", id_)
        if how == "block":
            with blocked(platform, "citizen", "gp"):
                said = text(it.get("/clinician"))
        elif how == "after":
            other = by_fhir(platform, f"P-Annen {name[-8:]}", "7")
            with restricted(platform, other):
                said = text(it.get("/clinician"))
        else:
            said = text(it.get("/clinician"))
    assert name not in said
    assert "Et svar du åpnet" in said
