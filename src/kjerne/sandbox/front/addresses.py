"""Where everything is: the platform's addresses, as its OpenAPI document tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

METHODS: Final = ("get", "post", "put", "patch", "delete", "options")


class Area(NamedTuple):
    """One interface: its tag in the document, where its addresses begin, how many operations it has, the scopes that open it."""

    tag: str
    base: str
    operations: int
    scopes: tuple[str, ...]

    @property
    def key(self) -> str:
        """The tag as a word of the catalogues is called."""
        return self.tag.lower().replace(" ", "-")


class Document(NamedTuple):
    """Something to read: by which word of the catalogues it is told, and where it is."""

    key: str
    path: str


DOCUMENTS: Final = (
    Document("openapi", "/openapi.json"),
    Document("capability", "/fhir/R4/metadata"),
    Document("personas", "/sandbox/personas.json"),
    Document("discovery", "/sts/.well-known/openid-configuration"),
    Document("keys", "/sts/.well-known/openid-configuration/jwks"),
    Document("saml", "/sts/saml/metadata"),
    Document("smart", "/smart/fhir/R4/.well-known/smart-configuration"),
    Document("hooks", "/cds-services"),
)


def areas(document: Mapping[str, Any]) -> Sequence[Area]:
    """The interfaces in an OpenAPI document, those with most operations first."""
    paths: dict[str, list[str]] = {}
    scopes: dict[str, set[str]] = {}
    for path, line in document["paths"].items():
        for method in METHODS:
            if method in line:
                tag = line[method]["tags"][0]
                paths.setdefault(tag, []).append(path)
                scopes.setdefault(tag, set()).update(needed(line[method]))
    found = [Area(tag, _base(all_), len(all_), tuple(sorted(scopes[tag]))) for tag, all_ in paths.items()]
    return sorted(found, key=lambda area: -area.operations)


def needed(operation: Mapping[str, Any]) -> Sequence[str]:
    """The scopes of which a token must hold one; none where it is open to everybody."""
    return tuple(dict.fromkeys(scope for way in operation.get("security", ()) for scope in way.get("token", ())))


def _base(paths: Sequence[str]) -> str:
    """What all paths begin with, whole parts of it."""
    parts = [[part for part in path.split("/") if not part.startswith("{")] for path in paths]
    common = [each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*parts, strict=False))]
    return "/".join(common) or "/"
