"""Answers that are read and not measured: radiology, pathology, microbiology and other long texts, as findings in order.

Microbiology becomes organism x antibiotic: a growth finding whose members carry a susceptibility of Volven 8271 (S/I/R).
A later version's text stands beside the one it replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from kjerne.services.results import points, values
from kjerne.services.results.judging import NO_RANGE, Flag, Range
from kjerne.services.results.kith import codes
from kjerne.services.results.points import Absent, Aside, Mark, Part, Point
from kjerne.services.results.susceptibility import (
    Susceptibility,
    is_tested,
    level_of,
    susceptibility_of,
    with_its_organism,
    with_their_organisms,
)
from kjerne.services.results.trends import is_table_value
from kjerne.services.results.values import Resource, Value, When

Kind = Literal["radiology", "pathology", "microbiology", "genetics", "laboratory"]

DEPTH_LIMIT: Final = 8
"""Deepest nesting of findings that is followed from one root, before the rest begins anew; the samples need four."""
# Volven 8202 (expertise and kind of report), as it stands in category and code of reports and observations.
_KINDS: Final[tuple[tuple[Kind, frozenset[str]], ...]] = (
    ("radiology", frozenset({"BLD", "RAD", "RTG", "CT", "MR", "UL", "NUK", "ANG", "MAM"})),
    ("pathology", frozenset({"PAT", "HIST", "CYTO", "OBD"})),
    ("microbiology", frozenset({"MBIO"})),
    ("genetics", frozenset({"MGEN"})),
)
_COMMENT: Final = "nilar-comment"
_FORMER_FILE: Final = "/StructureDefinition/former-file"
_FORMER_URL: Final = re.compile(
    r"(?:Binary/(?P<file>[0-9a-f-]{36})|DiagnosticReport/[0-9a-f-]{36}#(?P<place>[0-9]{1,4}))"
    r"(?:/_history/(?P<of>[0-9]{1,9}))?"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One heading with its text. `old` is the text that this one replaced, or that was withdrawn."""

    heading: str
    value: Value
    mark: Mark
    old: Value | None
    depth: int
    whose: str
    """`newborn`, `fetus`, `donor`, `related` or `other` where it is not the patient's own material, else empty."""
    notes: tuple[str, ...]
    absent: Absent = ""
    was: str = ""
    """What the heading was before it was corrected."""
    parts: tuple[Part, ...] = ()
    old_parts: tuple[Part, ...] = ()
    asides: tuple[Aside, ...] = ()
    """What its reading hung on before that was corrected."""
    flag: Flag | None = None
    range: Range = NO_RANGE
    words: str = ""
    """As of a point: what it is judged by goes with it, in a table or out of it."""
    unsettled: bool = False
    added: bool = False


@dataclass(frozen=True, slots=True)
class Organism:
    """What grew, how much, and what it is sensitive to. `isolate` tells two of the same name apart, else 0.

    `old` is what it was called before it was corrected or taken back; `origin` the examination that it stands in.
    """

    name: str
    isolate: int
    details: tuple[Finding, ...]
    tested: tuple[Susceptibility, ...]
    mark: Mark = ""
    old: str = ""
    notes: tuple[str, ...] = ()
    origin: str = ""
    whose: str = ""
    flag: Flag | None = None
    words: str = ""
    """As of a finding; of its name, and in `details` of what stands beside that."""
    unsettled: bool = False
    added: bool = False


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that came with a report (`presentedForm`). `id` is its Binary, or its place where it lies in the report itself.

    `id` is empty where only an address elsewhere was given: nothing is fetched from there.
    """

    id: str
    title: str
    type: str
    """What the sender says it is, as a media type; the bytes may say something else."""
    size_bytes: int | None
    at: When | None
    gone: bool = False
    """Whether its sender has deleted it."""


@dataclass(frozen=True, slots=True)
class FormerFile:
    """A file that another took the place of at `at`, or that was left out. `version` is the one of its Binary that it was, or
    of the report that it lay in; 0 where its Binary is no other now."""

    file: Attached
    at: When | None
    version: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One report as text. `conclusion` is FHIR's own field: in some reports it is all there is.

    `first_missing` says that its first version was never received, so that what was before is not known; `parted` that another
    part of it was another patient's, so that what it says of the whole may be about that one.
    """

    id: str
    kind: Kind
    title: str
    when: When | None
    issued: When | None
    mark: Mark
    performer: str
    requester: str
    findings: tuple[Finding, ...]
    organisms: tuple[Organism, ...]
    conclusion: str
    comments: tuple[str, ...]
    material: str
    first_missing: bool
    attached: tuple[Attached, ...] = ()
    former: str = ""
    """The conclusion that another took the place of."""
    misdated: When | None = None
    """The sample time that was sent, where it cannot be."""
    former_files: tuple[FormerFile, ...] = ()
    """Last replaced first."""
    asides: tuple[Aside, ...] = ()
    """The time of the sample or examination that was corrected."""
    version: int = 0
    parted: bool = False

    @property
    def read(self) -> bool:
        """Whether it says something that stands in no table of numbers: text, a file, or that it was taken back."""
        told = self.findings or self.organisms or self.conclusion or self.comments or self.attached
        return bool(told) or self.mark == "withdrawn"

    @property
    def unsettled(self) -> bool:
        """Whether something that it tells in text is, with another mark or none."""
        return any(one.unsettled or one.mark == "unsettled" for one in self._told)

    @property
    def added(self) -> bool:
        """Whether something that it tells in text came by an addition, and was not taken back."""
        tested = (one for organism in self.organisms for one in organism.tested)
        return any(one.added and one.mark != "withdrawn" for one in (*self._told, *tested))

    @property
    def _told(self) -> tuple[Finding | Organism, ...]:
        return (*self.findings, *self.organisms, *(detail for one in self.organisms for detail in one.details))

    @property
    def judged(self) -> tuple[Finding | Organism, ...]:
        """All that a laboratory may have flagged and that is told here alone: numbers of the patient's own stand in a table."""
        return tuple(one for _, one in self.judged_of)

    @property
    def judged_of(self) -> tuple[tuple[str, Finding | Organism], ...]:
        """The same, each with whose material it is (as `Finding.whose`): what stands beside a growth is of the same being."""
        beside = ((one.whose or detail.whose, detail) for one in self.organisms for detail in one.details)
        return (
            *((finding.whose, finding) for finding in self.findings),
            *((one.whose, one) for one in self.organisms),
            *((whose, detail) for whose, detail in beside if whose or detail.value.number is None),
        )


@dataclass(frozen=True, slots=True)
class _Desk:
    """Everything one report is read with, looked up by id."""

    observations: Mapping[str, Resource]
    names: Mapping[str, str]
    requests: Mapping[str, Resource]
    materials: Mapping[str, str]


def kind_of(report: Resource) -> Kind:
    """What sort of report it is, by category and code of Volven 8202."""
    concepts = [*report.get("category", []), report.get("code", {})]
    sent = {str(c.get("code", "")).upper() for concept in concepts for c in concept.get("coding", [])}
    return next((kind for kind, known in _KINDS if sent & known), "laboratory")


def answers(
    reports: Iterable[Resource],
    observations: Iterable[Resource],
    *,
    requests: Iterable[Resource] = (),
    specimens: Iterable[Resource] = (),
    names: Mapping[str, str] | None = None,
) -> tuple[Answer, ...]:
    """Every report as an answer, newest first; one of numbers only has no findings."""
    desk = _Desk(
        {str(o.get("id", "")): o for o in with_their_organisms(observations)},
        names or {},
        {str(r.get("id", "")): r for r in requests},
        points.materials_of(specimens),
    )
    read = [_answer(report, desk) for report in reports]
    return tuple(sorted(read, key=lambda a: (a.when or a.issued or _NEVER).order, reverse=True))


_NEVER: Final = When(date.min)


def in_answers(read: Iterable[Answer], reports: Iterable[Resource], observations: Iterable[Resource]) -> frozenset[str]:
    """Ids of observations that are read as text and so stay out of the table."""
    kinds = {a.id: a.kind for a in read}
    by_id = {str(o.get("id", "")): o for o in observations}
    found: set[str] = set()
    for report in reports:
        kind = kinds.get(str(report.get("id", "")), "laboratory")
        for own in _tree(report, by_id):
            if not _in_table(by_id[own], kind):
                found.add(own)
    return frozenset(found)


def _in_table(observation: Resource, kind: Kind) -> bool:
    """Whether a result stands in the table, and so is not told again as text: what is in neither would be seen by nobody."""
    if is_tested(observation):
        return False
    value = values.value_of(observation)
    numeric = value is not None and value.number is not None
    return numeric or (kind == "laboratory" and is_table_value(observation))


def unreported(reports: Iterable[Resource], observations: Iterable[Resource]) -> tuple[Resource, ...]:
    """A report of its own for each result that no report names, or that lies in a group which none names: FHIR needs none.

    It is named by its result. Those alone that have something to read: the table has the rest.
    """
    by_id = {str(o.get("id", "")): o for o in observations}
    named = {own for report in reports for own in _tree(report, by_id)}
    held = {points.reference_id(ref) for one in by_id.values() for ref in one.get("hasMember", [])}
    roots = [one for own, one in by_id.items() if own not in named and own not in held]
    found = named | {own for one in roots if one.get("hasMember") for own in _tree(_alone(one), by_id)}
    for own, one in by_id.items():
        # Of a circle that nothing leads to the first stands for all.
        if own in held and own not in found:
            roots.append(one)
            found.update(_tree(_alone(one), by_id))
    # A device's numbers come by the thousand, and none of them is read: told apart before anything is made of them.
    made = [_alone(one) for one in roots if one.get("hasMember") or _finding(one, 0, kind_of(one))]
    desk = _Desk(by_id, {}, {}, {})
    return tuple(report for report in made if (read := _answer(report, desk)).findings or read.organisms)


_OF_BOTH: Final = frozenset(
    {"id", "meta", "status", "category", "code", "issued", "performer", "basedOn"}
    | {"effectiveDateTime", "effectivePeriod", "effectiveInstant"}
)
"""What a result and its report say by the same names."""


def _alone(observation: Resource) -> Resource:
    shared = {name: value for name, value in observation.items() if name in _OF_BOTH}
    return shared | {"result": [{"reference": f"Observation/{observation.get('id', '')}"}]}


def _tree(report: Resource, by_id: Mapping[str, Resource]) -> list[str]:
    seen: dict[str, None] = {}
    queue = [points.reference_id(ref) for ref in report.get("result", [])]
    while queue:
        own = queue.pop(0)
        if own in by_id and own not in seen:
            seen[own] = None
            queue.extend(points.reference_id(ref) for ref in by_id[own].get("hasMember", []))
    return list(seen)


def _answer(report: Resource, desk: _Desk) -> Answer:
    ids = _tree(report, desk.observations)
    members = {points.reference_id(m) for own in ids for m in desk.observations[own].get("hasMember", [])}
    kind = kind_of(report)
    walk = _Walk(kind, desk, [], [], set())
    for own in ids:
        if own not in members:
            walk.down(desk.observations[own], 0, DEPTH_LIMIT, "")
    # What no root leads to stands for itself: results that hold each other in a circle, or lie deeper than is followed.
    for own in ids:
        walk.down(desk.observations[own], 0, DEPTH_LIMIT, "")
    moments = [at for own in ids if (at := points.taken(desk.observations[own]))]
    request = next((desk.requests.get(points.reference_id(ref)) for ref in report.get("basedOn", [])), None) or {}
    materials = {points.material_of(desk.observations[own], desk.materials) for own in ids}
    former_files = former_files_of(report)
    says = values.Value(text=conclusion_of(report))
    mark = points.mark_of(report, points.changes_of(report), says) or ("corrected" if former_files else "")
    if mark == "preliminary" and not _is_answered(report, desk):
        mark = "awaited"
    return Answer(
        id=str(report.get("id", "")),
        kind=kind,
        title=_title(report, ids, kind, desk),
        when=_when(report) or min(moments, key=lambda at: at.order, default=None),
        issued=points.issued(report),
        mark=mark,
        performer=points.display_of(report.get("performer", []), desk.names),
        requester=points.display_of([request["requester"]] if request.get("requester") else [], desk.names),
        findings=tuple(walk.findings),
        organisms=_numbered(walk.organisms),
        conclusion=conclusion_of(report),
        comments=_comments(report),
        material=", ".join(sorted(materials - {""})),
        first_missing=points.first_missing(report),
        parted=points.is_parted(report),
        attached=attached_to(report),
        former=former_conclusion(report),
        misdated=points.misdated(report),
        former_files=former_files,
        asides=points.asides_of(points.changes_of(report)),
        version=int(report.get("meta", {}).get("versionId", 0)),
    )


def _is_answered(report: Resource, desk: _Desk) -> bool:
    """Whether it says anything of what was found. One whose results were not all read may."""
    if conclusion_of(report) or report.get("presentedForm"):
        return True
    if any(points.reference_id(ref) not in desk.observations for ref in report.get("result", [])):
        return True
    found = (desk.observations[own] for own in _tree(report, desk.observations))
    return any(values.value_of(one) or points.parts_of(one) or points.changes_of(one) for one in found)


def _when(report: Resource) -> When | None:
    """The report's own time of the sample or examination; its results' serve where it has none."""
    has_own = "effectiveDateTime" in report or "effectivePeriod" in report
    return points.taken(report) if has_own else None


def attached_to(report: Resource) -> tuple[Attached, ...]:
    """The files of one report, in the sender's order."""
    return tuple(_attached(place, form) for place, form in enumerate(report.get("presentedForm", [])))


def former_files_of(report: Resource) -> tuple[FormerFile, ...]:
    """The files that others took the place of, as `kjerne:former-file` tells them: by a message, or laid there from the
    former versions of a report by FHIR (`former.with_former_files`)."""
    found = []
    for extension in values.extensions(report, _FORMER_FILE):
        parts = {str(part.get("url", "")): part for part in extension.get("extension", [])}
        form = parts.get("file", {}).get("valueAttachment", {})
        if named := _FORMER_URL.fullmatch(str(form.get("url", ""))):
            file = replace(_attached(0, form), id=named["file"] or named["place"])
            found.append(FormerFile(file, values.when(parts.get("at", {}).get("valueDateTime")), int(named["of"] or 0)))
    return tuple(sorted(found, key=lambda one: (one.at or _NEVER).order, reverse=True))


def _attached(place: int, form: Resource) -> Attached:
    url, data = str(form.get("url", "")), str(form.get("data", ""))
    binary = url.removeprefix("Binary/") if url.startswith("Binary/") else ""
    size = form.get("size")
    return Attached(
        id=binary or (str(place) if data else ""),
        title=str(form.get("title", "")),
        type=str(form.get("contentType", "")).partition(";")[0].strip().lower(),
        size_bytes=int(size) if size is not None else len(data) * 3 // 4 or None,
        at=values.when(form.get("creation")),
        gone=bool(form.get("gone")),
    )


def _title(report: Resource, ids: Sequence[str], kind: Kind, desk: _Desk) -> str:
    # These reports' own code says only "radiology" or "microbiology": what was examined is the better name.
    if kind in ("radiology", "microbiology"):
        found = [desk.observations[own] for own in ids]
        if kind == "microbiology":
            members = {points.reference_id(ref) for one in found for ref in one.get("hasMember", [])}
            found = [one for one in found if one.get("id") not in members and not is_tested(one)]
        named = [name for one in found if (name := _examination(one))]
        if named := list(dict.fromkeys(named)):
            return ", ".join(named[:3])
    names = [values.concept_text(desk.observations[own].get("code")) for own in ids]
    return name_of(report) or next((name for name in names if name), "")


def name_of(report: Resource) -> str:
    """What a report calls itself; where it gives the code of its discipline (8202) alone, our name of that. Else empty."""
    code = report.get("code", {})
    codings = code.get("coding", [])
    said = code.get("text") or next((c["display"] for c in codings if c.get("display")), "")
    sent = (str(c.get("code", "")).upper() for c in codings)
    return str(said) or next((name for one in sent if (name := codes.discipline_name(one))), "")


def _examination(observation: Resource) -> str:
    # An assessment or a group has its heading (8243) as code: no name of an examination.
    codings = observation.get("code", {}).get("coding", [])
    heading = any(values.is_of(c, values.HEADING) for c in codings)
    return "" if heading else values.concept_text(observation.get("code"))


@dataclass(slots=True)
class _Walk:
    """Gathers what one report says, from its roots down; an item that says nothing lends its depth to its members.

    What stands in one item and refers to another is a member of both: each is told once, or one isolate became two.
    """

    kind: Kind
    desk: _Desk
    findings: list[Finding]
    organisms: list[Organism]
    told: set[str]

    def down(self, observation: Resource, depth: int, left: int, origin: str) -> None:
        own = str(observation.get("id", ""))
        if own in self.told:
            return
        self.told.add(own)
        named = [points.reference_id(ref) for ref in observation.get("hasMember", [])]
        members = [self.desk.observations[one] for one in named if one in self.desk.observations]
        if any(is_tested(member) for member in members):
            self.organisms.append(_organism(observation, members, origin))
            self.told |= {str(member.get("id", "")) for member in members if not member.get("hasMember")}
        elif finding := _finding(observation, depth, self.kind):
            self.findings.append(finding)
            depth += 1
        else:
            origin = _examination(observation) or origin
        if left:
            for member in members:
                self.down(member, depth, left - 1, origin)


def _finding(observation: Resource, depth: int, kind: Kind) -> Finding | None:
    whose = points.another_person(observation)
    # What is in the table is not told again; another person's material is in no table, so it is told here.
    if not whose and _in_table(observation, kind):
        return None
    point = points.point_of(observation)
    # An examination without a value of its own is named by the report; its text stands in what refers to it.
    if point is None or (kind != "laboratory" and points.is_bare(observation) and not (point.old or point.old_parts)):
        return None
    level = level_of(observation) if is_tested(observation) else None
    if level and level.letter and "valueCodeableConcept" not in observation:
        # A MIC as a number, with its letter as interpretation: together they are the answer, and no number to compare.
        point = replace(point, value=Value(text=f"{level.letter} – {level.measured}"))
    return _told(observation, point, depth, whose)


_GROUP: Final = "GR"
"""The heading (8243) that only says that what follows is a group: above a text it says nothing."""


def _told(observation: Resource, point: Point, depth: int, whose: str) -> Finding:
    code = observation.get("code", {})
    group = any(c.get("code") == _GROUP and values.is_of(c, values.HEADING) for c in code.get("coding", []))
    heading = "" if group else values.concept_text(code)
    return Finding(
        heading, point.value, point.mark, point.old, depth, whose, point.notes, point.absent, point.was, point.parts,
        point.old_parts, point.asides, point.flag, point.range, point.words, point.unsettled, point.added,
    )  # fmt: skip


def _organism(observation: Resource, members: Sequence[Resource], origin: str) -> Organism:
    point = points.point_of(observation)
    value, old = (point.value, point.old) if point else (Value(), None)
    former = old.text if old else ""
    mark = point.mark if point else ""
    tested = tuple(with_its_organism(susceptibility_of(member), mark) for member in members if is_tested(member))
    details = [detail for member in members if not is_tested(member) and (detail := _detail(member))]
    if point and (own := _beside_name(point)):
        details.insert(0, _told(observation, own, 0, ""))
    return Organism(
        name=value.text or former or values.concept_text(observation.get("code")),
        isolate=0,
        details=tuple(details),
        tested=tested,
        mark=mark,
        old=former if value.text else "",
        notes=point.notes if point else (),
        origin=origin,
        whose=points.another_person(observation),
        flag=point.flag if point and value.text else None,
        words=point.words if point and value.text else "",
        unsettled=bool(point and point.unsettled),
        added=points.is_added(observation),
    )


def _beside_name(point: Point) -> Point | None:
    """What a growth says beside what grew: how much, as a number, and its further values. Its words are its name."""
    own, old = (None if value is None or value.text else value for value in (point.value, point.old))
    said = (own and own.told) or old or point.parts or point.old_parts
    if not said:
        return None
    alone = replace(point, value=own or Value(), old=old, was="", notes=())
    return replace(alone, flag=points.worst(point.parts), words="", range=NO_RANGE) if point.value.text else alone


def _detail(member: Resource) -> Finding | None:
    point = points.point_of(member)
    if point is None or member.get("hasMember"):
        return None
    return _told(member, point, 0, "")


def _numbered(organisms: Sequence[Organism]) -> tuple[Organism, ...]:
    names = [one.name for one in organisms]
    return tuple(
        replace(one, isolate=names[: place + 1].count(one.name) if names.count(one.name) > 1 else 0)
        for place, one in enumerate(organisms)
    )


def conclusion_of(report: Resource) -> str:
    """What the report concludes, in its words and in those of its codes."""
    coded = [values.concept_text(concept) for concept in report.get("conclusionCode", [])]
    return "\n".join(dict.fromkeys(text for text in (str(report.get("conclusion", "")), *coded) if text))


def former_conclusion(report: Resource) -> str:
    """What the report concluded before it was corrected; empty where that is not known, or still holds."""
    now = conclusion_of(report)
    former = (change.value.text for change in points.changes_of(report) if change.value)
    return next((text for text in former if text and text != now), "")


def _comments(report: Resource) -> tuple[str, ...]:
    said: list[str] = []
    for extension in values.extensions(report, _COMMENT):
        text = extension.get("valueAnnotation", {}).get("text") or values.concept_text(
            extension.get("valueCodeableConcept")
        )
        if text:
            said.append(str(text))
    return tuple(dict.fromkeys(said))
