"""Whom the law does not open to a caller, she cannot tell from somebody who is registered nowhere.

Pairs of requests, alike but for the number: one belongs to a patient with results, the other to nobody. Only the token's
check is stood in for; route, law, handler and error shape are the program's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from random import Random
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from bundles import about as naming
from bundles import bundle, entry
from kjerne.access import Caller, Choice, Tie
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.subjects import PersonDetail

from .conftest import HOSPITAL, LAB, NOW, Ward, fresh_number
from .kith.conftest import Kith

SEED: Final = 20261123
PAIRS: Final = 120
RESOURCE: Final = {"resourceType": "Observation", "status": "final", "code": {"text": "Prøve"}}
Ask = Callable[[httpx.AsyncClient, str], Any]


def searched(path: str, *form: tuple[str, str], basis: str = "") -> Ask:
    async def ask(client: httpx.AsyncClient, number: str) -> httpx.Response:
        headers = {"person-id": number} | ({"access-basis": basis} if basis else {})
        return await client.post(path, data=dict(form) or {"_count": "1"}, headers=headers)

    return ask


async def got(client: httpx.AsyncClient, number: str) -> httpx.Response:
    return await client.get("/fhir/R4/Observation?_count=1", headers={"person-id": number})


async def named_in_the_form(client: httpx.AsyncClient, number: str) -> httpx.Response:
    form = {"patient.identifier": f"urn:oid:2.16.578.1.12.4.1.4.1|{number}"}
    return await client.post("/fhir/R4/DiagnosticReport/_search", data=form)


async def created(client: httpx.AsyncClient, number: str) -> httpx.Response:
    return await client.post("/fhir/R4/Observation", json=RESOURCE, headers={"person-id": number})


async def imported(client: httpx.AsyncClient, number: str) -> httpx.Response:
    headers = {"person-id": number, "content-type": "application/fhir+ndjson"}
    return await client.post("/fhir/R4/$import", content=json.dumps(RESOURCE), headers=headers)


def bundled(*entries: dict[str, Any], by_header: bool = True) -> Ask:
    """A transaction about one patient, whom the header names or else each body."""

    async def ask(client: httpx.AsyncClient, number: str) -> httpx.Response:
        if by_header:
            return await client.post("/fhir/R4", json=bundle("transaction", *entries), headers={"person-id": number})
        named = [one | {"resource": one["resource"] | naming(number)} for one in entries]
        return await client.post("/fhir/R4", json=bundle("transaction", *named))

    return ask


ONE, TWO = (f"urn:uuid:{uuid4()}" for _ in range(2))
TO_ONE, TO_TWO = (RESOURCE | {"derivedFrom": [{"reference": one}]} for one in (ONE, TWO))
CIRCLE: Final = (entry("POST", "Observation", TO_TWO, ONE), entry("POST", "Observation", TO_ONE, TWO))
LINKED: Final = (
    entry("POST", "Observation", RESOURCE | {"specimen": {"reference": TWO}}, ONE),
    entry("POST", "Specimen", {"resourceType": "Specimen", "status": "available"}, TWO),
)
CONDITIONED: Final = (CIRCLE[0], entry("POST", "Observation", RESOURCE, TWO, ifNoneExist="identifier=none"))
BUNDLED: Final = tuple(
    bundled(*some, by_header=by_header) for some in (CIRCLE, LINKED, CONDITIONED) for by_header in (True, False)
)
"""What links its entries: in which order they are done must not depend on whether somebody is registered."""


def answered(number: str) -> Ask:
    return searched(f"/pps/v2/already-done/{number}", ("outcome", "followed"))


ASKED: Final[Sequence[Ask]] = (
    *(searched(f"/pps/v2/{name}/_search") for name in ("Observation", "DiagnosticReport", "PractitionerRole")),
    searched("/pps/v2/Observation/_search", basis="AKUTT"),
    searched("/pps/v2/Observation/_search", ("code", "NPU03429"), basis="FORHOYET_AKUTT"),
    searched("/pps/v2/already-done", ("code", "NPU27300")),
    answered(str(uuid4())),
    searched("/fhir/R4/Observation/_search"),
    got,
    named_in_the_form,
    created,
    imported,
    *BUNDLED,
)


async def registered(ward: Ward, kith: type[Kith], *, protection: str = "ugradert", choice: str = "") -> str:
    """The number of a patient with a result, in the care of the hospital."""
    number = fresh_number()
    new = NewPerson(
        PersonDetail(name="Prøve Person", birth_date=date(1975, 1, 12), sex="female", protection=protection),
        (Identifier(ward.house.digest(number), "FNR", number, date(1975, 1, 12)),),
        synthetic=True,
        ties=(Tie("care", organisation=HOSPITAL),),
    )
    async with ward.house.store.pool.acquire() as conn:
        (key,) = await ward.house.store.people.register(conn, [new], NOW)
    inside = kith.person(kith.SAMPLE + kith.item(), number=number)
    raw = kith.message(kith.report(patient=inside, id_=f"R-{number[-5:]}"), id_=f"M-{number[-5:]}")
    assert (await ward.house.intake.take(raw, LAB, ward.admit())).accepted
    if choice:
        async with ward.house.store.pool.acquire() as conn:
            await ward.house.store.people.add_choice(conn, key, Choice(choice, "results", "", "", NOW, None))  # type: ignore[arg-type]
    return number


def shut_out(ward: Ward, about: str, chance: Random) -> Caller:
    """A health worker whom the law opens nobody, asking about this number: each for at least one reason of her own."""
    pick = chance.choice
    doctor = ward.doctor(about, hpr=pick(("9144889", "7012345")))
    assert doctor.attestation is not None
    why = pick(("role", "another patient", "several", "nobody", "none", "old", "no tie", "low", "colleague"))
    said, caller = doctor.attestation, replace(doctor, authorization=pick(("LE", "JO", "FA1")))
    said = replace(said, purpose=pick(("TREAT", "ETREAT", "COC")), decision_text=pick(("", "time i dag")))
    if why == "role":
        caller = replace(caller, authorization=pick(("HE", "OP", "")))
        said = replace(said, purpose=pick(("TREAT", "BTG")), user_selected=pick((True, False)))
    elif why in ("another patient", "several", "nobody"):
        other, own = ward.house.digest("another"), ward.house.digest(about)
        said = replace(said, patient_digests={"another patient": (other,), "several": (own, other), "nobody": ()}[why])
        said = replace(said, user_selected=pick((True, False)))
    elif why == "old":
        said = replace(said, made_at=ward.house.clock.now() - timedelta(minutes=60))
    elif why == "no tie":
        caller = replace(caller, organisation="100000016", point_of_care="100000024")
    elif why == "low":
        caller = replace(caller, level=3)
    elif why == "colleague":
        said = replace(said, hpr="1234567")
    caller = replace(caller, attestation=None if why == "none" else said)
    return replace(caller, scopes=caller.scopes | {"nhn:pps/provesvar-write"})


async def heard(ward: Ward, caller: Caller, ask: Ask, number: str) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Status, body and headers, all that a caller can compare."""
    async with ward.client(caller) as client:
        answer = await ask(client, number)
    return answer.status_code, answer.content, sorted(answer.headers.items())


async def test_a_known_number_and_an_unknown_one_are_answered_alike(ward: Ward, kith: type[Kith]) -> None:
    chance = Random(SEED)
    known = [
        await registered(ward, kith),
        await registered(ward, kith, protection="strengtFortrolig"),
        await registered(ward, kith, choice="restriction"),
        await registered(ward, kith, choice="opt-out"),
    ]
    unknown = fresh_number()
    for _ in range(PAIRS):
        ask, somebody, seed = chance.choice(ASKED), chance.choice(known), chance.random()
        one = await heard(ward, shut_out(ward, somebody, Random(seed)), ask, somebody)
        other = await heard(ward, shut_out(ward, unknown, Random(seed)), ask, unknown)
        assert one == other
        assert one[0] == 403


@pytest.mark.parametrize("ask", BUNDLED)
async def test_a_laboratory_cannot_tell_an_opt_out_from_a_number_of_nobody_by_a_transaction(
    ward: Ward, kith: type[Kith], ask: Ask
) -> None:
    gone, unknown = await registered(ward, kith, choice="opt-out"), fresh_number()
    one, other = await heard(ward, LAB, ask, gone), await heard(ward, LAB, ask, unknown)
    assert one == other and one[0] == 403


async def test_a_transaction_s_circle_is_none_whoever_it_is_about(ward: Ward, kith: type[Kith]) -> None:
    """What is refused before the law is asked is refused alike, and leaves no row."""
    wrong = [one | {"resource": one["resource"] | {"status": "x"}} for one in CIRCLE]
    heard_of = [await heard(ward, LAB, bundled(*wrong), one) for one in (await registered(ward, kith), fresh_number())]
    assert heard_of[0] == heard_of[1] and b"Bundle.entry[0].resource.status" in heard_of[0][1]


async def test_an_id_of_somebody_and_an_id_of_nobody_are_answered_alike(ward: Ward, kith: type[Kith]) -> None:
    chance = Random(SEED)
    number = await registered(ward, kith)
    key = (await ward.grant(number)).subject.patient
    for _ in range(PAIRS // 4):
        caller = shut_out(ward, number, chance)
        path = chance.choice(("/fhir/R4/Observation/{}", "/fhir/R4/Observation/{}/_history/1"))

        async def read(client: httpx.AsyncClient, id_: str, path: str = path) -> httpx.Response:
            return await client.get(path.format(id_))

        somebody = await heard(ward, caller, read, str(ward.house.store.ids.make(key)))
        assert somebody == await heard(ward, caller, read, str(uuid4()))
        assert somebody[0] == 404


async def test_the_log_tells_the_two_apart_and_keeps_the_reason(ward: Ward, kith: type[Kith]) -> None:
    number, unknown = await registered(ward, kith), fresh_number()
    for about in (number, unknown):
        caller = replace(ward.doctor(about), authorization="HE", jti=f"log-{about[-5:]}")
        await heard(ward, caller, got, about)
    rows = {
        about: await ward.house.store.pool.fetchrow(
            "SELECT patient, outcome, rule FROM audit WHERE token = $1", f"log-{about[-5:]}"
        )
        for about in (number, unknown)
    }
    assert {(row["outcome"], row["rule"]) for row in rows.values()} == {(1, "role-not-listed")}
    assert rows[number]["patient"] and rows[unknown]["patient"] == 0
