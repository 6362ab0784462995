"""What was changed or deleted by FHIR after its messages: only a newer message that says something of it takes its place.

What counts is when a message was made (GenDate) and when the write by FHIR was received: so the end is the same in whatever
order they come (decision 31). Everything else that a version brings is laid beside what stands, and takes nothing back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any, Final
from uuid import UUID

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.fhir.corrections import WITHDRAWN
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.registries.withholding import OF_SOURCE, kinds_of, said_of_itself
from kjerne.services.results import release
from kjerne.services.results.kith import chain, mapping
from kjerne.services.results.kith.map_request import request_keys
from kjerne.store import files, pointing
from kjerne.store.pool import Connection
from kjerne.store.record_marks import CARRIED
from kjerne.store.records import Change, Present, Records, TakenOut
from kjerne.store.spreading import Shut

Tree = dict[str, Any]
Place = tuple[int, UUID]
Laid = tuple[Change, Tree]
Versions = Sequence[chain.Versioned]

NEVER: Final = datetime.min.replace(tzinfo=UTC)

_LISTS: Final = ("result", "hasMember", "presentedForm")
"""Where a report or a group says what belongs to it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the versions that have just come say themselves: by id when the newest of those that name it was made, and when
    the newest of all was."""

    by_id: Mapping[str, datetime]
    newest: datetime

    @classmethod
    def of(cls, state: chain.State, fresh: Sequence[chain.Versioned], number: Callable[[str, str], str]) -> Said:
        """`state` is all versions folded, `fresh` those that were not there before, `number` gives the ids."""
        found: dict[str, datetime] = {}
        made: dict[str, datetime] = {}
        for one in chain.ordered([one for one in fresh if not chain.is_absent(one)]):
            report, at = one.report, one.generated_at
            made[one.generated] = at
            # An addition says what it adds, and nothing of the report that was there.
            keys = [("DiagnosticReport", "report")] if report.service != "A" else []
            keys += [("ServiceRequest", key) for key in request_keys(report.requests)]
            sent = {file.data for file in report.attachments}
            keys += [("Binary", kept.key) for kept in state.files if kept.file.data in sent]
            found |= {number(*key): at for key in keys}
        found |= {number("Observation", one.key): made[one.named] for one in state.results if one.named in made}
        found |= {number("Specimen", key): made[at] for key, at in state.named.items() if at in made}
        return cls(found, max(made.values(), default=NEVER))

    def takes_place(self, tree: Tree, since: datetime) -> bool:
        """Whether this may take the place of what was written by FHIR at `since`. A role has its actor in its id: whoever
        names the actor says all of it."""
        at = self.newest if tree["resourceType"] == "PractitionerRole" else self.by_id.get(tree["id"])
        return at is not None and at > since


async def beside_fhir(
    conn: Connection, grant: Grant, records: Records, laid: list[Laid], current: Mapping[Place, Present],
    made: Mapping[Place, Tree], said: Callable[[], Said], lost: Mapping[Place, TakenOut],
) -> list[Laid]:  # fmt: skip
    """What is to stand: `laid` is what all versions say together. What was written or deleted by FHIR goes on as that left
    it where no newer version says something of it. `current` stands now, `made` is what the versions before had made, `lost`
    what was deleted under another id."""
    by_fhir = {
        place: current.get(place)
        for change, _ in laid
        if _is_by_fhir(change, current.get(place := (change.type, change.id)), made.get(place))
    }
    if not by_fhir:
        return laid
    says = said()
    gone = {**lost} | await records.taken_out(
        conn, grant, [one for one, stood in by_fhir.items() if not stood and one not in lost]
    )
    found = []
    for change, tree in laid:
        stood, deleted = by_fhir.get(place := (change.type, change.id)), gone.get(place)
        if stood and not says.takes_place(tree, stood.at):
            found.append(_left(change, tree, stood, made[place], says))
        elif stood:
            found.append((shut_no_less(change, (stood.labels, stood.release_at)), tree))
        elif deleted is None:
            found.append((change, tree))
        elif says.takes_place(tree, deleted.at):
            found.append((shut_no_less(change, (deleted.labels, deleted.release_at)), tree))
    return found


def as_shut(
    laid: Sequence[Laid], current: Mapping[Place, Present], made: Mapping[Place, Tree], by_messages: Shut, at: datetime
) -> list[Laid]:
    """What all versions say together, withheld no less than what stands: what FHIR withholds a record by, no message takes
    off. `by_messages` is what the versions before withheld all of it by; what came beside that was laid on.

    What withholds the report so is laid on its results and files, new ones too.
    """
    more = {place: _more(stood, made.get(place), by_messages) for place, stood in current.items()}
    spread = [
        (labels & OF_SOURCE, opens if opens and opens > at else None)
        for (type_, _), (labels, opens) in more.items()
        if type_ == pointing.REPORT
    ]
    found = []
    for change, tree in laid:
        beside = spread if change.type in (pointing.OBSERVATION, files.BINARY) else []
        own = more.get((change.type, change.id), (NO_LABEL, None))
        found.append((shut_no_less(change, own, *beside), tree))
    return found


def withheld_now(
    laid: list[Laid], seen: Mapping[Place, Present], was: Mapping[Place, Tree],
    versions: tuple[Versions, Versions, datetime], at: datetime,
) -> tuple[list[Laid], Mapping[Place, Present]]:  # fmt: skip
    """`as_shut`, and what stands as that took it. `versions`: those before, those now, and when the report was first issued."""
    before, now, reported_at = versions
    if release.ends(before, now, reported_at):
        seen = as_others_have_it(seen)
        return as_shut(laid, seen, was, (NO_LABEL, None), at), seen
    return as_shut(laid, seen, was, release.withheld(before, reported_at), at), seen


def as_others_have_it(current: Mapping[Place, Present]) -> dict[Place, Present]:
    """What stands, withheld as its own text says where FHIR wrote it, and by no word of its source where a message did: where
    something ends that messages asked for, what withholds it beside that is laid on anew (`spreading.settle`)."""
    found = {}
    for place, stood in current.items():
        labels, opens = Label(int(stood.labels) & ~int(OF_SOURCE)), None
        if not stood.mapped:
            own = said_of_itself(decode(stood.raw), stood.at)
            labels |= own.labels
            opens = min(own.opens, stood.release_at) if own.opens and stood.release_at else None
        found[place] = stood._replace(labels=labels, release_at=opens)
    return found


def _more(stood: Present, was: Tree | None, by_messages: Shut) -> Shut:
    """What a record is withheld by beyond what the versions before said of all, and in `was` of it."""
    labels, opens = by_messages
    if stood.mapped or (was is not None and mapping.not_the_patients(was)):
        labels |= Label.NOT_THE_MOTHERS
    later = stood.release_at if stood.release_at and (opens is None or stood.release_at > opens) else None
    return Label(int(stood.labels) & ~int(labels)), later


def is_as_before(change: Change, was: Present | None) -> bool:
    """Whether a record stands as it would be written."""
    labels = Label(int(change.labels) & ~int(CARRIED))
    return was is not None and (was.raw, was.labels, was.release_at) == (change.raw, labels, change.release_at)


def as_marked(change: Change, was: Present | None) -> Change:
    """A result that stood taken back with its report, under another id, is so under this one (`pointing.settle` takes it off)."""
    return change._replace(labels=change.labels | Label.WITHDRAWN_WITH_REPORT) if was and was.with_report else change


def learnt(laid: Sequence[Laid], current: Mapping[Place, Present]) -> list[Place]:
    """What stands as messages say it, and was not known to: of before migration 0037, or since FHIR said just the same."""
    return [
        place
        for change, _ in laid
        if change.mapped and (one := current.get(place := (change.type, change.id))) and not one.mapped
        if is_as_before(change, one)
    ]


def shut_no_less(change: Change, *by: Shut) -> Change:
    """A change that is withheld by these too, and opens no sooner."""
    opens = [moment for moment in (change.release_at, *(until for _, until in by)) if moment]
    labels = reduce(or_, (labels for labels, _ in by), change.labels)
    return change._replace(labels=labels, release_at=max(opens, default=None))


def _is_by_fhir(change: Change, stood: Present | None, was: Tree | None) -> bool:
    """Whether what stands, or that nothing does, is not known to be as messages made it, and neither what is to be written
    nor what the versions before had made (`was`, None: nothing).

    What is known is not compared: an older mapping made something else of the same versions.
    """
    if was is None or (stood is not None and stood.mapped):
        return False
    return stood is None or stood.raw not in (change.raw, raw_of(was))


def _left(change: Change, tree: Tree, stood: Present, was: Tree, said: Said) -> Laid:
    """What stands by FHIR as it goes on: with what is new and belongs to it, withheld no less.

    What is added to a report after it was taken back does not go with it.
    """
    before = decode(stood.raw)
    new: Tree = {}
    if change.type == pointing.REPORT and tree.get("status") in WITHDRAWN and was.get("status") not in WITHDRAWN:
        # A cancellation that comes late has taken the results: half a report would be read as a whole one.
        new = {"status": tree["status"]}
    if before.get("status") not in WITHDRAWN or said.newest <= stood.at:
        new |= {name: [*before.get(name, ()), *found] for name in _LISTS if (found := _new(name, tree, was, before))}
    after = before | new | {"id": tree["id"]}
    raw = raw_of(after) if new else stood.raw
    kept = change._replace(raw=raw, indexed=index(after), kinds=change.kinds | kinds_of(after), mapped=False)
    return shut_no_less(kept, (stood.labels, stood.release_at)), after


def _new(name: str, tree: Tree, was: Tree, before: Tree) -> list[Any]:
    known = {_place(one) for one in (*was.get(name, ()), *before.get(name, ()))}
    return [one for one in tree.get(name, ()) if _place(one) not in known]


def _place(named: Mapping[str, Any]) -> str:
    return str(named.get("reference") or named.get("url"))


def place_of(tree: Mapping[str, Any]) -> Place:
    """Where a resource that a message gives lies."""
    return type_number(tree["resourceType"]), UUID(tree["id"])


def raw_of(tree: Mapping[str, Any]) -> bytes:
    """A resource as it is kept."""
    kept = dict(tree)
    kept.pop("id", None)
    return encode(kept)
