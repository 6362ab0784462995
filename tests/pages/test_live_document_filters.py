"""Saved filters of the list of documents over the real platform: hers with any patient, and nothing of a patient in them."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx

from asked_sources import asking, says
from pages.test_live import tab, text
from pages.test_live_critical import opened
from platform_fixture import Standing
from words import fresh as word

EPIKRISER = "A00-1"


def number(page: httpx.Response, name: str) -> str:
    found = re.search(rf'href="\?filter=([0-9a-f-]{{36}})"[^>]*>{name}<', page.text)
    assert found, text(page)[:900]
    return found[1]


def test_a_filter_is_taken_with_another_patient_renamed_and_deleted_and_is_nobody_elses(platform: Standing) -> None:
    name, other = word(), word()
    with asking(platform) as country:
        its = country.its(title="Epikrise", unique_id=f"2.25.{uuid4().int}")
        country.asks(sundvika=country.odd(says(its)).port)
        with tab(platform, "gp") as it:
            root = opened(it, "citizen")
            chosen = {"category": EPIKRISER, "institution": "Et annet sted", "text": "epikrise", "sort": "name"}
            page = it.post(it.get(f"{root}/documents"), f"{root}/documents", do="keep", name=name, **chosen)
            assert page.status_code == 200 and "Filteret er lagret." in text(page)
            assert "0 av 1 passer" in text(page)
            root = opened(it, "parent")
            country.asks(
                sundvika=country.odd(
                    says(country.its(about="parent", title="Annen", unique_id=f"2.25.{uuid4().int}"))
                ).port
            )
            page = it.get(f"{root}/documents")
            taken = it.get(f"{root}/documents?filter={number(page, name)}")
            assert '<option value="Et annet sted" selected>' in taken.text, "a place that she has nothing from is told"
            assert 'value="epikrise"' in taken.text and "0 av 1 passer" in text(taken)
            assert re.search(rf'aria-current="true">{name}<', taken.text)
            same = it.post(page, f"{root}/documents", do="keep", name=name.upper(), text="brev")
            assert same.status_code == 409 and "et filter med dette navnet" in text(same)
            done = it.post(page, f"{root}/documents", do="rename", filter=number(page, name), name=other)
            assert "nytt navn" in text(done)
            own = number(done, other)
        with tab(platform, "hospital-doctor") as another:
            root = opened(another, "citizen")
            page = another.get(f"{root}/documents")
            assert other not in page.text
            assert another.get(f"{root}/documents?filter={own}").status_code == 404
            for deed in ({"do": "drop"}, {"do": "rename", "name": word()}):
                no = another.post(page, f"{root}/documents", filter=own, **deed)
                assert no.status_code == 404 and "finnes ikke lenger" in text(no)
        with tab(platform, "gp") as it:
            root = opened(it, "citizen")
            page = it.get(f"{root}/documents")
            gone = it.post(page, f"{root}/documents", do="drop", filter=own)
            assert "Filteret er slettet." in text(gone) and f">{other}<" not in gone.text


def test_what_would_tell_of_a_patient_is_not_kept(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        country.asks(sundvika=country.odd(says(country.its(unique_id=f"2.25.{uuid4().int}"))).port)
        root, before = opened(it, "citizen"), platform.rows("SELECT count(*) AS n FROM document_filter")
        page, nin = it.get(f"{root}/documents"), platform.nin("youth")
        for fields, says_ in (
            ({"name": nin, "text": "brev"}, "ha et fødselsnummer i seg"),
            ({"name": word(), "text": f"brev {nin}"}, "ha et fødselsnummer i seg"),
            ({"name": word(), "text": f"{nin[:2]}.{nin[2:4]}.{nin[4:6]} {nin[6:]}"}, "ha et fødselsnummer i seg"),
            ({"name": " ".join(nin), "text": "brev"}, "ha et fødselsnummer i seg"),
            ({"name": word(), "institution": nin}, "ha et fødselsnummer i seg"),
            ({"name": word(), "text": "brev", "category_name": nin}, "ha et fødselsnummer i seg"),
            *(
                ({"name": word(), "text": apart}, "ha et fødselsnummer i seg")
                for apart in (f"{nin[:2]}.{nin[2:4]}.{nin[4:6]} {nin[6:]}", f"{nin[:6]}–{nin[6:]}", " ".join(nin))
            ),
            ({"name": "", "text": "brev"}, "må ha et navn"),
            ({"name": "x" * 61, "text": "brev"}, "for lang"),
            ({"name": word(), "text": "x" * 101}, "for lang"),
            ({"name": word()}, "Ingenting er valgt."),
            ({"name": word(), "period": "7"}, "kan ikke velges"),
            ({"name": word(), "sort": "size"}, "kan ikke velges"),
        ):
            no = it.post(page, f"{root}/documents", do="keep", **fields)
            assert no.status_code == 400 and says_ in text(no), (fields, text(no)[:600])
            assert nin not in no.text
        assert it.post(page, f"{root}/documents", do="zzz").status_code == 400
        assert it.get(f"{root}/documents?period=7").status_code == 400, "no address chooses what no form may"
        assert platform.rows("SELECT count(*) AS n FROM document_filter") == before


def test_a_form_of_another_login_keeps_nothing(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as one, tab(platform, "gp") as two:
        country.asks(sundvika=country.odd(says(country.its(unique_id=f"2.25.{uuid4().int}"))).port)
        root, other = opened(one, "citizen"), opened(two, "citizen")
        page = one.get(f"{root}/documents")
        assert two.post(page, f"{other}/documents", do="keep", name=word(), text="brev").status_code == 403
        typed = one.post(page, f"{root}/documents", do="choose", text="brev")
        assert two.get(f"{other}/documents?{typed.url.query.decode()}").status_code == 400
