"""People whom the sandbox's test client registers: a Patient becomes a person of the sandbox's register, who is made up (K89).

She gets the synthetic number that the resource names, or one that is generated. What it says beside is kept as it came, and only
what this client has registered is its to change. Nothing here is part of production.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from random import Random
from typing import Any, Final, cast

import msgspec

from kjerne.access import Grant, Tie
from kjerne.errors import Fault, Refusal
from kjerne.exchange import Answer, Before, Call, Joined, Pairs
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import index
from kjerne.fhir.interaction import (
    OF_A_WRITE,
    Made,
    absent,
    answer_of,
    criteria_in,
    deleted,
    hidden_as_absent,
    known,
    sent_version,
)
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.patching import outcome
from kjerne.fhir.patient import RESPONSIBLE, born_on, died_on, name_of, standing_in
from kjerne.fhir.search import plan
from kjerne.policy.people import ADULT, age, norwegian_day
from kjerne.registries import identifiers
from kjerne.registries.guides import Guides
from kjerne.registries.identifiers import SYSTEM_BY_KIND
from kjerne.registries.made_up import SANDBOX
from kjerne.registries.naming import in_address
from kjerne.sandbox.everybody import SERVICE, Everybody
from kjerne.sandbox.numbers import DayFull, person_number
from kjerne.services.patients import BASE, PatientsApi, ReadPatch
from kjerne.store.changing import check_valid, checked, in_thread
from kjerne.store.limits import must_hold
from kjerne.store.matching import check_apart
from kjerne.store.patient_ids import key_of, ref
from kjerne.store.patients import TYPE, Held, Patients
from kjerne.store.people import FIRST_STAMP, Identifier, NewPerson
from kjerne.store.pool import Connection
from kjerne.store.proofs import note
from kjerne.store.records import expect, hold
from kjerne.store.subjects import PersonDetail

REGISTERING: Final = 0x7061746E  # "patn": what registrations wait for one another by
TRIES: Final = 500
"""As many as a day has, of one sex."""
FIRST_BIRTH: Final = date(1950, 1, 1)
SCOPE: Final = "personligeOgOekonomiskeInteresser"
"""What a guardian of theirs may do: the scope that holds health (`policy.representing`)."""
DAYS_OF_BIRTH: Final = 20_000
"""From that day on, within so many days, lies the birth date in a number of whom none is said."""
Tree = dict[str, Any]


@dataclass(frozen=True)
class Newcomers:
    """What changes the register: handlers of create, update, patch and delete of Patient, by id and by conditions."""

    everybody: Everybody
    parse_json: Callable[[bytes], Tree]
    guides: Guides
    turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def patients(self) -> Patients:
        return self.everybody.patients

    async def create(self, call: Call) -> Answer:
        """A new person, unless one answers `If-None-Exist`."""
        tree, advice = await self._checked(call, "c")
        numbers = _national(tree)
        pairs = criteria_in(call.headers["if-none-exist"]) if "if-none-exist" in call.headers else ()
        async with self._in_turn(call) as conn:
            if pairs and (there := await self._the_one(call, pairs)) is not None:
                made = Made(str(there.id), there.version, there.at, there.raw or b"")
                return answer_of(
                    call, BASE, made, 200, "a Patient answers the criteria already, and nothing was written"
                )
            written = await self._registered(call, conn, tree, numbers)
        return _told(call, written, 201, advice)

    async def update(self, call: Call) -> Answer:
        """A new version, and the register after it. `If-Match` may be left out."""
        tree, advice = await self._checked(call, "u")
        if tree.get("id") != call.parameters["id"]:
            raise Refusal(400, "the id in the body is not the id in the address", where=f"{TYPE}.id")
        written = await self._over(call, call.parameters["id"], lambda _: (tree, call.body), sent_version(call.headers))
        return _told(call, written, 200, advice)

    async def update_found(self, call: Call) -> Answer:
        """A new version of the Patient that answers the criteria of the address, or a new person where none does."""
        tree, advice = await self._checked(call, "u")
        pairs, expected = self._criteria(call), sent_version(call.headers)
        async with self._in_turn(call) as conn:
            there = await self._the_one(call, pairs, "query")
            if there is None:
                expect(expected, 0)
                if "id" in tree:
                    says, todo = (
                        "no Patient answers the criteria, and the server makes the id of a new one",
                        "Leave the id out.",
                    )
                    raise Refusal(400, says, where=f"{TYPE}.id", todo=todo)
                return _told(call, await self._registered(call, conn, tree, _national(tree)), 201, advice)
            if tree.get("id", str(there.id)) != str(there.id):
                says = "the id in the body is not that of the Patient who answers the criteria"
                raise Refusal(400, says, where=f"{TYPE}.id")
            # What was found is what is changed: whoever wrote her in between is not overwritten.
            written = await self._over(
                call, str(there.id), lambda _: (tree, call.body), there.version if expected is None else expected
            )
        return _told(call, written, 200, advice)

    async def patch(self, call: Call, read: ReadPatch) -> Answer:
        """A new version made of the one before, and the register after it. `If-Match` may be left out."""
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        smart.demand(call.caller, TYPE, "u")
        patch, id_, advice = read(call), call.parameters["id"], list[Fault]()

        def make(before: Held) -> tuple[Tree, bytes]:
            raw = outcome(before.served, patch)
            tree = self.parse_json(raw)
            if tree.get("resourceType") != TYPE or tree.get("id") != str(before.id):
                raise Refusal(422, "a patch changes neither type nor id of a record", where=f"{TYPE}.id")
            advice[:] = check_valid(raw, tree, TYPE, self.guides)
            must_hold(call.caller, type_number(TYPE), index(tree).tokens, "u")
            return tree, raw

        return _told(call, await self._over(call, id_, make, sent_version(call.headers)), 200, advice)

    async def _over(
        self, call: Call, id_: str, make: Callable[[Held], tuple[Tree, bytes]], expected: int | None
    ) -> Held:
        """The version that `make` makes of the one before, and the register after it."""

        async def use(grant: Grant) -> Held:
            async with call.connection(self.everybody.store.pool) as conn, conn.transaction():
                before = await self._held(conn, grant)
                if before.raw is None:
                    raise Refusal(410, "the Patient was deleted", where="id")
                expect(expected, before.version)
                _keep(call, before)
                tree, raw = await in_thread(partial(make, before))
                if any(self._digest(number) not in grant.subject.digests for number in _national(tree)):
                    raise Refusal(422, "the body names another person than the one before", where=f"{TYPE}.identifier")
                detail = _detail(tree, await self.patients.detail(conn, grant), norwegian_day(call.at))
                written = await self.patients.write(conn, grant, before.version, raw, detail)
                await _tell(conn, call.joined, grant)
                return written

        return await self._changed(call, id_, "u", use)

    async def delete(self, call: Call) -> Answer:
        """Takes the Patient away; what is filed on her stays, and is found by her number. Once more is the same."""
        check_accepted(call)
        smart.demand(call.caller, TYPE, "d")
        if call.query:
            raise Refusal(400, "a deletion by id has no parameter", where="query", code="not-supported")
        return deleted(call, await self._taken_away(call, call.parameters["id"], sent_version(call.headers)))

    async def delete_found(self, call: Call) -> Answer:
        """Takes away the Patient that answers the criteria of the address; where none does there is nothing to do."""
        check_accepted(call)
        smart.demand(call.caller, TYPE, "d")
        pairs, expected = self._criteria(call), sent_version(call.headers)
        async with self._in_turn(call):
            there = await self._the_one(call, pairs, "query")
            if there is None:
                return deleted(call, 0)
            version = await self._taken_away(call, str(there.id), there.version if expected is None else expected)
        return deleted(call, version, f"{BASE}/{TYPE}/{there.id}")

    async def _taken_away(self, call: Call, id_: str, expected: int | None) -> int:
        """The version that the deletion made; 0 where there was nothing to delete any more."""

        async def use(grant: Grant) -> Held | None:
            async with call.connection(self.everybody.store.pool) as conn, conn.transaction():
                before = await self._held(conn, grant)
                if before.raw is None:
                    return before._replace(version=0)
                expect(expected, before.version)
                _keep(call, before)
                return await self.patients.write(conn, grant, before.version, None)

        return (await self._changed(call, id_, "d", use)).version

    def _criteria(self, call: Call) -> Pairs:
        """The criteria of the address; `Refusal` 400 for none, and for what only shapes an answer."""
        pairs = in_address(call)
        search = self.everybody.parse_search(TYPE, pairs, False)
        if not search.criteria or len(search.criteria) != len(pairs):
            raise Refusal(400, "a condition has criteria, and has them alone", where="query", code="required")
        return pairs

    async def _changed(self, call: Call, id_: str, letter: str, use: Callable[[Grant], Any]) -> Held:
        key = key_of(self.everybody.store.ids, id_)
        done = await hidden_as_absent(call, ref(key or 0), SERVICE, "correct", letter, use)
        if done is None:
            raise absent(call)
        return cast("Held", done)

    async def _held(self, conn: Connection, grant: Grant) -> Held:
        """The newest version of a person whom this client has registered, held until the transaction ends."""
        await hold(conn, grant)
        written = await conn.fetchval("SELECT count(*) FROM patient_version WHERE patient = $1", grant.subject.patient)
        if not written:
            says = "the test client changes the people whom it has registered itself, and no others"
            raise Refusal(403, says, where="id", todo="Register one by POST Patient.")
        (newest, *_) = await self.patients.versions(conn, grant)
        return newest

    async def _checked(self, call: Call, letter: str) -> tuple[Tree, Sequence[Fault]]:
        check_accepted(call)
        check_sent(call)
        smart.demand(call.caller, TYPE, letter)
        tree = self.parse_json(call.body)
        advice = await checked(call.body, tree, TYPE, self.guides)
        assert call.caller is not None, "the route asks for a scope"
        must_hold(call.caller, type_number(TYPE), index(tree).tokens, letter)
        return tree, advice

    @contextlib.asynccontextmanager
    async def _in_turn(self, call: Call) -> AsyncIterator[Connection]:
        """A transaction in which nobody else registers: two who ask for the same person at once get one."""
        async with contextlib.AsyncExitStack() as turn:
            if call.joined is None:
                # The law is asked by another connection of the pool: only one request may hold its own meanwhile.
                await turn.enter_async_context(self.turns)
            conn = await turn.enter_async_context(call.connection(self.everybody.store.pool))
            await note(conn, call.once)
            await turn.enter_async_context(conn.transaction())
            await conn.execute("SELECT pg_advisory_xact_lock($1)", REGISTERING)
            yield conn

    async def _the_one(self, call: Call, pairs: Pairs, where: str = "If-None-Exist") -> Held | None:
        """The Patient that answers a condition, opened under a grant of hers; `Refusal` 412 where several do."""
        search, had, _ = await self.everybody.of_people(call, pairs, None)
        if where == "query":
            check_apart(call.joined, plan(search, at=call.at), type_number(TYPE))
        if len(had.matches) > 1:
            says = "several Patients answer the criteria"
            raise Refusal(412, says, where=where, code="multiple-matches", todo="Ask for one of them.")
        if had.after is not None:
            says = "more people would have to be asked about than one request may"
            raise Refusal(422, says, where=where, code="too-costly", todo="Ask by an identifier.")
        return had.matches[0] if had.matches else None

    async def _registered(self, call: Call, conn: Connection, tree: Tree, numbers: Sequence[str]) -> Held:
        detail = _detail(tree, PersonDetail(), norwegian_day(call.at))
        given = [identifiers.parse(number) for number in numbers]
        people = self.everybody.store.people
        taken = await people.known(conn, [self._digest(one.value) for one in given])
        if taken:
            raise Refusal(409, "a person of the sandbox has this number", where=f"{TYPE}.identifier", code="duplicate")
        if not given:
            given = [await self._generated(conn, detail)]
        since = min(detail.birth_date or norwegian_day(call.at), norwegian_day(call.at))
        named = tuple(Identifier(self._digest(one.value), one.kind, one.value, since) for one in given)
        newcomer = people.newcomer(
            NewPerson(detail, named, synthetic=True, ties=await self._kin(conn, tree, since, norwegian_day(call.at)))
        )
        grant = await call.admit(ref(newcomer.key), SERVICE, "file", newcomer=newcomer.subject, piece=f"{TYPE}.c")
        await people.enter(conn, [newcomer], call.at)
        written = await self.patients.write(conn, grant, 0, call.body)
        if call.joined is not None:
            call.joined.registered(newcomer.key, FIRST_STAMP)
        return written

    async def _kin(self, conn: Connection, tree: Tree, since: date, today: date) -> tuple[Tie, ...]:
        """Her parents with parental responsibility and her guardian, who are in the register already; `since` she was born."""
        ties = list[Tie]()
        for kind, where, number in standing_in(tree):
            try:
                key = await self.everybody.store.people.key_of(conn, self._digest(number))
            except Refusal as refusal:
                raise Refusal(422, refusal.says, where=where, code="value") from None
            if key is None:
                says, todo = (
                    "nobody in the sandbox has the number of her parent or guardian",
                    "Register that person first.",
                )
                raise Refusal(422, says, where=where, code="business-rule", todo=todo)
            is_child = age(since, today) < ADULT
            form, begun = ("mindreaarig", since) if is_child else ("voksen", today)
            guards = Tie("guardian", key=key, since=begun, areas=(SCOPE,), form=form)
            ties.append(Tie("parent", key=key, since=since) if kind == RESPONSIBLE else guards)
        return tuple(ties)

    async def _generated(self, conn: Connection, detail: PersonDetail) -> identifiers.PersonNumber:
        """A number that nobody here has, of her birth date and sex where they are said."""
        chance, taken = Random(secrets.randbits(64)), set[str]()
        for _ in range(TRIES):
            born = detail.birth_date or FIRST_BIRTH + timedelta(days=chance.randrange(DAYS_OF_BIRTH))
            try:
                number = person_number(chance, born, detail.sex or chance.choice(("male", "female")), taken)
            except (DayFull, StopIteration):
                break
            if not await self.everybody.store.people.known(conn, [self._digest(number)]):
                return identifiers.parse(number)
        says = "no synthetic number is free for this birth date"
        raise Refusal(
            422, says, where=f"{TYPE}.birthDate", code="business-rule", todo="Choose another, or name a number."
        )

    def _digest(self, number: str) -> bytes:
        return self.everybody.identify(number).digest


@dataclass(frozen=True)
class TestClient:
    """All that the test client may do with Patient (`services.patients.Everybody`)."""

    everybody: Everybody
    newcomers: Newcomers

    async def search(self, call: Call, pairs: Pairs, token: str | None, api: PatientsApi) -> Answer:
        search, had, onward = await self.everybody.of_people(call, pairs, token)
        return api.answer(call, search, pairs, had.matches, onward, had.total)

    async def create(self, call: Call) -> Answer:
        return await self.newcomers.create(call)

    async def update(self, call: Call) -> Answer:
        return await self.newcomers.update(call)

    async def update_found(self, call: Call) -> Answer:
        return await self.newcomers.update_found(call)

    async def patch(self, call: Call, read: ReadPatch) -> Answer:
        return await self.newcomers.patch(call, read)

    async def delete(self, call: Call) -> Answer:
        return await self.newcomers.delete(call)

    async def delete_found(self, call: Call) -> Answer:
        return await self.newcomers.delete_found(call)


def _national(tree: Mapping[str, Any]) -> list[str]:
    """Her national numbers; `Refusal` 422 where one is none, or is not a synthetic one."""
    found = []
    for place, one in enumerate(tree.get("identifier", ())):
        if one.get("system") not in SYSTEM_BY_KIND.values():
            continue
        where = f"{TYPE}.identifier[{place}].value"
        try:
            number = identifiers.parse(str(one.get("value", "")))
        except Refusal as refusal:
            raise Refusal(422, "the number is no person number", where=where, code="value") from refusal
        SANDBOX.hold(number, where)
        found.append(number.value)
    return found


def _detail(tree: Tree, before: PersonDetail, today: date) -> PersonDetail:
    """What the register says of her, by the resource."""
    gender, addresses = tree.get("gender", ""), tree.get("address") or [{}]
    line = ", ".join((*addresses[0].get("line", ()), *filter(None, (addresses[0].get("city"),))))
    return msgspec.structs.replace(
        before,
        name=name_of(tree),
        birth_date=born_on(tree),
        sex=gender if gender in ("male", "female") else "",
        address=str(addresses[0].get("text", "") or line),
        died_on=died_on(tree, today),
    )


def _keep(call: Call, before: Held) -> None:
    """Tells the transaction who is changed in it: a condition of another entry may mean her too."""
    if call.joined is not None and before.raw is not None:
        place = type_number(TYPE), before.id, before.version
        call.joined.changes(Before(*place, before.at, decode(before.raw), frozenset()))


async def _tell(conn: Connection, joined: Joined | None, grant: Grant) -> None:
    """Tells the transaction that her facts have changed."""
    if joined is not None:
        stamp = await conn.fetchval("SELECT stamp FROM person WHERE patient = $1", grant.subject.patient)
        joined.registered(grant.subject.patient, stamp)


def _told(call: Call, written: Held, status: int, advice: Sequence[Fault]) -> Answer:
    made = Made(str(written.id), written.version, written.at, written.raw or b"")
    return answer_of(call, BASE, made, status, f"version {written.version} was written", tuple(advice))
