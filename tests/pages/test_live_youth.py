"""Youth access over the real platform: a parent gives and withdraws it, and what a youth of 14 sees before, with and after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from kjerne.policy.people import birthday
from pages.test_live import Tab, tab, text
from pages.test_live_representing import name
from platform_fixture import Standing
from registries_at_hand import tied, untied

WAITS = "Mellom 13 og 16 år vises prøvesvar bare med samtykke fra en forelder eller verge."


@contextmanager
def moved_to(platform: Standing, at: datetime) -> Iterator[None]:
    """The clock of the platform at that time, and back: a consent ends by the moment of a request, which nothing else can stand
    for. What is written there lies on the log of the youth and of her parent alone."""
    before = platform.clock.now()
    platform.clock.move(at - before)
    yield
    platform.clock.move(before - platform.clock.now())


def answered(it: Tab, answer: str) -> str:
    """The page after its button was pressed, in words."""
    page = it.get("/me/youth")
    person = re.search(r'name="person" value="([0-9a-f]+)"', page.text)
    assert person, text(page)
    return text(it.post(page, "/me/youth/save", person=person[1], answer=answer))


@contextmanager
def permitted(platform: Standing) -> Iterator[None]:
    with tab(platform, "parent", "me") as parent:
        assert "Samtykket er gitt og gjelder fra nå." in answered(parent, "give")
    try:
        yield
    finally:
        with tab(platform, "parent", "me") as parent:
            assert "Samtykket er trukket tilbake" in answered(parent, "withdraw")


def test_without_consent_a_youth_has_her_log_and_her_settings_and_no_result(platform: Standing) -> None:
    with tab(platform, "youth", "me") as youth:
        assert youth.home.status_code == 200
        assert WAITS in text(youth.home) and "Ferritin" not in text(youth.home)
        assert (youth.get("/me/results").status_code, WAITS in text(youth.get("/me/results"))) == (403, True)
        assert youth.get("/me/log").status_code == 200
        settings = youth.get("/me/privacy")
        assert "Før du er 16 år, kan du sperre og blokkere" in text(settings)
        assert "Reserver deg mot tjenesten" not in text(settings)
        asked = youth.post(settings, "/me/privacy/preview", kind="opt-out")
        assert (asked.status_code, "Dette skjer når du lagrer" in text(asked)) == (403, False)
        assert "Dette er ikke et valg her." in text(asked)
        assert youth.post(settings, "/me/privacy/save", kind="opt-out").status_code == 403
        for path in ("/me/inquiries", "/me/download"):
            assert path not in youth.get("/me/more").text
            assert youth.get(path).status_code == 403
        assert "Du får alt" not in text(youth.get("/me/download"))


def test_a_parent_consents_the_youth_sees_her_own_and_the_parent_nothing(platform: Standing) -> None:
    with permitted(platform):
        with tab(platform, "youth", "me") as youth:
            assert "Ferritin" in text(youth.get("/me/results"))
            settings = youth.get("/me/privacy")
            assert "Ungdomstilgang" in text(settings) and "satt av en forelder" in text(settings)
            log = text(youth.get("/me/log?show=all"))
            assert "Ga samtykke til ungdomstilgang." in log
            assert name(platform, "parent") in log
        with tab(platform, "parent", "me") as parent:
            page = parent.get("/me/youth")
            assert f"{name(platform, 'youth')} Samtykket er gitt" in text(page)
            assert "Ferritin" not in text(page)
            person = re.search(rf'name="person" value="([^"]+)"[^>]*>{name(platform, "youth")}', parent.home.text)
            assert person
            shut = parent.post(parent.home, "/me/person", person=person[1])
            assert (shut.status_code, "har foreldre ikke digitalt innsyn" in text(shut)) == (403, True)
    with tab(platform, "youth", "me") as youth:
        assert youth.get("/me/results").status_code == 403


def test_it_ends_by_itself_at_norwegian_midnight_on_the_day_she_is_16(platform: Standing) -> None:
    population = platform.population
    day = birthday(population.by_key[population.cast["youth"]].birth_date, 16)
    midnight = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    with permitted(platform):
        with moved_to(platform, midnight - timedelta(days=1)), tab(platform, "youth", "me") as youth:
            assert "Ungdomstilgang" in text(youth.get("/me/privacy"))
            assert youth.get("/me/results").status_code == 200
        with moved_to(platform, midnight), tab(platform, "youth", "me") as youth:
            assert "Ungdomstilgang" not in text(youth.get("/me/privacy"))
            assert "Reserver deg mot tjenesten" in text(youth.get("/me/privacy"))
            assert youth.get("/me/results").status_code == 200
        with moved_to(platform, midnight), tab(platform, "parent", "me") as parent:
            assert "Ingen register sier i dag" in text(parent.get("/me/youth"))


def test_consent_is_not_given_twice_nor_by_a_stranger(platform: Standing) -> None:
    with permitted(platform), tab(platform, "parent", "me") as parent:
        page = parent.get("/me/youth")
        person = re.search(r'name="person" value="([0-9a-f]+)"', page.text)
        assert person
        again = parent.post(page, "/me/youth/save", person=person[1], answer="give")
        assert (again.status_code, "Noen andre endret samtykket" in text(again)) == (409, True)
        assert parent.post(page, "/me/youth/save", person=person[1], answer="perhaps").status_code == 400
        assert parent.post(page, "/me/youth/save", person="0" * 24, answer="give").status_code == 403
        child = re.search(rf'name="person" value="([^"]+)"[^>]*>{name(platform, "child")}', parent.home.text)
        assert child
        assert parent.post(page, "/me/youth/save", person=child[1], answer="give").status_code == 403
    with tab(platform, "proxy", "me") as proxy:
        assert "Ingen register sier i dag" in text(proxy.get("/me/youth"))


def test_a_guardian_consents_where_nobody_is_a_parent(platform: Standing) -> None:
    scope = {"areas": ("personligeInteresser",), "form": "mindreaarig"}
    with tied(platform, "youth", "guardian", "guardian", **scope), tab(platform, "guardian", "me") as guardian:
        assert "Ingen register sier i dag" in text(guardian.get("/me/youth"))
        with untied(platform, "youth", "parent", "parent"):
            assert "Samtykket er gitt og gjelder fra nå." in answered(guardian, "give")
            with tab(platform, "youth", "me") as youth:
                assert "satt av en som handler for personen" in text(youth.get("/me/privacy"))
                assert youth.get("/me/results").status_code == 200
        with tab(platform, "parent", "me") as parent:
            assert "Samtykket er trukket tilbake" in answered(parent, "withdraw")


def test_a_youth_lifts_what_she_chose_and_nothing_else(platform: Standing) -> None:
    with tab(platform, "youth", "me") as youth:
        made = youth.post(youth.get("/me/privacy"), "/me/privacy/save", kind="restriction", of="genetics")
        number = re.search(r'name="number" value="(\d+)"', made.text)
        assert number
        assert "Valget er opphevet" in text(youth.post(made, "/me/privacy/lift", number=number[1]))
