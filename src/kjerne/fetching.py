"""Journals asked for their critical information: subscribed to, and what they say is new fetched, again until it is filed.

What is fetched is filed as what is sent (`services.critical.transfer`), under the same law and as the journal's organisation. A
journal that is down is asked again with growing waits, and after three days what it said is given up where an operator sees it;
so is at once what cannot be filed as it is. A journal that is back is looked through from where it was left.

What is filed is never older than what is filed already: an answer is as new as the moment when its question was sent, so a
record is in one hand at a time, and the number of that hand is looked at again in the transaction that files (`store.journals`).
Where the source says when it wrote a version, that is held against what is filed too.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import urljoin
from uuid import UUID, uuid4

import structlog

from kjerne.access import Caller
from kjerne.clock import Clock
from kjerne.errors import Refusal
from kjerne.exchange import NotFiled as NotFiledHere
from kjerne.exchange import PatientRef
from kjerne.fhir.dates import interval
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
from kjerne.store.pool import Connection, Pool
from kjerne.transferring import transfers
from kjerne.wire import json as strict_json
from kjerne.wire.asking import ANSWER_LIMIT_BYTES, Answered, ask
from kjerne.wire.hooks import NotTaken

if TYPE_CHECKING:
    from kjerne.app import House

Done = TypeVar("Done")
log = structlog.get_logger("kjerne.fetching")

FIRST_RETRY: Final = timedelta(seconds=10)
LONGEST_RETRY: Final = timedelta(hours=1)
GIVE_UP: Final = timedelta(days=3)
LOOKED_AFTER_EVERY: Final = timedelta(hours=1)
AHEAD: Final = timedelta(minutes=10)
"""How far ahead of ours a journal's clock may be with its order kept."""
BEFORE: Final = timedelta(hours=1)
"""How much further back a journal is looked through than it was last: its clock is not ours, and what it reads may lag behind."""
GONE_TWICE: Final = timedelta(minutes=1)
"""So long after it said that there is no such record a journal is asked once more before that is believed of what is filed."""
GONE_UNSEEN: Final = timedelta(hours=1)
"""For so long a record is asked for that was never seen: what a journal reads may lag behind what it tells."""
ASIDE_FIRST: Final = timedelta(hours=1)
ASIDE_LONGEST: Final = timedelta(days=7)
"""What nothing is filed of now is asked for again, at first after an hour and at last each week."""
FAULTS_OF_OURS: Final = 5
"""So often something is tried that we fail at, before it is given up."""
IDLE_SECONDS: Final = 1.0
HANDS: Final = 2
"""How much of one journal is fetched at once."""
PAGES: Final = 500
PAGE: Final = 50
"""Records on a page, as they are asked for."""
FHIR: Final = "application/fhir+json"
CLIENT: Final = "kjerne-fetch"
NUMBERS: Final = "urn:oid:2.16.578.1.12.4.1.4."
"""What the systems of birth numbers (1) and D-numbers (2, whose first digit is four more) begin with."""
MISSHAPEN: Final = (AttributeError, TypeError, KeyError, ValueError, IndexError)
"""What reading a tree raises that is not shaped as R4 has it."""
Tree = dict[str, Any]


class NotFiled(Exception):
    """What was fetched cannot be filed as it is; the text says why, in words of our own."""


class Absent(Exception):
    """The journal says that there is no such record, and that is not believed yet."""


class Lost(Exception):
    """What was taken is in other hands by now: nothing more is done with it."""


class Work(NamedTuple):
    """What was taken: a journal to look after, or a record to fetch."""

    journal: Journal
    look: Look | None
    news: News | None

    @property
    def hand(self) -> tuple[str, bool]:
        return self.journal.name, self.look is not None


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
        """Until cancelled. Each journal has hands of its own: one that does not answer keeps no other waiting."""
        busy, freed = Counter[tuple[str, bool]](), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            while True:
                freed.clear()
                work = await self._safely(self._take(busy))
                if work is not None:
                    busy[work.hand] += 1
                    group.create_task(self._in_hand(work, busy, freed))
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(freed.wait(), IDLE_SECONDS)

    async def _in_hand(self, work: Work, busy: Counter[tuple[str, bool]], freed: asyncio.Event) -> None:
        try:
            await self._safely(self._do(work))
        finally:
            busy[work.hand] -= 1
            freed.set()

    async def _safely(self, work: Awaitable[Done]) -> Done | None:
        """The edge of this work: a database that is away is waited for; what was taken is taken again when its lease is over."""
        try:
            return await work
        except AWAY as error:
            log.warning("database gone", kind=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - noted without its text, which may hold what was fetched
            log.warning("journal not fetched", **_what(error))
        return None

    async def run_due(self) -> None:
        """All that is due now."""
        while await self.work():
            pass

    async def work(self) -> bool:
        """One thing that is due; whether there was one."""
        work = await self._take(Counter())
        if work is not None:
            await self._do(work)
        return work is not None

    async def _take(self, busy: Mapping[tuple[str, bool], int]) -> Work | None:
        """Something that is due, of a journal that has a hand free for it."""
        known = {one.name: one for one in self.journals.all()}
        if not known:
            return None
        now = self.clock.now()
        names = await journals.begin(self.pool, {name: one.system for name, one in known.items()}, now)
        looked = [name for name in names if not busy.get((name, True))]
        if looked and (look := await journals.to_look_after(self.pool, looked, now)):
            return Work(known[look.name], look, None)
        fetched = [name for name in names if busy.get((name, False), 0) < HANDS]
        if fetched and (news := await journals.next_due(self.pool, fetched, now)):
            return Work(known[news.journal], None, news)
        return None

    async def _do(self, work: Work) -> None:
        if work.look is not None:
            await self._look_after(work.journal, work.look)
        elif work.news is not None:
            await self._fetch(work.journal, work.news)

    async def _look_after(self, journal: Journal, look: Look) -> None:
        """Sees that the subscription stands there, and looks through what was written since, of every type by itself."""
        begun, subscription, faults = self.clock.now(), look.subscription, list[str]()
        try:
            subscription = await self._subscribed(journal, subscription)
            look = look._replace(subscription=subscription)
        except (NotTaken, NotFiled) as error:
            faults.append(str(error))
        except MISSHAPEN:
            faults.append("its subscription is not shaped as R4 has it")
        for name in TYPES:
            try:
                await self._sweep(journal, look, name, begun)
            except (NotTaken, NotFiled) as error:
                faults.append(f"{name}: {error}")
            except MISSHAPEN:
                faults.append(f"{name}: what it answered is no Bundle as R4 has it")
            except Lost:
                return
        now = self.clock.now()
        due = now + (waits(look.tries, FIRST_RETRY) if faults else LOOKED_AFTER_EVERY)
        fault, tries = "; ".join(dict.fromkeys(faults))[:1000], look.tries + 1 if faults else 0
        await journals.looked_after(self.pool, look, subscription, fault, tries, due, now)

    async def _subscribed(self, journal: Journal, subscription: str) -> str:
        """The id of the subscription there; made where there is none, begun anew where it is in error or off, or tells
        another address than ours."""
        wanted = self._wanted(journal)
        if subscription:
            found = await self._ask(journal, "GET", f"Subscription/{subscription}")
            if found.status == 200:
                stands = self._tree(found)
                if stands.get("status") in ("active", "requested") and _tells_us(stands, wanted):
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

    async def _sweep(self, journal: Journal, look: Look, name: str, begun: datetime) -> None:
        """Notes all of a type that was written there since the last look, page by page."""
        since = look.swept.get(name)
        path = f"{name}?_count={PAGE}" + (f"&_lastUpdated=ge{_instant(since - BEFORE)}" if since else "")
        seen = set[str]()
        while path:
            if path in seen:
                raise NotTaken("a page points back to one before it")
            if len(seen) == PAGES:
                raise NotTaken(f"it has more than {PAGES} pages")
            if not await journals.go_on(self.pool, look, self.clock.now()):
                raise Lost
            seen.add(path)
            bundle = self._tree(await self._must(journal, "GET", path))
            if bundle.get("resourceType") != "Bundle":
                raise NotTaken("what it answered is no Bundle")
            told = {journal.address(f"{name}/{one}") for one in _ids(bundle, name)}
            if "" in told:
                log.warning("journal has a record with an id that is not asked for", journal=journal.name)
            if told := told - {""}:
                await journals.note(self.pool, journal.name, told, self.clock.now())
            path = _onward(journal, path, bundle)
        await journals.swept(self.pool, journal.name, name, begun, self.clock.now())

    async def _fetch(self, journal: Journal, news: News) -> None:
        """What becomes of a record that is new. Whatever is wrong with it is written down: nothing of it is lost in silence."""
        too_old = self.clock.now() - news.since > GIVE_UP
        try:
            await self._filed(journal, news)
        except Lost:
            return
        except NotFiledHere:
            # She has shut it, or is not known yet: no fault, and told to nobody but as a number.
            wait = min(ASIDE_LONGEST, ASIDE_FIRST * 2 ** min(news.tries, 8))
            now = self.clock.now()
            await journals.again(self.pool, news, now, now + wait, "", aside=True)
        except NotFiled as error:
            log.warning("fetched and not filed", journal=journal.name)
            await journals.bury(self.pool, news, self.clock.now(), str(error))
        except Absent as absent:
            now = self.clock.now()
            wait, since = max(GONE_TWICE, waits(news.tries, FIRST_RETRY)), news.gone_at or now
            await journals.again(self.pool, news, now, now + wait, str(absent), gone_at=since)
        except NotTaken as error:
            await self._later(news, str(error), is_over=too_old)
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - noted without its text, which may hold what was fetched
            log.warning("fetched and not understood", journal=journal.name, **_what(error))
            fault = f"a fault of ours: {type(error).__name__}"
            await self._later(news, fault, is_over=too_old or news.tries + 1 >= FAULTS_OF_OURS)
        else:
            await journals.done(self.pool, news, self.clock.now())

    async def _later(self, news: News, fault: str, *, is_over: bool) -> None:
        now = self.clock.now()
        if is_over:
            await journals.bury(self.pool, news, now, fault)
        else:
            await journals.again(self.pool, news, now, now + waits(news.tries, FIRST_RETRY), fault)

    async def _filed(self, journal: Journal, news: News) -> None:
        name, _, id_ = news.address.partition("/")
        asked = self.clock.now()
        found = await self._ask(journal, "GET", news.address)
        sent = await self.transfers.last_sent(journal.organisation, name, journal.system, id_)
        if found.status in (404, 410):
            if self._is_gone(found, news, sent is not None, asked) and sent is not None:
                await self._file(journal, news, PatientRef(key=sent.patient), _deleted(journal, name, id_), asked)
            return
        if found.status != 200:
            raise NotTaken(f"it answered {found.status}")
        tree = self._tree(found)
        if tree.get("resourceType") != name or tree.get("id", id_) != id_:
            raise NotFiled(f"what lies there is no {name}, or another")
        try:
            number = await self._number(journal, tree)
            patient, tree, updated = self.identify(number), _as_filed(tree, number), _updated(tree, self.clock.now())
        except Refusal:
            raise NotFiled("the national number of whom it is about is not a right one") from None
        except MISSHAPEN:
            raise NotFiled("it is not shaped as R4 has it, or does not say whom it is about") from None
        over = set[UUID]()
        if sent is not None and not sent.in_error and not await self.transfers.is_about(sent, patient):
            # Put right there: it was never about the first. What stands with that one is entered in error before anything else.
            over.add(sent.id)
            with suppress(NotFiledHere):
                gone = _deleted(journal, name, id_)._replace(updated=None if news.believed else updated)
                await self._file(journal, news, PatientRef(key=sent.patient), gone, asked)
        entry = Entry(0, "PUT", name, "", "", tree, encode(tree))
        item = Item(entry, name, journal.system, id_, None, None if news.believed else updated)
        await self._file(journal, news, patient, item, asked, over)

    def _is_gone(self, found: Answered, news: News, is_filed: bool, now: datetime) -> bool:
        """Whether a journal that has no such record is believed. 410 by a FHIR server says so itself. 404 may be a proxy, or a
        server that reads what lags behind: it is asked again."""
        if not _is_by_fhir(found, self.parse):
            raise NotTaken(f"it answered {found.status}, and not as a FHIR server does: that is believed of nothing")
        wait = GONE_TWICE if is_filed else GONE_UNSEEN
        if found.status == 404 and (news.gone_at is None or now - news.gone_at < wait):
            raise Absent("it answered 404, and is asked again before that is believed")
        return True

    async def _file(
        self, journal: Journal, news: News, patient: PatientRef, item: Item, at: datetime, over: Collection[UUID] = ()
    ) -> None:
        """Files it, where it is still in our hands. `NotFiledHere` where nothing is filed about her."""
        caller = Caller("system", CLIENT, frozenset({SCOPE}), organisation=journal.organisation)
        admit = self.door.admit(caller, f"fetch-{uuid4().hex}")

        async def held(conn: Connection) -> None:
            if not await journals.still_held(conn, news):
                raise Lost

        try:
            await self.transfers.file(
                admit, journal.organisation, patient, [item], journal.name, "fetched", at, held, over
            )  # fmt: skip
        except NotFiledHere:
            raise
        except Refusal as refusal:
            if refusal.status in (403, 409, 503):
                raise NotTaken(refusal.says) from None
            raise NotFiled(_told(refusal)) from None

    async def _number(self, journal: Journal, tree: Tree) -> str:
        """The national number of whom a record is about: in it, or in the Patient that it refers to."""
        numbers = numbers_in(tree)
        reference = str((tree.get(subject_element(str(tree["resourceType"]))) or {}).get("reference", ""))
        inside = reference.removeprefix(journal.url)
        if inside.startswith("Patient/"):
            found = await self._ask(journal, "GET", inside)
            if found.status != 200 and (not numbers or found.status >= 500):
                raise NotTaken(f"it answered {found.status} for the Patient")
            theirs = _of_patient(self._tree(found)) if found.status == 200 else numbers
            if numbers and theirs and numbers.isdisjoint(theirs):
                raise NotFiled("it names one patient by number, and another by reference")
            numbers = numbers or theirs
        elif not numbers:
            raise NotFiled("it does not say whom it is about")
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
        url = path if path.startswith(("http://", "https://")) else journal.url + path
        return await ask(journal.receiver, method, url, headers, body)

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


def _deleted(journal: Journal, name: str, id_: str) -> Item:
    return Item(Entry(0, "DELETE", name, "", "", {}, b""), name, journal.system, id_, None)


def _of_patient(person: Tree) -> frozenset[str]:
    """The national numbers of a Patient."""
    about = {"resourceType": "Observation", "subject": {"reference": "#p"}}
    return numbers_in({**about, "contained": [{**person, "id": "p"}]})


def _updated(tree: Tree, arrived: datetime) -> datetime | None:
    """When its source says that it wrote this version; None where it does not say. A clock that is far ahead would have all that
    comes later refused as older, so nothing is written later than its answer `arrived`."""
    try:
        told = interval(str(tree["meta"]["lastUpdated"]))[0]
    except (Refusal, *MISSHAPEN):
        return None
    return told if told <= arrived + AHEAD else arrived


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_by_fhir(found: Answered, parse: Callable[[bytes], Tree]) -> bool:
    """Whether an answer that there is nothing is a FHIR server's own. 410 may do without a body."""
    if found.status == 410 and not found.body.strip():
        return True
    try:
        return parse(found.body).get("resourceType") == "OperationOutcome"
    except Refusal:
        return False


def _tells_us(stands: Tree, wanted: Tree) -> bool:
    """Whether a subscription tells our own address of what we want to hear."""
    channel = stands.get("channel")
    there = channel.get("endpoint") if isinstance(channel, dict) else None
    return bool(there == wanted["channel"]["endpoint"] and stands.get("criteria") == wanted["criteria"])


def _ids(bundle: Tree, name: str) -> Iterator[str]:
    for one in bundle.get("entry") or ():
        resource = one.get("resource") or {}
        if resource.get("resourceType") == name and resource.get("id"):
            yield str(resource["id"])


def _onward(journal: Journal, path: str, bundle: Mapping[str, Any]) -> str:
    """Where a search goes on; empty where it ends."""
    told = next((str(one.get("url", "")) for one in bundle.get("link") or () if one.get("relation") == "next"), "")
    if not told:
        return ""
    here = path if path.startswith(("http://", "https://")) else journal.url + path
    there = urljoin(here, told)
    if not journal.receiver.leads_to(there):
        raise NotTaken("a page points outside the registered address, and nothing is asked there")
    return there


def _what(error: Exception) -> dict[str, str]:
    """What a fault of ours is and where, without its text, which may hold what was fetched."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return {
        "kind": type(error).__name__,
        "at": f"{last[0].filename.rpartition('/')[2]}:{last[0].lineno}" if last else "",
    }


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
