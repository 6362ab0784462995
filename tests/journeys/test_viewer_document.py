"""What the page that opens a link makes of any summary, in a real browser: every code is seen, and no markup is taken over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

import ips_packages
from journeys.chromium import Site, Tab, tab

pytestmark = pytest.mark.browser

RENDER = """async (text) => {
    const tree = JSON.parse(text);
    const { render } = await import("/static/viewer_document.js");
    document.getElementById("document").replaceChildren(render(tree, (key, values) => key, "nb"));
    return document.getElementById("document").innerText;
}"""


def shown(it: Tab, tree: Any) -> str:
    """All that a reader sees of a summary."""
    it.page.evaluate(RENDER, json.dumps(tree))
    return str(it.page.evaluate("document.getElementById('document').textContent"))


@pytest.fixture
def viewer(opened: Browser, where: Site) -> Iterator[Tab]:
    with tab(opened, where) as it:
        it.goto("/shl")
        yield it


def codings(tree: Any) -> Iterator[dict[str, Any]]:
    """Every coding of a document, wherever it stands outside of what only says how it is marked."""
    if isinstance(tree, list):
        for one in tree:
            yield from codings(one)
    elif isinstance(tree, dict):
        if isinstance(tree.get("coding"), list):
            yield from (one for one in tree["coding"] if isinstance(one, dict) and "code" in one)
        for name, one in tree.items():
            if name not in ("meta", "text", "coding"):
                yield from codings(one)


@ips_packages.needed
def test_every_code_of_every_example_of_the_guides_is_seen(viewer: Tab) -> None:
    documents = [*ips_packages.examples(ips_packages.IPS), *ips_packages.examples(ips_packages.EPS)]
    assert len(documents) == 7
    for document in documents:
        seen = shown(viewer, document)
        entries = [one["resource"] for one in document["entry"]]
        of_entries = [one for one in entries if one["resourceType"] != "Composition"]
        of_sections = [part for one in entries for part in one.get("section", ())]
        wanted = {one["code"] for one in (*codings(of_entries), *codings([one.get("code") for one in of_sections]))}
        assert {code for code in wanted if code not in seen} == set(), document.get("id")
    assert viewer.complaints == []


HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


def test_markup_in_a_summary_is_text_and_runs_nothing(viewer: Tab) -> None:
    title = viewer.page.title()
    allergy = {
        "resourceType": "AllergyIntolerance", "id": "a", "code": {"text": HOSTILE, "coding": [{"system": HOSTILE, "code": "1"}]},
        "note": [{"text": f"\u202e{HOSTILE}"}],
    }  # fmt: skip
    composition = {
        "resourceType": "Composition", "id": "c", "title": HOSTILE, "subject": {"reference": "Patient/p"},
        "section": [
            {"title": HOSTILE, "text": {"div": f"<div>Ord {HOSTILE}<style>p{{}}</style></div>"},
             "entry": [{"reference": "AllergyIntolerance/a"}, {"reference": HOSTILE}]},
            "no section", {"section": [{"section": [{}]}]},
        ],
    }  # fmt: skip
    patient = {"resourceType": "Patient", "id": "p", "name": [{"text": HOSTILE}]}
    entries = [{"resource": one} for one in (composition, patient, allergy)]
    seen = shown(viewer, {"resourceType": "Bundle", "type": "document", "entry": [*entries, None, {"resource": "x"}]})
    assert seen.count(HOSTILE) >= 6
    assert "Ord" in seen
    assert "\u202e" not in seen
    assert viewer.page.locator("#document img, #document script, #document style, #document a").count() == 0
    assert viewer.page.title() == title
    assert viewer.complaints == []


@pytest.mark.parametrize("tree", [None, 1, "text", [], {}, {"resourceType": "Patient"}])
def test_what_is_no_summary_is_told_of(viewer: Tab, tree: Any) -> None:
    assert "not_document" in shown(viewer, tree)


@pytest.mark.parametrize(
    "tree",
    [
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "entry": "x"},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Condition", "code": {"text": "Alene"}}}]},
        {
            "resourceType": "Bundle",
            "entry": [{"resource": {"resourceType": "Composition", "section": {"title": "En"}}}],
        },
    ],
)
def test_a_summary_that_is_spoiled_is_shown_as_far_as_it_goes(viewer: Tab, tree: Any) -> None:
    assert shown(viewer, tree)
    assert viewer.complaints == []


def test_a_summary_that_is_deep_and_leads_in_circles_comes_to_an_end(viewer: Tab) -> None:
    deep: dict[str, Any] = {"code": {"text": "innerst"}}
    for _ in range(200):
        deep = {"extension": [deep]}
    ring = {"resourceType": "Procedure", "id": "r", "partOf": [{"reference": "Procedure/r"}], **deep}
    section: dict[str, Any] = {"title": "nederst"}
    for _ in range(200):
        section = {"section": [section]}
    composition = {"resourceType": "Composition", "section": [section, {"entry": [{"reference": "Procedure/r"}]}]}
    entries = [{"resource": composition}, {"resource": ring}]
    assert "cut" in shown(viewer, {"resourceType": "Bundle", "entry": entries})
