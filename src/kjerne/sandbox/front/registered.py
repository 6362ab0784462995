"""People who are in the sandbox and not of its own making: loaded (`kjerne load synthetic`), or registered by a test client.

All of it is asked of the platform over HTTP as the test client, as an integrator's own program may ask it. Whoever was met is
remembered by the id of her Patient, which names her in an address, where a person number may not stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from kjerne.client import Client
from kjerne.errors import Refusal
from kjerne.fhir.patient import born_on, name_of
from kjerne.registries import identifiers
from kjerne.registries.naming import is_national
from kjerne.sandbox.front.wire import Wire

TEST_CLIENT: Final = "all-patients"
LIMIT: Final = 200
"""So many people one search shows of them."""
PAGES_LIMIT: Final = 50
REMEMBERED: Final = 5_000
ANSWERS_REMEMBERED: Final = 50
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ANY_SEX: Final = "female,male,other,unknown"


@dataclass(frozen=True, slots=True)
class Met:
    """Somebody who was registered, as her Patient says. `born` None: neither it nor her number tells."""

    id: str
    name: str
    number: str = field(repr=False)
    born: date | None
    sex: str
    place: str
    is_dead: bool


class Ages(NamedTuple):
    """Born on these days, both included; None where there is no bound."""

    first: date | None
    last: date | None


class Registered:
    """Asks the platform at `wire` for them; `own` are the numbers of the sandbox's own people, who are none of them."""

    def __init__(self, wire: Wire, own: Mapping[str, int]) -> None:
        self._wire = wire
        self._own = own
        self._met: dict[str, Met] = {}
        self._names: dict[str, str] = {}
        self._told: dict[tuple[str, Ages, tuple[str, ...]], tuple[list[Met], bool]] = {}

    def find(self, sex: str, born: Ages, searches: Sequence[str], *, again: bool = False) -> tuple[list[Met], bool]:
        """Those of a sex (any, where it is empty) and an age who have what all searches find, and whether there may be
        more. For a thread. `Refusal` where the platform refuses a search.

        Asked `again`, as for the next part of a list, it answers as before where it can: each look at somebody is a row of her
        log.
        """
        wanted = (sex, born, tuple(searches))
        if again and wanted in self._told:
            return self._told[wanted]
        found = self._found(sex, born, searches)
        for met in found[0]:
            self._remember(met)
        if len(self._told) >= ANSWERS_REMEMBERED:
            self._told.pop(next(iter(self._told)))
        self._told[wanted] = found
        return found

    def _found(self, sex: str, born: Ages, searches: Sequence[str]) -> tuple[list[Met], bool]:
        whose = [("gender", sex or _ANY_SEX)]
        whose += [("birthdate", f"ge{born.first}")] if born.first else []
        whose += [("birthdate", f"le{born.last}")] if born.last else []
        found, more = dict[str, Met](), False
        with self._wire.recorded() as (http, _):
            client = self._wire.client(http)
            for at, search in enumerate(searches or ("Patient",)):
                name, _, criteria = search.partition("?")
                asked = parse_qsl(criteria, keep_blank_values=True)
                if name == "Patient":
                    asked += whose
                else:
                    asked += [(f"patient.{one}", value) for one, value in whose]
                    asked += [("_include", f"{name}:patient")]
                some, cut = self._asked(client, name, asked)
                found = some if at == 0 else {one: met for one, met in found.items() if one in some}
                more = more or cut
        return list(found.values()), more

    def met(self, said: str) -> Met | None:
        """Whom the id of a Patient names; None where it names nobody of these. For a thread."""
        if not _ID.fullmatch(said):
            return None
        if said not in self._met:
            with self._wire.recorded() as (http, _):
                found, _more = self._asked(self._wire.client(http), "Patient", [("_id", said)])
            for one in found.values():
                self._remember(one)
        return self._met.get(said)

    def remembered(self, said: str) -> Met | None:
        """As `met`, of those who were met before; asks nobody."""
        return self._met.get(said)

    def named(self, number: str) -> str:
        """The name of somebody who was met; empty for others."""
        return self._names.get(number, "")

    def by_number(self, number: str) -> Met | None:
        """Who has a number, of all whom the test client may find. For a thread."""
        with self._wire.recorded() as (http, _):
            asked = [("identifier", f"{identifiers.parse(number, strict=False).system}|{number}")]
            trees = _patients(self._wire.client(http), "Patient", asked)
            return next((met for tree in trees if (met := _met(tree, number)) is not None), None)

    def _asked(self, client: Client, name: str, form: Sequence[tuple[str, str]]) -> tuple[dict[str, Met], bool]:
        found = dict[str, Met]()
        for tree in _patients(client, name, form):
            met = _met(tree)
            if met is not None and met.number not in self._own:
                found[met.id] = met
            if len(found) == LIMIT:
                return found, True
        return found, False

    def _remember(self, met: Met) -> None:
        if len(self._met) >= REMEMBERED:
            self._names.pop(self._met.pop(next(iter(self._met))).number, None)
        self._met[met.id], self._names[met.number] = met, met.name


def _patients(client: Client, name: str, form: Sequence[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
    """The Patients of an answer, found or brought along, page after page."""
    answer = client.call("POST", f"/fhir/R4/{name}/_search", as_=TEST_CLIENT, form=[*form, ("_count", "200")])
    for _page in range(PAGES_LIMIT):
        if answer.is_error:
            raise Refusal(400, said(answer.json()), where="search", todo="Write it as Type?parameter=value.")
        bundle = answer.json()
        for entry in bundle.get("entry", ()):
            if entry["resource"].get("resourceType") == "Patient":
                yield entry["resource"]
        onward = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")
        if not onward:
            return
        answer = client.call("GET", onward[onward.index("/fhir/R4/") :], as_=TEST_CLIENT)


def _met(tree: Mapping[str, Any], number: str = "") -> Met | None:
    """Whom a Patient is; None without a national number."""
    numbers = [str(one.get("value", "")) for one in tree.get("identifier", ()) if is_national(one.get("system", ""))]
    own = next((one for one in numbers if identifiers.is_number(one) and number in ("", one)), "")
    if not own:
        return None
    whole = dict(tree)
    born = born_on(whole) or identifiers.parse(own).birth_date
    city = next((str(one["city"]) for one in tree.get("address", ()) if one.get("city")), "")
    dead = bool(tree.get("deceasedBoolean") or tree.get("deceasedDateTime"))
    return Met(str(tree["id"]), name_of(whole), own, born, str(tree.get("gender", "")), city, dead)


def said(outcome: Mapping[str, Any]) -> str:
    """The first thing that a refused search was told."""
    return str(outcome.get("issue", [{}])[0].get("diagnostics", "the platform refused the search"))
