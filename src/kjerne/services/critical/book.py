"""Critical information read, registered, changed and taken back under a `Grant`, by whichever way it was asked for.

The national interface and the pages come through here: the same profiles, the same recorder and updater, the same version that
must have been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Fault, Refusal
from kjerne.exchange import PatientRef
from kjerne.fhir.corrections import is_in_error
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.interaction import etag, http_date
from kjerne.fhir.validate import FAULTS_LIMIT
from kjerne.registries.contents import content_of
from kjerne.registries.kj_profiles import judge
from kjerne.registries.naming import check_subject
from kjerne.registries.withholding import OF_SOURCE, Withheld, said_of_itself
from kjerne.services.critical import keeping, kinds
from kjerne.store import marking
from kjerne.store.changing import Changer, Next, check_registering, not_the_source
from kjerne.store.limits import must_hold
from kjerne.store.patient_ids import check_reference
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader, Record
from kjerne.store.records import Change, Current, Records, Written
from kjerne.store.sealed_id import SealedIds

Tree = dict[str, Any]
STAYS: Final = "it stays withheld as the organisation that registered it has said: that alone ends it"
MOST_READ: Final = 1_000
"""Newest records of each type in one reading of all; nobody has as many."""


@dataclass(frozen=True)
class Book:
    """What is known of one service's records. `types` are the numbers of all its types."""

    ids: SealedIds
    reader: Reader
    records: Records
    types: Sequence[int]
    identify: Callable[[str], PatientRef]

    async def whole(self, conn: Connection, grant: Grant) -> list[tuple[Record, list[Record]]]:
        """Every record that the grant opens with all its former versions, the newest first, in one audited read."""
        return await self.reader.all_of(conn, grant, self.types, MOST_READ, every=True)

    async def look(self, conn: Connection, grant: Grant) -> list[tuple[Record, list[Record]]]:
        """As `whole`, for who shows some of it: no row in the log, so what is shown is named before it leaves."""
        return await self.reader.look(conn, grant, self.types, MOST_READ, every=True)

    def prepared(self, tree: Tree, at: datetime) -> Next:
        """As it will be kept, held to its profile of kjernejournal: `Refusal` 422 with every fault, by path and rule."""
        profile = kinds.profile_of(tree)
        # It says a kind itself (`registries.contents`): where that would be another, as of a crisis plan, it is not named.
        named = keeping.profiled(tree, profile)
        tree = named if content_of(named) == content_of(tree) else tree
        if faults := judge(tree, profile)[:FAULTS_LIMIT]:
            first, *rest = faults
            raise Refusal(422, first.says, where=first.where, code=first.code, fault=first, faults=tuple(rest))
        return Next.of(encode(tree), tree, at)

    async def file(self, conn: Connection, grant: Grant, version: Next) -> Written:
        """A new record, as it was `prepared`."""
        must_hold(grant.caller, version.number, version.indexed.tokens, "c")
        check_registering(version, grant)
        check_subject(version.tree, grant, self.identify)
        check_reference(self.ids, version.tree, grant.subject.keys)
        id_, shut = self.ids.make(grant.subject.patient), version.shut
        change = Change(version.number, id_, version.raw, version.indexed, shut.labels, shut.opens, kinds=version.kinds)
        create = partial(self.records.create, conn, grant, change)
        return await marking.filing(conn, grant, self.reader, self.types, create)

    async def change(
        self, conn: Connection, grant: Grant, named: tuple[int, UUID], expected: int, make: Callable[[Current], Next],
        check: Callable[[], None] = lambda: None, *, own: bool = False,
    ) -> tuple[Next, Written] | None:  # fmt: skip
        """A new version by whoever may register the kind, whichever organisation did (`own`: of what the caller's organisation
        filed); None where it is absent. Call in a transaction. `Refusal` 412 where another version than the expected one
        stands, 410 where that one is entered in error.

        What withholds it stays as it is where the caller is not of its source: 422 where it would say otherwise (law, K131).
        """

        def checked(before: Current) -> Next:
            check()
            check_current(expected, before)
            if is_in_error(decode(before.raw)):
                raise Refusal(
                    410, "the record is entered in error", where="id", todo="Register what holds as a new one."
                )
            made = make(before)
            return made if before.own else _labelled(made, before, grant.at)

        changer = Changer(self.ids, self.records, self.reader, self.types, self.identify, anybodys=not own)
        return await changer.change(conn, grant, named, None, checked)


def _labelled(made: Next, before: Current, at: datetime) -> Next:
    """A version of another organisation's record, withheld as that has said; who sends it is told where it said nothing."""
    was = decode(before.raw)
    sent, stands = _asked(made.shut), _asked(said_of_itself(was, at))
    is_silent = not keeping.names_labels(made.tree)
    if not is_silent and sent != stands:
        raise not_the_source(was)
    tree = keeping.labelled(made.tree, was)
    word = Fault(STAYS, f"{was['resourceType']}.meta.security", "informational", "stays-withheld")
    labels, asked, is_undated = stands
    is_shut = labels or (asked and at < asked) or (is_undated and before.opens and at < before.opens)
    advice = (*made.advice, word) if is_silent and is_shut else made.advice
    return made if tree == made.tree else Next.of(encode(tree), tree, at, advice)


def _asked(shut: Withheld) -> tuple[int, datetime | None, bool]:
    """What a source asks for by 9603."""
    return int(shut.labels & OF_SOURCE), shut.asked, shut.undated is not None


def check_current(expected: int, before: Current) -> None:
    """`Refusal` 412 with the ETag of the version that stands, where that is not the expected one."""
    if expected != before.version:
        raise Refusal(
            412, f"the record is at version {before.version}, not {expected}", where="If-Match",
            todo="Look at the current version, and send your change against that.",
            headers=(("etag", etag(before.version)), ("last-modified", http_date(before.at))),
        )  # fmt: skip
