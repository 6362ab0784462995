"""A folder of FHIR R4 as Bulk Data has it (a resource on each line of NDJSON), read into tables to learn from.

Of each resource a few members are read and nothing else: who it is about, what it is by code, when, and a number with its unit.
Names, addresses, narrative, notes, displays and whatever is told in words are not decoded at all. A person is a place in a
list: neither her id nor her numbers go on. Day 0 is her first event.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.patient import GENERATED, MADE_UP
from kjerne.fhir.systems import canonical
from kjerne.fhir.ucum_grammar import is_ucum
from kjerne.fhir.vital_signs import FIXED, LOINC
from kjerne.registries.identifiers import SYSTEM_BY_KIND, holds_a_number, is_a_number, is_number
from kjerne.services.synthetic.cohorts import STRANGE_MOST
from kjerne.services.synthetic.fhir_mapping import CLINICAL, DEATH, KINDS, PANELS, CodeAs, Meaning, RangeAs
from kjerne.services.synthetic.fhir_shapes import Coding, Concept, Event, Head, Medication, Part, Person, Reference
from kjerne.services.synthetic.identifiers import names_somebody
from kjerne.services.synthetic.moments import age_on, day_of, moment_of
from kjerne.services.synthetic.origins import are_marked
from kjerne.services.synthetic.tables import EventTable, TraitTable
from kjerne.services.synthetic.vocabulary import parent_of

ENDINGS: Final = (".ndjson", ".ndjson.gz")
AGE: Final = "age"
SEX: Final = "sex"
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_/+^]{0,47}")
_SYSTEM: Final = re.compile(r"(?:https?://|urn:)\S{1,120}")
_CATEGORIES: Final = frozenset(
    "social-history vital-signs imaging laboratory procedure survey exam therapy activity".split()
)
_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_ANNOTATIONS: Final = frozenset(
    """# beats breaths cells cfu copies count creatinine egfr events fibrinogen hpf index inr ivd log lpf mean minute number od
    pack phenotype pregnancy ratio rbc reads rel score sperm spermatozoa standard steps tablet titer total units volume
    wbc""".split()
)
"""UCUM lets anything stand between braces, a name as well: here no more than one of these."""
HAPPENED: Final = {
    "DiagnosticReport": "partial preliminary final amended corrected appended",
    "Encounter": "arrived triaged in-progress onleave finished",
    "Immunization": "completed",
    "MedicationAdministration": "in-progress completed stopped",
    "MedicationRequest": "active completed stopped",
    "MedicationStatement": "active completed stopped",
    "Observation": "preliminary final amended corrected",
    "Procedure": "in-progress completed",
}
"""By type the values of `status` by which it was so: others plan it, halt it, take it back, deny it, or know nothing of it."""
_INTENTS: Final = frozenset(["", "order", "original-order", "reflex-order", "filler-order", "instance-order"])
_NOT_FOUND_OUT: Final = frozenset("not-performed not-asked not-applicable asked-declined not-permitted".split())
_NO_MORE: Final = frozenset("recurrence relapse inactive remission resolved".split())
"""What a Condition may be by `clinicalStatus` but active."""
NOBODYS: Final = "resources of nobody among the Patients"
ADULT: Final = 18
OF_SEVERAL: Final = -1
"""The place of a name that several Patients have."""
_NATIONAL: Final = frozenset(SYSTEM_BY_KIND.values())
_BOOLEAN: Final = {True: 1.0, False: 0.0}


class Key(NamedTuple):
    """What an event is: its type, system and code; and what was found, where that is a code."""

    kind: str
    system: str
    code: str
    value_system: str = ""
    value_code: str = ""

    @property
    def short(self) -> str:
        """What it is called, where nothing else is called so."""
        return f"{self.code}={self.value_code}" if self.value_code else self.code


@dataclass(frozen=True)
class Told:
    """Tables, what their codes are in FHIR, what was left out, and whether everybody in them is said to be made up (`HTEST`)."""

    events: EventTable
    traits: TraitTable
    meaning: Meaning | None = None
    notes: tuple[str, ...] = ()
    is_made_up: bool = False
    held_out: frozenset[str] = frozenset()
    """Ids of whom the source itself holds out: nobody learns from them."""
    is_second_hand: bool = False
    """Whether somebody is said to be made by a model of real people."""
    categorised: Mapping[str, int] = field(default_factory=dict)
    """Of a code's category, how many people have the code in it."""
    ranged: Mapping[str, Mapping[RangeAs, int]] = field(default_factory=dict)
    """Of a code's reference ranges, each of a sex and of children or adults, how many people were told it."""

    def lineage(self) -> list[dict[str, str]]:
        """Where they are from, with a SHA-256 of them, where they are of no file."""
        whole = msgspec.json.encode((astuple(self.events), astuple(self.traits)))
        return [{"file": self.events.where, "sha256": hashlib.sha256(whole).hexdigest()}]


class _Row(NamedTuple):
    person: int
    day: int
    minute: int
    key: Key
    value: float | None
    unit: str


@dataclass
class _Found:
    """What has been read so far."""

    people: list[Person] = field(default_factory=list)
    patients: dict[str, Person] = field(default_factory=dict)
    """By id, as each was told."""
    places: dict[str, int] = field(default_factory=dict)
    medications: dict[str, Concept] = field(default_factory=dict)
    rows: list[_Row] = field(default_factory=list)
    elsewhere: dict[str, list[_Row]] = field(default_factory=dict)
    """By base the events whose reference is an absolute address."""
    categories: dict[Key, dict[str, set[int]]] = field(default_factory=dict)
    """Of each code by category who has it so."""
    ranges: dict[tuple[Key, str], dict[RangeAs, set[int]]] = field(default_factory=dict)
    """Of each code and unit by reference range who was told it."""
    left_out: Counter[str] = field(default_factory=Counter)
    joined: int = 0
    """Patients who are somebody that was there already, by another id."""


def files_in(folder: Path) -> list[Path]:
    """The NDJSON files of a folder, where it holds FHIR and no tables."""
    found = sorted(path for path in folder.glob("*.ndjson*") if path.name.endswith(ENDINGS)) if folder.is_dir() else []
    return found if any(_begins_as_fhir(path) for path in found) else []


def _begins_as_fhir(path: Path) -> bool:
    with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
        try:
            return bool(msgspec.json.decode(file.readline(), type=Head).resourceType)
        except (msgspec.DecodeError, OSError, EOFError):
            return False


def read(paths: Sequence[Path], known: Meaning | None = None) -> Told:
    """The people and events of files, in any order. `known` says what a model calls which code.

    `Refusal` with file and line where a line is no resource, and where events are of nobody among the Patients.
    """
    found, where = _Found(), ", ".join(path.name for path in paths[:3])
    for kind, raw, at in _lines(paths, ("Patient", "Medication")):
        _note(found, kind, raw, at)
    if not found.people:
        raise Refusal(422, "there is no Patient among the resources", where=where)
    for kind, raw, at in _lines(paths, KINDS):
        try:
            _event(found, kind, msgspec.json.decode(raw, type=Event))
        except msgspec.DecodeError as error:
            raise Refusal(422, f"the {kind} is not as R4 has it: {error}", where=at) from None
    return _held_together(found, where, known)


class Resources:
    """Resources that come one by one, in any order: what is of somebody whose Patient has not come yet waits, as far as it is
    decoded."""

    def __init__(self) -> None:
        self._found = _Found()
        self._waiting = list[tuple[str, Event]]()

    def take(self, raw: bytes) -> None:
        """What of a resource may be learned; the rest of it is not decoded, and the resource not kept."""
        try:
            kind = msgspec.json.decode(raw, type=Head).resourceType
            if kind in KINDS:
                one = msgspec.json.decode(raw, type=Event)
                if _whose(self._found, one.subject or one.patient) is None:
                    self._waiting.append((kind, one))
                else:
                    _event(self._found, kind, one)
            elif kind in ("Patient", "Medication"):
                _note(self._found, kind, raw)
        except msgspec.DecodeError:
            self._found.left_out["resources that are not as R4 has them"] += 1

    def told(self, where: str) -> Told:
        """The people and events of all that were taken. `Refusal` as `read`."""
        if not self._found.people:
            raise Refusal(422, "there is no Patient among the resources", where=where)
        while self._waiting:
            _event(self._found, *self._waiting.pop())
        return _held_together(self._found, where, None)


def _held_together(found: _Found, where: str, known: Meaning | None) -> Told:
    """The tables, where events are of somebody. `Refusal` where they are not."""
    _own_base(found)
    strange = found.left_out[NOBODYS]
    if strange > (len(found.rows) + strange) * STRANGE_MOST:
        says = f"{strange} resources are of nobody among the Patients, and {len(found.rows)} events of somebody"
        raise Refusal(422, says, where=where, todo="Put the Patients that they name into the folder.")
    if not found.rows:
        raise Refusal(422, "no resource says by code what happened to a Patient, and when", where=where)
    return _told(found, where, known)


def _lines(paths: Sequence[Path], kinds: Sequence[str]) -> Iterator[tuple[str, bytes, str]]:
    """Each resource of some types as its bytes, with where it stands."""
    for path in paths:
        try:
            with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    if not raw.strip():
                        continue
                    at = f"{path}, line {number}"
                    try:
                        kind = msgspec.json.decode(raw, type=Head).resourceType
                    except msgspec.DecodeError:
                        raise Refusal(422, "the line is no JSON object", where=at) from None
                    if kind in kinds:
                        yield kind, raw, at
        except (OSError, EOFError) as error:
            says = getattr(error, "strerror", None) or "it is cut off or damaged"
            raise Refusal(400, f"the file cannot be read: {says}", where=str(path)) from None


def _note(found: _Found, kind: str, raw: bytes, at: str = "the Patients") -> None:
    """A Patient or a Medication, by the names that others call it. `Refusal` where two Patients who differ have one id."""
    try:
        if kind == "Medication":
            drug = msgspec.json.decode(raw, type=Medication)
            if drug.code:
                alike = found.medications.get(drug.id, drug.code) == drug.code
                found.medications[drug.id] = drug.code if alike else Concept()
            return
        person = msgspec.json.decode(raw, type=Person)
    except msgspec.DecodeError:
        found.left_out[f"resources {kind} that are not as R4 has them"] += 1
        return
    if (there := found.patients.get(person.id)) is not None:
        if person == there:
            return
        todo = "Put one export into a folder, and one version of each Patient."
        raise Refusal(422, "it has the id of another Patient who is not like it", where=at, todo=todo)
    names = {f"{one.system}|{one.value}" for one in person.identifier if one.value}
    if not person.id and not names:
        found.left_out["Patients whom nothing can refer to"] += 1
        return
    place = _same_as(found, person)
    if place is None:
        place = len(found.people)
        found.people.append(person)
    else:
        found.joined += 1
        before = found.people[place]
        found.people[place] = msgspec.structs.replace(
            before, deceasedDateTime=before.deceasedDateTime or person.deceasedDateTime,
            identifier=[*before.identifier, *person.identifier],
        )  # fmt: skip
    if person.id:
        found.places[person.id], found.patients[person.id] = place, person
    for name in names:
        found.places[name] = place if found.places.get(name, place) == place else OF_SEVERAL


def _same_as(found: _Found, person: Person) -> int | None:
    """Who has the national number of another Patient, and her sex and birth date: one person to whom two systems have given an id
    each. Else she would count as two of `k`, and could be learned from and held out at once."""
    numbers = (
        f"{one.system}|{one.value}" for one in person.identifier if one.system in _NATIONAL and is_number(one.value)
    )
    for name in numbers:
        place = found.places.get(name, OF_SEVERAL)
        if place != OF_SEVERAL:
            one = found.people[place]
            alike = (one.gender, one.birthDate, one.meta) == (person.gender, person.birthDate, person.meta)
            return place if alike else None
    return None


def _event(found: _Found, kind: str, one: Event) -> None:
    """The events of a resource: itself, or its components."""
    if (why := _not_so(kind, one)) is not None:
        found.left_out[why] += 1
        return
    person = _whose(found, one.subject or one.patient)
    if person is None:
        found.left_out[NOBODYS] += 1
        return
    if (when := moment_of(one.when())) is None:
        found.left_out["resources without a day"] += 1
        return
    base, named = _literal(one.subject or one.patient)
    base = base if named in found.places else ""  # else it was known by her number
    rows = found.elsewhere.setdefault(base, []) if base else found.rows
    parts = [part for part in one.component if part.is_there()] if kind == "Observation" else []
    for part in ([one] if one.has_value() or not parts else []) + parts:
        if _codes(part.dataAbsentReason) & _NOT_FOUND_OUT:
            found.left_out["measurements that were not made"] += 1
            continue
        concept = part.code if part is not one else _concept(found, kind, one)
        if (key := _key(kind, concept)) is None:
            found.left_out["events without a code that can be learned"] += 1
            continue
        value, unit = _value(found, part) if kind == "Observation" else (None, "")
        if kind == "Observation" and part.valueCodeableConcept is not None:
            finding = _key(kind, part.valueCodeableConcept)
            found.left_out["values that are only words"] += finding is None
            key = key._replace(value_system=finding.system, value_code=finding.code) if finding else key
        if kind == "Condition" and (no_more := min(_codes(one.clinicalStatus) & _NO_MORE, default="")):
            key = key._replace(value_system=CLINICAL, value_code=no_more)
        rows.append(_Row(person, *when, key, value, unit))
        if kind == "Observation":
            _beside(found, one, part, rows[-1])


def _beside(found: _Found, one: Event, part: Part, row: _Row) -> None:
    """What is told of a measurement beside its value: its category and its reference range."""
    for coding in (one.category[:1] and one.category[0].coding) or []:
        if coding.code in _CATEGORIES:
            found.categories.setdefault(row.key, {}).setdefault(coding.code, set()).add(row.person)
    if row.value is not None and (ends := _range(part, row.unit)) is not None:
        told = _of_whom(found.people[row.person], row.day, *ends)
        found.ranges.setdefault((row.key, row.unit), {}).setdefault(told, set()).add(row.person)


def _not_so(kind: str, one: Event) -> str | None:
    """Why a resource does not say that something was so with its Patient; None where it does."""
    if one.modifierExtension:
        return "resources whose meaning an extension changes"
    if one.focus:
        return "resources about somebody else than their Patient"
    held = one.status and kind in HAPPENED and one.status not in HAPPENED[kind].split()
    if held or one.doNotPerform or one.intent not in _INTENTS:
        return "resources that are taken back, or say what was not, or is not yet"
    if kind == "Condition" and _codes(one.verificationStatus) - {"confirmed"}:
        return "Conditions that are not confirmed"
    return None


def _codes(concept: Concept | None) -> set[str]:
    return {one.code for one in _codings(concept) if one.code}


def _codings(concept: Concept | None) -> list[Coding]:
    return concept.coding if concept else []


def _concept(found: _Found, kind: str, one: Event) -> Concept | None:
    """What a resource says by code that it is."""
    if kind == "Encounter":
        return one.type[0] if one.type else Concept([one.class_]) if one.class_ else None
    if kind.startswith("Medication"):
        base, named = _literal(one.medicationReference, "Medication")
        own = base in ("", _literal(one.subject)[0])
        return one.medicationCodeableConcept or (found.medications.get(named) if own else None)
    return one.vaccineCode if kind == "Immunization" else one.code


def _key(kind: str, concept: Concept | None) -> Key | None:
    """The first coding with a system and a code that is one: no words, and no number of a person's."""
    for one in _codings(concept):
        if one.system == LOINC and FIXED.get(one.code) in PANELS:
            return None  # what it is about are its parts
        if (
            _SYSTEM.fullmatch(one.system)
            and _CODE.fullmatch(one.code)
            and not holds_a_number(f"{one.code} {one.system}")
            and not names_somebody([one.code])
        ):
            return Key(kind, canonical(one.system), one.code)
    return None


def key_of(kind: str, system: str, code: str) -> Key | None:
    """What an event is, where system and code are such that they can be learned."""
    return _key(kind, Concept([Coding(system, code)]))


def told_of(
    people: Iterable[Sequence[str]], rows: Iterable[tuple[int, int, int, Key, float | None, str]],
    left_out: Counter[str], where: str, known: Meaning | None,
) -> Told:  # fmt: skip
    """Tables of people and events that another form told: of each person sex, birth date and day of death, of each event
    whose it is (a place among the people), its day (ordinal), minute, key, value and unit."""
    found = _Found([Person(gender=sex, birthDate=born, deceasedDateTime=died) for sex, born, died in people],
                   rows=[_Row(*one) for one in rows], left_out=left_out)  # fmt: skip
    return _told(found, where, known)


def _value(found: _Found, part: Part) -> tuple[float | None, str]:
    if part.valueQuantity is not None and part.valueQuantity.value is not None:
        quantity, number = part.valueQuantity, part.valueQuantity.value
        if quantity.comparator:
            found.left_out["values that are only bounds"] += 1
        elif abs(number) > 10**12 or is_a_number(number):
            found.left_out["values that could be a person's number"] += 1
        else:
            return float(number), quantity.code if is_ucum(quantity.code) else quantity.unit
        return None, ""
    if part.valueInteger is not None and not is_a_number(part.valueInteger):
        return float(part.valueInteger), ""
    return (_BOOLEAN[part.valueBoolean], "") if part.valueBoolean is not None else (None, "")


def _range(part: Part, unit: str) -> tuple[float | None, float | None] | None:
    """The ends of the one reference range that a value has, where it is the normal one and in the value's own unit."""
    if len(part.referenceRange) != 1 or not unit:
        return None
    one = part.referenceRange[0]
    if one.appliesTo or one.age or (one.type and _codes(one.type) - {"normal"}):
        return None
    ends = [end for end in (one.low, one.high) if end is not None and end.value is not None]
    if not ends or any(
        unit not in (end.code, end.unit) or end.comparator or is_a_number(end.value or 0) for end in ends
    ):
        return None
    low, high = (float(end.value) if end and end.value is not None else None for end in (one.low, one.high))
    return (low, high) if low is None or high is None or low < high else None


def _of_whom(person: Person, day: int, low: float | None, high: float | None) -> RangeAs:
    """A range as it was told to somebody: laboratories have others for women and men, and for children."""
    sex, age = person.gender if person.gender in ("female", "male") else "", age_on(person, day)
    if age is None:
        return RangeAs(low, high, sex)
    return RangeAs(low, high, sex, to_age=ADULT) if int(age) < ADULT else RangeAs(low, high, sex, from_age=ADULT)


def _whose(found: _Found, reference: Reference | None) -> int | None:
    if reference is None:
        return None
    _, named = _literal(reference)
    place = found.places.get(named) if named else None
    of_people = named or (not reference.reference and reference.type.rpartition("/")[2] in ("", "Patient"))
    if place is None and reference.identifier and of_people:
        place = found.places.get(f"{reference.identifier.system}|{reference.identifier.value}")
    return None if place == OF_SEVERAL else place


def _literal(reference: Reference | None, kind: str = "Patient") -> tuple[str, str]:
    """The base and the id in a reference to a type; nothing where it leads to another type."""
    if reference is None or reference.type.rpartition("/")[2] not in ("", kind):
        return "", ""
    text = reference.reference.partition("/_history")[0]
    if text.startswith("urn:uuid:"):
        return "", text.removeprefix("urn:uuid:")
    way, _, id_ = text.rpartition("/")
    base, _, type_ = way.rpartition("/")
    return (base, id_) if type_ == kind else ("", text if not way else "")


def _own_base(found: _Found) -> None:
    """Absolute references are the folder's own where they all have one base, and nothing refers to a Patient without it."""
    if len(found.elsewhere) == 1 and not found.rows:
        (found.rows,) = found.elsewhere.values()
    else:
        found.left_out[NOBODYS] += sum(map(len, found.elsewhere.values()))
    found.elsewhere = {}


def _told(found: _Found, where: str, known: Meaning | None) -> Told:
    """The tables of what was read."""
    units = _units(found)
    told = {key: unit for key, unit in units.items() if is_ucum(unit) and _is_plain(unit)}
    labels = _labels(found, known)
    firsts = dict[int, int]()
    for row in found.rows:
        firsts[row.person] = min(firsts.get(row.person, row.day), row.day)
    last = max(row.day for row in found.rows)
    events = EventTable([], [], [], [], [], where)
    for row in found.rows:
        fits = row.value is None or row.unit == units.get(row.key, "")
        found.left_out["values in another unit than most of their code"] += not fits
        _add(events, row.person, row.day - firsts[row.person] + row.minute / 1440, labels[row.key],
             row.value if fits else None, told.get(row.key, "") if fits and row.value is not None else "")  # fmt: skip
    categories = {key: max(sorted(by), key=lambda one: len(by[one])) for key, by in found.categories.items()}
    codes = {
        label: CodeAs(key.kind, key.system, key.code if key.code != label else "", told.get(key, ""),
                      categories.get(key, ""), key.value_system, key.value_code)
        for key, label in labels.items()
    }  # fmt: skip
    categorised = {labels[key]: len(found.categories[key][one]) for key, one in categories.items() if key in labels}
    ranged = {labels[key]: {one: len(people) for one, people in by.items()}
              for (key, unit), by in found.ranges.items() if key in labels and told.get(key) == unit}  # fmt: skip
    end_of_day = 1439 / 1440 if any(row.minute for row in found.rows) else 0
    for place, person in enumerate(found.people):
        if (day := day_of(person.deceasedDateTime)) and place in firsts:
            _add(events, place, max(day - firsts[place], 0) + end_of_day, DEATH, None, "")
            codes[DEATH] = CodeAs(DEATH)
    sexes = [one.gender if one.gender in ("female", "male", "other") else None for one in found.people]
    traits = TraitTable([str(place) for place in range(len(found.people))],
                        {AGE: [age_on(one, firsts.get(place, last)) for place, one in enumerate(found.people)], SEX: sexes},
                        where)  # fmt: skip
    notes = tuple(f"{count} {what} were left out" for what, count in sorted(found.left_out.items()) if count)
    if found.joined:
        notes = (
            f"{found.joined} Patients have the number, sex and birth date of another, and were taken for her",
            *notes,
        )
    labels_of = (one.meta.security for one in found.people)
    made_up = all(Coding(MADE_UP["system"], MADE_UP["code"]) in labels for labels in labels_of)
    names = (name.value for one in found.people for name in one.identifier if name.system == GENERATED)
    return Told(
        events, traits, Meaning(codes), notes, made_up, is_second_hand=are_marked(names), categorised=categorised, ranged=ranged
    )  # fmt: skip


def _is_plain(unit: str) -> bool:
    """Whether nothing stands between braces in a unit but what is listed."""
    return all(set(re.split(r"[_. ]", one.lower())) <= _ANNOTATIONS for one in _BRACES.findall(unit))


def _add(events: EventTable, person: int, day: float, code: str, value: float | None, unit: str) -> None:
    events.ids.append(str(person))
    events.days.append(day)
    events.codes.append(code)
    events.values.append(value)
    events.units.append(unit)


def _units(found: _Found) -> dict[Key, str]:
    """The unit that most values of a code have."""
    counts = dict[Key, Counter[str]]()
    for row in found.rows:
        if row.value is not None:
            counts.setdefault(row.key, Counter())[row.unit] += 1
    return {key: max(sorted(count), key=count.__getitem__) for key, count in counts.items()}


def _labels(found: _Found, known: Meaning | None) -> dict[Key, str]:
    """What each code is called: as it is written, and with its type and system where two are written alike."""
    keys = sorted({row.key for row in found.rows})
    if known is not None:
        called = {
            Key(one.kind, one.system, one.code or label, one.value_system, one.value_code): label
            for label, one in known.codes.items()
        }
        return {key: _known_as(key, called) for key in keys}
    alike = Counter(key.short for key in keys)
    return {
        key: key.short if alike[key.short] == 1 and key.short != DEATH else " ".join(filter(None, key)) for key in keys
    }


def _known_as(key: Key, called: Mapping[Key, str]) -> str:
    """What a model calls a code, or the nearest class above it that it knows."""
    above = key
    while above.code and above not in called:
        above = above._replace(code="" if key.value_code else parent_of(above.code))
    return called.get(above, " ".join(key))
