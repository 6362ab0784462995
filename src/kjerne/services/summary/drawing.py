"""The sources of a summary: each service is asked for under its own law, read, and what it gives is chosen from.

A source that the token does not reach, that is late, or that fails, gives nothing, and that is told; the others are shown. One
whose law says no is told of as its refusal would be.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from cryptography.exceptions import InvalidTag

from kjerne.access import PORTAL, Caller, Grant, Label
from kjerne.exchange import Admit, Denied, Pairs, PatientRef
from kjerne.fhir import smart
from kjerne.fhir.cds_hooks import codings, objects, said
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.search import Search, plan
from kjerne.registries.homes import row_number
from kjerne.registries.withholding import is_anothers
from kjerne.services.summary import naming
from kjerne.services.summary.choosing import PREGNANCY_DATES, SOUGHT, section_of
from kjerne.services.summary.composing import shown
from kjerne.services.summary.fitting import led_to
from kjerne.services.summary.model import CRITICAL, LOINC, OPENED, RECORD, RESULTS, Drawn, Tree, types_from
from kjerne.store import shared, summarising
from kjerne.store.pool import Pool
from kjerne.store.proofs import note
from kjerne.store.reading import Reader, Record
from kjerne.store.sealed_id import SealedIds
from kjerne.store.turns import in_turns

MOST: Final = 500
"""Records of one type that are looked at, and results: the newest."""
MOST_RESULTS: Final = 200
SOUGHT_MOST: Final = 50
LATE_SECONDS: Final = 5.0
"""How long one source may take."""
MEDICATION: Final = "Medication"
MEDICINES_MOST: Final = 100
FAILURES: Final = (TimeoutError, asyncpg.PostgresError, InvalidTag)
"""What makes a source one that gave nothing."""
log = structlog.get_logger("kjerne")
Place = tuple[str, str]


@dataclass
class Sources:
    """What the services gave in one try. `grants` are of those that were read, and `records` what each tree was opened from."""

    drawn: dict[str, Drawn] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    records: dict[Place, tuple[str, Record]] = field(default_factory=dict)
    medicines: list[Tree] = field(default_factory=list)
    denied: Denied | None = None
    shut: dict[str, str] = field(default_factory=dict)
    """By service that the law shuts the choice that does it, as `Denial.outcome` has it."""

    def leaving(self, places: frozenset[Place]) -> list[tuple[Grant, list[Any]]]:
        """For each grant the records that leave under it, as a row of the log names them."""
        named: dict[str, list[Any]] = {service: [] for service in self.grants}
        for place, (service, one) in self.records.items():
            if place in places:
                named[service].append((one.type, one.id, one.version))
        return [(grant, named[service]) for service, grant in self.grants.items()]


@dataclass(frozen=True)
class Asking:
    """Who asks for a summary of whom, by which right and in which language, over the wire or on a page: plain values.

    `caller` holds the scopes of the services that it reaches, `basis` and `purpose` are what it declares, `base_url` is where
    records have their addresses, `asked` is the question for the log to keep, and `check` looks at each grant before anything
    is read.
    """

    admit: Admit
    caller: Caller
    patient: PatientRef
    asked: str
    language: str
    base_url: str
    correlation: str
    basis: str = ""
    purpose: str = ""
    check: Callable[[Grant], None] = lambda _: None


@dataclass(frozen=True)
class Drawing:
    """`reads` are the scopes that each service asks for."""

    pool: Pool
    reader: Reader
    parse_search: Callable[[str, Pairs, bool], Search]
    reads: Mapping[str, str]
    ids: SealedIds
    late_seconds: float = LATE_SECONDS

    async def sources(self, asking: Asking, *, proven: bool) -> Sources:
        """All that the sources give now, nothing of which is in the log yet.

        Raises `Stale`; `Denied` where the law opens none.
        """
        found, referred_to = Sources(), set[str]()
        for service in OPENED:
            if not is_reached(asking.caller, self.reads[service]):
                found.drawn[service] = Drawn("unavailable")
                continue
            try:
                grant = await asking.admit(
                    asking.patient, service, "search", basis=asking.basis, purpose=asking.purpose, proven=proven,
                    asked=asking.asked,
                )  # fmt: skip
            except Denied as denied:
                found.denied = found.denied or denied
                found.shut |= {service: denied.denial.outcome} if denied.denial.outcome else {}
                found.drawn[service] = Drawn("withheld" if denied.denial.outcome else "unavailable")
                continue
            asking.check(grant)
            found.grants[service] = grant
        if not found.grants:
            assert found.denied is not None, "the route asks for a scope of one of them"
            raise found.denied
        for service, gathered in (await self._all(found.grants)).items():
            if gathered is None:
                found.drawn[service] = Drawn("unavailable")
                continue
            drawn = await self._drawn(found.grants[service], gathered, found, referred_to, asking.language)
            found.drawn[service] = drawn
            referred_to |= {text for _, tree in drawn.records for text in led_to(tree)}
        found.medicines = await self._medicines(referred_to)
        return found

    async def _all(self, grants: Mapping[str, Grant]) -> dict[str, summarising.Gathered | None]:
        """What the services gave, asked at once, so that one that is late is waited for no longer than each may take; None for
        one that gave nothing. All have ended when this does, whatever one of them raises."""
        gave = await asyncio.gather(*map(self._in_time, grants.values()), return_exceptions=True)
        for one in gave:
            if isinstance(one, BaseException):
                raise one
        return dict(zip(grants, (one for one in gave if not isinstance(one, BaseException)), strict=True))

    async def _in_time(self, grant: Grant) -> summarising.Gathered | None:
        """What one service gives; None where it is late or fails."""
        try:
            async with asyncio.timeout(self.late_seconds):
                return await self._gathered(grant)
        except FAILURES as error:
            _gave_nothing(grant, error)
            return None

    async def _drawn(
        self, grant: Grant, gathered: summarising.Gathered, found: Sources, referred_to: set[str], language: str
    ) -> Drawn:
        """What of it is shown; nothing, and that it could not be had, where it cannot be opened."""
        try:
            return await self._chosen(grant, gathered, found, referred_to, language)
        except FAILURES as error:
            _gave_nothing(grant, error)
            return Drawn("unavailable")

    async def _gathered(self, grant: Grant) -> summarising.Gathered:
        types = self._types(grant)
        most = {row_number(one, grant.service): MOST_RESULTS if grant.service == RESULTS else MOST for one in types}
        of, tokens = 0, list[int]()
        if "Observation" in types:
            codes = ",".join(f"{LOINC}|{code}" for code in SOUGHT)
            search = self.parse_search("Observation", (("code", codes),), False)
            of, tokens = type_number("Observation"), [one for some in plan(search, at=grant.at).all_of for one in some]
        async with self.pool.acquire() as conn:
            await note(conn, grant.once)
            return await summarising.gather(conn, grant, self.reader, most, of, tokens, SOUGHT_MOST)

    def _types(self, grant: Grant) -> list[str]:
        """The types that are read: those that the token's SMART scopes leave something of."""
        every = (*types_from(grant.service), *(("Device",) if grant.service == RECORD else ()))
        return [one for one in every if smart.left(grant.caller, one, "s") != ()]

    async def _chosen(
        self, grant: Grant, gathered: summarising.Gathered, found: Sources, referred_to: set[str], language: str
    ) -> Drawn:
        records, every = dict[Place, Record](), list[tuple[str, Tree]]()
        aside, of_others, leads = dict[str, Tree](), dict[str, str](), dict[str, Tree]()
        async for record in in_turns(gathered.records):
            if record.labels & Label.WITHDRAWN_WITH_REPORT:
                continue  # its report was taken back: read by itself it would be a finding
            tree = decode(record.served)
            place = (type_name(record.type), str(record.id))
            records[place] = record
            if "result" in tree or "hasMember" in tree:
                leads[tree["id"]] = tree
            key = section_of(tree, grant.at)
            if record.labels & Label.NOT_THE_MOTHERS or is_anothers(tree):
                of_others[str(record.id)] = key  # a newborn's, filed on its mother: read as hers it would be a danger
            elif key:
                every.append((key, tree))
            elif _may_be_led_to(tree):
                aside["/".join(place)] = tree
        left_out = set(of_others.values())
        led, unsure = await self._led_to_others(grant, leads, of_others)
        left_out |= {key for key, tree in every if tree["id"] in led}
        every = [(key, tree) for key, tree in every if tree["id"] not in led | unsure]
        chosen = shown(every, grant.at)
        own = referred_to | {text for _, tree in chosen for text in led_to(tree)}
        chosen += [("", tree) for text, tree in aside.items() if text in own]
        for _, tree in chosen:
            place = (tree["resourceType"], tree["id"])
            found.records[place] = (grant.service, records[place])
        if grant.service == CRITICAL:
            opened = {tree["id"]: records[tree["resourceType"], tree["id"]] for _, tree in chosen}
            chosen = await naming.named(self.pool, grant, language, chosen, opened)
        elif grant.service == RECORD:
            chosen = [(key, naming.as_sent(language, tree)) for key, tree in chosen]
        return Drawn("read", chosen, frozenset(self._partly(grant, gathered)), frozenset(left_out - {""}))

    async def _led_to_others(
        self, grant: Grant, leads: Mapping[str, Tree], of_others: Collection[str]
    ) -> tuple[set[str], set[str]]:
        """The ids of reports and panels of which a result is about another, also one that was not read; and of reports of which
        one is not to be had. A conclusion does not say whom it is about, so it stands where that is known.

        A result that is shut is not to be had, as one that was deleted or never came: nothing tells the one from the other
        (law, K37), and every summary says in the same words that such reports are not in it (K125).
        """
        results = {id_: dict(_results(tree)) for id_, tree in leads.items()}
        asked = set[UUID]().union(*results.values())
        if not asked:
            return set(), set()
        async with self.pool.acquire() as conn:
            known = await summarising.about_others(conn, grant, self.reader, sorted(asked))
        others = {UUID(one) for one in of_others} | {one for one, is_anothers in known.items() if is_anothers}
        led = _leading_to(others, results)
        # By whatever address: an id that was made of her key is of a record here.
        keys = set(grant.subject.keys)
        here = {
            one
            for those in results.values()
            for one, is_here in those.items()
            if is_here or self.ids.patient(one) in keys
        }
        unsure = _leading_to(here - known.keys(), results)
        return led, {id_ for id_ in unsure - led if "result" in leads[id_]}

    def _partly(self, grant: Grant, gathered: summarising.Gathered) -> Iterator[str]:
        """Types of which not all was looked at. That only the newest results are is said in words of every summary."""
        for name in types_from(grant.service):
            too_many = row_number(name, grant.service) in gathered.more and grant.service != RESULTS
            if too_many or smart.left(grant.caller, name, "s") is not None:
                yield name

    async def _medicines(self, referred_to: set[str]) -> list[Tree]:
        """The medicines that prescriptions lead to: they are about nobody, and lie open."""
        ids = [text.partition("/")[2] for text in sorted(referred_to) if text.startswith(f"{MEDICATION}/")]
        if not ids:
            return []
        found = list[Tree]()
        async with self.pool.acquire() as conn:
            for id_ in ids[:MEDICINES_MOST]:
                one = await shared.read(conn, type_number(MEDICATION), id_)
                if one is not None and one.raw is not None:
                    found.append(decode(one.served))
        return found


def _gave_nothing(grant: Grant, error: Exception) -> None:
    log.warning("a source of a summary gave nothing", service=grant.service, error=type(error).__name__)


def is_reached(caller: Caller, needs: str) -> bool:
    """Whether she holds a scope that a service asks for, or is a citizen, whom the law lets ask of every service."""
    return caller.kind == "citizen" or not caller.scopes.isdisjoint((*needs.split(), PORTAL))


_RESULT: Final = re.compile(r"(?P<server>[A-Za-z]+://\S+/)?Observation/(?P<id>[0-9a-fA-F-]{36})(?:/_history/[^/\s]+)?")


def _leading_to(results: AbstractSet[UUID], leads: Mapping[str, Iterable[UUID]]) -> set[str]:
    """The ids of the reports and panels that lead to one of these results, by themselves or by a panel."""
    reached, found = set(results), set[str]()
    while new := {id_ for id_, those in leads.items() if not reached.isdisjoint(those)} - found:
        found |= new
        reached |= {UUID(one) for one in new}
    return found


def _results(tree: Tree) -> Iterator[tuple[UUID, bool]]:
    """The results of a report, and those of a panel, each with whether its address says that it lies here: one of some server may
    be this one's too."""
    for one in (*objects(tree.get("result")), *objects(tree.get("hasMember"))):
        found = _RESULT.fullmatch(said(one.get("reference")))
        if found is None:
            continue
        try:
            yield UUID(found["id"]), not found["server"]
        except ValueError:
            continue


def _may_be_led_to(tree: Tree) -> bool:
    """What stands in no section and is needed to understand one that does: a device, the day a child is due."""
    if tree["resourceType"] == "Device":
        return True
    codes = {code for system, code, _ in codings(tree.get("code")) if system == LOINC}
    return tree["resourceType"] == "Observation" and bool(codes & PREGNANCY_DATES)
