"""The citizen's log over the real platform: narrowed, counted, and the same for whoever may read it."""

from __future__ import annotations

import json
import re
from html import unescape

import httpx
import pytest

import words
from kjerne.fhir.definitions import type_number
from kjerne.pages import live_log
from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from services.results.test_intake_api import key_of
from services.test_standards import create, observation


def text_of(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def opened(it: Tab, name: str) -> httpx.Response:
    """The record of somebody whom the reader stands in for."""
    others = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
    (handle,) = [handle for handle, shown in others if shown.strip() == name]
    return it.post(it.home, "/me/person", person=handle)


def test_the_log_is_narrowed_to_one_organisation_and_tells_how_many(platform: Standing) -> None:
    platform.search("Observation", as_="gp")
    gp = platform.persona("gp")
    with tab(platform, "citizen", "me") as it:
        page = it.get("/me/log?show=seen")
        number = re.search(rf'<option value="(\d+)"[^>]*>{platform_name(platform, gp.organisation)}<', page.text)
        assert number, text(page)
        told = text(it.get(f"/me/log?show=seen&organisation={number[1]}"))
        nobody = text(it.get("/me/log?show=refused&from=2001-01-01&to=2001-01-02"))
    assert gp.person_name in told
    assert re.search(r"(\d+ hendelser|Én hendelse|Viser (?:hendelse )?\d+–\d+ av \d+)[^·]* · utvalg av loggen", told)
    assert "Ingen oppslag passer til utvalget." in nobody


def test_a_line_names_the_results_that_left_and_no_other(platform: Standing) -> None:
    shut = {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FFL"}]}
    # A nurse's looks: a GP's are of many tests, some of them at a later hour than this one's.
    answer = platform.search("Observation", [("code", "NPU27300"), ("_count", "1")], as_="nurse")
    (seen,) = answer.resources()
    hidden = create(platform, observation(meta=shut, code={"text": "P-Hemmelig"}), about="citizen")
    both = platform.search("Observation", [("_id", f"{hidden.tree['id']},{seen['id']}")], as_="nurse")
    assert len(both.ids()) == 2
    with tab(platform, "citizen", "me") as it:
        page = it.get(f"/me/log?show=seen&organisation={platform.persona('nurse').organisation}")
    lines = [text_of(line) for line in page.text.split("log-row")[1:]]
    name = seen["code"]["coding"][0]["display"]
    assert any(name in line and "1 resultat " in line for line in lines), lines
    assert "P-Hemmelig" not in page.text and "kan ikke navngis" not in lines[0]
    row = platform.rows(
        "SELECT ids FROM audit WHERE action = 'read' AND caller_kind = 'citizen' ORDER BY at DESC LIMIT 1"
    )
    assert seen["id"] in [str(one) for one in row[0]["ids"]], "that they were named is in the log"
    assert hidden.tree["id"] not in [str(one) for one in row[0]["ids"]]


def test_who_has_opted_out_reads_her_log_without_names_and_is_refused_nothing_by_it(platform: Standing) -> None:
    with tab(platform, "opted-out", "me") as it:
        first, again = it.get("/me/log?show=all"), it.get("/me/log?show=refused")
    assert first.status_code == again.status_code == 200
    assert 'class="which"' not in first.text
    assert platform.persona("opted-out").person_name not in "".join(again.text.split("log-row")[1:])


def test_a_look_at_a_result_that_waits_says_that_something_was_seen_and_counts_among_who_looked_last(
    platform: Standing,
) -> None:
    """The histology of the 20th is shown to her from the 11th on; a search that finds nothing reads as one."""
    (waits,) = platform.rows(
        "SELECT id FROM record WHERE patient = $1 AND release_at > now() AND type = $2 ORDER BY release_at DESC LIMIT 1",
        key_of(platform, platform.nin("citizen")), type_number("Observation"),
    )  # fmt: skip
    looked, empty = platform.persona("hospital-doctor"), platform.persona("nurse")
    for as_, asked, found in (
        ("hospital-doctor", [("_id", str(waits["id"]))], 1), ("nurse", [("code", "NPU99999")], 0),
    ):  # fmt: skip
        answer = platform.search("Observation", asked, as_=as_)
        assert len(answer.ids()) == found, answer.response.text
    with tab(platform, "citizen", "me") as it:
        home, page = text(it.home), it.get("/me/log?show=seen&service=results")
    assert looked.person_name in home.split("Sist sett av")[1]
    (newest, *_), (nothing, *_) = lines(page, looked.person_name), lines(page, empty.person_name)
    assert "Så noe som ikke kan navngis her, i prøvesvarene" in newest
    assert "uten å få se" in nothing
    assert str(waits["id"]) not in page.text


def test_a_refused_break_glass_says_why_and_stands_among_emergencies_apart_from_an_ordinary_try(
    platform: Standing,
) -> None:
    """A pharmacist may not set the normal rules aside."""
    doctor, reason, plain = platform.persona("pharmacist"), f"Bevisstløs ved ankomst {words.fresh()}", words.fresh()
    for more in ({"purpose": "TREAT", "reason": plain}, {"purpose": "BTG", "reason": reason}):
        assert platform.search("Observation", as_="pharmacist", **more).status == 403
    with tab(platform, "citizen", "me") as it:
        acute, every = (lines(it.get(f"/me/log?show={show}"), doctor.person_name) for show in ("acute", "refused"))
    for shown in (acute, every):
        (one,) = [line for line in shown if reason in line]
        for told in ("Hvorfor: Blålysoppslag", "fikk ikke se", "akutt"):
            assert told in one
    (ordinary,) = [line for line in every if plain in line]
    assert "Hvorfor: Behandling" in ordinary
    assert not any(
        "akutt" in told or "Blålys" in told for told in (ordinary, *(line for line in acute if plain in line))
    )


def lines(page: httpx.Response, name: str) -> list[str]:
    """The lines of somebody, newest first."""
    return [told for one in page.text.split("log-row")[1:] if name in (told := text_of(f"<{one}"))]


def test_a_parent_narrows_the_childs_log(platform: Standing) -> None:
    platform.search("Observation", [("_count", "1")], about="child")
    with tab(platform, "parent", "me") as it:
        home = opened(it, platform.population.by_key[platform.population.cast["child"]].name)
        assert "Du ser opplysningene til" in text(home)
        page = it.get("/me/log?show=all")
    assert page.status_code == 200
    assert re.search(r"\d+ hendelser|Én hendelse|Viser hendelse \d+–\d+ av \d+", text(page))


def test_the_log_read_in_parts_stands_still_while_it_is_read(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part shown, and each look meanwhile, is a new line on top: none of them moves what is read."""
    for _ in range(7):
        platform.search("Observation", [("_count", "1")], about="renumbered")
    spans, whole = [], set()
    with tab(platform, "renumbered", "me") as it:
        found = re.search(r"Viser hendelse \d+–\d+ av (\d+)|(\d+) hendelser", text(it.get("/me/log?show=all")))
        assert found
        # Some seven parts, whatever others have looked at: each line that is read makes one more.
        monkeypatch.setattr(live_log, "ROWS_SHOWN", max(3, int(found[1] or found[2]) // 6))
        page = it.get("/me/log?show=all")
        while True:
            span = re.search(r"Viser hendelse (\d+)–(\d+) av (\d+)", text(page))
            assert span, text(page)
            spans.append((int(span[1]), int(span[2])))
            whole.add(int(span[3]))
            onward = re.search(r'href="(/me/log\?[^"]*after=[^"]+)"', page.text)
            if not onward:
                break
            platform.search("Observation", [("_count", "1")], about="renumbered")
            page = it.get(unescape(onward[1]))
    assert len(whole) == 1 and len(spans) > 2
    assert [one for first, last in spans for one in range(first, last + 1)] == list(range(1, whole.pop() + 1))


def test_a_place_that_is_none_is_refused(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        platform.search("Observation", [("_count", "1")])
    monkeypatch.setattr(live_log, "ROWS_SHOWN", 1)
    with tab(platform, "citizen", "me") as it, tab(platform, "parent", "me") as other:
        assert it.get("/me/log?after=1.2").status_code == 404
        mine = re.search(r'href="(/me/log\?[^"]*after=[^"]+)"', it.get("/me/log?show=all").text)
        assert mine
        assert (it.get(unescape(mine[1])).status_code, other.get(unescape(mine[1])).status_code) == (200, 404)


def platform_name(platform: Standing, number: str) -> str:
    (row,) = platform.rows("SELECT name FROM organisation WHERE number = $1", number)
    return re.escape(str(row["name"]))


def test_a_source_that_sent_nothing_but_what_is_kept_from_a_parent_is_named_to_her_nowhere(platform: Standing) -> None:
    shut = {"meta": {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FORANS"}]}}
    child = platform.population.by_key[platform.population.cast["child"]]
    source = platform_name(platform, platform.persona("hospital-lab").organisation)
    sent = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="hospital-lab", patient=platform.nin("child"),
        headers={"content-type": "application/fhir+json"}, body=json.dumps(observation(**shut)).encode(),
    )  # fmt: skip
    assert sent.status_code == 201
    with tab(platform, "parent", "me") as it:
        opened(it, child.name)
        choices, log = it.get("/me/privacy"), it.get("/me/log?show=all")
    assert choices.status_code == log.status_code == 200
    assert source not in text(choices) and source not in text(log)


def test_who_wrote_nothing_but_what_is_kept_from_a_reader_is_not_offered_to_be_blocked(platform: Standing) -> None:
    """Her log has no line of it, and a name beside it would tell that something is there."""
    shut = {"meta": {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FFL"}]}}
    condition = shut | {
        "resourceType": "Condition",
        "clinicalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
        },
        "code": {"text": "Holdt tilbake"},
        "subject": {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("guardian")}},
    }
    writer = platform.persona("pharmacist").person_name
    for offered in (False, True):
        sent = platform.client.call(
            "POST", "/fhir/R4/Condition", as_="pharmacist", patient=platform.nin("guardian"), service="record",
            reason="Innlagt hos oss", self_selected=True,
            headers={"content-type": "application/fhir+json"}, body=json.dumps(condition).encode(),
        )  # fmt: skip
        assert sent.status_code == 201, sent.text
        with tab(platform, "guardian", "me") as it:
            log, choices = it.get("/me/log?show=all"), it.get("/me/privacy")
        assert choices.status_code == log.status_code == 200
        assert (writer in text(log), writer in text(choices)) == (offered, offered)
        condition.pop("meta", None)  # the second is hers to know
