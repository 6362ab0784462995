"""What a patient has restricted follows its chain of versions: a correction never takes a restriction away (law, K50).

A report's number stands within its discipline, so a correction into another discipline has a chain of its own; and what a
laboratory sends under other numbers moves from chain to chain. The marks go along, whatever the new version says it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from kjerne.access import NO_LABEL, Grant, Label
from kjerne.fhir.definitions import type_number
from kjerne.registries.withholding import RESTRICTABLE
from kjerne.services.results.kith import chain, kin
from kjerne.services.results.kith.model import Report
from kjerne.store import marking
from kjerne.store.chains import Chains
from kjerne.store.pool import Connection
from kjerne.store.sealed_id import SealedIds

REPORT: Final = type_number("DiagnosticReport")

Named = tuple[int, UUID]
Versions = Sequence[chain.Versioned]


def report_id(ids: SealedIds, patient: int, report: bytes) -> Named:
    """The record that a chain's report is, by the name that the mapping gives it."""
    return REPORT, ids.named(patient, report.hex(), "DiagnosticReport", "report")


def sources_of(after: Versions, before: Mapping[bytes, Versions]) -> list[bytes]:
    """The chains whose versions are now a report's: it goes on with them."""
    own = {_name(version) for version in after}
    return [report for report, versions in before.items() if not own.isdisjoint(map(_name, versions))]


def elsewhere(versions: Versions) -> list[tuple[str, ...]]:
    """The keys that these versions would have had in other disciplines."""
    return [
        (chain.laboratory(report), code, report.id)
        for report in (version.report for version in versions)
        if report.id
        for code in _others(report)
    ]


def anchors_elsewhere(versions: Versions) -> list[tuple[str, ...]]:
    """What an orphan would share with the report it changes, were that of another discipline; nothing for any other."""
    if not kin.is_orphan(versions):
        return []
    reports = [version.report for version in versions]
    return [one for report in reports for code in _others(report) for one in kin.anchors(report, code)]


async def carried(
    conn: Connection, grant: Grant, chains: Chains, ids: SealedIds, named: Iterable[Named], numbers: Iterable[bytes],
    anchors: Sequence[bytes],
) -> Label:  # fmt: skip
    """The marks that a new version gets from what it goes on with: from the records `named`, from reports that had one of
    these numbers in another discipline, and from those that share an anchor there."""
    found = list(named)
    for patient in grant.subject.keys:
        found += [report_id(ids, patient, number) for number in numbers]
    if anchors:
        near = await chains.relatives(conn, grant, anchors)
        found += [report_id(ids, grant.subject.patient, report) for report in near]
    return await marking.marks_on(conn, grant, found) if found else NO_LABEL


def _others(report: Report) -> list[str]:
    return sorted({*RESTRICTABLE, ""} - {report.discipline.code})


def _name(version: chain.Versioned) -> tuple[str, str, int]:
    return version.message, version.generated, version.part
