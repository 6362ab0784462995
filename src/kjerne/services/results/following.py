"""What a patient has restricted, or a source withholds, follows its chain of versions: no correction takes it away (K50, K67).

A report's number stands within its discipline, so a correction into another discipline has a chain of its own; and what a
laboratory sends under other numbers moves from chain to chain. The marks go along, whatever the new version says it is, and
under whichever of her numbers it comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.fhir.definitions import type_number
from kjerne.registries.withholding import RESTRICTABLE
from kjerne.services.results.kith import chain, kin
from kjerne.services.results.kith.model import Report
from kjerne.store.chains import Chains
from kjerne.store.matching import at_key
from kjerne.store.pool import Connection
from kjerne.store.sealed_id import SealedIds

REPORT: Final = type_number("DiagnosticReport")

Named = tuple[int, UUID]
Chain = tuple[int, bytes]
"""A chain under one of the patient's keys."""
Versions = Sequence[chain.Versioned]


def report_id(ids: SealedIds, patient: int, report: bytes) -> Named:
    """The record that a chain's report is, by the name that the mapping gives it."""
    return REPORT, ids.named(patient, report.hex(), "DiagnosticReport", "report")


def sources_of(after: Versions, before: Mapping[bytes, Versions]) -> list[bytes]:
    """The chains whose versions are now a report's: it goes on with them."""
    own = {version.name for version in after}
    return [report for report, versions in before.items() if any(one.name in own for one in versions)]


def filed_anew(before: Versions, fresh: Mapping[bytes, list[chain.Versioned]]) -> dict[bytes, list[chain.Versioned]]:
    """Those of some `fresh` chains that hold versions of a chain that was there."""
    was = {version.name for version in before if not chain.is_absent(version)}
    return {
        report: now for report, now in fresh.items() if any(one.name in was and not chain.is_absent(one) for one in now)
    }


def numbers(versions: Versions) -> dict[tuple[str, ...], bool]:
    """The keys that these versions have, or would have had in other disciplines; and whether a key is in their own."""
    return {
        (chain.laboratory(report), code, report.id): code == report.discipline.code
        for report in (version.report for version in versions)
        if report.id
        for code in _disciplines(report)
    }


def anchors(versions: Versions) -> list[tuple[str, ...]]:
    """What a report shares with a change of it that names it by no number, in whatever discipline that comes."""
    reports = [version.report for version in versions]
    return sorted({one for report in reports for code in _disciplines(report) for one in kin.anchors(report, code)})


async def near(
    conn: Connection, grant: Grant, chains: Chains, anchors: Sequence[bytes], *, orphans: bool = False
) -> set[Chain]:
    """The chains under any of the patient's keys that share an anchor; of `orphans` those alone that hold nothing but changes."""
    found: set[Chain] = set()
    for patient in grant.subject.keys if anchors else ():
        shared = await chains.relatives(conn, at_key(grant, patient), anchors)
        found |= {(patient, report) for report, changes in shared.items() if changes or not orphans}
    return found


def _disciplines(report: Report) -> set[str]:
    return {*RESTRICTABLE, "", report.discipline.code}
