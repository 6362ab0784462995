"""Break-glass on its own: what a reason must be, and whom a message shows that could not be read."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kjerne.access import OPERATIONS
from kjerne.errors import Refusal
from kjerne.exchange import Call, PatientRef
from kjerne.services.results.opening import Opener, reason_of
from kjerne.services.results.shown import shown_numbers
from kjerne.store import audit
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.registers import OrganisationRow, fill
from kjerne.store.subjects import PersonDetail

from .conftest import HOSPITAL, LAB, NOW, Ward, fresh_number
from .kith.conftest import Kith

REASON = "Avsender ber om hjelp med avvisningen"


def a_message() -> bytes:
    return Kith.message(Kith.report(Kith.item()))


def test_a_reason_is_a_sentence_and_names_nobody() -> None:
    assert reason_of({"reason": f"  {REASON} "}) == REASON
    for bad in (
        "",
        "   ",
        "feil",
        "x" * 501,
        f"feil på {Kith.NUMBER}",
        f"{Kith.NUMBER[:6]} {Kith.NUMBER[6:]} er feil",
        "to\nlinjer",
    ):
        with pytest.raises(Refusal) as refused:
            reason_of({"reason": bad})
        assert (refused.value.status, refused.value.where) == (400, "reason")
        assert Kith.NUMBER not in str(refused.value)


@pytest.mark.parametrize(
    "raw",
    [
        a_message()[:-40],
        a_message().replace(b"<OffId>", b"<Feil>"),
        a_message().decode().encode("utf-16"),
        b"<MsgHead><Base64Container>" + base64.encodebytes(a_message()) + b"</Base64Container></Feil>",
        f"PID {Kith.NUMBER[:6]} {Kith.NUMBER[6:]} prøvesvar".encode("latin-1"),
        b"\xff\xfe\x00" + a_message(),
    ],
    ids=["cut off", "wrong element", "UTF-16", "packed", "no XML", "a wrong mark"],
)
def test_a_number_is_seen_in_what_cannot_be_read(raw: bytes) -> None:
    assert Kith.NUMBER in shown_numbers(raw)


def test_longer_runs_of_digits_and_packed_bytes_are_no_person_numbers() -> None:
    assert shown_numbers(b"<a>123456789012</a>") == set()
    assert Kith.NUMBER not in shown_numbers(gzip.compress(a_message()))


async def taken(ward: Ward, number: str, id_: str, generated: str) -> None:
    """A version of one report about whoever has this number."""
    inside = Kith.person(Kith.SAMPLE + Kith.item(id_="1"), number=number)
    raw = Kith.message(Kith.report(patient=inside, id_=id_), id_=f"{id_}-{number[-5:]}", generated=generated)
    assert (await ward.house.intake.take(raw, LAB, ward.admit())).accepted


@pytest.mark.parametrize(("protection", "place"), [("ugradert", "Fjellet sykehus"), ("strengtFortrolig", "")])
async def test_where_somebody_with_a_protected_address_was_treated_is_not_told(
    ward: Ward, protection: str, place: str
) -> None:
    store, wrong, right = ward.house.store, fresh_number(), fresh_number()
    identifier = Identifier(ward.house.digest(wrong), "FNR", wrong, date(1975, 1, 12))
    async with store.pool.acquire() as conn:
        await store.people.register(
            conn, [NewPerson(PersonDetail(protection=protection), (identifier,), synthetic=True)], NOW
        )
        if not await conn.fetchval("SELECT count(*) FROM organisation WHERE number = $1", HOSPITAL):
            await fill(conn, [], [OrganisationRow(HOSPITAL, "", "Fjellet sykehus", "hospital", "", "", "")])
    await ward.person(right)
    grant = await ward.admit()(PatientRef(digest=ward.house.digest(wrong)), "results", "file")
    await taken(ward, wrong, f"R-{wrong[-5:]}", "2026-03-02T12:00:05")
    async with store.pool.acquire() as conn:
        rows = await conn.fetch("SELECT type, id, version FROM record WHERE patient = $1", grant.subject.patient)
        # She was opened before her address was protected.
        seen = replace(grant, caller=replace(ward.doctor(wrong), name=f"Lege Legesen {right}"), action="read")
        await audit.insert(conn, audit.given(seen), [tuple(row) for row in rows])
    await taken(ward, right, f"R-{wrong[-5:]}", "2026-03-04T12:00:05")
    moved = [one.message for one in await ward.house.intake.withdrawn(LAB) if f"R-{wrong[-5:]}" in one.message]
    operator = replace(LAB, scopes=frozenset({OPERATIONS}), organisation="")
    call: Any = Call("POST", "/", NOW, "test", operator, ward.admit(operator))
    opener = Opener(store, ward.house.read, ward.house.digest)
    (traced,) = await opener.readers(call, LAB.organisation, moved[0], REASON)
    (opening,) = traced.opened
    assert (opening.who, opening.role, opening.organisation) == ("Lege Legesen", "LE", place)
