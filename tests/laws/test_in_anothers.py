"""A record that names another patient, asked for in the other's record: by every kind of caller, whatever either has chosen.

Where the law, read by the oracle here (K104, K105), shuts it, every answer is to the byte what it is while nothing names her.
Where it opens, it is found and read, and both logs say so (K106). Under both jurisdictions.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Final, Literal
from uuid import UUID

import httpx
import pytest

import seeds
from kjerne.access import Caller, Tie, Wish
from kjerne.app import House
from kjerne.clock import FixedClock
from kjerne.fhir.encode import decode
from kjerne.settings import Settings
from kjerne.store.house import open_store
from kjerne.store.keys import Keys
from kjerne.store.patient_ids import id_of
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.registers import OrganisationRow, PractitionerRow, fill
from kjerne.store.shares import Shares
from kjerne.store.subjects import PersonDetail
from participating import taking_part
from services.results.conftest import HOSPITAL, LAB, NOW, TAKERS, Worker, fresh_number

HPR: Final = "9144889"
ANOTHERS_HPR: Final = "9144900"
NPU: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
FNR: Final = "urn:oid:2.16.578.1.12.4.1.4.1"
READ: Final = "nhn:pps/provesvar-read"
SHARE: Final = 20
"""Cells in each jurisdiction, where not all are asked."""


@dataclass(frozen=True)
class Actor:
    """Who asks: with which purpose, authorisation and declared basis. `tests`: the sandbox's test client."""

    name: str
    purpose: str = "TREAT"
    role: str = "LE"
    basis: str = ""
    tests: bool = False


@dataclass(frozen=True)
class State:
    """What the mother (or the child, `whose`) has chosen or is. `single`: the record itself is restricted, once it is there."""

    name: str
    wish: Wish | None = None
    whose: Literal["mother", "child"] = "mother"
    protected: bool = False
    died: bool = False
    single: bool = False


ACTORS: Final = (
    Actor("a doctor in planned care"),
    Actor("the acute chain", purpose="ETREAT"),
    Actor("a doctor with the child's consent declared", basis="SAMTYKKE"),
    Actor("a doctor with everything of the child's opened", basis="FORHOYET_SAMTYKKE"),
    Actor("a doctor on a case", purpose="COC"),
    Actor("a doctor who breaks the glass", purpose="BTG"),
    Actor("a pharmacist to whom the child has consented", role="FA1"),
    Actor("the test client", tests=True),
)
STATES: Final = (
    State("nothing is chosen"),
    State("the mother has opted out", Wish("opt-out")),
    State("the mother has restricted everything", Wish("restriction")),
    State("the mother has restricted doctors", Wish("restriction", role="doctors")),
    State("the mother has restricted nurses", Wish("restriction", role="nurses")),
    State("the mother has restricted the hospital", Wish("restriction", organisation=HOSPITAL)),
    State("the mother has restricted a part", Wish("restriction", part="laboratory")),
    State("the mother has blocked the caller", Wish("block", hpr=HPR)),
    State("the mother has blocked somebody else", Wish("block", hpr=ANOTHERS_HPR)),
    State("the mother has consented to the caller", Wish("consent", hpr=HPR)),
    State("the mother's address is protected", protected=True),
    State("the mother is dead", died=True),
    State("the mother has restricted the record", single=True),
    State("the child has opted out", Wish("opt-out"), "child"),
    State("the child has restricted everything", Wish("restriction"), "child"),
    State("the child has restricted a part", Wish("restriction", part="laboratory"), "child"),
    State("the child has blocked the caller", Wish("block", hpr=HPR), "child"),
)


def opens(actor: Actor, state: State) -> bool:
    """The oracle: K104 and K105 in plain words, slowly, by the names of things alone."""
    kind = state.wish.kind if state.wish else ""
    shut_by_child = state.whose == "child" and kind in ("opt-out", "restriction", "block")
    shut_by_mother = state.whose == "mother" and kind in ("opt-out", "restriction")
    if actor.tests:
        # Of made-up people who have shut nothing (K89); a block is against a person, and it is none.
        shut = shut_by_mother or (shut_by_child and kind != "block")
        return not (shut or state.protected or state.single)
    if actor.purpose not in ("TREAT", "ETREAT") or state.protected or state.died or state.single:
        return False
    if shut_by_child:
        # What she has declared herself opens hers; of a part nobody can say what of another's is in it, while it is shut.
        return kind == "restriction" and actor.basis in ("SAMTYKKE", "FORHOYET_SAMTYKKE")
    if shut_by_mother and kind == "restriction" and state.wish is not None and state.wish.role == "nurses":
        return actor.role == "LE"
    if shut_by_mother or (state.whose == "mother" and kind == "block" and state.wish == Wish("block", hpr=HPR)):
        return False
    return actor.role == "LE" or kind == "consent"


@pytest.fixture(params=["NO", "EHDS"])
async def worker(request: pytest.FixtureRequest, dsn: str, shares: Shares) -> AsyncIterator[Worker]:
    store = await open_store(dsn, Keys(b"w" * 32, b"p" * 32, b"s" * 32), shares, pool_size=6)
    await taking_part(store, *TAKERS)
    if not await store.pool.fetchval("SELECT count(*) FROM practitioner"):
        rows = [PractitionerRow(hpr, secrets.token_bytes(16), "Navn", ("LE",), date(2000, 1, 1), None)
                for hpr in (HPR, ANOTHERS_HPR)]  # fmt: skip
        async with store.pool.acquire() as conn:
            await fill(conn, rows, [OrganisationRow(HOSPITAL, "", "Sykehuset", "", "", "", "")])
    settings = Settings(data=Path("unused"), dsn=dsn, jurisdiction=request.param)
    yield Worker(House(settings, store, FixedClock(NOW)))
    await store.close()


async def person(worker: Worker, *, protected: bool = False, died: bool = False) -> tuple[str, int]:
    number, born, protection = fresh_number(), date(1975, 1, 12), "fortrolig" if protected else "ugradert"
    detail = PersonDetail(
        "Prøve Person", born, "female", protection=protection, died_on=date(2026, 2, 1) if died else None
    )
    new = NewPerson(
        detail, (Identifier(worker.house.digest(number), "FNR", number, date(1975, 1, 12)),),
        synthetic=True, ties=(Tie("care", organisation=HOSPITAL),),
    )  # fmt: skip
    async with worker.house.store.pool.acquire() as conn:
        return number, (await worker.house.store.people.register(conn, [new], NOW))[0]


def caller(worker: Worker, actor: Actor, child: str) -> Caller:
    if actor.tests:
        scopes = frozenset({"kjerne:all-patients", READ, "nhn:pps/provesvar-write"})
        return Caller("system", "tests", scopes, organisation=HOSPITAL)
    doctor = worker.doctor(child, HPR)
    assert doctor.attestation is not None
    said = replace(doctor.attestation, purpose=actor.purpose, authorization=actor.role, decision_text="henvist i dag")
    return replace(doctor, authorization=actor.role, attestation=said)


Heard = tuple[int, str]
SEARCHES: Final = (
    "Observation", "Observation?_sort=value-quantity", "Observation?_summary=count", "Observation?_total=accurate&_count=1",
    "Observation?value-quantity=gt5", "Observation?focus:missing=false", "Observation/$lastn?code=NPU03230",
)  # fmt: skip

EVERYTHING: Final = ("Patient/$everything?_type=Observation", "Patient/$everything?_type=Observation&_count=1")
BY_ID: Final = 6
"""Questions by the record's id, at the end of `every_way`."""


async def heard(client: httpx.AsyncClient, path: str, child: str, basis: str, id_: str = "-") -> Heard:
    """An answer without what is new in each: the seal of a page link, and the id that was asked for."""
    answer = await client.get(f"/fhir/R4/{path}", headers={"person-id": child, "access-basis": basis})
    return answer.status_code, plain(answer.text, id_)


def plain(text: str, id_: str) -> str:
    before, cursor, rest = text.replace(id_, "-").partition("_cursor=")
    return before + cursor + rest.partition('"')[2]


async def heard_in_a_bundle(
    client: httpx.AsyncClient, kind: str, paths: Sequence[str], child: str, basis: str, id_: str = "-"
) -> list[Heard]:
    """As `heard`, each as an entry of a Bundle. A transaction is one answer: there all is as long as it is refused."""
    entries = [{"request": {"method": "GET", "url": path}} for path in paths]
    answer = await client.post(
        "/fhir/R4", content=json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}),
        headers={"person-id": child, "access-basis": basis, "content-type": "application/fhir+json"},
    )  # fmt: skip
    if answer.status_code != 200:
        return [(answer.status_code, plain(answer.text, id_))]
    told = [(one["response"], one.get("resource", one["response"].get("outcome"))) for one in answer.json()["entry"]]
    return [(int(response["status"][:3]), plain(json.dumps(said), id_)) for response, said in told]


def observation(value: float, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": NPU, "code": "NPU03230"}]},
        "effectiveDateTime": "2026-03-02T08:15:00+01:00", "valueQuantity": {"value": value, "unit": "mmol/L"},
    } | more  # fmt: skip


async def filed(worker: Worker, tree: dict[str, Any], about: str) -> str:
    """What names another says whose it is."""
    if "focus" in tree:
        tree |= {"subject": {"type": "Patient", "identifier": {"system": FNR, "value": about}}}
    async with worker.client(LAB) as lab:
        answer = await lab.post(
            "/fhir/R4/Observation", content=json.dumps(tree),
            headers={"person-id": about, "content-type": "application/fhir+json"},
        )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return str(decode(answer.content)["id"])


def cells() -> list[tuple[Actor, State]]:
    """All of them where the whole matrix is asked for (`make laws`), else a share by a seed that replays it."""
    every = list(product(ACTORS, STATES))
    if "KJERNE_LAWS" in os.environ:
        return every
    return Random(seeds.seed("KJERNE_LAWS_SEED")).sample(every, SHARE)


async def test_it_is_there_where_the_law_opens_both_and_else_as_if_nothing_named_her(worker: Worker) -> None:
    """Each cell with a mother and a child of its own, so that no look tells of another."""
    open_cells = 0
    for actor, state in cells():
        await one(worker, actor, state)
        open_cells += opens(actor, state)
    print(f"{open_cells} cells open")
    assert open_cells > 2  # nothing but refusals would prove nothing


async def test_the_first_record_that_names_her_is_read_at_once_by_who_has_looked_at_her_before(worker: Worker) -> None:
    (mother, _), (child, childs) = await person(worker), await person(worker)
    naming = {"focus": [{"reference": f"Patient/{id_of(worker.house.store.ids, childs)}"}]}
    async with worker.client(caller(worker, ACTORS[0], child)) as client:
        assert (await heard(client, "Observation", child, ""))[0] == 200
        id_ = await filed(worker, observation(7.25, **naming), mother)
        assert (await heard(client, f"Observation/{id_}", child, "", id_))[0] == 200


def test_the_oracle_opens_some_cells_to_everybody_but_who_sets_the_rules_aside() -> None:
    opened = {actor.name for actor in ACTORS for state in STATES if opens(actor, state)}
    assert {actor.name for actor in ACTORS} - opened == {"a doctor on a case", "a doctor who breaks the glass"}


async def every_way(client: httpx.AsyncClient, child: str, basis: str, id_: str) -> list[Heard]:
    """What is heard of every search, by itself and in both kinds of Bundle, of all that there is, and last of a read by id and of
    what it was, alone and in a batch."""
    read = f"Observation/{id_}"
    found = [await heard(client, path, child, basis) for path in SEARCHES]
    for kind in ("batch", "transaction"):
        found += await heard_in_a_bundle(client, kind, SEARCHES, child, basis)
    # A page that its own record fills is the same, and says that it is the last.
    found += [await heard(client, path, child, basis) for path in EVERYTHING]
    of_it = [read, f"{read}/_history", f"{read}/_history/1"]
    found += [await heard(client, path, child, basis, id_) for path in of_it]
    return found + await heard_in_a_bundle(client, "batch", of_it, child, basis, id_)


async def one(worker: Worker, actor: Actor, state: State) -> None:
    store = worker.house.store
    mother, mothers = await person(worker, protected=state.protected, died=state.died)
    child, childs = await person(worker)
    if actor.role == "FA1":
        await worker.choose(child, Wish("consent", hpr=HPR))
    # So that there is something that she may have restricted a part of.
    await filed(worker, observation(3.5), mother)
    naming = {"focus": [{"reference": f"Patient/{id_of(store.ids, childs)}"}]}
    await filed(worker, observation(4.5), child)
    shut_to_filing = state.whose == "mother" and state.wish is not None and state.wish.kind == "opt-out"
    id_ = await filed(worker, observation(7.25, **naming), mother) if shut_to_filing else ""
    if state.wish is not None:
        await worker.choose({"mother": mother, "child": child}[state.whose], state.wish)
    async with worker.client(caller(worker, actor, child)) as client:
        if id_:
            # What names her is taken away, to hear what is said without.
            await store.pool.execute("DELETE FROM pointer WHERE id = $1", UUID(id_))
        before = await every_way(client, child, actor.basis, str(store.ids.make(mothers)))
        if id_:
            await store.pool.execute(
                "INSERT INTO pointer SELECT $1, type, id, $2 FROM record WHERE id = $3", childs, mothers, UUID(id_)
            )
        else:
            id_ = await filed(worker, observation(7.25, **naming), mother)
        if state.single:
            await worker.choose(mother, Wish("record", record=id_))
        after = await every_way(client, child, actor.basis, id_)
    looks = await store.pool.fetch(
        "SELECT rule, ids FROM audit WHERE patient = $1 AND action IN ('read', 'search', 'history') AND outcome = 0",
        mothers,
    )
    what = f"{actor.name}; {state.name}"
    if actor.tests:
        # It reads the mother's own where that lies, by the mother's law alone: found or not, that is a look at her.
        looks = [row for row in looks if row["ids"]]
    if actor.tests and state.whose == "child":
        before, after, looks = before[:-BY_ID], after[:-BY_ID], []
    if not opens(actor, state):
        assert after == before, what
        assert not looks, what
        return
    assert [status for status, _ in after] == [200] * len(after), what
    assert all(one != other for one, other in zip(before, after, strict=True)), what
    # The test client reads it where it lies, as everybody whom it may ask about.
    assert {row["rule"] for row in looks} <= {"named", "test-of-a-synthetic-person"}, what
    assert not looks or any(row["ids"] == [UUID(id_)] for row in looks), what
    elsewhere = await store.pool.fetchval(
        "SELECT count(*) FROM audit WHERE patient = $1 AND rule = 'shown-from-anothers'", childs
    )
    assert elsewhere >= 3 * len(SEARCHES), what
