"""Links to a copy of the summary over the real platform: who may make them, what the page says, and what stands in the log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

import shl_client
from handing import forget, make
from kjerne.access import Grant
from kjerne.pages import live_links
from kjerne.services.summary.drawing import Drawing
from kjerne.store import summary_links
from kjerne.store.summarising import Gathered
from pages.test_live import Tab, tab, text
from pages.test_live_inquiries import proxied  # noqa: F401
from platform_fixture import Standing
from services.results.test_intake_api import key_of

GATHERED = Drawing._gathered
HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture(autouse=True)
def _clean(platform: Standing) -> Iterator[None]:
    forget(platform)
    yield
    forget(platform)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as found:
        yield found


def other(it: Tab, platform: Standing, persona: str) -> httpx.Response:
    """The page of another whom she stands in for."""
    others = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
    (handle,) = [one for one, name in others if platform.persona(persona).person_name in name]
    return it.post(it.home, "/me/person", person=handle)


def test_a_name_is_shown_as_text_and_stands_in_the_link_as_it_was_written(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        made = make(it, label=HOSTILE)
        assert made.link.rest["label"] == HOSTILE
        for page in (made.page, it.get("/me/links")):
            assert "<script>alert" not in page.text
            assert HOSTILE in unescape(page.text)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"label": "x" * 81}, "Navnet er for langt"),
        ({"passcode": "kort"}, "Passordet er for kort eller for langt"),
        ({"passcode": "654321"}, "Passordet er for lett å gjette"),
        ({"hours": "721"}, "Velg hvor lenge"),
        ({"language": "fr"}, "Velg et av språkene"),
    ],
)
def test_a_form_that_cannot_be_is_shown_again_with_what_is_wrong_and_nothing_is_made(
    platform: Standing, fields: dict[str, str], told: str
) -> None:
    with tab(platform, "citizen", "me") as it:
        filled = {"label": "Ferie", "hours": "24", "passcode": "", "language": "en"} | fields
        page = it.post(it.get("/me/links/new"), "/me/links/new", **filled)
    assert page.status_code == 400
    assert told in text(page)
    assert platform.rows("SELECT 1 FROM summary_link") == []


def test_a_person_number_in_the_name_is_refused_and_not_shown_in_the_fault(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        number = platform.nin("citizen")
        page = it.post(
            it.get("/me/links/new"), "/me/links/new", label=f"Om {number}", hours="24", passcode="", language="en"
        )
    assert page.status_code == 400
    assert "Et fødselsnummer må ikke stå i navnet." in text(page)
    assert number not in platform.written.getvalue()


def test_the_language_of_the_copy_is_chosen(platform: Standing, http: httpx.Client) -> None:
    with tab(platform, "citizen", "me") as it:
        made = make(it, language="nn")
        (document,) = shl_client.files(http, made.link, shl_client.manifest(http, made.link, made.passcode))
    assert document["language"] == "nn"


def late(monkeypatch: pytest.MonkeyPatch, *services: str) -> None:
    """These sources of a summary do not answer."""

    async def gather(self: Drawing, grant: Grant) -> Gathered:
        if grant.service in services:
            raise TimeoutError
        return await GATHERED(self, grant)

    monkeypatch.setattr(Drawing, "_gathered", gather)


def test_what_a_copy_would_lack_is_told_and_asked_before_there_is_a_link(
    platform: Standing, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tab(platform, "citizen", "me") as it, monkeypatch.context() as patch:
        late(patch, "critical-information")
        sent = {"label": "Ferie", "hours": "24", "passcode": "", "language": "en"}
        asked = it.post(it.get("/me/links/new"), "/me/links/new", **sent)
        told = text(asked)
        assert asked.status_code == 409 and "Ingen lenke er laget ennå" in told
        assert "Allergier og overfølsomhet" in told and "Legemidler" not in told.partition("Prøv igjen")[0]
        assert 'value="Ferie"' in asked.text
        without = re.search(r'name="without" value="([^"]+)"', asked.text)
        assert without
        again = it.post(asked, "/me/links/new", **sent, without=without[1])
        assert again.status_code == 409, "she has not said yes"
        late(patch, "critical-information", "record")
        more = it.post(again, "/me/links/new", **sent, without=without[1], despite="yes")
        assert more.status_code == 409 and "Legemidler" in text(more), "she was not told of that"
        assert platform.rows("SELECT 1 FROM summary_link") == []
        late(patch, "critical-information")
        made = it.post(more, "/me/links/new", **sent, without=without[1], despite="yes")
        assert made.status_code == 200
        assert "Kopien er ikke fullstendig." in text(made) and "Allergier og overfølsomhet" in text(made)
        link = shl_client.read(unescape(re.search(r'id="uri">([^<]+)<', made.text)[1]))  # type: ignore[index]
        passcode = unescape(re.search(r'id="the-passcode">([^<]+)<', made.text)[1])  # type: ignore[index]
        listed = text(it.get("/me/links"))
        assert "Du valgte å lage den likevel." in listed and "Allergier og overfølsomhet" in listed
    (document,) = shl_client.files(http, link, shl_client.manifest(http, link, passcode))
    assert [one["code"] for one in document["meta"]["tag"]] == ["incomplete"]
    assert "Allergies" in document["entry"][0]["resource"]["text"]["div"]


def test_a_copy_that_lacks_nothing_is_not_asked_about(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        assert "ikke fullstendig" not in text(make(it).page)
        assert "ikke fullstendig" not in text(it.get("/me/links"))


def test_there_are_ten_at_a_time_and_one_more_when_one_is_ended(platform: Standing, http: httpx.Client) -> None:
    # Each is a summary drawn anew: of one about whom others file little.
    with tab(platform, "guardian", "me") as it:
        made = [make(it) for _ in range(summary_links.LIVING_MOST)]
        filled = {"label": "", "hours": "24", "passcode": "", "language": "en"}
        refused = it.post(it.get("/me/links/new"), "/me/links/new", **filled)
        assert refused.status_code == 409
        assert "Steng en av dem først" in text(refused)
        page = it.get("/me/links")
        at = re.findall(r'action="(/me/links/[^"]+/end)"', page.text)
        assert len(at) == summary_links.LIVING_MOST
        assert "Lenken er stengt." in text(it.post(page, at[0]))
        assert it.post(page, at[0]).status_code == 404
        make(it)
    answers = [shl_client.manifest(http, one.link, one.passcode).status_code for one in made]
    assert sorted(answers) == [200] * 9 + [404]


def test_a_link_of_another_is_not_hers_to_end(platform: Standing, http: httpx.Client) -> None:
    with tab(platform, "citizen", "me") as it, tab(platform, "parent", "me") as stranger:
        made = make(it)
        (row,) = platform.rows("SELECT number FROM summary_link")
        page = stranger.get("/me/links")
        assert str(row["number"]) not in page.text
        token = stranger.get("/me/links/new")
        assert stranger.post(token, f"/me/links/{row['number']}/end").status_code == 404
        assert stranger.post(token, "/me/links/x/end").status_code == 404
        assert shl_client.manifest(http, made.link, made.passcode).status_code == 200


def test_a_form_that_no_page_showed_makes_nothing(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        answer = it.http.post(
            f"{platform.url}/me/links/new", data={"hours": "24", "language": "en"}, headers={"origin": platform.url}
        )
    assert answer.status_code == 403
    assert platform.rows("SELECT 1 FROM summary_link") == []


@pytest.mark.usefixtures("proxied")
def test_a_proxy_hands_nothing_out_and_sees_no_links(platform: Standing) -> None:
    with tab(platform, "parent", "me") as it:
        other(it, platform, "citizen")
        assert "/me/links" not in it.get("/me/more").text
        assert it.get("/me/links").status_code == 403
        assert it.get("/me/links/new").status_code == 403
        filled = {"label": "", "hours": "24", "passcode": "", "language": "en"}
        assert it.post(it.get("/me/more"), "/me/links/new", **filled).status_code == 403
    assert platform.rows("SELECT 1 FROM summary_link") == []


def test_what_whoever_opened_it_said_is_told_without_person_numbers_and_as_not_checked(
    platform: Standing, http: httpx.Client
) -> None:
    number = platform.nin("parent")
    with tab(platform, "citizen", "me") as it:
        made = make(it)
        said = {"recipient": f"Lege {number} {HOSTILE}", "passcode": made.passcode}
        assert http.post(made.link.url, json=said).status_code == 200
        log, listed = it.get("/me/log"), it.get("/me/links")
    for page in (log, listed):
        assert number not in page.text
        assert "<script>alert" not in page.text
        assert HOSTILE in unescape(page.text)
    assert "Kaller seg, uten at det er kontrollert:" in text(log)
    assert "Ingen har kontrollert dem." in text(listed)
    assert number not in platform.written.getvalue()


def test_what_is_done_with_a_link_stands_in_her_log_in_words(platform: Standing) -> None:
    with tab(platform, "citizen", "me") as it:
        make(it)
        page = it.get("/me/links")
        (at,) = re.findall(r'action="(/me/links/[^"]+/end)"', page.text)
        it.post(page, at)
        told = text(it.get("/me/log?show=all"))
    for one in (
        "Laget en lenke til en kopi av sammendraget.",
        "Så lenkene til sammendraget, og hvem som har åpnet dem.",
        "Stengte en lenke til sammendraget.",
    ):
        assert one in told


def test_the_log_tells_programs_of_an_opening_too(platform: Standing, http: httpx.Client) -> None:
    with tab(platform, "citizen", "me") as it:
        made = make(it)
    answer = shl_client.manifest(http, made.link, made.passcode)
    assert answer.status_code == 200
    (row,) = platform.rows("SELECT at FROM audit WHERE correlation = $1", answer.headers["x-correlation-id"])
    found = platform.get("AuditEvent?_count=5", as_="citizen", portal=True)
    assert found.status == 200
    recorded = [one["recorded"] for one in found.resources()]
    assert any(one.startswith(row["at"].isoformat(timespec="seconds")[:19]) for one in recorded), recorded


def test_a_protected_address_is_handed_to_nobody() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "name": [{"text": "Kari"}],
        "address": [{"city": "Ås"}],
        "text": {},
    }
    other_one = {"resourceType": "Organization", "address": [{"city": "Oslo"}]}
    document = {"resourceType": "Bundle", "entry": [{"fullUrl": "a", "resource": patient}, {"resource": other_one}]}
    told = live_links.without_places(document)
    assert told["entry"][0] == {
        "fullUrl": "a", "resource": {"resourceType": "Patient", "id": "p", "name": [{"text": "Kari"}]},
    }  # fmt: skip
    assert told["entry"][1] == {"resource": other_one}


def of_a_child(it: Tab) -> str:
    """Her pages about a child of hers that she may hand out for; what the child is called."""
    children = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
    assert children, "the parent has a child of less than 12 years"
    for handle, name in children:
        it.post(it.get("/me"), "/me/person", person=handle)
        if it.get("/me/links/new").status_code == 200:
            return unescape(name).strip()
    pytest.fail("no child of hers is hers to hand out for")


def test_a_parent_hands_out_what_a_young_child_has(platform: Standing, http: httpx.Client) -> None:
    with tab(platform, "parent", "me") as it:
        of_a_child(it)
        made = make(it)
    (document,) = shl_client.files(http, made.link, shl_client.manifest(http, made.link, made.passcode))
    (row,) = platform.rows("SELECT patient FROM summary_link")
    assert row["patient"] != key_of(platform, platform.nin("parent"))
    assert document["type"] == "document"


def test_a_parent_is_told_when_a_copy_was_opened_and_on_no_page_what_the_opener_said_of_herself(
    platform: Standing, http: httpx.Client
) -> None:
    with tab(platform, "parent", "me") as it:
        name = of_a_child(it)
        made = make(it)
        for passcode in (made.passcode, "feil passord"):
            http.post(made.link.url, json={"recipient": "Dr. Papadaki", "passcode": passcode})
        listed, log = it.get("/me/links"), it.get("/me/log?show=all")
    assert "Papadaki" not in listed.text + log.text
    told = text(listed)
    assert re.search(r"Åpnet én gang · Feil passord én gang Når den ble åpnet", told), told[:900]
    assert f"Hva den som åpnet kalte seg, vises bare for {name}." in told
    assert "Ingen har kontrollert dem." not in told
