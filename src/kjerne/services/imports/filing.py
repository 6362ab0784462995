"""Whose records the lines of an import would be in: the law is asked about each patient and service once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from kjerne.access import Grant, Subject
from kjerne.errors import Refusal
from kjerne.exchange import Call, Denied, NotFiled, PatientRef, not_filed, noted, of_several
from kjerne.fhir.definitions import type_name
from kjerne.fhir.ndjson import Lines
from kjerne.registries.naming import identified
from kjerne.services.imports.lines import Who, where
from kjerne.store.bulk import Fresh
from kjerne.store.limits import must_hold
from kjerne.store.patient_ids import key_at, ref
from kjerne.store.sealed_id import SealedIds

ADMITS_AT_ONCE: Final = 8
"""Fewer than the pool has connections, so that other requests find one."""


class Whose(NamedTuple):
    """Whose record some lines would be in, by keys and by digests of numbers, and the places of the lines."""

    keys: tuple[int, ...]
    digests: frozenset[bytes]
    own: list[int]


@dataclass(frozen=True)
class Doors:
    """Asks it. `service_by_type` says which service's law holds for a type, by the number of its rows; `identify` makes a
    reference from a number."""

    service_by_type: Mapping[int, str]
    identify: Callable[[str], PatientRef]
    ids: SealedIds

    async def held_to_scopes(self, call: Call, sent: Lines, fresh: Sequence[Fresh], persons: Sequence[Who]) -> None:
        """`Refusal` 403 where the token's SMART scopes do not leave a line; the law's no is in the logs of those it is about."""
        beyond: dict[tuple[Who, int], Refusal] = {}
        named = call.headers.get("person-id", "")
        for at, one in enumerate(fresh):
            try:
                must_hold(call.caller, one.type, one.tokens, "c")
            except Refusal as refusal:
                beyond.setdefault((Who(named) if named else persons[at], at), refusal)
        noted_of = {person: at for person, at in reversed(beyond) if self._names(person)}
        for person, at in noted_of.items():
            type_ = fresh[at].type
            patient, name = self._meant(person, sent.numbers[at]), type_name(type_)
            await noted(call.admit, patient, self.service_by_type[type_], "file", f"{name}.c")
        if beyond:
            raise next(iter(beyond.values()))

    async def filings(
        self, call: Call, sent: Lines, fresh: Sequence[Fresh], persons: Sequence[Who]
    ) -> list[tuple[Grant, list[int]]]:
        """The grants, one for each patient and service, each with the places of its lines.

        That nothing is filed about somebody is said when nothing else is wrong, as of a create (K13, K70); of several people
        neither about whom nor where, and each of the others has a row of the try (K95).
        """
        named = call.headers.get("person-id", "")
        groups: dict[tuple[Who, str], list[int]] = {}
        for at, (one, person) in enumerate(zip(fresh, persons, strict=True)):
            groups.setdefault((Who(named) if named else person, self.service_by_type[one.type]), []).append(at)
        found: dict[tuple[int, str], tuple[Grant, list[int]]] = {}
        whose: list[Whose] = []
        shut, let_in = list[Refusal](), list[tuple[Who, str, int]]()
        asked = list(groups.items())
        for begin in range(0, len(asked), ADMITS_AT_ONCE):
            some = asked[begin : begin + ADMITS_AT_ONCE]
            grants = await asyncio.gather(
                *(self._grant(call, person, service, sent.numbers[own[0]]) for (person, service), own in some),
                return_exceptions=True,
            )
            for grant, ((person, service), own) in zip(grants, some, strict=True):
                if isinstance(grant, Denied):
                    shut.append(not_filed(grant, where(sent.numbers[own[0]], "")))
                    whose.append(self._whose(grant.denial.subject, person, own, sent))
                    continue
                if isinstance(grant, BaseException):
                    raise grant
                whose.append(self._whose(grant.subject, person, own, sent))
                let_in.append((person, service, own[0]))
                # Two numbers of one person, her D-number and the one that came after it, are one filing.
                found.setdefault((grant.subject.patient, grant.service), (grant, []))[1].extend(own)
        if named:
            self._check_same(sent, persons, whose)
        self._check_addresses(sent, persons, whose)
        if shut:
            await self._tried(call, sent, fresh, let_in)
            # That the sender takes no part is about nobody, and said whatever anybody has chosen.
            about_sender = next((one for one in shut if not isinstance(one, NotFiled)), None)
            raise about_sender or (of_several(shut[0]) if len({person for person, _ in groups}) > 1 else shut[0])
        return list(found.values())

    async def _tried(
        self, call: Call, sent: Lines, fresh: Sequence[Fresh], let_in: Sequence[tuple[Who, str, int]]
    ) -> None:
        """Has the law refuse what it had let in of an import that it refuses: else who has not opted out is asked for free."""
        for begin in range(0, len(let_in), ADMITS_AT_ONCE):
            some = let_in[begin : begin + ADMITS_AT_ONCE]
            rows = (
                noted(
                    call.admit,
                    self._meant(who, sent.numbers[at]),
                    service,
                    "file",
                    f"{type_name(fresh[at].type)}.c",
                    "=",
                )
                for who, service, at in some
            )
            await asyncio.gather(*rows)

    def _names(self, person: Who) -> bool:
        """Whether a line names somebody: an address that is none of ours names nobody."""
        return bool(person.number) or bool(key_at(self.ids, person.address))

    def _meant(self, person: Who, line: int) -> PatientRef:
        if person.number:
            return self._identified(person.number, line)
        return ref(key_at(self.ids, person.address) or 0)

    async def _grant(self, call: Call, person: Who, service: str, line: int) -> Grant:
        if not self._names(person):
            raise Refusal(
                400, "the patient's number is missing", where=where(line, "subject.identifier.value"),
                todo="Send it in each line, or for all lines as header person-id.",
            )  # fmt: skip
        return await call.admit(self._meant(person, line), service, "file")

    def _whose(self, subject: Subject | None, person: Who, own: list[int], sent: Lines) -> Whose:
        if subject is None:
            return Whose((), frozenset({self._meant(person, sent.numbers[own[0]]).digest}), own)
        return Whose(subject.keys, subject.digests, own)

    def _check_addresses(self, sent: Lines, persons: Sequence[Who], whose: Iterable[Whose]) -> None:
        """As `_check_same`, of addresses: each is of the person whose record the line would be in."""
        for keys, _, own in whose:
            for address, at in {persons[at].address: at for at in reversed(own)}.items():
                key = key_at(self.ids, address)
                if key and key not in keys:
                    raise Refusal(
                        422, "the line refers to another person than it is about",
                        where=where(sent.numbers[at], "subject.reference"),
                    )  # fmt: skip

    def _check_same(self, sent: Lines, persons: Sequence[Who], whose: Iterable[Whose]) -> None:
        """A line that names another person than the header does is on its way into the wrong record."""
        for _, digests, own in whose:
            right: set[str] = {""}
            for at in own:
                number = persons[at].number
                if number not in right:
                    line = sent.numbers[at]
                    if self._identified(number, line).digest not in digests:
                        raise Refusal(
                            422, "the line names another person than the header person-id",
                            where=where(line, "subject.identifier.value"),
                        )  # fmt: skip
                    right.add(number)

    def _identified(self, number: str, line: int) -> PatientRef:
        return identified(self.identify, number, where(line, "subject.identifier.value"))
