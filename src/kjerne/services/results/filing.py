"""A report into the record of its patient: its chain of versions folded anew, inside the intake's transaction.

What is new or changed is written, what the report does not give any more is taken out, and those who had read what is
now corrected or withdrawn are told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.exchange import Stale
from kjerne.fhir.corrections import corrects, lost_files
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.registries.homes import row_number, types_of
from kjerne.services.results import arrived, following, keeping, outgrown, regrouped, release, renamed, repeats, unnamed
from kjerne.services.results.given import Given, laid_out, moment_of, numberer, requester_of
from kjerne.services.results.kith import chain, codes, kin, lineage, mapping
from kjerne.services.results.pooled import Pool, source_of
from kjerne.store import changing, followup, marking, pointing, spreading
from kjerne.store.arrivals import Claim, Sent
from kjerne.store.chains import Chains, Kept, Near, Version
from kjerne.store.codec import DataKey
from kjerne.store.house import Store
from kjerne.store.matching import at_key
from kjerne.store.people import Newcomer
from kjerne.store.pool import Connection
from kjerne.store.reading import Reader
from kjerne.store.record_marks import has_marks, has_single, marks_of
from kjerne.store.records import Before, Beside, Change, Present, Written

_TYPES: Final = tuple(row_number(name, "results") for name in types_of("results"))
REPORT_TYPE: Final = type_number("DiagnosticReport")
OBSERVATION_TYPE: Final = type_number("Observation")
KIN_LIMIT: Final = 50
"""Chains that share a request or an issue time. Where a laboratory calls more than these the same, it says nothing."""

LARGE_RESULTS: Final = 200
"""A report from this size on is worked on in a thread, so that other requests of the process go on: some 50 milliseconds."""

_LEFT_OUT: Final = encode("not-repeated")
"""How a record says that a newer version leaves it out (`codes.CHANGE`)."""

Digest = Callable[[str], bytes]
Versions = list[chain.Versioned]
Done = TypeVar("Done")
Held = tuple[Label | None, Label, datetime | None]
NOT_SHUT: Final[spreading.Shut] = (NO_LABEL, None)
_NOTHING: Final[Held] = (None, *NOT_SHUT)


class _Looked(NamedTuple):
    """The chains that a report goes on with beside its own, and what withholds their reports."""

    beside: set[following.Chain]
    shut: spreading.Shut


@dataclass(frozen=True, slots=True)
class Filing:
    """One report on its way: the laboratory's number of it, what it changes there, and the grants for whom that concerns.

    `mark` is the version among those under the number, `grant` the one for whom it names, `shut` are people whose reports
    the law keeps from being changed by it. `newcomer` is set where no register knew whom it names; she is registered with
    it. `known` is what had come under the number when the plan was made.
    """

    sender: str
    number: bytes
    version: chain.Versioned
    mark: lineage.Mark
    plan: lineage.Plan
    grant: Grant
    others: tuple[Grant, ...] = ()
    shut: frozenset[int] = frozenset()
    newcomer: Newcomer | None = None
    known: frozenset[Sent] = frozenset()

    @property
    def grants(self) -> tuple[Grant, ...]:
        return self.grant, *self.others


class Files:
    """Files reports for one house; `digest` hides what names a chain."""

    def __init__(self, store: Store, chains: Chains, digest: Digest) -> None:
        self._store = store
        self._chains = chains
        self._digest = digest
        self._reader = Reader(store.wrap, store.dictionaries)

    async def file(self, conn: Connection, filing: Filing, message: str, key: DataKey) -> unnamed.Outcome:
        """One version into its chain, and the chain's state into the record of whoever the newest version names.

        Call inside a transaction that holds the number and the rows of everybody the filing concerns. `key` is the
        service's about whom the filing's grant addresses.
        """
        if filing.plan.only_adds:
            return unnamed.Outcome(await self._add(conn, filing, key))
        return await self.regroup(conn, filing, message)

    async def _add(self, conn: Connection, filing: Filing, key: DataKey) -> bool:
        """A version of a report that stays with its patient; the usual case."""
        [(report, _)] = filing.plan.after.items()
        lying = await self._chains.sources(conn, filing.grant, [report] if filing.plan.before else [], key)
        before = [chain.unpack(one.raw) for one in lying.get(report, ())]
        kept = self._kept(filing, report, [*before, filing.version])
        near = await self._chains.keep(conn, filing.grant, kept, key)
        return await self._go_on(conn, filing, key, before, kept, near)

    async def _go_on(
        self, conn: Connection, filing: Filing, key: DataKey, before: Versions, kept: Kept, near: Near
    ) -> bool:
        """The records of a report whose version is kept, with all that is near to it. What it gives is what `file` does."""
        report, after = kept.report, [*before, filing.version]
        concerned = kept.orphan or kin.is_orphan(before) or any(near.chains.values())
        others = await self._kin(conn, filing.grant, key, filing.sender, near.chains, {report}) if concerned else {}
        was, now = kin.gather({**others, report: before}), kin.gather({**others, report: after})
        await self._rewrite(conn, filing.grant, key, filing.sender, was, now)
        return kept.orphan and report in now

    def _kept(self, filing: Filing, report: bytes, after: Versions) -> Kept:
        return Kept(
            report, [source_of(filing.version)], self._anchors(filing.sender, after), kin.is_orphan(after),
            self._noted(filing, [filing.mark]),
        )  # fmt: skip

    def is_new(self, filing: Filing) -> bool:
        """Whether it is the first version of a report that nothing withholds, by itself or by a choice of the patient's."""
        plan, versions = filing.plan, [filing.version]
        if not plan.only_adds or plan.before or kin.is_orphan(versions) or has_marks(filing.grant):
            return False
        return not any(release.withheld(versions, filing.grant.at))

    async def file_new(
        self, conn: Connection, filing: Filing, key: DataKey, claim: Claim, entering: Sequence[Before]
    ) -> None:
        """As `file`, of what `is_new`: claimed, kept and written in one statement, which registers whom it names too. `Stale`
        where the claim does not hold, or more has come under the number.

        Where more must be known before its records can be written, they come in statements of their own.
        """
        [(report, _)] = filing.plan.after.items()
        grant, kept = filing.grant, self._kept(filing, report, [filing.version])
        versions = [filing.version]
        made = await _in_turn(versions, lambda: laid_out(self._store.ids, grant, report, versions, NOT_SHUT))
        # Of whom nobody knew there is nothing that could be repeated.
        fresh = [] if entering else made.changes
        beside = await _in_turn(versions, lambda: self._beside(grant, key, made, fresh, {}))
        (seen, *_), near, written = await self._chains.keep_and_write(
            conn, grant, [claim.before(), *entering], kept, made.changes, beside, key
        )
        if frozenset(claim.judged(*seen).get(filing.number, ())) != filing.known:
            raise Stale
        if written is None:
            await self._go_on(conn, filing, key, [], kept, near)
        else:
            await self._tell(conn, grant, written, made.changes, made.trees, {})

    async def regroup(self, conn: Connection, filing: Filing, message: str) -> unnamed.Outcome:
        """A version that changes which versions are one report, or whose one is: all that this concerns is made anew. What it
        gives is what `file` does."""
        plan, aside = filing.plan, self._digest(f"aside|{filing.number.hex()}")
        by_patient = {grant.subject.patient: grant for grant in filing.grants}
        pool = Pool(filing.version, filing.mark)
        names = sorted({*plan.chains, aside})
        keys = {patient: self._store.records.key(grant) for patient, grant in by_patient.items()}
        for patient, grant in by_patient.items():
            for name, sources in (await self._chains.sources(conn, grant, names, keys[patient])).items():
                pool.add(patient, name, sources)
        for patient, grant in by_patient.items():
            await self._chains.set_aside(conn, grant, aside, pool.naming(patient), keys[patient])
            for report, standing in plan.before.items():
                if standing.owner == patient:
                    await self._chains.take_apart(conn, grant, report)
        alone = set[bytes]()
        for patient, grant in by_patient.items():
            before = {
                report: pool.before(patient, report) for report, one in plan.before.items() if one.owner == patient
            }
            after = {report: pool.after(one) for report, one in plan.after.items() if one.owner == patient}
            if before or after:
                alone |= await self._replace(conn, grant, keys[patient], filing, before, after, message)
        is_alone = any(filing.mark.name in plan.after[report].names for report in alone)
        return unnamed.Outcome(is_alone, unnamed.count(plan, pool.content, pool.unchanged(plan)))

    async def _replace(
        self, conn: Connection, grant: Grant, key: DataKey, filing: Filing, before: dict[bytes, Versions],
        after: dict[bytes, Versions], message: str,
    ) -> set[bytes]:  # fmt: skip
        """Other reports under a number in one record. What went to somebody else is withdrawn, and readers are told. The changes
        and cancellations that stand alone `after` it."""
        patient, plan = grant.subject.patient, filing.plan
        near = await self._chains.relatives(
            conn, grant, self._anchors(filing.sender, [version for versions in before.values() for version in versions])
        )
        for report, versions in after.items():
            kept = Kept(
                report, [source_of(one) for one in versions], self._anchors(filing.sender, versions),
                kin.is_orphan(versions), self._noted(filing, plan.after[report].marks),
            )  # fmt: skip
            near |= (await self._chains.keep(conn, grant, kept, key)).chains
        near = {name: changes for name, changes in near.items() if name not in before and name not in after}
        concerned = any(near.values()) or any(map(kin.is_orphan, (*before.values(), *after.values())))
        others = await self._kin(conn, grant, key, filing.sender, near, {*before, *after}) if concerned else {}
        was, now = kin.gather({**others, **before}), kin.gather({**others, **after})
        gone = {mark.name for one in plan.after.values() if one.owner != patient for mark in one.marks}
        parted = set[bytes]()
        for report in sorted(before):
            if any(mark.person == patient and mark.name in gone for mark in plan.before[report].marks):
                await self._chains.note_move(conn, grant, moved_mark(self._digest, filing.sender), message)
                if report in was and report not in now:
                    stays = following.filed_anew(was[report], {one: now[one] for one in now.keys() - was.keys()})
                    parted |= {report} if stays else set()
                    await self._withdraw(conn, grant, report, was[report] if stays else was.pop(report), stays, key)
        away = {self._away(report): report for report in now.keys() - was.keys() if report in plan.before}
        lay = await self._chains.sources(conn, grant, sorted(away), key)
        back = {away[name]: [chain.unpack(one.raw) for one in sources] for name, sources in lay.items() if sources}
        back = {report: versions for report, versions in back.items() if versions != now[report]}
        await self._rewrite(conn, grant, key, filing.sender, {**was, **back}, now, back=back.keys(), parted=parted)
        return {report for report, versions in after.items() if report in now and kin.is_orphan(versions)}

    async def _withdraw(
        self,
        conn: Connection,
        grant: Grant,
        report: bytes,
        versions: Versions,
        stays: Mapping[bytes, Versions],
        key: DataKey,
    ) -> None:
        """Shuts a report in the wrong person's record, and tells everybody who had opened it there; of what `stays` hers, and has
        other ids, the rest alone. What its versions were is kept: if it comes back, what FHIR wrote of it is seen by them."""
        away = self._away(report)
        await self._chains.take_apart(conn, grant, away)
        await self._chains.set_aside(conn, grant, away, [source_of(one) for one in versions], key)
        made_of = self._numbered_all(grant)
        kept = regrouped.kept(made_of(report, versions), [made_of(*one) for one in stays.items()])
        named = sorted(await self._filed(conn, grant, report, versions) - kept, key=str)
        shut = await self._chains.withdraw(conn, grant, named)
        told = [(type_, id_, 0) for type_, id_ in shut if type_ in (REPORT_TYPE, OBSERVATION_TYPE)]
        await followup.tell_readers(conn, grant, "withdrawn", told)

    def _away(self, report: bytes) -> bytes:
        return self._digest(f"away|{report.hex()}")

    def _noted(self, filing: Filing, marks: Iterable[lineage.Mark]) -> list[Version]:
        return arrived.noted(marks, filing.number, self._store.messages.seal)

    async def _kin(
        self, conn: Connection, grant: Grant, key: DataKey, sender: str, near: Iterable[bytes], own: set[bytes]
    ) -> dict[bytes, Versions]:
        """The chains that a filing may concern beside its `own`, with their versions: `near` and what is near to those."""
        found: dict[bytes, Versions] = {}
        waiting = set(near)
        while waiting:
            if len(found) + len(waiting) > KIN_LIMIT:
                return {}
            for name, sources in (await self._chains.sources(conn, grant, sorted(waiting), key)).items():
                found[name] = [chain.unpack(one.raw) for one in sources]
            shared = self._anchors(sender, [version for name in waiting for version in found[name]])
            waiting = set(await self._chains.relatives(conn, grant, shared)) - found.keys() - own
        return found

    def _anchors(self, sender: str, versions: Sequence[chain.Versioned]) -> list[bytes]:
        named = {anchor for version in versions for anchor in kin.anchors(version.report)}
        return [self._anchor(sender, anchor) for anchor in sorted(named)]

    def _anchor(self, sender: str, anchor: tuple[str, ...]) -> bytes:
        return self._digest("\x1f".join(("kin", sender, *anchor)))

    def _number(self, sender: str, key: tuple[str, ...]) -> bytes:
        return number_of(self._digest, sender, key)

    async def _rewrite(
        self, conn: Connection, grant: Grant, key: DataKey, sender: str, before: Mapping[bytes, Versions],
        after: Mapping[bytes, Versions], back: Collection[bytes] = (), parted: Collection[bytes] = frozenset(),
    ) -> None:  # fmt: skip
        """The reports whose versions are others than before; one that has become a part of another is taken out. `back`: those
        that were withdrawn from here, and come back. `parted`: those that were shut just now, each for a part of it."""
        changed = [one for one in sorted(before.keys() | after.keys()) if before.get(one, []) != after.get(one, [])]
        went_on = {one: after[one] for one in changed if after.get(one)}
        gone = before.keys() - after.keys()
        into = {
            one: [old for old in following.sources_of(now, before) if old in gone and old != one]
            for one, now in went_on.items()
        }
        known = {one: await self._look(conn, grant, sender, one, went_on[one], into[one]) for one in went_on}
        held = {one: await self._carried(conn, grant, before, one, went_on[one], known[one]) for one in went_on}
        made_of = self._numbered_all(grant)
        join = partial(regrouped.join, conn, grant, self._store.records, key, made_of)
        others = {one: await join(one, before, went_on[one], into[one], parted) for one in went_on}
        for report in sorted(
            changed, key=went_on.__contains__
        ):  # what is taken out leads nowhere when the rest is settled
            held_by, other = held.get(report, _NOTHING), others.get(report, renamed.NOTHING)
            was, now = before.get(report, []), after.get(report, [])
            await self._write(conn, grant, key, report, was, now, *held_by, other, back=report in back)
        await regrouped.tell_readers(conn, grant, others, lambda report: made_of(report, after[report]).trees)
        then = {one: [*before.get(one, []), *others[one].versions] for one in went_on}
        if any(old and release.ends(old, went_on[one], _issued(old, grant.at)) for one, old in then.items()):
            # What reports by FHIR withhold of it was taken off with what messages do no more.
            await spreading.settle_if_any(conn, grant, self._reader, _TYPES)
        for report, versions in went_on.items():
            if any((*held[report][1:], *release.withheld(versions, grant.at))):
                await self._spread(conn, grant, sender, report, versions)

    async def _look(
        self, conn: Connection, grant: Grant, sender: str, report: bytes, versions: Versions, into: Sequence[bytes]
    ) -> _Looked:
        """The chains that a report goes on with beside its own, and what withholds theirs: what `_numbered` gives, and of a
        change that names no report those of the same request or issue time. What withholds a report that is taken `into`
        it goes along too, since that has a record no more."""
        found = self._numbered(grant, sender, report, versions)
        if kin.is_orphan(versions):
            anchors = [self._anchor(sender, one) for one in following.anchors(versions)]
            found |= await following.near(conn, grant, self._chains, anchors) - {(grant.subject.patient, report)}
        taken_in = {(grant.subject.patient, one) for one in into}
        near = [following.report_id(self._store.ids, *one) for one in sorted(found | taken_in)]
        return _Looked(found, await spreading.withheld_by(conn, grant, near) if near else NOT_SHUT)

    def _numbered(self, grant: Grant, sender: str, report: bytes, versions: Versions) -> set[following.Chain]:
        """What had a report's number in another discipline, or under another of the patient's keys."""
        found = {
            (patient, self._number(sender, key))
            for key, own in following.numbers(versions).items()
            for patient in grant.subject.keys
            if not own or patient != grant.subject.patient
        }
        return found - {(grant.subject.patient, report)}

    async def _carried(
        self, conn: Connection, grant: Grant, before: Mapping[bytes, Versions], report: bytes, versions: Versions,
        looked: _Looked,
    ) -> Held:  # fmt: skip
        """What a report goes on with, read before anything is taken out: the patient's marks (None where she has none), and
        what its source withholds, until when."""
        ids = self._store.ids
        if not has_marks(grant):
            return None, *looked.shut
        near = [following.report_id(ids, *one) for one in sorted(looked.beside)]
        was = [(one, before[one]) for one in following.sources_of(versions, before)]
        gone = set().union(*[await self._filed(conn, grant, one, old) for one, old in was])
        gone -= self._named(grant, report, versions)
        reports = [following.report_id(ids, grant.subject.patient, one) for one, _ in was]
        single = await self._lying(conn, grant, looked.beside) if has_single(grant) else set()
        return await marking.marks_on(conn, grant, {*reports, *near, *gone, *single}), *looked.shut

    async def _spread(self, conn: Connection, grant: Grant, sender: str, report: bytes, versions: Versions) -> None:
        """What withholds a report is laid on what goes on with it and came before it: in whatever order versions come, the
        same is withheld. On what a change without a report may be of, `kin.gather` alone lays it, as long as that is in doubt.
        """
        own = following.report_id(self._store.ids, grant.subject.patient, report)
        labels, opens = await spreading.withheld_by(conn, grant, [own])
        if labels or (opens and opens > grant.at):
            anchors = [self._anchor(sender, one) for one in following.anchors(versions)]
            orphans = await following.near(conn, grant, self._chains, anchors, orphans=True)
            beside = {*self._numbered(grant, sender, report, versions), *orphans}
            named = await self._lying(conn, grant, beside - {(grant.subject.patient, report)})
            await spreading.lay_on(conn, grant, dict.fromkeys(named, (labels, opens)))

    async def _lying(self, conn: Connection, grant: Grant, found: Collection[following.Chain]) -> set[tuple[int, UUID]]:
        """The records that these chains give."""
        named: set[tuple[int, UUID]] = set()
        for patient in grant.subject.keys:
            there, names = at_key(grant, patient), sorted(name for key, name in found if key == patient)
            for name, sources in (await self._chains.sources(conn, there, names)).items():
                if sources:
                    named |= await self._filed(conn, there, name, [chain.unpack(one.raw) for one in sources])
        return named

    async def _write(
        self, conn: Connection, grant: Grant, key: DataKey, report: bytes, before: Versions, after: Versions,
        marks: Label | None, carried: Label, until: datetime | None, other: renamed.Renamed, *, back: bool,
    ) -> None:  # fmt: skip
        """A report's present state as records: what is new or changed, nothing else. `before`: its versions until now.

        `marks`: what the patient had put on what this goes on with; None where she has marked nothing. `carried` and
        `until`: what its source withholds that by. `other`: what has another id from now on. `back`: it was
        withdrawn from here as of a wrong person, and is hers after all; what it gives no more stays withdrawn.
        """
        made = await _in_turn(before, lambda: self._made(grant, report, before)) if before else {}
        records = self._store.records
        if not after:
            filed = await self._filed(conn, grant, report, before)
            await outgrown.take_out(conn, grant, records, await records.present(conn, grant, filed, key))
            return
        given = await _in_turn(after, lambda: laid_out(self._store.ids, grant, report, after, (carried, until)))
        state, changes, kinds = given.state, given.changes, given.kinds
        named = [(change.type, change.id) for change in changes]
        there = await records.present(conn, grant, {*named, *made}, key, withdrawn=back) if before else {}
        if made and not back:
            other = await outgrown.make_way(conn, grant, records, made, given.trees, there, other, key)
        current = {place: there[place] for place in named if place in there}
        seen, was = other.seen(current), other.was(made)
        shut = seen
        number = numberer(self._store.ids, grant.subject.patient, report, given.ids)
        said = partial(keeping.Said.of, state, [one for one in after if one not in before], number)
        both = list(zip(changes, given.trees, strict=True))
        if seen:
            versions = [*before, *other.versions]
            both, shut = keeping.withheld_now(both, seen, was, (versions, after, _issued(versions, grant.at)), grant.at)
        laid = await keeping.beside_fhir(conn, grant, records, both, shut, was, said, other.gone)
        if let_go := other.let_go(both, laid):
            await records.write(conn, grant, let_go, key=key)
            await records.remove(conn, grant, [(change.type, change.id) for change in let_go])
        trees = [tree for _, tree in laid]
        fresh = [
            keeping.as_marked(change, seen.get(place))._replace(corrects=_undoes(tree, seen.get(place), was.get(place)))
            for change, tree in laid
            if not keeping.is_as_before(change, current.get(place := (change.type, change.id))) or back
        ]
        if learnt := keeping.learnt(laid, current):
            await records.as_mapped(conn, grant, learnt)
        if not fresh:
            await self._mark(conn, grant, changes, marks, kinds)
            return
        beside = await _in_turn(after, lambda: self._beside(grant, key, given._replace(trees=trees), fresh, seen))
        written = await records.write(conn, grant, fresh, beside, key)
        await self._mark(conn, grant, changes, marks, kinds)
        await self._tell(conn, grant, written, fresh, trees, seen)
        if (before or other.ids) and (_was_taken_back(changes, seen) or _takes_back_more(trees, seen)):
            stands = await pointing.settle(conn, grant, self._reader)
            await followup.tell_readers(conn, grant, "corrected", stands, with_report=True)

    def _beside(
        self,
        grant: Grant,
        key: DataKey,
        given: Given,
        fresh: Sequence[Change],
        seen: Mapping[tuple[int, UUID], Present],
    ) -> list[Beside]:
        """What is done with the write of `fresh`, of which `seen` stood before: repeats are noted, the inbox is filled."""
        requester = given.state.report.requester
        beside = repeats.note(self._store, grant, key, requester, given.trees, given.ids, fresh, seen)
        if hpr := requester_of(given.trees):
            beside.append(followup.put_in_inbox(hpr, REPORT_TYPE, moment_of(given.state.issued, grant.at)))
        return beside

    async def _tell(
        self, conn: Connection, grant: Grant, written: Sequence[Written], fresh: Sequence[Change],
        trees: Sequence[dict[str, Any]], current: Mapping[tuple[int, UUID], Present],
    ) -> None:  # fmt: skip
        """Tells who had read what is now corrected or withdrawn."""
        rest = []
        for one, change in zip(written, fresh, strict=True):
            if change.corrects:
                await changing.tell(conn, grant, self._reader, one)
            elif one.version > 1 and one.type in (OBSERVATION_TYPE, REPORT_TYPE):
                rest.append(one)
        if rest:
            by_id = {tree["id"]: tree for tree in trees}
            corrected = [(w.type, w.id, w.version) for w in rest if _is_corrected(w, by_id[str(w.id)], current)]
            await followup.tell_readers(conn, grant, "corrected", corrected)

    def _numbered_all(self, grant: Grant) -> regrouped.Numbering:
        return partial(renamed.numbered, self._store.ids, grant.subject.patient)

    async def _mark(
        self, conn: Connection, grant: Grant, changes: Sequence[Change], marks: Label | None, kinds: frozenset[str]
    ) -> None:
        """All of a report is of its kinds and goes on with its marks, what this version leaves as it was too."""
        if marks is not None:
            named = [(change.type, change.id) for change in changes]
            await marking.lay_on(conn, grant, named, Label(int(marks) | int(marks_of(grant, kinds))))

    async def _filed(self, conn: Connection, grant: Grant, report: bytes, versions: Versions) -> set[tuple[int, UUID]]:
        """The records that some versions of a report give, and those that they gave by an older mapping."""
        named = self._named(grant, report, versions)
        beside = await outgrown.found(conn, grant, self._store.records, named)
        return named | {place for place, one in beside.items() if one.stands}

    def _named(self, grant: Grant, report: bytes, versions: Versions) -> set[tuple[int, UUID]]:
        return set(self._made(grant, report, versions))

    def _made(self, grant: Grant, report: bytes, versions: Versions) -> dict[tuple[int, UUID], dict[str, Any]]:
        """The resources that some versions of a report give."""
        ids: dict[str, UUID] = {}
        trees = mapping.resources(chain.fold(versions), numberer(self._store.ids, grant.subject.patient, report, ids))
        return {(type_number(tree["resourceType"]), ids[tree["id"]]): tree for tree in trees}


async def _in_turn(versions: Versions, work: Callable[[], Done]) -> Done:
    """What `work` makes of a report, in a thread where it is large."""
    large = sum(len(version.report.items) for version in versions) >= LARGE_RESULTS
    return await changing.in_thread(work) if large else work()


def number_of(digest: Digest, sender: str, key: tuple[str, ...]) -> bytes:
    """The laboratory's number of a report, by its key, as it is looked up."""
    return digest(f"report|{sender}|{chain.report_digest(key).hex()}")


def moved_mark(digest: Digest, sender: str) -> bytes:
    """What a sender's moved reports are found by."""
    return digest(f"moved|{sender}")


def _was_taken_back(changes: Sequence[Change], current: Mapping[tuple[int, UUID], Present]) -> bool:
    """Whether the report that a message gave was withdrawn or deleted by FHIR before this one, or results of it with theirs."""
    if any(one.with_report for one in current.values()):
        return True
    reports = [current.get((change.type, change.id)) for change in changes if change.type == REPORT_TYPE]
    return any(one is None or pointing.is_void(decode(one.raw)) for one in reports)


def _takes_back_more(trees: Sequence[Mapping[str, Any]], current: Mapping[tuple[int, UUID], Present]) -> bool:
    """Whether the report is void now over results that do not say so themselves: what FHIR wrote of them stands."""
    if not any(tree["resourceType"] == "DiagnosticReport" and pointing.is_void(tree) for tree in trees):
        return False
    said = {tree["id"] for tree in trees if pointing.is_void(tree)}
    led = (pointing.leads_to(tree) for tree in (*trees, *(decode(one.raw) for one in current.values())))
    return any(str(id_) not in said for named in led for id_ in named)


def _issued(versions: Versions, at: datetime) -> datetime:
    """When a report of these versions was first issued."""
    return moment_of(chain.first_issued(chain.ordered(versions)), at)


def _undoes(tree: Mapping[str, Any], stood: Present | None, was: Mapping[str, Any] | None) -> bool:
    """Whether a record says something else than what stood there by FHIR, or as an older mapping made it; `was` is what the
    versions before had made.

    What they had made themselves stays in sight by the report's own changes (`codes.CHANGE`).
    """
    if stood is None or (was is not None and stood.raw == keeping.raw_of(was)):
        return False
    before = decode(stood.raw)
    is_other = was is None or corrects(was, before) or corrects(before, was)
    return is_other and corrects(before, tree)


def _is_corrected(written: Written, tree: Mapping[str, Any], current: Mapping[tuple[int, UUID], Present]) -> bool:
    """Whether a result says that it said something else before, or was left out before, or a report has lost a file."""
    before = current.get((written.type, written.id))
    if written.type == REPORT_TYPE:
        return before is not None and lost_files(decode(before.raw), tree)
    if any(one.get("url") == codes.CHANGE for one in tree.get("extension", ())):
        return True
    return before is not None and _LEFT_OUT in before.raw
