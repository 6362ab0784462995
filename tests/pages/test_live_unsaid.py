"""Pages and the desk where no choice may be told (EHDS): nothing on them tells that something is hidden (law, K37)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from html import unescape

import pytest

from kjerne.access import Choice, Label
from kjerne.fhir.encode import encode
from kjerne.pages import live_desk
from pages.crawling import crawled, some_of_each_kind
from pages.test_live import Tab, chosen, tab, text
from pages.test_live_critical import opened
from platform_fixture import Standing, where_no_choice_is_told
from services.critical.records import allergy, registered
from services.test_standards import create, observation, update
from words import fresh

WHO = "ward"
OF_THE_MOMENT = (
    (r"\d\d:\d\d", "T"),
    (r'value="[\w\-.=|:]{30,}"', "SEALED"),
    (r'data-read-at="\d+"', "AT"),
    (r"<code>[0-9a-f]{32}</code>", "CODE"),
    (r"own=[\w=-]+", "OWN"),
)


@pytest.fixture(scope="module")
def ehds(platform: Standing) -> Iterator[Standing]:
    with where_no_choice_is_told(platform) as found:
        yield found


def offered(platform: Standing) -> dict[str, tuple[int, str]]:
    """Every page that a link leads to from the patient's first one: its status and what it says, by its address."""
    with tab(platform, "gp") as it:
        root = opened(it, WHO)
        seen = {one.at: one.page for one in crawled(it, root, some_of_each_kind())}
        visit = root.rpartition("/")[2]

    def plain(said: str) -> str:
        said = said.replace(visit, "VISIT")
        for pattern, instead in OF_THE_MOMENT:
            said = re.sub(pattern, instead, said)
        return unescape(said)

    return {at.replace(visit, "VISIT"): (page.status_code, plain(page.text)) for at, page in seen.items()}


@contextmanager
def hidden(platform: Standing, ids: list[str]) -> Iterator[None]:
    """While the patient restricts these records, each by itself."""
    change = "UPDATE record SET labels = labels {} $1::integer WHERE id = ANY($2::uuid[]) RETURNING id"
    mark = int(Label.RESTRICTED_HERE)
    assert len(platform.rows(change.format("|"), mark, ids)) == len(ids)
    try:
        yield
    finally:
        platform.rows(change.format("& ~ "), mark, ids)


def filed(platform: Standing, name: str) -> list[str]:
    """A result in a report, and an allergy, with one name: their ids."""
    result = {key: value for key, value in observation(code={"text": name}).items() if key != "valueQuantity"}
    number = str(create(platform, result | {"valueString": f"Svar {name}"}, about=WHO).tree["id"])
    about = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(WHO)}}
    report = {
        "resourceType": "DiagnosticReport", "status": "final", "code": {"text": f"Rapport {name}"}, "subject": about,
        "category": [{"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "LAB"}]}],
        "issued": "2026-03-02T09:00:00+01:00", "result": [{"reference": f"Observation/{number}"}],
    }  # fmt: skip
    headers = {"content-type": "application/fhir+json"}
    answer = platform.client.call(
        "POST", "/fhir/R4/DiagnosticReport", as_="lab", patient=platform.nin(WHO), body=encode(report), headers=headers
    )
    assert answer.status_code == 201, answer.text
    coded = {"coding": [{"system": "http://www.whocc.no/atc", "code": "J01CE02", "display": name}]}
    return [number, str(answer.json()["id"]), registered(platform, allergy(platform, WHO, code=coded), about=WHO)["id"]]


def corrected(platform: Standing, id_: str, name: str) -> None:
    tree = observation(code={"text": name}, valueString=f"Nytt {name}", status="corrected", id=id_)
    del tree["valueQuantity"]
    assert update(platform, id_, tree, "1").status == 200


def test_a_patient_with_something_hidden_is_offered_the_pages_of_one_without(
    platform: Standing, ehds: Standing
) -> None:
    before = offered(ehds)
    name = fresh()
    ids = filed(platform, name)
    with hidden(platform, ids):
        after = offered(ehds)
    with tab(ehds, "gp") as it:
        assert name in it.get(opened(it, WHO)).text, "it stands there once it is open"
    assert sorted(after) == sorted(before), "a page is offered, or is missing"
    assert {at: page for at, page in after.items() if page != before[at]} == {}


def test_whoever_is_shut_out_is_told_the_same_whatever_shuts_her_out(platform: Standing, ehds: Standing) -> None:
    now, told = platform.clock.now(), []
    for choice in (
        Choice("restriction", "results", "", "", now, None),
        Choice("block", "results", platform.persona("gp").hpr, "", now, None),
        Choice("opt-out", "results", "", "", now, None),
    ):
        with chosen(platform, WHO, choice):
            told.append(offered(ehds))
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("shut", ["all of it", "that result"])
def test_no_notice_says_that_somebody_who_was_read_has_shut_something_since(
    platform: Standing, ehds: Standing, shut: str
) -> None:
    """A notice without a name would: one about a patient who has shut nothing has it."""
    name = fresh()
    result, *_ = filed(platform, name)
    with tab(ehds, "gp") as it, tab(platform, "gp") as told:
        opened(it, WHO)
        for desk in (it, told):
            see_all(desk)
        everything = Choice("restriction", "results", "", "", platform.clock.now(), None)
        with chosen(platform, WHO, everything) if shut == "all of it" else hidden(platform, [result]):
            corrected(platform, result, name)
            assert UNNAMED not in text(it.get("/clinician"))
            assert UNNAMED in text(told.get("/clinician")), "where choices are told it says that something was changed"
        assert name in text(it.get("/clinician")), "once it is open she is told of it"


@pytest.mark.parametrize("shut", ["all of it", "those results"])
@pytest.mark.parametrize("since", ["before", "after"])
def test_what_is_shut_never_takes_the_place_on_the_desk_of_what_may_be_told(
    platform: Standing, ehds: Standing, monkeypatch: pytest.MonkeyPatch, shut: str, since: str
) -> None:
    """Nor does the desk say of it that more waits: what is shut is never read, so it would wait there for good."""
    monkeypatch.setattr(live_desk, "NOTICES_LOOKED_AT", 2)
    name, hidden_one = fresh(), fresh()
    open_one = str(create(platform, observation(code={"text": name}), about="citizen").tree["id"])
    own = [filed(platform, hidden_one)[0] for _ in range(3)]
    with tab(ehds, "gp") as it:
        opened(it, WHO)
        opened(it, "citizen")
        see_all(it)
        everything = Choice("restriction", "results", "", "", platform.clock.now(), None)
        with chosen(platform, WHO, everything) if shut == "all of it" else hidden(platform, own):
            if since == "before":
                corrected(platform, open_one, name)
            for id_ in own:
                corrected(platform, id_, hidden_one)
            if since == "after":
                corrected(platform, open_one, name)
            desk = text(it.get("/clinician"))
        assert f"{name} rettet" in desk, "the change of another patient's result is not told"
        assert "Ett varsel om noe du har lest" in desk
        assert "Enda flere venter" not in desk
        assert hidden_one not in desk
        assert hidden_one in text(it.get("/clinician")), "once it is open she is told of it"


def test_what_was_deleted_while_it_was_shut_takes_no_place_on_the_desk_either(
    platform: Standing, ehds: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_desk, "NOTICES_LOOKED_AT", 2)
    name, hidden_one = fresh(), fresh()
    open_one = str(create(platform, observation(code={"text": name}), about="citizen").tree["id"])
    own = [filed(platform, hidden_one)[0] for _ in range(3)]
    with tab(ehds, "gp") as it, tab(platform, "gp") as told:
        opened(it, WHO)
        opened(it, "citizen")
        see_all(it)
        with hidden(platform, own):
            corrected(platform, open_one, name)
            for id_ in own:
                answer = platform.client.call(
                    "DELETE", f"/fhir/R4/Observation/{id_}", as_="lab", patient=platform.nin(WHO)
                )
                assert answer.status_code in (200, 204), answer.text
        desk = text(it.get("/clinician"))
        assert f"{name} rettet" in desk
        assert ("Ett varsel om noe du har lest" in desk, "Enda flere venter" in desk) == (True, False)
        assert UNNAMED in text(told.get("/clinician")), "where choices are told it says that something was changed"
        see_all(told)


def test_more_waits_where_more_may_be_told(platform: Standing, ehds: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_desk, "NOTICES_LOOKED_AT", 2)
    names = [fresh() for _ in range(3)]
    ids = [filed(platform, name)[0] for name in names]
    with tab(ehds, "gp") as it:
        opened(it, WHO)
        see_all(it)
        for id_, name in zip(ids, names, strict=True):
            corrected(platform, id_, name)
        desk = text(it.get("/clinician"))
        assert [f"{name} rettet" in desk for name in names] == [False, True, True]
        assert "Enda flere venter" in desk


def test_whose_need_is_over_hears_without_a_name_and_not_whether_something_was_shut(
    platform: Standing, ehds: Standing
) -> None:
    told: list[str] = []
    for shut in (False, True):
        name = fresh()
        result, *_ = filed(platform, name)
        with tab(ehds, "hospital-doctor") as it:
            opened(it, WHO)  # by a need of her own words
            see_all(it)
            everything = Choice("restriction", "results", "", "", platform.clock.now(), None)
            with chosen(platform, WHO, everything) if shut else nullcontext():
                corrected(platform, result, name)
                desk = text(it.get("/clinician"))
            assert UNNAMED in desk and name not in desk
            told.append(re.sub(r"\d\d:\d\d", "T", desk))
            see_all(it)
    assert told[0] == told[1]


UNNAMED = "er endret. Åpne pasienten for å se hva som er nytt."


def see_all(it: Tab) -> None:
    """She has seen every notice that other tests left."""
    for _ in range(30):
        page = it.get("/clinician")
        number = re.search(r'action="/clinician/notice">.*?name="number" value="([^"]+)"', page.text, re.DOTALL)
        if number is None:
            return
        it.post(page, "/clinician/notice", number=number[1])
