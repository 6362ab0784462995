"""Misuse reported and a correction asked for over the real platform: to whom it goes, who sees what, and what is logged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import httpx
import pytest

import words
from kjerne.access import Tie
from kjerne.services.inquiries import api
from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from services.participation.test_api import forgotten
from services.results.test_intake_api import a_message, key_of

WROTE = "Jeg har aldri vært pasient der. Hun er naboen min."
WRONG = "Verdien skulle ha vært 14,1 og ikke 11,4."
REASON = "Undersøker meldingen for innbyggeren"
ANSWER = "Vi har undersøkt oppslaget, og det var ikke tillatt."


def sent(it: Tab, page: httpx.Response, kind: str, **fields: str) -> httpx.Response:
    """The two steps from the first form on."""
    hidden = {name: re.findall(rf'name="{name}" value="([^"]*)"', page.text)[:1] for name in ("look", "report")}
    carried = {name: unescape(found[0]) for name, found in hidden.items() if found}
    second = it.post(page, f"/me/inquiries/{kind}/reach", **carried, **fields)
    assert second.status_code == 200, text(second)
    carried |= {"reach": "email", "contact": "kari@example.test"}
    return it.post(second, f"/me/inquiries/{kind}/send", **carried, **fields)


def reference(page: httpx.Response) -> str:
    found = re.search(r"Referansen er ([0-9A-F]{4}-[0-9A-F]{4})", text(page))
    assert found, text(page)
    return found[1]


def misused(platform: Standing, type_: str = "Observation") -> str:
    """A look by the GP, reported by the citizen; its reference."""
    if type_ == "Observation":
        platform.search(type_, as_="gp")
    else:
        assert platform.get(type_).status == 200
    with tab(platform, "citizen", "me") as it:
        log = it.get("/me/log?show=seen")
        link = re.search(r'href="(/me/inquiries/misuse/[^"]+)"', log.text)
        assert link, text(log)
        return reference(sent(it, it.get(link[1]), "misuse", why="no-care", text=WROTE))


def corrected(platform: Standing) -> str:
    """A report of the citizen's that she wants put right; its reference."""
    assert platform.send(a_message(platform, number=platform.nin("citizen"))).status_code == 200
    with tab(platform, "citizen", "me") as it:
        report = re.search(r'href="/me/report/([^"]+)"', it.get("/me").text)
        assert report
        page = it.get(f"/me/inquiries/correction/{report[1]}")
        return reference(sent(it, page, "correction", why="wrong-value", text=f"{WRONG} {words.fresh()}"))


def listed(platform: Standing, told: str) -> str:
    """The operator's number of an inquiry."""
    with tab(platform, "administrator", "operations") as it:
        page = it.get("/operations/inquiries")
        row = re.search(rf'/operations/inquiries/([0-9a-f-]+)"><span[^>]*>{told}', page.text)
    assert row, text(page)
    assert "Solheim" not in text(page), "the list names nobody"
    return row[1]


def test_what_is_reported_of_a_look_is_of_the_service_that_was_looked_at(platform: Standing) -> None:
    """So it goes with that service, and its key, after an opt-out of it alone (law, K87)."""
    told = [misused(platform, type_) for type_ in ("AllergyIntolerance", "Observation")]
    services = [
        platform.rows("SELECT service FROM inquiry WHERE number::text LIKE $1", f"{one.replace('-', '').lower()}%")
        for one in told
    ]
    assert [row["service"] for (row,) in services] == ["critical-information", "results"]
    with tab(platform, "citizen", "me") as it:
        assert text(it.get("/me/inquiries")).count(WROTE) >= 2


def test_the_same_words_of_the_same_report_sent_twice_are_one_inquiry(platform: Standing) -> None:
    assert platform.send(a_message(platform, number=platform.nin("citizen"))).status_code == 200
    with tab(platform, "citizen", "me") as it:
        report = re.search(r'href="/me/report/([^"]+)"', it.get("/me").text)
        assert report
        page = it.get(f"/me/inquiries/correction/{report[1]}")
        told = [
            reference(sent(it, page, "correction", why=why, text=f"{WRONG} Sendt igjen."))
            for why in ("wrong-value", "wrong-value", "wrong-text")
        ]
    assert told[0] == told[1] != told[2]


def test_the_list_takes_no_other_question_and_no_page_says_a_number_of_its_address_back(platform: Standing) -> None:
    number = platform.nin("citizen")
    with tab(platform, "administrator", "operations") as it:
        for asked in (f"q={number}", "name=Wenche", "source=100000490"):
            page = it.get(f"/operations/inquiries?{asked}")
            assert (page.status_code, number in page.text, "Solheim" in page.text) == (400, False, False), asked
        assert it.get("/operations/inquiries?kind=correction").status_code == 200
        assert number not in it.get(f"/operations?other={number}").text
        assert number not in it.get(f"/operations?other={number[:6]}%20{number[6:]}").text
        assert "other%3Da" in it.get("/operations?other=a").text, "a link leads back to what was asked"


def test_reported_misuse_is_opened_for_a_reason_answered_and_read(platform: Standing) -> None:
    told = misused(platform)
    number = listed(platform, told)
    with tab(platform, "administrator", "operations") as it:
        before = it.get(f"/operations/inquiries/{number}")
        assert WROTE not in text(before)
        assert WROTE not in text(it.post(before, f"/operations/inquiries/{number}", reason="kort"))
        opened = it.post(before, f"/operations/inquiries/{number}", reason=REASON)
        for seen in (WROTE, "kari@example.test", platform.persona("gp").person_name, "Solheim"):
            assert seen in text(opened), seen
        assert platform.persona("gp").nin not in opened.text
        step = re.search(r'name="step" value="(\d)"', opened.text)
        assert step
        fields = {"step": step[1], "reason": REASON, "answer": ANSWER}
        done = it.post(opened, f"/operations/inquiries/{number}/answer", status="answered", **fields)
        assert "Svaret er sendt." in text(done)
        again = it.post(opened, f"/operations/inquiries/{number}/answer", status="answered", **fields)
        assert again.status_code == 409
    with tab(platform, "citizen", "me") as it:
        mine = text(it.get("/me/inquiries"))
        assert told in mine
        assert "besvart" in mine
        assert ANSWER in mine
        log = text(it.get("/me/log"))
    assert "Åpnet en henvendelse, eller svarte på den." in log
    assert f"«{REASON}»" in log or REASON in log
    assert platform.population.operator.name in log


def test_each_step_is_a_row_of_the_log_that_says_what_it_is_about(platform: Standing) -> None:
    told = misused(platform)
    rows = platform.rows("SELECT action, rule, caller_kind FROM audit WHERE about = $1", f"inquiry/misuse/{told}")
    assert [(row["action"], row["rule"], row["caller_kind"]) for row in rows] == [("ask", "own-inquiry", "citizen")]


def test_a_line_that_is_not_hers_or_no_look_by_personnel_cannot_be_reported(platform: Standing) -> None:
    misused(platform)
    (other,) = platform.rows(
        "SELECT at, number FROM audit WHERE patient = $1 ORDER BY at LIMIT 1",
        key_of(platform, platform.nin("renumbered")),
    )
    (own,) = platform.rows(
        "SELECT at, number FROM audit WHERE patient = $1 AND action = 'ask' ORDER BY at DESC LIMIT 1",
        key_of(platform, platform.nin("citizen")),
    )

    def handle(row: object) -> str:
        return f"{int(row['at'].timestamp()) * 1_000_000 + row['at'].microsecond}.{row['number'].hex}"  # type: ignore[index]

    with tab(platform, "citizen", "me") as it:
        assert it.get(f"/me/inquiries/misuse/{handle(other)}").status_code == 404
        page = it.get("/me/inquiries/misuse/" + handle(own))
        fields = {"look": handle(own), "why": "other", "text": WROTE, "reach": "here"}
        assert it.post(page, "/me/inquiries/misuse/send", **fields).status_code == 404


def test_a_correction_goes_to_the_source_that_sent_it_and_to_no_other(platform: Standing) -> None:
    told = corrected(platform)
    number = listed(platform, told)
    path = f"/pps/in/corrections/{number}"
    form = [("reason", REASON)]
    found = platform.client.call("GET", "/pps/in/corrections", as_="lab").json()["corrections"]
    assert told in [one["reference"] for one in found]
    assert "Solheim" not in str(found)
    opened = platform.client.call("POST", path, as_="lab", form=form)
    content = opened.json()
    assert content["text"].startswith(WRONG)
    assert (content["patient"], content["step"]) == (platform.nin("citizen"), 1)
    (row,) = platform.audited(opened)
    assert (row["action"], row["reason"]) == ("handle", REASON)
    assert platform.client.call("POST", path, as_="lab", form=[("reason", "x")]).status_code == 400
    answer = [("status", "answered"), ("answer", "Vi sender en rettelse i dag."), ("step", "1")]
    assert platform.client.call("POST", f"{path}/answer", as_="lab", form=answer).status_code == 204
    with tab(platform, "citizen", "me") as it:
        mine = text(it.get("/me/inquiries"))
    assert "Svar fra Lysdal Laboratorium AS" in mine
    assert "Vi sender en rettelse i dag." in mine


def test_a_correction_goes_to_a_hospital_that_takes_part_by_its_laboratory(platform: Standing) -> None:
    """The register of participation names the unit, the inquiry its legal entity."""
    tree = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": f"Prøve {words.fresh()}"}}
    headers = {"content-type": "application/fhir+json"}
    report = platform.client.call(
        "POST", "/fhir/R4/DiagnosticReport", as_="hospital-lab", patient=platform.nin("citizen"),
        body=json.dumps(tree).encode(), headers=headers,
    )  # fmt: skip
    assert report.status_code == 201, report.text
    hospital = platform.persona("hospital-lab").organisation
    (name,) = (row["name"] for row in platform.rows("SELECT name FROM organisation WHERE number = $1", hospital))
    with tab(platform, "citizen", "me") as it:
        page = it.get(f"/me/inquiries/correction/{report.json()['id']}")
        hidden = {"report": report.json()["id"], "why": "wrong-value", "text": WRONG}
        second = text(it.post(page, "/me/inquiries/correction/reach", **hidden))
        assert "til den som sendte inn svaret hvis den deltar her nå, og ellers til driften" in second
        told = reference(sent(it, page, "correction", why="wrong-value", text=f"{WRONG} {words.fresh()}"))
        (mine,) = [one for one in it.get("/me/inquiries").text.split("<article") if told in one]
    assert "driften av plattformen" not in mine
    assert name in mine
    answer = platform.client.call("GET", "/pps/in/corrections", as_="hospital-lab")
    assert answer.status_code == 200, answer.text
    (number,) = [one["number"] for one in answer.json()["corrections"] if one["reference"] == told]
    path = f"/pps/in/corrections/{number}"
    assert platform.client.call("POST", path, as_="hospital-lab", form=[("reason", REASON)]).status_code == 200
    with tab(platform, "administrator", "operations") as it:
        (row,) = [one for one in it.get("/operations/inquiries?kind=correction").text.split("<tr") if told in one]
    assert "kilden deltar ikke" not in row


def test_misuse_and_another_sources_corrections_are_as_absent(platform: Standing) -> None:
    misuse, other = listed(platform, misused(platform)), "3fa94c1b-0000-4000-8000-000000000000"
    correction = listed(platform, corrected(platform))
    answers = [
        platform.client.call("POST", f"/pps/in/corrections/{number}", as_=who, form=[("reason", REASON)])
        for number, who in ((misuse, "lab"), (other, "lab"), (correction, "hospital-lab"))
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert len({answer.content for answer in answers}) == 1


def test_a_source_goes_on_with_the_list_where_a_page_ended_though_one_is_answered_meanwhile(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LISTED", 1)
    path = "/pps/in/corrections"
    mine = [listed(platform, corrected(platform)) for _ in range(2)]

    def page(query: str = "") -> tuple[str, str]:
        told = platform.client.call("GET", path + query, as_="lab").json()
        return told["corrections"][0]["number"], f"?_after={told['after']}"

    number, onward = page()
    while number != mine[0]:
        number, onward = page(onward)
    # What ended this page has moved to the answered ones when the next is asked for.
    answer = [("status", "answered"), ("answer", "Vi har rettet svaret."), ("step", "1")]
    assert platform.client.call("POST", f"{path}/{number}/answer", as_="lab", form=answer).status_code == 204
    assert page(onward)[0] == mine[1]
    for query in ("?_after=1", "?_after=", "?_after=0_x_y"):
        refused = platform.client.call("GET", path + query, as_="lab")
        assert (refused.status_code, "_after" in refused.text) == (400, True)


@contextmanager
def outside(platform: Standing, who: str) -> Iterator[None]:
    """While an organisation's part as a source is over."""
    organisation = platform.persona(who).organisation
    ended = platform.rows(
        "UPDATE participation SET until = since WHERE organisation = $1 AND part = 'source' AND until IS NULL "
        "RETURNING number", organisation,
    )  # fmt: skip
    assert ended
    forgotten(platform)
    yield
    platform.rows(
        "UPDATE participation SET until = NULL WHERE number = ANY($1) RETURNING 1", [row["number"] for row in ended]
    )
    forgotten(platform)


def test_of_a_source_that_takes_no_part_any_more_the_operator_answers(platform: Standing) -> None:
    told = corrected(platform)
    number = listed(platform, told)
    with outside(platform, "lab"):
        assert platform.client.call("GET", "/pps/in/corrections", as_="lab").status_code == 403
        opened = platform.client.call("POST", f"/pps/in/corrections/{number}", as_="lab", form=[("reason", REASON)])
        assert opened.status_code == 403
        assert WRONG not in opened.text
        (row,) = platform.audited(opened)
        assert (row["rule"], row["outcome"] != 0) == ("answerer-takes-no-part", True)
        with tab(platform, "citizen", "me") as it:
            assert "Sendt til driften av plattformen. Lysdal Laboratorium AS deltar ikke" in text(
                it.get("/me/inquiries")
            )
        with tab(platform, "administrator", "operations") as it:
            page = it.get("/operations/inquiries")
            assert "kilden deltar ikke nå: driften svarer" in text(page)
            before = it.get(f"/operations/inquiries/{number}")
            assert WRONG in text(it.post(before, f"/operations/inquiries/{number}", reason=REASON))


def test_of_a_person_with_a_protected_address_the_operator_is_told_no_place(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = corrected(platform)
    number, look = listed(platform, told), listed(platform, misused(platform))
    answer = [("status", "under-way"), ("answer", ""), ("step", "1")]
    assert (
        platform.client.call("POST", f"/pps/in/corrections/{number}/answer", as_="lab", form=answer).status_code == 204
    )
    places = ("Lysdal", "Solbakken", platform.persona("gp").organisation, platform.persona("lab").organisation)
    monkeypatch.setattr("kjerne.pages.live_answers.is_protected", lambda _: True)
    with tab(platform, "administrator", "operations") as it:
        pages = [it.get("/operations/inquiries")]
        for one in (number, look):
            before = it.get(f"/operations/inquiries/{one}")
            pages += [before, it.post(before, f"/operations/inquiries/{one}", reason=REASON)]
    assert "kilden deltar ikke nå" not in text(pages[0])
    assert WRONG in text(pages[2])
    assert "vises ikke: adressen er beskyttet" in text(pages[2])
    for page in pages:
        for place in places:
            assert place not in page.text, place


@pytest.fixture
def proxied(platform: Standing) -> Iterator[None]:
    """While the citizen has given the parent power of attorney for insight."""
    store = platform.application._edge.store
    giver, proxy = (key_of(platform, platform.nin(who)) for who in ("citizen", "parent"))

    async def tie() -> None:
        async with store.pool.acquire() as conn:
            await store.people.add_ties(conn, [(giver, Tie("proxy", key=proxy, areas=("innsyn",)))])

    platform.run(tie())
    yield
    platform.rows(
        "DELETE FROM person_tie WHERE patient = $1 AND other = $2 AND kind = 'proxy' RETURNING 1", giver, proxy
    )
    platform.rows("UPDATE person SET stamp = stamp + 1 WHERE patient = $1 RETURNING 1", giver)


@pytest.mark.usefixtures("proxied")
def test_a_proxy_sees_the_log_and_says_nothing_of_it(platform: Standing) -> None:
    misused(platform)
    with tab(platform, "citizen", "me") as it:
        look = re.search(r'href="(/me/inquiries/misuse/[^"]+)"', it.get("/me/log?show=seen").text)
        report = re.search(r'href="/me/report/([^"]+)"', it.get("/me").text)
        assert look
        assert report
        assert "prøvesvarene, den kritiske informasjonen" in text(it.get("/me/log"))
    with tab(platform, "proxy", "me") as it:
        others = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
        (citizen,) = [handle for handle, name in others if platform.persona("citizen").person_name in name]
        it.post(it.home, "/me/person", person=citizen)
        log = it.get("/me/log")
        assert log.status_code == 200
        assert "/me/inquiries" not in log.text
        assert "Linjer om oppgjør, om andre representanter" in text(log)
        assert it.get("/me/inquiries").status_code == 403
        # Not after she has written it all: neither step is hers.
        for first in (look[1], f"/me/inquiries/correction/{report[1]}"):
            assert it.get(first).status_code == 403, first
        for kind in ("misuse", "correction"):
            fields = {"look": look[1].rpartition("/")[2], "report": report[1], "why": "other", "text": WROTE}
            assert it.post(log, f"/me/inquiries/{kind}/reach", **fields).status_code == 403, kind
