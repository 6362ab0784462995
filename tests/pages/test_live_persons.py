"""The operator links two numbers and undoes it, in two steps each, over the real platform."""

from __future__ import annotations

import re
from html import unescape

import httpx

from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from services.results.conftest import fresh_number
from services.test_standards import create, observation

REASON = "Fikk nytt nummer i fjor"


def typed(it: Tab, one: str, other: str, reason: str = REASON) -> httpx.Response:
    page = it.get("/operations/persons/link")
    return it.post(page, "/operations/persons/preview", one=one, other=other, reason=reason)


def hidden(page: httpx.Response) -> dict[str, str]:
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    return {name: value for name, value in found.items() if name != "token"}


def test_two_numbers_are_linked_and_unlinked_and_nobody_is_named(platform: Standing) -> None:
    one, other = platform.persona("proxy"), platform.persona("guardian")
    record = create(platform, observation(), about="guardian").tree["id"]
    with tab(platform, "administrator", "operations") as it:
        effect = typed(it, one.nin, other.nin)
        assert "Registeret sier ikke det samme om de to." in text(effect)
        done = it.post(effect, "/operations/persons/save", **hidden(effect))
        assert "Numrene er knyttet sammen" in text(done)
        number = re.findall(r'href="/operations/persons/(\d+)"', done.text)[0]
        assert f'aria-label="Skill: kobling {number}">Skill</a>' in done.text
        assert record in platform.search("Observation", [("_count", "1000")], about="proxy").ids()

        form = it.get(f"/operations/persons/{number}")
        assert REASON in text(form)
        shown = it.post(form, f"/operations/persons/{number}/preview", reason="De er to personer")
        assert re.search(r"LE \d+ resultat", text(shown)), text(shown)
        undone = it.post(shown, f"/operations/persons/{number}/undo", **hidden(shown))
        assert "Koblingen er opphevet." in text(undone)
        assert "De er to personer" in text(undone)
        told = "".join(page.text for page in (done, form, shown, undone))
    for person in (one, other):
        assert person.person_name not in told and person.nin not in told
    with tab(platform, "proxy", "me") as citizen:
        page = citizen.get("/me/log?show=all")
        log = text(page)
        while older := re.search(r'href="(/me/log\?[^"]*after=[^"]+)"', page.text):
            page = citizen.get(unescape(older[1]))
            log += text(page)
    assert "Vurderte, knyttet sammen eller skilte personnumre." in log
    assert REASON in log and "De er to personer" in log


def test_what_cannot_be_linked_is_said_on_the_form(platform: Standing) -> None:
    one = platform.persona("proxy").nin
    with tab(platform, "administrator", "operations") as it:
        for other, reason, said in (
            ("123", REASON, "Det andre nummeret kan ikke brukes."),
            (fresh_number(), REASON, "Ingen er registrert her med det andre nummeret."),
            (platform.persona("gp").nin, "kort", "Skriv hvorfor, med 8 til 500 tegn"),
        ):
            page = typed(it, one, other, reason)
            assert page.status_code >= 400
            assert said in text(page)
        same = typed(it, one, one)
        assert "Det andre nummeret kan ikke brukes." in text(same)
        assert "/operations/persons/save" not in same.text
        assert it.get("/operations/persons/1").status_code == 404
