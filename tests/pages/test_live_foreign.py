"""A document at hand over the real platform: whose log says that it was read, and that nobody is told who is known here."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

from kjerne.policy.words import says
from kjerne.store.audit import BROUGHT, BROUGHT_SAYS
from pages.browser import token
from pages.documents import whole
from pages.test_live import Tab, blocked, key_of, tab, text
from pages.test_live_critical import opened
from platform_fixture import Standing

AT = "/clinician/document"
NOBODYS = "15887099918"


def upload(it: Tab, tree: Any) -> httpx.Response:
    form = it.get(AT)
    return it.http.post(
        f"{it.platform.url}{AT}", data={"token": token(form)},
        files={"document": ("ips.json", json.dumps(tree).encode())},
        headers={"origin": it.platform.url, "sec-fetch-site": "same-origin"},
    )  # fmt: skip


def rows(platform: Standing, number: str) -> list[Any]:
    return platform.rows(
        "SELECT action, outcome, service, caller_name, organisation, types, ids FROM audit "
        "WHERE patient = $1 AND rule = $2 ORDER BY at",
        key_of(platform, number), BROUGHT,
    )  # fmt: skip


def test_whom_it_names_by_number_has_a_row_that_names_the_reader_and_no_record(platform: Standing) -> None:
    number = platform.nin("citizen")
    before = len(rows(platform, number))
    with tab(platform, "gp") as it:
        shown = upload(it, whole(number=number))
    assert "ikke fra den nasjonale journalen" in text(shown)
    row = rows(platform, number)[before:]
    assert [(one["action"], one["outcome"], one["service"], list(one["ids"])) for one in row] == [("read", 0, "", [])]
    assert row[0]["caller_name"] == platform.persona("gp").person_name
    with tab(platform, "citizen", "me") as me:
        assert BROUGHT_SAYS in text(me.get("/me/log"))


def unnamed(page: httpx.Response, number: str) -> str:
    """What the page says, but for the number and the minute it was read."""
    told = text(page).replace(number, "#").replace(f"{number[:6]} {number[6:]}", "#")
    return re.sub(r"kl\. \d\d:\d\d", "", told)


def test_the_page_is_the_same_whether_she_is_known_here_blocks_the_reader_or_is_nobody(platform: Standing) -> None:
    number = platform.nin("citizen")
    before = len(rows(platform, number))
    with tab(platform, "gp") as it:
        known, nobody = upload(it, whole(number=number)), upload(it, whole(number=NOBODYS))
        with blocked(platform, "citizen", "gp"):
            shut = upload(it, whole(number=number))
    seen = {unnamed(known, number), unnamed(nobody, NOBODYS), unnamed(shut, number)}
    assert len(seen) == 1
    assert len(rows(platform, number)) == before + 2


def test_the_row_has_words_in_every_language() -> None:
    assert says(BROUGHT, "nb") == BROUGHT_SAYS
    assert "had at hand" in (says(BROUGHT, "en") or "") and "sjølve" in (says(BROUGHT, "nn") or "")


def test_a_document_is_held_against_the_open_patient_with_a_row_and_told_to_nobody_who_may_not_know(
    platform: Standing,
) -> None:
    number = platform.nin("citizen")
    asked = "SELECT count(*) AS n FROM audit WHERE patient = $1 AND action = 'search' AND service = 'results' AND outcome = 0"

    def searched() -> int:
        return int(platform.rows(asked, key_of(platform, number))[0]["n"])

    with tab(platform, "gp") as it:
        opened(it, "citizen")
        before = searched()
        hers, other = upload(it, whole(number=number)), upload(it, whole(number=NOBODYS))
        assert searched() == before + 2
        with blocked(platform, "citizen", "gp"):
            shut = upload(it, whole(number=number))
    assert "nevner nummeret til pasienten som er åpen" in text(hers)
    assert "et annet nummer enn det til pasienten som er åpen" in text(other)
    assert 'id="whose"' not in shut.text and shut.status_code == 200
