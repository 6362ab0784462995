"""The clinician's desk before a patient is open: reports that wait for her, and changes to what she has read.

A name on the desk is a look at a patient like any other. The law is asked for each patient first, so that the desk of a
doctor who was blocked yesterday names nobody today, and what is shown of a record is read with its line in the log.
That something she acted on was changed she hears all the same.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from kjerne.access import NO_LABEL, Denial, Grant, Label
from kjerne.exchange import Denied, PatientRef
from kjerne.fhir.circumstances import ALL, Circumstance
from kjerne.fhir.corrections import another_analysis, lost_files, lost_results, moved, same_content
from kjerne.pages import paging
from kjerne.pages.house import (
    Changed,
    ChangeKind,
    Identity,
    Listed,
    Notice,
    OwnList,
    OwnPatient,
    Patient,
    Resource,
    Visit,
    Waiting,
)
from kjerne.pages.live import SERVICE, SPECIMEN, Carry, uuid_of
from kjerne.pages.live_chart import REPORT, gone_tree, tree_of
from kjerne.pages.live_critical import CRITICAL, TYPES, CriticalPages
from kjerne.policy.people import norwegian_day
from kjerne.registries.protection import is_protected
from kjerne.services.results import points, values
from kjerne.services.results.answers import conclusion_of, former_files_of, name_of
from kjerne.services.results.former import beside, gone, taken_back, with_former_files
from kjerne.services.results.points import Absent, Aside, Mark, Part
from kjerne.services.results.values import Value
from kjerne.store import audit, deleted, files, followup, subjects
from kjerne.store.files import Replaced
from kjerne.store.pool import Connection
from kjerne.store.reading import Record
from kjerne.store.sealed_id import SealedIds

OWN_LIMIT = 5_000
"""Patients of one reader's own list: a practice has some 1,200. All are opened, since names cannot be sorted while sealed."""
OWN_ASKED: Final = 100
"""Patients of her own list about whom the law is asked for one part of it; the next part goes on after them."""
NOTICES_SHOWN: Final = 10
NOTICES_LOOKED_AT: Final = 500
"""Unseen notices looked at for those that are shown; one change of a report makes one for each of its results."""
WAITING_LOOKED_AT: Final = 500
"""Newest answers that wait for one requester and are listed; the law is asked about each of their patients."""
TEXT_LENGTH: Final = 160

_NONE: Final[Mapping[UUID, int]] = {}
NO_VERSION: Final = 0
"""Where no former version is asked for: versions begin at 1."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as it is `now`, and as she saw it `then`; None where that is shut today."""

    now: Resource
    then: Resource | None


class DeskPages(CriticalPages):
    """Implements what `pages.house.PagesHouse` shows beside the choice of patient."""

    async def own_patients(self, who: Identity, after: int) -> OwnList:
        """Those on the reader's practice list, or in an open care course where she works, by name.

        Nobody with a protected address is named, nor whom the law would not open to her today (K77); and none of them is
        counted, so that the list has no length. Each of those that are shown gets a line in her log.
        """
        places, day = _places(who), norwegian_day(self.clock.now())
        async with self.store.pool.acquire() as conn:
            tied = await self.store.people.tied_to(conn, who.hpr, places, day, OWN_LIMIT + 1)
            why = dict(tied[:OWN_LIMIT])
            details = await subjects.details(conn, list(why), self.store.wrap)
        named = sorted((d.name, key) for key, d in details.items() if not is_protected(d.protection))
        keys = [key for _, key in named]
        start = keys.index(after) + 1 if after in keys else 0
        asked = keys[start : start + OWN_ASKED]
        found: list[int] = []
        for key in asked:
            if len(found) <= paging.PEOPLE and await self._may_list(who, key):
                found.append(key)
        people = [one for key in found[: paging.PEOPLE] if (one := await self._on_list(who, key))]
        rows = [OwnPatient(p.key, p.name, p.birth_date, p.sex, p.masked, why[p.key], p.synthetic) for p in people]
        last = found[paging.PEOPLE - 1] if len(found) > paging.PEOPLE else asked[-1] if keys[start + OWN_ASKED :] else 0
        return OwnList(tuple(rows), start > 0, last, beyond=len(tied) > OWN_LIMIT)

    async def _may_list(self, who: Identity, patient: int) -> bool:
        caller = await self.caller(who, self._visit(patient))
        return await self.door.may_list(caller, PatientRef(key=patient), SERVICE, "search")

    async def _on_list(self, who: Identity, patient: int) -> Patient | None:
        """A patient of her own list, once it stands in the log that she was shown; None where the law is another by now."""

        async def use(grant: Grant) -> Patient:
            async with self.store.pool.acquire() as conn:
                await audit.insert(conn, audit.given(grant))
                return await self.person(conn, patient)

        try:
            return await self.under(who, self._visit(patient), "search", use)
        except Denied:
            return None

    async def waiting(self, who: Identity, wanted: str) -> Listed[Waiting]:
        """Reports that wait for this requester, newest first: whose, since when, and of which discipline.

        Those alone are counted that the law would open to her today: their patients, and by their labels the reports
        themselves. One part is read at a time, and each of its patients gets a line in her log. How many results are outside
        is not told here: it would take every result of patients whom she may not open today, and put each in their logs.
        """
        answers: dict[int, Grant | Denial] = {}
        rows: list[followup.Unread] = []
        places, day = _places(who), norwegian_day(self.clock.now())
        after, more = 0, True
        while more and len(rows) <= WAITING_LOOKED_AT:
            async with self.store.pool.acquire() as conn:
                found = await followup.waiting(conn, who.hpr, places, day, WAITING_LOOKED_AT, after)
            for patient in dict.fromkeys(row.patient for row in found):
                answers[patient] = answers.get(patient) or await self._asked(who, patient)
            rows += [row for row in found if _is_open(answers[row.patient], row.labels)]
            after, more = after + len(found), len(found) == WAITING_LOOKED_AT
        newest = rows[:WAITING_LOOKED_AT]
        part = paging.part(len(newest), wanted, paging.PEOPLE)
        listed = await self._told(who, paging.cut(newest, part))
        return Listed(tuple(listed), part, beyond=len(rows) > WAITING_LOOKED_AT)

    async def _told(self, who: Identity, rows: Sequence[followup.Unread]) -> list[Waiting]:
        """Rows with the names of their patients; one whose report is no longer open to her is left out."""
        listed: list[Waiting] = []
        for patient in dict.fromkeys(row.patient for row in rows):
            own = [row for row in rows if row.patient == patient]
            seen = await self._seen(who, patient, [(REPORT, row.id, NO_VERSION) for row in own])
            if seen is None:
                continue
            name, found = seen
            trees = {one.now["id"]: one.now for one in found}
            listed += [
                Waiting(patient, name, name_of(trees[str(row.id)]), row.at, row.version > 1)
                for row in own
                if str(row.id) in trees
            ]
        return sorted(listed, key=lambda one: one.at, reverse=True)

    async def notices(self, who: Identity, wanted: str) -> Listed[Notice]:
        """The wanted part of what she has read and what was changed since: one notice of each patient, each result once.

        What says again what she saw is read once and closed: it would be read, and be a line in the patient's log, each time
        that the desk is shown, and take the place of what she must hear.
        """
        told: dict[UUID, _Told] = {}
        untold: set[_Place] = set()
        while True:
            found = await self._tellable(who, untold)
            groups = _gathered(found[:NOTICES_LOOKED_AT])
            part = paging.part(len(groups), wanted, NOTICES_SHOWN)
            shown = paging.cut(groups, part)
            for group in shown:
                if group[0].number not in told:
                    told[group[0].number] = await self._told_of(who, group)
            made = [told[group[0].number] for group in shown]
            if silent := [group for group, one in zip(shown, made, strict=True) if not (one.rows or one.closed)]:
                untold |= {_place_of(one) for group in silent for one in group}
                continue
            if closed := [number for one in made for number in one.closed]:
                async with self.store.pool.acquire() as conn:
                    await followup.close_notices(conn, who.hpr, closed, self.clock.now())
            if all(one.rows for one in made):
                rows = tuple(row for one in made for row in one.rows)
                return Listed(rows, part, beyond=len(found) > NOTICES_LOOKED_AT)

    async def _tellable(self, who: Identity, untold: AbstractSet[_Place]) -> list[followup.Notice]:
        """Her newest notices that may be told, at most `NOTICES_LOOKED_AT` and one more, and none of what is `untold`.

        What may not be told stays unseen for as long as it is shut. So it is left out before they are counted: it would come to
        fill her desk and keep the rest from it, and that more waits would tell of it.
        """
        found: list[followup.Notice] = []
        answers: dict[tuple[int, str], Grant | Denial | None] = {}
        last: followup.Notice | None = None
        while True:
            async with self.store.pool.acquire() as conn:
                turn = await followup.notices(conn, who.hpr, NOTICES_LOOKED_AT + 1, last)
            found += [one for one in await self._but_shut(who, turn, answers) if _place_of(one) not in untold]
            if len(turn) <= NOTICES_LOOKED_AT or len(found) > NOTICES_LOOKED_AT:
                return found[: NOTICES_LOOKED_AT + 1]
            last = turn[-1]

    async def _but_shut(
        self, who: Identity, found: Sequence[followup.Notice], answers: dict[tuple[int, str], Grant | Denial | None]
    ) -> Sequence[followup.Notice]:
        """Where no choice may be told: without those of whom, or of what, the patient has shut to this reader since (law, K168).

        A notice without a name would say that one of those whom she has read has done so. It is kept, and told once it is open.
        `answers` holds what the law said of each patient and service, for the turns that follow.
        """
        if self.tells_choices:
            return found
        shut: set[UUID] = set()
        for about in dict.fromkeys(_about(one) for one in found):
            own = [one for one in found if _about(one) == about]
            if about not in answers:
                answers[about] = await self._answer(who, *about)
            answer = answers[about]
            if answer is None:
                shut |= {one.number for one in own}
            if not isinstance(answer, Grant):
                continue
            async with self.store.pool.acquire() as conn:
                labels = await followup.labels_of(conn, answer, [one for one in own if one.kind == "corrected"])
            shut |= {one.number for one in own if labels.get((one.type, one.id), NO_LABEL) & answer.hides}
        return [one for one in found if one.number not in shut]

    async def _answer(self, who: Identity, patient: int, service: str) -> Grant | Denial | None:
        """As `_asked`, of a service; None where a choice of hers is what shuts her to this reader."""
        caller, ref = await self.caller(who, self._visit(patient), service), PatientRef(key=patient)
        answer = await self.door.would(caller, ref, service, "read")
        if isinstance(answer, Denial) and isinstance(await self.door.would_offer(caller, ref, service, "read"), Grant):
            return None
        return answer

    async def _told_of(self, who: Identity, group: Sequence[followup.Notice]) -> _Told:
        """What she is told of one patient, from what she saw to what it is now; what is the same is closed.

        It has name and content where she has a ground to open the patient today. Without one (her need was declared for a
        visit that is over, or the patient has shut her or these results out since) it says when she read it, and of whom
        nothing: what is shut of a patient who is named stands apart from her, in a notice of its own.
        """
        patient, kind, of = _patient_of(group[0])
        if of == CRITICAL:
            return await self._critical_told(who, patient, group)
        wanted = [(n.type, n.id, n.read_version) for n in group] if kind == "corrected" else []
        marks = {n.id: n.version for n in group}
        seen = await self._seen(who, patient, wanted, {str(n.id): n.read_at for n in group}, marks)
        if seen and kind == "withdrawn":
            return _Told((_notice(group, patient, seen[0]),), ())
        name, found = seen or ("", [])
        by_id = {str(n.id): n for n in group}
        of_open = [by_id[one.now["id"]] for one in found]
        found = [_as_known(one, n) for one, n in zip(found, of_open, strict=True)]
        changes = [(n, change) for n, one in zip(of_open, found, strict=True) if (change := changed(one, n.read_at))]
        told, shut = [n for n, _ in changes], [n for n in group if n not in of_open]
        rows = [_notice(told, patient, name, tuple(change for _, change in changes))] if told else []
        rows += [_notice(shut)] if shut and (seen is None or self.tells_choices) else []
        return _Told(tuple(rows), tuple(n.number for n in of_open if n not in told))

    async def _critical_told(self, who: Identity, patient: int, group: Sequence[followup.Notice]) -> _Told:
        """As `_told_of`, of critical information, which has a law of its own."""
        found = await self.critical_changes(who, patient, group)
        if found is None:
            return _Told((_notice(group),), ())
        name, changes = found
        told = [(n, one) for n, one in changes if one.then or one.now]
        shown = {n.number for n, _ in changes}
        rows = []
        if told:
            notice = _notice([n for n, _ in told], patient, name)
            rows.append(replace(notice, entries=tuple(one for _, one in told)))
        if self.tells_choices and (shut := [n for n in group if n.number not in shown]):
            rows.append(_notice(shut))
        return _Told(tuple(rows), tuple(n.number for n, one in changes if not (one.then or one.now)))

    async def see_notice(self, who: Identity, number: str) -> None:
        """She has seen the notice, with all that it told."""
        await self.caller(who, None)
        numbers = [uuid_of(one, "number") for one in number.split(_BETWEEN)]
        async with self.store.pool.acquire() as conn:
            await followup.see_notices(conn, who.hpr, numbers, self.clock.now())

    async def _seen(
        self,
        who: Identity,
        patient: int,
        wanted: Sequence[tuple[int, UUID, int]],
        looked: Mapping[str, datetime] | None = None,
        marks: Mapping[UUID, int] = _NONE,
    ) -> tuple[str, list[Seen]] | None:
        """(her name, those of the records that are open), in one audited read; None where the law does not open her.

        `looked` is when she saw them, by id: their specimens are read too, as they were then. Of those that are gone what
        they said last is read, where the deletion is the version in `marks`. Asked first without a trace: a list that is
        shown is no attempt to open whom it leaves out.
        """
        if not await self._opens(who, patient):
            return None

        async def use(grant: Grant) -> tuple[str, list[Seen]]:
            async with self.store.pool.acquire() as conn:
                if not wanted:
                    # Of a report that was moved from her nothing is read, and her name is told all the same.
                    await audit.insert(conn, audit.given(grant))
                records = await self.reader.as_read(conn, grant, wanted) if wanted else []
                replaced = await files.replaced(conn, grant, self.reader) if wanted else []
                there = {now.id for now, _ in records}
                left = [(*one, marks[one[1]]) for one in wanted if one[1] in marks and one[1] not in there]
                lost = await deleted.as_read(conn, grant, self.reader, left)
                name = (await self.person(conn, patient)).name
                # How it stood by its reports then, no version says: the notice does.
                seen = [
                    _seen(now, then and then._replace(labels=NO_LABEL), replaced) for now, then in (*records, *lost)
                ]
                seen = [replace(one, now=gone(one.now)) if UUID(one.now["id"]) not in there else one for one in seen]
                return name, await self._with_specimens(conn, grant, seen, looked or {})

        try:
            return await self.under(who, self._visit(patient), "read", use)
        except Denied:
            return None

    async def _with_specimens(
        self, conn: Connection, grant: Grant, seen: Sequence[Seen], looked: Mapping[str, datetime]
    ) -> list[Seen]:
        """Results with what their specimens say of them now, and what those said when she looked."""
        at = {one.now["id"]: looked[one.now["id"]] for one in seen if one.now["id"] in looked}
        wanted = [(_specimen(tree), at.get(one.now["id"])) for one in seen for tree in (one.now, one.then) if tree]
        named = sorted({(id_, moment) for id_, moment in wanted if id_ and moment}, key=str)
        if not named:
            return list(seen)
        standing = await self.reader.standing(conn, grant, SPECIMEN, named)
        found = {id_: [(one.at, tree_of(one)) for one in versions] for id_, versions in standing.items()}
        for last, gone_at in await deleted.last_of(conn, grant, self.reader, SPECIMEN):
            found[last.id] = [(gone_at, gone_tree(last, gone_at)), (last.at, tree_of(last))]

        def held(tree: Resource, moment: datetime | None) -> Resource:
            versions = found.get(id_, []) if (id_ := _specimen(tree)) else []
            stood = [one for since, one in versions if moment is None or since <= moment] or [
                one for _, one in versions[-1:]
            ]
            return beside(tree, stood[0] if stood else None)

        return [Seen(held(one.now, None), held(one.then, at.get(one.now["id"])) if one.then else None) for one in seen]

    async def _opens(self, who: Identity, patient: int) -> bool:
        """Whether the law would open her to this reader today; leaves no trace."""
        return isinstance(await self._asked(who, patient), Grant)

    async def _asked(self, who: Identity, patient: int) -> Grant | Denial:
        """What the law would answer this reader today; leaves no trace."""
        caller = await self.caller(who, self._visit(patient))
        return await self.door.would(caller, PatientRef(key=patient), SERVICE, "read")

    def _visit(self, patient: int) -> Visit:
        return Visit("desk", patient, "TREAT", self.clock.now())


_Place = tuple[int, Literal["corrected", "withdrawn"], int, UUID]
"""What several notices tell of, each of a change of its own: a record of a patient, and how it was changed."""
_BETWEEN: Final = "."
"""Stands between the numbers of the notices that one shown notice gathers."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told of one patient, and the numbers of the notices that tell nothing she did not read."""

    rows: tuple[Notice, ...]
    closed: tuple[UUID, ...]


def _places(who: Identity) -> list[str]:
    """The organisation and the unit that she works for."""
    carry = msgspec.msgpack.decode(bytes.fromhex(who.carry), type=Carry)
    return [place for place in {carry.organisation, carry.point_of_care} if place]


def _is_open(answer: Grant | Denial, labels: Label) -> bool:
    return isinstance(answer, Grant) and not labels & answer.hides


def _patient_of(notice: followup.Notice) -> tuple[int, Literal["corrected", "withdrawn"], str]:
    """What stands in one notice: of a patient, of a kind, and of a service."""
    return notice.patient, notice.kind, CRITICAL if notice.type in TYPES else SERVICE


def _about(notice: followup.Notice) -> tuple[int, str]:
    """Of whom the law is asked, and for which service."""
    return notice.patient, _patient_of(notice)[2]


def _place_of(notice: followup.Notice) -> _Place:
    return notice.patient, notice.kind, notice.type, notice.id


def _notice(
    told: Sequence[followup.Notice], patient: int = 0, name: str = "", changes: tuple[Changed, ...] = ()
) -> Notice:
    number = _BETWEEN.join(n.number.hex for n in told)
    made_at, read_at = max(n.made_at for n in told), max(n.read_at for n in told)
    opened = _opened(told) if told[0].kind == "withdrawn" else ()
    is_critical = told[0].type in TYPES
    return Notice(number, told[0].kind, made_at, read_at, patient, name, changes, opened, is_critical=is_critical)


def _opened(told: Sequence[followup.Notice]) -> tuple[datetime, ...]:
    """When she read each report that lay on the wrong patient, newest first; each result where she opened no report."""
    reports = [n.read_at for n in told if n.type == REPORT]
    return tuple(sorted(reports or [n.read_at for n in told], reverse=True))


def _as_known(seen: Seen, notice: followup.Notice) -> Seen:
    """What she saw, taken back where it was by then with its reports: its own version does not say that."""
    if seen.then is None:
        return seen
    return replace(seen, then=taken_back(seen.then) if notice.was_withdrawn else seen.then)


def _gathered(rows: Sequence[followup.Notice]) -> list[list[followup.Notice]]:
    """All that is told of each patient: the patient with the newest change first, and of her the newest.

    Corrections come one by one by FHIR and together in a message: to the reader they are one notice of one patient. Of
    one result the newest counts, which knows what she saw last.
    """
    ordered = sorted(rows, key=lambda row: row.made_at, reverse=True)
    newest: dict[_Place, followup.Notice] = {}
    for row in reversed(ordered):
        place = _place_of(row)
        before = newest.get(place)
        # What stood before the first change that she has not looked at since is what she knows.
        known = before.was_withdrawn if before and before.made_at > row.read_at else row.was_withdrawn
        newest[place] = replace(row, was_withdrawn=known)
    groups: dict[tuple[int, str, str], list[followup.Notice]] = {}
    for row in sorted(newest.values(), key=lambda row: row.made_at, reverse=True):
        groups.setdefault(_patient_of(row), []).append(row)
    return list(groups.values())


def _seen(now: Record, then: Record | None, replaced: Sequence[Replaced]) -> Seen:
    tree = with_former_files(tree_of(now), (), replaced) if now.type == REPORT else tree_of(now)
    return Seen(tree, tree_of(then) if then else None)


@dataclass(frozen=True, slots=True)
class _Said:
    """What one version of a result or report says."""

    name: str
    value: Value | None
    parts: tuple[Part, ...]
    mark: Mark
    absent: Absent
    unsettled: bool = False

    @property
    def empty(self) -> bool:
        return self.value is None and not self.parts


def _said(tree: Resource) -> _Said:
    if tree["resourceType"] == "Binary":
        return _Said("", None, (), "", "")
    if tree["resourceType"] == "DiagnosticReport":
        mark = points.mark_of(tree)
        text = "" if mark == "withdrawn" else conclusion_of(tree)
        return _Said(name_of(tree), Value(text=text) if text else None, (), mark, "")
    name, point = values.concept_text(tree.get("code")), points.point_of(tree)
    if point is None:
        return _Said(name, None, (), points.mark_of(tree), "")
    return _Said(
        name, point.value if point.value.told else None, point.parts, point.mark, point.absent, point.unsettled
    )


def changed(seen: Seen, read_at: datetime) -> Changed | None:
    """What is told of a result that she saw at `read_at`; None where it says again, or still, what she saw."""
    now, another = _said(seen.now), False
    then = _said(seen.then) if seen.then else None
    if then is not None and seen.then is not None:
        another = another_analysis(seen.then, seen.now)
        if "withdrawn" not in (now.mark, then.mark) and same_content(seen.then, seen.now):
            then = replace(then, value=now.value, parts=now.parts)  # another spelling, which is none to be told
    same_value = then is not None and then.value == now.value
    asides = _asides(seen, same_value=same_value) if "withdrawn" not in (now.mark, then.mark if then else "") else ()
    kind = _kind(then, now, another=another)
    if kind is None:
        lost = _lost(seen, read_at) if "withdrawn" not in (now.mark, then.mark if then else "") else None
        if lost is None and not asides:
            return None
        kind = lost or "aside"
    old = then or _Said("", None, (), "", "")
    if kind == "replaced" and now.value is None and not _others(now.parts, old.parts):
        kind = "fewer"  # of several values some are gone, and the rest is what it was
    # Nothing in a record by FHIR says that it was corrected: then the notice does, and that it is unsettled besides.
    besides = kind == "replaced" and now.mark == "unsettled"
    told_of = (None, None) if kind in ("file", "fewer") else (_short(old.value), _short(now.value))
    return Changed(
        now.name, kind, read_at, *told_of, "corrected" if besides else now.mark, now.absent, old.name if another else "",
        *((old.parts, now.parts) if kind == "aside" else (_others(old.parts, now.parts), _others(now.parts, old.parts))),
        asides=asides, unsettled=now.unsettled or besides, whose=points.another_person(seen.now),
    )  # fmt: skip


def _asides(seen: Seen, *, same_value: bool) -> tuple[tuple[Aside, Aside], ...]:
    """What the reading hung on when she saw it, and hangs on now, where that is another.

    A message's result says itself which of its circumstances were corrected: what is not told there may be another without
    being a correction (a flag that comes with another value, the date of a report that says no time of its sample).
    """
    if seen.then is None:
        return ()
    names: frozenset[Circumstance] = moved(seen.then, seen.now)
    if points.own_report(seen.now):
        untold = names - {name for change in points.changes_of(seen.now) for name in change.circumstances}
        if same_value:
            untold &= frozenset() if "collection" in seen.now.get("specimen", {}) else {"taken"}
        names -= untold
    return tuple((points.aside_of(seen.then, name), points.aside_of(seen.now, name)) for name in ALL if name in names)


def _lost(seen: Seen, read_at: datetime) -> Literal["file", "fewer"] | None:
    """What is gone of a record whose words are the same; a report's file may be another though the report is the same."""
    if seen.then is None:
        return None
    replaced = (one.at.moment for one in former_files_of(seen.now) if one.version and one.at)
    if lost_files(seen.then, seen.now) or any(at and at > read_at for at in replaced):
        return "file"
    return "fewer" if lost_results(seen.then, seen.now) else None


def _kind(then: _Said | None, now: _Said, *, another: bool) -> ChangeKind | None:
    if then is None:
        return "withdrawn" if now.mark == "withdrawn" else "emptied" if now.empty else "opened"
    if "withdrawn" in (now.mark, then.mark):
        return None if now.mark == then.mark else "withdrawn" if now.mark == "withdrawn" else "stands"
    if not another and then.value == now.value and not _others(then.parts, now.parts) + _others(now.parts, then.parts):
        if "not-repeated" not in (now.mark, then.mark) or now.mark == then.mark:
            return None
        return "not-repeated" if now.mark == "not-repeated" else "repeated"
    if now.empty:
        return "not-repeated" if now.mark == "not-repeated" and not now.absent else "emptied"
    return "given" if then.empty else "replaced"


def _others(parts: Sequence[Part], than: Sequence[Part]) -> tuple[Part, ...]:
    """Those that are not among the other ones with the same value, range and flag."""
    known = set(than)
    return tuple(part for part in parts if part not in known)


def _specimen(tree: Resource) -> UUID | None:
    """The specimen that a result points to."""
    return SealedIds.parse(points.reference_id(tree.get("specimen"))) if tree["resourceType"] == "Observation" else None


def _short(value: Value | None) -> Value | None:
    return replace(value, text=textwrap.shorten(value.text, TEXT_LENGTH, placeholder=" …")) if value else None
