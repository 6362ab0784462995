"""A proof of possession is good for one request: on every route a second use is answered 401 and changes nothing. And what
each line of the route table answers is what the OpenAPI document has of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx

from described import undescribed
from kjerne.exchange import PUBLIC
from kjerne.fhir.encode import encode
from kjerne.sandbox.substances import IBUPROFEN
from kjerne.services.critical.api import BASE as CRITICAL
from pages.test_live_inquiries import corrected, listed
from platform_fixture import Standing
from services.critical import foreign
from services.critical import records as critical
from services.critical.asking import SYSTEM, claims, created
from services.critical.transfers import Journal
from services.results.kith.conftest import Kith
from services.results.test_intake_api import a_message
from services.results.test_opening_api import moved, rejected
from services.results.test_reuse_api import TSH, ask, number_of
from services.results.test_reuse_hooks import ordered
from services.test_consents import PART, a_consent
from services.test_patients import id_of as of_patient
from services.test_standards import create, observation
from services.test_standards_registered import person
from services.warnings.test_api import body, brand, cards, entry, signed, substance
from services.warnings.test_api import order as medicine

FHIR = {"content-type": "application/fhir+json"}
A_LIST = b'{"resourceType":"Group","type":"person","actual":true}'
FORM = {"content-type": "application/x-www-form-urlencoded"}
XML = {"content-type": "application/xml"}
WHO = "renumbered"
REASON = "Avsender ber om hjelp med avvisningen"


@dataclass(frozen=True)
class Sent:
    """One request of a persona's. `route` is its line of the table, `status` what the first use is answered with."""

    route: str
    path: str
    as_: str = "gp"
    about: str = WHO
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]


def about_nobody(platform: Standing) -> list[Sent]:
    """Requests about records of no patient, and to the operations on terminology."""
    at, sex, place = "/fhir/R4", "http://hl7.org/fhir/administrative-gender", {"resourceType": "Location", "name": "x"}
    kept = platform.client.call("POST", f"{at}/Location", as_="registry", body=json.dumps(place).encode(), headers=FHIR)
    found = [
        Sent("GET /fhir/R4/{type}", f"{at}/Location?name=x", about=""),
        Sent("GET /fhir/R4/{type}/{id}", f"{at}/Location/{kept.json()['id']}", about=""),
        Sent("POST /fhir/R4/{type}", f"{at}/Location", "registry", "", json.dumps(place).encode(), FHIR, 201),
    ]
    asked = {
        "CodeSystem/$lookup": {"system": sex, "code": "male"},
        "CodeSystem/$validate-code": {"url": sex, "code": "male"},
        "CodeSystem/$subsumes": {"system": sex, "codeA": "male", "codeB": "female"},
        "ValueSet/$expand": {"url": "http://hl7.org/fhir/ValueSet/administrative-gender"},
        "ValueSet/$validate-code": {
            "url": "http://hl7.org/fhir/ValueSet/administrative-gender", "system": sex, "code": "male",
        },
        "ConceptMap/$translate": {
            "url": "http://hl7.org/fhir/ConceptMap/cm-administrative-gender-v3", "system": sex, "code": "male",
        },
    }  # fmt: skip
    for operation, values in asked.items():
        parameter = [{"name": name, "valueString": value} for name, value in values.items()]
        body = json.dumps({"resourceType": "Parameters", "parameter": parameter}).encode()
        type_, _, name = operation.partition("/")
        for way, address, status in (
            (operation, operation, 200),
            (f"{type_}/{{id}}/{name}", f"{type_}/none/{name}", 404),
        ):
            if way == "CodeSystem/{id}/$lookup":
                continue
            found.append(Sent(f"GET /fhir/R4/{way}", f"{at}/{address}?{urlencode(values)}", about="", status=status))
            found.append(
                Sent(f"POST /fhir/R4/{way}", f"{at}/{address}", about="", body=body, headers=FHIR, status=status)
            )
    return found


def proven(platform: Standing, sent: Sent) -> Callable[[Sent], httpx.Response]:
    """Sends requests to the address of `sent`, all of them under one proof."""
    patient = platform.nin(sent.about) if sent.about else ""
    held = platform.client.token(sent.as_, patient=patient if sent.as_ == "gp" else "", path=sent.path)
    url = str(httpx.URL(platform.url + sent.path))
    proof = held.headers(sent.method, url, platform.clock.now().timestamp())

    def send(one: Sent) -> httpx.Response:
        named = {"person-id": patient} if patient and not sent.path.startswith(CRITICAL) else {}
        headers = {**named, **one.headers, **proof}
        return platform.http.request(one.method, url, content=one.body, headers=headers)

    return send


def reached(platform: Standing) -> int:
    """The number that the next transaction that writes will have."""
    return int(platform.rows("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next")[0]["next"])


def rows(platform: Standing, since: int) -> dict[str, tuple[int, int]]:
    """What every table holds, the replay table aside: number of rows, and how many of them were written since a transaction."""
    tables = platform.rows(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = 'public'::regnamespace AND relname NOT IN ('proof', 'proof_memory') "
        "AND has_table_privilege(oid, 'SELECT')"
    )
    counted = " UNION ALL ".join(
        f"SELECT '{one['name']}' AS name, count(*) AS n, count(*) FILTER (WHERE t.xmin::text::bigint >= $1) AS written "
        f"FROM {one['name']} t"
        for one in tables
    )
    found = {one["name"]: (one["n"], one["written"]) for one in platform.rows(counted, since)}
    assert {"audit", "record", "record_history", "message_in", "reuse_answer"} <= found.keys()
    return found


def form(**fields: str) -> bytes:
    return urlencode(fields).encode()


def search(route: str, path: str, **fields: str) -> Sent:
    return Sent(route, path, body=form(**fields), headers=FORM)


def asked_of_a_record(made: str, her: str) -> list[Sent]:
    """Each way to ask for records, and one to file them."""
    at, pps = "/fhir/R4/Observation", "/pps/v2/Observation/_search"
    line = json.dumps(observation()).encode()
    return [
        Sent("GET /fhir/R4/{type}", f"{at}?_count=2"),
        Sent("GET /fhir/R4/{type}", f"{at}?_total=accurate"),
        search("POST /fhir/R4/{type}/_search", f"{at}/_search", _count="2"),
        search("POST /fhir/R4/{type}/_search", f"{at}/_search", _summary="count"),
        search("POST /fhir/R4/{type}/_search", f"{at}/_search", _include="Observation:specimen"),
        Sent("GET /fhir/R4/Patient/$everything", "/fhir/R4/Patient/$everything?_count=2"),
        search("POST /fhir/R4/Patient/$everything", "/fhir/R4/Patient/$everything", _type="Specimen"),
        Sent("GET /fhir/R4/Patient/{id}/$everything", f"/fhir/R4/Patient/{her}/$everything?_count=2"),
        search("POST /fhir/R4/Patient/{id}/$everything", f"/fhir/R4/Patient/{her}/$everything", _type="Specimen"),
        Sent("GET /fhir/R4/Patient/$summary", "/fhir/R4/Patient/$summary"),
        search("POST /fhir/R4/Patient/$summary", "/fhir/R4/Patient/$summary", _format="json"),
        Sent("GET /fhir/R4/Patient/{id}/$summary", f"/fhir/R4/Patient/{her}/$summary"),
        search("POST /fhir/R4/Patient/{id}/$summary", f"/fhir/R4/Patient/{her}/$summary", _format="json"),
        Sent("GET /fhir/R4/{type}/{id}/$meta", f"{at}/{made}/$meta"),
        Sent("GET /fhir/R4/Observation/$lastn", f"{at}/$lastn?category=laboratory"),
        search("POST /fhir/R4/Observation/$lastn", f"{at}/$lastn", code="NPU27300"),
        *(
            Sent(f"POST /fhir/R4/{path}$validate", f"/fhir/R4/{given}$validate", body=line, headers=FHIR)
            for path, given in (("", ""), ("{type}/", "Observation/"), ("{type}/{id}/", f"Observation/{made}/"))
        ),
        Sent("GET /fhir/R4/{type}", f"{at}?specimen.status=available"),
        Sent("GET /fhir/R4/{type}", f"{at}?_filter=not(status%20eq%20final)&_sort=code"),
        search("POST /fhir/R4/{type}/_search", f"{at}/_search", **{"_has:DiagnosticReport:result:status": "final"}),
        search("POST /pps/v2/{type}/_search", pps, _count="2"),
        search("POST /pps/v2/{type}/_search", pps, skip="1"),
        Sent("GET /fhir/R4/{type}/{id}", f"{at}/{made}"),
        Sent("GET /fhir/R4/{type}/_history", f"{at}/_history?_count=2"),
        Sent("GET /fhir/R4/_history", "/fhir/R4/_history?_count=2"),
        Sent("GET /fhir/R4/$changes", "/fhir/R4/$changes?_count=2"),
        Sent("GET /fhir/R4/{type}/{id}/_history", f"{at}/{made}/_history"),
        Sent("GET /fhir/R4/{type}/{id}/_history/{version}", f"{at}/{made}/_history/1"),
        Sent("POST /fhir/R4/{type}", at, "lab", body=line, headers=FHIR, status=201),
        Sent("POST /fhir/R4/{type}", at, "lab", body=b'{"resourceType":"Observation"}', headers=FHIR, status=422),
        Sent("POST /fhir/R4/$import", "/fhir/R4/$import", "lab", body=line, headers={"content-type": "application/ndjson"}),
    ]  # fmt: skip


def asked_of_repeats(platform: Standing) -> list[Sent]:
    """Whether an analysis was done lately, and what came of the answer."""
    number = number_of(ask(platform, "urn:oid:2.16.578.1.12.4.1.1.7280|NPU27300"))
    return [
        search("POST /pps/v2/already-done", "/pps/v2/already-done", code="urn:oid:2.16.578.1.12.4.1.1.7280|NPU03429"),
        Sent("POST /pps/v2/already-done/{number}", f"/pps/v2/already-done/{number}", about="citizen",
             body=form(outcome="followed"), headers=FORM, status=204),
        Sent("GET /pps/already-done-counts", "/pps/already-done-counts", "operator", ""),
    ]  # fmt: skip


def asked_by_a_sender(platform: Standing) -> list[Sent]:
    """What was rejected and withdrawn, and a rejected message again and opened."""
    (name, _), (twice, _) = rejected(platform), rejected(platform)
    sender = {"as_": "lab", "about": ""}
    correction = listed(platform, corrected(platform))
    return [
        Sent("GET /pps/in/rejected", "/pps/in/rejected", **sender),
        Sent("GET /pps/in/withdrawn", "/pps/in/withdrawn", **sender),
        Sent("POST /pps/in/rejected/{message}", f"/pps/in/rejected/{name}", **sender, status=422),
        Sent("POST /pps/in/rejected", "/pps/in/rejected", **sender, body=form(message=twice), headers=FORM, status=422),
        Sent("POST /pps/in/rejected/{message}/content", f"/pps/in/rejected/{name}/content", **sender,
             body=form(reason=REASON), headers=FORM),
        Sent("POST /pps/in/content", "/pps/in/content", **sender, body=form(message=name, reason=REASON), headers=FORM),
        Sent("POST /pps/in", "/pps/in", "lab", "", b"<no message/>", XML, 400),
        Sent("GET /pps/in/corrections", "/pps/in/corrections", **sender),
        Sent("POST /pps/in/corrections/{number}", f"/pps/in/corrections/{correction}", **sender, body=form(reason=REASON),
             headers=FORM),
        Sent("POST /pps/in/corrections/{number}/answer", f"/pps/in/corrections/{correction}/answer", **sender,
             body=form(status="under-way", step="1"), headers=FORM, status=204),
    ]  # fmt: skip


def asked_by_an_operator(platform: Standing) -> list[Sent]:
    """The queues of all, readings that stand out, and the register of participation."""
    operator = {"as_": "operator", "about": "", "headers": FORM}
    lab = platform.persona("lab").organisation

    def opened(message: str) -> bytes:
        return form(sender=lab, message=message, reason=REASON)

    content, change = "/pps/operations/rejected/content", form(why=REASON)
    return [
        Sent("GET /pps/operations/rejected", "/pps/operations/rejected", "operator", ""),
        Sent("GET /oversight/anomalies", "/oversight/anomalies", "operator", ""),
        Sent("GET /fhir/R4/AuditEvent", "/fhir/R4/AuditEvent?_count=1", "citizen", ""),
        Sent("POST /fhir/R4/AuditEvent/_search", "/fhir/R4/AuditEvent/_search", "audit-repository", WHO,
             body=form(_count="1"), headers=FORM),
        Sent("GET /fhir/R4/AuditEvent/{id}", f"/fhir/R4/AuditEvent/{'0' * 64}", "citizen", "", status=404),
        Sent("GET /disclosures", "/disclosures", "hospital-lab", ""),
        Sent("GET /participation", "/participation", "operator", ""),
        Sent("GET /participation/{number}", "/participation/999999", "operator", "", status=404),
        Sent("POST /participation", "/participation", **operator, body=form(organisation="x"), status=400),
        Sent("POST /participation/{number}/widen", "/participation/999999/widen", **operator, body=change, status=404),
        Sent("POST /participation/{number}/close", "/participation/999999/close", **operator, body=change, status=404),
        Sent(f"POST {content}", content, **operator, body=opened(rejected(platform)[0])),
        Sent(f"POST {content}", content, **operator, body=opened(rejected(platform, number=Kith.NUMBER)[0])),
        Sent("POST /pps/operations/withdrawn", "/pps/operations/withdrawn", **operator,
             body=opened(moved(platform, "citizen", "new-mother"))),
    ]  # fmt: skip


def asked_of_persons_and_exports() -> list[Sent]:
    """Two numbers of one person, and what is taken out in bulk: none that is there."""
    operator = {"as_": "operator", "about": "", "headers": FORM}
    nobody, links, export = form(one="1", other="2", reason=REASON), "/persons/links", "/exports/999999"
    return [
        Sent("GET /persons/links", links, **operator),
        Sent("POST /persons/links", links, **operator, body=nobody, status=400),
        Sent("POST /persons/links/compare", f"{links}/compare", **operator, body=nobody, status=400),
        Sent("POST /persons/links/{number}/shown", f"{links}/999999/shown", **operator, body=form(reason=REASON), status=404),
        Sent("POST /persons/links/{number}/undo", f"{links}/999999/undo", **operator, body=form(reason=REASON), status=404),
        *(
            Sent(f"{method} /fhir/R4/{path}$export", f"/fhir/R4/{path.format(id='none')}$export", "operator", "", body, FHIR, 400)
            for path in ("", "Patient/", "Group/{id}/")
            for method, body in (("GET", b""), ("POST", b"{}"))
        ),
        Sent("POST /fhir/R4/Group", "/fhir/R4/Group", "operator", "", A_LIST, FHIR, 201),
        Sent("GET /fhir/R4/Group/{id}", "/fhir/R4/Group/none", **operator, status=404),
        Sent("PUT /fhir/R4/Group/{id}", "/fhir/R4/Group/none", "operator", "", A_LIST, FHIR, 400),
        Sent("DELETE /fhir/R4/Group/{id}", "/fhir/R4/Group/none", **operator, status=404),
        Sent("GET /exports", "/exports", **operator),
        Sent("GET /exports/{number}", export, **operator, status=404),
        Sent("GET /checks/{type}", "/checks/Organization", **operator),
        Sent("DELETE /exports/{number}", export, **operator, status=404),
        Sent("POST /exports/{number}/approve", f"{export}/approve", **operator, body=form(reason=REASON), status=404),
        Sent("POST /exports/{number}/refuse", f"{export}/refuse", **operator, body=form(reason=REASON), status=404),
        *(
            Sent(f"GET /exports/{{number}}/files/{{file}}{end}", f"{export}/files/Observation-0{end}", **operator, status=404)
            for end in ("", "/validation")
        ),
    ]  # fmt: skip


def followed_by_another(platform: Standing, made: str) -> Iterator[tuple[Sent, Sent]]:
    """What writes, and another writing under the same proof."""
    tree = {**observation(id=made), "status": "amended"}
    line = json.dumps(observation()).encode()

    def put(status: str, version: int, answered: int = 200) -> Sent:
        body = json.dumps(tree | {"status": status}).encode()
        headers = FHIR | {"if-match": f'W/"{version}"'}
        return Sent("PUT /fhir/R4/{type}/{id}", f"/fhir/R4/Observation/{made}", "lab", "", body, headers, answered)

    def patch(op: str, status: str, version: int, answered: int = 200) -> Sent:
        body = json.dumps([{"op": op, "path": "/status", "value": status}]).encode()
        headers = {"content-type": "application/json-patch+json", "if-match": f'W/"{version}"'}
        return Sent("PATCH /fhir/R4/{type}/{id}", f"/fhir/R4/Observation/{made}", "lab", "", body, headers, answered)

    taken = Sent("POST /pps/in", "/pps/in", "lab", "", a_message(platform), XML)
    yield taken, replace(taken, body=a_message(platform))
    created = Sent("POST /fhir/R4/{type}", "/fhir/R4/Observation", "lab", body=line, headers=FHIR, status=201)
    yield created, replace(created, body=line.replace(b"140", b"141"))
    yield put("amended", 1), put("corrected", 2)
    yield put("corrected", 1, 412), put("corrected", 2)
    yield patch("replace", "amended", 2), patch("replace", "corrected", 3)
    yield patch("test", "final", 3, 409), patch("replace", "corrected", 3)
    found = {**tree, "identifier": [{"value": "for-a-condition"}]}
    found.pop("id")
    body, at = json.dumps(found).encode(), "/fhir/R4/Observation?identifier=for-a-condition"
    put_in = Sent("PUT /fhir/R4/{type}", at, "lab", body=body, headers=FHIR, status=201)
    yield put_in, replace(put_in, headers=FHIR | {"if-match": 'W/"1"'})
    none = {**FHIR, "if-none-exist": "identifier=for-a-condition"}
    again = Sent("POST /fhir/R4/{type}", "/fhir/R4/Observation", "lab", body=body, headers=none)
    yield again, replace(again, headers=FHIR)
    for base in ("/fhir/R4", "/fhir/R4/"):
        several = Sent(f"POST {base}", base, "lab", body=a_batch(line), headers=FHIR)
        yield several, replace(several, body=a_batch(line.replace(b"140", b"141")))
    event = Sent(
        "POST /fhir/R4/$process-message", "/fhir/R4/$process-message", "lab", body=a_message_of(line), headers=FHIR
    )
    yield event, replace(event, body=a_message_of(line.replace(b"140", b"142")))
    away = Sent("DELETE /fhir/R4/{type}", at, "lab", status=204)
    yield away, away
    gone = Sent("DELETE /fhir/R4/{type}/{id}", f"/fhir/R4/Observation/{made}", "lab", "", status=204)
    yield gone, gone
    yield from of_choices(platform)


def a_batch(line: bytes) -> bytes:
    request = b'{"method":"POST","url":"Observation"}'
    return b'{"resourceType":"Bundle","type":"batch","entry":[{"request":%b,"resource":%b}]}' % (request, line)


def a_message_of(line: bytes) -> bytes:
    address = f"https://lab.example/fhir/Observation/{uuid4()}"
    header = {
        "resourceType": "MessageHeader",
        "id": str(uuid4()),
        "eventCoding": {"system": "http://terminology.hl7.org/CodeSystem/v2-0003", "code": "R01"},
        "source": {"endpoint": "https://lab.example/fhir/$process-message"},
        "focus": [{"reference": address}],
    }
    entry = [{"resource": header}, {"fullUrl": address, "resource": json.loads(line) | {"id": address[-36:]}}]
    return json.dumps({"resourceType": "Bundle", "type": "message", "entry": entry}).encode()


def of_choices(platform: Standing) -> Iterator[tuple[Sent, Sent]]:
    """A choice is made, looked at and taken back."""
    at, who = "/fhir/R4/Consent", {"as_": "citizen", "about": "citizen"}
    wish, other = (
        a_consent(code=[{"coding": [{"system": PART, "code": code}]}]) | {"patient": person(platform, "citizen")}
        for code in ("genetics", "pathology")
    )
    made = Sent(f"POST {at}", at, **who, body=encode(wish), headers=FHIR, status=201)
    yield made, replace(made, body=encode(other))
    listed = platform.client.call("GET", f"{at}?status=active", as_="citizen", patient=platform.nin("citizen"))
    consent = listed.json()["entry"][0]["resource"]
    for one in (
        Sent(f"GET {at}", f"{at}?status=active", **who),
        Sent(f"GET {at}/{{id}}", f"{at}/{consent['id']}", **who),
        Sent(
            f"PUT {at}/{{id}}",
            f"{at}/{consent['id']}",
            **who,
            body=encode({**consent, "status": "inactive"}),
            headers=FHIR,
        ),
    ):
        yield one, one


def asked_of_imports(platform: Standing) -> list[Sent]:
    """An import in parts: its manifest, its state, a part that comes and one that does not, and its end."""
    line, lines = json.dumps(observation()).encode(), {"content-type": "application/ndjson"}
    parts = [{"type": "Observation", "url": name} for name in ("one", "two")]
    tree = {"inputFormat": "application/ndjson", "inputSource": "https://elsewhere.example", "input": parts}
    manifest = ("lab", "", json.dumps(tree).encode(), {"content-type": "application/json"})
    begun = platform.client.call("POST", "/fhir/R4/$import", as_="lab", body=manifest[2], headers=manifest[3])
    at = begun.headers["content-location"].removeprefix(platform.url)
    sender = {"as_": "lab", "about": ""}
    part = "/imports/{number}/parts/{part}"
    return [
        Sent("POST /fhir/R4/$import", "/fhir/R4/$import", *manifest, 202),
        Sent("GET /imports/{number}", at, **sender, status=202),
        Sent(f"PUT {part}", f"{at}/parts/0", "lab", body=line, headers=lines),
        Sent(f"PUT {part}", f"{at}/parts/1", "lab", body=b"{}", headers=lines, status=422),
        Sent("GET /imports/{number}", at, **sender),
        Sent(f"GET {part}/outcome", f"{at}/parts/1/outcome", **sender),
        Sent("DELETE /imports/{number}", at, **sender, status=202),
    ]


def asked_of_subscriptions(platform: Standing) -> list[Sent]:
    at, who = "/fhir/R4/Subscription", {"as_": "ehr", "about": WHO}
    none = {"resourceType": "Subscription", "id": "none"}
    return [
        Sent(f"GET {at}", at, **who),
        replace(search(f"POST {at}/_search", f"{at}/_search", status="active"), **who),
        Sent(f"POST {at}", at, **who, body=json.dumps(none).encode(), headers=FHIR, status=422),
        Sent(f"GET {at}/{{id}}", f"{at}/none", **who, status=404),
        Sent(f"PUT {at}/{{id}}", f"{at}/none", **who, body=json.dumps(none).encode(), headers=FHIR, status=422),
        Sent(f"DELETE {at}/{{id}}", f"{at}/none", **who, status=404),
        Sent(f"GET {at}/{{id}}/$status", f"{at}/none/$status", **who, status=404),
        Sent(f"GET {at}/{{id}}/$events", f"{at}/none/$events", **who, status=404),
        *(
            Sent(f"{method} {at}{one}/$get-ws-binding-token", f"{at}{here}/$get-ws-binding-token", **who, status=status)
            for method in ("GET", "POST")
            for one, here, status in (("", "", 422), ("/{id}", "/none", 404))
        ),
        Sent("GET /subscriptions/failing", "/subscriptions/failing", "operator", ""),
        Sent("POST /subscriptions/failing/{id}/begin", "/subscriptions/failing/none/begin", "operator", "", status=404),
    ]


def headers_of_critical(platform: Standing, about: str) -> dict[str, str]:
    role = '{"system":"urn:oid:2.16.578.1.12.4.1.1.9060","code":"LE"}'
    named = {
        "patient-nin": platform.nin(about),
        "user-role": quote(role),
        "source-system": "EPJ",
        "event-id": str(uuid4()),
    }
    return {f"nhn-{name}": value for name, value in named.items()}


def of_critical_information(platform: Standing) -> Iterator[tuple[Sent, Sent]]:
    """Asked, registered, changed and taken back at its national address."""
    at, one, who = f"{CRITICAL}/{{type}}", f"{CRITICAL}/{{type}}/{{id}}", {"about": "citizen"}
    asking = headers_of_critical(platform, "citizen")
    flag, other = critical.flag(platform), critical.flag(platform, code={"text": "Skal ligge flatt"})
    made = critical.registered(platform, flag)
    there = f"{CRITICAL}/Flag/{made['id']}"
    for sent in (
        Sent(f"GET {CRITICAL}/status", f"{CRITICAL}/status", **who, headers=asking),
        Sent(f"GET {CRITICAL}/$groups", f"{CRITICAL}/$groups", **who, headers=asking),
        Sent(f"GET {at}", f"{CRITICAL}/Conditions?criticalInfoType=Infection", **who, headers=asking),
        Sent(f"GET {at}", f"{CRITICAL}/Flag", **who, status=400),
        Sent(f"GET {one}", there, **who, headers=asking),
        Sent(f"DELETE {one}", there, **who, headers=asking, status=428),
    ):
        yield sent, sent
    journal = Journal(platform)
    sent_in = encode({"resourceType": "Bundle", "type": "transaction", "entry": [journal.put(flag, "one")]})
    system = {name: value for name, value in asking.items() if name != "nhn-user-role"} | FHIR
    by_system = Sent(f"POST {CRITICAL}", CRITICAL, "journal-system", **who, body=sent_in, headers=system)
    yield by_system, by_system
    yield replace(by_system, body=b"{}", status=400), by_system
    new = Sent(f"POST {at}", f"{CRITICAL}/Flag", **who, body=encode(flag), headers=asking | FHIR, status=201)
    yield new, replace(new, body=encode(other))
    yield replace(new, body=b"{}", status=400), new

    def put(version: int, answered: int = 200, **more: str) -> Sent:
        headers = asking | FHIR | {"if-match": f'W/"{version}"'} | more
        return Sent(f"PUT {one}", there, **who, body=encode(made), headers=headers, status=answered)

    yield put(7, 412), put(1)
    yield put(7, 412, prefer="return=representation"), put(1)
    yield put(1), put(2)
    gone = Sent(f"DELETE {one}", there, **who, headers=asking | {"if-match": 'W/"2"'}, status=204)
    yield gone, gone


def of_summaries_from_abroad(platform: Standing) -> Iterator[tuple[Sent, Sent]]:
    """Brought, listed, opened, settled and taken back."""
    at, there, who = f"{CRITICAL}/abroad", f"{CRITICAL}/abroad/{{document}}", {"about": "citizen"}
    asking = headers_of_critical(platform, "citizen")
    number = foreign.kept(platform, foreign.allergy())
    held, tree = f"{at}/{number}", foreign.document(foreign.her(platform), foreign.allergy())
    wrong, unlike = tree | {"type": "collection"}, foreign.document(foreign.her(platform, birthDate="1901"))
    way = f"POST {CRITICAL}/$import-summary"
    new = Sent(way, f"{CRITICAL}/$import-summary", **who, body=encode(tree), headers=asking | FHIR, status=201)
    yield new, replace(new, status=200)
    yield replace(new, body=encode(wrong), status=422), replace(new, body=encode(unlike), status=409)
    for sent in (
        Sent(f"GET {at}", at, **who, headers=asking),
        Sent(f"GET {there}", held, **who, headers=asking),
        Sent(f"GET {there}", f"{at}/none", **who, headers=asking, status=404),
        Sent(f"GET {there}/content", f"{held}/content", **who, headers=asking),
    ):
        yield sent, sent
    one, left = f"{held}/entries/{foreign.FIRST}", encode(foreign.decision("leave-out", reason="Ikke relevant"))
    settle = Sent(f"POST {there}/entries/{{place}}", one, **who, body=left, headers=asking | FHIR, status=428)
    yield settle, replace(settle, headers=asking | FHIR | {"if-match": 'W/"0-0"'}, status=412)
    why = {"resourceType": "Parameters", "parameter": [{"name": "reason", "valueString": "Feil pasient"}]}
    back = Sent(f"POST {there}/$take-back", f"{held}/$take-back", **who, body=encode(why), headers=asking | FHIR)
    yield replace(back, body=b"{}", status=422), back
    gone = Sent(f"GET {there}", held, **who, headers=asking, status=410)
    yield back, back
    yield gone, gone


def asked_while_she_works(platform: Standing) -> list[Sent]:
    """Cards of a clinician's system, and what became of them."""
    json_ = {"content-type": "application/json"}
    critical, done = "/cds-services/critical-information", "/cds-services/already-done"
    entry(platform, substance(IBUPROFEN))
    (first, *_) = cards(signed(platform, medicine(brand(5))))
    told = {"card": first["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-27T12:00:00Z"}
    answer, order = (
        json.dumps({"feedback": [told]}).encode(),
        json.dumps(body("order-sign", medicine(brand(5)))).encode(),
    )
    test = json.dumps(body("order-sign", ordered(TSH))).encode()
    return [
        Sent(f"POST {critical}", critical, about="citizen", body=order, headers=json_),
        Sent(f"POST {critical}", critical, about="citizen", body=b"{}", headers=json_, status=400),
        Sent(f"POST {critical}/feedback", f"{critical}/feedback", about="citizen", body=answer, headers=json_),
        Sent("GET /critical-information/warning-counts", "/critical-information/warning-counts", "operator", ""),
        Sent("GET /critical-information/coverage", "/critical-information/coverage", "operator", ""),
        Sent("GET /critical-information/fetches", "/critical-information/fetches", "operator", ""),
        Sent(
            "POST /critical-information/fetches/{number}/again",
            "/critical-information/fetches/0/again",
            "operator",
            "",
            status=404,
        ),
        Sent(f"POST {done}", done, about="citizen", body=test, headers=json_),
        Sent(f"POST {done}/feedback", f"{done}/feedback", about="citizen", body=answer, headers=json_),
    ]


def asked_beside_a_name(platform: Standing) -> list[Sent]:
    """The health indicator of a clinician's system."""
    at = "/v1/helseindikator/status"
    asked, who = (
        json.dumps({"fnr": platform.nin("citizen")}).encode(),
        {"content-type": "application/json", "x-epj-system": "EPJ"},
    )
    return [
        Sent(f"POST {at}", at, about="citizen", body=asked, headers=who),
        Sent(f"POST {at}", at, about="citizen", body=b'{"fnr":"1"}', headers=who),
        Sent(f"POST {at}", at, about="citizen", body=b"{}", headers=who, status=400),
        *asked_of_sessions(platform),
    ]


def asked_of_sessions(platform: Standing) -> Iterator[Sent]:
    """The way from a clinician's system to the pages."""
    session = json.dumps({"sessionId": created(platform).id}).encode()
    new = json.dumps({"ehr_code_challenge": "x" * 43, "claims": claims(platform, "citizen")}).encode()
    for what, told, status in (
        ("create", new, 200), ("create", b"{}", 400), ("refresh", session, 204), ("end", session, 204), ("refresh", session, 404)
    ):  # fmt: skip
        at = f"/api/session/{what}"
        yield Sent(f"POST {at}", at, about="citizen", body=told, headers=SYSTEM, status=status)


def asked_of_documents(platform: Standing) -> Iterator[Sent]:
    """Of other institutions, none of which is asked here."""
    hers = {"nhn-patient-nin": platform.nin("citizen")}
    asked = f"patient.identifier={platform.nin('citizen')}&status=current".encode()
    bundle, found = "/phr/R4/fhir/Bundle", ("/phr/R4/fhir/DocumentReference", "/phr/R4/fhir/List")
    for at in found:
        yield Sent(f"POST {at}/_search", f"{at}/_search", about="citizen", body=asked, headers=FORM)
        yield Sent(f"POST {at}/_search", f"{at}/_search", about="citizen", body=b"_page=0", headers=FORM, status=400)
        yield Sent(f"GET {at}", f"{at}?status=current", about="citizen", headers=hers)
    for one in ("/phr/mhd/document/{id}", "/phr/mhd/document/{patient}/{id}", *(f"{at}/{{id}}" for at in found)):
        at = one.replace("{id}", str(uuid4())).replace("{patient}", str(uuid4()))
        yield Sent(f"GET {one}", at, about="citizen", headers=hers, status=404)
    yield Sent(f"POST {bundle}", bundle, about="citizen", body=b"{}", headers=FHIR, status=501)
    yield Sent("POST /phr/register", "/phr/register", "document-source", "", form(home="urn:oid:1.2"), FORM, 403)


def requests(platform: Standing) -> Iterator[tuple[Sent, Sent]]:
    """For each line of the route table at least one request that is answered, and what comes under the same proof."""
    made = str(create(platform, observation()).tree["id"])
    once = [
        *asked_of_a_record(made, of_patient(platform, WHO)),
        *asked_of_repeats(platform),
        *asked_while_she_works(platform),
        *asked_beside_a_name(platform),
        *asked_by_a_sender(platform),
        *asked_of_imports(platform),
        *asked_by_an_operator(platform),
        *asked_of_subscriptions(platform),
        *asked_of_persons_and_exports(),
        *asked_of_documents(platform),
    ]
    yield from ((one, one) for one in (*once, *about_nobody(platform)))
    yield from of_critical_information(platform)
    yield from of_summaries_from_abroad(platform)
    yield from followed_by_another(platform, made)


def test_on_every_route_a_second_use_of_a_proof_changes_nothing(platform: Standing) -> None:
    """Also where who asks and about whom is remembered, and no look at the patient comes first."""
    platform.search("Observation", about=WHO)
    met, told = set(), platform.http.get(f"{platform.url}/openapi.json").json()
    for first, second in requests(platform):
        send = proven(platform, first)
        answer = send(first)
        assert answer.status_code == first.status, (first, answer.text)
        since = reached(platform)
        before = rows(platform, since)
        again = send(second)
        assert again.status_code == 401, first
        for one in (answer, again):
            assert undescribed(told, *first.route.split(" "), one) == "", (first, one.text)
        assert {name: held for name, held in rows(platform, since).items() if held != before[name]} == {}, first
        met.add(first.route)
    table = platform.application._edge.routes
    assert met == {f"{route.method} {route.path}" for route in table if route.needs != PUBLIC}
