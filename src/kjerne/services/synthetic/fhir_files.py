"""Generated people as FHIR R4: a file of NDJSON for each type, as a bulk export has them, or of Bundles, one for each person.

Every resource bears the label HTEST. Ids are letters alone and tell the place of a person and of her event. What does not
change from event to event is written once for each code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np

from kjerne.fhir.dates import OSLO
from kjerne.fhir.patient import GENERATED, GUARDIAN, MADE_UP, RESPONSIBLE, ROLES
from kjerne.fhir.vital_signs import LOINC
from kjerne.services.synthetic import families
from kjerne.services.synthetic.cohorts import Cohort
from kjerne.services.synthetic.families import Relative
from kjerne.services.synthetic.fhir_mapping import (
    CLINICAL,
    DEATH,
    DIASTOLIC,
    GENERAL,
    LEARNED,
    PRESSURE,
    SYSTOLIC,
    VITAL_SIGNS,
    CodeAs,
    DiedAs,
    RangeAs,
    code_as,
    meaning_of,
)
from kjerne.services.synthetic.identities import YEAR, Identity, Wishes, of_block
from kjerne.services.synthetic.model_file import Kept
from kjerne.services.synthetic.origins import prefix
from kjerne.services.synthetic.people_model import Model
from kjerne.services.synthetic.row_files import written
from kjerne.services.synthetic.sampling import BLOCK
from kjerne.services.synthetic.streams import Streams

FORMATS: Final = ("fhir", "bundles")
FAMILIES: Final = 1
"""The part of somebody's stream that tells whom she belongs to; the first tells who she is."""
UCUM: Final = "http://unitsofmeasure.org"
CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_TERMS: Final = "http://terminology.hl7.org/CodeSystem/"
_LETTERS: Final = str.maketrans("0123456789abcdef", "bcdfghjkmnpqrstv")
_META: Final = '"meta":{"security":[' + json.dumps(MADE_UP, separators=(",", ":")) + "]}"


class _Kind(NamedTuple):
    """How a type says what, whose and when; `fixed` is what else it must say, `by` who did it, and `visit` at which Encounter."""

    code: str
    when: str
    fixed: str
    by: tuple[str, str] = ("", "")
    visit: str = "encounter"
    subject: str = "subject"


def _status(word: str) -> str:
    return f'"status":"{word}"'


def _concept(name: str, system: str, code: str) -> str:
    return f'"{name}":{{"coding":[{{"system":"{_TERMS}{system}","code":"{code}"}}]}}'


_ACTIVE: Final = (
    _concept("clinicalStatus", "condition-clinical", "active")
    + ","
    + _concept("verificationStatus", "condition-ver-status", "confirmed")
)
_AMBULATORY: Final = f'{_status("finished")},"class":{{"system":"{_TERMS}v3-ActCode","code":"AMB"}}'
_ABSENT: Final = "," + _concept("dataAbsentReason", "data-absent-reason", "unknown")
_MEDICATION: Final = "medicationCodeableConcept"
_PERFORMERS: Final = (',"performer":[', "]")
_ACTORS: Final = (',"performer":[{"actor":', "}]")
_TYPES: Final = {
    "Condition": _Kind("code", "onsetDateTime", _ACTIVE),
    "DiagnosticReport": _Kind("code", "effectiveDateTime", _status("final"), _PERFORMERS),
    "Encounter": _Kind("type", "period", _AMBULATORY, (',"serviceProvider":', ""), ""),
    "Immunization": _Kind("vaccineCode", "occurrenceDateTime", _status("completed"), _ACTORS, subject="patient"),
    "MedicationAdministration": _Kind(_MEDICATION, "effectiveDateTime", _status("completed"), _ACTORS, "context"),
    "MedicationRequest": _Kind(
        _MEDICATION, "authoredOn", _status("completed") + ',"intent":"order"', (',"requester":', "")
    ),
    "MedicationStatement": _Kind(_MEDICATION, "effectiveDateTime", _status("completed"), visit="context"),
    "Observation": _Kind("code", "effectiveDateTime", _status("final"), _PERFORMERS),
    "Procedure": _Kind("code", "performedDateTime", _status("completed"), _ACTORS),
}
_AT_LABORATORIES: Final = "laboratory"


class _Whose(NamedTuple):
    """What somebody's resources have in common: the way to her, to the visit of that day, and the places where she goes."""

    subject: str
    sex: str
    office: str
    laboratory: str
    visit: str = ""

    def at(self, kind: str) -> str:
        """At which visit it was; nothing of an Encounter, which is one."""
        name = _TYPES[kind].visit
        return f',"{name}":{{"reference":{self.visit}}}' if self.visit and name else ""


@dataclass(frozen=True)
class _Template:
    """What events of a code have in common: before and after whose it is, behind its time, and about a value."""

    kind: str
    before: str
    after: str
    is_period: bool
    unit: str
    whole: bool
    valued: bool
    found: str
    part: str = ""
    """Of a blood pressure: which of its parts (LOINC) it is."""
    ranges: Sequence[tuple[RangeAs, str]] = ()
    """Of a value its reference ranges; the first that fits is told."""
    by: tuple[str, str] = ("", "")
    at_laboratory: bool = False

    def event(self, id_: str, whose: _Whose, when: str, value: float, age: float) -> str:
        """The resource; `age` is hers then, in years."""
        told = f'{{"start":"{when}","end":"{when}"}}' if self.is_period else f'"{when}"'
        shown = self.shown(value) if self.valued else self.found
        if self.ranges and value == value:  # noqa: PLR0124 - a number
            fits = (
                text for one, text in self.ranges if one.sex in ("", whose.sex) and one.from_age <= age < one.to_age
            )
            shown += next(fits, "")
        return (
            f'{{"resourceType":"{self.kind}","id":"{id_}",{self.before}{whose.subject}{whose.at(self.kind)}{self.after}{told}'
            f"{self.done_by(whose)}{shown}}}"
        )

    def done_by(self, whose: _Whose) -> str:
        """Who did it, where the type has a place for that."""
        begins, ends = self.by
        return f"{begins}{whose.laboratory if self.at_laboratory else whose.office}{ends}" if begins else ""

    def shown(self, value: float) -> str:
        """What was measured, or that it is not known."""
        if value != value:  # noqa: PLR0124 - not a number
            return _ABSENT
        return f',"valueQuantity":{{"value":{int(value) if self.whole else value}{self.unit}}}'


def _pressure(id_: str, whose: _Whose, when: str, parts: Mapping[str, str]) -> str:
    """A blood pressure of parts, by their code; one that is not there is not known. R4's profile bp wants both."""
    shown = ",".join(
        f"{{{_json('code', {'coding': [{'system': LOINC, 'code': code}]})}{parts.get(code, _ABSENT)}}}"
        for code in (SYSTOLIC, DIASTOLIC)
    )
    return (
        f'{{"resourceType":"Observation","id":"{id_}",{_BP},"subject":{whose.subject}{whose.at("Observation")},'
        f'"effectiveDateTime":"{when}"{_PERFORMERS[0]}{whose.office}{_PERFORMERS[1]},"component":[{shown}]}}'
    )


def _template(model: Model, told: CodeAs, place: int) -> _Template:
    kind, grid = _TYPES[told.kind], model.values[place]
    concept: Any = {"coding": [{"system": told.system, "code": told.code}]}
    label = model.codes[place]
    if label != f"{told.code}={told.value_code}" and (told.code != label or told.system == LEARNED):
        concept["text"] = label
    if told.system == LOINC and told.code in GENERAL and told.category == VITAL_SIGNS:
        concept["coding"].append({"system": LOINC, "code": GENERAL[told.code]})
    if kind.code == "type":
        concept = [concept]
    is_measured = told.kind == "Observation"
    category = [{"coding": [{"system": CATEGORIES, "code": told.category}]}] if told.category and is_measured else None
    fixed = kind.fixed
    if told.value_system == CLINICAL:
        fixed = fixed.replace(_concept("clinicalStatus", "condition-clinical", "active"),
                              _concept("clinicalStatus", "condition-clinical", told.value_code))  # fmt: skip
    says = f"{_META},{fixed}{',' + _json('category', category) if category else ''},{_json(kind.code, concept)}"
    unit = f',"unit":{json.dumps(told.unit)},"system":"{UCUM}","code":{json.dumps(told.unit)}' if told.unit else ""
    if not unit and model.units[place]:
        unit = f',"unit":{json.dumps(model.units[place])}'
    finding = {"coding": [{"system": told.value_system, "code": told.value_code}]}
    found = "," + _json("valueCodeableConcept", finding) if told.value_code and is_measured else ""
    shows = is_measured and not found and (grid is not None or told.category == VITAL_SIGNS)
    whole = grid is not None and grid.decimals == 0
    before, after = f'{says},"{kind.subject}":', f',"{kind.when}":'
    is_part = shows and told.system == LOINC and told.code in (SYSTOLIC, DIASTOLIC) and told.category == VITAL_SIGNS
    part = told.code if is_part else ""
    at_laboratory = told.kind == "DiagnosticReport" or told.category == _AT_LABORATORIES
    ranged = _ranged(told.ranges, unit) if shows and not part else []
    return _Template(
        told.kind, before, after, kind.when == "period", unit, whole, shows, found, part, ranged, kind.by, at_laboratory
    )


def _ranged(ranges: Sequence[RangeAs], unit: str) -> list[tuple[RangeAs, str]]:
    """The reference ranges that a card says of a code, each with how it is told, in the unit of its values."""
    found = list[tuple[RangeAs, str]]()
    for one in ranges:
        ends = [
            f'"{name}":{{"value":{json.dumps(int(value) if value == int(value) else value)}{unit}}}'
            for name, value in (("low", one.low), ("high", one.high)) if value is not None
        ]  # fmt: skip
        found.append((one, f',"referenceRange":[{{{",".join(ends)}}}]'))
    return found


def _json(name: str, value: Any) -> str:
    return f'"{name}":{json.dumps(value, ensure_ascii=False, separators=(",", ":"))}'


_BP: Final = ",".join((
    _META, _status("final"), _json("category", [{"coding": [{"system": CATEGORIES, "code": VITAL_SIGNS}]}]),
    _json("code", {"coding": [{"system": LOINC, "code": PRESSURE}]}),
))  # fmt: skip


@dataclass(frozen=True)
class Writer:
    """Writes people of one model and seed. `run` begins every id, and is the same for the same model, seed and wishes."""

    kept: Kept
    seed: int
    wishes: Wishes
    templates: list[_Template | None] = field(init=False)
    run: str = field(init=False)
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        model = self.kept.model
        told = [code_as(model, meaning_of(model), place) for place in range(len(model.codes))]
        made = [None if one.kind == DEATH else _template(model, one, place) for place, one in enumerate(told)]
        wished = json.dumps(self.wishes.told(), sort_keys=True)
        digest = hashlib.sha256(f"{self.kept.hash}:{self.seed}:{wished}".encode()).hexdigest()
        object.__setattr__(self, "templates", made)
        object.__setattr__(self, "run", prefix(model.card) + digest[:8].translate(_LETTERS))
        object.__setattr__(self, "streams", Streams(f"identities:{self.kept.hash}", self.seed))

    def identities(self, whole: Cohort, number: int, count: int) -> list[Relative]:
        """Who the first `count` people of a whole block are, and whose children. Who is of a pool is who she is there."""
        meaning = meaning_of(self.kept.model)
        who = of_block(self.kept.model, whole, number, self.streams, self.wishes, meaning.sex, count)
        if self.wishes.pool:
            return [Relative(one) for one in who]
        died = self._died(whole.of(np.arange(count)))
        persons = np.arange(number * BLOCK, number * BLOCK + count)
        draws = self.streams.uniform(persons, np.zeros(count, np.int64), FAMILIES, families.DRAWS)
        return families.together(who, died, self.wishes.until, draws.astype(np.float64))

    def _died(self, cohort: Cohort) -> list[int | None]:
        """The day, since her day 0, on which each died; None for who did not."""
        died = _died(self.kept.model, cohort, meaning_of(self.kept.model).died)
        codes, days = cohort.code.tolist(), (cohort.times // cohort.ticks).tolist()
        for person, code, day in zip(cohort.persons.tolist(), codes, days, strict=True):
            if self.templates[code] is None:
                before = died[person]
                died[person] = day if before is None else min(before, day)
        return died

    def people(self, cohort: Cohort, first: int, who: Sequence[Relative], *, bundled: bool) -> Iterator[_Told]:
        """Each person's resources, as (type, id, JSON), the Patient first. In Bundles references lead to `urn:uuid:`."""
        codes, values = cohort.code.tolist(), cohort.values.tolist()
        day, part = np.divmod(cohort.times, cohort.ticks)
        days, parts, begins = day.tolist(), (part * (1440 // cohort.ticks)).tolist(), cohort.first.tolist()
        died = self._died(cohort)
        for place, relative in enumerate(who):
            one = relative.who
            id_ = f"{self.run}-{_lettered(first + place)}"
            number = f'"identifier":{{"system":"{one.system}","value":"{one.number}"}}'
            # In a transaction she is registered beside her records: there the way to her is the entry alone.
            way = f'"urn:uuid:{_uuid(id_)}"' if bundled else f'"Patient/{id_}",{number}'
            whose = _Whose(f'{{"reference":{way}}}', one.sex, *_places(one.city))
            told, span = list[tuple[str, str, str]](), range(begins[place], begins[place + 1])
            dead, pressures = died[place], dict[tuple[int, int], dict[str, str]]()
            for event in span:
                template = self.templates[codes[event]]
                if template is not None and template.part:
                    of = pressures.setdefault((days[event], parts[event]), {})
                    of[template.part] = template.shown(values[event])
            lived = [event for event in span if dead is None or days[event] <= dead]  # what comes later is no more
            for day, some in groupby(lived, key=days.__getitem__):
                events = [event for event in some if self.templates[codes[event]] is not None]
                when = max(one.day_0 + day, one.born)
                moments = [_day(when) if cohort.ticks == 1 else _moment(when, parts[event]) for event in events]
                visit, age = self._visit(id_, events, begins[place], codes), (when - one.born) / YEAR
                there = whose._replace(visit=f'"urn:uuid:{_uuid(visit)}"' if bundled else f'"Encounter/{visit}"')
                if visit[-1:] == _VISIT:
                    told.append(("Encounter", visit, _encounter(visit, whose, moments[0], moments[-1])))
                for event, shown in zip(events, moments, strict=True):
                    template = self.templates[codes[event]]
                    assert template is not None, "a death is no event of a visit"
                    own = f"{id_}-{_lettered(event - begins[place])}"
                    if not template.part:
                        text = template.event(own, there, shown, values[event], age)
                        told.append((template.kind, own, text))
                    elif (measured := pressures.pop((days[event], parts[event]), None)) is not None:
                        told.append((template.kind, own, _pressure(own, there, shown, measured)))
            yield [("Patient", id_, _patient(id_, relative, dead)), *told]

    def _visit(self, id_: str, events: Sequence[int], first: int, codes: Sequence[int]) -> str:
        """The id of the Encounter that holds a day together: one of the day's own, or one that is made; empty for no event."""
        kinds = {event: template.kind for event in events if (template := self.templates[codes[event]]) is not None}
        own = next((event for event, kind in kinds.items() if kind == "Encounter"), None)
        if own is not None:
            return f"{id_}-{_lettered(own - first)}"
        return f"{id_}-{_lettered(events[0] - first)}{_VISIT}" if events else ""

    def files(
        self, folder: Path, format_: str, number: int, blocks: Sequence[tuple[int, Cohort, list[Relative]]]
    ) -> dict[str, str]:
        """A shard's files, by name with their SHA-256; each block with the number of its first person."""
        parts = dict[str, list[str]]()
        for first, cohort, who in blocks:
            for told in self.people(cohort, first, who, bundled=format_ == "bundles"):
                if format_ == "bundles":
                    parts.setdefault("Bundle", []).append(_bundle(told))
                    continue
                for kind, _, text in told:
                    parts.setdefault(kind, []).append(text)
        found = dict[str, str]()
        for kind in sorted(parts):
            raw = ("\n".join(parts.pop(kind)) + "\n").encode()
            name = f"{kind}-{number:05d}.ndjson"
            with written(folder / name) as beside:
                beside.write_bytes(raw)
            found[name] = hashlib.sha256(raw).hexdigest()
        return found


_Told = list[tuple[str, str, str]]


def _encounter(id_: str, whose: _Whose, begins: str, ends: str) -> str:
    """What was done of somebody on one day, at her doctor's."""
    return (
        f'{{"resourceType":"Encounter","id":"{id_}",{_META},{_AMBULATORY},"subject":{whose.subject},'
        f'"period":{{"start":"{begins}","end":"{ends}"}},"serviceProvider":{whose.office}}}'
    )


@cache
def _places(city: str) -> tuple[str, str]:
    """Where somebody who lives in a town goes: a doctor's and a laboratory, neither of which is there."""
    town = " ".join(word.capitalize() for word in city.split())
    named = [f"{what}{' i ' + town if town else ''} (oppdiktet)" for what in ("Legekontoret", "Laboratoriet")]
    office, laboratory = (f'{{"type":"Organization",{_json("display", one)}}}' for one in named)
    return office, laboratory


def _died(model: Model, cohort: Cohort, told: DiedAs | None) -> list[int | None]:
    """The day, since her day 0, on which each was dead by a trait; None where she lived or it is not said."""
    place = next((at for at, one in enumerate(model.traits) if told and one.name == told.trait), None)
    if told is None or place is None or model.until < 0:
        return [None] * cohort.people
    dead = [level in told.levels for level in model.traits[place].levels] + [False]
    cells = cohort.traits[place].numbers.astype(np.int64).tolist()
    ends = cohort.traits[model.until].numbers.tolist()
    return [int(end) if dead[cell] and end == end else None for cell, end in zip(cells, ends, strict=True)]  # noqa: PLR0124


def _patient(id_: str, relative: Relative, dead: int | None) -> str:
    one = relative.who
    told: dict[str, Any] = {
        "identifier": [
            {"use": "official", "system": one.system, "value": one.number},
            {"use": "secondary", "system": GENERATED, "value": id_},
        ],
        "name": [{"use": "official", "family": one.family, "given": [one.given]}],
        "gender": one.sex,
        "birthDate": _day(one.born),
        "address": [
            {"use": "home", "line": [one.street], "postalCode": one.postal_code, "city": one.city, "country": "NO"}
        ],
    }
    if not (one.family and one.given):
        del told["name"]
    if not (one.street and one.city):
        del told["address"]
    if relative.kin:
        told["contact"] = [_contact(role, other) for role, other in relative.kin]
    if dead is not None:
        told["deceasedDateTime"] = _day(one.day_0 + dead)
    rest = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return f'{{"resourceType":"Patient","id":"{id_}",{_META},{rest[1:]}'


def _contact(role: str, parent: Identity) -> dict[str, Any]:
    """A parent with parental responsibility, or a guardian."""
    number = {"system": parent.system, "value": parent.number}
    return {
        "extension": [{"url": GUARDIAN if role == "GUARD" else RESPONSIBLE, "valueIdentifier": number}],
        "relationship": [{"coding": [{"system": ROLES, "code": role}]}],
        "name": {"use": "official", "family": parent.family, "given": [parent.given]},
        "gender": parent.sex,
    }


def _bundle(told: _Told) -> str:
    """A transaction of everything about one person."""
    entries = list[str]()
    for kind, id_, text in told:
        asked = f'{{"method":"POST","url":"{kind}"}}'
        entries.append(f'{{"fullUrl":"urn:uuid:{_uuid(id_)}","resource":{text},"request":{asked}}}')
    return f'{{"resourceType":"Bundle",{_META},"type":"transaction","entry":[{",".join(entries)}]}}'


def _lettered(number: int) -> str:
    """A number in letters: digits of ids could be taken for a person's number."""
    return f"{number:x}".translate(_LETTERS)


def _uuid(text: str) -> UUID:
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)


_DAYS: Final = dict[int, str]()


def _day(ordinal: int) -> str:
    if (found := _DAYS.get(ordinal)) is None:
        found = _DAYS[ordinal] = date.fromordinal(ordinal).isoformat()
    return found


_VISIT: Final = "z"
"""Ends the id of an Encounter that was made: no number in letters has it."""
_ZONES: Final = dict[int, str]()
"""By day the zone of Norwegian clocks, empty where it changes that day."""


def _moment(ordinal: int, minutes: int) -> str:
    """A minute of a day by Norwegian clocks. One that they jump over in spring is the first after it: so none change places."""
    if (zone := _ZONES.get(ordinal)) is None:
        begins, ends = (_zone(ordinal, minute) for minute in (0, 1439))
        zone = _ZONES[ordinal] = begins if begins == ends else ""
    if not zone:
        before, after = _zone(ordinal, minutes), _zone(ordinal, minutes, fold=1)
        zone, minutes = (after, 180) if before < after else (before, minutes)
    return f"{_day(ordinal)}T{minutes // 60:02d}:{minutes % 60:02d}:00{zone}"


def _zone(ordinal: int, minutes: int, fold: int = 0) -> str:
    at = datetime.combine(date.fromordinal(ordinal), time(*divmod(minutes, 60), fold=fold), OSLO)
    return "+02:00" if at.dst() else "+01:00"
