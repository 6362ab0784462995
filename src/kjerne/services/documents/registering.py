"""Sources say about whom they have documents, so that who looks need not wait for those that have none (law, K193 and K194).

It says no more than that: metadata and documents stay where they are. A source's own system sends it, for the organisation that
answers for it in the operator's file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, PatientRef, Route, granted, not_filed
from kjerne.fhir.encode import encode
from kjerne.registries.document_sources import DocumentSource
from kjerne.registries.naming import identified
from kjerne.services.documents.api import PROVIDING
from kjerne.services.documents.model import SERVICE
from kjerne.store import audit, participation, whereabouts
from kjerne.store.pool import Pool
from kjerne.xds.values import bare

PATH: Final = "/phr/register"
PEOPLE_LIMIT: Final = 100
FORM_LIMIT_BYTES: Final = 16_000
_PARAMETERS: Final = frozenset({"home", "patient", "gone", "whole"})


@dataclass(frozen=True)
class Registering:
    """The handler. `sources` are those of the operator's file, `key` is what sources are noted by, and `identify` makes a
    reference from a person number."""

    pool: Pool
    sources: Callable[[], Sequence[DocumentSource]]
    key: bytes
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        return [Route("POST", PATH, self.register, PROVIDING, "json", FORM_LIMIT_BYTES)]

    async def register(self, call: Call) -> Answer:
        """Notes about whom a source has documents (`patient`), and about whom none any more (`gone`), 100 at a time; with
        `whole=true` that by now it has said so of everybody. The answer is the same whatever she has chosen, and whether she is
        known here."""
        caller, said = _system(call), _said(call)
        home = await self._home(caller, call, said.get("home", ()))
        whole = said.get("whole", [""])
        if len(whole) > 1 or whole[0] not in ("", "true"):
            raise Refusal(400, "it is true, or left out", where="whole")
        people = [(one, name == "patient") for name in ("patient", "gone") for one in said.get(name, ())]
        if len(people) > PEOPLE_LIMIT or not (people or whole[0]):
            raise Refusal(400, f"a request names one patient at least and {PEOPLE_LIMIT} at most", where="patient")
        refs = [(identified(self.identify, number, "patient" if has else "gone"), has) for number, has in people]
        for ref, has in refs:
            await self._note(call, caller, home, ref, has)
        if whole[0]:
            async with self.pool.acquire() as conn:
                await whereabouts.say_whole(conn, home, call.at)
        return Answer(200, encode({"home": home, "taken": len(refs), "whole": bool(whole[0])}), "application/json")

    async def _home(self, caller: Caller, call: Call, said: Sequence[str]) -> str:
        """The source that is spoken for: one of the caller's own organisation, which takes part now."""
        if len(said) != 1:
            raise Refusal(400, "a source is named by its home community, once", where="home")
        own = [
            one for one in self.sources() if bare(one.home) == bare(said[0]) and one.organisation == caller.organisation
        ]
        async with self.pool.acquire() as conn:
            among = await participation.sources_among(conn, {one.organisation for one in own}, SERVICE, call.at)
        if not among:
            raise Refusal(403, "it is no source of this organisation's that takes part", where="home")
        return own[0].home

    async def _note(self, call: Call, caller: Caller, home: str, ref: PatientRef, has: bool) -> None:
        async def use(grant: Grant) -> None:
            await self._write(call, home, ref, audit.given(grant), has)

        try:
            await granted(call.admit, ref, SERVICE, "file" if has else "correct", use, piece="DocumentReference.c")
        except Denied as denied:
            if denied.denial.of_caller or denied.denial.subject is not None:
                raise not_filed(denied) from denied
            await self._write(
                call, home, ref, whereabouts.row_of_nobody(caller, SERVICE, call.at, call.correlation), has
            )

    async def _write(self, call: Call, home: str, ref: PatientRef, row: tuple[Any, ...], has: bool) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            await whereabouts.register(conn, self.key, home, ref.digest, call.at, row, has=has)


def _system(call: Call) -> Caller:
    if call.caller is None or call.caller.kind != "system":
        raise Refusal(403, "sources register by their own systems", where="token")
    return call.caller


def _said(call: Call) -> dict[str, list[str]]:
    if call.query or call.body:
        raise Refusal(400, "what is registered stands in a form", where="body")
    said: dict[str, list[str]] = {}
    for name, value in call.form:
        if name not in _PARAMETERS:
            raise Refusal(400, "unknown parameter", where="form", todo=f"It has {', '.join(sorted(_PARAMETERS))}.")
        said.setdefault(name, []).append(value.strip())
    return said
