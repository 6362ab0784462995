"""A searchset Bundle joined from the bytes of its entries: nothing is parsed or written again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kjerne.fhir.encode import encode

Entry = tuple[str, bytes, str]
"""(full url or empty, resource bytes, search mode: match, include or outcome)."""


def searchset(entries: Iterable[Entry], links: Sequence[tuple[str, str]], total: int | None = None) -> bytes:
    """The Bundle's bytes (http://hl7.org/fhir/R4/bundle.html); `links` are (relation, url), `total` counts matches."""
    head: dict[str, object] = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        head["total"] = total
    head["link"] = [{"relation": relation, "url": url} for relation, url in links]
    parts = [encode(head)[:-1]]
    joined = b",".join(_entry(entry) for entry in entries)
    if joined:
        parts += [b',"entry":[', joined, b"]"]
    parts.append(b"}")
    return b"".join(parts)


def _entry(entry: Entry) -> bytes:
    url, resource, mode = entry
    address = b'"fullUrl":' + encode(url) + b"," if url else b""
    return b"{" + address + b'"resource":' + resource + b',"search":{"mode":"' + mode.encode() + b'"}}'
