"""What entries of critical information are about, by what is loaded; and who could register what."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest

from kjerne.fhir.terminology.parts import Known, Under
from kjerne.policy.caller import Registered
from kjerne.registries.contents import VERIFICATION
from kjerne.sandbox import substances
from kjerne.services.critical.groups import Entered, relation
from kjerne.services.warnings.knowledge import OF_SUBSTANCES
from kjerne.services.warnings.reading import ATC, MEDICINES, SNOMED, SUBSTANCES
from kjerne.store import loading
from kjerne.transferring import Kinds, are_two, meanings
from services.critical.test_groups import entry

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
AMOXICILLIN = (SUBSTANCES, substances.AMOXICILLIN.id)


@pytest.fixture
async def loaded(dsn: str) -> Any:
    conn = await asyncpg.connect(dsn)
    turn = conn.transaction()
    await turn.start()
    await substances.keep(conn, NOW)
    yield conn
    await turn.rollback()
    await conn.close()


async def related(conn: Any, one: tuple[str, str], other: tuple[str, str], **more: Any) -> str | None:
    both = [entry("1", one, **more), entry("2", other)]
    meant = await meanings(conn, both)
    return relation(*(Entered(each, means, {}) for each, means in zip(both, meant, strict=True)))


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (AMOXICILLIN, (ATC, "J01CA04"), "same"),
        (AMOXICILLIN, (MEDICINES, substances.BRANDS[0].id), "same"),
        ((ATC, "B01AC06"), (ATC, "N02BA01"), "same"),
        ((MEDICINES, substances.BRANDS[2].id), (MEDICINES, substances.BRANDS[3].id), "same"),
        (AMOXICILLIN, (ATC, "J01CA"), "kind-of"),
        (AMOXICILLIN, (ATC, "J01"), None),
        (AMOXICILLIN, (SUBSTANCES, substances.CEFALEXIN.id), None),
    ],
)
async def test_substances_are_one_by_code_ingredient_and_group_and_never_by_what_may_cross_react(
    loaded: Any, one: tuple[str, str], other: tuple[str, str], found: str | None
) -> None:
    assert await related(loaded, one, other) == found


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("B01AC06", "N02BA01", False),
        ("J01CA04", "M01AE01", True),
        ("J01CA04", "J01DB01", True),
        ("J01CA04", "N02BE01", False),
        ("N02BE01", "J01XX07", False),
        ("J01CA", "M01AE01", False),
    ],
)
async def test_codes_of_atc_are_of_two_substances_where_both_are_known_to_be_others(
    loaded: Any, one: str, other: str, found: bool
) -> None:
    assert await are_two(loaded, [one], [other]) is found
    assert await are_two(loaded, [other], [one]) is found


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("N02BE01", "J01XX01", True),
        ("C01DA02", "C05AE01", False),
        ("N02BE01", "N02BE51", False),
        ("J01CA04", "N02BE01", True),
        ("B01AC06", "N02BA01", False),
    ],
)
async def test_a_loaded_atc_tells_two_substances_by_their_names(loaded: Any, one: str, other: str, found: bool) -> None:
    """One substance has one name under all its codes, and what is called a combination may have it."""
    names = {
        "N02BE01": "paracetamol", "N02BE51": "paracetamol, combinations excl. psycholeptics", "J01XX01": "fosfomycin",
        "C01DA02": "glyceryl trinitrate", "C05AE01": "glyceryl trinitrate", "J01CA04": "amoxicillin",
        "B01AC06": "acetylsalicylic acid", "N02BA01": "aspirin",
    }  # fmt: skip
    parts = [Known(code, name) for code, name in names.items()]
    await loading.load(loaded, loading.Of(ATC, "x", "made up", "test", b"atc"), parts, NOW)
    assert await are_two(loaded, [one], [other]) is found
    assert await are_two(loaded, [other], [one]) is found


async def test_a_reaction_to_an_excipient_of_a_brand_is_none_to_its_substance(loaded: Any) -> None:
    assert await related(loaded, (MEDICINES, substances.BRANDS[0].id), AMOXICILLIN, of_excipient=True) is None


async def test_a_kind_is_found_by_the_hierarchy_of_snomed(loaded: Any) -> None:
    parts = [Known("764146007", "Penicillin"), Known("372687004", "Amoxicillin"), Known(OF_SUBSTANCES, "Substance")]
    under = [Under("764146007", OF_SUBSTANCES), Under("372687004", "764146007")]
    await loading.load(loaded, loading.Of(SNOMED, "x", "made up", "test", b"x"), [*parts, *under], NOW)
    assert await related(loaded, (SNOMED, "372687004"), (SNOMED, "764146007")) == "kind-of"


@pytest.mark.parametrize(
    ("day", "may"),
    [(date(2019, 12, 31), False), (date(2020, 1, 1), True), (date(2024, 6, 29), True), (date(2024, 6, 30), False)],
)
async def test_a_doctor_could_register_from_her_first_day_to_the_day_before_her_last(day: date, may: bool) -> None:
    async def register(hpr: str) -> Registered | None:
        known = Registered(b"", frozenset({"LE"}), date(2020, 1, 1), date(2024, 6, 30))
        return known if hpr == "1" else None

    kinds = Kinds(register)
    assert (VERIFICATION in await kinds.of("1", day)) == may
    assert await kinds.of("2", day) == frozenset()
