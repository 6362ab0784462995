"""A document beside the list over the real platform: each is an opening with its own row, checked as on a page of its own."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from html import unescape
from typing import Any
from uuid import uuid4

import httpx
import pytest

from asked_sources import asking, says
from documents_at_hand import code
from kjerne.fhir.definitions import type_number
from pages.test_live import tab, text
from pages.test_live_critical import opened
from pages.test_live_documents import ANOTHERS, LOCKED, links
from platform_fixture import Standing
from sources import TEXT

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def beside(page: httpx.Response) -> list[str]:
    """The links that set a document beside the list."""
    return [unescape(one) for one in re.findall(r'class="at-wide" href="(\?[^"#]+)', page.text)]


def looks(platform: Standing, most: int) -> list[tuple[Any, ...]]:
    rows = platform.rows(
        "SELECT action, types, ids FROM audit WHERE service = 'documents' ORDER BY at DESC LIMIT $1", most
    )
    return [(row["action"], list(row["types"]), [str(one) for one in row["ids"]]) for row in rows]


def known(content: bytes, **more: Any) -> dict[str, Any]:
    said = {"hash": sha1(content).hexdigest(), "size_bytes": len(content), "unique_id": f"2.25.{uuid4().int}"}
    return said | more


def test_one_beside_the_list_is_an_opening_with_its_own_row_and_none_is_opened_before(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        entries = [country.its(place, title=f"Brev {place}", **known(TEXT)) for place in (1, 2)]
        country.asks(sundvika=country.odd(says(*entries)).port)
        root = opened(it, "citizen")
        page = it.get(f"{root}/documents?sort=name")
        assert [one[0] for one in looks(platform, 1)] == ["search"]
        assert TEXT.decode() not in text(page)
        shown = it.get(f"{root}/documents{beside(page)[0]}")
        told = text(shown)
        assert TEXT.decode() in told and "1 av 2 på siden" in told and "Neste dokument" in told
        assert "Åpnet av deg før" not in text(page) and told.count("Åpnet av deg før") == 1
        assert re.search(r'<tr id="d-[0-9a-f-]{36}" class="chosen">', shown.text)
        number = links(page.text)[0].rpartition("/")[2]
        read, listed = looks(platform, 2)
        assert read == ("read", [type_number("DocumentReference")], [number])
        assert listed[0] == "search" and len(listed[2]) == 2
        assert "frame-src data:" in page.headers["content-security-policy"]
    with tab(platform, "citizen", "me") as her:
        assert "1 journaldokument" in text(her.get("/me/log"))


def test_what_names_another_patient_is_not_shown_beside_the_list_either(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        content = ANOTHERS.format(platform.nin("youth")).encode()
        country.asks(
            sundvika=country.odd(says(country.its(**known(content, mime_type="application/xml")), content=content)).port
        )
        root = opened(it, "citizen")
        (link,) = beside(it.get(f"{root}/documents"))
        shown = text(it.get(f"{root}/documents{link}"))
        assert "nevner et annet nummer enn pasientens" in shown and "Hemmelig" not in shown


def test_one_that_was_locked_since_the_list_was_shown_is_not_there(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        own = known(TEXT)
        source = country.odd(says(country.its(**own)))
        country.asks(sundvika=source.port)
        root = opened(it, "citizen")
        page = it.get(f"{root}/documents")
        source.answers = says(country.its(confidentiality=LOCKED, **own))
        (link,), (alone,) = beside(page), links(page.text)
        assert it.get(f"{root}/documents{link}").status_code == it.get(alone).status_code == 404
        assert it.get(f"{root}/documents?document=x").status_code == 404


def test_what_a_source_does_not_give_is_told_beside_a_list_that_stands(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        entries = country.its(1, title="Gal", **known(TEXT, hash="0" * 40)), country.its(2, title="God", **known(TEXT))
        country.asks(sundvika=country.odd(says(*entries)).port)
        root = opened(it, "citizen")
        page = it.get(f"{root}/documents?sort=name")
        shown = it.get(f"{root}/documents{beside(page)[0]}")
        told = text(shown)
        assert shown.status_code == 200 and "Kilden svarte med noe som ikke kan brukes." in told and "God" in told
        assert [one[::2] for one in looks(platform, 1)] == [("read", [])]


def test_the_original_of_one_too_large_for_a_page_is_a_download_in_pieces_and_an_opening(platform: Standing) -> None:
    content = PDF + b"x" * 10_500_000
    with asking(platform) as country:
        own = known(content, title="Stor", mime_type="application/pdf")
        country.asks(sundvika=country.odd(says(country.its(1, **own), content=content)).port)
        for persona, to in (("gp", "clinician"), ("citizen", "me")):
            with tab(platform, persona, to) as it:
                root = opened(it, "citizen") if to == "clinician" else "/me"
                (link,) = links(it.get(f"{root}/documents").text)
                page = it.get(link)
                assert page.status_code == 413 and "større enn de 10 MB" in text(page), text(page)[:900]
                assert f'href="{root}/documents"' in page.text and f'href="{link}/file" download' in page.text
                assert b64encode(PDF)[:20].decode() not in page.text
                assert [one[::2] for one in looks(platform, 1)] == [("read", [])]
                file = it.get(f"{link}/file")
                assert file.content == content
                assert file.headers["content-length"] == str(len(content))
                assert file.headers["content-disposition"] == 'attachment; filename="dokument.pdf"'
                assert file.headers["content-type"] == "application/octet-stream"
                assert looks(platform, 1)[0][2] == [link.rpartition("/")[2]]


@pytest.mark.parametrize(("persona", "to"), [("gp", "clinician"), ("citizen", "me")])
def test_the_original_of_one_that_names_another_patient_is_not_given(platform: Standing, persona: str, to: str) -> None:
    another = f"Gjelder pasient {platform.nin('youth')}.".encode()
    with asking(platform) as country, tab(platform, persona, to) as it:
        root = opened(it, "citizen") if to == "clinician" else "/me"
        for content, is_given in ((another, False), (b"Ingen er nevnt.", True)):
            country.asks(sundvika=country.odd(says(country.its(1, **known(content)), content=content)).port)
            (link,) = links(it.get(f"{root}/documents").text)
            file = it.get(f"{link}/file")
            assert (file.status_code, file.content == content) == (200, is_given)
            assert is_given or (another.decode() not in file.text and "content-disposition" not in file.headers)
            assert looks(platform, 1)[0][2] == [link.rpartition("/")[2]]


def test_a_file_that_its_source_does_not_give_is_told_of_on_a_page(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "citizen", "me") as it:
        own = known(TEXT, size_bytes=30_000_000)
        country.asks(sundvika=country.odd(says(country.its(1, **own))).port)
        (link,) = links(it.get("/me/documents").text)
        page = it.get(f"{link}/file")
        assert page.status_code == 503 and "Kilden svarte med noe som ikke kan brukes." in text(page)
        assert 'href="/me/documents"' in page.text and "/clinician/" not in page.text
        assert it.get("/me/documents/x/file").status_code == 404


def test_free_text_finds_what_the_list_tells_and_stands_in_no_address(platform: Standing) -> None:
    with asking(platform) as country, tab(platform, "gp") as it:
        entries = [
            country.its(place, title=title, type_code=code("9602", "A03-2", kind), **known(TEXT))
            for place, (title, kind) in enumerate(
                (("Notat om kne", "Notat"), ("Brev", "Epikrise"), ("Notat", "Notat")), 1
            )
        ]
        country.asks(sundvika=country.odd(says(*entries)).port)
        root = opened(it, "citizen")
        page = it.get(f"{root}/documents")
        shown = it.post(page, f"{root}/documents", do="choose", text=" KNÉ  notat ", sort="name")
        assert shown.url.query and b"kn" not in shown.url.query.lower().split(b"text=")[0]
        assert "1 av 3 passer" in text(shown) and len(links(shown.text)) == 1
        assert 'value="KNÉ notat"' in shown.text
        assert len(looks(platform, 1)[0][2]) == 3, "the row names all that there is to choose from"
        none = it.post(page, f"{root}/documents", do="choose", text=TEXT.decode().split()[0])
        assert "0 av 3 passer" in text(none), "what a document says is not searched"
        number = platform.nin("citizen")
        for typed in (number, f"{number[:6]} {number[6:]}", f"epikrise {number}"):
            refused = it.post(page, f"{root}/documents", do="choose", text=typed)
            assert refused.status_code == 400 and "ha et fødselsnummer i seg" in text(refused)
            assert str(refused.url).endswith("/documents") and typed not in refused.text.replace(
                f"{number[:6]} {number[6:]}</span>", ""
            )
        assert it.get(f"{root}/documents?text=kne").status_code == 400
