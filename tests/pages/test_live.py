"""The pages over the real platform: whom the clinician's desk names, what it says of a change, and what is logged of it."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from html import unescape
from typing import Any

import httpx
import pytest

from kjerne.access import Choice
from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode, encode
from kjerne.pages import live
from kjerne.policy.claims import Claims
from kjerne.policy.people import norwegian_day
from kjerne.registries.identifiers import digest
from platform_fixture import PATIENCE_SECONDS, Standing
from services.results.kith.conftest import Kith
from services.results.test_intake_api import key_of

DAY = r"\d\d\.\d\d\.20\d\d"
STRANGER_TEXT = "Du har ikke tilgang til denne pasienten"
NO_CARE_TEXT = "Vi fant ikke noe som viser at du gir pasienten helsehjelp."


def text(page: httpx.Response) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


def logged_in(platform: Standing, http: httpx.Client, persona: str, to: str) -> httpx.Response:
    """Where a persona's way past the provider ends."""
    chooser = http.get(f"{platform.url}/login/start?to={to}")
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', chooser.text)
    action = re.search(r'action="([^"]+)"', chooser.text)
    assert action, chooser.text[:300]
    fields = {name: unescape(value) for name, value in hidden} | {"persona": persona}
    return http.post(str(chooser.url.join(unescape(action[1]))), data=fields)


class Tab:
    """A browser of one persona, past the provider's login."""

    def __init__(self, platform: Standing, http: httpx.Client, persona: str, to: str) -> None:
        self.http, self.platform = http, platform
        self.home = logged_in(platform, http, persona, to)
        assert self.home.url.path == f"/{to}", text(self.home)[:300]

    def get(self, path: str) -> httpx.Response:
        return self.http.get(f"{self.platform.url}{path}")

    def post(self, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
        token = re.search(r'name="token" value="([^"]+)"', page.text)
        assert token
        headers = {"origin": self.platform.url, "sec-fetch-site": "same-origin"}
        return self.http.post(f"{self.platform.url}{path}", data={"token": token[1]} | fields, headers=headers)

    def type(self, number: str, **fields: str) -> httpx.Response:
        filled = {"purpose": "TREAT", "basis": "", "patient": "", "number": number} | fields
        asked = self.post(self.get("/clinician"), "/clinician/open", **filled)
        sealed = re.search(r'name="asked" value="([^"]+)"', asked.text)
        return self.post(asked, "/clinician/confirm", asked=sealed[1]) if sealed else asked

    def declare(self, number: str, reason: str) -> httpx.Response:
        """Opens a patient whom nothing ties to her by a need that she states herself."""
        opened = self.type(number)
        return self.post(opened, f"{opened.url.path}/declare", reason=reason)


@contextmanager
def tab(platform: Standing, persona: str, to: str = "clinician") -> Iterator[Tab]:
    with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS, follow_redirects=True) as http:
        yield Tab(platform, http, persona, to)


@contextmanager
def chosen(platform: Standing, patient: str, choice: Choice) -> Iterator[None]:
    """While a choice of the patient's holds."""
    store = platform.application._edge.store

    async def begin() -> tuple[int, int]:
        async with store.pool.acquire() as conn:
            key = await store.people.key_of(conn, digest(store.keys.derived("identifier"), platform.nin(patient)))
            return key, await store.people.add_choice(conn, key, choice)

    async def end(key: int, number: int) -> None:
        async with store.pool.acquire() as conn:
            await store.people.end_choice(conn, key, number, platform.clock.now())

    key, number = platform.run(begin())
    try:
        yield
    finally:
        platform.run(end(key, number))


@contextmanager
def blocked(platform: Standing, patient: str, persona: str) -> Iterator[None]:
    """While the patient blocks this persona by name."""
    block = Choice("block", "", platform.persona(persona).hpr, "", platform.clock.now(), None)
    with chosen(platform, patient, block):
        yield


def a_report(
    patient: str, mark: str, value: str, *, corrects: bool = False, analysis: str = "P-Prøvestoff", day: int = 21,
    made: str = "",
) -> bytes:  # fmt: skip
    """A report of one result, or a later version of it, sent on this day of November or when it is said to be `made`."""
    code = f"NPU9{int(mark, 16) % 10_000:04}"
    result = Kith.item(code, Kith.number(value), id_="1", service="M" if corrects else "N")
    result = result.replace(f"Analyse {code}", analysis)
    whole = Kith.report(
        patient=Kith.person(Kith.SAMPLE + result, number=patient), id_=f"R-{mark}", service="M" if corrects else "N"
    )
    made = made or (f"2026-11-{day}T12:00:05" if corrects else "2026-11-20T12:00:05")
    return Kith.message(whole, id_=f"M-{mark}-{value}-{made[8:10]}", generated=made)


def since(platform: Standing) -> str:
    """A time after all that was written by FHIR, as a message says when it was made."""
    return f"{platform.clock.now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"


def with_a_file(raw: bytes, data: bytes) -> bytes:
    """The same report with a file in it."""
    content = b64encode(data).decode()
    form = (
        "<RefDoc><MsgType V='A'/><MimeType>application/pdf</MimeType><Description>Skannet svar</Description>"
        f"<Content><Base64Container xmlns='http://www.kith.no/xmlstds/base64container'>{content}</Base64Container>"
        "</Content></RefDoc>"
    )
    return raw.replace(b"</ServReport>", form.encode() + b"</ServReport>")


def send(platform: Standing, raw: bytes) -> None:
    assert platform.send(raw).status_code == 200


def test_no_page_opens_to_health_personnel_whose_authorisation_has_ended(platform: Standing) -> None:
    with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS, follow_redirects=True) as http:
        refused = logged_in(platform, http, "retired-doctor", "clinician")
        assert (refused.status_code, refused.url.path) == (403, "/login/return")
        assert "ingen autorisasjon som gjelder for deg i dag" in text(refused)
        assert http.get(f"{platform.url}/clinician").url.path == "/login"
    by_api = platform.client.call(
        "POST", "/pps/v2/Observation/_search", as_="retired-doctor", patient=platform.nin("citizen")
    )
    assert by_api.status_code == 403


@contextmanager
def registered_as(platform: Standing, persona: str, column: str, value: Any) -> Iterator[None]:
    """While the register of health personnel says something else of her."""
    change = f"UPDATE practitioner SET {column} = $1 WHERE hpr = $2 RETURNING hpr"
    hpr = platform.persona(persona).hpr
    (before,) = platform.rows(f"SELECT {column} FROM practitioner WHERE hpr = $1", hpr)
    assert platform.rows(change, value, hpr)
    try:
        yield
    finally:
        platform.rows(change, before[column], hpr)


@pytest.mark.parametrize(
    ("column", "of_today", "rule"),
    [
        ("valid_to", lambda day: day, "personnel-not-registered"),
        ("authorizations", lambda _: ["SP"], "authorization-not-registered"),
    ],
    ids=["ended", "other"],
)
def test_an_authorisation_that_ends_during_a_login_ends_every_page_of_it(
    platform: Standing, column: str, of_today: Callable[[date], Any], rule: str
) -> None:
    with tab(platform, "gp") as it:
        page = it.type(platform.nin("citizen"))
        assert page.status_code == 200
        report = re.search(r'href="(/clinician/v/[^"]+/report/[^"]+)"', page.text)
        assert report
        tries = (
            "SELECT count(*) FROM audit a JOIN practitioner p ON p.digest = a.caller_digest WHERE p.hpr = $1 AND a.rule = $2 "
            "AND (a.action, a.outcome, a.caller_hpr, a.caller_role) = ('attest', 1, '', '') AND a.patient = $3"
        )
        asked = (platform.persona("gp").hpr, rule, key_of(platform, platform.nin("citizen")))
        (before,) = platform.rows(tries, *asked)
        with registered_as(platform, "gp", column, of_today(norwegian_day(platform.clock.now()))):
            for path in ("/clinician", page.url.path, f"{page.url.path}/print", report[1]):
                refused = it.get(path)
                assert (refused.status_code, platform.persona("citizen").person_name in refused.text) == (403, False), (
                    path
                )
            broken = {
                "purpose": "BTG",
                "reason": "Livet står på spill",
                "number": platform.nin("citizen"),
                "patient": "",
            }
            assert it.post(page, "/clinician/open", basis="", **broken).status_code >= 400
        assert it.get(page.url.path).status_code == 200
        (after,) = platform.rows(tries, *asked)
        # Three pages of the patient's and the number that was typed stand in her log; the list is about nobody (K101).
        assert after["count"] - before["count"] == 4


@pytest.mark.parametrize("scope", ["nhn:pps/provesvar-read", "kjerne:citizen", "kjerne:operations"])
def test_a_login_below_level_four_opens_no_page(platform: Standing, scope: str) -> None:
    store, hpr = platform.application._edge.store, platform.persona("gp").hpr
    held = Claims("s", "kjerne-pages", frozenset({scope}), "j", 2**31, pid=platform.nin("gp"), hpr=hpr, level=3)

    async def verify(_: bytes) -> Claims:
        return held

    nothing: Any = None
    pages = live.LivePages(store, platform.clock, nothing, nothing, verify, nothing, lambda pid: pid.encode())
    with pytest.raises(Refusal) as caught:
        platform.run(pages.sign_in({}, ""))
    assert caught.value.rule == "ATT-9"


@pytest.mark.parametrize("patient", ["citizen", "protected", "opted-out", "restricted"])
def test_a_typed_number_names_nobody_to_a_doctor_whom_nothing_ties_to_her(platform: Standing, patient: str) -> None:
    person = platform.population.by_key[platform.population.cast[patient]]
    with tab(platform, "outsider") as it:
        page = it.type(person.nin)
    assert page.status_code == 403
    assert STRANGER_TEXT in text(page)
    for told in (person.name, person.name.split()[0], person.nin[:6], "adresse", "Sperret", " år"):
        assert told not in text(page), told
    assert "Erklær behov" in text(page)


def test_an_unknown_number_ends_as_a_strangers_does(platform: Standing) -> None:
    with tab(platform, "outsider") as it:
        stranger, nobody = it.type(platform.nin("citizen")), it.type(Kith.NUMBER)
    assert stranger.status_code == nobody.status_code == 403
    assert re.sub(r"\d\d:\d\d", "", text(stranger)) == re.sub(r"\d\d:\d\d", "", text(nobody))


@pytest.mark.parametrize("persona", ["outsider", "gp"])
@pytest.mark.parametrize("purpose", ["TREAT", "ETREAT", "COC", "BTG"])
def test_a_protected_address_looks_like_nobody_for_every_purpose(
    platform: Standing, persona: str, purpose: str
) -> None:
    why = {"purpose": purpose, "reason": "Henvist fra legevakten"}
    with tab(platform, persona) as it:
        hidden, nobody = it.type(platform.nin("protected"), **why), it.type(Kith.NUMBER, **why)
    bodies = {re.sub(r"[0-9a-f]{32}|(value|read-at)=\"[^\"]*\"|\d\d:\d\d", "", page.text) for page in (hidden, nobody)}
    assert (hidden.status_code, nobody.status_code) == (403, 403)
    assert len(bodies) == 1


def test_a_protected_address_is_not_told_though_a_need_is_declared(platform: Standing) -> None:
    with tab(platform, "outsider") as it:
        page = it.declare(platform.nin("protected"), "Henvist fra legevakten")
    assert page.status_code == 403
    assert "adresse" not in text(page)
    assert "Ida" not in text(page)
    assert NO_CARE_TEXT not in text(page), "she has said that she gives care"
    assert "Se etter at nummeret er riktig. Er det riktig, må du spørre den som har" in text(page)


def test_who_may_not_break_glass_is_told_so_and_the_same_about_a_number_that_nobody_has(platform: Standing) -> None:
    why = {"purpose": "BTG", "reason": "Livstruende tilstand her"}
    with tab(platform, "pharmacist") as it:
        patient, nobody = it.type(platform.nin("pregnant"), **why), it.type(Kith.NUMBER, **why)
    bodies = {re.sub(r"[0-9a-f]{32}|(value|read-at)=\"[^\"]*\"|\d\d:\d\d", "", page.text) for page in (patient, nobody)}
    assert (patient.status_code, nobody.status_code, len(bodies)) == (403, 403, 1)
    assert "Denne yrkesgruppen kan ikke sette de vanlige reglene til side." in text(patient)
    assert NO_CARE_TEXT not in text(patient)


def test_a_doctor_is_told_why_her_own_record_is_not_opened_as_a_health_workers(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        page = it.type(platform.nin("gp"), purpose="BTG", reason="Livstruende tilstand her")
    assert page.status_code == 403
    assert "opplysninger om seg selv bare som vanlig innbygger" in text(page)
    assert NO_CARE_TEXT not in text(page)


def test_a_blocked_doctor_is_told_so_and_by_whom_only_where_a_tie_makes_her_known(platform: Standing) -> None:
    name = platform.persona("citizen").person_name
    with blocked(platform, "citizen", "gp"), tab(platform, "gp") as it:
        page = it.type(platform.nin("citizen"))
        assert "Pasienten har blokkert deg" in text(page)
        assert name in text(page)
        assert "Erklær behov" not in text(page)


def test_the_whole_number_stands_where_the_record_is_open_and_nowhere_else(platform: Standing) -> None:
    nin = platform.nin("citizen")
    with tab(platform, "gp") as it:
        page = it.type(nin)
        sheet = it.get(f"{page.url.path}/print")
        lock = it.get(f"{page.url.path}/unlock")
    for opened in (page, sheet):
        assert f"{nin[:6]} {nin[6:]}" in text(opened)
        assert nin not in opened.text
    assert nin[6:] not in lock.text
    assert nin not in platform.written.getvalue()
    assert nin[:6] not in str(page.url)


def seen(it: Tab, desk: httpx.Response, name: str) -> httpx.Response:
    """The desk after the notice of this analysis was marked as seen."""
    found = re.search(rf'name="number" value="([^"]+)"><button[^>]*{name}', desk.text)
    assert found
    return it.post(desk, "/clinician/notice", number=found[1])


def by_fhir(
    platform: Standing, name: str, value: str, id_: str = "", version: int = 0, of: str = "citizen", **more: Any
) -> str:
    """The id of a new result, or of a new version of one."""
    tree = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": name},
        "effectiveDateTime": "2026-11-20T08:00:00+01:00",
        "valueQuantity": {"value": int(value), "unit": "mmol/L"},
    } | more
    headers = {"content-type": "application/fhir+json"}
    if id_:
        tree["id"], headers["if-match"] = id_, f'W/"{version}"'
    answer = platform.client.call(
        "PUT" if id_ else "POST",
        f"/fhir/R4/Observation/{id_}".rstrip("/"),
        as_="lab",
        patient="" if id_ else platform.nin(of),
        body=encode(tree),
        headers=headers,
    )
    assert answer.status_code in (200, 201), answer.text
    return str(decode(answer.content)["id"])


def test_samples_that_are_no_numbers_are_refused_by_every_door(platform: Standing) -> None:
    value = {"origin": {"value": 0}, "period": 10, "dimensions": 1}
    tree: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "EKG"}}
    tree |= {"valueSampledData": value | {"data": "1 2 E"}}
    nin, fhir = platform.nin("citizen"), {"content-type": "application/fhir+json"}
    held = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="lab", patient=nin, body=encode(tree), headers=fhir
    )  # fmt: skip
    assert held.status_code == 201, held.text
    id_ = decode(held.content)["id"]
    tree["valueSampledData"] = value | {"data": "1 ? 3"}
    for method, where, body, headers in (
        ("POST", "Observation", tree, fhir),
        ("PUT", f"Observation/{id_}", tree | {"id": id_}, fhir | {"if-match": 'W/"1"'}),
        ("POST", "$import", tree, {"content-type": "application/x-ndjson"}),
    ):
        patient = "" if method == "PUT" else nin
        answer = platform.client.call(
            method, f"/fhir/R4/{where}", as_="lab", patient=patient, body=encode(body), headers=headers
        )
        assert answer.status_code == 422, (where, answer.text)
        assert "valueSampledData.data" in answer.text


def filed(platform: Standing, tree: dict[str, Any], id_: str = "", of: str = "citizen") -> str:
    """The id of a new resource of the citizen's (or `of` another's), or of its second version."""
    headers = {"content-type": "application/fhir+json"} | ({"if-match": 'W/"1"'} if id_ else {})
    path = f"/fhir/R4/{tree['resourceType']}/{id_}".rstrip("/")
    body = encode(tree | ({"id": id_} if id_ else {}))
    answer = platform.client.call(
        "PUT" if id_ else "POST",
        path,
        as_="lab",
        patient="" if id_ else platform.nin(of),
        body=body,
        headers=headers,
    )
    assert answer.status_code in (200, 201), answer.text
    return str(decode(answer.content)["id"])


def test_a_sample_dated_ahead_by_fhir_is_not_the_latest(platform: Standing) -> None:
    """Told with the date it was sent with, and placed where it was issued; by a create and by an import."""
    nin, name = platform.nin("citizen"), f"P-Prøve {secrets.token_hex(4)}"
    by_fhir(platform, name, "140", effectiveDateTime="2026-11-20T08:00:00+01:00")
    by_fhir(platform, name, "151", effectiveDateTime="2099-01-01", issued="2026-11-19T08:00:00+01:00")
    line = {
        "resourceType": "Observation", "status": "final", "code": {"text": name}, "effectiveDateTime": "9999-12-31T23:59:59Z",
        "valueQuantity": {"value": 160, "unit": "mmol/L"}, "issued": "2026-11-18T08:00:00+01:00",
    }  # fmt: skip
    taken = platform.client.call(
        "POST",
        "/fhir/R4/$import",
        as_="lab",
        patient=nin,
        body=encode(line),
        headers={"content-type": "application/x-ndjson"},
    )
    assert taken.status_code == 200, taken.text
    with tab(platform, "gp") as it:
        row = re.search(rf"{name}</a>(.*?)</tr>", it.type(nin).text, re.DOTALL)
    assert row
    said = unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row[1])))
    assert re.match(r" mmol/L – 140 20\.11\.26 ", said), said
    assert "151 oppgitt dato 01.01.2099 kan ikke stemme" in said
    assert "160 oppgitt dato 31.12.9999 kan ikke stemme" in said


def test_what_a_reader_wrote_as_her_reason_is_read_by_the_patient_and_nowhere_else(platform: Standing) -> None:
    nin, mark = platform.nin("citizen"), secrets.token_hex(4)
    written = f"<script>alert('{mark}')</script> bevisstløs"
    with tab(platform, "outsider") as it:
        assert it.type(nin, purpose="BTG", reason=written).status_code == 200
        assert it.type(platform.nin("protected"), purpose="BTG", reason=written).status_code == 403
    asked = f"Henvist {mark} fra legevakten"
    assert platform.search("Observation", as_="outsider", reason=asked, self_selected=True).status == 200
    refused = f"Nysgjerrig {mark}"
    assert platform.search("Observation", as_="outsider", reason=refused).status == 403
    with tab(platform, "citizen", "me") as it:
        log = it.get("/me/log?show=all")
        named = text(log)
        assert f"<script>alert('{mark}')</script> bevisstløs" in named
        assert f"<script>alert('{mark}" not in log.text
        assert all(f"Begrunnelse: {reason}" in named for reason in (asked, refused))
    assert mark not in platform.written.getvalue()
    assert not platform.rows("SELECT 1 FROM audit a WHERE a::text LIKE $1", f"%{mark}%")


@pytest.mark.parametrize("path", ["open", "unlock", "declare"])
def test_a_reason_longer_than_the_form_lets_one_write_is_refused(platform: Standing, path: str) -> None:
    with tab(platform, "outsider") as it:
        opened = it.type(platform.nin("citizen"))
        where = "/clinician/open" if path == "open" else f"{opened.url.path}/{path}"
        fields = {"purpose": "TREAT", "basis": "SAMTYKKE", "number": platform.nin("citizen"), "reason": "x" * 401}
        assert it.post(opened, where, **fields).status_code == 400


def test_a_copied_cookie_ends_with_the_login_it_was_copied_from(platform: Standing) -> None:
    with tab(platform, "gp") as it, httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as other:
        kept = it.http.cookies["kjerne_session"]
        there = {"cookie": f"kjerne_session={kept}"}
        assert other.get(f"{platform.url}/clinician", headers=there).status_code == 200
        out = it.post(it.get("/clinician"), "/logout")
        assert "Du er logget ut" in text(out)
        shut = other.get(f"{platform.url}/clinician", headers=there)
        assert (shut.status_code, shut.headers["location"]) == (303, "/login?to=clinician&ended=1")


def test_a_file_is_opened_under_the_law_and_stands_in_the_log(platform: Standing) -> None:
    nin, mark, pdf = platform.nin("citizen"), secrets.token_hex(4), b"%PDF-1.4 scanned"
    send(platform, with_a_file(a_report(nin, mark, "140", analysis=f"P-Vedlegg {mark}"), pdf))
    with tab(platform, "gp") as it:
        visit = it.type(nin)
        reports = sorted(set(re.findall(r'href="(/clinician/v/[^"]+/report/[^"]+)"', visit.text)))
        pages = [
            page for path in reports if f"P-Vedlegg {mark}" in text(page := it.get(path)) and "/file/" in page.text
        ]
        assert len(pages) == 1
        assert "Skannet svar" in text(pages[0])
        (link,) = re.findall(r'href="(/clinician/[^"]+/file/[^"]+)"', pages[0].text)
        since = platform.clock.now()
        file = it.get(link)
        assert (file.content, file.headers["content-type"]) == (pdf, "application/pdf")
        (row,) = platform.rows(
            "SELECT ids, rule FROM audit WHERE caller_hpr = $1 AND at >= $2", platform.persona("gp").hpr, since
        )
        assert {str(id_) for id_ in row["ids"]} == set(link.split("/report/")[1].split("/file/"))
        with blocked(platform, "citizen", "gp"):
            shut = it.get(link)
        assert shut.status_code == 403
        assert pdf not in shut.content
    with tab(platform, "citizen", "me") as it:
        assert "1 vedlegg" in text(it.get("/me/log?show=all"))
        own = link.split("/report/")[1]
        assert it.get(f"/me/report/{own}").content == pdf
        assert it.get(f"/me/report/{own[::-1]}").status_code == 404


def test_of_a_record_too_long_to_draw_the_newest_are_drawn_and_every_page_says_so(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as own:
        whole = it.type(platform.nin("citizen"))
        assert "resultater er med på disse sidene" not in text(whole)
        dates = re.findall(r'<th scope="col" class="num date">(\d+\.\d+\.)', whole.text)
        monkeypatch.setattr(live, "CHART_LIMIT", 20)
        since = platform.clock.now()
        page = it.get(f"{whole.url.path}?period=all")
        (told,) = re.findall(r"Bare de 20 nyeste av (\d+) resultater er med på disse sidene", text(page))
        (row,) = platform.rows(
            "SELECT types, ids FROM audit WHERE caller_hpr = $1 AND at >= $2 AND outcome = 0 AND service = 'results'",
            platform.persona("gp").hpr,
            since,
        )
        observation = type_number("Observation")
        named = set(zip(row["types"], row["ids"], strict=True))  # a corrected one is there with what it was
        assert [type_ for type_, _ in named].count(observation) == 20
        assert int(told) > 20
        assert re.findall(r'<th scope="col" class="num date">(\d+\.\d+\.)', page.text)[0] == dates[0]
        series = re.search(r'href="(/clinician/v/[^"]+/trend/[^"]+)"', page.text)
        reports = re.findall(r'href="(/clinician/v/[^"]+/report/[^"]+)"', page.text)
        assert series
        for path in (series[1], reports[0], f"{whole.url.path}/print"):
            assert f"av {told} resultater" in text(it.get(path))
        for path in ("/me", "/me/results"):
            assert "Bare de 20 nyeste av" in text(own.get(path))
