"""A chart made of records: what each says, with what its former versions said, and which of them the row of a page names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.fhir.definitions import type_name, type_number
from kjerne.fhir.encode import decode
from kjerne.pages.house import Chart, Coming, Patient, Resource, Source
from kjerne.pages.shown import references_of, results_of
from kjerne.services.results import trends
from kjerne.services.results.former import gone, taken_back, with_former, with_former_files, without_gone_files
from kjerne.store import files, marking
from kjerne.store.files import Replaced
from kjerne.store.reading import Record

TYPES = ("DiagnosticReport", "Observation", "ServiceRequest", "Specimen", "PractitionerRole")
REPORT = files.REPORT
OBSERVATION = type_number("Observation")


def tree_of(record: Record) -> Resource:
    """A record as the pages read it; a result whose every report was withdrawn as one that was taken back itself."""
    tree = said(record)
    return taken_back(tree) if record.labels & Label.WITHDRAWN_WITH_REPORT else tree


def said(record: Record) -> Resource:
    """What a version says itself. A former one that was kept while its reports were withdrawn had been read before that."""
    return decode(record.raw) | {"id": str(record.id), "meta": decode(record.served)["meta"]}


def as_read(
    versions: Sequence[Record], replaced: Sequence[Replaced], specimens: Mapping[str, Sequence[Resource]]
) -> Resource:
    """A record as the pages show it: with what its former versions said, and a report with the files that it had."""
    current, *former = map(said, versions)
    if current["resourceType"] == "DiagnosticReport":
        current = without_gone_files(with_former_files(current, former, replaced), replaced)
    return with_former(current, former, specimens, with_report=bool(versions[0].labels & Label.WITHDRAWN_WITH_REPORT))


def gone_tree(record: Record, at: datetime) -> Resource:
    """The last version of a record that was deleted at this time: what it said last, taken back."""
    tree = gone(tree_of(record))
    return tree | {"meta": tree["meta"] | {"lastUpdated": decode(record._replace(at=at).served)["meta"]["lastUpdated"]}}


def trees_of(
    found: Sequence[tuple[Record, Sequence[Record]]],
    replaced: Sequence[Replaced],
    lost: Sequence[tuple[Record, datetime]],
) -> dict[str, list[Resource]]:
    """The resources of each type, with what they and their specimens said before; specimens that were deleted too, since
    results point to them."""
    versions: dict[str, list[list[Record]]] = {name: [] for name in TYPES}
    for record, former in found:
        versions[type_name(record.type)].append([record, *former])
    specimens = {str(one[0].id): [*map(said, one)] for one in versions["Specimen"]}
    deleted = {str(record.id): [gone_tree(record, at), said(record)] for record, at in lost}
    specimens |= deleted
    trees = {name: [as_read(one, replaced, specimens) for one in held] for name, held in versions.items()}
    trees["Specimen"] += [with_former(current, former, specimens) for current, *former in deleted.values()]
    return trees


def chart_of(
    patient: Patient,
    grant: Grant,
    records: Sequence[Record],
    trees: Mapping[str, list[Resource]],
    shut: tuple[int, list[datetime]],
    acknowledged: Mapping[UUID, tuple[int, datetime]],
    waiting: Mapping[UUID, int],
) -> Chart:
    versions = {record.id: record.version for record in records if record.type == REPORT}
    signed = {str(id_): at for id_, (version, at) in acknowledged.items() if versions.get(id_, version + 1) <= version}
    later = _changed_since(signed, acknowledged, records, trees)
    signed = {report: at for report, at in signed.items() if report not in later}
    locked, releases = shut
    coming = releases if grant.released_only else []
    return Chart(
        patient=patient,
        read_at=grant.at,
        reports=tuple(trees["DiagnosticReport"]),
        observations=tuple(trees["Observation"]),
        requests=tuple(trees["ServiceRequest"]),
        specimens=tuple(trees["Specimen"]),
        names={role["id"]: _role_name(role) for role in trees["PractitionerRole"]},
        laboratories={
            role["id"]: trends.laboratory_key(role.get("organization", {})) for role in trees["PractitionerRole"]
        },
        locked=locked,
        unread=later | {str(id_) for id_ in waiting if id_ in versions and str(id_) not in signed},
        acknowledged=signed,
        coming=tuple(Coming(at) for at in coming),
        sources=(Source("kjerne", answered=True, at=grant.at),),
    )


Named = list[tuple[int, UUID, int]]


def named(found: Sequence[tuple[Record, Sequence[Record]]], ids: Collection[str], *, history: bool = True) -> Named:
    """Those of some ids, with what they said before."""
    shown = (one for record, former in found if str(record.id) in ids for one in (record, *(former if history else ())))
    return [(one.type, one.id, one.version) for one in shown]


def lost_of(chart: Chart, lost: Sequence[tuple[Record, datetime]], ids: Collection[str] | None) -> Named:
    """Of specimens that were deleted those that a page names: of these ids, or those that some result of the chart is of."""
    wanted = references_of(chart.observations, "specimen") if ids is None else ids
    return [(one.type, one.id, one.version) for one, _ in lost if str(one.id) in wanted]


def is_closed(grant: Grant) -> bool:
    """Whether an opt-out of the service is in force: nothing new is filed then."""
    return any(
        one.kind == "opt-out" and one.service in ("", grant.service) and marking.holds_at(one, grant.at)
        for one in grant.subject.choices
    )


def _changed_since(
    signed: Mapping[str, datetime],
    acknowledged: Mapping[UUID, tuple[int, datetime]],
    records: Sequence[Record],
    trees: Mapping[str, list[Resource]],
) -> frozenset[str]:
    """The signed reports that lead to a result which came or changed after that, as by FHIR it does without its report, and
    was not signed itself in this version."""
    open_ = (one for one in records if one.type == OBSERVATION and acknowledged.get(one.id, (0,))[0] < one.version)
    at = {str(record.id): record.at for record in open_}
    led = results_of([one for one in trees["DiagnosticReport"] if one["id"] in signed], trees["Observation"])
    return frozenset(
        report for report, results in led.items() if any(own in at and at[own] > signed[report] for own in results)
    )


def _role_name(role: Resource) -> str:
    parts = [role.get("practitioner", {}).get("display", ""), role.get("organization", {}).get("display", "")]
    return ", ".join(part for part in parts if part)
