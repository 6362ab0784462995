"""Sources register about whom they have documents, and who looks asks those that may have something (law, K193 and K194)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from asked_sources import Country, nothing_registered, says
from documents_at_hand import HOME
from foreign_sources import Odd
from platform_fixture import Standing, where_no_choice_is_told
from services.results.conftest import fresh_number

PATIENT = "parent"
"""She has a general practitioner, and is in care nowhere."""
NOT_ASKED = "Sundvika sykehus was not asked: it has registered no documents about this patient"


def registers(platform: Standing, *numbers: str, as_: str = "document-source", **more: str) -> httpx.Response:
    form = [("home", HOME), *(("patient", one) for one in numbers), *more.items()]
    return platform.client.call("POST", "/phr/register", as_=as_, form=form)


def said(found: Any) -> list[str]:
    return [
        issue["diagnostics"]
        for one in found.tree.get("entry", ())
        if one["search"]["mode"] == "outcome"
        for issue in one["resource"]["issue"]
    ]


@pytest.fixture
def source(country: Country) -> Iterator[Odd]:
    """Sundvika, which has a document of hers, while nothing of it is registered; nothing is when the test ends."""
    made = country.odd(says(country.its(about=PATIENT, title="Epikrise")))
    country.asks(sundvika=made.port)
    with nothing_registered(country.platform):
        yield made


def aged(platform: Standing) -> None:
    """As a day after sources have said that they register everybody."""
    platform.rows("UPDATE document_register SET whole_at = whole_at - interval '24 hours' RETURNING source")


def test_a_source_that_registers_everybody_is_not_asked_about_whom_it_has_nothing_of(
    country: Country, source: Odd
) -> None:
    platform = country.platform
    assert registers(platform, platform.nin("citizen")).status_code == 200
    assert country.search(about=PATIENT).tree["total"] == 1, "it has not said that this is everybody"
    assert registers(platform, whole="true").json() == {"home": HOME, "taken": 0, "whole": True}
    asked = len(source.asked)
    found = country.search(about=PATIENT)
    assert (found.status, found.tree["total"], len(source.asked)) == (200, 0, asked), "nobody is asked"
    assert said(found) == [f"{NOT_ASKED}, and no care there is known (sources=all asks every one)"]
    all_ = country.search("&sources=all", about=PATIENT)
    assert (all_.tree["total"], said(all_)) == (1, [])
    urgent = country.search(about=PATIENT, purpose="ETREAT")
    assert (urgent.tree["total"], said(urgent)) == (1, []), "nothing is left out in an emergency"
    assert registers(platform, platform.nin(PATIENT)).status_code == 200
    assert (country.search(about=PATIENT).tree["total"], len(source.asked) > asked) == (1, True)
    assert registers(platform, gone=platform.nin(PATIENT)).status_code == 200
    assert country.search(about=PATIENT).tree["total"] == 0


def test_a_source_that_was_not_asked_is_none_that_answered(country: Country, source: Odd) -> None:
    down = country.odd(lambda _: ("text/html", b"<html>"))
    country.asks(sundvika=source.port, nordvik=down.port)
    assert registers(country.platform, whole="true").status_code == 200
    assert country.search(about=PATIENT).status == 504, "of the one that was asked nobody knows what it has"


def test_a_register_that_is_a_day_old_a_new_source_and_known_care_mean_that_it_is_asked(
    country: Country, source: Odd
) -> None:
    platform = country.platform
    assert registers(platform, whole="true").status_code == 200
    country.asks(nordvik=source.port)
    assert said(country.search(about=PATIENT)) != [NOT_ASKED], "a source that has said nothing"
    country.asks(sundvika=source.port)
    assert country.search(about=PATIENT).tree["total"] == 0
    source.answers = says(country.its(about="citizen", title="Epikrise"))
    assert country.search(about="citizen").tree["total"] == 1, "she is in care with its organisation"
    source.answers = says(country.its(about=PATIENT, title="Epikrise"))
    aged(platform)
    assert country.search(about=PATIENT).tree["total"] == 1


def test_a_citizen_is_told_of_no_source_that_was_not_asked(country: Country, source: Odd) -> None:
    # That another was asked would tell her that it has something, which may be withheld from her.
    assert registers(country.platform, whole="true").status_code == 200
    found = country.search(as_=PATIENT, about=PATIENT, portal=True)
    assert (found.status, found.tree["total"], said(found)) == (200, 1, [])


def test_where_no_choice_is_told_every_source_is_asked(country: Country, source: Odd) -> None:
    assert registers(country.platform, whole="true").status_code == 200
    with where_no_choice_is_told(country.platform) as platform:
        found = replace(country, platform=platform).search(about=PATIENT)
    assert (found.status, found.tree["total"], said(found)) == (200, 1, [])


def test_what_was_registered_stands_in_her_log_and_nothing_is_said_of_whom_nobody_knows_or_of_her_choices(
    country: Country, source: Odd
) -> None:
    platform = country.platform
    answers = [
        registers(platform, number).json()
        for number in (platform.nin(PATIENT), fresh_number(), platform.nin("opted-out"))
    ]
    assert answers == [{"home": HOME, "taken": 1, "whole": False}] * 3
    rows = platform.rows(
        "SELECT * FROM audit WHERE service = 'documents' AND action = 'file' AND outcome = 0 ORDER BY at DESC LIMIT 3"
    )
    assert [(one["rule"], one["patient"] == 0, one["outcome"]) for one in rows] == [
        ("sent-in", False, 0), ("documents-registered", True, 0), ("sent-in", False, 0)
    ]  # fmt: skip


def test_a_source_registers_for_itself_alone_and_by_its_own_system(country: Country, source: Odd) -> None:
    platform, number = country.platform, country.platform.nin(PATIENT)
    assert registers(platform, number, as_="gp").status_code == 403
    for form in (
        [("home", "urn:oid:2.16.578.2"), ("patient", number)], [("patient", number)],
    ):  # fmt: skip
        refused = platform.client.call("POST", "/phr/register", as_="document-source", form=form)
        assert refused.status_code in (400, 403) and number not in refused.text
    assert registers(platform).status_code == 400
    assert registers(platform, *[number] * 101).status_code == 400
    assert registers(platform, number, whole="perhaps").status_code == 400
    assert registers(platform, "12345678901").status_code in (400, 422)
