"""The health indicator: statuses as things stand now, an icon that follows them, and no failure that looks like nothing there."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from lxml import etree

from kjerne.policy.door import Door
from kjerne.services.critical import indicator
from kjerne.services.critical.icon import drawn
from kjerne.services.critical.indicator import ICON, PATH
from kjerne.services.critical.indicator_words import LANGUAGES, words
from platform_fixture import Answered, Standing, Tree
from services.critical.records import allergy, ask, condition, every, flag, registered, rows, verified
from services.critical.test_api import chosen
from services.critical.transfers import Journal, statuses
from services.test_consents import ACTOR
from services.test_standards_registered import NEED, consent

ABOUT = "parent"
SVG = "{http://www.w3.org/2000/svg}"
EHR = {"content-type": "application/json", "x-epj-system": "Sundvika EPJ, 3.1"}


def asked(
    platform: Standing, about: str = ABOUT, *, as_: str = "gp", body: Tree | None = None, headers: dict[str, str] | None = None,
    **more: Any,
) -> httpx.Response:  # fmt: skip
    sent = {"fnr": platform.nin(about)} | (body or {})
    return platform.client.call(
        "POST", PATH, as_=as_, patient=platform.nin(about), body=json.dumps(sent).encode(), headers=EHR | (headers or {}),
        **{**NEED, **more},
    )  # fmt: skip


def shown(platform: Standing, about: str = ABOUT, **more: Any) -> Tree:
    answer = asked(platform, about, **more)
    assert answer.status_code == 200, answer.text
    told: Tree = answer.json()
    assert ("ticket" in told) == (told["status"] >= 2)
    assert ("sistEndretKritiskInfo" in told) == (told["status"] == 4)
    return told


def changed(platform: Standing) -> dict[str, str]:
    return {one["kategori"]: one["sistEndret"] for one in shown(platform)["sistEndretKritiskInfo"]}


def shuts(platform: Standing, kind: str) -> Answered:
    """The patient's choice, of a block against the one who asks here."""
    number = {"system": "urn:oid:2.16.578.1.12.4.1.4.4", "value": platform.persona("gp").hpr}
    actor = [{**ACTOR, "reference": {"identifier": number}}]
    return chosen(platform, ABOUT, consent(kind, actor=actor) if kind == "block" else consent(kind))


def icon(platform: Standing, ticket: str, lang: str = "nb") -> tuple[str, httpx.Response]:
    """What the icon of a ticket says, and its answer."""
    answer = platform.http.get(f"{platform.url}{ICON}", params={"ticket": ticket, "lang": lang})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    title = etree.fromstring(answer.content).find(f".//{SVG}title")
    assert title is not None and title.text
    return title.text, answer


def emptied(platform: Standing, about: str) -> None:
    """Whatever others have registered of her is taken back."""
    for name in ("AllergyIntolerance", "Condition", "DeviceUseStatement", "Procedure", "Flag"):
        for one in ask(platform, "GET", name, about=about, **NEED).resources():
            ask(platform, "DELETE", f"{name}/{one['id']}", about=about, version=int(one["meta"]["versionId"]), **NEED)


@pytest.fixture
def empty(platform: Standing) -> Iterator[None]:
    emptied(platform, ABOUT)
    yield
    emptied(platform, ABOUT)


@pytest.mark.usefixtures("empty")
def test_what_must_be_heeded_is_red_and_what_was_refuted_or_taken_back_is_not(platform: Standing) -> None:
    before = shown(platform)
    assert (before["status"], before["returTekst"]) == (2, words("nb", 2))
    for tree in every(platform, ABOUT):
        made, name = registered(platform, tree, about=ABOUT, **NEED), tree["resourceType"]
        told = shown(platform)
        assert (told["status"], told["returTekst"]) == (4, words("nb", 4)), name
        assert told["sistEndretKritiskInfoDato"] == max(one["sistEndret"] for one in told["sistEndretKritiskInfo"])
        assert made["meta"]["lastUpdated"][:19] <= told["sistEndretKritiskInfoDato"]
        assert ask(platform, "DELETE", f"{name}/{made['id']}", about=ABOUT, version=1, **NEED).status == 204
        assert shown(platform)["status"] == 2, name
    refuted = {"verificationStatus": verified("AllergyIntolerance", "refuted")}
    inactive = allergy(platform, ABOUT, **refuted)
    inactive["clinicalStatus"]["coding"][0]["code"] = "inactive"
    registered(platform, inactive, about=ABOUT, **NEED)
    registered(platform, flag(platform, ABOUT, period={"end": "2020-01-01"}), about=ABOUT, **NEED)
    assert shown(platform)["status"] == 2


NONE_KNOWN = {"coding": [{"system": "http://snomed.info/sct", "code": "716186003", "display": "Ingen kjent allergi"}]}


@pytest.mark.usefixtures("empty")
def test_that_no_allergy_is_known_is_no_danger_and_is_told_with_who_and_when(platform: Standing) -> None:
    negative = allergy(platform, ABOUT, code=NONE_KNOWN, verificationStatus=verified("AllergyIntolerance", "confirmed"))
    made = registered(platform, negative, about=ABOUT, **NEED)
    answer = shown(platform)
    year, month, day = made["recordedDate"][:10].split("-")
    doctor = platform.rows("SELECT name FROM practitioner WHERE hpr = $1", platform.persona("gp").hpr)[0]["name"]
    said = f"Ingen kjent allergi ({day}.{month}.{year}, {doctor})"
    assert (answer["status"], answer["returTekst"]) == (2, f"{words('nb', 2)} Registrert som ikke kjent: {said}.")
    assert icon(platform, answer["ticket"])[0] == answer["returTekst"]
    registered(platform, allergy(platform, ABOUT), about=ABOUT, **NEED)
    answer = shown(platform)
    assert answer["status"] == 4 and answer["returTekst"].startswith(words("nb", 4))
    assert answer["returTekst"].endswith(f"Det motsier dette, som også er registrert: {said}.")


@pytest.mark.usefixtures("empty")
def test_what_a_system_sends_of_that_is_told_as_its_word(platform: Standing) -> None:
    journal = Journal(platform, about=ABOUT)
    negative = allergy(platform, ABOUT, code=NONE_KNOWN, verificationStatus=verified("AllergyIntolerance", "confirmed"))
    assert statuses(journal.send(journal.put(negative, "none", "gp"))) == ["201"]
    places = platform.rows(
        "SELECT name FROM organisation WHERE number = $1", platform.persona(journal.as_).organisation
    )
    doctor = platform.rows("SELECT name FROM practitioner WHERE hpr = $1", platform.persona("gp").hpr)[0]["name"]
    assert f", {doctor}, ifølge {places[0]['name']})" in shown(platform)["returTekst"]


@pytest.mark.usefixtures("empty")
def test_who_names_a_substance_beside_that_nothing_is_known_may_have_meant_that(platform: Standing) -> None:
    both = allergy(platform, ABOUT)["code"]["coding"] + NONE_KNOWN["coding"]
    both[0]["userSelected"] = True
    registered(platform, allergy(platform, ABOUT, code={"coding": both}), about=ABOUT, **NEED)
    assert shown(platform)["status"] == 4


@pytest.mark.usefixtures("empty")
def test_words_beside_a_code_of_none_that_are_not_its_name_are_a_danger(platform: Standing) -> None:
    said = {"code": NONE_KNOWN | {"text": "Anafylaksi av penicillin"}}
    registered(platform, allergy(platform, ABOUT, **said), about=ABOUT, **NEED)
    assert shown(platform)["status"] == 4


@pytest.mark.usefixtures("empty")
def test_each_category_has_the_time_when_it_was_last_changed(platform: Standing) -> None:
    registered(platform, allergy(platform, ABOUT), about=ABOUT, **NEED)
    first = changed(platform)
    registered(platform, condition(platform, "KjConditionInfection", ABOUT), about=ABOUT, **NEED)
    both = changed(platform)
    assert both["OVER_REAK"] == first["OVER_REAK"] < both["SMITTE"]
    assert both["SMITTE"] > first.get("SMITTE", "")


@pytest.mark.usefixtures("empty")
def test_each_question_is_a_look_in_her_log_that_names_no_record(platform: Standing) -> None:
    registered(platform, allergy(platform, ABOUT), about=ABOUT, **NEED)
    answer = asked(platform)
    assert rows(platform, Answered(answer)) == [("search", rows(platform, Answered(answer))[0][1], 0, set())]
    _, drawing = icon(platform, answer.json()["ticket"])
    (row,) = platform.audited(drawing)
    assert (row["caller_hpr"], row["ids"], row["outcome"]) == (platform.persona("gp").hpr, [], 0)
    outsider = asked(platform, as_="outsider", self_selected=False, reason="")
    assert (outsider.status_code, rows(platform, Answered(outsider))[0][2]) == (403, 1)


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    ("kind", "status", "why"), [("restriction", 2, "restricted"), ("opt-out", 1, ""), ("block", 0, "blocked")]
)
def test_what_the_patient_shuts_is_told_by_the_next_question_and_the_next_drawing(
    platform: Standing, kind: str, status: int, why: str
) -> None:
    registered(platform, allergy(platform, ABOUT), about=ABOUT, **NEED)
    red = shown(platform)
    assert icon(platform, red["ticket"])[0] == words("nb", 4)
    choice = shuts(platform, kind)
    try:
        told = shown(platform)
        assert (told["status"], told["returTekst"]) == (status, words("nb", status, why))
        assert told["eksistererBlokkertHelsepersonell"] == (kind == "block")
        assert icon(platform, red["ticket"])[0] == words("nb", status, why)
        opened = shown(platform, body={"samtykke": "HPMOTTATTSAMTYKKE"})
        assert opened["status"] == (4 if kind == "restriction" else status)
        if kind == "restriction":
            assert icon(platform, opened["ticket"])[0] == words("nb", 4)
            # The ticket is for the basis that was declared, and no other.
            assert icon(platform, told["ticket"])[0] == words("nb", 2, "restricted")
    finally:
        chosen(platform, ABOUT, choice.tree | {"status": "inactive"})
    assert icon(platform, red["ticket"])[0] == words("nb", 4)


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("kind", ["restriction", "block", "opt-out"])
def test_where_no_choice_may_be_told_it_looks_as_where_nothing_is_there(
    platform: Standing, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    nothing = {name: one for name, one in shown(platform).items() if name != "ticket"}
    registered(platform, allergy(platform, ABOUT), about=ABOUT, **NEED)
    choice = shuts(platform, kind)
    try:
        monkeypatch.setattr(Door, "_tells_choices", property(lambda _: False, lambda *_: None), raising=False)
        told = shown(platform)
        assert icon(platform, told.pop("ticket"))[0] == words("nb", 2)
        assert told | {"eksistererBlokkertHelsepersonell": False} == nothing
    finally:
        monkeypatch.undo()
        chosen(platform, ABOUT, choice.tree | {"status": "inactive"})


def test_a_protected_address_and_a_stranger_are_not_checked(platform: Standing) -> None:
    for about in ("protected", "citizen"):
        answer = asked(platform, about, as_="outsider", self_selected=False, reason="")
        assert (answer.status_code, answer.json()["status"]) == (403, 0), about
    hers = asked(platform, "protected")
    assert (hers.status_code, hers.json()["status"], "ticket" in hers.json()) == (403, 0, False)


def test_whatever_is_refused_says_status_0(platform: Standing) -> None:
    refused = [
        (401, platform.http.post(f"{platform.url}{PATH}", json={"fnr": platform.nin(ABOUT)}, headers=EHR)),
        (400, asked(platform, headers={"x-epj-system": ""})),
        (400, asked(platform, headers={"x-epj-system": f"EPJ {platform.nin(ABOUT)}"})),
        (400, asked(platform, body={"fnr": 1})),
        (400, asked(platform, body={"samtykke": "kanskje"})),
        (400, asked(platform, body={platform.nin("citizen"): 1})),
        (400, asked(platform, body={"legemiddelFraDato": "i fjor"})),
        (413, asked(platform, body={"fnr": "1" * 3_000})),
        (415, asked(platform, headers={"content-type": "text/plain"})),
        (403, asked(platform, narrower="user/AllergyIntolerance.rs")),
        (405, platform.http.get(f"{platform.url}{PATH}")),
        (404, platform.http.get(f"{platform.url}/v1/helseindikator")),
    ]
    for status, answer in refused:
        told = answer.json()
        assert (answer.status_code, told["status"], told["returTekst"]) == (status, 0, words("nb", 0)), answer.text
        assert told["brukermelding"] and told["utviklermelding"] and "ticket" not in told
        assert platform.nin(ABOUT) not in answer.text and platform.nin("citizen") not in answer.text


def test_what_is_no_national_number_is_status_0_and_an_answer(platform: Standing) -> None:
    told = shown(platform, body={"fnr": "12345"})
    assert (told["status"], told["returTekst"]) == (0, words("nb", 0, "number"))


def test_a_ticket_lives_as_long_as_is_set_and_not_longer_than_its_attestation(platform: Standing) -> None:
    ticket = shown(platform)["ticket"]
    minutes = platform.application._edge.settings.indicator_ticket_minutes
    platform.clock.move(timedelta(minutes=minutes, seconds=-5))
    assert icon(platform, ticket)[0] != words("nb", 0, "ended")
    platform.clock.move(timedelta(seconds=6))
    assert icon(platform, ticket)[0] == words("nb", 0, "ended")


@pytest.mark.parametrize(
    "spoil", [lambda one: "", lambda one: one[:-4], lambda one: one[:40] + "AAAA" + one[44:], lambda one: "æ"]
)
def test_what_is_no_ticket_of_ours_is_drawn_as_not_checked(platform: Standing, spoil: Any) -> None:
    said, answer = icon(platform, spoil(shown(platform)["ticket"]))
    assert said == words("nb", 0)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_the_ticket_says_nothing_to_who_holds_it(platform: Standing) -> None:
    first, second = shown(platform)["ticket"], shown(platform)["ticket"]
    assert first != second and re.fullmatch(r"[A-Za-z0-9_-]+", first)
    assert platform.nin(ABOUT) not in first


def test_a_frame_is_shown_on_the_pages_of_the_system_that_is_registered(platform: Standing) -> None:
    file = platform.application._edge.settings.ehrs_file
    ticket = shown(platform)["ticket"]
    assert "frame-ancestors 'none'" in icon(platform, ticket)[1].headers["content-security-policy"]
    client = platform.persona("gp").client
    file.write_text(
        f'[[ehr]]\nclient = "{client}"\norigins = ["https://ehr.example"]\nopen = "https://ehr.example/open"\n'
        '[[ehr]]\nclient = "another"\norigins = ["https://other.example"]\n'
    )
    try:
        said, answer = icon(platform, ticket)
        policy = answer.headers["content-security-policy"]
        assert policy.endswith("frame-ancestors https://ehr.example") and "default-src 'none'" in policy
        link = etree.fromstring(answer.content).find(f"{SVG}a")
        assert link is not None
        assert (link.get("href"), link.get("target"), link.get("aria-label")) == (
            "https://ehr.example/open",
            "_top",
            said,
        )
    finally:
        file.unlink()
    assert "frame-ancestors 'none'" in icon(platform, ticket)[1].headers["content-security-policy"]


def test_every_status_is_drawn_in_a_shape_and_in_words_of_its_own(platform: Standing) -> None:
    said = set()
    shapes = set()
    for status in range(5):
        for language in LANGUAGES:
            answer = platform.http.get(f"{platform.url}{ICON}/{status}.svg", params={"lang": language})
            root = etree.fromstring(answer.content)
            title = root.find(f"{SVG}title")
            assert title is not None and title.text == root.get("aria-label") == words(language, status)
            assert (root.get("lang"), root.get("role")) == (language, "img")
            said.add((language, title.text))
        shapes.add(tuple(re.sub(r'(fill|stroke)="[^"]*"', "", drawn(status, "", "nb").decode())))
        assert "script" not in answer.text and "http" not in answer.text.replace("http://www.w3.org/2000/svg", "")
    assert (len(said), len(shapes)) == (15, 5)
    assert platform.http.get(f"{platform.url}{ICON}/5").status_code == 404
    assert platform.http.get(f"{platform.url}{ICON}/4", params={"lang": "sv"}).status_code == 404


def test_words_in_a_drawing_are_words() -> None:
    assert b"<script" not in drawn(0, "<script>&\"'", "nb", 'https://x/"onload="')


@pytest.mark.parametrize("fault", [RuntimeError("a fault of ours"), TimeoutError()])
def test_a_fault_of_ours_is_drawn_as_not_checked_and_not_left_to_an_older_picture(
    platform: Standing, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    ticket = shown(platform)["ticket"]

    async def fails(*_: Any) -> Any:
        raise fault

    monkeypatch.setattr(indicator, "weighed", fails)
    assert icon(platform, ticket)[0] == words("nb", 0)
    answer = asked(platform)
    assert (answer.status_code, answer.json()["status"]) == (504 if isinstance(fault, TimeoutError) else 500, 0)


def test_a_system_does_not_wait_for_a_store_that_does_not_answer(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = shown(platform)["ticket"]

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(indicator, "weighed", never)
    monkeypatch.setattr(indicator, "PATIENCE_SECONDS", 0.05)
    answer = asked(platform)
    assert (answer.status_code, answer.json()["status"], icon(platform, ticket)[0]) == (504, 0, words("nb", 0))


@pytest.mark.usefixtures("empty")
def test_a_single_record_that_is_withheld_is_told_in_the_words_of_nothing_there(platform: Standing) -> None:
    nothing = {name: one for name, one in shown(platform).items() if name != "ticket"}
    withheld = {"meta": {"security": [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORS"}]}}
    registered(platform, allergy(platform, ABOUT, **withheld), about=ABOUT, **NEED)
    told = {name: one for name, one in shown(platform).items() if name != "ticket"}
    assert told == nothing and "du kan se" in told["returTekst"]
