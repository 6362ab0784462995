"""When a result opens for the citizen: by discipline, by the requester's wish, and checked when she reads."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kjerne.access import Caller
from kjerne.clock import FixedClock
from kjerne.fhir.definitions import type_number
from kjerne.registries.withholding import UNDATED_DELAY_DAYS
from kjerne.services.results import release
from platform_fixture import Standing

from .conftest import NOW, Ward, fresh_number
from .kith.conftest import Kith

ISSUED = datetime(2026, 3, 5, 10, tzinfo=UTC)


def opens(discipline: str = "CLIN", *, noru: str = "", code: str = "NORU") -> datetime | None:
    """When a report of this discipline opens, with the requester's reservation where one is given."""
    reservation = f"<Reservation V='{code}' S='{Kith.OID}9603' OT='{noru}'/>" if noru else ""
    request = f"<ServReq><IssueDate V='2026-03-01'/><Id>1</Id>{reservation}</ServReq>"
    message = Kith.understood(Kith.message(Kith.report(Kith.item(), discipline=discipline, head=request)))
    return release.opens_at(message.reports[0], ISSUED)


@pytest.mark.parametrize("discipline", ["CLIN", "MBIO", "IMTR", "RAD"])
def test_most_results_open_at_once(discipline: str) -> None:
    assert opens(discipline) is None


@pytest.mark.parametrize("discipline", ["HIST", "CYTO", "PAT", "MGEN"])
def test_what_can_change_a_life_waits_fourteen_days_from_the_reports_own_date(discipline: str) -> None:
    assert opens(discipline) == ISSUED + timedelta(days=14)


def test_the_requester_may_delay_any_report_until_a_norwegian_midnight() -> None:
    assert opens(noru="2026-03-12") == datetime(2026, 3, 11, 23, tzinfo=UTC)


def test_the_later_of_rule_and_wish_counts() -> None:
    assert opens("HIST", noru="2026-03-06") == ISSUED + timedelta(days=14)
    assert opens("HIST", noru="2026-04-30") == datetime(2026, 4, 29, 22, tzinfo=UTC)


@pytest.mark.parametrize("noru", ["soon", " "])
def test_a_delay_without_a_date_lasts_as_long_here_as_on_any_other_way_in(noru: str) -> None:
    assert opens(noru=noru) == ISSUED + timedelta(days=UNDATED_DELAY_DAYS)


def test_another_reservation_with_a_date_delays_nothing() -> None:
    assert opens(noru="2026-03-12", code="NORS") is None


class Home:
    """A house with a tissue report about somebody who is a citizen of it."""

    def __init__(self, ward: Ward, number: str) -> None:
        self.ward = ward
        self.number = number
        digest = ward.house.digest(number)
        self.citizen = Caller("citizen", "app", frozenset({"kjerne:citizen"}), digest, "Prøve", level=4)

    async def sees(self, caller: Caller | None = None) -> tuple[int, int]:
        """How many reports and observations open for the citizen, or for another caller."""
        grant = await self.ward.grant(self.number, caller=caller or self.citizen)
        async with self.ward.house.store.pool.acquire() as conn:
            counts = [
                len(await self.ward.house.reader.all_of(conn, grant, [type_number(name)], 100))
                for name in ("DiagnosticReport", "Observation")
            ]
        return counts[0], counts[1]


@pytest.fixture
async def home(ward: Ward) -> Home:
    number = fresh_number()
    await ward.person(number)
    mark = secrets.token_hex(4)
    inside = Kith.person(Kith.SAMPLE + Kith.item(), number=number)
    raw = Kith.message(Kith.report(patient=inside, discipline="HIST", id_=f"R-{mark}"), id_=f"M-{mark}")
    from .conftest import LAB

    taken = await ward.house.intake.take(raw, LAB, ward.admit())
    assert taken.accepted
    return Home(ward, number)


async def test_the_doctor_sees_at_once_what_the_citizen_waits_for(home: Home) -> None:
    assert await home.sees(home.ward.doctor(home.number)) == (1, 1)
    assert await home.sees() == (0, 0)


async def test_it_opens_by_the_clock_and_by_no_job(home: Home) -> None:
    clock: Any = home.ward.house.clock
    assert isinstance(clock, FixedClock) and clock.now() == NOW
    opened = datetime(2026, 3, 16, 11, tzinfo=UTC)  # the report was issued at noon in Oslo on 2 March
    clock.at = opened - timedelta(microseconds=1)
    assert await home.sees() == (0, 0)
    clock.at = opened
    assert await home.sees() == (1, 1)


def test_a_doctor_looking_at_her_own_record_sees_no_more_than_a_citizen(platform: Standing) -> None:
    own = platform.nin("gp")
    mark = secrets.token_hex(4)
    inside = Kith.person(Kith.SAMPLE + Kith.item("NPU01944"), number=own)
    today = platform.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
    for discipline in ("HIST", "CLIN"):
        report = Kith.report(patient=inside, discipline=discipline, id_=f"R-{mark}-{discipline}", issued=today)
        assert platform.send(Kith.message(report, id_=f"M-{mark}-{discipline}", generated=today)).status_code == 200
    found = platform.search("DiagnosticReport", about=own)
    (row,) = platform.audited(found.response)
    assert (row["rule"], row["purpose"]) == ("own-as-staff", "PATRQT")
    assert {one["category"][0]["coding"][0]["code"] for one in found.resources()}.isdisjoint({"HIST", "PAT"})
    assert len(found.ids()) == 1
    assert len(platform.search("Observation", [("code", "NPU01944")], about=own).ids()) == 1
