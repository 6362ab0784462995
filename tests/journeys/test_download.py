"""In a real browser: a citizen downloads all that she may see, and opens the page inside."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from journeys.chromium import Site, tab

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("width", "script"), [(1280, True), (390, True), (390, False)])
def test_a_citizen_takes_a_copy_and_reads_it(
    opened: Browser, where: Site, tmp_path: Path, width: int, script: bool
) -> None:
    with tab(opened, where, width, java_script_enabled=script) as it:
        it.goto("/login/start?to=me")
        it.page.get_by_role("link", name="Mer", exact=True).click()
        it.page.get_by_role("link", name="Last ned opplysningene mine").click()
        expect(it.page.get_by_text("Filen er ikke låst.")).to_be_visible()
        if script:
            it.holds()
        with it.page.expect_download() as coming:
            it.page.get_by_role("button", name="Last ned").click()
        coming.value.save_as(tmp_path / "copy.zip")
        zipfile.ZipFile(tmp_path / "copy.zip").extractall(tmp_path)
        it.page.goto((tmp_path / "index.html").as_uri())
        expect(it.page.get_by_role("heading", level=1)).to_have_text("Opplysninger om Kari Nordvik")
        expect(it.page.get_by_role("table").nth(3)).to_contain_text("Siri Vik")
        if script:
            it.holds()
