"""Journals asked for their critical information: subscribed to, and what they say is new fetched, again until it is filed.

What is fetched is filed as what is sent (`services.critical.transfer`), under the same law and as the journal's organisation. A
journal that is down is asked again with growing waits, and after three days what it said is given up where an operator sees it;
so is at once what cannot be filed as it is. A journal that is back is looked through from where it was left.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import uuid4

import structlog

from kjerne.access import Caller
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import NotFiled as NotFiledHere
from kjerne.exchange import PatientRef
from kjerne.fhir.encode import encode
from kjerne.fhir.entries import Entry
from kjerne.fhir.subscribing import PAYLOAD
from kjerne.jobs import AWAY
from kjerne.policy.door import Door
from kjerne.registries.journals import TYPES, Journal, Journals
from kjerne.registries.naming import numbers_in, subject_element
from kjerne.services.critical.notified import AT, secret_of
from kjerne.services.critical.sent import Item
from kjerne.services.critical.transfer import SCOPE, Transfers
from kjerne.store import journals
from kjerne.store.journals import Look, News
from kjerne.store.pool import Pool
from kjerne.transferring import transfers
from kjerne.wire import json as strict_json
from kjerne.wire.asking import ANSWER_LIMIT_BYTES, Answered, ask
from kjerne.wire.hooks import NotTaken

if TYPE_CHECKING:
    from kjerne.app import House

log = structlog.get_logger("kjerne.fetching")

FIRST_RETRY: Final = timedelta(seconds=10)
LONGEST_RETRY: Final = timedelta(hours=1)
GIVE_UP: Final = timedelta(days=3)
LOOKED_AFTER_EVERY: Final = timedelta(hours=1)
BEFORE: Final = timedelta(minutes=5)
"""How much further back a journal is looked through than it was last: its clock is not ours."""
IDLE_SECONDS: Final = 1.0
AT_ONCE: Final = 4
PAGES: Final = 500
FHIR: Final = "application/fhir+json"
CLIENT: Final = "kjerne-fetch"
NUMBERS: Final = "urn:oid:2.16.578.1.12.4.1.4."
"""What the systems of birth numbers (1) and D-numbers (2, whose first digit is four more) begin with."""
Tree = dict[str, Any]


class NotFiled(Exception):
    """What was fetched cannot be filed as it is; the text says why, in words of our own."""


@dataclass(frozen=True)
class Fetcher:
    """Works for one house. `public_url` is where journals reach us."""

    pool: Pool
    clock: Clock
    door: Door
    journals: Journals
    transfers: Transfers
    identify: Callable[[str], PatientRef]
    parse: Callable[[bytes], Tree]
    key: bytes
    public_url: str

    async def run_forever(self) -> None:
        """Until cancelled, several at once: a journal that does not answer keeps no other waiting."""
        await asyncio.gather(*(self._work_forever() for _ in range(AT_ONCE)))

    async def _work_forever(self) -> None:
        """A database that is away is waited for."""
        while True:
            idle = True
            try:
                idle = not await self.work()
            except AWAY as error:
                log.warning("database gone", kind=type(error).__name__)
            except Exception:
                # The edge of this work: what was taken is taken again when its lease is over.
                log.exception("journal not fetched")
            if idle:
                await asyncio.sleep(IDLE_SECONDS)

    async def run_due(self) -> None:
        """All that is due now."""
        while await self.work():
            pass

    async def work(self) -> bool:
        """One thing that is due; whether there was one."""
        known = {one.name: one for one in self.journals.all()}
        if not known:
            return False
        now, names = self.clock.now(), sorted(known)
        await journals.begin(self.pool, names, now)
        if look := await journals.to_look_after(self.pool, names, now):
            await self._look_after(known[look.name], look, now)
            return True
        news = await journals.next_due(self.pool, names, now)
        if news is None:
            return False
        await self._fetch(known[news.journal], news)
        return True

    async def _look_after(self, journal: Journal, look: Look, now: datetime) -> None:
        """Sees that the subscription stands there, and looks through what was written since."""
        subscription = look.subscription
        try:
            subscription = await self._subscribed(journal, subscription)
            await self._sweep(journal, look.swept_to)
        except (NotTaken, NotFiled) as error:
            wait = now + waits(look.tries, FIRST_RETRY)
            await journals.looked_after(self.pool, journal.name, subscription, str(error), look.tries + 1, wait, None)
        else:
            due = now + LOOKED_AFTER_EVERY
            await journals.looked_after(self.pool, journal.name, subscription, "", 0, due, now)

    async def _subscribed(self, journal: Journal, subscription: str) -> str:
        """The id of the subscription there; made where there is none, begun anew where it is in error or off."""
        wanted = self._wanted(journal)
        if subscription:
            found = await self._ask(journal, "GET", f"Subscription/{subscription}")
            if found.status == 200:
                stands = self._tree(found)
                if stands.get("status") in ("active", "requested"):
                    return subscription
                tree = {**wanted, "id": subscription}
                await self._must(journal, "PUT", f"Subscription/{subscription}", tree)
                return subscription
            if found.status not in (404, 410):
                raise NotTaken(f"it answered {found.status} for the subscription")
        made = await self._must(journal, "POST", "Subscription", wanted)
        id_ = str(self._tree(made).get("id", "")) if made.body else ""
        id_ = id_ or made.location.partition("Subscription/")[2].partition("/")[0]
        if not id_:
            raise NotTaken("it made a subscription and did not say which")
        return id_

    def _wanted(self, journal: Journal) -> Tree:
        """A rest-hook to our own address with the journal's secret, told the ids alone (R4 backport)."""
        endpoint = self.public_url + AT.replace("{journal}", journal.name)
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "critical information, for the national record",
            "criteria": journal.criteria,
            "channel": {
                "type": "rest-hook",
                "endpoint": endpoint,
                "header": [f"Authorization: Bearer {secret_of(self.key, journal.name)}"],
                "payload": FHIR,
                "_payload": {"extension": [{"url": PAYLOAD, "valueCode": "id-only"}]},
            },
        }

    async def _sweep(self, journal: Journal, since: datetime | None) -> None:
        """Notes all that was written there since the last look, page by page, of every type."""
        query = f"?_lastUpdated=ge{quote((since - BEFORE).isoformat())}" if since else ""
        for name in TYPES:
            path = f"{name}{query}"
            for _ in range(PAGES):
                bundle = self._tree(await self._must(journal, "GET", path))
                told = {f"{name}/{one}" for one in _ids(bundle, name)}
                if told:
                    await journals.note(
                        self.pool, journal.name, {a for a in map(journal.address, told) if a}, self.clock.now()
                    )
                path = _next(bundle)
                if not path:
                    break
                if not path.startswith(journal.url):
                    raise NotTaken("a page points outside the registered address, and nothing is asked there")
                path = path.removeprefix(journal.url)
            else:
                raise NotTaken(f"it has more than {PAGES} pages of {name}")

    async def _fetch(self, journal: Journal, news: News) -> None:
        now = self.clock.now()
        try:
            await self._filed(journal, news.address, now)
        except NotFiled as error:
            log.warning("fetched and not filed", journal=journal.name)
            await journals.bury(self.pool, news, now, str(error))
        except NotTaken as error:
            if now - news.since > GIVE_UP:
                await journals.bury(self.pool, news, now, str(error))
            else:
                await journals.again(self.pool, news, now + waits(news.tries, FIRST_RETRY), str(error))
        else:
            await journals.done(self.pool, news, now)

    async def _filed(self, journal: Journal, address: str, now: datetime) -> None:
        name, _, id_ = address.partition("/")
        found = await self._ask(journal, "GET", address)
        method, tree, raw = "PUT", {}, b""
        if found.status in (404, 410):
            method = "DELETE"
            patient = await self._known_patient(journal, name, id_)
            if patient is None:
                return
        elif found.status != 200:
            raise NotTaken(f"it answered {found.status}")
        else:
            tree = self._tree(found)
            if tree.get("resourceType") != name:
                raise NotFiled(f"what lies there is no {name}")
            number = await self._number(journal, tree)
            patient, tree = self.identify(number), _as_filed(tree, number)
            raw = encode(tree)
        item = Item(Entry(0, method, name, "", "", tree, raw), name, journal.url, id_, None)
        caller = Caller("system", CLIENT, frozenset({SCOPE}), organisation=journal.organisation)
        admit = self.door.admit(caller, f"fetch-{uuid4().hex}")
        try:
            await self.transfers.file(admit, journal.organisation, patient, [item], journal.name, "fetched", now)
        except NotFiledHere:
            # She has shut it: that is no fault, and told to nobody who runs the platform.
            return
        except Refusal as refusal:
            if refusal.status in (403, 409, 503):
                raise NotTaken(refusal.says) from None
            raise NotFiled(_told(refusal)) from None

    async def _known_patient(self, journal: Journal, name: str, id_: str) -> PatientRef | None:
        """Whose record that was, by what was fetched before; None where nothing was."""
        key = await self.transfers.patient_of(journal.organisation, name, journal.url, id_)
        return PatientRef(key=key) if key is not None else None

    async def _number(self, journal: Journal, tree: Tree) -> str:
        """The national number of whom a record is about: in it, or in the Patient that it refers to."""
        numbers = numbers_in(tree)
        if not numbers:
            reference = str((tree.get(subject_element(str(tree["resourceType"]))) or {}).get("reference", ""))
            inside = reference.removeprefix(journal.url)
            if not inside.startswith("Patient/"):
                raise NotFiled("it does not say whom it is about")
            person = self._tree(await self._must(journal, "GET", inside))
            about = {"resourceType": "Observation", "subject": {"reference": "#p"}}
            numbers = numbers_in({**about, "contained": [{**person, "id": "p"}]})
        if len(numbers) != 1:
            raise NotFiled("it names nobody by one national number")
        return next(iter(numbers))

    async def _must(self, journal: Journal, method: str, path: str, tree: Tree | None = None) -> Answered:
        found = await self._ask(journal, method, path, tree)
        if not 200 <= found.status < 300:
            raise NotTaken(f"it answered {found.status}")
        return found

    async def _ask(self, journal: Journal, method: str, path: str, tree: Tree | None = None) -> Answered:
        headers = {"accept": FHIR} | ({"authorization": journal.authorization} if journal.authorization else {})
        if tree is not None:
            headers["content-type"] = FHIR
        body = json.dumps(tree).encode() if tree is not None else b""
        return await ask(journal.receiver, method, journal.url + path, headers, body)

    def _tree(self, found: Answered) -> Tree:
        try:
            tree: Tree = self.parse(found.body)
        except Refusal:
            raise NotTaken("what it answered is no JSON that is read here") from None
        return tree


def waits(tries: int, first: timedelta) -> timedelta:
    """Doubling, to an hour."""
    doubled: timedelta = first * 2 ** min(tries, 12)
    return min(LONGEST_RETRY, doubled)


def _as_filed(tree: Tree, number: str) -> Tree:
    """Without what the journal's server writes on each version, about the patient by her number."""
    kept = {key: value for key, value in tree.items() if key not in ("id", "text")}
    meta = {key: value for key, value in kept.pop("meta", {}).items() if key in ("profile", "security")}
    kept[subject_element(str(tree["resourceType"]))] = {
        "identifier": {"system": NUMBERS + ("2" if number[0] in "4567" else "1"), "value": number}
    }
    return {"resourceType": kept.pop("resourceType")} | ({"meta": meta} if meta else {}) | kept


def _ids(bundle: Tree, name: str) -> Iterator[str]:
    for one in bundle.get("entry") or ():
        resource = one.get("resource") or {}
        if resource.get("resourceType") == name and resource.get("id"):
            yield str(resource["id"])


def _next(bundle: Mapping[str, Any]) -> str:
    return next((str(one.get("url", "")) for one in bundle.get("link") or () if one.get("relation") == "next"), "")


def _told(refusal: Refusal) -> str:
    """Paths and rules, without the Bundle that the fetched record never had."""
    first = refusal.fault
    faults = [first, *refusal.faults] if first else []
    rules = [
        f"{one.where.removeprefix('Bundle.entry[0].resource')} {one.rule or one.code}".strip() for one in faults[:5]
    ]
    return "; ".join([refusal.says, *rules])[:1000]


def of(house: House) -> Fetcher:
    """The fetcher of a house that was opened."""
    settings, store = house.settings, house.store
    taking = transfers(store, house.reader, house.identify, house.guides, house.registered)
    door = Door(store, house.clock, tells_choices=settings.tells_choices)
    found = Journals(settings.journals_file, sandbox=settings.mode == "sandbox")
    parse = partial(strict_json.parse, depth=settings.json_depth, limit_bytes=ANSWER_LIMIT_BYTES)
    public_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    key = store.keys.derived("journal")
    return Fetcher(store.pool, house.clock, door, found, taking, house.identify, parse, key, public_url)
