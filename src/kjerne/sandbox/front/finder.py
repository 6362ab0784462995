"""Whom to ask about: test patients by what they are, what they have chosen, who treats them, and what they have.

The first three stand in the synthetic population as it was made (a choice that was made or ended since then is not seen here).
What they have, and who was registered beside them, is asked of the platform, by the test client over HTTP, as an integrator's own
program may ask it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote

from kjerne.access import Tie
from kjerne.client import Client
from kjerne.errors import Refusal
from kjerne.registries import identifiers
from kjerne.registries.identifiers import SYSTEM_BY_KIND, numbers_in
from kjerne.registries.places import PLACES
from kjerne.sandbox.front.registered import TEST_CLIENT, Ages, Met, Registered, said
from kjerne.sandbox.front.wire import Wire
from kjerne.sandbox.people import Person, Population
from kjerne.sandbox.personas import Persona

ROWS: Final = 20
PAGES_LIMIT: Final = 50
"""Pages of an answer that are followed, of 200 records each."""
PEOPLE_AT_ONCE: Final = 50
"""People of the population whom one search is about."""
SEARCH_CHARACTERS: Final = 300
NUMBER_DIGITS: Final = 11
_SEARCH: Final = re.compile(r"[A-Z][A-Za-z]+(\?[^\s#\x00-\x1f\x7f]*)?")
_AGES: Final[Mapping[str, tuple[int, int | None]]] = {
    "child": (0, 12), "youth": (12, 16), "young": (16, 18), "adult": (18, None),
}  # fmt: skip
"""From which age on, and below which, somebody is called so."""
TRAITS: Final = (
    "child", "youth", "young", "adult", "opted-out", "restricted", "blocks", "protected", "d-number", "parent", "represents",
    "represented", "registered",
)  # fmt: skip
RELATIONS: Final = ("treats", "none", "blocked", "family")
HAS: Final[Mapping[str, str]] = {
    "hba1c": "Observation?code=NPU27300",
    "high-hba1c": "Observation?code=NPU27300&value-quantity=gt53",
    "creatinine": "Observation?code=NPU04998,NPU18016",
    "pathology": "DiagnosticReport?category=PAT",
    "radiology": "DiagnosticReport?category=BLD",
    "corrected": "DiagnosticReport?status=amended",
    "allergy": "AllergyIntolerance?_lastUpdated=gt2000",
    "implant": "DeviceUseStatement?_lastUpdated=gt2000",
}
"""What somebody may have, as a FHIR search of the test client's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for, as it stands in the page's address; an empty part asks for nothing."""

    as_: str = "gp"
    relation: str = ""
    trait: str = ""
    sex: str = ""
    oldest: str = ""
    youngest: str = ""
    place: str = ""
    has: str = ""
    search: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """From an address. `Refusal` 400 where a part of it is none of those there are."""
        said = {name: query.get(name, "").strip() for name in cls.__slots__ if name != "as_"}
        wanted = cls(as_=query.get("as", "") or "gp", **said)
        for name, known in (("relation", RELATIONS), ("trait", TRAITS), ("sex", ("female", "male")), ("has", HAS)):
            if (value := said[name]) and value not in known:
                raise Refusal(400, f"{name} is one of: {', '.join(known)}", where=name)
        for name in ("oldest", "youngest"):
            if said[name] and not (said[name].isascii() and said[name].isdigit() and len(said[name]) < 4):
                raise Refusal(400, "an age is a whole number of years", where=name)
        _check_search(wanted.search)
        return wanted

    def born(self, today: date) -> Ages:
        """Between which days somebody was born who is of this age."""
        least, below = _AGES.get(self.trait, (0, None))
        least = max(least, int(self.youngest or 0))
        most = min(
            (one for one in (below, int(self.oldest) + 1 if self.oldest else None) if one is not None), default=None
        )
        first = _years_before(today, most) + timedelta(days=1) if most is not None else None
        return Ages(first, _years_before(today, least) if least else None)


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody who was found. `key` is a running number, or the id of a registered one's Patient; `part` is played in the
    sandbox's stories, `relation` is to whom one asks as."""

    key: int | str
    part: str
    name: str
    number: str = field(repr=False)
    age: int | None
    sex: str
    place: str
    traits: tuple[str, ...]
    relation: str


class Found(NamedTuple):
    """Who fits: the sandbox's own people, and behind them those who were registered, of whom there may be `more`."""

    rows: Sequence[Row]
    more: bool = False


class Finder:
    """Looks through the population, and asks the platform for what its people have."""

    def __init__(self, population: Population, personas: Sequence[Persona], wire: Wire) -> None:
        self._population = population
        self._personas = {one.name: one for one in personas}
        self._wire = wire
        self._played: dict[str, int] = {str(part): key for part, key in population.cast.items()}
        self._parts = {key: part for part, key in self._played.items()}
        self._residents = population.people[: population.residents]
        self._keys = {number.value: one.key for one in population.people for number in one.numbers}
        self._acting = {
            tie.key for ties in population.ties.values() for tie in ties if tie.kind in ("proxy", "guardian")
        }
        self.registered = Registered(wire, self._keys)
        self._parents = {tie.key for ties in population.ties.values() for tie in ties if tie.kind == "parent"}

    def choices(self, chosen: str) -> Sequence[tuple[str, str]]:
        """Whom a list offers, each as in an address and as she is called: the parts of the stories, and who is chosen."""
        person = None if chosen in self._played else self._person(chosen) or self.registered.remembered(chosen)
        return [*((chosen, one.name) for one in (person,) if one), *((part, part) for part in self._played)]

    def places(self, chosen: str) -> Sequence[str]:
        """Where people live, also those who are generated, and what is chosen."""
        own = {one.address.city for one in self._residents}
        return sorted(own | {one.city for one in PLACES} | ({chosen} - {""}))

    def find(self, wanted: Wanted, today: date, again: bool = False) -> Found:
        """Everybody who fits, of those who were registered as before where it is asked `again`. For a thread, since the platform
        may be asked. `Refusal` where it refuses the search."""
        asker = self._personas.get(wanted.as_)
        if asker is None:
            raise Refusal(
                404, "no persona has this name", where="as", todo=f"Choose one of: {', '.join(self._personas)}."
            )
        rows = [row for row in self._rows(asker, today) if _fits(row, wanted)]
        searches = [one for one in (HAS.get(wanted.has, ""), wanted.search) if one]
        for search in searches if rows else ():
            having = self._having(search)
            rows = [row for row in rows if row.key in having]
        if wanted.relation not in ("", "none") or wanted.trait not in ("", *_AGES, "d-number", "registered"):
            return Found(rows)  # nobody knows more of them than their Patient says
        met, more = self.registered.find(wanted.sex, wanted.born(today), searches, again=again)
        others = [_registered_row(one, asker, today) for one in met]
        return Found([*rows, *(row for row in others if _fits(row, wanted))], more)

    def relation(self, patient: str, asker: Persona, today: date) -> str:
        """Of whoever asks to a patient, who is named as in an address; empty for a system, and for nobody."""
        person = self._person(patient)
        if asker.kind == "system" or (person is None and self.registered.remembered(patient) is None):
            return ""
        return self._relation(person, asker, today) if person else "none"

    def _person(self, named: str) -> Person | None:
        """Of this population, by a part or a running number."""
        plain = named.isascii() and named.isdigit() and len(named) < NUMBER_DIGITS
        return self._population.by_key.get(int(named) if plain else self._played.get(named, 0))

    def _rows(self, asker: Persona, today: date) -> Iterator[Row]:
        for one in self._residents:
            traits = tuple(self._traits(one, today))
            yield Row(
                one.key, self._parts.get(one.key, ""), one.name, one.nin, one.age(today), one.sex, one.address.city, traits,
                self._relation(one, asker, today),
            )  # fmt: skip

    def _traits(self, one: Person, today: date) -> Iterator[str]:
        age = one.age(today)
        yield _of_age(age)
        yield from sorted({_CHOSEN[choice.kind] for choice in self._choices(one) if choice.kind in _CHOSEN})
        if one.protection != "ugradert":
            yield "protected"
        if len(one.numbers) > 1 or one.numbers[-1].kind == "DNR":
            yield "d-number"
        if one.key in self._parents:
            yield "parent"
        if one.key in self._acting:
            yield "represents"
        if any(tie.kind in ("proxy", "guardian") for tie in self._ties(one, today)):
            yield "represented"

    def _relation(self, one: Person, asker: Persona, today: date) -> str:
        if any(choice.kind == "block" and asker.hpr and choice.hpr == asker.hpr for choice in self._choices(one)):
            return "blocked"
        ties = self._ties(one, today)
        if asker.kind == "citizen":
            own = self._keys.get(asker.nin, 0)
            return "family" if one.key == own or any(tie.key == own for tie in ties) else "none"
        units = {asker.organisation, asker.point_of_care} - {""}
        treats = any(
            (tie.kind == "practice-list" and asker.hpr and tie.hpr == asker.hpr)
            or (tie.kind == "care" and tie.organisation in units)
            for tie in ties
        )
        return "treats" if treats else "none"

    def _ties(self, one: Person, today: date) -> Sequence[Tie]:
        return [tie for tie in self._population.ties.get(one.key, ()) if tie.until is None or today < tie.until]

    def _choices(self, one: Person) -> Sequence[Any]:
        return [choice for choice in self._population.choices.get(one.key, ()) if choice.ended_at is None]

    def _having(self, search: str) -> set[int]:
        """Whom of this population the records that a search finds are about; only they are asked about, whoever else is there."""
        name, _, criteria = search.partition("?")
        asked = [*parse_qsl(criteria, keep_blank_values=True), ("_include", f"{name}:patient"),
                 ("_elements", "identifier"), ("_count", "200")]  # fmt: skip
        numbers = [f"{SYSTEM_BY_KIND[one.numbers[-1].kind]}|{one.nin}" for one in self._residents]
        found: set[int] = set()
        with self._wire.recorded() as (http, _):
            client = self._wire.client(http)
            for begin in range(0, len(numbers), PEOPLE_AT_ONCE):
                whose = ("patient.identifier", ",".join(numbers[begin : begin + PEOPLE_AT_ONCE]))
                found |= self._pages(client, f"/fhir/R4/{name}", [*asked, whose])
        return found

    def _pages(self, client: Client, path: str, asked: Sequence[tuple[str, str]]) -> set[int]:
        answer = client.call("POST", f"{path}/_search", as_=TEST_CLIENT, form=asked)
        found: set[int] = set()
        for _page in range(PAGES_LIMIT):
            if answer.is_error:
                raise Refusal(400, said(answer.json()), where="search", todo="Write it as Type?parameter=value.")
            bundle = answer.json()
            for entry in bundle.get("entry", ()):
                found |= {self._keys.get(one["value"], 0) for one in entry["resource"].get("identifier", ())}
            onward = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
            if not onward:
                return found
            answer = client.call("GET", onward[onward.index("/fhir/R4/") :], as_=TEST_CLIENT)
        raise Refusal(400, "too many records are found", where="search", todo="Narrow the search.")

    def number_of(self, said: str) -> str:
        """The person number of a persona, a part or a running number of this population, of a registered one by the id of her
        Patient, or the one that was said. For a thread.

        A running number names somebody in an address, where a person number may not stand. `Refusal` 400 for anything else.
        """
        said = said.replace(" ", "")
        persona = self._personas.get(said)
        if persona is not None and persona.nin:
            return persona.nin
        person = self._person(said)
        if person is not None:
            return person.nin
        if (met := self.registered.met(said)) is not None:
            return met.number
        if said.isascii() and said.isdigit() and len(said) == NUMBER_DIGITS:
            return identifiers.parse(said, strict=False).value
        todo = "Write eleven digits, or a name such as citizen."
        raise Refusal(400, "the patient is neither a person number nor anybody's name here", where="patient", todo=todo)

    def named(self, number: str) -> str:
        """Who has a number; empty where it is nobody of the population's, nor anybody who was met."""
        person = self.person(number)
        return person.name if person else self.registered.named(number)

    def person(self, number: str) -> Person | None:
        """Who of the population has a number, now or before."""
        return self._population.by_key.get(self._keys.get(number, 0))


_CHOSEN: Final = {"opt-out": "opted-out", "restriction": "restricted", "block": "blocks"}


def _fits(row: Row, wanted: Wanted) -> bool:
    return (
        (not wanted.relation or row.relation == wanted.relation)
        and (not wanted.trait or wanted.trait in row.traits)
        and (not wanted.sex or row.sex == wanted.sex)
        and (not wanted.youngest or (row.age is not None and row.age >= int(wanted.youngest)))
        and (not wanted.oldest or (row.age is not None and row.age <= int(wanted.oldest)))
        and (not wanted.place or row.place == wanted.place)
    )


def _check_search(search: str) -> None:
    if not search:
        return
    if len(search) > SEARCH_CHARACTERS or not _SEARCH.fullmatch(search):
        todo = f"For instance {HAS['high-hba1c']}."
        raise Refusal(400, "a search is a type and its parameters, without spaces", where="search", todo=todo)
    if numbers_in(quote(search, safe="")):
        raise Refusal(400, "a person number stands in no address", where="search")


def _registered_row(met: Met, asker: Persona, today: date) -> Row:
    age = None if met.born is None else _years(met.born, today)
    traits = [] if age is None else [_of_age(age)]
    traits += ["d-number"] if met.number[0] > "3" and met.number[0] < "8" else []
    relation = "family" if asker.nin == met.number else "none"
    return Row(
        met.id, "", met.name, met.number, age, met.sex if met.sex in ("female", "male") else "unknown", met.place,
        (*traits, "registered"), relation,
    )  # fmt: skip


def _of_age(age: int) -> str:
    return next(name for name, (_, below) in _AGES.items() if below is None or age < below)


def _years(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _years_before(today: date, years: int) -> date:
    """The day on which who turns so many years old today was born."""
    year = max(today.year - years, 1)
    try:
        return today.replace(year=year)
    except ValueError:  # 29 February
        return today.replace(year=year, day=28)
