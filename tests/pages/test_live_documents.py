"""Documents of other institutions on the clinician's pages over the real platform: listed with their sources, opened, logged."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import timedelta
from hashlib import sha1
from uuid import uuid4

import httpx

from asked_sources import asking, nothing_registered, says
from documents_at_hand import HOME, code
from kjerne.fhir.definitions import type_number
from kjerne.wire import soap
from kjerne.xds import names
from kjerne.xds.values import Association
from pages.test_live import tab, text
from pages.test_live_critical import opened
from pages.test_live_log import lines
from pages.test_live_log import opened as represented
from platform_fixture import Standing
from sources import TEXT

LOCKED = (code("2.16.840.1.113883.5.25", "N"), code("9603", "NORS"))
ANOTHERS = """<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Epikrise</title><recordTarget><patientRole>
<id root="2.16.578.1.12.4.1.4.1" extension="{}"/></patientRole></recordTarget><component><structuredBody><component><section>
<title>Funn</title><text>Hemmelig om en annen.</text></section></component></structuredBody></component></ClinicalDocument>"""


KEPT_FROM_HER = ("NORN_FFL", "NORN_ANG", "NORU", "NORN_XYZ")


def links(page: str) -> list[str]:
    return re.findall(r'href="(/(?:clinician/v/[^"]+|me)/documents/[0-9a-f-]{36})"', page)


def test_a_document_is_found_opened_and_marked_as_opened(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        own = f"2.25.{uuid4().int}"
        entries = (
            country.its(1, title="Epikrise fra Sundvika", unique_id=own),
            country.its(2, title="Sperret", confidentiality=LOCKED),
        )
        country.asks(
            sundvika=country.odd(says(*entries)).port, nordvik=country.odd(lambda _: ("text/html", b"<html>")).port
        )
        root = opened(it, "citizen")
        page = it.get(f"{root}/documents")
        assert page.status_code == 200, text(page)[:900]
        told = text(page)
        assert "Epikrise fra Sundvika" in told and "Sperret" not in told.replace("sperret", "")
        assert "1 dokument er sperret av pasienten og vises ikke." in told
        assert "Nordvik sykehus : svarte med noe som ikke kan brukes" in told.replace("sykehus:", "sykehus :")
        assert "Åpnet av deg før" not in told
        (link,) = links(page.text)
        shown = it.get(link)
        assert TEXT.decode() in text(shown)
        (row,) = platform.rows(
            "SELECT * FROM audit WHERE service = 'documents' AND action = 'read' ORDER BY at DESC LIMIT 1"
        )
        assert [(type_, str(id_)) for type_, id_ in zip(row["types"], row["ids"], strict=True)] == [
            (type_number("DocumentReference"), link.rpartition("/")[2])
        ]
        assert "Åpnet av deg før" in text(it.get(f"{root}/documents"))
    with tab(platform, "citizen", "me") as her:
        assert "1 journaldokument" in text(her.get("/me/log"))


def test_a_document_that_names_another_patient_is_not_shown(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        content = ANOTHERS.format(platform.nin("youth")).encode()
        known = {"hash": sha1(content).hexdigest(), "size_bytes": len(content), "mime_type": "application/xml"}
        country.asks(sundvika=country.odd(says(country.its(**known), content=content)).port)
        root = opened(it, "citizen")
        (link,) = links(it.get(f"{root}/documents").text)
        shown = text(it.get(link))
        assert "nevner et annet nummer enn pasientens" in shown and "Hemmelig" not in shown


def test_a_letter_that_names_another_by_number_alone_is_not_shown(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        for place, whose, shows in ((1, ("youth",), False), (2, ("citizen", "youth"), True)):
            content = f"Hemmelig brev om {' og '.join(platform.nin(one) for one in whose)}.".encode()
            known = {"hash": sha1(content).hexdigest(), "size_bytes": len(content), "unique_id": f"2.25.{uuid4().int}"}
            country.asks(sundvika=country.odd(says(country.its(place, **known), content=content)).port)
            root = opened(it, "citizen")
            (link,) = links(it.get(f"{root}/documents").text)
            shown = text(it.get(link))
            assert ("Hemmelig" in shown) is shows
            assert ("nevner et annet nummer enn pasientens" in shown) is not shows


def test_a_document_that_cannot_be_read_can_be_kept_as_it_came(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        content = b"\x00\x01 ingen kjent form"
        known = {"hash": sha1(content).hexdigest(), "size_bytes": len(content), "unique_id": f"2.25.{uuid4().int}"}
        country.asks(sundvika=country.odd(says(country.its(1, **known), content=content)).port)
        root = opened(it, "citizen")
        (link,) = links(it.get(f"{root}/documents").text)
        page = it.get(link)
        assert "Last ned originalen" in text(page)
        assert f"base64,{b64encode(content).decode()}" in page.text.replace("&#43;", "+")


def test_a_document_that_is_not_given_says_what_its_source_did_and_is_not_logged_as_opened(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        large, wrong = f"2.25.{uuid4().int}", f"2.25.{uuid4().int}"
        country.asks(
            sundvika=country.odd(
                says(
                    country.its(1, title="Stor", unique_id=large, size_bytes=30_000_000),
                    country.its(2, title="Gal", unique_id=wrong, hash="0" * 40),
                )
            ).port
        )
        root = opened(it, "citizen")
        page = it.get(f"{root}/documents")
        for title, status, says_ in (
            ("Stor", 413, "større enn de 10 MB som siden kan vise"), ("Gal", 503, "Kilden svarte med noe som ikke kan brukes."),
        ):  # fmt: skip
            (link,) = re.findall(rf'href="(/clinician/v/[^"]+/documents/[0-9a-f-]{{36}})">{title}<', page.text)
            shown = it.get(link)
            assert (shown.status_code, says_ in text(shown)) == (status, True), text(shown)[:900]
            assert f'href="{root}/documents"' in shown.text
            (row,) = platform.rows(
                "SELECT * FROM audit WHERE service = 'documents' AND action = 'read' ORDER BY at DESC LIMIT 1"
            )
            assert list(row["ids"]) == []
        assert "Åpnet av deg før" not in text(it.get(f"{root}/documents?sort=name"))


def test_a_period_chooses_by_the_day_that_is_shown_and_no_day_is_made_up(platform: Standing) -> None:
    today = platform.clock.now()
    lately, year = f"{today - timedelta(days=7):%Y%m%d}", f"{today:%Y}"
    known = (
        {"title": "Ny", "created": lately, "service_start": "20140101"},
        {"title": "Gammel", "created": "20140101", "service_start": lately},
        {"title": "Delvis", "created": year},
        {"title": "Udatert", "created": "", "service_start": ""},
        {"title": "Senere", "created": lately, "confidentiality": (code("9603", "NORU"),)},
    )
    with asking(platform) as country, tab(platform, "gp") as it:
        entries = [country.its(place, unique_id=f"2.25.{uuid4().int}", **one) for place, one in enumerate(known, 1)]
        country.asks(sundvika=country.odd(says(*entries)).port)
        root = opened(it, "citizen")
        page = it.get(f"{root}/documents?period=365&sort=name")
        shown = text(page)
        assert [one["title"] for one in known if f">{one['title']}<" in page.text] == [
            "Ny",
            "Delvis",
            "Udatert",
            "Senere",
        ]
        assert f"01.01.{year}" not in shown and "uten dato" in shown and "Pasienten ser det senere" in shown
        assert '<input type="hidden" name="sort" value="name">' in page.text
        beyond = it.get(f"{root}/documents?page=99")
        assert "Listen har 1 sider." in text(beyond) and 'href="?page=1"' in beyond.text


def test_she_can_shut_the_documents_of_a_source_that_is_asked(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "citizen", "me") as her:
        country.asks(sundvika=1)
        trust = platform.population.units["trust"].number
        assert f'value="from:{trust}"' in her.get("/me/privacy?service=documents").text


def test_a_list_of_nobody_is_told_as_silence_and_not_as_empty(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        root = opened(it, "citizen")
        country.asks(sundvika=country.odd(lambda _: ("text/html", b"<html>")).port)
        page = it.get(f"{root}/documents")
        assert page.status_code == 503 and "har dokumenter som du kan se" not in text(page)


def test_a_no_of_every_source_is_told_as_a_no(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        root = opened(it, "citizen")
        no = country.odd(lambda _: (soap.TYPE, soap.fault(soap.unauthenticated("x"), message_id="urn:t:1")))
        country.asks(sundvika=no.port)
        page = it.get(f"{root}/documents")
        assert page.status_code == 403 and "Kildene gir ikke innsyn" in text(page) and "Prøv igjen" not in text(page)


def test_what_an_address_asks_for_that_is_not_there_is_refused(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        country.asks(sundvika=country.odd(says(country.its())).port)
        root = opened(it, "citizen")
        assert it.get(f"{root}/documents?sort=size").status_code == 400
        assert it.get(f"{root}/documents?page=0").status_code == 400
        assert it.get(f"{root}/documents/x").status_code == 404
        assert it.get(f"{root}/documents/00000000-0000-4000-8000-000000000000").status_code == 404
        assert "Ingen dokumenter passer" in text(it.get(f"{root}/documents?category=C00-1"))


def test_a_citizen_finds_hers_reads_one_and_her_log_has_both_looks(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "citizen", "me") as it:
        entries = [
            country.its(1, title="Epikrise fra Sundvika", unique_id=f"2.25.{uuid4().int}"),
            country.its(2, title="Sperret av meg", confidentiality=LOCKED),
        ]
        entries += [
            country.its(place, title="Holdt tilbake", confidentiality=(LOCKED[0], code("9603", mark)))
            for place, mark in enumerate(KEPT_FROM_HER, 3)
        ]
        entries.append(country.its(9, title="Holdt tilbake", confidentiality=(code("2.16.840.1.113883.5.25", "V"),)))
        source = country.odd(says(*entries))
        country.asks(sundvika=source.port, nordvik=country.odd(lambda _: ("text/html", b"<html>")).port)
        page = it.get("/me/documents")
        assert page.status_code == 200, text(page)[:900]
        told = text(page)
        assert "Epikrise fra Sundvika" in told and "Sperret for helsepersonell" in told and "2 dokumenter" in told
        assert "Holdt tilbake" not in told and "sperret av pasienten" not in told
        assert "Nordvik sykehus svarte med noe som ikke kan brukes. Det kan finnes dokumenter der" in told
        (link, _) = links(page.text)
        assert TEXT.decode() in text(it.get(link))
        looks = platform.rows(
            "SELECT action, rule, ids FROM audit WHERE service = 'documents' ORDER BY at DESC LIMIT 2"
        )
        assert [(one["action"], one["rule"]) for one in looks] == [("read", "own"), ("search", "own")]
        assert str(looks[0]["ids"][0]) == link.rpartition("/")[2] and len(looks[1]["ids"]) == 2
        assert "Åpnet av deg før" in text(it.get("/me/documents"))
        assert "2 journaldokumenter" in text(it.get("/me/log?show=all"))


def test_a_document_that_was_withheld_since_is_gone_and_one_that_names_another_is_not_shown(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "citizen", "me") as it:
        own = f"2.25.{uuid4().int}"
        content = ANOTHERS.format(platform.nin("youth")).encode()
        known = {"hash": sha1(content).hexdigest(), "size_bytes": len(content), "mime_type": "application/xml"}
        source = country.odd(says(country.its(unique_id=own, **known), content=content))
        country.asks(sundvika=source.port)
        (link,) = links(it.get("/me/documents").text)
        shown = text(it.get(link))
        assert "nevner et annet fødselsnummer" in shown and "Hemmelig" not in shown
        source.answers = says(country.its(unique_id=own, confidentiality=(LOCKED[0], code("9603", "NORN_FPB"))))
        assert it.get(link).status_code == 404
        assert it.get("/me/documents/x").status_code == 404
        assert it.get("/me/documents?sort=size").status_code == 400


def test_a_citizen_hears_that_a_source_told_of_a_part_alone(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "citizen", "me") as it:
        whole = says(country.its(1, title="Epikrise fra Sundvika"))

        def in_part(raw: bytes) -> tuple[str, bytes]:
            kind, body = whole(raw)
            return kind, body.replace(names.SUCCESS.encode(), names.PARTIAL.encode())

        source = country.odd(in_part)
        country.asks(sundvika=source.port)
        told = text(it.get("/me/documents"))
        assert "Epikrise fra Sundvika" in told and "Sundvika sykehus sier at dette ikke er alt den har." in told
        assert "Det kan finnes flere dokumenter der" in told


def test_a_citizen_who_is_not_given_a_document_is_led_back_to_her_own_list(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "citizen", "me") as it:
        wrong = country.its(1, hash="0" * 40, unique_id=f"2.25.{uuid4().int}")
        country.asks(sundvika=country.odd(says(wrong)).port)
        (link,) = links(it.get("/me/documents").text)
        shown = it.get(link)
        assert shown.status_code == 503 and 'href="/me/documents"' in shown.text
        assert "/clinician" not in shown.text


def test_nobody_answered_is_told_a_citizen_as_silence(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "citizen", "me") as it:
        country.asks(sundvika=country.odd(lambda _: ("text/html", b"<html>")).port)
        page = it.get("/me/documents")
        assert page.status_code == 503 and "Kilden svarte ikke" in text(page)


def test_a_replaced_document_stands_under_what_took_its_place_and_opens_with_a_word_about_it(
    platform: Standing,
) -> None:
    with asking(platform) as country:
        former = country.its(1, title="Utkast", status=names.DEPRECATED, unique_id=f"2.25.{uuid4().int}")
        newer = country.its(2, title="Epikrise fra Sundvika", unique_id=f"2.25.{uuid4().int}")
        appendix = country.its(3, title="Ekko", unique_id=f"2.25.{uuid4().int}")
        relations = [
            Association(id="urn:uuid:1", kind=names.REPLACES, source=newer.id, target=former.id),
            Association(id="urn:uuid:2", kind=names.APPENDS, source=appendix.id, target=newer.id),
        ]
        country.asks(sundvika=country.odd(says(former, newer, appendix, relations=relations)).port)
        for persona, to in (("gp", "clinician"), ("citizen", "me")):
            with tab(platform, persona, to) as it:
                root = opened(it, "citizen") if to == "clinician" else "/me"
                page = it.get(f"{root}/documents")
                told = text(page)
                assert "2 dokumenter" in told and "1 tidligere versjon Utkast" in told, told[:1500]
                assert "Tillegg til: Epikrise fra Sundvika" in told and "Har tillegg: Ekko" in told
                (row,) = platform.rows("SELECT ids FROM audit WHERE service = 'documents' ORDER BY at DESC LIMIT 1")
                assert len(row["ids"]) == 3, "the replaced one is told of too"
                (link,) = {one for one in links(page.text) if re.search(rf'{one}">Utkast', page.text)}
                shown = text(it.get(link))
                assert "Dette er en tidligere versjon." in shown and TEXT.decode() in shown


def test_a_citizens_log_names_the_documents_that_she_has_been_told_of_herself(platform: Standing) -> None:
    with asking(platform) as country:
        entries = [
            country.its(1, title="Epikrise om hjertet", unique_id=f"2.25.{uuid4().int}"),
            country.its(
                2, title="Kjent for legen alene", unique_id=f"2.25.{uuid4().int}",
                confidentiality=(LOCKED[0], code("9603", "NORN_FFL")),
            ),
        ]  # fmt: skip
        country.asks(sundvika=country.odd(says(*entries)).port)
        with tab(platform, "gp") as it:
            assert "Kjent for legen alene" in text(it.get(f"{opened(it, 'citizen')}/documents"))
        with tab(platform, "citizen", "me") as her:
            told = text(her.get("/me/log"))
            assert "2 journaldokumenter" in told and "Epikrise om hjertet" not in told
            assert "Epikrise om hjertet" in text(her.get("/me/documents"))
            page = her.get("/me/log")
            assert "Kjent for legen alene" not in text(page)
            named = lines(page, "Epikrise om hjertet")
            assert named and not any("navngis her" in line for line in named)
            (row,) = platform.rows("SELECT * FROM audit WHERE service = 'documents' ORDER BY at DESC LIMIT 1")
            assert (row["rule"], row["action"], row["ids"] != []) == ("own", "search", True)


def test_a_source_that_was_not_asked_is_told_of_and_asked_by_a_press(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it, nothing_registered(platform):
        source = country.odd(says(country.its(about="parent", title="Epikrise fra Sundvika")))
        country.asks(sundvika=source.port)
        form = [("home", HOME), ("whole", "true")]
        assert platform.client.call("POST", "/phr/register", as_="document-source", form=form).status_code == 200
        root = opened(it, "parent")
        page = it.get(f"{root}/documents")
        assert "ikke spurt: den har ikke meldt dokumenter om pasienten" in text(page)
        assert "Epikrise fra Sundvika" not in text(page) and not source.asked
        (link,) = re.findall(r'href="(\?[^"]*ask=all[^"]*)"[^>]*>Spør alle kilder<', page.text)
        all_ = it.get(f"{root}/documents{link}")
        assert "Epikrise fra Sundvika" in text(all_) and "Alle kilder ble spurt." in text(all_)
        assert 'name="ask" value="all"' in all_.text, "what is chosen on the page is chosen among all"


def test_a_parents_log_of_a_child_counts_no_document_that_she_has_not_been_told_of(platform: Standing) -> None:
    """What is withheld from parents would be known by what personnel saw beside what she is shown."""
    withheld = (LOCKED[0], code("9603", "NORN_FORANS"))
    with asking(platform) as country:
        entries = (
            country.its(1, "child", title="Til alle", unique_id=f"2.25.{uuid4().int}"),
            country.its(
                2, "child", title="Ikke for foreldre", unique_id=f"2.25.{uuid4().int}", confidentiality=withheld
            ),
        )
        country.asks(sundvika=country.odd(says(*entries)).port)
        with tab(platform, "gp") as it:
            assert "Ikke for foreldre" in text(it.get(f"{opened(it, 'child')}/documents"))
        (look,) = platform.rows("SELECT ids FROM audit WHERE service = 'documents' ORDER BY at DESC LIMIT 1")
        assert len(look["ids"]) == 2
        with tab(platform, "parent", "me") as it:
            represented(it, platform.population.by_key[platform.population.cast["child"]].name)
            assert not counted(it.get("/me/log"))
            listed = it.get("/me/documents")
            assert "Til alle" in text(listed) and "Ikke for foreldre" not in text(listed)
            page = it.get("/me/log?show=all")
            assert counted(page) == {"1"} and "Til alle" in text(page)
        told = platform.client.call(
            "GET", "/fhir/R4/AuditEvent", as_="parent", patient=platform.nin("child"), portal=True
        )
        assert told.status_code == 200, told.text
        (shown,) = links(listed.text)
        (kept,) = {str(one) for one in look["ids"]} - {shown.rpartition("/")[2]}
        assert shown.rpartition("/")[2] in told.text and kept not in told.text


def counted(page: httpx.Response) -> set[str]:
    """How many documents the lines of a log say that were seen."""
    return set(re.findall(r"(\d+) journaldokument", text(page)))
