"""The review of the log over the real platform: a reason that the patient reads, judged once, shut where it must be."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kjerne.sandbox.sts import mint
from kjerne.store import audit
from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from services.results.test_intake_api import key_of

REASON = "Vurderer et blålysoppslag"
GLASS = "Bevisstløs i akuttmottak"


def broken_glass(platform: Standing, patient: str = "citizen") -> str:
    """The number of the log's row of a reading with the normal rules set aside."""
    read = platform.search("Observation", [("_count", "1")], as_="outsider", purpose="BTG", reason=GLASS, about=patient)
    assert read.status == 200, read.tree
    (row,) = platform.audited(read.response)
    return str(row["number"])


def listed(it: Tab, query: str = "") -> httpx.Response:
    page = it.get(f"/operations/readings{query}")
    assert page.status_code == 200, text(page)
    return page


def address(page: httpx.Response, number: str) -> str:
    (found,) = set(re.findall(rf'href="(/operations/readings/{number}\?[^"]+)"', page.text))
    return str(found).replace("&amp;", "&")


def hidden(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(from|to|step)" value="([^"]*)"', page.text))


def opened(it: Tab, number: str, reason: str = REASON) -> httpx.Response:
    page = it.get(address(listed(it, "?state="), number))
    return it.post(page, f"/operations/readings/{number}", reason=reason, **hidden(page))


def test_a_line_is_opened_for_a_reason_and_tells_of_whom_and_nothing_of_what_it_says(platform: Standing) -> None:
    number, name = broken_glass(platform), platform.persona("citizen").person_name
    with tab(platform, "administrator", "operations") as it:
        before = listed(it)
        line = it.get(address(before, number))
        for page in (before, line):
            assert name not in text(page)
            assert "Blålysoppslag" in text(page) or "reglene ble satt til side" in text(page)
        told = text(opened(it, number))
    assert name in told
    assert "1 resultat" in told
    assert GLASS not in told
    assert "skrev en begrunnelse" in told
    assert platform.nin("citizen") not in told
    (row,) = platform.rows("SELECT * FROM audit WHERE about = $1 AND patient <> 0", f"log-line/{number}")
    assert (row["action"], row["rule"], row["reason"]) == ("review", "log-line-opened", REASON)
    assert row["caller_name"] == platform.population.operator.name
    with tab(platform, "citizen", "me") as it:
        mine = text(it.get("/me/log?show=all"))
    assert "Så hvem et oppslag gjaldt" in mine
    assert REASON in mine


@pytest.mark.parametrize("reason", ["", "kort", "Spurt av 459200 40881 i dag"])
def test_without_a_reason_nothing_is_opened_and_no_patient_is_written_of(platform: Standing, reason: str) -> None:
    number = broken_glass(platform)
    with tab(platform, "administrator", "operations") as it:
        answer = opened(it, number, reason)
    assert (answer.status_code, "Skriv hvorfor" in text(answer)) == (400, True)
    assert platform.rows("SELECT 1 FROM audit WHERE about = $1", f"log-line/{number}") == []


def test_a_verdict_stands_with_its_author_and_the_line_is_not_reviewed_twice(platform: Standing) -> None:
    number = broken_glass(platform)
    with tab(platform, "administrator", "operations") as it:
        page = it.get(address(listed(it), number))
        first, at_once = hidden(page), f"/operations/readings/{number}/verdict"
        assert it.post(page, at_once, verdict="nonsense", **first).status_code == 400
        noted = it.post(page, at_once, verdict="to-ask", **first)
        assert "Notert: må spørres om." in text(noted)
        assert number not in noted.text, "what is judged leaves the list of what is not"
        twice = it.post(page, at_once, verdict="in-order", **first)
        assert (twice.status_code, "kan ikke vurderes" in text(twice)) == (409, True)
        asked = listed(it, "?state=to-ask")
        assert number in asked.text
        page = it.get(address(asked, number))
        assert platform.population.operator.name in text(page)
        it.post(page, at_once, verdict="reported", **hidden(page))
        assert number in listed(it, "?state=reported").text
    rows = platform.rows("SELECT * FROM audit WHERE about = $1 ORDER BY at", f"log-line/{number}")
    assert [(row["patient"], row["rule"], row["reason"]) for row in rows] == [
        (0, "log-line-judged", "to-ask"), (0, "log-line-judged", "reported")
    ]  # fmt: skip
    listing = platform.client.call("GET", "/oversight/anomalies", as_="operator").json()["readings"]
    (line,) = [one for one in listing if one["row"] == number]
    assert (line["verdict"]["says"], line["verdict"]["author"]) == ("reported", platform.population.operator.name)


def copied(platform: Standing, number: str, **changed: object) -> str:
    """Another reading as this one, but for what is changed."""
    made = uuid4()
    values = {"number": made} | changed
    columns = [name.strip() for name in audit.COLUMNS.split(",")]
    taken = ", ".join(f"${list(values).index(name) + 2}" if name in values else name for name in columns)
    platform.rows(
        f"INSERT INTO audit ({audit.COLUMNS}, types, ids, versions) SELECT {taken}, types, ids, versions FROM audit "
        "WHERE number = $1 RETURNING 1",
        UUID(number), *values.values(),
    )  # fmt: skip
    return str(made)


def test_a_line_about_a_protected_person_is_shut_without_saying_why_and_can_be_judged(platform: Standing) -> None:
    protected = key_of(platform, platform.nin("protected"))
    number = copied(platform, broken_glass(platform), patient=protected)
    with tab(platform, "administrator", "operations") as it:
        answer = opened(it, number)
        assert (answer.status_code, "Du kan ikke åpne denne linjen" in text(answer)) == (403, True)
        assert platform.persona("protected").person_name not in text(answer)
        (row,) = platform.rows(
            "SELECT outcome, rule FROM audit WHERE patient = $1 AND action = 'review' ORDER BY at DESC LIMIT 1",
            protected,
        )
        assert (row["outcome"], row["rule"]) == (1, "review-protected")
        page = it.get(address(listed(it), number))
        noted = it.post(page, f"/operations/readings/{number}/verdict", verdict="reported", **hidden(page))
        assert "Notert: meldt til virksomheten." in text(noted)


@pytest.fixture
def authorised(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> str:
    """The HPR number that the provider now says of the operator: the doctor's whom `citizen` blocks by name."""
    hpr, said = platform.persona("blocked-doctor").hpr, mint._person

    def with_hpr(login: Any) -> dict[str, Any]:
        named = {"helseid://claims/hpr/hpr_number": hpr} if login.persona.name == "administrator" else {}
        return said(login) | named

    monkeypatch.setattr(mint, "_person", with_hpr)
    return hpr


def test_whom_the_patient_blocks_by_name_does_not_review_what_is_about_her(platform: Standing, authorised: str) -> None:
    number = broken_glass(platform)
    with tab(platform, "administrator", "operations") as it:
        answer = opened(it, number)
    assert (answer.status_code, "Du kan ikke åpne denne linjen" in text(answer)) == (403, True)
    (row,) = platform.rows(
        "SELECT outcome, rule, caller_hpr FROM audit WHERE patient = $1 AND action = 'review' ORDER BY at DESC LIMIT 1",
        key_of(platform, platform.nin("citizen")),
    )
    assert (row["outcome"], row["rule"], row["caller_hpr"]) == (1, "review-by-a-blocked", authorised)


def test_nobody_reviews_a_reading_of_her_own(platform: Standing) -> None:
    with tab(platform, "administrator", "operations") as it:
        listed(it)
        (own,) = platform.rows(
            "SELECT caller_digest FROM audit WHERE rule = 'log-reviewed' AND caller_kind = 'practitioner' "
            "ORDER BY at DESC LIMIT 1"
        )
        number = copied(platform, broken_glass(platform), caller_digest=own["caller_digest"])
        page = it.get(address(listed(it), number))
        answers = [
            it.post(page, f"/operations/readings/{number}{more}", reason=REASON, verdict="in-order", **hidden(page))
            for more in ("", "/verdict")
        ]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert all("Ingen vurderer sine egne oppslag" in text(answer) for answer in answers)


def test_nobody_reviews_what_she_read_under_another_of_her_numbers(platform: Standing) -> None:
    """By HPR number, and by what the register of persons links to the number that she is logged in with."""
    people, store = platform.population, platform.application._edge.store
    own, other = (key_of(platform, one.nin) for one in (people.operator, people.people[-3]))

    async def linked(undo: bool) -> None:
        async with store.pool.acquire() as conn:
            if undo:
                await store.people.unlink(conn, own, other, "test", platform.clock.now())
            else:
                await store.people.link(conn, own, other, "test", "one human", platform.clock.now())

    (row,) = platform.rows("SELECT digest FROM person_identifier WHERE patient = $1", other)
    number = copied(platform, broken_glass(platform), caller_digest=row["digest"], caller_hpr="")
    with tab(platform, "administrator", "operations") as it:
        page = it.get(address(listed(it), number))
        platform.run(linked(undo=False))
        try:
            answers = [
                it.post(page, f"/operations/readings/{number}{more}", reason=REASON, verdict="in-order", **hidden(page))
                for more in ("", "/verdict")
            ]
        finally:
            platform.run(linked(undo=True))
        assert [answer.status_code for answer in answers] == [403, 403]
        assert opened(it, number).status_code == 200


def test_what_is_not_on_the_list_or_not_in_the_period_is_not_opened(platform: Standing) -> None:
    read = platform.search("Observation", [("_count", "1")], as_="gp")
    (row,) = platform.audited(read.response)
    number = broken_glass(platform)
    with tab(platform, "administrator", "operations") as it:
        page = it.get(address(listed(it), number))
        fields = hidden(page) | {"reason": REASON}
        assert it.post(page, f"/operations/readings/{row['number']}", **fields).status_code == 404
        fields |= {"from": "2026-01-01", "to": "2026-01-02"}
        assert it.post(page, f"/operations/readings/{number}", **fields).status_code == 404
        assert it.get("/operations/readings/nonsense?from=2026-01-01&to=2026-01-02").status_code == 404


@pytest.mark.parametrize("query", ["?from=2026-01-01&to=2026-02-01", "?from=2026-02-02&to=2026-02-01", "?from=x"])
def test_a_period_that_cannot_be_used_is_told_on_the_page(platform: Standing, query: str) -> None:
    with tab(platform, "administrator", "operations") as it:
        answer = it.get(f"/operations/readings{query}")
    assert (answer.status_code, "høyst 31 dager" in text(answer)) == (400, True)


def test_nobody_but_an_operator_comes_in(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        assert "/login" in str(it.get("/operations/readings").url)
