"""Break-glass: the content of a rejected message, and who by name had opened a result that was filed on a wrong person.

Both ask the law about everybody who is registered and concerned, demand a reason in words, and leave a row in each
one's log that names caller, message and reason. Nothing leaves before those rows are durable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from kjerne.access import Action, Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Admit, Call, Denied, PatientRef, Stale
from kjerne.registries import wording
from kjerne.registries.identifiers import without_numbers
from kjerne.registries.protection import is_protected
from kjerne.services.results.filing import moved_mark
from kjerne.services.results.intake import SERVICE, Digest, Read, digest_name, sender_of
from kjerne.services.results.shown import NUMBERS_LIMIT, shown_numbers
from kjerne.store import audit, followup, messages
from kjerne.store.chains import moved
from kjerne.store.house import Store
from kjerne.store.pool import Connection
from kjerne.store.records import hold
from kjerne.store.registers import organisation_names

MOVED_LIMIT: Final = 10_000

UNREAD_RULE: Final = "rejected-opened-of-nobody"
UNREAD_LAW: Final = "pasientjournalloven § 22"
UNREAD_SAYS: Final = "Innholdet i en melding som ikke ble tatt imot, ble åpnet. Den nevner ingen som er kjent her."
"""What the platform's own log holds where no patient's can: nobody the message names is registered."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opening:
    """One time somebody opened what was filed on a wrong person. `who` is empty for a citizen, who is not named."""

    at: datetime
    kind: str
    who: str
    role: str
    organisation: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Traced:
    """A report that one message took from a wrong person, and who had opened it there."""

    at: datetime
    opened: tuple[Opening, ...]


class Opener:
    """Opens what is rejected and traces what was withdrawn. `read` understands bytes, `digest` hides identifiers."""

    def __init__(self, store: Store, read: Read, digest: Digest) -> None:
        self._store = store
        self._read = read
        self._digest = digest

    async def content(self, call: Call, caller: Caller, sender: str, message: str, reason: str) -> bytes:
        """The bytes of a rejected message. `Refusal` 404 where the sender's queue has none of this name.

        Its sender is never refused for what a patient has chosen, which is no laboratory's business; anybody else is, and is
        told that somebody whom it names has it shut, and not by what (law, K111). So is it where nothing of it was kept.
        """
        raw = await self._rejected(caller, sender, message)
        known = await self._known(raw)
        about = f"{sender}/{message}"

        async def use(conn: Connection, grants: Sequence[Grant]) -> bytes:
            if not grants:
                row = audit.of_nobody(
                    caller, SERVICE, "examine", UNREAD_RULE, UNREAD_LAW, UNREAD_SAYS, call.at, call.correlation
                )
                await audit.insert_explained(conn, row, about, reason)
            return raw

        refs = [PatientRef(digest=digest) for digest in known]
        try:
            return await self._explained(call.admit, refs, "examine", about, reason, use)
        except Denied:
            raise _shut() from None

    async def readers(self, call: Call, sender: str, message: str, reason: str) -> list[Traced]:
        """Who by name had opened the reports that this message withdrew; `Refusal` 404 where it withdrew none."""
        async with self._store.pool.acquire() as conn:
            moves = await moved(conn, moved_mark(self._digest, sender), MOVED_LIMIT)
        found = [move for move in moves if move.message == message]
        if not found:
            raise Refusal(404, "no message of this sender and name has withdrawn a report", where="message")

        async def use(conn: Connection, grants: Sequence[Grant]) -> list[Traced]:
            by_patient = {grant.subject.patient: grant for grant in grants}
            return [Traced(move.at, await self._opened(conn, by_patient[move.patient], move.at)) for move in found]

        refs = [PatientRef(key=patient) for patient in sorted({move.patient for move in found})]
        return await self._explained(call.admit, refs, "trace", f"{sender}/{message}", reason, use)

    async def _rejected(self, caller: Caller, sender: str, message: str) -> bytes:
        async with self._store.pool.acquire() as conn:
            raw = await messages.content(conn, self._store.copies, sender, message)
        if raw is None:
            raise Refusal(404, "no rejected message has this sender and name", where="message")
        if not raw:
            # To the operator, who may not learn whom it is about, as where it was kept and is shut; to its sender, who knows.
            is_own = caller.kind == "system" and sender == sender_of(caller)
            raise _not_kept() if is_own else _shut()
        return raw

    async def _known(self, raw: bytes) -> list[bytes]:
        """Digests of everybody registered whom the message names: read whole if it can be, else by all its numbers."""
        try:
            named = {self._digest(digest_name(report.patient)) for report in self._read(raw).reports}
        except Refusal:
            numbers = shown_numbers(raw)
            if len(numbers) > NUMBERS_LIMIT:
                says = f"this message cannot be read, and shows more than {NUMBERS_LIMIT} person numbers"
                raise Refusal(403, says, where="message", todo=_ELSEWHERE) from None
            named = {self._digest(number) for number in numbers}
        async with self._store.pool.acquire() as conn:
            return await self._store.people.known(conn, named)

    async def _explained(
        self,
        admit: Admit,
        patients: Sequence[PatientRef],
        action: Action,
        about: str,
        reason: str,
        use: Callable[[Connection, Sequence[Grant]], Awaitable[T]],
    ) -> T:
        """Asks the law about all, writes each one's row and uses the grants, in one transaction."""
        for _ in range(3):
            grants = [await admit(patient, SERVICE, action) for patient in patients]
            grants.sort(key=lambda grant: grant.subject.patient)
            try:
                async with self._store.pool.acquire() as conn, conn.transaction():
                    for grant in grants:
                        await hold(conn, grant)
                        await audit.insert_explained(conn, audit.given(grant), about, reason)
                    return await use(conn, grants)
            except Stale:
                continue
        raise Refusal(503, "the patient's facts are being changed at this moment", todo="Send the request again.")

    async def _opened(self, conn: Connection, grant: Grant, at: datetime) -> tuple[Opening, ...]:
        rows = await followup.opened_by(conn, grant, at)
        # As in the log: where somebody with a protected address was treated is told to nobody but herself.
        told = not is_protected(grant.subject.protection)
        names = await organisation_names(self._store.pool, sorted({row.organisation for row in rows})) if told else {}
        return tuple(
            Opening(
                row.at,
                row.kind,
                without_numbers(row.name) if row.kind != "citizen" else "",
                row.role,
                names.get(row.organisation, row.organisation if told else ""),
                row.purpose,
            )
            for row in rows
        )


_ELSEWHERE: Final = "It is as it was where it was sent from."


def reason_of(form: Mapping[str, str]) -> str:
    """The reason in a form, fit to stand in a patient's log; `Refusal` 400 where it is missing or names somebody."""
    return wording.reason(form.get("reason", ""), "The patient reads it in her log.")


def _not_kept() -> Refusal:
    return Refusal(403, "nothing of this message was kept", where="message", todo=_ELSEWHERE)


def _shut() -> Refusal:
    says = (
        "somebody whom this message names has it shut: by a choice (an opt-out, a restriction, a block by name) or by a "
        "protected address. Which of these, and of whom, is not told"
    )
    return Refusal(403, says, where="message", todo=_ELSEWHERE)
