"""A parent's consent to youth access, behind the pages; and how far whoever has a record open may choose in it."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from kjerne.access import Denial, Grant, Held
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.pages.house import Identity, RuleLanguage, Visit
from kjerne.pages.live import SERVICE, Carry
from kjerne.pages.live_notify import NotifyPages
from kjerne.pages.my_house import YouthAccess
from kjerne.policy.choosing import may_choose
from kjerne.policy.people import norwegian_day
from kjerne.policy.permitting import Permitting
from kjerne.policy.reach import ChoiceKind, reach
from kjerne.policy.services import IN_USE, SERVICES
from kjerne.policy.words import says
from kjerne.registries.protection import is_protected

ELSEWHERE = "permit-elsewhere"


class YouthPages(NotifyPages):
    """Implements the consents of `pages.my_house.MyHouse`."""

    @property
    def permitting(self) -> Permitting:
        return Permitting(self.store)

    async def may_choose(self, who: Identity, visit: Visit) -> frozenset[ChoiceKind]:
        """By the rule that would let her choose; opens nothing and leaves no row."""
        answer = await self.door.would(await self.caller(who, visit), PatientRef(key=visit.patient), SERVICE, "choose")
        return reach(answer.rule).makes if isinstance(answer, Grant) else frozenset()

    async def chooses_in(self, who: Identity, visit: Visit) -> tuple[str, ...]:
        """The services that the law lets her choose in; opens nothing and leaves no row."""
        answer = await self.door.would(await self.caller(who, visit), PatientRef(key=visit.patient), SERVICE, "choose")
        if isinstance(answer, Denial):
            return ()
        return tuple(name for name in SERVICES if name in IN_USE and may_choose(answer, name))

    async def youth_access(self, who: Identity, language: RuleLanguage) -> tuple[YouthAccess, ...]:
        """Those whom the law lets her consent for today, and those for whom only the address is missing."""
        carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
        async with self.store.pool.acquire() as conn:
            own = await self.store.people.key_of(conn, carry.digest)
            if own is None:
                raise Refusal(404, "The register of persons does not know you.", where="person")
            ties = await self.store.people.represented_by(conn, own, norwegian_day(self.clock.now()))
        keys = dict.fromkeys(key for key, tie in ties if tie.kind in ("parent", "guardian"))
        found = [one for key in keys if (one := await self._access(who, key, language))]
        return tuple(sorted(found, key=lambda one: one.name))

    async def _access(self, who: Identity, key: int, language: RuleLanguage) -> YouthAccess | None:
        async with self.store.pool.acquire() as conn:
            person, protection = await self.named(conn, key)
        answer = await self.door.would(await self.caller(who, None), PatientRef(key=key), SERVICE, "permit")
        if is_protected(protection) or not (isinstance(answer, Grant) or answer.rule == ELSEWHERE):
            return None
        if not isinstance(answer, Grant):
            return YouthAccess(key, person.name, why=says(answer.rule, language) or answer.says)

        async def use(grant: Grant) -> tuple[Held, ...]:
            return await self.permitting.held(grant)

        held = await self.under(who, self._consenting(key), "permit", use)
        if not held:
            return YouthAccess(key, person.name)
        return YouthAccess(key, person.name, held[0].choice.made_at, held[0].choice.ended_at)

    async def permit(self, who: Identity, key: int, *, given: bool) -> None:
        """From the next request on, on every host."""

        async def use(grant: Grant) -> None:
            await (self.permitting.give(grant) if given else self.permitting.withdraw(grant))

        await self.under(who, self._consenting(key), "permit", use)

    def _consenting(self, key: int) -> Visit:
        return Visit(uuid4().hex, key, "PATRQT", self.clock.now())
