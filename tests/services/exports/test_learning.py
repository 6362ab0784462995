"""Learning from a store: each person under the law and in the log, and under a permission where somebody in it is real."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from kjerne.access import COMMAND_LINE, OPERATIONS, Caller
from kjerne.clock import FixedClock
from kjerne.commands import learning as stores
from kjerne.errors import Refusal
from kjerne.services.exports import learning
from kjerne.services.exports.learning import Permissions
from kjerne.store import participation
from kjerne.store.learning import Permission
from participating import a_row
from services.results.conftest import LAB, NOW, Ward, fresh_number

from .test_api import ASKING, FIRST, SECOND, asked, call, decided
from .test_bulk import JOURNAL, shut

OPERATOR = Caller("system", COMMAND_LINE, frozenset({OPERATIONS}), name="command line drift")
WHO, GROUND = "Prøve Forsker, Instituttet", "Utvikling av testdata, helsepersonelloven § 29"
ICD = "http://hl7.org/fhir/sid/icd-10"
FHIR = {"content-type": "application/fhir+json"}
SECRET = "Hemmelig"


@pytest.fixture(autouse=True)
async def of_the_record(ward: Ward) -> None:
    """The laboratory's organisation sends into the record too."""
    async with ward.house.store.pool.acquire() as conn:
        if not await conn.fetchval("SELECT count(*) FROM participation WHERE service = 'record'"):
            await participation.add(conn, [a_row(JOURNAL.organisation, "source", service="record")])


@pytest.fixture
async def real(ward: Ward) -> AsyncIterator[int]:
    """Somebody who is not made up, for as long as a test lasts."""
    key = await ill(ward)
    change = "UPDATE person SET synthetic = $2 WHERE patient = $1"
    await ward.house.store.pool.execute(change, key, False)
    yield key
    await ward.house.store.pool.execute(change, key, True)


async def ill(ward: Ward, code: str = "J45.0") -> int:
    """A person with a measurement and an encounter, and with words in both."""
    number = fresh_number()
    key = await ward.person(number)
    subject = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": number}}
    told = {"coding": [{"system": ICD, "code": code, "display": SECRET}], "text": SECRET}
    observation = {
        "resourceType": "Observation", "status": "final", "code": told, "subject": subject, "effectiveDateTime": "2026-01-02",
        "valueQuantity": {"value": 5.5, "unit": "mmol/L", "system": "http://unitsofmeasure.org", "code": "mmol/L"},
        "note": [{"text": f"{SECRET} {number}"}],
    }  # fmt: skip
    met = {"resourceType": "Encounter", "status": "finished", "class": {"system": "urn:oid:1.2.3", "code": "AMB"}, "type": [told],
           "subject": subject, "period": {"start": "2026-01-03"}}  # fmt: skip
    for caller, tree in ((LAB, observation), (JOURNAL, met)):
        made = await call(ward, caller, "POST", f"/fhir/R4/{tree['resourceType']}", json.dumps(tree).encode(), **FHIR)
        assert made.status_code == 201, made.text
    return key


async def read(ward: Ward, permission: int | None = None) -> stores.People:
    return await stores.people_of(ward.house, OPERATOR, permission)


async def rows(ward: Ward, where: str, *values: Any) -> list[Any]:
    return list(await ward.house.store.pool.fetch(f"SELECT * FROM audit WHERE {where} ORDER BY at", *values))


async def permitted(ward: Ward, days: int = 30) -> Permission:
    last = NOW.date() + timedelta(days=days)
    return await Permissions(ward.house.store.pool).give(OPERATOR, number(await agreed(ward)), last, NOW, "given")


async def agreed(ward: Ward, **more: str) -> str:
    """The address of an export for `WHO` that two persons have approved."""
    said = {"ground": GROUND, "recipient": WHO, "_type": "Patient,Observation,Encounter"} | more
    answer = await asked(ward, **said)
    assert answer.status_code == 202, answer.text
    for one in (FIRST, SECOND):
        assert (await decided(ward, one, answer.headers["content-location"])).status_code == 200
    return str(answer.headers["content-location"])


def number(place: str) -> int:
    """Of an export, from its address."""
    return int(place.rpartition("/")[2])


async def test_everybody_made_up_is_learned_from_under_the_law_and_the_log_names_what_was_read(ward: Ward) -> None:
    keys = [await ill(ward, "J45.1") for _ in range(3)]
    await shut(ward, keys[2], "record")
    people = await read(ward)
    assert people.generated
    of_them = [
        one for one in zip(people.told.events.codes, people.told.events.values, strict=True) if "J45.1" in one[0]
    ]
    assert sorted(of_them, key=str) == [
        ("Encounter http://hl7.org/fhir/sid/icd-10 J45.1", None),
        ("Encounter http://hl7.org/fhir/sid/icd-10 J45.1", None),
        *[("Observation http://hl7.org/fhir/sid/icd-10 J45.1", 5.5)] * 3,
    ]
    assert SECRET not in repr(people.told)
    assert "Prøve Person" not in repr(people.told)
    for key, of_record in zip(keys, ("exported", "exported", "export-after-opt-out"), strict=True):
        mine = await rows(ward, "patient = $1 AND action = 'export'", key)
        named = [(row["service"], len(row["ids"])) for row in mine if row["about"] == "learning/0"]
        assert ("results", 1) in named
        assert (of_record == "exported") == (("record", 1) in named)
        assert of_record in {row["rule"] for row in mine if row["service"] == "record"}


async def test_store_with_somebody_real_is_refused_without_a_permission_and_the_no_is_in_the_log(
    ward: Ward, real: int
) -> None:
    with pytest.raises(Refusal, match="1 people who are not made up") as refused:
        await read(ward)
    assert (refused.value.status, "kjerne synth permit" in str(refused.value.todo)) == (403, True)
    with pytest.raises(Refusal, match="permission 7 is not there"):
        await read(ward, 7)
    assert [row["patient"] for row in await rows(ward, "rule = 'learning-refused' AND about = 'learning/7'")] == [0]
    assert await rows(ward, "patient = $1 AND action = 'export'", real) == []


async def test_under_a_permission_it_is_read_and_the_log_says_by_whom_and_what_for(ward: Ward, real: int) -> None:
    given = await permitted(ward)
    people = await read(ward, given.number)
    assert not people.generated
    assert people.permission == {
        "number": str(given.number), "who": WHO, "ground": GROUND, "until": "2026-04-05T00:00:00+00:00"
    }  # fmt: skip
    mine = await rows(ward, "patient = $1 AND about = $2", real, f"learning/{given.number}")
    assert {row["rule"] for row in mine} == {"exported"}
    assert {row["reason"] for row in mine} == {f"Læring av syntetiske personer, ved {WHO}: {GROUND}"}
    own = await rows(ward, "patient = 0 AND about = $1", f"learning/{given.number}")
    assert [row["rule"] for row in own if row["rule"] != "learning-begun"] == ["learning-permitted"]
    assert "learning-begun" in {row["rule"] for row in own}


async def test_permission_ends_by_itself_or_by_an_operator_also_while_it_is_used(
    ward: Ward, real: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, pool = await permitted(ward, 1), ward.house.store.pool
    assert given.state(given.until - timedelta(seconds=1)) == "in force"
    with monkeypatch.context() as moved:
        moved.setattr(ward.house, "clock", FixedClock(given.until))
        with pytest.raises(Refusal, match=f"permission {given.number} is over"):
            await read(ward, given.number)
    monkeypatch.setattr(learning, "AT_ONCE", 1)
    other, ask = await permitted(ward), learning.learning.people

    async def ending(*words: Any, **more: Any) -> list[int]:
        await Permissions(pool).end(OPERATOR, other.number, "Prosjektet er over", NOW, "ended")
        return await ask(*words, **more)

    with monkeypatch.context() as patched:
        patched.setattr(learning.learning, "people", ending)
        with pytest.raises(Refusal, match="the permission is ended meanwhile, and nothing was learned"):
            await read(ward, other.number)
    with pytest.raises(Refusal, match=f"permission {other.number} is ended"):
        await read(ward, other.number)
    with pytest.raises(Refusal, match="the permission is ended meanwhile, and nothing was learned"):
        await Permissions(pool).held(other.number, NOW)
    with pytest.raises(Refusal, match="the permission is not there meanwhile"):
        await Permissions(pool).held(1, NOW)
    ended = await rows(ward, "rule = 'learning-ended' AND about = $1", f"learning/{other.number}")
    assert [row["reason"] for row in ended] == ["Prosjektet er over"]


@pytest.mark.parametrize("last", [date(2026, 3, 4), date(2026, 7, 1)])
async def test_permission_ends_on_a_near_day(ward: Ward, last: date) -> None:
    with pytest.raises(Refusal, match="a day to come, at most 92"):
        await Permissions(ward.house.store.pool).give(OPERATOR, 7, last, NOW, "given")


async def test_one_persons_word_lets_nobody_learn_from_real_people(ward: Ward, real: int) -> None:
    """A permission stands on an export that two others have approved, and falls with it."""
    permissions, last = Permissions(ward.house.store.pool), NOW.date() + timedelta(days=30)
    with pytest.raises(Refusal, match="no export has this number"):
        await permissions.give(OPERATOR, 7, last, NOW, "given")
    waiting = (await asked(ward)).headers["content-location"]
    with pytest.raises(Refusal, match="this export is waiting, and a permission stands on one that two persons"):
        await permissions.give(OPERATOR, number(waiting), last, NOW, "given")
    place = await agreed(ward)
    given = await permissions.give(OPERATOR, number(place), last, NOW, "given")
    assert (await read(ward, given.number)).permission["number"] == str(given.number)
    assert (await call(ward, ASKING, "DELETE", place)).status_code == 202
    with pytest.raises(Refusal, match=f"permission {given.number} is not approved"):
        await read(ward, given.number)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"purpose": "check"}, "everybody's whole records"),
        ({"_typeFilter": "Observation?status=final"}, "everybody's whole records"),
        ({"_type": "Observation"}, "of Patient as well"),
    ],
)
async def test_permission_stands_on_an_export_of_everybodys_whole_records(
    ward: Ward, more: dict[str, str], says: str
) -> None:
    place = await agreed(ward, **more)
    with pytest.raises(Refusal, match=says):
        await Permissions(ward.house.store.pool).give(OPERATOR, number(place), date(2026, 3, 20), NOW, "given")


async def test_nothing_is_learned_of_a_type_that_was_not_approved(ward: Ward, real: int) -> None:
    place, permissions = await agreed(ward, _type="Patient,Encounter"), Permissions(ward.house.store.pool)
    given = await permissions.give(OPERATOR, number(place), date(2026, 3, 20), NOW, "given")
    events = (await read(ward, given.number)).told.events
    assert events.codes and not any(value is not None for value in events.values), "encounters have no value"
