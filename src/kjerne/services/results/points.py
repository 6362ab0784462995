"""One Observation read for the eye: its value (`values`), range, flag, mark and what it said before.

The shapes are those of docs/results-mapping.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any, Final, Literal

from kjerne.fhir import spelling
from kjerne.fhir.circumstances import Circumstance, specimen_of, spoiled
from kjerne.registries.withholding import is_anothers
from kjerne.services.results import circumstances
from kjerne.services.results.judging import NO_RANGE, Flag, Range, flag_of, flag_words, gravity, range_of, sent_flag
from kjerne.services.results.kith import codes
from kjerne.services.results.kith.times import FIRST_YEAR, LAST_YEAR
from kjerne.services.results.values import (
    OSLO,
    Resource,
    Value,
    When,
    concept_text,
    extensions,
    unit_key,
    value_of,
    when,
)

Mark = Literal["", "corrected", "withdrawn", "preliminary", "not-repeated", "unsettled", "awaited"]
"""`unsettled` has a value and a status that its laboratory left unknown (corrected and not signed, say). `awaited` is a report's
alone: asked for, or its samples taken, and nothing of it answered yet."""
Absent = Literal["", "not-performed", "waiting", "unknown"]
"""Why a result has no value; `waiting` where it was asked for, or its sample taken, and is not answered; `unknown` where its
laboratory sent it as finished, or as of unknown status, without one and gave no reason."""

CHANGE: Final = "/StructureDefinition/change"
FOCUS: Final = "/StructureDefinition/observation-focusCode"
COMPLETES: Final = "/StructureDefinition/completes"
ADDITION: Final = "/StructureDefinition/addition"
READING_NOTE: Final = "/StructureDefinition/reading-note"
REPORT_OF: Final = "/StructureDefinition/nilar-diagnostic-report-ref"
FIRST_MISSING: Final = "The first version of this report has not been received."
"""The reading note of a chain that begins with a change (`kith.chain.fold`)."""
_WITHDRAWN: Final = frozenset({"cancelled", "entered-in-error"})
_CORRECTED: Final = frozenset({"amended", "corrected"})
_WHOSE: Final = frozenset({"newborn", "fetus", "donor", "related"})
_ABSENT: Final[dict[str, Absent]] = {"not-performed": "not-performed", "temp-unknown": "waiting"}
_PRELIMINARY: Final = frozenset({"preliminary", "registered"})
_FINISHED: Final = frozenset({"final", "unknown"}) | _CORRECTED


@dataclass(frozen=True, slots=True)
class Aside:
    """One circumstance of a value (`fhir.circumstances`): its range, its time, or its flag, material or method in `words`.

    A flag that has an arrow of its own is in `flag`. Where there is none of it, none of them is set.
    """

    what: Circumstance
    flag: Flag | None = None
    range: Range = NO_RANGE
    at: When | None = None
    words: str = ""

    @property
    def none(self) -> bool:
        return not (self.flag or self.range != NO_RANGE or self.at or self.words)


@dataclass(frozen=True, slots=True)
class Part:
    """One of several values that a result has (`Observation.component`): the two of a blood pressure, say."""

    name: str
    value: Value
    range: Range = NO_RANGE
    flag: Flag | None = None
    absent: Absent = ""
    words: str = ""
    """What the laboratory's flag says in words."""


@dataclass(frozen=True, slots=True)
class Point:
    """One result. `old` is the value that a corrected or withdrawn one had before, where it is known.

    `issued` is when this content was sent; `first_missing` that the first version of its report was never received.
    A result without a value is a point all the same: `absent` says why there is none. `parts` are further values beside
    its own or in its place, `old_parts` what a corrected or withdrawn one had. `flag` is the gravest of theirs where it has
    no value of its own.
    """

    id: str
    when: When | None
    value: Value
    range: Range
    flag: Flag | None
    mark: Mark
    old: Value | None
    performer: str
    report: str
    notes: tuple[str, ...]
    issued: When | None = None
    first_missing: bool = False
    absent: Absent = ""
    was: str = ""
    """The analysis that the old value was said to be of, where that was corrected too."""
    became: str = ""
    """Where this is what a corrected analysis left behind: the analysis that it was found to be of."""
    parts: tuple[Part, ...] = ()
    old_parts: tuple[Part, ...] = ()
    misdated: When | None = None
    """The sample time that was sent, where it cannot be."""
    asides: tuple[Aside, ...] = ()
    """What its reading hung on before that was corrected, each as it was last."""
    words: str = ""
    """What the laboratory's flag says in words, or by a code that we do not know: shown as it is."""
    sample: str = ""
    """Why its sample is no good: `unsatisfactory`, or `entered-in-error` where it was taken back."""
    unsettled: bool = False
    """Whether it is so beside its mark (`is_unsettled`)."""
    added: bool = False
    """Whether it came by an addition to its report."""

    @property
    def tells(self) -> bool:
        """Whether there is a value, and it was not taken back: what waits or was not done gives way to what was found."""
        return self.mark != "withdrawn" and (self.value.told or any(part.value.told for part in self.parts))

    @property
    def stands(self) -> bool:
        """Whether its newest version still says it: what was taken back or left out gives way to what was not."""
        return self.mark not in ("withdrawn", "not-repeated")

    @property
    def inside(self) -> bool:
        """Whether the value is certainly within its range: said to a citizen only then ("<20" in 11-15 is not)."""
        return not (self.flag or self.words) and self.mark != "withdrawn" and self.range.holds(self.value)


def taken(resource: Resource) -> When | None:
    """When the sample was taken or the examination done; the time it was issued where no better is known.

    What is waited for, and says no time at all, has waited since it was received. A time that cannot be dates nothing, as in
    a message (docs/results-mapping.md): then it is the time it was issued, else received.
    """
    sent = _sample_time(resource)
    if not sent:
        return issued(resource) or (_received(resource) if is_awaited(resource) else None)
    at = when(sent)
    if at is None or _can_be(at, resource):
        return at
    return issued(resource) or _received(resource)


def misdated(resource: Resource) -> When | None:
    """The sample time that was sent, where it cannot be."""
    at = when(_sample_time(resource))
    return at if at and not _can_be(at, resource) else None


def issued(resource: Resource) -> When | None:
    """When it was sent, by its sender; None where that cannot be."""
    at = when(resource.get("issued"))
    return at if at and _can_be(at, resource) else None


def _sample_time(resource: Resource) -> str:
    """Its own time; where it has none, when the specimen beside it (`former.beside`) or contained in it was collected."""
    period = resource.get("effectivePeriod", {})
    own = resource.get("effectiveDateTime") or resource.get("effectiveInstant")
    return str(own or period.get("start") or period.get("end") or _collected(specimen_of(resource)))


def _collected(specimen: Mapping[str, Any]) -> str:
    collection = specimen.get("collection", {})
    return str(collection.get("collectedDateTime") or collection.get("collectedPeriod", {}).get("start") or "")


def _received(resource: Resource) -> When | None:
    return when(resource.get("meta", {}).get("lastUpdated"))


def _can_be(at: When, resource: Resource) -> bool:
    """Whether a time is one of a living patient's, and no more than a day (zones, clocks) after it was received.

    What is only planned may well lie ahead.
    """
    received = _received(resource)
    if not FIRST_YEAR <= at.day.year < LAST_YEAR:
        return False
    if received is None or received.moment is None or resource.get("status") == "registered":
        return True
    begins = at.moment or datetime.combine(at.day, time(), OSLO)
    return begins <= received.moment + timedelta(days=1)


def worst(found: Iterable[Point | Part]) -> Flag | None:
    """The gravest flag of several results."""
    return min((one.flag for one in found if one.flag), key=gravity, default=None)


@dataclass(frozen=True, slots=True)
class Change:
    """One former content of a result (docs/results-mapping.md, `kjerne:change`)."""

    kind: str
    at: When | None
    value: Value | None
    unit: str
    """That of the former value, as rows are told apart by it (`values.unit_key`)."""
    concept: Mapping[str, Any]
    """The former `valueCodeableConcept` as it stood, empty where the value was another kind."""
    code: Mapping[str, Any]
    """The analysis that it was, where a later version says that it was another; else empty."""
    parts: tuple[Part, ...] = ()
    circumstances: tuple[Circumstance, ...] = ()
    """What its reading hung on that was another; `before` says it as a resource does."""
    before: Resource = field(default_factory=dict)


def changes_of(observation: Resource) -> tuple[Change, ...]:
    """What the result said before, newest change first."""
    found = []
    for extension in extensions(observation, CHANGE):
        inside = extension.get("extension", [])
        parts = {str(part.get("url", "")): part for part in inside}
        value = parts.get("value", {})
        at = when(parts.get("at", {}).get("valueDateTime"))
        concept = value.get("valueCodeableConcept", {})
        kind, was = str(parts.get("kind", {}).get("valueCode", "")), parts.get("code", {})
        further = tuple(_former_part(part) for part in inside if part.get("url") == "component")
        before, names = circumstances.read(inside)
        if "valueQuantity" in value:
            before["valueQuantity"] = value["valueQuantity"]
        found.append(
            Change(
                kind,
                at,
                value_of(value),
                unit_key(value),
                concept,
                was.get("valueCodeableConcept", {}),
                further,
                names,
                before,
            )
        )
    return tuple(found)


def _former_part(component: Mapping[str, Any]) -> Part:
    parts = {str(part.get("url", "")): dict(part) for part in component.get("extension", [])}
    name = concept_text(parts.get("code", {}).get("valueCodeableConcept"))
    value, (before, _) = value_of(parts.get("value", {})) or Value(), circumstances.read(component.get("extension", []))
    span = range_of(before | parts.get("value", {}))
    return Part(name, value, span, flag_of(before, value, span), words=flag_words(before))


def aside_of(resource: Resource, what: Circumstance) -> Aside:
    """What a resource, or a change's `before`, says of one circumstance of its value."""
    if what == "range":
        return Aside(what, range=range_of(resource))
    if what == "taken":
        text = _sample_time(resource)
        return Aside(what, at=when(text), words="" if when(text) else text)
    if what == "material":
        specimen = specimen_of(resource)
        return Aside(what, words=concept_text(specimen.get("type")) or str(specimen.get("display", "")))
    if what == "method":
        return Aside(what, words=concept_text(resource.get("method")))
    if what == "sample":
        return Aside(what, words=spoiled(resource))
    return _flagged(resource)


def _flagged(resource: Resource) -> Aside:
    """The laboratory's own flag; with an arrow where it says no more than that."""
    flag, words = sent_flag(resource), flag_words(resource)
    if flag and not words:
        return Aside("flag", flag=flag)
    sent = (concept_text(concept) for concept in resource.get("interpretation", []))
    return Aside("flag", words=words or ", ".join(text for text in sent if text))


def asides_of(changes: Sequence[Change]) -> tuple[Aside, ...]:
    """Every circumstance that was corrected, as it was before the newest correction of it."""
    found: dict[Circumstance, Aside] = {}
    for change in changes:
        if change.kind == "corrected":
            for name in change.circumstances:
                found.setdefault(name, aside_of(change.before, name))
    return tuple(found.values())


def mark_of(resource: Resource, changes: Sequence[Change] = (), says: Value | None = None) -> Mark:
    """How far a result or report can be trusted, by its status and by what happened to it.

    What was taken back and came again otherwise was corrected. `says` is what a report concludes.
    """
    status = resource.get("status", "")
    if status in _WITHDRAWN or is_deleted(resource, changes):
        return "withdrawn"
    kinds = {change.kind for change in changes}
    if "not-repeated" in kinds:
        return "not-repeated"
    taken_back = [change for change in changes if change.kind == "withdrawn"]
    if taken_back and any(_former(says or value_of(resource), parts_of(resource), taken_back)):
        return "corrected"
    if "corrected" in kinds or status == "corrected" or (status == "amended" and not _completes(resource)):
        return "corrected"
    if status in _PRELIMINARY:
        return "preliminary"
    return "unsettled" if status == "unknown" and resource.get("resourceType") == "Observation" else ""


def is_unsettled(resource: Resource, mark: Mark) -> bool:
    """Whether what was corrected, or left out, has a status that its laboratory left unknown besides: both are told."""
    result = resource.get("resourceType") == "Observation" and resource.get("status") == "unknown"
    return result and mark in ("corrected", "not-repeated")


def is_deleted(resource: Resource, changes: Sequence[Change]) -> bool:
    """Whether the laboratory deleted the examination (8245: 14), whose status is unknown by the national table."""
    newest = changes[0].kind if changes else ""
    return resource.get("status") == "unknown" and newest == "withdrawn" and value_of(resource) is None


def _completes(resource: Resource) -> bool:
    """Whether a change was sent of what was only waited for: a laboratory sends the whole of a preliminary answer as one."""
    return any(extension.get("valueBoolean") is True for extension in extensions(resource, COMPLETES))


def is_added(resource: Resource) -> bool:
    """Whether it came by an addition, beside what its report said before."""
    return any(extension.get("valueBoolean") is True for extension in extensions(resource, ADDITION))


def another_person(observation: Resource) -> str:
    """Whose material it is where it is not the patient's own (`newborn`, `fetus`, `donor`, `related`; `other` where it is
    another's and does not say by code whose), else empty."""
    for extension in extensions(observation, FOCUS):
        for coding in extension.get("valueCodeableConcept", {}).get("coding", []):
            if (code := str(coding.get("code", ""))) in _WHOSE:
                return code
    return "other" if is_anothers(observation) else ""


def absent_of(observation: Resource) -> Absent:
    """Why a result has no value. A group has none of its own, and its members say theirs.

    A reason in words alone is one that we know no code of; `notes_of` has the words.
    """
    if is_awaited(observation):
        return "waiting"
    reason = observation.get("dataAbsentReason")
    if observation.get("hasMember") or not reason:
        return ""
    return next((_ABSENT.get(str(c.get("code", "")), "unknown") for c in reason.get("coding", [])), "unknown")


def is_awaited(observation: Resource) -> bool:
    """Whether it was asked for, or its sample taken, and says nothing yet: by FHIR the status alone tells so.

    A message's result always gives it as a reason, where one is missed.
    """
    said = ("dataAbsentReason", "hasMember", "component")
    return (
        observation.get("status") in _PRELIMINARY
        and not own_report(observation)
        and value_of(observation) is None
        and not any(observation.get(name) for name in said)
    )


def is_bare(observation: Resource) -> bool:
    """Whether it is finished, or of unknown status, and has neither a value nor anything in its place: no reason, member,
    part or comment.

    A message's result always has a reason where one is missed (docs/results-mapping.md): one of no report by message only.
    """
    said = ("dataAbsentReason", "hasMember", "component", "note")
    return (
        observation.get("status") in _FINISHED
        and not own_report(observation)
        and value_of(observation) is None
        and not any(observation.get(name) for name in said)
    )


def is_called_off(observation: Resource) -> bool:
    """Whether it was taken back and says nothing: by FHIR, what was asked for and cancelled. A group's members say theirs."""
    return (
        observation.get("status") in _WITHDRAWN
        and not own_report(observation)
        and value_of(observation) is None
        and not observation.get("hasMember")
    )


def parts_of(observation: Resource) -> tuple[Part, ...]:
    """The further values of a result, each with its own range and flag, or why it has none; in the sender's order."""
    found = []
    for component in observation.get("component", []):
        value, span = value_of(component) or Value(), range_of(component)
        absent = "" if value.told else absent_of(component) or "unknown"
        name, flag = concept_text(component.get("code")), flag_of(component, value, span)
        found.append(Part(name, value, span, flag, absent, flag_words(component)))
    return tuple(found)


def notes_of(observation: Resource) -> tuple[str, ...]:
    """What the laboratory says beside the value, or in its place."""
    reasons = [
        ("", observation),
        *((concept_text(part.get("code")), part) for part in observation.get("component", [])),
    ]
    words = [(name, str(one.get("dataAbsentReason", {}).get("text", ""))) for name, one in reasons]
    said = [f"{name}: {text}" if name else text for name, text in words if text]
    return (*said, *(str(note["text"]) for note in observation.get("note", []) if note.get("text")))


def point_of(
    observation: Resource, performer: str = "", report: str = "", *, first_missing: bool = False
) -> Point | None:
    """One result as a point, or None where it says nothing: no value now or before, no comment, no reason for that, and
    not that it was called off."""
    sent, changes, notes = value_of(observation), changes_of(observation), notes_of(observation)
    parts, mark = parts_of(observation), mark_of(observation, changes)
    # By FHIR, what was taken back may still say what it said; it is a former content from then on.
    void = mark == "withdrawn"
    value, parts_now = (None, ()) if void else (sent, parts)
    absent = absent_of(observation) if value is None else ""
    if is_bare(observation):
        absent = "unknown"
    former = _former(value, parts_now, changes)
    old, was, old_parts = former if any(former) or not void else (sent, "", parts)
    told = absent or notes or parts or old_parts or is_called_off(observation)
    if value is None and old is None and not told:
        return None
    if mark == "withdrawn":
        # What was taken back may well have been performed; what was not finished, and then left out, was never taken back.
        left_out = bool(changes) and changes[0].kind == "not-repeated"
        mark, absent = (
            ("not-repeated", "unknown" if absent and not (old or old_parts) else "") if left_out else ("withdrawn", "")
        )
    elif (absent == "waiting" and mark == "preliminary") or (absent and mark == "unsettled"):
        mark = ""
    value, span = value or Value(), range_of(observation)
    own = None if void else flag_of(observation, value, span)
    flag = own or (None if value.told else worst(parts_now))
    return Point(
        str(observation.get("id", "")), taken(observation), value, span, flag, mark, old, performer, report, notes,
        issued(observation), first_missing, absent, was, parts=parts_now, old_parts=old_parts,
        misdated=misdated(observation), asides=() if void else asides_of(changes),
        words="" if void else flag_words(observation), sample=spoiled(observation),
        unsettled=not absent and is_unsettled(observation, mark), added=is_added(observation),
    )  # fmt: skip


def _former(
    value: Value | None, parts: Sequence[Part], changes: Sequence[Change]
) -> tuple[Value | None, str, tuple[Part, ...]]:
    """The newest former content that is another: its value, the analysis it was said to be of, and the parts that are
    others now."""
    now = set(parts)
    for change in changes:
        others = tuple(part for part in change.parts if part.value.told and part not in now)
        other = change.value is not None and (change.value != value or bool(change.code))
        if other or others:
            return change.value if other else None, concept_text(change.code) if other else "", others
    return None, "", ()


def left_behind(observation: Resource, point: Point) -> tuple[tuple[Change, Point], ...]:
    """What a result was said to be before its analysis was corrected: it stays there, taken back, and says what it became."""
    name = concept_text(observation.get("code"))
    return tuple(
        (change, replace(point, id=f"{point.id}-{place}", value=Value(), range=Range(), flag=None, words="", mark="withdrawn",
                         old=change.value, notes=(), absent="", was="", became=name, asides=(), unsettled=False))
        for place, change in enumerate(changes_of(observation))
        if change.code and change.value
    )  # fmt: skip


def reference_id(reference: Mapping[str, Any] | None) -> str:
    """The id at the end of a literal reference (`Specimen/x` and `http://host/Specimen/x/_history/2` are `x`)."""
    return spelling.reference_id((reference or {}).get("reference", ""))


def materials_of(specimens: Iterable[Resource]) -> dict[str, str]:
    """Specimen id -> the words of its material."""
    return {str(s.get("id", "")): concept_text(s.get("type")) for s in specimens}


def material_of(observation: Resource, materials: Mapping[str, str]) -> str:
    """The words of what a result is of: the type of its specimen, which may be contained in it; else what it calls that."""
    specimen = specimen_of(observation)
    known = materials.get(reference_id(specimen)) or concept_text(specimen.get("type"))
    return known or str(specimen.get("display", ""))


def report_of_results(reports: Iterable[Resource], observations: Iterable[Resource]) -> dict[str, str]:
    """Observation id -> id of the report that names it, else of the one that leads to it by its groups."""
    found = {reference_id(ref): str(r.get("id", "")) for r in reports for ref in r.get("result", [])}
    groups = {str(o.get("id", "")): members for o in observations if (members := o.get("hasMember"))}
    waiting = [own for own in found if own in groups]
    while waiting:
        group = waiting.pop()
        inside = [own for ref in groups[group] if (own := reference_id(ref)) not in found]
        found |= dict.fromkeys(inside, found[group])
        waiting += [own for own in inside if own in groups]
    return found


def own_report(observation: Resource) -> str:
    """Id of the report as the result itself says it: a nested one is named by no report."""
    return next((reference_id(e.get("valueReference")) for e in extensions(observation, REPORT_OF)), "")


def first_missing(report: Resource) -> bool:
    """Whether the first version of a report was never received, so that what was before is not known."""
    return any(e.get("valueString") == FIRST_MISSING for e in extensions(report, READING_NOTE))


def is_parted(report: Resource) -> bool:
    """Whether another part of a report was another patient's, and it says something of the whole."""
    return any(e.get("valueString") == codes.PARTED for e in extensions(report, READING_NOTE))


def display_of(references: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Who a list of references points to, in words."""
    for reference in references:
        if shown := reference.get("display") or names.get(reference_id(reference)):
            return str(shown)
    return ""
