"""Which results of a report are repeats: made again within their interval though an earlier one could be used.

Only what any health worker could have been shown counts. An earlier result that something hides (a label, a choice of
the patient, a protected address) makes no repeat, so that no count can give it away; the report's own versions make
none either. Found when the report is filed, in the order of the samples: a sample that comes late is no repeat of a
newer one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant, Subject
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import asked_text, token
from kjerne.fhir.searchparams import type_search
from kjerne.registries.protection import is_protected
from kjerne.services.results import reuse
from kjerne.services.results.kith.model import Actor
from kjerne.services.results.reuse import USABLE, Interval
from kjerne.store import repeats
from kjerne.store.codec import DataKey
from kjerne.store.house import Store
from kjerne.store.reading import Unwrapped
from kjerne.store.records import Beside, Change, Present

OBSERVATION_TYPE: Final = type_number("Observation")
SERVICE: Final = "results"
HIDING: Final = frozenset({"opt-out", "restriction", "block"})
ASKING: Final = ("ENH", "HER")
"""The numbers by which an organisation that asked for something can be known, the better one first."""

Trees = Sequence[Mapping[str, Any]]
Former = Mapping[tuple[int, UUID], Present]


@dataclass(frozen=True, slots=True)
class Sample:
    """An analysis with an interval, and when its sample was taken."""

    interval: Interval
    at: datetime


def note(
    store: Store, grant: Grant, key: DataKey, requester: Actor | None, trees: Trees, ids: Mapping[str, UUID],
    changes: Sequence[Change], former: Former,
) -> list[Beside]:  # fmt: skip
    """What notes the repeats among the `changes` of one report, beside the write that files them; nothing where none can
    be.

    `key` is the service's about whom the grant addresses, `trees` are all resources of the report and `ids` their ids by
    how those are written, `former` is what the changes replace.
    """
    samples = _samples(trees, changes, former) if _open_to_staff(grant.subject, grant.at) else []
    if not samples:
        return []
    kind, number = _asking(requester)
    month = grant.at.date().replace(day=1)
    made = [
        repeats.Made(
            one.at - timedelta(days=one.interval.days), one.at, _codes(one.interval),
            repeats.Repeat(one.interval.name, kind, number, month),
        )
        for one in samples
    ]  # fmt: skip
    own = [ids[tree["id"]] for tree in trees if tree["resourceType"] == "Observation"]
    keys = Unwrapped(grant, store.wrap, key)
    return [repeats.note(grant, keys, store.messages, OBSERVATION_TYPE, made, _usable(), own)]


def _samples(trees: Trees, changes: Sequence[Change], former: Former) -> list[Sample]:
    """What the report gives a usable result of for the first time, each analysis and sample once."""
    by_id = {str(tree["id"]): tree for tree in trees}
    found: dict[tuple[str, datetime], Sample] = {}
    for change in changes:
        tree, at = by_id[str(change.id)], change.indexed.date_from
        if change.type != OBSERVATION_TYPE or change.labels or at is None:
            continue
        # Few analyses have an interval, so that is asked before all that makes a result usable.
        interval = _interval(tree)
        if interval is None or not reuse.is_usable(tree):
            continue
        before = former.get((change.type, change.id))
        if before is None or not reuse.is_usable(decode(before.raw)):
            found[interval.name, at] = Sample(interval, at)
    return list(found.values())


def _interval(tree: Mapping[str, Any]) -> Interval | None:
    codings = tree.get("code", {}).get("coding", ())
    known = (_interval_of(one.get("system", ""), one.get("code", "")) for one in codings if one.get("system"))
    return next((interval for interval in known if interval), None)


_interval_of = lru_cache(maxsize=4096)(reuse.interval_of)


def _open_to_staff(subject: Subject, at: datetime) -> bool:
    """Whether nothing of hers is shut to health workers as such: then an earlier result could have been shown."""
    hiding = (
        choice.kind in HIDING and choice.service in ("", SERVICE) and (choice.ended_at is None or choice.ended_at > at)
        for choice in subject.choices
    )
    return not is_protected(subject.protection) and not any(hiding)


def _asking(requester: Actor | None) -> tuple[str, str]:
    """The number of the organisation that asked; empty where the message gives none that a register knows."""
    for kind in ASKING:
        for identifier in requester.organisation_ids if requester else ():
            if identifier.kind == kind:
                return kind, identifier.value
    return "", ""


@cache
def _codes(interval: Interval) -> tuple[int, ...]:
    return _hashes("code", [(interval.system, code) for code in interval.codes])


@cache
def _usable() -> tuple[int, ...]:
    return _hashes("status", [("", status) for status in sorted(USABLE)])


def _hashes(parameter: str, codings: Sequence[tuple[str, str]]) -> tuple[int, ...]:
    leaves = type_search("Observation").parameters[parameter].leaves
    texts = (asked_text(leaf, system or leaf.system, code) for leaf in leaves for system, code in codings)
    return tuple(token(text) for text in texts if text is not None)
