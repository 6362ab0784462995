"""Ways by which critical information leaves beside the record itself: patient summaries over the wire and on pages, the cards of
CDS Hooks, summaries from abroad that are kept beside it, and the copies that a citizen hands out by a link.

Each is asked about everybody by everybody, in both jurisdictions where personnel may be told of a choice, and held against the
oracle: K116, K117, K124, K125, K144, K146, K148, K150.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from html import unescape
from itertools import cycle, product
from random import Random
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import uuid4

import shl_client
from kjerne.access import Action
from kjerne.app import House
from kjerne.exchange import PatientRef
from kjerne.services.critical.abroad.settling import Brought
from kjerne.store import subjects
from kjerne.transferring import abroad_of, book_of
from services.critical import foreign
from services.results.conftest import LAB, NOW

from .asking import Anybody
from .documents_oracle import answer
from .oracle import answer as answer_of_results
from .outlets import Pages
from .rooms import ALL, KINDS, NATIONAL, Room, Tree, caller, drawn, moved, national, sign
from .situation import Answer, Situation
from .test_paths import JURISDICTIONS, LOGGED_IN, ON_PAGES, TELLING
from .world import PATIENTS, Actor, Patient, World

CARDS: Final = "/cds-services/critical-information"
ABROAD: Final = f"{NATIONAL}/abroad"
PAGES_SHARE, LINKS_SHARE = 0.02, 0.03
"""Of the cells the suite asks so many: of pages, and of links that citizens make."""


async def under_both(world: World) -> AsyncIterator[tuple[Literal["NO", "EHDS"], House]]:
    """The same house in each jurisdiction."""
    one = world.ward.house
    for jurisdiction in JURISDICTIONS:
        yield jurisdiction, House(one.settings.model_copy(update={"jurisdiction": jurisdiction}), one.store, one.clock)


def may(said: Answer) -> frozenset[str]:
    """The kinds whose records may be told of under what the law said."""
    return frozenset(
        one.name
        for one in KINDS
        if said.given and not one.withheld & said.hidden and (one.is_released or not said.only_released)
    )


def signs_in(text: str, patient: str) -> frozenset[str]:
    return frozenset(one.name for one in KINDS if sign(one, patient) in text)


def asked_of(
    room: Room, world: World, cell: tuple[Actor, str, str, str], jurisdiction: str, action: Action = "search"
) -> Situation:
    return replace(moved(room, world, *cell), action=action, jurisdiction=jurisdiction)


def place(jurisdiction: str, way: str, cell: tuple[Actor, str, str, str]) -> str:
    actor, patient, purpose, basis = cell
    return f"{jurisdiction} / {actor.name} / {patient} / {purpose} {basis} / {way}"


# Summaries


async def summed(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many patient summaries told of something."""
    opened = 0
    async for jurisdiction, house in under_both(world):
        client = Anybody(house)
        for cell in drawn(room, chance, *TELLING):
            actor, name, purpose, basis = cell
            patient = world.patients[name]
            said = answer(asked_of(room, world, cell, jurisdiction))
            client.caller = caller(room, world, actor, patient, purpose)
            headers = {"person-id": patient.number} | ({"access-basis": basis} if basis else {})
            found = await client.http.get("/fhir/R4/Patient/$summary", headers=headers)
            told = signs_in(found.text, name)
            opened += bool(told)
            if told != may(said) or (found.status_code == 200) != (said.given or said.looks_empty):
                wrong.append(f"{place(jurisdiction, 'summary', cell)}: {said}, told {found.status_code} {sorted(told)}")
    return opened


def logged_in(chance: Random) -> Iterator[tuple[Actor, str, str, str]]:
    """Who has a patient open on the pages."""
    for actor, patient in product(LOGGED_IN, PATIENTS):
        staff = actor.situation.attest is not None
        for purpose, basis in ON_PAGES if staff else ON_PAGES[:1]:
            if ALL or chance.random() < PAGES_SHARE:
                yield actor, patient, purpose if staff else "", basis if staff else ""


async def page(pages: Pages, world: World, cell: tuple[Actor, str, str, str], *paths: str) -> list[Any]:
    """Some pages of whoever is logged in: a login for results is let in to what they show beside (K128)."""
    actor, name, purpose, basis = cell
    patient = world.patients[name]
    who = world.caller(actor, patient, purpose)
    if who.kind == "practitioner":
        await pages.registered(who)
    tab = pages.tab(who, patient, purpose, basis)
    return [await tab.get(one) for one in paths]


async def on_summary_pages(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many pages of a summary told of something."""
    opened = 0
    async for jurisdiction, house in under_both(world):
        pages = Pages(house)
        for cell in logged_in(chance):
            said = answer(asked_of(room, world, cell, jurisdiction))
            (found,) = await page(pages, world, cell, "/summary")
            told = signs_in(found.text, cell[1])
            opened += bool(told)
            if told != may(said) or found.status_code >= 500:
                wrong.append(f"{place(jurisdiction, 'page', cell)}: {said}, told {found.status_code} {sorted(told)}")
    return opened


# Cards


async def carded(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many calls were answered with a card: each is a look as a search is (K116), and that no citizen's token calls is asked
    of the token (`exchange.Route.for_citizens`), which is stood in for here."""
    opened = 0
    async for jurisdiction, house in under_both(world):
        client = Anybody(house)
        for cell in drawn(room, chance, *TELLING):
            actor, name, purpose, basis = cell
            patient = world.patients[name]
            said = answer(asked_of(room, world, cell, jurisdiction))
            client.caller = caller(room, world, actor, patient, purpose)
            headers = {"person-id": patient.number} | ({"access-basis": basis} if basis else {})
            body = {
                "hook": "patient-view",
                "hookInstance": str(uuid4()),
                "context": {"userId": "Practitioner/1", "patientId": "1"},
            }
            found = await client.http.post(CARDS, json=body, headers=headers)
            told = signs_in(found.text.replace("\\", ""), name)  # what somebody wrote is escaped as Markdown has it
            opened += bool(told)
            if told != may(said) or (found.status_code == 200) != (said.given or said.looks_empty):
                wrong.append(f"{place(jurisdiction, 'cards', cell)}: {said}, told {found.status_code} {sorted(told)}")
            if found.status_code == 200 and bool(found.json()["cards"]) != bool(told):
                wrong.append(f"{place(jurisdiction, 'cards', cell)}: a card of nothing: {found.text[:300]}")
    return opened


# Summaries from abroad


def from_abroad(patient: str) -> str:
    """What stands in the document from abroad about her and nowhere else."""
    return f"utland-{list(PATIENTS).index(patient)}-slutt"


async def brought(room: Room, world: World) -> None:
    """A document from abroad about each, whatever the law would say of bringing it."""
    house = world.ward.house
    known = abroad_of(
        house.store,
        book_of(house.store, house.reader, house.identify),
        house.guides,
        house.parse_foreign,
        house.identify,
    )
    template = await world.ward.admit(LAB)(PatientRef(digest=world.patients["adult"].digest), "results", "file")
    for name, patient in world.patients.items():
        born = PATIENTS[name].get("born", Situation("", "", house.clock.now()).born)
        her = {
            "resourceType": "Patient", "id": "p", "name": [{"family": "Person", "given": ["Prøve"]}], "gender": "female",
        } | ({"birthDate": f"{born:%Y-%m-%d}"} if born else {})  # fmt: skip
        tree = foreign.document(her, foreign.allergy("J01CA04", foreign.ATC, from_abroad(name)))
        confirmed = frozenset({"birth-date", "name", "gender"})
        it = Brought(json.dumps(tree).encode(), "application/fhir+json", "SE", "EPJ", confirmed)
        document = await known.understood(it, house.clock.now())
        async with house.store.pool.acquire() as conn:
            loaded = await subjects.load(conn, PatientRef(digest=patient.digest), LAB, house.store.wrap)
            assert loaded is not None
            held, _ = await known.bring(conn, replace(template, subject=loaded[0], service=room.service), it, document)
        patient.ids["abroad"] = {"document": str(held.number)}


def _abroad_of(patient: Patient) -> str:
    return patient.ids["abroad"]["document"]


async def told_of_abroad(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many lists and documents were shown: the list by its numbers, what stands in one, and the bytes as they came."""
    opened = 0
    async for jurisdiction, house in under_both(world):
        client = Anybody(house)
        for cell, at in zip(drawn(room, chance, *TELLING), cycle(("", "/{}", "/{}/content")), strict=False):
            actor, name, purpose, basis = cell
            patient = world.patients[name]
            said = answer(asked_of(room, world, cell, jurisdiction))
            client.caller = caller(room, world, actor, patient, purpose)
            headers = national(client.caller, patient, basis)
            found = await client.http.get(ABROAD + at.format(_abroad_of(patient)), headers=headers)
            told = (from_abroad(name) if at else _abroad_of(patient)) in found.text
            empty = 404 if at else 200
            status = 200 if said.given else empty if said.looks_empty else 403
            opened += told
            if (told, found.status_code) != (said.given, status):
                wrong.append(f"{place(jurisdiction, 'abroad' + at, cell)}: {said}, told {found.status_code} {told}")
    return opened


async def on_pages_of_abroad(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many pages showed one: the list, and the document beside the record."""
    opened = 0
    async for jurisdiction, house in under_both(world):
        pages = Pages(house)
        for cell in logged_in(chance):
            number = _abroad_of(world.patients[cell[1]])
            said = answer(asked_of(room, world, cell, jurisdiction))
            listed, whole = await page(pages, world, cell, "/abroad", f"/abroad/{number}")
            told = (number in listed.text, from_abroad(cell[1]) in whole.text)
            opened += all(told)
            if told != (said.given, said.given) or max(listed.status_code, whole.status_code) >= 500:
                statuses = f"{listed.status_code} {whole.status_code}"
                wrong.append(f"{place(jurisdiction, 'pages of abroad', cell)}: {said}, told {statuses} {told}")
            if not signs_in(listed.text + whole.text, cell[1]) <= may(said):
                wrong.append(f"{place(jurisdiction, 'pages of abroad', cell)}: what is registered beside it leaks")
    return opened


# Links


async def handed_out(room: Room, world: World, chance: Random, wrong: list[str]) -> int:
    """How many links were made and opened: by whoever may take a copy (K150), with what the law of the service lets her see."""
    house, opened = world.ward.house, 0
    pages, public = Pages(house), Anybody(house)
    citizens = [one for one in LOGGED_IN if one.situation.kind == "citizen"]
    # Half of those that the suite makes are by those who may: of the others most are refused.
    every = [*product(citizens, (one for one in PATIENTS if not _chooses_later(one)))]
    may_copy = [one for one in every if _takes_a_copy(world, *one)]
    number = max(1, round(LINKS_SHARE * len(every) / 2))
    for actor, name in every if ALL else (*chance.sample(may_copy, number), *chance.sample(every, number)):
        cell, patient = (actor, name, "", ""), world.patients[name]
        tab = pages.tab(world.caller(actor, patient, ""), patient, "", "")
        made = await tab.post("/links/new", label="", hours="24", passcode="", language="en")
        said = answer(asked_of(room, world, cell, "NO"))
        taken = _takes_a_copy(world, actor, name)
        uri = re.search(r'id="uri">([^<]+)<', made.text)
        if (uri is not None) != taken:
            wrong.append(f"{place('NO', 'link', cell)}: {taken} by the law, {made.status_code} {made.text[-300:]}")
        if uri is None:
            continue
        passcode = re.search(r'id="the-passcode">([^<]+)<', made.text)
        link = shl_client.read(unescape(uri[1]))
        asked = {"recipient": "Dr. Example, Lisboa", "passcode": unescape(passcode[1]) if passcode else ""}
        found = await public.http.post(urlsplit(link.url).path, json=asked)
        told = signs_in(await _copy(public, link, found.json()), name) if found.status_code == 200 else frozenset()
        opened += bool(told)
        if told != may(said):
            wrong.append(f"{place('NO', 'link', cell)}: {said}, told {found.status_code} {sorted(told)}")
    return opened


def _chooses_later(name: str) -> bool:
    """Whether a choice of hers is dated ahead, which none is that somebody makes: a link would end by it at once (K151)."""
    return any(one.begins is not None and one.begins > NOW for one in PATIENTS[name].get("wills", ()))


def _takes_a_copy(world: World, actor: Actor, name: str) -> bool:
    return answer_of_results(replace(world.situation(actor, name, "", ""), action="download")).given


async def _copy(public: Anybody, link: shl_client.Link, manifest: Tree) -> str:
    """All that stands in the files of a link."""
    text = ""
    for one in manifest["files"]:
        sealed = one.get("embedded")
        if sealed is None:
            sealed = (await public.http.get(urlsplit(one["location"]).path)).text
        text += shl_client.opened(sealed, link.key)[1].decode()
    return text
