"""`POST /pps/in` as a laboratory's system meets it: receipts, the same again, and a rejected queue of its own."""

from __future__ import annotations

import gzip
import secrets
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from lxml import etree

from kjerne.errors import Refusal
from kjerne.registries.identifiers import digest
from kjerne.services.results.intake import Intake
from kjerne.services.results.kith import apprec
from kjerne.wire import xml
from platform_fixture import Standing

from .kith.conftest import Kith

WHOM = "new-mother"


def a_message(platform: Standing, *, number: str = "", items: str = "", id_: str = "", **more: Any) -> bytes:
    """A fresh message about somebody, each with a report of its own."""
    mark = secrets.token_hex(6)
    inside = Kith.person(Kith.SAMPLE + (items or Kith.item()), number=number or platform.nin(WHOM))
    return Kith.message(Kith.report(patient=inside, id_=f"R-{mark}", **more), id_=id_ or f"M-{mark}")


def status_of(answer: httpx.Response) -> str:
    """The receipt's own word: 1 accepted, 2 rejected."""
    receipt = etree.fromstring(answer.content)
    return str(receipt.find("{*}Status").get("V"))  # type: ignore[union-attr]


def queue(platform: Standing, as_: str = "lab") -> dict[str, Any]:
    answer = platform.client.call("GET", "/pps/in/rejected", as_=as_)
    assert answer.status_code == 200
    return {one["message"]: one for one in answer.json()["rejected"]}


def named(platform: Standing, id_: str, as_: str = "lab") -> str:
    """What the message with this MsgId is called in the queue; empty where it is not there."""
    return next((name for name in queue(platform, as_) if name.startswith(id_)), "")


def again(platform: Standing, name: str, as_: str = "lab") -> httpx.Response:
    return platform.client.call("POST", f"/pps/in/rejected/{name}", as_=as_)


def test_a_message_is_receipted_and_read_by_the_doctor_at_once(platform: Standing) -> None:
    answer = platform.send(a_message(platform, items=Kith.item("NPU01944", Kith.number("77.70"))))
    assert (answer.status_code, status_of(answer)) == (200, "1")
    assert answer.headers["content-type"] == "application/xml"
    found = platform.search("Observation", [("code", "NPU01944"), ("value-quantity", "77.70")], about=WHOM)
    assert len(found.ids()) == 1 and b"77.70" in found.response.content


def test_the_same_message_again_gets_the_same_receipt(platform: Standing) -> None:
    raw = a_message(platform)
    first, second = platform.send(raw), platform.send(raw)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content


def test_a_packed_message_is_taken_and_a_bomb_is_not(platform: Standing) -> None:
    packed = {"content-encoding": "gzip"}
    assert platform.send(gzip.compress(a_message(platform)), headers=packed).status_code == 200
    bomb = platform.send(gzip.compress(b" " * 20_000_000), headers=packed)
    assert (bomb.status_code, "error" in bomb.json()) == (413, True)


def test_a_sender_that_asks_for_json_is_told_the_same(platform: Standing) -> None:
    answer = platform.send(a_message(platform, items=Kith.item() * 2), headers={"accept": "application/json"})
    assert answer.json() == {"status": "accepted", "reason": "", "reports": 1, "observations": 2, "duplicate": False}


def test_a_sender_that_asks_for_json_is_told_again_what_of_its_message_had_no_effect(platform: Standing) -> None:
    raw = a_message(platform, items="", service="C")
    first, again = (platform.send(raw, headers={"accept": "application/json"}).json() for _ in range(2))
    assert "no report was found that this cancellation is of" in first["reason"]
    assert again == first | {"duplicate": True}


@pytest.mark.parametrize(("media_type", "status"), [("text/xml; charset=utf-8", 200), ("application/json", 415)])
def test_a_message_is_xml(platform: Standing, media_type: str, status: int) -> None:
    assert platform.send(a_message(platform), headers={"content-type": media_type}).status_code == status


def test_an_empty_body_is_refused_in_words(platform: Standing) -> None:
    answer = platform.send(b"")
    assert (answer.status_code, answer.json()["where"]) == (400, "body")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda raw: raw.replace(b"<OffId>", b"<OffId>9"), b"line"),
        (lambda raw: raw.replace(b"?>", b"?><!DOCTYPE a>"), b"DTD"),
        (lambda raw: raw.replace(b"V='2026-03-02T12:00:05'", b"V='yesterday'"), b"GenDate"),
        (lambda raw: raw[:-20], b"line"),
    ],
)
def test_a_bad_message_is_refused_with_element_or_line_and_never_its_content(
    platform: Standing, spoil: Any, says: bytes
) -> None:
    answer = platform.send(spoil(a_message(platform)))
    assert answer.status_code in (400, 422)
    assert status_of(answer) == "2"
    assert says in answer.content
    assert platform.nin(WHOM).encode() not in answer.content


def test_the_queue_shows_what_was_wrong_and_nothing_of_the_message(platform: Standing) -> None:
    id_ = f"bad-{secrets.token_hex(4)}"
    platform.send(a_message(platform, id_=id_).replace(b"<OffId>", b"<OffId>9"))
    waiting = queue(platform)[named(platform, id_)]
    assert waiting["errors"][0]["where"]
    assert platform.nin(WHOM) not in str(waiting)


def test_queue_says_how_many_there_are_and_where_it_goes_on(platform: Standing) -> None:
    sent = {f"page-{secrets.token_hex(4)}" for _ in range(3)}
    for id_ in sent:
        platform.send(a_message(platform, id_=id_).replace(b"<OffId>", b"<OffId>9"), as_="hospital-lab")
    path, found, pages = "/pps/in/rejected?_count=2", [], 0
    while path:
        told = platform.client.call("GET", path, as_="hospital-lab").json()
        assert len(told["rejected"]) <= 2
        found += [one["message"] for one in told["rejected"]]
        links, pages = told.get("link", []), pages + 1
        path = links[0]["url"].removeprefix(platform.url) if links else ""
    assert len(found) == len(set(found)) == told["total"]
    assert pages == -(-told["total"] // 2)
    assert all(any(name.startswith(id_) for name in found) for id_ in sent)


@pytest.mark.parametrize("query", ["_count=0", "_count=201", "_count=x", "_count=1&_count=2", "_after=x", "page=2"])
def test_queue_refuses_what_it_does_not_know(platform: Standing, query: str) -> None:
    answer = platform.client.call("GET", f"/pps/in/rejected?{query}", as_="lab")
    assert (answer.status_code, bool(answer.json()["where"])) == (400, True)


def test_each_sender_sees_its_own_queue_alone(platform: Standing) -> None:
    id_ = f"own-{secrets.token_hex(4)}"
    platform.send(a_message(platform, id_=id_).replace(b"<OffId>", b"<OffId>9"))
    name = named(platform, id_)
    assert name and not named(platform, id_, "hospital-lab")
    assert again(platform, name).status_code == 422
    assert again(platform, name, "hospital-lab").status_code == 404


def nobody_is_known(*_: object) -> None:
    raise Refusal(422, "no register knows this person", where="Patient/OffId")


def test_a_rejected_message_is_run_again_as_it_was_sent(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    id_, number = f"again-{secrets.token_hex(4)}", "01838810191"
    with monkeypatch.context() as patched:
        patched.setattr(Intake, "_check", nobody_is_known)
        assert platform.send(a_message(platform, number=number, id_=id_)).status_code == 422
        name = named(platform, id_)
        assert again(platform, name).status_code == 422
    answer = again(platform, name)
    assert (answer.status_code, status_of(answer)) == (200, "1")
    assert not named(platform, id_)
    assert again(platform, name).status_code == 404


def test_a_message_about_somebody_who_has_opted_out_is_receipted_and_not_kept(platform: Standing) -> None:
    """Whatever it is refused for, and whether or not it can be read (K13)."""
    for end, status in ((None, 403), (-30, 400)):
        id_ = f"out-{secrets.token_hex(4)}"
        answer = platform.send(a_message(platform, number=platform.nin("opted-out"), id_=id_)[:end])
        assert (answer.status_code, status_of(answer)) == (status, "2")
        name = named(platform, id_)
        (row,) = platform.rows("SELECT sealed, shares, about, receipt FROM message_in WHERE message = $1", name)
        assert (row["sealed"], row["shares"], row["about"]) == (b"", [], [])
        assert again(platform, name).content == row["receipt"] == answer.content


def test_a_message_that_cannot_be_read_is_queued_under_the_id_it_shows(platform: Standing) -> None:
    for end in ("", "\x00\x01", "/..%00"):
        id_ = f"cut-{secrets.token_hex(4)}"
        assert platform.send(a_message(platform, id_=id_ + end)[:-30]).status_code == 400
        assert named(platform, id_)
    assert platform.send(b"nothing to read").status_code == 400
    assert named(platform, "unread.")


def key_of(platform: Standing, number: str) -> int:
    store = platform.application._edge.store

    async def key() -> int:
        async with store.pool.acquire() as conn:
            found = await store.people.key_of(conn, digest(store.keys.derived("identifier"), number))
        return int(found or 0)

    return platform.run(key())


def _opted_out(platform: Standing, *, ended: bool) -> None:
    """Ends the opt-out of her who has opted out, or takes it up again."""
    platform.rows(
        "UPDATE privacy_choice SET ended_at = CASE WHEN $1 THEN now() END "
        "WHERE kind = 'opt-out' AND patient = $2 RETURNING patient",
        ended,
        key_of(platform, platform.nin("opted-out")),
    )
    platform.rows("UPDATE person SET stamp = stamp + 1 RETURNING patient")


def test_a_refused_message_tells_the_laboratory_nothing_of_the_patients_choice(platform: Standing) -> None:
    answer = platform.send(a_message(platform, number=platform.nin("opted-out")))
    assert (answer.status_code, status_of(answer)) == (403, "2")
    assert not any(word in answer.content.lower() for word in (b"reserv", b"opt", b"sperr"))
    assert b"(Patient/OffId line " in answer.content


def test_a_name_that_no_message_has_is_refused(platform: Standing) -> None:
    for name in ("nothing", "%00", "x" * 500, "%F0%9F%92%A9"):
        answer = platform.client.call("POST", f"/pps/in/rejected/{name}", as_="lab")
        assert answer.status_code in (400, 404) and answer.json()["error"]


def test_only_a_laboratory_sends(platform: Standing) -> None:
    for who in ("device-gateway", "gp"):
        answer = platform.send(a_message(platform), as_=who, patient=platform.nin(WHOM) if who == "gp" else "")
        assert (answer.status_code, "scope" in answer.json()["where"]) == (403, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<MsgId>", b"<MsgId>" + b"9f" * 40_000),
        (b"<ServProvId>", b"<ServProvId>" + b"9f" * 40_000),
        (b"<Id>7654321</Id>", b"<Id>" + b"9" * 40_000 + b"</Id>"),
        (b"2026-03-02T12:00:05", b"0001-01-01T00:00:00+14:00"),
        (b"2026-03-02T12:00:05", b"9999-12-31T23:59:59-14:00"),
        (b"2026-03-02T12:00:00", b"9999-12-31T23:59:59"),
        (b"2026-03-02T08:15:00", b"0001-01-01T00:00:00+14:00"),
        (b"2026-03-02T08:15:00", b"9999-12-31T23:59:59-14:00"),
        (b"V='140'", b"V='" + b"9" * 6_000 + b"'"),
        (b"V='140'", b"V='1e99999'"),
        (b"mmol/L", b"x" * 50_000),
    ],
)
@pytest.mark.parametrize("discipline", ["CLIN", "HIST"])
def test_the_far_ends_of_what_a_message_can_say_are_taken_or_refused(
    platform: Standing, old: bytes, new: bytes, discipline: str
) -> None:
    raw = a_message(platform, discipline=discipline)
    assert old in raw
    answer = platform.send(raw.replace(old, new))
    assert answer.status_code in (200, 400, 413, 422)
    assert status_of(answer) == ("1" if answer.status_code == 200 else "2")


def test_an_id_with_a_slash_is_run_again_by_form_or_query(platform: Standing) -> None:
    id_ = f"a/b-{secrets.token_hex(4)}"
    platform.send(a_message(platform, id_=id_).replace(b"<OffId>", b"<OffId>9"))
    name = named(platform, id_)
    form = platform.client.call("POST", "/pps/in/rejected", as_="lab", form=[("message", name)])
    query = platform.client.call("POST", f"/pps/in/rejected?message={quote(name, safe='')}", as_="lab")
    nothing = platform.client.call("POST", "/pps/in/rejected", as_="lab")
    assert (form.status_code, query.status_code, nothing.status_code) == (422, 422, 400)


def test_the_list_of_moved_reports_is_the_senders_own(platform: Standing) -> None:
    answer = platform.client.call("GET", "/pps/in/withdrawn", as_="lab")
    assert answer.status_code == 200
    assert answer.json().keys() == {"sender", "withdrawn"}
    assert platform.client.call("GET", "/pps/in/withdrawn", as_="device-gateway").status_code == 403


@pytest.mark.parametrize("version", ["1.3", "1.4"])
def test_a_rejection_names_its_sender_as_an_acceptance_does(platform: Standing, version: str) -> None:
    mark = secrets.token_hex(6)

    def answered(number: str) -> apprec.Receipt:
        inside = Kith.person(Kith.SAMPLE + Kith.item(value=Kith.number(number)), number=platform.nin(WHOM))
        raw = Kith.message(Kith.report(patient=inside, id_=f"R-{mark}"), id_=f"M-{mark}-{number}", version=version)
        return apprec.parse(xml.parse(platform.send(raw).content))

    accepted, rejected = answered("5"), answered("x5")
    assert (accepted.status, rejected.status) == ("1", "2")
    assert rejected.receiver == accepted.receiver
    assert rejected.receiver.organisation_ids
    assert rejected.about.generated == accepted.about.generated
