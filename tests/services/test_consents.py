"""Choices as FHIR Consent: the same thing said both ways, and made and withdrawn by the citizen's client."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.access import Choice, Held
from kjerne.errors import Refusal
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.validate import check
from kjerne.policy.privacy import GROUPS, deletion_of
from kjerne.registries.withholding import CONTENT_KINDS
from kjerne.services.consents import DELETED_AT, ConsentsApi, wish_of
from kjerne.store.patient_ids import id_of
from kjerne.store.sealed_id import SealedIds
from platform_fixture import Standing
from registries_at_hand import key_of
from services.test_standards_registered import person

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
API = ConsentsApi(None, SealedIds(bytes(32)), None, None, deletion_of)  # type: ignore[arg-type]
HPR, PLACE, SENDER = "9144900", "100000008", "983974899"
BLANK = Choice("restriction", "results", "", "", NOW, None)

CHOICES = st.one_of(
    st.just(replace(BLANK, kind="block", hpr=HPR)),
    st.just(replace(BLANK, kind="opt-out")),
    st.builds(lambda n: replace(BLANK, kind="record", record=UUID(int=n)), st.integers(0, 2**128 - 1)),
    st.builds(
        lambda role, place, part, source, end: replace(
            BLANK, role=role, organisation="" if role else place, part=part, source="" if part else source, ended_at=end
        ),
        st.sampled_from(["", *GROUPS]), st.sampled_from(["", PLACE]), st.sampled_from(["", *CONTENT_KINDS]),
        st.sampled_from(["", SENDER]), st.sampled_from([None, LATER]),
    ),
    st.builds(
        lambda hpr, place, course, begin, end: replace(
            BLANK, kind="consent", hpr=hpr, organisation=place or ("" if hpr else PLACE), course=course, made_at=begin,
            ended_at=end,
        ),
        st.sampled_from(["", HPR]), st.sampled_from(["", PLACE]), st.sampled_from(["", "hofte-12"]),
        st.sampled_from([NOW, LATER]), st.sampled_from([None, LATER + timedelta(days=1)]),
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(CHOICES)
def test_every_choice_is_a_valid_consent_that_asks_for_the_same(choice: Choice) -> None:
    tree = decode(encode(API.tree(Held(7, 5, choice, NOW, "own-choices"), NOW)))
    assert list(check(tree, "Consent")) == []
    wish = wish_of(tree)
    asked = Choice(
        wish.kind, wish.service, wish.hpr, wish.organisation, wish.since or NOW, wish.until, wish.role, wish.part,  # type: ignore[arg-type]
        wish.source, wish.course, UUID(wish.record) if wish.record else None,
    )  # fmt: skip
    assert asked == choice
    del tree["category"][1]
    assert wish_of(tree).kind == ("restriction" if choice.kind == "opt-out" else choice.kind)


def test_an_opt_out_tells_when_its_data_are_deleted_and_an_ended_one_does_not() -> None:
    held = Held(7, 5, replace(BLANK, kind="opt-out"), NOW, "own-choices")
    (told,) = API.tree(held, NOW)["extension"]
    assert (told["url"], datetime.fromisoformat(told["valueDateTime"])) == (DELETED_AT, NOW + timedelta(days=30))
    ended = API.tree(replace(held, choice=replace(held.choice, ended_at=NOW)), NOW)
    assert (ended["status"], "extension" in ended) == ("inactive", False)


def a_consent(**provision: Any) -> dict[str, Any]:
    tree: dict[str, Any] = decode(encode(API.tree(Held(7, 5, BLANK, NOW, "own-choices"), NOW)))
    return {**tree, "provision": {"type": "deny", **provision}}


ACTOR = {"role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}}
WRONG = [
    ({"status": "draft"}, "Consent.status"),
    ({"scope": {"coding": [{"code": "research"}]}}, "Consent.scope"),
    ({"policyRule": {"coding": []}}, "Consent.policyRule"),
    ({"category": []}, "Consent.category"),
    ({"verification": [{"verified": True}]}, "Consent.verification"),
    ({"provision": {"type": "deny", "purpose": [{"code": "TREAT"}]}}, "Consent.provision.purpose"),
    ({"provision": {"type": "deny", "provision": []}}, "Consent.provision.provision"),
    ({"provision": {"type": "permit"}}, "Consent.provision.type"),
    ({"provision": {"type": "deny", "actor": [{**ACTOR, "reference": {"reference": "Group/1"}}]}}, "Consent.provision.actor"),
    ({"provision": {"type": "deny", "code": [{"coding": [{"code": "x"}]}]}}, "Consent.provision.code"),
    ({"provision": {"type": "deny", "data": [{"meaning": "authoredby", "reference": {"reference": "a/b"}}]}},
     "Consent.provision.data"),
    ({"provision": {"type": "deny", "period": {"end": "2031-01-05"}}}, "Consent.provision.period.end"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("system", "codes"),
    [
        ("choice-kind", ("restriction", "opt-out")),
        ("choice-kind", ("restriction", "zzz")),
        ("service", ("results", "record")),
    ],
)
def test_a_consent_of_two_choices_is_refused_whichever_comes_first(system: str, codes: tuple[str, str]) -> None:
    for said in (codes, codes[::-1]):
        tree = a_consent()
        others = [one for one in tree["category"] if system not in one["coding"][0]["system"]]
        own = [{"coding": [{"system": f"http://kjerne.example/fhir/CodeSystem/{system}", "code": one}]} for one in said]
        for category in (others + own, [*others, {"coding": [one["coding"][0] for one in own]}]):
            with pytest.raises(Refusal) as refusal:
                wish_of(tree | {"category": category})
            assert (refusal.value.status, refusal.value.where) == (422, "Consent.category")


@pytest.mark.parametrize(("change", "where"), WRONG)
def test_what_would_not_be_obeyed_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(Refusal) as refusal:
        wish_of({**a_consent(), **change})
    assert (refusal.value.status, refusal.value.where) == (422, where)


def called(
    platform: Standing, method: str, path: str, body: Any = None, as_: str = "citizen", narrower: str = ""
) -> httpx.Response:
    about = platform.nin("citizen")
    if method == "POST" and body:
        body |= {"patient": person(platform, "citizen")}
    more = {"body": encode(body), "headers": {"content-type": "application/fhir+json"}} if body else {}
    return platform.client.call(method, f"/fhir/R4/{path}", as_=as_, patient=about, narrower=narrower, **more)


def everything(platform: Standing) -> set[str]:
    """What a clinician sees of her results, on all pages."""
    answer = platform.get("Observation?_count=1000")
    found = {*answer.ids()}
    while onward := answer.link("next"):
        answer = platform.get(onward.removeprefix(platform.url + "/fhir/R4/"))
        found |= {*answer.ids()}
    return found


def test_a_citizens_client_restricts_and_withdraws_and_it_holds_at_once(platform: Standing) -> None:
    before = everything(platform)
    made = called(platform, "POST", "Consent", a_consent(code=[{"coding": [{"system": PART, "code": "laboratory"}]}]))
    assert made.status_code == 201, made.text
    id_ = made.json()["id"]
    try:
        after = everything(platform)
        assert after < before
        active = called(platform, "GET", "Consent?status=active").json()
        assert id_ in [entry["resource"]["id"] for entry in active["entry"]]
        assert called(platform, "GET", f"Consent/{id_}").json() == made.json()
        assert called(platform, "POST", "Consent", made.json()).status_code == 409
        assert called(platform, "PUT", f"Consent/{id_}", made.json()).status_code == 422
    finally:
        ended = called(platform, "PUT", f"Consent/{id_}", {**made.json(), "status": "inactive"})
    assert (ended.status_code, ended.json()["status"]) == (200, "inactive")
    assert everything(platform) == before
    assert called(platform, "PUT", f"Consent/{id_}", {**made.json(), "status": "inactive"}).status_code == 404
    row = platform.audited(ended)[0]
    assert (row["action"], row["rule"], row["outcome"]) == ("choose", "own-choices", 0)


PART = "http://kjerne.example/fhir/CodeSystem/content-kind"


@pytest.mark.parametrize("stand_in", ["proxy", "guardian"])
def test_who_stands_in_chooses_and_sees_choices_in_no_service_that_she_may_not_see(
    platform: Standing, stand_in: str
) -> None:
    """A claim is seen by the citizen alone (K92), so nobody learns by choosing whether one is there."""
    about = {"proxy": "citizen", "guardian": "ward"}[stand_in]

    def said(as_: str, method: str, path: str = "", tree: Any = None) -> httpx.Response:
        headers = {"content-type": "application/fhir+json"} if tree else {}
        return platform.client.call(
            method, f"/fhir/R4/Consent{path}", as_=as_, patient=platform.nin(about),
            body=encode(tree) if tree else b"", headers=headers,
        )  # fmt: skip

    def of(service: str, kind: str = "restriction") -> dict[str, Any]:
        tree = a_consent(
            **(
                {"data": [{"meaning": "instance", "reference": {"reference": f"Claim/{UUID(int=9)}"}}]}
                if kind == "record"
                else {}
            )
        )
        tree["category"][1]["coding"][0]["code"], tree["category"][2]["coding"][0]["code"] = kind, service
        return tree | {"patient": person(platform, about)}

    for kind in ("restriction", "record"):
        refused = said(stand_in, "POST", tree=of("settlement", kind))
        assert refused.status_code == 403
        assert [(row["service"], row["outcome"]) for row in platform.audited(refused)][-1] == ("settlement", 1)
    own = said(about, "POST", tree=of("settlement"))
    assert own.status_code == 201, own.text
    at = f"/{own.json()['id']}"
    try:
        assert said(about, "GET", at).status_code == 200
        assert said(stand_in, "GET", at).status_code == 404
        assert own.json()["id"] not in said(stand_in, "GET").text
        assert said(stand_in, "PUT", at, own.json() | {"status": "inactive"}).status_code == 404
    finally:
        assert said(about, "PUT", at, own.json() | {"status": "inactive"}).status_code == 200


def test_a_choice_is_made_for_no_other_than_it_says_and_for_nobody_where_it_does_not_say(platform: Standing) -> None:
    own, other = platform.nin("citizen"), person(platform, "parent")
    ids = platform.application._edge.store.ids
    address = f"Patient/{id_of(ids, key_of(platform, 'parent'))}"
    before = called(platform, "GET", "Consent?status=active").json()["total"]
    for named, where in (
        (other, "Consent.patient.identifier"),
        ({"reference": address}, "Consent.patient.reference"),
        (person(platform, "citizen") | {"reference": address}, "Consent.patient.reference"),
        ({"reference": "Patient/somebody"}, "Consent.patient"),
        ({"display": "Ola Nordmann"}, "Consent.patient"),
        ({"identifier": {"system": "urn:oid:1.2.3", "value": "17"}}, "Consent.patient"),
    ):
        for kind in ("restriction", "opt-out"):
            tree = a_consent() | {"patient": named}
            tree["category"][1]["coding"][0]["code"] = kind
            answer = platform.client.call(
                "POST", "/fhir/R4/Consent", as_="citizen", patient=own, body=encode(tree),
                headers={"content-type": "application/fhir+json"},
            )  # fmt: skip
            assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (422, [where]), answer.text
            assert other["identifier"]["value"] not in answer.text
    assert called(platform, "GET", "Consent?status=active").json()["total"] == before


def test_nobody_else_and_nothing_else_is_answered(platform: Standing) -> None:
    assert called(platform, "GET", "Consent", as_="gp").status_code == 403
    assert called(platform, "GET", "Consent?date=2026").status_code == 400
    assert called(platform, "GET", "Consent/nothing").status_code == 404
    for path, asked, status in (
        ("Consent?status=", {}, 400),
        ("Consent/nothing?_summary=true", {}, 400),
        ("Consent", {"accept": "text/turtle"}, 406),
    ):
        answer = platform.client.call(
            "GET", f"/fhir/R4/{path}", as_="citizen", patient=platform.nin("citizen"), headers=asked
        )
        assert answer.status_code == status
    sent = platform.client.call(
        "POST", "/fhir/R4/Consent", as_="citizen", patient=platform.nin("citizen"), body=b"<Consent/>",
        headers={"content-type": "text/turtle"},
    )  # fmt: skip
    assert sent.status_code == 415
    other = platform.application._edge.store.ids.make(5, 5)
    assert called(platform, "GET", f"Consent/{other}").status_code == 404
    assert (
        called(platform, "PUT", f"Consent/{other}", {**a_consent(), "id": str(other), "status": "inactive"}).status_code
        == 404
    )
    assert called(platform, "POST", "Consent", {"resourceType": "Consent"}).status_code == 422


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ("Consent.c", "POST"), ("Consent.u", "PUT"), ("Consent.s", "search"), ("Consent.r", "read"),
        ("Consent.cruds?category=59284-0", ""), ("Observation.rs", ""),
    ],
)  # fmt: skip
def test_a_tokens_smart_scopes_bind_letter_by_letter_and_the_no_is_in_the_log(
    platform: Standing, scope: str, left: str
) -> None:
    held = called(platform, "POST", "Consent", a_consent()).json()
    at = f"Consent/{held['id']}"
    ended, other = held | {"status": "inactive"}, a_consent(code=[{"coding": [{"system": PART, "code": "laboratory"}]}])
    made = []
    try:
        for deed, path, body in (
            ("search", "Consent", None),
            ("read", at, None),
            ("POST", "Consent", other),
            ("PUT", at, ended),
        ):
            answer = called(platform, "GET" if body is None else deed, path, body, narrower=f"patient/{scope}")
            made += [answer.json()] if answer.status_code == 201 else []
            refused = [row for row in platform.audited(answer) if row["rule"] == "scope-narrower"]
            assert (answer.status_code == 403, len(refused)) == (deed != left, int(deed != left)), deed
            assert deed == left or "do not leave all of Consent." in answer.text
    finally:
        for tree in [*made, *([] if left == "PUT" else [held])]:
            called(platform, "PUT", f"Consent/{tree['id']}", tree | {"status": "inactive"})


def test_that_choices_were_read_is_in_the_log_of_whose_they_are(platform: Standing) -> None:
    about = platform.nin("child")
    answer = platform.client.call("GET", "/fhir/R4/Consent", as_="parent", patient=about)
    assert answer.status_code == 200
    (row,) = platform.audited(answer)
    assert (row["action"], row["rule"], row["outcome"]) == ("choose", "parent-choices", 0)


def test_no_consent_holds_a_person_number(platform: Standing) -> None:
    answer = called(platform, "GET", "Consent")
    assert answer.status_code == 200
    assert platform.nin("citizen") not in answer.text
