"""The door every request passes: facts are read, the law is asked, a no is written down before it is said."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from kjerne.access import Action, Caller, Denial, Grant, Once, Subject
from kjerne.clock import Clock
from kjerne.exchange import Admit, Denied, Joined, Named, PatientRef, Unattested
from kjerne.policy.facts import case_of, has_care_course, is_on_practice_list
from kjerne.policy.rules import decide, told
from kjerne.policy.services import service_of
from kjerne.policy.taking_part import takes_part
from kjerne.policy.unsaid import unsaid, without_choices
from kjerne.registries.protection import is_protected
from kjerne.store import audit, subjects
from kjerne.store.house import Store
from kjerne.store.participation import Takers
from kjerne.store.shares import Destroyed

REMEMBERED: Final = 20_000
"""Facts kept in memory, each of a patient as one caller meets her."""

Meeting = tuple[PatientRef, str, str, str, bytes]


class Door:
    """Makes an `Admit` for one request of one caller.

    Facts are remembered for callers that stand in for nobody. They are good only where the statement that uses the
    `Grant` proves their stamp (`Stale` otherwise, and the law is asked anew): a block holds on the next request. Who takes
    part is no fact of the patient's; it is remembered for two seconds (`store.participation`).

    Where the jurisdiction lets no choice of a patient's be told (not `tells_choices`), whoever is refused by one is answered
    as of a patient with nothing there; the row in the log is the refusal's (`policy.unsaid`). Her facts are
    remembered as anybody's, else the time of the answer would tell; no statement proves them, so their stamp is asked for. A
    citizen hears of a stranger what she would hear of nobody (`policy.rules.told`).
    """

    def __init__(self, store: Store, clock: Clock, *, tells_choices: bool = True) -> None:
        self._store = store
        self._clock = clock
        self._tells_choices = tells_choices
        self._takers = Takers(store.pool)
        self._remembered: dict[Meeting, Subject] = {}

    def admit(self, caller: Caller, correlation: str, once: Once | None = None) -> Admit:
        """The only way from a caller to a `Grant`; every refusal is durable in the log when `Denied` is raised.

        `once` is the request's proof of possession, noted with the first look at the facts.
        """

        async def ask(
            patient: PatientRef,
            service: str,
            action: Action,
            *,
            basis: str = "",
            purpose: str = "",
            proven: bool = False,
            newcomer: Subject | None = None,
            asked: str = "",
            piece: str = "",
            what: str = "",
            named: Named = (),
            joined: Joined | None = None,
        ) -> Grant:
            now = self._clock.now()
            taker = await self._takers.told(caller, joined)
            known = newcomer or (self._remembered.get(_meeting(patient, caller)) if proven else None)
            decided = partial(
                decide, service=service, action=action, basis=basis, purpose=purpose, now=now, correlation=correlation,
                piece=piece, what=what,
            )  # fmt: skip
            unsaying = partial(unsaid, basis=basis, purpose=purpose, what=what)
            if known is not None:
                answer = decided(taker, known, once=once)
                if isinstance(answer, Grant):
                    # What was remembered may be of before something of hers was deleted.
                    with contextlib.suppress(Destroyed):
                        return audit.with_words(answer, self._store.wrap, asked)
                elif not self._tells_choices and isinstance(untold := unsaying(answer), Grant):
                    untold = replace(untold, once=once)
                    if (instead := await self._standing(answer, known, untold, asked, joined)) is not None:
                        return instead
            async with (joined or self._store.pool).acquire() as conn:
                loaded = await subjects.load(conn, patient, caller, self._store.wrap, once)
                subject = loaded[0] if loaded else None
                answer = decided(taker, subject, asked=patient.digest)
                if isinstance(answer, Denial):
                    refused = audit.with_words(answer, self._store.wrap, asked)
                    told_of = answer if self._tells_choices else unsaying(refused)
                    if isinstance(told_of, Grant):
                        assert answer.subject is not None, "nobody's choice is told instead of another's"
                        self._remember(patient, caller, answer.subject)
                        return told_of
                    if joined is None:
                        await audit.insert(conn, audit.refused(refused), named)
                    else:
                        joined.refused(audit.refused(refused), named)
                    raise Denied(told(told_of))
                self._remember(patient, caller, answer.subject)
            return audit.with_words(answer, self._store.wrap, asked)

        return ask

    async def write_down(self, refused: Unattested, correlation: str) -> None:
        """Has the law refuse what was refused before it was asked, about each whom it was about: her log has a row (K101).

        In the one service that the token is for, and in none where it is for several. `Refusal` 401 where the request's proof
        was used before.
        """
        ask = self.admit(refused.caller, correlation, refused.once)
        for one in refused.named:
            with contextlib.suppress(Denied):
                await ask(one, service_of(refused.caller.scopes), "attest")

    async def _standing(
        self, denial: Denial, known: Subject, untold: Grant, asked: str, joined: Joined | None
    ) -> Grant | None:
        """What stands in for a refusal that is not told, by facts that were remembered; None where these are of before."""
        async with (joined or self._store.pool).acquire() as conn:
            if await subjects.stand(conn, known):
                with contextlib.suppress(Destroyed):
                    return replace(untold, instead_of=audit.with_words(denial, self._store.wrap, asked))
        return None

    def _remember(self, patient: PatientRef, caller: Caller, subject: Subject) -> None:
        # A citizen's facts hold what is known of her kin, whose changes raise no stamp of the patient's.
        if caller.kind == "citizen":
            return
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[_meeting(patient, caller)] = subject

    async def meet(self, caller: Caller, keys: Sequence[int]) -> None:
        """Has the facts of many persons read in one statement and remembered, for who asks about each of them next (`proven`)."""
        unmet = [key for key in keys if _meeting(PatientRef(key=key), caller) not in self._remembered]
        if unmet and caller.kind != "citizen":
            async with self._store.pool.acquire() as conn:
                for subject in await subjects.load_many(conn, unmet, caller, self._store.wrap):
                    self._remember(PatientRef(key=subject.patient), caller, subject)

    async def beside(self, given: Grant, others: Sequence[int], joined: Joined | None = None) -> list[Grant]:
        """What the law lets be seen of others whose records name the patient of a grant, beside hers: the grants about those
        whom it opens (law, K104 and K105).

        Of whom it does not open nothing is told and no row is left: the caller asked nothing about that one. The row of what is
        shown says of the caller who it is and nothing that was attested, which is about the other.
        """
        caller = given.caller
        if caller.kind == "citizen":
            return []
        async with (joined or self._store.pool).acquire() as conn:
            found = await subjects.load_many(conn, others, caller, self._store.wrap)
        answers = [
            decide(
                caller, subject, given.service, given.action, purpose=given.purpose, now=given.at,
                correlation=given.correlation, beside=given,
            )
            for subject in found
        ]  # fmt: skip
        unattested = replace(caller, attestation=None)
        return [replace(one, caller=unattested) for one in answers if isinstance(one, Grant)]

    async def would_open(self, caller: Caller, patient: PatientRef, service: str, action: Action) -> bool:
        """Whether the law would open the patient to this caller now: for a list that must not name whom it would not.

        Opens nothing and leaves no row; what is listed is opened by asking `admit`.
        """
        return isinstance(await self.would(caller, patient, service, action), Grant)

    async def would(
        self, caller: Caller, patient: PatientRef, service: str, action: Action, *, basis: str = "", purpose: str = "",
        what: str = "",
    ) -> Grant | Denial:  # fmt: skip
        """What the law would answer this caller now, for a page that says who may and why somebody may not."""
        taker = await self._takers.told(caller)
        async with self._store.pool.acquire() as conn:
            loaded = await subjects.load(conn, patient, caller, self._store.wrap)
        subject = loaded[0] if loaded else None
        now = self._clock.now()
        return decide(taker, subject, service, action, basis=basis, purpose=purpose, now=now, what=what)

    async def would_offer(
        self, caller: Caller, patient: PatientRef, service: str, action: Action, *, basis: str = "", purpose: str = "",
        what: str = "",
    ) -> Grant | Denial:  # fmt: skip
        """What a page may offer to do: what the law would answer now, or where no choice may be told, what it would answer had
        the patient made none (K129)."""
        answer = await self.would(caller, patient, service, action, basis=basis, purpose=purpose, what=what)
        if isinstance(answer, Denial) and not self._tells_choices:
            return without_choices(answer, basis=basis, purpose=purpose, what=what)
        return answer

    async def may_list(self, caller: Caller, patient: PatientRef, service: str, action: Action) -> bool:
        """Whether the patient may be named on a list of the caller's own (K77); leaves no row, so ask `admit` for who is shown.

        Where the law opens her now, and where no choice may be told, where it would had she made none.
        """
        return isinstance(await self.would_offer(caller, patient, service, action), Grant)

    async def may_name(self, caller: Caller, patient: PatientRef, service: str, action: Action) -> bool:
        """Whether the caller may be told who a typed number belongs to.

        She may where the law opens the patient to her, and where a register ties the two: then she knows her already,
        whatever the patient's own choices shut. Nobody is named who lives under a protected address, and nobody to a
        caller whose organisation takes no part.
        """
        if not takes_part(await self._takers.told(caller), service, "consumer", self._clock.now()):
            return False
        if await self.may_list(caller, patient, service, action):
            return True
        async with self._store.pool.acquire() as conn:
            loaded = await subjects.load(conn, patient, caller, self._store.wrap)
        if loaded is None or is_protected(loaded[0].protection):
            return False
        now = self._clock.now()
        case = case_of(caller, loaded[0], service=service, action=action, basis="", purpose="", now=now)
        return is_on_practice_list(case) or has_care_course(case)


def _meeting(patient: PatientRef, caller: Caller) -> Meeting:
    """Who meets whom: everything that `subjects.load` asks the facts by."""
    return patient, caller.hpr, caller.organisation, caller.point_of_care, caller.digest
