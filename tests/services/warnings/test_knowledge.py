"""What loaded terminology says of codes: FEST, the map of substances, SNOMED CT's hierarchy; and an installation without any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from kjerne.fhir.terminology.parts import Known, Under
from kjerne.sandbox import substances
from kjerne.services.warnings.api import compared
from kjerne.services.warnings.knowledge import OF_SUBSTANCES, Knowledge, kin_of
from kjerne.services.warnings.reading import ATC, MEDICINES, SNOMED, SUBSTANCES, Allergy, Code, Medicine
from kjerne.store import loading

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
AMOXICILLIN = Code(SUBSTANCES, substances.AMOXICILLIN.id)


def entry(*codes: Code) -> Allergy:
    return Allergy("1", "noe", frozenset(codes))


def brand(number: int) -> Medicine:
    one = substances.BRANDS[number - 1]
    return Medicine("M/1", one.name, frozenset({Code(MEDICINES, one.id)}))


async def rules(conn: Any, allergy: Allergy, medicine: Medicine) -> list[str]:
    return [one.rule for one in await compared(await Knowledge.at(conn), [allergy], [medicine])]


@pytest.fixture
async def empty(dsn: str) -> Any:
    conn = await asyncpg.connect(dsn)
    turn = conn.transaction()
    await turn.start()
    yield conn
    await turn.rollback()
    await conn.close()


@pytest.fixture
async def loaded(empty: Any) -> Any:
    await substances.keep(empty, NOW)
    return empty


async def test_without_files_a_medicine_of_fest_could_not_be_checked(empty: Any) -> None:
    assert await rules(empty, entry(AMOXICILLIN), brand(1)) == ["not-checked"]


async def test_a_brand_is_known_by_the_substance_that_fest_has_of_it(loaded: Any) -> None:
    assert await rules(loaded, entry(AMOXICILLIN), brand(1)) == ["same-substance"]
    assert await rules(loaded, entry(AMOXICILLIN), brand(2)) == ["cross-reactivity"]
    assert await rules(loaded, entry(AMOXICILLIN), brand(5)) == []


async def test_a_reaction_to_a_brand_is_one_to_its_substance_in_another_brand(loaded: Any) -> None:
    of_heart = entry(Code(MEDICINES, substances.BRANDS[2].id))
    assert await rules(loaded, of_heart, brand(3)) == ["same-medicine"]
    assert await rules(loaded, of_heart, brand(4)) == ["same-substance"]


async def test_what_is_loaded_anew_is_what_is_asked(loaded: Any) -> None:
    assert await rules(loaded, entry(AMOXICILLIN), brand(2)) == ["cross-reactivity"]
    smaller = substances.substance_map()
    del smaller["group"][1]
    await loading.keep_definition(loaded, smaller, NOW + timedelta(hours=1))
    assert await rules(loaded, entry(AMOXICILLIN), brand(2)) == []


async def test_a_kind_of_what_she_reacts_to_is_found_by_the_hierarchy_of_snomed(empty: Any) -> None:
    parts = [Known("764146007", "Penicillin"), Known("372687004", "Amoxicillin"), Known("387207008", "Ibuprofen")]
    parts += [Known(OF_SUBSTANCES, "Substance"), Known("91936005", "Allergy to penicillin")]
    under = [Under("764146007", OF_SUBSTANCES), Under("372687004", "764146007"), Under("387207008", OF_SUBSTANCES)]
    await loading.load(empty, loading.Of(SNOMED, "x", "made up", "test", b"x"), [*parts, *under], NOW)
    penicillin = entry(Code(SNOMED, "764146007"))
    for code, told in (("372687004", ["same-substance"]), ("387207008", [])):
        medicine = Medicine("M/1", "noe", active=frozenset({Code(SNOMED, code)}))
        assert await rules(empty, penicillin, medicine) == told
        # A finding is no substance, so that another code says nothing.
        assert await rules(empty, entry(Code(SNOMED, "91936005")), medicine) == ["not-checked"]


async def test_without_snomed_only_the_same_code_is_known(empty: Any) -> None:
    penicillin = entry(Code(SNOMED, "764146007"))
    for code, told in (("764146007", "same-substance"), ("387207008", "not-checked")):
        medicine = Medicine("M/1", "noe", active=frozenset({Code(SNOMED, code)}))
        assert await rules(empty, penicillin, medicine) == [told]


def test_equal_codes_share_their_equals_and_their_groups() -> None:
    def target(code: str, equivalence: str) -> dict[str, Any]:
        return {"code": code, "equivalence": equivalence}

    kin = kin_of(
        {
            "group": [
                {
                    "source": ATC,
                    "target": SUBSTANCES,
                    "element": [{"code": one, "target": [target("s", "equal")]} for one in "ab"],
                },
                {"source": SUBSTANCES, "target": "urn:g", "element": [{"code": "s", "target": [target("G", "wider")]}]},
                {
                    "source": SUBSTANCES,
                    "target": "urn:g",
                    "element": [{"code": "t", "target": [target("G", "disjoint")]}],
                },
            ]
        }
    )
    assert kin.same[Code(ATC, "a")] == {Code(ATC, "a"), Code(ATC, "b"), Code(SUBSTANCES, "s")}
    assert kin.groups[Code(ATC, "b")] == {Code("urn:g", "G")}
    assert Code(SUBSTANCES, "t") not in kin.groups
