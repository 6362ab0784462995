"""The national service of documents over the wire: one list over all sources, and the document where it lies."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from hashlib import sha1
from typing import Any
from uuid import UUID, uuid4

import pytest

from asked_sources import FORM, SEARCH, Country, says
from documents_at_hand import PERSON, code, submission
from foreign_sources import files_held
from kjerne.fhir.definitions import type_number
from kjerne.wire import soap
from kjerne.xds import names
from kjerne.xds.forms import CX
from kjerne.xds.values import Association
from platform_fixture import Answered, where_no_choice_is_told
from sources import TEXT, one, renamed

LOCKED = (code("2.16.840.1.113883.5.25", "N"), code("9603", "NORS"))
COUNTS = ("nhn-securitylabel-nors-count", "x-securitylabel-nors-count")
DOCUMENT = type_number("DocumentReference")


def titles(found: Any) -> list[str]:
    return [one["content"][0]["attachment"]["title"] for one in found.resources()]


def urls(found: Any) -> list[str]:
    return [one["content"][0]["attachment"]["url"] for one in found.resources()]


def test_a_document_of_a_hospital_is_listed_and_opened_and_both_logs_say_so(
    country: Country, hospital: tuple[Any, int]
) -> None:
    source, port = hospital
    hers = CX(country.platform.nin("citizen"), PERSON)
    sent = submission(
        one(1, patient=hers, source_patient=hers, title="Epikrise").entries[0], patient=hers,
        unique_id="2.16.578.1.12.4.5.100.9.4.1",
    )  # fmt: skip
    country.platform.run(source.provide(renamed(sent, 1), TEXT))
    country.asks(sundvika=port)
    found = country.search()
    assert (found.status, titles(found), found.response.headers[COUNTS[0]]) == (200, ["Epikrise"], "0")
    (told,) = found.resources()
    (listed,) = country.platform.audited(found.response)
    assert (listed["service"], listed["action"], listed["types"]) == ("documents", "search", [DOCUMENT])
    assert listed["ids"] == [UUID(told["id"])]
    answer = country.document(urls(found)[0])
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, TEXT, "text/plain")
    assert answer.headers["content-disposition"] == f'attachment; filename="{told["id"]}.txt"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    (opened,) = country.platform.audited(answer)
    assert (opened["action"], opened["ids"]) == ("read", [UUID(told["id"])])
    rows = country.platform.run(source.log())
    persona = country.platform.persona("gp")
    asked = [
        (row["hpr"], row["name"], row["documents"])
        for row in rows
        if row["action"].startswith("urn:ihe:iti:2007:Cross")
    ]
    assert (
        asked == [(persona.hpr, persona.person_name, [told["masterIdentifier"]["value"].removeprefix("urn:oid:")])] * 3
    )


def test_breaking_the_glass_opens_what_a_hospital_has_and_nothing_that_she_locked(
    country: Country, hospital: tuple[Any, int]
) -> None:
    source, port = hospital
    hers = CX(country.platform.nin("citizen"), PERSON)
    for number, (title, marks) in enumerate({"Nød": {}, "Sperret": {"confidentiality": LOCKED}}.items(), 7):
        entry = one(number, patient=hers, source_patient=hers, title=title, **marks).entries[0]
        sent = submission(entry, patient=hers, unique_id=f"2.16.578.1.12.4.5.100.9.5.{number}")
        country.platform.run(source.provide(renamed(sent, number), TEXT))
    country.asks(sundvika=port)
    for basis in ("", "SAMTYKKE", "AKUTT", "UNNTAK", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT"):
        glass = {"purpose": "BTG", "reason": "Bevisstløs, ukjent medisin", "self_selected": True, "basis": basis}
        found = country.search(as_="outsider", **glass)
        assert found.status == 200, found.response.text
        shown = dict(zip(titles(found), urls(found), strict=True))
        assert "Nød" in shown and "Sperret" not in shown and int(found.response.headers[COUNTS[0]]) == 1, basis
        opened = country.document(shown["Nød"], as_="outsider", **glass)
        assert (opened.status_code, opened.content) == (200, TEXT)
        told = country.platform.run(source.log())[-1]
        assert (told["purpose"], told["policy"].rpartition(".")[2], told["reason"]) == ("BTG", "7", glass["reason"])


def test_what_the_list_says_of_a_document_is_its_sources_metadata(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its())).port)
    (told,) = country.search().resources()
    assert told["type"]["coding"][0] == {
        "system": "urn:oid:2.16.578.1.12.4.1.1.9602", "code": "A03-2", "display": "Epikrise",
    }  # fmt: skip
    assert (told["date"], told["status"]) == ("2026-03-10T14:25:18Z", "current")
    places = {one["type"][0]["coding"][0]["system"]: one["name"] for one in told["contained"] if "type" in one}
    assert places == {
        "2.16.578.1.12.4.1.4.101": "STIFTELSEN BETANIEN", "2.16.578.1.12.4.1.4.102": "Øye^nese|hals",
    }  # fmt: skip
    assert told["context"]["period"] == {"start": "2026-03-03", "end": "2026-03-04"}
    assert country.platform.nin("citizen") not in told["content"][0]["attachment"]["url"]


def test_a_listed_document_is_read_by_its_id_as_its_source_tells_it_now(country: Country) -> None:
    source = country.odd(says(country.its(title="Epikrise")))
    country.asks(sundvika=source.port)
    (entry,) = country.search().tree["entry"]
    at = "/phr" + entry["fullUrl"].partition("/phr")[2]
    source.answers = says(country.its(title="Epikrise, rettet"))
    answer = country.document(at)
    assert (answer.status_code, answer.json()["id"]) == (200, entry["resource"]["id"])
    assert answer.json()["content"][0]["attachment"]["title"] == "Epikrise, rettet"
    (row,) = country.platform.audited(answer)
    assert (row["action"], [str(one) for one in row["ids"]]) == ("search", [entry["resource"]["id"]])
    source.answers = says(country.its(confidentiality=LOCKED))
    assert country.document(at).status_code == 404
    assert country.document(at + "?_format=json").status_code == 400
    assert country.document(f"/phr/R4/fhir/DocumentReference/{uuid4()}").status_code == 404


def test_what_the_patient_has_locked_at_its_source_is_counted_and_opened_by_nothing(country: Country) -> None:
    entries = country.its(1, title="Åpen"), country.its(2, title="Sperret", confidentiality=LOCKED)
    country.asks(sundvika=country.odd(says(*entries)).port)
    for basis in ("", "FORHOYET_SAMTYKKE"):
        found = country.search(basis=basis)
        assert found.status == 200, found.response.text
        assert (titles(found), [found.response.headers[name] for name in COUNTS]) == (["Åpen"], ["1", "1"]), basis


def test_a_document_that_was_locked_after_it_was_listed_is_not_opened(country: Country) -> None:
    source = country.odd(says(country.its()))
    country.asks(sundvika=source.port)
    url = urls(country.search())[0]
    source.answers = says(country.its(confidentiality=LOCKED))
    assert country.document(url).status_code == 404


def test_a_document_that_half_an_answer_does_not_tell_of_is_not_said_to_be_gone(country: Country) -> None:
    source = country.odd(says(country.its(1), country.its(2)))
    country.asks(sundvika=source.port)
    url = urls(country.search())[0]
    appended = Association(id="urn:uuid:1", kind=names.APPENDS, source=country.its(2).id, target=country.its(1).id)
    one_, rest = says(country.its(1), country.its(2), relations=(appended,)), says()

    def in_part(raw: bytes) -> tuple[str, bytes]:
        kind, body = (rest if names.GET_ALL.encode() in raw else one_)(raw)
        return kind, body.replace(names.SUCCESS.encode(), names.PARTIAL.encode())

    source.answers = in_part
    assert country.document(url).status_code == 503, "the source did not tell of all, and may have it"
    (row,) = country.platform.rows("SELECT * FROM audit WHERE service = 'documents' ORDER BY at DESC LIMIT 1")
    assert (row["action"], list(row["ids"])) == ("read", [])
    source.answers = rest
    assert country.document(url).status_code == 404


def test_pages_follow_on_each_other_and_no_link_holds_her_number(country: Country) -> None:
    entries = [
        country.its(place, unique_id=f"2.16.578.1.{place}", created=f"202603{place:02d}") for place in range(1, 21)
    ]
    source = country.odd(says(*entries))
    country.asks(sundvika=source.port)
    first, second = country.search("&_count=12"), country.search("&_count=12&_page=2")
    assert first.tree["total"] == second.tree["total"] == 20
    assert (len(first.resources()), len(second.resources())) == (12, 8)
    assert len({*first.ids(), *second.ids()}) == 20
    dates = [one["date"] for one in (*first.resources(), *second.resources())]
    assert dates == sorted(dates, reverse=True)
    assert "_page=2" in first.link("next") and second.link("next") == ""
    assert country.platform.nin("citizen") not in first.link("self") + first.link("next")
    onward = country.platform.client.call(
        "GET",
        first.link("next").partition("/phr")[2].join(("/phr", "")),
        as_="gp",
        patient=country.platform.nin("citizen"),
    )
    assert Answered(onward).ids() == second.ids(), "a link leads where it says"
    assert len(source.asked) == 1, "the second page is cut from the list that was given for the first"


@pytest.mark.parametrize("sort", ["name", "type", "category", "organization", "department", "securityLabel", "date"])
def test_each_documented_order_and_its_reverse(country: Country, sort: str) -> None:
    entries = [
        country.its(
            place, unique_id=f"2.16.578.2.{place}", title=f"t{place}", created=f"2026010{place}",
            type_code=code("9602", f"A0{place}-2", f"y{place}"), class_code=code("9602", f"A0{place}-1", f"c{place}"),
            confidentiality=(code("9603", f"NORN_{place}"),),
        )
        for place in (2, 1, 3)
    ]  # fmt: skip
    country.asks(sundvika=country.odd(says(*entries)).port)
    up, down = titles(country.search(f"&_sort={sort}")), titles(country.search(f"&_sort=-{sort}"))
    assert sorted(up) == sorted(down) == ["t1", "t2", "t3"]
    if sort in ("name", "type", "category", "date", "securityLabel"):
        assert up == ["t1", "t2", "t3"] == down[::-1]


def test_the_rest_is_there_where_one_source_is_down_and_the_list_says_which(country: Country) -> None:
    good, down = country.odd(says(country.its(title="Her"))), country.odd(lambda _: ("text/html", b"<html>"))
    country.asks(sundvika=good.port, nordvik=down.port)
    found = country.search()
    assert titles(found) == ["Her"] and found.tree["total"] == 1
    (outcome,) = found.resources("outcome")
    assert [one["diagnostics"] for one in outcome["issue"]] == [
        "Nordvik sykehus answered with something that cannot be used; nothing of it is shown"
    ]


def test_an_empty_list_is_never_what_nobody_answered(country: Country) -> None:
    country.asks(sundvika=country.odd(lambda _: ("text/html", b"<html>")).port)
    found = country.search()
    assert (found.status, found.issue["code"]) == (504, "timeout")
    assert [row["ids"] for row in country.platform.audited(found.response)] == [[]]


def test_where_every_source_says_no_it_is_told_that_they_do_and_who(country: Country) -> None:
    no = country.odd(lambda _: (soap.TYPE, soap.fault(soap.unauthenticated("x"), message_id="urn:t:1")))
    country.asks(sundvika=no.port, nordvik=no.port)
    found = country.search()
    assert (found.status, found.issue["code"]) == (403, "forbidden")
    assert "Sundvika sykehus does not give it; Nordvik sykehus does not give it" in found.response.text
    assert [row["ids"] for row in country.platform.audited(found.response)] == [[]]
    country.asks(sundvika=no.port, nordvik=country.odd(lambda _: ("text/html", b"<html>")).port)
    mixed = country.search()
    assert mixed.status == 504 and "Sundvika sykehus does not give it; Nordvik sykehus answered" in mixed.response.text


def test_under_a_law_where_no_choice_is_told_who_has_shut_hers_is_answered_as_who_has_none(country: Country) -> None:
    good, down = country.odd(says()), country.odd(lambda _: ("text/html", b"<html>"))
    with where_no_choice_is_told(country.platform) as platform:
        there = replace(country, platform=platform)

        def told(about: str) -> tuple[int, object, object]:
            hers = platform.nin(about)
            sets = platform.client.call(
                "GET", "/phr/R4/fhir/List", as_="gp", patient=hers, headers={"nhn-patient-nin": hers}
            )
            found, listed = there.search(about=about), Answered(sets)
            assert listed.status == found.status
            trees = [one.tree if found.status == 200 else {} for one in (found, listed)]
            return found.status, [tree.get("total") for tree in trees], [tree.get("entry") for tree in trees]

        for ports in ({"sundvika": good.port}, {"sundvika": good.port, "nordvik": down.port}, {"nordvik": down.port}):
            country.asks(**ports)
            open_, asked = told("citizen"), len(good.asked) + len(down.asked)
            assert [told(about) for about in ("restricted", "opted-out")] == [open_, open_], ports
            assert len(good.asked) + len(down.asked) == asked, "no source hears of who has shut it"
            assert open_[0] == (504 if len(ports) == 1 and "nordvik" in ports else 200)


def test_a_document_that_is_not_the_one_of_its_metadata_is_not_given(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its(), content=b"Noe annet")).port)
    answer = country.document(urls(country.search())[0])
    assert answer.status_code == 503 and TEXT not in answer.content


def test_a_document_that_is_asked_about_and_not_sent_leaves_no_file_open(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its(mime_type="application/xml"))).port)
    url, before = urls(country.search())[0], files_held()
    for coding in ("identity", "gzip"):
        call = country.platform.client.call
        asked = call(
            "HEAD", f"/phr{url.partition('/phr')[2]}", as_="gp", patient=country.platform.nin("citizen"),
            headers={"accept-encoding": coding},
        )  # fmt: skip
        assert (asked.status_code, asked.content) == (200, b"")
    assert files_held() == before


def test_a_document_is_opened_for_the_patient_it_was_listed_for_alone(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its())).port)
    url = urls(country.search())[0]
    assert country.document(url, about="child").status_code in (403, 404)
    assert country.document(f"/phr/mhd/document/{uuid4()}").status_code == 404
    assert country.document("/phr/mhd/document/x").status_code == 404


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ("&_page=0", "_page"), ("&_count=1000", "_count"), ("&_sort=size", "_sort"), ("&status=superseded", "status"),
        ("&nickname=x", "nickname"), ("&_page=1&_page=2", "_page"), ("&_format=xml", "_format"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_read_is_refused_by_its_parameter(country: Country, form: str, where: str) -> None:
    found = country.search(form)
    assert found.status in (400, 406) and where in found.response.text


def test_a_number_in_the_wrong_place_is_refused_and_not_said_back(country: Country) -> None:
    nin = country.platform.nin("citizen")
    call = country.platform.client.call
    for path, body in (
        (SEARCH, f"{nin}=x"), (SEARCH, f"patient.identifier=1.2.3|{nin}"), (f"{SEARCH}?patient.identifier=1", ""),
        (f"{SEARCH}?_page=1&_page=2", ""), (f"{SEARCH}?_page=1", "_page=2"),
    ):  # fmt: skip
        found = call("POST", path, as_="gp", patient=nin, body=body.encode(), headers=FORM)
        assert found.status_code == 400 and nin not in found.text, path
    assert call("POST", f"{SEARCH}?_format=json", as_="gp", patient=nin).status_code in (200, 504)


def test_a_health_worker_who_does_not_treat_her_hears_the_law(country: Country) -> None:
    source = country.odd(says(country.its()))
    country.asks(sundvika=source.port)
    assert country.search(as_="outsider").status == 403
    assert source.asked == [], "no source hears of who may not ask"


def test_the_hash_of_a_list_is_the_documents_own(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its())).port)
    (told,) = country.search().resources()
    assert b64decode(told["content"][0]["attachment"]["hash"]) == sha1(TEXT).digest()
