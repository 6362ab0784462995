"""A report into the record of its patient: its chain of versions folded anew, inside the intake's transaction.

What is new or changed is written, what the report does not give any more is taken out, and those who had read what is
now corrected or withdrawn are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import encode
from kjerne.fhir.index import index
from kjerne.services.results import release, repeats
from kjerne.services.results.kith import chain, codes, kin, mapping
from kjerne.store import followup
from kjerne.store.chains import Chains, Source
from kjerne.store.house import Store
from kjerne.store.people import Newcomer
from kjerne.store.pool import Connection
from kjerne.store.records import Change, Written

REPORT_TYPE: Final = type_number("DiagnosticReport")
OBSERVATION_TYPE: Final = type_number("Observation")
KIN_LIMIT: Final = 50
"""Chains that share a request or an issue time. Where a laboratory calls more than these the same, it says nothing."""

Digest = Callable[[str], bytes]
Versions = list[chain.Versioned]
Reports = Mapping[bytes, Sequence[chain.Versioned]]


@dataclass(frozen=True, slots=True)
class Filing:
    """One report on its way: its chain, the grant for whom it names, and for whom the chain was filed on until now.

    `newcomer` is set where no register knew whom it names; she is registered with it.
    """

    sender: str
    report: bytes
    version: chain.Versioned
    grant: Grant
    owner: int | None
    former: Grant | None
    newcomer: Newcomer | None = None


class Files:
    """Files reports for one house; `digest` hides what names a chain."""

    def __init__(self, store: Store, chains: Chains, digest: Digest) -> None:
        self._store = store
        self._chains = chains
        self._digest = digest

    async def file(self, conn: Connection, filing: Filing, message: str) -> None:
        """One version into its chain, and the chain's state into the record of whoever the newest version names.

        Call inside a transaction that holds the chain and the rows of both patients.
        """
        grant, former, report, version = filing.grant, filing.former, filing.report, filing.version
        source = Source(version.generated_at, version.message, chain.pack(version))
        sources: list[Source] = []
        if filing.owner is not None:
            sources = await self._chains.sources(conn, former or grant, report)
        own = [chain.unpack(one.raw) for one in sources]
        before, kept = own, [source]
        if former is not None:
            if source.made_at < max(one.made_at for one in sources):
                # A late, older version with the wrong number: the chain has moved on, and this is a part of its past.
                grant = former
            else:
                await self._leave(conn, former, filing, own)
                await self._chains.note_move(conn, former, moved_mark(self._digest, filing.sender), message)
                before, kept = [], [*sources, source]
        after = [*own, version]
        orphan = kin.is_orphan(after)
        near = await self._chains.keep(conn, grant, report, kept, self._anchors(filing.sender, after), orphan)
        concerned = orphan or kin.is_orphan(before) or any(near.values())
        others = await self._kin(conn, grant, filing, near) if concerned else {}
        await self._refile(conn, grant, {**others, report: before}, {**others, report: after})

    async def _leave(self, conn: Connection, former: Grant, filing: Filing, own: Versions) -> None:
        """Takes a chain from the wrong person, and tells everybody who had opened it there."""
        report = filing.report
        near = await self._chains.relatives(conn, former, self._anchors(filing.sender, own))
        near.pop(report, None)
        others = await self._kin(conn, former, filing, near) if kin.is_orphan(own) or any(near.values()) else {}
        before = kin.gather({**others, report: own})
        if report in before:
            named = sorted(self._named(former, report, before[report]), key=str)
            shut = await self._chains.withdraw(conn, former, named)
            told = [(type_, id_, 0) for type_, id_ in shut if type_ in (REPORT_TYPE, OBSERVATION_TYPE)]
            await followup.tell_readers(conn, former, "withdrawn", told)
        left = {key: versions for key, versions in before.items() if key != report}
        await self._rewrite(conn, former, left, kin.gather(others))

    async def _kin(
        self, conn: Connection, grant: Grant, filing: Filing, near: Iterable[bytes]
    ) -> dict[bytes, Versions]:
        """The chains that a filing may concern beside its own, with their versions: `near` and what is near to those."""
        found: dict[bytes, Versions] = {}
        waiting = set(near)
        while waiting:
            if len(found) + len(waiting) > KIN_LIMIT:
                return {}
            for key in sorted(waiting):
                sources = await self._chains.sources(conn, grant, key)
                found[key] = [chain.unpack(one.raw) for one in sources]
            shared = self._anchors(filing.sender, [version for key in waiting for version in found[key]])
            waiting = set(await self._chains.relatives(conn, grant, shared)) - found.keys() - {filing.report}
        return found

    def _anchors(self, sender: str, versions: Sequence[chain.Versioned]) -> list[bytes]:
        named = {anchor for version in versions for anchor in kin.anchors(version.report)}
        return [self._digest("\x1f".join(("kin", sender, *anchor))) for anchor in sorted(named)]

    async def _refile(self, conn: Connection, grant: Grant, before: Reports, after: Reports) -> None:
        await self._rewrite(conn, grant, kin.gather(before), kin.gather(after))

    async def _rewrite(
        self, conn: Connection, grant: Grant, before: Mapping[bytes, Versions], after: Mapping[bytes, Versions]
    ) -> None:
        """The reports whose versions are others than before; one that has become a part of another is taken out."""
        for report in sorted(before.keys() | after.keys()):
            old, new = before.get(report, []), after.get(report, [])
            if old != new:
                await self._write(conn, grant, report, old, new)

    async def _write(self, conn: Connection, grant: Grant, report: bytes, before: Versions, after: Versions) -> None:
        """A report's present state as records: what is new or changed, nothing else. `before`: its versions until now."""
        if not after:
            await self._remove_gone(conn, grant, report, before, set())
            return
        state = chain.fold(after)
        ids: dict[str, UUID] = {}
        trees = mapping.resources(state, self._numberer(grant.subject.patient, report, ids))
        opens = release.opens_at(state.report, _moment(state.first_issued, grant.at))
        withheld = release.labels_of(state.report)
        changes = [_change(tree, ids[tree["id"]], opens, withheld) for tree in trees]
        await self._remove_gone(conn, grant, report, before, {(change.type, change.id) for change in changes})
        current = await self._store.records.bodies(conn, grant, changes) if before else {}
        fresh = [change for change in changes if current.get((change.type, change.id)) != change.raw]
        if not fresh:
            return
        written = await self._store.records.write(conn, grant, fresh)
        await repeats.note(conn, self._store, grant, state.report.requester, trees, fresh, current)
        seen_before = [w for w in written if w.version > 1 and w.type == OBSERVATION_TYPE]
        if seen_before:
            corrected = [(w.type, w.id, w.version) for w in seen_before if _is_corrected(w, trees)]
            await followup.tell_readers(conn, grant, "corrected", corrected)
        requester = _requester(trees)
        if requester:
            reports = [(w.type, w.id, w.version) for w in written if w.type == REPORT_TYPE]
            await followup.put_in_inbox(conn, grant, requester, reports, _moment(state.issued, grant.at))

    async def _remove_gone(
        self, conn: Connection, grant: Grant, report: bytes, before: Versions, now: set[tuple[int, UUID]]
    ) -> None:
        """What the chain gave before its latest version came, and does not give any more, is taken out."""
        if before:
            gone = self._named(grant, report, before) - now
            if gone:
                await self._store.records.remove(conn, grant, sorted(gone, key=str))

    def _named(self, grant: Grant, report: bytes, versions: Versions) -> set[tuple[int, UUID]]:
        ids: dict[str, UUID] = {}
        trees = mapping.resources(chain.fold(versions), self._numberer(grant.subject.patient, report, ids))
        return {(type_number(tree["resourceType"]), ids[tree["id"]]) for tree in trees}

    def _numberer(self, patient: int, report: bytes, ids: dict[str, UUID]) -> Callable[[str, str], str]:
        """Gives the resources of a chain their ids as text, and notes in `ids` what each text stands for."""
        name = report.hex()

        def number(type_: str, key: str) -> str:
            id_ = self._store.ids.named(patient, name, type_, key)
            text = str(id_)
            ids[text] = id_
            return text

        return number


def moved_mark(digest: Digest, sender: str) -> bytes:
    """What a sender's moved reports are found by."""
    return digest(f"moved|{sender}")


def _change(tree: dict[str, Any], id_: UUID, opens: datetime | None, withheld: Label) -> Change:
    raw = encode({name: value for name, value in tree.items() if name != "id"})
    labels = withheld | Label.NOT_THE_MOTHERS if mapping.not_the_patients(tree) else withheld
    return Change(type_number(tree["resourceType"]), id_, raw, index(tree), labels, opens)


def _is_corrected(written: Written, trees: Sequence[Mapping[str, Any]]) -> bool:
    tree = next((one for one in trees if one["id"] == str(written.id)), {})
    return any(one.get("url") == codes.CHANGE for one in tree.get("extension", ()))


def _requester(trees: Sequence[Mapping[str, Any]]) -> str:
    """The HPR number of whoever asked for the report; empty where the message names none."""
    roles = {f"PractitionerRole/{tree['id']}": tree for tree in trees if tree["resourceType"] == "PractitionerRole"}
    for tree in trees:
        if tree["resourceType"] == "ServiceRequest":
            role = roles.get(tree.get("requester", {}).get("reference", ""), {})
            identifier = role.get("practitioner", {}).get("identifier", {})
            if identifier.get("system") == codes.IDENTIFIER_SYSTEM["HPR"]:
                return str(identifier.get("value", ""))
    return ""


def _moment(text: str, otherwise: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return at if at.tzinfo else at.replace(tzinfo=UTC)
