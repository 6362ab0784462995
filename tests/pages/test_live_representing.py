"""Proxies and guardians over the real platform: what each may open, what she reads of why not, and live registers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any

import httpx
import pytest

from kjerne.pages import live, live_representing
from kjerne.policy import facts
from kjerne.policy.people import OSLO, norwegian_day
from pages.test_live import Tab, tab, text
from platform_fixture import Standing
from registries_at_hand import tied, untied


def name(platform: Standing, part: Any) -> str:
    """Of one of the cast, who may be no persona."""
    return (
        platform.population.by_key[platform.population.cast[part]].name
        if part in platform.population.cast
        else (platform.persona(part).person_name)
    )


def opened(it: Tab, page: httpx.Response, person: str) -> httpx.Response:
    """What she meets who changes to another person's record."""
    found = re.search(rf'name="person" value="([^"]+)"[^>]*>{re.escape(person)}', page.text)
    assert found, text(page)
    return it.post(page, "/me/person", person=found[1])


@contextmanager
def read_at(platform: Standing, at: datetime) -> Iterator[None]:
    """What the registers say holds as at that time. The clock stays: no test moves it back, since what is written at a later hour
    would be the newest to all others."""
    ahead = at - platform.clock.now()
    with pytest.MonkeyPatch.context() as patch:
        for reads in (facts, live, live_representing):
            patch.setattr(reads, "norwegian_day", lambda now: norwegian_day(now + ahead))
        yield


def test_a_proxy_with_the_area_of_insight_alone_sees_results_and_not_the_choices(platform: Standing) -> None:
    with (
        tied(platform, "opted-out", "proxy", "proxy", areas=("innsyn",)),
        tab(platform, "proxy", "me") as proxy,
    ):
        page = opened(proxy, proxy.home, name(platform, "opted-out"))
        assert page.status_code == 200
        assert "/me/privacy" not in page.text
        assert "Mine valg" not in text(page)
        assert "Nye prøvesvar tas ikke imot her, fordi det er reservert mot tjenesten." in text(page)
        assert "/me/privacy" not in proxy.get("/me/log").text
        shut = proxy.get("/me/privacy")
        assert (shut.status_code, "Fullmakten omfatter ikke dette." in text(shut)) == (403, True)


def test_a_proxy_sees_the_citizens_results_and_takes_no_copy(platform: Standing) -> None:
    with tab(platform, "proxy", "me") as proxy:
        page = opened(proxy, proxy.home, name(platform, "citizen"))
        assert page.status_code == 200
        assert f"Du ser opplysningene til {name(platform, 'citizen')}." in text(page)
        assert proxy.get("/me/results").status_code == 200
        assert "HbA1c" in text(proxy.get("/me/results"))
        copy = proxy.get("/me/download")
        assert (copy.status_code, "Du får alt" in text(copy)) == (403, False)
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
        young = text(youth.get("/me/representation"))
    assert name(platform, "parent") not in young.partition("Disse kan se for deg")[2]
    with tab(platform, "parent", "me") as parent:
        hers = text(parent.get("/me/representation"))
    assert f"{name(platform, 'youth')} Foreldreansvar Når barnet er mellom 12 og 16 år" in hers


_TRIES = "SELECT outcome FROM audit WHERE rule = 'choice-refused'"


def test_a_proxy_who_may_act_closes_and_lifts_what_was_closed_in_the_citizens_stead_alone(platform: Standing) -> None:
    with tab(platform, "proxy", "me") as proxy:
        opened(proxy, proxy.home, name(platform, "citizen"))
        page = proxy.get("/me/privacy")
        hers = name(platform, "blocked-doctor")
        assert f"Blokkert: {hers}" in text(page) and f'aria-label="Opphev: Blokkert {hers}"' not in page.text
        assert "Reserver" not in text(page) and "Samtykk for et" not in text(page)
        assert f"Valg for {name(platform, 'citizen')}" in text(page)
        assert not re.findall(r"\b(?:prøvesvarene dine|loggen din|om deg|gi deg|du samtykker|Mine valg)\b", text(page))
        assert "tas ikke imot" not in text(proxy.get("/me"))
        made = proxy.post(page, "/me/privacy/save", kind="restriction", of="genetics")
        assert "Valget er lagret" in text(made)
        assert 'aria-label="Opphev: Sperret Genetiske svar' in made.text
        before = len(platform.rows(_TRIES))
        for wish in ({"kind": "opt-out"}, {"kind": "consent", "whom": "at:100000008"}):
            assert proxy.post(made, "/me/privacy/save", **wish).status_code in (400, 403)
        assert proxy.get("/me/notify").status_code == 403
        with tab(platform, "citizen", "me") as citizen:
            own = citizen.get("/me/privacy")
            assert "satt av en som handler for personen" in text(own)
            log = text(citizen.get("/me/log?show=all"))
            assert "En person med fullmakt så eller endret personverninnstillingene." in log
            block = re.search(rf'name="number" value="(\d+)"><button[^>]*aria-label="Opphev: Blokkert {hers}', own.text)
            assert block
        refused = proxy.post(made, "/me/privacy/lift", number=block[1])
        assert refused.status_code == 403
        tries = [row["outcome"] for row in platform.rows(_TRIES)][before:]
        assert tries == [1, 1, 1], "an opt-out, a consent, and what is not a proxy's to lift"
        with tab(platform, "citizen", "me") as citizen:
            assert "Et valg om innsyn ble forsøkt gjort eller opphevet" in text(citizen.get("/me/log?show=refused"))
        number = re.search(r'name="number" value="(\d+)"', made.text)
        assert number
        lifted = proxy.post(made, "/me/privacy/lift", number=number[1])
        assert "Valget er opphevet" in text(lifted) and "Genetiske svar –" not in text(lifted)
        assert f"Blokkert: {hers}" in text(lifted)


def test_a_guardian_chooses_by_her_scope_and_the_ward_sees_it(platform: Standing) -> None:
    with tab(platform, "guardian", "me") as guardian:
        opened(guardian, guardian.home, name(platform, "ward"))
        assert "Oppgjør" not in text(guardian.get("/me/privacy")), "she sees nothing of it"
        assert guardian.get("/me/privacy?service=settlement").status_code == 404
        for deed in ("preview", "save"):
            tried = guardian.post(
                guardian.get("/me/privacy"), f"/me/privacy/{deed}", kind="restriction", service="settlement"
            )
            assert tried.status_code in (403, 404)
        made = guardian.post(guardian.get("/me/privacy"), "/me/privacy/save", kind="restriction", of="pathology")
        assert "Valget er lagret" in text(made)
        with tab(platform, "ward", "me") as ward:
            own = ward.get("/me/privacy")
            number = re.search(r'name="number" value="(\d+)"', own.text)
            assert number and "satt av en som handler for personen" in text(own)
            assert "Vergen så eller endret personverninnstillingene." in text(ward.get("/me/log?show=all"))
            assert "Valget er opphevet" in text(ward.post(own, "/me/privacy/lift", number=number[1]))


def test_a_childs_guardian_stands_where_no_parent_does_and_nowhere_else(platform: Standing) -> None:
    child, guardian = name(platform, "twin"), "guardian"
    scope = {"areas": ("personligeInteresser",), "form": "midlertidigForMindreaarig"}
    with tied(platform, "twin", guardian, "guardian", **scope), tab(platform, guardian, "me") as it:
        beside = opened(it, it.get("/me"), child)
        assert (beside.status_code, "bare når ingen har foreldreansvaret" in text(beside)) == (403, True)
        with untied(platform, "twin", "parent", "parent"):
            assert it.get("/me").status_code == 200
            chosen = it.post(it.get("/me/privacy"), "/me/privacy/save", kind="restriction", of="genetics")
            number = re.search(r'name="number" value="(\d+)"', chosen.text)
            assert number and "Valget er opphevet" in text(it.post(chosen, "/me/privacy/lift", number=number[1]))
            assert it.get("/me/inquiries").status_code == 403
        assert it.get("/me").status_code == 403


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
    day = norwegian_day(platform.clock.now()) + timedelta(days=3)
    midnight = datetime.combine(day, time(), OSLO)
    with tied(platform, "opted-out", "proxy", "proxy", areas=("innsyn",), until=day):
        with read_at(platform, midnight - timedelta(minutes=1)), tab(platform, "proxy", "me") as proxy:
            assert name(platform, "opted-out") in text(proxy.home)
            assert opened(proxy, proxy.home, name(platform, "opted-out")).status_code == 200
        with read_at(platform, midnight), tab(platform, "proxy", "me") as proxy:
            assert name(platform, "opted-out") not in text(proxy.home)


def test_what_a_register_takes_back_holds_on_the_next_request(platform: Standing) -> None:
    with tab(platform, "guardian", "me") as guardian:
        with tied(platform, "opted-out", "guardian", "guardian", areas=("personligeInteresser",), form="voksen"):
            page = opened(guardian, guardian.get("/me"), name(platform, "opted-out"))
            assert page.status_code == 200
        assert guardian.get("/me/results").status_code == 403
