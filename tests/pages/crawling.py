"""Every page that a link leads to, from one page on: what stands on each, and which records its rows in the log name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from html import unescape
from typing import NamedTuple

import httpx

from pages.test_live import Tab
from platform_fixture import Standing

_TOLD = r'(?:title|aria-label|value|alt|content|placeholder|data-[\w-]+)="([^"]*)"'
_LINK = re.compile(r'<(?:a|form)\b[^>]*?\b(?:href|action)="([^"#]+)[^"]*"[^>]*>(.*?)</(?:a|form)>', re.DOTALL)
MOST = 250
"""More pages than any patient of these tests has: a crawl that does not end is a fault."""


class Seen(NamedTuple):
    """A page, and the records (id, version) that the rows name that came by it."""

    at: str
    page: httpx.Response
    named: frozenset[tuple[str, int]]

    @property
    def told(self) -> str:
        """All that a reader or her program may read of it."""
        body = re.sub(r"<[^>]+>", " ", self.page.text)
        return unescape(" ".join((body, *re.findall(_TOLD, self.page.text))))

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(id_ for id_, _ in self.named)


def crawled(it: Tab, root: str, follows: Callable[[str, str], bool] = lambda link, inside: True) -> Iterator[Seen]:
    """Each page from `root` on that stands under it, once; `follows` says which links to go, by address and what they hold."""
    todo, done = [root], set[str]()
    while todo:
        at = todo.pop(0)
        if at in done:
            continue
        done.add(at)
        assert len(done) < MOST, at
        before = it.platform.rows("SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xid")[0]["xid"]
        page = it.get(at)
        yield Seen(at, page, _named(it.platform, before))
        if "html" in page.headers.get("content-type", ""):
            links = ((unescape(link), inside) for link, inside in _LINK.findall(page.text))
            todo += [link for link, inside in links if link.startswith(root) and follows(link, inside)]


def some_of_each_kind(always: Collection[str] = (), most: int = 3) -> Callable[[str, str], bool]:
    """Follows links to pages that are about no record, those that hold one of the texts `always`, and of what else there is
    so many of each kind."""
    kinds: dict[str, set[str]] = {}

    def follows(link: str, inside: str) -> bool:
        if "logout" in link or link.endswith((".pdf", ".json")):
            return False
        rest = link.partition("/v/")[2].partition("/")[2] if "/v/" in link else link
        kind = re.sub(r"(\w+)/[\w-]{16,}.*", r"\1", rest)
        if kind == rest or any(text in link or text in inside for text in always):
            return True
        found = kinds.setdefault(kind, set())
        if len(found) < most:
            found.add(rest)
        return rest in found

    return follows


def _named(platform: Standing, before: str) -> frozenset[tuple[str, int]]:
    rows = platform.rows("SELECT ids, versions FROM audit WHERE xid >= ($1::text)::xid8 AND outcome = 0", before)
    return frozenset((str(id_), n) for row in rows for id_, n in zip(row["ids"], row["versions"], strict=True))
