"""The door every request passes: facts are read, the law is asked, a no is written down before it is said."""

from __future__ import annotations

from kjerne.access import Action, Caller, Denial, Grant
from kjerne.clock import Clock
from kjerne.exchange import Admit, Denied, Once, PatientRef
from kjerne.policy.rules import decide
from kjerne.store import audit, subjects
from kjerne.store.house import Store


class Door:
    """Makes an `Admit` for one request of one caller."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def admit(self, caller: Caller, correlation: str, once: Once | None = None) -> Admit:
        """The only way from a caller to a `Grant`; every refusal is durable in the log when `Denied` is raised.

        `once` is the request's proof of possession, noted with the first look at the facts.
        """

        async def ask(
            patient: PatientRef, service: str, action: Action, *, basis: str = "", purpose: str = ""
        ) -> Grant:
            now = self._clock.now()
            async with self._store.pool.acquire() as conn:
                loaded = await subjects.load(conn, patient, caller, self._store.wrap, once)
                subject = loaded[0] if loaded else None
                answer = decide(
                    caller, subject, service, action, basis=basis, purpose=purpose, now=now, correlation=correlation
                )
                if isinstance(answer, Denial):
                    await audit.insert(conn, audit.refused(answer))
                    raise Denied(answer)
            return answer

        return ask

    async def would_open(self, caller: Caller, patient: PatientRef, service: str, action: Action) -> bool:
        """Whether the law would open the patient to this caller now: for a list that must not name whom it would not.

        Opens nothing and leaves no row; what is listed is opened by asking `admit`.
        """
        async with self._store.pool.acquire() as conn:
            loaded = await subjects.load(conn, patient, caller, self._store.wrap)
        subject = loaded[0] if loaded else None
        return isinstance(decide(caller, subject, service, action, now=self._clock.now()), Grant)
