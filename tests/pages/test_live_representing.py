"""Proxies and guardians over the real platform: what each may open, what she reads of why not, and live registers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx

from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from registries_at_hand import tied


def name(platform: Standing, part: str) -> str:
    return platform.persona(part).person_name


def opened(it: Tab, page: httpx.Response, person: str) -> httpx.Response:
    """What she meets who changes to another person's record."""
    found = re.search(rf'name="person" value="([^"]+)"[^>]*>{re.escape(person)}', page.text)
    assert found, text(page)
    return it.post(page, "/me/person", person=found[1])


@contextmanager
def moved_to(platform: Standing, at: datetime) -> Iterator[None]:
    before = platform.clock.now()
    platform.clock.move(at - before)
    yield
    platform.clock.move(before - platform.clock.now())


def test_a_proxy_with_the_area_of_insight_sees_the_citizens_results_and_not_her_choices(platform: Standing) -> None:
    with tab(platform, "proxy", "me") as proxy:
        page = opened(proxy, proxy.home, name(platform, "citizen"))
        assert page.status_code == 200
        assert f"Du ser opplysningene til {name(platform, 'citizen')}." in text(page)
        assert "/me/privacy" not in page.text
        assert "Mine valg" not in text(page)
        assert proxy.get("/me/results").status_code == 200
        assert "HbA1c" in text(proxy.get("/me/results"))
        shut = proxy.get("/me/privacy")
        assert (shut.status_code, "Fullmakten omfatter ikke dette." in text(shut)) == (403, True)
        copy = proxy.get("/me/download")
        assert "Som fullmektig eller verge kan du lese opplysningene her, men ikke laste dem ned." in text(copy)
        assert "/me/download/file" not in copy.text
    with tab(platform, "citizen", "me") as citizen:
        log = text(citizen.get("/me/log?show=all"))
        assert name(platform, "proxy") in log
        assert "En person med fullmakt så opplysningene." in log


def test_a_power_in_another_area_opens_nothing_and_says_so(platform: Standing) -> None:
    with tab(platform, "proxy", "me") as proxy:
        page = opened(proxy, proxy.home, name(platform, "pregnant"))
        assert (page.status_code, "Fullmakten omfatter ikke dette." in text(page)) == (403, True)


def test_a_guardian_sees_by_her_scope(platform: Standing) -> None:
    with tab(platform, "guardian", "me") as guardian:
        page = opened(guardian, guardian.home, name(platform, "ward"))
        assert page.status_code == 200
        assert "Kreatinin" in text(guardian.get("/me/results"))
        money = opened(guardian, page, name(platform, "renumbered"))
        assert (money.status_code, "Vergemålet omfatter ikke dette." in text(money)) == (403, True)


def test_the_page_tells_whom_one_may_act_for_and_who_may_act_for_oneself(platform: Standing) -> None:
    with tab(platform, "proxy", "me") as proxy:
        mine = text(proxy.get("/me/representation"))
    assert f"{name(platform, 'citizen')} Fullmakt: innsyn i opplysninger, digitale helsetjenester · til og med" in mine
    assert f"{name(platform, 'pregnant')} Fullmakt: digitale helsetjenester Fullmakten omfatter ikke dette." in mine
    assert "Ingen register sier at noen kan handle for deg." in mine
    with tab(platform, "ward", "me") as ward:
        theirs = text(ward.get("/me/representation"))
    assert f"{name(platform, 'guardian')} Vergemål: personlige og økonomiske forhold Kan se prøvesvar" in theirs
    with tab(platform, "youth", "me") as youth:
        grown = text(youth.get("/me/representation"))
    assert name(platform, "parent") not in grown.partition("Disse kan se for deg")[2]
    with tab(platform, "parent", "me") as parent:
        hers = text(parent.get("/me/representation"))
    assert f"{name(platform, 'youth')} Foreldreansvar Fra 16 år bestemmer ungdommen selv" in hers


def test_a_protected_address_names_nobody_either_way(platform: Standing) -> None:
    protected, proxy = name(platform, "protected"), name(platform, "proxy")
    with (
        tied(platform, "protected", "proxy", "proxy", areas=("innsyn",)),
        tied(platform, "proxy", "protected", "proxy", areas=("innsyn",)),
    ):
        with tab(platform, "protected", "me") as herself:
            page = text(herself.get("/me/representation"))
            assert "Du har beskyttet adresse." in page
            assert proxy not in page + text(herself.home)
        with tab(platform, "proxy", "me") as other:
            assert protected not in text(other.get("/me/representation")) + text(other.home)


def test_a_power_of_attorney_ends_at_midnight_in_norway(platform: Standing) -> None:
    day = (platform.clock.now() + timedelta(days=3)).date()
    last_minute = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=1, minutes=1)
    with tied(platform, "opted-out", "proxy", "proxy", areas=("innsyn",), until=day):
        with moved_to(platform, last_minute), tab(platform, "proxy", "me") as proxy:
            assert name(platform, "opted-out") in text(proxy.home)
            assert opened(proxy, proxy.home, name(platform, "opted-out")).status_code == 200
        with moved_to(platform, last_minute + timedelta(minutes=1)), tab(platform, "proxy", "me") as proxy:
            assert name(platform, "opted-out") not in text(proxy.home)


def test_what_a_register_takes_back_holds_on_the_next_request(platform: Standing) -> None:
    with tab(platform, "guardian", "me") as guardian:
        with tied(platform, "opted-out", "guardian", "guardian", areas=("personligeInteresser",), form="voksen"):
            page = opened(guardian, guardian.get("/me"), name(platform, "opted-out"))
            assert page.status_code == 200
        assert guardian.get("/me/results").status_code == 403
