"""Patients with results that some reader may not know of, and everything that can be asked about them.

Nothing here goes by the data alone: a hidden record has codes, dates, values and references that the open ones have too,
and some of its own, so that whatever looks at it before it is left out would show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import httpx

from kjerne.access import NO_LABEL, Caller, Label, Tie
from kjerne.fhir.encode import decode
from kjerne.fhir.searchparams import SearchParameter, parameters
from kjerne.store.people import Identifier, NewPerson
from kjerne.store.subjects import PersonDetail
from services.results.conftest import HOSPITAL, LAB, NOW, OTHER_LAB, Ward, fresh_number

TYPES: Final = ("Observation", "DiagnosticReport", "ServiceRequest", "Specimen", "PractitionerRole")
NLK: Final = "urn:oid:2.16.578.1.12.4.1.1.7280"
LABELS: Final = "urn:oid:2.16.578.1.12.4.1.1.9603"
READ: Final = "nhn:pps/provesvar-read"
PAGES_FOLLOWED: Final = 4

Tree = dict[str, Any]
Marks = Sequence[Mapping[str, str]]


def mark(code: str, until: str = "") -> Marks:
    return ({"system": LABELS, "code": code} | ({"display": until} if until else {}),)


@dataclass(frozen=True)
class Hidden:
    """One way in which a record exists and is not to be known of: to whom, and how it comes about.

    `marks` stand in the record as its source sent it; `label` is put on it afterwards. `elsewhere` files it on another.
    """

    name: str
    reader: str
    marks: Marks = ()
    label: Label = NO_LABEL
    elsewhere: bool = False


HIDDEN: Final = (
    Hidden("restricted by the patient", "doctor", mark("NORS")),
    Hidden("filed on a wrong person, to the doctor", "doctor", label=Label.WITHDRAWN),
    Hidden("another patient's, to the doctor", "doctor", elsewhere=True),
    Hidden("withheld from the citizen", "citizen", mark("NORN_FFL")),
    Hidden("not yet released", "citizen", mark("NORU", "2026-12-01")),
    Hidden("filed on a wrong person, to the citizen", "citizen", label=Label.WITHDRAWN),
    Hidden("another patient's, to the citizen", "citizen", elsewhere=True),
    Hidden("withheld from parents", "parent", mark("NORN_FORANS")),
    Hidden("withheld from the citizen, to the parent", "parent", mark("NORN_KUT")),
    Hidden("withheld from the citizen, to her as a doctor", "doctor herself", mark("NORN_ALL")),
)


@dataclass
class Record:
    """One person, who reads her, and the ids of what lies open (`open`) and hidden (`shut`) in her record, by type."""

    ward: Ward
    number: str
    key: int
    readers: Mapping[str, Caller]
    other: str
    open: dict[str, str] = field(default_factory=dict)
    shut: dict[str, str] = field(default_factory=dict)

    async def file(self, tree: Tree, *, on: str = "", by: Caller = LAB) -> str:
        async with self.ward.client(by) as client:
            headers = {"person-id": on or self.number}
            answer = await client.post("/fhir/R4/" + tree["resourceType"], json=tree, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(decode(answer.content)["id"])

    async def fill_open(self) -> None:
        """Two of each kind, so that a page of one has a next."""
        for again in (1, 2):
            made = await self._filed(self.open if again == 2 else {}, code="NPU27300", day=again, value=40 + again)
            self.open.update(made)

    async def fill_shut(self, hidden: Hidden) -> None:
        """The same kinds again, hidden: newer than all, of the same code and of one that nothing open has.

        Of another source: what one's own withheld report shows is withheld with it (K66).
        """
        other_lab = replace(LAB, organisation=OTHER_LAB)
        on, every = self.other if hidden.elsewhere else "", list[str]()
        for code, value in (("NPU27300", 99), ("NPU99999", 77)):
            self.shut = await self._filed(
                self.open, code=code, day=3, value=value, marks=hidden.marks, on=on, by=other_lab
            )
            every += self.shut.values()
        if hidden.label:
            async with self.ward.house.store.pool.acquire() as conn:
                labelled = "UPDATE record SET labels = $1 WHERE patient = $2 AND id = ANY($3::uuid[])"
                await conn.execute(labelled, int(hidden.label), self.key, every)

    async def _filed(
        self,
        towards: Mapping[str, str],
        *,
        code: str,
        day: int,
        value: int,
        marks: Marks = (),
        on: str = "",
        by: Caller = LAB,
    ) -> dict[str, str]:
        """One of each type. References go to what is filed with it, and to what is open already (`towards`)."""
        at, meta = f"2026-03-0{day}T08:00:00+01:00", {"meta": {"security": list(marks)}} if marks else {}
        coded = {"coding": [{"system": NLK, "code": code}], "text": f"Analyse {code}"}
        ids: dict[str, str] = {}
        ids["PractitionerRole"] = await self.file(
            {"resourceType": "PractitionerRole", "active": True, "practitioner": {"display": f"Lege {day}"}} | meta,
            on=on,
            by=by,
        )
        ids["Specimen"] = await self.file(
            {"resourceType": "Specimen", "status": "available", "type": {"text": "Serum"}, "receivedTime": at} | meta,
            on=on,
            by=by,
        )
        ids["ServiceRequest"] = await self.file(
            {
                "resourceType": "ServiceRequest", "status": "completed", "intent": "order", "code": coded, "authoredOn": at,
                "subject": {"display": "Prøve"}, "requester": {"reference": f"PractitionerRole/{ids['PractitionerRole']}"},
            } | meta, on=on, by=by,
        )  # fmt: skip
        members = [{"reference": f"Observation/{towards['Observation']}"}] if "Observation" in towards else []
        ids["Observation"] = await self.file(
            {
                "resourceType": "Observation", "status": "final", "code": coded, "effectiveDateTime": at,
                "issued": at, "valueQuantity": {"value": value, "unit": "mmol/mol"}, "category": [{"text": "lab"}],
                "specimen": {"reference": f"Specimen/{towards.get('Specimen', ids['Specimen'])}"},
            } | ({"hasMember": members} if members else {}) | meta, on=on, by=by,
        )  # fmt: skip
        ids["Binary"] = await self.file(
            {"resourceType": "Binary", "contentType": "image/png", "data": "iVBORw0K"} | meta, on=on, by=by
        )
        results = [ids["Observation"], *([towards["Observation"]] if "Observation" in towards else [])]
        ids["DiagnosticReport"] = await self.file(
            {
                "resourceType": "DiagnosticReport", "status": "final", "code": coded, "effectiveDateTime": at, "issued": at,
                "category": [{"text": "lab"}],
                "basedOn": [{"reference": f"ServiceRequest/{towards.get('ServiceRequest', ids['ServiceRequest'])}"}],
                "result": [{"reference": f"Observation/{one}"} for one in results],
                "presentedForm": [{"contentType": "image/png", "title": "Bilde", "url": f"Binary/{ids['Binary']}"}],
            } | meta, on=on, by=by,
        )  # fmt: skip
        return ids


async def record(ward: Ward, *, age: int = 46, is_doctor: bool = False) -> Record:
    """A person in the hospital's care, with a parent; and another person whom the same readers may open."""
    number, parent, other = fresh_number(), fresh_number(), fresh_number()
    store, house = ward.house.store, ward.house
    async with store.pool.acquire() as conn:
        (above,) = await store.people.register(conn, [_person(house, parent, 46)], NOW)
        ties = (Tie("care", organisation=HOSPITAL), Tie("parent", key=above))
        mine, theirs = _person(house, number, age, ties), _person(house, other, 46, ties[:1])
        key, _ = await store.people.register(conn, [mine, theirs], NOW)
    doctor = ward.doctor(number)
    assert doctor.attestation
    herself = house.digest(number)
    as_doctor = replace(doctor, digest=herself, attestation=replace(doctor.attestation, practitioner_digest=herself))
    scopes = frozenset({"kjerne:citizen", READ})
    readers = {
        "doctor": doctor,
        "doctor herself": as_doctor,
        # The scope of staff lets these two in at the same doors; the law goes by who they are.
        "citizen": Caller("citizen", "app", scopes, herself, "Prøve Person", level=4),
        "parent": Caller("citizen", "app", scopes, house.digest(parent), "Prøve Forelder", level=4),
    }
    made = Record(ward, number, key, readers, other)
    await made.fill_open()
    return made


def _person(house: Any, number: str, age: int, ties: tuple[Tie, ...] = ()) -> NewPerson:
    born = date(2026 - age, 1, 12)
    return NewPerson(
        PersonDetail(name="Prøve Person", birth_date=born, sex="female", address="Gata 1"),
        (Identifier(house.digest(number), "FNR", number, born),),
        synthetic=True,
        ties=ties,
    )


# What can be asked


@dataclass(frozen=True)
class Ask:
    """One request. `text` may name an id as {id}."""

    method: str
    path: str
    form: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path} {urlencode(self.form)} {self.body[:40]}".strip()


async def heard(client: httpx.AsyncClient, ask: Ask, number: str, alike: Sequence[str] = ()) -> tuple[Any, ...]:
    """All that a caller can compare: status, headers and body of the answer, and of the pages that it leads to.

    Page links are sealed anew each time and the number of an "already done" answer is drawn; so are `alike`, ids that
    were put into the question.
    """
    told: list[Any] = []
    form = ask.form
    for _ in range(PAGES_FOLLOWED):
        answer = await _sent(client, ask, form, number)
        body = answer.text
        link = re.search(r'"relation":"next","url":"([^"]+)"', body)
        body = re.sub(r"_cursor=[^\"&]+", "_cursor=", body)
        body = re.sub(r"urn:uuid:[0-9a-f-]{36}", "urn:uuid:", body)
        for id_ in alike:
            body = body.replace(id_, "id")
        if alike:  # a link leaves out a query in which a person number may stand, and some ids look like one
            body = re.sub(r'("relation":"self","url":"[^"?]+)\?[^"]*', r"\1", body)
        headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
        told.append((answer.status_code, sorted(headers.items()), body))
        if not link:
            break
        form = tuple(parse_qsl(urlsplit(link[1]).query))
    return tuple(told)


async def _sent(client: httpx.AsyncClient, ask: Ask, form: Sequence[tuple[str, str]], number: str) -> httpx.Response:
    headers = {"person-id": number, **dict(ask.headers)}
    if ask.body:
        return await client.request(ask.method, ask.path, content=ask.body, headers=headers)
    if ask.method == "GET":
        return await client.get(ask.path, params=list(form) or None, headers=headers)
    headers["content-type"] = "application/x-www-form-urlencoded"
    return await client.request(ask.method, ask.path, content=urlencode(form), headers=headers)


VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "token": ("final", "NPU27300", "NPU99999", "completed", "available", "true", "x"),
    "date": ("ge2020", "2026-03-03", "lt2026-03-03"),
    "string": ("a",),
    "quantity": ("gt1", "99"),
    "number": ("gt1",),
    "uri": ("urn:x",),
    "composite": ("NPU27300$gt1", "NPU99999$77"),
}


def searches(made: Record) -> Iterator[Ask]:
    """A search by each parameter of each type, in its modifiers; sorted, counted, included and paged in every way."""
    for type_ in TYPES:
        plain = (one for known in parameters(type_).values() for one in _by(known, made))
        forms = [*plain, *_results(type_), *_linked(type_)]
        for place, form in enumerate(forms):
            path = f"/pps/v2/{type_}/_search" if place % 2 else f"/fhir/R4/{type_}/_search"
            yield Ask("POST", path, form)
    for code in ("NPU27300", "NPU99999"):
        yield Ask("POST", "/pps/v2/already-done", (("code", f"{NLK}|{code}"),))
    for asked in ("code=NPU27300&max=2", "code=NPU99999", "code:not=x&max=3&_revinclude=*", "category:missing=false"):
        yield Ask("POST", "/fhir/R4/Observation/$lastn", tuple(parse_qsl(asked)))
    for type_ in (*TYPES, "Binary"):
        yield Ask("GET", f"/fhir/R4/{type_}")
        yield Ask("GET", f"/fhir/R4/{type_}", (("_count", "1"), ("_total", "accurate")))
        yield Ask("GET", f"/fhir/R4/{type_}/_history", (("_count", "1"),))
        yield Ask("GET", f"/fhir/R4/{type_}/_history", (("_summary", "count"),))
    yield Ask("GET", "/fhir/R4/_history", (("_count", "2"),))
    yield Ask("GET", "/fhir/R4/_history", (("_at", "2026-03-03"),))
    for asked in ((), (("_count", "1"),), (("_count", "0"),), (("_type", "Observation"), ("_since", "2026-03-03"))):
        yield Ask("GET", "/fhir/R4/$changes", asked)
    for type_, id_ in made.open.items():
        yield Ask("GET", f"/fhir/R4/{type_}/{id_}")
        yield Ask("GET", f"/fhir/R4/{type_}/{id_}", headers=(("if-none-match", 'W/"1"'),))
        yield Ask("GET", f"/fhir/R4/{type_}/{id_}/_history")


def _by(known: SearchParameter, made: Record) -> Iterator[tuple[tuple[str, str], ...]]:
    if known.code in ("patient", "subject"):
        return
    if known.kind != "composite":
        yield ((f"{known.code}:missing", "false"),)
        yield ((f"{known.code}:missing", "true"),)
    if known.kind == "token":
        yield ((f"{known.code}:not", "final"),)
        yield ((f"{known.code}:not-in", "http://hl7.org/fhir/ValueSet/observation-status"),)
        yield ((f"{known.code}:below", "http://hl7.org/fhir/observation-status|final"),)
    values = VALUES.get(known.kind, ())
    if known.kind == "reference":
        values = tuple(f"{target}/{made.open[target]}" for target in known.targets if target in made.open)
    for value in values:
        yield ((known.code, value),)


FAR: Final = (("code", "NPU27300"), ("code", "NPU99999"), ("code:not", "NPU27300"), ("value-quantity", "gt50"),
              ("status:missing", "false"), ("_lastUpdated", "ge2020"), ("date", "2026-03-03"))  # fmt: skip


def _linked(type_: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """What is asked over references, both ways, and over two of them: counted and sorted too."""
    for known in parameters(type_).values():
        if known.kind == "reference" and known.code not in ("patient", "subject"):
            for name, value in FAR:
                yield ((f"{known.code}.{name}", value),)
                yield ((f"{known.code}.{name}", value), ("_total", "accurate"), ("_count", "1"), ("_sort", "-date"))
            yield ((f"{known.code}.specimen.status", "available"),)
    for source in TYPES:
        for known in parameters(source).values():
            if (
                known.kind == "reference"
                and known.code not in ("patient", "subject")
                and type_ in (known.targets or TYPES)
            ):
                for name, value in FAR:
                    yield ((f"_has:{source}:{known.code}:{name}", value),)
                yield ((f"_has:{source}:{known.code}:status", "final"), ("_summary", "count"))
                yield ((f"_has:{source}:{known.code}:_has:DiagnosticReport:result:code", "NPU99999"),)


def _results(type_: str) -> Iterator[tuple[tuple[str, str], ...]]:
    yield from (((("_summary", word),)) for word in ("count", "true", "text", "data", "false"))
    yield from (((("_total", word),)) for word in ("none", "accurate", "estimate"))
    yield from (((("_count", number),)) for number in ("0", "1", "2", "1000"))
    for order in ("_id", "-_id", "_lastUpdated", "-_lastUpdated", "status", "-date", "date", "code", "-value-quantity"):
        yield (("_sort", order),)
        yield (("_sort", order), ("_count", "1"))
        yield (("_sort", order), ("_count", "1"), ("_total", "accurate"))
    yield (("_elements", "id"),)
    for order in ("-code", "specimen,-date", "-based-on", "_tag,code"):
        yield (("_sort", order), ("_count", "1"), ("_total", "accurate"))
    for text in ("code eq NPU99999 or date eq 2026-03-03", "not(status pr false)", "result.code eq NPU99999 or _id pr true",
                 "specimen.status eq available or based-on.code eq NPU99999", "not(has-member.code eq NPU99999)"):  # fmt: skip
        yield (("_filter", text),)
    for words in ("analyse", "NPU99999", "lege or npu27300"):
        yield (("_content", words), ("_total", "accurate"))
        yield (("_text", words),)
    for star in ("_include", "_include:iterate", "_revinclude", "_revinclude:iterate"):
        yield ((star, "*"), ("_count", "1"))
        yield (("_include:iterate", "*"), (star, f"{type_}:*"))
    for name in ("_include", "_revinclude"):
        for path in ("Observation:has-member", "Observation:specimen", "DiagnosticReport:result", "DiagnosticReport:based-on",
                     "ServiceRequest:requester"):  # fmt: skip
            yield ((name, path),)
            yield ((f"{name}:iterate", path),)
            yield ((name, path), ("_count", "1"))


def by_id(type_: str) -> Iterator[Ask]:
    """Whatever takes an id, with {id} in its place."""
    at = f"/fhir/R4/{type_}/{{id}}"
    yield Ask("GET", at)
    yield Ask("GET", at, headers=(("if-none-match", 'W/"1"'),))
    yield Ask("GET", at, headers=(("access-basis", "AKUTT"),))
    yield Ask("GET", f"{at}/_history")
    yield Ask("GET", f"{at}/_history/1")
    yield Ask("GET", f"{at}/_history/2")
    if type_ == "Binary":
        return
    for place in (f"/pps/v2/{type_}/_search", f"/fhir/R4/{type_}/_search"):
        yield Ask("POST", place, (("_id", "{id}"),))
        yield Ask("POST", place, (("_id", "{id}"), ("_summary", "count")))
        yield Ask("POST", place, (("_id", "{id}"), ("_include", "*")))
    for known in parameters("DiagnosticReport").values():
        if type_ in known.targets:
            yield Ask("POST", "/fhir/R4/DiagnosticReport/_search", ((known.code, f"{type_}/{{id}}"),))
    for known in parameters("Observation").values():
        if type_ in known.targets:
            yield Ask("POST", "/pps/v2/Observation/_search", ((known.code, f"{type_}/{{id}}"),))


def with_id(ask: Ask, id_: str) -> Ask:
    form = tuple((name, value.replace("{id}", id_)) for name, value in ask.form)
    return replace(ask, path=ask.path.replace("{id}", id_), form=form, body=ask.body.replace("{id}", id_))


def changes_of(type_: str) -> Iterator[Ask]:
    """What a laboratory that did not file the record tries on it by id, or with the id in its body."""
    tree = {"resourceType": type_, "id": "{id}", "status": "final", "code": {"text": "Prøve"}}
    path, seen, fhir = f"/fhir/R4/{type_}/{{id}}", ("if-match", 'W/"1"'), ("content-type", "application/fhir+json")
    yield Ask("PUT", path, headers=(seen, fhir), body=json.dumps(tree))
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    yield Ask("PATCH", path, headers=(seen, ("content-type", "application/json-patch+json")), body=json.dumps(patch))
    yield Ask("DELETE", path)
    yield Ask("PUT", f"/fhir/R4/{type_}?_id={{id}}", headers=(fhir,), body=json.dumps(tree))
    yield Ask("DELETE", f"/fhir/R4/{type_}?_id={{id}}")


def absent(made: Record) -> str:
    """An id that this person could have had, or that nobody could."""
    return str(made.ward.house.store.ids.make(made.key))


def of_nobody() -> str:
    return str(uuid4())
