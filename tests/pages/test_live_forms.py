"""Nonsense in the forms over the real platform: what a database cannot hold or compare is refused as well."""

from __future__ import annotations

import pytest

from pages.forms import walk
from pages.test_live import Tab, tab
from platform_fixture import Standing


def walked(it: Tab, start: str) -> set[str]:
    """Walks from a page on and sends nothing but nonsense; where the forms lead. Nothing was answered by a fault."""
    headers = {"origin": it.platform.url, "sec-fetch-site": "same-origin"}
    steps, faults = walk(start, sends=False), []
    path, fields = next(steps)
    while True:
        answer = (
            it.get(path) if fields is None else it.http.post(f"{it.platform.url}{path}", data=fields, headers=headers)
        )
        if answer.status_code == 500:
            faults.append((path, fields and {name: said for name, said in fields.items() if name != "token"}))
        try:
            path, fields = steps.send(answer)
        except StopIteration as end:
            assert not faults
            return set(end.value)


LEADS = {"youth": ("me", "/me/privacy/preview"), "administrator": ("operations", "/operations/persons/preview")}


@pytest.mark.parametrize("persona", LEADS)
def test_nonsense_is_no_fault(platform: Standing, persona: str) -> None:
    to, form = LEADS[persona]
    with tab(platform, persona, to) as it:
        assert form in walked(it, f"/{to}")


@pytest.mark.parametrize("number", ["²", "9" * 20, "9" * 5_000, "a\x00b"])
def test_a_choice_of_an_impossible_number_is_not_there(platform: Standing, number: str) -> None:
    with tab(platform, "citizen", "me") as it:
        assert it.post(it.get("/me/privacy"), "/me/privacy/lift", number=number).status_code == 404


@pytest.mark.parametrize(
    "fields", [{"of": "nope"}, {"whom": "role:XX"}, {"of": "from:a\x00b"}, {"kind": "record", "record": "x"}]
)
def test_a_choice_that_no_page_offers_is_not_saved(platform: Standing, fields: dict[str, str]) -> None:
    with tab(platform, "citizen", "me") as it:
        answer = it.post(it.get("/me/privacy"), "/me/privacy/save", **({"kind": "restriction"} | fields))
        assert answer.status_code in (400, 404, 422)
        assert 'role="alert"' in answer.text


@pytest.mark.parametrize("path", ["/nope", "/nope/further", "/me/trend/%00", "/me/trend/a%0Ab"])
def test_an_address_that_leads_nowhere_is_told_a_browser_in_a_page(platform: Standing, path: str) -> None:
    with tab(platform, "citizen", "me") as it:
        page = it.http.get(f"{platform.url}{path}", headers={"accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "<h1" in page.text and "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "accept"), [("/nope", "*/*"), ("/fhir/R4/Nope/1", "text/html"), ("/pps/nope", "text/html")]
)
def test_an_address_of_an_api_that_leads_nowhere_keeps_its_shape(platform: Standing, path: str, accept: str) -> None:
    with tab(platform, "citizen", "me") as it:
        answer = it.http.get(f"{platform.url}{path}", headers={"accept": accept})
        assert "json" in answer.headers["content-type"]
