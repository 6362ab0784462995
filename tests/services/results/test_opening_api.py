"""The content of a rejected message, and the readers of a withdrawn one, as sender, operator and patient meet them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kjerne.access import Choice
from kjerne.services.results import opening
from pages.test_live import tab, text
from platform_fixture import Answered, Standing

from .kith.conftest import Kith
from .test_intake_api import WHOM, a_message, key_of, named, queue

REASON = "Avsender ber om hjelp med avvisningen"
FORM = [("reason", REASON)]
SHUT = {
    "error": "somebody whom this message names has it shut: by a choice (an opt-out, a restriction, a block by name) or by a "
    "protected address. Which of these, and of whom, is not told",
    "where": "message",
    "todo": "It is as it was where it was sent from.",
}
"""What an operator hears, whatever it is and whoever has it."""


def rejected(
    platform: Standing, *, number: str = "", broken: bytes = b"V='yesterday'", **more: Any
) -> tuple[str, bytes]:
    """The queue's name of a message that was rejected, and its bytes."""
    id_ = f"open-{secrets.token_hex(4)}"
    raw = a_message(platform, number=number, id_=id_, **more).replace(b"V='2026-03-02T12:00:05'", broken)
    assert platform.send(raw).status_code in (400, 403, 422)
    return named(platform, id_), raw


def own(platform: Standing, name: str, form: list[tuple[str, str]] = FORM, as_: str = "lab") -> httpx.Response:
    return platform.client.call("POST", f"/pps/in/rejected/{name}/content", as_=as_, form=form)


def operated(platform: Standing, path: str, name: str, reason: str = REASON, **more: str) -> httpx.Response:
    form = {"sender": platform.persona("lab").organisation, "message": name, "reason": reason} | more
    return platform.client.call("POST", f"/pps/operations/{path}", as_="operator", form=list(form.items()))


def content(platform: Standing, name: str, **more: str) -> httpx.Response:
    return operated(platform, "rejected/content", name, **more)


@pytest.fixture
def shut(platform: Standing) -> Iterator[Any]:
    """Lets a patient shut her results; what she chose ends with the test."""
    store, chosen = platform.application._edge.store, []

    def choose(kind: Any) -> None:
        async def begin() -> int:
            async with store.pool.acquire() as conn:
                return int(
                    await store.people.add_choice(conn, key, Choice(kind, "", "", "", platform.clock.now(), None))
                )

        key = key_of(platform, platform.nin(WHOM))
        chosen.append((key, platform.run(begin())))

    yield choose

    async def end() -> None:
        async with store.pool.acquire() as conn:
            for key, number in chosen:
                await store.people.end_choice(conn, key, number, platform.clock.now())

    platform.run(end())


def test_a_sender_opens_its_own_message_for_a_reason_and_the_patients_log_holds_all_three(platform: Standing) -> None:
    name, raw = rejected(platform)
    answer = own(platform, name)
    assert (answer.status_code, answer.content) == (200, raw)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "no-store" in answer.headers["cache-control"]
    (row,) = platform.audited(answer)
    lab = platform.persona("lab")
    assert row["patient"] == key_of(platform, platform.nin(WHOM))
    assert (row["action"], row["rule"], row["outcome"]) == ("examine", "sent-opened", 0)
    assert (row["caller_kind"], row["organisation"]) == ("system", lab.organisation)
    assert (row["about"], row["reason"]) == (f"{lab.organisation}/{name}", REASON)


def test_an_id_with_a_slash_is_opened_by_form(platform: Standing) -> None:
    id_ = f"a/b-{secrets.token_hex(4)}"
    raw = a_message(platform, id_=id_)[:-30]
    platform.send(raw)
    answer = platform.client.call("POST", "/pps/in/content", as_="lab", form=[("message", named(platform, id_)), *FORM])
    assert (answer.status_code, answer.content) == (200, raw)


def test_nothing_is_opened_without_a_reason_and_nothing_is_logged(platform: Standing) -> None:
    name, _ = rejected(platform)
    for form in ([], [("reason", " ")], [("reason", "feil")], [("reason", f"gjelder {platform.nin(WHOM)}")]):
        answer = own(platform, name, form or [("other", "x")])
        assert (answer.status_code, answer.json()["where"]) == (400, "reason")
        assert platform.audited(answer) == []
    assert content(platform, name, reason="").status_code == 400


def test_a_sender_of_whose_message_nothing_was_kept_hears_that_alone_and_the_operator_as_ever(
    platform: Standing,
) -> None:
    name, _ = rejected(platform, number=platform.nin("opted-out"), broken=b"V='2026-03-02T12:00:05'")
    told = own(platform, name)
    assert (told.status_code, told.json()) == (
        403, SHUT | {"error": "nothing of this message was kept"},
    )  # fmt: skip
    assert (content(platform, name).status_code, content(platform, name).json()) == (403, SHUT)


def test_each_sender_opens_its_own_messages_alone(platform: Standing) -> None:
    name, raw = rejected(platform)
    assert own(platform, name, as_="hospital-lab").status_code == 404
    assert own(platform, "nothing").status_code == 404
    assert content(platform, name, sender="100000999").status_code == 404
    assert content(platform, name).content == raw
    for as_ in ("gp", "device-gateway"):
        patient = platform.nin("citizen") if as_ == "gp" else ""
        for path in (f"/pps/in/rejected/{name}/content", "/pps/operations/rejected/content"):
            answer = platform.client.call("POST", path, as_=as_, patient=patient, form=FORM)
            assert (answer.status_code, answer.json()["where"]) == (403, "scope")


def test_an_accepted_message_is_in_nobodys_queue(platform: Standing) -> None:
    id_ = f"good-{secrets.token_hex(4)}"
    assert platform.send(a_message(platform, id_=id_)).status_code == 200
    assert own(platform, id_).status_code == content(platform, id_).status_code == 404


@pytest.mark.parametrize("kind", ["opt-out", "restriction"])
def test_what_the_patient_has_shut_is_not_the_operators_to_open_and_the_sender_hears_nothing_of_it(
    platform: Standing, shut: Any, kind: str
) -> None:
    name, raw = rejected(platform)
    shut(kind)
    mine, theirs = own(platform, name), content(platform, name)
    assert (mine.status_code, mine.content, theirs.status_code) == (200, raw, 403)
    assert theirs.json() == SHUT
    (row,) = platform.audited(theirs)
    assert (row["outcome"], row["action"], row["rule"]) == (
        1, "examine", {"opt-out": "examined-after-opt-out", "restriction": "examined-restricted"}[kind],
    )  # fmt: skip
    assert raw not in theirs.content


def test_a_message_about_a_protected_address_is_not_opened(platform: Standing) -> None:
    name, raw = rejected(platform, number=platform.nin("protected"))
    shut = content(platform, name)
    assert (shut.status_code, shut.json()) == (403, SHUT)
    assert own(platform, name).content == raw


def test_a_message_that_shows_too_many_numbers_says_so_and_asks_about_nobody(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.send(f"nothing to read of {platform.nin(WHOM)} {secrets.token_hex(4)}".encode())
    unread = max((one["receivedAt"], name) for name, one in queue(platform).items() if name.startswith("unread."))[1]
    monkeypatch.setattr(opening, "NUMBERS_LIMIT", 0)
    answer = content(platform, unread)
    assert (answer.status_code, answer.json()["where"]) == (403, "message")
    assert "shows more than 0 person numbers" in answer.json()["error"]
    assert platform.audited(answer) == []


def test_a_message_of_nobody_known_is_opened_on_nobodys_log(platform: Standing) -> None:
    unknown, _ = rejected(platform, number=Kith.NUMBER)
    platform.send(junk := f"nothing to read {secrets.token_hex(4)}".encode())
    unread = max((one["receivedAt"], name) for name, one in queue(platform).items() if name.startswith("unread."))[1]
    assert own(platform, unknown).status_code == 200
    for open_ in (own, content):
        answer = open_(platform, unread)
        assert (answer.status_code, answer.content) == (200, junk)
        (row,) = platform.audited(answer)
        assert (row["patient"], row["rule"], row["reason"]) == (0, "rejected-opened-of-nobody", REASON)
        assert row["about"].endswith(unread)


def test_everybody_a_message_names_is_asked_and_has_her_row(platform: Standing) -> None:
    reports = "".join(
        Kith.report(patient=Kith.person(Kith.item(), number=platform.nin(who)), id_=f"{secrets.token_hex(4)}-{who}")
        for who in (WHOM, "pregnant")
    )
    ids = [f"two-{secrets.token_hex(4)}" for _ in range(2)]
    for id_, more in zip(
        ids, ("", Kith.report(patient=Kith.person(Kith.item(), number=platform.nin("opted-out")))), strict=True
    ):
        raw = Kith.message(reports + more, id_=id_, version="1.3").replace(b"V='2026-03-02T12:00:05'", b"V='yesterday'")
        assert platform.send(raw).status_code == 422
    answer = content(platform, named(platform, ids[0]))
    assert answer.status_code == 200
    wanted = {key_of(platform, platform.nin(who)) for who in (WHOM, "pregnant")}
    assert {row["patient"] for row in platform.audited(answer)} == wanted
    one_is_shut = content(platform, named(platform, ids[1]))
    assert (one_is_shut.status_code, one_is_shut.json()) == (403, SHUT)
    assert platform.audited(one_is_shut) == []  # one has opted out: nothing was kept that could be opened


def test_the_operator_sees_the_queues_of_all_and_nothing_of_their_content(platform: Standing) -> None:
    name, _ = rejected(platform)
    lab = platform.persona("lab").organisation

    def seen(query: str) -> dict[str, Any]:
        answer = platform.client.call("GET", f"/pps/operations/rejected{query}", as_="operator")
        assert answer.status_code == 200
        assert platform.nin(WHOM) not in answer.text
        return {one["message"]: one for one in answer.json()["rejected"]}

    assert seen("")[name] == seen(f"?sender={lab}")[name]
    assert seen("")[name]["sender"] == lab and seen("")[name]["errors"][0]["where"]
    assert name not in seen("?sender=100000999")


def test_the_operators_queue_of_one_sender_goes_on_where_its_page_ends(platform: Standing) -> None:
    names = {rejected(platform)[0] for _ in range(3)}
    lab = platform.persona("lab").organisation
    path, found = f"/pps/operations/rejected?sender={lab}&_count=1", []
    while path and not names <= set(found):
        told = platform.client.call("GET", path, as_="operator").json()
        found += [one["message"] for one in told["rejected"] if one["sender"] == lab]
        path = told["link"][0]["url"].removeprefix(platform.url) if "link" in told else ""
    assert names <= set(found) and len(found) == len(set(found)) <= told["total"]
    refused = platform.client.call("GET", "/pps/operations/rejected?message=x", as_="operator")
    assert (refused.status_code, refused.json()["where"]) == (400, "query")


def test_the_patient_reads_in_her_log_that_a_message_was_opened_and_why(platform: Standing) -> None:
    reason = f"Kontroll av avvist melding {secrets.token_hex(3)}"
    name, _ = rejected(platform)
    assert own(platform, name, [("reason", reason)]).status_code == 200
    with tab(platform, WHOM, "me") as it:
        log = text(it.get("/me/log"))
    assert "Åpnet en melding som ikke ble tatt imot." in log
    assert f"Begrunnelse: {reason}" in log


def moved(platform: Standing, wrong: str, right: str) -> str:
    """A report filed on one, opened there by her GP and by herself, then moved: the name of the message that moved it."""
    mark = f"moved-{secrets.token_hex(4)}"
    for who, generated, id_ in ((wrong, "2026-03-02", "first"), (right, "2026-03-04", "second")):
        inside = Kith.person(Kith.SAMPLE + Kith.item("NPU01944", id_="1"), number=platform.nin(who))
        service = "N" if who == wrong else "M"
        report = Kith.report(patient=inside, id_=mark, service=service)
        raw = Kith.message(report, id_=f"{mark}-{id_}", generated=f"{generated}T12:00:05")
        assert platform.send(raw).status_code == 200
        if who == wrong:
            newest = [("code", "NPU01944"), ("_sort", "-_lastUpdated"), ("_count", "1")]
            assert len(platform.search("Observation", newest, about=wrong).ids()) == 1
            with tab(platform, wrong, "me") as it:
                it.get("/me/results")
    answer = platform.client.call("GET", "/pps/in/withdrawn", as_="lab")
    return str(next(one["message"] for one in answer.json()["withdrawn"] if one["message"].startswith(mark)))


def test_the_operator_is_told_by_name_who_had_opened_a_withdrawn_report(platform: Standing) -> None:
    name = moved(platform, "citizen", WHOM)
    answer = operated(platform, "withdrawn", name)
    assert answer.status_code == 200, answer.text
    (report,) = answer.json()["withdrawn"]
    gp = platform.persona("gp")
    by_gp = [one for one in report["openedBy"] if one["kind"] == "practitioner"]
    assert {(one["name"], one["role"], one["purpose"]) for one in by_gp} == {(gp.person_name, "LE", "TREAT")}
    assert all(one["organisation"] and one["at"] < report["withdrawnAt"] for one in by_gp)
    herself = [one for one in report["openedBy"] if one["kind"] == "citizen"]
    assert herself and {one["name"] for one in herself} == {""}
    for known in platform.client.personas():
        assert not known.nin or known.nin not in answer.text
        assert not known.hpr or known.hpr not in answer.text
    (row,) = platform.audited(answer)
    assert row["patient"] == key_of(platform, platform.nin("citizen"))
    assert (row["action"], row["rule"], row["reason"]) == ("trace", "readers-traced", REASON)
    with tab(platform, "citizen", "me") as it:
        assert "Så hvem som hadde åpnet et svar sendt på feil person." in text(it.get("/me/log"))


def test_the_sender_of_a_withdrawn_report_goes_on_getting_counts(platform: Standing) -> None:
    name = moved(platform, "citizen", WHOM)
    answer = platform.client.call("GET", "/pps/in/withdrawn", as_="lab")
    own = next(one for one in answer.json()["withdrawn"] if one["message"] == name)
    assert [(one["role"], one["readers"]) for one in own["openedBy"]] == [("LE", 1)]
    assert platform.persona("gp").person_name not in answer.text
    refused = platform.client.call("POST", "/pps/operations/withdrawn", as_="lab", form=FORM)
    assert (refused.status_code, refused.json()["where"]) == (403, "scope")


def test_names_are_told_for_a_reason_and_of_what_was_withdrawn(platform: Standing) -> None:
    name = moved(platform, "citizen", WHOM)
    assert operated(platform, "withdrawn", name, "").status_code == 400
    assert operated(platform, "withdrawn", "nothing").status_code == 404
    assert (
        operated(platform, "withdrawn", name, sender=platform.persona("hospital-lab").organisation).status_code == 404
    )
    assert operated(platform, "withdrawn", "").status_code == 400


def test_opening_a_message_opens_no_record(platform: Standing) -> None:
    """The operator's token stays shut for everything that a clinician's opens."""
    answer = platform.client.call("POST", "/pps/v2/Observation/_search", as_="operator", patient=platform.nin(WHOM))
    assert Answered(answer).status == 403
