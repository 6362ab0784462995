"""Links that citizens of the platform hand out by its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape

import httpx

import shl_client
from pages.test_live import Tab, tab
from platform_fixture import Standing
from shl_client import Link


@dataclass(frozen=True)
class HandedOut:
    """A link as its maker got it."""

    link: Link
    passcode: str
    page: httpx.Response


def make(it: Tab, **fields: str) -> HandedOut:
    """A link by the form; what its page shows."""
    filled = {"label": "", "hours": "24", "passcode": "", "language": "en"} | fields
    page = it.post(it.get("/me/links/new"), "/me/links/new", **filled)
    assert page.status_code == 200, page.text
    uri = re.search(r'id="uri">([^<]+)<', page.text)
    passcode = re.search(r'id="the-passcode">([^<]+)<', page.text)
    assert uri, page.text
    return HandedOut(shl_client.read(unescape(uri[1])), unescape(passcode[1]) if passcode else fields["passcode"], page)


@contextmanager
def handed_out(platform: Standing, persona: str = "citizen", **fields: str) -> Iterator[HandedOut]:
    """A link of a persona's, gone at the end."""
    with tab(platform, persona, "me") as it:
        yield make(it, **fields)


def forget(platform: Standing) -> None:
    """Every link and file is gone."""
    platform.rows("DELETE FROM summary_link RETURNING 1")
    platform.rows("DELETE FROM summary_link_file RETURNING 1")
