"""Transactions that write records about no patient, alone or beside a patient's: what they take, and what they never tell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from bundles import bundle, entry, places, send, statuses
from kjerne.fhir.definitions import type_number
from kjerne.sandbox.sts import provider
from kjerne.services import standards_batch
from kjerne.store import shared
from kjerne.store.joined import Concerned
from platform_fixture import Answered, Standing, Tree
from services.test_shared_records import ask, organisation
from services.test_standards import observation

WHO = "parent"
UNKNOWN = "13116900216"
BOTH = "kjerne:registries kjerne:registries-write"


@pytest.fixture
def mixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tokens of any scopes: a source that keeps registers too is no client of the sandbox."""
    monkeypatch.setattr(provider, "scopes_of", lambda _, asked: tuple(asked.split()))
    monkeypatch.setattr(provider, "audience_of", lambda *_: "nhn:pps")
    yield


def sent(platform: Standing, *entries: Tree, about: str = "", **more: Any) -> Answered:
    """A transaction of the laboratory, whose token opens registers too."""
    return send(platform, bundle("transaction", *entries), about=about, narrower=BOTH, **more)


@pytest.mark.usefixtures("mixed")
def test_an_id_of_a_record_about_nobody_tells_nothing_of_the_header_s_number(
    platform: Standing, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Concerned] = []

    async def concerned(*given: Any) -> Concerned:
        found.append(await standing(*given))
        return found[-1]

    standing = standards_batch.concerned
    monkeypatch.setattr(standards_batch, "concerned", concerned)
    for about in (WHO, "opted-out", UNKNOWN):
        answer = sent(platform, entry("POST", "Organization", organisation(word)), about=about)
        made = UUID(places(answer)[0].split("/")[1])
        assert (made.version, made.variant) == (4, "specified in RFC 4122")
        assert platform.audited(answer.response) == []
    assert found == [Concerned({}, [])] * 3


@pytest.mark.usefixtures("mixed")
def test_records_about_nobody_refer_to_one_another_in_a_circle_and_a_patient_s_to_them(
    platform: Standing, word: str
) -> None:
    one, two = (f"urn:uuid:{uuid4()}" for _ in range(2))
    answer = sent(
        platform,
        entry("POST", "Organization", organisation(word, partOf={"reference": two}), one),
        entry("POST", "Organization", organisation(word, partOf={"reference": one}), two),
        entry("POST", "Observation", observation(performer=[{"reference": one}])),
        about=WHO,
    )
    assert statuses(answer) == [201, 201, 201]
    first, second, observed = places(answer)
    assert ask(platform, "GET", first).tree["partOf"] == {"reference": second}
    assert ask(platform, "GET", second).tree["partOf"] == {"reference": first}
    assert answer.tree["entry"][2]["resource"]["performer"] == [{"reference": first}]
    (row,) = platform.audited(answer.response)
    assert [str(id_) for id_ in row["ids"]] == [observed.split("/")[1]]


@pytest.mark.usefixtures("mixed")
def test_a_record_about_nobody_looks_for_no_record_of_a_patient_s(platform: Standing, word: str) -> None:
    refers = organisation(word, partOf={"reference": f"Observation?identifier={word}"})
    answer = sent(platform, entry("POST", "Organization", refers), about=WHO)
    assert answer.status == 422
    assert platform.audited(answer.response) == []


def test_a_patient_s_record_refers_by_condition_to_a_record_about_nobody_of_any_source(
    platform: Standing, word: str
) -> None:
    there = ask(platform, "POST", "Organization", organisation(word)).tree["id"]
    performer = [{"reference": f"Organization?name={word}"}]
    filed = entry("POST", "Observation", observation(performer=performer))
    answer = send(platform, bundle("transaction", filed), about=WHO)
    assert answer.status == 200
    (made,) = answer.tree["entry"]
    assert made["resource"]["performer"] == [{"reference": f"Organization/{there}"}]


@pytest.mark.parametrize(
    ("criteria", "many", "status"),
    [("name={word}", 0, 412), ("name={word}", 2, 412), ("", 0, 400), ("name={word}&_sort=name", 1, 400),
     ("identifier=" + UNKNOWN, 0, 422)],
)  # fmt: skip
def test_a_condition_that_means_not_one_record_about_nobody_is_refused_in_its_place(
    platform: Standing, word: str, criteria: str, many: int, status: int
) -> None:
    for _ in range(many):
        ask(platform, "POST", "Organization", organisation(word))
    performer = [{"reference": f"Organization?{criteria.format(word=word)}"}]
    filed = entry("POST", "Observation", observation(performer=performer))
    answer = send(platform, bundle("transaction", filed), about=WHO)
    assert (answer.status, answer.issue["expression"]) == (status, ["Bundle.entry[0].resource"])


def test_a_condition_finds_no_more_than_the_token_s_smart_scopes_leave(platform: Standing, word: str) -> None:
    ask(platform, "POST", "Organization", organisation(word))
    filed = entry("POST", "Observation", observation(performer=[{"reference": f"Organization?name={word}"}]))
    answer = send(platform, bundle("transaction", filed), about=WHO, narrower="system/Observation.c")
    assert answer.status == 403


@pytest.mark.usefixtures("mixed")
def test_a_type_is_held_before_any_record_of_it_as_a_single_condition_holds_it(platform: Standing, word: str) -> None:
    """Else the one would hold the record and wait for the type, the other hold the type and wait for the record."""
    made = places(sent(platform, entry("POST", "Organization", organisation(word))))[0].split("/")[1]
    number = type_number("Organization")

    async def at_odds(transaction: Future[Answered]) -> None:
        conn = await asyncpg.connect(platform.dsn)
        try:
            async with conn.transaction():
                await shared.hold_type(conn, number)
                begin.set()
                while not await conn.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                ):
                    assert not transaction.done()
                    await asyncio.sleep(0.01)
                await conn.execute("SET LOCAL lock_timeout = '300ms'")
                await shared.hold(conn, number, made)
        finally:
            await conn.close()

    begin = threading.Event()

    def work() -> Answered:
        begin.wait(10)
        named = entry("PUT", f"Organization?name={uuid4()}", organisation(word))
        put = entry("PUT", f"Organization/{made}", organisation(word, id=made), ifMatch='W/"1"')
        return sent(platform, put, named)

    with ThreadPoolExecutor(1) as other:
        transaction = other.submit(work)
        platform.run(at_odds(transaction))
        assert statuses(transaction.result(10)) == [200, 201]


def test_who_keeps_registers_alone_sends_bundles_of_them_and_opens_nothing_else(platform: Standing, word: str) -> None:
    written = entry("POST", "Organization", organisation(word))
    assert statuses(send(platform, bundle("transaction", written), as_="registry")) == [201]
    answer = send(
        platform, bundle("batch", written, entry("POST", "Observation", observation())), as_="registry", about=WHO
    )
    assert statuses(answer) == [201, 403]
